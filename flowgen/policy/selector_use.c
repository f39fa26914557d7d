/* SPDX-License-Identifier: BSD-3-Clause */

/* What is done with a parsed selector: evaluate, copy with a prefix, print. */

#include "policy/selector.h"
#include "policy/selector_tree.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_value(const struct hf_selector *sel, const char *value)
{
	return sel->n && bsearch(&value, sel->values, sel->n, sizeof(value), hf_selector_value_cmp);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

static bool all_kids(const struct hf_selector *sel, hf_label_fn label, void *arg, bool want)
{
	size_t i;

	for (i = 0; i < sel->n; i++) {
		if (hf_selector_has(sel->kids[i], label, arg) != want)
			return false;
	}
	return true;
}

bool hf_selector_has(const struct hf_selector *sel, hf_label_fn label, void *arg)
{
	const char *v = sel->key ? label(arg, sel->key) : NULL;

	switch (sel->op) {
	case OP_ALL:
	case OP_GLOBAL:
		return true;
	case OP_HAS:
		return v != NULL;
	case OP_EQ:
		return v && strcmp(v, sel->values[0]) == 0;
	case OP_NE:
		return !v || strcmp(v, sel->values[0]) != 0;
	case OP_IN:
		return v && has_value(sel, v);
	case OP_NOT_IN:
		return !v || !has_value(sel, v);
	case OP_CONTAINS:
		return v && strstr(v, sel->values[0]);
	case OP_STARTS:
		return v && strncmp(v, sel->values[0], strlen(sel->values[0])) == 0;
	case OP_ENDS:
		return v && ends_with(v, sel->values[0]);
	case OP_NOT:
		return !hf_selector_has(sel->kids[0], label, arg);
	case OP_AND:
		return all_kids(sel, label, arg, true);
	case OP_OR:
		return !all_kids(sel, label, arg, false);
	}
	return false;
}

size_t hf_selector_cost(const struct hf_selector *sel)
{
	size_t i, cost = sel->kids ? 0 : 1;

	for (i = 0; sel->kids && i < sel->n; i++)
		cost += hf_selector_cost(sel->kids[i]);
	return cost;
}

const char *hf_selector_needs(const struct hf_selector *sel, const char **ret_value)
{
	const char *key = NULL, *found;
	size_t i;

	*ret_value = NULL;
	if (sel->op == OP_EQ || (sel->op == OP_IN && sel->n == 1)) {
		*ret_value = sel->values[0];
		return sel->key;
	}
	if (sel->op == OP_HAS || sel->op == OP_IN || sel->op == OP_CONTAINS ||
		sel->op == OP_STARTS || sel->op == OP_ENDS)
		return sel->key;
	for (i = 0; sel->op == OP_AND && i < sel->n && !*ret_value; i++) {
		found = hf_selector_needs(sel->kids[i], ret_value);
		key = found && (!key || *ret_value) ? found : key;
	}
	return key;
}

bool hf_selector_has_global(const struct hf_selector *sel)
{
	size_t i;

	if (sel->op == OP_GLOBAL)
		return true;
	for (i = 0; sel->kids && i < sel->n; i++) {
		if (hf_selector_has_global(sel->kids[i]))
			return true;
	}
	return false;
}

struct prefixer {
	struct hf_arena *arena;
	const char *prefix;
	const char *ns_label;
};

static const struct hf_selector *prefixed(struct prefixer *x, const struct hf_selector *sel);

/* Nothing of the copy may point into the arena of the original. */
static bool copy_values(struct prefixer *x, const struct hf_selector *sel, struct hf_selector *copy)
{
	const char **values = hf_arena_calloc(x->arena, sel->n, sizeof(*values));
	size_t i;

	for (i = 0; values && i < sel->n; i++) {
		values[i] = hf_arena_strdup(x->arena, sel->values[i]);
		if (!values[i])
			return false;
	}
	copy->values = values;
	return values != NULL;
}

static bool copy_kids(struct prefixer *x, const struct hf_selector *sel, struct hf_selector *copy)
{
	size_t i;

	copy->kids = hf_arena_calloc(x->arena, sel->n, sizeof(*copy->kids));
	for (i = 0; copy->kids && i < sel->n; i++) {
		copy->kids[i] = prefixed(x, sel->kids[i]);
		if (!copy->kids[i])
			return false;
	}
	return copy->kids != NULL;
}

static const struct hf_selector *prefixed(struct prefixer *x, const struct hf_selector *sel)
{
	struct hf_selector *copy = hf_arena_dup(x->arena, sel, sizeof(*sel));
	const struct hf_selector *kid = copy;

	if (!copy)
		return NULL;
	if (sel->op == OP_ALL || sel->op == OP_GLOBAL) {
		copy->op = OP_HAS;
		copy->key = hf_arena_strdup(x->arena, x->ns_label);
		if (!copy->key)
			return NULL;
		return sel->op == OP_ALL ? copy : hf_selector_group(x->arena, OP_NOT, &kid, 1);
	}
	if (sel->key) {
		copy->key = hf_arena_printf(x->arena, "%s%s", x->prefix, sel->key);
		if (!copy->key)
			return NULL;
	}
	if (sel->values && !copy_values(x, sel, copy))
		return NULL;
	if (sel->kids && !copy_kids(x, sel, copy))
		return NULL;
	return copy;
}

int hf_selector_prefixed(struct hf_arena *arena, const struct hf_selector *sel, const char *prefix,
	const char *ns_label, const struct hf_selector **ret, struct hf_err *err)
{
	struct prefixer x = {.arena = arena, .prefix = prefix, .ns_label = ns_label};
	const struct hf_selector *copy = prefixed(&x, sel);

	if (!copy)
		return hf_fail(err, -ENOMEM, "out of memory");
	*ret = copy;
	return 0;
}

struct printer {
	char *buf;
	size_t size;
	size_t len;
};

static void put(struct printer *out, const char *text)
{
	size_t len = strlen(text), room = out->size > out->len ? out->size - out->len : 0;

	if (room)
		(void)snprintf(out->buf + out->len, room, "%s", text); /* cut by contract */
	out->len += len;
}

/* No text has both kinds of quotes in it: there are no escapes. */
static void put_value(struct printer *out, const char *value)
{
	const char *quote = strchr(value, '\'') ? "\"" : "'";

	put(out, quote);
	put(out, value);
	put(out, quote);
}

static void put_selector(struct printer *out, const struct hf_selector *sel);

static void put_kid(struct printer *out, const struct hf_selector *kid, bool paren)
{
	put(out, paren ? "(" : "");
	put_selector(out, kid);
	put(out, paren ? ")" : "");
}

static void put_comparison(struct printer *out, const struct hf_selector *sel)
{
	static const char *const words[] = {
		[OP_EQ] = " == ",
		[OP_NE] = " != ",
		[OP_IN] = " in {",
		[OP_NOT_IN] = " not in {",
		[OP_CONTAINS] = " contains ",
		[OP_STARTS] = " starts with ",
		[OP_ENDS] = " ends with ",
	};
	size_t i;

	put(out, sel->key);
	put(out, words[sel->op]);
	for (i = 0; i < sel->n; i++) {
		put(out, i ? ", " : "");
		put_value(out, sel->values[i]);
	}
	put(out, sel->op == OP_IN || sel->op == OP_NOT_IN ? "}" : "");
}

static void put_selector(struct printer *out, const struct hf_selector *sel)
{
	size_t i;

	switch (sel->op) {
	case OP_ALL:
		put(out, "all()");
		break;
	case OP_GLOBAL:
		put(out, "global()");
		break;
	case OP_HAS:
		put(out, "has(");
		put(out, sel->key);
		put(out, ")");
		break;
	case OP_EQ:
	case OP_NE:
	case OP_IN:
	case OP_NOT_IN:
	case OP_CONTAINS:
	case OP_STARTS:
	case OP_ENDS:
		put_comparison(out, sel);
		break;
	case OP_NOT:
		put(out, "!");
		put_kid(out, sel->kids[0], sel->kids[0]->op > OP_HAS);
		break;
	case OP_AND:
	case OP_OR:
		for (i = 0; i < sel->n; i++) {
			put(out, i == 0 ? "" : sel->op == OP_AND ? " && " : " || ");
			put_kid(out, sel->kids[i], sel->kids[i]->op >= OP_AND);
		}
		break;
	}
}

int hf_selector_print(const struct hf_selector *sel, char *buf, size_t size)
{
	struct printer out = {.buf = buf, .size = size};

	if (size)
		buf[0] = '\0';
	put_selector(&out, sel);
	return (int)out.len;
}
