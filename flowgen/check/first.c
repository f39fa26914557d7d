/* SPDX-License-Identifier: BSD-3-Clause */

/* Lists of which the first member that matches decides. */

#include "dd.h"

#include <hepflow/base/hash.h>

#include <stdlib.h>
#include <string.h>

/* Kept of a run of members for meet(). */
struct cover {
	BDD taken;
	BDD touched; /* more than that where a match is not certain */
};

struct list_run {
	struct dd *dd;
	const struct dd_list *list;
	BDD *room; /* two times n_outs for each depth of the recursion */
	/* By place: a run of n members has 2n - 1 places, its own and then those of its parts. */
	struct cover *covers;
	/* With a memory, all members, made before they are cut into runs. */
	uint64_t *keys;
	BDD *made; /* for each what it matches, and its outcomes */
};

#define MADE_MAX  (1 << 22) /* sets: 16 MB; a list with more is cut in the middle */
#define DEPTH_MAX 96	    /* parts of parts, of three quarters at most: no list is longer */

/* How many members the first part of a run has: half, or up to where the least key is about there.
 */
static size_t cut_at(const struct list_run *r, size_t first, size_t n)
{
	size_t cut = n / 2, i;

	for (i = n / 4 + 1; r->keys && i < n - n / 4; i++) {
		if (r->keys[first + i] < r->keys[first + cut])
			cut = i;
	}
	return cut;
}

static BDD union_of(struct dd *dd, const BDD *sets, size_t n)
{
	BDD any = hf_dd_none();
	size_t k;

	for (k = 0; k < n; k++)
		any = hf_dd_or(dd, any, sets[k]);
	return any;
}

/* later gets what taken leaves of it, and is added. */
static void join(struct dd *dd, BDD *outs, const BDD *later, size_t n, BDD taken)
{
	size_t k;

	for (k = 0; k < n; k++) {
		if (later[k] != hf_dd_none())
			outs[k] = hf_dd_or(dd, outs[k], hf_dd_minus(dd, later[k], taken));
	}
}

/*
 * Their sets are kept, so that a set's number says what it is for as long as there is a memory.
 * Runs that are cut by that are found again wherever they stand.
 */
static void make_members(struct list_run *r)
{
	size_t n_outs = r->list->n_outs, n = r->list->n, i, k;

	if (n > MADE_MAX / (n_outs + 1))
		return;
	r->keys = calloc(n, sizeof(*r->keys));
	r->made = calloc(n, (n_outs + 1) * sizeof(*r->made));
	if (!r->keys || !r->made) {
		r->dd->failed = true;
		return;
	}
	for (i = 0; i < n && !r->dd->failed; i++) {
		BDD *made = &r->made[i * (n_outs + 1)];

		made[n_outs] = r->list->member(r->list->arg, i, made);
		for (k = 0; k <= n_outs; k++)
			r->keys[i] =
				(r->keys[i] ^ (uint32_t)made[k]) * UINT64_C(0x9e3779b97f4a7c15);
		r->keys[i] ^= r->keys[i] >> 29;
	}
}

static BDD member(struct list_run *r, size_t i, BDD *outs)
{
	size_t n_outs = r->list->n_outs;

	if (!r->made)
		return r->list->member(r->list->arg, i, outs);
	memcpy(outs, &r->made[i * (n_outs + 1)], n_outs * sizeof(*outs));
	return r->made[i * (n_outs + 1) + n_outs];
}

static struct cover run_of(
	struct list_run *r, size_t first, size_t n, size_t place, size_t depth, BDD *outs)
{
	struct dd *dd = r->dd;
	size_t n_outs = r->list->n_outs, half = cut_at(r, first, n), mark = hf_dd_mark(dd), k;
	BDD *later = &r->room[depth * (n_outs + 2)];
	struct cover c = {hf_dd_none(), hf_dd_none()}, second;

