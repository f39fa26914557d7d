/* SPDX-License-Identifier: BSD-3-Clause */

#include "lists.h"

#include "plan/alike.h"

#include <hf_test.h>

HF_SUITE(alike);

#define N_LISTS	 40
#define N_SETS	 8
#define N_ADDRS	 48
#define N_RULES	 12
#define N_POINTS 40

struct world {
	struct hf_rand rand;
	struct hf_prefix addrs[N_ADDRS];
	size_t first[N_SETS], end[N_SETS]; /* addresses of sets, some in two */
	size_t n;
	struct item v[N_RULES * N_ADDRS];
};

/* A rule as many items as its set has members, or one about a net. */
static void add_rule(struct world *w)
{
	struct item item = hf_random_item(&w->rand, 4, HF_CT_BIT(HF_CT_NEW));
	size_t set = hf_rand_below(&w->rand, N_SETS), i;

	item.origin = (uint32_t)w->n;
	if (hf_rand_chance(&w->rand, 1, 4)) {
		w->v[w->n++] = item;
		return;
	}
	for (i = w->first[set]; i < w->end[set]; i++) {
		item.cube.src = w->addrs[i];
		w->v[w->n++] = item;
	}
}

static void world_init(struct world *w, size_t number)
{
	size_t i;

	*w = (struct world){0};
	hf_rand_init(&w->rand, hf_test_seed(), number);
	for (i = 0; i < N_ADDRS; i++) {
		w->addrs[i] =
			(struct hf_prefix){{4, {(uint8_t)(i % 2 * 0x80), 0, 0, (uint8_t)i}}, 32};
	}
	for (i = 0; i < N_SETS; i++) {
		w->first[i] = hf_rand_below(&w->rand, N_ADDRS - 8);
		w->end[i] = w->first[i] + 1 + hf_rand_below(&w->rand, 8);
	}
	for (i = 0; i < N_RULES; i++)
		add_rule(w);
}

static struct point random_point(struct hf_rand *rand, unsigned int by, struct nets *nets)
{
	struct point p = {.src = NET_NONE, .dst = NET_NONE};
	struct hf_prefix dst = hf_random_net(rand, 4, true);

	if (by & BY_DST)
		cr_assert_eq(hf_nets_add(nets, &dst, &p.dst), 0);
	if (by & BY_SPORT)
		p.sport = hf_random_ports(rand, true).lo;
	if (by & BY_DPORT)
		p.dport = hf_random_ports(rand, true).lo;
	return p;
}

/* What the whole list says of an address the thin one says of the one that stands for it. */
static size_t compare(struct world *w, const struct faces *all, const struct faces *thin,
	const struct alike *alike, struct nets *nets)
{
	const struct stab_form form = {0, (uint8_t)(BY_SRC | hf_rand_below(&w->rand, 16))};
	struct point p = random_point(&w->rand, form.by, nets);
	uint8_t covers[1024] = {0};
	uint32_t origin, other, id, others = 0;
	size_t i;

	cr_assert_lt(nets->n, sizeof(covers));
	for (i = 0; i < N_ADDRS; i++) {
		enum hf_fate fate;

		id = hf_nets_find(nets, &w->addrs[i]);
		if (id == NET_NONE || id >= alike->n)
			continue;
		p.src = id;
		fate = hf_faces_decide(all, nets, form, &p, covers, &origin);
		p.src = alike->rep[id];
		cr_expect_eq(hf_faces_decide(thin, nets, form, &p, covers, &other), fate);
		cr_expect_eq(origin, other);
		others += alike->rep[id] != id;
	}
	return others;
}

static void expect_lists(const struct alike *a)
{
	size_t i, n = 0, sizes = 0;
	uint32_t at;

	for (i = 0; i < a->n; i++) {
		cr_expect_eq(a->rep[a->rep[i]], a->rep[i]);
		if (a->rep[i] != i)
			continue;
		for (at = (uint32_t)i; at != NET_NONE; at = hf_alike_next(a, at)) {
			cr_expect_eq(a->rep[at], i);
			n++;
		}
		sizes += hf_alike_size(a, (uint32_t)i);
	}
	cr_expect_eq(n, a->n);
	cr_expect_eq(sizes, a->n);
}

Test(alike, one_stands_for_all)
{
	const struct cube kind = hf_cube_all(4);
	size_t i, k, others = 0;

	for (i = 0; i < N_LISTS; i++) {
		struct faces all, thin, *list = &thin;
		struct nets nets = {0};
		struct items items = {.seen = HF_CT_BIT(HF_CT_NEW)};
		struct alike alike;
		struct world w;

		world_init(&w, i);
		items.n = w.n;
		items.v = w.v;
		cr_assert_eq(hf_faces_init(&all, &items, &kind, 1, &nets), 0);
		cr_assert_eq(hf_faces_sort(&all, 1), 0);
		cr_assert_eq(hf_faces_init(&thin, &items, &kind, 1, &nets), 0);
		cr_assert_eq(hf_alike_init(&alike, &list, 1, &nets), 0);
		cr_assert_eq(hf_faces_sort(&thin, 1), 0);
		expect_lists(&alike);
		for (k = 0; k < N_POINTS; k++)
			others += compare(&w, &all, &thin, &alike, &nets);
		hf_alike_fini(&alike);
		hf_faces_fini(&all);
		hf_faces_fini(&thin);
		hf_nets_fini(&nets);
	}
	cr_expect_gt(others, N_LISTS * N_POINTS, "few addresses were alike");
}

/* Addresses under different nets, or of which a rule speaks alone, are not. */
Test(alike, only_what_no_rule_tells_apart)
{
	static const uint8_t last[] = {1, 2, 3, 4, 5, 6};
	const struct cube kind = hf_cube_all(4);
	struct items items = {.n = 8, .seen = HF_CT_BIT(HF_CT_NEW)};
	struct item v[8];
	struct faces faces, *list = &faces;
	struct nets nets = {0};
	struct alike alike;
	size_t i;

	for (i = 0; i < 8; i++)
		v[i] = (struct item){.cube = kind, .ct = items.seen, .fate = HF_FATE_ALLOW};
	for (i = 0; i < 6; i++)
		v[i].cube.src = (struct hf_prefix){{4, {10, 0, 0, last[i]}}, 32};
	v[6].cube.src = (struct hf_prefix){{4, {10, 0, 0, 4}}, 31}; /* .4 and .5 */
	v[7].cube.src = v[0].cube.src;
	v[7].origin = 1;
	items.v = v;
	cr_assert_eq(hf_faces_init(&faces, &items, &kind, 1, &nets), 0);
	cr_assert_eq(hf_alike_init(&alike, &list, 1, &nets), 0);
	cr_expect_eq(faces.n, 5); /* .1, .2 for .3 and .6 as well, .4 for .5; the /31; .1 */
	cr_expect_eq(hf_alike_size(&alike, faces.v[0].src), 1);
	cr_expect_eq(hf_alike_size(&alike, faces.v[1].src), 3);
	cr_expect_eq(hf_alike_size(&alike, faces.v[2].src), 2);
	hf_alike_fini(&alike);
	hf_faces_fini(&faces);
	hf_nets_fini(&nets);
}
