/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/rteflow.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>

#include <assert.h>
#include <string.h>

#define FRAG_OFF_MASK 0x3fff /* MF and offset of the IPv4 fragment word (RFC 791) */
#define FRAG_MF	      0x2000
#define IP6_TC_SHIFT  20
#define IP6_TC_MASK   (0xffu << IP6_TC_SHIFT)
#define IP6_FLOW_MASK 0xfffffu
#define ITEM_FIELDS   7

/*
 * Fields that are whole bytes of an item, in network order on both sides, or numbers in host order
 * where "host" says so. The others are in the special functions below.
 */
struct item_type {
	enum rte_flow_item_type type;
	uint8_t size;
	bool host;
	const void *mask; /* what a NULL mask means */
	size_t n_fields;
	struct {
		enum hf_field field;
		uint8_t offset;
	} fields[ITEM_FIELDS];
};

#define ITEM(t, name)                                                                              \
	.type = RTE_FLOW_ITEM_TYPE_##t, .size = sizeof(struct rte_flow_item_##name),               \
	.mask = &rte_flow_item_##name##_mask
#define AT(name, member) offsetof(struct rte_flow_item_##name, member)

static const struct item_type types[HF_LAYER_MAX_] = {
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
};

/* One item as bytes: spec and last are already under mask. */
union item_bytes {
	uint8_t b[64];
	struct rte_flow_item_eth eth;
	struct rte_flow_item_vlan vlan;
	struct rte_flow_item_ipv4 ipv4;
	struct rte_flow_item_ipv6 ipv6;
	struct rte_flow_item_tag tag;
};

struct item_data {
	union item_bytes spec;
	union item_bytes last;
	union item_bytes mask; /* what has been understood is cleared */
};

/* Bytes of a field in an item: an IPv4 address is the first four of hf_hdr's sixteen. */
static size_t size_of(enum hf_field f)
{
	return f == HF_F_IP4_SRC || f == HF_F_IP4_DST ? sizeof(rte_be32_t) : hf_field_info(f)->size;
}

static uint8_t *hdr_at(struct hf_hdr *hdr, enum hf_field f)
{
	return (uint8_t *)hdr + hf_field_info(f)->offset;
}

static const uint8_t *hdr_of(const struct hf_hdr *hdr, enum hf_field f)
{
	return (const uint8_t *)hdr + hf_field_info(f)->offset;
}

static void copy_bytes(uint8_t *to, const uint8_t *from, size_t size, bool swap)
{
	size_t i;

	for (i = 0; i < size; i++)
		to[i] = from[swap ? size - 1 - i : i];
}

static bool host_swaps(const struct item_type *t)
{
	return t->host && RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN;
}

static bool all_zero(const uint8_t *b, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (b[i])
			return false;
	}
	return true;
}

/* Of a truth value the lowest bit counts. */
static void set_flag(struct hf_pattern *p, enum hf_field f, bool value)
{
	*hdr_at(&p->mask, f) = 1;
	*hdr_at(&p->spec, f) = value;
}

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
	const struct item_type *t = &types[layer];
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

