/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of struct hf_rules. Filled by build.c and index.c, read by everything else here.
 */

#pragma once

#include <hepflow/rules.h>

struct hf_arena;
struct hf_notes;

/* Neighbours in hf_rules.dests of one family and length, sorted by address. */
struct hf_dest_run {
	uint8_t family;
	uint8_t len;
	size_t first;
	size_t n;
};

struct hf_rules {
	struct hf_arena *arena;	 /* keeps the model's, which has nets, members and texts */
	struct hf_notes *notes;	 /* notes.h; NULL: whoever follows is made from nothing */
	struct hf_arena *facts;	 /* of interfaces, destinations, dnats */
	struct hf_arena *texts;	 /* of the arrays of origins, places and dead rules */
	struct hf_arena *listed; /* of the arrays of sets */
	size_t n_ifaces;
	const struct hf_iface *ifaces;
	uint16_t lo;	    /* interface of that name; HF_IF_HOST if none */
	uint32_t local_set; /* addresses of this host: its packets to them go by lo */
	size_t n_dests;
	struct hf_dest *dests;
	size_t n_runs;
	struct hf_dest_run *runs; /* longest first */
	size_t n_dnats;
	struct hf_dnat *dnats;
	uint32_t *dnat_order; /* dnats sorted by hf_dnat_cmp() */
	size_t n_sets;
	const struct hf_set *sets;
	const uint64_t *set_ids;
	size_t n_blocks;
	struct hf_block *blocks;
	struct hf_arena **block_arenas; /* of the rules and pieces of each */
	size_t n_paths;
	struct hf_path *paths; /* three for each interface, in the order of enum hf_class */
	size_t n_origins;
	const char *const *origins;
	const char *const *places; /* of the origins */
	size_t n_dead;
	const struct hf_dead *dead;
	uint64_t facts_id;
	bool drop_input, drop_output, drop_forward;
};

#define HF_N_CLASSES 3

/* Sorts dests and dnats for the finders; in facts. 0 or -ENOMEM. */
int hf_rules_index(struct hf_rules *rules);
/* Whether every packet matches. */
bool hf_match_is_all(const struct hf_match *match);
