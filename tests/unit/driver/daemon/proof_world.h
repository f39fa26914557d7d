/* SPDX-License-Identifier: BSD-3-Clause */

/* A configuration of one uplink, and generations of its policy. */

#pragma once

#include "daemon/proof.h"

#define HOST                                                                                       \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]\n---\n"                          \
	"apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                                   \
	"metadata: {name: eth0, labels: {h: x}}\nspec: {node: n0, interfaceName: eth0}\n---\n"     \
	"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"       \
	"spec:\n  selector: has(h)\n  types: [Ingress]\n  ingress:\n"
#define DENY_3000 "    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW	  "    - {action: Allow}\n"

extern struct hf_config *config;
extern struct hf_inputs in;

/* changes: what the configuration says of them. */
void open_world(const char *changes);
void close_world(void);
/* ingress: the rules, as DENY_3000 is one. */
struct hf_generation *build(const char *ingress);
/* The one that comes after previous. */
struct hf_generation *follow(const struct hf_generation *previous, const char *ingress);
/* Far more than a millisecond's work. */
struct hf_generation *build_large(void);
