/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules by templates and a flow queue in testpmd. Each rule gets a pattern template, an actions
 * template and a table of its own, all of one number: slow, and the answer is about this rule
 * alone.
 */

#include "testpmd.h"

#include <hepflow/err.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE (HF_TESTPMD_COMMAND_MAX + 2) /* one too long is left too long, and refused */
#define PULLS_MAX 1000			       /* a real card takes its time */

/* A rule taken apart. Pieces point into the text. */
struct pieces {
	char direction[32]; /* " ingress" */
	char place[64];	    /* " group 1 priority 2" */
	const char *pattern;
	int pattern_len; /* with its "end" */
	const char *actions;
};

int hf_testpmd_async_setup(struct hf_testpmd *pmd, struct hf_err *err)
{
	static const struct {
		const char *command, *want;
	} steps[] = {
		{"port stop 0", "Done"},
		{"flow configure 0 queues_number 1 queues_size 64 counters_number 65536 "
		 "aging_counters_number 1024 meters_number 0 flags 0",
			"Configure flows on port 0"},
		{"port start 0", "Done"},
	};
	const char *text;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		int rc = hf_testpmd_ask(pmd, steps[i].command, &text, err);

		if (rc < 0)
			return rc;
		if (!strstr(text, steps[i].want))
			return hf_fail(err, -EIO, "%.60s: %.200s", steps[i].command, text);
	}
	return 0;
}

static bool add(char *to, size_t size, const char *word, size_t len)
{
	size_t used = strlen(to);

	if (used + len + 2 > size)
		return false;
	to[used] = ' ';
	memcpy(to + used + 1, word, len);
	to[used + 1 + len] = '\0';
	return true;
}

/* "ingress group 1 priority 2 pattern ... / end actions ... / end"; false when it is none. */
static bool take_apart(const char *rule, struct pieces *ret)
{
	const char *actions = strstr(rule, " actions "), *word = rule;

	memset(ret, 0, sizeof(*ret));
	for (;;) {
		size_t len = strcspn(word, " ");

		if (len == 7 && strncmp(word, "pattern", len) == 0)
			break;
		if (len == 0)
			return false;
		if (strncmp(word, "ingress", len) == 0 || strncmp(word, "egress", len) == 0 ||
			strncmp(word, "transfer", len) == 0) {
			if (!add(ret->direction, sizeof(ret->direction), word, len))
				return false;
		} else if (!add(ret->place, sizeof(ret->place), word, len)) {
			return false;
		}
		word += len;
		word += strspn(word, " ");
	}
	ret->pattern = word + strlen("pattern ");
	if (!actions || actions < ret->pattern)
		return false;
	ret->pattern_len = (int)(actions - ret->pattern);
	ret->actions = actions + strlen(" actions ");
	return true;
}

/* One command; the object must be said to be made, else ret is the answer. 1: go on. */
static int step(struct hf_testpmd *pmd, const char *line, const char *object, uint32_t id,
	struct hf_testpmd_answer *ret, struct hf_err *err)
{
	char want[64];
	struct hf_err why = {};
	const char *text;
	int rc = hf_testpmd_ask(pmd, line, &text, &why);

	if (rc == -EINVAL) {
		ret->word = HF_TESTPMD_BAD;
		(void)snprintf(ret->message, sizeof(ret->message), "%.*s",
			(int)sizeof(ret->message) - 1, why.text);
		return 0;
	}
	if (rc < 0)
		return hf_fail(err, rc, "%s", why.text);
	(void)snprintf(want, sizeof(want), "%s%" PRIu32 " created", object, id);
	if (strstr(text, want))
		return 1;
	hf_testpmd_read_answer(text, "", ret);
	return 0;
}

static int forget(struct hf_testpmd *pmd, uint32_t id, struct hf_err *err)
{
	static const char *const kinds[] = {"template_table 0 destroy table",
		"actions_template 0 destroy actions_template",
		"pattern_template 0 destroy pattern_template"};
	const char *text;
	char line[96];
	size_t i;
	int rc = 0;

	/* What was not made is not found, which is fine. */
	for (i = 0; rc == 0 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		(void)snprintf(line, sizeof(line), "flow %s %" PRIu32, kinds[i], id);
		rc = hf_testpmd_ask(pmd, line, &text, err);
	}
	return rc;
}

