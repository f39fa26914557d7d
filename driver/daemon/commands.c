/* SPDX-License-Identifier: BSD-3-Clause */

#include "commands.h"

#include "apply.h"
#include "daemon.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int cmd_list(void *arg, const struct hf_rpc_call *call, struct hf_err *)
{
	struct hf_rpc rpc;

	commands_init(&rpc, arg);
	hf_rpc_list(&rpc, call->out);
	return 0;
}

static int cmd_version(void *, const struct hf_rpc_call *call, struct hf_err *)
{
	fprintf(call->out, "%s (hepflow) %s\n", HF_PROGRAM, HF_VERSION);
	return 0;
}

static void print_force(const struct hf_daemon *d, FILE *out)
{
	size_t i;

	fprintf(out, "generation %u in force\n", d->now->number);
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].reject[0])
			fprintf(out, "%s: not offloaded: pmd-reject:%s\n",
				d->wires[i].outer_conf->name, d->wires[i].reject);
	}
}

static int read_number(const char *text, unsigned int min, unsigned int max, const char *what,
	unsigned int *ret, struct hf_err *err)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max)
		return hf_fail(err, -EINVAL, "'%.40s': %s is a number from %u to %u", text, what,
			min, max);
	*ret = (unsigned int)n;
	return 0;
}

/* An apply whose reply comes when it is decided. */
struct applied {
	struct hf_daemon *d;
	struct hf_rpc_later *later;
	unsigned int confirm_s;
};

static void on_applied(void *arg, int rc, const struct hf_err *err, const struct hf_answer *)
{
	struct applied *a = arg;
	struct hf_err why = {0};

	if (rc < 0) {
		why = *err;
		(void)hf_err_prefix(&why, rc, "generation %u stays in force: ", a->d->now->number);
	} else {
		print_force(a->d, a->later->out);
		if (a->confirm_s)
			fprintf(a->later->out, "confirm it within %u s, or generation %u is back\n",
				a->confirm_s, a->d->back_to);
	}
	hf_rpc_finish(a->later, rc, &why);
	free(a);
}

static int apply(struct hf_daemon *d, unsigned int confirm_s, const struct hf_rpc_call *call,
	struct hf_err *err)
{
	struct applied *a = calloc(1, sizeof(*a));
	struct hf_waiter waiter = {on_applied, a};
	int rc;

	if (!a)
		return hf_fail(err, -ENOMEM, "out of memory");
	*a = (struct applied){.d = d, .confirm_s = confirm_s};
	rc = hf_rpc_defer(call, &a->later, err);
	if (rc == 0) {
		rc = hf_apply(d, confirm_s, &waiter, err);
		if (rc == 0)
			return HF_RPC_LATER;
		hf_rpc_finish(a->later, rc, err); /* nobody listens to it yet */
	}
	free(a);
	return hf_err_prefix(err, rc, "generation %u stays in force: ", d->now->number);
}

/* "apply", "apply --confirm=30" and "apply --confirm 30". */
static int cmd_apply(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	static const char word[] = "--confirm";
	const char *seconds = call->n_args == 2 ? call->args[1] : NULL;
	unsigned int n = 0;

	if (call->n_args == 1 && strncmp(call->args[0], "--confirm=", sizeof(word)) == 0)
		seconds = call->args[0] + sizeof(word);
	else if (call->n_args && (!seconds || strcmp(call->args[0], word) != 0))
		return hf_fail(err, -EINVAL, "apply: unknown argument '%.80s'", call->args[0]);
	if (seconds) {
		int rc = read_number(seconds, 1, HF_CONFIRM_MAX_S, "--confirm", &n, err);

		if (rc < 0)
			return rc;
	}
	return apply(arg, n, call, err);
}

static int cmd_confirm(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;
	int rc = hf_apply_confirm(d, err);

	if (rc == 0)
		fprintf(call->out, "generation %u is confirmed\n", d->now->number);
	return rc;
}

static int cmd_rollback(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;
	unsigned int n = 0;
	int rc = 0;

	if (call->n_args)
		rc = read_number(call->args[0], 1, UINT_MAX, "a generation", &n, err);
	if (rc == 0)
		rc = hf_apply_rollback(d, n, err);
	if (rc < 0)
		return rc;
	print_force(d, call->out);
	fputs("what files and Felix say waits for apply\n", call->out);
	return 0;
}

