/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents, lists, metadata, and the fields of policies and endpoints. */

#include "read_text.h"

HF_SUITE(read);

static const char *addr(const struct hf_addr *a)
{
	static char buf[HF_ADDRSTR_SIZE];

	return hf_addr_print(a, buf);
}

static const char *net(const struct hf_prefix *p)
{
	static char buf[HF_ADDRSTR_SIZE];

	return hf_prefix_print(p, buf);
}

Test(read, a_host_endpoint)
{
	struct hf_policy *p = read_good("apiVersion: projectcalico.org/v3\n"
					"kind: HostEndpoint\n"
					"metadata:\n"
					"  name: n0-eth0\n"
					"  labels: {role: web, app: \"\", \"on\": true, n: 5}\n"
					"  uid: 0123\n"
					"  creationTimestamp: null\n"
					"  annotations: {hepflow/offload: forbid, other: thing}\n"
					"spec:\n"
					"  node: n0\n"
					"  interfaceName: eth0\n"
					"  expectedIPs: [192.0.2.10, '2001:db8::10']\n"
					"  profiles: [b, a]\n"
					"  ports:\n"
					"  - {name: http, protocol: TCP, port: 80}\n"
					"  - {name: dns, protocol: 17, port: 53}\n"
					"status: {whatever: 1}\n");
	const struct hf_objects *o = hf_policy_objects(p);
	const struct hf_hep_obj *hep = o->hep.v;

	cr_assert_eq(o->hep.n, 1);
	cr_expect_str_eq(hep->meta.name, "n0-eth0");
	cr_expect_null(hep->meta.ns);
	cr_expect_str_eq(hep->meta.place.file, "t.yaml");
	cr_expect_eq(hep->meta.place.line, 1);
	cr_expect_eq(hep->meta.offload, HF_OFFLOAD_FORBID);
	cr_expect_str_eq(hf_labels_find(&hep->meta.labels, "role"), "web");
	cr_expect_str_eq(hf_labels_find(&hep->meta.labels, "app"), "");
	cr_expect_str_eq(hf_labels_find(&hep->meta.labels, "on"), "true");
	cr_expect_str_eq(hf_labels_find(&hep->meta.labels, "n"), "5");
	cr_expect_null(hf_labels_find(&hep->meta.labels, "rol"));
	cr_expect_str_eq(hep->node, "n0");
	cr_expect_str_eq(hep->iface, "eth0");
	cr_assert_eq(hep->expected.n, 2);
	cr_expect_str_eq(addr(&hep->expected.v[0]), "192.0.2.10");
	cr_expect_str_eq(addr(&hep->expected.v[1]), "2001:db8::10");
	cr_assert_eq(hep->profiles.n, 2);
	cr_expect_str_eq(hep->profiles.v[0], "b");
	cr_assert_eq(hep->ports.n, 2);
	cr_expect_str_eq(hep->ports.v[1].name, "dns");
	cr_expect_eq(hep->ports.v[1].proto, HF_PROTO_UDP);
	cr_expect_eq(hep->ports.v[1].port, 53);
	hf_policy_free(p);
}

/* Every field of a policy and of a rule. */
static const char full[] = NP("\n"
			      "  tier: t\n"
			      "  order: -1.5\n"
			      "  selector: has(x)\n"
			      "  serviceAccountSelector: has(y)\n"
			      "  performanceHints: [AssumeNeededOnEveryNode]\n"
			      "  types: [Egress]\n"
			      "  ingress:\n"
			      "  - action: Log\n"
			      "    ipVersion: 4\n"
			      "    protocol: ICMP\n"
			      "    notProtocol: 17\n"
			      "    icmp: {type: 3, code: 1}\n"
			      "    notICMP: {type: 8}\n"
			      "    metadata: {annotations: {a: b}}\n"
			      "    source:\n"
			      "      nets: [10.0.0.0/8]\n"
			      "      notNets: [10.1.0.0/16, 10.2.0.0/16]\n"
			      "      selector: a == 'b'\n"
			      "      notSelector: c == 'd'\n"
			      "      namespaceSelector: global()\n"
			      "      serviceAccounts: {names: [s1, s2], selector: has(z)}\n"
			      "  - action: Pass\n"
			      "    protocol: TCP\n"
			      "    source: {ports: [80, '1:5', http], notPorts: [3]}\n"
			      "  egress:\n"
			      "  - action: Allow\n"
			      "    destination: {services: {name: svc, namespace: other}}\n");

