/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of the model that YAML cannot say (Felix can), or that are clearer without it: one endpoint
 * on eth0, one policy, one packet.
 */

#include "model/model.h"

#include <hepflow/err.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <string.h>

HF_SUITE(match);

#define NET4(a, b, c, d, n) ((struct hf_prefix){{4, {a, b, c, d}}, n})
#define NET6(a, n)	    ((struct hf_prefix){{6, {a}}, n})
#define ANY_SIDE                                                                                   \
	((struct hf_model_side){.set = HF_NO_SET, .not_set = HF_NO_SET, .service = HF_NO_SET})
#define RULE(what)                                                                                 \
	((struct hf_model_rule){                                                                   \
		.origin = "it", .place = "", .action = what, .src = ANY_SIDE, .dst = ANY_SIDE})

static const struct hf_member web = {{4, {10, 0, 0, 1}}, HF_PROTO_TCP, 80};
static const struct hf_set model_sets[] = {
	{.name = "none"},
	{.name = "web", .n_members = 1, .members = &web},
};

static const uint64_t set_ids[] = {1, 2};

static struct hf_rules *build(const struct hf_model_rule *rules, size_t n, unsigned int failsafes,
	const struct hf_model_failsafe *fs)
{
	const struct hf_model_policy policy = {.id = "gnp:it", .rules = {n, rules}};
	const struct hf_model_tier tier = {
		.name = "default", .origin = "tier-default:default", .in = {1, &policy}};
	const struct hf_model_endpoint hep = {
		.name = "hep", .status = HF_ENDPOINT_UP, .tiers = {[HF_CHAIN_NORMAL] = {1, &tier}}};
	const struct hf_model_endpoint *heps[] = {&hep};
	const struct hf_prefix addr = NET4(192, 0, 2, 10, 24);
	const struct hf_model_iface ifaces[] = {{.id.from = HF_FROM_HOST},
		{.id.name = "eth0", .n_addrs = 1, .addrs = &addr, .hep = &hep}};
	const struct hf_dest dests[] = {{NET4(192, 0, 2, 10, 32), HF_CLASS_HOST, 0},
		{NET6(0xfd, 8), HF_CLASS_HOST, 0}, {NET4(0, 0, 0, 0, 0), HF_CLASS_REMOTE, 1},
		{NET6(0, 0), HF_CLASS_REMOTE, 1}};
	const struct hf_model model = {.node = "n0",
		.config = {.calico = 329, .fs_in = {failsafes, fs}, .peers = 0, .service_nets = 0},
		.n_ifaces = 2,
		.ifaces = ifaces,
		.n_endpoints = 1,
		.endpoints = heps,
		.n_dests = 4,
		.dests = dests,
		.n_sets = 2,
		.sets = model_sets,
		.set_ids = set_ids};
	struct hf_rules *ret = NULL;
	struct hf_err err = {0};

	cr_assert_eq(hf_rules_build(&model, &ret, &err), 0, "%s", err.text);
	return ret;
}

static const char *origin_of(const struct hf_rules *rules, const char *line)
{
	struct hf_packet pkt;
	struct hf_key key;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0, "%s", line);
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, NULL), 0);
	return hf_rules_origin(rules, hf_rules_lookup(rules, &key).origin);
}

/* Whether an allow rule of that shape takes the packet to eth0. */
static bool takes(const struct hf_model_rule *rule, const char *rest)
{
	struct hf_rules *rules = build(rule, 1, 0, NULL);
	char line[256];
	bool ret;

	(void)snprintf(line, sizeof(line), "in=eth0 %s", rest);
	ret = strcmp(origin_of(rules, line), "it") == 0;
	hf_rules_free(rules);
	return ret;
}

#define V4 "src=1.2.3.4 dst=192.0.2.10 "
#define V6 "src=fd01::1 dst=fd00::1 "

Test(match, an_empty_rule_takes_everything)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);

	cr_assert(takes(&r, V4 "proto=tcp dport=1"));
	cr_assert(takes(&r, V6 "proto=0"));
}

/* docs/semantics.md 11.2 */
Test(match, a_list_of_nets_limits_the_rule_to_its_families)
{
	const struct hf_prefix nets[] = {NET4(1, 0, 0, 0, 8), NET6(0xfd, 8)};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);

	r.src.nets = nets;
	r.src.n_nets = 1;
	cr_assert(takes(&r, V4 "proto=0") && !takes(&r, V6 "proto=0"));
	r.src.n_nets = 2;
	cr_assert(takes(&r, V4 "proto=0") && takes(&r, V6 "proto=0"));
	r.dst.not_nets = nets;
	r.dst.n_not_nets = 1;
	cr_assert(takes(&r, V4 "proto=0") && !takes(&r, V6 "proto=0"));
	r.ip_version = 6;
	cr_assert(!takes(&r, V4 "proto=0") && !takes(&r, V6 "proto=0"));
}

Test(match, excluding_every_address_of_a_family_excludes_the_rule)
{
	const struct hf_prefix nets[] = {NET4(0, 0, 0, 0, 0), NET6(0xfe, 8)};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);
	struct hf_rules *rules;

	r.src.not_nets = nets;
	r.src.n_not_nets = 2;
	cr_assert(!takes(&r, V4 "proto=0") && takes(&r, V6 "proto=0"));
	r.src.n_not_nets = 1;
	rules = build(&r, 1, 0, NULL);
	cr_assert_eq(hf_rules_n_dead(rules), 1);
	cr_assert_str_eq(hf_rules_dead(rules, 0)->reason, "no-family");
	hf_rules_free(rules);
}

