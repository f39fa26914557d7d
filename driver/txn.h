/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Txn: one change of policy in all places that decide about packets, or in none.
 *
 * Places are NICs: each has a plan and decides what that plan says. The software path judges what
 * no place decides, and is asked to change first, forwards and backwards: whatever a place gives up
 * is then judged as it should be. A place that cannot be brought to a plan decides nothing any
 * more (it "punts"), which is right under every policy and only slow.
 *
 *   prepare   all places, without touching any; a failure ends the change, and nothing has happened
 *   publish   the software path
 *   commit    place by place
 *
 * When a place refuses there are two ways on. The change stands, and the place punts until it can
 * be brought to its plan. Or (keep) all goes back: software first, then each place that was
 * touched, and what cannot be brought back punts.
 *
 * Threads: the control thread only.
 */

#pragma once

#include <hepflow/err.h>

#include <stdbool.h>
#include <stddef.h>

struct hf_plan;

struct hf_txn_ops {
	/* Everything that can fail without a word to the NIC. plan may be NULL: decide nothing. */
	int (*prepare)(void *arg, const struct hf_plan *plan, struct hf_err *err);
	/* Forgets what was prepared. */
	void (*cancel)(void *arg);
	/* Goes to the plan that was prepared. On failure the place decides nothing. */
	int (*commit)(void *arg, struct hf_err *err);
};

enum hf_txn_state {
	HF_TXN_OLD,
	HF_TXN_NEW,
	HF_TXN_PUNTS, /* neither: it decides nothing */
};

struct hf_txn_place {
	const char *name;
	void *arg;
	const struct hf_plan *from; /* of the policy in force */
	const struct hf_plan *to;
	enum hf_txn_state state; /* set by hf_txn_run(), as what follows */
	bool touched;		 /* the NIC was asked; else it is as it was */
	char why[HF_ERR_SIZE];	 /* HF_TXN_PUNTS: what it said last; "" otherwise */
};

struct hf_txn {
	const struct hf_txn_ops *ops;
	size_t n;
	struct hf_txn_place *places;
	/* The software path goes to the new or back to the old policy; on failure it stays. */
	int (*publish)(void *arg, bool new, struct hf_err *err);
	void *arg;
	bool keep; /* a place that refuses takes the whole change back */
};

/*
 * 0: the new policy is in force; places may punt. Otherwise the old one is, and err says
 * "NAME: why". Should the software path be unable to go back, the new policy stays in force and the
 * answer is 0, whatever keep says.
 */
int hf_txn_run(struct hf_txn *txn, struct hf_err *err);
