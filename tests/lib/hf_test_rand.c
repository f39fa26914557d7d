/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_rand.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t seed_from_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t hf_test_seed(void)
{
	const char *text = getenv("HF_SEED");
	uint64_t seed;
	char *end;

	if (!text || !*text)
		return HF_TEST_SEED;
	if (strcmp(text, "time") == 0)
		return seed_from_clock();

	errno = 0;
	seed = strtoull(text, &end, 0);
	if (errno || *end || *text == '-') {
		fprintf(stderr, "HF_SEED=%s: not a number\n", text);
		abort();
	}
	return seed;
}

/* The output function: two multiply-and-shift rounds that spread every bit of z over the word. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void hf_rand_init(struct hf_rand *r, uint64_t seed, uint64_t stream)
{
	r->state = mix(seed) ^ mix(~stream);
}

uint64_t hf_rand_u64(struct hf_rand *r)
{
	r->state += 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio, odd */
	return mix(r->state);
}

uint64_t hf_rand_below(struct hf_rand *r, uint64_t n)
{
	uint64_t limit, v;

	assert(n);
	/* Values above the last whole multiple of n would favour small results. */
	limit = UINT64_MAX - UINT64_MAX % n;
	do {
		v = hf_rand_u64(r);
	} while (v >= limit);
	return v % n;
}

uint64_t hf_rand_between(struct hf_rand *r, uint64_t lo, uint64_t hi)
{
	assert(lo <= hi);
	if (hi - lo == UINT64_MAX)
		return hf_rand_u64(r);
	return lo + hf_rand_below(r, hi - lo + 1);
}

bool hf_rand_chance(struct hf_rand *r, unsigned int n, unsigned int d)
{
	return hf_rand_below(r, d) < n;
}
