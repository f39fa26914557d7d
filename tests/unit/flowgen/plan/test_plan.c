/* SPDX-License-Identifier: BSD-3-Clause */

#include "host.h"

#include <hf_test.h>

HF_SUITE(plan);

#define IN "in=eth0 src=198.51.100.7 dst=192.0.2.10 "

/* A global policy that selects the host endpoint. */
#define GNP(name, spec)                                                                            \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: " name "}\n"                                                             \
	"spec: {selector: has(host), types: [Ingress], " spec "}\n"

static void expect(
	const struct hf_host *h, const char *line, enum hf_fate fate, enum hf_reason reason)
{
	enum hf_reason got;
	enum hf_fate f = hf_host_judge(h, line, &got);

	cr_expect_eq(f, fate, "%s: %s", line, hf_fate_name(f));
	cr_expect_eq(got, reason, "%s: reason %d", line, got);
}

static const char deny_3000[] = GNP("deny-3000",
	"ingress: [{action: Deny, protocol: TCP, destination: {ports: [3000]}}, {action: Allow}]");

Test(plan, tracked_denial_is_for_opening_packets)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, deny_3000);
	expect(&h, IN "proto=tcp dport=3000", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=tcp dport=3000 flags=SU", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=tcp dport=3000 flags=SA", HF_FATE_PUNT, HF_REASON_STATEFUL);
	expect(&h, IN "proto=tcp dport=3000 flags=A", HF_FATE_PUNT, HF_REASON_STATEFUL);
	expect(&h, IN "proto=tcp dport=3001 flags=A", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, IN "proto=udp dport=3000", HF_FATE_ALLOW, HF_REASON_NONE);
	hf_host_fini(&h);
}

Test(plan, icmp_queries_open_and_answers_do_not)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, GNP("none", "ingress: [{action: Deny}]"));
	expect(&h, IN "proto=icmp type=8", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=icmp type=13", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=icmp type=0", HF_FATE_PUNT, HF_REASON_STATEFUL);
	expect(&h, IN "proto=icmp type=3 code=4", HF_FATE_PUNT, HF_REASON_STATEFUL);
	expect(&h, "in=eth0 src=2001:db8::7 dst=2001:db8::10 proto=icmpv6 type=128", HF_FATE_DENY,
		HF_REASON_NONE);
	expect(&h, "in=eth0 src=2001:db8::7 dst=2001:db8::10 proto=icmpv6 type=135", HF_FATE_PUNT,
		HF_REASON_STATEFUL);
	hf_host_fini(&h);
}

#define UNTRACKED                                                                                  \
	GNP("drop", "doNotTrack: true, applyOnForward: true, "                                     \
		    "ingress: [{action: Deny, protocol: UDP, destination: {ports: [3000]}},"       \
		    " {action: Allow, protocol: UDP, destination: {ports: [4000]}}]")

static const char untracked[] = UNTRACKED;
static const char untracked_no_failsafe[] = "---\n"
					    "apiVersion: projectcalico.org/v3\n"
					    "kind: FelixConfiguration\n"
					    "metadata: {name: default}\n"
					    "spec: {failsafeOutboundHostPorts: []}\n" UNTRACKED;

Test(plan, untracked_policy_offloads_whole)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, untracked);
	expect(&h, IN "proto=udp dport=3000", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=udp dport=4000", HF_FATE_ALLOW_UNTRACKED, HF_REASON_NONE);
	expect(&h, IN "proto=udp sport=53 dport=3000", HF_FATE_PUNT, HF_REASON_STATEFUL);
	cr_expect_eq(hf_host_account(&h, "default/gnp:drop/ingress/0")->share, HF_SHARE_WHOLE);
	hf_host_fini(&h);
}

Test(plan, failsafe_ports_are_the_hosts_only)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		GNP("deny-all", "applyOnForward: true, ingress: [{action: Deny}]"));
	expect(&h, IN "proto=tcp dport=22", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, IN "proto=tcp dport=22 flags=A", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, "in=eth0 src=198.51.100.7 dst=10.65.0.2 proto=tcp dport=22", HF_FATE_DENY,
		HF_REASON_NONE);
	hf_host_fini(&h);
}

