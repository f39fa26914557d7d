/* SPDX-License-Identifier: BSD-3-Clause */

#include "async.h"
#include "switch.h"

#include <hepflow/rteflow.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Reasons that no value of a rule can do away with. */
#define FOR_ALL_VALUES                                                                             \
	(1u << HF_REJECT_INGRESS | 1u << HF_REJECT_EGRESS | 1u << HF_REJECT_TRANSFER |             \
		1u << HF_REJECT_DIRECTION | 1u << HF_REJECT_GROUP | 1u << HF_REJECT_PRIORITY |     \
		1u << HF_REJECT_ITEM | 1u << HF_REJECT_PATTERN | 1u << HF_REJECT_FIELD |           \
		1u << HF_REJECT_MASK | 1u << HF_REJECT_ACTION | 1u << HF_REJECT_FATE)
#define ITEM_SIZE_MAX 64 /* see hf_rte_spec */

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

/* A copy with all that it points to, in one piece; NULL: out of memory, or not known to DPDK. */
static void *copy(enum rte_flow_conv_op op, const void *from)
{
	int len = rte_flow_conv(op, NULL, 0, from, NULL);
	void *to = len > 0 ? malloc((size_t)len) : NULL;

	if (to && rte_flow_conv(op, to, (size_t)len, from, NULL) != len) {
		free(to);
		to = NULL;
	}
	return to;
}

static const struct rte_flow_item *next_item(const struct rte_flow_item *item)
{
	while (item->type == RTE_FLOW_ITEM_TYPE_VOID)
		item++;
	return item;
}

static const struct rte_flow_action *next_action(const struct rte_flow_action *action)
{
	while (action->type == RTE_FLOW_ACTION_TYPE_VOID)
		action++;
	return action;
}

int hf_vnic_template_items(const struct rte_flow_pattern_template *t,
	const struct rte_flow_item given[], struct rte_flow_item *ret, struct rte_flow_error *error)
{
	static const _Alignas(8) uint8_t zeros[ITEM_SIZE_MAX];
	const struct rte_flow_item *item = next_item(t->items);
	size_t n;

	for (n = 0; item->type != RTE_FLOW_ITEM_TYPE_END; n++, item = next_item(item + 1)) {
		if (given)
			given = next_item(given);
		if (given && given->type != item->type)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
				"the items are not those of the template");
		if (given && item->mask && !given->spec)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
				"the template has a mask, so a value is needed");
		if (n == HF_FLOW_ITEMS_MAX)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
				"too many items for net_vnic");
		ret[n] = (struct rte_flow_item){.type = item->type, .mask = item->mask};
		if (item->mask) {
			ret[n].spec = given ? given->spec : zeros;
			ret[n].last = given ? given->last : NULL;
		}
		if (given)
			given++;
	}
	if (given && next_item(given)->type != RTE_FLOW_ITEM_TYPE_END)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
			"the items are not those of the template");
	ret[n] = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_END};
	return 0;
}

/* As mlx5 looks at masks (mlx5_flow_hw.c, __flow_hw_actions_translate): of some actions only a
 * value that is not zero fixes the template's. */
static bool is_fixed(const struct rte_flow_action *mask)
{
	if (!mask->conf)
		return false;
	switch ((int)mask->type) {
	case RTE_FLOW_ACTION_TYPE_MARK:
		return ((const struct rte_flow_action_mark *)mask->conf)->id != 0;
	case RTE_FLOW_ACTION_TYPE_QUEUE:
		return ((const struct rte_flow_action_queue *)mask->conf)->index != 0;
	case RTE_FLOW_ACTION_TYPE_JUMP:
		return ((const struct rte_flow_action_jump *)mask->conf)->group != 0;
	default:
		return true;
	}
}

/* What an action of the template stands for: of an indirect one the mask tells. */
static enum rte_flow_action_type type_of(const struct rte_flow_actions_template *t, size_t i)
{
	bool indirect = t->actions[i].type == RTE_FLOW_ACTION_TYPE_INDIRECT;

