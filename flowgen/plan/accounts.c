/* SPDX-License-Identifier: BSD-3-Clause */

#include "accounts.h"

#include "build.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct dead {
	const char *origin;
	enum hf_reason reason;
};

struct accounts {
	pthread_mutex_t lock;
	bool made; /* the rest does not change any more */
	size_t n;
	struct hf_account *v;
	/* What they are made of. */
	struct tally *tallies; /* by origin */
	uint64_t *weights;     /* NULL: none */
	size_t n_dead;
	struct dead *dead; /* sorted by origin */
};

void hf_tally_miss(struct tally *t, enum hf_reason reason, uint32_t detail)
{
	t->reached = true;
	t->punted++;
	if (t->reason == HF_REASON_NONE) {
		t->reason = reason;
		t->detail = detail;
	}
}

/* Marks what some rule of some path can give; other origins were found dead before. */
static void mark_alive(const struct hf_rules *rules, struct tally *tallies)
{
	size_t i, k;

	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *block = hf_rules_block(rules, i);

		for (k = 0; k < block->n_rules; k++)
			tallies[block->rules[k].origin].alive = true;
	}
}

static void tally_span(const struct span *span, size_t n_origins, struct tally *tallies)
{
	size_t i;

	for (i = 0; i < span->misses.n; i++) {
		const struct miss *m = &span->misses.v[i];

		if (m->origin < n_origins)
			hf_tally_miss(&tallies[m->origin], m->reason, m->detail);
	}
}

/* What is remembered beside the entries: rules that are there, and what had no entry. */
static void tally_memory(const struct memory *m, size_t n_origins, struct tally *tallies)
{
	size_t b, i, k, f;

	for (b = 0; b < m->n_blocks; b++) {
		for (i = 0; i < m->blocks[b].n; i++) {
			const struct part *p = m->blocks[b].v[i].part;

			for (k = 0; k < p->n_rules; k++)
				tallies[p->origins[k]].alive = true;
		}
	}
	for (i = 0; i < m->order.n; i++) {
		const struct table_memory *t = &m->tables.v[m->order.v[i]];

		for (f = 0; f < 2; f++) {
			for (k = 0; k < t->family[f].slots.n; k++)
				tally_span(t->family[f].slots.v[k].span, n_origins, tallies);
		}
	}
}

/* Entries speak for their origins once it is settled which of them stay. */
static void tally_entries(const struct hf_plan *plan, struct tally *tallies)
{
	size_t r, i;

	for (r = 0; r < plan->runs.n; r++) {
		for (i = 0; i < plan->runs.v[r].n; i++) {
			const struct hf_entry *e = &plan->runs.v[r].v[i];

			if (e->origin >= plan->n_origins)
				continue;
			if (e->fate == HF_FATE_PUNT) {
				hf_tally_miss(&tallies[e->origin], e->reason, e->detail);
			} else {
				tallies[e->origin].decided++;
				tallies[e->origin].reached = true;
				if (e->fate == HF_FATE_JUMP) /* in part: denied.h */
					hf_tally_miss(
						&tallies[e->origin], HF_REASON_STATEFUL, HF_F_MAX_);
			}
		}
	}
}

static enum hf_reason dead_reason(const struct accounts *a, const char *name)
{
	size_t lo = 0, hi = a->n_dead;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(a->dead[mid].origin, name);

		if (c == 0)
			return a->dead[mid].reason;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return HF_REASON_SHADOWED;
}

static struct hf_account account_of(
	const struct accounts *accounts, const struct hf_plan *plan, uint32_t origin)
{
	const struct tally *t = &accounts->tallies[origin];
	struct hf_account a = {.origin = origin,
		.entries = t->decided,
		.detail = t->detail,
		.packets = accounts->weights ? accounts->weights[origin] : 0};

	if (!t->reached) {
		/* Rules of other paths (leaving, from pods) are no business of arriving packets. */
		a.reason = t->alive ? HF_REASON_DIRECTION
				    : dead_reason(accounts, plan->origins[origin]);
		a.detail = HF_F_MAX_;
		return a;
	}
	a.share = !t->decided ? HF_SHARE_NONE : t->punted ? HF_SHARE_PART : HF_SHARE_WHOLE;
	a.reason = a.share == HF_SHARE_WHOLE ? HF_REASON_NONE : t->reason;
	return a;
}

static void make(struct accounts *a, const struct hf_plan *plan)
{
	size_t i;

	if (plan->memory) {
		memset(a->tallies, 0, (plan->n_origins + 1) * sizeof(*a->tallies));
		tally_memory(plan->memory, plan->n_origins, a->tallies);
	}
	tally_entries(plan, a->tallies);
	for (i = 0; i < plan->n_origins; i++) {
		if (plan->origins[i][0]) /* jumps between tables have none */
			a->v[a->n++] = account_of(a, plan, (uint32_t)i);
	}
	free(a->tallies);
	a->tallies = NULL;
	a->made = true;
}

static bool list_dead(struct accounts *a, const struct hf_rules *rules)
{
	size_t i;

	a->n_dead = hf_rules_n_dead(rules);
	a->dead = calloc(a->n_dead + 1, sizeof(*a->dead));
	for (i = 0; a->dead && i < a->n_dead; i++) {
		const struct hf_dead *dead = hf_rules_dead(rules, i);

		a->dead[i] = (struct dead){dead->origin, hf_reason_find(dead->reason)};
	}
	return a->dead;
}

struct accounts *hf_accounts_new(struct builder *b)
{
	struct accounts *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	(void)pthread_mutex_init(&a->lock, NULL); /* cannot fail: no attributes */
	a->tallies = b->tallies;
	a->weights = b->weights;
	b->tallies = NULL;
	b->weights = NULL;
	/* Room now, so that nothing can fail later. */
	a->v = malloc((b->plan->n_origins + 1) * sizeof(*a->v));
	if (!a->v || !list_dead(a, b->rules)) {
		hf_accounts_free(a);
		return NULL;
	}
	if (!b->plan->memory) {
		mark_alive(b->rules, a->tallies);
		make(a, b->plan);
	}
	return a;
}

void hf_accounts_free(struct accounts *a)
{
	if (!a)
		return;
	(void)pthread_mutex_destroy(&a->lock);
	free(a->v);
	free(a->tallies);
	free(a->weights);
	free(a->dead);
	free(a);
}

static const struct accounts *made(const struct hf_plan *plan)
{
	struct accounts *a = plan->accounts;

	(void)pthread_mutex_lock(&a->lock);
	if (!a->made)
		make(a, plan);
	(void)pthread_mutex_unlock(&a->lock);
	return a;
}

size_t hf_plan_n_accounts(const struct hf_plan *plan)
{
	return made(plan)->n;
}

const struct hf_account *hf_plan_account(const struct hf_plan *plan, size_t i)
{
	return &made(plan)->v[i];
}