Test(plan, what_the_nic_cannot_see_is_punted)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, deny_3000);
	expect(&h, IN "proto=tcp dport=30001", HF_FATE_PUNT, HF_REASON_DNAT);
	expect(&h, IN "proto=tcp dport=3001 frag=first", HF_FATE_PUNT, HF_REASON_FRAGMENT);
	expect(&h, IN "proto=tcp dport=3001 frag=later", HF_FATE_PUNT, HF_REASON_FRAGMENT);
	expect(&h, IN "proto=tcp dport=3001 vlan=7", HF_FATE_PUNT, HF_REASON_VLAN);
	expect(&h, "in=eth0 src=2001:db8::7 dst=2001:db8::10 proto=60", HF_FATE_PUNT,
		HF_REASON_EXTENSION);
	hf_host_fini(&h);
}

Test(plan, sctp_ports_are_a_wider_punt_on_mlx5)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		GNP("s", "ingress: [{action: Deny, protocol: SCTP, destination: {ports: [7]}},"
			 " {action: Allow}]"));
	expect(&h, IN "proto=sctp dport=7", HF_FATE_PUNT, HF_REASON_ITEM_UNSUPPORTED);
	expect(&h, IN "proto=sctp dport=8", HF_FATE_PUNT, HF_REASON_ITEM_UNSUPPORTED);
	expect(&h, IN "proto=udp dport=7", HF_FATE_ALLOW, HF_REASON_NONE);
	cr_expect_eq(hf_host_account(&h, "default/gnp:s/ingress/0")->detail, HF_F_SCTP_DPORT);
	hf_host_fini(&h);
}

/* The NIC does not see SCTP's ports, but whoever gets as far as that rule is allowed anyway. */
Test(plan, a_wider_entry_is_no_punt_where_all_of_it_has_one_verdict)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		GNP("s", "ingress: [{action: Deny, protocol: SCTP, source: {nets: "
			 "[203.0.113.0/24]}},"
			 " {action: Allow, protocol: SCTP, destination: {ports: [7]}},"
			 " {action: Allow, protocol: SCTP}]"));
	expect(&h, IN "proto=sctp dport=7", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, "in=eth0 src=203.0.113.7 dst=192.0.2.10 proto=sctp dport=7", HF_FATE_PUNT,
		HF_REASON_STATEFUL);
	cr_expect_eq(hf_host_account(&h, "default/gnp:s/ingress/1")->share, HF_SHARE_WHOLE);
	hf_host_fini(&h);
}

Test(plan, strict_invalid_leaves_allowing_to_those_who_see_states)
{
	struct hf_plan_opts opts = {.strict_invalid = true};
	struct hf_plan *strict;
	struct hf_packet pkt;
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, GNP("s", "ingress: [{action: Allow, protocol: TCP}]"));
	cr_assert_eq(hf_plan_build(h.rules, h.nic, &opts, &strict, NULL), 0);
	cr_assert_eq(hf_packet_parse(IN "proto=tcp dport=80", &pkt, NULL), 0);
	cr_expect_eq(hf_plan_judge(h.plan, &pkt, NULL), HF_FATE_ALLOW);
	cr_expect_eq(hf_plan_judge(strict, &pkt, NULL), HF_FATE_PUNT);
	hf_plan_free(strict);
	hf_host_fini(&h);
}

Test(plan, all_but_tcp_is_not_any_protocol)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		GNP("n", "ingress: [{action: Allow, notProtocol: TCP}, {action: Deny}]"));
	expect(&h, IN "proto=udp dport=9", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, IN "proto=tcp dport=9", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=47", HF_FATE_PUNT, HF_REASON_PROTOCOL);
	hf_host_fini(&h);
}

