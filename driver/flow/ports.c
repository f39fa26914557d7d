/* SPDX-License-Identifier: BSD-3-Clause */

/* Numbers of an e-switch's ports. */

#include "ops.h"

static uint16_t number(const struct hf_flow_ports *p, uint32_t plan)
{
	return plan == p->plan.wire ? p->wire : plan == p->plan.host ? p->host : UINT16_MAX;
}

static void put(uint8_t *field_be, uint16_t value)
{
	field_be[0] = (uint8_t)(value >> 8);
	field_be[1] = (uint8_t)value;
}

/* Both fields are big-endian; of the wider one the upper half is zero. */
static void put_field(const struct hf_flow_ports *p, uint8_t *spec, const uint8_t *mask)
{
	if (mask[0] && mask[1])
		put(spec, number(p, (uint32_t)spec[0] << 8 | spec[1]));
}

void hf_flow_ports_put(
	const struct hf_flow_ports *ports, const struct hf_flow *flow, struct hf_flow *ret)
{
	size_t i;

	*ret = *flow;
	if (!ports || !ports->plan.on || !flow->transfer)
		return;
	put_field(ports, ret->pattern.spec.represented_port, ret->pattern.mask.represented_port);
	put_field(ports, &ret->pattern.spec.port_id[2], &ret->pattern.mask.port_id[2]);
	for (i = 0; i < ret->n_actions; i++) {
		struct hf_flow_action *a = &ret->actions[i];

		if (a->act == HF_ACT_REPRESENTED_PORT || a->act == HF_ACT_PORT_ID)
			a->value = number(ports, a->value);
	}
}
