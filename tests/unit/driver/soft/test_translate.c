/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Services that policy allows for some backends only: sent to one of these here. What comes out is
 * compared byte by byte with the packet that the kernel, or the caller, should see; checksums are
 * worked out anew for that, by sums over everything.
 */

#include "path_test.h"

#include <hepflow/rules.h>

#include <rte_mbuf.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "10.65.0.2" /* cali0 */
#define B "10.65.0.3" /* cali1 */
#define C "10.65.0.4" /* without a wire */

/* TCP to port 3000 is denied in pods; of the host only TCP and UDP to port 80 are allowed. */
#define SERVICES                                                                                   \
	"    - {proto: tcp, dst: 192.0.2.10, port: 31000, to: ['" A ":3000', '" B ":4000']}\n"     \
	"    - {proto: udp, dst: 192.0.2.10, port: 31001, to: ['192.0.2.10:81',"                   \
	" '192.0.2.10:80']}\n"                                                                     \
	"    - {proto: tcp, dst: 192.0.2.10, port: 31002, to: ['" C ":3000', '" B ":4000']}\n"     \
	"    - {proto: tcp, dst: '2001:db8::10', port: 31004, to: ['[2001:db8::10]:81',"           \
	" '[2001:db8::10]:80']}\n"                                                                 \
	"    - {proto: sctp, dst: 192.0.2.10, port: 31005, to: ['192.0.2.10:132', '" B ":133']}\n" \
	"    - {proto: tcp, dst: 192.0.2.10, port: 31006, to: ['192.0.2.10:81',"                   \
	" '203.0.113.9:4000']}\n"                                                                  \
	"    - {proto: tcp, dst: 192.0.2.10, port: 31007, to: ['" A ":3000', '" B ":4000']}\n"     \
	"    - {proto: tcp, dst: 10.96.0.1, port: 80, to: ['" A ":3000', '" B ":4000',"            \
	" '203.0.113.9:4000']}\n"                                                                  \
	"    - {proto: udp, dst: 192.0.2.10, port: 31008, to: ['192.0.2.10:81', '" B ":8']}\n"

static char *world_text;

static void fini(void)
{
	free(world_text);
	path_ambiguous = HF_SOFT_AMBIGUOUS_RECHECK;
	path_reclassify = HF_SOFT_RECLASSIFY_OFF;
	path_fini();
}

TestSuite(translate, .init = hf_test_eal_init, .fini = fini);

/* The usual world with the services, and more policy. */
static char *text_with(const char *more)
{
	static const char mark[] = "  kernelPolicy", world[] = WORLD;
	const char *at = strstr(world, mark);
	char *text = NULL;

	cr_assert(at &&
		  asprintf(&text, "%.*s%s%s%s", (int)(at - world), world, SERVICES, at, more) > 0);
	return text;
}

static void begin(enum hf_soft_ambiguous mode)
{
	path_ambiguous = mode;
	world_text = text_with("");
	path_init(world_text);
}

static uint32_t add_words(const uint8_t *p, size_t n, uint32_t sum)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_sum(uint8_t *p, uint16_t sum)
{
	p[0] = (uint8_t)(sum >> 8);
	p[1] = (uint8_t)sum;
}

