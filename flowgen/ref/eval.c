/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The walk of a packet through the hooks, in the order of docs/semantics.md 3.1. One function per
 * hook or per rule of the document, so that the two can be read side by side.
 */

#include <hepflow/ref.h>

#include <hepflow/err.h>

#include "model/model.h"
#include "ref/chain.h"
#include "ref/trace.h"

#include <errno.h>
#include <string.h>

/* A packet on its way. */
struct eval {
	const struct hf_model *model;
	struct hf_ref_trace trace;
	struct hf_packet wire; /* destination before DNAT */
	struct hf_packet nat;  /* after; the same when nothing rewrites it */
	bool dnated;
	enum hf_class class; /* owner of nat.dst */
	const struct hf_model_iface *iif;
	const struct hf_model_iface *oif;  /* by nat.dst */
	const struct hf_model_iface *oif0; /* by wire.dst: what a packet of the host leaves by
					      before DNAT */
	bool accepted;			   /* bit A: accepted by an earlier table */
	bool untracked;			   /* by untracked policy */
	const char *origin;		   /* of the rule that set the bit */
};

struct answer {
	enum hf_verdict verdict;
	const char *origin;
};

static struct answer deny(const char *origin)
{
	return (struct answer){HF_VERDICT_DENY, origin};
}

static struct answer no_decision(const char *origin)
{
	return (struct answer){HF_VERDICT_NO_DECISION, origin};
}

static struct answer allow(const char *origin)
{
	return (struct answer){HF_VERDICT_ALLOW, origin};
}

/* docs/semantics.md 1.1: accepted by the filter table, which may leave it to the rules after it. */
static struct answer accept(const struct eval *e, const char *origin)
{
	if (!e->model->config.filter_return)
		return allow(origin);
	hf_ref_say(&e->trace, "accepted, but the allow action is Return: left to the host");
	return no_decision(origin);
}

/* docs/semantics.md 1.1: what untracked policy accepted, and the last chain too (4.1). */
static struct answer or_untracked(const struct eval *e, struct answer answer)
{
	if (e->untracked && answer.verdict == HF_VERDICT_ALLOW)
		answer.verdict = HF_VERDICT_ALLOW_UNTRACKED;
	return answer;
}

static bool is_workload(const struct hf_model_iface *iface)
{
	return iface->id.from == HF_FROM_WORKLOAD;
}

/* docs/semantics.md 3.2: no endpoint is known there (yet), and pods' interfaces have no "*". */
static bool is_unknown_pod(const struct hf_model_iface *iface)
{
	return is_workload(iface) && !iface->wep;
}

/* docs/semantics.md 3.2, normal and forward: the specific endpoint replaces "*" altogether. */
static const struct hf_model_endpoint *governor(
	const struct eval *e, const struct hf_model_iface *iface)
{
	return iface->hep ? iface->hep : e->model->star;
}

/* docs/semantics.md 3.2, untracked: "*" never counts. */
static const struct hf_model_endpoint *untracked_governor(const struct hf_model_iface *iface)
{
	return iface->hep && iface->hep->tiers[HF_CHAIN_UNTRACKED].n ? iface->hep : NULL;
}

/*
 * docs/semantics.md 3.2, preDNAT: only endpoints that have such policies are dispatched to, so "*"
 * may act on an interface that a specific endpoint without them governs.
 */
static const struct hf_model_endpoint *prednat_governor(
	const struct eval *e, const struct hf_model_iface *iface)
{
	const struct hf_model_endpoint *star = e->model->star;

	if (iface->hep && iface->hep->tiers[HF_CHAIN_PREDNAT].n)
		return iface->hep;
	return star && star->tiers[HF_CHAIN_PREDNAT].n ? star : NULL;
}

static struct hf_ref_end walk(const struct eval *e, enum hf_chain type, bool egress,
	const struct hf_model_endpoint *ep, const struct hf_packet *pkt)
{
	const struct hf_ref_chain chain = {.type = type, .egress = egress, .ep = ep};

	return hf_ref_chain_walk(e->model, &chain, pkt, &e->trace);
}

/* docs/semantics.md 10: each family has its own pools. */
static bool vxlan_is_on(const struct eval *e)
{
	const struct hf_model_config *config = &e->model->config;

	return e->wire.src.family == 4 ? config->vxlan : config->vxlan6;
}

