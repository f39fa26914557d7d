/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Spans: a map from addresses to numbers that was made from nets.
 *
 * Nets of any number of sets lie inside each other or apart, so they cut the line of all addresses
 * into spans of which every address is in the same nets. hf_spans_build() goes along that line and
 * asks its caller for a number whenever nets begin or end; neighbours of equal number become one.
 * So the table grows with the nets, not with the combinations of sets, and nothing is multiplied
 * out.
 *
 * IPv4: the upper half leads to the few spans that begin under it; the lower halves of their first
 * addresses are compared eight at a time. Most upper halves have none, so that only those that have
 * are in a list, and found by counting bits: what every packet reads stays small. IPv6: binary
 * search.
 *
 * Threads: constant once built.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define HF_SPAN_FAIL	 UINT32_MAX /* no number: out of memory */
#define HF_SPANS_AT_ONCE 8	    /* what one SSE register holds */
#define HF_SPANS_ROOTS	 1024	    /* of 64 upper halves each */

struct hf_span6 {
	uint64_t hi, lo; /* first address */
	uint32_t value;
};

struct hf_span_root {
	uint64_t has;  /* a bit for each upper half under which a span begins */
	uint32_t rank; /* such halves before these 64 */
};

struct hf_spans {
	uint32_t n4, n6;
	uint16_t *low4;	  /* lower half of each first address; HF_SPANS_AT_ONCE more to read */
	uint32_t *value4; /* the first span begins at 0.0.0.0 */
	struct hf_span_root *roots; /* HF_SPANS_ROOTS */
	uint32_t n_starts;
	uint32_t *starts;    /* first span of each such half; n4 behind them, twice */
	struct hf_span6 *v6; /* the first one begins at :: */
};

struct hf_span_net {
	struct hf_prefix net;
	uint32_t id; /* for the caller */
};

/*
 * enter and leave are called in an order in which value, called next, speaks of a span; at the
 * beginning of each family no net is entered, at its end all are left.
 */
struct hf_span_ops {
	void (*enter)(void *arg, uint32_t id);
	void (*leave)(void *arg, uint32_t id);
	uint32_t (*value)(void *arg); /* or HF_SPAN_FAIL */
};

/* 0 or -ENOMEM. */
int hf_spans_build(struct hf_spans *ret, const struct hf_span_net *nets, size_t n,
	const struct hf_span_ops *ops, void *arg);
void hf_spans_fini(struct hf_spans *spans);

static inline uint32_t hf_span_be32(const uint8_t *b)
{
	uint32_t v;

	__builtin_memcpy(&v, b, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t hf_span_be64(const uint8_t *b)
{
	uint64_t v;

	__builtin_memcpy(&v, b, sizeof(v));
	return __builtin_bswap64(v);
}

/* How many of the n places from low on are at most x; n is at most HF_SPANS_AT_ONCE. */
static inline uint32_t hf_spans_count(const uint16_t *low, uint32_t n, uint16_t x)
{
#ifdef __SSE2__
	__m128i above =
		_mm_subs_epu16(_mm_loadu_si128((const void *)low), _mm_set1_epi16((short)x));
	uint32_t bytes = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(above, _mm_setzero_si128()));

	return (uint32_t)__builtin_popcount(bytes & ((1u << 2 * n) - 1)) / 2;
#else
	uint32_t i, count = 0;

	for (i = 0; i < n; i++)
		count += low[i] <= x;
	return count;
#endif
}

/* The spans that begin under the upper half of addr: n of them from the one that is returned on. */
static inline uint32_t hf_spans_under(const struct hf_spans *s, uint32_t addr, uint32_t *n)
{
	const struct hf_span_root *r = &s->roots[addr >> 22];
	uint32_t bit = addr >> 16 & 63;
	uint32_t i = r->rank + (uint32_t)__builtin_popcountll(r->has & ((UINT64_C(1) << bit) - 1));

	*n = (s->starts[i + 1] - s->starts[i]) & -(uint32_t)(r->has >> bit & 1);
	return s->starts[i];
}

/* Does not branch on what it compares: addresses are as good as random. */
static inline __attribute__((always_inline)) uint32_t hf_spans_find4(
	const struct hf_spans *s, uint32_t addr)
{
	uint32_t n, base = hf_spans_under(s, addr, &n);
	uint16_t low = (uint16_t)addr;

	/* The span sought begins before base, or is one of the n that follow. */
	while (n > HF_SPANS_AT_ONCE) {
		uint32_t half = (n + 1) / 2;

		base += half & -(uint32_t)(s->low4[base + half - 1] <= low);
		n -= half;
	}
	return s->value4[base + hf_spans_count(s->low4 + base, n, low) - 1];
}

/* A search of many steps: not worth a copy wherever it is asked for. */
static __attribute__((noinline, unused)) uint32_t hf_spans_find6(
	const struct hf_spans *s, uint64_t hi, uint64_t lo)
{
	uint32_t base = 1, n = s->n6 - 1;

	while (n > 0) {
		uint32_t half = (n + 1) / 2;
		const struct hf_span6 *v = &s->v6[base + half - 1];

		base += v->hi < hi || (v->hi == hi && v->lo <= lo) ? half : 0;
		n -= half;
	}
	return s->v6[base - 1].value;
}

static inline __attribute__((always_inline)) uint32_t hf_spans_find(
	const struct hf_spans *s, const struct hf_addr *a)
{
	if (a->family == 4)
		return hf_spans_find4(s, hf_span_be32(a->b));
	return hf_spans_find6(s, hf_span_be64(a->b), hf_span_be64(a->b + 8));
}

/*
 * What hf_spans_find() will read, sent for in two steps, so that the memory of many addresses is on
 * its way at once. IPv6 is searched for, and cannot be foreseen.
 */
static inline void hf_spans_fetch_root(const struct hf_spans *s, const struct hf_addr *a)
{
	if (a->family == 4)
		__builtin_prefetch(&s->roots[hf_span_be32(a->b) >> 22]);
}

static inline void hf_spans_fetch(const struct hf_spans *s, const struct hf_addr *a)
{
	uint32_t base, n;

	if (a->family != 4)
		return;
	base = hf_spans_under(s, hf_span_be32(a->b), &n);
	__builtin_prefetch(&s->low4[base]);
	__builtin_prefetch(&s->value4[base ? base - 1 : 0]);
}
