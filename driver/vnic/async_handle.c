/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * As mlx5 has it (drivers/net/mlx5/mlx5_flow_hw.c, flow_hw_action_handle_create and the like): all
 * but the destruction is done at once, and only its completion waits for a push. A destruction that
 * rules stand against fails by its completion.
 */

#include "async.h"
#include "handle.h"

#include <errno.h>

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

struct rte_flow_action_handle *hf_vnic_async_handle_create(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, const struct rte_flow_indir_action_conf *conf,
	const struct rte_flow_action *action, void *user_data, struct rte_flow_error *error)
{
	const struct hf_vnic_flow_op op = {.user_data = user_data};
	struct rte_flow_action_handle *handle = NULL;
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flowq *queue;

	RTE_SET_USED(conf); /* the rules have directions of their own */
	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "Flow queue full.", error);
	if (queue)
		handle = hf_vnic_handle_new(dev, action, q, error);
	if (handle)
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	pthread_mutex_unlock(vnic->lock);
	return handle;
}

static int check_queue(
	const struct rte_flow_action_handle *handle, uint32_t q, struct rte_flow_error *error)
{
	if (handle->flow_queue == q)
		return 0;
	return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
		"the indirect action was made by another flow queue");
}

int hf_vnic_async_handle_destroy(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_action_handle *handle, void *user_data,
	struct rte_flow_error *error)
{
	const struct hf_vnic_flow_op op = {.user_data = user_data, .handle = handle};
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flowq *queue;
	int rc;

	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "Action destroy failed due to queue full.", error);
	rc = queue ? hf_vnic_handle_check(vnic, handle, error) : -rte_errno;
	if (rc == 0)
		rc = check_queue(handle, q, error);
	if (rc == 0) {
		handle->dying = true;
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

int hf_vnic_async_handle_update(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_action_handle *handle,
	const void *update, void *user_data, struct rte_flow_error *error)
{
	const struct hf_vnic_flow_op op = {.user_data = user_data};
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flowq *queue;
	int rc;

	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "Action update failed due to queue full.", error);
	rc = queue ? hf_vnic_handle_check(vnic, handle, error) : -rte_errno;
	if (rc == 0)
		rc = hf_vnic_handle_change(handle, update, error);
	if (rc == 0)
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

int hf_vnic_async_handle_query(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, const struct rte_flow_action_handle *handle,
	void *data, void *user_data, struct rte_flow_error *error)
{
	const struct hf_vnic_flow_op op = {.user_data = user_data};
	struct hf_vnic *vnic = vnic_of(dev);
	struct hf_vnic_flowq *queue;
	int rc = hf_vnic_flow_enter(dev, HF_VNIC_OP_QUERY, error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(vnic->lock);
	queue = hf_vnic_flowq_of(dev, q, "Action query failed due to queue full.", error);
	rc = queue ? hf_vnic_handle_check(vnic, handle, error) : -rte_errno;
	if (rc == 0) {
		hf_vnic_handle_read((void *)(uintptr_t)handle, data);
		hf_vnic_flowq_add(vnic, queue, attr, &op);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}