/* docs/semantics.md 3.1, steps 1 and 8; 10, "VXLAN conntrack". */
static void vxlan_notrack(struct eval *e)
{
	const struct hf_model_config *config = &e->model->config;

	if (!vxlan_is_on(e) || e->wire.proto != HF_PROTO_UDP || e->wire.dport != config->vxlan_port)
		return;
	hf_ref_say(&e->trace, "raw: VXLAN is not tracked");
	e->wire.ct = e->nat.ct = HF_CT_UNTRACKED;
}

/* docs/semantics.md 3.1, steps 1 and 8: untracked policy. True when it denies. */
static bool untracked_denies(
	struct eval *e, const struct hf_model_iface *iface, bool egress, struct answer *ret)
{
	const struct hf_model_endpoint *ep = untracked_governor(iface);
	struct hf_ref_end end;

	if (!ep) {
		hf_ref_say(&e->trace, "raw %s: %s has no untracked policy",
			egress ? "output" : "prerouting", iface->id.name);
		return false;
	}
	end = walk(e, HF_CHAIN_UNTRACKED, egress, ep, &e->wire);
	if (end.outcome == HF_REF_DENY) {
		*ret = deny(end.origin);
		return true;
	}
	if (end.outcome == HF_REF_ACCEPT) {
		e->accepted = e->untracked = true;
		e->origin = end.origin;
		e->wire.ct = e->nat.ct = HF_CT_UNTRACKED;
	}
	return false;
}

/* docs/semantics.md 10, reverse-path filter: strict, and for pods' interfaces only. */
static bool rpf_denies(const struct eval *e, struct answer *ret)
{
	size_t i;

	for (i = 0; i < e->iif->n_sources; i++) {
		if (hf_prefix_has(&e->iif->sources[i], &e->wire.src))
			return false;
	}
	hf_ref_say(
		&e->trace, "raw prerouting: source does not belong to %s: deny", e->iif->id.name);
	*ret = deny("rpf");
	return true;
}

/* docs/semantics.md 3.1, step 1. True when the packet ends here. */
static bool raw_prerouting(struct eval *e, struct answer *ret)
{
	vxlan_notrack(e);
	if (is_workload(e->iif))
		return rpf_denies(e, ret);
	return untracked_denies(e, e->iif, false, ret);
}

/* docs/semantics.md 3.1, step 3. True when the packet ends here. */
static bool mangle_prerouting(struct eval *e, struct answer *ret)
{
	const struct hf_model_endpoint *ep = prednat_governor(e, e->iif);
	struct hf_ref_end end;

	if (e->accepted || e->wire.ct == HF_CT_ESTABLISHED || e->wire.ct == HF_CT_RELATED)
		return false;
	if (!ep) {
		hf_ref_say(
			&e->trace, "mangle prerouting: %s has no preDNAT policy", e->iif->id.name);
		return false;
	}
	end = walk(e, HF_CHAIN_PREDNAT, false, ep, &e->wire);
	if (end.outcome == HF_REF_DENY) {
		*ret = deny(end.origin);
		return true;
	}
	if (end.outcome == HF_REF_ACCEPT) {
		e->accepted = true;
		e->origin = end.origin;
	}
	return false;
}

static bool is_vxlan(const struct eval *e)
{
	return vxlan_is_on(e) && e->nat.proto == HF_PROTO_UDP &&
	       e->nat.dport == e->model->config.vxlan_port;
}

static bool is_ipip(const struct eval *e)
{
	return e->model->config.ipip && e->nat.src.family == 4 && e->nat.proto == HF_PROTO_IPIP;
}

static bool is_wireguard(const struct eval *e)
{
	const struct hf_model_config *config = &e->model->config;
	bool v4 = e->nat.src.family == 4;

	if (e->nat.proto != HF_PROTO_UDP || !(v4 ? config->wireguard : config->wireguard6))
		return false;
	return e->nat.dport == (v4 ? config->wireguard_port : config->wireguard_port6);
}

static bool is_peer(const struct eval *e, const struct hf_addr *addr)
{
	return e->model->config.peers != HF_NO_SET &&
	       hf_set_has(&e->model->sets[e->model->config.peers], addr);
}

/* docs/semantics.md 10, "in" rows: before any endpoint. True when decided. */
static bool encap_in_decides(const struct eval *e, struct answer *ret)
{
	bool local = hf_model_is_local(e->model, &e->nat.dst);
	bool peer = is_peer(e, &e->nat.src);
	bool ours = (is_ipip(e) && peer && local) || (is_vxlan(e) && peer && local) ||
		    (is_wireguard(e) && local);

	if (ours) {
		hf_ref_say(&e->trace, "input: our own encapsulation: accept");
		*ret = accept(e, "encap");
		return true;
	}
	if (is_ipip(e) || (is_vxlan(e) && local)) {
		hf_ref_say(&e->trace, "input: encapsulation from a stranger: deny");
		*ret = deny("encap");
		return true;
	}
	return false;
}

