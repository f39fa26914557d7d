/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Growing array of a fixed-size element, for lists whose length is not known beforehand.
 *
 * Declare "struct { size_t n, cap; T *v; } x = {}" (HF_VEC(T)), push, then either free with
 * hf_vec_fini() or move the finished array into an arena with hf_arena_dup().
 */

#pragma once

#include <stdlib.h>
#include <string.h>

#define HF_VEC(type)                                                                               \
	struct {                                                                                   \
		size_t n, cap;                                                                     \
		type *v;                                                                           \
	}

static inline int hf_vec_grow_(void **v, size_t *cap, size_t n, size_t size)
{
	size_t want = *cap ? *cap * 2 : 8;
	void *p;

	if (n < *cap)
		return 0;
	p = reallocarray(*v, want, size);
	if (!p)
		return -1;
	*v = p;
	*cap = want;
	return 0;
}

/* Appends value; 0, or -1 when out of memory (the vector is as it was). */
#define hf_vec_push(vec, value)                                                                    \
	(hf_vec_grow_((void **)&(vec)->v, &(vec)->cap, (vec)->n, sizeof(*(vec)->v))                \
			? -1                                                                       \
			: ((vec)->v[(vec)->n++] = (value), 0))

#define hf_vec_fini(vec)                                                                           \
	do {                                                                                       \
		free((vec)->v);                                                                    \
		(vec)->v = NULL;                                                                   \
		(vec)->n = (vec)->cap = 0;                                                         \
	} while (0)
