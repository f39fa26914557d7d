/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The way of a burst: what each packet is, whether it goes on, and the counting.
 *
 * A burst is taken stage by stage and not packet by packet, so that the memory that one stage needs
 * is on its way while the others are still at the stage before. What packets leave behind for each
 * other (connections, fragments) is seen and left in the last stage, in their order.
 */

#include "rewrite.h"
#include "state.h"

#include <hepflow/plan.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <errno.h>

#define BATCH	    32 /* packets that go through the stages together */
#define SWEEP_BURST 8  /* expired connections removed with a burst */
#define SWEEP_POLL  64 /* and in a round of the worker's loop */

struct burst {
	const struct hf_soft *soft;
	const struct hf_gen *gen; /* NULL: nothing is published */
	const struct hf_tables *tables;
	const struct hf_gen_wire *wire;
	struct hf_worker *worker;
	struct hf_soft_count *origins; /* this worker's */
	enum hf_soft_dir dir;
	uint16_t number; /* of the wire */
	uint64_t now;
};

/* A packet between stages. */
struct slot {
	struct rte_mbuf *m;
	uint32_t mark;
	uint16_t iface;
	bool decided;	   /* reason and origin are right */
	enum hf_frag frag; /* HF_FRAG_NONE if it was decided when it was read */
	enum hf_soft_reason reason;
	uint32_t origin;
	const struct hf_xlat *answer; /* rewritten: it was sent by the backend of this one */
	struct hf_pkt pkt;	      /* unless it was decided when it was read */
};

/* What the NIC has said of the packet: HF_MARK_*, or 0. */
static uint32_t mark_of(const struct burst *b, const struct rte_mbuf *m)
{
	if (b->dir != HF_SOFT_IN || !b->wire || b->wire->role != HF_SOFT_UPLINK ||
		!(m->ol_flags & RTE_MBUF_F_RX_FDIR_ID))
		return 0;
	return m->hash.fdir.hi;
}

static uint16_t find_iface(const struct hf_gen_wire *wire, const struct hf_pkt *pkt)
{
	uint32_t i;

	if (pkt->n_vlans == 0)
		return wire->iface;
	for (i = 0; i < wire->n_tagged; i++) {
		const struct hf_tagged *t = &wire->tagged[i];

		if (t->vlan[0] == pkt->vlan[0] && t->vlan[1] == pkt->vlan[1])
			return t->iface;
	}
	return HF_NO_IFACE;
}

/*
 * The NIC has seen that the packet is of a connection it was given under these rules, which then
 * let established packets of it pass. Whether it is established is for the table to say.
 */
static bool is_offloaded(const struct hf_case *c, uint32_t mark)
{
	return mark == c->gen->conn_mark && c->ct == HF_CT_ESTABLISHED && c->pkt->n_vlans == 0 &&
	       c->pkt->frag == HF_FRAG_NONE;
}

/* Known to a connection, and nothing in the rules is about such packets. */
static bool is_calm(const struct hf_case *c)
{
	const struct hf_gen_iface *iface = &c->gen->ifaces[c->iface];

	if (c->ct != HF_CT_ESTABLISHED && c->ct != HF_CT_RELATED)
		return false;
	return iface->calm[c->dir][hf_calm_group(c->pkt->proto)] & HF_CT_BIT(c->ct);
}

/* Was the connection allowed by older rules, and does that not count any more? */
static bool must_rejudge(const struct hf_case *c, const struct hf_ct_view *view)
{
	return c->gen->number && view->known && c->ct == HF_CT_ESTABLISHED &&
	       view->judged != c->gen->number;
}

static struct hf_judged judge(const struct hf_case *c, const struct hf_ct_view *view,
	const struct hf_xlat *x, uint32_t mark)
{
	struct hf_judged j = {.origin = HF_NO_ORIGIN};

	if (must_rejudge(c, view) && !hf_rejudge(c, view, x, &j))
		return j;
	/* Validity is nothing a NIC knows; the rules have the say over what is invalid. */
	if (mark == HF_MARK_ALLOW && c->ct != HF_CT_INVALID) {
		j.reason = HF_SOFT_MARKED;
		j.forwarded = view->make && hf_is_forwarded(c->gen, &c->pkt->dst);
		return j;
	}
	if (is_offloaded(c, mark)) {
		j.reason = HF_SOFT_OFFLOADED;
		return j;
	}
	if (!is_calm(c)) {
		j = hf_judge(c);
		if (!hf_soft_reason_passes(j.reason) && c->ct == HF_CT_INVALID &&
			c->gen->wires[c->wire].delivers)
			(void)hf_unseen_passes(c, &j); /* else it stays as it is */
		if (!hf_soft_reason_passes(j.reason) || j.reason == HF_SOFT_ALLOW_UNTRACKED)
			return j;
	}
	if (c->ct == HF_CT_ESTABLISHED)
		j.reason = HF_SOFT_ESTABLISHED;
	else if (c->ct == HF_CT_RELATED)
		j.reason = HF_SOFT_RELATED;
	return j;
}

