/* SPDX-License-Identifier: BSD-3-Clause */

/* What a NIC can know of a verdict: lists written by hand, and random ones against every packet. */

#include "plan/sight.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(sight);

#define ANY	    HF_CT_BIT(HF_CT_NEW) | HIDDEN
#define HIDDEN	    (HF_CT_BIT(HF_CT_ESTABLISHED) | HF_CT_BIT(HF_CT_RELATED))
#define NEW	    HF_CT_BIT(HF_CT_NEW)
#define INVALID	    HF_CT_BIT(HF_CT_INVALID)
#define LIST_MAX    8
#define LISTS	    4000
#define PORTS	    4 /* of the random lists: 0 .. 3 stand for all */
#define PORT_OF(p)  ((uint16_t)((p) << 14))
#define PORT_END(p) ((uint16_t)(PORT_OF(p) | 0x3fff))

struct list {
	struct item v[LIST_MAX];
	size_t guards[LIST_MAX];
	struct items items;
};

static void add(struct list *l, struct cube cube, uint8_t ct, enum hf_fate fate)
{
	l->items.v = l->v;
	l->items.guards = l->guards;
	l->items.seen |= ct;
	if (!(ct & NEW))
		l->guards[l->items.n_guards++] = l->items.n;
	l->v[l->items.n] =
		(struct item){.cube = cube, .ct = ct, .fate = fate, .origin = (uint32_t)l->items.n};
	l->items.n++;
}

static struct cube tcp(uint16_t lo, uint16_t hi)
{
	struct cube c = hf_cube_all(4);

	hf_protos_only(c.proto, HF_PROTO_TCP);
	c.dport = (struct hf_ports){lo, hi};
	return c;
}

Test(sight, denial_behind_an_established_guard_is_for_opening_packets)
{
	struct list l = {0};

	add(&l, hf_cube_all(4), HIDDEN, HF_FATE_ALLOW);
	add(&l, tcp(80, 80), NEW, HF_FATE_ALLOW);
	add(&l, hf_cube_all(4), NEW, HF_FATE_DENY);
	cr_expect_eq(hf_sight_item(&l.items, 0), SIGHT_MIXED);
	cr_expect_eq(hf_sight_item(&l.items, 1), SIGHT_DECIDED);
	cr_expect_eq(hf_sight_item(&l.items, 2), SIGHT_OPENING);
}

Test(sight, untracked_denial_is_for_every_packet)
{
	struct list l = {0};

	add(&l, tcp(80, 80), ANY, HF_FATE_DENY);
	add(&l, hf_cube_all(4), HIDDEN, HF_FATE_ALLOW);
	add(&l, hf_cube_all(4), NEW, HF_FATE_ALLOW);
	cr_expect_eq(hf_sight_item(&l.items, 0), SIGHT_DECIDED);
	cr_expect_eq(hf_sight_item(&l.items, 2), SIGHT_DECIDED);
}

/* Invalid packets are denied before policy: allowed for certain is then nothing. */
Test(sight, strict_invalid_makes_an_allowance_uncertain)
{
	struct list l = {0};

	add(&l, hf_cube_all(4), HIDDEN, HF_FATE_ALLOW);
	add(&l, hf_cube_all(4), INVALID, HF_FATE_DENY);
	add(&l, tcp(80, 80), NEW, HF_FATE_ALLOW);
	add(&l, hf_cube_all(4), NEW, HF_FATE_DENY);
	cr_expect_eq(hf_sight_item(&l.items, 2), SIGHT_MIXED);
	cr_expect_eq(hf_sight_item(&l.items, 3), SIGHT_OPENING);
}

Test(sight, a_wider_region_may_have_one_fate)
{
	struct cube all = tcp(0, 65535);
	struct list l = {0};

	add(&l, tcp(1, 1), ANY, HF_FATE_DENY);
	add(&l, tcp(80, 80), ANY, HF_FATE_ALLOW);
	add(&l, hf_cube_all(4), ANY, HF_FATE_ALLOW);
	/* What comes as far as the second item is all allowed; the first has its own entry. */
	cr_expect(hf_sight_behind(&l.items, 1, &all));
	cr_expect_not(hf_sight_behind(&l.items, 0, &all));
	add(&l, hf_cube_all(4), ANY, HF_FATE_DENY); /* never reached */
	cr_expect(hf_sight_behind(&l.items, 2, &all));
}

Test(sight, only_some_packets_open_a_connection)
{
	struct cube parts[OPENING_MAX], all = hf_cube_all(4), echo = hf_cube_all(4);
	bool syn;

	cr_expect_eq(hf_sight_opening(&all, HF_PROTO_TCP, parts, &syn), 1);
	cr_expect(syn);
	cr_expect_eq(hf_sight_opening(&all, HF_PROTO_UDP, parts, &syn), 0);
	cr_expect_not(syn);
	cr_expect_eq(hf_sight_opening(&all, HF_PROTO_ICMP, parts, &syn), 4);
	echo.type_mask = 0xff; /* echo reply, which answers */
	cr_expect_eq(hf_sight_opening(&echo, HF_PROTO_ICMP, parts, &syn), 0);
	echo.type = 8;
	cr_expect_eq(hf_sight_opening(&echo, HF_PROTO_ICMP, parts, &syn), 1);
	cr_expect_eq(hf_sight_opening(&all, HF_PROTO_ICMPV6, parts, &syn), 0);
}

