/* SPDX-License-Identifier: BSD-3-Clause */

/* The kinds around a host: Felix's configuration, nodes, pools, services, host facts. */

#include "read_text.h"

HF_SUITE(host);

static const char *addr(const struct hf_addr *a)
{
	static char buf[2][HF_ADDRSTR_SIZE];
	static int i;

	i = !i;
	return hf_addr_print(a, buf[i]);
}

static const char *net(const struct hf_prefix *p)
{
	static char buf[HF_ADDRSTR_SIZE];

	return hf_prefix_print(p, buf);
}

#define FELIX(spec) CALICO("FelixConfiguration", "default", spec)

Test(host, felix_without_a_field_says_so)
{
	struct hf_policy *p = read_good(FELIX("{}"));
	const struct hf_felix_obj *f = hf_policy_objects(p)->felix.v;

	cr_expect_not(f->fs_in.given);
	cr_expect_not(f->fs_out.given);
	cr_expect_not(f->has_epha || f->has_filter_allow || f->has_mangle_allow ||
		      f->has_filter_deny || f->has_no_invalid_check || f->has_iface_exclude ||
		      f->has_vxlan_port || f->has_wireguard || f->has_ipip || f->has_vxlan ||
		      f->has_service_loop || f->has_ipv6 || f->has_append);
	cr_expect_eq(f->iface_prefixes.n, 0);
	cr_expect_eq(hf_policy_n_notes(p), 0);
	hf_policy_free(p);
}

Test(host, failsafes_absent_empty_and_listed_differ)
{
	struct hf_policy *p = read_good(FELIX(
		"{failsafeInboundHostPorts: [], failsafeOutboundHostPorts: [{protocol: tcp, port: "
		"22}, {protocol: UDP, port: 53, net: 10.1.2.3/8}, {protocol: TCP, port: 1, net: "
		"''}]}"));
	const struct hf_felix_obj *f = hf_policy_objects(p)->felix.v;

	cr_expect(f->fs_in.given);
	cr_expect_eq(f->fs_in.n, 0);
	cr_expect(f->fs_out.given);
	cr_assert_eq(f->fs_out.n, 3);
	cr_expect_eq(f->fs_out.v[0].proto, HF_PROTO_TCP);
	cr_expect_eq(f->fs_out.v[0].port, 22);
	cr_expect_eq(f->fs_out.v[0].net.addr.family, 0);
	cr_expect_str_eq(net(&f->fs_out.v[1].net), "10.0.0.0/8");
	cr_expect_eq(f->fs_out.v[2].net.addr.family, 0);
	hf_policy_free(p);
	p = read_good(FELIX("{failsafeInboundHostPorts: null}"));
	cr_expect_not(hf_policy_objects(p)->felix.v->fs_in.given);
	hf_policy_free(p);
	expect_bad(FELIX("{failsafeInboundHostPorts: [{protocol: TCP, port: 1, net: a}]}"),
		"t.yaml:4:65: net: 'a' is neither an IP address nor a network");
}

