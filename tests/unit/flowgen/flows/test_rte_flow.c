/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"
#include "hf_test_rand.h"

#include <hepflow/rteflow.h>
#include <hepflow/testpmd_rule.h>

#include <rte_byteorder.h>

#include <string.h>

HF_SUITE(rte_flow);

static struct hf_flow flow_of(const char *rule)
{
	enum hf_reject cannot = HF_REJECT_NONE;
	struct hf_flow flow;
	char word[64] = "";

	cr_assert(hf_testpmd_rule_parse(rule, &flow, &cannot, word, sizeof(word)) == 0,
		"at '%s': %s", word, rule);
	cr_assert(cannot == HF_REJECT_NONE, "%s", rule);
	return flow;
}

static enum hf_reject read_back(const struct hf_rte_flow *built, struct hf_flow *ret)
{
	memset(ret, 0, sizeof(*ret));
	return hf_rte_flow_read(&built->attr, built->items, built->actions, ret);
}

static void expect_pattern(const struct hf_pattern *a, const struct hf_pattern *b, const char *what)
{
	unsigned int f;

	cr_expect(a->layers == b->layers, "layers: %s", what);
	for (f = 0; f < HF_F_MAX_; f++) {
		const struct hf_field_info *info = hf_field_info(f);
		const char *sa = (const char *)&a->spec + info->offset;
		const char *sb = (const char *)&b->spec + info->offset;
		const char *ma = (const char *)&a->mask + info->offset;
		const char *mb = (const char *)&b->mask + info->offset;

		cr_expect(memcmp(sa, sb, info->size) == 0 && memcmp(ma, mb, info->size) == 0,
			"%s: %s", info->name, what);
	}
}

static void expect_same(const struct hf_flow *a, const struct hf_flow *b, const char *what)
{
	cr_expect(a->ingress == b->ingress && a->egress == b->egress &&
			  a->transfer == b->transfer && a->group == b->group &&
			  a->priority == b->priority,
		"attributes: %s", what);
	cr_expect(a->n_items == b->n_items && memcmp(a->items, b->items, a->n_items) == 0,
		"items: %s", what);
	cr_expect(a->has_last == b->has_last && a->frag == b->frag, "range: %s", what);
	expect_pattern(&a->pattern, &b->pattern, what);
	cr_expect(a->n_actions == b->n_actions &&
			  memcmp(a->actions, b->actions, a->n_actions * sizeof(a->actions[0])) == 0,
		"actions: %s", what);
}

static void expect_round(const char *rule)
{
	struct hf_flow flow = flow_of(rule), back;
	struct hf_rte_flow built;

	hf_rte_flow_build(&flow, &built);
	cr_assert(read_back(&built, &back) == HF_REJECT_NONE, "%s", rule);
	expect_same(&flow, &back, rule);
}

Test(rte_flow, rules_come_back_as_they_went)
{
	expect_round("ingress pattern eth / end actions drop / end");
	expect_round("ingress group 1 priority 3 pattern eth dst is 02:00:00:00:00:01 / "
		     "ipv4 src spec 10.1.0.0 src mask 255.255.0.0 dst is 192.0.2.1 / "
		     "tcp dst spec 1024 dst mask 0xfc00 flags spec 0x02 flags mask 0x12 / end "
		     "actions count / mark id 7 / queue index 3 / end");
	expect_round("egress group 2 pattern eth / ipv6 dst is 2001:db8::1 / udp dst is 53 / end "
		     "actions jump group 9 / end");
	expect_round("transfer pattern eth type is 0x0806 / end actions drop / end");
	expect_round("ingress pattern eth / vlan tci is 5 / ipv4 proto is 132 / sctp src is 9 / "
		     "end actions passthru / end");
	expect_round("ingress pattern eth / ipv4 tos is 4 ttl is 1 / icmp type is 8 code is 0 / "
		     "end actions flag / end");
	expect_round("ingress pattern eth / ipv6 tc is 4 hop is 255 / icmp6 type is 135 / end "
		     "actions drop / end");
	expect_round("ingress pattern eth / ipv6 has_frag_ext is 1 / end actions drop / end");
	expect_round("ingress pattern eth has_vlan is 0 / end actions drop / end");
	expect_round("ingress pattern mark id is 3 / eth / end actions drop / end");
}

