/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Commands: what the control socket answers; docs/ctl.md. One table, in commands.c.
 *
 * Each takes the daemon as arg. The text is stable and sorted; JSON output has "schema": 1.
 */

#pragma once

#include "rpc.h"

#include <jansson.h>

struct hf_daemon;

/* The table; rpc->arg is the daemon. */
void commands_init(struct hf_rpc *rpc, struct hf_daemon *d);

int cmd_flow_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_policy_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_offload_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_offload_stats(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_counters(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_conntrack_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_conntrack_flush(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_capture(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_capture_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_capture_stop(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_status(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_port_list(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_plan(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_plan_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_profile_probe(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_verify(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_port_restart(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_failsafe_check(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_profile_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_vlog_list(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_vlog_set(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_vlog_reopen(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_coverage_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_memory_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
int cmd_explain(void *arg, const struct hf_rpc_call *call, struct hf_err *err);

/* Prints *take_value and a newline, and frees it. NULL: -ENOMEM. */
int commands_print_json(const struct hf_rpc_call *call, json_t *take_value, struct hf_err *err);
