/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A frame as it comes off the wire: what the software path and the virtual NIC read of it lies
 * inside of it, and is the same however it is spread over segments. The first byte says where it
 * is split, the second which parser the NIC has.
 */

#include "fuzz.h"

#include "soft/key.h"

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

static void read_soft(const struct rte_mbuf *one, const struct rte_mbuf *two)
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
	read_soft(&one, &head);
	read_nic(&one, &head, data[1]);
	free(one.buf_addr);
	free(head.buf_addr);
	free(tail.buf_addr);
	return 0;
}
