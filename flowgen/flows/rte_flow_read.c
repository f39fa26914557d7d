/* SPDX-License-Identifier: BSD-3-Clause */

#include "rte_flow_items.h"

#define AT(name, member) offsetof(struct rte_flow_item_##name, member)

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

/* Of a truth value the lowest bit counts. */
static void set_flag(struct hf_pattern *p, enum hf_field f, bool value)
{
	*hdr_at(&p->mask, f) = 1;
	*hdr_at(&p->spec, f) = value;
}

static enum hf_layer find_layer(enum rte_flow_item_type type)
{
	unsigned int l;

	for (l = 0; l < HF_LAYER_OTHER; l++) {
		if (hf_rte_items[l].type == type)
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
	const struct item_type *t = &hf_rte_items[layer];
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
	const struct item_type *t = &hf_rte_items[layer];
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
		if (hf_rte_actions[a] == type)
			return (enum hf_act)a;
	}
	return HF_ACT_OTHER;
}

/* Actions that mean nothing without a configuration. */
#define NEEDS_CONF                                                                                 \
	(HF_ACT_BIT(HF_ACT_QUEUE) | HF_ACT_BIT(HF_ACT_RSS) | HF_ACT_BIT(HF_ACT_MARK) |             \
		HF_ACT_BIT(HF_ACT_JUMP) | HF_ACT_BIT(HF_ACT_AGE) | HF_ACT_BIT(HF_ACT_SET_TAG) |    \
		HF_ACT_BIT(HF_ACT_SET_META) | HF_ACT_BIT(HF_ACT_PORT_ID) |                         \
		HF_ACT_BIT(HF_ACT_MODIFY_FIELD) | HF_ACT_BIT(HF_ACT_REPRESENTED_PORT))

/* A hash of what is inside of a tunnel is beyond hf_flow. */
static bool read_rss(const struct rte_flow_action_rss *conf, uint32_t *ret)
{
	*ret = conf->queue_num;
	return conf->level <= 1;
}

/* A mask of none sets nothing; one with gaps mlx5 takes and fills (flow_dv_convert_modify_action).
 */
static bool read_tag(const struct rte_flow_action_set_tag *conf, struct hf_flow_action *ret)
{
	uint32_t low = conf->mask & -conf->mask;

	ret->value = conf->data;
	ret->keep = ~conf->mask;
	return conf->mask && ((conf->mask + low) & conf->mask) == 0 && conf->index == 0;
}

static bool read_meta(const struct rte_flow_action_set_meta *conf, uint32_t *ret)
{
	*ret = conf->data;
	return conf->mask == UINT32_MAX;
}

/* Whole registers are set to values; the rest is beyond hf_flow. */
static bool read_modify(const struct rte_flow_action_modify_field *conf, struct hf_flow_action *ret)
{
	static const enum hf_field fields[] = {HF_F_MARK, HF_F_META, HF_F_TAG};
	size_t i;

	if (conf->operation != RTE_FLOW_MODIFY_SET || conf->width != REGISTER_BITS ||
		conf->dst.offset || conf->dst.level || conf->src.field != RTE_FLOW_FIELD_VALUE)
		return false;
	for (i = 0; i < RTE_DIM(fields); i++) {
		if (register_id(fields[i]) != conf->dst.field)
			continue;
		ret->field = fields[i];
		memcpy(&ret->value, conf->src.value, sizeof(ret->value));
		return true;
	}
	return false;
}

/* False: hf_flow cannot say it. */
static bool read_value(const void *conf, struct hf_flow_action *action)
{
	uint32_t *ret = &action->value;

	switch (action->act) {
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
		return read_tag(conf, action);
	case HF_ACT_SET_META:
		return read_meta(conf, ret);
	case HF_ACT_PORT_ID:
		*ret = ((const struct rte_flow_action_port_id *)conf)->id;
		return true;
	case HF_ACT_REPRESENTED_PORT:
		*ret = ((const struct rte_flow_action_ethdev *)conf)->port_id;
		return true;
	case HF_ACT_MODIFY_FIELD:
		return read_modify(conf, action);
	case HF_ACT_DROP:
	case HF_ACT_FLAG:
	case HF_ACT_PASSTHRU:
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
	return read_value(action->conf, a) ? HF_REJECT_NONE : HF_REJECT_ACTION_VALUE;
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
