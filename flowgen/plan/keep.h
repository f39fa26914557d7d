/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Keep: what a plan of exact entries (flat.c) hands on to the plan that follows it: its keys and
 * what has been found out about them. One plan can take it. A plan whose keep is gone is followed
 * by one that is made anew, which makes no difference but in time.
 */

#pragma once

#include "build.h"
#include "keys.h"

struct flat_keep {
	struct key_host keys;
	/* All that it depends on besides the rules of the host. */
	struct hf_nic *nic;
	uint16_t in;
	struct items_opts opts;
};

/* Keys of more, or of less than all that rules ask for, are not handed on. */
#define KEEP_KEYS_MAX 500000

/* For one plan; with init of its keys. NULL: out of memory. */
struct flat_keep *hf_keep_new(const struct builder *b, const struct sight_host *host);
void hf_keep_free(struct flat_keep *keep);
/* That of the plan before, following it to this host; NULL when there is none that can. */
struct flat_keep *hf_keep_take(const struct builder *b, const struct sight_host *host);
/* Takes it from the caller, even if it fails. Returns 0 or -ENOMEM. */
int hf_keep_leave(struct hf_plan *plan, struct flat_keep *take_keep);
