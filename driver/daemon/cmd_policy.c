/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * policy/dump: what each rule has counted, and where it is enforced. Without a name a table of all
 * rules; with one the endpoint's policies in the order they are asked in.
 */

#include "commands.h"
#include "daemon.h"
#include "rows.h"

#include "flow/sync.h"
#include "soft/soft.h"

#include <hepflow/model.h>

#include <errno.h>
#include <inttypes.h>
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

static int dump_all(
	const struct hf_row *rows, size_t n, const struct hf_rpc_call *call, struct hf_err *err)
{
	json_t *list = call->json ? json_array() : NULL;
	size_t i;

	if (!call->json)
		fprintf(call->out, "%-44s %12s %14s %12s %14s %-8s %s\n", "POLICY", "HW-PACKETS",
			"HW-BYTES", "SW-PACKETS", "SW-BYTES", "OFFLOAD", "REASON");
	for (i = 0; i < n; i++) {
		if (call->json)
			(void)json_array_append_new(list, row_json(&rows[i]));
		else
			print_row(&rows[i], call->out);
	}
	if (!call->json)
		return 0;
	return commands_print_json(
		call, json_pack("{s:i, s:o}", "schema", 1, "policies", list), err);
}

/* Where the walk is, so that heads are printed once. */
struct tree {
	const struct hf_row *rows;
	size_t n;
	FILE *out;
	json_t *list; /* NULL: text */
	struct hf_model_step last;
};

static int by_name(const void *key, const void *row)
{
	return strcmp(key, ((const struct hf_row *)row)->origin);
}

static const struct hf_row *find_row(const struct tree *t, const char *origin)
{
	return origin ? bsearch(origin, t->rows, t->n, sizeof(*t->rows), by_name) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void print_heads(struct tree *t, const struct hf_model_step *s)
{
	bool hook = !same(t->last.chain, s->chain) || t->last.egress != s->egress;
	bool tier = hook || !same(t->last.tier, s->tier);

	if (hook)
		fprintf(t->out, "Hook: %s %s\n", s->chain, s->egress ? "egress" : "ingress");
	if (tier && s->tier)
		fprintf(t->out, "  Tier: %s\n", s->tier);
	if (s->policy && (tier || !same(t->last.policy, s->policy)))
		fprintf(t->out, "    %s: %s%s\n", s->tier ? "Policy" : "Profile", s->policy,
			s->staged   ? " (staged)"
			: s->action ? ""
				    : " (no rules)");
	t->last = *s;
}

static void print_step(void *arg, const struct hf_model_step *s)
{
	char p[NUMBER_SIZE], reason[HF_ERR_SIZE + 16];
	struct tree *t = arg;
	const struct hf_row *r = find_row(t, s->origin);

	print_heads(t, s);
	if (!s->action)
		return;
	fprintf(t->out, "      %s: %s", s->policy ? "Rule" : "End of tier", s->action);
	if (s->policy)
		fprintf(t->out, ", %s", s->origin);
	if (r)
		fprintf(t->out, ", hw packets:%s, sw packets:%" PRIu64 ", offloaded:%s",
			print_count(r->hw.known, r->hw.packets, p), r->sw.packets,
			hf_row_share_name(r->share));
	if (r && r->share != HF_SHARE_WHOLE)
		fprintf(t->out, ", reason:%s", print_reason(r, reason, sizeof(reason)));
	fputs(r || !s->policy ? "\n" : ", never reached\n", t->out);
}

static void add_step(void *arg, const struct hf_model_step *s)
{
	struct tree *t = arg;
	const struct hf_row *r = find_row(t, s->origin);
	json_t *j = r ? row_json(r) : json_pack("{s:s?}", "origin", s->origin);

	(void)json_object_update_new(
		j, json_pack("{s:s, s:s, s:s?, s:s?, s:b, s:s?}", "chain", s->chain, "direction",
			   s->egress ? "egress" : "ingress", "tier", s->tier, "policy", s->policy,
			   "staged", s->staged, "action", s->action));
	(void)json_array_append_new(t->list, j);
}

static int dump_endpoint(const struct hf_daemon *d, struct tree *t, const struct hf_rpc_call *call,
	struct hf_err *err)
{
	const char *name = call->args[0], *endpoint;
	char *text = NULL;
	size_t size;

	t->list = call->json ? json_array() : NULL;
	t->out = open_memstream(&text, &size);
	if (!t->out) {
		json_decref(t->list);
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	endpoint =
		hf_model_walk_endpoint(d->now->model, name, call->json ? add_step : print_step, t);
	if (fclose(t->out) != 0) {
		free(text);
		json_decref(t->list);
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	if (endpoint && !call->json)
		fprintf(call->out, "Endpoint: %s\n%s", endpoint, text);
	free(text);
	if (endpoint && call->json)
		return commands_print_json(call,
			json_pack("{s:i, s:s, s:o}", "schema", 1, "endpoint", endpoint, "steps",
				t->list),
			err);
	json_decref(t->list);
	return endpoint ? 0
			: hf_fail(err, -ENOENT,
				  "no host endpoint of this node and no interface with one is "
				  "called "
				  "%.80s",
				  name);
}

int cmd_policy_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct hf_row *rows;
	size_t i;
	int n, rc;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			hf_sync_poll(d->wires[i].sync);
	}
	n = hf_rows_make(d, &rows);
	if (n < 0)
		return hf_fail(err, n, "out of memory");
	if (call->n_args) {
		struct tree t = {.rows = rows, .n = (size_t)n};

		rc = dump_endpoint(d, &t, call, err);
	} else {
		rc = dump_all(rows, (size_t)n, call, err);
	}
	free(rows);
	return rc;
}
