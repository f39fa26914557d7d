/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/frag.h>

#include <hf_test_eal.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include <stdio.h>

static struct hf_frag_table *frags;
static uint64_t now = 1000 * HZ;

static void init(void)
{
	struct hf_frag_opts opts = {
		.max_entries = 16, .max_held = 8, .hz = HZ, .socket = SOCKET_ID_ANY};

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
#define TAG  7

/* A piece of a datagram; it is the first if it begins at 0, and the last if last is set. */
struct piece {
	uint32_t id;
	uint16_t from;
	uint16_t to;
	bool last;
};

static struct rte_mbuf *mbuf_of(const char *ends, struct piece p, struct hf_pkt *ret)
{
	uint16_t head = p.from ? 0 : 8; /* of UDP */
	struct frame_opts o = {.frag_id = p.id,
		.frag_off = p.from,
		.payload = (size_t)(p.to - p.from - head),
		.last = p.last};
	struct rte_mbuf *m;
	char line[128];

	(void)snprintf(line, sizeof(line), "%s%s", ends,
		p.from ? "frag=later" : "sport=1 dport=2 frag=first");
	m = line_mbuf(line, &o);
	cr_assert_eq(hf_pkt_parse(m, ret), HF_PARSE_IP);
	cr_assert_eq(ret->frag_more, !p.last);
	return m;
}

static enum hf_frag_fate send_to(uint32_t zone, const char *ends, struct piece p, bool pass)
{
	enum hf_frag_fate fate;
	struct hf_addr where;
	struct hf_pkt pkt;
	struct rte_mbuf *m = mbuf_of(ends, p, &pkt);

	if (p.from) {
		fate = hf_frag_later(frags, m, &pkt, zone, TAG, now, &where);
	} else {
		fate = hf_frag_check_first(frags, &pkt, zone, now);
		if (fate == HF_FRAG_PASS)
			hf_frag_first(frags, &pkt, zone, now, pass, NULL);
	}
	if (fate != HF_FRAG_HELD)
		rte_pktmbuf_free(m);
	return fate;
}

static enum hf_frag_fate later(uint32_t id, uint16_t from, uint16_t to)
{
	return send_to(1, ENDS, (struct piece){id, from, to, false}, false);
}

static enum hf_frag_fate last(uint32_t id, uint16_t from, uint16_t to)
{
	return send_to(1, ENDS, (struct piece){id, from, to, true}, false);
}

static enum hf_frag_fate first(uint32_t id, uint16_t to, bool pass)
{
	return send_to(1, ENDS, (struct piece){id, 0, to, false}, pass);
}

static struct hf_frag_stats stats(void)
{
	struct hf_frag_stats s;

	hf_frag_read_stats(frags, &s);
	return s;
}

/* How many of those that were kept go on now, and how many do not, with this fate. */
static unsigned int passed(void)
{
	struct hf_addr where;
	struct rte_mbuf *m;
	unsigned int n;

	for (n = 0; (m = hf_frag_next_pass(frags, TAG, &where)); n++)
		rte_pktmbuf_free(m);
	return n;
}

static unsigned int dropped(enum hf_frag_fate want)
{
	enum hf_frag_fate fate;
	struct rte_mbuf *m;
	unsigned int n;
	uint32_t tag;

	for (n = 0; (m = hf_frag_next_drop(frags, &tag, &fate)); n++) {
		cr_expect_eq(fate, want);
		cr_expect_eq(tag, TAG);
		rte_pktmbuf_free(m);
	}
	return n;
}

Test(frag, later_ones_follow_the_first)
{
	cr_expect_eq(first(1, 16, true), HF_FRAG_PASS);
	cr_expect_eq(first(2, 16, false), HF_FRAG_PASS, "to be judged");
	cr_expect_eq(later(1, 16, 24), HF_FRAG_PASS);
	cr_expect_eq(later(1, 32, 40), HF_FRAG_PASS, "one was lost on the way");
	cr_expect_eq(later(2, 16, 24), HF_FRAG_DROP);
}

Test(frag, those_before_the_first_wait_for_it)
{
	cr_expect_eq(last(1, 32, 35), HF_FRAG_HELD);
	cr_expect_eq(later(1, 16, 32), HF_FRAG_HELD);
	cr_expect_eq(later(2, 16, 32), HF_FRAG_HELD);
	cr_expect_eq(passed(), 0);
	cr_expect_eq(stats().held, 3);
	cr_expect_eq(first(1, 16, true), HF_FRAG_PASS);
	cr_expect_eq(passed(), 2);
	cr_expect_eq(dropped(HF_FRAG_DROP), 0);
	cr_expect_eq(first(2, 16, false), HF_FRAG_PASS);
	cr_expect_eq(passed(), 0);
	cr_expect_eq(dropped(HF_FRAG_DROP), 1);
	cr_expect_eq(stats().held, 0);
	cr_expect_eq(stats().held_ever, 3);
	cr_expect_eq(mbufs_in_use(), 0);
}

Test(frag, whole_datagrams_are_forgotten)
{
	cr_expect_eq(first(1, 16, true), HF_FRAG_PASS);
	cr_expect_eq(last(1, 24, 30), HF_FRAG_PASS);
	cr_expect_eq(stats().entries, 1);
	cr_expect_eq(later(1, 16, 24), HF_FRAG_PASS);
	cr_expect_eq(stats().entries, 0);
	cr_expect_eq(stats().completed, 1);
	cr_expect_eq(first(1, 16, false), HF_FRAG_PASS, "the identification is used again");
	cr_expect_eq(last(1, 16, 20), HF_FRAG_DROP);
	cr_expect_eq(stats().completed, 2);
}

Test(frag, datagrams_are_apart)
{
	const struct piece p = {1, 16, 24, false};

	(void)first(1, 16, true);
	cr_expect_eq(send_to(2, ENDS, p, false), HF_FRAG_HELD, "zone");
	cr_expect_eq(send_to(1, "src=192.0.2.1 dst=192.0.2.2 proto=tcp ", p, false), HF_FRAG_HELD);
	cr_expect_eq(send_to(1, "src=192.0.2.9 dst=192.0.2.2 proto=udp ", p, false), HF_FRAG_HELD);
	cr_expect_eq(send_to(1, "src=192.0.2.2 dst=192.0.2.1 proto=udp ", p, false), HF_FRAG_HELD);
	cr_expect_eq(later(1, 16, 24), HF_FRAG_PASS);
}

Test(frag, protocol_is_not_part_of_ipv6_datagrams)
{
	const char *a = "src=2001:db8::1 dst=2001:db8::2 proto=udp ";
	const char *b = "src=2001:db8::1 dst=2001:db8::2 proto=60 ";

	cr_expect_eq(send_to(1, a, (struct piece){70000, 0, 16, false}, true), HF_FRAG_PASS);
	cr_expect_eq(send_to(1, b, (struct piece){70000, 16, 24, false}, true), HF_FRAG_PASS);
}

/* The same bytes again are dropped, and the datagram goes on. */
Test(frag, duplicates_do_no_harm)
{
	(void)first(1, 24, true);
	cr_expect_eq(first(1, 24, true), HF_FRAG_DUPLICATE);
	cr_expect_eq(later(1, 8, 16), HF_FRAG_DUPLICATE);
	cr_expect_eq(later(1, 24, 32), HF_FRAG_PASS);
	cr_expect_eq(later(1, 24, 32), HF_FRAG_DUPLICATE);
	cr_expect_eq(last(1, 32, 40), HF_FRAG_PASS);
	cr_expect_eq(stats().completed, 1);
}

/* Teardrop and the like: nothing of that datagram goes on any more. */
Test(frag, overlaps_spoil_the_datagram)
{
	static const struct {
		const char *name;
		struct piece a, b;
	} cases[] = {
		{"reaches back into the first", {1, 32, 40, false}, {1, 16, 32, false}},
		{"reaches into the next", {1, 32, 48, false}, {1, 24, 40, false}},
		{"covers one", {1, 32, 40, false}, {1, 24, 48, false}},
		{"behind the end", {1, 32, 40, true}, {1, 40, 48, false}},
		{"two ends", {1, 32, 40, true}, {1, 40, 48, true}},
		{"an end in the middle", {1, 40, 48, false}, {1, 24, 32, true}},
	};
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		struct piece a = cases[i].a, b = cases[i].b;

		a.id = b.id = 100 + (uint32_t)i;
		(void)first(a.id, 24, true);
		cr_expect_eq(send_to(1, ENDS, a, false), HF_FRAG_PASS, "%s", cases[i].name);
		cr_expect_eq(send_to(1, ENDS, b, false), HF_FRAG_OVERLAP, "%s", cases[i].name);
		cr_expect_eq(later(a.id, 200, 208), HF_FRAG_OVERLAP, "%s", cases[i].name);
		cr_expect_eq(first(a.id, 24, true), HF_FRAG_OVERLAP, "%s", cases[i].name);
	}
}

