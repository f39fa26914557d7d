/* SPDX-License-Identifier: BSD-3-Clause */

/* Destinations as spans: the longest prefix of each address, and whether services rewrite it. */

#include "state.h"

#include <errno.h>
#include <stdlib.h>

struct dest_job {
	size_t n_dests;
	uint32_t *open; /* destinations whose nets are entered, the innermost last */
	size_t n_open;
	size_t rewritten; /* services at this address */
};

/* Ids: destinations from 0 on, behind them services. */
static void enter(void *arg, uint32_t id)
{
	struct dest_job *job = arg;

	if (id < job->n_dests)
		job->open[job->n_open++] = id;
	else
		job->rewritten++;
}

static void leave(void *arg, uint32_t id)
{
	struct dest_job *job = arg;

	if (id < job->n_dests)
		job->n_open--;
	else
		job->rewritten--;
}

static uint32_t value(void *arg)
{
	const struct dest_job *job = arg;
	uint32_t dest = job->n_open ? job->open[job->n_open - 1] + 1 : 0;

	return dest | (job->rewritten ? HF_DEST_REWRITTEN : 0);
}

int hf_dests_build(struct hf_spans *ret, const struct hf_rules *rules)
{
	static const struct hf_span_ops ops = {enter, leave, value};
	struct dest_job job = {.n_dests = hf_rules_n_dests(rules)};
	size_t i, n = 0, n_dnats = hf_rules_n_dnats(rules);
	struct hf_span_net *nets = calloc(job.n_dests + n_dnats + 1, sizeof(*nets));
	int rc = -ENOMEM;

	job.open = calloc(job.n_dests + 1, sizeof(*job.open));
	if (nets && job.open) {
		for (i = 0; i < job.n_dests; i++, n++)
			nets[n] = (struct hf_span_net){hf_rules_dest(rules, i)->net, (uint32_t)n};
		for (i = 0; i < n_dnats; i++, n++) {
			const struct hf_addr *addr = &hf_rules_dnat(rules, i)->addr;

			nets[n].net = (struct hf_prefix){*addr, (uint8_t)hf_addr_bits(addr)};
			nets[n].id = (uint32_t)n;
		}
		rc = hf_spans_build(ret, nets, n, &ops, &job);
	}
	free(job.open);
	free(nets);
	return rc;
}

bool hf_dests_same(const struct hf_rules *a, const struct hf_rules *b)
{
	size_t i, n = hf_rules_n_dests(a), n_dnats = hf_rules_n_dnats(a);

	if (hf_rules_facts_id(a) == hf_rules_facts_id(b))
		return true;
	if (n != hf_rules_n_dests(b) || n_dnats != hf_rules_n_dnats(b))
		return false;
	for (i = 0; i < n; i++) {
		if (!hf_prefix_equal(&hf_rules_dest(a, i)->net, &hf_rules_dest(b, i)->net))
			return false;
	}
	for (i = 0; i < n_dnats; i++) {
		if (!hf_addr_equal(&hf_rules_dnat(a, i)->addr, &hf_rules_dnat(b, i)->addr))
			return false;
	}
	return true;
}
