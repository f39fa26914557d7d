/* SPDX-License-Identifier: BSD-3-Clause */

/* Objects as YAML that reads back. */

#include "policy/dump.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Words that some YAML reader takes for something else than text. */
static bool is_reserved(const char *text)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

/* "192.0.2.0/24" and the like: three dots, so that it is no number. */
static bool is_dotted(const char *text)
{
	size_t i, dots = 0;

	for (i = 0; text[i]; i++)
		dots += text[i] == '.';
	return dots == 3 && text[strspn(text, "0123456789./")] == '\0';
}

static bool is_plain(const char *text)
{
	bool letter = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');

	return is_dotted(text) ||
	       (letter && !is_reserved(text) &&
		       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789_./-")] == '\0');
}

/* JSON's quoting is YAML's as well. */
static void put_text(const char *text, FILE *out)
{
	json_t *value;

	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	value = json_string(text);
	if (!value || json_dumpf(value, out, JSON_ENCODE_ANY) < 0)
		fputs("# out of memory\n", out);
	json_decref(value);
}

static void put_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		put_text(json_string_value(value), out);
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.17g", json_real_value(value));
	else
		fputs(json_is_true(value) ? "true" : "false", out);
}

static bool is_leaf(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static void put_map(json_t *map, unsigned int indent, bool first_here, FILE *out);

/* Lists of words on one line, lists of mappings one below the other. */
static void put_list(const json_t *list, unsigned int indent, FILE *out)
{
	size_t i, n = json_array_size(list);

	if (n == 0 || is_leaf(json_array_get(list, 0))) {
		fputs(" [", out);
		for (i = 0; i < n; i++) {
			fputs(i ? ", " : "", out);
			put_scalar(json_array_get(list, i), out);
		}
		fputs("]\n", out);
		return;
	}
	fputc('\n', out);
	for (i = 0; i < n; i++) {
		fprintf(out, "%*s- ", (int)indent, "");
		put_map(json_array_get(list, i), indent + 2, true, out);
	}
}

static void put_map(json_t *map, unsigned int indent, bool first_here, FILE *out)
{
	const char *key;
	json_t *value;

	if (json_object_size(map) == 0)
		fputs("{}\n", out);
	json_object_foreach(map, key, value)
	{
		fprintf(out, "%*s", first_here ? 0 : (int)indent, "");
		first_here = false;
		put_text(key, out);
		fputc(':', out);
		if (json_is_array(value)) {
			put_list(value, indent + 2, out);
		} else if (json_is_object(value) && json_object_size(value) > 0) {
			fputc('\n', out);
			put_map(value, indent + 2, false, out);
		} else if (json_is_object(value)) {
			fputs(" {}\n", out);
		} else {
			fputc(' ', out);
			put_scalar(value, out);
			fputc('\n', out);
		}
	}
}

void hf_policy_print(const struct hf_policy *policy, FILE *out)
{
	size_t i;

	for (i = 0; i < policy->entries.n; i++) {
		json_t *obj = hf_dump_entry(&policy->entries.v[i]);

		fputs("---\n", out);
		if (obj)
			put_map(obj, 0, false, out);
		else
			fputs("# out of memory\n", out);
		json_decref(obj);
	}
}
