/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections: what has been seen before, so that replies need no policy of their own.
 *
 * A connection is known by its two endpoints (address and port) and the zone it runs in; a zone is
 * one wire. Both directions find the same entry. ICMP queries count their identifier as a port;
 * protocols without ports are known by the address pair.
 *
 * What a packet is (enum hf_ct) follows Linux (docs/semantics.md 7):
 *   - the first packet of a connection, and every further one of its direction until somebody has
 *     answered, is NEW and judged by policy;
 *   - a packet of the other direction, and everything after it, is ESTABLISHED;
 *   - an ICMP error that quotes a packet of a known connection is RELATED;
 *   - what no connection in that state could have sent is INVALID (tcp.h);
 *   - IPv6 neighbour discovery and multicast listener messages are UNTRACKED.
 *
 * Two steps, because a packet that policy refuses must leave no trace: hf_ct_find() only looks,
 * hf_ct_commit() enters or moves the connection when the packet goes on.
 *
 * For a burst the first step is taken apart, so that the memory of all is on its way before the
 * first is looked at:
 *
 *     for each packet: hf_ct_aim(ct, pkt, zone, &view[i]);
 *     for each packet: hf_ct_fetch(ct, &view[i]);
 *     for each packet, in order: hf_ct_look(ct, m, pkt, now, &view[i]); judge; hf_ct_commit(...);
 *
 * hf_ct_look() may be called again for the same view. Who judges many packets at once calls it for
 * all, judges, and calls it again for each just before hf_ct_commit(): if view.ct is another one
 * then (an earlier packet of the burst was of the same connection), that packet is judged anew.
 *
 * Memory: hf_ct_memory() says it; 126 bytes an IPv4 connection and 150 bytes an IPv6 one. Both
 * families have room for max_entries each, so that one cannot crowd out the other. It is a table of
 * our own and not rte_hash, which keeps a second copy of the key and two sets of buckets: 100 bytes
 * more for each connection, and one more cache miss for each packet.
 *
 * Limits: the number of entries is fixed. When all are in use, what has expired goes first, then
 * of the connections that are not assured (TCP: before the handshake is done; others: before an
 * answer) the one that has been silent the longest, then of those that are closing, as Linux does
 * under pressure; when there is none of these, a new connection is refused. A source that holds
 * more than its share of these (an eighth, and at least 16) does not make room but is refused: a
 * flood from one address does not push out the handshakes of others.
 *
 * Time is a counter (TSC cycles) given by the caller; it must not run backwards. It is kept in
 * milliseconds. An entry is never used after its time, but may be counted for up to a second
 * longer.
 *
 * Threads: a table belongs to one worker, which alone may call the functions that change it; none
 * of them allocates, locks or calls the system. hf_ct_count(), hf_ct_read() and hf_ct_read_stats()
 * may be called by any thread at any time; an entry is read as it was at one moment, or not at all.
 */

#pragma once

#include "key.h"
#include "sctp.h"
#include "tcp.h"

#include <hepflow/net.h>

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_ct_table;
struct rte_mbuf;

#define HF_CT_ZONE_MAX 0xffffffu

/* The form in which both directions of a connection are the same. IPv4 uses two words of it. */
struct hf_ct_key {
	uint64_t w[5];
};

/* What a packet is, and what becomes of the table if it goes on. */
struct hf_ct_view {
	enum hf_ct ct;
	bool make;	 /* worth an entry */
	bool renew;	 /* there is an entry of an older connection between the same ports */
	bool known;	 /* there is one of this connection */
	bool forwarded;	 /* as given to hf_ct_commit() when the entry was made */
	bool translated; /* as given to hf_ct_commit() at some time */
	bool refresh;	 /* the entry's time begins anew */
	bool end;	 /* the entry goes */
	uint8_t from;	 /* which endpoint of the key sent it */
	uint8_t reply;	 /* sent by the end that was called */
	uint8_t timer;
	uint8_t kind; /* of an ICMP message */
	uint8_t family;
	uint32_t zone;
	uint32_t judged; /* as given to hf_ct_commit() when the entry was made or judged last */
	uint32_t bucket;
	uint32_t at;
	struct hf_ct_key key;
	union { /* by the protocol; afterwards */
		struct hf_tcp_track tcp;
		struct hf_sctp_track sctp;
	};
};