/* RFC 9260 appendix A, bit by bit. */
static void put_crc32c(uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	memset(p + 8, 0, 4);
	for (i = 0; i < n; i++) {
		crc ^= p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	for (i = 0; i < 4; i++)
		p[8 + i] = (uint8_t)(~crc >> 8 * i);
}

/* All checksums of an IP packet without fragments. */
static void seal(uint8_t *ip, size_t n)
{
	bool v4 = ip[0] >> 4 == 4;
	uint8_t proto = v4 ? ip[9] : ip[6], *l4 = ip + (v4 ? 20 : 40);
	size_t len = n - (size_t)(l4 - ip);
	uint32_t pseudo = add_words(ip + (v4 ? 12 : 8), v4 ? 8 : 32, proto + (uint32_t)len);

	if (v4) {
		put_sum(ip + 10, 0);
		put_sum(ip + 10, checksum(add_words(ip, 20, 0)));
	}
	if ((proto == HF_PROTO_ICMP && l4[0] == 3) || (proto == HF_PROTO_ICMPV6 && l4[0] == 1))
		seal(l4 + 8, len - 8);
	if (proto == HF_PROTO_TCP)
		put_sum(l4 + 16, checksum(add_words(l4, len, pseudo)));
	else if (proto == HF_PROTO_UDP)
		put_sum(l4 + 6, checksum(add_words(l4, len, pseudo)));
	else if (proto == HF_PROTO_ICMP)
		put_sum(l4 + 2, checksum(add_words(l4, len, 0)));
	else if (proto == HF_PROTO_ICMPV6)
		put_sum(l4 + 2, checksum(add_words(l4, len, pseudo)));
	else if (proto == HF_PROTO_SCTP)
		put_crc32c(l4, len);
}

static size_t sealed(const char *line, const struct frame_opts *opts, uint8_t *frame)
{
	struct hf_packet pkt = packet(line);
	size_t n = make_frame(&pkt, opts, frame);

	seal(frame + 14, n - 14);
	return n;
}

/* Sends line, in pieces, and expects want to come out (NULL: nothing) for the reason. */
static void check_pieces(int at, unsigned int wire, enum hf_soft_dir dir, const char *line,
	const char *want, const struct frame_opts *opts, const struct frame_opts *want_opts,
	enum hf_soft_reason reason, size_t piece)
{
	uint8_t frame[FRAME_MAX], expected[FRAME_MAX], buf[FRAME_MAX];
	size_t n = sealed(line, opts, frame), n_want = want ? sealed(want, want_opts, expected) : 0;
	uint64_t before = hf_soft_count_reason(soft, reason).packets;
	struct rte_mbuf *m = make_mbuf(frame, n, piece);
	uint16_t passed = hf_soft_burst(soft, 0, wire, dir, &m, 1, now);

	cr_expect_eq(hf_soft_count_reason(soft, reason).packets, before + 1,
		"line %d: %s: not counted as %s", at, line, hf_soft_reason_name(reason));
	cr_expect_eq(passed, want != NULL, "line %d: %s", at, line);
	if (passed && want) {
		const void *got = rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), buf);

		cr_expect(rte_pktmbuf_pkt_len(m) == n_want && memcmp(got, expected, n_want) == 0,
			"line %d: %s: does not come out as %s", at, line, want);
	}
	if (passed)
		rte_pktmbuf_free(m);
}

#define CROSS(wire, dir, line, want, reason)                                                       \
	check_pieces(__LINE__, wire, dir, line, want, NULL, NULL, reason, SIZE_MAX)

#define CALL(port, rest)   "src=" CLIENT " dst=192.0.2.10 sport=5000 dport=" port " " rest
#define ANSWER(port, rest) "src=192.0.2.10 dst=" CLIENT " sport=" port " dport=5000 " rest
#define AT_B(rest)	   "src=" CLIENT " dst=" B " sport=5000 dport=4000 " rest
#define FROM_B(rest)	   "src=" B " dst=" CLIENT " sport=4000 dport=5000 " rest

Test(translate, a_call_goes_to_the_allowed_backend_and_the_answer_comes_from_the_service)
{
	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	/* Where it leaves for the pod it is like any other. */
	OUT(cali1, AT_B("proto=tcp"), HF_SOFT_TRANSIT);
	IN(cali1, FROM_B("proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	CROSS(eth0, HF_SOFT_OUT, FROM_B("proto=tcp flags=SA"),
		ANSWER("31000", "proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp flags=A"), AT_B("proto=tcp flags=A"),
		HF_SOFT_ESTABLISHED);
}

Test(translate, sent_again_it_goes_the_same_way)
{
	struct hf_soft_table_counts c;
	int i;

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	for (i = 0; i < 3; i++)
		CROSS(eth0, HF_SOFT_IN, CALL("31001", "proto=udp"),
			"src=" CLIENT " dst=192.0.2.10 sport=5000 dport=80 proto=udp",
			HF_SOFT_DNAT_TRANSLATED);
	hf_soft_count_tables(soft, &c);
	cr_expect_eq(c.conns_translated, 1);
	cr_expect_eq(c.conns, 1);
}

Test(translate, udp_on_the_host_itself)
{
	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31001", "proto=udp"),
		"src=" CLIENT " dst=192.0.2.10 sport=5000 dport=80 proto=udp",
		HF_SOFT_DNAT_TRANSLATED);
	CROSS(eth0, HF_SOFT_OUT, ANSWER("80", "proto=udp"), ANSWER("31001", "proto=udp"),
		HF_SOFT_ESTABLISHED);
	CROSS(eth0, HF_SOFT_IN, CALL("31001", "proto=udp"),
		"src=" CLIENT " dst=192.0.2.10 sport=5000 dport=80 proto=udp", HF_SOFT_ESTABLISHED);
}

