/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A plan never changes a verdict: whatever the NIC decides by itself is what the reference says in
 * every state of the connection that the packet could be in.
 *
 * Random worlds and packets as in test_rules.c; every profile, and capacities that cut the plan.
 * Worlds that lose and regain objects and rules: every plan follows the one before it, and after
 * each operation on the way a packet is judged by the old plan, by the new one, or punted.
 */

#include "world.h"

#include "unit/flowgen/plan/steps.h"

#include <hepflow/diff.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS		  100 /* by default: some seconds */
#define PACKETS_PER_WORLD 300
#define UPDATE_WORLDS	  60
#define UPDATES		  2 /* of each, from nothing first; some thousand operations on each profile */
#define PACKETS_PER_STEP  40 /* the same ones after each operation of an update */

HF_SUITE(plan, .timeout = 3600);

/* Profiles that every world is tried with, and what must come out of so many worlds. */
static const struct {
	const char *name;
	bool allow, deny;
} always[] = {{"mlx5-cx6dx", true, true}, {"i40e-x710", true, true}, {"none", false, false}};
#define N_ALWAYS     (sizeof(always) / sizeof(always[0]))
#define N_MORE	     2 /* of the others, drawn for each world */

#define PROFILES_MAX 64

/* 0 = as the profile says. Small ones cut in the middle of tables, and below what a table needs. */
static const uint32_t capacities[] = {0, 0, 1, 7, 40, 200};

struct tally {
	size_t packets;
	size_t with_ports; /* plans that have that table, */
	size_t with_sets;  /* or one of address sets */
	size_t eswitch;	   /* plans for an e-switch */
	size_t n_nics;
	struct hf_nic **nics;
	size_t fates[PROFILES_MAX][HF_FATE_JUMP + 1];
};

/* A packet that only opens a connection cannot belong to one (docs/architecture.md). */
static bool only_opens(const struct hf_packet *p)
{
	static const uint8_t v4[] = {8, 13, 15, 17}, v6[] = {128, 139};

	if (p->proto == HF_PROTO_TCP)
		return (p->tcp_flags & (HF_TCP_SYN | HF_TCP_ACK)) == HF_TCP_SYN;
	if (p->proto == HF_PROTO_ICMP && p->src.family == 4)
		return memchr(v4, p->icmp_type, sizeof(v4)) != NULL;
	if (p->proto == HF_PROTO_ICMPV6 && p->src.family == 6)
		return memchr(v6, p->icmp_type, sizeof(v6)) != NULL;
	return false;
}

static enum hf_fate expected(
	const struct hf_model *model, const struct hf_rules *rules, const struct hf_packet *pkt)
{
	struct hf_ref_result r;
	enum hf_verdict v;

	cr_assert_eq(hf_ref_eval(model, pkt, NULL, NULL, &r, NULL), 0);
	v = r.verdict;
	if (v == HF_VERDICT_NO_DECISION)
		v = hf_rules_kernel_policy(rules, r.from, r.class);
	if (v == HF_VERDICT_ALLOW_UNTRACKED)
		return HF_FATE_ALLOW_UNTRACKED;
	return v == HF_VERDICT_ALLOW ? HF_FATE_ALLOW : HF_FATE_DENY;
}

/* The state that contradicts the NIC, or HF_CT_UNTRACKED when none does. */
static enum hf_ct contradiction(const struct hf_model *model, const struct hf_rules *rules,
	const struct hf_packet *pkt, enum hf_fate fate)
{
	struct hf_packet p = *pkt;
	unsigned int ct;

	for (ct = HF_CT_NEW; ct <= HF_CT_RELATED; ct++) {
		p.ct = (enum hf_ct)ct;
		if (ct != HF_CT_NEW && only_opens(pkt))
			continue;
		if (expected(model, rules, &p) != fate)
			return p.ct;
	}
	return HF_CT_UNTRACKED;
}

struct world_run {
	const struct hf_world *world;
	const struct hf_model *model;
	const struct hf_rules *rules;
	struct hf_rand *rand;
	uint64_t seed;
	size_t i;
	struct tally *tally;
};

