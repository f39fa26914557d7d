/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <string.h>

/*
 * A packet on its way in. What the host sends to itself comes in by lo after it went out: its
 * destination is rewritten by then, and it may already have been taken out of tracking.
 */
struct arrival {
	struct build *b;
	const struct hf_model_iface *iface; /* NULL: a lo that the facts do not name */
	enum hf_class class;
	bool again;
	bool notrack;
};

static bool is_pod(const struct hf_model_iface *iface)
{
	return iface && iface->id.from == HF_FROM_WORKLOAD;
}

static const struct hf_model_endpoint *pod_of(const struct hf_model_iface *iface)
{
	return iface && iface->id.from == HF_FROM_WORKLOAD ? iface->wep : NULL;
}

/* docs/semantics.md 3.2: the specific endpoint replaces "*" wholly. */
static const struct hf_model_endpoint *hep_of(
	const struct build *b, const struct hf_model_iface *iface)
{
	return iface && iface->hep ? iface->hep : b->model->star;
}

static const char *name_for(struct build *b, const char *what, const struct hf_model_iface *iface)
{
	const char *name = hf_arena_printf(
		b->rules->arena, "%s%s%s", what, iface ? " " : "", iface ? iface->id.name : "");

	if (!name)
		b->rc = -ENOMEM;
	return name;
}

static struct hf_match match_out(size_t iface)
{
	struct hf_match m = HF_MATCH_ALL;

	m.out = (uint16_t)iface;
	return m;
}

static bool has_encap(const struct build *b)
{
	const struct hf_model_config *c = &b->model->config;

	return c->ipip || c->vxlan || c->vxlan6 || c->wireguard || c->wireguard6;
}

/* The end of FORWARD. */
static struct cont forwarded(const struct build *b, enum hf_verdict verdict)
{
	return (struct cont){
		.how = b->model->config.loop_guard ? HOW_LOOP : HOW_VERDICT,
		.verdict = verdict,
		.origin = OWN_ORIGIN,
	};
}

/* docs/semantics.md 4.1: the last chain decides, so one without a match undoes an acceptance. */
static struct conts forward_conts(struct build *b, bool untracked)
{
	struct conts conts = {
		.accept = forwarded(b, hf_filter_allow(b, untracked)),
		.none = forwarded(b, HF_VERDICT_NO_DECISION),
		.known = forwarded(b, HF_VERDICT_NO_DECISION),
	};

	if (!b->model->config.filter_return)
		conts.known = hf_decide(HF_VERDICT_ALLOW, OWN_ORIGIN);
	return conts;
}

/* Another chain follows. With the allow action Return (1.1) known connections meet it as well. */
static void lead_on(const struct build *b, struct conts *conts, uint32_t block)
{
	conts->accept = conts->none = hf_go_to(block);
	if (b->model->config.filter_return)
		conts->known = hf_go_to(block);
}

/* Whether a chain of the leaving interface follows. */
static bool has_later(const struct build *b, const struct hf_model_iface *out)
{
	return hep_of(b, out) || is_pod(out);
}

/* The chains of one leaving interface: its pod's, then that of the endpoint on it. */
static struct cont build_out(
	struct build *b, const struct hf_model_iface *out, bool untracked, uint32_t *ret_own)
{
	const struct hf_model_endpoint *hep = hep_of(b, out), *pod = pod_of(out);
	uint32_t notrack = untracked ? CHAIN_NOTRACK : 0;
	struct conts conts = forward_conts(b, untracked);
	uint32_t block = 0;

	*ret_own = NO_ORIGIN;
	if (is_pod(out) && !pod) {
		*ret_own = hf_add_origin(b, "no-endpoint");
		return hf_decide(HF_VERDICT_DENY, OWN_ORIGIN);
	}
	if (hep)
		block = hf_build_chain(b, hep, HF_CHAIN_FORWARD, CHAIN_EGRESS | notrack, &conts);
	if (pod && hep)
		lead_on(b, &conts, block);
	if (pod)
		block = hf_build_chain(b, pod, HF_CHAIN_NORMAL, notrack, &conts);
	if (hep || pod)
		return hf_go_to(block);
	*ret_own = hf_add_origin(b, "no-endpoint");
	return conts.none;
}

