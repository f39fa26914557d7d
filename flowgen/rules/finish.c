/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Blocks were finished before those that go to them, so one pass from the last to the first finds
 * all that a path leads to. number[i] becomes the place of block i, or UINT32_MAX.
 */
static uint32_t number_blocks(struct build *b, uint32_t *number)
{
	const struct hf_rules *r = b->rules;
	uint32_t n = 0;
	size_t i, k;

	for (i = 0; i < b->blocks.n; i++)
		number[i] = UINT32_MAX;
	for (i = 0; i < r->n_paths; i++)
		number[r->paths[i].block] = 0;
	for (i = b->blocks.n; i-- > 0;) {
		const struct hf_block *block = &b->blocks.v[i];

		if (number[i] == UINT32_MAX)
			continue;
		number[i] = n++;
		for (k = 0; k < block->n_rules; k++) {
			b->origins.v[block->rules[k].origin].live = true;
			if (block->rules[k].op == HF_OP_GOTO)
				number[block->rules[k].target] = 0;
		}
	}
	return n;
}

static int place_blocks(struct build *b, const uint32_t *number, uint32_t n)
{
	struct hf_rules *r = b->rules;
	size_t i, k;

	r->blocks = hf_arena_calloc(r->arena, n, sizeof(*r->blocks));
	if (!r->blocks)
		return -ENOMEM;
	for (i = 0; i < b->blocks.n; i++) {
		struct hf_rule *rules = (struct hf_rule *)b->blocks.v[i].rules;

		if (number[i] == UINT32_MAX)
			continue;
		for (k = 0; k < b->blocks.v[i].n_rules; k++) {
			if (rules[k].op == HF_OP_GOTO)
				rules[k].target = number[rules[k].target];
		}
		r->blocks[number[i]] = b->blocks.v[i];
	}
	for (i = 0; i < r->n_paths; i++)
		r->paths[i].block = number[r->paths[i].block];
	r->n_blocks = n;
	return 0;
}

static int dead_cmp(const void *pa, const void *pb)
{
	const struct hf_dead *a = pa, *b = pb;

	return strcmp(a->origin, b->origin);
}

static int place_origins(struct build *b)
{
	struct hf_rules *r = b->rules;
	const char **origins = hf_arena_calloc(r->arena, b->origins.n, sizeof(*origins));
	const char **places = hf_arena_calloc(r->arena, b->origins.n, sizeof(*places));
	struct hf_dead *dead = hf_arena_calloc(r->arena, b->origins.n, sizeof(*dead));
	size_t i;

	if (!origins || !places || !dead)
		return -ENOMEM;
	for (i = 0; i < b->origins.n; i++) {
		const struct origin *o = &b->origins.v[i];

		origins[i] = o->text;
		places[i] = o->place ? o->place : "";
		if (o->policy && !o->live)
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
	r->n_origins = b->origins.n;
	return 0;
}

static int number_sets(struct build *b)
{
	uint64_t *ids = hf_arena_calloc(b->rules->arena, b->sets.n, sizeof(*ids));
	size_t i;

	if (!ids)
		return -ENOMEM;
	for (i = 0; i < b->sets.n; i++)
		ids[i] = hf_id_new();
	b->rules->set_ids = ids;
	return 0;
}

int hf_finish_table(struct build *b)
{
	struct hf_rules *r = b->rules;
	uint32_t *number = hf_arena_calloc(b->tmp, b->blocks.n, sizeof(*number));
	int rc;

	if (!number)
		return -ENOMEM;
	rc = place_blocks(b, number, number_blocks(b, number));
	if (rc == 0)
		rc = place_origins(b);
	if (rc == 0)
		rc = number_sets(b);
	r->facts_id = hf_id_new();
	r->sets = hf_keep(b, b->sets.v, b->sets.n * sizeof(*b->sets.v));
	r->n_sets = b->sets.n;
	return rc < 0 ? rc : b->rc;
}
