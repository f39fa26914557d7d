/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections that are offered to the NIC, and what its mark on their packets is worth. */

#include "path_test.h"

#include <hepflow/plan.h>

#include <rte_mbuf.h>

#include <string.h>

TestSuite(offer, .init = hf_test_eal_init, .fini = path_fini);

#define AFTER	       4
#define CALL	       TO_HOST("proto=udp dport=80")
#define ANSWER	       FROM_HOST("proto=udp sport=80")
#define DIAL(flags)    "src=192.0.2.10 dst=" CLIENT " proto=tcp sport=4000 dport=443 flags=" flags
#define PICK_UP(flags) "src=" CLIENT " dst=192.0.2.10 proto=tcp sport=443 dport=4000 flags=" flags
/* Untracked policy is asked about every UDP packet: established ones are not calm. */
#define TOUCHY WORLD UNTRACKED
/* The same connection is now denied in front of conntrack. */
#define HARSH                                                                                      \
	WORLD POLICY("raw", "  doNotTrack: true\n  applyOnForward: true\n"                         \
			    "  types: [Ingress]\n  ingress:\n"                                     \
			    "    - {action: Deny, protocol: UDP, source: {ports: [5000]}}\n")

static void begin(const char *yaml)
{
	path_init(yaml);
	hf_soft_set_offers(soft, eth0, AFTER);
	path_change(make_rules(yaml));
}

static bool holds(const struct hf_soft_offer *offer)
{
	uint64_t packets;

	return hf_soft_offer_holds(soft, offer, &packets);
}

static enum hf_soft_reason send_marked(uint32_t mark, const char *line)
{
	struct rte_mbuf *m = line_mbuf(line, NULL);

	m->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
	m->hash.fdir.hi = mark;
	return send_mbuf(eth0, HF_SOFT_IN, m);
}

/* A connection that has come so far as to be offered. */
static struct hf_soft_offer offered(void)
{
	struct hf_soft_offer offer;
	int i;

	IN(eth0, CALL, HF_SOFT_ALLOW);
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	for (i = 2; i < AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	cr_assert(!hf_soft_next_offer(soft, &offer), "too early");
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	cr_assert(hf_soft_next_offer(soft, &offer));
	cr_assert(holds(&offer));
	return offer;
}

Test(offer, is_made_after_some_packets_as_they_arrive)
{
	struct hf_soft_offer offer, more;
	char src[HF_ADDRSTR_SIZE], dst[HF_ADDRSTR_SIZE];
	int i;

	begin(TOUCHY);
	offer = offered();
	cr_expect_eq(offer.wire, eth0);
	cr_expect_eq(offer.proto, HF_PROTO_UDP);
	cr_expect_str_eq(hf_addr_print(&offer.src, src), CLIENT);
	cr_expect_str_eq(hf_addr_print(&offer.dst, dst), "192.0.2.10");
	cr_expect_eq(offer.sport, 5000);
	cr_expect_eq(offer.dport, 80);
	/* Nobody has taken it: it is offered again, but not with every packet. */
	for (i = 0; i < AFTER; i++) {
		cr_expect(!hf_soft_next_offer(soft, &more));
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	}
	cr_expect(hf_soft_next_offer(soft, &more));
	cr_expect_eq(more.ticket, offer.ticket);
}

Test(offer, replies_that_arrive_are_offered_and_what_leaves_is_not)
{
	struct hf_soft_offer offer;
	int i;

	begin(WORLD);
	OUT(eth0, DIAL("S"), HF_SOFT_ALLOW);
	IN(eth0, PICK_UP("SA"), HF_SOFT_ESTABLISHED);
	for (i = 0; i < 2 * AFTER; i++)
		OUT(eth0, DIAL("A"), HF_SOFT_ESTABLISHED);
	cr_expect(!hf_soft_next_offer(soft, &offer));
	for (i = 0; i < AFTER; i++)
		IN(eth0, PICK_UP("A"), HF_SOFT_ESTABLISHED);
	cr_assert(hf_soft_next_offer(soft, &offer));
	cr_expect_eq(offer.sport, 443);
	cr_expect_eq(offer.dport, 4000);
	IN(eth0, PICK_UP("FA"), HF_SOFT_ESTABLISHED);
	cr_expect(!holds(&offer), "it is ending");
}

Test(offer, is_not_made_for_tags_and_other_protocols_or_unless_asked_for)
{
	struct hf_soft_offer offer;
	int i;

	begin(WORLD POLICY("all", "  types: [Ingress]\n  ingress: [{action: Allow}]\n"));
	for (i = 0; i < 4 * AFTER; i++) {
		IN(eth0, TO_HOST("proto=sctp dport=80"), i ? HF_SOFT_ESTABLISHED : HF_SOFT_ALLOW);
		if (!i)
			OUT(eth0, FROM_HOST("proto=sctp sport=80"), HF_SOFT_ESTABLISHED);
	}
	cr_expect(!hf_soft_next_offer(soft, &offer));
	hf_soft_set_offers(soft, eth0, 0);
	path_change(make_rules(TOUCHY));
	IN(eth0, CALL, HF_SOFT_ALLOW);
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	for (i = 0; i < 4 * AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	cr_expect(!hf_soft_next_offer(soft, &offer));
}

Test(offer, mark_spares_the_rules_while_the_connection_is_known)
{
	struct hf_soft_offer offer;
	uint64_t packets;

	begin(TOUCHY);
	offer = offered();
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_OFFLOADED);
	cr_expect(hf_soft_offer_holds(soft, &offer, &packets));
	cr_expect_eq(packets, AFTER + 1, "marked packets count as all others");
	cr_expect_eq(send_marked(offer.mark, TO_HOST("proto=udp dport=81")), HF_SOFT_DENY,
		"the mark on a packet of no connection");
	cr_expect_eq(send_marked(offer.mark,
			     "src=" CLIENT " dst=192.0.2.10 proto=udp sport=666 dport=80"),
		HF_SOFT_DENY, "and where untracked policy denies");
	cr_expect_eq(send_marked(offer.mark, TO_HOST("vlan=100 proto=udp dport=80")),
		HF_SOFT_ESTABLISHED, "of another interface: judged");
	now += 200 * HZ;
	cr_expect_eq(send_marked(offer.mark, TO_HOST("proto=udp dport=81")), HF_SOFT_DENY);
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_ALLOW, "expired, so new, and judged");
}