Test(translate, ipv6_and_mbufs_in_pieces)
{
	struct frame_opts o = {.payload = 33, .fill = 0x5a};
	size_t piece;
	char call[128], at_host[128];

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	for (piece = 14; piece < 120; piece += 7) {
		(void)snprintf(call, sizeof(call),
			"src=2001:db8::7 dst=2001:db8::10 sport=%zu dport=31004 proto=tcp", piece);
		(void)snprintf(at_host, sizeof(at_host),
			"src=2001:db8::7 dst=2001:db8::10 sport=%zu dport=80 proto=tcp", piece);
		check_pieces(__LINE__, eth0, HF_SOFT_IN, call, at_host, &o, &o,
			HF_SOFT_DNAT_TRANSLATED, piece);
	}
	CROSS(eth0, HF_SOFT_OUT,
		"src=2001:db8::10 dst=2001:db8::7 sport=80 dport=14 proto=tcp flags=SA",
		"src=2001:db8::10 dst=2001:db8::7 sport=31004 dport=14 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

Test(translate, sctp_with_its_crc)
{
	struct frame_opts o = {.payload = 300, .fill = 0x77};

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	check_pieces(__LINE__, eth0, HF_SOFT_IN, CALL("31005", "proto=sctp"),
		"src=" CLIENT " dst=" B " sport=5000 dport=133 proto=sctp", &o, &o,
		HF_SOFT_DNAT_TRANSLATED, 100);
}

/* Damage stays visible. */
Test(translate, what_is_damaged_stays_damaged)
{
	static const char *const lines[][2] = {
		{CALL("31000", "proto=tcp"), AT_B("proto=tcp")},
		{CALL("31005", "proto=sctp"),
			"src=" CLIENT " dst=" B " sport=5000 dport=133 proto=sctp"},
	};
	size_t i, n;

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	for (i = 0; i < 2; i++) {
		uint8_t frame[FRAME_MAX], want[FRAME_MAX];
		struct frame_opts o = {.payload = 40};
		struct rte_mbuf *m;

		n = sealed(lines[i][0], &o, frame);
		(void)sealed(lines[i][1], &o, want);
		frame[n - 1] ^= 4;
		want[n - 1] ^= 4;
		m = make_mbuf(frame, n, n);
		cr_assert_eq(hf_soft_burst(soft, 0, eth0, HF_SOFT_IN, &m, 1, now), 1);
		cr_expect_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), want, n, "%s", lines[i][0]);
		rte_pktmbuf_free(m);
	}
}

Test(translate, a_udp_checksum_that_is_none_stays_none)
{
	struct hf_packet pkt = packet(CALL("31001", "proto=udp"));
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(&pkt, NULL, frame);
	struct rte_mbuf *m = make_mbuf(frame, n, n);

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	cr_assert_eq(hf_soft_burst(soft, 0, eth0, HF_SOFT_IN, &m, 1, now), 1);
	cr_expect_eq(rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 2], 0);
	cr_expect_eq(rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 3], 80);
	cr_expect_eq(rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 6], 0);
	cr_expect_eq(rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 7], 0);
	rte_pktmbuf_free(m);
}