Test(read, every_field_of_a_policy)
{
	struct hf_policy *p = read_good(full);
	const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;

	cr_expect_eq(pol->kind, HF_POLICY_NP);
	cr_expect_not(pol->staged);
	cr_expect_str_eq(pol->meta.ns, "ns1");
	cr_expect_str_eq(pol->tier, "t");
	cr_expect(pol->has_order);
	cr_expect_eq(pol->order, -1.5);
	cr_expect_str_eq(pol->selector.text, "has(x)");
	cr_expect_not_null(pol->selector.sel);
	cr_expect_eq(pol->selector.place.line, 7);
	cr_expect_not_null(pol->sa_selector.sel);
	cr_expect_null(pol->ns_selector.text);
	cr_expect_not(pol->ingress);
	cr_expect(pol->egress);
	cr_expect_eq(pol->in.n, 2);
	cr_expect_eq(pol->out.n, 1);
	hf_policy_free(p);
}

Test(read, every_criterion_of_a_rule)
{
	struct hf_policy *p = read_good(full);
	const struct hf_policy_rule *r = hf_policy_objects(p)->policy.v->in.v;

	cr_expect_eq(r->place.line, 12);
	cr_expect_eq(r->place.col, 5);
	cr_expect_eq(r->action, HF_ACTION_LOG);
	cr_expect_eq(r->ip_version, 4);
	cr_expect(r->proto.given && r->proto.by_name);
	cr_expect_eq(r->proto.proto, HF_PROTO_ICMP);
	cr_expect(r->not_proto.given && !r->not_proto.by_name);
	cr_expect_eq(r->not_proto.proto, 17);
	cr_expect(r->icmp.given && r->icmp.has_type && r->icmp.has_code);
	cr_expect_eq(r->icmp.type, 3);
	cr_expect_eq(r->icmp.code, 1);
	cr_expect(r->not_icmp.given && r->not_icmp.has_type && !r->not_icmp.has_code);
	cr_expect_str_eq(net(&r->src.nets.v[0]), "10.0.0.0/8");
	cr_expect_eq(r->src.not_nets.n, 2);
	cr_expect_str_eq(r->src.selector.text, "a == 'b'");
	cr_expect_str_eq(r->src.not_selector.text, "c == 'd'");
	cr_expect_str_eq(r->src.ns_selector.text, "global()");
	cr_expect_eq(r->src.sa_names.n, 2);
	cr_expect_str_eq(r->src.sa_selector.text, "has(z)");
	cr_expect_eq(r->dst.nets.n, 0);
	hf_policy_free(p);
}

Test(read, ports_and_services_of_a_rule)
{
	struct hf_policy *p = read_good(full);
	const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;
	const struct hf_policy_rule *r = &pol->in.v[1];

	cr_expect_eq(r->action, HF_ACTION_PASS);
	cr_assert_eq(r->src.ports.n, 3);
	cr_expect_eq(r->src.ports.v[0].range.lo, 80);
	cr_expect_eq(r->src.ports.v[0].range.hi, 80);
	cr_expect_null(r->src.ports.v[0].name);
	cr_expect_eq(r->src.ports.v[1].range.lo, 1);
	cr_expect_eq(r->src.ports.v[1].range.hi, 5);
	cr_expect_str_eq(r->src.ports.v[2].name, "http");
	cr_expect_eq(r->src.not_ports.n, 1);
	cr_assert_eq(pol->out.n, 1);
	cr_expect_str_eq(pol->out.v[0].dst.service.name, "svc");
	cr_expect_str_eq(pol->out.v[0].dst.service.ns, "other");
	hf_policy_free(p);
}

