/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A generation that follows another is the one that is made from nothing: model, rules and plan
 * say the same to the last byte, whatever has changed before, and although the generation before
 * is gone by then.
 */

#include "same.h"
#include "world.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORLDS	 100 /* by default: a few seconds */
#define UPDATES	 8
#define PLANS	 2 /* the last updates: plans take most of the time */

HF_SUITE(next, .timeout = 3600);

struct generation {
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plan; /* NULL: a host without an uplink has none */
};

struct place {
	struct hf_world world;
	struct hf_rand rand;
	struct hf_policy *policy;
	struct hf_nic *nic;
	struct generation now;
};

static void generation_fini(struct generation *g)
{
	hf_model_free(g->model);
	hf_rules_free(g->rules);
	hf_plan_free(g->plan);
}

static struct generation build(const struct place *p, struct generation *previous, bool plan)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = p->world.calico};
	const struct hf_plan_opts plan_opts = {.previous = p->now.plan};
	struct generation g = {0};
	struct hf_err err = {0};
	int rc;

	opts.previous = previous ? previous->model : NULL;
	rc = hf_model_build(p->policy, &opts, &g.model, &err);
	if (rc == 0)
		rc = hf_rules_follow(g.model, previous ? previous->rules : NULL, &g.rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	if (plan)
		(void)hf_plan_build(g.rules, p->nic, &plan_opts, &g.plan, &err);
	return g;
}

static int cmp_accounts(const void *pa, const void *pb)
{
	const json_t *const *a = pa, *const *b = pb;

	return strcmp(json_string_value(json_object_get(*a, "origin")),
		json_string_value(json_object_get(*b, "origin")));
}

/* The plan's text, with the reports about rules in the order of their origins: numbers may differ.
 */
static void put_plan(const struct hf_plan *plan, FILE *out)
{
	char *text = NULL;
	json_t *root, *list, **v;
	size_t size, i, n;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	cr_assert_eq(hf_plan_print_json(plan, f), 0);
	cr_assert_eq(fclose(f), 0);
	root = json_loadb(text, size, 0, NULL);
	list = json_object_get(root, "rules");
	n = json_array_size(list);
	v = calloc(n + 1, sizeof(*v));
	cr_assert(root && v);
	for (i = 0; i < n; i++)
		v[i] = json_incref(json_array_get(list, i));
	qsort(v, n, sizeof(*v), cmp_accounts);
	for (i = 0; i < n; i++)
		json_array_set_new(list, i, v[i]);
	cr_assert_eq(json_dumpf(root, out, JSON_INDENT(1) | JSON_SORT_KEYS), 0);
	json_decref(root);
	free(v);
	free(text);
}

static int cmp_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sets that have a name, sorted by what they say. */
static json_t *sort_sets(const json_t *sets)
{
	size_t i, n = 0, size = json_array_size(sets);
	char **v = calloc(size + 1, sizeof(*v));
	json_t *ret = json_array();

	cr_assert(v && ret);
	for (i = 0; i < size; i++) {
		json_t *set = json_array_get(sets, i);

		if (json_string_length(json_object_get(set, "name")))
			v[n++] = json_dumps(set, 0);
	}
	qsort(v, n, sizeof(*v), cmp_text);
	for (i = 0; i < n; i++) {
		json_array_append_new(ret, json_string(v[i]));
		free(v[i]);
	}
	free(v);
	return ret;
}

static bool is_set_number(const char *key, const json_t *value)
{
	static const char *const keys[] = {"set", "not_set", "service", "peers", "service_nets"};
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		if (json_is_integer(value) && strcmp(key, keys[i]) == 0)
			return true;
	}
	return false;
}

/* Puts sets in the place of their numbers. */
static void spell_sets(json_t *at, const char *name, const json_t *sets)
{
	const char *key;
	json_t *value;
	void *tmp;
	size_t i;

	json_object_foreach_safe(at, tmp, key, value)
	{
		if (is_set_number(key, value))
			json_object_set(
				at, key, json_array_get(sets, (size_t)json_integer_value(value)));
		else
			spell_sets(value, key, sets);
	}
	json_array_foreach(at, i, value)
	{
		if (json_is_integer(value) && strcmp(name, "sets") == 0)
			json_array_set(
				at, i, json_array_get(sets, (size_t)json_integer_value(value)));
		else
			spell_sets(value, "", sets);
	}
}

