/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(scope);

/* One of each kind that a selector can mean, all with role db. */
#define WORLD                                                                                      \
	ETH0 LABELLED_HEP("h", "role: db", "interfaceName: eth0, expectedIPs: [192.0.2.10]") POD(  \
		"red", "p", "role: db",                                                            \
		"interfaceName: cali1, ipNetworks: [10.65.0.1/32], serviceAccountName: robot")     \
		POD_ON("n1", "blue", "q", "role: db",                                              \
			"interfaceName: cali2, ipNetworks: [10.65.0.2/32]") GNS("g", "role: db",   \
			"10.70.0.0/16") NETSET("red", "s", "role: db", "10.80.0.0/16")             \
			KUBE("v1", "Namespace", "name: red, labels: {colour: warm}", "") KUBE(     \
				"v1", "Namespace", "name: blue, labels: {colour: cold}", "")       \
				KUBE("v1", "ServiceAccount",                                       \
					"name: robot, namespace: red, labels: {trust: low}", "")

#define HOST "192.0.2.10/32"
#define RED  "10.65.0.1/32"
#define BLUE "10.65.0.2/32"
#define GSET "10.70.0.0/16"
#define RSET "10.80.0.0/16"

/* The set that a source of a policy rule selects; GNP on the host, NP on the pod in red. */
static void check_gnp(const char *source, const char *expected)
{
	char yaml[8192];
	struct hf_model *m;

	(void)snprintf(yaml, sizeof(yaml),
		WORLD GNP("a",
			"selector: 'role == \"db\"', ingress: [{action: Allow, source: {%s}}]"),
		source);
	m = make_model(yaml);
	expect_text(set_text(m, first_rule(m, "h", false)->src.set), expected);
	cr_expect_eq(first_rule(m, "h", false)->src.not_set, HF_NO_SET);
	hf_model_free(m);
}

static void check_np(const char *source, const char *expected)
{
	char yaml[8192];
	struct hf_model *m;

	(void)snprintf(yaml, sizeof(yaml),
		WORLD NP("red", "a", "ingress: [{action: Allow, source: {%s}}]"), source);
	m = make_model(yaml);
	expect_text(set_text(m, first_rule(m, "red/n0-k8s-p-eth0", false)->src.set), expected);
	cr_expect_eq(first_rule(m, "red/n0-k8s-p-eth0", false)->src.not_set, HF_NO_SET);
	hf_model_free(m);
}

Test(scope, a_global_rule_means_every_kind)
{
	check_gnp("selector: \"role == 'db'\"", RED " " BLUE " " GSET " " RSET " " HOST);
	check_gnp("selector: all()", RED " " BLUE " " GSET " " RSET " " HOST);
}

Test(scope, a_namespace_selector_means_namespaced_things)
{
	check_gnp("selector: \"role == 'db'\", namespaceSelector: \"colour == 'warm'\"",
		RED " " RSET);
	check_gnp("namespaceSelector: \"colour == 'cold'\"", BLUE);
	check_gnp("namespaceSelector: all()", RED " " BLUE " " RSET);
	check_gnp("namespaceSelector: \"projectcalico.org/name == 'blue'\"", BLUE);
}

Test(scope, global_means_hosts_and_global_sets)
{
	check_gnp("selector: \"role == 'db'\", namespaceSelector: global()", GSET " " HOST);
	check_np("namespaceSelector: global()", GSET " " HOST);
}

Test(scope, a_namespaced_rule_stays_in_its_namespace)
{
	check_np("selector: \"role == 'db'\"", RED " " RSET);
	check_np("notSelector: \"role == 'web'\"", RED " " RSET);
	check_np("serviceAccounts: {names: [robot]}", RED);
	check_np("selector: all(), namespaceSelector: all()", RED " " BLUE " " RSET);
}

Test(scope, service_accounts_by_name_and_by_label)
{
	check_gnp("serviceAccounts: {names: [other, robot]}", RED);
	check_gnp("serviceAccounts: {selector: \"trust == 'low'\"}", RED);
	check_gnp("serviceAccounts: {selector: \"trust == 'low'\", names: [robot]}", RED);
	check_gnp("serviceAccounts: {selector: \"trust == 'high'\", names: [robot]}", "");
}

