/* SPDX-License-Identifier: BSD-3-Clause */

#include "lists.h"

#include "plan/sight.h"
#include "plan/stab.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(stab);

#define N_ITEMS	  120
#define N_LISTS	  60
#define N_REGIONS 60

static struct cube random_region(struct hf_rand *rand, uint8_t family, unsigned int by)
{
	struct cube r = hf_cube_all(family);

	hf_protos_only(r.proto, 6);
	if (by & BY_SRC)
		r.src = hf_random_net(rand, family, true);
	if (by & BY_DST)
		r.dst = hf_random_net(rand, family, true);
	if (by & BY_SPORT)
		r.sport = hf_random_ports(rand, true);
	if (by & BY_DPORT)
		r.dport = hf_random_ports(rand, true);
	return r;
}

static struct point point_of(const struct cube *r, unsigned int by, struct nets *nets)
{
	struct point p = {.src = NET_NONE, .dst = NET_NONE};

	if (by & BY_SRC)
		cr_assert_eq(hf_nets_add(nets, &r->src, &p.src), 0);
	if (by & BY_DST)
		cr_assert_eq(hf_nets_add(nets, &r->dst, &p.dst), 0);
	if (by & BY_SPORT)
		p.sport = r->sport.lo;
	if (by & BY_DPORT)
		p.dport = r->dport.lo;
	return p;
}

static size_t compare(struct hf_rand *rand, const struct items *items, uint8_t family)
{
	unsigned int by = (unsigned int)hf_rand_below(rand, 16);
	struct cube kinds[2] = {hf_cube_all(family), hf_cube_all(family)};
	const struct stab_form form = {.kind = 1, .by = (uint8_t)by};
	struct faces faces;
	struct nets nets = {0};
	uint8_t covers[2 * (N_ITEMS + N_REGIONS)] = {0};
	struct stab *stab;
	size_t i, decided = 0;

	hf_protos_only(kinds[0].proto, 17);
	hf_protos_only(kinds[1].proto, 6);
	cr_assert_eq(hf_faces_init(&faces, items, kinds, 2, &nets), 0);
	cr_assert_eq(hf_faces_sort(&faces, 2), 0);
	stab = hf_stab_new(&faces, &nets, form);
	cr_assert_not_null(stab);
	for (i = 0; i < N_REGIONS; i++) {
		struct cube region = random_region(rand, family, by);
		struct point point = point_of(&region, by, &nets);
		uint32_t want_origin = UINT32_MAX, origin = 0, walked = 0;
		enum hf_reason reason;
		enum hf_fate want = hf_sight_region(items, &region, &want_origin, &reason);

		cr_expect_eq(hf_stab_decide(stab, &point, &origin), want);
		cr_expect_eq(hf_faces_decide(&faces, &nets, form, &point, covers, &walked), want);
		if (want != HF_FATE_PUNT && items->v[want_origin].ct & HF_CT_BIT(HF_CT_NEW)) {
			cr_expect_eq(origin, want_origin);
			cr_expect_eq(walked, want_origin);
		}
		decided += want != HF_FATE_PUNT;
	}
	hf_stab_free(stab);
	hf_faces_fini(&faces);
	hf_nets_fini(&nets);
	return decided;
}

Test(stab, says_which_nets_cover_one)
{
	uint32_t above[NETS_ABOVE];
	struct nets nets = {0};
	struct hf_rand rand;
	size_t i, k, n, want;

	hf_rand_init(&rand, hf_test_seed(), 1);
	for (i = 0; i < 400; i++) {
		struct hf_prefix p = hf_random_net(&rand, i % 2 ? 4 : 6, i % 3 == 0);
		uint32_t id;

		cr_assert_eq(hf_nets_add(&nets, &p, &id), 0);
		cr_assert(hf_prefix_equal(&nets.v[id], &p));
		cr_expect_eq(hf_nets_find(&nets, &p), id);
	}
	for (i = 0; i < nets.n; i++) {
		n = hf_nets_above(&nets, (uint32_t)i, above);
		for (k = want = 0; k < nets.n; k++)
			want += hf_prefix_covers(&nets.v[k], &nets.v[i]);
		cr_expect_eq(n, want);
		for (k = 0; k < n; k++)
			cr_expect(hf_prefix_covers(&nets.v[above[k]], &nets.v[i]));
	}
	hf_nets_fini(&nets);
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
			list[k] = hf_random_item(&rand, family, items.seen);
			list[k].origin = (uint32_t)k;
		}
		decided += compare(&rand, &items, family);
	}
	cr_expect_gt(decided, N_LISTS / 2, "few regions had one fate");
}
