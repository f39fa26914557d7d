/* SPDX-License-Identifier: BSD-3-Clause */

/* Tables and jumps for graphviz. */

#include "build.h"

#include <inttypes.h>
#include <stdlib.h>

static int jump_cmp(const void *a, const void *b)
{
	const struct hf_entry *x = *(const struct hf_entry *const *)a,
			      *y = *(const struct hf_entry *const *)b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->jump < y->jump ? -1 : x->jump > y->jump;
}

/* One edge for all jumps from one table to another. */
static void print_jumps(const struct hf_plan *plan, FILE *out)
{
	const struct hf_entry **v = calloc(plan->n_entries + 1, sizeof(*v));
	size_t n = 0, i, k;

	for (i = 0; v && i < plan->n_entries; i++) {
		if (hf_plan_at(plan, i)->fate == HF_FATE_JUMP)
			v[n++] = hf_plan_at(plan, i);
	}
	if (v)
		qsort(v, n, sizeof(*v), jump_cmp);
	for (i = 0; i < n; i = k) {
		for (k = i; k < n && jump_cmp(&v[i], &v[k]) == 0; k++)
			;
		fprintf(out, "  t%" PRIu32 " -> t%" PRIu32 " [label=\"%zu\"];\n", v[i]->table,
			v[i]->jump, k - i);
	}
	free(v);
}

static const struct {
	enum hf_fate fate;
	const char *colour;
} fates[] = {
	{HF_FATE_DENY, "#c0392b"},
	{HF_FATE_ALLOW, "#1e8449"},
	{HF_FATE_ALLOW_UNTRACKED, "#148f77"},
	{HF_FATE_PUNT, "#b9770e"},
};

static void print_table(const struct hf_plan *plan, size_t k, const size_t *counts, FILE *out)
{
	size_t f, n = 0;

	for (f = 0; f <= HF_FATE_JUMP; f++)
		n += counts[f];
	fprintf(out,
		"  t%zu [label=<<table border=\"0\"><tr><td><b>%" PRIu32 " %s</b></td></tr>"
		"<tr><td>%zu %s</td></tr>",
		k, plan->tables[k].group, plan->tables[k].name, n, n == 1 ? "entry" : "entries");
	for (f = 0; f < sizeof(fates) / sizeof(fates[0]); f++) {
		if (counts[fates[f].fate])
			fprintf(out, "<tr><td><font color=\"%s\">%s %zu</font></td></tr>",
				fates[f].colour, hf_fate_name(fates[f].fate),
				counts[fates[f].fate]);
	}
	fprintf(out, "</table>>];\n");
}

void hf_plan_print_dot(const struct hf_plan *plan, FILE *out)
{
	size_t(*counts)[HF_FATE_JUMP + 1] = calloc(plan->n_tables + 1, sizeof(*counts));
	size_t i;

	fprintf(out, "digraph plan {\n  rankdir=LR;\n  label=\"%s on %s\";\n  node [shape=box];\n",
		plan->iface, plan->nic);
	for (i = 0; counts && i < plan->n_entries; i++) {
		const struct hf_entry *e = hf_plan_at(plan, i);

		counts[e->table][e->fate]++;
	}
	for (i = 0; counts && i < plan->n_tables; i++)
		print_table(plan, i, counts[i], out);
	print_jumps(plan, out);
	fprintf(out, "}\n");
	free(counts);
}
