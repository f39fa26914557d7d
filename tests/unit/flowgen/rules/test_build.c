/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include <hf_test.h>

#include <string.h>

HF_SUITE(build);

/* Every rule is in one piece, in order. */
static void check_pieces(const struct hf_block *b)
{
	uint32_t i, at = 0;

	for (i = 0; i < b->n_pieces; i++) {
		cr_assert_neq(b->pieces[i].id, 0);
		cr_assert_eq(b->pieces[i].first, at);
		cr_assert_gt(b->pieces[i].n, 0);
		at += b->pieces[i].n;
	}
	cr_assert_eq(at, b->n_rules);
}

static void check_shape(const struct hf_rules *rules)
{
	size_t i;
	uint32_t k;

	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *b = hf_rules_block(rules, i);
		const struct hf_match *m = &b->rules[b->n_rules - 1].match;

		cr_assert_gt(b->n_rules, 0);
		check_pieces(b);
		for (k = 0; k < b->n_rules; k++) {
			if (b->rules[k].op == HF_OP_GOTO)
				cr_assert(b->rules[k].target > i &&
					  b->rules[k].target < hf_rules_n_blocks(rules));
		}
		cr_assert_neq(b->rules[b->n_rules - 1].op, HF_OP_LOG);
		cr_assert(m->n_addr == 0 && m->n_port == 0 && m->n_icmp == 0 && !m->family &&
			  m->ct == HF_CT_ANY && m->out == HF_IF_ANY && m->wire_out == HF_IF_ANY &&
			  !m->dnated_only &&
			  (m->proto[0] & m->proto[1] & m->proto[2] & m->proto[3]) == UINT64_MAX);
	}
}

#define RICH                                                                                       \
	FACTS HEP POD(2) POD(3) GNP("drop",                                                        \
		"order: 1, selector: \"role == 'h'\", doNotTrack: true, applyOnForward: true,"     \
		" ingress: [{action: Deny, source: {nets: [203.0.113.0/24]}}, {action: Allow,"     \
		" protocol: UDP, destination: {ports: [5000]}}]") GNP("pre",                       \
		"order: 2, selector: all(), preDNAT: true, applyOnForward: true,"                  \
		" ingress: [{action: Deny, protocol: TCP, destination: {ports: [30002]}}]")        \
		GNP("fwd", "order: 3, selector: all(), applyOnForward: true, types: [Ingress, "    \
			   "Egress],"                                                              \
			   " ingress: [{action: Log}, {action: Allow, protocol: TCP, destination:" \
			   " {ports: [3000]}}], egress: [{action: Allow}, {action: Deny}]")

Test(build, jumps_lead_forward_and_every_block_is_total)
{
	struct hf_rules *rules = rules_of(RICH);

	check_shape(rules);
	hf_rules_free(rules);
}

Test(build, every_interface_has_a_path_for_each_class)
{
	struct hf_rules *rules = rules_of(RICH);
	size_t i, c, n = hf_rules_n_ifaces(rules);

	cr_assert_eq(hf_rules_n_paths(rules), n * 3);
	for (i = 0; i < n; i++) {
		for (c = 0; c < 3; c++) {
			const struct hf_path *p =
				hf_rules_find_path(rules, (uint16_t)i, (enum hf_class)c);

			cr_assert(p && p->in == i && p->class == c);
			cr_assert_lt(p->block, hf_rules_n_blocks(rules));
		}
	}
	cr_assert_null(hf_rules_find_path(rules, (uint16_t)n, HF_CLASS_HOST));
	hf_rules_free(rules);
}

