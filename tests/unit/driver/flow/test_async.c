/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The same calls by templates and flow queues, on the virtual SmartNIC. Completions that fail, get
 * lost or come late are made between DPDK and the code under test: the linker leads four calls here
 * (--wrap, see tests/meson.build).
 */

#define ALLOW_EXPERIMENTAL_API

#include "hf_test_eal.h"

#include "fake_nic.h"
#include "flow/async.h"
#include "flow/sync.h"
#include "port/port.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <rte_flow.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_EAL_SUITE(flow_async, .timeout = 60);

#define WAIT_MS 5 /* for what does not come */

static uint16_t id;
static struct hf_port *port;
static struct hf_flow_async *async;

/* The nth completion from now on; 0: none. */
static unsigned int fail_nth, lose_nth;
static bool many;	     /* completions come more than one at a time */
static bool hold;	     /* completions are kept back */
static void *late;	     /* what was lost, if it is to come after all */
static bool fail_destroy;    /* at its completion: the rule stays */
static void *failed_destroy; /* of that */
static unsigned int n_destroys, n_completions;
static int n_tables;

int __real_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
	uint16_t n_res, struct rte_flow_error *error);
int __wrap_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
	uint16_t n_res, struct rte_flow_error *error);
int __real_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
	const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
	struct rte_flow_error *error);
int __wrap_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
	const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
	struct rte_flow_error *error);
struct rte_flow_template_table *__real_rte_flow_template_table_create(uint16_t port_id,
	const struct rte_flow_template_table_attr *attr,
	struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
	struct rte_flow_actions_template *actions[], uint8_t n_actions,
	struct rte_flow_error *error);
struct rte_flow_template_table *__wrap_rte_flow_template_table_create(uint16_t port_id,
	const struct rte_flow_template_table_attr *attr,
	struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
	struct rte_flow_actions_template *actions[], uint8_t n_actions,
	struct rte_flow_error *error);
int __real_rte_flow_template_table_destroy(
	uint16_t port_id, struct rte_flow_template_table *t, struct rte_flow_error *error);
int __wrap_rte_flow_template_table_destroy(
	uint16_t port_id, struct rte_flow_template_table *t, struct rte_flow_error *error);

static int one(struct rte_flow_op_result *res, void *user_data, enum rte_flow_op_status status)
{
	*res = (struct rte_flow_op_result){.status = status, .user_data = user_data};
	return 1;
}

int __wrap_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
	uint16_t n_res, struct rte_flow_error *error)
{
	void *user_data;
	int n;

	cr_assert_gt(n_res, 0);
	if (hold)
		return 0;
	if (failed_destroy) {
		user_data = failed_destroy;
		failed_destroy = NULL;
		return one(res, user_data, RTE_FLOW_OP_ERROR);
	}
	n = __real_rte_flow_pull(port_id, queue_id, res, many ? n_res : 1, error);
	if (n <= 0)
		return n;
	n_completions++;
	if (lose_nth && --lose_nth == 0) {
		late = res[0].user_data;
		return 0;
	}
	if (fail_nth && --fail_nth == 0)
		res[0].status = RTE_FLOW_OP_ERROR;
	return n;
}

int __wrap_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
	const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
	struct rte_flow_error *error)
{
	n_destroys++;
	if (fail_destroy) {
		failed_destroy = user_data;
		return 0;
	}
	return __real_rte_flow_async_destroy(port_id, queue_id, attr, flow, user_data, error);
}

struct rte_flow_template_table *__wrap_rte_flow_template_table_create(uint16_t port_id,
	const struct rte_flow_template_table_attr *attr,
	struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
	struct rte_flow_actions_template *actions[], uint8_t n_actions,
	struct rte_flow_error *error)
{
	struct rte_flow_template_table *t = __real_rte_flow_template_table_create(
		port_id, attr, patterns, n_patterns, actions, n_actions, error);

	n_tables += t != NULL;
	return t;
}

