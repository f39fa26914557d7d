/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Algebra of the things a match is made of: port ranges, prefixes, sets of protocols.
 *
 * Everything here is exact. What may not fit says so and writes nothing.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A port matches when (port & mask) == value. */
struct hf_port_mask {
	uint16_t value;
	uint16_t mask;
};

/* A range of 16-bit numbers is at most this many masks: two for each bit but the first and last. */
#define HF_PORT_MASKS_MAX 30

/* The fewest prefix masks that cover exactly the range, in rising order. Returns their number. */
size_t hf_ports_masks(struct hf_ports ports, struct hf_port_mask ret[static HF_PORT_MASKS_MAX]);

/* Sorts ranges and joins those that touch or overlap, in place. Returns the new number. */
size_t hf_ports_normalize(struct hf_ports *ports, size_t n);
/*
 * The ports of 0..65535 in none of the n normalized ranges; ret has room for n + 1. Returns their
 * number.
 */
size_t hf_ports_complement(const struct hf_ports *ports, size_t n, struct hf_ports *ret);
/* False when they have no port in common. */
bool hf_ports_intersect(struct hf_ports a, struct hf_ports b, struct hf_ports *ret);

/* Two prefixes are disjoint or one covers the other: *ret is the inner one. */
bool hf_prefix_intersect(
	const struct hf_prefix *a, const struct hf_prefix *b, struct hf_prefix *ret);

/*
 * outer without the holes, as the fewest disjoint prefixes in rising order. Holes outside of outer
 * or of the other family do not matter; their order does not either. Returns the number of
 * prefixes, or -E2BIG when they are more than max (ret is undefined then), or -ENOMEM.
 */
int hf_prefix_subtract(const struct hf_prefix *outer, const struct hf_prefix *holes, size_t n_holes,
	struct hf_prefix *ret, size_t max);

/* Sets of protocols: bit p of word p / 64. */
bool hf_protos_has(const uint64_t protos[4], uint8_t proto);
void hf_protos_and(uint64_t protos[4], const uint64_t other[4]);
bool hf_protos_empty(const uint64_t protos[4]);
bool hf_protos_all(const uint64_t protos[4]);
unsigned int hf_protos_count(const uint64_t protos[4]);
/* The lowest protocol of the set that is at least from, or -1. */
int hf_protos_next(const uint64_t protos[4], unsigned int from);
