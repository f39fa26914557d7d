/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Held: what sync.c remembers of each rule in the NIC, and of what the rules of an origin counted.
 *
 * A tally belongs to the text of an origin and lives as long as the sync; the rules that carry the
 * origin now are linked to it.
 */

#pragma once

#include "sync.h"

#include <uthash.h>

struct hf_tally;

struct hf_held {
	struct hf_flow flow;
	void *handle;
	bool in;	  /* the NIC holds it */
	bool wanted;	  /* by the plan that is being applied */
	bool counted;	  /* has a counter */
	bool delivers;	  /* to a port of an e-switch */
	bool known;	  /* the last look at the counter succeeded */
	bool unseen;	  /* nobody has looked yet whether the card really has it */
	bool more;	  /* counts more than its origin has decided */
	uint64_t packets; /* as last read */
	uint64_t bytes;
	struct hf_flow_hits from;    /* where the present origin's share begins */
	uint64_t used_ms;	     /* when it last counted; 0: never */
	struct hf_tally *tally;	     /* NULL: carries no origin */
	struct hf_tally *next_tally; /* in the plan that is being applied */
	struct hf_held *prev, *next; /* of the same tally */
};

struct hf_held_list {
	size_t n, cap;
	struct hf_held **v;
};

struct hf_tally {
	char *origin;
	uint64_t packets; /* of rules that are gone */
	uint64_t bytes;
	bool lost;		       /* a count of theirs could not be read */
	bool delivers;		       /* some rule of it does, or did */
	struct hf_flow_hits delivered; /* of those that are gone, by such rules */
	struct hf_held *rules;
	UT_hash_handle hh;
};

/* Not in the NIC yet. NULL: out of memory. */
struct hf_held *hf_held_new(const struct hf_flow *flow);
void hf_held_free(struct hf_held *rule);

/* Room for so many in all, so that hf_held_push() cannot fail. 0 or -ENOMEM. */
int hf_held_reserve(struct hf_held_list *list, size_t n);
int hf_held_push(struct hf_held_list *list, struct hf_held *rule);
/* Frees the list, and the rules or not. */
void hf_held_fini(struct hf_held_list *list);
void hf_held_fini_shallow(struct hf_held_list *list);

/* Rules found by what they ask of the NIC. */
struct hf_held_index;
int hf_held_index_build(struct hf_held_index **ret, const struct hf_held_list *list);
/* The rule of that flow, which is then no longer in the index; NULL: none. */
struct hf_held *hf_held_index_take(struct hf_held_index **index, const struct hf_flow *flow);
void hf_held_index_fini(struct hf_held_index **index);

/* Makes it if it is not there. NULL: out of memory. */
struct hf_tally *hf_tally_get(struct hf_tally **all, const char *origin);
const struct hf_tally *hf_tally_find(const struct hf_tally *all, const char *origin);
void hf_tally_fini(struct hf_tally **all);
/* Adds what the rule counted for its tally to the base; the rule starts from there. */
void hf_tally_fold(struct hf_held *rule);
/* Links the rule to next_tally. */
void hf_tally_move(struct hf_held *rule);
struct hf_sync_count hf_tally_total(const struct hf_tally *tally);
struct hf_sync_count hf_tally_delivered(const struct hf_tally *tally);
