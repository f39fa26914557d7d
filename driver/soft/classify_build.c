/* SPDX-License-Identifier: BSD-3-Clause */

/* Building a classifier: a row for every value of every field. */

#include "classify_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE	((size_t)2 << 20)
#define LINE		64
#define PROTO_KINDS_MAX 256 /* protocols that some rule tells apart */

static uint64_t last_serial; /* atomic */

void hf_build_all_hold(struct hf_build *b)
{
	uint32_t bit;

	for (bit = 0; bit < b->c->n_bits; bit++)
		hf_pen_set(&b->pen, bit, b->match[bit] != NULL);
}

static int build_outs(struct hf_build *b)
{
	struct hf_classifier *c = b->c;
	uint32_t bit;
	size_t i;

	for (bit = 0; bit < c->n_bits; bit++)
		c->has[HF_DIM_OUT] |= b->match[bit] && b->match[bit]->out != HF_IF_ANY;
	if (!c->has[HF_DIM_OUT])
		return 0;
	c->outs = calloc(c->n_ifaces + 1, sizeof(*c->outs));
	if (!c->outs)
		return -ENOMEM;
	for (i = 0; i <= c->n_ifaces; i++) {
		for (bit = 0; bit < c->n_bits; bit++) {
			const struct hf_match *m = b->match[bit];

			hf_pen_set(&b->pen, bit, m && (m->out == HF_IF_ANY || m->out == i));
		}
		c->outs[i] = hf_pen_row(&b->pen);
		if (c->outs[i] == HF_ROW_FAIL)
			return -ENOMEM;
	}
	return 0;
}

/* Protocols that no rule tells apart are of one kind; ICMP is always told apart. */
struct proto_kinds {
	unsigned int n;
	uint8_t first[PROTO_KINDS_MAX]; /* one protocol of each */
	uint8_t kind[256];
};

/* Splits every kind into those inside and those outside of the protocols. */
static void split_kinds(struct proto_kinds *k, const uint64_t protos[4])
{
	int16_t inside[PROTO_KINDS_MAX], outside[PROTO_KINDS_MAX];
	unsigned int p, n = 0;

	memset(inside, -1, sizeof(inside));
	memset(outside, -1, sizeof(outside));
	for (p = 0; p < 256; p++) {
		bool in = protos[p / 64] >> p % 64 & 1;
		int16_t *to = in ? &inside[k->kind[p]] : &outside[k->kind[p]];

		if (*to < 0) {
			*to = (int16_t)n;
			k->first[n++] = (uint8_t)p;
		}
		k->kind[p] = (uint8_t)*to;
	}
	k->n = n;
}

static void find_kinds(const struct hf_build *b, struct proto_kinds *k)
{
	static const uint64_t icmp[2][4] = {
		{UINT64_C(1) << HF_PROTO_ICMP}, {UINT64_C(1) << HF_PROTO_ICMPV6}};
	const uint64_t *last = icmp[1];
	uint32_t bit;

	*k = (struct proto_kinds){.n = 1};
	split_kinds(k, icmp[0]);
	split_kinds(k, icmp[1]);
	for (bit = 0; bit < b->c->n_bits; bit++) {
		const struct hf_match *m = b->match[bit];

		/* Neighbours mostly ask for the same. */
		if (!m || memcmp(m->proto, last, sizeof(m->proto)) == 0)
			continue;
		last = m->proto;
		split_kinds(k, m->proto);
	}
}

static bool proto_holds(const struct hf_match *m, unsigned int ip6, uint8_t proto)
{
	if (!(m->proto[proto / 64] >> proto % 64 & 1) || (m->family && m->family != (ip6 ? 6 : 4)))
		return false;
	return m->n_icmp == 0 || proto == (ip6 ? HF_PROTO_ICMPV6 : HF_PROTO_ICMP);
}

static bool state_holds(const struct hf_match *m, unsigned int ct, unsigned int dnated)
{
	uint8_t states = ct == HF_CT_UNKNOWN ? HF_CT_ANY : HF_CT_BIT(ct);

	return (m->ct & states) && (dnated || !m->dnated_only);
}

