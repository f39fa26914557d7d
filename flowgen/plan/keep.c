/* SPDX-License-Identifier: BSD-3-Clause */

#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flat_keep *hf_keep_new(const struct builder *b, const struct sight_host *host)
{
	struct flat_keep *keep = calloc(1, sizeof(*keep));

	if (!keep)
		return NULL;
	keep->in = b->in;
	keep->opts = b->items;
	keep->nic = malloc(sizeof(*keep->nic));
	if (keep->nic)
		memcpy(keep->nic, b->nic, sizeof(*keep->nic));
	if (!keep->nic || hf_key_host_init(&keep->keys, host) < 0) {
		hf_keep_free(keep);
		return NULL;
	}
	return keep;
}

void hf_keep_free(struct flat_keep *keep)
{
	if (!keep)
		return;
	hf_key_host_fini(&keep->keys);
	free(keep->nic);
	free(keep);
}

/* Padding may differ without need: then it is made anew. */
static bool is_for(const struct flat_keep *keep, const struct builder *b)
{
	return keep->in == b->in && keep->opts.fallback == b->items.fallback &&
	       keep->opts.strict_invalid == b->items.strict_invalid &&
	       memcmp(keep->nic, b->nic, sizeof(*keep->nic)) == 0;
}

struct flat_keep *hf_keep_take(const struct builder *b, const struct sight_host *host)
{
	struct flat_keep *keep = NULL;

	if (b->previous && b->previous->keep)
		keep = atomic_exchange(&b->previous->keep->v, NULL);
	if (keep && is_for(keep, b) && hf_key_host_follow(&keep->keys, host) == 0)
		return keep;
	hf_keep_free(keep);
	return NULL;
}

/* False when they are too many, or not all. */
static bool is_whole(const struct key_host *h)
{
	size_t v6, kind, by, n = 0;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 1; by <= BY_ALL; by++) {
				if (h->sets[v6][kind][by].full)
					return false;
				n += h->sets[v6][kind][by].keys.n;
			}
		}
	}
	return n <= KEEP_KEYS_MAX;
}

int hf_keep_leave(struct hf_plan *plan, struct flat_keep *take_keep)
{
	if (!is_whole(&take_keep->keys)) {
		hf_keep_free(take_keep);
		return 0;
	}
	take_keep->keys.host = NULL;
	plan->keep = calloc(1, sizeof(*plan->keep));
	if (!plan->keep) {
		hf_keep_free(take_keep);
		return -ENOMEM;
	}
	atomic_init(&plan->keep->v, take_keep);
	return 0;
}

void hf_keep_box_free(struct keep_box *box)
{
	if (!box)
		return;
	hf_keep_free(atomic_load(&box->v));
	free(box);
}
