/* SPDX-License-Identifier: BSD-3-Clause */

#include "frag.h"

#include <hepflow/err.h>

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
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
#define HZ_MIN	    1000

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

/* A fragment that waits for its first, or for being given back. */
struct held {
	struct rte_mbuf *m;
	uint32_t tag;
	uint8_t fate;
	struct hf_addr to;
	STAILQ_ENTRY(held) next;
};

STAILQ_HEAD(held_list, held);

struct range {
	uint32_t from;
	uint32_t to;
};

enum first {
	FIRST_MISSING,
	FIRST_PASSED,
	FIRST_DROPPED,
};

struct entry {
	struct frag_key key;
	uint64_t expires;
	uint32_t total; /* bytes of the datagram; 0: its end has not come */
	uint8_t first;	/* enum first */
	bool spoilt;	/* by an overlap */
	uint8_t n_ranges;
	struct hf_addr to;			 /* what fragments are given; family 0: nothing */
	struct range ranges[HF_FRAG_RANGES_MAX]; /* what has come, sorted, with gaps between */
	struct held_list held;
	TAILQ_ENTRY(entry) by_age;
	TAILQ_ENTRY(entry) by_wait; /* only while something is held */
};

TAILQ_HEAD(entry_list, entry);

struct hf_frag_table {
	struct rte_hash *hash; /* its key positions are the indexes of entries */
	struct entry *entries;
	struct held *room;
	uint64_t life;
	uint32_t max;
	struct hf_frag_stats stats;
	struct entry_list list; /* the first to expire is the head */
	struct entry_list waiting;
	struct held_list free;
	struct held_list passed; /* decided */
	struct held_list dropped;
};

#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define ADD(field, n)	  SET(field, (field) + (n))

static int alloc_tables(struct hf_frag_table *f, const struct hf_frag_opts *opts)
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

	(void)snprintf(name, sizeof(name), "hf_frag_%" PRIxPTR, (uintptr_t)f);
	f->hash = rte_hash_create(&params);
	f->entries = rte_calloc_socket("hf_frag_entries", opts->max_entries, sizeof(*f->entries),
		RTE_CACHE_LINE_SIZE, opts->socket);
	f->room = rte_calloc_socket("hf_frag_held", opts->max_held, sizeof(*f->room),
		RTE_CACHE_LINE_SIZE, opts->socket);
	return f->hash && f->entries && f->room ? 0 : -ENOMEM;
}

int hf_frag_new(const struct hf_frag_opts *opts, struct hf_frag_table **ret, struct hf_err *err)
{
	struct hf_frag_table *f;
	uint32_t i;

	if (opts->max_entries < ENTRIES_MIN || opts->max_entries > ENTRIES_MAX ||
		opts->max_held < 1 || opts->max_held > ENTRIES_MAX || opts->hz < HZ_MIN)
		return hf_fail(err, -EINVAL, "fragment table: %u entries: must be %d to %u",
			opts->max_entries, ENTRIES_MIN, ENTRIES_MAX);
	f = rte_zmalloc_socket("hf_frag", sizeof(*f), RTE_CACHE_LINE_SIZE, opts->socket);
	if (!f)
		return hf_fail(err, -ENOMEM, "fragment table: out of memory");
	f->life = LIFE_S * opts->hz;
	f->max = opts->max_entries;
	TAILQ_INIT(&f->list);
	TAILQ_INIT(&f->waiting);
	STAILQ_INIT(&f->free);
	STAILQ_INIT(&f->passed);
	STAILQ_INIT(&f->dropped);
	if (alloc_tables(f, opts) < 0) {
		hf_frag_free(f);
		return hf_fail(err, -ENOMEM, "fragment table: no memory for %u entries",
			opts->max_entries);
	}
	for (i = 0; i < opts->max_held; i++)
		STAILQ_INSERT_TAIL(&f->free, &f->room[i], next);
	*ret = f;
	return 0;
}

static void free_list(struct held_list *list)
{
	struct held *h;

	for (h = STAILQ_FIRST(list); h; h = STAILQ_NEXT(h, next))
		rte_pktmbuf_free(h->m);
}

