/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A plan never changes a verdict: whatever the NIC decides by itself is what the reference says in
 * every state of the connection that the packet could be in.
 *
 * Random worlds and packets as in test_rules.c; every profile, and capacities that cut the plan.
 */

#include "world.h"

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

static void try_profile(const struct world_run *w, size_t profile, const char *iface)
{
	struct hf_plan_opts opts = {.iface = iface,
		.fallback = hf_rand_below(w->rand, 8) ? HF_FALLBACK_SOFTWARE : HF_FALLBACK_KERNEL,
		.capacity = capacities[hf_rand_below(
			w->rand, sizeof(capacities) / sizeof(capacities[0]))]};
	const struct hf_nic *nic = w->tally->nics[profile];
	struct hf_plan *plan;
	struct hf_flow flow;
	enum hf_reject reject;
	size_t i;

	cr_assert_eq(hf_plan_build(w->rules, nic, &opts, &plan, NULL), 0);
	for (i = 0; i < hf_plan_n_entries(plan); i++) {
		const struct hf_engine *engine;

		hf_plan_flow(plan, nic, i, 4, &flow);
		engine = hf_nic_accept(nic, &flow, &reject);
		cr_assert_not_null(engine, "entry %zu on %s", i, nic->name);
		cr_assert_eq(
			hf_nic_danger(engine, &flow), HF_F_MAX_, "entry %zu on %s", i, nic->name);
	}
	cr_assert(!opts.capacity || hf_plan_n_entries(plan) <= opts.capacity);
	try_packets(w, plan, profile);
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

static void run_world(uint64_t seed, size_t i, struct tally *tally)
{
	struct hf_world world;
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_rand rand;
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	size_t k;
	char *text;

	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	opts.calico = world.calico;
	text = hf_world_text(&world);
	cr_assert_eq(hf_policy_new(&policy, NULL), 0);
	cr_assert_eq(hf_policy_read_text(policy, "world.yaml", text, strlen(text), NULL), 0);
	cr_assert_eq(hf_model_build(policy, &opts, &model, NULL), 0);
	cr_assert_eq(hf_rules_build(model, &rules, NULL), 0);
	for (k = 1; k < hf_rules_n_ifaces(rules); k++) {
		const struct hf_iface *iface = hf_rules_iface(rules, k);
		struct world_run w = {&world, model, rules, &rand, seed, i, tally};

		if (iface->from == HF_FROM_UPLINK && strcmp(iface->name, "lo") != 0)
			try_profiles(&w, iface->name);
	}
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
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
	fprintf(stderr, "# HF_SEED=%llu: %zu packets\n", (unsigned long long)seed, t.packets);
	for (i = 0; i < t.n_nics; i++)
		fprintf(stderr, "#   %-12s punt %zu allow %zu untracked %zu deny %zu\n",
			t.nics[i]->name, t.fates[i][HF_FATE_PUNT], t.fates[i][HF_FATE_ALLOW],
			t.fates[i][HF_FATE_ALLOW_UNTRACKED], t.fates[i][HF_FATE_DENY]);
	/* A plan that decides nothing would be sound too. */
	for (i = 0; i < N_ALWAYS && n >= WORLDS; i++) {
		size_t *fates = t.fates[find_nic(&t, always[i].name)];

		cr_expect_eq(always[i].allow, fates[HF_FATE_ALLOW] > 0);
		cr_expect_eq(always[i].deny, fates[HF_FATE_DENY] > 0);
	}
	hf_profile_free_all(t.nics, t.n_nics);
}
