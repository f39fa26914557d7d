/* SPDX-License-Identifier: BSD-3-Clause */

/* The template API is in every DPDK since 22.03, not called stable in 22.11. */
#define ALLOW_EXPERIMENTAL_API

#include "shape.h"

#include "key.h"

#include <hepflow/err.h>

#include <rte_errno.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define TABLE_MIN 64	/* rules of the first table of a shape */
#define TABLE_MAX 65536 /* of any */
#define EMPTY_MAX 32	/* tables kept for the next plan */

struct hf_shape {
	struct hf_flow_key key;
	struct rte_flow_pattern_template *pattern;
	struct rte_flow_actions_template *actions;
	struct hf_shape_table *tables; /* the newest, which is the largest, first */
	UT_hash_handle hh;
};

/* Values of these come with each rule; of all others with the template. */
static bool is_free(enum hf_act act)
{
	return act == HF_ACT_MARK || act == HF_ACT_QUEUE || act == HF_ACT_COUNT;
}

static void make_key(const struct hf_flow *flow, struct hf_flow_key *ret)
{
	size_t i;

	hf_flow_key_make(flow, ret);
	memset(&ret->spec, 0, sizeof(ret->spec));
	for (i = 0; i < flow->n_actions; i++) {
		if (is_free(flow->actions[i].act))
			ret->actions[i][1] = 0;
	}
}

int hf_flow_refuse(const struct rte_flow_error *error, int code, struct hf_err *err)
{
	if (code <= 0)
		code = EIO;
	return hf_fail(err, -code, "%s: type %d: %s", strerror(code), (int)error->type,
		error->message ? error->message : "(no message)");
}

/* Not relaxed: that an item is there is matched as well. */
static int make_pattern(
	uint16_t port, const struct hf_rte_flow *built, struct hf_shape *s, struct hf_err *err)
{
	const struct rte_flow_pattern_template_attr attr = {
		.ingress = built->attr.ingress,
		.egress = built->attr.egress,
		.transfer = built->attr.transfer,
	};
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 1] = {};
	struct rte_flow_error error = {0};
	size_t i;

	for (i = 0; built->items[i].type != RTE_FLOW_ITEM_TYPE_END; i++) {
		items[i].type = built->items[i].type;
		items[i].mask = built->items[i].mask;
	}
	items[i].type = RTE_FLOW_ITEM_TYPE_END;
	s->pattern = rte_flow_pattern_template_create(port, &attr, items, &error);
	return s->pattern ? 0 : hf_flow_refuse(&error, rte_errno, err);
}

/* A mask with a configuration: the value is the template's. */
static int make_actions(uint16_t port, const struct hf_flow *flow, const struct hf_rte_flow *built,
	struct hf_shape *s, struct hf_err *err)
{
	const struct rte_flow_actions_template_attr attr = {
		.ingress = built->attr.ingress,
		.egress = built->attr.egress,
		.transfer = built->attr.transfer,
	};
	struct rte_flow_action masks[HF_FLOW_ACTIONS_MAX + 1];
	struct rte_flow_error error = {0};
	size_t i;

	memcpy(masks, built->actions, sizeof(masks));
	for (i = 0; i < flow->n_actions; i++) {
		if (is_free(flow->actions[i].act))
			masks[i].conf = NULL;
	}
	s->actions = rte_flow_actions_template_create(port, &attr, built->actions, masks, &error);
	return s->actions ? 0 : hf_flow_refuse(&error, rte_errno, err);
}

/* Nothing depends on how the driver takes this: what is left goes with the port. */
static void shape_free(struct hf_shapes *shapes, struct hf_shape *s)
{
	struct rte_flow_error error;

	if (s->pattern)
		(void)rte_flow_pattern_template_destroy(shapes->port, s->pattern, &error);
	if (s->actions)
		(void)rte_flow_actions_template_destroy(shapes->port, s->actions, &error);
	free(s);
}