Test(host, felix_parameters_that_change_verdicts)
{
	struct hf_policy *p = read_good(FELIX(
		"\n"
		"  defaultEndpointToHostAction: accept\n"
		"  iptablesFilterAllowAction: RETURN\n"
		"  iptablesMangleAllowAction: Accept\n"
		"  iptablesFilterDenyAction: Reject\n"
		"  disableConntrackInvalidCheck: true\n"
		"  interfacePrefix: cali, tap\n"
		"  interfaceExclude: kube-ipvs0,/^veth.*/\n"
		"  vxlanPort: 8472\n"
		"  wireguardListeningPort: 1\n  wireguardListeningPortV6: 2\n"
		"  wireguardEnabled: true\n  wireguardEnabledV6: false\n"
		"  ipipEnabled: false\n  vxlanEnabled: true\n"
		"  allowVXLANPacketsFromWorkloads: true\n  allowIPIPPacketsFromWorkloads: false\n"
		"  serviceLoopPrevention: Disabled\n  ipv6Support: false\n"
		"  externalNodesList: [192.0.2.1, 10.0.0.0/8]\n"
		"  logPrefix: x\n  chainInsertMode: append\n"
		"  logActionRateLimit: 10/minute\n  logActionRateLimitBurst: 7\n"
		"  bpfEnabled: false\n  healthPort: 1\n"));
	const struct hf_felix_obj *f = hf_policy_objects(p)->felix.v;

	cr_expect(f->has_epha && f->epha == HF_FELIX_ACCEPT);
	cr_expect(f->has_filter_allow && f->filter_allow == HF_FELIX_RETURN);
	cr_expect(f->has_mangle_allow && f->mangle_allow == HF_FELIX_ACCEPT);
	cr_expect(f->has_filter_deny && f->filter_deny == HF_FELIX_REJECT);
	cr_expect(f->has_no_invalid_check && f->no_invalid_check);
	cr_assert_eq(f->iface_prefixes.n, 2);
	cr_expect_str_eq(f->iface_prefixes.v[1], "tap");
	cr_assert(f->has_iface_exclude && f->iface_exclude.n == 2);
	cr_expect_str_eq(f->iface_exclude.v[1], "/^veth.*/");
	cr_expect(f->has_vxlan_port && f->vxlan_port == 8472);
	cr_expect(f->has_wireguard_port && f->wireguard_port == 1);
	cr_expect(f->has_wireguard_port6 && f->wireguard_port6 == 2);
	cr_expect(f->has_wireguard && f->wireguard && f->has_wireguard6 && !f->wireguard6);
	cr_expect(f->has_ipip && !f->ipip && f->has_vxlan && f->vxlan);
	cr_expect(f->has_vxlan_from_wl && f->vxlan_from_wl);
	cr_expect(f->has_ipip_from_wl && !f->ipip_from_wl);
	cr_expect(f->has_service_loop && f->service_loop == HF_FELIX_RETURN);
	cr_expect(f->has_ipv6 && !f->ipv6);
	cr_expect_eq(f->external_nodes.n, 2);
	cr_expect_str_eq(f->log_prefix, "x");
	cr_expect(f->has_log_limit && f->log_limit.lines == 10 && f->log_limit.seconds == 60);
	cr_expect(f->has_log_burst && f->log_burst == 7);
	cr_expect(f->has_append && f->append);
	hf_policy_free(p);
}

Test(host, nftables_twins_stand_in_or_win_by_mode)
{
	struct hf_policy *p = read_good(FELIX("{nftablesFilterAllowAction: Return}"));
	const struct hf_felix_obj *f = hf_policy_objects(p)->felix.v;

	cr_expect(f->has_filter_allow && f->filter_allow == HF_FELIX_RETURN);
	hf_policy_free(p);
	p = read_good(FELIX("{nftablesFilterDenyAction: Reject, iptablesFilterDenyAction: Drop}"));
	cr_expect_eq(hf_policy_objects(p)->felix.v->filter_deny, HF_FELIX_DROP);
	hf_policy_free(p);
	p = read_good(FELIX("{nftablesMangleAllowAction: Return}"));
	cr_expect(hf_policy_objects(p)->felix.v->has_mangle_allow);
	cr_expect_eq(hf_policy_objects(p)->felix.v->mangle_allow, HF_FELIX_RETURN);
	hf_policy_free(p);
	p = read_good(FELIX("{nftablesFilterDenyAction: Reject, iptablesFilterDenyAction: Drop, "
			    "nftablesMode: enabled}"));
	cr_expect_eq(hf_policy_objects(p)->felix.v->filter_deny, HF_FELIX_REJECT);
	hf_policy_free(p);
}