static void make_case(const struct burst *b, const struct slot *s, struct hf_case *ret)
{
	ret->soft = b->soft;
	ret->gen = b->gen;
	ret->tables = b->tables;
	ret->dir = b->dir;
	ret->iface = s->iface;
	ret->m = s->m;
	ret->pkt = &s->pkt;
	ret->ct = HF_CT_NEW;
	ret->forwarded = false;
	ret->now = b->now;
	ret->wire = b->number;
	ret->tap = b->worker->tap;
	ret->origins = b->origins;
	ret->choice = NULL;
}

/* Another packet of the burst that no connection is known of. */
static void turn_to(struct hf_case *c, const struct slot *s)
{
	c->iface = s->iface;
	c->m = s->m;
	c->pkt = &s->pkt;
}

/* Is the connection one for the NIC, and has it waited for long enough? */
static void offer(const struct burst *b, const struct slot *s, const struct hf_ct_view *view)
{
	uint32_t after = b->wire->offer_after;
	bool pairs = b->wire->pairs;
	struct hf_case c;

	if (!after || b->dir != HF_SOFT_IN || (s->mark && !pairs) || s->pkt.n_vlans ||
		s->pkt.frag != HF_FRAG_NONE || view->end)
		return;
	if (s->pkt.proto == HF_PROTO_TCP ? view->tcp.state != HF_TCP_ESTABLISHED
					 : s->pkt.proto != HF_PROTO_UDP)
		return;
	if (hf_ct_packets(b->worker->ct, view) % after != 0)
		return;
	make_case(b, s, &c);
	/* What software translates no NIC can carry. */
	if (pairs && (view->translated || !hf_answers_pass(&c, view)))
		return;
	if (pairs)
		hf_ct_loosen(b->worker->ct, view);
	hf_offers_add(b->worker, view, b->gen->conn_mark);
}

/* The translation of the packet's connection; NULL: it has none. */
static const struct hf_xlat *find_xlat(const struct burst *b, const struct hf_ct_view *view)
{
	if (!view->known || !view->translated)
		return NULL;
	return hf_xlat_find(b->worker->xlat, hf_ct_ticket(b->worker->ct, view));
}

/* May it reach a backend of a service, and which? */
static void settle(const struct hf_case *c, struct hf_worker *worker, const struct hf_ct_view *view,
	const struct hf_xlat **x, struct hf_judged *j, struct hf_xlat *room)
{
	if (j->reason == HF_SOFT_DNAT_AMBIGUOUS) {
		hf_translate_settle(c, worker, view, *x, j, room);
		if (j->reason == HF_SOFT_DNAT_TRANSLATED)
			*x = room;
	} else if (hf_soft_reason_passes(j->reason) && j->reason != HF_SOFT_ALLOW_UNTRACKED &&
		   (hf_translate_is_taken(c, worker, view) ||
			   (view->known && view->translated && !*x))) {
		j->reason = HF_SOFT_DNAT_REFUSED;
	}
}

static bool commit(
	const struct burst *b, struct slot *s, struct hf_ct_view *view, struct hf_ct_note note)
{
	switch (hf_ct_commit(b->worker->ct, view, b->now, rte_pktmbuf_pkt_len(s->m), note)) {
	case 0:
		return true;
	case -EDQUOT:
		s->reason = HF_SOFT_SOURCE_FULL;
		return false;
	default:
		s->reason = HF_SOFT_TABLE_FULL;
		return false;
	}
}

