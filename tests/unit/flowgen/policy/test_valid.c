/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * docs/semantics.md 13: each thing Calico refuses, beside the nearest thing that it takes. The
 * numbers in the test names are those of the table.
 */

#include "read_text.h"

#include <stdio.h>
#include <stdlib.h>

HF_SUITE(valid);

Test(valid, v1_prednat_and_donottrack_exclude_each_other)
{
	expect_bad(GNP("{preDNAT: true, doNotTrack: true, applyOnForward: true}"),
		"t.yaml:4:17: preDNAT and doNotTrack exclude each other");
	expect_good(GNP("{preDNAT: true, doNotTrack: false, applyOnForward: true}"));
	expect_good(GNP("{preDNAT: false, doNotTrack: true, applyOnForward: true}"));
}

Test(valid, v2_prednat_has_no_egress_rules)
{
	expect_bad(GNP("{preDNAT: true, applyOnForward: true, egress: [{action: Deny}]}"),
		"t.yaml:4:53: egress: a preDNAT policy has no egress rules");
	expect_good(GNP("{preDNAT: true, applyOnForward: true, egress: []}"));
}

Test(valid, v3_prednat_has_no_type_egress)
{
	expect_bad(GNP("{preDNAT: true, applyOnForward: true, types: [Ingress, Egress]}"),
		"t.yaml:4:52: types: a preDNAT policy cannot have type Egress");
	expect_good(GNP("{preDNAT: true, applyOnForward: true, types: [Ingress]}"));
}

Test(valid, v4_prednat_and_donottrack_need_applyonforward)
{
	expect_bad(GNP("{preDNAT: true}"), "t.yaml:4:17: preDNAT needs applyOnForward: true");
	expect_bad(GNP("{doNotTrack: true, applyOnForward: false}"),
		"t.yaml:4:20: doNotTrack needs applyOnForward: true");
	expect_good(GNP("{doNotTrack: true, applyOnForward: true}"));
}

Test(valid, v5_types_are_one_or_two_different_directions)
{
	expect_bad(GNP("{types: []}"),
		"t.yaml:4:15: types: must not be empty: leave it out, or name a direction");
	expect_bad(GNP("{types: [Ingress, Ingress]}"), "t.yaml:4:25: types: 'Ingress' given twice");
	expect_bad(GNP("{types: [ingress]}"),
		"t.yaml:4:16: types: 'ingress' is not Ingress or Egress");
	expect_bad(NP("{types: [Egress, Egress]}"), "t.yaml:4:24: types: 'Egress' given twice");
	expect_good(GNP("{types: [Egress, Ingress]}"));
}

Test(valid, v6_global_stands_alone_in_a_rules_namespaceselector)
{
	expect_bad(GNP("{selector: \"global()\"}"), "t.yaml:4:18: selector: global() may only "
						    "stand in the namespaceSelector of a rule");
	expect_bad(GNP("{namespaceSelector: \"global()\"}"),
		"t.yaml:4:27: namespaceSelector: global() may only stand in the namespaceSelector "
		"of a rule");
	expect_bad(NP("{serviceAccountSelector: \"has(a) || global()\"}"),
		"t.yaml:4:32: serviceAccountSelector: global() may only stand in the "
		"namespaceSelector of a rule");
	expect_bad(GNP_IN("{action: Allow, source: {selector: 'global()'}}"),
		"t.yaml:6:40: selector: global() may only stand in the namespaceSelector of a "
		"rule");
	expect_bad(GNP_IN("{action: Allow, source: {namespaceSelector: 'global() || has(a)'}}"),
		"t.yaml:6:49: namespaceSelector: global() cannot be combined with anything");
	expect_bad(GNP_IN("{action: Allow, source: {namespaceSelector: '!global()'}}"),
		"t.yaml:6:49: namespaceSelector: global() cannot be combined with anything");
	expect_good(GNP_IN("{action: Allow, source: {namespaceSelector: ' global( ) '}}"));
	expect_good(GNP("{selector: \"a == 'global'\"}"));
}

static const char *named(const char *kind, const char *ns, const char *name)
{
	static char text[1024];

	(void)snprintf(text, sizeof(text),
		"apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: \"%s\"%s%s}\n", kind,
		name, ns ? ", namespace: " : "", ns ? ns : "");
	return text;
}

