/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Covers: the fewest prefixes of a port that tell apart what ranges it is in, when the longest
 * match decides (Draves, King, Venkatachary, Zill, Constructing optimal IP routing tables, 1999).
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COVER_PORT_BITS	 16
#define COVER_RANGES_MAX 32 /* a bit of a word each */
/* Ranges end at most 64 times, and what is between two ends has at most 30 prefixes. */
#define COVER_PARTS_MAX 2048

struct cover_part {
	uint16_t port;
	uint8_t len;
	uint32_t bits; /* of the ranges that such a port is in */
};

/* The first part is of length 0: what a port has that no longer part takes. */
struct cover {
	size_t n;
	struct cover_part v[COVER_PARTS_MAX];
};

/* Ranges and the bit of each. At most COVER_RANGES_MAX. */
struct cover_range {
	struct hf_ports range;
	uint32_t bit;
};
void hf_cover_build(const struct cover_range *ranges, size_t n, struct cover *ret);
