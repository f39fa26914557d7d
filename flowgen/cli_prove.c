/* SPDX-License-Identifier: BSD-3-Clause */

/* flowgen diff --prove: every state of the NIC between two plans. */

#include "cli_prove.h"

#include "cli.h"

#include <hepflow/diff.h>
#include <hepflow/err.h>
#include <hepflow/plan.h>

#include <errno.h>
#include <stdlib.h>

/* The groups of both plans are the tables: jumps lead to higher ones. */
struct groups {
	size_t n;
	uint32_t *v;
};

static int cmp_group(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void add_groups(struct groups *g, const struct hf_plan *plan)
{
	size_t n = plan ? hf_plan_n_tables(plan) : 0, i;

	for (i = 0; i < n; i++)
		g->v[g->n++] = hf_plan_table(plan, i)->group;
}

static void sort_groups(struct groups *g)
{
	size_t i, n = 0;

	qsort(g->v, g->n, sizeof(*g->v), cmp_group);
	for (i = 0; i < g->n; i++) {
		if (n == 0 || g->v[n - 1] != g->v[i])
			g->v[n++] = g->v[i];
	}
	g->n = n;
}

static uint32_t table_of(const struct groups *g, const struct hf_plan *plan, uint32_t table)
{
	uint32_t group = hf_plan_table(plan, table)->group;
	const uint32_t *at = bsearch(&group, g->v, g->n, sizeof(*g->v), cmp_group);

	return (uint32_t)(at - g->v); /* it is there: add_groups() */
}

static struct hf_entry placed(
	const struct groups *g, const struct hf_plan *plan, const struct hf_entry *e)
{
	struct hf_entry ret = *e;

	ret.table = table_of(g, plan, e->table);
	if (e->fate == HF_FATE_JUMP)
		ret.jump = table_of(g, plan, e->jump);
	return ret;
}

/* Room for both lists has been made. */
static void fill(const struct cli_prove *p, const struct groups *g, struct hf_entry *entries,
	struct hf_check_step *steps)
{
	size_t n = p->old ? hf_plan_n_entries(p->old) : 0, i;

	for (i = 0; i < n; i++)
		entries[i] = placed(g, p->old, hf_plan_entry(p->old, i));
	for (i = 0; i < hf_diff_n_ops(p->diff); i++) {
		const struct hf_diff_op *op = hf_diff_op(p->diff, i);

		steps[i].add = op->kind == HF_DIFF_ADD || op->kind == HF_DIFF_COVER;
		steps[i].entry = placed(g, op->plan, &op->entry);
	}
}

int cli_prove_steps(const struct cli_prove *p, struct hf_check_steps *ret, struct hf_err *err)
{
	size_t n = p->old ? hf_plan_n_entries(p->old) : 0, n_steps = hf_diff_n_ops(p->diff);
	struct hf_entry *entries = calloc(n + 1, sizeof(*entries));
	struct hf_check_step *steps = calloc(n_steps + 1, sizeof(*steps));
	struct groups g = {0, calloc((p->old ? hf_plan_n_tables(p->old) : 0) +
					      (p->new ? hf_plan_n_tables(p->new) : 0) + 1,
				      sizeof(*g.v))};
	struct hf_check_plan_steps all = {
		.from = {.nic = p->nic,
			.iface = p->iface,
			.n_entries = n,
			.entries = entries,
			.eswitch = *hf_plan_eswitch(p->new ? p->new : p->old)},
		.n_steps = n_steps,
		.steps = steps};
	struct hf_check_opts opts = {0};
	int rc = entries && steps && g.v ? 0 : hf_fail(err, -ENOMEM, "out of memory");

	if (rc == 0) {
		add_groups(&g, p->old);
		add_groups(&g, p->new);
		sort_groups(&g);
		all.from.n_tables = g.n;
		fill(p, &g, entries, steps);
		rc = hf_check_steps(p->before, p->after, &all, &opts, ret, err);
	}
	free(entries);
	free(steps);
	free(g.v);
	return rc;
}