/* Sorts by leaving interface; those without chains of their own, and unknown ones, come last. */
static uint32_t build_later(struct build *b, bool untracked)
{
	const struct hf_model *model = b->model;
	const struct hf_match all = HF_MATCH_ALL;
	struct memo_key key;
	struct cont rest, cont;
	rule_vec v = {0};
	uint32_t block, own;
	size_t i;

	memset(&key, 0, sizeof(key));
	key.kind = MEMO_LATER;
	key.flags = untracked;
	if (hf_find_memo(b, &key, &block))
		return block;
	rest = build_out(b, NULL, untracked, &own);
	for (i = 0; i < model->n_ifaces; i++) {
		struct hf_match m = match_out(i);
		uint32_t out_own;

		if (!model->ifaces[i].hep && !is_pod(&model->ifaces[i]))
			continue;
		cont = build_out(b, &model->ifaces[i], untracked, &out_own);
		if (cont.how != HOW_GOTO || cont.target != rest.target || rest.how != HOW_GOTO)
			hf_emit(b, &v, &m, cont, out_own, HF_OFFLOAD_PREFER);
	}
	hf_emit(b, &v, &all, rest, own, HF_OFFLOAD_PREFER);
	return hf_add_memo(b, &key, hf_finish_block(b, &v, name_for(b, "leaving", NULL)));
}

/*
 * Splits by whether chains of the leaving interface follow. The shorter list of interfaces is
 * written out.
 */
static void emit_split(
	struct build *b, rule_vec *v, struct cont later, struct cont last, uint32_t own)
{
	const struct hf_model *model = b->model;
	const struct hf_match all = HF_MATCH_ALL;
	size_t i, n_later = 0;
	bool list_later;

	for (i = 0; i < model->n_ifaces; i++)
		n_later += has_later(b, &model->ifaces[i]);
	list_later = n_later <= model->n_ifaces / 2;
	for (i = 0; i < model->n_ifaces; i++) {
		struct hf_match m = match_out(i);

		if (has_later(b, &model->ifaces[i]) == list_later)
			hf_emit(b, v, &m, list_later ? later : last, own, HF_OFFLOAD_PREFER);
	}
	hf_emit(b, v, &all, list_later ? last : later, own, HF_OFFLOAD_PREFER);
}

/* Arrivals of the same endpoints share their blocks. */
static struct memo_key arrival_key(
	const struct arrival *a, enum memo_kind kind, const struct hf_model_endpoint *hep)
{
	struct memo_key key;

	memset(&key, 0, sizeof(key));
	key.kind = kind;
	key.endpoint = hf_first_twin(a->b, hep);
	key.pod = hf_first_twin(a->b, pod_of(a->iface));
	key.chain = is_pod(a->iface);
	key.flags = (a->notrack ? CHAIN_NOTRACK : 0) | (a->again ? CHAIN_AGAIN : 0);
	return key;
}

/* docs/semantics.md 3.2: what comes from a pod's interface that no endpoint is known of. */
static uint32_t build_unknown_pod(struct build *b)
{
	const struct hf_match all = HF_MATCH_ALL;
	rule_vec v = {0};

	hf_emit(b, &v, &all, hf_decide(HF_VERDICT_DENY, OWN_ORIGIN),
		hf_add_origin(b, "no-endpoint"), HF_OFFLOAD_PREFER);
	return hf_finish_block(b, &v, name_for(b, "unknown pod", NULL));
}

