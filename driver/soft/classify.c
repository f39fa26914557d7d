/* SPDX-License-Identifier: BSD-3-Clause */

#include "classify.h"

#include <rte_prefetch.h>

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))
#endif

/* The next bit of the rows' AND from one bit on, below end; end or more if there is none. */
typedef uint32_t (*next_fn)(
	struct hf_walk *w, const struct hf_classifier *c, uint32_t from, uint32_t end);

#define INLINE static inline __attribute__((always_inline))

INLINE void set_class(
	struct hf_walk *w, const struct hf_classifier *c, enum hf_dim dim, uint32_t class)
{
	w->class[dim] = class;
	w->number += c->stride[dim] * class;
}

INLINE void set_addr(struct hf_walk *w, const struct hf_classifier *c, enum hf_dim dim,
	const struct hf_addr *addr)
{
	if (w->dims & 1u << dim)
		set_class(w, c, dim, hf_spans_find(&c->addrs[dim], addr));
}

INLINE void set_port(struct hf_walk *w, const struct hf_classifier *c, enum hf_dim dim,
	bool has_ports, uint16_t port)
{
	if (w->dims & 1u << dim)
		set_class(w, c, dim, c->ports[dim][has_ports ? port : HF_NO_PORT]);
}

INLINE void sort_key(struct hf_walk *w, const struct hf_classifier *c, const struct hf_key *key,
	const struct hf_addr *src, const struct hf_addr *dst, unsigned int ct)
{
	bool has_ports = hf_proto_has_ports(key->proto);

	w->number = 0;
	set_class(w, c, HF_DIM_META, c->meta[ct][key->dnated][src->family != 4][key->proto]);
	set_addr(w, c, HF_DIM_SRC, src);
	set_port(w, c, HF_DIM_DPORT, has_ports, key->dport);
	set_port(w, c, HF_DIM_WIRE_DPORT, has_ports, key->wire_dport);
	set_addr(w, c, HF_DIM_DST, dst);
	set_addr(w, c, HF_DIM_WIRE_DST, key->dnated ? &key->wire_dst : dst);
	set_port(w, c, HF_DIM_SPORT, has_ports, key->sport);
	if (w->dims & 1u << HF_DIM_OUT)
		set_class(
			w, c, HF_DIM_OUT, c->outs[key->out < c->n_ifaces ? key->out : c->n_ifaces]);
}

/* The rows of the classes, those first of which most bits are 0. */
INLINE void begin(struct hf_walk *w, const struct hf_classifier *c)
{
	static const enum hf_dim order[HF_N_DIMS] = {HF_DIM_META, HF_DIM_SRC, HF_DIM_DPORT,
		HF_DIM_WIRE_DPORT, HF_DIM_DST, HF_DIM_WIRE_DST, HF_DIM_SPORT, HF_DIM_OUT};
	unsigned int i;

	w->n = 0;
	w->chunk = UINT32_MAX;
	w->begin[0] = w->begin[1] = 0;
	w->pure = true;
	for (i = 0; i < HF_N_DIMS; i++) {
		if (w->dims & 1u << order[i])
			w->row[w->n++] = c->rows.ids + c->row_of[order[i]][w->class[order[i]]];
	}
}

INLINE void hold_chunk(struct hf_walk *w, const struct hf_classifier *c, uint32_t k)
{
	const struct hf_chunk *pool = c->rows.pool;
	struct hf_chunk bits = pool[w->row[0][k]];
	unsigned int dim, i;

	for (dim = 1; dim < w->n; dim++) {
		const struct hf_chunk *other = &pool[w->row[dim][k]];

		for (i = 0; i < HF_CHUNK_WORDS; i++)
			bits.w[i] &= other->w[i];
	}
	for (i = 0, w->words = 0; i < HF_CHUNK_WORDS; i++)
		w->words |= (uint32_t)(bits.w[i] != 0) << i;
	w->bits = bits;
	w->chunk = k;
}

INLINE uint32_t bit_at(uint32_t chunk, uint32_t word, uint64_t bits)
{
	return chunk * HF_CHUNK_BITS + word * 64 + (uint32_t)__builtin_ctzll(bits);
}

INLINE uint32_t next_held(struct hf_walk *w, const struct hf_classifier *c, uint32_t from,
	uint32_t end, void (*hold)(struct hf_walk *, const struct hf_classifier *, uint32_t))
{
	uint32_t k = from / HF_CHUNK_BITS, i = from % HF_CHUNK_BITS / 64, words;
	const uint32_t *lead = w->row[w->n > 1], *second = w->row[w->n > 2 ? 2 : 0];
	uint64_t bits;

	if (from >= end)
		return end;
	if (w->chunk != k)
		hold(w, c, k);
	bits = w->bits.w[i] & ~UINT64_C(0) << from % 64;
	if (bits)
		return bit_at(k, i, bits);
	words = w->words & ~1u << i;
	while (!words) {
		do {
			if (++k * HF_CHUNK_BITS >= end)
				return end;
		} while (!lead[k] | !second[k]); /* the empty chunk */
		hold(w, c, k);
		words = w->words;
	}
	i = (uint32_t)__builtin_ctz(words);
	return bit_at(k, i, w->bits.w[i]);
}

