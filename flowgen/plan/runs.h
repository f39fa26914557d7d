/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The entries of a plan, in runs. A plan that follows another has in common with it what has not
 * changed: its runs are then the same memory, and who compares the two need not look at it.
 *
 * Entries of one level (one table and priority) are never in two runs. Runs are constant; their
 * memory is freed with the last plan that has one of them.
 */

#pragma once

#include <hepflow/plan.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct entry_buf {
	atomic_uint n_keepers;
	struct hf_entry *v;
};

struct entry_run {
	struct entry_buf *buf;
	const struct hf_entry *v;
	size_t n;
	size_t first; /* index of its first entry in the plan */
	bool inner;   /* jumps, or covers, are among them */
};

/* Takes entries from malloc(), even if it fails; NULL when out of memory. One keeper. */
struct entry_buf *hf_entry_buf_new(struct hf_entry *take_v);
struct entry_buf *hf_entry_buf_keep(struct entry_buf *buf);
void hf_entry_buf_free(struct entry_buf *buf); /* one keeper less */

/* Whether a run of these has to be looked at although it has not changed (diff.c). */
bool hf_run_is_inner(const struct hf_entry *v, size_t n);
