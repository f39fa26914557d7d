/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Spans of one family of one table while it is made: which of the plan before are kept (memory.h).
 * items.c asks here for every run of rules that it would write out.
 */

#pragma once

#include "memory.h"

struct spans {
	const struct memory *memory;	 /* of the plan that is made: its parts */
	const struct family_memory *old; /* NULL: there is nothing to keep */
	struct family_memory *ret;
	const struct part *part; /* the one that is walked */
	uint32_t block;
	size_t *index; /* of the old slots by what they are; open addressing */
	size_t size;
	size_t next;		       /* old slots before this one are no longer kept: order */
	size_t avoid_first, avoid_end; /* nor are these */
	bool guarded;		       /* the guards so far are those of the old plan */
	size_t n_items;		       /* of kept spans as well */
};

/* Returns 0 or -ENOMEM. */
int hf_plan_spans_init(struct spans *s, const struct memory *memory,
	const struct family_memory *old, struct family_memory *ret);
void hf_plan_spans_fini(struct spans *s);

/* What items of these protocols need of a table: names, or that all of them are spelled. */
void hf_note_protos(uint64_t named[4], bool *spell, const uint64_t bits[4]);

/*
 * Notes what the table spells, and says whether what is kept can stay beside what is new: the same
 * is spelled, and no item has looked further than its guards.
 */
bool hf_plan_spans_agree(struct family_memory *is, const struct family_memory *old, bool spell,
	const uint8_t *named, size_t n_named);

/*
 * Rules at .. at + n - 1 of a part within ctx: NULL when they have to be written out, or the span
 * that they were in the plan before. It is listed then, and its guards are known.
 */
const struct span *hf_plan_spans_keep(struct spans *s, struct part *part, uint32_t at, uint32_t n,
	const struct cube *ctx, uint8_t ct);
/* Lists one that was written out: items first_item .. of items. Returns 0 or -ENOMEM. */
int hf_plan_spans_add(struct spans *s, struct part *part, uint32_t at, uint32_t n,
	const struct cube *ctx, uint8_t ct, const struct items *items, size_t first_item,
	bool ends);
