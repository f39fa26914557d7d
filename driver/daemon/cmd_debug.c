/* SPDX-License-Identifier: BSD-3-Clause */

/* What people look at when something is odd: vlog/list, vlog/set, coverage/show, memory/show. */

#include "commands.h"
#include "daemon.h"
#include "feed.h"
#include "log.h"

#include "flow/sync.h"
#include "soft/soft.h"

#include <hepflow/err.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SPEC_SIZE 64

static void put_upper(const char *text, int width, FILE *out)
{
	int i;

	for (i = (int)strlen(text); i < width; i++)
		fputc(' ', out);
	for (; *text; text++)
		fputc(toupper((unsigned char)*text), out);
}

/* The form of Open vSwitch; there is one destination only, standard error. */
int cmd_vlog_list(void *, const struct hf_rpc_call *call, struct hf_err *)
{
	size_t i;

	fputs("                 console\n                 -------\n", call->out);
	for (i = 0; i < hf_log_n_modules(); i++) {
		fprintf(call->out, "%-16s", hf_log_module(i));
		put_upper(hf_log_level_name(hf_log_module_level(i)), 8, call->out);
		fputc('\n', call->out);
	}
	return 0;
}

/* LEVEL, MODULE:LEVEL, ANY:LEVEL or, as Open vSwitch has it, with "console" in between. */
static int read_spec(const char *spec, int *ret_module, enum hf_log_level *ret, struct hf_err *err)
{
	char buf[SPEC_SIZE], *word, *rest;
	bool level = false;

	*ret_module = -1;
	if (strlen(spec) >= sizeof(buf))
		return hf_fail(err, -EINVAL, "vlog/set: '%.40s...' is too long", spec);
	strcpy(buf, spec);
	for (word = strtok_r(buf, ": ", &rest); word; word = strtok_r(NULL, ": ", &rest)) {
		if (strcasecmp(word, "any") == 0 || strcasecmp(word, "console") == 0)
			continue;
		if (hf_log_level_parse(word, ret) == 0)
			level = true;
		else if (hf_log_find_module(word) >= 0)
			*ret_module = hf_log_find_module(word);
		else
			return hf_fail(err, -EINVAL,
				"vlog/set: '%s' is no module and no level (see vlog/list)", word);
	}
	if (!level)
		*ret = HF_LOG_DEBUG; /* as Open vSwitch does */
	return 0;
}

int cmd_vlog_set(void *, const struct hf_rpc_call *call, struct hf_err *err)
{
	enum hf_log_level level;
	size_t i, pass;
	int module, rc;

	/* Once to look, once to do. */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < call->n_args; i++) {
			rc = read_spec(call->args[i], &module, &level, err);
			if (rc < 0)
				return rc;
			if (pass == 1 && module >= 0)
				hf_log_set_module_level((size_t)module, level);
			else if (pass == 1)
				hf_log_set_level(level);
		}
	}
	return 0;
}

int cmd_vlog_reopen(void *, const struct hf_rpc_call *call, struct hf_err *)
{
	fputs("Logging to file not configured\n", call->out);
	return 0;
}

static void put_event(FILE *out, const char *name, uint64_t n, unsigned int *hidden)
{
	if (n)
		fprintf(out, "%-24s total: %" PRIu64 "\n", name, n);
	else
		(*hidden)++;
}

/* Events that have happened since the start; those that have not are counted at the end. */
int cmd_coverage_show(void *arg, const struct hf_rpc_call *call, struct hf_err *)
{
	const struct hf_daemon *d = arg;
	struct hf_soft_table_counts t;
	struct hf_sync_stats s, sum = {0};
	unsigned int hidden = 0, w;
	uint64_t sleeps = 0;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (!d->wires[i].sync)
			continue;
		hf_sync_read_stats(d->wires[i].sync, &s);
		sum.asked += s.asked;
		sum.deleted += s.deleted;
		sum.refused += s.refused;
		sum.query_errors += s.query_errors;
	}
	hf_soft_count_tables(d->soft, &t);
	fputs("Event coverage:\n", call->out);
	put_event(call->out, "generation", d->last_number, &hidden);
	put_event(call->out, "nic_create", sum.asked, &hidden);
	put_event(call->out, "nic_destroy", sum.deleted, &hidden);
	put_event(call->out, "nic_refused", sum.refused, &hidden);
	put_event(call->out, "nic_query_error", sum.query_errors, &hidden);
	put_event(call->out, "conn_made", t.conns_made, &hidden);
	put_event(call->out, "conn_expired", t.conns_expired, &hidden);
	put_event(call->out, "conn_evicted", t.conns_evicted, &hidden);
	put_event(call->out, "felix_message", d->feed ? hf_feed_status(d->feed).messages : 0,
		&hidden);
	for (w = 0; w < d->n_workers; w++)
		sleeps += atomic_load(&d->workers[w].sleeps);
	put_event(call->out, "worker_sleep", sleeps, &hidden);
	put_event(call->out, "log_error", hf_log_count(HF_LOG_ERROR), &hidden);
	put_event(call->out, "log_warn", hf_log_count(HF_LOG_WARN), &hidden);
	fprintf(call->out, "%u events never hit\n", hidden);
	return 0;
}

/* Pages of this process, from proc(5). */
static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long all, resident = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	(void)fclose(f); /* only read from */
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int cmd_memory_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct hf_soft_table_counts t;
	size_t entries = 0, n_rules = 0, i;
	json_t *j = call->json ? json_pack("{s:i}", "schema", 1) : NULL;

	for (i = 0; i < d->n_wires; i++)
		entries += d->wires[i].sync ? hf_sync_n_rules(d->wires[i].sync) : 0;
	for (i = 0; i < hf_rules_n_blocks(d->now->rules); i++)
		n_rules += hf_rules_block(d->now->rules, i)->n_rules;
	hf_soft_count_tables(d->soft, &t);
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"connections", t.conns},
		{"fragments", t.frags},
		{"generations", 1 + d->n_old + d->n_gone},
		{"nic-entries", entries},
		{"ports", d->config->n_ports},
		{"resident-kb", (uint64_t)resident_kb()},
		{"rules", n_rules},
		{"sets", hf_rules_n_sets(d->now->rules)},
	};

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (call->json)
			(void)json_object_set_new(
				j, rows[i].name, json_integer((json_int_t)rows[i].value));
		else
			fprintf(call->out, "%s%s:%" PRIu64, i ? " " : "", rows[i].name,
				rows[i].value);
	}
	if (call->json)
		return commands_print_json(call, j, err);
	fputc('\n', call->out);
	return 0;
}
