/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/selector.h"

#include "hf_test.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(selector);

/* Labels as "key=value,key=value". */
static const char *label(void *arg, const char *key)
{
	static char value[256];
	const char *at = arg;
	size_t len = strlen(key);

	for (; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (strncmp(at, key, len) != 0 || at[len] != '=')
			continue;
		(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + len + 1, ","),
			at + len + 1);
		return value;
	}
	return NULL;
}

static bool has(const char *text, const char *labels)
{
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;
	struct hf_err err = {0};
	bool ret;

	cr_assert_eq(hf_selector_parse(arena, text, &sel, &err), 0, "%s: %s", text, err.text);
	ret = hf_selector_has(sel, label, (void *)labels);
	hf_arena_free(arena);
	return ret;
}

static const char *fail(const char *text)
{
	static struct hf_err err;
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;

	memset(&err, 0, sizeof(err));
	cr_expect_eq(hf_selector_parse(arena, text, &sel, &err), -EINVAL, "accepted: %s", text);
	cr_expect_null(sel);
	hf_arena_free(arena);
	return err.text;
}

static const char *canon(const char *text)
{
	static char buf[2][2048];
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;
	struct hf_err err = {0};
	int len;

	cr_assert_eq(hf_selector_parse(arena, text, &sel, &err), 0, "%s: %s", text, err.text);
	len = hf_selector_print(sel, buf[0], sizeof(buf[0]));
	cr_expect_eq(len, (int)strlen(buf[0]));
	/* What is printed reads back as what prints the same. */
	cr_assert_eq(hf_selector_parse(arena, buf[0], &sel, &err), 0, "%s: %s", buf[0], err.text);
	(void)hf_selector_print(sel, buf[1], sizeof(buf[1]));
	cr_expect_str_eq(buf[0], buf[1]);
	hf_arena_free(arena);
	return buf[0];
}

Test(selector, each_operator_on_a_label_that_is_there)
{
	cr_expect(has("a == 'x'", "a=x"));
	cr_expect_not(has("a == 'x'", "a=y"));
	cr_expect(has("a != 'x'", "a=y"));
	cr_expect_not(has("a != 'x'", "a=x"));
	cr_expect(has("a in {'x', \"y\"}", "a=y"));
	cr_expect_not(has("a in {'x','y'}", "a=z"));
	cr_expect(has("a not in {'x','y'}", "a=z"));
	cr_expect_not(has("a not in {'x','y'}", "a=x"));
	cr_expect(has("a contains 'bc'", "a=abcd"));
	cr_expect_not(has("a contains 'bd'", "a=abcd"));
	cr_expect(has("a starts with 'ab'", "a=abcd"));
	cr_expect_not(has("a starts with 'bc'", "a=abcd"));
	cr_expect(has("a ends with 'cd'", "a=abcd"));
	cr_expect_not(has("a ends with 'abcde'", "a=abcd"));
	cr_expect(has("has(a)", "a=x"));
}

Test(selector, an_absent_label_fails_all_but_the_two_negations)
{
	cr_expect_not(has("a == 'x'", "b=x"));
	cr_expect(has("a != 'x'", "b=x"));
	cr_expect_not(has("a in {'x'}", "b=x"));
	cr_expect(has("a not in {'x'}", "b=x"));
	cr_expect_not(has("a contains ''", "b=x"));
	cr_expect_not(has("a starts with ''", "b=x"));
	cr_expect_not(has("a ends with ''", "b=x"));
	cr_expect_not(has("has(a)", "b=x"));
}

Test(selector, the_empty_set_has_nothing)
{
	cr_expect_not(has("a in {}", "a=x"));
	cr_expect(has("a not in {}", "a=x"));
	cr_expect(has("a not in {}", ""));
}

