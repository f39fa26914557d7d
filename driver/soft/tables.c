/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What rules are looked up in, and building it aside: the classifier, and then lists for it.
 *
 * A delta holds only until the thread has built the new rules' own classifier. If rules change
 * again meanwhile, what it has built becomes the one that deltas are made over, and the thread
 * begins anew.
 */

#include "state.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

void hf_tables_free(struct hf_tables *t)
{
	if (!t)
		return;
	hf_flat_free(t->flat);
	hf_classifier_free(t->classifier);
	hf_delta_free(t->delta);
	free(t);
}

/* What older tables over the same classifier have found out about lists. */
static void share_flat(struct hf_tables *t, const struct hf_tables *older)
{
	if (t->delta || older->classifier != t->classifier)
		return;
	t->flat_tried = older->flat_tried;
	t->flat = older->flat;
	if (t->flat)
		t->flat->refs++;
}

/* Over a classifier, which gets a reference more. -E2BIG: too much is different. */
static int tables_over(
	struct hf_classifier *c, const struct hf_rules *rules, struct hf_tables **ret)
{
	struct hf_tables *t = calloc(1, sizeof(*t));
	int rc = t ? 0 : -ENOMEM;

	if (rc == 0 && rules != c->rules)
		rc = hf_delta_new(c, rules, &t->delta);
	if (rc < 0) {
		free(t);
		return rc;
	}
	t->classifier = c;
	c->refs++;
	*ret = t;
	return 0;
}

/* *ret stays NULL if the rules are too many for one. */
static int build(const struct hf_rules *rules, struct hf_classifier **ret)
{
	int rc = hf_classifier_new(rules, HF_LANES_FROM, ret);

	return rc == -E2BIG ? 0 : rc;
}

static bool takes_long(const struct hf_soft *soft, const struct hf_classifier *c)
{
	size_t n = c->n_bits;
	int dim;

	for (dim = 0; dim < HF_N_DIMS; dim++)
		n += c->addrs[dim].n4 + c->addrs[dim].n6;
	return n >= soft->aside_from;
}

int hf_tables_new(const struct hf_soft *soft, const struct hf_rules *rules, struct hf_tables **ret)
{
	struct hf_classifier *c = soft->gen ? soft->gen->tables->classifier : NULL;
	struct hf_tables *t;
	int rc = -E2BIG;

	if (c && (rules == c->rules || takes_long(soft, c)))
		rc = tables_over(c, rules, ret);
	if (c && rc == 0)
		share_flat(*ret, soft->gen->tables);
	if (rc != -E2BIG)
		return rc;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	rc = build(rules, &t->classifier);
	if (rc < 0) {
		hf_tables_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

/* Lets go of what the thread has looked at, or made. */
static void forget(struct hf_behind *b)
{
	hf_flat_free(b->flat);
	hf_classifier_free(b->classifier);
	hf_classifier_free(b->base);
	*b = (struct hf_behind){0};
}

static void *build_aside(void *arg)
{
	struct hf_behind *b = arg;

	b->rc = b->base ? hf_flat_new(b->base, b->lists, &b->flat)
			: build(b->rules, &b->classifier);
	__atomic_store_n(&b->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Without a thread it is tried again later. */
static void start(struct hf_behind *b)
{
	sigset_t all, mine;

	/* Signals are for the threads that wait for them. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &mine);
	b->running = pthread_create(&b->thread, NULL, build_aside, b) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &mine, NULL);
	if (b->running)
		(void)pthread_setname_np(b->thread, "hf-rules");
}

void hf_tables_build(struct hf_soft *soft)
{
	struct hf_behind *b = &soft->behind;
	struct hf_tables *t = soft->gen ? soft->gen->tables : NULL;

	if (b->running || !t || !t->classifier || (!t->delta && t->flat_tried))
		return;
	*b = (struct hf_behind){.rules = soft->gen->rules};
	if (!t->delta) {
		t->flat_tried = true;
		if (soft->lists == HF_FLAT_FASTER && !hf_flat_is_for(t->classifier))
			return;
		b->lists = soft->lists;
		b->base = t->classifier;
		b->base->refs++;
	}
	start(b);
	if (!b->running)
		forget(b);
}

static void replace(struct hf_soft *soft, struct hf_tables *t)
{
	struct hf_tables *old = soft->gen->tables;

	__atomic_store_n(&soft->gen->tables, t, __ATOMIC_RELEASE);
	old->token = rte_rcu_qsbr_start(soft->qsbr);
	old->older = soft->retired;
	soft->retired = old;
}

static void free_retired(struct hf_soft *soft)
{
	struct hf_tables **at = &soft->retired, *t;

	while ((t = *at)) {
		if (!rte_rcu_qsbr_check(soft->qsbr, t->token, false)) {
			at = &t->older;
			continue;
		}
		*at = t->older;
		hf_tables_free(t);
	}
}

/* The classifier of now with the lists that the thread has built. */
static int tables_listed(struct hf_soft *soft, struct hf_tables **ret)
{
	struct hf_behind *b = &soft->behind;
	int rc;

	if (soft->gen->tables->classifier != b->base || soft->gen->tables->delta)
		return -ENOENT;
	rc = tables_over(b->base, b->base->rules, ret);
	if (rc == 0) {
		(*ret)->flat = b->flat;
		(*ret)->flat_tried = true;
		b->flat = NULL;
	}
	return rc;
}

/* What the thread has built, for the rules of now. */
static int tables_built(struct hf_soft *soft, struct hf_tables **ret)
{
	const struct hf_behind *b = &soft->behind;

	if (b->rc < 0)
		return b->rc;
	if (b->base)
		return tables_listed(soft, ret);
	if (!soft->gen->tables->delta)
		return -ENOENT;
	if (b->classifier)
		return tables_over(b->classifier, soft->gen->rules, ret);
	if (b->rules != soft->gen->rules)
		return -E2BIG;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void hf_tables_take(struct hf_soft *soft)
{
	struct hf_behind *b = &soft->behind;
	struct hf_tables *t = NULL;

	free_retired(soft);
	if (b->running && __atomic_load_n(&b->done, __ATOMIC_ACQUIRE)) {
		(void)pthread_join(b->thread, NULL);
		b->running = false;
		if (tables_built(soft, &t) == 0)
			replace(soft, t);
		forget(b);
	}
	hf_tables_build(soft);
}

static bool uses(const struct hf_tables *t, const struct hf_rules *rules)
{
	return t->classifier && t->classifier->rules == rules;
}

bool hf_tables_use(const struct hf_soft *soft, const struct hf_rules *rules)
{
	const struct hf_tables *t;
	const struct hf_gen *g;

	if (soft->behind.running && soft->behind.rules == rules)
		return true;
	for (g = soft->gen; g; g = g->older) {
		if (uses(g->tables, rules))
			return true;
	}
	for (t = soft->retired; t; t = t->older) {
		if (uses(t, rules) || (t->delta && t->delta->rules == rules))
			return true;
	}
	return false;
}

void hf_tables_end(struct hf_soft *soft)
{
	struct hf_tables *t;

	if (soft->behind.running) {
		(void)pthread_join(soft->behind.thread, NULL);
		forget(&soft->behind);
	}
	while ((t = soft->retired)) {
		soft->retired = t->older;
		hf_tables_free(t);
	}
}
