/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(host);

Test(host, index_zero_is_the_host_itself)
{
	struct hf_model *m = make_model(ETH0);

	expect_text(m->ifaces[HF_IF_HOST].id.name, "");
	cr_expect_eq(m->ifaces[HF_IF_HOST].id.from, HF_FROM_HOST);
	cr_expect_eq(hf_model_find_iface(m, ""), HF_IF_HOST);
	cr_expect_eq(hf_model_find_iface(m, "eth0"), 1);
	cr_expect_eq(hf_model_find_iface(m, "eth9"), -ENOENT);
	hf_model_free(m);
}

Test(host, lo_is_always_there_and_never_twice)
{
	struct hf_model *m = make_model(ETH0);

	cr_expect_eq(iface(m, "lo")->id.from, HF_FROM_UPLINK);
	cr_expect_eq(m->n_ifaces, 3);
	hf_model_free(m);

	m = make_model(FACTS("interfaces: [{name: lo, addresses: [127.0.0.1/8]}]"));
	cr_expect_eq(m->n_ifaces, 2);
	hf_model_free(m);
}

Test(host, kinds_by_prefix_and_tunnel_name)
{
	struct hf_model *m = make_model(FACTS(
		"interfaces: [{name: eth0}, {name: cali5}, {name: tunl0}, {name: vxlan.calico},"
		"{name: vxlan-v6.calico}, {name: wireguard.cali}, {name: wg-v6.cali}]"));
	static const struct {
		const char *name;
		enum hf_from from;
	} v[] = {{"eth0", HF_FROM_UPLINK}, {"cali5", HF_FROM_WORKLOAD}, {"tunl0", HF_FROM_TUNNEL},
		{"vxlan.calico", HF_FROM_TUNNEL}, {"vxlan-v6.calico", HF_FROM_TUNNEL},
		{"wireguard.cali", HF_FROM_TUNNEL}, {"wg-v6.cali", HF_FROM_TUNNEL}};
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		cr_expect_eq(iface(m, v[i].name)->id.from, v[i].from, "%s", v[i].name);
	hf_model_free(m);
}

Test(host, interface_prefixes_replace_the_default)
{
	struct hf_model *m =
		make_model(FACTS("interfaces: [{name: cali5}, {name: tap5}, {name: veth5}]")
				FELIX("default", "interfacePrefix: 'tap,veth'"));

	cr_expect_eq(iface(m, "cali5")->id.from, HF_FROM_UPLINK);
	cr_expect_eq(iface(m, "tap5")->id.from, HF_FROM_WORKLOAD);
	cr_expect_eq(iface(m, "veth5")->id.from, HF_FROM_WORKLOAD);
	hf_model_free(m);
}

Test(host, a_pod_brings_its_interface_and_merges_with_a_listed_one)
{
	struct hf_model *m = make_model(
		FACTS("interfaces: [{name: cali1, operState: down}, {name: eth0}]") POD("x", "p",
			"", "interfaceName: cali1") POD("x", "q", "", "interfaceName: cali2"));

	cr_expect_eq(hf_model_find_iface(m, "cali1"), 1);
	expect_text(iface(m, "cali1")->wep->name, "x/n0-k8s-p-eth0");
	cr_expect_eq(iface(m, "cali1")->wep->status, HF_ENDPOINT_DOWN);
	expect_text(iface(m, "cali2")->wep->name, "x/n0-k8s-q-eth0");
	cr_expect_eq(iface(m, "cali2")->wep->status, HF_ENDPOINT_UP);
	hf_model_free(m);
}

Test(host, a_pod_on_a_foreign_name_is_a_workload_and_said_so)
{
	struct hf_model *m = make_model(ETH0 POD("x", "p", "", "interfaceName: tap1"));

	cr_expect_eq(iface(m, "tap1")->id.from, HF_FROM_WORKLOAD);
	cr_expect_eq(warned(m, "wep-prefix"), 1);
	hf_model_free(m);
}

Test(host, addresses_keep_their_host_bits)
{
	struct hf_model *m = make_model(ETH0);
	const struct hf_model_iface *f = iface(m, "eth0");

	cr_assert_eq(f->n_addrs, 1);
	cr_expect_eq(f->addrs[0].addr.b[3], 10);
	cr_expect_eq(f->addrs[0].len, 24);
	hf_model_free(m);
}

static bool passes_rpf(const struct hf_model *m, const char *name, const char *src)
{
	const struct hf_model_iface *f = iface(m, name);
	struct hf_addr a = addr(src);
	size_t i;

	for (i = 0; i < f->n_sources; i++) {
		if (hf_prefix_has(&f->sources[i], &a))
			return true;
	}
	return false;
}

Test(host, sources_are_the_pods_addresses_and_what_it_may_spoof)
{
	struct hf_model *m =
		make_model(FACTS("interfaces: [{name: eth0}], routes: [{dst: 10.65.0.9/32, dev: "
				 "cali1}]") "---\napiVersion: projectcalico.org/v3\nkind: "
					    "WorkloadEndpoint\n"
					    "metadata: {name: n0-k8s-p-eth0, namespace: x}\n"
					    "spec: {node: n0, orchestrator: k8s, endpoint: eth0, "
					    "pod: p, interfaceName: cali1,"
					    "ipNetworks: [10.65.0.2/32], "
					    "allowSpoofedSourcePrefixes: [10.99.0.0/16]}\n");

	cr_expect(passes_rpf(m, "cali1", "10.65.0.2"));
	cr_expect(passes_rpf(m, "cali1", "10.99.1.1"));
	cr_expect(passes_rpf(m, "cali1", "10.65.0.9"), "a route makes a source valid");
	cr_expect(passes_rpf(m, "cali1", "fe80::5"));
	cr_expect(passes_rpf(m, "cali1", "::"));
	cr_expect_not(passes_rpf(m, "cali1", "10.65.0.3"));
	cr_expect_not(passes_rpf(m, "cali1", "2001:db8::1"));
	cr_expect_eq(iface(m, "eth0")->n_sources, 0);
	hf_model_free(m);
}

Test(host, a_route_of_a_foreign_workload_name_is_a_source_too)
{
	struct hf_model *m = make_model(
		FACTS("interfaces: [{name: eth0}], routes: [{dst: 10.65.0.9/32, dev: tap1}]")
			POD("x", "p", "", "interfaceName: tap1"));

	cr_expect(passes_rpf(m, "tap1", "10.65.0.9"));
	hf_model_free(m);
}

Test(host, without_facts_endpoints_name_the_interfaces)
{
	struct hf_model *m = make_model(HEP("h", "interfaceName: eth3, expectedIPs: [192.0.2.10]")
			HEP("s", "interfaceName: '*'") POD("x", "p", "", "interfaceName: cali1"));

	cr_expect_eq(m->n_ifaces, 4);
	expect_text(iface(m, "eth3")->hep->name, "h");
	cr_expect_eq(iface(m, "eth3")->n_addrs, 1);
	cr_expect_eq(iface(m, "cali1")->id.from, HF_FROM_WORKLOAD);
	cr_expect_eq(warned(m, "no-host-facts"), 1);
	hf_model_free(m);
}