/* What has been let in goes where its connection goes. */
static void send_on(const struct burst *b, struct slot *s, const struct hf_case *c,
	const struct hf_ct_view *view, const struct hf_xlat *x)
{
	if (s->reason == HF_SOFT_DNAT_TRANSLATED && !view->end)
		hf_translate_begin(c, b->worker, view, x);
	if (b->dir == HF_SOFT_IN && x)
		hf_translate_call(s->m, &s->pkt, x);
	else if (b->dir == HF_SOFT_IN && c->ct == HF_CT_RELATED)
		hf_translate_error(s->m, &s->pkt, b->worker, b->wire->zone, b->now);
}

/*
 * Most packets: of a known connection, and nothing says that they should be looked at more closely.
 * What judge() and what follows it would say, in short.
 */
static inline bool goes_on(const struct burst *b, const struct slot *s,
	const struct hf_ct_view *view, enum hf_soft_reason *ret)
{
	const struct hf_gen_iface *iface = &b->gen->ifaces[s->iface];

	if (view->ct != HF_CT_ESTABLISHED || !view->known || view->translated || view->make ||
		b->gen->number)
		return false;
	if (s->mark == HF_MARK_ALLOW)
		*ret = HF_SOFT_MARKED;
	else if (s->mark)
		return false;
	else if (iface->calm[b->dir][hf_calm_group(s->pkt.proto)] & HF_CT_BIT(HF_CT_ESTABLISHED))
		*ret = HF_SOFT_ESTABLISHED;
	else
		return false;
	return true;
}

/* Judges what does not go on as it is. Returns whether it goes on. */
static __attribute__((noinline)) bool judge_closely(
	const struct burst *b, struct slot *s, struct hf_ct_view *view, struct hf_addr *ret_to)
{
	struct hf_ct_note note = {0};
	struct hf_choice choice;
	const struct hf_xlat *x;
	struct hf_judged j;
	struct hf_xlat room;
	struct hf_case c;

	make_case(b, s, &c);
	c.ct = view->ct;
	c.forwarded = view->forwarded;
	c.choice = &choice;
	x = find_xlat(b, view);
	j = judge(&c, view, x, s->mark);
	settle(&c, b->worker, view, &x, &j, &room);
	s->reason = j.reason;
	s->origin = j.origin;
	if (!hf_soft_reason_passes(j.reason) && must_rejudge(&c, view))
		hf_ct_demote(b->worker->ct, view, b->now);
	if (!hf_soft_reason_passes(j.reason) || j.reason == HF_SOFT_ALLOW_UNTRACKED)
		return false;
	note.forwarded = j.forwarded;
	note.translated = j.reason == HF_SOFT_DNAT_TRANSLATED;
	note.judged = b->gen->number;
	if (!commit(b, s, view, note))
		return false;
	if (x && b->dir == HF_SOFT_IN)
		*ret_to = x->backend;
	send_on(b, s, &c, view, x);
	return true;
}

/*
 * A packet with a transport header, of which the view knows the place in the table. *ret_to: the
 * address it was sent on to, or none (family 0).
 */
static void judge_packet(
	const struct burst *b, struct slot *s, struct hf_ct_view *view, struct hf_addr *ret_to)
{
	hf_ct_look(b->worker->ct, s->m, &s->pkt, b->now, view);
	if (goes_on(b, s, view, &s->reason)) {
		s->origin = HF_NO_ORIGIN;
		if (!commit(b, s, view, (struct hf_ct_note){0}))
			return;
	} else if (!judge_closely(b, s, view, ret_to)) {
		return;
	}
	if (s->reason == HF_SOFT_ESTABLISHED ||
		(s->reason == HF_SOFT_MARKED && view->ct == HF_CT_ESTABLISHED))
		offer(b, s, view);
}

/* No reason yet: the packet waits. */
#define HELD HF_SOFT_N_REASONS

static const enum hf_soft_reason fates[HF_FRAG_N_FATES] = {
	[HF_FRAG_UNKNOWN] = HF_SOFT_FRAGMENT_UNKNOWN,
	[HF_FRAG_DUPLICATE] = HF_SOFT_FRAGMENT_DUPLICATE,
	[HF_FRAG_OVERLAP] = HF_SOFT_FRAGMENT_OVERLAP,
	[HF_FRAG_DROP] = HF_SOFT_FRAGMENT_DENY,
	[HF_FRAG_PASS] = HF_SOFT_FRAGMENT,
	[HF_FRAG_HELD] = HELD,
};

/* A datagram has one direction, and what waits for its first goes the same way. */
static uint32_t frag_zone(const struct burst *b)
{
	return b->wire->zone << 1 | b->dir;
}

