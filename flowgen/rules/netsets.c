/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sets of the nets that rules have written out: the same nets are one set, whatever their name.
 */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/hash.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SET_NAME_MAX 120 /* of a list of nets: for people, so the rest is cut */

static int prefix_cmp(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

/* Whether they are as a set has them: sorted, none covers another. */
static bool is_normal(const struct hf_prefix *nets, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (hf_prefix_cmp(&nets[i - 1], &nets[i]) >= 0 ||
			hf_prefix_covers(&nets[i - 1], &nets[i]))
			return false;
	}
	return true;
}

/* Sorts, and drops what another net covers: it stands right behind the covering one. */
static size_t normalize(struct hf_prefix *nets, size_t n)
{
	size_t i, kept = 0;

	qsort(nets, n, sizeof(*nets), prefix_cmp);
	for (i = 0; i < n; i++) {
		if (kept == 0 || !hf_prefix_covers(&nets[kept - 1], &nets[i]))
			nets[kept++] = nets[i];
	}
	return kept;
}

static const char *nets_name(struct build *b, const struct hf_prefix *nets, size_t n)
{
	char name[SET_NAME_MAX + HF_ADDRSTR_SIZE + 1] = "";
	size_t i, len = 0;

	for (i = 0; i < n && len < SET_NAME_MAX; i++) {
		if (i)
			name[len++] = ',';
		len += strlen(hf_prefix_print(&nets[i], name + len));
	}
	if (i < n) {
		memcpy(name + SET_NAME_MAX, ",...", 5);
		len = SET_NAME_MAX + 4;
	}
	return hf_arena_dup(b->notes->pool, name, len + 1);
}

/* The nets as a set has them, in tmp or as they are; *n is what is left of them. */
static const struct hf_prefix *set_nets(struct build *b, const struct hf_prefix *nets, size_t *n)
{
	struct hf_prefix *copy;

	if (is_normal(nets, *n))
		return nets;
	copy = hf_arena_dup(b->tmp, nets, *n * sizeof(*nets));
	if (copy)
		*n = normalize(copy, *n);
	return copy;
}

static bool has_nets(const struct hf_set *set, const struct hf_prefix *nets, size_t n)
{
	return set->n_nets == n && memcmp(set->nets, nets, n * sizeof(*nets)) == 0;
}

/* Where the set with these nets is, or would be. There must be a free slot. */
static struct set_slot *find_slot(
	const struct build *b, uint32_t hash, const struct hf_prefix *nets, size_t n)
{
	size_t mask = b->notes->set_slots.size - 1, i;

	for (i = hash & mask;; i = (i + 1) & mask) {
		struct set_slot *slot = &b->notes->set_slots.v[i];

		if (slot->set == UINT32_MAX ||
			(slot->hash == hash && has_nets(&b->notes->sets.v[slot->set], nets, n)))
			return slot;
	}
}

/* Room for one more, at most half of the slots being used. */
static int grow_slots(struct build *b)
{
	struct set_slots old = b->notes->set_slots, *s = &b->notes->set_slots;
	size_t i, k;

	if (s->n * 2 < s->size)
		return 0;
	s->size = old.size ? old.size * 2 : 64;
	s->v = malloc(s->size * sizeof(*s->v));
	if (!s->v) {
		*s = old;
		return -ENOMEM;
	}
	memset(s->v, 0xff, s->size * sizeof(*s->v));
	for (i = 0; i < old.size; i++) {
		for (k = old.v[i].hash & (s->size - 1); s->v[k].set != UINT32_MAX;)
			k = (k + 1) & (s->size - 1);
		if (old.v[i].set != UINT32_MAX)
			s->v[k] = old.v[i];
	}
	free(old.v);
	return 0;
}

/* What names it, and keeps it. */
static uint32_t name_set(struct build *b, uint32_t set)
{
	if (!b->named) {
		if (hf_vec_push(&b->loose_sets, set) < 0)
			b->rc = -ENOMEM;
		else
			b->notes->set_uses.v[set]++;
	}
	return set;
}

uint32_t hf_add_net_set(
	struct build *b, const char *name, const struct hf_prefix *nets, size_t n_nets)
{
	struct hf_arena *pool = b->notes->pool;
	struct hf_set set = {.n_nets = n_nets};
	struct set_slot *slot;
	uint32_t hash, at;

	nets = set_nets(b, nets, &set.n_nets);
	if (!nets || grow_slots(b) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	hash = hf_hash(nets, set.n_nets * sizeof(*nets));
	slot = find_slot(b, hash, nets, set.n_nets);
	if (slot->set != UINT32_MAX)
		return name_set(b, slot->set);
	set.nets = hf_arena_dup(pool, nets, set.n_nets * sizeof(*nets));
	set.name = name ? hf_arena_strdup(pool, name) : nets_name(b, nets, set.n_nets);
	if (!set.nets || !set.name) {
		b->rc = -ENOMEM;
		return 0;
	}
	at = hf_notes_add_set(b, &set, hf_id_new());
	if (b->rc < 0)
		return 0;
	*slot = (struct set_slot){hash, at};
	b->notes->set_slots.n++;
	return name_set(b, at);
}

uint32_t hf_set_number(const struct build *b, uint32_t model_set)
{
	return b->notes->model_sets.v[model_set];
}
