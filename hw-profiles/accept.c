/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/nic.h>

#include "when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT(set, bit) (((set) >> (bit)) & 1u)

#define L3_BITS	      (HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6))
/* Actions after which a packet goes nowhere else: exactly one belongs to a rule. */
#define FATE_BITS                                                                                  \
	(HF_ACT_BIT(HF_ACT_DROP) | HF_ACT_BIT(HF_ACT_QUEUE) | HF_ACT_BIT(HF_ACT_RSS) |             \
		HF_ACT_BIT(HF_ACT_JUMP) | HF_ACT_BIT(HF_ACT_PASSTHRU) |                            \
		HF_ACT_BIT(HF_ACT_PORT_ID) | HF_ACT_BIT(HF_ACT_REPRESENTED_PORT) |                 \
		HF_ACT_BIT(HF_ACT_DEFAULT_MISS))

static enum hf_reject judge_attributes(
	const struct hf_nic *nic, const struct hf_engine *e, const struct hf_flow *flow)
{
	bool root = flow->group == 0 || e->group_ignored;
	uint32_t prios = root ? e->prios_root : e->prios;
	uint32_t taken = root || e->prio_taken_others == 0 ? e->prio_taken : e->prio_taken_others;
	unsigned int n = flow->ingress + flow->egress + flow->transfer;

	if (flow->transfer && !nic->transfer)
		return HF_REJECT_TRANSFER;
	if (flow->egress && !nic->egress)
		return HF_REJECT_EGRESS;
	if (n == 0 && !nic->egress && !nic->transfer)
		return HF_REJECT_INGRESS;
	if (n != 1)
		return HF_REJECT_DIRECTION;
	if (flow->ingress && !nic->ingress)
		return HF_REJECT_INGRESS;
	if (flow->group >= e->groups && !e->group_ignored)
		return HF_REJECT_GROUP;
	if (flow->priority >= prios && flow->priority > taken)
		return HF_REJECT_PRIORITY;
	return HF_REJECT_NONE;
}

static bool seq_is(const struct hf_nic_seq *seq, const uint8_t *v, size_t n)
{
	return seq->n == n && (n == 0 || memcmp(seq->v, v, n) == 0);
}

/* Place of a layer from the outside in; 0: on no wire, may stand anywhere. */
static unsigned int level_of(enum hf_layer l)
{
	switch (l) {
	case HF_LAYER_ETH:
		return 1;
	case HF_LAYER_VLAN:
		return 2;
	case HF_LAYER_IPV4:
	case HF_LAYER_IPV6:
		return 3;
	case HF_LAYER_FRAG6:
		return 4;
	case HF_LAYER_TCP:
	case HF_LAYER_UDP:
	case HF_LAYER_SCTP:
	case HF_LAYER_ICMP:
	case HF_LAYER_ICMP6:
		return 5;
	case HF_LAYER_MARK:
	case HF_LAYER_META:
	case HF_LAYER_TAG:
	case HF_LAYER_PORT_ID:
	case HF_LAYER_REPRESENTED_PORT:
	case HF_LAYER_PORT_REPRESENTOR:
	case HF_LAYER_OTHER:
	case HF_LAYER_MAX_:
		return 0;
	}
	return 0;
}

/* What must be there before a layer can be. */
static uint32_t below(enum hf_layer l)
{
	if (l == HF_LAYER_ICMP)
		return HF_LAYER_BIT(HF_LAYER_IPV4);
	if (l == HF_LAYER_ICMP6 || l == HF_LAYER_FRAG6)
		return HF_LAYER_BIT(HF_LAYER_IPV6);
	return level_of(l) == 5 ? L3_BITS : 0;
}

static enum hf_reject judge_order(const struct hf_flow *flow)
{
	unsigned int level = 0;
	uint32_t seen = 0;
	size_t i;

	for (i = 0; i < flow->n_items; i++) {
		enum hf_layer l = (enum hf_layer)flow->items[i];
		unsigned int at = level_of(l);

		if ((seen & HF_LAYER_BIT(l)) || (at && at <= level))
			return HF_REJECT_PATTERN;
		if (below(l) && !(below(l) & seen))
			return HF_REJECT_PATTERN;
		seen |= HF_LAYER_BIT(l);
		if (at)
			level = at;
	}
	return HF_REJECT_NONE;
}

