/* SPDX-License-Identifier: BSD-3-Clause */

#include "rte_flow_items.h"

#include <rte_ethdev.h>

#include <assert.h>

#define ITEM(t, name)                                                                              \
	.type = RTE_FLOW_ITEM_TYPE_##t, .size = sizeof(struct rte_flow_item_##name),               \
	.mask = &rte_flow_item_##name##_mask
#define AT(name, member) offsetof(struct rte_flow_item_##name, member)

const struct item_type hf_rte_items[HF_LAYER_MAX_] = {
	[HF_LAYER_ETH] = {ITEM(ETH, eth), .n_fields = 3,
		.fields = {{HF_F_ETH_DST, AT(eth, hdr.dst_addr)},
			{HF_F_ETH_SRC, AT(eth, hdr.src_addr)},
			{HF_F_ETH_TYPE, AT(eth, hdr.ether_type)}}},
	[HF_LAYER_VLAN] = {ITEM(VLAN, vlan), .n_fields = 2,
		.fields = {{HF_F_VLAN_TCI, AT(vlan, hdr.vlan_tci)},
			{HF_F_VLAN_TYPE, AT(vlan, hdr.eth_proto)}}},
	[HF_LAYER_IPV4] = {ITEM(IPV4, ipv4), .n_fields = 5,
		.fields = {{HF_F_IP4_SRC, AT(ipv4, hdr.src_addr)},
			{HF_F_IP4_DST, AT(ipv4, hdr.dst_addr)},
			{HF_F_IP4_PROTO, AT(ipv4, hdr.next_proto_id)},
			{HF_F_IP4_TOS, AT(ipv4, hdr.type_of_service)},
			{HF_F_IP4_TTL, AT(ipv4, hdr.time_to_live)}}},
	[HF_LAYER_IPV6] = {ITEM(IPV6, ipv6), .n_fields = 4,
		.fields = {{HF_F_IP6_SRC, AT(ipv6, hdr.src_addr)},
			{HF_F_IP6_DST, AT(ipv6, hdr.dst_addr)},
			{HF_F_IP6_PROTO, AT(ipv6, hdr.proto)},
			{HF_F_IP6_HOP, AT(ipv6, hdr.hop_limits)}}},
	[HF_LAYER_FRAG6] = {.type = RTE_FLOW_ITEM_TYPE_IPV6_FRAG_EXT,
		.size = sizeof(struct rte_flow_item_ipv6_frag_ext),
		.mask = &(const struct rte_flow_item_ipv6_frag_ext){}},
	[HF_LAYER_TCP] = {ITEM(TCP, tcp), .n_fields = 3,
		.fields = {{HF_F_TCP_SPORT, AT(tcp, hdr.src_port)},
			{HF_F_TCP_DPORT, AT(tcp, hdr.dst_port)},
			{HF_F_TCP_FLAGS, AT(tcp, hdr.tcp_flags)}}},
	[HF_LAYER_UDP] = {ITEM(UDP, udp), .n_fields = 2,
		.fields = {{HF_F_UDP_SPORT, AT(udp, hdr.src_port)},
			{HF_F_UDP_DPORT, AT(udp, hdr.dst_port)}}},
	[HF_LAYER_SCTP] = {ITEM(SCTP, sctp), .n_fields = 2,
		.fields = {{HF_F_SCTP_SPORT, AT(sctp, hdr.src_port)},
			{HF_F_SCTP_DPORT, AT(sctp, hdr.dst_port)}}},
	[HF_LAYER_ICMP] = {ITEM(ICMP, icmp), .n_fields = 2,
		.fields = {{HF_F_ICMP_TYPE, AT(icmp, hdr.icmp_type)},
			{HF_F_ICMP_CODE, AT(icmp, hdr.icmp_code)}}},
	[HF_LAYER_ICMP6] = {ITEM(ICMP6, icmp6), .n_fields = 2,
		.fields = {{HF_F_ICMP6_TYPE, AT(icmp6, type)}, {HF_F_ICMP6_CODE, AT(icmp6, code)}}},
	[HF_LAYER_MARK] = {ITEM(MARK, mark), .host = true, .n_fields = 1,
		.fields = {{HF_F_MARK, AT(mark, id)}}},
	[HF_LAYER_META] = {ITEM(META, meta), .host = true, .n_fields = 1,
		.fields = {{HF_F_META, AT(meta, data)}}},
	[HF_LAYER_TAG] = {ITEM(TAG, tag), .host = true, .n_fields = 1,
		.fields = {{HF_F_TAG, AT(tag, data)}}},
	[HF_LAYER_PORT_ID] = {ITEM(PORT_ID, port_id), .host = true, .n_fields = 1,
		.fields = {{HF_F_PORT_ID, AT(port_id, id)}}},
	[HF_LAYER_REPRESENTED_PORT] = {ITEM(REPRESENTED_PORT, ethdev), .host = true, .n_fields = 1,
		.fields = {{HF_F_REPRESENTED_PORT, AT(ethdev, port_id)}}},
	[HF_LAYER_PORT_REPRESENTOR] = {ITEM(PORT_REPRESENTOR, ethdev), .host = true, .n_fields = 1,
		.fields = {{HF_F_PORT_REPRESENTOR, AT(ethdev, port_id)}}},
};

