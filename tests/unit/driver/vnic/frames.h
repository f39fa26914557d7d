/* SPDX-License-Identifier: BSD-3-Clause */

/* Frames for tests of the virtual SmartNIC. */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 256

/* What is left out is zero; addresses are text, and the source's family decides. */
struct frame {
	const char *src;
	const char *dst;
	uint8_t proto;
	uint16_t sport; /* of ICMP: type */
	uint16_t dport; /* of ICMP: code */
	uint8_t tcp_flags;
	uint16_t off;	   /* IPv4 flags and fragment offset; IPv6: a fragment header with it */
	uint8_t options;   /* bytes of IPv4 options */
	uint8_t ext;	   /* IPv6: an extension header of this number in front */
	uint8_t n_tags;	   /* VLAN tags with identifiers vid, vid + 1, ... */
	uint16_t vid;	   /* 0: 5 */
	uint16_t eth_type; /* not IP: this, and no more headers */
	size_t cut;	   /* bytes missing at the end of the frame; the headers still claim them */
};

/* Returns the length. */
size_t frame_build(const struct frame *f, uint8_t ret[static FRAME_MAX]);
