/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include <hepflow/rteflow.h>

#include <rte_flow_driver.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the packet path can do. A profile may know more. */
#define DOES                                                                                       \
	(HF_ACT_BIT(HF_ACT_DROP) | HF_ACT_BIT(HF_ACT_QUEUE) | HF_ACT_BIT(HF_ACT_RSS) |             \
		HF_ACT_BIT(HF_ACT_MARK) | HF_ACT_BIT(HF_ACT_FLAG) | HF_ACT_BIT(HF_ACT_JUMP) |      \
		HF_ACT_BIT(HF_ACT_COUNT) | HF_ACT_BIT(HF_ACT_PASSTHRU) |                           \
		HF_ACT_BIT(HF_ACT_SET_TAG) | HF_ACT_BIT(HF_ACT_SET_META))

/* One request on its way: what was asked, and who takes it. */
struct request {
	struct hf_flow flow;
	struct hf_vnic_ask ask;
	uint16_t queues[HF_VNIC_QUEUES_MAX];
};

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

/* The message is the profile's, or the constant's, and outlives the call. */
static int refuse(const struct hf_nic *nic, enum hf_reject reject, const struct hf_flow *flow,
	struct rte_flow_error *error)
{
	const struct hf_nic_error *e = hf_nic_error_of(nic, reject, flow);

	return rte_flow_error_set(error, e->err, (enum rte_flow_error_type)e->type, NULL,
		e->no_message ? NULL : e->message);
}

static int fail(
	struct rte_flow_error *error, int err, enum rte_flow_error_type type, const char *text)
{
	return rte_flow_error_set(error, err, type, NULL, text);
}

/* Counts the call; what a fault says goes before all else. */
static int enter(struct rte_eth_dev *dev, enum hf_vnic_op op, struct rte_flow_error *error)
{
	int rc = hf_vnic_fault(dev, op);

	if (rc == 0)
		return 0;
	return fail(error, -rc, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "a fault that net_vnic was told");
}

/* Queues of QUEUE and RSS, which hf_flow does not spell out. False: one that is not there. */
static bool read_queues(
	const struct rte_eth_dev *dev, const struct rte_flow_action *action, struct request *r)
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

	if (flow->transfer)
		return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER,
			"net_vnic executes ingress and egress rules only");
	if (has_repeats(flow))
		return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
			"net_vnic executes each item once only");
	if (flow->pattern.layers & HF_LAYER_BIT(HF_LAYER_OTHER))
		return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM,
			"net_vnic does not execute this item");
	for (i = 0; i < flow->n_actions; i++) {
		if (!(DOES & HF_ACT_BIT(flow->actions[i].act)))
			return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
				"net_vnic does not execute this action");
	}
	return 0;
}

/*
 * What hf_flow cannot even say. Unknown fields and masks get the driver's own words; for the rest
 * the driver's would speak of something else.
 */
static int refuse_unread(
	const struct hf_nic *nic, enum hf_reject reject, struct rte_flow_error *error)
{
	switch (reject) {
	case HF_REJECT_VALUE:
		return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
			"net_vnic does not know this value");
	case HF_REJECT_PATTERN:
		return fail(
			error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, "too many items for net_vnic");
	case HF_REJECT_ACTION:
		return fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
			"too many actions for net_vnic");
	case HF_REJECT_ACTION_VALUE:
		return fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
			"net_vnic does not know this action's configuration");
	default:
		return refuse(nic, reject, NULL, error);
	}
}

static int check(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct request *ret, struct rte_flow_error *error)
{
	const struct hf_nic *nic = vnic_of(dev)->nic;
	enum hf_reject reject;

	memset(ret, 0, sizeof(*ret));
	reject = hf_rte_flow_read(attr, items, actions, &ret->flow);
	if (reject)
		return refuse_unread(nic, reject, error);
	ret->ask.flow = &ret->flow;
	ret->ask.queues = ret->queues;
	ret->ask.engine = hf_nic_accept(nic, &ret->flow, &reject);
	if (!ret->ask.engine)
		return refuse(nic, reject, &ret->flow, error);
	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		if (!read_queues(dev, actions, ret))
			return fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
				"queue index out of range");
	}
	return check_can(&ret->flow, error);
}

static int flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct request r;

	return check(dev, attr, items, actions, &r, error);
}

static struct rte_flow *flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	enum hf_reject reject = HF_REJECT_NONE;
	struct rte_flow *rule = NULL;
	struct request r;
	int rc = enter(dev, HF_VNIC_OP_CREATE, error);

	if (rc == 0)
		rc = check(dev, attr, items, actions, &r, error);
	if (rc < 0)
		return NULL;
	r.ask.lost = hf_vnic_fault_loses(dev);
	rc = hf_vnic_table_add(&vnic->table, &r.ask, &rule, &reject);
	if (rc == -ENOMEM)
		fail(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
	else if (rc < 0)
		refuse(vnic->nic, reject, &r.flow, error);
	else
		hf_vnic_fault_taken(dev);
	return rc < 0 ? NULL : rule;
}

