/* SPDX-License-Identifier: BSD-3-Clause */

#include "age.h"

#include "async.h"
#include "switch.h"

#include <rte_alarm.h>
#include <rte_cycles.h>

#include <errno.h>

#define AGE_MAX	    0xffffffu /* seconds: 24 bits of struct rte_flow_query_age */
#define LOOK_US	    500000
#define EVERY_FLOWQ UINT32_MAX

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

void hf_vnic_age_init(
	struct hf_vnic_age *age, const struct rte_flow_action_age *conf, void *default_context)
{
	age->timeout = conf->timeout * rte_get_tsc_hz();
	age->context = conf->context ? conf->context : default_context;
	atomic_store(&age->last_hit, rte_get_tsc_cycles());
	age->reported = 0;
}

/* Packets may come in between: the last one can be later than now. */
static uint64_t idle_of(const struct hf_vnic_age *age, uint64_t now)
{
	uint64_t last = atomic_load(&age->last_hit);

	return now > last ? now - last : 0;
}

/* A timeout of 0 does not age. */
static bool is_old(const struct hf_vnic_age *age, uint64_t now)
{
	return age->timeout && idle_of(age, now) > age->timeout;
}

void hf_vnic_query_age(struct hf_vnic_age *age, struct rte_flow_query_age *ret)
{
	uint64_t now = rte_get_tsc_cycles();

	*ret = (struct rte_flow_query_age){
		.aged = is_old(age, now),
		.sec_since_last_hit_valid = 1,
		.sec_since_last_hit =
			RTE_MIN(idle_of(age, now) / rte_get_tsc_hz(), AGE_MAX) & AGE_MAX,
	};
}

void hf_vnic_update_age(struct hf_vnic_age *age, const struct rte_flow_update_age *update)
{
	if (update->timeout_valid)
		age->timeout = update->timeout * rte_get_tsc_hz();
	if (update->touch)
		atomic_store(&age->last_hit, rte_get_tsc_cycles());
}

/* What has been idle for too long is told once, and again only after another packet. */
static bool is_news(const struct hf_vnic_age *age, uint64_t now)
{
	return is_old(age, now) && age->reported != atomic_load(&age->last_hit);
}

/* Where the results go; n may be 0, then they are only counted. */
struct aged {
	void **contexts;
	uint32_t n;
	uint32_t n_found;
	uint32_t n_aging; /* old or not */
	uint64_t now;
	uint32_t flow_queue; /* of this one only, or EVERY_FLOWQ */
};

static void look_at(struct hf_vnic_age *age, struct aged *a)
{
	a->n_aging++;
	if ((a->flow_queue != EVERY_FLOWQ && a->flow_queue != age->flow_queue) ||
		(a->n && a->n_found == a->n) || !is_news(age, a->now))
		return;
	if (a->n) {
		a->contexts[a->n_found] = age->context;
		age->reported = atomic_load(&age->last_hit);
	}
	a->n_found++;
}

/* With the lock held. */
static void look_at_all(const struct hf_vnic *vnic, struct aged *a)
{
	struct rte_flow_action_handle *handle;
	struct rte_flow *rule;

	for (rule = vnic->table.aging; rule; rule = rule->age_next)
		look_at(&rule->own_age, a);
	rule = vnic->swport ? vnic->swport->sw->table.aging : NULL;
	for (; rule; rule = rule->age_next) {
		if (rule->owner == vnic->port)
			look_at(&rule->own_age, a);
	}
	for (handle = vnic->handles; handle; handle = handle->next) {
		if (handle->act == HF_ACT_AGE && handle->n_users)
			look_at(&handle->age, a);
	}
}

/* What mlx5's flow queues have to say first (mlx5_flow_hw.c, flow_hw_get_q_aged_flows). */
static int check_flowq(
	const struct hf_vnic *vnic, const struct aged *a, struct rte_flow_error *error)
{
	if (a->n && !a->contexts)
		return hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "empty context");
	if (!vnic->nic->async_only)
		return 0;
	if (!vnic->async->n_ages)
		return hf_vnic_flow_fail(
			error, ENOENT, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "No aging initialized");
	if (a->flow_queue != EVERY_FLOWQ && a->flow_queue >= vnic->async->n_queues)
		return hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "invalid queue id");
	return 0;
}

static int get_aged(struct hf_vnic *vnic, struct aged *a, struct rte_flow_error *error)
{
	int rc;

	a->now = rte_get_tsc_cycles();
	pthread_mutex_lock(vnic->lock);
	rc = check_flowq(vnic, a, error);
	if (rc == 0) {
		vnic->aging.told = false;
		look_at_all(vnic, a);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc < 0 ? rc : (int)RTE_MIN(a->n_found, (uint32_t)INT32_MAX);
}

static bool is_strict(const struct hf_vnic *vnic)
{
	return vnic->async && vnic->async->strict;
}

int hf_vnic_get_aged_flows(
	struct rte_eth_dev *dev, void **contexts, uint32_t n, struct rte_flow_error *error)
{
	struct aged a = {.contexts = contexts, .n = n, .flow_queue = EVERY_FLOWQ};

	if (is_strict(vnic_of(dev)))
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_STATE,
			"Cannot get aged flows synchronously with strict queueing");
	return get_aged(vnic_of(dev), &a, error);
}

int hf_vnic_get_q_aged_flows(struct rte_eth_dev *dev, uint32_t q, void **contexts, uint32_t n,
	struct rte_flow_error *error)
{
	struct aged a = {.contexts = contexts, .n = n, .flow_queue = EVERY_FLOWQ};

	if (is_strict(vnic_of(dev)))
		a.flow_queue = q;
	return get_aged(vnic_of(dev), &a, error);
}

static void look(void *arg)
{
	struct rte_eth_dev *dev = arg;
	struct hf_vnic *vnic = vnic_of(dev);
	struct aged a = {.now = rte_get_tsc_cycles(), .flow_queue = EVERY_FLOWQ};
	bool tell;

	pthread_mutex_lock(vnic->lock);
	look_at_all(vnic, &a);
	tell = a.n_found && !vnic->aging.told && !is_strict(vnic);
	vnic->aging.told |= tell;
	vnic->aging.watched = a.n_aging && rte_eal_alarm_set(LOOK_US, look, dev) == 0;
	pthread_mutex_unlock(vnic->lock);
	/* The application may close the port in here. */
	if (tell)
		(void)rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_FLOW_AGED, NULL);
}

void hf_vnic_age_watch(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	if (vnic->aging.watched)
		return;
	vnic->aging.watched = rte_eal_alarm_set(LOOK_US, look, dev) == 0;
	if (!vnic->aging.watched)
		VNIC_LOG(ERR, "no alarm, so nobody is told of aged flows");
}

void hf_vnic_age_fini(struct rte_eth_dev *dev)
{
	(void)rte_eal_alarm_cancel(look, dev); /* none is the usual case */
}