void hf_frag_free(struct hf_frag_table *frag)
{
	struct entry *e;

	if (!frag)
		return;
	for (e = TAILQ_FIRST(&frag->waiting); e; e = TAILQ_NEXT(e, by_wait))
		free_list(&e->held);
	free_list(&frag->passed);
	free_list(&frag->dropped);
	rte_hash_free(frag->hash);
	rte_free(frag->entries);
	rte_free(frag->room);
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

/* All that the entry holds has this fate. */
static void decide(struct hf_frag_table *frag, struct entry *e, enum hf_frag_fate fate)
{
	struct held_list *to = fate == HF_FRAG_PASS ? &frag->passed : &frag->dropped;
	struct held *h;

	if (STAILQ_EMPTY(&e->held))
		return;
	for (h = STAILQ_FIRST(&e->held); h; h = STAILQ_NEXT(h, next)) {
		h->fate = (uint8_t)fate;
		h->to = e->to;
	}
	STAILQ_CONCAT(to, &e->held);
	TAILQ_REMOVE(&frag->waiting, e, by_wait);
}

static void remove_entry(struct hf_frag_table *frag, struct entry *e)
{
	decide(frag, e, HF_FRAG_UNKNOWN);
	TAILQ_REMOVE(&frag->list, e, by_age);
	(void)rte_hash_del_key(frag->hash, &e->key); /* it is there */
	SET(frag->stats.entries, frag->stats.entries - 1);
}

void hf_frag_expire(struct hf_frag_table *frag, uint64_t now, unsigned int max)
{
	struct entry *e;

	while (max-- && (e = TAILQ_FIRST(&frag->list)) && e->expires <= now) {
		remove_entry(frag, e);
		ADD(frag->stats.expired, 1);
	}
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
	ADD(frag->stats.expired, 1);
	return NULL;
}

/* NULL if the hash has no place; then the datagram is as good as unknown. */
static struct entry *make_entry(
	struct hf_frag_table *frag, const struct frag_key *key, uint64_t now)
{
	struct entry *e;
	int pos;

	if (frag->stats.entries == frag->max) {
		e = TAILQ_FIRST(&frag->list);
		if (e->expires > now)
			ADD(frag->stats.evicted, 1);
		else
			ADD(frag->stats.expired, 1);
		remove_entry(frag, e);
	}
	pos = rte_hash_add_key(frag->hash, key);
	if (pos < 0)
		return NULL;
	e = &frag->entries[pos];
	*e = (struct entry){.key = *key, .expires = now + frag->life};
	STAILQ_INIT(&e->held);
	TAILQ_INSERT_TAIL(&frag->list, e, by_age);
	SET(frag->stats.entries, frag->stats.entries + 1);
	return e;
}

/* Enters the bytes as come. HF_FRAG_PASS: they are new. */
static enum hf_frag_fate add_range(struct entry *e, struct range r)
{
	unsigned int i, n;

	for (i = 0; i < e->n_ranges && e->ranges[i].to < r.from; i++)
		;
	if (i < e->n_ranges && e->ranges[i].from <= r.from && r.to <= e->ranges[i].to)
		return HF_FRAG_DUPLICATE;
	/* Ranges i and up to two that touch or meet this one. */
	for (n = 0; i + n < e->n_ranges && e->ranges[i + n].from <= r.to; n++) {
		if (e->ranges[i + n].to > r.from && e->ranges[i + n].from < r.to)
			return HF_FRAG_OVERLAP;
		r.from = RTE_MIN(r.from, e->ranges[i + n].from);
		r.to = RTE_MAX(r.to, e->ranges[i + n].to);
	}
	if (n == 0 && e->n_ranges == HF_FRAG_RANGES_MAX)
		return HF_FRAG_OVERLAP; /* nobody sends so */
	memmove(&e->ranges[i + 1], &e->ranges[i + n], (e->n_ranges - i - n) * sizeof(e->ranges[0]));
	e->ranges[i] = r;
	e->n_ranges = (uint8_t)(e->n_ranges + 1 - n);
	return HF_FRAG_PASS;
}

/* The same, with the end of the datagram. */
static enum hf_frag_fate add_fragment(struct entry *e, const struct hf_pkt *pkt)
{
	struct range r = {pkt->frag_off, pkt->frag_off + pkt->frag_len};
	uint32_t come = e->n_ranges ? e->ranges[e->n_ranges - 1].to : 0;

	if (e->spoilt)
		return HF_FRAG_OVERLAP;
	if (e->total && (r.to > e->total || (!pkt->frag_more && r.to != e->total)))
		return HF_FRAG_OVERLAP;
	if (!pkt->frag_more && r.to < come)
		return HF_FRAG_OVERLAP;
	if (!pkt->frag_more)
		e->total = r.to;
	return add_range(e, r);
}

static void spoil(struct hf_frag_table *frag, struct entry *e)
{
	e->spoilt = true;
	decide(frag, e, HF_FRAG_OVERLAP);
}

/* All of it has come, and is decided about. */
static void forget_if_complete(struct hf_frag_table *frag, struct entry *e)
{
	if (e->spoilt || e->first == FIRST_MISSING || !e->total || e->n_ranges != 1 ||
		e->ranges[0].from != 0 || e->ranges[0].to != e->total)
		return;
	remove_entry(frag, e);
	ADD(frag->stats.completed, 1);
}

/* Enters the fragment into its datagram. *ret_fate: HF_FRAG_PASS if that is all right so far. */
static struct entry *enter(struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, enum hf_frag_fate *ret_fate)
{
	struct frag_key key;
	struct entry *e;

	make_key(pkt, zone, &key);
	e = find_entry(frag, &key, now);
	if (!e)
		e = make_entry(frag, &key, now);
	*ret_fate = e ? add_fragment(e, pkt) : HF_FRAG_UNKNOWN;
	if (*ret_fate == HF_FRAG_OVERLAP)
		spoil(frag, e);
	return e;
}

enum hf_frag_fate hf_frag_check_first(
	struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone, uint64_t now)
{
	enum hf_frag_fate fate;

	(void)enter(frag, pkt, zone, now, &fate);
	return fate;
}

void hf_frag_first(struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, bool pass, const struct hf_addr *to)
{
	struct frag_key key;
	struct entry *e;

	make_key(pkt, zone, &key);
	e = find_entry(frag, &key, now);
	if (!e)
		return;
	e->first = pass ? FIRST_PASSED : FIRST_DROPPED;
	if (to)
		e->to = *to;
	decide(frag, e, pass ? HF_FRAG_PASS : HF_FRAG_DROP);
	forget_if_complete(frag, e);
}

static enum hf_frag_fate hold(
	struct hf_frag_table *frag, struct entry *e, struct rte_mbuf *m, uint32_t tag)
{
	struct held *h = STAILQ_FIRST(&frag->free);

	if (!h) {
		spoil(frag, e); /* it will never be whole */
		return HF_FRAG_UNKNOWN;
	}
	STAILQ_REMOVE_HEAD(&frag->free, next);
	if (STAILQ_EMPTY(&e->held))
		TAILQ_INSERT_TAIL(&frag->waiting, e, by_wait);
	*h = (struct held){.m = m, .tag = tag};
	STAILQ_INSERT_TAIL(&e->held, h, next);
	SET(frag->stats.held, frag->stats.held + 1);
	ADD(frag->stats.held_ever, 1);
	if (STAILQ_EMPTY(&frag->free)) {
		/* So that the next one has room. It may be this one. */
		remove_entry(frag, TAILQ_FIRST(&frag->waiting));
		ADD(frag->stats.evicted, 1);
	}
	return HF_FRAG_HELD;
}

enum hf_frag_fate hf_frag_later(struct hf_frag_table *frag, struct rte_mbuf *m,
	const struct hf_pkt *pkt, uint32_t zone, uint32_t tag, uint64_t now, struct hf_addr *ret_to)
{
	enum hf_frag_fate fate;
	struct entry *e;

	e = enter(frag, pkt, zone, now, &fate);
	if (fate != HF_FRAG_PASS)
		return fate;
	if (e->first == FIRST_MISSING)
		return hold(frag, e, m, tag);
	fate = e->first == FIRST_PASSED ? HF_FRAG_PASS : HF_FRAG_DROP;
	*ret_to = e->to;
	forget_if_complete(frag, e);
	return fate;
}

static struct rte_mbuf *take(struct hf_frag_table *frag, struct held *h)
{
	STAILQ_INSERT_HEAD(&frag->free, h, next);
	SET(frag->stats.held, frag->stats.held - 1);
	return h->m;
}

struct rte_mbuf *hf_frag_next_pass(struct hf_frag_table *frag, uint32_t tag, struct hf_addr *ret_to)
{
	struct held *h = STAILQ_FIRST(&frag->passed);

	if (!h || h->tag != tag)
		return NULL;
	STAILQ_REMOVE_HEAD(&frag->passed, next);
	*ret_to = h->to;
	return take(frag, h);
}

struct rte_mbuf *hf_frag_next_drop(
	struct hf_frag_table *frag, uint32_t *ret_tag, enum hf_frag_fate *ret_fate)
{
	struct held *h = STAILQ_FIRST(&frag->dropped);

	if (!h)
		return NULL;
	*ret_tag = h->tag;
	*ret_fate = (enum hf_frag_fate)h->fate;
	STAILQ_REMOVE_HEAD(&frag->dropped, next);
	return take(frag, h);
}

#define GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

void hf_frag_read_stats(const struct hf_frag_table *frag, struct hf_frag_stats *ret)
{
	ret->entries = GET(frag->stats.entries);
	ret->held = GET(frag->stats.held);
	ret->held_ever = GET(frag->stats.held_ever);
	ret->completed = GET(frag->stats.completed);
	ret->expired = GET(frag->stats.expired);
	ret->evicted = GET(frag->stats.evicted);
}
