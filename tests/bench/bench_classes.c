/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Classes of addresses: how long making them takes, and what one member more or less of a set does:
 *
 *	bench-classes CHANGES FILE...
 *
 * Prints microseconds of CPU: of the whole table, and the median and 99th percentile of CHANGES
 * random changes; the entries of a prefix table that they touch; and how many of them needed a
 * class that was not there, which is when rules over classes have to change as well.
 */

#include <hepflow/classes.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <hf_test_rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct told {
	size_t n, n_new;
};

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void tell(void *arg, const struct hf_class_change *change)
{
	struct told *t = arg;

	t->n++;
	t->n_new += change->is_new;
}

/* A random address into, and a random member out of, a random set, by turns. */
static int change_all(
	struct hf_classes *c, const struct hf_rules *rules, size_t n, double *us, struct told *told)
{
	struct hf_rand rand;
	size_t i, k;
	int rc = 0;

	hf_rand_init(&rand, hf_test_seed(), 0);
	for (i = 0; i < n && rc == 0; i++) {
		uint32_t set = (uint32_t)hf_rand_below(&rand, hf_rules_n_sets(rules));
		const struct hf_set *s = hf_rules_set(rules, set);
		struct hf_prefix net = {.addr.family = 4, .len = 32};
		double at;

		for (k = 0; k < 4; k++)
			net.addr.b[k] = (uint8_t)hf_rand_below(&rand, 256);
		if (i % 2 && s->n_nets)
			net = s->nets[hf_rand_below(&rand, s->n_nets)];
		at = now_us();
		rc = i % 2 ? hf_classes_remove(c, set, &net, tell, told)
			   : hf_classes_add(c, set, &net, tell, told);
		us[i] = now_us() - at;
	}
	return rc;
}

static int run(size_t n, char **files, int n_files, struct hf_rules **ret_rules, struct hf_err *err)
{
	double *us = calloc(n + 1, sizeof(*us)), at;
	struct hf_classes *classes = NULL;
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct told told = {0};
	int i, rc = us ? hf_policy_new(&policy, err) : hf_fail(err, -1, "out of memory");

	for (i = 0; i < n_files && rc == 0; i++)
		rc = hf_policy_read(policy, files[i], err);
	if (rc == 0)
		rc = hf_model_build(policy, NULL, &model, err);
	if (rc == 0)
		rc = hf_rules_build(model, ret_rules, err);
	at = now_us();
	if (rc == 0)
		rc = hf_classes_build(*ret_rules, NULL, &classes, err);
	at = now_us() - at;
	if (rc == 0)
		rc = change_all(classes, *ret_rules, n, us, &told);
	if (rc == 0) {
		qsort(us, n, sizeof(*us), double_cmp);
		printf("build %.0f classes %u changes %zu p50 %.1f p99 %.1f entries %zu "
		       "new-classes %zu\n",
			at, hf_classes_count(classes), n, us[n / 2], us[n * 99 / 100], told.n,
			told.n_new);
	}
	hf_classes_free(classes);
	hf_model_free(model);
	hf_policy_free(policy);
	free(us);
	return rc;
}

int main(int argc, char **argv)
{
	struct hf_rules *rules = NULL;
	struct hf_err err = {0};
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int rc;

	if (argc < 3 || n == 0) {
		fprintf(stderr, "usage: bench-classes CHANGES FILE...\n");
		return 2;
	}
	rc = run(n, argv + 2, argc - 2, &rules, &err);
	if (rc < 0)
		fprintf(stderr, "bench-classes: %s\n", err.text);
	hf_rules_free(rules);
	return rc < 0 ? 2 : 0;
}
