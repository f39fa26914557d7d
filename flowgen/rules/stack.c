/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stacks (notes.h): which rules of the lists are left out, found out again for what has changed and
 * what that can affect. Covering is transitive, so a rule is left out when any rule in front of it
 * covers it, left out or not; what has not changed between two rules does not matter.
 */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGED_MAX 64u /* rules, old and new: beyond it all are compared anew */

/* A rule of a list in a stack. */
struct item {
	const struct hf_rule *rule;
	const struct brief *brief;
	bool *dropped;
};

typedef HF_VEC(struct item) item_vec;

/* The former stack, the new one, and what differs: segs [from, n - tail) of each. */
struct change {
	struct build *b;
	struct stack *old, *new;
	size_t from, tail;
	item_vec gone, come;	     /* rules there */
	size_t head_same, tail_same; /* rules at both ends of gone and come that are the same */
};

/* Whether a glance suffices to know that outer does not cover inner. */
static bool brief_excludes(const struct brief *outer, const struct brief *inner)
{
	unsigned int s;

	if (inner->protos & ~outer->protos)
		return true;
	for (s = 0; s < 2; s++) {
		uint8_t in = inner->kind[s];

		if (outer->kind[s] == BRIEF_NONE || in == BRIEF_MANY)
			continue;
		if (in == BRIEF_NONE)
			return true;
		if (outer->kind[s] == BRIEF_NET && in == BRIEF_NET &&
			((inner->net[s] ^ outer->net[s]) & outer->mask[s] ||
				inner->mask[s] < outer->mask[s]))
			return true;
		if (outer->kind[s] == BRIEF_SET &&
			(in != BRIEF_SET || inner->set[s] != outer->set[s]))
			return true;
	}
	return false;
}

static bool covers(const struct hf_set *sets, const struct brief *outer_brief,
	const struct hf_rule *outer, const struct item *inner)
{
	return !outer_brief->log && !brief_excludes(outer_brief, inner->brief) &&
	       hf_match_covers(sets, &outer->match, &inner->rule->match);
}

static bool any_covers(const struct hf_set *sets, const item_vec *v, size_t from, size_t to,
	const struct item *inner)
{
	size_t i;

	for (i = from; i < to; i++) {
		if (covers(sets, v->v[i].brief, v->v[i].rule, inner))
			return true;
	}
	return false;
}

/* Whether a rule in front of rule at of seg covers it. */
static bool covered_before(const struct build *b, const struct stack *stack, size_t seg,
	uint32_t at, const struct item *inner)
{
	size_t s;
	uint32_t i;

	for (s = 0; s <= seg; s++) {
		const struct list *list = stack->segs[s].list;
		uint32_t n = s == seg ? at : stack->segs[s].n;

		for (i = 0; i < n; i++) {
			if (covers(b->notes->sets.v, &list->briefs[i], &list->v[i], inner))
				return true;
		}
	}
	return false;
}

static struct item item_at(const struct seg *seg, uint32_t i)
{
	return (struct item){&seg->list->v[i], &seg->list->briefs[i], &seg->dropped[i]};
}

void hf_seg_count(struct build *b, struct seg *seg, bool count)
{
	struct origin *origins = b->notes->origins.v;
	uint32_t i;

	if (seg->counted == count)
		return;
	for (i = 0; i < seg->n; i++) {
		if (seg->dropped[i])
			continue;
		if (count)
			origins[seg->list->v[i].origin].live++;
		else
			origins[seg->list->v[i].origin].live--;
	}
	seg->counted = count;
	b->notes->origins_changed = true;
}

/* How many stay, and where they lead. */
static void sum_up(struct seg *seg)
{
	const struct list *list = seg->list;
	uint32_t accept = list->fixed ? list->accept_to : list->accept.target;
	uint32_t pass = list->fixed ? list->pass_to : list->pass.target;
	uint32_t i;

	seg->n_kept = 0;
	seg->gotos = 0;
	for (i = 0; i < seg->n; i++) {
		const struct hf_rule *r = &list->v[i];

		if (seg->dropped[i])
			continue;
		seg->n_kept++;
		if (r->op != HF_OP_GOTO)
			continue;
		if (list->accept.how == HOW_GOTO && r->target == accept)
			seg->gotos |= SEG_ACCEPT;
		if (list->pass.how == HOW_GOTO && r->target == pass)
			seg->gotos |= SEG_PASS;
	}
}

