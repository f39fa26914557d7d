/* SPDX-License-Identifier: BSD-3-Clause */

/* The template API is experimental. */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

HF_EAL_SUITE(async);

#define QUEUE_SIZE 8
#define HWS	   "mlx5-cx6dx-hws"

static struct rte_flow_pattern_template *pattern;
static struct rte_flow_actions_template *drop, *to_queue;
static struct rte_flow_template_table *table;
static const struct rte_flow_op_attr now, later = {.postpone = 1};

static void configure(uint16_t n, uint32_t counters)
{
	struct rte_flow_port_attr attr = {.nb_counters = counters};
	struct rte_flow_queue_attr queue = {.size = QUEUE_SIZE};
	const struct rte_flow_queue_attr *queues[] = {&queue, &queue};

	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_assert(rte_flow_configure(port, &attr, n, queues, &error) == 0, "%s", error.message);
	cr_assert(rte_eth_dev_start(port) == 0);
}

static void make_templates(const char *text)
{
	static const struct rte_flow_action drops[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
		{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	static const struct rte_flow_action_queue any = {};
	static const struct rte_flow_action goes[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &any},
		{.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_pattern_template_attr pattern_attr = {.ingress = 1};
	struct rte_flow_actions_template_attr actions_attr = {.ingress = 1};
	struct hf_rte_flow built;

	build(text, &built);
	pattern = rte_flow_pattern_template_create(port, &pattern_attr, built.items, &error);
	cr_assert(pattern, "%s", error.message);
	drop = rte_flow_actions_template_create(port, &actions_attr, drops, drops, &error);
	cr_assert(drop, "%s", error.message);
	to_queue = rte_flow_actions_template_create(port, &actions_attr, goes, goes, &error);
	cr_assert(to_queue, "%s", error.message);
}

static void make_table(uint32_t group, uint32_t n_flows)
{
	struct rte_flow_template_table_attr attr = {
		.flow_attr = {.ingress = 1, .group = group}, .nb_flows = n_flows};
	struct rte_flow_actions_template *actions[] = {drop, to_queue};

	table = rte_flow_template_table_create(port, &attr, &pattern, 1, actions, 2, &error);
	cr_assert(table, "%s", error.message);
}

/* A port with two flow queues and a table of rules for IPv4 destinations in group 0. */
static void open_async(const char *profile)
{
	open_port(profile, 2);
	configure(2, 100);
	make_templates("ingress pattern eth / ipv4 dst is 0.0.0.0 / end actions drop / end");
	make_table(0, 4);
}

/* The values of a rule's text, and its actions; NULL: refused. */
static struct rte_flow *enqueue(uint32_t q, const struct rte_flow_op_attr *attr, const char *text,
	uint8_t actions, uintptr_t user)
{
	struct hf_rte_flow built;

	build(text, &built);
	memset(&error, 0xaa, sizeof(error));
	return rte_flow_async_create(
		port, q, attr, table, built.items, 0, built.actions, actions, (void *)user, &error);
}

#define DST1 "ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions count / drop / end"
#define DST2 "ingress pattern eth / ipv4 dst is 10.0.0.2 / end actions count / drop / end"
#define GO1  "ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions queue index 1 / end"

static void remove_rule(uint32_t q, struct rte_flow *rule, uintptr_t user)
{
	cr_assert(rte_flow_async_destroy(port, q, &now, rule, (void *)user, &error) == 0, "%s",
		error.message);
}

/* Pulls one completion; 0 when there is none. */
static uintptr_t pull(uint32_t q)
{
	struct rte_flow_op_result res = {};
	int n = rte_flow_pull(port, q, &res, 1, &error);

	cr_assert(n == 0 || (n == 1 && res.status == RTE_FLOW_OP_SUCCESS));
	return n ? (uintptr_t)res.user_data : 0;
}

Test(async, synchronous_rules_are_refused_in_the_drivers_words)
{
	open_port(HWS, 1);
	cr_expect(!try("ingress pattern eth / end actions drop / end"));
	cr_expect(rte_errno == ENOTSUP);
	cr_expect(strcmp(error.message, "Flow non-Q creation not supported") == 0);
	close_port();
}

Test(async, a_nic_says_whether_it_has_queues)
{
	struct rte_flow_port_info info;
	struct rte_flow_queue_info queue;
	uint16_t plain;

	open_port(HWS, 1);
	cr_expect(rte_flow_info_get(port, &info, &queue, &error) == 0);
	cr_expect(info.max_nb_queues > 0 && info.max_nb_counters > 0 && queue.max_size > 0);
	cr_assert(rte_vdev_init("net_vnic1", "profile=mlx5-cx6dx") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic1", &plain) == 0);
	cr_expect(rte_flow_info_get(plain, &info, &queue, &error) < 0);
	cr_expect(rte_eth_dev_close(plain) == 0 && rte_vdev_uninit("net_vnic1") == 0);
	close_port();
}

Test(async, rules_of_a_table_drop_count_and_steer)
{
	struct rte_flow *rule;
	struct got got;

	open_async(HWS);
	rule = enqueue(0, &now, DST1, 0, 11);
	cr_assert(rule, "%s", error.message);
	cr_expect(pull(0) == 11 && pull(0) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(query(rule, false).hits == 1);
	remove_rule(0, rule, 12);
	cr_expect(pull(0) == 12 && pull(0) == 0);
	cr_assert(enqueue(1, &now, GO1, 1, 13), "%s", error.message);
	got = wire((struct frame){TCP4});
	cr_expect(got.n == 1 && got.of_queue[1] == 1);
	cr_expect(pull(1) == 13);
	close_port();
}

Test(async, what_is_postponed_waits_for_a_push)
{
	struct rte_flow *rule;

	open_async(HWS);
	rule = enqueue(0, &later, DST1, 0, 1);
	cr_assert(rule);
	cr_expect(pull(0) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(rte_flow_push(port, 0, &error) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(pull(0) == 1);
	cr_expect(rte_flow_async_destroy(port, 0, &later, rule, (void *)2, &error) == 0);
	cr_expect(rte_flow_async_destroy(port, 0, &later, rule, (void *)3, &error) == -EINVAL);
	cr_expect(wire((struct frame){TCP4}).n == 0);
	/* One that is not postponed takes along what waits. */
	cr_expect(enqueue(0, &now, DST2, 0, 4));
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(pull(0) == 2 && pull(0) == 4 && pull(0) == 0);
	close_port();
}

Test(async, every_completion_comes_exactly_once)
{
	unsigned int seen[1 + 5 * QUEUE_SIZE] = {};
	struct rte_flow_op_result res[3];
	uintptr_t user = 0;
	unsigned int i, round;
	int n;

	open_async(HWS);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < QUEUE_SIZE / 2; i++) {
			struct rte_flow *rule = enqueue(0, i % 2 ? &now : &later, DST1, 0, ++user);

			cr_assert(rule);
			remove_rule(0, rule, ++user);
		}
		while ((n = rte_flow_pull(port, 0, res, 3, &error)) > 0) {
			while (n-- > 0)
				seen[(uintptr_t)res[n].user_data]++;
		}
	}
	cr_expect(seen[0] == 0);
	for (i = 1; i <= user; i++)
		cr_expect(seen[i] == 1, "%u: %u", i, seen[i]);
	close_port();
}

Test(async, a_full_queue_and_a_full_table_take_no_more)
{
	struct rte_flow *rule[4];
	unsigned int i;

	open_async(HWS);
	for (i = 0; i < 4; i++) {
		rule[i] = enqueue(0, &now, DST1, 0, i + 1);
		cr_assert(rule[i]);
	}
	cr_expect(!enqueue(0, &now, DST1, 0, 9) && rte_errno == ENOMEM); /* nb_flows */
	for (i = 0; i < 4; i++)
		remove_rule(0, rule[i], 5 + i);
	cr_expect(!enqueue(0, &now, DST1, 0, 9) && rte_errno == ENOMEM); /* QUEUE_SIZE */
	cr_expect(strcmp(error.message, "fail to create rte flow") == 0);
	cr_expect(pull(0) == 1);
	cr_expect(enqueue(0, &now, DST1, 0, 9));
	close_port();
}

Test(async, counters_are_those_that_were_reserved)
{
	static const struct rte_flow_action counts[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
		{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	static const struct rte_flow_action_age age = {.timeout = 1};
	static const struct rte_flow_action ages[] = {
		{.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &age},
		{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_actions_template_attr attr = {.ingress = 1};

	open_port(HWS, 1);
	configure(1, 0);
	cr_expect(!rte_flow_actions_template_create(port, &attr, counts, counts, &error));
	cr_expect(strcmp(error.message, "counters pool not initialized") == 0);
	cr_expect(!rte_flow_actions_template_create(port, &attr, ages, ages, &error));
	cr_expect(strcmp(error.message, "aging pool not initialized") == 0);
	configure(1, 1);
	make_templates("ingress pattern eth / ipv4 dst is 0.0.0.0 / end actions drop / end");
	make_table(0, 4);
	cr_expect(enqueue(0, &now, DST1, 0, 1));
	cr_expect(!enqueue(0, &now, DST1, 0, 2) && rte_errno == ENOMEM);
	close_port();
}

Test(async, templates_refuse_what_the_driver_refuses)
{
	static const struct rte_flow_action flags[] = {
		{.type = RTE_FLOW_ACTION_TYPE_FLAG}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_pattern_template_attr pattern_attr = {.ingress = 1};
	struct rte_flow_actions_template_attr actions_attr = {.ingress = 1};
	struct hf_rte_flow built;

	open_port(HWS, 1);
	configure(1, 1);
	build("ingress pattern eth / ipv4 / sctp / end actions drop / end", &built);
	cr_expect(!rte_flow_pattern_template_create(port, &pattern_attr, built.items, &error));
	cr_expect(rte_errno == EINVAL && strcmp(error.message, "Unsupported item type") == 0);
	pattern_attr = (struct rte_flow_pattern_template_attr){.transfer = 1};
	build("ingress pattern eth / end actions drop / end", &built);
	cr_expect(!rte_flow_pattern_template_create(port, &pattern_attr, built.items, &error));
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER);
	cr_expect(!rte_flow_actions_template_create(port, &actions_attr, flags, flags, &error));
	cr_expect(strcmp(error.message, "action not supported in template API") == 0);
	close_port();
}

Test(async, what_is_in_use_cannot_go)
{
	struct rte_flow *rule;

	open_async(HWS);
	rule = enqueue(0, &now, DST1, 0, 1);
	cr_expect(rte_flow_pattern_template_destroy(port, pattern, &error) == -EBUSY);
	cr_expect(rte_flow_actions_template_destroy(port, drop, &error) == -EBUSY);
	cr_expect(rte_flow_template_table_destroy(port, table, &error) == -EBUSY);
	cr_expect(rte_flow_destroy(port, rule, &error) == -EINVAL);
	remove_rule(0, rule, 2);
	cr_expect(rte_flow_template_table_destroy(port, table, &error) == 0);
	cr_expect(rte_flow_template_table_destroy(port, table, &error) == -EINVAL);
	cr_expect(rte_flow_pattern_template_destroy(port, pattern, &error) == 0);
	cr_expect(rte_flow_actions_template_destroy(port, drop, &error) == 0);
	cr_expect(rte_flow_actions_template_destroy(port, drop, &error) == -EINVAL);
	close_port();
}

Test(async, a_rule_belongs_to_its_template_and_queue)
{
	struct rte_flow *rule;

	open_async(HWS);
	cr_expect(!enqueue(
		0, &now, "ingress pattern eth / ipv6 / end actions count / drop / end", 0, 1));
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_ITEM);
	cr_expect(!enqueue(0, &now, DST1, 1, 1));
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_ACTION);
	cr_expect(!enqueue(0, &now, DST1, 2, 1) && rte_errno == EINVAL);
	cr_expect(!enqueue(2, &now, DST1, 0, 1) && rte_errno == EINVAL);
	/* A value the port does not have. */
	cr_expect(!enqueue(0, &now,
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions queue index 2 / end", 1,
		1));
	rule = enqueue(0, &now, DST1, 0, 1);
	cr_expect(rte_flow_async_destroy(port, 1, &now, rule, NULL, &error) == -EINVAL);
	cr_expect(pull(0) == 1 && pull(0) == 0 && pull(1) == 0);
	close_port();
}

Test(async, a_stop_takes_rules_and_leaves_tables)
{
	struct rte_flow *rule;

	open_async(HWS);
	rule = enqueue(0, &later, DST1, 0, 1);
	cr_assert(rte_eth_dev_stop(port) == 0);
	cr_expect(!enqueue(0, &now, DST1, 0, 2) && rte_errno == EINVAL);
	cr_assert(rte_eth_dev_start(port) == 0);
	cr_expect(pull(0) == 1 && pull(0) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(rte_flow_async_destroy(port, 0, &now, rule, NULL, &error) == -EINVAL);
	cr_expect(enqueue(0, &now, DST1, 0, 3));
	cr_expect(wire((struct frame){TCP4}).n == 0);
	close_port();
}

Test(async, completions_come_late)
{
	open_async(HWS ",pull=late:2");
	cr_expect(enqueue(0, &now, DST1, 0, 1));
	cr_expect(wire((struct frame){TCP4}).n == 0);
	cr_expect(pull(0) == 0 && pull(0) == 0 && pull(0) == 1 && pull(0) == 0);
	close_port();
}

Test(async, completions_get_lost)
{
	open_async(HWS ",pull=lost:2");
	cr_expect(enqueue(0, &now, DST1, 0, 1) && enqueue(0, &now, DST2, 0, 2) &&
		  enqueue(0, &now, DST1, 0, 3));
	cr_expect(pull(0) == 1 && pull(0) == 3 && pull(0) == 0);
	/* The rule is there all the same. */
	cr_expect(wire((struct frame){.src = "192.0.2.1", .dst = "10.0.0.2", .proto = 6}).n == 0);
	close_port();
}

Test(async, faults_of_create_and_destroy_hold_for_queues)
{
	struct rte_flow *rule;

	open_async(HWS ",fail=create:1:ENOSPC;destroy:1:EAGAIN,lose=2");
	cr_expect(!enqueue(0, &now, DST2, 0, 1) && rte_errno == ENOSPC);
	rule = enqueue(0, &now, DST2, 0, 2);
	cr_expect(rte_flow_async_destroy(port, 0, &now, rule, NULL, &error) == -EAGAIN);
	cr_expect(enqueue(0, &now, DST1, 0, 3));
	cr_expect(pull(0) == 2 && pull(0) == 3 && pull(0) == 0);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	close_port();
}

/* Two threads, each with a flow queue of its own, and packets meanwhile. */
static void *run_queue(void *arg)
{
	uint32_t q = (uint32_t)(uintptr_t)arg;
	struct rte_flow_op_result res[2];
	struct rte_flow_error err;
	struct hf_rte_flow built;
	unsigned int i;

	build(q ? DST1 : DST2, &built);
	for (i = 0; i < 5000; i++) {
		struct rte_flow *rule = rte_flow_async_create(
			port, q, &later, table, built.items, 0, built.actions, 0, NULL, &err);

		cr_assert(rule && rte_flow_async_destroy(port, q, &now, rule, NULL, &err) == 0);
		cr_assert(rte_flow_pull(port, q, res, 2, &err) == 2);
	}
	return NULL;
}

Test(async, queues_of_several_threads_do_not_meet, .timeout = 50)
{
	pthread_t thread[2];
	unsigned int i;

	open_async(HWS);
	for (i = 0; i < 2; i++)
		cr_assert(pthread_create(&thread[i], NULL, run_queue, (void *)(uintptr_t)i) == 0);
	for (i = 0; i < 2000; i++)
		wire((struct frame){TCP4});
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	cr_expect(wire((struct frame){TCP4}).n == 1);
	cr_expect(rte_flow_template_table_destroy(port, table, &error) == 0);
	close_port();
}
