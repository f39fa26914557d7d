/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What Linux calls local: broadcast and multicast are delivered to the host but not its own. */
static int add_local_set(struct build *b)
{
	static const struct hf_prefix loopback[] = {{{4, {127}}, 8}, {{6, {[15] = 1}}, 128}};
	const struct hf_model *model = b->model;
	HF_VEC(struct hf_prefix) nets = {0};
	size_t i, k;

	if (hf_vec_push(&nets, loopback[0]) < 0 || hf_vec_push(&nets, loopback[1]) < 0)
		b->rc = -ENOMEM;
	for (i = 0; i < model->n_ifaces; i++) {
		const struct hf_model_iface *iface = &model->ifaces[i];
		bool lo = i && i == b->rules->lo;

		for (k = 0; k < iface->n_addrs; k++) {
			struct hf_prefix net = iface->addrs[k];

			/* All of an IPv4 net on lo is local. */
			if (!lo || net.addr.family == 6)
				net.len = (uint8_t)hf_addr_bits(&net.addr);
			hf_prefix_mask(&net);
			if (hf_vec_push(&nets, net) < 0)
				b->rc = -ENOMEM;
		}
	}
	if (b->rc == 0)
		b->rules->local_set = hf_add_net_set(b, "addresses of this host", nets.v, nets.n);
	hf_vec_fini(&nets);
	return b->rc;
}

static int build_all(struct build *b)
{
	hf_notes_begin(b);
	(void)hf_add_origin(b, ""); /* becomes NO_ORIGIN, for it is the first */
	if (b->rc < 0 || hf_copy_facts(b) < 0 || add_local_set(b) < 0)
		return b->rc;
	hf_find_twins(b);
	hf_build_paths(b);
	return b->rc < 0 ? b->rc : hf_finish_table(b);
}

static void build_fini(struct build *b)
{
	hf_free_memos(b);
	hf_free_twins(b);
	hf_notes_free(b->notes);
	hf_vec_fini(&b->drafts);
	hf_vec_fini(&b->loose_sets);
	hf_arena_free(b->tmp);
	hf_rules_free(b->rules);
}

/*
 * One try, with notes or without. Nets, members and texts are the model's own: many, and nobody
 * changes them. The rest of what outlives the build lies in the pool, or with blocks and arrays.
 */
static int try(struct build *b, struct hf_notes *take_notes)
{
	int rc = -ENOMEM;

	b->notes = take_notes ? take_notes : hf_notes_new();
	b->rules = calloc(1, sizeof(*b->rules));
	b->tmp = b->arena = hf_arena_new();
	if (b->rules)
		b->rules->arena = hf_arena_new();
	if (b->notes && b->rules && b->tmp && b->rules->arena)
		rc = hf_arena_keep(b->rules->arena, b->model->arena);
	if (rc == 0)
		rc = hf_arena_keep(b->rules->arena, b->notes->pool);
	return rc < 0 ? rc : build_all(b);
}

/* With what previous has noted, if it still has it. */
static int build_next(struct build *b, struct hf_rules *previous)
{
	struct build again = {.model = b->model};
	struct hf_notes *notes = previous ? previous->notes : NULL;
	int rc;

	if (previous)
		previous->notes = NULL;
	b->previous = notes ? previous : NULL;
	rc = try(b, notes);
	if (rc != -EAGAIN)
		return rc;
	build_fini(b);
	*b = again;
	return try(b, NULL);
}

int hf_rules_build(const struct hf_model *model, struct hf_rules **ret, struct hf_err *err)
{
	return hf_rules_follow(model, NULL, ret, err);
}

int hf_rules_follow(const struct hf_model *model, struct hf_rules *previous, struct hf_rules **ret,
	struct hf_err *err)
{
	struct build b = {.model = model};
	int rc = build_next(&b, previous);

	if (rc == 0) {
		*ret = b.rules;
		b.rules = NULL;
		if (!hf_notes_wasteful(b.notes)) {
			(*ret)->notes = b.notes;
			b.notes = NULL;
		}
	} else if (rc == -E2BIG) {
		(void)hf_fail(err, rc, "%s%s%s", b.too_many ? b.too_many : "",
			b.too_many && b.too_many[0] ? ": " : "",
			"the policy of this host makes too many rules");
	} else {
		(void)hf_fail(err, rc, "rules: out of memory");
	}
	build_fini(&b);
	return rc;
}
