/* SPDX-License-Identifier: BSD-3-Clause */

/* The template API is experimental. */
#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"
#include "port.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

HF_EAL_SUITE(async_handle);

#define HWS "mlx5-cx6dx-hws"
#define END                                                                                        \
	{                                                                                          \
		.type = RTE_FLOW_ACTION_TYPE_END                                                   \
	}
#define DROP                                                                                       \
	{                                                                                          \
		.type = RTE_FLOW_ACTION_TYPE_DROP                                                  \
	}

static struct rte_flow_pattern_template *pattern;
static struct rte_flow_actions_template *templ;
static struct rte_flow_template_table *table;
static const struct rte_flow_op_attr now, later = {.postpone = 1};
static const struct rte_flow_indir_action_conf ingress = {.ingress = 1};
static const struct rte_flow_action_age second = {.timeout = 1}, hour = {.timeout = 3600};

/* Two flow queues of eight operations, counters and ages. */
static int configure(uint32_t counters, uint32_t ages, uint32_t flags)
{
	struct rte_flow_port_attr attr = {
		.nb_counters = counters, .nb_aging_objects = ages, .flags = flags};
	struct rte_flow_queue_attr queue = {.size = 8};
	const struct rte_flow_queue_attr *queues[] = {&queue, &queue};
	int rc;

	cr_assert(rte_eth_dev_stop(port) == 0);
	rc = rte_flow_configure(port, &attr, 2, queues, &error);
	cr_assert(rte_eth_dev_start(port) == 0);
	return rc;
}

static struct rte_flow_actions_template *make_actions(
	const struct rte_flow_action *actions, const struct rte_flow_action *masks)
{
	struct rte_flow_actions_template_attr attr = {.ingress = 1};

	memset(&error, 0xaa, sizeof(error));
	return rte_flow_actions_template_create(port, &attr, actions, masks, &error);
}

/* Rules for IPv4 destinations: INDIRECT of this type, and DROP. */
static void make_table(enum rte_flow_action_type type)
{
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_INDIRECT}, DROP, END};
	const struct rte_flow_action masks[] = {{.type = type}, DROP, END};
	struct rte_flow_pattern_template_attr pattern_attr = {.ingress = 1};
	struct rte_flow_template_table_attr attr = {.flow_attr = {.ingress = 1}, .nb_flows = 8};
	struct hf_rte_flow built;

	build("ingress pattern eth / ipv4 dst is 0.0.0.0 / end actions drop / end", &built);
	pattern = rte_flow_pattern_template_create(port, &pattern_attr, built.items, &error);
	cr_assert(pattern, "%s", error.message);
	templ = make_actions(actions, masks);
	cr_assert(templ, "%s", error.message);
	table = rte_flow_template_table_create(port, &attr, &pattern, 1, &templ, 1, &error);
	cr_assert(table, "%s", error.message);
}

static void open_async(uint32_t counters, uint32_t ages, uint32_t flags)
{
	open_port(HWS, 1);
	cr_assert(configure(counters, ages, flags) == 0, "%s", error.message);
}

static struct rte_flow_action_handle *make_on(uint32_t q, const struct rte_flow_op_attr *attr,
	enum rte_flow_action_type type, const void *conf, uintptr_t user)
{
	struct rte_flow_action action = {.type = type, .conf = conf};

	memset(&error, 0xaa, sizeof(error));
	return rte_flow_async_action_handle_create(
		port, q, attr, &ingress, &action, (void *)user, &error);
}

static struct rte_flow_action_handle *count_on(
	uint32_t q, const struct rte_flow_op_attr *attr, uintptr_t user)
{
	return make_on(q, attr, RTE_FLOW_ACTION_TYPE_COUNT, NULL, user);
}

/* IPv4 packets to this address are dropped. */
static struct rte_flow *drop_dst(uint32_t q, const char *dst, struct rte_flow_action further)
{
	const struct rte_flow_action actions[] = {further, DROP, END};
	struct hf_rte_flow built;
	char text[128];

	snprintf(text, sizeof(text),
		"ingress pattern eth / ipv4 dst is %s / end actions drop / end", dst);
	build(text, &built);
	memset(&error, 0xaa, sizeof(error));
	return rte_flow_async_create(
		port, q, &now, table, built.items, 0, actions, 0, NULL, &error);
}

static struct rte_flow_action indirect(struct rte_flow_action_handle *handle)
{
	return (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_INDIRECT, .conf = handle};
}

