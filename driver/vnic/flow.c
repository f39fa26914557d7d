/* SPDX-License-Identifier: BSD-3-Clause */

#include "flow.h"

#include "age.h"
#include "handle.h"
#include "switch.h"

#include <hepflow/rteflow.h>

#include <errno.h>
#include <string.h>

/* What the packet path can do. A profile may know more. */
#define DOES                                                                                       \
	(HF_ACT_BIT(HF_ACT_PORT_ID) | HF_ACT_BIT(HF_ACT_REPRESENTED_PORT) |                        \
		HF_ACT_BIT(HF_ACT_DROP) | HF_ACT_BIT(HF_ACT_QUEUE) | HF_ACT_BIT(HF_ACT_RSS) |      \
		HF_ACT_BIT(HF_ACT_MARK) | HF_ACT_BIT(HF_ACT_FLAG) | HF_ACT_BIT(HF_ACT_JUMP) |      \
		HF_ACT_BIT(HF_ACT_COUNT) | HF_ACT_BIT(HF_ACT_AGE) | HF_ACT_BIT(HF_ACT_PASSTHRU) |  \
		HF_ACT_BIT(HF_ACT_SET_TAG) | HF_ACT_BIT(HF_ACT_SET_META) |                         \
		HF_ACT_BIT(HF_ACT_MODIFY_FIELD))

int hf_vnic_flow_refuse(const struct hf_nic *nic, enum hf_reject reject, const struct hf_flow *flow,
	struct rte_flow_error *error)
{
	const struct hf_nic_error *e = hf_nic_error_of(nic, reject, flow);

	return rte_flow_error_set(error, e->err, (enum rte_flow_error_type)e->type, NULL,
		e->no_message ? NULL : e->message);
}

int hf_vnic_flow_enter(struct rte_eth_dev *dev, enum hf_vnic_op op, struct rte_flow_error *error)
{
	int rc = hf_vnic_fault(dev, op);

	if (rc == 0)
		return 0;
	return hf_vnic_flow_fail(
		error, -rc, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "a fault that net_vnic was told");
}

/* Queues of QUEUE and RSS, which hf_flow does not spell out. False: one that is not there. */
static bool read_queues(const struct rte_eth_dev *dev, const struct rte_flow_action *action,
	struct hf_vnic_request *r)
{
	const struct rte_flow_action_rss *rss = action->conf;
	const uint16_t *queues;
	uint32_t i, n;

	if (action->type == RTE_FLOW_ACTION_TYPE_QUEUE) {
		queues = &((const struct rte_flow_action_queue *)action->conf)->index;
		n = 1;
	} else if (action->type == RTE_FLOW_ACTION_TYPE_RSS) {
		queues = rss->queue;
		n = rss->queue_num;
		r->ask.rss_types = rss->types;
	} else {
		return true;
	}
	if (n == 0 || n > HF_VNIC_QUEUES_MAX || !queues)
		return false;
	for (i = 0; i < n; i++) {
		if (queues[i] >= dev->data->nb_rx_queues)
			return false;
		r->queues[i] = queues[i];
	}
	r->ask.n_queues = (uint16_t)n;
	r->ask.queues = r->queues;
	return true;
}

static bool has_repeats(const struct hf_flow *flow)
{
	uint32_t seen = 0;
	size_t i;

	for (i = 0; i < flow->n_items; i++) {
		if (seen & HF_LAYER_BIT(flow->items[i]))
			return true;
		seen |= HF_LAYER_BIT(flow->items[i]);
	}
	return false;
}

/* What the profile takes but this program cannot execute must not be taken. */
static int check_can(const struct hf_flow *flow, struct rte_flow_error *error)
{
	size_t i;

	if (has_repeats(flow))
		return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
			"net_vnic executes each item once only");
	if (flow->pattern.layers & HF_LAYER_BIT(HF_LAYER_OTHER))
		return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
			"net_vnic does not execute this item");
	for (i = 0; i < flow->n_actions; i++) {
		if (!(DOES & HF_ACT_BIT(flow->actions[i].act)))
			return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
				"net_vnic does not execute this action");
	}
	return 0;
}

