/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/ct.h>
#include <soft/tcp.h>

#include <hepflow/err.h>

#include <hf_test_eal.h>

#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct hf_ct_table *ct;
static uint64_t now = 1000 * HZ;

static void init_with(uint32_t max)
{
	struct hf_ct_opts opts = {.max_entries = max, .hz = HZ, .socket = SOCKET_ID_ANY};

	cr_assert_eq(hf_ct_new(&opts, &ct, NULL), 0);
}

static void init(void)
{
	hf_test_eal_init();
	init_with(64);
}

static void fini(void)
{
	hf_ct_free(ct);
	mbufs_fini();
	hf_test_fini();
}

TestSuite(ct, .init = init, .fini = fini);

static enum hf_ct look_in(
	uint32_t zone, const char *line, const struct frame_opts *opts, struct hf_ct_view *ret)
{
	struct rte_mbuf *m = line_mbuf(line, opts);
	struct hf_pkt pkt;

	cr_assert_eq(hf_pkt_parse(m, &pkt), HF_PARSE_IP, "%s", line);
	hf_ct_find(ct, m, &pkt, zone, now, ret);
	rte_pktmbuf_free(m);
	return ret->ct;
}

/* What the packet is; it goes on. */
static enum hf_ct pass(const char *line)
{
	struct hf_ct_view v;

	(void)look_in(1, line, NULL, &v);
	cr_assert_eq(hf_ct_commit(ct, &v, now, 100, (struct hf_ct_note){0}), 0, "%s", line);
	return v.ct;
}

/* What the packet is; it is dropped. */
static enum hf_ct look(const char *line)
{
	struct hf_ct_view v;

	return look_in(1, line, NULL, &v);
}

#define A_TO_B	   "src=192.0.2.1 dst=192.0.2.2 sport=1000 dport=80 "
#define B_TO_A	   "src=192.0.2.2 dst=192.0.2.1 sport=80 dport=1000 "
#define TCP_A(f)   A_TO_B "proto=tcp flags=" f
#define TCP_B(f)   B_TO_A "proto=tcp flags=" f
#define UDP_A	   A_TO_B "proto=udp"
#define UDP_B	   B_TO_A "proto=udp"
#define ICMP_A(t)  "src=192.0.2.1 dst=192.0.2.2 proto=icmp code=0 type=" t
#define ICMP_B(t)  "src=192.0.2.2 dst=192.0.2.1 proto=icmp code=0 type=" t
#define ICMP6_A(t) "src=2001:db8::1 dst=2001:db8::2 proto=icmpv6 code=0 type=" t
#define ICMP6_B(t) "src=2001:db8::2 dst=2001:db8::1 proto=icmpv6 code=0 type=" t

Test(ct, caller_stays_new_until_answered)
{
	cr_expect_eq(pass(UDP_A), HF_CT_NEW);
	cr_expect_eq(pass(UDP_A), HF_CT_NEW);
	cr_expect_eq(pass(UDP_B), HF_CT_ESTABLISHED);
	cr_expect_eq(pass(UDP_A), HF_CT_ESTABLISHED);
	cr_expect_eq(hf_ct_count(ct), 1);
}

Test(ct, refused_packets_leave_no_trace)
{
	cr_expect_eq(look(UDP_A), HF_CT_NEW);
	cr_expect_eq(hf_ct_count(ct), 0);
	cr_expect_eq(look(UDP_B), HF_CT_NEW);
	(void)pass(UDP_A);
	cr_expect_eq(look(UDP_B), HF_CT_ESTABLISHED);
	cr_expect_eq(look(UDP_A), HF_CT_NEW, "the answer was refused");
}

