/* SPDX-License-Identifier: BSD-3-Clause */

#include "algebra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 0xffffu

/* Each step takes the largest aligned piece that begins at lo and does not pass hi. */
size_t hf_ports_masks(struct hf_ports ports, struct hf_port_mask ret[static HF_PORT_MASKS_MAX])
{
	uint32_t lo = ports.lo, size;
	size_t n = 0;

	while (lo <= ports.hi) {
		size = lo ? lo & -lo : PORT_MAX + 1;
		while (lo + size - 1 > ports.hi)
			size /= 2;
		ret[n].value = (uint16_t)lo;
		ret[n++].mask = (uint16_t) ~(size - 1);
		lo += size;
	}
	return n;
}

static int ports_cmp(const void *pa, const void *pb)
{
	const struct hf_ports *a = pa, *b = pb;
	int c = (int)a->lo - (int)b->lo;

	return c ? c : (int)a->hi - (int)b->hi;
}

size_t hf_ports_normalize(struct hf_ports *ports, size_t n)
{
	size_t i, kept = 0;

	if (n)
		qsort(ports, n, sizeof(*ports), ports_cmp);
	for (i = 0; i < n; i++) {
		if (kept == 0 || ports[i].lo > ports[kept - 1].hi + 1)
			ports[kept++] = ports[i];
		else if (ports[i].hi > ports[kept - 1].hi)
			ports[kept - 1].hi = ports[i].hi;
	}
	return kept;
}

size_t hf_ports_complement(const struct hf_ports *ports, size_t n, struct hf_ports *ret)
{
	uint32_t next = 0;
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		if (ports[i].lo > next)
			ret[kept++] = (struct hf_ports){(uint16_t)next, ports[i].lo - 1};
		next = ports[i].hi + 1u;
	}
	if (next <= PORT_MAX)
		ret[kept++] = (struct hf_ports){(uint16_t)next, PORT_MAX};
	return kept;
}

bool hf_ports_intersect(struct hf_ports a, struct hf_ports b, struct hf_ports *ret)
{
	struct hf_ports both = {a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};

	if (both.lo > both.hi)
		return false;
	*ret = both;
	return true;
}

bool hf_prefix_intersect(
	const struct hf_prefix *a, const struct hf_prefix *b, struct hf_prefix *ret)
{
	if (hf_prefix_covers(a, b))
		*ret = *b;
	else if (hf_prefix_covers(b, a))
		*ret = *a;
	else
		return false;
	return true;
}

struct subtraction {
	struct hf_prefix *ret;
	size_t n;
	size_t max;
};

static int prefix_cmp(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

/* holes are sorted, disjoint and all inside of p. */
static int subtract(struct subtraction *s, const struct hf_prefix *p, const struct hf_prefix *holes,
	size_t n_holes)
{
	struct hf_prefix half = *p;
	size_t below = 0;
	int rc;

	if (n_holes == 0) {
		if (s->n == s->max)
			return -E2BIG;
		s->ret[s->n++] = *p;
		return 0;
	}
	if (holes[0].len <= p->len)
		return 0;
	half.len++;
	while (below < n_holes && hf_prefix_covers(&half, &holes[below]))
		below++;
	rc = subtract(s, &half, holes, below);
	if (rc < 0)
		return rc;
	half.addr.b[p->len / 8] |= (uint8_t)(0x80 >> p->len % 8);
	return subtract(s, &half, holes + below, n_holes - below);
}

int hf_prefix_subtract(const struct hf_prefix *outer, const struct hf_prefix *holes, size_t n_holes,
	struct hf_prefix *ret, size_t max)
{
	struct subtraction s = {.ret = ret, .max = max};
	struct hf_prefix *inside = calloc(n_holes + 1, sizeof(*inside));
	size_t i, n = 0, kept = 0;
	int rc;

	if (!inside)
		return -ENOMEM;
	for (i = 0; i < n_holes; i++)
		n += hf_prefix_intersect(outer, &holes[i], &inside[n]);
	qsort(inside, n, sizeof(*inside), prefix_cmp);
	for (i = 0; i < n; i++) {
		if (kept == 0 || !hf_prefix_covers(&inside[kept - 1], &inside[i]))
			inside[kept++] = inside[i];
	}
	rc = subtract(&s, outer, inside, kept);
	free(inside);
	return rc < 0 ? rc : (int)s.n;
}

bool hf_protos_has(const uint64_t protos[4], uint8_t proto)
{
	return protos[proto / 64] >> proto % 64 & 1;
}

void hf_protos_and(uint64_t protos[4], const uint64_t other[4])
{
	size_t i;

	for (i = 0; i < 4; i++)
		protos[i] &= other[i];
}

bool hf_protos_empty(const uint64_t protos[4])
{
	return !(protos[0] | protos[1] | protos[2] | protos[3]);
}

bool hf_protos_all(const uint64_t protos[4])
{
	return (protos[0] & protos[1] & protos[2] & protos[3]) == UINT64_MAX;
}

unsigned int hf_protos_count(const uint64_t protos[4])
{
	unsigned int i, n = 0;

	for (i = 0; i < 4; i++)
		n += (unsigned int)__builtin_popcountll(protos[i]);
	return n;
}

int hf_protos_next(const uint64_t protos[4], unsigned int from)
{
	for (; from < 256; from++) {
		if (hf_protos_has(protos, (uint8_t)from))
			return (int)from;
	}
	return -1;
}