Test(valid, v7_a_policy_name_is_one_or_two_labels)
{
	char name[300];

	expect_good(named("GlobalNetworkPolicy", NULL, "a-1"));
	expect_good(named("GlobalNetworkPolicy", NULL, "tier.a"));
	expect_bad(named("GlobalNetworkPolicy", NULL, "a.b.c"),
		"t.yaml:3:18: name: 'a.b.c' is not a policy name: one or two lower-case words of "
		"letters, digits and '-', joined by '.'");
	expect_bad(named("StagedGlobalNetworkPolicy", NULL, "A"),
		"t.yaml:3:18: name: 'A' is not a policy name: one or two lower-case words of "
		"letters, digits and '-', joined by '.'");
	(void)read_bad(named("GlobalNetworkPolicy", NULL, "-a"));
	(void)read_bad(named("GlobalNetworkPolicy", NULL, "a."));
	(void)read_bad(named("GlobalNetworkPolicy", NULL, "knp.default.x.y"));
	expect_good(named("NetworkPolicy", "ns1", "knp.default.x.y"));
	memset(name, 'a', sizeof(name));
	name[253] = '\0';
	expect_good(named("GlobalNetworkPolicy", NULL, name));
	name[253] = 'a';
	name[254] = '\0';
	(void)read_bad(named("GlobalNetworkPolicy", NULL, name));
}

/* head, then n times item, then tail; the caller frees it. */
static char *repeat(const char *head, const char *item, unsigned int n, const char *tail)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs(head, f);
	while (n-- > 0)
		fputs(item, f);
	fputs(tail, f);
	fclose(f);
	return text;
}

static void expect_limit(
	const char *head, const char *item, unsigned int max, const char *tail, const char *want)
{
	char *text = repeat(head, item, max, tail);

	expect_good(text);
	free(text);
	text = repeat(head, item, max + 1, tail);
	expect_bad(text, want);
	free(text);
}

#define SELECTOR                                                                                   \
	"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"       \
	"spec:\n  selector: "

Test(valid, v8_lists_of_a_rule_are_limited)
{
	expect_limit(GNP("\n  ingress:"), "\n  - action: Deny", 1024, "\n",
		"t.yaml:7:3: ingress: 1025 entries; at most 1024");
	expect_limit(GNP("\n  egress:"), "\n  - action: Deny", 1024, "\n",
		"t.yaml:7:3: egress: 1025 entries; at most 1024");
	expect_limit("apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: p}\nspec:\n"
		     "  ingress:",
		"\n  - action: Deny", 1024, "\n",
		"t.yaml:6:3: ingress: 1025 entries; at most 1024");
	expect_limit(GNP_IN("action: Deny\n    source:\n      nets:"), "\n      - 10.0.0.0/8", 256,
		"\n", "t.yaml:10:7: nets: 257 entries; at most 256");
	expect_limit(GNP_IN("action: Deny\n    source:\n      notNets:"), "\n      - 10.0.0.0/8",
		256, "\n", "t.yaml:10:7: notNets: 257 entries; at most 256");
	expect_limit(GNP_IN("action: Deny\n    protocol: TCP\n    source:\n      ports:"),
		"\n      - 80", 50, "\n", "t.yaml:11:7: ports: 51 entries; at most 50");
	expect_limit(GNP_IN("action: Deny\n    protocol: TCP\n    source:\n      notPorts:"),
		"\n      - 80", 50, "\n", "t.yaml:11:7: notPorts: 51 entries; at most 50");
	expect_limit(SELECTOR "\"has(", "a", 512, ")\"\n",
		"t.yaml:5:13: selector: column 5: label of 513 characters; at most 512");
	/* 4 + 1019 + 1 characters are the 1024 that a selector may have */
	expect_limit(SELECTOR "a=='", "a", 1019, "'\n",
		"t.yaml:5:13: selector: column 1: selector of 1025 characters; at most 1024");
}

Test(valid, v8_action_is_one_of_four)
{
	expect_bad(GNP_IN("{action: allow}"),
		"t.yaml:6:14: action: 'allow' is not Deny, Allow, Pass or Log");
	expect_bad(GNP_IN("{protocol: TCP}"), "t.yaml:6:5: rule without an 'action'");
	expect_good(GNP("\n  ingress: [{action: Allow}, {action: Deny}, {action: Log}, "
			"{action: Pass}]"));
}

