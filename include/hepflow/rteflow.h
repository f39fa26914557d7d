/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flows as rte_flow structures (needs DPDK's headers; the rest of flowgen does not).
 *
 * Byte order: rte_flow's own, network order for packet fields.
 */

#pragma once

#include <hepflow/nic.h>

#include <rte_flow.h>

#define HF_RTE_RSS_QUEUES_MAX 64

/* All that one rte_flow_create() call needs, without pointers outside of itself. */
struct hf_rte_flow {
	struct rte_flow_attr attr;
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 1];
	struct rte_flow_action actions[HF_FLOW_ACTIONS_MAX + 1];
	struct hf_rte_spec { /* spec, last and mask of one item */
		_Alignas(8) uint8_t spec[64];
		_Alignas(8) uint8_t last[64];
		_Alignas(8) uint8_t mask[64];
	} specs[HF_FLOW_ITEMS_MAX];
	union hf_rte_conf {
		struct rte_flow_action_queue queue;
		struct rte_flow_action_rss rss;
		struct rte_flow_action_mark mark;
		struct rte_flow_action_jump jump;
		struct rte_flow_action_count count;
		struct rte_flow_action_age age;
		struct rte_flow_action_set_tag set_tag;		  /* tag 0, all bits */
		struct rte_flow_action_set_meta set_meta;	  /* all bits */
		struct rte_flow_action_modify_field modify_field; /* set, tag 0, all bits */
		struct rte_flow_action_port_id port_id;
		struct rte_flow_action_ethdev ethdev;
	} confs[HF_FLOW_ACTIONS_MAX];
	uint16_t rss_queues[HF_RTE_RSS_QUEUES_MAX];
};

/* Fills ret from flow; ret must not move afterwards (its items point into it). HF_ACT_RSS has the
 * number of queues as value. */
void hf_rte_flow_build(const struct hf_flow *flow, struct hf_rte_flow *ret);

/*
 * The way back: what an application asked of a port, for the virtual SmartNIC. Returns 0, or the
 * reason why hf_flow cannot even say it (a field hf_hdr does not know, a mask without a value). An
 * unknown item becomes HF_LAYER_OTHER and an unknown action HF_ACT_OTHER. A layer that is given
 * twice is in items twice, but pattern holds only the fields of the first; the same goes for what
 * shares a place in hf_hdr, such as IPv4 in IPv6. Only the number of an RSS action's queues is
 * kept.
 */
enum hf_reject hf_rte_flow_read(const struct rte_flow_attr *attr,
	const struct rte_flow_item items[], const struct rte_flow_action actions[],
	struct hf_flow *ret);