Test(read, an_icmp_match_may_be_empty)
{
	struct hf_policy *p =
		read_good(GNP_IN("{action: Deny, protocol: ICMP, icmp: {}, http: null}"));
	const struct hf_policy_rule *r = hf_policy_objects(p)->policy.v->in.v;

	cr_expect(r->icmp.given);
	cr_expect_not(r->icmp.has_type);
	cr_expect_not(r->not_icmp.given);
	cr_expect_not(r->http);
	hf_policy_free(p);
}

struct types_case {
	const char *spec;
	bool ingress, egress;
};

/* docs/semantics.md 12 */
Test(read, types_default_to_the_directions_with_rules)
{
	static const struct types_case cases[] = {
		{GNP("{}"), true, false},
		{GNP("{ingress: [{action: Deny}]}"), true, false},
		{GNP("{egress: [{action: Deny}]}"), false, true},
		{GNP("{ingress: [{action: Deny}], egress: [{action: Deny}]}"), true, true},
		{GNP("{types: [Egress]}"), false, true},
		{GNP("{types: [Egress, Ingress]}"), true, true},
		{GNP("{preDNAT: true, applyOnForward: true}"), true, false},
		{"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		 "metadata: {name: p}\n",
			true, false},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hf_policy *p = read_good(cases[i].spec);
		const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;

		cr_expect_eq(pol->ingress, cases[i].ingress, "case %zu", i);
		cr_expect_eq(pol->egress, cases[i].egress, "case %zu", i);
		cr_expect_str_eq(pol->tier, "default");
		cr_expect_not(pol->has_order);
		hf_policy_free(p);
	}
}

Test(read, flags_of_a_global_policy)
{
	struct hf_policy *p = read_good(GNP(
		"{doNotTrack: true, applyOnForward: true, namespaceSelector: has(a), tier: ''}"));
	const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;

	cr_expect_eq(pol->kind, HF_POLICY_GNP);
	cr_expect(pol->untracked);
	cr_expect(pol->on_forward);
	cr_expect_not(pol->pre_dnat);
	cr_expect_str_eq(pol->ns_selector.text, "has(a)");
	cr_expect_str_eq(pol->tier, "default");
	hf_policy_free(p);
}

Test(read, a_blank_selector_is_none)
{
	struct hf_policy *p = read_good(GNP("{selector: '', namespaceSelector: ' '}"));
	const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;

	cr_expect_null(pol->selector.text);
	cr_expect_null(pol->selector.sel);
	cr_expect_null(pol->ns_selector.sel);
	hf_policy_free(p);
}

Test(read, staged_kinds_are_marked)
{
	struct hf_policy *p = read_good(CALICO("StagedGlobalNetworkPolicy", "a",
		"{order: 1}") "---\n" CALICO("StagedNetworkPolicy", "b",
		"{stagedAction: Delete}") "---\n" CALICO("StagedKubernetesNetworkPolicy", "c",
		"{podSelector: {}, policyTypes: [Egress], egress: [{to: []}]}"));
	const struct hf_objects *o = hf_policy_objects(p);
	const struct hf_policy_obj *v = o->policy.v;

	cr_assert_eq(o->policy.n, 3);
	cr_expect(v[0].staged && v[1].staged && v[2].staged);
	cr_expect_eq(v[0].kind, HF_POLICY_GNP);
	cr_expect_not(v[0].staged_delete);
	cr_expect_eq(v[1].kind, HF_POLICY_NP);
	cr_expect(v[1].staged_delete);
	cr_expect_str_eq(v[1].meta.ns, "default");
	cr_expect_eq(v[2].kind, HF_POLICY_KNP);
	cr_expect(v[2].egress && !v[2].ingress);
	hf_policy_free(p);
}

