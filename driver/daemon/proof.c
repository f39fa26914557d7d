/* SPDX-License-Identifier: BSD-3-Clause */

#include "proof.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/ref.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE      512  /* longer than any packet line */
#define SOURCES_MAX    1024 /* other ends that a failsafe port is tried from */
#define SOURCES_BEFORE 16   /* before a change, which waits for it: some milliseconds, */
#define FAILSAFE_MS    1000 /* or with very many rules so long */
#define TOLD_MAX       10   /* closed ways in */

static size_t count_rules(const struct hf_rules *rules)
{
	size_t b, n = 0;

	for (b = 0; b < hf_rules_n_blocks(rules); b++)
		n += hf_rules_block(rules, b)->n_rules;
	return n;
}

struct prover {
	const struct hf_generation *g;
	const struct hf_inputs *in;
	struct hf_check_opts opts;
	uint64_t end; /* 0: no limit */
	FILE *out;
	struct hf_proof *ret;
};

/* What is left of the time; 0 would mean no limit. */
static void budget(struct prover *p)
{
	uint64_t now = hf_clock_ms();

	p->opts.max_ms = !p->end ? 0 : now < p->end ? (uint32_t)(p->end - now) : 1;
}

/* The worst answer of all counts, and the first of its kind is told. */
static void take(struct prover *p, const char *what, enum hf_check_answer answer,
	enum hf_check_limit limit, const struct hf_packet *pkt)
{
	char line[LINE_SIZE] = "", text[HF_ERR_SIZE];

	if (answer == HF_CHECK_REFUTED)
		(void)hf_packet_print(pkt, line, sizeof(line)); /* fits */
	(void)snprintf(text, sizeof(text), "%.128s: %s%.360s", what,
		answer == HF_CHECK_PROVEN    ? "proven"
		: answer == HF_CHECK_REFUTED ? "WRONG for "
					     : "undecided: ",
		answer == HF_CHECK_PROVEN    ? ""
		: answer == HF_CHECK_REFUTED ? line
					     : hf_check_limit_name(limit));
	if (p->out)
		fprintf(p->out, "%s\n", text);
	if (answer == HF_CHECK_PROVEN || p->ret->answer == HF_CHECK_REFUTED ||
		(answer == HF_CHECK_UNDECIDED && p->ret->answer == HF_CHECK_UNDECIDED))
		return;
	p->ret->answer = answer;
	memcpy(p->ret->text, text, sizeof(p->ret->text));
}

static int prove_rules(struct prover *p, const char *iface, struct hf_err *err)
{
	struct hf_check_rules check;
	char what[64];
	int rc;

	budget(p);
	rc = hf_check_rules(p->g->model, p->g->rules, iface, &p->opts, &check, err);
	if (rc < 0)
		return rc;
	(void)snprintf(what, sizeof(what), "%s by the rules", iface);
	take(p, what, check.answer, check.limit, &check.pkt);
	return 0;
}

static int prove_plan(
	struct prover *p, const struct hf_plan *plan, const struct hf_nic *nic, struct hf_err *err)
{
	size_t n = hf_plan_n_entries(plan);
	struct hf_entry *entries = hf_plan_copy_entries(plan);
	struct hf_check_view view = {
		.nic = nic,
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
	budget(p);
	rc = hf_check_plan(p->g->model, &view, &p->opts, &check, err);
	free(entries);
	if (rc < 0)
		return rc;
	(void)snprintf(what, sizeof(what), "%s on %s, %zu entries", view.iface, nic->name, n);
	take(p, what, check.answer, check.limit, &check.wrong.pkt);
	hf_check_fini(&check);
	return 0;
}

int hf_proof_run(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, FILE *out, struct hf_proof *ret, struct hf_err *err)
{
	uint64_t start = hf_clock_ms();
	struct prover p = {
		.g = g,
		.in = in,
		.opts = {.max_nodes = HF_PROOF_NODES,
			.stop = opts->stop,
			.stop_arg = opts->stop_arg,
			.memory = opts->memory},
		.end = opts->max_ms ? start + opts->max_ms : 0,
		.out = out,
		.ret = ret,
	};
	size_t i;
	int rc = 0;

	*ret = (struct hf_proof){.answer = HF_CHECK_PROVEN, .n_rules = count_rules(g->rules)};
	for (i = 0; i < g->n_plans && rc == 0 && ret->answer != HF_CHECK_REFUTED; i++) {
		if (!g->plans[i])
			continue;
		rc = prove_rules(&p, hf_plan_iface(g->plans[i]), err);
		if (rc == 0 && ret->answer != HF_CHECK_REFUTED)
			rc = prove_plan(&p, g->plans[i], in->profiles->nics[i], err);
	}
	ret->ms = (uint32_t)(hf_clock_ms() - start);
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

/* Every so many of them, so that about max are left; the first two stay. */
static void thin_out(struct sources *s, size_t max)
{
	size_t step = s->n / max + 1, i, n = 0;

	for (i = 0; i < s->n; i += i < 2 ? 1 : step)
		s->v[n++] = s->v[i];
	s->n = n;
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
	const struct hf_generation *g;
	size_t wire;
	const char *iface;
	const struct hf_failsafe_opts *opts;
	uint64_t end; /* hf_clock_ms(); 0: never */
	FILE *out;
	struct hf_failsafe_try *ret;
};

static bool is_enough(const struct tried *t)
{
	return (t->opts->stop && t->opts->stop(t->opts->stop_arg)) ||
	       (t->end && hf_clock_ms() >= t->end);
}

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
	const struct hf_plan *plan = t->g->plans[t->wire];
	struct hf_ref_result r;
	char line[LINE_SIZE];
	size_t entry;

	if (port->net.addr.family && !hf_prefix_has(&port->net, src))
		return;
	(void)snprintf(pkt.in, sizeof(pkt.in), "%s", t->iface); /* IFNAMSIZ fits */
	if (hf_ref_eval(t->g->model, &pkt, NULL, NULL, &r, NULL) < 0)
		return;
	t->ret->n++;
	if (r.verdict != HF_VERDICT_DENY &&
		(t->opts->policy_only || hf_plan_judge(plan, &pkt, &entry) != HF_FATE_DENY))
		return;
	(void)hf_packet_print(&pkt, line, sizeof(line)); /* fits */
	if (t->ret->bad++ < TOLD_MAX)
		fprintf(t->out, "%s: denied by %s\n", line,
			r.verdict == HF_VERDICT_DENY ? r.origin : "an entry of the NIC");
}

static void try_wire(struct tried *t, const struct sources *src)
{
	const struct hf_rules *rules = t->g->rules;
	const struct hf_model *model = t->g->model;
	size_t i, k, n;

	for (n = 0; n < hf_model_n_failsafes(model, false); n++) {
		struct hf_failsafe_port port = hf_model_failsafe(model, false, n);

		for (i = 0; i < hf_rules_n_dests(rules); i++) {
			const struct hf_dest *dst = hf_rules_dest(rules, i);

			/* Addresses of the host itself; broadcast is nobody's way in. */
			if (dst->class != HF_CLASS_HOST ||
				dst->net.len != hf_addr_bits(&dst->net.addr))
				continue;
			for (k = 0; k < src->n && !is_enough(t); k++) {
				if (src->v[k].family == dst->net.addr.family)
					try_one(t, &port, &src->v[k], &dst->net.addr);
			}
		}
	}
}

int hf_failsafe_run(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_failsafe_opts *opts, FILE *out, struct hf_failsafe_try *ret,
	struct hf_err *err)
{
	uint64_t end = opts->max_ms ? hf_clock_ms() + opts->max_ms : 0;
	struct sources *src = malloc(sizeof(*src));
	size_t i;