Test(valid, v9_protocol_is_an_exact_name_or_1_to_255)
{
	static const char *const good[] = {
		"TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite", "1", "255", "\"6\""};
	static const char *const bad[] = {"tcp", "0", "256", "-1", "IPIP", "\"\"", "[]", "1.5"};
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text), GNP_IN("{action: Deny, protocol: %s}"), good[i]);
		expect_good(text);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), GNP_IN("{action: Deny, protocol: %s}"), bad[i]);
		cr_expect(strstr(read_bad(text), "t.yaml:6:30: protocol: "), "%s", bad[i]);
		(void)snprintf(
			text, sizeof(text), GNP_IN("{action: Deny, notProtocol: %s}"), bad[i]);
		cr_expect(strstr(read_bad(text), "t.yaml:6:33: notProtocol: "), "%s", bad[i]);
	}
	expect_bad(GNP_IN("{action: Deny, protocol: tcp}"),
		"t.yaml:6:30: protocol: 'tcp' is not TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a "
		"number from 1 to 255");
}

Test(valid, v10_numeric_ports_need_a_protocol_with_ports)
{
	expect_bad(GNP_IN("{action: Deny, destination: {ports: [80]}}"),
		"t.yaml:6:41: destination: numeric ports need protocol TCP, UDP or SCTP");
	expect_bad(GNP_IN("{action: Deny, source: {notPorts: [http, \"1:2\"]}}"),
		"t.yaml:6:39: source: numeric ports need protocol TCP, UDP or SCTP");
	expect_bad(GNP_IN("{action: Deny, protocol: UDPLite, source: {ports: [http]}}"),
		"t.yaml:6:55: source: ports need protocol TCP, UDP or SCTP");
	expect_bad(GNP_IN("{action: Deny, protocol: 47, source: {ports: [80]}}"),
		"t.yaml:6:50: source: ports need protocol TCP, UDP or SCTP");
	expect_good(GNP_IN("{action: Deny, source: {notPorts: [http]}}"));
	expect_good(GNP_IN("{action: Deny, protocol: 132, source: {ports: [80]}}"));
}

Test(valid, v11_ports_lie_within_1_to_65535)
{
	static const char *const good[] = {
		"1", "65535", "\"80\"", "\"1:65535\"", "\"80:80\"", "http", "1a", "\"1-2\""};
	static const char *const bad[] = {"0", "65536", "\"0\"", "\"0:5\"", "\"5:65536\"",
		"\"6:5\"", "\"80:\"", "\":80\"", "\"a b\"", "\"\"", "-1", "\"1:2:3\"", "[80]",
		"99999999999999999999"};
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text),
			GNP_IN("{action: Deny, protocol: TCP, source: {ports: [%s]}}"), good[i]);
		expect_good(text);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text),
			GNP_IN("{action: Deny, protocol: TCP, source: {ports: [%s]}}"), bad[i]);
		cr_expect(strstr(read_bad(text), "t.yaml:6:52: ports: "), "%s: %s", bad[i],
			read_bad(text));
	}
	expect_bad(GNP_IN("{action: Deny, protocol: TCP, source: {ports: [\"6:5\"]}}"),
		"t.yaml:6:52: ports: '6:5' ends before it begins");
	expect_bad(GNP_IN("{action: Deny, protocol: TCP, source: {ports: [70000]}}"),
		"t.yaml:6:52: ports: '70000' is not within the ports 1 to 65535");
}

/* YAML 1.1 and 1.2, and the readers of both, disagree about these. */
Test(valid, numbers_with_two_readings_are_refused)
{
	static const char *const odd[] = {
		"010", "0x50", "0o17", "0b11", "3_000", "1e3", "+80", "80.0"};
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		(void)snprintf(text, sizeof(text),
			GNP_IN("{action: Deny, protocol: TCP, source: {ports: [%s]}}"), odd[i]);
		cr_expect(strstr(read_bad(text), "is not a plain decimal number"), "%s", odd[i]);
		(void)snprintf(text, sizeof(text), GNP_IN("{action: Deny, protocol: %s}"), odd[i]);
		(void)read_bad(text);
		(void)snprintf(text, sizeof(text),
			CALICO("HostEndpoint", "h",
				"{node: n, interfaceName: a, ports: [{name: a, protocol: TCP, "
				"port: "
				"%s}]}"),
			odd[i]);
		(void)read_bad(text);
		(void)snprintf(text, sizeof(text),
			CALICO("Profile", "h", "{labelsToApply: {a: %s}}"), odd[i]);
		cr_expect(strstr(read_bad(text), "in quotes"), "%s", odd[i]);
	}
	(void)read_bad(GNP("{order: 010}"));
	(void)read_bad(GNP("{order: 0x10}"));
	(void)read_bad(GNP("{order: 1_0}"));
	expect_good(GNP("{order: -1.5e3}"));
	expect_good(GNP_IN("{action: Deny, protocol: TCP, source: {ports: ['010', 1a]}}"));
}