static void report(const struct world_run *w, const struct hf_plan *plan,
	const struct hf_packet *pkt, enum hf_fate fate, size_t entry, enum hf_ct ct)
{
	char *text = hf_world_text(w->world), line[512];
	struct hf_packet p = *pkt;

	p.ct = ct;
	(void)hf_packet_print(&p, line, sizeof(line));
	fprintf(stderr, "# HF_SEED=%llu world %zu\n%s", (unsigned long long)w->seed, w->i, text);
	if (getenv("HF_VERBOSE"))
		hf_plan_print(plan, stderr);
	fprintf(stderr, "# packet: %s\n# %s says %s by entry %zu\n", line, hf_plan_nic(plan),
		hf_fate_name(fate), entry);
	free(text);
	cr_assert_fail("a plan changes a verdict: HF_SEED=%llu world %zu",
		(unsigned long long)w->seed, w->i);
}

static void try_packets(const struct world_run *w, const struct hf_plan *plan, size_t profile)
{
	const char *names[] = {hf_plan_iface(plan)};
	struct hf_packet pkt;
	enum hf_fate fate;
	enum hf_ct ct;
	size_t k, entry;

	for (k = 0; k < PACKETS_PER_WORLD; k++) {
		hf_world_packet(w->rand, names, 1, &pkt);
		/* What the line says of DNAT and routing the NIC cannot know; the facts' it must.
		 */
		pkt.has_dnat = false;
		pkt.out[0] = '\0';
		pkt.frag = hf_rand_below(w->rand, 6) ? HF_FRAG_NONE
						     : HF_FRAG_FIRST + hf_rand_below(w->rand, 2);
		fate = hf_plan_judge(plan, &pkt, &entry);
		w->tally->packets++;
		w->tally->fates[profile][fate]++;
		if (fate == HF_FATE_PUNT)
			continue;
		ct = contradiction(w->model, w->rules, &pkt, fate);
		if (ct != HF_CT_UNTRACKED)
			report(w, plan, &pkt, fate, entry, ct);
	}
}

/* Builds a plan and looks at what it asks and decides. The caller frees it. */
static void try_plan(const struct world_run *w, size_t profile, const struct hf_plan_opts *opts,
	struct hf_plan **ret)
{
	const struct hf_nic *nic = w->tally->nics[profile];
	struct hf_plan *plan;
	struct hf_flow flow;
	enum hf_reject reject;
	size_t i;

	cr_assert_eq(hf_plan_build(w->rules, nic, opts, &plan, NULL), 0);
	for (i = 0; i < hf_plan_n_entries(plan); i++) {
		const struct hf_engine *engine;

		hf_plan_flow(plan, nic, i, 4, &flow);
		engine = hf_nic_accept(nic, &flow, &reject);
		cr_assert_not_null(engine, "entry %zu on %s", i, nic->name);
		cr_assert_eq(
			hf_nic_danger(engine, &flow), HF_F_MAX_, "entry %zu on %s", i, nic->name);
	}
	cr_assert(!opts->capacity || hf_plan_n_entries(plan) <= opts->capacity);
	for (i = 0; i < hf_plan_n_tables(plan); i++) {
		const char *name = hf_plan_table(plan, i)->name;

		w->tally->with_ports += strcmp(name, "ports") == 0;
		w->tally->with_sets += strcmp(name, "sources") == 0;
		w->tally->with_sets += strcmp(name, "destinations") == 0;
	}
	try_packets(w, plan, profile);
	*ret = plan;
}

static void try_profile(const struct world_run *w, size_t profile, const char *iface)
{
	struct hf_plan_opts opts = {.iface = iface,
		.fallback = hf_rand_below(w->rand, 8) ? HF_FALLBACK_SOFTWARE : HF_FALLBACK_KERNEL,
		.capacity = capacities[hf_rand_below(
			w->rand, sizeof(capacities) / sizeof(capacities[0]))],
		.classify_from = hf_rand_below(w->rand, 2)};
	struct hf_plan *plan;

	if (w->tally->nics[profile]->transfer && opts.fallback == HF_FALLBACK_SOFTWARE)
		opts.eswitch = (struct hf_eswitch){hf_rand_chance(w->rand, 3, 4), 0, 1};
	opts.reserve = hf_rand_chance(w->rand, 1, 2);
	opts.short_denies = hf_rand_chance(w->rand, 1, 2);
	w->tally->eswitch += opts.eswitch.on;
	try_plan(w, profile, &opts, &plan);
	hf_plan_free(plan);
}

static size_t find_nic(const struct tally *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->n_nics; i++) {
		if (strcmp(t->nics[i]->name, name) == 0)
			return i;
	}
	cr_assert_fail("no profile %s", name);
	return 0;
}

