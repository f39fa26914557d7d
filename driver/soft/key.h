/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the software path reads from a packet.
 *
 * The parser takes nothing on trust: every byte it looks at lies inside the mbuf chain and inside
 * the length that the IP header claims, and a header that claims more than there is makes the
 * packet malformed. Headers may be spread over the segments of a chain in any way.
 *
 * Byte order: as in hepflow/net.h (addresses are bytes, everything else is host order).
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

#define HF_VLAN_TAGS_MAX 2 /* a service tag and a customer tag (IEEE 802.1Q) */

enum hf_parse {
	HF_PARSE_MALFORMED, /* IP, but short or lying */
	HF_PARSE_IP,
	HF_PARSE_NOT_IP,
	HF_PARSE_TAGS, /* more tags than HF_VLAN_TAGS_MAX: nobody's */
};

struct hf_pkt {
	struct hf_addr src;
	struct hf_addr dst;
	uint16_t sport; /* TCP, UDP, UDP-Lite, SCTP */
	uint16_t dport;
	uint16_t icmp_id; /* of queries; meaningless for other messages */
	uint8_t proto;
	uint8_t icmp_type; /* ICMP in IPv4 and ICMPv6 in IPv6 only, like code and id */
	uint8_t icmp_code;
	uint8_t tcp_flags;
	uint8_t tcp_head; /* bytes of its header; a first fragment may have less of it */
	uint16_t tcp_win; /* as sent */
	uint32_t tcp_seq;
	uint32_t tcp_ack;
	uint8_t n_vlans; /* tags with VID 0 only carry a priority and are not counted */
	uint16_t vlan[HF_VLAN_TAGS_MAX]; /* VIDs, outermost first */
	enum hf_frag frag;
	bool frag_more; /* another one follows */
	uint32_t frag_id;
	uint32_t frag_off; /* bytes */
	uint32_t frag_len; /* bytes of the fragmented part in this packet */
	uint32_t l3_off;   /* where the IP header begins in the mbuf */
	uint32_t l4_off;   /* where the transport header begins in the mbuf */
	uint32_t l4_len;   /* transport header and payload, without link padding */
};

/* Fills *ret for HF_PARSE_IP; its contents are undefined otherwise. */
enum hf_parse hf_pkt_parse(const struct rte_mbuf *m, struct hf_pkt *ret);

/*
 * The packet an ICMP error is about, as far as it is quoted: addresses, protocol, and ports or ICMP
 * type and identifier. False if not even that is there. outer is the error, parsed.
 */
bool hf_pkt_parse_quoted(const struct rte_mbuf *m, const struct hf_pkt *outer, struct hf_pkt *ret);

/* ICMP in IPv4 or ICMPv6 in IPv6; the other way round is an unknown protocol. */
static inline bool hf_pkt_is_icmp(const struct hf_pkt *pkt)
{
	return pkt->proto == (pkt->src.family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
}
