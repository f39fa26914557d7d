/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A plan that keeps what has not changed since the one before is the plan that is made whole: the
 * same entries in the same order, the same accounts, and operations that lead to it.
 *
 * Rules of random worlds are cut into pieces, which change, move, come and go; sets lose nets. What
 * has changed gets a new id, as hf_rules_follow() would have it.
 */

#include "world.h"

/* Some in every block. */
#define PART_RULES 4
#include "plan/pieces.c"

#include "plan/build.h"
#include "rules/table.h"
#include "unit/flowgen/plan/steps.h"

#include <hepflow/base/id.h>
#include <hepflow/diff.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS	    100 /* by default: a few seconds */
#define UPDATES	    6
#define ENTRIES_MAX 1000 /* of plans that are gone on from: every one of them is compared */

HF_SUITE(follow, .timeout = 3600);

/* 0 = as the profile says. */
static const uint32_t capacities[] = {0, 0, 0, 40, 200};

/* What all updates came to. */
struct follow_tally {
	size_t updates, runs, kept;
	size_t followed; /* plans that have something of the one before */
	size_t with_ports, with_sets, eswitch, ops;
};

/* A table of which test and world own different parts: what is listed here is the test's. */
struct version {
	struct hf_rules rules;
	struct hf_arena *arena;
};

static void *keep(const struct version *v, const void *data, size_t size)
{
	void *p = hf_arena_dup(v->arena, data, size);

	cr_assert_not_null(p);
	return p;
}

/* Cuts the blocks of rules into pieces of new ids. */
static struct version first_version(const struct hf_rules *rules, struct hf_rand *rand)
{
	struct version v = {.rules = *rules, .arena = hf_arena_new()};
	size_t b;

	cr_assert_not_null(v.arena);
	v.rules.blocks = keep(&v, rules->blocks, rules->n_blocks * sizeof(*rules->blocks));
	for (b = 0; b < rules->n_blocks; b++) {
		struct hf_block *block = &v.rules.blocks[b];
		struct hf_piece *pieces = hf_arena_calloc(v.arena, block->n_rules, sizeof(*pieces));
		uint32_t at = 0, n;

		cr_assert_not_null(pieces);
		for (block->n_pieces = 0; at < block->n_rules; at += n) {
			n = 1 + hf_rand_below(rand, 4);
			n = n > block->n_rules - at ? block->n_rules - at : n;
			pieces[block->n_pieces++] = (struct hf_piece){hf_id_new(), at, n};
		}
		block->pieces = pieces;
	}
	return v;
}

/* Another rule of the kind: the block stays total, and jumps lead forward. */
static void change_rule(struct hf_rule *r, struct hf_rand *rand)
{
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_ICMP, 47};
	bool no_ports = r->match.n_port == 0 && r->match.n_icmp == 0;

	if (r->op == HF_OP_VERDICT && hf_rand_chance(rand, 1, 2)) {
		r->verdict = r->verdict == HF_VERDICT_DENY ? HF_VERDICT_ALLOW : HF_VERDICT_DENY;
	} else if (no_ports && hf_rand_chance(rand, 1, 2)) {
		memset(r->match.proto, 0, sizeof(r->match.proto));
		/* Often one that no other rule names. */
		if (hf_rand_chance(rand, 1, 2))
			r->match.proto[0] = UINT64_C(1)
					    << protos[hf_rand_below(rand, sizeof(protos))];
		else
			r->match.proto[1 + hf_rand_below(rand, 3)] = UINT64_C(1)
								     << hf_rand_below(rand, 64);
	} else if (r->match.family == 0) {
		r->match.family = hf_rand_chance(rand, 1, 2) ? 4 : 6;
	} else {
		r->offload = hf_rand_chance(rand, 1, 2) ? HF_OFFLOAD_FORBID : HF_OFFLOAD_PREFER;
	}
}

