/* SPDX-License-Identifier: BSD-3-Clause */

#include "key.h"

#include <rte_mbuf.h>

#include <string.h>

#define ETHERTYPE_IP4	0x0800
#define ETHERTYPE_VLAN	0x8100
#define ETHERTYPE_QINQ	0x88a8
#define ETHERTYPE_IP6	0x86dd
#define ETHER_SIZE	14
#define VLAN_SIZE	4
#define VID_MASK	0x0fff
#define TAGS_WALKED_MAX 4 /* with priority tags; nothing stacks more, and a walk needs an end */
#define IP4_SIZE	20
#define IP6_SIZE	40
#define IP_SIZE_MAX	65535
#define TCP_SIZE	20
#define UDP_SIZE	8
#define QUOTED_PORTS	4 /* a quoted transport header may end behind its ports */
#define EXT6_MAX	8 /* each extension header but destination options occurs once (RFC 8200 4.1) */
#define FRAG6_SIZE	8
#define FRAG6_MORE	1
#define IP4_MORE	0x2000
#define IP4_OFFSET_MASK 0x1fff

enum {
	EXT_HOPOPTS = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AH = 51,
	EXT_DSTOPTS = 60,
};

/* A stretch of the packet that may be read. */
struct span {
	const struct rte_mbuf *m;
	uint32_t at;
	uint32_t end;
	bool quoted; /* inside an ICMP error: lengths are those of the whole packet, not of the
			quote */
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* size bytes from the current place, or NULL; buf is used when they lie in several segments. */
static const uint8_t *peek(const struct span *s, uint32_t size, void *buf)
{
	if (s->at > s->end || s->end - s->at < size)
		return NULL;
	return rte_pktmbuf_read(s->m, s->at, size, buf);
}

/* Bytes that must be there for the ports, flags or type to be known (RFC 9293, 768, 3828, 9260). */
static uint32_t l4_head_size(const struct hf_pkt *pkt)
{
	switch (pkt->proto) {
	case HF_PROTO_TCP:
		return TCP_SIZE;
	case HF_PROTO_UDP:
	case HF_PROTO_UDPLITE:
		return UDP_SIZE;
	case HF_PROTO_SCTP:
		return 12;
	default:
		return hf_pkt_is_icmp(pkt) ? 8 : 0;
	}
}

static bool tcp_holds(const struct hf_pkt *pkt, const uint8_t *p)
{
	uint32_t size = (uint32_t)(p[12] >> 4) * 4;

	return size >= TCP_SIZE && (pkt->frag == HF_FRAG_FIRST || size <= pkt->l4_len);
}

static bool udp_holds(const struct hf_pkt *pkt, const uint8_t *p)
{
	uint16_t size = be16(p + 4);

	return size >= UDP_SIZE && (pkt->frag == HF_FRAG_FIRST || size <= pkt->l4_len);
}

static bool parse_l4(const struct span *s, struct hf_pkt *pkt)
{
	uint32_t size = l4_head_size(pkt);
	uint8_t buf[TCP_SIZE];
	const uint8_t *p;

	pkt->l4_off = s->at;
	pkt->l4_len = s->end - s->at;
	if (size == 0)
		return true;
	if (s->quoted && !hf_pkt_is_icmp(pkt))
		size = QUOTED_PORTS;
	p = peek(s, size, buf);
	if (!p)
		return false;
	if (hf_pkt_is_icmp(pkt)) {
		pkt->icmp_type = p[0];
		pkt->icmp_code = p[1];
		pkt->icmp_id = be16(p + 4);
		return true;
	}
	pkt->sport = be16(p);
	pkt->dport = be16(p + 2);
	if (s->quoted)
		return true;
	if (pkt->proto == HF_PROTO_TCP) {
		pkt->tcp_flags = p[13];
		pkt->tcp_head = (uint8_t)((p[12] >> 4) * 4);
		pkt->tcp_win = be16(p + 14);
		pkt->tcp_seq = be32(p + 4);
		pkt->tcp_ack = be32(p + 8);
		return tcp_holds(pkt, p);
	}
	return pkt->proto != HF_PROTO_UDP || udp_holds(pkt, p);
}

/* Every fragment but the last carries a multiple of eight bytes, and all end within 64 KiB. */
static bool fragment_holds(const struct hf_pkt *pkt, bool more)
{
	return pkt->frag_len > 0 && (!more || pkt->frag_len % 8 == 0) &&
	       pkt->frag_off + pkt->frag_len <= IP_SIZE_MAX;
}

static bool parse_ip4(struct span *s, struct hf_pkt *pkt)
{
	uint8_t buf[IP4_SIZE];
	const uint8_t *p = peek(s, IP4_SIZE, buf);
	uint32_t head, total;
	uint16_t off;

	if (!p || p[0] >> 4 != 4)
		return false;
	head = (uint32_t)(p[0] & 0xf) * 4;
	total = be16(p + 2);
	if (head < IP4_SIZE || total < head || head > s->end - s->at)
		return false;
	if (total <= s->end - s->at)
		s->end = s->at + total;
	else if (!s->quoted)
		return false;
	pkt->l3_off = s->at;
	s->at += head;

	pkt->src.family = pkt->dst.family = 4;
	memcpy(pkt->src.b, p + 12, 4);
	memcpy(pkt->dst.b, p + 16, 4);
	pkt->proto = p[9];
	off = be16(p + 6);
	pkt->frag_off = (uint32_t)(off & IP4_OFFSET_MASK) * 8;
	if (pkt->frag_off || off & IP4_MORE) {
		pkt->frag = pkt->frag_off ? HF_FRAG_LATER : HF_FRAG_FIRST;
		pkt->frag_id = be16(p + 4);
		pkt->frag_more = off & IP4_MORE;
		pkt->frag_len = total - head;
		if (!fragment_holds(pkt, off & IP4_MORE))
			return false;
	}
	return pkt->frag == HF_FRAG_LATER ? !s->quoted : parse_l4(s, pkt);
}

/* Reads the fragment header; a lone fragment (RFC 6946) is as good as none. */
static bool parse_frag6(const struct span *s, const uint8_t *p, struct hf_pkt *pkt)
{
	uint16_t off = be16(p + 2);

	if (pkt->frag != HF_FRAG_NONE)
		return false;
	pkt->frag_off = off & ~7u;
	if (!pkt->frag_off && !(off & FRAG6_MORE))
		return true;
	pkt->frag = pkt->frag_off ? HF_FRAG_LATER : HF_FRAG_FIRST;
	pkt->frag_id = be32(p + 4);
	pkt->frag_more = off & FRAG6_MORE;
	pkt->frag_len = s->end - s->at - FRAG6_SIZE;
	return s->quoted || fragment_holds(pkt, off & FRAG6_MORE);
}

/* Length of an extension header, or 0 if the protocol is none that is skipped. */
static uint32_t ext6_size(uint8_t proto, const uint8_t *p)
{
	switch (proto) {
	case EXT_HOPOPTS:
	case EXT_ROUTING:
	case EXT_DSTOPTS:
		return ((uint32_t)p[1] + 1) * 8;
	case EXT_AH:
		return ((uint32_t)p[1] + 2) * 4;
	case EXT_FRAGMENT:
		return FRAG6_SIZE;
	default:
		return 0;
	}
}

static bool is_ext6(uint8_t proto)
{
	return ext6_size(proto, (const uint8_t[2]){0}) != 0;
}

/*
 * Walks to the transport header over the headers that Linux skips as well (ipv6_find_hdr). The
 * first fragment must hold the whole chain (RFC 7112).
 */
static bool parse_ext6(struct span *s, struct hf_pkt *pkt)
{
	uint8_t buf[FRAG6_SIZE];
	const uint8_t *p;
	unsigned int n;
	uint32_t size;

	for (n = 0; is_ext6(pkt->proto); n++) {
		p = n < EXT6_MAX ? peek(s, FRAG6_SIZE, buf) : NULL;
		if (!p)
			return false;
		size = ext6_size(pkt->proto, p);
		if (pkt->proto == EXT_FRAGMENT && !parse_frag6(s, p, pkt))
			return false;
		if (size > s->end - s->at)
			return false;
		s->at += size;
		pkt->proto = p[0];
		if (pkt->frag == HF_FRAG_LATER)
			return !s->quoted;
	}
	return parse_l4(s, pkt);
}

static bool parse_ip6(struct span *s, struct hf_pkt *pkt)
{
	uint8_t buf[IP6_SIZE];
	const uint8_t *p = peek(s, IP6_SIZE, buf);
	uint32_t payload;

	if (!p || p[0] >> 4 != 6)
		return false;
	payload = be16(p + 4);
	pkt->l3_off = s->at;
	s->at += IP6_SIZE;
	if (payload <= s->end - s->at)
		s->end = s->at + payload;
	else if (!s->quoted)
		return false;
	pkt->src.family = pkt->dst.family = 6;
	memcpy(pkt->src.b, p + 8, 16);
	memcpy(pkt->dst.b, p + 24, 16);
	pkt->proto = p[6];
	return parse_ext6(s, pkt);
}

/* False when there are more tags than have room. */
static bool add_tag(struct hf_pkt *pkt, uint16_t tci)
{
	if ((tci & VID_MASK) == 0)
		return true;
	if (pkt->n_vlans == HF_VLAN_TAGS_MAX)
		return false;
	pkt->vlan[pkt->n_vlans++] = tci & VID_MASK;
	return true;
}

/* Tags that the port has taken off; QINQ_STRIPPED always comes with VLAN_STRIPPED. */
static bool add_stripped_tags(const struct rte_mbuf *m, struct hf_pkt *pkt)
{
	if (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED && !add_tag(pkt, m->vlan_tci_outer))
		return false;
	return !(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) || add_tag(pkt, m->vlan_tci);
}

static enum hf_parse parse_any(const struct rte_mbuf *m, struct hf_pkt *ret)
{
	struct span s = {.m = m, .end = rte_pktmbuf_pkt_len(m)};
	uint8_t buf[ETHER_SIZE];
	const uint8_t *p = peek(&s, ETHER_SIZE, buf);
	unsigned int n;
	uint16_t type;
	bool room;

