/* SPDX-License-Identifier: BSD-3-Clause */

#include "port.h"

#include "hf_test.h"

#include <hepflow/testpmd_rule.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <string.h>

struct rte_ring *wire_in, *wire_out;
struct rte_mempool *pool;
uint16_t port;
uint16_t n_queues;
struct rte_flow_error error;

static void open_wire(void)
{
	wire_in = rte_ring_create("in", WIRE_SIZE, 0, 0);
	wire_out = rte_ring_create("out", WIRE_SIZE, 0, 0);
	pool = rte_pktmbuf_pool_create("pool", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	cr_assert(wire_in && wire_out && pool);
	cr_assert(rte_eth_from_rings("wire", &wire_in, 1, &wire_out, 1, 0) >= 0);
}

void start_port(void)
{
	struct rte_eth_conf conf = {};
	uint16_t q;

	cr_assert(rte_eth_dev_configure(port, n_queues, 1, &conf) == 0);
	for (q = 0; q < n_queues; q++)
		cr_assert(rte_eth_rx_queue_setup(port, q, 64, 0, NULL, pool) == 0);
	cr_assert(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL) == 0);
	cr_assert(rte_eth_dev_start(port) == 0);
}

void open_port(const char *profile, uint16_t queues)
{
	char args[128];

	open_wire();
	snprintf(args, sizeof(args), "profile=%s,dev=net_ring_wire", profile);
	cr_assert(rte_vdev_init("net_vnic0", args) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &port) == 0);
	n_queues = queues;
	start_port();
}

void close_port(void)
{
	struct rte_mbuf *m;

	if (rte_eth_dev_is_valid_port(port)) {
		cr_expect(rte_eth_dev_stop(port) == 0);
		cr_expect(rte_eth_dev_close(port) == 0);
	}
	cr_expect(rte_vdev_uninit("net_vnic0") == 0);
	while (rte_ring_dequeue(wire_in, (void **)&m) == 0 ||
		rte_ring_dequeue(wire_out, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	cr_expect(rte_mempool_full(pool), "%u packets leaked", rte_mempool_in_use_count(pool));
}

void build(const char *text, struct hf_rte_flow *ret)
{
	enum hf_reject cannot = HF_REJECT_NONE;
	struct hf_flow flow;
	char word[64] = "";
	size_t i;

	cr_assert(hf_testpmd_rule_parse(text, &flow, &cannot, word, sizeof(word)) == 0 && !cannot,
		"%s", text);
	for (i = 0; i < flow.n_actions; i++) {
		if (flow.actions[i].act == HF_ACT_RSS)
			flow.actions[i].value = n_queues;
	}
	hf_rte_flow_build(&flow, ret);
}

struct rte_flow *create(const struct hf_rte_flow *built)
{
	memset(&error, 0xaa, sizeof(error));
	return rte_flow_create(port, &built->attr, built->items, built->actions, &error);
}

struct rte_flow *try(const char *text)
{
	struct hf_rte_flow built;

	build(text, &built);
	return create(&built);
}

struct rte_flow *add(const char *text)
{
	struct rte_flow *rule = try(text);

	cr_assert(rule, "%s: %s", error.message, text);
	return rule;
}

void put(struct frame f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(&f, bytes);

	cr_assert(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	cr_assert(rte_ring_enqueue(wire_in, m) == 0);
}

struct got get_all(void)
{
	struct got got = {};
	unsigned int idle, i;
	uint16_t q = 0;

	for (idle = 0; idle < 2u * n_queues; q = (uint16_t)(q + 1) % n_queues) {
		struct rte_mbuf *pkts[32];
		uint16_t n = rte_eth_rx_burst(port, q, pkts, 32);

		idle = n ? 0 : idle + 1;
		for (i = 0; i < n; i++) {
			got.last = *pkts[i];
			rte_pktmbuf_free(pkts[i]);
		}
		got.n += n;
		got.of_queue[q] += n;
	}
	return got;
}

struct got wire(struct frame f)
{
	put(f);
	return get_all();
}

uint64_t xstat(const char *name)
{
	uint64_t id, value = 0;

	cr_assert(rte_eth_xstats_get_id_by_name(port, name, &id) == 0, "%s", name);
	cr_assert(rte_eth_xstats_get_by_id(port, &id, &value, 1) == 1);
	return value;
}

struct rte_flow_query_count query(struct rte_flow *rule, bool reset)
{
	struct rte_flow_query_count count = {.reset = reset};
	struct rte_flow_action action[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT}, {.type = RTE_FLOW_ACTION_TYPE_END}};

	cr_assert(rte_flow_query(port, rule, action, &count, &error) == 0, "%s", error.message);
	return count;
}