Test(ct, tcp_life)
{
	cr_expect_eq(pass(TCP_A("S")), HF_CT_NEW);
	cr_expect_eq(look(TCP_A("A")), HF_CT_INVALID);
	cr_expect_eq(pass(TCP_B("SA")), HF_CT_ESTABLISHED);
	cr_expect_eq(pass(TCP_A("A")), HF_CT_ESTABLISHED);
	cr_expect_eq(look(TCP_A("SF")), HF_CT_INVALID);
	cr_expect_eq(pass(TCP_A("FA")), HF_CT_ESTABLISHED);
	cr_expect_eq(pass(TCP_B("FA")), HF_CT_ESTABLISHED);
	cr_expect_eq(pass(TCP_A("A")), HF_CT_ESTABLISHED);
}

Test(ct, tcp_without_a_beginning)
{
	cr_expect_eq(look(TCP_A("SA")), HF_CT_INVALID);
	cr_expect_eq(look(TCP_A("R")), HF_CT_INVALID);
	cr_expect_eq(look(TCP_A("FA")), HF_CT_INVALID);
	cr_expect_eq(pass(TCP_A("A")), HF_CT_NEW, "picked up");
	cr_expect_eq(pass(TCP_A("A")), HF_CT_NEW);
	cr_expect_eq(pass(TCP_B("A")), HF_CT_ESTABLISHED);
	cr_expect_eq(pass(TCP_A("A")), HF_CT_ESTABLISHED);
}

Test(ct, reset_instead_of_an_answer_forgets)
{
	(void)pass(TCP_A("S"));
	cr_expect_eq(pass(TCP_B("RA")), HF_CT_ESTABLISHED);
	cr_expect_eq(hf_ct_count(ct), 0);
}

Test(ct, ports_used_again_are_a_new_connection)
{
	(void)pass(TCP_A("S"));
	(void)pass(TCP_B("SA"));
	(void)pass(TCP_A("A"));
	(void)pass(TCP_A("FA"));
	(void)pass(TCP_B("FA"));
	(void)pass(TCP_A("A"));
	cr_expect_eq(pass(TCP_B("S")), HF_CT_NEW, "the other end calls now");
	cr_expect_eq(hf_ct_count(ct), 1);
	cr_expect_eq(pass(TCP_B("S")), HF_CT_NEW);
	cr_expect_eq(pass(TCP_A("SA")), HF_CT_ESTABLISHED);
}

Test(ct, zones_are_apart)
{
	struct hf_ct_view v;

	(void)pass(UDP_A);
	cr_expect_eq(look_in(2, UDP_B, NULL, &v), HF_CT_NEW);
	cr_expect_eq(look_in(1, UDP_B, NULL, &v), HF_CT_ESTABLISHED);
}

Test(ct, protocols_and_ports_are_apart)
{
	(void)pass(UDP_A);
	cr_expect_eq(look(B_TO_A "proto=sctp"), HF_CT_NEW);
	cr_expect_eq(look("src=192.0.2.2 dst=192.0.2.1 sport=81 dport=1000 proto=udp"), HF_CT_NEW);
	cr_expect_eq(look("src=192.0.2.3 dst=192.0.2.1 sport=80 dport=1000 proto=udp"), HF_CT_NEW);
	/* The addresses turned round, but not the ports. */
	cr_expect_eq(look("src=192.0.2.2 dst=192.0.2.1 sport=1000 dport=80 proto=udp"), HF_CT_NEW);
}

Test(ct, protocols_without_ports_are_address_pairs)
{
	cr_expect_eq(pass("src=192.0.2.1 dst=192.0.2.2 proto=253"), HF_CT_NEW);
	cr_expect_eq(pass("src=192.0.2.2 dst=192.0.2.1 proto=253"), HF_CT_ESTABLISHED);
}

Test(ct, udplite_has_ports)
{
	struct hf_packet a = packet("src=192.0.2.1 dst=192.0.2.2 proto=udplite");
	uint8_t frame[FRAME_MAX];
	struct hf_ct_view v;
	struct rte_mbuf *m;
	struct hf_pkt pkt;
	size_t n = make_frame(&a, NULL, frame);
	int port;

	for (port = 1; port <= 2; port++) {
		frame[35] = (uint8_t)port;
		m = make_mbuf(frame, n, n);
		cr_assert_eq(hf_pkt_parse(m, &pkt), HF_PARSE_IP);
		hf_ct_find(ct, m, &pkt, 1, now, &v);
		cr_expect_eq(hf_ct_commit(ct, &v, now, 1, (struct hf_ct_note){0}), 0);
		rte_pktmbuf_free(m);
	}
	cr_expect_eq(hf_ct_count(ct), 2);
}

