/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fragments: the first one of a datagram has the ports and is judged; the others follow it.
 *
 * Virtual reassembly: nothing is put together, but of every datagram in the making the table knows
 * which bytes have come and what became of its first fragment. A datagram is known by its zone
 * (here: a wire and a direction), addresses, identification and, in IPv4, protocol (RFC 791; RFC
 * 8200 4.5). It is forgotten when all of it has come.
 *
 *   - A later fragment that comes before its first is kept until that has been judged, and then has
 *     its fate.
 *   - Bytes that have come already are a duplicate and dropped, as in Linux. Bytes of which some
 *     have come are an overlap: everything of that datagram that is still to come is dropped
 *     (RFC 5722; RFC 8200 4.5; Linux does so in IPv4, too). So does a second end.
 *   - The kernel behind reassembles only what was let pass, so that nothing gets in by fragments of
 *     its own.
 *
 * Limits: a fixed number of datagrams, HF_FRAG_RANGES_MAX pieces of one with gaps between them, and
 * a fixed number of fragments that are kept; the oldest makes room for a new one. An entry lives 30
 * seconds from its first packet, as in Linux (net.ipv4.ipfrag_time).
 *
 * Threads: one worker. Nothing here allocates, locks or calls the system but new and free.
 */

#pragma once

#include "key.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_err;
struct hf_frag_table;
struct rte_mbuf;

#define HF_FRAG_RANGES_MAX 8

enum hf_frag_fate {
	HF_FRAG_UNKNOWN, /* its first fragment never came, or there is no room to wait for it */
	HF_FRAG_DUPLICATE,
	HF_FRAG_OVERLAP,
	HF_FRAG_DROP, /* as the first one was */
	HF_FRAG_PASS,
	HF_FRAG_HELD, /* the table has it now */
	HF_FRAG_N_FATES,
};

struct hf_frag_opts {
	uint32_t max_entries;
	uint32_t max_held; /* fragments kept until their first has come */
	uint64_t hz;	   /* cycles a second */
	int socket;
};

/* Errors: -ENOMEM, -EINVAL. */
int hf_frag_new(const struct hf_frag_opts *opts, struct hf_frag_table **ret, struct hf_err *err);
/* Frees what is kept, too. */
void hf_frag_free(struct hf_frag_table *frag);

/*
 * Before a first fragment is judged: HF_FRAG_PASS if it is to be, otherwise what it is. Then
 * hf_frag_first() notes what became of it, and decides about those that have waited for it. to: the
 * address that the others shall be given as well, when they are passed on; NULL: they stay.
 */
enum hf_frag_fate hf_frag_check_first(
	struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone, uint64_t now);
void hf_frag_first(struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, bool pass, const struct hf_addr *to);

/*
 * m becomes the table's if the fate is HF_FRAG_HELD; tag is given back with it. *ret_to is set if
 * it is HF_FRAG_PASS: the address it shall be given, or none (family 0).
 */
enum hf_frag_fate hf_frag_later(struct hf_frag_table *frag, struct rte_mbuf *m,
	const struct hf_pkt *pkt, uint32_t zone, uint32_t tag, uint64_t now,
	struct hf_addr *ret_to);

void hf_frag_expire(struct hf_frag_table *frag, uint64_t now, unsigned int max);

/*
 * The next fragment that was kept and whose fate is decided, the caller's again; NULL when there is
 * none: of those that go on and have this tag, or of the others. Both must be called until they
 * give NULL before the next fragment may be kept.
 */
struct rte_mbuf *hf_frag_next_pass(
	struct hf_frag_table *frag, uint32_t tag, struct hf_addr *ret_to);
struct rte_mbuf *hf_frag_next_drop(
	struct hf_frag_table *frag, uint32_t *ret_tag, enum hf_frag_fate *ret_fate);

/* By any thread. */
struct hf_frag_stats {
	uint32_t entries;
	uint32_t held;
	uint64_t held_ever;
	uint64_t completed; /* datagrams of which all has come */
	uint64_t expired;   /* before */
	uint64_t evicted;   /* to make room, before */
};
void hf_frag_read_stats(const struct hf_frag_table *frag, struct hf_frag_stats *ret);
