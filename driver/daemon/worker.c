/* SPDX-License-Identifier: BSD-3-Clause */

#include "worker.h"

#include "soft/soft.h"

#include <hepflow/plan.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <unistd.h>

/* The only writer is the worker, so load and store are enough. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static void send_all(struct hf_worker_side *to, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = rte_eth_tx_burst(to->port, queue % to->n_queues, pkts, n);

	if (sent == n)
		return;
	add(&to->unsent, n - sent);
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

/* As if the NIC had marked them. */
static void mark_all(struct rte_mbuf **pkts, uint16_t n, uint32_t mark)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		pkts[i]->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
		pkts[i]->hash.fdir.hi = mark;
	}
}

/* Returns how many packets came. */
static unsigned int move(struct hf_worker *w, struct hf_worker_wire *wire, enum hf_soft_dir dir)
{
	struct hf_worker_side *from = dir == HF_SOFT_IN ? &wire->outer : &wire->inner;
	struct hf_worker_side *to = dir == HF_SOFT_IN ? &wire->inner : &wire->outer;
	struct rte_mbuf *pkts[HF_WORKER_BURST];
	unsigned int all = 0;
	uint16_t q, n;

	for (q = 0; q < from->n_queues + from->n_reserved; q++) {
		n = rte_eth_rx_burst(from->port, q, pkts, HF_WORKER_BURST);
		if (n == 0)
			continue;
		all += n;
		if (q >= from->n_queues)
			mark_all(pkts, n, hf_reserved_mark((uint16_t)(q - from->n_queues)));
		n = hf_soft_burst(w->soft, w->number, wire->wire, dir, pkts, n, rte_rdtsc());
		for (; n > 0; n = hf_soft_more(
				      w->soft, w->number, wire->wire, dir, pkts, HF_WORKER_BURST))
			send_all(to, q, pkts, n);
	}
	return all;
}

static void rest(struct hf_worker *w, unsigned int *idle)
{
	if (!w->adaptive || *idle < HF_IDLE_ROUNDS) {
		rte_pause();
		(*idle)++;
		return;
	}
	add(&w->sleeps, 1);
	(void)usleep(HF_IDLE_SLEEP_US); /* woken early by a signal: just as well */
}

static void forget(struct hf_worker *w)
{
	if (!atomic_load_explicit(&w->forget, memory_order_acquire))
		return;
	if (hf_soft_forget(w->soft, w->number, &w->filter, &w->forget_at))
		return;
	w->forget_at = 0;
	atomic_store_explicit(&w->forget, false, memory_order_release);
}

int hf_worker_run(void *arg)
{
	struct hf_worker *w = arg;
	unsigned int i, n, idle = 0;
	int rc = hf_soft_worker_start(w->soft, w->number);

	if (rc < 0)
		return rc;
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		for (i = n = 0; i < w->n_wires; i++) {
			if (atomic_load_explicit(&w->wires[i].off, memory_order_acquire))
				continue;
			n += move(w, &w->wires[i], HF_SOFT_IN);
			n += move(w, &w->wires[i], HF_SOFT_OUT);
		}
		hf_soft_poll(w->soft, w->number, rte_rdtsc());
		forget(w);
		add(&w->rounds, 1);
		if (n > 0)
			idle = 0;
		else
			rest(w, &idle);
	}
	hf_soft_worker_stop(w->soft, w->number);
	return 0;
}

static void discard(struct hf_worker *w, const struct hf_worker_side *side)
{
	struct rte_mbuf *pkts[HF_WORKER_BURST];
	unsigned int all = 0;
	uint16_t q, n;

	for (q = 0; q < side->n_queues; q++) {
		n = rte_eth_rx_burst(side->port, q, pkts, HF_WORKER_BURST);
		rte_pktmbuf_free_bulk(pkts, n);
		all += n;
	}
	if (all)
		add(&w->strays, all);
}

int hf_worker_run_idle(void *arg)
{
	struct hf_worker *w = arg;
	unsigned int i, idle = 0;
	int rc = hf_soft_worker_start(w->soft, w->number);

	if (rc < 0)
		return rc;
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		for (i = 0; i < w->n_wires; i++) {
			if (!atomic_load_explicit(&w->wires[i].off, memory_order_acquire))
				discard(w, &w->wires[i].outer);
		}
		hf_soft_poll(w->soft, w->number, rte_rdtsc());
		forget(w);
		add(&w->rounds, 1);
		rest(w, &idle);
	}
	hf_soft_worker_stop(w->soft, w->number);
	return 0;
}