/* Whether the engine knows the items at all. */
static enum hf_reject judge_pattern(const struct hf_engine *e, const struct hf_flow *flow)
{
	uint32_t repeated;
	uint32_t items = hf_flow_layers(flow, &repeated);
	size_t i;

	if (items & ~e->layers)
		return HF_REJECT_ITEM;
	if (e->n_patterns == 0)
		return judge_order(flow);
	for (i = 0; i < e->n_patterns; i++) {
		if (seq_is(&e->patterns[i], flow->items, flow->n_items))
			return HF_REJECT_NONE;
	}
	return HF_REJECT_PATTERN;
}

/* The forms in which ipv4.frag is asked for: the one given, or all with the same meaning. */
static uint32_t forms_asked(const struct hf_flow *flow)
{
	if (flow->frag != HF_FRAG_UNSAID)
		return HF_FRAG_BIT(flow->frag);
	if (hf_field_nonzero(flow, HF_F_IP4_FRAG))
		return HF_FRAG_BIT(HF_FRAG_ANY) | HF_FRAG_BIT(HF_FRAG_MF_RANGE) |
		       HF_FRAG_BIT(HF_FRAG_MF);
	return HF_FRAG_BIT(HF_FRAG_NOT);
}

static enum hf_reject judge_mask(
	const struct hf_engine *e, const struct hf_flow *flow, enum hf_field f)
{
	enum hf_extent x = hf_field_extent(flow, f);

	if (x == HF_EXTENT_NONE)
		return HF_REJECT_NONE;
	if (f == HF_F_IP4_FRAG && e->field[f] == HF_MASK_EXACT &&
		!(e->frag_forms & forms_asked(flow)))
		return HF_REJECT_VALUE;
	switch ((enum hf_mask_kind)e->field[f]) {
	case HF_MASK_NONE:
	case HF_MASK_MAX_:
		return HF_REJECT_FIELD;
	case HF_MASK_EXACT:
		return x == HF_EXTENT_FULL ? HF_REJECT_NONE : HF_REJECT_MASK;
	case HF_MASK_NONZERO:
		if (x != HF_EXTENT_FULL)
			return HF_REJECT_MASK;
		return hf_field_nonzero(flow, f) ? HF_REJECT_NONE : HF_REJECT_VALUE;
	case HF_MASK_PARTIAL_ONLY:
		return x == HF_EXTENT_PARTIAL ? HF_REJECT_NONE : HF_REJECT_MASK;
	case HF_MASK_ANY:
	case HF_MASK_GLOBAL:
	case HF_MASK_WIDEN:
	case HF_MASK_NARROW:
	case HF_MASK_IGNORE:
		return HF_REJECT_NONE;
	}
	return HF_REJECT_FIELD;
}

static bool listed(const struct hf_nic_limit *limit, uint32_t v)
{
	size_t i;

	for (i = 0; i < limit->n; i++) {
		if (limit->v[i] == v)
			return true;
	}
	return false;
}

static enum hf_reject judge_limits(const struct hf_engine *e, const struct hf_flow *flow)
{
	size_t i;

	for (i = 0; i < e->n_limits; i++) {
		const struct hf_nic_limit *limit = &e->limits[i];
		enum hf_extent x = hf_field_extent(flow, limit->field);
		uint32_t mask = hf_field_number(&flow->pattern.mask, limit->field);
		uint32_t spec = hf_field_number(&flow->pattern.spec, limit->field) & mask;

		if (x == HF_EXTENT_NONE)
			continue;
		if (limit->kind == HF_LIMIT_NOT && x == HF_EXTENT_FULL && listed(limit, spec))
			return HF_REJECT_VALUE;
		if (limit->kind == HF_LIMIT_ONLY && !listed(limit, spec))
			return HF_REJECT_VALUE;
		if (limit->kind == HF_LIMIT_MASK && !listed(limit, mask))
			return HF_REJECT_MASK;
		if (limit->kind == HF_LIMIT_BITS && (mask & ~limit->v[0]))
			return HF_REJECT_MASK;
	}
	return HF_REJECT_NONE;
}

