/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Apply: from "something has changed" to a generation in force, or the reason why not.
 *
 * A generation is built at once, proven by a thread of its own (prover.h), and put in force when
 * the answer is there (enforce.h). What changes meanwhile supersedes it: the newer generation is
 * proven instead. So that steady change keeps nothing from coming into force, a proof that has been
 * waited for as long as one may take is not superseded by files, Felix or the host any more; what
 * they say is made up for behind it. An apply by command supersedes at any time.
 *
 * Threads: the control thread only.
 */

#pragma once

#include <hepflow/err.h>

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct hf_answer;
struct hf_daemon;
struct hf_generation;

/* Who is told how it has ended: rc and err, or of a verify the answer. */
struct hf_waiter {
	void (*done)(void *arg, int rc, const struct hf_err *err, const struct hf_answer *answer);
	void *arg;
};

/*
 * At the start, before there is anything to stay with: proves it, here and now. An answer that is
 * undecided is enough.
 */
int hf_apply_first(struct hf_daemon *d, const struct hf_generation *first, struct hf_err *err);
/* From now on proofs are made by a thread. */
int hf_apply_open(struct hf_daemon *d, struct event_base *base, struct hf_err *err);
/* Ends it; who waits is told. */
void hf_apply_close(struct hf_daemon *d);

/*
 * Reads everything anew to put it in force. 0: it is under way, and waiter (may be NULL) is told.
 * Otherwise it has failed already, and the code says why. confirm_s: it is undone when
 * hf_apply_confirm() is not called within so many seconds from then on; 0: never. -EBUSY while
 * another one waits to be confirmed.
 */
int hf_apply(struct hf_daemon *d, unsigned int confirm_s, const struct hf_waiter *waiter,
	struct hf_err *err);
/*
 * The same because files, Felix or the host have changed: waits while an apply is unconfirmed or
 * after a rollback, and is made up for later.
 */
void hf_apply_changed(struct hf_daemon *d);
/* -ENOENT: nothing waits. */
int hf_apply_confirm(struct hf_daemon *d, struct hf_err *err);
/*
 * Puts an earlier generation back in force, 0: the one before; what files and Felix say from then
 * on waits for hf_apply(). One that is under way is given up. -ENOENT when it is not kept.
 */
int hf_apply_rollback(struct hf_daemon *d, unsigned int number, struct hf_err *err);
/* Once a second. */
void hf_apply_tick(struct hf_daemon *d);

/* Proves what is in force; waiter is told. -ENOMEM. */
int hf_apply_verify(struct hf_daemon *d, const struct hf_waiter *waiter, struct hf_err *err);
/* Whether a generation is being proven, its number, and for how many milliseconds. */
bool hf_apply_is_proving(const struct hf_daemon *d, unsigned int *ret_number, uint64_t *ret_ms);
