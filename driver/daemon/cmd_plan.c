/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * plan: what an apply would change, without changing it. Everything is built aside as an apply does
 * it, and compared with what is in force.
 */

#include "commands.h"
#include "daemon.h"
#include "feed.h"
#include "kernel.h"

#include "flow/sync.h"

#include <hepflow/diff.h>
#include <hepflow/witness.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WITNESS_MS 200

int cmd_plan_show(void *arg, const struct hf_rpc_call *call, struct hf_err *)
{
	struct hf_daemon *d = arg;
	size_t i, n = 0;

	for (i = 0; i < d->n_wires; i++) {
		if (!d->now->plans[i])
			continue;
		hf_plan_print(d->now->plans[i], call->out);
		n++;
	}
	if (n == 0)
		fputs("no uplink\n", call->out);
	return 0;
}

/* "-f PATH" and "-f=PATH", as often as one likes: other policy than what the configuration names.
 */
static int read_paths(const struct hf_rpc_call *call, struct hf_conf_text *paths, size_t *ret_n,
	struct hf_err *err)
{
	size_t i, n = 0;

	for (i = 0; i < call->n_args; i++) {
		const char *a = call->args[i];

		if (strncmp(a, "-f=", 3) == 0)
			a += 3;
		else if (strcmp(a, "-f") == 0 && i + 1 < call->n_args)
			a = call->args[++i];
		else
			return hf_fail(err, -EINVAL, "plan: unknown argument '%.80s'", a);
		if (a[0] != '/')
			return hf_fail(err, -EINVAL, "'%.200s': an absolute path is needed", a);
		paths[n++] = (struct hf_conf_text){.text = a};
	}
	*ret_n = n;
	return 0;
}

static int build_next(const struct hf_daemon *d, const struct hf_rpc_call *call,
	struct hf_generation **ret, struct hf_err *err)
{
	struct hf_conf_text paths[HF_RPC_ARGS_MAX];
	struct hf_config config = *d->config;
	struct hf_inputs in = {
		.config = &config,
		.profiles = &d->profiles,
		.felix = d->feed ? hf_feed_state(d->feed) : NULL,
		.host = d->kernel ? hf_kernel_host(d->kernel) : NULL,
		.trial = true,
	};
	size_t n = 0;
	int rc = read_paths(call, paths, &n, err);

