/* SPDX-License-Identifier: BSD-3-Clause */

#include "frag.h"

#include <hepflow/err.h>

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define ENTRIES_MIN 8
#define ENTRIES_MAX (1u << 20)
#define LIFE_S	    30

struct frag_key {
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t id;
	uint32_t zone;
	uint8_t proto; /* 0 in IPv6, where it belongs to the first fragment only */
	uint8_t family;
	uint8_t zero[6];
};
static_assert(sizeof(struct frag_key) == 48, "no holes: it is hashed");

struct entry {
	struct frag_key key;
	uint64_t expires;
	uint32_t end; /* of the first fragment */
	bool pass;
	TAILQ_ENTRY(entry) by_age;
};

TAILQ_HEAD(entry_list, entry);

struct hf_frag_table {
	struct rte_hash *hash; /* its key positions are the indexes of entries */
	struct entry *entries;
	uint64_t life;
	uint32_t max;
	uint32_t n;
	uint64_t evicted;
	struct entry_list list; /* the first to expire is the head */
};

int hf_frag_new(const struct hf_frag_opts *opts, struct hf_frag_table **ret, struct hf_err *err)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters params = {
		.name = name,
		.entries = opts->max_entries,
		.key_len = sizeof(struct frag_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(),
		.socket_id = opts->socket,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct hf_frag_table *f;

	if (opts->max_entries < ENTRIES_MIN || opts->max_entries > ENTRIES_MAX || opts->hz == 0)
		return hf_fail(err, -EINVAL, "fragment table: %u entries: must be %d to %u",
			opts->max_entries, ENTRIES_MIN, ENTRIES_MAX);
	f = rte_zmalloc_socket("hf_frag", sizeof(*f), RTE_CACHE_LINE_SIZE, opts->socket);
	if (!f)
		return hf_fail(err, -ENOMEM, "fragment table: out of memory");
	f->life = LIFE_S * opts->hz;
	f->max = opts->max_entries;
	TAILQ_INIT(&f->list);
	f->entries = rte_calloc_socket(
		"hf_frag_entries", f->max, sizeof(*f->entries), RTE_CACHE_LINE_SIZE, opts->socket);
	(void)snprintf(name, sizeof(name), "hf_frag_%" PRIxPTR, (uintptr_t)f);
	f->hash = rte_hash_create(&params);
	if (!f->entries || !f->hash) {
		hf_frag_free(f);
		return hf_fail(err, -ENOMEM, "fragment table: no memory for %u entries",
			opts->max_entries);
	}
	*ret = f;
	return 0;
}

void hf_frag_free(struct hf_frag_table *frag)
{
	if (!frag)
		return;
	rte_hash_free(frag->hash);
	rte_free(frag->entries);
	rte_free(frag);
}

static void make_key(const struct hf_pkt *pkt, uint32_t zone, struct frag_key *ret)
{
	*ret = (struct frag_key){
		.id = pkt->frag_id,
		.zone = zone,
		.proto = pkt->src.family == 4 ? pkt->proto : 0,
		.family = pkt->src.family,
	};
	memcpy(ret->src, pkt->src.b, sizeof(ret->src));
	memcpy(ret->dst, pkt->dst.b, sizeof(ret->dst));
}

static void remove_entry(struct hf_frag_table *frag, struct entry *e)
{
	TAILQ_REMOVE(&frag->list, e, by_age);
	(void)rte_hash_del_key(frag->hash, &e->key); /* it is there */
	__atomic_store_n(&frag->n, frag->n - 1, __ATOMIC_RELAXED);
}

void hf_frag_expire(struct hf_frag_table *frag, uint64_t now, unsigned int max)
{
	struct entry *e;

	while (max-- && (e = TAILQ_FIRST(&frag->list)) && e->expires <= now)
		remove_entry(frag, e);
}

/* The entry of a key, or NULL; expired ones do not count. */
static struct entry *find_entry(
	struct hf_frag_table *frag, const struct frag_key *key, uint64_t now)
{
	int pos = rte_hash_lookup(frag->hash, key);

	if (pos < 0)
		return NULL;
	if (frag->entries[pos].expires > now)
		return &frag->entries[pos];
	remove_entry(frag, &frag->entries[pos]);
	return NULL;
}

void hf_frag_first(struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, bool pass)
{
	struct frag_key key;
	struct entry *e;
	int pos;

	make_key(pkt, zone, &key);
	e = find_entry(frag, &key, now);
	if (e)
		remove_entry(frag, e); /* the identification is used again: a datagram of its own */
	if (frag->n == frag->max) {
		e = TAILQ_FIRST(&frag->list);
		if (e->expires > now)
			__atomic_store_n(&frag->evicted, frag->evicted + 1, __ATOMIC_RELAXED);
		remove_entry(frag, e);
	}
	pos = rte_hash_add_key(frag->hash, &key);
	if (pos < 0)
		return; /* then the later fragments are unknown, and refused */
	e = &frag->entries[pos];
	e->key = key;
	e->expires = now + frag->life;
	e->end = pkt->frag_len;
	e->pass = pass;
	TAILQ_INSERT_TAIL(&frag->list, e, by_age);
	__atomic_store_n(&frag->n, frag->n + 1, __ATOMIC_RELAXED);
}

enum hf_frag_fate hf_frag_later(
	struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone, uint64_t now)
{
	const struct entry *e;
	struct frag_key key;

	make_key(pkt, zone, &key);
	e = find_entry(frag, &key, now);
	if (!e)
		return HF_FRAG_UNKNOWN;
	if (!e->pass)
		return HF_FRAG_DROP;
	return pkt->frag_off < e->end ? HF_FRAG_OVERLAP : HF_FRAG_PASS;
}

uint32_t hf_frag_count(const struct hf_frag_table *frag)
{
	return __atomic_load_n(&frag->n, __ATOMIC_RELAXED);
}

uint64_t hf_frag_evicted(const struct hf_frag_table *frag)
{
	return __atomic_load_n(&frag->evicted, __ATOMIC_RELAXED);
}
