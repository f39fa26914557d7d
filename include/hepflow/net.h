/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addresses, prefixes, port ranges, and the packet as policy sees it.
 *
 * Byte order: addresses are bytes in network order (an IPv4 address is the first four bytes, the
 * rest are zero); ports, types and protocol numbers are plain host-order integers.
 *
 * The packet line is the text form of a packet that flowgen eval reads and every counterexample is
 * printed in: "in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=3000"; docs/packet-line.md.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;

#define HF_IFNAME_SIZE	16 /* IFNAMSIZ of Linux, with the closing NUL */
#define HF_ADDRSTR_SIZE 56 /* longest printed prefix or address:port, with the closing NUL */

enum hf_proto {
	HF_PROTO_ICMP = 1,
	HF_PROTO_IPIP = 4,
	HF_PROTO_TCP = 6,
	HF_PROTO_UDP = 17,
	HF_PROTO_ICMPV6 = 58,
	HF_PROTO_SCTP = 132,
	HF_PROTO_UDPLITE = 136,
};

struct hf_addr {
	uint8_t family; /* 4 or 6 */
	uint8_t b[16];
};

struct hf_prefix {
	struct hf_addr addr; /* host bits are zero */
	uint8_t len;	     /* 0..32 or 0..128 */
};

/* Inclusive on both ends. */
struct hf_ports {
	uint16_t lo;
	uint16_t hi;
};

struct hf_addrport {
	struct hf_addr addr;
	uint16_t port;
};

/* TCP flag bits as in the header (RFC 9293, 3.1). */
enum {
	HF_TCP_FIN = 0x01,
	HF_TCP_SYN = 0x02,
	HF_TCP_RST = 0x04,
	HF_TCP_PSH = 0x08,
	HF_TCP_ACK = 0x10,
	HF_TCP_URG = 0x20,
};

/* Connection state of a packet, as Linux conntrack names it; docs/semantics.md 7. */
enum hf_ct {
	HF_CT_NEW,
	HF_CT_ESTABLISHED,
	HF_CT_RELATED,
	HF_CT_INVALID,
	HF_CT_UNTRACKED,
};
#define HF_CT_BIT(ct) (1u << (ct))
#define HF_CT_ANY     0x1fu

enum hf_frag {
	HF_FRAG_NONE,
	HF_FRAG_FIRST, /* has the transport header */
	HF_FRAG_LATER, /* has not */
};

/*
 * One packet with everything policy may ask about it. src, dst and the ports are as on the wire;
 * what a service in front makes of the destination is in dnat.
 */
struct hf_packet {
	char in[HF_IFNAME_SIZE];  /* arriving interface; "" = made by a process of this host */
	char out[HF_IFNAME_SIZE]; /* leaving interface; "" = as the host facts route it */
	struct hf_addr src;
	struct hf_addr dst;
	uint8_t proto;
	uint16_t sport; /* 0 unless hf_proto_has_ports() */
	uint16_t dport;
	uint8_t icmp_type; /* 0 unless proto is ICMP or ICMPv6 */
	uint8_t icmp_code;
	uint8_t tcp_flags;
	enum hf_frag frag;
	uint16_t vlan; /* 0 = untagged */
	enum hf_ct ct;
	bool has_dnat; /* rewritten to dnat, whatever the host facts say */
	struct hf_addrport dnat;
};

/* TCP, UDP and SCTP (and UDP-Lite) carry ports; Calico matches them on the first three only. */
static inline bool hf_proto_has_ports(uint8_t proto)
{
	return proto == HF_PROTO_TCP || proto == HF_PROTO_UDP || proto == HF_PROTO_SCTP;
}

/* "tcp" and the like, or the number; buf has room for at least 12 bytes. Returns buf or a literal.
 */
const char *hf_proto_name(uint8_t proto, char buf[static 12]);
/* Name (any case: tcp udp icmp icmpv6 sctp udplite) or 0..255. Returns 0 or -EINVAL. */
int hf_proto_parse(const char *text, uint8_t *ret);

bool hf_addr_equal(const struct hf_addr *a, const struct hf_addr *b);
/* Family first, then byte order: a total order for sorting. */
int hf_addr_cmp(const struct hf_addr *a, const struct hf_addr *b);
unsigned int hf_addr_bits(const struct hf_addr *a); /* 32 or 128 */
/* Strict inet_pton forms, no prefix. Returns 0 or -EINVAL. */
int hf_addr_parse(const char *text, struct hf_addr *ret);
const char *hf_addr_print(const struct hf_addr *a, char buf[static HF_ADDRSTR_SIZE]);

/*
 * "a.b.c.d/n" or "x::y/n"; a bare address is a host prefix. Host bits that are set are cleared and
 * reported through *ret_host_bits (may be NULL): some places of Calico refuse them, others mask
 * them (docs/semantics.md 13, V14 and V19). Returns 0 or -EINVAL.
 */
int hf_prefix_parse(const char *text, struct hf_prefix *ret, bool *ret_host_bits);
/* Always with the length: "192.0.2.10/32". */
const char *hf_prefix_print(const struct hf_prefix *p, char buf[static HF_ADDRSTR_SIZE]);
bool hf_prefix_has(const struct hf_prefix *p, const struct hf_addr *a);
bool hf_prefix_covers(const struct hf_prefix *outer, const struct hf_prefix *inner);
bool hf_prefix_equal(const struct hf_prefix *a, const struct hf_prefix *b);
int hf_prefix_cmp(const struct hf_prefix *a, const struct hf_prefix *b);
/* Clears the bits behind len. */
void hf_prefix_mask(struct hf_prefix *p);
/* First and last address of the prefix. */
struct hf_addr hf_prefix_last(const struct hf_prefix *p);

/* "192.0.2.1:80" or "[2001:db8::1]:80". Returns 0 or -EINVAL. */
int hf_addrport_parse(const char *text, struct hf_addrport *ret);
const char *hf_addrport_print(const struct hf_addrport *ap, char buf[static HF_ADDRSTR_SIZE]);

/*
 * Reads one packet line. Defaults: ct new; TCP flags S when ct is new, A otherwise. An error names
 * the key at fault and its column: "column 14: dport: ...". Returns 0 or -EINVAL.
 */
int hf_packet_parse(const char *line, struct hf_packet *ret, struct hf_err *err);
/* The shortest line that reads back as the same packet. Returns the length, as snprintf does. */
int hf_packet_print(const struct hf_packet *pkt, char *buf, size_t size);
