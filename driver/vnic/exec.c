/* SPDX-License-Identifier: BSD-3-Clause */

#include "index.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>

#include <string.h>

const struct hf_vnic_root *hf_vnic_enter(
	struct hf_vnic_table *table, enum hf_vnic_dir dir, uint16_t block, uint16_t q)
{
	atomic_uint *n = &table->epoch[block * HF_VNIC_QUEUES_MAX + q].n;

	atomic_store_explicit(
		n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
	/* Either a writer sees the odd number, or we see what it wrote before it looked. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&table->root[dir], memory_order_acquire);
}

void hf_vnic_leave(struct hf_vnic_table *table, uint16_t block, uint16_t q)
{
	atomic_uint *n = &table->epoch[block * HF_VNIC_QUEUES_MAX + q].n;

	atomic_store_explicit(
		n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_release);
}

bool hf_vnic_idle(const struct hf_vnic_root *root)
{
	return hf_vnic_index_empty(&root->first.index);
}

static void put_be32(uint8_t to[4], uint32_t value)
{
	rte_be32_t v = rte_cpu_to_be_32(value);

	memcpy(to, &v, sizeof(v));
}

static uint32_t get_be32(const uint8_t from[4])
{
	rte_be32_t v;

	memcpy(&v, from, sizeof(v));
	return rte_be_to_cpu_32(v);
}

/* What does not say where the packet goes. */
static void take_notes(
	const struct rte_flow *rule, struct hf_vnic_pkt *pkt, struct hf_vnic_verdict *v)
{
	if (rule->acts & HF_ACT_BIT(HF_ACT_MARK)) {
		v->has_mark = true;
		v->mark = rule->mark;
		put_be32(pkt->hdr.mark, rule->mark);
	}
	if (rule->acts & HF_ACT_BIT(HF_ACT_FLAG))
		v->has_flag = true;
	if (rule->acts & HF_ACT_BIT(HF_ACT_SET_META)) {
		v->has_meta = true;
		v->meta = rule->meta;
		put_be32(pkt->hdr.meta, rule->meta);
	}
	if (rule->acts & HF_ACT_BIT(HF_ACT_SET_TAG))
		put_be32(pkt->hdr.tag, (get_be32(pkt->hdr.tag) & ~rule->tag_mask) | rule->tag);
}

static void count(struct rte_flow *rule, uint32_t bytes)
{
	if (rule->age)
		atomic_store_explicit(
			&rule->age->last_hit, rte_get_tsc_cycles(), memory_order_relaxed);
	if (!(rule->acts & HF_ACT_BIT(HF_ACT_COUNT)))
		return;
	atomic_fetch_add_explicit(&rule->counter->hits, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&rule->counter->bytes, bytes, memory_order_relaxed);
}

/* Whether the rule says where the packet goes, and then to *v and *ret_next. */
static bool decides(struct rte_flow *rule, const struct hf_vnic_pkt *pkt, struct hf_vnic_verdict *v,
	const struct hf_vnic_group **ret_next)
{
	*ret_next = rule->jump;
	if (rule->acts & HF_ACT_BIT(HF_ACT_DROP)) {
		v->fate = HF_VNIC_DROP;
	} else if (rule->out) {
		v->fate = HF_VNIC_PORT;
		v->out = rule->out;
	} else if (rule->n_queues == 1) {
		v->fate = HF_VNIC_QUEUE;
		v->queue = rule->queues[0];
	} else if (rule->n_queues > 1) {
		v->fate = HF_VNIC_QUEUE;
		v->queue = rule->queues[hf_vnic_hash(pkt) % rule->n_queues];
	} else {
		return rule->jump;
	}
	return true;
}

/*
 * Tries the rules of a group. Returns the group to go on in, or NULL when the fate is decided. A
 * rule without a fate of its own leaves a received packet to the rules behind it (rte_flow's
 * PASSTHRU; ice installs "mark alone" so, drivers/net/ice/ice_fdir_filter.c). A packet on its way
 * out leaves then, as it does when nothing matches: the default address of mlx5's NIC_TX domain
 * lets pass, that of NIC_RX drops (rdma-core, providers/mlx5/dr_domain.c).
 */
static const struct hf_vnic_group *walk(enum hf_vnic_dir dir, const struct hf_vnic_group *group,
	struct hf_vnic_pkt *pkt, uint32_t bytes, struct hf_vnic_verdict *v)
{
	struct rte_flow *rule = hf_vnic_index_find(&group->index, pkt, NULL);
	const struct hf_vnic_group *next;

	for (; rule; rule = hf_vnic_index_find(&group->index, pkt, rule)) {
		count(rule, bytes);
		take_notes(rule, pkt, v);
		if (decides(rule, pkt, v, &next))
			return next;
		if (dir == HF_VNIC_TX)
			break;
	}
	v->fate = group->id == 0 || dir == HF_VNIC_TX ? HF_VNIC_MISS : HF_VNIC_GROUP_MISS;
	return NULL;
}

void hf_vnic_exec(const struct hf_vnic_root *root, struct hf_vnic_pkt *pkt, uint32_t bytes,
	struct hf_vnic_verdict *ret)
{
	const struct hf_vnic_group *group = &root->first;
	int n;

	*ret = (struct hf_vnic_verdict){.fate = HF_VNIC_TOO_DEEP};
	for (n = 0; group && n < HF_VNIC_JUMPS_MAX; n++)
		group = walk(root->dir, group, pkt, bytes, ret);
}
