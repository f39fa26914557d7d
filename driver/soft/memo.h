/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memo: what the classifier has said of packets before, by their classes.
 *
 * Packets that every table of a classifier sorts into the same classes meet the same rules, so what
 * has been found for one of them holds for all: the answer is looked up by all classes together,
 * packed into one number, and the rows are only walked for combinations that have not been seen.
 * There are far fewer of these than connections. Nothing in it is ever wrong: the number is exact,
 * and a set of places belongs to one classifier, by its serial; a later one finds it empty.
 *
 * What has no room pushes out what was there before, and is found by the rows again. So traffic
 * that never repeats costs what it cost without, and the looking in vain.
 *
 * Threads: a memo belongs to one worker. Counts may be read by any.
 */

#pragma once

#include <assert.h>
#include <stdint.h>

#define HF_MEMO_SETS  32768 /* 2 MiB: room for 131072 combinations */
#define HF_MEMO_WAYS  4
#define HF_MEMO_NONE  0 /* nothing is known */
#define HF_MEMO_STATE 1 /* the state of the connection matters */
#define HF_MEMO_BIT   2 /* from here on: a rule's bit, and so much */

/* One cache line. */
struct hf_memo_set {
	uint64_t key[HF_MEMO_WAYS];
	uint64_t serial; /* of the classifier; 0: of none */
	uint32_t said[HF_MEMO_WAYS];
	uint32_t next; /* place that is given out next */
} __attribute__((aligned(64)));

struct hf_memo {
	uint64_t asked, known; /* atomic */
	struct hf_memo_set sets[HF_MEMO_SETS];
};

/* NULL: out of memory. */
struct hf_memo *hf_memo_new(int socket);
void hf_memo_free(struct hf_memo *memo);

static inline struct hf_memo_set *hf_memo_set_of(struct hf_memo *memo, uint64_t key)
{
	return &memo->sets[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 49];
}
static_assert(HF_MEMO_SETS == 1 << (64 - 49), "");

static inline uint32_t hf_memo_find(const struct hf_memo_set *set, uint64_t serial, uint64_t key)
{
	uint32_t said = HF_MEMO_NONE, i;

	/* Without a branch for each: at most one is the key. */
	for (i = 0; i < HF_MEMO_WAYS; i++)
		said |= set->said[i] & -(uint32_t)(set->key[i] == key);
	return set->serial == serial ? said : HF_MEMO_NONE;
}

/* Something that hf_memo_find() has not found. */
static inline void hf_memo_keep(
	struct hf_memo_set *set, uint64_t serial, uint64_t key, uint32_t said)
{
	uint32_t i;

	if (set->serial != serial) {
		set->serial = serial;
		set->next = 0;
		for (i = 0; i < HF_MEMO_WAYS; i++)
			set->said[i] = HF_MEMO_NONE;
	}
	set->key[set->next] = key;
	set->said[set->next] = said;
	set->next = (set->next + 1) % HF_MEMO_WAYS;
}
