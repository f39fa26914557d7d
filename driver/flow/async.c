/* SPDX-License-Identifier: BSD-3-Clause */

/* The template API is in every DPDK since 22.03, not called stable in 22.11. */
#define ALLOW_EXPERIMENTAL_API

#include "async.h"

#include "shape.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/rteflow.h>

#include <rte_errno.h>
#include <rte_flow.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define QUEUE	 0  /* the port's one flow queue */
#define PULL_MAX 32 /* completions at a time */
#define SLEEP_US 20 /* between two looks */
#define BATCH	 32 /* operations that are pushed together */

struct rule;

/* One operation on a rule; its address is what the completion names. */
struct op {
	struct rule *rule;
	bool out; /* queued, and its completion has not come */
	bool done;
	bool failed;
};

struct rule {
	struct rte_flow *flow;
	struct hf_shape_table *table;
	struct op made;
	struct op gone;
	bool given_up; /* nobody knows the handle any more: freed when nothing is out */
	bool conn;     /* of a connection: its ends are told by id */
	bool ended;    /* and are waiting for that */
	uint64_t id;
	struct rule *prev, *next;
	struct rule *end_prev, *end_next;
};

struct hf_flow_async {
	struct hf_shapes shapes;
	unsigned int wait_ms;
	struct rule *rules;   /* also those that are given up */
	struct rule *ends;    /* of connections, the first to have come first */
	unsigned int n_conns; /* operations of connections on their way */
};

static void rule_free(struct hf_flow_async *a, struct rule *r)
{
	DL_DELETE(a->rules, r);
	free(r);
}

static void set_ended(struct hf_flow_async *a, struct rule *r, bool ended)
{
	if (r->ended == ended)
		return;
	r->ended = ended;
	if (ended)
		DL_APPEND2(a->ends, r, end_prev, end_next);
	else
		DL_DELETE2(a->ends, r, end_prev, end_next);
}

/* Its place in the table is free. Completions that may still come must find it. */
static void bury(struct hf_flow_async *a, struct rule *r)
{
	if (r->table)
		hf_shape_give(&a->shapes, r->table);
	r->table = NULL;
	r->given_up = true;
	set_ended(a, r, false);
	if (!r->made.out && !r->gone.out)
		rule_free(a, r);
}

/* 0, or the driver's negative errno. */
static int pull(struct hf_flow_async *a)
{
	struct rte_flow_op_result res[PULL_MAX];
	struct rte_flow_error error;
	int n, i;

	do {
		n = rte_flow_pull(a->shapes.port, QUEUE, res, PULL_MAX, &error);
		for (i = 0; i < n; i++) {
			struct op *op = res[i].user_data;
			struct rule *r = op->rule;

			op->out = false;
			op->done = true;
			op->failed = res[i].status != RTE_FLOW_OP_SUCCESS;
			a->n_conns -= r->conn;
			if (r->conn && !r->given_up)
				set_ended(a, r, true);
			if (r->given_up && !r->made.out && !r->gone.out)
				rule_free(a, r);
		}
	} while (n == PULL_MAX);
	return n < 0 ? n : 0;
}

static size_t count_done(struct op *const ops[], size_t n)
{
	size_t i, done = 0;

	for (i = 0; i < n; i++)
		done += ops[i]->done;
	return done;
}

/*
 * Pushes what was queued and waits for the ends, until none has come for a while. 0, or why some
 * have not.
 */
static int push_and_wait(
	struct hf_flow_async *a, struct op *const ops[], size_t n, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	size_t done = 0, now_done;
	uint64_t end = 0;
	int rc = rte_flow_push(a->shapes.port, QUEUE, &error);

	if (rc < 0)
		return hf_flow_refuse(&error, -rc, err);
	for (;;) {
		rc = pull(a);
		now_done = count_done(ops, n);
		if (now_done == n)
			return 0;
		if (end == 0 || now_done > done)
			end = hf_clock_ms() + a->wait_ms;
		done = now_done;
		if (rc == 0 && hf_clock_ms() >= end)
			rc = -ETIMEDOUT;
		if (rc < 0)
			return hf_fail(err, rc, "%s: type 0: no completion in %u ms", strerror(-rc),
				a->wait_ms);
		(void)usleep(SLEEP_US); /* woken early: asked again */
	}
}

