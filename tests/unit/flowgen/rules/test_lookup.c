/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include "rules/table.h"

#include <hepflow/err.h>

#include <hf_test.h>

#include <errno.h>

HF_SUITE(lookup);

/* A table of sets only, to try single matches with. */
static const struct hf_prefix nets[] = {{{4, {10}}, 8}, {{6, {0xfd}}, 8}};
static const struct hf_member members[] = {{{4, {10, 0, 0, 1}}, HF_PROTO_TCP, 80}};
static const struct hf_set sets[] = {
	{.name = "nets", .n_nets = 2, .nets = nets},
	{.name = "web", .n_members = 1, .members = members},
};
static const struct hf_rules table = {.n_sets = 2, .sets = sets};

static const struct hf_key plain = {
	.in = 1,
	.out = 2,
	.wire_out = 3,
	.proto = HF_PROTO_TCP,
	.src = {4, {192, 0, 2, 1}},
	.dst = {4, {10, 0, 0, 1}},
	.wire_dst = {4, {192, 0, 2, 10}},
	.sport = 1000,
	.dport = 80,
	.wire_dport = 30080,
};

static bool has(struct hf_match m, struct hf_key key)
{
	return hf_match_has(&table, &m, &key);
}

Test(lookup, an_empty_match_covers_everything)
{
	struct hf_key key = plain;

	cr_assert(has(HF_MATCH_ALL, plain));
	key.proto = 255;
	key.ct = HF_CT_UNTRACKED;
	cr_assert(has(HF_MATCH_ALL, key));
}

Test(lookup, plain_fields_are_compared)
{
	struct hf_match m = HF_MATCH_ALL;
	struct hf_key key = plain;

	m.family = 6;
	cr_assert_not(has(m, plain));
	m = HF_MATCH_ALL;
	m.ct = HF_CT_BIT(HF_CT_RELATED);
	cr_assert_not(has(m, plain));
	key.ct = HF_CT_RELATED;
	cr_assert(has(m, key));
	m = HF_MATCH_ALL;
	m.out = 3;
	cr_assert_not(has(m, plain));
	m.out = 2;
	cr_assert(has(m, plain));
	m.wire_out = 2;
	cr_assert_not(has(m, plain));
	m.wire_out = 3;
	cr_assert(has(m, plain));
	m = HF_MATCH_ALL;
	m.dnated_only = true;
	cr_assert_not(has(m, plain));
	key.dnated = true;
	cr_assert(has(m, key));
	m = HF_MATCH_ALL;
	m.proto[0] &= ~(1ull << HF_PROTO_TCP);
	cr_assert_not(has(m, plain));
}

Test(lookup, addresses_and_ports_are_those_after_dnat_unless_wire)
{
	const struct hf_addr_cond addr = {.dst = true, .set = 0};
	const struct hf_ports range = {80, 80};
	const struct hf_port_cond port = {.dst = true, .n_ranges = 1, .ranges = &range};
	struct hf_match m = HF_MATCH_ALL;

	m.addr = &addr;
	m.n_addr = 1;
	cr_assert(has(m, plain));
	m.wire = true;
	cr_assert_not(has(m, plain));
	m = HF_MATCH_ALL;
	m.port = &port;
	m.n_port = 1;
	cr_assert(has(m, plain));
	m.wire = true;
	cr_assert_not(has(m, plain));
}

Test(lookup, ranges_include_both_ends_and_only_hold_for_protocols_with_ports)
{
	const struct hf_ports range = {100, 200};
	struct hf_port_cond port = {.n_ranges = 1, .ranges = &range};
	struct hf_match m = HF_MATCH_ALL;
	struct hf_key key = plain;
	uint32_t p;

	m.port = &port;
	m.n_port = 1;
	for (p = 99; p <= 201; p++) {
		key.sport = (uint16_t)p;
		cr_assert_eq(has(m, key), p >= 100 && p <= 200);
	}
	key.sport = 150;
	key.proto = HF_PROTO_UDPLITE;
	cr_assert_not(has(m, key));
	port.negate = true;
	cr_assert(has(m, key));
	key.proto = HF_PROTO_UDP;
	cr_assert_not(has(m, key));
}

Test(lookup, a_member_is_address_protocol_and_port)
{
	const uint32_t set = 1;
	struct hf_port_cond port = {.dst = true, .n_sets = 1, .sets = &set};
	struct hf_match m = HF_MATCH_ALL;
	struct hf_key key = plain;

	m.port = &port;
	m.n_port = 1;
	cr_assert(has(m, plain));
	key.proto = HF_PROTO_UDP;
	cr_assert_not(has(m, key));
	key = plain;
	key.dport = 81;
	cr_assert_not(has(m, key));
	key = plain;
	key.dst.b[3] = 2;
	cr_assert_not(has(m, key));
	port.negate = true;
	cr_assert(has(m, key));
}

