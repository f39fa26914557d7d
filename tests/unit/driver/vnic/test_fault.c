/* SPDX-License-Identifier: BSD-3-Clause */

/* For rte_flow_dev_dump(). */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

HF_EAL_SUITE(fault);

#define DROP "ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions count / drop / end"

static double ms_since(uint64_t start)
{
	return (double)(rte_get_timer_cycles() - start) * 1000 / (double)rte_get_timer_hz();
}

Test(fault, the_nth_create_fails_and_only_that)
{
	open_port("mlx5-cx6dx,fail=create:2:ENOSPC;create:3", 1);
	add(DROP);
	cr_expect(!try(DROP) && rte_errno == ENOSPC);
	cr_expect(strstr(error.message, "fault"));
	cr_expect(!try(DROP) && rte_errno == ENOMEM);
	add(DROP);
	close_port();
}

Test(fault, a_create_that_fails_installs_nothing)
{
	open_port("mlx5-cx6dx,fail=create:1", 1);
	cr_expect(!try(DROP));
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(fault, a_destroy_that_fails_leaves_the_rule)
{
	struct rte_flow *rule;

	open_port("mlx5-cx6dx,fail=destroy:1:EBUSY", 1);
	rule = add(DROP);
	cr_expect(rte_flow_destroy(port, rule, &error) == -EBUSY);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(query(rule, false).hits == 1);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(fault, query_and_flush_fail_as_told)
{
	struct rte_flow_query_count count = {};
	struct rte_flow_action action[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow *rule;

	open_port("mlx5-cx6dx,fail=query:1:EIO;flush:1:EAGAIN", 1);
	rule = add(DROP);
	cr_expect(rte_flow_query(port, rule, action, &count, &error) == -EIO && !count.hits_set);
	cr_expect(query(rule, false).hits_set);
	cr_expect(rte_flow_flush(port, &error) == -EAGAIN);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(rte_flow_flush(port, &error) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(fault, a_start_fails_as_told)
{
	/* Opening starts it once. */
	open_port("mlx5-cx6dx,fail=start:2:EINVAL", 1);
	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_expect(rte_eth_dev_start(port) == -EINVAL);
	cr_expect(rte_eth_dev_start(port) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(fault, every_nth_rule_is_taken_and_never_matches)
{
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	struct rte_flow *lost;

	open_port("mlx5-cx6dx,lose=2", 1);
	add("ingress pattern eth / ipv4 dst is 10.0.0.9 / end actions drop / end");
	cr_expect(!try("ingress priority 9 pattern eth / end actions drop / end"));
	lost = add(DROP); /* the one that was refused does not count */
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(query(lost, false).hits_set && query(lost, false).hits == 0);
	cr_expect(rte_flow_dev_dump(port, lost, out, &error) == 0);
	cr_expect(ftell(out) == 0, "the card has nothing to say of it");
	cr_expect(rte_flow_dev_dump(port, NULL, out, &error) == 0);
	fclose(out);
	cr_expect(strstr(text, "drop count, lost,"), "%s", text);
	add(DROP);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(rte_flow_destroy(port, lost, &error) == 0);
	add(DROP);
	cr_expect(rte_flow_flush(port, &error) == 0);
	close_port();
}

Test(fault, insertion_is_as_slow_as_told)
{
	struct rte_flow *rule;
	uint64_t start;

	open_port("mlx5-cx6dx,delay=create:30000;flush:1", 1);
	start = rte_get_timer_cycles();
	rule = add(DROP);
	cr_expect(ms_since(start) >= 30);
	start = rte_get_timer_cycles();
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	cr_expect(ms_since(start) < 30);
	close_port();
}

Test(fault, a_smaller_table_is_full_sooner)
{
	struct rte_flow *rule;

	open_port("mlx5-cx6dx,capacity=2", 1);
	rule = add(DROP);
	add(DROP);
	cr_expect(!try(DROP) && rte_errno == ENOSPC);
	cr_expect(rte_flow_destroy(port, rule, &error) == 0);
	add(DROP);
	close_port();
}

Test(fault, without_link_nothing_comes_or_goes)
{
	struct rte_mbuf *m;
	struct rte_eth_link link;

	open_port("mlx5-cx6dx,link=down", 1);
	cr_expect(rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == 0);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	m = rte_pktmbuf_alloc(pool);
	cr_assert(m && rte_pktmbuf_append(m, 60));
	cr_expect(rte_eth_tx_burst(port, 0, &m, 1) == 0);
	rte_pktmbuf_free(m);
	/* Rules are a matter between driver and card. */
	add(DROP);
	close_port();
}

static atomic_uint n_resets;

static int on_reset(uint16_t id, enum rte_eth_event_type event, void *arg, void *ret)
{
	RTE_SET_USED(arg);
	RTE_SET_USED(ret);
	cr_expect(id == port && event == RTE_ETH_EVENT_INTR_RESET);
	atomic_fetch_add(&n_resets, 1);
	return 0;
}

Test(fault, a_device_resets_itself_and_wants_to_be_reset)
{
	struct rte_flow *rule;
	unsigned int i;

	open_port("mlx5-cx6dx,event=reset:3", 1);
	cr_assert(
		rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RESET, on_reset, NULL) == 0);
	add(DROP);
	rule = add(DROP); /* the last operation */
	for (i = 0; i < 1000 && !atomic_load(&n_resets); i++)
		rte_delay_us_sleep(1000);
	cr_expect(atomic_load(&n_resets) == 1);
	cr_expect(!rte_eth_dev_is_removed(port));
	cr_expect(!try(DROP) && rte_errno == EIO);
	cr_expect(rte_flow_destroy(port, rule, &error) == -EIO);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_assert(rte_eth_dev_reset(port) == 0);
	start_port();
	/* No rule is left; what stood on the wire comes as well. */
	cr_expect(wire((struct frame){TCP4}).n == 2);
	add(DROP);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	close_port();
	cr_expect(atomic_load(&n_resets) == 1);
}

static atomic_uint n_removals;

static int on_removal(uint16_t id, enum rte_eth_event_type event, void *arg, void *ret)
{
	RTE_SET_USED(arg);
	RTE_SET_USED(ret);
	cr_expect(id == port && event == RTE_ETH_EVENT_INTR_RMV);
	atomic_fetch_add(&n_removals, 1);
	return 0;
}

Test(fault, a_device_goes_and_says_so)
{
	struct rte_flow *rule;
	unsigned int i;

	/* The first operation is the start. */
	open_port("mlx5-cx6dx,event=remove:3", 1);
	cr_assert(
		rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL) == 0);
	rule = add(DROP);
	cr_expect(!rte_eth_dev_is_removed(port));
	add(DROP);
	for (i = 0; i < 1000 && !atomic_load(&n_removals); i++)
		rte_delay_us_sleep(1000);
	cr_expect(atomic_load(&n_removals) == 1);
	cr_expect(rte_eth_dev_is_removed(port));
	cr_expect(!try(DROP) && rte_errno == EIO);
	cr_expect(rte_flow_destroy(port, rule, &error) == -EIO);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	close_port();
	cr_expect(atomic_load(&n_removals) == 1);
}
