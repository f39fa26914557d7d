/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sources and lists (notes.h): the rules of a policy where they are used.
 */

#define HASH_NONFATAL_OOM	 1
#define uthash_nonfatal_oom(elt) (b->rc = -ENOMEM)
#define HASH_FUNCTION		 HF_HASH_UTHASH

#include <hepflow/base/hash.h>

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FROM 16 /* lists of a source that are worth a hash */

static struct source *new_source(struct build *b, const struct hf_model_rules *rules)
{
	struct hf_notes *n = b->notes;
	struct source *s = hf_arena_alloc(n->pool, sizeof(*s));
	size_t i;

	if (!s) {
		b->rc = -ENOMEM;
		return NULL;
	}
	s->rules = rules->v;
	s->n = (uint32_t)rules->n;
	s->origin = (uint32_t)n->origins.n;
	n->origins_changed |= rules->n > 0;
	for (i = 0; i < rules->n; i++) {
		struct origin o = {
			.text = rules->v[i].origin, .place = rules->v[i].place, .policy = true};

		if (hf_vec_push(&n->origins, o) < 0)
			b->rc = -ENOMEM;
	}
	if (b->rc == 0)
		HASH_ADD_PTR(n->sources, rules, s);
	return b->rc < 0 ? NULL : s;
}

struct source *hf_find_source(struct build *b, const struct hf_model_rules *rules)
{
	struct source *s = NULL;

	if (b->rc < 0)
		return NULL;
	HASH_FIND_PTR(b->notes->sources, &rules->v, s);
	if (!s)
		s = new_source(b, rules);
	if (s)
		s->turn = b->notes->turn;
	return s;
}

