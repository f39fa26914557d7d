/* SPDX-License-Identifier: BSD-3-Clause */

#include "delta.h"

#include "classify.h"

#include <hepflow/base/vec.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW	 32 /* rules looked ahead for where both go on alike */
#define NEAR_MIN 8  /* nets of a set that may pass for another one */
#define NEAR_MAX 16 /* nets it may differ in */
#define AT_ONCE	 64 /* nets compared as bytes */

#define NONE	 UINT32_MAX

struct diff {
	const struct hf_classifier *c;
	const struct hf_rules *from, *to;
	struct hf_delta *d;
	HF_VEC(uint32_t) shaky;
	uint32_t *pair; /* by set of from: the one of to that is the same or nearly, or NONE */
	uint32_t *miss; /* the one that it was found to be another than last */
	bool *differs;	/* nearly */
	uint8_t *dirty; /* by hf_at_block.first and place: one of its sets is not what it was */
	uint32_t n_gone;
	int rc;
};

/* Notes a net that one of two sets has. */
static bool add_net(struct diff *x, const struct hf_prefix *net, size_t first)
{
	if (x->d->n_nets == HF_DELTA_NETS_MAX || x->d->n_nets - first == NEAR_MAX)
		return false;
	x->d->nets[x->d->n_nets++] = *net;
	return true;
}

/* Nets are sorted and disjoint, so who is in one set only is in a net that one set only has. */
static bool compare_nets(struct diff *x, const struct hf_set *a, const struct hf_set *b)
{
	size_t i = 0, k = 0, first = x->d->n_nets;
	bool same = true;

	while (same && (i < a->n_nets || k < b->n_nets)) {
		int c;

		if (a->n_nets - i >= AT_ONCE && b->n_nets - k >= AT_ONCE &&
			memcmp(&a->nets[i], &b->nets[k], AT_ONCE * sizeof(*a->nets)) == 0) {
			i += AT_ONCE;
			k += AT_ONCE;
			continue;
		}
		c = i == a->n_nets   ? 1
		    : k == b->n_nets ? -1
				     : hf_prefix_cmp(&a->nets[i], &b->nets[k]);
		if (c)
			same = add_net(x, c < 0 ? &a->nets[i] : &b->nets[k], first);
		i += c <= 0;
		k += c >= 0;
	}
	return same;
}

/* Sets are mostly numbered in the order in which rules ask for them. */
static void fetch_sets(const struct hf_rules *rules, uint32_t set)
{
	if (set + 24 >= hf_rules_n_sets(rules))
		return;
	__builtin_prefetch(hf_rules_set(rules, set + 24));
	__builtin_prefetch(hf_rules_set(rules, set + 12)->nets);
}

/* Most sets are a single net of one rule. */
static bool nets_equal(const struct hf_set *a, const struct hf_set *b)
{
	if (a->n_nets != b->n_nets)
		return false;
	if (a->n_nets == 1)
		return memcmp(a->nets, b->nets, sizeof(*a->nets)) == 0;
	return a->n_nets == 0 || memcmp(a->nets, b->nets, a->n_nets * sizeof(*a->nets)) == 0;
}

static bool sets_alike(struct diff *x, uint32_t a, uint32_t b)
{
	const struct hf_set *sa = hf_rules_set(x->from, a), *sb = hf_rules_set(x->to, b);
	size_t first = x->d->n_nets;
	bool alike;

	if (x->pair[a] == b)
		return true;
	if (x->pair[a] != NONE || x->miss[a] == b)
		return false;
	if (hf_rules_set_id(x->from, a) == hf_rules_set_id(x->to, b)) {
		x->pair[a] = b;
		return true;
	}
	fetch_sets(x->from, a);
	fetch_sets(x->to, b);
	if (sa->n_nets >= NEAR_MIN && sb->n_nets >= NEAR_MIN)
		alike = compare_nets(x, sa, sb);
	else
		alike = nets_equal(sa, sb);
	if (!alike) {
		x->d->n_nets = first;
		x->miss[a] = b;
		return false;
	}
	x->pair[a] = b;
	x->differs[a] = x->d->n_nets > first;
	return true;
}

