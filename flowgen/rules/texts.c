/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Origins and their places, and rules that live nowhere: the former table's arrays when nothing in
 * them has changed.
 */

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int dead_cmp(const void *pa, const void *pb)
{
	const struct hf_dead *a = pa, *b = pb;

	return strcmp(a->origin, b->origin);
}

static bool is_dead(const struct origin *o)
{
	return o->policy && o->live == 0;
}

static int share_texts(struct hf_rules *r, const struct hf_rules *previous)
{
	r->texts = previous->texts;
	r->origins = previous->origins;
	r->places = previous->places;
	r->n_origins = previous->n_origins;
	r->dead = previous->dead;
	r->n_dead = previous->n_dead;
	return hf_arena_keep(r->arena, r->texts);
}

static int own_texts(struct hf_rules *r, size_t n)
{
	r->texts = hf_arena_new_small(n * sizeof(*r->origins));
	if (!r->texts || hf_arena_keep(r->arena, r->texts) < 0) {
		hf_arena_free(r->texts);
		return -ENOMEM;
	}
	hf_arena_free(r->texts); /* the table has it */
	return 0;
}

int hf_place_texts(struct build *b)
{
	const struct hf_notes *n = b->notes;
	struct hf_rules *r = b->rules;
	const char **origins, **places;
	struct hf_dead *dead;
	size_t i, n_dead = 0;

	if (!n->origins_changed && b->previous)
		return share_texts(r, b->previous);
	if (own_texts(r, n->origins.n) < 0)
		return -ENOMEM;
	for (i = 0; i < n->origins.n; i++)
		n_dead += is_dead(&n->origins.v[i]);
	origins = hf_arena_calloc(r->texts, n->origins.n, sizeof(*origins));
	places = hf_arena_calloc(r->texts, n->origins.n, sizeof(*places));
	dead = hf_arena_calloc(r->texts, n_dead, sizeof(*dead));
	if (!origins || !places || !dead)
		return -ENOMEM;
	for (i = 0; i < n->origins.n; i++) {
		const struct origin *o = &n->origins.v[i];

		origins[i] = o->text;
		places[i] = o->place ? o->place : "";
		if (is_dead(o))
			dead[r->n_dead++] = (struct hf_dead){
				.origin = o->text,
				.place = places[i],
				.reason = o->dead ? o->dead : "shadowed",
			};
	}
	if (r->n_dead)
		qsort(dead, r->n_dead, sizeof(*dead), dead_cmp);
	r->dead = dead;
	r->origins = origins;
	r->places = places;
	r->n_origins = n->origins.n;
	return 0;
}
