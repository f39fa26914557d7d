/* SPDX-License-Identifier: BSD-3-Clause */

/* From blocks of rules to a list. */

#include "flat_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 32 /* of ports or protocols of one rule */

struct lower {
	const struct hf_classifier *c;
	struct hf_flat_list *to;
};

struct range {
	uint16_t lo, hi;
};

struct ranges {
	unsigned int n;
	struct range v[RANGES_MAX];
};

/* A rule while it is taken apart. */
struct parts {
	bool exact;		      /* nothing was left out */
	const struct hf_set *nets[2]; /* of source and destination; NULL: any */
	struct ranges proto, ports[2];
};

/* Every packet here is IPv4, of no known state, and not rewritten. */
static bool is_about(const struct hf_rule *r)
{
	return r->op != HF_OP_LOG && r->match.ct && !r->match.dnated_only && r->match.family != 6;
}

static bool is_all(const struct hf_match *m)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (m->proto[i] != UINT64_MAX)
			return false;
	}
	return m->out == HF_IF_ANY && m->wire_out == HF_IF_ANY && !m->n_addr && !m->n_port &&
	       !m->n_icmp;
}

/* Does whatever comes here go to another block? */
static bool goes_on(const struct hf_rule *r)
{
	return r->op == HF_OP_GOTO && is_all(&r->match) && r->match.ct == HF_CT_ANY;
}

static uint32_t bit_of(const struct hf_classifier *c, uint32_t block, uint32_t rule)
{
	uint32_t bit = c->blocks[block].first;

	while (c->at[bit].rule != rule)
		bit++;
	return bit;
}

/* What comes of a jump to a block if it does not depend on the packet. */
static uint32_t said_by_block(const struct hf_classifier *c, uint32_t block)
{
	uint32_t i;

	for (;;) {
		const struct hf_block *b = hf_rules_block(c->rules, block);
		const struct hf_rule *r;

		for (i = 0; !is_about(&b->rules[i]); i++)
			;
		r = &b->rules[i];
		if (!is_all(&r->match))
			return HF_FLAT_ASK;
		if (r->match.ct != HF_CT_ANY)
			return HF_MEMO_STATE;
		if (r->op == HF_OP_VERDICT)
			return HF_MEMO_BIT + bit_of(c, block, i);
		block = r->target;
	}
}

static uint32_t said_by(const struct hf_classifier *c, uint32_t block, uint32_t rule)
{
	const struct hf_rule *r = &hf_rules_block(c->rules, block)->rules[rule];

	if (r->match.ct != HF_CT_ANY)
		return HF_MEMO_STATE;
	if (r->op == HF_OP_GOTO)
		return said_by_block(c, r->target);
	return HF_MEMO_BIT + bit_of(c, block, rule);
}

static bool add_range(struct ranges *r, uint32_t lo, uint32_t hi)
{
	if (lo > hi)
		return true;
	if (r->n == RANGES_MAX)
		return false;
	r->v[r->n++] = (struct range){(uint16_t)lo, (uint16_t)hi};
	return true;
}

/* False: no protocol has ports, or some have none, or there are too many. */
static bool take_protos(const struct hf_match *m, struct parts *p, bool *ret_ports)
{
	unsigned int proto, from = 256;
	bool room = true;

	*ret_ports = true;
	for (proto = 0; proto <= 256; proto++) {
		bool has = proto < 256 && m->proto[proto / 64] >> proto % 64 & 1;

		if (has && !hf_proto_has_ports((uint8_t)proto))
			*ret_ports = false;
		if (has && from == 256)
			from = proto;
		if (!has && from < 256) {
			room = room && add_range(&p->proto, from, proto - 1);
			from = 256;
		}
	}
	return room;
}

/* Nets of the only set that an address must be in. */
static void take_addrs(const struct lower *l, const struct hf_match *m, struct parts *p)
{
	uint16_t i;

	for (i = 0; i < m->n_addr; i++) {
		const struct hf_addr_cond *cond = &m->addr[i];

		if (cond->negate || p->nets[cond->dst])
			p->exact = false;
		else
			p->nets[cond->dst] = hf_rules_set(l->c->rules, cond->set);
	}
}

/* The ranges are sorted and apart, as policy has them in the rules; else they are left out. */
static bool outside(const struct hf_port_cond *cond, struct ranges *ret)
{
	uint32_t from = 0;
	uint16_t i;

	for (i = 0; i < cond->n_ranges; i++) {
		if (cond->ranges[i].lo < from)
			return false;
		if (cond->ranges[i].lo > from && !add_range(ret, from, cond->ranges[i].lo - 1u))
			return false;
		from = cond->ranges[i].hi + 1u;
	}
	return add_range(ret, from, UINT16_MAX);
}

