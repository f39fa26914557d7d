/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Classifier: hf_rules_lookup() by table instead of by walk, with the same answers.
 *
 * All rules of all blocks stand in one row of bits. For each field there is a table
 * from its values to classes, of which each has a row: the rules whose conditions on this field
 * hold. The rules that hold for a packet are the AND of its rows, and the walk over the blocks
 * becomes "next bit from here on". Jumps stay jumps, sets stay sets; nothing is multiplied out.
 *
 * The classes of a packet, all together, are a number, and a memo (memo.h) knows what has been
 * found for it before.
 *
 * What has no table of its own (members with ports, ICMP types, the interface without DNAT) counts
 * as holding, and is looked at by hf_match_has() once the bit is met.
 *
 * Threads: constant once built.
 */

#pragma once

#include "delta.h"
#include "memo.h"
#include "rows.h"
#include "span.h"

#include <hepflow/rules.h>

#include <stdbool.h>
#include <stdint.h>

/* Bound for what one classifier may take; beyond it rules are walked. */
#define HF_CLASSIFIER_SIZE_MAX (512u << 20)

#define HF_LANES_FROM	       (4 * HF_CHUNK_BITS) /* fewer rules are few chunks anyway */

enum hf_dim {
	HF_DIM_META, /* family, protocol, connection state, rewritten or not */
	HF_DIM_SRC,
	HF_DIM_DPORT,
	HF_DIM_DST,
	HF_DIM_OUT,
	HF_DIM_SPORT,
	HF_DIM_WIRE_DST,
	HF_DIM_WIRE_DPORT,
	HF_N_DIMS,
};

#define HF_NO_PORT    65536 /* row of protocols that have no ports */
#define HF_PORT_ROWS  65537
#define HF_CT_UNKNOWN 5 /* beside enum hf_ct: every state may be */
#define HF_N_CTS      6

/* A rule at its bit. */
struct hf_at {
	uint8_t op; /* enum hf_op */
	uint8_t verdict;
	bool verify;   /* conditions are left to look at */
	bool needs_ct; /* does not hold for every connection state */
	uint32_t block;
	uint32_t rule; /* its place there */
	uint32_t to;   /* HF_OP_GOTO: the block; else the origin */
};

/*
 * The bits of a block, in two lanes. A large block has the rules that ask for certain addresses in
 * a lane of their own, where most chunks of most rows are empty and passed over; the order inside
 * of a lane is that of the rules. The last rule, which holds always, is in the first lane.
 */
struct hf_at_block {
	uint32_t first;
	uint32_t split; /* where the second lane begins */
	uint32_t end;
};

struct hf_classifier {
	const struct hf_rules *rules;
	uint32_t refs; /* for those who share it, all of one thread; hf_classifier_new() leaves 1 */
	void *memory;  /* all that is looked at for a packet, once built */
	bool large;    /* more than a cache near the core holds */
	uint64_t serial; /* no other has it */
	uint32_t n_bits;
	struct hf_at *at; /* by bit */
	struct hf_at_block *blocks;
	struct hf_users users; /* for deltas */
	struct hf_rows rows;
	bool has[HF_N_DIMS]; /* some rule asks for it; always HF_DIM_META */
	uint32_t n_classes[HF_N_DIMS];
	uint32_t *row_of[HF_N_DIMS]; /* by class */
	uint64_t stride[HF_N_DIMS];  /* of a class in the number of all of them */
	uint64_t block_stride;	     /* of the first block; 0: too many for a number */
	uint8_t all_dims;	     /* a bit for each that some rule asks for */
	uint8_t *blind_dims;	     /* by first block: those asked for in front of the state */
	/* From values to classes: */
	struct hf_spans addrs[HF_N_DIMS]; /* of SRC, DST, WIRE_DST */
	uint32_t *ports[HF_N_DIMS];	  /* of SPORT, DPORT, WIRE_DPORT: by port, HF_PORT_ROWS */
	uint32_t *outs;			  /* by interface; one more for all others */
	size_t n_ifaces;
	bool avx512;			    /* this machine has it */
	uint32_t meta[HF_N_CTS][2][2][256]; /* by state, rewritten, IPv6, protocol */
};

