/* SPDX-License-Identifier: BSD-3-Clause */

#include "async.h"

#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

int hf_vnic_info_get(struct rte_eth_dev *dev, struct rte_flow_port_info *port,
	struct rte_flow_queue_info *queue, struct rte_flow_error *error)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(error);
	*port = (struct rte_flow_port_info){
		.max_nb_queues = HF_VNIC_FLOWQS_MAX,
		.max_nb_counters = HF_VNIC_POOL_MAX,
		.max_nb_aging_objects = HF_VNIC_POOL_MAX,
		.supported_flags = RTE_FLOW_PORT_FLAG_STRICT_QUEUE,
	};
	*queue = (struct rte_flow_queue_info){.max_size = HF_VNIC_FLOWQ_SIZE_MAX};
	return 0;
}

static void queues_free(struct hf_vnic_async *async)
{
	unsigned int q;

	for (q = 0; q < async->n_queues; q++)
		free(async->queue[q].ops);
	memset(async->queue, 0, sizeof(async->queue));
	async->n_queues = 0;
}

/* All of one size, as mlx5 wants them; and what ages is counted. */
static int check_queues(
	const struct rte_flow_port_attr *port, uint16_t n, const struct rte_flow_queue_attr *attr[])
{
	uint16_t q;

	if (n == 0 || n > HF_VNIC_FLOWQS_MAX || port->nb_counters > HF_VNIC_POOL_MAX ||
		port->nb_aging_objects > HF_VNIC_POOL_MAX || port->nb_meters ||
		port->nb_conn_tracks || (port->flags & ~RTE_FLOW_PORT_FLAG_STRICT_QUEUE) ||
		(port->nb_aging_objects && !port->nb_counters))
		return -EINVAL;
	for (q = 0; q < n; q++) {
		if (!attr[q] || attr[q]->size < 1 || attr[q]->size > HF_VNIC_FLOWQ_SIZE_MAX ||
			attr[q]->size != attr[0]->size)
			return -EINVAL;
	}
	return 0;
}

static int queues_new(struct hf_vnic_async *async, uint16_t n, uint32_t size)
{
	for (async->n_queues = 0; async->n_queues < n; async->n_queues++) {
		struct hf_vnic_flowq *queue = &async->queue[async->n_queues];

		queue->size = size;
		queue->ops = calloc(size, sizeof(*queue->ops));
		if (!queue->ops) {
			queues_free(async);
			return -ENOMEM;
		}
	}
	return 0;
}

static bool is_busy(const struct hf_vnic_async *async)
{
	unsigned int q;

	for (q = 0; q < async->n_queues; q++) {
		if (async->queue[q].end != async->queue[q].pulled)
			return true;
	}
	return false;
}

/* What was made of the configuration before; rules are gone. With the lock held. */
static void unconfigure(struct hf_vnic *vnic)
{
	hf_vnic_templates_free(vnic->async);
	queues_free(vnic->async);
	hf_vnic_handle_fini(vnic);
}

/* Again: everything made so far goes. With the lock held. */
static int configure(struct hf_vnic *vnic, const struct rte_flow_port_attr *port, uint16_t n,
	const struct rte_flow_queue_attr *attr[])
{
	int rc = check_queues(port, n, attr);

	if (rc < 0)
		return rc;
	if (is_busy(vnic->async))
		return -EBUSY;
	rc = hf_vnic_flush_rules(vnic);
	if (rc < 0)
		return rc;
	hf_vnic_async_forget(vnic);
	unconfigure(vnic);
	vnic->async->n_counted = 0;
	vnic->async->n_aging = 0;
	vnic->async->n_counters = port->nb_counters;
	vnic->async->n_ages = port->nb_aging_objects;
	vnic->async->strict = port->flags & RTE_FLOW_PORT_FLAG_STRICT_QUEUE;
	return queues_new(vnic->async, n, attr[0]->size);
}

int hf_vnic_configure(struct rte_eth_dev *dev, const struct rte_flow_port_attr *port, uint16_t n,
	const struct rte_flow_queue_attr *attr[], struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc;

	pthread_mutex_lock(vnic->lock);
	rc = configure(vnic, port, n, attr);
	pthread_mutex_unlock(vnic->lock);
	if (rc < 0)
		return hf_vnic_flow_fail(
			error, -rc, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "fail to configure port");
	return 0;
}

static struct hf_vnic_flow_op *op_at(struct hf_vnic_flowq *queue, uint64_t i)
{
	return &queue->ops[i % queue->size];
}

static bool has(const struct rte_flow *rule, enum hf_act act)
{
	return rule->acts & HF_ACT_BIT(act);
}

/* Of those that were reserved. What ages is counted, asked for or not. */
static bool takes_counter(const struct rte_flow *rule)
{
	return (has(rule, HF_ACT_COUNT) || has(rule, HF_ACT_AGE)) && !rule->shared_counter;
}

