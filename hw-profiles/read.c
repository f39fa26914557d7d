/* SPDX-License-Identifier: BSD-3-Clause */

#include "profiles.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hf_read_fail(const struct reader *r, const struct hf_yaml *at, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return hf_fail(r->err, -EINVAL, "%s:%u:%u: %s", r->name, at->line, at->col, text);
}

int hf_read_map(const struct reader *r, const struct hf_yaml *node, const char *const *keys)
{
	size_t i;
	size_t k;

	if (node->kind != HF_YAML_MAP)
		return hf_read_fail(r, node, "a mapping is needed here");
	for (i = 0; i < node->n; i++) {
		for (k = 0; keys[k] && strcmp(keys[k], node->key[i]->text) != 0; k++)
			;
		if (!keys[k])
			return hf_read_fail(
				r, node->key[i], "unknown key '%.64s'", node->key[i]->text);
	}
	return 0;
}

const struct hf_yaml *hf_read_need(
	const struct reader *r, const struct hf_yaml *map, const char *key)
{
	const struct hf_yaml *node = hf_yaml_get(map, key);

	if (!node)
		(void)hf_read_fail(r, map, "key '%s' is missing", key);
	return node;
}

int hf_read_src(const struct reader *r, const struct hf_yaml *map)
{
	const struct hf_yaml *src = hf_read_need(r, map, "src");
	char text[512]; /* a few places in a driver */

	return src ? hf_read_text(r, src, text, sizeof(text), false) : -EINVAL;
}

int hf_read_bool(const struct reader *r, const struct hf_yaml *node, bool *ret)
{
	if (hf_yaml_bool(node, ret) < 0)
		return hf_read_fail(r, node, "true or false is needed here");
	return 0;
}

int hf_read_u32(const struct reader *r, const struct hf_yaml *node, uint32_t min, uint32_t max,
	uint32_t *ret)
{
	char *end = NULL;
	uint64_t v = 0;

	if (node->kind == HF_YAML_SCALAR && node->plain && node->text[0] >= '0' &&
		node->text[0] <= '9' && (node->text[0] != '0' || strchr("x", node->text[1]))) {
		errno = 0;
		v = strtoull(node->text, &end, 0);
	}
	if (!end || *end != '\0' || errno || v < min || v > max)
		return hf_read_fail(
			r, node, "a whole number from %u to %u is needed here", min, max);
	*ret = (uint32_t)v;
	return 0;
}

int hf_read_text(
	const struct reader *r, const struct hf_yaml *node, char *ret, size_t size, bool empty_ok)
{
	const char *c;

	if (node->kind != HF_YAML_SCALAR || hf_yaml_is_null(node))
		return hf_read_fail(r, node, "text is needed here");
	if (!empty_ok && node->text[0] == '\0')
		return hf_read_fail(r, node, "this text must not be empty");
	if (strlen(node->text) >= size)
		return hf_read_fail(r, node, "text longer than %zu bytes", size - 1);
	for (c = node->text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			return hf_read_fail(r, node, "control character in text");
	}
	memcpy(ret, node->text, strlen(node->text) + 1);
	return 0;
}

int hf_read_name(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	unsigned int *ret)
{
	int i;

	if (node->kind != HF_YAML_SCALAR)
		return hf_read_fail(r, node, "the name of a %s is needed here", names->what);
	i = hf_names_find(names, node->text);
	if (i < 0)
		return hf_read_fail(r, node, "unknown %s '%.64s'", names->what, node->text);
	*ret = (unsigned int)i;
	return 0;
}

int hf_read_list(const struct reader *r, const struct hf_yaml *node, size_t max)
{
	if (node->kind != HF_YAML_SEQ)
		return hf_read_fail(r, node, "a list is needed here");
	if (node->n > max)
		return hf_read_fail(r, node, "more than %zu entries", max);
	return 0;
}

int hf_read_bits(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	uint64_t *ret)
{
	uint64_t bits = 0;
	unsigned int bit;
	size_t i;

	if (hf_read_list(r, node, names->n) < 0)
		return -EINVAL;
	for (i = 0; i < node->n; i++) {
		if (hf_read_name(r, node->v[i], names, &bit) < 0)
			return -EINVAL;
		if (bits & (UINT64_C(1) << bit))
			return hf_read_fail(r, node->v[i], "%s '%.64s' given twice", names->what,
				node->v[i]->text);
		bits |= UINT64_C(1) << bit;
	}
	*ret = bits;
	return 0;
}