/* The model's text, with sets where their numbers stand: those may differ. */
static void put_model(const struct hf_model *model, FILE *out)
{
	char *text = NULL;
	json_t *root, *sets;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	cr_assert_eq(hf_model_print_json(model, NULL, 0, f), 0);
	cr_assert_eq(fclose(f), 0);
	root = json_loadb(text, size, 0, NULL);
	cr_assert(root);
	sets = json_deep_copy(json_object_get(root, "sets"));
	json_object_set_new(root, "sets", sort_sets(sets));
	spell_sets(root, "", sets);
	cr_assert_eq(json_dumpf(root, out, JSON_INDENT(1)), 0);
	json_decref(sets);
	json_decref(root);
	free(text);
}

/* All that a generation says. The caller frees it. */
static char *text_of(const struct generation *g, bool plan)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	put_model(g->model, f);
	if (g->plan && plan)
		put_plan(g->plan, f);
	cr_assert_eq(fclose(f), 0);
	return text;
}

static void read_world(struct place *p, const struct hf_world *world)
{
	char *text = hf_world_text(world);
	struct hf_err err = {0};
	int rc = hf_policy_read_text(p->policy, "world.yaml", text, strlen(text), &err);

	cr_assert_eq(rc, 0, "%s", err.text);
	free(text);
}

/* One object, with some of its rules and its places of them changed. */
static void update_one(struct place *p)
{
	struct hf_doc *doc = &p->world.docs.v[hf_rand_below(&p->rand, p->world.docs.n)];
	struct hf_world one = {.calico = p->world.calico, .docs = {1, 1, doc}};
	size_t n = doc->rules.n, i;

	for (i = 0; i < n; i++)
		doc->rules.v[i].dropped ^= hf_rand_chance(&p->rand, 1, 4);
	if (n > 1 && hf_rand_chance(&p->rand, 1, 3)) {
		struct hf_doc_rule *a = &doc->rules.v[hf_rand_below(&p->rand, n)];
		struct hf_doc_rule *b = &doc->rules.v[hf_rand_below(&p->rand, n)], rule = *a;

		if (a->egress == b->egress) {
			*a = *b;
			*b = rule;
		}
	}
	read_world(p, &one);
}

/* The object of the same kind and name. */
static struct hf_doc *find_doc(struct hf_world *w, const char *head)
{
	const char *name = strstr(head, "name:");
	size_t i, len = (size_t)(name - head) + strcspn(name, ",}");

	for (i = 0; i < w->docs.n; i++) {
		if (strncmp(w->docs.v[i].head, head, len) == 0 &&
			strchr(",}", w->docs.v[i].head[len]))
			return &w->docs.v[i];
	}
	return NULL;
}

/*
 * One object out of another world in the place of that of the same kind and name, or as one more:
 * other labels, ports, members, orders, selectors, tiers, addresses, switches.
 */
static void update_other(struct place *p)
{
	struct hf_world other, one = {.calico = p->world.calico};
	struct hf_doc *from, *to, tmp;

	hf_world_init(&other, &p->rand);
	from = &other.docs.v[hf_rand_below(&p->rand, other.docs.n)];
	to = find_doc(&p->world, from->head);
	if (!to) {
		cr_assert_eq(hf_vec_push(&p->world.docs, (struct hf_doc){0}), 0);
		to = &p->world.docs.v[p->world.docs.n - 1];
	}
	tmp = *to;
	*to = *from;
	*from = tmp;
	if (!from->head) /* there was none */
		*from = other.docs.v[--other.docs.n];
	one.docs.v = to;
	one.docs.n = one.docs.cap = 1;
	read_world(p, &one);
	hf_world_fini(&other);
}