Test(offer, mark_of_a_forgotten_connection_is_worth_nothing)
{
	const struct hf_soft_filter all = {.any_wire = true};
	struct hf_soft_offer offer;
	uint32_t at = 0;

	begin(TOUCHY);
	offer = offered();
	while (hf_soft_forget(soft, 0, &all, &at))
		;
	cr_expect(!holds(&offer));
	path_change(make_rules(FACTS("accept") PODS HEP));
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_DENY);
}

Test(offer, mark_of_older_rules_is_worth_nothing)
{
	struct hf_soft_offer offer, late;
	int i;

	begin(TOUCHY);
	offer = offered();
	for (i = 0; i < AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	/* The next offer lies in the ring while the rules change. */
	path_change(make_rules(HARSH));
	cr_expect(!hf_soft_next_offer(soft, &late), "judged by older rules");
	cr_expect(!holds(&offer));
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_DENY);
	path_change(make_rules(TOUCHY));
	cr_expect(!holds(&offer), "an old mark does not come back");
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_ESTABLISHED);
}

Test(offer, holds_over_rules_that_leave_established_packets_alone)
{
	struct hf_soft_offer offer;

	begin(WORLD);
	offer = offered();
	path_change(make_rules(FACTS("accept") PODS HEP));
	cr_expect(holds(&offer));
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_OFFLOADED);
	path_change(make_rules(HARSH));
	cr_expect(!holds(&offer));
	cr_expect_eq(send_marked(offer.mark, CALL), HF_SOFT_DENY);
}