static uint32_t frag_tag(unsigned int wire, enum hf_soft_dir dir)
{
	return wire << 1 | dir;
}

/* A later fragment goes where its first was sent, or comes from where that seemed to come. */
static void send_fragment(struct rte_mbuf *m, const struct hf_pkt *pkt, enum hf_soft_dir dir,
	const struct hf_addr *addr)
{
	struct hf_rewrite to = {.dst = dir == HF_SOFT_IN, .addr = *addr};

	if (addr->family)
		hf_rewrite(m, pkt, &to);
}

static enum hf_soft_reason judge_later(
	const struct burst *b, struct rte_mbuf *m, const struct hf_pkt *pkt, uint32_t mark)
{
	uint32_t tag = frag_tag((unsigned int)(b->wire - b->gen->wires), b->dir);
	enum hf_frag_fate fate;
	struct hf_addr to;

	/* The NIC allows a fragment only when its verdict does not need the ports. */
	if (mark == HF_MARK_ALLOW && !hf_xlat_count(b->worker->xlat))
		return HF_SOFT_MARKED;
	fate = hf_frag_later(b->worker->frag, m, pkt, frag_zone(b), tag, b->now, &to);
	if (fate == HF_FRAG_PASS)
		send_fragment(m, pkt, b->dir, &to);
	return fates[fate];
}

static void decide(struct slot *s, enum hf_soft_reason reason)
{
	s->reason = reason;
	s->decided = true;
}

/* First stage: what can be said without looking at anything but the packet. */
static void read_packet(const struct burst *b, struct slot *s)
{
	s->decided = false;
	s->origin = HF_NO_ORIGIN;
	s->mark = mark_of(b, s->m);
	s->frag = HF_FRAG_NONE;
	s->answer = NULL;
	if (s->mark == HF_MARK_ALLOW_UNTRACKED || s->mark == HF_MARK_DENY) {
		decide(s, s->mark == HF_MARK_DENY ? HF_SOFT_MARKED_DENY : HF_SOFT_MARKED_UNTRACKED);
		return;
	}
	switch (hf_pkt_parse(s->m, &s->pkt)) {
	case HF_PARSE_NOT_IP:
		decide(s, HF_SOFT_NOT_IP);
		return;
	case HF_PARSE_MALFORMED:
		decide(s, HF_SOFT_MALFORMED);
		return;
	case HF_PARSE_TAGS:
		decide(s, HF_SOFT_NO_INTERFACE);
		return;
	case HF_PARSE_IP:
		break;
	}
	if (!b->wire) {
		decide(s, HF_SOFT_NO_RULES);
		return;
	}
	s->iface = find_iface(b->wire, &s->pkt);
	if (s->iface == HF_NO_IFACE)
		decide(s, HF_SOFT_NO_INTERFACE);
	else
		s->frag = s->pkt.frag;
}

/* Can rules in front of connection tracking be about the packet? */
static bool may_be_untracked(const struct burst *b, const struct slot *s)
{
	const struct hf_gen_iface *iface;

	if (s->decided || s->mark == HF_MARK_ALLOW || s->mark == b->gen->conn_mark ||
		s->frag == HF_FRAG_LATER)
		return false;
	iface = &b->gen->ifaces[s->iface];
	return !(iface->calm[b->dir][hf_calm_group(s->pkt.proto)] & HF_CT_BIT(HF_CT_ESTABLISHED));
}

/* What the packets will look up in tables that are too large for the cache. */
static void fetch_untracked(const struct burst *b, const struct slot *slots, uint32_t asked)
{
	uint32_t left;

	for (left = asked; left; left &= left - 1)
		hf_judge_fetch_roots(b->gen, b->tables->classifier,
			&slots[(unsigned int)__builtin_ctz(left)].pkt);
	for (left = asked; left; left &= left - 1)
		hf_judge_fetch_spans(b->gen, b->tables->classifier,
			&slots[(unsigned int)__builtin_ctz(left)].pkt);
}

