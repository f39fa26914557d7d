/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * YAML as a tree whose every node knows its line and column (libyaml underneath; JSON is YAML).
 *
 * Aliases are followed by reference: the tree may share nodes, never loops. Duplicate keys of a
 * mapping, mappings with non-scalar keys, and anything beyond the limits are errors.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_arena;
struct hf_err;

#define HF_YAML_DEPTH_MAX 64	   /* nesting; Calico objects need about ten */
#define HF_YAML_NODES_MAX 8000000u /* nodes after following aliases: stops "billion laughs" */
#define HF_YAML_DOCS_MAX  100000u

enum hf_yaml_kind {
	HF_YAML_SCALAR,
	HF_YAML_SEQ,
	HF_YAML_MAP,
};

struct hf_yaml {
	enum hf_yaml_kind kind;
	uint32_t line; /* from 1 */
	uint32_t col;
	bool plain;	      /* scalar without quotes: may be a number, a truth value or null */
	uint32_t weight;      /* nodes below and this one, aliases counted each time */
	uint32_t height;      /* levels below and this one, aliases followed */
	const char *text;     /* scalar */
	size_t n;	      /* items, or pairs */
	struct hf_yaml **key; /* map: scalars */
	struct hf_yaml **v;   /* map values, or items */
};

/*
 * Reads every document of text. name stands for the file in messages ("name:line:col: ...").
 * *ret_docs is an array in the arena; empty documents are left out. Errors: -EINVAL for what is not
 * YAML, -E2BIG beyond a limit, -ENOMEM.
 */
int hf_yaml_read(struct hf_arena *arena, const char *name, const char *text, size_t size,
	struct hf_yaml ***ret_docs, size_t *ret_n, struct hf_err *err);

/* Value of a key, or NULL. */
struct hf_yaml *hf_yaml_get(const struct hf_yaml *map, const char *key);
/* null, ~ or nothing, unquoted. */
bool hf_yaml_is_null(const struct hf_yaml *node);
/* Whole decimal number, unquoted, within the range: 0 or -EINVAL. */
int hf_yaml_int(const struct hf_yaml *node, int64_t min, int64_t max, int64_t *ret);
/* true or false, unquoted: 0 or -EINVAL. */
int hf_yaml_bool(const struct hf_yaml *node, bool *ret);
