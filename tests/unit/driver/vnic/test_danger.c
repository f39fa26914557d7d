/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every danger of every profile is real: there is a rule that the profile takes and calls dangerous
 * for that reason, and a packet that the rule asks for and the virtual NIC does not match, or the
 * other way round. Rules are searched for among those of few fields.
 */

#include "hf_test.h"
#include "vnic/vnic.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(danger);

#define L(l) HF_LAYER_BIT(HF_LAYER_##l)

/* For engines that take any items in wire order. */
static const struct hf_nic_seq chains[] = {
	{2, {HF_LAYER_PORT_REPRESENTOR, HF_LAYER_ETH}},
	{1, {HF_LAYER_ETH}},
	{2, {HF_LAYER_ETH, HF_LAYER_VLAN}},
	{2, {HF_LAYER_ETH, HF_LAYER_IPV4}},
	{2, {HF_LAYER_ETH, HF_LAYER_IPV6}},
	{3, {HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP}},
};

/* Ways to say what is asked of a field. */
static const struct way {
	uint8_t mask; /* of the last byte; the others are full, or all are none */
	uint8_t value;
} ways[] = {{0xff, 0x12}, {0xff, 0x02}, {0xf0, 0x10}, {0xff, 0x00}, {0x02, 0x02}};

static const struct hf_nic *nic;
static const struct hf_engine *engine;
static struct hf_flow flow;

static uint8_t *spec_of(enum hf_field f)
{
	return (uint8_t *)&flow.pattern.spec + hf_field_info(f)->offset;
}

static uint8_t *mask_of(enum hf_field f)
{
	return (uint8_t *)&flow.pattern.mask + hf_field_info(f)->offset;
}

static size_t size_of(enum hf_field f)
{
	return f == HF_F_IP4_SRC || f == HF_F_IP4_DST ? 4 : hf_field_info(f)->size;
}

static bool in_pattern(enum hf_field f)
{
	return flow.pattern.layers & HF_LAYER_BIT(hf_field_info(f)->layer);
}

static void ask(enum hf_field f, const struct way *way, enum hf_frag_form form)
{
	size_t size = size_of(f), i;

	if (f == HF_F_ETH_HAS_VLAN || f == HF_F_IP4_FRAG || f == HF_F_IP6_FRAG) {
		*mask_of(f) = 1;
		*spec_of(f) = f == HF_F_IP4_FRAG ? form > HF_FRAG_NOT : way->value != 0;
		if (f == HF_F_IP4_FRAG)
			flow.frag = (uint8_t)form;
		return;
	}
	for (i = 0; i < size; i++) {
		uint8_t all = f == HF_F_IP6_FLOW ? (uint8_t[]){0, 0x0f, 0xff, 0xff}[i] : 0xff;

		mask_of(f)[i] = all & (i == size - 1 ? way->mask : 0xff);
		spec_of(f)[i] = mask_of(f)[i] & (i == size - 1 ? way->value : way->value & 1);
	}
}

static bool asked_for(const struct hf_vnic_pkt *pkt)
{
	const uint8_t *hdr = (const uint8_t *)&pkt->hdr;
	const uint8_t *spec = (const uint8_t *)&flow.pattern.spec;
	const uint8_t *mask = (const uint8_t *)&flow.pattern.mask;
	size_t i;

	for (i = 0; i < sizeof(pkt->hdr); i++) {
		if ((hdr[i] ^ spec[i]) & mask[i])
			return false;
	}
	return (pkt->layers & flow.pattern.layers) == flow.pattern.layers;
}

static bool is_hit(struct hf_vnic_table *table, struct hf_vnic_pkt pkt)
{
	enum hf_vnic_dir dir = flow.transfer ? HF_VNIC_FDB : HF_VNIC_RX;
	struct hf_vnic_verdict v;

	hf_vnic_exec(hf_vnic_enter(table, dir, 0, 0), &pkt, 60, &v);
	hf_vnic_leave(table, 0, 0);
	return v.fate != HF_VNIC_MISS || v.has_mark || v.has_flag;
}