/* The chains of the arriving interface. Not to be called when there are none. */
static uint32_t build_first(
	const struct arrival *a, const struct hf_model_endpoint *hep, const struct conts *after)
{
	const struct hf_model_endpoint *pod = pod_of(a->iface);
	uint32_t flags = a->notrack ? CHAIN_NOTRACK : 0;
	struct conts conts = *after;
	uint32_t block = 0;

	if (is_pod(a->iface)) {
		block = pod ? hf_build_chain(
				      a->b, pod, HF_CHAIN_NORMAL, CHAIN_EGRESS | flags, &conts)
			    : build_unknown_pod(a->b);
		lead_on(a->b, &conts, block);
	}
	if (hep)
		block = hf_build_chain(a->b, hep, HF_CHAIN_FORWARD, flags, &conts);
	return block;
}

static uint32_t build_forward(const struct arrival *a, bool with_hep)
{
	struct build *b = a->b;
	struct conts last = forward_conts(b, a->notrack), more = last;
	uint32_t later = build_later(b, a->notrack);
	const struct hf_model_endpoint *hep = with_hep ? hep_of(b, a->iface) : NULL;
	struct memo_key key = arrival_key(a, MEMO_FORWARD, hep);
	rule_vec v = {0};
	uint32_t block;

	lead_on(b, &more, later);
	if (!hep && !is_pod(a->iface))
		return later;
	if (b->model->star)
		return build_first(a, hep, &more);
	if (hf_find_memo(b, &key, &block))
		return block;
	emit_split(b, &v, hf_go_to(build_first(a, hep, &more)),
		hf_go_to(build_first(a, hep, &last)), NO_ORIGIN);
	return hf_add_memo(b, &key, hf_finish_block(b, &v, name_for(b, "forward", NULL)));
}

/* docs/semantics.md 9: a pod to its own host. */
static struct cont build_pod_to_host(const struct arrival *a)
{
	static const enum hf_verdict verdicts[] = {
		[HF_TARGET_DROP] = HF_VERDICT_DENY,
		[HF_TARGET_ACCEPT] = HF_VERDICT_ALLOW,
		[HF_TARGET_RETURN] = HF_VERDICT_NO_DECISION,
	};
	struct build *b = a->b;
	enum hf_verdict verdict = verdicts[b->model->config.epha];
	uint32_t own = hf_add_origin(b, "epha");
	struct cont epha = hf_decide(verdict, own);
	struct conts conts = {.accept = epha, .none = epha, .known = epha};
	const struct hf_match all = HF_MATCH_ALL;
	rule_vec v = {0};
	uint32_t block;

	if (!b->model->config.filter_return)
		conts.known = hf_decide(HF_VERDICT_ALLOW, OWN_ORIGIN);
	hf_emit_neighbour(b, &v);
	block = a->iface->wep
			? hf_build_chain(b, a->iface->wep, HF_CHAIN_NORMAL, CHAIN_EGRESS, &conts)
			: build_unknown_pod(b);
	hf_emit(b, &v, &all, hf_go_to(block), NO_ORIGIN, HF_OFFLOAD_PREFER);
	return hf_go_to(hf_finish_block(b, &v, name_for(b, "pod to host", NULL)));
}

static uint32_t build_host(const struct arrival *a)
{
	struct build *b = a->b;
	const struct hf_model_endpoint *hep = hep_of(b, a->iface);
	struct cont allow = hf_decide(hf_filter_allow(b, false), OWN_ORIGIN);
	struct conts conts = {.accept = allow, .none = allow, .known = allow};
	uint32_t flags = (a->notrack ? CHAIN_NOTRACK : 0) | (a->again ? CHAIN_AGAIN : 0);
	const struct hf_match all = HF_MATCH_ALL;
	uint32_t own = hf_add_origin(b, "no-endpoint");
	struct cont next = hf_decide(HF_VERDICT_NO_DECISION, OWN_ORIGIN);
	struct memo_key key = arrival_key(a, MEMO_HOST, is_pod(a->iface) ? NULL : hep);
	rule_vec v = {0};
	uint32_t block;

	if (hf_find_memo(b, &key, &block))
		return block;
	if (is_pod(a->iface))
		next = build_pod_to_host(a);
	else if (hep)
		next = hf_go_to(hf_build_chain(b, hep, HF_CHAIN_NORMAL, flags, &conts));
	hf_emit_encap_in(b, &v);
	hf_emit(b, &v, &all, next, next.how == HOW_GOTO ? NO_ORIGIN : own, HF_OFFLOAD_PREFER);
	return hf_add_memo(b, &key, hf_finish_block(b, &v, name_for(b, "to host", NULL)));
}

