/* SPDX-License-Identifier: BSD-3-Clause */

/* Indirect actions and aged flows are experimental. */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <string.h>

HF_EAL_SUITE(handle);

static const struct rte_flow_indir_action_conf ingress = {.ingress = 1};

static struct rte_flow_action_handle *make(enum rte_flow_action_type type, const void *conf)
{
	struct rte_flow_action action = {.type = type, .conf = conf};

	memset(&error, 0xaa, sizeof(error));
	return rte_flow_action_handle_create(port, &ingress, &action, &error);
}

/* IPv4 packets to this address are dropped, with a further action. */
static struct rte_flow *drop_dst(const char *dst, struct rte_flow_action further)
{
	char text[128];
	struct hf_rte_flow built;

	snprintf(text, sizeof(text),
		"ingress pattern eth / ipv4 dst is %s / end actions drop / end", dst);
	build(text, &built);
	built.actions[1] = built.actions[0];
	built.actions[0] = further;
	built.actions[2] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_END};
	return create(&built);
}

static struct rte_flow_action indirect(struct rte_flow_action_handle *handle)
{
	return (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_INDIRECT, .conf = handle};
}

static void wait_ms(unsigned int ms)
{
	rte_delay_us_sleep(ms * 1000);
}

static struct frame to(const char *dst)
{
	return (struct frame){.src = "192.0.2.1", .dst = dst, .proto = 6};
}

Test(handle, rules_share_a_counter)
{
	struct rte_flow_query_count count = {.reset = 1};
	struct rte_flow_action_handle *handle;
	struct rte_flow *rule[2];

	open_port("mlx5-cx6dx", 1);
	handle = make(RTE_FLOW_ACTION_TYPE_COUNT, NULL);
	cr_assert(handle, "%s", error.message);
	rule[0] = drop_dst("10.0.0.1", indirect(handle));
	rule[1] = drop_dst("10.0.0.2", indirect(handle));
	cr_assert(rule[0] && rule[1], "%s", error.message);
	cr_expect(wire(to("10.0.0.1")).n == 0 && wire(to("10.0.0.2")).n == 0);
	cr_expect(query(rule[0], false).hits == 2);
	cr_expect(rte_flow_action_handle_destroy(port, handle, &error) == -EBUSY);
	/* It outlives its rules, and what they counted stays. */
	cr_expect(rte_flow_destroy(port, rule[0], &error) == 0);
	cr_expect(rte_flow_flush(port, &error) == 0);
	cr_expect(rte_flow_action_handle_query(port, handle, &count, &error) == 0);
	cr_expect(count.hits_set && count.hits == 2 && count.bytes == 108);
	cr_expect(rte_flow_action_handle_query(port, handle, &count, &error) == 0);
	cr_expect(count.hits == 0 && count.bytes == 0);
	cr_expect(rte_flow_action_handle_destroy(port, handle, &error) == 0);
	cr_expect(rte_flow_action_handle_query(port, handle, &count, &error) == -EINVAL);
	cr_expect(!drop_dst("10.0.0.1", indirect(handle)) && rte_errno == EINVAL);
	close_port();
}

Test(handle, only_what_the_card_counts_is_shared)
{
	struct rte_flow_action_queue queue = {};

	open_port("mlx5-cx6dx", 1);
	cr_expect(!make(RTE_FLOW_ACTION_TYPE_QUEUE, &queue) && rte_errno == ENOTSUP);
	cr_expect(!make(RTE_FLOW_ACTION_TYPE_AGE, NULL) && rte_errno == EINVAL);
	close_port();
}

Test(handle, a_card_without_counters_shares_none)
{
	open_port("tap", 1);
	cr_expect(!make(RTE_FLOW_ACTION_TYPE_COUNT, NULL) && rte_errno == ENOTSUP);
	close_port();
}

Test(handle, handles_go_with_the_port)
{
	open_port("mlx5-cx6dx", 1);
	cr_assert(drop_dst("10.0.0.1", indirect(make(RTE_FLOW_ACTION_TYPE_COUNT, NULL))));
	close_port();
}

Test(handle, a_rule_is_old_when_nothing_comes)
{
	struct rte_flow_action_age age = {.timeout = 1, .context = &age};
	struct rte_flow_action_age bare = {.timeout = 1}, patient = {.timeout = 1000};
	struct rte_flow_action action[] = {
		{.type = RTE_FLOW_ACTION_TYPE_AGE}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_query_age answer;
	struct rte_flow *rule, *other;
	void *contexts[3] = {};

	open_port("mlx5-cx6dx", 1);
	rule = drop_dst("10.0.0.1",
		(struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &age});
	other = drop_dst("10.0.0.2",
		(struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &bare});
	cr_assert(rule && other, "%s", error.message);
	cr_assert(drop_dst("10.0.0.3",
		(struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &patient}));
	cr_expect(rte_flow_get_aged_flows(port, NULL, 0, &error) == 0);
	wait_ms(600);
	cr_expect(wire(to("10.0.0.1")).n == 0);
	wait_ms(600);
	/* The first has seen a packet half a second ago. */
	cr_expect(rte_flow_get_aged_flows(port, NULL, 0, &error) == 1);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == other);
	cr_expect(rte_flow_query(port, rule, action, &answer, &error) == 0);
	cr_expect(!answer.aged && answer.sec_since_last_hit_valid);
	wait_ms(600);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == &age);
	cr_expect(rte_flow_query(port, rule, action, &answer, &error) == 0);
	cr_expect(answer.aged && answer.sec_since_last_hit == 1);
	/* Told once. */
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 0);
	close_port();
}

Test(handle, rules_share_an_age)
{
	struct rte_flow_action_age age = {.timeout = 1};
	struct rte_flow_action_handle *handle;
	struct rte_flow_query_age answer;
	void *contexts[3] = {};

	open_port("mlx5-cx6dx", 1);
	handle = make(RTE_FLOW_ACTION_TYPE_AGE, &age);
	cr_assert(handle && drop_dst("10.0.0.1", indirect(handle)) &&
		  drop_dst("10.0.0.2", indirect(handle)));
	wait_ms(600);
	cr_expect(wire(to("10.0.0.2")).n == 0);
	wait_ms(600);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 0);
	wait_ms(600);
	cr_expect(rte_flow_action_handle_query(port, handle, &answer, &error) == 0);
	cr_expect(answer.aged);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == handle);
	close_port();
}
