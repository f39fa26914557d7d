/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/read.h"
#include "policy/selector.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Text of the input goes to terminals and logs: nothing in it may steer them. */
static void blank_controls(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

int hf_rd_fail_code(struct hf_rd *rd, struct hf_place place, int code, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* longer text is cut, as in hf_fail() */
	va_end(ap);
	blank_controls(text);
	return hf_fail(rd->err, code, "%s:%u:%u: %s", place.file, place.line, place.col, text);
}

int hf_rd_bad(struct hf_rd *rd, const struct hf_yaml *node, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!rd->key)
		return hf_rd_fail(rd, node, "%s", text);
	return hf_rd_fail(rd, node, "%s: %s", rd->key, text);
}

int hf_rd_nomem(struct hf_rd *rd)
{
	return hf_fail(rd->err, -ENOMEM, "%s: out of memory", rd->file);
}

struct hf_place hf_rd_place(const struct hf_rd *rd, const struct hf_yaml *node)
{
	return (struct hf_place){.file = rd->file, .line = node->line, .col = node->col};
}

const struct hf_yaml *hf_rd_get(const struct hf_yaml *map, const char *key)
{
	const struct hf_yaml *node = hf_yaml_get(map, key);

	return node && !hf_yaml_is_null(node) ? node : NULL;
}

const struct hf_yaml *hf_rd_where(const struct hf_yaml *map, const char *key)
{
	const struct hf_yaml *node = hf_yaml_get(map, key);

	return node ? node : map;
}

static const struct hf_field *field_find(const struct hf_shape *shape, const char *name)
{
	size_t i;

	for (i = 0; i < shape->n; i++) {
		if (strcmp(shape->fields[i].name, name) == 0)
			return &shape->fields[i];
	}
	return NULL;
}

static bool is_unread(const struct hf_shape *shape, const char *name)
{
	size_t i;

	for (i = 0; i < shape->n_unread; i++) {
		if (strcmp(shape->unread[i], name) == 0)
			return true;
	}
	return false;
}

int hf_rd_map(struct hf_rd *rd, const struct hf_yaml *node, const struct hf_shape *shape, void *obj)
{
	const char *key = rd->key;
	size_t i;
	int rc = 0;

	if (node->kind != HF_YAML_MAP)
		return hf_rd_bad(rd, node, "must be a mapping");
	for (i = 0; i < node->n && rc == 0; i++) {
		const struct hf_field *f = field_find(shape, node->key[i]->text);

		if (!f && !shape->open && !is_unread(shape, node->key[i]->text))
			return hf_rd_fail(
				rd, node->key[i], "unknown field '%.64s'", node->key[i]->text);
		if (!f || !f->read || hf_yaml_is_null(node->v[i]))
			continue;
		rd->key = f->name;
		rc = f->read(rd, node->v[i], obj ? (char *)obj + f->at : NULL);
		rd->key = key;
		if (rc == 0 && f->has)
			*(bool *)((char *)obj + f->has) = true;
	}
	return rc;
}

int hf_rd_list(struct hf_rd *rd, const struct hf_yaml *node, hf_rd_fn item, size_t size, size_t max,
	void *dst)
{
	struct {
		size_t n;
		const void *v;
	} list = {.n = node->n};
	char *v;
	size_t i;
	int rc;

	if (node->kind != HF_YAML_SEQ)
		return hf_rd_bad(rd, node, "must be a list");
	if (node->n > max)
		return hf_rd_fail_code(rd, hf_rd_place(rd, node), -E2BIG,
			"%s: %zu entries; at most %zu", rd->key ? rd->key : "list", node->n, max);
	v = hf_arena_calloc(rd->arena, node->n, size);
	if (!v)
		return hf_rd_nomem(rd);
	for (i = 0; i < node->n; i++) {
		rc = item(rd, node->v[i], v + i * size);
		if (rc < 0)
			return rc;
	}
	list.v = v;
	/* All lists of objects.h have this shape; their element types differ. */
	memcpy(dst, &list, sizeof(list));
	return 0;
}

