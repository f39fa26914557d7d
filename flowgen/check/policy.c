/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hooks of docs/semantics.md 3.1 for packets that arrive by a host interface, one function per
 * hook.
 */

#include "policy.h"

#include "chain.h"
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct view as_on_wire;

/* Packets on their way: sets instead of the marks that one packet would carry. */
struct way {
	const struct pol *pol;
	struct dd *dd;
	BDD established; /* accepted as part of a connection wherever that is asked */
	BDD accepted;	 /* bit A */
	BDD untracked;	 /* by untracked policy */
	struct fates fates;
	int backend; /* the one the kernel picks, or ANY_BACKEND */
};

/* Gives packets a verdict, NO_DECISION by the kernel's word for the hook. */
static void give(struct way *w, BDD set, enum hf_verdict v, bool kernel_drops)
{
	struct fates *f = &w->fates;
	BDD *to;

	if (v == HF_VERDICT_NO_DECISION)
		v = kernel_drops ? HF_VERDICT_DENY : HF_VERDICT_ALLOW;
	to = v == HF_VERDICT_DENY	       ? &f->deny
	     : v == HF_VERDICT_ALLOW_UNTRACKED ? &f->untracked
					       : &f->allow;
	*to = hf_dd_or(w->dd, *to, set);
}

/* docs/semantics.md 1.1: what the filter table makes of ACCEPT. */
static enum hf_verdict filter_accept(const struct way *w)
{
	return w->pol->model->config.filter_return ? HF_VERDICT_NO_DECISION : HF_VERDICT_ALLOW;
}

/* docs/semantics.md 4.1: ACCEPT, of which those packets are untracked that untracked policy let in.
 */
static void give_accept(struct way *w, BDD set, bool kernel_drops)
{
	enum hf_verdict v = filter_accept(w);

	give(w, hf_dd_minus(w->dd, set, w->untracked), v, kernel_drops);
	give(w, hf_dd_and(w->dd, set, w->untracked),
		v == HF_VERDICT_ALLOW ? HF_VERDICT_ALLOW_UNTRACKED : v, kernel_drops);
}

/* docs/semantics.md 10: each family has its own pools. */
static bool vxlan_is_on(const struct pol *pol)
{
	const struct hf_model_config *config = &pol->model->config;

	return pol->dd->family == 4 ? config->vxlan : config->vxlan6;
}

/* docs/semantics.md 3.2, normal and forward. */
static const struct hf_model_endpoint *governor(
	const struct pol *pol, const struct hf_model_iface *iface)
{
	return iface->hep ? iface->hep : pol->model->star;
}

/* docs/semantics.md 3.1, step 1, and 10, "VXLAN conntrack". Returns what goes on. */
static BDD raw_prerouting(struct way *w, BDD packets)
{
	const struct hf_model_config *config = &w->pol->model->config;
	const struct hf_model_endpoint *ep = w->pol->iif->hep;
	struct chain chain = {.type = HF_CHAIN_UNTRACKED, .ep = ep};
	struct ends ends;

	if (vxlan_is_on(w->pol))
		w->established = hf_dd_minus(w->dd, w->established,
			hf_view_service(w->pol, &as_on_wire, HF_PROTO_UDP, config->vxlan_port));
	if (!ep || ep->tiers[HF_CHAIN_UNTRACKED].n == 0)
		return packets;
	hf_chain_walk(w->pol, &chain, &as_on_wire, packets, w->established, &ends);
	give(w, ends.deny, HF_VERDICT_DENY, false);
	w->accepted = w->untracked = ends.accept;
	w->established = hf_dd_minus(w->dd, w->established, ends.accept);
	return hf_dd_minus(w->dd, packets, ends.deny);
}