/* Asks the lists that the packets have; mostly all the same one. Returns how many that decides. */
static unsigned int ask_lists(
	const struct burst *b, const struct slot *slots, struct hf_blind *blind, uint32_t aimed)
{
	struct hf_flat_key keys[BATCH];
	uint32_t said[BATCH], left;
	unsigned int n_said = 0;
	uint8_t place[BATCH];

	while (aimed) {
		unsigned int list = blind[__builtin_ctz(aimed)].list, n = 0, k;

		for (left = aimed; left; left &= left - 1) {
			unsigned int i = (unsigned int)__builtin_ctz(left);
			const struct hf_key *key = &blind[i].key;

			if (blind[i].list != list)
				continue;
			aimed &= ~(UINT32_C(1) << i);
			place[n] = (uint8_t)i;
			hf_flat_fill(&keys[n++], &slots[i].pkt.src, &slots[i].pkt.dst, key->proto,
				key->sport, key->dport);
		}
		if (list == HF_FLAT_NO_LIST)
			continue;
		hf_flat_ask(b->tables->flat, list, keys, n, said);
		for (k = 0; k < n; k++) {
			blind[place[k]].walk.set = NULL;
			blind[place[k]].walk.said = said[k];
			n_said += said[k] != HF_MEMO_NONE;
		}
	}
	return n_said;
}

/* Judges those packets that are asked for by untracked policy, as far as it decides them. */
static __attribute__((noinline)) void judge_asked(
	const struct burst *b, struct slot *slots, uint32_t asked)
{
	const struct hf_classifier *classifier = b->tables->classifier;
	struct hf_blind blind[BATCH];
	uint32_t aimed = 0, known = 0, left;
	struct hf_memo *memo = b->worker->memo;
	struct hf_judged j;
	unsigned int i, n_listed = 0;
	struct hf_case c;

	if (classifier->large)
		fetch_untracked(b, slots, asked);
	make_case(b, &slots[__builtin_ctz(asked)], &c);
	for (left = asked; left; left &= left - 1) {
		i = (unsigned int)__builtin_ctz(left);
		turn_to(&c, &slots[i]);
		aimed |= (uint32_t)hf_judge_aim(&c, memo, &blind[i]) << i;
	}
	if (b->tables->flat)
		n_listed = ask_lists(b, slots, blind, aimed);
	for (left = aimed; left; left &= left - 1) {
		i = (unsigned int)__builtin_ctz(left);
		turn_to(&c, &slots[i]);
		known |= (uint32_t)hf_judge_recall(&c, memo, &blind[i]) << i;
	}
	for (left = classifier->large ? aimed & ~known : 0; left; left &= left - 1) {
		i = (unsigned int)__builtin_ctz(left);
		hf_classify_fetch(classifier, b->tables->delta, &blind[i].key, &blind[i].walk);
	}
	HF_SET(b->worker->listed, b->worker->listed + n_listed);
	HF_SET(memo->asked, memo->asked + (unsigned int)__builtin_popcount(aimed) - n_listed);
	HF_SET(memo->known, memo->known + (unsigned int)__builtin_popcount(known) - n_listed);
	for (left = aimed; left; left &= left - 1) {
		i = (unsigned int)__builtin_ctz(left);
		turn_to(&c, &slots[i]);
		if (!hf_judge_blind(&c, &blind[i], &j))
			continue;
		slots[i].origin = j.origin;
		decide(&slots[i], j.reason);
	}
}

/* Second stage: what untracked policy decides needs no connection table. */
static void judge_untracked(const struct burst *b, struct slot *slots, unsigned int n)
{
	uint32_t asked = 0;
	unsigned int i;

	if (b->dir != HF_SOFT_IN || !b->tables->classifier)
		return;
	for (i = 0; i < n; i++)
		asked |= (uint32_t)may_be_untracked(b, &slots[i]) << i;
	if (asked)
		judge_asked(b, slots, asked);
}

/* Answers to what was sent to a backend here become the service's, before anybody looks at them. */
static void take_answers(const struct burst *b, struct slot *slots, unsigned int n)
{
	unsigned int i;

	if (b->dir != HF_SOFT_OUT || !hf_xlat_count(b->worker->xlat))
		return;
	for (i = 0; i < n; i++) {
		struct slot *s = &slots[i];

		if (!s->decided && s->frag != HF_FRAG_LATER)
			s->answer = hf_translate_answer(s->m, &s->pkt, b->worker, b->wire->zone);
	}
}

static bool is_tracked(const struct slot *s)
{
	return !s->decided && s->frag != HF_FRAG_LATER;
}

