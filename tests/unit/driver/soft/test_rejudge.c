/* SPDX-License-Identifier: BSD-3-Clause */

/* Established connections that new rules would not let begin. */

#include "path_test.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <rte_mbuf.h>

#include <stdio.h>
#include <string.h>

TestSuite(rejudge, .init = hf_test_eal_init, .fini = path_fini);

#define CALL   TO_HOST("proto=udp dport=80")
#define ANSWER FROM_HOST("proto=udp sport=80")
#define PING   "src=" CLIENT " dst=192.0.2.10 proto=icmp type=8"
#define PONG   "src=192.0.2.10 dst=" CLIENT " proto=icmp type=0"

#define BASE   FACTS("accept") PODS HEP
/* Nothing allows port 80 any more, but no rule speaks of it. */
#define SILENT BASE POLICY("normal", "  types: [Ingress, Egress]\n")
#define DENYING                                                                                    \
	BASE POLICY("normal",                                                                      \
		"  types: [Ingress, Egress]\n"                                                     \
		"  ingress:\n    - {action: Deny, protocol: UDP, destination: {ports: [80]}}\n"    \
		"    - {action: Deny, protocol: TCP, destination: {ports: [80]}}\n"                \
		"    - {action: Deny, protocol: ICMP}\n"                                           \
		"  egress:\n    - {action: Deny, protocol: TCP, destination: {ports: [443]}}\n")
#define PINGABLE                                                                                   \
	BASE POLICY("normal", "  types: [Ingress]\n  ingress: [{action: Allow, protocol: "         \
			      "ICMP}]\n")

static void begin(enum hf_soft_reclassify mode, const char *yaml)
{
	path_reclassify = mode;
	path_init(yaml);
}

static void connect_udp(void)
{
	IN(eth0, CALL, HF_SOFT_ALLOW);
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
}

Test(rejudge, off_lets_connections_go_on)
{
	begin(HF_SOFT_RECLASSIFY_OFF, WORLD);
	connect_udp();
	path_change(make_rules(DENYING));
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
}

Test(rejudge, all_ends_what_is_not_allowed_and_begins_it_again)
{
	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	connect_udp();
	path_change(make_rules(WORLD));
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	path_change(make_rules(SILENT));
	OUT(eth0, ANSWER, HF_SOFT_DENY);
	IN(eth0, CALL, HF_SOFT_DENY);
	IN(eth0, CALL, HF_SOFT_DENY);
	path_change(make_rules(WORLD));
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
}

Test(rejudge, deny_only_asks_for_a_rule)
{
	begin(HF_SOFT_RECLASSIFY_DENY_ONLY, WORLD);
	connect_udp();
	path_change(make_rules(SILENT));
	IN(eth0, CALL, HF_SOFT_ESTABLISHED);
	OUT(eth0, ANSWER, HF_SOFT_ESTABLISHED);
	path_change(make_rules(DENYING));
	OUT(eth0, ANSWER, HF_SOFT_DENY);
	IN(eth0, CALL, HF_SOFT_DENY);
}

Test(rejudge, rule_that_denies_is_counted)
{
	size_t i;

	begin(HF_SOFT_RECLASSIFY_DENY_ONLY, WORLD);
	connect_udp();
	path_change(make_rules(DENYING));
	OUT(eth0, ANSWER, HF_SOFT_DENY);
	for (i = 0; i < hf_rules_n_origins(rules); i++) {
		if (strcmp(hf_rules_origin(rules, i), "default/gnp:normal/ingress/0") == 0)
			break;
	}
	cr_assert_lt(i, hf_rules_n_origins(rules));
	cr_expect_eq(hf_soft_count_origin(soft, i).packets, 1);
}

#define DIAL(flags)    "src=192.0.2.10 dst=" CLIENT " proto=tcp sport=4000 dport=443 flags=" flags
#define PICK_UP(flags) "src=" CLIENT " dst=192.0.2.10 proto=tcp sport=443 dport=4000 flags=" flags