struct top {
	const struct hf_yaml *spec;
};

static int note_spec(struct hf_rd *, const struct hf_yaml *node, void *dst)
{
	*(const struct hf_yaml **)dst = node;
	return 0;
}

static const struct hf_field top_fields[] = {
	{"apiVersion"},
	{"kind"},
	{"metadata"},
	{"spec", note_spec, offsetof(struct top, spec)},
	{"status"},
};

int hf_rd_spec(
	struct hf_rd *rd, const struct hf_yaml *object, const struct hf_shape *shape, void *obj)
{
	const struct hf_shape shape_top = {
		top_fields, sizeof(top_fields) / sizeof(top_fields[0]), shape->open};
	struct top top = {0};
	int rc;

	rc = hf_rd_map(rd, object, &shape_top, &top);
	if (rc < 0 || !top.spec)
		return rc;
	rd->key = "spec";
	rc = hf_rd_map(rd, top.spec, shape, obj);
	rd->key = NULL;
	return rc;
}

/* A whole number that has one spelling. */
static bool is_canonical_int(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && text[len] == '\0' && (text[0] != '0' || len == 1);
}

/* Whether some YAML reader takes a plain scalar for a number: 010, 0x50, 0o7, 0b1, 3_000, 1.10. */
static bool is_number(const char *text)
{
	char digits[64], *end;
	size_t n = 0;

	if (!isdigit((unsigned char)*text) && !strchr("+-.", *text))
		return false;
	for (; *text && n + 1 < sizeof(digits); text++) {
		if (*text != '_')
			digits[n++] = *text;
	}
	digits[n] = '\0';
	if (*text)
		return false;
	if (digits[0] == '0' && n > 2 && strchr("obOB", digits[1]))
		return digits[2 + strspn(digits + 2, "01234567")] == '\0';
	(void)strtod(digits, &end); /* only where it ends matters */
	return end != digits && *end == '\0';
}

bool hf_rd_is_odd_number(const struct hf_yaml *node)
{
	return node->kind == HF_YAML_SCALAR && node->plain && is_number(node->text) &&
	       !is_canonical_int(node->text);
}

int hf_rd_int(const struct hf_yaml *node, int64_t min, int64_t max, int64_t *ret)
{
	return hf_rd_is_odd_number(node) ? -EINVAL : hf_yaml_int(node, min, max, ret);
}

/*
 * calicoctl takes true and numbers where text is asked for, kubectl does not. They are taken here
 * when they can only mean one text; 1.10 might be "1.1" as well.
 */
int hf_rd_str(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	bool truth;
	const char *text = node->text;

	if (node->kind != HF_YAML_SCALAR)
		return hf_rd_bad(rd, node, "must be text");
	if (node->plain && hf_yaml_bool(node, &truth) == 0)
		text = truth ? "true" : "false";
	else if (hf_yaml_is_null(node) || hf_rd_is_odd_number(node))
		return hf_rd_bad(rd, node, "must be text: put '%.64s' in quotes", text);
	text = hf_arena_strdup(rd->arena, text);
	if (!text)
		return hf_rd_nomem(rd);
	*(const char **)dst = text;
	return 0;
}

int hf_rd_text(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	const char *text;
	int rc = hf_rd_str(rd, node, &text);

	if (rc == 0 && text[0] != '\0')
		*(const char **)dst = text;
	return rc;
}

int hf_rd_name(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int rc = hf_rd_text(rd, node, dst);

	if (rc == 0 && node->text[0] && !hf_is_dns_subdomain(node->text))
		return hf_rd_bad(rd, node,
			"'%.64s' is not a name: lower-case letters, digits, '-' and '.', at most "
			"%d characters",
			node->text, HF_NAME_MAX);
	return rc;
}

int hf_rd_bool(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	if (hf_yaml_bool(node, dst) < 0)
		return hf_rd_bad(rd, node, "must be true or false");
	return 0;
}