Test(lookup, icmp_types_need_the_icmp_of_the_family_even_negated)
{
	struct hf_icmp_cond icmp = {.type = 8};
	struct hf_match m = HF_MATCH_ALL;
	struct hf_key key = plain;

	m.icmp = &icmp;
	m.n_icmp = 1;
	key.proto = HF_PROTO_ICMP;
	key.icmp_type = 8;
	key.icmp_code = 1;
	cr_assert(has(m, key));
	icmp.has_code = true;
	cr_assert_not(has(m, key));
	icmp.negate = true;
	cr_assert(has(m, key));
	key.icmp_code = 0;
	cr_assert_not(has(m, key));
	key.proto = HF_PROTO_ICMPV6;
	cr_assert_not(has(m, key));
	key.src.family = 6;
	key.icmp_type = 9;
	cr_assert(has(m, key));
}

static struct hf_key sort(const struct hf_rules *rules, const char *line)
{
	struct hf_packet pkt;
	struct hf_key key;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0);
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, NULL), 0);
	return key;
}

Test(lookup, sorting_rewrites_by_the_packet_or_by_the_facts)
{
	struct hf_rules *rules = rules_of(FACTS HEP POD(2));
	struct hf_key key;

	key = sort(rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=30001");
	cr_assert(key.dnated && key.class == HF_CLASS_WORKLOAD && key.dport == 3000 &&
		  key.wire_dport == 30001 && key.dst.b[0] == 10 && key.wire_dst.b[0] == 192);
	cr_assert_eq(key.out, hf_rules_find_iface(rules, "cali2"));
	key = sort(rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=udp dport=30001");
	cr_assert(!key.dnated && key.class == HF_CLASS_HOST && key.dport == 30001);
	key = sort(
		rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=30001 dnat=5.5.5.5:7");
	cr_assert(key.dnated && key.class == HF_CLASS_REMOTE && key.dport == 7);
	key = sort(rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=9 dnat=5.5.5.5:0");
	cr_assert(key.dnated && key.dport == 9);
	hf_rules_free(rules);
}

Test(lookup, sorting_knows_the_route_before_and_after_dnat)
{
	struct hf_rules *rules = rules_of(FACTS HEP POD(2));
	int eth0 = hf_rules_find_iface(rules, "eth0"), eth1 = hf_rules_find_iface(rules, "eth1");
	int lo = hf_rules_find_iface(rules, "lo");
	struct hf_key key;

	key = sort(rules, "src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=30002");
	cr_assert(key.wire_out == lo && key.out == eth1 && key.class == HF_CLASS_REMOTE);
	key = sort(rules, "src=192.0.2.10 dst=127.0.0.1 proto=tcp dport=1");
	cr_assert(key.wire_out == lo && key.out == lo && key.class == HF_CLASS_HOST);
	key = sort(rules, "src=192.0.2.10 dst=224.0.0.1 proto=2");
	cr_assert(key.out == eth0 && key.class == HF_CLASS_HOST);
	key = sort(rules, "src=192.0.2.10 out=eth1 dst=1.2.3.4 proto=tcp dport=1");
	cr_assert(key.wire_out == eth1 && key.out == eth1);
	hf_rules_free(rules);
}

Test(lookup, sorting_refuses_unknown_interfaces_and_mixed_families)
{
	struct hf_rules *rules = rules_of(FACTS HEP);
	struct hf_packet pkt;
	struct hf_key key;
	struct hf_err err;

	cr_assert_eq(hf_packet_parse("in=eth9 src=1.2.3.4 dst=5.6.7.8 proto=tcp", &pkt, NULL), 0);
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, &err), -ENOENT);
	cr_assert_str_eq(err.text, "in: no interface 'eth9' on this host");
	cr_assert_eq(
		hf_packet_parse("in=eth0 out=x src=1.2.3.4 dst=5.6.7.8 proto=tcp", &pkt, NULL), 0);
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, &err), -ENOENT);
	cr_assert_eq(hf_packet_parse("in=eth0 src=1.2.3.4 dst=5.6.7.8 proto=tcp", &pkt, NULL), 0);
	pkt.src.family = 6;
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, &err), -EINVAL);
	hf_rules_free(rules);
}

Test(lookup, log_rules_never_decide)
{
	struct hf_rules *rules = rules_of(FACTS HEP GNP(
		"l", "selector: all(), ingress: [{action: Log}, {action: Allow, protocol: TCP}]"));

	cr_assert_str_eq(verdict_of(rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=9"),
		"allow default/gnp:l/ingress/1");
	hf_rules_free(rules);
}

Test(lookup, a_decision_says_where_it_was_made)
{
	struct hf_rules *rules = rules_of(FACTS HEP GNP("l",
		"selector: all(), ingress: [{action: Deny, protocol: UDP}, {action: Allow,"
		" protocol: TCP}]"));
	struct hf_key key = sort(rules, "in=eth0 src=1.2.3.4 dst=192.0.2.10 proto=tcp dport=9");
	struct hf_decision d = hf_rules_lookup(rules, &key);

	cr_assert_eq(d.rule, 1);
	cr_assert_eq(hf_rules_block(rules, d.block)->rules[d.rule].origin, d.origin);
	cr_assert_eq(hf_rules_block(rules, d.block)->rules[d.rule].verdict, d.verdict);
	hf_rules_free(rules);
}