Test(ct, icmp_queries_pair_with_answers)
{
	static const char *const pairs[][2] = {
		{ICMP_A("8"), ICMP_B("0")},
		{ICMP_A("13"), ICMP_B("14")},
		{ICMP_A("15"), ICMP_B("16")},
		{ICMP_A("17"), ICMP_B("18")},
		{ICMP6_A("128"), ICMP6_B("129")},
		{ICMP6_A("139"), ICMP6_B("140")},
	};
	size_t i;

	for (i = 0; i < RTE_DIM(pairs); i++) {
		cr_expect_eq(look(pairs[i][1]), HF_CT_INVALID, "an answer to nothing");
		cr_expect_eq(pass(pairs[i][0]), HF_CT_NEW);
		cr_expect_eq(pass(pairs[i][0]), HF_CT_NEW);
		cr_expect_eq(pass(pairs[i][1]), HF_CT_ESTABLISHED);
		cr_expect_eq(pass(pairs[i][0]), HF_CT_ESTABLISHED);
	}
}

Test(ct, icmp_queries_of_both_ends_are_apart)
{
	cr_expect_eq(pass(ICMP_A("8")), HF_CT_NEW);
	cr_expect_eq(pass(ICMP_B("8")), HF_CT_NEW);
	cr_expect_eq(hf_ct_count(ct), 2);
	cr_expect_eq(look(ICMP_A("0")), HF_CT_ESTABLISHED);
	cr_expect_eq(look(ICMP_B("0")), HF_CT_ESTABLISHED);
}

Test(ct, icmp_identifiers_are_apart)
{
	struct frame_opts other = {.icmp_id = 9};
	struct hf_ct_view v;

	(void)pass(ICMP_A("8"));
	cr_expect_eq(look_in(1, ICMP_B("0"), &other, &v), HF_CT_INVALID);
}

Test(ct, icmp_of_no_kind_is_invalid)
{
	cr_expect_eq(look(ICMP_A("9")), HF_CT_INVALID);
	cr_expect_eq(look(ICMP_A("40")), HF_CT_INVALID);
	cr_expect_eq(look(ICMP6_A("200")), HF_CT_INVALID);
	cr_expect_eq(
		look(ICMP6_A("137")), HF_CT_INVALID, "redirects are none of RFC 4861's exempt");
}

Test(ct, neighbour_discovery_is_untracked)
{
	cr_expect_eq(pass(ICMP6_A("135")), HF_CT_UNTRACKED);
	cr_expect_eq(pass(ICMP6_B("136")), HF_CT_UNTRACKED);
	cr_expect_eq(pass(ICMP6_A("143")), HF_CT_UNTRACKED);
	cr_expect_eq(hf_ct_count(ct), 0);
}

static enum hf_ct look_error(const char *error, const char *quoted)
{
	struct hf_packet q = packet(quoted);
	struct frame_opts o = {.quoted = &q};
	struct hf_ct_view v;

	(void)look_in(1, error, &o, &v);
	cr_assert_eq(hf_ct_commit(ct, &v, now, 100, (struct hf_ct_note){0}), 0);
	return v.ct;
}

#define ERROR_TO_A "src=203.0.113.9 dst=192.0.2.1 proto=icmp code=1 type="