/* The first match of a packet in one state; PUNT when there is none. */
static enum hf_fate judge(const struct items *items, size_t from, uint16_t port, uint8_t state)
{
	size_t i;

	for (i = 0; i < items->n; i++) {
		const struct item *item = &items->v[i];

		if (i < from && item->ct & NEW)
			continue; /* an entry of its own, and asked for apart */
		if (item->ct & state && item->cube.dport.lo <= port && port <= item->cube.dport.hi)
			return item->fate;
	}
	return HF_FATE_PUNT;
}

static bool taken_before(const struct items *items, size_t i, uint16_t port)
{
	size_t k;

	for (k = 0; k < i; k++) {
		if (items->v[k].ct & NEW && items->v[k].cube.dport.lo <= port &&
			port <= items->v[k].cube.dport.hi)
			return true;
	}
	return false;
}

/* Whether all packets of these ports that come as far as item i have its fate in all states. */
static bool constant(const struct items *items, size_t i, unsigned int lo, unsigned int hi,
	uint8_t states, enum hf_fate fate)
{
	unsigned int p;
	uint8_t s;

	for (p = lo; p <= hi; p++) {
		if (taken_before(items, i, PORT_OF(p)))
			continue;
		for (s = 1; s; s = (uint8_t)(s << 1)) {
			if (s & states && judge(items, i, PORT_OF(p), s) != fate)
				return false;
		}
	}
	return true;
}

static bool is_shadowed(const struct items *items, size_t i)
{
	unsigned int p, lo = items->v[i].cube.dport.lo >> 14, hi = items->v[i].cube.dport.hi >> 14;

	for (p = lo; p <= hi && taken_before(items, i, PORT_OF(p)); p++)
		;
	return p > hi;
}

static void random_list(struct hf_rand *rand, struct list *l)
{
	static const uint8_t cts[] = {
		ANY, NEW, HIDDEN, HF_CT_BIT(HF_CT_RELATED), ANY | INVALID, INVALID, NEW | INVALID};
	static const enum hf_fate fates[] = {HF_FATE_ALLOW, HF_FATE_DENY, HF_FATE_PUNT};
	size_t n = 1 + hf_rand_below(rand, LIST_MAX - 1), i;

	for (i = 0; i < n; i++) {
		unsigned int lo = hf_rand_below(rand, PORTS),
			     hi = lo + hf_rand_below(rand, PORTS - lo);

		add(l, tcp(PORT_OF(lo), PORT_END(hi)), cts[hf_rand_below(rand, sizeof(cts))],
			fates[hf_rand_below(rand, 8) ? hf_rand_below(rand, 2) : 2]);
	}
	add(l, tcp(0, UINT16_MAX), l->items.seen, HF_FATE_DENY);
	l->items.seen |= NEW | HIDDEN;
	l->v[l->items.n - 1].ct = l->items.seen;
}

Test(sight, is_never_wrong_and_seldom_too_careful)
{
	size_t n, i, decided = 0, certain = 0, behind = 0, regions = 0;
	struct hf_rand rand;

	hf_rand_init(&rand, hf_test_seed(), 0);
	for (n = 0; n < LISTS; n++) {
		unsigned int lo = hf_rand_below(&rand, PORTS),
			     hi = lo + hf_rand_below(&rand, PORTS - lo);
		struct cube region = tcp(PORT_OF(lo), PORT_END(hi));
		struct list l = {0};
		enum hf_reason reason;
		enum hf_fate fate;
		uint32_t origin;

		random_list(&rand, &l);
		fate = hf_sight_region(&l.items, &region, &origin, &reason);
		if (fate != HF_FATE_PUNT) {
			cr_expect(constant(&l.items, 0, lo, hi, l.items.seen, fate));
			regions++;
		}
		for (i = 0; i < l.items.n; i++) {
			const struct item *item = &l.items.v[i];
			unsigned int a = item->cube.dport.lo >> 14, b = item->cube.dport.hi >> 14;
			bool sure = item->ct & NEW &&
				    constant(&l.items, i, a, b, l.items.seen, item->fate);

			certain += sure && item->fate != HF_FATE_PUNT && !is_shadowed(&l.items, i);
			if (hf_sight_item(&l.items, i) == SIGHT_DECIDED) {
				cr_expect(sure);
				decided += item->fate != HF_FATE_PUNT && !is_shadowed(&l.items, i);
			}
			if (hf_sight_behind(&l.items, i, &region)) {
				cr_expect(constant(&l.items, i, lo, hi, l.items.seen, item->fate));
				behind++;
			}
		}
	}
	fprintf(stderr, "# %zu items decided of %zu that are certain, %zu regions, %zu behind\n",
		decided, certain, regions, behind);
	cr_expect_gt(10 * decided, 6 * certain);
	cr_expect_gt(regions, LISTS / 20);
	cr_expect_gt(behind, LISTS / 20);
}
