/* SPDX-License-Identifier: BSD-3-Clause */

/* A clock that never runs backwards, whatever is done to the time of day. Any thread. */

#pragma once

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment before this process began. */
static inline uint64_t hf_clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* Linux always has this clock */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
