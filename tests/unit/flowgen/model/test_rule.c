/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(rule);

#define H HEP("h", "interfaceName: eth0")

Test(rule, origins_name_tier_policy_direction_index)
{
	struct hf_model *m = make_model(ETH0 H TIER("t", "order: 1") GNP(
		"a", "tier: t, ingress: [{action: Log}, {action: Pass}], egress: [{action: Deny}]")
			POD("x", "p", "", "interfaceName: cali1")
				NP("x", "b", "ingress: [{action: Allow}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	expect_text(r[0].origin, "t/gnp:a/ingress/0");
	expect_text(r[1].origin, "t/gnp:a/ingress/1");
	cr_expect_eq(r[0].action, HF_RULE_LOG);
	cr_expect_eq(r[1].action, HF_RULE_PASS);
	expect_text(first_rule(m, "h", true)->origin, "t/gnp:a/egress/0");
	expect_text(endpoint(m, "h")->tiers[HF_CHAIN_NORMAL].v[0].origin, "tier-default:t");
	expect_text(endpoint(m, "x/n0-k8s-p-eth0")
			    ->tiers[HF_CHAIN_NORMAL]
			    .v[1]
			    .in.v[0]
			    .rules.v[0]
			    .origin,
		"default/np:x/b/ingress/0");
	cr_expect_not_null(strstr(r[0].place, "t.yaml:"));
	hf_model_free(m);
}

Test(rule, icmp_by_name_implies_a_family_and_by_number_none)
{
	struct hf_model *m = make_model(ETH0 H GNP("a",
		"ingress: [{action: Allow, protocol: ICMP}, {action: Allow, protocol: ICMPv6},"
		"{action: Allow, protocol: 1}, {action: Allow, protocol: 58}, {action: Allow, "
		"ipVersion: 6},"
		"{action: Allow, notProtocol: ICMP}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);
	static const uint8_t families[] = {4, 6, 0, 0, 6, 0};
	size_t i;

	for (i = 0; i < 6; i++)
		cr_expect_eq(r[i].ip_version, families[i], "rule %zu", i);
	cr_expect(r[5].has_not_proto);
	cr_expect_not(r[5].has_proto);
	hf_model_free(m);
}

Test(rule, icmp_type_and_code)
{
	struct hf_model *m =
		make_model(ETH0 H GNP("a", "ingress: [{action: Allow, protocol: ICMP, icmp: {type: "
					   "8}, notICMP: {type: 3, code: 4}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	cr_expect(r->icmp.given && r->icmp.has_type && !r->icmp.has_code);
	cr_expect_eq(r->icmp.type, 8);
	cr_expect(r->not_icmp.given && r->not_icmp.has_code);
	cr_expect_eq(r->not_icmp.type, 3);
	cr_expect_eq(r->not_icmp.code, 4);
	hf_model_free(m);
}

Test(rule, nets_stay_as_written)
{
	struct hf_model *m =
		make_model(ETH0 H GNP("a", "ingress: [{action: Allow, source: {nets: [10.2.0.0/16, "
					   "10.1.0.0/16], notNets: [10.2.3.0/24]}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	cr_assert_eq(r->src.n_nets, 2);
	cr_expect_eq(r->src.nets[0].addr.b[1], 2);
	cr_expect_eq(r->src.nets[1].addr.b[1], 1);
	cr_expect_eq(r->src.n_not_nets, 1);
	hf_model_free(m);
}

Test(rule, http_is_reported)
{
	struct hf_model *m = make_model(ETH0 H GNP(
		"a", "ingress: [{action: Allow, protocol: TCP, http: {methods: [GET]}}]"));

	cr_expect_eq(warned(m, "http-unenforceable"), 1);
	hf_model_free(m);
}
