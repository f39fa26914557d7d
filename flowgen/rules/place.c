/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Drafts become blocks. What says the same as a block of the former table is that block.
 */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <string.h>

/* Room for n rules and pieces in memory of their own, which the table keeps. 0 or -ENOMEM. */
static int own_block(struct build *b, size_t at, size_t n_rules, size_t n_pieces,
	struct hf_rule **ret_rules, struct hf_piece **ret_pieces)
{
	struct hf_arena *arena = hf_arena_new_small(n_rules * sizeof(**ret_rules));
	int rc = arena ? hf_arena_keep(b->rules->arena, arena) : -ENOMEM;

	hf_arena_free(arena); /* the table has it */
	if (rc < 0)
		return rc;
	b->rules->block_arenas[at] = arena;
	*ret_rules = hf_arena_calloc(arena, n_rules, sizeof(**ret_rules));
	*ret_pieces = hf_arena_calloc(arena, n_pieces, sizeof(**ret_pieces));
	return *ret_rules && *ret_pieces ? 0 : -ENOMEM;
}

static int share_block(struct build *b, size_t at, size_t former)
{
	struct hf_block *block = &b->rules->blocks[at];
	const char *name = block->name;

	*block = b->previous->blocks[former];
	block->name = name;
	b->rules->block_arenas[at] = b->previous->block_arenas[former];
	return hf_arena_keep(b->rules->arena, b->rules->block_arenas[at]);
}

static bool same_rule(const struct hf_rule *a, const struct hf_rule *b)
{
	return a->op == b->op && a->verdict == b->verdict && a->target == b->target &&
	       a->origin == b->origin && a->offload == b->offload &&
	       hf_same_match(&a->match, &b->match);
}

static uint32_t number_of(const struct cont *cont, const uint32_t *number)
{
	return cont->how == HOW_GOTO ? number[cont->target] : UINT32_MAX;
}

/* Gives the list the numbers that blocks have in the table. False: it was made for others. */
static bool fix_list(struct list *list, const uint32_t *number)
{
	uint32_t accept = number_of(&list->accept, number), pass = number_of(&list->pass, number);
	uint32_t i;

	if (list->fixed)
		return list->accept_to == accept && list->pass_to == pass;
	for (i = 0; i < list->n; i++) {
		if (list->v[i].op == HF_OP_GOTO)
			list->v[i].target = number[list->v[i].target];
	}
	list->accept_to = accept;
	list->pass_to = pass;
	list->fixed = true;
	return true;
}

/* Copies those kept of the list. */
static struct hf_rule *copy_seg(const struct seg *seg, struct hf_rule *to)
{
	uint32_t i;

	for (i = 0; i < seg->n; i++) {
		if (!seg->dropped[i])
			*to++ = seg->list->v[i];
	}
	return to;
}

/* Pieces that stood together in the former block are copied together. */
static void fill_stack(
	const struct build *b, struct stack *stack, struct hf_rule *rules, struct hf_piece *piece)
{
	const struct hf_rule *former =
		stack->number != UINT32_MAX ? b->previous->blocks[stack->number].rules : NULL;
	struct hf_rule *to = rules;
	uint32_t run_from = 0, run_n = 0;
	size_t i;

	for (i = 0; i < stack->n_segs; i++) {
		struct seg *seg = &stack->segs[i];
		bool have = seg->id && former && seg->n_kept;

		if (run_n && (!have || seg->first != run_from + run_n)) {
			memcpy(to, &former[run_from], run_n * sizeof(*to));
			to += run_n;
			run_n = 0;
		}
		if (!seg->id)
			seg->id = hf_id_new();
		if (have && !run_n)
			run_from = seg->first;
		seg->first = (uint32_t)(to - rules) + run_n;
		if (have)
			run_n += seg->n_kept;
		else
			to = copy_seg(seg, to);
		if (seg->n_kept)
			*piece++ = (struct hf_piece){seg->id, seg->first, seg->n_kept};
	}
	if (run_n)
		memcpy(to, &former[run_from], run_n * sizeof(*to));
}

static bool same_last(const struct build *b, const struct stack *stack, const struct hf_rule *last)
{
	const struct hf_block *former;

	if (stack->number == UINT32_MAX)
		return false;
	former = &b->previous->blocks[stack->number];
	return same_rule(&former->rules[former->n_rules - 1], last);
}