Test(host, felix_fields_that_are_wrong)
{
	expect_bad(FELIX("{bpfEnable: true}"), "t.yaml:4:8: unknown field 'bpfEnable'");
	expect_bad(FELIX("{logActionRateLimit: 10/week}"),
		"t.yaml:4:28: logActionRateLimit: must be 1 to 1000000 and a unit: 10/second, "
		"10/minute, 10/hour, 10/day");
	expect_bad(FELIX("{logActionRateLimit: 0/second}"),
		"t.yaml:4:28: logActionRateLimit: must be 1 to 1000000 and a unit: 10/second, "
		"10/minute, 10/hour, 10/day");
	expect_bad(FELIX("{logActionRateLimitBurst: 10000}"),
		"t.yaml:4:33: logActionRateLimitBurst: must be 0 to 9999");
	expect_bad(FELIX("{interfaceExclude: /a(/}"),
		"t.yaml:4:26: interfaceExclude: '/a(/' is not a regular expression");
	expect_bad(FELIX("{interfacePrefix: 'a,b c*'}"),
		"t.yaml:4:25: interfacePrefix: 'c*' cannot begin an interface name");
	expect_bad(FELIX("{interfaceExclude: '/(((a{99}){99}){99})/'}"),
		"t.yaml:4:26: interfaceExclude: '/(((a{99}){99}){99})/' is longer than 255 "
		"characters, or its repetitions multiply to more than 1024");
	expect_bad(FELIX("{interfaceExclude: '/(((((((((((a+)+)+)+)+)+)+)+)+)+)+)+/'}"),
		"t.yaml:4:26: interfaceExclude: '/(((((((((((a+)+)+)+)+)+)+)+)+)+)+)+/' is longer "
		"than 255 characters, or its repetitions multiply to more than 1024");
	expect_bad(FELIX("{vxlanPort: 0}"),
		"t.yaml:4:19: vxlanPort: must be a port number, 1 to 65535");
	expect_bad(FELIX("{externalNodesList: ['::1']}"),
		"t.yaml:4:28: externalNodesList: '::1' is not IPv4");
}

Test(host, felix_objects_that_apply_to_no_node_are_noted)
{
	struct hf_policy *p = read_good(CALICO("FelixConfiguration", "node.n0",
		"{}") "---\n" CALICO("FelixConfiguration", "special",
		"{nodeSelector: has(a)}") "---\n" CALICO("FelixConfiguration", "lost", "{}"));
	const struct hf_objects *o = hf_policy_objects(p);

	cr_assert_eq(hf_policy_n_notes(p), 1);
	cr_expect_str_eq(hf_policy_note(p, 0),
		"t.yaml:11:1: FelixConfiguration lost is neither 'default' nor 'node.NAME', and "
		"has no nodeSelector: not applied");
	cr_expect_str_eq(o->felix.v[2].node_selector.text, "has(a)");
	hf_policy_free(p);
}

Test(host, a_calico_node)
{
	struct hf_policy *p = read_good(CALICO("Node", "n0",
		"{bgp: {asNumber: 64512, ipv4Address: 192.0.2.10/24, ipv6Address: "
		"'2001:db8::1/64', "
		"ipv4IPIPTunnelAddr: 10.65.0.1}, ipv4VXLANTunnelAddr: 10.65.0.2, "
		"vxlanTunnelMACAddr: x, addresses: [{address: 192.0.2.10/24, type: CalicoNodeIP}, "
		"{address: 192.0.2.11}], orchRefs: [{nodeName: a, orchestrator: k8s}], wireguard: "
		"{interfaceIPv4Address: 10.65.0.3}}"));
	const struct hf_node_obj *n = hf_policy_objects(p)->node.v;

	cr_expect(n->has_bgp4 && n->has_bgp6);
	cr_expect_str_eq(addr(&n->bgp4), "192.0.2.10");
	cr_expect_str_eq(addr(&n->bgp6), "2001:db8::1");
	cr_assert_eq(n->addrs.n, 2);
	cr_expect_str_eq(addr(&n->addrs.v[0]), "192.0.2.10");
	cr_assert_eq(n->tunnels.n, 3);
	cr_expect_str_eq(addr(&n->tunnels.v[2]), "10.65.0.3");
	hf_policy_free(p);
	expect_bad(CALICO("Node", "n0", "{bpg: {}}"), "t.yaml:4:8: unknown field 'bpg'");
	expect_bad(CALICO("Node", "n0", "{addresses: [{type: InternalIP}]}"),
		"t.yaml:4:20: addresses: needs 'address'");
	expect_bad(CALICO("Node", "n0", "{bgp: {ipv4Address: 10.0.0.1/33}}"),
		"t.yaml:4:27: ipv4Address: '10.0.0.1/33' is neither an IP address nor a network");
}

