/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The reference and the tables must say the same of every packet: verdict, origin and class.
 *
 * HF_SEED chooses the worlds, HF_SEEDS their number. A difference is shrunk to the objects and
 * rules that it needs before it is printed.
 */

#include "world.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS		  4000 /* by default: a few seconds */
#define PACKETS_PER_WORLD 150
#define NAMES_MAX	  16

HF_SUITE(rules, .timeout = 3600);

struct stages {
	struct hf_model *model;
	struct hf_rules *rules;
	uint32_t *all_sets; /* for hf_world_twist() */
};

/* One world of a run. */
struct job {
	uint64_t seed;
	size_t i;
	bool twisted;
};

static void stages_fini(struct stages *s)
{
	hf_rules_free(s->rules);
	hf_model_free(s->model);
	free(s->all_sets);
}

static void twist(struct stages *s, const struct job *job)
{
	s->all_sets = calloc(s->model->n_sets, sizeof(*s->all_sets));
	cr_assert_not_null(s->all_sets);
	hf_world_twist(s->model, s->all_sets, job->seed ^ job->i);
}

static int stages_init(
	const struct hf_world *world, const struct job *job, struct stages *ret, struct hf_err *err)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = world->calico};
	char *text = hf_world_text(world);
	struct hf_policy *policy = NULL;
	struct stages s = {0};
	int rc = hf_policy_new(&policy, err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &s.model, err);
	if (rc == 0 && job->twisted)
		twist(&s, job);
	if (rc == 0)
		rc = hf_rules_build(s.model, &s.rules, err);
	hf_policy_free(policy);
	free(text);
	if (rc == 0)
		*ret = s;
	else
		stages_fini(&s);
	return rc;
}

struct answer {
	int rc;
	enum hf_verdict verdict;
	enum hf_class class;
	const char *origin;
};

static struct answer ask_ref(const struct stages *s, const struct hf_packet *pkt)
{
	struct hf_ref_result r = {0};
	struct answer a = {.origin = ""};

	a.rc = hf_ref_eval(s->model, pkt, NULL, NULL, &r, NULL);
	if (a.rc == 0)
		a = (struct answer){0, r.verdict, r.class, r.origin};
	return a;
}

static struct answer ask_rules(const struct stages *s, const struct hf_packet *pkt)
{
	struct answer a = {.origin = ""};
	struct hf_decision d;
	struct hf_key key;

	a.rc = hf_rules_sort(s->rules, pkt, &key, NULL);
	if (a.rc < 0)
		return a;
	d = hf_rules_lookup(s->rules, &key);
	return (struct answer){0, d.verdict, key.class, hf_rules_origin(s->rules, d.origin)};
}

static bool same(const struct answer *a, const struct answer *b)
{
	return a->rc == b->rc && a->verdict == b->verdict && a->class == b->class &&
	       strcmp(a->origin, b->origin) == 0;
}

static bool differs(
	const struct hf_world *world, const struct job *job, const struct hf_packet *pkt)
{
	struct answer a, b;
	struct stages s;
	bool ret;

	if (stages_init(world, job, &s, NULL) < 0)
		return false;
	a = ask_ref(&s, pkt);
	b = ask_rules(&s, pkt);
	ret = !same(&a, &b);
	stages_fini(&s);
	return ret;
}

/* Takes out what can go while the stages still differ. Returns how much went. */
static size_t shrink_once(
	struct hf_world *world, const struct job *job, const struct hf_packet *pkt)
{
	size_t i, k, gone = 0;

	for (i = 0; i < world->docs.n; i++) {
		struct hf_doc *doc = &world->docs.v[i];

		if (doc->dropped)
			continue;
		doc->dropped = true;
		doc->dropped = differs(world, job, pkt);
		gone += doc->dropped;
		for (k = 0; !doc->dropped && k < doc->rules.n; k++) {
			bool *dropped = &doc->rules.v[k].dropped;

			if (*dropped)
				continue;
			*dropped = true;
			*dropped = differs(world, job, pkt);
			gone += *dropped;
		}
	}
	return gone;
}

static void print_answer(const char *who, const struct answer *a)
{
	fprintf(stderr, "# %-5s %s %s (%s) rc %d\n", who, hf_verdict_name(a->verdict), a->origin,
		hf_class_name(a->class), a->rc);
}

