/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How long the proofs of flowgen check take, and how much memory. One line a set:
 *
 *	proof acl IPv4 10000 rules mlx5-cx6dx: build 0.90 s, 14000 entries; rules 1.20 s, plan 2.10
 *s, 3.30 s together; 900 MB
 *
 * and, of up to MAX_CHANGED rules, what proving one change after the other takes with a memory (a
 *verdict turned, a rule lost, or one more, each somewhere):
 *
 *	  with a memory: first 95 ms, 60 changes: p50 5.0 ms, p99 9.1 ms; 120 MB
 *
 * Seconds of processor time; each set in a process of its own, so that memory is its own.
 *HF_PROOF_RULES (a number) replaces the sizes. HEPFLOW_CLASSBENCH names a folder of unpacked
 *ClassBench files.
 */

#include "acl.h"

#include "hf_test_rand.h"

#include <hepflow/check.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED	    1
#define CHANGES	    60
#define MAX_CHANGED 10000

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(int rc, const struct hf_err *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "proof: %s\n", err->text);
	exit(EXIT_FAILURE);
}

static const char *answer_name(enum hf_check_answer a)
{
	return a == HF_CHECK_PROVEN ? "proven" : a == HF_CHECK_REFUTED ? "REFUTED" : "undecided";
}

/* One state of a policy, and what is proven of it. */
struct built {
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plan;
	struct hf_entry *entries;
};

static void build(const char *name, const struct hf_acl *acl, const struct hf_nic *nic,
	const struct hf_plan *previous, struct built *ret)
{
	struct hf_model_opts model_opts = {.node = "n0"};
	struct hf_plan_opts plan_opts = {.iface = "eth0", .previous = previous};
	char *text = hf_acl_text(acl);
	struct hf_err err = {0};

	need(hf_policy_new(&ret->policy, &err), &err);
	need(hf_policy_read_text(ret->policy, name, text, strlen(text), &err), &err);
	need(hf_model_build(ret->policy, &model_opts, &ret->model, &err), &err);
	need(hf_rules_build(ret->model, &ret->rules, &err), &err);
	need(hf_plan_build(ret->rules, nic, &plan_opts, &ret->plan, &err), &err);
	free(text);
	ret->entries = hf_plan_copy_entries(ret->plan);
	if (!ret->entries)
		abort();
}

static void built_free(struct built *b)
{
	free(b->entries);
	hf_plan_free(b->plan);
	hf_rules_free(b->rules);
	hf_model_free(b->model);
	hf_policy_free(b->policy);
}

/* Seconds for rules and plan. */
static void prove(const struct built *b, const struct hf_nic *nic, const struct hf_check_opts *opts,
	double ret[2], enum hf_check_answer ret_answer[2])
{
	struct hf_check_view view = {
		.nic = nic,
		.iface = "eth0",
		.n_tables = hf_plan_n_tables(b->plan),
		.n_entries = hf_plan_n_entries(b->plan),
		.entries = b->entries,
	};
	struct hf_check_rules rules_check;
	struct hf_check check;
	struct hf_err err = {0};
	double t[3];

	t[0] = now();
	need(hf_check_rules(b->model, b->rules, "eth0", opts, &rules_check, &err), &err);
	t[1] = now();
	need(hf_check_plan(b->model, &view, opts, &check, &err), &err);
	t[2] = now();
	ret[0] = t[1] - t[0];
	ret[1] = t[2] - t[1];
	ret_answer[0] = rules_check.answer;
	ret_answer[1] = check.answer;
	hf_check_fini(&check);
}

