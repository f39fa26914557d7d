/* SPDX-License-Identifier: BSD-3-Clause */

/* docs/semantics.md 11. */

#include "ref/match.h"

#include "hand.h"

HF_SUITE(match);

static struct hf_prefix lists[2];
static struct hf_member members[2];
static struct hf_set sets[3];
static struct hf_model model = {.n_sets = 3, .sets = sets};

enum { OFFICE, NAMED, NOBODY };

/* Set OFFICE has 198.51.100.0/24 and 2001:db8:99::/64, NAMED has port 8080/tcp of 192.0.2.10. */
static void fill(void)
{
	lists[0] = net("198.51.100.0/24");
	lists[1] = net("2001:db8:99::/64");
	members[0] = (struct hf_member){addr("192.0.2.10"), HF_PROTO_TCP, 8080};
	members[1] = (struct hf_member){addr("198.51.100.7"), HF_PROTO_TCP, 40000};
	sets[OFFICE] = (struct hf_set){.n_nets = 2, .nets = lists};
	sets[NAMED] = (struct hf_set){.n_members = 2, .members = members};
}

static bool has(const struct hf_model_rule *rule, const char *line)
{
	struct hf_packet pkt = packet(line);

	fill();
	return hf_ref_rule_has(&model, rule, &pkt);
}

#define V4  "src=198.51.100.7 dst=192.0.2.10 "
#define V6  "src=2001:db8:99::7 dst=2001:db8::10 "
#define TCP V4 "proto=tcp sport=40000 "

Test(match, an_empty_rule_matches_everything)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE);

	cr_expect(has(&r, TCP "dport=80"));
	cr_expect(has(&r, V6 "proto=icmpv6 type=135"));
	cr_expect(has(&r, V4 "proto=253"));
}

Test(match, protocol_and_its_negation)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE, .has_proto = true, .proto = 6);
	struct hf_model_rule n =
		RULE(HF_RULE_ALLOW, "n", ANYWHERE, .has_not_proto = true, .not_proto = 6);
	struct hf_model_rule zero =
		RULE(HF_RULE_ALLOW, "z", ANYWHERE, .has_proto = true, .proto = 0);

	cr_expect(has(&r, TCP));
	cr_expect_not(has(&r, V4 "proto=udp"));
	cr_expect_not(has(&n, TCP));
	cr_expect(has(&n, V4 "proto=udp"));
	cr_expect_not(has(&zero, TCP));
	cr_expect(has(&zero, V4 "proto=0"));
}

Test(match, ip_version_takes_the_rule_out_of_the_other_family)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE, .ip_version = 6);

	cr_expect_not(has(&r, TCP));
	cr_expect(has(&r, V6 "proto=tcp"));
}

Test(match, nets_are_alternatives_and_not_nets_must_all_miss)
{
	struct hf_prefix nets[] = {net("10.0.0.0/8"), net("198.51.100.0/24")};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", SRC(.n_nets = 2, .nets = nets));
	struct hf_model_rule n = RULE(HF_RULE_ALLOW, "n", SRC(.n_not_nets = 2, .not_nets = nets));
	struct hf_model_rule d = RULE(HF_RULE_ALLOW, "d", DST(.n_nets = 2, .nets = nets));

	cr_expect(has(&r, "src=10.1.1.1 dst=192.0.2.10 proto=tcp"));
	cr_expect(has(&r, TCP));
	cr_expect_not(has(&r, "src=11.1.1.1 dst=10.1.1.1 proto=tcp"));
	cr_expect_not(has(&n, "src=10.1.1.1 dst=192.0.2.10 proto=tcp"));
	cr_expect_not(has(&n, TCP));
	cr_expect(has(&n, "src=11.1.1.1 dst=10.1.1.1 proto=tcp"));
	cr_expect(has(&d, "src=11.1.1.1 dst=10.1.1.1 proto=tcp"));
	cr_expect_not(has(&d, TCP));
}

Test(match, a_list_without_this_family_removes_the_rule_even_when_negated)
{
	struct hf_prefix v4[] = {net("10.0.0.0/8")}, v6[] = {net("fd00::/8")};
	struct hf_model_side with4 = {ANY_SIDE, .n_nets = 1, .nets = v4};
	struct hf_model_side without4 = {ANY_SIDE, .n_not_nets = 1, .not_nets = v4};
	struct hf_model_side without6 = {ANY_SIDE, .n_not_nets = 1, .not_nets = v6};
	struct hf_model_rule s = RULE(HF_RULE_ALLOW, "s", .src = with4, .dst = ANY);
	struct hf_model_rule d = RULE(HF_RULE_ALLOW, "d", .dst = with4, .src = ANY);
	struct hf_model_rule ns = RULE(HF_RULE_ALLOW, "ns", .src = without4, .dst = ANY);
	struct hf_model_rule nd = RULE(HF_RULE_ALLOW, "nd", .dst = without6, .src = ANY);

	cr_expect(hf_ref_rule_in_family(&s, 4));
	cr_expect_not(hf_ref_rule_in_family(&s, 6));
	cr_expect_not(hf_ref_rule_in_family(&d, 6));
	cr_expect(hf_ref_rule_in_family(&ns, 4));
	cr_expect_not(hf_ref_rule_in_family(&ns, 6));
	cr_expect_not(hf_ref_rule_in_family(&nd, 4));
	cr_expect(hf_ref_rule_in_family(&nd, 6));
	cr_expect_not(has(&ns, V6 "proto=tcp"), "not in 10/8, and yet no match");
	cr_expect(has(&nd, V6 "proto=tcp"));
}

