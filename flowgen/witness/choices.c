/* SPDX-License-Identifier: BSD-3-Clause */

#include "witness/choices.h"

#define NEUTRAL_SPORT 40000

static bool add_addr(struct addrs *a, const struct hf_addr *addr, const struct hf_prefix *net)
{
	struct addr_choice c = {.addr = *addr, .any = !net};
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (hf_addr_equal(&a->v[i].addr, addr))
			return true;
	}
	if (a->n == ADDRS_MAX)
		return false;
	if (net)
		c.net = *net;
	a->v[a->n++] = c;
	return true;
}

static void add_port(struct ports *p, uint32_t port, struct hf_ports range)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].port == port)
			return;
	}
	if (port <= UINT16_MAX && p->n < PORTS_MAX)
		p->v[p->n++] = (struct port_choice){(uint16_t)port, range};
}

/* The address before or behind; false when there is none. */
static bool step(struct hf_addr *a, int by)
{
	size_t i = hf_addr_bits(a) / 8;

	while (i-- > 0) {
		a->b[i] = (uint8_t)(a->b[i] + by);
		if (a->b[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

/* First and last of a net, and their neighbours. */
static void add_net(struct addrs *a, const struct hf_prefix *net)
{
	struct hf_addr first = net->addr, last = hf_prefix_last(net), beside;
	struct hf_prefix own = {.len = (uint8_t)hf_addr_bits(&first)};

	(void)add_addr(a, &first, net);
	(void)add_addr(a, &last, net);
	beside = first;
	own.addr = beside;
	if (step(&beside, -1)) {
		own.addr = beside;
		(void)add_addr(a, &beside, &own);
	}
	beside = last;
	if (step(&beside, 1)) {
		own.addr = beside;
		(void)add_addr(a, &beside, &own);
	}
}

static void add_range(struct ports *p, struct hf_ports r)
{
	add_port(p, r.lo, r);
	add_port(p, r.hi, r);
	if (r.lo > 0)
		add_port(p, r.lo - 1u,
			(struct hf_ports){(uint16_t)(r.lo - 1), (uint16_t)(r.lo - 1)});
	if (r.hi < UINT16_MAX)
		add_port(p, r.hi + 1u,
			(struct hf_ports){(uint16_t)(r.hi + 1), (uint16_t)(r.hi + 1)});
}

/* Nets of a set, from all over it when there are many. */
static void add_set(struct addrs *a, const struct hf_set *set, uint8_t family)
{
	size_t room = ADDRS_MAX / 4, stride = set->n_nets / room + 1, i;

	for (i = 0; i < set->n_nets; i += stride) {
		if (set->nets[i].addr.family == family)
			add_net(a, &set->nets[i]);
	}
	stride = set->n_members / room + 1;
	for (i = 0; i < set->n_members; i += stride) {
		if (set->members[i].addr.family == family)
			(void)add_addr(a, &set->members[i].addr, NULL);
	}
}

static void choose_addrs(struct choices *c, const struct common *all, const struct hf_rules *rules,
	const struct hf_match *m, uint8_t family)
{
	size_t i, k;

	for (i = 0; i < m->n_addr; i++)
		add_set(m->addr[i].dst ? &c->dst : &c->src, hf_rules_set(rules, m->addr[i].set),
			family);
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_sets; k++)
			add_set(m->port[i].dst ? &c->dst : &c->src,
				hf_rules_set(rules, m->port[i].sets[k]), family);
	}
	if (c->src.n == 0)
		c->src = all->src[family == 6];
	/* The class matters as much as the prefix. */
	for (i = 0; i < all->dst[family == 6].n; i++)
		(void)add_addr(&c->dst, &all->dst[family == 6].v[i].addr, NULL);
}

static void choose_ports(struct choices *c, const struct common *all, const struct hf_rules *rules,
	const struct hf_match *m)
{
	size_t i, k, n;

	for (i = 0; i < m->n_port; i++) {
		struct ports *p = m->port[i].dst ? &c->dport : &c->sport;

		for (k = 0; k < m->port[i].n_ranges; k++)
			add_range(p, m->port[i].ranges[k]);
		for (k = 0; k < m->port[i].n_sets; k++) {
			const struct hf_set *set = hf_rules_set(rules, m->port[i].sets[k]);

			for (n = 0; n < set->n_members && n < PORTS_MAX / 2; n++)
				add_range(p, (struct hf_ports){
						     set->members[n].port, set->members[n].port});
		}
	}
	if (c->dport.n == 0)
		c->dport = all->dport;
	add_port(&c->sport, NEUTRAL_SPORT, (struct hf_ports){0, UINT16_MAX});
}

static void choose_protos(struct choices *c, const struct hf_match *m, uint8_t family)
{
	const uint8_t icmp = family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6;
	const uint8_t common[] = {HF_PROTO_TCP, HF_PROTO_UDP, icmp, HF_PROTO_SCTP, 47};
	unsigned int p;
	size_t i;

	c->type = family == 4 ? 8 : 128; /* echo request */
	for (i = 0; i < m->n_icmp; i++) {
		c->type = m->icmp[i].type;
		c->code = m->icmp[i].code;
	}
	for (i = 0; i < sizeof(common); i++) {
		if (m->proto[common[i] / 64] >> common[i] % 64 & 1)
			c->protos[c->n_protos++] = common[i];
	}
	for (p = 0; p < 256 && c->n_protos == 0; p++) {
		if (m->proto[p / 64] >> p % 64 & 1)
			c->protos[c->n_protos++] = (uint8_t)p;
	}
}

void hf_choices_make(struct choices *ret, const struct common *common, const struct hf_rules *rules,
	const struct hf_match *m, uint8_t family)
{
	*ret = (struct choices){0};
	choose_addrs(ret, common, rules, m, family);
	choose_ports(ret, common, rules, m);
	choose_protos(ret, m, family);
}

void hf_common_add_rule(struct common *c, const struct hf_rules *rules, const struct hf_match *m)
{
	size_t i, k;

	for (i = 0; i < m->n_addr; i++) {
		const struct hf_set *set = hf_rules_set(rules, m->addr[i].set);

		if (m->addr[i].dst || set->n_nets == 0)
			continue;
		(void)add_addr(&c->src[set->nets[0].addr.family == 6], &set->nets[0].addr, NULL);
	}
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_ranges && m->port[i].dst; k++) {
			struct hf_ports lo = {m->port[i].ranges[k].lo, m->port[i].ranges[k].lo};

			add_port(&c->dport, lo.lo, lo);
		}
	}
}

void hf_common_add_facts(struct common *c, const struct hf_rules *rules)
{
	static const struct hf_addr outside[] = {
		{4, {198, 51, 100, 7}}, {6, {0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 7}}};
	size_t i;

	for (i = 0; i < 2; i++)
		(void)add_addr(&c->src[i], &outside[i], NULL);
	add_port(&c->dport, 9, (struct hf_ports){9, 9}); /* discard: hardly in any rule */
	for (i = 0; i < hf_rules_n_dests(rules); i++) {
		const struct hf_dest *d = hf_rules_dest(rules, i);
		struct addrs *a = &c->dst[d->net.addr.family == 6];

		if (a->n < ADDRS_MAX / 4)
			(void)add_addr(a, &d->net.addr, NULL);
	}
	for (i = 0; i < hf_rules_n_dnats(rules) && i < PORTS_MAX / 4; i++) {
		const struct hf_dnat *d = hf_rules_dnat(rules, i);

		(void)add_addr(&c->dst[d->addr.family == 6], &d->addr, NULL);
		add_port(&c->dport, d->port, (struct hf_ports){d->port, d->port});
	}
	for (i = 0; i < 2; i++)
		(void)add_addr(&c->dst[i], &outside[i], NULL);
}
