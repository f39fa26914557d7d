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

#include <stdint.h>
#include <stdio.h>

struct hf_daemon;
struct hf_err;
struct hf_soft_conn;
struct hf_wire;

#define HF_HANDOVER_MS 100 /* between two calls of hf_handover_poll() */

/* If the configuration asks for it and the profile can; if only the latter is missing, a warning
 * says so. -ENOMEM. */
int hf_handover_open(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err);
/* Removes all connections of the wire from its NIC. */
void hf_handover_close(struct hf_wire *w);
void hf_handover_poll(struct hf_daemon *d);

/* Connections in the NICs, or on their way there or back. */
uint64_t hf_handover_count(const struct hf_daemon *d);
/* For conntrack/dump: ",offloaded=(dir=orig,packets=N,bytes=N)" for each direction that is in the
 * NIC. */
void hf_handover_print_conn(const struct hf_daemon *d, const struct hf_soft_conn *conn, FILE *out);
/* For offload/stats-show. Nothing if the wire hands over none. */
void hf_handover_print_stats(const struct hf_wire *w, FILE *out);
