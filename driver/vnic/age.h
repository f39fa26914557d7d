/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules and shared actions that get old: AGE, rte_flow_get_aged_flows() and its event.
 *
 * The event comes from EAL's interrupt thread, half a second late at most, when something has got
 * old since the application last asked for what is. With strict flow queues there is none.
 */

#pragma once

#include "flow.h"

/* Of a rule or a shared action; its conf must stay. */
void hf_vnic_query_age(struct hf_vnic_age *age, struct rte_flow_query_age *ret);
/* Of a shared action. */
void hf_vnic_update_age(struct hf_vnic_age *age, const struct rte_flow_update_age *update);
/* Something of this port ages from now on. With the lock held. */
void hf_vnic_age_watch(struct rte_eth_dev *dev);
/* Nothing happens behind the port's back after this. Without the lock. */
void hf_vnic_age_fini(struct rte_eth_dev *dev);

/* What rte_flow calls. */
int hf_vnic_get_aged_flows(
	struct rte_eth_dev *dev, void **contexts, uint32_t n, struct rte_flow_error *error);
int hf_vnic_get_q_aged_flows(struct rte_eth_dev *dev, uint32_t q, void **contexts, uint32_t n,
	struct rte_flow_error *error);
