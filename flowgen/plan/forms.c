/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Forms of a grouped plan: which tables are in front, and whether denies are long or short.
 *
 * No packet meets more than four tables behind the root: class and path, and of those in front two,
 * or one where denies are short and have a table of their own.
 */

#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS_MAX 20000000 /* items that answers are held against: a tenth of a second or so */

/* How a plan may be put, besides as the plainest. */
struct form {
	bool fronts; /* with tables in front where they save entries */
	bool short_denies;
	bool memory;
};

/* How often more of the plan before is made anew for want of priorities, before all is. */
#define TRIES_MAX 3

/* What one way of lowering makes. */
struct attempt {
	struct builder builder;
	struct hf_plan plan;
};

static void drop_attempt(struct attempt *a)
{
	hf_vec_fini(&a->builder.tables);
	hf_vec_fini(&a->builder.entries);
	free(a->builder.tallies);
	hf_memory_free(a->plan.memory);
}

static void put_maps(struct builder *b, struct addr_map *src, struct addr_map *dst)
{
	b->plan->addrs[0] = src;
	b->plan->addrs[1] = dst;
	if (src)
		hf_addr_map_place(src, 0);
	if (dst)
		hf_addr_map_place(dst, src ? src->width : 0);
	b->items.addrs[0] = src;
	b->items.addrs[1] = dst;
}

/* Puts those in front that save most, at most so many. */
static int choose_fronts(struct builder *b, size_t most)
{
	struct addr_map *src = most ? b->maps[0] : NULL, *dst = most ? b->maps[1] : NULL;
	struct port_map *ports = &b->plan->ports;
	int64_t saves;
	int rc;

	b->plan->ports = (struct port_map){0};
	put_maps(b, NULL, NULL);
	if (most == 0)
		return 0;
	if (src && dst && most < 2) {
		src = src->saves >= dst->saves ? src : NULL;
		dst = src ? NULL : dst;
	}
	put_maps(b, src, dst);
	rc = hf_port_map_choose(b, hf_addr_map_mask(src) | hf_addr_map_mask(dst), ports, &saves);
	if (rc < 0 || !ports->used || (size_t) !!src + !!dst + 1 <= most)
		return rc;
	/* One too many: the one that saves least goes. */
	if (src && src->saves < saves && (!dst || src->saves <= dst->saves))
		src = NULL;
	else if (dst && dst->saves < saves)
		dst = NULL;
	else
		ports->used = false;
	if (!ports->used) {
		*ports = (struct port_map){0};
		return 0;
	}
	put_maps(b, src, dst);
	return hf_port_map_choose(b, hf_addr_map_mask(src) | hf_addr_map_mask(dst), ports, &saves);
}

/* How many entries there will be. */
static size_t size_of(const struct attempt *a)
{
	struct builder b = a->builder;
	struct hf_plan plan = a->plan;

	b.plan = &plan;
	return b.entries.n + (b.tables.n ? hf_front_size(&b) : 0);
}

/* With fewer tables in front a short form may have more entries than the long one. */
static bool better_than(const struct builder *b, const struct attempt *before, bool few)
{
	struct attempt now = {*b, *b->plan};

	if (b->fitted != before->builder.fitted)
		return b->fitted > before->builder.fitted;
	return few && size_of(&now) < size_of(before);
}

/* Tries a form and keeps what gets further, or of equals, if few is asked for, what has fewer
 * entries; the first one in any case. */
static int try_form(
	struct builder *b, struct path_table *pts, const struct form *form, bool first, bool few)
{
	struct attempt before = {*b, *b->plan};
	int rc;

