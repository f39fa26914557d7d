/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Notes: what a table leaves to the one that follows it (hf_rules_follow()), so that only what has
 * changed is made.
 *
 *   - a source is the rules of one policy in one direction, as the model has them. It has numbers
 *     of origins, and it is the same source as long as the model hands on the same rules and the
 *     sets that they name have not changed in a way that may make a difference;
 *   - a list is a source rendered for one context: where it leads, and what the endpoint wishes;
 *   - a stack is a block made of lists and one last rule: a tier. It knows which rules of each list
 *     are left out, because an earlier one covers them.
 *
 * A turn is one table's build; what a turn has not used is forgotten at its end. Lists, nets and
 * texts lie in the pool, which every table made with these notes keeps. It only grows; when there
 * is more waste in it than use the notes are thrown away, and the next table is made from nothing.
 */

#pragma once

#include "table.h"

#include "model/model.h"

#include <hepflow/base/vec.h>

/* Out of memory leaves hh.tbl NULL instead of ending the process. */
#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

struct build;

/* Where a packet goes on. All 32 bits wide, so that it can be part of a hash key. */
struct cont {
	uint32_t how; /* enum how */
	uint32_t verdict;
	uint32_t target;
	uint32_t origin;
};

struct origin {
	const char *text;
	const char *place; /* the model's, or NULL */
	const char *dead;  /* why its match is empty, or NULL */
	uint32_t live;	   /* places in the table where some packet may reach it */
	bool policy;	   /* of a policy rule */
	bool listed;	   /* among the dead */
};

/* Sets of nets by their nets, open addressing; set UINT32_MAX: a free slot. */
struct set_slots {
	size_t n, size; /* size: 0, or a power of two and more than n */
	struct set_slot {
		uint32_t hash;
		uint32_t set;
	} * v;
};

typedef HF_VEC(uint32_t) number_vec;

struct source {
	const struct hf_model_rule *rules; /* the key */
	uint32_t n;
	uint32_t origin; /* of the first; the others' follow */
	uint32_t turn;	 /* that used it last */
	uint32_t n_sets;
	const uint32_t *sets; /* that the rules name, some of them twice; NULL: not rendered yet */
	struct list *lists;
	uint32_t n_lists;
	uint32_t n_slots;    /* 0: few lists; else a power of two and more than n_lists */
	struct list **slots; /* by context, open addressing; to be freed */
	bool gone;	     /* forgotten */
	uint32_t rendered_turn;
	const struct rendered *rendered[2]; /* of that turn; on the wire or not */
	bool pooled[2];			    /* they lie in the pool */
	UT_hash_handle hh;
};

/*
 * What tells at a glance that a rule cannot cover another. For each side, source first: no address
 * condition; one IPv4 net; one condition of another kind; several, or an IPv6 net.
 */
enum brief_kind {
	BRIEF_NONE,
	BRIEF_NET,
	BRIEF_SET,
	BRIEF_MANY,
};

struct brief {
	uint32_t net[2];  /* BRIEF_NET, host byte order */
	uint32_t mask[2]; /* BRIEF_NET */
	uint32_t set[2];  /* BRIEF_SET */
	uint8_t kind[2];
	uint8_t protos;
	bool log; /* covers nothing */
};

struct list {
	struct source *source;
	struct list *next; /* of the same source */
	struct cont accept, pass;
	bool wire;
	bool fixed; /* targets are numbers in the table, else of this turn's drafts */
	uint8_t offload;
	uint32_t accept_to, pass_to; /* when fixed: what they are in the table */
	uint32_t n;		     /* rules that some packet matches */
	uint32_t all_at;	     /* the first that decides every packet, or n */
	uint32_t n_single;	     /* how many name one net, and so may cover what names a set */
	struct hf_rule *v;
	struct brief *briefs;
	size_t seen; /* by put_old_segs(): its place in the former stack, from 1 */
};

#define SEG_ACCEPT (1u << 0) /* some rule goes to where the list accepts */
#define SEG_PASS   (1u << 1)

/* A list's place in a stack. */
struct seg {
	struct list *list;
	uint32_t n;	 /* rules of the list that count: up to the one that decides all */
	uint32_t n_kept; /* not dropped */
	bool *dropped;	 /* n */
	uint64_t id;	 /* of the piece that the kept ones are; 0: not given yet */
	uint32_t first;	 /* with an id: where it stood in the block of the table before */
	uint8_t gotos;
	bool counted; /* among origin.live */
};

struct stack {
	const char *name;
	uint32_t turn;
	uint32_t number; /* of the block it has become, or UINT32_MAX */
	size_t n_segs;
	struct seg *segs;
	bool has_last;	     /* no list decides all */
	bool clean;	     /* as in the turn before, but perhaps for the last rule */
	struct hf_rule last; /* target of this turn's drafts */
};

struct origin_memo;

struct hf_notes {
	struct hf_arena *pool;
	size_t fresh_size; /* of the pool after the first turn, and the number of origins */
	size_t fresh_origins;
	uint32_t turn; /* from 1 */
	struct source *sources;
	HF_VEC(struct stack *) stacks; /* by number of draft; NULL: none */
	HF_VEC(struct origin) origins;
	struct origin_memo *origin_memo;
	struct set_slots set_slots;
	HF_VEC(struct hf_set) sets;
	HF_VEC(uint64_t) set_ids;
	number_vec set_uses;	  /* by sources and rules of no list; one more for the model's */
	number_vec model_sets;	  /* by index in the model: the set's number here */
	number_vec loose_sets;	  /* used by rules of no list */
	number_vec loose_origins; /* counted for such rules */
	HF_VEC(uint8_t) touched;  /* by set: has changed so that rules that name it are others */
	size_t n_single;	  /* of all lists */
	bool origins_changed, sets_changed; /* since the table before */
};

struct hf_notes *hf_notes_new(void);
uint32_t hf_notes_add_set(struct build *b, const struct hf_set *set, uint64_t id);
void hf_forget_origins(struct hf_notes *n); /* of no source, that this turn has not used */
void hf_clear_origin_memo(struct hf_notes *notes);
void hf_notes_free(struct hf_notes *notes);
void hf_stack_free(struct stack *stack);
/* Brings sets up to date with the model's, and forgets sources that are touched by it. */
void hf_notes_begin(struct build *b);
/* Forgets what this turn has not used. */
void hf_notes_end(struct build *b);
bool hf_notes_wasteful(const struct hf_notes *notes);

/* list.c. NULL: out of memory, and b->rc says so. */
struct source *hf_find_source(struct build *b, const struct hf_model_rules *rules);

/* A stack on its way; draft: the number it will have, which is that of the next draft. */
struct stack_draft {
	const struct stack *former; /* of that number in the turn before, or NULL */
	size_t at;		    /* in the former's segs: what is likely to come next */
	HF_VEC(struct list *) lists;
	bool done; /* the last list decides every packet */
};

void hf_stack_begin(struct build *b, struct stack_draft *ret);
/* Adds rules as key has them: wire, offload, accept, pass. */
void hf_stack_add(struct build *b, struct stack_draft *d, const struct hf_model_rules *rules,
	const struct list *key);

/* stack.c: takes the lists. The draft's number. */
uint32_t hf_stack_finish(
	struct build *b, struct stack_draft *take_d, const struct hf_rule *last, const char *name);
/* Counts, or no longer, the kept rules among origin.live. */
void hf_seg_count(struct build *b, struct seg *seg, bool count);
