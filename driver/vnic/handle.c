/* SPDX-License-Identifier: BSD-3-Clause */

#include "handle.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#define AGE_MAX 0xffffffu /* seconds: 24 bits of struct rte_flow_query_age */

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static bool has(const struct hf_vnic *vnic, const struct rte_flow_action_handle *handle)
{
	const struct rte_flow_action_handle *other;

	for (other = vnic->handles; other; other = other->next) {
		if (other == handle)
			return true;
	}
	return false;
}

static struct rte_flow_action resolve(
	struct rte_flow_action_handle *handle, struct hf_vnic_ask *ask)
{
	if (handle->act == HF_ACT_AGE) {
		ask->shared_age = handle;
		return (struct rte_flow_action){
			.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &handle->age_conf};
	}
	ask->shared_counter = handle;
	return (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_COUNT};
}

int hf_vnic_handle_resolve(struct hf_vnic *vnic, const struct rte_flow_action actions[],
	struct rte_flow_action *ret, struct hf_vnic_ask *ask, struct rte_flow_error *error)
{
	size_t n;

	for (n = 0; actions[n].type != RTE_FLOW_ACTION_TYPE_END; n++) {
		struct rte_flow_action_handle *handle = (void *)(uintptr_t)actions[n].conf;

		if (n == HF_FLOW_ACTIONS_MAX)
			return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
				"too many actions for net_vnic");
		ret[n] = actions[n];
		if (actions[n].type == RTE_FLOW_ACTION_TYPE_INDIRECT) {
			if (!has(vnic, handle))
				return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
					"no such indirect action");
			ret[n] = resolve(handle, ask);
		}
		if (ret[n].type == RTE_FLOW_ACTION_TYPE_AGE && ret[n].conf)
			ask->age = ret[n].conf;
	}
	ret[n] = actions[n];
	return 0;
}

void hf_vnic_handle_fini(struct hf_vnic *vnic)
{
	struct rte_flow_action_handle *handle, *next;

	for (handle = vnic->handles; handle; handle = next) {
		next = handle->next;
		free(handle);
	}
	vnic->handles = NULL;
}

void hf_vnic_age_init(
	struct hf_vnic_age *age, const struct rte_flow_action_age *conf, void *default_context)
{
	age->timeout = conf->timeout * rte_get_tsc_hz();
	age->context = conf->context ? conf->context : default_context;
	atomic_store(&age->last_hit, rte_get_tsc_cycles());
	age->reported = 0;
}

static int check_action(const struct hf_nic *nic, enum hf_act act, struct rte_flow_error *error)
{
	size_t i;

	if (nic->async_only)
		return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
			"net_vnic has no indirect actions on flow queues");
	for (i = 0; act != HF_ACT_MAX_ && i < nic->n_engines; i++) {
		if (nic->engine[i].actions & HF_ACT_BIT(act))
			return 0;
	}
	return hf_vnic_flow_fail(
		error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, "action type not supported");
}

struct rte_flow_action_handle *hf_vnic_handle_create(struct rte_eth_dev *dev,
	const struct rte_flow_indir_action_conf *conf, const struct rte_flow_action *action,
	struct rte_flow_error *error)
{
	enum hf_act act = action->type == RTE_FLOW_ACTION_TYPE_COUNT ? HF_ACT_COUNT
			  : action->type == RTE_FLOW_ACTION_TYPE_AGE ? HF_ACT_AGE
								     : HF_ACT_MAX_;
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow_action_handle *handle;

	RTE_SET_USED(conf); /* the rules have directions of their own */
	if (check_action(vnic->nic, act, error) < 0)
		return NULL;
	if (act == HF_ACT_AGE && !action->conf) {
		hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
			"AGE needs a configuration");
		return NULL;
	}
	handle = calloc(1, sizeof(*handle));
	if (!handle) {
		hf_vnic_flow_fail(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
		return NULL;
	}
	handle->act = act;
	if (act == HF_ACT_AGE) {
		handle->age_conf = *(const struct rte_flow_action_age *)action->conf;
		hf_vnic_age_init(&handle->age, &handle->age_conf, handle);
	}
	pthread_mutex_lock(vnic->lock);
	LL_PREPEND(vnic->handles, handle);
	pthread_mutex_unlock(vnic->lock);
	return handle;
}

