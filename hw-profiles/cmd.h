/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hw-profile command: what its verbs share. Errors end up on standard error and in the exit
 * code.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct hf_err;
struct hf_nic;

/* docs/man/hw-profile.1, "EXIT STATUS". */
#define CMD_NOT_FOUND 1
#define CMD_USAGE     2 /* wrong use or broken input */
#define CMD_DIFFERENT 3

struct cmd_options {
	const char *format;
	const char *rules;
	const char *profile;
	const char *sysfs; /* NULL: /sys */
	const char *verbs; /* NULL: ask libibverbs */
	bool help;
	bool version;
	bool json;
};

/* Prints "hw-profile: text" and returns the exit code that fits. */
int cmd_fail(const struct hf_err *err);
/* Prints how the command is used; returns CMD_USAGE. */
int cmd_usage(void);

/* Verbs; each returns an exit code. */
int cmd_detect(const struct cmd_options *opts, int argc, char **argv);
int cmd_match(const struct cmd_options *opts, int argc, char **argv);
int cmd_try(const struct cmd_options *opts, int argc, char **argv);
int cmd_probe(const struct cmd_options *opts, int argc, char **argv);
int cmd_learn(const struct cmd_options *opts, int argc, char **argv);