static bool inside(const struct hf_port_cond *cond, struct ranges *ret)
{
	uint16_t i;

	for (i = 0; i < cond->n_ranges; i++) {
		if (!add_range(ret, cond->ranges[i].lo, cond->ranges[i].hi))
			return false;
	}
	return true;
}

/* Without ports no packet is in a range; such rules are only asked of protocols that have them. */
static void take_ports(const struct hf_match *m, bool have_ports, struct parts *p)
{
	bool taken[2] = {false, false};
	uint16_t i;

	for (i = 0; i < m->n_port; i++) {
		const struct hf_port_cond *cond = &m->port[i];
		struct ranges r = {0};

		if (taken[cond->dst] || cond->n_sets || !have_ports ||
			!(cond->negate ? outside(cond, &r) : inside(cond, &r))) {
			p->exact = false;
			continue;
		}
		taken[cond->dst] = true;
		p->ports[cond->dst] = r;
	}
	for (i = 0; i < 2; i++) {
		if (!taken[i])
			(void)add_range(&p->ports[i], 0, UINT16_MAX);
	}
}

static uint32_t be32(const uint8_t *b)
{
	return hf_span_be32(b);
}

/* The next IPv4 net from *i on; of any address: one of length 0. */
static bool next_net(const struct hf_set *set, size_t *i, uint32_t *ret, uint8_t *ret_len)
{
	if (!set) {
		*ret = 0;
		*ret_len = 0;
		return (*i)++ == 0;
	}
	while (*i < set->n_nets && set->nets[*i].addr.family != 4)
		(*i)++;
	if (*i == set->n_nets)
		return false;
	*ret = be32(set->nets[*i].addr.b);
	*ret_len = set->nets[(*i)++].len;
	return true;
}

static int add_rule(struct lower *l, const struct hf_flat_rule *r)
{
	if (l->to->n == HF_FLAT_RULES)
		return -E2BIG;
	l->to->v[l->to->n++] = *r;
	return 0;
}

/* All ranges with one pair of nets. */
static int add_ranges(struct lower *l, const struct parts *p, struct hf_flat_rule r)
{
	unsigned int i, s, d;
	int rc = 0;

	for (i = 0; i < p->proto.n; i++) {
		r.proto[0] = (uint8_t)p->proto.v[i].lo;
		r.proto[1] = (uint8_t)p->proto.v[i].hi;
		for (s = 0; s < p->ports[0].n; s++) {
			r.sport = (struct hf_ports){p->ports[0].v[s].lo, p->ports[0].v[s].hi};
			for (d = 0; d < p->ports[1].n && rc == 0; d++) {
				r.dport =
					(struct hf_ports){p->ports[1].v[d].lo, p->ports[1].v[d].hi};
				rc = add_rule(l, &r);
			}
		}
	}
	return rc;
}

static int lower_rule(struct lower *l, const struct hf_match *m, uint32_t said)
{
	struct parts p = {.exact = m->out == HF_IF_ANY && m->wire_out == HF_IF_ANY && !m->n_icmp};
	struct hf_flat_rule r = {0};
	size_t s = 0, d;
	bool have_ports;
	int rc = 0;

	if (!take_protos(m, &p, &have_ports))
		return -E2BIG;
	take_addrs(l, m, &p);
	take_ports(m, have_ports, &p);
	r.said = p.exact ? said : HF_FLAT_ASK;
	while (rc == 0 && next_net(p.nets[0], &s, &r.src, &r.src_len)) {
		for (d = 0; rc == 0 && next_net(p.nets[1], &d, &r.dst, &r.dst_len);)
			rc = add_ranges(l, &p, r);
	}
	return rc;
}

int hf_flat_lower(const struct hf_classifier *c, uint32_t block, struct hf_flat_list *ret)
{
	struct lower l = {.c = c, .to = ret};
	const struct hf_block *b;
	uint32_t i;
	int rc;

	ret->n = 0;
	for (;; block = b->rules[i].target) {
		b = hf_rules_block(c->rules, block);
		if (b->n_rules > HF_FLAT_RULES)
			return -E2BIG;
		for (i = 0; i < b->n_rules; i++) {
			const struct hf_rule *r = &b->rules[i];

			if (!is_about(r))
				continue;
			if (goes_on(r))
				break;
			rc = lower_rule(&l, &r->match, said_by(c, block, i));
			if (rc < 0 || is_all(&r->match))
				return rc;
		}
	}
}

size_t hf_flat_count(const struct hf_classifier *c, uint32_t block)
{
	size_t n = 0;

	for (;;) {
		const struct hf_block *b = hf_rules_block(c->rules, block);
		uint32_t i;

		for (i = 0; i < b->n_rules; i++) {
			const struct hf_rule *r = &b->rules[i];

			if (is_about(r) && is_all(&r->match))
				break;
			if (++n > HF_FLAT_RULES)
				return n;
		}
		if (i == b->n_rules || !goes_on(&b->rules[i]))
			return n;
		block = b->rules[i].target;
	}
}
