/* SPDX-License-Identifier: BSD-3-Clause */

#include "memory.h"

#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory *hf_memory_new(const struct builder *b)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->facts_id = hf_rules_facts_id(b->rules);
	memcpy(&m->engine, b->engine, sizeof(m->engine)); /* padding and all: it is compared */
	m->capacity = b->capacity;
	m->classify_from = b->classify_from;
	m->items = b->items;
	if (hf_plan_parts_build(m, b->follows, b->rules) == 0)
		return m;
	hf_memory_free(m);
	return NULL;
}

static void fini_family(struct family_memory *f)
{
	size_t i;

	for (i = 0; i < f->slots.n; i++)
		hf_plan_span_free(f->slots.v[i].span);
	hf_vec_fini(&f->slots);
	hf_vec_fini(&f->guards);
}

void hf_memory_free(struct memory *m)
{
	size_t i, k;

	if (!m)
		return;
	for (i = 0; i < m->n_blocks; i++) {
		for (k = 0; k < m->blocks[i].n; k++)
			hf_plan_part_free(m->blocks[i].v[k].part);
		hf_vec_fini(&m->blocks[i]);
	}
	free(m->blocks);
	for (i = 0; i < m->tables.n; i++) {
		fini_family(&m->tables.v[i].family[0]);
		fini_family(&m->tables.v[i].family[1]);
		hf_entry_buf_free(m->tables.v[i].last.buf);
	}
	hf_vec_fini(&m->tables);
	hf_vec_fini(&m->order);
	hf_entry_buf_free(m->front_run.buf);
	free(m);
}

void hf_memory_avoid(struct avoid *avoid, size_t table, size_t first, size_t end)
{
	size_t more = (size_t)1 << 2 * avoid->tries++;

	avoid->table = table;
	avoid->first = first > more ? first - more : 0;
	avoid->end = end + more;
}

bool hf_memory_fits(const struct memory *m, const struct builder *b)
{
	return m && !m->cut && m->facts_id == hf_rules_facts_id(b->rules) &&
	       memcmp(&m->engine, b->engine, sizeof(m->engine)) == 0 && !b->eswitch.on &&
	       m->capacity == b->capacity && m->classify_from == b->classify_from &&
	       m->items.fallback == b->items.fallback &&
	       m->items.strict_invalid == b->items.strict_invalid;
}

bool hf_memory_same_tags(const struct builder *b)
{
	const struct hf_plan *now = b->plan, *before = b->previous;

	return memcmp(&now->ports, &before->ports, sizeof(now->ports)) == 0 &&
	       hf_addr_maps_alike(now->addrs[0], before->addrs[0]) &&
	       hf_addr_maps_alike(now->addrs[1], before->addrs[1]);
}

static bool same_nets(const struct addr_map *a, const struct addr_map *b)
{
	size_t i;

	if (!a || !b)
		return a == b;
	for (i = 0; a->n_nets == b->n_nets && i < a->n_nets; i++) {
		if (a->nets[i].value != b->nets[i].value ||
			!hf_prefix_equal(&a->nets[i].net, &b->nets[i].net))
			return false;
	}
	return a->n_nets == b->n_nets;
}

bool hf_memory_same_front(const struct builder *b)
{
	const struct hf_plan *now = b->plan, *before = b->previous;

	return same_nets(now->addrs[0], before->addrs[0]) &&
	       same_nets(now->addrs[1], before->addrs[1]);
}

/* Entries start .. end - 1 of those that were made, or what is kept, as a run of the plan. */
static int add_run(
	struct builder *b, struct entry_run *run, struct entry_buf *buf, size_t start, size_t end)
{
	if (!run->buf && end > start) {
		run->buf = hf_entry_buf_keep(buf);
		run->v = buf->v + start;
		run->n = end - start;
		run->inner = hf_run_is_inner(run->v, run->n);
	}
	return hf_plan_add_run(b->plan, run->buf, run->v, run->n, run->inner);
}

static int add_span(struct builder *b, struct spot *slot, struct entry_buf *buf)
{
	struct span *span = slot->span;

	if (!slot->kept && slot->end > slot->start) {
		span->buf = hf_entry_buf_keep(buf);
		span->v = buf->v + slot->start;
		span->n_entries = slot->end - slot->start;
	}
	return hf_plan_add_run(b->plan, span->buf, span->v, span->n_entries, false);
}

int hf_memory_hand_over(struct builder *b)
{
	struct memory *m = b->plan->memory;
	size_t n = b->entries.n, i, k, f;
	struct entry_buf *buf = hf_entry_buf_new(b->entries.v);
	int rc = buf ? 0 : -ENOMEM;

	memset(&b->entries, 0, sizeof(b->entries));
	for (i = 0; i < m->order.n; i++) {
		struct table_memory *t = &m->tables.v[m->order.v[i]];

		for (f = 0; f < 2; f++) {
			for (k = 0; k < t->family[f].slots.n && rc == 0; k++)
				rc = add_span(b, &t->family[f].slots.v[k], buf);
		}
		if (rc == 0)
			rc = add_run(b, &t->last, buf, t->start, t->end);
	}
	if (rc == 0)
		rc = add_run(b, &m->front_run, buf, m->front, n);
	m->cut = b->cut || b->ended;
	hf_entry_buf_free(buf);
	return rc;
}