Test(ct, icmp_errors_belong_to_the_connection_they_quote)
{
	static const char *const types[] = {"3", "4", "5", "11", "12"};
	char line[128];
	size_t i;

	(void)pass(UDP_A);
	(void)pass(TCP_A("S"));
	(void)pass(ICMP_A("8"));
	for (i = 0; i < RTE_DIM(types); i++) {
		(void)snprintf(line, sizeof(line), "%s%s", ERROR_TO_A, types[i]);
		cr_expect_eq(look_error(line, UDP_A), HF_CT_RELATED);
		cr_expect_eq(look_error(line, TCP_A("S")), HF_CT_RELATED);
		cr_expect_eq(look_error(line, ICMP_A("8")), HF_CT_RELATED);
	}
	cr_expect_eq(hf_ct_count(ct), 3, "errors make no entries");
	cr_expect_eq(look(UDP_A), HF_CT_NEW, "and answer nothing");
}

Test(ct, icmp_errors_to_either_end)
{
	(void)pass(UDP_A);
	(void)pass(UDP_B);
	cr_expect_eq(look_error("src=203.0.113.9 dst=192.0.2.2 proto=icmp type=3 code=3", UDP_B),
		HF_CT_RELATED);
}

Test(ct, icmp_errors_about_strangers_are_invalid)
{
	(void)pass(UDP_A);
	cr_expect_eq(look_error(ERROR_TO_A "3", A_TO_B "proto=sctp"), HF_CT_INVALID);
	cr_expect_eq(look_error("src=203.0.113.9 dst=192.0.2.7 proto=icmp type=3 code=1", UDP_A),
		HF_CT_INVALID, "not to the sender");
	cr_expect_eq(look_error(ERROR_TO_A "3", ICMP_A("3")), HF_CT_INVALID, "about an error");
	cr_expect_eq(look(ERROR_TO_A "3"), HF_CT_INVALID, "about nothing");
}

Test(ct, icmpv6_errors)
{
	(void)pass("src=2001:db8::1 dst=2001:db8::2 proto=udp sport=1 dport=2");
	cr_expect_eq(look_error("src=2001:db8::9 dst=2001:db8::1 proto=icmpv6 type=2 code=0",
			     "src=2001:db8::1 dst=2001:db8::2 proto=udp sport=1 dport=2"),
		HF_CT_RELATED);
	cr_expect_eq(look_error("src=2001:db8::9 dst=2001:db8::1 proto=icmpv6 type=2 code=0",
			     "src=2001:db8::1 dst=2001:db8::2 proto=udp sport=1 dport=3"),
		HF_CT_INVALID);
}

static bool lives(const char *answer)
{
	return look(answer) == HF_CT_ESTABLISHED;
}

/* The entry answers one cycle before its time is over, and no longer. */
static void check_life(const char *answer, unsigned int seconds)
{
	uint64_t from = now;

	now = from + (uint64_t)seconds * HZ - 1;
	cr_expect(lives(answer), "%s dies before %u s", answer, seconds);
	now++;
	cr_expect_not(lives(answer), "%s lives after %u s", answer, seconds);
	cr_expect_eq(hf_ct_count(ct), 0);
}

Test(ct, lives_of_udp)
{
	(void)pass(UDP_A);
	check_life(UDP_B, 30);
	(void)pass(UDP_A);
	(void)pass(UDP_B);
	check_life(UDP_B, 120);
}

Test(ct, lives_of_others)
{
	(void)pass(ICMP_A("8"));
	check_life(ICMP_B("0"), 30);
	(void)pass("src=192.0.2.1 dst=192.0.2.2 proto=253");
	check_life("src=192.0.2.2 dst=192.0.2.1 proto=253", 600);
}

Test(ct, lives_of_tcp)
{
	(void)pass(TCP_A("S"));
	check_life(TCP_B("SA"), 120);

	(void)pass(TCP_A("S"));
	(void)pass(TCP_B("SA"));
	check_life(TCP_B("A"), 60);

	(void)pass(TCP_A("S"));
	(void)pass(TCP_B("SA"));
	(void)pass(TCP_A("A"));
	check_life(TCP_B("A"), 5 * 24 * 3600);

	(void)pass(TCP_A("A"));
	check_life(TCP_B("A"), 300);
}

