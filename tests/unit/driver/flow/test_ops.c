/* SPDX-License-Identifier: BSD-3-Clause */

/* The four calls on a real ethdev port, the virtual SmartNIC. */

#include "hf_test_eal.h"

#include "flow/ops.h"
#include "port/port.h"

#include <hepflow/err.h>

#include <errno.h>
#include <string.h>

HF_EAL_SUITE(ops);

static struct hf_port *open_port(uint16_t *ret_id)
{
	struct hf_port_opts opts = {
		.name = "eth0",
		.devargs = "net_vnic0,profile=mlx5-cx6dx",
		.n_queues = 1,
	};
	struct hf_port *port;
	struct hf_err err = {0};

	cr_assert_eq(hf_port_open(&opts, &port, &err), 0, "%s", err.text);
	cr_assert_eq(hf_port_start(port, &err), 0, "%s", err.text);
	*ret_id = hf_port_id(port);
	return port;
}

static struct hf_flow drop_tcp(uint16_t dport)
{
	struct hf_flow f = {
		.ingress = true,
		.group = 1,
		.n_items = 3,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP},
		.n_actions = 2,
		.actions = {{HF_ACT_COUNT, 0}, {HF_ACT_DROP, 0}},
	};

	f.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
			   HF_LAYER_BIT(HF_LAYER_TCP);
	f.pattern.spec.dport[0] = (uint8_t)(dport >> 8);
	f.pattern.spec.dport[1] = (uint8_t)dport;
	memset(f.pattern.mask.dport, 0xff, 2);
	return f;
}

Test(ops, flow_is_made_counted_and_removed)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_flow_hits hits = {1, 1};
	struct hf_err err = {0};
	uint16_t id;
	struct hf_port *port = open_port(&id);
	void *handle;

	cr_assert_eq(hf_flow_ops_rte.create(&id, &flow, &handle, &err), 0, "%s", err.text);
	cr_assert_eq(hf_flow_ops_rte.query(&id, handle, &hits), 0);
	cr_assert_eq(hits.packets, 0);
	cr_assert_eq(hits.bytes, 0);
	cr_assert_eq(hf_flow_ops_rte.destroy(&id, handle, &err), 0, "%s", err.text);
	cr_assert_lt(hf_flow_ops_rte.query(&id, handle, &hits), 0, "the flow is gone");
	hf_port_close(port);
	rte_eal_cleanup();
}

Test(ops, refusal_has_the_words_of_the_driver)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_err err = {0};
	uint16_t id;
	struct hf_port *port = open_port(&id);
	void *handle = NULL;

	flow.priority = 4000000;
	cr_assert_eq(hf_flow_ops_rte.create(&id, &flow, &handle, &err), -ENOTSUP);
	cr_assert_null(handle);
	cr_assert_eq(strncmp(err.text, "Operation not supported: type 4: ", 33), 0, "%s", err.text);
	hf_port_close(port);
	rte_eal_cleanup();
}

Test(ops, flush_takes_everything)
{
	struct hf_flow a = drop_tcp(3000), b = drop_tcp(3001);
	struct hf_flow_hits hits;
	uint16_t id;
	struct hf_port *port = open_port(&id);
	void *ha, *hb;

	cr_assert_eq(hf_flow_ops_rte.create(&id, &a, &ha, NULL), 0);
	cr_assert_eq(hf_flow_ops_rte.create(&id, &b, &hb, NULL), 0);
	cr_assert_eq(hf_flow_ops_rte.flush(&id, NULL), 0);
	cr_assert_lt(hf_flow_ops_rte.query(&id, ha, &hits), 0);
	cr_assert_lt(hf_flow_ops_rte.query(&id, hb, &hits), 0);
	hf_port_close(port);
	rte_eal_cleanup();
}
