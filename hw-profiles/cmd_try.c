/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hw-profile try: rules are offered one by one to a virtual NIC in stock dpdk-testpmd. Answers are
 * held back until every rule has one, so that a bad line leaves nothing behind but its message.
 */

#include "cmd.h"

#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>
#include <hepflow/testpmd_child.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 10000000 /* at a millisecond or two a rule: some hours */

struct trial {
	struct hf_testpmd *pmd;
	const struct hf_nic *nic;
	const char *name; /* of the file, in messages */
	FILE *out;
};

/* What a rule that was taken differs in from what was asked, by what the virtual NIC says of it. */
struct danger {
	char engine[HF_NIC_NAME_SIZE];
	char field[HF_NIC_NAME_SIZE];
	uint32_t group;
};

/* "ENGINE ingress group N priority N: ... -> ...[, FIELD not matched as asked], N hits N bytes" */
static void read_dump(const char *text, struct danger *ret)
{
	const char *mark = strstr(text, " not matched as asked"), *from = mark;

	memset(ret, 0, sizeof(*ret));
	(void)sscanf(text, "%47s %*s group %" SCNu32, ret->engine, &ret->group);
	if (!mark)
		return;
	while (from > text && from[-1] != ' ')
		from--;
	(void)snprintf(ret->field, sizeof(ret->field), "%.*s", (int)(mark - from), from);
}

static const struct hf_engine *engine_named(const struct hf_nic *nic, const char *name)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (strcmp(nic->engine[i].name, name) == 0)
			return &nic->engine[i];
	}
	return NULL;
}

static void print_field(const struct danger *d, const struct hf_engine *e, FILE *out)
{
	enum hf_mask_kind kind = HF_MASK_NONE;
	unsigned int f;

	for (f = 0; e && f < HF_F_MAX_; f++) {
		if (strcmp(hf_field_info((enum hf_field)f)->name, d->field) == 0)
			kind = (enum hf_mask_kind)e->field[f];
	}
	fprintf(out, "danger\t%s is ", d->field);
	if (kind == HF_MASK_WIDEN || kind == HF_MASK_IGNORE)
		fputs("not matched: the rule takes more packets than it says\n", out);
	else if (kind == HF_MASK_NARROW)
		fputs("matched in all its bits: the rule takes fewer packets than it says\n", out);
	else
		fputs("not matched as asked\n", out);
}

static int judge_taken(struct trial *t, struct hf_err *err)
{
	const struct hf_engine *engine;
	struct danger danger;
	const char *text;
	int rc = hf_testpmd_ask(t->pmd, "flow dump 0 all", &text, err);

	if (rc < 0)
		return rc;
	read_dump(text, &danger);
	engine = engine_named(t->nic, danger.engine);
	if (!engine)
		return hf_fail(err, -EIO, "the virtual NIC shows no rule: %.200s", text);
	if (danger.field[0])
		print_field(&danger, engine, t->out);
	else if (danger.group != 0 && engine->group_ignored)
		fputs("danger\tthe group is not looked at: the rule is in group 0\n", t->out);
	else
		fputs("accept\n", t->out);
	return 0;
}

static int try_rule(struct trial *t, size_t number, const char *line, struct hf_err *err)
{
	struct hf_testpmd_answer answer;
	int rc = hf_testpmd_create(t->pmd, line, &answer, err);

	if (rc < 0)
		return rc;
	if (answer.word == HF_TESTPMD_BAD)
		return hf_fail(err, -EINVAL, "%s:%zu:1: %s", t->name, number, answer.message);
	if (answer.word == HF_TESTPMD_REJECT) {
		fprintf(t->out, "reject\t%d\t%s\t%s\n", -answer.err, answer.type, answer.message);
		return 0;
	}
	rc = judge_taken(t, err);
	return rc < 0 ? rc : hf_testpmd_destroy(t->pmd, answer.rule, err);
}

static int try_line(struct trial *t, size_t number, char *line, size_t len, struct hf_err *err)
{
	if (strlen(line) != len)
		return hf_fail(err, -EINVAL, "%s:%zu:1: NUL character in line", t->name, number);
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	if (line[0] != '#' && line[strspn(line, " \t")] != '\0')
		return try_rule(t, number, line, err);
	fprintf(t->out, "%s\n", line);
	return 0;
}

static int try_file(struct trial *t, FILE *in, struct hf_err *err)
{
	size_t number = 0, cap = 0;
	char *line = NULL;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &cap, in)) >= 0) {
		if (++number > LINES_MAX)
			rc = hf_fail(err, -E2BIG, "%s:%zu:1: more than %d lines", t->name, number,
				LINES_MAX);
		else
			rc = try_line(t, number, line, (size_t)len, err);
	}
	if (rc == 0 && ferror(in))
		rc = hf_fail(err, -EIO, "%s: %s", t->name, strerror(errno));
	free(line);
	return rc;
}

/* Answers go to memory, and are printed only when all went well. */
static int try_held_back(struct trial *t, const char *profile, FILE *in, struct hf_err *err)
{
	struct hf_testpmd_opts opts = {.profile = profile, .async = t->nic->async_only};
	char *text = NULL;
	size_t size = 0;
	int rc;

	t->out = open_memstream(&text, &size);
	if (!t->out)
		return hf_fail(err, -ENOMEM, "out of memory");
	rc = hf_testpmd_open(&opts, &t->pmd, err);
	if (rc == 0)
		rc = try_file(t, in, err);
	hf_testpmd_close(t->pmd);
	if (fclose(t->out) != 0 && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0)
		(void)fwrite(text, 1, size, stdout); /* main() sees what was lost */
	free(text);
	return rc;
}

int cmd_try(const struct cmd_options *opts, int argc, char **argv)
{
	bool is_stdin = !opts->rules || strcmp(opts->rules, "-") == 0;
	struct trial t = {.name = is_stdin ? "stdin" : opts->rules};
	struct hf_err err = {0};
	struct hf_nic *nic;
	FILE *in;
	int rc;

	if (argc != 1)
		return cmd_usage();
	if (hf_profile_find(argv[0], &nic, &err) < 0)
		return cmd_fail(&err);
	t.nic = nic;
	in = is_stdin ? stdin : fopen(opts->rules, "re");
	if (!in)
		rc = hf_fail(&err, -EIO, "%s: %s", opts->rules, strerror(errno));
	else
		rc = try_held_back(&t, argv[0], in, &err);
	if (in && !is_stdin)
		(void)fclose(in); /* it was only read */
	hf_profile_free(nic);
	if (rc == 0)
		return 0;
	/* The place of a broken line stands alone, as that of a broken profile does. */
	fprintf(stderr, "%s%s\n", rc == -EINVAL ? "" : "hw-profile: ", err.text);
	return CMD_USAGE;
}