/* Where a packet goes on when untracked or preDNAT policy has not accepted it. */
static uint32_t build_plain(const struct arrival *a)
{
	return a->class == HF_CLASS_HOST ? build_host(a) : build_forward(a, true);
}

/* And when it has: the normal and the forward chain of the arriving interface are skipped. */
static struct cont build_accepted(const struct arrival *a, enum hf_verdict verdict)
{
	struct build *b = a->b;
	struct cont cont = hf_decide(verdict, OWN_ORIGIN);

	if (a->class == HF_CLASS_HOST) {
		if (is_pod(a->iface))
			return hf_go_to(build_host(a));
		cont.how = has_encap(b) ? HOW_ENCAP : HOW_VERDICT;
		return cont;
	}
	cont.target = build_later(b, a->notrack);
	if (is_pod(a->iface))
		return hf_go_to(build_forward(a, false));
	cont.how = b->model->star ? HOW_GOTO : HOW_OUT;
	return cont.how == HOW_GOTO ? hf_go_to(cont.target) : cont;
}

uint32_t hf_build_carry(struct build *b, struct cont cont, uint32_t origin)
{
	struct cont last = hf_decide((enum hf_verdict)cont.verdict, OWN_ORIGIN);
	const struct hf_match all = HF_MATCH_ALL;
	struct memo_key key;
	rule_vec v = {0};
	uint32_t block;

	memset(&key, 0, sizeof(key));
	key.kind = MEMO_CARRY;
	key.conts.accept = cont;
	key.conts.accept.origin = origin;
	if (hf_find_memo(b, &key, &block))
		return block;
	if (cont.how == HOW_ENCAP) {
		hf_emit_encap_in(b, &v);
		hf_emit(b, &v, &all, last, origin, HF_OFFLOAD_PREFER);
	} else if (cont.how == HOW_LOOP) {
		hf_emit_loop(b, &v, last, origin);
	} else {
		last = forwarded(b, (enum hf_verdict)cont.verdict);
		emit_split(b, &v, hf_go_to(cont.target), last, origin);
	}
	return hf_add_memo(b, &key, hf_finish_block(b, &v, name_for(b, "accepted", NULL)));
}

/* Step 3 of docs/semantics.md 3.1. */
static uint32_t build_prednat(const struct arrival *a)
{
	const struct hf_model_endpoint *ep = a->iface ? a->iface->hep : NULL;
	uint32_t flags = a->again ? CHAIN_AGAIN : CHAIN_WIRE;
	uint32_t plain = build_plain(a);
	struct conts conts = {.none = hf_go_to(plain), .known = hf_go_to(plain)};

	if (!hf_chain_has(ep, HF_CHAIN_PREDNAT))
		ep = a->b->model->star;
	if (!hf_chain_has(ep, HF_CHAIN_PREDNAT))
		return plain;
	conts.accept = build_accepted(a, hf_filter_allow(a->b, false));
	flags |= a->notrack ? CHAIN_NOTRACK : 0;
	return hf_build_chain(a->b, ep, HF_CHAIN_PREDNAT, flags, &conts);
}

/* Step 1: untracked policy, which only a specific endpoint has; pods pass the reverse path filter.
 */