Test(rte_flow, every_form_of_a_fragment_comes_back)
{
	expect_round("ingress pattern eth / ipv4 fragment_offset spec 1 fragment_offset last "
		     "0x3fff fragment_offset mask 0x3fff / end actions drop / end");
	expect_round("ingress pattern eth / ipv4 fragment_offset spec 8 fragment_offset last "
		     "0x2000 fragment_offset mask 0x3fff / end actions drop / end");
	expect_round("ingress pattern eth / ipv4 fragment_offset spec 0x2000 fragment_offset mask "
		     "0x2000 / end actions drop / end");
	expect_round("ingress pattern eth / ipv4 fragment_offset spec 0 fragment_offset mask "
		     "0x3fff / end actions drop / end");
	expect_round("ingress pattern eth / ipv4 fragment_offset spec 0x4000 fragment_offset mask "
		     "0x4000 / end actions drop / end");
}

/* Fields of random layers, random masks: whatever hf_flow can say comes back. */
static void random_pattern(struct hf_rand *r, struct hf_flow *flow)
{
	static const uint8_t chains[][4] = {
		{HF_LAYER_ETH, HF_LAYER_VLAN, HF_LAYER_IPV4, HF_LAYER_TCP},
		{HF_LAYER_ETH, HF_LAYER_TAG, HF_LAYER_IPV6, HF_LAYER_UDP},
		{HF_LAYER_META, HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_SCTP},
		{HF_LAYER_ETH, HF_LAYER_MARK, HF_LAYER_IPV6, HF_LAYER_ICMP6},
		{HF_LAYER_ETH, HF_LAYER_VLAN, HF_LAYER_IPV4, HF_LAYER_ICMP},
		{HF_LAYER_PORT_ID, HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP},
		{HF_LAYER_REPRESENTED_PORT, HF_LAYER_PORT_REPRESENTOR, HF_LAYER_ETH, HF_LAYER_IPV6},
	};
	struct hf_pattern *p = &flow->pattern;
	unsigned int f, chain = (unsigned int)hf_rand_below(r, sizeof(chains) / sizeof(chains[0]));
	size_t i;

	flow->n_items = 4;
	for (i = 0; i < 4; i++) {
		flow->items[i] = chains[chain][i];
		p->layers |= HF_LAYER_BIT(chains[chain][i]);
	}
	for (f = 0; f < HF_F_MAX_; f++) {
		const struct hf_field_info *info = hf_field_info(f);
		bool one_bit = f == HF_F_ETH_HAS_VLAN || f == HF_F_IP4_FRAG || f == HF_F_IP6_FRAG;
		size_t size = f == HF_F_IP4_SRC || f == HF_F_IP4_DST ? 4 : info->size;

		/* The forms of fragments have a test of their own. */
		if (!(p->layers & HF_LAYER_BIT(info->layer)) || f == HF_F_IP4_FRAG ||
			f == HF_F_IP4_OFF || hf_rand_chance(r, 1, 2))
			continue;
		for (i = 0; i < size; i++) {
			uint8_t all = one_bit			     ? 1
				      : f == HF_F_IP6_FLOW && i == 0 ? 0
				      : f == HF_F_IP6_FLOW && i == 1 ? 0x0f
								     : 0xff;
			uint8_t mask = (uint8_t)hf_rand_u64(r) & all;

			((uint8_t *)&p->mask)[info->offset + i] = mask;
			((uint8_t *)&p->spec)[info->offset + i] = (uint8_t)hf_rand_u64(r) & mask;
		}
	}
}

