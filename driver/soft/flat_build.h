/* SPDX-License-Identifier: BSD-3-Clause */

/* The inside of building lists, shared by flat*.c. */

#pragma once

#include "flat.h"

/* What a rule of a list says, besides HF_MEMO_*: rte_acl has no 0. */
#define HF_FLAT_ASK UINT32_MAX /* the classifier decides */

/* A rule of a list. Nets are in host order; an address has at most one. */
struct hf_flat_rule {
	uint32_t src, dst;
	uint8_t src_len, dst_len;
	uint8_t proto[2]; /* from, to */
	struct hf_ports sport, dport;
	uint32_t said;
};

struct hf_flat_list {
	size_t n;
	struct hf_flat_rule v[HF_FLAT_RULES];
};

/*
 * The rules that a packet meets from a block on, as far as hf_flat.h goes. 0, -ENOMEM, or -E2BIG.
 */
int hf_flat_lower(const struct hf_classifier *c, uint32_t block, struct hf_flat_list *ret);
/* About how many it would be without multiplying anything out. */
size_t hf_flat_count(const struct hf_classifier *c, uint32_t block);
/* CPU time of a list and of the classifier for packets made from the list; is the list faster? */
bool hf_flat_wins(const struct hf_flat *flat, unsigned int list, uint32_t block,
	const struct hf_flat_list *rules);