Test(host, a_kubernetes_node_beside_the_calico_one)
{
	struct hf_policy *p =
		read_good("apiVersion: v1\nkind: Node\nmetadata:\n  name: n0\n  annotations:\n"
			  "    projectcalico.org/IPv4Address: 192.0.2.10/24\n"
			  "    projectcalico.org/IPv4VXLANTunnelAddr: 10.65.0.2\n"
			  "    node.alpha.kubernetes.io/ttl: '0'\n"
			  "spec: {podCIDR: 10.65.0.0/24, taints: []}\n"
			  "status:\n  addresses:\n  - {type: InternalIP, address: 192.0.2.10}\n"
			  "  - {type: Hostname, address: n0}\n  capacity: {cpu: 2}\n"
			  "---\n" CALICO("Node", "n0", "{bgp: {ipv4Address: 192.0.2.10}}"));
	const struct hf_objects *o = hf_policy_objects(p);
	const struct hf_node_obj *kube;

	cr_assert_eq(o->node.n, 2);
	kube = o->node.v[0].addrs.n ? &o->node.v[0] : &o->node.v[1];
	cr_expect(kube->has_bgp4 && !kube->has_bgp6);
	cr_assert_eq(kube->addrs.n, 1);
	cr_expect_str_eq(addr(&kube->addrs.v[0]), "192.0.2.10");
	cr_expect_eq(kube->tunnels.n, 1);
	hf_policy_free(p);
}

Test(host, ip_pools)
{
	struct hf_policy *p = read_good(CALICO("IPPool", "a",
		"{cidr: 10.65.0.0/16, ipipMode: CrossSubnet, vxlanMode: Never, natOutgoing: true, "
		"disabled: true, blockSize: 26, nodeSelector: all()}"));
	const struct hf_ippool_obj *pool = hf_policy_objects(p)->ippool.v;

	cr_expect_str_eq(net(&pool->cidr), "10.65.0.0/16");
	cr_expect(pool->ipip && !pool->vxlan && pool->nat_outgoing && pool->disabled);
	hf_policy_free(p);
	expect_bad(CALICO("IPPool", "a", "{}"), "t.yaml:4:7: IP pool without 'cidr'");
	expect_bad(CALICO("IPPool", "a", "{cidr: 10.65.0.1/16}"),
		"t.yaml:4:14: cidr: '10.65.0.1/16' has bits set behind the prefix length");
	expect_bad(CALICO("IPPool", "a", "{cidr: 10.0.0.0/8, ipipMode: Always, vxlanMode: Always}"),
		"t.yaml:4:55: vxlanMode: excludes ipipMode; one must be Never");
	expect_bad(CALICO("IPPool", "a", "{cidr: 'fd00::/64', ipipMode: Always}"),
		"t.yaml:4:37: ipipMode: IPv4 only");
	expect_bad(CALICO("IPPool", "a", "{cidr: 10.0.0.0/8, ipipMode: always}"),
		"t.yaml:4:36: ipipMode: 'always' is not Never, Always or CrossSubnet");
}

Test(host, service_blocks_of_the_bgp_configuration)
{
	struct hf_policy *p = read_good(CALICO("BGPConfiguration", "default",
		"{asNumber: 1, serviceClusterIPs: [{cidr: 10.96.0.0/12}, {}, {cidr: "
		"'fd00::/108'}], "
		"serviceExternalIPs: [{cidr: 203.0.113.0/24}], serviceLoadBalancerIPs: []}"));
	const struct hf_bgpconf_obj *c = hf_policy_objects(p)->bgpconf.v;

	cr_expect_eq(c->cluster.n, 2);
	cr_expect_eq(c->external.n, 1);
	cr_expect_eq(c->lb.n, 0);
	hf_policy_free(p);
}

