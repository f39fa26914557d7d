/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tuples: which connection a packet speaks of, in the form that both directions share.
 *
 * Words of a key: 0: zone (24 bits) << 8 | protocol, and both ports; then the two addresses, in
 * IPv4 one word for both, in IPv6 two words each; the lower endpoint first. For ICMP the ports are
 * the identifier, and the query's type and code; the type's highest bit is turned over when the
 * higher endpoint asks, so that the queries of either side are apart. (Queries of ICMP have it
 * clear, those of ICMPv6 set.)
 */

#pragma once

#include "ct.h"

/* ICMP messages (RFC 792, RFC 950; RFC 4443, RFC 4620), as nf_conntrack_proto_icmp.c and
 * nf_conntrack_proto_icmpv6.c sort them. */
enum hf_icmp_kind {
	HF_ICMP_OTHER, /* makes no connection and belongs to none */
	HF_ICMP_QUERY,
	HF_ICMP_ANSWER,
	HF_ICMP_ERROR,
	HF_ICMP_UNTRACKED,
};

/* Of a packet for which hf_pkt_is_icmp(); HF_ICMP_QUERY for all others. */
enum hf_icmp_kind hf_icmp_kind(const struct hf_pkt *pkt);

/* Sets *ret_from to the endpoint that sent the packet. */
void hf_tuple_make(
	const struct hf_pkt *pkt, uint32_t zone, struct hf_ct_key *ret, uint8_t *ret_from);

/* Secret of a table: without it nobody can choose connections that meet in one bucket. */
struct hf_tuple_secret {
	uint64_t w[4];
};

uint32_t hf_tuple_hash(
	const struct hf_ct_key *key, uint8_t family, const struct hf_tuple_secret *secret);

/* What a key says; ports as in struct hf_ct_info, for the endpoint that called. */
void hf_tuple_read(
	const struct hf_ct_key *key, uint8_t family, uint8_t caller, struct hf_ct_info *ret);
/* The address of an endpoint; IPv6: its network of 64 bits. For counting by source. */
uint64_t hf_tuple_source(const struct hf_ct_key *key, uint8_t family, uint8_t endpoint);

static inline uint8_t hf_tuple_proto(const struct hf_ct_key *key)
{
	return (uint8_t)key->w[0];
}