static uint32_t next_any(
	struct hf_walk *w, const struct hf_classifier *c, uint32_t from, uint32_t end)
{
	return next_held(w, c, from, end, hold_chunk);
}

#ifdef __x86_64__
AVX512 static inline void hold_avx512(struct hf_walk *w, const struct hf_classifier *c, uint32_t k)
{
	const struct hf_chunk *pool = c->rows.pool;
	__m512i bits = _mm512_load_si512(&pool[w->row[0][k]]);
	unsigned int dim;

	for (dim = 1; dim < w->n; dim++)
		bits = _mm512_and_si512(bits, _mm512_load_si512(&pool[w->row[dim][k]]));
	w->words = _mm512_test_epi64_mask(bits, bits);
	_mm512_store_si512(&w->bits, bits);
	w->chunk = k;
}

AVX512 static uint32_t next_avx512(
	struct hf_walk *w, const struct hf_classifier *c, uint32_t from, uint32_t end)
{
	return next_held(w, c, from, end, hold_avx512);
}
#endif

static const struct hf_match *match_at(const struct hf_classifier *c, const struct hf_at *at)
{
	return &hf_rules_block(c->rules, at->block)->rules[at->rule].match;
}

/* First rule of a lane that holds, or, blind, that may hold; NULL if there is none. */
INLINE const struct hf_at *first_of(struct hf_walk *w, const struct hf_classifier *c,
	const struct hf_key *key, bool blind, next_fn next, uint32_t from, uint32_t end)
{
	uint32_t bit;

	for (bit = next(w, c, from, end); bit < end; bit = next(w, c, bit + 1, end)) {
		const struct hf_at *at = &c->at[bit];

		if ((blind && at->needs_ct) || !at->verify)
			return at;
		w->pure = false;
		if (hf_match_has(c->rules, match_at(c, at), key))
			return at;
	}
	return NULL;
}

/* What the memo is to keep of a walk. */
INLINE void keep(struct hf_walk *w, const struct hf_classifier *c, uint32_t said)
{
	if (w->set && w->pure)
		hf_memo_keep(w->set, c->serial, w->number, said);
}

INLINE uint32_t later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

INLINE bool walk(struct hf_walk *w, const struct hf_classifier *c, const struct hf_key *key,
	bool blind, next_fn next, struct hf_decision *ret)
{
	const struct hf_path *path = hf_rules_find_path(c->rules, key->in, key->class);
	uint32_t block = path ? path->block : 0;
	uint32_t first = w->begin[0], split = w->begin[1];

	*ret = (struct hf_decision){.block = block};
	for (; path; first = split = 0) {
		const struct hf_at_block *b = &c->blocks[block];
		const struct hf_at *at =
			first_of(w, c, key, blind, next, later(b->first, first), b->split);
		const struct hf_at *other = NULL;

		if (b->split < b->end)
			other = first_of(w, c, key, blind, next, later(b->split, split), b->end);
		if (other && (!at || other->rule < at->rule))
			at = other;
		if (!at)
			return false;
		if (blind && at->needs_ct) {
			keep(w, c, HF_MEMO_STATE);
			return false;
		}
		if (at->op == HF_OP_VERDICT) {
			*ret = hf_classify_at(at);
			keep(w, c, HF_MEMO_BIT + (uint32_t)(at - c->at));
			return true;
		}
		block = at->to;
	}
	return true;
}

static bool walk_any(struct hf_walk *w, const struct hf_classifier *c, const struct hf_key *key,
	bool blind, struct hf_decision *ret)
{
	return walk(w, c, key, blind, next_any, ret);
}

#ifdef __x86_64__
AVX512 static bool walk_avx512(struct hf_walk *w, const struct hf_classifier *c,
	const struct hf_key *key, bool blind, struct hf_decision *ret)
{
	return walk(w, c, key, blind, next_avx512, ret);
}
#else
#define walk_avx512 walk_any
#endif

/* A walk over a delta; delta.h. */
struct over {
	const struct hf_classifier *c;
	const struct hf_delta *d;
	const struct hf_key *key;
	struct hf_walk *w;
	next_fn next;
	bool blind;
	bool touched; /* an address is in a net that sets have lost or gained */
};

