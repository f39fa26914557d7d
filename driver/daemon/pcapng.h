/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Pcapng: captured packets as a file that tshark and tcpdump read (draft-ietf-opsawg-pcapng).
 *
 * One section, one Ethernet interface for each wire, one enhanced packet block for each packet,
 * with the direction and the comment as options. Numbers are of this machine's byte order, as the
 * format has it. The writer's errors are those of the stream: look at ferror() once in a while.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hf_pcapng_packet {
	uint32_t interface; /* number, in the order of hf_pcapng_interface() */
	uint64_t time_us;   /* since 1970 */
	bool outbound;
	uint32_t length;  /* on the wire */
	uint32_t n_bytes; /* of it that are here */
	const uint8_t *bytes;
	const char *comment;
};

void hf_pcapng_begin(FILE *f, const char *program);
void hf_pcapng_interface(FILE *f, const char *name, uint32_t snap_length);
void hf_pcapng_packet(FILE *f, const struct hf_pcapng_packet *p);
