/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/yaml.h>

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>

#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define ANCHORS_MAX 1024 /* of one document: aliases are looked up one by one */

struct anchor {
	const char *name;
	struct hf_yaml *node; /* NULL while the node is still open: an alias to it would loop */
};

struct reader {
	struct hf_arena *arena;
	const char *name;
	const char *text;
	size_t size;
	struct hf_err *err;
	yaml_parser_t parser;
	uint64_t weight; /* of all documents so far */
	HF_VEC(struct anchor) anchors;
};

static int fail_at(struct reader *r, yaml_mark_t mark, int code, const char *what)
{
	return hf_fail(
		r->err, code, "%s:%zu:%zu: %s", r->name, mark.line + 1, mark.column + 1, what);
}

/* libyaml gives only the byte of what is no text. */
static yaml_mark_t byte_mark(const struct reader *r, size_t byte)
{
	yaml_mark_t mark = {0};
	size_t i;

	for (i = 0; i < byte && i < r->size; i++) {
		mark.column++;
		if (r->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static int next_event(struct reader *r, yaml_event_t *ev)
{
	const char *what;

	if (yaml_parser_parse(&r->parser, ev))
		return 0;
	what = r->parser.problem ? r->parser.problem : "not YAML";
	if (r->parser.error == YAML_MEMORY_ERROR)
		return hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
	if (r->parser.error == YAML_READER_ERROR)
		return fail_at(r, byte_mark(r, r->parser.problem_offset), -EINVAL, what);
	return fail_at(r, r->parser.problem_mark, -EINVAL, what);
}

static struct hf_yaml *node_new(struct reader *r, enum hf_yaml_kind kind, yaml_mark_t mark)
{
	struct hf_yaml *node = hf_arena_alloc(r->arena, sizeof(*node));

	if (!node) {
		(void)hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
		return NULL;
	}
	node->kind = kind;
	node->line = (uint32_t)mark.line + 1;
	node->col = (uint32_t)mark.column + 1;
	node->weight = 1;
	node->height = 1;
	return node;
}

static int anchor_open(struct reader *r, const yaml_char_t *name, yaml_mark_t mark, size_t *ret)
{
	struct anchor a = {0};

	*ret = SIZE_MAX;
	if (!name)
		return 0;
	if (r->anchors.n >= ANCHORS_MAX)
		return fail_at(r, mark, -E2BIG, "too many anchors");
	a.name = hf_arena_strdup(r->arena, (const char *)name);
	if (!a.name || hf_vec_push(&r->anchors, a))
		return hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
	*ret = r->anchors.n - 1;
	return 0;
}

static int read_alias(struct reader *r, const yaml_event_t *ev, struct hf_yaml **ret)
{
	size_t i = r->anchors.n;

	while (i-- > 0) {
		if (strcmp(r->anchors.v[i].name, (const char *)ev->data.alias.anchor) != 0)
			continue;
		if (!r->anchors.v[i].node)
			return fail_at(
				r, ev->start_mark, -EINVAL, "alias to a node that contains it");
		*ret = r->anchors.v[i].node;
		return 0;
	}
	return fail_at(r, ev->start_mark, -EINVAL, "alias to an unknown anchor");
}

static int read_scalar(struct reader *r, const yaml_event_t *ev, struct hf_yaml **ret)
{
	struct hf_yaml *node = node_new(r, HF_YAML_SCALAR, ev->start_mark);
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;

	if (!node)
		return -ENOMEM;
	if (memchr(text, '\0', len))
		return fail_at(r, ev->start_mark, -EINVAL, "NUL character in text");
	node->text = hf_arena_strndup(r->arena, text, len);
	if (!node->text)
		return hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
	node->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	*ret = node;
	return 0;
}

static int read_node(struct reader *r, yaml_event_t *ev, unsigned int depth, struct hf_yaml **ret);

static int check_key(struct reader *r, const struct hf_yaml *key, struct hf_yaml **keys, size_t n,
	yaml_mark_t mark)
{
	size_t i;

	if (key->kind != HF_YAML_SCALAR)
		return fail_at(r, mark, -EINVAL, "a key must be plain text");
	/* Mappings with many keys do not occur in our kinds; labels and annotations stay small. */
	for (i = 0; i < n; i++) {
		if (strcmp(keys[i]->text, key->text) == 0)
			return hf_fail(r->err, -EINVAL, "%s:%zu:%zu: key '%.64s' given twice",
				r->name, mark.line + 1, mark.column + 1, key->text);
	}
	return 0;
}

#define KEYS_MAX                                                                                   \
	4096 /* of one mapping: keeps check_key() from going quadratic on hostile input            \
	      */

/* Reads the items of a sequence or the pairs of a mapping up to its end event. */
static int read_items(struct reader *r, struct hf_yaml *node, unsigned int depth)
{
	bool map = node->kind == HF_YAML_MAP;
	HF_VEC(struct hf_yaml *) keys = {};
	HF_VEC(struct hf_yaml *) items = {};
	uint64_t weight = 1;
	int rc;

	for (;;) {
		struct hf_yaml *item = NULL;
		yaml_event_t ev;
		yaml_mark_t mark;
		bool want_key;

		rc = next_event(r, &ev);
		if (rc < 0)
			break;
		if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			break;
		}
		mark = ev.start_mark;
		want_key = map && keys.n == items.n;
		rc = read_node(r, &ev, depth + 1, &item);
		yaml_event_delete(&ev);
		if (rc < 0)
			break;
		weight += item->weight;
		if (item->height >= node->height)
			node->height = item->height + 1;
		if (node->height > HF_YAML_DEPTH_MAX) {
			rc = fail_at(r, mark, -E2BIG, "nested too deep");
			break;
		}
		if (weight + r->weight > HF_YAML_NODES_MAX || keys.n > KEYS_MAX) {
			rc = fail_at(r, mark, -E2BIG,
				keys.n > KEYS_MAX ? "too many keys" : "too many nodes");
			break;
		}
		rc = want_key ? check_key(r, item, keys.v, keys.n, mark) : 0;
		if (rc < 0)
			break;
		if (want_key ? hf_vec_push(&keys, item) : hf_vec_push(&items, item)) {
			rc = hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
			break;
		}
	}
	if (rc == 0) {
		node->n = items.n;
		node->weight = (uint32_t)weight;
		node->key = hf_arena_dup(r->arena, keys.v, keys.n * sizeof(*keys.v));
		node->v = hf_arena_dup(r->arena, items.v, items.n * sizeof(*items.v));
		if (!node->key || !node->v)
			rc = hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
	}
	hf_vec_fini(&keys);
	hf_vec_fini(&items);
	return rc;
}

static int read_node(struct reader *r, yaml_event_t *ev, unsigned int depth, struct hf_yaml **ret)
{
	const yaml_char_t *anchor_name = NULL;
	struct hf_yaml *node = NULL;
	size_t anchor;
	int rc;

	if (depth > HF_YAML_DEPTH_MAX)
		return fail_at(r, ev->start_mark, -E2BIG, "nested too deep");
	if (ev->type == YAML_ALIAS_EVENT)
		return read_alias(r, ev, ret);
	if (ev->type == YAML_SCALAR_EVENT)
		anchor_name = ev->data.scalar.anchor;
	else if (ev->type == YAML_SEQUENCE_START_EVENT)
		anchor_name = ev->data.sequence_start.anchor;
	else if (ev->type == YAML_MAPPING_START_EVENT)
		anchor_name = ev->data.mapping_start.anchor;
	else
		return fail_at(r, ev->start_mark, -EINVAL, "not YAML");

	rc = anchor_open(r, anchor_name, ev->start_mark, &anchor);
	if (rc < 0)
		return rc;
	if (ev->type == YAML_SCALAR_EVENT) {
		rc = read_scalar(r, ev, &node);
	} else {
		node = node_new(r, ev->type == YAML_MAPPING_START_EVENT ? HF_YAML_MAP : HF_YAML_SEQ,
			ev->start_mark);
		rc = node ? read_items(r, node, depth) : -ENOMEM;
	}
	if (rc < 0)
		return rc;
	if (anchor != SIZE_MAX)
		r->anchors.v[anchor].node = node;
	*ret = node;
	return 0;
}

static int read_document(struct reader *r, struct hf_yaml **ret)
{
	yaml_event_t ev;
	int rc = next_event(r, &ev);

	if (rc < 0)
		return rc;
	r->anchors.n = 0; /* anchors end with their document */
	rc = read_node(r, &ev, 0, ret);
	yaml_event_delete(&ev);
	if (rc == 0)
		r->weight += (*ret)->weight;
	return rc;
}

static int read_stream(struct reader *r, struct hf_yaml ***ret_docs, size_t *ret_n)
{
	HF_VEC(struct hf_yaml *) docs = {};
	bool end = false;
	int rc = 0;

	while (!end && rc == 0) {
		struct hf_yaml *doc = NULL;
		yaml_event_t ev;

		rc = next_event(r, &ev);
		if (rc < 0)
			break;
		end = ev.type == YAML_STREAM_END_EVENT;
		if (ev.type == YAML_DOCUMENT_START_EVENT)
			rc = read_document(r, &doc);
		if (rc == 0 && doc && docs.n >= HF_YAML_DOCS_MAX)
			rc = fail_at(r, ev.start_mark, -E2BIG, "too many documents");
		if (rc == 0 && doc && !hf_yaml_is_null(doc) && hf_vec_push(&docs, doc))
			rc = hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
		yaml_event_delete(&ev);
	}
	if (rc == 0) {
		*ret_docs = hf_arena_dup(r->arena, docs.v, docs.n * sizeof(*docs.v));
		*ret_n = docs.n;
		if (!*ret_docs)
			rc = hf_fail(r->err, -ENOMEM, "%s: out of memory", r->name);
	}
	hf_vec_fini(&docs);
	return rc;
}

int hf_yaml_read(struct hf_arena *arena, const char *name, const char *text, size_t size,
	struct hf_yaml ***ret_docs, size_t *ret_n, struct hf_err *err)
{
	struct reader r = {.arena = arena, .name = name, .text = text, .size = size, .err = err};
	int rc;

	if (!yaml_parser_initialize(&r.parser))
		return hf_fail(err, -ENOMEM, "%s: out of memory", name);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	rc = read_stream(&r, ret_docs, ret_n);
	yaml_parser_delete(&r.parser);
	hf_vec_fini(&r.anchors);
	return rc;
}

struct hf_yaml *hf_yaml_get(const struct hf_yaml *map, const char *key)
{
	size_t i;

	for (i = 0; map && map->kind == HF_YAML_MAP && i < map->n; i++) {
		if (strcmp(map->key[i]->text, key) == 0)
			return map->v[i];
	}
	return NULL;
}

bool hf_yaml_is_null(const struct hf_yaml *node)
{
	return node->kind == HF_YAML_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		       strcasecmp(node->text, "null") == 0);
}

int hf_yaml_int(const struct hf_yaml *node, int64_t min, int64_t max, int64_t *ret)
{
	const char *digits;
	char *end;
	long long v;

	if (node->kind != HF_YAML_SCALAR || !node->plain)
		return -EINVAL;
	digits = node->text + (node->text[0] == '-');
	if (digits[0] < '0' || digits[0] > '9')
		return -EINVAL;
	if (digits[0] == '0' && digits[1] != '\0')
		return -EINVAL; /* 010 is eight to some readers and ten to others */
	errno = 0;
	v = strtoll(node->text, &end, 10);
	if (errno || *end != '\0' || v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

int hf_yaml_bool(const struct hf_yaml *node, bool *ret)
{
	if (node->kind != HF_YAML_SCALAR || !node->plain)
		return -EINVAL;
	if (strcasecmp(node->text, "true") == 0)
		*ret = true;
	else if (strcasecmp(node->text, "false") == 0)
		*ret = false;
	else
		return -EINVAL;
	return 0;
}