/* What all worlds have alike, of which sets are made: one of two ways, then the other. */
static void update_alike(struct place *p)
{
	static const char *const ways[][2] = {{"team: x", "team: y"},
		{"addresses: [10.65.1.5]", "addresses: [10.65.0.9]"},
		{"TCP, port: 3000}]\nendpoints", "TCP, port: 80}]\nendpoints"},
		{"{prof: 'p0'}", "{role: b}"}, {"{prof: 'p1'}", "{role: a, prof: p1}"}};
	size_t way = hf_rand_below(&p->rand, COUNT(ways)), i, k;
	struct hf_world one = {.calico = p->world.calico};
	char *text;

	for (i = 0; i < p->world.docs.n; i++) {
		struct hf_doc *doc = &p->world.docs.v[i];

		for (k = 0; k < 2; k++) {
			const char *at = strstr(doc->head, ways[way][k]);

			if (!at)
				continue;
			cr_assert_geq(asprintf(&text, "%.*s%s%s", (int)(at - doc->head), doc->head,
					      ways[way][!k], at + strlen(ways[way][k])),
				0);
			free(doc->head);
			doc->head = text;
			one.docs.v = doc;
			one.docs.n = one.docs.cap = 1;
			read_world(p, &one);
			break;
		}
	}
}

/* Objects that go: the set of them has to be read anew. */
static void update_all(struct place *p)
{
	struct hf_doc *doc = &p->world.docs.v[hf_rand_below(&p->rand, p->world.docs.n)];
	struct hf_err err = {0};

	if (strstr(doc->head, "Policy"))
		doc->dropped ^= true;
	hf_policy_free(p->policy);
	cr_assert_eq(hf_policy_new(&p->policy, &err), 0, "%s", err.text);
	read_world(p, &p->world);
}

static void check_update(struct place *p, size_t world, size_t update, bool plan)
{
	struct generation next = build(p, &p->now, plan), fresh = build(p, NULL, plan);
	char *want, *got, where[80];
	bool ordered;

	(void)snprintf(where, sizeof(where), "HF_SEED=%llu world %zu update %zu",
		(unsigned long long)hf_test_seed(), world, update);
	ordered = hf_assert_same_rules(next.rules, fresh.rules, where);
	want = text_of(&fresh, ordered);
	hf_assert_ids_hold(next.rules, p->now.rules, where);
	generation_fini(&fresh);
	generation_fini(&p->now);
	p->now = next;
	got = text_of(&next, ordered);
	cr_assert_str_eq(got, want, "%s", where);
	free(want);
	free(got);
}

/* The last n_plans generations have a plan. */
static void check_world(size_t world, struct hf_nic *nic, size_t n_plans)
{
	struct place p = {.nic = nic};
	struct hf_err err = {0};
	size_t i;

	hf_rand_init(&p.rand, hf_test_seed(), world);
	hf_world_init(&p.world, &p.rand);
	cr_assert_eq(hf_policy_new(&p.policy, &err), 0, "%s", err.text);
	read_world(&p, &p.world);
	p.now = build(&p, NULL, false);
	for (i = 0; i < UPDATES; i++) {
		if (hf_rand_chance(&p.rand, 1, 8))
			update_all(&p);
		else if (hf_rand_chance(&p.rand, 1, 4))
			update_alike(&p);
		else if (hf_rand_chance(&p.rand, 1, 2))
			update_other(&p);
		else if (hf_rand_chance(&p.rand, 7, 8))
			update_one(&p);
		check_update(&p, world, i, i + n_plans >= UPDATES);
	}
	generation_fini(&p.now);
	hf_policy_free(p.policy);
	hf_world_fini(&p.world);
}

Test(next, is_what_is_made_from_nothing)
{
	static const char *const profiles[] = {"mlx5-cx6dx", "i40e-x710", "ice-e810"};
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : WORLDS;
	struct hf_nic *nics[3] = {0};
	struct hf_err err = {0};

	for (i = 0; i < 3; i++)
		cr_assert_eq(hf_profile_find(profiles[i], &nics[i], &err), 0, "%s", err.text);
	for (i = 0; i < n; i++)
		check_world(i, nics[i % 3], i % 2 ? PLANS : 0);
	for (i = 0; i < 3; i++)
		hf_profile_free(nics[i]);
	fprintf(stderr, "# HF_SEED=%llu: %zu worlds\n", (unsigned long long)hf_test_seed(), n);
}

/* Plans of exact entries keep what they know of their keys over all of a chain. */
Test(next, exact_plans_go_on)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : WORLDS / 5;
	struct hf_nic *nic;
	struct hf_err err = {0};

	cr_assert_eq(hf_profile_find("i40e-x710", &nic, &err), 0, "%s", err.text);
	for (i = 0; i < n; i++)
		check_world(WORLDS + i, nic, UPDATES);
	hf_profile_free(nic);
}
