/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Denied: one table for what rules behind connection tracking deny.
 *
 * Such a rule drops what can only open a connection and punts the rest, in front of what later
 * rules allow: two entries and two priorities. Where all such rules jump to a table that does both,
 * each is one entry. The price: that entry counts what is punted, too, so how many packets the NIC
 * has denied by a rule is not known (driver/flow). Hence rules have two entries as long as
 * everything fits, or nothing is asked for (hf_plan_opts.short_denies).
 */

#pragma once

#include <stdint.h>

struct builder;

/* Most entries of the table. */
#define HF_DENIED_SIZE 9

/* Adds the table behind those of the paths. Returns 0 or -ENOMEM. */
int hf_denied_add(struct builder *b);
/* Emits its entries, before those of tables that jump to it. Returns 0 or -ENOMEM. */
int hf_denied_lower(struct builder *b);
/* Takes table and entries away again if no other entry jumps there. */
void hf_denied_prune(struct builder *b);