Test(selector, blank_and_all_and_global_take_everything)
{
	cr_expect(has("", ""));
	cr_expect(has(" \t", ""));
	cr_expect(has("all()", ""));
	cr_expect(has("all( \t)", ""));
	cr_expect(has("global()", "a=x"));
}

Test(selector, and_binds_closer_than_or)
{
	cr_expect(has("has(a) || has(b) && has(c)", "a=1"));
	cr_expect_not(has("(has(a) || has(b)) && has(c)", "a=1"));
	cr_expect_not(has("has(b) && has(c) || has(d)", "b=1"));
}

Test(selector, not_binds_to_the_next_operation_only)
{
	cr_expect(has("!a == 'x'", "a=y"));
	cr_expect(has("!a == 'x'", ""));
	cr_expect_not(has("!has(a) && has(b)", "a=1,b=1"));
	cr_expect(has("!has(a) || has(b)", "b=1"));
	cr_expect(has("!!has(a)", "a=1"));
	cr_expect(has("! ! !has(a)", ""));
	cr_expect_not(has("!(has(a) || has(b))", "b=1"));
}

Test(selector, keywords_are_operators_only_behind_a_label)
{
	cr_expect(has("in == 'x'", "in=x"));
	cr_expect(has("in in {'x'}", "in=x"));
	cr_expect(has("not not in {'x'}", "not=y"));
	cr_expect(has("contains contains 'x'", "contains=axb"));
	cr_expect(has("has == 'x' && all == 'y' && global != 'z'", "has=x,all=y"));
	cr_expect(has("has(has)", "has=1"));
}

Test(selector, two_word_operators_may_be_written_as_one)
{
	cr_expect(has("a notin {'x'}", "a=y"));
	cr_expect(has("a startswith'x'", "a=xy"));
	cr_expect(has("a endswith \"y\"", "a=xy"));
	cr_expect(has("a not \t in{'x'}", "a=y"));
}

Test(selector, spaces_may_be_missing_or_many)
{
	cr_expect(has("a=='x'&&b!='y'||has( c )", "a=x"));
	cr_expect(has("\ta\t==\t'x'  ", "a=x"));
	cr_expect(has("a in{'x'}", "a=x"));
}

Test(selector, the_last_comma_of_a_set_is_optional)
{
	cr_expect(has("a in {'x',}", "a=x"));
	cr_expect_str_eq(fail("a in {,}"), "column 7: expected '}'");
	cr_expect_str_eq(fail("a in {'x' 'y'}"), "column 11: expected '}'");
}

Test(selector, text_has_no_escapes)
{
	cr_expect(has("a == 'it\"s'", "a=it\"s"));
	cr_expect(has("a == \"it's\"", "a=it's"));
	cr_expect(has("a == '\\n'", "a=\\n"));
	cr_expect(has("a == ''", "a="));
}

Test(selector, labels_may_have_slashes_dots_and_dashes)
{
	cr_expect(has("projectcalico.org/ns-1_x == 'y'", "projectcalico.org/ns-1_x=y"));
	cr_expect_str_eq(
		fail("a@b == 'x'"), "column 2: expected '==', '!=', 'in' or the like after 'a'");
}

Test(selector, an_error_says_its_column)
{
	cr_expect_str_eq(
		fail("a = 'x'"), "column 3: expected '==', '!=', 'in' or the like after 'a'");
	cr_expect_str_eq(fail("a =="), "column 5: expected text in quotes");
	cr_expect_str_eq(fail("a == x"), "column 6: expected text in quotes");
	cr_expect_str_eq(fail("a == 'x"), "column 6: text without a closing quote");
	cr_expect_str_eq(fail("a == 'x' &&"), "column 12: expected a label, has(), all() or '('");
	cr_expect_str_eq(fail("(a == 'x'"), "column 10: expected ')'");
	cr_expect_str_eq(fail("a == 'x')"), "column 9: unexpected ')'");
	cr_expect_str_eq(fail("has(a"), "column 6: expected ')'");
	cr_expect_str_eq(fail("has()"), "column 5: unexpected ')'");
	cr_expect_str_eq(fail("all(a)"), "column 5: expected ')'");
	cr_expect_str_eq(fail("a in 'x'"), "column 6: expected '{'");
	cr_expect_str_eq(fail("a == 'x' & b == 'y'"), "column 10: unexpected '& b == 'y''");
	cr_expect_str_eq(fail("a == 'x' b"), "column 10: unexpected 'b'");
	cr_expect_str_eq(fail("!"), "column 2: expected a label, has(), all() or '('");
	cr_expect_str_eq(fail("'a' == 'x'"), "column 1: unexpected '''");
}