	return indirect ? t->masks[i].type : t->actions[i].type;
}

bool hf_vnic_template_fits(const struct rte_flow_actions_template *t, const struct hf_flow *flow)
{
	size_t i, n = 0;

	for (i = 0; t->actions[i].type != RTE_FLOW_ACTION_TYPE_END; i++) {
		enum hf_act want =
			type_of(t, i) == RTE_FLOW_ACTION_TYPE_AGE ? HF_ACT_AGE : HF_ACT_COUNT;

		if (t->actions[i].type == RTE_FLOW_ACTION_TYPE_VOID)
			continue;
		if (t->actions[i].type == RTE_FLOW_ACTION_TYPE_INDIRECT &&
			flow->actions[n].act != want)
			return false;
		n++;
	}
	return true;
}

int hf_vnic_template_actions(const struct rte_flow_actions_template *t,
	const struct rte_flow_action given[], struct rte_flow_action *ret,
	struct rte_flow_error *error)
{
	size_t i, n = 0;

	for (i = 0; t->actions[i].type != RTE_FLOW_ACTION_TYPE_END; i++) {
		if (t->actions[i].type == RTE_FLOW_ACTION_TYPE_VOID)
			continue;
		if (given)
			given = next_action(given);
		if (given && given->type != t->actions[i].type)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
				"the actions are not those of the template");
		if (n == HF_FLOW_ACTIONS_MAX)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
				"too many actions for net_vnic");
		ret[n] = given && !is_fixed(&t->masks[i]) ? *given : t->actions[i];
		if (!given) /* any of its kind */
			ret[n].type = type_of(t, i);
		n++;
		if (given)
			given++;
	}
	if (given && next_action(given)->type != RTE_FLOW_ACTION_TYPE_END)
		return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
			"the actions are not those of the template");
	ret[n] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_END};
	return 0;
}

/* Some engine knows all the items. */
static bool knows_items(const struct hf_nic *nic, uint32_t layers)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (!(layers & ~nic->engine[i].layers))
			return true;
	}
	return false;
}

static int check_items(const struct hf_vnic *vnic, const struct rte_flow_pattern_template *t,
	struct rte_flow_error *error)
{
	const struct hf_nic *nic = vnic->nic;
	bool is_proxy = !nic->transfer_proxy || vnic->swport->representor == HF_VNIC_NO_REPRESENTOR;
	static const struct rte_flow_action no_actions = {.type = RTE_FLOW_ACTION_TYPE_END};
	struct rte_flow_attr attr = {
		.ingress = t->attr.ingress,
		.egress = t->attr.egress,
		.transfer = t->attr.transfer,
	};
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 1];
	enum hf_reject reject;
	struct hf_flow flow;
	int rc;

	if (t->attr.transfer && (!nic->transfer || !is_proxy))
		return hf_vnic_flow_refuse(nic, HF_REJECT_TRANSFER, NULL, error);
	if (nic->transfer && t->attr.ingress + t->attr.egress + t->attr.transfer != 1)
		return hf_vnic_flow_refuse(nic, HF_REJECT_DIRECTION, NULL, error);
	rc = hf_vnic_template_items(t, NULL, items, error);
	if (rc < 0)
		return rc;
	reject = hf_rte_flow_read(&attr, items, &no_actions, &flow);
	if (reject)
		return hf_vnic_flow_refuse_unread(nic, reject, error);
	if (!knows_items(nic, flow.pattern.layers))
		return hf_vnic_flow_refuse(nic, HF_REJECT_ITEM, &flow, error);
	return 0;
}