/* Bits of mask that no field of a layer in the pattern accounts for: nobody would match them. */
static bool stray_bits(const struct hf_flow *flow, uint64_t given)
{
	struct hf_hdr left = flow->pattern.mask;
	uint8_t *byte = (uint8_t *)&left;
	size_t i;

	for (; given; given &= given - 1) {
		enum hf_field f = (enum hf_field)__builtin_ctzll(given);
		const struct hf_field_info *info = hf_field_info(f);

		for (i = 0; i < info->size; i++)
			byte[info->offset + i] &= (uint8_t)~hf_field_bits(f, i);
	}
	for (i = 0; i < sizeof(left) && !byte[i]; i++)
		;
	return i < sizeof(left);
}

static size_t key_bytes(const struct hf_flow *flow)
{
	const uint8_t *mask = (const uint8_t *)&flow->pattern.mask;
	size_t n = 0;
	size_t i;

	for (i = 0; i < sizeof(flow->pattern.mask); i++)
		n += mask[i] != 0;
	return n;
}

/* Fields that a flow gives and the engine does match, as asked or not. */
static bool matches_something(const struct hf_engine *e, const struct hf_flow *flow, uint64_t given)
{
	for (; given; given &= given - 1) {
		enum hf_field f = (enum hf_field)__builtin_ctzll(given);
		enum hf_extent x = hf_field_extent(flow, f);
		enum hf_mask_kind kind = (enum hf_mask_kind)e->field[f];

		if (x == HF_EXTENT_NONE || (x == HF_EXTENT_PARTIAL && kind == HF_MASK_WIDEN))
			continue;
		if (kind != HF_MASK_IGNORE ||
			(f == HF_F_IP4_FRAG && (e->frag_forms & forms_asked(flow))))
			return true;
	}
	return false;
}

static enum hf_reject judge_fields(const struct hf_engine *e, const struct hf_flow *flow)
{
	uint64_t given = hf_pattern_fields(&flow->pattern);
	enum hf_reject why;
	uint64_t left;

	if (flow->has_last && !e->range_ignored)
		return HF_REJECT_RANGE;
	if (stray_bits(flow, given))
		return HF_REJECT_FIELD;
	for (left = given; left; left &= left - 1) {
		why = judge_mask(e, flow, (enum hf_field)__builtin_ctzll(left));
		if (why != HF_REJECT_NONE)
			return why;
	}
	why = judge_limits(e, flow);
	if (why != HF_REJECT_NONE)
		return why;
	if (e->key_bytes && key_bytes(flow) > e->key_bytes)
		return HF_REJECT_COMBINATION;
	if (e->needs_field && !matches_something(e, flow, given))
		return HF_REJECT_EMPTY;
	return HF_REJECT_NONE;
}

/* The number that a layer's header is announced with, or -1. */
static int proto_of(enum hf_layer l)
{
	static const struct {
		enum hf_layer layer;
		int proto;
	} protos[] = {
		{HF_LAYER_TCP, 6},
		{HF_LAYER_UDP, 17},
		{HF_LAYER_SCTP, 132},
		{HF_LAYER_ICMP, 1},
		{HF_LAYER_ICMP6, 58},
	};
	size_t i;

	for (i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		if (protos[i].layer == l)
			return protos[i].proto;
	}
	return -1;
}

/* Drivers with free patterns compare protocol and type with the item behind (docs/hw-profiles.md).
 */
static enum hf_reject judge_agreement(const struct hf_flow *flow)
{
	const struct hf_pattern *p = &flow->pattern;
	uint16_t type_mask = (uint16_t)hf_field_number(&p->mask, HF_F_ETH_TYPE);
	uint16_t type = (uint16_t)hf_field_number(&p->spec, HF_F_ETH_TYPE) & type_mask;
	bool vlan = (p->layers & HF_LAYER_BIT(HF_LAYER_VLAN)) != 0;
	unsigned int l;

	if (vlan) { /* what is behind the tag counts */
		type_mask = (uint16_t)hf_field_number(&p->mask, HF_F_VLAN_TYPE);
		type = (uint16_t)hf_field_number(&p->spec, HF_F_VLAN_TYPE) & type_mask;
	}
	if (type && (p->layers & HF_LAYER_BIT(HF_LAYER_IPV4)) && type != 0x0800)
		return HF_REJECT_COMBINATION;
	if (type && (p->layers & HF_LAYER_BIT(HF_LAYER_IPV6)) && type != 0x86dd)
		return HF_REJECT_COMBINATION;
	if (!(p->layers & L3_BITS) || p->mask.ip_proto != 0xff)
		return HF_REJECT_NONE;
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		int proto = proto_of((enum hf_layer)l);

