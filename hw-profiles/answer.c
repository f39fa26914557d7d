/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/nic.h>

#include "when.h"

#include <errno.h>

/* enum rte_flow_error_type by its numbers (DPDK 22.11, lib/ethdev/rte_flow.h). */
enum {
	TYPE_UNSPECIFIED = 1,
	TYPE_ATTR_GROUP = 3,
	TYPE_ATTR_PRIORITY = 4,
	TYPE_ATTR_INGRESS = 5,
	TYPE_ATTR_EGRESS = 6,
	TYPE_ATTR_TRANSFER = 7,
	TYPE_ATTR = 8,
	TYPE_ITEM_SPEC = 10,
	TYPE_ITEM_LAST = 11,
	TYPE_ITEM_MASK = 12,
	TYPE_ITEM = 13,
	TYPE_ACTION_CONF = 15,
	TYPE_ACTION = 16,
};

#define ROW(reason, number, kind, text)                                                            \
	[reason] = {.err = (number), .type = (kind), .message = text}

/* For reasons that a profile does not answer itself. */
static const struct hf_nic_error defaults[HF_REJECT_MAX_] = {
	ROW(HF_REJECT_NONE, 0, 0, ""),
	ROW(HF_REJECT_NO_FLOW_API, ENOSYS, TYPE_UNSPECIFIED, "Function not implemented"),
	ROW(HF_REJECT_INGRESS, ENOTSUP, TYPE_ATTR_INGRESS, "ingress is not supported"),
	ROW(HF_REJECT_EGRESS, ENOTSUP, TYPE_ATTR_EGRESS, "egress is not supported"),
	ROW(HF_REJECT_TRANSFER, ENOTSUP, TYPE_ATTR_TRANSFER, "transfer is not supported"),
	ROW(HF_REJECT_DIRECTION, EINVAL, TYPE_ATTR, "exactly one direction is needed"),
	ROW(HF_REJECT_GROUP, ENOTSUP, TYPE_ATTR_GROUP, "group out of range"),
	ROW(HF_REJECT_PRIORITY, ENOTSUP, TYPE_ATTR_PRIORITY, "priority out of range"),
	ROW(HF_REJECT_ITEM, ENOTSUP, TYPE_ITEM, "item not supported"),
	ROW(HF_REJECT_PATTERN, EINVAL, TYPE_ITEM, "pattern not supported"),
	ROW(HF_REJECT_FIELD, ENOTSUP, TYPE_ITEM_MASK, "field not supported"),
	ROW(HF_REJECT_MASK, ENOTSUP, TYPE_ITEM_MASK, "mask not supported"),
	ROW(HF_REJECT_VALUE, EINVAL, TYPE_ITEM_SPEC, "value not supported"),
	ROW(HF_REJECT_RANGE, ENOTSUP, TYPE_ITEM_LAST, "range not supported"),
	ROW(HF_REJECT_EMPTY, EINVAL, TYPE_ITEM, "a field is needed"),
	ROW(HF_REJECT_ACTION, ENOTSUP, TYPE_ACTION, "action not supported"),
	ROW(HF_REJECT_ACTION_VALUE, EINVAL, TYPE_ACTION_CONF, "action value out of range"),
	ROW(HF_REJECT_FATE, EINVAL, TYPE_ACTION, "exactly one fate is needed"),
	ROW(HF_REJECT_COMBINATION, EINVAL, TYPE_ITEM, "combination not supported"),
	ROW(HF_REJECT_SHAPE, EINVAL, TYPE_ITEM_MASK, "another set of fields is installed"),
	ROW(HF_REJECT_CAPACITY, ENOSPC, TYPE_UNSPECIFIED, "no room for another rule"),
	ROW(HF_REJECT_EXISTS, EEXIST, TYPE_UNSPECIFIED, "the rule is there already"),
	ROW(HF_REJECT_JUMP, EINVAL, TYPE_ACTION, "jump target not supported"),
	ROW(HF_REJECT_SYNC, ENOTSUP, TYPE_UNSPECIFIED, "rules are made by flow queues only"),
};

const struct hf_nic_error *hf_nic_error(const struct hf_nic *nic, enum hf_reject reject)
{
	return nic->error[reject].given ? &nic->error[reject] : &defaults[reject];
}

const struct hf_nic_error *hf_nic_error_of(
	const struct hf_nic *nic, enum hf_reject reject, const struct hf_flow *flow)
{
	size_t i;

	for (i = 0; flow && i < nic->n_answers; i++) {
		const struct hf_nic_answer *answer = &nic->answers[i];

		if ((answer->rejects >> reject & 1u) && hf_when_holds(&answer->when, flow))
			return &answer->error;
	}
	return hf_nic_error(nic, reject);
}
