/* SPDX-License-Identifier: BSD-3-Clause */

#include "when.h"

#include <string.h>

#define BIT(set, bit) (((set) >> (bit)) & 1u)

/* A truth value (a header is there, a packet is a fragment) has one bit that counts. */
static bool one_bit(enum hf_field f)
{
	return f == HF_F_ETH_HAS_VLAN || f == HF_F_IP4_FRAG || f == HF_F_IP6_FRAG;
}

/* The bits of a byte of a field that mean something. */
static uint8_t meaning(enum hf_field f, size_t byte)
{
	if (one_bit(f))
		return 0x01;
	/* An address of IPv4 is the first four of its sixteen bytes. */
	if (f == HF_F_IP4_SRC || f == HF_F_IP4_DST)
		return byte < 4 ? 0xff : 0;
	/* Of the first word of IPv6 only the flow label is this field's. */
	if (f == HF_F_IP6_FLOW)
		return byte == 0 ? 0 : byte == 1 ? 0x0f : 0xff;
	return 0xff;
}

enum hf_extent hf_mask_extent(enum hf_field f, const struct hf_hdr *mask)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *m = (const uint8_t *)mask + info->offset;
	bool some = false;
	bool all = true;
	size_t i;

	for (i = 0; i < info->size && !m[i]; i++)
		;
	if (i == info->size)
		return HF_EXTENT_NONE; /* most fields of most flows */
	for (i = 0; i < info->size; i++) {
		uint8_t bits = meaning(f, i);

		some |= (m[i] & bits) != 0;
		all &= (m[i] & bits) == bits;
	}
	if (!some)
		return HF_EXTENT_NONE;
	return all ? HF_EXTENT_FULL : HF_EXTENT_PARTIAL;
}

uint8_t hf_field_bits(enum hf_field f, size_t byte)
{
	return one_bit(f) ? 0xff : meaning(f, byte);
}

enum hf_extent hf_field_extent(const struct hf_flow *flow, enum hf_field f)
{
	return hf_field_in_pattern(flow, f) ? hf_mask_extent(f, &flow->pattern.mask)
					    : HF_EXTENT_NONE;
}

bool hf_field_nonzero(const struct hf_flow *flow, enum hf_field f)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *m = (const uint8_t *)&flow->pattern.mask + info->offset;
	const uint8_t *s = (const uint8_t *)&flow->pattern.spec + info->offset;
	size_t i;

	for (i = 0; hf_field_in_pattern(flow, f) && i < info->size; i++) {
		if (m[i] & s[i] & meaning(f, i))
			return true;
	}
	return false;
}

/* A field of at most four bytes as a number. */
uint32_t hf_field_number(const struct hf_hdr *hdr, enum hf_field f)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *p = (const uint8_t *)hdr + info->offset;
	uint32_t v = 0;
	size_t i;

	for (i = 0; i < info->size; i++)
		v = v << 8 | (p[i] & meaning(f, i));
	return v;
}

uint32_t hf_flow_acts(const struct hf_flow *flow)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < flow->n_actions; i++)
		bits |= HF_ACT_BIT(flow->actions[i].act);
	return bits;
}

uint32_t hf_flow_layers(const struct hf_flow *flow, uint32_t *ret_repeated)
{
	uint32_t bits = 0;
	size_t i;

	*ret_repeated = 0;
	for (i = 0; i < flow->n_items; i++) {
		*ret_repeated |= bits & HF_LAYER_BIT(flow->items[i]);
		bits |= HF_LAYER_BIT(flow->items[i]);
	}
	return bits;
}

#define HDR_WORDS (sizeof(struct hf_hdr) / sizeof(uint64_t))
static_assert(sizeof(struct hf_hdr) % sizeof(uint64_t) == 0, "whole words");
static_assert(sizeof(struct hf_hdr) <= 128, "a bit for each byte in two words");

/* A bit for each byte that is not zero; most words of most masks are. */
static void bytes_of(const struct hf_hdr *hdr, uint64_t ret[2])
{
	const uint8_t *byte = (const uint8_t *)hdr;
	uint64_t words[HDR_WORDS];
	size_t i;
	size_t k;

	memcpy(words, hdr, sizeof(words));
	ret[0] = ret[1] = 0;
	for (i = 0; i < HDR_WORDS; i++) {
		for (k = i * 8; words[i] && k < i * 8 + 8; k++)
			ret[k / 64] |= (uint64_t)(byte[k] != 0) << k % 64;
	}
}

