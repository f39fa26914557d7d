/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Prover: a thread that proves one generation at a time (proof.h), so that the control thread can
 * answer and go on meanwhile. It remembers what earlier proofs have found out.
 *
 * Threads: all functions are for the control thread. What a question lends is read by the other one
 * until the answer is there.
 */

#pragma once

#include "proof.h"

#include <hepflow/err.h>

#include <stdbool.h>

struct event_base;
struct hf_prover;

struct hf_question {
	const struct hf_generation *g;
	const struct hf_inputs *in; /* configuration and profiles; nothing else is looked at */
	bool before;		    /* hf_proof_before(), else hf_proof_run() without a limit */
};

struct hf_answer {
	int rc;
	struct hf_err err; /* rc < 0 */
	struct hf_proof proof;
	char *text; /* of hf_proof_run(), "" without; freed with hf_answer_fini() */
};
void hf_answer_fini(struct hf_answer *answer);

int hf_prover_new(struct hf_prover **ret, struct hf_err *err);
/* Ends the thread; what it is about is stopped and not answered. NULL is fine. */
void hf_prover_free(struct hf_prover *prover);

/* Here and now. Not once it has been started. */
void hf_prover_answer(
	struct hf_prover *prover, const struct hf_question *question, struct hf_answer *ret);

/*
 * From now on answers come by done(), from the loop, one for each question, which takes the answer
 * over. The thread runs where the calling one may.
 */
int hf_prover_start(struct hf_prover *prover, struct event_base *base,
	void (*done)(void *arg, struct hf_answer *take_answer), void *arg, struct hf_err *err);
/* Only while no answer is due. */
void hf_prover_ask(struct hf_prover *prover, const struct hf_question *question);
/* The answer that is due is not wanted any more: it comes soon, and is undecided. */
void hf_prover_hurry(struct hf_prover *prover);
