/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

#include <jansson.h>

#include <stdlib.h>

HF_SUITE(print);

#define WORLD                                                                                      \
	FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24]}],"                            \
	      "dnat: [{proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}]")        \
	GNS("bad", "set: bad", "198.51.100.0/24")                                                  \
	PROFILE("p", "egress: [{action: Allow}]")                                                  \
	FELIX("default", "failsafeInboundHostPorts: [{protocol: TCP, port: 22, net: 10.0.0.0/8}]," \
			 "failsafeOutboundHostPorts: []")                                          \
	LABELLED_HEP("h", "who: me", "interfaceName: eth0, profiles: [p, gone]")                   \
	POD("x", "pod", "", "interfaceName: cali1, ipNetworks: [10.65.0.2/32]")                    \
	GNP("block",                                                                               \
		"selector: has(who), order: 1, applyOnForward: true, types: [Ingress, Egress],"    \
		"ingress: [{action: Deny, protocol: TCP, source: {selector: has(set), "            \
		"notNets: [10.0.0.0/8]}, destination: {ports: [22, '80:90', web]}}, "              \
		"{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}]")

/* What a later stage has to say. */
static char *later[] = {"later: t.yaml:1:1: and another thing"};

static char *text_of(const struct hf_model *m, bool json)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	if (json)
		cr_expect_eq(hf_model_print_json(m, later, 1, f), 0);
	else
		hf_model_print(m, later, 1, f);
	cr_assert_eq(fclose(f), 0);
	return text;
}

static const char expected[] =
	"node n0\n"
	"config\n"
	"  calico 3.34\n"
	"  endpoint-to-host drop\n"
	"  allow-action filter=accept mangle=accept\n"
	"  invalid deny\n"
	"  failsafe in tcp:10.0.0.0/8:22\n"
	"  failsafe out none\n"
	"  encapsulation none\n"
	"  from-workloads ipip=deny vxlan=deny\n"
	"  peers set:0\n"
	"  service-loop off set:1\n"
	"  kernel input=accept output=accept forward=accept\n"
	"interfaces\n"
	"  0 - host\n"
	"  1 eth0 uplink hep=h addrs=192.0.2.10/24\n"
	"  2 cali1 workload wep=x/n0-k8s-pod-eth0 sources=10.65.0.2/32,::/128,fe80::/64\n"
	"  3 lo uplink\n"
	"endpoints\n"
	"  host h up\n"
	"    normal tier default default=deny\n"
	"      ingress gnp:block\n"
	"      egress gnp:block\n"
	"    forward tier default default=deny\n"
	"      ingress gnp:block\n"
	"      egress gnp:block\n"
	"    profiles p gone(missing)\n"
	"  workload x/n0-k8s-pod-eth0 up\n"
	"policies\n"
	"  default/gnp:block/ingress\n"
	"    0 deny proto=tcp src!=10.0.0.0/8 src=set:2 dport=22,80:90,set:3\n"
	"    1 allow ip=4 proto=icmp icmp=8/0\n"
	"  default/gnp:block/egress\n"
	"profiles\n"
	"  profile:gone missing\n"
	"  profile:p/ingress\n"
	"  profile:p/egress\n"
	"    0 allow\n"
	"destinations\n"
	"  ::1/128 host\n"
	"  10.65.0.2/32 workload out=cali1\n"
	"  192.0.2.10/32 host\n"
	"  192.0.2.255/32 host\n"
	"  255.255.255.255/32 host\n"
	"  192.0.2.0/24 remote out=eth0\n"
	"  224.0.0.0/24 host\n"
	"  ff01::/16 host\n"
	"  ff02::/16 host\n"
	"  fe80::/10 host\n"
	"  127.0.0.0/8 host\n"
	"  0.0.0.0/0 remote out=eth0\n"
	"  ::/0 remote out=eth0\n"
	"dnat\n"
	"  tcp 192.0.2.10:30001 to=10.65.0.2:3000\n"
	"sets\n"
	"  0 Calico hosts\n"
	"  1 service addresses\n"
	"  2 has(set)\n"
	"    198.51.100.0/24\n"
	"  3 port web/tcp\n"
	"warnings\n";

Test(print, text_has_every_part)
{
	struct hf_model *m = make_model(WORLD);
	char *text = text_of(m, false);

	cr_expect_eq(strncmp(text, expected, sizeof(expected) - 1), 0, "got:\n%s", text);
	cr_expect_not_null(strstr(text, "\n  missing-profile: t.yaml:"));
	cr_expect_not_null(strstr(text, "\n  named-port-empty: t.yaml:"));
	cr_expect_not_null(strstr(text, "\n  later: t.yaml:1:1: and another thing\n"));
	free(text);
	hf_model_free(m);
}

Test(print, json_says_the_same)
{
	struct hf_model *m = make_model(WORLD);
	char *text = text_of(m, true);
	json_t *root = json_loads(text, 0, NULL), *rule, *ep, *warnings;

	cr_assert_not_null(root, "%s", text);
	cr_expect_eq(json_integer_value(json_object_get(root, "schema")), 1);
	cr_expect_str_eq(json_string_value(json_object_get(root, "node")), "n0");
	cr_expect_eq(json_array_size(json_object_get(root, "interfaces")), m->n_ifaces);
	cr_expect_eq(json_array_size(json_object_get(root, "destinations")), m->n_dests);
	cr_expect_eq(json_array_size(json_object_get(root, "dnat")), 1);
	cr_expect_eq(json_array_size(json_object_get(root, "sets")), m->n_sets);
	warnings = json_object_get(root, "warnings");
	cr_assert_eq(json_array_size(warnings), m->n_warnings + 1);
	cr_expect_str_eq(json_string_value(json_array_get(warnings, 0)), m->warnings[0]);
	cr_expect_str_eq(json_string_value(json_array_get(warnings, m->n_warnings)), later[0]);
	cr_expect_eq(json_array_size(json_object_get(root, "profiles")), 2);
	ep = json_array_get(json_object_get(root, "endpoints"), 0);
	cr_expect_eq(json_array_size(json_object_get(ep, "forward")), 1);
	cr_expect_eq(json_array_size(json_object_get(ep, "untracked")), 0);
	rule = json_array_get(json_object_get(root, "policies"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(rule, "policy")), "gnp:block");
	rule = json_array_get(json_object_get(rule, "rules"), 0);
	cr_expect_str_eq(
		json_string_value(json_object_get(rule, "origin")), "default/gnp:block/ingress/0");
	cr_expect_eq(
		json_integer_value(json_object_get(json_object_get(rule, "source"), "set")), 2);
	json_decref(root);
	free(text);
	hf_model_free(m);
}

Test(print, json_to_a_full_device_is_an_error)
{
	struct hf_model *m = make_model(WORLD);
	FILE *f = fopen("/dev/full", "w");

	cr_assert_not_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	cr_expect_eq(hf_model_print_json(m, NULL, 0, f), -EIO);
	(void)fclose(f); /* nothing to lose */
	hf_model_free(m);
}
