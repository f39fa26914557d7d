/* SPDX-License-Identifier: BSD-3-Clause */

#include "vnic.h"

#include <rte_byteorder.h>
#include <rte_ether.h>

#include <string.h>

#define L4_LAYERS                                                                                  \
	(HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP) | HF_LAYER_BIT(HF_LAYER_SCTP) |   \
		HF_LAYER_BIT(HF_LAYER_ICMP) | HF_LAYER_BIT(HF_LAYER_ICMP6))
#define L3_LAYERS                                                                                  \
	(HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6) | HF_LAYER_BIT(HF_LAYER_FRAG6))
#define PORT_LAYERS                                                                                \
	(HF_LAYER_BIT(HF_LAYER_PORT_ID) | HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT) |                \
		HF_LAYER_BIT(HF_LAYER_PORT_REPRESENTOR))
#define L2_LAYERS	   (HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_VLAN))
#define IP6_NEXT_FRAG	   44
#define ORDER_GROUP_SHIFT  32
#define ORDER_GROUP_MASK   0xffffffu
#define ORDER_ENGINE_SHIFT 56

static bool has(const struct hf_pattern *p, enum hf_layer layer)
{
	return p->layers & HF_LAYER_BIT(layer);
}

static uint8_t *field_at(struct hf_hdr *hdr, enum hf_field f)
{
	return (uint8_t *)hdr + hf_field_info(f)->offset;
}

static bool has_mask(const struct hf_pattern *p, enum hf_field f)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *mask = (const uint8_t *)&p->mask + info->offset;
	size_t i;

	for (i = 0; has(p, info->layer) && i < info->size; i++) {
		if (mask[i])
			return true;
	}
	return false;
}

static void set_field(struct hf_pattern *p, enum hf_field f, uint8_t mask)
{
	const struct hf_field_info *info = hf_field_info(f);

	memset(field_at(&p->mask, f), mask, info->size);
	if (!mask)
		memset(field_at(&p->spec, f), 0, info->size);
}

/* The items that a driver which has no place for a field does not look at either. */
static uint32_t implied_by(enum hf_field f)
{
	switch (f) {
	case HF_F_IP4_PROTO:
	case HF_F_IP6_PROTO:
		return L4_LAYERS;
	case HF_F_ETH_TYPE:
		return L3_LAYERS;
	case HF_F_VLAN_TCI:
		return HF_LAYER_BIT(HF_LAYER_VLAN);
	default:
		return 0;
	}
}

/*
 * What the real driver makes of a rule that it takes but cannot match: fields and items are dropped
 * (the rule is wider) or masks completed (it is narrower). Ports stay where they are, as all L4
 * headers have them at one place. Returns one of the fields, or HF_F_MAX_.
 */
static enum hf_field spoil(const struct hf_engine *engine, struct hf_flow *flow)
{
	const struct hf_flow asked = *flow;
	enum hf_field f, first = HF_F_MAX_;
	size_t at = 0;

	/* Of an ignored range the first value stays, which spec already says. */
	flow->has_last = false;
	while ((f = hf_nic_next_danger(engine, &asked, &at)) != HF_F_MAX_) {
		first = first == HF_F_MAX_ ? f : first;
		if (!has_mask(&asked.pattern, f) || f == HF_F_VLAN_TCI)
			flow->pattern.layers &= ~implied_by(f);
		set_field(&flow->pattern, f, engine->field[f] == HF_MASK_NARROW ? 0xff : 0);
		if (f == HF_F_IP4_FRAG)
			flow->frag = HF_FRAG_UNSAID;
	}
	return first == HF_F_MAX_ && asked.has_last ? hf_nic_danger(engine, &asked) : first;
}

static bool is_tpid(const struct hf_pattern *p)
{
	static const uint8_t all[2] = {0xff, 0xff};
	uint16_t type = (uint16_t)(p->spec.eth_type[0] << 8 | p->spec.eth_type[1]);

	return memcmp(p->mask.eth_type, all, sizeof(all)) == 0 &&
	       (type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ);
}

/*
 * A packet's type is the one behind its tags, so a pattern that names a tag's own type asks for a
 * tag (as mlx5 translates it, drivers/net/mlx5/mlx5_flow_dv.c, flow_dv_translate_item_eth).
 */
static void cook_tpid(struct hf_pattern *p)
{
	if (!has(p, HF_LAYER_ETH) || !is_tpid(p))
		return;
	set_field(p, HF_F_ETH_TYPE, 0);
	p->mask.has_vlan = 1;
	p->spec.has_vlan = 1;
}

static bool asks_frag(const struct hf_pattern *p)
{
	static const uint8_t next = IP6_NEXT_FRAG;

	if (has(p, HF_LAYER_FRAG6))
		return true;
	if (has(p, HF_LAYER_IPV6) && p->mask.ip_proto == 0xff && p->spec.ip_proto == next)
		return true;
	return p->mask.ip_frag && p->spec.ip_frag;
}

static enum hf_vnic_type type_of(const struct hf_pattern *p)
{
	bool v4 = has(p, HF_LAYER_IPV4);

	if (!v4 && !has(p, HF_LAYER_IPV6))
		return HF_VNIC_L2;
	if (asks_frag(p))
		return v4 ? HF_VNIC_V4_FRAG : HF_VNIC_V6_FRAG;
	if (has(p, HF_LAYER_TCP))
		return v4 ? HF_VNIC_V4_TCP : HF_VNIC_V6_TCP;
	if (has(p, HF_LAYER_UDP))
		return v4 ? HF_VNIC_V4_UDP : HF_VNIC_V6_UDP;
	if (has(p, HF_LAYER_SCTP))
		return v4 ? HF_VNIC_V4_SCTP : HF_VNIC_V6_SCTP;
	return v4 ? HF_VNIC_V4_OTHER : HF_VNIC_V6_OTHER;
}

