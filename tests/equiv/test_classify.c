/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The classifier of the software path must say the same as hf_rules_lookup() of every key: verdict,
 * origin and the place of the rule. Worlds are random, rules are also changed into what only Felix
 * sends, and keys are made of edges: ends of nets and port ranges and what lies beside them, every
 * state, interface and class, whether they fit together or not.
 */

#include "keys.h"
#include "world.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>
#include <soft/classify.h>
#include <soft/flat.h>

#include <hf_test_eal.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS	       1500 /* by default: a few seconds */
#define FLAT_WORLDS    150
#define KEYS_PER_WORLD 400
#define TWISTED_OF     3 /* worlds, one has rules that only Felix sends */

HF_SUITE(classify, .timeout = 3600);
HF_EAL_SUITE(flat, .timeout = 3600);

static struct hf_rules *make_rules(struct hf_rand *rand, bool twisted, uint64_t seed)
{
	struct hf_policy *policy = NULL;
	struct hf_rules *rules = NULL;
	struct hf_model *model = NULL;
	uint32_t *all_sets = NULL;
	struct hf_model_opts opts;
	struct hf_world world;
	struct hf_err err = {0};
	char *text;
	int rc;

	hf_world_init(&world, rand);
	opts = (struct hf_model_opts){.node = HF_WORLD_NODE, .calico = world.calico};
	text = hf_world_text(&world);
	rc = hf_policy_new(&policy, &err);
	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &model, &err);
	if (rc == 0 && twisted) {
		all_sets = calloc(model->n_sets + 1, sizeof(*all_sets));
		cr_assert_not_null(all_sets);
		hf_world_twist(model, all_sets, seed);
	}
	if (rc == 0)
		rc = hf_rules_build(model, &rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	hf_model_free(model);
	hf_policy_free(policy);
	hf_world_fini(&world);
	free(all_sets);
	free(text);
	return rules;
}

static bool same(const struct hf_decision *a, const struct hf_decision *b)
{
	return a->verdict == b->verdict && a->origin == b->origin && a->block == b->block &&
	       a->rule == b->rule;
}

struct tally {
	size_t verdicts[4];
	size_t blind;
	size_t needs_ct;
	size_t known;
	size_t listed, list_decides, left;
};

/*
 * Blind to the connection's state it must say what holds in every state, or nothing; and the same
 * again if a packet of these classes has been seen.
 */
static void check_blind(const struct hf_rules *rules, const struct hf_classifier *c,
	struct hf_memo *memo, struct hf_key key, struct tally *t)
{
	struct hf_decision blind, d;
	struct hf_walk walk;
	int ct;

	hf_classify_aim(c, NULL, memo, &key, &key.src, &key.dst, &walk);
	if (hf_classify_recall(c, &walk))
		t->known++;
	else
		hf_classify_lead(c, NULL, &key, &walk);
	/* May be left out. */
	if (t->blind % 2)
		hf_classify_fetch(c, NULL, &key, &walk);
	if (!hf_classify_blind(c, NULL, &key, &walk, &blind)) {
		t->needs_ct++;
		return;
	}
	t->blind++;
	for (ct = HF_CT_NEW; ct <= HF_CT_UNTRACKED; ct++) {
		key.ct = (enum hf_ct)ct;
		d = hf_rules_lookup(rules, &key);
		cr_assert(same(&d, &blind), "blind differs in state %d", ct);
	}
}

static void check_world(uint64_t seed, size_t world, struct hf_memo *memo, struct tally *t)
{
	struct hf_classifier *c = NULL;
	struct hf_decision want, got;
	struct hf_rules *rules;
	struct hf_rand rand;
	struct hf_key key;
	int k;

	hf_rand_init(&rand, seed, world);
	rules = make_rules(&rand, world % TWISTED_OF == 0, seed ^ world);
	cr_assert_eq(hf_classifier_new(rules, world % 4 < 2 ? 2 : HF_LANES_FROM, &c), 0);
	c->avx512 = c->avx512 && world % 2; /* and what other machines do */
	for (k = 0; k < KEYS_PER_WORLD; k++) {
		key = hf_edge_key(&rand, rules);
		want = hf_rules_lookup(rules, &key);
		got = hf_classify(c, NULL, &key);
		if (!same(&want, &got))
			hf_rules_print(rules, stderr);
		cr_assert(same(&want, &got),
			"HF_SEED=%llu world %zu key %d: %s block %u rule %u, not %s block %u rule "
			"%u",
			(unsigned long long)seed, world, k, hf_verdict_name(got.verdict), got.block,
			got.rule, hf_verdict_name(want.verdict), want.block, want.rule);
		t->verdicts[want.verdict]++;
		check_blind(rules, c, k % 4 ? memo : NULL, key, t);
	}
	hf_classifier_free(c);
	hf_rules_free(rules);
}