/* docs/semantics.md 3.1, step 3, and the quirk of 3.2. Returns what goes on. */
static BDD mangle_prerouting(struct way *w, BDD packets)
{
	const struct hf_model_endpoint *own = w->pol->iif->hep, *star = w->pol->model->star, *ep;
	struct chain chain = {.type = HF_CHAIN_PREDNAT};
	struct ends ends;
	BDD asked;

	ep = own && own->tiers[HF_CHAIN_PREDNAT].n ? own : star;
	if (!ep || ep->tiers[HF_CHAIN_PREDNAT].n == 0)
		return packets;
	chain.ep = ep;
	asked = hf_dd_minus(w->dd, packets, hf_dd_or(w->dd, w->accepted, w->established));
	hf_chain_walk(w->pol, &chain, &as_on_wire, asked, hf_dd_none(), &ends);
	give(w, ends.deny, HF_VERDICT_DENY, false);
	w->accepted = hf_dd_or(w->dd, w->accepted, ends.accept);
	return hf_dd_minus(w->dd, packets, ends.deny);
}

static BDD none_or(bool given, BDD set)
{
	return given ? set : hf_dd_none();
}

/* docs/semantics.md 10, "in" rows. Returns what goes on. */
static BDD encap_filter(struct way *w, const struct view *view, BDD packets)
{
	const struct hf_model_config *c = &w->pol->model->config;
	struct dd *dd = w->dd;
	bool v4 = dd->family == 4;
	BDD local = view->rewritten
			    ? none_or(hf_model_is_local(w->pol->model, &view->to.addr), hf_dd_all())
			    : w->pol->local;
	BDD peer = c->peers == HF_NO_SET ? hf_dd_none() : w->pol->src_sets[c->peers];
	BDD ipip = none_or(c->ipip && v4, hf_dd_is(dd, DD_PROTO, HF_PROTO_IPIP));
	BDD vxlan = none_or(
		vxlan_is_on(w->pol), hf_view_service(w->pol, view, HF_PROTO_UDP, c->vxlan_port));
	BDD wg = none_or(v4 ? c->wireguard : c->wireguard6,
		hf_view_service(
			w->pol, view, HF_PROTO_UDP, v4 ? c->wireguard_port : c->wireguard_port6));
	BDD ours = hf_dd_and(dd, hf_dd_or(dd, ipip, vxlan), peer);
	BDD strange;

	ours = hf_dd_and(dd, packets, hf_dd_and(dd, local, hf_dd_or(dd, ours, wg)));
	give(w, ours, filter_accept(w), c->drop_input);
	packets = hf_dd_minus(dd, packets, ours);
	strange = hf_dd_or(dd, ipip, hf_dd_and(dd, vxlan, local));
	give(w, hf_dd_and(dd, packets, strange), HF_VERDICT_DENY, false);
	return hf_dd_minus(dd, packets, strange);
}

/* docs/semantics.md 3.1, step 6. */
static void filter_input(struct way *w, const struct view *view, BDD packets)
{
	struct chain chain = {.type = HF_CHAIN_NORMAL, .ep = governor(w->pol, w->pol->iif)};
	bool drops = w->pol->model->config.drop_input;
	struct ends ends;

	packets = encap_filter(w, view, packets);
	give_accept(w, hf_dd_and(w->dd, packets, w->accepted), drops);
	packets = hf_dd_minus(w->dd, packets, w->accepted);
	if (!chain.ep) {
		give(w, packets, HF_VERDICT_NO_DECISION, drops);
		return;
	}
	hf_chain_walk(w->pol, &chain, view, packets, w->established, &ends);
	give(w, ends.deny, HF_VERDICT_DENY, false);
	give(w, ends.failsafe, HF_VERDICT_ALLOW, drops);
	packets = hf_dd_minus(w->dd, packets, hf_dd_or(w->dd, ends.deny, ends.failsafe));
	give(w, packets, filter_accept(w), drops);
}

