/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/selector.h"
#include "policy/selector_tree.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 512 /* characters; docs/semantics.md 11.4 */

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

int hf_selector_value_cmp(const void *a, const void *b)
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
		qsort(values.v, values.n, sizeof(*values.v), hf_selector_value_cmp);
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

struct hf_selector *hf_selector_group(struct hf_arena *arena, enum hf_selector_op op,
	const struct hf_selector *const *kids, size_t n)
{
	struct hf_selector *sel = hf_arena_alloc(arena, sizeof(*sel));

	if (!sel)
		return NULL;
	sel->op = op;
	sel->n = n;
	sel->kids = hf_arena_dup(arena, kids, n * sizeof(*kids));
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
		*ret = hf_selector_group(p->arena, OP_NOT, ret, 1);
	return rc < 0 || *ret ? rc : fail_nomem(p);
}

typedef int (*parse_fn)(struct parser *p, const struct hf_selector **ret);

/* operand (word operand)* */
static int parse_chain(struct parser *p, parse_fn operand, const char *word, enum hf_selector_op op,
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
		*ret = kids.n == 1 ? kids.v[0] : hf_selector_group(p->arena, op, kids.v, kids.n);
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