Test(match, lists_of_both_families_keep_those_of_the_packet)
{
	struct hf_prefix both[] = {net("198.51.100.0/24"), net("fd00::/8")};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", SRC(.n_nets = 2, .nets = both));
	struct hf_model_rule n = RULE(HF_RULE_ALLOW, "n", SRC(.n_not_nets = 2, .not_nets = both));

	cr_expect(has(&r, TCP));
	cr_expect_not(has(&r, V6 "proto=tcp"));
	cr_expect_not(has(&n, TCP));
	cr_expect(has(&n, V6 "proto=tcp"));
}

Test(match, not_in_everything_removes_the_rule)
{
	struct hf_prefix all4[] = {net("0.0.0.0/0"), net("fd00::/8")};
	struct hf_model_rule n = RULE(HF_RULE_ALLOW, "n", DST(.n_not_nets = 2, .not_nets = all4));
	struct hf_model_rule p = RULE(HF_RULE_ALLOW, "p", DST(.n_nets = 2, .nets = all4));

	cr_expect_not(hf_ref_rule_in_family(&n, 4));
	cr_expect(hf_ref_rule_in_family(&n, 6));
	cr_expect(hf_ref_rule_in_family(&p, 4), "only negated lists");
	cr_expect(has(&p, TCP));
}

Test(match, selectors_want_members_and_not_selectors_strangers_too)
{
	struct hf_model_rule in = RULE(HF_RULE_ALLOW, "in", ANYWHERE);
	struct hf_model_rule out = RULE(HF_RULE_ALLOW, "out", ANYWHERE);
	struct hf_model_rule never = RULE(HF_RULE_ALLOW, "never", ANYWHERE);
	struct hf_model_rule always = RULE(HF_RULE_ALLOW, "always", ANYWHERE);

	in.src.set = OFFICE;
	out.src.not_set = OFFICE;
	never.dst.set = NOBODY;
	always.dst.not_set = NOBODY;
	cr_expect(has(&in, TCP));
	cr_expect(has(&in, V6 "proto=tcp"));
	cr_expect_not(has(&in, "src=203.0.113.1 dst=198.51.100.7 proto=tcp"));
	cr_expect_not(has(&out, TCP));
	cr_expect(has(&out, "src=203.0.113.1 dst=198.51.100.7 proto=tcp"));
	cr_expect_not(has(&never, TCP));
	cr_expect(has(&always, TCP));
}

Test(match, selector_and_nets_must_both_hold)
{
	struct hf_prefix nets[] = {net("198.51.100.0/28")};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", SRC(.n_nets = 1, .nets = nets));

	r.src.set = OFFICE;
	cr_expect(has(&r, TCP));
	cr_expect_not(has(&r, "src=198.51.100.16 dst=192.0.2.10 proto=tcp"), "in the set only");
	r.src.set = NOBODY;
	cr_expect_not(has(&r, TCP), "in the nets only");
}

Test(match, ports_are_ranges_with_both_ends_or_named_ones)
{
	struct hf_ports ranges[] = {{80, 90}, {443, 443}};
	uint32_t named[] = {NAMED};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE);
	struct hf_model_rule n = RULE(HF_RULE_ALLOW, "n", ANYWHERE);

	r.dst.ports = (struct hf_model_ports){2, ranges, 1, named};
	n.dst.not_ports = r.dst.ports;
	cr_expect_not(has(&r, TCP "dport=79"));
	cr_expect(has(&r, TCP "dport=80"));
	cr_expect(has(&r, TCP "dport=90"));
	cr_expect_not(has(&r, TCP "dport=91"));
	cr_expect(has(&r, TCP "dport=443"));
	cr_expect(has(&r, TCP "dport=8080"), "by name");
	cr_expect_not(has(&r, V4 "proto=udp dport=8080"), "named for tcp");
	cr_expect_not(has(&r, "src=1.1.1.1 dst=192.0.2.11 proto=tcp dport=8080"), "of another");
	cr_expect(has(&n, TCP "dport=79"));
	cr_expect_not(has(&n, TCP "dport=80"));
	cr_expect_not(has(&n, TCP "dport=443"));
	cr_expect_not(has(&n, TCP "dport=8080"));
}

