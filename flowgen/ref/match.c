/* SPDX-License-Identifier: BSD-3-Clause */

#include "ref/match.h"

#include "model/model.h"

/* One side of a packet. */
struct end {
	const struct hf_addr *addr;
	uint8_t proto;
	uint16_t port;
};

/* docs/semantics.md 11.2: a list with entries, but none of this family, removes the rule. */
static bool list_lacks_family(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family)
			return false;
	}
	return n > 0;
}

/* docs/semantics.md 11.2: "in none of ... everything" removes the rule. */
static bool list_holds_everything(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family && nets[i].len == 0)
			return true;
	}
	return false;
}

static bool side_in_family(const struct hf_model_side *side, uint8_t family)
{
	return !list_lacks_family(side->nets, side->n_nets, family) &&
	       !list_lacks_family(side->not_nets, side->n_not_nets, family) &&
	       !list_holds_everything(side->not_nets, side->n_not_nets, family);
}

bool hf_ref_rule_in_family(const struct hf_model_rule *rule, uint8_t family)
{
	if (rule->ip_version && rule->ip_version != family)
		return false;
	return side_in_family(&rule->src, family) && side_in_family(&rule->dst, family);
}

/* docs/semantics.md 11.1: nets, "address in any"; an entry of the other family holds nothing. */
static bool any_net_has(const struct hf_prefix *nets, size_t n, const struct hf_addr *addr)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (hf_prefix_has(&nets[i], addr))
			return true;
	}
	return false;
}

static bool nets_match(const struct hf_model_side *side, const struct hf_addr *addr)
{
	if (side->n_nets && !any_net_has(side->nets, side->n_nets, addr))
		return false;
	return !any_net_has(side->not_nets, side->n_not_nets, addr);
}

/* docs/semantics.md 11.1: a selector wants a member, a lone notSelector anything but a member. */
static bool selectors_match(
	const struct hf_model *model, const struct hf_model_side *side, const struct hf_addr *addr)
{
	if (side->set != HF_NO_SET && !hf_set_has(&model->sets[side->set], addr))
		return false;
	return side->not_set == HF_NO_SET || !hf_set_has(&model->sets[side->not_set], addr);
}

static bool is_member(const struct hf_model *model, uint32_t set, const struct end *end)
{
	const struct hf_member m = {.addr = *end->addr, .proto = end->proto, .port = end->port};

	return hf_set_has_member(&model->sets[set], &m);
}

/* docs/semantics.md 11.3: a number, a range or a named port; ICMP and the like have no ports. */
static bool any_port_has(
	const struct hf_model *model, const struct hf_model_ports *ports, const struct end *end)
{
	size_t i;

	if (!hf_proto_has_ports(end->proto))
		return false;
	for (i = 0; i < ports->n_ranges; i++) {
		if (end->port >= ports->ranges[i].lo && end->port <= ports->ranges[i].hi)
			return true;
	}
	for (i = 0; i < ports->n_sets; i++) {
		if (is_member(model, ports->sets[i], end))
			return true;
	}
	return false;
}

static bool ports_match(
	const struct hf_model *model, const struct hf_model_side *side, const struct end *end)
{
	bool given = side->ports.n_ranges + side->ports.n_sets > 0;

	if (given && !any_port_has(model, &side->ports, end))
		return false;
	return !any_port_has(model, &side->not_ports, end);
}

/* docs/semantics.md 11.1, services: (address, protocol, port) of the service's backends. */
static bool service_matches(
	const struct hf_model *model, const struct hf_model_side *side, const struct end *end)
{
	return side->service == HF_NO_SET || is_member(model, side->service, end);
}

static bool side_matches(
	const struct hf_model *model, const struct hf_model_side *side, const struct end *end)
{
	return ports_match(model, side, end) && nets_match(side, end->addr) &&
	       selectors_match(model, side, end->addr) && service_matches(model, side, end);
}

static bool proto_matches(const struct hf_model_rule *rule, uint8_t proto)
{
	if (rule->has_proto && rule->proto != proto)
		return false;
	return !rule->has_not_proto || rule->not_proto != proto;
}

/* docs/semantics.md 11.1: type only, or type and code. */
static bool icmp_has(const struct hf_model_icmp *icmp, const struct hf_packet *pkt)
{
	return pkt->icmp_type == icmp->type && (!icmp->has_code || pkt->icmp_code == icmp->code);
}

/*
 * docs/semantics.md 11.1: icmp and notICMP both speak of packets of the family's own ICMP only; one
 * without a type asks nothing.
 */
static bool icmp_matches(const struct hf_model_rule *rule, const struct hf_packet *pkt)
{
	bool want = rule->icmp.given && rule->icmp.has_type;
	bool want_not = rule->not_icmp.given && rule->not_icmp.has_type;

	if (!want && !want_not)
		return true;
	if (pkt->proto != (pkt->src.family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6))
		return false;
	if (want && !icmp_has(&rule->icmp, pkt))
		return false;
	return !want_not || !icmp_has(&rule->not_icmp, pkt);
}

bool hf_ref_rule_has(
	const struct hf_model *model, const struct hf_model_rule *rule, const struct hf_packet *pkt)
{
	const struct end src = {.addr = &pkt->src, .proto = pkt->proto, .port = pkt->sport};
	const struct end dst = {.addr = &pkt->dst, .proto = pkt->proto, .port = pkt->dport};

	/* All must hold; what is decided soonest comes first. */
	return proto_matches(rule, pkt->proto) && icmp_matches(rule, pkt) &&
	       side_matches(model, &rule->dst, &dst) && side_matches(model, &rule->src, &src) &&
	       hf_ref_rule_in_family(rule, pkt->src.family);
}
