/* SPDX-License-Identifier: BSD-3-Clause */

#include "read_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

HF_SUITE(print);

static char *text_of(const struct hf_policy *p)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	hf_policy_print(p, f);
	fclose(f);
	return text;
}

static json_t *json_of(const struct hf_policy *p)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_error_t why;
	json_t *root;

	cr_assert_eq(hf_policy_print_json(p, f), 0);
	fclose(f);
	root = json_loads(text, 0, &why);
	cr_assert_not_null(root, "%s\n%s", why.text, text);
	free(text);
	return root;
}

static void expect_text(const char *input, const char *want)
{
	struct hf_policy *p = read_good(input);
	char *text = text_of(p);

	cr_expect_str_eq(text, want);
	free(text);
	hf_policy_free(p);
}

Test(print, defaults_are_written_out_and_selectors_canonical)
{
	expect_text(GNP("\n  selector: role=='web'\n  ingress:\n  - action: Deny\n"
			"    protocol: TCP\n    destination: {ports: [3000, '1:5', http]}\n"
			"  - {action: Allow, source: {nets: [10.0.0.0/8]}, ipVersion: 4}"),
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: GlobalNetworkPolicy\n"
		"metadata:\n"
		"  name: p\n"
		"spec:\n"
		"  tier: default\n"
		"  selector: \"role == 'web'\"\n"
		"  types: [Ingress]\n"
		"  ingress:\n"
		"    - action: Deny\n"
		"      protocol: TCP\n"
		"      destination:\n"
		"        ports: [3000, \"1:5\", http]\n"
		"    - action: Allow\n"
		"      ipVersion: 4\n"
		"      source:\n"
		"        nets: [10.0.0.0/8]\n");
}

Test(print, text_that_is_not_plain_is_quoted)
{
	expect_text(
		"apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: '1'}\n"
		"spec: {labelsToApply: {a: 'true', b: '1.5', c: 'x: y', d: \"q\\\"\", e: '', f: "
		"No}}\n",
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: Profile\n"
		"metadata:\n"
		"  name: \"1\"\n"
		"spec:\n"
		"  labelsToApply:\n"
		"    a: \"true\"\n"
		"    b: \"1.5\"\n"
		"    c: \"x: y\"\n"
		"    d: \"q\\\"\"\n"
		"    e: \"\"\n"
		"    f: \"No\"\n");
}

