/* SPDX-License-Identifier: BSD-3-Clause */

#include "cli.h"

#include <hepflow/err.h>
#include <hepflow/net.h>

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