/* Errors quote what their receiver has sent: the service for the caller, the backend behind. */
Test(translate, icmp_errors)
{
	struct hf_packet at_b = packet(AT_B("proto=tcp")),
			 call = packet(CALL("31000", "proto=tcp"));
	struct hf_packet from_b = packet(FROM_B("proto=tcp flags=SA"));
	struct hf_packet answer = packet(ANSWER("31000", "proto=tcp flags=SA"));
	struct frame_opts quotes_at_b = {.quoted = &at_b}, quotes_call = {.quoted = &call};
	struct frame_opts quotes_from_b = {.quoted = &from_b}, quotes_answer = {.quoted = &answer};
	const char *error = "proto=icmp type=3 code=3";
	char line[128], want[128];

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	/* By the backend, and by a router on the way. */
	(void)snprintf(line, sizeof(line), "src=" B " dst=" CLIENT " %s", error);
	(void)snprintf(want, sizeof(want), "src=192.0.2.10 dst=" CLIENT " %s", error);
	check_pieces(__LINE__, eth0, HF_SOFT_OUT, line, want, &quotes_at_b, &quotes_call,
		HF_SOFT_RELATED, 64);
	(void)snprintf(line, sizeof(line), "src=10.65.0.9 dst=" CLIENT " %s", error);
	check_pieces(__LINE__, eth0, HF_SOFT_OUT, line, line, &quotes_at_b, &quotes_call,
		HF_SOFT_RELATED, SIZE_MAX);
	/* By the caller about an answer. */
	(void)snprintf(line, sizeof(line), "src=" CLIENT " dst=192.0.2.10 %s", error);
	(void)snprintf(want, sizeof(want), "src=" CLIENT " dst=" B " %s", error);
	check_pieces(__LINE__, eth0, HF_SOFT_IN, line, want, &quotes_answer, &quotes_from_b,
		HF_SOFT_RELATED, 50);
}

/* The first of a datagram's fragments has ports and checksum, the others follow its address. */
static struct rte_mbuf *fragment_of(const uint8_t *frame, size_t n, size_t from, size_t to)
{
	uint8_t piece[FRAME_MAX];

	memcpy(piece, frame, 34);
	memcpy(piece + 34, frame + 34 + from, to - from);
	put_sum(piece + 16, (uint16_t)(20 + to - from));
	put_sum(piece + 18, 77); /* identification */
	put_sum(piece + 20, (uint16_t)((34 + to < n ? 0x2000 : 0) | from / 8));
	put_sum(piece + 24, 0);
	put_sum(piece + 24, checksum(add_words(piece + 14, 20, 0)));
	return make_mbuf(piece, 34 + to - from, SIZE_MAX);
}

static void check_fragments(
	const char *line, const char *want, enum hf_soft_dir dir, bool backwards)
{
	uint8_t frame[FRAME_MAX], expected[FRAME_MAX];
	struct frame_opts o = {.payload = 120, .fill = 9};
	size_t n = sealed(line, &o, frame), i, k, cuts[] = {0, 48, 96, n - 34}, got = 0;

	(void)sealed(want, &o, expected);
	for (i = 0; i < 3; i++) {
		size_t at = backwards ? 2 - i : i;
		struct rte_mbuf *m[4] = {fragment_of(frame, n, cuts[at], cuts[at + 1])};
		uint16_t passed = hf_soft_burst(soft, 0, eth0, dir, m, 1, now), more;

		more = hf_soft_more(soft, 0, eth0, dir, m + passed, (uint16_t)(4 - passed));
		for (k = 0; k < passed + more; k++, got++) {
			const uint8_t *p = rte_pktmbuf_mtod(m[k], uint8_t *);
			size_t off = ((size_t)(p[20] & 0x1f) << 8 | p[21]) * 8;
			size_t j = off == cuts[1] ? 1 : off == cuts[2] ? 2 : 0;
			struct rte_mbuf *e = fragment_of(expected, n, cuts[j], cuts[j + 1]);

			cr_expect(rte_pktmbuf_pkt_len(e) == rte_pktmbuf_pkt_len(m[k]) &&
					  memcmp(rte_pktmbuf_mtod(e, void *), p,
						  rte_pktmbuf_pkt_len(e)) == 0,
				"fragment %zu of %s", j, line);
			rte_pktmbuf_free(e);
			rte_pktmbuf_free(m[k]);
		}
	}
	cr_expect_eq(got, 3, "%s: %zu fragments pass", line, got);
}

Test(translate, fragments)
{
	bool backwards = false;

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	do {
		check_fragments(CALL("31008", "proto=udp"),
			"src=" CLIENT " dst=" B " sport=5000 dport=8 proto=udp", HF_SOFT_IN,
			backwards);
		check_fragments("src=" B " dst=" CLIENT " sport=8 dport=5000 proto=udp",
			ANSWER("31008", "proto=udp"), HF_SOFT_OUT, backwards);
		now += 60 * HZ;
		backwards = !backwards;
	} while (backwards);
}