static uint32_t build_arrival(const struct arrival *a)
{
	const struct hf_model_endpoint *ep = a->iface ? a->iface->hep : NULL;
	uint32_t next = build_prednat(a);
	struct conts conts = {.none = hf_go_to(next), .known = hf_go_to(next)};
	struct hf_match m = HF_MATCH_ALL;
	struct arrival accepted = *a;
	struct build *b = a->b;
	rule_vec v = {0};

	if (is_pod(a->iface)) {
		if (a->iface->n_sources) {
			hf_match_addr(b, &m, false,
				hf_add_net_set(b, NULL, a->iface->sources, a->iface->n_sources));
			hf_emit(b, &v, &m, hf_go_to(next), NO_ORIGIN, HF_OFFLOAD_PREFER);
		}
		m = HF_MATCH_ALL;
		hf_emit(b, &v, &m, hf_decide(HF_VERDICT_DENY, OWN_ORIGIN), hf_add_origin(b, "rpf"),
			HF_OFFLOAD_PREFER);
		return hf_finish_block(b, &v, name_for(b, "source of", a->iface));
	}
	if (!hf_chain_has(ep, HF_CHAIN_UNTRACKED))
		return next;
	accepted.notrack = true;
	conts.accept = build_accepted(&accepted, hf_filter_allow(b, true));
	return hf_build_chain(
		b, ep, HF_CHAIN_UNTRACKED, a->again ? CHAIN_AGAIN : CHAIN_WIRE, &conts);
}

/* A packet of the host to itself, coming in by lo. */
static uint32_t build_again(struct build *b, bool notrack)
{
	const struct hf_model_iface *lo = b->rules->lo ? &b->model->ifaces[b->rules->lo] : NULL;
	struct arrival a = {
		.b = b, .iface = lo, .class = HF_CLASS_HOST, .again = true, .notrack = notrack};

	return build_arrival(&a);
}

struct departure {
	struct build *b;
	struct cont done; /* allowed, or nobody's business */
	bool onward;	  /* done leads on to lo */
};

static struct cont left_alone(const struct departure *d)
{
	return d->onward ? d->done : hf_decide(HF_VERDICT_NO_DECISION, OWN_ORIGIN);
}

static struct cont build_normal_out(
	const struct departure *d, const struct hf_model_iface *out, uint32_t *ret_own)
{
	const struct hf_model_endpoint *hep = hep_of(d->b, out);
	struct conts conts = {.accept = d->done, .none = d->done, .known = d->done};

	*ret_own = NO_ORIGIN;
	if (is_pod(out) || !hep) {
		*ret_own = hf_add_origin(d->b, is_pod(out) ? "host-to-workload" : "no-endpoint");
		return left_alone(d);
	}
	return hf_go_to(hf_build_chain(d->b, hep, HF_CHAIN_NORMAL, CHAIN_EGRESS, &conts));
}

/* One rule for each interface that is (or is not) a pod's and differs from the rest. */
static void emit_normal_out(const struct departure *d, rule_vec *v, bool pods)
{
	const struct hf_model *model = d->b->model;
	size_t i;

	for (i = 0; i < model->n_ifaces; i++) {
		const struct hf_model_iface *out = &model->ifaces[i];
		struct hf_match m = match_out(i);
		struct cont cont;
		uint32_t own;

		if (is_pod(out) != pods || (!pods && !out->hep))
			continue;
		cont = build_normal_out(d, out, &own);
		hf_emit(d->b, v, &m, cont, own, HF_OFFLOAD_PREFER);
	}
}

/* Steps 10 and 11: which of them applies is a question of DNAT. */
static uint32_t build_output(const struct departure *d, bool dnated)
{
	const struct hf_match all = HF_MATCH_ALL;
	struct cont rest;
	rule_vec v = {0};
	uint32_t own;

	emit_normal_out(d, &v, true);
	if (!dnated)
		hf_emit_encap_out(d->b, &v, d->done);
	emit_normal_out(d, &v, false);
	rest = build_normal_out(d, NULL, &own);
	hf_emit(d->b, &v, &all, rest, own, HF_OFFLOAD_PREFER);
	return hf_finish_block(
		d->b, &v, name_for(d->b, dnated ? "output rewritten" : "output", NULL));
}

