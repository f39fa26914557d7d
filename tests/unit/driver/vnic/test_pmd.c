/* SPDX-License-Identifier: BSD-3-Clause */

/* For rte_flow_dev_dump(). */
#define ALLOW_EXPERIMENTAL_API

#include "frames.h"
#include "hf_test_eal.h"
#include "unit/hw-profiles/testpmd_rule.h"

#include <hepflow/rteflow.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

HF_EAL_SUITE(pmd);

#define WIRE_SIZE 1024
#define POOL_SIZE 2047

/* What stands for the wire: the test puts packets in one ring and finds sent ones in the other. */
static struct rte_ring *wire_in, *wire_out;
static struct rte_mempool *pool;
static uint16_t port;
static uint16_t n_queues;
static struct rte_flow_error error;

static void open_wire(void)
{
	wire_in = rte_ring_create("in", WIRE_SIZE, 0, 0);
	wire_out = rte_ring_create("out", WIRE_SIZE, 0, 0);
	pool = rte_pktmbuf_pool_create("pool", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	cr_assert(wire_in && wire_out && pool);
	cr_assert(rte_eth_from_rings("wire", &wire_in, 1, &wire_out, 1, 0) >= 0);
}

static void start_port(void)
{
	struct rte_eth_conf conf = {};
	uint16_t q;

	cr_assert(rte_eth_dev_configure(port, n_queues, 1, &conf) == 0);
	for (q = 0; q < n_queues; q++)
		cr_assert(rte_eth_rx_queue_setup(port, q, 64, 0, NULL, pool) == 0);
	cr_assert(rte_eth_tx_queue_setup(port, 0, 64, 0, NULL) == 0);
	cr_assert(rte_eth_dev_start(port) == 0);
}

static void open_port(const char *profile, uint16_t queues)
{
	char args[128];

	open_wire();
	snprintf(args, sizeof(args), "profile=%s,dev=net_ring_wire", profile);
	cr_assert(rte_vdev_init("net_vnic0", args) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &port) == 0);
	n_queues = queues;
	start_port();
}

/* Nothing may be left: no port, no packet that is not in the pool. */
static void close_port(void)
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

static void build(const char *text, struct hf_rte_flow *ret)
{
	enum hf_reject cannot = HF_REJECT_NONE;
	struct hf_flow flow;
	char word[64] = "";
	size_t i;

	cr_assert(testpmd_rule_parse(text, &flow, &cannot, word, sizeof(word)) == 0 && !cannot,
		"%s", text);
	for (i = 0; i < flow.n_actions; i++) {
		if (flow.actions[i].act == HF_ACT_RSS)
			flow.actions[i].value = n_queues;
	}
	hf_rte_flow_build(&flow, ret);
}

static struct rte_flow *create(const struct hf_rte_flow *built)
{
	memset(&error, 0xaa, sizeof(error));
	return rte_flow_create(port, &built->attr, built->items, built->actions, &error);
}

static struct rte_flow *try(const char *text)
{
	struct hf_rte_flow built;

	build(text, &built);
	return create(&built);
}

static struct rte_flow *add(const char *text)
{
	struct rte_flow *rule = try(text);

	cr_assert(rule, "%s: %s", error.message, text);
	return rule;
}

static void put(struct frame f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(&f, bytes);

	cr_assert(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	cr_assert(rte_ring_enqueue(wire_in, m) == 0);
}

/* What comes out of each queue, all polled until nothing comes any more. */
struct got {
	unsigned int n;
	unsigned int of_queue[64];
	struct rte_mbuf last; /* a copy; the packet itself is freed */
};

static struct got get_all(void)
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

static struct got wire(struct frame f)
{
	put(f);
	return get_all();
}

static uint64_t xstat(const char *name)
{
	uint64_t id, value = 0;

	cr_assert(rte_eth_xstats_get_id_by_name(port, name, &id) == 0, "%s", name);
	cr_assert(rte_eth_xstats_get_by_id(port, &id, &value, 1) == 1);
	return value;
}

static struct rte_flow_query_count query(struct rte_flow *rule, bool reset)
{
	struct rte_flow_query_count count = {.reset = reset};
	struct rte_flow_action action[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT}, {.type = RTE_FLOW_ACTION_TYPE_END}};

	cr_assert(rte_flow_query(port, rule, action, &count, &error) == 0, "%s", error.message);
	return count;
}

