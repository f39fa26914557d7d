/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"
#include "hf_test_rand.h"
#include "vnic/vnic.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>
#include <hepflow/testpmd_rule.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(table);

#define L(l) HF_LAYER_BIT(HF_LAYER_##l)

static struct hf_nic *nic;
static struct hf_vnic_table *table;

static void open_table(const char *profile)
{
	struct hf_err err = {};

	cr_assert(hf_profile_find(profile, &nic, &err) == 0, "%s", err.text);
	table = malloc(sizeof(*table));
	cr_assert(table && hf_vnic_table_init(table, nic, 2) == 0);
}

static void close_table(void)
{
	hf_vnic_table_fini(table);
	free(table);
	hf_profile_free(nic);
}

/* Queues of RSS and QUEUE actions are all queue 1 here. */
static enum hf_reject try(const char *text, struct rte_flow **ret)
{
	static const uint16_t queue = 1;
	enum hf_reject reject = HF_REJECT_NONE;
	struct hf_vnic_ask ask = {.queues = &queue};
	struct hf_flow flow;
	char word[64] = "";
	size_t i;
	int rc;

	cr_assert(hf_testpmd_rule_parse(text, &flow, &reject, word, sizeof(word)) == 0 && !reject,
		"%s", text);
	ask.flow = &flow;
	ask.engine = hf_nic_accept(nic, &flow, &reject);
	cr_assert(ask.engine, "refused (%s): %s", hf_reject_name(reject), text);
	for (i = 0; i < flow.n_actions; i++) {
		if (flow.actions[i].act == HF_ACT_QUEUE || flow.actions[i].act == HF_ACT_RSS)
			ask.n_queues = 1;
	}
	rc = hf_vnic_table_add(table, &ask, ret, &reject);
	cr_assert(rc == 0 || rc == -EBUSY);
	return rc == 0 ? HF_REJECT_NONE : reject;
}

static struct rte_flow *add(const char *text)
{
	struct rte_flow *rule = NULL;
	enum hf_reject reject = try(text, &rule);

	cr_assert(reject == HF_REJECT_NONE, "%s: %s", hf_reject_name(reject), text);
	return rule;
}

static struct hf_vnic_verdict run_dir(enum hf_vnic_dir dir, struct hf_vnic_pkt pkt)
{
	struct hf_vnic_verdict v;

	hf_vnic_exec(hf_vnic_enter(table, dir, dir, 0), &pkt, 100, &v);
	hf_vnic_leave(table, dir, 0);
	return v;
}

static struct hf_vnic_verdict run(struct hf_vnic_pkt pkt)
{
	return run_dir(HF_VNIC_RX, pkt);
}

static struct hf_vnic_pkt tcp4(uint8_t last_byte, uint16_t dport)
{
	struct hf_vnic_pkt pkt = {.type = HF_VNIC_V4_TCP};

	pkt.layers = L(ETH) | L(IPV4) | L(TCP) | L(MARK) | L(META) | L(TAG);
	memcpy(pkt.hdr.eth_type, (uint8_t[2]){8, 0}, 2);
	memcpy(pkt.hdr.ip_dst, (uint8_t[4]){10, 0, 0, last_byte}, 4);
	pkt.hdr.ip_proto = 6;
	pkt.hdr.dport[0] = (uint8_t)(dport >> 8);
	pkt.hdr.dport[1] = (uint8_t)dport;
	return pkt;
}

static void expect_mark(struct hf_vnic_pkt pkt, uint32_t mark)
{
	struct hf_vnic_verdict v = run(pkt);

	cr_expect(v.has_mark && v.mark == mark, "mark %u, not %u", v.has_mark ? v.mark : 0, mark);
}

#define ROOT "ingress pattern eth / end actions jump group 1 / end"

Test(table, an_empty_one_decides_nothing)
{
	open_table("mlx5-cx6dx");
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_MISS);
	close_table();
}