static void try_profiles(const struct world_run *w, const char *iface)
{
	size_t i;

	for (i = 0; i < N_ALWAYS; i++)
		try_profile(w, find_nic(w->tally, always[i].name), iface);
	for (i = 0; i < N_MORE; i++)
		try_profile(w, hf_rand_below(w->rand, (uint32_t)w->tally->n_nics), iface);
}

struct built {
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	char *text;
};

static void build(const struct hf_world *world, struct built *ret)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = world->calico};

	ret->text = hf_world_text(world);
	cr_assert_eq(hf_policy_new(&ret->policy, NULL), 0);
	cr_assert_eq(
		hf_policy_read_text(ret->policy, "world.yaml", ret->text, strlen(ret->text), NULL),
		0);
	cr_assert_eq(hf_model_build(ret->policy, &opts, &ret->model, NULL), 0);
	cr_assert_eq(hf_rules_build(ret->model, &ret->rules, NULL), 0);
}

static void unbuild(struct built *b)
{
	hf_rules_free(b->rules);
	hf_model_free(b->model);
	hf_policy_free(b->policy);
	free(b->text);
}

static void run_world(uint64_t seed, size_t i, struct tally *tally)
{
	struct hf_world world;
	struct hf_rand rand;
	struct built b;
	size_t k;

	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	build(&world, &b);
	for (k = 1; k < hf_rules_n_ifaces(b.rules); k++) {
		const struct hf_iface *iface = hf_rules_iface(b.rules, k);
		struct world_run w = {&world, b.model, b.rules, &rand, seed, i, tally};

		if (iface->from == HF_FROM_UPLINK && strcmp(iface->name, "lo") != 0)
			try_profiles(&w, iface->name);
	}
	unbuild(&b);
	hf_world_fini(&world);
}

Test(plan, never_changes_a_verdict_on_random_worlds)
{
	const char *seeds = getenv("HF_SEEDS");
	size_t n = seeds ? strtoul(seeds, NULL, 10) : WORLDS, i;
	uint64_t seed = hf_test_seed();
	struct tally t = {0};

	cr_assert_eq(hf_profile_all(&t.nics, &t.n_nics, NULL), 0);
	cr_assert_leq(t.n_nics, PROFILES_MAX);
	for (i = 0; i < n; i++)
		run_world(seed, i, &t);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu packets, %zu plans with port ranges as tags, %zu tables of "
		"sets\n",
		(unsigned long long)seed, t.packets, t.with_ports, t.with_sets);
	for (i = 0; i < t.n_nics; i++)
		fprintf(stderr, "#   %-12s punt %zu allow %zu untracked %zu deny %zu\n",
			t.nics[i]->name, t.fates[i][HF_FATE_PUNT], t.fates[i][HF_FATE_ALLOW],
			t.fates[i][HF_FATE_ALLOW_UNTRACKED], t.fates[i][HF_FATE_DENY]);
	cr_expect(n < WORLDS || (t.with_ports > 0 && t.with_sets > 0 && t.eswitch > 0));
	/* A plan that decides nothing would be sound too. */
	for (i = 0; i < N_ALWAYS && n >= WORLDS; i++) {
		size_t *fates = t.fates[find_nic(&t, always[i].name)];

		cr_expect_eq(always[i].allow, fates[HF_FATE_ALLOW] > 0);
		cr_expect_eq(always[i].deny, fates[HF_FATE_DENY] > 0);
	}
	hf_profile_free_all(t.nics, t.n_nics);
}

/* Objects without which there is no host to plan for stay. */
static bool may_go(const struct hf_doc *doc)
{
	return strncmp(doc->head, "kind: GlobalNetworkPolicy", 25) == 0 ||
	       strncmp(doc->head, "kind: NetworkPolicy", 19) == 0 ||
	       strncmp(doc->head, "kind: Profile", 13) == 0 ||
	       strncmp(doc->head, "kind: WorkloadEndpoint", 22) == 0 ||
	       strncmp(doc->head, "kind: GlobalNetworkSet", 22) == 0;
}

