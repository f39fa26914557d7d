/* SPDX-License-Identifier: BSD-3-Clause */

#define HASH_NONFATAL_OOM	 1
#define uthash_nonfatal_oom(elt) (b->rc = -ENOMEM)
#define HASH_FUNCTION		 HF_HASH_UTHASH

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/hash.h>

#include <uthash.h>

#include <errno.h>
#include <string.h>

#define MAX_CONDS 8 /* four kinds of address criteria, two sides; ports and services are fewer */

/* By where the rules stand: policies of many endpoints have them in common. */
struct list_memo {
	const struct hf_model_rule *rules;
	uint32_t origin;
	const struct rendered *v[2]; /* on the wire or not; NULL: not asked for yet */
	UT_hash_handle hh;
};

/* A match while its conditions are collected. */
struct draft {
	struct build *b;
	struct hf_match m;
	const char *dead;
	struct hf_addr_cond addr[MAX_CONDS];
	struct hf_port_cond port[MAX_CONDS];
	struct hf_icmp_cond icmp[2];
};

static const struct hf_set *set_at(const struct draft *d, uint32_t set)
{
	return &d->b->sets.v[set];
}

static bool set_has_family(const struct hf_set *set, uint8_t family)
{
	size_t i;

	for (i = 0; i < set->n_nets; i++) {
		if (family == 0 || set->nets[i].addr.family == family)
			return true;
	}
	return false;
}

static bool members_have(const struct hf_set *set, uint8_t family, const uint64_t proto[4])
{
	size_t i;

	for (i = 0; i < set->n_members; i++) {
		const struct hf_member *m = &set->members[i];

		if ((family == 0 || m->addr.family == family) &&
			proto[m->proto / 64] >> m->proto % 64 & 1)
			return true;
	}
	return false;
}

/*
 * docs/semantics.md 11.2: which families a list of nets leaves, as a mask of bits 4 and 6; an empty
 * list leaves both.
 */
static unsigned int list_families(const struct hf_prefix *nets, size_t n, bool negate)
{
	unsigned int has = 0, all = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		has |= 1u << nets[i].addr.family;
		if (nets[i].len == 0)
			all |= 1u << nets[i].addr.family;
	}
	if (n == 0)
		has = 1u << 4 | 1u << 6;
	return negate ? has & ~all : has;
}

static unsigned int rule_families(const struct hf_model_rule *r)
{
	unsigned int f = r->ip_version ? 1u << r->ip_version : 1u << 4 | 1u << 6;

	f &= list_families(r->src.nets, r->src.n_nets, false);
	f &= list_families(r->src.not_nets, r->src.n_not_nets, true);
	f &= list_families(r->dst.nets, r->dst.n_nets, false);
	f &= list_families(r->dst.not_nets, r->dst.n_not_nets, true);
	return f;
}

static void add_addr(struct draft *d, bool dst, bool negate, uint32_t set)
{
	bool empty = !set_has_family(set_at(d, set), d->m.family);

	if (empty && negate)
		return;
	if (empty)
		d->dead = "set-empty";
	d->addr[d->m.n_addr++] = (struct hf_addr_cond){.dst = dst, .negate = negate, .set = set};
}

/* Only the nets of the family the rule is for. */
static void add_nets(struct draft *d, bool dst, bool negate, const struct hf_prefix *nets, size_t n)
{
	struct hf_prefix *some;
	size_t i, kept = 0;

	if (n == 0)
		return;
	if (d->m.family == 0 || (n == 1 && nets->addr.family == d->m.family)) {
		add_addr(d, dst, negate, hf_add_net_set(d->b, NULL, nets, n));
		return;
	}
	some = hf_arena_calloc(d->b->tmp, n, sizeof(*some));
	if (!some) {
		d->b->rc = -ENOMEM;
		return;
	}
	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == d->m.family)
			some[kept++] = nets[i];
	}
	add_addr(d, dst, negate, hf_add_net_set(d->b, NULL, some, kept));
}

static void add_ports(struct draft *d, bool dst, bool negate, const struct hf_model_ports *ports)
{
	struct hf_port_cond cond = {.dst = dst, .negate = negate};
	uint32_t *sets;
	size_t i;

	if (ports->n_ranges == 0 && ports->n_sets == 0)
		return;
	sets = hf_arena_calloc(d->b->rules->arena, ports->n_sets, sizeof(*sets));
	if (!sets) {
		d->b->rc = -ENOMEM;
		return;
	}
	for (i = 0; i < ports->n_sets; i++) {
		if (members_have(set_at(d, ports->sets[i]), d->m.family, d->m.proto))
			sets[cond.n_sets++] = ports->sets[i];
	}
	cond.sets = sets;
	cond.n_ranges = (uint16_t)ports->n_ranges;
	cond.ranges = hf_keep(d->b, ports->ranges, ports->n_ranges * sizeof(*ports->ranges));
	if (cond.n_sets == 0 && cond.n_ranges == 0) {
		if (!negate)
			d->dead = "set-empty";
		return;
	}
	d->port[d->m.n_port++] = cond;
}