static int place_stack(struct build *b, struct stack *stack, const uint32_t *number, size_t at)
{
	struct hf_block *block = &b->rules->blocks[at];
	struct hf_rule last = stack->last, *rules;
	size_t n = stack->has_last, n_pieces = n, i;
	struct hf_piece *pieces;
	bool same;

	if (last.op == HF_OP_GOTO)
		last.target = number[last.target];
	for (i = 0; i < stack->n_segs; i++) {
		if (!fix_list(stack->segs[i].list, number))
			return -EAGAIN;
		n += stack->segs[i].n_kept;
		n_pieces += stack->segs[i].n_kept > 0;
	}
	same = stack->has_last && same_last(b, stack, &last);
	if (stack->clean && stack->number != UINT32_MAX && (same || !stack->has_last))
		return share_block(b, at, stack->number);
	if (own_block(b, at, n, n_pieces, &rules, &pieces) < 0)
		return -ENOMEM;
	fill_stack(b, stack, rules, pieces);
	if (stack->has_last) {
		const struct hf_block *former = same ? &b->previous->blocks[stack->number] : NULL;

		rules[n - 1] = last;
		pieces[n_pieces - 1] = (struct hf_piece){
			former ? former->pieces[former->n_pieces - 1].id : hf_id_new(),
			(uint32_t)n - 1, 1};
	}
	block->n_rules = (uint32_t)n;
	block->n_pieces = (uint32_t)n_pieces;
	block->rules = rules;
	block->pieces = pieces;
	return 0;
}

/* With all that it points to. 0 or -ENOMEM. */
static int copy_match(struct hf_arena *arena, struct hf_match *m)
{
	struct hf_port_cond *port = hf_arena_dup(arena, m->port, m->n_port * sizeof(*port));
	uint16_t i;

	m->addr = hf_arena_dup(arena, m->addr, m->n_addr * sizeof(*m->addr));
	m->icmp = hf_arena_dup(arena, m->icmp, m->n_icmp * sizeof(*m->icmp));
	if (!port || !m->addr || !m->icmp)
		return -ENOMEM;
	for (i = 0; i < m->n_port; i++) {
		port[i].ranges = hf_arena_dup(
			arena, port[i].ranges, port[i].n_ranges * sizeof(*port[i].ranges));
		port[i].sets =
			hf_arena_dup(arena, port[i].sets, port[i].n_sets * sizeof(*port[i].sets));
		if (!port[i].ranges || !port[i].sets)
			return -ENOMEM;
	}
	m->port = port;
	return 0;
}

static bool same_block(const struct hf_block *former, const struct draft *draft)
{
	uint32_t i;

	for (i = 0; i < draft->n_rules; i++) {
		if (!same_rule(&former->rules[i], &draft->rules[i]))
			return false;
	}
	return true;
}

static int place_loose(
	struct build *b, const struct draft *draft, const uint32_t *number, size_t at)
{
	struct hf_block *block = &b->rules->blocks[at];
	struct hf_rule *v = (struct hf_rule *)draft->rules; /* in tmp, and this build's alone */
	const struct hf_block *former =
		b->previous && at < b->previous->n_blocks ? &b->previous->blocks[at] : NULL;
	struct hf_piece *piece;
	struct hf_rule *rules;
	uint32_t i;

	for (i = 0; i < draft->n_rules; i++) {
		if (v[i].op == HF_OP_GOTO)
			v[i].target = number[v[i].target];
	}
	if (former && former->n_rules == draft->n_rules && same_block(former, draft))
		return share_block(b, at, at);
	if (own_block(b, at, draft->n_rules, 1, &rules, &piece) < 0)
		return -ENOMEM;
	for (i = 0; i < draft->n_rules; i++) {
		rules[i] = v[i];
		if (copy_match(b->rules->block_arenas[at], &rules[i].match) < 0)
			return -ENOMEM;
	}
	*piece = (struct hf_piece){hf_id_new(), 0, draft->n_rules};
	block->n_rules = draft->n_rules;
	block->n_pieces = 1;
	block->rules = rules;
	block->pieces = piece;
	return 0;
}

int hf_place_draft(struct build *b, const struct draft *draft, const uint32_t *number, size_t at)
{
	b->rules->blocks[at].name = draft->name;
	if (!draft->stack)
		return place_loose(b, draft, number, at);
	return place_stack(b, draft->stack, number, at);
}
