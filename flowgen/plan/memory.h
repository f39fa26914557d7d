/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory: what a plan of a NIC with groups remembers for the one that follows it, so that only what
 * a change can affect is made anew (docs/plan.md, "One thing changed").
 *
 *   part    neighbouring pieces of a block of the rules (struct hf_piece), by their ids
 *   span    rules of a part between two jumps, written out within one cube for one table of a path:
 *           what its items need of others, and the entries they became
 *
 * A span is kept when its rules and the sets they name are the same, it stands in the same order
 * among those that are kept, and nothing else that its entries depend on has changed: facts,
 * engine, options, ranges that became bits of a tag, protocols that the table spells, and the items
 * in front that decide for states it does not (guards). An item that had to look at others beyond
 * that is called deep; a table with a deep item is kept whole or not at all. Whatever is unsure
 * makes a whole plan; so does an e-switch, whose deliveries hang on all that the host would answer.
 *
 * Parts and spans are constant once the plan is complete, and counted: plans share them.
 */

#pragma once

#include "cube.h"
#include "items.h"
#include "runs.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <hepflow/base/vec.h>

#include <stdatomic.h>

struct builder;

struct part_set {
	uint32_t set;
	uint64_t id;
};

struct part {
	atomic_uint n_keepers;
	uint32_t n_rules;
	size_t n_ids;
	uint64_t *ids;		      /* of the pieces */
	HF_VEC(struct part_set) sets; /* that the rules name */
	HF_VEC(uint32_t) jumps;	      /* places of rules that go on in another block */
	uint32_t *origins;	      /* of the rules */
};

struct part_at {
	struct part *part;
	uint32_t first; /* index of its first rule in the block */
};

struct part_list {
	size_t n, cap;
	struct part_at *v;
};

/* Something that is not in hardware, beside what the entries say. */
struct miss {
	uint32_t origin;
	enum hf_reason reason;
	uint32_t detail;
};

struct miss_list {
	size_t n, cap;
	struct miss *v;
};

struct span {
	atomic_uint n_keepers;
	struct part *part;
	uint32_t at, n; /* rules of the part */
	struct cube ctx;
	uint8_t ct;
	/* Its items. */
	bool ends; /* nothing of ctx is left for what stands behind it */
	bool spell;
	uint64_t named[4]; /* protocols, hf_note_protos() */
	size_t n_items;
	size_t guards_before; /* in the table and family */
	size_t n_guards;
	struct item *guards;
	/* What they became. */
	size_t n_levels;
	size_t n_entries;
	struct entry_buf *buf; /* NULL when there is no entry */
	const struct hf_entry *v;
	struct miss_list misses;
};

/* A span where it stands in a table. */
struct spot {
	struct span *span;
	bool kept;
	size_t old;		     /* kept: index in the plan before */
	size_t first_item, end_item; /* else: in the list of items, */
	size_t start, end;	     /* and its entries among those that are made */
};

/* One family of a table. */
struct family_memory {
	HF_VEC(struct spot) slots;
	bool spell;
	bool deep;
	size_t n_named;
	uint8_t named[256];
	HF_VEC(struct item) guards;
};

struct table_memory {
	struct family_memory family[2]; /* IPv4, IPv6 */
	size_t start, end;		/* the last entries among those that are made */
	struct entry_run last;		/* or kept */
};

struct memory {
	uint64_t facts_id;
	struct hf_engine engine;
	uint32_t capacity, classify_from;
	struct items_opts items;
	bool cut; /* something had no room: no plan follows it */
	size_t n_blocks;
	struct part_list *blocks;
	HF_VEC(struct table_memory) tables; /* in the order in which they were filled */
	HF_VEC(uint32_t) order;		    /* their indexes */
	size_t front;			    /* entries of the tables in front begin here, */
	struct entry_run front_run;	    /* or are kept */
};

/*
 * Spans of a table of the plan before that are not to be kept, because what is new between them has
 * no numbers: more of them each time it is asked for.
 */
struct avoid {
	unsigned int tries;
	size_t table;
	size_t first, end; /* among the spans of both families */
};
/* Spans first .. end - 1 had no room. */
void hf_memory_avoid(struct avoid *avoid, size_t table, size_t first, size_t end);

/* What a plan that follows none looks up; NULL when out of memory. */
struct memory *hf_memory_new(const struct builder *b);
void hf_memory_free(struct memory *m);
/* Whether the builder's plan can have entries in common with one that has m. */
bool hf_memory_fits(const struct memory *m, const struct builder *b);
/* Whether what is kept asks of the tag what the tables in front write now. */
bool hf_memory_same_tags(const struct builder *b);
/* Whether these tables are the same. */
bool hf_memory_same_front(const struct builder *b);
/* Hands the entries that were made, and those that are kept, to the plan. Returns 0 or -ENOMEM. */
int hf_memory_hand_over(struct builder *b);

/*
 * Makes m->blocks: parts of old (may be NULL) that are the same, and new ones. Returns 0 or
 * -ENOMEM.
 */
int hf_plan_parts_build(struct memory *m, const struct memory *old, const struct hf_rules *rules);
struct part *hf_plan_part_keep(struct part *part);
void hf_plan_part_free(struct part *part);

struct span *hf_plan_span_keep(struct span *span);
void hf_plan_span_free(struct span *span);