/* Of one that is done. */
static int end_of(const struct op *op, struct hf_err *err)
{
	return op->failed ? hf_fail(err, -EIO, "%s: type 0: its completion says that it failed",
				    strerror(EIO))
			  : 0;
}

static int finish(struct hf_flow_async *a, struct op *op, struct hf_err *err)
{
	int rc = push_and_wait(a, &op, 1, err);

	return rc < 0 ? rc : end_of(op, err);
}

static int queue_destroy(struct hf_flow_async *a, struct rule *r, struct hf_err *err)
{
	static const struct rte_flow_op_attr later = {.postpone = 1};
	struct rte_flow_error error = {0};
	int rc = rte_flow_async_destroy(a->shapes.port, QUEUE, &later, r->flow, &r->gone, &error);

	if (rc < 0)
		return hf_flow_refuse(&error, rte_errno, err);
	r->gone.out = true;
	r->gone.done = false;
	r->gone.failed = false;
	return 0;
}

/* The handle of a rule that the NIC refused is to be given back all the same. */
static void give_back(struct hf_flow_async *a, struct rule *r)
{
	if (queue_destroy(a, r, NULL) == 0)
		(void)finish(a, &r->gone, NULL); /* it was not there before */
	bury(a, r);
}

/* Queues it. */
static int begin_create(
	struct hf_flow_async *a, const struct hf_flow *flow, struct rule **ret, struct hf_err *err)
{
	static const struct rte_flow_op_attr later = {.postpone = 1};
	struct rte_flow_error error = {0};
	struct hf_rte_flow f;
	struct rule *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return hf_fail(err, -ENOMEM, "out of memory");
	r->made.rule = r->gone.rule = r;
	DL_APPEND(a->rules, r);
	hf_rte_flow_build(flow, &f);
	rc = hf_shape_take(&a->shapes, flow, &f, &r->table, err);
	if (rc < 0) {
		bury(a, r);
		return rc;
	}
	r->flow = rte_flow_async_create(a->shapes.port, QUEUE, &later, r->table->table, f.items, 0,
		f.actions, 0, &r->made, &error);
	if (!r->flow) {
		rc = hf_flow_refuse(&error, rte_errno, err);
		bury(a, r);
		return rc;
	}
	r->made.out = true;
	*ret = r;
	return 0;
}

/* At most BATCH. */
static int create_batch(struct hf_flow_async *a, const struct hf_flow *const flows[], size_t n,
	void *ret[], size_t *ret_bad, struct hf_err *err)
{
	struct hf_err why = {0}, silent = {0};
	struct rule *rules[BATCH];
	struct op *ops[BATCH];
	size_t begun, i;
	int rc = 0, begin;

	for (begun = 0; begun < n; begun++) {
		rc = begin_create(a, flows[begun], &rules[begun], &why);
		if (rc < 0)
			break;
		ops[begun] = &rules[begun]->made;
	}
	begin = rc;
	*ret_bad = begun;
	rc = begun > 0 ? push_and_wait(a, ops, begun, &silent) : 0;
	for (i = begun; i-- > 0;) { /* the first that is wrong is told last */
		ret[i] = rules[i];
		if (!ops[i]->done) {
			begin = rc;
			why = silent;
			*ret_bad = i;
		} else if (ops[i]->failed) {
			begin = end_of(ops[i], &why);
			*ret_bad = i;
			ret[i] = NULL;
			give_back(a, rules[i]);
		}
	}
	return begin < 0 ? hf_fail(err, begin, "%s", why.text) : 0;
}

static int create_many(void *arg, const struct hf_flow *const flows[], size_t n, void *ret[],
	size_t *ret_bad, struct hf_err *err)
{
	size_t i, len;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i += len) {
		len = n - i < BATCH ? n - i : BATCH;
		rc = create_batch(arg, flows + i, len, ret + i, ret_bad, err);
		*ret_bad += i;
	}
	return rc;
}

