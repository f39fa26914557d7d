/* SPDX-License-Identifier: BSD-3-Clause */

/* Address fields: rows by span, from the sets that rules ask for. */

#include "classify_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Conditions of one rule on the addresses of one field. */
struct addr_rule {
	uint32_t bit;
	uint32_t n;
	uint32_t conds; /* the first one's place: set << 1 | negate */
};

/* Going along the addresses: which sets one is in, and what that means for the rules. */
struct addr_job {
	struct hf_pen *pen;
	uint32_t n_rules;
	struct addr_rule *rules;
	uint32_t *conds;
	uint32_t *refs;	     /* rules that ask for a set, set by set */
	uint32_t *ref_first; /* by set, and one more */
	uint32_t *inside;    /* by set: nets entered */
	size_t n_nets;
	struct hf_span_net *nets;
};

static bool cond_is_of(const struct hf_match *m, enum hf_dim dim, const struct hf_addr_cond *cond)
{
	if (!cond->dst)
		return dim == HF_DIM_SRC;
	return dim == (m->wire ? HF_DIM_WIRE_DST : HF_DIM_DST);
}

static uint32_t count_addr_conds(const struct hf_match *m, enum hf_dim dim)
{
	uint32_t n = 0;
	uint16_t i;

	for (i = 0; m && i < m->n_addr; i++)
		n += cond_is_of(m, dim, &m->addr[i]);
	return n;
}

static bool addr_rule_holds(const struct addr_job *job, const struct addr_rule *r)
{
	uint32_t i;

	for (i = 0; i < r->n; i++) {
		uint32_t cond = job->conds[r->conds + i];

		if ((job->inside[cond >> 1] > 0) == (cond & 1))
			return false;
	}
	return true;
}

static void judge_set(struct addr_job *job, uint32_t set)
{
	uint32_t i;

	for (i = job->ref_first[set]; i < job->ref_first[set + 1]; i++) {
		const struct addr_rule *r = &job->rules[job->refs[i]];

		hf_pen_set(job->pen, r->bit, addr_rule_holds(job, r));
	}
}

static void enter_set(void *arg, uint32_t set)
{
	struct addr_job *job = arg;

	if (job->inside[set]++ == 0)
		judge_set(job, set);
}

static void leave_set(void *arg, uint32_t set)
{
	struct addr_job *job = arg;

	if (--job->inside[set] == 0)
		judge_set(job, set);
}

static uint32_t current_row(void *arg)
{
	struct addr_job *job = arg;

	return hf_pen_row(job->pen);
}

static void addr_job_fini(struct addr_job *job)
{
	free(job->rules);
	free(job->conds);
	free(job->refs);
	free(job->ref_first);
	free(job->inside);
	free(job->nets);
}

/* Notes who asks for which set: ref_first[set + 1] counts, then the places follow. */
static void link_sets(struct addr_job *job, size_t n_sets, uint32_t n_conds)
{
	uint32_t i, k;

	for (i = 0; i < n_conds; i++)
		job->ref_first[(job->conds[i] >> 1) + 1]++;
	for (i = 0; i < n_sets; i++)
		job->ref_first[i + 1] += job->ref_first[i];
	for (i = 0; i < job->n_rules; i++) {
		for (k = 0; k < job->rules[i].n; k++) {
			uint32_t set = job->conds[job->rules[i].conds + k] >> 1;

			job->refs[job->ref_first[set] + job->inside[set]++] = i;
		}
	}
	memset(job->inside, 0, n_sets * sizeof(*job->inside));
}

static int gather_nets(struct addr_job *job, const struct hf_rules *rules)
{
	size_t s, i, n = 0, n_sets = hf_rules_n_sets(rules);

	for (s = 0; s < n_sets; s++) {
		if (job->ref_first[s] < job->ref_first[s + 1])
			n += hf_rules_set(rules, s)->n_nets;
	}
	job->nets = calloc(n + 1, sizeof(*job->nets));
	if (!job->nets)
		return -ENOMEM;
	for (s = 0; s < n_sets; s++) {
		const struct hf_set *set = hf_rules_set(rules, s);

		if (job->ref_first[s] == job->ref_first[s + 1])
			continue;
		for (i = 0; i < set->n_nets; i++)
			job->nets[job->n_nets++] = (struct hf_span_net){set->nets[i], (uint32_t)s};
	}
	return 0;
}

static int addr_job_init(struct addr_job *job, const struct hf_build *b, enum hf_dim dim)
{
	size_t n_sets = hf_rules_n_sets(b->c->rules);
	uint32_t bit, i, n, n_conds = 0, n_rules = 0;

	for (bit = 0; bit < b->c->n_bits; bit++) {
		n = count_addr_conds(b->match[bit], dim);
		n_conds += n;
		n_rules += n > 0;
	}
	job->rules = calloc(n_rules + 1, sizeof(*job->rules));
	job->conds = calloc(n_conds + 1, sizeof(*job->conds));
	job->refs = calloc(n_conds + 1, sizeof(*job->refs));
	job->ref_first = calloc(n_sets + 1, sizeof(*job->ref_first));
	job->inside = calloc(n_sets + 1, sizeof(*job->inside));
	if (!job->rules || !job->conds || !job->refs || !job->ref_first || !job->inside)
		return -ENOMEM;
	for (bit = n_conds = 0; bit < b->c->n_bits; bit++) {
		const struct hf_match *m = b->match[bit];
		struct addr_rule *r = &job->rules[job->n_rules];

		if (count_addr_conds(m, dim) == 0)
			continue;
		*r = (struct addr_rule){.bit = bit, .conds = n_conds};
		for (i = 0; i < m->n_addr; i++) {
			if (cond_is_of(m, dim, &m->addr[i]))
				job->conds[n_conds++] = m->addr[i].set << 1 | m->addr[i].negate;
		}
		r->n = n_conds - r->conds;
		job->n_rules++;
	}
	link_sets(job, n_sets, n_conds);
	return gather_nets(job, b->c->rules);
}

int hf_build_addrs(struct hf_build *b, enum hf_dim dim)
{
	static const struct hf_span_ops ops = {enter_set, leave_set, current_row};
	struct addr_job job = {.pen = &b->pen};
	int rc = addr_job_init(&job, b, dim);
	uint32_t i;

	if (rc == 0 && job.n_rules > 0) {
		hf_build_all_hold(b);
		for (i = 0; i < job.n_rules; i++)
			hf_pen_set(&b->pen, job.rules[i].bit, addr_rule_holds(&job, &job.rules[i]));
		rc = hf_spans_build(&b->c->addrs[dim], job.nets, job.n_nets, &ops, &job);
		b->c->has[dim] = true;
	}
	addr_job_fini(&job);
	return rc;
}
