/* SPDX-License-Identifier: BSD-3-Clause */

#include "profiles.h"

#include <errno.h>
#include <string.h>

#define NAMES(list, text)                                                                          \
	const struct hf_names hf_names_##list = {                                                  \
		.what = text, .name = list, .n = sizeof(list) / sizeof(*list)}

static const char *const act[HF_ACT_MAX_] = {
	[HF_ACT_DROP] = "drop",
	[HF_ACT_QUEUE] = "queue",
	[HF_ACT_RSS] = "rss",
	[HF_ACT_MARK] = "mark",
	[HF_ACT_FLAG] = "flag",
	[HF_ACT_JUMP] = "jump",
	[HF_ACT_COUNT] = "count",
	[HF_ACT_AGE] = "age",
	[HF_ACT_PASSTHRU] = "passthru",
	[HF_ACT_SET_TAG] = "set_tag",
	[HF_ACT_SET_META] = "set_meta",
	[HF_ACT_MODIFY_FIELD] = "modify_field",
	[HF_ACT_PORT_ID] = "port_id",
	[HF_ACT_REPRESENTED_PORT] = "represented_port",
	[HF_ACT_DEFAULT_MISS] = "default_miss",
	[HF_ACT_OTHER] = "other",
};
NAMES(act, "action");

static const char *const reject[HF_REJECT_MAX_] = {
	[HF_REJECT_NONE] = "none",
	[HF_REJECT_NO_FLOW_API] = "no-flow-api",
	[HF_REJECT_INGRESS] = "ingress",
	[HF_REJECT_EGRESS] = "egress",
	[HF_REJECT_TRANSFER] = "transfer",
	[HF_REJECT_DIRECTION] = "direction",
	[HF_REJECT_GROUP] = "group",
	[HF_REJECT_PRIORITY] = "priority",
	[HF_REJECT_ITEM] = "item",
	[HF_REJECT_PATTERN] = "pattern",
	[HF_REJECT_FIELD] = "field",
	[HF_REJECT_MASK] = "mask",
	[HF_REJECT_VALUE] = "value",
	[HF_REJECT_RANGE] = "range",
	[HF_REJECT_EMPTY] = "empty",
	[HF_REJECT_ACTION] = "action",
	[HF_REJECT_ACTION_VALUE] = "action-value",
	[HF_REJECT_FATE] = "fate",
	[HF_REJECT_COMBINATION] = "combination",
	[HF_REJECT_SHAPE] = "shape",
	[HF_REJECT_CAPACITY] = "capacity",
	[HF_REJECT_EXISTS] = "exists",
	[HF_REJECT_JUMP] = "jump",
	[HF_REJECT_SYNC] = "sync",
};
NAMES(reject, "reason");

static const char *const mask[HF_MASK_MAX_] = {
	[HF_MASK_NONE] = "none",
	[HF_MASK_ANY] = "any",
	[HF_MASK_EXACT] = "exact",
	[HF_MASK_WIDEN] = "widen",
	[HF_MASK_NARROW] = "narrow",
	[HF_MASK_GLOBAL] = "global",
	[HF_MASK_NONZERO] = "nonzero",
	[HF_MASK_PARTIAL_ONLY] = "partial-only",
	[HF_MASK_IGNORE] = "ignore",
};
NAMES(mask, "kind of mask");

static const char *const order[] = {
	[HF_PRIO_NONE] = "none",
	[HF_PRIO_LOWER] = "lower",
	[HF_PRIO_HIGHER] = "higher",
};
NAMES(order, "order");

static const char *const shape[] = {
	[HF_SHAPE_FREE] = "free",
	[HF_SHAPE_PER_TYPE] = "per-type",
	[HF_SHAPE_GLOBAL] = "global",
};
NAMES(shape, "shape rule");

static const char *const frag[HF_FRAG_MAX_] = {
	[HF_FRAG_UNSAID] = "unsaid",
	[HF_FRAG_NOT] = "not",
	[HF_FRAG_ANY] = "any",
	[HF_FRAG_MF_RANGE] = "mf-range",
	[HF_FRAG_MF] = "mf",
};
NAMES(frag, "fragment form");

static const char *const direction[] = {"ingress", "egress", "transfer"};
NAMES(direction, "direction");

/* enum rte_flow_error_type (DPDK 22.11, lib/ethdev/rte_flow.h) */
static const char *const error_type[] = {
	"NONE",
	"UNSPECIFIED",
	"HANDLE",
	"ATTR_GROUP",
	"ATTR_PRIORITY",
	"ATTR_INGRESS",
	"ATTR_EGRESS",
	"ATTR_TRANSFER",
	"ATTR",
	"ITEM_NUM",
	"ITEM_SPEC",
	"ITEM_LAST",
	"ITEM_MASK",
	"ITEM",
	"ACTION_NUM",
	"ACTION_CONF",
	"ACTION",
};
NAMES(error_type, "error type");

/* These two come from flowgen/base/field.c; see hf_names_find(). */
const struct hf_names hf_names_layer = {.what = "item", .n = HF_LAYER_MAX_};
const struct hf_names hf_names_field = {.what = "field", .n = HF_F_MAX_};

static const char *name_at(const struct hf_names *names, size_t i)
{
	if (names == &hf_names_layer)
		return hf_layer_name((enum hf_layer)i);
	if (names == &hf_names_field)
		return hf_field_info((enum hf_field)i)->name;
	return names->name[i];
}

int hf_names_find(const struct hf_names *names, const char *text)
{
	size_t i;

	for (i = 0; i < names->n; i++) {
		if (strcmp(name_at(names, i), text) == 0)
			return (int)i;
	}
	return -1;
}

/* Those that flow functions of drivers return. */
static const struct {
	const char *name;
	int value;
} errnos[] = {
	{"EPERM", EPERM},
	{"ENOENT", ENOENT},
	{"EIO", EIO},
	{"EAGAIN", EAGAIN},
	{"ENOMEM", ENOMEM},
	{"EBUSY", EBUSY},
	{"EEXIST", EEXIST},
	{"ENODEV", ENODEV},
	{"EINVAL", EINVAL},
	{"ENOSPC", ENOSPC},
	{"ERANGE", ERANGE},
	{"ENOSYS", ENOSYS},
	{"ENOTSUP", ENOTSUP},
	{"ENOBUFS", ENOBUFS},
	{"E2BIG", E2BIG},
};

int hf_errno_find(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(errnos) / sizeof(*errnos); i++) {
		if (strcmp(errnos[i].name, text) == 0)
			return errnos[i].value;
	}
	return -1;
}

const char *hf_act_name(enum hf_act a)
{
	return act[a];
}

const char *hf_reject_name(enum hf_reject r)
{
	return reject[r];
}

const char *hf_mask_kind_name(enum hf_mask_kind kind)
{
	return mask[kind];
}

const char *hf_prio_order_name(enum hf_prio_order o)
{
	return order[o];
}

const char *hf_shape_rule_name(enum hf_shape_rule rule)
{
	return shape[rule];
}