Test(host, kubernetes_kinds_are_read_for_what_matters)
{
	struct hf_policy *p = read_good(
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: ns1, labels: {a: b}, odd: 1}\n"
		"spec: {finalizers: [kubernetes]}\n---\n"
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa, namespace: ns1}\n"
		"secrets: []\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: svc, namespace: ns1}\n"
		"spec:\n  type: LoadBalancer\n  clusterIP: 10.96.0.5\n"
		"  clusterIPs: [10.96.0.5, 'fd00::5']\n  externalIPs: [203.0.113.5]\n"
		"  externalTrafficPolicy: Local\n  sessionAffinity: None\n"
		"  ports:\n  - {name: web, port: 80, targetPort: http, nodePort: 30001}\n"
		"  - {protocol: UDP, port: 53}\n"
		"status: {loadBalancer: {ingress: [{ip: 198.51.100.5}, {hostname: x}]}}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: headless, namespace: ns1}\n"
		"spec: {clusterIP: None, ports: [{port: 1}]}\n---\n"
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {name: svc-1, namespace: ns1, labels: {kubernetes.io/service-name: "
		"svc}}\n"
		"addressType: IPv4\nports: [{name: web, protocol: TCP, port: 3000}]\n"
		"endpoints:\n- {addresses: [10.65.0.2], nodeName: n0, conditions: {ready: true, "
		"serving: true}}\n- {addresses: [10.65.0.3], conditions: {ready: false}}\n"
		"- {addresses: [10.65.0.4]}\n");
	const struct hf_objects *o = hf_policy_objects(p);
	const struct hf_service_obj *s;
	const struct hf_slice_obj *e = o->slice.v;

	cr_expect_str_eq(hf_labels_find(&o->ns.v->meta.labels, "a"), "b");
	cr_expect_str_eq(o->sa.v->meta.ns, "ns1");
	cr_assert_eq(o->service.n, 2);
	cr_expect_eq(o->service.v[0].cluster_ips.n, 0);
	s = &o->service.v[1];
	cr_assert_eq(s->n_ports, 2);
	cr_expect_eq(s->ports[0].proto, HF_PROTO_TCP);
	cr_expect_eq(s->ports[0].node_port, 30001);
	cr_expect_eq(s->ports[1].proto, HF_PROTO_UDP);
	cr_expect_null(s->ports[1].name);
	cr_assert_eq(s->cluster_ips.n, 2);
	cr_expect_str_eq(addr(&s->cluster_ips.v[1]), "fd00::5");
	cr_expect_eq(s->external_ips.n, 1);
	cr_assert_eq(s->lb_ips.n, 1);
	cr_expect_str_eq(addr(&s->lb_ips.v[0]), "198.51.100.5");
	cr_expect(s->local_only);
	cr_expect_str_eq(e->service, "svc");
	cr_assert_eq(e->n_endpoints, 3);
	cr_expect(e->endpoints[0].ready && !e->endpoints[1].ready && e->endpoints[2].ready);
	cr_expect_str_eq(e->endpoints[0].node, "n0");
	cr_expect_eq(e->ports[0].port, 3000);
	hf_policy_free(p);
}

#define SERVICE(spec) "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: " spec "\n"

Test(host, a_service_that_cannot_be)
{
	expect_bad(SERVICE("{clusterIP: 10.0.0}"), "t.yaml:4:19: '10.0.0' is not an IP address");
	expect_bad(SERVICE("{clusterIPs: [10.0.0.1, 10.0.0.2, 10.0.0.3]}"),
		"t.yaml:4:20: clusterIPs: more than one address per family");
	expect_bad(SERVICE("{ports: [{name: a}]}"),
		"t.yaml:4:16: ports: a port of a service needs 'port'");
	expect_bad(SERVICE("{ports: [{port: 1, nodePort: -1}]}"),
		"t.yaml:4:36: nodePort: must be a port number");
	expect_bad(SERVICE("{ports: [{port: 1, protocol: ICMP}]}"),
		"t.yaml:4:36: protocol: must be TCP, UDP or SCTP");
	expect_good(SERVICE("{type: ExternalName, externalName: a.b, clusterIP: ''}"));
}

Test(host, a_slice_of_names_is_noted)
{
	struct hf_policy *p = read_good(
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\n"
		"addressType: FQDN\nendpoints: [{addresses: [example.com]}]\n");

	cr_expect_eq(hf_policy_objects(p)->slice.v->n_endpoints, 0);
	cr_expect_str_eq(hf_policy_note(p, 0),
		"t.yaml:1:1: EndpointSlice default/a holds names, not addresses: not used");
	hf_policy_free(p);
}

#define FACTS(spec)                                                                                \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n" spec "\n"

