/* SPDX-License-Identifier: BSD-3-Clause */

#include "chain.h"

/* What the pieces of one walk need. */
struct walk {
	const struct pol *pol;
	struct dd *dd;
	const struct chain *chain;
	const struct view *view;
	BDD left; /* packets on which nobody has decided yet */
	struct ends ends;
};

/* Moves those of the undecided packets that are in set to an end. */
static void decide(struct walk *w, BDD *end, BDD set)
{
	*end = hf_dd_or(w->dd, *end, hf_dd_and(w->dd, w->left, set));
	w->left = hf_dd_minus(w->dd, w->left, set);
}

static BDD whether(bool yes)
{
	return yes ? hf_dd_all() : hf_dd_none();
}

BDD hf_view_nets(
	const struct pol *pol, const struct view *view, const struct hf_prefix *nets, size_t n)
{
	size_t i;

	if (!view->rewritten)
		return hf_dd_nets(pol->dd, DD_DST, nets, n);
	for (i = 0; i < n; i++) {
		if (hf_prefix_has(&nets[i], &view->to.addr))
			return hf_dd_all();
	}
	return hf_dd_none();
}

BDD hf_view_set(const struct pol *pol, const struct view *view, uint32_t set)
{
	if (!view->rewritten)
		return pol->dst_sets[set];
	return whether(hf_set_has(&pol->model->sets[set], &view->to.addr));
}

static BDD dst_ports(const struct pol *pol, const struct view *view, struct hf_ports range)
{
	if (!view->rewritten || !view->to.port)
		return hf_dd_ports(pol->dd, DD_DPORT, range);
	return whether(view->to.port >= range.lo && view->to.port <= range.hi);
}

BDD hf_view_service(const struct pol *pol, const struct view *view, uint8_t proto, uint16_t port)
{
	return hf_dd_and(pol->dd, hf_dd_is(pol->dd, DD_PROTO, proto),
		dst_ports(pol, view, (struct hf_ports){port, port}));
}

/* docs/semantics.md 11.1, nets of one side: those of the family at hand. */
static BDD side_nets(const struct walk *w, bool dst, const struct hf_prefix *nets, size_t n)
{
	return dst ? hf_view_nets(w->pol, w->view, nets, n) : hf_dd_nets(w->dd, DD_SRC, nets, n);
}

static BDD side_set(const struct walk *w, bool dst, uint32_t set)
{
	return dst ? hf_view_set(w->pol, w->view, set) : w->pol->src_sets[set];
}

/* docs/semantics.md 11.3: address, protocol and port of one side are a member. */
static BDD side_members(const struct walk *w, bool dst, uint32_t index)
{
	const struct hf_set *set = &w->pol->model->sets[index];
	BDD any = hf_dd_none();
	size_t i;

	for (i = 0; i < set->n_members && !w->dd->failed; i++) {
		const struct hf_member *m = &set->members[i];
		struct hf_prefix host = {m->addr, (uint8_t)hf_addr_bits(&m->addr)};
		size_t mark = hf_dd_mark(w->dd);
		struct hf_ports port = {m->port, m->port};
		BDD one =
			dst ? dst_ports(w->pol, w->view, port) : hf_dd_ports(w->dd, DD_SPORT, port);

		one = hf_dd_and(w->dd, one, side_nets(w, dst, &host, 1));
		one = hf_dd_and(w->dd, one, hf_dd_is(w->dd, DD_PROTO, m->proto));
		any = hf_dd_release(w->dd, mark, hf_dd_or(w->dd, any, one));
	}
	return any;
}

/* docs/semantics.md 11.3: numbers, ranges and named ports are alternatives. */
static BDD side_ports(const struct walk *w, bool dst, const struct hf_model_ports *ports)
{
	BDD any = hf_dd_none();
	size_t i;

	for (i = 0; i < ports->n_ranges; i++)
		any = hf_dd_or(w->dd, any,
			dst ? dst_ports(w->pol, w->view, ports->ranges[i])
			    : hf_dd_ports(w->dd, DD_SPORT, ports->ranges[i]));
	for (i = 0; i < ports->n_sets; i++)
		any = hf_dd_or(w->dd, any, side_members(w, dst, ports->sets[i]));
	return hf_dd_and(w->dd, any, w->pol->ported);
}

/* docs/semantics.md 11.2: a list that says nothing of this family takes the rule out of it. */
static bool lacks_family(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family)
			return false;
	}
	return n > 0;
}

