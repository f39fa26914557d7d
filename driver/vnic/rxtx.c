/* SPDX-License-Identifier: BSD-3-Clause */

#include "kernel.h"
#include "switch.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <string.h>

/* Instead of a queue. */
#define NOWHERE	  (-1)
#define TO_KERNEL (-2)

/* One writer; the reader of statistics must only not see half a number. */
static void add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void hf_vnic_write_mark(struct rte_mbuf *m, const struct hf_vnic_verdict *v)
{
	if (v->has_mark) {
		m->hash.fdir.hi = v->mark;
		m->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
	} else if (v->has_flag) {
		m->ol_flags |= RTE_MBUF_F_RX_FDIR;
	}
}

static void write_notes(
	struct rte_mbuf *m, const struct hf_vnic_pkt *pkt, const struct hf_vnic_verdict *v)
{
	m->hash.rss = hf_vnic_hash(pkt);
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	hf_vnic_write_mark(m, v);
	if (v->has_meta && rte_flow_dynf_metadata_avail()) {
		rte_flow_dynf_metadata_set(m, v->meta);
		m->ol_flags |= RTE_MBUF_DYNFLAG_RX_METADATA;
	}
}

/* The queue a packet goes to, TO_KERNEL, or NOWHERE: it is dropped. */
static int find_queue(
	struct hf_vnic_rxq *rxq, const struct hf_vnic_pkt *pkt, const struct hf_vnic_verdict *v)
{
	switch (v->fate) {
	case HF_VNIC_QUEUE:
		return v->queue;
	case HF_VNIC_MISS:
		if (!rxq->vnic->isolated)
			return atomic_load_explicit(
				&rxq->vnic->reta[hf_vnic_hash(pkt) % HF_VNIC_RETA],
				memory_order_relaxed);
		if (rxq->vnic->kernel.sub.present)
			return TO_KERNEL;
		add(&rxq->stats.isolated, 1);
		return NOWHERE;
	case HF_VNIC_DROP:
	case HF_VNIC_PORT: /* of transfer rules only */
	case HF_VNIC_GROUP_MISS:
	case HF_VNIC_TOO_DEEP:
	case HF_VNIC_FATE_MAX_:
		return NOWHERE;
	}
	return NOWHERE;
}

/* What transfer rules left; the mark stays in the packet unless a rule writes another. */
static void read_mark(const struct rte_mbuf *m, struct hf_vnic_pkt *pkt)
{
	rte_be32_t mark = rte_cpu_to_be_32(m->hash.fdir.hi);

	if (m->ol_flags & RTE_MBUF_F_RX_FDIR_ID)
		memcpy(pkt->hdr.mark, &mark, sizeof(mark));
}

static int steer(struct hf_vnic_rxq *rxq, const struct hf_vnic_root *root, struct rte_mbuf *m)
{
	struct hf_vnic_verdict v;
	struct hf_vnic_pkt pkt;
	int q;

	hf_vnic_parse(rxq->vnic->nic, m, &pkt);
	if (rxq->vnic->swport)
		read_mark(m, &pkt);
	hf_vnic_exec(root, &pkt, rte_pktmbuf_pkt_len(m), &v);
	add(&rxq->stats.fate[v.fate], 1);
	q = find_queue(rxq, &pkt, &v);
	if (q < 0)
		return q;
	if (v.has_mark)
		add(&rxq->stats.marked, 1);
	write_notes(m, &pkt, &v);
	return q;
}

/* Returns how many of the packets are ours; they are moved to the front. */
static uint16_t distribute(struct hf_vnic_rxq *rxq, const struct hf_vnic_root *root,
	struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_vnic *vnic = rxq->vnic;
	uint16_t i, ours = 0;

	for (i = 0; i < n; i++) {
		int q = steer(rxq, root, pkts[i]);

		if (q == rxq->id) {
			pkts[ours++] = pkts[i];
		} else if (q == TO_KERNEL) {
			hf_vnic_kernel_take(rxq, pkts[i]);
		} else if (q < 0) {
			rte_pktmbuf_free(pkts[i]);
		} else if (q >= vnic->n_rx ||
			   rte_ring_mp_enqueue(vnic->rxq[q]->ring, pkts[i]) < 0) {
			add(&rxq->stats.full, 1);
			rte_pktmbuf_free(pkts[i]);
		}
	}
	return ours;
}

/* The device is gone, or has no link. */
static bool is_cut(const struct hf_vnic *vnic)
{
	return atomic_load_explicit(&vnic->fault.cut, memory_order_relaxed);
}

static uint16_t poll_sub(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t room)
{
	struct hf_vnic *vnic = rxq->vnic;
	uint16_t mine = rxq->id < vnic->sub.n_rx
				? (vnic->sub.n_rx - rxq->id + vnic->n_rx - 1) / vnic->n_rx
				: 0;
	uint16_t i, got = 0;
	const struct hf_vnic_root *root =
		hf_vnic_enter(&vnic->table, HF_VNIC_RX, HF_VNIC_RX, rxq->id);

	if (vnic->swport && rxq->id == 0) {
		uint16_t n = hf_vnic_switch_poll(rxq, pkts, room);

		got = distribute(rxq, root, pkts, n);
	}
	for (i = 0; i < mine && got < room; i++) {
		uint16_t q = rxq->id + (rxq->turn + i) % mine * vnic->n_rx;
		uint16_t want = RTE_MIN(room - got, HF_VNIC_BURST);
		uint16_t n = rte_eth_rx_burst(vnic->sub.port, q, &pkts[got], want);

		if (vnic->swport)
			n = hf_vnic_switch_rx(rxq, &pkts[got], n);
		got += distribute(rxq, root, &pkts[got], n);
	}
	hf_vnic_leave(&vnic->table, HF_VNIC_RX, rxq->id);
	if (vnic->kernel.sub.present && rxq->id == 0)
		hf_vnic_kernel_poll(rxq);
	rxq->turn++;
	return got;
}