	memset(ret, 0, sizeof(*ret));
	if (!p)
		return HF_PARSE_MALFORMED;
	room = add_stripped_tags(m, ret);
	type = be16(p + 12);
	s.at = ETHER_SIZE;
	for (n = 0; type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ; n++) {
		if (n == TAGS_WALKED_MAX)
			return HF_PARSE_TAGS;
		p = peek(&s, VLAN_SIZE, buf);
		if (!p)
			return HF_PARSE_MALFORMED;
		room = room && add_tag(ret, be16(p));
		type = be16(p + 2);
		s.at += VLAN_SIZE;
	}
	if (type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6)
		return HF_PARSE_NOT_IP;
	if (!room)
		return HF_PARSE_TAGS;
	if (type == ETHERTYPE_IP4 ? parse_ip4(&s, ret) : parse_ip6(&s, ret))
		return HF_PARSE_IP;
	return HF_PARSE_MALFORMED;
}

/* A TCP or UDP header that is whole, at p, with len bytes from there to the end of IP. */
static inline bool take_ports(const uint8_t *p, uint32_t len, uint8_t proto, struct hf_pkt *ret)
{
	ret->proto = proto;
	ret->l4_len = len;
	if (proto == HF_PROTO_TCP) {
		if (len < TCP_SIZE)
			return false;
		ret->tcp_flags = p[13];
		ret->tcp_head = (uint8_t)((p[12] >> 4) * 4);
		ret->tcp_win = be16(p + 14);
		ret->tcp_seq = be32(p + 4);
		ret->tcp_ack = be32(p + 8);
		if (!tcp_holds(ret, p))
			return false;
	} else if (proto != HF_PROTO_UDP || len < UDP_SIZE || !udp_holds(ret, p)) {
		return false;
	}
	ret->sport = be16(p);
	ret->dport = be16(p + 2);
	return true;
}

/*
 * What nearly all packets are: TCP or UDP behind a plain IP header, in one piece and without tags.
 * False is for parse_any() to look into.
 */
static inline bool parse_plain(const struct rte_mbuf *m, struct hf_pkt *ret)
{
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *), *ip = eth + ETHER_SIZE;
	uint32_t size = rte_pktmbuf_data_len(m), len;