/* Whether one of the bits from .. from+n-1 is set; n is 16 at most. */
static bool any_bit(const uint64_t set[2], unsigned int from, unsigned int n)
{
	uint64_t bits = set[from / 64] >> from % 64;

	if (from < 64 && from + n > 64)
		bits |= set[1] << (64 - from);
	return bits & ((UINT64_C(1) << n) - 1);
}

uint64_t hf_pattern_fields(const struct hf_pattern *pattern)
{
	uint64_t fields = 0;
	uint64_t bytes[2];
	unsigned int f;

	bytes_of(&pattern->mask, bytes);
	for (f = 0; f < HF_F_MAX_; f++) {
		const struct hf_field_info *info = hf_field_info((enum hf_field)f);

		if (any_bit(bytes, info->offset, info->size) &&
			(pattern->layers & HF_LAYER_BIT(info->layer)))
			fields |= HF_F_BIT(f);
	}
	return fields;
}

uint64_t hf_flow_fields(const struct hf_flow *flow, enum hf_extent least, enum hf_extent most)
{
	uint64_t left = hf_pattern_fields(&flow->pattern);
	uint64_t bits = 0;

	for (; left; left &= left - 1) {
		unsigned int f = (unsigned int)__builtin_ctzll(left);
		enum hf_extent x = hf_field_extent(flow, (enum hf_field)f);

		if (x >= least && x <= most)
			bits |= HF_F_BIT(f);
	}
	return bits;
}

static bool nonzero_holds(uint64_t set, const struct hf_flow *flow)
{
	unsigned int f;

	for (f = 0; f < HF_F_MAX_; f++) {
		if (BIT(set, f) && hf_field_nonzero(flow, (enum hf_field)f))
			return true;
	}
	return false;
}

unsigned int hf_flow_directions(const struct hf_flow *flow)
{
	return (flow->ingress ? HF_DIR_INGRESS : 0) | (flow->egress ? HF_DIR_EGRESS : 0) |
	       (flow->transfer ? HF_DIR_TRANSFER : 0);
}

static bool actions_hold(const struct hf_nic_when *when, const struct hf_flow *flow)
{
	uint32_t actions = hf_flow_acts(flow);

	if (when->actions && !(actions & when->actions))
		return false;
	if ((actions & when->all_actions) != when->all_actions || (actions & when->no_actions))
		return false;
	return !when->first_action ||
	       (flow->n_actions > 0 && BIT(when->first_action, flow->actions[0].act));
}

static bool fields_hold(const struct hf_nic_when *when, const struct hf_flow *flow)
{
	uint64_t given = hf_flow_fields(flow, HF_EXTENT_PARTIAL, HF_EXTENT_FULL);

	if (when->fields && !(given & when->fields))
		return false;
	if (when->and_fields && !(given & when->and_fields))
		return false;
	if (given & when->no_fields)
		return false;
	if (when->partial &&
		!(hf_flow_fields(flow, HF_EXTENT_PARTIAL, HF_EXTENT_PARTIAL) & when->partial))
		return false;
	if (when->full && !(hf_flow_fields(flow, HF_EXTENT_FULL, HF_EXTENT_FULL) & when->full))
		return false;
	return !when->nonzero || nonzero_holds(when->nonzero, flow);
}

bool hf_when_holds(const struct hf_nic_when *when, const struct hf_flow *flow)
{
	uint32_t repeated;
	uint32_t items = hf_flow_layers(flow, &repeated);

	if (when->items && !(items & when->items))
		return false;
	if (items & when->no_items)
		return false;
	if (when->repeated && !(repeated & when->repeated))
		return false;
	if (when->frag && !BIT(when->frag, flow->frag))
		return false;
	if (when->directions && !(hf_flow_directions(flow) & when->directions))
		return false;
	if ((when->root && flow->group != 0) || (when->not_root && flow->group == 0))
		return false;
	if ((when->range && !flow->has_last) || (when->priority && flow->priority == 0))
		return false;
	return fields_hold(when, flow) && actions_hold(when, flow);
}