static int shape_get(struct hf_shapes *shapes, const struct hf_flow *flow,
	const struct hf_rte_flow *built, struct hf_shape **ret, struct hf_err *err)
{
	struct hf_flow_key key;
	struct hf_shape *s;
	int rc;

	make_key(flow, &key);
	HASH_FIND(hh, shapes->all, &key, sizeof(key), s);
	if (s) {
		*ret = s;
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return hf_fail(err, -ENOMEM, "out of memory");
	s->key = key;
	rc = make_pattern(shapes->port, built, s, err);
	if (rc == 0)
		rc = make_actions(shapes->port, flow, built, s, err);
	if (rc < 0) {
		shape_free(shapes, s);
		return rc;
	}
	HASH_ADD(hh, shapes->all, key, sizeof(s->key), s);
	*ret = s;
	return 0;
}

static void shape_drop_unused(struct hf_shapes *shapes, struct hf_shape *s)
{
	if (s->tables)
		return;
	HASH_DEL(shapes->all, s);
	shape_free(shapes, s);
}

static int add_table(struct hf_shapes *shapes, struct hf_shape *s, const struct hf_rte_flow *built,
	struct hf_err *err)
{
	uint32_t size = s->tables ? 2 * s->tables->size : TABLE_MIN;
	struct rte_flow_template_table_attr attr = {.flow_attr = built->attr};
	struct hf_shape_table *t = calloc(1, sizeof(*t));
	struct rte_flow_error error = {0};

	if (!t)
		return hf_fail(err, -ENOMEM, "out of memory");
	t->shape = s;
	t->size = attr.nb_flows = size > TABLE_MAX ? TABLE_MAX : size;
	t->table = rte_flow_template_table_create(
		shapes->port, &attr, &s->pattern, 1, &s->actions, 1, &error);
	if (!t->table) {
		free(t);
		return hf_flow_refuse(&error, rte_errno, err);
	}
	LL_PREPEND(s->tables, t);
	shapes->n_empty++;
	return 0;
}

int hf_shape_take(struct hf_shapes *shapes, const struct hf_flow *flow,
	const struct hf_rte_flow *built, struct hf_shape_table **ret, struct hf_err *err)
{
	struct hf_shape_table *t;
	struct hf_shape *s;
	int rc = shape_get(shapes, flow, built, &s, err);

	if (rc < 0)
		return rc;
	for (t = s->tables; t && t->n_rules == t->size; t = t->next)
		;
	if (!t) {
		rc = add_table(shapes, s, built, err);
		if (rc < 0) {
			shape_drop_unused(shapes, s);
			return rc;
		}
		t = s->tables;
	}
	shapes->n_empty -= t->n_rules++ == 0;
	*ret = t;
	return 0;
}

/* One that does not go stays for the next rule of its shape. */
static void table_drop(struct hf_shapes *shapes, struct hf_shape_table *t)
{
	struct rte_flow_error error;

	if (rte_flow_template_table_destroy(shapes->port, t->table, &error) < 0)
		return;
	LL_DELETE(t->shape->tables, t);
	free(t);
	shapes->n_empty--;
}

void hf_shape_give(struct hf_shapes *shapes, struct hf_shape_table *table)
{
	struct hf_shape *s = table->shape;

	if (--table->n_rules > 0)
		return;
	if (++shapes->n_empty <= EMPTY_MAX)
		return;
	table_drop(shapes, table);
	shape_drop_unused(shapes, s);
}

void hf_shape_trim(struct hf_shapes *shapes)
{
	struct hf_shape_table *t, *next_table;
	struct hf_shape *s, *next;

	for (s = shapes->all; s; s = next) {
		next = s->hh.next;
		for (t = s->tables; t; t = next_table) {
			next_table = t->next;
			if (t->n_rules == 0)
				table_drop(shapes, t);
		}
		shape_drop_unused(shapes, s);
	}
}

void hf_shape_forget(struct hf_shapes *shapes)
{
	struct hf_shape_table *t, *next_table;
	struct hf_shape *s, *next;

	for (s = shapes->all; s; s = next) {
		next = s->hh.next;
		for (t = s->tables; t; t = next_table) {
			next_table = t->next;
			free(t);
		}
		HASH_DEL(shapes->all, s);
		free(s);
	}
	shapes->n_empty = 0;
}
