/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(warn);

#define H HEP("h", "interfaceName: eth0")

static void check(const char *yaml, const char *code, size_t n)
{
	struct hf_model *m = make_model(yaml);
	size_t i;

	cr_expect_eq(warned(m, code), n, "%s: %zu", code, warned(m, code));
	if (warned(m, code) != n) {
		for (i = 0; i < hf_model_n_warnings(m); i++)
			fprintf(stderr, "%s\n", hf_model_warning(m, i));
	}
	hf_model_free(m);
}

Test(warn, nothing_wrong_says_nothing)
{
	struct hf_model *m = make_model(ETH0 H GNP("a", "ingress: [{action: Allow}]"));

	cr_expect_eq(m->n_warnings, 0, "%s", m->n_warnings ? m->warnings[0] : "");
	hf_model_free(m);
}

Test(warn, form_is_code_place_text)
{
	struct hf_model *m = make_model(ETH0 HEP("h", "interfaceName: eth7"));

	cr_assert_eq(m->n_warnings, 1);
	cr_expect_eq(
		strncmp(m->warnings[0], "hep-no-interface: t.yaml:", 25), 0, "%s", m->warnings[0]);
	cr_expect_not_null(strstr(m->warnings[0], "'eth7'"), "%s", m->warnings[0]);
	hf_model_free(m);
}

Test(warn, policy_no_endpoint)
{
	check(ETH0 H GNP("a", "selector: no == 'one'"), "policy-no-endpoint", 1);
	check(ETH0 H GNP("a", "selector: all()"), "policy-no-endpoint", 0);
	check(ETH0 H NP("x", "a", ""), "policy-no-endpoint", 0);
}

Test(warn, untracked_wildcard)
{
#define U GNP("a", "doNotTrack: true, applyOnForward: true, ingress: [{action: Deny}]")
	check(ETH0 HEP("s", "interfaceName: '*'") U, "untracked-wildcard", 1);
	check(ETH0 H U, "untracked-wildcard", 0);
#undef U
}

Test(warn, hep_no_expected_ips)
{
#define PEER LABELLED_HEP("peer", "role: db", "interfaceName: eth0")
#define RULE(sel)                                                                                  \
	GNP("a", "ingress: [{action: Allow, source: {selector: " sel "}},"                         \
		 "{action: Deny, source: {selector: " sel " && all()}}]")
	check(ETH0 PEER RULE("has(role)"), "hep-no-expected-ips", 1);
	check(ETH0 PEER RULE("has(other)"), "hep-no-expected-ips", 0);
	check(ETH0 LABELLED_HEP("peer", "role: db",
		      "interfaceName: eth0, expectedIPs: [192.0.2.10]") RULE("has(role)"),
		"hep-no-expected-ips", 0);
#undef RULE
#undef PEER
}

Test(warn, set_empty)
{
	check(ETH0 H GNP("a", "ingress: [{action: Allow, source: {selector: has(none)}}]"),
		"set-empty", 1);
	check(ETH0 H GNP("a", "ingress: [{action: Allow, source: {notSelector: has(none)}}]"),
		"set-empty", 0);
}

Test(warn, parameters_that_hepflow_does_not_follow)
{
	check(ETH0 FELIX("default", "chainInsertMode: Append"), "chain-append", 1);
	check(ETH0 FELIX("default", "ipv6Support: false"), "ipv6-off", 1);
	check(ETH0 FELIX("default", "chainInsertMode: Insert, ipv6Support: true"), "chain-append",
		0);
}

Test(warn, pods_that_share_or_lack_an_interface)
{
	check(ETH0 POD("x", "p", "", "interfaceName: cali1")
			POD("x", "q", "", "interfaceName: cali1"),
		"wep-shadowed", 1);
	check(ETH0 POD("x", "p", "", "ipNetworks: [10.65.0.2/32]"), "wep-no-interface", 1);
}
