/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the NICs were asked for and took: offload/stats-show and dpif/offload/show, in the forms of
 * Open vSwitch 3.1 and 3.7.
 */

#include "commands.h"
#include "daemon.h"
#include "handover.h"

#include "flow/sync.h"
#include "port/port.h"

#include <inttypes.h>
#include <string.h>

#define N_STATS	 12
#define DATAPATH "netdev@hepflow"

/* Reasons that another NIC would not have, and those of a NIC that is full. The others (state,
 * services, wishes) are nobody's fault. */
enum { KEPT_BY_CAPABILITY = 1, KEPT_BY_CAPACITY };

static const uint8_t kept_by[HF_REASON_MAX_] = {
	[HF_REASON_NO_ENGINE] = KEPT_BY_CAPABILITY,
	[HF_REASON_ITEM_UNSUPPORTED] = KEPT_BY_CAPABILITY,
	[HF_REASON_MASK_PARTIAL] = KEPT_BY_CAPABILITY,
	[HF_REASON_OVERLAP] = KEPT_BY_CAPABILITY,
	[HF_REASON_SHAPE] = KEPT_BY_CAPABILITY,
	[HF_REASON_PROTOCOL] = KEPT_BY_CAPABILITY,
	[HF_REASON_NEGATION] = KEPT_BY_CAPABILITY,
	[HF_REASON_EXPANSION] = KEPT_BY_CAPABILITY,
	[HF_REASON_PMD_REJECT] = KEPT_BY_CAPABILITY,
	[HF_REASON_CAPACITY] = KEPT_BY_CAPACITY,
	[HF_REASON_PRIORITY] = KEPT_BY_CAPACITY,
};

static uint64_t count_kept(const struct hf_plan *plan, unsigned int by)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		n += a->share != HF_SHARE_WHOLE && kept_by[a->reason] == by;
	}
	return n;
}

static void read_stats(
	const struct hf_wire *w, const struct hf_plan *plan, struct hf_named_count ret[N_STATS])
{
	struct hf_sync_stats s = {0};
	uint64_t deferred = 0;

	if (w->sync) {
		hf_sync_read_stats(w->sync, &s);
		deferred = hf_sync_n_stuck(w->sync);
	}
	const struct hf_named_count rows[N_STATS] = {
		{"Enqueued offloads", "enqueued", s.asked},
		{"Inserted offloads", "inserted", s.inserted},
		{"Cumulative Average latency (us)", "meanUs", (uint64_t)(s.mean_us + 0.5)},
		{"Cumulative Latency stddev (us)", "stddevUs", (uint64_t)(s.stddev_us + 0.5)},
		{"Exponential Average latency (us)", "expMeanUs", (uint64_t)(s.exp_mean_us + 0.5)},
		{"Exponential Latency stddev (us)", "expStddevUs",
			(uint64_t)(s.exp_stddev_us + 0.5)},
		{"Rejected by capability", "rejectedByCapability",
			count_kept(plan, KEPT_BY_CAPABILITY)},
		{"Rejected by PMD", "rejectedByPmd", s.refused - s.full},
		{"Rejected by capacity", "rejectedByCapacity",
			count_kept(plan, KEPT_BY_CAPACITY) + s.full},
		{"Deferred", "deferred", deferred},
		{"Deleted", "deleted", s.deleted},
		{"Query errors", "queryErrors", s.query_errors},
	};

	memcpy(ret, rows, sizeof(rows));
}

static void print_counts(const struct hf_named_count *rows, size_t n, FILE *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		fprintf(out, "   Total %35s: %20" PRIu64 "\n", rows[i].name, rows[i].value);
}

static json_t *counts_json(const struct hf_named_count *rows, size_t n)
{
	json_t *j = json_object();
	size_t i;

	for (i = 0; i < n; i++)
		(void)json_object_set_new(j, rows[i].key, json_integer((json_int_t)rows[i].value));
	return j;
}

int cmd_offload_stats(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_named_count rows[N_STATS], conns[HF_HANDOVER_STATS];
	json_t *ports = call->json ? json_object() : NULL;
	const struct hf_daemon *d = arg;
	size_t i, n;

	if (!call->json)
		fputs("HW Offload stats:\n", call->out);
	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		if (!d->now->plans[i])
			continue;
		read_stats(w, d->now->plans[i], rows);
		n = hf_handover_read_stats(w, conns);
		if (call->json) {
			json_t *j = counts_json(rows, N_STATS);

			(void)json_object_set_new(
				j, "connections", n ? counts_json(conns, n) : json_null());
			(void)json_object_set_new(ports, w->outer_conf->name, j);
			continue;
		}
		fprintf(call->out, "  dpdk[%s]:\n", w->outer_conf->name);
		print_counts(rows, N_STATS, call->out);
		print_counts(conns, n, call->out);
	}
	if (!call->json)
		return 0;
	return commands_print_json(call, json_pack("{s:i, s:o}", "schema", 1, "ports", ports), err);
}

/* A NIC that is offloaded to now: its profile takes rules, and the driver has not refused them. */
static bool offloads(const struct hf_wire *w)
{
	return w->sync && !w->reject[0] && !w->down[0];
}

static void print_offload(const struct hf_daemon *d, bool enabled, FILE *out)
{
	size_t i;

	fprintf(out, "Globally enabled: %s\nDatapaths:\n" DATAPATH ":\n  dpdk\n",
		enabled ? "true" : "false");
	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		if (!offloads(w))
			continue;
		fprintf(out, "  - %s: port_no: %u\n    %-20s: %zu\n", w->outer_conf->name,
			hf_port_id(w->outer), "Entries", hf_sync_n_rules(w->sync));
	}
}

static json_t *offload_json(const struct hf_daemon *d, bool enabled)
{
	json_t *ports = json_object();
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		if (offloads(w))
			(void)json_object_set_new(ports, w->outer_conf->name,
				json_pack("{s:i, s:I}", "port_no", (int)hf_port_id(w->outer),
					"entries", (json_int_t)hf_sync_n_rules(w->sync)));
	}
	return json_pack("{s:i, s:b, s:{s:[s], s:{s:{s:o}}}}", "schema", 1, "enabled", enabled,
		DATAPATH, "priority", "dpdk", "providers", "dpdk", "ports", ports);
}

int cmd_offload_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	bool enabled = false;
	size_t i;

	for (i = 0; i < d->n_wires; i++)
		enabled = enabled || offloads(&d->wires[i]);
	if (call->json)
		return commands_print_json(call, offload_json(d, enabled), err);
	print_offload(d, enabled, call->out);
	return 0;
}
