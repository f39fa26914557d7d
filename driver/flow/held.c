/* SPDX-License-Identifier: BSD-3-Clause */

#include "held.h"

#include "key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct hf_held_index {
	struct hf_flow_key key;
	struct hf_held *rule;
	UT_hash_handle hh;
};

struct hf_held *hf_held_new(const struct hf_flow *flow)
{
	struct hf_held *r = calloc(1, sizeof(*r));
	size_t i;

	if (!r)
		return NULL;
	r->flow = *flow;
	for (i = 0; i < flow->n_actions; i++) {
		r->counted |= flow->actions[i].act == HF_ACT_COUNT;
		r->delivers |= flow->actions[i].act == HF_ACT_REPRESENTED_PORT ||
			       flow->actions[i].act == HF_ACT_PORT_ID;
	}
	return r;
}

static void unlink_tally(struct hf_held *rule)
{
	if (rule->tally)
		DL_DELETE(rule->tally->rules, rule);
	rule->tally = NULL;
}

void hf_held_free(struct hf_held *rule)
{
	if (!rule)
		return;
	unlink_tally(rule);
	free(rule);
}

int hf_held_reserve(struct hf_held_list *list, size_t n)
{
	struct hf_held **v;

	if (n <= list->cap)
		return 0;
	v = reallocarray(list->v, n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	list->v = v;
	list->cap = n;
	return 0;
}

int hf_held_push(struct hf_held_list *list, struct hf_held *rule)
{
	if (list->n == list->cap && hf_held_reserve(list, list->cap ? 2 * list->cap : 16) < 0)
		return -ENOMEM;
	list->v[list->n++] = rule;
	return 0;
}

void hf_held_fini_shallow(struct hf_held_list *list)
{
	free(list->v);
	*list = (struct hf_held_list){0};
}

void hf_held_fini(struct hf_held_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		hf_held_free(list->v[i]);
	hf_held_fini_shallow(list);
}

int hf_held_index_build(struct hf_held_index **ret, const struct hf_held_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		struct hf_held_index *row, *twin;

		row = calloc(1, sizeof(*row));
		if (!row)
			return -ENOMEM;
		hf_flow_key_make(&list->v[i]->flow, &row->key);
		row->rule = list->v[i];
		HASH_FIND(hh, *ret, &row->key, sizeof(row->key), twin);
		if (twin) { /* the second of two equal rules is simply made anew */
			free(row);
			continue;
		}
		HASH_ADD(hh, *ret, key, sizeof(row->key), row);
	}
	return 0;
}

struct hf_held *hf_held_index_take(struct hf_held_index **index, const struct hf_flow *flow)
{
	struct hf_held_index *row;
	struct hf_flow_key key;
	struct hf_held *rule;

	hf_flow_key_make(flow, &key);
	HASH_FIND(hh, *index, &key, sizeof(key), row);
	if (!row)
		return NULL;
	rule = row->rule;
	HASH_DEL(*index, row);
	free(row);
	return rule;
}

void hf_held_index_fini(struct hf_held_index **index)
{
	struct hf_held_index *row, *next;

	HASH_ITER (hh, *index, row, next) {
		HASH_DEL(*index, row);
		free(row);
	}
}

struct hf_tally *hf_tally_get(struct hf_tally **all, const char *origin)
{
	struct hf_tally *t;

	HASH_FIND_STR(*all, origin, t);
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->origin = strdup(origin);
	if (!t->origin) {
		free(t);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, *all, t->origin, strlen(t->origin), t);
	return t;
}

const struct hf_tally *hf_tally_find(const struct hf_tally *all, const char *origin)
{
	const struct hf_tally *t;

	HASH_FIND_STR(all, origin, t);
	return t;
}

void hf_tally_fini(struct hf_tally **all)
{
	struct hf_tally *t, *next;

	HASH_ITER (hh, *all, t, next) {
		HASH_DEL(*all, t);
		free(t->origin);
		free(t);
	}
}

void hf_tally_fold(struct hf_held *rule)
{
	if (rule->tally) {
		rule->tally->packets += rule->packets - rule->from.packets;
		rule->tally->bytes += rule->bytes - rule->from.bytes;
		if (rule->delivers) {
			rule->tally->delivered.packets += rule->packets - rule->from.packets;
			rule->tally->delivered.bytes += rule->bytes - rule->from.bytes;
		}
		rule->tally->lost |= !rule->known || rule->more;
	}
	rule->from = (struct hf_flow_hits){rule->packets, rule->bytes};
}

void hf_tally_move(struct hf_held *rule)
{
	if (rule->tally == rule->next_tally)
		return;
	unlink_tally(rule);
	rule->tally = rule->next_tally;
	if (rule->tally)
		DL_APPEND(rule->tally->rules, rule);
	if (rule->tally && rule->delivers)
		rule->tally->delivers = true;
}

struct hf_sync_count hf_tally_total(const struct hf_tally *tally)
{
	struct hf_sync_count c = {!tally->lost, tally->packets, tally->bytes};
	const struct hf_held *r;

	for (r = tally->rules; r; r = r->next) {
		if (!r->in)
			continue;
		c.known &= r->known && !r->more;
		c.packets += r->packets - r->from.packets;
		c.bytes += r->bytes - r->from.bytes;
	}
	return c;
}

struct hf_sync_count hf_tally_delivered(const struct hf_tally *tally)
{
	struct hf_sync_count c = {!tally->lost, tally->delivered.packets, tally->delivered.bytes};
	const struct hf_held *r;

	for (r = tally->rules; r; r = r->next) {
		if (!r->in || !r->delivers)
			continue;
		c.known &= r->known;
		c.packets += r->packets - r->from.packets;
		c.bytes += r->bytes - r->from.bytes;
	}
	return c;
}
