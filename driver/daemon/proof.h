/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Proof: whether a generation is right, asked before it is put in force and by "verify".
 *
 * What is proven is what flowgen check proves (docs/plan.md, "Proof"): for every packet of every
 * uplink the rules say what policy says, and no entry of a NIC says anything else. The failsafe
 * ports are tried from the edges of every address set: policy must let them in, and no entry may
 * drop them.
 *
 * Threads: one at a time, be it the control thread or the one of prover.h; the library for decision
 * diagrams has one table for the process. Nothing of a generation is changed.
 */

#pragma once

#include "generation.h"

#include <hepflow/check.h>
#include <hepflow/err.h>

#include <stdint.h>
#include <stdio.h>

/* Of a proof: 200 MB; and as many results are remembered: 160 MB more. */
#define HF_PROOF_NODES 4000000

struct hf_proof {
	enum hf_check_answer answer;
	size_t n_rules;
	bool too_large; /* more rules than the configuration wants proven: undecided, not asked */
	uint32_t ms;	/* it took */
	char text[HF_ERR_SIZE]; /* what is not proven and why, with a packet if one is wrong */
};

struct hf_proof_opts {
	uint32_t max_ms; /* for all uplinks together; 0: no limit */
	bool (*stop)(void *arg);
	void *stop_arg;
	struct hf_check_memory *memory; /* NULL, or of the proofs before */
};

/*
 * All uplinks; ends with the first that is refuted. A line for each proof goes to out, which may be
 * NULL. Errors: -ENOMEM; -EPROTO when proof and reference contradict each other.
 */
int hf_proof_run(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, FILE *out, struct hf_proof *ret, struct hf_err *err);

struct hf_failsafe_try {
	size_t n_ports;
	size_t n;   /* ways in that were tried */
	size_t bad; /* of those: closed; the first ten are told */
};
struct hf_failsafe_opts {
	size_t max_sources; /* about so many other ends, 0: all edges */
	bool policy_only;   /* what is in a NIC is not looked at, because that is proven */
	uint32_t max_ms;    /* what has not been tried by then is not; 0: no limit */
	bool (*stop)(void *arg);
	void *stop_arg;
};
/* -ENOMEM. */
int hf_failsafe_run(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_failsafe_opts *opts, FILE *out, struct hf_failsafe_try *ret,
	struct hf_err *err);

/*
 * What must hold before a generation is put in force, as the configuration asks for it, which has
 * max_ms as well. -EPERM: a failsafe port would be closed, -EPROTO: a packet would meet a wrong
 * verdict, -EAGAIN: undecided, and that is not enough. *ret is filled whatever the answer.
 */
int hf_proof_before(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, struct hf_proof *ret, struct hf_err *err);
