/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Enforce: brings a generation into force, in the packet path and in every NIC (driver/txn.h), and
 * keeps it there.
 *
 * Threads: the control thread only.
 */

#pragma once

struct hf_daemon;
struct hf_err;
struct hf_generation;
struct hf_plan;
struct hf_wire;

#define HF_RETRY_FIRST_S 1   /* what went wrong once may be over at once */
#define HF_STUCK_S	 4   /* a rule that has not gone by the wait after this one does not go */
#define HF_RETRY_MAX_S	 300 /* what a driver refuses for good costs little then */

/*
 * Takes over a whole generation, which then is d->now; the one before is remembered. On failure
 * the old one is in force, and the new one is the caller's, for hf_enforce_drop(): the packet path
 * may have seen it. A NIC that refuses is a failure only with changes.refused "keep".
 */
int hf_enforce(struct hf_daemon *d, struct hf_generation *take_next, struct hf_err *err);
/* Frees it, now or once the packet path has let go of it. */
void hf_enforce_drop(struct hf_daemon *d, struct hf_generation *take_g);
/* It can be gone back to; the oldest makes room. NULL is fine. */
void hf_enforce_remember(struct hf_daemon *d, struct hf_generation *take_g);
/* Frees what only waited for the packet path. */
void hf_enforce_reclaim(struct hf_daemon *d);

/* Once a second: reads counters, and asks NICs again that have refused. */
void hf_enforce_tick(struct hf_daemon *d);
/* Brings an empty NIC to its plan, now; hf_enforce_tick() tries again should it refuse. */
void hf_enforce_again(struct hf_daemon *d, struct hf_wire *w, const struct hf_plan *plan);
/* The NIC has refused, for this reason, and holds no rules any more. */
void hf_enforce_refused(const struct hf_daemon *d, struct hf_wire *w, const char *why);
/* All of the wire's rules are removed from its NIC. */
void hf_enforce_withdraw(struct hf_wire *w);
