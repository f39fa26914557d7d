/* SPDX-License-Identifier: BSD-3-Clause */

/* Out of memory is an ordinary error: uthash must not end the process. */
#define HASH_NONFATAL_OOM	      1
#define HASH_FUNCTION(key, len, hash) ((hash) = hash_pointer(key))

#include "index.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* All keys here are pointers: Fibonacci hashing, the upper bits of one multiplication. */
static unsigned int hash_pointer(const void *key)
{
	uintptr_t pointer;

	memcpy(&pointer, key, sizeof(pointer));
	return (unsigned int)(pointer * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static struct hf_vnic_root *root_new(enum hf_vnic_dir dir)
{
	struct hf_vnic_root *root = calloc(1, sizeof(*root));

	if (!root || hf_vnic_index_init(&root->first.index) < 0) {
		free(root);
		return NULL;
	}
	root->dir = dir;
	return root;
}

static void root_free(struct hf_vnic_root *root)
{
	size_t i;

	if (!root)
		return;
	for (i = 0; i < HF_VNIC_GROUP_CHAINS; i++) {
		struct hf_vnic_group *group = root->chain[i], *next;

		for (; group; group = next) {
			next = group->next;
			hf_vnic_index_fini(&group->index);
			free(group);
		}
	}
	hf_vnic_index_fini(&root->first.index);
	free(root);
}

/* One root for each direction. 0 or -ENOMEM. */
static int roots_new(struct hf_vnic_root *ret[HF_VNIC_DIRS])
{
	unsigned int dir;

	for (dir = 0; dir < HF_VNIC_DIRS; dir++) {
		ret[dir] = root_new((enum hf_vnic_dir)dir);
		if (ret[dir])
			continue;
		while (dir-- > 0)
			root_free(ret[dir]);
		return -ENOMEM;
	}
	return 0;
}

static struct hf_vnic_group *group_find(struct hf_vnic_root *root, uint32_t id)
{
	struct hf_vnic_group *group = root->chain[id % HF_VNIC_GROUP_CHAINS];

	if (id == 0)
		return &root->first;
	while (group && group->id != id)
		group = group->next;
	return group;
}

/* NULL: out of memory. Groups live until the next flush. */
static struct hf_vnic_group *group_get(struct hf_vnic_root *root, uint32_t id)
{
	struct hf_vnic_group **chain = &root->chain[id % HF_VNIC_GROUP_CHAINS];
	struct hf_vnic_group *group = group_find(root, id);

	if (group)
		return group;
	group = calloc(1, sizeof(*group));
	if (!group || hf_vnic_index_init(&group->index) < 0) {
		free(group);
		return NULL;
	}
	group->id = id;
	group->next = *chain;
	*chain = group;
	return group;
}

void hf_vnic_wait_for_readers(struct hf_vnic_table *table)
{
	size_t block, q;

	atomic_thread_fence(memory_order_seq_cst);
	for (block = 0; block < table->n_blocks; block++) {
		for (q = 0; q < table->n_readers[block]; q++) {
			atomic_uint *n = &table->epoch[block * HF_VNIC_QUEUES_MAX + q].n;
			unsigned int was = atomic_load_explicit(n, memory_order_acquire);

			while ((was & 1) && atomic_load_explicit(n, memory_order_acquire) == was)
				sched_yield();
		}
	}
}

int hf_vnic_table_init(struct hf_vnic_table *table, const struct hf_nic *nic, uint16_t n_blocks)
{
	size_t size = n_blocks * HF_VNIC_QUEUES_MAX * sizeof(*table->epoch);
	struct hf_vnic_root *root[HF_VNIC_DIRS];
	unsigned int i;

	memset(table, 0, sizeof(*table));
	table->epoch = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (!table->epoch)
		return -ENOMEM;
	memset(table->epoch, 0, size);
	if (roots_new(root) < 0) {
		free(table->epoch);
		return -ENOMEM;
	}
	table->nic = nic;
	table->n_blocks = n_blocks;
	for (i = 0; i < HF_VNIC_DIRS; i++)
		atomic_init(&table->root[i], root[i]);
	return 0;
}

void hf_vnic_table_readers(struct hf_vnic_table *table, uint16_t block, uint16_t n)
{
	table->n_readers[block] = n;
}

/* What it counts with and ages by. */
static void use_shared(const struct hf_vnic_ask *ask, struct rte_flow *rule)
{
	rule->shared_counter = ask->shared_counter;
	rule->shared_age = ask->shared_age;
	rule->counter = &rule->own_counter;
	if (rule->shared_counter) {
		rule->counter = &rule->shared_counter->counter;
		rule->shared_counter->n_users++;
	}
	if (rule->shared_age) {
		rule->age = &rule->shared_age->age;
		rule->shared_age->n_users++;
	} else if (ask->age) {
		hf_vnic_age_init(&rule->own_age, ask->age, rule);
		rule->own_age.flow_queue = ask->flow_queue;
		rule->age = &rule->own_age;
		DL_APPEND2(rule->table->aging, rule, age_prev, age_next);
	}
}

static void rule_free(struct rte_flow *rule)
{
	if (rule->shared_counter)
		rule->shared_counter->n_users--;
	if (rule->shared_age)
		rule->shared_age->n_users--;
	if (rule->age == &rule->own_age)
		DL_DELETE2(rule->table->aging, rule, age_prev, age_next);
	free(rule);
}

static void free_rules(struct hf_vnic_table *table)
{
	struct rte_flow *rule, *next;

	HASH_ITER (hh, table->rules, rule, next) {
		HASH_DEL(table->rules, rule);
		rule_free(rule);
	}
}

void hf_vnic_table_fini(struct hf_vnic_table *table)
{
	unsigned int i;

	free_rules(table);
	for (i = 0; i < HF_VNIC_DIRS; i++)
		root_free(atomic_load(&table->root[i]));
	free(table->epoch);
}

static struct hf_vnic_engine *engine_of(struct hf_vnic_table *table, const struct rte_flow *rule)
{
	return &table->engine[rule->engine - table->nic->engine];
}

/*
 * Engines that order their rules take the same one twice, as mlx5 does unless told not to
 * (allow_duplicate_pattern); those that keep them by key refuse it, where the profile knows how.
 */
static bool exists(struct hf_vnic_table *table, const struct rte_flow *rule)
{
	struct hf_vnic_root *root =
		atomic_load_explicit(&table->root[rule->dir], memory_order_relaxed);
	struct hf_vnic_group *group = group_find(root, rule->group_id);

	if (rule->engine->order == HF_PRIO_LOWER ||
		!hf_nic_error(table->nic, HF_REJECT_EXISTS)->given)
		return false;
	return group && hf_vnic_index_has(&group->index, rule);
}

/* That of a rule among the masks of its engine, or n_masks. */
static uint32_t find_mask(const struct hf_vnic_engine *state, const struct rte_flow *rule)
{
	uint32_t i;

	for (i = 0; i < state->n_masks; i++) {
		if (memcmp(state->masks[i].mask, rule->mask, sizeof(rule->mask)) == 0)
			break;
	}
	return i;
}

static void note_mask(struct hf_vnic_engine *state, const struct rte_flow *rule, bool added)
{
	uint32_t i = find_mask(state, rule);

	if (!rule->engine->masks)
		return;
	if (i == state->n_masks) {
		memcpy(state->masks[i].mask, rule->mask, sizeof(rule->mask));
		state->masks[i].n_rules = 0;
		state->n_masks++;
	}
	state->masks[i].n_rules += added ? 1 : UINT32_MAX;
	if (state->masks[i].n_rules == 0)
		state->masks[i] = state->masks[--state->n_masks];
}

/* What of the installed rules stands in the way. */
static enum hf_reject check_room(struct hf_vnic_table *table, const struct rte_flow *rule)
{
	const struct hf_engine *engine = rule->engine;
	const struct hf_vnic_engine *state = engine_of(table, rule);

	if (engine->shape == HF_SHAPE_GLOBAL && state->latched &&
		memcmp(state->mask, rule->mask, sizeof(state->mask)) != 0)
		return HF_REJECT_SHAPE;
	if (engine->shape == HF_SHAPE_PER_TYPE && state->n_of_type[rule->shape_type] > 0 &&
		state->fields[rule->shape_type] != rule->fields)
		return HF_REJECT_SHAPE;
	if (exists(table, rule))
		return HF_REJECT_EXISTS;
	if (engine->capacity > 0 && state->n_rules >= engine->capacity)
		return HF_REJECT_CAPACITY;
	if (engine->masks > 0 && state->n_masks >= engine->masks &&
		find_mask(state, rule) == state->n_masks)
		return HF_REJECT_CAPACITY;
	return HF_REJECT_NONE;
}

static void note_added(struct hf_vnic_table *table, const struct rte_flow *rule)
{
	struct hf_vnic_engine *state = engine_of(table, rule);

	state->n_rules++;
	state->latched = true;
	memcpy(state->mask, rule->mask, sizeof(state->mask));
	state->n_of_type[rule->shape_type]++;
	state->fields[rule->shape_type] = rule->fields;
	note_mask(state, rule, true);
}

/* ixgbe's mask goes with the last rule that is destroyed (drivers/net/ixgbe/ixgbe_flow.c). */
static void note_removed(struct hf_vnic_table *table, const struct rte_flow *rule)
{
	struct hf_vnic_engine *state = engine_of(table, rule);

	if (--state->n_rules == 0)
		state->latched = false;
	state->n_of_type[rule->shape_type]--;
	note_mask(state, rule, false);
}

/* The group that holds rules of this number: engines without jumps have one list only. */
static uint32_t group_id(const struct hf_vnic_ask *ask)
{
	bool jumps = ask->engine->actions & HF_ACT_BIT(HF_ACT_JUMP);

	return jumps && !ask->engine->group_ignored ? ask->flow->group : 0;
}

int hf_vnic_table_place(struct rte_flow *rule)
{
	struct hf_vnic_table *table = rule->table;
	struct hf_vnic_root *root =
		atomic_load_explicit(&table->root[rule->dir], memory_order_relaxed);
	struct hf_vnic_group *group = group_get(root, rule->group_id);

	int rc;

	if (!group)
		return -ENOMEM;
	if (rule->acts & HF_ACT_BIT(HF_ACT_JUMP)) {
		rule->jump = group_get(root, rule->jump_id);
		if (!rule->jump)
			return -ENOMEM;
	}
	rc = hf_vnic_index_add(&group->index, rule);
	if (rc == 0)
		rule->group = group;
	return rc;
}

/* 0 or -ENOMEM, and then nothing has happened. */
static int install(
	struct hf_vnic_table *table, const struct hf_vnic_ask *ask, struct rte_flow *rule)
{
	int rc;

	rule->self = rule;
	HASH_ADD_PTR(table->rules, self, rule);
	if (!rule->hh.tbl)
		return -ENOMEM;
	rc = ask->later ? 0 : hf_vnic_table_place(rule);
	if (rc < 0)
		HASH_DEL(table->rules, rule);
	return rc;
}

int hf_vnic_table_add(struct hf_vnic_table *table, const struct hf_vnic_ask *ask,
	struct rte_flow **ret, enum hf_reject *ret_reject)
{
	struct rte_flow *rule = calloc(1, sizeof(*rule) + ask->n_queues * sizeof(rule->queues[0]));
	enum hf_reject reject;
	int rc;

	if (!rule)
		return -ENOMEM;
	hf_vnic_cook(table->nic, ask, rule);
	rule->table = table;
	use_shared(ask, rule);
	rule->owner = ask->owner;
	rule->out = ask->out;
	rule->group_id = group_id(ask);
	rule->lost = ask->lost;
	rule->seq = ++table->seq;
	reject = check_room(table, rule);
	if (reject) {
		rule_free(rule);
		*ret_reject = reject;
		return -EBUSY;
	}
	rc = install(table, ask, rule);
	if (rc < 0) {
		rule_free(rule);
		return rc;
	}
	note_added(table, rule);
	*ret = rule;
	return 0;
}

bool hf_vnic_table_has(const struct hf_vnic_table *table, const struct rte_flow *rule)
{
	const struct rte_flow *found;

	HASH_FIND_PTR(table->rules, &rule, found);
	return found;
}

void hf_vnic_table_del(struct rte_flow *rule)
{
	struct hf_vnic_table *table = rule->table;

	if (rule->group)
		hf_vnic_index_del(&rule->group->index, rule);
	note_removed(table, rule);
	HASH_DEL(table->rules, rule);
	rule_free(rule);
}

void hf_vnic_table_del_of(struct hf_vnic_table *table, uint16_t owner)
{
	struct rte_flow *rule, *next;

	for (rule = table->rules; rule; rule = next) {
		next = rule->hh.next;
		if (rule->owner == owner)
			hf_vnic_table_del(rule);
	}
}

int hf_vnic_table_flush(struct hf_vnic_table *table)
{
	struct hf_vnic_root *root[HF_VNIC_DIRS], *old[HF_VNIC_DIRS];
	int rc = roots_new(root);
	size_t i;

	if (rc < 0)
		return rc;
	for (i = 0; i < HF_VNIC_DIRS; i++)
		old[i] = atomic_exchange_explicit(&table->root[i], root[i], memory_order_acq_rel);
	hf_vnic_wait_for_readers(table);
	free_rules(table);
	for (i = 0; i < HF_VNIC_DIRS; i++)
		root_free(old[i]);
	for (i = 0; i < HF_NIC_ENGINES_MAX; i++) {
		/* The latched mask stays: see note_removed(). i40e forgets its input sets
		 * (drivers/net/i40e/i40e_flow.c, i40e_flow_flush_fdir_filter). */
		table->engine[i].n_rules = 0;
		memset(table->engine[i].n_of_type, 0, sizeof(table->engine[i].n_of_type));
	}
	return 0;
}