/* One line for each stage a packet can be decided by; docs/semantics.md 5. */
Test(build, each_stage_decides_its_packets)
{
	static const char *const cases[][2] = {
		{"in=eth0 src=203.0.113.9 dst=192.0.2.10 proto=tcp dport=99",
			"deny default/gnp:drop/ingress/0"},
		{"in=eth0 src=203.0.113.9 dst=192.0.2.10 proto=tcp dport=22", "allow failsafe"},
		{"in=eth0 src=203.0.113.9 dst=192.0.2.10 proto=tcp dport=99 ct=established",
			"deny default/gnp:drop/ingress/0"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=udp dport=5000",
			"allow-untracked default/gnp:drop/ingress/1"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=udp dport=5000 ct=invalid",
			"allow-untracked default/gnp:drop/ingress/1"},
		{"in=eth0 src=1.2.3.4 dst=198.51.100.7 proto=udp dport=5000",
			"allow-untracked default/gnp:drop/ingress/1"},
		{"in=eth0 src=1.2.3.4 dst=10.65.0.2 proto=udp dport=5000",
			"deny tier-default:default"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=30002",
			"deny default/gnp:pre/ingress/0"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=30002 ct=established",
			"allow conntrack"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=30001",
			"allow default/gnp:fwd/ingress/1"},
		{"in=eth0 src=1.2.3.4 dst=10.65.0.2 proto=tcp dport=3001",
			"deny tier-default:default"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=icmp type=8",
			"deny tier-default:default"},
		{"in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=22 ct=invalid",
			"deny conntrack"},
		{"in=eth1 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=99",
			"no-decision no-endpoint"},
		{"in=cali2 src=10.65.0.3 dst=192.0.2.10 proto=tcp dport=99", "deny rpf"},
		{"in=cali2 src=10.65.0.2 dst=192.0.2.10 proto=tcp dport=99", "deny epha"},
		{"in=cali2 src=10.65.0.2 dst=10.65.0.3 proto=tcp dport=3000",
			"allow default/gnp:fwd/ingress/1"},
		{"in=cali2 src=10.65.0.2 dst=1.2.3.4 proto=4", "deny encap"},
		{"src=192.0.2.10 dst=10.65.0.2 proto=tcp dport=99", "no-decision host-to-workload"},
		{"src=192.0.2.10 dst=1.2.3.4 proto=tcp dport=99", "allow default/gnp:fwd/egress/0"},
		{"src=192.0.2.10 dst=1.2.3.4 proto=udp dport=53", "allow failsafe"},
		{"src=192.0.2.10 dst=198.51.100.7 proto=tcp dport=99", "no-decision no-endpoint"},
		{"src=127.0.0.1 dst=127.0.0.1 proto=tcp dport=99", "no-decision no-endpoint"},
	};
	struct hf_rules *rules = rules_of(RICH);
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(verdict_of(rules, cases[i][0]), cases[i][1], "%s: %s", cases[i][0],
			verdict_of(rules, cases[i][0]));
	hf_rules_free(rules);
}

static size_t count_rules(const struct hf_rules *rules, const char *origin)
{
	size_t i, n = 0;
	uint32_t k;

	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *b = hf_rules_block(rules, i);

		for (k = 0; k < b->n_rules; k++)
			n += strcmp(hf_rules_origin(rules, b->rules[k].origin), origin) == 0;
	}
	return n;
}

Test(build, pods_that_are_governed_alike_share_their_blocks)
{
	static const char policy[] =
		GNP("pods", "selector: \"!has(role)\", ingress: [{action: Allow, protocol: TCP}]");
	char text[4096];
	struct hf_rules *two, *four;

	(void)snprintf(text, sizeof(text), "%s%s", FACTS POD(2) POD(3), policy);
	two = rules_of(text);
	(void)snprintf(text, sizeof(text), "%s%s", FACTS POD(2) POD(3) POD(4) POD(5), policy);
	four = rules_of(text);
	cr_assert_eq(count_rules(two, "default/gnp:pods/ingress/0"), 1);
	cr_assert_eq(count_rules(four, "default/gnp:pods/ingress/0"), 1);
	hf_rules_free(two);
	hf_rules_free(four);
}

static const char *dead_reason(const struct hf_rules *rules, const char *origin)
{
	size_t i;

	for (i = 0; i < hf_rules_n_dead(rules); i++) {
		if (strcmp(hf_rules_dead(rules, i)->origin, origin) == 0)
			return hf_rules_dead(rules, i)->reason;
	}
	return "alive";
}

Test(build, rules_that_nothing_reaches_are_listed_with_the_reason)
{
	struct hf_rules *rules = rules_of(FACTS HEP GNP("a",
		"order: 1, selector: all(), ingress: [{action: Allow, source: {selector:"
		" \"role == 'nobody'\"}}, {action: Allow, protocol: TCP}, {action: Deny},"
		" {action: Allow, protocol: UDP}]") GNP("b",
		"order: 2, selector: all(), ingress: [{action: Allow, protocol: SCTP}]"));

	cr_assert_eq(hf_rules_n_dead(rules), 3);
	cr_assert_str_eq(dead_reason(rules, "default/gnp:a/ingress/0"), "set-empty");
	cr_assert_str_eq(dead_reason(rules, "default/gnp:a/ingress/1"), "alive");
	cr_assert_str_eq(dead_reason(rules, "default/gnp:a/ingress/3"), "shadowed");
	cr_assert_str_eq(dead_reason(rules, "default/gnp:b/ingress/0"), "shadowed");
	hf_rules_free(rules);
}

