/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What Felix says changes what follows no otherwise than if it had said all of it at once: message
 * by message of one world is put on top of another, and models and tables that follow the ones
 * before are compared with those made from nothing.
 */

#include "felix_stream.h"
#include "same.h"
#include "world.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>
#include <hepflow/policy.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define PAIRS 40 /* by default: a second */

HF_SUITE(felix_next, .timeout = 3600);

struct follow {
	struct hf_model *model;
	struct hf_rules *rules;
	size_t n_built;
};

static void init_stream(struct hf_felix_stream *stream, uint64_t seed, size_t i, bool by_id)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct hf_world world;
	struct hf_rand rand;
	struct hf_err err;
	char *text;

	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	text = hf_world_text(&world);
	cr_assert_eq(hf_policy_new(&policy, &err), 0);
	cr_assert_eq(hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err), 0, "%s",
		err.text);
	cr_assert_eq(hf_model_build(policy, &opts, &model, &err), 0, "%s", err.text);
	hf_felix_stream_fit(model);
	hf_felix_stream_init(stream, hf_policy_objects(policy), model, by_id, &rand);
	hf_model_free(model);
	hf_policy_free(policy);
	hf_world_fini(&world);
	free(text);
}

static void build(struct follow *f, const struct hf_policy *policy, const char *where)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	struct hf_model *model = NULL, *fresh_model = NULL;
	struct hf_rules *rules = NULL, *fresh = NULL;
	struct hf_err err = {0}, fresh_err = {0};
	int rc = hf_model_build(policy, &opts, &fresh_model, &fresh_err);

	opts.previous = f->model;
	cr_assert_eq(hf_model_build(policy, &opts, &model, &err), rc, "%s", where);
	if (rc < 0) { /* half of a change may name what is not there yet */
		cr_assert_str_eq(err.text, fresh_err.text, "%s", where);
		return;
	}
	cr_assert_eq(hf_rules_build(fresh_model, &fresh, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_follow(model, f->rules, &rules, &err), 0, "%s", err.text);
	(void)hf_assert_same_rules(rules, fresh, where);
	if (f->rules)
		hf_assert_ids_hold(rules, f->rules, where);
	hf_rules_free(fresh);
	hf_model_free(fresh_model);
	hf_rules_free(f->rules);
	hf_model_free(f->model);
	f->rules = rules;
	f->model = model;
	f->n_built++;
}

static void take_all(struct hf_felix *felix, const struct hf_felix_stream *stream, struct follow *f,
	size_t every, const char *where)
{
	struct hf_policy *policy;
	enum hf_felix_event event;
	struct hf_err err;
	size_t i;

	for (i = 0; i < stream->msgs.n; i++) {
		cr_assert_eq(hf_felix_take(felix, stream->msgs.v[i].data, stream->msgs.v[i].size,
				     &event, &err),
			0, "%s: %s", where, err.text);
		if (!hf_felix_in_sync(felix) || (i % every && i + 1 < stream->msgs.n))
			continue;
		cr_assert_eq(hf_policy_new(&policy, &err), 0);
		if (hf_felix_read(felix, HF_WORLD_NODE, policy, &err) == 0)
			build(f, policy, where);
		hf_policy_free(policy);
	}
}

static size_t run_pair(uint64_t seed, size_t i)
{
	struct hf_felix_stream one, other;
	struct hf_felix *felix;
	struct follow f = {0};
	char where[64];
	size_t n;

	(void)snprintf(where, sizeof(where), "HF_SEED=%llu pair %zu", (unsigned long long)seed, i);
	init_stream(&one, seed, 2 * i, i % 2);
	init_stream(&other, seed, 2 * i + 1, i % 2);
	cr_assert_eq(hf_felix_new(&felix, NULL), 0);
	take_all(felix, &one, &f, SIZE_MAX, where);
	take_all(felix, &other, &f, 3, where);
	n = f.n_built;
	hf_rules_free(f.rules);
	hf_model_free(f.model);
	hf_felix_free(felix);
	hf_felix_stream_fini(&one);
	hf_felix_stream_fini(&other);
	return n;
}

Test(felix_next, changes_are_as_good_as_news)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : PAIRS, built = 0;

	for (i = 0; i < n; i++)
		built += run_pair(hf_test_seed(), i);
	cr_assert_gt(built, 3 * n);
	fprintf(stderr, "# HF_SEED=%llu: %zu generations\n", (unsigned long long)hf_test_seed(),
		built);
}