static uint32_t state_row(struct hf_build *b, unsigned int ct, unsigned int dnated)
{
	uint32_t bit;

	for (bit = 0; bit < b->c->n_bits; bit++)
		hf_pen_set(&b->pen, bit, b->match[bit] && state_holds(b->match[bit], ct, dnated));
	return hf_pen_row(&b->pen);
}

static uint32_t proto_row(struct hf_build *b, unsigned int ip6, uint8_t proto)
{
	uint32_t bit;

	for (bit = 0; bit < b->c->n_bits; bit++)
		hf_pen_set(&b->pen, bit, b->match[bit] && proto_holds(b->match[bit], ip6, proto));
	return hf_pen_row(&b->pen);
}

static int build_meta(struct hf_build *b)
{
	uint32_t states[HF_N_CTS][2], protos[PROTO_KINDS_MAX][2], row;
	uint32_t by_kind[PROTO_KINDS_MAX];
	struct proto_kinds kinds;
	unsigned int ct, dnated, ip6, k, p;

	find_kinds(b, &kinds);
	for (k = 0; k < 2 * kinds.n; k++) {
		protos[k / 2][k % 2] = row = proto_row(b, k % 2, kinds.first[k / 2]);
		if (row == HF_ROW_FAIL)
			return -ENOMEM;
	}
	for (ct = 0; ct < 2 * HF_N_CTS; ct++) {
		states[ct / 2][ct % 2] = row = state_row(b, ct / 2, ct % 2);
		if (row == HF_ROW_FAIL)
			return -ENOMEM;
	}
	for (ct = 0; ct < 4 * HF_N_CTS; ct++) {
		dnated = ct / 2 % 2;
		ip6 = ct % 2;
		for (k = 0; k < kinds.n; k++) {
			by_kind[k] = hf_pen_and(&b->pen, states[ct / 4][dnated], protos[k][ip6]);
			if (by_kind[k] == HF_ROW_FAIL)
				return -ENOMEM;
		}
		for (p = 0; p < 256; p++)
			b->c->meta[ct / 4][dnated][ip6][p] = by_kind[kinds.kind[p]];
	}
	return 0;
}

/* Must the source (or destination) be in a set? */
static bool asks_addr(const struct hf_match *m, bool dst)
{
	uint16_t i;

	for (i = 0; i < m->n_addr; i++) {
		if (m->addr[i].dst == dst && !m->addr[i].negate)
			return true;
	}
	return false;
}

static bool must_verify(const struct hf_match *m)
{
	uint16_t i;

	for (i = 0; i < m->n_port; i++) {
		if (m->port[i].n_sets)
			return true;
	}
	return m->n_icmp > 0 || m->wire_out != HF_IF_ANY;
}

/* How many of the rules ask the source (or destination) to be in a set. */
static uint32_t count_asking(const struct hf_block *block, bool dst)
{
	uint32_t i, n = 0;

	for (i = 0; i < block->n_rules; i++)
		n += asks_addr(&block->rules[i].match, dst);
	return n;
}

static void put_rule(struct hf_build *b, uint32_t block, uint32_t rule, uint32_t bit)
{
	const struct hf_rule *r = &hf_rules_block(b->c->rules, block)->rules[rule];

	b->c->at[bit] = (struct hf_at){
		.op = (uint8_t)r->op,
		.verdict = (uint8_t)r->verdict,
		.verify = must_verify(&r->match),
		.needs_ct = r->match.ct != HF_CT_ANY,
		.block = block,
		.rule = rule,
		.to = r->op == HF_OP_GOTO ? r->target : r->origin,
	};
	b->match[bit] = r->op == HF_OP_LOG ? NULL : &r->match;
}

