/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread that proves. */

#include "proof_world.h"

#include "hf_test.h"

#include "daemon/prover.h"

#include <hepflow/err.h>

#include <event2/event.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(prover);

static struct event_base *base;
static struct hf_prover *prover;
static struct hf_answer got;
static size_t n_got;

static void on_done(void *arg, struct hf_answer *take_answer)
{
	cr_assert_eq(arg, &got);
	hf_answer_fini(&got);
	got = *take_answer;
	n_got++;
}

static void open_prover(void)
{
	struct hf_err err = {0};

	open_world("{}");
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(hf_prover_new(&prover, &err), 0, "%s", err.text);
	cr_assert_eq(hf_prover_start(prover, base, on_done, &got, &err), 0, "%s", err.text);
}

static void close_prover(void)
{
	hf_prover_free(prover);
	event_base_free(base);
	hf_answer_fini(&got);
	close_world();
}

static void ask(const struct hf_generation *g, bool before)
{
	struct hf_question q = {.g = g, .in = &in, .before = before};

	hf_prover_ask(prover, &q);
}

static void wait_for(size_t n)
{
	while (n_got < n)
		cr_assert_geq(event_base_loop(base, EVLOOP_ONCE), 0);
}

Test(prover, answers_come_one_by_one)
{
	struct hf_generation *right, *wrong, *other;
	struct hf_plan *plan;
	size_t i;

	open_prover();
	right = build(DENY_3000 ALLOW);
	wrong = build(ALLOW);
	other = build(DENY_3000 ALLOW);
	plan = wrong->plans[0];
	wrong->plans[0] = other->plans[0];
	other->plans[0] = plan;
	for (i = 0; i < 3; i++) {
		ask(right, true);
		wait_for(2 * i + 1);
		cr_assert_eq(got.rc, 0, "%s", got.err.text);
		cr_assert_eq(got.proof.answer, HF_CHECK_PROVEN);
		ask(wrong, true);
		wait_for(2 * i + 2);
		cr_assert_eq(got.rc, -EPROTO);
		cr_assert_eq(got.proof.answer, HF_CHECK_REFUTED, "after what is right");
	}
	ask(right, false);
	wait_for(2 * i + 1);
	cr_assert(strstr(got.text, "eth0 by the rules: proven\neth0 on mlx5-cx6dx, "), "%s",
		got.text);
	hf_generation_free(right);
	hf_generation_free(wrong);
	hf_generation_free(other);
	close_prover();
}

Test(prover, a_question_that_is_given_up_is_answered_and_the_next_one_as_ever)
{
	struct hf_generation *large;

	open_prover();
	large = build_large();
	ask(large, false);
	hf_prover_hurry(prover);
	wait_for(1); /* stopped, unless it was quick */
	cr_assert_neq(got.proof.answer, HF_CHECK_REFUTED);
	ask(large, false);
	wait_for(2);
	cr_assert_eq(got.proof.answer, HF_CHECK_PROVEN, "%s", got.proof.text);
	hf_generation_free(large);
	close_prover();
}

Test(prover, may_end_in_the_middle_of_a_question)
{
	struct hf_generation *large;

	open_prover();
	large = build_large();
	ask(large, false);
	hf_prover_free(prover);
	prover = NULL;
	cr_assert_eq(n_got, 0);
	hf_generation_free(large);
	close_prover();
}
