/* SPDX-License-Identifier: BSD-3-Clause */

/* Offers: from the worker that sees a connection's packets to the thread that programs the NIC. */

#include "state.h"

#include <hepflow/plan.h>

#include <rte_malloc.h>

#include <errno.h>
#include <limits.h>

#define OFFERS	       1024 /* of each worker; what is lost is offered, or told, again later */
#define TOUCHES_A_POLL 32   /* a round of the worker's loop */

int hf_offers_new(int socket, struct rte_ring **ret)
{
	ssize_t size = rte_ring_get_memsize(OFFERS);

	if (size < 0)
		return (int)size;
	*ret = rte_zmalloc_socket("hf_offers", (size_t)size, RTE_CACHE_LINE_SIZE, socket);
	if (!*ret)
		return -ENOMEM;
	return rte_ring_init(*ret, "hf_offers", OFFERS, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static bool leaves_calmly(const struct hf_gen_iface *iface, enum hf_calm_group group)
{
	return iface->calm[HF_SOFT_OUT][group] & HF_CT_BIT(HF_CT_ESTABLISHED);
}

/* The same of what leaves by uplinks whose NIC takes both directions; and nothing is asked again.
 */
static bool pairs_calm(const struct hf_gen *gen)
{
	size_t i;

	for (i = 0; i < HF_SOFT_WIRES_MAX; i++) {
		const struct hf_gen_wire *w = &gen->wires[i];

		if (!w->used || !w->pairs || !w->offer_after)
			continue;
		if (gen->number || w->iface == HF_NO_IFACE ||
			!leaves_calmly(&gen->ifaces[w->iface], HF_CALM_TCP) ||
			!leaves_calmly(&gen->ifaces[w->iface], HF_CALM_UDP))
			return false;
	}
	return true;
}

/* Would every established packet pass that an uplink takes in, if it were judged? */
static bool all_calm(const struct hf_gen *gen)
{
	const uint8_t bit = HF_CT_BIT(HF_CT_ESTABLISHED);
	size_t i;

	for (i = 0; i < gen->n_ifaces; i++) {
		const uint8_t *calm = gen->ifaces[i].calm[HF_SOFT_IN];

		if (gen->ifaces[i].wired && gen->ifaces[i].from != HF_FROM_WORKLOAD &&
			!(calm[HF_CALM_TCP] & calm[HF_CALM_UDP] & bit))
			return false;
	}
	return pairs_calm(gen);
}

/*
 * Where nothing is asked of established packets an older mark cannot say anything wrong, and what
 * is in the NIC stays good. Numbers come round after 65535 changes.
 */
uint32_t hf_offers_mark(const struct hf_gen *gen, uint32_t before)
{
	if (before && all_calm(gen))
		return before;
	return before < HF_MARK_CONN_MIN || before == HF_MARK_CONN_MAX ? HF_MARK_CONN_MIN
								       : before + 1;
}

static_assert(HF_MARK_CONN_MAX - HF_MARK_CONN_MIN < 1 << HF_CT_TICKET_BITS, "a ticket has it");

void hf_offers_add(struct hf_worker *worker, const struct hf_ct_view *view, uint32_t mark)
{
	uint64_t ticket = hf_ct_ticket(worker->ct, view) | (uint64_t)(mark - HF_MARK_CONN_MIN)
								   << HF_CT_TICKET_SPARE;

	static_assert(sizeof(uintptr_t) == sizeof(ticket), "a ticket goes as a pointer");
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the ring carries words that look like pointers
	 */
	if (rte_ring_sp_enqueue(worker->offers, (void *)(uintptr_t)ticket) < 0)
		HF_SET(worker->offers_lost, worker->offers_lost + 1);
}

void hf_soft_set_offers(struct hf_soft *soft, unsigned int wire, uint32_t after)
{
	soft->wires[wire].offer_after = after;
}

void hf_soft_set_delivers(struct hf_soft *soft, unsigned int wire, bool delivers)
{
	soft->wires[wire].delivers = delivers;
}

void hf_soft_set_pairs(struct hf_soft *soft, unsigned int wire, bool pairs)
{
	soft->wires[wire].pairs = pairs;
}

uint32_t hf_soft_offers_mark(const struct hf_soft *soft)
{
	return soft->conn_mark;
}

void hf_soft_touch(struct hf_soft *soft, const struct hf_soft_offer *offer)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): as above */
	(void)rte_ring_sp_enqueue(
		soft->workers[offer->worker]->touches, (void *)(uintptr_t)offer->ticket);
}