/* Third stage: the connection table's memory. */
static void find_places(
	const struct burst *b, const struct slot *slots, unsigned int n, struct hf_ct_view *views)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (is_tracked(&slots[i]))
			hf_ct_aim(b->worker->ct, &slots[i].pkt, b->wire->zone, &views[i]);
	}
	for (i = 0; i < n; i++) {
		if (is_tracked(&slots[i]))
			hf_ct_fetch(b->worker->ct, &views[i]);
	}
}

/* As it came: the table of fragments knows it so. */
static struct hf_pkt as_it_came(const struct slot *s)
{
	struct hf_pkt pkt = s->pkt;

	if (s->answer)
		pkt.src = s->answer->backend;
	return pkt;
}

static void judge_first(const struct burst *b, struct slot *s, struct hf_ct_view *view)
{
	struct hf_frag_table *frag = b->worker->frag;
	struct hf_pkt pkt = as_it_came(s);
	enum hf_frag_fate fate = hf_frag_check_first(frag, &pkt, frag_zone(b), b->now);
	struct hf_addr to = {0};

	if (s->answer)
		to = s->answer->service;
	if (fate != HF_FRAG_PASS) {
		s->reason = fates[fate];
		s->origin = HF_NO_ORIGIN;
		return;
	}
	if (!s->decided)
		judge_packet(b, s, view, &to);
	hf_frag_first(frag, &pkt, frag_zone(b), b->now, hf_soft_reason_passes(s->reason), &to);
}

/* Fourth stage, in order: what depends on packets before, and what is left for those behind. */
static void judge_tracked(const struct burst *b, struct slot *s, struct hf_ct_view *view)
{
	struct hf_addr to;

	if (s->frag == HF_FRAG_FIRST)
		judge_first(b, s, view);
	else if (!s->decided && s->frag == HF_FRAG_LATER)
		s->reason = judge_later(b, s->m, &s->pkt, s->mark);
	else if (!s->decided)
		judge_packet(b, s, view, &to);
}

/* Does a capture ask for it? */
static void capture(const struct burst *b, const struct slot *s)
{
	uint64_t ask = HF_GET(b->soft->capture), place = ask >> HF_CAPTURE_WIRE_SHIFT;
	const struct hf_tap_record record = {
		.kind = HF_TAP_CAPTURE,
		.dir = (uint8_t)b->dir,
		.reason = (uint8_t)s->reason,
		.wire = b->number,
	};

	if (!(ask >> s->reason & 1) || (place && place != b->number + 1u))
		return;
	hf_tap_write(b->worker->tap, &record, s->m,
		s->origin == HF_NO_ORIGIN ? NULL : hf_rules_origin(b->gen->rules, s->origin),
		b->now);
}

/* Last stage: counts, and parts what goes on from what does not. Returns how many go on. */
static unsigned int part(const struct burst *b, const struct slot *slots, unsigned int n,
	struct hf_soft_wire_counts *sum, struct rte_mbuf **pass)
{
	struct rte_mbuf *drop[BATCH];
	unsigned int i, n_drop = 0, n_pass = 0;

	for (i = 0; i < n; i++) {
		const struct slot *s = &slots[i];
		uint32_t bytes = rte_pktmbuf_pkt_len(s->m);

		sum->rx.bytes += bytes;
		if (s->reason == HELD)
			continue;
		if (HF_GET(b->soft->capture))
			capture(b, s);
		hf_count(&b->worker->reasons[s->reason], 1, bytes);
		if (s->origin != HF_NO_ORIGIN)
			hf_count(&b->origins[s->origin], 1, bytes);
		if (hf_soft_reason_passes(s->reason)) {
			sum->tx.bytes += bytes;
			pass[n_pass++] = s->m;
		} else {
			sum->drop.bytes += bytes;
			drop[n_drop++] = s->m;
		}
	}
	sum->rx.packets += n;
	sum->tx.packets += n_pass;
	sum->drop.packets += n_drop;
	if (n_drop > 0)
		rte_pktmbuf_free_bulk(drop, n_drop);
	return n_pass;
}

static unsigned int run_batch(const struct burst *b, struct rte_mbuf **pkts, unsigned int n,
	struct hf_soft_wire_counts *sum, struct rte_mbuf **pass)
{
	struct hf_ct_view views[BATCH];
	struct slot slots[BATCH];
	unsigned int i;