	memset(&b->tables, 0, sizeof(b->tables));
	memset(&b->entries, 0, sizeof(b->entries));
	b->tallies = calloc(hf_rules_n_origins(b->rules) + 1, sizeof(*b->tallies));
	b->cut = b->ended = false;
	b->fitted = 0;
	b->denied = 0;
	b->short_denies = form->short_denies;
	b->misses = NULL;
	b->plan->memory = NULL;
	rc = b->tallies ? choose_fronts(b, form->fronts ? form->short_denies ? 1 : 2 : 0) : -ENOMEM;
	/* What an e-switch delivers hangs on what the host would answer: all of it. */
	if (rc == 0 && form->memory && !b->eswitch.on) {
		b->plan->memory = hf_memory_new(b);
		rc = b->plan->memory ? 0 : -ENOMEM;
	}
	if (rc == 0 && b->follows && !hf_memory_same_tags(b))
		rc = -EAGAIN;
	if (rc == 0)
		rc = hf_lower_tables(b, pts);
	if (rc == 0 && b->follows && (b->cut || b->ended))
		rc = -EAGAIN;
	if (rc == 0 && b->failed)
		rc = -ENOMEM;
	if (rc == 0 && (first || better_than(b, &before, few))) {
		drop_attempt(&before);
		return 0;
	}
	drop_attempt(&(struct attempt){*b, *b->plan});
	before.builder.avoid = b->avoid;
	*b = before.builder;
	*b->plan = before.plan;
	return rc;
}

/* As software judges what leaves by this interface with an address of this host. */
static int list_sent(struct builder *b)
{
	const struct hf_path *path = hf_rules_find_path(b->rules, HF_IF_HOST, HF_CLASS_REMOTE);
	const struct items_opts opts = {.fallback = b->items.fallback};
	int rc;

	/* What is invalid to software passes where hardware has delivered the other half. */
	if (!b->eswitch.on || b->items.strict_invalid || !path)
		return 0;
	b->looks = LOOKS_MAX;
	rc = hf_items_build(b->rules, path, b->in, 4, &opts, &b->sent[0]);
	return rc < 0 ? rc : hf_items_build(b->rules, path, b->in, 6, &opts, &b->sent[1]);
}

/* Keeps what has not changed since the plan before; -EAGAIN when all has to be made anew. */
static int try_follow(struct builder *b, struct path_table *pts)
{
	static const struct form form = {true, false, true};
	const struct hf_plan *before = b->previous;
	unsigned int tries;
	int rc;

	if (!before || strcmp(before->nic, b->plan->nic) != 0 ||
		strcmp(before->iface, b->plan->iface) != 0 || !hf_memory_fits(before->memory, b))
		return -EAGAIN;
	do {
		tries = b->avoid.tries;
		b->follows = before->memory;
		rc = try_form(b, pts, &form, true, false);
		if (rc == 0)
			rc = hf_lower_rest(b, pts);
		b->follows = NULL;
	} while (rc == -EAGAIN && b->avoid.tries > tries && tries < TRIES_MAX);
	return rc == -E2BIG ? -EAGAIN : rc;
}

/*
 * What does not fit is left out from the end, so of two forms the one that gets further is the
 * better one, at every capacity: with more room never less is decided. Tables in front cost room,
 * but no priorities.
 */
int hf_lower_grouped(struct builder *b)
{
	static const struct form forms[] = {
		{true, false, true}, {true, true}, {false, false}, {false, true}};
	struct path_table *pts = calloc(hf_rules_n_dests(b->rules) + 1, sizeof(*pts));
	const bool few = b->short_denies;
	bool first = true, followed = false;
	size_t i;
	int rc = pts ? hf_addr_maps_choose(b, b->maps) : -ENOMEM;

	if (rc == 0)
		rc = list_sent(b);
	if (rc == 0 && !few) {
		rc = try_follow(b, pts);
		followed = rc == 0;
		rc = rc == -EAGAIN ? 0 : rc;
	}
	for (i = 0; !followed && i < sizeof(forms) / sizeof(forms[0]) && rc == 0; i++) {
		bool asked = few && forms[i].fronts;

		if (!first && !asked && !b->cut && !(b->ended && forms[i].fronts))
			continue;
		rc = try_form(b, pts, &forms[i], first, few);
		if (rc == -E2BIG) /* rules without room: nothing is remembered */
			rc = try_form(b, pts, &(struct form){forms[i].fronts}, first, few);
		first = false;
	}
	if (rc == 0)
		put_maps(b, b->plan->addrs[0], b->plan->addrs[1]);
	if (rc == 0 && !followed)
		rc = hf_lower_rest(b, pts);
	for (i = 0; i < 2; i++) {
		if (b->maps[i] != b->plan->addrs[i])
			hf_addr_map_free(b->maps[i]);
		hf_items_fini(&b->sent[i]);
	}
	free(pts);
	return rc;
}