static bool addrs_alike(struct diff *x, const struct hf_match *a, const struct hf_match *b)
{
	uint16_t i;

	for (i = 0; i < a->n_addr; i++) {
		const struct hf_addr_cond *ca = &a->addr[i], *cb = &b->addr[i];

		if (ca->dst != cb->dst || ca->negate != cb->negate ||
			!sets_alike(x, ca->set, cb->set))
			return false;
	}
	return true;
}

/* Sets of members have no rows: they are looked at in the new rules (hf_at.verify). */
static bool ports_alike(const struct hf_match *a, const struct hf_match *b)
{
	uint16_t i, k;

	for (i = 0; i < a->n_port; i++) {
		const struct hf_port_cond *ca = &a->port[i], *cb = &b->port[i];

		if (ca->dst != cb->dst || !ca->n_sets != !cb->n_sets)
			return false;
		if (ca->n_sets)
			continue;
		if (ca->negate != cb->negate || ca->n_ranges != cb->n_ranges)
			return false;
		for (k = 0; k < ca->n_ranges; k++) {
			if (ca->ranges[k].lo != cb->ranges[k].lo ||
				ca->ranges[k].hi != cb->ranges[k].hi)
				return false;
		}
	}
	return true;
}

/* Do both hold for the same packets, as far as the rows and what is shaky go? */
static bool rules_alike(struct diff *x, const struct hf_rule *ra, const struct hf_rule *rb)
{
	const struct hf_match *a = &ra->match, *b = &rb->match;

	if ((ra->op == HF_OP_LOG) != (rb->op == HF_OP_LOG) || a->family != b->family ||
		a->ct != b->ct || a->wire != b->wire || a->dnated_only != b->dnated_only ||
		a->out != b->out || (a->wire_out == HF_IF_ANY) != (b->wire_out == HF_IF_ANY) ||
		a->n_addr != b->n_addr || a->n_port != b->n_port || !a->n_icmp != !b->n_icmp ||
		memcmp(a->proto, b->proto, sizeof(a->proto)) != 0)
		return false;
	return ports_alike(a, b) && addrs_alike(x, a, b);
}

static bool is_shaky(const struct diff *x, const struct hf_match *older)
{
	uint16_t i;

	for (i = 0; i < older->n_addr; i++) {
		if (x->differs[older->addr[i].set])
			return true;
	}
	return false;
}

/* A pair of blocks, and how far both have been gone through. */
struct blocks {
	const struct hf_block *a, *b;
	uint32_t i, n_a;      /* of a */
	uint32_t k, n_b;      /* of b */
	uint32_t a_piece;     /* that i has come to */
	uint32_t b_piece;     /* that k has come to */
	uint32_t *moved;      /* of a */
	const uint8_t *dirty; /* of a */
};

static uint32_t next_piece(const struct hf_block *b, uint32_t piece, uint32_t at)
{
	while (piece < b->n_pieces && b->pieces[piece].first < at)
		piece++;
	return piece;
}

static bool is_clean(const struct blocks *p, const struct hf_piece *a)
{
	return !memchr(p->dirty + a->first, 1, a->n);
}

static void keep_piece(struct blocks *p, const struct hf_piece *a, const struct hf_piece *b)
{
	uint32_t i;

	for (i = 0; i < a->n; i++)
		p->moved[a->first + i] = b->first + i;
}

/* Where both have come to a piece that has not changed. */
static bool take_piece(struct blocks *p)
{
	const struct hf_piece *a, *b;

	p->a_piece = next_piece(p->a, p->a_piece, p->i);
	p->b_piece = next_piece(p->b, p->b_piece, p->k);
	if (p->a_piece == p->a->n_pieces || p->b_piece == p->b->n_pieces)
		return false;
	a = &p->a->pieces[p->a_piece];
	b = &p->b->pieces[p->b_piece];
	if (a->first != p->i || b->first != p->k || a->id != b->id || a->n > p->n_a - p->i ||
		b->n > p->n_b - p->k || !is_clean(p, a))
		return false;
	keep_piece(p, a, b);
	p->i += a->n;
	p->k += b->n;
	return true;
}

