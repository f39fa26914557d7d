/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ledger: what makes the totals of a policy go on over a change of its rules.
 *
 * Counters belong to rules. When a rule goes, the sum over its policy's rules would fall, and rise
 * again when it comes back. For each series (rows.h) the ledger holds the difference between what
 * the sum was and what it is, noted at every change; it is added when the series is read.
 *
 * Threads: the control thread only.
 */

#pragma once

#include <stddef.h>

struct hf_daemon;
struct hf_ledger;
struct hf_row;
struct hf_series;

#define HF_LEDGER_MAX 65536 /* series; names beyond that start anew when they come back */

/* Before a change: what the rules have counted, to be given to hf_ledger_note(). */
struct hf_ledger_old {
	size_t n;
	struct hf_row *rows; /* NULL: nothing was in force, or no memory */
};

void hf_ledger_read(const struct hf_daemon *d, struct hf_ledger_old *ret);
/* After it, whether it succeeded or not. Ends old; without memory totals may fall. */
void hf_ledger_note(struct hf_daemon *d, struct hf_ledger_old *old);

/* Adds what the ledger has for a series. NULL is an empty ledger. */
void hf_ledger_add(const struct hf_ledger *ledger, struct hf_series *series);
void hf_ledger_free(struct hf_ledger *ledger);