	if (m->nb_segs != 1 || size < ETHER_SIZE + IP6_SIZE ||
		m->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED))
		return false;
	size -= ETHER_SIZE;
	ret->l3_off = ETHER_SIZE;
	if (be16(eth + 12) == ETHERTYPE_IP4) {
		len = be16(ip + 2);
		if (ip[0] != 0x45 || len < IP4_SIZE || len > size ||
			be16(ip + 6) & (IP4_MORE | IP4_OFFSET_MASK))
			return false;
		ret->src.family = ret->dst.family = 4;
		memcpy(ret->src.b, ip + 12, 4);
		memcpy(ret->dst.b, ip + 16, 4);
		ret->l4_off = ETHER_SIZE + IP4_SIZE;
		return take_ports(ip + IP4_SIZE, len - IP4_SIZE, ip[9], ret);
	}
	if (be16(eth + 12) != ETHERTYPE_IP6 || ip[0] >> 4 != 6)
		return false;
	len = be16(ip + 4);
	if (len > size - IP6_SIZE)
		return false;
	ret->src.family = ret->dst.family = 6;
	memcpy(ret->src.b, ip + 8, 16);
	memcpy(ret->dst.b, ip + 24, 16);
	ret->l4_off = ETHER_SIZE + IP6_SIZE;
	return take_ports(ip + IP6_SIZE, len, ip[6], ret);
}

enum hf_parse hf_pkt_parse(const struct rte_mbuf *m, struct hf_pkt *ret)
{
	memset(ret, 0, sizeof(*ret));
	return parse_plain(m, ret) ? HF_PARSE_IP : parse_any(m, ret);
}

bool hf_pkt_parse_quoted(const struct rte_mbuf *m, const struct hf_pkt *outer, struct hf_pkt *ret)
{
	struct span s = {
		.m = m,
		.at = outer->l4_off + 8, /* the ICMP header proper (RFC 792, RFC 4443) */
		.end = outer->l4_off + outer->l4_len,
		.quoted = true,
	};

	memset(ret, 0, sizeof(*ret));
	return outer->src.family == 4 ? parse_ip4(&s, ret) : parse_ip6(&s, ret);
}