static struct stack *new_stack(struct build *b, const struct stack_draft *d)
{
	struct stack *stack = calloc(1, sizeof(*stack));
	size_t i;

	if (stack)
		stack->segs = calloc(d->lists.n + 1, sizeof(*stack->segs));
	if (!stack || !stack->segs) {
		free(stack);
		b->rc = -ENOMEM;
		return NULL;
	}
	stack->turn = b->notes->turn;
	stack->number = UINT32_MAX;
	stack->n_segs = d->lists.n;
	stack->has_last = !d->done;
	for (i = 0; i < d->lists.n; i++) {
		struct list *list = d->lists.v[i];

		stack->segs[i].list = list;
		stack->segs[i].n = list->all_at < list->n ? list->all_at + 1 : list->n;
	}
	return stack;
}

static int make_room(struct build *b, struct seg *seg)
{
	seg->dropped = hf_arena_calloc(b->notes->pool, seg->n, sizeof(*seg->dropped));
	if (!seg->dropped)
		b->rc = -ENOMEM;
	return b->rc;
}

static bool is_last(const struct stack *stack, size_t seg, uint32_t at)
{
	return !stack->has_last && seg + 1 == stack->n_segs && at + 1 == stack->segs[seg].n;
}

/* Compares every rule with all in front of it. */
static void drop_all(struct build *b, struct stack *stack)
{
	const struct hf_rule **at;
	bool *covered;
	size_t n = stack->has_last, i, s;

	for (s = 0; s < stack->n_segs; s++)
		n += stack->segs[s].n;
	at = hf_arena_calloc(b->tmp, n, sizeof(*at));
	covered = hf_arena_calloc(b->tmp, n, sizeof(*covered));
	if (!at || !covered) {
		b->rc = -ENOMEM;
		return;
	}
	for (s = 0, n = 0; s < stack->n_segs; s++) {
		for (i = 0; i < stack->segs[s].n; i++)
			at[n++] = &stack->segs[s].list->v[i];
	}
	if (stack->has_last)
		at[n++] = &stack->last;
	hf_find_covered(b, at, n, covered);
	for (s = 0, n = 0; s < stack->n_segs && b->rc == 0; s++) {
		struct seg *seg = &stack->segs[s];

		if (make_room(b, seg) == 0)
			memcpy(seg->dropped, &covered[n], seg->n * sizeof(*covered));
		n += seg->n;
	}
}

/* A seg of the former stack that says the same keeps its id. */
static void keep_ids(struct build *b, struct stack *old, struct stack *new)
{
	size_t i;

	for (i = 0; i < old->n_segs; i++)
		old->segs[i].list->seen = i + 1;
	for (i = 0; i < new->n_segs && b->rc == 0; i++) {
		struct seg *seg = &new->segs[i];
		size_t seen = seg->list->seen;
		const struct seg *former = seen ? &old->segs[seen - 1] : NULL;

		if (former && former->n == seg->n &&
			memcmp(former->dropped, seg->dropped, seg->n) == 0)
			seg->id = former->id, seg->first = former->first;
	}
	for (i = 0; i < old->n_segs; i++) {
		old->segs[i].list->seen = 0;
		hf_seg_count(b, &old->segs[i], false);
	}
}

static void make_all(struct build *b, struct stack *old, struct stack *new)
{
	size_t i;

	drop_all(b, new);
	if (b->rc == 0 && old)
		keep_ids(b, old, new);
	for (i = 0; i < new->n_segs && b->rc == 0; i++)
		sum_up(&new->segs[i]);
}

static size_t n_rules(const struct stack *stack, size_t from, size_t to)
{
	size_t n = 0;

	for (; from < to && n <= CHANGED_MAX; from++)
		n += stack->segs[from].n;
	return n;
}

static bool same_ports(const struct hf_port_cond *a, const struct hf_port_cond *b)
{
	return a->dst == b->dst && a->negate == b->negate && a->n_ranges == b->n_ranges &&
	       a->n_sets == b->n_sets &&
	       (a->n_ranges == 0 ||
		       memcmp(a->ranges, b->ranges, a->n_ranges * sizeof(*a->ranges)) == 0) &&
	       (a->n_sets == 0 || memcmp(a->sets, b->sets, a->n_sets * sizeof(*a->sets)) == 0);
}

