/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Cubes: sets of packets that are a product of one set per visible field.
 *
 * A match of the rules stage (with sets of addresses, lists of ports, negations) is a union of
 * cubes; a NIC entry is a cube that its masks can spell. Connection state is no field of a cube:
 * the NIC does not see it.
 */

#pragma once

#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cube {
	uint8_t family; /* 4 or 6 */
	uint64_t proto[4];
	struct hf_prefix src;
	struct hf_prefix dst;
	struct hf_ports sport; /* 0..65535 = any; only for protocols with ports */
	struct hf_ports dport;
	uint8_t type, type_mask; /* ICMP; only when proto is ICMP(v6) alone */
	uint8_t code, code_mask;
	/*
	 * Besides, source and destination are in (or, with ADDR_NOT, not in) a set, its number and
	 * 1; 0: no matter. A cube that is compared with another by that says what is certain: it
	 * may meet one that it does not, and never covers one that it does not.
	 */
	uint32_t set[2];
};

struct cubes {
	size_t n, cap;
	struct cube *v;
};

/* Most cubes that one rule may become; beyond, it is covered by punts. A full node set is 5000. */
#define CUBES_MAX 16384

struct cube hf_cube_all(uint8_t family);
bool hf_cube_intersect(
	const struct cube *a, const struct cube *b, struct cube *ret); /* false: empty */
bool hf_cube_covers(const struct cube *outer, const struct cube *inner);
bool hf_cube_meets(const struct cube *a, const struct cube *b);

/* Answers to packets of a cube: the ends change places. Not for ICMP. */
struct cube hf_cube_turn(const struct cube *c);

/* Leaves proto alone of the set, or nothing. */
void hf_protos_only(uint64_t p[4], unsigned int proto);

/*
 * The cubes of match within ctx, appended to out. Returns 0; -E2BIG when there would be too many
 * or when a condition cannot be spelled as cubes, with *ret_reason saying which and one cube that
 * covers them all appended instead; -ENOMEM.
 */
int hf_cubes_expand(const struct hf_rules *rules, const struct hf_match *match,
	const struct cube *ctx, struct cubes *out, enum hf_reason *ret_reason);
/* Whether they are one cube, as of most matches, found without a list; it may be one all the same
 * where this says no. */
bool hf_cubes_single(const struct hf_rules *rules, const struct hf_match *match,
	const struct cube *ctx, struct cube *ret);
int hf_cubes_push(struct cubes *cubes, const struct cube *cube);
/* What a has and b has not, as disjoint cubes, appended to out. Returns 0, -E2BIG or -ENOMEM. */
int hf_cube_minus(const struct cube *a, const struct cube *b, struct cubes *out);
void hf_cubes_fini(struct cubes *cubes);