/* Takes a few rules and objects out, or puts them back. */
static void change_world(struct hf_world *world, struct hf_rand *rand)
{
	size_t i, k;

	for (i = 0; i < world->docs.n; i++) {
		struct hf_doc *doc = &world->docs.v[i];

		if (may_go(doc) && hf_rand_chance(rand, 1, 10))
			doc->dropped = !doc->dropped;
		for (k = 0; k < doc->rules.n; k++) {
			if (hf_rand_chance(rand, 1, 10))
				doc->rules.v[k].dropped = !doc->rules.v[k].dropped;
		}
	}
}

/* What came out of all updates. */
struct update_tally {
	size_t updates, ops, covers, covered, changed, kept;
	size_t differ; /* packets whose fate is another in the new plan */
};

static void one_way_or_the_other(const struct world_run *w, const struct hf_plan *from,
	const struct hf_plan *to, const struct hf_diff *d, struct update_tally *t)
{
	const char *names[] = {hf_plan_iface(to)};
	struct hf_packet pkts[PACKETS_PER_STEP];
	unsigned int may[PACKETS_PER_STEP], got, last;
	struct hf_steps s, end;
	size_t i, k;

	hf_steps_init(&s, from, to);
	hf_steps_init(&end, to, to);
	for (k = 0; k < PACKETS_PER_STEP; k++) {
		hf_world_packet(w->rand, names, 1, &pkts[k]);
		got = hf_steps_judge(&s, &pkts[k]);
		last = hf_steps_judge(&end, &pkts[k]);
		t->differ += got != last;
		/* Equally strong entries of one plan may punt, but not contradict each other. */
		last &= ~(1u << HF_FATE_PUNT);
		cr_assert_eq(last & (last - 1), 0);
		may[k] = got | last | 1u << HF_FATE_PUNT;
	}
	for (i = 0; i < hf_diff_n_ops(d); i++) {
		hf_steps_do(&s, hf_diff_op(d, i));
		cr_assert_leq(s.entries.n, hf_diff_peak(d));
		for (k = 0; k < PACKETS_PER_STEP; k++) {
			if (!hf_steps_concern(&s, hf_diff_op(d, i), &pkts[k]))
				continue;
			got = hf_steps_judge(&s, &pkts[k]);
			if (got & ~may[k])
				report(w, to, &pkts[k], (enum hf_fate)__builtin_ctz(got & ~may[k]),
					i, HF_CT_NEW);
		}
	}
	cr_assert(hf_steps_equal(&s, &end), "HF_SEED=%llu world %zu: not the new plan's entries",
		(unsigned long long)w->seed, w->i);
	hf_steps_fini(&s);
	hf_steps_fini(&end);
}

/* Tables that say something by tags. */
static size_t count_fronts(const struct hf_plan *plan)
{
	static const char *const names[] = {"sources", "destinations", "ports"};
	size_t i, k, n = 0;

	for (i = 0; i < hf_plan_n_tables(plan); i++) {
		for (k = 0; k < 3; k++)
			n += strcmp(hf_plan_table(plan, i)->name, names[k]) == 0;
	}
	return n;
}

