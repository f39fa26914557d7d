/* SPDX-License-Identifier: BSD-3-Clause */

#include "rules/table.h"

#include <hepflow/base/arena.h>

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(index);

#define N_DESTS 2000

static struct hf_rules *new_rules(void)
{
	struct hf_rules *rules = calloc(1, sizeof(*rules));

	cr_assert_not_null(rules);
	rules->arena = rules->facts = hf_arena_new();
	cr_assert_not_null(rules->arena);
	return rules;
}

/* Few different bits, so that nets are nested and hit. */
static struct hf_addr random_addr(struct hf_rand *rand, uint8_t family)
{
	struct hf_addr a = {.family = family};
	size_t i;

	for (i = 0; i < (family == 4 ? 4u : 16u); i++)
		a.b[i] = (uint8_t)(hf_rand_below(rand, 4) * 0x55);
	return a;
}

static size_t fill(struct hf_rand *rand, struct hf_dest *dests)
{
	size_t i, k, n = 0;

	for (i = 0; i < N_DESTS; i++) {
		struct hf_dest d = {.out = (uint16_t)i};

		d.net.addr = random_addr(rand, hf_rand_chance(rand, 1, 2) ? 4 : 6);
		d.net.len = (uint8_t)hf_rand_below(rand, hf_addr_bits(&d.net.addr) + 1);
		hf_prefix_mask(&d.net);
		for (k = 0; k < n && !hf_prefix_equal(&dests[k].net, &d.net);)
			k++;
		if (k == n)
			dests[n++] = d;
	}
	return n;
}

static const struct hf_dest *linear(
	const struct hf_dest *dests, size_t n, const struct hf_addr *addr)
{
	const struct hf_dest *best = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (hf_prefix_has(&dests[i].net, addr) &&
			(!best || dests[i].net.len > best->net.len))
			best = &dests[i];
	}
	return best;
}

Test(index, the_longest_prefix_wins)
{
	struct hf_rules *rules = new_rules();
	struct hf_rand rand;
	size_t i;

	hf_rand_init(&rand, hf_test_seed(), 0);
	rules->dests = hf_arena_calloc(rules->arena, N_DESTS, sizeof(*rules->dests));
	rules->n_dests = fill(&rand, rules->dests);
	cr_assert_eq(hf_rules_index(rules), 0);
	for (i = 1; i < rules->n_dests; i++)
		cr_assert_geq(rules->dests[i - 1].net.len, rules->dests[i].net.len);
	for (i = 0; i < 5000; i++) {
		struct hf_addr a = random_addr(&rand, i % 2 ? 4 : 6);
		const struct hf_dest *want = linear(rules->dests, rules->n_dests, &a);
		const struct hf_dest *got = hf_rules_find_dest(rules, &a);

		if (want)
			cr_assert_eq(got, want);
		else
			cr_assert(got && got->class == HF_CLASS_REMOTE && got->out == HF_IF_HOST);
	}
	hf_rules_free(rules);
}

Test(index, rewrites_are_found_by_port_or_by_address)
{
	static const struct hf_addrport to = {{4, {10, 0, 0, 1}}, 80};
	struct hf_dnat dnats[] = {
		{.proto = HF_PROTO_UDP,
			.addr = {4, {1, 1, 1, 1}},
			.port = 53,
			.n_to = 1,
			.to = &to},
		{.proto = 0, .addr = {4, {2, 2, 2, 2}}, .n_to = 1, .to = &to},
		{.proto = HF_PROTO_TCP,
			.addr = {4, {2, 2, 2, 2}},
			.port = 80,
			.n_to = 1,
			.to = &to},
		{.proto = HF_PROTO_TCP,
			.addr = {4, {1, 1, 1, 1}},
			.port = 80,
			.n_to = 1,
			.to = &to},
		{.proto = HF_PROTO_TCP,
			.addr = {4, {3, 3, 3, 3}},
			.port = 80,
			.n_to = 1,
			.to = &to},
		{.proto = 0, .addr = {4, {3, 3, 3, 3}}, .n_to = 1, .to = &to},
	};
	const struct hf_addr one = {4, {1, 1, 1, 1}}, two = {4, {2, 2, 2, 2}},
			     three = {4, {3, 3, 3, 3}};
	struct hf_rules *rules = new_rules();

	rules->dnats = dnats;
	rules->n_dnats = sizeof(dnats) / sizeof(dnats[0]);
	cr_assert_eq(hf_rules_index(rules), 0);
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_UDP, &one, 53), &dnats[0]);
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_TCP, &one, 80), &dnats[3]);
	cr_assert_null(hf_rules_find_dnat(rules, HF_PROTO_TCP, &one, 81));
	cr_assert_null(hf_rules_find_dnat(rules, 0, &one, 0));
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_ICMP, &two, 0), &dnats[1]);
	/* The narrower wins, wherever it stands. */
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_TCP, &two, 80), &dnats[2]);
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_TCP, &three, 80), &dnats[4]);
	cr_assert_eq(hf_rules_find_dnat(rules, HF_PROTO_TCP, &three, 81), &dnats[5]);
	hf_rules_free(rules);
}

Test(index, the_kernel_decides_by_hook)
{
	struct hf_rules rules = {.drop_input = true};

	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_UPLINK, HF_CLASS_HOST), HF_VERDICT_DENY);
	cr_assert_eq(hf_rules_kernel_policy(&rules, HF_FROM_WORKLOAD, HF_CLASS_REMOTE),
		HF_VERDICT_ALLOW);
	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_HOST, HF_CLASS_REMOTE), HF_VERDICT_ALLOW);
	cr_assert_eq(hf_rules_kernel_policy(&rules, HF_FROM_HOST, HF_CLASS_HOST), HF_VERDICT_DENY);
	rules = (struct hf_rules){.drop_forward = true};
	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_UPLINK, HF_CLASS_WORKLOAD), HF_VERDICT_DENY);
	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_UPLINK, HF_CLASS_HOST), HF_VERDICT_ALLOW);
	rules = (struct hf_rules){.drop_output = true};
	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_HOST, HF_CLASS_WORKLOAD), HF_VERDICT_DENY);
	cr_assert_eq(
		hf_rules_kernel_policy(&rules, HF_FROM_TUNNEL, HF_CLASS_HOST), HF_VERDICT_ALLOW);
}
