/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * SCTP as a filter in the middle sees it: which state an association is in after each packet, and
 * whether a packet can be of that association at all.
 *
 * States, moves and checks are those of Linux (net/netfilter/nf_conntrack_proto_sctp.c of Linux
 * 6.2 and later), because policy means "established" in Linux's sense. They follow RFC 9260 (5.1:
 * set-up, 8.4 and 8.5: packets out of the blue and verification tags, 9: shutdown) with one state
 * for both ends. One difference: a packet that is refused leaves no trace.
 *
 * Pure functions over their arguments: any thread may call them. Tags are host order.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum hf_sctp_state {
	HF_SCTP_NONE, /* no association */
	HF_SCTP_CLOSED,
	HF_SCTP_COOKIE_WAIT,
	HF_SCTP_COOKIE_ECHOED,
	HF_SCTP_ESTABLISHED,
	HF_SCTP_SHUTDOWN_SENT, /* by the end that called */
	HF_SCTP_SHUTDOWN_RECD,
	HF_SCTP_SHUTDOWN_ACK_SENT,
	HF_SCTP_HEARTBEAT_SENT, /* another path of an association that is not known */
	HF_SCTP_N_STATES,
	HF_SCTP_INVALID = HF_SCTP_N_STATES, /* what hf_sctp_next() may say instead */
};

/* Chunks that mean something here; RFC 9260 3.2. */
enum hf_sctp_chunk_type {
	HF_SCTP_DATA = 0,
	HF_SCTP_INIT = 1,
	HF_SCTP_INIT_ACK = 2,
	HF_SCTP_HEARTBEAT = 4,
	HF_SCTP_HEARTBEAT_ACK = 5,
	HF_SCTP_ABORT = 6,
	HF_SCTP_SHUTDOWN = 7,
	HF_SCTP_SHUTDOWN_ACK = 8,
	HF_SCTP_ERROR = 9,
	HF_SCTP_COOKIE_ECHO = 10,
	HF_SCTP_COOKIE_ACK = 11,
	HF_SCTP_SHUTDOWN_COMPLETE = 14,
};

#define HF_SCTP_CHUNKS_MAX 16 /* of these, DATA aside; senders put two or three into a packet */

struct hf_sctp_chunk {
	uint8_t type;
	bool reflected;	   /* the T bit: carries the tag of the other end (RFC 9260 8.5.1) */
	bool whole;	   /* INIT and INIT ACK: the fixed part is there */
	uint32_t init_tag; /* of these */
};

/* What of a packet moves an association. */
struct hf_sctp_packet {
	uint32_t vtag;
	bool data;	/* has DATA, or chunks of no meaning here */
	bool user_data; /* has DATA */
	uint16_t n;
	struct hf_sctp_chunk v[HF_SCTP_CHUNKS_MAX];
};

struct hf_sctp_track {
	uint32_t vtags[2]; /* that packets of the caller, of the other end carry; 0: not known */
	uint8_t state;	   /* enum hf_sctp_state */
	uint8_t flags;
	bool established; /* has been */
};

/*
 * Reads a chunk header (4 bytes) into the packet; at: how many came before; tag: the first four
 * bytes behind it, NULL if there are none or fewer than an INIT has. False: no packet is made so.
 */
bool hf_sctp_add_chunk(struct hf_sctp_packet *pkt, const uint8_t head[static 4], unsigned int at,
	const uint8_t *tag);

/* The state after one chunk. */
enum hf_sctp_state hf_sctp_next(enum hf_sctp_state state, bool reply, uint8_t type);

/* The first packet of an association. False: none begins so. */
bool hf_sctp_begin(const struct hf_sctp_packet *pkt, struct hf_sctp_track *ret);
/*
 * A further one; reply: from the end that was called. False: not of this association; the track is
 * as it was. *ret_prolong: it lives on from now.
 */
bool hf_sctp_follow(struct hf_sctp_track *track, const struct hf_sctp_packet *pkt, bool reply,
	bool *ret_prolong);

/* The name Linux prints: "COOKIE_WAIT". */
const char *hf_sctp_state_name(enum hf_sctp_state state);
