/* SPDX-License-Identifier: BSD-3-Clause */

/* Packets of the wires and what became of them: counters. */

#include "commands.h"
#include "daemon.h"

#include "soft/soft.h"

#include <inttypes.h>
#include <stdatomic.h>

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
		", refused by share %" PRIu64 "\n",
		t.conns_half_open, t.conns_flushed, t.conns_refused, t.conns_refused_share);
	fprintf(out,
		"fragments: %" PRIu64 ", waiting %" PRIu64 ", completed %" PRIu64
		", expired %" PRIu64 ", evicted %" PRIu64 "\n",
		t.frags, t.frags_held, t.frags_completed, t.frags_expired, t.frags_evicted);
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
	json_t *wires = json_array(), *reasons = json_object(), *conns, *frags, *logs;
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
	conns = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "used",
		(json_int_t)t.conns, "max", (json_int_t)t.conns_max, "made",
		(json_int_t)t.conns_made, "expired", (json_int_t)t.conns_expired, "evicted",
		(json_int_t)t.conns_evicted, "flushed", (json_int_t)t.conns_flushed, "refused",
		(json_int_t)t.conns_refused, "refusedByShare", (json_int_t)t.conns_refused_share,
		"halfOpen", (json_int_t)t.conns_half_open);
	frags = json_pack("{s:I, s:I, s:I, s:I, s:I}", "used", (json_int_t)t.frags, "waiting",
		(json_int_t)t.frags_held, "completed", (json_int_t)t.frags_completed, "expired",
		(json_int_t)t.frags_expired, "evicted", (json_int_t)t.frags_evicted);
	logs = json_pack("{s:I, s:I, s:I, s:I, s:I}", "logged", (json_int_t)d->packets.logged,
		"suppressed", (json_int_t)d->packets.suppressed, "logLost",
		(json_int_t)hf_soft_count_lost(d->soft, HF_TAP_LOG), "captured",
		(json_int_t)d->packets.captured, "captureLost",
		(json_int_t)hf_soft_count_lost(d->soft, HF_TAP_CAPTURE));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "schema", 1, "wires", wires, "reasons",
		reasons, "connections", conns, "fragments", frags, "packets", logs);
}

int cmd_counters(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;

	if (call->json)
		return commands_print_json(call, counters_json(d), err);
	counters_text(d, call->out);
	return 0;
}
