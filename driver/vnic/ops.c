/* SPDX-License-Identifier: BSD-3-Clause */

#include "age.h"
#include "async.h"
#include "handle.h"
#include "switch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static int flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_request r;
	int rc;

	if (vnic->nic->async_only)
		return hf_vnic_flow_refuse(vnic->nic, HF_REJECT_SYNC, NULL, error);
	pthread_mutex_lock(vnic->lock);
	rc = hf_vnic_flow_check(dev, attr, items, actions, &r, error);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

static struct rte_flow *flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow *rule = NULL;
	struct hf_vnic_request r;
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_CREATE, error);

	if (rc == 0 && vnic->nic->async_only)
		rc = hf_vnic_flow_refuse(vnic->nic, HF_REJECT_SYNC, NULL, error);
	if (rc < 0)
		return NULL;
	pthread_mutex_lock(vnic->lock);
	rc = hf_vnic_flow_check(dev, attr, items, actions, &r, error);
	if (rc == 0)
		rc = hf_vnic_flow_add(dev, &r, &rule, error);
	pthread_mutex_unlock(vnic->lock);
	return rc < 0 ? NULL : rule;
}

/* Handles die with a flush or a stop; who uses one after that gets an error. Lock held. */
static int check_handle(
	struct hf_vnic *vnic, const struct rte_flow *rule, struct rte_flow_error *error)
{
	if (hf_vnic_has_rule(vnic, rule))
		return 0;
	return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, "no such rule");
}

static int flow_destroy(
	struct rte_eth_dev *dev, struct rte_flow *rule, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_DESTROY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	rc = check_handle(vnic, rule, error);
	if (rc == 0 && rule->made_by)
		rc = hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE,
			"the rule was made by a flow queue");
	if (rc == 0)
		hf_vnic_table_del(rule);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

int hf_vnic_flush_rules(struct hf_vnic *vnic)
{
	if (vnic->swport)
		hf_vnic_table_del_of(&vnic->swport->sw->table, vnic->port);
	return hf_vnic_table_flush(&vnic->table);
}

int hf_vnic_flush(struct hf_vnic *vnic)
{
	int rc;

	pthread_mutex_lock(vnic->lock);
	hf_vnic_async_settle(vnic);
	rc = hf_vnic_flush_rules(vnic);
	if (rc == 0)
		hf_vnic_async_forget(vnic);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

static int flow_flush(struct rte_eth_dev *dev, struct rte_flow_error *error)
{
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_FLUSH, error);

	if (rc < 0)
		return rc;
	if (hf_vnic_flush(vnic_of(dev)) < 0)
		return hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
	return 0;
}

static int query_count(
	struct rte_flow *rule, struct rte_flow_query_count *ret, struct rte_flow_error *error)
{
	if (!(rule->acts & HF_ACT_BIT(HF_ACT_COUNT)))
		return hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "the rule has no counter");
	hf_vnic_query_counter(rule->counter, ret);
	return 0;
}

static int query_age(
	const struct rte_flow *rule, struct rte_flow_query_age *ret, struct rte_flow_error *error)
{
	if (!rule->age)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"the rule has no AGE action");
	hf_vnic_query_age(rule->age, ret);
	return 0;
}

static int query_rss(
	const struct rte_flow *rule, struct rte_flow_action_rss *ret, struct rte_flow_error *error)
{
	if (!(rule->acts & HF_ACT_BIT(HF_ACT_RSS)))
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"the rule has no RSS action");
	*ret = (struct rte_flow_action_rss){
		.types = rule->rss_types,
		.queue_num = rule->n_queues,
		.queue = rule->queues,
	};
	return 0;
}

