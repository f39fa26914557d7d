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

/* The same in an e-switch: where no rule of a later group decides, software has the packet. */
static void add_software(struct hf_flow *f, const struct hf_engine *engine)
{
	add_action(f, HF_ACT_JUMP, engine->groups - 1);
}

static void add_forward(
	struct hf_flow *f, const struct hf_plan *plan, const struct hf_engine *engine)
{
	add_action(f,
		engine->actions & HF_ACT_BIT(HF_ACT_REPRESENTED_PORT) ? HF_ACT_REPRESENTED_PORT
								      : HF_ACT_PORT_ID,
		plan->eswitch.host);
}

static void add_allowed(struct hf_flow *f, const struct hf_plan *plan, const struct hf_entry *e,
	const struct hf_engine *engine, uint16_t n_queues)
{
	uint32_t mark = e->fate == HF_FATE_ALLOW ? HF_MARK_ALLOW : HF_MARK_ALLOW_UNTRACKED;

	if (e->forward) {
		add_forward(f, plan, engine);
	} else if (plan->eswitch.on) {
		add_action(f, HF_ACT_MARK, mark);
		add_software(f, engine);
	} else {
		add_receive(f, engine, n_queues);
		add_action(f, HF_ACT_MARK, mark);
	}
}

uint16_t hf_reserved_queue(enum hf_fate fate)
{
	return fate == HF_FATE_ALLOW ? 0 : fate == HF_FATE_ALLOW_UNTRACKED ? 1 : 2;
}

uint32_t hf_reserved_mark(uint16_t queue)
{
	return queue == 0 ? HF_MARK_ALLOW : queue == 1 ? HF_MARK_ALLOW_UNTRACKED : HF_MARK_DENY;
}

static void add_actions(struct hf_flow *f, const struct hf_plan *plan, const struct hf_entry *e,
	const struct hf_engine *engine, uint16_t n_queues)
{
	if (engine->actions & HF_ACT_BIT(HF_ACT_COUNT))
		add_action(f, HF_ACT_COUNT, 0);
	if (e->reserved) {
		add_action(f, HF_ACT_QUEUE, n_queues + (uint32_t)hf_reserved_queue(e->fate));
		return;
	}
	switch (e->fate) {
	case HF_FATE_JUMP:
		if (e->sets_tag)
			f->actions[f->n_actions++] = (struct hf_flow_action){
				.act = HF_ACT_SET_TAG, .value = e->tag, .keep = e->tag_keep};
		add_action(f, HF_ACT_JUMP, plan->tables[e->jump].group);
		break;
	case HF_FATE_DENY:
		add_action(f, HF_ACT_DROP, 0);
		break;
	case HF_FATE_PUNT:
		if (plan->eswitch.on)
			add_software(f, engine);
		else
			add_receive(f, engine, n_queues);
		break;
	case HF_FATE_ALLOW:
	case HF_FATE_ALLOW_UNTRACKED:
		add_allowed(f, plan, e, engine, n_queues);
		break;
	}
}

const struct hf_engine *hf_plan_engine(const struct hf_nic *nic, bool eswitch)
{
	unsigned int dir = eswitch ? HF_DIR_TRANSFER : HF_DIR_INGRESS;
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];

		if ((!e->directions && !eswitch) || e->directions & dir) {
			if (e->actions & HF_ACT_BIT(HF_ACT_DROP) &&
				e->field[HF_F_IP4_DST] != HF_MASK_NONE)
				return e;
		}
	}
	return NULL;
}

const struct hf_engine *hf_plan_carrier(const struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];

		if (!(e->actions & (HF_ACT_BIT(HF_ACT_DROP) | HF_ACT_BIT(HF_ACT_MARK))) &&
			e->actions & HF_ACT_BIT(HF_ACT_QUEUE) && !e->type_scope &&
			e->shape == HF_SHAPE_FREE && e->field[HF_F_IP4_DST] != HF_MASK_NONE)
			return e;
	}
	return NULL;
}

bool hf_plan_can_reserve(const struct hf_nic *nic)
{
	return hf_plan_carrier(nic);
}

/* Items that name a port come first, as people write them. */
static void list_items(struct hf_flow *f, uint32_t layers)
{
	const uint32_t ports =
		HF_LAYER_BIT(HF_LAYER_PORT_ID) | HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT);
	unsigned int l;

	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (layers & ports & HF_LAYER_BIT(l))
			f->items[f->n_items++] = (uint8_t)l;
	}
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (layers & ~ports & HF_LAYER_BIT(l))
			f->items[f->n_items++] = (uint8_t)l;
	}
}

void hf_plan_flow(const struct hf_plan *plan, const struct hf_nic *nic, size_t i, uint16_t n_queues,
	struct hf_flow *ret)
{
	hf_entry_flow(plan, nic, hf_plan_at(plan, i), n_queues, ret);
}

void hf_entry_flow(const struct hf_plan *plan, const struct hf_nic *nic, const struct hf_entry *e,
	uint16_t n_queues, struct hf_flow *ret)
{
	const struct hf_engine *engine =
		e->reserved ? hf_plan_carrier(nic) : hf_plan_engine(nic, plan->eswitch.on);

	memset(ret, 0, sizeof(*ret));
	ret->ingress = !plan->eswitch.on;
	ret->transfer = plan->eswitch.on;
	ret->group = plan->tables[e->table].group;
	ret->priority = e->priority;
	ret->pattern = e->match;
	list_items(ret, e->match.layers);
	if (e->match.mask.ip_frag && e->match.layers & HF_LAYER_BIT(HF_LAYER_IPV4))
		ret->frag = (uint8_t)hf_nic_frag_form(engine, e->match.spec.ip_frag);
	add_actions(ret, plan, e, engine, n_queues);
}