static void random_actions(struct hf_rand *r, struct hf_flow *flow)
{
	static const struct {
		enum hf_act act;
		uint64_t values;
	} acts[] = {{HF_ACT_DROP, 1}, {HF_ACT_QUEUE, 1 << 16}, {HF_ACT_RSS, 65},
		{HF_ACT_MARK, 1ull << 32}, {HF_ACT_FLAG, 1}, {HF_ACT_JUMP, 1ull << 32},
		{HF_ACT_COUNT, 1ull << 32}, {HF_ACT_AGE, 1 << 24}, {HF_ACT_PASSTHRU, 1},
		{HF_ACT_SET_TAG, 1ull << 32}, {HF_ACT_SET_META, 1ull << 32},
		{HF_ACT_MODIFY_FIELD, 1ull << 32}, {HF_ACT_PORT_ID, 1ull << 32},
		{HF_ACT_REPRESENTED_PORT, 1 << 16}};
	size_t i;

	flow->n_actions = hf_rand_below(r, HF_FLOW_ACTIONS_MAX + 1);
	for (i = 0; i < flow->n_actions; i++) {
		size_t k = hf_rand_below(r, sizeof(acts) / sizeof(acts[0]));

		flow->actions[i].act = acts[k].act;
		flow->actions[i].value = (uint32_t)hf_rand_below(r, acts[k].values);
		if (acts[k].act == HF_ACT_SET_TAG) /* the bits that are set are in a row */
			flow->actions[i].keep = (1u << hf_rand_below(r, 32)) - 1;
		if (acts[k].act == HF_ACT_MODIFY_FIELD)
			flow->actions[i].field = (enum hf_field[]){
				HF_F_MARK, HF_F_META, HF_F_TAG}[hf_rand_below(r, 3)];
	}
}

Test(rte_flow, random_rules_come_back_as_they_went)
{
	unsigned int n;

	for (n = 0; n < 5000; n++) {
		struct hf_flow flow = {}, back;
		struct hf_rte_flow built;
		struct hf_rand r;
		char what[32];

		hf_rand_init(&r, hf_test_seed(), n);
		snprintf(what, sizeof(what), "case %u", n);
		flow.ingress = hf_rand_chance(&r, 1, 2);
		flow.egress = hf_rand_chance(&r, 1, 2);
		flow.group = (uint32_t)hf_rand_u64(&r);
		flow.priority = (uint32_t)hf_rand_u64(&r);
		random_pattern(&r, &flow);
		random_actions(&r, &flow);
		hf_rte_flow_build(&flow, &built);
		cr_assert(read_back(&built, &back) == HF_REJECT_NONE, "%s", what);
		expect_same(&flow, &back, what);
	}
}

static const struct rte_flow_attr ingress = {.ingress = 1};
static const struct rte_flow_action drop[] = {
	{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};

static enum hf_reject read_one(struct rte_flow_item item, struct hf_flow *ret)
{
	struct rte_flow_item items[] = {item, {.type = RTE_FLOW_ITEM_TYPE_END}};

	return hf_rte_flow_read(&ingress, items, drop, ret);
}

Test(rte_flow, void_items_and_actions_are_not_there)
{
	struct rte_flow_item items[] = {{.type = RTE_FLOW_ITEM_TYPE_VOID},
		{.type = RTE_FLOW_ITEM_TYPE_ETH}, {.type = RTE_FLOW_ITEM_TYPE_END}};
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_VOID}, drop[0], drop[1]};
	struct hf_flow flow;

	cr_assert(hf_rte_flow_read(&ingress, items, actions, &flow) == HF_REJECT_NONE);
	cr_expect(flow.n_items == 1 && flow.items[0] == HF_LAYER_ETH);
	cr_expect(flow.n_actions == 1 && flow.actions[0].act == HF_ACT_DROP);
}

Test(rte_flow, no_mask_means_the_items_default)
{
	struct rte_flow_item_vlan vlan = {.tci = RTE_BE16(0x6005), .inner_type = RTE_BE16(0x0800)};
	struct hf_flow flow;

	cr_assert(read_one((struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &vlan},
			  &flow) == HF_REJECT_NONE);
	/* The identifier counts, priority and type do not. */
	cr_expect(flow.pattern.mask.vlan_tci[0] == 0x0f && flow.pattern.mask.vlan_tci[1] == 0xff);
	cr_expect(flow.pattern.spec.vlan_tci[0] == 0 && flow.pattern.spec.vlan_tci[1] == 5);
	cr_expect(flow.pattern.mask.vlan_type[0] == 0);
}

Test(rte_flow, a_mask_without_a_value_is_refused)
{
	struct hf_flow flow;

	cr_expect(read_one((struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_TCP,
				   .mask = &rte_flow_item_tcp_mask},
			  &flow) == HF_REJECT_MASK);
}