Test(scope, not_selector_narrows_a_positive_one)
{
	check_gnp("selector: all(), notSelector: has(projectcalico.org/namespace)", GSET " " HOST);
}

Test(scope, not_selector_alone_is_a_negated_set)
{
	struct hf_model *m =
		make_model(WORLD GNP("a", "ingress: [{action: Allow, source: {notSelector: "
					  "has(projectcalico.org/namespace)}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	cr_expect_eq(r->src.set, HF_NO_SET);
	expect_text(set_text(m, r->src.not_set), RED " " BLUE " " RSET);
	hf_model_free(m);
}

Test(scope, no_selector_is_no_criterion)
{
	struct hf_model *m = make_model(
		WORLD NP("red", "a", "ingress: [{action: Allow, source: {nets: [10.0.0.0/8]}}]"));
	const struct hf_model_rule *r = first_rule(m, "red/n0-k8s-p-eth0", false);

	cr_expect_eq(r->src.set, HF_NO_SET);
	cr_expect_eq(r->dst.set, HF_NO_SET);
	cr_expect_eq(r->src.n_nets, 1);
	hf_model_free(m);
}

/* Which of the two endpoints of this node a policy applies to. */
static void check_subject(const char *spec, bool host, bool pod)
{
	char yaml[8192];
	struct hf_model *m;

	(void)snprintf(yaml, sizeof(yaml), WORLD GNP("a", "ingress: [{action: Allow}], %s"), spec);
	m = make_model(yaml);
	cr_expect_eq(endpoint(m, "h")->tiers[HF_CHAIN_NORMAL].n, host, "%s", spec);
	cr_expect_eq(endpoint(m, "red/n0-k8s-p-eth0")->tiers[HF_CHAIN_NORMAL].n, pod, "%s", spec);
	hf_model_free(m);
}

Test(scope, a_global_policy_selects_hosts_and_pods)
{
	check_subject("selector: all()", true, true);
	check_subject("selector: ''", true, true);
	check_subject("selector: \"role == 'db'\"", true, true);
	check_subject("selector: \"role == 'web'\"", false, false);
	check_subject("selector: has(projectcalico.org/namespace)", false, true);
	check_subject("selector: \"projectcalico.org/orchestrator == 'k8s'\"", false, true);
}

Test(scope, policy_level_namespace_and_account_selectors_mean_pods)
{
	check_subject("namespaceSelector: \"colour == 'warm'\"", false, true);
	check_subject("namespaceSelector: \"colour == 'cold'\"", false, false);
	check_subject("namespaceSelector: all()", false, true);
	check_subject("serviceAccountSelector: \"trust == 'low'\"", false, true);
	check_subject("serviceAccountSelector: all()", false, true);
	/* all() means what has a namespace as soon as a namespaceSelector stands beside it. */
	check_subject("selector: all(), namespaceSelector: '!has(none)'", false, true);
}

Test(scope, a_namespaced_policy_never_selects_a_host)
{
	struct hf_model *m =
		make_model(WORLD NP("red", "a", "selector: all(), ingress: [{action: Allow}]"));

	cr_expect_eq(endpoint(m, "h")->tiers[HF_CHAIN_NORMAL].n, 0);
	cr_expect_eq(endpoint(m, "red/n0-k8s-p-eth0")->tiers[HF_CHAIN_NORMAL].n, 1);
	hf_model_free(m);
}

Test(scope, own_label_then_first_profile_wins)
{
	struct hf_model *m = make_model(
		ETH0 PROFILE("one", "labelsToApply: {a: one, b: one, c: one}")
			PROFILE("two", "labelsToApply: {b: two, c: two, d: two}") LABELLED_HEP(
				"h", "c: own", "interfaceName: eth0, profiles: [two, one, gone]")
				GNP("p", "selector: \"a == 'one' && b == 'two' && c == 'own' && d "
					 "== 'two'\", types: [Ingress]"));

	expect_text(tiers_text(endpoint(m, "h"), HF_CHAIN_NORMAL, false), "default:gnp:p");
	hf_model_free(m);
}
