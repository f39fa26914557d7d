/* SPDX-License-Identifier: BSD-3-Clause */

/* What a map says; addrs.c makes it. */

#include "addrs.h"

#include "cube.h"

#include "rules/algebra.h"

#include <stdlib.h>
#include <string.h>

void hf_addr_map_free(struct addr_map *map)
{
	if (!map)
		return;
	free(map->from);
	free(map->codes);
	free(map->nets);
	free(map->names);
	free(map);
}

void hf_addr_map_place(struct addr_map *map, uint8_t shift)
{
	size_t i;

	if (map->shift == shift)
		return;
	for (i = 0; i < map->from[map->n_sets]; i++) {
		map->codes[i].value = map->codes[i].value >> map->shift << shift;
		map->codes[i].mask = map->codes[i].mask >> map->shift << shift;
	}
	for (i = 0; i < map->n_nets; i++)
		map->nets[i].value = map->nets[i].value >> map->shift << shift;
	map->shift = shift;
}

uint32_t hf_addr_map_mask(const struct addr_map *map)
{
	return map ? (uint32_t)((UINT64_C(1) << map->width) - 1) << map->shift : 0;
}

static bool same_code(const struct addr_code *a, const struct addr_code *b)
{
	return a->value == b->value && a->mask == b->mask && a->families == b->families;
}

bool hf_addr_maps_alike(const struct addr_map *a, const struct addr_map *b)
{
	size_t i;

	if (!a || !b)
		return a == b;
	if (a->bits != b->bits || a->n_sets != b->n_sets ||
		memcmp(a->from, b->from, (a->n_sets + 1) * sizeof(*a->from)) != 0)
		return false;
	for (i = 0; i < a->from[a->n_sets]; i++) {
		if (!same_code(&a->codes[i], &b->codes[i]))
			return false;
	}
	return true;
}

bool hf_addr_map_has(const struct addr_map *map, const struct hf_addr_cond *cond)
{
	return map->from[cond->set + 1] > map->from[cond->set] && (!cond->negate || map->bits);
}

bool hf_addr_cut(const struct hf_match *m, size_t i)
{
	size_t k;

	for (k = 0; k < m->n_addr; k++) {
		if (k != i && m->addr[k].dst == m->addr[i].dst && m->addr[k].negate)
			return true;
	}
	return false;
}

const struct addr_code *hf_addr_map_codes(const struct addr_map *map, uint32_t set, size_t *ret_n)
{
	uint32_t at = (set & ~ADDR_NOT) - 1;

	*ret_n = map->bits ? 1 : map->from[at + 1] - map->from[at];
	return &map->codes[map->from[at] + (set & ADDR_NOT ? 1 : 0)];
}

static uint64_t n_inside(const struct hf_set *set, const struct hf_prefix *within)
{
	struct hf_prefix both;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < set->n_nets; i++)
		n += hf_prefix_intersect(within, &set->nets[i], &both);
	return n;
}

/* As cube.c has it: what is too much becomes one cube. */
static uint64_t n_outside(const struct hf_set *set, const struct hf_prefix *within)
{
	struct hf_prefix *rest = calloc(CUBES_MAX, sizeof(*rest));
	int n = rest ? hf_prefix_subtract(within, set->nets, set->n_nets, rest, CUBES_MAX) : 1;

	free(rest);
	return n < 0 ? 1 : (uint64_t)n;
}

uint64_t hf_addr_weight(const struct hf_rules *rules, const struct cube *cube)
{
	uint64_t n = 1;
	unsigned int side;

	for (side = 0; side < 2; side++) {
		const struct hf_prefix *within = side ? &cube->dst : &cube->src;
		const struct hf_set *set;

		if (!cube->set[side])
			continue;
		set = hf_rules_set(rules, (cube->set[side] & ~ADDR_NOT) - 1);
		n *= cube->set[side] & ADDR_NOT ? n_outside(set, within) : n_inside(set, within);
	}
	return n;
}

size_t hf_addr_map_size(const struct addr_map *map)
{
	return map ? map->n_nets + 1 : 0;
}