/*
 * mlx5 gives a rule one of three ranks within its priority, by the last item that has one; a
 * pattern of registers alone keeps the first rank (mlx5_flow_dv.c, flow_dv_translate_items).
 */
static uint32_t depth_of(const struct hf_pattern *p)
{
	if (p->layers & L4_LAYERS)
		return 0;
	if (p->layers & L3_LAYERS)
		return 1;
	return p->layers & L2_LAYERS ? 2 : 0;
}

/*
 * Lower is tried first: engine, then priority as the engine counts, then depth. An engine without
 * jumps that takes groups all the same puts them in front of the priority (net_tap).
 */
static uint64_t order_of(
	const struct hf_nic *nic, const struct hf_engine *engine, const struct hf_flow *flow)
{
	bool jumps = engine->actions & HF_ACT_BIT(HF_ACT_JUMP);
	uint32_t group = engine->group_ignored ? 0 : flow->group;
	uint32_t usable = group ? engine->prios : engine->prios_root;
	uint32_t prio = flow->priority;
	uint64_t order;

	if (prio < engine->prio_first || prio >= usable)
		prio = engine->prio_first;
	if (engine->order == HF_PRIO_NONE)
		prio = 0;
	else if (engine->order == HF_PRIO_HIGHER)
		prio = UINT32_MAX - prio;
	order = (uint64_t)(engine - nic->engine) << ORDER_ENGINE_SHIFT | prio;
	return jumps ? order : order | (uint64_t)(group & ORDER_GROUP_MASK) << ORDER_GROUP_SHIFT;
}

/* Of a rule that names no port: what the driver adds (mlx5_flow_dv.c,
 * flow_dv_translate_items_sws). */
static void cook_own_port(const struct hf_vnic_ask *ask, struct hf_pattern *p)
{
	rte_be16_t port_be = rte_cpu_to_be_16(ask->owner);

	if (!ask->engine->own_port || (p->layers & PORT_LAYERS))
		return;
	p->layers |= HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT);
	set_field(p, HF_F_REPRESENTED_PORT, 0xff);
	memcpy(p->spec.represented_port, &port_be, sizeof(port_be));
}

static void cook_words(const struct hf_pattern *p, struct rte_flow *ret)
{
	size_t i;

	memcpy(ret->mask, &p->mask, sizeof(ret->mask));
	memcpy(ret->spec, &p->spec, sizeof(ret->spec));
	ret->first_word = HF_VNIC_WORDS;
	for (i = 0; i < HF_VNIC_WORDS; i++) {
		ret->spec[i] &= ret->mask[i];
		if (!ret->mask[i])
			continue;
		ret->first_word = (uint8_t)RTE_MIN(i, (size_t)ret->first_word);
		ret->end_word = (uint8_t)(i + 1);
	}
}

/* Of several that set a bit the last one counts. */
static void cook_tag(uint32_t value, uint32_t keep, struct rte_flow *ret)
{
	ret->tag = (ret->tag & keep) | (value & ~keep);
	ret->tag_mask |= ~keep;
}

/* It does what the action for that register alone does. */
static void cook_modify(const struct hf_flow_action *a, struct rte_flow *ret)
{
	if (a->field == HF_F_MARK) {
		ret->acts |= HF_ACT_BIT(HF_ACT_MARK);
		ret->mark = a->value;
	} else if (a->field == HF_F_META) {
		ret->acts |= HF_ACT_BIT(HF_ACT_SET_META);
		ret->meta = a->value;
	} else {
		ret->acts |= HF_ACT_BIT(HF_ACT_SET_TAG);
		cook_tag(a->value, 0, ret);
	}
}

static void cook_actions(const struct hf_vnic_ask *ask, struct rte_flow *ret)
{
	size_t i;

	for (i = 0; i < ask->flow->n_actions; i++) {
		const struct hf_flow_action *a = &ask->flow->actions[i];

		ret->acts |= HF_ACT_BIT(a->act);
		if (a->act == HF_ACT_MODIFY_FIELD)
			cook_modify(a, ret);
		else if (a->act == HF_ACT_MARK)
			ret->mark = a->value;
		else if (a->act == HF_ACT_JUMP)
			ret->jump_id = a->value;
		else if (a->act == HF_ACT_SET_TAG)
			cook_tag(a->value, a->keep, ret);
		else if (a->act == HF_ACT_SET_META)
			ret->meta = a->value;
	}
	ret->n_queues = ask->n_queues;
	memcpy(ret->queues, ask->queues, ask->n_queues * sizeof(ret->queues[0]));
	ret->rss_types = ask->rss_types;
}

void hf_vnic_cook(const struct hf_nic *nic, const struct hf_vnic_ask *ask, struct rte_flow *ret)
{
	struct hf_flow flow = *ask->flow;

	ret->engine = ask->engine;
	ret->dir = flow.transfer ? HF_VNIC_FDB : flow.egress ? HF_VNIC_TX : HF_VNIC_RX;
	ret->asked_group = flow.group;
	ret->asked_priority = flow.priority;
	ret->danger = spoil(ask->engine, &flow);
	ret->fields = hf_pattern_fields(&flow.pattern);
	ret->shape_type = type_of(&flow.pattern);
	ret->type = ask->engine->type_scope ? ret->shape_type : HF_VNIC_ANY;
	cook_tpid(&flow.pattern);
	cook_own_port(ask, &flow.pattern);
	ret->layers = flow.pattern.layers;
	cook_words(&flow.pattern, ret);
	cook_actions(ask, ret);
	ret->order = order_of(nic, ask->engine, &flow);
	ret->depth = ask->engine->depth_rank ? depth_of(&flow.pattern) : 0;
}