Test(frag, overlaps_spoil_what_waits)
{
	cr_expect_eq(later(1, 16, 32), HF_FRAG_HELD);
	cr_expect_eq(later(1, 24, 40), HF_FRAG_OVERLAP);
	cr_expect_eq(dropped(HF_FRAG_OVERLAP), 1);
	cr_expect_eq(first(1, 16, true), HF_FRAG_OVERLAP);
	cr_expect_eq(later(2, 16, 32), HF_FRAG_HELD);
	cr_expect_eq(first(2, 24, true), HF_FRAG_OVERLAP, "ports under what came before");
	cr_expect_eq(dropped(HF_FRAG_OVERLAP), 1);
	cr_expect_eq(passed(), 0);
}

Test(frag, pieces_with_gaps_are_bounded)
{
	uint16_t i;

	(void)first(1, 16, true);
	for (i = 1; i < HF_FRAG_RANGES_MAX; i++)
		cr_expect_eq(later(1, (uint16_t)(i * 32), (uint16_t)(i * 32 + 8)), HF_FRAG_PASS);
	cr_expect_eq(later(1, 1000, 1008), HF_FRAG_OVERLAP);
}

/* From the first packet of it, whichever that is. */
Test(frag, lives_30_seconds)
{
	(void)first(1, 16, true);
	now += 20 * HZ;
	cr_expect_eq(later(1, 16, 24), HF_FRAG_PASS);
	now += 10 * HZ - 1;
	cr_expect_eq(later(1, 24, 32), HF_FRAG_PASS);
	now++;
	cr_expect_eq(later(1, 32, 40), HF_FRAG_HELD);
	cr_expect_eq(stats().expired, 1);
	now += 30 * HZ;
	hf_frag_expire(frags, now, 1);
	cr_expect_eq(dropped(HF_FRAG_UNKNOWN), 1);
	cr_expect_eq(stats().entries, 0);
}