void hf_offers_touch(struct hf_worker *worker, uint64_t now)
{
	void *words[TOUCHES_A_POLL];
	unsigned int n = rte_ring_sc_dequeue_burst(worker->touches, words, TOUCHES_A_POLL, NULL), i;

	for (i = 0; i < n; i++)
		(void)hf_ct_touch(worker->ct, (uintptr_t)words[i], now); /* it may have ended */
}

/* False when the connection has ended, or is no longer allowed. */
static bool read_offer(
	const struct hf_soft *soft, struct hf_soft_offer *offer, uint64_t *ret_packets)
{
	struct hf_ct_info info;
	unsigned int w;
	bool reply;

	if (!hf_ct_read_ticket(soft->workers[offer->worker]->ct, offer->ticket, &info, &reply) ||
		!info.assured ||
		(info.proto == HF_PROTO_TCP && info.tcp_state != HF_TCP_ESTABLISHED))
		return false;
	for (w = 0; w < HF_SOFT_WIRES_MAX; w++) {
		if (soft->wires[w].used && soft->wires[w].zone == info.zone)
			break;
	}
	/* Nobody need wait for its next packet. */
	if (w == HF_SOFT_WIRES_MAX ||
		(soft->gen->number && info.judged != soft->gen->number &&
			!hf_rejudge_conn(soft, offer->worker, &info, w, reply)))
		return false;
	*ret_packets = info.packets[reply];
	offer->wire = w;
	offer->mark = HF_MARK_CONN_MIN +
		      (offer->ticket >> HF_CT_TICKET_SPARE & (HF_MARK_CONN_MAX - HF_MARK_CONN_MIN));
	offer->proto = info.proto;
	offer->src = reply ? info.dst : info.src;
	offer->dst = reply ? info.src : info.dst;
	offer->sport = reply ? info.dport : info.sport;
	offer->dport = reply ? info.sport : info.dport;
	return true;
}

bool hf_soft_next_offer(struct hf_soft *soft, struct hf_soft_offer *ret)
{
	uint64_t packets;
	unsigned int w;
	void *word;

	for (w = 0; w < soft->n_workers; w++) {
		while (rte_ring_sc_dequeue(soft->workers[w]->offers, &word) == 0) {
			struct hf_soft_offer offer = {.worker = w, .ticket = (uintptr_t)word};

			if (!read_offer(soft, &offer, &packets) || offer.mark != soft->conn_mark)
				continue; /* over, or judged by older rules */
			*ret = offer;
			return true;
		}
	}
	return false;
}

bool hf_soft_offer_holds(
	const struct hf_soft *soft, const struct hf_soft_offer *offer, uint64_t *ret_packets)
{
	struct hf_soft_offer now = {.worker = offer->worker, .ticket = offer->ticket};

	return read_offer(soft, &now, ret_packets) && offer->mark == soft->conn_mark &&
	       now.wire == offer->wire && now.proto == offer->proto &&
	       hf_addr_equal(&now.src, &offer->src) && hf_addr_equal(&now.dst, &offer->dst) &&
	       now.sport == offer->sport && now.dport == offer->dport;
}

uint64_t hf_soft_count_offers_lost(const struct hf_soft *soft)
{
	uint64_t sum = 0;
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++)
		sum += HF_GET(soft->workers[w]->offers_lost);
	return sum;
}
