/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"
#include "hf_test_rand.h"

#include <stdlib.h>

HF_SUITE(rand);

/* First outputs for state 1234567, as published with the reference code of splitmix64. */
Test(rand, gives_the_published_numbers)
{
	struct hf_rand r = {.state = 1234567};

	cr_expect_eq(hf_rand_u64(&r), 6457827717110365317u);
	cr_expect_eq(hf_rand_u64(&r), 3203168211198807973u);
	cr_expect_eq(hf_rand_u64(&r), 9817491932198370423u);
	cr_expect_eq(hf_rand_u64(&r), 4593380528125082431u);
	cr_expect_eq(hf_rand_u64(&r), 16408922859458223821u);
}

Test(rand, same_seed_gives_the_same_numbers)
{
	struct hf_rand a, b;

	hf_rand_init(&a, hf_test_seed(), 7);
	hf_rand_init(&b, hf_test_seed(), 7);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(hf_rand_u64(&a), hf_rand_u64(&b));
}

Test(rand, streams_of_one_seed_differ)
{
	struct hf_rand a, b;

	hf_rand_init(&a, 1, 1);
	hf_rand_init(&b, 1, 2);
	cr_expect_neq(hf_rand_u64(&a), hf_rand_u64(&b));
}

Test(rand, between_reaches_both_ends_and_stays_inside)
{
	unsigned int seen[6] = {0};
	struct hf_rand r;

	hf_rand_init(&r, hf_test_seed(), 0);
	for (int i = 0; i < 6000; i++) {
		uint64_t v = hf_rand_between(&r, 10, 15);

		cr_assert(v >= 10 && v <= 15);
		seen[v - 10]++;
	}
	/* 1000 expected each; 7 standard deviations are about 200. */
	for (int i = 0; i < 6; i++)
		cr_expect(seen[i] > 800 && seen[i] < 1200, "%d came %u times", 10 + i, seen[i]);
}

Test(rand, whole_range_is_allowed)
{
	struct hf_rand r, s;

	hf_rand_init(&r, 3, 0);
	s = r;
	cr_expect_eq(hf_rand_between(&r, 0, UINT64_MAX), hf_rand_u64(&s));
}

Test(rand, chance_of_none_and_all)
{
	struct hf_rand r;

	hf_rand_init(&r, hf_test_seed(), 0);
	for (int i = 0; i < 100; i++) {
		cr_assert_not(hf_rand_chance(&r, 0, 3));
		cr_assert(hf_rand_chance(&r, 3, 3));
	}
}

Test(rand, seed_is_taken_from_the_environment)
{
	setenv("HF_SEED", "0x2a", 1);
	cr_expect_eq(hf_test_seed(), 42);
	unsetenv("HF_SEED");
	cr_expect_eq(hf_test_seed(), HF_TEST_SEED);
}
