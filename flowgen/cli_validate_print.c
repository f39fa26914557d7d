/* SPDX-License-Identifier: BSD-3-Clause */

/* What flowgen validate found: as text, as JSON (docs/flowgen-json.md), as JUnit. */

#include "cli_validate.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *word_of(const struct cli_tried *t)
{
	switch (t->answer.word) {
	case HF_TESTPMD_REJECT:
		return "reject";
	case HF_TESTPMD_BAD:
		return "bad";
	case HF_TESTPMD_ACCEPT:
		return t->danger[0] ? "danger" : "accept";
	}
	return "bad";
}

/* The port that was tried. */
static const char *port_of(const struct cli_validation *v)
{
	return v->cli->device ? v->cli->device : hf_plan_nic(v->built.plan);
}

static size_t n_accepted(const struct cli_validation *v)
{
	return v->tried.n - v->n_rejected;
}

static size_t n_allowed(const struct cli_validation *v)
{
	return v->n_fates[HF_FATE_ALLOW] + v->n_fates[HF_FATE_ALLOW_UNTRACKED];
}

/* "-22, ITEM, its words", "ipv4.dst is not matched as asked", or testpmd's words. */
static void print_why(const struct cli_tried *t, const char *sep, FILE *out)
{
	if (t->answer.word == HF_TESTPMD_REJECT)
		fprintf(out, "%d%s%s%s%s", -t->answer.err, sep, t->answer.type, sep,
			t->answer.message);
	else if (t->answer.word == HF_TESTPMD_BAD)
		fputs(t->answer.message, out);
	else
		fprintf(out, "%s is not matched as asked", t->danger);
}

static void print_rule(const struct cli_validation *v, const struct cli_tried *t)
{
	bool good = t->answer.word == HF_TESTPMD_ACCEPT && !t->danger[0];

	if (good && v->cli->quiet)
		return;
	fputs(word_of(t), stdout);
	if (!good) {
		putchar('\t');
		print_why(t, "\t", stdout);
	}
	printf("\t%s\n\t%s\n", t->origin, t->rule);
}

int cli_print_validation_text(const struct cli_validation *v)
{
	size_t i;

	for (i = 0; i < v->tried.n; i++)
		print_rule(v, &v->tried.v[i]);
	for (i = 0; i < v->probes.n; i++) {
		const struct cli_probe *p = &v->probes.v[i];

		if (p->wrong)
			printf("wrong\tNIC %s, plan %s, reference %s\t%s:%zu\n\t%s\n",
				hf_fate_name(p->got), hf_fate_name(p->planned),
				hf_fate_name(p->fate), v->cli->packets, p->number, p->line);
	}
	printf("%s on %s: %zu rules, %zu accepted, %zu rejected, %zu installed otherwise\n",
		hf_plan_iface(v->built.plan), port_of(v), v->tried.n, n_accepted(v), v->n_rejected,
		v->n_danger);
	if (v->cli->packets)
		printf("%zu packets: %zu allowed, %zu denied, %zu punted, %zu wrong; left out: %zu "
		       "that do not arrive there, %zu with what no NIC sees\n",
			v->probes.n, n_allowed(v), v->n_fates[HF_FATE_DENY],
			v->n_fates[HF_FATE_PUNT], v->n_wrong, v->n_elsewhere, v->n_hidden);
	return 0;
}

static json_t *rule_json(const struct cli_tried *t)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s}", "result", word_of(t), "origin", t->origin, "rule", t->rule);

	if (t->answer.word == HF_TESTPMD_REJECT) {
		json_object_set_new(o, "errno", json_integer(-t->answer.err));
		json_object_set_new(o, "type", json_string(t->answer.type));
	}
	if (t->answer.word != HF_TESTPMD_ACCEPT)
		json_object_set_new(o, "message", json_string(t->answer.message));
	else if (t->danger[0])
		json_object_set_new(o, "field", json_string(t->danger));
	return o;
}