static int sign(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/*
 * A plan that follows another must be the one that is made from nothing: the same entries in the
 * same order, and where two were equally strong they still are. Only numbers may differ; tags are
 * such numbers, and plans with them are left out.
 */
static void same_from_nothing(const struct world_run *w, size_t profile,
	const struct hf_plan_opts *opts, const struct hf_plan *next)
{
	struct hf_plan_opts fresh_opts = *opts;
	struct hf_plan *fresh;
	size_t i, n = hf_plan_n_entries(next);

	fresh_opts.previous = NULL;
	cr_assert_eq(
		hf_plan_build(w->rules, w->tally->nics[profile], &fresh_opts, &fresh, NULL), 0);
	if (!count_fronts(next) && !count_fronts(fresh)) {
		cr_assert_eq(hf_plan_n_entries(fresh), n);
		for (i = 0; i < n; i++) {
			const struct hf_entry *a = hf_plan_entry(next, i),
					      *b = hf_plan_entry(fresh, i),
					      *before = i ? hf_plan_entry(next, i - 1) : NULL;
			bool same = a->table == b->table && a->fate == b->fate &&
				    a->jump == b->jump && a->origin == b->origin &&
				    memcmp(&a->match, &b->match, sizeof(a->match)) == 0;

			if (same && before && before->table == a->table)
				same = sign(before->priority, a->priority) ==
				       sign(hf_plan_entry(fresh, i - 1)->priority, b->priority);
			cr_assert(same, "HF_SEED=%llu world %zu: entry %zu is not as from nothing",
				(unsigned long long)w->seed, w->i, i);
		}
	}
	hf_plan_free(fresh);
}

static void go_on(const struct world_run *w, size_t profile, const char *iface, uint32_t capacity,
	struct hf_plan **plan, struct update_tally *t)
{
	struct hf_plan_opts opts = {.iface = iface,
		.capacity = capacity,
		.classify_from = hf_rand_chance(w->rand, 3, 4),
		.short_denies = hf_rand_chance(w->rand, 1, 2),
		.previous = *plan};
	struct hf_diff_opts diff_opts = {0};
	struct hf_diff *d;
	struct hf_plan *next;
	size_t i;

	if (w->tally->nics[profile]->transfer)
		opts.eswitch = (struct hf_eswitch){true, 0, 1};
	try_plan(w, profile, &opts, &next);
	same_from_nothing(w, profile, &opts, next);
	if (hf_rand_chance(w->rand, 1, 5)) {
		size_t a = *plan ? hf_plan_n_entries(*plan) : 0, b = hf_plan_n_entries(next);

		diff_opts.capacity = (uint32_t)(a > b ? a : b) + 1;
	}
	cr_assert_eq(hf_diff_build(*plan, next, &diff_opts, &d, NULL), 0);
	one_way_or_the_other(w, *plan, next, d, t);
	t->updates++;
	t->ops += hf_diff_n_ops(d);
	t->changed += hf_diff_n_adds(d) + hf_diff_n_deletes(d);
	t->kept += hf_diff_n_keeps(d);
	t->covered += hf_diff_covers_all(d);
	for (i = 0; i < hf_diff_n_ops(d); i++)
		t->covers += hf_diff_op(d, i)->kind == HF_DIFF_COVER;
	cr_assert(!diff_opts.capacity || hf_diff_peak(d) <= diff_opts.capacity);
	hf_diff_free(d);
	hf_plan_free(*plan);
	*plan = next;
}

static void run_updates(uint64_t seed, size_t i, struct tally *tally, struct update_tally *t)
{
	size_t profiles[] = {find_nic(tally, "mlx5-cx6dx"), find_nic(tally, "i40e-x710"), 0};
	struct hf_plan *plans[3] = {NULL};
	uint32_t capacity;
	struct hf_world world;
	struct hf_rand rand;
	size_t k, p;

	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	profiles[2] = hf_rand_below(&rand, tally->n_nics);
	capacity = capacities[hf_rand_below(&rand, sizeof(capacities) / sizeof(capacities[0]))];
	for (k = 0; k < UPDATES; k++) {
		struct built b;
		struct world_run w;

		change_world(&world, &rand);
		build(&world, &b);
		w = (struct world_run){&world, b.model, b.rules, &rand, seed, i, tally};
		for (p = 0; p < 3; p++)
			go_on(&w, profiles[p], NULL, capacity, &plans[p], t);
		unbuild(&b);
	}
	for (p = 0; p < 3; p++)
		hf_plan_free(plans[p]);
	hf_world_fini(&world);
}

Test(plan, leads_to_the_next_without_a_third_verdict)
{
	const char *seeds = getenv("HF_SEEDS");
	size_t n = seeds ? strtoul(seeds, NULL, 10) : UPDATE_WORLDS, i;
	uint64_t seed = hf_test_seed();
	struct update_tally u = {0};
	struct tally t = {0};

	cr_assert_eq(hf_profile_all(&t.nics, &t.n_nics, NULL), 0);
	cr_assert_leq(t.n_nics, PROFILES_MAX);
	for (i = 0; i < n; i++)
		run_updates(seed, i, &t, &u);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu updates, %zu operations for %zu changes, %zu kept, %zu "
		"covers, "
		"%zu covered whole, %zu packets change\n",
		(unsigned long long)seed, u.updates, u.ops, u.changed, u.kept, u.covers, u.covered,
		u.differ);
	/* Else nothing was tried. */
	if (n >= UPDATE_WORLDS) {
		cr_expect_gt(u.covers, u.covered);
		cr_expect_gt(u.covered, 0);
		cr_expect_gt(u.kept, 0);
		/* At most half more operations than entries that differ. */
		cr_expect_leq(2 * u.ops, 3 * u.changed);
		cr_expect_gt(u.differ, 0);
	}
	hf_profile_free_all(t.nics, t.n_nics);
}
