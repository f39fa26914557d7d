/* SPDX-License-Identifier: BSD-3-Clause */

#include "profiles.h"

#include <errno.h>
#include <string.h>

#define HAS(set, bit) (((set) & (bit)) != 0)

static int read_groups(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"count", "ignored", "src", NULL};
	const struct hf_yaml *count;
	const struct hf_yaml *ignored = hf_yaml_get(node, "ignored");

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	count = hf_read_need(r, node, "count");
	if (!count || hf_read_u32(r, count, 1, UINT32_MAX, &e->groups) < 0)
		return -EINVAL;
	if (ignored && hf_read_bool(r, ignored, &e->group_ignored) < 0)
		return -EINVAL;
	if (e->group_ignored && e->groups > 1)
		return hf_read_fail(
			r, ignored, "the group is ignored, yet there are %u", e->groups);
	return 0;
}

static int check_priorities(
	const struct reader *r, const struct hf_yaml *node, const struct hf_engine *e)
{
	bool several = e->prios_root - e->prio_first > 1 || e->prios > 1;

	if (e->prio_first >= e->prios_root)
		return hf_read_fail(r, node, "no usable priority: first is not below root");
	if (several && e->order == HF_PRIO_NONE)
		return hf_read_fail(r, node, "several priorities without an order");
	if (!several && e->order != HF_PRIO_NONE)
		return hf_read_fail(r, node, "an order, but only one priority");
	if (e->depth_rank && e->order == HF_PRIO_NONE)
		return hf_read_fail(r, node, "depth_rank without an order");
	if ((e->groups > 1) != (e->prios > 0))
		return hf_read_fail(r, node,
			"'others' is needed where there are groups beyond 0, and only there");
	if (e->prio_taken && e->prio_taken < e->prios_root)
		return hf_read_fail(r, node, "'taken' ends among the usable priorities");
	if (e->prio_taken_others && e->prio_taken_others < e->prios)
		return hf_read_fail(r, node, "'taken_others' ends among the usable priorities");
	if (e->prio_taken_others && e->groups < 2)
		return hf_read_fail(r, node, "'taken_others' without other groups");
	return 0;
}

static int read_priorities(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"root", "others", "first", "taken", "taken_others",
		"order", "depth_rank", "src", NULL};
	const struct hf_yaml *root;
	const struct hf_yaml *opt;
	unsigned int order = HF_PRIO_NONE;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	root = hf_read_need(r, node, "root");
	if (!root || hf_read_u32(r, root, 1, UINT32_MAX, &e->prios_root) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "others");
	if (opt && hf_read_u32(r, opt, 1, UINT32_MAX, &e->prios) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "first");
	if (opt && hf_read_u32(r, opt, 1, UINT32_MAX, &e->prio_first) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "taken");
	if (opt && hf_read_u32(r, opt, 1, UINT32_MAX, &e->prio_taken) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "taken_others");
	if (opt && hf_read_u32(r, opt, 1, UINT32_MAX, &e->prio_taken_others) < 0)
		return -EINVAL;
	opt = hf_read_need(r, node, "order");
	if (!opt || hf_read_name(r, opt, &hf_names_order, &order) < 0)
		return -EINVAL;
	e->order = (enum hf_prio_order)order;
	opt = hf_yaml_get(node, "depth_rank");
	if (opt && hf_read_bool(r, opt, &e->depth_rank) < 0)
		return -EINVAL;
	return check_priorities(r, node, e);
}

static int read_shape(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"rule", "type_scope", "src", NULL};
	const struct hf_yaml *rule;
	const struct hf_yaml *scope = hf_yaml_get(node, "type_scope");
	unsigned int n;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	rule = hf_read_need(r, node, "rule");
	if (!rule || hf_read_name(r, rule, &hf_names_shape, &n) < 0)
		return -EINVAL;
	e->shape = (enum hf_shape_rule)n;
	return scope ? hf_read_bool(r, scope, &e->type_scope) : 0;
}

static int read_patterns(const struct reader *r, const struct hf_yaml *list, struct hf_engine *e)
{
	size_t i;
	size_t k;

	if (hf_read_list(r, list, HF_NIC_PATTERNS_MAX) < 0)
		return -EINVAL;
	if (list->n == 0)
		return hf_read_fail(r, list, "an empty list says nothing");
	for (i = 0; i < list->n; i++) {
		struct hf_nic_seq *seq = &e->patterns[i];

		if (hf_read_seq(r, list->v[i], &hf_names_layer, true, seq) < 0)
			return -EINVAL;
		for (k = 0; k < seq->n; k++)
			e->layers |= HF_LAYER_BIT(seq->v[k]);
	}
	e->n_patterns = list->n;
	return 0;
}