/* docs/semantics.md 11.2: "in none of everything" takes it out as well. */
static bool excludes_all(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family && nets[i].len == 0)
			return true;
	}
	return false;
}

static bool side_exists(const struct hf_model_side *s, uint8_t family)
{
	return !lacks_family(s->nets, s->n_nets, family) &&
	       !lacks_family(s->not_nets, s->n_not_nets, family) &&
	       !excludes_all(s->not_nets, s->n_not_nets, family);
}

/* docs/semantics.md 11.1, one side: everything given holds. */
static BDD side_has(const struct walk *w, const struct hf_model_side *s, bool dst)
{
	struct dd *dd = w->dd;
	BDD set = hf_dd_all();

	if (s->n_nets)
		set = hf_dd_and(dd, set, side_nets(w, dst, s->nets, s->n_nets));
	if (s->n_not_nets)
		set = hf_dd_minus(dd, set, side_nets(w, dst, s->not_nets, s->n_not_nets));
	if (s->set != HF_NO_SET)
		set = hf_dd_and(dd, set, side_set(w, dst, s->set));
	if (s->not_set != HF_NO_SET)
		set = hf_dd_minus(dd, set, side_set(w, dst, s->not_set));
	if (s->ports.n_ranges + s->ports.n_sets)
		set = hf_dd_and(dd, set, side_ports(w, dst, &s->ports));
	if (s->not_ports.n_ranges + s->not_ports.n_sets)
		set = hf_dd_minus(dd, set, side_ports(w, dst, &s->not_ports));
	if (s->service != HF_NO_SET)
		set = hf_dd_and(dd, set, side_members(w, dst, s->service));
	return set;
}

/* Type and perhaps code; they stand where others have the destination port. */
static BDD icmp_has(struct dd *dd, const struct hf_model_icmp *icmp)
{
	const uint8_t value[2] = {icmp->type, icmp->code};
	const uint8_t mask[2] = {0xff, icmp->has_code ? 0xff : 0};

	return hf_dd_masked(dd, DD_DPORT, value, mask);
}

/* docs/semantics.md 11.1: icmp and notICMP speak of the family's own ICMP only. */
static BDD icmp_matches(const struct walk *w, const struct hf_model_rule *rule)
{
	bool want = rule->icmp.given && rule->icmp.has_type;
	bool want_not = rule->not_icmp.given && rule->not_icmp.has_type;
	BDD set;

	if (!want && !want_not)
		return hf_dd_all();
	set = hf_dd_is(w->dd, DD_PROTO, w->dd->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	if (want)
		set = hf_dd_and(w->dd, set, icmp_has(w->dd, &rule->icmp));
	if (want_not)
		set = hf_dd_minus(w->dd, set, icmp_has(w->dd, &rule->not_icmp));
	return set;
}

/* docs/semantics.md 11: the packets a rule matches. */
static BDD rule_has(const struct walk *w, const struct hf_model_rule *rule)
{
	uint8_t family = w->dd->family;
	struct dd *dd = w->dd;
	BDD set;

	if ((rule->ip_version && rule->ip_version != family) || !side_exists(&rule->src, family) ||
		!side_exists(&rule->dst, family))
		return hf_dd_none();
	set = icmp_matches(w, rule);
	if (rule->has_proto)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_PROTO, rule->proto));
	if (rule->has_not_proto)
		set = hf_dd_minus(dd, set, hf_dd_is(dd, DD_PROTO, rule->not_proto));
	set = hf_dd_and(dd, set, side_has(w, &rule->dst, true));
	return hf_dd_and(dd, set, side_has(w, &rule->src, false));
}

static const struct hf_model_policies *policies_of(
	const struct hf_model_tier *tier, const struct chain *chain)
{
	return chain->egress ? &tier->out : &tier->in;
}

/* The first match of a list; what passes is put aside in *passed. */
static void walk_rules(struct walk *w, const struct hf_model_rules *rules, BDD *passed)
{
	size_t i;

	for (i = 0; i < rules->n && !w->dd->failed; i++) {
		BDD set = rule_has(w, &rules->v[i]);

		switch (rules->v[i].action) {
		case HF_RULE_DENY:
			decide(w, &w->ends.deny, set);
			break;
		case HF_RULE_ALLOW:
			decide(w, &w->ends.accept, set);
			break;
		case HF_RULE_PASS:
			decide(w, passed, set);
			break;
		case HF_RULE_LOG:
			break;
		}
	}
}