/* Turns bits of a field over, those under the mask or the others. */
static void turn(struct hf_vnic_pkt *pkt, enum hf_field f, bool under)
{
	uint8_t *hdr = (uint8_t *)&pkt->hdr + hf_field_info(f)->offset;
	bool flag = f == HF_F_ETH_HAS_VLAN || f == HF_F_IP4_FRAG || f == HF_F_IP6_FRAG;
	size_t i;

	for (i = 0; i < size_of(f); i++)
		hdr[i] ^= flag ? under : under ? mask_of(f)[i] : (uint8_t)~mask_of(f)[i];
}

/* The same packet with another header where the item at fault asks for one. */
static void swap_header(struct hf_vnic_pkt *pkt, enum hf_field f)
{
	uint32_t l4 = L(TCP) | L(UDP) | L(SCTP);

	if (f == HF_F_ETH_TYPE)
		pkt->layers ^= L(IPV4) | L(IPV6);
	else if (f == HF_F_VLAN_TCI)
		pkt->layers &= ~L(VLAN);
	else if (pkt->layers & l4)
		pkt->layers = (pkt->layers & ~l4) | (pkt->layers & L(TCP) ? L(UDP) : L(TCP));
}

/* Whether some packet shows that the installed rule is not the one asked for. */
static bool is_shown(struct hf_vnic_table *table, const struct rte_flow *rule, enum hf_field f)
{
	struct hf_vnic_pkt pkt = {.hdr = flow.pattern.spec, .type = rule->type};
	struct hf_vnic_pkt other;
	unsigned int way;

	pkt.layers = flow.pattern.layers;
	for (way = 0; way < 3; way++) {
		other = pkt;
		if (way < 2)
			turn(&other, f, way == 0);
		else
			swap_header(&other, f);
		if (asked_for(&other) != is_hit(table, other))
			return true;
	}
	return false;
}

/* Whether the flow as it stands is taken, and dangerous for reason number at, and that shows. */
static bool shows(size_t at)
{
	struct hf_vnic_ask a = {.flow = &flow, .engine = engine, .queues = (const uint16_t[]){0}};
	struct hf_vnic_table table;
	enum hf_reject reject;
	struct rte_flow *rule;
	enum hf_field f;
	size_t from = at;
	bool shown;

	if (hf_nic_accept(nic, &flow, &reject) != engine)
		return false;
	f = hf_nic_next_danger(engine, &flow, &from);
	if (f == HF_F_MAX_ || from != at + 1)
		return false;
	a.n_queues = flow.actions[flow.n_actions - 1].act == HF_ACT_QUEUE;
	cr_assert(hf_vnic_table_init(&table, nic, 1) == 0);
	cr_assert(hf_vnic_table_add(&table, &a, &rule, &reject) == 0);
	shown = is_shown(&table, rule, f);
	hf_vnic_table_fini(&table);
	return shown;
}

/* One action that says where the packet goes, and what must stand with it. */
static bool try_actions(size_t at)
{
	static const struct hf_nic_seq some[] = {{1, {HF_ACT_DROP}}, {1, {HF_ACT_QUEUE}}};
	const struct hf_nic_seq *lists = engine->n_lists ? engine->lists : some;
	size_t n = engine->n_lists ? engine->n_lists : 2, i, k;

	for (i = 0; i < n; i++) {
		flow.n_actions = lists[i].n;
		for (k = 0; k < lists[i].n; k++)
			flow.actions[k] = (struct hf_flow_action){.act = lists[i].v[k]};
		if (lists[i].n && lists[i].v[0] != HF_ACT_PASSTHRU && shows(at))
			return true;
	}
	return false;
}

