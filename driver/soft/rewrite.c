/* SPDX-License-Identifier: BSD-3-Clause */

#include "rewrite.h"

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include <string.h>

#define IP4_CHECKSUM 10
#define IP4_SRC	     12
#define IP4_DST	     16
#define IP6_SRC	     8
#define IP6_DST	     24
#define SCTP_CRC     8
#define CRC_PIECE    256 /* bytes that are looked at in one go */

static uint8_t *byte_at(struct rte_mbuf *m, uint32_t at)
{
	while (at >= rte_pktmbuf_data_len(m)) {
		at -= rte_pktmbuf_data_len(m);
		m = m->next;
	}
	return rte_pktmbuf_mtod_offset(m, uint8_t *, at);
}

static uint16_t get16(struct rte_mbuf *m, uint32_t at)
{
	return (uint16_t)(*byte_at(m, at) << 8 | *byte_at(m, at + 1));
}

/* What this adds to the one's complement sum over the packet. */
static uint32_t put16(struct rte_mbuf *m, uint32_t at, uint16_t value)
{
	uint16_t before = get16(m, at);

	*byte_at(m, at) = (uint8_t)(value >> 8);
	*byte_at(m, at + 1) = (uint8_t)value;
	return (uint16_t)~before + (uint32_t)value;
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* RFC 1624, equation 3. What it adds to a sum of which the checksum is a part. */
static uint32_t mend(struct rte_mbuf *m, uint32_t at, uint32_t added)
{
	return put16(m, at, (uint16_t)~folded((uint16_t)~get16(m, at) + folded(added)));
}

static uint32_t mend_udp(struct rte_mbuf *m, uint32_t at, uint32_t added)
{
	uint16_t sum = get16(m, at);

	if (sum == 0)
		return 0;
	sum = (uint16_t)~folded((uint16_t)~sum + folded(added));
	return put16(m, at, sum ? sum : 0xffff);
}

/* Of len bytes, as if the CRC among them were 0. */
static uint32_t sctp_crc(struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint64_t words[CRC_PIECE / sizeof(uint64_t)]; /* rte_hash_crc() reads words */
	uint32_t crc = UINT32_MAX, at, n;

	for (at = 0; at < len; at += n) {
		const void *p;

		n = RTE_MIN(len - at, (uint32_t)CRC_PIECE);
		p = rte_pktmbuf_read(m, off + at, n, words);
		if (p != words)
			memcpy(words, p, n);
		if (at == 0)
			memset((uint8_t *)words + SCTP_CRC, 0, sizeof(uint32_t));
		crc = rte_hash_crc(words, n, crc);
	}
	return ~crc;
}

static uint32_t get_crc(struct rte_mbuf *m, uint32_t at)
{
	return *byte_at(m, at) | (uint32_t)*byte_at(m, at + 1) << 8 |
	       (uint32_t)*byte_at(m, at + 2) << 16 | (uint32_t)*byte_at(m, at + 3) << 24;
}

static void put_crc(struct rte_mbuf *m, uint32_t at, uint32_t crc)
{
	unsigned int i;

	for (i = 0; i < sizeof(crc); i++)
		*byte_at(m, at + i) = (uint8_t)(crc >> 8 * i);
}

static bool changes_port(const struct hf_pkt *pkt, const struct hf_rewrite *to)
{
	return to->has_port && hf_proto_has_ports(pkt->proto) && pkt->frag != HF_FRAG_LATER &&
	       to->port != (to->dst ? pkt->dport : pkt->sport);
}

bool hf_rewrite_can(const struct hf_pkt *pkt, const struct hf_rewrite *to)
{
	return pkt->proto != HF_PROTO_SCTP || pkt->frag == HF_FRAG_NONE || !changes_port(pkt, to);
}

/*
 * The address, with IPv4's checksum. What that adds to a sum over the address, and (ret_all) to one
 * over the whole header.
 */
static uint32_t put_addr(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_rewrite *to,
	uint32_t *ret_all)
{
	bool v4 = to->addr.family == 4;
	uint32_t off = pkt->l3_off, i, added = 0;

	off += v4 ? (to->dst ? IP4_DST : IP4_SRC) : (to->dst ? IP6_DST : IP6_SRC);
	for (i = 0; i < (v4 ? 4u : 16u); i += 2)
		added += put16(m, off + i, (uint16_t)(to->addr.b[i] << 8 | to->addr.b[i + 1]));
	*ret_all = added;
	if (v4)
		*ret_all += mend(m, pkt->l3_off + IP4_CHECKSUM, added);
	return added;
}

/* The transport's checksum, if it is within the first size bytes. What that adds to the sum. */
static uint32_t mend_l4(struct rte_mbuf *m, const struct hf_pkt *pkt, uint32_t size, uint32_t added)
{
	switch (pkt->proto) {
	case HF_PROTO_TCP:
		return size >= 18 ? mend(m, pkt->l4_off + 16, added) : 0;
	case HF_PROTO_UDP:
	case HF_PROTO_UDPLITE:
		return size >= 8 ? mend_udp(m, pkt->l4_off + 6, added) : 0;
	case HF_PROTO_ICMPV6:
		return pkt->src.family == 6 && size >= 4 ? mend(m, pkt->l4_off + 2, added) : 0;
	default:
		return 0;
	}
}

static void put_port_sctp(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_rewrite *to)
{
	uint32_t at = pkt->l4_off + SCTP_CRC, len = pkt->l4_len;
	uint32_t error = get_crc(m, at) ^ sctp_crc(m, pkt->l4_off, len);

	(void)put16(m, pkt->l4_off + (to->dst ? 2 : 0), to->port);
	put_crc(m, at, sctp_crc(m, pkt->l4_off, len) ^ error);
}

void hf_rewrite(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_rewrite *to)
{
	uint32_t all, added = put_addr(m, pkt, to, &all);

	if (pkt->frag == HF_FRAG_LATER)
		return;
	if (pkt->proto == HF_PROTO_SCTP) {
		if (changes_port(pkt, to))
			put_port_sctp(m, pkt, to);
		return;
	}
	if (changes_port(pkt, to))
		added += put16(m, pkt->l4_off + (to->dst ? 2 : 0), to->port);
	(void)mend_l4(m, pkt, pkt->l4_len, added);
}

void hf_rewrite_quoted(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_pkt *quoted,
	const struct hf_rewrite *to)
{
	uint32_t all, added = put_addr(m, quoted, to, &all);

	if (changes_port(quoted, to)) {
		uint32_t port = put16(m, quoted->l4_off + (to->dst ? 2 : 0), to->port);

		added += port;
		all += port;
	}
	all += mend_l4(m, quoted, quoted->l4_len, added);
	(void)mend(m, pkt->l4_off + 2, all);
}
