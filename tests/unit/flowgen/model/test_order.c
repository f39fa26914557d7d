/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(order);

#define H  HEP("h", "interfaceName: eth0")
#define IN "ingress: [{action: Allow}]"

static const char *normal_in(const struct hf_model *m)
{
	return tiers_text(endpoint(m, "h"), HF_CHAIN_NORMAL, false);
}

Test(order, policies_sort_by_order_and_missing_is_last)
{
	struct hf_model *m = make_model(ETH0 H GNP("a", "selector: all(), " IN) GNP("b",
		"selector: all(), order: 20, " IN) GNP("c", "selector: all(), order: -1.5, " IN)
			GNP("d", "selector: all(), order: 20.5, " IN));

	expect_text(normal_in(m), "default:gnp:c,gnp:b,gnp:d,gnp:a");
	hf_model_free(m);
}

Test(order, ties_compare_name_namespace_kind_as_one_string)
{
	/* '-' is smaller than '/', so "a-b/..." comes before "a//...". */
	struct hf_model *m = make_model(ETH0 H GNP("a", "selector: all(), order: 1, " IN) GNP(
		"a-b", "selector: all(), order: 1, " IN) OBJ("StagedGlobalNetworkPolicy", "name: a",
		"selector: all(), order: 1, " IN));

	expect_text(normal_in(m), "default:gnp:a-b,gnp:a,gnp:a(staged)");
	hf_model_free(m);
}

Test(order, global_and_namespaced_policies_share_one_order)
{
	struct hf_model *m = make_model(ETH0 POD("x", "p", "", "interfaceName: cali1")
			NP("x", "b", "order: 2, " IN) GNP("c", "order: 3, " IN)
				GNP("a", "order: 1, " IN) NP("y", "other", "order: 1, " IN));

	expect_text(tiers_text(endpoint(m, "x/n0-k8s-p-eth0"), HF_CHAIN_NORMAL, false),
		"default:gnp:a,np:x/b,gnp:c");
	hf_model_free(m);
}

Test(order, tiers_sort_by_order_then_name_and_missing_order_is_last)
{
	struct hf_model *m = make_model(ETH0 H TIER("last", "") TIER("t2", "order: 5")
			TIER("t1", "order: 5") TIER("t0", "order: 6, defaultAction: Pass") GNP(
				"a", "tier: last, " IN) GNP("b", "tier: t2, " IN)
				GNP("c", "tier: t1, " IN) GNP("d", "tier: t0, " IN) GNP("e", IN));

	expect_text(normal_in(m), "t1:gnp:c t2:gnp:b t0+:gnp:d default:gnp:e last:gnp:a");
	hf_model_free(m);
}

Test(order, well_known_tiers_need_no_object)
{
	struct hf_model *m = make_model(ETH0 H GNP("a", "tier: kube-baseline, " IN)
			GNP("b", "tier: default, " IN) GNP("c", "tier: kube-admin, " IN));

	expect_text(normal_in(m), "kube-admin+:gnp:c default:gnp:b kube-baseline+:gnp:a");
	cr_expect_eq(warned(m, "missing-tier"), 0);
	hf_model_free(m);
}

Test(order, a_missing_tier_is_last_and_denies)
{
	struct hf_model *m = make_model(ETH0 H TIER("noorder", "defaultAction: Pass") GNP(
		"a", "tier: aaa, " IN) GNP("b", "tier: noorder, " IN) GNP("c", "tier: aab, " IN));

	expect_text(normal_in(m), "noorder+:gnp:b aaa:gnp:a aab:gnp:c");
	cr_expect_eq(warned(m, "missing-tier"), 2);
	hf_model_free(m);
}

/* docs/semantics.md 2, the table. */
static void check_filing(const char *flags, const char *untracked, const char *prednat,
	const char *normal, const char *forward)
{
	const char *expected[] = {untracked, prednat, normal, forward};
	char yaml[1024];
	struct hf_model *m;
	int c;

	(void)snprintf(yaml, sizeof(yaml), ETH0 H GNP("a", "selector: all(), %s " IN), flags);
	m = make_model(yaml);
	for (c = 0; c < HF_CHAIN_MAX_; c++)
		expect_text(tiers_text(endpoint(m, "h"), (enum hf_chain)c, false), expected[c]);
	hf_model_free(m);
}

