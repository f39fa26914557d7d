/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rows: strings of bits, one bit for each rule, of which most are alike.
 *
 * A row says which rules hold for one value of one field (docs/software-path.md, "Classification").
 * There is one for every span of addresses and ports, and neighbours differ in a few bits. So a row
 * is kept as the numbers of its chunks of 512 bits, and equal chunks and equal rows are kept once.
 *
 * A pen holds the row that is being written. hf_pen_row() keeps it and may be followed by more
 * changes, so that going from one span to the next costs what changes between them.
 *
 * Threads: constant once built.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_CHUNK_BITS  512
#define HF_CHUNK_WORDS (HF_CHUNK_BITS / 64)

#define HF_ROW_FAIL    UINT32_MAX /* out of memory, or more than hf_rows.max_size */

struct hf_chunk {
	uint64_t w[HF_CHUNK_WORDS];
} __attribute__((aligned(64)));

struct hf_rows {
	uint32_t n_chunks; /* of a row */
	uint32_t n_pool;   /* different chunks; number 0 is empty, number 1 full */
	uint32_t n_ids;	   /* used of ids */
	struct hf_chunk *pool;
	uint32_t *ids; /* rows, n_chunks numbers each; a row is named by the index of its first */
	/* While building: */
	size_t max_size; /* bytes */
	bool full;	 /* it would have become more */
	uint32_t pool_room, ids_room;
	uint32_t *chunk_hash, *row_hash; /* open addressing; number + 1 */
	uint32_t chunk_hash_size, row_hash_size, n_rows;
};

struct hf_pen {
	struct hf_rows *rows;
	struct hf_chunk *chunks;
	uint32_t *ids;
	uint64_t hash; /* over ids */
	uint32_t *dirty;
	uint32_t n_dirty;
	bool *is_dirty;
};

/* 0 or -ENOMEM. */
int hf_rows_init(struct hf_rows *rows, uint32_t n_bits, size_t max_size);
/* Gives up what only building needs. */
void hf_rows_close(struct hf_rows *rows);
void hf_rows_fini(struct hf_rows *rows);

/* A pen at a row of zeros. 0 or -ENOMEM; hf_pen_fini() is due in either case. */
int hf_pen_init(struct hf_pen *pen, struct hf_rows *rows);
void hf_pen_fini(struct hf_pen *pen);
void hf_pen_set(struct hf_pen *pen, uint32_t bit, bool value);
/* Keeps the row. Returns its name, or HF_ROW_FAIL. */
uint32_t hf_pen_row(struct hf_pen *pen);
/* a AND b, as a row of its own, or HF_ROW_FAIL. The pen is left at it. */
uint32_t hf_pen_and(struct hf_pen *pen, uint32_t a, uint32_t b);
