/* SPDX-License-Identifier: BSD-3-Clause */

/* Counters and ages that several rules share (indirect actions), and which rules are old. */

#pragma once

#include "flow.h"

/*
 * Indirect actions become what they stand for: ret has room for HF_FLOW_ACTIONS_MAX + 1. The shared
 * ones, and the context of AGE, are noted in ask. 0 or a negative errno and *error. Lock held.
 */
int hf_vnic_handle_resolve(struct hf_vnic *vnic, const struct rte_flow_action actions[],
	struct rte_flow_action *ret, struct hf_vnic_ask *ask, struct rte_flow_error *error);
/* The last rule is gone. */
void hf_vnic_handle_fini(struct hf_vnic *vnic);

/* Of a rule or a shared action. */
void hf_vnic_query_counter(struct hf_vnic_counter *counter, struct rte_flow_query_count *ret);
void hf_vnic_query_age(struct hf_vnic_age *age, struct rte_flow_query_age *ret);

/* What rte_flow calls. */
struct rte_flow_action_handle *hf_vnic_handle_create(struct rte_eth_dev *dev,
	const struct rte_flow_indir_action_conf *conf, const struct rte_flow_action *action,
	struct rte_flow_error *error);
int hf_vnic_handle_destroy(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle,
	struct rte_flow_error *error);
int hf_vnic_handle_query(struct rte_eth_dev *dev, const struct rte_flow_action_handle *handle,
	void *data, struct rte_flow_error *error);
int hf_vnic_get_aged_flows(
	struct rte_eth_dev *dev, void **contexts, uint32_t n, struct rte_flow_error *error);