/* docs/semantics.md 3.1, step 7, and 4.1: the last chain that ran has the word. */
static void filter_forward(
	struct way *w, const struct view *view, const struct hf_model_iface *oif, BDD packets)
{
	const struct hf_model_config *config = &w->pol->model->config;
	const struct chain chains[] = {
		{HF_CHAIN_FORWARD, false, governor(w->pol, w->pol->iif)},
		{HF_CHAIN_NORMAL, false, oif->wep},
		{HF_CHAIN_FORWARD, true, governor(w->pol, oif)},
	};
	BDD last = hf_dd_and(w->dd, packets, w->accepted), skip;
	struct ends ends;
	size_t i;

	for (i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		/* docs/semantics.md 3.2: a pod that nobody knows. */
		if (i == 1 && oif->id.from == HF_FROM_WORKLOAD && !oif->wep) {
			give(w, packets, HF_VERDICT_DENY, false);
			return;
		}
		if (!chains[i].ep)
			continue;
		skip = i == 0 ? hf_dd_and(w->dd, packets, w->accepted) : hf_dd_none();
		hf_chain_walk(w->pol, &chains[i], view, hf_dd_minus(w->dd, packets, skip),
			w->established, &ends);
		give(w, ends.deny, HF_VERDICT_DENY, false);
		/* docs/semantics.md 1.1: Return does not end the hook. */
		if (config->filter_return)
			ends.accept = hf_dd_or(w->dd, ends.accept, ends.accept_now);
		else
			give(w, ends.accept_now, HF_VERDICT_ALLOW, false);
		last = hf_dd_or(w->dd, skip, ends.accept);
		packets = hf_dd_or(w->dd, last, hf_dd_or(w->dd, ends.failsafe, ends.no_match));
	}
	if (config->loop_guard && !view->rewritten && config->service_nets != HF_NO_SET) {
		BDD loops = hf_view_set(w->pol, view, config->service_nets);

		give(w, hf_dd_and(w->dd, packets, loops), HF_VERDICT_DENY, false);
		packets = hf_dd_minus(w->dd, packets, loops);
	}
	give_accept(w, hf_dd_and(w->dd, packets, last), config->drop_forward);
	give(w, hf_dd_minus(w->dd, packets, last), HF_VERDICT_NO_DECISION, config->drop_forward);
}

static void route(struct way *w, const struct view *view, const struct hf_dest *dest, BDD packets)
{
	if (dest->class == HF_CLASS_HOST)
		filter_input(w, view, packets);
	else
		filter_forward(w, view, &w->pol->model->ifaces[dest->out], packets);
}

/* Packets for which dests[i] is the longest prefix; *taken grows. */
static BDD dest_takes(const struct pol *pol, size_t i, BDD *taken)
{
	BDD net = hf_dd_prefix(pol->dd, DD_DST, &pol->model->dests[i].net);
	BDD set = hf_dd_minus(pol->dd, net, *taken);

	*taken = hf_dd_or(pol->dd, *taken, net);
	return set;
}

static bool same_way(const struct hf_dest *a, const struct hf_dest *b)
{
	return a->class == b->class && (a->class == HF_CLASS_HOST || a->out == b->out);
}

/* docs/semantics.md 3.1, step 5, for packets whose destination stands. */
static void route_all(struct way *w, BDD packets)
{
	const struct hf_model *m = w->pol->model;
	size_t i, k;

	for (i = 0; i < m->n_dests && !w->dd->failed; i++) {
		BDD set = hf_dd_none(), taken = hf_dd_none();

		for (k = 0; k < i && !same_way(&m->dests[k], &m->dests[i]); k++)
			;
		if (k < i)
			continue; /* went with the first of its kind */
		for (k = 0; k < m->n_dests; k++) {
			BDD one = dest_takes(w->pol, k, &taken);

			if (same_way(&m->dests[k], &m->dests[i]))
				set = hf_dd_or(w->dd, set, one);
		}
		set = hf_dd_and(w->dd, packets, set);
		if (set != hf_dd_none())
			route(w, &as_on_wire, &m->dests[i], set);
	}
}

