/* SPDX-License-Identifier: BSD-3-Clause */

/* Numbers: policy/dump, counters. */

#include "commands.h"
#include "daemon.h"
#include "rows.h"

#include "flow/sync.h"
#include "soft/soft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 24

static const char *print_reason(const struct hf_row *r, char *buf, size_t size)
{
	char code[64];

	if (r->rejected)
		(void)snprintf(buf, size, "pmd-reject:%s", r->rejected->reject);
	else
		(void)snprintf(buf, size, "%s",
			r->share == HF_SHARE_WHOLE ? ""
						   : hf_reason_print(r->reason, r->detail, code));
	return buf;
}

static const char *print_count(bool known, uint64_t n, char buf[static NUMBER_SIZE])
{
	(void)snprintf(buf, NUMBER_SIZE, "%" PRIu64, n); /* fits */
	return known ? buf : "unknown";
}

static void print_row(const struct hf_row *r, FILE *out)
{
	char p[NUMBER_SIZE], b[NUMBER_SIZE], reason[HF_ERR_SIZE + 16];

	fprintf(out, "%-44s %12s %14s %12" PRIu64 " %14" PRIu64 " %-8s %s\n", r->origin,
		print_count(r->hw.known, r->hw.packets, p),
		print_count(r->hw.known, r->hw.bytes, b), r->sw.packets, r->sw.bytes,
		hf_row_share_name(r->share), print_reason(r, reason, sizeof(reason)));
}

static json_t *row_json(const struct hf_row *r)
{
	char reason[HF_ERR_SIZE + 16];
	json_t *j = json_pack("{s:s, s:I, s:I, s:s, s:s?}", "origin", r->origin, "swPackets",
		(json_int_t)r->sw.packets, "swBytes", (json_int_t)r->sw.bytes, "offloaded",
		hf_row_share_name(r->share), "reason",
		r->share == HF_SHARE_WHOLE ? NULL : print_reason(r, reason, sizeof(reason)));

	(void)json_object_set_new(j, "hwPackets",
		r->hw.known ? json_integer((json_int_t)r->hw.packets) : json_null());
	(void)json_object_set_new(
		j, "hwBytes", r->hw.known ? json_integer((json_int_t)r->hw.bytes) : json_null());
	return j;
}

int cmd_policy_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	json_t *list = NULL;
	struct hf_row *rows;
	size_t i;
	int n;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			hf_sync_poll(d->wires[i].sync);
	}
	n = hf_rows_make(d, &rows);
	if (n < 0)
		return hf_fail(err, n, "out of memory");
	if (call->json)
		list = json_array();
	else
		fprintf(call->out, "%-44s %12s %14s %12s %14s %-8s %s\n", "POLICY", "HW-PACKETS",
			"HW-BYTES", "SW-PACKETS", "SW-BYTES", "OFFLOAD", "REASON");
	for (i = 0; i < (size_t)n; i++) {
		if (call->json)
			(void)json_array_append_new(list, row_json(&rows[i]));
		else
			print_row(&rows[i], call->out);
	}
	free(rows);
	if (!call->json)
		return 0;
	return commands_print_json(
		call, json_pack("{s:i, s:o}", "schema", 1, "policies", list), err);
}

static const char *const dirs[HF_SOFT_N_DIRS] = {[HF_SOFT_IN] = "in", [HF_SOFT_OUT] = "out"};

static uint64_t unsent(const struct hf_daemon *d, size_t wire, enum hf_soft_dir dir)
{
	struct hf_worker_wire *w = hf_daemon_wire(d, wire);

	return atomic_load_explicit(
		dir == HF_SOFT_IN ? &w->inner.unsent : &w->outer.unsent, memory_order_relaxed);
}

