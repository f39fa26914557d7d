/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of a block that no packet reaches, because one rule in front takes all that they could
 * match: they are left out, and reported as dead where they live nowhere else. What covers a rule
 * covers all that this one covers, so it makes no difference whether the one in front stays.
 *
 * Only one rule at a time is looked at: what several take together is not found. Rules are filed
 * under one of their addresses, so that only those are compared that may cover; many that name no
 * address are still compared with each other, which is quadratic, so it ends at a number of
 * comparisons; beyond it rules stay, which is never wrong.
 */

#include "build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of one table: some milliseconds, and all pairs of two thousand rules without addresses. */
#define COMPARISONS_MAX (2u << 20)

static bool ports_within(const struct hf_ports *in, const struct hf_port_cond *of)
{
	size_t i;

	for (i = 0; i < of->n_ranges; i++) {
		if (of->ranges[i].lo <= in->lo && in->hi <= of->ranges[i].hi)
			return true;
	}
	return false;
}

/* Does every port of inner lie in outer? Named ports and negations only if they are the same. */
static bool port_implies(const struct hf_port_cond *inner, const struct hf_port_cond *outer)
{
	size_t i;

	if (inner->dst != outer->dst || inner->negate != outer->negate)
		return false;
	if (inner->negate || inner->n_sets)
		return inner->n_ranges == outer->n_ranges && inner->n_sets == outer->n_sets &&
		       (inner->n_ranges == 0 ||
			       memcmp(inner->ranges, outer->ranges,
				       inner->n_ranges * sizeof(*inner->ranges)) == 0) &&
		       (inner->n_sets == 0 || memcmp(inner->sets, outer->sets,
						      inner->n_sets * sizeof(*inner->sets)) == 0);
	for (i = 0; i < inner->n_ranges; i++) {
		if (!ports_within(&inner->ranges[i], outer))
			return false;
	}
	return true;
}

static bool set_within(const struct hf_set *inner, const struct hf_set *outer)
{
	size_t i;

	/* One net that covers all is what policies say; more would cost a walk for each pair. */
	if (outer->n_nets != 1 || inner->n_members || outer->n_members)
		return false;
	for (i = 0; i < inner->n_nets; i++) {
		if (!hf_prefix_covers(&outer->nets[0], &inner->nets[i]))
			return false;
	}
	return true;
}

static bool addr_implies(const struct hf_set *sets, const struct hf_addr_cond *inner,
	const struct hf_addr_cond *outer)
{
	if (inner->dst != outer->dst || inner->negate != outer->negate)
		return false;
	if (inner->set == outer->set)
		return true;
	return !inner->negate && set_within(&sets[inner->set], &sets[outer->set]);
}

static bool icmp_implies(const struct hf_icmp_cond *inner, const struct hf_icmp_cond *outer)
{
	if (inner->negate != outer->negate || inner->type != outer->type)
		return false;
	if (inner->has_code == outer->has_code)
		return !inner->has_code || inner->code == outer->code;
	/* One code of a type is within the type; without the type is without each of its codes. */
	return inner->negate ? outer->has_code : inner->has_code;
}

/* What differs most often stands first. */
static bool cheap_covers(const struct hf_match *outer, const struct hf_match *inner)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (inner->proto[i] & ~outer->proto[i])
			return false;
	}
	return (!outer->family || outer->family == inner->family) && !(inner->ct & ~outer->ct) &&
	       (outer->out == HF_IF_ANY || outer->out == inner->out) &&
	       (outer->wire_out == HF_IF_ANY || outer->wire_out == inner->wire_out) &&
	       (!outer->dnated_only || inner->dnated_only) && outer->wire == inner->wire;
}

/* Is every condition of outer one that inner has, or has more of? */
bool hf_match_covers(
	const struct hf_set *sets, const struct hf_match *outer, const struct hf_match *inner)
{
	size_t i, k;

	if (!cheap_covers(outer, inner))
		return false;
	for (i = 0; i < outer->n_addr; i++) {
		for (k = 0; k < inner->n_addr; k++) {
			if (addr_implies(sets, &inner->addr[k], &outer->addr[i]))
				break;
		}
		if (k == inner->n_addr)
			return false;
	}
	for (i = 0; i < outer->n_port; i++) {
		for (k = 0; k < inner->n_port; k++) {
			if (port_implies(&inner->port[k], &outer->port[i]))
				break;
		}
		if (k == inner->n_port)
			return false;
	}
	for (i = 0; i < outer->n_icmp; i++) {
		for (k = 0; k < inner->n_icmp; k++) {
			if (icmp_implies(&inner->icmp[k], &outer->icmp[i]))
				break;
		}
		if (k == inner->n_icmp)
			return false;
	}
	return true;
}

/*
 * Rules by the first address condition: by its net where there is one only, else by the set. What
 * covers a rule has an address that one of this rule's implies, so it is under one of them, or has
 * none. Lists are of places in the block, from 1; what is in one is compared, so that equal hashes
 * do no harm.
 */