Test(selector, a_space_before_the_parenthesis_makes_a_label)
{
	cr_expect_str_eq(
		fail("has (a)"), "column 5: expected '==', '!=', 'in' or the like after 'has'");
	cr_expect_str_eq(
		fail("all ()"), "column 5: expected '==', '!=', 'in' or the like after 'all'");
}

Test(selector, only_space_and_tab_are_white)
{
	cr_expect_str_eq(fail("a == 'x'\n"), "column 9: unexpected '\n'");
}

Test(selector, a_long_operator_word_is_no_operator)
{
	(void)fail("a containsx 'y'");
	(void)fail("a inx {'y'}");
	(void)fail("a in");
}

Test(selector, length_is_limited)
{
	char text[HF_SELECTOR_MAX + 8], label_text[640];

	/* a == '...' of exactly the limit, then one more */
	memset(text, 'x', sizeof(text));
	memcpy(text, "a == '", 6);
	text[HF_SELECTOR_MAX - 1] = '\'';
	text[HF_SELECTOR_MAX] = '\0';
	cr_expect_not(has(text, "a=y"));
	text[HF_SELECTOR_MAX - 1] = 'x';
	text[HF_SELECTOR_MAX] = '\'';
	text[HF_SELECTOR_MAX + 1] = '\0';
	cr_expect_str_eq(fail(text), "column 1: selector of 1025 characters; at most 1024");

	memset(label_text, 'a', 512);
	strcpy(label_text + 512, " == 'x'");
	cr_expect_not(has(label_text, ""));
	memset(label_text, 'a', 513);
	strcpy(label_text + 513, " == 'x'");
	cr_expect_str_eq(fail(label_text), "column 1: label of 513 characters; at most 512");
}

Test(selector, depth_is_limited)
{
	char text[256] = "";
	int i;

	for (i = 0; i < HF_SELECTOR_DEPTH_MAX; i++)
		strcat(text, "(");
	strcat(text, "has(a)");
	for (i = 0; i < HF_SELECTOR_DEPTH_MAX; i++)
		strcat(text, ")");
	cr_expect(has(text, "a=1"));
	memmove(text + 1, text, strlen(text) + 1);
	text[0] = '(';
	strcat(text, ")");
	cr_expect_str_eq(fail(text), "column 66: nested deeper than 64");
}

Test(selector, printing_is_canonical)
{
	cr_expect_str_eq(canon("a==\"x\""), "a == 'x'");
	cr_expect_str_eq(canon("a == \"it's\""), "a == \"it's\"");
	cr_expect_str_eq(canon(""), "all()");
	cr_expect_str_eq(canon("a in {'y','x','y'}"), "a in {'x', 'y'}");
	cr_expect_str_eq(canon("a notin{}"), "a not in {}");
	cr_expect_str_eq(canon("has(a)&&has(b)||has(c)"), "(has(a) && has(b)) || has(c)");
	cr_expect_str_eq(canon("(((has(a))))"), "has(a)");
	cr_expect_str_eq(canon("!!has(a)"), "has(a)");
	cr_expect_str_eq(canon("!a=='x'"), "!(a == 'x')");
	cr_expect_str_eq(canon("!(has(a)||global())"), "!(has(a) || global())");
	cr_expect_str_eq(canon("a startswith 'x' && a endswith 'y' && a contains 'z'"),
		"a starts with 'x' && a ends with 'y' && a contains 'z'");
}