Test(host, host_facts)
{
	struct hf_policy *p = read_good(FACTS(
		"  interfaces:\n"
		"  - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64', 192.0.2.11]}\n"
		"  - {name: eth1, operState: down}\n"
		"  routes: [{dst: 10.65.1.0/24, dev: eth0}, {dst: 10.65.2.1, dev: eth1}]\n"
		"  dnat:\n"
		"  - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}\n"
		"  - {proto: udp, dst: '2001:db8::10', port: 53, to: ['[fd00::2]:53', "
		"'[fd00::3]:53']}\n"
		"  kernelPolicy: {input: accept, forward: DROP}"));
	const struct hf_facts_obj *f = hf_policy_objects(p)->facts.v;

	cr_expect_str_eq(f->meta.name, "n0");
	cr_assert_eq(f->n_ifaces, 2);
	cr_assert_eq(f->ifaces[0].n_addrs, 3);
	cr_expect_str_eq(addr(&f->ifaces[0].addrs[0].addr), "192.0.2.10");
	cr_expect_eq(f->ifaces[0].addrs[0].len, 24);
	cr_expect_eq(f->ifaces[0].addrs[1].len, 64);
	cr_expect_eq(f->ifaces[0].addrs[2].len, 32);
	cr_expect(!f->ifaces[0].down && f->ifaces[1].down);
	cr_assert_eq(f->n_routes, 2);
	cr_expect_str_eq(f->routes[1].dev, "eth1");
	cr_expect_eq(f->routes[1].dst.len, 32);
	cr_assert_eq(f->n_dnats, 2);
	cr_expect_eq(f->dnats[0].proto, HF_PROTO_TCP);
	cr_expect_eq(f->dnats[0].port, 30001);
	cr_expect_eq(f->dnats[0].place.line, 10);
	cr_assert_eq(f->dnats[1].n_to, 2);
	cr_expect_eq(f->dnats[1].to[1].port, 53);
	cr_expect(!f->drop_input && !f->drop_output && f->drop_forward);
	hf_policy_free(p);
}

Test(host, host_facts_that_cannot_be)
{
	expect_bad(FACTS("  interfaces: [{addresses: []}]"),
		"t.yaml:5:16: interfaces: interface without a 'name'");
	expect_bad(FACTS("  interfaces: [{name: a23456789012345_}]"),
		"t.yaml:5:23: name: 'a23456789012345_' is not an interface name");
	expect_bad(FACTS("  interfaces:\n  - {name: a}\n  - {name: b}\n  - {name: a}"),
		"t.yaml:8:5: interfaces: the same as in line 6");
	expect_bad(FACTS("  routes:\n  - {dst: 10.0.0.0/8, dev: a}\n  - {dst: 10.0.0.1/8, dev: b}"),
		"t.yaml:7:5: routes: the same as in line 6");
	expect_bad(FACTS("  routes: [{dst: 10.0.0.0/8}]"),
		"t.yaml:5:12: routes: a route needs 'dst' and 'dev'");
	expect_bad(FACTS("  dnat: [{proto: tcp, dst: 10.0.0.1, port: 1, to: []}]"),
		"t.yaml:5:10: dnat: needs 'proto', 'dst', 'port' and 'to'");
	expect_bad(FACTS("  dnat: [{proto: icmp, dst: 10.0.0.1, port: 1, to: ['10.0.0.2:1']}]"),
		"t.yaml:5:18: proto: 'icmp' is not tcp, udp or sctp");
	expect_bad(FACTS("  dnat: [{proto: tcp, dst: 10.0.0.1, port: 1, to: ['[fd00::1]:1']}]"),
		"t.yaml:5:51: dnat: 'to' and 'dst' are of different families");
	expect_bad(FACTS("  dnat: [{proto: tcp, dst: 10.0.0.1, port: 1, to: ['10.0.0.2']}]"),
		"t.yaml:5:52: to: '10.0.0.2' is not address:port or [IPv6 address]:port");
	expect_bad(FACTS("  dnat:\n  - {proto: tcp, dst: 10.0.0.1, port: 1, to: ['10.0.0.2:1']}\n"
			 "  - {proto: TCP, dst: 10.0.0.1, port: 1, to: ['10.0.0.3:1']}"),
		"t.yaml:7:5: dnat: the same as in line 6");
	expect_bad(FACTS("  kernelPolicy: {input: reject}"),
		"t.yaml:5:25: input: 'reject' is not accept or drop");
	expect_bad(FACTS("  interface: []"), "t.yaml:5:3: unknown field 'interface'");
	expect_bad("apiVersion: hepflow/v2\nkind: HostFacts\nmetadata: {name: n0}\n",
		"t.yaml:1:13: apiVersion: kind HostFacts is not known in 'hepflow/v2'");
}
