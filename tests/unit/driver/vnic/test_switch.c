/* SPDX-License-Identifier: BSD-3-Clause */

/* The template API is experimental. */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

HF_EAL_SUITE(switch);

#define ESW   "mlx5-cx6dx-esw"
#define HWS   "mlx5-cx6dx-hws-esw"
#define PORTS 3 /* the wire's, and those of two functions */
#define FIRST 3 /* number of the first of them; the wires come before */

static struct rte_ring *in[PORTS], *out[PORTS];
static uint16_t ports[PORTS];
static bool down[PORTS]; /* stopped by a test */

/* Rules, packets and counters of the helpers are this port's from now on. */
static void choose(int i)
{
	port = ports[i];
	wire_in = in[i];
	wire_out = out[i];
}

static void make_wire(int i)
{
	struct rte_ring *both[2];
	char name[16];

	snprintf(name, sizeof(name), "in%d", i);
	in[i] = rte_ring_create(name, WIRE_SIZE, 0, 0);
	snprintf(name, sizeof(name), "out%d", i);
	out[i] = rte_ring_create(name, WIRE_SIZE, 0, 0);
	cr_assert(in[i] && out[i]);
	both[0] = both[1] = out[i];
	snprintf(name, sizeof(name), "w%d", i);
	cr_assert(rte_eth_from_rings(name, &in[i], 1, both, 2, 0) >= 0);
}

static int try_join(int i, const char *profile, const char *args)
{
	char name[16], text[128];

	snprintf(name, sizeof(name), "net_vnic%d", i);
	snprintf(text, sizeof(text), "profile=%s,%s,dev=net_%s%d", profile, args,
		i < PORTS ? "ring_w" : "null", i);
	return rte_vdev_init(name, text);
}

static void join(int i, const char *profile)
{
	char name[16], args[32] = "switch=7";

	if (i > 0)
		snprintf(args, sizeof(args), "switch=7,representor=%d", i - 1);
	cr_assert(try_join(i, profile, args) == 0);
	snprintf(name, sizeof(name), "net_vnic%d", i);
	cr_assert(rte_eth_dev_get_port_by_name(name, &ports[i]) == 0);
	choose(i);
	start_port();
}

