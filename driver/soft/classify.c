/* SPDX-License-Identifier: BSD-3-Clause */

#include "classify.h"

#include <string.h>

/* Families by which tables are indexed. */
static unsigned int is6(const struct hf_key *key)
{
	return key->src.family != 4;
}

static void add_row(struct hf_walk *w, const struct hf_classifier *c, uint32_t row)
{
	w->row[w->n++] = c->rows.ids + row;
}

static void add_addr(
	struct hf_walk *w, const struct hf_classifier *c, enum hf_dim f, const struct hf_addr *addr)
{
	if (c->has[f])
		add_row(w, c, hf_spans_find(&c->addrs[f], addr));
}

static void add_port(struct hf_walk *w, const struct hf_classifier *c, enum hf_dim f,
	bool has_ports, uint16_t port)
{
	if (c->has[f])
		add_row(w, c, c->ports[f][has_ports ? port : HF_NO_PORT]);
}

static void begin(
	struct hf_walk *w, const struct hf_classifier *c, const struct hf_key *key, unsigned int ct)
{
	bool has_ports = hf_proto_has_ports(key->proto);

	w->n = 0;
	w->chunk = UINT32_MAX;
	add_addr(w, c, HF_DIM_SRC, &key->src);
	add_port(w, c, HF_DIM_DPORT, has_ports, key->dport);
	add_row(w, c, c->meta[ct][key->dnated][is6(key)][key->proto]);
	add_addr(w, c, HF_DIM_DST, &key->dst);
	if (c->has[HF_DIM_OUT])
		add_row(w, c, c->outs[key->out < c->n_ifaces ? key->out : c->n_ifaces]);
	add_port(w, c, HF_DIM_SPORT, has_ports, key->sport);
	add_addr(w, c, HF_DIM_WIRE_DST, &key->wire_dst);
	add_port(w, c, HF_DIM_WIRE_DPORT, has_ports, key->wire_dport);
}

static void hold_chunk(struct hf_walk *w, const struct hf_classifier *c, uint32_t k)
{
	const struct hf_chunk *pool = c->rows.pool;
	struct hf_chunk bits = pool[w->row[0][k]];
	unsigned int f, i;

	for (f = 1; f < w->n; f++) {
		const struct hf_chunk *other = &pool[w->row[f][k]];

		for (i = 0; i < HF_CHUNK_WORDS; i++)
			bits.w[i] &= other->w[i];
	}
	w->bits = bits;
	w->chunk = k;
}

/* The next bit from here on. There is one: the last rule of every block holds always. */
static uint32_t next_bit(struct hf_walk *w, const struct hf_classifier *c, uint32_t from)
{
	uint32_t k = from / HF_CHUNK_BITS, i = from % HF_CHUNK_BITS / 64;
	uint64_t mask = ~UINT64_C(0) << from % 64, bits;

	for (; k < c->rows.n_chunks; k++, i = 0) {
		if (w->chunk != k)
			hold_chunk(w, c, k);
		for (; i < HF_CHUNK_WORDS; i++, mask = ~UINT64_C(0)) {
			bits = w->bits.w[i] & mask;
			if (bits)
				return k * HF_CHUNK_BITS + i * 64 + (uint32_t)__builtin_ctzll(bits);
		}
	}
	return c->n_bits;
}

static const struct hf_match *match_at(const struct hf_classifier *c, uint32_t bit)
{
	uint32_t block = c->at[bit].block;

	return &hf_rules_block(c->rules, block)->rules[bit - c->block_first[block]].match;
}

static bool walk(struct hf_walk *w, const struct hf_classifier *c, const struct hf_key *key,
	bool blind, struct hf_decision *ret)
{
	const struct hf_path *path = hf_rules_find_path(c->rules, key->in, key->class);
	uint32_t bit;

	*ret = (struct hf_decision){.block = path ? path->block : 0};
	if (!path)
		return true;
	bit = next_bit(w, c, c->block_first[path->block]);
	while (bit < c->n_bits) {
		const struct hf_at *at = &c->at[bit];

		if (blind && at->needs_ct)
			return false;
		if (at->verify && !hf_match_has(c->rules, match_at(c, bit), key)) {
			bit = next_bit(w, c, bit + 1);
			continue;
		}
		if (at->op == HF_OP_VERDICT) {
			*ret = (struct hf_decision){at->verdict, at->origin, at->block,
				bit - c->block_first[at->block]};
			return true;
		}
		bit = next_bit(w, c, at->target);
	}
	return true;
}

struct hf_decision hf_classify(const struct hf_classifier *c, const struct hf_key *key)
{
	struct hf_decision d;
	struct hf_walk w;

	begin(&w, c, key, key->ct);
	(void)walk(&w, c, key, false, &d);
	return d;
}

bool hf_classify_blind(
	const struct hf_classifier *c, const struct hf_key *key, struct hf_decision *ret)
{
	struct hf_walk w;

	begin(&w, c, key, HF_CT_UNKNOWN);
	return walk(&w, c, key, true, ret);
}
