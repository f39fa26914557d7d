/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Alike: source addresses that no list tells apart. The members of a set of addresses that no other
 * rule names are such: it is enough then to look at one of them.
 */

#pragma once

#include "stab.h"

struct alike {
	size_t n;	/* nets; 0: none are alike, or it is not worth while to know */
	uint32_t *rep;	/* of each net: the one that stands for it, mostly itself */
	uint32_t *next; /* the next one that is alike, or NET_NONE */
	uint32_t *size; /* of those that stand for others: how many they are */
};

/*
 * By all lists that packets may meet, both families among them. Faces that name an address for
 * which another one stands are taken out of the lists. Returns 0 or -ENOMEM.
 */
int hf_alike_init(
	struct alike *alike, struct faces *const *lists, size_t n_lists, const struct nets *nets);
void hf_alike_fini(struct alike *alike);

/* How many addresses a net stands for. */
static inline uint32_t hf_alike_size(const struct alike *alike, uint32_t net)
{
	return net < alike->n ? alike->size[net] : 1;
}

/* The one after a net, of those that it stands for; NET_NONE behind the last. */
static inline uint32_t hf_alike_next(const struct alike *alike, uint32_t net)
{
	return net < alike->n ? alike->next[net] : NET_NONE;
}