Test(read, tiers_and_profiles)
{
	struct hf_policy *p =
		read_good(CALICO("Tier", "a", "{order: 2.5, defaultAction: Pass}") "---\n" CALICO(
			"Tier", "b", "{}") "---\n" CALICO("Profile", "kns.x",
			"{labelsToApply: {b: '2', a: '1'}, ingress: [{action: Allow}], egress: "
			"[{action: Deny}, {action: Pass}]}"));
	const struct hf_objects *o = hf_policy_objects(p);

	cr_expect(o->tier.v[0].has_order && o->tier.v[0].default_pass);
	cr_expect_eq(o->tier.v[0].order, 2.5);
	cr_expect(!o->tier.v[1].has_order && !o->tier.v[1].default_pass);
	cr_expect_str_eq(o->profile.v->meta.name, "kns.x");
	cr_expect_eq(o->profile.v->in.n, 1);
	cr_expect_eq(o->profile.v->out.n, 2);
	cr_expect_str_eq(o->profile.v->to_apply.v[0].key, "a");
	hf_policy_free(p);
}

#define WEP(spec)                                                                                  \
	"apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n"                               \
	"metadata: {name: n0-k8s-pod--1-eth0, namespace: ns1}\nspec: " spec "\n"

Test(read, a_workload_endpoint)
{
	struct hf_policy *p = read_good(
		WEP("\n"
		    "  orchestrator: k8s\n  workload: ''\n  node: n0\n  containerID: abc\n  pod: "
		    "pod-1\n"
		    "  endpoint: eth0\n  serviceAccountName: sa1\n"
		    "  ipNetworks: [10.65.0.2/32, 'fd00::2/128', 10.65.0.3]\n"
		    "  ipNATs: [{internalIP: 10.65.0.2, externalIP: 203.0.113.1}]\n"
		    "  ipv4Gateway: 10.65.0.1\n  profiles: [kns.ns1]\n  interfaceName: cali0\n"
		    "  mac: ee:ee:ee:ee:ee:ee\n"
		    "  ports:\n"
		    "  - {name: '', protocol: TCP, port: 1, hostPort: 8080, hostIP: ''}\n"
		    "  - {name: http, protocol: TCP, port: 80, hostPort: 0, hostIP: ''}\n"
		    "  allowSpoofedSourcePrefixes: [198.51.100.0/24]\n"
		    "  qosControls: {ingressBandwidth: 1}\n"));
	const struct hf_wep_obj *wep = hf_policy_objects(p)->wep.v;

	cr_expect_str_eq(wep->meta.name, "n0-k8s-pod--1-eth0");
	cr_expect_str_eq(wep->node, "n0");
	cr_expect_str_eq(wep->pod, "pod-1");
	cr_expect_str_eq(wep->sa, "sa1");
	cr_expect_str_eq(wep->iface, "cali0");
	cr_expect_eq(wep->nets.n, 3);
	cr_expect_eq(wep->n_nats, 1);
	cr_expect_str_eq(addr(&wep->nats->external), "203.0.113.1");
	cr_assert_eq(wep->ports.n, 1);
	cr_expect_str_eq(wep->ports.v[0].name, "http");
	cr_expect(wep->allow_spoofed);
	cr_expect_eq(wep->spoofed.n, 1);
	hf_policy_free(p);
}