Test(match, source_ports_are_compared_with_the_source)
{
	struct hf_ports ranges[] = {{40000, 40000}};
	uint32_t named[] = {NAMED};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE);

	r.src.ports = (struct hf_model_ports){.n_ranges = 1, .ranges = ranges};
	cr_expect(has(&r, TCP "dport=80"));
	cr_expect_not(has(&r, V4 "proto=tcp sport=80 dport=40000"));
	r.src.ports = (struct hf_model_ports){.n_sets = 1, .sets = named};
	cr_expect(has(&r, TCP "dport=80"));
	cr_expect_not(has(&r, V4 "proto=tcp sport=8080 dport=80"));
}

Test(match, protocols_without_ports_are_in_no_range)
{
	struct hf_ports ranges[] = {{0, 65535}};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE);
	struct hf_model_rule n = RULE(HF_RULE_ALLOW, "n", ANYWHERE);

	r.dst.ports = (struct hf_model_ports){.n_ranges = 1, .ranges = ranges};
	n.dst.not_ports = r.dst.ports;
	cr_expect(has(&r, V4 "proto=sctp dport=1"));
	cr_expect_not(has(&r, V4 "proto=icmp type=8"));
	cr_expect_not(has(&r, V4 "proto=udplite dport=1"), "Calico does not match its ports");
	cr_expect(has(&n, V4 "proto=icmp type=8"));
}

Test(match, services_are_address_protocol_and_port)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", ANYWHERE);

	r.dst.service = NAMED;
	cr_expect(has(&r, TCP "dport=8080"));
	cr_expect_not(has(&r, TCP "dport=80"));
	cr_expect_not(has(&r, V4 "proto=udp dport=8080"));
	r.dst.service = NOBODY;
	cr_expect_not(has(&r, TCP "dport=8080"));
}

Test(match, icmp_type_alone_or_type_and_code)
{
	struct hf_model_rule t =
		RULE(HF_RULE_ALLOW, "t", ANYWHERE, .icmp = {true, true, false, 8, 0});
	struct hf_model_rule c =
		RULE(HF_RULE_ALLOW, "c", ANYWHERE, .icmp = {true, true, true, 3, 1});
	struct hf_model_rule e = RULE(HF_RULE_ALLOW, "e", ANYWHERE, .icmp = {.given = true});

	cr_expect(has(&t, V4 "proto=icmp type=8 code=7"));
	cr_expect_not(has(&t, V4 "proto=icmp type=0"));
	cr_expect(has(&c, V4 "proto=icmp type=3 code=1"));
	cr_expect_not(has(&c, V4 "proto=icmp type=3 code=2"));
	cr_expect_not(has(&c, V4 "proto=icmp type=4 code=1"));
	cr_expect(has(&t, V6 "proto=icmpv6 type=8"));
	cr_expect_not(has(&t, V6 "proto=icmp type=8"), "not the family's own ICMP");
	cr_expect_not(has(&t, V4 "proto=icmpv6 type=8"));
	cr_expect_not(has(&t, TCP));
	cr_expect(has(&e, V4 "proto=icmp type=8"));
	cr_expect(has(&e, TCP), "asks nothing; the protocol is a criterion of its own");
}

Test(match, not_icmp_is_not_of_type_and_code_together)
{
	struct hf_model_rule n =
		RULE(HF_RULE_ALLOW, "n", ANYWHERE, .not_icmp = {true, true, true, 3, 1});
	struct hf_model_rule t =
		RULE(HF_RULE_ALLOW, "t", ANYWHERE, .not_icmp = {true, true, false, 3, 0});
	struct hf_model_rule e = RULE(HF_RULE_ALLOW, "e", ANYWHERE, .not_icmp = {.given = true});

	cr_expect(has(&e, TCP), "asks nothing");
	cr_expect_not(has(&n, V4 "proto=icmp type=3 code=1"));
	cr_expect(has(&n, V4 "proto=icmp type=3 code=2"));
	cr_expect(has(&n, V4 "proto=icmp type=4 code=1"));
	cr_expect_not(has(&n, TCP), "only ICMP packets");
	cr_expect_not(has(&t, V4 "proto=icmp type=3 code=9"));
	cr_expect(has(&t, V4 "proto=icmp type=8"));
}

Test(match, every_criterion_must_hold)
{
	struct hf_ports ranges[] = {{80, 80}};
	struct hf_prefix nets[] = {net("192.0.2.10/32")};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW, "r", DST(.n_nets = 1, .nets = nets),
		.ip_version = 4, .has_proto = true, .proto = 6);

	r.dst.ports = (struct hf_model_ports){.n_ranges = 1, .ranges = ranges};
	r.src.set = OFFICE;
	cr_expect(has(&r, TCP "dport=80"));
	cr_expect_not(has(&r, TCP "dport=81"));
	cr_expect_not(has(&r, V4 "proto=udp dport=80"));
	cr_expect_not(has(&r, "src=198.51.101.7 dst=192.0.2.10 proto=tcp dport=80"));
	cr_expect_not(has(&r, "src=198.51.100.7 dst=192.0.2.11 proto=tcp dport=80"));
}
