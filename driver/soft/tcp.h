/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP as somebody in the middle sees it: which state a connection is in after each segment.
 *
 * The states and moves are those of Linux (net/netfilter/nf_conntrack_proto_tcp.c of Linux 6.x),
 * because policy means "established" in Linux's sense; docs/semantics.md 7. They follow RFC 9293
 * (3.3.2, 3.5, 3.6) with two differences: there is one state for both ends, so that FIN_WAIT is
 * "somebody has sent a FIN", and segments may be lost behind us. Sequence numbers are not looked
 * at.
 *
 * Pure functions over constant tables: any thread may call them.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum hf_tcp_state {
	HF_TCP_NONE, /* no connection */
	HF_TCP_SYN_SENT,
	HF_TCP_SYN_RECV,
	HF_TCP_ESTABLISHED,
	HF_TCP_FIN_WAIT,
	HF_TCP_CLOSE_WAIT,
	HF_TCP_LAST_ACK,
	HF_TCP_TIME_WAIT,
	HF_TCP_CLOSE,
	HF_TCP_SYN_SENT2, /* SYN from both ends: simultaneous open */
	HF_TCP_N_STATES,
	/* What hf_tcp_next() may say instead of a state: */
	HF_TCP_INVALID = HF_TCP_N_STATES, /* no end would send this now */
	HF_TCP_IGNORE, /* may be anything; the answer will tell, until then nothing moves */
};

/*
 * The state after a segment with these flags; reply: it is sent by the end that was called. From
 * HF_TCP_NONE only a SYN, or an ACK (a connection older than us: nf_conntrack_tcp_loose), gets
 * anywhere. HF_TCP_SYN_SENT out of HF_TCP_TIME_WAIT or HF_TCP_CLOSE is a new connection, of which
 * the sender is the caller.
 */
enum hf_tcp_state hf_tcp_next(enum hf_tcp_state state, bool reply, uint8_t flags);

/* The name Linux prints: "SYN_SENT". */
const char *hf_tcp_state_name(enum hf_tcp_state state);
