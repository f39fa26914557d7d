/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Nets: prefixes by number, so that lists which name the same ones over and over can be compared,
 * sorted into tables and looked through by numbers.
 */

#pragma once

#include "slots.h"

#include <hepflow/net.h>

#include <stddef.h>
#include <stdint.h>

#define NET_NONE   SLOT_EMPTY
#define NETS_ABOVE 129 /* most prefixes that cover one: one of each length */

struct nets {
	size_t n, cap;
	struct hf_prefix *v;
	struct slots slots;
	uint64_t lens[2][3]; /* by family: bit l of word l / 64: there is one of length l */
};

/* The number of a prefix, given to it if it has none. Returns 0 or -ENOMEM. */
int hf_nets_add(struct nets *nets, const struct hf_prefix *p, uint32_t *ret);
/* NET_NONE when it has none. */
uint32_t hf_nets_find(const struct nets *nets, const struct hf_prefix *p);
/* Those that cover number id, itself included, the shortest first. Returns how many. */
size_t hf_nets_above(const struct nets *nets, uint32_t id, uint32_t ret[static NETS_ABOVE]);
void hf_nets_fini(struct nets *nets);
