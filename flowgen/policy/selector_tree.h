/* SPDX-License-Identifier: BSD-3-Clause */

/* A parsed selector, as the parser builds it and the rest walks it. */

#pragma once

#include "policy/selector.h"

enum hf_selector_op {
	OP_ALL,
	OP_GLOBAL,
	OP_HAS,
	OP_EQ,
	OP_NE,
	OP_IN,
	OP_NOT_IN,
	OP_CONTAINS,
	OP_STARTS,
	OP_ENDS,
	OP_NOT,
	OP_AND,
	OP_OR,
};

struct hf_selector {
	enum hf_selector_op op;
	const char *key;
	size_t n;			 /* values or kids */
	const char *const *values;	 /* OP_EQ to OP_ENDS; sorted for the sets */
	const struct hf_selector **kids; /* OP_NOT, OP_AND, OP_OR */
};

/* The order of values of a set: strcmp() on what the pointers point to. */
int hf_selector_value_cmp(const void *a, const void *b);
/* NULL when out of memory. */
struct hf_selector *hf_selector_group(struct hf_arena *arena, enum hf_selector_op op,
	const struct hf_selector *const *kids, size_t n);
