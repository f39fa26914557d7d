/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the control thread and the prover hand to each other, for the thread sanitizer: generations
 * that are built, walked and freed while another one is proven, questions that are given up, an end
 * in the middle. A plain program, because Criterion and the sanitizer want the same addresses.
 */

#include "proof_world.h"

#include "daemon/prover.h"

#include <hepflow/err.h>

#include <event2/event.h>

#include <stdio.h>
#include <stdlib.h>

#define QUESTIONS 40

static size_t n_got, n_proven;

static void on_done(void *, struct hf_answer *take_answer)
{
	n_got++;
	n_proven += take_answer->proof.answer == HF_CHECK_PROVEN;
	hf_answer_fini(take_answer);
}

static void fail(const char *what)
{
	fprintf(stderr, "race: %s\n", what);
	exit(1);
}

int main(void)
{
	static const char *const policies[] = {DENY_3000 ALLOW, ALLOW, ALLOW DENY_3000};
	struct event_base *base = event_base_new();
	struct hf_prover *prover;
	struct hf_err err = {0};
	size_t i;

	open_world("{}");
	if (!base || hf_prover_new(&prover, &err) < 0 ||
		hf_prover_start(prover, base, on_done, NULL, &err) < 0)
		fail(err.text);
	for (i = 0; i < QUESTIONS; i++) {
		struct hf_generation *g = i % 8 ? build(policies[i % 3]) : build_large(), *other;
		struct hf_question q = {.g = g, .in = &in, .before = i % 2};

		hf_prover_ask(prover, &q);
		other = follow(g, policies[(i + 1) % 3]); /* meanwhile, from the same memory */
		hf_generation_free(other);
		if (i % 4 == 3)
			hf_prover_hurry(prover);
		while (n_got <= i) {
			if (event_base_loop(base, EVLOOP_ONCE) < 0)
				fail("the loop has ended");
		}
		if (i + 1 == QUESTIONS)
			hf_prover_ask(prover, &q);
		if (i + 1 == QUESTIONS)
			hf_prover_free(prover);
		hf_generation_free(g);
	}
	event_base_free(base);
	close_world();
	if (n_proven < QUESTIONS / 2)
		fail("hardly anything was proven");
	printf("%zu questions, %zu proven\n", n_got, n_proven);
	return 0;
}
