/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How long the proofs of flowgen check take, and how much memory. One line a set:
 *
 *	proof acl IPv4 10000 rules mlx5-cx6dx: build 0.90 s, 14000 entries; rules 1.20 s, plan 2.10
 *s, 3.30 s together; 900 MB
 *
 * Seconds of processor time; each set in a process of its own, so that memory is its own.
 *HF_PROOF_RULES (a number) replaces the sizes. HEPFLOW_CLASSBENCH names a folder of unpacked
 *ClassBench files.
 */

#include "acl.h"

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

#define SEED 1

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

static void run(const char *name, const struct hf_acl *acl, const char *profile)
{
	struct hf_model_opts model_opts = {.node = "n0"};
	struct hf_plan_opts plan_opts = {.iface = "eth0"};
	struct hf_check_opts opts = {0};
	struct hf_check_rules rules_check;
	struct hf_check_view view = {.iface = "eth0"};
	struct hf_check check;
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plan;
	struct hf_nic *nic;
	struct hf_err err = {0};
	struct rusage usage;
	char *text = hf_acl_text(acl);
	double t[4];

	t[0] = now();
	need(hf_policy_new(&policy, &err), &err);
	need(hf_policy_read_text(policy, name, text, strlen(text), &err), &err);
	need(hf_model_build(policy, &model_opts, &model, &err), &err);
	need(hf_rules_build(model, &rules, &err), &err);
	need(hf_profile_find(profile, &nic, &err), &err);
	need(hf_plan_build(rules, nic, &plan_opts, &plan, &err), &err);
	view.nic = nic;
	view.n_tables = hf_plan_n_tables(plan);
	view.n_entries = hf_plan_n_entries(plan);
	view.entries = view.n_entries ? hf_plan_entry(plan, 0) : NULL;
	t[1] = now();
	need(hf_check_rules(model, rules, "eth0", &opts, &rules_check, &err), &err);
	t[2] = now();
	need(hf_check_plan(model, &view, &opts, &check, &err), &err);
	t[3] = now();
	(void)getrusage(RUSAGE_SELF, &usage);
	printf("proof %s %zu rules %s: build %.2f s, %zu entries; rules %s %.2f s, plan %s %.2f s, "
	       "%.2f s together; %ld MB\n",
		name, acl->n, profile, t[1] - t[0], view.n_entries, answer_name(rules_check.answer),
		t[2] - t[1], answer_name(check.answer), t[3] - t[2], t[3] - t[1],
		usage.ru_maxrss / 1024);
	hf_check_fini(&check);
	hf_plan_free(plan);
	hf_profile_free(nic);
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
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
