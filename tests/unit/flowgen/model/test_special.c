/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(special);

static const char *failsafes_text(const struct hf_model_failsafes *f)
{
	static char text[512];
	char proto[12], buf[HF_ADDRSTR_SIZE];
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < f->n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s/%u", i ? " " : "",
			hf_proto_name(f->v[i].proto, proto), f->v[i].port);
		if (f->v[i].net.addr.family)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "@%s",
				hf_prefix_print(&f->v[i].net, buf));
	}
	return text;
}

Test(special, failsafes_default)
{
	struct hf_model *m = make_model(ETH0);

	expect_text(failsafes_text(&m->config.fs_in),
		"tcp/22 udp/68 tcp/179 tcp/2379 tcp/2380 tcp/5473 tcp/6443 tcp/6666 tcp/6667");
	expect_text(failsafes_text(&m->config.fs_out),
		"udp/53 udp/67 tcp/179 tcp/2379 tcp/2380 tcp/5473 tcp/6443 tcp/6666 tcp/6667");
	hf_model_free(m);
}

Test(special, failsafes_given_and_given_empty)
{
	struct hf_model *m = make_model(
		ETH0 FELIX("default", "failsafeInboundHostPorts: [{protocol: TCP, port: 2222, net: "
				      "10.0.0.0/8}, {protocol: UDP, port: 1}],"
				      "failsafeOutboundHostPorts: []"));

	expect_text(failsafes_text(&m->config.fs_in), "tcp/2222@10.0.0.0/8 udp/1");
	cr_expect_eq(m->config.fs_out.n, 0);
	hf_model_free(m);
}

Test(special, the_node_overrides_what_it_gives)
{
	struct hf_model *m = make_model(
		ETH0 FELIX("default", "defaultEndpointToHostAction: Accept, vxlanPort: 9999, "
				      "failsafeInboundHostPorts: []") FELIX("node.n0",
			"defaultEndpointToHostAction: Return, failsafeOutboundHostPorts: []")
			FELIX("node.n1", "defaultEndpointToHostAction: Drop, vxlanPort: 1"));

	cr_expect_eq(m->config.epha, HF_TARGET_RETURN);
	cr_expect_eq(m->config.vxlan_port, 9999);
	cr_expect_eq(m->config.fs_in.n, 0);
	cr_expect_eq(m->config.fs_out.n, 0);
	hf_model_free(m);
}

Test(special, a_node_selector_stands_between_global_and_node)
{
	struct hf_model *m = make_model(ETH0 OBJ("Node", "name: n0, labels: {rack: r1}", "") FELIX(
		"default", "vxlanPort: 1, wireguardListeningPort: 1, wireguardListeningPortV6: 1")
			FELIX("mine", "nodeSelector: \"rack == 'r1'\", vxlanPort: 2, "
				      "wireguardListeningPort: 2")
				FELIX("other", "nodeSelector: \"rack == 'r2'\", vxlanPort: 3")
					FELIX("node.n0", "wireguardListeningPort: 4"));

	cr_expect_eq(m->config.vxlan_port, 2);
	cr_expect_eq(m->config.wireguard_port, 4);
	cr_expect_eq(m->config.wireguard_port6, 1);
	hf_model_free(m);
}

Test(special, defaults_of_parameters)
{
	struct hf_model *m = make_model(ETH0);
	const struct hf_model_config *c = &m->config;

	cr_expect_geq(c->calico, 329);
	cr_expect_eq(c->epha, HF_TARGET_DROP);
	cr_expect_not(c->filter_return || c->mangle_return || c->no_invalid_check);
	cr_expect_not(c->ipip || c->vxlan || c->vxlan6 || c->wireguard || c->wireguard6);
	cr_expect_eq(c->vxlan_port, 4789);
	cr_expect_eq(c->wireguard_port, 51820);
	cr_expect_eq(c->wireguard_port6, 51821);
	cr_expect_not(c->ipip_from_wl || c->vxlan_from_wl || c->loop_guard);
	cr_expect_not(c->drop_input || c->drop_output || c->drop_forward);
	cr_expect_neq(c->peers, HF_NO_SET);
	hf_model_free(m);
}

