/* SPDX-License-Identifier: BSD-3-Clause */

/* Out of memory is an ordinary error: uthash must not end the process. */
#define HASH_NONFATAL_OOM 1

#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 4u

bool hf_vnic_goes_before(const struct rte_flow *a, const struct rte_flow *b)
{
	if (a->order != b->order)
		return a->order < b->order;
	if (a->depth != b->depth)
		return a->depth < b->depth;
	return a->seq < b->seq;
}

static struct hf_vnic_tuples *tuples_of(const struct hf_vnic_index *index)
{
	return atomic_load_explicit(&index->tuples, memory_order_relaxed);
}

static struct hf_vnic_buckets *buckets_of(const struct hf_vnic_tuple *tuple)
{
	return atomic_load_explicit(&tuple->buckets, memory_order_relaxed);
}

static struct rte_flow *next_of(const struct rte_flow *rule, uint8_t link)
{
	return atomic_load_explicit(&rule->link[link].next, memory_order_acquire);
}

/* The finaliser of MurmurHash3, of what a multiplication has mixed word by word. */
static uint32_t finish(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return (uint32_t)h;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static uint32_t hash_rule(const struct hf_vnic_tuple *tuple, const struct rte_flow *rule)
{
	uint64_t h = 0;
	unsigned int i;

	for (i = tuple->first_word; i < tuple->end_word; i++)
		h = mix(h, rule->spec[i]);
	return finish(h);
}

static uint32_t hash_pkt(const struct hf_vnic_tuple *tuple, const uint64_t *hdr)
{
	uint64_t h = 0;
	unsigned int i;

	for (i = tuple->first_word; i < tuple->end_word; i++)
		h = mix(h, hdr[i] & tuple->key.mask[i]);
	return finish(h);
}

static struct hf_vnic_buckets *buckets_new(uint32_t n, uint8_t link)
{
	struct hf_vnic_buckets *b = calloc(1, sizeof(*b) + n * sizeof(b->bucket[0]));

	if (b) {
		b->mask = n - 1;
		b->link = link;
	}
	return b;
}

/* In its place; most rules come last. The last store is what readers see. */
static void bucket_add(struct hf_vnic_bucket *bucket, struct rte_flow *rule, uint8_t link)
{
	struct rte_flow *prev = bucket->last;
	struct rte_flow *next;

	while (prev && hf_vnic_goes_before(rule, prev))
		prev = prev->link[link].prev;
	next = prev ? next_of(prev, link) : atomic_load(&bucket->first);
	rule->link[link].prev = prev;
	atomic_store_explicit(&rule->link[link].next, next, memory_order_relaxed);
	if (next)
		next->link[link].prev = rule;
	else
		bucket->last = rule;
	atomic_store_explicit(
		prev ? &prev->link[link].next : &bucket->first, rule, memory_order_release);
}

static void bucket_del(struct hf_vnic_bucket *bucket, struct rte_flow *rule, uint8_t link)
{
	struct rte_flow *prev = rule->link[link].prev;
	struct rte_flow *next = next_of(rule, link);

	if (next)
		next->link[link].prev = prev;
	else
		bucket->last = prev;
	/* The rule itself still leads on: a reader may stand on it. */
	atomic_store_explicit(
		prev ? &prev->link[link].next : &bucket->first, next, memory_order_release);
}

static struct hf_vnic_bucket *bucket_of(
	struct hf_vnic_buckets *b, const struct hf_vnic_tuple *tuple, const struct rte_flow *rule)
{
	return &b->bucket[hash_rule(tuple, rule) & b->mask];
}

/* Twice as many buckets; readers of the old ones are waited for. 0 or -ENOMEM. */
static int tuple_grow(struct hf_vnic_tuple *tuple, struct hf_vnic_table *table)
{
	struct hf_vnic_buckets *old = buckets_of(tuple);
	uint32_t i, n = (old->mask + 1) * 2;
	struct hf_vnic_buckets *b = buckets_new(n, !old->link);

	if (!b)
		return -ENOMEM;
	for (i = 0; i <= old->mask; i++) {
		struct rte_flow *rule = atomic_load(&old->bucket[i].first);

		for (; rule; rule = next_of(rule, old->link))
			bucket_add(bucket_of(b, tuple, rule), rule, b->link);
	}
	atomic_store_explicit(&tuple->buckets, b, memory_order_release);
	hf_vnic_wait_for_readers(table);
	free(old);
	return 0;
}

static struct hf_vnic_tuple_key key_of(const struct rte_flow *rule)
{
	struct hf_vnic_tuple_key key = {.layers = rule->layers, .type = rule->type};

	memcpy(key.mask, rule->mask, sizeof(key.mask));
	return key;
}

static struct hf_vnic_tuple *find_tuple(struct hf_vnic_index *index, const struct rte_flow *rule)
{
	struct hf_vnic_tuple_key key = key_of(rule);
	struct hf_vnic_tuple *tuple = index->recent;

	if (tuple && memcmp(&tuple->key, &key, sizeof(key)) == 0)
		return tuple;
	HASH_FIND(hh, index->by_key, &key, sizeof(key), tuple);
	index->recent = tuple;
	return tuple;
}

static void tuple_free(struct hf_vnic_tuple *tuple)
{
	free(buckets_of(tuple));
	free(tuple);
}

static struct hf_vnic_tuple *tuple_new(const struct rte_flow *rule)
{
	struct hf_vnic_buckets *b = buckets_new(BUCKETS_MIN, 0);
	struct hf_vnic_tuple *tuple = calloc(1, sizeof(*tuple));

	if (!b || !tuple) {
		free(b);
		free(tuple);
		return NULL;
	}
	tuple->key = key_of(rule);
	tuple->first_word = rule->first_word;
	tuple->end_word = rule->end_word;
	atomic_init(&tuple->buckets, b);
	return tuple;
}

static uint64_t best_of(const struct hf_vnic_tuple_at *at)
{
	return atomic_load_explicit(&at->best, memory_order_relaxed);
}

static void append(struct hf_vnic_tuples *t, struct hf_vnic_tuple *tuple, uint64_t best)
{
	t->v[t->n].layers = tuple->key.layers;
	t->v[t->n].type = tuple->key.type;
	t->v[t->n].tuple = tuple;
	atomic_init(&t->v[t->n++].best, best);
}

/* The old ones without one, and one (which may be the same) in its place by best. Either may be
 * NULL. */
static struct hf_vnic_tuples *tuples_with(const struct hf_vnic_tuples *old,
	const struct hf_vnic_tuple *without, struct hf_vnic_tuple *with, uint64_t best)
{
	struct hf_vnic_tuples *t = malloc(sizeof(*t) + (old->n + 1) * sizeof(t->v[0]));
	uint32_t i;

	if (!t)
		return NULL;
	t->n = 0;
	for (i = 0; i < old->n; i++) {
		if (with && best < best_of(&old->v[i])) {
			append(t, with, best);
			with = NULL;
		}
		if (old->v[i].tuple != without)
			append(t, old->v[i].tuple, best_of(&old->v[i]));
	}
	if (with)
		append(t, with, best);
	return t;
}

static void swap_tuples(
	struct hf_vnic_index *index, struct hf_vnic_tuples *with, struct hf_vnic_table *table)
{
	struct hf_vnic_tuples *old = tuples_of(index);

	atomic_store_explicit(&index->tuples, with, memory_order_release);
	hf_vnic_wait_for_readers(table);
	free(old);
}

/* A tuple that readers see with its first rule. 0 or -ENOMEM. */
static int add_tuple(struct hf_vnic_index *index, struct rte_flow *rule)
{
	struct hf_vnic_tuple *tuple = tuple_new(rule);
	struct hf_vnic_tuples *tuples =
		tuple ? tuples_with(tuples_of(index), NULL, tuple, rule->order) : NULL;

	if (!tuples) {
		if (tuple)
			tuple_free(tuple);
		return -ENOMEM;
	}
	HASH_ADD(hh, index->by_key, key, sizeof(tuple->key), tuple);
	if (!tuple->hh.tbl) {
		free(tuples);
		tuple_free(tuple);
		return -ENOMEM;
	}
	bucket_add(bucket_of(buckets_of(tuple), tuple, rule), rule, 0);
	tuple->n_rules = 1;
	tuple->best = rule->order;
	swap_tuples(index, tuples, rule->table);
	return 0;
}

int hf_vnic_index_init(struct hf_vnic_index *index)
{
	struct hf_vnic_tuples *none = calloc(1, sizeof(*none));

	index->by_key = NULL;
	index->recent = NULL;
	atomic_init(&index->tuples, none);
	return none ? 0 : -ENOMEM;
}

void hf_vnic_index_fini(struct hf_vnic_index *index)
{
	struct hf_vnic_tuples *t = tuples_of(index);
	uint32_t i;

	HASH_CLEAR(hh, index->by_key);
	for (i = 0; t && i < t->n; i++)
		tuple_free(t->v[i].tuple);
	free(t);
}

/*
 * The tuple gets a rule of this order. Whoever does not see that may pass over the tuple, and so
 * sees what was before. 0 or -ENOMEM.
 */
static int promise(
	struct hf_vnic_index *index, struct hf_vnic_tuple *tuple, const struct rte_flow *rule)
{
	struct hf_vnic_tuples *t = tuples_of(index);
	uint32_t i = 0;

	while (t->v[i].tuple != tuple)
		i++;
	if (best_of(&t->v[i]) <= rule->order)
		return 0;
	if (i == 0 || best_of(&t->v[i - 1]) <= rule->order) {
		atomic_store_explicit(&t->v[i].best, rule->order, memory_order_relaxed);
		return 0;
	}
	t = tuples_with(t, tuple, tuple, rule->order);
	if (!t)
		return -ENOMEM;
	swap_tuples(index, t, rule->table);
	return 0;
}

int hf_vnic_index_add(struct hf_vnic_index *index, struct rte_flow *rule)
{
	struct hf_vnic_tuple *tuple = find_tuple(index, rule);
	struct hf_vnic_buckets *b;

	if (!tuple)
		return add_tuple(index, rule);
	if (tuple->n_rules > buckets_of(tuple)->mask && tuple_grow(tuple, rule->table) < 0)
		return -ENOMEM;
	if (rule->order < tuple->best && promise(index, tuple, rule) < 0)
		return -ENOMEM;
	tuple->best = RTE_MIN(tuple->best, rule->order);
	b = buckets_of(tuple);
	bucket_add(bucket_of(b, tuple, rule), rule, b->link);
	tuple->n_rules++;
	hf_vnic_wait_for_readers(rule->table);
	return 0;
}

void hf_vnic_index_del(struct hf_vnic_index *index, struct rte_flow *rule)
{
	struct hf_vnic_tuple *tuple = find_tuple(index, rule);
	struct hf_vnic_buckets *b = buckets_of(tuple);
	struct hf_vnic_tuples *tuples =
		tuple->n_rules > 1 ? NULL : tuples_with(tuples_of(index), tuple, NULL, 0);

	bucket_del(bucket_of(b, tuple, rule), rule, b->link);
	tuple->n_rules--;
	if (!tuples) { /* others are left, or there is no memory to leave it out: it stays, empty */
		hf_vnic_wait_for_readers(rule->table);
		return;
	}
	HASH_DELETE(hh, index->by_key, tuple);
	index->recent = NULL;
	swap_tuples(index, tuples, rule->table);
	tuple_free(tuple);
}

bool hf_vnic_index_has(struct hf_vnic_index *index, const struct rte_flow *rule)
{
	struct hf_vnic_tuple *tuple = find_tuple(index, rule);
	const struct rte_flow *other;
	struct hf_vnic_buckets *b;

	if (!tuple)
		return false;
	b = buckets_of(tuple);
	other = atomic_load(&bucket_of(b, tuple, rule)->first);
	for (; other; other = next_of(other, b->link)) {
		if (other->engine == rule->engine && other->order == rule->order &&
			other->asked_group == rule->asked_group &&
			memcmp(other->spec, rule->spec, sizeof(rule->spec)) == 0)
			return true;
	}
	return false;
}

bool hf_vnic_index_empty(const struct hf_vnic_index *index)
{
	return atomic_load_explicit(&index->tuples, memory_order_acquire)->n == 0;
}

static bool has_values(
	const struct hf_vnic_tuple *tuple, const struct rte_flow *rule, const uint64_t *hdr)
{
	unsigned int i;

	for (i = tuple->first_word; i < tuple->end_word; i++) {
		if ((hdr[i] & tuple->key.mask[i]) != rule->spec[i])
			return false;
	}
	return true;
}

/* The first rule of a tuple that matches, is behind after and is not lost. */
static struct rte_flow *find_in(
	const struct hf_vnic_tuple *tuple, const uint64_t *hdr, const struct rte_flow *after)
{
	struct hf_vnic_buckets *b = atomic_load_explicit(&tuple->buckets, memory_order_acquire);
	struct hf_vnic_bucket *bucket = &b->bucket[hash_pkt(tuple, hdr) & b->mask];
	struct rte_flow *rule = atomic_load_explicit(&bucket->first, memory_order_acquire);

	for (; rule; rule = next_of(rule, b->link)) {
		if (has_values(tuple, rule, hdr) && !rule->lost &&
			(!after || hf_vnic_goes_before(after, rule)))
			return rule;
	}
	return NULL;
}

struct rte_flow *hf_vnic_index_find(const struct hf_vnic_index *index,
	const struct hf_vnic_pkt *pkt, const struct rte_flow *after)
{
	struct hf_vnic_tuples *t = atomic_load_explicit(&index->tuples, memory_order_acquire);
	struct rte_flow *found = NULL;
	uint64_t hdr[HF_VNIC_WORDS];
	uint32_t i;

	memcpy(hdr, &pkt->hdr, sizeof(hdr));
	for (i = 0; i < t->n; i++) {
		const struct hf_vnic_tuple_at *at = &t->v[i];
		struct rte_flow *rule;

		if (found && best_of(at) > found->order)
			break;
		if ((at->layers & pkt->layers) != at->layers)
			continue;
		if (at->type != HF_VNIC_ANY && at->type != pkt->type)
			continue;
		rule = find_in(at->tuple, hdr, after);
		if (rule && (!found || hf_vnic_goes_before(rule, found)))
			found = rule;
	}
	return found;
}