static void counters_text(const struct hf_daemon *d, FILE *out)
{
	struct hf_soft_table_counts t;
	unsigned int dir, r;
	size_t i;

	for (i = 0; i < d->n_wires && !d->config->kernel_fallback; i++) {
		fprintf(out, "%s:\n", d->wires[i].outer_conf->name);
		for (dir = 0; dir < HF_SOFT_N_DIRS; dir++) {
			struct hf_soft_wire_counts c =
				hf_soft_count_wire(d->soft, d->wires[i].soft, dir);

			fprintf(out,
				"  %-4s rx %" PRIu64 " packets %" PRIu64 " bytes, tx %" PRIu64
				" packets %" PRIu64 " bytes, drop %" PRIu64 " packets %" PRIu64
				" bytes, unsent %" PRIu64 " packets\n",
				dirs[dir], c.rx.packets, c.rx.bytes, c.tx.packets, c.tx.bytes,
				c.drop.packets, c.drop.bytes, unsent(d, i, dir));
		}
	}
	fputs("reasons:\n", out);
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		struct hf_soft_count c = hf_soft_count_reason(d->soft, r);

		fprintf(out, "  %-20s %-5s %12" PRIu64 " packets %14" PRIu64 " bytes\n",
			hf_soft_reason_name(r), hf_soft_reason_passes(r) ? "pass" : "drop",
			c.packets, c.bytes);
	}
	hf_soft_count_tables(d->soft, &t);
	fprintf(out,
		"connections: %" PRIu64 " of %" PRIu64 ", made %" PRIu64 ", expired %" PRIu64
		", evicted %" PRIu64 "\n",
		t.conns, t.conns_max, t.conns_made, t.conns_expired, t.conns_evicted);
	fprintf(out,
		"half-open: %" PRIu64 "; flushed %" PRIu64 ", refused %" PRIu64
		", refused by share %" PRIu64 "; translated %" PRIu64 "\n",
		t.conns_half_open, t.conns_flushed, t.conns_refused, t.conns_refused_share,
		t.conns_translated);
	fprintf(out,
		"fragments: %" PRIu64 ", waiting %" PRIu64 ", completed %" PRIu64
		", expired %" PRIu64 ", evicted %" PRIu64 "\n",
		t.frags, t.frags_held, t.frags_completed, t.frags_expired, t.frags_evicted);
	fprintf(out, "lists: decided %" PRIu64 "; memo: asked %" PRIu64 ", known %" PRIu64 "\n",
		t.listed, t.memo_asked, t.memo_known);
	fprintf(out,
		"logged: %" PRIu64 ", suppressed %" PRIu64 ", lost %" PRIu64 "\n"
		"captured: %" PRIu64 ", lost %" PRIu64 "\n",
		d->packets.logged, d->packets.suppressed, hf_soft_count_lost(d->soft, HF_TAP_LOG),
		d->packets.captured, hf_soft_count_lost(d->soft, HF_TAP_CAPTURE));
	for (i = 0; i < d->n_workers; i++)
		fprintf(out,
			"worker %zu: rounds %" PRIu64 ", sleeps %" PRIu64 ", strays %" PRIu64 "\n",
			i, atomic_load(&d->workers[i].rounds), atomic_load(&d->workers[i].sleeps),
			atomic_load(&d->workers[i].strays));
}

static json_t *pair_json(struct hf_soft_count c)
{
	return json_pack(
		"{s:I, s:I}", "packets", (json_int_t)c.packets, "bytes", (json_int_t)c.bytes);
}

static json_t *wire_json(const struct hf_daemon *d, size_t i)
{
	json_t *j = json_pack("{s:s}", "name", d->wires[i].outer_conf->name);
	unsigned int dir;

	for (dir = 0; dir < HF_SOFT_N_DIRS; dir++) {
		struct hf_soft_wire_counts c = hf_soft_count_wire(d->soft, d->wires[i].soft, dir);

		(void)json_object_set_new(j, dirs[dir],
			json_pack("{s:o, s:o, s:o, s:I}", "rx", pair_json(c.rx), "tx",
				pair_json(c.tx), "drop", pair_json(c.drop), "unsent",
				(json_int_t)unsent(d, i, dir)));
	}
	return j;
}

static json_t *counters_json(const struct hf_daemon *d)
{
	json_t *wires = json_array(), *reasons = json_object(), *conns, *frags, *memo, *logs;
	struct hf_soft_table_counts t;
	unsigned int r;
	size_t i;

	for (i = 0; i < d->n_wires && !d->config->kernel_fallback; i++)
		(void)json_array_append_new(wires, wire_json(d, i));
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		json_t *j = pair_json(hf_soft_count_reason(d->soft, r));

		(void)json_object_set_new(j, "passes", json_boolean(hf_soft_reason_passes(r)));
		(void)json_object_set_new(reasons, hf_soft_reason_name(r), j);
	}
	hf_soft_count_tables(d->soft, &t);
	conns = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "used",
		(json_int_t)t.conns, "max", (json_int_t)t.conns_max, "made",
		(json_int_t)t.conns_made, "expired", (json_int_t)t.conns_expired, "evicted",
		(json_int_t)t.conns_evicted, "flushed", (json_int_t)t.conns_flushed, "refused",
		(json_int_t)t.conns_refused, "refusedByShare", (json_int_t)t.conns_refused_share,
		"halfOpen", (json_int_t)t.conns_half_open, "translated",
		(json_int_t)t.conns_translated);
	frags = json_pack("{s:I, s:I, s:I, s:I, s:I}", "used", (json_int_t)t.frags, "waiting",
		(json_int_t)t.frags_held, "completed", (json_int_t)t.frags_completed, "expired",
		(json_int_t)t.frags_expired, "evicted", (json_int_t)t.frags_evicted);
	memo = json_pack("{s:I, s:I, s:I}", "listed", (json_int_t)t.listed, "asked",
		(json_int_t)t.memo_asked, "known", (json_int_t)t.memo_known);
	logs = json_pack("{s:I, s:I, s:I, s:I, s:I}", "logged", (json_int_t)d->packets.logged,
		"suppressed", (json_int_t)d->packets.suppressed, "logLost",
		(json_int_t)hf_soft_count_lost(d->soft, HF_TAP_LOG), "captured",
		(json_int_t)d->packets.captured, "captureLost",
		(json_int_t)hf_soft_count_lost(d->soft, HF_TAP_CAPTURE));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", 1, "wires", wires,
		"reasons", reasons, "connections", conns, "fragments", frags, "memo", memo,
		"packets", logs);
}

int cmd_counters(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;

	if (call->json)
		return commands_print_json(call, counters_json(d), err);
	counters_text(d, call->out);
	return 0;
}