static bool same_conds(const struct hf_match *a, const struct hf_match *b)
{
	uint16_t i;

	for (i = 0; i < a->n_addr; i++) {
		if (a->addr[i].dst != b->addr[i].dst || a->addr[i].negate != b->addr[i].negate ||
			a->addr[i].set != b->addr[i].set)
			return false;
	}
	for (i = 0; i < a->n_port; i++) {
		if (!same_ports(&a->port[i], &b->port[i]))
			return false;
	}
	for (i = 0; i < a->n_icmp; i++) {
		const struct hf_icmp_cond *x = &a->icmp[i], *y = &b->icmp[i];

		if (x->negate != y->negate || x->type != y->type || x->has_code != y->has_code ||
			x->code != y->code)
			return false;
	}
	return true;
}

bool hf_same_match(const struct hf_match *a, const struct hf_match *b)
{
	return a->family == b->family && a->ct == b->ct && a->wire == b->wire &&
	       a->dnated_only == b->dnated_only && a->out == b->out && a->wire_out == b->wire_out &&
	       a->n_addr == b->n_addr && a->n_port == b->n_port && a->n_icmp == b->n_icmp &&
	       memcmp(a->proto, b->proto, sizeof(a->proto)) == 0 && same_conds(a, b);
}

/* Whether what the rule covers may be something else than in the turn before. */
static bool is_touched(const struct hf_notes *n, const struct hf_match *m)
{
	uint16_t i, k;

	for (i = 0; i < m->n_addr; i++) {
		if (n->touched.v[m->addr[i].set])
			return true;
	}
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_sets; k++) {
			if (n->touched.v[m->port[i].sets[k]])
				return true;
		}
	}
	return false;
}

static bool alike(const struct build *b, const struct item *x, const struct item *y)
{
	return x->brief->log == y->brief->log && hf_same_match(&x->rule->match, &y->rule->match) &&
	       !is_touched(b->notes, &x->rule->match);
}

static int list_items(
	struct build *b, const struct stack *stack, size_t from, size_t to, item_vec *ret)
{
	uint32_t i;

	for (; from < to; from++) {
		for (i = 0; i < stack->segs[from].n; i++) {
			if (hf_vec_push(ret, item_at(&stack->segs[from], i)) < 0)
				return b->rc = -ENOMEM;
		}
	}
	return 0;
}

/* Segs at both ends that are the same; false if what is left is much. */
static bool find_change(struct change *c)
{
	const struct stack *old = c->old, *new = c->new;
	size_t n = old->n_segs < new->n_segs ? old->n_segs : new->n_segs;

	while (c->from < n && old->segs[c->from].list == new->segs[c->from].list)
		c->from++;
	while (c->from + c->tail < n && old->segs[old->n_segs - 1 - c->tail].list ==
						new->segs[new->n_segs - 1 - c->tail].list)
		c->tail++;
	return old->has_last == new->has_last &&n_rules(old, c->from, old->n_segs - c->tail) +
						n_rules(new, c->from, new->n_segs - c->tail) <=
					CHANGED_MAX;
}

/* Segs that are there still go over as they are. */
static void move_segs(struct change *c)
{
	struct seg *old = c->old->segs, *new = c->new->segs;
	size_t n_old = c->old->n_segs, n_new = c->new->n_segs;

	memcpy(new, old, c->from * sizeof(*new));
	memcpy(&new[n_new - c->tail], &old[n_old - c->tail], c->tail * sizeof(*new));
}

/* The rules that have changed in themselves: others of the changed lists only stand among them. */
static void trim(struct change *c)
{
	const item_vec *a = &c->gone, *b = &c->come;
	size_t n = a->n < b->n ? a->n : b->n, i;

	while (c->head_same < n && alike(c->b, &a->v[c->head_same], &b->v[c->head_same]))
		c->head_same++;
	while (c->head_same + c->tail_same < n &&
		alike(c->b, &a->v[a->n - 1 - c->tail_same], &b->v[b->n - 1 - c->tail_same]))
		c->tail_same++;
	for (i = 0; i < c->head_same; i++)
		*b->v[i].dropped = *a->v[i].dropped;
	for (i = 1; i <= c->tail_same; i++)
		*b->v[b->n - i].dropped = *a->v[a->n - i].dropped;
}

/*
 * What stands behind the change: may what is gone have been what covered it, with the sets as they
 * were then, or does what came do so?
 */
