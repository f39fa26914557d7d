/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From plan to plan: after each operation only packets that the entry matches can be judged
 * otherwise than before it, so only these are looked at, and of the entries those that overlap with
 * it.
 */

#include <hepflow/check.h>

#include <hepflow/err.h>

#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct job {
	const struct hf_model *models[2]; /* old and new; n_models of them */
	uint16_t in[2];
	size_t n_models;
	const struct hf_check_view *from;
	const struct hf_check_step *steps;
	size_t n_steps;
	struct hf_entry *entries; /* in the NIC at the moment */
	size_t n_entries;
	struct hf_entry *near; /* those that overlap with the one at hand */
	bool as_asked;	       /* the driver installs every entry as it is asked to */
	struct dd_budget *budget;
	struct hf_check_steps *ret;
	struct hf_err *err;
};

struct sides {
	struct pol pol[2];
	const struct pol *list[2];
	struct fates right; /* by the old policy or by the new one */
	BDD all;
};

static bool same_entry(const struct hf_entry *a, const struct hf_entry *b)
{
	bool to = a->fate != HF_FATE_JUMP ||
		  (a->jump == b->jump && a->sets_tag == b->sets_tag &&
			  (!a->sets_tag || (a->tag == b->tag && a->tag_keep == b->tag_keep)));

	return a->table == b->table && a->priority == b->priority && a->fate == b->fate && to &&
	       a->forward == b->forward && a->reserved == b->reserved &&
	       memcmp(&a->match, &b->match, sizeof(a->match)) == 0;
}

/*
 * No packet can meet both: on the wire, they ask for a bit to be different. Tags change on the way
 * and say nothing here.
 */
static bool apart(const struct hf_pattern *a, const struct hf_pattern *b)
{
	const uint8_t *x = (const uint8_t *)&a->spec, *y = (const uint8_t *)&b->spec;
	const uint8_t *p = (const uint8_t *)&a->mask, *q = (const uint8_t *)&b->mask;
	const uint32_t v4 = HF_LAYER_BIT(HF_LAYER_IPV4), v6 = HF_LAYER_BIT(HF_LAYER_IPV6);
	size_t i;

	if ((a->layers & v4 && b->layers & v6) || (a->layers & v6 && b->layers & v4))
		return true;
	for (i = 0; i < offsetof(struct hf_hdr, mark); i++) {
		if ((x[i] ^ y[i]) & p[i] & q[i])
			return true;
	}
	return false;
}

static int do_step(struct job *job, const struct hf_check_step *s)
{
	size_t i;

	if (s->add) {
		job->entries[job->n_entries++] = s->entry;
		return 0;
	}
	for (i = 0; i < job->n_entries && !same_entry(&job->entries[i], &s->entry); i++)
		;
	if (i == job->n_entries)
		return hf_fail(job->err, -EINVAL, "check: an operation removes what is not there");
	job->entries[i] = job->entries[--job->n_entries];
	return 0;
}

static int refute(struct job *job, const struct sides *s, const struct hf_check_view *view,
	BDD wrong, size_t step)
{
	struct dd *dd = s->pol[0].dd;
	struct dd_packet p;
	char line[512]; /* longer than a packet line with every key */

	hf_dd_pick(dd, wrong, &p);
	job->ret->step = step;
	if (hf_device_confirm(s->list, job->n_models, view, &p, &job->ret->wrong)) {
		if (job->ret->wrong.entry != SIZE_MAX)
			job->ret->entry = view->entries[job->ret->wrong.entry];
		job->ret->answer = HF_CHECK_REFUTED;
		return 0;
	}
	(void)hf_packet_print(&job->ret->wrong.pkt, line, sizeof(line));
	return dd->failed
		       ? 0
		       : hf_fail(job->err, -EPROTO,
				 "check: proof and reference differ, a mistake in flowgen; packet: "
				 "%s",
				 line);
}

/* Packets of region, which are few or all. */
static int look(struct job *job, const struct sides *s, const struct hf_entry *changed, size_t step)
{
	struct hf_check_view view = *job->from;
	struct dd *dd = s->pol[0].dd;
	size_t mark = hf_dd_mark(dd), i;
	BDD region = s->all, wrong;
	struct device dev;
	int rc;

	view.entries = job->entries;
	view.n_entries = job->n_entries;
	if (changed && job->as_asked) {
		region = hf_dd_and(dd, region, hf_device_match(dd, &view, &changed->match));
		view.entries = job->near;
		for (i = view.n_entries = 0; i < job->n_entries; i++) {
			if (!apart(&job->entries[i].match, &changed->match))
				job->near[view.n_entries++] = job->entries[i];
		}
	}
	rc = hf_device_walk(&dev, dd, region, changed && job->as_asked, &view, NULL);
	if (rc < 0)
		return hf_fail(job->err, rc,
			rc == -EINVAL ? "check: an entry or a jump leads nowhere"
				      : "check: out of memory");
	wrong = hf_device_wrong(&dev, dd, &s->right);
	if (!dd->failed && !dd->record && wrong != hf_dd_none())
		rc = refute(job, s, &view, wrong, step);
	(void)hf_dd_release(dd, mark, hf_dd_none());
	return rc;
}