struct rte_flow_pattern_template *hf_vnic_pattern_template_create(struct rte_eth_dev *dev,
	const struct rte_flow_pattern_template_attr *attr, const struct rte_flow_item items[],
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow_pattern_template *t = calloc(1, sizeof(*t));

	if (t) {
		t->attr = *attr;
		t->items = copy(RTE_FLOW_CONV_OP_PATTERN, items);
	}
	if (!t || !t->items) {
		hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "cannot copy the pattern");
		free(t);
		return NULL;
	}
	if (check_items(vnic, t, error) < 0) {
		free(t->items);
		free(t);
		return NULL;
	}
	pthread_mutex_lock(vnic->lock);
	LL_PREPEND(vnic->async->patterns, t);
	pthread_mutex_unlock(vnic->lock);
	return t;
}

static void pattern_free(struct hf_vnic_async *async, struct rte_flow_pattern_template *t)
{
	LL_DELETE(async->patterns, t);
	free(t->items);
	free(t);
}

static bool has_pattern(
	const struct hf_vnic_async *async, const struct rte_flow_pattern_template *t)
{
	const struct rte_flow_pattern_template *other;

	for (other = async->patterns; other; other = other->next) {
		if (other == t)
			return true;
	}
	return false;
}

int hf_vnic_pattern_template_destroy(
	struct rte_eth_dev *dev, struct rte_flow_pattern_template *t, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (!has_pattern(vnic->async, t))
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no such pattern template");
	else if (t->n_users)
		rc = hf_vnic_flow_fail(
			error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "item template in using");
	else
		pattern_free(vnic->async, t);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* Counters and ages, shared or not (mlx5_flow_hw.c, flow_hw_validate_action_indirect and others).
 */
struct meters {
	bool count;
	bool age;
	bool fixed_count; /* all rules have the template's */
};

static int fail_action(struct rte_flow_error *error, const char *text)
{
	return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, text);
}

static int check_count(const struct hf_vnic_async *async, bool fixed, struct meters *m,
	struct rte_flow_error *error)
{
	if (!async->n_counters)
		return fail_action(error, "counters pool not initialized");
	if (m->count)
		return fail_action(error, "duplicate count actions set");
	if (m->age && fixed)
		return fail_action(error, "AGE and fixed COUNT combination is not supported");
	m->count = true;
	m->fixed_count = fixed;
	return 0;
}

static int check_age(
	const struct hf_vnic_async *async, struct meters *m, struct rte_flow_error *error)
{
	if (!async->n_ages)
		return fail_action(error, "aging pool not initialized");
	if (m->age)
		return fail_action(error, "duplicate AGE actions set");
	if (m->fixed_count)
		return fail_action(error, "AGE and fixed COUNT combination is not supported");
	m->age = true;
	return 0;
}

static int check_meters(const struct hf_vnic_async *async,
	const struct rte_flow_actions_template *t, struct rte_flow_error *error)
{
	struct meters m = {};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && t->actions[i].type != RTE_FLOW_ACTION_TYPE_END; i++) {
		bool indirect = t->actions[i].type == RTE_FLOW_ACTION_TYPE_INDIRECT;
		bool fixed = indirect && t->actions[i].conf && t->masks[i].conf;

		switch ((int)type_of(t, i)) {
		case RTE_FLOW_ACTION_TYPE_COUNT:
			rc = check_count(async, fixed, &m, error);
			break;
		case RTE_FLOW_ACTION_TYPE_AGE:
			rc = fixed ? hf_vnic_flow_fail(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
					     "Fixed indirect age action is not supported")
				   : check_age(async, &m, error);
			break;
		default:
			if (indirect)
				rc = hf_vnic_flow_fail(error, ENOTSUP,
					RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
					"Unsupported indirect action type");
		}
	}
	return rc;
}

/* Only kinds count here: values may come with the rules. */
static int check_actions(struct hf_vnic *vnic, const struct rte_flow_actions_template *t,
	struct rte_flow_error *error)
{
	static const struct rte_flow_item no_items = {.type = RTE_FLOW_ITEM_TYPE_END};
	struct rte_flow_attr attr = {.ingress = 1};
	const struct hf_nic *nic = vnic->nic;
	struct hf_flow flow;
	size_t i, e;

