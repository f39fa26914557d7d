/* SPDX-License-Identifier: BSD-3-Clause */

#include "items.h"

#include <errno.h>
#include <stdlib.h>

/*
 * States a NIC without connection tracking cannot tell apart. INVALID is not its business
 * (docs/architecture.md), UNTRACKED is made by rules and not by the packet.
 */
#define HIDDEN (HF_CT_BIT(HF_CT_ESTABLISHED) | HF_CT_BIT(HF_CT_RELATED))
#define SEEN   (HIDDEN | HF_CT_BIT(HF_CT_NEW))

/* Jumps within jumps; a chain of tiers is as long as there are tiers. */
#define DEPTH_MAX 4096

struct walk {
	const struct hf_rules *rules;
	const struct hf_path *path;
	uint16_t out;
	struct items *items;
	enum hf_fallback fallback;
};

static int push(struct walk *w, const struct item *item)
{
	struct items *l = w->items;
	size_t cap = l->cap ? l->cap * 2 : 64;
	struct item *v;

	if (l->n == l->cap) {
		v = reallocarray(l->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *item;
	return 0;
}

void hf_items_fini(struct items *items)
{
	free(items->v);
	free(items->guards);
	*items = (struct items){0};
}

static enum hf_fate fate_of(const struct walk *w, enum hf_verdict v)
{
	enum hf_from from = hf_rules_iface(w->rules, w->path->in)->from;

	if (v == HF_VERDICT_NO_DECISION)
		v = hf_rules_kernel_policy(w->rules, from, w->path->class);
	if (v == HF_VERDICT_ALLOW_UNTRACKED)
		return HF_FATE_ALLOW_UNTRACKED;
	return v == HF_VERDICT_ALLOW ? HF_FATE_ALLOW : HF_FATE_DENY;
}

static int walk_block(
	struct walk *w, uint32_t block, const struct cube *ctx, uint8_t ct, unsigned int depth);

/* One rule within one cube: an item, or the items of the block it goes to. */
static int walk_cube(struct walk *w, const struct hf_rule *rule, struct item *item,
	enum hf_reason awkward, unsigned int depth)
{
	if (awkward) {
		item->fate = HF_FATE_PUNT;
		item->reason = awkward;
		item->ct = SEEN;
		return push(w, item);
	}
	if (rule->op == HF_OP_GOTO)
		return walk_block(w, rule->target, &item->cube, item->ct, depth + 1);
	if (rule->op == HF_OP_LOG || rule->offload == HF_OFFLOAD_FORBID) {
		item->fate = HF_FATE_PUNT;
		item->reason = rule->op == HF_OP_LOG ? HF_REASON_LOG : HF_REASON_OPERATOR;
		return push(w, item);
	}
	if (rule->verdict == HF_VERDICT_NO_DECISION && w->fallback == HF_FALLBACK_KERNEL) {
		item->fate = HF_FATE_PUNT;
		item->reason = HF_REASON_KERNEL;
	} else {
		item->fate = fate_of(w, rule->verdict);
	}
	return push(w, item);
}

/* Returns 1 when the rule leaves nothing of ctx for the rules behind it, 0, or -ENOMEM. */
static int walk_rule(struct walk *w, const struct hf_rule *rule, const struct cube *ctx, uint8_t ct,
	unsigned int depth)
{
	struct item item = {.ct = ct & rule->match.ct, .origin = rule->origin};
	enum hf_reason awkward = HF_REASON_NONE;
	struct cubes cubes = {0};
	bool all;
	size_t i;
	int rc;

	if (!item.ct || rule->match.dnated_only ||
		(rule->match.out != HF_IF_ANY && rule->match.out != w->out))
		return 0;
	rc = hf_cubes_expand(w->rules, &rule->match, ctx, &cubes, &awkward);
	if (rc == -E2BIG)
		rc = 0;
	all = !awkward && item.ct == ct && rule->op != HF_OP_LOG && cubes.n == 1 &&
	      hf_cube_covers(&cubes.v[0], ctx);
	for (i = 0; i < cubes.n && rc == 0; i++) {
		item.cube = cubes.v[i];
		rc = walk_cube(w, rule, &item, awkward, depth);
	}
	hf_cubes_fini(&cubes);
	return rc < 0 ? rc : all;
}

static int walk_block(
	struct walk *w, uint32_t block, const struct cube *ctx, uint8_t ct, unsigned int depth)
{
	const struct hf_block *b = hf_rules_block(w->rules, block);
	struct item rest = {.cube = *ctx, .ct = SEEN, .reason = HF_REASON_CAPACITY};
	uint32_t i;
	int rc = 0;

	if (w->items->n >= ITEMS_MAX || depth > DEPTH_MAX)
		return push(w, &rest);
	for (i = 0; i < b->n_rules && rc == 0; i++)
		rc = walk_rule(w, &b->rules[i], ctx, ct, depth);
	return rc < 0 ? rc : 0;
}

static int list_guards(struct items *items)
{
	size_t i;

	items->guards = calloc(items->n + 1, sizeof(*items->guards));
	if (!items->guards)
		return -ENOMEM;
	for (i = 0; i < items->n; i++) {
		if (!(items->v[i].ct & HF_CT_BIT(HF_CT_NEW)))
			items->guards[items->n_guards++] = i;
	}
	return 0;
}

int hf_items_build(const struct hf_rules *rules, const struct hf_path *path, uint16_t out,
	uint8_t family, enum hf_fallback fallback, struct items *ret)
{
	struct items items = {0};
	struct walk w = {
		.rules = rules, .path = path, .out = out, .items = &items, .fallback = fallback};
	struct cube all = hf_cube_all(family);
	int rc = walk_block(&w, path->block, &all, SEEN, 0);

	if (rc == 0)
		rc = list_guards(&items);
	if (rc < 0) {
		hf_items_fini(&items);
		return rc;
	}
	*ret = items;
	return 0;
}

/* Whether all packets of a region meet an entry before item i; that of one item is enough to ask.
 */
static bool decided_before(const struct items *items, size_t i, const struct cube *region)
{
	size_t k;

	for (k = 0; k < i; k++) {
		if ((items->v[k].ct & HF_CT_BIT(HF_CT_NEW)) &&
			hf_cube_covers(&items->v[k].cube, region))
			return true;
	}
	return false;
}

/*
 * Whether packets of item i that are in a hidden state meet the same fate. Guards before i may have
 * taken them; what no guard takes is i's if i decides for the state. Earlier items that decide NEW
 * as well are no guards: they are entries of their own, and stronger.
 */
static bool state_agrees(const struct items *items, size_t i, uint8_t state)
{
	const struct item *item = &items->v[i];
	struct cube both;
	bool whole;
	size_t k;

	for (k = 0; k < items->n_guards && items->guards[k] < i; k++) {
		const struct item *guard = &items->v[items->guards[k]];

		if (!(guard->ct & state) || !hf_cube_intersect(&guard->cube, &item->cube, &both))
			continue;
		whole = hf_cube_covers(&guard->cube, &item->cube);
		if (guard->fate != item->fate && (whole || !decided_before(items, i, &both)))
			return false;
		if (whole)
			return true;
	}
	return item->ct & state;
}

enum sight hf_items_sight(const struct items *items, size_t i)
{
	if (!(items->v[i].ct & HF_CT_BIT(HF_CT_NEW)))
		return SIGHT_MIXED;
	if (state_agrees(items, i, HF_CT_BIT(HF_CT_ESTABLISHED)) &&
		state_agrees(items, i, HF_CT_BIT(HF_CT_RELATED)))
		return SIGHT_DECIDED;
	return SIGHT_OPENING;
}

/* The first fate is taken down; false when a later one differs. */
static bool agree(const struct item *item, enum hf_fate *fate, bool *first, uint32_t *origin)
{
	if (*first) {
		*fate = item->fate;
		*origin = item->origin;
		*first = false;
	}
	return item->fate == *fate && item->fate != HF_FATE_PUNT;
}

enum hf_fate hf_items_decide(const struct items *items, const struct cube *region,
	uint32_t *ret_origin, enum hf_reason *ret_reason)
{
	static const uint8_t states[] = {
		HF_CT_BIT(HF_CT_NEW), HF_CT_BIT(HF_CT_ESTABLISHED), HF_CT_BIT(HF_CT_RELATED)};
	enum hf_fate fate = HF_FATE_PUNT;
	bool first = true;
	size_t s, i;

	for (s = 0; s < sizeof(states); s++) {
		for (i = 0; i < items->n; i++) {
			const struct item *item = &items->v[i];

			if (!(item->ct & states[s]) || !hf_cube_meets(&item->cube, region))
				continue;
			if (!agree(item, &fate, &first, ret_origin)) {
				*ret_reason = item->fate == HF_FATE_PUNT ? item->reason
					      : s			 ? HF_REASON_STATEFUL
									 : HF_REASON_OVERLAP;
				return HF_FATE_PUNT;
			}
			if (hf_cube_covers(&item->cube, region))
				break;
		}
	}
	return fate;
}
