/* SPDX-License-Identifier: BSD-3-Clause */

#include "sync.h"

#include "inside.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXP_WEIGHT 0.05 /* as OVS weighs a new latency in its exponential average */

uint64_t hf_sync_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int hf_sync_new(const struct hf_sync_opts *opts, struct hf_sync **ret, struct hf_err *err)
{
	struct hf_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return hf_fail(err, -ENOMEM, "offload: out of memory");
	s->opts = *opts;
	if (!s->opts.now_ms)
		s->opts.now_ms = hf_clock_ms;
	*ret = s;
	return 0;
}

void hf_sync_free(struct hf_sync *sync)
{
	if (!sync)
		return;
	hf_sync_cancel(sync);
	hf_held_fini(&sync->rules);
	hf_held_fini(&sync->stuck);
	hf_held_free(sync->cover);
	hf_tally_fini(&sync->tallies);
	free(sync);
}

void hf_sync_came(struct hf_sync *s, struct hf_held *r, double us)
{
	struct hf_sync_stats *st = &s->stats;
	double d = us - st->mean_us, e = us - st->exp_mean_us;

	r->in = r->unseen = true;
	r->known = r->counted;
	st->inserted++;
	st->mean_us += d / (double)st->inserted;
	s->m2 += d * (us - st->mean_us);
	st->stddev_us = sqrt(s->m2 / (double)st->inserted);
	if (st->inserted == 1) {
		st->exp_mean_us = us;
		return;
	}
	st->exp_mean_us += EXP_WEIGHT * e;
	s->exp_var = (1 - EXP_WEIGHT) * (s->exp_var + EXP_WEIGHT * e * e);
	st->exp_stddev_us = sqrt(s->exp_var);
}

int hf_sync_put(struct hf_sync *s, struct hf_held *r, struct hf_err *err)
{
	uint64_t start = hf_sync_now_ns();
	struct hf_flow flow;
	int rc;

	s->stats.asked++;
	hf_flow_ports_put(s->opts.ports, &r->flow, &flow);
	rc = s->opts.ops->create(s->opts.ops_arg, &flow, &r->handle, err);
	if (rc < 0) {
		r->in = r->handle; /* perhaps: it is taken out as if it were */
		r->known = false;
		s->stats.refused++;
		s->stats.full += rc == -ENOSPC || rc == -ENOMEM;
		return rc;
	}
	hf_sync_came(s, r, (double)(hf_sync_now_ns() - start) / 1000);
	return 0;
}

void hf_sync_poll_rule(struct hf_sync *s, struct hf_held *r)
{
	struct hf_flow_hits hits;

	if (!r->in || !r->counted)
		return;
	if (s->opts.ops->query(s->opts.ops_arg, r->handle, &hits) < 0) {
		s->stats.query_errors++;
		r->known = false;
		return;
	}
	if (hits.packets != r->packets)
		r->used_ms = s->opts.now_ms();
	r->packets = hits.packets;
	r->bytes = hits.bytes;
	r->known = true;
}

void hf_sync_went(struct hf_sync *s, struct hf_held *r)
{
	s->stats.deleted++;
	hf_tally_fold(r);
	r->in = false;
	r->handle = NULL;
}

/* Takes a rule out; what it had counted goes to its origin. */
int hf_sync_drop(struct hf_sync *s, struct hf_held *r, struct hf_err *err)
{
	int rc;

	if (!r->in)
		return 0;
	hf_sync_poll_rule(s, r);
	rc = s->opts.ops->destroy(s->opts.ops_arg, r->handle, err);
	if (rc < 0)
		return rc;
	hf_sync_went(s, r);
	return 0;
}