static void build_frag4(
	const struct hf_flow *flow, struct rte_flow_item *item, struct hf_rte_spec *s)
{
	struct rte_flow_item_ipv4 *spec = (void *)s->spec;
	struct rte_flow_item_ipv4 *last = (void *)s->last;
	struct rte_flow_item_ipv4 *mask = (void *)s->mask;
	const struct hf_pattern *p = &flow->pattern;
	unsigned int form = flow->frag;

	memcpy(&spec->hdr.fragment_offset, p->spec.ip4_off, 2);
	memcpy(&mask->hdr.fragment_offset, p->mask.ip4_off, 2);
	if (!p->mask.ip_frag)
		return;
	if (form == HF_FRAG_UNSAID)
		form = p->spec.ip_frag ? HF_FRAG_ANY : HF_FRAG_NOT;
	mask->hdr.fragment_offset = RTE_BE16(FRAG_OFF_MASK);
	if (form == HF_FRAG_ANY) {
		spec->hdr.fragment_offset = RTE_BE16(1);
		last->hdr.fragment_offset = RTE_BE16(FRAG_OFF_MASK);
		item->last = last;
	} else if (form == HF_FRAG_MF_RANGE) {
		spec->hdr.fragment_offset = RTE_BE16(8);
		last->hdr.fragment_offset = RTE_BE16(FRAG_MF);
		item->last = last;
	} else if (form == HF_FRAG_MF) {
		spec->hdr.fragment_offset = RTE_BE16(FRAG_MF);
		mask->hdr.fragment_offset = RTE_BE16(FRAG_MF);
	}
}

static void build_ip6(const struct hf_pattern *p, struct hf_rte_spec *s)
{
	struct rte_flow_item_ipv6 *spec = (void *)s->spec;
	struct rte_flow_item_ipv6 *mask = (void *)s->mask;
	uint32_t v;

	memcpy(&v, p->mask.ip6_vtc, 4);
	mask->hdr.vtc_flow = v | rte_cpu_to_be_32((uint32_t)p->mask.ip_tos << IP6_TC_SHIFT);
	memcpy(&v, p->spec.ip6_vtc, 4);
	spec->hdr.vtc_flow = v | rte_cpu_to_be_32((uint32_t)p->spec.ip_tos << IP6_TC_SHIFT);
	spec->has_frag_ext = p->spec.ip_frag & 1;
	mask->has_frag_ext = p->mask.ip_frag & 1;
}

static void build_special(const struct hf_flow *flow, enum hf_layer layer,
	struct rte_flow_item *item, struct hf_rte_spec *s)
{
	const struct hf_pattern *p = &flow->pattern;

	if (layer == HF_LAYER_ETH) {
		((struct rte_flow_item_eth *)(void *)s->spec)->has_vlan = p->spec.has_vlan & 1;
		((struct rte_flow_item_eth *)(void *)s->mask)->has_vlan = p->mask.has_vlan & 1;
	} else if (layer == HF_LAYER_IPV4) {
		build_frag4(flow, item, s);
	} else if (layer == HF_LAYER_IPV6) {
		build_ip6(p, s);
	} else if (layer == HF_LAYER_TAG && !all_zero(s->mask, sizeof(s->mask))) {
		((struct rte_flow_item_tag *)(void *)s->mask)->index = 0xff;
	}
}

static void build_item(const struct hf_flow *flow, enum hf_layer layer, struct rte_flow_item *item,
	struct hf_rte_spec *s)
{
	const struct item_type *t = &hf_rte_items[layer];
	size_t i;

	assert(t->size > 0 && t->size <= sizeof(s->spec));
	item->type = t->type;
	for (i = 0; i < t->n_fields; i++) {
		enum hf_field f = t->fields[i].field;
		size_t at = t->fields[i].offset, size = size_of(f);

		copy_bytes(&s->spec[at], hdr_of(&flow->pattern.spec, f), size, host_swaps(t));
		copy_bytes(&s->mask[at], hdr_of(&flow->pattern.mask, f), size, host_swaps(t));
	}
	build_special(flow, layer, item, s);
	if (all_zero(s->mask, t->size))
		return;
	item->spec = s->spec;
	item->mask = s->mask;
}

