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
 * IPv4: the upper 16 bits lead to the few spans that begin under them. IPv6: binary search.
 *
 * Threads: constant once built.
 */

#pragma once

#include <hepflow/net.h>

#include <stddef.h>
#include <stdint.h>

#define HF_SPAN_ROOT_BITS 16
#define HF_SPAN_FAIL	  UINT32_MAX /* no number: out of memory */

struct hf_span4 {
	uint32_t first;
	uint32_t value;
};

struct hf_span6 {
	uint64_t hi, lo; /* first address */
	uint32_t value;
};

struct hf_spans {
	uint32_t n4, n6;
	struct hf_span4 *v4; /* the first one begins at 0.0.0.0 */
	struct hf_span6 *v6; /* the first one begins at :: */
	uint32_t *root;	     /* spans of v4 that begin before i << 16; one more than its bits say */
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

static inline uint32_t hf_spans_find4(const struct hf_spans *s, uint32_t addr)
{
	uint32_t top = addr >> (32 - HF_SPAN_ROOT_BITS);
	uint32_t base = s->root[top], n = s->root[top + 1] - base;

	/* The span sought begins before base, or is one of the n that follow. */
	while (n > 0) {
		uint32_t half = (n + 1) / 2;

		base += s->v4[base + half - 1].first <= addr ? half : 0;
		n -= half;
	}
	return s->v4[base - 1].value;
}

static inline uint32_t hf_spans_find6(const struct hf_spans *s, uint64_t hi, uint64_t lo)
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

static inline uint32_t hf_spans_find(const struct hf_spans *s, const struct hf_addr *a)
{
	if (a->family == 4)
		return hf_spans_find4(s, hf_span_be32(a->b));
	return hf_spans_find6(s, hf_span_be64(a->b), hf_span_be64(a->b + 8));
}
