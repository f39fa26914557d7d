/* SPDX-License-Identifier: BSD-3-Clause */

#include "vnic.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <string.h>

#define VLAN_TAGS_MAX 2	     /* C-tag behind S-tag; parsers of the modelled NICs look no further */
#define IP6_EXTS_MAX  8	     /* a longer chain is not followed: no L4 layer then */
#define IP4_OFF_FRAG  0x3fff /* MF and offset */
#define IP4_OFF_ONLY  0x1fff
#define IP6_OFF_ONLY  0xfff8
#define ICMP_MIN      8 /* RFC 792 */
#define ICMP6_MIN     4 /* RFC 4443, 2.1 */

/* IPv6 extension headers (RFC 8200, 4; RFC 4302). */
enum {
	EXT_HOP = 0,
	EXT_ROUTE = 43,
	EXT_FRAG = 44,
	EXT_AH = 51,
	EXT_DEST = 60,
};

struct cursor {
	const struct hf_nic *nic;
	const struct rte_mbuf *m;
	struct hf_vnic_pkt *pkt;
	uint32_t at;
	uint32_t end; /* of the IP packet, or of the frame before that is known */
	bool later;   /* a fragment that has no L4 header */
	bool ip6_ext; /* IPv6 with extension headers */
	uint8_t l4;   /* protocol behind all headers */
};

/* len bytes at the cursor, or NULL; buf is for packets in several segments. */
static const void *peek(const struct cursor *c, uint32_t len, void *buf)
{
	if (len > c->end || c->at > c->end - len)
		return NULL;
	return rte_pktmbuf_read(c->m, c->at, len, buf);
}

static void add_layer(struct cursor *c, enum hf_layer layer)
{
	c->pkt->layers |= HF_LAYER_BIT(layer);
}