/* One of everything, with every field that is kept. */
static const char everything[] =
	"apiVersion: projectcalico.org/v3\n"
	"kind: Tier\n"
	"metadata: {name: t}\n"
	"spec: {order: 0.5, defaultAction: Pass}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: NetworkPolicy\n"
	"metadata: {name: p, namespace: ns1}\n"
	"spec:\n"
	"  tier: t\n"
	"  order: -3\n"
	"  selector: a in {'b', 'c'} && !has(d)\n"
	"  serviceAccountSelector: has(x)\n"
	"  types: [Egress, Ingress]\n"
	"  ingress:\n"
	"  - {action: Log, protocol: ICMP, notProtocol: 17, icmp: {type: 3, code: 1}, notICMP: "
	"{type: 8}}\n"
	"  - {action: Deny, protocol: 1, icmp: {}}\n"
	"  - {action: Allow, http: {methods: [GET]}}\n"
	"  - action: Pass\n"
	"    protocol: UDPLite\n"
	"    source:\n"
	"      notNets: ['2001:db8::/32']\n"
	"      selector: a == 'it\"s'\n"
	"      notSelector: has(b)\n"
	"      namespaceSelector: global()\n"
	"      serviceAccounts: {names: [s], selector: all()}\n"
	"  - {action: Pass, protocol: 6, source: {ports: [http, 1], notPorts: ['2:3']}}\n"
	"  egress:\n"
	"  - {action: Allow, destination: {services: {name: s, namespace: o}}}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: GlobalNetworkPolicy\n"
	"metadata: {name: p}\n"
	"spec: {doNotTrack: true, applyOnForward: true, namespaceSelector: has(n)}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: GlobalNetworkPolicy\n"
	"metadata: {name: q}\n"
	"spec: {preDNAT: true, applyOnForward: true}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: StagedGlobalNetworkPolicy\n"
	"metadata: {name: r}\n"
	"spec: {stagedAction: Delete, tier: t}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: StagedKubernetesNetworkPolicy\n"
	"metadata: {name: k}\n"
	"spec: {policyTypes: [Ingress]}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: Profile\n"
	"metadata: {name: pr}\n"
	"spec: {labelsToApply: {a: b}, ingress: [{action: Allow}]}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: HostEndpoint\n"
	"metadata: {name: h, labels: {a: b}, annotations: {hepflow/offload: require}}\n"
	"spec:\n"
	"  node: n\n"
	"  interfaceName: '*'\n"
	"  expectedIPs: [10.0.0.1, '::1']\n"
	"  profiles: [pr]\n"
	"  ports: [{name: x, protocol: SCTP, port: 1}]\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: WorkloadEndpoint\n"
	"metadata: {name: w}\n"
	"spec:\n"
	"  node: n\n"
	"  interfaceName: cali0\n"
	"  pod: p\n"
	"  serviceAccountName: s\n"
	"  ipNetworks: [10.0.0.2/32]\n"
	"  ipNATs: [{internalIP: 10.0.0.2, externalIP: 1.2.3.4}]\n"
	"  profiles: [pr]\n"
	"  ports: [{name: x, protocol: TCP, port: 1}]\n"
	"  allowSpoofedSourcePrefixes: [10.0.0.0/8]\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: GlobalNetworkSet\n"
	"metadata: {name: g}\n"
	"spec: {nets: [10.0.0.1, 10.2.3.4/8]}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: NetworkSet\n"
	"metadata: {name: ns}\n"
	"spec: {nets: ['fd00::/8']}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: FelixConfiguration\n"
	"metadata: {name: default}\n"
	"spec:\n"
	"  failsafeInboundHostPorts: []\n"
	"  failsafeOutboundHostPorts: [{protocol: udp, port: 53, net: 10.0.0.0/8}]\n"
	"  defaultEndpointToHostAction: Return\n"
	"  iptablesFilterAllowAction: Accept\n"
	"  iptablesMangleAllowAction: Return\n"
	"  iptablesFilterDenyAction: Reject\n"
	"  disableConntrackInvalidCheck: false\n"
	"  interfacePrefix: cali,tap\n"
	"  interfaceExclude: ''\n"
	"  vxlanPort: 1\n"
	"  wireguardListeningPort: 2\n"
	"  wireguardListeningPortV6: 3\n"
	"  wireguardEnabled: true\n"
	"  wireguardEnabledV6: false\n"
	"  ipipEnabled: true\n"
	"  vxlanEnabled: false\n"
	"  allowVXLANPacketsFromWorkloads: true\n"
	"  allowIPIPPacketsFromWorkloads: false\n"
	"  serviceLoopPrevention: Disabled\n"
	"  ipv6Support: false\n"
	"  externalNodesList: [10.0.0.0/8]\n"
	"  logPrefix: 'a: b'\n"
	"  logActionRateLimit: 9999/day\n"
	"  logActionRateLimitBurst: 0\n"
	"  chainInsertMode: Append\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: IPPool\n"
	"metadata: {name: pool}\n"
	"spec: {cidr: 10.0.0.0/8, vxlanMode: CrossSubnet, natOutgoing: true, disabled: true}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: BGPConfiguration\n"
	"metadata: {name: default}\n"
	"spec:\n"
	"  serviceClusterIPs: [{cidr: 10.0.0.0/8}]\n"
	"  serviceExternalIPs: [{cidr: 1.0.0.0/8}]\n"
	"  serviceLoadBalancerIPs: [{cidr: 2.0.0.0/8}]\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Namespace\n"
	"metadata: {name: ns1, labels: {a: b}}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: ServiceAccount\n"
	"metadata: {name: sa, namespace: ns1}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: svc, namespace: ns1}\n"
	"spec:\n"
	"  clusterIPs: [10.96.0.1]\n"
	"  externalIPs: [1.2.3.4]\n"
	"  externalTrafficPolicy: Local\n"
	"  ports: [{name: a, port: 1, nodePort: 30000}]\n"
	"status: {loadBalancer: {ingress: [{ip: 5.6.7.8}]}}\n"
	"---\n"
	"apiVersion: discovery.k8s.io/v1\n"
	"kind: EndpointSlice\n"
	"metadata: {name: e, labels: {kubernetes.io/service-name: svc}}\n"
	"ports: [{name: a, port: 1}]\n"
	"endpoints:\n"
	"- {addresses: [10.0.0.2], nodeName: n}\n"
	"- {addresses: [10.0.0.3], conditions: {ready: false}}\n"
	"---\n"
	"apiVersion: hepflow/v1\n"
	"kind: HostFacts\n"
	"metadata: {name: n}\n"
	"spec:\n"
	"  interfaces: [{name: eth0, addresses: [10.0.0.1/8], operState: down}, {name: lo}]\n"
	"  routes: [{dst: 10.0.0.0/8, dev: eth0}]\n"
	"  dnat: [{proto: sctp, dst: '::1', port: 1, to: ['[::2]:3']}]\n"
	"  kernelPolicy: {output: drop}\n";