#define TCP4 .src = "192.0.2.1", .dst = "10.0.0.1", .proto = 6, .sport = 1000, .dport = 80
#define TCP6 .src = "2001:db8::1", .dst = "2001:db8::2", .proto = 6, .sport = 1000, .dport = 80
#define ROOT "ingress pattern eth / end actions jump group 1 / end"
#define REST "ingress group 1 priority 99 pattern eth / end actions queue index 0 / end"

Test(pmd, packets_pass_both_ways)
{
	struct rte_eth_stats stats;
	struct rte_mbuf *m;

	open_port("mlx5-cx6dx", 1);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	m = rte_pktmbuf_alloc(pool);
	rte_pktmbuf_append(m, 60);
	cr_expect(rte_eth_tx_burst(port, 0, &m, 1) == 1);
	cr_expect(rte_ring_count(wire_out) == 1);
	cr_assert(rte_eth_stats_get(port, &stats) == 0);
	cr_expect(stats.ipackets == 1 && stats.ibytes == 54);
	cr_expect(stats.opackets == 1 && stats.obytes == 60);
	cr_assert(rte_eth_stats_reset(port) == 0 && rte_eth_stats_get(port, &stats) == 0);
	cr_expect(stats.ipackets == 0 && stats.opackets == 0);
	close_port();
}

Test(pmd, the_sub_device_is_hidden_and_given_back)
{
	struct rte_eth_dev_owner owner;
	uint16_t wire, p, n = 0;

	open_port("mlx5-cx6dx", 1);
	cr_assert(rte_eth_dev_get_port_by_name("net_ring_wire", &wire) == 0);
	RTE_ETH_FOREACH_DEV (p)
		n++;
	cr_expect(n == 1);
	cr_expect(rte_eth_dev_owner_get(wire, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER);
	close_port();
	cr_expect(rte_eth_dev_owner_get(wire, &owner) == 0 && owner.id == RTE_ETH_DEV_NO_OWNER);
}

Test(pmd, a_sub_device_it_made_goes_with_it)
{
	uint16_t p;

	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0,size=100") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_null0", &p) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &p) == 0);
	cr_expect(rte_eth_dev_close(p) == 0 && rte_vdev_uninit("net_vnic0") == 0);
	cr_expect(rte_eth_dev_get_port_by_name("net_null0", &p) != 0);
	/* Removed without being closed, and made again. */
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_expect(rte_vdev_uninit("net_vnic0") == 0);
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &p) == 0);
	cr_expect(rte_eth_dev_close(p) == 0 && rte_vdev_uninit("net_vnic0") == 0);
}

Test(pmd, an_application_may_leave_without_closing)
{
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_assert(rte_vdev_init("net_vnic1", "profile=none,dev=net_null1") == 0);
	cr_expect(rte_eal_cleanup() == 0);
}

Test(pmd, what_flows_cannot_say_is_refused_in_other_words)
{
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_item_tag tag = {.data = 1, .index = 5};
	struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_TAG, .spec = &tag}, {.type = RTE_FLOW_ITEM_TYPE_END}};
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};

	open_port("mlx5-cx6dx", 1);
	cr_expect(rte_flow_validate(port, &attr, items, actions, &error) == -ENOTSUP);
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_ITEM_SPEC && strstr(error.message, "net_vnic"));
	close_port();
}

