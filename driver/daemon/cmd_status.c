/* SPDX-License-Identifier: BSD-3-Clause */

/* What runs, in which state, and where: status, port/list, explain. */

#include "apply.h"
#include "commands.h"
#include "daemon.h"
#include "enforce.h"
#include "feed.h"

#include "flow/sync.h"
#include "port/port.h"

#include <hepflow/base/clock.h>
#include <hepflow/ref.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAMP_SIZE 32
#define LINE_SIZE  1024 /* longer than any packet line with every key */

static const char *stamp(time_t t, char buf[static STAMP_SIZE])
{
	struct tm tm;

	(void)strftime(buf, STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm)); /* fits */
	return buf;
}

/* How much of a plan is in hardware, as hf_plan_print() counts it. */
struct share {
	size_t whole;
	size_t part;
	size_t relevant; /* what concerns arriving packets */
};

static struct share share_of(const struct hf_wire *w, const struct hf_plan *plan)
{
	struct share s = {0};
	size_t i;

	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (a->reason == HF_REASON_DIRECTION)
			continue;
		s.relevant++;
		s.whole += a->share == HF_SHARE_WHOLE && !w->reject[0];
		s.part += a->share == HF_SHARE_PART && !w->reject[0];
	}
	return s;
}

static const char *inner_name(const struct hf_wire *w)
{
	return w->inner_conf ? w->inner_conf->devargs : "kernel";
}

/* When hepflowd is not there; docs/config.md. */
static const char *fail_mode(const struct hf_wire *w)
{
	enum hf_fail_mode mode = hf_profiles_fail_mode(w->nic, w->ports.plan.on);

	return mode == HF_FAIL_OPEN ? "open" : "closed";
}

static const char *fallback_name(const struct hf_daemon *d)
{
	return d->config->kernel_fallback ? "kernel" : "software";
}

static void print_wire(const struct hf_daemon *d, size_t i, FILE *out)
{
	const struct hf_wire *w = &d->wires[i];
	struct share s;

	fprintf(out, "  %s: role %s, wire %s <-> %s", w->outer_conf->name,
		hf_role_name(w->outer_conf->role), w->outer_conf->devargs, inner_name(w));
	if (!w->nic) {
		fputc('\n', out);
		return;
	}
	s = share_of(w, d->now->plans[i]);
	fprintf(out,
		"\n    profile %s%s, offloaded %zu/%zu rules (%zu in part), %zu entries in the "
		"NIC\n",
		w->nic->name, w->assumed ? " (none known)" : "", s.whole, s.relevant, s.part,
		w->sync ? hf_sync_n_rules(w->sync) : 0);
	fprintf(out, "    fail-mode %s%s\n", fail_mode(w),
		w->ports.plan.on ? ", e-switch: rules between ports" : "");
	if (w->down[0])
		fprintf(out, "    nothing passes: %s; tried again every second\n", w->down);
	else if (!hf_port_link(w->outer))
		fputs("    nothing passes: the link is down\n", out);
	if (w->sync && w->cannot_tell)
		fputs("    in the card: the driver cannot tell\n", out);
	else if (w->sync && w->looked_at)
		fprintf(out,
			"    in the card: looked for %" PRIu64 " s ago, lost so far: %" PRIu64 "\n",
			(hf_clock_ms() - w->looked_at) / 1000, w->lost);
	if (w->reject[0])
		fprintf(out, "    not offloaded: pmd-reject:%s; tried again every %u s\n",
			w->reject, w->retry_s);
	if (w->sync && hf_sync_n_stuck(w->sync) > 0)
		fprintf(out, "    %zu old entries cannot be removed from the NIC\n",
			hf_sync_n_stuck(w->sync));
}

static json_t *wire_json(const struct hf_daemon *d, size_t i)
{
	const struct hf_wire *w = &d->wires[i];
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "name", w->outer_conf->name, "role",
		hf_role_name(w->outer_conf->role), "outer", w->outer_conf->devargs, "inner",
		inner_name(w));
	struct share s;

	if (!j || !w->nic)
		return j;
	s = share_of(w, d->now->plans[i]);
	(void)json_object_update_new(
		j, json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:s?, s:s?, s:I}",
			   "profile", w->nic->name, "failMode", fail_mode(w), "eswitch",
			   w->ports.plan.on, "profileAssumed", w->assumed, "offloaded",
			   (json_int_t)s.whole, "offloadedInPart", (json_int_t)s.part, "rules",
			   (json_int_t)s.relevant, "entries",
			   (json_int_t)(w->sync ? hf_sync_n_rules(w->sync) : 0), "stuck",
			   (json_int_t)(w->sync ? hf_sync_n_stuck(w->sync) : 0), "reject",
			   w->reject[0] ? w->reject : NULL, "down", w->down[0] ? w->down : NULL,
			   "lost", (json_int_t)w->lost));
	return j;
}

