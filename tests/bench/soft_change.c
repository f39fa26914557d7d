/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How soon the software path obeys a change: one case a run, one JSON line on stdout.
 *
 *	bench-soft-change [--what rule|insert|member] [--rules N] [--set-size N] [--changes N]
 *		[--plain] [-- EAL ARGUMENTS]
 *
 * plain: no rule asks for a set. rule: one rule's first port and action are others; insert: a rule
 *more; member: a set has an address more. Times are those of hf_soft_publish(), which the next
 *burst obeys, in milliseconds of CPU; and of the thread behind that builds the whole table, until
 *it is in force, by the clock.
 *
 * After every change packets are judged twice, at once and when nothing is built aside any more,
 * and compared with hf_rules_lookup() on the new rules; some of them aim at what has changed. Any
 * difference: exit 1.
 */

#include "soft_data.h"
#include "soft_walk.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>
#include <soft/key.h>
#include <soft/soft.h>

#include <hf_test_rand.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED	    1
#define CHANGES_MAX 1000
#define FLOWS	    256 /* judged after each change */
#define AIMED	    8	/* of them, at what has changed */
#define EAL_ARGS    32
#define N_MBUFS	    1023

enum what { RULE, INSERT, MEMBER, N_WHATS };

static const char *const whats[N_WHATS] = {"rule", "insert", "member"};

static struct {
	enum what what;
	bool plain;
	size_t n_rules, set_size, changes;
} opt = {.n_rules = 1000, .set_size = BENCH_SET_SIZE, .changes = 20};

static struct {
	struct bench_policy *policy;
	struct hf_rand rand;
	struct hf_policy *objects;
	struct hf_model *model;
	const struct hf_rules *rules;
	struct hf_soft *soft;
	struct rte_mempool *pool;
	unsigned int wire;
	size_t changed; /* rule */
	uint32_t member;
	size_t judged, wrong, at_once;
	double read, load; /* the first time: rules from text, and hf_soft_publish() */
	double publish[CHANGES_MAX], settle[CHANGES_MAX];
} run;

