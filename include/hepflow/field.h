/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fields: what of a packet a NIC may match, as one table.
 *
 * A header (struct hf_hdr) holds every field at a fixed place, in network byte order, so that a
 * ternary match is a comparison of bytes: (packet ^ spec) & mask == 0. IPv4 and IPv6 share places
 * where they mean the same; which of them a pattern is about is said by its layers.
 *
 * The names are those of hw-profiles; docs/hw-profiles.md.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

/* Header kinds of a pattern, outermost first. */
enum hf_layer {
	HF_LAYER_ETH,
	HF_LAYER_VLAN,
	HF_LAYER_IPV4,
	HF_LAYER_IPV6,
	HF_LAYER_FRAG6, /* IPv6 fragment extension */
	HF_LAYER_TCP,
	HF_LAYER_UDP,
	HF_LAYER_SCTP,
	HF_LAYER_ICMP,
	HF_LAYER_ICMP6,
	HF_LAYER_MARK, /* not on the wire: what an earlier group left */
	HF_LAYER_META,
	HF_LAYER_TAG,
	HF_LAYER_PORT_ID, /* nor these: from which port of an e-switch a packet comes */
	HF_LAYER_REPRESENTED_PORT,
	HF_LAYER_PORT_REPRESENTOR,
	HF_LAYER_OTHER, /* an item of a flow that this table does not know; no field is in it */
	HF_LAYER_MAX_,
};
#define HF_LAYER_BIT(l) (1u << (l))

/* All in network byte order. */
struct hf_hdr {
	uint8_t eth_dst[6];
	uint8_t eth_src[6];
	uint8_t eth_type[2];
	uint8_t has_vlan; /* 0 or 1 */
	uint8_t ip_proto;
	uint8_t vlan_tci[2];
	uint8_t vlan_type[2]; /* type behind the tag */
	uint8_t ip_src[16];   /* IPv4: the first four bytes */
	uint8_t ip_dst[16];
	uint8_t ip_tos;	 /* IPv6: traffic class */
	uint8_t ip_ttl;	 /* IPv6: hop limit */
	uint8_t ip_frag; /* 1 = any fragment: IPv4 MF or offset, IPv6 fragment header */
	uint8_t tcp_flags;
	uint8_t ip4_off[2]; /* IPv4 flags and fragment offset as on the wire */
	uint8_t ip6_vtc[4]; /* version, class and flow label as on the wire */
	uint8_t sport[2];
	uint8_t dport[2];
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint8_t mark[4];
	uint8_t meta[4];
	uint8_t tag[4];
	/* Numbers of ethdev ports. */
	uint8_t port_id[4];
	uint8_t represented_port[2]; /* what the port stands for has sent it */
	uint8_t port_representor[2]; /* the application has sent it by the port */
};

enum hf_field {
	HF_F_ETH_DST,
	HF_F_ETH_SRC,
	HF_F_ETH_TYPE,
	HF_F_ETH_HAS_VLAN,
	HF_F_VLAN_TCI,
	HF_F_VLAN_TYPE,
	HF_F_IP4_SRC,
	HF_F_IP4_DST,
	HF_F_IP4_PROTO,
	HF_F_IP4_TOS,
	HF_F_IP4_TTL,
	HF_F_IP4_FRAG, /* "is a fragment", in the special forms drivers know */
	HF_F_IP4_OFF,  /* the bits themselves, other than in those forms */
	HF_F_IP6_SRC,
	HF_F_IP6_DST,
	HF_F_IP6_PROTO,
	HF_F_IP6_TC,
	HF_F_IP6_HOP,
	HF_F_IP6_FRAG, /* has_frag_ext */
	HF_F_IP6_FLOW, /* flow label bits */
	HF_F_TCP_SPORT,
	HF_F_TCP_DPORT,
	HF_F_TCP_FLAGS,
	HF_F_UDP_SPORT,
	HF_F_UDP_DPORT,
	HF_F_SCTP_SPORT,
	HF_F_SCTP_DPORT,
	HF_F_ICMP_TYPE,
	HF_F_ICMP_CODE,
	HF_F_ICMP6_TYPE,
	HF_F_ICMP6_CODE,
	HF_F_MARK,
	HF_F_META,
	HF_F_TAG,
	HF_F_PORT_ID,
	HF_F_REPRESENTED_PORT,
	HF_F_PORT_REPRESENTOR,
	HF_F_MAX_,
};

struct hf_field_info {
	const char *name; /* in profiles and reasons: "ipv4.dst" */
	enum hf_layer layer;
	uint8_t offset; /* in struct hf_hdr */
	uint8_t size;	/* bytes */
};

extern const struct hf_field_info hf_fields[HF_F_MAX_];

/* Never NULL for f < HF_F_MAX_. */
static inline const struct hf_field_info *hf_field_info(enum hf_field f)
{
	return &hf_fields[f];
}
/* HF_F_MAX_ when there is no field of that name. */
enum hf_field hf_field_find(const char *name);
const char *hf_layer_name(enum hf_layer l); /* "eth", "ipv4", "ipv6_frag_ext", "icmp6", ... */