Test(order, each_category_has_its_lists)
{
	check_filing("", "", "", "default:gnp:a", "");
	check_filing("applyOnForward: true,", "", "", "default:gnp:a", "default:gnp:a");
	check_filing("applyOnForward: true, doNotTrack: true,", "default+:gnp:a", "", "", "");
	check_filing("applyOnForward: true, preDNAT: true,", "", "default+:gnp:a", "", "");
}

Test(order, a_tier_is_present_for_either_direction)
{
	struct hf_model *m = make_model(ETH0 H GNP("a", "types: [Egress], applyOnForward: true, "
							"egress: [{action: Allow}]")
			GNP("b", "types: [Ingress, Egress], ingress: [{action: Deny}]"));
	const struct hf_model_endpoint *h = endpoint(m, "h");

	expect_text(tiers_text(h, HF_CHAIN_NORMAL, false), "default:gnp:b");
	expect_text(tiers_text(h, HF_CHAIN_NORMAL, true), "default:gnp:a,gnp:b");
	expect_text(tiers_text(h, HF_CHAIN_FORWARD, false), "default:");
	expect_text(tiers_text(h, HF_CHAIN_FORWARD, true), "default:gnp:a");
	cr_expect_eq(h->tiers[HF_CHAIN_UNTRACKED].n, 0);
	hf_model_free(m);
}

Test(order, pods_have_the_normal_list_only)
{
	struct hf_model *m = make_model(ETH0 POD("x", "p", "", "interfaceName: cali1") GNP("a",
		"applyOnForward: true, " IN) GNP("b", "applyOnForward: true, doNotTrack: true, " IN)
			GNP("c", "applyOnForward: true, preDNAT: true, " IN));
	const struct hf_model_endpoint *p = endpoint(m, "x/n0-k8s-p-eth0");

	expect_text(tiers_text(p, HF_CHAIN_NORMAL, false), "default:gnp:a");
	cr_expect_eq(p->tiers[HF_CHAIN_FORWARD].n, 0);
	cr_expect_eq(p->tiers[HF_CHAIN_UNTRACKED].n, 0);
	cr_expect_eq(p->tiers[HF_CHAIN_PREDNAT].n, 0);
	cr_expect_eq(warned(m, "policy-no-endpoint"), 2);
	hf_model_free(m);
}

Test(order, staged_policies_are_members_and_staged_deletes_are_not)
{
	struct hf_model *m = make_model(ETH0 H OBJ("StagedGlobalNetworkPolicy", "name: s",
		"tier: default, stagedAction: Set, applyOnForward: true, " IN)
			OBJ("StagedGlobalNetworkPolicy", "name: d", "stagedAction: Delete"));

	expect_text(normal_in(m), "default:gnp:s(staged)");
	expect_text(tiers_text(endpoint(m, "h"), HF_CHAIN_FORWARD, false), "default:gnp:s(staged)");
	cr_expect_eq(warned(m, "staged-not-enforced"), 1);
	hf_model_free(m);
}

Test(order, rules_are_shared_by_endpoints_and_lists)
{
	struct hf_model *m = make_model(
		ETH0 H HEP("g", "interfaceName: eth1") GNP("a", "applyOnForward: true, " IN));
	const struct hf_model_endpoint *h = endpoint(m, "h"), *g = endpoint(m, "g");
	const struct hf_model_rule *v = h->tiers[HF_CHAIN_NORMAL].v[0].in.v[0].rules.v;

	cr_expect_eq(g->tiers[HF_CHAIN_NORMAL].v[0].in.v[0].rules.v, v);
	cr_expect_eq(h->tiers[HF_CHAIN_FORWARD].v[0].in.v[0].rules.v, v);
	hf_model_free(m);
}

Test(order, a_policy_without_rules_is_a_member)
{
	struct hf_model *m = make_model(ETH0 H GNP("a", "selector: all()"));
	const struct hf_model_tier *t = &endpoint(m, "h")->tiers[HF_CHAIN_NORMAL].v[0];

	cr_expect_eq(t->in.n, 1);
	cr_expect_eq(t->in.v[0].rules.n, 0);
	cr_expect_eq(t->out.n, 0);
	hf_model_free(m);
}
