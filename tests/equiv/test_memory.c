/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A proof that remembers what earlier ones have found out gives the answer of one that knows
 * nothing, whatever has changed in between, and for plans and rules that are wrong as well.
 */

#include "world.h"

#include <hepflow/check.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS	8 /* by default: a few seconds */
#define UPDATES 6
#define MUTANTS 2   /* of each plan */
#define ENTRIES 400 /* more is slow and shows no more */
#define NODES	2000000
#define FEW	3000 /* nodes that are too few for most proofs */

HF_SUITE(memory, .timeout = 3600);

/* A policy after some changes; plan NULL: the host has no uplink. */
struct state {
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plan;
	struct hf_entry *entries;
	struct hf_entry *mutants[MUTANTS]; /* as many entries as the plan */
};

struct answers {
	enum hf_check_answer rules;
	enum hf_check_answer older_rules;
	enum hf_check_answer plan;
	enum hf_check_answer older_plan;
	enum hf_check_answer mutants[MUTANTS];
};

struct chain {
	struct hf_world world;
	struct hf_rand rand;
	struct hf_nic *nic;
	struct state states[UPDATES];
};

static size_t n_answers[HF_CHECK_REFUTED + 1];

static void build(struct chain *c, struct state *s, const struct hf_plan *previous)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = c->world.calico};
	const struct hf_plan_opts plan_opts = {.capacity = ENTRIES, .previous = previous};
	char *text = hf_world_text(&c->world);
	struct hf_policy *policy;
	struct hf_err err = {0};
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &s->model, &err);
	if (rc == 0)
		rc = hf_rules_build(s->model, &s->rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	if (hf_plan_build(s->rules, c->nic, &plan_opts, &s->plan, &err) < 0)
		s->plan = NULL;
	hf_policy_free(policy);
	free(text);
}

/* Some rule less, or back; now and then a whole object, as far as that leaves a policy. */
static void change(struct chain *c)
{
	struct hf_doc *doc = &c->world.docs.v[hf_rand_below(&c->rand, c->world.docs.n)];
	size_t i;

	if (strstr(doc->head, "Policy") && hf_rand_chance(&c->rand, 1, 3))
		doc->dropped ^= true;
	for (i = 0; i < doc->rules.n; i++)
		doc->rules.v[i].dropped ^= hf_rand_chance(&c->rand, 1, 4);
}

/* One entry with another verdict, or another bit to match. */
static struct hf_entry *mutate(struct chain *c, const struct hf_plan *plan)
{
	size_t n = hf_plan_n_entries(plan), bit;
	struct hf_entry *v = hf_plan_copy_entries(plan), *e;

	cr_assert_not_null(v);
	e = &v[hf_rand_below(&c->rand, n)];
	bit = hf_rand_below(&c->rand, 2) ? offsetof(struct hf_hdr, ip_src)
					 : offsetof(struct hf_hdr, dport);
	bit = bit * 8 + hf_rand_below(&c->rand, 16);
	if (e->fate != HF_FATE_JUMP && hf_rand_below(&c->rand, 2))
		e->fate = (e->fate + 1) % HF_FATE_JUMP;
	else
		((uint8_t *)&e->match.spec)[bit / 8] ^=
			((uint8_t *)&e->match.mask)[bit / 8] & (uint8_t)(0x80 >> bit % 8);
	return v;
}

static void chain_init(struct chain *c, size_t world, struct hf_nic *nic)
{
	size_t i, k;

	*c = (struct chain){.nic = nic};
	hf_rand_init(&c->rand, hf_test_seed(), world);
	hf_world_init(&c->world, &c->rand);
	for (i = 0; i < UPDATES; i++) {
		struct state *s = &c->states[i];

		if (i > 0)
			change(c);
		build(c, s, i > 0 ? c->states[i - 1].plan : NULL);
		s->entries = s->plan ? hf_plan_copy_entries(s->plan) : NULL;
		for (k = 0; k < MUTANTS && s->plan && hf_plan_n_entries(s->plan); k++)
			s->mutants[k] = mutate(c, s->plan);
	}
}

static void chain_fini(struct chain *c)
{
	size_t i, k;

	for (i = UPDATES; i-- > 0;) {
		for (k = 0; k < MUTANTS; k++)
			free(c->states[i].mutants[k]);
		free(c->states[i].entries);
		hf_plan_free(c->states[i].plan);
		hf_rules_free(c->states[i].rules);
		hf_model_free(c->states[i].model);
	}
	hf_world_fini(&c->world);
}

