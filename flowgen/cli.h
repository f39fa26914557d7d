/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The flowgen command: what its verbs share. Nothing here is a library; errors end up on standard
 * error and in the exit code.
 */

#pragma once

#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;
struct hf_model;
struct hf_nic;
struct hf_packet;
struct hf_plan;
struct hf_policy;
struct hf_rules;

/* docs/man/flowgen.1, "EXIT STATUS". */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,	   /* the program could not do its work: memory, output */
	CLI_USAGE = 2,	   /* the user must change something: usage or input */
	CLI_DIFFERENT = 3, /* diff: there are differences */
};

struct cli {
	const char *node;
	const char *host;
	const char *profile;
	const char *fallback;
	const char *eswitch;
	bool reserve;
	const char *format;
	const char *packets;
	const char *calico;
	const char *iface;
	const char *device;
	const char *capacity;
	const char *weights;
	bool strict_invalid;
	bool short_denies;
	bool prove;
	bool quiet;
	bool help;
	bool version;
	const char *verb;
	size_t n_args;
	char **args; /* operands behind the verb */
};

/* Prints "flowgen: text" and returns the exit code that fits rc. */
int cli_fail(int rc, const struct hf_err *err);
/* Prints one line and the hint to --help; returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Flushes standard output; CLI_OK, or CLI_FAILED with a message when something was lost. */
int cli_finish(void);

/* Index of --format among names, 0 when not given; CLI_USAGE's text and -1 when unknown. */
int cli_format(const struct cli *cli, const char *const *names, size_t n);

/* What the options say of plans; CLI_OK, or another code after printing why. What is read for them
 * is the process's own. */
int cli_plan_opts(const struct cli *cli, struct hf_plan_opts *ret);

/* Reads --weights; CLI_OK, or another code after printing why. Once for a process. */
int cli_weights(const char *path, struct hf_plan_opts *ret);

/* How far to go from the files. */
enum cli_stage {
	CLI_POLICY,
	CLI_MODEL,
	CLI_RULES,
	CLI_PLAN,
};

/* What has been built on the way; the rest is NULL. */
struct cli_built {
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	char **dead; /* warnings about rules that no packet reaches */
	size_t n_dead;
	struct hf_nic *nic;
	struct hf_plan *plan;
	struct hf_plan_opts plan_opts;
};

/*
 * Reads the n files or folders and --host, and builds up to the stage; prints notes and warnings.
 * uplink is the interface to plan for, NULL for the first. Returns CLI_OK, or another exit code
 * after printing why; then *ret is empty.
 */
int cli_build(const struct cli *cli, char **files, size_t n, enum cli_stage stage,
	const char *uplink, struct cli_built *ret);
void cli_built_fini(struct cli_built *built);

/* Whether an operand of eval or explain is a packet: it has a '=' and is not the name of a file. */
bool cli_is_packet(const char *arg);
/*
 * hf_packet_parse() with "NAME:LINE:COLUMN: text" as the error. -EINVAL when it is none.
 */
int cli_parse_packet(
	const char *name, size_t line, const char *text, struct hf_packet *ret, struct hf_err *err);
/* Takes a line of a packet file, without its end. */
typedef int cli_line_fn(
	void *arg, const char *name, size_t number, const char *line, struct hf_err *err);
/* Reads a packet file, - for standard input, wholly; then gives its lines until one fails. */
int cli_read_lines(const char *path, cli_line_fn *take, void *arg, struct hf_err *err);
/* Whether standard input would have to be both packets (--packets) and policy. */
bool cli_reads_input_twice(const struct cli *cli, char **files, size_t n);
/* Turns an error of hf_ref_eval() ("in: text") into the same form. */
int cli_place_error(const char *name, size_t line, const char *text, struct hf_err *err);

/* Verbs; each returns an exit code. */
int cli_policy(const struct cli *cli);
int cli_model(const struct cli *cli);
int cli_rules(const struct cli *cli);
int cli_plan(const struct cli *cli);
int cli_flows(const struct cli *cli);
int cli_eval(const struct cli *cli);
int cli_explain(const struct cli *cli);
int cli_validate(const struct cli *cli);
int cli_check(const struct cli *cli);
int cli_diff(const struct cli *cli);
