/* SPDX-License-Identifier: BSD-3-Clause */

/* An endpoint's policies, rule by rule, for reports; docs/semantics.md 4. */

#include "model/print.h"

#include <hepflow/model.h>

#include "policy/objects.h"

#include <string.h>

struct walk {
	void (*step)(void *arg, const struct hf_model_step *step);
	void *arg;
};

static const struct hf_model_endpoint *find(const struct hf_model *m, const char *name)
{
	const struct hf_model_endpoint *ep;
	int iface = *name ? hf_model_find_iface(m, name) : -1;
	size_t i;

	for (i = 0; i < m->n_endpoints; i++) {
		ep = m->endpoints[i];
		if (!ep->workload && strcmp(ep->name, name) == 0)
			return ep;
	}
	if (iface < 0)
		return NULL;
	ep = m->ifaces[iface].hep;
	return ep || m->ifaces[iface].wep ? ep : m->star;
}

static void walk_rules(
	const struct walk *w, struct hf_model_step step, const struct hf_model_rules *rules)
{
	size_t i;

	if (rules->n == 0 || step.staged)
		w->step(w->arg, &step);
	for (i = 0; i < rules->n && !step.staged; i++) {
		step.action = hf_print_action[rules->v[i].action];
		step.origin = rules->v[i].origin;
		w->step(w->arg, &step);
	}
}

static void walk_tier(
	const struct walk *w, enum hf_chain chain, bool egress, const struct hf_model_tier *tier)
{
	const struct hf_model_policies *list = egress ? &tier->out : &tier->in;
	struct hf_model_step step = {
		.chain = hf_print_chain[chain], .egress = egress, .tier = tier->name};
	bool enforced = false;
	size_t i;

	for (i = 0; i < list->n; i++) {
		step.policy = list->v[i].id;
		step.staged = list->v[i].staged;
		enforced = enforced || !step.staged;
		walk_rules(w, step, &list->v[i].rules);
	}
	if (!enforced || (chain != HF_CHAIN_NORMAL && chain != HF_CHAIN_FORWARD))
		return;
	step.policy = NULL;
	step.staged = false;
	step.action = hf_print_action[tier->default_pass ? HF_RULE_PASS : HF_RULE_DENY];
	step.origin = tier->origin;
	w->step(w->arg, &step);
}

static void walk_profiles(const struct walk *w, bool egress, const struct hf_model_endpoint *ep)
{
	struct hf_model_step step = {.chain = hf_print_chain[HF_CHAIN_NORMAL], .egress = egress};
	size_t i;

	for (i = 0; i < ep->n_profiles; i++) {
		step.policy = ep->profiles[i]->name;
		walk_rules(w, step, egress ? &ep->profiles[i]->out : &ep->profiles[i]->in);
	}
}

const char *hf_model_walk_endpoint(const struct hf_model *model, const char *name,
	void (*step)(void *arg, const struct hf_model_step *step), void *arg)
{
	const struct hf_model_endpoint *ep = find(model, name);
	const struct walk w = {step, arg};
	int c, egress;
	size_t i;

	for (c = 0; ep && c < HF_CHAIN_MAX_; c++) {
		for (egress = 0; egress < 2; egress++) {
			for (i = 0; i < ep->tiers[c].n; i++)
				walk_tier(&w, c, egress, &ep->tiers[c].v[i]);
			if (c == HF_CHAIN_NORMAL)
				walk_profiles(&w, egress, ep);
		}
	}
	return ep ? ep->name : NULL;
}