static enum hf_check_answer ask_plan(const struct chain *c, const struct hf_model *model,
	const struct hf_plan *plan, const struct hf_entry *entries,
	const struct hf_check_opts *opts)
{
	struct hf_check_view view = {
		.nic = c->nic,
		.iface = hf_plan_iface(plan),
		.n_tables = hf_plan_n_tables(plan),
		.n_entries = hf_plan_n_entries(plan),
		.entries = entries,
	};
	struct hf_check check;
	struct hf_err err = {0};
	int rc = hf_check_plan(model, &view, opts, &check, &err);

	cr_assert_eq(rc, 0, "%s", err.text);
	hf_check_fini(&check);
	return check.answer;
}

static enum hf_check_answer ask_rules(const struct hf_model *model, const struct hf_rules *rules,
	const char *iface, const struct hf_check_opts *opts)
{
	struct hf_check_rules check;
	struct hf_err err = {0};
	int rc = hf_check_rules(model, rules, iface, opts, &check, &err);

	cr_assert_eq(rc, 0, "%s", err.text);
	return check.answer;
}

/* Of one state; older: the one before it, which mostly says something else. */
static struct answers ask(const struct chain *c, const struct state *s, const struct state *older,
	const struct hf_check_opts *opts)
{
	const char *iface = hf_plan_iface(s->plan);
	struct answers a = {0};
	size_t k;

	a.rules = ask_rules(s->model, s->rules, iface, opts);
	a.plan = ask_plan(c, s->model, s->plan, s->entries, opts);
	a.older_rules = ask_rules(s->model, older->rules, iface, opts);
	a.older_plan = ask_plan(c, s->model, older->plan, older->entries, opts);
	for (k = 0; k < MUTANTS; k++)
		a.mutants[k] = ask_plan(c, s->model, s->plan, s->mutants[k], opts);
	return a;
}

static void ask_all(const struct chain *c, const struct hf_check_opts *opts, struct answers *ret)
{
	size_t i;

	for (i = 0; i < UPDATES; i++) {
		const struct state *s = &c->states[i], *older = &c->states[i > 0 ? i - 1 : 0];

		if (opts->memory)
			hf_check_memory_turn(opts->memory);
		if (s->plan && s->mutants[0] && older->plan && older->mutants[0])
			ret[i] = ask(c, s, older, opts);
	}
}

static void count(const struct answers *a)
{
	size_t k;

	n_answers[a->rules]++;
	n_answers[a->older_rules]++;
	n_answers[a->plan]++;
	n_answers[a->older_plan]++;
	for (k = 0; k < MUTANTS; k++)
		n_answers[a->mutants[k]]++;
}

static void check_world(size_t world, struct hf_nic *nic)
{
	struct answers fresh[UPDATES] = {0}, warm[UPDATES] = {0}, small[UPDATES] = {0};
	struct hf_check_opts none = {.max_nodes = NODES}, with = none;
	struct chain c;
	size_t i;

	chain_init(&c, world, nic);
	ask_all(&c, &none, fresh);
	cr_assert_eq(hf_check_memory_new(NODES, &with.memory, NULL), 0);
	ask_all(&c, &with, warm);
	hf_check_memory_free(with.memory);
	cr_assert_eq(hf_check_memory_new(FEW, &with.memory, NULL), 0);
	ask_all(&c, &with, small);
	hf_check_memory_free(with.memory);
	for (i = 0; i < UPDATES; i++) {
		cr_assert_eq(memcmp(&fresh[i], &warm[i], sizeof(fresh[i])), 0,
			"HF_SEED=%llu world %zu update %zu", (unsigned long long)hf_test_seed(),
			world, i);
		cr_assert_eq(memcmp(&fresh[i], &small[i], sizeof(fresh[i])), 0,
			"HF_SEED=%llu world %zu update %zu, memory of few nodes",
			(unsigned long long)hf_test_seed(), world, i);
		count(&fresh[i]);
	}
	chain_fini(&c);
}

Test(memory, answers_are_those_of_a_proof_that_knows_nothing)
{
	static const char *const profiles[] = {"mlx5-cx6dx", "i40e-x710", "ice-e810-fdir"};
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : WORLDS;
	struct hf_nic *nics[3] = {0};
	struct hf_err err = {0};

	for (i = 0; i < 3; i++)
		cr_assert_eq(hf_profile_find(profiles[i], &nics[i], &err), 0, "%s", err.text);
	for (i = 0; i < n; i++)
		check_world(i, nics[i % 3]);
	for (i = 0; i < 3; i++)
		hf_profile_free(nics[i]);
	fprintf(stderr, "# HF_SEED=%llu: %zu worlds, %zu proven, %zu refuted\n",
		(unsigned long long)hf_test_seed(), n, n_answers[HF_CHECK_PROVEN],
		n_answers[HF_CHECK_REFUTED]);
	/* Right and wrong ones, or nothing would be compared. */
	cr_expect(n < WORLDS ||
		  (n_answers[HF_CHECK_PROVEN] > 50 && n_answers[HF_CHECK_REFUTED] > 20));
}