int __wrap_rte_flow_template_table_destroy(
	uint16_t port_id, struct rte_flow_template_table *t, struct rte_flow_error *error)
{
	int rc = __real_rte_flow_template_table_destroy(port_id, t, error);

	n_tables -= rc == 0;
	return rc;
}

static void open_port(void)
{
	struct hf_port_opts opts = {
		.name = "eth0",
		.devargs = "net_vnic0,profile=mlx5-cx7-hws",
		.n_queues = 1,
		.templates = true,
	};
	struct hf_err err = {0};

	cr_assert_eq(hf_port_open(&opts, &port, &err), 0, "%s", err.text);
	cr_assert_eq(hf_port_start(port, &err), 0, "%s", err.text);
	id = hf_port_id(port);
	cr_assert_eq(hf_flow_async_new(id, WAIT_MS, &async, &err), 0);
}

static void close_port(void)
{
	hf_flow_async_free(async);
	hf_port_close(port);
	rte_eal_cleanup();
}

/* Rules that the card has, by its own word. */
static size_t n_in_nic(void)
{
	struct rte_flow_error error;
	char *text = NULL;
	size_t size = 0, n = 0, i;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	cr_assert_eq(rte_flow_dev_dump(id, NULL, out, &error), 0);
	cr_assert_eq(fclose(out), 0);
	for (i = 0; i < size; i++)
		n += text[i] == '\n';
	free(text);
	return n;
}

static struct hf_flow drop_tcp(uint16_t dport)
{
	struct hf_flow f = {
		.ingress = true,
		.group = 1,
		.n_items = 3,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP},
		.n_actions = 2,
		.actions = {{HF_ACT_COUNT, 0}, {HF_ACT_DROP, 0}},
	};

	f.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
			   HF_LAYER_BIT(HF_LAYER_TCP);
	f.pattern.spec.dport[0] = (uint8_t)(dport >> 8);
	f.pattern.spec.dport[1] = (uint8_t)dport;
	memset(f.pattern.mask.dport, 0xff, 2);
	return f;
}

static int create(const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	return hf_flow_ops_async.create(async, flow, ret, err);
}

static int destroy(void *handle, struct hf_err *err)
{
	return hf_flow_ops_async.destroy(async, handle, err);
}

static void *make(uint16_t dport)
{
	struct hf_flow flow = drop_tcp(dport);
	struct hf_err err = {0};
	void *handle = NULL;

	cr_assert_eq(create(&flow, &handle, &err), 0, "%s", err.text);
	cr_assert_not_null(handle);
	return handle;
}

Test(flow_async, flow_is_made_counted_and_removed)
{
	struct hf_flow_hits hits = {1, 1};
	struct hf_err err = {0};
	void *handle;

	open_port();
	handle = make(3000);
	cr_assert_eq(n_in_nic(), 1);
	cr_assert_eq(hf_flow_ops_async.query(async, handle, &hits), 0);
	cr_assert_eq(hits.packets, 0);
	cr_assert_eq(hits.bytes, 0);
	cr_assert_eq(hf_flow_ops_async.present(async, handle), -ENOTSUP);
	cr_assert_eq(destroy(handle, &err), 0, "%s", err.text);
	cr_assert_eq(n_in_nic(), 0);
	close_port();
}

Test(flow_async, refusal_has_the_words_of_the_driver)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_err err = {0};
	void *handle = NULL;

	open_port();
	flow.group = 0;
	flow.priority = 4000000;
	cr_assert_lt(create(&flow, &handle, &err), 0);
	cr_assert_null(handle);
	cr_assert_not_null(strstr(err.text, ": type "), "%s", err.text);
	cr_assert_eq(n_tables, 0, "what it did not come to is left");
	close_port();
}

