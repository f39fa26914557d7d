/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * For the tests of the software path: frames from packet lines, mbufs from frames, and rules from
 * YAML. All of it aborts when something goes wrong that the test is not about.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_rules;
struct rte_mbuf;

#define FRAME_MAX 1024
#define HZ	  1000 /* cycles a second of the fake clock */

/* What a packet line does not say. */
struct frame_opts {
	uint16_t icmp_id;
	uint32_t seq; /* TCP */
	uint32_t ack;
	uint16_t win; /* 0: 8192 */
	uint32_t frag_id;
	uint16_t frag_off; /* of a later fragment, bytes */
	bool last;	   /* it is the last one */
	uint16_t inner_vlan;
	const struct hf_packet *quoted; /* by an ICMP error */
	size_t payload;			/* bytes behind the transport header */
	uint8_t fill;			/* every one of them */
};

/* Writes the packet as a frame. Returns its length. */
size_t make_frame(const struct hf_packet *pkt, const struct frame_opts *opts,
	uint8_t frame[static FRAME_MAX]);

struct hf_packet packet(const char *line);

/* An mbuf whose data end exactly where the memory ends that ASan guards; in pieces of piece bytes.
 */
struct rte_mbuf *make_mbuf(const uint8_t *frame, size_t size, size_t piece);
/* From a line, with opts (may be NULL). */
struct rte_mbuf *line_mbuf(const char *line, const struct frame_opts *opts);
/* mbufs that are not freed. */
unsigned int mbufs_in_use(void);
/* Frees what make_mbuf() has of memory; for the end of a test. */
void mbufs_fini(void);

struct hf_rules *make_rules(const char *yaml);
