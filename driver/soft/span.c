/* SPDX-License-Identifier: BSD-3-Clause */

#include "span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

#define KEY_BYTES    17 /* address and length */
#define UPPER_HALVES 65536

/* A net on the line of its family; sorted so that the outer of two comes first. */
struct mark {
	u128 first;
	uint32_t id;
	uint8_t len;
};

/* A net that has begun. Nets of one place and length are as good as inside each other. */
struct open_net {
	u128 last;
	uint32_t id;
};

struct sweep {
	const struct hf_span_ops *ops;
	void *arg;
	unsigned int bits;
	struct open_net *open; /* the innermost last */
	size_t n_open;
	uint32_t *under; /* IPv4: spans that begin under each upper half */
	struct hf_spans *to;
};

static uint8_t key_byte(const struct mark *m, unsigned int i)
{
	return i == 0 ? m->len : (uint8_t)(m->first >> (8 * (i - 1)));
}

/* By address, then length: least significant byte first. Bytes that are all the same cost nothing.
 */
static void sort_marks(struct mark **marks, struct mark **room, size_t n)
{
	size_t count[256], i, sum;
	unsigned int byte, b;
	struct mark *swap;

	for (byte = 0; byte < KEY_BYTES; byte++) {
		memset(count, 0, sizeof(count));
		for (i = 0; i < n; i++)
			count[key_byte(&(*marks)[i], byte)]++;
		if (count[key_byte(&(*marks)[0], byte)] == n)
			continue;
		for (b = 0, sum = 0; b < 256; b++) {
			size_t c = count[b];

			count[b] = sum;
			sum += c;
		}
		for (i = 0; i < n; i++)
			(*room)[count[key_byte(&(*marks)[i], byte)]++] = (*marks)[i];
		swap = *marks;
		*marks = *room;
		*room = swap;
	}
}

static u128 first_of(const struct hf_prefix *p)
{
	if (p->addr.family == 4)
		return hf_span_be32(p->addr.b);
	return (u128)hf_span_be64(p->addr.b) << 64 | hf_span_be64(p->addr.b + 8);
}

static u128 last_of(const struct sweep *s, const struct mark *m)
{
	u128 host = m->len >= s->bits ? 0 : ~(u128)0 >> (128 - (s->bits - m->len));

	return m->first | host;
}

static void put4(struct sweep *s, uint32_t at, uint32_t value)
{
	struct hf_spans *to = s->to;

	if (to->n4 > 0 && to->value4[to->n4 - 1] == value)
		return;
	s->under[at >> 16]++;
	to->low4[to->n4] = (uint16_t)at;
	to->value4[to->n4++] = value;
}

/* The table has room for every place where a net begins or ends. */
static int put(struct sweep *s, u128 at)
{
	struct hf_spans *to = s->to;
	uint32_t value = s->ops->value(s->arg);

	if (value == HF_SPAN_FAIL)
		return -ENOMEM;
	if (s->bits == 32) {
		put4(s, (uint32_t)at, value);
		return 0;
	}
	if (to->n6 > 0 && to->v6[to->n6 - 1].value == value)
		return 0;
	to->v6[to->n6++] =
		(struct hf_span6){.hi = (uint64_t)(at >> 64), .lo = (uint64_t)at, .value = value};
	return 0;
}

/* Leaves all nets that end before limit, or all there are if there is no limit. */
static int leave_until(struct sweep *s, u128 limit, bool all)
{
	u128 max = s->bits == 32 ? UINT32_MAX : ~(u128)0;
	int rc = 0;

	while (rc == 0 && s->n_open > 0 && (all || s->open[s->n_open - 1].last < limit)) {
		u128 last = s->open[s->n_open - 1].last;

		while (s->n_open > 0 && s->open[s->n_open - 1].last == last)
			s->ops->leave(s->arg, s->open[--s->n_open].id);
		if (last < max && (all || last + 1 < limit))
			rc = put(s, last + 1);
	}
	return rc;
}

