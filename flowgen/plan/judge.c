/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <string.h>

static void put16(uint8_t at[2], uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t l4_layer(const struct hf_packet *pkt)
{
	switch (pkt->proto) {
	case HF_PROTO_TCP:
		return HF_LAYER_BIT(HF_LAYER_TCP);
	case HF_PROTO_UDP:
		return HF_LAYER_BIT(HF_LAYER_UDP);
	case HF_PROTO_SCTP:
		return HF_LAYER_BIT(HF_LAYER_SCTP);
	case HF_PROTO_ICMP:
		return pkt->src.family == 4 ? HF_LAYER_BIT(HF_LAYER_ICMP) : 0;
	case HF_PROTO_ICMPV6:
		return pkt->src.family == 6 ? HF_LAYER_BIT(HF_LAYER_ICMP6) : 0;
	default:
		return 0;
	}
}

uint32_t hf_judge_parse(const struct hf_plan *plan, const struct hf_packet *pkt, struct hf_hdr *h)
{
	uint32_t layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_TAG);
	bool v4 = pkt->src.family == 4;

	memset(h, 0, sizeof(*h));
	if (plan->eswitch.on) {
		layers |= HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT) | HF_LAYER_BIT(HF_LAYER_PORT_ID);
		put16(h->represented_port, plan->eswitch.wire);
		put16(&h->port_id[2], plan->eswitch.wire);
	}
	put16(h->eth_type, v4 ? 0x0800 : 0x86dd);
	layers |= HF_LAYER_BIT(v4 ? HF_LAYER_IPV4 : HF_LAYER_IPV6);
	if (pkt->vlan) {
		h->has_vlan = 1;
		put16(h->vlan_tci, pkt->vlan);
		layers |= HF_LAYER_BIT(HF_LAYER_VLAN);
	}
	memcpy(h->ip_src, pkt->src.b, sizeof(h->ip_src));
	memcpy(h->ip_dst, pkt->dst.b, sizeof(h->ip_dst));
	h->ip_proto = pkt->proto;
	if (pkt->frag != HF_FRAG_NONE) {
		h->ip_frag = 1;
		if (!v4) {
			h->ip_proto = 44; /* the fragment header stands where the protocol is looked
					     for */
			layers |= HF_LAYER_BIT(HF_LAYER_FRAG6);
		}
		if (!plan->fragments_match_l4 || pkt->frag == HF_FRAG_LATER)
			return layers;
	}
	put16(h->sport, pkt->sport);
	put16(h->dport, pkt->dport);
	h->tcp_flags = pkt->tcp_flags;
	h->icmp_type = pkt->icmp_type;
	h->icmp_code = pkt->icmp_code;
	return layers | l4_layer(pkt);
}

/* With type scope a pattern that stops at IP is only for packets no deeper pattern could be for. */
static bool in_scope(const struct hf_plan *plan, const struct hf_entry *e, uint32_t layers,
	const struct hf_hdr *h)
{
	const uint32_t l4 = HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP) |
			    HF_LAYER_BIT(HF_LAYER_SCTP);

	if (!plan->type_scope || e->match.layers & l4)
		return true;
	return !(layers & l4) && !h->ip_frag;
}

static bool matches(const struct hf_entry *e, uint32_t layers, const struct hf_hdr *h)
{
	const uint8_t *p = (const uint8_t *)h, *spec = (const uint8_t *)&e->match.spec,
		      *mask = (const uint8_t *)&e->match.mask;
	size_t i;

	if (e->match.layers & ~layers)
		return false;
	for (i = 0; i < sizeof(*h); i++) {
		if ((p[i] ^ spec[i]) & mask[i])
			return false;
	}
	return true;
}

bool hf_judge_match(const struct hf_plan *plan, const struct hf_entry *e, uint32_t layers,
	const struct hf_hdr *h)
{
	return matches(e, layers, h) && in_scope(plan, e, layers, h);
}

void hf_judge_tag(const struct hf_entry *e, struct hf_hdr *h)
{
	unsigned int i;

	for (i = 0; e->sets_tag && i < sizeof(h->tag); i++) {
		h->tag[i] &= (uint8_t)(e->tag_keep >> (24 - 8 * i));
		h->tag[i] |= (uint8_t)(e->tag >> (24 - 8 * i));
	}
}

static size_t find_entry(
	const struct hf_plan *plan, uint32_t table, uint32_t layers, const struct hf_hdr *h)
{
	const struct hf_entry *best = NULL;
	size_t ret = SIZE_MAX, r, i;

	for (r = 0; r < plan->runs.n; r++) {
		const struct entry_run *run = &plan->runs.v[r];

		for (i = 0; i < run->n; i++) {
			const struct hf_entry *e = &run->v[i];

			if (e->table != table || !hf_judge_match(plan, e, layers, h))
				continue;
			if (best && e->priority >= best->priority)
				continue;
			best = e;
			ret = run->first + i;
		}
	}
	return ret;
}

enum hf_fate hf_plan_judge(
	const struct hf_plan *plan, const struct hf_packet *pkt, size_t *ret_entry)
{
	struct hf_hdr h;
	uint32_t layers = hf_judge_parse(plan, pkt, &h), table = 0;
	const struct hf_entry *e;
	size_t i;

	/* Jumps lead forward, so the walk ends. */
	while (table < plan->n_tables) {
		i = find_entry(plan, table, layers, &h);
		if (ret_entry)
			*ret_entry = i;
		if (i == SIZE_MAX) /* a port drops what a later group does not know (mlx5) */
			return table == 0 || plan->eswitch.on ? HF_FATE_PUNT : HF_FATE_DENY;
		e = hf_plan_at(plan, i);
		if (e->fate != HF_FATE_JUMP)
			return e->fate;
		hf_judge_tag(e, &h);
		table = e->jump;
	}
	if (ret_entry)
		*ret_entry = SIZE_MAX;
	return HF_FATE_PUNT;
}