int hf_read_seq(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	bool empty_ok, struct hf_nic_seq *ret)
{
	struct hf_nic_seq seq = {0};
	const char *at;
	char word[HF_NIC_NAME_SIZE];
	int i;

	if (node->kind != HF_YAML_SCALAR)
		return hf_read_fail(r, node, "%ss joined by '/' are needed here", names->what);
	if (empty_ok && strcmp(node->text, "any") == 0) {
		*ret = seq;
		return 0;
	}
	for (at = node->text;; at += strlen(word) + 1) {
		size_t len = strcspn(at, "/");

		if (len >= sizeof(word) || seq.n == HF_FLOW_ITEMS_MAX)
			return hf_read_fail(r, node, "sequence too long");
		memcpy(word, at, len);
		word[len] = '\0';
		i = hf_names_find(names, word);
		if (i < 0)
			return hf_read_fail(r, node, "unknown %s '%.64s'", names->what, word);
		seq.v[seq.n++] = (uint8_t)i;
		if (at[len] == '\0')
			break;
	}
	*ret = seq;
	return 0;
}

/* The members of struct hf_nic_when that are sets. */
static const struct {
	const char *key;
	const struct hf_names *names;
	size_t offset;
	bool wide;
} sets[] = {
	{"items", &hf_names_layer, offsetof(struct hf_nic_when, items), false},
	{"no_items", &hf_names_layer, offsetof(struct hf_nic_when, no_items), false},
	{"repeated", &hf_names_layer, offsetof(struct hf_nic_when, repeated), false},
	{"frag", &hf_names_frag, offsetof(struct hf_nic_when, frag), false},
	{"fields", &hf_names_field, offsetof(struct hf_nic_when, fields), true},
	{"and_fields", &hf_names_field, offsetof(struct hf_nic_when, and_fields), true},
	{"no_fields", &hf_names_field, offsetof(struct hf_nic_when, no_fields), true},
	{"partial", &hf_names_field, offsetof(struct hf_nic_when, partial), true},
	{"full", &hf_names_field, offsetof(struct hf_nic_when, full), true},
	{"nonzero", &hf_names_field, offsetof(struct hf_nic_when, nonzero), true},
	{"actions", &hf_names_act, offsetof(struct hf_nic_when, actions), false},
	{"all_actions", &hf_names_act, offsetof(struct hf_nic_when, all_actions), false},
	{"no_actions", &hf_names_act, offsetof(struct hf_nic_when, no_actions), false},
	{"first_action", &hf_names_act, offsetof(struct hf_nic_when, first_action), false},
};

/* Those that are truth values; false says nothing and is refused. */
static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{"root", offsetof(struct hf_nic_when, root)},
	{"not_root", offsetof(struct hf_nic_when, not_root)},
	{"range", offsetof(struct hf_nic_when, range)},
	{"priority", offsetof(struct hf_nic_when, priority)},
};

#define N_SETS	(sizeof(sets) / sizeof(*sets))
#define N_FLAGS (sizeof(flags) / sizeof(*flags))

static int read_set(
	const struct reader *r, const struct hf_yaml *node, size_t set, struct hf_nic_when *ret)
{
	char *at = (char *)ret + sets[set].offset;
	uint64_t bits;
	uint32_t low;

	if (hf_read_bits(r, node, sets[set].names, &bits) < 0)
		return -EINVAL;
	if (bits == 0)
		return hf_read_fail(r, node, "an empty list says nothing");
	low = (uint32_t)bits;
	if (sets[set].wide)
		memcpy(at, &bits, sizeof(bits));
	else
		memcpy(at, &low, sizeof(low));
	return 0;
}

static int read_when_key(const struct reader *r, const struct hf_yaml *key,
	const struct hf_yaml *node, struct hf_nic_when *ret)
{
	uint64_t bits;
	bool on;
	size_t i;

	for (i = 0; i < N_SETS; i++) {
		if (strcmp(sets[i].key, key->text) == 0)
			return read_set(r, node, i, ret);
	}
	for (i = 0; i < N_FLAGS; i++) {
		if (strcmp(flags[i].key, key->text) != 0)
			continue;
		if (hf_read_bool(r, node, &on) < 0)
			return -EINVAL;
		if (!on)
			return hf_read_fail(r, node, "false says nothing here");
		*(bool *)((char *)ret + flags[i].offset) = true;
		return 0;
	}
	if (strcmp(key->text, "directions") != 0)
		return hf_read_fail(r, key, "unknown key '%.64s'", key->text);
	if (hf_read_bits(r, node, &hf_names_direction, &bits) < 0)
		return -EINVAL;
	ret->directions = (uint8_t)bits;
	return 0;
}

int hf_read_when(const struct reader *r, const struct hf_yaml *node, struct hf_nic_when *ret)
{
	struct hf_nic_when when = {0};
	size_t i;

	if (node->kind != HF_YAML_MAP)
		return hf_read_fail(r, node, "a mapping is needed here");
	for (i = 0; i < node->n; i++) {
		if (read_when_key(r, node->key[i], node->v[i], &when) < 0)
			return -EINVAL;
	}
	if (when.root && when.not_root)
		return hf_read_fail(r, node, "root and not_root exclude each other");
	*ret = when;
	return 0;
}
