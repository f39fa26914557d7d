/* SPDX-License-Identifier: BSD-3-Clause */

/* The inside of struct hf_ct_table, shared by ct.c, ct_look.c and ct_read.c. */

#pragma once

#include "ct.h"
#include "tuple.h"

#include <rte_common.h>

#define HF_CT_NIL		UINT32_MAX
#define HF_CT_N_POOLS		2    /* IPv4, IPv6 */
#define HF_CT_SOURCES		4096 /* counters of half-open entries, by a hash of their source */
#define HF_CT_KEY4		16   /* bytes */
#define HF_CT_KEY6		40

#define HF_CT_SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define HF_CT_GET(field)	__atomic_load_n(&(field), __ATOMIC_RELAXED)
#define HF_CT_ADD(field, n)	HF_CT_SET(field, (field) + (n))

enum {
	HF_CT_CALLER = 0x01, /* which endpoint of the key */
	HF_CT_REPLIED = 0x02,
	HF_CT_ASSURED = 0x04,
	HF_CT_FORWARDED = 0x08,
	HF_CT_TRANSLATED = 0x10,
};

/*
 * What every packet touches: with an IPv4 key a cache line. version is odd while the entry is in
 * use and changes before and after its other members are filled or given up, so that a reader of
 * another thread can tell that it has read one entry. What moves during its life is written and
 * read as single words.
 */
struct hf_ct_hot {
	uint32_t next;	/* of the same bucket, or of the free ones */
	uint32_t older; /* in the list of the timer */
	uint32_t newer;
	uint32_t seen; /* last packet, ticks */
	uint16_t version;
	uint8_t timer;
	uint8_t bits;
	uint32_t packets[2];
	uint16_t packets_high[2]; /* more than 32 bits of them */
	uint64_t bytes[2];
	uint64_t key[]; /* as many words of struct hf_ct_key as the family has */
};

struct hf_ct_cold {
	union { /* by the protocol */
		struct hf_tcp_track tcp;
		struct hf_sctp_track sctp;
	};
	uint32_t judged;
};

static_assert(sizeof(struct hf_ct_hot) + HF_CT_KEY4 == RTE_CACHE_LINE_SIZE, "one line");

/* Ordered by seen, to a second: the oldest is the first to expire. */
struct hf_ct_list {
	uint32_t oldest;
	uint32_t newest;
};

struct hf_ct_pool {
	uint8_t *hot;
	struct hf_ct_cold *cold;
	uint32_t *buckets;
	uint32_t n_buckets;
	uint32_t n;
	uint32_t free;
	uint32_t hot_size;
	uint8_t family;
	bool more;				    /* has expired, but the sweep had a bound */
	struct hf_ct_list lists[2][HF_CT_N_TIMERS]; /* half-open, assured */
};

struct hf_ct_table {
	struct hf_ct_pool pools[HF_CT_N_POOLS];
	struct hf_tuple_secret secret;
	uint64_t cycles_per_tick;
	uint32_t ticks[HF_CT_N_TIMERS];
	uint32_t max; /* of each pool */
	uint32_t swept;
	uint32_t tick;
	uint64_t tick_now; /* that tick was worked out from; a division a packet is too much */
	uint64_t now;	   /* cycles; for those who read */
	uint32_t half_open;
	struct hf_ct_stats stats;
	uint16_t sources[HF_CT_SOURCES];
};

static inline struct hf_ct_hot *hf_ct_hot_at(const struct hf_ct_pool *p, uint32_t at)
{
	return (struct hf_ct_hot *)(p->hot + (size_t)at * p->hot_size);
}

static inline struct hf_ct_pool *hf_ct_pool_of(struct hf_ct_table *ct, uint8_t family)
{
	return &ct->pools[family == 6];
}

static inline uint32_t hf_ct_ticks_of(const struct hf_ct_table *ct, uint64_t now)
{
	return (uint32_t)(now / ct->cycles_per_tick);
}

/* The same for the worker, whose packets of a burst have one time. */
static inline uint32_t hf_ct_tick(struct hf_ct_table *ct, uint64_t now)
{
	if (now != ct->tick_now) {
		ct->tick_now = now;
		ct->tick = hf_ct_ticks_of(ct, now);
	}
	return ct->tick;
}

static inline bool hf_ct_has_expired(
	const struct hf_ct_table *ct, const struct hf_ct_hot *e, uint32_t now)
{
	return now - e->seen >= ct->ticks[e->timer];
}

static inline uint32_t hf_ct_bucket_of(
	const struct hf_ct_table *ct, const struct hf_ct_pool *p, const uint64_t *key)
{
	uint32_t h = hf_tuple_hash((const struct hf_ct_key *)key, p->family, &ct->secret);

	return (uint32_t)((uint64_t)h * p->n_buckets >> 32);
}

/* ct.c */
void hf_ct_remove(struct hf_ct_table *ct, struct hf_ct_pool *p, uint32_t at);
