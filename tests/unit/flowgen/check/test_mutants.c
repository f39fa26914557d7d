/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Plans of the golden cases with one mistake put in. Each mutant must be refuted by a packet that
 * the reference confirms, or be shown to leave the NIC's function as it was; what is neither (most
 * of these only punt more) is compared with the reference packet by packet.
 */

#include "check/device.h"
#include "plan/build.h"

#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/ref.h>

#include <hf_test.h>
#include <hf_test_rand.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_KIND 1 /* mutants of each kind, of each plan */
#define SAMPLES	 12
#define MUTANTS	 1000 /* fewer would mean that the cases are gone */

HF_SUITE(mutants, .timeout = 600);

/* A case, built, with the plan of its first uplink. */
struct run {
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_nic *nic;
	struct hf_plan *plan;
	struct hf_entry *entries; /* a copy of its own */
	struct hf_check_view view;
	uint16_t in;
	struct hf_rand rand;
	const char *name; /* of the case */
};

struct nic_wish {
	const char *profile;
	bool eswitch;
	bool few; /* all that makes entries fewer, though it saves nothing */
	bool drops_only;
	bool reserve;
};

/* Both families of one plan, as sets. Only one can be open at a time. */
struct proof {
	struct dd dd;
	struct pol pol;
	struct fates certain;
	struct device dev;
};

enum outcome {
	SAME,	 /* the device function is as it was */
	REFUTED, /* by a packet that the reference confirms */
	SLOWER,	 /* sound, and it decides nothing that it did not decide before */
	RIGHT,	 /* it decides something else or more, and is sound all the same */
	OUTCOMES,
};

static void run_init(struct run *r, const char *cases, const char *name, const struct nic_wish *nic)
{
	struct hf_model_opts model_opts = {.calico = strstr(name, "-v3.28") ? 328 : 0};
	struct hf_plan_opts plan_opts = {.eswitch = {nic->eswitch, 0, 1},
		.fallback = nic->drops_only ? HF_FALLBACK_KERNEL : HF_FALLBACK_SOFTWARE,
		.reserve = nic->reserve,
		.classify_from = nic->few,
		.short_denies = nic->few};
	char path[4096];
	size_t i;

	*r = (struct run){.name = name};
	(void)snprintf(path, sizeof(path), "%s/%s/policy.yaml", cases, name);
	cr_assert_eq(hf_policy_new(&r->policy, NULL), 0);
	cr_assert_eq(hf_policy_read(r->policy, path, NULL), 0, "%s", path);
	cr_assert_eq(hf_model_build(r->policy, &model_opts, &r->model, NULL), 0);
	cr_assert_eq(hf_rules_build(r->model, &r->rules, NULL), 0);
	cr_assert_eq(hf_profile_find(nic->profile, &r->nic, NULL), 0);
	cr_assert_eq(hf_plan_build(r->rules, r->nic, &plan_opts, &r->plan, NULL), 0);
	r->entries = calloc(r->plan->n_entries + 1, sizeof(*r->entries));
	cr_assert_not_null(r->entries);
	for (i = 0; i < r->plan->n_entries; i++)
		r->entries[i] = *hf_plan_at(r->plan, i);
	r->view = (struct hf_check_view){r->nic, hf_plan_iface(r->plan), r->plan->n_tables,
		r->plan->n_entries, r->entries, nic->drops_only, plan_opts.eswitch};
	r->in = (uint16_t)hf_model_find_iface(r->model, r->view.iface);
	hf_rand_init(&r->rand, hf_test_seed(), strlen(name) + (uint64_t)(uint8_t)name[0] * 256);
}

static void run_fini(struct run *r)
{
	free(r->entries);
	hf_plan_free(r->plan);
	hf_profile_free(r->nic);
	hf_rules_free(r->rules);
	hf_model_free(r->model);
	hf_policy_free(r->policy);
}