	if (!src)
		return hf_fail(err, -ENOMEM, "out of memory");
	*ret = (struct hf_failsafe_try){.n_ports = hf_model_n_failsafes(g->model, false)};
	find_sources(g->rules, src);
	if (opts->max_sources)
		thin_out(src, opts->max_sources);
	for (i = 0; i < g->n_plans; i++) {
		const struct hf_config *c = in->config;
		struct tried t = {.g = g,
			.wire = i,
			.iface = c->ports[c->wires[i].outer].name,
			.opts = opts,
			.end = end,
			.out = out,
			.ret = ret};

		if (g->plans[i])
			try_wire(&t, src);
	}
	free(src);
	return 0;
}

static int failsafe_before(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, bool policy_only, struct hf_err *err)
{
	const struct hf_failsafe_opts failsafe = {
		.max_sources = SOURCES_BEFORE,
		.policy_only = policy_only,
		.max_ms = FAILSAFE_MS,
		.stop = opts->stop,
		.stop_arg = opts->stop_arg,
	};
	struct hf_failsafe_try tried;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? hf_failsafe_run(g, in, &failsafe, out, &tried, err)
		     : hf_fail(err, -ENOMEM, "out of memory");

	if (out && fclose(out) && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0 && tried.bad) {
		text[strcspn(text, "\n")] = '\0';
		rc = hf_fail(err, -EPERM, "failsafe ports would be closed: %s", text);
	}
	free(text);
	return rc;
}

/* What the proof says, if it is asked for. */
static int prove_before(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, struct hf_proof *ret, struct hf_err *err)
{
	const struct hf_config *c = in->config;
	struct hf_proof_opts with = *opts;
	int rc;

	ret->too_large = c->proof_budget_ms == 0 || ret->n_rules > c->proof_rules;
	if (ret->too_large) {
		if (c->proof_budget_ms == 0)
			(void)snprintf(ret->text, sizeof(ret->text), "changes.proof.budget is 0");
		else
			(void)snprintf(ret->text, sizeof(ret->text),
				"%zu rules, more than changes.proof.rules: %u", ret->n_rules,
				c->proof_rules);
		return 0;
	}
	with.max_ms = c->proof_budget_ms;
	rc = hf_proof_run(g, in, &with, NULL, ret, err);
	if (rc < 0)
		return rc;
	if (ret->answer == HF_CHECK_REFUTED)
		return hf_fail(err, -EPROTO, "not right, so not put in force: %s", ret->text);
	if (ret->answer == HF_CHECK_UNDECIDED && c->proof_must)
		return hf_fail(err, -EAGAIN, "not proven, so not put in force: %s", ret->text);
	return 0;
}

/* A plan that is proven drops nothing that policy lets in: its entries need not be walked then. */
int hf_proof_before(const struct hf_generation *g, const struct hf_inputs *in,
	const struct hf_proof_opts *opts, struct hf_proof *ret, struct hf_err *err)
{
	int rc;

	*ret = (struct hf_proof){.n_rules = count_rules(g->rules)};
	rc = failsafe_before(g, in, opts, true, err);
	if (rc == 0)
		rc = prove_before(g, in, opts, ret, err);
	if (rc == 0 && ret->answer != HF_CHECK_PROVEN)
		rc = failsafe_before(g, in, opts, false, err);
	return rc;
}