#define NO_RULE UINT32_MAX

static bool is_touched(const struct hf_delta *d, const struct hf_key *key)
{
	size_t i;

	for (i = 0; i < d->n_nets; i++) {
		const struct hf_prefix *net = &d->nets[i];

		if (hf_prefix_has(net, &key->src) || hf_prefix_has(net, &key->dst) ||
			(key->dnated && hf_prefix_has(net, &key->wire_dst)))
			return true;
	}
	return false;
}

/* Does the rule hold, in any state of the connection if that is not known? */
static bool may_hold(const struct over *o, const struct hf_match *match)
{
	struct hf_match m;

	if (!o->blind)
		return hf_match_has(o->d->rules, match, o->key);
	m = *match;
	m.ct = HF_CT_ANY;
	return hf_match_has(o->d->rules, &m, o->key);
}

/* First rule of a lane that is kept and holds: its place in the new block. */
static uint32_t first_kept(
	struct over *o, const struct hf_block *block, uint32_t from, uint32_t end)
{
	uint32_t bit;

	for (bit = o->next(o->w, o->c, from, end); bit < end;
		bit = o->next(o->w, o->c, bit + 1, end)) {
		const struct hf_at *at = &o->c->at[bit];
		uint32_t place = o->d->moved[o->c->blocks[at->block].first + at->rule];

		if (place == HF_DELTA_GONE || (o->touched && place & HF_DELTA_SHAKY))
			continue;
		place &= ~HF_DELTA_SHAKY;
		if (!at->verify || may_hold(o, &block->rules[place].match))
			return place;
	}
	return NO_RULE;
}

/* First of the rules listed that holds and stands before a place. */
static uint32_t first_listed(const struct over *o, const struct hf_block *block,
	const uint32_t *places, uint32_t n, uint32_t before)
{
	uint32_t i;

	for (i = 0; i < n && places[i] < before; i++) {
		if (may_hold(o, &block->rules[places[i]].match))
			return places[i];
	}
	return before;
}

static uint32_t first_over(struct over *o, uint32_t number)
{
	const struct hf_block *block = hf_rules_block(o->d->rules, number);
	const struct hf_delta_block *b = &o->d->blocks[number];
	uint32_t place = NO_RULE, other;

	if (b->older != HF_DELTA_GONE) {
		const struct hf_at_block *at = &o->c->blocks[b->older];

		place = first_kept(o, block, at->first, at->split);
		other = first_kept(o, block, at->split, at->end);
		if (other < place)
			place = other;
	}
	place = first_listed(o, block, o->d->fresh + b->fresh, b->n_fresh, place);
	if (o->touched)
		place = first_listed(o, block, o->d->shaky + b->shaky, b->n_shaky, place);
	return place;
}

static bool walk_over(struct over *o, struct hf_decision *ret)
{
	const struct hf_path *path = hf_rules_find_path(o->d->rules, o->key->in, o->key->class);
	uint32_t block = path ? path->block : 0;

	*ret = (struct hf_decision){.block = block};
	o->touched = is_touched(o->d, o->key);
	while (path) {
		uint32_t place = first_over(o, block);
		const struct hf_rule *r;

		if (place == NO_RULE)
			return false;
		r = &hf_rules_block(o->d->rules, block)->rules[place];
		if (o->blind && r->match.ct != HF_CT_ANY)
			return false;
		if (r->op == HF_OP_VERDICT) {
			*ret = (struct hf_decision){r->verdict, r->origin, block, place};
			return true;
		}
		block = r->target;
	}
	return true;
}

static bool run(const struct hf_classifier *c, const struct hf_delta *d, const struct hf_key *key,
	bool blind, struct hf_walk *w, struct hf_decision *ret)
{
	struct over o = {.c = c, .d = d, .key = key, .w = w, .next = next_any, .blind = blind};

	if (!d)
		return c->avx512 ? walk_avx512(w, c, key, blind, ret)
				 : walk_any(w, c, key, blind, ret);
#ifdef __x86_64__
	if (c->avx512)
		o.next = next_avx512;
#endif
	return walk_over(&o, ret);
}

struct hf_decision hf_classify(
	const struct hf_classifier *c, const struct hf_delta *delta, const struct hf_key *key)
{
	struct hf_decision d;
	struct hf_walk w;

	w.dims = c->all_dims;
	sort_key(&w, c, key, &key->src, &key->dst, key->ct);
	w.set = NULL;
	begin(&w, c);
	(void)run(c, delta, key, false, &w, &d);
	return d;
}