Test(offer, too_many_are_lost_and_counted)
{
	struct hf_soft_offer offer;
	unsigned int i, n = 0;

	begin(TOUCHY);
	(void)offered();
	for (i = 0; i < 2000 * AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	while (hf_soft_next_offer(soft, &offer))
		n++;
	cr_expect_eq(n + hf_soft_count_offers_lost(soft), 2000);
	cr_expect_gt(n, 0);
	cr_expect_gt(hf_soft_count_offers_lost(soft), 0);
}

/* Answers of the same connection are now denied in front of conntrack. */
#define MUTE                                                                                       \
	WORLD POLICY("raw", "  doNotTrack: true\n  applyOnForward: true\n"                         \
			    "  types: [Egress]\n  egress:\n"                                       \
			    "    - {action: Deny, protocol: UDP, source: {ports: [80]}}\n")

static void begin_pairs(const char *yaml)
{
	begin(yaml);
	hf_soft_set_pairs(soft, eth0, true);
	path_change(make_rules(yaml));
}

Test(offer, for_an_eswitch_is_made_of_marked_packets_too)
{
	struct hf_soft_offer offer;
	int i;

	begin_pairs(WORLD);
	cr_expect_eq(send_marked(HF_MARK_ALLOW, CALL), HF_SOFT_MARKED);
	for (i = 0; i < 2 * AFTER; i++)
		cr_expect_eq(send_marked(HF_MARK_ALLOW, CALL), HF_SOFT_MARKED);
	cr_expect(!hf_soft_next_offer(soft, &offer), "nobody has answered");
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	for (i = 0; i < AFTER; i++)
		cr_expect_eq(send_marked(HF_MARK_ALLOW, CALL), HF_SOFT_MARKED);
	cr_assert(hf_soft_next_offer(soft, &offer));
	cr_expect_eq(offer.dport, 80);
	cr_expect_eq(offer.mark, hf_soft_offers_mark(soft));
}

Test(offer, for_an_eswitch_needs_both_ways)
{
	struct hf_soft_offer offer;
	int i;

	begin_pairs(WORLD);
	offer = offered();
	path_change(make_rules(MUTE));
	cr_expect(!holds(&offer), "the NIC must give it back");
	cr_expect_neq(offer.mark, hf_soft_offers_mark(soft));
	for (i = 0; i < 4 * AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	cr_expect(!hf_soft_next_offer(soft, &offer), "answers may not pass");
	/* Where only what comes in is the NIC's, it is no matter. */
	hf_soft_set_pairs(soft, eth0, false);
	path_change(make_rules(MUTE));
	for (i = 0; i < AFTER; i++)
		IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	cr_expect(hf_soft_next_offer(soft, &offer));
}

Test(offer, of_a_connection_that_only_the_nic_sees_holds)
{
	struct hf_soft_offer offer;
	int i;

	begin_pairs(WORLD);
	offer = offered();
	for (i = 0; i < 5; i++) {
		now += 100 * HZ;
		hf_soft_touch(soft, &offer);
		hf_soft_poll(soft, 0, now);
		cr_assert(holds(&offer), "told that it lives, %d", i);
	}
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	now += 200 * HZ;
	hf_soft_poll(soft, 0, now);
	cr_expect(!holds(&offer), "nobody has told");
	hf_soft_touch(soft, &offer);
	hf_soft_poll(soft, 0, now);
	cr_expect(!holds(&offer), "and nothing comes back to life");
}

/* Judged again by new policy, a connection must come to software for that. */
Test(offer, for_an_eswitch_does_not_outlive_rules_that_ask_again)
{
	struct hf_soft_offer offer;

	path_reclassify = HF_SOFT_RECLASSIFY_ALL;
	begin_pairs(WORLD);
	offer = offered();
	path_change(make_rules(FACTS("accept") PODS HEP));
	cr_expect(!holds(&offer));
	path_reclassify = HF_SOFT_RECLASSIFY_OFF;
}

/* It may be idle: nobody waits for its next packet to find out. */
Test(offer, does_not_hold_when_connections_are_judged_again_and_it_is_refused)
{
	struct hf_soft_offer offer;

	path_reclassify = HF_SOFT_RECLASSIFY_ALL;
	begin(WORLD);
	offer = offered();
	path_change(make_rules(FACTS("accept") PODS HEP POLICY("none", "  types: [Ingress]\n")));
	cr_expect(!holds(&offer));
	path_change(make_rules(WORLD));
	cr_expect(holds(&offer));
}

Test(offer, holds_without_a_rule_that_denies_if_only_these_count)
{
	struct hf_soft_offer offer;

	path_reclassify = HF_SOFT_RECLASSIFY_DENY_ONLY;
	begin(WORLD);
	offer = offered();
	path_change(make_rules(FACTS("accept") PODS HEP POLICY("none", "  types: [Ingress]\n")));
	cr_expect(holds(&offer));
	path_change(make_rules(FACTS("accept") PODS HEP POLICY(
		"none", "  types: [Ingress]\n  ingress: [{action: Deny}]\n")));
	cr_expect(!holds(&offer));
}

/* Masqueraded: not the host's own, whatever its address says. */
Test(offer, of_a_forwarded_connection_is_judged_as_one)
{
	struct frame_opts syn = {.seq = 4711};
	struct hf_soft_offer offer;
	int i;

	path_reclassify = HF_SOFT_RECLASSIFY_ALL;
	begin(WORLD);
	check_at(__LINE__, cali0, HF_SOFT_IN,
		"src=10.65.0.2 dst=" CLIENT " sport=9 dport=81 proto=tcp", &syn,
		HF_SOFT_KERNEL_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " sport=61000 dport=81 proto=tcp", &syn,
		HF_SOFT_TRANSIT);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=81 dport=61000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=61000 dport=81 proto=tcp flags=A",
		HF_SOFT_ESTABLISHED);
	for (i = 1; i < AFTER; i++)
		IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=81 dport=61000 proto=tcp flags=A",
			HF_SOFT_ESTABLISHED);
	cr_assert(hf_soft_next_offer(soft, &offer));
	path_change(make_rules(WORLD));
	cr_expect(holds(&offer));
}