static void proof_init(struct proof *p, const struct run *r, uint8_t family)
{
	cr_assert_eq(hf_dd_open(&p->dd, family, DD_ADDRS_FIRST, HF_CHECK_NODES, NULL), 0);
	cr_assert_eq(hf_pol_init(&p->pol, r->model, &p->dd, r->in), 0);
	hf_pol_certain(&p->pol, &p->certain);
	p->certain.answered = hf_dd_none();
	if (r->view.eswitch.on)
		cr_assert_eq(hf_pol_answered(&p->pol, &p->certain.answered), 0);
	cr_assert_eq(hf_device_walk(&p->dev, &p->dd, p->pol.all, false, &r->view, NULL), 0);
	cr_assert_eq(hf_device_wrong(&p->dev, &p->dd, &p->certain), hf_dd_none(),
		"%s on %s is not proven", r->name, r->nic->name);
}

static void proof_fini(struct proof *p)
{
	hf_pol_fini(&p->pol);
	hf_dd_close(&p->dd);
}

/* A bit of the mask that is (or, with unset, is not) set, in the bytes that layers here have. */
static bool find_bit(struct hf_rand *rand, const struct hf_entry *e, bool unset, size_t *ret)
{
	static const struct {
		size_t at, n;
		uint32_t layers;
	} fields[] = {
		{offsetof(struct hf_hdr, ip_src), 4, HF_LAYER_BIT(HF_LAYER_IPV4)},
		{offsetof(struct hf_hdr, ip_dst), 4, HF_LAYER_BIT(HF_LAYER_IPV4)},
		{offsetof(struct hf_hdr, ip_src), 16, HF_LAYER_BIT(HF_LAYER_IPV6)},
		{offsetof(struct hf_hdr, ip_dst), 16, HF_LAYER_BIT(HF_LAYER_IPV6)},
		{offsetof(struct hf_hdr, ip_proto), 1,
			HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6)},
		{offsetof(struct hf_hdr, sport), 2,
			HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP)},
		{offsetof(struct hf_hdr, dport), 2,
			HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP)},
		{offsetof(struct hf_hdr, tcp_flags), 1, HF_LAYER_BIT(HF_LAYER_TCP)},
		{offsetof(struct hf_hdr, icmp_type), 2,
			HF_LAYER_BIT(HF_LAYER_ICMP) | HF_LAYER_BIT(HF_LAYER_ICMP6)},
		{offsetof(struct hf_hdr, tag), 4, HF_LAYER_BIT(HF_LAYER_TAG)},
	};
	const uint8_t *mask = (const uint8_t *)&e->match.mask;
	unsigned int tries;

	for (tries = 0; tries < 200; tries++) {
		size_t k = hf_rand_below(rand, sizeof(fields) / sizeof(fields[0]));
		size_t bit = fields[k].at * 8 + hf_rand_below(rand, fields[k].n * 8);

		if (!(e->match.layers & fields[k].layers))
			continue;
		if (!(mask[bit / 8] & 0x80 >> bit % 8) == unset) {
			*ret = bit;
			return true;
		}
	}
	return false;
}

