/* SPDX-License-Identifier: BSD-3-Clause */

#include "notes.h"

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WASTE_ORIGINS 1024u /* and as much again as there were at first */
#define WASTE_POOL    (1u << 20)

static const struct hf_set no_set = {.name = ""};

struct hf_notes *hf_notes_new(void)
{
	struct hf_notes *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->pool = hf_arena_new();
	if (!n->pool) {
		free(n);
		return NULL;
	}
	return n;
}

void hf_stack_free(struct stack *stack)
{
	if (!stack)
		return;
	free(stack->segs);
	free(stack);
}

void hf_notes_free(struct hf_notes *notes)
{
	struct source *s, *next;
	size_t i;

	if (!notes)
		return;
	for (i = 0; i < notes->stacks.n; i++)
		hf_stack_free(notes->stacks.v[i]);
	HASH_ITER (hh, notes->sources, s, next) {
		free(s->slots);
	}
	HASH_CLEAR(hh, notes->sources);
	hf_clear_origin_memo(notes);
	hf_vec_fini(&notes->stacks);
	hf_vec_fini(&notes->origins);
	free(notes->set_slots.v);
	hf_vec_fini(&notes->sets);
	hf_vec_fini(&notes->set_ids);
	hf_vec_fini(&notes->set_uses);
	hf_vec_fini(&notes->model_sets);
	hf_vec_fini(&notes->loose_sets);
	hf_vec_fini(&notes->loose_origins);
	hf_vec_fini(&notes->touched);
	hf_arena_free(notes->pool);
	free(notes);
}

uint32_t hf_notes_add_set(struct build *b, const struct hf_set *set, uint64_t id)
{
	struct hf_notes *n = b->notes;

	if (hf_vec_push(&n->sets, *set) < 0 || hf_vec_push(&n->set_ids, id) < 0 ||
		hf_vec_push(&n->set_uses, 0) < 0 || hf_vec_push(&n->touched, 0) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	n->sets_changed = true;
	return (uint32_t)n->sets.n - 1;
}

static void clear_set(struct hf_notes *n, uint32_t set)
{
	n->sets.v[set] = no_set;
	n->set_ids.v[set] = hf_id_new();
	n->sets_changed = true;
}

static unsigned int families(const struct hf_set *set)
{
	unsigned int f = 0;
	size_t i;

	for (i = 0; i < set->n_nets; i++)
		f |= set->nets[i].addr.family == 4 ? 1u : 2u;
	return f;
}

/*
 * Whether rules that name the set are what they were: they are left out when nothing of their
 * family is in it, and of two rules one may cover the other when one net has all of a set.
 */
static bool harmless(const struct hf_notes *n, const struct hf_set *old, const struct hf_set *new)
{
	return old->n_nets > 1 && new->n_nets > 1 && !old->n_members && !new->n_members &&
	       n->n_single == 0 && families(old) == families(new);
}

static bool update_set(struct hf_notes *n, uint32_t at, const struct hf_set *set, uint64_t id)
{
	bool touches = false;

	if (n->set_ids.v[at] != id) {
		touches = n->turn > 1 && !harmless(n, &n->sets.v[at], set);
		n->touched.v[at] = touches;
		n->set_ids.v[at] = id;
		n->sets_changed = true;
	}
	n->sets_changed |= n->sets.v[at].nets != set->nets ||
			   n->sets.v[at].members != set->members || n->sets.v[at].name != set->name;
	n->sets.v[at] = *set;
	return touches;
}

/* Sets of the model keep their number, whatever becomes of them. */
static bool update_sets(struct build *b)
{
	const struct hf_model *m = b->model;
	struct hf_notes *n = b->notes;
	bool touches = false;
	uint32_t at;
	size_t i;

	for (i = 0; i < m->n_sets && b->rc == 0; i++) {
		if (i < n->model_sets.n) {
			touches |= update_set(n, n->model_sets.v[i], &m->sets[i], m->set_ids[i]);
			continue;
		}
		at = hf_notes_add_set(b, &m->sets[i], m->set_ids[i]);
		if (b->rc == 0 && hf_vec_push(&n->model_sets, at) < 0)
			b->rc = -ENOMEM;
		if (b->rc == 0)
			n->set_uses.v[at] = 1; /* the model's, and never given up */
	}
	for (; i < n->model_sets.n && b->rc == 0; i++) {
		if (n->sets.v[n->model_sets.v[i]].name[0])
			clear_set(n, n->model_sets.v[i]);
	}
	return touches;
}

static void put_set(struct hf_notes *n, uint32_t set)
{
	if (--n->set_uses.v[set] == 0)
		clear_set(n, set);
}

/* Gives back what a source holds; its lists stay for the stacks that have them still. */
static void forget(struct hf_notes *n, struct source *s)
{
	const struct list *list;
	uint32_t i;

	HASH_DEL(n->sources, s);
	s->gone = true;
	free(s->slots);
	s->slots = NULL;
	s->n_slots = 0;
	for (list = s->lists; list; list = list->next)
		n->n_single -= list->n_single;
	for (i = 0; i < s->n; i++) {
		struct origin *o = &n->origins.v[s->origin + i];

		*o = (struct origin){.text = "", .live = o->live};
	}
	for (i = 0; i < s->n_sets; i++)
		put_set(n, s->sets[i]);
	n->origins_changed |= s->n > 0;
}

static bool is_touched(const struct hf_notes *n, const struct source *s)
{
	uint32_t i;

	for (i = 0; i < s->n_sets; i++) {
		if (n->touched.v[s->sets[i]])
			return true;
	}
	return false;
}

void hf_notes_begin(struct build *b)
{
	struct hf_notes *n = b->notes;
	struct source *s, *next;

	n->turn++;
	n->origins_changed = n->sets_changed = n->turn == 1;
	if (n->touched.n)
		memset(n->touched.v, 0, n->touched.n);
	if (!update_sets(b))
		return;
	for (s = n->sources; s; s = next) {
		next = s->hh.next;
		if (is_touched(n, s))
			forget(n, s);
	}
}

static void put_loose_sets(struct build *b)
{
	struct hf_notes *n = b->notes;
	number_vec old = n->loose_sets;
	size_t i;

	n->loose_sets = b->loose_sets;
	b->loose_sets = (number_vec){0};
	for (i = 0; i < old.n; i++)
		put_set(n, old.v[i]);
	hf_vec_fini(&old);
}

static void drop_stacks(struct build *b)
{
	struct hf_notes *n = b->notes;
	size_t i, k;

	for (i = 0; i < n->stacks.n; i++) {
		struct stack *stack = n->stacks.v[i];

		if (!stack || stack->turn == n->turn)
			continue;
		for (k = 0; k < stack->n_segs; k++)
			hf_seg_count(b, &stack->segs[k], false);
		hf_stack_free(stack);
		n->stacks.v[i] = NULL;
	}
}

void hf_notes_end(struct build *b)
{
	struct hf_notes *n = b->notes;
	struct source *s, *next;

	drop_stacks(b);
	put_loose_sets(b);
	hf_forget_origins(n);
	for (s = n->sources; s; s = next) {
		next = s->hh.next;
		if (s->turn != n->turn)
			forget(n, s);
	}
	if (n->turn > 1)
		return;
	n->fresh_size = hf_arena_size(n->pool);
	n->fresh_origins = n->origins.n;
}

bool hf_notes_wasteful(const struct hf_notes *notes)
{
	return hf_arena_size(notes->pool) > 2 * notes->fresh_size + WASTE_POOL ||
	       notes->origins.n > 2 * notes->fresh_origins + WASTE_ORIGINS;
}