int hf_sync_cover(struct hf_sync *s, struct hf_err *err)
{
	int rc;

	if (s->cover)
		return 0;
	s->cover = hf_held_new(&s->cover_flow);
	rc = s->cover ? hf_sync_put(s, s->cover, err) : hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0 && !hf_sync_has(s, s->cover)) {
		/* Everything rests on it, so the card's word is asked for. */
		(void)hf_sync_drop(s, s->cover, NULL);
		rc = hf_fail(err, -EIO, "the NIC took the rule and does not have it");
	}
	if (rc < 0) {
		/* Where nobody knows: one that is there hides all, which is right, only slow. */
		if (!s->cover || hf_sync_drop(s, s->cover, NULL) == 0 ||
			hf_held_push(&s->stuck, s->cover) < 0)
			hf_held_free(s->cover);
		s->cover = NULL;
		return hf_err_prefix(err, rc, "cover: ");
	}
	return 0;
}

int hf_sync_uncover(struct hf_sync *s, struct hf_err *err)
{
	int rc = s->cover ? hf_sync_drop(s, s->cover, err) : 0;

	if (rc < 0)
		return hf_err_prefix(err, rc, "cover: ");
	hf_held_free(s->cover);
	s->cover = NULL;
	return 0;
}

/* A rule that the driver removed without being asked for its count. */
void hf_sync_lose(struct hf_sync *s, struct hf_held *r)
{
	if (!r->in)
		return;
	r->known = false;
	hf_sync_went(s, r);
}

/* Everything of the port: the lists are all that rules can be in. */
static int flush(struct hf_sync *s, struct hf_held_list *list, struct hf_held_list *more)
{
	struct hf_held_list *lists[] = {&s->rules, &s->stuck, list, more};
	size_t i, k;
	int rc = s->opts.ops->flush(s->opts.ops_arg, NULL);

	if (rc < 0)
		return rc;
	s->stats.flushed++;
	for (k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		for (i = 0; lists[k] && i < lists[k]->n; i++)
			hf_sync_lose(s, lists[k]->v[i]);
	}
	hf_held_free(s->cover);
	s->cover = NULL;
	return 0;
}

/*
 * A rule of list (no longer in it) does not go. With tables the cover hides it; without, flushing
 * the port is the one thing left to try.
 */
static void keep_stuck(struct hf_sync *s, struct hf_held *r, bool tables, struct hf_held_list *list,
	struct hf_held_list *more)
{
	if (tables) {
		(void)hf_sync_cover(s, NULL); /* the caller has an error to report already */
	} else if (flush(s, list, more) == 0) {
		hf_sync_lose(s, r);
		hf_held_free(r);
		return;
	}
	(void)hf_held_push(&s->stuck, r); /* hf_sync_prepare() made room */
}

/*
 * Removes all rules of a list, last one first, and empties it. more: the other list, if any, that
 * rules are in at the moment. Goes on after a failure; returns the first.
 *
 * With tables no packet comes to the rules behind the first, which is the jump, or a cover is there
 * already: where the driver takes many they go together, and have no counts to lose.
 */
static int drop_all(struct hf_sync *s, struct hf_held_list *list, bool tables,
	struct hf_held_list *more, struct hf_err *err)
{
	size_t many = tables && s->opts.ops->destroy_many ? HF_SYNC_MANY : 1, max = 1, n, i;
	struct hf_held *rules[HF_SYNC_MANY];
	int rcs[HF_SYNC_MANY], first = 0;

	for (; list->n > 0; max = many) {
		struct hf_err e = {0};

		for (n = 0; n < max && list->n > 0; n++)
			rules[n] = list->v[--list->n];
		hf_sync_drop_many(s, rules, n, rcs, &e);
		for (i = 0; i < n; i++) {
			if (rcs[i] == 0) {
				hf_held_free(rules[i]);
				continue;
			}
			if (first == 0)
				first = hf_fail(err, rcs[i], "cannot remove a rule: %s", e.text);
			keep_stuck(s, rules[i], tables, list, more);
		}
	}
	return first;
}

/* Back to nothing in the NIC, after rc. list has every rule that is not stuck. */
static int give_up(struct hf_sync *s, struct hf_held_list *list, bool tables, int rc)
{
	(void)drop_all(s, list, tables, NULL, NULL); /* what does not go is in stuck afterwards */
	if (s->stuck.n == 0)
		(void)hf_sync_uncover(s, NULL); /* a cover that stays is right, only slow */
	s->tables = tables;
	return rc;
}

