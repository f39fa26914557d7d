/* SPDX-License-Identifier: BSD-3-Clause */

#include "ref/chain.h"

#include "ref/match.h"

#include <stddef.h>

/* Everything the pieces of one walk need. */
struct walk {
	const struct hf_model *model;
	const struct hf_ref_chain *chain;
	const struct hf_packet *pkt;
	const struct hf_ref_trace *trace;
};

static const char *const chain_names[] = {
	[HF_CHAIN_UNTRACKED] = "untracked",
	[HF_CHAIN_PREDNAT] = "preDNAT",
	[HF_CHAIN_NORMAL] = "normal",
	[HF_CHAIN_FORWARD] = "forward",
};

static const char *const action_names[] = {
	[HF_RULE_DENY] = "deny",
	[HF_RULE_ALLOW] = "allow",
	[HF_RULE_PASS] = "pass",
	[HF_RULE_LOG] = "log",
};

/* "normal ingress of hep eth0: " and what happened there. */
#define say(w, fmt, ...)                                                                           \
	hf_ref_say((w)->trace, "%s %s of %s %s: " fmt, chain_names[(w)->chain->type],              \
		(w)->chain->egress ? "egress" : "ingress",                                         \
		(w)->chain->ep->workload ? "pod" : "hep", (w)->chain->ep->name, ##__VA_ARGS__)

static struct hf_ref_end end(enum hf_ref_outcome outcome, const char *origin)
{
	return (struct hf_ref_end){.outcome = outcome, .origin = origin};
}

static const struct hf_model_policies *policies_of(
	const struct hf_model_tier *tier, const struct hf_ref_chain *chain)
{
	return chain->egress ? &tier->out : &tier->in;
}

/* docs/semantics.md 4, conntrack prologue: true when the connection's state decides. */
static bool conntrack_decides(const struct walk *w, struct hf_ref_end *ret)
{
	if (w->chain->type == HF_CHAIN_UNTRACKED)
		return false;
	if (w->pkt->ct == HF_CT_ESTABLISHED || w->pkt->ct == HF_CT_RELATED) {
		say(w, "connection established or related: accept");
		*ret = end(HF_REF_ACCEPT_NOW, "conntrack");
		return true;
	}
	if (w->pkt->ct == HF_CT_INVALID && !w->model->config.no_invalid_check) {
		say(w, "connection state invalid: deny");
		*ret = end(HF_REF_DENY, "conntrack");
		return true;
	}
	return false;
}

/* docs/semantics.md 6: an entry with a net holds for that net, and for no other family. */
static bool failsafe_has(const struct hf_model_failsafes *list, uint8_t proto, uint16_t port,
	const struct hf_addr *far)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct hf_model_failsafe *fs = &list->v[i];

		if (fs->proto == proto && fs->port == port &&
			(fs->net.addr.family == 0 || hf_prefix_has(&fs->net, far)))
			return true;
	}
	return false;
}

/* docs/semantics.md 6, both rows of its second table. */
static bool failsafe_hit(const struct walk *w)
{
	const struct hf_model_config *config = &w->model->config;
	bool egress = w->chain->egress;
	const struct hf_model_failsafes *request = egress ? &config->fs_out : &config->fs_in;
	const struct hf_model_failsafes *reply = egress ? &config->fs_in : &config->fs_out;
	const struct hf_addr *far = egress ? &w->pkt->dst : &w->pkt->src;

	if (w->chain->type == HF_CHAIN_FORWARD || w->chain->ep->workload)
		return false;
	if (failsafe_has(request, w->pkt->proto, w->pkt->dport, far))
		return true;
	return w->chain->type == HF_CHAIN_UNTRACKED &&
	       failsafe_has(reply, w->pkt->proto, w->pkt->sport, far);
}

/*
 * docs/semantics.md 10, encapsulation from pods: what a pod wraps by itself is denied, whether or
 * not the host uses that encapsulation.
 */
static bool pod_encapsulates(const struct walk *w)
{
	const struct hf_model_config *config = &w->model->config;

	if (!w->chain->ep->workload || !w->chain->egress)
		return false;
	if (w->pkt->proto == HF_PROTO_IPIP)
		return !config->ipip_from_wl;
	return w->pkt->proto == HF_PROTO_UDP && w->pkt->dport == config->vxlan_port &&
	       !config->vxlan_from_wl;
}

/* docs/semantics.md 11.1: the first rule that matches decides; a log rule never does. */
static const struct hf_model_rule *first_match(
	const struct walk *w, const struct hf_model_rules *rules, const char *tier, const char *id)
{
	size_t i;

	for (i = 0; i < rules->n; i++) {
		const struct hf_model_rule *rule = &rules->v[i];

		if (!hf_ref_rule_has(w->model, rule, w->pkt))
			continue;
		say(w, "%s: %s rule %zu: %s", tier, id, i, action_names[rule->action]);
		if (rule->action != HF_RULE_LOG)
			return rule;
	}
	return NULL;
}

