/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flows: the plan in rte_flow's terms.
 *
 * hf_plan_flow() gives one plan entry as a neutral hf_flow; from that come the text that
 * dpdk-testpmd reads (here, no DPDK) and the rte_flow structures (hepflow/rteflow.h, with DPDK).
 * Both forms are made from the same hf_flow, so what testpmd validated is what the daemon programs.
 */

#pragma once

#include <hepflow/nic.h>
#include <hepflow/plan.h>

#include <stdio.h>

struct hf_err;

struct hf_flow_opts {
	uint16_t port;	   /* ethdev port id */
	uint16_t n_queues; /* receive queues the packet path polls: 0 .. n-1 */
};

/* "flow create 0 group 1 priority 3 ingress pattern ... / end actions ... / end". Returns the
 * length, as snprintf. */
int hf_flow_print_testpmd(const struct hf_flow *flow, uint16_t port, char *buf, size_t size);

/* Every entry of the plan, one rule a line, each after a "#" line that names its origin. */
void hf_flows_print_testpmd(const struct hf_plan *plan, const struct hf_nic *nic,
	const struct hf_flow_opts *opts, FILE *out);
/* As JSON ("schema": 1; docs/flowgen-json.md). Returns 0 or -EIO. */
int hf_flows_print_json(const struct hf_plan *plan, const struct hf_nic *nic,
	const struct hf_flow_opts *opts, FILE *out);
