/* SPDX-License-Identifier: BSD-3-Clause */

#include "items.h"

#include "spans.h"

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
	const struct items_opts *opts;
	bool *lost;	     /* by block: its rules are noted as lost; NULL: none is */
	struct spans *spans; /* NULL: all is written out */
	bool stayed;	     /* a jump was not followed: it has become an item */
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
		w->stayed = w->stayed || rule->op == HF_OP_GOTO;
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

#define CONDS_MAX 16 /* of a rule that is looked at; others are written out */

/* The condition of one side that is best left to the map: the largest set, rather in it than not.
 */
static const struct hf_addr_cond *find_coded(
	const struct walk *w, const struct hf_match *m, unsigned int side)
{
	const struct addr_map *map = w->opts->addrs[side];
	const struct hf_addr_cond *best = NULL;
	size_t n, most = 0, i;

	for (i = 0; map && i < m->n_addr; i++) {
		const struct hf_addr_cond *c = &m->addr[i];

		if (c->dst != side || !hf_addr_map_has(map, c) || hf_addr_cut(m, i))
			continue;
		n = hf_rules_set(w->rules, c->set)->n_nets;
		if (best && (best->negate < c->negate || (best->negate == c->negate && n <= most)))
			continue;
		best = c;
		most = n;
	}
	return best;
}

/*
 * Leaves what the maps have codes for to the cube, and in m the other conditions, which are put
 * into rest. False: no address of this family can be meant.
 */
static bool take_coded(const struct walk *w, struct hf_match *m,
	struct hf_addr_cond rest[CONDS_MAX], struct cube *cube)
{
	unsigned int side;
	size_t n_codes, n, i;

	for (side = 0; side < 2 && m->n_addr <= CONDS_MAX; side++) {
		const struct hf_addr_cond *coded = cube->set[side] ? NULL : find_coded(w, m, side);
		const struct addr_code *codes;
		uint8_t families = 0;

		if (!coded)
			continue;
		cube->set[side] = (coded->set + 1) | (coded->negate ? ADDR_NOT : 0);
		codes = hf_addr_map_codes(w->opts->addrs[side], cube->set[side], &n_codes);
		for (i = 0; i < n_codes; i++)
			families |= codes[i].families;
		for (i = n = 0; i < m->n_addr; i++) {
			if (&m->addr[i] != coded)
				rest[n++] = m->addr[i];
		}
		m->addr = rest;
		m->n_addr = (uint16_t)n;
		if (!(families >> (cube->family == 6) & 1))
			return false;
	}
	return true;
}