/* docs/semantics.md 4: staged policies are members of a tier, and never judge. */
static const struct hf_model_rule *tier_match(const struct walk *w,
	const struct hf_model_tier *tier, const struct hf_model_policies *policies,
	bool *ret_enforced)
{
	const struct hf_model_rule *rule;
	size_t i;

	*ret_enforced = false;
	for (i = 0; i < policies->n; i++) {
		const struct hf_model_policy *policy = &policies->v[i];

		if (policy->staged)
			continue;
		*ret_enforced = true;
		rule = first_match(w, &policy->rules, tier->name, policy->id);
		if (rule)
			return rule;
	}
	return NULL;
}

/* docs/semantics.md 4, one round of the loop over tiers: true when the tier decides. */
static bool tier_decides(
	const struct walk *w, const struct hf_model_tier *tier, struct hf_ref_end *ret)
{
	const struct hf_model_policies *policies = policies_of(tier, w->chain);
	const struct hf_model_rule *rule;
	bool enforced;

	if (policies->n == 0)
		return false;
	rule = tier_match(w, tier, policies, &enforced);
	if (rule && rule->action == HF_RULE_PASS)
		return false;
	if (rule) {
		*ret = end(
			rule->action == HF_RULE_ALLOW ? HF_REF_ACCEPT : HF_REF_DENY, rule->origin);
		return true;
	}
	if (w->chain->type != HF_CHAIN_NORMAL && w->chain->type != HF_CHAIN_FORWARD)
		return false;
	if (!enforced || tier->default_pass)
		return false;
	say(w, "%s: end of tier: deny", tier->name);
	*ret = end(HF_REF_DENY, tier->origin);
	return true;
}

/* docs/semantics.md 4: one profile. A missing one denies everything where it stands. */
static bool profile_decides(
	const struct walk *w, const struct hf_model_profile *profile, struct hf_ref_end *ret)
{
	const struct hf_model_rules *rules = w->chain->egress ? &profile->out : &profile->in;
	const struct hf_model_rule *rule = first_match(w, rules, "profile", profile->name);

	if (!rule && profile->missing) {
		say(w, "profile %s does not exist: deny", profile->name);
		*ret = end(HF_REF_DENY, "no-profile");
		return true;
	}
	if (!rule || rule->action == HF_RULE_PASS)
		return false;
	*ret = end(rule->action == HF_RULE_ALLOW ? HF_REF_ACCEPT : HF_REF_DENY, rule->origin);
	return true;
}

/* docs/semantics.md 4: a normal chain ends with the profiles, and after them denies. */
static struct hf_ref_end profiles_end(const struct walk *w)
{
	const struct hf_model_endpoint *ep = w->chain->ep;
	struct hf_ref_end ret;
	size_t i;

	for (i = 0; i < ep->n_profiles; i++) {
		if (profile_decides(w, ep->profiles[i], &ret))
			return ret;
	}
	say(w, "no profile accepts: deny");
	return end(HF_REF_DENY, "no-profile");
}

/*
 * docs/semantics.md 4: when a forward chain counts as empty. From 3.29 on a tier with policies for
 * either direction fills it for both; before, each direction was asked by itself.
 */
static bool forward_is_empty(const struct walk *w, const struct hf_model_tiers *tiers)
{
	unsigned int calico = w->model->config.calico;
	size_t i;

	if (calico == 0 || calico >= 329)
		return tiers->n == 0;
	for (i = 0; i < tiers->n; i++) {
		if (policies_of(&tiers->v[i], w->chain)->n > 0)
			return false;
	}
	return true;
}

/* docs/semantics.md 4: what is left when no tier has decided. */
static struct hf_ref_end chain_end(const struct walk *w, const struct hf_model_tiers *tiers)
{
	switch (w->chain->type) {
	case HF_CHAIN_NORMAL:
		return profiles_end(w);
	case HF_CHAIN_FORWARD:
		if (forward_is_empty(w, tiers)) {
			say(w, "no forward policy: accept");
			return end(HF_REF_ACCEPT, "forward-default");
		}
		say(w, "no tier decides: left to the host");
		return end(HF_REF_NO_MATCH, "forward-default");
	case HF_CHAIN_UNTRACKED:
	case HF_CHAIN_PREDNAT:
	case HF_CHAIN_MAX_:
		break;
	}
	say(w, "no match: go on");
	return end(HF_REF_NO_MATCH, NULL);
}

struct hf_ref_end hf_ref_chain_walk(const struct hf_model *model, const struct hf_ref_chain *chain,
	const struct hf_packet *pkt, const struct hf_ref_trace *trace)
{
	const struct walk w = {.model = model, .chain = chain, .pkt = pkt, .trace = trace};
	const struct hf_model_tiers *tiers = &chain->ep->tiers[chain->type];
	struct hf_ref_end ret;
	size_t i;

	if (conntrack_decides(&w, &ret))
		return ret;
	if (failsafe_hit(&w)) {
		say(&w, "failsafe port");
		return end(HF_REF_FAILSAFE, "failsafe");
	}
	if (pod_encapsulates(&w)) {
		say(&w, "pods may not encapsulate: deny");
		return end(HF_REF_DENY, "encap");
	}
	for (i = 0; i < tiers->n; i++) {
		if (tier_decides(&w, &tiers->v[i], &ret))
			return ret;
	}
	return chain_end(&w, tiers);
}