		if (BIT(p->layers, l) && proto >= 0 && p->spec.ip_proto != proto)
			return HF_REJECT_COMBINATION;
	}
	return HF_REJECT_NONE;
}

static enum hf_reject judge_list(const struct hf_engine *e, const struct hf_flow *flow)
{
	uint8_t acts[HF_FLOW_ACTIONS_MAX];
	size_t i;

	for (i = 0; i < flow->n_actions; i++)
		acts[i] = (uint8_t)flow->actions[i].act;
	for (i = 0; i < e->n_lists; i++) {
		if (seq_is(&e->lists[i], acts, flow->n_actions))
			return HF_REJECT_NONE;
	}
	return HF_REJECT_ACTION;
}

/* Actions that make sense more than once in a rule: each writes another place. */
#define MANY_BITS                                                                                  \
	(HF_ACT_BIT(HF_ACT_SET_TAG) | HF_ACT_BIT(HF_ACT_SET_META) | HF_ACT_BIT(HF_ACT_MODIFY_FIELD))

static enum hf_reject judge_fate(const struct hf_engine *e, const struct hf_flow *flow)
{
	uint32_t seen = 0;
	uint32_t twice = 0;
	size_t fates = 0;
	size_t i;

	for (i = 0; i < flow->n_actions; i++) {
		uint32_t bit = HF_ACT_BIT(flow->actions[i].act);

		fates += (FATE_BITS & bit) != 0;
		twice |= seen & bit;
		seen |= bit;
	}
	if (flow->n_actions == 0 || fates > 1 ||
		(fates == 0 && !(hf_flow_directions(flow) & e->fate_optional)))
		return HF_REJECT_FATE;
	if (twice & ~MANY_BITS)
		return HF_REJECT_COMBINATION;
	if (BIT(seen, HF_ACT_DROP) && (seen & ~(e->drop_with | HF_ACT_BIT(HF_ACT_DROP))))
		return HF_REJECT_COMBINATION;
	return HF_REJECT_NONE;
}

static enum hf_reject judge_values(const struct hf_engine *e, const struct hf_flow *flow)
{
	size_t i;

	for (i = 0; i < flow->n_actions; i++) {
		const struct hf_flow_action *a = &flow->actions[i];

		if (a->act == HF_ACT_MARK && a->value > e->mark_max)
			return HF_REJECT_ACTION_VALUE;
		if (a->act != HF_ACT_JUMP)
			continue;
		if (a->value >= e->groups || (e->jump_forward && a->value <= flow->group))
			return HF_REJECT_JUMP;
	}
	return HF_REJECT_NONE;
}

static enum hf_reject judge_actions(const struct hf_engine *e, const struct hf_flow *flow)
{
	enum hf_reject why;

	if (hf_flow_acts(flow) & ~e->actions)
		return HF_REJECT_ACTION;
	why = e->n_lists ? judge_list(e, flow) : judge_fate(e, flow);
	return why != HF_REJECT_NONE ? why : judge_values(e, flow);
}

static enum hf_reject judge_rest(const struct hf_engine *e, const struct hf_flow *flow)
{
	enum hf_reject why = judge_fields(e, flow);
	size_t i;

	if (why == HF_REJECT_NONE && e->n_patterns == 0)
		why = judge_agreement(flow);
	for (i = 0; why == HF_REJECT_NONE && i < e->n_refuse; i++) {
		if (hf_when_holds(&e->refuse[i].when, flow))
			why = e->refuse[i].reject;
	}
	return why != HF_REJECT_NONE ? why : judge_actions(e, flow);
}

/*
 * Most drivers with lists of patterns look for the pattern first and for attributes among the last
 * things; the others begin with the attributes. Only the reason given depends on that.
 */
static enum hf_reject judge(const struct hf_nic *nic, const struct hf_engine *e,
	const struct hf_flow *flow, bool *ret_known)
{
	enum hf_reject attributes = judge_attributes(nic, e, flow);
	enum hf_reject pattern = judge_pattern(e, flow);
	enum hf_reject rest;

	*ret_known = pattern == HF_REJECT_NONE;
	if ((e->n_patterns == 0 || e->attributes_first) && attributes != HF_REJECT_NONE)
		return attributes;
	if (pattern != HF_REJECT_NONE)
		return pattern;
	rest = judge_rest(e, flow);
	return rest != HF_REJECT_NONE ? rest : attributes;
}

