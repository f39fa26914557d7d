/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/key.h>

#include <hf_test_eal.h>
#include <hf_test_rand.h>

#include <rte_mbuf.h>

#include <string.h>

static void fini(void)
{
	mbufs_fini();
	hf_test_fini();
}

TestSuite(key, .init = hf_test_eal_init, .fini = fini);

static const char *const lines[] = {
	"src=198.51.100.7 dst=192.0.2.10 proto=tcp sport=1000 dport=80 flags=SA",
	"src=198.51.100.7 dst=192.0.2.10 proto=udp sport=1000 dport=53",
	"src=198.51.100.7 dst=192.0.2.10 proto=sctp sport=1000 dport=99",
	"src=198.51.100.7 dst=192.0.2.10 proto=icmp type=8 code=0",
	"src=198.51.100.7 dst=192.0.2.10 proto=47",
	"src=198.51.100.7 dst=192.0.2.10 proto=udp sport=1 dport=2 vlan=100",
	"src=198.51.100.7 dst=192.0.2.10 proto=tcp sport=1 dport=2 flags=S frag=first",
	"src=198.51.100.7 dst=192.0.2.10 proto=tcp frag=later",
	"src=2001:db8::7 dst=2001:db8::10 proto=tcp sport=1000 dport=80 flags=FA",
	"src=2001:db8::7 dst=2001:db8::10 proto=udp sport=1000 dport=53",
	"src=2001:db8::7 dst=2001:db8::10 proto=icmpv6 type=128 code=0",
	"src=2001:db8::7 dst=2001:db8::10 proto=udp sport=1 dport=2 frag=first",
	"src=2001:db8::7 dst=2001:db8::10 proto=udp frag=later",
};

static const struct frame_opts usual = {.icmp_id = 77, .frag_id = 5, .payload = 16, .fill = 0xee};

static size_t frame_of(const char *line, struct hf_packet *ret_pkt, uint8_t frame[FRAME_MAX])
{
	struct frame_opts o = usual;

	*ret_pkt = packet(line);
	/* 20 bytes of TCP need 4 more for a multiple of 8. */
	o.payload = ret_pkt->proto == HF_PROTO_TCP && ret_pkt->frag == HF_FRAG_FIRST ? 20 : 16;
	o.frag_off = ret_pkt->frag == HF_FRAG_LATER ? 40 : 0;
	return make_frame(ret_pkt, &o, frame);
}

static enum hf_parse parse(const uint8_t *frame, size_t size, size_t piece, struct hf_pkt *ret)
{
	struct rte_mbuf *m = make_mbuf(frame, size, piece);
	enum hf_parse p = hf_pkt_parse(m, ret);

	rte_pktmbuf_free(m);
	return p;
}

static void check_equal(const struct hf_pkt *got, const struct hf_packet *want, const char *line)
{
	bool later = want->frag == HF_FRAG_LATER;

	cr_expect(hf_addr_equal(&got->src, &want->src), "%s", line);
	cr_expect(hf_addr_equal(&got->dst, &want->dst), "%s", line);
	cr_expect_eq(got->proto, want->proto, "%s", line);
	cr_expect_eq(got->sport, later ? 0 : want->sport, "%s", line);
	cr_expect_eq(got->dport, later ? 0 : want->dport, "%s", line);
	cr_expect_eq(got->icmp_type, want->icmp_type, "%s", line);
	cr_expect_eq(got->icmp_code, want->icmp_code, "%s", line);
	cr_expect_eq(got->tcp_flags, later ? 0 : want->tcp_flags, "%s", line);
	cr_expect_eq(got->frag, want->frag, "%s", line);
	cr_expect_eq(got->vlan[0], want->vlan, "%s", line);
	cr_expect_eq(got->n_vlans, want->vlan != 0, "%s", line);
	if (hf_pkt_is_icmp(got))
		cr_expect_eq(got->icmp_id, usual.icmp_id, "%s", line);
	if (want->frag != HF_FRAG_NONE) {
		cr_expect_eq(got->frag_id, usual.frag_id, "%s", line);
		cr_expect_eq(got->frag_off, later ? 40 : 0, "%s", line);
	}
}

Test(key, reads_every_kind_of_packet)
{
	uint8_t frame[FRAME_MAX];
	struct hf_packet want;
	struct hf_pkt got;
	size_t i, n;

	for (i = 0; i < RTE_DIM(lines); i++) {
		n = frame_of(lines[i], &want, frame);
		cr_assert_eq(parse(frame, n, n, &got), HF_PARSE_IP, "%s", lines[i]);
		check_equal(&got, &want, lines[i]);
	}
}