/*
 * What hf_flow cannot even say. Unknown fields and masks get the driver's own words; for the rest
 * the driver's would speak of something else.
 */
int hf_vnic_flow_refuse_unread(
	const struct hf_nic *nic, enum hf_reject reject, struct rte_flow_error *error)
{
	switch (reject) {
	case HF_REJECT_VALUE:
		return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
			"net_vnic does not know this value");
	case HF_REJECT_PATTERN:
		return hf_vnic_flow_fail(
			error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, "too many items for net_vnic");
	case HF_REJECT_ACTION:
		return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
			"too many actions for net_vnic");
	case HF_REJECT_ACTION_VALUE:
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
			"net_vnic does not know this action's configuration");
	default:
		return hf_vnic_flow_refuse(nic, reject, NULL, error);
	}
}

/* What an e-switch has to say about a rule that the NIC takes. */
static int check_switch(
	struct hf_vnic *vnic, struct hf_vnic_request *r, struct rte_flow_error *error)
{
	if (!r->flow.transfer)
		return 0;
	if (vnic->nic->transfer_proxy && vnic->swport->representor != HF_VNIC_NO_REPRESENTOR)
		return hf_vnic_flow_refuse(vnic->nic, HF_REJECT_TRANSFER, &r->flow, error);
	return hf_vnic_switch_check(vnic, &r->flow, &r->ask, error);
}

int hf_vnic_flow_check(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct hf_vnic_request *ret, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	const struct hf_nic *nic = vnic->nic;
	struct rte_flow_action plain[HF_FLOW_ACTIONS_MAX + 1];
	enum hf_reject reject;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = hf_vnic_handle_resolve(vnic, actions, plain, &ret->ask, error);
	if (rc < 0)
		return rc;
	actions = plain;
	reject = hf_rte_flow_read(attr, items, actions, &ret->flow);
	if (reject)
		return hf_vnic_flow_refuse_unread(nic, reject, error);
	ret->ask.flow = &ret->flow;
	ret->ask.queues = ret->queues;
	ret->ask.owner = vnic->port;
	ret->ask.engine = hf_nic_accept(nic, &ret->flow, &reject);
	if (!ret->ask.engine)
		return hf_vnic_flow_refuse(nic, reject, &ret->flow, error);
	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		if (!read_queues(dev, actions, ret))
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
				"queue index out of range");
	}
	rc = check_can(&ret->flow, error);
	return rc < 0 ? rc : check_switch(vnic, ret, error);
}

bool hf_vnic_has_rule(const struct hf_vnic *vnic, const struct rte_flow *rule)
{
	if (hf_vnic_table_has(&vnic->table, rule))
		return true;
	return vnic->swport && hf_vnic_table_has(&vnic->swport->sw->table, rule) &&
	       rule->owner == vnic->port;
}

/* The next of the port's own rules, also among those of its switch. */
struct rte_flow *hf_vnic_next_rule(const struct hf_vnic *vnic, const struct rte_flow *rule)
{
	struct rte_flow *next = rule ? rule->hh.next : vnic->table.rules;

	if (!next && vnic->swport && (!rule || rule->table == &vnic->table))
		next = vnic->swport->sw->table.rules;
	while (next && next->owner != vnic->port)
		next = next->hh.next;
	return next;
}

int hf_vnic_flow_add(struct rte_eth_dev *dev, struct hf_vnic_request *r, struct rte_flow **ret,
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	enum hf_reject reject = HF_REJECT_NONE;
	int rc;

	r->ask.lost = hf_vnic_fault_loses(dev);
	rc = hf_vnic_table_add(
		r->flow.transfer ? &vnic->swport->sw->table : &vnic->table, &r->ask, ret, &reject);
	if (rc == -ENOMEM)
		return hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
	if (rc < 0)
		return hf_vnic_flow_refuse(vnic->nic, reject, &r->flow, error);
	hf_vnic_fault_taken(dev);
	if ((*ret)->age == &(*ret)->own_age)
		hf_vnic_age_watch(dev);
	return 0;
}
