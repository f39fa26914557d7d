/* SPDX-License-Identifier: BSD-3-Clause */

#include "rules/algebra.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(algebra);

/* Fewest masks for lo..hi: recursion over the binary tree, another way than the code's. */
static size_t fewest(uint32_t lo, uint32_t hi, uint32_t base, uint32_t size)
{
	uint32_t end = base + size - 1;

	if (hi < base || lo > end)
		return 0;
	if (lo <= base && end <= hi)
		return 1;
	return fewest(lo, hi, base, size / 2) + fewest(lo, hi, base + size / 2, size / 2);
}

static void check_masks(struct hf_ports ports)
{
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];
	size_t i, n = hf_ports_masks(ports, masks), hits;
	uint32_t p;

	cr_assert_leq(n, HF_PORT_MASKS_MAX);
	cr_assert_eq(n, fewest(ports.lo, ports.hi, 0, 65536), "%u-%u", ports.lo, ports.hi);
	for (p = 0; p <= 65535; p++) {
		for (hits = 0, i = 0; i < n; i++)
			hits += (p & masks[i].mask) == masks[i].value;
		if (hits != (p >= ports.lo && p <= ports.hi))
			cr_assert_fail("%u-%u: port %u", ports.lo, ports.hi, p);
	}
}

Test(algebra, masks_cover_a_range_exactly_with_the_fewest)
{
	static const uint16_t edges[] = {0, 1, 2, 1023, 1024, 32767, 32768, 65534, 65535};
	size_t i, k, n = sizeof(edges) / sizeof(edges[0]);
	struct hf_rand rand;

	for (i = 0; i < n; i++) {
		for (k = i; k < n; k++)
			check_masks((struct hf_ports){edges[i], edges[k]});
	}
	hf_rand_init(&rand, hf_test_seed(), 0);
	for (i = 0; i < 50; i++) {
		uint16_t lo = (uint16_t)hf_rand_below(&rand, 65536);

		check_masks((struct hf_ports){lo, (uint16_t)hf_rand_between(&rand, lo, 65535)});
	}
}

Test(algebra, the_worst_range_needs_thirty_masks)
{
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];

	cr_assert_eq(hf_ports_masks((struct hf_ports){1, 65534}, masks), HF_PORT_MASKS_MAX);
}

static bool in_ports(const struct hf_ports *v, size_t n, uint32_t p)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p >= v[i].lo && p <= v[i].hi)
			return true;
	}
	return false;
}

Test(algebra, normalized_ranges_and_their_complement_split_all_ports)
{
	struct hf_ports v[6], norm[6], rest[7];
	size_t i, round, n_norm, n_rest;
	struct hf_rand rand;
	uint32_t p;

	hf_rand_init(&rand, hf_test_seed(), 1);
	for (round = 0; round < 50; round++) {
		size_t n = hf_rand_below(&rand, 7);

		for (i = 0; i < n; i++) {
			v[i].lo = (uint16_t)(hf_rand_chance(&rand, 1, 5)
						     ? 0
						     : hf_rand_below(&rand, 65536));
			v[i].hi = (uint16_t)(hf_rand_chance(&rand, 1, 5)
						     ? 65535
						     : hf_rand_between(&rand, v[i].lo, 65535));
		}
		memcpy(norm, v, sizeof(norm));
		n_norm = hf_ports_normalize(norm, n);
		n_rest = hf_ports_complement(norm, n_norm, rest);
		for (i = 1; i < n_norm; i++)
			cr_assert_gt(norm[i].lo, norm[i - 1].hi + 1);
		for (p = 0; p <= 65535; p++) {
			bool in = in_ports(v, n, p);

			if (in_ports(norm, n_norm, p) != in || in_ports(rest, n_rest, p) == in)
				cr_assert_fail("port %u", p);
		}
	}
}

Test(algebra, ranges_that_touch_become_one)
{
	struct hf_ports v[] = {{81, 90}, {1, 80}, {92, 92}};

	cr_assert_eq(hf_ports_normalize(v, 3), 2);
	cr_assert(v[0].lo == 1 && v[0].hi == 90 && v[1].lo == 92);
}

Test(algebra, ranges_intersect_in_what_they_share)
{
	struct hf_ports both;

	cr_assert(hf_ports_intersect((struct hf_ports){10, 20}, (struct hf_ports){20, 30}, &both));
	cr_assert(both.lo == 20 && both.hi == 20);
	cr_assert_not(
		hf_ports_intersect((struct hf_ports){10, 19}, (struct hf_ports){20, 30}, &both));
}

static struct hf_prefix prefix(const char *text)
{
	struct hf_prefix p;