Test(selector, printing_cuts_and_counts_as_snprintf_does)
{
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;
	char buf[6];

	cr_assert_eq(hf_selector_parse(arena, "abc == 'x'", &sel, NULL), 0);
	cr_expect_eq(hf_selector_print(sel, NULL, 0), 10);
	cr_expect_eq(hf_selector_print(sel, buf, sizeof(buf)), 10);
	cr_expect_str_eq(buf, "abc =");
	hf_arena_free(arena);
}

Test(selector, global_is_found_wherever_it_stands)
{
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;

	cr_assert_eq(hf_selector_parse(arena, "has(a) || !(global() && has(b))", &sel, NULL), 0);
	cr_expect(hf_selector_has_global(sel));
	cr_assert_eq(hf_selector_parse(arena, "a == 'global()'", &sel, NULL), 0);
	cr_expect_not(hf_selector_has_global(sel));
	hf_arena_free(arena);
}

Test(selector, a_prefixed_copy_asks_for_prefixed_labels)
{
	struct hf_arena *from = hf_arena_new(), *to = hf_arena_new();
	const struct hf_selector *sel = NULL, *copy = NULL;
	char buf[256];

	cr_assert_eq(hf_selector_parse(from,
			     "a == 'x' && !has(b) || c in {'y'} || all() || global()", &sel, NULL),
		0);
	cr_assert_eq(hf_selector_prefixed(to, sel, "pcns.", "ns", &copy, NULL), 0);
	/* The copy stands on its own. */
	hf_arena_free(from);
	(void)hf_selector_print(copy, buf, sizeof(buf));
	cr_expect_str_eq(buf, "(pcns.a == 'x' && !has(pcns.b)) || pcns.c in {'y'} || has(ns) || "
			      "!has(ns)");
	cr_expect(hf_selector_has(copy, label, (void *)"ns=1"));
	hf_arena_free(to);
}

/* "key", "key=value" or "" */
static const char *needs(const char *text, size_t *ret_cost)
{
	static char buf[256];
	struct hf_arena *arena = hf_arena_new();
	const struct hf_selector *sel = NULL;
	const char *key, *value;

	cr_assert_eq(hf_selector_parse(arena, text, &sel, NULL), 0, "%s", text);
	key = hf_selector_needs(sel, &value);
	(void)snprintf(
		buf, sizeof(buf), "%s%s%s", key ? key : "", value ? "=" : "", value ? value : "");
	*ret_cost = hf_selector_cost(sel);
	hf_arena_free(arena);
	return buf;
}

Test(selector, a_label_that_must_be_there_is_known)
{
	static const struct {
		const char *text;
		const char *needs;
		size_t cost;
	} cases[] = {
		{"a == 'x'", "a=x", 1},
		{"a in {'x'}", "a=x", 1},
		{"a in {'x', 'y'}", "a", 1},
		{"has(a)", "a", 1},
		{"a starts with 'x'", "a", 1},
		{"a contains 'x'", "a", 1},
		{"a ends with 'x'", "a", 1},
		{"a != 'x'", "", 1},
		{"a not in {'x'}", "", 1},
		{"!has(a)", "", 1},
		{"all()", "", 1},
		{"a == 'x' || b == 'y'", "", 2},
		{"a != 'x' && has(b) && (c == 'z' && d != 'w')", "c=z", 4},
		{"c == 'z' && has(b)", "c=z", 2},
		{"!(a == 'x')", "", 1},
	};
	size_t i, cost;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_expect_str_eq(needs(cases[i].text, &cost), cases[i].needs, "%s", cases[i].text);
		cr_expect_eq(cost, cases[i].cost, "%s: %zu", cases[i].text, cost);
	}
}