static int look_at_all(struct job *job, const struct sides *s)
{
	size_t i;
	int rc;

	if (job->from->n_entries)
		memcpy(job->entries, job->from->entries,
			job->from->n_entries * sizeof(*job->entries));
	job->n_entries = job->from->n_entries;
	rc = look(job, s, NULL, 0);
	for (i = 0; i < job->n_steps && rc == 0 && job->ret->answer != HF_CHECK_REFUTED &&
		    !s->pol[0].dd->failed;
		i++) {
		rc = do_step(job, &job->steps[i]);
		if (rc == 0)
			rc = look(job, s, &job->steps[i].entry, i + 1);
	}
	return rc;
}

static int open_sides(struct job *job, struct dd *dd, struct sides *s)
{
	struct fates certain;
	size_t i;
	int rc = 0;

	s->right = (struct fates){hf_dd_none(), hf_dd_none(), hf_dd_none(), hf_dd_none()};
	s->all = hf_dd_none();
	for (i = 0; i < job->n_models && rc == 0; i++) {
		rc = hf_pol_init(&s->pol[i], job->models[i], dd, job->in[i]);
		if (rc < 0)
			return hf_fail(job->err, rc, "check: out of memory");
		s->list[i] = &s->pol[i];
		hf_pol_certain(&s->pol[i], &certain);
		certain.answered = hf_dd_none();
		if (job->from->eswitch.on && hf_pol_answered(&s->pol[i], &certain.answered) < 0)
			return hf_fail(job->err, -ENOMEM, "check: out of memory");
		s->right.answered = hf_dd_or(dd, s->right.answered, certain.answered);
		s->right.allow = hf_dd_or(dd, s->right.allow, certain.allow);
		s->right.untracked = hf_dd_or(dd, s->right.untracked, certain.untracked);
		s->right.deny = hf_dd_or(dd, s->right.deny, certain.deny);
		s->all = hf_dd_or(dd, s->all, s->pol[i].all);
	}
	return rc;
}

static int check_open(void *arg, struct dd *dd)
{
	struct job *job = arg;
	struct sides s = {0};
	size_t i;
	int rc = open_sides(job, dd, &s);

	if (rc == 0)
		rc = look_at_all(job, &s);
	for (i = 0; i < job->n_models; i++)
		hf_pol_fini(&s.pol[i]);
	hf_dd_close(dd);
	return rc;
}

static int check_families(struct job *job, size_t max)
{
	static const uint8_t families[] = {4, 6};
	struct dd_proof proof = {max, job->budget, NULL, check_open, job};
	bool decided;
	size_t f;
	int rc = 0;

	for (f = 0; f < 2 && rc == 0 && job->ret->answer != HF_CHECK_REFUTED; f++) {
		rc = hf_dd_prove(families[f], &proof, &decided, NULL, job->err);
		if (!decided)
			job->ret->answer = HF_CHECK_UNDECIDED;
	}
	return rc;
}

static int add_model(struct job *job, const struct hf_model *model)
{
	int in = model ? hf_model_find_iface(model, job->from->iface) : 0;

	if (in <= 0)
		return in;
	if (model->ifaces[in].id.from == HF_FROM_WORKLOAD)
		return hf_fail(
			job->err, -ENOTSUP, "check: '%s' is a pod's interface", job->from->iface);
	job->models[job->n_models] = model;
	job->in[job->n_models++] = (uint16_t)in;
	return 0;
}

/* Else which packets an entry is for does not stand in it. */
static bool all_as_asked(const struct job *job)
{
	struct hf_pattern p;
	bool yes = true;
	size_t i;

	for (i = 0; yes && i < job->from->n_entries; i++)
		yes = hf_device_engine_of(job->from, &job->from->entries[i]) &&
		      hf_device_installed(job->from, &job->from->entries[i], &p);
	for (i = 0; yes && i < job->n_steps; i++)
		yes = hf_device_engine_of(job->from, &job->steps[i].entry) &&
		      hf_device_installed(job->from, &job->steps[i].entry, &p);
	return yes;
}

int hf_check_steps(const struct hf_model *before, const struct hf_model *after,
	const struct hf_check_plan_steps *plan, const struct hf_check_opts *opts,
	struct hf_check_steps *ret, struct hf_err *err)
{
	struct hf_check_steps check = {.answer = HF_CHECK_PROVEN};
	struct dd_budget budget = hf_check_budget(opts);
	struct job job = {.from = &plan->from,
		.steps = plan->steps,
		.n_steps = plan->n_steps,
		.budget = &budget,
		.ret = &check,
		.err = err};
	size_t most = plan->from.n_entries + plan->n_steps + 1;
	int rc = add_model(&job, before);

	if (rc == 0 || rc == -ENOENT)
		rc = add_model(&job, after);
	if (rc == -ENOENT && job.n_models > 0)
		rc = 0; /* one of them does */
	if (rc == -ENOENT || (rc == 0 && job.n_models == 0))
		return hf_fail(err, -ENOENT, "no interface '%s' on this host", plan->from.iface);
	if (rc < 0)
		return rc;
	job.entries = calloc(most, sizeof(*job.entries));
	job.near = calloc(most, sizeof(*job.near));
	job.as_asked = all_as_asked(&job);
	rc = job.entries && job.near
		     ? check_families(&job, opts->max_nodes ? opts->max_nodes : HF_CHECK_NODES)
		     : hf_fail(err, -ENOMEM, "check: out of memory");
	free(job.entries);
	free(job.near);
	check.limit = hf_check_limit(&budget);
	if (rc == 0)
		*ret = check;
	return rc;
}
