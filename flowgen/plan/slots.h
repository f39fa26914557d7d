/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Slots: where in a list something stands, by a hash of it. The list is the caller's; of what is in
 * it there is kept a number and the hash, so that what differs is seldom looked at.
 */

#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_EMPTY UINT32_MAX

struct slot {
	uint32_t hash;
	uint32_t at; /* number in the list, or SLOT_EMPTY */
};

struct slots {
	size_t n, room; /* room: a power of two, or 0; at most three quarters are taken */
	struct slot *v;
};

/*
 * The next slot that has this hash, or an empty one, from *i on, which the caller sets to the hash.
 * There must be room.
 */
static inline struct slot *hf_slots_next(const struct slots *slots, uint32_t hash, size_t *i)
{
	struct slot *slot;

	do {
		slot = &slots->v[(*i)++ & (slots->room - 1)];
	} while (slot->at != SLOT_EMPTY && slot->hash != hash);
	return slot;
}

/* Takes an empty slot that hf_slots_next() has given. */
static inline void hf_slots_take(struct slots *slots, struct slot *slot, uint32_t hash, size_t at)
{
	*slot = (struct slot){hash, (uint32_t)at};
	slots->n++;
}

/* Makes room for so many in all. Returns 0 or -ENOMEM. */
static inline int hf_slots_reserve(struct slots *slots, size_t n)
{
	struct slots more = {.room = slots->room ? slots->room : 64};
	size_t i, at;

	if (slots->room && 4 * n <= 3 * slots->room)
		return 0;
	while (4 * n > 3 * more.room)
		more.room *= 2;
	more.v = malloc(more.room * sizeof(*more.v));
	if (!more.v)
		return -ENOMEM;
	memset(more.v, 0xff, more.room * sizeof(*more.v));
	for (i = 0; i < slots->room; i++) {
		const struct slot *old = &slots->v[i];

		if (old->at == SLOT_EMPTY)
			continue;
		for (at = old->hash; more.v[at & (more.room - 1)].at != SLOT_EMPTY;)
			at++;
		hf_slots_take(&more, &more.v[at & (more.room - 1)], old->hash, old->at);
	}
	free(slots->v);
	*slots = more;
	return 0;
}

/* Makes room for one more. Returns 0 or -ENOMEM. */
static inline int hf_slots_grow(struct slots *slots)
{
	return hf_slots_reserve(slots, slots->n + 1);
}

static inline void hf_slots_fini(struct slots *slots)
{
	free(slots->v);
	*slots = (struct slots){0};
}
