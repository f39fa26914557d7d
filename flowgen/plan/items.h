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

#include "cube.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

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
};

/* Most items of one path; beyond, the rest of the path is one punt. */
#define ITEMS_MAX 400000

/* What hardware can know of a cube; docs/plan.md. */
enum sight {
	SIGHT_DECIDED, /* same fate in every state the NIC cannot see */
	SIGHT_OPENING, /* that fate only for packets that can only open a connection */
	SIGHT_MIXED,
};

/*
 * Lists the path for packets that leave by out. NO_DECISION takes the host's own default, or is
 * left to the kernel where it is the fallback. Returns 0 or -ENOMEM.
 */
int hf_items_build(const struct hf_rules *rules, const struct hf_path *path, uint16_t out,
	uint8_t family, enum hf_fallback fallback, struct items *ret);
void hf_items_fini(struct items *items);

/* Sight of item i: which earlier items decide for the states that i does not. */
enum sight hf_items_sight(const struct items *items, size_t i);

/*
 * The one fate that every packet of the region meets whatever its state, or HF_FATE_PUNT with the
 * reason when there is more than one.
 */
enum hf_fate hf_items_decide(const struct items *items, const struct cube *region,
	uint32_t *ret_origin, enum hf_reason *ret_reason);
