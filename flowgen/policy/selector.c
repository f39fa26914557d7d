/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/selector.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 512 /* characters; docs/semantics.md 11.4 */

enum op {
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
	enum op op;
	const char *key;
	size_t n;			 /* values or kids */
	const char *const *values;	 /* OP_EQ to OP_ENDS; sorted for the sets */
	const struct hf_selector **kids; /* OP_NOT, OP_AND, OP_OR */
};

struct parser {
	struct hf_arena *arena;
	const char *text;
	const char *at;
	unsigned int depth;
	struct hf_err *err;
};

static int fail_at(struct parser *p, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(struct parser *p, const char *at, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* longer text is cut */
	va_end(ap);
	return hf_fail(p->err, -EINVAL, "column %zu: %s", (size_t)(at - p->text) + 1, text);
}

static int fail_nomem(struct parser *p)
{
	return hf_fail(p->err, -ENOMEM, "out of memory");
}

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_./-", c));
}

static void skip_space(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

/* Takes word if the text goes on with it; end = a label character may not follow. */
static bool take(struct parser *p, const char *word, bool end)
{
	size_t len = strlen(word);

	if (strncmp(p->at, word, len) != 0 || (end && is_label_char(p->at[len])))
		return false;
	p->at += len;
	return true;
}

/* "not in" and the like: space between the words is optional, also where there is none. */
static bool take_words(struct parser *p, const char *first, const char *second)
{
	const char *start = p->at;

	if (take(p, first, false)) {
		skip_space(p);
		if (take(p, second, false)) {
			skip_space(p);
			if (!is_label_char(*p->at))
				return true;
		}
	}
	p->at = start;
	return false;
}

static int parse_label(struct parser *p, const char **ret)
{
	const char *start = p->at;
	size_t len;

	while (is_label_char(*p->at))
		p->at++;
	len = (size_t)(p->at - start);
	if (len == 0 && *start == '\0')
		return fail_at(p, start, "expected a label, has(), all() or '('");
	if (len == 0)
		return fail_at(p, start, "unexpected '%.1s'", start);
	if (len > LABEL_MAX)
		return fail_at(p, start, "label of %zu characters; at most %d", len, LABEL_MAX);
	*ret = hf_arena_strndup(p->arena, start, len);
	return *ret ? 0 : fail_nomem(p);
}

static int parse_string(struct parser *p, const char **ret)
{
	const char *end;

	skip_space(p);
	if (*p->at != '\'' && *p->at != '"')
		return fail_at(p, p->at, "expected text in quotes");
	end = strchr(p->at + 1, *p->at);
	if (!end)
		return fail_at(p, p->at, "text without a closing quote");
	*ret = hf_arena_strndup(p->arena, p->at + 1, (size_t)(end - p->at - 1));
	p->at = end + 1;
	return *ret ? 0 : fail_nomem(p);
}

static int value_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "{" has been seen to come. A comma may follow the last text, but there is none of its own. */
static int parse_set(struct parser *p, struct hf_selector *sel)
{
	HF_VEC(const char *) values = {};
	size_t i, n = 0;
	int rc = 0;

	skip_space(p);
	if (!take(p, "{", false))
		return fail_at(p, p->at, "expected '{'");
	for (;;) {
		const char *value = NULL;

		skip_space(p);
		if (*p->at != '\'' && *p->at != '"')
			break;
		rc = parse_string(p, &value);
		if (rc == 0 && hf_vec_push(&values, value))
			rc = fail_nomem(p);
		if (rc < 0)
			goto out;
		skip_space(p);
		if (!take(p, ",", false))
			break;
	}
	if (!take(p, "}", false)) {
		rc = fail_at(p, p->at, "expected '}'");
		goto out;
	}
	if (values.n)
		qsort(values.v, values.n, sizeof(*values.v), value_cmp);
	for (i = 0; i < values.n; i++) {
		if (n == 0 || strcmp(values.v[i], values.v[n - 1]) != 0)
			values.v[n++] = values.v[i];
	}
	sel->n = n;
	sel->values = hf_arena_dup(p->arena, values.v, n * sizeof(*values.v));
	rc = sel->values ? 0 : fail_nomem(p);
out:
	hf_vec_fini(&values);
	return rc;
}

static int parse_value(struct parser *p, struct hf_selector *sel)
{
	const char *value;
	int rc = parse_string(p, &value);

	if (rc < 0)
		return rc;
	sel->n = 1;
	sel->values = hf_arena_dup(p->arena, &value, sizeof(value));
	return sel->values ? 0 : fail_nomem(p);
}

/* What follows a label; only here are "in", "contains" and so on operators. */
static int parse_comparison(struct parser *p, struct hf_selector *sel)
{
	int rc = parse_label(p, &sel->key);

	if (rc < 0)
		return rc;
	skip_space(p);
	if (take(p, "==", false))
		sel->op = OP_EQ;
	else if (take(p, "!=", false))
		sel->op = OP_NE;
	else if (take(p, "contains", true))
		sel->op = OP_CONTAINS;
	else if (take_words(p, "starts", "with"))
		sel->op = OP_STARTS;
	else if (take_words(p, "ends", "with"))
		sel->op = OP_ENDS;
	else if (take_words(p, "not", "in"))
		sel->op = OP_NOT_IN;
	else if (take(p, "in", true))
		sel->op = OP_IN;
	else
		return fail_at(
			p, p->at, "expected '==', '!=', 'in' or the like after '%.64s'", sel->key);
	if (sel->op == OP_IN || sel->op == OP_NOT_IN)
		return parse_set(p, sel);
	return parse_value(p, sel);
}

static int parse_or(struct parser *p, const struct hf_selector **ret);

static int close_paren(struct parser *p)
{
	skip_space(p);
	return take(p, ")", false) ? 0 : fail_at(p, p->at, "expected ')'");
}

static int parse_single(struct parser *p, struct hf_selector *sel, const struct hf_selector **ret)
{
	int rc;

	*ret = sel;
	if (take(p, "(", false)) {
		if (++p->depth > HF_SELECTOR_DEPTH_MAX)
			return fail_at(p, p->at, "nested deeper than %d", HF_SELECTOR_DEPTH_MAX);
		rc = parse_or(p, ret);
		p->depth--;
		return rc < 0 ? rc : close_paren(p);
	}
	if (take(p, "has(", false)) {
		sel->op = OP_HAS;
		skip_space(p);
		rc = parse_label(p, &sel->key);
		return rc < 0 ? rc : close_paren(p);
	}
	if (take(p, "all(", false)) {
		sel->op = OP_ALL;
		return close_paren(p);
	}
	if (take(p, "global(", false)) {
		sel->op = OP_GLOBAL;
		return close_paren(p);
	}
	return parse_comparison(p, sel);
}

static struct hf_selector *group_new(
	struct parser *p, enum op op, const struct hf_selector *const *kids, size_t n)
{
	struct hf_selector *sel = hf_arena_alloc(p->arena, sizeof(*sel));

	if (!sel)
		return NULL;
	sel->op = op;
	sel->n = n;
	sel->kids = hf_arena_dup(p->arena, kids, n * sizeof(*kids));
	return sel->kids ? sel : NULL;
}

static int parse_not(struct parser *p, const struct hf_selector **ret)
{
	struct hf_selector *sel = hf_arena_alloc(p->arena, sizeof(*sel));
	bool negated = false;
	int rc;

	if (!sel)
		return fail_nomem(p);
	skip_space(p);
	while (take(p, "!", false)) {
		negated = !negated;
		skip_space(p);
	}
	rc = parse_single(p, sel, ret);
	if (rc == 0 && negated)
		*ret = group_new(p, OP_NOT, ret, 1);
	return rc < 0 || *ret ? rc : fail_nomem(p);
}

typedef int (*parse_fn)(struct parser *p, const struct hf_selector **ret);

/* operand (word operand)* */
static int parse_chain(struct parser *p, parse_fn operand, const char *word, enum op op,
	const struct hf_selector **ret)
{
	HF_VEC(const struct hf_selector *) kids = {};
	int rc;

	do {
		const struct hf_selector *kid = NULL;

		rc = operand(p, &kid);
		if (rc == 0 && hf_vec_push(&kids, kid))
			rc = fail_nomem(p);
		skip_space(p);
	} while (rc == 0 && take(p, word, false));
	if (rc == 0) {
		*ret = kids.n == 1 ? kids.v[0] : group_new(p, op, kids.v, kids.n);
		if (!*ret)
			rc = fail_nomem(p);
	}
	hf_vec_fini(&kids);
	return rc;
}

static int parse_and(struct parser *p, const struct hf_selector **ret)
{
	return parse_chain(p, parse_not, "&&", OP_AND, ret);
}

static int parse_or(struct parser *p, const struct hf_selector **ret)
{
	return parse_chain(p, parse_and, "||", OP_OR, ret);
}

/* Characters, not bytes: what does not continue a UTF-8 sequence. */
static size_t count_chars(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

int hf_selector_parse(struct hf_arena *arena, const char *text, const struct hf_selector **ret,
	struct hf_err *err)
{
	struct parser p = {.arena = arena, .text = text, .at = text, .err = err};
	const struct hf_selector *sel = NULL;
	size_t n = count_chars(text);
	int rc;

	if (n > HF_SELECTOR_MAX)
		return fail_at(
			&p, text, "selector of %zu characters; at most %d", n, HF_SELECTOR_MAX);
	skip_space(&p);
	if (*p.at == '\0') {
		sel = hf_arena_alloc(arena, sizeof(*sel)); /* zeroed: OP_ALL */
		rc = sel ? 0 : fail_nomem(&p);
	} else {
		rc = parse_or(&p, &sel);
	}
	if (rc == 0 && *p.at != '\0')
		rc = fail_at(&p, p.at, "unexpected '%.16s'", p.at);
	if (rc == 0)
		*ret = sel;
	return rc;
}

static bool has_value(const struct hf_selector *sel, const char *value)
{
	return sel->n && bsearch(&value, sel->values, sel->n, sizeof(value), value_cmp);
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
	struct parser p; /* arena and err */
	const char *prefix;
	const char *ns_label;
};

static const struct hf_selector *prefixed(struct prefixer *x, const struct hf_selector *sel);

/* Nothing of the copy may point into the arena of the original. */
static bool copy_values(struct prefixer *x, const struct hf_selector *sel, struct hf_selector *copy)
{
	const char **values = hf_arena_calloc(x->p.arena, sel->n, sizeof(*values));
	size_t i;

	for (i = 0; values && i < sel->n; i++) {
		values[i] = hf_arena_strdup(x->p.arena, sel->values[i]);
		if (!values[i])
			return false;
	}
	copy->values = values;
	return values != NULL;
}

static bool copy_kids(struct prefixer *x, const struct hf_selector *sel, struct hf_selector *copy)
{
	size_t i;

	copy->kids = hf_arena_calloc(x->p.arena, sel->n, sizeof(*copy->kids));
	for (i = 0; copy->kids && i < sel->n; i++) {
		copy->kids[i] = prefixed(x, sel->kids[i]);
		if (!copy->kids[i])
			return false;
	}
	return copy->kids != NULL;
}

static const struct hf_selector *prefixed(struct prefixer *x, const struct hf_selector *sel)
{
	struct hf_selector *copy = hf_arena_dup(x->p.arena, sel, sizeof(*sel));
	const struct hf_selector *kid = copy;

	if (!copy)
		return NULL;
	if (sel->op == OP_ALL || sel->op == OP_GLOBAL) {
		copy->op = OP_HAS;
		copy->key = hf_arena_strdup(x->p.arena, x->ns_label);
		if (!copy->key)
			return NULL;
		return sel->op == OP_ALL ? copy : group_new(&x->p, OP_NOT, &kid, 1);
	}
	if (sel->key) {
		copy->key = hf_arena_printf(x->p.arena, "%s%s", x->prefix, sel->key);
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
	struct prefixer x = {
		.p = {.arena = arena, .err = err}, .prefix = prefix, .ns_label = ns_label};
	const struct hf_selector *copy = prefixed(&x, sel);

	if (!copy)
		return fail_nomem(&x.p);
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