/* One piece less, more, in another place, or with another rule. The last one stays. */
static void change_block(
	const struct version *v, struct hf_block *block, struct hf_rand *rand, bool may_change)
{
	struct hf_rule *rules = hf_arena_calloc(v->arena, 2 * block->n_rules, sizeof(*rules));
	struct hf_piece *pieces = hf_arena_calloc(v->arena, block->n_pieces + 1, sizeof(*pieces));
	uint32_t what = hf_rand_below(rand, 4), at = hf_rand_below(rand, block->n_pieces), i, k;
	uint32_t n = 0, n_rules = 0;

	cr_assert(rules && pieces);
	for (i = 0; i < block->n_pieces; i++) {
		struct hf_piece p = block->pieces[i];
		bool last = i + 1 == block->n_pieces;
		uint32_t times = 1;

		if (may_change && i == at && !last && what == 0)
			continue; /* gone */
		if (may_change && i == at && !last && what == 1)
			times = 2;
		if (may_change && i == at && i + 2 < block->n_pieces && what == 2)
			p = block->pieces[i + 1];
		if (may_change && i == at + 1 && !last && what == 2)
			p = block->pieces[at];
		for (; times > 0; times--) {
			memcpy(rules + n_rules, block->rules + p.first, p.n * sizeof(*rules));
			pieces[n] = (struct hf_piece){p.id, n_rules, p.n};
			if (may_change && i == at && (what == 3 || times > 1)) {
				pieces[n].id = hf_id_new();
				for (k = 0; k + last < p.n; k++)
					change_rule(&rules[n_rules + k], rand);
			}
			n++;
			n_rules += p.n;
		}
	}
	block->rules = rules;
	block->pieces = pieces;
	block->n_rules = n_rules;
	block->n_pieces = n;
}

/* A net less of one set, or the nets of another. */
static void change_set(struct version *v, struct hf_rand *rand)
{
	struct hf_set *sets = keep(v, v->rules.sets, v->rules.n_sets * sizeof(*sets));
	uint64_t *ids = keep(v, v->rules.set_ids, v->rules.n_sets * sizeof(*ids));
	struct hf_set *set = &sets[hf_rand_below(rand, (uint32_t)v->rules.n_sets)];
	const struct hf_set *other = &sets[hf_rand_below(rand, (uint32_t)v->rules.n_sets)];

	if (set->n_nets > 1 && hf_rand_chance(rand, 1, 2)) {
		set->n_nets--;
	} else {
		set->nets = other->nets;
		set->n_nets = other->n_nets;
	}
	ids[set - sets] = hf_id_new();
	v->rules.sets = sets;
	v->rules.set_ids = ids;
}

static struct version next_version(const struct version *before, struct hf_rand *rand)
{
	struct version v = {.rules = before->rules, .arena = hf_arena_new()};
	uint32_t changes = 1 + hf_rand_below(rand, 3), i;

	cr_assert(v.arena && hf_arena_keep(v.arena, before->arena) == 0);
	v.rules.blocks = keep(&v, v.rules.blocks, v.rules.n_blocks * sizeof(*v.rules.blocks));
	for (i = 0; i < changes; i++) {
		struct hf_block *block;
		unsigned int tries = 0;

		/* Rather one that policy has filled. */
		do
			block = &v.rules.blocks[hf_rand_below(rand, (uint32_t)v.rules.n_blocks)];
		while (block->n_pieces < 3 && tries++ < 20);
		change_block(&v, block, rand, true);
	}
	/* What is the same need not be the same memory. */
	for (i = 0; i < v.rules.n_blocks; i++)
		change_block(&v, &v.rules.blocks[i], rand, false);
	if (hf_rand_chance(rand, 1, 4))
		change_set(&v, rand);
	if (hf_rand_chance(rand, 1, 20))
		v.rules.facts_id = hf_id_new();
	return v;
}

struct chain {
	const struct hf_nic *nic;
	struct hf_plan_opts opts;
	struct hf_plan *plan;
	struct follow_tally *tally;
	size_t world;
};