static int sweep(struct sweep *s, const struct mark *marks, size_t n)
{
	size_t i = 0;
	int rc = n > 0 && marks[0].first == 0 ? 0 : put(s, 0);

	while (rc == 0 && i < n) {
		u128 at = marks[i].first;

		rc = leave_until(s, at, false);
		for (; i < n && marks[i].first == at; i++) {
			s->open[s->n_open++] =
				(struct open_net){last_of(s, &marks[i]), marks[i].id};
			s->ops->enter(s->arg, marks[i].id);
		}
		if (rc == 0)
			rc = put(s, at);
	}
	return rc < 0 ? rc : leave_until(s, 0, true);
}

static int list_starts(struct hf_spans *to, const uint32_t *under)
{
	uint32_t top, n = 0, base = 0;

	for (top = 0; top < UPPER_HALVES; top++)
		n += under[top] > 0;
	to->roots = calloc(HF_SPANS_ROOTS, sizeof(*to->roots));
	to->starts = calloc(n + 2, sizeof(*to->starts));
	if (!to->roots || !to->starts)
		return -ENOMEM;
	for (top = 0; top < UPPER_HALVES; top++) {
		struct hf_span_root *r = &to->roots[top / 64];

		if (top % 64 == 0)
			r->rank = to->n_starts;
		if (!under[top])
			continue;
		r->has |= UINT64_C(1) << top % 64;
		to->starts[to->n_starts++] = base;
		base += under[top];
	}
	to->starts[n] = to->starts[n + 1] = base;
	return 0;
}

static int build_family(struct sweep *s, const struct hf_span_net *nets, size_t n, uint8_t family,
	struct mark *marks, struct mark *room)
{
	size_t i, k = 0;

	s->bits = family == 4 ? 32 : 128;
	for (i = 0; i < n; i++) {
		if (nets[i].net.addr.family == family)
			marks[k++] =
				(struct mark){first_of(&nets[i].net), nets[i].id, nets[i].net.len};
	}
	if (k > 0)
		sort_marks(&marks, &room, k);
	return sweep(s, marks, k);
}

int hf_spans_build(struct hf_spans *ret, const struct hf_span_net *nets, size_t n,
	const struct hf_span_ops *ops, void *arg)
{
	struct hf_spans to = {0};
	struct sweep s = {.ops = ops, .arg = arg, .to = &to};
	struct mark *marks = calloc(n + 1, sizeof(*marks));
	struct mark *room = calloc(n + 1, sizeof(*room));
	size_t i, n4 = 0;
	int rc = 0;

	for (i = 0; i < n; i++)
		n4 += nets[i].net.addr.family == 4;
	s.open = calloc(n + 1, sizeof(*s.open));
	to.low4 = calloc(2 * n4 + 1 + HF_SPANS_AT_ONCE, sizeof(*to.low4));
	to.value4 = calloc(2 * n4 + 1, sizeof(*to.value4));
	to.v6 = calloc(2 * (n - n4) + 1, sizeof(*to.v6));
	s.under = calloc(UPPER_HALVES, sizeof(*s.under));
	if (!marks || !room || !s.open || !to.low4 || !to.value4 || !s.under || !to.v6)
		rc = -ENOMEM;
	if (rc == 0)
		rc = build_family(&s, nets, n, 4, marks, room);
	if (rc == 0)
		rc = build_family(&s, nets, n, 6, marks, room);
	free(marks);
	free(room);
	free(s.open);
	if (rc == 0)
		rc = list_starts(&to, s.under);
	free(s.under);
	if (rc < 0) {
		hf_spans_fini(&to);
		return rc;
	}
	*ret = to;
	return 0;
}

void hf_spans_fini(struct hf_spans *spans)
{
	free(spans->low4);
	free(spans->value4);
	free(spans->roots);
	free(spans->starts);
	free(spans->v6);
}