Test(flow_async, rules_of_a_shape_share_tables_that_grow)
{
	struct hf_flow other = drop_tcp(3000);
	void *handles[300], *handle = NULL;
	uint16_t i;

	open_port();
	for (i = 0; i < 300; i++)
		handles[i] = make((uint16_t)(3000 + i));
	cr_assert_eq(n_in_nic(), 300);
	cr_assert_eq(n_tables, 3, "64, 128 and 256");
	other.pattern.mask.dport[1] = 0xf0;
	other.pattern.spec.dport[1] &= 0xf0;
	cr_assert_eq(create(&other, &handle, NULL), 0);
	cr_assert_eq(n_tables, 4, "another mask");
	for (i = 0; i < 300; i++)
		cr_assert_eq(destroy(handles[i], NULL), 0);
	cr_assert_eq(n_in_nic(), 1);
	(void)make(3000);
	cr_assert_eq(n_tables, 4, "one that is empty serves again");
	cr_assert_eq(hf_flow_ops_async.flush(async, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	hf_flow_async_free(async);
	async = NULL;
	cr_assert_eq(n_tables, 0);
	close_port();
}

Test(flow_async, tables_that_are_empty_are_few)
{
	void *handles[60];
	uint16_t i;

	open_port();
	for (i = 0; i < 60; i++) {
		struct hf_flow flow = drop_tcp(3000);

		flow.priority = i;
		cr_assert_eq(create(&flow, &handles[i], NULL), 0);
	}
	cr_assert_eq(n_tables, 60);
	for (i = 0; i < 60; i++)
		cr_assert_eq(destroy(handles[i], NULL), 0);
	cr_assert_lt(n_tables, 60);
	cr_assert_gt(n_tables, 0);
	close_port();
}

/* By DPDK's rules the handle is given back even then. */
Test(flow_async, creation_that_fails_in_the_end_is_a_refusal)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_err err = {0};
	void *handle = NULL;

	open_port();
	fail_nth = 1;
	cr_assert_eq(create(&flow, &handle, &err), -EIO);
	cr_assert_null(handle);
	cr_assert_not_null(strstr(err.text, "Input/output error: type 0: "), "%s", err.text);
	cr_assert_eq(n_destroys, 1);
	cr_assert_eq(n_in_nic(), 0);
	cr_assert_eq(destroy(make(3000), NULL), 0);
	close_port();
}

Test(flow_async, creation_without_an_answer_leaves_a_handle_to_destroy)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_flow_hits hits;
	struct hf_err err = {0};
	void *handle = NULL;

	open_port();
	lose_nth = 1;
	cr_assert_eq(create(&flow, &handle, &err), -ETIMEDOUT);
	cr_assert_not_null(strstr(err.text, "no completion in 5 ms"), "%s", err.text);
	cr_assert_not_null(handle);
	cr_assert_eq(n_in_nic(), 1, "so it was made");
	cr_assert_eq(hf_flow_ops_async.query(async, handle, &hits), -ENODATA);
	cr_assert_eq(destroy(handle, &err), 0, "%s", err.text);
	cr_assert_eq(n_in_nic(), 0);
	close_port();
}

Test(flow_async, answer_that_comes_late_counts)
{
	struct hf_flow flow = drop_tcp(3000);
	struct hf_flow_hits hits;
	void *handle = NULL;

	open_port();
	hold = true;
	cr_assert_eq(create(&flow, &handle, NULL), -ETIMEDOUT);
	hold = false;
	(void)make(3001); /* takes it in */
	cr_assert_eq(hf_flow_ops_async.query(async, handle, &hits), 0);
	hold = true;
	cr_assert_eq(destroy(handle, NULL), -ETIMEDOUT);
	cr_assert_eq(hf_flow_ops_async.query(async, handle, &hits), -ENODATA);
	hold = false;
	cr_assert_eq(destroy(handle, NULL), 0);
	cr_assert_eq(n_destroys, 1, "asked for twice");
	cr_assert_eq(n_in_nic(), 1);
	close_port();
}

