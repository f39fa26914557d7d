/* SPDX-License-Identifier: BSD-3-Clause */

#include "nets.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const struct hf_prefix *p)
{
	uint64_t part[2];

	memcpy(part, p->addr.b, sizeof(part));
	part[0] = hf_hash_mix(part[0], p->len);
	return (uint32_t)(p->addr.family == 6 ? hf_hash_mix(part[0], part[1]) : part[0]);
}

/* Where the prefix is, or the empty slot where it would be. */
static struct slot *slot_of(const struct nets *nets, const struct hf_prefix *p, uint32_t hash)
{
	struct slot *slot;
	size_t i = hash;

	do {
		slot = hf_slots_next(&nets->slots, hash, &i);
	} while (slot->at != SLOT_EMPTY && !hf_prefix_equal(&nets->v[slot->at], p));
	return slot;
}

static int push(struct nets *nets, const struct hf_prefix *p)
{
	size_t cap = nets->cap ? nets->cap * 2 : 32;
	struct hf_prefix *v;

	if (nets->n == nets->cap) {
		v = reallocarray(nets->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		nets->v = v;
		nets->cap = cap;
	}
	nets->v[nets->n++] = *p;
	nets->lens[p->addr.family == 6][p->len / 64] |= UINT64_C(1) << p->len % 64;
	return 0;
}

int hf_nets_add(struct nets *nets, const struct hf_prefix *p, uint32_t *ret)
{
	uint32_t hash = hash_of(p);
	struct slot *slot;

	if (hf_slots_grow(&nets->slots) < 0)
		return -ENOMEM;
	slot = slot_of(nets, p, hash);
	if (slot->at == SLOT_EMPTY) {
		if (push(nets, p) < 0)
			return -ENOMEM;
		hf_slots_take(&nets->slots, slot, hash, nets->n - 1);
	}
	*ret = slot->at;
	return 0;
}

uint32_t hf_nets_find(const struct nets *nets, const struct hf_prefix *p)
{
	return nets->n ? slot_of(nets, p, hash_of(p))->at : NET_NONE;
}

size_t hf_nets_above(const struct nets *nets, uint32_t id, uint32_t ret[static NETS_ABOVE])
{
	const struct hf_prefix *inner = &nets->v[id];
	const uint64_t *lens = nets->lens[inner->addr.family == 6];
	size_t n = 0, word;

	for (word = 0; word <= inner->len / 64u; word++) {
		uint64_t left = lens[word];

		while (left) {
			struct hf_prefix p = *inner;
			uint32_t found;

			p.len = (uint8_t)(word * 64 + (size_t)__builtin_ctzll(left));
			left &= left - 1;
			if (p.len >= inner->len)
				break;
			hf_prefix_mask(&p);
			found = hf_nets_find(nets, &p);
			if (found != NET_NONE)
				ret[n++] = found;
		}
	}
	ret[n++] = id;
	return n;
}

void hf_nets_fini(struct nets *nets)
{
	free(nets->v);
	hf_slots_fini(&nets->slots);
	*nets = (struct nets){0};
}
