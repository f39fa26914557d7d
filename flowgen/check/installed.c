/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a NIC makes of an entry: drivers are known that take a rule and install another. Profiles
 * say which fields are not matched then (docs/hw-profiles.md, "danger").
 */

#include "device.h"

#include <string.h>

#define BITS(l) HF_LAYER_BIT(HF_LAYER_##l)
#define L4	(BITS(TCP) | BITS(UDP) | BITS(SCTP) | BITS(ICMP) | BITS(ICMP6))

/* Everything of an entry that a profile's conditions can ask about. */
static void flow_of(const struct hf_engine *engine, const struct hf_entry *e, bool transfer,
	struct hf_flow *ret)
{
	unsigned int l;

	*ret = (struct hf_flow){.ingress = !transfer,
		.transfer = transfer,
		.group = e->table, /* which one does not matter, but whether it is the first */
		.priority = e->priority,
		.pattern = e->match};
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (e->match.layers & HF_LAYER_BIT(l) && ret->n_items < HF_FLOW_ITEMS_MAX)
			ret->items[ret->n_items++] = (uint8_t)l;
	}
	if (e->match.mask.ip_frag && e->match.layers & BITS(IPV4))
		ret->frag = (uint8_t)hf_nic_frag_form(engine, e->match.spec.ip_frag);
	if (e->fate == HF_FATE_DENY)
		ret->actions[ret->n_actions++] = (struct hf_flow_action){.act = HF_ACT_DROP};
	else if (e->fate == HF_FATE_JUMP)
		ret->actions[ret->n_actions++] = (struct hf_flow_action){.act = HF_ACT_JUMP};
}

static bool has_mask(const struct hf_pattern *p, const struct hf_field_info *info)
{
	const uint8_t *mask = (const uint8_t *)&p->mask + info->offset;
	size_t i;

	for (i = 0; i < info->size && !mask[i]; i++)
		;
	return p->layers & HF_LAYER_BIT(info->layer) && i < info->size;
}

static void put_mask(struct hf_pattern *p, const struct hf_field_info *info, uint8_t mask)
{
	memset((uint8_t *)&p->mask + info->offset, mask, info->size);
	if (!mask)
		memset((uint8_t *)&p->spec + info->offset, 0, info->size);
}

/* Items that say the same as a field: without the one the driver does not ask for the other. */
static uint32_t items_of(enum hf_field f)
{
	if (f == HF_F_IP4_PROTO || f == HF_F_IP6_PROTO)
		return L4;
	if (f == HF_F_ETH_TYPE)
		return BITS(IPV4) | BITS(IPV6) | BITS(FRAG6);
	return f == HF_F_VLAN_TCI ? BITS(VLAN) : 0;
}

bool hf_device_installed(
	const struct hf_check_view *view, const struct hf_entry *e, struct hf_pattern *ret)
{
	const struct hf_engine *engine = hf_device_engine_of(view, e);
	struct hf_flow flow;
	enum hf_field f;
	bool as_asked = true;
	size_t at = 0;

	*ret = e->match;
	flow_of(engine, e, view->eswitch.on, &flow);
	while ((f = hf_nic_next_danger(engine, &flow, &at)) != HF_F_MAX_) {
		const struct hf_field_info *info = hf_field_info(f);

		as_asked = false;
		if (!has_mask(&e->match, info) || f == HF_F_VLAN_TCI)
			ret->layers &= ~items_of(f);
		put_mask(ret, info, engine->field[f] == HF_MASK_NARROW ? 0xff : 0);
	}
	return as_asked;
}

static uint64_t fields_of(const struct hf_pattern *p)
{
	uint64_t bits = 0;
	unsigned int f;

	for (f = 0; f < HF_F_MAX_; f++) {
		if (has_mask(p, hf_field_info((enum hf_field)f)))
			bits |= HF_F_BIT(f);
	}
	return bits;
}

/* What a driver with one input set for each packet type calls a type. */
static uint32_t type_of(const struct hf_pattern *p)
{
	bool frag = p->layers & BITS(FRAG6) || (p->mask.ip_frag && p->spec.ip_frag);

	return (p->layers & (BITS(IPV4) | BITS(IPV6) | BITS(TCP) | BITS(UDP) | BITS(SCTP))) |
	       (frag ? BITS(FRAG6) : 0);
}

bool hf_device_one_shape(const struct hf_check_view *view, const struct hf_pattern *installed)
{
	const struct hf_engine *engine = hf_device_engine(view);
	size_t i, k;
	bool same = true;

	if (!engine || engine->shape == HF_SHAPE_FREE)
		return true;
	for (i = 0; i < view->n_entries && same; i++) {
		const struct hf_pattern *p = &installed[i], *q = NULL;

		/* The first of its type stands for those before. */
		for (k = 0; k < i && !view->entries[i].reserved && !q; k++) {
			if (!view->entries[k].reserved &&
				(engine->shape == HF_SHAPE_GLOBAL ||
					type_of(p) == type_of(&installed[k])))
				q = &installed[k];
		}
		if (q)
			same = engine->shape == HF_SHAPE_GLOBAL
				       ? memcmp(&p->mask, &q->mask, sizeof(p->mask)) == 0
				       : fields_of(p) == fields_of(q);
	}
	return same;
}
