/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_eal.h"
#include "port.h"

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <string.h>

HF_EAL_SUITE(kernel);

/* The kernel's side is a pair of rings as well: what it sends, and what it gets. */
static struct rte_ring *kernel_in, *kernel_out;

/* Of the wire one transmit queue is the port's own. */
static void make_wires(void)
{
	struct rte_ring *both[2];

	wire_in = rte_ring_create("in", WIRE_SIZE, 0, 0);
	wire_out = rte_ring_create("out", WIRE_SIZE, 0, 0);
	kernel_in = rte_ring_create("kin", WIRE_SIZE, 0, 0);
	kernel_out = rte_ring_create("kout", WIRE_SIZE, 0, 0);
	pool = rte_pktmbuf_pool_create("pool", POOL_SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	cr_assert(wire_in && wire_out && kernel_in && kernel_out && pool);
	both[0] = both[1] = wire_out;
	cr_assert(rte_eth_from_rings("wire", &wire_in, 1, both, 2, 0) >= 0);
	cr_assert(rte_eth_from_rings("kernel", &kernel_in, 1, &kernel_out, 1, 0) >= 0);
}

static int probe(const char *args)
{
	char text[128];

	snprintf(text, sizeof(text), "profile=%s,dev=net_ring_wire", args);
	return rte_vdev_init("net_vnic0", text);
}

static void open_bifurcated(const char *profile, uint16_t queues, bool isolated)
{
	char args[64];

	make_wires();
	snprintf(args, sizeof(args), "%s,kernel=net_ring_kernel", profile);
	cr_assert(probe(args) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &port) == 0);
	n_queues = queues;
	cr_assert(rte_flow_isolate(port, isolated, &error) == 0);
	start_port();
}

/* How many packets are in a ring; they are taken out. */
static unsigned int take_all(struct rte_ring *ring)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	for (; rte_ring_dequeue(ring, (void **)&m) == 0; n++)
		rte_pktmbuf_free(m);
	return n;
}

static void close_all(void)
{
	take_all(kernel_in);
	take_all(kernel_out);
	close_port();
}

/* A packet comes from outside: "app", "kernel" or "" for nowhere. */
static const char *come(struct frame f)
{
	unsigned int app = wire(f).n, kernel = take_all(kernel_out);

	cr_expect(take_all(wire_out) == 0 && app + kernel <= 1);
	return app ? "app" : kernel ? "kernel" : "";
}

/* The kernel sends a packet; how many get out. */
static unsigned int kernel_sends(struct frame f)
{
	struct rte_mbuf *m;

	put(f);
	cr_assert(rte_ring_dequeue(wire_in, (void **)&m) == 0);
	cr_assert(rte_ring_enqueue(kernel_in, m) == 0);
	cr_expect(get_all().n == 0 && take_all(kernel_out) == 0);
	return take_all(wire_out);
}

static const struct frame v4 = {TCP4}, v6 = {TCP6};

static struct frame to_port(uint16_t dport)
{
	struct frame f = {TCP4};

	f.dport = dport;
	return f;
}

#define COMES(where, f) cr_expect_str_eq(come(f), where)

Test(kernel, what_no_rule_wants_of_an_isolated_port_is_the_kernels)
{
	open_bifurcated("mlx5-cx6dx", 1, true);
	COMES("kernel", v4);
	add("ingress pattern eth / ipv4 / tcp dst is 80 / end actions queue index 0 / end");
	add("ingress pattern eth / ipv4 / tcp dst is 81 / end actions drop / end");
	COMES("app", v4);
	COMES("", to_port(81));
	COMES("kernel", to_port(82));
	COMES("kernel", v6);
	cr_expect(xstat("rx_kernel_packets") == 3);
	cr_expect(xstat("rx_flow_isolated_drop_packets") == 0);
	close_all();
}

