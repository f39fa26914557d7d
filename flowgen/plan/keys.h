/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Keys: the points (stab.h) that rules of an uplink name, for engines whose entries are exact.
 *
 * Keys of a kind and of the fields by are made of the items' own constants; for "any destination"
 * stand the addresses that the item's path leads to. Each is judged by the lists of all paths that
 * a packet of it may take.
 */

#pragma once

#include "sight.h"
#include "stab.h"

/* Most of one kind and by; beyond, what they are for stays in software. */
#define KEYS_MAX 262144

/* Fields that are not exact have NET_NONE and 0. */
struct key {
	struct point point;
	uint32_t origin;
	enum hf_fate fate;
};

/* No two are the same. */
struct keys {
	size_t n, cap;
	struct key *v;
	struct slots slots;
};
void hf_keys_fini(struct keys *keys);

/* What is needed of a path, by family. */
struct key_path {
	struct faces faces[2];
	uint32_t *dests[2]; /* nets: addresses that lead to it */
	size_t n_dests[2];
};

struct key_host {
	const struct sight_host *host;
	struct nets nets;
	struct key_path *paths; /* as those of host */
	const struct cube *kinds[2];
	size_t n_kinds;
};

/*
 * kinds: n regions that name protocols only, for each of the families. They and the host must
 * stay. Returns 0 or -ENOMEM; the caller calls fini in any case.
 */
int hf_key_host_init(struct key_host *h, const struct sight_host *host,
	const struct cube *const kinds[2], size_t n_kinds);
void hf_key_host_fini(struct key_host *h);

/* Which keys: of a kind, exact in the fields of by. */
struct key_form {
	uint8_t family;
	uint8_t kind;
	uint8_t by;
};

/* At least as many as there are keys of a form, up to KEYS_MAX; found without making them. */
size_t hf_keys_most(const struct key_host *h, struct key_form form);
/* All keys of a form, up to KEYS_MAX, unjudged. Returns 0 or -ENOMEM. */
int hf_keys_gather(struct key_host *h, struct key_form form, struct keys *ret);
/* Gives them their fates and origins: PUNT where packets of a key have several. 0 or -ENOMEM. */
int hf_keys_judge(struct key_host *h, struct key_form form, struct keys *keys);
/* Whether a key of the form may be denied at all. */
bool hf_keys_may_deny(const struct key_host *h, struct key_form form);
/* By destination, its port, source, its port. Returns 0 or -ENOMEM. */
int hf_keys_sort(const struct key_host *h, struct key_form form, struct keys *keys);
