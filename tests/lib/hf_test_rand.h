/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random numbers that can be had again: the same seed gives the same numbers on every machine.
 *
 * The seed of a run comes from the environment: HF_SEED=NUMBER, or HF_SEED=time for a new one. It
 * is HF_TEST_SEED when nothing is said, so that a run without a wish repeats the last one. A
 * failing test prints its seed (hf_test.h).
 *
 * The generator is splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
 * 2014): one word of state, any seed is good, every 64-bit value comes once in a period.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HF_TEST_SEED 1 /* any fixed number would do */

struct hf_rand {
	uint64_t state;
};

/* The seed of this run. Aborts if HF_SEED is set and is not a number. */
uint64_t hf_test_seed(void);

/* stream tells generators of one run apart: the number of the case, say. */
void hf_rand_init(struct hf_rand *r, uint64_t seed, uint64_t stream);

uint64_t hf_rand_u64(struct hf_rand *r);

/* Evenly spread over 0 .. n - 1; n must not be 0. */
uint64_t hf_rand_below(struct hf_rand *r, uint64_t n);

/* Evenly spread over lo .. hi, both included. */
uint64_t hf_rand_between(struct hf_rand *r, uint64_t lo, uint64_t hi);

/* True in n of d cases. */
bool hf_rand_chance(struct hf_rand *r, unsigned int n, unsigned int d);
