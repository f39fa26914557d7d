/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sync: brings the flow rules of one uplink in line with a plan, one call at a time.
 *
 * From plan to plan without a wrong packet. Software judges by the new rules before the first call
 * is made here (the caller sees to that), and whatever no rule takes goes to software. So three
 * things may happen to a packet meanwhile: the old plan decides, the new plan decides, software
 * decides as the new plan would. What must not happen is that some rules of the old plan and some
 * of the new one decide together: a wide rule would decide for a narrow one that is gone, or not
 * there yet.
 *
 *   Tables (the plan has jumps). First a cover is put into group 0: a rule that is stronger than
 *   the jump into the tables (priority 0; the jump has 1) and gives every packet to software. Under
 *   it nothing else is reached, so rules go and come in any order that the driver takes: the root
 *   jump before what it leads to, jump targets before jumps to them. At last the cover is removed,
 *   which is one operation. From and to an empty plan there is no cover: the root jump itself is
 *   the one operation that switches, last to come and first to go.
 *
 *   No tables. The entries of such a plan are disjoint (flowgen/plan/flat.c), each right by itself:
 *   any subset of the old plan's is right by the old rules, any of the new plan's by the new. Rules
 *   go first and come then, because both may not fit at once.
 *
 * Rules that both plans ask for in the same words stay where they are, and a plan that asks for
 * nothing new costs no operation at all.
 *
 * When a rule is refused, all of this uplink's rules are removed: software is right about
 * everything. A rule that cannot be removed ("stuck") is put under the cover, or the port is
 * flushed; the next hf_sync_apply() tries again.
 *
 * Counters. Each rule is asked for its count (hf_sync_poll(), and before it is destroyed); what it
 * had is added up under its origin's text, so that totals survive a change of plan. A count that
 * could not be read makes the total unknown, for good if the rule is gone: unknown is never shown
 * as a number. What is punted is software's to count; a jump that carries an origin counts that,
 * too, so of such an origin the total is unknown.
 *
 * Threads: the control thread only.
 */

#pragma once

#include "ops.h"

#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_sync;

struct hf_sync_opts {
	const struct hf_nic *nic; /* lives longer than the sync */
	uint16_t n_queues;
	const struct hf_flow_ops *ops;
	void *ops_arg;
	/* Of an e-switch, read whenever a rule is made; NULL: plans have none. */
	const struct hf_flow_ports *ports;
	/* Milliseconds that never run backwards; NULL: CLOCK_MONOTONIC. */
	uint64_t (*now_ms)(void);
};

/* -ENOMEM. */
int hf_sync_new(const struct hf_sync_opts *opts, struct hf_sync **ret, struct hf_err *err);
/* Forgets the rules; hf_sync_apply(NULL) before, or they stay in the NIC. */
void hf_sync_free(struct hf_sync *sync);

/*
 * Goes to a plan (NULL: to no rules). The plan may be freed afterwards. On failure the NIC holds no
 * rules of ours but stuck ones and err says "entry N (ORIGIN): ERRNO: type N: MESSAGE".
 */
int hf_sync_apply(struct hf_sync *sync, const struct hf_plan *plan, struct hf_err *err);

/*
 * The same in two steps. hf_sync_prepare() takes the memory and says nothing to the NIC; the plan
 * must be there until hf_sync_commit(), or hf_sync_cancel(), which forgets it.
 */
int hf_sync_prepare(struct hf_sync *sync, const struct hf_plan *plan, struct hf_err *err);
int hf_sync_commit(struct hf_sync *sync, struct hf_err *err);
void hf_sync_cancel(struct hf_sync *sync);

/* All rules are gone, and the NIC need not be told: the port has been stopped, or the device has.
 */
void hf_sync_forget(struct hf_sync *sync);

struct hf_sync_audit {
	bool cannot_tell; /* the driver does not say what the card has */
	size_t n;	  /* rules that were looked at */
	size_t lost;	  /* of those: were not in the card */
	bool more;	  /* there are more to look at */
};
/*
 * Looks whether the card still has the rules, at most max of them, going on where it left off, and
 * puts back what was lost; with tables under the cover. On failure as hf_sync_apply().
 */
int hf_sync_check(struct hf_sync *sync, size_t max, struct hf_sync_audit *ret, struct hf_err *err);
/* The same for at most max of the rules that have come since they were looked for. */
int hf_sync_check_new(
	struct hf_sync *sync, size_t max, struct hf_sync_audit *ret, struct hf_err *err);

/* Rules in the NIC, stuck ones and the cover included. */
size_t hf_sync_n_rules(const struct hf_sync *sync);
/* Those that could not be removed. */
size_t hf_sync_n_stuck(const struct hf_sync *sync);

/* Reads every counter. */
void hf_sync_poll(struct hf_sync *sync);

struct hf_sync_count {
	bool known;
	uint64_t packets;
	uint64_t bytes;
};

/* Of entry i of the plan in force, as last read. *ret_used_ms (may be NULL): milliseconds since it
 * last counted, or UINT64_MAX if it never did. Unknown if that entry is not in the NIC. */
struct hf_sync_count hf_sync_count_entry(
	const struct hf_sync *sync, size_t i, uint64_t *ret_used_ms);
/* Of an origin, over all plans so far. Known and zero if no rule ever carried it. */
struct hf_sync_count hf_sync_count_origin(const struct hf_sync *sync, const char *origin);

/*
 * Calls fn for each origin of which some rule delivers, or did, in an e-switch, with what such
 * rules have counted; that is part of the origin's count. In no order.
 */
void hf_sync_each_delivered(const struct hf_sync *sync,
	void (*fn)(void *arg, const char *origin, struct hf_sync_count count), void *arg);

struct hf_sync_stats {
	uint64_t asked; /* to be created */
	uint64_t inserted;
	uint64_t deleted;
	uint64_t refused; /* by the driver */
	uint64_t full;	  /* of those: for lack of room (ENOSPC, ENOMEM) */
	uint64_t query_errors;
	uint64_t flushed; /* times that all rules of the port went, others' as well */
	double mean_us;	  /* of a creation */
	double stddev_us;
	double exp_mean_us; /* newer ones weigh more */
	double exp_stddev_us;
};
void hf_sync_read_stats(const struct hf_sync *sync, struct hf_sync_stats *ret);