Test(valid, v12_icmp_needs_its_protocol_and_a_type)
{
	expect_bad(GNP_IN("{action: Deny, icmp: {type: 8}}"),
		"t.yaml:6:26: icmp: needs protocol ICMP or ICMPv6");
	expect_bad(GNP_IN("{action: Deny, protocol: TCP, icmp: {type: 8}}"),
		"t.yaml:6:41: icmp: needs protocol ICMP or ICMPv6");
	expect_bad(GNP_IN("{action: Deny, protocol: ICMP, icmp: {code: 0}}"),
		"t.yaml:6:49: icmp: code without a type");
	expect_bad(GNP_IN("{action: Deny, protocol: ICMP, icmp: {type: 255}}"),
		"t.yaml:6:49: type: must be a number from 0 to 254");
	expect_bad(GNP_IN("{action: Deny, protocol: ICMP, notICMP: {type: 3, code: 256}}"),
		"t.yaml:6:61: code: must be a number from 0 to 255");
	expect_good(GNP_IN("{action: Deny, protocol: 58, icmp: {type: 254, code: 255}}"));
	expect_good(GNP_IN("{action: Deny, protocol: ICMP, notICMP: {type: 0}}"));
}

Test(valid, v13_icmp_and_ipversion_agree)
{
	expect_bad(GNP_IN("{action: Deny, protocol: ICMP, ipVersion: 6}"),
		"t.yaml:6:30: protocol: ICMP is IPv4, but ipVersion is 6");
	expect_bad(GNP_IN("{action: Deny, notProtocol: 58, ipVersion: 4}"),
		"t.yaml:6:33: notProtocol: ICMPv6 is IPv6, but ipVersion is 4");
	expect_bad(
		GNP_IN("{action: Deny, ipVersion: 5}"), "t.yaml:6:31: ipVersion: must be 4 or 6");
	expect_good(GNP_IN("{action: Deny, protocol: ICMP, ipVersion: 4}"));
	expect_good(GNP_IN("{action: Deny, protocol: 58, ipVersion: 6}"));
}

Test(valid, v14_nets_are_clean_and_of_one_family)
{
	expect_bad(GNP_IN("{action: Deny, source: {nets: [10.0.0.1]}}"),
		"t.yaml:6:36: nets: '10.0.0.1' is not a network (address/length)");
	expect_bad(GNP_IN("{action: Deny, source: {nets: [10.0.0.1/24]}}"),
		"t.yaml:6:36: nets: '10.0.0.1/24' has bits set behind the prefix length");
	expect_bad(GNP_IN("{action: Deny, source: {notNets: [10.0.0.0/33]}}"),
		"t.yaml:6:39: notNets: '10.0.0.0/33' is not a network (address/length)");
	expect_bad(GNP_IN("{action: Deny, source: {nets: [10.0.0.0/8, 'fe80::/10']}}"),
		"t.yaml:6:48: source: IPv4 and IPv6 networks in one rule");
	expect_bad(GNP_IN("{action: Deny, source: {nets: [10.0.0.0/8]}, destination: "
			  "{notNets: ['fe80::/10']}}"),
		"t.yaml:6:74: destination: IPv4 and IPv6 networks in one rule");
	expect_bad(GNP_IN("{action: Deny, ipVersion: 6, source: {nets: [10.0.0.0/8]}}"),
		"t.yaml:6:50: source: IPv4 network in a rule with ipVersion 6");
	expect_bad(GNP_IN("{action: Deny, source: {notNets: [0.0.0.0/0]}}"),
		"t.yaml:6:39: source: notNets with every address would match nothing");
	expect_bad(GNP_IN("{action: Deny, destination: {notNets: ['::/0']}}"),
		"t.yaml:6:44: destination: notNets with every address would match nothing");
	expect_good(GNP_IN("{action: Deny, source: {nets: [0.0.0.0/0], notNets: [10.0.0.1/32]}}"));
	expect_good(GNP_IN("{action: Deny, ipVersion: 6, destination: {nets: ['2001:db8::/32']}}"));
}

