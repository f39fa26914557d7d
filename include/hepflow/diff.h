/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Diff: from one plan of an uplink to the next; docs/diff.md.
 *
 * Entries are the same when a NIC would be told the same: group, priority, match, fate and, of a
 * jump, the group it leads to. What the policy calls them does not matter. The operations lead from
 * the old plan's entries to the new one's, one NIC call each, in an order in which no packet ever
 * meets a verdict that neither plan gives: at every step it is judged as before, as afterwards, or
 * punted. Build the new plan with hf_plan_opts.previous = the old one, or few entries will be the
 * same.
 *
 * Lifetime: a diff points into both plans and must go before them. It never changes.
 */

#pragma once

#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hf_err;
struct hf_diff;

enum hf_diff_kind {
	HF_DIFF_ADD,
	HF_DIFF_DELETE,
	HF_DIFF_COVER, /* add an entry of neither plan: the match of one that changes, as a punt */
	HF_DIFF_UNCOVER, /* remove it */
};

struct hf_diff_op {
	enum hf_diff_kind kind;
	const struct hf_plan *plan; /* whose tables and origins the entry's indexes are */
	struct hf_entry entry;	    /* covers: priority 0 */
};

struct hf_diff_opts {
	/*
	 * Most entries that the NIC may hold at a time; 0 = no limit. When the careful order would
	 * need more, everything is changed under one cover in group 0, and deletes come first.
	 */
	uint32_t capacity;
};

/*
 * Either plan may be NULL: no entries. Both must be of the same NIC and uplink, else -EINVAL.
 * -ENOMEM. opts may be NULL.
 */
int hf_diff_build(const struct hf_plan *from, const struct hf_plan *to,
	const struct hf_diff_opts *opts, struct hf_diff **ret, struct hf_err *err);
void hf_diff_free(struct hf_diff *diff);

size_t hf_diff_n_adds(const struct hf_diff *diff);
size_t hf_diff_n_deletes(const struct hf_diff *diff);
size_t hf_diff_n_keeps(const struct hf_diff *diff);
/* Operations in order; covers and uncovers are among them. */
size_t hf_diff_n_ops(const struct hf_diff *diff);
const struct hf_diff_op *hf_diff_op(const struct hf_diff *diff, size_t i);
/* Most entries in the NIC at a time, covers included. */
size_t hf_diff_peak(const struct hf_diff *diff);
/* Whether all packets are punted meanwhile, for lack of room for the careful order. */
bool hf_diff_covers_all(const struct hf_diff *diff);

/* One line: "+ table 1 "host" priority 3: eth / ipv4 ... -> deny  # ORIGIN". */
void hf_diff_op_print(const struct hf_diff_op *op, FILE *out);
const char *hf_diff_kind_name(enum hf_diff_kind kind); /* add, delete, cover, uncover */