static int create(void *arg, const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	void *handle = NULL;
	size_t bad;
	int rc = create_batch(arg, &flow, 1, &handle, &bad, err);

	if (handle)
		*ret = handle;
	return rc;
}

/* At most BATCH. err: of the first that fails. */
static void destroy_batch(
	struct hf_flow_async *a, void *const handles[], size_t n, int ret_rc[], struct hf_err *err)
{
	struct hf_err silent = {0};
	struct op *ops[BATCH];
	size_t n_ops = 0, i;
	int silence, first = 0;

	(void)pull(a); /* what has come since */
	for (i = 0; i < n; i++) {
		struct rule *r = handles[i];
		bool asked = r->gone.out || (r->gone.done && !r->gone.failed);

		ret_rc[i] = asked ? 0 : queue_destroy(a, r, first == 0 ? err : NULL);
		if (first == 0)
			first = ret_rc[i];
		if (ret_rc[i] == 0)
			ops[n_ops++] = &r->gone;
	}
	silence = n_ops > 0 ? push_and_wait(a, ops, n_ops, &silent) : 0;
	for (i = 0; i < n; i++) {
		struct rule *r = handles[i];

		if (ret_rc[i] == 0 && r->gone.done)
			ret_rc[i] = end_of(&r->gone, first == 0 ? err : NULL);
		else if (ret_rc[i] == 0)
			ret_rc[i] = hf_fail(first == 0 ? err : NULL, silence, "%s", silent.text);
		if (r->made.done && r->made.failed)
			ret_rc[i] = 0; /* it never was there, as we know by now */
		if (first == 0)
			first = ret_rc[i];
		if (ret_rc[i] == 0)
			bury(a, r);
	}
}

static void destroy_many(
	void *arg, void *const handles[], size_t n, int ret_rc[], struct hf_err *err)
{
	bool failed = false;
	size_t i, k, len;

	for (i = 0; i < n; i += len) {
		len = n - i < BATCH ? n - i : BATCH;
		destroy_batch(arg, handles + i, len, ret_rc + i, failed ? NULL : err);
		for (k = 0; k < len; k++)
			failed |= ret_rc[i + k] < 0;
	}
}

static int destroy(void *arg, void *handle, struct hf_err *err)
{
	int rc;

	destroy_batch(arg, &handle, 1, &rc, err);
	return rc;
}

/* Rules and their handles are gone. */
static void lose_all(struct hf_flow_async *a)
{
	struct rule *r, *next;

	for (r = a->rules; r; r = next) {
		next = r->next;
		if (!r->given_up)
			bury(a, r);
	}
}

static void forget_rules(struct hf_flow_async *a)
{
	a->ends = NULL;
	a->n_conns = 0;
	while (a->rules)
		rule_free(a, a->rules);
}

static int flush(void *arg, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	struct hf_flow_async *a = arg;
	int rc = rte_flow_flush(a->shapes.port, &error);

	if (rc < 0)
		return hf_flow_refuse(&error, rte_errno, err);
	(void)pull(a); /* what does not come now may come later */
	lose_all(a);
	return 0;
}

static int query(void *arg, void *handle, struct hf_flow_hits *ret)
{
	static const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_query_count count = {0};
	struct rte_flow_error error = {0};
	const struct hf_flow_async *a = arg;
	const struct rule *r = handle;
	int rc;

	/* On its way in or out nobody knows whether the driver still has it. */
	if (!r->made.done || r->gone.out || (r->gone.done && !r->gone.failed))
		return -ENODATA;
	rc = rte_flow_query(a->shapes.port, r->flow, actions, &count, &error);
	if (rc < 0)
		return rc;
	if (!count.hits_set)
		return -ENODATA;
	/* Some drivers count packets only. */
	*ret = (struct hf_flow_hits){count.hits, count.bytes_set ? count.bytes : 0};
	return 0;
}

static int present(void *, void *)
{
	return -ENOTSUP;
}

const struct hf_flow_ops hf_flow_ops_async = {
	.create = create,
	.create_many = create_many,
	.destroy = destroy,
	.destroy_many = destroy_many,
	.flush = flush,
	.query = query,
	.present = present,
};