Test(rte_flow, a_range_is_noticed_and_its_equal_ends_are_none)
{
	struct rte_flow_item_tcp spec = {.hdr.dst_port = RTE_BE16(1000)}, last = spec;
	struct rte_flow_item item = {.type = RTE_FLOW_ITEM_TYPE_TCP, .spec = &spec, .last = &last};
	struct hf_flow flow;

	cr_assert(read_one(item, &flow) == HF_REJECT_NONE);
	cr_expect(!flow.has_last);
	last.hdr.dst_port = RTE_BE16(2000);
	cr_assert(read_one(item, &flow) == HF_REJECT_NONE);
	cr_expect(flow.has_last);
}

Test(rte_flow, equal_under_the_mask_is_no_range)
{
	struct rte_flow_item_tcp spec = {.hdr.dst_port = RTE_BE16(0x1001)};
	struct rte_flow_item_tcp last = {.hdr.dst_port = RTE_BE16(0x10ff)};
	struct rte_flow_item_tcp mask = {.hdr.dst_port = RTE_BE16(0xff00)};
	struct hf_flow flow;

	cr_assert(read_one((struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_TCP,
				   .spec = &spec,
				   .last = &last,
				   .mask = &mask},
			  &flow) == HF_REJECT_NONE);
	cr_expect(!flow.has_last);
}

Test(rte_flow, fields_nobody_knows_are_refused)
{
	struct rte_flow_item_ipv4 spec = {.hdr.packet_id = 1}, mask = {.hdr.packet_id = 0xffff};
	struct rte_flow_item item = {.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &spec, .mask = &mask};
	struct hf_flow flow;

	cr_expect(read_one(item, &flow) == HF_REJECT_FIELD);
	mask.hdr.packet_id = 0;
	mask.hdr.time_to_live = 0xff;
	cr_expect(read_one(item, &flow) == HF_REJECT_NONE);
}

Test(rte_flow, unknown_items_and_actions_are_named_other)
{
	struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_VXLAN}, {.type = RTE_FLOW_ITEM_TYPE_END}};
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_DEC_TTL}, drop[1]};
	struct hf_flow flow;

	cr_assert(hf_rte_flow_read(&ingress, items, actions, &flow) == HF_REJECT_NONE);
	cr_expect(flow.items[0] == HF_LAYER_OTHER && flow.actions[0].act == HF_ACT_OTHER);
}

Test(rte_flow, more_than_fits_is_refused)
{
	struct rte_flow_item items[HF_FLOW_ITEMS_MAX + 2];
	struct rte_flow_action actions[HF_FLOW_ACTIONS_MAX + 2];
	struct rte_flow_item one[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH}, {.type = RTE_FLOW_ITEM_TYPE_END}};
	struct hf_flow flow;
	size_t i;

	for (i = 0; i <= HF_FLOW_ITEMS_MAX; i++)
		items[i] = one[0];
	items[i] = one[1];
	for (i = 0; i <= HF_FLOW_ACTIONS_MAX; i++)
		actions[i] = drop[0];
	actions[i] = drop[1];
	cr_expect(hf_rte_flow_read(&ingress, items, drop, &flow) == HF_REJECT_PATTERN);
	cr_expect(hf_rte_flow_read(&ingress, one, actions, &flow) == HF_REJECT_ACTION);
}

Test(rte_flow, an_action_without_its_value_is_refused)
{
	struct rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_QUEUE}, drop[1]};
	struct rte_flow_item items[] = {{.type = RTE_FLOW_ITEM_TYPE_END}};
	struct hf_flow flow;

	cr_expect(hf_rte_flow_read(&ingress, items, actions, &flow) == HF_REJECT_ACTION_VALUE);
}

Test(rte_flow, the_first_of_two_headers_keeps_its_fields)
{
	struct rte_flow_item_ipv4 outer = {.hdr.dst_addr = RTE_BE32(0x0a000001)};
	struct rte_flow_item_ipv4 inner = {.hdr.dst_addr = RTE_BE32(0x0a000002)};
	struct rte_flow_item items[] = {{.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &outer},
		{.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &inner},
		{.type = RTE_FLOW_ITEM_TYPE_END}};
	struct hf_flow flow;

	cr_assert(hf_rte_flow_read(&ingress, items, drop, &flow) == HF_REJECT_NONE);
	cr_expect(flow.n_items == 2 && flow.pattern.spec.ip_dst[3] == 1);
}