int hf_sync_give_up(struct hf_sync *s, int rc)
{
	return give_up(s, &s->rules, s->tables, rc);
}

/* Drops what was prepared and is not in the NIC. */
static void forget_fresh(struct hf_sync *s, struct hf_held_list *fresh)
{
	size_t i;

	for (i = 0; i < fresh->n; i++) {
		if (!fresh->v[i]->in)
			hf_held_free(fresh->v[i]);
	}
	hf_held_fini_shallow(fresh);
	for (i = 0; i < s->rules.n; i++)
		s->rules.v[i]->wanted = false;
}

/*
 * Stuck rules are in the order in which they should have gone, the opposite of the one in which
 * drop_all() takes them. A table must not be seen half empty, so what was not hidden before is now.
 */
static int retry_stuck(struct hf_sync *s, struct hf_err *err)
{
	struct hf_held_list again = {0}, room = {0};
	int rc = s->tables ? hf_sync_cover(s, err) : 0;

	if (rc < 0)
		return rc;
	rc = hf_held_reserve(&room, s->stuck.cap);
	if (rc == 0)
		rc = hf_held_reserve(&again, s->stuck.n);
	if (rc < 0) {
		hf_held_fini_shallow(&room);
		return hf_fail(err, rc, "offload: out of memory");
	}
	while (s->stuck.n > 0)
		(void)hf_held_push(&again, s->stuck.v[--s->stuck.n]); /* there is room */
	hf_held_fini_shallow(&s->stuck);
	s->stuck = room;
	rc = drop_all(s, &again, s->tables, NULL, err);
	hf_held_fini(&again);
	return rc;
}

/* Where the driver takes many they go together, but for the last: the jump that switches. */
static int put_fresh(struct hf_sync *s, struct hf_held_list *fresh, const struct hf_plan *plan,
	struct hf_err *err)
{
	size_t max = s->opts.ops->create_many ? HF_SYNC_MANY : 1, at[HF_SYNC_MANY], n = 0, i,
	       bad = 0;
	const char *origin;
	int rc = 0;

	for (i = 0; i < fresh->n && rc == 0; i++) {
		if (!fresh->v[i]->in)
			at[n++] = i;
		if (n == 0 || (n < max && i + 2 < fresh->n))
			continue;
		rc = hf_sync_put_many(s, fresh, at, n, &bad, err);
		n = 0;
	}
	if (rc == 0)
		return 0;
	origin = hf_plan_origin(plan, hf_plan_entry(plan, at[bad])->origin);
	return hf_err_prefix(
		err, rc, "entry %zu (%s): ", at[bad], origin[0] ? origin : "no policy");
}

/* A plan's root entry decides about nothing but tables, so the cover is one like it that punts. */
static void make_cover(struct hf_sync *s, const struct hf_plan *plan)
{
	size_t n = hf_plan_n_entries(plan), i;
	struct hf_flow punt;

	for (i = 0; i < n && hf_plan_entry(plan, i)->fate != HF_FATE_PUNT; i++)
		;
	if (n == 0 || i == n)
		return;
	hf_plan_flow(plan, s->opts.nic, i, s->opts.n_queues, &punt);
	hf_plan_flow(plan, s->opts.nic, n - 1, s->opts.n_queues, &s->cover_flow);
	s->cover_flow.group = 0;
	s->cover_flow.priority = 0;
	s->cover_flow.n_actions = punt.n_actions;
	memcpy(s->cover_flow.actions, punt.actions, sizeof(punt.actions));
}

/* The old rules that the new plan does not ask for, in their order. */
static int unwanted(const struct hf_sync *s, struct hf_held_list *ret)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < s->rules.n && rc == 0; i++) {
		if (!s->rules.v[i]->wanted)
			rc = hf_held_push(ret, s->rules.v[i]);
	}
	return rc;
}

