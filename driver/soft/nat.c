/* SPDX-License-Identifier: BSD-3-Clause */

#include "nat.h"

#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include <string.h>

/*
 * Packets on their way through the kernel at one time share these places; at a thousand of them
 * one in 64 is lost, and sent again by its maker.
 */
#define N_SLOTS	    65536
#define TICKS_PER_S 16
#define LIFE_TICKS  (2 * TICKS_PER_S) /* far longer than the kernel keeps a packet */
#define PAYLOAD	    64		      /* bytes of payload that tell packets apart */
#define REFUSED	    (UINT64_C(1) << 16)

struct hf_nat {
	uint64_t cycles_per_tick;
	uint32_t seed[2];
	uint64_t slots[N_SLOTS]; /* print << 17 | refused << 16 | tick */
};

/* Bytes of the transport header and behind that translation does not touch. */
struct stretch {
	uint8_t from;
	uint8_t size;
};

struct proto_stretches {
	struct stretch head;
	struct stretch body;
};

struct hf_nat *hf_nat_new(uint64_t hz, int socket)
{
	struct hf_nat *nat =
		rte_zmalloc_socket("hf_nat", sizeof(*nat), RTE_CACHE_LINE_SIZE, socket);

	if (!nat)
		return NULL;
	nat->cycles_per_tick = hz / TICKS_PER_S ? hz / TICKS_PER_S : 1;
	nat->seed[0] = (uint32_t)rte_rand();
	nat->seed[1] = (uint32_t)rte_rand();
	return nat;
}

void hf_nat_free(struct hf_nat *nat)
{
	rte_free(nat);
}

static struct proto_stretches stretches_of(const struct hf_pkt *pkt)
{
	if (hf_pkt_is_icmp(pkt)) /* not the checksum and the identifier */
		return (struct proto_stretches){{0, 2}, {6, PAYLOAD}};
	switch (pkt->proto) {
	case HF_PROTO_TCP: /* sequence numbers and flags */
		return (struct proto_stretches){{4, 10}, {0, 0}};
	case HF_PROTO_UDP: /* length; not the checksum */
		return (struct proto_stretches){{4, 2}, {8, PAYLOAD}};
	case HF_PROTO_SCTP: /* verification tag; not the checksum */
		return (struct proto_stretches){{4, 4}, {12, PAYLOAD}};
	default:
		return (struct proto_stretches){{0, 0}, {0, PAYLOAD}};
	}
}

/* Adds a stretch of the packet, as far as it goes, to a print in the making. */
static void add_stretch(const struct rte_mbuf *m, const struct hf_pkt *pkt, struct stretch s,
	uint32_t print[static 2])
{
	uint32_t size = s.size, hash;
	uint8_t buf[PAYLOAD];
	uint32_t words[PAYLOAD / 4]; /* rte_jhash() reads words, and headers begin anywhere */
	const uint8_t *p;

	if (s.from >= pkt->l4_len)
		return;
	if (size > pkt->l4_len - s.from)
		size = pkt->l4_len - s.from;
	p = rte_pktmbuf_read(m, pkt->l4_off + s.from, size, buf);
	if (!p)
		return;
	memcpy(words, p, size);
	hash = print[0];
	print[0] = rte_jhash(words, size, hash);
	print[1] = rte_jhash(words, size, print[1] ^ hash);
}

static uint64_t print_of(const struct hf_nat *nat, const struct rte_mbuf *m,
	const struct hf_pkt *pkt, const struct hf_addr *dst, uint16_t dport)
{
	struct proto_stretches s = stretches_of(pkt);
	uint32_t print[2];
	_Alignas(uint32_t) uint8_t head[20] = {pkt->proto, dst->family};

	head[2] = (uint8_t)(dport >> 8);
	head[3] = (uint8_t)dport;
	memcpy(head + 4, dst->b, sizeof(dst->b));
	print[0] = rte_jhash(head, sizeof(head), nat->seed[0]);
	print[1] = rte_jhash(head, sizeof(head), nat->seed[1]);
	add_stretch(m, pkt, s.head, print);
	add_stretch(m, pkt, s.body, print);
	return (uint64_t)print[0] << 32 | print[1];
}

static uint16_t tick(const struct hf_nat *nat, uint64_t now)
{
	return (uint16_t)(now / nat->cycles_per_tick);
}

/* The low bits choose the place, the high ones are kept in it. */
static uint64_t word(uint64_t print, bool refused, uint16_t ticks)
{
	return (print & ~(REFUSED | UINT64_C(0xffff))) | (refused ? REFUSED : 0) | ticks;
}

void hf_nat_note(struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	const struct hf_addr *dst, uint16_t dport, bool refused, uint64_t now)
{
	uint64_t print = print_of(nat, m, pkt, dst, dport);

	__atomic_store_n(&nat->slots[print % N_SLOTS], word(print, refused, tick(nat, now)),
		__ATOMIC_RELAXED);
}

enum hf_nat_fate hf_nat_check(
	const struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt, uint64_t now)
{
	uint16_t dport = hf_proto_has_ports(pkt->proto) ? pkt->dport : 0;
	uint64_t print = print_of(nat, m, pkt, &pkt->dst, dport);
	uint64_t kept = __atomic_load_n(&nat->slots[print % N_SLOTS], __ATOMIC_RELAXED);
	uint16_t age = (uint16_t)(tick(nat, now) - (uint16_t)kept + 1);

	/* The worker that kept it may have begun its burst a little later than we ours. */
	if (word(kept, false, 0) != word(print, false, 0) || age > LIFE_TICKS + 1)
		return HF_NAT_UNKNOWN;
	return kept & REFUSED ? HF_NAT_REFUSED : HF_NAT_FORWARDED;
}
