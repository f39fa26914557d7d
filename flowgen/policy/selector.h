/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The selector language: parse, evaluate, print (docs/semantics.md 11.4).
 *
 * A parsed selector never changes and belongs to the arena it was parsed into.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct hf_arena;
struct hf_err;
struct hf_selector;

#define HF_SELECTOR_MAX	      1024 /* characters; docs/semantics.md 13, V8 */
#define HF_SELECTOR_DEPTH_MAX 64   /* parentheses and "!" within each other: bounds the recursion */

/* Value of a label of the object looked at, or NULL when it has none. */
typedef const char *(*hf_label_fn)(void *arg, const char *key);

/*
 * Parses text; blank text reads as all(). The message of an error starts with "column N: ".
 * Returns 0, -EINVAL or -ENOMEM.
 */
int hf_selector_parse(struct hf_arena *arena, const char *text, const struct hf_selector **ret,
	struct hf_err *err);
/* Labels that are looked at: what one hf_selector_has() costs. At least 1. */
size_t hf_selector_cost(const struct hf_selector *sel);
/*
 * A label that an object must have for the selector to hold (value NULL: with any value), or NULL
 * when the selector names none. Of several it is one with a value if there is such.
 */
const char *hf_selector_needs(const struct hf_selector *sel, const char **ret_value);
/* global() is true here; its meaning comes from the scope of the rule (11.5). */
bool hf_selector_has(const struct hf_selector *sel, hf_label_fn label, void *arg);
/* Whether the text of the parsed selector contains a global() operator (13, V6). */
bool hf_selector_has_global(const struct hf_selector *sel);
/*
 * A copy that asks for label PREFIX + key wherever sel asks for key, with all() and global() read
 * as a namespaceSelector reads them (11.5): has(ns_label) and !has(ns_label).
 */
int hf_selector_prefixed(struct hf_arena *arena, const struct hf_selector *sel, const char *prefix,
	const char *ns_label, const struct hf_selector **ret, struct hf_err *err);
/* Canonical text; the same selector however it was spaced. Returns the length, as snprintf does. */
int hf_selector_print(const struct hf_selector *sel, char *buf, size_t size);