/* The same from the ends. */
static void take_end(struct blocks *p)
{
	uint32_t na = p->a->n_pieces, nb = p->b->n_pieces;

	while (na > 0 && nb > 0) {
		const struct hf_piece *a = &p->a->pieces[--na], *b = &p->b->pieces[--nb];

		if (a->first < p->i || b->first < p->k || a->id != b->id || !is_clean(p, a))
			return;
		keep_piece(p, a, b);
		p->n_a = a->first;
		p->n_b = b->first;
	}
}

static void keep(struct diff *x, struct blocks *p, uint32_t i, uint32_t k)
{
	p->moved[i] = k;
	if (p->a->rules[i].op == HF_OP_LOG || !is_shaky(x, &p->a->rules[i].match))
		return;
	p->moved[i] |= HF_DELTA_SHAKY;
	if (x->shaky.n == HF_DELTA_SHAKY_MAX)
		x->rc = -E2BIG;
	else if (hf_vec_push(&x->shaky, k) < 0)
		x->rc = -ENOMEM;
}

static void add_fresh(struct diff *x, const struct hf_block *b, uint32_t k)
{
	if (b->rules[k].op == HF_OP_LOG)
		return;
	if (x->d->n_fresh == HF_DELTA_FRESH_MAX)
		x->rc = -E2BIG;
	else
		x->d->fresh[x->d->n_fresh++] = k;
}

static bool alike_at(struct diff *x, const struct blocks *p, uint32_t i, uint32_t k)
{
	return i < p->n_a && k < p->n_b && rules_alike(x, &p->a->rules[i], &p->b->rules[k]);
}

/* The nearest place where both go on alike, or the ends. */
static void find_alike(struct diff *x, const struct blocks *p, uint32_t *ret_i, uint32_t *ret_k)
{
	uint32_t sum, n;

	for (sum = 1; sum <= WINDOW; sum++) {
		for (n = 0; n <= sum; n++) {
			*ret_i = p->i + n;
			*ret_k = p->k + sum - n;
			if (alike_at(x, p, *ret_i, *ret_k))
				return;
		}
	}
	*ret_i = p->n_a;
	*ret_k = p->n_b;
}

static void skip(struct diff *x, struct blocks *p)
{
	uint32_t i, k;

	find_alike(x, p, &i, &k);
	for (; p->k < k; p->k++)
		add_fresh(x, p->b, p->k);
	x->n_gone += i - p->i;
	if (x->n_gone > HF_DELTA_GONE_MAX)
		x->rc = -E2BIG;
	p->i = i;
}

/* What is compared lies all over the memory of both rules, so it is sent for ahead. */
static void fetch(const struct hf_block *b, uint32_t at, int way)
{
	uint32_t far = at + 24 * (uint32_t)way, near = at + 16 * (uint32_t)way;
	const struct hf_match *m;

	if (far >= b->n_rules || near >= b->n_rules) /* or below 0 */
		return;
	__builtin_prefetch(&b->rules[far]);
	__builtin_prefetch(&b->rules[far].match.port);
	m = &b->rules[near].match;
	__builtin_prefetch(m->addr);
	__builtin_prefetch(m->port);
	m = &b->rules[at + 8 * (uint32_t)way].match;
	if (m->n_port)
		__builtin_prefetch(m->port->ranges);
}

/*
 * The common end is told apart before what lies between is looked at, because there may be more of
 * that than the window.
 */
static void diff_block(struct diff *x, uint32_t older, uint32_t block)
{
	struct blocks p = {
		.a = hf_rules_block(x->from, older),
		.b = hf_rules_block(x->to, block),
		.moved = x->d->moved + x->c->blocks[older].first,
		.dirty = x->dirty + x->c->blocks[older].first,
	};
	uint32_t n_end = 0;

	p.n_a = p.a->n_rules;
	p.n_b = p.b->n_rules;
	for (;;) {
		if (take_piece(&p))
			continue;
		if (!alike_at(x, &p, p.i, p.k))
			break;
		fetch(p.a, p.i, 1);
		fetch(p.b, p.k, 1);
		keep(x, &p, p.i++, p.k++);
	}
	take_end(&p);
	while (p.n_a > p.i && p.n_b > p.k && alike_at(x, &p, p.n_a - 1, p.n_b - 1)) {
		fetch(p.a, --p.n_a, -1);
		fetch(p.b, --p.n_b, -1);
		n_end++;
	}
	while (x->rc == 0 && (p.i < p.n_a || p.k < p.n_b)) {
		if (take_piece(&p))
			continue;
		if (alike_at(x, &p, p.i, p.k)) {
			keep(x, &p, p.i, p.k);
			p.i++;
			p.k++;
		} else {
			skip(x, &p);
		}
	}
	for (; n_end > 0; n_end--)
		keep(x, &p, p.n_a++, p.n_b++);
}