Test(plan, ranges_and_negations_are_exact)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		GNP("r", "ingress: [{action: Allow, protocol: UDP, source: {notNets: "
			 "[198.51.100.0/25]},"
			 " destination: {ports: ['1000:1999', 3]}},"
			 " {action: Allow, protocol: UDP, destination: {notPorts: ['1:2000']}}]"));
	expect(&h, "in=eth0 src=198.51.100.128 dst=192.0.2.10 proto=udp dport=1000", HF_FATE_ALLOW,
		0);
	expect(&h, "in=eth0 src=198.51.100.128 dst=192.0.2.10 proto=udp dport=1999", HF_FATE_ALLOW,
		0);
	expect(&h, "in=eth0 src=198.51.100.128 dst=192.0.2.10 proto=udp dport=999", HF_FATE_PUNT,
		HF_REASON_STATEFUL);
	expect(&h, "in=eth0 src=198.51.100.127 dst=192.0.2.10 proto=udp dport=1000", HF_FATE_PUNT,
		HF_REASON_STATEFUL);
	expect(&h, IN "proto=udp dport=2001", HF_FATE_ALLOW, 0);
	expect(&h, IN "proto=udp dport=2000", HF_FATE_PUNT, HF_REASON_STATEFUL);
	hf_host_fini(&h);
}

Test(plan, an_offload_wish_and_a_log_rule_go_to_software)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: GlobalNetworkPolicy\n"
		"metadata: {name: f, annotations: {hepflow/offload: forbid}}\n"
		"spec: {order: 1, selector: has(host), types: [Ingress],\n"
		"  ingress: [{action: Allow, protocol: UDP, destination: {ports: [1]}}]}\n" GNP("l",
			"order: 2, ingress: [{action: Log, protocol: UDP, destination: {ports: "
			"[2]}},"
			" {action: Allow}]"));
	expect(&h, IN "proto=udp dport=1", HF_FATE_PUNT, HF_REASON_OPERATOR);
	expect(&h, IN "proto=udp dport=2", HF_FATE_PUNT, HF_REASON_LOG);
	expect(&h, IN "proto=udp dport=3", HF_FATE_ALLOW, HF_REASON_NONE);
	hf_host_fini(&h);
}

/* The kernel's word for what Calico leaves open counts as a verdict. */
Test(plan, without_an_endpoint_everything_is_allowed)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, "");
	expect(&h, "in=eth0 src=198.51.100.7 dst=203.0.113.9 proto=udp dport=9", HF_FATE_ALLOW, 0);
	expect(&h, IN "proto=tcp dport=9", HF_FATE_DENY, 0); /* an endpoint without policies */
	hf_host_fini(&h);
}

Test(plan, flat_nics_decide_only_what_no_state_changes)
{
	struct hf_host h;

	hf_host_init(&h, "i40e-x710", 0, deny_3000);
	expect(&h, IN "proto=tcp dport=22", HF_FATE_ALLOW, HF_REASON_NONE);
	expect(&h, IN "proto=tcp dport=3000", HF_FATE_PUNT, HF_REASON_NONE);
	cr_expect_eq(
		hf_host_account(&h, "default/gnp:deny-3000/ingress/0")->reason, HF_REASON_STATEFUL);
	hf_host_fini(&h);
	/* From port 53 it may be an answer, which the outbound failsafe leaves to conntrack. */
	hf_host_init(&h, "i40e-x710", 0, untracked);
	expect(&h, IN "proto=udp dport=3000", HF_FATE_PUNT, HF_REASON_NONE);
	hf_host_fini(&h);
	hf_host_init(&h, "i40e-x710", 0, untracked_no_failsafe);
	expect(&h, IN "proto=udp dport=3000", HF_FATE_DENY, HF_REASON_NONE);
	expect(&h, IN "proto=udp dport=3000 frag=first", HF_FATE_PUNT, HF_REASON_NONE);
	hf_host_fini(&h);
}