/* A flow of no direction, or of several, is refused by whoever comes first. */
static bool is_for(const struct hf_engine *e, const struct hf_flow *flow)
{
	unsigned int asked = hf_flow_directions(flow);
	bool one = asked && !(asked & (asked - 1));

	return !e->directions || !one || (e->directions & asked);
}

const struct hf_engine *hf_nic_accept(
	const struct hf_nic *nic, const struct hf_flow *flow, enum hf_reject *ret_reject)
{
	enum hf_reject why = HF_REJECT_NO_FLOW_API;
	bool any_known = false;
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		bool known;
		enum hf_reject no;

		if (!is_for(&nic->engine[i], flow))
			continue;
		no = judge(nic, &nic->engine[i], flow, &known);
		if (no == HF_REJECT_NONE)
			return &nic->engine[i];
		if (known || !any_known)
			why = no;
		any_known |= known;
	}
	*ret_reject = why;
	return NULL;
}

static bool field_at_fault(
	const struct hf_engine *engine, const struct hf_flow *flow, enum hf_field f)
{
	enum hf_extent x = hf_field_extent(flow, f);
	enum hf_mask_kind kind = (enum hf_mask_kind)engine->field[f];

	if (x == HF_EXTENT_PARTIAL && (kind == HF_MASK_WIDEN || kind == HF_MASK_NARROW))
		return true;
	if (x == HF_EXTENT_NONE || kind != HF_MASK_IGNORE)
		return false;
	return f != HF_F_IP4_FRAG || !(engine->frag_forms & forms_asked(flow));
}

enum hf_field hf_nic_next_danger(
	const struct hf_engine *engine, const struct hf_flow *flow, size_t *at)
{
	uint64_t given = hf_pattern_fields(&flow->pattern);
	size_t i;

	for (i = *at; i < HF_F_MAX_ + engine->n_danger; i++) {
		*at = i + 1;
		if (i < HF_F_MAX_) {
			if (BIT(given, i) && field_at_fault(engine, flow, (enum hf_field)i))
				return (enum hf_field)i;
		} else if (hf_when_holds(&engine->danger[i - HF_F_MAX_].when, flow)) {
			return engine->danger[i - HF_F_MAX_].field;
		}
	}
	return HF_F_MAX_;
}

enum hf_field hf_nic_danger(const struct hf_engine *engine, const struct hf_flow *flow)
{
	size_t at = 0;
	enum hf_field first = hf_nic_next_danger(engine, flow, &at);
	unsigned int f;

	if (first != HF_F_MAX_)
		return first;
	/* Which item has the range is not in a flow: the innermost field given stands for it. */
	for (f = HF_F_MAX_; flow->has_last && f-- > 0;) {
		if (hf_field_extent(flow, (enum hf_field)f) != HF_EXTENT_NONE)
			return (enum hf_field)f;
	}
	return HF_F_MAX_;
}

bool hf_nic_can_match(const struct hf_engine *engine, enum hf_field f, const struct hf_hdr *mask)
{
	enum hf_extent x = hf_mask_extent(f, mask);

	if (x == HF_EXTENT_NONE)
		return true;
	switch ((enum hf_mask_kind)engine->field[f]) {
	case HF_MASK_ANY:
	case HF_MASK_GLOBAL:
		return true;
	case HF_MASK_EXACT:
	case HF_MASK_WIDEN:
	case HF_MASK_NARROW:
	case HF_MASK_NONZERO:
		return x == HF_EXTENT_FULL;
	case HF_MASK_PARTIAL_ONLY:
		return x == HF_EXTENT_PARTIAL;
	case HF_MASK_IGNORE:
		return f == HF_F_IP4_FRAG && engine->frag_forms != 0;
	case HF_MASK_NONE:
	case HF_MASK_MAX_:
		return false;
	}
	return false;
}

enum hf_frag_form hf_nic_frag_form(const struct hf_engine *engine, bool fragment)
{
	unsigned int form;

	if (!fragment)
		return BIT(engine->frag_forms, HF_FRAG_NOT) ? HF_FRAG_NOT : HF_FRAG_UNSAID;
	for (form = HF_FRAG_ANY; form < HF_FRAG_MAX_; form++) {
		if (BIT(engine->frag_forms, form))
			return (enum hf_frag_form)form;
	}
	return HF_FRAG_UNSAID;
}