/* docs/semantics.md 10, "out" rows: before the egress of any endpoint. True when decided. */
static bool encap_out_decides(const struct eval *e, struct answer *ret)
{
	if (!hf_model_is_local(e->model, &e->nat.src))
		return false;
	if (!is_wireguard(e) && !((is_ipip(e) || is_vxlan(e)) && is_peer(e, &e->nat.dst)))
		return false;
	hf_ref_say(&e->trace, "output: our own encapsulation: accept");
	*ret = accept(e, "encap");
	return true;
}

/* docs/semantics.md 9: neighbour discovery and multicast listeners. */
static bool is_pod_icmpv6(const struct hf_packet *pkt)
{
	static const uint8_t types[] = {130, 131, 132, 133, 135, 136};

	return pkt->src.family == 6 && pkt->proto == HF_PROTO_ICMPV6 &&
	       memchr(types, pkt->icmp_type, sizeof(types));
}

/* docs/semantics.md 9: a pod to its own host. Host endpoints have no say. */
static struct answer pod_to_host(const struct eval *e)
{
	struct hf_ref_end end;

	if (is_pod_icmpv6(&e->nat)) {
		hf_ref_say(&e->trace, "input from pod: ICMPv6 neighbour discovery: accept");
		return accept(e, "epha");
	}
	if (is_unknown_pod(e->iif)) {
		hf_ref_say(&e->trace, "input from a pod that nobody knows: deny");
		return deny("no-endpoint");
	}
	end = walk(e, HF_CHAIN_NORMAL, true, e->iif->wep, &e->nat);
	if (end.outcome == HF_REF_DENY)
		return deny(end.origin);
	if (end.outcome == HF_REF_ACCEPT_NOW && !e->model->config.filter_return)
		return accept(e, end.origin);
	switch (e->model->config.epha) {
	case HF_TARGET_DROP:
		hf_ref_say(&e->trace, "input from pod: default endpoint to host action: deny");
		return deny("epha");
	case HF_TARGET_ACCEPT:
		hf_ref_say(&e->trace, "input from pod: default endpoint to host action: accept");
		return allow("epha");
	case HF_TARGET_RETURN:
		break;
	}
	hf_ref_say(&e->trace, "input from pod: default endpoint to host action: host decides");
	return no_decision("epha");
}

/* docs/semantics.md 4, normal chain of a host endpoint: it always decides. */
static struct answer normal_filter(
	const struct eval *e, const struct hf_model_iface *iface, bool egress)
{
	const struct hf_model_endpoint *ep = governor(e, iface);
	struct hf_ref_end end;

	if (!ep) {
		hf_ref_say(&e->trace, "%s: nobody governs %s: left to the host",
			egress ? "output" : "input", iface->id.name);
		return no_decision("no-endpoint");
	}
	end = walk(e, HF_CHAIN_NORMAL, egress, ep, &e->nat);
	if (end.outcome == HF_REF_FAILSAFE)
		return allow(end.origin);
	return end.outcome == HF_REF_DENY ? deny(end.origin) : accept(e, end.origin);
}

/* docs/semantics.md 3.1, step 6. */
static struct answer filter_input(const struct eval *e)
{
	struct answer ret;

	if (encap_in_decides(e, &ret))
		return ret;
	if (is_workload(e->iif))
		return pod_to_host(e);
	if (e->accepted) {
		hf_ref_say(&e->trace, "input: accepted before");
		return or_untracked(e, accept(e, e->origin));
	}
	return normal_filter(e, e->iif, false);
}

/* docs/semantics.md 10, service loop: a service address that nothing rewrites would come back. */
static bool service_loops(const struct eval *e)
{
	const struct hf_model_config *config = &e->model->config;

	return config->loop_guard && !e->dnated && config->service_nets != HF_NO_SET &&
	       hf_set_has(&e->model->sets[config->service_nets], &e->nat.dst);
}

/* docs/semantics.md 3.1, step 7, and 4.1: the last chain that ran says whether bit A is set. */
static struct answer filter_forward(const struct eval *e)
{
	const struct hf_ref_chain chains[] = {
		{HF_CHAIN_FORWARD, false, e->accepted ? NULL : governor(e, e->iif)},
		{HF_CHAIN_NORMAL, true, e->iif->wep},
		{HF_CHAIN_NORMAL, false, e->oif->wep},
		{HF_CHAIN_FORWARD, true, governor(e, e->oif)},
	};
	struct answer last = no_decision("no-endpoint");
	bool known;
	size_t i;