static double seconds(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		err(1, "clock_gettime");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* From text, of all of the policy or of what has changed. */
static struct hf_rules *build_rules(char *text)
{
	struct hf_model_opts opts = {.node = "n0", .previous = run.model};
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	struct hf_err e = {0};

	if ((!run.objects && hf_policy_new(&run.objects, &e) < 0) ||
		hf_policy_read_text(run.objects, "bench.yaml", text, strlen(text), &e) < 0 ||
		hf_model_build(run.objects, &opts, &model, &e) < 0 ||
		hf_rules_follow(model, (struct hf_rules *)(uintptr_t)run.rules, &rules, &e) < 0)
		errx(1, "%s", e.text);
	hf_model_free(run.model);
	run.model = model;
	free(text);
	return rules;
}

static void change_rule(struct bench_rule *r)
{
	r->n_ports = r->n_ports ? r->n_ports : 1;
	r->ports[0][0] = r->ports[0][1] = (uint16_t)hf_rand_between(&run.rand, 1, 65535);
	r->allow = !r->allow;
}

static void insert_rule(size_t at)
{
	struct bench_policy *p = run.policy;
	struct bench_rule *rules = realloc(p->rules, (p->n_rules + 1) * sizeof(*rules));

	if (!rules)
		errx(1, "out of memory");
	p->rules = rules;
	memmove(rules + at + 1, rules + at, (p->n_rules - at) * sizeof(*rules));
	p->n_rules++;
	rules[at].src = (struct bench_net){0};
	rules[at].set = -1;
	change_rule(&rules[at]);
}

/* A rule that asks for a set, which then gets an address that it has not got. */
static void add_member(size_t at)
{
	struct bench_policy *p = run.policy;
	struct bench_set *set;

	while (p->rules[at].set < 0)
		at = (at + 1) % p->n_rules;
	run.changed = at;
	set = &p->sets[p->rules[at].set];
	set->nets = realloc(set->nets, (set->n + 1) * sizeof(*set->nets));
	if (!set->nets)
		errx(1, "out of memory");
	run.member = (uint32_t)hf_rand_u64(&run.rand) | 0x01000000;
	set->nets[set->n++] = (struct bench_net){run.member, 32};
}

/* What of the policy has changed, as text. */
static char *change(void)
{
	run.changed = hf_rand_below(&run.rand, run.policy->n_rules);
	switch (opt.what) {
	case RULE:
		change_rule(&run.policy->rules[run.changed]);
		return bench_part_yaml(run.policy, run.changed, false, true);
	case MEMBER:
		add_member(run.changed);
		return bench_part_yaml(run.policy, run.changed, true, true);
	case INSERT:
	case N_WHATS:
		break;
	}
	/* Ten rules to a policy: one more goes through all that come behind. */
	insert_rule(run.changed);
	return bench_policy_yaml(run.policy, true, false);
}

/* Flows of the policy, the first of them at what has changed. */
static struct bench_frames make_frames(void)
{
	const struct bench_rule *r = &run.policy->rules[run.changed];
	struct bench_flow *flows =
		bench_flows_make(run.policy, FLOWS, false, hf_rand_u64(&run.rand));
	struct bench_frames frames;
	size_t i;

	for (i = 0; i < AIMED; i++) {
		struct bench_flow *f = &flows[i];

		if (opt.what == MEMBER)
			f->src = run.member + (i == 1);
		f->udp = r->udp;
		if (r->n_ports)
			f->dport = r->ports[i % r->n_ports][i % 2];
		if (r->dst.len)
			f->dst = r->dst.addr;
	}
	frames = bench_frames_make(flows, FLOWS, BENCH_OPEN, false);
	free(flows);
	return frames;
}

static void judge(const struct bench_frames *frames)
{
	size_t i;

	for (i = 0; i < frames->n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(run.pool);
		bool want;

		if (!m)
			errx(1, "no mbuf");
		memcpy(rte_pktmbuf_append(m, frames->size), frames->bytes + i * frames->size,
			frames->size);
		want = bench_walk_passes(run.rules, m);
		run.judged++;
		if (hf_soft_burst(run.soft, 0, run.wire, HF_SOFT_IN, &m, 1, rte_rdtsc())) {
			rte_pktmbuf_free(m);
			run.wrong += !want;
		} else {
			run.wrong += want;
		}
	}
}

/* Until all older rules are given back as well. */
static double settle(void)
{
	const struct timespec wait = {.tv_nsec = 100000};
	double t0 = seconds(CLOCK_MONOTONIC), t = 0;
	const struct hf_rules *older;
	bool settled = false;

	do {
		hf_soft_poll(run.soft, 0, rte_rdtsc());
		older = hf_soft_reclaim(run.soft);
		if (!settled && hf_soft_is_settled(run.soft)) {
			settled = true;
			t = seconds(CLOCK_MONOTONIC) - t0;
		}
		if (older)
			hf_rules_free((struct hf_rules *)(uintptr_t)older);
		else
			(void)nanosleep(&wait, NULL);
	} while (!settled || !older);
	return t;
}

static void measure(size_t i)
{
	struct bench_frames frames;
	struct hf_err e = {0};
	double t0;
	char *text;

	text = change();
	frames = make_frames();
	run.rules = build_rules(text);
	t0 = seconds(CLOCK_THREAD_CPUTIME_ID);
	if (hf_soft_publish(run.soft, run.rules, &e) < 0)
		errx(1, "%s", e.text);
	run.publish[i] = 1e3 * (seconds(CLOCK_THREAD_CPUTIME_ID) - t0);
	run.at_once += !hf_soft_is_settled(run.soft);
	judge(&frames);
	run.settle[i] = 1e3 * settle();
	judge(&frames);
	bench_frames_free(&frames);
}

static int time_cmp(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static void print(void)
{
	size_t n = opt.changes;

	qsort(run.publish, n, sizeof(run.publish[0]), time_cmp);
	qsort(run.settle, n, sizeof(run.settle[0]), time_cmp);
	printf("{\"bench\": \"soft-change\", \"what\": \"%s\", \"rules\": %zu, \"set_size\": %zu, "
	       "\"plain\": %s, \"read_ms\": %.1f, \"load_ms\": %.1f, \"changes\": %zu, "
	       "\"over_older\": %zu, \"publish_ms\": %.3f, \"publish_max_ms\": "
	       "%.3f, \"settle_ms\": %.1f, \"judged\": %zu, \"wrong\": %zu}\n",
		whats[opt.what], opt.n_rules, opt.set_size, opt.plain ? "true" : "false", run.read,
		run.load, n, run.at_once, run.publish[n / 2], run.publish[n - 1], run.settle[n / 2],
		run.judged, run.wrong);
}

static enum what what_of(const char *text)
{
	int i;

	for (i = 0; i < N_WHATS; i++) {
		if (strcmp(text, whats[i]) == 0)
			return (enum what)i;
	}
	errx(2, "unknown change '%s'", text);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"what", required_argument, NULL, 'w'},
		{"rules", required_argument, NULL, 'r'},
		{"set-size", required_argument, NULL, 's'},
		{"changes", required_argument, NULL, 'c'},
		{"plain", no_argument, NULL, 'p'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'w':
			opt.what = what_of(optarg);
			break;
		case 'r':
			opt.n_rules = strtoul(optarg, NULL, 10);
			break;
		case 's':
			opt.set_size = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			opt.changes = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			opt.plain = true;
			break;
		default:
			exit(2);
		}
	}
	if (opt.plain && opt.what == MEMBER)
		errx(2, "plain rules have no sets");
	if (!opt.n_rules || !opt.set_size || !opt.changes || opt.changes > CHANGES_MAX)
		errx(2, "numbers must be positive, --changes at most %d", CHANGES_MAX);
}

