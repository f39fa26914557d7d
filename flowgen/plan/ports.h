/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports: port ranges as bits of a tag, for NICs that carry a tag from table to table.
 *
 * No NIC matches a range: a rule with 1024-65535 on both sides is 36 entries of masks. So a table
 * of its own, in front of all others, looks at the ports once and sets a tag with one bit for each
 * range that both occur in rules and pay; a rule then matches its bits, with one entry.
 *
 * One more bit says that a packet can only open a connection: a rule that denies whatever the
 * protocol is then one entry for these, and not one for TCP's flags and one for each ICMP query.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder;

#define PORT_BITS 31			     /* of a tag */
#define OPEN_BIT  (UINT32_C(1) << PORT_BITS) /* the one that is left */

struct port_bit {
	bool used;
	bool dst;
	struct hf_ports range;
};

struct port_map {
	bool used; /* else no bit is, and there is no table */
	struct port_bit bit[PORT_BITS];
	bool family[2]; /* IPv4, IPv6: what the table is for */
	bool proto[2];	/* TCP, UDP */
	bool opens[2];	/* IPv4, IPv6: the table sets OPEN_BIT */
	uint32_t keep;	/* bits of the tag that are others' */
};

/*
 * Chooses the ranges that save more entries than their table costs; none where the engine has no
 * tags. keep: bits of the tag that are others'. *ret_saves: how many, all told. Bits of the plan
 * before are kept. Returns 0 or -ENOMEM.
 */
int hf_port_map_choose(
	const struct builder *b, uint32_t keep, struct port_map *ret, int64_t *ret_saves);
/* The bit of a range, or -1. */
int hf_port_map_find(const struct port_map *map, bool dst, struct hf_ports range);
/* Entries of the table. */
size_t hf_port_map_size(const struct port_map *map);
/* Emits the table: entries that set the tag and jump. Returns 0 or -ENOMEM. */
int hf_port_map_lower(struct builder *b, const struct port_map *map, uint32_t table, uint32_t next);
