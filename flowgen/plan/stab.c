/* SPDX-License-Identifier: BSD-3-Clause */

#include "stab.h"

#include "rules/algebra.h"

#include <stdlib.h>
#include <string.h>

#define TABLES_MAX 256 /* what finds no room is met by every region, and looked at */
#define NONE	   UINT32_MAX

/* Prefix lengths of one table, in the fields of by. */
struct lens {
	uint8_t src, dst, sport, dport;
};

/* An item under one of its prefixes. Those of one slot are in ascending order. */
struct entry {
	uint32_t item;
	uint32_t next;
};

/* Tables of the same address lengths. Where nothing is known of the addresses none is asked. */
struct pair {
	uint8_t src, dst;
	uint64_t hash; /* while deciding: of the region's addresses */
	bool some;     /* and whether there may be items of them */
};

struct stab {
	const struct items *items;
	unsigned int by;
	size_t n_tables;
	struct lens tables[TABLES_MAX];
	uint16_t pair_of[TABLES_MAX];
	size_t n_pairs;
	struct pair pairs[TABLES_MAX];
	uint8_t *known; /* a bit for each slot: by the hash of addresses alone */
	size_t n, cap;
	struct entry *entries;
	uint32_t n_slots; /* a power of two */
	uint32_t *slots;
	uint32_t at[TABLES_MAX]; /* while deciding: where each table's list is */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t mix_addr(uint64_t h, const struct hf_addr *a, unsigned int len)
{
	struct hf_prefix p = {*a, (uint8_t)len};
	uint64_t part[2];

	hf_prefix_mask(&p);
	memcpy(part, p.addr.b, sizeof(part));
	h = mix(h, part[0]);
	return a->family == 6 ? mix(h, part[1]) : h;
}

static uint32_t high_bits(uint16_t port, unsigned int len)
{
	return port & (0xffff0000u >> len) & 0xffff;
}

static uint64_t hash_pair(const struct pair *p, const struct cube *c)
{
	uint64_t h = mix(p->src, p->dst);

	if (p->src)
		h = mix_addr(h, &c->src.addr, p->src);
	return p->dst ? mix_addr(h, &c->dst.addr, p->dst) : h;
}

/* Equal slots mean nothing: what is found is compared. */
static uint32_t slot_of(
	const struct stab *s, size_t table, uint64_t pair_hash, uint16_t sport, uint16_t dport)
{
	const struct lens *l = &s->tables[table];
	uint64_t h = mix(pair_hash + table,
		(uint64_t)high_bits(sport, l->sport) << 16 | high_bits(dport, l->dport));

	return (uint32_t)(h >> 32) & (s->n_slots - 1);
}

/* Where the bit of a hash of addresses stands in known. */
static uint32_t known_at(const struct stab *s, uint64_t pair_hash)
{
	return (uint32_t)(pair_hash >> 32) & (s->n_slots - 1);
}

static size_t find_table(const struct stab *s, struct lens lens)
{
	size_t i;

	for (i = 0; i < s->n_tables && memcmp(&s->tables[i], &lens, sizeof(lens)) != 0; i++)
		;
	return i;
}

/* The table, made if there is room; the last one is for all that found none. */
static size_t table_of(struct stab *s, struct lens lens)
{
	size_t i = find_table(s, lens), p;

	if (i == s->n_tables && i >= TABLES_MAX - 1) {
		lens = (struct lens){0};
		i = find_table(s, lens);
	}
	if (i < s->n_tables)
		return i;
	s->tables[i] = lens;
	for (p = 0; p < s->n_pairs; p++) {
		if (s->pairs[p].src == lens.src && s->pairs[p].dst == lens.dst)
			break;
	}
	if (p == s->n_pairs)
		s->pairs[s->n_pairs++] = (struct pair){.src = lens.src, .dst = lens.dst};
	s->pair_of[i] = (uint16_t)p;
	return s->n_tables++;
}

static int push(struct stab *s, size_t table, size_t item, uint16_t sport, uint16_t dport)
{
	const struct cube *c = &s->items->v[item].cube;
	uint64_t hash = hash_pair(&s->pairs[s->pair_of[table]], c);
	struct entry *v;
	uint32_t *slot, at;

	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		v = reallocarray(s->entries, s->cap, sizeof(*v));
		if (!v)
			return -1;
		s->entries = v;
	}
	at = known_at(s, hash);
	s->known[at / 8] |= (uint8_t)(1 << at % 8);
	slot = &s->slots[slot_of(s, table, hash, sport, dport)];
	s->entries[s->n] = (struct entry){(uint32_t)item, *slot};
	*slot = (uint32_t)s->n++;
	return 0;
}