Test(read, a_workload_endpoint_that_cannot_be)
{
	expect_bad(WEP("{pod: a}"), "t.yaml:4:7: workload endpoint without 'node'");
	expect_bad(WEP("{node: n, ipNetworks: [10.0.0.0/24]}"),
		"t.yaml:4:30: ipNetworks: '10.0.0.0/24' is more than one address");
	expect_bad(WEP("{node: n, ipNetworks: [10.0.0.1], ipNATs: [{internalIP: 10.0.0.2, "
		       "externalIP: 1.2.3.4}]}"),
		"t.yaml:4:49: ipNATs: internalIP is not one of ipNetworks");
	expect_bad(WEP("{node: n, ipNATs: [{internalIP: 10.0.0.2, externalIP: '::1'}]}"),
		"t.yaml:4:26: ipNATs: internalIP and externalIP of different families");
	expect_bad(WEP("{node: n, ports: [{protocol: TCP, port: 1}]}"),
		"t.yaml:4:25: ports: a port needs 'protocol', 'port', and 'name' or 'hostPort'");
	expect_bad(WEP("{node: n, interfaceName: '*'}"),
		"t.yaml:4:32: interfaceName: '*' is for host endpoints");
	expect_bad(WEP("{node: n, ipNATs: [{internalIP: 10.0.0.2}]}"),
		"t.yaml:4:26: ipNATs: needs 'internalIP' and 'externalIP'");
	expect_bad(WEP("{node: n, ports: [{name: a b, protocol: TCP, port: 1}]}"),
		"t.yaml:4:32: ports: 'a b' is not a port name");
	expect_bad(WEP("{node: n, ports: [{protocol: TCP, port: 1, hostPort: 65536}]}"),
		"t.yaml:4:60: hostPort: must be a port number, 0 to 65535");
	expect_bad(WEP("{node: N}"),
		"t.yaml:4:14: node: 'N' is not a name: lower-case letters, digits, '-' and '.', at "
		"most 253 characters");
}

Test(read, names_of_calico_kinds_are_dns_names)
{
	expect_bad(CALICO("HostEndpoint", "Eth0", "{node: n, interfaceName: a}"),
		"t.yaml:3:18: name: 'Eth0' is not a name: lower-case letters, digits, '-' and '.', "
		"at most 253 characters");
	expect_good("apiVersion: v1\nkind: Namespace\nmetadata: {name: A_b}\n");
}

Test(read, unknown_fields_are_errors_at_their_name)
{
	expect_bad(GNP("\n  ingress:\n  - action: Deny\n    prot: TCP"),
		"t.yaml:7:5: unknown field 'prot'");
	expect_bad(GNP("{selectr: a}"), "t.yaml:4:8: unknown field 'selectr'");
	expect_bad(NP("{preDNAT: true}"), "t.yaml:4:8: unknown field 'preDNAT'");
	expect_bad(
		NP("{namespaceSelector: all()}"), "t.yaml:4:8: unknown field 'namespaceSelector'");
	expect_bad(GNP_IN("{action: Deny, source: {net: [10.0.0.0/8]}}"),
		"t.yaml:6:29: unknown field 'net'");
	expect_bad(GNP("{}") "spce: {}\n", "t.yaml:5:1: unknown field 'spce'");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, lables: {}}\n",
		"t.yaml:3:21: unknown field 'lables'");
}

Test(read, wrong_types_are_errors)
{
	expect_bad(GNP("[]"), "t.yaml:4:7: spec: must be a mapping");
	expect_bad(GNP("{types: Ingress}"), "t.yaml:4:15: types: must be a list");
	expect_bad(GNP_IN("{action: [Allow]}"),
		"t.yaml:6:14: action: must be Deny, Allow, Pass or Log");
	expect_bad(GNP("{performanceHints: AssumeNeededOnEveryNode}"),
		"t.yaml:4:26: performanceHints: must be a list");
	expect_bad(GNP("{performanceHints: [AssumeNeededOnEveryNode, AssumeNeededOnEveryNode]}"),
		"t.yaml:4:26: performanceHints: given twice");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, annotations: [a]}\n",
		"t.yaml:3:34: annotations: must be a mapping");
	expect_bad(GNP("{ingress: {action: Deny}}"), "t.yaml:4:17: ingress: must be a list");
	expect_bad(GNP("{ingress: [Deny]}"), "t.yaml:4:18: ingress: must be a mapping");
	expect_bad(GNP("{order: '10'}"), "t.yaml:4:15: order: must be a number");
	expect_bad(GNP("{order: .inf}"), "t.yaml:4:15: order: must be a number");
	expect_bad(GNP("{order: 1e999}"), "t.yaml:4:15: order: must be a number");
	expect_bad(GNP("{applyOnForward: 'true'}"),
		"t.yaml:4:24: applyOnForward: must be true or false");
	expect_bad(GNP("{selector: [a]}"), "t.yaml:4:18: selector: must be text");
	expect_bad(GNP("{selector: role = 'a'}"), "t.yaml:4:18: selector: column 6: expected '==', "
						  "'!=', 'in' or the like after 'role'");
	expect_bad(GNP_IN("{action: Deny, source: [10.0.0.0/8]}"),
		"t.yaml:6:28: source: must be a mapping");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, labels: {v: 1.10}}\n",
		"t.yaml:3:33: labels: must be text: put '1.10' in quotes");
}

