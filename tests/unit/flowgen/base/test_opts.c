/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/opts.h>
#include <hepflow/err.h>

#include "hf_test.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(opts);

struct args {
	const char *node;
	const char *format;
	bool quiet;
	bool version;
};

static const struct hf_opt table[] = {
	{'n', "node", "NODE", "which node", offsetof(struct args, node)},
	{0, "format", "FORMAT", "how to print", offsetof(struct args, format)},
	{'q', "quiet", NULL, "say less", offsetof(struct args, quiet)},
	{0, "version", NULL, "say which", offsetof(struct args, version)},
};
#define N (sizeof(table) / sizeof(table[0]))

static struct args args;
static struct hf_err err;
static char *argv[16];
static int argc, first;

static int parse(const char *a, const char *b, const char *c, const char *d, const char *e)
{
	const char *words[] = {"prog", a, b, c, d, e};

	args = (struct args){0};
	err = (struct hf_err){0};
	for (argc = 0; argc < 6 && words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	return hf_opts_parse(table, N, argc, argv, &args, &first, &err);
}

Test(opts, values_come_in_every_usual_form)
{
	cr_expect_eq(parse("-n", "a", NULL, NULL, NULL), 0);
	cr_expect_str_eq(args.node, "a");
	cr_expect_eq(parse("-na", NULL, NULL, NULL, NULL), 0);
	cr_expect_str_eq(args.node, "a");
	cr_expect_eq(parse("--node", "a", NULL, NULL, NULL), 0);
	cr_expect_str_eq(args.node, "a");
	cr_expect_eq(parse("--node=a", NULL, NULL, NULL, NULL), 0);
	cr_expect_str_eq(args.node, "a");
	cr_expect_eq(parse("--node=", NULL, NULL, NULL, NULL), 0);
	cr_expect_str_empty(args.node);
	cr_expect_eq(parse("-qn", "a", NULL, NULL, NULL), 0);
	cr_expect(args.quiet);
	cr_expect_str_eq(args.node, "a");
}

Test(opts, options_and_operands_may_be_mixed)
{
	cr_expect_eq(parse("x", "-q", "y", "--node", "a"), 0);
	cr_expect(args.quiet);
	cr_expect_str_eq(args.node, "a");
	cr_assert_eq(argc - first, 2);
	cr_expect_str_eq(argv[first], "x");
	cr_expect_str_eq(argv[first + 1], "y");
}

Test(opts, two_dashes_end_the_options_and_one_is_an_operand)
{
	cr_expect_eq(parse("-", "--", "-q", NULL, NULL), 0);
	cr_expect_not(args.quiet);
	cr_assert_eq(argc - first, 2);
	cr_expect_str_eq(argv[first], "-");
	cr_expect_str_eq(argv[first + 1], "-q");
}

Test(opts, nothing_given_changes_nothing)
{
	cr_expect_eq(parse(NULL, NULL, NULL, NULL, NULL), 0);
	cr_expect_null(args.node);
	cr_expect_not(args.quiet);
	cr_expect_eq(first, argc);
}

Test(opts, the_last_of_two_counts)
{
	cr_expect_eq(parse("-n", "a", "-n", "b", NULL), 0);
	cr_expect_str_eq(args.node, "b");
}

Test(opts, errors_name_the_option)
{
	static const struct {
		const char *a, *b, *text;
	} rows[] = {
		{"-x", NULL, "unknown option '-x'"},
		{"-qx", NULL, "unknown option '-x'"},
		{"--colour", NULL, "unknown option '--colour'"},
		{"--colour=red", NULL, "unknown option '--colour=red'"},
		{"-n", NULL, "option --node needs a value (NODE)"},
		{"--node", NULL, "option --node needs a value (NODE)"},
		{"--quiet=1", NULL, "option --quiet takes no value"},
		{"x", "--format", "option --format needs a value (FORMAT)"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(
			parse(rows[i].a, rows[i].b, NULL, NULL, NULL), -EINVAL, "%s", rows[i].a);
		cr_expect_str_eq(err.text, rows[i].text);
	}
}

Test(opts, reading_twice_starts_anew)
{
	cr_expect_eq(parse("-x", NULL, NULL, NULL, NULL), -EINVAL);
	cr_expect_eq(parse("a", "-q", NULL, NULL, NULL), 0);
	cr_expect(args.quiet);
	cr_expect_str_eq(argv[first], "a");
}

Test(opts, help_is_one_aligned_line_per_row)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	hf_opts_print(table, N, out);
	(void)fclose(out);
	cr_expect_str_eq(text, "  -n, --node NODE         which node\n"
			       "      --format FORMAT     how to print\n"
			       "  -q, --quiet             say less\n"
			       "      --version           say which\n");
	free(text);
}
