/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void reach(const struct cont *cont, uint32_t *number)
{
	if (cont->how == HOW_GOTO)
		number[cont->target] = 0;
}

static void reach_rule(const struct hf_rule *r, uint32_t *number)
{
	if (r->op == HF_OP_GOTO)
		number[r->target] = 0;
}

/* Marks the drafts that this one leads to. */
static void reach_from(const struct draft *d, uint32_t *number)
{
	size_t i;

	for (i = 0; i < d->n_rules; i++)
		reach_rule(&d->rules[i], number);
	for (i = 0; d->stack && i < d->stack->n_segs; i++) {
		const struct seg *seg = &d->stack->segs[i];

		if (seg->gotos & SEG_ACCEPT)
			reach(&seg->list->accept, number);
		if (seg->gotos & SEG_PASS)
			reach(&seg->list->pass, number);
	}
	if (d->stack && d->stack->has_last)
		reach_rule(&d->stack->last, number);
}

/*
 * Drafts were finished before those that go to them, so one pass from the last to the first finds
 * all that a path leads to. number[i] becomes the block of draft i, or UINT32_MAX.
 */
static uint32_t number_drafts(struct build *b, uint32_t *number)
{
	const struct hf_rules *r = b->rules;
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < b->drafts.n; i++)
		number[i] = UINT32_MAX;
	for (i = 0; i < r->n_paths; i++)
		number[r->paths[i].block] = 0;
	for (i = b->drafts.n; i-- > 0;) {
		if (number[i] == UINT32_MAX)
			continue;
		number[i] = n++;
		reach_from(&b->drafts.v[i], number);
	}
	return n;
}

/* Rules of no list, which are made anew each time. */
static void count_loose(struct build *b, const struct draft *d)
{
	struct hf_notes *n = b->notes;
	uint32_t i;

	for (i = 0; i < d->n_rules; i++) {
		uint32_t origin = d->rules[i].origin;

		if (!n->origins.v[origin].policy)
			continue;
		n->origins.v[origin].live++;
		if (hf_vec_push(&n->loose_origins, origin) < 0)
			b->rc = -ENOMEM;
	}
}

/* Where policy rules live. */
static void count_live(struct build *b, const uint32_t *number)
{
	struct hf_notes *n = b->notes;
	size_t i, k;

	for (i = 0; i < n->loose_origins.n; i++)
		n->origins.v[n->loose_origins.v[i]].live--;
	n->origins_changed |= n->loose_origins.n > 0;
	n->loose_origins.n = 0;
	for (i = 0; i < b->drafts.n; i++) {
		const struct draft *d = &b->drafts.v[i];

		if (number[i] != UINT32_MAX)
			count_loose(b, d);
		for (k = 0; d->stack && k < d->stack->n_segs; k++)
			hf_seg_count(b, &d->stack->segs[k], number[i] != UINT32_MAX);
	}
	n->origins_changed |= n->loose_origins.n > 0;
}

static int place_blocks(struct build *b, const uint32_t *number, uint32_t n)
{
	struct hf_rules *r = b->rules;
	size_t i;
	int rc = 0;

	r->blocks = hf_arena_calloc(r->arena, n, sizeof(*r->blocks));
	r->block_arenas = hf_arena_calloc(r->arena, n, sizeof(*r->block_arenas));
	if (!r->blocks || !r->block_arenas)
		return -ENOMEM;
	r->n_blocks = n;
	for (i = 0; i < b->drafts.n && rc == 0; i++) {
		struct draft *d = &b->drafts.v[i];

		if (number[i] != UINT32_MAX)
			rc = hf_place_draft(b, d, number, number[i]);
		if (d->stack)
			d->stack->number = number[i];
	}
	for (i = 0; i < r->n_paths; i++)
		r->paths[i].block = number[r->paths[i].block];
	return rc;
}

/* Arrays that are the former table's when nothing in them has changed. */
static int place_sets(struct build *b)
{
	const struct hf_notes *n = b->notes;
	struct hf_rules *r = b->rules;

	if (!n->sets_changed && b->previous) {
		r->listed = b->previous->listed;
		r->sets = b->previous->sets;
		r->set_ids = b->previous->set_ids;
		r->n_sets = b->previous->n_sets;
		return hf_arena_keep(r->arena, r->listed);
	}
	r->listed = hf_arena_new_small(n->sets.n * sizeof(*r->sets));
	if (!r->listed || hf_arena_keep(r->arena, r->listed) < 0) {
		hf_arena_free(r->listed);
		return -ENOMEM;
	}
	hf_arena_free(r->listed); /* the table has it */
	r->sets = hf_arena_dup(r->listed, n->sets.v, n->sets.n * sizeof(*n->sets.v));
	r->set_ids = hf_arena_dup(r->listed, n->set_ids.v, n->sets.n * sizeof(*n->set_ids.v));
	r->n_sets = n->sets.n;
	return r->sets && r->set_ids ? 0 : -ENOMEM;
}

int hf_finish_table(struct build *b)
{
	uint32_t *number = hf_arena_calloc(b->tmp, b->drafts.n, sizeof(*number));
	int rc;

	if (!number)
		return -ENOMEM;
	rc = place_blocks(b, number, number_drafts(b, number));
	if (rc < 0)
		return rc;
	hf_number_facts(b);
	count_live(b, number);
	hf_notes_end(b);
	rc = b->rc < 0 ? b->rc : hf_place_texts(b);
	return rc < 0 ? rc : place_sets(b);
}
