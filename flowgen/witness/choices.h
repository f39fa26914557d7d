/* SPDX-License-Identifier: BSD-3-Clause */

/* Values to try for the fields of one rule: where its conditions begin and end, and beside that. */

#pragma once

#include <hepflow/facts.h>
#include <hepflow/net.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRS_MAX 24 /* values of one field that are tried for one rule */
#define PORTS_MAX 24

struct addr_choice {
	struct hf_addr addr;
	struct hf_prefix net; /* it was drawn from */
	bool any;	      /* from no condition of this rule */
};

struct port_choice {
	uint16_t port;
	struct hf_ports range;
};

struct addrs {
	size_t n;
	struct addr_choice v[ADDRS_MAX];
};

struct ports {
	size_t n;
	struct port_choice v[PORTS_MAX];
};

/* Values for one rule and one family. */
struct choices {
	struct addrs src, dst;
	struct ports sport, dport;
	size_t n_protos;
	uint8_t protos[8];
	uint8_t type, code;
};

/* For fields that a rule leaves open. */
struct common {
	struct addrs src[2], dst[2]; /* IPv4, IPv6 */
	struct ports dport;
};

/* Adds what the facts of one side have: destinations of every class, services. */
void hf_common_add_facts(struct common *c, const struct hf_rules *rules);
/* Adds what a rule compares with. */
void hf_common_add_rule(struct common *c, const struct hf_rules *rules, const struct hf_match *m);

void hf_choices_make(struct choices *ret, const struct common *common, const struct hf_rules *rules,
	const struct hf_match *m, uint8_t family);
