/* SPDX-License-Identifier: BSD-3-Clause */

/* Counters and ages that several rules share: indirect actions. */

#pragma once

#include "flow.h"

/*
 * Indirect actions become what they stand for: ret has room for HF_FLOW_ACTIONS_MAX + 1. The shared
 * ones, and the context of AGE, are noted in ask. 0 or a negative errno and *error. Lock held.
 */
int hf_vnic_handle_resolve(struct hf_vnic *vnic, const struct rte_flow_action actions[],
	struct rte_flow_action *ret, struct hf_vnic_ask *ask, struct rte_flow_error *error);
/* All of them; the last rule is gone. */
void hf_vnic_handle_fini(struct hf_vnic *vnic);

/* Of a rule or a shared action. */
void hf_vnic_query_counter(struct hf_vnic_counter *counter, struct rte_flow_query_count *ret);

/* The same for calls and for flow queues, with the lock held: 0, or a negative errno and *error. */
/* flow_queue makes it; HF_VNIC_NO_FLOWQ: a call. NULL and *error. */
struct rte_flow_action_handle *hf_vnic_handle_new(struct rte_eth_dev *dev,
	const struct rte_flow_action *action, uint32_t flow_queue, struct rte_flow_error *error);
/* Whether it is one of the port's, and not about to go. */
int hf_vnic_handle_check(const struct hf_vnic *vnic, const struct rte_flow_action_handle *handle,
	struct rte_flow_error *error);
/* What follows is for those that are. False: rules use it, and it stays. */
bool hf_vnic_handle_free(struct hf_vnic *vnic, struct rte_flow_action_handle *handle);
void hf_vnic_handle_read(struct rte_flow_action_handle *handle, void *data);
int hf_vnic_handle_change(
	struct rte_flow_action_handle *handle, const void *update, struct rte_flow_error *error);

/* What rte_flow calls. */
struct rte_flow_action_handle *hf_vnic_handle_create(struct rte_eth_dev *dev,
	const struct rte_flow_indir_action_conf *conf, const struct rte_flow_action *action,
	struct rte_flow_error *error);
int hf_vnic_handle_destroy(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	struct rte_flow_error *error);
int hf_vnic_handle_update(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	const void *update, struct rte_flow_error *error);
int hf_vnic_handle_query(struct rte_eth_dev *dev, const struct rte_flow_action_handle *handle,
	void *data, struct rte_flow_error *error);