/* The next completion that has user data; 0: there is none. Negative: it failed. */
static int pull(uint32_t q)
{
	struct rte_flow_op_result res;

	while (rte_flow_pull(port, q, &res, 1, &error) == 1) {
		int user = (int)(uintptr_t)res.user_data;

		if (user)
			return res.status == RTE_FLOW_OP_SUCCESS ? user : -user;
	}
	return 0;
}

static struct frame to(const char *dst)
{
	return (struct frame){.src = "192.0.2.1", .dst = dst, .proto = 6};
}

static void wait_ms(unsigned int ms)
{
	rte_delay_us_sleep(ms * 1000);
}

Test(async_handle, rules_of_flow_queues_share_a_counter)
{
	struct rte_flow_query_count count = {.reset = 1};
	struct rte_flow_action_handle *handle;
	struct rte_flow *rule[2];

	open_async(4, 0, 0);
	make_table(RTE_FLOW_ACTION_TYPE_COUNT);
	handle = count_on(0, &now, 1);
	cr_assert(handle, "%s", error.message);
	cr_expect(pull(0) == 1 && pull(0) == 0);
	rule[0] = drop_dst(0, "10.0.0.1", indirect(handle));
	rule[1] = drop_dst(1, "10.0.0.2", indirect(handle));
	cr_assert(rule[0] && rule[1], "%s", error.message);
	cr_expect(wire(to("10.0.0.1")).n == 0 && wire(to("10.0.0.2")).n == 0);
	cr_expect(rte_flow_async_action_handle_query(
			  port, 0, &now, handle, &count, (void *)2, &error) == 0);
	cr_expect(pull(0) == 2 && count.hits == 2 && count.bytes == 108);
	cr_expect(rte_flow_action_handle_query(port, handle, &count, &error) == 0);
	cr_expect(count.hits == 0);
	/* As long as rules use it, it stays, and its end fails by completion. */
	cr_expect(rte_flow_async_action_handle_destroy(port, 0, &now, handle, (void *)3, &error) ==
		  0);
	cr_expect(pull(0) == -3);
	cr_assert(rte_flow_async_destroy(port, 0, &now, rule[0], NULL, &error) == 0);
	cr_assert(rte_flow_async_destroy(port, 1, &later, rule[1], NULL, &error) == 0);
	cr_expect(rte_flow_async_action_handle_destroy(port, 1, &now, handle, NULL, &error) ==
			  -EINVAL,
		"another queue");
	cr_assert(rte_flow_push(port, 1, &error) == 0);
	cr_expect(rte_flow_async_action_handle_destroy(
			  port, 0, &later, handle, (void *)4, &error) == 0);
	cr_expect(!drop_dst(1, "10.0.0.1", indirect(handle)), "it is about to go");
	cr_expect(pull(0) == 0);
	cr_expect(rte_flow_push(port, 0, &error) == 0 && pull(0) == 4);
	cr_expect(rte_flow_action_handle_query(port, handle, &count, &error) == -EINVAL);
	close_port();
}

Test(async_handle, they_are_of_the_pools_that_were_reserved)
{
	struct rte_flow_action_handle *handle;

	open_port(HWS, 1);
	cr_expect(!rte_flow_action_handle_create(port, &ingress,
		&(struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_COUNT}, &error));
	cr_expect_str_eq(error.message, "non-template flow engine was not configured");
	cr_expect(configure(0, 2, 0) == -EINVAL, "what ages is counted");
	cr_assert(configure(0, 0, 0) == 0);
	cr_expect(!count_on(0, &now, 0) && rte_errno == EINVAL);
	cr_expect_str_eq(error.message, "counters pool not initialized");
	cr_expect(!make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &second, 0));
	cr_expect_str_eq(error.message, "aging pool not initialized");
	cr_assert(configure(2, 1, 0) == 0);
	make_table(RTE_FLOW_ACTION_TYPE_AGE);
	handle = make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &hour, 0);
	cr_assert(handle);
	cr_expect(!make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &hour, 0) && rte_errno == ENODEV);
	cr_assert(count_on(0, &now, 0));
	cr_assert(drop_dst(0, "10.0.0.1", indirect(handle)), "%s", error.message);
	cr_expect(!count_on(0, &now, 0) && rte_errno == ENODEV, "the rule has the last one");
	cr_expect_str_eq(error.message, "counter are not configured!");
	cr_expect(!drop_dst(0, "10.0.0.2", indirect(handle)) && rte_errno == ENOMEM);
	/* A new configuration takes them all. */
	while (pull(0) || pull(1))
		;
	cr_assert(configure(2, 1, 0) == 0, "%s", error.message);
	cr_expect(rte_flow_action_handle_destroy(port, handle, &error) == -EINVAL);
	cr_expect(make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &hour, 0));
	close_port();
}