static json_t *felix_json(const struct hf_daemon *d)
{
	struct hf_feed_status s;

	if (!d->feed)
		return json_null();
	s = hf_feed_status(d->feed);
	return json_pack("{s:b, s:b, s:b, s:I, s:I, s:s?}", "connected", s.connected, "inSync",
		s.in_sync, "adopted", s.adopted, "messages", (json_int_t)s.messages, "connections",
		(json_int_t)s.connections, "error", s.error[0] ? s.error : NULL);
}

static void print_felix(const struct hf_daemon *d, FILE *out)
{
	struct hf_feed_status s;

	if (!d->feed)
		return;
	s = hf_feed_status(d->feed);
	fprintf(out, "felix: %s, %s, %" PRIu64 " messages in %" PRIu64 " connections%s%s\n",
		s.connected ? "connected" : "not connected",
		s.in_sync		 ? "in sync"
		: s.adopted		 ? "policy is what an earlier hepflowd had saved"
		: hf_feed_state(d->feed) ? "policy is what it said last"
					 : "has not spoken yet",
		s.messages, s.connections, s.error[0] ? "; " : "", s.error);
	if (d->save_error[0])
		fprintf(out,
			"felix: a restart would not know this policy: %s; tried again every 2 s\n",
			d->save_error);
}

/* What keeps changes from being applied. */
static void print_pending(const struct hf_daemon *d, FILE *out)
{
	size_t i;

	if (d->confirm_by)
		fprintf(out, "waits to be confirmed, or generation %u is back\n", d->back_to);
	if (d->held)
		fputs("rolled back: what files and Felix say waits for apply\n", out);
	if (d->missed)
		fputs("a change has come meanwhile\n", out);
	fputs("can go back to:", out);
	for (i = 0; i < d->n_old; i++)
		fprintf(out, " %u", d->old[i]->number);
	fputs(d->n_old ? "\n" : " nothing\n", out);
}

/* Whether what is in force was proven, and what the last apply failed for if that was the reason.
 */
static void print_proof(const struct hf_daemon *d, FILE *out)
{
	static const char *const answers[] = {
		[HF_CHECK_UNDECIDED] = "undecided",
		[HF_CHECK_PROVEN] = "proven",
		[HF_CHECK_REFUTED] = "WRONG",
	};
	const struct hf_proof *p = &d->proof;
	unsigned int number;
	uint64_t ms;

	if (hf_apply_is_proving(d, &number, &ms))
		fprintf(out, "proof: generation %u is being proven, for %" PRIu64 " ms now\n",
			number, ms);
	fprintf(out, "proof: generation %u, %zu rules: ", d->proven_no, p->n_rules);
	if (p->too_large)
		fprintf(out, "not asked (%s)\n", p->text);
	else
		fprintf(out, "%s after %u ms%s%s\n", answers[p->answer], p->ms,
			p->text[0] ? ": " : "", p->text);
}

static json_t *proof_json(const struct hf_daemon *d)
{
	static const char *const answers[] = {
		[HF_CHECK_UNDECIDED] = "undecided",
		[HF_CHECK_PROVEN] = "proven",
		[HF_CHECK_REFUTED] = "wrong",
	};
	const struct hf_proof *p = &d->proof;

	return json_pack("{s:i, s:s, s:I, s:i, s:s?}", "generation", (int)d->proven_no, "answer",
		p->too_large ? "not-asked" : answers[p->answer], "rules", (json_int_t)p->n_rules,
		"ms", (int)p->ms, "text", p->text[0] ? p->text : NULL);
}

static json_t *proving_json(const struct hf_daemon *d)
{
	unsigned int number;
	uint64_t ms;

	if (!hf_apply_is_proving(d, &number, &ms))
		return json_null();
	return json_pack("{s:i, s:I}", "generation", (int)number, "ms", (json_int_t)ms);
}

