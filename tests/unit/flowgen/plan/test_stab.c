/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan/sight.h"
#include "plan/stab.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(stab);

#define N_ITEMS	  120
#define N_LISTS	  60
#define N_REGIONS 60

static struct hf_prefix random_net(struct hf_rand *rand, uint8_t family, bool host)
{
	struct hf_prefix p = {.addr.family = family};
	unsigned int bits = hf_addr_bits(&p.addr), i;

	for (i = 0; i < bits / 8; i++)
		p.addr.b[i] = (uint8_t)(hf_rand_below(rand, 2) * 0x80);
	p.len = (uint8_t)(host ? bits : hf_rand_below(rand, bits + 1));
	hf_prefix_mask(&p);
	return p;
}

static struct hf_ports random_ports(struct hf_rand *rand, bool one)
{
	static const uint16_t edges[] = {0, 1, 79, 80, 81, 1023, 1024, 3000, 65534, 65535};
	uint16_t a = edges[hf_rand_below(rand, 10)], b = edges[hf_rand_below(rand, 10)];

	if (one || hf_rand_chance(rand, 1, 3))
		return (struct hf_ports){a, a};
	if (hf_rand_chance(rand, 1, 3))
		return (struct hf_ports){0, UINT16_MAX};
	return (struct hf_ports){a < b ? a : b, a < b ? b : a};
}

static struct item random_item(struct hf_rand *rand, uint8_t family, uint8_t seen)
{
	static const enum hf_fate fates[] = {HF_FATE_ALLOW, HF_FATE_ALLOW, HF_FATE_ALLOW,
		HF_FATE_DENY, HF_FATE_DENY, HF_FATE_ALLOW_UNTRACKED, HF_FATE_PUNT};
	struct item item = {.cube = hf_cube_all(family), .ct = seen};

	if (hf_rand_chance(rand, 1, 2))
		item.cube.src = random_net(rand, family, hf_rand_chance(rand, 1, 2));
	if (hf_rand_chance(rand, 1, 2))
		item.cube.dst = random_net(rand, family, hf_rand_chance(rand, 1, 2));
	item.cube.sport = random_ports(rand, false);
	item.cube.dport = random_ports(rand, false);
	if (hf_rand_chance(rand, 1, 2))
		hf_protos_only(item.cube.proto, hf_rand_chance(rand, 1, 2) ? 6 : 17);
	if (hf_rand_chance(rand, 1, 3))
		item.ct = (uint8_t)hf_rand_below(rand, HF_CT_ANY + 1) & seen;
	item.fate = fates[hf_rand_below(rand, sizeof(fates) / sizeof(fates[0]))];
	return item;
}

static struct cube random_region(struct hf_rand *rand, uint8_t family, unsigned int by)
{
	struct cube r = hf_cube_all(family);

	hf_protos_only(r.proto, 6);
	if (by & BY_SRC)
		r.src = random_net(rand, family, true);
	if (by & BY_DST)
		r.dst = random_net(rand, family, true);
	if (by & BY_SPORT)
		r.sport = random_ports(rand, true);
	if (by & BY_DPORT)
		r.dport = random_ports(rand, true);
	return r;
}

static size_t compare(struct hf_rand *rand, const struct items *items, uint8_t family)
{
	unsigned int by = (unsigned int)hf_rand_below(rand, 16);
	struct cube within = hf_cube_all(family);
	struct stab *stab;
	size_t i, decided = 0;

	hf_protos_only(within.proto, 6);
	stab = hf_stab_new(items, &within, by);
	cr_assert_not_null(stab);
	for (i = 0; i < N_REGIONS; i++) {
		struct cube region = random_region(rand, family, by);
		uint32_t want_origin = UINT32_MAX, origin = 0;
		enum hf_reason reason;
		enum hf_fate want = hf_sight_region(items, &region, &want_origin, &reason);
		enum hf_fate fate = hf_stab_decide(stab, &region, &origin);

		cr_expect_eq(fate, want);
		if (want != HF_FATE_PUNT && items->v[want_origin].ct & HF_CT_BIT(HF_CT_NEW))
			cr_expect_eq(origin, want_origin);
		decided += want != HF_FATE_PUNT;
	}
	hf_stab_free(stab);
	return decided;
}

Test(stab, decides_as_looking_at_every_item_does)
{
	struct item list[N_ITEMS];
	struct hf_rand rand;
	size_t i, k, decided = 0;

	hf_rand_init(&rand, hf_test_seed(), 0);
	for (i = 0; i < N_LISTS; i++) {
		uint8_t family = hf_rand_chance(&rand, 1, 2) ? 4 : 6;
		struct items items = {.n = hf_rand_below(&rand, N_ITEMS), .v = list};

		items.seen = HF_CT_BIT(HF_CT_NEW) | HF_CT_BIT(HF_CT_ESTABLISHED) |
			     HF_CT_BIT(HF_CT_RELATED);
		if (hf_rand_chance(&rand, 1, 2))
			items.seen |= HF_CT_BIT(HF_CT_INVALID);

		for (k = 0; k < items.n; k++) {
			list[k] = random_item(&rand, family, items.seen);
			list[k].origin = (uint32_t)k;
		}
		decided += compare(&rand, &items, family);
	}
	cr_expect_gt(decided, N_LISTS / 2, "few regions had one fate");
}