/* Some sub-queue is this queue's, or the switch or the kernel's side needs a hand. */
static bool has_work(const struct hf_vnic_rxq *rxq)
{
	return rxq->id < rxq->vnic->sub.n_rx ||
	       (rxq->id == 0 && (rxq->vnic->swport || rxq->vnic->kernel.sub.present));
}

uint16_t hf_vnic_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_vnic_rxq *rxq = queue;
	uint16_t got = rte_ring_sc_dequeue_burst(rxq->ring, (void **)pkts, n, NULL);
	uint64_t bytes = 0;
	uint16_t i;

	if (got < n && has_work(rxq) && !is_cut(rxq->vnic))
		got += poll_sub(rxq, &pkts[got], n - got);
	for (i = 0; i < got; i++) {
		pkts[i]->port = rxq->vnic->port;
		bytes += rte_pktmbuf_pkt_len(pkts[i]);
	}
	add(&rxq->stats.packets, got);
	add(&rxq->stats.bytes, bytes);
	return got;
}

/* To the sub-device. Returns how many it took. */
static uint16_t pass_on(struct hf_vnic_txq *txq, struct rte_mbuf **pkts, uint16_t n)
{
	const struct hf_vnic_sub *sub = &txq->vnic->sub;
	uint64_t bytes = 0;
	uint16_t i, sent = n;

	/* Packets that are sent are no longer ours to look at. */
	for (i = 0; i < n; i++)
		bytes += rte_pktmbuf_pkt_len(pkts[i]);
	if (sub->present)
		sent = rte_eth_tx_burst(sub->port, txq->id, pkts, n);
	else
		rte_pktmbuf_free_bulk(pkts, n);
	for (i = sent; i < n; i++)
		bytes -= rte_pktmbuf_pkt_len(pkts[i]);
	add(&txq->stats.packets, sent);
	add(&txq->stats.bytes, bytes);
	return sent;
}

/* The rules that packets on their way out meet. fdb is NULL where there is no switch. */
struct roots {
	const struct hf_vnic_root *tx;
	const struct hf_vnic_root *fdb;
};

/* Whether rules let a packet out by its own port. Else it is gone, one way or the other. */
static bool goes_out(struct hf_vnic_txq *txq, const struct roots *roots, struct rte_mbuf *m)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(m);
	struct hf_vnic_verdict v;
	struct hf_vnic_pkt pkt;
	bool drop;

	hf_vnic_parse(txq->vnic->nic, m, &pkt);
	if (rte_flow_dynf_metadata_avail() && (m->ol_flags & RTE_MBUF_DYNFLAG_TX_METADATA)) {
		rte_be32_t meta = rte_cpu_to_be_32(rte_flow_dynf_metadata_get(m));

		memcpy(pkt.hdr.meta, &meta, sizeof(meta));
	}
	hf_vnic_exec(roots->tx, &pkt, bytes, &v);
	drop = v.fate != HF_VNIC_MISS;
	if (!drop && !roots->fdb)
		return true;
	if (!drop && hf_vnic_switch_tx(txq->vnic->swport, roots->fdb, &pkt, m, &drop))
		return true;
	if (drop) {
		add(&txq->stats.drop, 1);
		rte_pktmbuf_free(m);
	} else {
		add(&txq->stats.packets, 1);
		add(&txq->stats.bytes, bytes);
	}
	return false;
}

static uint16_t send_held(struct hf_vnic_txq *txq)
{
	uint16_t sent = pass_on(txq, txq->held, txq->n_held);

	txq->n_held -= sent;
	memmove(txq->held, &txq->held[sent], txq->n_held * sizeof(txq->held[0]));
	return txq->n_held;
}

/*
 * A rule counts a packet once, though the sub-device may not take it yet: what has been through the
 * rules is ours, and is held until there is room.
 */
static uint16_t filter(
	struct hf_vnic_txq *txq, const struct roots *roots, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i, done = 0;

	while (done < n && txq->n_held == 0) {
		uint16_t end = RTE_MIN(n, done + HF_VNIC_BURST);

		for (i = done; i < end; i++) {
			if (goes_out(txq, roots, pkts[i]))
				txq->held[txq->n_held++] = pkts[i];
		}
		done = end;
		send_held(txq);
	}
	return done;
}

uint16_t hf_vnic_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_vnic_txq *txq = queue;
	struct hf_vnic_table *table = &txq->vnic->table;
	struct hf_vnic_swport *swport = txq->vnic->swport;
	struct roots roots = {};

	if (is_cut(txq->vnic) || (txq->n_held && send_held(txq)))
		return 0;
	roots.tx = hf_vnic_enter(table, HF_VNIC_TX, HF_VNIC_TX, txq->id);
	if (swport)
		roots.fdb = hf_vnic_switch_enter_tx(swport, txq->id);
	if (hf_vnic_idle(roots.tx) && (!swport || hf_vnic_idle(roots.fdb)))
		n = pass_on(txq, pkts, n);
	else
		n = filter(txq, &roots, pkts, n);
	if (swport)
		hf_vnic_switch_leave_tx(swport, txq->id);
	hf_vnic_leave(table, HF_VNIC_TX, txq->id);
	return n;
}

uint16_t hf_vnic_tx_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	const struct hf_vnic_txq *txq = queue;

	if (!txq->vnic->sub.present)
		return n;
	return rte_eth_tx_prepare(txq->vnic->sub.port, txq->id, pkts, n);
}