Test(special, parameters_that_change_verdicts)
{
	struct hf_model *m = make_model(FACTS("interfaces: [{name: eth0}], kernelPolicy: {input: "
					      "drop, forward: drop}") FELIX("default",
		"iptablesFilterAllowAction: Return, iptablesMangleAllowAction: Return,"
		"wireguardEnabled: true, wireguardListeningPort: 1, allowIPIPPacketsFromWorkloads: "
		"true,"
		"allowVXLANPacketsFromWorkloads: true"));
	const struct hf_model_config *c = &m->config;

	cr_expect(c->filter_return && c->mangle_return && c->wireguard);
	cr_expect_not(c->wireguard6);
	cr_expect_eq(c->wireguard_port, 1);
	cr_expect(c->ipip_from_wl && c->vxlan_from_wl);
	cr_expect(c->drop_input && c->drop_forward);
	cr_expect_not(c->drop_output);
	hf_model_free(m);
}

static void check_encap(const char *yaml, bool ipip, bool vxlan, bool vxlan6)
{
	struct hf_model *m = make_model(yaml);

	cr_expect_eq(m->config.ipip, ipip, "%s", yaml);
	cr_expect_eq(m->config.vxlan, vxlan, "%s", yaml);
	cr_expect_eq(m->config.vxlan6, vxlan6, "%s", yaml);
	hf_model_free(m);
}

Test(special, pools_switch_encapsulation_and_parameters_override)
{
	check_encap(ETH0 IPPOOL("a", "cidr: 10.65.0.0/16, ipipMode: Never, vxlanMode: Never"),
		false, false, false);
	check_encap(
		ETH0 IPPOOL("a", "cidr: 10.65.0.0/16, ipipMode: CrossSubnet"), true, false, false);
	check_encap(ETH0 IPPOOL("a", "cidr: 10.65.0.0/16, vxlanMode: Always")
			    IPPOOL("b", "cidr: 10.66.0.0/16, ipipMode: Always"),
		true, true, false);
	check_encap(
		ETH0 IPPOOL("a", "cidr: 'fd00::/48', vxlanMode: CrossSubnet"), false, false, true);
	check_encap(ETH0 IPPOOL("a", "cidr: 'fd00::/48', vxlanMode: Always")
			    FELIX("default", "vxlanEnabled: false"),
		false, false, true);
	check_encap(ETH0 IPPOOL("a", "cidr: 10.65.0.0/16, ipipMode: Always")
			    FELIX("default", "ipipEnabled: false, vxlanEnabled: true"),
		false, true, false);
}

Test(special, peers_are_all_calico_hosts)
{
	struct hf_model *m = make_model(ETH0 NODE("n0",
		"bgp: {ipv4Address: 192.0.2.10/24, ipv6Address: '2001:db8::10/64'}") NODE("n1",
		"bgp: {ipv4Address: 192.0.2.11/24}, addresses: [{address: 192.0.2.99}]")
			NODE("n2", "addresses: [{address: 192.0.2.12}, {address: 192.0.2.13}]")
				FELIX("default", "externalNodesList: [198.51.100.0/24]"));

	expect_text(set_text(m, m->config.peers),
		"192.0.2.10/32 192.0.2.11/32 192.0.2.12/32 198.51.100.0/24 2001:db8::10/128");
	hf_model_free(m);
}

#define BGP                                                                                        \
	OBJ("BGPConfiguration", "name: default",                                                   \
		"serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceExternalIPs: [{cidr: "          \
		"203.0.113.0/24}]")

Test(special, service_loop_guard_needs_nets_and_can_be_switched_off)
{
	struct hf_model *m = make_model(ETH0 BGP);

	cr_expect(m->config.loop_guard);
	expect_text(set_text(m, m->config.service_nets), "10.96.0.0/12 203.0.113.0/24");
	hf_model_free(m);

	m = make_model(ETH0 BGP FELIX("default", "serviceLoopPrevention: Disabled"));
	cr_expect_not(m->config.loop_guard);
	hf_model_free(m);
}
