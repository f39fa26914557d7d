/* SPDX-License-Identifier: BSD-3-Clause */

/* rte_flow_get_aged_flows() and _dev_dump() are in every DPDK since 20.05, never called stable. */
#define ALLOW_EXPERIMENTAL_API

#include "ops.h"

#include "conns.h"
#include "shape.h"

#include <hepflow/err.h>
#include <hepflow/rteflow.h>

#include <rte_errno.h>
#include <rte_flow.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t port_of(const void *arg)
{
	return *(const uint16_t *)arg;
}

static int create(void *arg, const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	struct hf_rte_flow f;
	struct rte_flow *handle;

	hf_rte_flow_build(flow, &f);
	handle = rte_flow_create(port_of(arg), &f.attr, f.items, f.actions, &error);
	if (!handle)
		return hf_flow_refuse(&error, rte_errno, err);
	*ret = handle;
	return 0;
}

static int destroy(void *arg, void *handle, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	int rc = rte_flow_destroy(port_of(arg), handle, &error);

	return rc < 0 ? hf_flow_refuse(&error, rte_errno, err) : 0;
}

static int flush(void *arg, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	int rc = rte_flow_flush(port_of(arg), &error);

	return rc < 0 ? hf_flow_refuse(&error, rte_errno, err) : 0;
}

static int query(void *arg, void *handle, struct hf_flow_hits *ret)
{
	static const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_COUNT},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_query_count count = {0};
	struct rte_flow_error error = {0};
	int rc = rte_flow_query(port_of(arg), handle, actions, &count, &error);

	if (rc < 0)
		return rc;
	if (!count.hits_set)
		return -ENODATA;
	/* Some drivers count packets only. */
	*ret = (struct hf_flow_hits){count.hits, count.bytes_set ? count.bytes : 0};
	return 0;
}

/*
 * The one question of DPDK 22.11 that goes to the card: what it dumps of a rule. The text is the
 * driver's own affair; that there is none is an answer.
 */
static int present(void *arg, void *handle)
{
	struct rte_flow_error error = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = rte_flow_dev_dump(port_of(arg), handle, out, &error);
	if (fclose(out) && rc == 0)
		rc = -ENOMEM;
	free(text);
	if (rc < 0)
		return rc == -ENOENT || rc == -EINVAL ? 0 : rc;
	return size > 0;
}

const struct hf_flow_ops hf_flow_ops_rte = {
	.create = create,
	.destroy = destroy,
	.flush = flush,
	.query = query,
	.present = present,
};

static int create_conn(
	void *arg, const struct hf_flow *flow, uint64_t id, void **ret, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	struct rte_flow *handle;
	struct hf_rte_flow f;
	size_t i;

	static_assert(sizeof(void *) == sizeof(id), "ids go as pointers");
	hf_rte_flow_build(flow, &f);
	for (i = 0; i < flow->n_actions; i++) {
		if (flow->actions[i].act == HF_ACT_AGE)
			memcpy(&f.confs[i].age.context, &id, sizeof(id));
	}
	handle = rte_flow_create(port_of(arg), &f.attr, f.items, f.actions, &error);
	if (!handle)
		return hf_flow_refuse(&error, rte_errno, err);
	*ret = handle;
	return 0;
}

static int destroy_conn(void *arg, void *handle, uint64_t, struct hf_err *err)
{
	return destroy(arg, handle, err);
}

static unsigned int aged_conns(void *arg, uint64_t *ret, unsigned int max)
{
	struct rte_flow_error error = {0};
	int n = rte_flow_get_aged_flows(port_of(arg), (void **)ret, max, &error);

	return n < 0 ? 0 : (unsigned int)n;
}

const struct hf_conn_ops hf_conn_ops_rte = {
	.create = create_conn,
	.destroy = destroy_conn,
	.query = query,
	.aged = aged_conns,
};