static bool try_values(size_t at, enum hf_field f, enum hf_field g)
{
	const struct hf_pattern empty = {.layers = flow.pattern.layers};
	unsigned int w, x, form;

	for (form = HF_FRAG_NOT; form < HF_FRAG_MAX_; form++) {
		for (w = 0; w < RTE_DIM(ways); w++) {
			for (x = 0; x < (g == HF_F_MAX_ ? 1 : RTE_DIM(ways)); x++) {
				flow.pattern = empty;
				flow.frag = HF_FRAG_UNSAID;
				if (f != HF_F_MAX_)
					ask(f, &ways[w], form);
				if (g != HF_F_MAX_)
					ask(g, &ways[x], form);
				if (try_actions(at))
					return true;
			}
		}
		if (f != HF_F_IP4_FRAG && g != HF_F_IP4_FRAG)
			break;
	}
	return false;
}

/* No field, one, and two. */
static bool try_fields(size_t at)
{
	unsigned int f, g;

	if (try_values(at, HF_F_MAX_, HF_F_MAX_))
		return true;
	for (f = 0; f < HF_F_MAX_; f++) {
		if (in_pattern(f) && engine->field[f] && try_values(at, f, HF_F_MAX_))
			return true;
	}
	for (f = 0; f < HF_F_MAX_; f++) {
		for (g = f + 1; g < HF_F_MAX_; g++) {
			if (in_pattern(f) && in_pattern(g) && engine->field[f] &&
				engine->field[g] && try_values(at, f, g))
				return true;
		}
	}
	return false;
}

static bool try_patterns(size_t at)
{
	const struct hf_nic_seq *seqs = engine->n_patterns ? engine->patterns : chains;
	size_t n = engine->n_patterns ? engine->n_patterns : RTE_DIM(chains), i, k;

	for (i = 0; i < n; i++) {
		memset(&flow, 0, sizeof(flow));
		flow.transfer = engine->directions == HF_DIR_TRANSFER;
		flow.ingress = !flow.transfer;
		flow.priority = engine->prio_first;
		for (k = 0; k < seqs[i].n; k++) {
			flow.items[flow.n_items++] = seqs[i].v[k];
			flow.pattern.layers |= HF_LAYER_BIT(seqs[i].v[k]);
		}
		if (!(flow.pattern.layers & ~engine->layers) && try_fields(at))
			return true;
	}
	return false;
}

static bool is_danger(size_t at)
{
	enum hf_mask_kind kind = (enum hf_mask_kind)engine->field[RTE_MIN(at, HF_F_MAX_ - 1u)];

	if (at >= HF_F_MAX_)
		return true;
	return kind == HF_MASK_WIDEN || kind == HF_MASK_NARROW || kind == HF_MASK_IGNORE;
}

static void check_engine(size_t *ret_n)
{
	size_t at;

	for (at = 0; at < HF_F_MAX_ + engine->n_danger; at++) {
		if (!is_danger(at))
			continue;
		++*ret_n;
		cr_expect(try_patterns(at), "%s, %s: nothing shows danger %zu (%s)", nic->name,
			engine->name, at,
			hf_field_info(at < HF_F_MAX_ ? (enum hf_field)at
						     : engine->danger[at - HF_F_MAX_].field)
				->name);
	}
}

Test(danger, each_shows_in_a_packet)
{
	struct hf_err err = {};
	struct hf_nic **nics;
	size_t n, i, k, e, dangers = 0;

	cr_assert(hf_profile_all(&nics, &n, &err) == 0, "%s", err.text);
	for (i = 0; i < n; i++) {
		nic = nics[i];
		/* One that is like another has its engines. */
		for (k = 0; k < i; k++) {
			if (memcmp(nics[k]->engine, nic->engine, sizeof(nic->engine)) == 0)
				break;
		}
		for (e = 0; k == i && e < nic->n_engines; e++) {
			engine = &nic->engine[e];
			check_engine(&dangers);
		}
	}
	cr_expect(dangers > 80, "%zu dangers", dangers);
	hf_profile_free_all(nics, n);
}
