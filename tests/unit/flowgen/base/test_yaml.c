/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/arena.h>
#include <hepflow/base/yaml.h>
#include <hepflow/err.h>

#include "hf_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hf_arena *arena;
static struct hf_err err;

static void start(void)
{
	arena = hf_arena_new();
}

static void stop(void)
{
	hf_arena_free(arena);
	hf_test_fini();
}

TestSuite(yaml, .init = start, .fini = stop);

static int try(const char *text, struct hf_yaml ***docs, size_t *n)
{
	err = (struct hf_err){0};
	return hf_yaml_read(arena, "t.yaml", text, strlen(text), docs, n, &err);
}

static struct hf_yaml *one(const char *text)
{
	struct hf_yaml **docs;
	size_t n;

	cr_assert_eq(try(text, &docs, &n), 0, "%s", err.text);
	cr_assert_eq(n, 1);
	return docs[0];
}

static void refused(const char *text, int code, const char *start_of_message)
{
	struct hf_yaml **docs = NULL;
	size_t n = 4711;

	cr_expect_eq(try(text, &docs, &n), code, "%.60s", text);
	cr_expect_eq(
		strncmp(err.text, start_of_message, strlen(start_of_message)), 0, "%s", err.text);
	cr_expect_null(docs);
	cr_expect_eq(n, 4711);
}

Test(yaml, nodes_know_their_kind_line_and_column)
{
	struct hf_yaml *doc = one("kind: Tier\nspec:\n  list: [a, 'b']\n  map: {x: 1}\n");
	struct hf_yaml *spec = hf_yaml_get(doc, "spec"), *list = hf_yaml_get(spec, "list");

	cr_expect_eq(doc->kind, HF_YAML_MAP);
	cr_expect_eq(doc->n, 2);
	cr_expect_str_eq(doc->key[0]->text, "kind");
	cr_expect_str_eq(hf_yaml_get(doc, "kind")->text, "Tier");
	cr_expect_eq(hf_yaml_get(doc, "kind")->col, 7);
	cr_expect_eq(list->kind, HF_YAML_SEQ);
	cr_expect_eq(list->line, 3);
	cr_expect_eq(list->col, 9);
	cr_expect_eq(list->n, 2);
	cr_expect(list->v[0]->plain);
	cr_expect_not(list->v[1]->plain);
	cr_expect_eq(list->v[1]->line, 3);
	cr_expect_eq(list->v[1]->col, 13);
	cr_expect_str_eq(hf_yaml_get(hf_yaml_get(spec, "map"), "x")->text, "1");
	cr_expect_null(hf_yaml_get(doc, "absent"));
	cr_expect_null(hf_yaml_get(list, "x"));
	cr_expect_null(hf_yaml_get(NULL, "x"));
}

Test(yaml, json_is_yaml)
{
	struct hf_yaml *doc =
		one("{\"kind\": \"Tier\", \"spec\": {\"order\": 10, \"l\": [null, true]}}");
	struct hf_yaml *spec = hf_yaml_get(doc, "spec");
	int64_t order;

	cr_expect_eq(hf_yaml_int(hf_yaml_get(spec, "order"), 0, 100, &order), 0);
	cr_expect_eq(order, 10);
	cr_expect(hf_yaml_is_null(hf_yaml_get(spec, "l")->v[0]));
}

Test(yaml, empty_documents_are_left_out)
{
	struct hf_yaml **docs;
	size_t n;

	cr_assert_eq(try("---\n---\na: 1\n---\n# nothing\n---\nnull\n---\nb: 2\n", &docs, &n), 0);
	cr_expect_eq(n, 2);
	cr_expect_str_eq(docs[0]->key[0]->text, "a");
	cr_expect_str_eq(docs[1]->key[0]->text, "b");
	cr_expect_eq(docs[1]->line, 9);
	cr_assert_eq(try("", &docs, &n), 0);
	cr_expect_eq(n, 0);
	cr_assert_eq(try("# only words\n", &docs, &n), 0);
	cr_expect_eq(n, 0);
}

