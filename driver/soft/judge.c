/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Judging one packet by the rules.
 *
 * The rules speak of the whole way of a packet through the host: where it came in, what services
 * make of its destination, where it leaves. A wire shows one end of that way, so the other end is
 * told from the addresses:
 *   - on its way in, the destination says everything the rules ask, except which backend of a
 *     service the kernel will take;
 *   - on its way out, the source says where it came from. What came in by a wire was judged there.
 */

#include "state.h"

#include <string.h>

/* Every member by itself: clearing all of it first costs more than the rest. */
static void base_ports(const struct hf_case *c, uint16_t in, struct hf_key *ret)
{
	const struct hf_pkt *p = c->pkt;
	/* As struct hf_packet has them: the rules know ports of these protocols only. */
	bool ports = hf_proto_has_ports(p->proto), icmp = hf_pkt_is_icmp(p);

	ret->in = in;
	ret->proto = p->proto;
	ret->ct = c->ct;
	ret->dnated = false;
	ret->sport = ports ? p->sport : 0;
	ret->dport = ret->wire_dport = ports ? p->dport : 0;
	ret->icmp_type = icmp ? p->icmp_type : 0;
	ret->icmp_code = icmp ? p->icmp_code : 0;
}

static void base_addrs(const struct hf_case *c, struct hf_key *ret)
{
	ret->src = c->pkt->src;
	ret->dst = c->pkt->dst;
	ret->wire_dst = c->pkt->dst;
}

static void base_key(const struct hf_case *c, uint16_t in, struct hf_key *ret)
{
	base_ports(c, in, ret);
	base_addrs(c, ret);
}

static void leave_by(struct hf_key *key, uint16_t out, enum hf_class class)
{
	key->out = key->wire_out = out;
	key->class = class;
}

/* In the state of opening a connection, and not of going on with one? */
static bool opens(enum hf_ct ct)
{
	return ct != HF_CT_ESTABLISHED && ct != HF_CT_RELATED;
}

static struct hf_judged judged_of(
	const struct hf_case *c, const struct hf_key *key, const struct hf_decision *d)
{
	static const enum hf_soft_reason reasons[] = {
		[HF_VERDICT_DENY] = HF_SOFT_DENY,
		[HF_VERDICT_ALLOW] = HF_SOFT_ALLOW,
		[HF_VERDICT_NO_DECISION] = HF_SOFT_KERNEL_ALLOW,
		[HF_VERDICT_ALLOW_UNTRACKED] = HF_SOFT_ALLOW_UNTRACKED,
	};
	struct hf_judged j = {
		.reason = reasons[d->verdict],
		.origin = d->origin,
		.forwarded = key->in != HF_IF_HOST && key->class != HF_CLASS_HOST,
	};

	/* The host's own default is about what opens connections. */
	if (d->verdict == HF_VERDICT_NO_DECISION && opens(key->ct) &&
		hf_rules_kernel_policy(c->gen->rules, c->gen->ifaces[key->in].from, key->class) ==
			HF_VERDICT_DENY)
		j.reason = HF_SOFT_KERNEL_DENY;
	return j;
}

static struct hf_judged judge_key(const struct hf_case *c, const struct hf_key *key)
{
	const struct hf_gen *gen = c->gen;
	const struct hf_tables *t = c->tables;
	struct hf_decision d = t->classifier ? hf_classify(t->classifier, t->delta, key)
					     : hf_rules_lookup(gen->rules, key);

	if (gen->logs && c->tap)
		hf_logs_walk(c, key);
	return judged_of(c, key, &d);
}

static bool passes(const struct hf_judged *j)
{
	return hf_soft_reason_passes(j->reason);
}

/* What comes in and will be forwarded is known again if it leaves masqueraded. */
static void note_forwarded(const struct hf_case *c, const struct hf_addr *dst, uint16_t dport,
	const struct hf_judged *j)
{
	if (passes(j) && j->forwarded && c->m)
		hf_nat_note(c->soft->nat, c->m, c->pkt, dst, dport, false, c->now);
}

/* Coming in with the destination that the key has. */
static struct hf_judged judge_arrival(const struct hf_case *c, struct hf_key *key)
{
	const struct hf_dest *dest = hf_find_dest(c->gen, &key->dst, NULL);
	struct hf_judged j;

	leave_by(key, dest->out, dest->class);
	j = judge_key(c, key);
	note_forwarded(c, &key->dst, key->dport, &j);
	return j;
}

