/* SPDX-License-Identifier: BSD-3-Clause */

/* The index against trying every rule in turn. */

#include "hf_test.h"
#include "hf_test_rand.h"
#include "vnic/vnic.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(index);

#define L(l)	  HF_LAYER_BIT(HF_LAYER_##l)
#define RULES_MAX 400
#define GROUPS	  3

static struct hf_rand rnd;
static struct hf_nic *nic;
static struct hf_vnic_table *table;
static struct rte_flow *rules[RULES_MAX];
static size_t n_rules;

static void open_table(const char *profile)
{
	struct hf_err err = {};

	hf_rand_init(&rnd, hf_test_seed(), 0);
	cr_assert(hf_profile_find(profile, &nic, &err) == 0, "%s", err.text);
	table = calloc(1, sizeof(*table));
	cr_assert(table && hf_vnic_table_init(table, nic, 2) == 0);
	hf_vnic_table_readers(table, HF_VNIC_RX, 1);
	hf_vnic_table_readers(table, HF_VNIC_TX, 0);
}

static void close_table(void)
{
	hf_vnic_table_fini(table);
	free(table);
	hf_profile_free(nic);
}

/* Few masks and few values, so that rules overlap and repeat. */
static void random_pattern(struct hf_pattern *p)
{
	static const uint32_t layers[] = {L(ETH), L(ETH) | L(IPV4), L(ETH) | L(IPV4) | L(TCP),
		L(ETH) | L(IPV4) | L(UDP), L(ETH) | L(IPV4) | L(TCP) | L(TAG)};

	memset(p, 0, sizeof(*p));
	p->layers = layers[hf_rand_below(&rnd, 5)];
	if (p->layers & L(IPV4)) {
		memset(p->mask.ip_dst, 0xff, hf_rand_below(&rnd, 5));
		p->spec.ip_dst[0] = 10 & p->mask.ip_dst[0];
		p->spec.ip_dst[3] = (uint8_t)hf_rand_below(&rnd, 4) & p->mask.ip_dst[3];
	}
	if ((p->layers & (L(TCP) | L(UDP))) && hf_rand_chance(&rnd, 1, 2)) {
		memset(p->mask.dport, 0xff, 2);
		p->spec.dport[1] = (uint8_t)hf_rand_below(&rnd, 3);
	}
	if (p->layers & L(TAG)) {
		memset(p->mask.tag, 0xff, 4);
		p->spec.tag[3] = (uint8_t)hf_rand_below(&rnd, 3);
	}
}

/* What a rule does; a third of them nothing that decides. */
static void random_actions(struct hf_flow *flow)
{
	struct hf_flow_action *a = flow->actions;

	a[flow->n_actions++] =
		(struct hf_flow_action){.act = HF_ACT_MARK, .value = (uint32_t)n_rules};
	if (hf_rand_chance(&rnd, 1, 3))
		a[flow->n_actions++] = (struct hf_flow_action){
			.act = HF_ACT_SET_TAG, .value = (uint32_t)hf_rand_below(&rnd, 3)};
	if (hf_rand_chance(&rnd, 1, 3))
		a[flow->n_actions++] = (struct hf_flow_action){.act = HF_ACT_QUEUE};
	else if (flow->group + 1 < GROUPS && hf_rand_chance(&rnd, 1, 2))
		a[flow->n_actions++] =
			(struct hf_flow_action){.act = HF_ACT_JUMP, .value = flow->group + 1};
}

static void add_random(void)
{
	static const uint16_t queue = 1;
	struct hf_flow flow = {.ingress = true};
	struct hf_vnic_ask ask = {
		.flow = &flow, .queues = &queue, .engine = &nic->engine[nic->n_engines - 1]};
	enum hf_reject reject;

	flow.group = (uint32_t)hf_rand_below(&rnd, GROUPS);
	flow.priority = (uint32_t)hf_rand_below(&rnd, 4);
	random_pattern(&flow.pattern);
	random_actions(&flow);
	ask.n_queues = flow.actions[flow.n_actions - 1].act == HF_ACT_QUEUE;
	ask.lost = hf_rand_chance(&rnd, 1, 20);
	if (n_rules < RULES_MAX && hf_vnic_table_add(table, &ask, &rules[n_rules], &reject) == 0)
		n_rules++;
}

static bool goes_before(const struct rte_flow *a, const struct rte_flow *b)
{
	if (a->order != b->order)
		return a->order < b->order;
	return a->depth != b->depth ? a->depth < b->depth : a->seq < b->seq;
}

