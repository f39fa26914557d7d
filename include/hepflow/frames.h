/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames: packets on their way through a port and back. Packets become a file that net_pcap plays;
 * what testpmd's rxonly mode says of the received ones is read again.
 *
 * A frame carries its number in its source address: Calico asks nothing of Ethernet addresses, so
 * no plan does. Behind the last one comes a frame of ARP, which no policy is about: when that has
 * been received nothing more will come.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hf_err;
struct hf_packet;

#define HF_FRAME_MAX 128 /* tag, IPv6 with a fragment header and TCP are below 100 bytes */

/* What became of a packet. */
struct hf_frame_seen {
	bool received;
	bool marked;
	uint32_t mark; /* of MARK */
};

/* The source address of the frame at the end, as testpmd prints it. */
#define HF_FRAMES_END "src=02:FF:FF:FF:FF:FF"

/*
 * The frame of a packet, with number in its source address; returns its length. Checksums are zero
 * and there is no payload. A later fragment has no transport header.
 */
size_t hf_frame_build(
	const struct hf_packet *pkt, uint32_t number, uint8_t ret[static HF_FRAME_MAX]);
/* All of them and the end as a capture file (libpcap's format 2.4). Returns 0 or -EIO. */
int hf_frames_write(const struct hf_packet *pkts, size_t n, FILE *out);
/*
 * Reads what testpmd prints in rxonly mode with "set verbose 1"; ret has n elements and is filled
 * wholly. -EINVAL for a frame that is not of this file, or comes twice.
 */
int hf_frames_read(const char *text, struct hf_frame_seen *ret, size_t n, struct hf_err *err);