/* ice's switch has few recipes: as many sets of masks, but any number of rules of each. */
Test(table, no_more_masks_than_the_engine_has)
{
	struct rte_flow *rule[HF_NIC_MASKS_MAX], *other;
	char text[160];
	uint32_t i;

	open_table("ice-e810-switch");
	cr_assert(nic->engine[0].masks > 0 && nic->engine[0].masks < 16);
	for (i = 0; i < nic->engine[0].masks; i++) {
		(void)snprintf(text, sizeof(text),
			"ingress pattern eth / ipv4 / tcp src spec 0 src mask 0x%x dst is 81 / end "
			"actions drop / end",
			0xffff << i & 0xffff);
		rule[i] = add(text);
	}
	cr_expect_eq(
		try("ingress pattern eth / ipv4 / tcp dst is 81 / end actions drop / end", &other),
		HF_REJECT_CAPACITY);
	(void)add("ingress pattern eth / ipv4 / tcp src is 7 dst is 82 / end actions drop / end");
	hf_vnic_table_del(rule[0]);
	cr_expect_eq(
		try("ingress pattern eth / ipv4 / tcp dst is 81 / end actions drop / end", &other),
		HF_REJECT_CAPACITY);
	hf_vnic_table_del(rule[1]);
	(void)add("ingress pattern eth / ipv4 / tcp dst is 81 / end actions drop / end");
	close_table();
}

Test(table, the_lower_priority_is_tried_first)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 priority 9 pattern eth / ipv4 / tcp / end actions drop / end");
	add("ingress group 1 priority 3 pattern eth / ipv4 dst is 10.0.0.1 / tcp / end "
	    "actions mark id 1 / queue index 1 / end");
	expect_mark(tcp4(1, 80), 1);
	cr_expect(run(tcp4(2, 80)).fate == HF_VNIC_DROP);
	close_table();
}

Test(table, within_one_priority_deeper_patterns_win_on_mlx5)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / end actions drop / end");
	add("ingress group 1 pattern eth / ipv4 / end actions mark id 2 / queue index 1 / end");
	add("ingress group 1 pattern eth / ipv4 / tcp dst is 80 / end "
	    "actions mark id 3 / queue index 1 / end");
	expect_mark(tcp4(1, 80), 3);
	expect_mark(tcp4(1, 81), 2);
	close_table();
}

Test(table, the_first_of_equals_wins)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / ipv4 / end actions mark id 1 / queue index 1 / end");
	add("ingress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end actions mark id 2 / "
	    "queue index 1 / end");
	expect_mark(tcp4(1, 80), 1);
	close_table();
}

Test(table, a_packet_lost_in_a_later_group_is_dropped)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end actions queue index 1 / end");
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_QUEUE);
	cr_expect(run(tcp4(2, 80)).fate == HF_VNIC_GROUP_MISS);
	close_table();
}

Test(table, tags_carry_over_to_the_next_group)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end "
	    "actions set_tag data 7 index 0 mask 0xffffffff / jump group 2 / end");
	add("ingress group 1 priority 1 pattern eth / end actions jump group 2 / end");
	add("ingress group 2 pattern tag data is 7 / eth / end actions mark id 7 / queue index 1 / "
	    "end");
	add("ingress group 2 priority 1 pattern eth / end actions mark id 1 / queue index 1 / end");
	expect_mark(tcp4(2, 80), 1);
	close_table();
}

Test(table, a_tag_can_be_set_in_part)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / end "
	    "actions set_tag data 0x307 index 0 mask 0xffffffff / jump group 2 / end");
	add("ingress group 2 pattern eth / ipv4 dst is 10.0.0.1 / end "
	    "actions set_tag data 0xff2f index 0 mask 0xf0 / jump group 3 / end");
	add("ingress group 2 priority 1 pattern eth / end actions jump group 3 / end");
	add("ingress group 3 pattern tag data is 0x327 / eth / end actions mark id 7 / "
	    "queue index 1 / end");
	add("ingress group 3 pattern tag data is 0x307 / eth / end actions mark id 1 / "
	    "queue index 1 / end");
	expect_mark(tcp4(1, 80), 7);
	expect_mark(tcp4(2, 80), 1);
	close_table();
}