static int status_json(
	const struct hf_daemon *d, const struct hf_rpc_call *call, struct hf_err *err)
{
	json_t *wires = json_array(), *warnings = json_array();
	char at[STAMP_SIZE];
	size_t i;

	for (i = 0; i < d->n_wires; i++)
		(void)json_array_append_new(wires, wire_json(d, i));
	for (i = 0; i < hf_model_n_warnings(d->now->model); i++)
		(void)json_array_append_new(
			warnings, json_string(hf_model_warning(d->now->model, i)));
	return commands_print_json(call,
		json_pack("{s:i, s:s, s:i, s:s, s:i, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:b, s:b, "
			  "s:o, s:o}",
			"schema", 1, "version", HF_VERSION, "pid", (int)getpid(), "node",
			hf_model_node(d->now->model), "generation", (int)d->now->number, "applied",
			stamp(d->now->built, at), "fallback", fallback_name(d), "error",
			d->error[0] ? d->error : NULL, "ports", wires, "warnings", warnings,
			"felix", felix_json(d), "unconfirmed",
			d->confirm_by ? json_pack("{s:i}", "backTo", (int)d->back_to) : json_null(),
			"held", d->held, "changeWaits", d->missed, "proof", proof_json(d),
			"proving", proving_json(d)),
		err);
}

int cmd_status(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	char at[STAMP_SIZE];
	size_t i, n = hf_model_n_warnings(d->now->model);

	if (call->json)
		return status_json(d, call, err);
	fprintf(call->out, "%s %s, pid %ld\n", HF_PROGRAM, HF_VERSION, (long)getpid());
	fprintf(call->out, "node: %s\n", hf_model_node(d->now->model));
	fprintf(call->out, "generation: %u, applied %s\n", d->now->number,
		stamp(d->now->built, at));
	print_pending(d, call->out);
	if (d->error[0])
		fprintf(call->out, "last apply: failed %s: %s%s\n", stamp(d->error_time, at),
			d->error, d->retry_at ? "; it is tried again" : "");
	else
		fputs("last apply: ok\n", call->out);
	print_proof(d, call->out);
	print_felix(d, call->out);
	fprintf(call->out, "fallback: %s, poll: %s\n", fallback_name(d),
		d->config->poll == HF_POLL_BUSY ? "busy" : "adaptive");
	fputs("ports:\n", call->out);
	for (i = 0; i < d->n_wires; i++)
		print_wire(d, i, call->out);
	fprintf(call->out, "warnings: %zu\n", n);
	for (i = 0; i < n; i++)
		fprintf(call->out, "  %s\n", hf_model_warning(d->now->model, i));
	return 0;
}

static void print_port(const struct hf_conf_port *conf, const struct hf_port *port,
	const struct hf_nic *nic, FILE *out)
{
	struct hf_port_stats s = {0};

	(void)hf_port_read_stats(port, &s); /* a driver without statistics shows zeros */
	fprintf(out,
		"%-15s %-8s %4u %-14s %6u %-4s %-15s %12" PRIu64 " %12" PRIu64 " %8" PRIu64
		" %8" PRIu64 "\n",
		conf->name, hf_role_name(conf->role), hf_port_id(port), hf_port_driver(port),
		hf_port_n_queues(port), hf_port_link(port) ? "up" : "down", nic ? nic->name : "-",
		s.rx_packets, s.tx_packets, s.rx_missed, s.rx_errors + s.tx_errors);
}

/* What a driver does not count is null. */
static json_t *port_json(
	const struct hf_conf_port *conf, const struct hf_port *port, const struct hf_nic *nic)
{
	struct hf_port_stats s;
	json_t *j = json_pack("{s:s, s:s, s:i, s:s, s:i, s:b, s:s?}", "name", conf->name, "role",
		hf_role_name(conf->role), "port", hf_port_id(port), "driver", hf_port_driver(port),
		"queues", hf_port_n_queues(port), "link", hf_port_link(port), "profile",
		nic ? nic->name : NULL);

	if (hf_port_read_stats(port, &s) < 0)
		(void)json_object_set_new(j, "stats", json_null());
	else
		(void)json_object_set_new(j, "stats",
			json_pack("{s:I, s:I, s:I, s:I, s:I}", "rxPackets",
				(json_int_t)s.rx_packets, "txPackets", (json_int_t)s.tx_packets,
				"rxMissed", (json_int_t)s.rx_missed, "rxErrors",
				(json_int_t)s.rx_errors, "txErrors", (json_int_t)s.tx_errors));
	return j;
}