	if (e->accepted)
		last = accept(e, e->origin);
	for (i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct hf_ref_end end;

		if ((i == 1 && is_unknown_pod(e->iif)) || (i == 2 && is_unknown_pod(e->oif))) {
			hf_ref_say(&e->trace, "forward: a pod that nobody knows: deny");
			return deny("no-endpoint");
		}
		if (!chains[i].ep)
			continue;
		end = hf_ref_chain_walk(e->model, &chains[i], &e->nat, &e->trace);
		if (end.outcome == HF_REF_DENY)
			return deny(end.origin);
		known = end.outcome == HF_REF_ACCEPT_NOW;
		if (known && !e->model->config.filter_return)
			return accept(e, end.origin);
		last = known || end.outcome == HF_REF_ACCEPT ? accept(e, end.origin)
							     : no_decision(end.origin);
	}
	if (service_loops(e)) {
		hf_ref_say(&e->trace, "forward: service address without a service: deny");
		return deny("service-loop");
	}
	return or_untracked(e, last);
}

/* docs/semantics.md 19, ingress: paths P1, P2, P3, P6, P7, P8 and the inside of P10 (5.1). */
static struct answer arrives(struct eval *e)
{
	struct answer ret;

	if (raw_prerouting(e, &ret) || mangle_prerouting(e, &ret))
		return ret;
	if (e->class == HF_CLASS_HOST)
		return filter_input(e);
	return filter_forward(e);
}

/* docs/semantics.md 5.1, P5. */
static struct answer host_to_pod(const struct eval *e)
{
	hf_ref_say(&e->trace, "output: the host's packets to its own pods are never policed");
	return no_decision("host-to-workload");
}

/* docs/semantics.md 3.1, step 10: a connection whose destination stands as it was. */
static struct answer filter_output(const struct eval *e)
{
	struct answer ret;

	if (is_workload(e->oif0))
		return host_to_pod(e);
	if (encap_out_decides(e, &ret))
		return ret;
	return normal_filter(e, e->oif0, true);
}

/* docs/semantics.md 3.1, step 11: a rewritten one is judged in mangle, which 1.1's last line does
 * not speak of. */
static struct answer mangle_postrouting(const struct eval *e)
{
	const struct hf_model_endpoint *ep = governor(e, e->oif);
	struct hf_ref_end end;

	if (is_workload(e->oif))
		return host_to_pod(e);
	if (!ep) {
		hf_ref_say(&e->trace, "postrouting: nobody governs %s: left to the host",
			e->oif->id.name);
		return no_decision("no-endpoint");
	}
	end = walk(e, HF_CHAIN_NORMAL, true, ep, &e->nat);
	if (end.outcome == HF_REF_DENY)
		return deny(end.origin);
	return allow(end.origin);
}

/* docs/semantics.md 19, egress: paths P4, P5 and the outside of P10 (5.1). */
static struct answer leaves(struct eval *e)
{
	struct answer ret;

	vxlan_notrack(e);
	if (untracked_denies(e, e->oif0, true, &ret))
		return ret;
	if (e->accepted)
		return or_untracked(e, accept(e, e->origin));
	return e->dnated ? mangle_postrouting(e) : filter_output(e);
}

/* HostFacts need not name it. */
static const struct hf_model_iface *loopback(const struct hf_model *model)
{
	static const struct hf_model_iface lo = {.id = {.name = "lo", .from = HF_FROM_UPLINK}};
	int i = hf_model_find_iface(model, "lo");

	return i < 0 ? &lo : &model->ifaces[i];
}

/* The interface of the default route: the model's last destination of each family. */
static const struct hf_model_iface *default_route(const struct hf_model *model, uint8_t family)
{
	size_t i;

	for (i = model->n_dests; i-- > 0;) {
		if (model->dests[i].net.addr.family == family)
			return &model->ifaces[model->dests[i].out];
	}
	return &model->ifaces[HF_IF_HOST];
}

/*
 * Where a destination leaves by. The host's own addresses are reached by lo; broadcast, multicast
 * and link-local ones, though delivered here when they arrive, are sent to the network.
 */
static const struct hf_model_iface *route(const struct hf_model *model, const struct hf_addr *dst)
{
	const struct hf_dest *dest = hf_model_find_dest(model, dst);

	if (dest->class != HF_CLASS_HOST)
		return &model->ifaces[dest->out];
	if (hf_model_is_local(model, dst))
		return loopback(model);
	return default_route(model, dst->family);
}

