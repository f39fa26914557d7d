/* SPDX-License-Identifier: BSD-3-Clause */

#include "chain.h"

#include "image.h"

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
		return hf_dd_nets(pol->dd, hf_pol_addr(pol, true), nets, n);
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
		return hf_dd_ports(pol->dd, hf_pol_port(pol, true), range);
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
	return dst ? hf_view_nets(w->pol, w->view, nets, n)
		   : hf_dd_nets(w->dd, hf_pol_addr(w->pol, false), nets, n);
}

static const struct hf_model_policies *policies_of(
	const struct hf_model_tier *tier, const struct chain *chain)
{
	return chain->egress ? &tier->out : &tier->in;
}

/* The same rules for a destination that has been rewritten: it is no variable any more. */
static BDD seen(const struct walk *w, BDD set)
{
	const struct view *v = w->view;
	const uint8_t port[2] = {(uint8_t)(v->to.port >> 8), (uint8_t)v->to.port};

	if (!v->rewritten)
		return set;
	set = hf_dd_put(w->dd, set, DD_DST, v->to.addr.b);
	return v->to.port ? hf_dd_put(w->dd, set, DD_DPORT, port) : set;
}

/* The first match of a list; what passes is put aside in *passed. */
static void walk_image(struct walk *w, const struct image *image, BDD *passed)
{
	BDD deny = seen(w, image->deny), accept = seen(w, image->accept);

	decide(w, &w->ends.deny, deny);
	decide(w, &w->ends.accept, accept);
	if (image->passed != hf_dd_none())
		decide(w, passed, seen(w, image->passed));
}

static void walk_tier(struct walk *w, const struct hf_model_tier *tier)
{
	const struct hf_model_policies *policies = policies_of(tier, w->chain);
	bool drops = w->chain->type == HF_CHAIN_NORMAL || w->chain->type == HF_CHAIN_FORWARD;
	bool enforced = false;
	BDD passed = hf_dd_none();
	struct image image;
	size_t i;

	for (i = 0; i < policies->n; i++)
		enforced |= !policies->v[i].staged;
	hf_image_tier(w->pol, policies, &image);
	walk_image(w, &image, &passed);
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
		struct image image;

		hf_image_rules(w->pol, w->chain->egress ? &p->out : &p->in, &image);
		walk_image(w, &image, &passed);
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
				hf_dd_is(w->dd, hf_pol_port(w->pol, false), fs->port));
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
	for (i = 0; i < tiers->n && w.left != hf_dd_none(); i++)
		walk_tier(&w, &tiers->v[i]);
	if (chain->type == HF_CHAIN_NORMAL)
		walk_profiles(&w);
	else if (chain->type == HF_CHAIN_FORWARD && forward_is_empty(&w, tiers))
		decide(&w, &w.ends.accept, hf_dd_all());
	w.ends.no_match = w.left;
	*ret = w.ends;
}
