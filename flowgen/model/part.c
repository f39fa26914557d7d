/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Parts: what the rules of one policy have become, each in memory of its own, so that a model and
 * the one that follows it can have it in common (hf_model_opts.previous).
 *
 * Only what depends on nothing but the policy object is handed on: rules that ask for no set and
 * give no warning. An object is the same when its id is, and a part is what it was made of: it is
 * never changed.
 */

#include "model/build.h"

#include <errno.h>

#define PART_SIZE 4096 /* of ten rules or so */

static int add(struct hf_build *b, const struct hf_model_part *from)
{
	struct hf_model_part *part = hf_arena_dup(b->m->arena, from, sizeof(*part));

	if (!part)
		return hf_build_oom(b);
	HASH_ADD(hh, b->m->parts, id, sizeof(part->id), part);
	return part->hh.tbl ? 0 : hf_build_oom(b);
}

int hf_part_find(struct hf_build *b, uint64_t id, const struct hf_model_part **ret)
{
	struct hf_model_part *part = NULL;
	const struct hf_model_rules *last;

	if (b->previous && id)
		HASH_FIND(hh, b->previous->parts, &id, sizeof(id), part);
	*ret = part;
	if (!part)
		return 0;
	last = part->out.n ? &part->out : &part->in;
	if (last->n)
		b->where = hf_rule_where(&last->v[last->n - 1]);
	if (hf_arena_keep(b->m->arena, part->arena) < 0)
		return hf_build_oom(b);
	return add(b, part);
}

int hf_part_begin(struct hf_build *b, struct hf_part_work *w)
{
	struct hf_arena *arena = hf_arena_new_small(PART_SIZE);

	if (!arena)
		return hf_build_oom(b);
	if (hf_arena_keep(b->m->arena, arena) < 0) {
		hf_arena_free(arena);
		return hf_build_oom(b);
	}
	*w = (struct hf_part_work){b->arena, arena, b->n_asked, b->warnings.n};
	b->arena = arena;
	return 0;
}

int hf_part_end(struct hf_build *b, const struct hf_part_work *w, struct hf_model_part *part)
{
	bool plain = part->id && b->n_asked == w->n_asked && b->warnings.n == w->n_warnings;

	b->arena = w->outer;
	hf_arena_free(w->arena); /* the model keeps it */
	part->arena = w->arena;
	return plain ? add(b, part) : 0;
}