static const enum rte_flow_action_type action_types[HF_ACT_MAX_] = {
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

static void build_action(struct hf_rte_flow *ret, size_t i, const struct hf_flow_action *a)
{
	union hf_rte_conf *conf = &ret->confs[i];

	ret->actions[i].type = action_types[a->act];
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
		conf->set_tag.mask = UINT32_MAX;
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
	case HF_ACT_DROP:
	case HF_ACT_FLAG:
	case HF_ACT_PASSTHRU:
	case HF_ACT_MODIFY_FIELD:
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

static enum hf_layer find_layer(enum rte_flow_item_type type)
{
	unsigned int l;

	for (l = 0; l < HF_LAYER_OTHER; l++) {
		if (types[l].type == type)
			break;
	}
	return (enum hf_layer)l;
}

/* Zero and the value itself are no range (DPDK programmer's guide, "Pattern item"). */
static bool is_range(const uint8_t *spec, const uint8_t *last, size_t size)
{
	return !all_zero(last, size) && memcmp(spec, last, size) != 0;
}

/* Which of the forms drivers know, or none of them. */
static enum hf_frag_form find_frag_form(uint16_t spec, uint16_t last, uint16_t mask)
{
	bool range = last && last != spec;

	if (mask == FRAG_MF && spec == FRAG_MF && !range)
		return HF_FRAG_MF;
	if (mask != FRAG_OFF_MASK)
		return HF_FRAG_UNSAID;
	if (spec == 0 && !range)
		return HF_FRAG_NOT;
	if (spec == 1 && last == FRAG_OFF_MASK)
		return HF_FRAG_ANY;
	if (spec == 8 && last == FRAG_MF)
		return HF_FRAG_MF_RANGE;
	return HF_FRAG_UNSAID;
}

static void read_frag4(struct item_data *d, struct hf_flow *flow)
{
	uint16_t spec = rte_be_to_cpu_16(d->spec.ipv4.hdr.fragment_offset);
	uint16_t last = rte_be_to_cpu_16(d->last.ipv4.hdr.fragment_offset);
	uint16_t mask = rte_be_to_cpu_16(d->mask.ipv4.hdr.fragment_offset);

	if (!mask)
		return;
	flow->frag = find_frag_form(spec, last, mask);
	if (flow->frag != HF_FRAG_UNSAID) {
		set_flag(&flow->pattern, HF_F_IP4_FRAG, flow->frag != HF_FRAG_NOT);
	} else {
		memcpy(flow->pattern.spec.ip4_off, &d->spec.ipv4.hdr.fragment_offset, 2);
		memcpy(flow->pattern.mask.ip4_off, &d->mask.ipv4.hdr.fragment_offset, 2);
		if (last && last != spec)
			flow->has_last = true;
	}
	d->mask.ipv4.hdr.fragment_offset = 0;
}

static void read_ip6(struct item_data *d, struct hf_pattern *p)
{
	rte_be32_t flow_be = RTE_BE32(IP6_FLOW_MASK);
	rte_be32_t spec_be = d->spec.ipv6.hdr.vtc_flow;
	rte_be32_t mask_be = d->mask.ipv6.hdr.vtc_flow;
	rte_be32_t v;

	p->mask.ip_tos = (uint8_t)(rte_be_to_cpu_32(mask_be) >> IP6_TC_SHIFT);
	p->spec.ip_tos = (uint8_t)(rte_be_to_cpu_32(spec_be) >> IP6_TC_SHIFT);
	v = mask_be & flow_be;
	memcpy(p->mask.ip6_vtc, &v, 4);
	v = spec_be & flow_be;
	memcpy(p->spec.ip6_vtc, &v, 4);
	d->mask.ipv6.hdr.vtc_flow = mask_be & ~(flow_be | RTE_BE32(IP6_TC_MASK));
	if (d->mask.ipv6.has_frag_ext)
		set_flag(p, HF_F_IP6_FRAG, d->spec.ipv6.has_frag_ext);
	d->mask.ipv6.has_frag_ext = 0;
}

/* What the table does not cover. Returns a reason if a value cannot be said. */
static enum hf_reject read_special(enum hf_layer layer, struct item_data *d, struct hf_flow *flow)
{
	if (layer == HF_LAYER_ETH) {
		if (d->mask.eth.has_vlan)
			set_flag(&flow->pattern, HF_F_ETH_HAS_VLAN, d->spec.eth.has_vlan);
		/* The bit stands in the first of the bytes behind the header; the others are
		 * padding, which is nobody's and must not count as a field. */
		memset(&d->mask.b[sizeof(struct rte_ether_hdr)], 0, 2);
	} else if (layer == HF_LAYER_IPV4) {
		read_frag4(d, flow);
	} else if (layer == HF_LAYER_IPV6) {
		read_ip6(d, &flow->pattern);
	} else if (layer == HF_LAYER_TAG) {
		/* hf_hdr has one tag register. */
		if (d->spec.tag.index != 0)
			return HF_REJECT_VALUE;
		memset(&d->mask.b[AT(tag, index)], 0, sizeof(d->mask.tag) - AT(tag, index));
	}
	return HF_REJECT_NONE;
}

static void copy_item(enum hf_layer layer, const struct rte_flow_item *item, struct item_data *d)
{
	const struct item_type *t = &types[layer];
	size_t i;

	memset(d, 0, sizeof(*d));
	memcpy(d->mask.b, item->mask ? item->mask : t->mask, t->size);
	for (i = 0; i < t->size; i++) {
		d->spec.b[i] = ((const uint8_t *)item->spec)[i] & d->mask.b[i];
		if (item->last)
			d->last.b[i] = ((const uint8_t *)item->last)[i] & d->mask.b[i];
	}
}

static enum hf_reject read_fields(
	enum hf_layer layer, const struct rte_flow_item *item, struct hf_flow *flow)
{
	const struct item_type *t = &types[layer];
	struct item_data d;
	enum hf_reject rc;
	size_t i;

	copy_item(layer, item, &d);
	for (i = 0; i < t->n_fields; i++) {
		enum hf_field f = t->fields[i].field;
		size_t at = t->fields[i].offset, size = size_of(f);

		copy_bytes(hdr_at(&flow->pattern.spec, f), &d.spec.b[at], size, host_swaps(t));
		copy_bytes(hdr_at(&flow->pattern.mask, f), &d.mask.b[at], size, host_swaps(t));
		if (is_range(&d.spec.b[at], &d.last.b[at], size))
			flow->has_last = true;
		memset(&d.mask.b[at], 0, size);
	}
	rc = read_special(layer, &d, flow);
	if (rc)
		return rc;
	return all_zero(d.mask.b, t->size) ? HF_REJECT_NONE : HF_REJECT_FIELD;
}

/* Layers that share places in struct hf_hdr: the first of them has the fields. */
static uint32_t place_sharers(enum hf_layer layer)
{
	static const uint32_t sharers[] = {
		HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6),
		HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP) |
			HF_LAYER_BIT(HF_LAYER_SCTP),
		HF_LAYER_BIT(HF_LAYER_ICMP) | HF_LAYER_BIT(HF_LAYER_ICMP6),
	};
	size_t i;

	for (i = 0; i < RTE_DIM(sharers); i++) {
		if (sharers[i] & HF_LAYER_BIT(layer))
			return sharers[i];
	}
	return HF_LAYER_BIT(layer);
}

