/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Translated connections: calls to a service that were sent to one of its backends here, and not by
 * the kernel behind.
 *
 * A table beside the connection table (ct.h): an entry belongs to one connection there, of which it
 * has the ticket, and is found by that on the way in and by the tuple of the answers on the way
 * out. It ends with its connection; what the connection table has forgotten is swept behind it, and
 * never found.
 *
 * Memory: about 120 bytes an entry with its buckets, of a fixed number.
 *
 * Threads: as the connection table: one worker; hf_xlat_count() and hf_xlat_read() are for any
 * thread. Nothing here allocates, locks or calls the system but new and free.
 */

#pragma once

#include "ct.h"

#include <hepflow/net.h>

#include <stdbool.h>
#include <stdint.h>

struct hf_xlat_table;

/* What callers call, and who answers. */
struct hf_xlat {
	struct hf_addr service, backend;
	uint16_t service_port, backend_port;
	uint16_t ports; /* 0: they are not looked at, and stay */
};

/* -ENOMEM. */
int hf_xlat_new(uint32_t max, int socket, struct hf_xlat_table **ret);
void hf_xlat_free(struct hf_xlat_table *x);

/* By a ticket of the connection, of either direction; NULL if it is not translated. */
const struct hf_xlat *hf_xlat_find(const struct hf_xlat_table *x, uint64_t ticket);
/* Of the connection in ct whose callers, behind the translation, have this tuple. */
const struct hf_xlat *hf_xlat_find_behind(struct hf_xlat_table *x, const struct hf_ct_table *ct,
	const struct hf_ct_key *key, uint8_t family);

/* Is there room for one more? Looks for entries that are over if there is none. */
bool hf_xlat_has_room(struct hf_xlat_table *x, const struct hf_ct_table *ct);
/* There must be room. One that the connection has already is replaced. */
const struct hf_xlat *hf_xlat_add(struct hf_xlat_table *x, uint64_t ticket,
	const struct hf_ct_key *behind, const struct hf_xlat *xlat);
/* Looks at the next max places, and removes what is over. */
void hf_xlat_sweep(struct hf_xlat_table *x, const struct hf_ct_table *ct, unsigned int max);

/* By any thread. */
uint32_t hf_xlat_count(const struct hf_xlat_table *x);
/* False if it is not there, or is changing. */
bool hf_xlat_read(const struct hf_xlat_table *x, uint64_t ticket, struct hf_xlat *ret);
