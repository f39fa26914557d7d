/* SPDX-License-Identifier: BSD-3-Clause */

#include "lists.h"

struct hf_prefix hf_random_net(struct hf_rand *rand, uint8_t family, bool host)
{
	struct hf_prefix p = {.addr.family = family};
	unsigned int bits = hf_addr_bits(&p.addr), i;

	for (i = 0; i < bits / 8; i++)
		p.addr.b[i] = (uint8_t)(hf_rand_below(rand, 2) * 0x80);
	p.len = (uint8_t)(host ? bits : hf_rand_below(rand, bits + 1));
	hf_prefix_mask(&p);
	return p;
}

struct hf_ports hf_random_ports(struct hf_rand *rand, bool one)
{
	static const uint16_t edges[] = {0, 1, 79, 80, 81, 1023, 1024, 3000, 65534, 65535};
	uint16_t a = edges[hf_rand_below(rand, 10)], b = edges[hf_rand_below(rand, 10)];

	if (one || hf_rand_chance(rand, 1, 3))
		return (struct hf_ports){a, a};
	if (hf_rand_chance(rand, 1, 3))
		return (struct hf_ports){0, UINT16_MAX};
	return (struct hf_ports){a < b ? a : b, a < b ? b : a};
}

struct item hf_random_item(struct hf_rand *rand, uint8_t family, uint8_t seen)
{
	static const enum hf_fate fates[] = {HF_FATE_ALLOW, HF_FATE_ALLOW, HF_FATE_ALLOW,
		HF_FATE_DENY, HF_FATE_DENY, HF_FATE_ALLOW_UNTRACKED, HF_FATE_PUNT};
	struct item item = {.cube = hf_cube_all(family), .ct = seen};

	if (hf_rand_chance(rand, 1, 2))
		item.cube.src = hf_random_net(rand, family, hf_rand_chance(rand, 1, 2));
	if (hf_rand_chance(rand, 1, 2))
		item.cube.dst = hf_random_net(rand, family, hf_rand_chance(rand, 1, 2));
	item.cube.sport = hf_random_ports(rand, false);
	item.cube.dport = hf_random_ports(rand, false);
	if (hf_rand_chance(rand, 1, 2))
		hf_protos_only(item.cube.proto, hf_rand_chance(rand, 1, 2) ? 6 : 17);
	if (hf_rand_chance(rand, 1, 3))
		item.ct = (uint8_t)hf_rand_below(rand, HF_CT_ANY + 1) & seen;
	item.fate = fates[hf_rand_below(rand, sizeof(fates) / sizeof(fates[0]))];
	return item;
}