/* Blocks are paired by name, in their order. */
static uint32_t find_older(const struct diff *x, uint32_t block, uint32_t from)
{
	const char *name = hf_rules_block(x->to, block)->name;
	size_t n = hf_rules_n_blocks(x->from);
	uint32_t i;

	if (block >= from && block < n &&
		hf_rules_block(x->from, block)->rules == hf_rules_block(x->to, block)->rules)
		return block;
	for (i = from; i < n && i - from < WINDOW; i++) {
		if (strcmp(hf_rules_block(x->from, i)->name, name) == 0)
			return i;
	}
	return HF_DELTA_GONE;
}

/* Thousands of blocks have but a few rules. */
static void fetch_blocks(const struct diff *x, uint32_t older, uint32_t block)
{
	const struct hf_block *b;

	if (older == HF_DELTA_GONE || older + 8 >= hf_rules_n_blocks(x->from) ||
		block + 8 >= hf_rules_n_blocks(x->to))
		return;
	b = hf_rules_block(x->from, older + 8);
	__builtin_prefetch(b->name);
	__builtin_prefetch(b->rules);
	__builtin_prefetch(&b->rules->match.port);
	b = hf_rules_block(x->to, block + 8);
	__builtin_prefetch(b->name);
	__builtin_prefetch(b->rules);
	__builtin_prefetch(&b->rules->match.port);
}

static void diff_blocks(struct diff *x)
{
	uint32_t block, k, next = 0;
	size_t n = hf_rules_n_blocks(x->to);

	for (block = 0; block < n && x->rc == 0; block++) {
		struct hf_delta_block *b = &x->d->blocks[block];

		*b = (struct hf_delta_block){
			.older = find_older(x, block, next),
			.fresh = (uint32_t)x->d->n_fresh,
			.shaky = (uint32_t)x->shaky.n,
		};
		if (b->older != HF_DELTA_GONE) {
			next = b->older + 1;
			diff_block(x, b->older, block);
		} else {
			for (k = 0; k < hf_rules_block(x->to, block)->n_rules; k++)
				add_fresh(x, hf_rules_block(x->to, block), k);
		}
		fetch_blocks(x, b->older, block);
		b->n_fresh = (uint32_t)x->d->n_fresh - b->fresh;
		b->n_shaky = (uint32_t)x->shaky.n - b->shaky;
	}
}

/* Rows and matches speak of interfaces by number. */
static bool same_ifaces(const struct hf_rules *a, const struct hf_rules *b)
{
	size_t i, n = hf_rules_n_ifaces(a);

	if (hf_rules_facts_id(a) == hf_rules_facts_id(b))
		return true;
	if (n != hf_rules_n_ifaces(b))
		return false;
	for (i = 0; i < n; i++) {
		if (strcmp(hf_rules_iface(a, i)->name, hf_rules_iface(b, i)->name) != 0)
			return false;
	}
	return true;
}

int hf_users_build(
	const struct hf_rules *rules, const struct hf_at_block *blocks, struct hf_users *ret)
{
	size_t n_sets = hf_rules_n_sets(rules), n_blocks = hf_rules_n_blocks(rules), i;
	uint32_t k, n = 0;
	uint16_t a;

	ret->from = calloc(n_sets + 2, sizeof(*ret->from));
	if (!ret->from)
		return -ENOMEM;
	for (i = 0; i < n_blocks; i++) {
		const struct hf_block *b = hf_rules_block(rules, i);

		for (k = 0; k < b->n_rules; k++) {
			for (a = 0; a < b->rules[k].match.n_addr; a++)
				ret->from[b->rules[k].match.addr[a].set + 2]++;
			n += b->rules[k].match.n_addr;
		}
	}
	ret->rules = malloc((n + 1) * sizeof(*ret->rules));
	if (!ret->rules)
		return -ENOMEM;
	for (i = 0; i < n_sets; i++)
		ret->from[i + 1] += ret->from[i];
	/* from[i + 1] is where set i goes on, and in the end where it ends. */
	for (i = 0; i < n_blocks; i++) {
		const struct hf_block *b = hf_rules_block(rules, i);

		for (k = 0; k < b->n_rules; k++) {
			for (a = 0; a < b->rules[k].match.n_addr; a++)
				ret->rules[ret->from[b->rules[k].match.addr[a].set + 1]++] =
					blocks[i].first + k;
		}
	}
	return 0;
}