/* Returns 1 when the rule leaves nothing of ctx for the rules behind it, 0, or -ENOMEM. */
static int walk_rule(struct walk *w, const struct hf_rule *rule, const struct cube *ctx, uint8_t ct,
	unsigned int depth)
{
	struct item item = {.ct = ct & rule->match.ct, .origin = rule->origin};
	struct hf_addr_cond rest[CONDS_MAX];
	enum hf_reason awkward = HF_REASON_NONE;
	struct hf_match match = rule->match;
	struct cube within = *ctx;
	struct cubes cubes = {0};
	bool all, whole;
	size_t i;
	int rc;

	if (!item.ct || rule->match.dnated_only ||
		(rule->match.out != HF_IF_ANY && rule->match.out != w->out) ||
		(rule->match.wire_out != HF_IF_ANY && rule->match.wire_out != w->out))
		return 0;
	if (match.n_addr && !take_coded(w, &match, rest, &within))
		return 0;
	whole = item.ct == ct && rule->op != HF_OP_LOG;
	if (hf_cubes_single(w->rules, &match, &within, &item.cube)) {
		all = whole && hf_cube_covers(&item.cube, ctx);
		rc = walk_cube(w, rule, &item, awkward, depth);
		return rc < 0 ? rc : all;
	}
	rc = hf_cubes_expand(w->rules, &match, &within, &cubes, &awkward);
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

/* What the plan before has of these rules. 1 or 0 as walk_rule() says; -ENOENT: nothing. */
static int keep_span(struct walk *w, struct part *part, uint32_t at, uint32_t n,
	const struct cube *ctx, uint8_t ct)
{
	const struct span *kept = hf_plan_spans_keep(w->spans, part, at, n, ctx, ct);
	size_t i;
	int rc = 0;

	if (!kept)
		return -ENOENT;
	for (i = 0; i < kept->n_guards && rc == 0; i++)
		rc = push(w, &kept->guards[i]);
	return rc < 0 ? rc : kept->ends;
}

/* A jump; where it cannot be followed it is a span of its own. */
static int walk_jump(struct walk *w, const struct hf_rule *rule, struct part *part, uint32_t at,
	const struct cube *ctx, uint8_t ct, unsigned int depth)
{
	size_t first = w->items->n;
	int rc = keep_span(w, part, at, 1, ctx, ct);

	if (rc != -ENOENT)
		return rc;
	w->stayed = false;
	rc = walk_rule(w, rule, ctx, ct, depth);
	if (rc >= 0 && w->stayed &&
		hf_plan_spans_add(w->spans, part, at, 1, ctx, ct, w->items, first, rc) < 0)
		rc = -ENOMEM;
	w->stayed = false;
	return rc;
}

/* Rules at .. end - 1 of a part, none of which is a jump. */
static int walk_span(struct walk *w, const struct hf_rule *rules, struct part *part, uint32_t at,
	uint32_t end, const struct cube *ctx, uint8_t ct)
{
	size_t first = w->items->n, i;
	int rc = keep_span(w, part, at, end - at, ctx, ct);

	if (rc != -ENOENT)
		return rc;
	rc = 0;
	for (i = at; i < end && rc == 0; i++)
		rc = walk_rule(w, &rules[i], ctx, ct, 0);
	if (rc >= 0 &&
		hf_plan_spans_add(w->spans, part, at, end - at, ctx, ct, w->items, first, rc) < 0)
		rc = -ENOMEM;
	return rc;
}

/* As walk_block(), part by part. */
static int walk_parts(
	struct walk *w, uint32_t block, const struct cube *ctx, uint8_t ct, unsigned int depth)
{
	const struct part_list *list = &w->spans->memory->blocks[block];
	const struct hf_rule *rules = hf_rules_block(w->rules, block)->rules;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < list->n && rc == 0; i++) {
		struct part *part = list->v[i].part;
		const struct hf_rule *v = rules + list->v[i].first;
		uint32_t at = 0, end;

		for (k = 0; k <= part->jumps.n && rc == 0; k++) {
			end = k < part->jumps.n ? part->jumps.v[k] : part->n_rules;
			if (w->spans->n_items >= ITEMS_MAX || depth > DEPTH_MAX)
				return -E2BIG;
			if (end > at)
				rc = walk_span(w, v, part, at, end, ctx, ct);
			if (rc == 0 && k < part->jumps.n)
				rc = walk_jump(w, &v[end], part, end, ctx, ct, depth);
			at = end + 1;
		}
	}
	return rc < 0 ? rc : 0;
}

static int walk_block(
	struct walk *w, uint32_t block, const struct cube *ctx, uint8_t ct, unsigned int depth)
{
	const struct hf_block *b = hf_rules_block(w->rules, block);
	struct item rest = {.cube = *ctx, .ct = w->items->seen, .reason = HF_REASON_CAPACITY};
	uint32_t i;
	int rc = 0;

	if (w->spans)
		return walk_parts(w, block, ctx, ct, depth);
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
	return hf_items_build_spans(rules, path, out, family, opts, NULL, ret);
}

int hf_items_build_spans(const struct hf_rules *rules, const struct hf_path *path, uint16_t out,
	uint8_t family, const struct items_opts *opts, struct spans *spans, struct items *ret)
{
	struct items items = {.seen = SEEN};
	struct walk w = {.rules = rules,
		.path = path,
		.out = out,
		.items = &items,
		.fallback = opts->fallback,
		.opts = opts,
		.spans = spans};
	struct cube all = hf_cube_all(family);
	int rc;

	if (opts->strict_invalid)
		items.seen |= HF_CT_BIT(HF_CT_INVALID);
	rc = walk_block(&w, path->block, &all, items.seen, 0);
	free(w.lost);
	if (rc == 0 && spans && spans->n_items >= ITEMS_MAX)
		rc = -E2BIG;
	if (rc == 0)
		rc = list_guards(&items);
	if (rc < 0) {
		hf_items_fini(&items);
		return rc;
	}
	*ret = items;
	return 0;
}