Test(yaml, broken_text_is_refused_with_its_place)
{
	refused("a: [1, 2\nb: 3\n", -EINVAL, "t.yaml:2:");
	refused("a: b: c\n", -EINVAL, "t.yaml:1:5: ");
	refused("a: 'x\n", -EINVAL, "t.yaml:");
	refused("\tkey: 1\n", -EINVAL, "t.yaml:1:1: ");
	refused("a: %x\n", -EINVAL, "t.yaml:1:4: ");
	refused("? [a]\n: 1\n", -EINVAL, "t.yaml:1:3: a key must be plain text");
	refused("{a: 1}: 2\n", -EINVAL, "t.yaml:1:1: a key must be plain text");
	refused("a: \"\\0\"\n", -EINVAL, "t.yaml:1:4: NUL character in text");
}

Test(yaml, bytes_that_are_no_text_are_refused_with_their_place)
{
	refused("a: 1\nb: 2\nc: \xff\n", -EINVAL, "t.yaml:3:4: ");
	refused("a: \x01\n", -EINVAL, "t.yaml:1:4: ");
}

Test(yaml, a_key_given_twice_is_refused)
{
	refused("a: 1\nb: 2\na: 3\n", -EINVAL, "t.yaml:3:1: key 'a' given twice");
	refused("a: 1\n'a': 3\n", -EINVAL, "t.yaml:2:1: key 'a' given twice");
	one("a: {x: 1}\nb: {x: 1}\n");
}

Test(yaml, aliases_share_the_node)
{
	struct hf_yaml *doc = one("a: &x [1, 2]\nb: *x\nc: &x 7\nd: *x\n");

	cr_expect_eq(hf_yaml_get(doc, "a"), hf_yaml_get(doc, "b"));
	cr_expect_str_eq(hf_yaml_get(doc, "d")->text, "7");
	cr_expect_eq(doc->weight, 1 + 4 + 3 + 3 + 1 + 1);
}

Test(yaml, aliases_to_nothing_and_to_themselves_are_refused)
{
	refused("a: *x\n", -EINVAL, "t.yaml:1:4: alias to an unknown anchor");
	refused("a: &x [1, *x]\n", -EINVAL, "t.yaml:1:11: alias to a node that contains it");
	refused("a: &x {b: *x}\n", -EINVAL, "t.yaml:1:11: alias to a node that contains it");
	refused("a: &x 1\n---\nb: *x\n", -EINVAL, "t.yaml:3:4: alias to an unknown anchor");
}