static bool takes_age(const struct rte_flow *rule)
{
	return has(rule, HF_ACT_AGE) && !rule->shared_age;
}

static void remove_rule(struct hf_vnic *vnic, struct rte_flow *rule)
{
	vnic->async->n_counted -= takes_counter(rule);
	vnic->async->n_aging -= takes_age(rule);
	rule->made_by->n_rules--;
	hf_vnic_table_del(rule);
}

/* The rule could not be placed; what else waits for it fails too. */
static void fail_rule(struct hf_vnic *vnic, struct hf_vnic_flowq *queue, struct rte_flow *rule)
{
	uint64_t i;

	for (i = queue->pushed; i < queue->end; i++) {
		struct hf_vnic_flow_op *op = op_at(queue, i);

		if (op->rule != rule)
			continue;
		op->failed = true;
		op->rule = NULL;
	}
	remove_rule(vnic, rule);
}

/* False: rules use it. Then it is as if nobody had asked. */
static bool remove_handle(struct hf_vnic *vnic, struct rte_flow_action_handle *handle)
{
	handle->dying = false;
	return hf_vnic_handle_free(vnic, handle);
}

/* Does what was put off. With the lock held. */
static void push(struct hf_vnic *vnic, struct hf_vnic_flowq *queue)
{
	for (; queue->pushed < queue->end; queue->pushed++) {
		struct hf_vnic_flow_op *op = op_at(queue, queue->pushed);

		if (op->handle)
			op->failed = !remove_handle(vnic, op->handle);
		else if (op->rule && op->destroys)
			remove_rule(vnic, op->rule);
		else if (op->rule && hf_vnic_table_place(op->rule) < 0)
			fail_rule(vnic, queue, op->rule);
		op->rule = NULL;
		op->ready = queue->n_pulls + 1 + vnic->faults.pull_late;
	}
}

struct hf_vnic_flowq *hf_vnic_flowq_of(
	struct rte_eth_dev *dev, uint32_t q, const char *full, struct rte_flow_error *error)
{
	struct hf_vnic_async *async = vnic_of(dev)->async;
	struct hf_vnic_flowq *queue = q < async->n_queues ? &async->queue[q] : NULL;
	const char *text = full;
	int err = 0;

	if (!queue) {
		text = "no such flow queue";
		err = EINVAL;
	} else if (!dev->data->dev_started) {
		text = "Port not started";
		err = EINVAL;
	} else if (queue->end - queue->pulled == queue->size) {
		err = ENOMEM;
	}
	if (!err)
		return queue;
	hf_vnic_flow_fail(error, err, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, text);
	return NULL;
}

void hf_vnic_flowq_add(struct hf_vnic *vnic, struct hf_vnic_flowq *queue,
	const struct rte_flow_op_attr *attr, const struct hf_vnic_flow_op *op)
{
	*op_at(queue, queue->end++) = *op;
	if (!attr->postpone)
		push(vnic, queue);
}

/* What the application wants of a table. */
struct wish {
	struct rte_flow_template_table *table;
	const struct rte_flow_item *items;
	uint8_t pattern;
	const struct rte_flow_action *actions;
	uint8_t action;
};

static int check_wish(struct rte_eth_dev *dev, const struct wish *w, struct hf_vnic_request *ret,
	struct rte_flow_error *error)
{
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 1];
	struct rte_flow_action actions[HF_FLOW_ACTIONS_MAX + 1];
	struct rte_flow_template_table *t = w->table;
	int rc;

	if (!hf_vnic_has_table(vnic_of(dev)->async, t) || w->pattern >= t->n_patterns ||
		w->action >= t->n_actions)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"no such table or template");
	if (t->n_rules == t->attr.nb_flows)
		return hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "fail to create rte flow");
	rc = hf_vnic_template_items(t->patterns[w->pattern], w->items, items, error);
	if (rc == 0)
		rc = hf_vnic_template_actions(t->actions[w->action], w->actions, actions, error);
	if (rc == 0)
		rc = hf_vnic_flow_check(dev, &t->attr.flow_attr, items, actions, ret, error);
	if (rc == 0 && !hf_vnic_template_fits(t->actions[w->action], &ret->flow))
		rc = hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
			"the indirect actions are not those of the template");
	return rc;
}

/* With the lock held. Its counter and age are of those that were reserved. */
static struct rte_flow *make_rule(
	struct rte_eth_dev *dev, const struct wish *w, uint32_t q, struct rte_flow_error *error)
{
	struct hf_vnic_async *async = vnic_of(dev)->async;
	struct rte_flow *rule = NULL;
	struct hf_vnic_request r;