static int sign(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static bool same_entry(const struct hf_entry *a, const struct hf_entry *b)
{
	return a->table == b->table && a->fate == b->fate && a->jump == b->jump &&
	       a->sets_tag == b->sets_tag && a->tag == b->tag && a->forward == b->forward &&
	       a->origin == b->origin && a->reason == b->reason && a->detail == b->detail &&
	       memcmp(&a->match, &b->match, sizeof(a->match)) == 0;
}

static void same_plans(const struct chain *c, const struct hf_plan *a, const struct hf_plan *b)
{
	size_t n = hf_plan_n_entries(a), i;

	cr_assert_eq(hf_plan_n_entries(b), n, "HF_SEED=%llu world %zu: %zu entries, not %zu",
		(unsigned long long)hf_test_seed(), c->world, n, hf_plan_n_entries(b));
	for (i = 0; i < n; i++) {
		const struct hf_entry *x = hf_plan_entry(a, i), *y = hf_plan_entry(b, i);
		bool same = same_entry(x, y);

		if (same && i && hf_plan_entry(a, i - 1)->table == x->table)
			same = sign(hf_plan_entry(a, i - 1)->priority, x->priority) ==
			       sign(hf_plan_entry(b, i - 1)->priority, y->priority);
		cr_assert(same, "HF_SEED=%llu world %zu: entry %zu",
			(unsigned long long)hf_test_seed(), c->world, i);
	}
	cr_assert_eq(hf_plan_n_accounts(a), hf_plan_n_accounts(b));
	for (i = 0; i < hf_plan_n_accounts(a); i++) {
		const struct hf_account *x = hf_plan_account(a, i), *y = hf_plan_account(b, i);

		cr_assert(x->origin == y->origin && x->share == y->share &&
				  x->reason == y->reason && x->detail == y->detail &&
				  x->entries == y->entries && x->packets == y->packets,
			"HF_SEED=%llu world %zu: account of %s", (unsigned long long)hf_test_seed(),
			c->world, hf_plan_origin(a, x->origin));
	}
}

/* The operations are those that a comparison of all entries finds, and lead to the new plan. */
static void same_steps(const struct chain *c, const struct hf_plan *next)
{
	struct hf_steps now, end;
	struct hf_diff *d;
	size_t i;

	cr_assert_eq(hf_diff_build(c->plan, next, NULL, &d, NULL), 0);
	hf_steps_init(&now, c->plan, next);
	hf_steps_init(&end, next, next);
	for (i = 0; i < hf_diff_n_ops(d); i++)
		hf_steps_do(&now, hf_diff_op(d, i));
	cr_assert(hf_steps_equal(&now, &end), "HF_SEED=%llu world %zu: not the new plan's entries",
		(unsigned long long)hf_test_seed(), c->world);
	cr_assert_eq(hf_diff_n_keeps(d) + hf_diff_n_adds(d), hf_plan_n_entries(next));
	cr_assert_eq(hf_diff_n_keeps(d) + hf_diff_n_deletes(d), hf_plan_n_entries(c->plan));
	c->tally->ops += hf_diff_n_ops(d);
	hf_diff_free(d);
	hf_steps_fini(&now);
	hf_steps_fini(&end);
}

static void count_kept(const struct chain *c, const struct hf_plan *next)
{
	size_t i, k, kept = 0;

	/* What is kept stays in order. */
	for (i = k = 0; i < next->runs.n; i++) {
		size_t at = k;

		while (at < c->plan->runs.n && c->plan->runs.v[at].v != next->runs.v[i].v)
			at++;
		if (at == c->plan->runs.n)
			continue;
		kept++;
		k = at + 1;
	}
	c->tally->updates++;
	c->tally->runs += next->runs.n;
	c->tally->kept += kept;
	c->tally->followed += kept > 0;
	c->tally->with_ports += kept > 0 && next->ports.used;
	c->tally->with_sets += kept > 0 && (next->addrs[0] || next->addrs[1]);
	c->tally->eswitch += next->eswitch.on;
}

static void go_on(struct chain *c, const struct hf_rules *rules)
{
	struct hf_plan *next, *whole;
	struct memory *m = c->plan->memory;
	struct hf_err err = {0};
	bool cut = m && m->cut;

	c->opts.previous = c->plan;
	cr_assert_eq(hf_plan_build(rules, c->nic, &c->opts, &next, &err), 0, "%s", err.text);
	if (m)
		m->cut = true; /* so that nothing is kept */
	cr_assert_eq(hf_plan_build(rules, c->nic, &c->opts, &whole, &err), 0, "%s", err.text);
	if (m)
		m->cut = cut;
	same_plans(c, next, whole);
	same_steps(c, next);
	count_kept(c, next);
	hf_plan_free(whole);
	hf_plan_free(c->plan);
	c->plan = next;
}

static void run_chain(
	const struct hf_rules *rules, struct hf_nic *nic, size_t world, struct follow_tally *tally)
{
	struct chain c = {.nic = nic, .tally = tally, .world = world};
	struct version now, next;
	struct hf_rand rand;
	size_t i;

	hf_rand_init(&rand, hf_test_seed(), world);
	c.opts.capacity = capacities[hf_rand_below(&rand, sizeof(capacities) / sizeof(uint32_t))];
	c.opts.classify_from = hf_rand_chance(&rand, 2, 3);
	c.opts.strict_invalid = hf_rand_chance(&rand, 1, 4);
	if (nic->transfer)
		c.opts.eswitch = (struct hf_eswitch){true, 0, 1};
	now = first_version(rules, &rand);
	cr_assert_eq(hf_plan_build(&now.rules, nic, &c.opts, &c.plan, NULL), 0);
	for (i = 0; i < UPDATES && hf_plan_n_entries(c.plan) < ENTRIES_MAX; i++) {
		next = next_version(&now, &rand);
		go_on(&c, &next.rules);
		hf_arena_free(now.arena);
		now = next;
	}
	/* Once more without a change. */
	if (hf_plan_n_entries(c.plan) < ENTRIES_MAX)
		go_on(&c, &now.rules);
	hf_plan_free(c.plan);
	hf_arena_free(now.arena);
}

static void run_world(
	size_t i, struct hf_nic *const *nics, size_t n_nics, struct follow_tally *tally)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_world world;
	struct hf_rand rand;
	char *text;

	hf_rand_init(&rand, hf_test_seed(), i);
	hf_world_init(&world, &rand);
	opts.calico = world.calico;
	text = hf_world_text(&world);
	cr_assert_eq(hf_policy_new(&policy, NULL), 0);
	cr_assert_eq(hf_policy_read_text(policy, "world.yaml", text, strlen(text), NULL), 0);
	cr_assert_eq(hf_model_build(policy, &opts, &model, NULL), 0);
	cr_assert_eq(hf_rules_build(model, &rules, NULL), 0);
	run_chain(rules, nics[i % n_nics], i, tally);
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
	hf_world_fini(&world);
}

