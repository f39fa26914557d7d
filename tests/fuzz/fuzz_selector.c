/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The first line is a selector; the rest is the value of about half of all labels, the others are
 * not there. What parses prints as text that parses again, prints the same and selects the same.
 */

#include "fuzz.h"

#include "policy/selector.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <string.h>

#define TEXT_MAX (16 * HF_SELECTOR_MAX)

static const char *label(void *arg, const char *key)
{
	return strlen(key) % 2 ? arg : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hf_selector *sel = NULL, *again = NULL, *moved = NULL;
	struct hf_arena *arena = hf_arena_new();
	char first[TEXT_MAX], second[TEXT_MAX];
	struct hf_err err = {0};
	const char *key, *want, *got;
	char *text, *value;
	int len;

	FUZZ_CHECK(arena);
	text = hf_arena_strndup(arena, (const char *)data, size);
	FUZZ_CHECK(text);
	value = strchr(text, '\n');
	if (value)
		*value++ = '\0';
	if (hf_selector_parse(arena, text, &sel, &err) < 0) {
		FUZZ_CHECK(strncmp(err.text, "column ", 7) == 0);
		goto out;
	}
	len = hf_selector_print(sel, first, sizeof(first));
	FUZZ_CHECK(len > 0 && (size_t)len < sizeof(first));
	/* Canonical text may be longer than what it was written as, and then too long. */
	if (hf_selector_parse(arena, first, &again, &err) < 0) {
		FUZZ_CHECK(len > HF_SELECTOR_MAX);
		goto out;
	}
	(void)hf_selector_print(again, second, sizeof(second));
	FUZZ_CHECK(strcmp(first, second) == 0);
	FUZZ_CHECK(hf_selector_has(sel, label, value) == hf_selector_has(again, label, value));
	FUZZ_CHECK(hf_selector_has_global(sel) == hf_selector_has_global(again));
	key = hf_selector_needs(sel, &want);
	got = key ? label(value, key) : NULL;
	if (key && (!got || (want && strcmp(got, want) != 0)))
		FUZZ_CHECK(!hf_selector_has(sel, label, value));
	FUZZ_CHECK(hf_selector_cost(sel) > 0);
	/* Two characters more leave every label's length odd or even. */
	FUZZ_CHECK(hf_selector_prefixed(arena, sel, "p.", "ns.", &moved, NULL) == 0);
	if (!hf_selector_has_global(sel) && !strstr(first, "all()"))
		FUZZ_CHECK(
			hf_selector_has(moved, label, value) == hf_selector_has(sel, label, value));
out:
	hf_arena_free(arena);
	return 0;
}
