/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of a block that no packet reaches, because one rule in front takes all that they could
 * match: they are left out, and reported as dead where they live nowhere else.
 *
 * Only one rule at a time is looked at: what several take together is not found. Comparing each
 * with each is quadratic, so it ends at a number of comparisons; beyond it rules stay, which is
 * never wrong.
 */

#include "build.h"

#include <string.h>

/* Of one table: some milliseconds, and all pairs of a block of two thousand rules. */
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

static bool addr_implies(
	const struct build *b, const struct hf_addr_cond *inner, const struct hf_addr_cond *outer)
{
	if (inner->dst != outer->dst || inner->negate != outer->negate)
		return false;
	if (inner->set == outer->set)
		return true;
	return !inner->negate && set_within(&b->sets.v[inner->set], &b->sets.v[outer->set]);
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
static bool covers(
	const struct build *b, const struct hf_match *outer, const struct hf_match *inner)
{
	size_t i, k;

	if (!cheap_covers(outer, inner))
		return false;
	for (i = 0; i < outer->n_addr; i++) {
		for (k = 0; k < inner->n_addr; k++) {
			if (addr_implies(b, &inner->addr[k], &outer->addr[i]))
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

static bool is_covered(struct build *b, const struct hf_rule *v, size_t n, const struct hf_match *m)
{
	size_t i;

	for (i = 0; i < n && b->n_compared < COMPARISONS_MAX; i++) {
		b->n_compared++;
		if (v[i].op != HF_OP_LOG && covers(b, &v[i].match, m))
			return true;
	}
	return false;
}

size_t hf_drop_covered(struct build *b, struct hf_rule *v, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		/* The last one makes the block total, whatever stands before it. */
		if (i + 1 < n && is_covered(b, v, kept, &v[i].match))
			continue;
		v[kept++] = v[i];
	}
	return kept;
}
