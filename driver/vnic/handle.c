/* SPDX-License-Identifier: BSD-3-Clause */

#include "handle.h"

#include "age.h"
#include "async.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

int hf_vnic_handle_check(const struct hf_vnic *vnic, const struct rte_flow_action_handle *handle,
	struct rte_flow_error *error)
{
	const struct rte_flow_action_handle *other;

	for (other = vnic->handles; other; other = other->next) {
		if (other == handle && !other->dying)
			return 0;
	}
	return hf_vnic_flow_fail(
		error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, "no such indirect action");
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
		int rc;

		if (n == HF_FLOW_ACTIONS_MAX)
			return hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
				"too many actions for net_vnic");
		ret[n] = actions[n];
		if (actions[n].type == RTE_FLOW_ACTION_TYPE_INDIRECT) {
			rc = hf_vnic_handle_check(vnic, handle, error);
			if (rc < 0)
				return rc;
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

static int check_action(const struct hf_nic *nic, enum hf_act act, struct rte_flow_error *error)
{
	size_t i;

	for (i = 0; act != HF_ACT_MAX_ && i < nic->n_engines; i++) {
		if (nic->engine[i].actions & HF_ACT_BIT(act))
			return 0;
	}
	return hf_vnic_flow_fail(
		error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, "action type not supported");
}

/* Of the pools that were reserved at configuration; the words are mlx5's (mlx5_flow_hw.c,
 * flow_hw_action_handle_validate and flow_hw_action_handle_create). */
static int take_from_pool(
	struct hf_vnic_async *async, enum hf_act act, struct rte_flow_error *error)
{
	bool ages = act == HF_ACT_AGE;
	uint32_t *used = ages ? &async->n_aging : &async->n_counted;
	uint32_t n = ages ? async->n_ages : async->n_counters;

	if (!async->n_queues)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
			"non-template flow engine was not configured");
	if (n == 0)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
			ages ? "aging pool not initialized" : "counters pool not initialized");
	if (*used == n)
		return hf_vnic_flow_fail(error, ENODEV, RTE_FLOW_ERROR_TYPE_ACTION,
			ages ? "AGE are not configured!" : "counter are not configured!");
	++*used;
	return 0;
}

static int check_new(struct hf_vnic *vnic, const struct rte_flow_action *action, enum hf_act act,
	struct rte_flow_error *error)
{
	int rc = check_action(vnic->nic, act, error);

	if (rc == 0 && act == HF_ACT_AGE && !action->conf)
		rc = hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
			"AGE needs a configuration");
	if (rc == 0 && vnic->async)
		rc = take_from_pool(vnic->async, act, error);
	return rc;
}

struct rte_flow_action_handle *hf_vnic_handle_new(struct rte_eth_dev *dev,
	const struct rte_flow_action *action, uint32_t flow_queue, struct rte_flow_error *error)
{
	enum hf_act act = action->type == RTE_FLOW_ACTION_TYPE_COUNT ? HF_ACT_COUNT
			  : action->type == RTE_FLOW_ACTION_TYPE_AGE ? HF_ACT_AGE
								     : HF_ACT_MAX_;
	struct rte_flow_action_handle *handle = calloc(1, sizeof(*handle));
	struct hf_vnic *vnic = vnic_of(dev);

	if (!handle) {
		hf_vnic_flow_fail(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
		return NULL;
	}
	if (check_new(vnic, action, act, error) < 0) {
		free(handle);
		return NULL;
	}
	handle->act = act;
	handle->flow_queue = flow_queue;
	if (act == HF_ACT_AGE) {
		handle->age_conf = *(const struct rte_flow_action_age *)action->conf;
		hf_vnic_age_init(&handle->age, &handle->age_conf, handle);
		handle->age.flow_queue = flow_queue;
		hf_vnic_age_watch(dev);
	}
	LL_PREPEND(vnic->handles, handle);
	return handle;
}

bool hf_vnic_handle_free(struct hf_vnic *vnic, struct rte_flow_action_handle *handle)
{
	if (handle->n_users)
		return false;
	if (vnic->async && handle->act == HF_ACT_AGE)
		vnic->async->n_aging--;
	else if (vnic->async)
		vnic->async->n_counted--;
	LL_DELETE(vnic->handles, handle);
	free(handle);
	return true;
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

void hf_vnic_handle_read(struct rte_flow_action_handle *handle, void *data)
{
	if (handle->act == HF_ACT_AGE)
		hf_vnic_query_age(&handle->age, data);
	else
		hf_vnic_query_counter(&handle->counter, data);
}

int hf_vnic_handle_change(
	struct rte_flow_action_handle *handle, const void *update, struct rte_flow_error *error)
{
	if (handle->act != HF_ACT_AGE)
		return hf_vnic_flow_fail(
			error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, "action type not supported");
	hf_vnic_update_age(&handle->age, update);
	return 0;
}

struct rte_flow_action_handle *hf_vnic_handle_create(struct rte_eth_dev *dev,
	const struct rte_flow_indir_action_conf *conf, const struct rte_flow_action *action,
	struct rte_flow_error *error)
{
	struct rte_flow_action_handle *handle = NULL;
	struct hf_vnic *vnic = vnic_of(dev);

	RTE_SET_USED(conf); /* the rules have directions of their own */
	pthread_mutex_lock(vnic->lock);
	if (action->type == RTE_FLOW_ACTION_TYPE_AGE && vnic->async && vnic->async->strict)
		hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_STATE,
			"Cannot create age action synchronously with strict queueing");
	else
		handle = hf_vnic_handle_new(dev, action, HF_VNIC_NO_FLOWQ, error);
	pthread_mutex_unlock(vnic->lock);
	return handle;
}

int hf_vnic_handle_destroy(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc;

	pthread_mutex_lock(vnic->lock);
	rc = hf_vnic_handle_check(vnic, handle, error);
	if (rc == 0 && !hf_vnic_handle_free(vnic, handle))
		rc = hf_vnic_flow_fail(
			error, EBUSY, RTE_FLOW_ERROR_TYPE_ACTION, "the indirect action is in use");
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

int hf_vnic_handle_update(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	const void *update, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc;

	pthread_mutex_lock(vnic->lock);
	rc = hf_vnic_handle_check(vnic, handle, error);
	if (rc == 0)
		rc = hf_vnic_handle_change(handle, update, error);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

int hf_vnic_handle_query(struct rte_eth_dev *dev, const struct rte_flow_action_handle *handle,
	void *data, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_QUERY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	rc = hf_vnic_handle_check(vnic, handle, error);
	if (rc == 0)
		hf_vnic_handle_read((void *)(uintptr_t)handle, data);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}