/* old and fresh are all there is from here on; fresh has the rules that stay, too. */
static int change(struct hf_sync *s, struct hf_held_list *old, struct hf_held_list *fresh,
	const struct hf_plan *plan, bool tables, struct hf_err *err)
{
	int rc = drop_all(s, old, s->tables, fresh, err);

	if (rc == 0 && plan)
		rc = put_fresh(s, fresh, plan, err);
	if (rc == 0)
		rc = hf_sync_uncover(s, err);
	if (rc < 0)
		return give_up(s, fresh, s->tables || tables, rc);
	s->rules = *fresh;
	*fresh = (struct hf_held_list){0};
	s->tables = tables;
	return 0;
}

/* The same as change() for a start that did not come about: nothing has been touched yet. */
static int give_up_early(struct hf_sync *s, struct hf_held_list *fresh, int rc)
{
	forget_fresh(s, fresh);
	return hf_sync_give_up(s, rc);
}

static int replace(struct hf_sync *s, struct hf_held_list *fresh, const struct hf_plan *plan,
	bool tables, struct hf_err *err)
{
	bool covered = s->rules.n > 0 && fresh->n > 0 && (s->tables || tables);
	struct hf_held_list old = {0};
	int rc = unwanted(s, &old);

	if (rc < 0)
		rc = hf_fail(err, rc, "out of memory");
	else if (covered)
		rc = hf_sync_cover(s, err);
	if (rc < 0) {
		hf_held_fini_shallow(&old);
		return give_up_early(s, fresh, rc);
	}
	hf_held_fini_shallow(&s->rules);
	rc = change(s, &old, fresh, plan, tables, err);
	hf_held_fini(&old);
	return rc;
}

static bool has_tables(const struct hf_plan *plan)
{
	return plan && hf_plan_n_tables(plan) > 1 && hf_plan_n_entries(plan) > 0;
}

/* Entry by entry what the plan asks for; those that are in the NIC already are moved over. */
static int make_fresh(struct hf_sync *s, const struct hf_plan *plan, struct hf_held_list *ret)
{
	size_t n = plan ? hf_plan_n_entries(plan) : 0, i;
	struct hf_held_index *index = NULL;
	int rc = hf_held_index_build(&index, &s->rules);

	for (i = 0; i < n && rc == 0; i++) {
		const char *origin = hf_plan_origin(plan, hf_plan_entry(plan, i)->origin);
		enum hf_fate fate = hf_plan_entry(plan, i)->fate;
		struct hf_flow flow;
		struct hf_tally *tally;
		struct hf_held *r;

		hf_plan_flow(plan, s->opts.nic, i, s->opts.n_queues, &flow);
		tally = origin[0] && fate != HF_FATE_PUNT ? hf_tally_get(&s->tallies, origin)
							  : NULL;
		r = hf_held_index_take(&index, &flow);
		if (!r)
			r = hf_held_new(&flow);
		if (!r || (origin[0] && fate != HF_FATE_PUNT && !tally) ||
			hf_held_push(ret, r) < 0) {
			if (r && !r->in)
				hf_held_free(r);
			rc = -ENOMEM;
			break;
		}
		r->wanted = true;
		r->next_tally = tally;
		r->more = fate == HF_FATE_JUMP;
	}
	hf_held_index_fini(&index);
	return rc;
}

/* Kept rules may speak for another origin from now on. */
static void settle(struct hf_sync *s, struct hf_held_list *fresh)
{
	size_t i;

	for (i = 0; i < fresh->n; i++) {
		struct hf_held *r = fresh->v[i];

		if (r->in && r->tally != r->next_tally) {
			hf_sync_poll_rule(s, r);
			hf_tally_fold(r);
		}
		hf_tally_move(r);
	}
}

int hf_sync_prepare(struct hf_sync *sync, const struct hf_plan *plan, struct hf_err *err)
{
	int rc;

	hf_sync_cancel(sync);
	rc = make_fresh(sync, plan, &sync->fresh);
	if (rc == 0)
		rc = hf_held_reserve(
			&sync->stuck, sync->stuck.n + sync->rules.n + sync->fresh.n + 1);
	if (rc < 0) {
		hf_sync_cancel(sync);
		return hf_fail(err, rc, "offload: out of memory");
	}
	sync->plan = plan;
	return 0;
}