/* onward: to an address of this host, so the packet comes back in by lo. */
static uint32_t build_departure(struct build *b, bool onward)
{
	const struct hf_model *model = b->model;
	struct departure d = {.b = b, .onward = onward};
	struct departure rewritten;
	struct hf_match m = HF_MATCH_ALL;
	struct conts conts;
	rule_vec v = {0};
	uint32_t next;
	size_t i;

	d.done = onward ? hf_go_to(build_again(b, false))
			: hf_decide(hf_filter_allow(b, false), OWN_ORIGIN);
	rewritten = d;
	if (!onward)
		rewritten.done = hf_decide(HF_VERDICT_ALLOW, OWN_ORIGIN);
	m.dnated_only = true;
	hf_emit(b, &v, &m, hf_go_to(build_output(&rewritten, true)), NO_ORIGIN, HF_OFFLOAD_PREFER);
	m = HF_MATCH_ALL;
	hf_emit(b, &v, &m, hf_go_to(build_output(&d, false)), NO_ORIGIN, HF_OFFLOAD_PREFER);
	next = hf_finish_block(b, &v, name_for(b, "output", NULL));

	conts = (struct conts){.none = hf_go_to(next), .known = hf_go_to(next)};
	conts.accept = hf_decide(hf_filter_allow(b, true), OWN_ORIGIN);
	v = (rule_vec){0};
	for (i = 0; i < model->n_ifaces; i++) {
		const struct hf_model_endpoint *hep = model->ifaces[i].hep;
		uint32_t flags = CHAIN_EGRESS | CHAIN_WIRE;

		if (!hf_chain_has(hep, HF_CHAIN_UNTRACKED))
			continue;
		if (onward)
			conts.accept = hf_go_to(build_again(b, true));
		m.wire_out = (uint16_t)i;
		hf_emit(b, &v, &m,
			hf_go_to(hf_build_chain(b, hep, HF_CHAIN_UNTRACKED, flags, &conts)),
			NO_ORIGIN, HF_OFFLOAD_PREFER);
	}
	m = HF_MATCH_ALL;
	hf_emit(b, &v, &m, hf_go_to(next), NO_ORIGIN, HF_OFFLOAD_PREFER);
	return hf_finish_block(b, &v, name_for(b, "leaving the host", NULL));
}

/* Broadcast and multicast are of class host when they arrive, but leave for the network. */
static uint32_t build_host_to_host(struct build *b)
{
	struct hf_match m = HF_MATCH_ALL;
	rule_vec v = {0};

	hf_match_addr(b, &m, true, b->rules->local_set);
	hf_emit(b, &v, &m, hf_go_to(build_departure(b, true)), NO_ORIGIN, HF_OFFLOAD_PREFER);
	m = HF_MATCH_ALL;
	hf_emit(b, &v, &m, hf_go_to(build_departure(b, false)), NO_ORIGIN, HF_OFFLOAD_PREFER);
	return hf_finish_block(b, &v, name_for(b, "host to host", NULL));
}

static uint32_t build_path(struct build *b, size_t in, enum hf_class class)
{
	struct arrival a = {.b = b, .iface = &b->model->ifaces[in], .class = class};

	if (in != HF_IF_HOST)
		return build_arrival(&a);
	return class == HF_CLASS_HOST ? build_host_to_host(b) : build_departure(b, false);
}

/* Who owns a forwarded packet's destination makes no difference beyond the leaving interface. */
void hf_build_paths(struct build *b)
{
	struct hf_path *path = b->rules->paths;
	size_t i, class;

	for (i = 0; i < b->model->n_ifaces; i++) {
		for (class = 0; class < HF_N_CLASSES; class ++, path++) {
			path->in = (uint16_t)i;
			path->class = (enum hf_class) class;
			if (b->rc < 0)
				continue;
			path->block = class == HF_CLASS_WORKLOAD ? path[-1].block
								 : build_path(b, i, path->class);
		}
	}
}