/* Callers of one address and port, by two services: behind us they must be told apart. */
Test(translate, two_services_of_one_backend)
{
	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	CROSS(eth0, HF_SOFT_IN, CALL("31007", "proto=tcp"), NULL, HF_SOFT_DNAT_REFUSED);
	CROSS(eth0, HF_SOFT_IN, AT_B("proto=tcp"), NULL, HF_SOFT_DNAT_REFUSED);
	CROSS(eth0, HF_SOFT_IN, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=31007 proto=tcp",
		"src=" CLIENT " dst=" B " sport=5001 dport=4000 proto=tcp",
		HF_SOFT_DNAT_TRANSLATED);
	/* And once somebody calls the backend itself. */
	CROSS(eth0, HF_SOFT_IN, "src=" CLIENT " dst=" B " sport=5002 dport=4000 proto=tcp",
		"src=" CLIENT " dst=" B " sport=5002 dport=4000 proto=tcp", HF_SOFT_ALLOW);
	CROSS(eth0, HF_SOFT_IN, "src=" CLIENT " dst=192.0.2.10 sport=5002 dport=31007 proto=tcp",
		NULL, HF_SOFT_DNAT_REFUSED);
}

/* Answers of backends out there do not come back this way, unless a pod of ours has called. */
Test(translate, only_backends_whose_answers_come_back)
{
	path_ambiguous = HF_SOFT_AMBIGUOUS_TRANSLATE;
	world_text = text_with("---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
			       "metadata: {name: a, namespace: ns}\nspec:\n"
			       "  selector: pod == 'a'\n  types: [Ingress]\n");
	path_init(world_text);
	CROSS(eth0, HF_SOFT_IN, CALL("31006", "proto=tcp"), NULL, HF_SOFT_DNAT_REFUSED);
	/* A is denied, and B itself is no backend for B. */
	CROSS(cali1, HF_SOFT_IN, "src=" B " dst=10.96.0.1 sport=9 dport=80 proto=tcp",
		"src=" B " dst=203.0.113.9 sport=9 dport=4000 proto=tcp", HF_SOFT_DNAT_TRANSLATED);
	CROSS(cali1, HF_SOFT_OUT, "src=203.0.113.9 dst=" B " sport=4000 dport=9 proto=tcp flags=SA",
		"src=10.96.0.1 dst=" B " sport=80 dport=9 proto=tcp flags=SA", HF_SOFT_ESTABLISHED);
}

Test(translate, rechecked_unless_a_denied_backend_is_behind_no_wire)
{
	begin(HF_SOFT_AMBIGUOUS_RECHECK);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), CALL("31000", "proto=tcp"),
		HF_SOFT_DNAT_AMBIGUOUS);
	CROSS(eth0, HF_SOFT_IN, CALL("31002", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	CROSS(eth0, HF_SOFT_IN, CALL("31001", "proto=udp"),
		"src=" CLIENT " dst=192.0.2.10 sport=5000 dport=80 proto=udp",
		HF_SOFT_DNAT_TRANSLATED);
}

Test(translate, or_dropped)
{
	begin(HF_SOFT_AMBIGUOUS_DROP);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), NULL, HF_SOFT_DNAT_REFUSED);
	CROSS(eth0, HF_SOFT_IN, CALL("30004", "proto=tcp"), CALL("30004", "proto=tcp"),
		HF_SOFT_ALLOW);
}

/* The kernel took the denied one, and gave it our own address. */
Test(translate, a_denied_backend_behind_masquerading_is_not_reached)
{
	struct frame_opts syn = {.seq = 777}, other = {.seq = 778};

	begin(HF_SOFT_AMBIGUOUS_RECHECK);
	check_at(__LINE__, eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), &syn,
		HF_SOFT_DNAT_AMBIGUOUS);
	check_at(__LINE__, cali0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" A " sport=61 dport=3000 proto=tcp", &syn,
		HF_SOFT_DNAT_REFUSED);
	check_at(__LINE__, cali0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" A " sport=61 dport=3000 proto=tcp", &other,
		HF_SOFT_KERNEL_ALLOW);
	check_at(__LINE__, cali1, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" B " sport=61 dport=4000 proto=tcp", &syn,
		HF_SOFT_KERNEL_ALLOW);
}