BDD hf_pol_dnat(const struct pol *pol, const struct hf_dnat *d)
{
	struct hf_prefix host = {d->addr, (uint8_t)hf_addr_bits(&d->addr)};
	BDD set = hf_dd_prefix(pol->dd, DD_DST, &host);

	if (d->proto)
		set = hf_dd_and(pol->dd, set, hf_view_service(pol, &as_on_wire, d->proto, d->port));
	return set;
}

/* Verdicts that hold whichever backend is taken. */
static void agree(struct dd *dd, struct fates *common, const struct fates *other)
{
	common->allow = hf_dd_and(dd, common->allow, other->allow);
	common->untracked = hf_dd_and(dd, common->untracked, other->untracked);
	common->deny = hf_dd_and(dd, common->deny, other->deny);
}

size_t hf_backend(const struct hf_dnat *d, size_t i)
{
	return i < d->n_to ? i : d->n_to - 1u;
}

/* docs/semantics.md 3.1, step 4: the kernel picks one of the backends. */
static void rewrite(struct way *w, const struct hf_dnat *d, BDD packets)
{
	struct fates common = {packets, packets, packets}, before = w->fates;
	size_t i;

	for (i = 0; i < d->n_to; i++) {
		struct view view = {.rewritten = true, .to = d->to[i]};

		if (w->backend >= 0 && i != hf_backend(d, (size_t)w->backend))
			continue;
		w->fates = (struct fates){hf_dd_none(), hf_dd_none(), hf_dd_none()};
		route(w, &view, hf_model_find_dest(w->pol->model, &d->to[i].addr), packets);
		agree(w->dd, &common, &w->fates);
	}
	w->fates = before;
	give(w, common.allow, HF_VERDICT_ALLOW, false);
	give(w, common.untracked, HF_VERDICT_ALLOW_UNTRACKED, false);
	give(w, common.deny, HF_VERDICT_DENY, false);
}

/* Entries with a protocol come before those for a whole address. Returns what nobody rewrites. */
static BDD nat_prerouting(struct way *w, BDD packets)
{
	const struct hf_model *m = w->pol->model;
	BDD left = packets, plain = hf_dd_none(), set;
	unsigned int whole;
	size_t i;

	for (whole = 0; whole < 2; whole++) {
		for (i = 0; i < m->n_dnats && !w->dd->failed; i++) {
			const struct hf_dnat *d = &m->dnats[i];

			if ((d->proto == 0) != whole || d->addr.family != w->dd->family)
				continue;
			set = hf_dd_and(w->dd, left, hf_pol_dnat(w->pol, d));
			left = hf_dd_minus(w->dd, left, set);
			if (d->n_to)
				rewrite(w, d, set);
			else
				plain = hf_dd_or(w->dd, plain, set);
		}
	}
	return hf_dd_or(w->dd, left, plain);
}

void hf_pol_fates(const struct pol *pol, bool established, int backend, struct fates *ret)
{
	struct way w = {.pol = pol, .dd = pol->dd, .backend = backend};
	BDD packets = pol->all;

	w.established = none_or(established, pol->all);
	w.accepted = w.untracked = hf_dd_none();
	w.fates = (struct fates){hf_dd_none(), hf_dd_none(), hf_dd_none()};
	if (pol->foreign_tags)
		packets = hf_dd_and(w.dd, packets, hf_dd_is(w.dd, DD_VLAN, 0));
	packets = raw_prerouting(&w, packets);
	packets = mangle_prerouting(&w, packets);
	route_all(&w, nat_prerouting(&w, packets));
	*ret = w.fates;
}

/* Packets of one state's set that are in it in every state they can be in. */
static BDD in_all_states(const struct pol *pol, BDD fresh, BDD established)
{
	return hf_dd_and(pol->dd, fresh, hf_dd_or(pol->dd, pol->opening, established));
}