Test(async_handle, a_full_queue_takes_no_more)
{
	struct rte_flow_query_count count = {};
	struct rte_flow_action_handle *handle;
	int i;

	open_async(8, 0, 0);
	handle = count_on(1, &now, 1);
	for (i = 1; i < 8; i++)
		cr_assert(rte_flow_async_action_handle_query(port, 1, &later, handle, &count,
				  (void *)(uintptr_t)(i + 1), &error) == 0);
	cr_expect(!count_on(1, &now, 9) && rte_errno == ENOMEM);
	cr_expect_str_eq(error.message, "Flow queue full.");
	cr_expect(rte_flow_async_action_handle_destroy(port, 1, &now, handle, NULL, &error) ==
		  -ENOMEM);
	cr_expect(pull(1) == 1 && pull(1) == 0);
	cr_expect(rte_flow_push(port, 1, &error) == 0);
	for (i = 1; i < 8; i++)
		cr_expect(pull(1) == i + 1);
	close_port();
}

Test(async_handle, templates_say_what_they_stand_for)
{
	static const struct rte_flow_action_count nothing;
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_INDIRECT},
		{.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &hour}, DROP, END};
	struct rte_flow_action masks[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
		{.type = RTE_FLOW_ACTION_TYPE_AGE}, DROP, END};
	struct rte_flow_action_handle *age, *count;

	open_async(8, 8, 0);
	make_table(RTE_FLOW_ACTION_TYPE_COUNT);
	age = make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &hour, 0);
	count = count_on(0, &now, 0);
	cr_assert(age && count);
	cr_expect(!drop_dst(0, "10.0.0.1", indirect(age)) && rte_errno == EINVAL);
	cr_expect(drop_dst(0, "10.0.0.1", indirect(count)), "%s", error.message);
	cr_expect(make_actions(actions, masks), "%s", error.message);
	/* A template with a counter of its own, for all rules. */
	actions[0].conf = count;
	masks[0].conf = &nothing;
	cr_expect(!make_actions(actions, masks));
	cr_expect_str_eq(error.message, "AGE and fixed COUNT combination is not supported");
	masks[0] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &hour};
	cr_expect(!make_actions(actions, masks));
	cr_expect_str_eq(error.message, "Fixed indirect age action is not supported");
	actions[0].conf = NULL;
	cr_expect(!make_actions(actions, masks));
	cr_expect_str_eq(error.message, "duplicate AGE actions set");
	masks[0] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_QUEUE};
	cr_expect(!make_actions(actions, masks));
	cr_expect_str_eq(error.message, "Unsupported indirect action type");
	close_port();
}

Test(async_handle, a_template_can_have_the_counter_of_all_its_rules)
{
	static const struct rte_flow_action_count nothing;
	struct rte_flow_template_table_attr attr = {.flow_attr = {.ingress = 1}, .nb_flows = 8};
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_INDIRECT}, DROP, END};
	struct rte_flow_action masks[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &nothing}, DROP, END};
	struct rte_flow_action_handle *count[2];
	struct rte_flow_query_count query = {};

	open_async(8, 0, 0);
	make_table(RTE_FLOW_ACTION_TYPE_COUNT);
	count[0] = count_on(0, &now, 0);
	count[1] = count_on(0, &now, 0);
	actions[0].conf = count[0];
	templ = make_actions(actions, masks);
	cr_assert(templ, "%s", error.message);
	table = rte_flow_template_table_create(port, &attr, &pattern, 1, &templ, 1, &error);
	cr_assert(table && drop_dst(0, "10.0.0.1", indirect(count[1])), "%s", error.message);
	cr_expect(wire(to("10.0.0.1")).n == 0);
	cr_expect(rte_flow_action_handle_query(port, count[0], &query, &error) == 0);
	cr_expect(query.hits == 1);
	close_port();
}