Test(valid, v15_services_stand_alone_on_the_far_side)
{
	expect_bad(NP_IN("{action: Allow, destination: {services: {name: a}}}"),
		"t.yaml:6:45: services: not in the destination of an ingress rule");
	expect_bad(NP_OUT("{action: Allow, source: {services: {name: a}}}"),
		"t.yaml:6:40: services: not in the source of an egress rule");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {namespace: a}}}"),
		"t.yaml:6:45: services: needs the 'name' of a service");
	expect_bad(GNP_OUT("{action: Allow, destination: {services: {name: a}}}"),
		"t.yaml:6:45: services: needs a 'namespace' here");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {name: a}, selector: has(b)}}"),
		"t.yaml:6:45: services: cannot be combined with selectors");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {name: a}, notSelector: "
			  "has(b)}}"),
		"t.yaml:6:45: services: cannot be combined with selectors");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {name: a}, namespaceSelector: "
			  "has(b)}}"),
		"t.yaml:6:45: services: cannot be combined with selectors");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {name: a}, nets: "
			  "[10.0.0.0/8]}}"),
		"t.yaml:6:45: services: cannot be combined with nets or notNets");
	expect_bad(NP_OUT("{action: Allow, destination: {services: {name: a}, serviceAccounts: "
			  "{names: [b]}}}"),
		"t.yaml:6:45: services: cannot be combined with serviceAccounts");
	expect_bad(NP_OUT("{action: Allow, protocol: TCP, destination: {services: {name: a}, "
			  "ports: [80]}}"),
		"t.yaml:6:60: services: cannot be combined with ports: a service has its own");
	expect_good(NP_OUT("{action: Allow, destination: {services: {name: a}}}"));
	expect_good(NP_IN("{action: Allow, protocol: TCP, source: {services: {name: a}, ports: "
			  "[80]}}"));
	expect_good(GNP_OUT("{action: Allow, destination: {services: {name: a, namespace: b}}}"));
}

Test(valid, v16_http_is_for_ingress_allow_over_tcp)
{
	expect_bad(GNP_IN("{action: Deny, http: {methods: [GET]}}"),
		"t.yaml:6:26: http: only with action Allow");
	expect_bad(GNP_IN("{action: Allow, protocol: UDP, http: {methods: [GET]}}"),
		"t.yaml:6:42: http: only with protocol TCP");
	expect_bad(GNP_OUT("{action: Allow, http: {methods: [GET]}}"),
		"t.yaml:6:27: http: only in ingress rules");
	expect_bad(GNP_IN("{action: Allow, http: {methods: [GET, GET]}}"),
		"t.yaml:6:43: methods: 'GET' given twice");
	expect_bad(GNP_IN("{action: Allow, http: {paths: [{exact: /a, prefix: /b}]}}"),
		"t.yaml:6:36: paths: needs either 'exact' or 'prefix'");
	expect_bad(GNP_IN("{action: Allow, http: {paths: [{prefix: a}]}}"),
		"t.yaml:6:36: paths: 'a' must begin with '/' and have no '?', ' ' or '#'");
	expect_good(GNP_IN("{action: Allow, http: {methods: [GET], paths: [{exact: /a}]}}"));
	expect_good(GNP_IN("{action: Allow, protocol: 6, http: {methods: [GET]}}"));
}

#define HEP(spec) CALICO("HostEndpoint", "h", spec)