void hf_pol_certain(const struct pol *pol, struct fates *ret)
{
	struct fates fresh, est;

	hf_pol_fates(pol, false, ANY_BACKEND, &fresh);
	hf_pol_fates(pol, true, ANY_BACKEND, &est);
	ret->allow = in_all_states(pol, fresh.allow, est.allow);
	ret->untracked = in_all_states(pol, fresh.untracked, est.untracked);
	ret->deny = in_all_states(pol, fresh.deny, est.deny);
}

BDD hf_pol_class(const struct pol *pol, enum hf_class class)
{
	const struct hf_model *m = pol->model;
	BDD set = hf_dd_none(), taken = hf_dd_none();
	size_t i;

	for (i = 0; i < m->n_dests; i++) {
		BDD one = dest_takes(pol, i, &taken);

		if (m->dests[i].class == class)
			set = hf_dd_or(pol->dd, set, one);
	}
	for (i = 0; i < m->n_dnats; i++) {
		if (m->dnats[i].addr.family == pol->dd->family)
			set = hf_dd_minus(pol->dd, set, hf_pol_dnat(pol, &m->dnats[i]));
	}
	return hf_dd_and(pol->dd, pol->all, set);
}

static BDD any_proto(struct dd *dd, const uint8_t *protos, size_t n)
{
	BDD set = hf_dd_none();
	size_t i;

	for (i = 0; i < n; i++)
		set = hf_dd_or(dd, set, hf_dd_is(dd, DD_PROTO, protos[i]));
	return set;
}

/* Set of packets that have value unless they are in other. */
static BDD unless(struct dd *dd, BDD other, BDD value)
{
	return hf_dd_or(dd, other, value);
}