/* docs/semantics.md 5.1, P9: out by lo, and in again with what DNAT has made of it. */
static struct answer leaves_by_lo(struct eval *e)
{
	struct answer out = leaves(e);

	if (out.verdict == HF_VERDICT_DENY)
		return out;
	e->iif = loopback(e->model);
	e->wire = e->nat;
	e->accepted = e->untracked = false;
	return arrives(e);
}

static int find_iface(const struct hf_model *model, const char *key, const char *name,
	const struct hf_model_iface **ret, struct hf_err *err)
{
	int i = hf_model_find_iface(model, name);

	if (i < 0)
		return hf_fail(err, -ENOENT, "%s: this host has no interface '%s'", key, name);
	*ret = &model->ifaces[i];
	return 0;
}

static void rewrite(struct eval *e, const struct hf_addrport *to)
{
	e->dnated = true;
	e->nat.dst = to->addr;
	if (hf_proto_has_ports(e->nat.proto) && to->port)
		e->nat.dport = to->port;
}

/* docs/semantics.md 3.1, steps 4 and 9: the packet's own word, else the facts' first backend. */
static void apply_dnat(struct eval *e)
{
	const struct hf_dnat *dnat =
		hf_model_find_dnat(e->model, e->wire.proto, &e->wire.dst, e->wire.dport);

	if (e->wire.has_dnat)
		rewrite(e, &e->wire.dnat);
	else if (dnat && dnat->n_to)
		rewrite(e, &dnat->to[0]);
}

static int check_families(const struct hf_packet *pkt, struct hf_err *err)
{
	uint8_t family = pkt->src.family;

	if ((family == 4 || family == 6) && pkt->dst.family == family &&
		(!pkt->has_dnat || pkt->dnat.addr.family == family))
		return 0;
	return hf_fail(err, -EINVAL, "src, dst and dnat must be of one family");
}

/* docs/semantics.md 3.1, steps 4, 5 and 9: rewriting and routing, before anything is judged. */
static int prepare(struct eval *e, struct hf_err *err)
{
	const struct hf_model *model = e->model;
	int rc = check_families(&e->wire, err);

	if (rc == 0)
		rc = find_iface(model, "in", e->wire.in, &e->iif, err);
	if (rc < 0)
		return rc;
	apply_dnat(e);
	e->class = hf_model_find_dest(model, &e->nat.dst)->class;
	e->oif = route(model, &e->nat.dst);
	e->oif0 = route(model, &e->wire.dst);
	if (e->wire.out[0] == '\0')
		return 0;
	rc = find_iface(model, "out", e->wire.out, &e->oif, err);
	if (rc == 0 && !e->dnated)
		e->oif0 = e->oif;
	return rc;
}

/* docs/packet-line.md: the loopback interface is the host's own, whichever way a packet goes. */
static enum hf_from where_from(const struct eval *e)
{
	if (e->wire.in[0] == '\0' || strcmp(e->iif->id.name, "lo") == 0)
		return HF_FROM_HOST;
	return e->iif->id.from;
}

static void say_path(const struct eval *e, const struct hf_ref_result *r)
{
	bool stays = e->wire.in[0] && e->class == HF_CLASS_HOST;

	hf_ref_say(&e->trace, "path: %s->%s%s%s%s%s%s", hf_from_name(r->from),
		hf_class_name(r->class), e->wire.in[0] ? ", in by " : "", e->wire.in,
		stays ? "" : ", out by ", stays ? "" : e->oif->id.name,
		e->dnated ? ", destination rewritten" : "");
}

int hf_ref_eval(const struct hf_model *model, const struct hf_packet *pkt, hf_ref_step_fn step,
	void *arg, struct hf_ref_result *ret, struct hf_err *err)
{
	struct eval e = {.model = model, .trace = {step, arg}, .wire = *pkt, .nat = *pkt};
	struct hf_ref_result result = {0};
	struct answer answer;
	int rc = prepare(&e, err);

	if (rc < 0)
		return rc;
	result.from = where_from(&e);
	result.class = e.class;
	say_path(&e, &result);
	if (pkt->in[0])
		answer = arrives(&e);
	else if (hf_model_is_local(model, &e.nat.dst))
		answer = leaves_by_lo(&e);
	else
		answer = leaves(&e);
	result.verdict = answer.verdict;
	result.origin = answer.origin;
	*ret = result;
	return 0;
}