struct files {
	uint32_t n_slots; /* a power of two */
	uint32_t *slots;  /* n_slots, and the list of those without addresses behind them */
	uint32_t *next;
	uint64_t lens[2][3]; /* by direction: a bit for every length of a net that is filed */
};

static uint32_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

static uint32_t hash_net(bool dst, const struct hf_addr *addr, unsigned int len)
{
	struct hf_prefix p = {*addr, (uint8_t)len};
	uint64_t part[2];
	uint32_t word;

	if (addr->family == 4) {
		memcpy(&word, addr->b, sizeof(word));
		word = len ? ntohl(word) >> (32 - len) : 0;
		return mix(word, len << 1 | dst);
	}
	hf_prefix_mask(&p);
	memcpy(part, p.addr.b, sizeof(part));
	return mix(mix(part[0], part[1]), len << 1 | dst);
}

static uint32_t hash_cond(const struct hf_addr_cond *c)
{
	return mix((uint64_t)c->set << 2 | (uint64_t)c->negate << 1 | c->dst, UINT64_MAX);
}

static const struct hf_prefix *only_net(const struct build *b, const struct hf_addr_cond *c)
{
	const struct hf_set *set = &b->notes->sets.v[c->set];

	return c->negate || set->n_nets != 1 ? NULL : &set->nets[0];
}

static void put_file(const struct build *b, struct files *f, const struct hf_match *m, uint32_t at)
{
	const struct hf_addr_cond *c = m->n_addr ? &m->addr[0] : NULL;
	const struct hf_prefix *net = c ? only_net(b, c) : NULL;
	uint32_t *slot = &f->slots[f->n_slots];

	if (net) {
		f->lens[c->dst][net->len / 64] |= UINT64_C(1) << net->len % 64;
		slot = &f->slots[hash_net(c->dst, &net->addr, net->len) & (f->n_slots - 1)];
	} else if (c) {
		slot = &f->slots[hash_cond(c) & (f->n_slots - 1)];
	}
	f->next[at] = *slot;
	*slot = at + 1;
}

/* Is one of the list's rules there that covers m? */
static bool list_covers(struct build *b, const struct hf_rule *const *v, const struct files *f,
	uint32_t slot, const struct hf_match *m)
{
	uint32_t at;

	for (at = f->slots[slot]; at && b->n_compared < COMPARISONS_MAX; at = f->next[at - 1]) {
		b->n_compared++;
		if (hf_match_covers(b->notes->sets.v, &v[at - 1]->match, m))
			return true;
	}
	return false;
}

/* What covers all nets of the condition covers the first one. */
static bool nets_cover(struct build *b, const struct hf_rule *const *v, const struct files *f,
	const struct hf_addr_cond *c, const struct hf_match *m)
{
	const struct hf_set *set = &b->notes->sets.v[c->set];
	const struct hf_prefix *net = set->nets;
	unsigned int w;
	uint64_t lens;

	if (c->negate || set->n_nets == 0)
		return false;
	for (w = 0; w <= net->len / 64u; w++) {
		for (lens = f->lens[c->dst][w]; lens; lens &= lens - 1) {
			unsigned int len = w * 64 + (unsigned int)__builtin_ctzll(lens);
			uint32_t hash;

			if (len > net->len)
				break;
			hash = hash_net(c->dst, &net->addr, len);
			if (list_covers(b, v, f, hash & (f->n_slots - 1), m))
				return true;
		}
	}
	return false;
}

static bool is_covered(struct build *b, const struct hf_rule *const *v, const struct files *f,
	const struct hf_match *m)
{
	size_t i;

	if (list_covers(b, v, f, f->n_slots, m))
		return true;
	for (i = 0; i < m->n_addr; i++) {
		if (list_covers(b, v, f, hash_cond(&m->addr[i]) & (f->n_slots - 1), m) ||
			nets_cover(b, v, f, &m->addr[i], m))
			return true;
	}
	return false;
}

/* For n rules. */
static int files_init(struct build *b, struct files *f, size_t n)
{
	for (f->n_slots = 64; f->n_slots < 2 * n;)
		f->n_slots *= 2;
	f->slots = calloc((size_t)f->n_slots + 1, sizeof(*f->slots));
	f->next = malloc((n + 1) * sizeof(*f->next));
	if (!f->slots || !f->next)
		b->rc = -ENOMEM;
	return b->rc;
}

void hf_find_covered(struct build *b, const struct hf_rule *const *v, size_t n, bool *ret_covered)
{
	struct files f = {0};
	size_t i;

	if (b->rc == 0 && n > 1 && files_init(b, &f, n) == 0) {
		for (i = 0; i < n; i++) {
			/* The last one makes the block total, whatever stands before it. */
			ret_covered[i] = i + 1 < n && is_covered(b, v, &f, &v[i]->match);
			if (!ret_covered[i] && v[i]->op != HF_OP_LOG)
				put_file(b, &f, &v[i]->match, (uint32_t)i);
		}
	}
	free(f.slots);
	free(f.next);
}
