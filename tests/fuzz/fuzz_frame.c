/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A frame as it comes off the wire: what the software path and the virtual NIC read of it lies
 * inside of it, and is the same however it is spread over segments; a TCP segment, with whatever
 * options, moves a connection from one state to another; both directions have one key. The first
 * byte says where it is split, the second which parser the NIC has.
 */

#include "fuzz.h"

#include "soft/key.h"
#include "soft/tcp.h"
#include "soft/tuple.h"

#ifdef HF_HAVE_VNIC
#include "vnic/vnic.h"
#endif

#include <rte_mbuf.h>

#include <string.h>

#define FRAME_MAX 4096

/* Blocks as large as their contents, so that AddressSanitizer guards both ends. */
static void fill(struct rte_mbuf *m, const uint8_t *data, size_t size)
{
	*m = (struct rte_mbuf){.buf_addr = malloc(size ? size : 1),
		.buf_len = (uint16_t)size,
		.data_len = (uint16_t)size,
		.pkt_len = (uint32_t)size,
		.nb_segs = 1};
	FUZZ_CHECK(m->buf_addr);
	memcpy(m->buf_addr, data, size);
}

static void track(const struct rte_mbuf *m, const struct hf_pkt *p, uint8_t kind)
{
	uint32_t n_opts = p->tcp_head - 20u;
	struct hf_tcp_seg seg = {.seq = p->tcp_seq,
		.ack = p->tcp_ack,
		.win = p->tcp_win,
		.flags = p->tcp_flags,
		.len = p->l4_len};
	struct hf_tcp_track t = {0};
	enum hf_tcp_patience patience;
	unsigned int i;

	if (n_opts > p->l4_len - 20)
		n_opts = p->l4_len - 20;
	seg.n_opts = (uint8_t)n_opts;
	seg.opts = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_off + 20);
	if (!hf_tcp_begin(&seg, &t))
		return;
	for (i = 0; i < 8; i++) {
		seg.seq += kind;
		(void)hf_tcp_follow(&t, &seg, kind >> i & 1, i > 0, i > 3, &patience);
		FUZZ_CHECK(t.state > HF_TCP_NONE && t.state < HF_TCP_N_STATES);
		FUZZ_CHECK((t.scales & 0xf) <= 14 && t.scales >> 4 <= 14);
	}
}

static void turn(const struct hf_pkt *p)
{
	struct hf_pkt back = *p;
	struct hf_ct_key a = {0}, b = {0};
	struct hf_ct_info info;
	uint8_t from_a, from_b;

	if (hf_icmp_kind(p) == HF_ICMP_UNTRACKED || hf_pkt_is_icmp(p))
		return;
	back.src = p->dst;
	back.dst = p->src;
	back.sport = p->dport;
	back.dport = p->sport;
	hf_tuple_make(p, 7, &a, &from_a);
	hf_tuple_make(&back, 7, &b, &from_b);
	FUZZ_CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	hf_tuple_read(&a, p->src.family, from_a, &info);
	FUZZ_CHECK(hf_addr_equal(&info.src, &p->src) && hf_addr_equal(&info.dst, &p->dst));
	FUZZ_CHECK(info.sport == p->sport && info.dport == p->dport && info.zone == 7);
}

static void read_soft(const struct rte_mbuf *one, const struct rte_mbuf *two, uint8_t kind)
{
	struct hf_pkt a = {0}, b = {0}, q = {0};
	enum hf_parse got = hf_pkt_parse(one, &a);

	FUZZ_CHECK(hf_pkt_parse(two, &b) == got);
	if (got != HF_PARSE_IP)
		return;
	FUZZ_CHECK(a.l4_off <= one->pkt_len && a.l4_len <= one->pkt_len - a.l4_off);
	FUZZ_CHECK(a.n_vlans <= HF_VLAN_TAGS_MAX && a.frag_len <= one->pkt_len);
	FUZZ_CHECK(hf_addr_equal(&a.src, &b.src) && hf_addr_equal(&a.dst, &b.dst));
	FUZZ_CHECK(a.proto == b.proto && a.sport == b.sport && a.dport == b.dport);
	FUZZ_CHECK(a.frag == b.frag && a.l4_off == b.l4_off && a.l4_len == b.l4_len);
	FUZZ_CHECK(a.tcp_seq == b.tcp_seq && a.tcp_ack == b.tcp_ack && a.tcp_head == b.tcp_head);
	if (a.frag != HF_FRAG_LATER && a.proto == HF_PROTO_TCP)
		track(one, &a, kind);
	if (a.frag != HF_FRAG_LATER)
		turn(&a);
	FUZZ_CHECK(hf_pkt_parse_quoted(one, &a, &q) == hf_pkt_parse_quoted(two, &b, &q));
}

static void read_nic(const struct rte_mbuf *one, const struct rte_mbuf *two, uint8_t kind)
{
#ifdef HF_HAVE_VNIC
	const struct hf_nic nic = {.fragments_match_l4 = kind & 1, .ext_match_l4 = kind & 2};
	struct hf_vnic_pkt a, b;

	hf_vnic_parse(&nic, one, &a);
	hf_vnic_parse(&nic, two, &b);
	FUZZ_CHECK(a.layers == b.layers && a.type == b.type && a.type < HF_VNIC_TYPE_MAX_);
	FUZZ_CHECK(memcmp(&a.hdr, &b.hdr, sizeof(a.hdr)) == 0);
	FUZZ_CHECK(hf_vnic_hash(&a) == hf_vnic_hash(&b));
#endif
	(void)one, (void)two, (void)kind; /* without the virtual NIC */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf one, head, tail;
	size_t split;

	if (size < 2 || size > FRAME_MAX)
		return 0;
	split = data[0] < size - 2 ? data[0] : size - 2;
	fill(&one, data + 2, size - 2);
	fill(&head, data + 2, split);
	fill(&tail, data + 2 + split, size - 2 - split);
	head.next = &tail;
	head.nb_segs = 2;
	head.pkt_len = one.pkt_len;
	read_soft(&one, &head, data[1]);
	read_nic(&one, &head, data[1]);
	free(one.buf_addr);
	free(head.buf_addr);
	free(tail.buf_addr);
	return 0;
}
