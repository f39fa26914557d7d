/* SPDX-License-Identifier: BSD-3-Clause */

/* What sync.c, sync_many.c and sync_check.c share: the inside of a sync, and its single operations.
 */

#pragma once

#include "held.h"
#include "sync.h"

/* What is in the NIC, in the order in which it was put there. */
struct hf_sync {
	struct hf_sync_opts opts;
	struct hf_held_list rules;  /* of the plan in force, in its order */
	struct hf_held_list stuck;  /* refused to go */
	struct hf_held_list fresh;  /* prepared: of the plan to come, those that stay included */
	const struct hf_plan *plan; /* prepared; lent */
	bool tables;		    /* the plan in force has jumps */
	struct hf_held *cover;	    /* NULL: not in the NIC */
	struct hf_flow cover_flow;  /* as the last plan with tables would have it */
	size_t check_next;	    /* rule that hf_sync_check() looks at next */
	struct hf_tally *tallies;
	struct hf_sync_stats stats;
	double m2; /* sum of squared differences from the mean (Welford) */
	double exp_var;
};

/* One rule comes, goes, or is known to be gone without having been asked for its count. */
int hf_sync_put(struct hf_sync *s, struct hf_held *r, struct hf_err *err);
int hf_sync_drop(struct hf_sync *s, struct hf_held *r, struct hf_err *err);
void hf_sync_lose(struct hf_sync *s, struct hf_held *r);
/* The cover comes and goes; nothing happens when it is there, or gone, already. */
int hf_sync_cover(struct hf_sync *s, struct hf_err *err);
int hf_sync_uncover(struct hf_sync *s, struct hf_err *err);
/* Whether the card has the rule; also true when it cannot tell. */
bool hf_sync_has(struct hf_sync *s, const struct hf_held *r);
/* All rules of the plan are removed, after an error; what stays is hidden. */
int hf_sync_give_up(struct hf_sync *s, int rc);

/* Counts what has happened: one that came, after so many microseconds, and one that went. */
void hf_sync_came(struct hf_sync *s, struct hf_held *r, double us);
void hf_sync_went(struct hf_sync *s, struct hf_held *r);
/* Reads its counter, if it has one. */
void hf_sync_poll_rule(struct hf_sync *s, struct hf_held *r);
uint64_t hf_sync_now_ns(void);

/* sync_many.c; more than one only where the driver takes many. */
#define HF_SYNC_MANY 256 /* at once */
/* The rules that number at[] names come; *ret_bad: which of these is refused. */
int hf_sync_put_many(struct hf_sync *s, const struct hf_held_list *fresh, const size_t at[],
	size_t n, size_t *ret_bad, struct hf_err *err);
/* They go; err is of the first that does not. */
void hf_sync_drop_many(struct hf_sync *s, struct hf_held *const rules[], size_t n, int ret_rc[],
	struct hf_err *err);