static uint32_t host_order(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void brief_addr(const struct build *b, const struct hf_addr_cond *c, struct brief *ret)
{
	const struct hf_set *set = &b->notes->sets.v[c->set];
	const struct hf_prefix *net = set->nets;
	unsigned int side = c->dst;

	if (ret->kind[side] != BRIEF_NONE) {
		ret->kind[side] = BRIEF_MANY;
	} else if (c->negate || set->n_nets != 1) {
		ret->kind[side] = BRIEF_SET;
		ret->set[side] = c->set;
	} else if (net->addr.family == 4) {
		ret->kind[side] = BRIEF_NET;
		ret->mask[side] = net->len ? UINT32_MAX << (32 - net->len) : 0;
		ret->net[side] = host_order(net->addr.b) & ret->mask[side];
	} else {
		ret->kind[side] = BRIEF_MANY;
	}
}

/* Three protocols that are frequent, and all the others together. */
static uint8_t brief_protos(const uint64_t proto[4])
{
	static const uint64_t named =
		1ull << HF_PROTO_TCP | 1ull << HF_PROTO_UDP | 1ull << HF_PROTO_ICMP;
	uint64_t p = proto[0];

	return (uint8_t)((p >> HF_PROTO_TCP & 1) | (p >> HF_PROTO_UDP & 1) << 1 |
			 (p >> HF_PROTO_ICMP & 1) << 2 |
			 ((p & ~named) | proto[1] | proto[2] | proto[3] ? 8 : 0));
}

static void make_brief(const struct build *b, const struct hf_rule *r, struct brief *ret)
{
	uint16_t i;

	ret->protos = brief_protos(r->match.proto);
	ret->log = r->op == HF_OP_LOG;
	for (i = 0; i < r->match.n_addr; i++)
		brief_addr(b, &r->match.addr[i], ret);
}

static bool names_one_net(const struct build *b, const struct hf_match *m)
{
	uint16_t i;

	for (i = 0; i < m->n_addr; i++) {
		if (!m->addr[i].negate && b->notes->sets.v[m->addr[i].set].n_nets == 1)
			return true;
	}
	return false;
}

/* What the action makes of a packet in this context. */
static void set_action(const struct list *list, enum hf_rule_action action, struct hf_rule *r)
{
	const struct cont *cont = action == HF_RULE_ALLOW ? &list->accept : &list->pass;

	switch (action) {
	case HF_RULE_DENY:
		r->verdict = HF_VERDICT_DENY;
		return;
	case HF_RULE_LOG:
		r->op = HF_OP_LOG;
		return;
	case HF_RULE_ALLOW:
	case HF_RULE_PASS:
		break;
	}
	if (cont->how == HOW_GOTO) {
		r->op = HF_OP_GOTO;
		r->target = cont->target;
		return;
	}
	r->verdict = (enum hf_verdict)cont->verdict;
	if (cont->origin != OWN_ORIGIN)
		r->origin = cont->origin;
}

static void fill_list(struct build *b, struct list *list, const struct rendered *from)
{
	const struct source *s = list->source;
	uint32_t i;

	list->all_at = UINT32_MAX;
	for (i = 0; i < s->n; i++) {
		struct hf_rule *r = &list->v[list->n];

		b->notes->origins.v[s->origin + i].dead = from[i].dead;
		if (from[i].dead)
			continue;
		*r = (struct hf_rule){
			.match = from[i].match, .origin = s->origin + i, .offload = list->offload};
		set_action(list, s->rules[i].action, r);
		make_brief(b, r, &list->briefs[list->n]);
		list->n_single += names_one_net(b, &r->match);
		if (list->all_at == UINT32_MAX && r->op != HF_OP_LOG && hf_match_is_all(&r->match))
			list->all_at = list->n;
		list->n++;
	}
	if (list->all_at == UINT32_MAX)
		list->all_at = list->n;
	b->notes->n_single += list->n_single;
}

static uint32_t hash_context(const struct list *key)
{
	const uint32_t parts[] = {key->wire, key->offload, key->accept.how, key->accept.verdict,
		key->accept.target, key->accept.origin, key->pass.how, key->pass.verdict,
		key->pass.target, key->pass.origin};
	uint64_t h = 0;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		h = hf_hash_mix(h, parts[i]);
	return (uint32_t)h;
}

static void put_slot(struct source *s, struct list *list)
{
	uint32_t at = hash_context(list);

	while (s->slots[at & (s->n_slots - 1)])
		at++;
	s->slots[at & (s->n_slots - 1)] = list;
}

/* A policy of thousands of endpoints has a list for each. */
static int add_list(struct source *s, struct list *list)
{
	uint32_t size = s->n_slots ? 2 * s->n_slots : 4 * SLOTS_FROM;
	struct list **slots;
	struct list *l;

	list->next = s->lists;
	s->lists = list;
	s->n_lists++;
	if (s->n_lists <= s->n_slots / 4 * 3) {
		put_slot(s, list);
		return 0;
	}
	if (s->n_lists < SLOTS_FROM)
		return 0;
	slots = calloc(size, sizeof(struct list *));
	if (!slots)
		return -ENOMEM;
	free(s->slots);
	s->slots = slots;
	s->n_slots = size;
	for (l = s->lists; l; l = l->next)
		put_slot(s, l);
	return 0;
}

static struct list *new_list(struct build *b, struct source *s, const struct list *key)
{
	struct hf_arena *pool = b->notes->pool;
	const struct rendered *from = hf_render(b, s, key->wire, true);
	struct list *list = from ? hf_arena_dup(pool, key, sizeof(*key)) : NULL;

	if (!list) {
		b->rc = b->rc < 0 ? b->rc : -ENOMEM;
		return NULL;
	}
	list->source = s;
	list->v = hf_arena_calloc(pool, s->n, sizeof(*list->v));
	list->briefs = hf_arena_calloc(pool, s->n, sizeof(*list->briefs));
	if (!list->v || !list->briefs) {
		b->rc = -ENOMEM;
		return NULL;
	}
	fill_list(b, list, from);
	if (add_list(s, list) < 0) {
		b->rc = -ENOMEM;
		return NULL;
	}
	return list;
}

static bool same_cont(const struct cont *a, const struct cont *b)
{
	return a->how == b->how && a->verdict == b->verdict && a->target == b->target &&
	       a->origin == b->origin;
}

static bool same_context(const struct list *a, const struct list *b)
{
	return a->wire == b->wire && a->offload == b->offload &&
	       same_cont(&a->accept, &b->accept) && same_cont(&a->pass, &b->pass);
}

static struct list *find_list(const struct source *s, const struct list *key)
{
	struct list *list;
	uint32_t at;

	if (!s->n_slots) {
		for (list = s->lists; list && !same_context(list, key); list = list->next)
			;
		return list;
	}
	for (at = hash_context(key); (list = s->slots[at & (s->n_slots - 1)]); at++) {
		if (same_context(list, key))
			break;
	}
	return list;
}

/* The list that the former stack had here, or one behind, if that is it. */
static struct list *guess(struct build *b, struct stack_draft *d,
	const struct hf_model_rules *rules, const struct list *key)
{
	const struct stack *f = d->former;
	size_t i;

	for (i = d->at; f && i < d->at + 2 && i < f->n_segs; i++) {
		struct list *list = f->segs[i].list;

		if (list->source->rules != rules->v || list->source->gone ||
			!same_context(list, key))
			continue;
		d->at = i + 1;
		list->source->turn = b->notes->turn;
		return list;
	}
	return NULL;
}

static struct list *get_list(struct build *b, struct stack_draft *d,
	const struct hf_model_rules *rules, const struct list *key)
{
	struct list *list = guess(b, d, rules, key);
	struct source *s;

	if (list)
		return list;
	s = hf_find_source(b, rules);
	list = s ? find_list(s, key) : NULL;
	return s && !list ? new_list(b, s, key) : list;
}

void hf_stack_begin(struct build *b, struct stack_draft *ret)
{
	const struct hf_notes *n = b->notes;
	size_t draft = b->drafts.n;

	*ret = (struct stack_draft){.former = draft < n->stacks.n ? n->stacks.v[draft] : NULL};
}

void hf_stack_add(struct build *b, struct stack_draft *d, const struct hf_model_rules *rules,
	const struct list *key)
{
	struct list *list;

	if (b->rc < 0 || rules->n == 0)
		return;
	if (rules->n > HF_RULES_MAX - b->n_rules) {
		b->too_many = rules->v[HF_RULES_MAX - b->n_rules].place;
		b->rc = -E2BIG;
		return;
	}
	b->n_rules += rules->n;
	list = get_list(b, d, rules, key);
	/* Rules behind one that matches everything can never be reached. */
	if (!list || list->n == 0 || d->done)
		return;
	d->done = list->all_at < list->n;
	if (hf_vec_push(&d->lists, list) < 0)
		b->rc = -ENOMEM;
}