int hf_vnic_handle_destroy(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (!has(vnic, handle)) {
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, "no such indirect action");
	} else if (handle->n_users) {
		rc = hf_vnic_flow_fail(
			error, EBUSY, RTE_FLOW_ERROR_TYPE_ACTION, "the indirect action is in use");
	} else {
		LL_DELETE(vnic->handles, handle);
		free(handle);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* Nothing that is counted meanwhile gets lost between reading and resetting. */
void hf_vnic_query_counter(struct hf_vnic_counter *counter, struct rte_flow_query_count *ret)
{
	ret->hits_set = 1;
	ret->bytes_set = 1;
	ret->hits = ret->reset ? atomic_exchange(&counter->hits, 0) : atomic_load(&counter->hits);
	ret->bytes =
		ret->reset ? atomic_exchange(&counter->bytes, 0) : atomic_load(&counter->bytes);
}

/* Packets may come in between: the last one can be later than now. */
static uint64_t idle_of(struct hf_vnic_age *age)
{
	uint64_t last = atomic_load(&age->last_hit), now = rte_get_tsc_cycles();

	return now > last ? now - last : 0;
}

void hf_vnic_query_age(struct hf_vnic_age *age, struct rte_flow_query_age *ret)
{
	uint64_t idle = idle_of(age);

	*ret = (struct rte_flow_query_age){
		.aged = idle > age->timeout,
		.sec_since_last_hit_valid = 1,
		.sec_since_last_hit = RTE_MIN(idle / rte_get_tsc_hz(), AGE_MAX) & AGE_MAX,
	};
}

int hf_vnic_handle_query(struct rte_eth_dev *dev, const struct rte_flow_action_handle *handle,
	void *data, struct rte_flow_error *error)
{
	struct rte_flow_action_handle *h = (void *)(uintptr_t)handle;
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_QUERY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	if (!has(vnic, h))
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, "no such indirect action");
	else if (h->act == HF_ACT_AGE)
		hf_vnic_query_age(&h->age, data);
	else
		hf_vnic_query_counter(&h->counter, data);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* What has been idle for too long is told once, and again only after another packet. */
static bool is_news(const struct hf_vnic_age *age, uint64_t now)
{
	uint64_t last = atomic_load(&age->last_hit);

	return now > last && now - last > age->timeout && age->reported != last;
}

/* Where the results go; n may be 0, then they are only counted. */
struct aged {
	void **contexts;
	uint32_t n;
	uint32_t n_found;
	uint64_t now;
};

static void look_at(struct hf_vnic_age *age, struct aged *a)
{
	if (!is_news(age, a->now) || (a->n && a->n_found == a->n))
		return;
	if (a->n) {
		a->contexts[a->n_found] = age->context;
		age->reported = atomic_load(&age->last_hit);
	}
	a->n_found++;
}

int hf_vnic_get_aged_flows(
	struct rte_eth_dev *dev, void **contexts, uint32_t n, struct rte_flow_error *error)
{
	struct aged a = {contexts, n, 0, rte_get_tsc_cycles()};
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow_action_handle *handle;
	struct rte_flow *rule;

	if (n && !contexts)
		return hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no place for contexts");
	pthread_mutex_lock(vnic->lock);
	for (rule = hf_vnic_next_rule(vnic, NULL); rule; rule = hf_vnic_next_rule(vnic, rule)) {
		if (rule->age == &rule->own_age)
			look_at(rule->age, &a);
	}
	for (handle = vnic->handles; handle; handle = handle->next) {
		if (handle->act == HF_ACT_AGE && handle->n_users)
			look_at(&handle->age, &a);
	}
	pthread_mutex_unlock(vnic->lock);
	return (int)RTE_MIN(a.n_found, (uint32_t)INT32_MAX);
}