static int read_match(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"patterns", "items", "attributes_first", "needs_field",
		"key_bytes", "range_ignored", "own_port", "src", NULL};
	const struct hf_yaml *patterns = hf_yaml_get(node, "patterns");
	const struct hf_yaml *items = hf_yaml_get(node, "items");
	const struct hf_yaml *opt;
	uint64_t bits = 0;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	if (!patterns == !items)
		return hf_read_fail(r, node, "either 'patterns' or 'items' is needed");
	if (patterns && read_patterns(r, patterns, e) < 0)
		return -EINVAL;
	if (items && hf_read_bits(r, items, &hf_names_layer, &bits) < 0)
		return -EINVAL;
	e->layers |= (uint32_t)bits;
	if (e->layers & HF_LAYER_BIT(HF_LAYER_OTHER))
		return hf_read_fail(r, node, "'other' is no item that can be known");
	opt = hf_yaml_get(node, "attributes_first");
	if (opt && hf_read_bool(r, opt, &e->attributes_first) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "needs_field");
	if (opt && hf_read_bool(r, opt, &e->needs_field) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "key_bytes");
	if (opt && hf_read_u32(r, opt, 1, 256, &e->key_bytes) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "own_port");
	if (opt && hf_read_bool(r, opt, &e->own_port) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "range_ignored");
	return opt ? hf_read_bool(r, opt, &e->range_ignored) : 0;
}

static const struct {
	const char *key;
	enum hf_limit_kind kind;
} limit_keys[] = {
	{"not", HF_LIMIT_NOT},
	{"only", HF_LIMIT_ONLY},
	{"masks", HF_LIMIT_MASK},
	{"bits", HF_LIMIT_BITS},
};

static int read_limit(const struct reader *r, const struct hf_yaml *node, enum hf_field f,
	enum hf_limit_kind kind, struct hf_engine *e)
{
	const struct hf_field_info *info = hf_field_info(f);
	struct hf_nic_limit *limit = &e->limits[e->n_limits];
	size_t i;

	if (info->size > sizeof(limit->v[0]))
		return hf_read_fail(r, node, "'%s' is too wide for a list of values", info->name);
	if (e->n_limits == HF_NIC_LIMITS_MAX)
		return hf_read_fail(
			r, node, "more than %d lists of values in an engine", HF_NIC_LIMITS_MAX);
	if ((kind == HF_LIMIT_MASK || kind == HF_LIMIT_BITS) && e->field[f] != HF_MASK_ANY &&
		e->field[f] != HF_MASK_GLOBAL)
		return hf_read_fail(r, node, "masks and bits need mask: any or global");
	if (hf_read_list(r, node, HF_NIC_VALUES_MAX) < 0)
		return -EINVAL;
	if (node->n == 0)
		return hf_read_fail(r, node, "an empty list says nothing");
	limit->field = f;
	limit->kind = kind;
	limit->n = node->n;
	for (i = 0; i < node->n; i++) {
		uint32_t max = (uint32_t)((UINT64_C(1) << (8 * info->size)) - 1);

		if (hf_read_u32(r, node->v[i], 0, max, &limit->v[i]) < 0)
			return -EINVAL;
	}
	e->n_limits++;
	return 0;
}

static int read_forms(
	const struct reader *r, const struct hf_yaml *node, enum hf_field f, struct hf_engine *e)
{
	const struct hf_yaml *forms = hf_yaml_get(node, "forms");
	uint64_t bits = 0;

	if (!forms) {
		if (f == HF_F_IP4_FRAG && e->field[f] == HF_MASK_EXACT)
			return hf_read_fail(r, node, "ipv4.frag needs 'forms'");
		return 0;
	}
	if (f != HF_F_IP4_FRAG)
		return hf_read_fail(r, forms, "only ipv4.frag has forms");
	if (hf_read_bits(r, forms, &hf_names_frag, &bits) < 0)
		return -EINVAL;
	if (bits == 0 || HAS(bits, HF_FRAG_BIT(HF_FRAG_UNSAID)))
		return hf_read_fail(r, forms, "forms other than 'unsaid' are needed");
	e->frag_forms = (uint32_t)bits;
	return 0;
}

static int read_field(const struct reader *r, const struct hf_yaml *key, const struct hf_yaml *node,
	struct hf_engine *e)
{
	static const char *const keys[] = {
		"mask", "danger", "not", "only", "masks", "bits", "forms", "src", NULL};
	const struct hf_yaml *opt;
	unsigned int f;
	unsigned int kind;
	bool danger = false;
	bool dangerous;
	size_t i;

