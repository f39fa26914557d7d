/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flat: rules that are a plain list of nets and ports, for rte_acl.
 *
 * rte_acl walks tries for many packets in the lanes of a register and never branches on what it
 * finds, so where a path's rules can be had as a list it may be faster than rows (classify.h), for
 * packets as hf_classify_blind() takes them, in IPv4. Each first block of some path that untracked
 * policy may decide gets a list; on made packets it is timed beside the classifier, and used if it
 * wins. What a list cannot express (sets that a packet must not be in, named ports, ICMP types,
 * jumps that depend on more) is in it as a rule that sends the packet to the classifier.
 *
 * Blocks that follow for sure are part of the list. Sets are multiplied out, up to HF_FLAT_RULES
 * rules: rte_acl takes gigabytes and many seconds for some sets of ten thousand.
 *
 * Threads: constant once built; to be built by a thread of its own.
 */

#pragma once

#include "classify.h"

#include <hepflow/rules.h>

#include <stdbool.h>
#include <stdint.h>

#define HF_FLAT_RULES	  1024 /* multiplied out, of a list */
#define HF_FLAT_RULES_MIN 32   /* fewer are in the memo soon */
#define HF_FLAT_LISTS	  16   /* first blocks that have one */
#define HF_FLAT_SIZE	  ((size_t)16 << 20)
#define HF_FLAT_NO_LIST	  UINT8_MAX
#define HF_FLAT_BURST	  32

/* What rte_acl reads: in network order; the protocol stands alone in its first word. */
struct hf_flat_key {
	uint8_t proto;
	uint8_t pad[3];
	uint32_t src_be;
	uint32_t dst_be;
	uint16_t sport_be;
	uint16_t dport_be;
};

struct rte_acl_ctx;

struct hf_flat {
	uint32_t refs; /* for those who share it, all of one thread */
	const struct hf_classifier *classifier;
	unsigned int n_lists;
	struct rte_acl_ctx *lists[HF_FLAT_LISTS];
	uint8_t *list_of; /* by block, or HF_FLAT_NO_LIST */
};

enum hf_flat_choice {
	HF_FLAT_FASTER, /* lists that are faster than the classifier */
	HF_FLAT_ANY,	/* all that there may be, for tests */
};

/* May some list be worth building? */
bool hf_flat_is_for(const struct hf_classifier *classifier);
/*
 * 0, -ENOMEM, or -ENOENT: nothing that is any good. The classifier must outlive it. Takes up to a
 * second, and 300 MB meanwhile, for each list.
 */
int hf_flat_new(
	const struct hf_classifier *classifier, enum hf_flat_choice choice, struct hf_flat **ret);
/* One reference less; freed with the last. */
void hf_flat_free(struct hf_flat *flat);

/* The list for packets that begin with this block, or HF_FLAT_NO_LIST. */
static inline unsigned int hf_flat_list_of(const struct hf_flat *flat, uint32_t block)
{
	return flat->list_of[block];
}

/* n is at most HF_FLAT_BURST. ret: HF_MEMO_*, where HF_MEMO_NONE is for the classifier to decide.
 */
void hf_flat_ask(const struct hf_flat *flat, unsigned int list, const struct hf_flat_key *keys,
	unsigned int n, uint32_t *ret);

static inline void hf_flat_fill(struct hf_flat_key *ret, const struct hf_addr *src,
	const struct hf_addr *dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	*ret = (struct hf_flat_key){
		.proto = proto,
		.sport_be = __builtin_bswap16(sport),
		.dport_be = __builtin_bswap16(dport),
	};
	__builtin_memcpy(&ret->src_be, src->b, sizeof(ret->src_be));
	__builtin_memcpy(&ret->dst_be, dst->b, sizeof(ret->dst_be));
}
