/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fragments: the first one of a datagram has the ports and is judged; the others follow it.
 *
 * The table remembers what became of first fragments. A datagram is known by its zone (one wire),
 * addresses, identification and, in IPv4, protocol (RFC 791; RFC 8200 4.5). A later fragment that
 * reaches back into the first one, where the ports are, is refused (RFC 1858, RFC 5722).
 *
 * A later fragment that comes before its first is not kept until then but refused. The kernel
 * behind reassembles only what was let pass, so that nothing gets in by fragments of its own.
 *
 * Limits: a fixed number of datagrams; the oldest makes room for a new one. An entry lives 30
 * seconds from its first fragment, as in Linux (net.ipv4.ipfrag_time).
 *
 * Threads: one worker. Nothing here allocates, locks or calls the system but new and free.
 */

#pragma once

#include "key.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_err;
struct hf_frag_table;

enum hf_frag_fate {
	HF_FRAG_UNKNOWN, /* its first fragment was not seen, or too long ago */
	HF_FRAG_OVERLAP,
	HF_FRAG_DROP, /* as the first one was */
	HF_FRAG_PASS,
};

struct hf_frag_opts {
	uint32_t max_entries;
	uint64_t hz; /* cycles a second */
	int socket;
};

/* Errors: -ENOMEM, -EINVAL. */
int hf_frag_new(const struct hf_frag_opts *opts, struct hf_frag_table **ret, struct hf_err *err);
void hf_frag_free(struct hf_frag_table *frag);

/* Notes what became of a first fragment. */
void hf_frag_first(struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, bool pass);

enum hf_frag_fate hf_frag_later(
	struct hf_frag_table *frag, const struct hf_pkt *pkt, uint32_t zone, uint64_t now);

void hf_frag_expire(struct hf_frag_table *frag, uint64_t now, unsigned int max);

/* By any thread: entries in use, and how many had to make room so far. */
uint32_t hf_frag_count(const struct hf_frag_table *frag);
uint64_t hf_frag_evicted(const struct hf_frag_table *frag);
