/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that change while a classifier stays: with a delta it must say what hf_rules_lookup() says
 * of the new rules, whatever was put in, taken out, exchanged, or changed in sets that many rules
 * share, and however often.
 *
 * Worlds are random. Their sets are made large by a crowd: small nets that come and go one by one,
 * so that most sets are nearly what they were.
 */

#include "keys.h"
#include "world.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>
#include <soft/classify.h>

#include <hf_test.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS		400 /* by default: a few seconds */
#define UPDATES		6
#define KEYS_PER_UPDATE 150
#define N_CROWDS	3
#define CROWD		40

HF_SUITE(delta, .timeout = 3600);

struct place {
	struct hf_world world;
	struct hf_rand rand;
	uint64_t twist; /* 0: not at all */
	bool crowds[N_CROWDS][CROWD];
};

/* The first 24 are IPv4. */
static struct hf_prefix crowd_net(size_t crowd, size_t i)
{
	struct hf_prefix net = {{4, {10, 77, (uint8_t)crowd, (uint8_t)(8 * i)}}, 30};

	if (i % 3 == 0)
		net.len = 32;
	if (i >= 24)
		net = (struct hf_prefix){
			{6, {0xfd, 0, 0, 0x77, [14] = (uint8_t)crowd, [15] = (uint8_t)(4 * i)}},
			i % 2 ? 127 : 128};
	return net;
}

static int prefix_qcmp(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

/* The set with some of the crowd; sorted and disjoint. The caller frees the nets. */
static struct hf_prefix *join(const struct hf_set *set, const bool *crowd, size_t n, size_t *ret_n)
{
	struct hf_prefix *nets = calloc(set->n_nets + CROWD, sizeof(*nets));
	size_t i, n_nets = 0, k = 0;

	cr_assert_not_null(nets);
	for (i = 0; i < set->n_nets; i++)
		nets[n_nets++] = set->nets[i];
	for (i = 0; i < CROWD; i++) {
		if (crowd[i])
			nets[n_nets++] = crowd_net(n, i);
	}
	qsort(nets, n_nets, sizeof(*nets), prefix_qcmp);
	for (i = 0; i < n_nets; i++) {
		if (k == 0 || !hf_prefix_has(&nets[k - 1], &nets[i].addr))
			nets[k++] = nets[i];
	}
	*ret_n = k;
	return nets;
}

static struct hf_rules *make_rules(struct place *p, struct hf_rules *previous)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = p->world.calico};
	struct hf_policy *policy = NULL;
	struct hf_rules *rules = NULL;
	struct hf_model *model = NULL;
	struct hf_prefix *nets;
	struct hf_err err = {0};
	uint32_t *all_sets;
	char *text = hf_world_text(&p->world);
	size_t i;
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &model, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	all_sets = calloc(model->n_sets + 1, sizeof(*all_sets));
	cr_assert_not_null(all_sets);
	if (p->twist)
		hf_world_twist(model, all_sets, p->twist);
	for (i = 0; i < model->n_sets; i++) {
		/* The model is ours alone. */
		struct hf_set *set = (struct hf_set *)&model->sets[i];

		if (set->n_nets == 0)
			continue;
		nets = join(set, p->crowds[i % N_CROWDS], i % N_CROWDS, &set->n_nets);
		set->nets = hf_arena_dup(model->arena, nets, set->n_nets * sizeof(*nets));
		cr_assert_not_null(set->nets);
		free(nets);
	}
	rc = hf_rules_follow(model, previous, &rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	hf_model_free(model);
	hf_policy_free(policy);
	free(all_sets);
	free(text);
	return rules;
}

/* Rules come and go and change places, or members of sets come and go, or both. */
static void update(struct place *p)
{
	size_t i, k, what = hf_rand_below(&p->rand, 4);

	for (i = 0; what != 1 && i < p->world.docs.n; i++) {
		struct hf_doc *doc = &p->world.docs.v[i];
		size_t n = doc->rules.n;

		for (k = 0; k < n; k++)
			doc->rules.v[k].dropped ^= hf_rand_chance(&p->rand, 1, 12);
		if (n > 1 && hf_rand_chance(&p->rand, 1, 12)) {
			size_t a = hf_rand_below(&p->rand, n), b = hf_rand_below(&p->rand, n);
			struct hf_doc_rule rule = doc->rules.v[a];

			doc->rules.v[a] = doc->rules.v[b];
			doc->rules.v[b] = rule;
		}
	}
	for (i = 0; what != 0 && i < N_CROWDS; i++) {
		for (k = hf_rand_below(&p->rand, 4); k > 0; k--)
			p->crowds[i][hf_rand_below(&p->rand, CROWD)] ^= true;
	}
}

struct tally {
	size_t deltas, large, fresh, shaky, gone, touched, blind, needs_ct;
	size_t verdicts[4];
};

static bool same(const struct hf_decision *a, const struct hf_decision *b)
{
	return a->verdict == b->verdict && a->origin == b->origin && a->block == b->block &&
	       a->rule == b->rule;
}

static void check_blind(const struct hf_rules *rules, const struct hf_classifier *c,
	const struct hf_delta *d, struct hf_key key, struct tally *t)
{
	struct hf_decision blind, want;
	struct hf_walk walk;
	int ct;

	hf_classify_aim(c, d, NULL, &key, &key.src, &key.dst, &walk);
	cr_assert_not(hf_classify_recall(c, &walk));
	hf_classify_lead(c, d, &key, &walk);
	/* May be left out. */
	if (t->blind % 2)
		hf_classify_fetch(c, d, &key, &walk);
	if (!hf_classify_blind(c, d, &key, &walk, &blind)) {
		t->needs_ct++;
		return;
	}
	t->blind++;
	for (ct = HF_CT_NEW; ct <= HF_CT_UNTRACKED; ct++) {
		key.ct = (enum hf_ct)ct;
		want = hf_rules_lookup(rules, &key);
		cr_assert(same(&want, &blind), "blind differs in state %d", ct);
	}
}