Test(ct, lives_of_closing_tcp)
{
	static const struct {
		const char *steps[4];
		unsigned int seconds;
	} ways[] = {
		{{TCP_A("FA")}, 120},
		{{TCP_A("FA"), TCP_B("A")}, 60},
		{{TCP_A("FA"), TCP_B("FA")}, 30},
		{{TCP_A("FA"), TCP_B("FA"), TCP_A("A")}, 120},
		{{TCP_B("R")}, 10},
	};
	size_t i, k;

	for (i = 0; i < RTE_DIM(ways); i++) {
		(void)pass(TCP_A("S"));
		(void)pass(TCP_B("SA"));
		(void)pass(TCP_A("A"));
		for (k = 0; ways[i].steps[k]; k++)
			(void)pass(ways[i].steps[k]);
		check_life(TCP_B("RA"), ways[i].seconds);
	}
}

Test(ct, packets_prolong_life)
{
	int i;

	(void)pass(UDP_A);
	for (i = 0; i < 10; i++) {
		now += 29 * HZ;
		(void)pass(UDP_A);
	}
	cr_expect(lives(UDP_B));
	/* So do packets that come too often for the list of timers to be touched. */
	now += HZ / 2;
	(void)pass(UDP_A);
	check_life(UDP_B, 30);
}

Test(ct, sweep_removes_what_has_expired_and_no_more)
{
	char line[128];
	int i;

	for (i = 0; i < 20; i++) {
		(void)snprintf(line, sizeof(line),
			"src=192.0.2.1 dst=192.0.2.2 sport=%d dport=80 proto=udp", i + 1);
		(void)pass(line);
		now += HZ;
	}
	/* The first is 20 seconds old now. */
	cr_expect_eq(hf_ct_expire(ct, now, 100), 0);
	now += 10 * HZ;
	cr_expect_eq(hf_ct_expire(ct, now, 100), 1);
	now += 9 * HZ;
	cr_expect_eq(hf_ct_expire(ct, now, 4), 4, "bounded");
	cr_expect_eq(hf_ct_expire(ct, now, 100), 5);
	cr_expect_eq(hf_ct_count(ct), 10);
}

/* Behind one that goes on living. */
Test(ct, sweep_finds_what_has_expired_behind_older_ones)
{
	(void)pass(UDP_A);
	now += HZ;
	(void)pass("src=192.0.2.1 dst=192.0.2.2 proto=253");
	(void)pass("src=192.0.2.1 dst=192.0.2.2 sport=1001 dport=80 proto=udp");
	now += 20 * HZ;
	(void)pass(UDP_A);
	now += 10 * HZ;
	cr_expect_eq(hf_ct_expire(ct, now, 100), 1);
	cr_expect(lives(UDP_B));
}

static int try_to_enter(int i, const char *rest)
{
	struct hf_ct_view v;
	char line[128];

	(void)snprintf(line, sizeof(line), "src=198.51.100.%d dst=192.0.2.2 %s", i, rest);
	(void)look_in(1, line, NULL, &v);
	return hf_ct_commit(ct, &v, now, 100, (struct hf_ct_note){0});
}

static void fill_with_assured(int from, int n)
{
	char line[128];
	int i;

	for (i = from; i < from + n; i++) {
		cr_assert_eq(try_to_enter(i, "proto=udp sport=1 dport=2"), 0);
		(void)snprintf(line, sizeof(line),
			"src=192.0.2.2 dst=198.51.100.%d proto=udp sport=2 dport=1", i);
		cr_assert_eq(pass(line), HF_CT_ESTABLISHED);
	}
}

Test(ct, full_table_refuses_when_all_are_assured)
{
	struct hf_ct_stats stats;

	fill_with_assured(1, 64);
	cr_expect_eq(hf_ct_count(ct), 64);
	cr_expect_eq(try_to_enter(99, "proto=udp sport=1 dport=2"), -ENOSPC);
	cr_expect_eq(hf_ct_count(ct), 64);
	hf_ct_read_stats(ct, &stats);
	cr_expect(stats.made == 64 && stats.evicted == 0 && stats.expired == 0);
}

