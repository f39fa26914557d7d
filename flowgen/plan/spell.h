/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Spelling: cubes that are to be dropped as entries, each with the protocols and the masks that the
 * NIC takes, and the choice among them when a rule would have too many.
 */

#pragma once

#include "build.h"

struct found {
	struct hf_entry entry;
	unsigned int len; /* bits of source and ports: the fewer, the more packets */
	size_t at;
	size_t group; /* of rule and family */
	bool kept;    /* while some are taken out */
};

struct found_list {
	size_t n, cap;
	struct found *v;
};

/* What is not in hardware; what had no room in the NIC comes before, as the better reason. */
struct missed {
	uint32_t origin;
	enum hf_reason reason;
	uint32_t detail;
};

struct spell_book {
	struct builder *b;
	struct found_list found;
	HF_VEC(struct missed) missed;
	uint32_t *n_cubes; /* by group */
	size_t n_tried;
};

/* Returns 0 or -ENOMEM. To be ended by hf_spell_fini() either way. */
int hf_spell_init(struct spell_book *book, struct builder *b);
void hf_spell_fini(struct spell_book *book);
/*
 * What of an item may be dropped: certain whatever the state, opening if the packet opens a
 * connection. reason: why that is not all of it, or HF_REASON_NONE. Returns 0 or -ENOMEM.
 */
int hf_spell_drops(struct spell_book *book, const struct item *item, const struct cubes *certain,
	const struct cubes *opening, enum hf_reason reason);
/* Tallies something that is not in hardware, once the entries are chosen. Returns 0 or -ENOMEM. */
int hf_spell_miss(struct spell_book *book, uint32_t origin, enum hf_reason reason, uint32_t detail);
/* Emits the entries that there is room for. Returns 0 or -ENOMEM. */
int hf_spell_emit(struct spell_book *book);