/* Now and then an address beside or in a net that has come or gone. */
static void aim_at_delta(struct hf_rand *r, const struct hf_delta *d, struct hf_key *key)
{
	const struct hf_prefix *net;
	struct hf_addr a;

	if (d->n_nets == 0 || hf_rand_below(r, 3))
		return;
	net = &d->nets[hf_rand_below(r, d->n_nets)];
	a = hf_rand_below(r, 2) ? net->addr : hf_prefix_last(net);
	if (hf_rand_below(r, 4) == 0)
		hf_addr_step(&a, hf_rand_below(r, 2));
	if (a.family != key->src.family)
		return;
	if (hf_rand_below(r, 2)) {
		key->src = a;
	} else {
		key->dst = a;
		if (!key->dnated)
			key->wire_dst = a;
	}
}

static void check_delta(struct place *p, size_t world, const struct hf_classifier *c,
	const struct hf_rules *rules, struct tally *t)
{
	struct hf_delta *d = NULL;
	struct hf_decision want, got;
	struct hf_key key;
	int k, rc = hf_delta_new(c, rules, &d);

	cr_assert(rc == 0 || rc == -E2BIG);
	t->deltas += rc == 0;
	t->large += rc == -E2BIG;
	if (rc < 0)
		return;
	t->fresh += d->n_fresh;
	t->shaky += d->n_shaky;
	for (k = 0; k < (int)c->n_bits; k++)
		t->gone += d->moved[k] == HF_DELTA_GONE;
	for (k = 0; k < KEYS_PER_UPDATE; k++) {
		size_t i;

		/* Edges of what was there before count as well. */
		key = hf_edge_key(&p->rand, k % 4 ? rules : c->rules);
		aim_at_delta(&p->rand, d, &key);
		for (i = 0; i < d->n_nets && !hf_prefix_has(&d->nets[i], &key.src); i++)
			;
		t->touched += i < d->n_nets;
		want = hf_rules_lookup(rules, &key);
		got = hf_classify(c, d, &key);
		cr_assert(same(&want, &got),
			"HF_SEED=%llu world %zu key %d: %s block %u rule %u, not %s block %u rule "
			"%u",
			(unsigned long long)hf_test_seed(), world, k, hf_verdict_name(got.verdict),
			got.block, got.rule, hf_verdict_name(want.verdict), want.block, want.rule);
		t->verdicts[want.verdict]++;
		check_blind(rules, c, d, key, t);
	}
	hf_delta_free(d);
}

static struct hf_classifier *make_classifier(const struct hf_rules *rules, size_t world)
{
	struct hf_classifier *c = NULL;

	cr_assert_eq(hf_classifier_new(rules, world % 4 < 2 ? 2 : HF_LANES_FROM, &c), 0);
	c->avx512 = c->avx512 && world % 2; /* and what other machines do */
	return c;
}

static void check_world(size_t world, struct tally *t)
{
	struct hf_rules *base, *rules, *last;
	struct hf_classifier *c;
	struct place p = {0};
	size_t i, k;

	hf_rand_init(&p.rand, hf_test_seed(), world);
	hf_world_init(&p.world, &p.rand);
	p.twist = world % 3 == 0 ? hf_test_seed() ^ (world + 1) : 0;
	for (i = 0; i < N_CROWDS; i++) {
		for (k = 0; k < CROWD; k++)
			p.crowds[i][k] = hf_rand_below(&p.rand, 2);
	}
	base = last = make_rules(&p, NULL);
	c = make_classifier(base, world);
	for (i = 0; i < UPDATES; i++) {
		update(&p);
		rules = make_rules(&p, last);
		if (last != base)
			hf_rules_free(last);
		last = rules;
		check_delta(&p, world, c, rules, t);
		if (hf_rand_below(&p.rand, 3))
			continue;
		hf_classifier_free(c);
		hf_rules_free(base);
		base = rules;
		c = make_classifier(base, world);
	}
	hf_classifier_free(c);
	if (last != base)
		hf_rules_free(last);
	hf_rules_free(base);
	hf_world_fini(&p.world);
}

Test(delta, agrees_with_the_walk_over_random_updates)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : WORLDS;
	struct tally t = {0};

	for (i = 0; i < n; i++)
		check_world(i, &t);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu worlds: %zu deltas with %zu rules fresh, %zu shaky, %zu gone; "
		"%zu "
		"too large; %zu packets touched; deny %zu allow %zu no-decision %zu "
		"allow-untracked %zu; blind %zu, not %zu\n",
		(unsigned long long)hf_test_seed(), n, t.deltas, t.fresh, t.shaky, t.gone, t.large,
		t.touched, t.verdicts[HF_VERDICT_DENY], t.verdicts[HF_VERDICT_ALLOW],
		t.verdicts[HF_VERDICT_NO_DECISION], t.verdicts[HF_VERDICT_ALLOW_UNTRACKED], t.blind,
		t.needs_ct);
	cr_expect(n < WORLDS || (t.deltas > 10 * t.large && t.fresh && t.shaky && t.gone &&
					t.touched > 1000 && t.blind && t.needs_ct));
}
