/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Options: the command line of a program as a table.
 *
 * A row says how an option is written and where in the program's own struct its value goes. Reading
 * (glibc's getopt_long underneath) and the help text come from the same rows. Options and operands
 * may be mixed; "--" ends the options; long names may be shortened while that is clear.
 *
 * Threads: getopt keeps its state in globals, so one thread at a time.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;

#define HF_OPTS_MAX 32 /* rows of one table: no program of ours comes near */

struct hf_opt {
	char letter;	   /* 0: long form only */
	const char *name;  /* long form, without dashes */
	const char *value; /* what the value is called in the help; NULL: a flag */
	const char *help;  /* one line */
	size_t offset;	   /* in the program's struct: a const char * with value, else a bool */
};

/*
 * Fills *ret with what argv gives and leaves the rest of *ret as it is; when an option is given
 * more than once the last one counts. Operands end up at argv[*ret_first .. argc - 1], in order.
 * argv[0] is skipped. Values are borrowed from argv. Errors: -EINVAL, and then *ret may be half
 * filled.
 */
int hf_opts_parse(const struct hf_opt *opts, size_t n, int argc, char **argv, void *ret,
	int *ret_first, struct hf_err *err);

/* One aligned line per option. */
void hf_opts_print(const struct hf_opt *opts, size_t n, FILE *out);