/* Does it leave by a wire of ours once it has come in? There it is judged again. */
static bool leaves_by_wire(const struct hf_gen *gen, const struct hf_key *key)
{
	return key->class != HF_CLASS_HOST && gen->ifaces[key->out].wired;
}

/* The key is for backend i of the choice's service, which was judged so. */
static void note_backend(const struct hf_case *c, const struct hf_key *key, unsigned int i,
	const struct hf_judged *j)
{
	struct hf_choice *choice = c->choice;

	if (passes(j)) {
		choice->allowed[choice->n_allowed++] = (struct hf_allowed){
			.to = (uint16_t)i, .forwarded = j->forwarded, .origin = j->origin};
		return;
	}
	if (!leaves_by_wire(c->gen, key) || choice->n_denied == HF_BACKENDS_MAX)
		choice->slips = true;
	else
		choice->denied[choice->n_denied++] = (uint16_t)i;
}

static void aim_at_backend(
	struct hf_key *key, const struct hf_addr *addr, bool has_port, uint16_t port)
{
	key->dst = *addr;
	if (has_port && hf_proto_has_ports(key->proto))
		key->dport = port;
}

/*
 * One of the backends, as the kernel chooses: allowed if any is. The rules on connections that go
 * on stand in front of the rewriting, so that for these any backend does.
 */
static struct hf_judged judge_service(
	const struct hf_case *c, struct hf_key *key, const struct hf_dnat *dnat)
{
	struct hf_judged all = {.reason = HF_SOFT_DENY, .origin = HF_NO_ORIGIN}, one;
	bool any = false, ambiguous = false;
	unsigned int i, n = 0;

	key->dnated = true;
	for (i = 0; i < dnat->n_to; i++) {
		if (dnat->to[i].addr.family != key->src.family)
			continue;
		if (n > 0 && !opens(c->ct))
			break;
		if (any && n >= HF_BACKENDS_MAX) {
			ambiguous = true;
			if (c->choice)
				c->choice->slips |=
					c->gen->loose[dnat - hf_rules_dnat(c->gen->rules, 0)];
			break;
		}
		aim_at_backend(key, &dnat->to[i].addr, dnat->proto, dnat->to[i].port);
		one = judge_arrival(c, key);
		if (c->choice)
			note_backend(c, key, i, &one);
		if (n++ == 0)
			all = one;
		else if (passes(&one) != passes(&all))
			ambiguous = true;
		if (!passes(&one))
			continue;
		if (any) {
			all.forwarded = all.forwarded && one.forwarded;
		} else {
			any = true;
			all = one;
		}
	}
	if (ambiguous) {
		all.reason = HF_SOFT_DNAT_AMBIGUOUS;
		all.origin = HF_NO_ORIGIN;
	}
	return all;
}

struct hf_judged hf_judge_backend(const struct hf_case *c, const struct hf_xlat *x)
{
	struct hf_key key;

	base_key(c, c->iface, &key);
	key.dnated = true;
	aim_at_backend(&key, &x->backend, x->ports, x->backend_port);
	return judge_arrival(c, &key);
}

static struct hf_judged judge_in(const struct hf_case *c)
{
	const struct hf_dnat *dnat = NULL;
	struct hf_key key;
	bool rewritten;

	base_key(c, c->iface, &key);
	(void)hf_find_dest(c->gen, &key.dst, &rewritten);
	if (rewritten)
		dnat = hf_rules_find_dnat(c->gen->rules, key.proto, &key.dst, key.dport);
	if (!dnat || dnat->n_to == 0)
		return judge_arrival(c, &key);
	if (c->choice) {
		c->choice->dnat = dnat;
		c->choice->slips = false;
		c->choice->n_denied = c->choice->n_allowed = 0;
	}
	return judge_service(c, &key, dnat);
}

