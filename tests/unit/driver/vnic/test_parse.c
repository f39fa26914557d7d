/* SPDX-License-Identifier: BSD-3-Clause */

#include "frames.h"
#include "hf_test.h"
#include "hf_test_rand.h"
#include "vnic/vnic.h"

#include <rte_mbuf.h>

#include <string.h>

HF_SUITE(parse);

#define L(l)	  HF_LAYER_BIT(HF_LAYER_##l)
#define REGISTERS (L(MARK) | L(META) | L(TAG))

static const struct hf_nic plain = {};
static const struct hf_nic keen = {.fragments_match_l4 = true, .ext_match_l4 = true};

/* The frame stands at the end of its memory, so that reading behind it is noticed. */
static struct hf_vnic_pkt parse_bytes(const struct hf_nic *nic, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct rte_mbuf m = {
		.buf_addr = copy,
		.data_len = (uint16_t)len,
		.pkt_len = (uint32_t)len,
		.nb_segs = 1,
	};
	struct hf_vnic_pkt pkt;

	memcpy(copy, bytes, len);
	hf_vnic_parse(nic, &m, &pkt);
	free(copy);
	return pkt;
}

static struct hf_vnic_pkt parse(const struct hf_nic *nic, struct frame f)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(&f, bytes);

	return parse_bytes(nic, bytes, len);
}

static void expect_layers(struct hf_vnic_pkt pkt, uint32_t layers)
{
	cr_expect(pkt.layers == (layers | REGISTERS), "layers 0x%x, not 0x%x", pkt.layers,
		layers | REGISTERS);
}

#define TCP4 .src = "192.0.2.1", .dst = "192.0.2.2", .proto = 6, .sport = 1000, .dport = 80
#define TCP6 .src = "2001:db8::1", .dst = "2001:db8::2", .proto = 6, .sport = 1000, .dport = 80

Test(parse, tcp_over_ipv4)
{
	struct hf_vnic_pkt pkt = parse(&plain, (struct frame){TCP4, .tcp_flags = 2});

	expect_layers(pkt, L(ETH) | L(IPV4) | L(TCP));
	cr_expect(pkt.type == HF_VNIC_V4_TCP);
	cr_expect(pkt.hdr.ip_dst[3] == 2 && pkt.hdr.dport[1] == 80 && pkt.hdr.tcp_flags == 2);
	cr_expect(pkt.hdr.ip_proto == 6 && pkt.hdr.ip_ttl == 64 && !pkt.hdr.ip_frag);
}

Test(parse, options_move_the_ports)
{
	struct hf_vnic_pkt pkt = parse(&plain, (struct frame){TCP4, .options = 40});

	expect_layers(pkt, L(ETH) | L(IPV4) | L(TCP));
	cr_expect(pkt.hdr.dport[1] == 80);
}

Test(parse, every_protocol_with_a_layer)
{
	struct frame f = {.src = "192.0.2.1", .dst = "192.0.2.2", .proto = 17};

	expect_layers(parse(&plain, f), L(ETH) | L(IPV4) | L(UDP));
	f.proto = 132;
	expect_layers(parse(&plain, f), L(ETH) | L(IPV4) | L(SCTP));
	f.proto = 1;
	expect_layers(parse(&plain, f), L(ETH) | L(IPV4) | L(ICMP));
	f.proto = 47;
	expect_layers(parse(&plain, f), L(ETH) | L(IPV4));
	cr_expect(parse(&plain, f).type == HF_VNIC_V4_OTHER);
}

Test(parse, icmp_belongs_to_one_family_each)
{
	expect_layers(parse(&plain, (struct frame){.src = "192.0.2.1", .dst = "::", .proto = 58}),
		L(ETH) | L(IPV4));
	expect_layers(parse(&plain, (struct frame){.src = "2001:db8::1", .dst = "::", .proto = 1}),
		L(ETH) | L(IPV6));
	expect_layers(parse(&plain, (struct frame){.src = "2001:db8::1", .dst = "::", .proto = 58}),
		L(ETH) | L(IPV6) | L(ICMP6));
}

Test(parse, fragments_have_no_l4_unless_the_nic_looks)
{
	struct frame first = {TCP4, .off = 0x2000}, later = {TCP4, .off = 0x0001};
	struct frame whole = {TCP4, .off = 0x4000};

	expect_layers(parse(&plain, first), L(ETH) | L(IPV4));
	expect_layers(parse(&keen, first), L(ETH) | L(IPV4) | L(TCP));
	expect_layers(parse(&keen, later), L(ETH) | L(IPV4));
	expect_layers(parse(&plain, whole), L(ETH) | L(IPV4) | L(TCP));
	cr_expect(parse(&plain, first).hdr.ip_frag == 1 && parse(&plain, later).hdr.ip_frag == 1);
	cr_expect(parse(&keen, first).type == HF_VNIC_V4_FRAG);
	cr_expect(parse(&plain, whole).hdr.ip_frag == 0);
}

Test(parse, ipv6_fragments)
{
	struct frame first = {TCP6, .off = 0x0001}, later = {TCP6, .off = 0x0008};

	expect_layers(parse(&plain, first), L(ETH) | L(IPV6) | L(FRAG6));
	cr_expect(parse(&plain, first).hdr.ip_proto == 44);
	expect_layers(parse(&keen, first), L(ETH) | L(IPV6) | L(FRAG6) | L(TCP));
	expect_layers(parse(&keen, later), L(ETH) | L(IPV6) | L(FRAG6));
}

Test(parse, ipv6_extension_headers)
{
	struct frame f = {TCP6, .ext = 60};

	expect_layers(parse(&plain, f), L(ETH) | L(IPV6));
	cr_expect(parse(&plain, f).hdr.ip_proto == 60);
	expect_layers(parse(&keen, f), L(ETH) | L(IPV6) | L(TCP));
	cr_expect(parse(&keen, f).hdr.ip_proto == 6);
}

