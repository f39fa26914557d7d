/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_eal.h"
#include "port.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

HF_EAL_SUITE(rxtx);

Test(rxtx, packets_pass_both_ways)
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

Test(rxtx, marks_are_delivered)
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

Test(rxtx, queue_takes_a_packet_to_its_queue)
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

Test(rxtx, unmatched_packets_spread_over_all_queues)
{
	open_port("mlx5-cx6dx", 3);
	expect_spread();
	close_port();
}

Test(rxtx, rss_spreads_over_its_queues)
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

Test(rxtx, a_full_queue_loses_packets_and_says_so)
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

Test(rxtx, fragments_pass_by_rules_for_ports)
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

Test(rxtx, tagged_frames)
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

Test(rxtx, other_protocols)
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

Test(rxtx, egress_rules_are_for_what_leaves)
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

Test(rxtx, a_slow_wire_loses_nothing_and_counts_once)
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

Test(rxtx, what_is_held_goes_with_the_port)
{
	unsigned int i;

	open_port("mlx5-cx6dx", 1);
	add("egress pattern eth / end actions jump group 1 / end");
	for (i = 0; i < 40; i++)
		transmit((struct frame){TCP4}, 50);
	close_port();
}

Test(rxtx, passthru_marks_and_leaves_the_rest_to_the_default)
{
	struct got got;

	open_port("i40e-x710", 1);
	add("ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 80 / end actions passthru / "
	    "mark id 5 / end");
	got = wire((struct frame){TCP4});
	cr_expect(got.n == 1 && got.last.hash.fdir.hi == 5);
	cr_expect(xstat("rx_flow_no_match_packets") == 1);
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

Test(rxtx, rules_change_under_traffic_without_a_gap, .timeout = 50)
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

Test(rxtx, rules_go_all_at_once_under_traffic, .timeout = 50)
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

/* One thread for each queue, as a program with several lcores polls them. */
struct poller {
	uint16_t queue;
	atomic_bool *stop;
	atomic_uint n;
};

static void *run_poller(void *arg)
{
	struct poller *p = arg;
	struct rte_mbuf *pkts[32];
	uint16_t n;

	while (!atomic_load(p->stop)) {
		n = rte_eth_rx_burst(port, p->queue, pkts, 32);
		rte_pktmbuf_free_bulk(pkts, n);
		atomic_fetch_add(&p->n, n);
	}
	return NULL;
}

Test(rxtx, two_threads_share_what_one_wire_brings, .timeout = 50)
{
	atomic_bool stop = false;
	struct poller p[2] = {{.queue = 0, .stop = &stop}, {.queue = 1, .stop = &stop}};
	struct rte_flow *rule = NULL;
	pthread_t thread[2];
	unsigned int i;

	open_port("mlx5-cx6dx", 2);
	for (i = 0; i < 2; i++)
		cr_assert(pthread_create(&thread[i], NULL, run_poller, &p[i]) == 0);
	for (i = 0; i < 20000; i++) {
		/* Never more on the way than a queue holds, so that none is lost. */
		while (i - atomic_load(&p[0].n) - atomic_load(&p[1].n) > 500)
			sched_yield();
		if (i % 100 == 0)
			rule = add("ingress pattern eth / ipv4 / end actions queue index 1 / end");
		else if (i % 100 == 50)
			cr_assert(rte_flow_destroy(port, rule, &error) == 0);
		put((struct frame){
			.src = "10.0.0.1", .dst = "10.0.0.2", .proto = 17, .sport = (uint16_t)i});
	}
	while (atomic_load(&p[0].n) + atomic_load(&p[1].n) < i)
		sched_yield();
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	cr_expect(p[0].n > 0 && p[1].n > p[0].n);
	close_port();
}

/* Mark and tag set by MODIFY_FIELD: delivered, and matched in a later group. */
Test(rxtx, modify_field_sets_registers)
{
	struct hf_flow flow = {.ingress = true};
	struct hf_rte_flow built;
	struct got got;

	open_port("mlx5-cx6dx", 1);
	flow.n_items = 1;
	flow.items[0] = HF_LAYER_ETH;
	flow.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH);
	flow.n_actions = 3;
	flow.actions[0] = (struct hf_flow_action){
		.act = HF_ACT_MODIFY_FIELD, .field = HF_F_TAG, .value = 0x12345678};
	flow.actions[1] = (struct hf_flow_action){
		.act = HF_ACT_MODIFY_FIELD, .field = HF_F_MARK, .value = 77};
	flow.actions[2] = (struct hf_flow_action){.act = HF_ACT_JUMP, .value = 1};
	hf_rte_flow_build(&flow, &built);
	cr_assert(create(&built), "%s", error.message);
	add("ingress group 1 pattern tag data is 0x12345678 / eth / ipv4 / end actions queue index "
	    "0 / end");
	got = wire((struct frame){TCP4});
	cr_expect(got.n == 1 && (got.last.ol_flags & RTE_MBUF_F_RX_FDIR_ID) &&
		  got.last.hash.fdir.hi == 77);
	cr_expect(wire((struct frame){TCP6}).n == 0);
	built.confs[0].modify_field.width = 16;
	cr_expect(!create(&built) && error.type == RTE_FLOW_ERROR_TYPE_ACTION_CONF);
	close_port();
}