static void fill_block(struct hf_build *b, uint32_t block)
{
	const struct hf_block *from = hf_rules_block(b->c->rules, block);
	struct hf_at_block *to = &b->c->blocks[block];
	bool lanes = from->n_rules > b->lanes_from;
	bool dst = lanes && count_asking(from, true) > count_asking(from, false);
	uint32_t i, bit = to->first;

	for (i = 0; i < from->n_rules; i++) {
		if (!lanes || !asks_addr(&from->rules[i].match, dst))
			put_rule(b, block, i, bit++);
	}
	to->split = bit;
	for (i = 0; lanes && i < from->n_rules; i++) {
		if (asks_addr(&from->rules[i].match, dst))
			put_rule(b, block, i, bit++);
	}
	to->end = bit;
}

static int number_rules(struct hf_build *b)
{
	struct hf_classifier *c = b->c;
	size_t i, n = hf_rules_n_blocks(c->rules);
	uint64_t bits = 0;

	c->blocks = calloc(n + 1, sizeof(*c->blocks));
	if (!c->blocks)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		c->blocks[i].first = (uint32_t)bits;
		bits += hf_rules_block(c->rules, i)->n_rules;
		if (bits > HF_CLASSIFIER_SIZE_MAX / sizeof(*c->at))
			return -E2BIG;
	}
	c->n_bits = (uint32_t)bits;
	c->at = calloc(bits + 1, sizeof(*c->at));
	b->match = calloc(bits + 1, sizeof(*b->match));
	if (!c->at || !b->match)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		fill_block(b, (uint32_t)i);
	return 0;
}

static int build_fields(struct hf_build *b)
{
	static const enum hf_dim addrs[] = {HF_DIM_SRC, HF_DIM_DST, HF_DIM_WIRE_DST};
	static const enum hf_dim ports[] = {HF_DIM_DPORT, HF_DIM_SPORT, HF_DIM_WIRE_DPORT};
	int i, rc = build_meta(b);

	for (i = 0; i < 3 && rc == 0; i++)
		rc = hf_build_addrs(b, addrs[i]);
	for (i = 0; i < 3 && rc == 0; i++)
		rc = hf_build_ports(b, ports[i]);
	if (rc == 0)
		rc = build_outs(b);
	return rc == 0 ? hf_build_classes(b) : rc;
}

/* An array of the classifier, on its way into one piece of memory. */
struct piece {
	void **at;
	size_t size;
};

#define PIECES_MAX (4 + 7 * HF_N_DIMS)

static size_t list_pieces(struct hf_classifier *c, struct piece *ret)
{
	size_t n = 0;
	int dim;

	ret[n++] = (struct piece){(void **)&c->rows.pool, c->rows.n_pool * sizeof(*c->rows.pool)};
	ret[n++] = (struct piece){(void **)&c->rows.ids, c->rows.n_ids * sizeof(*c->rows.ids)};
	ret[n++] = (struct piece){(void **)&c->at, c->n_bits * sizeof(*c->at)};
	if (c->outs)
		ret[n++] = (struct piece){(void **)&c->outs, (c->n_ifaces + 1) * sizeof(*c->outs)};
	for (dim = 0; dim < HF_N_DIMS; dim++) {
		struct hf_spans *s = &c->addrs[dim];

		if (c->row_of[dim])
			ret[n++] = (struct piece){(void **)&c->row_of[dim],
				c->n_classes[dim] * sizeof(*c->row_of[dim])};
		if (c->ports[dim])
			ret[n++] = (struct piece){
				(void **)&c->ports[dim], HF_PORT_ROWS * sizeof(*c->ports[dim])};
		if (!s->roots)
			continue;
		ret[n++] = (struct piece){(void **)&s->roots, HF_SPANS_ROOTS * sizeof(*s->roots)};
		ret[n++] =
			(struct piece){(void **)&s->starts, (s->n_starts + 2) * sizeof(*s->starts)};
		ret[n++] = (struct piece){
			(void **)&s->low4, (s->n4 + HF_SPANS_AT_ONCE) * sizeof(*s->low4)};
		ret[n++] = (struct piece){(void **)&s->value4, s->n4 * sizeof(*s->value4)};
		ret[n++] = (struct piece){(void **)&s->v6, s->n6 * sizeof(*s->v6)};
	}
	return n;
}

