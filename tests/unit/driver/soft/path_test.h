/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * For tests that send packets through the whole path: a host, its wires, and what became of a
 * packet.
 */

#pragma once

#include "soft_test.h"

#include <soft/soft.h>

#include <hf_test_eal.h>

/*
 * n0: eth0 and eth0.100 outside, pods A (cali0, 10.65.0.2) and B (cali1, 10.65.0.3) on wires, C
 * (cali2, 10.65.0.4) without one. The host endpoint eth0 lets tcp 80 in and tcp 443 out and
 * forwards all but tcp 3000.
 */
#define FACTS(kernel)                                                                              \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces:\n"                                                                          \
	"    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"                      \
	"    - {name: eth0.100, addresses: [203.0.113.10/24]}\n"                                   \
	"    - {name: tunl0}\n"                                                                    \
	"    - {name: cali0}\n    - {name: cali1}\n    - {name: cali2}\n"                          \
	"  routes:\n"                                                                              \
	"    - {dst: 0.0.0.0/0, dev: eth0}\n    - {dst: '::/0', dev: eth0}\n"                      \
	"    - {dst: 10.65.1.0/24, dev: tunl0}\n"                                                  \
	"  dnat:\n"                                                                                \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}\n"               \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30002, to: ['10.65.0.2:4000']}\n"               \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30003,"                                         \
	" to: ['10.65.0.2:3000', '10.65.0.3:4000']}\n"                                             \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30004,"                                         \
	" to: ['10.65.0.2:4001', '10.65.0.3:4001']}\n"                                             \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30005,"                                         \
	" to: ['10.65.0.2:3000', '10.65.0.3:3000']}\n"                                             \
	"  kernelPolicy: {input: accept, output: accept, forward: " kernel "}\n"

#define POD(name, iface, addr)                                                                     \
	"---\napiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n"                          \
	"metadata: {name: n0-k8s-" name "-eth0, namespace: ns, labels: {pod: " name "}}\n"         \
	"spec: {node: n0, orchestrator: k8s, pod: " name ", endpoint: eth0, interfaceName: " iface \
	", ipNetworks: [" addr "/32], profiles: [projectcalico-default-allow]}\n"

#define PODS                                                                                       \
	POD("a", "cali0", "10.65.0.2") POD("b", "cali1", "10.65.0.3") POD("c", "cali2", "10.65.0.4")

#define HEP                                                                                        \
	"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                              \
	"metadata: {name: eth0, labels: {hep: x}}\nspec: {node: n0, interfaceName: eth0}\n"

#define POLICY(name, spec)                                                                         \
	"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"                       \
	"metadata: {name: " name "}\nspec:\n  selector: hep == 'x'\n" spec

#define NORMAL                                                                                     \
	POLICY("normal",                                                                           \
		"  types: [Ingress, Egress]\n"                                                     \
		"  ingress:\n    - {action: Allow, protocol: TCP, destination: {ports: [80]}}\n"   \
		"    - {action: Allow, protocol: UDP, destination: {ports: [80]}}\n"               \
		"  egress:\n    - {action: Allow, protocol: TCP, destination: {ports: [443]}}\n")

#define FORWARD                                                                                    \
	POLICY("forward",                                                                          \
		"  applyOnForward: true\n  types: [Ingress]\n"                                     \
		"  ingress:\n    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"  \
		"    - {action: Allow, destination: {notNets: [192.0.2.10/32]}}\n")

#define UNTRACKED                                                                                  \
	POLICY("raw", "  doNotTrack: true\n  applyOnForward: true\n  types: [Ingress, Egress]\n"   \
		      "  ingress:\n    - {action: Deny, protocol: UDP, source: {ports: [666]}}\n"  \
		      "    - {action: Allow, protocol: UDP, destination: {ports: [7]}}\n"          \
		      "  egress:\n    - {action: Allow, protocol: UDP, source: {ports: [7]}}\n")

#define WORLD FACTS("accept") PODS HEP NORMAL FORWARD

extern struct hf_soft *soft;
extern struct hf_rules *rules;
extern unsigned int eth0, cali0, cali1;
extern uint64_t now;
extern enum hf_soft_reclassify path_reclassify; /* for path_init() */
extern enum hf_soft_ambiguous path_ambiguous;

/* Publishes the rules of the text for the three wires. */
void path_init(const char *yaml);
void path_fini(void);
/* Publishes other rules, and frees the old ones, which must come back. */
void path_change(struct hf_rules *new_rules);

/* Sends one packet and says under which reason, exactly one, it was counted. */
enum hf_soft_reason send_mbuf(unsigned int wire, enum hf_soft_dir dir, struct rte_mbuf *m);
void check_at(int at, unsigned int wire, enum hf_soft_dir dir, const char *line,
	const struct frame_opts *opts, enum hf_soft_reason want);

#define IN(wire, line, want)  check_at(__LINE__, wire, HF_SOFT_IN, line, NULL, want)
#define OUT(wire, line, want) check_at(__LINE__, wire, HF_SOFT_OUT, line, NULL, want)

#define CLIENT		      "198.51.100.7"
#define TO_HOST(rest)	      "src=" CLIENT " dst=192.0.2.10 sport=5000 " rest
#define FROM_HOST(rest)	      "src=192.0.2.10 dst=" CLIENT " dport=5000 " rest