Test(rejudge, calls_of_the_host_are_judged_as_calls_whoever_speaks)
{
	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	OUT(eth0, DIAL("S"), HF_SOFT_ALLOW);
	IN(eth0, PICK_UP("SA"), HF_SOFT_ESTABLISHED);
	OUT(eth0, DIAL("A"), HF_SOFT_ESTABLISHED);
	path_change(make_rules(WORLD UNTRACKED));
	IN(eth0, PICK_UP("A"), HF_SOFT_ESTABLISHED);
	path_change(make_rules(DENYING));
	IN(eth0, PICK_UP("A"), HF_SOFT_DENY);
	OUT(eth0, DIAL("A"), HF_SOFT_DENY);
}

Test(rejudge, nobody_takes_a_refused_connection_up_again)
{
	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=S"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	/* What the host sends would be a new connection that is allowed. */
	path_change(make_rules(BASE POLICY("normal", "  types: [Ingress, Egress]\n"
						     "  egress: [{action: Allow}]\n")));
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_DENY);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=A"), HF_SOFT_DENY);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=RA"), HF_SOFT_DENY);
}

Test(rejudge, forwarded_connections)
{
	const char *there = "src=" CLIENT " dst=10.65.0.2 proto=udp sport=9 dport=53";
	const char *back = "src=10.65.0.2 dst=" CLIENT " proto=udp sport=53 dport=9";

	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	IN(eth0, there, HF_SOFT_ALLOW);
	OUT(cali0, there, HF_SOFT_TRANSIT);
	IN(cali0, back, HF_SOFT_ESTABLISHED);
	OUT(eth0, back, HF_SOFT_ESTABLISHED);
	path_change(make_rules(FACTS("accept") PODS HEP POLICY(
		"forward", "  applyOnForward: true\n  types: [Ingress]\n")));
	OUT(eth0, back, HF_SOFT_DENY);
	IN(eth0, there, HF_SOFT_DENY);
}

Test(rejudge, pings)
{
	const struct frame_opts id = {.icmp_id = 7};

	begin(HF_SOFT_RECLASSIFY_DENY_ONLY, PINGABLE);
	check_at(__LINE__, eth0, HF_SOFT_IN, PING, &id, HF_SOFT_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_OUT, PONG, &id, HF_SOFT_ESTABLISHED);
	path_change(make_rules(PINGABLE));
	check_at(__LINE__, eth0, HF_SOFT_OUT, PONG, &id, HF_SOFT_ESTABLISHED);
	path_change(make_rules(DENYING));
	check_at(__LINE__, eth0, HF_SOFT_OUT, PONG, &id, HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_IN, PING, &id, HF_SOFT_DENY);
}

Test(rejudge, marks_do_not_help)
{
	struct hf_soft_offer offer;
	struct rte_mbuf *m;
	uint64_t packets;
	int i;

	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	hf_soft_set_offers(soft, eth0, 2);
	path_change(make_rules(WORLD));
	connect_udp();
	cr_assert(hf_soft_next_offer(soft, &offer));
	path_change(make_rules(SILENT));
	for (i = 0; i < 2; i++) {
		m = line_mbuf(CALL, NULL);
		m->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
		m->hash.fdir.hi = i ? HF_MARK_ALLOW : offer.mark;
		cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, m), HF_SOFT_DENY);
	}
	cr_expect(!hf_soft_offer_holds(soft, &offer, &packets), "it goes from the NIC");
}

Test(rejudge, refused_connections_make_room)
{
	char line[128];
	int i, k;

	begin(HF_SOFT_RECLASSIFY_ALL, WORLD);
	for (i = 1; i <= 64; i++) {
		for (k = 0; k < 2; k++) {
			(void)snprintf(line, sizeof(line),
				"src=198.51.100.%d dst=192.0.2.10 sport=1 dport=80 proto=udp", i);
			IN(eth0, line, k ? HF_SOFT_ESTABLISHED : HF_SOFT_ALLOW);
			(void)snprintf(line, sizeof(line),
				"src=192.0.2.10 dst=198.51.100.%d sport=80 dport=1 proto=udp", i);
			OUT(eth0, line, HF_SOFT_ESTABLISHED);
		}
	}
	IN(eth0, "src=198.51.100.99 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_TABLE_FULL);
	path_change(make_rules(SILENT));
	IN(eth0, "src=198.51.100.5 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_DENY);
	path_change(make_rules(WORLD));
	IN(eth0, "src=198.51.100.99 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_ALLOW);
	IN(eth0, "src=198.51.100.6 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_ESTABLISHED);
}
