/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen diff: what a change of policy changes in the NIC, operation by operation, and for which
 * packets it changes the verdict.
 */

#include "cli.h"
#include "cli_prove.h"

#include <hepflow/diff.h>
#include <hepflow/err.h>
#include <hepflow/net.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>
#include <hepflow/witness.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512 /* longer than any packet line with every key, and most patterns */

/* One uplink. A side that does not have it has no plan. */
struct uplink {
	char name[HF_IFNAME_SIZE];
	struct hf_plan *old, *new;
	struct hf_diff *diff;
	struct hf_check_steps proof;
};

struct report {
	const char *profile;
	struct hf_plan_opts opts;
	size_t n;
	struct uplink *v;
	bool rules_differ;
	bool prove; /* the uplinks' proofs have been made */
	struct hf_witnesses witnesses;
};

static bool is_uplink(const struct hf_rules *rules, const char *name)
{
	int i = hf_rules_find_iface(rules, name);

	return i > 0 && hf_rules_iface(rules, (size_t)i)->from == HF_FROM_UPLINK;
}

static int list_uplinks(const struct cli *cli, const struct hf_rules *rules, struct report *r)
{
	size_t i, k;

	for (i = 1; i < hf_rules_n_ifaces(rules); i++) {
		const struct hf_iface *iface = hf_rules_iface(rules, i);
		struct uplink *v;

		for (k = 0; k < r->n && strcmp(r->v[k].name, iface->name) != 0; k++)
			;
		if (k < r->n || iface->from != HF_FROM_UPLINK || strcmp(iface->name, "lo") == 0 ||
			(cli->iface && strcmp(cli->iface, iface->name) != 0))
			continue;
		v = reallocarray(r->v, r->n + 1, sizeof(*v));
		if (!v)
			return -ENOMEM;
		r->v = v;
		r->v[r->n] = (struct uplink){0};
		memcpy(r->v[r->n++].name, iface->name, sizeof(iface->name));
	}
	return 0;
}

static int diff_uplink(const struct report *r, struct uplink *u, const struct hf_rules *old,
	const struct hf_rules *new, const struct hf_nic *nic, struct hf_err *err)
{
	struct hf_plan_opts opts = r->opts;
	struct hf_diff_opts diff_opts = {0};
	int rc = 0;

	opts.iface = u->name;
	if (is_uplink(old, u->name))
		rc = hf_plan_build(old, nic, &opts, &u->old, err);
	opts.previous = u->old;
	if (rc == 0 && is_uplink(new, u->name))
		rc = hf_plan_build(new, nic, &opts, &u->new, err);
	if (rc < 0)
		return rc;
	diff_opts.capacity = hf_plan_capacity(u->new ? u->new : u->old);
	return hf_diff_build(u->old, u->new, &diff_opts, &u->diff, err);
}

static char *rules_text(const struct hf_rules *rules)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	hf_rules_print(rules, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static int compare_rules(
	const struct hf_rules *old, const struct hf_rules *new, bool *ret, struct hf_err *err)
{
	char *a = rules_text(old), *b = rules_text(new);
	int rc = a && b ? 0 : hf_fail(err, -ENOMEM, "out of memory");

	if (rc == 0)
		*ret = strcmp(a, b) != 0;
	free(a);
	free(b);
	return rc;
}

static void report_fini(struct report *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		hf_diff_free(r->v[i].diff);
		hf_plan_free(r->v[i].old);
		hf_plan_free(r->v[i].new);
	}
	free(r->v);
}

static int make_report(const struct cli *cli, const struct cli_built *old,
	const struct cli_built *new, const struct hf_nic *nic, struct report *r, struct hf_err *err)
{
	size_t i;
	int rc = list_uplinks(cli, old->rules, r);

	r->profile = nic->name;
	if (rc == 0)
		rc = list_uplinks(cli, new->rules, r);
	if (rc < 0)
		return hf_fail(err, rc, "out of memory");
	if (cli->iface && r->n == 0)
		return hf_fail(err, -ENOENT, "no uplink '%s' on this host", cli->iface);
	for (i = 0; i < r->n && rc == 0; i++)
		rc = diff_uplink(r, &r->v[i], old->rules, new->rules, nic, err);
	return rc < 0 ? rc : compare_rules(old->rules, new->rules, &r->rules_differ, err);
}

static int prove(struct report *r, const struct cli_built *old, const struct cli_built *new,
	const struct hf_nic *nic, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < r->n && rc == 0; i++) {
		struct uplink *u = &r->v[i];
		struct cli_prove p = {
			old->model, new->model, u->old, u->new, u->diff, nic, u->name};

		rc = cli_prove_steps(&p, &u->proof, err);
	}
	r->prove = true;
	return rc;
}

static bool unproven(const struct report *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		if (r->prove && r->v[i].proof.answer != HF_CHECK_PROVEN)
			return true;
	}
	return false;
}

static size_t n_entries(const struct hf_plan *plan)
{
	return plan ? hf_plan_n_entries(plan) : 0;
}

