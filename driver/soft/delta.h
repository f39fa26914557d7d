/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Delta: new rules over the classifier of older ones, so that they hold at once.
 *
 * A classifier takes its time to build. Rules mostly change in a few places, so both are gone
 * through side by side: a rule that matches the same packets as before keeps its bit and only
 * learns its new place; what it does with them is read from the new rules. Rules that are gone are
 * passed over when their bit is met, and the new ones (fresh) are tried one by one.
 *
 * What the rules say of themselves is believed: pieces of the same id are not looked into, unless
 * one of their sets has another id than before (hepflow/rules.h).
 *
 * A large set with a few other nets than before counts as the same set, and rules that ask for it
 * are shaky: for packets with an address in one of these nets their bits do not count, and they are
 * tried one by one too. All others see no difference between the two sets.
 *
 * So the answers are those of hf_rules_lookup() on the new rules, whatever has changed; a delta
 * only refuses (-E2BIG) what would be slow.
 *
 * Both rules must outlive it. Threads: constant once made.
 */

#pragma once

#include <hepflow/rules.h>

#include <stdint.h>

struct hf_classifier;
struct hf_at_block;

/* Bounds for what a packet may cost until the classifier is built. */
#define HF_DELTA_FRESH_MAX 256	/* tried one by one */
#define HF_DELTA_GONE_MAX  1024 /* passed over */
#define HF_DELTA_SHAKY_MAX 4096 /* both, for few addresses */
#define HF_DELTA_NETS_MAX  64	/* looked through for each address */

#define HF_DELTA_GONE	   UINT32_MAX
#define HF_DELTA_SHAKY	   (UINT32_C(1) << 31)

/* A block of the new rules. */
struct hf_delta_block {
	uint32_t older;		 /* the block of the classifier it was, or HF_DELTA_GONE */
	uint32_t fresh, n_fresh; /* in hf_delta.fresh */
	uint32_t shaky, n_shaky;
};

struct hf_delta {
	const struct hf_rules *rules; /* the new ones */
	struct hf_delta_block *blocks;
	/*
	 * By block (hf_at_block.first) and place of an older rule: its place in the new block, with
	 * HF_DELTA_SHAKY, or HF_DELTA_GONE.
	 */
	uint32_t *moved;
	uint32_t *fresh; /* places in the block, in order */
	uint32_t *shaky;
	size_t n_fresh, n_shaky;
	size_t n_nets; /* that sets have lost or gained */
	struct hf_prefix nets[HF_DELTA_NETS_MAX];
};

/* Which rules ask for a set, by hf_at_block.first and place. */
struct hf_users {
	uint32_t *from; /* by set, in rules; one more */
	uint32_t *rules;
};

/* blocks are the classifier's. 0 or -ENOMEM. */
int hf_users_build(
	const struct hf_rules *rules, const struct hf_at_block *blocks, struct hf_users *ret);
void hf_users_fini(struct hf_users *users);

/* Rules of b from *ret_lo to *ret_hi are not in pieces that begin, or end, block a as well. */
void hf_pieces_differ(
	const struct hf_block *a, const struct hf_block *b, uint32_t *ret_lo, uint32_t *ret_hi);

/* 0, -ENOMEM, or -E2BIG: too much is different. */
int hf_delta_new(const struct hf_classifier *classifier, const struct hf_rules *rules,
	struct hf_delta **ret);
void hf_delta_free(struct hf_delta *delta);
