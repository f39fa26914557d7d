/* SPDX-License-Identifier: BSD-3-Clause */

/* The way of a burst: what each packet is, whether it goes on, and the counting. */

#include "state.h"

#include <hepflow/plan.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <errno.h>

#define PREFETCH     4	/* packets ahead; headers are then in the cache when they are read */
#define SWEEP_BURST  8	/* expired connections removed with a burst */
#define SWEEP_POLL   64 /* and in a round of the worker's loop */
#define FREE_AT_ONCE 64

struct burst {
	const struct hf_soft *soft;
	const struct hf_gen *gen; /* NULL: nothing is published */
	const struct hf_gen_wire *wire;
	struct hf_worker *worker;
	struct hf_soft_count *origins; /* this worker's */
	enum hf_soft_dir dir;
	uint64_t now;
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

/* Known to a connection, and nothing in the rules is about such packets. */
static bool is_calm(const struct hf_case *c)
{
	const struct hf_gen_iface *iface = &c->gen->ifaces[c->iface];

	if (c->ct != HF_CT_ESTABLISHED && c->ct != HF_CT_RELATED)
		return false;
	return iface->calm[c->dir][hf_calm_group(c->pkt->proto)] & HF_CT_BIT(c->ct);
}

static struct hf_judged judge(const struct hf_case *c, const struct hf_ct_view *view, uint32_t mark)
{
	struct hf_judged j = {.origin = HF_NO_ORIGIN};