/* The block that the walk begins with, of those that have bits. */
static const struct hf_at_block *first_block(
	const struct hf_classifier *c, const struct hf_delta *d, const struct hf_key *key)
{
	const struct hf_path *path =
		hf_rules_find_path(d ? d->rules : c->rules, key->in, key->class);
	uint32_t block;

	if (!path)
		return NULL;
	block = d ? d->blocks[path->block].older : path->block;
	return block == HF_DELTA_GONE ? NULL : &c->blocks[block];
}

void hf_classify_fetch_roots(const struct hf_classifier *c, const struct hf_addr *src,
	const struct hf_addr *dst, uint16_t dport)
{
	if (c->has[HF_DIM_SRC])
		hf_spans_fetch_root(&c->addrs[HF_DIM_SRC], src);
	if (c->has[HF_DIM_DST])
		hf_spans_fetch_root(&c->addrs[HF_DIM_DST], dst);
	if (c->has[HF_DIM_WIRE_DST])
		hf_spans_fetch_root(&c->addrs[HF_DIM_WIRE_DST], dst);
	if (c->has[HF_DIM_DPORT])
		rte_prefetch0(&c->ports[HF_DIM_DPORT][dport]);
	if (c->has[HF_DIM_WIRE_DPORT])
		rte_prefetch0(&c->ports[HF_DIM_WIRE_DPORT][dport]);
}

void hf_classify_fetch_spans(
	const struct hf_classifier *c, const struct hf_addr *src, const struct hf_addr *dst)
{
	if (c->has[HF_DIM_SRC])
		hf_spans_fetch(&c->addrs[HF_DIM_SRC], src);
	if (c->has[HF_DIM_DST])
		hf_spans_fetch(&c->addrs[HF_DIM_DST], dst);
	if (c->has[HF_DIM_WIRE_DST])
		hf_spans_fetch(&c->addrs[HF_DIM_WIRE_DST], dst);
}

void hf_classify_aim(const struct hf_classifier *c, const struct hf_delta *delta,
	struct hf_memo *memo, const struct hf_key *key, const struct hf_addr *src,
	const struct hf_addr *dst, struct hf_walk *ret)
{
	const struct hf_path *path =
		delta ? NULL : hf_rules_find_path(c->rules, key->in, key->class);

	/* What stands behind the state of the connection is nothing that is met here. */
	ret->dims = path ? c->blind_dims[path->block] : c->all_dims;
	sort_key(ret, c, key, src, dst, HF_CT_UNKNOWN);
	ret->said = HF_MEMO_NONE;
	ret->set = NULL;
	if (!memo || !path || !c->block_stride)
		return;
	ret->number += c->block_stride * path->block;
	ret->set = hf_memo_set_of(memo, ret->number);
	rte_prefetch0(ret->set);
}

bool hf_classify_recall(const struct hf_classifier *c, struct hf_walk *w)
{
	if (w->set)
		w->said = hf_memo_find(w->set, c->serial, w->number);
	if (w->said >= HF_MEMO_BIT)
		rte_prefetch0(&c->at[w->said - HF_MEMO_BIT]);
	return w->said != HF_MEMO_NONE;
}

/* What of the rows is looked at first is sent for. */
void hf_classify_lead(const struct hf_classifier *c, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *w)
{
	const struct hf_at_block *b = first_block(c, delta, key);
	unsigned int i;

	begin(w, c);
	for (i = 0; b && i < w->n; i++) {
		rte_prefetch0(&w->row[i][b->first / HF_CHUNK_BITS]);
		if (b->split < b->end)
			rte_prefetch0(&w->row[i][b->split / HF_CHUNK_BITS]);
	}
}

/* The first chunk of a lane in which not all bits are 0, and its memory. */
static uint32_t fetch_lane(
	const struct hf_classifier *c, const struct hf_walk *w, uint32_t from, uint32_t end)
{
	const uint32_t *lead = w->row[w->n > 1], *second = w->row[w->n > 2 ? 2 : 0];
	uint32_t k = from / HF_CHUNK_BITS;
	unsigned int dim;

	if (from >= end)
		return end;
	while (!lead[k] | !second[k]) { /* the empty chunk */
		if (++k * HF_CHUNK_BITS >= end)
			return end;
	}
	for (dim = 0; dim < w->n; dim++)
		rte_prefetch0(&c->rows.pool[w->row[dim][k]]);
	return later(from, k * HF_CHUNK_BITS);
}

void hf_classify_fetch(const struct hf_classifier *c, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *w)
{
	const struct hf_at_block *b = first_block(c, delta, key);

	if (!b || w->said != HF_MEMO_NONE)
		return;
	w->begin[0] = fetch_lane(c, w, b->first, b->split);
	w->begin[1] = fetch_lane(c, w, b->split, b->end);
}

bool hf_classify_walk(const struct hf_classifier *c, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *w, struct hf_decision *ret)
{
	return run(c, delta, key, true, w, ret);
}
