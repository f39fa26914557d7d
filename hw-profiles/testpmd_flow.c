/* SPDX-License-Identifier: BSD-3-Clause */

/* What testpmd says about flow rules (app/test-pmd/config.c, DPDK 22.11). */

#include "testpmd.h"

#include "profiles.h"

#include <hepflow/err.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRNO_MAX	133  /* EHWPOISON, the last of Linux */
#define RTE_ERRNO_FIRST 1001 /* E_RTE_SECONDARY and E_RTE_NO_CONFIG (rte_errno.h) */

#define CREATE		"flow create 0 "
#define COMPLAINT	"Caught PMD error type "
#define UNSAID		"(no stated reason)"

/* The number behind rte_strerror()'s text; 0 for a text that it does not say. */
static int errno_of(const char *text)
{
	static const char *const rte[] = {
		"Invalid call in secondary process", "Missing rte_config structure"};
	static const char unknown[] = "Unknown error ";
	size_t k;
	int i;

	for (i = 1; i <= ERRNO_MAX; i++) {
		const char *known = strerrordesc_np(i);

		if (known && strcmp(known, text) == 0)
			return i;
	}
	for (k = 0; k < sizeof(rte) / sizeof(*rte); k++) {
		if (strcmp(rte[k], text) == 0)
			return RTE_ERRNO_FIRST + (int)k;
	}
	if (strncmp(text, unknown, strlen(unknown)) == 0)
		return abs(atoi(text + strlen(unknown)));
	return 0;
}

static const char *type_name(unsigned long type)
{
	return type < hf_names_error_type.n ? hf_names_error_type.name[type] : "UNKNOWN";
}

/* One line: messages of some drivers end in, or have, a line end. */
static void trim(char *text)
{
	size_t n;

	for (n = 0; text[n] != '\0'; n++) {
		if (text[n] == '\n' || text[n] == '\r' || text[n] == '\t')
			text[n] = ' ';
	}
	while (n > 0 && text[n - 1] == ' ')
		text[--n] = '\0';
}

/* "cause: 0x7ffe..., " in front of a message is an address in testpmd. */
static const char *skip_cause(const char *text)
{
	const char *comma;

	if (strncmp(text, "cause: ", 7) != 0)
		return text;
	comma = strstr(text, ", ");
	return comma ? comma + 2 : text;
}

/* "13 (specific pattern item): MESSAGE: STRERROR", text up to the end of what was printed. */
static int read_complaint(const char *text, struct hf_testpmd_answer *ret)
{
	char buf[sizeof(ret->message) * 2], *p, *colon, *end;
	unsigned long type = strtoul(text, &end, 10);

	p = strstr(end, "): ");
	if (end == text || !p)
		return -EINVAL;
	(void)snprintf(buf, sizeof(buf), "%s", skip_cause(p + 3)); /* the message ends it */
	/* Behind the line there may be words of the driver's log. */
	for (end = strchr(buf, '\n'); end; end = strchr(end + 1, '\n')) {
		*end = '\0';
		trim(buf);
		colon = strrchr(buf, ':');
		if (colon && errno_of(colon + 1 + (colon[1] == ' ')) != 0)
			break;
		*end = ' ';
	}
	colon = strrchr(buf, ':');
	if (!colon)
		return -EINVAL;
	ret->err = errno_of(colon + 1 + (colon[1] == ' '));
	if (ret->err == 0)
		return -EINVAL;
	*colon = '\0';
	trim(buf);
	ret->word = HF_TESTPMD_REJECT;
	ret->type = type_name(type);
	(void)snprintf(ret->message, sizeof(ret->message), "%.*s", (int)sizeof(ret->message) - 1,
		strcmp(buf, UNSAID) == 0 ? "" : buf);
	return 0;
}

void hf_testpmd_read_answer(const char *text, const char *word, struct hf_testpmd_answer *ret)
{
	const char *complaint = strstr(text, COMPLAINT), *made = strstr(text, "Flow rule #");
	char said[16] = "";

	if (made && sscanf(made, "Flow rule #%" SCNu32 " %15s", &ret->rule, said) == 2 &&
		strcmp(said, word) == 0) {
		ret->word = HF_TESTPMD_ACCEPT;
		return;
	}
	if (complaint && read_complaint(complaint + strlen(COMPLAINT), ret) == 0)
		return;
	ret->word = HF_TESTPMD_BAD;
	(void)snprintf(ret->message, sizeof(ret->message), "%.*s", (int)sizeof(ret->message) - 1,
		text[0] ? text : "no answer");
	trim(ret->message);
}

/* The rule behind "flow create 0 " or "flow validate 0 ". */
static const char *skip_command(const char *rule)
{
	int skip = 0;

	rule += strspn(rule, " \t");
	(void)sscanf(rule, "flow create %*u %n", &skip);
	if (skip == 0)
		(void)sscanf(rule, "flow validate %*u %n", &skip);
	return rule + skip;
}

int hf_testpmd_create(
	struct hf_testpmd *pmd, const char *rule, struct hf_testpmd_answer *ret, struct hf_err *err)
{
	struct hf_testpmd_answer answer = {};
	char line[HF_TESTPMD_COMMAND_MAX + 2], *p;
	const char *text;
	struct hf_err why = {};
	int rc;

	if (hf_testpmd_made(pmd))
		return hf_testpmd_async_create(pmd, skip_command(rule), ret, err);
	/* One too long is left too long, and refused as such. */
	(void)snprintf(line, sizeof(line), CREATE "%s", skip_command(rule));
	for (p = line; *p != '\0'; p++) {
		if (*p == '\t')
			*p = ' ';
	}
	rc = hf_testpmd_ask(pmd, line, &text, &why);
	if (rc == -EINVAL) {
		(void)snprintf(answer.message, sizeof(answer.message), "%.*s",
			(int)sizeof(answer.message) - 1, why.text);
	} else if (rc < 0) {
		return hf_fail(err, rc, "%s", why.text);
	} else {
		hf_testpmd_read_answer(text, "created", &answer);
	}
	*ret = answer;
	return 0;
}

int hf_testpmd_destroy(struct hf_testpmd *pmd, uint32_t rule, struct hf_err *err)
{
	char line[64], want[64];
	const char *text;
	int rc;

	if (hf_testpmd_made(pmd))
		return hf_testpmd_async_destroy(pmd, rule, err);
	(void)snprintf(line, sizeof(line), "flow destroy 0 rule %" PRIu32, rule);
	(void)snprintf(want, sizeof(want), "Flow rule #%" PRIu32 " destroyed", rule);
	rc = hf_testpmd_ask(pmd, line, &text, err);
	if (rc == 0 && !strstr(text, want))
		rc = hf_fail(err, -EIO, "rule %" PRIu32 " cannot be removed: %.200s", rule, text);
	return rc;
}