	/* Validity is nothing a NIC knows; the rules have the say over what is invalid. */
	if (mark == HF_MARK_ALLOW && c->ct != HF_CT_INVALID) {
		j.reason = HF_SOFT_MARKED;
		j.forwarded = view->make && hf_is_forwarded(c->gen, &c->pkt->dst);
		return j;
	}
	if (!is_calm(c)) {
		j = hf_judge(c);
		if (!hf_soft_reason_passes(j.reason) || j.reason == HF_SOFT_ALLOW_UNTRACKED)
			return j;
	}
	if (c->ct == HF_CT_ESTABLISHED)
		j.reason = HF_SOFT_ESTABLISHED;
	else if (c->ct == HF_CT_RELATED)
		j.reason = HF_SOFT_RELATED;
	return j;
}

/* A packet with a transport header. */
static enum hf_soft_reason judge_packet(const struct burst *b, const struct rte_mbuf *m,
	const struct hf_pkt *pkt, uint16_t iface, uint32_t mark)
{
	struct hf_case c = {
		.soft = b->soft,
		.gen = b->gen,
		.dir = b->dir,
		.iface = iface,
		.m = m,
		.pkt = pkt,
		.now = b->now,
	};
	uint32_t bytes = rte_pktmbuf_pkt_len(m);
	struct hf_ct_note note = {0};
	struct hf_ct_view view;
	struct hf_judged j;

	hf_ct_find(b->worker->ct, m, pkt, b->wire->zone, b->now, &view);
	c.ct = view.ct;
	c.forwarded = view.forwarded;
	j = judge(&c, &view, mark);
	if (j.origin != HF_NO_ORIGIN)
		hf_count(&b->origins[j.origin], 1, bytes);
	if (!hf_soft_reason_passes(j.reason) || j.reason == HF_SOFT_ALLOW_UNTRACKED)
		return j.reason;
	note.forwarded = j.forwarded;
	switch (hf_ct_commit(b->worker->ct, &view, b->now, bytes, note)) {
	case 0:
		return j.reason;
	case -EDQUOT:
		return HF_SOFT_SOURCE_FULL;
	default:
		return HF_SOFT_TABLE_FULL;
	}
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

static enum hf_soft_reason judge_later(
	const struct burst *b, struct rte_mbuf *m, const struct hf_pkt *pkt, uint32_t mark)
{
	uint32_t tag = frag_tag((unsigned int)(b->wire - b->gen->wires), b->dir);

	/* The NIC allows a fragment only when its verdict does not need the ports. */
	if (mark == HF_MARK_ALLOW)
		return HF_SOFT_MARKED;
	return fates[hf_frag_later(b->worker->frag, m, pkt, frag_zone(b), tag, b->now)];
}

static enum hf_soft_reason judge_first_fragment(const struct burst *b, const struct rte_mbuf *m,
	const struct hf_pkt *pkt, uint16_t iface, uint32_t mark)
{
	struct hf_frag_table *frag = b->worker->frag;
	enum hf_frag_fate fate = hf_frag_check_first(frag, pkt, frag_zone(b), b->now);
	enum hf_soft_reason reason;

	if (fate != HF_FRAG_PASS)
		return fates[fate];
	reason = judge_packet(b, m, pkt, iface, mark);
	hf_frag_first(frag, pkt, frag_zone(b), b->now, hf_soft_reason_passes(reason));
	return reason;
}

static enum hf_soft_reason judge_ip(
	const struct burst *b, struct rte_mbuf *m, const struct hf_pkt *pkt, uint32_t mark)
{
	uint16_t iface = find_iface(b->wire, pkt);

	if (iface == HF_NO_IFACE)
		return HF_SOFT_NO_INTERFACE;
	switch (pkt->frag) {
	case HF_FRAG_LATER:
		return judge_later(b, m, pkt, mark);
	case HF_FRAG_FIRST:
		return judge_first_fragment(b, m, pkt, iface, mark);
	case HF_FRAG_NONE:
		break;
	}
	return judge_packet(b, m, pkt, iface, mark);
}

static enum hf_soft_reason judge_frame(const struct burst *b, struct rte_mbuf *m)
{
	uint32_t mark = mark_of(b, m);
	struct hf_pkt pkt;

	if (mark == HF_MARK_ALLOW_UNTRACKED)
		return HF_SOFT_MARKED_UNTRACKED;
	switch (hf_pkt_parse(m, &pkt)) {
	case HF_PARSE_NOT_IP:
		return HF_SOFT_NOT_IP;
	case HF_PARSE_MALFORMED:
		return HF_SOFT_MALFORMED;
	case HF_PARSE_TAGS:
		return HF_SOFT_NO_INTERFACE;
	case HF_PARSE_IP:
		break;
	}
	return b->wire ? judge_ip(b, m, &pkt, mark) : HF_SOFT_NO_RULES;
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
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = hf_frag_next_pass(w->frag, frag_tag(wire, dir));

		if (!m)
			break;
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
		.now = now,
	};
	struct hf_soft_wire_counts *counts = &b.worker->wires[wire][dir];
	struct rte_mbuf *drop[FREE_AT_ONCE];
	unsigned int i, n_drop = 0;
	uint16_t n_pass = 0;

	if (b.gen && b.gen->wires[wire].used) {
		b.wire = &b.gen->wires[wire];
		b.origins = b.gen->counts[worker];
	}
	for (i = 0; i < n && i < PREFETCH; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t bytes = rte_pktmbuf_pkt_len(m);
		enum hf_soft_reason reason;

		if (i + PREFETCH < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH], void *));
		reason = judge_frame(&b, m);
		hf_count(&counts->rx, 1, bytes);
		if (reason == HELD)
			continue;
		hf_count(&b.worker->reasons[reason], 1, bytes);
		if (hf_soft_reason_passes(reason)) {
			hf_count(&counts->tx, 1, bytes);
			pkts[n_pass++] = m;
			continue;
		}
		hf_count(&counts->drop, 1, bytes);
		drop[n_drop++] = m;
		if (n_drop == FREE_AT_ONCE) {
			rte_pktmbuf_free_bulk(drop, n_drop);
			n_drop = 0;
		}
	}
	rte_pktmbuf_free_bulk(drop, n_drop);
	drop_fragments(b.worker);
	(void)hf_ct_expire(b.worker->ct, now, SWEEP_BURST);
	return n_pass;
}

void hf_soft_poll(struct hf_soft *soft, unsigned int worker, uint64_t now)
{
	(void)hf_ct_expire(soft->workers[worker]->ct, now, SWEEP_POLL);
	hf_frag_expire(soft->workers[worker]->frag, now, SWEEP_POLL);
	drop_fragments(soft->workers[worker]);
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