static enum hf_reject read_item(const struct rte_flow_item *item, struct hf_flow *flow)
{
	enum hf_layer layer = find_layer(item->type);
	bool first = !(flow->pattern.layers & place_sharers(layer));

	if (flow->n_items == HF_FLOW_ITEMS_MAX)
		return HF_REJECT_PATTERN;
	flow->items[flow->n_items++] = (uint8_t)layer;
	flow->pattern.layers |= HF_LAYER_BIT(layer);
	if (layer == HF_LAYER_OTHER)
		return HF_REJECT_NONE;
	if (!item->spec)
		return item->mask || item->last ? HF_REJECT_MASK : HF_REJECT_NONE;
	return first ? read_fields(layer, item, flow) : HF_REJECT_NONE;
}

static enum hf_act find_act(enum rte_flow_action_type type)
{
	unsigned int a;

	for (a = 0; a < HF_ACT_DEFAULT_MISS; a++) {
		if (action_types[a] == type)
			return (enum hf_act)a;
	}
	return HF_ACT_OTHER;
}

/* Actions that mean nothing without a configuration. */
#define NEEDS_CONF                                                                                 \
	(HF_ACT_BIT(HF_ACT_QUEUE) | HF_ACT_BIT(HF_ACT_RSS) | HF_ACT_BIT(HF_ACT_MARK) |             \
		HF_ACT_BIT(HF_ACT_JUMP) | HF_ACT_BIT(HF_ACT_AGE) | HF_ACT_BIT(HF_ACT_SET_TAG) |    \
		HF_ACT_BIT(HF_ACT_SET_META) | HF_ACT_BIT(HF_ACT_PORT_ID) |                         \
		HF_ACT_BIT(HF_ACT_REPRESENTED_PORT))

