/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CPU time and memory of one full compile, stage by stage, in one line of "name value" pairs:
 *
 *	bench-compile PROFILE FILE...
 *
 * Times are microseconds of this process (user and system), memory is KiB: what the stages added to
 * the most the process ever held.
 */

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <sys/resource.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long peak_kib(void)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_SELF, &usage); /* zero is seen in the result */
	return usage.ru_maxrss;
}

struct stages {
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_nic *nic;
	struct hf_plan *plan;
};

static int run(struct stages *s, const char *profile, char **files, int n, struct hf_err *err)
{
	const struct hf_plan_opts opts = {0};
	double at = now_us(), next;
	int i, rc = hf_policy_new(&s->policy, err);

	for (i = 0; i < n && rc == 0; i++)
		rc = hf_policy_read(s->policy, files[i], err);
	next = now_us();
	printf("read %.0f read-memory %ld ", next - at, peak_kib());
	if (rc == 0)
		rc = hf_model_build(s->policy, NULL, &s->model, err);
	at = now_us();
	printf("model %.0f model-memory %ld ", at - next, peak_kib());
	if (rc == 0)
		rc = hf_rules_build(s->model, &s->rules, err);
	next = now_us();
	printf("rules %.0f rules-memory %ld ", next - at, peak_kib());
	if (rc == 0)
		rc = hf_profile_find(profile, &s->nic, err);
	at = now_us();
	if (rc == 0)
		rc = hf_plan_build(s->rules, s->nic, &opts, &s->plan, err);
	next = now_us();
	if (rc == 0)
		printf("plan %.0f entries %zu memory %ld\n", next - at, hf_plan_n_entries(s->plan),
			peak_kib());
	return rc;
}

int main(int argc, char **argv)
{
	struct stages s = {0};
	struct hf_err err = {0};
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: bench-compile PROFILE FILE...\n");
		return 2;
	}
	rc = run(&s, argv[1], argv + 2, argc - 2, &err);
	if (rc < 0)
		fprintf(stderr, "bench-compile: %s\n", err.text);
	hf_plan_free(s.plan);
	hf_profile_free(s.nic);
	hf_rules_free(s.rules);
	hf_model_free(s.model);
	hf_policy_free(s.policy);
	return rc < 0;
}