static size_t n_covers(const struct hf_diff *d)
{
	size_t n = 0, i;

	for (i = 0; i < hf_diff_n_ops(d); i++)
		n += hf_diff_op(d, i)->kind == HF_DIFF_COVER;
	return n;
}

static bool is_cover(const struct hf_diff_op *op)
{
	return op->kind == HF_DIFF_COVER || op->kind == HF_DIFF_UNCOVER;
}

static const char *answer_name(enum hf_check_answer answer)
{
	return answer == HF_CHECK_PROVEN    ? "proven"
	       : answer == HF_CHECK_REFUTED ? "wrong"
					    : "undecided";
}

static void print_proof(const struct hf_check_steps *c)
{
	char line[LINE_SIZE];

	if (c->answer != HF_CHECK_REFUTED) {
		printf("every step: %s%s\n",
			c->answer == HF_CHECK_PROVEN ? "proven" : "undecided: ",
			c->answer == HF_CHECK_PROVEN ? "" : hf_check_limit_name(c->limit));
		return;
	}
	(void)hf_packet_print(&c->wrong.pkt, line, sizeof(line)); /* fits */
	printf("every step: WRONG after operation %zu: %s, policy: %s, hardware: %s by ", c->step,
		line, hf_verdict_name(c->wrong.verdict), hf_fate_name(c->wrong.fate));
	if (c->wrong.entry == SIZE_MAX) {
		puts("no entry of its table");
		return;
	}
	(void)hf_pattern_print(&c->entry.match, line, sizeof(line));
	printf("%s priority %" PRIu32 "\n", line, c->entry.priority);
}

static json_t *proof_json(const struct hf_check_steps *c)
{
	json_t *o = json_pack("{s:s}", "answer", answer_name(c->answer));
	char line[LINE_SIZE];

	if (!o || c->answer != HF_CHECK_REFUTED)
		return o;
	(void)hf_packet_print(&c->wrong.pkt, line, sizeof(line)); /* fits */
	json_object_set_new(o, "after", json_integer((json_int_t)c->step));
	json_object_set_new(o, "packet", json_string(line));
	json_object_set_new(o, "policy", json_string(hf_verdict_name(c->wrong.verdict)));
	json_object_set_new(o, "hardware", json_string(hf_fate_name(c->wrong.fate)));
	return o;
}

static void print_uplink(const struct report *r, const struct uplink *u)
{
	uint32_t capacity = hf_plan_capacity(u->new ? u->new : u->old);
	size_t changes = hf_diff_n_adds(u->diff) + hf_diff_n_deletes(u->diff), i;

	printf("plan %s on %s, fallback %s\n", u->name, r->profile,
		r->opts.fallback == HF_FALLBACK_KERNEL ? "kernel" : "software");
	for (i = 0; i < hf_diff_n_ops(u->diff); i++)
		hf_diff_op_print(hf_diff_op(u->diff, i), stdout);
	printf("adds %zu deletes %zu keeps %zu capacity %zu/%zu", hf_diff_n_adds(u->diff),
		hf_diff_n_deletes(u->diff), hf_diff_n_keeps(u->diff), n_entries(u->old),
		n_entries(u->new));
	if (capacity)
		printf(" of %" PRIu32, capacity);
	printf(", at most %zu at a time\n", hf_diff_peak(u->diff));
	printf("operations %zu for %zu changes, %zu covers%s\n", hf_diff_n_ops(u->diff), changes,
		n_covers(u->diff),
		hf_diff_covers_all(u->diff) ? ": everything is punted meanwhile" : "");
	if (r->prove)
		print_proof(&u->proof);
}

static void print_text(const struct report *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		print_uplink(r, &r->v[i]);
	if (!r->rules_differ) {
		printf("verdicts: the same rules\n");
		return;
	}
	hf_witnesses_print(&r->witnesses, stdout);
}

static json_t *op_json(const struct hf_diff_op *op)
{
	const struct hf_entry *e = &op->entry;
	const struct hf_table *t = hf_plan_table(op->plan, e->table);
	const char *origin = hf_plan_origin(op->plan, e->origin);
	char match[LINE_SIZE], reason[64];
	json_t *o;

	(void)hf_pattern_print(&e->match, match, sizeof(match));
	o = json_pack("{s:s, s:I, s:s, s:I, s:s, s:s}", "op", hf_diff_kind_name(op->kind), "group",
		(json_int_t)t->group, "table", t->name, "priority", (json_int_t)e->priority,
		"match", match, "fate", hf_fate_name(e->fate));
	if (o && e->fate == HF_FATE_JUMP)
		json_object_set_new(
			o, "jump", json_integer(hf_plan_table(op->plan, e->jump)->group));
	if (o && e->sets_tag)
		json_object_set_new(o, "tag", json_integer(e->tag));
	if (o && e->sets_tag && e->tag_keep)
		json_object_set_new(o, "tag_keep", json_integer(e->tag_keep));
	if (o && e->fate == HF_FATE_PUNT && !is_cover(op))
		json_object_set_new(
			o, "reason", json_string(hf_reason_print(e->reason, e->detail, reason)));
	if (o && !is_cover(op) && origin[0])
		json_object_set_new(o, "origin", json_string(origin));
	return o;
}