/* A hash of what is inside of a tunnel is beyond hf_flow. */
static bool read_rss(const struct rte_flow_action_rss *conf, uint32_t *ret)
{
	*ret = conf->queue_num;
	return conf->level <= 1;
}

static bool read_tag(const struct rte_flow_action_set_tag *conf, uint32_t *ret)
{
	*ret = conf->data;
	return conf->mask == UINT32_MAX && conf->index == 0;
}

static bool read_meta(const struct rte_flow_action_set_meta *conf, uint32_t *ret)
{
	*ret = conf->data;
	return conf->mask == UINT32_MAX;
}

/* False: hf_flow cannot say it. */
static bool read_value(enum hf_act act, const void *conf, uint32_t *ret)
{
	switch (act) {
	case HF_ACT_QUEUE:
		*ret = ((const struct rte_flow_action_queue *)conf)->index;
		return true;
	case HF_ACT_RSS:
		return read_rss(conf, ret);
	case HF_ACT_MARK:
		*ret = ((const struct rte_flow_action_mark *)conf)->id;
		return true;
	case HF_ACT_JUMP:
		*ret = ((const struct rte_flow_action_jump *)conf)->group;
		return true;
	case HF_ACT_COUNT:
		*ret = conf ? ((const struct rte_flow_action_count *)conf)->id : 0;
		return true;
	case HF_ACT_AGE:
		*ret = ((const struct rte_flow_action_age *)conf)->timeout;
		return true;
	case HF_ACT_SET_TAG:
		return read_tag(conf, ret);
	case HF_ACT_SET_META:
		return read_meta(conf, ret);
	case HF_ACT_PORT_ID:
		*ret = ((const struct rte_flow_action_port_id *)conf)->id;
		return true;
	case HF_ACT_REPRESENTED_PORT:
		*ret = ((const struct rte_flow_action_ethdev *)conf)->port_id;
		return true;
	case HF_ACT_DROP:
	case HF_ACT_FLAG:
	case HF_ACT_PASSTHRU:
	case HF_ACT_MODIFY_FIELD:
	case HF_ACT_DEFAULT_MISS:
	case HF_ACT_OTHER:
	case HF_ACT_MAX_:
		break;
	}
	*ret = 0;
	return true;
}

static enum hf_reject read_action(const struct rte_flow_action *action, struct hf_flow *flow)
{
	enum hf_act act = find_act(action->type);
	struct hf_flow_action *a;

	if (flow->n_actions == HF_FLOW_ACTIONS_MAX)
		return HF_REJECT_ACTION;
	a = &flow->actions[flow->n_actions++];
	a->act = act;
	if (!action->conf && (NEEDS_CONF & HF_ACT_BIT(act)))
		return HF_REJECT_ACTION_VALUE;
	return read_value(act, action->conf, &a->value) ? HF_REJECT_NONE : HF_REJECT_ACTION_VALUE;
}

enum hf_reject hf_rte_flow_read(const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct hf_flow *ret)
{
	struct hf_flow flow = {
		.ingress = attr->ingress,
		.egress = attr->egress,
		.transfer = attr->transfer,
		.group = attr->group,
		.priority = attr->priority,
	};
	enum hf_reject rc = HF_REJECT_NONE;

	for (; !rc && items->type != RTE_FLOW_ITEM_TYPE_END; items++) {
		if (items->type != RTE_FLOW_ITEM_TYPE_VOID)
			rc = read_item(items, &flow);
	}
	for (; !rc && actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		if (actions->type != RTE_FLOW_ACTION_TYPE_VOID)
			rc = read_action(actions, &flow);
	}
	if (!rc)
		*ret = flow;
	return rc;
}