void hf_users_fini(struct hf_users *users)
{
	free(users->from);
	free(users->rules);
}

void hf_pieces_differ(
	const struct hf_block *a, const struct hf_block *b, uint32_t *ret_lo, uint32_t *ret_hi)
{
	uint32_t i = 0, na = a->n_pieces, nb = b->n_pieces;

	for (; i < na && i < nb && a->pieces[i].id == b->pieces[i].id; i++)
		;
	for (; na > i && nb > i && a->pieces[na - 1].id == b->pieces[nb - 1].id; na--, nb--)
		;
	*ret_lo = i < b->n_pieces ? b->pieces[i].first : b->n_rules;
	*ret_hi = nb < b->n_pieces ? b->pieces[nb].first : b->n_rules;
}

/* Rules that ask for a set that is another one now. */
static void mark_dirty(struct diff *x)
{
	size_t i, n = hf_rules_n_sets(x->from), n_to = hf_rules_n_sets(x->to);
	const struct hf_users *users = &x->c->users;
	uint32_t u;

	for (i = 0; i < n; i++) {
		if (i < n_to && hf_rules_set_id(x->from, i) == hf_rules_set_id(x->to, i))
			continue;
		for (u = users->from[i]; u < users->from[i + 1]; u++)
			x->dirty[users->rules[u]] = 1;
	}
}

static int diff_init(struct diff *x)
{
	size_t n_sets = hf_rules_n_sets(x->from) + 1;
	struct hf_delta *d = x->d;

	d->blocks = calloc(hf_rules_n_blocks(x->to) + 1, sizeof(*d->blocks));
	d->moved = malloc((x->c->n_bits + 1) * sizeof(*d->moved));
	d->fresh = calloc(HF_DELTA_FRESH_MAX, sizeof(*d->fresh));
	x->pair = malloc(n_sets * sizeof(*x->pair));
	x->miss = malloc(n_sets * sizeof(*x->miss));
	x->differs = calloc(n_sets, sizeof(*x->differs));
	x->dirty = calloc(x->c->n_bits + 1, sizeof(*x->dirty));
	if (!d->blocks || !d->moved || !d->fresh || !x->pair || !x->miss || !x->differs ||
		!x->dirty)
		return -ENOMEM;
	memset(d->moved, 0xff, (x->c->n_bits + 1) * sizeof(*d->moved)); /* HF_DELTA_GONE */
	memset(x->pair, 0xff, n_sets * sizeof(*x->pair));
	memset(x->miss, 0xff, n_sets * sizeof(*x->miss));
	return 0;
}

int hf_delta_new(
	const struct hf_classifier *classifier, const struct hf_rules *rules, struct hf_delta **ret)
{
	struct hf_delta *d = calloc(1, sizeof(*d));
	struct diff x = {.c = classifier, .from = classifier->rules, .to = rules, .d = d};

	if (!d)
		return -ENOMEM;
	d->rules = rules;
	x.rc = diff_init(&x);
	if (x.rc == 0 && !same_ifaces(x.from, rules))
		x.rc = -E2BIG;
	if (x.rc == 0) {
		mark_dirty(&x);
		diff_blocks(&x);
	}
	d->shaky = x.shaky.v;
	d->n_shaky = x.shaky.n;
	free(x.pair);
	free(x.miss);
	free(x.differs);
	free(x.dirty);
	if (x.rc < 0) {
		hf_delta_free(d);
		return x.rc;
	}
	*ret = d;
	return 0;
}

void hf_delta_free(struct hf_delta *d)
{
	if (!d)
		return;
	free(d->blocks);
	free(d->moved);
	free(d->fresh);
	free(d->shaky);
	free(d);
}