Test(valid, v17_host_endpoints_say_where_they_are)
{
	expect_bad(HEP("{interfaceName: eth0}"), "t.yaml:4:7: host endpoint without 'node'");
	expect_bad(HEP("{node: n}"),
		"t.yaml:4:7: host endpoint without 'interfaceName' and 'expectedIPs': needs one");
	expect_bad(HEP("{node: n, interfaceName: '', expectedIPs: []}"),
		"t.yaml:4:7: host endpoint without 'interfaceName' and 'expectedIPs': needs one");
	expect_bad(HEP("{node: n, interfaceName: 'eth 0'}"),
		"t.yaml:4:32: interfaceName: 'eth 0' is not an interface name: at most 15 of "
		"letters, digits, '_', '.' and '-', or '*'");
	(void)read_bad(HEP("{node: n, interfaceName: a123456789012345}"));
	expect_good(HEP("{node: n, interfaceName: a12345678901234}"));
	expect_good(HEP("{node: n, interfaceName: '*'}"));
	expect_good(HEP("{node: n, interfaceName: eth0.100}"));
	expect_good(HEP("{node: n, expectedIPs: ['2001:db8::1']}"));
	expect_bad(HEP("{node: n, expectedIPs: [10.0.0.1/32]}"),
		"t.yaml:4:31: expectedIPs: '10.0.0.1/32' is not an IP address");
}

Test(valid, v17_ports_of_a_host_endpoint_are_complete)
{
	expect_bad(HEP("{node: n, interfaceName: '*', ports: [{protocol: TCP, port: 1}]}"),
		"t.yaml:4:45: ports: a port needs 'name', 'protocol' and 'port'");
	expect_bad(HEP("{node: n, interfaceName: '*', ports: [{name: a, protocol: TCP}]}"),
		"t.yaml:4:45: ports: a port needs 'name', 'protocol' and 'port'");
	expect_bad(HEP("{node: n, interfaceName: '*', ports: [{name: a, protocol: ICMP, port: "
		       "1}]}"),
		"t.yaml:4:65: protocol: must be TCP, UDP or SCTP");
	expect_bad(HEP("{node: n, interfaceName: '*', ports: [{name: a, protocol: TCP, port: 0}]}"),
		"t.yaml:4:76: port: must be a port number, 1 to 65535");
	expect_bad(HEP("{node: n, interfaceName: '*', ports: [{name: a b, protocol: TCP, port: "
		       "1}]}"),
		"t.yaml:4:52: name: 'a b' is not a port name");
	expect_good(
		HEP("{node: n, interfaceName: '*', ports: [{name: A_b.c-1, protocol: 132, port: "
		    "65535}]}"));
}

Test(valid, v18_tiers_have_simple_names_and_known_ones_their_place)
{
	char name[70];

	expect_bad(CALICO("Tier", "a.b", "{order: 1}"),
		"t.yaml:3:18: name: 'a.b' is not a tier name: lower-case letters, digits and '-', "
		"at most 63 characters");
	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	expect_good(named("Tier", NULL, name));
	name[63] = 'a';
	name[64] = '\0';
	(void)read_bad(named("Tier", NULL, name));
	expect_bad(CALICO("Tier", "t", "{defaultAction: Allow}"),
		"t.yaml:4:23: defaultAction: 'Allow' is not Deny or Pass");
	expect_bad(CALICO("Tier", "default", "{order: 1}"),
		"t.yaml:4:15: order: tier default must have order 1000000");
	expect_bad(CALICO("Tier", "default", "{order: 1000000, defaultAction: Pass}"),
		"t.yaml:4:39: defaultAction: tier default must have Deny");
	expect_bad(CALICO("Tier", "kube-admin", "{order: 1000}"),
		"t.yaml:4:7: defaultAction: tier kube-admin must have Pass");
	expect_bad(CALICO("Tier", "kube-baseline", "{defaultAction: Pass}"),
		"t.yaml:4:7: order: tier kube-baseline must have order 10000000");
	expect_good(CALICO("Tier", "default", "{order: 1000000}"));
	expect_good(CALICO("Tier", "default", "{order: 1e6, defaultAction: Deny}"));
	expect_good(CALICO("Tier", "kube-admin", "{order: 1000, defaultAction: Pass}"));
	expect_good(CALICO("Tier", "kube-baseline", "{order: 10000000, defaultAction: Pass}"));
}