/* What lists say, or leave to the classifier. */
static void check_lists(const struct hf_rules *rules, const struct hf_flat *flat,
	const struct hf_classifier *c, struct hf_key *keys, unsigned int n, struct tally *t)
{
	struct hf_flat_key flats[HF_FLAT_BURST];
	uint32_t said[HF_FLAT_BURST];
	unsigned int list, i;

	for (list = 0; list < flat->n_lists; list++) {
		for (i = 0; i < n; i++)
			hf_flat_fill(&flats[i], &keys[i].src, &keys[i].dst, keys[i].proto,
				keys[i].sport, keys[i].dport);
		hf_flat_ask(flat, list, flats, n, said);
		for (i = 0; i < n; i++) {
			const struct hf_path *path =
				hf_rules_find_path(rules, keys[i].in, keys[i].class);
			struct hf_decision blind, d;
			struct hf_walk walk;
			bool decided;

			if (!path || hf_flat_list_of(flat, path->block) != list)
				continue;
			if (said[i] == HF_MEMO_NONE) {
				t->left++;
				continue;
			}
			hf_classify_aim(c, NULL, NULL, &keys[i], &keys[i].src, &keys[i].dst, &walk);
			hf_classify_lead(c, NULL, &keys[i], &walk);
			decided = hf_classify_blind(c, NULL, &keys[i], &walk, &blind);
			cr_assert_eq(decided, said[i] >= HF_MEMO_BIT);
			t->listed++;
			if (!decided)
				continue;
			t->list_decides++;
			walk.said = said[i];
			cr_assert(hf_classify_blind(c, NULL, &keys[i], &walk, &d));
			cr_assert(same(&d, &blind));
			d = hf_rules_lookup(rules, &keys[i]);
			cr_assert(same(&d, &blind));
		}
	}
}

/* As the path asks: IPv4, not rewritten; protocols without ports have none. */
static void check_flat(uint64_t seed, size_t world, struct tally *t)
{
	struct hf_key keys[HF_FLAT_BURST];
	struct hf_classifier *c = NULL;
	struct hf_flat *flat = NULL;
	struct hf_rules *rules;
	struct hf_rand rand;
	unsigned int n = 0;
	int k, rc;

	hf_rand_init(&rand, seed, world);
	rules = make_rules(&rand, world % TWISTED_OF == 0, seed ^ world);
	cr_assert_eq(hf_classifier_new(rules, world % 4 < 2 ? 2 : HF_LANES_FROM, &c), 0);
	rc = hf_flat_new(c, HF_FLAT_ANY, &flat);
	cr_assert(rc == 0 || rc == -ENOENT, "%d", rc);
	for (k = 0; rc == 0 && k < 4 * KEYS_PER_WORLD; k++) {
		keys[n] = hf_edge_key(&rand, rules);
		if (keys[n].src.family != 4 || keys[n].dnated)
			continue;
		if (!hf_proto_has_ports(keys[n].proto))
			keys[n].sport = keys[n].dport = keys[n].wire_dport = 0;
		if (++n < HF_FLAT_BURST)
			continue;
		check_lists(rules, flat, c, keys, n, t);
		n = 0;
	}
	hf_flat_free(flat);
	hf_classifier_free(c);
	hf_rules_free(rules);
}

Test(flat, agrees_with_the_walk_on_random_worlds)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : FLAT_WORLDS;
	uint64_t seed = hf_test_seed();
	struct tally t = {0};

	for (i = 0; i < n; i++)
		check_flat(seed, i, &t);
	fprintf(stderr, "# HF_SEED=%llu: %zu worlds: lists decide %zu of %zu, and leave %zu\n",
		(unsigned long long)seed, n, t.list_decides, t.listed, t.left);
	cr_expect(n < FLAT_WORLDS || (t.list_decides > 0 && t.left > 0));
}

Test(classify, agrees_with_the_walk_on_random_worlds)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : WORLDS;
	uint64_t seed = hf_test_seed();
	/* Of all worlds: what is left of those before must not count. */
	struct hf_memo *memo = aligned_alloc(64, sizeof(*memo));
	struct tally t = {0};

	cr_assert_not_null(memo);
	memset(memo, 0, sizeof(*memo));
	for (i = 0; i < n; i++)
		check_world(seed, i, memo, &t);
	free(memo);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu worlds: deny %zu allow %zu no-decision %zu "
		"allow-untracked %zu; blind %zu, not %zu; seen before %zu\n",
		(unsigned long long)seed, n, t.verdicts[HF_VERDICT_DENY],
		t.verdicts[HF_VERDICT_ALLOW], t.verdicts[HF_VERDICT_NO_DECISION],
		t.verdicts[HF_VERDICT_ALLOW_UNTRACKED], t.blind, t.needs_ct, t.known);
	for (i = 0; i < 4 && n >= WORLDS; i++)
		cr_expect(t.verdicts[i] > 0, "no %s", hf_verdict_name((enum hf_verdict)i));
	cr_expect(n < WORLDS || (t.blind > 0 && t.needs_ct > 0 && t.known > 0));
}
