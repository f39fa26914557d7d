/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Async: the operations of ops.h for NICs that take rules by templates and flow queues only
 * (hf_nic.async_only). The port has one flow queue, number 0 (hf_port_opts.templates).
 *
 * Rules of one shape (group, priority, direction, items, masks, actions and those of their values
 * that are the template's) share a pattern template, an actions template and tables. Tables come
 * with the rules that need them, each twice as large as the last of its shape; a few that are
 * empty are kept for the next plan.
 *
 * An operation is queued, pushed and waited for: it has succeeded when its completion says so, and
 * so the next one comes after it in the NIC, too. Those of create_many() and
 * destroy_many() are pushed and waited for
 * together, a batch at a time. Where no completion comes in time (none for wait_ms) nobody knows. A
 * creation like that fails and leaves its handle, see ops.h; a destruction like that fails and is
 * not asked for again: the next call waits once more for the same completion. One that comes late
 * counts when it comes.
 *
 * Rules of connections (conns.h) go through the same queue and are waited for by nobody: they are
 * pushed together with the next question for what has come to an end. At most
 * HF_FLOW_ASYNC_CONNS of their operations are on their way at a time, so that the plan's always
 * find room.
 *
 * DPDK 22.11 has no question for a single rule of a flow queue that mlx5 would answer, so
 * present() cannot tell.
 *
 * Threads: the control thread only.
 */

#pragma once

#include "conns.h"
#include "ops.h"

#include <stdint.h>

struct hf_err;
struct hf_flow_async;

#define HF_FLOW_ASYNC_WAIT_MS 1000
#define HF_FLOW_ASYNC_CONNS   128

/* The port is configured. wait_ms: for one completion. -ENOMEM. */
int hf_flow_async_new(
	uint16_t port, unsigned int wait_ms, struct hf_flow_async **ret, struct hf_err *err);
/* Templates and tables go; rules that are still there keep theirs. NULL is fine. */
void hf_flow_async_free(struct hf_flow_async *async);

/*
 * Before the port is stopped to be configured anew, which takes rules, tables and templates: takes
 * in what is still to come, as that must not be outstanding, and forgets all. All handles are dead.
 */
void hf_flow_async_forget(struct hf_flow_async *async);
/* It may have another number afterwards. */
void hf_flow_async_set_port(struct hf_flow_async *async, uint16_t port);

/* arg points to a struct hf_flow_async. */
extern const struct hf_flow_ops hf_flow_ops_async;
extern const struct hf_conn_ops hf_conn_ops_async;
