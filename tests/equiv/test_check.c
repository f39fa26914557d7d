/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The proof is about what it says it is about: policy as sets of packets is what the reference says
 * of each packet, and no plan of a random world is refuted.
 */

#include "world.h"

#include "check/policy.h"

#include <hepflow/check.h>
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

#define WORLDS		  40 /* by default: some seconds */
#define PACKETS_PER_STATE 200
#define ANY_PLANS	  6 /* of each world, on any NIC with any room */

HF_SUITE(check, .timeout = 3600);

struct world_run {
	uint64_t seed;
	size_t i;
	struct hf_rand *rand;
	const struct hf_model *model;
	const struct hf_rules *rules;
	const char *text;
	struct hf_nic **all; /* every profile */
	size_t n_all;
	size_t *packets, *open, *decided;
};

static struct dd_packet point_of(const struct hf_packet *p)
{
	bool icmp = p->proto == (p->src.family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	struct dd_packet d = {0};

	d.v[DD_PROTO][0] = p->proto;
	d.v[DD_SYN][0] = (p->tcp_flags & HF_TCP_SYN) != 0;
	d.v[DD_ACK][0] = (p->tcp_flags & HF_TCP_ACK) != 0;
	memcpy(d.v[DD_SRC], p->src.b, 16);
	memcpy(d.v[DD_DST], p->dst.b, 16);
	d.v[DD_SPORT][0] = (uint8_t)(p->sport >> 8);
	d.v[DD_SPORT][1] = (uint8_t)p->sport;
	d.v[DD_DPORT][0] = icmp ? p->icmp_type : (uint8_t)(p->dport >> 8);
	d.v[DD_DPORT][1] = icmp ? p->icmp_code : (uint8_t)p->dport;
	return d;
}

static enum hf_verdict verdict_of(const struct world_run *w, const struct hf_packet *pkt)
{
	struct hf_ref_result r;