static bool is_dropped_now(const struct change *c, size_t seg, uint32_t at, const struct item *item)
{
	size_t to_gone = c->gone.n - c->tail_same, to_come = c->come.n - c->tail_same;

	if (is_last(c->new, seg, at))
		return false;
	if (*item->dropped)
		return !any_covers(c->b->previous->sets, &c->gone, c->head_same, to_gone, item) ||
		       covered_before(c->b, c->new, seg, at, item);
	return any_covers(c->b->notes->sets.v, &c->come, c->head_same, to_come, item);
}

static void judge_changed(struct change *c)
{
	size_t s, at = 0;
	uint32_t i;

	for (s = c->from; s < c->new->n_segs - c->tail; s++) {
		struct seg *seg = &c->new->segs[s];

		for (i = 0; i < seg->n; i++, at++) {
			struct item *item = &c->come.v[at];

			if (at < c->head_same)
				continue;
			*item->dropped = at < c->come.n - c->tail_same
						 ? !is_last(c->new, s, i) &&
							   covered_before(c->b, c->new, s, i, item)
						 : is_dropped_now(c, s, i, item);
		}
		sum_up(seg);
	}
}

static void judge_behind(struct change *c)
{
	size_t s;
	uint32_t i;

	for (s = c->new->n_segs - c->tail; s < c->new->n_segs; s++) {
		struct seg *seg = &c->new->segs[s];

		for (i = 0; i < seg->n; i++) {
			struct item item = item_at(seg, i);
			bool now = is_dropped_now(c, s, i, &item);

			if (now == *item.dropped)
				continue;
			hf_seg_count(c->b, seg, false); /* as it was */
			*item.dropped = now;
			seg->id = 0;
		}
		if (!seg->id)
			sum_up(seg);
	}
}

static void make_changed(struct change *c)
{
	struct build *b = c->b;
	size_t n_old = c->old->n_segs - c->tail, n_new = c->new->n_segs - c->tail, i;

	move_segs(c);
	for (i = c->from; i < n_new && b->rc == 0; i++)
		(void)make_room(b, &c->new->segs[i]);
	if (b->rc < 0 || list_items(b, c->old, c->from, n_old, &c->gone) < 0 ||
		list_items(b, c->new, c->from, n_new, &c->come) < 0)
		return;
	trim(c);
	judge_changed(c);
	judge_behind(c);
	for (i = c->from; i < n_old; i++)
		hf_seg_count(b, &c->old->segs[i], false);
}

static bool is_clean(const struct stack *stack)
{
	size_t i;

	for (i = 0; i < stack->n_segs; i++) {
		if (!stack->segs[i].id)
			return false;
	}
	return true;
}

static void make_stack(struct build *b, struct stack *old, struct stack *new)
{
	struct change c = {.b = b, .old = old, .new = new};

	if (old && find_change(&c))
		make_changed(&c);
	else
		make_all(b, old, new);
	hf_vec_fini(&c.gone);
	hf_vec_fini(&c.come);
	new->clean = b->rc == 0 && old &&
		     old->n_segs == new->n_segs &&c.from == new->n_segs &&is_clean(new);
	if (old)
		new->number = old->number;
}

static struct stack **stack_slot(struct build *b, size_t draft)
{
	struct hf_notes *n = b->notes;

	while (b->rc == 0 && n->stacks.n <= draft) {
		if (hf_vec_push(&n->stacks, NULL) < 0)
			b->rc = -ENOMEM;
	}
	return b->rc < 0 ? NULL : &n->stacks.v[draft];
}

uint32_t hf_stack_finish(
	struct build *b, struct stack_draft *take_d, const struct hf_rule *last, const char *name)
{
	struct stack **slot = stack_slot(b, b->drafts.n);
	struct stack *new = slot &&name ? new_stack(b, take_d) : NULL, *old;
	struct draft draft = {.name = name, .stack = new};

	hf_vec_fini(&take_d->lists);
	if (!new || b->rc < 0 || ++b->n_rules > HF_RULES_MAX) {
		b->rc = b->rc < 0 ? b->rc : new ? -E2BIG : -ENOMEM;
		return 0;
	}
	old = *slot;
	*slot = new;
	new->last = *last;
	make_stack(b, old, new);
	hf_stack_free(old);
	if (b->rc == 0 && hf_vec_push(&b->drafts, draft) < 0)
		b->rc = -ENOMEM;
	return b->rc < 0 ? 0 : (uint32_t)b->drafts.n - 1;
}