/*
 * One for each time that entries may live; the TCP states come first, by their own numbers. Names
 * and defaults: hf_ct_timers.
 */
enum hf_ct_timer {
	HF_CT_TCP_UNACKED = HF_TCP_N_STATES,
	HF_CT_TCP_RETRANS,
	HF_CT_UDP_NEW,
	HF_CT_UDP,
	HF_CT_ICMP,
	HF_CT_GENERIC,
	HF_CT_SCTP, /* the first of SCTP's states */
	HF_CT_SCTP_LAST = HF_CT_SCTP + HF_SCTP_N_STATES - 1,
	HF_CT_N_TIMERS,
};

struct hf_ct_timer_info {
	const char *name; /* of the key in hepflowd's configuration; NULL: not to be set */
	uint32_t seconds; /* Linux's default (Documentation/networking/nf_conntrack-sysctl) */
	bool closing; /* the ends have said goodbye: may make room (nf_conntrack: can_early_drop) */
};

extern const struct hf_ct_timer_info hf_ct_timers[HF_CT_N_TIMERS];

#define HF_CT_SECONDS_MAX (30u * 24 * 3600) /* well below where a counter of milliseconds wraps */

struct hf_ct_opts {
	uint32_t max_entries;		  /* of each family */
	uint64_t hz;			  /* cycles a second, at least 1000 */
	int socket;			  /* NUMA node the memory comes from, or SOCKET_ID_ANY */
	uint32_t seconds[HF_CT_N_TIMERS]; /* 0: the default */
};

/* Events since the table was made; one writer, readable by any thread. */
struct hf_ct_stats {
	uint64_t made;
	uint64_t expired;
	uint64_t flushed;
	uint64_t evicted; /* half open or closing, thrown out before their time to make room */
	uint64_t refused; /* no room, and nothing to throw out */
	uint64_t refused_share; /* the source has more than its share */
	uint64_t half_open;	/* entries now that are not assured */
};

struct hf_ct_info {
	uint32_t zone;
	uint8_t proto;
	uint8_t tcp_state;
	uint8_t sctp_state;
	bool replied;
	bool assured;
	bool translated;
	bool forwarded; /* as in struct hf_ct_view, like the next */
	uint32_t judged;
	uint64_t ticket;
	struct hf_addr src; /* of the end that called */
	struct hf_addr dst;
	uint16_t sport; /* ICMP: identifier */
	uint16_t dport; /* ICMP: type of the query << 8 | code */
	uint64_t expires;
	uint64_t packets[2]; /* by the end that called; by the other */
	uint64_t bytes[2];
};

/* Errors: -ENOMEM, -EINVAL. */
int hf_ct_new(const struct hf_ct_opts *opts, struct hf_ct_table **ret, struct hf_err *err);
void hf_ct_free(struct hf_ct_table *ct);
/* Bytes in use for n connections of a family, all that grows with their number. */
size_t hf_ct_memory(uint8_t family, uint32_t n);

/*
 * m is needed for what an ICMP error quotes, and for TCP options. Later fragments are not for this
 * table. zone is at most HF_CT_ZONE_MAX.
 */
void hf_ct_find(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint64_t now, struct hf_ct_view *ret);

/* hf_ct_find() in three steps. The first two read nothing that changes. */
void hf_ct_aim(const struct hf_ct_table *ct, const struct hf_pkt *pkt, uint32_t zone,
	struct hf_ct_view *ret);
void hf_ct_fetch(const struct hf_ct_table *ct, const struct hf_ct_view *view);
void hf_ct_look(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint64_t now, struct hf_ct_view *view);

