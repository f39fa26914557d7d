/* SPDX-License-Identifier: BSD-3-Clause */

#include "metrics.h"

#include "daemon.h"
#include "feed.h"
#include "ledger.h"
#include "handover.h"
#include "rows.h"

#include "flow/sync.h"
#include "port/port.h"
#include "soft/soft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP hepflow_%s %s\n# TYPE hepflow_%s %s\n", name, help, name, type);
}

/* A label value: backslash, quote and newline are escaped. */
static void put_value(FILE *out, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '\\' || text[i] == '"')
			fputc('\\', out);
		if (text[i] == '\n')
			fputs("\\n", out);
		else
			fputc(text[i], out);
	}
}

static void gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
	fprintf(out, "hepflow_%s %" PRIu64 "\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	fprintf(out, "hepflow_%s %" PRIu64 "\n", name, value);
}

static void put_policy(
	FILE *out, const char *name, const struct hf_series *s, const char *path, uint64_t value)
{
	fprintf(out, "hepflow_%s{policy=\"", name);
	put_value(out, s->name, s->len);
	fprintf(out, "\",path=\"%s\"} %" PRIu64 "\n", path, value);
}

static void policies(
	const struct hf_daemon *d, FILE *out, const struct hf_row *rows, size_t n, bool bytes)
{
	const char *name = bytes ? "policy_bytes_total" : "policy_packets_total";
	struct hf_series s;
	size_t i;

	head(out, name, "counter",
		bytes ? "Bytes that a policy has decided, by where."
		      : "Packets that a policy has decided, by where.");
	for (i = 0; i < n;) {
		i = hf_series_next(rows, n, i, &s);
		hf_ledger_add(d->ledger, &s);
		if (s.hw.known)
			put_policy(out, name, &s, "hw", bytes ? s.hw.bytes : s.hw.packets);
		put_policy(out, name, &s, "sw", bytes ? s.sw.bytes : s.sw.packets);
	}
}

/* What e-switches have delivered by themselves, by policy and direction. */
struct delivered {
	struct hf_series s;
	UT_hash_handle hh;
};

static void add_delivered(void *arg, const char *origin, struct hf_sync_count count)
{
	struct delivered **all = arg, *e;
	size_t len = hf_series_len(origin);

	HASH_FIND(hh, *all, origin, len, e);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return; /* the next time, perhaps */
		e->s = (struct hf_series){.name = origin, .len = len, .hw = {.known = true}};
		HASH_ADD_KEYPTR(hh, *all, e->s.name, len, e);
	}
	e->s.hw.known = e->s.hw.known && count.known;
	e->s.hw.packets += count.packets;
	e->s.hw.bytes += count.bytes;
}

static void put_delivered(const struct delivered *all, FILE *out, bool bytes)
{
	const char *name =
		bytes ? "policy_delivered_bytes_total" : "policy_delivered_packets_total";
	const struct delivered *e;

	if (all)
		head(out, name, "counter",
			bytes ? "Bytes that an e-switch has delivered by itself."
			      : "Packets that an e-switch has delivered by itself.");
	for (e = all; e; e = e->hh.next) {
		if (!e->s.hw.known)
			continue;
		fprintf(out, "hepflow_%s{policy=\"", name);
		put_value(out, e->s.name, e->s.len);
		fprintf(out, "\"} %" PRIu64 "\n", bytes ? e->s.hw.bytes : e->s.hw.packets);
	}
}

static void deliveries(const struct hf_daemon *d, FILE *out)
{
	struct delivered *all = NULL, *e, *next;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			hf_sync_each_delivered(d->wires[i].sync, add_delivered, &all);
	}
	put_delivered(all, out, false);
	put_delivered(all, out, true);
	HASH_ITER (hh, all, e, next) {
		HASH_DEL(all, e);
		free(e);
	}
}

static int put_policies(const struct hf_daemon *d, FILE *out)
{
	struct hf_row *rows;
	uint64_t whole = 0, part = 0;
	int i, n = hf_rows_make(d, &rows);

	if (n < 0)
		return n;
	policies(d, out, rows, (size_t)n, false);
	policies(d, out, rows, (size_t)n, true);
	for (i = 0; i < n; i++) {
		whole += rows[i].share == HF_SHARE_WHOLE;
		part += rows[i].share == HF_SHARE_PART;
	}
	head(out, "rules", "gauge", "Rules in force by how much of them is in hardware.");
	fprintf(out,
		"hepflow_rules{offloaded=\"yes\"} %" PRIu64
		"\nhepflow_rules{offloaded=\"partial\"} "
		"%" PRIu64 "\nhepflow_rules{offloaded=\"no\"} %" PRIu64 "\n",
		whole, part, (uint64_t)n - whole - part);
	free(rows);
	deliveries(d, out);
	return 0;
}

static void reasons(const struct hf_daemon *d, FILE *out, bool bytes)
{
	const char *name = bytes ? "software_bytes_total" : "software_packets_total";
	unsigned int r;

	head(out, name, "counter",
		bytes ? "Bytes that came to software, by what became of them and why."
		      : "Packets that came to software, by what became of them and why.");
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		struct hf_soft_count c = hf_soft_count_reason(d->soft, r);

		fprintf(out, "hepflow_%s{reason=\"%s\",verdict=\"%s\"} %" PRIu64 "\n", name,
			hf_soft_reason_name(r), hf_soft_reason_passes(r) ? "pass" : "drop",
			bytes ? c.bytes : c.packets);
	}
}