void hf_sync_cancel(struct hf_sync *sync)
{
	forget_fresh(sync, &sync->fresh);
	sync->plan = NULL;
}

/* All that the plan asks for is in the NIC, and nothing else. */
static bool is_same(const struct hf_sync *s, const struct hf_held_list *fresh)
{
	size_t i;

	for (i = 0; i < fresh->n && fresh->v[i]->in; i++)
		;
	return i == fresh->n && fresh->n == s->rules.n && !s->cover;
}

static int commit(struct hf_sync *s, struct hf_err *err)
{
	struct hf_held_list fresh = s->fresh;
	int rc;

	s->fresh = (struct hf_held_list){0};
	if (has_tables(s->plan))
		make_cover(s, s->plan);
	settle(s, &fresh);
	if (is_same(s, &fresh)) {
		hf_held_fini_shallow(&s->rules);
		s->rules = fresh;
		return 0;
	}
	rc = replace(s, &fresh, s->plan, has_tables(s->plan), err);
	hf_held_fini(&fresh);
	return rc;
}

int hf_sync_commit(struct hf_sync *sync, struct hf_err *err)
{
	size_t i;
	int rc = sync->stuck.n > 0 ? retry_stuck(sync, err) : 0;

	if (rc < 0) {
		hf_sync_cancel(sync);
		return rc;
	}
	rc = commit(sync, err);
	sync->check_next = 0;
	for (i = 0; i < sync->rules.n; i++)
		sync->rules.v[i]->wanted = false;
	sync->plan = NULL;
	return rc;
}

int hf_sync_apply(struct hf_sync *sync, const struct hf_plan *plan, struct hf_err *err)
{
	int rc = hf_sync_prepare(sync, plan, err);

	return rc < 0 ? rc : hf_sync_commit(sync, err);
}

size_t hf_sync_n_rules(const struct hf_sync *sync)
{
	size_t i, n = sync->stuck.n + (sync->cover ? 1 : 0);

	for (i = 0; i < sync->rules.n; i++)
		n += sync->rules.v[i]->in;
	return n;
}

size_t hf_sync_n_stuck(const struct hf_sync *sync)
{
	return sync->stuck.n;
}

void hf_sync_poll(struct hf_sync *sync)
{
	size_t i;

	for (i = 0; i < sync->rules.n; i++)
		hf_sync_poll_rule(sync, sync->rules.v[i]);
	for (i = 0; i < sync->stuck.n; i++)
		hf_sync_poll_rule(sync, sync->stuck.v[i]);
}

struct hf_sync_count hf_sync_count_entry(
	const struct hf_sync *sync, size_t i, uint64_t *ret_used_ms)
{
	const struct hf_held *r = i < sync->rules.n ? sync->rules.v[i] : NULL;

	if (ret_used_ms)
		*ret_used_ms = r && r->used_ms ? sync->opts.now_ms() - r->used_ms : UINT64_MAX;
	if (!r || !r->in || !r->known)
		return (struct hf_sync_count){0};
	return (struct hf_sync_count){true, r->packets - r->from.packets, r->bytes - r->from.bytes};
}

struct hf_sync_count hf_sync_count_origin(const struct hf_sync *sync, const char *origin)
{
	const struct hf_tally *t = hf_tally_find(sync->tallies, origin);

	if (!t)
		return (struct hf_sync_count){.known = true};
	return hf_tally_total(t);
}

void hf_sync_each_delivered(const struct hf_sync *sync,
	void (*fn)(void *arg, const char *origin, struct hf_sync_count count), void *arg)
{
	const struct hf_tally *t;

	for (t = sync->tallies; t; t = t->hh.next) {
		if (t->delivers)
			fn(arg, t->origin, hf_tally_delivered(t));
	}
}

void hf_sync_read_stats(const struct hf_sync *sync, struct hf_sync_stats *ret)
{
	*ret = sync->stats;
}
