/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <string.h>

#define MAX_CONDS 8 /* four kinds of address criteria, two sides; ports and services are fewer */

/* A match while its conditions are collected. */
struct match_draft {
	struct build *b;
	struct hf_match m;
	const char *dead;
	struct hf_addr_cond addr[MAX_CONDS];
	struct hf_port_cond port[MAX_CONDS];
	struct hf_icmp_cond icmp[2];
};

static const struct hf_set *set_at(const struct match_draft *d, uint32_t set)
{
	return &d->b->notes->sets.v[set];
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

/* For whoever has to know when one of them changes. */
static void name_set(struct match_draft *d, uint32_t set)
{
	if (d->b->named && hf_vec_push(d->b->named, set) < 0)
		d->b->rc = -ENOMEM;
}

static void add_addr(struct match_draft *d, bool dst, bool negate, uint32_t set)
{
	bool empty = !set_has_family(set_at(d, set), d->m.family);

	name_set(d, set);
	if (empty && negate)
		return;
	if (empty)
		d->dead = "set-empty";
	d->addr[d->m.n_addr++] = (struct hf_addr_cond){.dst = dst, .negate = negate, .set = set};
}

/* Only the nets of the family the rule is for. */
static void add_nets(
	struct match_draft *d, bool dst, bool negate, const struct hf_prefix *nets, size_t n)
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

static void add_ports(
	struct match_draft *d, bool dst, bool negate, const struct hf_model_ports *ports)
{
	struct hf_port_cond cond = {.dst = dst, .negate = negate};
	uint32_t *sets;
	size_t i;

	if (ports->n_ranges == 0 && ports->n_sets == 0)
		return;
	sets = hf_arena_calloc(d->b->arena, ports->n_sets, sizeof(*sets));
	if (!sets) {
		d->b->rc = -ENOMEM;
		return;
	}
	for (i = 0; i < ports->n_sets; i++) {
		uint32_t set = hf_set_number(d->b, ports->sets[i]);

		name_set(d, set);
		if (members_have(set_at(d, set), d->m.family, d->m.proto))
			sets[cond.n_sets++] = set;
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

static void add_side(struct match_draft *d, bool dst, const struct hf_model_side *side)
{
	const struct hf_model_ports service = {.n_sets = 1, .sets = &side->service};

	add_nets(d, dst, false, side->nets, side->n_nets);
	add_nets(d, dst, true, side->not_nets, side->n_not_nets);
	if (side->set != HF_NO_SET)
		add_addr(d, dst, false, hf_set_number(d->b, side->set));
	if (side->not_set != HF_NO_SET)
		add_addr(d, dst, true, hf_set_number(d->b, side->not_set));
	add_ports(d, dst, false, &side->ports);
	add_ports(d, dst, true, &side->not_ports);
	if (side->service != HF_NO_SET)
		add_ports(d, dst, false, &service);
}

static void add_protos(struct match_draft *d, const struct hf_model_rule *r)
{
	if (r->has_proto)
		hf_match_proto(&d->m, r->proto);
	if (r->has_not_proto)
		d->m.proto[r->not_proto / 64] &= ~(1ull << r->not_proto % 64);
}

/* Types need ICMP in IPv4 and ICMPv6 in IPv6, negated or not (docs/semantics.md 11.1). */
static void add_icmp(struct match_draft *d, const struct hf_model_icmp *icmp, bool negate)
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

static void draft_rule(struct match_draft *d, const struct hf_model_rule *r, bool wire)
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
	struct match_draft d = {.b = b};

	draft_rule(&d, rule, wire);
	d.m.addr = hf_keep(b, d.addr, d.m.n_addr * sizeof(d.addr[0]));
	d.m.port = hf_keep(b, d.port, d.m.n_port * sizeof(d.port[0]));
	d.m.icmp = hf_keep(b, d.icmp, d.m.n_icmp * sizeof(d.icmp[0]));
	ret->dead = d.dead;
	ret->match = d.m;
}

static bool keep_named(struct build *b, struct source *source, const number_vec *named)
{
	size_t i;

	source->sets = hf_arena_dup(b->notes->pool, named->v, named->n * sizeof(*named->v));
	source->n_sets = (uint32_t)named->n;
	for (i = 0; i < named->n; i++)
		b->notes->set_uses.v[named->v[i]]++;
	return source->sets;
}

const struct rendered *hf_render(struct build *b, struct source *source, bool wire, bool pool)
{
	struct hf_arena *arena = b->arena;
	struct rendered *v;
	number_vec named = {0};
	size_t i;

	if (source->rendered_turn != b->notes->turn)
		source->rendered[0] = source->rendered[1] = NULL;
	source->rendered_turn = b->notes->turn;
	if (b->rc < 0 || (source->rendered[wire] && source->pooled[wire] >= pool))
		return b->rc < 0 ? NULL : source->rendered[wire];
	v = hf_arena_calloc(b->tmp, source->n, sizeof(*v));
	if (!v)
		b->rc = -ENOMEM;
	b->arena = pool ? b->notes->pool : b->tmp;
	b->named = &named;
	for (i = 0; i < source->n && b->rc == 0; i++)
		render(b, &source->rules[i], wire, &v[i]);
	b->named = NULL;
	b->arena = arena;
	if (b->rc == 0 && !source->sets && !keep_named(b, source, &named))
		b->rc = -ENOMEM;
	hf_vec_fini(&named);
	source->rendered[wire] = v;
	source->pooled[wire] = pool;
	return b->rc < 0 ? NULL : v;
}
