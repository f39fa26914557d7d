/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addrs: address sets as codes in a tag, for NICs that carry a tag from table to table.
 *
 * A rule that names a set of a hundred nets is a hundred entries, one with a set on either side ten
 * thousand. So a table in front of the rules, one for each side, looks an address up by its longest
 * prefix once and writes what sets it is in into some bits of the tag; a rule asks for these. It
 * holds one entry for each net whose sets are not those of the net around it. A member more or less
 * is an entry of this table, and none of a rule.
 *
 * Two ways of writing it. A bit for each set, while there are few: any rule is one entry then, "not
 * in the set" too. Else addresses that are in the same sets are a class with a number, and a rule
 * is one entry for each class that its set is made of.
 *
 * A map that follows another keeps what sets and classes were written as, by the sets' names, so
 * that rules that have not changed keep their entries.
 */

#pragma once

#include <hepflow/net.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder;
struct cube;
struct hf_engine;

/* What an entry asks of the tag. */
struct addr_code {
	uint32_t value, mask;
	uint8_t families; /* bits 0, 1: IPv4, IPv6 have such addresses */
};

struct addr_net {
	struct hf_prefix net;
	uint32_t value; /* of the tag, in the map's bits */
};

/* What was written as what: a bit, or the number of a class. */
struct addr_name {
	uint64_t key; /* of the name of a set, of the names of all sets of a class */
	uint32_t number;
};

struct addr_map {
	bool dst;
	bool bits;	/* else numbers of classes */
	uint8_t shift;	/* the lowest bit, */
	uint8_t width;	/* and how many */
	int64_t saves;	/* entries, those of the table deducted */
	size_t n_sets;	/* of the rules */
	uint32_t *from; /* by set and one more: where its codes start; none: it is not in the map */
	struct addr_code *codes;
	size_t n_nets;
	struct addr_net *nets; /* wider ones before those inside */
	size_t n_names;
	struct addr_name *names; /* by key */
};

#define ADDR_NOT UINT32_C(0x80000000) /* of cube.set: everything else */

/*
 * Makes the maps of both sides, each NULL where it would not save entries or the engine has no
 * tags. Returns 0 or -ENOMEM.
 */
int hf_addr_maps_choose(const struct builder *b, struct addr_map *ret[2]);
void hf_addr_map_free(struct addr_map *map);
/* Moves the map's bits. */
void hf_addr_map_place(struct addr_map *map, uint8_t shift);
/* Bits of the tag; none of NULL. */
uint32_t hf_addr_map_mask(const struct addr_map *map);
/* Whether rules are written alike by both (either may be NULL): no set has another code. */
bool hf_addr_maps_alike(const struct addr_map *a, const struct addr_map *b);
/* Whether it has a code for the condition. */
bool hf_addr_map_has(const struct addr_map *map, const struct hf_addr_cond *cond);
/*
 * Whether another condition of the same side takes addresses away from condition i: what is left of
 * the set's nets is less than all nets that are not taken away.
 */
bool hf_addr_cut(const struct hf_match *match, size_t i);
/* What a cube's condition (cube.set) is to be asked as, for a family. The first, and how many. */
const struct addr_code *hf_addr_map_codes(const struct addr_map *map, uint32_t set, size_t *ret_n);
/* How many cubes of prefixes the cube stands for. */
uint64_t hf_addr_weight(const struct hf_rules *rules, const struct cube *cube);
/* Entries of the table; none of NULL. */
size_t hf_addr_map_size(const struct addr_map *map);
/* Emits the table: entries that write the map's bits and jump. keep: bits of tables before. Returns
 * 0 or -ENOMEM. */
int hf_addr_map_lower(struct builder *b, const struct addr_map *map, uint32_t keep, uint32_t table,
	uint32_t next);