/* Waits for the one operation under way. 1: it succeeded, 0: it failed. */
static int pull(struct hf_testpmd *pmd, struct hf_err *err)
{
	unsigned int i, n, failed, good;
	const char *text, *said;
	int rc;

	for (i = 0; i < PULLS_MAX; i++) {
		rc = hf_testpmd_ask(pmd, "flow pull 0 queue 0", &text, err);
		if (rc < 0)
			return rc;
		said = strstr(text, "Queue #0 pulled ");
		if (!said || sscanf(said, "Queue #0 pulled %u operations (%u failed, %u succeeded",
				     &n, &failed, &good) != 3)
			return hf_fail(err, -EIO, "flow pull: %.200s", text);
		if (n > 0)
			return failed == 0;
	}
	return hf_fail(err, -EIO, "the flow queue does not end its work");
}

static int make(struct hf_testpmd *pmd, const struct pieces *p, uint32_t id,
	struct hf_testpmd_answer *ret, struct hf_err *err)
{
	char line[LINE_SIZE];
	const char *text;
	int rc;

	(void)snprintf(line, sizeof(line),
		"flow pattern_template 0 create pattern_template_id %" PRIu32 "%s template %.*s",
		id, p->direction, p->pattern_len, p->pattern);
	rc = step(pmd, line, "Pattern template #", id, ret, err);
	if (rc <= 0)
		return rc;
	(void)snprintf(line, sizeof(line),
		"flow actions_template 0 create%s actions_template_id %" PRIu32
		" template %s mask %s",
		p->direction, id, p->actions, p->actions);
	rc = step(pmd, line, "Actions template #", id, ret, err);
	if (rc <= 0)
		return rc;
	(void)snprintf(line, sizeof(line),
		"flow template_table 0 create table_id %" PRIu32 "%s%s rules_number 1 "
		"pattern_template %" PRIu32 " actions_template %" PRIu32,
		id, p->place, p->direction, id, id);
	rc = step(pmd, line, "Template table #", id, ret, err);
	if (rc <= 0)
		return rc;
	(void)snprintf(line, sizeof(line),
		"flow queue 0 create 0 template_table %" PRIu32
		" pattern_template 0 actions_template 0 postpone no pattern %.*s actions %s",
		id, p->pattern_len, p->pattern, p->actions);
	rc = hf_testpmd_ask(pmd, line, &text, err);
	if (rc < 0)
		return rc;
	hf_testpmd_read_answer(text, "creation", ret);
	if (ret->word != HF_TESTPMD_ACCEPT)
		return 0;
	rc = hf_testpmd_ask(pmd, "flow push 0 queue 0", &text, err);
	return rc < 0 ? rc : 1;
}

int hf_testpmd_async_create(
	struct hf_testpmd *pmd, const char *rule, struct hf_testpmd_answer *ret, struct hf_err *err)
{
	struct hf_testpmd_made *made = hf_testpmd_made(pmd);
	struct hf_testpmd_answer answer = {};
	char text[LINE_SIZE], *p;
	struct pieces pieces;
	int rc;

	(void)snprintf(text, sizeof(text), "%s", rule);
	for (p = text; *p != '\0'; p++) {
		if (*p == '\t')
			*p = ' ';
	}
	if (!take_apart(text, &pieces)) {
		answer.word = HF_TESTPMD_BAD;
		(void)snprintf(answer.message, sizeof(answer.message), "Bad arguments");
		*ret = answer;
		return 0;
	}
	made->id++;
	rc = make(pmd, &pieces, made->id, &answer, err);
	if (rc > 0) {
		rc = pull(pmd, err);
		if (rc == 0) {
			answer = (struct hf_testpmd_answer){.word = HF_TESTPMD_REJECT,
				.err = EIO,
				.type = "UNSPECIFIED",
				.message = "the flow queue failed"};
		}
	}
	if (rc == 0)
		rc = forget(pmd, made->id, err);
	if (rc < 0)
		return rc;
	made->rule = answer.rule;
	*ret = answer;
	return 0;
}

int hf_testpmd_async_destroy(struct hf_testpmd *pmd, uint32_t rule, struct hf_err *err)
{
	struct hf_testpmd_made *made = hf_testpmd_made(pmd);
	struct hf_testpmd_answer answer = {};
	const char *text;
	char line[96];
	int rc;

	(void)snprintf(
		line, sizeof(line), "flow queue 0 destroy 0 postpone no rule %" PRIu32, rule);
	rc = hf_testpmd_ask(pmd, line, &text, err);
	if (rc < 0)
		return rc;
	hf_testpmd_read_answer(text, "destruction", &answer);
	if (answer.word != HF_TESTPMD_ACCEPT)
		return hf_fail(err, -EIO, "rule %" PRIu32 " cannot be removed: %.200s", rule, text);
	rc = pull(pmd, err);
	if (rc == 0)
		return hf_fail(err, -EIO, "rule %" PRIu32 " cannot be removed", rule);
	if (rc > 0)
		rc = rule == made->rule ? forget(pmd, made->id, err) : 0;
	return rc;
}
