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
	CALICO("Tier", "t", "{order: 0.5, defaultAction: Pass}") "---\n" NP(
		"\n"
		"  tier: t\n  order: -3\n  selector: a in {'b', 'c'} && !has(d)\n"
		"  serviceAccountSelector: has(x)\n  types: [Egress, Ingress]\n"
		"  ingress:\n"
		"  - {action: Log, protocol: ICMP, notProtocol: 17, icmp: {type: "
		"3, code: 1}, notICMP: "
		"{type: 8}}\n"
		"  - {action: Deny, protocol: 1, icmp: {}}\n"
		"  - {action: Allow, http: {methods: [GET]}}\n"
		"  - {action: Pass, protocol: UDPLite, source: {notNets: "
		"['2001:db8::/32'], selector: "
		"\"a == 'it\\\"s'\", notSelector: has(b), namespaceSelector: "
		"global(), serviceAccounts: "
		"{names: [s], selector: all()}}}\n"
		"  - {action: Pass, protocol: 6, source: {ports: [http, 1], "
		"notPorts: ['2:3']}}\n"
		"  egress:\n"
		"  - {action: Allow, destination: {services: {name: s, namespace: "
		"o}}}") "---\n" GNP("{doNotTrack: true, applyOnForward: true, "
				    "namespaceSelector: has(n)}") "---\n" CALICO("G"
										 "l"
										 "o"
										 "b"
										 "a"
										 "l"
										 "N"
										 "e"
										 "t"
										 "w"
										 "o"
										 "r"
										 "k"
										 "P"
										 "o"
										 "l"
										 "i"
										 "c"
										 "y",
		"q", "{preDNAT: true, applyOnForward: true}") "---\n" CALICO("StagedGlob"
									     "alNetworkP"
									     "olicy",
		"r", "{stagedAction: Delete, tier: t}") "---\n" CALICO("StagedKubernetes"
								       "NetworkPolicy",
		"k", "{policyTypes: [Ingress]}") "---\n" CALICO("Profile", "pr",
		"{labelsToApply: {a: b}, ingress: [{action: Allow}]}") "---\n"
								       "apiVersion:"
								       " projectcal"
								       "ico.org/"
								       "v3\nkind: "
								       "HostEndpoin"
								       "t\nmetadata"
								       ": {name: "
								       "h, labels: "
								       "{a: "
								       "b}, "
								       "annotations"
								       ": "
								       "{hepflow/"
								       "offload: "
								       "require}}"
								       "\nspec: "
								       "{node: n, "
								       "interfaceNa"
								       "me: '*', "
								       "expectedIPs"
								       ": "
								       "[10.0.0.1, "
								       "'::1'], "
								       "profiles: "
								       "[pr], "
								       "ports: "
								       "[{name: x, "
								       "protocol: "
								       "SCTP, "
								       "port: "
								       "1}]}\n---"
								       "\n" CALICO("Wor"
										   "klo"
										   "adE"
										   "ndp"
										   "oin"
										   "t",
									       "w",
									       "{no"
									       "de:"
									       " n,"
									       " in"
									       "ter"
									       "fac"
									       "eNa"
									       "me:"
									       " ca"
									       "li0"
									       ", "
									       "pod"
									       ": "
									       "p, "
									       "ser"
									       "vic"
									       "eAc"
									       "cou"
									       "ntN"
									       "ame"
									       ": "
									       "s, "
									       "ipN"
									       "etw"
									       "ork"
									       "s: "
									       "[10"
									       ".0."
									       "0."
									       "2/"
									       "32]"
									       ", "
									       "ipN"
									       "ATs"
									       ": "
									       "[{"
									       "int"
									       "ern"
									       "alI"
									       "P: "
									       "10."
									       "0."
									       "0."
									       "2, "
									       "ext"
									       "ern"
									       "alI"
									       "P: "
									       "1."
									       "2."
									       "3."
									       "4}]"
									       ", "
									       "pro"
									       "fil"
									       "es:"
									       " ["
									       "pr]"
									       ", "
									       "por"
									       "ts:"
									       " [{"
									       "nam"
									       "e: "
									       "x, "
									       "pro"
									       "toc"
									       "ol:"
									       " TC"
									       "P, "
									       "por"
									       "t: "
									       "1}]"
									       ", "
									       "all"
									       "owS"
									       "poo"
									       "fed"
									       "Sou"
									       "rce"
									       "Pre"
									       "fix"
									       "es:"
									       " ["
									       "10."
									       "0."
									       "0."
									       "0/"
									       "8]"
									       "}") "---\n" CALICO("GlobalNetworkSet",
									       "g",
									       "{ne"
									       "ts:"
									       " ["
									       "10."
									       "0."
									       "0."
									       "1, "
									       "10."
									       "2."
									       "3."
									       "4/"
									       "8]"
									       "}") "---\n" CALICO("NetworkSet",
									       "ns",
									       "{ne"
									       "ts:"
									       " ['"
									       "fd0"
									       "0::"
									       "/8'"
									       "]}") "---\n" CALICO("FelixConfiguration",
									       "def"
									       "aul"
									       "t",
									       "{fa"
									       "ils"
									       "afe"
									       "Inb"
									       "oun"
									       "dHo"
									       "stP"
									       "ort"
									       "s: "
									       "[],"
									       " "
									       "fai"
									       "lsa"
									       "feO"
									       "utb"
									       "oun"
									       "dHo"
									       "stP"
									       "ort"
									       "s: "
									       "[{"
									       "pro"
									       "toc"
									       "ol:"
									       " ud"
									       "p, "
									       "por"
									       "t: "
									       "53,"
									       " ne"
									       "t: "
									       "10."
									       "0."
									       "0."
									       "0/"
									       "8}]"
									       ", "
									       "def"
									       "aul"
									       "tEn"
									       "dpo"
									       "int"
									       "ToH"
									       "ost"
									       "Act"
									       "ion"
									       ": "
									       "Ret"
									       "urn"
									       ", "
									       "ipt"
									       "abl"
									       "esF"
									       "ilt"
									       "erA"
									       "llo"
									       "wAc"
									       "tio"
									       "n: "
									       "Acc"
									       "ept"
									       ", "
									       "ipt"
									       "abl"
									       "esM"
									       "ang"
									       "leA"
									       "llo"
									       "wAc"
									       "tio"
									       "n: "
									       "Ret"
									       "urn"
									       ", "
									       "ipt"
									       "abl"
									       "esF"
									       "ilt"
									       "erD"
									       "eny"
									       "Act"
									       "ion"
									       ": "
									       "Rej"
									       "ect"
									       ", "
									       "dis"
									       "abl"
									       "eCo"
									       "nnt"
									       "rac"
									       "kIn"
									       "val"
									       "idC"
									       "hec"
									       "k: "
									       "fal"
									       "se,"
									       " in"
									       "ter"
									       "fac"
									       "ePr"
									       "efi"
									       "x: "
									       "'ca"
									       "li,"
									       "tap"
									       "', "
									       "int"
									       "erf"
									       "ace"
									       "Exc"
									       "lud"
									       "e: "
									       "'',"
									       " vx"
									       "lan"
									       "Por"
									       "t: "
									       "1, "
									       "wir"
									       "egu"
									       "ard"
									       "Lis"
									       "ten"
									       "ing"
									       "Por"
									       "t: "
									       "2, "
									       "wir"
									       "egu"
									       "ard"
									       "Lis"
									       "ten"
									       "ing"
									       "Por"
									       "tV6"
									       ": "
									       "3, "
									       "wir"
									       "egu"
									       "ard"
									       "Ena"
									       "ble"
									       "d: "
									       "tru"
									       "e, "
									       "wir"
									       "egu"
									       "ard"
									       "Ena"
									       "ble"
									       "dV6"
									       ": "
									       "fal"
									       "se,"
									       " "
									       "ipi"
									       "pEn"
									       "abl"
									       "ed:"
									       " tr"
									       "ue,"
									       " vx"
									       "lan"
									       "Ena"
									       "ble"
									       "d: "
									       "fal"
									       "se,"
									       " al"
									       "low"
									       "VXL"
									       "ANP"
									       "ack"
									       "ets"
									       "Fro"
									       "mWo"
									       "rkl"
									       "oad"
									       "s: "
									       "tru"
									       "e, "
									       "all"
									       "owI"
									       "PIP"
									       "Pac"
									       "ket"
									       "sFr"
									       "omW"
									       "ork"
									       "loa"
									       "ds:"
									       " fa"
									       "lse"
									       ", "
									       "ser"
									       "vic"
									       "eLo"
									       "opP"
									       "rev"
									       "ent"
									       "ion"
									       ": "
									       "Dis"
									       "abl"
									       "ed,"
									       " "
									       "ipv"
									       "6Su"
									       "ppo"
									       "rt:"
									       " fa"
									       "lse"
									       ", "
									       "ext"
									       "ern"
									       "alN"
									       "ode"
									       "sLi"
									       "st:"
									       " ["
									       "10."
									       "0."
									       "0."
									       "0/"
									       "8],"
									       " lo"
									       "gPr"
									       "efi"
									       "x: "
									       "'a:"
									       " b'"
									       ", "
									       "cha"
									       "inI"
									       "nse"
									       "rtM"
									       "ode"
									       ": "
									       "App"
									       "end"
									       "}") "---\n" CALICO("IPPool",
									       "poo"
									       "l",
									       "{ci"
									       "dr:"
									       " 10"
									       ".0."
									       "0."
									       "0/"
									       "8, "
									       "vxl"
									       "anM"
									       "ode"
									       ": "
									       "Cro"
									       "ssS"
									       "ubn"
									       "et,"
									       " na"
									       "tOu"
									       "tgo"
									       "ing"
									       ": "
									       "tru"
									       "e, "
									       "dis"
									       "abl"
									       "ed:"
									       " tr"
									       "ue"
									       "}") "---\n" CALICO("BGPConfiguration",
									       "def"
									       "aul"
									       "t",
									       "{se"
									       "rvi"
									       "ceC"
									       "lus"
									       "ter"
									       "IPs"
									       ": "
									       "[{"
									       "cid"
									       "r: "
									       "10."
									       "0."
									       "0."
									       "0/"
									       "8}]"
									       ", "
									       "ser"
									       "vic"
									       "eEx"
									       "ter"
									       "nal"
									       "IPs"
									       ": "
									       "[{"
									       "cid"
									       "r: "
									       "1."
									       "0."
									       "0."
									       "0/"
									       "8}]"
									       ", "
									       "ser"
									       "vic"
									       "eLo"
									       "adB"
									       "ala"
									       "nce"
									       "rIP"
									       "s: "
									       "[{"
									       "cid"
									       "r: "
									       "2."
									       "0."
									       "0."
									       "0/"
									       "8}]"
									       "}") "---\n"
										    "apiVersion: "
										    "v1\nkind: "
										    "Namespace\nmet"
										    "adata: {name: "
										    "ns1, labels: "
										    "{a: b}}\n---\n"
										    "apiVersion: "
										    "v1\nkind: "
										    "ServiceAccount"
										    "\nmetadata: "
										    "{name: sa, "
										    "namespace: "
										    "ns1}\n---\n"
										    "apiVersion: "
										    "v1\nkind: "
										    "Service\nmetad"
										    "ata: {name: "
										    "svc, "
										    "namespace: "
										    "ns1}\n"
										    "spec: "
										    "{clusterIPs: "
										    "[10.96.0.1], "
										    "externalIPs: "
										    "[1.2.3.4], "
										    "externalTraffi"
										    "cPolicy: "
										    "Local, "
										    "ports: "
										    "[{name: a, "
										    "port: 1, "
										    "nodePort: "
										    "30000}]}\n"
										    "status: "
										    "{loadBalancer:"
										    " {ingress: "
										    "[{ip: "
										    "5.6.7.8}]}}\n-"
										    "--\n"
										    "apiVersion: "
										    "discovery.k8s."
										    "io/v1\nkind: "
										    "EndpointSlice"
										    "\nmetadata: "
										    "{name: e, "
										    "labels: "
										    "{kubernetes."
										    "io/"
										    "service-name: "
										    "svc}}\nports: "
										    "[{name: a, "
										    "port: 1}]\n"
										    "endpoints: "
										    "[{addresses: "
										    "[10.0.0.2], "
										    "nodeName: n}, "
										    "{addresses: "
										    "[10.0.0.3], "
										    "conditions: "
										    "{ready: "
										    "false}}]\n---"
										    "\n"
										    "apiVersion: "
										    "hepflow/"
										    "v1\nkind: "
										    "HostFacts\nmet"
										    "adata: {name: "
										    "n}\nspec: "
										    "{interfaces: "
										    "[{name: "
										    "eth0, "
										    "addresses: "
										    "[10.0.0.1/8], "
										    "operState: "
										    "down}, {name: "
										    "lo}], routes: "
										    "[{dst: "
										    "10.0.0.0/8, "
										    "dev: eth0}], "
										    "dnat: "
										    "[{proto: "
										    "sctp, dst: "
										    "'::1', port: "
										    "1, to: "
										    "['[::2]:3']}],"
										    " kernelPolicy:"
										    " "
										    "{output: "
										    "drop}}\n";

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