Test(ct, full_table_makes_room_by_what_has_expired)
{
	struct hf_ct_stats stats;

	fill_with_assured(1, 64);
	now += 120 * HZ;
	cr_expect_eq(try_to_enter(99, "proto=udp sport=1 dport=2"), 0);
	hf_ct_read_stats(ct, &stats);
	cr_expect_eq(stats.evicted, 0);
	cr_expect_gt(stats.expired, 0);
}

Test(ct, full_table_makes_room_by_the_oldest_half_open)
{
	struct hf_ct_stats stats;
	int i;

	fill_with_assured(1, 60);
	for (i = 61; i <= 64; i++)
		cr_assert_eq(try_to_enter(i, "proto=tcp sport=1 dport=2 flags=S"), 0);
	cr_expect_eq(try_to_enter(99, "proto=tcp sport=1 dport=2 flags=S"), 0);
	hf_ct_read_stats(ct, &stats);
	cr_expect_eq(stats.evicted, 1);
	cr_expect_eq(look("src=192.0.2.2 dst=198.51.100.61 proto=tcp sport=2 dport=1 flags=SA"),
		HF_CT_INVALID, "the oldest is gone");
	cr_expect_eq(look("src=192.0.2.2 dst=198.51.100.62 proto=tcp sport=2 dport=1 flags=SA"),
		HF_CT_ESTABLISHED);
	cr_expect_eq(look("src=192.0.2.2 dst=198.51.100.1 proto=udp sport=2 dport=1"),
		HF_CT_ESTABLISHED, "assured ones stay");
}

/* A SYN flood answered by SYN-ACKs of a listener is half-open all the same. */
Test(ct, answered_but_unfinished_handshakes_are_half_open)
{
	int i;

	for (i = 1; i <= 64; i++) {
		char line[128];

		cr_assert_eq(try_to_enter(i, "proto=tcp sport=1 dport=2 flags=S"), 0);
		(void)snprintf(line, sizeof(line),
			"src=192.0.2.2 dst=198.51.100.%d proto=tcp sport=2 dport=1 flags=SA", i);
		cr_assert_eq(pass(line), HF_CT_ESTABLISHED);
	}
	cr_expect_eq(try_to_enter(99, "proto=tcp sport=1 dport=2 flags=S"), 0);
}

Test(ct, survives_many_generations_of_entries)
{
	char rest[64];
	int i;

	for (i = 0; i < 5000; i++) {
		(void)snprintf(rest, sizeof(rest), "proto=udp sport=%d dport=2", i % 60000 + 1);
		cr_assert_eq(try_to_enter(i % 250 + 1, rest), 0);
		now += HZ / 10;
	}
	cr_expect_leq(hf_ct_count(ct), 64);
	now += 1000 * HZ;
	(void)hf_ct_expire(ct, now, 1000);
	cr_expect_eq(hf_ct_count(ct), 0);
}

Test(ct, can_be_read)
{
	struct hf_ct_info info, found = {0};
	uint32_t i, n = 0;

	(void)pass(TCP_A("S"));
	(void)pass(TCP_B("SA"));
	(void)pass(TCP_A("A"));
	for (i = 0; i < hf_ct_size(ct); i++) {
		if (hf_ct_read(ct, i, &info)) {
			found = info;
			n++;
		}
	}
	cr_assert_eq(n, 1);
	cr_expect_eq(found.zone, 1);
	cr_expect_eq(found.proto, HF_PROTO_TCP);
	cr_expect_eq(found.tcp_state, HF_TCP_ESTABLISHED);
	cr_expect(found.replied && found.assured);
	cr_expect(found.sport == 1000 && found.dport == 80);
	cr_expect_eq(found.src.b[3], 1);
	cr_expect_eq(found.dst.b[3], 2);
	cr_expect(found.packets[0] == 2 && found.packets[1] == 1);
	cr_expect(found.bytes[0] == 200 && found.bytes[1] == 100);
	cr_expect_eq(found.expires, now + UINT64_C(5) * 24 * 3600 * HZ);
}