Test(frag, sweep_is_bounded)
{
	uint32_t id;

	for (id = 1; id <= 10; id++)
		(void)first(id, 16, true);
	now += 30 * HZ;
	hf_frag_expire(frags, now, 4);
	cr_expect_eq(stats().entries, 6);
	hf_frag_expire(frags, now, 100);
	cr_expect_eq(stats().entries, 0);
	cr_expect_eq(stats().expired, 10);
}

Test(frag, oldest_makes_room)
{
	uint32_t id;

	for (id = 1; id <= 17; id++)
		(void)first(id, 16, true);
	cr_expect_eq(stats().entries, 16);
	cr_expect_eq(stats().evicted, 1);
	cr_expect_eq(later(2, 16, 24), HF_FRAG_PASS);
	cr_expect_eq(later(17, 16, 24), HF_FRAG_PASS);
	cr_expect_eq(later(1, 16, 24), HF_FRAG_HELD, "it is not known any more");
}

/* There is room for eight that wait; the datagram that has waited longest makes it. */
Test(frag, what_waits_is_bounded)
{
	unsigned int n = 0;
	uint32_t id;

	for (id = 1; id <= 100; id++) {
		cr_expect_eq(later(id, 16, 24), HF_FRAG_HELD);
		n += dropped(HF_FRAG_UNKNOWN);
		cr_assert_leq(stats().held, 8);
	}
	cr_expect_eq(n, 100 - stats().held);
	cr_expect_eq(mbufs_in_use(), stats().held);
	(void)first(100, 16, true);
	cr_expect_eq(passed(), 1, "the newest is still there");
	/* One datagram by itself does not get more. */
	for (id = 0; id < 100; id++) {
		(void)later(1000, (uint16_t)(16 + 8 * id), (uint16_t)(24 + 8 * id));
		(void)dropped(HF_FRAG_UNKNOWN);
		cr_assert_leq(stats().held, 8);
	}
}
