/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Handover: connections from the software path to the NICs of their uplinks.
 *
 * Workers offer connections that are busy (driver/soft/offer.c), the NIC takes them
 * (driver/flow/conns.c); what is here asks one and tells the other, some times a second.
 *
 * Threads: the control thread.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_daemon;
struct hf_err;
struct hf_flow_hits;
struct hf_soft_conn;
struct hf_wire;

#define HF_HANDOVER_MS 100 /* between two calls of hf_handover_poll() */

/* If the configuration asks for it and the profile can; if only the latter is missing, a warning
 * says so. -ENOMEM. */
int hf_handover_open(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err);
/* Removes all connections of the wire from its NIC. */
void hf_handover_close(struct hf_wire *w);
void hf_handover_poll(struct hf_daemon *d);
/* The rules have changed: where the NIC delivers connections by itself, those that were allowed by
 * older ones come back to software. -EIO: some do not. */
int hf_handover_purge(const struct hf_daemon *d, struct hf_wire *w, struct hf_err *err);

/* Connections in the NICs, or on their way there or back. */
uint64_t hf_handover_count(const struct hf_daemon *d);
/* Whether a direction of the connection is in the NIC, and what that has counted of it. */
bool hf_handover_find(const struct hf_daemon *d, const struct hf_soft_conn *conn, bool reply,
	struct hf_flow_hits *ret);

/* A number as people and as programs call it. */
struct hf_named_count {
	const char *name;
	const char *key;
	uint64_t value;
};

#define HF_HANDOVER_STATS 15

/* For offload/stats-show: how many were written; 0 if the wire hands over none. */
size_t hf_handover_read_stats(
	const struct hf_wire *w, struct hf_named_count ret[static HF_HANDOVER_STATS]);
