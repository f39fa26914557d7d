/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <string.h>

static void add_action(struct hf_flow *f, enum hf_act act, uint32_t value)
{
	f->actions[f->n_actions++] = (struct hf_flow_action){act, value};
}

/* To the packet path: spread where the engine can, else as the NIC does without a rule, else queue
 * 0. */
static void add_receive(struct hf_flow *f, const struct hf_engine *engine, uint16_t n_queues)
{
	if (n_queues > 1 && engine->actions & HF_ACT_BIT(HF_ACT_RSS) && engine->groups > 1)
		add_action(f, HF_ACT_RSS, n_queues);
	else if (engine->actions & HF_ACT_BIT(HF_ACT_PASSTHRU))
		add_action(f, HF_ACT_PASSTHRU, 0);
	else
		add_action(f, HF_ACT_QUEUE, 0);
}

static void add_actions(struct hf_flow *f, const struct hf_plan *plan, const struct hf_entry *e,
	const struct hf_engine *engine, uint16_t n_queues)
{
	if (engine->actions & HF_ACT_BIT(HF_ACT_COUNT))
		add_action(f, HF_ACT_COUNT, 0);
	switch (e->fate) {
	case HF_FATE_JUMP:
		if (e->sets_tag)
			add_action(f, HF_ACT_SET_TAG, e->tag);
		add_action(f, HF_ACT_JUMP, plan->tables[e->jump].group);
		break;
	case HF_FATE_DENY:
		add_action(f, HF_ACT_DROP, 0);
		break;
	case HF_FATE_PUNT:
		add_receive(f, engine, n_queues);
		break;
	case HF_FATE_ALLOW:
		add_receive(f, engine, n_queues);
		add_action(f, HF_ACT_MARK, HF_MARK_ALLOW);
		break;
	case HF_FATE_ALLOW_UNTRACKED:
		add_receive(f, engine, n_queues);
		add_action(f, HF_ACT_MARK, HF_MARK_ALLOW_UNTRACKED);
		break;
	}
}

const struct hf_engine *hf_plan_engine(const struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];

		if (e->actions & HF_ACT_BIT(HF_ACT_DROP) && e->field[HF_F_IP4_DST] != HF_MASK_NONE)
			return e;
	}
	return NULL;
}

void hf_plan_flow(const struct hf_plan *plan, const struct hf_nic *nic, size_t i, uint16_t n_queues,
	struct hf_flow *ret)
{
	const struct hf_entry *e = &plan->entries[i];
	const struct hf_engine *engine = hf_plan_engine(nic);
	unsigned int l;

	memset(ret, 0, sizeof(*ret));
	ret->ingress = true;
	ret->group = plan->tables[e->table].group;
	ret->priority = e->priority;
	ret->pattern = e->match;
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (e->match.layers & HF_LAYER_BIT(l))
			ret->items[ret->n_items++] = (uint8_t)l;
	}
	if (e->match.mask.ip_frag && e->match.layers & HF_LAYER_BIT(HF_LAYER_IPV4))
		ret->frag = (uint8_t)hf_nic_frag_form(engine, e->match.spec.ip_frag);
	add_actions(ret, plan, e, engine, n_queues);
}