Test(valid, v19_network_sets_take_addresses_and_unmasked_networks)
{
	struct hf_policy *p = read_good(CALICO(
		"GlobalNetworkSet", "s", "{nets: [10.0.0.1, 10.1.2.3/8, '2001:db8::1/32']}"));
	const struct hf_netset_obj *set = hf_policy_objects(p)->netset.v;
	char buf[HF_ADDRSTR_SIZE];

	cr_expect_str_eq(hf_prefix_print(&set->nets.v[0], buf), "10.0.0.1/32");
	cr_expect_str_eq(hf_prefix_print(&set->nets.v[1], buf), "10.0.0.0/8");
	cr_expect_str_eq(hf_prefix_print(&set->nets.v[2], buf), "2001:db8::/32");
	hf_policy_free(p);
	expect_bad(CALICO("GlobalNetworkSet", "s", "{nets: [10.0.0]}"),
		"t.yaml:4:15: nets: '10.0.0' is neither an IP address nor a network");
	expect_bad("apiVersion: projectcalico.org/v3\nkind: NetworkSet\n"
		   "metadata: {name: s, namespace: a, labels: {projectcalico.org/namespace: b}}\n",
		"t.yaml:3:43: labels: projectcalico.org/namespace belongs to Calico");
	expect_good("apiVersion: projectcalico.org/v3\nkind: NetworkSet\n"
		    "metadata: {name: s, namespace: a, labels: {projectcalico.org/name: b}}\n");
}

#define FELIX(spec) CALICO("FelixConfiguration", "default", spec)

Test(valid, v20_felix_words_are_known_in_any_case)
{
	expect_bad(FELIX("{failsafeInboundHostPorts: [{protocol: ICMP, port: 1}]}"),
		"t.yaml:4:46: protocol: 'ICMP' is not TCP, UDP or SCTP");
	expect_bad(FELIX("{failsafeInboundHostPorts: [{protocol: TCP}]}"),
		"t.yaml:4:35: failsafeInboundHostPorts: a failsafe port needs 'protocol' and "
		"'port'");
	expect_bad(FELIX("{failsafeInboundHostPorts: none}"),
		"t.yaml:4:34: failsafeInboundHostPorts: must be a list");
	expect_bad(FELIX("{chainInsertMode: Front}"),
		"t.yaml:4:25: chainInsertMode: 'Front' is not Insert or Append");
	expect_bad(FELIX("{defaultEndpointToHostAction: REJECT}"),
		"t.yaml:4:37: defaultEndpointToHostAction: 'REJECT' is not Drop, Accept or Return");
	expect_bad(FELIX("{iptablesFilterAllowAction: Drop}"),
		"t.yaml:4:35: iptablesFilterAllowAction: 'Drop' is not Accept or Return");
	expect_bad(FELIX("{iptablesMangleAllowAction: Drop}"),
		"t.yaml:4:35: iptablesMangleAllowAction: 'Drop' is not Accept or Return");
	expect_bad(FELIX("{iptablesFilterDenyAction: Accept}"),
		"t.yaml:4:34: iptablesFilterDenyAction: 'Accept' is not Drop or Reject");
	expect_bad(FELIX("{serviceLoopPrevention: Off}"),
		"t.yaml:4:31: serviceLoopPrevention: 'Off' is not Drop, Reject or Disabled");
	expect_good(FELIX("{failsafeInboundHostPorts: [{protocol: sctp, port: 1}], "
			  "chainInsertMode: APPEND, defaultEndpointToHostAction: return, "
			  "iptablesFilterAllowAction: ACCEPT, iptablesMangleAllowAction: Return, "
			  "iptablesFilterDenyAction: reject, serviceLoopPrevention: disabled}"));
}

#define STAGED(spec) CALICO("StagedGlobalNetworkPolicy", "p", spec)

Test(valid, v21_staged_policies_obey_the_same_rules)
{
	expect_bad(STAGED("{preDNAT: true}"), "t.yaml:4:17: preDNAT needs applyOnForward: true");
	expect_bad(STAGED("{stagedAction: Drop}"),
		"t.yaml:4:22: stagedAction: 'Drop' is not Set, Delete, Learn or Ignore");
	expect_bad(STAGED("{stagedAction: Delete, order: 5}"),
		"t.yaml:4:30: order: stagedAction Delete allows no field but 'tier'");
	expect_bad(STAGED("{stagedAction: Delete, ingress: [{action: Deny}]}"),
		"t.yaml:4:30: ingress: stagedAction Delete allows no field but 'tier'");
	expect_good(STAGED("{stagedAction: Delete, tier: t, ingress: [], selector: ''}"));
	expect_good(STAGED("{stagedAction: Set, order: 5}"));
	expect_bad(GNP("{stagedAction: Set}"), "t.yaml:4:8: unknown field 'stagedAction'");
}