static void toggle(struct hf_hdr *h, size_t bit)
{
	((uint8_t *)h)[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
}

/* Each kind of mistake changes one entry (or takes it out) and says whether it could. */
typedef bool (*mutate_fn)(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i);

static bool flip_verdict(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	enum hf_fate fate = (enum hf_fate)hf_rand_below(rand, HF_FATE_JUMP);

	(void)n;
	if (v[i].fate == HF_FATE_JUMP || v[i].fate == fate)
		return false;
	v[i].fate = fate;
	return true;
}

static bool widen(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	size_t bit;

	(void)n;
	if (!find_bit(rand, &v[i], false, &bit))
		return false;
	toggle(&v[i].match.mask, bit);
	if (((uint8_t *)&v[i].match.spec)[bit / 8] & 0x80 >> bit % 8)
		toggle(&v[i].match.spec, bit);
	return true;
}

static bool narrow(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	size_t bit;

	(void)n;
	if (!find_bit(rand, &v[i], true, &bit))
		return false;
	toggle(&v[i].match.mask, bit);
	if (hf_rand_below(rand, 2))
		toggle(&v[i].match.spec, bit);
	return true;
}

static bool shift(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	size_t bit;

	(void)n;
	if (!find_bit(rand, &v[i], false, &bit))
		return false;
	toggle(&v[i].match.spec, bit);
	return true;
}

static bool drop(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	(void)rand;
	memmove(&v[i], &v[i + 1], (*n - i - 1) * sizeof(*v));
	(*n)--;
	return true;
}

static bool swap_priorities(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	size_t k = hf_rand_below(rand, *n);
	uint32_t p = v[i].priority;

	if (v[k].table != v[i].table || v[k].priority == p)
		return false;
	v[i].priority = v[k].priority;
	v[k].priority = p;
	return true;
}

static bool next_port(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	uint8_t *at = v[i].match.spec.dport, *mask = v[i].match.mask.dport;
	unsigned int port;

	(void)n;
	if (mask[0] != 0xff || mask[1] != 0xff)
		return false;
	port = (unsigned int)(at[0] << 8 | at[1]) + (hf_rand_below(rand, 2) ? 1 : 0xffff);
	at[0] = (uint8_t)(port >> 8);
	at[1] = (uint8_t)port;
	return true;
}

/* Lost, or to a table further on. */
static bool break_jump(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	uint32_t last = 0;
	size_t k;

	if (v[i].fate != HF_FATE_JUMP)
		return false;
	for (k = 0; k < *n; k++)
		last = v[k].table > last ? v[k].table : last;
	if (v[i].jump >= last || hf_rand_below(rand, 3) == 0)
		v[i].fate = hf_rand_below(rand, 2) ? HF_FATE_ALLOW : HF_FATE_PUNT;
	else
		v[i].jump += 1 + (uint32_t)hf_rand_below(rand, last - v[i].jump);
	return true;
}

/* What software should see it does not, or the other way round; no matter without an e-switch. */
static bool deliver(struct hf_rand *rand, struct hf_entry *v, size_t *n, size_t i)
{
	(void)rand;
	(void)n;
	if (v[i].fate != HF_FATE_ALLOW)
		return false;
	v[i].forward = !v[i].forward;
	return true;
}

static const struct {
	const char *name;
	mutate_fn fn;
} kinds[] = {
	{"flip verdict", flip_verdict},
	{"widen", widen},
	{"narrow", narrow},
	{"shift", shift},
	{"drop", drop},
	{"swap priorities", swap_priorities},
	{"port off by one", next_port},
	{"break jump", break_jump},
	{"deliver", deliver},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct score {
	size_t kind[N_KINDS][OUTCOMES];
	size_t ties; /* refuted only because the order of entries is not defined */
	/* Of the refuted ones those that the driver would not have installed as asked. */
	size_t danger;
	size_t drops, queues; /* refuted: of plans of drops alone, and with reserved queues */
};

/* Some packet of a set: now and then bits are drawn before the rest is picked. */
static void sample(struct hf_rand *rand, struct dd *dd, BDD set, struct dd_packet *ret)
{
	uint8_t value[16], mask[16];
	unsigned int i, k;
	BDD some;

	for (i = 0; i < 24; i++) {
		for (k = 0; k < sizeof(value); k++) {
			value[k] = (uint8_t)hf_rand_below(rand, 256);
			mask[k] = (uint8_t)(1u << hf_rand_below(rand, 8));
		}
		some = hf_dd_and(dd, set,
			hf_dd_masked(
				dd, (enum dd_field)hf_rand_below(rand, DD_FIELDS), value, mask));
		if (some != hf_dd_none())
			set = some;
	}
	hf_dd_pick(dd, set, ret);
}

/*
 * Of equal priorities the plan's walk takes the first entry, mlx5 the deeper one. Plans have no
 * such entries side by side, mutants may.
 */
static bool depth_decides(const struct hf_plan *plan, size_t entry)
{
	size_t i;

	for (i = 0; entry != SIZE_MAX && i < plan->n_entries; i++) {
		const struct hf_entry *a = hf_plan_at(plan, i), *b = hf_plan_at(plan, entry);

		if (a->table == b->table && a->priority == b->priority &&
			a->match.layers != b->match.layers)
			return true;
	}
	return false;
}

/* What the plan's own walk says of a packet must be among what the sets allow. */
static bool judge_agrees(const struct proof *p, const struct device *dev,
	const struct hf_plan *plan, const struct dd_packet *point, const struct hf_check_wrong *w)
{
	char line[512];
	size_t entry;

	if (w->has_ext || w->answer) /* packets have no extension headers there, and only arrive */
		return true;
	if (hf_dd_has(&p->dd, dev->may[hf_plan_judge(plan, &w->pkt, &entry)], point))
		return true;
	if (depth_decides(plan, entry))
		return true;
	(void)hf_packet_print(&w->pkt, line, sizeof(line));
	fprintf(stderr, "# %s: %s by entry %zu\n", line,
		hf_fate_name(hf_plan_judge(plan, &w->pkt, &entry)), entry);
	return false;
}

/* The line that a counterexample is printed as, read again as flowgen eval does. */
static void eval_agrees(const struct run *r, const struct proof *p, const struct hf_check_wrong *w)
{
	struct hf_packet again;
	char line[512];

	if (w->has_ext || w->foreign_tag) /* said beside the line */
		return;
	(void)hf_packet_print(&w->pkt, line, sizeof(line));
	cr_assert_eq(hf_packet_parse(line, &again, NULL), 0, "%s", line);
	if (w->answer) {
		cr_assert(w->verdict != HF_VERDICT_ALLOW, "%s: no contradiction", line);
		return;
	}
	cr_assert_eq(hf_pol_verdict(&p->pol, &again), w->verdict, "%s on %s: %s", r->name,
		r->nic->name, line);
	cr_assert(w->fate == HF_FATE_DENY
			  ? w->verdict != HF_VERDICT_DENY
			  : w->verdict != (w->fate == HF_FATE_ALLOW ? HF_VERDICT_ALLOW
								    : HF_VERDICT_ALLOW_UNTRACKED),
		"%s: no contradiction", line);
}

static void try_wrong(const struct run *r, struct proof *p, const struct device *dev,
	const struct hf_plan *plan, const struct hf_check_view *view, BDD wrong, struct score *t)
{
	struct hf_check_wrong w;
	struct dd_packet point;
	unsigned int n = 0;
	size_t entry, f;
	struct hf_rand rand = r->rand;

	sample(&rand, &p->dd, wrong, &point);
	cr_assert(hf_device_confirm((const struct pol *[]){&p->pol}, 1, view, &point, &w),
		"%s on %s: the reference does not confirm", r->name, r->nic->name);
	cr_assert(judge_agrees(p, dev, plan, &point, &w), "%s on %s", r->name, r->nic->name);
	eval_agrees(r, p, &w);
	for (f = 0; f < HF_FATE_JUMP; f++)
		n += hf_dd_has(&p->dd, dev->may[f], &point);
	if (!w.has_ext && !w.answer && n == 1 && hf_plan_judge(plan, &w.pkt, &entry) != w.fate)
		cr_assert(depth_decides(plan, entry));
	t->ties += n > 1;
}

/* No packet on which the mutant differs is wrong by the reference either. */
static void try_right(const struct run *r, struct proof *p, const struct device *dev,
	const struct hf_plan *plan, const struct hf_check_view *view, BDD differs)
{
	struct hf_rand rand = r->rand;
	struct hf_check_wrong w;
	struct dd_packet point;
	unsigned int i;

	for (i = 0; i < SAMPLES; i++) {
		sample(&rand, &p->dd, differs, &point);
		cr_assert(!hf_device_confirm((const struct pol *[]){&p->pol}, 1, view, &point, &w),
			"%s on %s: a mutant that is wrong was not refuted", r->name, r->nic->name);
		cr_assert(
			judge_agrees(p, dev, plan, &point, &w), "%s on %s", r->name, r->nic->name);
	}
}

static enum outcome try_mutant(const struct run *r, struct proof *p, const struct hf_plan *plan,
	const struct hf_check_view *view, struct score *t)
{
	size_t mark = hf_dd_mark(&p->dd), f;
	enum outcome outcome = SAME;
	BDD wrong, differs = hf_dd_none(), more = hf_dd_none();
	struct device dev;

	cr_assert_eq(hf_device_walk(&dev, &p->dd, p->pol.all, false, view, NULL), 0);
	for (f = 0; f < HF_FATE_JUMP; f++) {
		BDD was = p->dev.may[f], is = dev.may[f];

		differs = hf_dd_or(&p->dd, differs, hf_dd_minus(&p->dd, was, is));
		differs = hf_dd_or(&p->dd, differs, hf_dd_minus(&p->dd, is, was));
		if (f != HF_FATE_PUNT)
			more = hf_dd_or(&p->dd, more, hf_dd_minus(&p->dd, is, was));
	}
	differs = hf_dd_or(&p->dd, differs, hf_dd_minus(&p->dd, p->dev.delivered, dev.delivered));
	more = hf_dd_or(&p->dd, more, hf_dd_minus(&p->dd, dev.delivered, p->dev.delivered));
	differs = hf_dd_or(&p->dd, differs, more);
	wrong = hf_device_wrong(&dev, &p->dd, &p->certain);
	if (wrong != hf_dd_none()) {
		try_wrong(r, p, &dev, plan, view, wrong, t);
		outcome = REFUTED;
	} else if (differs != hf_dd_none()) {
		try_right(r, p, &dev, plan, view, differs);
		outcome = more == hf_dd_none() ? SLOWER : RIGHT;
	}
	cr_assert(!p->dd.failed);
	(void)hf_dd_release(&p->dd, mark, hf_dd_none());
	return outcome;
}

/* The plan's own walk is told what the driver makes of the entries. Returns whether all are as
 * asked.
 */
static bool install(const struct hf_check_view *view, struct hf_entry *ret)
{
	bool as_asked = true;
	size_t i;

	memcpy(ret, view->entries, view->n_entries * sizeof(*ret));
	for (i = 0; i < view->n_entries; i++)
		as_asked &= hf_device_installed(view, &view->entries[i], &ret[i].match);
	return as_asked;
}

/* The same mutants for both families, which are judged one after the other. */
static void try_family(
	const struct run *r, uint8_t family, enum outcome (*ret)[PER_KIND], struct score *t)
{
	struct hf_entry *v = calloc(r->plan->n_entries + 1, sizeof(*v));
	struct hf_entry *installed = calloc(r->plan->n_entries + 1, sizeof(*v));
	struct hf_rand rand = r->rand;
	struct proof p;
	size_t kind, k;
	bool as_asked;

	cr_assert(v && installed);
	proof_init(&p, r, family);
	for (kind = 0; kind < N_KINDS; kind++) {
		for (k = 0; k < PER_KIND; k++) {
			struct hf_plan plan = *r->plan;
			struct hf_check_view view = r->view;
			struct entry_run run;
			unsigned int tries = 0;

			memcpy(v, r->entries, plan.n_entries * sizeof(*v));
			ret[kind][k] = OUTCOMES;
			while (tries++ < 100 && !kinds[kind].fn(&rand, v, &plan.n_entries,
							hf_rand_below(&rand, plan.n_entries)))
				;
			if (tries > 100)
				continue; /* no entry that could have this mistake */
			/* The one run of the mutant. */
			run = (struct entry_run){.v = installed, .n = plan.n_entries};
			plan.runs.v = &run;
			plan.runs.n = 1;
			view.entries = v;
			view.n_entries = plan.n_entries;
			as_asked = install(&view, installed);
			ret[kind][k] = try_mutant(r, &p, &plan, &view, t);
			t->danger += !as_asked && ret[kind][k] == REFUTED;
		}
	}
	proof_fini(&p);
	free(v);
	free(installed);
}

/* Of the two families' outcomes the one that says more. */
static enum outcome worse(enum outcome a, enum outcome b)
{
	if (a == REFUTED || b == REFUTED)
		return REFUTED;
	return a > b ? a : b;
}

static void try_case(
	const char *cases, const char *name, const struct nic_wish *nic, struct score *t)
{
	enum outcome four[N_KINDS][PER_KIND], six[N_KINDS][PER_KIND];
	struct run r;
	size_t kind, k;

	run_init(&r, cases, name, nic);
	if (r.plan->n_entries) {
		try_family(&r, 4, four, t);
		try_family(&r, 6, six, t);
	}
	for (kind = 0; r.plan->n_entries && kind < N_KINDS; kind++) {
		for (k = 0; k < PER_KIND; k++) {
			enum outcome a = four[kind][k], b = six[kind][k];

			if (a == OUTCOMES)
				continue;
			t->kind[kind][worse(a, b)]++;
			t->drops += nic->drops_only && worse(a, b) == REFUTED;
			t->queues += nic->reserve && worse(a, b) == REFUTED;
		}
	}
	run_fini(&r);
}

Test(mutants, are_refuted_or_do_the_same_or_are_right)
{
	static const struct nic_wish nics[] = {
		{.profile = "mlx5-cx6dx"},
		{.profile = "mlx5-cx6dx", .few = true},
		{.profile = "mlx5-cx6dx-esw", .eswitch = true},
		{.profile = "mlx5-cx6dx", .drops_only = true},
		{.profile = "i40e-x710"},
		{.profile = "ixgbe-x540"},
		{.profile = "ixgbe-82599", .reserve = true},
		{.profile = "igb-82576", .reserve = true},
		{.profile = "ice-e810-fdir"},
	};
	const char *cases = getenv("HF_CASES");
	struct score t = {0};
	struct dirent *entry;
	size_t i, k, all = 0, sum[OUTCOMES] = {0};
	DIR *dir;

	cr_assert_not_null(cases, "HF_CASES is not set: the folder tests/cases");
	dir = opendir(cases);
	cr_assert_not_null(dir, "%s", cases);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
			strchr(entry->d_name, '.') != strstr(entry->d_name, ".28"))
			continue;
		for (i = 0; i < sizeof(nics) / sizeof(nics[0]); i++) {
			/* Half of them says as much of these. */
			if ((nics[i].reserve || nics[i].drops_only) &&
				(strlen(entry->d_name) + i) % 2)
				continue;
			try_case(cases, entry->d_name, &nics[i], &t);
		}
	}
	(void)closedir(dir);
	for (i = 0; i < N_KINDS; i++) {
		fprintf(stderr, "# %-16s refuted %4zu, same %4zu, punts more %4zu, right %4zu\n",
			kinds[i].name, t.kind[i][REFUTED], t.kind[i][SAME], t.kind[i][SLOWER],
			t.kind[i][RIGHT]);
		cr_expect_gt(t.kind[i][REFUTED], 0, "no mutant refuted: %s", kinds[i].name);
		for (k = 0; k < OUTCOMES; k++) {
			sum[k] += t.kind[i][k];
			all += t.kind[i][k];
		}
	}
	fprintf(stderr,
		"# HF_SEED=%llu: %zu mutants: %zu refuted (%zu packets by undefined order, "
		"%zu times by what the driver installs), "
		"%zu the same, %zu punt more, %zu right\n",
		(unsigned long long)hf_test_seed(), all, sum[REFUTED], t.ties, t.danger, sum[SAME],
		sum[SLOWER], sum[RIGHT]);
	fprintf(stderr, "# refuted of plans of drops alone %zu, with reserved queues %zu\n",
		t.drops, t.queues);
	cr_expect_gt(t.danger, 0);
	cr_expect_geq(t.drops, 20);
	cr_expect_geq(t.queues, 20);
	cr_expect_geq(all, MUTANTS);
}