const enum rte_flow_action_type hf_rte_actions[HF_ACT_MAX_] = {
	[HF_ACT_DROP] = RTE_FLOW_ACTION_TYPE_DROP,
	[HF_ACT_QUEUE] = RTE_FLOW_ACTION_TYPE_QUEUE,
	[HF_ACT_RSS] = RTE_FLOW_ACTION_TYPE_RSS,
	[HF_ACT_MARK] = RTE_FLOW_ACTION_TYPE_MARK,
	[HF_ACT_FLAG] = RTE_FLOW_ACTION_TYPE_FLAG,
	[HF_ACT_JUMP] = RTE_FLOW_ACTION_TYPE_JUMP,
	[HF_ACT_COUNT] = RTE_FLOW_ACTION_TYPE_COUNT,
	[HF_ACT_AGE] = RTE_FLOW_ACTION_TYPE_AGE,
	[HF_ACT_PASSTHRU] = RTE_FLOW_ACTION_TYPE_PASSTHRU,
	[HF_ACT_SET_TAG] = RTE_FLOW_ACTION_TYPE_SET_TAG,
	[HF_ACT_SET_META] = RTE_FLOW_ACTION_TYPE_SET_META,
	[HF_ACT_MODIFY_FIELD] = RTE_FLOW_ACTION_TYPE_MODIFY_FIELD,
	[HF_ACT_PORT_ID] = RTE_FLOW_ACTION_TYPE_PORT_ID,
	[HF_ACT_REPRESENTED_PORT] = RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT,
	/* DEFAULT_MISS is a type of mlx5 alone, outside of the public numbers. */
};

/* RSS as testpmd's "rss queues 0 .. end" has it: the default function over the addresses. */
static void build_rss(struct hf_rte_flow *ret, struct rte_flow_action_rss *rss, uint32_t n)
{
	uint32_t i;

	n = RTE_MIN(n, (uint32_t)HF_RTE_RSS_QUEUES_MAX);
	for (i = 0; i < n; i++)
		ret->rss_queues[i] = (uint16_t)i;
	rss->types = RTE_ETH_RSS_IP;
	rss->queue_num = n;
	rss->queue = ret->rss_queues;
}

static void build_modify(const struct hf_flow_action *a, struct rte_flow_action_modify_field *conf)
{
	conf->operation = RTE_FLOW_MODIFY_SET;
	conf->width = REGISTER_BITS;
	conf->dst.field = register_id(a->field);
	conf->src.field = RTE_FLOW_FIELD_VALUE;
	memcpy(conf->src.value, &a->value, sizeof(a->value));
}

static void build_action(struct hf_rte_flow *ret, size_t i, const struct hf_flow_action *a)
{
	union hf_rte_conf *conf = &ret->confs[i];

	ret->actions[i].type = hf_rte_actions[a->act];
	ret->actions[i].conf = conf;
	switch (a->act) {
	case HF_ACT_QUEUE:
		conf->queue.index = (uint16_t)a->value;
		break;
	case HF_ACT_RSS:
		build_rss(ret, &conf->rss, a->value);
		break;
	case HF_ACT_MARK:
		conf->mark.id = a->value;
		break;
	case HF_ACT_JUMP:
		conf->jump.group = a->value;
		break;
	case HF_ACT_COUNT:
		conf->count.id = a->value;
		break;
	case HF_ACT_AGE:
		conf->age.timeout = a->value & 0xffffff;
		break;
	case HF_ACT_SET_TAG:
		conf->set_tag.data = a->value;
		conf->set_tag.mask = ~a->keep;
		break;
	case HF_ACT_SET_META:
		conf->set_meta.data = a->value;
		conf->set_meta.mask = UINT32_MAX;
		break;
	case HF_ACT_PORT_ID:
		conf->port_id.id = a->value;
		break;
	case HF_ACT_REPRESENTED_PORT:
		conf->ethdev.port_id = (uint16_t)a->value;
		break;
	case HF_ACT_MODIFY_FIELD:
		build_modify(a, &conf->modify_field);
		break;
	case HF_ACT_DROP:
	case HF_ACT_FLAG:
	case HF_ACT_PASSTHRU:
	case HF_ACT_DEFAULT_MISS:
	case HF_ACT_OTHER:
	case HF_ACT_MAX_:
		ret->actions[i].conf = NULL;
		break;
	}
}

void hf_rte_flow_build(const struct hf_flow *flow, struct hf_rte_flow *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->attr.group = flow->group;
	ret->attr.priority = flow->priority;
	ret->attr.ingress = flow->ingress;
	ret->attr.egress = flow->egress;
	ret->attr.transfer = flow->transfer;
	for (i = 0; i < flow->n_items; i++)
		build_item(flow, flow->items[i], &ret->items[i], &ret->specs[i]);
	ret->items[i].type = RTE_FLOW_ITEM_TYPE_END;
	for (i = 0; i < flow->n_actions; i++)
		build_action(ret, i, &flow->actions[i]);
	ret->actions[i].type = RTE_FLOW_ACTION_TYPE_END;
}
