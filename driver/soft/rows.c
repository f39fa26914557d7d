/* SPDX-License-Identifier: BSD-3-Clause */

#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FIRST 1024 /* places; doubled when half full */
#define POOL_FIRST 64
#define IDS_FIRST  1024

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

static uint64_t chunk_print(const struct hf_chunk *c)
{
	uint64_t h = 0;
	int i;

	for (i = 0; i < HF_CHUNK_WORDS; i++)
		h = (h ^ c->w[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
	return mix(h);
}

/* The prints of a row's numbers are summed up, so that one can be exchanged. */
static uint64_t place_print(uint32_t place, uint32_t id)
{
	return mix(((uint64_t)place << 32 | id) + 1);
}

static int check_size(struct hf_rows *r, size_t pool_room, size_t ids_room)
{
	r->full = pool_room * sizeof(*r->pool) + ids_room * sizeof(*r->ids) > r->max_size;
	return r->full ? -E2BIG : 0;
}

static int grow_pool(struct hf_rows *r)
{
	uint32_t room = r->pool_room ? 2 * r->pool_room : POOL_FIRST;
	struct hf_chunk *pool;

	if (r->n_pool < r->pool_room)
		return 0;
	if (check_size(r, room, r->ids_room) < 0)
		return -E2BIG;
	pool = aligned_alloc(64, room * sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	if (r->n_pool)
		memcpy(pool, r->pool, r->n_pool * sizeof(*pool));
	free(r->pool);
	r->pool = pool;
	r->pool_room = room;
	return 0;
}

static int grow_ids(struct hf_rows *r)
{
	uint32_t room = r->ids_room ? r->ids_room : IDS_FIRST;
	uint32_t *ids;

	if ((uint64_t)r->n_ids + r->n_chunks <= r->ids_room)
		return 0;
	while (room < r->n_ids + r->n_chunks)
		room *= 2;
	if (check_size(r, r->pool_room, room) < 0)
		return -E2BIG;
	ids = realloc(r->ids, room * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	r->ids = ids;
	r->ids_room = room;
	return 0;
}

static uint32_t row_place(const struct hf_rows *r, uint64_t hash)
{
	return (uint32_t)hash & (r->row_hash_size - 1);
}

static uint64_t row_print(const struct hf_rows *r, const uint32_t *ids)
{
	uint64_t h = 0;
	uint32_t k;

	for (k = 0; k < r->n_chunks; k++)
		h += place_print(k, ids[k]);
	return h;
}

static int grow_chunk_hash(struct hf_rows *r)
{
	uint32_t i, at, size = r->chunk_hash_size ? 2 * r->chunk_hash_size : HASH_FIRST;
	uint32_t *hash;

	if (r->chunk_hash && r->n_pool < r->chunk_hash_size / 2)
		return 0;
	hash = calloc(size, sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	for (i = 0; i < r->n_pool; i++) {
		at = (uint32_t)chunk_print(&r->pool[i]) & (size - 1);
		while (hash[at])
			at = (at + 1) & (size - 1);
		hash[at] = i + 1;
	}
	free(r->chunk_hash);
	r->chunk_hash = hash;
	r->chunk_hash_size = size;
	return 0;
}

static int grow_row_hash(struct hf_rows *r)
{
	uint32_t i, at, size = r->row_hash_size ? 2 * r->row_hash_size : HASH_FIRST;
	uint32_t *hash;

	if (r->row_hash && r->n_rows < r->row_hash_size / 2)
		return 0;
	hash = calloc(size, sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	for (i = 0; i < r->n_rows; i++) {
		at = (uint32_t)row_print(r, r->ids + (size_t)i * r->n_chunks) & (size - 1);
		while (hash[at])
			at = (at + 1) & (size - 1);
		hash[at] = i + 1;
	}
	free(r->row_hash);
	r->row_hash = hash;
	r->row_hash_size = size;
	return 0;
}

/* The number of an equal chunk, which becomes one if there is none. */
static uint32_t keep_chunk(struct hf_rows *r, const struct hf_chunk *c)
{
	uint32_t at;

	if (grow_chunk_hash(r) < 0 || grow_pool(r) < 0)
		return HF_ROW_FAIL;
	at = (uint32_t)chunk_print(c) & (r->chunk_hash_size - 1);
	while (r->chunk_hash[at]) {
		uint32_t id = r->chunk_hash[at] - 1;

		if (memcmp(&r->pool[id], c, sizeof(*c)) == 0)
			return id;
		at = (at + 1) & (r->chunk_hash_size - 1);
	}
	r->pool[r->n_pool] = *c;
	r->chunk_hash[at] = r->n_pool + 1;
	return r->n_pool++;
}

static uint32_t keep_row(struct hf_rows *r, const uint32_t *ids, uint64_t hash)
{
	size_t size = r->n_chunks * sizeof(*ids);
	uint32_t at, row;

	if (grow_row_hash(r) < 0 || grow_ids(r) < 0)
		return HF_ROW_FAIL;
	at = row_place(r, hash);
	while (r->row_hash[at]) {
		row = (r->row_hash[at] - 1) * r->n_chunks;
		if (memcmp(r->ids + row, ids, size) == 0)
			return row;
		at = (at + 1) & (r->row_hash_size - 1);
	}
	row = r->n_ids;
	memcpy(r->ids + row, ids, size);
	r->n_ids += r->n_chunks;
	r->row_hash[at] = ++r->n_rows;
	return row;
}

int hf_rows_init(struct hf_rows *rows, uint32_t n_bits, size_t max_size)
{
	static const struct hf_chunk empty;
	struct hf_chunk full;

	*rows = (struct hf_rows){
		.n_chunks = n_bits / HF_CHUNK_BITS + 1,
		.max_size = max_size,
	};
	memset(&full, 0xff, sizeof(full));
	if (keep_chunk(rows, &empty) != 0 || keep_chunk(rows, &full) != 1)
		return -ENOMEM;
	return 0;
}

void hf_rows_close(struct hf_rows *rows)
{
	free(rows->chunk_hash);
	free(rows->row_hash);
	rows->chunk_hash = rows->row_hash = NULL;
}

void hf_rows_fini(struct hf_rows *rows)
{
	hf_rows_close(rows);
	free(rows->pool);
	free(rows->ids);
}

int hf_pen_init(struct hf_pen *pen, struct hf_rows *rows)
{
	uint32_t n = rows->n_chunks;

	*pen = (struct hf_pen){.rows = rows};
	pen->chunks = aligned_alloc(64, n * sizeof(*pen->chunks));
	pen->ids = calloc(n, sizeof(*pen->ids));
	pen->dirty = calloc(n, sizeof(*pen->dirty));
	pen->is_dirty = calloc(n, sizeof(*pen->is_dirty));
	if (!pen->chunks || !pen->ids || !pen->dirty || !pen->is_dirty)
		return -ENOMEM;
	memset(pen->chunks, 0, n * sizeof(*pen->chunks));
	pen->hash = row_print(rows, pen->ids);
	return 0;
}

void hf_pen_fini(struct hf_pen *pen)
{
	free(pen->chunks);
	free(pen->ids);
	free(pen->dirty);
	free(pen->is_dirty);
}

static void touch(struct hf_pen *pen, uint32_t k)
{
	if (pen->is_dirty[k])
		return;
	pen->is_dirty[k] = true;
	pen->dirty[pen->n_dirty++] = k;
}

void hf_pen_set(struct hf_pen *pen, uint32_t bit, bool value)
{
	uint32_t k = bit / HF_CHUNK_BITS;
	uint64_t *w = &pen->chunks[k].w[bit % HF_CHUNK_BITS / 64];
	uint64_t mask = UINT64_C(1) << bit % 64;

	if (value == !!(*w & mask))
		return;
	*w ^= mask;
	touch(pen, k);
}

uint32_t hf_pen_row(struct hf_pen *pen)
{
	while (pen->n_dirty > 0) {
		uint32_t k = pen->dirty[pen->n_dirty - 1];
		uint32_t id = keep_chunk(pen->rows, &pen->chunks[k]);

		if (id == HF_ROW_FAIL)
			return HF_ROW_FAIL;
		pen->hash += place_print(k, id) - place_print(k, pen->ids[k]);
		pen->ids[k] = id;
		pen->is_dirty[k] = false;
		pen->n_dirty--;
	}
	return keep_row(pen->rows, pen->ids, pen->hash);
}

uint32_t hf_pen_and(struct hf_pen *pen, uint32_t a, uint32_t b)
{
	const struct hf_rows *r = pen->rows;
	uint32_t k, i;

	for (k = 0; k < r->n_chunks; k++) {
		const struct hf_chunk *ca = &r->pool[r->ids[a + k]];
		const struct hf_chunk *cb = &r->pool[r->ids[b + k]];

		for (i = 0; i < HF_CHUNK_WORDS; i++)
			pen->chunks[k].w[i] = ca->w[i] & cb->w[i];
		touch(pen, k);
	}
	return hf_pen_row(pen);
}