Test(async_handle, rules_of_flow_queues_share_an_age)
{
	struct rte_flow_update_age update = {.timeout_valid = 1, .timeout = 1};
	struct rte_flow_action_handle *handle;
	struct rte_flow_query_age answer;
	void *contexts[3] = {};

	open_async(8, 8, 0);
	make_table(RTE_FLOW_ACTION_TYPE_AGE);
	handle = make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &hour, 1);
	cr_assert(handle && drop_dst(0, "10.0.0.1", indirect(handle)) &&
		  drop_dst(1, "10.0.0.2", indirect(handle)));
	wait_ms(1200);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 0);
	cr_expect(rte_flow_async_action_handle_update(
			  port, 0, &now, handle, &update, (void *)2, &error) == 0);
	cr_expect(pull(0) == 1 && pull(0) == 2);
	cr_expect(rte_flow_get_aged_flows(port, NULL, 0, &error) == 1);
	update = (struct rte_flow_update_age){.touch = 1};
	cr_expect(rte_flow_action_handle_update(port, handle, &update, &error) == 0);
	cr_expect(rte_flow_get_aged_flows(port, NULL, 0, &error) == 0);
	wait_ms(1200);
	cr_expect(rte_flow_async_action_handle_query(
			  port, 0, &now, handle, &answer, (void *)3, &error) == 0);
	cr_expect(pull(0) == 3 && answer.aged);
	cr_expect(rte_flow_get_q_aged_flows(port, 1, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == handle);
	/* 0 stops it. */
	update = (struct rte_flow_update_age){.timeout_valid = 1};
	cr_expect(rte_flow_action_handle_update(port, handle, &update, &error) == 0);
	cr_expect(wire(to("10.0.0.1")).n == 0);
	wait_ms(1200);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 0);
	close_port();
}

static atomic_int n_events;

static int on_aged(uint16_t of, enum rte_eth_event_type type, void *arg, void *ret)
{
	RTE_SET_USED(arg);
	RTE_SET_USED(ret);
	if (of == port && type == RTE_ETH_EVENT_FLOW_AGED)
		atomic_fetch_add(&n_events, 1);
	return 0;
}

/* Until there are so many; a deadline, no guess. */
static bool events_come(int n)
{
	int i;

	for (i = 0; i < 500 && atomic_load(&n_events) < n; i++)
		wait_ms(10);
	return atomic_load(&n_events) == n;
}

Test(async_handle, an_event_tells_of_what_is_old, .timeout = 50)
{
	struct rte_flow_action_handle *handle;
	void *contexts[3] = {};

	open_async(8, 8, 0);
	make_table(RTE_FLOW_ACTION_TYPE_AGE);
	cr_assert(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_FLOW_AGED, on_aged, NULL) == 0);
	handle = make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &second, 1);
	cr_assert(handle && drop_dst(0, "10.0.0.1", indirect(handle)));
	cr_expect(events_come(1));
	/* Not again before somebody has asked, and there is something new. */
	wait_ms(1200);
	cr_expect(atomic_load(&n_events) == 1);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == 1);
	wait_ms(700);
	cr_expect(atomic_load(&n_events) == 1);
	cr_expect(wire(to("10.0.0.1")).n == 0);
	cr_expect(events_come(2));
	close_port();
}

/* Each flow queue is told of its own, and nobody by an event. */
Test(async_handle, strict_queues_ask_for_themselves, .timeout = 50)
{
	const struct rte_flow_action action = {.type = RTE_FLOW_ACTION_TYPE_AGE, .conf = &second};
	struct rte_flow_action_handle *handle[2];
	void *contexts[3] = {};

	open_async(8, 8, RTE_FLOW_PORT_FLAG_STRICT_QUEUE);
	make_table(RTE_FLOW_ACTION_TYPE_AGE);
	cr_assert(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_FLOW_AGED, on_aged, NULL) == 0);
	cr_expect(!rte_flow_action_handle_create(port, &ingress, &action, &error));
	cr_expect(error.type == RTE_FLOW_ERROR_TYPE_STATE);
	handle[0] = make_on(0, &now, RTE_FLOW_ACTION_TYPE_AGE, &second, 1);
	handle[1] = make_on(1, &now, RTE_FLOW_ACTION_TYPE_AGE, &second, 1);
	cr_assert(drop_dst(0, "10.0.0.1", indirect(handle[0])));
	cr_assert(drop_dst(1, "10.0.0.2", indirect(handle[1])));
	wait_ms(1700);
	cr_expect(rte_flow_get_aged_flows(port, contexts, 3, &error) == -EINVAL);
	cr_expect(rte_flow_get_q_aged_flows(port, 2, contexts, 3, &error) == -EINVAL);
	cr_expect(rte_flow_get_q_aged_flows(port, 1, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == handle[1]);
	cr_expect(rte_flow_get_q_aged_flows(port, 0, contexts, 3, &error) == 1);
	cr_expect(contexts[0] == handle[0]);
	cr_expect(atomic_load(&n_events) == 0);
	close_port();
}

Test(async_handle, nothing_ages_where_nothing_was_reserved)
{
	open_async(8, 0, 0);
	cr_expect(rte_flow_get_aged_flows(port, NULL, 0, &error) == -ENOENT);
	close_port();
}