/* What flat entries match must be one set of fields per packet type, or the card refuses them. */
Test(plan, flat_entries_of_a_type_have_one_shape)
{
	struct hf_host h;
	size_t i, k;

	hf_host_init(&h, "i40e-x710", 0, untracked_no_failsafe);
	cr_assert_gt(hf_plan_n_entries(h.plan), 2);
	for (i = 0; i < hf_plan_n_entries(h.plan); i++) {
		for (k = 0; k < i; k++) {
			const struct hf_entry *a = hf_plan_entry(h.plan, i),
					      *b = hf_plan_entry(h.plan, k);

			if (a->match.layers == b->match.layers)
				cr_expect_arr_eq(
					&a->match.mask, &b->match.mask, sizeof(a->match.mask));
		}
	}
	hf_host_fini(&h);
}

/* Tagged frames would meet the entries of the untagged interface. */
Test(plan, a_vlan_interface_stops_nics_that_cannot_see_tags)
{
	static const char facts[] = "apiVersion: hepflow/v1\n"
				    "kind: HostFacts\n"
				    "metadata: {name: n0}\n"
				    "spec:\n"
				    "  interfaces:\n"
				    "    - {name: eth0, addresses: [192.0.2.10/24]}\n"
				    "    - {name: eth0.7, addresses: [198.18.0.1/24]}\n";
	struct hf_host h;

	hf_host_init(&h, "i40e-x710", 0, facts);
	cr_expect_eq(hf_plan_n_entries(h.plan), 0);
	cr_expect_eq(hf_host_account(&h, "failsafe")->reason, HF_REASON_VLAN);
	hf_host_fini(&h);
	hf_host_init(&h, "mlx5-cx6dx", 0, facts);
	expect(&h, IN "proto=tcp dport=22", HF_FATE_ALLOW, HF_REASON_NONE);
	hf_host_fini(&h);
}

Test(plan, none_takes_nothing_and_says_so)
{
	struct hf_host h;

	hf_host_init(&h, "none", 0, deny_3000);
	cr_expect_eq(hf_plan_n_entries(h.plan), 0);
	expect(&h, IN "proto=tcp dport=3000", HF_FATE_PUNT, HF_REASON_NONE);
	cr_expect_eq(hf_host_account(&h, "default/gnp:deny-3000/ingress/0")->reason,
		HF_REASON_NO_ENGINE);
	hf_host_fini(&h);
}

Test(plan, never_holds_more_than_its_capacity)
{
	uint32_t capacity;
	struct hf_host h;

	for (capacity = 1; capacity < 120; capacity++) {
		hf_host_init(&h, "mlx5-cx6dx", capacity, deny_3000);
		cr_expect_leq(hf_plan_n_entries(h.plan), capacity);
		/* Whatever fits, a cut plan allows and denies nothing that the whole one does not.
		 */
		cr_expect_neq(hf_host_judge(&h, IN "proto=tcp dport=3000", NULL), HF_FATE_ALLOW);
		cr_expect_neq(hf_host_judge(&h, IN "proto=tcp dport=22", NULL), HF_FATE_DENY);
		hf_host_fini(&h);
	}
}

/* A busy host, to be cut: some rules of either verdict, a range, both families. */
static const char busy[] = GNP("busy",
	"applyOnForward: true, ingress: ["
	" {action: Deny, protocol: TCP, destination: {ports: [3000]}},"
	" {action: Allow, protocol: TCP, source: {nets: [198.51.100.0/24, 203.0.113.0/24], ports:"
	" ['1024:65535']}, destination: {ports: ['1024:65535']}},"
	" {action: Deny, protocol: UDP, destination: {ports: ['100:999']}},"
	" {action: Allow, protocol: UDP, destination: {ports: ['53:999']}},"
	" {action: Allow, protocol: ICMP}]");

static struct hf_plan *build_at(
	const struct hf_host *h, uint32_t capacity, const struct hf_weight *weights, size_t n)
{
	struct hf_plan_opts opts = {.capacity = capacity ? capacity : HF_CAPACITY_NONE,
		.classify_from = 1,
		.weights = weights,
		.n_weights = n};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	cr_assert_leq(hf_plan_n_entries(plan), capacity);
	return plan;
}