Test(table, what_nothing_matches_goes_out)
{
	open_table("mlx5-cx6dx");
	add("egress pattern eth / end actions jump group 1 / end");
	add("egress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end");
	cr_expect(run_dir(HF_VNIC_TX, tcp4(1, 80)).fate == HF_VNIC_DROP);
	cr_expect(run_dir(HF_VNIC_TX, tcp4(2, 80)).fate == HF_VNIC_MISS);
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_MISS, "egress rules are not for what comes in");
	close_table();
}

Test(table, counted_without_a_fate_goes_out)
{
	struct rte_flow *rule;

	open_table("mlx5-cx6dx");
	add("egress pattern eth / end actions jump group 1 / end");
	rule = add("egress group 1 pattern eth / ipv4 / tcp / end actions count / end");
	add("egress group 1 priority 5 pattern eth / end actions drop / end");
	cr_expect(run_dir(HF_VNIC_TX, tcp4(1, 80)).fate == HF_VNIC_MISS);
	cr_expect(rule->counter->hits == 1);
	close_table();
}

Test(table, counters_count_what_matched)
{
	struct rte_flow *rule;

	open_table("mlx5-cx6dx");
	add(ROOT);
	rule = add("ingress group 1 pattern eth / ipv4 / tcp dst is 80 / end actions count / drop "
		   "/ end");
	run(tcp4(1, 80));
	run(tcp4(1, 80));
	run(tcp4(1, 81));
	cr_expect(rule->counter->hits == 2 && rule->counter->bytes == 200);
	close_table();
}

Test(table, a_removed_rule_is_gone_and_its_handle_unknown)
{
	struct rte_flow *rule;

	open_table("mlx5-cx6dx");
	rule = add("ingress pattern eth / end actions drop / end");
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_DROP);
	hf_vnic_table_del(rule);
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_MISS);
	cr_expect(!hf_vnic_table_has(table, rule));
	close_table();
}

Test(table, a_flush_takes_all)
{
	open_table("mlx5-cx6dx");
	add(ROOT);
	add("ingress group 1 pattern eth / end actions drop / end");
	cr_assert(hf_vnic_table_flush(table) == 0);
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_MISS);
	cr_expect(!table->rules);
	add(ROOT);
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_GROUP_MISS, "group 1 was not emptied");
	close_table();
}

/* i40e: "eth / ipv4" is what is neither TCP, UDP, SCTP nor a fragment. */
Test(table, a_pattern_of_i40e_is_for_one_packet_type)
{
	struct hf_vnic_pkt pkt = tcp4(1, 80);

	open_table("i40e-x710");
	add("ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end");
	cr_expect(run(pkt).fate == HF_VNIC_MISS);
	pkt.layers &= ~L(TCP);
	pkt.type = HF_VNIC_V4_OTHER;
	cr_expect(run(pkt).fate == HF_VNIC_DROP);
	pkt.type = HF_VNIC_V4_FRAG;
	pkt.hdr.ip_frag = 1;
	cr_expect(run(pkt).fate == HF_VNIC_MISS);
	close_table();
}

Test(table, i40e_installs_a_partial_mask_as_none)
{
	struct rte_flow *rule;

	open_table("i40e-x710");
	rule = add("ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask 255.255.255.0 / "
		   "tcp dst is 80 / end actions drop / end");
	cr_expect(rule->danger == HF_F_IP4_DST);
	cr_expect(run(tcp4(1, 80)).fate == HF_VNIC_DROP);
	cr_expect(run(tcp4(1, 81)).fate == HF_VNIC_MISS);
	close_table();
}

Test(table, widened_rules_reach_packets_nobody_meant)
{
	struct hf_vnic_pkt pkt = tcp4(1, 80);

	open_table("i40e-x710");
	add("ingress pattern eth / ipv4 dst spec 192.168.0.0 dst mask 255.255.255.0 / tcp dst is "
	    "80 / end actions drop / end");
	cr_expect(run(pkt).fate == HF_VNIC_DROP);
	close_table();
}

