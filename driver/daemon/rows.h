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