static void report(struct hf_world *world, const struct job *job, const struct hf_packet *pkt)
{
	struct answer a, b;
	struct stages s;
	char line[512], *text;

	while (shrink_once(world, job, pkt) > 0)
		;
	text = hf_world_text(world);
	(void)hf_packet_print(pkt, line, sizeof(line));
	fprintf(stderr, "# HF_SEED=%llu world %zu%s calico %u\n%s# packet: %s\n",
		(unsigned long long)job->seed, job->i,
		job->twisted ? " (rules changed behind the text: HF_VERBOSE=1 shows the table)"
			     : "",
		world->calico, text, line);
	if (stages_init(world, job, &s, NULL) == 0) {
		a = ask_ref(&s, pkt);
		b = ask_rules(&s, pkt);
		print_answer("ref", &a);
		print_answer("rules", &b);
		if (getenv("HF_VERBOSE"))
			hf_rules_print(s.rules, stderr);
		stages_fini(&s);
	}
	free(text);
}

static size_t iface_names(const struct stages *s, const char *names[static NAMES_MAX])
{
	size_t i, n = hf_rules_n_ifaces(s->rules);

	cr_assert_leq(n, NAMES_MAX);
	for (i = 0; i < n; i++)
		names[i] = hf_rules_iface(s->rules, i)->name;
	return n;
}

/* What a run must have met, or it proved nothing about it. */
static const char *const milestones[] = {"failsafe", "conntrack", "tier-default:", "no-profile",
	"epha", "host-to-workload", "no-endpoint", "forward-default", "rpf", "encap",
	"service-loop", "profile:", "default/gnp:", "first/gnp:", "/np:"};
#define N_MILESTONES (sizeof(milestones) / sizeof(milestones[0]))

struct tally {
	size_t verdicts[4];
	size_t met[N_MILESTONES];
	size_t packets;
};

static void count(struct tally *t, const struct answer *a)
{
	size_t i;

	t->packets++;
	t->verdicts[a->verdict]++;
	for (i = 0; i < N_MILESTONES; i++)
		t->met[i] += strstr(a->origin, milestones[i]) != NULL;
}

static void run_world(const struct job *job, struct tally *tally)
{
	const char *names[NAMES_MAX];
	struct hf_packet pkt;
	struct hf_world world;
	struct hf_rand rand;
	struct stages s;
	struct hf_err err;
	size_t n_names, k;

	hf_rand_init(&rand, job->seed, job->i);
	hf_world_init(&world, &rand);
	if (stages_init(&world, job, &s, &err) < 0)
		cr_assert_fail("HF_SEED=%llu world %zu: %s", (unsigned long long)job->seed, job->i,
			err.text);
	n_names = iface_names(&s, names);
	for (k = 0; k < PACKETS_PER_WORLD; k++) {
		struct answer a, b;

		hf_world_packet(&rand, names, n_names, &pkt);
		a = ask_ref(&s, &pkt);
		b = ask_rules(&s, &pkt);
		if (!same(&a, &b)) {
			report(&world, job, &pkt);
			cr_assert_fail("reference and rules differ: HF_SEED=%llu world %zu",
				(unsigned long long)job->seed, job->i);
		}
		count(tally, &a);
	}
	stages_fini(&s);
	hf_world_fini(&world);
}

static size_t n_worlds(void)
{
	const char *text = getenv("HF_SEEDS");

	return text ? strtoul(text, NULL, 10) : WORLDS;
}

static struct tally run(size_t n, bool twisted)
{
	struct job job = {.seed = hf_test_seed(), .twisted = twisted};
	struct tally t = {0};

	for (job.i = 0; job.i < n; job.i++)
		run_world(&job, &t);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu worlds, %zu packets: deny %zu allow %zu no-decision %zu "
		"allow-untracked %zu\n",
		(unsigned long long)job.seed, n, t.packets, t.verdicts[HF_VERDICT_DENY],
		t.verdicts[HF_VERDICT_ALLOW], t.verdicts[HF_VERDICT_NO_DECISION],
		t.verdicts[HF_VERDICT_ALLOW_UNTRACKED]);
	return t;
}

Test(rules, agree_with_the_reference_on_random_worlds)
{
	size_t i, n = n_worlds();
	struct tally tally = run(n, false);

	for (i = 0; i < N_MILESTONES; i++) {
		fprintf(stderr, "#   %s %zu\n", milestones[i], tally.met[i]);
		cr_expect(n < WORLDS || tally.met[i] > 0, "nothing met '%s'", milestones[i]);
	}
}

Test(rules, agree_on_rules_that_only_felix_can_send)
{
	(void)run(n_worlds() / 2, true);
}
