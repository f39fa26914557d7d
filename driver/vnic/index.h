/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rules of one group, so that the first match is found without trying them all.
 *
 * Tuple space search (Srinivasan, Suri, Varghese: "Packet Classification using Tuple Space Search",
 * SIGCOMM 1999): rules with the same layers, packet type and masks are a tuple, and are found in
 * its hash table by the values under the masks. A packet is looked up in every tuple that may hold
 * a rule before the best found so far. So the number of tuples costs time, that of rules does not.
 *
 * Readers follow what is here while it changes; see vnic.h. A change is one store that they see.
 * Whoever removes something waits for readers before it frees it.
 */

#pragma once

#include "vnic.h"

/* Rules of one hash value, in the order in which they are tried. */
struct hf_vnic_bucket {
	_Atomic(struct rte_flow *) first;
	struct rte_flow *last; /* control thread only */
};

/* A rule has two links: while a table is made anew readers still follow the others. */
struct hf_vnic_buckets {
	uint32_t mask; /* of the hash */
	uint8_t link;
	struct hf_vnic_bucket bucket[];
};

/* What rules of a tuple share; without padding, as it is compared as bytes. */
struct hf_vnic_tuple_key {
	uint64_t mask[HF_VNIC_WORDS];
	uint32_t layers;
	uint32_t type; /* enum hf_vnic_type */
};
static_assert(
	sizeof(struct hf_vnic_tuple_key) == (HF_VNIC_WORDS + 1) * sizeof(uint64_t), "no padding");

struct hf_vnic_tuple {
	struct hf_vnic_tuple_key key;
	uint8_t first_word; /* the words that have a mask: first .. end-1 */
	uint8_t end_word;
	_Atomic(struct hf_vnic_buckets *) buckets;
	uint32_t n_rules; /* the rest: control thread only */
	uint64_t best;	  /* as where readers look for it */
	UT_hash_handle hh;
};

struct hf_vnic_tuple_at {
	atomic_ullong best; /* no rule of it has a lower order; all may have higher ones */
	uint32_t layers;    /* as in its key */
	uint32_t type;
	struct hf_vnic_tuple *tuple;
};

/* By best, so that the search ends early. */
struct hf_vnic_tuples {
	uint32_t n;
	struct hf_vnic_tuple_at v[];
};

/* One group's. */
struct hf_vnic_index {
	_Atomic(struct hf_vnic_tuples *) tuples; /* never NULL */
	/* Control thread only. */
	struct hf_vnic_tuple *by_key;
	struct hf_vnic_tuple *recent; /* the one found last, or NULL: rules come in swarms */
};

/* 0 or -ENOMEM. */
int hf_vnic_index_init(struct hf_vnic_index *index);
/* No reader may be left; the rules are somebody else's. */
void hf_vnic_index_fini(struct hf_vnic_index *index);
/* 0 or -ENOMEM, and then nothing has changed. */
int hf_vnic_index_add(struct hf_vnic_index *index, struct rte_flow *rule);
/* Readers are waited for. */
void hf_vnic_index_del(struct hf_vnic_index *index, struct rte_flow *rule);
/* Whether a rule with the same match, engine and order is there. */
bool hf_vnic_index_has(struct hf_vnic_index *index, const struct rte_flow *rule);
bool hf_vnic_index_empty(const struct hf_vnic_index *index);
/* The first rule behind after (NULL: the very first) that matches, or NULL. */
struct rte_flow *hf_vnic_index_find(const struct hf_vnic_index *index,
	const struct hf_vnic_pkt *pkt, const struct rte_flow *after);
/* Whether rule a is tried before rule b. */
bool hf_vnic_goes_before(const struct rte_flow *a, const struct rte_flow *b);

struct hf_vnic_group {
	uint32_t id;
	struct hf_vnic_index index;
	struct hf_vnic_group *next; /* control thread only: in the hash chain of its id */
};

#define HF_VNIC_GROUP_CHAINS 1024 /* hash chains for group ids; up to 65531 ids are usable */

/* All groups of a direction. A flush puts another in its place. */
struct hf_vnic_root {
	enum hf_vnic_dir dir;
	struct hf_vnic_group first; /* group 0, where every packet starts */
	struct hf_vnic_group *chain[HF_VNIC_GROUP_CHAINS];
};
