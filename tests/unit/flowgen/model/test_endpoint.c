/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(endpoint);

#define TWO_IFACES                                                                                 \
	FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']},"          \
	      "{name: eth1, addresses: [198.51.100.10/24]}]")

static const char *winner(const struct hf_model *m, const char *name)
{
	const struct hf_model_iface *f = iface(m, name);

	return f->hep ? f->hep->name : "none";
}

Test(endpoint, interface_name_wins_its_interface)
{
	struct hf_model *m = make_model(TWO_IFACES HEP("h", "interfaceName: eth1"));

	expect_text(winner(m, "eth1"), "h");
	expect_text(winner(m, "eth0"), "none");
	expect_text(winner(m, "lo"), "none");
	cr_expect_eq(endpoint(m, "h")->status, HF_ENDPOINT_UP);
	hf_model_free(m);
}

Test(endpoint, expected_ip_of_either_family_wins)
{
	struct hf_model *m = make_model(TWO_IFACES HEP("h", "expectedIPs: ['2001:db8::10']")
			HEP("g", "expectedIPs: [198.51.100.10]"));

	expect_text(winner(m, "eth0"), "h");
	expect_text(winner(m, "eth1"), "g");
	hf_model_free(m);
}

Test(endpoint, other_name_never_matches_by_ip)
{
	struct hf_model *m =
		make_model(TWO_IFACES HEP("h", "interfaceName: eth9, expectedIPs: [192.0.2.10]"));

	expect_text(winner(m, "eth0"), "none");
	cr_expect_eq(endpoint(m, "h")->status, HF_ENDPOINT_ERROR);
	cr_expect_eq(warned(m, "hep-no-interface"), 1);
	hf_model_free(m);
}

Test(endpoint, a_vlan_has_an_endpoint_of_its_own)
{
	struct hf_model *m = make_model(FACTS("interfaces: [{name: eth0}, {name: eth0.7}, "
					      "{name: eth0.8}]") HEP("h", "interfaceName: eth0")
			HEP("v", "interfaceName: eth0.7"));

	expect_text(winner(m, "eth0"), "h");
	expect_text(winner(m, "eth0.7"), "v");
	expect_text(winner(m, "eth0.8"), "none");
	hf_model_free(m);
}

Test(endpoint, smallest_name_wins_a_tie)
{
	struct hf_model *m = make_model(TWO_IFACES HEP("b", "interfaceName: eth0")
			HEP("a", "interfaceName: eth0") HEP("c", "interfaceName: eth0"));

	expect_text(winner(m, "eth0"), "a");
	cr_expect_eq(warned(m, "hep-shadowed"), 2);
	cr_expect_eq(endpoint(m, "b")->status, HF_ENDPOINT_ERROR);
	hf_model_free(m);
}

Test(endpoint, name_match_has_no_precedence_over_ip)
{
	struct hf_model *m = make_model(
		TWO_IFACES HEP("b", "interfaceName: eth0") HEP("a", "expectedIPs: [192.0.2.10]"));

	expect_text(winner(m, "eth0"), "a");
	hf_model_free(m);
}

Test(endpoint, names_compare_by_bytes)
{
	struct hf_model *m = make_model(
		TWO_IFACES HEP("a10", "interfaceName: eth0") HEP("a9", "interfaceName: eth0"));

	expect_text(winner(m, "eth0"), "a10");
	hf_model_free(m);
}

Test(endpoint, one_wins_several_interfaces)
{
	struct hf_model *m =
		make_model(TWO_IFACES HEP("h", "expectedIPs: [192.0.2.10, 198.51.100.10]"));

	expect_text(winner(m, "eth0"), "h");
	expect_text(winner(m, "eth1"), "h");
	hf_model_free(m);
}

Test(endpoint, smallest_star_wins_and_stays_off_interfaces)
{
	struct hf_model *m = make_model(
		TWO_IFACES HEP("b", "interfaceName: '*'") HEP("a", "interfaceName: '*'"));

	cr_assert_not_null(m->star);
	expect_text(m->star->name, "a");
	cr_expect(m->star->wildcard);
	cr_expect_eq(m->star->status, HF_ENDPOINT_UP);
	cr_expect_eq(endpoint(m, "b")->status, HF_ENDPOINT_ERROR);
	expect_text(winner(m, "eth0"), "none");
	cr_expect_eq(warned(m, "hep-shadowed"), 1);
	hf_model_free(m);
}

Test(endpoint, of_another_node_is_not_here)
{
	struct hf_model *m = make_model(
		TWO_IFACES OBJ("HostEndpoint", "name: h", "node: n1, interfaceName: eth0"));

	expect_text(winner(m, "eth0"), "none");
	cr_expect_eq(m->n_endpoints, 0);
	cr_expect_eq(warned(m, "hep-no-interface"), 0);
	hf_model_free(m);
}

Test(endpoint, workload_interfaces_are_no_candidates)
{
	struct hf_model *m = make_model(FACTS("interfaces: [{name: cali1}, {name: tap1}]")
			FELIX("default", "interfacePrefix: 'cali,tap'")
				HEP("a", "interfaceName: cali1") HEP("b", "interfaceName: tap1"));

	expect_text(winner(m, "cali1"), "none");
	expect_text(winner(m, "tap1"), "none");
	cr_expect_eq(warned(m, "hep-no-interface"), 2);
	hf_model_free(m);
}