Test(print, text_reads_back_as_the_same_objects)
{
	struct hf_policy *a = read_good(everything);
	char *first = text_of(a);
	struct hf_policy *b = read_good(first);
	char *second = text_of(b);

	cr_expect_str_eq(first, second);
	/* The second text cannot lose what the first has not: look for some of every kind. */
	cr_expect(strstr(first, "protocol: 1\n"));
	cr_expect(strstr(first, "failsafeInboundHostPorts: []\n"));
	cr_expect(strstr(first, "interfacePrefix: \"cali,tap\"\n"));
	cr_expect(strstr(first, "stagedAction: Delete\n"));
	cr_expect(strstr(first, "hepflow/offload: require\n"));
	cr_expect(strstr(first, "order: 0.5\n"));
	cr_expect(strstr(first, "to: [\"[::2]:3\"]\n"));
	cr_expect(strstr(first, "icmp: {}\n"));
	free(first);
	free(second);
	hf_policy_free(a);
	hf_policy_free(b);
}

Test(print, a_node_shows_its_tunnels_as_one_list)
{
	expect_text(
		CALICO("Node", "n0",
			"{bgp: {ipv4Address: 10.0.0.1/8, ipv4IPIPTunnelAddr: 10.1.0.1}, addresses: "
			"[{address: 10.0.0.2}]}") "---\napiVersion: v1\nkind: Node\n"
						  "metadata: {name: n0}\n",
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: Node\n"
		"metadata:\n"
		"  name: n0\n"
		"spec:\n"
		"  bgp:\n"
		"    ipv4Address: 10.0.0.1\n"
		"  addresses:\n"
		"    - address: 10.0.0.2\n"
		"  tunnelAddresses: [10.1.0.1]\n"
		"---\n"
		"apiVersion: v1\n"
		"kind: Node\n"
		"metadata:\n"
		"  name: n0\n"
		"spec: {}\n");
}

Test(print, order_does_not_depend_on_the_input)
{
	struct hf_policy *a = read_good(
		CALICO("Tier", "b", "{}") "---\n" CALICO("Tier", "a", "{}") "---\n" GNP("{}"));
	struct hf_policy *b = read_good(
		GNP("{}") "---\n" CALICO("Tier", "a", "{}") "---\n" CALICO("Tier", "b", "{}"));
	char *first = text_of(a), *second = text_of(b);

	cr_expect_str_eq(first, second);
	free(first);
	free(second);
	hf_policy_free(a);
	hf_policy_free(b);
}

Test(print, json_has_a_schema_and_places)
{
	struct hf_policy *p = read_good(everything);
	json_t *root = json_of(p), *objects = json_object_get(root, "objects"), *rule;
	size_t i, n_np = 0;
	json_t *obj;

	cr_expect_eq(json_integer_value(json_object_get(root, "schema")), 1);
	cr_expect_eq(json_array_size(objects), 19);
	json_array_foreach(objects, i, obj)
	{
		const char *kind = json_string_value(json_object_get(obj, "kind"));
		json_t *place = json_object_get(obj, "place");

		cr_expect_str_eq(json_string_value(json_object_get(place, "file")), "t.yaml");
		cr_expect_gt(json_integer_value(json_object_get(place, "line")), 0);
		if (strcmp(kind, "NetworkPolicy") != 0)
			continue;
		n_np++;
		rule = json_array_get(json_object_get(json_object_get(obj, "spec"), "ingress"), 0);
		cr_expect_str_eq(json_string_value(json_object_get(rule, "protocol")), "ICMP");
	}
	cr_expect_eq(n_np, 1);
	json_decref(root);
	hf_policy_free(p);
}

Test(print, an_empty_set_prints_as_nothing)
{
	struct hf_policy *p = NULL;
	json_t *root;
	char *text;

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	text = text_of(p);
	cr_expect_str_eq(text, "");
	root = json_of(p);
	cr_expect_eq(json_array_size(json_object_get(root, "objects")), 0);
	json_decref(root);
	free(text);
	hf_policy_free(p);
}

Test(print, a_full_disk_is_an_error)
{
	struct hf_policy *p = read_good(CALICO("Tier", "a", "{}"));
	FILE *f = fopen("/dev/full", "w");

	cr_assert_not_null(f);
	setbuf(f, NULL);
	cr_expect_lt(hf_policy_print_json(p, f), 0);
	fclose(f);
	hf_policy_free(p);
}
