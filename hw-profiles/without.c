/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * "without" of a profile that is like another: what the other can do and this mode cannot. It only
 * ever takes away, so that nothing can be believed of a card that no engine was written for.
 */

#include "profiles.h"

#include <errno.h>
#include <string.h>

static bool seq_has(const struct hf_nic_seq *seq, uint64_t bits)
{
	size_t i;

	for (i = 0; i < seq->n; i++) {
		if (bits >> seq->v[i] & 1u)
			return true;
	}
	return false;
}

/* Keeps the sequences that have none of bits; returns how many. */
static size_t keep(struct hf_nic_seq *seqs, size_t n, uint64_t bits)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		if (!seq_has(&seqs[i], bits))
			seqs[kept++] = seqs[i];
	}
	memset(&seqs[kept], 0, (n - kept) * sizeof(*seqs));
	return kept;
}

static void drop_items(struct hf_engine *e, uint32_t items)
{
	unsigned int f;

	e->layers &= ~items;
	e->n_patterns = keep(e->patterns, e->n_patterns, items);
	for (f = 0; f < HF_F_MAX_; f++) {
		if (items & HF_LAYER_BIT(hf_field_info((enum hf_field)f)->layer))
			e->field[f] = HF_MASK_NONE;
	}
	if (e->field[HF_F_IP4_FRAG] == HF_MASK_NONE)
		e->frag_forms = 0;
}

static void drop_actions(struct hf_engine *e, uint32_t actions)
{
	e->actions &= ~actions;
	e->drop_with &= ~actions;
	e->n_lists = keep(e->lists, e->n_lists, actions);
	if (actions & HF_ACT_BIT(HF_ACT_MARK))
		e->mark_max = 0;
	if (actions & HF_ACT_BIT(HF_ACT_DROP))
		e->drop_with = 0;
	/* No other group can be reached. */
	if (actions & HF_ACT_BIT(HF_ACT_JUMP)) {
		e->groups = 1;
		e->prios = 0;
		e->prio_taken_others = 0;
		e->jump_forward = false;
	}
}

static void drop_priorities(struct hf_engine *e)
{
	e->prios_root = 1;
	e->prios = e->groups > 1 ? 1 : 0;
	e->prio_first = 0;
	e->prio_taken = 0;
	e->prio_taken_others = 0;
	e->order = HF_PRIO_NONE;
	e->depth_rank = false;
}

static int drop_engine(const struct reader *r, const struct hf_yaml *name, struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (name->kind != HF_YAML_SCALAR || strcmp(nic->engine[i].name, name->text) != 0)
			continue;
		nic->n_engines--;
		memmove(&nic->engine[i], &nic->engine[i + 1],
			(nic->n_engines - i) * sizeof(nic->engine[i]));
		memset(&nic->engine[nic->n_engines], 0, sizeof(nic->engine[0]));
		return 0;
	}
	return hf_read_fail(r, name, "the other profile has no such engine");
}

/* The set of names under a key, or none; each must be known to some engine. */
static int read_known(const struct reader *r, const struct hf_yaml *map, const char *key,
	const struct hf_names *names, uint64_t known, uint32_t *ret)
{
	const struct hf_yaml *node = hf_yaml_get(map, key);
	uint64_t bits = 0;

	*ret = 0;
	if (!node)
		return 0;
	if (hf_read_bits(r, node, names, &bits) < 0)
		return -EINVAL;
	if (bits == 0 || (bits & ~known))
		return hf_read_fail(r, node, "the other profile has not all of these");
	*ret = (uint32_t)bits;
	return 0;
}

int hf_read_without(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	static const char *const keys[] = {
		"engines", "items", "actions", "priorities", "src", NULL};
	const struct hf_yaml *engines, *flat;
	uint64_t all_items = 0, all_actions = 0;
	uint32_t items, actions;
	bool no_order = false;
	size_t i;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	engines = hf_yaml_get(node, "engines");
	if (engines && hf_read_list(r, engines, HF_NIC_ENGINES_MAX) < 0)
		return -EINVAL;
	for (i = 0; engines && i < engines->n; i++) {
		if (drop_engine(r, engines->v[i], nic) < 0)
			return -EINVAL;
	}
	for (i = 0; i < nic->n_engines; i++) {
		all_items |= nic->engine[i].layers;
		all_actions |= nic->engine[i].actions;
	}
	if (read_known(r, node, "items", &hf_names_layer, all_items, &items) < 0 ||
		read_known(r, node, "actions", &hf_names_act, all_actions, &actions) < 0)
		return -EINVAL;
	flat = hf_yaml_get(node, "priorities");
	if (flat && hf_read_bool(r, flat, &no_order) < 0)
		return -EINVAL;
	for (i = 0; i < nic->n_engines; i++) {
		struct hf_engine *e = &nic->engine[i];

		drop_items(e, items);
		drop_actions(e, actions);
		if (no_order)
			drop_priorities(e);
		if (e->layers == 0 || e->actions == 0)
			return hf_read_fail(r, node, "nothing is left of engine '%s'", e->name);
	}
	return 0;
}