Test(endpoint, kube_ipvs0_is_excluded_by_default)
{
	struct hf_model *m =
		make_model(FACTS("interfaces: [{name: kube-ipvs0, addresses: [192.0.2.1/32]}]")
				HEP("h", "expectedIPs: [192.0.2.1]"));

	expect_text(winner(m, "kube-ipvs0"), "none");
	hf_model_free(m);
}

Test(endpoint, exclude_takes_names_and_patterns)
{
	struct hf_model *m = make_model(
		FACTS("interfaces: [{name: kube-ipvs0}, {name: veth1}, {name: eth0}, {name: br0}]")
			FELIX("default", "interfaceExclude: 'br0,/^veth/'") HEP(
				"a", "interfaceName: kube-ipvs0") HEP("b", "interfaceName: veth1")
				HEP("c", "interfaceName: eth0") HEP("d", "interfaceName: br0"));

	expect_text(winner(m, "kube-ipvs0"), "a");
	expect_text(winner(m, "veth1"), "none");
	expect_text(winner(m, "eth0"), "c");
	expect_text(winner(m, "br0"), "none");
	hf_model_free(m);
}

Test(endpoint, a_pattern_of_another_dialect_is_refused)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_model *m = NULL;
	struct hf_err err = {0};

	cr_expect_eq(
		try_model(FELIX("default", "interfaceExclude: '/^veth\\d+$/'"), &opts, &m, &err),
		-EINVAL);
	cr_expect_not_null(strstr(err.text, "interfaceExclude"), "%s", err.text);
	cr_expect_null(m);
}

Test(endpoint, down_when_one_of_its_interfaces_is_down)
{
	struct hf_model *m =
		make_model(FACTS("interfaces: [{name: eth0, addresses: [192.0.2.1/24]},"
				 "{name: eth1, addresses: [192.0.2.2/24], operState: down},"
				 "{name: eth2, addresses: [192.0.2.3/24]}]")
				HEP("h", "expectedIPs: [192.0.2.1, 192.0.2.2, 192.0.2.3]"));

	cr_expect_eq(endpoint(m, "h")->status, HF_ENDPOINT_DOWN);
	hf_model_free(m);
}

Test(endpoint, pods_follow_hosts_and_sort_by_name)
{
	struct hf_model *m = make_model(ETH0 HEP("z", "interfaceName: eth0")
			POD("b", "p", "", "interfaceName: cali2, ipNetworks: [10.65.0.3/32]") POD(
				"a", "q", "", "interfaceName: cali1, ipNetworks: [10.65.0.2/32]")
				POD_ON("n1", "a", "r", "", "interfaceName: cali3"));

	cr_assert_eq(m->n_endpoints, 3);
	expect_text(m->endpoints[0]->name, "z");
	expect_text(m->endpoints[1]->name, "a/n0-k8s-q-eth0");
	expect_text(m->endpoints[2]->name, "b/n0-k8s-p-eth0");
	cr_expect(m->endpoints[1]->workload);
	cr_expect_eq(iface(m, "cali1")->wep, m->endpoints[1]);
	hf_model_free(m);
}

Test(endpoint, profiles_keep_their_order_and_missing_ones_their_place)
{
	struct hf_model *m = make_model(
		ETH0 PROFILE("p", "ingress: [{action: Deny}], egress: [{action: Allow}]") HEP("h",
			"interfaceName: eth0, profiles: [nope, p, projectcalico-default-allow]"));
	const struct hf_model_endpoint *ep = endpoint(m, "h");

	cr_assert_eq(ep->n_profiles, 3);
	cr_expect(ep->profiles[0]->missing);
	cr_expect_eq(ep->profiles[0]->in.n, 0);
	cr_expect_not(ep->profiles[1]->missing);
	cr_expect_eq(ep->profiles[1]->in.v[0].action, HF_RULE_DENY);
	expect_text(ep->profiles[1]->in.v[0].origin, "profile:p/ingress/0");
	expect_text(ep->profiles[1]->out.v[0].origin, "profile:p/egress/0");
	cr_expect_not(ep->profiles[2]->missing);
	cr_expect_eq(ep->profiles[2]->in.v[0].action, HF_RULE_ALLOW);
	cr_expect_eq(ep->profiles[2]->out.v[0].action, HF_RULE_ALLOW);
	cr_expect_eq(warned(m, "missing-profile"), 1);
	hf_model_free(m);
}

Test(endpoint, namespaces_and_service_accounts_imply_profiles)
{
	struct hf_model *m = make_model(ETH0 KUBE("v1", "Namespace", "name: a", "")
			KUBE("v1", "ServiceAccount", "name: x.y, namespace: a", "") POD("a", "p",
				"", "interfaceName: cali1, profiles: [kns.a, ksa.a.x.y, kns.b]"));
	const struct hf_model_endpoint *ep = endpoint(m, "a/n0-k8s-p-eth0");

	cr_assert_eq(ep->n_profiles, 3);
	cr_expect_not(ep->profiles[0]->missing);
	cr_expect_eq(ep->profiles[0]->in.n, 1);
	cr_expect_not(ep->profiles[1]->missing);
	cr_expect_eq(ep->profiles[1]->in.n, 0);
	cr_expect(ep->profiles[2]->missing);
	hf_model_free(m);
}