Test(pmd, wrong_arguments_make_no_port)
{
	static const char *const wrong[] = {"", "profile=", "profile=no-such-nic", "colour=red",
		"profile=none,profile=none", "profile=none,dev=", "profile=none,dev=net_nosuch0",
		"dev=net_null0", "profile=none,colour=red,dev=net_null0"};
	uint16_t p;
	size_t i;

	rte_log_set_global_level(RTE_LOG_EMERG);
	for (i = 0; i < RTE_DIM(wrong); i++) {
		cr_expect(rte_vdev_init("net_vnic0", wrong[i]) < 0, "%s", wrong[i]);
		cr_expect(rte_eth_dev_get_port_by_name("net_vnic0", &p) != 0);
		cr_expect(rte_eth_dev_get_port_by_name("net_null0", &p) != 0);
	}
}

Test(pmd, tells_its_profile)
{
	char text[64];

	open_port("mlx5-cx6dx", 1);
	cr_expect(rte_eth_dev_fw_version_get(port, text, sizeof(text)) == 0);
	cr_expect(strcmp(text, "profile mlx5-cx6dx") == 0, "%s", text);
	cr_expect(rte_eth_dev_fw_version_get(port, text, 4) == sizeof("profile mlx5-cx6dx"));
	close_port();
}

Test(pmd, a_nic_without_engines_has_no_flow_api)
{
	open_port("none", 1);
	cr_expect(!try("ingress pattern eth / end actions drop / end"));
	cr_expect(rte_errno == ENOSYS);
	close_port();
}

Test(pmd, drops_and_counts)
{
	struct rte_flow_query_count count;
	struct rte_flow *rule;

	open_port("mlx5-cx6dx", 2);
	add(ROOT);
	add(REST);
	rule = add("ingress group 1 pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 80 / end "
		   "actions count / drop / end");
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(wire((struct frame){.src = "192.0.2.1", .dst = "10.0.0.2", .proto = 6}).n == 1);
	cr_expect(xstat("rx_flow_drop_packets") == 1);
	count = query(rule, true);
	cr_expect(count.hits_set && count.bytes_set && count.hits == 1 && count.bytes == 54);
	count = query(rule, false);
	cr_expect(count.hits == 0 && count.bytes == 0);
	close_port();
}

Test(pmd, marks_are_delivered)
{
	struct got got;

	open_port("mlx5-cx6dx", 1);
	add(ROOT);
	add("ingress group 1 pattern eth / ipv4 / end actions mark id 4711 / queue index 0 / end");
	add("ingress group 1 pattern eth / ipv6 / end actions flag / queue index 0 / end");
	got = wire((struct frame){TCP4});
	cr_expect(got.n == 1 && (got.last.ol_flags & RTE_MBUF_F_RX_FDIR_ID) &&
		  got.last.hash.fdir.hi == 4711 && got.last.port == port);
	got = wire((struct frame){TCP6});
	cr_expect(got.n == 1 && (got.last.ol_flags & RTE_MBUF_F_RX_FDIR) &&
		  !(got.last.ol_flags & RTE_MBUF_F_RX_FDIR_ID));
	close_port();
}

Test(pmd, queue_takes_a_packet_to_its_queue)
{
	struct got got;

	open_port("mlx5-cx6dx", 4);
	add("ingress pattern eth / ipv4 / end actions queue index 3 / end");
	got = wire((struct frame){TCP4});
	cr_expect(got.n == 1 && got.of_queue[3] == 1);
	cr_expect(!try("ingress pattern eth / ipv6 / end actions queue index 4 / end"));
	cr_expect(rte_errno == EINVAL && error.type == RTE_FLOW_ERROR_TYPE_ACTION_CONF);
	close_port();
}