	for (i = 0; t->actions[i].type != RTE_FLOW_ACTION_TYPE_END; i++) {
		const struct rte_flow_action one[] = {
			{.type = t->actions[i].type, .conf = t->actions[i].conf},
			{.type = RTE_FLOW_ACTION_TYPE_END}};

		if (t->actions[i].type == RTE_FLOW_ACTION_TYPE_INDIRECT)
			continue; /* see check_meters() */
		if (t->masks[i].type != t->actions[i].type)
			return hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
				"mask type does not match action type");
		if (hf_rte_flow_read(&attr, &no_items, one, &flow) || flow.n_actions == 0)
			continue;
		for (e = 0; e < nic->n_engines; e++) {
			if (nic->engine[e].actions & HF_ACT_BIT(flow.actions[0].act))
				break;
		}
		if (e == nic->n_engines)
			return hf_vnic_flow_refuse(nic, HF_REJECT_ACTION, &flow, error);
	}
	return check_meters(vnic->async, t, error);
}

static void actions_free(struct rte_flow_actions_template *t)
{
	free(t->actions);
	free(t->masks);
	free(t);
}

struct rte_flow_actions_template *hf_vnic_actions_template_create(struct rte_eth_dev *dev,
	const struct rte_flow_actions_template_attr *attr, const struct rte_flow_action actions[],
	const struct rte_flow_action masks[], struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow_actions_template *t = calloc(1, sizeof(*t));

	if (!t) {
		hf_vnic_flow_fail(error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "out of memory");
		return NULL;
	}
	t->attr = *attr;
	t->actions = copy(RTE_FLOW_CONV_OP_ACTIONS, actions);
	t->masks = copy(RTE_FLOW_CONV_OP_ACTIONS, masks);
	if (!t->actions || !t->masks) {
		hf_vnic_flow_fail(
			error, ENOMEM, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "cannot copy the actions");
		actions_free(t);
		return NULL;
	}
	pthread_mutex_lock(vnic->lock);
	if (check_actions(vnic, t, error) < 0) {
		actions_free(t);
		t = NULL;
	} else {
		LL_PREPEND(vnic->async->actions, t);
	}
	pthread_mutex_unlock(vnic->lock);
	return t;
}

static bool has_actions(
	const struct hf_vnic_async *async, const struct rte_flow_actions_template *t)
{
	const struct rte_flow_actions_template *other;

	for (other = async->actions; other; other = other->next) {
		if (other == t)
			return true;
	}
	return false;
}

int hf_vnic_actions_template_destroy(
	struct rte_eth_dev *dev, struct rte_flow_actions_template *t, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (!has_actions(vnic->async, t)) {
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no such actions template");
	} else if (t->n_users) {
		rc = hf_vnic_flow_fail(
			error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "action template in using");
	} else {
		LL_DELETE(vnic->async->actions, t);
		actions_free(t);
	}
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

/* What no rule of these two templates can be, whatever its values. */
static int check_pair(struct hf_vnic *vnic, const struct rte_flow_attr *attr,
	const struct rte_flow_pattern_template *p, const struct rte_flow_actions_template *a,
	struct rte_flow_error *error)
{
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 1];
	struct rte_flow_action actions[HF_FLOW_ACTIONS_MAX + 1];
	enum hf_reject reject;
	struct hf_flow flow;
	int rc = hf_vnic_template_items(p, NULL, items, error);

	if (rc == 0)
		rc = hf_vnic_template_actions(a, NULL, actions, error);
	if (rc < 0)
		return rc;
	reject = hf_rte_flow_read(attr, items, actions, &flow);
	if (reject) /* a value that comes with the rule, else the rule is refused */
		return 0;
	if (hf_nic_accept(vnic->nic, &flow, &reject) || !(FOR_ALL_VALUES & 1u << reject))
		return 0;
	return hf_vnic_flow_refuse(vnic->nic, reject, &flow, error);
}

static int check_table(
	struct hf_vnic *vnic, const struct rte_flow_template_table *t, struct rte_flow_error *error)
{
	unsigned int p, a;
	int rc = 0;