/* Fields that a packet does not have are zero, so that each packet is one point of the space. */
static BDD possible(struct dd *dd)
{
	static const uint8_t with_ports[] = {
		HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP, HF_PROTO_UDPLITE};
	/* Headers that may stand before the protocol (RFC 8200, 4.1; IANA's list), but fragment's.
	 */
	static const uint8_t extensions[] = {0, 43, 51, 60, 135, 139, 140};
	BDD ports = any_proto(dd, with_ports, sizeof(with_ports)), next = hf_dd_none(), all, plain;
	BDD typed = hf_dd_is(dd, DD_PROTO, dd->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	size_t i;

	plain = hf_dd_and(dd, hf_dd_is(dd, DD_NEXT, 0), hf_dd_is(dd, DD_DEEP, 0));
	plain = hf_dd_and(dd, plain, hf_dd_is(dd, DD_EXT, 0));
	for (i = 0; i < sizeof(extensions); i++)
		next = hf_dd_or(dd, next, hf_dd_is(dd, DD_NEXT, extensions[i]));
	next = hf_dd_and(dd, next, hf_dd_is(dd, DD_EXT, 1));
	all = hf_dd_and(
		dd, hf_dd_possible(dd), dd->family == 4 ? plain : hf_dd_or(dd, plain, next));
	all = hf_dd_and(dd, all, unless(dd, hf_dd_is(dd, DD_FRAG, 1), hf_dd_is(dd, DD_LATER, 0)));
	all = hf_dd_and(dd, all, unless(dd, ports, hf_dd_is(dd, DD_SPORT, 0)));
	all = hf_dd_and(dd, all, unless(dd, hf_dd_or(dd, ports, typed), hf_dd_is(dd, DD_DPORT, 0)));
	return hf_dd_and(dd, all,
		unless(dd, hf_dd_is(dd, DD_PROTO, HF_PROTO_TCP),
			hf_dd_and(dd, hf_dd_is(dd, DD_SYN, 0), hf_dd_is(dd, DD_ACK, 0))));
}

/* docs/architecture.md: TCP with SYN and without ACK, and ICMP messages that ask. */
static BDD can_only_open(struct dd *dd)
{
	static const uint8_t v4[] = {8, 13, 15, 17}, v6[] = {128, 139};
	bool is4 = dd->family == 4;
	const uint8_t *types = is4 ? v4 : v6;
	BDD syn = hf_dd_and(dd, hf_dd_is(dd, DD_SYN, 1), hf_dd_is(dd, DD_ACK, 0)),
	    ask = hf_dd_none();
	size_t i;

	for (i = 0; i < (is4 ? sizeof(v4) : sizeof(v6)); i++) {
		const uint8_t value[2] = {types[i], 0}, mask[2] = {0xff, 0};

		ask = hf_dd_or(dd, ask, hf_dd_masked(dd, DD_DPORT, value, mask));
	}
	ask = hf_dd_and(dd, ask, hf_dd_is(dd, DD_PROTO, is4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6));
	syn = hf_dd_and(dd, syn, hf_dd_is(dd, DD_PROTO, HF_PROTO_TCP));
	return hf_dd_or(dd, syn, ask);
}

/* docs/semantics.md 10: addresses of this host, and all that lo answers for. */
static BDD local_addrs(const struct pol *pol)
{
	static const struct hf_prefix loop[] = {{{4, {127}}, 8}, {{6, {[15] = 1}}, 128}};
	BDD set = hf_dd_nets(pol->dd, DD_DST, loop, 2);
	size_t i, k;

	for (i = 0; i < pol->model->n_ifaces; i++) {
		const struct hf_model_iface *iface = &pol->model->ifaces[i];
		bool lo = strcmp(iface->id.name, "lo") == 0;

		for (k = 0; k < iface->n_addrs; k++) {
			struct hf_prefix p = iface->addrs[k];

			if (!lo || p.addr.family == 6)
				p.len = (uint8_t)hf_addr_bits(&p.addr);
			set = hf_dd_or(pol->dd, set, hf_dd_prefix(pol->dd, DD_DST, &p));
		}
	}
	return set;
}

/* Whether the host has an interface NAME.TAG on top of this one. */
static bool has_vlan(const struct hf_model *model, const char *name)
{
	size_t len = strlen(name), i;

	for (i = 1; i < model->n_ifaces; i++) {
		const char *other = model->ifaces[i].id.name;

		if (strncmp(other, name, len) == 0 && other[len] == '.')
			return true;
	}
	return false;
}

/* docs/semantics.md 10, "out" rows: what this host sends as its own encapsulation. */
static BDD encap_out(const struct way *w)
{
	const struct hf_model_config *c = &w->pol->model->config;
	struct dd *dd = w->dd;
	bool v4 = dd->family == 4;
	BDD peer =
		c->peers == HF_NO_SET ? hf_dd_none() : hf_view_set(w->pol, &as_on_wire, c->peers);
	BDD ipip = none_or(c->ipip && v4, hf_dd_is(dd, DD_PROTO, HF_PROTO_IPIP));
	BDD vxlan = none_or(vxlan_is_on(w->pol),
		hf_view_service(w->pol, &as_on_wire, HF_PROTO_UDP, c->vxlan_port));
	BDD wg = none_or(v4 ? c->wireguard : c->wireguard6,
		hf_view_service(w->pol, &as_on_wire, HF_PROTO_UDP,
			v4 ? c->wireguard_port : c->wireguard_port6));
	BDD ours = hf_dd_or(dd, hf_dd_and(dd, hf_dd_or(dd, ipip, vxlan), peer), wg);

	return hf_dd_and(dd, ours, w->pol->local);
}

/* docs/semantics.md 3.1, steps 8 and 10: what the host sends by the interface, all of it new. */
static void leave(struct way *w, BDD packets)
{
	const struct hf_model_endpoint *raw = w->pol->iif->hep;
	struct chain chain = {HF_CHAIN_UNTRACKED, true, raw};
	bool drops = w->pol->model->config.drop_output;
	struct ends ends;
	BDD ours;

	if (raw && raw->tiers[HF_CHAIN_UNTRACKED].n > 0) {
		hf_chain_walk(w->pol, &chain, &as_on_wire, packets, hf_dd_none(), &ends);
		give(w, ends.deny, HF_VERDICT_DENY, false);
		give(w, ends.accept, filter_accept(w), drops);
		packets = hf_dd_minus(w->dd, packets, hf_dd_or(w->dd, ends.deny, ends.accept));
	}
	ours = hf_dd_and(w->dd, packets, encap_out(w));
	give(w, ours, filter_accept(w), drops);
	packets = hf_dd_minus(w->dd, packets, ours);
	chain = (struct chain){HF_CHAIN_NORMAL, true, governor(w->pol, w->pol->iif)};
	if (!chain.ep) {
		give(w, packets, HF_VERDICT_NO_DECISION, drops);
		return;
	}
	hf_chain_walk(w->pol, &chain, &as_on_wire, packets, hf_dd_none(), &ends);
	give(w, ends.deny, HF_VERDICT_DENY, false);
	give(w, ends.failsafe, HF_VERDICT_ALLOW, drops);
	packets = hf_dd_minus(w->dd, packets, hf_dd_or(w->dd, ends.deny, ends.failsafe));
	give(w, packets, filter_accept(w), drops);
}

static int pol_init(struct pol *pol, const struct hf_model *model, struct dd *dd,
	const struct hf_model_iface *iif, bool turned)
{
	static const uint8_t ported[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	size_t i;

	*pol = (struct pol){.model = model, .dd = dd, .iif = iif, .turned = turned};
	pol->src_sets = calloc(model->n_sets + 1, sizeof(*pol->src_sets));
	pol->dst_sets = calloc(model->n_sets + 1, sizeof(*pol->dst_sets));
	pol->images = calloc(1, sizeof(struct hf_image_known *));
	if (!pol->src_sets || !pol->dst_sets || !pol->images) {
		hf_pol_fini(pol);
		return -ENOMEM;
	}
	for (i = 0; i < model->n_sets; i++) {
		const struct hf_set *s = &model->sets[i];

		pol->src_sets[i] = hf_dd_nets(dd, hf_pol_addr(pol, false), s->nets, s->n_nets);
		pol->dst_sets[i] = hf_dd_nets(dd, hf_pol_addr(pol, true), s->nets, s->n_nets);
	}
	pol->all = possible(dd);
	pol->opening = hf_dd_and(dd, pol->all, can_only_open(dd));
	pol->ported = any_proto(dd, ported, sizeof(ported));
	pol->local = local_addrs(pol);
	pol->foreign_tags = has_vlan(model, pol->iif->id.name);
	return 0;
}

int hf_pol_init(struct pol *pol, const struct hf_model *model, struct dd *dd, uint16_t in)
{
	return pol_init(pol, model, dd, &model->ifaces[in], false);
}

int hf_pol_answered(const struct pol *pol, BDD *ret)
{
	static const uint8_t icmp[] = {HF_PROTO_ICMP, HF_PROTO_ICMPV6};
	struct dd *dd = pol->dd;
	struct way w = {.dd = dd, .backend = ANY_BACKEND};
	struct pol turned;
	BDD asked = hf_pol_class(pol, HF_CLASS_HOST);
	int rc = pol_init(&turned, pol->model, dd, pol->iif, true);

	if (rc < 0)
		return rc;
	w.pol = &turned;
	w.established = w.accepted = w.untracked = hf_dd_none();
	w.fates = (struct fates){hf_dd_none(), hf_dd_none(), hf_dd_none()};
	asked = hf_dd_minus(dd, asked, any_proto(dd, icmp, sizeof(icmp)));
	asked = hf_dd_and(dd, asked, hf_dd_is(dd, DD_LATER, 0));
	leave(&w, asked);
	*ret = w.fates.allow;
	hf_pol_fini(&turned);
	return 0;
}

void hf_pol_fini(struct pol *pol)
{
	if (pol->images)
		hf_image_fini(pol);
	free(pol->images);
	free(pol->src_sets);
	free(pol->dst_sets);
}