/* With the lock held. */
static int query(struct hf_vnic *vnic, struct rte_flow *rule, const struct rte_flow_action *actions,
	void *data, struct rte_flow_error *error)
{
	int rc = check_handle(vnic, rule, error);

	for (; rc == 0 && actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		switch ((int)actions->type) {
		case RTE_FLOW_ACTION_TYPE_VOID:
			break;
		case RTE_FLOW_ACTION_TYPE_COUNT:
			rc = query_count(rule, data, error);
			break;
		case RTE_FLOW_ACTION_TYPE_AGE:
			rc = query_age(rule, data, error);
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

static int flow_query(struct rte_eth_dev *dev, struct rte_flow *rule,
	const struct rte_flow_action *actions, void *data, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_QUERY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	rc = query(vnic, rule, actions, data, error);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* As mlx5 does it; drivers that would allow it at any time allow this too. */
static int flow_isolate(struct rte_eth_dev *dev, int set, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);

	if (!vnic->nic->isolate)
		return hf_vnic_flow_fail(
			error, ENOSYS, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, rte_strerror(ENOSYS));
	if (dev->data->dev_started)
		return hf_vnic_flow_fail(error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"port must be stopped first");
	vnic->isolated = set;
	return 0;
}

static void dump_rule(const struct rte_flow *rule, FILE *out)
{
	static const char *const dirs[HF_VNIC_DIRS] = {"ingress", "egress", "transfer"};
	unsigned int l, a;

	fprintf(out, "%s %s group %" PRIu32 " priority %" PRIu32 ":", rule->engine->name,
		dirs[rule->dir], rule->asked_group, rule->asked_priority);
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
	if (rule->lost)
		fprintf(out, ", lost");
	fprintf(out, ", %" PRIu64 " hits %" PRIu64 " bytes\n",
		(uint64_t)atomic_load(&rule->counter->hits),
		(uint64_t)atomic_load(&rule->counter->bytes));
}

static int flow_dev_dump(
	struct rte_eth_dev *dev, struct rte_flow *rule, FILE *out, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow *each;
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (rule)
		rc = check_handle(vnic, rule, error);
	for (each = rule ? rule : hf_vnic_next_rule(vnic, NULL); rc == 0 && each;
		each = rule ? NULL : hf_vnic_next_rule(vnic, each)) {
		if (!rule || !rule->lost) /* of one rule the card itself is asked */
			dump_rule(each, out);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* As mlx5 has it (mlx5_flow.c, mlx5_flow_pick_transfer_proxy), for whoever has an e-switch. */
static int pick_transfer_proxy(
	struct rte_eth_dev *dev, uint16_t *ret_port, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	const struct hf_vnic_swport *proxy;

	*ret_port = vnic->port;
	if (!vnic->swport)
		return 0;
	pthread_mutex_lock(vnic->lock);
	proxy = hf_vnic_switch_proxy(vnic->swport->sw);
	if (proxy)
		*ret_port = proxy->port;
	pthread_mutex_unlock(vnic->lock);
	if (proxy)
		return 0;
	return hf_vnic_flow_fail(
		error, ENODEV, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "unable to find a proxy port");
}

#define FLOW_OPS                                                                                   \
	.validate = flow_validate, .create = flow_create, .destroy = flow_destroy,                 \
	.flush = flow_flush, .query = flow_query, .isolate = flow_isolate,                         \
	.dev_dump = flow_dev_dump, .pick_transfer_proxy = pick_transfer_proxy,                     \
	.get_aged_flows = hf_vnic_get_aged_flows, .action_handle_create = hf_vnic_handle_create,   \
	.action_handle_destroy = hf_vnic_handle_destroy,                                           \
	.action_handle_query = hf_vnic_handle_query

const struct rte_flow_ops hf_vnic_flow_ops = {FLOW_OPS};

const struct rte_flow_ops hf_vnic_async_flow_ops = {
	FLOW_OPS,
	.info_get = hf_vnic_info_get,
	.configure = hf_vnic_configure,
	.pattern_template_create = hf_vnic_pattern_template_create,
	.pattern_template_destroy = hf_vnic_pattern_template_destroy,
	.actions_template_create = hf_vnic_actions_template_create,
	.actions_template_destroy = hf_vnic_actions_template_destroy,
	.template_table_create = hf_vnic_template_table_create,
	.template_table_destroy = hf_vnic_template_table_destroy,
	.action_handle_update = hf_vnic_handle_update,
	.get_q_aged_flows = hf_vnic_get_q_aged_flows,
	.async_create = hf_vnic_async_create,
	.async_destroy = hf_vnic_async_destroy,
	.push = hf_vnic_push,
	.pull = hf_vnic_pull,
	.async_action_handle_create = hf_vnic_async_handle_create,
	.async_action_handle_destroy = hf_vnic_async_handle_destroy,
	.async_action_handle_update = hf_vnic_async_handle_update,
	.async_action_handle_query = hf_vnic_async_handle_query,
};
