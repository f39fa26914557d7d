/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Is it right, and can I still get in: verify, failsafe/check, profile/show.
 */

#include "commands.h"
#include "daemon.h"

#include <hepflow/check.h>
#include <hepflow/err.h>
#include <hepflow/ref.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE   512	    /* longer than any packet line */
#define NODES_MAX   4000000 /* some seconds and 200 MB; the control thread waits for it */
#define SOURCES_MAX 1024    /* other ends that a failsafe port is tried from */

/* Whether it is proven. */
static bool print_answer(
	const char *what, enum hf_check_answer answer, const struct hf_packet *pkt, FILE *out)
{
	char line[LINE_SIZE];

	switch (answer) {
	case HF_CHECK_PROVEN:
		fprintf(out, "%s: proven\n", what);
		return true;
	case HF_CHECK_REFUTED:
		(void)hf_packet_print(pkt, line, sizeof(line)); /* fits */
		fprintf(out, "%s: WRONG for %s\n", what, line);
		return false;
	case HF_CHECK_UNDECIDED:
		break;
	}
	fprintf(out, "%s: undecided: too large to prove here; flowgen check has no such limit\n",
		what);
	return false;
}

static int verify_rules(
	const struct hf_daemon *d, const char *iface, bool *proven, FILE *out, struct hf_err *err)
{
	static const struct hf_check_opts opts = {.max_nodes = NODES_MAX};
	struct hf_check_rules check;
	char what[64];
	int rc = hf_check_rules(d->now->model, d->now->rules, iface, &opts, &check, err);

	if (rc < 0)
		return rc;
	(void)snprintf(what, sizeof(what), "%s by the rules", iface);
	*proven = print_answer(what, check.answer, &check.pkt, out) && *proven;
	return 0;
}

static int verify_plan(const struct hf_daemon *d, const struct hf_wire *w,
	const struct hf_plan *plan, bool *proven, FILE *out, struct hf_err *err)
{
	static const struct hf_check_opts opts = {.max_nodes = NODES_MAX};
	size_t n = hf_plan_n_entries(plan), i;
	struct hf_entry *entries = calloc(n + 1, sizeof(*entries));
	struct hf_check_view view = {
		.nic = w->nic,
		.iface = hf_plan_iface(plan),
		.n_tables = hf_plan_n_tables(plan),
		.n_entries = n,
		.entries = entries,
		.eswitch = *hf_plan_eswitch(plan),
	};
	struct hf_check check;
	char what[128];
	int rc;

	if (!entries)
		return hf_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < n; i++)
		entries[i] = *hf_plan_entry(plan, i);
	rc = hf_check_plan(d->now->model, &view, &opts, &check, err);
	free(entries);
	if (rc < 0)
		return rc;
	(void)snprintf(what, sizeof(what), "%s on %s, %zu entries", view.iface, w->nic->name, n);
	*proven = print_answer(what, check.answer, &check.wrong.pkt, out) && *proven;
	hf_check_fini(&check);
	return 0;
}

/* What is not proven is an error, so that scripts notice. */
int cmd_verify(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	bool proven = true;
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? 0 : hf_fail(err, -ENOMEM, "out of memory");

	for (i = 0; i < d->n_wires && rc == 0; i++) {
		if (!d->now->plans[i])
			continue;
		rc = verify_rules(d, d->wires[i].outer_conf->name, &proven, out, err);
		if (rc == 0)
			rc = verify_plan(d, &d->wires[i], d->now->plans[i], &proven, out, err);
	}
	if (out && fclose(out) && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0 && proven)
		fputs(text, call->out);
	else if (rc == 0)
		rc = hf_fail(err, -EPROTO, "%s", text);
	free(text);
	return rc;
}

/* Other ends that policy may tell apart: the edges of every set, and somebody from nowhere. */
struct sources {
	size_t n;
	struct hf_addr v[SOURCES_MAX];
};

static void add_source(struct sources *s, const struct hf_addr *addr)
{
	if (s->n < SOURCES_MAX)
		s->v[s->n++] = *addr;
}

static void find_sources(const struct hf_rules *rules, struct sources *ret)
{
	static const struct hf_addr somebody[] = {
		{4, {198, 51, 100, 7}}, {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}}};
	size_t i, k;

	ret->n = 0;
	add_source(ret, &somebody[0]);
	add_source(ret, &somebody[1]);
	for (i = 0; i < hf_rules_n_sets(rules); i++) {
		const struct hf_set *set = hf_rules_set(rules, i);

		for (k = 0; k < set->n_nets; k++) {
			struct hf_addr last = hf_prefix_last(&set->nets[k]);

			add_source(ret, &set->nets[k].addr);
			add_source(ret, &last);
		}
	}
}