/* Prefixes of the ports of a field; one that covers all when the field is not asked. */
static size_t port_masks(const struct stab *s, unsigned int field, struct hf_ports ports,
	struct hf_port_mask ret[static HF_PORT_MASKS_MAX])
{
	if (s->by & field)
		return hf_ports_masks(ports, ret);
	ret[0] = (struct hf_port_mask){0, 0};
	return 1;
}

static int add(struct stab *s, size_t item)
{
	const struct cube *c = &s->items->v[item].cube;
	struct hf_port_mask sp[HF_PORT_MASKS_MAX], dp[HF_PORT_MASKS_MAX];
	size_t n_sp = port_masks(s, BY_SPORT, c->sport, sp);
	size_t n_dp = port_masks(s, BY_DPORT, c->dport, dp), i, k;
	struct lens lens = {
		.src = s->by & BY_SRC ? c->src.len : 0,
		.dst = s->by & BY_DST ? c->dst.len : 0,
	};
	int rc = 0;

	for (i = 0; i < n_sp && rc == 0; i++) {
		for (k = 0; k < n_dp && rc == 0; k++) {
			lens.sport = (uint8_t)__builtin_popcount(sp[i].mask);
			lens.dport = (uint8_t)__builtin_popcount(dp[k].mask);
			rc = push(s, table_of(s, lens), item, sp[i].value, dp[k].value);
		}
	}
	return rc;
}

struct stab *hf_stab_new(const struct items *items, const struct cube *within, unsigned int by)
{
	struct stab *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return NULL;
	s->items = items;
	s->by = by;
	for (s->n_slots = 64; s->n_slots < items->n && s->n_slots < 1u << 24;)
		s->n_slots *= 2;
	s->slots = malloc(s->n_slots * sizeof(*s->slots));
	s->known = calloc(s->n_slots / 8, 1);
	if (s->slots)
		memset(s->slots, 0xff, s->n_slots * sizeof(*s->slots));
	/* From the last, so that each list begins with the first. */
	for (i = items->n; i-- > 0 && s->slots && s->known;) {
		if (hf_cube_meets(&items->v[i].cube, within) && add(s, i) < 0)
			break;
	}
	if (s->slots && s->known && i == SIZE_MAX)
		return s;
	hf_stab_free(s);
	return NULL;
}

void hf_stab_free(struct stab *s)
{
	if (!s)
		return;
	free(s->entries);
	free(s->slots);
	free(s->known);
	free(s);
}

/* Fills s->at with the lists the region may meet; returns how many. */
static size_t begin(struct stab *s, const struct cube *region)
{
	size_t n = 0, i;
	uint32_t at;

	for (i = 0; i < s->n_pairs; i++) {
		s->pairs[i].hash = hash_pair(&s->pairs[i], region);
		at = known_at(s, s->pairs[i].hash);
		s->pairs[i].some = s->known[at / 8] >> at % 8 & 1;
	}
	for (i = 0; i < s->n_tables; i++) {
		const struct pair *p = &s->pairs[s->pair_of[i]];

		if (!p->some)
			continue;
		s->at[n] = s->slots[slot_of(s, i, p->hash, region->sport.lo, region->dport.lo)];
		n += s->at[n] != NONE;
	}
	return n;
}

/* The next item that may meet the region, in order, or NONE; *n lists are left. */
static uint32_t next_item(struct stab *s, size_t *n)
{
	size_t best = 0, i;
	uint32_t item;

	if (*n == 0)
		return NONE;
	for (i = 1; i < *n; i++) {
		if (s->entries[s->at[i]].item < s->entries[s->at[best]].item)
			best = i;
	}
	item = s->entries[s->at[best]].item;
	s->at[best] = s->entries[s->at[best]].next;
	if (s->at[best] == NONE)
		s->at[best] = s->at[--*n];
	return item;
}

enum hf_fate hf_stab_decide(struct stab *s, const struct cube *region, uint32_t *ret_origin)
{
	uint8_t open = s->items->seen;
	const uint8_t new = HF_CT_BIT(HF_CT_NEW);
	enum hf_fate fate = HF_FATE_PUNT;
	size_t n = begin(s, region);
	uint32_t at;

	*ret_origin = NONE;
	while (open && (at = next_item(s, &n)) != NONE) {
		const struct item *item = &s->items->v[at];

		if (!(item->ct & open) || !hf_cube_meets(&item->cube, region))
			continue;
		if (item->fate == HF_FATE_PUNT || (fate != HF_FATE_PUNT && item->fate != fate))
			return HF_FATE_PUNT;
		fate = item->fate;
		if (*ret_origin == NONE && item->ct & open & new)
			*ret_origin = item->origin;
		if (hf_cube_covers(&item->cube, region))
			open &= (uint8_t)~item->ct;
	}
	return fate;
}