Test(key, segments_make_no_difference)
{
	uint8_t frame[FRAME_MAX];
	struct hf_packet want;
	struct hf_pkt got;
	size_t i, n, piece;

	for (i = 0; i < RTE_DIM(lines); i++) {
		n = frame_of(lines[i], &want, frame);
		for (piece = 1; piece < n; piece++) {
			cr_assert_eq(parse(frame, n, piece, &got), HF_PARSE_IP,
				"%s in pieces of %zu", lines[i], piece);
			check_equal(&got, &want, lines[i]);
		}
	}
}

#define SPOILED 300 /* of each packet */

/* Plain packets in one piece are read in a way of their own, which must know when it is not fit. */
Test(key, spoiled_packets_are_read_alike_in_one_piece_and_in_two)
{
	size_t i, k, n, piece, whole = 0;
	uint8_t frame[FRAME_MAX];
	struct hf_packet want;
	struct hf_rand rand;

	hf_rand_init(&rand, hf_test_seed(), 0);
	for (i = 0; i < RTE_DIM(lines) * SPOILED; i++) {
		struct hf_pkt one = {0}, two = {0};
		enum hf_parse as;

		n = frame_of(lines[i % RTE_DIM(lines)], &want, frame);
		/* Heads are about 60 bytes; lengths and offsets are mostly wrong by a little. */
		for (k = hf_rand_below(&rand, 3); k > 0; k--)
			frame[hf_rand_between(&rand, 12, n < 60 ? n - 1 : 60)] =
				(uint8_t)hf_rand_below(&rand, hf_rand_below(&rand, 2) ? 256 : 48);
		if (hf_rand_below(&rand, 4) == 0)
			n -= hf_rand_below(&rand, n - 1);
		piece = hf_rand_between(&rand, 1, n > 1 ? n - 1 : 1);
		as = parse(frame, n, n, &one);
		cr_assert_eq(parse(frame, n, piece, &two), as, "HF_SEED=%llu packet %zu",
			(unsigned long long)hf_test_seed(), i);
		if (as != HF_PARSE_IP)
			continue;
		whole++;
		cr_assert_eq(memcmp(&one, &two, sizeof(one)), 0, "HF_SEED=%llu packet %zu",
			(unsigned long long)hf_test_seed(), i);
	}
	cr_expect(whole > i / 10 && whole < i, "%zu of %zu", whole, i);
}

/* ASan guards the end of the data. */
Test(key, every_shortened_packet_is_malformed)
{
	uint8_t frame[FRAME_MAX];
	struct hf_packet want;
	struct hf_pkt got;
	size_t i, n, cut;

	for (i = 0; i < RTE_DIM(lines); i++) {
		n = frame_of(lines[i], &want, frame);
		for (cut = 0; cut < n; cut++) {
			cr_expect_eq(parse(frame, cut, cut ? cut : 1, &got), HF_PARSE_MALFORMED,
				"%s cut to %zu", lines[i], cut);
			(void)parse(frame, cut, 3, &got);
		}
	}
}

Test(key, random_bytes_do_no_harm)
{
	uint8_t frame[FRAME_MAX];
	struct hf_packet want;
	struct hf_rand r;
	struct hf_pkt got;
	size_t i, n, k;

	hf_rand_init(&r, hf_test_seed(), 0);
	for (i = 0; i < 20000; i++) {
		n = frame_of(lines[hf_rand_below(&r, RTE_DIM(lines))], &want, frame);
		for (k = hf_rand_below(&r, 6); k > 0; k--)
			frame[12 + hf_rand_below(&r, n - 12)] = (uint8_t)hf_rand_u64(&r);
		n = hf_rand_between(&r, 14, n);
		if (parse(frame, n, hf_rand_between(&r, 8, n), &got) != HF_PARSE_IP)
			continue;
		cr_expect_leq(got.frag == HF_FRAG_LATER ? 0 : got.l4_off + got.l4_len, n);
	}
}

Test(key, padding_is_not_payload)
{
	struct hf_packet pkt = packet(lines[1]);
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(&pkt, NULL, frame);
	struct hf_pkt got;

	cr_assert_eq(parse(frame, 60, 60, &got), HF_PARSE_IP);
	cr_expect_eq(got.l4_off + got.l4_len, n);
}

static enum hf_parse parse_with(const char *line, size_t at, uint8_t value, struct hf_pkt *ret)
{
	uint8_t frame[FRAME_MAX];
	struct hf_packet pkt;
	size_t n = frame_of(line, &pkt, frame);

