/* SPDX-License-Identifier: BSD-3-Clause */

#include "keys.h"

#include "world.h"

#include <hepflow/rules.h>

static struct hf_addr edge_of(struct hf_rand *r, const struct hf_prefix *net)
{
	struct hf_addr a = hf_rand_below(r, 2) ? net->addr : hf_prefix_last(net);

	if (hf_rand_below(r, 3) == 0)
		hf_addr_step(&a, hf_rand_below(r, 2));
	return a;
}

/* An edge of a set or destination of the rules, if one of the family turns up. */
static struct hf_addr edge_addr(struct hf_rand *r, const struct hf_rules *rules, uint8_t family)
{
	struct hf_addr a = {.family = family};
	int i;

	for (i = 0; i < 20; i++) {
		const struct hf_set *set =
			hf_rules_set(rules, hf_rand_below(r, hf_rules_n_sets(rules)));

		if (set->n_members > 0 && hf_rand_below(r, 2))
			a = set->members[hf_rand_below(r, set->n_members)].addr;
		else if (set->n_nets > 0)
			a = edge_of(r, &set->nets[hf_rand_below(r, set->n_nets)]);
		if (a.family == family)
			return a;
	}
	a = (struct hf_addr){.family = family};
	for (i = 0; i < (family == 4 ? 4 : 16); i++)
		a.b[i] = (uint8_t)hf_rand_below(r, 256);
	return a;
}

static const struct hf_rule *some_rule(struct hf_rand *r, const struct hf_rules *rules)
{
	const struct hf_block *b =
		hf_rules_block(rules, hf_rand_below(r, hf_rules_n_blocks(rules)));

	return &b->rules[hf_rand_below(r, b->n_rules)];
}

static uint16_t edge_port(struct hf_rand *r, const struct hf_rules *rules)
{
	int i;

	for (i = 0; i < 20; i++) {
		const struct hf_match *m = &some_rule(r, rules)->match;
		const struct hf_port_cond *cond;
		const struct hf_ports *range;

		if (m->n_port == 0)
			continue;
		cond = &m->port[hf_rand_below(r, m->n_port)];
		if (cond->n_sets > 0 && hf_rand_below(r, 2)) {
			const struct hf_set *set = hf_rules_set(rules, cond->sets[0]);

			if (set->n_members)
				return set->members[hf_rand_below(r, set->n_members)].port;
		}
		if (cond->n_ranges == 0)
			continue;
		range = &cond->ranges[hf_rand_below(r, cond->n_ranges)];
		return (uint16_t)((hf_rand_below(r, 2) ? range->lo : range->hi) +
				  hf_rand_below(r, 3) - 1);
	}
	return (uint16_t)hf_rand_below(r, 65536);
}

static uint8_t some_proto(struct hf_rand *r)
{
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_UDP,
		HF_PROTO_SCTP, HF_PROTO_UDPLITE, HF_PROTO_ICMP, HF_PROTO_ICMPV6, HF_PROTO_IPIP, 0};

	return hf_rand_below(r, 8) ? protos[hf_rand_below(r, sizeof(protos))]
				   : (uint8_t)hf_rand_below(r, 256);
}

static uint16_t some_iface(struct hf_rand *r, const struct hf_rules *rules)
{
	/* One too many now and then: an interface that is not there. */
	return (uint16_t)hf_rand_below(r, hf_rules_n_ifaces(rules) + !hf_rand_below(r, 16));
}

struct hf_key hf_edge_key(struct hf_rand *r, const struct hf_rules *rules)
{
	uint8_t family = hf_rand_below(r, 3) ? 4 : 6;
	struct hf_key key = {
		.in = some_iface(r, rules),
		.out = some_iface(r, rules),
		.class = (enum hf_class)hf_rand_below(r, 3),
		.proto = some_proto(r),
		.ct = hf_rand_below(r, 2) ? HF_CT_NEW : (enum hf_ct)hf_rand_below(r, 5),
		.dnated = hf_rand_below(r, 4) == 0,
		.src = edge_addr(r, rules, family),
		.dst = edge_addr(r, rules, family),
		.icmp_type = (uint8_t)hf_rand_between(r, 126, 138),
		.icmp_code = (uint8_t)hf_rand_below(r, 3),
		.sport = edge_port(r, rules),
		.dport = edge_port(r, rules),
	};

	key.wire_out = hf_rand_below(r, 4) ? key.out : some_iface(r, rules);
	key.wire_dst = key.dnated ? edge_addr(r, rules, family) : key.dst;
	key.wire_dport = key.dnated ? edge_port(r, rules) : key.dport;
	if (hf_rand_below(r, 6) == 0)
		key.icmp_type = (uint8_t)hf_rand_below(r, 256);
	return key;
}