/* Each flow has one queue, both directions the same, and no queue stays empty. */
static void expect_spread(void)
{
	struct got got;
	uint16_t sport, q, n = 0;

	for (sport = 1; sport <= 200; sport++) {
		put((struct frame){.src = "10.0.0.9",
			.dst = "10.0.0.1",
			.proto = 6,
			.sport = sport,
			.dport = 80});
		put((struct frame){.src = "10.0.0.1",
			.dst = "10.0.0.9",
			.proto = 6,
			.sport = 80,
			.dport = sport});
		got = get_all();
		cr_expect(got.n == 2);
		for (q = 0; q < n_queues; q++)
			cr_expect(got.of_queue[q] == 0 || got.of_queue[q] == 2);
		n |= got.of_queue[1] ? 1 : 0;
		n |= got.of_queue[2] ? 2 : 0;
	}
	cr_expect(n == 3);
}

Test(pmd, unmatched_packets_spread_over_all_queues)
{
	open_port("mlx5-cx6dx", 3);
	expect_spread();
	close_port();
}

Test(pmd, rss_spreads_over_its_queues)
{
	struct rte_flow_action action[] = {
		{.type = RTE_FLOW_ACTION_TYPE_RSS}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_action_rss rss;
	struct rte_flow *rule;

	open_port("mlx5-cx6dx", 3);
	rule = add("ingress pattern eth / end actions rss / end");
	expect_spread();
	cr_expect(rte_flow_query(port, rule, action, &rss, &error) == 0);
	cr_expect(rss.queue_num == 3 && rss.queue[2] == 2);
	close_port();
}

Test(pmd, a_full_queue_loses_packets_and_says_so)
{
	struct rte_eth_stats stats;
	struct rte_mbuf *pkts[32];
	unsigned int i;

	open_port("mlx5-cx6dx", 2);
	add("ingress pattern eth / end actions queue index 1 / end");
	for (i = 0; i < 1500; i++) {
		put((struct frame){TCP4});
		cr_expect(rte_eth_rx_burst(port, 0, pkts, 32) == 0);
	}
	cr_assert(rte_eth_stats_get(port, &stats) == 0);
	cr_expect(
		stats.imissed == 1500 - 1023 && xstat("rx_queue_full_drop_packets") == 1500 - 1023);
	cr_expect(get_all().of_queue[1] == 1023);
	close_port();
}

Test(pmd, fragments_pass_by_rules_for_ports)
{
	open_port("mlx5-cx6dx", 1);
	add(ROOT);
	add(REST);
	add("ingress group 1 priority 1 pattern eth / ipv4 / tcp / end actions drop / end");
	add("ingress group 1 priority 1 pattern eth / ipv6 / tcp / end actions drop / end");
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(wire((struct frame){TCP4, .off = 0x2000}).n == 1);
	cr_expect(wire((struct frame){TCP4, .off = 0x0010}).n == 1);
	cr_expect(wire((struct frame){TCP6}).n == 0);
	cr_expect(wire((struct frame){TCP6, .off = 0x0001}).n == 1);
	cr_expect(wire((struct frame){TCP6, .ext = 60}).n == 1);
	add("ingress group 1 pattern eth / ipv4 fragment_offset spec 1 fragment_offset last 0x3fff "
	    "fragment_offset mask 0x3fff / end actions drop / end");
	cr_expect(wire((struct frame){TCP4, .off = 0x2000}).n == 0);
	cr_expect(wire((struct frame){TCP4, .off = 0x0010}).n == 0);
	add("ingress group 1 pattern eth / ipv6 has_frag_ext is 1 / end actions drop / end");
	cr_expect(wire((struct frame){TCP6, .off = 0x0008}).n == 0);
	cr_expect(wire((struct frame){TCP6, .ext = 60}).n == 1);
	close_port();
}

Test(pmd, tagged_frames)
{
	struct rte_flow *rule;

	open_port("mlx5-cx6dx", 1);
	rule = add("ingress pattern eth / vlan vid is 5 / ipv4 / end actions drop / end");
	cr_expect(wire((struct frame){TCP4, .n_tags = 1}).n == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	/* Without a VLAN item both are meant, until has_vlan says otherwise. */
	rule = add("ingress pattern eth / ipv4 / end actions drop / end");
	cr_expect(wire((struct frame){TCP4, .n_tags = 1}).n == 0);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	rule = add("ingress pattern eth has_vlan is 0 / ipv4 / end actions drop / end");
	cr_expect(wire((struct frame){TCP4, .n_tags = 1}).n == 1);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	add("ingress pattern eth type is 0x8100 / end actions drop / end");
	cr_expect(wire((struct frame){TCP4, .n_tags = 1}).n == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(pmd, other_protocols)
{
	open_port("mlx5-cx6dx", 1);
	add("ingress pattern eth / ipv4 / icmp type is 8 / end actions drop / end");
	add("ingress pattern eth / ipv4 proto is 132 / end actions drop / end");
	add("ingress pattern eth type is 0x0806 / end actions drop / end");
	cr_expect(wire((struct frame){.src = "10.0.0.1", .dst = "10.0.0.2", .proto = 1, .sport = 8})
			  .n == 0);
	cr_expect(wire((struct frame){.src = "10.0.0.1", .dst = "10.0.0.2", .proto = 1}).n == 1);
	cr_expect(wire((struct frame){.src = "10.0.0.1", .dst = "10.0.0.2", .proto = 132}).n == 0);
	cr_expect(wire((struct frame){.eth_type = 0x0806}).n == 0);
	cr_expect(wire((struct frame){.eth_type = 0x88cc}).n == 1);
	close_port();
}

Test(pmd, answers_as_the_real_driver)
{
	open_port("mlx5-cx6dx", 1);
	cr_expect(!try("ingress pattern eth / ipv4 / sctp dst is 3868 / end actions drop / end"));
	cr_expect(rte_errno == ENOTSUP && strcmp(error.message, "item not supported") == 0);
	cr_expect(!try("ingress priority 4 pattern eth / end actions drop / end"));
	cr_expect(strcmp(error.message, "priority out of range") == 0);
	/* This driver leaves no word. */
	cr_expect(!try("transfer pattern eth / end actions drop / end"));
	cr_expect(rte_errno == ENOTSUP && error.message == NULL);
	close_port();
}

/* Returns how many of n packets like this the port took. */
static uint16_t transmit(struct frame f, uint16_t n)
{
	struct rte_mbuf *pkts[64];
	uint8_t bytes[FRAME_MAX];
	uint16_t i, sent, len = (uint16_t)frame_build(&f, bytes);

	cr_assert(n <= 64 && rte_pktmbuf_alloc_bulk(pool, pkts, n) == 0);
	for (i = 0; i < n; i++)
		memcpy(rte_pktmbuf_append(pkts[i], len), bytes, len);
	sent = rte_eth_tx_burst(port, 0, pkts, n);
	rte_pktmbuf_free_bulk(&pkts[sent], n - sent);
	return sent;
}

Test(pmd, egress_rules_are_for_what_leaves)
{
	struct rte_flow *rule;

	open_port("mlx5-cx6dx", 1);
	add("egress pattern eth / end actions jump group 1 / end");
	rule = add("egress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end "
		   "actions count / drop / end");
	cr_expect(transmit((struct frame){TCP4}, 3) == 3 && rte_ring_count(wire_out) == 0);
	cr_expect(transmit((struct frame){TCP6}, 5) == 5 && rte_ring_count(wire_out) == 5);
	cr_expect(query(rule, false).hits == 3 && xstat("tx_flow_drop_packets") == 3);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(pmd, a_slow_wire_loses_nothing_and_counts_once)
{
	struct rte_eth_stats stats;
	struct rte_flow *rule;
	unsigned int i, sent = 0;

	open_port("mlx5-cx6dx", 1);
	add("egress pattern eth / end actions jump group 1 / end");
	rule = add("egress group 1 pattern eth / ipv4 / end actions count / end");
	for (i = 0; i < 40; i++)
		sent += transmit((struct frame){TCP4}, 50);
	/* The wire is full, and a part of a burst is held. */
	cr_expect(rte_ring_count(wire_out) == WIRE_SIZE - 1 && sent > WIRE_SIZE - 1);
	cr_expect(query(rule, false).hits == sent);
	while (rte_ring_count(wire_out) > 0) {
		struct rte_mbuf *m;

		cr_assert(rte_ring_dequeue(wire_out, (void **)&m) == 0);
		rte_pktmbuf_free(m);
	}
	sent += transmit((struct frame){TCP6}, 1);
	cr_assert(rte_eth_stats_get(port, &stats) == 0);
	cr_expect(stats.opackets == sent);
	close_port();
}

Test(pmd, what_is_held_goes_with_the_port)
{
	unsigned int i;

	open_port("mlx5-cx6dx", 1);
	add("egress pattern eth / end actions jump group 1 / end");
	for (i = 0; i < 40; i++)
		transmit((struct frame){TCP4}, 50);
	close_port();
}

Test(pmd, a_flush_takes_all_rules_and_their_handles)
{
	struct rte_flow *rule;

	open_port("mlx5-cx6dx", 1);
	rule = add("ingress pattern eth / end actions count / drop / end");
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(rte_flow_flush(port, &error) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(rte_flow_destroy(port, rule, &error) == -EINVAL);
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_HANDLE);
	close_port();
}

Test(pmd, mlx5_forgets_its_rules_at_stop)
{
	open_port("mlx5-cx6dx", 1);
	add("ingress pattern eth / end actions drop / end");
	cr_assert(rte_eth_dev_stop(port) == 0 && rte_eth_dev_start(port) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(pmd, intel_keeps_its_rules_over_a_stop)
{
	open_port("i40e-x710", 1);
	add("ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 80 / end actions drop / end");
	cr_assert(rte_eth_dev_stop(port) == 0);
	n_queues = 2;
	start_port();
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(wire((struct frame){TCP4, .n_tags = 1}).n == 0);
	cr_expect(wire((struct frame){TCP6}).n == 1);
	close_port();
}

Test(pmd, isolated_only_rules_deliver)
{
	open_port("mlx5-cx6dx", 1);
	cr_expect(rte_flow_isolate(port, 1, &error) == -EBUSY);
	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_assert(rte_flow_isolate(port, 1, &error) == 0);
	cr_assert(rte_eth_dev_start(port) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(xstat("rx_flow_isolated_drop_packets") == 1);
	add("ingress pattern eth / ipv4 / end actions queue index 0 / end");
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(pmd, drivers_without_isolation_say_so)
{
	open_port("i40e-x710", 1);
	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_expect(rte_flow_isolate(port, 1, &error) == -ENOSYS);
	close_port();
}

Test(pmd, dump_names_what_is_not_matched_as_asked)
{
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");

	open_port("i40e-x710", 1);
	add("ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask 255.0.0.0 / end actions drop / "
	    "end");
	cr_expect(rte_flow_dev_dump(port, NULL, out, &error) == 0);
	fclose(out);
	cr_expect(strstr(text, "ipv4.dst not matched as asked"), "%s", text);
	close_port();
}

/* One thread puts packets in and takes them out, while the other replaces a rule again and again,
 * new before old. No packet may slip through in between. */
struct traffic {
	atomic_bool stop;
	atomic_uint n;
	atomic_uint unmarked;
};

static void *run_traffic(void *arg)
{
	struct traffic *t = arg;
	struct rte_mbuf *pkts[32];
	struct frame f = {TCP4};
	uint8_t bytes[FRAME_MAX];
	uint16_t i, n, len = (uint16_t)frame_build(&f, bytes);

	while (!atomic_load(&t->stop)) {
		if (rte_pktmbuf_alloc_bulk(pool, pkts, 32) != 0)
			continue;
		for (i = 0; i < 32; i++) {
			memcpy(rte_pktmbuf_append(pkts[i], len), bytes, len);
			if (rte_ring_enqueue(wire_in, pkts[i]) != 0)
				rte_pktmbuf_free(pkts[i]);
		}
		n = rte_eth_rx_burst(port, 0, pkts, 32);
		for (i = 0; i < n; i++) {
			if (!(pkts[i]->ol_flags & RTE_MBUF_F_RX_FDIR_ID))
				atomic_fetch_add(&t->unmarked, 1);
			rte_pktmbuf_free(pkts[i]);
		}
		atomic_fetch_add(&t->n, n);
	}
	return NULL;
}

/* The last one stays. */
static struct rte_flow *replace_rules(
	struct rte_flow *rule, const char *const texts[2], unsigned int times)
{
	struct hf_rte_flow built[2];
	struct rte_flow *next;
	unsigned int i;

	build(texts[0], &built[0]);
	build(texts[1], &built[1]);
	for (i = 0; i < times; i++) {
		next = create(&built[i % 2]);
		cr_assert(next && rte_flow_destroy(port, rule, &error) == 0);
		rule = next;
	}
	return rule;
}

/* Rules that come first and never match: a packet is on its way for long. */
static void add_fillers(void)
{
	struct hf_rte_flow built;
	unsigned int i;

	build("ingress group 1 pattern eth / ipv4 / udp dst is 1 / end actions drop / end", &built);
	for (i = 0; i < 2000; i++)
		cr_assert(create(&built));
}

Test(pmd, rules_change_under_traffic_without_a_gap, .timeout = 50)
{
	/* Appended; and put in front of what is there, which makes a new list each time. */
	static const char *const append[] = {
		"ingress group 1 pattern eth / ipv4 / end actions mark id 1 / queue index 0 / end",
		"ingress group 1 pattern eth / ipv4 / end actions mark id 2 / queue index 0 / end"};
	static const char *const insert[] = {
		"ingress group 1 priority 2 pattern eth / end actions mark id 3 / queue index 0 / "
		"end",
		"ingress group 1 priority 1 pattern eth / end actions mark id 4 / queue index 0 / "
		"end"};
	struct rte_flow *rule;
	struct traffic t = {};
	pthread_t thread;

	open_port("mlx5-cx6dx", 1);
	add(ROOT);
	add_fillers();
	rule = add(append[1]);
	cr_assert(pthread_create(&thread, NULL, run_traffic, &t) == 0);
	while (atomic_load(&t.n) == 0)
		sched_yield();
	rule = replace_rules(rule, append, 20000);
	replace_rules(rule, insert, 2000);
	atomic_store(&t.stop, true);
	pthread_join(thread, NULL);
	/* A packet between two rules would find nothing in group 1. */
	cr_expect(xstat("rx_flow_group_miss_drop_packets") == 0);
	cr_expect(atomic_load(&t.unmarked) == 0);
	close_port();
}

Test(pmd, rules_go_all_at_once_under_traffic, .timeout = 50)
{
	struct traffic t = {};
	pthread_t thread;
	unsigned int i;

	open_port("mlx5-cx6dx", 1);
	cr_assert(pthread_create(&thread, NULL, run_traffic, &t) == 0);
	for (i = 0; i < 2000; i++) {
		add("ingress group 1 pattern eth / end actions mark id 1 / queue index 0 / end");
		add(ROOT);
		cr_assert(rte_flow_flush(port, &error) == 0);
	}
	atomic_store(&t.stop, true);
	pthread_join(thread, NULL);
	/* The jump is never there without its target's rule. */
	cr_expect(xstat("rx_flow_group_miss_drop_packets") == 0);
	cr_expect(atomic_load(&t.n) > 0);
	close_port();
}
