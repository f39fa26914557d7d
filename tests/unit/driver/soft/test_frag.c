/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/frag.h>

#include <hf_test_eal.h>

#include <rte_mbuf.h>

static struct hf_frag_table *frags;
static uint64_t now = 1000 * HZ;

static void init(void)
{
	struct hf_frag_opts opts = {.max_entries = 16, .hz = HZ, .socket = SOCKET_ID_ANY};

	hf_test_eal_init();
	cr_assert_eq(hf_frag_new(&opts, &frags, NULL), 0);
}

static void fini(void)
{
	hf_frag_free(frags);
	mbufs_fini();
	hf_test_fini();
}

TestSuite(frag, .init = init, .fini = fini);

#define ENDS "src=192.0.2.1 dst=192.0.2.2 proto=udp "

static struct hf_pkt parsed(const char *line, uint32_t id, uint16_t off)
{
	struct frame_opts o = {.frag_id = id, .frag_off = off, .payload = 8};
	struct rte_mbuf *m = line_mbuf(line, &o);
	struct hf_pkt pkt;

	cr_assert_eq(hf_pkt_parse(m, &pkt), HF_PARSE_IP);
	rte_pktmbuf_free(m);
	return pkt;
}

/* Its first fragment ends at byte 16. */
static void first(uint32_t id, bool pass)
{
	struct hf_pkt pkt = parsed(ENDS "sport=1 dport=2 frag=first", id, 0);

	hf_frag_first(frags, &pkt, 1, now, pass);
}

static enum hf_frag_fate later(uint32_t id)
{
	struct hf_pkt pkt = parsed(ENDS "frag=later", id, 16);

	return hf_frag_later(frags, &pkt, 1, now);
}

Test(frag, later_ones_follow_the_first)
{
	first(1, true);
	first(2, false);
	cr_expect_eq(later(1), HF_FRAG_PASS);
	cr_expect_eq(later(1), HF_FRAG_PASS);
	cr_expect_eq(later(2), HF_FRAG_DROP);
	cr_expect_eq(later(3), HF_FRAG_UNKNOWN);
}

Test(frag, datagrams_are_apart)
{
	struct hf_pkt pkt = parsed(ENDS "frag=later", 1, 16), other = pkt;

	first(1, true);
	cr_expect_eq(hf_frag_later(frags, &pkt, 2, now), HF_FRAG_UNKNOWN, "zone");
	other.proto = HF_PROTO_TCP;
	cr_expect_eq(hf_frag_later(frags, &other, 1, now), HF_FRAG_UNKNOWN, "protocol");
	other = pkt;
	other.src.b[3] = 9;
	cr_expect_eq(hf_frag_later(frags, &other, 1, now), HF_FRAG_UNKNOWN, "source");
	cr_expect_eq(hf_frag_later(frags, &pkt, 1, now), HF_FRAG_PASS);
}

Test(frag, protocol_is_not_part_of_ipv6_datagrams)
{
	struct hf_pkt a = parsed("src=2001:db8::1 dst=2001:db8::2 proto=udp frag=first", 70000, 0);
	struct hf_pkt b = parsed("src=2001:db8::1 dst=2001:db8::2 proto=60 frag=later", 70000, 16);

	hf_frag_first(frags, &a, 1, now, true);
	cr_expect_eq(hf_frag_later(frags, &b, 1, now), HF_FRAG_PASS);
}

Test(frag, none_may_reach_back)
{
	struct hf_pkt pkt = parsed(ENDS "frag=later", 1, 8);

	first(1, true);
	cr_expect_eq(hf_frag_later(frags, &pkt, 1, now), HF_FRAG_OVERLAP);
}

Test(frag, identification_is_used_again)
{
	first(1, true);
	first(1, false);
	cr_expect_eq(later(1), HF_FRAG_DROP);
	first(1, true);
	cr_expect_eq(later(1), HF_FRAG_PASS);
	cr_expect_eq(hf_frag_count(frags), 1);
	cr_expect_eq(hf_frag_evicted(frags), 0);
}

Test(frag, lives_30_seconds_from_the_first)
{
	first(1, true);
	now += 20 * HZ;
	cr_expect_eq(later(1), HF_FRAG_PASS);
	now += 10 * HZ - 1;
	cr_expect_eq(later(1), HF_FRAG_PASS);
	now++;
	cr_expect_eq(later(1), HF_FRAG_UNKNOWN);
	cr_expect_eq(hf_frag_count(frags), 0);
}

Test(frag, sweep_is_bounded)
{
	uint32_t id;

	for (id = 1; id <= 10; id++)
		first(id, true);
	now += 30 * HZ;
	hf_frag_expire(frags, now, 4);
	cr_expect_eq(hf_frag_count(frags), 6);
	hf_frag_expire(frags, now, 100);
	cr_expect_eq(hf_frag_count(frags), 0);
}

Test(frag, oldest_makes_room)
{
	uint32_t id;

	for (id = 1; id <= 17; id++)
		first(id, true);
	cr_expect_eq(hf_frag_count(frags), 16);
	cr_expect_eq(hf_frag_evicted(frags), 1);
	cr_expect_eq(later(1), HF_FRAG_UNKNOWN);
	cr_expect_eq(later(2), HF_FRAG_PASS);
	cr_expect_eq(later(17), HF_FRAG_PASS);
}
