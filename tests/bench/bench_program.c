/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What programming a NIC costs beside the driver itself: CPU time to bring the virtual NIC to a
 *plan and back to nothing by the daemon's code, and by bare rte_flow calls with the same rules,
 *made ready before.
 *
 *	bench-program PROFILE FILE... -- EAL ARGUMENTS
 */

#include "flow/sync.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rteflow.h>
#include <hepflow/rules.h>

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 15

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int build(const char *profile, char **files, int n, struct hf_nic **nic,
	struct hf_plan **plan, struct hf_err *err)
{
	struct hf_plan_opts opts = {0};
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	int i, rc = hf_policy_new(&policy, err);

	for (i = 0; i < n && rc == 0; i++)
		rc = hf_policy_read(policy, files[i], err);
	if (rc == 0)
		rc = hf_profile_find(profile, nic, err);
	if (rc == 0)
		rc = hf_model_build(policy, NULL, &model, err);
	if (rc == 0)
		rc = hf_rules_build(model, &rules, err);
	if (rc == 0)
		rc = hf_plan_build(rules, *nic, &opts, plan, err);
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	return rc;
}

static int by_us(const struct hf_nic *nic, const struct hf_plan *plan, uint16_t *port,
	double *ret_us, struct hf_err *err)
{
	struct hf_sync_opts opts = {
		.nic = nic, .n_queues = 1, .ops = &hf_flow_ops_rte, .ops_arg = port};
	struct hf_sync *sync;
	double start;
	int rc = hf_sync_new(&opts, &sync, err);

	if (rc < 0)
		return rc;
	start = now_us();
	rc = hf_sync_apply(sync, plan, err);
	*ret_us = now_us() - start;
	if (rc == 0)
		rc = hf_sync_apply(sync, NULL, err);
	hf_sync_free(sync);
	return rc;
}

static int bare(const struct hf_rte_flow *flows, struct rte_flow **handles, size_t n, uint16_t port,
	double *ret_us, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	double start = now_us();
	size_t i;

	for (i = 0; i < n; i++) {
		handles[i] = rte_flow_create(
			port, &flows[i].attr, flows[i].items, flows[i].actions, &error);
		if (!handles[i])
			return hf_fail(err, -1, "entry %zu: %s", i, error.message);
	}
	*ret_us = now_us() - start;
	for (i = n; i-- > 0;) {
		if (rte_flow_destroy(port, handles[i], &error) < 0)
			return hf_fail(err, -1, "entry %zu: %s", i, error.message);
	}
	return 0;
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int measure(
	const struct hf_nic *nic, const struct hf_plan *plan, uint16_t port, struct hf_err *err)
{
	size_t n = hf_plan_n_entries(plan), i;
	struct hf_rte_flow *flows = calloc(n + 1, sizeof(*flows));
	struct rte_flow **handles = calloc(n + 1, sizeof(struct rte_flow *));
	double ours[ROUNDS], theirs[ROUNDS];
	int r, rc = flows && handles ? 0 : hf_fail(err, -1, "out of memory");

	for (i = 0; i < n && rc == 0; i++) {
		struct hf_flow flow;

		hf_plan_flow(plan, nic, i, 1, &flow);
		hf_rte_flow_build(&flow, &flows[i]);
	}
	for (r = 0; r < ROUNDS && rc == 0; r++) { /* in turn, so that both meet the same machine */
		rc = by_us(nic, plan, &port, &ours[r], err);
		if (rc == 0)
			rc = bare(flows, handles, n, port, &theirs[r], err);
	}
	if (rc == 0) {
		qsort(ours, ROUNDS, sizeof(double), double_cmp);
		qsort(theirs, ROUNDS, sizeof(double), double_cmp);
		printf("{\"profile\": \"%s\", \"entries\": %zu, \"us_ours\": %.3f, \"us_bare\": "
		       "%.3f, "
		       "\"us_more\": %.3f}\n",
			nic->name, n, ours[ROUNDS / 2] / (double)n, theirs[ROUNDS / 2] / (double)n,
			(ours[ROUNDS / 2] - theirs[ROUNDS / 2]) / (double)n);
	}
	free(flows);
	free(handles);
	return rc;
}

static int open_port(const char *profile, uint16_t *ret)
{
	struct rte_eth_conf conf = {0};
	char args[128];

	(void)snprintf(args, sizeof(args), "profile=%s,dev=net_null0,no-rx=1", profile);
	if (rte_vdev_init("net_vnic0", args) < 0 ||
		rte_eth_dev_get_port_by_name("net_vnic0", ret) < 0)
		return -1;
	return rte_eth_dev_configure(*ret, 1, 1, &conf) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct hf_plan *plan = NULL;
	struct hf_nic *nic = NULL;
	struct hf_err err = {0};
	int split, rc;
	uint16_t port;

	for (split = 2; split < argc && strcmp(argv[split], "--") != 0;)
		split++;
	if (split < 3 || split >= argc) {
		fprintf(stderr, "usage: bench-program PROFILE FILE... -- EAL ARGUMENTS\n");
		return 2;
	}
	rc = build(argv[1], argv + 2, split - 2, &nic, &plan, &err);
	if (rc == 0 &&
		(rte_eal_init(argc - split, argv + split) < 0 || open_port(argv[1], &port) < 0))
		rc = hf_fail(&err, -1, "DPDK or its virtual NIC does not start");
	if (rc == 0)
		rc = measure(nic, plan, port, &err);
	if (rc < 0)
		fprintf(stderr, "bench-program: %s\n", err.text);
	hf_plan_free(plan);
	hf_profile_free(nic);
	return rc < 0 ? 2 : 0;
}