/* What hf_ct_commit() keeps in an entry. */
struct hf_ct_note {
	bool forwarded;	 /* of a new one */
	bool translated; /* from now on (xlat.h) */
	uint32_t judged; /* generation of the policy that has allowed it; 0: as it was */
};

/*
 * The packet of the view goes on: bytes long. The table must not have been touched since
 * hf_ct_look(). view->at becomes the place of a new connection. -ENOSPC: a new connection, and no
 * room for it; -EDQUOT: and its source has more than its share. The packet must be dropped then.
 */
int hf_ct_commit(struct hf_ct_table *ct, struct hf_ct_view *view, uint64_t now, uint32_t bytes,
	struct hf_ct_note note);

/*
 * The connection of the view is refused although it was assured: it is among the first that make
 * room from now on, and is forgotten no later than one that is not acknowledged. Instead of
 * hf_ct_commit().
 */
void hf_ct_demote(struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now);

/*
 * For the entry of a view that hf_ct_commit() has kept: packets so far in the direction of the
 * view's packet, the low 32 bits; and a ticket, by which hf_ct_read_ticket() finds both again. The
 * bits of HF_CT_TICKET_SPARE are the caller's.
 */
#define HF_CT_TICKET_SPARE 30 /* the lowest one */
#define HF_CT_TICKET_BITS  16
#define HF_CT_TICKET_REPLY (UINT64_C(1) << 47) /* set in the direction of replies */
uint32_t hf_ct_packets(const struct hf_ct_table *ct, const struct hf_ct_view *view);
uint64_t hf_ct_ticket(const struct hf_ct_table *ct, const struct hf_ct_view *view);

/* Is it still the same connection, forgotten or not? */
bool hf_ct_has_ticket(const struct hf_ct_table *ct, uint64_t ticket);
/* The connection, of either direction, to which a packet like this one belongs. False: none. */
bool hf_ct_find_ticket(struct hf_ct_table *ct, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, uint64_t *ret_ticket);
/* The connection of such a view: some of its packets will not be seen (tcp.h). */
void hf_ct_loosen(struct hf_ct_table *ct, const struct hf_ct_view *view);
/* A packet of the ticket's connection has passed elsewhere. False: there is no such connection. */
bool hf_ct_touch(struct hf_ct_table *ct, uint64_t ticket, uint64_t now);

/* Removes at most max expired entries. Returns how many. */
unsigned int hf_ct_expire(struct hf_ct_table *ct, uint64_t now, unsigned int max);

/* Which entries hf_ct_flush() removes: those that all that is set agrees with. */
struct hf_ct_filter {
	uint32_t zone;	      /* 0: any */
	uint8_t proto;	      /* 0: any */
	struct hf_prefix src; /* of the end that called; family 0: any */
	struct hf_prefix dst;
	uint16_t sport; /* 0: any */
	uint16_t dport;
};

/*
 * Looks at the next max places and removes what fits; *at is 0 to begin with. False once all places
 * have been looked at.
 */
bool hf_ct_flush(
	struct hf_ct_table *ct, const struct hf_ct_filter *filter, uint32_t *at, unsigned int max);

/* From here on: by any thread. */

uint32_t hf_ct_count(const struct hf_ct_table *ct);
uint32_t hf_ct_size(const struct hf_ct_table *ct); /* bound for the index of hf_ct_read() */
/* False if there is no connection at this place. */
bool hf_ct_read(const struct hf_ct_table *ct, uint32_t i, struct hf_ct_info *ret);
/* As hf_ct_read(): false also if another connection is there now. *ret_reply: the direction. */
bool hf_ct_read_ticket(
	const struct hf_ct_table *ct, uint64_t ticket, struct hf_ct_info *ret, bool *ret_reply);
void hf_ct_read_stats(const struct hf_ct_table *ct, struct hf_ct_stats *ret);
bool hf_ct_filter_fits(const struct hf_ct_filter *filter, const struct hf_ct_info *info);