Test(ct, refuses_senseless_sizes)
{
	struct hf_ct_opts opts = {.max_entries = 0, .hz = HZ, .socket = SOCKET_ID_ANY};
	struct hf_ct_table *none = NULL;
	struct hf_err err;

	cr_expect_eq(hf_ct_new(&opts, &none, &err), -EINVAL);
	cr_expect_null(none);
	cr_expect(strstr(err.text, "connection table"));
}

/* A flood from one address does not push out the handshakes of others. */
Test(ct, no_source_has_more_than_its_share)
{
	struct hf_ct_stats stats;
	char line[128];
	int i, full = 0;

	for (i = 0; i < 40; i++)
		cr_assert_eq(try_to_enter(i + 1, "proto=tcp sport=1 dport=2 flags=S"), 0);
	for (i = 0; i < 200; i++) {
		struct hf_ct_view v;
		int rc;

		(void)snprintf(line, sizeof(line),
			"src=203.0.113.66 dst=192.0.2.2 proto=tcp sport=%d dport=2 flags=S", i + 1);
		(void)look_in(1, line, NULL, &v);
		rc = hf_ct_commit(ct, &v, now, 100, (struct hf_ct_note){0});
		cr_assert(rc == 0 || rc == -EDQUOT);
		full += rc < 0;
	}
	hf_ct_read_stats(ct, &stats);
	cr_expect_eq(full, 200 - 24, "the places that were free");
	cr_expect_eq(stats.refused_share, (uint64_t)full);
	cr_expect_eq(stats.evicted, 0);
	cr_expect_eq(stats.half_open, 64);
	cr_expect_eq(look("src=192.0.2.2 dst=198.51.100.1 proto=tcp sport=2 dport=1 flags=SA"),
		HF_CT_ESTABLISHED, "the others are still there");
	cr_expect_eq(try_to_enter(99, "proto=tcp sport=1 dport=2 flags=S"), 0, "and may call");
}

Test(ct, shares_are_given_back)
{
	char line[128];
	int i, round;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 64; i++) {
			(void)snprintf(line, sizeof(line),
				"src=203.0.113.66 dst=192.0.2.2 proto=udp sport=%d dport=2", i + 1);
			cr_assert_eq(pass(line), HF_CT_NEW, "round %d", round);
		}
		now += 31 * HZ;
		cr_assert_eq(hf_ct_expire(ct, now, 100), 64);
	}
}

Test(ct, families_do_not_crowd_each_other_out)
{
	fill_with_assured(1, 64);
	cr_expect_eq(pass("src=2001:db8::1 dst=2001:db8::2 proto=udp sport=1 dport=2"), HF_CT_NEW);
	cr_expect_eq(pass("src=2001:db8::2 dst=2001:db8::1 proto=udp sport=2 dport=1"),
		HF_CT_ESTABLISHED);
	cr_expect_eq(hf_ct_count(ct), 65);
}

Test(ct, memory_is_what_was_promised)
{
	cr_expect_leq(hf_ct_memory(4, 1000000), 128u * 1000000);
	cr_expect_leq(hf_ct_memory(6, 1000000), 192u * 1000000);
}

/* The answer of a flush is what is left. */
static uint32_t flush(const struct hf_ct_filter *filter)
{
	uint32_t at = 0;

	while (hf_ct_flush(ct, filter, &at, 7))
		;
	return hf_ct_count(ct);
}