	for (p = 0; p < t->n_patterns; p++) {
		for (a = 0; rc == 0 && a < t->n_actions; a++)
			rc = check_pair(
				vnic, &t->attr.flow_attr, t->patterns[p], t->actions[a], error);
	}
	return rc;
}

static bool are_ours(const struct hf_vnic_async *async, const struct rte_flow_template_table *t)
{
	unsigned int i;

	for (i = 0; i < t->n_patterns; i++) {
		if (!has_pattern(async, t->patterns[i]))
			return false;
	}
	for (i = 0; i < t->n_actions; i++) {
		if (!has_actions(async, t->actions[i]))
			return false;
	}
	return true;
}

/* One more or one less user of each template. */
static void use_templates(struct rte_flow_template_table *t, int n)
{
	unsigned int i;

	for (i = 0; i < t->n_patterns; i++)
		t->patterns[i]->n_users += (uint32_t)n;
	for (i = 0; i < t->n_actions; i++)
		t->actions[i]->n_users += (uint32_t)n;
}

struct rte_flow_template_table *hf_vnic_template_table_create(struct rte_eth_dev *dev,
	const struct rte_flow_template_table_attr *attr,
	struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
	struct rte_flow_actions_template *actions[], uint8_t n_actions,
	struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_flow_template_table *t = calloc(1, sizeof(*t));
	int rc = t ? 0 : -ENOMEM;

	if (n_patterns > (attr->flow_attr.group ? HF_VNIC_PATTERNS_MAX : HF_VNIC_PATTERNS_ROOT) ||
		n_actions > HF_VNIC_ACTIONS_MAX || n_patterns == 0 || n_actions == 0)
		rc = -EINVAL;
	if (rc < 0) {
		hf_vnic_flow_fail(
			error, -rc, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "fail to create rte table");
		free(t);
		return NULL;
	}
	t->attr = *attr;
	t->n_patterns = n_patterns;
	t->n_actions = n_actions;
	memcpy(t->patterns, patterns, n_patterns * sizeof(patterns[0]));
	memcpy(t->actions, actions, n_actions * sizeof(actions[0]));
	pthread_mutex_lock(vnic->lock);
	if (!are_ours(vnic->async, t))
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no such template");
	else
		rc = check_table(vnic, t, error);
	if (rc < 0) {
		free(t);
		t = NULL;
	} else {
		use_templates(t, 1);
		LL_PREPEND(vnic->async->tables, t);
	}
	pthread_mutex_unlock(vnic->lock);
	return t;
}

bool hf_vnic_has_table(const struct hf_vnic_async *async, const struct rte_flow_template_table *t)
{
	const struct rte_flow_template_table *other;

	for (other = async->tables; other; other = other->next) {
		if (other == t)
			return true;
	}
	return false;
}

static void table_free(struct hf_vnic_async *async, struct rte_flow_template_table *t)
{
	use_templates(t, -1);
	LL_DELETE(async->tables, t);
	free(t);
}

int hf_vnic_template_table_destroy(
	struct rte_eth_dev *dev, struct rte_flow_template_table *t, struct rte_flow_error *error)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = 0;

	pthread_mutex_lock(vnic->lock);
	if (!hf_vnic_has_table(vnic->async, t))
		rc = hf_vnic_flow_fail(
			error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "no such table");
	else if (t->n_rules)
		rc = hf_vnic_flow_fail(
			error, EBUSY, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, "table in using");
	else
		table_free(vnic->async, t);
	pthread_mutex_unlock(vnic->lock);
	return rc;
}

void hf_vnic_templates_free(struct hf_vnic_async *async)
{
	while (async->tables)
		table_free(async, async->tables);
	while (async->patterns)
		pattern_free(async, async->patterns);
	while (async->actions) {
		struct rte_flow_actions_template *t = async->actions;

		LL_DELETE(async->actions, t);
		actions_free(t);
	}
}
