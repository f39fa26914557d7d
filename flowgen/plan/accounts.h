/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Accounts: what became of each origin. Of a plan with a memory they are made when somebody asks:
 * that takes a walk over all entries, which a small change need not pay for.
 */

#pragma once

#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct builder;

/* How often an origin came out how, and the first reason for what did not. */
struct tally {
	uint32_t decided;
	uint32_t punted;
	enum hf_reason reason;
	uint32_t detail;
	bool reached; /* on a path of this uplink */
	bool alive;   /* on some path of this host */
};

struct accounts;

/* Tallies something that is not in hardware. */
void hf_tally_miss(struct tally *t, enum hf_reason reason, uint32_t detail);
/*
 * Of the builder's plan, which has its entries by now. Takes the builder's weights and tallies.
 * NULL when out of memory.
 */
struct accounts *hf_accounts_new(struct builder *b);
void hf_accounts_free(struct accounts *a);