static void start(char *name, char **extra, int n_extra)
{
	char *args[EAL_ARGS] = {name, (char[]){"--no-pci"}, (char[]){"--no-telemetry"},
		(char[]){"--log-level=error"}};
	struct hf_soft_opts opts = {.n_workers = 1, .max_conns = 1024, .socket = SOCKET_ID_ANY};
	struct hf_err e = {0};
	int i, n = 4;

	for (i = 0; i < n_extra && n < EAL_ARGS - 1; i++)
		args[n++] = extra[i];
	if (rte_eal_init(n, args) < 0)
		errx(1, "EAL: %s", rte_strerror(rte_errno));
	run.pool = rte_pktmbuf_pool_create(
		"bench", N_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!run.pool)
		errx(1, "no memory for packets: %s", rte_strerror(rte_errno));
	if (hf_soft_new(&opts, &run.soft, &e) < 0 ||
		hf_soft_add_wire(run.soft, "eth0", HF_SOFT_UPLINK, &run.wire, &e) < 0)
		errx(1, "%s", e.text);
	run.load = seconds(CLOCK_THREAD_CPUTIME_ID);
	if (hf_soft_publish(run.soft, run.rules, &e) < 0)
		errx(1, "%s", e.text);
	run.load = 1e3 * (seconds(CLOCK_THREAD_CPUTIME_ID) - run.load);
	if (hf_soft_worker_start(run.soft, 0) < 0)
		errx(1, "no worker");
}

int main(int argc, char **argv)
{
	size_t i;

	parse(argc, argv);
	hf_rand_init(&run.rand, SEED, 0);
	run.policy = bench_policy_make(opt.n_rules, opt.set_size, SEED);
	for (i = 0; opt.plain && i < opt.n_rules; i++)
		run.policy->rules[i].set = -1;
	run.read = seconds(CLOCK_THREAD_CPUTIME_ID);
	run.rules = build_rules(bench_policy_yaml(run.policy, true, false));
	run.read = 1e3 * (seconds(CLOCK_THREAD_CPUTIME_ID) - run.read);
	start(argv[0], argv + optind, argc - optind);
	for (i = 0; i < opt.changes; i++)
		measure(i);
	print();
	hf_soft_worker_stop(run.soft, 0);
	hf_soft_free(run.soft);
	hf_rules_free((struct hf_rules *)(uintptr_t)run.rules);
	hf_model_free(run.model);
	hf_policy_free(run.objects);
	bench_policy_free(run.policy);
	(void)rte_eal_cleanup(); /* nobody is left to hear of it */
	if (run.wrong)
		warnx("%zu verdicts differ from the walk", run.wrong);
	return run.wrong > 0;
}