	frame[at] = value;
	return parse(frame, n, n, ret);
}

Test(key, lies_are_malformed)
{
	static const struct {
		const char *line;
		size_t at;
		uint8_t value;
	} lies[] = {
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 14, 0x65}, /* version */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 14, 0x44}, /* header of 16 bytes */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 14, 0x4f}, /* options over the ports */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 17, 200},  /* longer than it is */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 17, 19},   /* shorter than its header */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 34 + 12,
			0x40}, /* data offset too small */
		{"src=192.0.2.1 dst=192.0.2.10 proto=tcp", 34 + 12, 0xf0}, /* and too large */
		{"src=192.0.2.1 dst=192.0.2.10 proto=udp", 34 + 5, 7},	   /* UDP length */
		{"src=192.0.2.1 dst=192.0.2.10 proto=udp", 34 + 5, 200},
		{"src=192.0.2.1 dst=192.0.2.10 proto=udp frag=first", 17,
			20 + 9}, /* not of 8 bytes */
		{"src=2001:db8::1 dst=2001:db8::2 proto=udp", 14, 0x40},
		{"src=2001:db8::1 dst=2001:db8::2 proto=udp", 19, 200},
		{"src=2001:db8::1 dst=2001:db8::2 proto=udp", 20, 0}, /* options that run on */
	};
	struct hf_pkt got;
	size_t i;

	for (i = 0; i < RTE_DIM(lies); i++) {
		enum hf_parse p;

		p = parse_with(lies[i].line, lies[i].at, lies[i].value, &got);
		cr_expect_eq(p, HF_PARSE_MALFORMED, "lie %zu", i);
	}
}

Test(key, fragments_end_within_64_kib)
{
	struct hf_packet pkt = packet(lines[7]);
	uint8_t frame[FRAME_MAX];
	struct hf_pkt got;
	size_t n;

	n = make_frame(
		&pkt, &(struct frame_opts){.payload = 15, .frag_off = 65520, .last = true}, frame);
	cr_assert_eq(parse(frame, n, n, &got), HF_PARSE_IP);
	cr_expect_eq(got.frag_off, 65520);
	n = make_frame(
		&pkt, &(struct frame_opts){.payload = 16, .frag_off = 65520, .last = true}, frame);
	cr_expect_eq(parse(frame, n, n, &got), HF_PARSE_MALFORMED);
}

Test(key, ipv4_options_are_skipped)
{
	struct hf_packet pkt = packet(lines[0]);
	uint8_t plain[FRAME_MAX], frame[FRAME_MAX];
	size_t n = make_frame(&pkt, NULL, plain);
	struct hf_pkt got;

	memcpy(frame, plain, 34);
	memset(frame + 34, 1, 40); /* no-operation */
	memcpy(frame + 74, plain + 34, n - 34);
	frame[14] = 0x4f;
	frame[17] = (uint8_t)(n - 14 + 40);
	cr_assert_eq(parse(frame, n + 40, n + 40, &got), HF_PARSE_IP);
	cr_expect_eq(got.dport, 80);
	cr_expect_eq(got.tcp_flags, HF_TCP_SYN | HF_TCP_ACK);
}

/* Puts n extension headers of 8 bytes in front of UDP; AH has its own unit of length. */
static enum hf_parse parse_chain(const uint8_t *chain, size_t n, struct hf_pkt *ret)
{
	struct hf_packet pkt = packet(lines[9]);
	uint8_t plain[FRAME_MAX], frame[FRAME_MAX] = {0};
	size_t size = make_frame(&pkt, NULL, plain), i;

	memcpy(frame, plain, 54);
	frame[20] = chain[0];
	for (i = 0; i < n; i++)
		frame[54 + 8 * i] = i + 1 < n ? chain[i + 1] : HF_PROTO_UDP;
	memcpy(frame + 54 + 8 * n, plain + 54, size - 54);
	frame[19] = (uint8_t)(size - 54 + 8 * n);
	return parse(frame, size + 8 * n, size + 8 * n, ret);
}

Test(key, ipv6_extensions_are_skipped)
{
	static const uint8_t chain[] = {0, 60, 43, 44, 51, 60};
	struct hf_pkt got;

	cr_assert_eq(parse_chain(chain, sizeof(chain), &got), HF_PARSE_IP);
	cr_expect_eq(got.proto, HF_PROTO_UDP);
	cr_expect_eq(got.dport, 53);
	cr_expect_eq(got.frag, HF_FRAG_NONE, "a lone fragment is none");
}

