/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (64u << 10)
#define ALIGN	   _Alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) unsigned char data[];
};

struct kept {
	struct kept *next;
	struct hf_arena *arena;
};

struct hf_arena {
	struct chunk *head;
	size_t chunk_size;
	size_t total;
	struct kept *kept;
	atomic_uint n_keepers; /* other arenas that keep this one, and its owner */
};

struct hf_arena *hf_arena_new_small(size_t size)
{
	struct hf_arena *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->chunk_size = size;
	atomic_init(&a->n_keepers, 1);
	return a;
}

struct hf_arena *hf_arena_new(void)
{
	return hf_arena_new_small(CHUNK_SIZE);
}

int hf_arena_keep(struct hf_arena *arena, struct hf_arena *other)
{
	struct kept *k = other ? hf_arena_alloc(arena, sizeof(*k)) : NULL;

	if (!other)
		return 0;
	if (!k)
		return -ENOMEM;
	k->arena = other;
	k->next = arena->kept;
	arena->kept = k;
	atomic_fetch_add(&other->n_keepers, 1);
	return 0;
}

void hf_arena_free(struct hf_arena *arena)
{
	struct chunk *c, *next;
	struct kept *k;

	if (!arena || atomic_fetch_sub(&arena->n_keepers, 1) > 1)
		return;
	for (k = arena->kept; k; k = k->next)
		hf_arena_free(k->arena);
	for (c = arena->head; c; c = next) {
		next = c->next;
		free(c);
	}
	free(arena);
}

static struct chunk *chunk_add(struct hf_arena *arena, size_t need)
{
	size_t size = need > arena->chunk_size / 4 ? need : arena->chunk_size;
	struct chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	c->size = size;
	/* A large piece gets a chunk of its own behind the head, which still has room. */
	if (arena->head && size == need) {
		c->next = arena->head->next;
		arena->head->next = c;
	} else {
		c->next = arena->head;
		arena->head = c;
	}
	return c;
}

void *hf_arena_alloc(struct hf_arena *arena, size_t size)
{
	struct chunk *c = arena->head;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = size ? (size + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (!c || c->size - c->used < size)
		c = chunk_add(arena, size);
	if (!c)
		return NULL;
	p = c->data + c->used;
	c->used += size;
	arena->total += size;
	return p;
}

void *hf_arena_calloc(struct hf_arena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return hf_arena_alloc(arena, bytes);
}

void *hf_arena_dup(struct hf_arena *arena, const void *data, size_t size)
{
	void *p = hf_arena_alloc(arena, size);

	if (p && size)
		memcpy(p, data, size);
	return p;
}

char *hf_arena_strndup(struct hf_arena *arena, const char *text, size_t len)
{
	char *p = hf_arena_alloc(arena, len + 1);

	if (p)
		memcpy(p, text, len);
	return p;
}

char *hf_arena_strdup(struct hf_arena *arena, const char *text)
{
	return hf_arena_strndup(arena, text, strlen(text));
}

char *hf_arena_printf(struct hf_arena *arena, const char *fmt, ...)
{
	char buf[256]; /* most text is short, and so printed once */
	va_list ap;
	char *p;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	if ((size_t)len < sizeof(buf))
		return hf_arena_strndup(arena, buf, (size_t)len);
	p = hf_arena_alloc(arena, (size_t)len + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)len + 1, fmt, ap); /* length known */
	va_end(ap);
	return p;
}

size_t hf_arena_size(const struct hf_arena *arena)
{
	return arena->total;
}