static size_t count_decided(const struct hf_plan *plan, bool *decided)
{
	static const uint16_t ports[] = {22, 53, 100, 999, 1000, 1023, 1024, 3000, 65535};
	static const char *const heads[] = {IN "proto=tcp flags=S", IN "proto=tcp flags=A",
		IN "proto=udp", "in=eth0 src=203.0.113.9 dst=10.65.0.2 proto=tcp flags=A",
		"in=eth0 src=203.0.113.9 dst=8.8.8.8 proto=udp", IN "proto=icmp type=8"};
	size_t i, s, d, n = 0, at = 0;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (s = 0; s < 9; s++) {
			for (d = 0; d < 9; d++) {
				struct hf_packet pkt;

				cr_assert_eq(hf_packet_parse(heads[i], &pkt, NULL), 0);
				if (pkt.proto != HF_PROTO_ICMP) {
					pkt.sport = ports[s];
					pkt.dport = ports[d];
				}
				decided[at] = hf_plan_judge(plan, &pkt, NULL) != HF_FATE_PUNT;
				n += decided[at++];
			}
		}
	}
	return n;
}

static void grows_with_capacity(const char *profile, const struct hf_weight *weights, size_t n)
{
	bool before[500] = {false}, now[500] = {false};
	size_t most = 0, at, i;
	struct hf_host h;

	hf_host_init(&h, profile, 0, busy);
	for (i = 0; i < 330; i++) {
		struct hf_plan *plan = build_at(&h, (uint32_t)i, weights, n);

		most = count_decided(plan, now);
		for (at = 0; at < sizeof(now); at++) {
			cr_expect(now[at] || !before[at], "%s: %zu entries, packet %zu", profile, i,
				at);
			before[at] = now[at];
		}
		hf_plan_free(plan);
	}
	cr_expect_gt(most, 0);
	cr_expect_eq(most, count_decided(h.plan, now), "%s", profile);
	hf_host_fini(&h);
}

Test(plan, more_room_never_decides_less)
{
	static const struct hf_weight weights[] = {{"default/gnp:busy/ingress/3", 1000},
		{"default/gnp:busy/ingress/1", 10}, {"failsafe", 3}};

	grows_with_capacity("mlx5-cx6dx", NULL, 0);
	grows_with_capacity("mlx5-cx6dx", weights, 3);
	grows_with_capacity("i40e-x710", weights, 3);
}

static const char two_ports[] =
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: FelixConfiguration\n"
	"metadata: {name: default}\n"
	"spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}\n" GNP("u",
		"doNotTrack: true, applyOnForward: true, ingress: ["
		" {action: Deny, protocol: TCP, destination: {ports: [80]}},"
		" {action: Deny, protocol: TCP, destination: {ports: [81]}}]");

/* NICs without order: one entry for both rules' port, and none for a source port that is allowed.
 */
Test(plan, a_flat_entry_asks_for_no_more_than_it_needs)
{
	struct hf_host h;
	size_t i, n = 0;

	hf_host_init(&h, "i40e-x710", 0, two_ports);
	for (i = 0; i < hf_plan_n_entries(h.plan); i++) {
		const struct hf_entry *e = hf_plan_entry(h.plan, i);

		if (e->fate != HF_FATE_DENY)
			continue;
		cr_expect_eq(e->match.mask.ip_dst[0], 0);
		cr_expect_eq(e->match.mask.sport[0], 0);
		n++;
	}
	cr_expect_eq(n, 4); /* two ports, two families */
	hf_host_fini(&h);
}

