/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Parts: what the rules of one policy have become, each in memory of its own, so that a model and
 * the one that follows it can have it in common (hf_model_opts.previous).
 *
 * What is handed on depends on nothing but the policy object and the numbers of sets, which stay:
 * an object is the same when its id is, and a part is what it was made of, never changed. Rules
 * that give a warning, or ask for a set that does, are made each time.
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

/* The sets that the part names, as they are now. */
static int use_sets(struct hf_build *b, const struct hf_model_part *part, bool *ret_quiet)
{
	bool quiet = true;
	size_t i;
	int rc = 0;

	for (i = 0; i < part->n_sets && rc == 0 && quiet; i++)
		rc = hf_set_use(b, part->sets[i], &quiet);
	*ret_quiet = quiet;
	return rc;
}

int hf_part_find(struct hf_build *b, uint64_t id, const struct hf_model_part **ret)
{
	struct hf_model_part *part = NULL;
	bool quiet = false;
	int rc = 0;

	*ret = NULL;
	if (b->previous && id)
		HASH_FIND(hh, b->previous->parts, &id, sizeof(id), part);
	if (part)
		rc = use_sets(b, part, &quiet);
	if (rc < 0 || !quiet)
		return rc;
	*ret = part;
	if (part->where)
		b->where = part->where;
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
	*w = (struct hf_part_work){b->arena, arena, b->asked.n, b->warnings.n};
	b->arena = arena;
	return 0;
}

/* Nobody is told anything for its sake, and the sets do not ask for that, either. */
static bool is_quiet(const struct hf_build *b, const struct hf_part_work *w)
{
	size_t i;

	for (i = w->n_asked; i < b->asked.n; i++) {
		if (b->sets.v[b->asked.v[i]].note->loud)
			return false;
	}
	return b->warnings.n == w->n_warnings;
}

int hf_part_end(struct hf_build *b, const struct hf_part_work *w, struct hf_model_part *part)
{
	bool plain = part->id && is_quiet(b, w);
	const struct hf_model_rules *last = part->out.n ? &part->out : &part->in;
	size_t n = b->asked.n - w->n_asked;

	part->sets = hf_arena_dup(
		b->arena, n ? b->asked.v + w->n_asked : &(uint32_t){0}, n * sizeof(*part->sets));
	part->n_sets = n;
	part->where = last->n ? hf_rule_where(&last->v[last->n - 1]) : NULL;
	b->arena = w->outer;
	hf_arena_free(w->arena); /* the model keeps it */
	part->arena = w->arena;
	if (!part->sets)
		return hf_build_oom(b);
	b->asked.n = w->n_asked;
	return plain ? add(b, part) : 0;
}