Test(table, one_input_set_for_each_packet_type_of_i40e)
{
	struct rte_flow *rule, *other = NULL;

	open_table("i40e-x710");
	rule = add("ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / end "
		   "actions drop / end");
	cr_expect(try("ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp / end actions drop / end",
			  &other) == HF_REJECT_SHAPE);
	/* Another type, and the same fields of this one. */
	add("ingress pattern eth / ipv4 dst is 10.0.0.1 / udp / end actions drop / end");
	other = add("ingress pattern eth / ipv4 dst is 10.0.0.2 / tcp dst is 23 / end actions drop "
		    "/ end");
	hf_vnic_table_del(rule);
	hf_vnic_table_del(other);
	add("ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp / end actions drop / end");
	close_table();
}

Test(table, ixgbe_keeps_its_mask_over_a_flush_but_not_over_the_last_destroy)
{
	static const char host[] =
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end";
	static const char net[] = "ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask "
				  "255.255.255.0 / end actions drop / end";
	struct rte_flow *rule;

	open_table("ixgbe-82599");
	add(host);
	cr_expect(try(net, &rule) == HF_REJECT_SHAPE);
	cr_assert(hf_vnic_table_flush(table) == 0);
	cr_expect(try(net, &rule) == HF_REJECT_SHAPE);
	hf_vnic_table_del(add(host));
	add(net);
	close_table();
}

Test(table, the_rule_after_the_last_is_refused)
{
	char text[160];
	struct rte_flow *rule;
	unsigned int i;

	open_table("ixgbe-82599");
	for (i = 0; i < 128; i++) {
		snprintf(text, sizeof(text),
			"ingress priority 1 pattern eth / ipv4 dst is 10.0.0.%u proto is 6 / "
			"tcp dst is 22 / end actions queue index 1 / end",
			i);
		rule = add(text);
	}
	cr_expect(try("ingress priority 1 pattern eth / ipv4 dst is 10.0.1.1 proto is 6 / tcp dst "
		      "is 22 / end actions queue index 1 / end",
			  &rule) == HF_REJECT_CAPACITY);
	close_table();
}

Test(table, the_same_rule_twice_is_refused_where_keys_are_kept)
{
	static const char text[] = "ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / "
				   "end actions drop / end";
	struct rte_flow *rule;

	open_table("i40e-x710");
	add(text);
	cr_expect(try(text, &rule) == HF_REJECT_EXISTS);
	close_table();
	open_table("mlx5-cx6dx");
	add(text);
	add(text);
	close_table();
}

/* Rules that all match, of random priorities, come and go; the winner is always the one that a look
 * at all of them would choose. */
Test(table, order_survives_random_changes)
{
	enum { N = 200 };
	struct rte_flow *rules[N] = {};
	uint32_t prio[N];
	uint64_t born[N], now = 0;
	struct hf_rand r;
	unsigned int n, i, best;
	char text[128];

	hf_rand_init(&r, hf_test_seed(), 0);
	open_table("mlx5-cx6dx");
	add(ROOT);
	for (n = 0; n < 5000; n++) {
		i = (unsigned int)hf_rand_below(&r, N);
		if (rules[i]) {
			hf_vnic_table_del(rules[i]);
			rules[i] = NULL;
		} else {
			prio[i] = (uint32_t)hf_rand_below(&r, 30);
			snprintf(text, sizeof(text),
				"ingress group 1 priority %u pattern eth / end actions mark id %u "
				"/ queue index 1 / end",
				prio[i], i);
			rules[i] = add(text);
			born[i] = ++now;
		}
		for (best = N, i = 0; i < N; i++) {
			if (!rules[i])
				continue;
			if (best == N || prio[i] < prio[best] ||
				(prio[i] == prio[best] && born[i] < born[best]))
				best = i;
		}
		if (best == N)
			cr_assert(run(tcp4(1, 80)).fate == HF_VNIC_GROUP_MISS);
		else
			expect_mark(tcp4(1, 80), best);
	}
	close_table();
}