Test(yaml, a_billion_laughs_end_in_an_error)
{
	char text[1024], *p = text;
	int i;

	p += sprintf(p, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (i = 1; i < 10; i++)
		p += sprintf(p, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i,
			i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	refused(text, -E2BIG, "t.yaml:8:");
}

Test(yaml, many_anchors_end_in_an_error)
{
	size_t n = 20000, i;
	char *text = malloc(n * 16 + 16), *p = text;

	for (i = 0; i < n; i++)
		p += sprintf(p, "- &a%zu x\n", i);
	refused(text, -E2BIG, "t.yaml:");
	cr_expect_not_null(strstr(err.text, "too many anchors"), "%s", err.text);
	free(text);
}

static char *nested(size_t n)
{
	char *text = malloc(2 * n + 1);

	memset(text, '[', n);
	memset(text + n, ']', n);
	text[2 * n] = '\0';
	return text;
}

Test(yaml, nesting_has_an_end)
{
	char *text = nested(HF_YAML_DEPTH_MAX);

	cr_expect_eq(one(text)->height, HF_YAML_DEPTH_MAX);
	free(text);
	text = nested(HF_YAML_DEPTH_MAX + 1);
	refused(text, -E2BIG, "t.yaml:1:");
	free(text);
	text = nested(100000);
	refused(text, -E2BIG, "t.yaml:1:");
	free(text);
}

Test(yaml, nesting_through_aliases_has_an_end)
{
	char text[8192], *p = text;
	int i;

	p += sprintf(p, "- &a0 [x]\n");
	for (i = 1; i < HF_YAML_DEPTH_MAX + 2; i++)
		p += sprintf(p, "- &a%d [*a%d]\n", i, i - 1);
	refused(text, -E2BIG, "t.yaml:");
}

Test(yaml, documents_have_an_end)
{
	size_t n = HF_YAML_DOCS_MAX + 1, i;
	char *text = malloc(n * 6 + 1), *p = text;

	for (i = 0; i < n; i++)
		p = stpcpy(p, "---\n1\n");
	refused(text, -E2BIG, "t.yaml:");
	free(text);
}

Test(yaml, a_mapping_with_thousands_of_keys_is_refused)
{
	size_t n = 5000, i;
	char *text = malloc(n * 16 + 1), *p = text;

	for (i = 0; i < n; i++)
		p += sprintf(p, "k%zu: 1\n", i);
	refused(text, -E2BIG, "t.yaml:");
	free(text);
}

Test(yaml, null_is_said_without_quotes)
{
	struct hf_yaml *doc = one("a:\nb: null\nc: ~\nd: 'null'\ne: ''\nf: Null\ng: []\n");

	cr_expect(hf_yaml_is_null(hf_yaml_get(doc, "a")));
	cr_expect(hf_yaml_is_null(hf_yaml_get(doc, "b")));
	cr_expect(hf_yaml_is_null(hf_yaml_get(doc, "c")));
	cr_expect_not(hf_yaml_is_null(hf_yaml_get(doc, "d")));
	cr_expect_not(hf_yaml_is_null(hf_yaml_get(doc, "e")));
	cr_expect(hf_yaml_is_null(hf_yaml_get(doc, "f")));
	cr_expect_not(hf_yaml_is_null(hf_yaml_get(doc, "g")));
}

Test(yaml, numbers_are_whole_decimal_plain_and_within_the_range)
{
	static const char *const bad[] = {"'1'", "1.0", "1e3", "+1", "0x10", "1 2", "one", "", "-x",
		"--1", "99999999999999999999", "-6", "101", "010", "-01", "1_000"};
	char text[64];
	int64_t v = 4711;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "n: %s\n", bad[i]);
		cr_expect_eq(hf_yaml_int(hf_yaml_get(one(text), "n"), -5, 100, &v), -EINVAL, "%s",
			bad[i]);
	}
	cr_expect_eq(v, 4711);
	cr_expect_eq(hf_yaml_int(one("[]"), -5, 100, &v), -EINVAL);
	cr_expect_eq(hf_yaml_int(hf_yaml_get(one("n: -5"), "n"), -5, 100, &v), 0);
	cr_expect_eq(v, -5);
	cr_expect_eq(hf_yaml_int(hf_yaml_get(one("n: 100"), "n"), -5, 100, &v), 0);
	cr_expect_eq(v, 100);
	cr_expect_eq(hf_yaml_int(hf_yaml_get(one("n: 0"), "n"), -5, 100, &v), 0);
	cr_expect_eq(v, 0);
}

Test(yaml, truth_is_true_or_false)
{
	static const char *const bad[] = {"'true'", "yes", "on", "1", "", "truee"};
	char text[64];
	bool v = true;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "b: %s\n", bad[i]);
		cr_expect_eq(hf_yaml_bool(hf_yaml_get(one(text), "b"), &v), -EINVAL, "%s", bad[i]);
	}
	cr_expect_eq(hf_yaml_bool(hf_yaml_get(one("b: false"), "b"), &v), 0);
	cr_expect_not(v);
	cr_expect_eq(hf_yaml_bool(hf_yaml_get(one("b: True"), "b"), &v), 0);
	cr_expect(v);
}

Test(yaml, text_without_end_byte_is_read_to_its_size)
{
	struct hf_yaml **docs;
	size_t n;

	cr_assert_eq(hf_yaml_read(arena, "t.yaml", "a: 123456", 6, &docs, &n, &err), 0);
	cr_expect_str_eq(hf_yaml_get(docs[0], "a")->text, "123");
}
