/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addr parts: all nets of some sets as a longest-prefix table, in one go: what hepflow/classes.h
 * keeps up to date one member at a time.
 *
 * A class is made of the addresses that are in the same sets; class 0 of those in none.
 */

#pragma once

#include <hepflow/net.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr_part {
	struct hf_prefix net;
	uint32_t class;
};

struct addr_class {
	uint32_t first, n; /* in parts.sets, ascending */
	uint8_t families;  /* bits 0, 1: IPv4, IPv6 have such addresses */
};

struct addr_parts {
	size_t n_nets;
	struct addr_part *nets; /* wider ones before those inside */
	size_t n_classes;
	struct addr_class *classes;
	uint32_t *sets;
};

/*
 * wanted: which sets of the rules. Returns 0; -E2BIG when classes have so many sets that no table
 * would be worth it; -ENOMEM.
 */
int hf_addr_parts_build(const struct hf_rules *rules, const bool *wanted, struct addr_parts *ret);
void hf_addr_parts_fini(struct addr_parts *parts);
