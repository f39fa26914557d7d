/* SPDX-License-Identifier: BSD-3-Clause */

/* Prefixes and limits of Log rules. */

#include "hf_test.h"

#include "daemon/logrule.h"

#include <stdio.h>

HF_SUITE(logrule);

Test(logrule, prefix_says_what_felix_would)
{
	static const struct {
		const char *format, *origin, *want;
	} cases[] = {
		{"calico-packet", "default/gnp:web/ingress/0", "calico-packet"},
		{"%t|%k|%n|%p", "default/gnp:web/ingress/0", "default|gnp|web|web"},
		{"%t|%k|%n|%p", "sec/np:shop/web/egress/12", "sec|np|web|shop/web"},
		{"%t|%k|%n|%p", "profile:kns.a/ingress/1", "|pro|kns.a|kns.a"},
		{"aXy9%n%%t %k %p", "t1/gnp:ep2-4/egress/0", "aXy9ep2-4%t1 gnp ep2-4"},
		{"100%x %", "default/gnp:web/ingress/0", "100%x %"},
		{"%k %n", "tier-default", "unknown unknown"},
	};
	char buf[64];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hf_logrule_prefix(cases[i].format, cases[i].origin, buf, sizeof(buf));
		cr_expect_str_eq(buf, cases[i].want);
	}
	hf_logrule_prefix("%n%n%n", "default/gnp:web/ingress/0", buf, 6);
	cr_expect_str_eq(buf, "webwe");
}

static unsigned int take(struct hf_loglimits *l, const struct hf_model_logs *logs,
	const char *origin, uint64_t ms, unsigned int n)
{
	unsigned int taken = 0;

	while (n-- > 0)
		taken += hf_loglimits_take(l, logs, origin, ms);
	return taken;
}

Test(logrule, each_rule_has_a_burst_and_then_a_rate)
{
	const struct hf_model_logs logs = {.lines = 60, .seconds = 60, .burst = 5};
	struct hf_loglimits *l = hf_loglimits_new();

	cr_expect_eq(take(l, &logs, "a", 1000, 20), 5);
	cr_expect_eq(take(l, &logs, "b", 1000, 20), 5, "another rule");
	cr_expect_eq(take(l, &logs, "a", 1500, 20), 0);
	cr_expect_eq(take(l, &logs, "a", 2000, 20), 1);
	cr_expect_eq(take(l, &logs, "a", 5000, 20), 3);
	cr_expect_eq(take(l, &logs, "a", 500000, 20), 5, "never more than a burst");
	hf_loglimits_free(l);
}

Test(logrule, without_a_rate_nothing_is_held_back)
{
	const struct hf_model_logs logs = {.burst = 5};
	struct hf_loglimits *l = hf_loglimits_new();

	cr_expect_eq(take(l, &logs, "a", 1000, 100), 100);
	hf_loglimits_free(l);
}

Test(logrule, too_many_rules_share_one_limit)
{
	const struct hf_model_logs logs = {.lines = 1, .seconds = 86400, .burst = 1};
	struct hf_loglimits *l = hf_loglimits_new();
	unsigned int i, n = 0;
	char origin[32];

	for (i = 0; i < HF_LOGRULES_MAX + 10; i++) {
		(void)snprintf(origin, sizeof(origin), "default/gnp:p%u/ingress/0", i);
		n += take(l, &logs, origin, 1000, 2);
	}
	cr_expect_eq(n, HF_LOGRULES_MAX + 1);
	hf_loglimits_free(l);
}