/* Policy changes, and the connection stays where it is; with reclassify only if it may. */
Test(translate, a_session_stays_on_its_backend)
{
	char *other = text_with(
		POLICY("b", "  order: 1\n  applyOnForward: true\n  types: [Ingress]\n  ingress:\n"
			    "    - {action: Deny, protocol: TCP, destination: {ports: [4000]}}\n"
			    "    - {action: Allow}\n"));

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	CROSS(eth0, HF_SOFT_OUT, FROM_B("proto=tcp flags=SA"),
		ANSWER("31000", "proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	path_change(make_rules(other));
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp flags=A"), AT_B("proto=tcp flags=A"),
		HF_SOFT_ESTABLISHED);
	CROSS(eth0, HF_SOFT_IN, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=31000 proto=tcp",
		"src=" CLIENT " dst=" A " sport=5001 dport=3000 proto=tcp",
		HF_SOFT_DNAT_TRANSLATED);
	free(other);
}

Test(translate, judged_again_by_its_own_backend)
{
	char *other = text_with(
		POLICY("b", "  order: 1\n  applyOnForward: true\n  types: [Ingress]\n  ingress:\n"
			    "    - {action: Deny, protocol: TCP, destination: {ports: [4000]}}\n"
			    "    - {action: Allow}\n"));

	path_reclassify = HF_SOFT_RECLASSIFY_ALL;
	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	CROSS(eth0, HF_SOFT_OUT, FROM_B("proto=tcp flags=SA"),
		ANSWER("31000", "proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	path_change(make_rules(other));
	CROSS(eth0, HF_SOFT_OUT, FROM_B("proto=tcp flags=A"), NULL, HF_SOFT_DENY);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp flags=A"), NULL, HF_SOFT_DENY);
	free(other);
}

/* Nobody has answered yet: what policy no longer allows is left for what it does. */
Test(translate, unanswered_calls_are_sent_elsewhere_when_their_backend_is_denied)
{
	char *other = text_with(
		POLICY("b", "  order: 1\n  applyOnForward: true\n  types: [Ingress]\n  ingress:\n"
			    "    - {action: Deny, protocol: TCP, destination: {ports: [4000]}}\n"
			    "    - {action: Allow}\n"));

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	path_change(make_rules(other));
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"),
		"src=" CLIENT " dst=" A " sport=5000 dport=3000 proto=tcp",
		HF_SOFT_DNAT_TRANSLATED);
	free(other);
}

static bool dumped(struct hf_soft_conn *ret)
{
	struct hf_soft_iter iter = {0};

	return hf_soft_next_conn(soft, &iter, ret);
}

Test(translate, shown_forgotten_and_bounded)
{
	struct hf_soft_filter all = {.any_wire = true};
	struct hf_soft_table_counts c;
	struct hf_soft_conn conn;
	uint32_t at = 0;
	char call[128], at_b[128];
	int i;

	begin(HF_SOFT_AMBIGUOUS_TRANSLATE);
	CROSS(eth0, HF_SOFT_IN, CALL("31000", "proto=tcp"), AT_B("proto=tcp"),
		HF_SOFT_DNAT_TRANSLATED);
	cr_assert(dumped(&conn));
	cr_expect(conn.translated && conn.backend.b[3] == 3 && conn.backend_port == 4000);
	cr_expect(conn.dst.b[3] == 10 && conn.dport == 31000);
	while (hf_soft_forget(soft, 0, &all, &at))
		;
	hf_soft_poll(soft, 0, now);
	hf_soft_count_tables(soft, &c);
	cr_expect_eq(c.conns_translated, 0);
	cr_expect_eq(c.conns, 0);
	/* What it was may call the backend itself now. */
	CROSS(eth0, HF_SOFT_IN, AT_B("proto=tcp"), AT_B("proto=tcp"), HF_SOFT_ALLOW);
	for (i = 0; i < 17; i++) {
		(void)snprintf(call, sizeof(call),
			"src=" CLIENT " dst=192.0.2.10 sport=%d dport=31000 proto=tcp", 6000 + i);
		(void)snprintf(at_b, sizeof(at_b),
			"src=" CLIENT " dst=" B " sport=%d dport=4000 proto=tcp", 6000 + i);
		CROSS(eth0, HF_SOFT_IN, call, i < 16 ? at_b : NULL,
			i < 16 ? HF_SOFT_DNAT_TRANSLATED : HF_SOFT_TABLE_FULL);
	}
	/* Once the others are over there is room again. */
	now += 200 * HZ;
	hf_soft_poll(soft, 0, now);
	CROSS(eth0, HF_SOFT_IN, call, at_b, HF_SOFT_DNAT_TRANSLATED);
}
