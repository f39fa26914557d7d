/* SPDX-License-Identifier: BSD-3-Clause */

#include "tuple.h"

#include <string.h>

struct icmp_type {
	uint8_t kind;
	uint8_t query; /* HF_ICMP_ANSWER: to what */
};

static const struct icmp_type icmp4_types[256] = {
	[8] = {HF_ICMP_QUERY},
	[0] = {HF_ICMP_ANSWER, 8},
	[13] = {HF_ICMP_QUERY},
	[14] = {HF_ICMP_ANSWER, 13},
	[15] = {HF_ICMP_QUERY},
	[16] = {HF_ICMP_ANSWER, 15},
	[17] = {HF_ICMP_QUERY},
	[18] = {HF_ICMP_ANSWER, 17},
	[3] = {HF_ICMP_ERROR},
	[4] = {HF_ICMP_ERROR},
	[5] = {HF_ICMP_ERROR},
	[11] = {HF_ICMP_ERROR},
	[12] = {HF_ICMP_ERROR},
};

static const struct icmp_type icmp6_types[256] = {
	[0 ... 127] = {HF_ICMP_ERROR},
	[128] = {HF_ICMP_QUERY},
	[129] = {HF_ICMP_ANSWER, 128},
	[130 ... 136] = {HF_ICMP_UNTRACKED},
	[139] = {HF_ICMP_QUERY},
	[140] = {HF_ICMP_ANSWER, 139},
	[143] = {HF_ICMP_UNTRACKED},
};

static struct icmp_type icmp_type(const struct hf_pkt *pkt)
{
	return pkt->src.family == 4 ? icmp4_types[pkt->icmp_type] : icmp6_types[pkt->icmp_type];
}

enum hf_icmp_kind hf_icmp_kind(const struct hf_pkt *pkt)
{
	if (!hf_pkt_is_icmp(pkt))
		return HF_ICMP_QUERY;
	return (enum hf_icmp_kind)icmp_type(pkt).kind;
}

/* The addresses in their order; 0: the source is the lower, 1: the higher, -1: they are the same.
 */
static int put_addrs(const struct hf_pkt *pkt, struct hf_ct_key *k)
{
	if (pkt->src.family == 4) {
		uint32_t src, dst;

		memcpy(&src, pkt->src.b, sizeof(src));
		memcpy(&dst, pkt->dst.b, sizeof(dst));
		k->w[1] = src < dst ? src | (uint64_t)dst << 32 : dst | (uint64_t)src << 32;
		return src == dst ? -1 : src > dst;
	}
	int c = memcmp(pkt->src.b, pkt->dst.b, sizeof(pkt->src.b));

	memcpy(&k->w[1], c < 0 ? pkt->src.b : pkt->dst.b, 16);
	memcpy(&k->w[3], c < 0 ? pkt->dst.b : pkt->src.b, 16);
	return c == 0 ? -1 : c > 0;
}

static uint32_t icmp_ports(const struct hf_pkt *pkt, bool same, uint8_t *from)
{
	struct icmp_type t = icmp_type(pkt);
	bool answer = t.kind == HF_ICMP_ANSWER;
	uint8_t type = answer ? t.query : pkt->icmp_type;

	/* Who talks to himself is told apart by what he says. */
	if (same)
		*from = answer;
	if (*from ^ answer)
		type ^= 0x80;
	return pkt->icmp_id | (uint32_t)type << 24 | (uint32_t)pkt->icmp_code << 16;
}

void hf_tuple_make(
	const struct hf_pkt *pkt, uint32_t zone, struct hf_ct_key *ret, uint8_t *ret_from)
{
	int order = put_addrs(pkt, ret);
	uint8_t from = order > 0;
	uint32_t ports;

	if (hf_pkt_is_icmp(pkt)) {
		ports = icmp_ports(pkt, order < 0, &from);
	} else {
		if (order < 0)
			from = pkt->sport > pkt->dport;
		ports = from ? pkt->dport | (uint32_t)pkt->sport << 16
			     : pkt->sport | (uint32_t)pkt->dport << 16;
	}
	ret->w[0] = zone << 8 | pkt->proto | (uint64_t)ports << 32;
	*ret_from = from;
}

__extension__ typedef unsigned __int128 wide;

/* Both halves of the product: every bit of it depends on all bits of both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	wide p = (wide)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint32_t hf_tuple_hash(
	const struct hf_ct_key *key, uint8_t family, const struct hf_tuple_secret *secret)
{
	const uint64_t *s = secret->w, *w = key->w;
	uint64_t h = mix(w[0] ^ s[0], w[1] ^ s[1]);

	if (family == 6) {
		h ^= mix(w[2] ^ s[2], w[3] ^ s[3]);
		h = mix(h ^ s[1], w[4] ^ s[0]);
	}
	return (uint32_t)(mix(h ^ s[2], s[3]) >> 32);
}

void hf_tuple_read(
	const struct hf_ct_key *key, uint8_t family, uint8_t caller, struct hf_ct_info *ret)
{
	uint16_t ports[2] = {(uint16_t)(key->w[0] >> 32), (uint16_t)(key->w[0] >> 48)};
	size_t size = family == 4 ? 4 : 16;
	const uint8_t *addrs = (const uint8_t *)&key->w[1];

	ret->zone = (uint32_t)key->w[0] >> 8;
	ret->proto = hf_tuple_proto(key);
	ret->src = (struct hf_addr){.family = family};
	ret->dst = (struct hf_addr){.family = family};
	memcpy(ret->src.b, addrs + caller * size, size);
	memcpy(ret->dst.b, addrs + !caller * size, size);
	if (ret->proto == (family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6)) {
		ret->sport = ports[0];
		ret->dport = (uint16_t)((ports[1] & 0x7fff) | (family == 6) << 15);
	} else {
		ret->sport = ports[caller];
		ret->dport = ports[!caller];
	}
}

uint64_t hf_tuple_source(const struct hf_ct_key *key, uint8_t family, uint8_t endpoint)
{
	if (family == 4)
		return endpoint ? key->w[1] >> 32 : key->w[1] & UINT32_MAX;
	return key->w[1 + 2 * endpoint];
}