/*
 * Moves everything together, into huge pages if it is large: packets look at it all over, and
 * would miss the TLB as often as the cache.
 */
static int pack(struct hf_classifier *c)
{
	struct piece pieces[PIECES_MAX];
	size_t i, n = list_pieces(c, pieces), size = 0, align = LINE;
	uint8_t *to;

	for (i = 0; i < n; i++)
		size += (pieces[i].size + LINE - 1) / LINE * LINE;
	c->large = size >= HUGE_PAGE / 2;
	if (c->large)
		align = HUGE_PAGE;
	size = (size + align - 1) / align * align;
	to = c->memory = aligned_alloc(align, size);
	if (!to)
		return -ENOMEM;
	if (c->large)
		(void)madvise(to, size, MADV_HUGEPAGE); /* only faster */
	for (i = 0; i < n; i++) {
		memcpy(to, *pieces[i].at, pieces[i].size);
		free(*pieces[i].at);
		*pieces[i].at = to;
		to += (pieces[i].size + LINE - 1) / LINE * LINE;
	}
	return 0;
}

int hf_classifier_new(const struct hf_rules *rules, uint32_t lanes_from, struct hf_classifier **ret)
{
	struct hf_build b = {.lanes_from = lanes_from, .c = calloc(1, sizeof(*b.c))};
	int rc;

	if (!b.c)
		return -ENOMEM;
	b.c->rules = rules;
	b.c->refs = 1;
	b.c->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
#ifdef __x86_64__
	b.c->avx512 = __builtin_cpu_supports("avx512f");
#endif
	b.c->n_ifaces = hf_rules_n_ifaces(rules);
	rc = number_rules(&b);
	if (rc == 0)
		rc = hf_rows_init(&b.c->rows, b.c->n_bits, HF_CLASSIFIER_SIZE_MAX);
	if (rc == 0)
		rc = hf_pen_init(&b.pen, &b.c->rows);
	if (rc == 0)
		rc = build_fields(&b);
	if (rc == 0)
		rc = hf_users_build(rules, b.c->blocks, &b.c->users);
	if (rc == 0)
		rc = pack(b.c);
	if (rc < 0 && b.c->rows.full)
		rc = -E2BIG;
	hf_pen_fini(&b.pen);
	free(b.match);
	hf_rows_close(&b.c->rows);
	if (rc < 0) {
		hf_classifier_free(b.c);
		return rc;
	}
	*ret = b.c;
	return 0;
}

static void free_pieces(struct hf_classifier *c)
{
	int dim;

	for (dim = 0; dim < HF_N_DIMS; dim++) {
		hf_spans_fini(&c->addrs[dim]);
		free(c->ports[dim]);
		free(c->row_of[dim]);
	}
	hf_rows_fini(&c->rows);
	free(c->at);
	free(c->outs);
}

void hf_classifier_free(struct hf_classifier *c)
{
	if (!c || --c->refs > 0)
		return;
	if (c->memory)
		free(c->memory);
	else
		free_pieces(c);
	hf_users_fini(&c->users);
	free(c->blocks);
	free(c->blind_dims);
	free(c);
}

size_t hf_classifier_size(const struct hf_classifier *c)
{
	size_t size = sizeof(*c) + c->n_bits * sizeof(*c->at) +
		      c->rows.n_pool * sizeof(*c->rows.pool) + c->rows.n_ids * sizeof(*c->rows.ids);
	int dim;

	for (dim = 0; dim < HF_N_DIMS; dim++) {
		size += c->addrs[dim].n4 * (sizeof(uint16_t) + sizeof(uint32_t)) +
			c->addrs[dim].n6 * sizeof(*c->addrs[dim].v6);
		size += c->ports[dim] ? HF_PORT_ROWS * sizeof(*c->ports[dim]) : 0;
		size += c->n_classes[dim] * sizeof(*c->row_of[dim]);
	}
	return size;
}