/* Profiles whose plans have groups: ports, e-switches, templates, few priorities, few fields. */
static size_t list_grouped(struct hf_nic **all, size_t n, struct hf_nic **ret)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		const struct hf_engine *e = hf_plan_engine(all[i], all[i]->transfer);

		if (e && e->groups > 1 && e->order == HF_PRIO_LOWER && e->prios > 256)
			ret[k++] = all[i];
	}
	return k;
}

Test(follow, keeps_what_a_whole_plan_has)
{
	const char *seeds = getenv("HF_SEEDS");
	size_t n = seeds ? strtoul(seeds, NULL, 10) : WORLDS, n_nics, n_grouped, i;
	struct hf_nic **nics, *grouped[64];
	struct follow_tally t = {0};

	cr_assert_eq(hf_profile_all(&nics, &n_nics, NULL), 0);
	cr_assert_leq(n_nics, 64);
	n_grouped = list_grouped(nics, n_nics, grouped);
	for (i = 0; i < n; i++)
		run_world(i, grouped, n_grouped, &t);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu profiles, %zu updates (%zu for an e-switch, which keeps "
		"nothing), %zu of them keep something (%zu with port ranges as tags, %zu with "
		"sets): %zu of %zu runs; %zu operations\n",
		(unsigned long long)hf_test_seed(), n_grouped, t.updates, t.eswitch, t.followed,
		t.with_ports, t.with_sets, t.kept, t.runs, t.ops);
	/* Else nothing was tried. */
	if (n >= WORLDS) {
		cr_expect_gt(4 * t.followed, t.updates - t.eswitch);
		cr_expect_gt(4 * t.kept, t.runs);
		cr_expect(t.with_ports > 0 && t.with_sets > 0 && t.eswitch > 0 && t.ops > 0);
	}
	hf_profile_free_all(nics, n_nics);
}
