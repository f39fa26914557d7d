/* SPDX-License-Identifier: BSD-3-Clause */

#include "memory.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A part ends when it has so many rules, or nets of their sets: what one change makes anew. Tests
 * have smaller ones. */
#ifndef PART_RULES
#define PART_RULES 48
#endif
#define PART_NETS 256

struct part *hf_plan_part_keep(struct part *part)
{
	atomic_fetch_add(&part->n_keepers, 1);
	return part;
}

void hf_plan_part_free(struct part *part)
{
	if (!part || atomic_fetch_sub(&part->n_keepers, 1) > 1)
		return;
	free(part->ids);
	free(part->origins);
	hf_vec_fini(&part->sets);
	hf_vec_fini(&part->jumps);
	free(part);
}

/* Parts of the plan before by the id of their first piece: open addressing, a power of two. */
struct finder {
	size_t size;
	struct part **v;
};

static size_t slot_of(const struct finder *f, uint64_t id)
{
	return (size_t)hf_hash_mix(0, id) & (f->size - 1);
}

static int finder_init(struct finder *f, const struct memory *old)
{
	size_t n = 0, b, i, k;

	for (b = 0; old && b < old->n_blocks; b++)
		n += old->blocks[b].n;
	for (f->size = 16; f->size < 2 * n;)
		f->size *= 2;
	f->v = calloc(f->size, sizeof(struct part *));
	if (!f->v)
		return -ENOMEM;
	for (b = 0; old && b < old->n_blocks; b++) {
		for (i = 0; i < old->blocks[b].n; i++) {
			struct part *p = old->blocks[b].v[i].part;

			for (k = slot_of(f, p->ids[0]); f->v[k] && f->v[k] != p;)
				k = (k + 1) & (f->size - 1);
			f->v[k] = p;
		}
	}
	return 0;
}

static bool same_ids(const struct part *p, const struct hf_block *b, uint32_t at)
{
	size_t i;

	for (i = 0; i < p->n_ids; i++) {
		if (at + i == b->n_pieces || b->pieces[at + i].id != p->ids[i])
			return false;
	}
	return true;
}

static bool same_sets(const struct part *p, const struct hf_rules *rules)
{
	size_t i;

	for (i = 0; i < p->sets.n; i++) {
		const struct part_set *s = &p->sets.v[i];

		if (hf_rules_set_id(rules, s->set) != s->id)
			return false;
	}
	return true;
}

/* Whether a part of the plan before began with this piece. */
static bool begins(const struct finder *f, uint64_t id)
{
	size_t k;

	for (k = slot_of(f, id); f->v[k]; k = (k + 1) & (f->size - 1)) {
		if (f->v[k]->ids[0] == id)
			return true;
	}
	return false;
}

/* The part that piece at of the block begins, the longest one; NULL when there is none. */
static struct part *find_part(
	const struct finder *f, const struct hf_rules *rules, const struct hf_block *b, uint32_t at)
{
	uint64_t id = b->pieces[at].id;
	struct part *best = NULL;
	size_t k;

	for (k = slot_of(f, id); f->v[k]; k = (k + 1) & (f->size - 1)) {
		struct part *p = f->v[k];

		if (p->ids[0] == id && (!best || p->n_ids > best->n_ids) && same_ids(p, b, at))
			best = p;
	}
	return best && same_sets(best, rules) ? best : NULL;
}

static int note_set(struct part *p, const struct hf_rules *rules, uint32_t set, size_t *nets)
{
	struct part_set s = {set, hf_rules_set_id(rules, set)};
	const struct hf_set *is = hf_rules_set(rules, set);

	*nets += is->n_nets + is->n_members;
	return hf_vec_push(&p->sets, s) ? -ENOMEM : 0;
}

static int note_rule(
	struct part *p, const struct hf_rules *rules, const struct hf_rule *r, size_t *nets)
{
	const struct hf_match *m = &r->match;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < m->n_addr && rc == 0; i++)
		rc = note_set(p, rules, m->addr[i].set, nets);
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_sets && rc == 0; k++)
			rc = note_set(p, rules, m->port[i].sets[k], nets);
	}
	if (rc == 0 && r->op == HF_OP_GOTO && hf_vec_push(&p->jumps, p->n_rules))
		rc = -ENOMEM;
	p->n_rules++;
	return rc;
}

/* A part of n pieces of the block from at on. */
static int fill_part(struct part *p, const struct hf_block *b, uint32_t at, uint32_t n)
{
	uint32_t first = b->pieces[at].first, i;

	p->n_ids = n;
	p->ids = calloc(n, sizeof(*p->ids));
	p->origins = calloc(p->n_rules, sizeof(*p->origins));
	if (!p->ids || !p->origins)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		p->ids[i] = b->pieces[at + i].id;
	for (i = 0; i < p->n_rules; i++)
		p->origins[i] = b->rules[first + i].origin;
	return 0;
}

/* Up to where a part of the plan before begins, or as much as a part may have. */
static struct part *make_part(
	const struct finder *f, const struct hf_rules *rules, const struct hf_block *b, uint32_t at)
{
	struct part *p = calloc(1, sizeof(*p));
	uint32_t end = at, i;
	size_t nets = 0;
	int rc = p ? 0 : -ENOMEM;

	if (p)
		atomic_init(&p->n_keepers, 1);
	while (rc == 0 && end < b->n_pieces) {
		const struct hf_piece *piece = &b->pieces[end];

		if (end > at && (p->n_rules + piece->n > PART_RULES || nets > PART_NETS ||
					begins(f, piece->id)))
			break;
		for (i = 0; i < piece->n && rc == 0; i++)
			rc = note_rule(p, rules, &b->rules[piece->first + i], &nets);
		end++;
	}
	if (rc == 0)
		rc = fill_part(p, b, at, end - at);
	if (rc == 0)
		return p;
	hf_plan_part_free(p);
	return NULL;
}

static int build_block(struct part_list *list, const struct finder *f, const struct hf_rules *rules,
	const struct hf_block *b)
{
	uint32_t at = 0;

	while (at < b->n_pieces) {
		struct part_at p = {find_part(f, rules, b, at), b->pieces[at].first};

		p.part = p.part ? hf_plan_part_keep(p.part) : make_part(f, rules, b, at);
		if (!p.part || hf_vec_push(list, p)) {
			hf_plan_part_free(p.part);
			return -ENOMEM;
		}
		at += (uint32_t)p.part->n_ids;
	}
	return 0;
}

int hf_plan_parts_build(struct memory *m, const struct memory *old, const struct hf_rules *rules)
{
	struct finder f;
	size_t i;
	int rc = finder_init(&f, old);

	m->n_blocks = hf_rules_n_blocks(rules);
	m->blocks = calloc(m->n_blocks + 1, sizeof(*m->blocks));
	if (rc == 0 && !m->blocks) {
		m->n_blocks = 0;
		rc = -ENOMEM;
	}
	for (i = 0; i < m->n_blocks && rc == 0; i++)
		rc = build_block(&m->blocks[i], &f, rules, hf_rules_block(rules, i));
	free(f.v);
	return rc;
}
