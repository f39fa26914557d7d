/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Arena: memory of one owner, freed all at once.
 *
 * Every stage object owns one. Pieces are never freed singly. All pieces are aligned for any type
 * and zeroed. What a later stage has in common with an earlier one it need not copy: it keeps the
 * earlier one's arena.
 */

#pragma once

#include <stddef.h>

struct hf_arena;

struct hf_arena *hf_arena_new(void); /* NULL: out of memory */
/* For about so many bytes, where there are many arenas. */
struct hf_arena *hf_arena_new_small(size_t size);
void hf_arena_free(struct hf_arena *arena);
/*
 * Lets all that other holds live as long as arena does, whichever is freed first and by which
 * thread. Keeping must not go round in circles. NULL holds nothing. 0 or -ENOMEM.
 */
int hf_arena_keep(struct hf_arena *arena, struct hf_arena *other);

/* NULL: out of memory, or n * size overflows. A zero-sized piece is a valid, distinct pointer. */
void *hf_arena_alloc(struct hf_arena *arena, size_t size);
void *hf_arena_calloc(struct hf_arena *arena, size_t n, size_t size);
void *hf_arena_dup(struct hf_arena *arena, const void *data, size_t size);
char *hf_arena_strdup(struct hf_arena *arena, const char *text);
char *hf_arena_strndup(struct hf_arena *arena, const char *text, size_t len);
char *hf_arena_printf(struct hf_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t hf_arena_size(const struct hf_arena *arena);
