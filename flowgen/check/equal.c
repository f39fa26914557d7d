/* SPDX-License-Identifier: BSD-3-Clause */

/* Policy and rules, set against set. */

#include <hepflow/check.h>

#include <hepflow/err.h>

#include "device.h"
#include "tables.h"

#include <errno.h>

struct job {
	const struct hf_model *model;
	const struct hf_rules *rules;
	uint16_t in; /* of the model */
	uint16_t rules_in;
	struct hf_check_rules *ret;
	uint8_t *meets;
	struct hf_err *err;
};

/* Packets that are in one set and not in the other. */
static BDD differ(struct dd *dd, BDD a, BDD b)
{
	return hf_dd_or(dd, hf_dd_minus(dd, a, b), hf_dd_minus(dd, b, a));
}

static enum hf_verdict looked_up(const struct job *job, const struct hf_packet *pkt)
{
	enum hf_verdict v;
	struct hf_key key;

	if (hf_rules_sort(job->rules, pkt, &key, NULL) < 0)
		return HF_VERDICT_NO_DECISION;
	v = hf_rules_lookup(job->rules, &key).verdict;
	if (v != HF_VERDICT_NO_DECISION)
		return v;
	return hf_rules_kernel_policy(
		job->rules, hf_rules_iface(job->rules, key.in)->from, key.class);
}

static int refute(
	const struct job *job, const struct pol *pol, BDD wrong, enum hf_ct ct, int backend)
{
	struct hf_packet pkt;
	struct dd_packet p;
	const struct hf_dnat *d;
	char line[512]; /* longer than a packet line with every key */

	hf_dd_pick(pol->dd, wrong, &p);
	hf_pol_packet(pol, &p, &pkt);
	pkt.ct = ct;
	d = hf_model_find_dnat(job->model, pkt.proto, &pkt.dst, pkt.dport);
	if (d && d->n_to > 1) {
		pkt.has_dnat = true;
		pkt.dnat = d->to[hf_backend(d, (size_t)backend)];
	}
	job->ret->pkt = pkt;
	job->ret->policy = hf_pol_verdict(pol, &pkt);
	job->ret->rules = looked_up(job, &pkt);
	job->ret->answer = HF_CHECK_REFUTED;
	if (job->ret->policy != job->ret->rules)
		return 0;
	(void)hf_packet_print(&pkt, line, sizeof(line));
	return hf_fail(job->err, -EPROTO,
		"check: proof and reference differ, a mistake in flowgen; packet: %s", line);
}

static size_t most_backends(const struct hf_model *m)
{
	size_t most = 1, i;

	for (i = 0; i < m->n_dnats; i++)
		most = m->dnats[i].n_to > most ? m->dnats[i].n_to : most;
	return most;
}

/* One state and one backend of every service. */
static int compare(const struct job *job, struct tables *t, enum hf_ct ct, int backend)
{
	struct dd *dd = t->pol->dd;
	size_t mark = hf_dd_mark(dd);
	struct fates policy, rules;
	BDD wrong;
	int rc = 0;

	hf_pol_fates(t->pol, ct != HF_CT_NEW, backend, &policy);
	hf_tables_fates(t, ct, backend, &rules);
	wrong = differ(dd, policy.allow, rules.allow);
	wrong = hf_dd_or(dd, wrong, differ(dd, policy.untracked, rules.untracked));
	wrong = hf_dd_or(dd, wrong, differ(dd, policy.deny, rules.deny));
	if (!dd->failed && !dd->record && wrong != hf_dd_none())
		rc = refute(job, t->pol, wrong, ct, backend);
	(void)hf_dd_release(dd, mark, hf_dd_none());
	return rc;
}

static int compare_all(const struct job *job, struct tables *t)
{
	static const enum hf_ct states[] = {HF_CT_NEW, HF_CT_ESTABLISHED, HF_CT_RELATED};
	size_t n = most_backends(job->model), b, s;
	int rc = 0;

	for (s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
		for (b = 0; b < n && rc == 0 && job->ret->answer != HF_CHECK_REFUTED; b++)
			rc = compare(job, t, states[s], (int)b);
	}
	return rc;
}

static int check_open(void *arg, struct dd *dd)
{
	const struct job *job = arg;
	struct tables t = {0};
	struct pol pol = {0};
	int rc = hf_pol_init(&pol, job->model, dd, job->in);

	if (rc == 0)
		rc = hf_tables_init(&t, job->rules, &pol, job->rules_in);
	t.meets = job->meets;
	if (rc < 0)
		rc = hf_fail(job->err, rc, "check: out of memory");
	else
		rc = compare_all(job, &t);
	hf_tables_fini(&t);
	hf_pol_fini(&pol);
	hf_dd_close(dd);
	return rc;
}

int hf_check_rules(const struct hf_model *model, const struct hf_rules *rules, const char *iface,
	const struct hf_check_opts *opts, struct hf_check_rules *ret, struct hf_err *err)
{
	static const uint8_t families[] = {4, 6};
	size_t f;
	int in = hf_model_find_iface(model, iface), rules_in = hf_rules_find_iface(rules, iface);
	struct hf_check_rules check = {.answer = HF_CHECK_PROVEN};
	struct dd_budget budget = hf_check_budget(opts);
	struct job job = {model, rules, (uint16_t)in, (uint16_t)rules_in, &check, opts->meets, err};
	struct dd_proof proof = {opts->max_nodes ? opts->max_nodes : HF_CHECK_NODES, &budget,
		opts->memory, check_open, &job};
	int rc = 0;

	if (in <= 0 || rules_in <= 0)
		return hf_fail(err, -ENOENT, "no interface '%s' on this host", iface);
	if (model->ifaces[in].id.from == HF_FROM_WORKLOAD)
		return hf_fail(err, -ENOTSUP, "check: '%s' is a pod's interface", iface);
	for (f = 0; f < 2 && rc == 0 && check.answer != HF_CHECK_REFUTED; f++) {
		bool decided;

		rc = hf_dd_prove(families[f], &proof, &decided, NULL, err);
		if (!decided)
			check.answer = HF_CHECK_UNDECIDED;
	}
	if (rc < 0)
		return rc;
	check.limit = hf_check_limit(&budget);
	*ret = check;
	return 0;
}