static void open_switch(const char *profile)
{
	int i;

	pool = rte_pktmbuf_pool_create("pool", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	cr_assert(pool);
	n_queues = 1;
	for (i = 0; i < PORTS; i++)
		make_wire(i);
	for (i = 0; i < PORTS; i++) {
		join(i, profile);
		cr_assert(ports[i] == FIRST + i);
	}
	choose(0);
}

static void close_switch(void)
{
	struct rte_mbuf *m;
	int i;

	for (i = 0; i < PORTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "net_vnic%d", i);
		if (rte_eth_dev_is_valid_port(ports[i])) {
			cr_expect(rte_eth_dev_stop(ports[i]) == 0);
			cr_expect(rte_eth_dev_close(ports[i]) == 0);
		}
		cr_expect(rte_vdev_uninit(name) == 0);
		while (rte_ring_dequeue(in[i], (void **)&m) == 0 ||
			rte_ring_dequeue(out[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
	}
	cr_expect(rte_mempool_full(pool), "%u packets leaked", rte_mempool_in_use_count(pool));
}

/* A packet comes from outside to port i. Where it is afterwards, as "app I" or "out I". */
static const char *come_from(int i, struct frame f)
{
	static char text[64];
	struct rte_mbuf *m;
	int round, p;

	choose(i);
	put(f);
	text[0] = '\0';
	for (round = 0; round < 2; round++) {
		for (p = 0; p < PORTS; p++) {
			choose(p);
			if (!down[p] && get_all().n)
				snprintf(text + strlen(text), sizeof(text) - strlen(text), "app %d",
					p);
		}
	}
	for (p = 0; p < PORTS; p++) {
		while (rte_ring_dequeue(out[p], (void **)&m) == 0) {
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "out %d", p);
			rte_pktmbuf_free(m);
		}
	}
	choose(i);
	return text;
}

/* The application sends by port i. */
static const char *send_by(int i, struct frame f)
{
	uint8_t bytes[FRAME_MAX];
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	size_t len = frame_build(&f, bytes);
	static char text[64];
	int p;

	cr_assert(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	cr_assert(rte_eth_tx_burst(ports[i], 0, &m, 1) == 1);
	text[0] = '\0';
	for (p = 0; p < PORTS; p++) {
		choose(p);
		if (get_all().n)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "app %d", p);
		while (rte_ring_dequeue(out[p], (void **)&m) == 0) {
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "out %d", p);
			rte_pktmbuf_free(m);
		}
	}
	choose(i);
	return text;
}

#define FROM(i, where) cr_expect_str_eq(come_from(i, (struct frame){TCP4}), where)
#define SENT(i, where) cr_expect_str_eq(send_by(i, (struct frame){TCP4}), where)

Test(switch, without_rules_a_port_and_what_it_stands_for_talk)
{
	open_switch(ESW);
	FROM(0, "app 0");
	FROM(1, "app 1");
	FROM(2, "app 2");
	SENT(0, "out 0");
	SENT(2, "out 2");
	close_switch();
}

Test(switch, the_hardware_forwards_and_counts)
{
	struct rte_flow *rule, *back;

	open_switch(ESW);
	rule = add("transfer pattern eth / ipv4 / end actions count / represented_port "
		   "ethdev_port_id 4 / end");
	choose(1);
	back = add("transfer pattern eth / ipv4 / end actions count / port_id id 3 / end");
	FROM(0, "out 1");
	FROM(0, "out 1");
	FROM(1, "out 0");
	cr_expect_str_eq(come_from(0, (struct frame){TCP6}), "app 0");
	choose(0);
	cr_expect(query(rule, false).hits == 2 && query(rule, false).bytes == 108);
	cr_expect(xstat("rx_switch_port_packets") == 2);
	choose(1);
	cr_expect(query(back, false).hits == 1);
	cr_expect(rte_flow_destroy(port, back, &error) == 0);
	FROM(1, "app 1");
	close_switch();
}

/* Also those to the application come from their port: what is forwarded was not received. */
Test(switch, a_rule_that_names_no_port_is_for_its_own)
{
	open_switch(ESW);
	choose(1);
	add("transfer pattern eth / ipv4 / end actions drop / end");
	FROM(0, "app 0");
	FROM(1, "");
	FROM(2, "app 2");
	SENT(1, "out 1");
	choose(0);
	add("transfer pattern represented_port ethdev_port_id is 5 / eth / end actions drop / end");
	FROM(2, "");
	FROM(0, "app 0");
	add("transfer pattern represented_port / eth / end actions drop / end");
	FROM(0, "");
	SENT(0, "");
	close_switch();
}

/* mlx5 knows the manager of the switch only, whose packets are all that applications send. */
Test(switch, port_representor_is_any_of_them)
{
	open_switch(ESW);
	add("transfer pattern port_representor port_id is 3 / eth / ipv4 / end actions "
	    "represented_port ethdev_port_id 5 / end");
	SENT(0, "out 2");
	SENT(1, "out 2");
	SENT(2, "out 2");
	FROM(0, "app 0");
	close_switch();
}

Test(switch, groups_marks_and_misses)
{
	struct got got;

	open_switch(ESW);
	choose(1);
	add("transfer pattern eth / ipv4 / end actions mark id 4711 / jump group 1 / end");
	/* Nothing is in group 1: the manager has it, with its mark. */
	put((struct frame){TCP4});
	got = get_all();
	cr_expect(got.n == 0);
	choose(0);
	got = get_all();
	cr_expect(got.n == 1 && (got.last.ol_flags & RTE_MBUF_F_RX_FDIR_ID) &&
		  got.last.hash.fdir.hi == 4711);
	/* Ingress rules of the port see the mark. */
	add("ingress pattern eth / end actions jump group 1 / end");
	add("ingress group 1 pattern mark id spec 4711 id mask 0xffffff / eth / end actions drop / "
	    "end");
	add("ingress group 1 priority 9 pattern eth / end actions queue index 0 / end");
	FROM(1, "");
	FROM(0, "app 0");
	add("transfer group 1 pattern represented_port ethdev_port_id is 4 / eth / ipv4 / end "
	    "actions port_id id 5 / end");
	FROM(1, "out 2");
	close_switch();
}

Test(switch, ports_say_which_switch_they_are_of)
{
	struct rte_eth_dev_info info[PORTS], alone;
	uint16_t proxy, other;
	int i, k;

	open_switch(ESW);
	for (i = 0; i < PORTS; i++) {
		cr_assert(rte_eth_dev_info_get(ports[i], &info[i]) == 0);
		cr_expect(info[i].switch_info.domain_id == info[0].switch_info.domain_id);
		cr_expect(!(*info[i].dev_flags & RTE_ETH_DEV_REPRESENTOR) == (i == 0));
		for (k = 0; k < i; k++)
			cr_expect(info[i].switch_info.port_id != info[k].switch_info.port_id);
		cr_expect(rte_flow_pick_transfer_proxy(ports[i], &proxy, &error) == 0);
		cr_expect(proxy == ports[0]);
	}
	cr_expect(info[0].switch_info.domain_id != RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID);
	/* A NIC with an e-switch is never without. */
	cr_assert(rte_vdev_init("net_vnic9", "profile=" ESW) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic9", &other) == 0);
	cr_assert(rte_eth_dev_info_get(other, &alone) == 0);
	cr_expect(alone.switch_info.domain_id != info[0].switch_info.domain_id);
	choose(0);
	cr_expect(
		!try("transfer pattern eth / end actions represented_port ethdev_port_id 6 / end"));
	cr_expect(rte_errno == EINVAL && error.type == RTE_FLOW_ERROR_TYPE_ACTION);
	cr_expect(!try("transfer pattern port_id id is 6 / eth / end actions drop / end"));
	cr_expect(rte_errno == EINVAL && error.type == RTE_FLOW_ERROR_TYPE_ITEM_SPEC);
	cr_expect(!try("transfer pattern eth / end actions port_id id 30 / end"));
	cr_expect(rte_errno == ENODEV);
	cr_expect(rte_eth_dev_close(other) == 0);
	close_switch();
}

Test(switch, a_port_that_goes_takes_its_rules_and_gets_nothing)
{
	struct rte_flow *rule;

	open_switch(ESW);
	rule = add("transfer pattern eth / ipv4 / end actions represented_port ethdev_port_id 5 / "
		   "end");
	choose(2);
	add("transfer pattern represented_port ethdev_port_id is 4 / eth / end actions drop / end");
	FROM(0, "out 2");
	FROM(1, "");
	cr_assert(rte_eth_dev_stop(ports[2]) == 0);
	down[2] = true;
	FROM(1, "app 1"); /* rules go at stop */
	FROM(0, "");
	cr_expect(xstat("rx_switch_lost_packets") == 1);
	cr_assert(rte_eth_dev_close(ports[2]) == 0);
	FROM(0, "");
	choose(0);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	FROM(0, "app 0");
	close_switch();
}

/* A flush takes the rules of its port only. */
Test(switch, rules_belong_to_the_port_they_were_made_on)
{
	struct rte_flow *rule;

	open_switch(ESW);
	rule = add("transfer pattern eth / end actions drop / end");
	choose(1);
	add("transfer pattern eth / end actions drop / end");
	cr_expect(rte_flow_destroy(port, rule, &error) < 0 && rte_errno == EINVAL);
	cr_expect(rte_flow_flush(port, &error) == 0);
	FROM(1, "app 1");
	FROM(0, "");
	close_switch();
}

Test(switch, wrong_ports_do_not_join)
{
	static const char *const wrong[][2] = {
		{ESW, "switch=7"},
		{ESW, "switch=7,representor=1"},
		{"mlx5-cx5-esw", "switch=7,representor=5"},
		{ESW, "switch=8,representor=5"},
		{ESW, "representor=5"},
		{ESW, "switch=x"},
		{"mlx5-cx6dx", "switch=9"},
	};
	size_t i;

	open_switch(ESW);
	for (i = 0; i < RTE_DIM(wrong); i++)
		cr_expect(try_join(5, wrong[i][0], wrong[i][1]) < 0, "%s", wrong[i][1]);
	close_switch();
}

static void configure(int i)
{
	struct rte_flow_port_attr attr = {};
	struct rte_flow_queue_attr queue = {.size = 8};
	const struct rte_flow_queue_attr *queues[] = {&queue};

	cr_assert(rte_eth_dev_stop(ports[i]) == 0);
	cr_assert(rte_flow_configure(ports[i], &attr, 1, queues, &error) == 0, "%s", error.message);
	cr_assert(rte_eth_dev_start(ports[i]) == 0);
}

/* With hardware steering one port takes all transfer rules, and they are for all ports. */
Test(switch, templates_are_the_first_ports)
{
	static const struct rte_flow_action_ethdev to = {.port_id = FIRST + 2};
	static const struct rte_flow_action goes[] = {
		{.type = RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, .conf = &to},
		{.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_pattern_template_attr pattern_attr = {.transfer = 1};
	struct rte_flow_actions_template_attr actions_attr = {.transfer = 1};
	struct rte_flow_template_table_attr table_attr = {
		.flow_attr = {.transfer = 1}, .nb_flows = 4};
	struct rte_flow_op_attr now = {};
	struct rte_flow_op_result result;
	struct rte_flow_pattern_template *pattern;
	struct rte_flow_actions_template *actions;
	struct rte_flow_template_table *table;
	struct hf_rte_flow built;

	open_switch(HWS);
	configure(0);
	configure(1);
	build("transfer pattern represented_port ethdev_port_id is 4 / eth / ipv4 / end actions "
	      "drop / end",
		&built);
	cr_expect(!rte_flow_pattern_template_create(ports[1], &pattern_attr, built.items, &error));
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER);
	pattern = rte_flow_pattern_template_create(ports[0], &pattern_attr, built.items, &error);
	cr_assert(pattern, "%s", error.message);
	actions = rte_flow_actions_template_create(ports[0], &actions_attr, goes, goes, &error);
	cr_assert(actions, "%s", error.message);
	table = rte_flow_template_table_create(
		ports[0], &table_attr, &pattern, 1, &actions, 1, &error);
	cr_assert(table, "%s", error.message);
	cr_assert(rte_flow_async_create(
			  ports[0], 0, &now, table, built.items, 0, goes, 0, NULL, &error),
		"%s", error.message);
	cr_expect(rte_flow_pull(ports[0], 0, &result, 1, &error) == 1);
	cr_expect(result.status == RTE_FLOW_OP_SUCCESS);
	FROM(1, "out 2");
	FROM(0, "app 0");
	cr_expect(rte_flow_flush(ports[0], &error) == 0);
	FROM(1, "app 1");
	close_switch();
}

static atomic_bool done;

/* What comes in at a port is forwarded to the next; every packet comes out once. */
static void *poll_port(void *arg)
{
	int i = (int)(intptr_t)arg;

	while (!atomic_load(&done)) {
		struct rte_mbuf *m[32];
		uint16_t n = rte_eth_rx_burst(ports[i], 0, m, 32);

		if (n)
			rte_pktmbuf_free_bulk(m, n);
		n = (uint16_t)rte_ring_sc_dequeue_burst(out[i], (void **)m, 32, NULL);
		while (n > 0 && rte_ring_mp_enqueue(in[i], m[n - 1]) == 0)
			n--;
		if (n)
			rte_pktmbuf_free_bulk(m, n);
	}
	return NULL;
}

/* Packets go round and round while rules come and go; see it with a thread sanitizer. */
Test(switch, rules_change_while_packets_go_round)
{
	static const char *const next[PORTS] = {"transfer pattern eth / end actions count / "
						"represented_port ethdev_port_id 4 / end",
		"transfer pattern eth / end actions count / represented_port ethdev_port_id 5 / "
		"end",
		"transfer pattern eth / end actions count / represented_port ethdev_port_id 3 / "
		"end"};
	struct rte_flow *fixed[PORTS];
	pthread_t threads[PORTS];
	int i, round;

	open_switch(ESW);
	for (i = 0; i < PORTS; i++) {
		choose(i);
		fixed[i] = add(next[i]);
		put((struct frame){TCP4});
		put((struct frame){TCP6});
	}
	for (i = 0; i < PORTS; i++)
		cr_assert(pthread_create(&threads[i], NULL, poll_port, (void *)(intptr_t)i) == 0);
	for (round = 0; round < 300; round++) {
		struct rte_flow *rule;

		choose(round % PORTS);
		rule = add(next[round % PORTS]);
		cr_expect(rte_flow_destroy(port, fixed[round % PORTS], &error) == 0);
		fixed[round % PORTS] = rule;
	}
	for (i = 0; i < PORTS; i++) {
		choose(i);
		while (query(fixed[i], false).hits == 0)
			;
	}
	atomic_store(&done, true);
	for (i = 0; i < PORTS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < PORTS; i++) {
		choose(i);
		cr_expect(xstat("rx_flow_no_match_packets") == 0, "a packet saw no rule");
	}
	close_switch();
}
