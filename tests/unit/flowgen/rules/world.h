/* SPDX-License-Identifier: BSD-3-Clause */

/* Tables from YAML, for the tests of this folder. */

#pragma once

#include <hepflow/rules.h>

/* Interfaces eth0 (192.0.2.10/24, 2001:db8::10/64), eth1 and lo of node n0, and nothing else. */
#define FACTS                                                                                      \
	"apiVersion: hepflow/v1\n"                                                                 \
	"kind: HostFacts\n"                                                                        \
	"metadata: {name: n0}\n"                                                                   \
	"spec:\n"                                                                                  \
	"  interfaces:\n"                                                                          \
	"    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"                      \
	"    - {name: eth1, addresses: [198.51.100.1/24]}\n"                                       \
	"  dnat:\n"                                                                                \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}\n"               \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30002, to: ['198.51.100.7:80']}\n"
#define DOC "---\napiVersion: projectcalico.org/v3\n"
#define HEP                                                                                        \
	DOC "kind: HostEndpoint\nmetadata: {name: hep, labels: {role: h}}\n"                       \
	    "spec: {node: n0, interfaceName: eth0}\n"
#define POD(n)                                                                                     \
	DOC "kind: WorkloadEndpoint\nmetadata: {name: pod" #n ", namespace: ns}\n"                 \
	    "spec: {node: n0, interfaceName: cali" #n ", ipNetworks: [10.65.0." #n "/32]}\n"
#define GNP(name, spec)                                                                            \
	DOC "kind: GlobalNetworkPolicy\nmetadata: {name: " name "}\nspec: {" spec "}\n"

/* Fails the test when the text is not a policy. */
struct hf_rules *rules_of(const char *text);
/* "allow failsafe" for a packet line. The text lives until the next call. */
const char *verdict_of(const struct hf_rules *rules, const char *packet);