/* Room in the queue for one more operation of a connection, which is not waited for. */
static int find_room(struct hf_flow_async *a, struct hf_err *err)
{
	struct rte_flow_error error;

	if (a->n_conns < HF_FLOW_ASYNC_CONNS)
		return 0;
	(void)rte_flow_push(a->shapes.port, QUEUE, &error); /* if not now, with the next */
	(void)pull(a);
	return a->n_conns < HF_FLOW_ASYNC_CONNS
		       ? 0
		       : hf_fail(err, -EAGAIN, "%s: type 0: %d operations are on their way",
				 strerror(EAGAIN), HF_FLOW_ASYNC_CONNS);
}

static int create_conn(
	void *arg, const struct hf_flow *flow, uint64_t id, void **ret, struct hf_err *err)
{
	struct hf_flow_async *a = arg;
	struct rule *r;
	int rc = find_room(a, err);

	if (rc == 0)
		rc = begin_create(a, flow, &r, err);
	if (rc < 0)
		return rc;
	r->conn = true;
	r->id = id;
	a->n_conns++;
	*ret = r;
	return HF_CONN_LATER;
}

static int destroy_conn(void *arg, void *handle, uint64_t, struct hf_err *err)
{
	struct hf_flow_async *a = arg;
	int rc = find_room(a, err);

	if (rc == 0)
		rc = queue_destroy(a, handle, err);
	if (rc < 0)
		return rc;
	a->n_conns++;
	return HF_CONN_LATER;
}

/* What became of the rule; it is gone when it has been removed, or was never there. */
static bool tell_end(struct hf_flow_async *a, struct rule *r)
{
	bool gone = r->gone.done, ok = gone ? !r->gone.failed : !r->made.failed;

	if (gone && ok) {
		bury(a, r);
	} else if (!gone && !ok) {
		/* The handle is to be given back all the same. */
		a->n_conns += queue_destroy(a, r, NULL) == 0;
		bury(a, r);
	}
	return ok;
}

static unsigned int pull_conns(void *arg, struct hf_conn_done *ret, unsigned int max)
{
	struct hf_flow_async *a = arg;
	struct rte_flow_error error;
	unsigned int n;

	if (a->n_conns) {
		(void)rte_flow_push(a->shapes.port, QUEUE, &error); /* if not now, next time */
		(void)pull(a);
	}
	for (n = 0; n < max && a->ends; n++) {
		struct rule *r = a->ends;

		set_ended(a, r, false);
		ret[n].id = r->id;
		ret[n].ok = tell_end(a, r);
	}
	return n;
}

/* Idle ones are found by their counters: flow queues tell of age only through indirect actions. */
const struct hf_conn_ops hf_conn_ops_async = {
	.create = create_conn,
	.destroy = destroy_conn,
	.pull = pull_conns,
	.query = query,
};

int hf_flow_async_new(
	uint16_t port, unsigned int wait_ms, struct hf_flow_async **ret, struct hf_err *err)
{
	struct hf_flow_async *a = calloc(1, sizeof(*a));

	if (!a)
		return hf_fail(err, -ENOMEM, "offload: out of memory");
	a->shapes.port = port;
	a->wait_ms = wait_ms;
	*ret = a;
	return 0;
}

void hf_flow_async_free(struct hf_flow_async *async)
{
	if (!async)
		return;
	hf_shape_trim(&async->shapes);
	hf_shape_forget(&async->shapes);
	forget_rules(async);
	free(async);
}

static bool is_out(const struct hf_flow_async *a)
{
	const struct rule *r;

	for (r = a->rules; r; r = r->next) {
		if (r->made.out || r->gone.out)
			return true;
	}
	return false;
}

void hf_flow_async_forget(struct hf_flow_async *async)
{
	uint64_t end = hf_clock_ms() + async->wait_ms;

	while (pull(async) == 0 && is_out(async) && hf_clock_ms() < end)
		(void)usleep(SLEEP_US); /* woken early: asked again */
	forget_rules(async);
	hf_shape_forget(&async->shapes);
}

void hf_flow_async_set_port(struct hf_flow_async *async, uint16_t port)
{
	async->shapes.port = port;
}