	cr_assert_eq(hf_ref_eval(w->model, pkt, NULL, NULL, &r, NULL), 0);
	if (r.verdict == HF_VERDICT_NO_DECISION)
		return hf_rules_kernel_policy(w->rules, r.from, r.class);
	return r.verdict;
}

/* Whether several backends may take a packet. */
static bool is_open(const struct world_run *w, const struct hf_packet *p)
{
	const struct hf_dnat *d = hf_model_find_dnat(w->model, p->proto, &p->dst, p->dport);

	return d && d->n_to > 1;
}

static void try_packet(const struct world_run *w, struct dd *dd, const struct pol *pol,
	const struct fates *fates, const struct hf_packet *pkt)
{
	struct dd_packet p = point_of(pkt);
	enum hf_verdict want = verdict_of(w, pkt);
	bool in[] = {
		[HF_VERDICT_DENY] = hf_dd_has(dd, fates->deny, &p),
		[HF_VERDICT_ALLOW] = hf_dd_has(dd, fates->allow, &p),
		[HF_VERDICT_ALLOW_UNTRACKED] = hf_dd_has(dd, fates->untracked, &p),
	};
	unsigned int n =
		in[HF_VERDICT_DENY] + in[HF_VERDICT_ALLOW] + in[HF_VERDICT_ALLOW_UNTRACKED];
	char line[512];

	(*w->packets)++;
	(*w->open) += n == 0;
	if (hf_dd_has(dd, pol->all, &p) && (in[want] ? n == 1 : n == 0 && is_open(w, pkt)))
		return;
	(void)hf_packet_print(pkt, line, sizeof(line));
	fprintf(stderr, "%s# %s: reference %s, sets: deny %d allow %d untracked %d\n", w->text,
		line, hf_verdict_name(want), in[HF_VERDICT_DENY], in[HF_VERDICT_ALLOW],
		in[HF_VERDICT_ALLOW_UNTRACKED]);
	cr_assert_fail("sets and reference differ: HF_SEED=%llu world %zu",
		(unsigned long long)w->seed, w->i);
}

/* Where the fields are to be cut. */
static void record(const struct world_run *w, uint16_t in, uint8_t family, struct dd_axes *axes)
{
	struct fates fates;
	struct pol pol;
	struct dd dd;

	hf_dd_record(&dd, family, axes);
	cr_assert_eq(hf_pol_init(&pol, w->model, &dd, in), 0);
	hf_pol_fates(&pol, false, ANY_BACKEND, &fates);
	hf_pol_fates(&pol, true, ANY_BACKEND, &fates);
	hf_pol_fini(&pol);
	hf_dd_close(&dd);
	cr_assert(!dd.failed);
}

/* cut: fields have a variable for each piece of what nothing tells apart, not for each bit. */
static void try_family(const struct world_run *w, uint16_t in, uint8_t family, bool cut)
{
	const char *names[] = {w->model->ifaces[in].id.name};
	struct hf_packet pkt;
	struct fates fates;
	struct pol pol;
	struct dd dd;
	struct dd_axes axes = {0};
	unsigned int est, i;

	if (cut)
		record(w, in, family, &axes);
	cr_assert_eq(
		hf_dd_open(&dd, family, DD_ADDRS_FIRST, HF_CHECK_NODES, cut ? &axes : NULL), 0);
	cr_assert_eq(hf_pol_init(&pol, w->model, &dd, in), 0);
	for (est = 0; est < 2; est++) {
		hf_pol_fates(&pol, est, ANY_BACKEND, &fates);
		cr_assert(!dd.failed);
		for (i = 0; i < PACKETS_PER_STATE; i++) {
			do
				hf_world_packet(w->rand, names, 1, &pkt);
			while (pkt.src.family != family);
			pkt.has_dnat = false;
			pkt.out[0] = '\0';
			pkt.ct = !est			     ? HF_CT_NEW
				 : hf_rand_below(w->rand, 2) ? HF_CT_RELATED
							     : HF_CT_ESTABLISHED;
			/* Types of the other family's ICMP are nothing a packet has. */
			if (pkt.proto != (family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6))
				pkt.icmp_type = pkt.icmp_code = 0;
			try_packet(w, &dd, &pol, &fates, &pkt);
		}
	}
	hf_pol_fini(&pol);
	hf_dd_close(&dd);
	hf_dd_axes_fini(&axes);
}

static void try_plan(const struct world_run *w, const struct hf_nic *nic, const char *iface,
	uint32_t capacity, enum hf_fallback fallback)
{
	struct hf_plan_opts opts = {.iface = iface,
		.fallback = fallback,
		.capacity = capacity,
		.classify_from = w->i % 2,
		.short_denies = w->i / 2 % 2};
	struct hf_check_opts none = {0};
	struct hf_check_view view = {
		.nic = nic, .iface = iface, .drops_only = fallback == HF_FALLBACK_KERNEL};
	struct hf_check check;
	struct hf_err err = {0};
	struct hf_entry *entries;
	struct hf_plan *plan;
	char line[512];
	int rc;

	opts.reserve = w->i % 2;
	if (nic->transfer && fallback == HF_FALLBACK_SOFTWARE)
		view.eswitch = opts.eswitch = (struct hf_eswitch){true, 0, 1};
	cr_assert_eq(hf_plan_build(w->rules, nic, &opts, &plan, NULL), 0);
	view.n_tables = hf_plan_n_tables(plan);
	view.n_entries = hf_plan_n_entries(plan);
	entries = hf_plan_copy_entries(plan);
	cr_assert_not_null(entries);
	view.entries = entries;
	rc = hf_check_plan(w->model, &view, &none, &check, &err);
	if (rc < 0)
		fprintf(stderr, "%s", w->text);
	cr_assert_eq(rc, 0, "HF_SEED=%llu world %zu %s %s: %s", (unsigned long long)w->seed, w->i,
		nic->name, iface, err.text);
	if (check.answer == HF_CHECK_REFUTED) {
		(void)hf_packet_print(&check.wrong.pkt, line, sizeof(line));
		fprintf(stderr, "%s# %s: entry %zu\n", w->text, line, check.wrong.entry);
	}
	cr_assert_eq(check.answer, HF_CHECK_PROVEN, "HF_SEED=%llu world %zu %s %s capacity %u",
		(unsigned long long)w->seed, w->i, nic->name, iface, capacity);
	*w->decided += check.family[0].share[HF_CLASS_HOST].any &&
		       check.family[0].share[HF_CLASS_HOST].punted < 1;
	hf_check_fini(&check);
	free(entries);
	hf_plan_free(plan);
}

/* What is said to be met by no packet decides about none. */
static void try_unmet(const struct world_run *w, const char *iface, const uint8_t *meets)
{
	struct hf_packet pkt;
	struct hf_key key;
	unsigned int k;

	for (k = 0; k < PACKETS_PER_STATE; k++) {
		struct hf_decision d;

		hf_world_packet(w->rand, &iface, 1, &pkt);
		if (hf_rules_sort(w->rules, &pkt, &key, NULL) < 0)
			continue;
		d = hf_rules_lookup(w->rules, &key);
		cr_assert_neq(meets[d.origin], HF_CHECK_UNMET, "HF_SEED=%llu world %zu %s: %s",
			(unsigned long long)w->seed, w->i, iface,
			hf_rules_origin(w->rules, d.origin));
	}
}

static void try_rules(const struct world_run *w, const char *iface)
{
	uint8_t *meets = calloc(hf_rules_n_origins(w->rules) + 1, sizeof(*meets));
	struct hf_check_opts opts = {.meets = meets};
	struct hf_check_rules check;
	struct hf_err err = {0};
	char line[512];
	int rc = hf_check_rules(w->model, w->rules, iface, &opts, &check, &err);

	cr_assert_eq(rc, 0, "HF_SEED=%llu world %zu %s: %s", (unsigned long long)w->seed, w->i,
		iface, err.text);
	if (check.answer == HF_CHECK_REFUTED) {
		(void)hf_packet_print(&check.pkt, line, sizeof(line));
		fprintf(stderr, "%s# %s: policy %s, rules %s\n", w->text, line,
			hf_verdict_name(check.policy), hf_verdict_name(check.rules));
	}
	cr_assert_eq(check.answer, HF_CHECK_PROVEN, "HF_SEED=%llu world %zu %s",
		(unsigned long long)w->seed, w->i, iface);
	try_unmet(w, iface, meets);
	free(meets);
}

/* Any NIC there is, with as much room as it has, or little, or none to speak of. */
static void try_any_plan(const struct world_run *w, const char *iface)
{
	static const uint32_t room[] = {0, 1, 4, 16, 64};
	const struct hf_nic *nic = w->all[hf_rand_below(w->rand, w->n_all)];
	uint32_t capacity = room[hf_rand_below(w->rand, sizeof(room) / sizeof(room[0]))];

	try_plan(w, nic, iface, capacity,
		hf_rand_below(w->rand, 4) ? HF_FALLBACK_SOFTWARE : HF_FALLBACK_KERNEL);
}

static void run_world(struct world_run *w, struct hf_nic **nics, size_t n_nics)
{
	struct hf_world world;
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_rand rand;
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	char *text;
	size_t k, n;

	hf_rand_init(&rand, w->seed, w->i);
	hf_world_init(&world, &rand);
	opts.calico = world.calico;
	text = hf_world_text(&world);
	cr_assert_eq(hf_policy_new(&policy, NULL), 0);
	cr_assert_eq(hf_policy_read_text(policy, "world.yaml", text, strlen(text), NULL), 0);
	cr_assert_eq(hf_model_build(policy, &opts, &model, NULL), 0);
	cr_assert_eq(hf_rules_build(model, &rules, NULL), 0);
	w->model = model;
	w->rules = rules;
	w->rand = &rand;
	w->text = text;
	for (k = 1; k < model->n_ifaces; k++) {
		const struct hf_iface *iface = &model->ifaces[k].id;

		if (iface->from != HF_FROM_UPLINK || strcmp(iface->name, "lo") == 0)
			continue;
		try_family(w, (uint16_t)k, 4, false);
		try_family(w, (uint16_t)k, 6, false);
		try_family(w, (uint16_t)k, 4, true);
		try_family(w, (uint16_t)k, 6, true);
		try_rules(w, iface->name);
		for (n = 0; n < n_nics; n++)
			try_plan(w, nics[n], iface->name, 0, HF_FALLBACK_SOFTWARE);
		try_plan(w, nics[0], iface->name, 0, HF_FALLBACK_KERNEL);
		for (n = 0; n < ANY_PLANS; n++)
			try_any_plan(w, iface->name);
	}
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
	hf_world_fini(&world);
}

Test(check, sets_are_what_the_reference_says_and_no_plan_is_refuted)
{
	static const char *const names[] = {"mlx5-cx6dx", "i40e-x710", "ixgbe-x540", "none"};
	const char *seeds = getenv("HF_SEEDS");
	size_t n = seeds ? strtoul(seeds, NULL, 10) : WORLDS, packets = 0, open = 0, decided = 0, k;
	struct hf_nic *nics[sizeof(names) / sizeof(names[0])];
	struct world_run w = {
		.seed = hf_test_seed(), .packets = &packets, .open = &open, .decided = &decided};

	cr_assert_eq(hf_profile_all(&w.all, &w.n_all, NULL), 0);
	for (k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		cr_assert_eq(hf_profile_find(names[k], &nics[k], NULL), 0);
	for (w.i = 0; w.i < n; w.i++)
		run_world(&w, nics, k);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu packets, %zu without a certain verdict; %zu plans "
		"decide about packets to the host\n",
		(unsigned long long)w.seed, packets, open, decided);
	/* A proof about plans that decide nothing would prove nothing. */
	cr_expect(n < WORLDS || decided > 0);
	while (k-- > 0)
		hf_profile_free(nics[k]);
	hf_profile_free_all(w.all, w.n_all);
}