Test(read, control_characters_do_not_get_into_messages)
{
	expect_bad(GNP("{\"a\\e[31m\\n\": 1}"), "t.yaml:4:8: unknown field 'a?[31m?'");
}

Test(read, null_reads_as_absent)
{
	struct hf_policy *p =
		read_good(GNP("{order: null, tier: ~, ingress: , egress: null, types: null}"));
	const struct hf_policy_obj *pol = hf_policy_objects(p)->policy.v;

	cr_expect_not(pol->has_order);
	cr_expect_str_eq(pol->tier, "default");
	cr_expect(pol->ingress);
	hf_policy_free(p);
}

Test(read, an_object_needs_kind_version_and_name)
{
	expect_bad("[]\n", "t.yaml:1:1: must be an object with 'apiVersion' and 'kind'");
	expect_bad("apiVersion: v1\n", "t.yaml:1:1: object without 'kind'");
	expect_bad("kind: Tier\n", "t.yaml:1:1: object without 'apiVersion'");
	expect_bad("kind: [Tier]\n", "t.yaml:1:7: kind: must be text");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n",
		"t.yaml:1:1: object without 'metadata'");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {}\n",
		"t.yaml:3:11: metadata without a 'name'");
}

Test(read, cluster_wide_kinds_have_no_namespace)
{
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, namespace: b}\n",
		"t.yaml:3:32: namespace: this kind does not live in one");
}

Test(read, not_yaml_is_an_error_with_its_place)
{
	cr_expect(strncmp(read_bad("a: [b\nc: d\n"), "t.yaml:2:", 9) == 0);
}

Test(read, foreign_kinds_are_noted)
{
	struct hf_policy *p = read_good(
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n"
		"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n");

	cr_assert_eq(hf_policy_n_notes(p), 2);
	cr_expect_str_eq(hf_policy_note(p, 0), "t.yaml:1:1: kind Deployment skipped");
	cr_expect_str_eq(hf_policy_note(p, 1),
		"t.yaml:5:1: kind NetworkPolicy of networking.k8s.io/v1 skipped");
	cr_expect_null(hf_policy_note(p, 2));
	hf_policy_free(p);
}

Test(read, a_kind_of_ours_in_a_wrong_version_is_an_error)
{
	expect_bad("apiVersion: projectcalico.org/v4\nkind: Tier\nmetadata: {name: a}\n",
		"t.yaml:1:13: apiVersion: kind Tier is not known in 'projectcalico.org/v4'");
	expect_bad("apiVersion: projectcalic.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\n",
		"t.yaml:1:13: apiVersion: kind NetworkPolicy is not known in "
		"'projectcalic.org/v3'");
	expect_bad("apiVersion: v2\nkind: Service\nmetadata: {name: a}\n",
		"t.yaml:1:13: apiVersion: kind Service is not known in 'v2'");
}