Test(build, a_tier_behind_a_rule_for_everything_is_left_out)
{
	struct hf_rules *rules = rules_of(
		FACTS HEP DOC "kind: Tier\nmetadata: {name: first}\nspec: {order: 1}\n" GNP(
			"all", "tier: first, selector: all(), ingress: [{action: Deny}]")
			GNP("late", "selector: all(), ingress: [{action: Allow, protocol: TCP}]"));

	cr_assert_eq(count_rules(rules, "default/gnp:late/ingress/0"), 0);
	cr_assert_str_eq(dead_reason(rules, "default/gnp:late/ingress/0"), "shadowed");
	hf_rules_free(rules);
}

static uint8_t wish_of(const struct hf_rules *rules, const char *origin)
{
	size_t i;
	uint32_t k;

	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *b = hf_rules_block(rules, i);

		for (k = 0; k < b->n_rules; k++) {
			if (strcmp(hf_rules_origin(rules, b->rules[k].origin), origin) == 0)
				return b->rules[k].offload;
		}
	}
	cr_assert_fail("no rule of %s", origin);
	return 0;
}

Test(build, offload_wishes_reach_the_rules)
{
	struct hf_rules *rules = rules_of(FACTS DOC
		"kind: HostEndpoint\nmetadata: {name: hep, annotations: {hepflow/offload:"
		" require}}\nspec: {node: n0, interfaceName: eth0}\n" DOC
		"kind: GlobalNetworkPolicy\nmetadata: {name: soft, annotations:"
		" {hepflow/offload: forbid}}\n"
		"spec: {order: 1, selector: all(), ingress: [{action: Allow, protocol: "
		"TCP}]}\n" GNP("hard",
			"order: 2, selector: all(), ingress: [{action: Allow, protocol: UDP}]"));

	cr_assert_eq(wish_of(rules, "default/gnp:soft/ingress/0"), HF_OFFLOAD_FORBID);
	cr_assert_eq(wish_of(rules, "default/gnp:hard/ingress/0"), HF_OFFLOAD_REQUIRE);
	hf_rules_free(rules);
}

/* docs/semantics.md 11.2, by the rules that come out. */
Test(build, net_lists_choose_the_family)
{
	struct hf_rules *rules =
		rules_of(FACTS HEP GNP("f", "selector: all(), ingress: ["
					    "{action: Allow, source: {nets: [10.0.0.0/8]}},"
					    "{action: Deny, source: {notNets: ['fd00::/8']}},"
					    "{action: Allow, ipVersion: 4, protocol: TCP}]"));

	cr_assert_str_eq(verdict_of(rules, "in=eth0 src=10.1.1.1 dst=192.0.2.10 proto=253"),
		"allow default/gnp:f/ingress/0");
	cr_assert_str_eq(verdict_of(rules, "in=eth0 src=11.1.1.1 dst=192.0.2.10 proto=6"),
		"allow default/gnp:f/ingress/2");
	cr_assert_str_eq(verdict_of(rules, "in=eth0 src=fe80::1 dst=2001:db8::10 proto=6"),
		"deny default/gnp:f/ingress/1");
	cr_assert_str_eq(verdict_of(rules, "in=eth0 src=fd00::1 dst=2001:db8::10 proto=6"),
		"deny tier-default:default");
	hf_rules_free(rules);
}

Test(build, equal_net_lists_are_one_set)
{
	struct hf_rules *one = rules_of(FACTS HEP GNP("a",
		"selector: all(), ingress: [{action: Allow, source: {nets: [10.0.0.0/8,"
		" 11.0.0.0/8]}}]"));
	struct hf_rules *more = rules_of(FACTS HEP GNP("a",
		"selector: all(), ingress: [{action: Allow, source: {nets: [10.0.0.0/8,"
		" 11.0.0.0/8]}}, {action: Deny, protocol: TCP, source: {nets: [11.0.0.0/8,"
		" 10.0.0.0/8, 10.1.0.0/16]}}]"));

	cr_assert_eq(hf_rules_n_sets(one), hf_rules_n_sets(more));
	hf_rules_free(one);
	hf_rules_free(more);
}

/* Conntrack sees no VXLAN, so its states must not matter, also when the host talks to itself. */
Test(build, vxlan_is_untracked_wherever_it_is_seen)
{
	static const char felix[] =
		DOC "kind: FelixConfiguration\nmetadata: {name: default}\nspec: {vxlanEnabled: "
		    "%s}\n" DOC "kind: HostEndpoint\nmetadata: {name: star}\n"
		    "spec: {node: n0, interfaceName: '*', profiles: "
		    "[projectcalico-default-allow]}\n" GNP("pre",
			    "selector: all(), preDNAT: true, applyOnForward: true,"
			    " ingress: [{action: Deny, protocol: UDP}]");
	static const char leaving[] =
		"src=192.0.2.10 dst=1.2.3.4 proto=udp dport=4789 ct=established";
	static const char again[] = "src=192.0.2.10 dst=5.6.7.8 proto=udp dport=1"
				    " dnat=127.0.0.1:4789 ct=established";
	char text[4096], spec[1024];
	struct hf_rules *on, *off;

	(void)snprintf(spec, sizeof(spec), felix, "true");
	(void)snprintf(text, sizeof(text), "%s%s", FACTS, spec);
	on = rules_of(text);
	(void)snprintf(spec, sizeof(spec), felix, "false");
	(void)snprintf(text, sizeof(text), "%s%s", FACTS, spec);
	off = rules_of(text);
	cr_expect_str_eq(
		verdict_of(on, leaving), "allow profile:projectcalico-default-allow/egress/0");
	cr_expect_str_eq(verdict_of(off, leaving), "allow conntrack");
	cr_expect_str_eq(verdict_of(on, again), "deny default/gnp:pre/ingress/0");
	cr_expect_str_eq(verdict_of(off, again), "allow conntrack");
	hf_rules_free(on);
	hf_rules_free(off);
}