	cr_assert_eq(hf_prefix_parse(text, &p, NULL), 0);
	return p;
}

Test(algebra, prefixes_intersect_in_the_inner_one)
{
	struct hf_prefix a = prefix("10.0.0.0/8"), b = prefix("10.65.0.0/16"), ret;

	cr_assert(hf_prefix_intersect(&a, &b, &ret) && hf_prefix_equal(&ret, &b));
	cr_assert(hf_prefix_intersect(&b, &a, &ret) && hf_prefix_equal(&ret, &b));
	a = prefix("11.0.0.0/8");
	cr_assert_not(hf_prefix_intersect(&a, &b, &ret));
	a = prefix("::/0");
	cr_assert_not(hf_prefix_intersect(&a, &b, &ret));
}

static bool in_nets(const struct hf_prefix *v, size_t n, const struct hf_addr *a)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (hf_prefix_has(&v[i], a))
			return true;
	}
	return false;
}

/* Every host of 10.0.0.0/22, holes anywhere around it. */
Test(algebra, a_prefix_minus_holes_is_what_is_left)
{
	struct hf_prefix outer = prefix("10.0.0.0/22"), holes[5], ret[64];
	struct hf_rand rand;
	size_t i, round, n;
	uint32_t host;
	int left;

	hf_rand_init(&rand, hf_test_seed(), 2);
	for (round = 0; round < 100; round++) {
		n = hf_rand_below(&rand, 6);
		for (i = 0; i < n; i++) {
			holes[i] = outer;
			holes[i].addr.b[2] = (uint8_t)hf_rand_below(&rand, 8);
			holes[i].addr.b[3] = (uint8_t)hf_rand_below(&rand, 256);
			holes[i].len = (uint8_t)hf_rand_between(&rand, 23, 32);
			hf_prefix_mask(&holes[i]);
		}
		left = hf_prefix_subtract(&outer, holes, n, ret, 64);
		cr_assert_geq(left, 0);
		for (i = 1; i < (size_t)left; i++)
			cr_assert_lt(hf_prefix_cmp(&ret[i - 1], &ret[i]), 0);
		for (host = 0; host < 4096; host++) {
			struct hf_addr a = outer.addr;
			bool want;

			a.b[2] = (uint8_t)(host >> 8);
			a.b[3] = (uint8_t)host;
			want = host < 1024 && !in_nets(holes, n, &a);
			if (in_nets(ret, (size_t)left, &a) != want)
				cr_assert_fail("round %zu host %u", round, host);
		}
	}
}

Test(algebra, subtraction_knows_the_whole_and_the_limit)
{
	struct hf_prefix all = prefix("0.0.0.0/0"), one = prefix("192.0.2.10/32"), ret[33];
	struct hf_prefix all6 = prefix("::/0"), one6 = prefix("2001:db8::1/128"), ret6[128];

	cr_assert_eq(hf_prefix_subtract(&all, &all, 1, ret, 33), 0);
	cr_assert_eq(hf_prefix_subtract(&one, &all, 1, ret, 33), 0);
	cr_assert_eq(hf_prefix_subtract(&all, NULL, 0, ret, 33), 1);
	cr_assert_eq(hf_prefix_subtract(&all, &one6, 1, ret, 33), 1);
	cr_assert_eq(hf_prefix_subtract(&all, &one, 1, ret, 32), 32);
	cr_assert_eq(hf_prefix_subtract(&all, &one, 1, ret, 31), -E2BIG);
	cr_assert_eq(hf_prefix_subtract(&all6, &one6, 1, ret6, 128), 128);
}

Test(algebra, protocol_sets_count_and_walk)
{
	uint64_t some[4] = {1ull << 6 | 1ull << 17, 0, 1ull << 4, 1ull << 63};
	const uint64_t tcp[4] = {1ull << 6};
	const uint64_t all[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

	cr_assert(hf_protos_has(some, 132) && hf_protos_has(some, 255) && !hf_protos_has(some, 1));
	cr_assert_eq(hf_protos_count(some), 4);
	cr_assert_eq(hf_protos_next(some, 0), 6);
	cr_assert_eq(hf_protos_next(some, 7), 17);
	cr_assert_eq(hf_protos_next(some, 18), 132);
	cr_assert_eq(hf_protos_next(some, 133), 255);
	cr_assert_eq(hf_protos_next(some, 256), -1);
	cr_assert(hf_protos_all(all) && !hf_protos_all(some));
	hf_protos_and(some, tcp);
	cr_assert(hf_protos_count(some) == 1 && !hf_protos_empty(some));
	hf_protos_and(some, (const uint64_t[4]){0});
	cr_assert(hf_protos_empty(some));
}