Test(kernel, what_comes_by_other_queues_gets_there_too)
{
	struct rte_ring *in[2], *out[3];
	int i;

	make_wires();
	in[0] = wire_in;
	in[1] = rte_ring_create("in2", WIRE_SIZE, 0, 0);
	out[0] = out[1] = out[2] = wire_out;
	cr_assert(in[1] && rte_eth_from_rings("two", in, 2, out, 3, 0) >= 0);
	cr_assert(rte_vdev_init("net_vnic0", "profile=mlx5-cx6dx,kernel=net_ring_kernel,dev="
					     "net_ring_two") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &port) == 0);
	n_queues = 2;
	cr_assert(rte_flow_isolate(port, 1, &error) == 0);
	start_port();
	for (i = 0; i < 5; i++) {
		struct rte_mbuf *m;

		put(v4);
		cr_assert(rte_ring_dequeue(wire_in, (void **)&m) == 0);
		cr_assert(rte_ring_enqueue(in[1], m) == 0);
	}
	cr_expect(get_all().n == 0);
	cr_expect(take_all(kernel_out) == 5 && xstat("rx_kernel_packets") == 5);
	close_all();
}

Test(kernel, without_isolation_nothing_is_left_for_it)
{
	open_bifurcated("mlx5-cx6dx", 1, false);
	COMES("app", v4);
	close_all();
}

/* The default of a NIC_RX domain drops: only the root table hands packets back. */
Test(kernel, a_later_group_hands_nothing_back)
{
	open_bifurcated("mlx5-cx6dx", 1, true);
	add("ingress pattern eth / ipv4 / end actions jump group 1 / end");
	COMES("", v4);
	COMES("kernel", v6);
	close_all();
}

Test(kernel, what_it_sends_goes_out_unless_an_egress_rule_stops_it)
{
	open_bifurcated("mlx5-cx6dx", 1, true);
	cr_expect(kernel_sends(v4) == 1);
	add("egress pattern eth / ipv4 / tcp dst is 80 / end actions jump group 1 / end");
	add("egress group 1 pattern eth / ipv4 / tcp dst is 80 / end actions drop / end");
	cr_expect(kernel_sends(v4) == 0);
	cr_expect(kernel_sends(v6) == 1);
	cr_expect(xstat("tx_kernel_packets") == 2 && xstat("tx_kernel_drop_packets") == 1);
	close_all();
}

Test(kernel, it_does_not_take_more_than_it_has_room_for)
{
	unsigned int i;

	open_bifurcated("mlx5-cx6dx", 1, true);
	for (i = 0; i < WIRE_SIZE + 100; i++) {
		put(v4);
		cr_expect(get_all().n == 0);
	}
	cr_expect(take_all(kernel_out) == WIRE_SIZE - 1);
	cr_expect(xstat("rx_kernel_packets") == WIRE_SIZE - 1);
	cr_expect(xstat("rx_kernel_lost_packets") == 101);
	close_all();
}

Test(kernel, a_port_can_be_started_again)
{
	open_bifurcated("mlx5-cx6dx", 1, true);
	add("ingress pattern eth / end actions drop / end");
	COMES("", v4);
	cr_assert(rte_eth_dev_stop(port) == 0);
	start_port();
	COMES("kernel", v4); /* a stop takes the rules */
	close_all();
}

Test(kernel, an_e_switch_comes_first)
{
	open_bifurcated("mlx5-cx6dx-esw", 1, true);
	add("transfer pattern eth / ipv4 / tcp dst is 80 / end actions drop / end");
	COMES("", v4);
	COMES("kernel", v6);
	cr_expect(kernel_sends(v4) == 1);
	close_all();
}

Test(kernel, only_where_driver_and_kernel_share_the_card)
{
	rte_log_set_global_level(RTE_LOG_EMERG);
	make_wires();
	cr_expect(probe("i40e-x710,kernel=net_ring_kernel") < 0);
	cr_expect(probe("mlx5-cx6dx,kernel=") < 0);
	cr_expect(probe("mlx5-cx6dx,kernel=net_nosuch0") < 0);
	cr_expect(probe("mlx5-cx6dx,kernel=net_ring_wire") < 0, "the wire itself");
	cr_expect(rte_vdev_init("net_vnic0", "profile=mlx5-cx6dx,kernel=net_null0") < 0);
	/* What is refused leaves nothing behind; its arguments come with semicolons. */
	cr_expect(probe("mlx4-cx3,kernel=net_null0;size=100") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &port) == 0);
	close_all();
	cr_expect(rte_eth_dev_get_port_by_name("net_null0", &port) != 0);
}
