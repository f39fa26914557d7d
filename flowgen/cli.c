/* SPDX-License-Identifier: BSD-3-Clause */

#include "cli.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/net.h>
#include <hepflow/policy.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_fail(int rc, const struct hf_err *err)
{
	fprintf(stderr, "flowgen: %s\n", err->text[0] ? err->text : strerror(-rc));
	return rc == -ENOMEM || rc == -EIO ? CLI_FAILED : CLI_USAGE;
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("flowgen: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (see flowgen --help)\n", stderr);
	return CLI_USAGE;
}

int cli_finish(void)
{
	bool failed = ferror(stdout);

	if (fflush(stdout) == 0 && !failed)
		return CLI_OK;
	fprintf(stderr, "flowgen: standard output: %s\n", strerror(errno));
	return CLI_FAILED;
}

int cli_format(const struct cli *cli, const char *const *names, size_t n)
{
	size_t i;

	if (!cli->format)
		return 0;
	for (i = 0; i < n; i++) {
		if (strcmp(cli->format, names[i]) == 0)
			return (int)i;
	}
	(void)cli_usage("%s has no format '%s'", cli->verb, cli->format);
	return -1;
}

static void print_notes(const struct cli *cli, const struct hf_policy *policy)
{
	size_t i;

	for (i = 0; !cli->quiet && i < hf_policy_n_notes(policy); i++)
		fprintf(stderr, "note: %s\n", hf_policy_note(policy, i));
}

static void print_warnings(const struct cli *cli, const struct hf_model *model)
{
	size_t i;

	for (i = 0; !cli->quiet && i < hf_model_n_warnings(model); i++)
		fprintf(stderr, "warning: %s\n", hf_model_warning(model, i));
}

static int read_all(
	const struct cli *cli, char **files, size_t n, struct hf_policy *policy, struct hf_err *err)
{
	int rc = cli->host ? hf_policy_read(policy, cli->host, err) : 0;
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		rc = hf_policy_read(policy, files[i], err);
	return rc;
}

int cli_read_policy(const struct cli *cli, char **files, size_t n, struct hf_policy **ret)
{
	struct hf_policy *policy = NULL;
	struct hf_err err = {0};
	int rc;

	if (n == 0)
		return cli_usage("%s: no policy file given", cli->verb);
	rc = hf_policy_new(&policy, &err);
	if (rc == 0)
		rc = read_all(cli, files, n, policy, &err);
	if (rc < 0) {
		hf_policy_free(policy);
		return cli_fail(rc, &err);
	}
	print_notes(cli, policy);
	*ret = policy;
	return CLI_OK;
}

/* "v3.29", "3.29" or "3.29.1" as major * 100 + minor. */
static int parse_release(const char *text, unsigned int *ret)
{
	unsigned long major, minor;
	char *end;

	text += text[0] == 'v';
	major = strtoul(text, &end, 10);
	if (!isdigit(text[0]) || end[0] != '.' || !isdigit(end[1]) || major > 99)
		return -EINVAL;
	minor = strtoul(end + 1, &end, 10);
	if (end[0] == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (end[0] != '\0' || minor > 99)
		return -EINVAL;
	*ret = (unsigned int)(major * 100 + minor);
	return 0;
}

int cli_read_model(const struct cli *cli, char **files, size_t n, struct hf_model **ret)
{
	struct hf_model_opts opts = {.node = cli->node};
	struct hf_policy *policy;
	struct hf_err err = {0};
	int rc;

	if (cli->calico && parse_release(cli->calico, &opts.calico) < 0)
		return cli_usage("--calico-version: '%s' is not like v3.29", cli->calico);
	rc = cli_read_policy(cli, files, n, &policy);
	if (rc != CLI_OK)
		return rc;
	rc = hf_model_build(policy, &opts, ret, &err);
	hf_policy_free(policy);
	if (rc < 0)
		return cli_fail(rc, &err);
	print_warnings(cli, *ret);
	return CLI_OK;
}

bool cli_is_packet(const char *arg)
{
	return strchr(arg, '=') && access(arg, F_OK) < 0;
}

int cli_parse_packet(
	const char *name, size_t line, const char *text, struct hf_packet *ret, struct hf_err *err)
{
	struct hf_err cause = {0};
	unsigned long column = 1;
	int rc = hf_packet_parse(text, ret, &cause), skip = 0;

	if (rc == 0)
		return 0;
	(void)sscanf(cause.text, "column %lu: %n", &column, &skip);
	return hf_fail(err, rc, "%s:%zu:%lu: %s", name, line, column, cause.text + skip);
}

/* Column of the word that starts with "KEY=", from 1. */
static size_t find_column(const char *text, const char *key, size_t len)
{
	const char *p;

	for (p = strstr(text, key); p; p = strstr(p + 1, key)) {
		if (p[len] == '=' && (p == text || p[-1] == ' ' || p[-1] == '\t'))
			return (size_t)(p - text) + 1;
	}
	return 1;
}

int cli_place_error(const char *name, size_t line, const char *text, struct hf_err *err)
{
	size_t len = strcspn(err->text, ":"), column = 1;
	char key[8] = "";

	if (len < sizeof(key)) {
		memcpy(key, err->text, len);
		column = find_column(text, key, len);
	}
	return hf_err_prefix(err, err->code, "%s:%zu:%zu: ", name, line, column);
}