/* First of the services that may have led to this address and port, or NULL. */
static const struct hf_backend *find_backend(
	const struct hf_gen *gen, uint8_t proto, const struct hf_addr *addr, uint16_t port)
{
	struct hf_backend key = {.proto = proto, .addr = *addr, .port = port};
	size_t lo = 0, hi = gen->n_backends;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hf_backend_cmp(&gen->backends[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == gen->n_backends || hf_backend_cmp(&gen->backends[lo], &key) != 0)
		return NULL;
	return &gen->backends[lo];
}

/* The services that may have led to one address and port; either may be NULL. */
struct services {
	const struct hf_backend *by_port;
	const struct hf_backend *whole; /* that rewrite the address whatever the port */
};

static bool in_group(
	const struct hf_gen *gen, const struct hf_backend *b, const struct hf_backend *first)
{
	return b < gen->backends + gen->n_backends && hf_backend_cmp(b, first) == 0;
}

/* Does the kernel have a choice in one of them? */
static bool any_choice(const struct hf_gen *gen, const struct hf_backend *first)
{
	const struct hf_backend *b;

	for (b = first; b && in_group(gen, b, first); b++) {
		if (b->dnat->n_to > 1)
			return true;
	}
	return false;
}

/* By one of the services at first and its equals behind it; the last word if denied. */
static struct hf_judged judge_by_services(
	const struct hf_case *c, struct hf_key key, const struct hf_backend *first)
{
	struct hf_judged j = {.reason = HF_SOFT_DENY, .origin = HF_NO_ORIGIN};
	const struct hf_backend *b;

	key.dnated = true;
	for (b = first; in_group(c->gen, b, first); b++) {
		key.wire_dst = b->dnat->addr;
		key.wire_dport = b->proto ? b->dnat->port : key.dport;
		j = judge_key(c, &key);
		if (passes(&j))
			break;
	}
	return j;
}

/* Allowed directly or by a service. */
static struct hf_judged judge_by_any_way(
	const struct hf_case *c, const struct hf_key *key, const struct services *s)
{
	struct hf_judged j = judge_key(c, key);

	if (!passes(&j) && s->by_port)
		j = judge_by_services(c, *key, s->by_port);
	if (!passes(&j) && s->whole)
		j = judge_by_services(c, *key, s->whole);
	return j;
}

/* As judge_by_any_way(), but through any other uplink on a wire. */
static struct hf_judged judge_by_other_uplinks(const struct hf_case *c, struct hf_key key,
	const struct services *s, struct hf_judged refused)
{
	uint16_t routed = key.in;
	struct hf_judged j;

	for (key.in = 1; key.in < c->gen->n_ifaces; key.in++) {
		const struct hf_gen_iface *iface = &c->gen->ifaces[key.in];

		if (key.in == routed || !iface->wired || iface->from == HF_FROM_WORKLOAD)
			continue;
		j = judge_by_any_way(c, &key, s);
		if (passes(&j))
			return j;
	}
	return refused;
}

/*
 * It should have come in by a wire and have been judged there. Two things were not seen there:
 * which backend of a service the kernel would choose, and what came inside a tunnel with an address
 * of outside. So on its way into a pod, or to a backend that was chosen, a packet is refused that
 * cannot have come here by any way. It should have come by the interface that its source is routed
 * to; routes may be asymmetric, so that another uplink will do where nothing was left open.
 */
static struct hf_judged judge_transit(const struct hf_case *c, struct hf_key *key, bool outside)
{
	struct hf_judged j = {.reason = HF_SOFT_TRANSIT, .origin = HF_NO_ORIGIN, .forwarded = true};
	const struct services s = {
		find_backend(c->gen, key->proto, &key->dst, key->dport),
		find_backend(c->gen, 0, &key->dst, 0),
	};
	bool choice = any_choice(c->gen, s.by_port) || any_choice(c->gen, s.whole);
	struct hf_judged k;

	if (!opens(c->ct) || (!choice && !(outside && key->class == HF_CLASS_WORKLOAD)))
		return j;
	k = judge_by_any_way(c, key, &s);
	if (!passes(&k) && !choice)
		k = judge_by_other_uplinks(c, *key, &s, k);
	return passes(&k) && k.reason != HF_SOFT_ALLOW_UNTRACKED ? j : k;
}

/* Addresses only this host itself sends from; link-local ones are not forwarded (RFC 4291 2.5.6),
 * nor is the unspecified one (RFC 1122 3.2.1.3, RFC 4291 2.5.2). */
static bool is_own_source(const struct hf_addr *src, const struct hf_dest *dest)
{
	static const uint8_t unspecified[16];

	if (dest->class == HF_CLASS_HOST)
		return true;
	if (memcmp(src->b, unspecified, sizeof(unspecified)) == 0)
		return true;
	return src->family == 6 && src->b[0] == 0xfe && (src->b[1] & 0xc0) == 0x80;
}

static struct hf_judged judge_out(const struct hf_case *c)
{
	const struct hf_dest *from = hf_find_dest(c->gen, &c->pkt->src, NULL);
	bool uplink = c->gen->ifaces[c->iface].from != HF_FROM_WORKLOAD;
	bool own = is_own_source(&c->pkt->src, from);
	enum hf_nat_fate fate = HF_NAT_UNKNOWN;
	struct hf_key key;

	base_key(c, own ? HF_IF_HOST : from->out, &key);
	/* By what it leaves by: a multicast group that this host is in, too, is outside here. */
	leave_by(&key, c->iface, uplink ? HF_CLASS_REMOTE : HF_CLASS_WORKLOAD);
	if (own && !c->forwarded && c->m)
		fate = hf_nat_check(c->soft->nat, c->m, c->pkt, c->now);
	if (fate == HF_NAT_REFUSED && opens(c->ct))
		return (struct hf_judged){.reason = HF_SOFT_DNAT_REFUSED, .origin = HF_NO_ORIGIN};
	if (own && uplink && (c->forwarded || fate == HF_NAT_FORWARDED))
		return (struct hf_judged){
			.reason = HF_SOFT_TRANSIT, .origin = HF_NO_ORIGIN, .forwarded = true};
	if (own || !c->gen->ifaces[key.in].wired)
		return judge_key(c, &key);
	return judge_transit(c, &key, from->class == HF_CLASS_REMOTE);
}

struct hf_judged hf_judge(const struct hf_case *c)
{
	return c->dir == HF_SOFT_IN ? judge_in(c) : judge_out(c);
}

bool hf_is_forwarded(const struct hf_gen *gen, const struct hf_addr *dst)
{
	return hf_find_dest(gen, dst, NULL)->class != HF_CLASS_HOST;
}

void hf_judge_fetch_roots(
	const struct hf_gen *gen, const struct hf_classifier *classifier, const struct hf_pkt *pkt)
{
	hf_spans_fetch_root(&gen->dests, &pkt->dst);
	hf_classify_fetch_roots(classifier, &pkt->src, &pkt->dst, pkt->dport);
}

void hf_judge_fetch_spans(
	const struct hf_gen *gen, const struct hf_classifier *classifier, const struct hf_pkt *pkt)
{
	hf_spans_fetch(&gen->dests, &pkt->dst);
	hf_classify_fetch_spans(classifier, &pkt->src, &pkt->dst);
}

/* The list that decides, or HF_FLAT_NO_LIST. */
static unsigned int list_of(const struct hf_case *c, const struct hf_key *key)
{
	const struct hf_path *path;

	if (!c->tables->flat || c->pkt->src.family != 4)
		return HF_FLAT_NO_LIST;
	path = hf_rules_find_path(c->gen->rules, key->in, key->class);
	return path ? hf_flat_list_of(c->tables->flat, path->block) : HF_FLAT_NO_LIST;
}

bool hf_judge_aim(const struct hf_case *c, struct hf_memo *memo, struct hf_blind *blind)
{
	const struct hf_dest *dest;
	bool rewritten;

	if (c->dir != HF_SOFT_IN || !c->tables->classifier)
		return false;
	dest = hf_find_dest(c->gen, &c->pkt->dst, &rewritten);
	if (rewritten)
		return false;
	base_ports(c, c->iface, &blind->key);
	leave_by(&blind->key, dest->out, dest->class);
	blind->list = list_of(c, &blind->key);
	if (blind->list == HF_FLAT_NO_LIST)
		hf_classify_aim(c->tables->classifier, c->tables->delta, memo, &blind->key,
			&c->pkt->src, &c->pkt->dst, &blind->walk);
	return true;
}

bool hf_judge_recall(const struct hf_case *c, struct hf_memo *memo, struct hf_blind *blind)
{
	const struct hf_tables *t = c->tables;
	bool known;

	if (blind->list != HF_FLAT_NO_LIST && blind->walk.said == HF_MEMO_NONE)
		hf_classify_aim(t->classifier, t->delta, memo, &blind->key, &c->pkt->src,
			&c->pkt->dst, &blind->walk);
	known = hf_classify_recall(t->classifier, &blind->walk);
	/* Addresses are looked up where they are, and mostly need not be copied. */
	if (!known || c->gen->logs)
		base_addrs(c, &blind->key);
	if (!known)
		hf_classify_lead(t->classifier, t->delta, &blind->key, &blind->walk);
	return known;
}

bool hf_judge_blind(const struct hf_case *c, struct hf_blind *blind, struct hf_judged *ret)
{
	struct hf_decision d;

	if (!hf_classify_blind(
		    c->tables->classifier, c->tables->delta, &blind->key, &blind->walk, &d) ||
		(d.verdict != HF_VERDICT_DENY && d.verdict != HF_VERDICT_ALLOW_UNTRACKED))
		return false;
	if (c->gen->logs && c->tap)
		hf_logs_walk(c, &blind->key);
	*ret = judged_of(c, &blind->key, &d);
	note_forwarded(c, &c->pkt->dst, blind->key.dport, ret);
	return true;
}
