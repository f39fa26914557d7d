/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CPU time from an object that changed to the operations that a NIC needs:
 *
 *	bench-update PROFILE FILE... -- CHANGED...
 *
 * The CHANGED files are read one after the other, and each time the plan that follows the last one
 * is built and compared with it. Prints microseconds (median and 99th percentile of all changes,
 * and the medians of the stages), operations, and in how many entries the two plans differ when
 * priorities are left out of account: the least that any way of updating would have to touch. Last
 * comes the same once more without a change.
 */

#include <hepflow/diff.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READ, MODEL, RULES, PLAN, DIFF, ALL, N_STAGES };

static const char *const stage_names[] = {"read", "model", "rules", "plan", "diff", "all"};

struct bench {
	struct hf_policy *policy;
	struct hf_nic *nic;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plan;
	size_t n;
	double *us[N_STAGES]; /* n each */
	size_t n_ops, n_differ;
};

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What an entry says, its place in the order aside. */
struct said {
	struct hf_pattern match;
	uint32_t fate;
	uint32_t group;
};

static int said_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct said));
}

static struct said *list_said(const struct hf_plan *plan, size_t *ret_n)
{
	size_t n = hf_plan_n_entries(plan), i;
	struct said *v = calloc(n + 1, sizeof(*v));

	for (i = 0; v && i < n; i++) {
		const struct hf_entry *e = hf_plan_entry(plan, i);

		v[i].match = e->match;
		v[i].fate = e->fate;
		v[i].group = hf_plan_table(plan, e->table)->group;
	}
	if (v)
		qsort(v, n, sizeof(*v), said_cmp);
	*ret_n = v ? n : 0;
	return v;
}

/* Entries that only one of the plans has. */
static size_t differ(const struct hf_plan *old, const struct hf_plan *new)
{
	size_t n_old, n_new, i = 0, k = 0, n = 0;
	struct said *a = list_said(old, &n_old), *b = list_said(new, &n_new);

	while (i < n_old || k < n_new) {
		int c = i == n_old ? 1 : k == n_new ? -1 : said_cmp(&a[i], &b[k]);

		n += c != 0;
		i += c <= 0;
		k += c >= 0;
	}
	free(a);
	free(b);
	return n;
}

static int stages(struct bench *b, const char *name, const char *text, double us[N_STAGES],
	struct hf_plan **ret_plan, struct hf_diff **ret_diff, struct hf_err *err)
{
	const struct hf_plan_opts opts = {.previous = b->plan};
	const struct hf_model_opts model_opts = {.previous = b->model};
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	double at[N_STAGES];
	int rc = 0;

	at[READ] = now_us();
	if (text)
		rc = hf_policy_read_text(b->policy, name, text, strlen(text), err);
	at[MODEL] = now_us();
	if (rc == 0)
		rc = hf_model_build(b->policy, &model_opts, &model, err);
	at[RULES] = now_us();
	if (rc == 0)
		rc = hf_rules_follow(model, b->rules, &rules, err);
	at[PLAN] = now_us();
	if (rc == 0)
		rc = hf_plan_build(rules, b->nic, &opts, ret_plan, err);
	at[DIFF] = now_us();
	if (rc == 0)
		rc = hf_diff_build(b->plan, *ret_plan, NULL, ret_diff, err);
	at[ALL] = now_us();
	us[READ] = at[MODEL] - at[READ];
	us[MODEL] = at[RULES] - at[MODEL];
	us[RULES] = at[PLAN] - at[RULES];
	us[PLAN] = at[DIFF] - at[PLAN];
	us[DIFF] = at[ALL] - at[DIFF];
	us[ALL] = at[ALL] - at[READ];
	if (rc < 0) {
		hf_rules_free(rules);
		hf_model_free(model);
		return rc;
	}
	hf_rules_free(b->rules);
	b->rules = rules;
	hf_model_free(b->model);
	b->model = model;
	return 0;
}

/* The file's text, with a closing NUL; NULL when it cannot be read. */
static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

static int update(struct bench *b, const char *path, struct hf_err *err)
{
	char *text = path ? slurp(path) : NULL;
	struct hf_plan *plan = NULL;
	struct hf_diff *diff = NULL;
	double us[N_STAGES];
	int rc, s;

	if (path && !text)
		return hf_fail(err, -1, "%s: cannot be read", path);
	rc = stages(b, path, text, us, &plan, &diff, err);
	free(text);
	if (rc < 0) {
		hf_plan_free(plan);
		return rc;
	}
	for (s = 0; s < N_STAGES; s++)
		b->us[s][b->n] = us[s];
	b->n++;
	b->n_ops += hf_diff_n_ops(diff);
	b->n_differ += differ(b->plan, plan);
	hf_diff_free(diff);
	hf_plan_free(b->plan);
	b->plan = plan;
	return 0;
}

static int start(struct bench *b, const char *profile, char **files, int n, struct hf_err *err)
{
	const struct hf_plan_opts opts = {0};
	int i, rc = hf_policy_new(&b->policy, err);

	for (i = 0; i < n && rc == 0; i++)
		rc = hf_policy_read(b->policy, files[i], err);
	if (rc == 0)
		rc = hf_profile_find(profile, &b->nic, err);
	if (rc == 0)
		rc = hf_model_build(b->policy, NULL, &b->model, err);
	if (rc == 0)
		rc = hf_rules_build(b->model, &b->rules, err);
	if (rc == 0)
		rc = hf_plan_build(b->rules, b->nic, &opts, &b->plan, err);
	return rc;
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(struct bench *b)
{
	int s;

	for (s = 0; s < N_STAGES; s++)
		qsort(b->us[s], b->n, sizeof(double), double_cmp);
	for (s = 0; s < N_STAGES; s++)
		printf("%s %.0f ", stage_names[s], b->us[s][b->n / 2]);
	printf("p99 %.0f updates %zu ops %zu differ %zu ", b->us[ALL][b->n * 99 / 100], b->n,
		b->n_ops, b->n_differ);
}

static int run(struct bench *b, int argc, char **argv, struct hf_err *err)
{
	int split, i, s, rc;

	for (split = 2; split < argc && strcmp(argv[split], "--") != 0;)
		split++;
	if (split < 3 || split + 1 >= argc)
		return hf_fail(err, -1, "usage: bench-update PROFILE FILE... -- CHANGED...");
	for (s = 0; s < N_STAGES; s++) {
		b->us[s] = calloc((size_t)argc, sizeof(double));
		if (!b->us[s])
			return hf_fail(err, -1, "out of memory");
	}
	rc = start(b, argv[1], argv + 2, split - 2, err);
	for (i = split + 1; i < argc && rc == 0; i++)
		rc = update(b, argv[i], err);
	if (rc < 0)
		return rc;
	print(b);
	b->n = b->n_ops = b->n_differ = 0;
	rc = update(b, NULL, err);
	if (rc == 0)
		printf("unchanged %.0f unchanged-ops %zu\n", b->us[ALL][0], b->n_ops);
	return rc;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	struct hf_err err = {0};
	int rc = run(&b, argc, argv, &err), s;

	if (rc < 0)
		fprintf(stderr, "bench-update: %s\n", err.text);
	for (s = 0; s < N_STAGES; s++)
		free(b.us[s]);
	hf_plan_free(b.plan);
	hf_rules_free(b.rules);
	hf_model_free(b.model);
	hf_profile_free(b.nic);
	hf_policy_free(b.policy);
	return rc < 0 ? 2 : 0;
}
