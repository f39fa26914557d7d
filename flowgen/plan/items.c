/* SPDX-License-Identifier: BSD-3-Clause */

#include "items.h"

#include <errno.h>
#include <stdlib.h>

/*
 * States a NIC without connection tracking cannot tell apart. INVALID is not its business unless
 * that is asked for (docs/architecture.md), UNTRACKED is made by rules and not by the packet.
 */
#define SEEN (HF_CT_BIT(HF_CT_NEW) | HF_CT_BIT(HF_CT_ESTABLISHED) | HF_CT_BIT(HF_CT_RELATED))

/* Jumps within jumps; a chain of tiers is as long as there are tiers. Beyond, rules are lost. */
#define DEPTH_MAX 4096

struct walk {
	const struct hf_rules *rules;
	const struct hf_path *path;
	uint16_t out;
	struct items *items;
	enum hf_fallback fallback;
	bool *lost; /* by block: its rules are noted as lost; NULL: none is */
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
	free(items->lost);
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
		item->ct = w->items->seen;
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
	bool all, whole;
	size_t i;
	int rc;

	if (!item.ct || rule->match.dnated_only ||
		(rule->match.out != HF_IF_ANY && rule->match.out != w->out))
		return 0;
	whole = item.ct == ct && rule->op != HF_OP_LOG;
	if (hf_cubes_single(w->rules, &rule->match, ctx, &item.cube)) {
		all = whole && hf_cube_covers(&item.cube, ctx);
		rc = walk_cube(w, rule, &item, awkward, depth);
		return rc < 0 ? rc : all;
	}
	rc = hf_cubes_expand(w->rules, &rule->match, ctx, &cubes, &awkward);
	if (rc == -E2BIG)
		rc = 0;
	all = whole && !awkward && cubes.n == 1 && hf_cube_covers(&cubes.v[0], ctx);
	for (i = 0; i < cubes.n && rc == 0; i++) {
		item.cube = cubes.v[i];
		rc = walk_cube(w, rule, &item, awkward, depth);
	}
	hf_cubes_fini(&cubes);
	return rc < 0 ? rc : all;
}

static int note_lost(struct items *l, uint32_t origin)
{
	size_t cap = l->lost_cap ? l->lost_cap * 2 : 64;
	uint32_t *v;

	if (l->n_lost == l->lost_cap) {
		v = reallocarray(l->lost, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->lost = v;
		l->lost_cap = cap;
	}
	l->lost[l->n_lost++] = origin;
	return 0;
}

/* Notes the rules of the block from i on, and of the blocks they lead to, as lost. */
static int lose(struct walk *w, uint32_t block, uint32_t i, unsigned int depth)
{
	const struct hf_block *b = hf_rules_block(w->rules, block);
	int rc = 0;

	if (!w->lost)
		w->lost = calloc(hf_rules_n_blocks(w->rules), sizeof(*w->lost));
	if (!w->lost)
		return -ENOMEM;
	for (; i < b->n_rules && rc == 0; i++) {
		const struct hf_rule *r = &b->rules[i];

		rc = note_lost(w->items, r->origin);
		if (rc < 0 || r->op != HF_OP_GOTO || w->lost[r->target] || depth > 2 * DEPTH_MAX)
			continue;
		w->lost[r->target] = true;
		rc = lose(w, r->target, 0, depth + 1);
	}
	return rc;
}

static int walk_block(
	struct walk *w, uint32_t block, const struct cube *ctx, uint8_t ct, unsigned int depth)
{
	const struct hf_block *b = hf_rules_block(w->rules, block);
	struct item rest = {.cube = *ctx, .ct = w->items->seen, .reason = HF_REASON_CAPACITY};
	uint32_t i;
	int rc = 0;

	for (i = 0; i < b->n_rules && rc == 0; i++) {
		if (w->items->n >= ITEMS_MAX || depth > DEPTH_MAX) {
			rc = lose(w, block, i, depth);
			return rc < 0 ? rc : push(w, &rest);
		}
		rc = walk_rule(w, &b->rules[i], ctx, ct, depth);
	}
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
	uint8_t family, const struct items_opts *opts, struct items *ret)
{
	struct items items = {.seen = SEEN};
	struct walk w = {.rules = rules,
		.path = path,
		.out = out,
		.items = &items,
		.fallback = opts->fallback};
	struct cube all = hf_cube_all(family);
	int rc;

	if (opts->strict_invalid)
		items.seen |= HF_CT_BIT(HF_CT_INVALID);
	rc = walk_block(&w, path->block, &all, items.seen, 0);
	free(w.lost);
	if (rc == 0)
		rc = list_guards(&items);
	if (rc < 0) {
		hf_items_fini(&items);
		return rc;
	}
	*ret = items;
	return 0;
}