static void walk_tier(struct walk *w, const struct hf_model_tier *tier)
{
	const struct hf_model_policies *policies = policies_of(tier, w->chain);
	bool drops = w->chain->type == HF_CHAIN_NORMAL || w->chain->type == HF_CHAIN_FORWARD;
	bool enforced = false;
	BDD passed = hf_dd_none();
	size_t i;

	for (i = 0; i < policies->n; i++) {
		if (policies->v[i].staged)
			continue;
		enforced = true;
		walk_rules(w, &policies->v[i].rules, &passed);
	}
	if (drops && enforced && !tier->default_pass)
		decide(w, &w->ends.deny, hf_dd_all());
	w->left = hf_dd_or(w->dd, w->left, passed);
}

/* docs/semantics.md 4: profiles in order, a missing one denies, and so does the end of the list. */
static void walk_profiles(struct walk *w)
{
	const struct hf_model_endpoint *ep = w->chain->ep;
	size_t i;

	for (i = 0; i < ep->n_profiles; i++) {
		const struct hf_model_profile *p = ep->profiles[i];
		BDD passed = hf_dd_none();

		walk_rules(w, w->chain->egress ? &p->out : &p->in, &passed);
		if (p->missing)
			decide(w, &w->ends.deny, hf_dd_all());
		w->left = hf_dd_or(w->dd, w->left, passed);
	}
	decide(w, &w->ends.deny, hf_dd_all());
}

/* docs/semantics.md 4: since 3.29 a tier of either direction fills a forward chain for both. */
static bool forward_is_empty(const struct walk *w, const struct hf_model_tiers *tiers)
{
	unsigned int calico = w->pol->model->config.calico;
	size_t i;

	if (calico == 0 || calico >= 329)
		return tiers->n == 0;
	for (i = 0; i < tiers->n; i++) {
		if (policies_of(&tiers->v[i], w->chain)->n > 0)
			return false;
	}
	return true;
}

/* docs/semantics.md 6: one list; far is the side whose net an entry may name. */
static BDD failsafes(const struct walk *w, const struct hf_model_failsafes *list, bool by_sport)
{
	bool far_is_dst = w->chain->egress;
	BDD any = hf_dd_none(), one;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct hf_model_failsafe *fs = &list->v[i];

		if (by_sport)
			one = hf_dd_and(w->dd, hf_dd_is(w->dd, DD_PROTO, fs->proto),
				hf_dd_is(w->dd, DD_SPORT, fs->port));
		else
			one = hf_view_service(w->pol, w->view, fs->proto, fs->port);
		if (fs->net.addr.family)
			one = hf_dd_and(w->dd, one, side_nets(w, far_is_dst, &fs->net, 1));
		any = hf_dd_or(w->dd, any, one);
	}
	return any;
}

/* docs/semantics.md 6, both rows of its second table. */
static void walk_failsafes(struct walk *w)
{
	const struct hf_model_config *config = &w->pol->model->config;
	bool egress = w->chain->egress;

	if (w->chain->type == HF_CHAIN_FORWARD || w->chain->ep->workload)
		return;
	decide(w, &w->ends.failsafe,
		failsafes(w, egress ? &config->fs_out : &config->fs_in, false));
	if (w->chain->type == HF_CHAIN_UNTRACKED)
		decide(w, &w->ends.failsafe,
			failsafes(w, egress ? &config->fs_in : &config->fs_out, true));
}

void hf_chain_walk(const struct pol *pol, const struct chain *chain, const struct view *view,
	BDD packets, BDD established, struct ends *ret)
{
	const struct hf_model_tiers *tiers = &chain->ep->tiers[chain->type];
	struct walk w = {.pol = pol, .dd = pol->dd, .chain = chain, .view = view, .left = packets};
	size_t i;

	w.ends =
		(struct ends){hf_dd_none(), hf_dd_none(), hf_dd_none(), hf_dd_none(), hf_dd_none()};
	if (chain->type != HF_CHAIN_UNTRACKED)
		decide(&w, &w.ends.accept_now, established);
	walk_failsafes(&w);
	for (i = 0; i < tiers->n; i++)
		walk_tier(&w, &tiers->v[i]);
	if (chain->type == HF_CHAIN_NORMAL)
		walk_profiles(&w);
	else if (chain->type == HF_CHAIN_FORWARD && forward_is_empty(&w, tiers))
		decide(&w, &w.ends.accept, hf_dd_all());
	w.ends.no_match = w.left;
	*ret = w.ends;
}
