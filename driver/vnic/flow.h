/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One rule on its way into the table, for all that make rules. Errors are negative errno, with
 * *error (may be NULL) set: messages are the profile's or constants, and outlive the call.
 */

#pragma once

#include "pmd.h"

#include <rte_flow_driver.h>

/* What was asked, and who takes it. Must not move: it points into itself. */
struct hf_vnic_request {
	struct hf_flow flow;
	struct hf_vnic_ask ask;
	uint16_t queues[HF_VNIC_QUEUES_MAX];
};

static inline int hf_vnic_flow_fail(
	struct rte_flow_error *error, int err, enum rte_flow_error_type type, const char *text)
{
	return rte_flow_error_set(error, err, type, NULL, text);
}

/* The real driver's answer. flow may be NULL. */
int hf_vnic_flow_refuse(const struct hf_nic *nic, enum hf_reject reject, const struct hf_flow *flow,
	struct rte_flow_error *error);
/* When hf_rte_flow_read() says no. */
int hf_vnic_flow_refuse_unread(
	const struct hf_nic *nic, enum hf_reject reject, struct rte_flow_error *error);
/* Counts the call; what a fault says goes before all else. Without lock: it may sleep. */
int hf_vnic_flow_enter(struct rte_eth_dev *dev, enum hf_vnic_op op, struct rte_flow_error *error);
/* Whether the NIC takes it, and we can execute it. Lock held. What actions point to must stay. */
int hf_vnic_flow_check(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct hf_vnic_request *ret, struct rte_flow_error *error);
/* Whether it is (still) a rule that this port has made; and all of them: NULL, the first, ... NULL.
 * With the lock held. */
bool hf_vnic_has_rule(const struct hf_vnic *vnic, const struct rte_flow *rule);
struct rte_flow *hf_vnic_next_rule(const struct hf_vnic *vnic, const struct rte_flow *rule);
/* With the lock held. */
int hf_vnic_flow_add(struct rte_eth_dev *dev, struct hf_vnic_request *r, struct rte_flow **ret,
	struct rte_flow_error *error);