	if (hf_read_name(r, key, &hf_names_field, &f) < 0 || hf_read_map(r, node, keys) < 0 ||
		hf_read_src(r, node) < 0)
		return -EINVAL;
	if (!HAS(e->layers, HF_LAYER_BIT(hf_field_info((enum hf_field)f)->layer)))
		return hf_read_fail(r, key, "the engine does not know the item of '%s'", key->text);
	opt = hf_read_need(r, node, "mask");
	if (!opt || hf_read_name(r, opt, &hf_names_mask, &kind) < 0)
		return -EINVAL;
	e->field[f] = (uint8_t)kind;
	opt = hf_yaml_get(node, "danger");
	if (opt && hf_read_bool(r, opt, &danger) < 0)
		return -EINVAL;
	dangerous = kind == HF_MASK_WIDEN || kind == HF_MASK_NARROW || kind == HF_MASK_IGNORE;
	if (danger && !dangerous)
		return hf_read_fail(r, opt, "danger goes with mask: widen, narrow or ignore only");
	if (!danger && dangerous)
		return hf_read_fail(r, node, "mask: %s needs danger: true",
			hf_mask_kind_name((enum hf_mask_kind)kind));
	for (i = 0; i < sizeof(limit_keys) / sizeof(*limit_keys); i++) {
		opt = hf_yaml_get(node, limit_keys[i].key);
		if (opt && read_limit(r, opt, (enum hf_field)f, limit_keys[i].kind, e) < 0)
			return -EINVAL;
	}
	return read_forms(r, node, (enum hf_field)f, e);
}

static int read_fields(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	bool global = false;
	size_t i;

	if (node->kind != HF_YAML_MAP)
		return hf_read_fail(r, node, "a mapping is needed here");
	for (i = 0; i < node->n; i++) {
		if (read_field(r, node->key[i], node->v[i], e) < 0)
			return -EINVAL;
	}
	for (i = 0; i < HF_F_MAX_; i++)
		global |= e->field[i] == HF_MASK_GLOBAL;
	if (global != (e->shape == HF_SHAPE_GLOBAL))
		return hf_read_fail(r, node, "mask: global and shape: global go together");
	return 0;
}

static int read_lists(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	uint32_t seen = 0;
	size_t i;
	size_t k;

	if (hf_read_list(r, node, HF_NIC_LISTS_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < node->n; i++) {
		struct hf_nic_seq *seq = &e->lists[i];

		if (hf_read_seq(r, node->v[i], &hf_names_act, false, seq) < 0)
			return -EINVAL;
		for (k = 0; k < seq->n; k++)
			seen |= HF_ACT_BIT(seq->v[k]);
	}
	e->n_lists = node->n;
	if (e->n_lists == 0 || seen != e->actions)
		return hf_read_fail(r, node,
			"the lists must use the actions of 'known', all of them and no other");
	return 0;
}

static int check_actions(
	const struct reader *r, const struct hf_yaml *node, const struct hf_engine *e)
{
	bool mark = HAS(e->actions, HF_ACT_BIT(HF_ACT_MARK));
	bool jump = HAS(e->actions, HF_ACT_BIT(HF_ACT_JUMP));

	if (HAS(e->actions, HF_ACT_BIT(HF_ACT_OTHER)))
		return hf_read_fail(r, node, "'other' is no action that can be known");
	if (mark != (hf_yaml_get(node, "mark_max") != NULL))
		return hf_read_fail(r, node, "mark and mark_max go together");
	if (e->drop_with && !HAS(e->actions, HF_ACT_BIT(HF_ACT_DROP)))
		return hf_read_fail(r, node, "drop_with without drop");
	if (e->drop_with & ~e->actions)
		return hf_read_fail(r, node, "drop_with names an action that is not known");
	if (jump != (e->groups > 1))
		return hf_read_fail(r, node, "jump and groups beyond 0 go together");
	if (e->jump_forward && !jump)
		return hf_read_fail(r, node, "jump_forward without jump");
	if (e->fate_optional && e->n_lists)
		return hf_read_fail(r, node, "fate_optional is for engines without 'lists'");
	return 0;
}

static int read_actions(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"known", "lists", "drop_with", "mark_max",
		"fate_optional", "jump_forward", "src", NULL};
	const struct hf_yaml *opt;
	uint64_t bits = 0;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	opt = hf_read_need(r, node, "known");
	if (!opt || hf_read_bits(r, opt, &hf_names_act, &bits) < 0)
		return -EINVAL;
	e->actions = (uint32_t)bits;
	opt = hf_yaml_get(node, "lists");
	if (opt && read_lists(r, opt, e) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "drop_with");
	bits = 0;
	if (opt && hf_read_bits(r, opt, &hf_names_act, &bits) < 0)
		return -EINVAL;
	e->drop_with = (uint32_t)bits;
	opt = hf_yaml_get(node, "mark_max");
	if (opt && hf_read_u32(r, opt, 1, UINT32_MAX, &e->mark_max) < 0)
		return -EINVAL;
	opt = hf_yaml_get(node, "fate_optional");
	bits = 0;
	if (opt && hf_read_bits(r, opt, &hf_names_direction, &bits) < 0)
		return -EINVAL;
	e->fate_optional = (uint32_t)bits;
	opt = hf_yaml_get(node, "jump_forward");
	if (opt && hf_read_bool(r, opt, &e->jump_forward) < 0)
		return -EINVAL;
	return check_actions(r, node, e);
}

