/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Items: one path of the rules as a flat ordered list of (visible cube, connection states,
 * verdict).
 *
 * The blocks of a path are written out: a jump becomes the target's rules within the jump's cube.
 * First match decides, as in the rules. Rules that only a rewritten destination can reach are left
 * out: such packets are punted before any item is asked.
 */

#pragma once

#include "addrs.h"
#include "cube.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

struct spans;

struct item {
	struct cube cube;
	uint8_t ct;	   /* states it decides, HF_CT_BIT */
	enum hf_fate fate; /* never JUMP; PUNT: software must see the packet, for reason */
	enum hf_reason reason;
	uint32_t origin;
};

struct items {
	size_t n, cap;
	struct item *v;
	size_t n_guards;
	size_t *guards; /* indexes of the items that do not decide NEW */
	size_t n_lost, lost_cap;
	uint32_t *lost; /* origins of rules that found no room */
	uint8_t seen;	/* HF_CT_BIT of the states that are looked at */
	bool *deep;	/* NULL, or set when more than an item and the guards is looked at */
};

struct items_opts {
	enum hf_fallback fallback;
	bool strict_invalid; /* INVALID is one of the states */
	/* Sets that these have codes for are left to cube.set: source, destination; NULL: none. */
	const struct addr_map *addrs[2];
};

/* Most items of one path; beyond, the rest of the path is one punt. */
#define ITEMS_MAX 400000

/*
 * Lists the path for packets that leave by out. NO_DECISION takes the host's own default, or is
 * left to the kernel where it is the fallback. Returns 0 or -ENOMEM.
 */
int hf_items_build(const struct hf_rules *rules, const struct hf_path *path, uint16_t out,
	uint8_t family, const struct items_opts *opts, struct items *ret);
/*
 * The same in spans (spans.h): of those that are kept there are only the guards in the list.
 * Returns -E2BIG when there would be rules without room.
 */
int hf_items_build_spans(const struct hf_rules *rules, const struct hf_path *path, uint16_t out,
	uint8_t family, const struct items_opts *opts, struct spans *spans, struct items *ret);
void hf_items_fini(struct items *items);