	for (i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (i = 0; i < n; i++) {
		slots[i].m = pkts[i];
		read_packet(b, &slots[i]);
	}
	if (b->wire) {
		take_answers(b, slots, n);
		judge_untracked(b, slots, n);
	}
	find_places(b, slots, n, views);
	for (i = 0; i < n; i++)
		judge_tracked(b, &slots[i], &views[i]);
	return part(b, slots, n, sum, pass);
}

/* Those that have waited in vain. */
static void drop_fragments(struct hf_worker *worker)
{
	enum hf_frag_fate fate;
	struct rte_mbuf *m;
	uint32_t tag;

	while ((m = hf_frag_next_drop(worker->frag, &tag, &fate))) {
		uint32_t bytes = rte_pktmbuf_pkt_len(m);

		hf_count(&worker->reasons[fates[fate]], 1, bytes);
		hf_count(&worker->wires[tag >> 1][tag & 1].drop, 1, bytes);
		rte_pktmbuf_free(m);
	}
}

uint16_t hf_soft_more(struct hf_soft *soft, unsigned int worker, unsigned int wire,
	enum hf_soft_dir dir, struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_worker *w = soft->workers[worker];
	struct hf_addr to;
	struct hf_pkt pkt;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = hf_frag_next_pass(w->frag, frag_tag(wire, dir), &to);

		if (!m)
			break;
		if (to.family && hf_pkt_parse(m, &pkt) == HF_PARSE_IP)
			send_fragment(m, &pkt, dir, &to);
		hf_count(&w->reasons[HF_SOFT_FRAGMENT], 1, rte_pktmbuf_pkt_len(m));
		hf_count(&w->wires[wire][dir].tx, 1, rte_pktmbuf_pkt_len(m));
		pkts[i] = m;
	}
	return i;
}

uint16_t hf_soft_burst(struct hf_soft *soft, unsigned int worker, unsigned int wire,
	enum hf_soft_dir dir, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct burst b = {
		.soft = soft,
		.gen = __atomic_load_n(&soft->gen, __ATOMIC_ACQUIRE),
		.worker = soft->workers[worker],
		.dir = dir,
		.number = (uint16_t)wire,
		.now = now,
	};
	struct hf_soft_wire_counts *counts = &b.worker->wires[wire][dir], sum = {0};
	unsigned int i, n_pass = 0;

	if (b.gen && b.gen->wires[wire].used) {
		b.wire = &b.gen->wires[wire];
		b.origins = b.gen->counts[worker];
		b.tables = __atomic_load_n(&b.gen->tables, __ATOMIC_ACQUIRE);
	}
	/* What passes moves to the front, never beyond what has been taken from there. */
	for (i = 0; i < n; i += BATCH)
		n_pass +=
			run_batch(&b, pkts + i, n - i < BATCH ? n - i : BATCH, &sum, pkts + n_pass);
	hf_count(&counts->rx, sum.rx.packets, sum.rx.bytes);
	hf_count(&counts->tx, sum.tx.packets, sum.tx.bytes);
	hf_count(&counts->drop, sum.drop.packets, sum.drop.bytes);
	drop_fragments(b.worker);
	(void)hf_ct_expire(b.worker->ct, now, SWEEP_BURST);
	return (uint16_t)n_pass;
}

void hf_soft_poll(struct hf_soft *soft, unsigned int worker, uint64_t now)
{
	(void)hf_ct_expire(soft->workers[worker]->ct, now, SWEEP_POLL);
	hf_frag_expire(soft->workers[worker]->frag, now, SWEEP_POLL);
	hf_xlat_sweep(soft->workers[worker]->xlat, soft->workers[worker]->ct, SWEEP_POLL);
	drop_fragments(soft->workers[worker]);
	hf_offers_touch(soft->workers[worker], now);
	rte_rcu_qsbr_quiescent(soft->qsbr, worker);
}

bool hf_soft_forget(struct hf_soft *soft, unsigned int worker, const struct hf_soft_filter *filter,
	uint32_t *at)
{
	const struct hf_wire *wire = &soft->wires[filter->wire % HF_SOFT_WIRES_MAX];
	struct hf_ct_filter f = {
		.zone = filter->any_wire ? 0 : wire->zone,
		.proto = filter->proto,
		.src = filter->src,
		.dst = filter->dst,
		.sport = filter->sport,
		.dport = filter->dport,
	};

	return hf_ct_flush(soft->workers[worker]->ct, &f, at, SWEEP_POLL);
}
