/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rows: what each rule of the policy has counted, in the NICs and in software, and how much of it
 * is in hardware. policy/dump and the metrics are made of them.
 */

#pragma once

#include "flow/sync.h"
#include "soft/soft.h"

#include <hepflow/plan.h>

struct hf_daemon;
struct hf_wire;

/* One origin over all uplinks and the software path. origin is lent by the rules in force. */
struct hf_row {
	const char *origin;
	struct hf_sync_count hw;
	struct hf_soft_count sw;
	enum hf_share share;
	bool planned; /* some uplink's plan speaks of it */
	const struct hf_wire *rejected;
	enum hf_reason reason;
	uint32_t detail;
};

/* One row per origin, by name, to be freed. Returns how many; -ENOMEM. */
int hf_rows_make(const struct hf_daemon *d, struct hf_row **ret);

/* What all NICs have counted for an origin, also for one that no rule carries any more. */
struct hf_sync_count hf_row_hw(const struct hf_daemon *d, const char *origin);

/* "yes", "partial", "no". */
const char *hf_row_share_name(enum hf_share share);

/*
 * A policy and direction, "TIER/POLICY/DIRECTION": the sum of its rules. What is no rule of a
 * policy stays whole. The name is lent by the rows, and not terminated.
 * Totals that go on over changes are these and hf_ledger_add().
 */
struct hf_series {
	const char *name;
	size_t len;
	struct hf_sync_count hw;
	struct hf_soft_count sw;
};

/* How much of an origin's text names its series. */
size_t hf_series_len(const char *origin);
/* The series that begins at rows[at], which is below n; the return value is where the next begins.
 */
size_t hf_series_next(const struct hf_row *rows, size_t n, size_t at, struct hf_series *ret);