static int cmd_exit(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;

	/* OVS's word; we always clean up. */
	if (call->n_args == 1 && strcmp(call->args[0], "--cleanup") != 0)
		return hf_fail(err, -EINVAL, "exit: unknown argument '%.80s'", call->args[0]);
	d->exiting = true;
	d->on_exit(d->on_exit_arg);
	return 0;
}

static const struct hf_rpc_command commands[] = {
	{"apply", "[--confirm=SECONDS]", 0, 2, false, cmd_apply},
	{"capture", "FILE [wire=NAME] [reason=NAME[,NAME]] [count=N] [size=BYTES]", 1, 5, false,
		cmd_capture},
	{"capture/show", "", 0, 0, false, cmd_capture_show},
	{"capture/stop", "", 0, 0, false, cmd_capture_stop},
	{"confirm", "", 0, 0, false, cmd_confirm},
	{"conntrack/dump", "[KEY=VALUE]... [--format=json]", 0, 6, true, cmd_conntrack_dump},
	{"conntrack/flush", "[KEY=VALUE]...", 0, 6, false, cmd_conntrack_flush},
	{"counters", "[--format=json]", 0, 0, true, cmd_counters},
	{"coverage/show", "", 0, 0, false, cmd_coverage_show},
	{"dpctl/dump-flows", "[-m] [--names] [filter=FILTER] [type=TYPE[,TYPE]] [--format=json]", 0,
		5, true, cmd_flow_dump},
	{"dpctl/offload-stats-show", "[--format=json]", 0, 1, true, cmd_offload_stats},
	{"dpif/offload/show", "[--format=json]", 0, 0, true, cmd_offload_show},
	{"exit", "[--cleanup]", 0, 1, false, cmd_exit},
	{"explain", "KEY=VALUE... [--format=json]", 1, HF_RPC_ARGS_MAX, true, cmd_explain},
	{"failsafe/check", "", 0, 0, false, cmd_failsafe_check},
	{"flow/dump", "[-m] [--names] [filter=FILTER] [type=TYPE[,TYPE]] [--format=json]", 0, 5,
		true, cmd_flow_dump},
	{"list-commands", "", 0, 0, false, cmd_list},
	{"memory/show", "[--format=json]", 0, 0, true, cmd_memory_show},
	{"offload/stats-show", "[--format=json]", 0, 0, true, cmd_offload_stats},
	{"plan", "[-f PATH]... [--format=json]", 0, HF_RPC_ARGS_MAX, true, cmd_plan},
	{"plan/show", "", 0, 0, false, cmd_plan_show},
	{"policy/dump", "[--format=json]", 0, 0, true, cmd_policy_dump},
	{"port/list", "[--format=json]", 0, 0, true, cmd_port_list},
	{"port/restart", "NAME", 1, 1, false, cmd_port_restart},
	{"profile/probe", "[PORT] [--format=json]", 0, 1, true, cmd_profile_probe},
	{"profile/show", "[PORT] [--format=json]", 0, 1, true, cmd_profile_show},
	{"rollback", "[GENERATION]", 0, 1, false, cmd_rollback},
	{"set-options", "[--format text|json]", 1, 2, false, hf_rpc_set_options},
	{"status", "[--format=json]", 0, 0, true, cmd_status},
	{"verify", "", 0, 0, false, cmd_verify},
	{"version", "", 0, 0, false, cmd_version},
	{"vlog/list", "", 0, 0, false, cmd_vlog_list},
	{"vlog/reopen", "", 0, 0, false, cmd_vlog_reopen},
	{"vlog/set", "[MODULE:]LEVEL...", 0, HF_RPC_ARGS_MAX, false, cmd_vlog_set},
};

void commands_init(struct hf_rpc *rpc, struct hf_daemon *d)
{
	*rpc = (struct hf_rpc){.n = N(commands), .commands = commands, .arg = d};
}

int commands_print_json(const struct hf_rpc_call *call, json_t *take_value, struct hf_err *err)
{
	int rc = take_value ? json_dumpf(take_value, call->out, JSON_INDENT(2)) : -1;

	json_decref(take_value);
	if (rc < 0)
		return hf_fail(err, -ENOMEM, "out of memory");
	fputc('\n', call->out);
	return 0;
}