Test(match, protocols_that_exclude_each_other_kill_the_rule)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);
	struct hf_rules *rules;

	r.has_proto = r.has_not_proto = true;
	r.proto = HF_PROTO_TCP;
	r.not_proto = HF_PROTO_UDP;
	cr_assert(takes(&r, V4 "proto=tcp dport=1") && !takes(&r, V4 "proto=udp dport=1"));
	r.not_proto = HF_PROTO_TCP;
	rules = build(&r, 1, 0, NULL);
	cr_assert_eq(hf_rules_n_dead(rules), 1);
	cr_assert_str_eq(hf_rules_dead(rules, 0)->reason, "no-protocol");
	hf_rules_free(rules);
}

Test(match, an_icmp_type_follows_the_family_of_the_packet)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);

	r.icmp = (struct hf_model_icmp){.given = true, .has_type = true, .type = 128};
	cr_assert(takes(&r, V4 "proto=icmp type=128") && takes(&r, V6 "proto=icmpv6 type=128"));
	cr_assert(!takes(&r, V4 "proto=icmpv6 type=128") && !takes(&r, V6 "proto=icmp type=128"));
	cr_assert_not(takes(&r, V4 "proto=icmp type=127"));
	r.not_icmp = (struct hf_model_icmp){
		.given = true, .has_type = true, .type = 128, .has_code = true, .code = 3};
	cr_assert(takes(&r, V4 "proto=icmp type=128 code=2"));
	cr_assert_not(takes(&r, V4 "proto=icmp type=128 code=3"));
}

Test(match, a_port_is_in_a_range_or_in_a_set)
{
	static const struct hf_ports ranges[] = {{10, 20}};
	static const uint32_t sets[] = {0, 1};
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);

	r.src.ports = (struct hf_model_ports){1, ranges, 2, sets};
	cr_assert(takes(&r, V4 "proto=tcp sport=20 dport=1"));
	cr_assert_not(takes(&r, V4 "proto=tcp sport=21 dport=1"));
	cr_assert(takes(&r, "src=10.0.0.1 dst=192.0.2.10 proto=tcp sport=80 dport=1"));
	cr_assert_not(takes(&r, "src=10.0.0.1 dst=192.0.2.10 proto=udp sport=80 dport=1"));
	r.src.not_ports = (struct hf_model_ports){.n_sets = 1, .sets = sets + 1};
	cr_assert_not(takes(&r, "src=10.0.0.1 dst=192.0.2.10 proto=tcp sport=80 dport=1"));
	cr_assert(takes(&r, V4 "proto=tcp sport=15 dport=1"));
}

Test(match, an_empty_set_kills_a_rule_unless_negated)
{
	struct hf_model_rule r = RULE(HF_RULE_ALLOW);

	r.src.not_set = 0;
	cr_assert(takes(&r, V4 "proto=0"));
	r.src.set = 0;
	cr_assert_not(takes(&r, V4 "proto=0"));
	r = RULE(HF_RULE_ALLOW);
	r.dst.service = 0;
	cr_assert_not(takes(&r, V4 "proto=tcp dport=80"));
	r.dst.service = HF_NO_SET;
	r.dst.not_ports = (struct hf_model_ports){.n_sets = 1, .sets = (const uint32_t[]){0}};
	cr_assert(takes(&r, V4 "proto=tcp dport=80"));
}

Test(match, failsafes_hold_for_their_ports_and_nets_only)
{
	const struct hf_model_failsafe fs[] = {
		{.proto = HF_PROTO_TCP, .port = 80},
		{.proto = HF_PROTO_TCP, .port = 65535},
		{.proto = HF_PROTO_TCP, .port = 82},
		{.proto = HF_PROTO_TCP, .port = 83},
		{.proto = HF_PROTO_UDP, .port = 53, .net = NET4(1, 0, 0, 0, 8)},
	};
	static const struct {
		const char *packet;
		bool safe;
	} cases[] = {
		{V4 "proto=tcp dport=79", false},
		{V4 "proto=tcp dport=80", true},
		{V4 "proto=tcp dport=81", false},
		{V4 "proto=tcp dport=82", true},
		{V4 "proto=tcp dport=83", true},
		{V4 "proto=tcp dport=84", false},
		{V4 "proto=tcp dport=65535", true},
		{V4 "proto=tcp dport=65534", false},
		{V4 "proto=udp dport=80", false},
		{V6 "proto=tcp dport=80", true},
		{V4 "proto=udp dport=53", true},
		{"src=2.2.3.4 dst=192.0.2.10 proto=udp dport=53", false},
		{V6 "proto=udp dport=53", false},
	};
	struct hf_model_rule none = RULE(HF_RULE_PASS);
	struct hf_rules *rules = build(&none, 0, 5, fs);
	char line[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(line, sizeof(line), "in=eth0 %s", cases[i].packet);
		cr_expect_eq(
			strcmp(origin_of(rules, line), "failsafe") == 0, cases[i].safe, "%s", line);
	}
	hf_rules_free(rules);
}
