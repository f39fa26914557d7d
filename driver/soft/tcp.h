/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP as somebody in the middle sees it: which state a connection is in after each segment, and
 * whether a segment can be of that connection at all.
 *
 * The states and moves are those of Linux (net/netfilter/nf_conntrack_proto_tcp.c of Linux 6.x),
 * because policy means "established" in Linux's sense; docs/semantics.md 7. They follow RFC 9293
 * (3.3.2, 3.5, 3.6) with two differences: there is one state for both ends, so that FIN_WAIT is
 * "somebody has sent a FIN", and segments may be lost behind us.
 *
 * Sequence numbers are held against windows as in "Real Stateful TCP Packet Filtering in IP Filter"
 * (G. van Rooij), which Linux uses as well (nf_conntrack_tcp_be_liberal=0): a segment may neither
 * begin behind what its receiver has offered, nor end before what was acknowledged and a window,
 * nor acknowledge what nobody has sent. A reset must be exact (RFC 5961 3.2) to close.
 *
 * Pure functions over their arguments: any thread may call them. Sequence numbers are host order.
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

/* The flags that make a segment what it is, the strongest first. */
enum hf_tcp_event {
	HF_TCP_EV_SYN,
	HF_TCP_EV_SYNACK,
	HF_TCP_EV_FIN,
	HF_TCP_EV_ACK,
	HF_TCP_EV_RST,
	HF_TCP_N_EVENTS,
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

/* What of a segment moves a connection. */
struct hf_tcp_seg {
	uint32_t seq;
	uint32_t ack;
	uint32_t len; /* of the payload */
	uint16_t win; /* as sent, not scaled */
	uint8_t flags;
	uint8_t n_opts; /* bytes */
	const uint8_t *opts;
};

/* What one end has sent and may send. */
struct hf_tcp_end {
	uint32_t end;	  /* behind the last byte seen */
	uint32_t max_end; /* behind the last byte that the other end has room for */
	uint32_t max_win; /* the largest window offered; 0: nothing seen of this end */
	uint32_t max_ack; /* the highest acknowledgement */
};

/* All that is kept of a connection; 52 bytes, because there are millions of them. */
struct hf_tcp_track {
	struct hf_tcp_end ends[2]; /* the end that called; the other */
	/* Of the last segment of interest: */
	uint32_t last_seq;
	uint32_t last_ack;
	uint32_t last_end;
	uint16_t last_win;
	uint8_t state;	    /* enum hf_tcp_state */
	uint8_t flags[2];   /* of the ends */
	uint8_t scales;	    /* of the ends, four bits each */
	uint8_t last;	    /* event, direction and scale */
	uint8_t last_flags; /* and how often it was sent again */
};

/*
 * From now on some segments of the connection are not seen: numbers of those that are seen are
 * taken as right, as after a connection was picked up (nf_flow_table_core.c,
 * flow_offload_fixup_tcp).
 */
void hf_tcp_loosen(struct hf_tcp_track *track);

enum hf_tcp_fate {
	HF_TCP_REFUSED, /* not of this connection */
	HF_TCP_MOVED,
	HF_TCP_IGNORED, /* goes on, but prolongs nothing */
	HF_TCP_REOPENS, /* the connection is over; the segment begins another between its ports */
};

/* How long a connection may stay silent; else by its state. */
enum hf_tcp_patience {
	HF_TCP_BY_STATE,
	HF_TCP_BY_RESET,   /* as HF_TCP_CLOSE */
	HF_TCP_BY_RETRANS, /* sent again and again, or a window of zero: shorter, if it is longer */
	HF_TCP_BY_UNACKED, /* data nobody has acknowledged: the same */
};

/* The first segment of a connection. False: none begins so. */
bool hf_tcp_begin(const struct hf_tcp_seg *seg, struct hf_tcp_track *ret);
/*
 * A further one; reply: from the end that was called; replied, assured: what is known of the
 * connection so far (nf_conntrack: SEEN_REPLY, ASSURED). The track is changed when the fate is
 * HF_TCP_MOVED or HF_TCP_IGNORED; *ret_patience is set when it is HF_TCP_MOVED.
 */
enum hf_tcp_fate hf_tcp_follow(struct hf_tcp_track *track, const struct hf_tcp_seg *seg, bool reply,
	bool replied, bool assured, enum hf_tcp_patience *ret_patience);