/* One rule in front of it takes all that it could match. */
Test(build, a_rule_that_another_covers_is_left_out)
{
	static const struct {
		const char *first, *second, *reason;
	} cases[] = {
		{"action: Allow, protocol: TCP",
			"action: Deny, protocol: TCP, destination: {ports: "
			"[80]}",
			"shadowed"},
		{"action: Allow, protocol: TCP, destination: {ports: [\"1:1000\"]}",
			"action: Deny, protocol: TCP, destination: {ports: [80, 81]}", "shadowed"},
		{"action: Allow, protocol: TCP, destination: {ports: [\"1:80\"]}",
			"action: Deny, protocol: TCP, destination: {ports: [80, 81]}", "alive"},
		{"action: Allow, protocol: TCP, destination: {ports: [80]}",
			"action: Deny, protocol: TCP, source: {ports: [80]}", "alive"},
		{"action: Allow, source: {nets: [10.0.0.0/8]}",
			"action: Deny, source: {nets: [10.1.0.0/16, 10.2.0.0/16]}", "shadowed"},
		{"action: Allow, source: {nets: [0.0.0.0/0]}",
			"action: Deny, source: {nets: [10.1.0.0/16, 10.2.0.0/16]}", "shadowed"},
		{"action: Allow, source: {nets: [10.1.0.0/16, 10.2.0.0/16]}",
			"action: Deny, protocol: TCP, source: {nets: [10.2.0.0/16, 10.1.0.0/16]}",
			"shadowed"},
		{"action: Allow, destination: {nets: [\"2001:db8::/65\"]}",
			"action: Deny, source: {nets: [\"fe80::/10\"]}, destination: {nets: "
			"[\"2001:db8::1/128\"]}",
			"shadowed"},
		{"action: Allow, destination: {nets: [\"2001:db8::/65\"]}",
			"action: Deny, destination: {nets: [\"2001:db8::8000:0:0:1/128\"]}",
			"alive"},
		{"action: Allow, source: {notNets: [10.0.0.0/8]}",
			"action: Deny, protocol: TCP, source: {notNets: [10.0.0.0/8]}", "shadowed"},
		{"action: Allow, source: {nets: [10.1.0.0/16]}",
			"action: Deny, source: {nets: [10.0.0.0/8]}", "alive"},
		{"action: Allow, source: {nets: [10.0.0.0/8]}",
			"action: Deny, destination: {nets: [10.1.0.0/16]}", "alive"},
		{"action: Allow, source: {notNets: [10.0.0.0/8]}",
			"action: Deny, source: {notNets: [10.1.0.0/16]}", "alive"},
		{"action: Allow, protocol: ICMP, icmp: {type: 8}",
			"action: Deny, protocol: ICMP, icmp: {type: 8, code: 0}", "shadowed"},
		{"action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}",
			"action: Deny, protocol: ICMP, icmp: {type: 8}", "alive"},
		{"action: Allow, protocol: ICMP, notICMP: {type: 8, code: 0}",
			"action: Deny, protocol: ICMP, notICMP: {type: 8}", "shadowed"},
		{"action: Log", "action: Deny, protocol: TCP", "alive"},
		{"action: Allow, ipVersion: 4", "action: Deny, protocol: TCP", "alive"},
		{"action: Allow, protocol: TCP", "action: Log, protocol: TCP", "shadowed"},
	};
	char text[2048];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hf_rules *rules;

		(void)snprintf(text, sizeof(text),
			FACTS HEP GNP("a", "selector: all(), ingress: [{%s}, {%s}]"),
			cases[i].first, cases[i].second);
		rules = rules_of(text);
		cr_expect_str_eq(dead_reason(rules, "default/gnp:a/ingress/1"), cases[i].reason,
			"%s; %s", cases[i].first, cases[i].second);
		hf_rules_free(rules);
	}
}