static bool is_tag(uint16_t type_be)
{
	return type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type_be == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/*
 * Frames keep their layers behind one or two tags, as the modelled parsers look through them. The
 * VLAN layer is there for exactly one tag (mlx5: "any VLAN match means single-tagged"). The type is
 * the one behind the tags. Returns it, or 0 for what is too short.
 */
static uint16_t parse_eth(struct cursor *c)
{
	struct hf_hdr *hdr = &c->pkt->hdr;
	struct rte_ether_hdr eth_buf;
	struct rte_vlan_hdr tag_buf;
	const struct rte_ether_hdr *eth = peek(c, sizeof(*eth), &eth_buf);
	unsigned int n_tags = 0;
	uint16_t type_be;

	if (!eth)
		return 0;
	memcpy(hdr->eth_dst, &eth->dst_addr, 6);
	memcpy(hdr->eth_src, &eth->src_addr, 6);
	type_be = eth->ether_type;
	c->at += sizeof(*eth);
	add_layer(c, HF_LAYER_ETH);
	if (c->m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		rte_be16_t tci = rte_cpu_to_be_16(c->m->vlan_tci);

		memcpy(hdr->vlan_tci, &tci, 2);
		n_tags = 1;
	}
	while (is_tag(type_be) && n_tags < VLAN_TAGS_MAX) {
		const struct rte_vlan_hdr *tag = peek(c, sizeof(*tag), &tag_buf);

		if (!tag)
			return 0;
		if (n_tags++ == 0)
			memcpy(hdr->vlan_tci, &tag->vlan_tci, 2);
		type_be = tag->eth_proto;
		c->at += sizeof(*tag);
	}
	hdr->has_vlan = n_tags > 0;
	if (n_tags == 1)
		add_layer(c, HF_LAYER_VLAN);
	memcpy(hdr->vlan_type, &type_be, 2);
	memcpy(hdr->eth_type, &type_be, 2);
	return rte_be_to_cpu_16(type_be);
}

static bool parse_ip4(struct cursor *c)
{
	struct hf_hdr *hdr = &c->pkt->hdr;
	struct rte_ipv4_hdr buf;
	const struct rte_ipv4_hdr *ip = peek(c, sizeof(*ip), &buf);
	uint32_t ihl, total;
	uint16_t off;

	if (!ip || ip->version_ihl >> 4 != 4)
		return false;
	ihl = (ip->version_ihl & 0xf) * 4u;
	total = rte_be_to_cpu_16(ip->total_length);
	if (ihl < sizeof(*ip) || total < ihl)
		return false;
	off = rte_be_to_cpu_16(ip->fragment_offset);
	memcpy(hdr->ip_src, &ip->src_addr, 4);
	memcpy(hdr->ip_dst, &ip->dst_addr, 4);
	memcpy(hdr->ip4_off, &ip->fragment_offset, 2);
	hdr->ip_proto = c->l4 = ip->next_proto_id;
	hdr->ip_tos = ip->type_of_service;
	hdr->ip_ttl = ip->time_to_live;
	hdr->ip_frag = (off & IP4_OFF_FRAG) != 0;
	c->later = (off & IP4_OFF_ONLY) != 0;
	/* Parsers look at headers, not at whether the frame holds what they claim. */
	c->end = RTE_MIN(c->end, c->at + total);
	c->at += ihl;
	add_layer(c, HF_LAYER_IPV4);
	return true;
}

/* One extension header. False: this is the end of the chain, or it is broken (l4 is then none). */
static bool skip_ext(struct cursor *c)
{
	uint8_t buf[8];
	const uint8_t *ext;
	bool frag = c->l4 == EXT_FRAG;

	if (c->l4 != EXT_HOP && c->l4 != EXT_ROUTE && !frag && c->l4 != EXT_AH && c->l4 != EXT_DEST)
		return false;
	c->ip6_ext = true;
	ext = peek(c, sizeof(buf), buf);
	if (!ext) {
		c->later = true;
		return false;
	}
	if (frag) {
		c->pkt->hdr.ip_frag = 1;
		add_layer(c, HF_LAYER_FRAG6);
		c->later |= ((ext[2] << 8 | ext[3]) & IP6_OFF_ONLY) != 0;
		c->at += 8;
	} else if (c->l4 == EXT_AH) {
		c->at += (ext[1] + 2u) * 4;
	} else {
		c->at += (ext[1] + 1u) * 8;
	}
	c->l4 = ext[0];
	return !c->later;
}

static bool parse_ip6(struct cursor *c)
{
	struct hf_hdr *hdr = &c->pkt->hdr;
	struct rte_ipv6_hdr buf;
	const struct rte_ipv6_hdr *ip = peek(c, sizeof(*ip), &buf);
	uint32_t vtc, len;
	int n;

	if (!ip)
		return false;
	vtc = rte_be_to_cpu_32(ip->vtc_flow);
	len = rte_be_to_cpu_16(ip->payload_len);
	if (vtc >> 28 != 6)
		return false;
	memcpy(hdr->ip_src, ip->src_addr, 16);
	memcpy(hdr->ip_dst, ip->dst_addr, 16);
	memcpy(hdr->ip6_vtc, &ip->vtc_flow, 4);
	hdr->ip_tos = (uint8_t)(vtc >> 20);
	hdr->ip_ttl = ip->hop_limits;
	c->l4 = ip->proto;
	c->at += sizeof(*ip);
	c->end = RTE_MIN(c->end, c->at + len);
	add_layer(c, HF_LAYER_IPV6);
	for (n = 0; skip_ext(c); n++) {
		if (n == IP6_EXTS_MAX) {
			c->later = true;
			break;
		}
	}
	/* A parser that follows the chain calls the last one the protocol. */
	hdr->ip_proto = c->nic->ext_match_l4 ? c->l4 : ip->proto;
	return true;
}

struct l4_kind {
	uint8_t proto;
	uint8_t need; /* bytes */
	enum hf_layer layer;
	bool v4;
	bool v6;
};

static const struct l4_kind l4_kinds[] = {
	{IPPROTO_TCP, sizeof(struct rte_tcp_hdr), HF_LAYER_TCP, true, true},
	{IPPROTO_UDP, sizeof(struct rte_udp_hdr), HF_LAYER_UDP, true, true},
	{IPPROTO_SCTP, sizeof(struct rte_sctp_hdr), HF_LAYER_SCTP, true, true},
	{IPPROTO_ICMP, ICMP_MIN, HF_LAYER_ICMP, true, false},
	{IPPROTO_ICMPV6, ICMP6_MIN, HF_LAYER_ICMP6, false, true},
};

/* The longest of them is TCP's. */
static void read_l4(struct cursor *c, const struct l4_kind *kind)
{
	struct hf_hdr *hdr = &c->pkt->hdr;
	uint8_t buf[sizeof(struct rte_tcp_hdr)];
	const uint8_t *l4 = peek(c, kind->need, buf);

	if (!l4)
		return;
	add_layer(c, kind->layer);
	if (kind->layer == HF_LAYER_ICMP || kind->layer == HF_LAYER_ICMP6) {
		hdr->icmp_type = l4[0];
		hdr->icmp_code = l4[1];
		return;
	}
	memcpy(hdr->sport, &l4[0], 2);
	memcpy(hdr->dport, &l4[2], 2);
	if (kind->layer == HF_LAYER_TCP)
		hdr->tcp_flags = l4[offsetof(struct rte_tcp_hdr, tcp_flags)];
}

static void parse_l4(struct cursor *c)
{
	bool v4 = c->pkt->layers & HF_LAYER_BIT(HF_LAYER_IPV4);
	size_t i;

	if (c->later || (c->pkt->hdr.ip_frag && !c->nic->fragments_match_l4))
		return;
	if (c->ip6_ext && !c->nic->ext_match_l4)
		return;
	for (i = 0; i < RTE_DIM(l4_kinds); i++) {
		const struct l4_kind *kind = &l4_kinds[i];

		if (kind->proto == c->l4 && (v4 ? kind->v4 : kind->v6)) {
			read_l4(c, kind);
			return;
		}
	}
}

static enum hf_vnic_type type_of(const struct hf_vnic_pkt *pkt)
{
	uint32_t layers = pkt->layers;
	bool v4 = layers & HF_LAYER_BIT(HF_LAYER_IPV4);

	if (!v4 && !(layers & HF_LAYER_BIT(HF_LAYER_IPV6)))
		return HF_VNIC_L2;
	if (pkt->hdr.ip_frag)
		return v4 ? HF_VNIC_V4_FRAG : HF_VNIC_V6_FRAG;
	if (layers & HF_LAYER_BIT(HF_LAYER_TCP))
		return v4 ? HF_VNIC_V4_TCP : HF_VNIC_V6_TCP;
	if (layers & HF_LAYER_BIT(HF_LAYER_UDP))
		return v4 ? HF_VNIC_V4_UDP : HF_VNIC_V6_UDP;
	if (layers & HF_LAYER_BIT(HF_LAYER_SCTP))
		return v4 ? HF_VNIC_V4_SCTP : HF_VNIC_V6_SCTP;
	return v4 ? HF_VNIC_V4_OTHER : HF_VNIC_V6_OTHER;
}

void hf_vnic_parse(const struct hf_nic *nic, const struct rte_mbuf *m, struct hf_vnic_pkt *ret)
{
	struct cursor c = {.nic = nic, .m = m, .pkt = ret, .end = rte_pktmbuf_pkt_len(m)};
	bool ip = false;

	memset(ret, 0, sizeof(*ret));
	/* Registers, not headers: a packet always has them. */
	ret->layers = HF_LAYER_BIT(HF_LAYER_MARK) | HF_LAYER_BIT(HF_LAYER_META) |
		      HF_LAYER_BIT(HF_LAYER_TAG);
	switch (parse_eth(&c)) {
	case RTE_ETHER_TYPE_IPV4:
		ip = parse_ip4(&c);
		break;
	case RTE_ETHER_TYPE_IPV6:
		ip = parse_ip6(&c);
		break;
	}
	if (ip)
		parse_l4(&c);
	ret->type = type_of(ret);
}

static uint64_t mix(uint64_t h)
{
	/* The finaliser of MurmurHash3: every bit of the input reaches every bit of the output. */
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}

/* Adding up what source and destination have each for itself makes the sum symmetric. */
static uint64_t hash_end(const uint8_t addr[16], const uint8_t port[2])
{
	uint64_t a[2];
	uint16_t p;

	memcpy(a, addr, sizeof(a));
	memcpy(&p, port, sizeof(p));
	return mix(a[0] ^ mix(a[1] ^ p));
}

uint32_t hf_vnic_hash(const struct hf_vnic_pkt *pkt)
{
	const struct hf_hdr *hdr = &pkt->hdr;

	if (pkt->type == HF_VNIC_L2)
		return 0;
	return (uint32_t)mix(hash_end(hdr->ip_src, hdr->sport) + hash_end(hdr->ip_dst, hdr->dport));
}