static void tables(const struct hf_daemon *d, FILE *out)
{
	struct hf_soft_table_counts t;

	hf_soft_count_tables(d->soft, &t);
	gauge(out, "connections", "Connections in the table.", t.conns);
	gauge(out, "connections_max", "Room of the connection table.", t.conns_max);
	gauge(out, "connections_offloaded", "Rules for single connections in the NICs.",
		hf_handover_count(d));
	gauge(out, "connections_translated", "Connections whose backend was chosen here.",
		t.conns_translated);
	counter(out, "connections_made_total", "Connections made.", t.conns_made);
	counter(out, "connections_expired_total", "Connections that have timed out.",
		t.conns_expired);
	counter(out, "connections_evicted_total", "Connections that had to make room.",
		t.conns_evicted);
	gauge(out, "fragments", "Datagrams in pieces that are remembered.", t.frags);
}

static void ports(const struct hf_daemon *d, FILE *out)
{
	static const struct {
		const char *name;
		const char *help;
		size_t at;
	} kinds[] = {
		{"port_rx_packets_total", "Packets received.",
			offsetof(struct hf_port_stats, rx_packets)},
		{"port_tx_packets_total", "Packets sent.",
			offsetof(struct hf_port_stats, tx_packets)},
		{"port_rx_missed_total", "Packets that the port had no room for.",
			offsetof(struct hf_port_stats, rx_missed)},
		{"port_rx_errors_total", "Packets received with an error.",
			offsetof(struct hf_port_stats, rx_errors)},
		{"port_tx_errors_total", "Packets that could not be sent.",
			offsetof(struct hf_port_stats, tx_errors)},
	};
	struct hf_port_stats s;
	uint64_t value;
	size_t k, i;

	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		head(out, kinds[k].name, "counter", kinds[k].help);
		for (i = 0; i < 2 * d->n_wires; i++) {
			const struct hf_wire *w = &d->wires[i / 2];

			if (i % 2 && !w->inner)
				continue;
			if (hf_port_read_stats(i % 2 ? w->inner : w->outer, &s) < 0)
				continue;
			memcpy(&value, (const char *)&s + kinds[k].at, sizeof(value));
			fprintf(out, "hepflow_%s{port=\"%s\",side=\"%s\"} %" PRIu64 "\n",
				kinds[k].name, w->outer_conf->name, i % 2 ? "inner" : "outer",
				value);
		}
	}
}

static void offload(const struct hf_daemon *d, FILE *out)
{
	static const char *const names[] = {
		"asked", "inserted", "deleted", "refused", "query_error"};
	struct hf_sync_stats s;
	size_t i, k;

	head(out, "nic_entries", "gauge", "Entries in the NIC.");
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			fprintf(out, "hepflow_nic_entries{port=\"%s\"} %zu\n",
				d->wires[i].outer_conf->name, hf_sync_n_rules(d->wires[i].sync));
	}
	head(out, "nic_lost_entries_total", "counter", "Entries that the NIC had lost.");
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			fprintf(out, "hepflow_nic_lost_entries_total{port=\"%s\"} %" PRIu64 "\n",
				d->wires[i].outer_conf->name, d->wires[i].lost);
	}
	head(out, "port_gone", "gauge", "1: a device is gone, nothing passes.");
	for (i = 0; i < d->n_wires; i++)
		fprintf(out, "hepflow_port_gone{port=\"%s\"} %d\n", d->wires[i].outer_conf->name,
			d->wires[i].down[0] != '\0');
	head(out, "nic_operations_total", "counter", "Operations on the NIC, by what they were.");
	for (i = 0; i < d->n_wires; i++) {
		if (!d->wires[i].sync)
			continue;
		hf_sync_read_stats(d->wires[i].sync, &s);
		const uint64_t values[] = {
			s.asked, s.inserted, s.deleted, s.refused, s.query_errors};

		for (k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			fprintf(out,
				"hepflow_nic_operations_total{port=\"%s\",operation=\"%s\"} "
				"%" PRIu64 "\n",
				d->wires[i].outer_conf->name, names[k], values[k]);
	}
}

static void felix(const struct hf_daemon *d, FILE *out)
{
	struct hf_feed_status s;

	if (!d->feed)
		return;
	s = hf_feed_status(d->feed);
	gauge(out, "felix_connected", "Whether hepflow-felix is connected.", s.connected);
	gauge(out, "felix_in_sync", "Whether Felix has said everything on this connection.",
		s.in_sync);
	counter(out, "felix_messages_total", "Messages of Felix.", s.messages);
}

int hf_metrics_print(const struct hf_daemon *d, FILE *out)
{
	int rc;

	head(out, "build_info", "gauge", "Which hepflowd this is.");
	fprintf(out, "hepflow_build_info{version=\"%s\"} 1\n", HF_VERSION);
	gauge(out, "generation", "Number of the generation in force.", d->now->number);
	gauge(out, "generation_seconds", "When it was built, in seconds since 1970.",
		(uint64_t)d->now->built);
	gauge(out, "apply_failed", "Whether the last apply failed.", d->error[0] != '\0');
	gauge(out, "changes_held", "Whether changes wait for an operator.",
		d->held || d->confirm_by);
	rc = put_policies(d, out);
	if (rc < 0)
		return rc;
	reasons(d, out, false);
	reasons(d, out, true);
	tables(d, out);
	ports(d, out);
	offload(d, out);
	felix(d, out);
	return 0;
}