Test(ct, flush_takes_what_fits)
{
	struct hf_ct_filter f = {0};
	struct hf_ct_view v;
	struct hf_ct_stats stats;

	(void)pass(UDP_A);
	(void)pass(TCP_A("S"));
	(void)pass("src=192.0.2.9 dst=192.0.2.2 sport=7 dport=53 proto=udp");
	(void)pass("src=2001:db8::1 dst=2001:db8::2 proto=udp sport=1 dport=53");
	(void)look_in(2, UDP_A, NULL, &v);
	cr_assert_eq(hf_ct_commit(ct, &v, now, 1, (struct hf_ct_note){0}), 0);
	cr_assert_eq(hf_ct_count(ct), 5);

	f.proto = HF_PROTO_SCTP;
	cr_expect_eq(flush(&f), 5);
	f = (struct hf_ct_filter){.zone = 2};
	cr_expect_eq(flush(&f), 4);
	f = (struct hf_ct_filter){.proto = HF_PROTO_TCP};
	cr_expect_eq(flush(&f), 3);
	f = (struct hf_ct_filter){.dport = 53};
	cr_assert_eq(hf_prefix_parse("192.0.2.8/29", &f.src, NULL), 0);
	cr_expect_eq(flush(&f), 2);
	f = (struct hf_ct_filter){.sport = 1000};
	cr_expect_eq(flush(&f), 1);
	f = (struct hf_ct_filter){0};
	cr_expect_eq(flush(&f), 0);
	hf_ct_read_stats(ct, &stats);
	cr_expect_eq(stats.flushed, 5);
	cr_expect_eq(pass(UDP_A), HF_CT_NEW);
}

Test(ct, timers_can_be_set)
{
	struct hf_ct_opts opts = {.max_entries = 64, .hz = HZ, .socket = SOCKET_ID_ANY};

	hf_ct_free(ct);
	opts.seconds[HF_CT_UDP_NEW] = 5;
	cr_assert_eq(hf_ct_new(&opts, &ct, NULL), 0);
	(void)pass(UDP_A);
	check_life(UDP_B, 5);
}

/* Looking at a whole burst at once, and again before each step. */
Test(ct, views_may_be_looked_at_again)
{
	static const char *const lines[] = {UDP_A, UDP_B, UDP_A, TCP_A("S"), TCP_A("A")};
	static const enum hf_ct first[] = {HF_CT_NEW, HF_CT_NEW, HF_CT_NEW, HF_CT_NEW, HF_CT_NEW};
	static const enum hf_ct again[] = {
		HF_CT_NEW, HF_CT_ESTABLISHED, HF_CT_ESTABLISHED, HF_CT_NEW, HF_CT_INVALID};
	struct hf_ct_view v[RTE_DIM(lines)];
	struct rte_mbuf *m[RTE_DIM(lines)];
	struct hf_pkt pkt[RTE_DIM(lines)];
	size_t i;

	for (i = 0; i < RTE_DIM(lines); i++) {
		m[i] = line_mbuf(lines[i], NULL);
		cr_assert_eq(hf_pkt_parse(m[i], &pkt[i]), HF_PARSE_IP);
		hf_ct_aim(ct, &pkt[i], 1, &v[i]);
	}
	for (i = 0; i < RTE_DIM(lines); i++)
		hf_ct_fetch(ct, &v[i]);
	for (i = 0; i < RTE_DIM(lines); i++) {
		hf_ct_look(ct, m[i], &pkt[i], now, &v[i]);
		cr_expect_eq(v[i].ct, first[i], "%s", lines[i]);
	}
	for (i = 0; i < RTE_DIM(lines); i++) {
		hf_ct_look(ct, m[i], &pkt[i], now, &v[i]);
		cr_expect_eq(v[i].ct, again[i], "%s", lines[i]);
		if (v[i].ct != HF_CT_INVALID)
			cr_expect_eq(hf_ct_commit(ct, &v[i], now, 1, (struct hf_ct_note){0}), 0);
		rte_pktmbuf_free(m[i]);
	}
	cr_expect_eq(hf_ct_count(ct), 2);
}

/* An entry of IPv6 is as long as its key. */
Test(ct, ipv6_addresses_are_compared_whole)
{
	char line[128];
	int i;

	for (i = 0; i < 32; i++) {
		(void)snprintf(line, sizeof(line),
			"src=2001:db8::%x dst=2001:db8:%x::2 proto=udp sport=1 dport=2",
			1 << i % 16, i < 16 ? 1 : 1 << (i - 16));
		(void)pass(line);
	}
	cr_expect_eq(hf_ct_count(ct), 31, "two are the same");
}
