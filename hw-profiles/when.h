/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * When: what a flow asks for, and whether a condition of a profile holds for it.
 *
 * Only fields of layers that the pattern has count. Of a truth value (is there a tag, is it a
 * fragment) one bit of mask is the whole mask.
 */

#pragma once

#include <hepflow/nic.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_extent {
	HF_EXTENT_NONE,
	HF_EXTENT_PARTIAL,
	HF_EXTENT_FULL,
};

bool hf_when_holds(const struct hf_nic_when *when, const struct hf_flow *flow);

enum hf_extent hf_mask_extent(enum hf_field f, const struct hf_hdr *mask);
enum hf_extent hf_field_extent(const struct hf_flow *flow, enum hf_field f);
/* The bits of a byte of a field that a mask may have; of a truth value all, though one counts. */
uint8_t hf_field_bits(enum hf_field f, size_t byte);
static inline bool hf_field_in_pattern(const struct hf_flow *flow, enum hf_field f)
{
	return (flow->pattern.layers & HF_LAYER_BIT(hf_field_info(f)->layer)) != 0;
}
/* Some bit under the mask is set. */
bool hf_field_nonzero(const struct hf_flow *flow, enum hf_field f);
/* A field of at most four bytes as a number. */
uint32_t hf_field_number(const struct hf_hdr *hdr, enum hf_field f);
/* HF_F_BIT of the fields whose mask is at least and at most so large. */
uint64_t hf_flow_fields(const struct hf_flow *flow, enum hf_extent least, enum hf_extent most);
/* HF_LAYER_BIT of the items, and of those that are there more than once. */
uint32_t hf_flow_layers(const struct hf_flow *flow, uint32_t *ret_repeated);
uint32_t hf_flow_acts(const struct hf_flow *flow);	     /* HF_ACT_BIT */
unsigned int hf_flow_directions(const struct hf_flow *flow); /* HF_DIR_* */