static long memory_mb(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

/* Some rule has the other verdict, is not there, or there is one more. */
static void change(struct hf_acl *acl, struct hf_rand *rand)
{
	size_t i = hf_rand_below(rand, (uint32_t)acl->n);
	struct hf_acl_rule r = acl->v[i];

	switch (hf_rand_below(rand, 3)) {
	case 0:
		acl->v[i].allow = !r.allow;
		break;
	case 1:
		memmove(&acl->v[i], &acl->v[i + 1], (acl->n - i - 1) * sizeof(*acl->v));
		acl->n--;
		break;
	default:
		r.src.len = (uint8_t)hf_addr_bits(&r.src.addr);
		memmove(&acl->v[i + 1], &acl->v[i], (acl->n - i) * sizeof(*acl->v));
		acl->v[i] = r;
		acl->n++;
		break;
	}
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void run_changes(const char *name, const struct hf_acl *acl, const struct hf_nic *nic)
{
	struct hf_acl changed = {acl->n, calloc(acl->n + CHANGES, sizeof(*changed.v))};
	struct hf_check_opts opts = {0};
	enum hf_check_answer answer[2];
	double t[2], took[CHANGES], first = 0;
	struct built b = {0}, old;
	struct hf_err err = {0};
	struct hf_rand rand;
	size_t i;

	if (!changed.v)
		abort();
	memcpy(changed.v, acl->v, acl->n * sizeof(*acl->v));
	hf_rand_init(&rand, SEED, 0);
	need(hf_check_memory_new(HF_CHECK_NODES, &opts.memory, &err), &err);
	for (i = 0; i <= CHANGES; i++) {
		old = b;
		if (i > 0)
			change(&changed, &rand);
		build(name, &changed, nic, old.plan, &b);
		if (i > 0)
			built_free(&old);
		hf_check_memory_turn(opts.memory);
		prove(&b, nic, &opts, t, answer);
		if (answer[0] != HF_CHECK_PROVEN || answer[1] != HF_CHECK_PROVEN)
			printf("  change %zu: rules %s, plan %s\n", i, answer_name(answer[0]),
				answer_name(answer[1]));
		if (i == 0)
			first = t[0] + t[1];
		else
			took[i - 1] = t[0] + t[1];
	}
	qsort(took, CHANGES, sizeof(took[0]), by_size);
	printf("  with a memory: first %.0f ms, %d changes: p50 %.1f ms, p99 %.1f ms; %ld MB\n",
		first * 1e3, CHANGES, took[CHANGES / 2] * 1e3, took[CHANGES * 99 / 100] * 1e3,
		memory_mb());
	hf_check_memory_free(opts.memory);
	built_free(&b);
	free(changed.v);
}

static void run(const char *name, const struct hf_acl *acl, const char *profile)
{
	struct hf_check_opts opts = {0};
	enum hf_check_answer answer[2];
	struct hf_err err = {0};
	struct hf_nic *nic;
	struct built b;
	double t[2], start = now(), made;

	need(hf_profile_find(profile, &nic, &err), &err);
	build(name, acl, nic, NULL, &b);
	made = now() - start;
	prove(&b, nic, &opts, t, answer);
	printf("proof %s %zu rules %s: build %.2f s, %zu entries; rules %s %.2f s, plan %s %.2f s, "
	       "%.2f s together; %ld MB\n",
		name, acl->n, profile, made, hf_plan_n_entries(b.plan), answer_name(answer[0]),
		t[0], answer_name(answer[1]), t[1], t[0] + t[1], memory_mb());
	built_free(&b);
	if (acl->n <= MAX_CHANGED)
		run_changes(name, acl, nic);
	hf_profile_free(nic);
}

/* Takes the set; true if it could be proven. */
static bool run_apart(const char *name, struct hf_acl *acl, const char *profile)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run(name, acl, profile);
		hf_acl_fini(acl);
		exit(EXIT_SUCCESS);
	}
	hf_acl_fini(acl);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool run_made(const char *profile)
{
	static const struct {
		const char *name;
		enum hf_acl_kind kind;
		uint8_t family;
		size_t n;
	} sets[] = {
		{"acl IPv4", HF_ACL_ACL, 4, 1000},
		{"fw IPv4", HF_ACL_FW, 4, 1000},
		{"ipc IPv4", HF_ACL_IPC, 4, 1000},
		{"acl IPv4", HF_ACL_ACL, 4, 10000},
		{"fw IPv4", HF_ACL_FW, 4, 10000},
		{"ipc IPv4", HF_ACL_IPC, 4, 10000},
		{"acl IPv6", HF_ACL_ACL, 6, 10000},
		{"fw IPv6", HF_ACL_FW, 6, 10000},
		{"ipc IPv6", HF_ACL_IPC, 6, 10000},
		{"acl IPv4", HF_ACL_ACL, 4, 100000},
		{"ipc IPv4", HF_ACL_IPC, 4, 100000},
	};
	const char *only = getenv("HF_PROOF_RULES"), *named = getenv("HF_PROOF_SET");
	size_t want = only ? strtoul(only, NULL, 10) : 0, i;
	bool good = true;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct hf_acl acl;

		if ((want && sets[i].n != want) || (named && strcmp(named, sets[i].name) != 0))
			continue;
		hf_acl_make(&acl, sets[i].kind, sets[i].family, sets[i].n, SEED);
		good &= run_apart(sets[i].name, &acl, profile);
	}
	return good;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool run_classbench(const char *folder, const char *profile)
{
	struct dirent **list;
	int n = scandir(folder, &list, NULL, by_name), i;
	bool good = n >= 0;

	for (i = 0; i < n; i++) {
		struct hf_acl acl;
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && hf_acl_read(&acl, path, 200000, SEED))
			good &= run_apart(list[i]->d_name, &acl, profile);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return good;
}

int main(int argc, char **argv)
{
	const char *profile = argc > 1 ? argv[1] : "mlx5-cx6dx";
	const char *folder = getenv("HEPFLOW_CLASSBENCH");
	bool good = folder ? run_classbench(folder, profile) : run_made(profile);

	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