#define HF_N_LANES 2

/* The rows of one packet. */
struct hf_walk {
	uint32_t class[HF_N_DIMS];
	uint8_t dims;			/* that were looked up */
	uint64_t number;		/* of the classes, and the first block */
	struct hf_memo_set *set;	/* where the memo has it; NULL: not to be asked, or kept */
	uint32_t said;			/* by the memo */
	bool pure;			/* only classes were looked at so far */
	const uint32_t *row[HF_N_DIMS]; /* the first one is of HF_DIM_META */
	unsigned int n;
	uint32_t begin[HF_N_LANES]; /* of the first block: no bit is set before */
	uint32_t chunk;		    /* of which bits are held, or UINT32_MAX */
	uint32_t words;		    /* those of bits that are not 0; a bit each */
	struct hf_chunk bits;
};

/*
 * Blocks of more than lanes_from rules have two lanes. 0, -ENOMEM, or -E2BIG beyond
 * HF_CLASSIFIER_SIZE_MAX. The rules must outlive it.
 */
int hf_classifier_new(
	const struct hf_rules *rules, uint32_t lanes_from, struct hf_classifier **ret);
/* One reference less; freed with the last. */
void hf_classifier_free(struct hf_classifier *classifier);
/* Bytes in use. */
size_t hf_classifier_size(const struct hf_classifier *classifier);

/*
 * As hf_rules_lookup() on the rules of the delta, or, if that is NULL, of the classifier. Source
 * and destination of the key are of one family, and without DNAT it has the same destination before
 * and after.
 */
struct hf_decision hf_classify(const struct hf_classifier *classifier, const struct hf_delta *delta,
	const struct hf_key *key);

/*
 * The same without knowing key.ct, for packets that rules in front of connection tracking decide
 * and nothing rewrites. In steps, each to be taken for a whole burst, so that the memory of all
 * packets is on its way before the first one needs it:
 *
 *     hf_classify_fetch_roots(), hf_classify_fetch_spans(): any key that begins like this;
 *     hf_classify_aim(): src and dst are those of the key, which need not have them yet;
 *     hf_classify_recall(), and hf_classify_lead() if that finds nothing;
 *     hf_classify_fetch(), for these; hf_classify_blind().
 *
 * The first two and hf_classify_fetch() may be left out, and cost more than they save unless it is
 * large. memo may be NULL; with a delta it is not asked.
 */
void hf_classify_fetch_roots(const struct hf_classifier *classifier, const struct hf_addr *src,
	const struct hf_addr *dst, uint16_t dport);
void hf_classify_fetch_spans(const struct hf_classifier *classifier, const struct hf_addr *src,
	const struct hf_addr *dst);
void hf_classify_aim(const struct hf_classifier *classifier, const struct hf_delta *delta,
	struct hf_memo *memo, const struct hf_key *key, const struct hf_addr *src,
	const struct hf_addr *dst, struct hf_walk *ret);
/* True if the memo knows it. */
bool hf_classify_recall(const struct hf_classifier *classifier, struct hf_walk *walk);
void hf_classify_lead(const struct hf_classifier *classifier, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *walk);
void hf_classify_fetch(const struct hf_classifier *classifier, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *walk);
/* hf_classify_blind() for what neither the memo nor a list has said. */
bool hf_classify_walk(const struct hf_classifier *classifier, const struct hf_delta *delta,
	const struct hf_key *key, struct hf_walk *walk, struct hf_decision *ret);

static inline struct hf_decision hf_classify_at(const struct hf_at *at)
{
	return (struct hf_decision){at->verdict, at->to, at->block, at->rule};
}

/* False if the connection's state matters. */
static inline bool hf_classify_blind(const struct hf_classifier *classifier,
	const struct hf_delta *delta, const struct hf_key *key, struct hf_walk *walk,
	struct hf_decision *ret)
{
	if (walk->said == HF_MEMO_NONE)
		return hf_classify_walk(classifier, delta, key, walk, ret);
	if (walk->said == HF_MEMO_STATE)
		return false;
	*ret = hf_classify_at(&classifier->at[walk->said - HF_MEMO_BIT]);
	return true;
}