	if (rc < 0)
		return rc;
	if (n) {
		config.n_policies = n;
		config.policies = paths;
	}
	return hf_generation_build(&in, d->last_number + 1, d->now, ret, err);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of a generation's rules, sorted, to be freed; jumps between tables have none. */
static const char **list_origins(const struct hf_rules *rules, size_t *ret_n)
{
	size_t i, n = 0, all = hf_rules_n_origins(rules);
	const char **v = calloc(all + 1, sizeof(*v));

	for (i = 0; v && i < all; i++) {
		if (hf_rules_origin(rules, (uint32_t)i)[0])
			v[n++] = hf_rules_origin(rules, (uint32_t)i);
	}
	if (v)
		qsort(v, n, sizeof(*v), by_text);
	*ret_n = n;
	return v;
}

static char *rules_text(const struct hf_rules *rules)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	hf_rules_print(rules, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* What is said about all uplinks together. */
struct outcome {
	FILE *out;
	json_t *uplinks;  /* NULL: text */
	json_t *names[2]; /* rules that go, rules that come */
	json_t *verdicts;
	bool differ; /* the rules do */
	bool changes;
};

static void put_name(struct outcome *o, const char *name, bool new)
{
	if (o->uplinks)
		(void)json_array_append_new(o->names[new], json_string(name));
	else
		fprintf(o->out, "%c %s\n", new ? '+' : '-', name);
}

/* Rules of either side that the other does not have by that name, and whether any differs. */
static int compare_rules(const struct hf_rules *old, const struct hf_rules *new, struct outcome *o)
{
	size_t n_a, n_b, i = 0, k = 0;
	const char **a = list_origins(old, &n_a), **b = list_origins(new, &n_b);
	char *old_text = rules_text(old), *new_text = rules_text(new);
	bool ok = a && b && old_text && new_text;

	while (ok && (i < n_a || k < n_b)) {
		int c = i == n_a ? 1 : k == n_b ? -1 : strcmp(a[i], b[k]);

		if (c < 0)
			put_name(o, a[i], false);
		else if (c > 0)
			put_name(o, b[k], true);
		i += c <= 0;
		k += c >= 0;
	}
	o->differ = ok && strcmp(old_text, new_text) != 0;
	o->changes = o->changes || o->differ;
	free(old_text);
	free(new_text);
	free(a);
	free(b);
	return ok ? 0 : -ENOMEM;
}

/* What a creation has taken on average so far, for all operations; 0: nobody knows. */
static double estimate_us(const struct hf_wire *w, const struct hf_diff *diff)
{
	struct hf_sync_stats s;

	if (!w->sync)
		return 0;
	hf_sync_read_stats(w->sync, &s);
	return s.mean_us * (double)hf_diff_n_ops(diff);
}

static json_t *uplink_json(const struct hf_wire *w, const struct hf_diff *diff,
	const struct hf_plan *old, const struct hf_plan *new)
{
	uint32_t capacity = hf_plan_capacity(new);
	json_t *ops = json_array(), *j;
	char *text = NULL;
	size_t i, size;

	for (i = 0; i < hf_diff_n_ops(diff); i++) {
		FILE *f = open_memstream(&text, &size);

		if (!f)
			break;
		hf_diff_op_print(hf_diff_op(diff, i), f);
		if (fclose(f) == 0 && size > 0)
			(void)json_array_append_new(ops, json_stringn(text, size - 1));
		free(text);
	}
	j = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "name",
		w->outer_conf->name, "profile", w->nic->name, "adds",
		(json_int_t)hf_diff_n_adds(diff), "deletes", (json_int_t)hf_diff_n_deletes(diff),
		"keeps", (json_int_t)hf_diff_n_keeps(diff), "before",
		(json_int_t)hf_plan_n_entries(old), "after", (json_int_t)hf_plan_n_entries(new),
		"peak", (json_int_t)hf_diff_peak(diff), "estimateUs", estimate_us(w, diff),
		"operations", ops);
	(void)json_object_set_new(j, "capacity", capacity ? json_integer(capacity) : json_null());
	return j;
}

static void print_uplink(const struct hf_wire *w, const struct hf_diff *diff,
	const struct hf_plan *old, const struct hf_plan *new, FILE *out)
{
	uint32_t capacity = hf_plan_capacity(new);
	size_t i;

	fprintf(out, "plan %s on %s\n", w->outer_conf->name, w->nic->name);
	for (i = 0; i < hf_diff_n_ops(diff); i++)
		hf_diff_op_print(hf_diff_op(diff, i), out);
	fprintf(out, "adds %zu deletes %zu keeps %zu capacity %zu/%zu", hf_diff_n_adds(diff),
		hf_diff_n_deletes(diff), hf_diff_n_keeps(diff), hf_plan_n_entries(old),
		hf_plan_n_entries(new));
	if (capacity)
		fprintf(out, " of %" PRIu32, capacity);
	fprintf(out, ", at most %zu at a time, about %.0f us\n", hf_diff_peak(diff),
		estimate_us(w, diff));
}

static int compare_wire(const struct hf_wire *w, const struct hf_plan *old,
	const struct hf_plan *new, struct outcome *o, struct hf_err *err)
{
	struct hf_diff_opts opts = {.capacity = hf_plan_capacity(new)};
	struct hf_diff *diff;
	int rc = hf_diff_build(old, new, &opts, &diff, err);

	if (rc < 0)
		return rc;
	o->changes = o->changes || hf_diff_n_ops(diff) > 0;
	if (o->uplinks)
		(void)json_array_append_new(o->uplinks, uplink_json(w, diff, old, new));
	else
		print_uplink(w, diff, old, new, o->out);
	hf_diff_free(diff);
	return 0;
}

/* Packets for which the verdict changes, as many as are found in the time that others can wait. */
static int compare_verdicts(const struct hf_generation *old, const struct hf_generation *new,
	struct outcome *o, struct hf_err *err)
{
	const struct hf_witness_opts opts = {.ms = WITNESS_MS};
	struct hf_witnesses found;
	int rc = hf_witness_find(&(struct hf_witness_side){old->model, old->rules},
		&(struct hf_witness_side){new->model, new->rules}, &opts, &found, err);

	if (rc < 0)
		return rc;
	if (o->uplinks)
		o->verdicts = hf_witnesses_json(&found);
	else
		hf_witnesses_print(&found, o->out);
	return 0;
}

static int compare(const struct hf_daemon *d, const struct hf_generation *next, struct outcome *o,
	struct hf_err *err)
{
	size_t i;
	int rc = compare_rules(d->now->rules, next->rules, o);

	if (rc < 0)
		return hf_fail(err, rc, "out of memory");
	for (i = 0; i < d->n_wires && rc == 0; i++) {
		if (d->now->plans[i] && next->plans[i])
			rc = compare_wire(&d->wires[i], d->now->plans[i], next->plans[i], o, err);
	}
	if (rc == 0 && o->differ)
		rc = compare_verdicts(d->now, next, o, err);
	return rc;
}

int cmd_plan(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;
	struct hf_generation *next = NULL;
	struct outcome o = {0};
	char *text = NULL;
	size_t size;
	int rc = build_next(d, call, &next, err);

	if (rc < 0)
		return rc;
	if (call->json) {
		o.uplinks = json_array();
		o.names[0] = json_array();
		o.names[1] = json_array();
	}
	o.out = open_memstream(&text, &size);
	rc = o.out ? compare(d, next, &o, err) : hf_fail(err, -ENOMEM, "out of memory");
	if (o.out && fclose(o.out) != 0 && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	hf_generation_free(next);
	if (rc == 0 && !call->json)
		fprintf(call->out, "%s%s", o.changes ? text : "",
			o.changes ? "changes: yes\n" : "no changes\n");
	free(text);
	if (rc < 0 || !call->json) {
		json_decref(o.uplinks);
		json_decref(o.names[0]);
		json_decref(o.names[1]);
		json_decref(o.verdicts);
		return rc;
	}
	return commands_print_json(call,
		json_pack("{s:i, s:b, s:o, s:o, s:o, s:o}", "schema", 1, "changes", o.changes,
			"removed", o.names[0], "added", o.names[1], "ports", o.uplinks, "verdicts",
			o.verdicts ? o.verdicts : json_array()),
		err);
}
