/* SPDX-License-Identifier: BSD-3-Clause */

#include "key.h"

#include <string.h>

void hf_flow_key_make(const struct hf_flow *flow, struct hf_flow_key *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->group = flow->group;
	ret->priority = flow->priority;
	ret->layers = flow->pattern.layers;
	ret->direction = (uint8_t)((flow->ingress ? HF_DIR_INGRESS : 0) |
				   (flow->egress ? HF_DIR_EGRESS : 0) |
				   (flow->transfer ? HF_DIR_TRANSFER : 0));
	ret->frag = flow->frag;
	ret->n_items = (uint8_t)flow->n_items;
	ret->n_actions = (uint8_t)flow->n_actions;
	memcpy(ret->items, flow->items, flow->n_items);
	ret->spec = flow->pattern.spec;
	ret->mask = flow->pattern.mask;
	for (i = 0; i < flow->n_actions; i++) {
		ret->actions[i][0] = flow->actions[i].act;
		ret->actions[i][1] = flow->actions[i].value;
		ret->actions[i][2] = flow->actions[i].keep;
	}
}