/* TCP 80 in and, as calls, from port 80 out; UDP likewise; 81 only in. */
#define BOTH_WAYS                                                                                  \
	FACTS("accept")                                                                            \
	PODS HEP POLICY("both",                                                                    \
		"  types: [Ingress, Egress]\n"                                                     \
		"  ingress:\n    - {action: Allow, protocol: TCP, destination: {ports: [80, "      \
		"81]}}\n"                                                                          \
		"    - {action: Allow, protocol: UDP, destination: {ports: [80, 81]}}\n"           \
		"    - {action: Allow, protocol: ICMP}\n"                                          \
		"  egress:\n    - {action: Allow, protocol: TCP, source: {ports: [80, 82]}}\n"     \
		"    - {action: Allow, protocol: UDP, source: {ports: [80, 82]}}\n"                \
		"    - {action: Allow, protocol: ICMP}\n")
#define PROBLEM			"src=192.0.2.10 dst=" CLIENT " proto=icmp type=3 code=3"
#define TCP_ANSWER(port, flags) FROM_HOST("proto=tcp sport=" port " flags=" flags)

/* A call that only the NIC has seen. */
Test(offer, answers_to_what_an_eswitch_delivers_are_no_strangers)
{
	path_init(BOTH_WAYS);
	path_change(make_rules(BOTH_WAYS));
	OUT(eth0, TCP_ANSWER("80", "SA"), HF_SOFT_DENY);
	hf_soft_set_delivers(soft, eth0, true);
	path_change(make_rules(BOTH_WAYS));
	OUT(eth0, TCP_ANSWER("80", "SA"), HF_SOFT_ALLOW);
	OUT(eth0, TCP_ANSWER("80", "R"), HF_SOFT_ALLOW);
	OUT(eth0, TCP_ANSWER("80", "A"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	OUT(eth0, TCP_ANSWER("81", "SA"), HF_SOFT_DENY); /* no call of the host's could leave */
	OUT(eth0, TCP_ANSWER("82", "SA"), HF_SOFT_DENY); /* nothing could have come in */
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " proto=icmp type=0",
		HF_SOFT_DENY); /* queries come here */
}

static enum hf_soft_reason send_error(const char *error, const char *quoted)
{
	struct hf_packet q = packet(quoted);
	struct frame_opts o = {.quoted = &q};

	return send_mbuf(eth0, HF_SOFT_OUT, line_mbuf(error, &o));
}

Test(offer, errors_about_what_an_eswitch_delivers_pass)
{
	path_init(BOTH_WAYS);
	hf_soft_set_delivers(soft, eth0, true);
	path_change(make_rules(BOTH_WAYS));
	cr_expect_eq(send_error(PROBLEM, CALL), HF_SOFT_ALLOW);
	cr_expect_eq(send_error(PROBLEM, TO_HOST("proto=udp dport=81")), HF_SOFT_DENY);
	cr_expect_eq(send_error("src=192.0.2.10 dst=203.0.113.1 proto=icmp type=3 code=3", CALL),
		HF_SOFT_DENY, "not to who has sent it");
}