static json_t *uplink_json(const struct report *r, const struct uplink *u)
{
	const struct hf_diff *d = u->diff;
	uint32_t capacity = hf_plan_capacity(u->new ? u->new : u->old);
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:[]}", "iface",
		u->name, "profile", r->profile, "fallback",
		r->opts.fallback == HF_FALLBACK_KERNEL ? "kernel" : "software", "adds",
		(json_int_t)hf_diff_n_adds(d), "deletes", (json_int_t)hf_diff_n_deletes(d), "keeps",
		(json_int_t)hf_diff_n_keeps(d), "before", (json_int_t)n_entries(u->old), "after",
		(json_int_t)n_entries(u->new), "peak", (json_int_t)hf_diff_peak(d), "covers_all",
		hf_diff_covers_all(d), "operations");
	size_t i;

	if (!o)
		return NULL;
	json_object_set_new(o, "capacity", capacity ? json_integer(capacity) : json_null());
	if (r->prove)
		json_object_set_new(o, "proof", proof_json(&u->proof));
	for (i = 0; i < hf_diff_n_ops(d); i++)
		json_array_append_new(json_object_get(o, "operations"), op_json(hf_diff_op(d, i)));
	return o;
}

/* What could not be written is seen by cli_finish(). */
static int print_json(const struct report *r)
{
	json_t *root = json_pack("{s:i, s:b, s:[], s:o, s:I}", "schema", 1, "rules_differ",
		r->rules_differ, "plans", "verdicts", hf_witnesses_json(&r->witnesses), "more",
		(json_int_t)r->witnesses.more);
	size_t i;

	if (!root)
		return -ENOMEM;
	for (i = 0; i < r->n; i++)
		json_array_append_new(json_object_get(root, "plans"), uplink_json(r, &r->v[i]));
	(void)json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
	return 0;
}

static bool differs(const struct report *r)
{
	size_t ops = 0, i;

	for (i = 0; i < r->n; i++)
		ops += hf_diff_n_ops(r->v[i].diff);
	return ops > 0 || r->rules_differ;
}

static int diff(const struct cli *cli, const struct cli_built *old, const struct cli_built *new,
	const struct hf_nic *nic, bool json)
{
	struct report r = {0};
	struct hf_err err = {0};
	int rc = cli_plan_opts(cli, &r.opts), made;

	if (rc != CLI_OK)
		return rc;
	made = make_report(cli, old, new, nic, &r, &err);
	if (made == 0 && cli->prove)
		made = prove(&r, old, new, nic, &err);
	if (made < 0)
		rc = cli_fail(made, &err);
	else if (r.rules_differ)
		made = hf_witness_find(&(struct hf_witness_side){old->model, old->rules},
			&(struct hf_witness_side){new->model, new->rules}, NULL, &r.witnesses,
			&err);
	if (made < 0 && rc == CLI_OK) {
		(void)cli_fail(made, &err); /* the input is not to blame */
		rc = CLI_FAILED;
	}
	if (rc == CLI_OK && !json)
		print_text(&r);
	else if (rc == CLI_OK && print_json(&r) < 0)
		rc = cli_fail(-ENOMEM, &err);
	if (rc == CLI_OK)
		rc = cli_finish();
	if (rc == CLI_OK && differs(&r))
		rc = CLI_DIFFERENT;
	if (rc == CLI_DIFFERENT && unproven(&r))
		rc = CLI_FAILED;
	report_fini(&r);
	return rc;
}

int cli_diff(const struct cli *cli)
{
	static const char *const formats[] = {"text", "json"};
	int format = cli_format(cli, formats, 2), rc;
	struct cli_built old, new;
	struct hf_nic *nic;
	struct hf_err err = {0};

	if (format < 0)
		return CLI_USAGE;
	if (cli->n_args != 2)
		return cli_usage("diff: needs OLD and NEW, a file or folder each");
	if (strcmp(cli->args[0], "-") == 0 && strcmp(cli->args[1], "-") == 0)
		return cli_usage("diff: standard input cannot be OLD and NEW");
	if (!cli->profile)
		return cli_usage("diff: needs a NIC profile (-p)");
	rc = hf_profile_find(cli->profile, &nic, &err);
	if (rc < 0)
		return cli_fail(rc, &err);
	rc = cli_build(cli, &cli->args[0], 1, CLI_RULES, NULL, &old);
	if (rc == CLI_OK) {
		rc = cli_build(cli, &cli->args[1], 1, CLI_RULES, NULL, &new);
		if (rc == CLI_OK) {
			rc = diff(cli, &old, &new, nic, format == 1);
			cli_built_fini(&new);
		}
		cli_built_fini(&old);
	}
	hf_profile_free(nic);
	return rc;
}
