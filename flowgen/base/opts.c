/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/opts.h>

#include <hepflow/err.h>

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#define LONG_BASE  256 /* getopt's value of row i is LONG_BASE + i: beyond every letter */
#define TEXT_WIDTH 26  /* column of the help text */

/* The table in getopt's two forms. */
struct forms {
	struct option longs[HF_OPTS_MAX + 1];
	char shorts[2 * HF_OPTS_MAX + 2];
};

static void make_forms(const struct hf_opt *opts, size_t n, struct forms *ret)
{
	char *s = ret->shorts;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	*s++ = ':'; /* a missing value is told apart from an unknown option */
	for (i = 0; i < n; i++) {
		ret->longs[i].name = opts[i].name;
		ret->longs[i].has_arg = opts[i].value ? required_argument : no_argument;
		ret->longs[i].val = LONG_BASE + (int)i;
		if (!opts[i].letter)
			continue;
		*s++ = opts[i].letter;
		if (opts[i].value)
			*s++ = ':';
	}
}

/* The row that getopt's value stands for, or NULL. */
static const struct hf_opt *find_row(const struct hf_opt *opts, size_t n, int c)
{
	size_t i;

	if (c >= LONG_BASE && (size_t)(c - LONG_BASE) < n)
		return &opts[c - LONG_BASE];
	for (i = 0; i < n && c; i++) {
		if (opts[i].letter == c)
			return &opts[i];
	}
	return NULL;
}

static void store(const struct hf_opt *opt, void *ret)
{
	char *place = (char *)ret + opt->offset;

	if (opt->value)
		*(const char **)(void *)place = optarg;
	else
		*(bool *)(void *)place = true;
}

static int refuse(const struct hf_opt *opts, size_t n, int c, const char *word, struct hf_err *err)
{
	const struct hf_opt *opt = find_row(opts, n, optopt);

	if (c == ':' && opt)
		return hf_fail(
			err, -EINVAL, "option --%s needs a value (%s)", opt->name, opt->value);
	if (opt)
		return hf_fail(err, -EINVAL, "option --%s takes no value", opt->name);
	if (optopt)
		return hf_fail(err, -EINVAL, "unknown option '-%c'", optopt);
	return hf_fail(err, -EINVAL, "unknown option '%.80s'", word);
}

int hf_opts_parse(const struct hf_opt *opts, size_t n, int argc, char **argv, void *ret,
	int *ret_first, struct hf_err *err)
{
	struct forms forms;
	int c;

	assert(n <= HF_OPTS_MAX);
	make_forms(opts, n, &forms);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	for (;;) {
		const struct hf_opt *opt;

		optopt = 0;
		c = getopt_long(argc, argv, forms.shorts, forms.longs, NULL);
		if (c == -1)
			break;
		opt = c == '?' || c == ':' ? NULL : find_row(opts, n, c);
		if (!opt)
			return refuse(opts, n, c, argv[optind - 1], err);
		store(opt, ret);
	}
	*ret_first = optind;
	return 0;
}

void hf_opts_print(const struct hf_opt *opts, size_t n, FILE *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int len;

		if (opts[i].letter)
			len = fprintf(out, "  -%c, --%s", opts[i].letter, opts[i].name);
		else
			len = fprintf(out, "      --%s", opts[i].name);
		if (opts[i].value)
			len += fprintf(out, " %s", opts[i].value);
		fprintf(out, "%*s%s\n", len < TEXT_WIDTH ? TEXT_WIDTH - len : 2, "", opts[i].help);
	}
}