static void add_side(struct draft *d, bool dst, const struct hf_model_side *side)
{
	const struct hf_model_ports service = {.n_sets = 1, .sets = &side->service};

	add_nets(d, dst, false, side->nets, side->n_nets);
	add_nets(d, dst, true, side->not_nets, side->n_not_nets);
	if (side->set != HF_NO_SET)
		add_addr(d, dst, false, side->set);
	if (side->not_set != HF_NO_SET)
		add_addr(d, dst, true, side->not_set);
	add_ports(d, dst, false, &side->ports);
	add_ports(d, dst, true, &side->not_ports);
	if (side->service != HF_NO_SET)
		add_ports(d, dst, false, &service);
}

static void add_protos(struct draft *d, const struct hf_model_rule *r)
{
	if (r->has_proto)
		hf_match_proto(&d->m, r->proto);
	if (r->has_not_proto)
		d->m.proto[r->not_proto / 64] &= ~(1ull << r->not_proto % 64);
}

/* Types need ICMP in IPv4 and ICMPv6 in IPv6, negated or not (docs/semantics.md 11.1). */
static void add_icmp(struct draft *d, const struct hf_model_icmp *icmp, bool negate)
{
	struct hf_match either = {0};
	size_t i;

	if (!icmp->given || !icmp->has_type)
		return;
	if (d->m.family != 6)
		either.proto[0] |= 1ull << HF_PROTO_ICMP;
	if (d->m.family != 4)
		either.proto[0] |= 1ull << HF_PROTO_ICMPV6;
	for (i = 0; i < 4; i++)
		d->m.proto[i] &= either.proto[i];
	d->icmp[d->m.n_icmp++] = (struct hf_icmp_cond){.negate = negate,
		.type = icmp->type,
		.has_code = icmp->has_code,
		.code = icmp->code};
}

static void draft_rule(struct draft *d, const struct hf_model_rule *r, bool wire)
{
	unsigned int families = rule_families(r);
	uint16_t i;

	d->m = HF_MATCH_ALL;
	if (families == 0) {
		d->dead = "no-family";
		return;
	}
	if (families == 1u << 4)
		d->m.family = 4;
	else if (families == 1u << 6)
		d->m.family = 6;
	add_protos(d, r);
	add_icmp(d, &r->icmp, false);
	add_icmp(d, &r->not_icmp, true);
	add_side(d, false, &r->src);
	add_side(d, true, &r->dst);
	for (i = 0; i < d->m.n_addr; i++)
		d->m.wire |= wire && d->addr[i].dst;
	for (i = 0; i < d->m.n_port; i++)
		d->m.wire |= wire && d->port[i].dst;
	if (!d->dead && !(d->m.proto[0] | d->m.proto[1] | d->m.proto[2] | d->m.proto[3]))
		d->dead = "no-protocol";
}

static void render(
	struct build *b, const struct hf_model_rule *rule, bool wire, struct rendered *ret)
{
	struct draft d = {.b = b};

	draft_rule(&d, rule, wire);
	d.m.addr = hf_keep(b, d.addr, d.m.n_addr * sizeof(d.addr[0]));
	d.m.port = hf_keep(b, d.port, d.m.n_port * sizeof(d.port[0]));
	d.m.icmp = hf_keep(b, d.icmp, d.m.n_icmp * sizeof(d.icmp[0]));
	ret->dead = d.dead;
	ret->match = d.m;
}

/* A list's origins are its own, so they need no looking up. */
static struct list_memo *find_list(struct build *b, const struct hf_model_rules *rules)
{
	struct list_memo *memo;
	size_t i;

	HASH_FIND_PTR(b->lists, &rules->v, memo);
	if (memo)
		return memo;
	memo = hf_arena_alloc(b->tmp, sizeof(*memo));
	if (!memo) {
		b->rc = -ENOMEM;
		return NULL;
	}
	memo->rules = rules->v;
	memo->origin = (uint32_t)b->origins.n;
	for (i = 0; i < rules->n; i++) {
		struct origin o = {.text = rules->v[i].origin, .place = rules->v[i].place};

		o.policy = true;
		if (hf_vec_push(&b->origins, o) < 0)
			b->rc = -ENOMEM;
	}
	HASH_ADD_PTR(b->lists, rules, memo);
	return memo;
}

struct rendered_list hf_render(struct build *b, const struct hf_model_rules *rules, bool wire)
{
	struct list_memo *memo = find_list(b, rules);
	struct rendered *v;
	size_t i;

	if (memo && !memo->v[wire]) {
		v = hf_arena_calloc(b->tmp, rules->n, sizeof(*v));
		if (!v)
			b->rc = -ENOMEM;
		for (i = 0; i < rules->n && b->rc == 0; i++)
			render(b, &rules->v[i], wire, &v[i]);
		memo->v[wire] = v;
	}
	if (b->rc < 0)
		return (struct rendered_list){0};
	return (struct rendered_list){memo->origin, memo->v[wire]};
}

void hf_free_matches(struct build *b)
{
	HASH_CLEAR(hh, b->lists);
}