Test(read, lists_of_any_kind_and_of_one)
{
	struct hf_policy *p = read_good(
		"apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
		"- apiVersion: projectcalico.org/v3\n  kind: Tier\n  metadata: {name: b}\n"
		"- apiVersion: v1\n  kind: List\n  items:\n"
		"  - {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: a}}\n"
		"---\n"
		"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSetList\nitems:\n"
		"- metadata: {name: s}\n  spec: {nets: [10.0.0.1]}\n"
		"- {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: c}}\n"
		"---\n"
		"apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: d}\n"
		"---\n"
		"apiVersion: v1\nkind: List\nitems: null\n");
	const struct hf_objects *o = hf_policy_objects(p);

	cr_assert_eq(o->tier.n, 3);
	cr_expect_str_eq(o->tier.v[0].meta.name, "a");
	cr_expect_str_eq(o->tier.v[2].meta.name, "c");
	cr_expect_eq(o->netset.n, 1);
	cr_assert_eq(hf_policy_n_notes(p), 1);
	cr_expect_str_eq(hf_policy_note(p, 0), "t.yaml:23:3: kind Deployment skipped");
	hf_policy_free(p);
	expect_bad("apiVersion: v1\nkind: List\nitems: [{kind: Tier}]\n",
		"t.yaml:3:9: object without 'apiVersion'");
	expect_bad("apiVersion: v1\nkind: List\nitems: {}\n", "t.yaml:3:8: items: must be a list");
}

Test(read, json_is_read_as_well)
{
	struct hf_policy *p = read_good(
		"{\"apiVersion\": \"projectcalico.org/v3\", \"kind\": \"GlobalNetworkPolicy\",\n"
		" \"metadata\": {\"name\": \"p\"}, \"spec\": {\"order\": 1, \"ingress\": [\n"
		"  {\"action\": \"Allow\", \"protocol\": \"TCP\", \"destination\": {\"ports\": "
		"[80]}}]}}");

	cr_expect_eq(hf_policy_objects(p)->policy.v->in.v->place.line, 3);
	hf_policy_free(p);
}

Test(read, stored_objects_have_their_labels_in_an_annotation)
{
	struct hf_policy *p = read_good(
		"apiVersion: crd.projectcalico.org/v1\nkind: GlobalNetworkPolicy\nmetadata:\n"
		"  name: default.deny\n"
		"  labels: {a: '1', b: '1'}\n"
		"  annotations:\n"
		"    projectcalico.org/metadata: '{\"name\":\"deny\",\"uid\":\"x\",\"labels\":"
		"{\"b\":\"2\",\"c\":\"3\"},\"annotations\":{\"hepflow/offload\":\"require\"}}'\n");
	const struct hf_meta *m = &hf_policy_objects(p)->policy.v->meta;

	cr_expect_str_eq(m->name, "deny");
	cr_assert_eq(m->labels.n, 3);
	cr_expect_str_eq(hf_labels_find(&m->labels, "a"), "1");
	cr_expect_str_eq(hf_labels_find(&m->labels, "b"), "2");
	cr_expect_str_eq(hf_labels_find(&m->labels, "c"), "3");
	cr_expect_eq(m->offload, HF_OFFLOAD_REQUIRE);
	hf_policy_free(p);
	expect_bad("apiVersion: crd.projectcalico.org/v1\nkind: Tier\nmetadata:\n  name: a\n"
		   "  annotations: {projectcalico.org/metadata: '{\"labels\": 5}'}\n",
		"t.yaml:5:45: annotation projectcalico.org/metadata is broken");
}

Test(read, offload_wishes_are_spelt_right)
{
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, annotations: {hepflow/offload: maybe}}\n",
		"t.yaml:3:52: hepflow/offload: 'maybe' is not prefer, require or forbid");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		   "metadata: {name: a, annotations: {hepflow/offlod: require}}\n",
		"t.yaml:3:35: unknown annotation 'hepflow/offlod'");
	expect_good("apiVersion: projectcalico.org/v3\nkind: Tier\n"
		    "metadata: {name: a, annotations: {hepflow/offload: prefer}}\n");
}