Test(key, ipv6_chain_has_an_end)
{
	static const uint8_t chain[] = {60, 60, 60, 60, 60, 60, 60, 60, 60};
	struct hf_pkt got;

	cr_expect_eq(parse_chain(chain, 8, &got), HF_PARSE_IP);
	cr_expect_eq(parse_chain(chain, 9, &got), HF_PARSE_MALFORMED);
}

Test(key, other_frames_are_not_ip)
{
	uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};
	uint8_t lldp[60] = {[12] = 0x88, [13] = 0xcc};
	uint8_t tagged_arp[60] = {[12] = 0x81, [15] = 5, [16] = 0x08, [17] = 0x06};
	struct hf_pkt got;

	cr_expect_eq(parse(arp, 60, 60, &got), HF_PARSE_NOT_IP);
	cr_expect_eq(parse(lldp, 60, 60, &got), HF_PARSE_NOT_IP);
	cr_expect_eq(parse(tagged_arp, 60, 60, &got), HF_PARSE_NOT_IP);
}

Test(key, tags_are_read_outermost_first)
{
	struct hf_packet pkt = packet("src=192.0.2.1 dst=192.0.2.2 proto=udp vlan=7");
	struct frame_opts o = {.inner_vlan = 9};
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(&pkt, &o, frame);
	struct rte_mbuf *m = make_mbuf(frame, n, n);
	struct hf_pkt got;

	cr_assert_eq(hf_pkt_parse(m, &got), HF_PARSE_IP);
	cr_expect(got.n_vlans == 2 && got.vlan[0] == 7 && got.vlan[1] == 9);

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 3;
	cr_expect_eq(hf_pkt_parse(m, &got), HF_PARSE_TAGS, "three are too many");
	m->vlan_tci = 5 << 13;
	cr_expect_eq(hf_pkt_parse(m, &got), HF_PARSE_IP, "VID 0 is only a priority");
	cr_expect(got.n_vlans == 2 && got.vlan[0] == 7);
	rte_pktmbuf_free(m);
}

Test(key, stripped_tags_count)
{
	struct rte_mbuf *m = line_mbuf(lines[1], NULL);
	struct hf_pkt got;

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 3 << 13 | 100;
	cr_assert_eq(hf_pkt_parse(m, &got), HF_PARSE_IP);
	cr_expect(got.n_vlans == 1 && got.vlan[0] == 100);
	m->ol_flags |= RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
	m->vlan_tci_outer = 200;
	cr_assert_eq(hf_pkt_parse(m, &got), HF_PARSE_IP);
	cr_expect(got.n_vlans == 2 && got.vlan[0] == 200 && got.vlan[1] == 100);
	rte_pktmbuf_free(m);
}

Test(key, icmp_of_the_other_family_is_no_icmp)
{
	struct hf_packet pkt = packet("src=192.0.2.1 dst=192.0.2.2 proto=47");
	uint8_t frame[FRAME_MAX];
	size_t n;
	struct hf_pkt got;

	pkt.proto = HF_PROTO_ICMPV6;
	n = make_frame(&pkt, NULL, frame);
	cr_assert_eq(parse(frame, n, n, &got), HF_PARSE_IP);
	cr_expect_not(hf_pkt_is_icmp(&got));
	cr_expect_eq(got.icmp_type, 0);
}

Test(key, quotes_may_be_short)
{
	struct hf_packet quoted = packet(lines[0]);
	struct frame_opts o = {.quoted = &quoted};
	struct hf_packet error =
		packet("src=203.0.113.1 dst=198.51.100.7 proto=icmp type=3 code=1");
	uint8_t frame[FRAME_MAX];
	struct hf_pkt outer, inner;
	struct rte_mbuf *m;
	size_t cut;

	/* Ethernet, IPv4, ICMP, IPv4, and as much of TCP as there is. */
	for (cut = 14 + 20 + 8; cut <= 14 + 20 + 8 + 20 + 8; cut++) {
		(void)make_frame(&error, &o, frame);
		frame[17] = (uint8_t)(cut - 14);
		m = make_mbuf(frame, cut, cut);
		cr_assert_eq(hf_pkt_parse(m, &outer), HF_PARSE_IP, "cut to %zu", cut);
		cr_expect_eq(hf_pkt_parse_quoted(m, &outer, &inner), cut >= 14 + 20 + 8 + 20 + 4,
			"cut to %zu", cut);
		rte_pktmbuf_free(m);
	}
	cr_expect(hf_addr_equal(&inner.src, &quoted.src) && inner.dport == 80);
}