/* Handles die with a flush or a stop; who uses one after that gets an error. */
static int check_handle(
	struct hf_vnic *vnic, const struct rte_flow *rule, struct rte_flow_error *error)
{
	if (hf_vnic_table_has(&vnic->table, rule))
		return 0;
	return fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, "no such rule");
}

static int flow_destroy(
	struct rte_eth_dev *dev, struct rte_flow *rule, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = enter(dev, HF_VNIC_OP_DESTROY, error);

	if (rc == 0)
		rc = check_handle(vnic, rule, error);
	if (rc < 0)
		return rc;
	hf_vnic_table_del(&vnic->table, rule);
	return 0;
}

static int flow_flush(struct rte_eth_dev *dev, struct rte_flow_error *error)
{
	int rc = enter(dev, HF_VNIC_OP_FLUSH, error);

	if (rc < 0)
		return rc;
	if (hf_vnic_table_flush(&vnic_of(dev)->table) < 0)
		return fail(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
	return 0;
}

static int query_count(
	struct rte_flow *rule, struct rte_flow_query_count *ret, struct rte_flow_error *error)
{
	if (!(rule->acts & HF_ACT_BIT(HF_ACT_COUNT)))
		return fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "the rule has no counter");
	ret->hits_set = 1;
	ret->bytes_set = 1;
	/* Nothing that is counted meanwhile gets lost between reading and resetting. */
	ret->hits = ret->reset ? atomic_exchange(&rule->hits, 0) : atomic_load(&rule->hits);
	ret->bytes = ret->reset ? atomic_exchange(&rule->bytes, 0) : atomic_load(&rule->bytes);
	return 0;
}

static int query_rss(
	const struct rte_flow *rule, struct rte_flow_action_rss *ret, struct rte_flow_error *error)
{
	if (!(rule->acts & HF_ACT_BIT(HF_ACT_RSS)))
		return fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"the rule has no RSS action");
	*ret = (struct rte_flow_action_rss){
		.types = rule->rss_types,
		.queue_num = rule->n_queues,
		.queue = rule->queues,
	};
	return 0;
}

static int flow_query(struct rte_eth_dev *dev, struct rte_flow *rule,
	const struct rte_flow_action *actions, void *data, struct rte_flow_error *error)
{
	int rc = enter(dev, HF_VNIC_OP_QUERY, error);

	if (rc == 0)
		rc = check_handle(vnic_of(dev), rule, error);
	for (; rc == 0 && actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		switch ((int)actions->type) {
		case RTE_FLOW_ACTION_TYPE_VOID:
			break;
		case RTE_FLOW_ACTION_TYPE_COUNT:
			rc = query_count(rule, data, error);
			break;
		case RTE_FLOW_ACTION_TYPE_RSS:
			rc = query_rss(rule, data, error);
			break;
		default:
			rc = rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, actions,
				"this action has nothing to query");
		}
	}
	return rc;
}

/* As mlx5 does it; drivers that would allow it at any time allow this too. */
static int flow_isolate(struct rte_eth_dev *dev, int set, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);

	if (!vnic->nic->isolate)
		return fail(error, ENOSYS, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, rte_strerror(ENOSYS));
	if (dev->data->dev_started)
		return fail(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"port must be stopped first");
	vnic->isolated = set;
	return 0;
}

static void dump_rule(const struct rte_flow *rule, FILE *out)
{
	unsigned int l, a;

	fprintf(out, "%s %s group %" PRIu32 " priority %" PRIu32 ":", rule->engine->name,
		rule->dir == HF_VNIC_TX ? "egress" : "ingress", rule->asked_group,
		rule->asked_priority);
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (rule->layers & HF_LAYER_BIT(l))
			fprintf(out, " %s", hf_layer_name(l));
	}
	fprintf(out, " ->");
	for (a = 0; a < HF_ACT_MAX_; a++) {
		if (rule->acts & HF_ACT_BIT(a))
			fprintf(out, " %s", hf_act_name(a));
	}
	if (rule->danger != HF_F_MAX_)
		fprintf(out, ", %s not matched as asked", hf_field_info(rule->danger)->name);
	if (!rule->group)
		fprintf(out, ", lost");
	fprintf(out, ", %" PRIu64 " hits %" PRIu64 " bytes\n", (uint64_t)atomic_load(&rule->hits),
		(uint64_t)atomic_load(&rule->bytes));
}

static int flow_dev_dump(
	struct rte_eth_dev *dev, struct rte_flow *rule, FILE *out, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc;

	if (rule) {
		rc = check_handle(vnic, rule, error);
		if (rc == 0)
			dump_rule(rule, out);
		return rc;
	}
	for (rule = vnic->table.rules; rule; rule = rule->hh.next)
		dump_rule(rule, out);
	return 0;
}

const struct rte_flow_ops hf_vnic_flow_ops = {
	.validate = flow_validate,
	.create = flow_create,
	.destroy = flow_destroy,
	.flush = flow_flush,
	.query = flow_query,
	.isolate = flow_isolate,
	.dev_dump = flow_dev_dump,
};
