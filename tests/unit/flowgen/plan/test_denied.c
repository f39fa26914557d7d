/* SPDX-License-Identifier: BSD-3-Clause */

/* One entry for what a rule behind connection tracking denies. */

#include "host.h"

#include <hf_test.h>

#include <string.h>

HF_SUITE(denied);

#define DENIES                                                                                     \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: d}\n"                                                                    \
	"spec:\n"                                                                                  \
	"  selector: has(host)\n"                                                                  \
	"  types: [Ingress]\n"                                                                     \
	"  ingress:\n"                                                                             \
	"    - {action: Deny, source: {nets: [203.0.113.0/25]}}\n"                                 \
	"    - {action: Deny, protocol: UDP, source: {nets: [203.0.113.128/25]}}\n"                \
	"    - {action: Deny, protocol: TCP, source: {nets: ['2001:db8:7::/48']}}\n"               \
	"    - {action: Deny, source: {nets: [10.0.0.0/16, 10.2.0.0/16, 10.4.0.0/16]}}\n"          \
	"    - {action: Allow}\n"

static struct hf_plan *build(const struct hf_host *h, uint32_t capacity, bool brief)
{
	struct hf_plan_opts opts = {.capacity = capacity, .short_denies = brief};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	return plan;
}

static size_t find_denied(const struct hf_plan *plan)
{
	size_t i;

	for (i = 0; i < hf_plan_n_tables(plan); i++) {
		if (strcmp(hf_plan_table(plan, i)->name, "denied") == 0)
			return i;
	}
	return SIZE_MAX;
}

static const struct hf_account *account(const struct hf_plan *plan, const char *origin)
{
	size_t i;

	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (strcmp(hf_plan_origin(plan, a->origin), origin) == 0)
			return a;
	}
	cr_assert_fail("no account of %s", origin);
	return NULL;
}

Test(denied, the_short_form_decides_as_the_long_one)
{
	static const char *const packets[] = {"proto=tcp flags=S dport=80",
		"proto=tcp flags=A dport=80", "proto=tcp flags=SA dport=80", "proto=udp dport=80",
		"proto=47", "proto=icmp type=8", "proto=icmp type=0", "proto=icmp type=13",
		"proto=sctp dport=7"};
	static const char *const sources[] = {"203.0.113.7", "203.0.113.200", "198.51.100.7"};
	struct hf_plan *brief, *full;
	struct hf_host h;
	size_t denied;

	hf_host_init(&h, "mlx5-cx6dx", 0, DENIES);
	brief = build(&h, 0, true);
	full = build(&h, 0, false);
	cr_assert_eq(find_denied(brief), hf_plan_n_tables(brief) - 1);
	cr_assert_eq(find_denied(full), SIZE_MAX);
	cr_expect_eq(hf_host_entries_of(brief, "default/gnp:d/ingress/0"), 1);
	cr_expect_eq(hf_host_entries_of(full, "default/gnp:d/ingress/0"), 6);
	/* Nothing of UDP can only open a connection. */
	cr_expect_eq(hf_host_entries_of(brief, "default/gnp:d/ingress/1"), 1);
	cr_expect_eq(account(brief, "default/gnp:d/ingress/1")->share, HF_SHARE_NONE);
	cr_expect_eq(account(brief, "default/gnp:d/ingress/0")->share, HF_SHARE_PART);
	cr_expect_eq(account(brief, "default/gnp:d/ingress/0")->reason, HF_REASON_STATEFUL);
	denied = hf_host_same_fates(brief, full, sources, sizeof(sources) / sizeof(sources[0]),
		packets, sizeof(packets) / sizeof(packets[0]));
	cr_expect_eq(denied, 3);
	hf_plan_free(brief);
	hf_plan_free(full);
	hf_host_fini(&h);
}

/* Rules are counted as long as everything fits; then the form that gets further is taken. */
Test(denied, the_short_form_is_taken_where_the_long_one_does_not_fit)
{
	struct hf_plan *full, *cut;
	struct hf_host h;
	size_t n;

	hf_host_init(&h, "mlx5-cx6dx", 0, DENIES);
	full = build(&h, 0, false);
	n = hf_plan_n_entries(full);
	hf_plan_free(full);
	full = build(&h, (uint32_t)n, false);
	cut = build(&h, (uint32_t)n - 1, false);
	cr_expect_eq(find_denied(full), SIZE_MAX);
	cr_expect_eq(hf_plan_n_entries(full), n);
	cr_expect_neq(find_denied(cut), SIZE_MAX);
	cr_expect_eq(account(cut, "default/gnp:d/ingress/4")->share, HF_SHARE_WHOLE);
	hf_plan_free(full);
	hf_plan_free(cut);
	hf_host_fini(&h);
}

/* Nothing is denied behind connection tracking: nobody needs the table. */
Test(denied, a_table_that_nothing_leads_to_is_not_there)
{
	struct hf_plan *plan;
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0,
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: GlobalNetworkPolicy\n"
		"metadata: {name: d}\n"
		"spec:\n"
		"  selector: has(host)\n"
		"  types: [Ingress]\n"
		"  ingress:\n"
		"    - {action: Allow}\n");
	plan = build(&h, 0, true);
	cr_expect_eq(find_denied(plan), SIZE_MAX);
	hf_plan_free(plan);
	hf_host_fini(&h);
}