/* A number with a point or an exponent, or a whole one: what every YAML reader reads alike. */
static bool is_decimal(const char *text)
{
	char *end;

	text += *text == '-';
	if (is_canonical_int(text))
		return true;
	if (text[strspn(text, "0123456789.eE+-")] != '\0' || !strpbrk(text, ".eE"))
		return false;
	(void)strtod(text, &end); /* only where it ends matters */
	return end != text && *end == '\0';
}

int hf_rd_order(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	double v = NAN;

	if (node->kind == HF_YAML_SCALAR && node->plain && is_decimal(node->text))
		v = strtod(node->text, NULL);
	if (!isfinite(v))
		return hf_rd_bad(rd, node, "must be a number");
	*(double *)dst = v;
	return 0;
}

int hf_rd_port16(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 1, 65535, &v) < 0)
		return hf_rd_bad(rd, node, "must be a port number, 1 to 65535");
	*(uint16_t *)dst = (uint16_t)v;
	return 0;
}

int hf_rd_names(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, hf_rd_str, sizeof(const char *), HF_LIST_MAX, dst);
}

static int label_cmp(const void *a, const void *b)
{
	const struct hf_label *x = a, *y = b;

	return strcmp(x->key, y->key);
}

int hf_rd_labels(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_labels *labels = dst;
	struct hf_label *v;
	size_t i;
	int rc;

	if (node->kind != HF_YAML_MAP)
		return hf_rd_bad(rd, node, "must be a mapping");
	v = hf_arena_calloc(rd->arena, node->n, sizeof(*v));
	if (!v)
		return hf_rd_nomem(rd);
	for (i = 0; i < node->n; i++) {
		v[i].key = hf_arena_strdup(rd->arena, node->key[i]->text);
		if (!v[i].key)
			return hf_rd_nomem(rd);
		v[i].value = "";
		rc = hf_yaml_is_null(node->v[i]) ? 0 : hf_rd_str(rd, node->v[i], &v[i].value);
		if (rc < 0)
			return rc;
	}
	qsort(v, node->n, sizeof(*v), label_cmp);
	*labels = (struct hf_labels){.n = node->n, .v = v};
	return 0;
}

int hf_rd_selector(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_selector_spec *spec = dst;
	struct hf_err why = {0};
	int rc = hf_rd_text(rd, node, &spec->text);

	if (rc < 0 || !spec->text)
		return rc;
	spec->place = hf_rd_place(rd, node);
	if (spec->text[strspn(spec->text, " \t")] == '\0')
		return 0;
	rc = hf_selector_parse(rd->arena, spec->text, &spec->sel, &why);
	if (rc == -ENOMEM)
		return hf_rd_nomem(rd);
	return rc < 0 ? hf_rd_bad(rd, node, "%s", why.text) : 0;
}

int hf_rd_word(struct hf_rd *rd, const struct hf_yaml *node, const char *const *words, size_t n,
	bool any_case, unsigned int *ret)
{
	char list[128] = "";
	unsigned int i;

	for (i = 0; node->kind == HF_YAML_SCALAR && i < n; i++) {
		if ((any_case ? strcasecmp : strcmp)(node->text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	for (i = 0; i < n; i++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			i == 0	    ? ""
			: i + 1 < n ? ", "
				    : " or ",
			words[i]);
	if (node->kind != HF_YAML_SCALAR)
		return hf_rd_bad(rd, node, "must be %s", list);
	return hf_rd_bad(rd, node, "'%.64s' is not %s", node->text, list);
}

bool hf_is_dns_label(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		bool edge = i == 0 || i + 1 == len;

		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= '0' && text[i] <= '9') &&
			(edge || text[i] != '-'))
			return false;
	}
	return len > 0;
}

bool hf_is_dns_subdomain(const char *text)
{
	const char *end;

	if (strlen(text) > HF_NAME_MAX)
		return false;
	for (;; text = end + 1) {
		end = strchrnul(text, '.');
		if (!hf_is_dns_label(text, (size_t)(end - text)))
			return false;
		if (*end == '\0')
			return true;
	}
}

bool hf_is_plain_name(const char *text, size_t max)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_.-");

	return len > 0 && len <= max && text[len] == '\0';
}