	for (k = 0; k < n_outs; k++)
		outs[k] = later[k] = hf_dd_none();
	if (dd->failed)
		return c;
	if (n == 1) {
		c.taken = member(r, first, outs);
		c.touched = r->covers ? union_of(dd, outs, n_outs) : c.taken;
	} else {
		c = run_of(r, first, half, place + 1, depth + 1, outs);
		second = run_of(r, first + half, n - half, place + 2 * half, depth + 1, later);
		join(dd, outs, later, n_outs, c.taken);
		c.touched = hf_dd_or(dd, c.touched, second.touched);
		c.taken = hf_dd_or(dd, c.taken, second.taken);
	}
	for (k = 0; k < n_outs; k++)
		later[k] = outs[k];
	later[n_outs] = c.taken;
	later[n_outs + 1] = c.touched;
	hf_dd_release_but(dd, mark, later, n_outs + 2);
	if (r->covers) {
		hf_dd_pin(dd, c.taken);
		hf_dd_pin(dd, c.touched);
		r->covers[place] = c;
	}
	return c;
}

/* Which members of a run get something of left, the packets that no earlier member has taken. */
static void meet(struct list_run *r, size_t first, size_t n, size_t place, BDD left)
{
	struct dd *dd = r->dd;
	size_t half = cut_at(r, first, n), mark = hf_dd_mark(dd);

	left = hf_dd_and(dd, left, r->covers[place].touched);
	if (left != hf_dd_none() && n == 1) {
		r->list->meet(r->list->arg, first, left);
	} else if (left != hf_dd_none()) {
		meet(r, first, half, place + 1, left);
		left = hf_dd_minus(dd, left, r->covers[place + 1].taken);
		meet(r, first + half, n - half, place + 2 * half, left);
	}
	(void)hf_dd_release(dd, mark, hf_dd_none());
}

static void find_met(struct list_run *r)
{
	size_t i;

	meet(r, 0, r->list->n, 0, r->list->all);
	for (i = 0; i < 2 * r->list->n - 1; i++) {
		hf_dd_unpin(r->dd, r->covers[i].taken);
		hf_dd_unpin(r->dd, r->covers[i].touched);
	}
}

BDD hf_dd_first(struct dd *dd, const struct dd_list *list, BDD *outs)
{
	struct list_run r = {.dd = dd, .list = list};
	struct cover c = {hf_dd_none(), hf_dd_none()};
	size_t k;

	for (k = 0; k < list->n_outs; k++)
		outs[k] = hf_dd_none();
	if (list->n == 0)
		return hf_dd_none();
	r.room = calloc(DEPTH_MAX, (list->n_outs + 2) * sizeof(*r.room));
	r.covers = list->meet ? calloc(2 * list->n, sizeof(*r.covers)) : NULL;
	if (!r.room || (list->meet && !r.covers)) {
		dd->failed = true;
	} else {
		if (dd->memory && list->n > 2)
			make_members(&r);
		c = run_of(&r, 0, list->n, 0, 0, outs);
		if (list->meet)
			find_met(&r);
	}
	free(r.room);
	free(r.covers);
	free(r.keys);
	free(r.made);
	return c.taken;
}

static BDD union_from(
	struct dd *dd, size_t first, size_t n, BDD (*part)(void *arg, size_t i), void *arg)
{
	size_t mark = hf_dd_mark(dd), half = n / 2;
	BDD set;

	if (n == 0 || dd->failed)
		return hf_dd_none();
	if (n == 1)
		return part(arg, first);
	set = union_from(dd, first, half, part, arg);
	set = hf_dd_or(dd, set, union_from(dd, first + half, n - half, part, arg));
	return hf_dd_release(dd, mark, set);
}

BDD hf_dd_union(struct dd *dd, size_t n, BDD (*part)(void *arg, size_t i), void *arg)
{
	return union_from(dd, 0, n, part, arg);
}