static json_t *ports_json(const struct hf_daemon *d)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		(void)json_array_append_new(list, port_json(w->outer_conf, w->outer, w->nic));
		if (w->inner)
			(void)json_array_append_new(list, port_json(w->inner_conf, w->inner, NULL));
	}
	return list;
}

int cmd_port_list(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	size_t i;

	if (call->json)
		return commands_print_json(
			call, json_pack("{s:i, s:o}", "schema", 1, "ports", ports_json(d)), err);

	fprintf(call->out, "%-15s %-8s %4s %-14s %6s %-4s %-15s %12s %12s %8s %8s\n", "NAME",
		"ROLE", "PORT", "DRIVER", "QUEUES", "LINK", "PROFILE", "RX", "TX", "MISSED",
		"ERRORS");
	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		print_port(w->outer_conf, w->outer, w->nic, call->out);
		if (w->inner)
			print_port(w->inner_conf, w->inner, NULL, call->out);
	}
	return 0;
}

static void print_step(void *arg, const char *step)
{
	fprintf(arg, "  %s\n", step);
}

static int find_wire(const struct hf_daemon *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (strcmp(d->wires[i].outer_conf->name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* Which entry of the NIC meets the packet, or why it is software's. */
static void print_place(
	const struct hf_daemon *d, const struct hf_packet *pkt, const char *origin, FILE *out)
{
	int wire = find_wire(d, pkt->in);

	if (wire < 0 || !d->now->plans[wire])
		fprintf(out, "%s: direction-egress; it does not arrive by an uplink\n",
			fallback_name(d));
	else if (d->wires[wire].reject[0])
		fprintf(out, "%s: pmd-reject:%s\n", fallback_name(d), d->wires[wire].reject);
	else
		hf_plan_explain(d->now->plans[wire], pkt, origin, out);
}

static void add_step(void *arg, const char *step)
{
	(void)json_array_append_new(arg, json_string(step));
}

static int explain_json(const struct hf_daemon *d, const struct hf_packet *pkt, const char *line,
	const struct hf_rpc_call *call, struct hf_err *err)
{
	json_t *steps = json_array(), *where = NULL;
	struct hf_ref_result result;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	/* It has been judged before, and cannot fail now. */
	(void)hf_ref_eval(d->now->model, pkt, add_step, steps, &result, err);
	if (out) {
		print_place(d, pkt, result.origin, out);
		if (fclose(out) == 0)
			where = json_stringn(text, size ? size - 1 : 0); /* without the newline */
	}
	free(text);
	return commands_print_json(call,
		json_pack("{s:i, s:s, s:o, s:s, s:s, s:o}", "schema", 1, "packet", line, "steps",
			steps, "verdict", hf_verdict_name(result.verdict), "origin", result.origin,
			"where", where),
		err);
}

int cmd_explain(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct hf_ref_result result;
	struct hf_packet pkt;
	char line[LINE_SIZE] = "";
	size_t i, len = 0;
	int rc;

	for (i = 0; i < call->n_args; i++) {
		len += (size_t)snprintf(
			line + len, sizeof(line) - len, "%s%s", i ? " " : "", call->args[i]);
		if (len >= sizeof(line))
			return hf_fail(err, -E2BIG, "the packet line is too long");
	}
	rc = hf_packet_parse(line, &pkt, err);
	if (rc == 0)
		rc = hf_ref_eval(d->now->model, &pkt, NULL, NULL, &result, err);
	if (rc < 0)
		return rc;
	(void)hf_packet_print(&pkt, line, sizeof(line)); /* no longer than what was parsed */
	if (call->json)
		return explain_json(d, &pkt, line, call, err);
	fprintf(call->out, "packet: %s\n", line);
	(void)hf_ref_eval(d->now->model, &pkt, print_step, call->out, &result, err); /* as above */
	fprintf(call->out, "verdict: %s\norigin: %s\n", hf_verdict_name(result.verdict),
		result.origin);
	print_place(d, &pkt, result.origin, call->out);
	return 0;
}
