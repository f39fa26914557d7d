/* SPDX-License-Identifier: BSD-3-Clause */

/* All that tells one flow from another, without holes and leftovers: it is hashed. */

#pragma once

#include <hepflow/nic.h>

#include <stdint.h>

struct hf_flow_key {
	uint32_t group;
	uint32_t priority;
	uint32_t layers;
	uint8_t direction;
	uint8_t frag;
	uint8_t n_items;
	uint8_t n_actions;
	uint8_t items[HF_FLOW_ITEMS_MAX];
	struct hf_hdr spec;
	struct hf_hdr mask;
	uint32_t actions[HF_FLOW_ACTIONS_MAX][3]; /* what, value, bits left as they are */
};

void hf_flow_key_make(const struct hf_flow *flow, struct hf_flow_key *ret);