static int read_capacity(const struct reader *r, const struct hf_yaml *node, struct hf_engine *e)
{
	static const char *const keys[] = {"rules", "masks", "src", NULL};
	const struct hf_yaml *rules, *masks;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	masks = hf_yaml_get(node, "masks");
	if (masks && hf_read_u32(r, masks, 1, HF_NIC_MASKS_MAX, &e->masks) < 0)
		return -EINVAL;
	rules = hf_yaml_get(node, "rules");
	if (rules)
		return hf_read_u32(r, rules, 1, UINT32_MAX, &e->capacity);
	return masks ? 0 : hf_read_fail(r, node, "capacity needs rules or masks");
}

/* key is what an entry says beside its condition: "reason" or "field". */
static int read_rules(const struct reader *r, const struct hf_yaml *list, const char *key,
	struct hf_nic_rule *ret, size_t *ret_n)
{
	const char *const keys[] = {"when", key, "src", NULL};
	bool reason = strcmp(key, "reason") == 0;
	size_t i;

	if (hf_read_list(r, list, HF_NIC_RULES_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < list->n; i++) {
		const struct hf_yaml *node = list->v[i];
		const struct hf_yaml *when;
		const struct hf_yaml *what;
		unsigned int n;

		if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
			return -EINVAL;
		when = hf_read_need(r, node, "when");
		if (!when || hf_read_when(r, when, &ret[i].when) < 0)
			return -EINVAL;
		if (when->n == 0)
			return hf_read_fail(r, when, "a condition is needed");
		what = hf_read_need(r, node, key);
		if (!what ||
			hf_read_name(r, what, reason ? &hf_names_reject : &hf_names_field, &n) < 0)
			return -EINVAL;
		if (reason && n == HF_REJECT_NONE)
			return hf_read_fail(r, what, "a refusal needs a reason");
		if (reason)
			ret[i].reject = (enum hf_reject)n;
		else
			ret[i].field = (enum hf_field)n;
	}
	*ret_n = list->n;
	return 0;
}

int hf_read_engine(const struct reader *r, const struct hf_yaml *node, struct hf_engine *ret)
{
	static const char *const keys[] = {"name", "directions", "groups", "priorities", "shape",
		"match", "fields", "actions", "capacity", "refuse", "danger", NULL};
	/* In the order in which they need each other. */
	static const struct {
		const char *key;
		bool must;
		int (*read)(const struct reader *, const struct hf_yaml *, struct hf_engine *);
	} parts[] = {
		{"groups", true, read_groups},
		{"priorities", true, read_priorities},
		{"shape", false, read_shape},
		{"match", true, read_match},
		{"fields", true, read_fields},
		{"actions", true, read_actions},
		{"capacity", false, read_capacity},
	};
	const struct hf_yaml *part;
	uint64_t bits = 0;
	size_t i;

	if (hf_read_map(r, node, keys) < 0)
		return -EINVAL;
	part = hf_read_need(r, node, "name");
	if (!part || hf_read_text(r, part, ret->name, sizeof(ret->name), false) < 0)
		return -EINVAL;
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		part = parts[i].must ? hf_read_need(r, node, parts[i].key)
				     : hf_yaml_get(node, parts[i].key);
		if (!part && parts[i].must)
			return -EINVAL;
		if (part && parts[i].read(r, part, ret) < 0)
			return -EINVAL;
	}
	part = hf_yaml_get(node, "directions");
	if (part && hf_read_bits(r, part, &hf_names_direction, &bits) < 0)
		return -EINVAL;
	ret->directions = (uint8_t)bits;
	part = hf_yaml_get(node, "refuse");
	if (part && read_rules(r, part, "reason", ret->refuse, &ret->n_refuse) < 0)
		return -EINVAL;
	part = hf_yaml_get(node, "danger");
	return part ? read_rules(r, part, "field", ret->danger, &ret->n_danger) : 0;
}
