/* SPDX-License-Identifier: BSD-3-Clause */

#include "cover.h"

#include <assert.h>
#include <stdlib.h>

#define SEGS_MAX  (2 * COVER_RANGES_MAX + 1)
#define NODES_MAX (2 * SEGS_MAX * COVER_PORT_BITS)
#define NONE	  UINT16_MAX

/* Ports from lo on have these bits. */
struct seg {
	uint32_t lo;
	uint32_t bits;
};

/* Which values a prefix may have so that fewest longer ones are needed: as bits of value numbers.
 */
struct value_set {
	uint64_t w[2];
};

struct node {
	struct value_set set;
	uint16_t left, right; /* NONE: all of it has one value */
};

struct tree {
	size_t n_segs;
	struct seg seg[SEGS_MAX + 1];
	uint8_t value_of[SEGS_MAX]; /* of a segment */
	size_t n_values;
	uint32_t values[SEGS_MAX + 1];
	size_t n_nodes;
	struct node node[NODES_MAX];
};

static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t bits_of(const struct cover_range *ranges, size_t n, uint32_t port)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (ranges[i].range.lo <= port && port <= ranges[i].range.hi)
			bits |= ranges[i].bit;
	}
	return bits;
}

static void cut(const struct cover_range *ranges, size_t n, struct tree *t)
{
	uint32_t ends[SEGS_MAX] = {0};
	size_t n_ends = 1, i, k;

	for (i = 0; i < n; i++) {
		ends[n_ends++] = ranges[i].range.lo;
		ends[n_ends++] = (uint32_t)ranges[i].range.hi + 1;
	}
	qsort(ends, n_ends, sizeof(*ends), u32_cmp);
	t->n_segs = t->n_values = t->n_nodes = 0;
	for (i = 0; i < n_ends; i++) {
		struct seg s = {ends[i], bits_of(ranges, n, ends[i])};

		if (s.lo > UINT16_MAX || (i && s.lo == ends[i - 1]))
			continue;
		for (k = 0; k < t->n_values && t->values[k] != s.bits; k++)
			;
		if (k == t->n_values)
			t->values[t->n_values++] = s.bits;
		t->value_of[t->n_segs] = (uint8_t)k;
		t->seg[t->n_segs++] = s;
	}
	t->seg[t->n_segs].lo = UINT16_MAX + 1;
}

static bool set_has(const struct value_set *s, size_t value)
{
	return s->w[value / 64] >> value % 64 & 1;
}

static size_t set_first(const struct value_set *s)
{
	return s->w[0] ? (size_t)__builtin_ctzll(s->w[0]) : 64 + (size_t)__builtin_ctzll(s->w[1]);
}

/* Common values of both, or, when there are none, all. */
static struct value_set join(const struct value_set *a, const struct value_set *b)
{
	struct value_set r = {{a->w[0] & b->w[0], a->w[1] & b->w[1]}};

	if (!r.w[0] && !r.w[1])
		r = (struct value_set){{a->w[0] | b->w[0], a->w[1] | b->w[1]}};
	return r;
}

/* seg: the one that lo is in. Returns the node's index. */
static uint16_t grow(struct tree *t, uint32_t lo, unsigned int len, size_t seg)
{
	uint32_t size = UINT32_C(1) << (COVER_PORT_BITS - len);
	uint16_t at = (uint16_t)t->n_nodes++;
	struct node *node = &t->node[at];

	assert(t->n_nodes <= NODES_MAX);
	*node = (struct node){.left = NONE, .right = NONE};
	if (t->seg[seg + 1].lo >= lo + size) {
		node->set.w[t->value_of[seg] / 64] |= UINT64_C(1) << t->value_of[seg] % 64;
		return at;
	}
	node->left = grow(t, lo, len + 1, seg);
	while (t->seg[seg + 1].lo <= lo + size / 2)
		seg++;
	node->right = grow(t, lo + size / 2, len + 1, seg);
	node->set = join(&t->node[node->left].set, &t->node[node->right].set);
	return at;
}

static void choose(const struct tree *t, uint16_t at, uint32_t lo, unsigned int len, size_t value,
	struct cover *ret)
{
	const struct node *node = &t->node[at];
	uint32_t half = UINT32_C(1) << (COVER_PORT_BITS - len) >> 1;

	if (!set_has(&node->set, value)) {
		value = set_first(&node->set);
		/* Instead of the one that stands for all ports. */
		ret->v[len ? ret->n++ : 0] =
			(struct cover_part){(uint16_t)lo, (uint8_t)len, t->values[value]};
	}
	if (node->left == NONE)
		return;
	choose(t, node->left, lo, len + 1, value, ret);
	choose(t, node->right, lo + half, len + 1, value, ret);
}

void hf_cover_build(const struct cover_range *ranges, size_t n, struct cover *ret)
{
	struct tree t;
	size_t none;

	assert(n <= COVER_RANGES_MAX);
	cut(ranges, n, &t);
	for (none = 0; none < t.n_values && t.values[none]; none++)
		;
	/* Where every port is in some range, no node has that value. */
	ret->n = 1;
	ret->v[0] = (struct cover_part){0};
	choose(&t, grow(&t, 0, 0, 0), 0, 0, none, ret);
}
