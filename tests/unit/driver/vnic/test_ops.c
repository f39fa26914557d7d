/* SPDX-License-Identifier: BSD-3-Clause */

/* For rte_flow_dev_dump(). */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <string.h>

HF_EAL_SUITE(ops);

Test(ops, what_flows_cannot_say_is_refused_in_other_words)
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

Test(ops, a_nic_without_engines_has_no_flow_api)
{
	open_port("none", 1);
	cr_expect(!try("ingress pattern eth / end actions drop / end"));
	cr_expect(rte_errno == ENOSYS);
	close_port();
}

Test(ops, drops_and_counts)
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

Test(ops, answers_as_the_real_driver)
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

/* The profile knows the action, the packet path does not know this form of it. */
Test(ops, what_it_cannot_execute_it_does_not_take)
{
	struct rte_flow_attr attr = {.ingress = 1, .group = 1};
	struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH}, {.type = RTE_FLOW_ITEM_TYPE_END}};
	struct rte_flow_action_modify_field modify = {.width = 1};
	struct rte_flow_action_queue queue = {};
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_MODIFY_FIELD, .conf = &modify},
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END}};

	open_port("mlx5-cx6dx", 1);
	cr_expect(rte_flow_validate(port, &attr, items, actions, &error) == -EINVAL);
	cr_expect(strstr(error.message, "net_vnic"), "%s", error.message);
	cr_expect(rte_flow_validate(port, &attr, items, &actions[1], &error) == 0);
	close_port();
}

Test(ops, a_flush_takes_all_rules_and_their_handles)
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

Test(ops, mlx5_forgets_its_rules_at_stop)
{
	open_port("mlx5-cx6dx", 1);
	add("ingress pattern eth / end actions drop / end");
	cr_assert(rte_eth_dev_stop(port) == 0 && rte_eth_dev_start(port) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

Test(ops, intel_keeps_its_rules_over_a_stop)
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

Test(ops, isolated_only_rules_deliver)
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

Test(ops, drivers_without_isolation_say_so)
{
	open_port("i40e-x710", 1);
	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_expect(rte_flow_isolate(port, 1, &error) == -ENOSYS);
	close_port();
}

Test(ops, dump_names_what_is_not_matched_as_asked)
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