Test(flow_async, destruction_without_an_answer_is_not_asked_for_again)
{
	struct hf_err err = {0};
	void *handle;

	open_port();
	handle = make(3000);
	lose_nth = 1;
	cr_assert_eq(destroy(handle, &err), -ETIMEDOUT);
	cr_assert_not_null(strstr(err.text, "no completion in 5 ms"), "%s", err.text);
	cr_assert_eq(destroy(handle, NULL), -ETIMEDOUT);
	cr_assert_eq(n_destroys, 1);
	cr_assert_not_null(late);
	cr_assert_eq(hf_flow_ops_async.flush(async, NULL), 0);
	(void)make(3000);
	cr_assert_eq(n_in_nic(), 1);
	close_port();
}

Test(flow_async, destruction_that_fails_leaves_the_rule)
{
	struct hf_flow_hits hits;
	struct hf_err err = {0};
	void *handle;

	open_port();
	handle = make(3000);
	fail_destroy = true;
	cr_assert_eq(destroy(handle, &err), -EIO);
	cr_assert_not_null(strstr(err.text, "its completion says that it failed"), "%s", err.text);
	cr_assert_eq(n_in_nic(), 1);
	cr_assert_eq(hf_flow_ops_async.query(async, handle, &hits), 0, "it still counts");
	fail_destroy = false;
	cr_assert_eq(destroy(handle, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	close_port();
}

/* One of a hundred fails: what is there has a handle, what has none is not there. */
Test(flow_async, batches_say_which_rule_failed)
{
	struct hf_flow flows[100];
	const struct hf_flow *pointers[100];
	void *handles[100] = {NULL}, *made[100];
	struct hf_err err = {0};
	size_t i, bad = 0, n = 0;
	int rcs[100];

	open_port();
	for (i = 0; i < 100; i++) {
		flows[i] = drop_tcp((uint16_t)(3000 + i));
		pointers[i] = &flows[i];
	}
	fail_nth = 50;
	cr_assert_eq(
		hf_flow_ops_async.create_many(async, pointers, 100, handles, &bad, &err), -EIO);
	cr_assert_eq(bad, 49);
	cr_assert_not_null(strstr(err.text, "its completion says that it failed"), "%s", err.text);
	for (i = 0; i < 100; i++) {
		if (handles[i])
			made[n++] = handles[i];
	}
	cr_assert_null(handles[49]);
	cr_assert_geq(n, 49);
	cr_assert_eq(n_in_nic(), n);
	lose_nth = 40;
	hf_flow_ops_async.destroy_many(async, made, n, rcs, &err);
	for (i = 0; i < n; i++)
		cr_assert_eq(rcs[i], i == 39 ? -ETIMEDOUT : 0);
	cr_assert_not_null(strstr(err.text, "no completion in 5 ms"), "%s", err.text);
	cr_assert_eq(n_in_nic(), 0);
	close_port();
}

Test(flow_async, port_that_starts_again_takes_rules_again)
{
	struct hf_flow flow = drop_tcp(3002);
	struct hf_err err = {0};
	void *handle = NULL;

	open_port();
	(void)make(3000);
	(void)make(3001);
	hold = true;
	cr_assert_eq(create(&flow, &handle, NULL), -ETIMEDOUT);
	hold = false; /* it comes in while all is forgotten, or the port would be busy */
	hf_flow_async_forget(async);
	cr_assert_eq(hf_port_revive(port, 0, &err), 0, "%s", err.text);
	hf_flow_async_set_port(async, hf_port_id(port));
	cr_assert_eq(n_in_nic(), 0);
	n_tables = 0;
	cr_assert_eq(destroy(make(3000), NULL), 0);
	cr_assert_eq(n_tables, 1, "tables are made anew");
	close_port();
}

/* A fault at each completion of a plan in turn: nothing is left, and the next time it works. */
static void each_completion(unsigned int *nth, int want)
{
	struct hf_sync_opts opts = {.n_queues = 1, .ops = &hf_flow_ops_async};
	struct hf_err err = {0};
	struct hf_sync *s;
	struct hf_nic *nic;
	struct world w;
	unsigned int n;
	int rc = -1;

	open_port();
	cr_assert_eq(hf_profile_find("mlx5-cx7-hws", &nic, &err), 0, "%s", err.text);
	w = make_world(nic, DENY_3000 ALLOW_ALL);
	opts.nic = nic;
	opts.ops_arg = async;
	cr_assert_eq(hf_sync_new(&opts, &s, &err), 0);
	for (n = 1; rc < 0; n++) {
		*nth = n;
		rc = hf_sync_apply(s, w.plan, &err);
		cr_assert(rc == 0 || rc == want, "%s", err.text);
		cr_assert_eq(n_in_nic(), rc < 0 ? 0 : hf_plan_n_entries(w.plan));
		cr_assert_eq(hf_sync_n_rules(s), n_in_nic());
		cr_assert_eq(hf_sync_n_stuck(s), 0);
		*nth = 0;
	}
	cr_assert_eq(n - 2, hf_plan_n_entries(w.plan));
	cr_assert_eq(hf_sync_apply(s, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(n_in_nic(), 0);
	hf_sync_free(s);
	free_world(&w);
	hf_profile_free(nic);
	close_port();
}

Test(flow_async, plan_of_which_a_rule_fails_leaves_nothing)
{
	each_completion(&fail_nth, -EIO);
}

Test(flow_async, plan_of_which_a_rule_gets_no_answer_leaves_nothing)
{
	each_completion(&lose_nth, -ETIMEDOUT);
}

/* A change of plan that loses the answer to a destruction: the cover hides what is left. */
Test(flow_async, rule_that_gets_no_answer_on_its_way_out_is_hidden)
{
	struct hf_sync_opts opts = {.n_queues = 1, .ops = &hf_flow_ops_async};
	struct hf_err err = {0};
	struct hf_sync *s;
	struct hf_nic *nic;
	struct world w, next;

	open_port();
	cr_assert_eq(hf_profile_find("mlx5-cx7-hws", &nic, &err), 0, "%s", err.text);
	w = make_world(nic, DENY_3000 ALLOW_ALL);
	next = make_world(nic, ALLOW_3000 ALLOW_ALL);
	opts.nic = nic;
	opts.ops_arg = async;
	cr_assert_eq(hf_sync_new(&opts, &s, &err), 0);
	cr_assert_eq(hf_sync_apply(s, w.plan, &err), 0, "%s", err.text);
	lose_nth = 2; /* the cover comes first */
	cr_assert_lt(hf_sync_apply(s, next.plan, &err), 0);
	cr_assert_not_null(strstr(err.text, "cannot remove a rule: "), "%s", err.text);
	cr_assert_eq(hf_sync_n_stuck(s), 1);
	cr_assert_eq(n_in_nic(), 1, "the cover; the other one is gone, unknown to us");
	cr_assert_lt(hf_sync_apply(s, next.plan, &err), 0, "nobody knows yet");
	hf_sync_forget(s); /* the port is started again */
	hf_flow_async_forget(async);
	cr_assert_eq(hf_port_revive(port, 0, &err), 0, "%s", err.text);
	cr_assert_eq(hf_sync_apply(s, next.plan, &err), 0, "%s", err.text);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(next.plan));
	cr_assert_eq(hf_sync_apply(s, NULL, &err), 0, "%s", err.text);
	hf_sync_free(s);
	free_world(&w);
	free_world(&next);
	hf_profile_free(nic);
	close_port();
}

/* Connections: nobody waits for them. */
static struct hf_conn_done told[4];

static unsigned int ends_told(void)
{
	return hf_conn_ops_async.pull(async, told, 4);
}

static void *add_conn(uint16_t dport, uint64_t conn)
{
	struct hf_flow flow = drop_tcp(dport);
	struct hf_err err = {0};
	void *handle = NULL;

	cr_assert_eq(hf_conn_ops_async.create(async, &flow, conn, &handle, &err), HF_CONN_LATER,
		"%s", err.text);
	return handle;
}

Test(flow_async, rules_of_connections_are_told_of_later)
{
	struct hf_flow_hits hits;
	struct hf_err err = {0};
	void *one, *two;

	open_port();
	many = true;
	one = add_conn(1, 11);
	two = add_conn(2, 22);
	cr_expect_eq(hf_conn_ops_async.query(async, one, &hits), -ENODATA, "not there yet");
	cr_expect_eq(ends_told(), 2);
	cr_expect(told[0].id == 11 && told[0].ok && told[1].id == 22 && told[1].ok);
	cr_expect_eq(n_in_nic(), 2);
	cr_expect_eq(hf_conn_ops_async.query(async, one, &hits), 0);
	/* The plan's operations in between take none of it away. */
	cr_expect_eq(hf_conn_ops_async.destroy(async, two, 22, &err), HF_CONN_LATER);
	cr_expect_eq(destroy(make(3), &err), 0);
	cr_expect_eq(ends_told(), 1);
	cr_expect(told[0].id == 22 && told[0].ok);
	cr_expect_eq(n_in_nic(), 1);
	cr_expect_eq(ends_told(), 0);
	close_port();
}

Test(flow_async, rule_of_a_connection_that_fails_in_the_end_is_given_back)
{
	open_port();
	fail_nth = 1;
	(void)add_conn(1, 11);
	cr_expect_eq(ends_told(), 1);
	cr_expect(told[0].id == 11 && !told[0].ok);
	cr_expect_eq(n_destroys, 1);
	cr_expect_eq(ends_told(), 0);
	cr_expect_eq(n_in_nic(), 0);
	close_port();
}

Test(flow_async, rule_of_a_connection_that_stays_can_be_removed_later)
{
	struct hf_err err = {0};
	void *one;

	open_port();
	one = add_conn(1, 11);
	cr_expect_eq(ends_told(), 1);
	fail_destroy = true;
	cr_expect_eq(hf_conn_ops_async.destroy(async, one, 11, &err), HF_CONN_LATER);
	cr_expect_eq(ends_told(), 1);
	cr_expect(!told[0].ok);
	fail_destroy = false;
	cr_expect_eq(hf_conn_ops_async.destroy(async, one, 11, &err), HF_CONN_LATER);
	cr_expect_eq(ends_told(), 1);
	cr_expect(told[0].ok);
	cr_expect_eq(n_in_nic(), 0);
	close_port();
}

/* A card that does not answer: connections wait, and the plan still finds room in the queue. */
Test(flow_async, connections_leave_room_for_the_plan)
{
	struct hf_flow flow = drop_tcp(9999);
	struct hf_err err = {0};
	unsigned int i, n;
	void *handle;

	open_port();
	hold = many = true;
	for (i = 0; i < HF_FLOW_ASYNC_CONNS; i++)
		(void)add_conn((uint16_t)(i + 1), i);
	cr_expect_eq(hf_conn_ops_async.create(async, &flow, i, &handle, &err), -EAGAIN);
	cr_expect_eq(ends_told(), 0);
	hold = false;
	(void)make(8888);
	for (i = 0; (n = ends_told()) > 0;)
		i += n;
	cr_expect_eq(i, HF_FLOW_ASYNC_CONNS);
	cr_expect_eq(hf_conn_ops_async.create(async, &flow, i, &handle, &err), HF_CONN_LATER);
	close_port();
}

/* All that was there is gone, and what was on its way is told to nobody. */
Test(flow_async, flushed_connections_are_not_told_of)
{
	struct hf_err err = {0};

	open_port();
	(void)add_conn(1, 11);
	cr_expect_eq(hf_flow_ops_async.flush(async, &err), 0);
	cr_expect_eq(ends_told(), 0);
	(void)add_conn(2, 22);
	cr_expect_eq(ends_told(), 1);
	cr_expect_eq(told[0].id, 22);
	close_port();
}
