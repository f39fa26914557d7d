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
 *   - what no connection in that state could have sent is INVALID;
 *   - IPv6 neighbour discovery and multicast listener messages are UNTRACKED.
 *
 * Two steps, because a packet that policy refuses must leave no trace: hf_ct_find() only looks,
 * hf_ct_commit() enters or moves the connection when the packet goes on.
 *
 * Limits: the number of entries is fixed. When all are in use, what has expired goes first, then
 * the oldest connection that is not assured (TCP: before the handshake is done; others: before an
 * answer), as Linux does under pressure; when there is none of these, a new connection is refused.
 *
 * Time is a counter (TSC cycles) given by the caller; it must not run backwards. An entry is never
 * used after its time, but may be counted for up to a second longer.
 *
 * Threads: a table belongs to one worker, which alone may call hf_ct_find(), hf_ct_commit() and
 * hf_ct_expire(); none of them allocates, locks or calls the system. hf_ct_count() and hf_ct_read()
 * may be called by any thread at any time; an entry is read as it was at one moment, or not at all.
 */

#pragma once

#include "key.h"

#include <hepflow/net.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_err;
struct hf_ct_table;
struct hf_ct_entry;
struct rte_mbuf;

/* The form in which both directions of a connection are the same. No holes: it is hashed. */
struct hf_ct_key {
	uint8_t addr[2][16]; /* the lower endpoint first */
	uint16_t port[2];    /* ICMP: identifier; type of the query << 8 | code */
	uint32_t zone;
	uint8_t proto;
	uint8_t family;
	uint8_t side; /* ICMP: which endpoint asks; one each for the queries of either side */
	uint8_t zero[5];
};
static_assert(sizeof(struct hf_ct_key) == 48, "rte_hash compares keys of 48 bytes fastest");

/* What a packet is, and what becomes of the table if it goes on. */
struct hf_ct_view {
	enum hf_ct ct;
	struct hf_ct_entry *entry; /* NULL: none is known */
	bool make;		   /* worth an entry */
	bool renew;		   /* entry is of an older connection between the same ports */
	bool forwarded;		   /* as given to hf_ct_commit() when the entry was made */
	uint8_t from;		   /* which endpoint of the key sent it */
	uint8_t tcp;		   /* enum hf_tcp_state afterwards */
	uint32_t hash;
	struct hf_ct_key key;
};

struct hf_ct_opts {
	uint32_t max_entries;
	uint64_t hz; /* cycles a second */
	int socket;  /* NUMA node the memory comes from, or SOCKET_ID_ANY */
};

/* Events since the table was made; one writer, readable by any thread. */
struct hf_ct_stats {
	uint64_t made;
	uint64_t expired;
	uint64_t evicted; /* thrown out before their time */
};

struct hf_ct_info {
	uint32_t zone;
	uint8_t proto;
	uint8_t tcp_state;
	bool replied;
	bool assured;
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

/* m is needed for what an ICMP error quotes. Later fragments are not for this table. */
void hf_ct_find(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint64_t now, struct hf_ct_view *ret);

/*
 * The packet of the view goes on: bytes long; forwarded is kept in a new entry. The table must not
 * have been touched since hf_ct_find(). -ENOSPC: a new connection, and no room for it; the packet
 * must be dropped.
 */
int hf_ct_commit(struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now,
	uint32_t bytes, bool forwarded);

/* Removes at most max expired entries. Returns how many. */
unsigned int hf_ct_expire(struct hf_ct_table *ct, uint64_t now, unsigned int max);

/* From here on: by any thread. */

uint32_t hf_ct_count(const struct hf_ct_table *ct);
uint32_t hf_ct_size(const struct hf_ct_table *ct); /* bound for the index of hf_ct_read() */
/* False if there is no connection at this place. */
bool hf_ct_read(const struct hf_ct_table *ct, uint32_t i, struct hf_ct_info *ret);
void hf_ct_read_stats(const struct hf_ct_table *ct, struct hf_ct_stats *ret);