	if (check_wish(dev, w, &r, error) < 0)
		return NULL;
	r.ask.later = true;
	r.ask.flow_queue = q;
	if (hf_vnic_flow_add(dev, &r, &rule, error) < 0)
		return NULL;
	rule->made_by = w->table;
	rule->flow_queue = q;
	w->table->n_rules++;
	async->n_counted += takes_counter(rule);
	async->n_aging += takes_age(rule);
	if (async->n_counted > async->n_counters || async->n_aging > async->n_ages) {
		remove_rule(vnic_of(dev), rule);
		hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "fail to create rte flow");
		return NULL;
	}
	return rule;
}

struct rte_flow *hf_vnic_async_create(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
	const struct rte_flow_item items[], uint8_t pattern, const struct rte_flow_action actions[],
	uint8_t action, void *user_data, struct rte_flow_error *error)
{
	const struct wish w = {table, items, pattern, actions, action};
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flow_op op = {.user_data = user_data};
	struct hf_vnic_flowq *queue;

	if (hf_vnic_flow_enter(dev, HF_VNIC_OP_CREATE, error) < 0)
		return NULL;
	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "fail to create rte flow", error);
	if (queue)
		op.rule = make_rule(dev, &w, q, error);
	if (op.rule)
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	pthread_mutex_unlock(vnic->lock);
	/* Once executed a failed creation's handle is dead; its completion says so. */
	return op.rule;
}

int hf_vnic_async_destroy(struct rte_eth_dev *dev, uint32_t q, const struct rte_flow_op_attr *attr,
	struct rte_flow *rule, void *user_data, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flow_op op = {.user_data = user_data, .rule = rule, .destroys = true};
	struct hf_vnic_flowq *queue;
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_DESTROY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "fail to destroy rte flow", error);
	if (!queue) {
		rc = -rte_errno;
	} else if (!hf_vnic_has_rule(vnic, rule) || !rule->made_by || rule->dying) {
		rc = hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, "no such rule");
	} else if (rule->flow_queue != q) {
		rc = hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE,
			"the rule was made by another flow queue");
	} else {
		rule->dying = true;
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

static int no_queue(struct rte_flow_error *error)
{
	return hf_vnic_flow_fail(
		error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no such flow queue");
}

int hf_vnic_push(struct rte_eth_dev *dev, uint32_t q, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (q < vnic->async->n_queues)
		push(vnic, &vnic->async->queue[q]);
	else
		rc = no_queue(error);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* The completion at the front of the queue is now the application's, unless it gets lost. */
static bool take(struct hf_vnic *vnic, struct hf_vnic_flowq *queue, struct rte_flow_op_result *ret)
{
	const struct hf_vnic_flow_op *op = op_at(queue, queue->pulled++);

	queue->n_completions++;
	if (vnic->faults.pull_lost && queue->n_completions % vnic->faults.pull_lost == 0)
		return false;
	ret->user_data = op->user_data;
	ret->status = op->failed ? RTE_FLOW_OP_ERROR : RTE_FLOW_OP_SUCCESS;
	return true;
}

int hf_vnic_pull(struct rte_eth_dev *dev, uint32_t q, struct rte_flow_op_result res[],
	uint16_t n_res, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flowq *queue;
	int n = 0;

	pthread_mutex_lock(vnic->lock);
	if (q >= vnic->async->n_queues) {
		pthread_mutex_unlock(vnic->lock);
		return no_queue(error);
	}
	queue = &vnic->async->queue[q];
	queue->n_pulls++;
	while (n < n_res && queue->pulled < queue->pushed &&
		op_at(queue, queue->pulled)->ready <= queue->n_pulls)
		n += take(vnic, queue, &res[n]);
	pthread_mutex_unlock(vnic->lock);
	return n;
}

void hf_vnic_async_settle(struct hf_vnic *vnic)
{
	unsigned int q;

	for (q = 0; vnic->async && q < vnic->async->n_queues; q++)
		push(vnic, &vnic->async->queue[q]);
}

void hf_vnic_async_forget(struct hf_vnic *vnic)
{
	const struct rte_flow_action_handle *handle;
	struct rte_flow_template_table *t;

	if (!vnic->async)
		return;
	for (t = vnic->async->tables; t; t = t->next)
		t->n_rules = 0;
	vnic->async->n_counted = 0;
	vnic->async->n_aging = 0;
	for (handle = vnic->handles; handle; handle = handle->next) {
		vnic->async->n_counted += handle->act == HF_ACT_COUNT;
		vnic->async->n_aging += handle->act == HF_ACT_AGE;
	}
}

void hf_vnic_async_reset(struct hf_vnic *vnic)
{
	if (!vnic->async)
		return;
	pthread_mutex_lock(vnic->lock);
	unconfigure(vnic);
	pthread_mutex_unlock(vnic->lock);
}

void hf_vnic_async_fini(struct hf_vnic *vnic)
{
	if (!vnic->async)
		return;
	hf_vnic_templates_free(vnic->async);
	queues_free(vnic->async);
	free(vnic->async);
	vnic->async = NULL;
}
