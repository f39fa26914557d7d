/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What sorts a packet into a path: interfaces, destinations, what services rewrite. It is the
 * former table's when nothing in it has changed.
 */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <string.h>

static bool same_ifaces(const struct hf_model *m, const struct hf_rules *r)
{
	size_t i;

	if (m->n_ifaces != r->n_ifaces)
		return false;
	for (i = 0; i < m->n_ifaces; i++) {
		if (m->ifaces[i].id.from != r->ifaces[i].from ||
			strcmp(m->ifaces[i].id.name, r->ifaces[i].name) != 0)
			return false;
	}
	return true;
}

/* The table has them sorted; so does the model, mostly. */
static bool same_dests(const struct hf_model *m, const struct hf_rules *r)
{
	size_t i;

	if (m->n_dests != r->n_dests)
		return false;
	for (i = 0; i < m->n_dests; i++) {
		const struct hf_dest *x = &m->dests[i], *y = &r->dests[i];

		if (!hf_prefix_equal(&x->net, &y->net) || x->class != y->class || x->out != y->out)
			return false;
	}
	return true;
}

static bool same_dnats(const struct hf_model *m, const struct hf_rules *r)
{
	size_t i, k;

	if (m->n_dnats != r->n_dnats)
		return false;
	for (i = 0; i < m->n_dnats; i++) {
		const struct hf_dnat *x = &m->dnats[i], *y = &r->dnats[i];

		if (x->proto != y->proto || hf_addr_cmp(&x->addr, &y->addr) != 0 ||
			x->port != y->port || x->n_to != y->n_to)
			return false;
		for (k = 0; k < x->n_to; k++) {
			if (hf_addr_cmp(&x->to[k].addr, &y->to[k].addr) != 0 ||
				x->to[k].port != y->to[k].port)
				return false;
		}
	}
	return true;
}

static int share(struct hf_rules *r, const struct hf_rules *previous)
{
	r->facts = previous->facts;
	r->ifaces = previous->ifaces;
	r->n_ifaces = previous->n_ifaces;
	r->lo = previous->lo;
	r->dests = previous->dests;
	r->n_dests = previous->n_dests;
	r->runs = previous->runs;
	r->n_runs = previous->n_runs;
	r->dnats = previous->dnats;
	r->n_dnats = previous->n_dnats;
	r->dnat_order = previous->dnat_order;
	return hf_arena_keep(r->arena, r->facts);
}

static int own_arena(struct hf_rules *r)
{
	r->facts = hf_arena_new();
	if (!r->facts || hf_arena_keep(r->arena, r->facts) < 0) {
		hf_arena_free(r->facts);
		return -ENOMEM;
	}
	hf_arena_free(r->facts); /* the table has it */
	return 0;
}

static int copy(const struct hf_model *m, struct hf_rules *r)
{
	struct hf_iface *ifaces;
	size_t i;

	if (own_arena(r) < 0)
		return -ENOMEM;
	ifaces = hf_arena_calloc(r->facts, m->n_ifaces, sizeof(*ifaces));
	r->dests = hf_arena_dup(r->facts, m->dests, m->n_dests * sizeof(*r->dests));
	r->dnats = hf_arena_dup(r->facts, m->dnats, m->n_dnats * sizeof(*r->dnats));
	if (!ifaces || !r->dests || !r->dnats)
		return -ENOMEM;
	for (i = 0; i < m->n_ifaces; i++) {
		ifaces[i] = m->ifaces[i].id;
		if (strcmp(ifaces[i].name, "lo") == 0)
			r->lo = (uint16_t)i;
	}
	for (i = 0; i < m->n_dnats; i++) {
		struct hf_dnat *d = &r->dnats[i];

		d->to = hf_arena_dup(r->facts, d->to, d->n_to * sizeof(*d->to));
		if (!d->to)
			return -ENOMEM;
	}
	r->ifaces = ifaces;
	r->n_ifaces = m->n_ifaces;
	r->n_dests = m->n_dests;
	r->n_dnats = m->n_dnats;
	return hf_rules_index(r);
}

int hf_copy_facts(struct build *b)
{
	const struct hf_model *m = b->model;
	const struct hf_rules *p = b->previous;
	struct hf_rules *r = b->rules;
	int rc;

	r->drop_input = m->config.drop_input;
	r->drop_output = m->config.drop_output;
	r->drop_forward = m->config.drop_forward;
	if (p && same_ifaces(m, p) && same_dests(m, p) && same_dnats(m, p))
		rc = share(r, p);
	else
		rc = copy(m, r);
	r->n_paths = r->n_ifaces * HF_N_CLASSES;
	r->paths = hf_arena_calloc(r->arena, r->n_paths, sizeof(*r->paths));
	return b->rc = rc < 0 || !r->paths ? -ENOMEM : 0;
}

/* Interfaces and classes are in the order of the facts. */
static bool same_paths(const struct hf_rules *a, const struct hf_rules *b)
{
	size_t i;

	for (i = 0; i < a->n_paths; i++) {
		if (a->paths[i].block != b->paths[i].block)
			return false;
	}
	return true;
}

void hf_number_facts(struct build *b)
{
	const struct hf_rules *p = b->previous;
	struct hf_rules *r = b->rules;
	bool same = p && r->facts == p->facts && r->local_set == p->local_set &&
		    r->drop_input == p->drop_input && r->drop_output == p->drop_output &&
		    r->drop_forward == p->drop_forward && same_paths(r, p);

	r->facts_id = same ? p->facts_id : hf_id_new();
}
