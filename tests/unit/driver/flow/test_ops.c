/* SPDX-License-Identifier: BSD-3-Clause */

/* The four calls on a real ethdev port, the virtual SmartNIC. */

#include "hf_test_eal.h"

#include "flow/ops.h"
#include "port/port.h"

#include <hepflow/err.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

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

static struct hf_port *open_as(const char *devargs, bool representor)
{
	struct hf_port_opts opts = {
		.name = "eth0", .devargs = devargs, .n_queues = 1, .representor = representor};
	struct hf_port *port = NULL;
	struct hf_err err = {0};

	cr_assert_eq(hf_port_open(&opts, &port, &err), 0, "%s", err.text);
	return port;
}

Test(ops, ports_of_an_eswitch_are_found_and_checked)
{
	struct hf_port *alone = open_as("net_vnic7,profile=mlx5-cx6dx", false);
	struct hf_port *wire = open_as("net_vnic0,profile=mlx5-cx6dx-esw,switch=3", false);
	struct hf_port_opts other = {.name = "cali1",
		.devargs = "net_vnic1,representor=[1]",
		.n_queues = 1,
		.representor = true};
	struct hf_port *host, *none = NULL;
	struct hf_err err = {0};
	uint16_t id;

	cr_assert_eq(rte_dev_probe("net_vnic1,profile=mlx5-cx6dx-esw,switch=3,representor=2"), 0);
	cr_assert_eq(rte_eth_dev_get_port_by_name("net_vnic1", &id), 0);
	host = open_as("net_vnic1,representor=[0-2]", true);
	cr_expect_eq(hf_port_id(host), id, "by what it stands for");
	cr_expect_lt(hf_port_open(&other, &none, &err), 0, "nobody stands for that function");
	cr_expect_eq(hf_port_check_eswitch(wire, host, &err), 0, "%s", err.text);
	cr_expect_eq(hf_port_check_eswitch(host, wire, &err), -ENOTSUP);
	cr_expect(strstr(err.text, "net_vnic1 does not speak for its e-switch"), "%s", err.text);
	cr_expect_eq(hf_port_check_eswitch(wire, alone, &err), -ENOTSUP);
	cr_expect(strstr(err.text, "are not ports of one e-switch"), "%s", err.text);
	hf_port_close(host);
	hf_port_close(wire);
	hf_port_close(alone);
	rte_eal_cleanup();
}

Test(ops, ports_of_a_plan_become_those_of_the_driver)
{
	struct hf_flow_ports ports = {
		.plan = {.on = true, .wire = 300, .host = 301}, .wire = 7, .host = 0x105};
	struct hf_flow flow = {
		.transfer = true,
		.n_actions = 3,
		.actions = {{HF_ACT_COUNT, 0}, {HF_ACT_REPRESENTED_PORT, 301},
			{HF_ACT_PORT_ID, 300}},
	};
	static const uint8_t wire_be[2] = {1, 44};
	static const uint8_t want_be[4] = {0, 0, 0, 7};
	struct hf_flow got;

	memcpy(flow.pattern.spec.represented_port, wire_be, 2);
	memset(flow.pattern.mask.represented_port, 0xff, 2);
	memcpy(&flow.pattern.spec.port_id[2], wire_be, 2);
	memset(flow.pattern.mask.port_id, 0xff, 4);
	hf_flow_ports_put(&ports, &flow, &got);
	cr_expect_arr_eq(got.pattern.spec.represented_port, &want_be[2], 2);
	cr_expect_arr_eq(got.pattern.spec.port_id, want_be, 4);
	cr_expect_eq(got.actions[0].value, 0);
	cr_expect_eq(got.actions[1].value, 0x105);
	cr_expect_eq(got.actions[2].value, 7);
	hf_flow_ports_put(NULL, &flow, &got);
	cr_expect_eq(got.actions[1].value, 301, "nothing is to be translated");
	flow.transfer = false;
	hf_flow_ports_put(&ports, &flow, &got);
	cr_expect_eq(got.actions[1].value, 301, "rules of one port have none");
}