struct tried {
	const struct hf_daemon *d;
	size_t wire;
	size_t n;
	FILE *out;
	unsigned int bad;
};

/* A new connection from src to one of our addresses, by the law and by the NIC. */
static void try_one(struct tried *t, const struct hf_failsafe_port *port, const struct hf_addr *src,
	const struct hf_addr *dst)
{
	struct hf_packet pkt = {
		.src = *src,
		.dst = *dst,
		.proto = port->proto,
		.sport = 40000,
		.dport = port->port,
		.tcp_flags = port->proto == HF_PROTO_TCP ? HF_TCP_SYN : 0,
	};
	const struct hf_plan *plan = t->d->now->plans[t->wire];
	struct hf_ref_result r;
	char line[LINE_SIZE];
	size_t entry;

	if (port->net.addr.family && !hf_prefix_has(&port->net, src))
		return;
	strcpy(pkt.in, t->d->wires[t->wire].outer_conf->name); /* the same size */
	if (hf_ref_eval(t->d->now->model, &pkt, NULL, NULL, &r, NULL) < 0)
		return;
	t->n++;
	if (r.verdict != HF_VERDICT_DENY && hf_plan_judge(plan, &pkt, &entry) != HF_FATE_DENY)
		return;
	(void)hf_packet_print(&pkt, line, sizeof(line)); /* fits */
	if (t->bad++ < 10)
		fprintf(t->out, "%s: denied by %s\n", line,
			r.verdict == HF_VERDICT_DENY ? r.origin : "an entry of the NIC");
}

static void try_wire(struct tried *t, const struct sources *src)
{
	const struct hf_rules *rules = t->d->now->rules;
	const struct hf_model *model = t->d->now->model;
	size_t i, k, n;

	for (n = 0; n < hf_model_n_failsafes(model, false); n++) {
		struct hf_failsafe_port port = hf_model_failsafe(model, false, n);

		for (i = 0; i < hf_rules_n_dests(rules); i++) {
			const struct hf_dest *dst = hf_rules_dest(rules, i);

			/* Addresses of the host itself; broadcast is nobody's way in. */
			if (dst->class != HF_CLASS_HOST ||
				dst->net.len != hf_addr_bits(&dst->net.addr))
				continue;
			for (k = 0; k < src->n; k++) {
				if (src->v[k].family == dst->net.addr.family)
					try_one(t, &port, &src->v[k], &dst->net.addr);
			}
		}
	}
}

int cmd_failsafe_check(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct sources *src = malloc(sizeof(*src));
	char *text = NULL;
	size_t size, i, n = 0;
	unsigned int bad = 0;
	FILE *out = open_memstream(&text, &size);
	int rc = 0;

	if (src && out) {
		find_sources(d->now->rules, src);
		for (i = 0; i < d->n_wires; i++) {
			struct tried t = {.d = d, .wire = i, .out = out};

			if (!d->now->plans[i])
				continue;
			try_wire(&t, src);
			n += t.n;
			bad += t.bad;
		}
	}
	if (!src || !out || fclose(out))
		rc = hf_fail(err, -ENOMEM, "out of memory");
	else if (hf_model_n_failsafes(d->now->model, false) == 0)
		rc = hf_fail(err, -ENOENT,
			"no failsafe ports are configured: policy alone decides who gets in");
	else if (bad)
		rc = hf_fail(err, -EPERM, "%u of %zu ways in are closed:\n%s", bad, n, text);
	else
		fprintf(call->out, "ok: %zu failsafe ports, %zu ways in tried\n",
			hf_model_n_failsafes(d->now->model, false), n);
	free(src);
	free(text);
	return rc;
}

static void print_profile(const struct hf_wire *w, FILE *out)
{
	const struct hf_nic *nic = w->nic;
	size_t i;

	fprintf(out, "%s: profile %s%s\n", w->outer_conf->name, nic->name,
		w->assumed ? " (none known for this device)" : "");
	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];

		fprintf(out, "  engine %s: %u groups, ", e->name, e->groups);
		if (e->capacity)
			fprintf(out, "%u rules\n", e->capacity);
		else
			fputs("no known limit of rules\n", out);
	}
}

int cmd_profile_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	size_t i, n = 0;

	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		if (!w->nic || (call->n_args && strcmp(call->args[0], w->outer_conf->name) != 0))
			continue;
		print_profile(w, call->out);
		n++;
	}
	if (n == 0)
		return hf_fail(err, -ENOENT, "no uplink%s%.40s", call->n_args ? " " : "",
			call->n_args ? call->args[0] : "");
	return 0;
}