static bool matches(const struct rte_flow *rule, const struct hf_vnic_pkt *pkt)
{
	uint64_t hdr[HF_VNIC_WORDS];
	size_t i;

	memcpy(hdr, &pkt->hdr, sizeof(hdr));
	for (i = 0; i < HF_VNIC_WORDS; i++) {
		if ((hdr[i] ^ rule->spec[i]) & rule->mask[i])
			return false;
	}
	if (rule->type != HF_VNIC_ANY && rule->type != pkt->type)
		return false;
	return !rule->lost && (pkt->layers & rule->layers) == rule->layers;
}

static const struct rte_flow *first_behind(
	uint32_t group, const struct rte_flow *after, const struct hf_vnic_pkt *pkt)
{
	const struct rte_flow *best = NULL;
	size_t i;

	for (i = 0; i < n_rules; i++) {
		if (rules[i]->group_id == group && matches(rules[i], pkt) &&
			(!after || goes_before(after, rules[i])) &&
			(!best || goes_before(rules[i], best)))
			best = rules[i];
	}
	return best;
}

/* The mark of the last rule that the packet meets, and whether it got a queue. */
static void walk(struct hf_vnic_pkt pkt, uint32_t *ret_mark, bool *ret_queue)
{
	const struct rte_flow *rule = NULL;
	uint32_t group = 0;

	*ret_mark = UINT32_MAX;
	*ret_queue = false;
	while (!*ret_queue && (rule = first_behind(group, rule, &pkt))) {
		*ret_mark = rule->mark;
		if (rule->acts & HF_ACT_BIT(HF_ACT_SET_TAG))
			pkt.hdr.tag[3] = (uint8_t)rule->tag;
		*ret_queue = rule->n_queues > 0;
		if (!(rule->acts & HF_ACT_BIT(HF_ACT_JUMP)))
			continue;
		group = rule->jump_id;
		rule = NULL;
	}
}

static void check_packet(void)
{
	struct hf_vnic_pkt pkt = {};
	struct hf_vnic_verdict v;
	uint32_t mark;
	bool queue;

	pkt.layers = L(ETH) | L(IPV4) | L(TAG) | (hf_rand_chance(&rnd, 1, 2) ? L(TCP) : L(UDP));
	pkt.type = pkt.layers & L(TCP) ? HF_VNIC_V4_TCP : HF_VNIC_V4_UDP;
	pkt.hdr.ip_dst[0] = hf_rand_chance(&rnd, 9, 10) ? 10 : 11;
	pkt.hdr.ip_dst[3] = (uint8_t)hf_rand_below(&rnd, 5);
	pkt.hdr.dport[1] = (uint8_t)hf_rand_below(&rnd, 4);
	walk(pkt, &mark, &queue);
	hf_vnic_exec(hf_vnic_enter(table, HF_VNIC_RX, HF_VNIC_RX, 0), &pkt, 60, &v);
	hf_vnic_leave(table, HF_VNIC_RX, 0);
	cr_assert(v.has_mark == (mark != UINT32_MAX) && (!v.has_mark || v.mark == mark),
		"mark %u, not %u", v.has_mark ? v.mark : UINT32_MAX, mark);
	cr_assert((v.fate == HF_VNIC_QUEUE) == queue);
}

static void del_random(void)
{
	size_t i = hf_rand_below(&rnd, n_rules);

	hf_vnic_table_del(rules[i]);
	rules[i] = rules[--n_rules];
}

/* Rules come and go, few and many at a time. */
static void check_profile(const char *profile)
{
	unsigned int step, grow = 1;

	n_rules = 0;
	open_table(profile);
	for (step = 0; step < 20000; step++) {
		if (step % 1000 == 0)
			grow = (unsigned int)hf_rand_between(&rnd, 1, 9);
		if (n_rules == 0 || hf_rand_chance(&rnd, grow, 10))
			add_random();
		else
			del_random();
		if (step % 4 == 0)
			check_packet();
		if (step % 7001 == 7000) {
			cr_assert(hf_vnic_table_flush(table) == 0);
			n_rules = 0;
		}
	}
	close_table();
}

Test(index, the_first_match_is_that_of_a_linear_scan)
{
	check_profile("mlx5-cx6dx");
}

/* Engines without priorities: the older rule wins here. */
Test(index, so_it_is_without_priorities)
{
	check_profile("i40e-x710");
}