Test(plan, the_busiest_rules_come_first_and_the_report_says_their_share)
{
	static const struct hf_weight weights[] = {
		{"default/gnp:busy/ingress/3", 964}, {"failsafe", 36}, {"no-such-rule", 9000}};
	struct hf_plan_sum sum;
	struct hf_plan *plan;
	struct hf_host h;
	size_t i;

	hf_host_init(&h, "mlx5-cx6dx", 0, busy);
	plan = build_at(&h, 400, weights, 3);
	cr_assert_eq(hf_plan_sum(plan, &sum), 0);
	cr_expect(sum.weighed);
	cr_expect_eq(sum.packets, 1000);
	cr_expect_gt(sum.packets_whole, 0);
	cr_expect_leq(sum.packets_whole, sum.packets);
	cr_expect_gt(sum.masks, 5);
	hf_plan_free(plan);
	hf_host_fini(&h);

	/* A flat NIC with room for one entry: whose is it? */
	hf_host_init(&h, "i40e-x710", 0, two_ports);
	for (i = 0; i < 2; i++) {
		struct hf_weight one = {
			i ? "default/gnp:u/ingress/1" : "default/gnp:u/ingress/0", 5};

		plan = build_at(&h, 1, &one, 1);
		cr_assert_eq(hf_plan_n_entries(plan), 1);
		cr_expect_str_eq(hf_plan_origin(plan, hf_plan_entry(plan, 0)->origin), one.origin);
		hf_plan_free(plan);
	}
	hf_host_fini(&h);
}

Test(plan, a_rule_is_told_with_its_place)
{
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, deny_3000);
	cr_expect_str_eq(hf_plan_place(h.plan,
				 hf_host_account(&h, "default/gnp:deny-3000/ingress/0")->origin),
		"test:5:57");
	cr_expect_str_eq(hf_plan_place(h.plan, hf_host_account(&h, "failsafe")->origin), "");
	hf_host_fini(&h);
}

Test(plan, the_kernel_as_fallback_gets_all_but_drops)
{
	struct hf_plan_opts opts = {.fallback = HF_FALLBACK_KERNEL};
	struct hf_plan *plan = NULL;
	struct hf_host h;
	size_t i;

	hf_host_init(&h, "mlx5-cx6dx", 0, untracked_no_failsafe);
	cr_assert_eq(hf_plan_build(h.rules, h.nic, &opts, &plan, NULL), 0);
	cr_assert_gt(hf_plan_n_entries(plan), 0);
	for (i = 0; i < hf_plan_n_entries(plan); i++)
		cr_expect_eq(hf_plan_entry(plan, i)->fate, HF_FATE_DENY);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

Test(plan, an_unknown_uplink_is_an_error)
{
	struct hf_plan_opts opts = {.iface = "eth9"};
	struct hf_plan *plan = NULL;
	struct hf_host h;

	hf_host_init(&h, "none", 0, "");
	cr_expect_eq(hf_plan_build(h.rules, h.nic, &opts, &plan, NULL), -2);
	cr_expect_null(plan);
	hf_host_fini(&h);
}

/* More addresses times rules than one path may have: those behind are missed, and said to be. */
Test(plan, rules_beyond_the_limit_of_a_path_are_not_passed_over_in_silence)
{
	static const char *const profiles[] = {"mlx5-cx5-noregc", "none"};
	const struct hf_account *a;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);
	struct hf_host host;

	cr_assert_not_null(f);
	fputs("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
	      "metadata: {name: s, labels: {s: many}}\nspec: {nets: [10.0.0.0/32",
		f);
	for (i = 1; i < 16000; i++)
		fprintf(f, ", 10.%zu.%zu.%zu/32", i >> 16, i >> 8 & 255, i & 255);
	fputs("]}\n---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
	      "metadata: {name: p}\nspec: {selector: has(host), types: [Ingress], ingress: [",
		f);
	for (i = 0; i < 30; i++)
		fprintf(f,
			"{action: Allow, protocol: TCP, source: {selector: s == 'many'}, "
			"destination: {ports: [%zu]}}, ",
			i + 1);
	fputs("]}\n", f);
	fclose(f);
	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		hf_host_init(&host, profiles[i], 0, text);
		a = hf_host_account(&host, "default/gnp:p/ingress/29");
		cr_assert_not_null(a);
		cr_expect_eq(a->share, HF_SHARE_NONE);
		cr_expect_eq(a->reason, i ? HF_REASON_NO_ENGINE : HF_REASON_CAPACITY);
		cr_expect_eq(hf_host_judge(&host,
				     "in=eth0 src=10.0.0.9 dst=192.0.2.10 proto=tcp "
				     "dport=30",
				     NULL),
			HF_FATE_PUNT);
		hf_host_fini(&host);
	}
	free(text);
}