static json_t *packet_json(const struct cli_probe *p)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:b}", "line", (json_int_t)p->number, "packet",
		p->line, "nic", hf_fate_name(p->got), "plan", hf_fate_name(p->planned), "reference",
		hf_fate_name(p->fate), "wrong", p->wrong);
}

int cli_print_validation_json(const struct cli_validation *v)
{
	json_t *rules = json_array(), *packets = json_array(), *root;
	size_t i;
	int rc;

	for (i = 0; i < v->tried.n; i++)
		json_array_append_new(rules, rule_json(&v->tried.v[i]));
	for (i = 0; i < v->probes.n; i++)
		json_array_append_new(packets, packet_json(&v->probes.v[i]));
	root = json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:I, s:I}", "schema", 1, "interface",
		hf_plan_iface(v->built.plan), "nic", hf_plan_nic(v->built.plan), "port", port_of(v),
		"rules", rules, "accepted", (json_int_t)n_accepted(v), "rejected",
		(json_int_t)v->n_rejected, "danger", (json_int_t)v->n_danger);
	if (root && v->cli->packets) {
		json_object_set_new(root, "packets", packets);
		json_object_set_new(root, "wrong", json_integer((json_int_t)v->n_wrong));
		json_object_set_new(
			root, "left_out", json_integer((json_int_t)(v->n_elsewhere + v->n_hidden)));
	} else {
		json_decref(packets);
	}
	rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	if (rc < 0)
		return -ENOMEM;
	putchar('\n');
	return 0;
}

/* Text inside a quoted attribute of XML. */
static void print_xml(const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
	size_t i;

	for (; *text != '\0'; text++) {
		for (i = 0; i < 4 && entities[i].c != *text; i++)
			;
		if (i < 4)
			fputs(entities[i].entity, stdout);
		else
			putchar((unsigned char)*text < ' ' ? ' ' : *text);
	}
}

static void print_case(const char *class, const char *name)
{
	printf("    <testcase classname=\"%s\" name=\"", class);
	print_xml(name);
	putchar('"');
}

static int print_rule_case(const struct cli_tried *t)
{
	char *why = NULL;
	size_t size = 0;
	FILE *out;

	print_case("rules", t->rule);
	if (t->answer.word == HF_TESTPMD_ACCEPT && !t->danger[0]) {
		puts("/>");
		return 0;
	}
	out = open_memstream(&why, &size);
	if (!out)
		return -ENOMEM;
	print_why(t, ", ", out);
	fprintf(out, " (%s)", t->origin);
	if (fclose(out) != 0) {
		free(why);
		return -ENOMEM;
	}
	printf(">\n      <failure type=\"%s\" message=\"", word_of(t));
	print_xml(why);
	puts("\"/>\n    </testcase>");
	free(why);
	return 0;
}

int cli_print_validation_junit(const struct cli_validation *v)
{
	size_t bad = v->n_rejected + v->n_danger + v->n_wrong, i;
	int rc = 0;

	printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
	       "  <testsuite name=\"flowgen validate, %s on ",
		hf_plan_iface(v->built.plan));
	print_xml(port_of(v));
	printf("\" tests=\"%zu\" failures=\"%zu\">\n", v->tried.n + v->probes.n, bad);
	for (i = 0; i < v->tried.n && rc == 0; i++)
		rc = print_rule_case(&v->tried.v[i]);
	for (i = 0; i < v->probes.n; i++) {
		const struct cli_probe *p = &v->probes.v[i];

		print_case("packets", p->line);
		if (p->wrong)
			printf(">\n      <failure type=\"wrong\" message=\"NIC %s, plan %s, "
			       "reference %s\"/>\n    </testcase>\n",
				hf_fate_name(p->got), hf_fate_name(p->planned),
				hf_fate_name(p->fate));
		else
			puts("/>");
	}
	puts("  </testsuite>\n</testsuites>");
	return rc;
}