Test(parse, one_tag_is_a_layer_two_are_none)
{
	struct hf_vnic_pkt one = parse(&plain, (struct frame){TCP4, .n_tags = 1});
	struct hf_vnic_pkt two = parse(&plain, (struct frame){TCP4, .n_tags = 2});
	struct hf_vnic_pkt three = parse(&plain, (struct frame){TCP4, .n_tags = 3});

	expect_layers(one, L(ETH) | L(VLAN) | L(IPV4) | L(TCP));
	cr_expect(one.hdr.has_vlan == 1 && one.hdr.vlan_tci[1] == 5);
	cr_expect(one.hdr.eth_type[0] == 8 && one.hdr.vlan_type[0] == 8);
	expect_layers(two, L(ETH) | L(IPV4) | L(TCP));
	cr_expect(two.hdr.has_vlan == 1);
	expect_layers(three, L(ETH));
}

Test(parse, a_tag_the_driver_stripped_is_still_one)
{
	struct frame f = {TCP4};
	uint8_t bytes[FRAME_MAX];
	struct rte_mbuf m = {.buf_addr = bytes,
		.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED,
		.vlan_tci = 7,
		.nb_segs = 1};
	struct hf_vnic_pkt pkt;

	m.pkt_len = m.data_len = (uint16_t)frame_build(&f, bytes);
	hf_vnic_parse(&plain, &m, &pkt);
	expect_layers(pkt, L(ETH) | L(VLAN) | L(IPV4) | L(TCP));
	cr_expect(pkt.hdr.vlan_tci[1] == 7);
}

Test(parse, headers_may_lie_in_several_segments)
{
	struct frame f = {TCP6, .ext = 60};
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(&f, bytes), cut;

	for (cut = 1; cut < len; cut++) {
		struct rte_mbuf rest = {
			.buf_addr = &bytes[cut], .data_len = (uint16_t)(len - cut), .nb_segs = 1};
		struct rte_mbuf m = {.buf_addr = bytes,
			.data_len = (uint16_t)cut,
			.pkt_len = (uint32_t)len,
			.nb_segs = 2,
			.next = &rest};
		struct hf_vnic_pkt pkt;

		hf_vnic_parse(&keen, &m, &pkt);
		expect_layers(pkt, L(ETH) | L(IPV6) | L(TCP));
		cr_expect(pkt.hdr.dport[1] == 80, "cut at %zu", cut);
	}
}

Test(parse, what_is_cut_short_is_not_there)
{
	expect_layers(parse(&plain, (struct frame){TCP4, .cut = 1}), L(ETH) | L(IPV4));
	expect_layers(parse(&plain, (struct frame){TCP6, .cut = 1}), L(ETH) | L(IPV6));
	expect_layers(parse(&plain, (struct frame){TCP4, .cut = 21}), L(ETH));
	expect_layers(parse(&plain, (struct frame){TCP6, .cut = 21}), L(ETH));
	expect_layers(parse_bytes(&plain, (const uint8_t[13]){}, 13), 0);
	expect_layers(parse_bytes(&plain, (const uint8_t[1]){}, 0), 0);
}

Test(parse, a_length_beyond_the_frame_does_not_hide_the_headers)
{
	struct frame f = {TCP4};
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(&f, bytes);

	bytes[14 + 2] = 0x40;
	expect_layers(parse_bytes(&plain, bytes, len), L(ETH) | L(IPV4) | L(TCP));
}

Test(parse, padding_is_no_header)
{
	struct frame f = {.src = "192.0.2.1", .dst = "192.0.2.2", .proto = 6};
	uint8_t bytes[FRAME_MAX];

	frame_build(&f, bytes);
	bytes[14 + 3] = 24; /* four bytes of TCP, and then padding */
	expect_layers(parse_bytes(&plain, bytes, 60), L(ETH) | L(IPV4));
}

Test(parse, no_bytes_read_beyond_the_frame)
{
	unsigned int n;

	for (n = 0; n < 20000; n++) {
		struct frame f = {TCP4};
		uint8_t bytes[FRAME_MAX];
		struct hf_rand r;
		size_t len, i;

		hf_rand_init(&r, hf_test_seed(), n);
		if (hf_rand_chance(&r, 1, 2))
			f = (struct frame){TCP6, .ext = (uint8_t)hf_rand_u64(&r)};
		f.n_tags = (uint8_t)hf_rand_below(&r, 3);
		f.off = hf_rand_chance(&r, 1, 2) ? (uint16_t)hf_rand_u64(&r) : 0;
		len = frame_build(&f, bytes);
		for (i = 0; i < 3; i++)
			bytes[hf_rand_below(&r, len)] = (uint8_t)hf_rand_u64(&r);
		(void)parse_bytes(hf_rand_chance(&r, 1, 2) ? &plain : &keen, bytes,
			hf_rand_below(&r, len + 1));
	}
}

Test(parse, the_hash_is_the_same_both_ways)
{
	struct frame there = {TCP4};
	struct frame back = {
		.src = "192.0.2.2", .dst = "192.0.2.1", .proto = 6, .sport = 80, .dport = 1000};
	struct frame other = {
		.src = "192.0.2.2", .dst = "192.0.2.1", .proto = 6, .sport = 1000, .dport = 80};
	struct hf_vnic_pkt a = parse(&plain, there), b = parse(&plain, back),
			   c = parse(&plain, other);

	cr_expect(hf_vnic_hash(&a) == hf_vnic_hash(&b));
	cr_expect(hf_vnic_hash(&a) != hf_vnic_hash(&c));
}
