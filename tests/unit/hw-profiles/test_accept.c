/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>
#include <hepflow/testpmd_rule.h>

#include <string.h>

HF_SUITE(accept);

static struct hf_nic *nic_of(const char *name)
{
	struct hf_err err = {0};
	struct hf_nic *nic = NULL;

	cr_assert(hf_profile_find(name, &nic, &err) == 0, "%s", err.text);
	return nic;
}

static struct hf_flow flow_of(const char *rule)
{
	enum hf_reject cannot;
	struct hf_flow flow;
	char word[64] = "";

	cr_assert(hf_testpmd_rule_parse(rule, &flow, &cannot, word, sizeof(word)) == 0,
		"at '%s': %s", word, rule);
	cr_assert(cannot == HF_REJECT_NONE, "%s", rule);
	return flow;
}

/* engine NULL: refused for this reason. */
static void expect(const char *name, const char *rule, const char *engine, enum hf_reject reason)
{
	struct hf_nic *nic = nic_of(name);
	struct hf_flow flow = flow_of(rule);
	enum hf_reject why = HF_REJECT_NONE;
	const struct hf_engine *e = hf_nic_accept(nic, &flow, &why);

	if (engine)
		cr_expect(e && strcmp(e->name, engine) == 0, "%s gave %s for: %s", name,
			e ? e->name : hf_reject_name(why), rule);
	else
		cr_expect(!e && why == reason, "%s gave %s for: %s", name,
			e ? e->name : hf_reject_name(why), rule);
	hf_profile_free(nic);
}

static void expect_danger(const char *name, const char *rule, enum hf_field field)
{
	struct hf_nic *nic = nic_of(name);
	struct hf_flow flow = flow_of(rule);
	enum hf_reject why = HF_REJECT_NONE;
	const struct hf_engine *e = hf_nic_accept(nic, &flow, &why);
	enum hf_field f;

	cr_assert(e, "refused (%s): %s", hf_reject_name(why), rule);
	f = hf_nic_danger(e, &flow);
	cr_expect(f == field, "%s for: %s", f < HF_F_MAX_ ? hf_field_info(f)->name : "no danger",
		rule);
	hf_profile_free(nic);
}

Test(accept, no_flow_api_takes_nothing)
{
	expect("none", "ingress pattern eth / end actions drop / end", NULL, HF_REJECT_NO_FLOW_API);
}

/* Rules of the ports and of the switch are two matters. */
Test(accept, mlx5_with_e_switch)
{
	static const char *const names[] = {
		"mlx5-cx6dx-esw", "mlx5-cx5-esw", "mlx5-cx7-esw", "mlx5-bf2-esw", "mlx5-bf3-esw"};
	const char *name = names[0];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		expect(names[i],
			"transfer pattern represented_port ethdev_port_id is 1 / eth / end actions "
			"count / port_id id 0 / end",
			"fdb", 0);
		expect(names[i], "ingress pattern eth / end actions queue index 0 / end", "nic", 0);
	}
	expect(name, "transfer priority 21843 pattern eth / end actions drop / end", "fdb", 0);
	expect(name, "ingress priority 4 pattern eth / end actions drop / end", NULL,
		HF_REJECT_PRIORITY);
	expect(name, "transfer pattern eth / end actions queue index 0 / end", NULL,
		HF_REJECT_ACTION);
	expect(name, "transfer pattern eth / end actions mark id 1 / end", NULL, HF_REJECT_FATE);
	expect(name, "ingress pattern eth / end actions represented_port ethdev_port_id 0 / end",
		NULL, HF_REJECT_ACTION);
	expect(name, "ingress pattern port_id id is 0 / eth / end actions drop / end", NULL,
		HF_REJECT_ITEM);
	expect(name,
		"transfer pattern port_id id spec 0 id mask 0xff / eth / end actions drop / end",
		NULL, HF_REJECT_MASK);
	expect(name, "ingress transfer pattern eth / end actions drop / end", NULL,
		HF_REJECT_DIRECTION);
	expect(name, "transfer pattern mark id is 1 / eth / end actions drop / end", NULL,
		HF_REJECT_MASK);
	expect(name,
		"transfer pattern mark id spec 1 id mask 0xff0000 / eth / end actions drop / end",
		"fdb", 0);
	expect_danger(name,
		"transfer pattern port_representor port_id is 0 / eth / end actions drop / end",
		HF_F_PORT_REPRESENTOR);
	expect("mlx5-cx6dx-hws-esw",
		"transfer pattern port_id id is 0 / eth / end actions drop / end", NULL,
		HF_REJECT_ITEM);
}

Test(accept, mlx5_priorities_end_per_group)
{
	const char *name = "mlx5-cx6dx";

	expect(name, "ingress priority 3 pattern eth / end actions drop / end", "sws", 0);
	expect(name, "ingress priority 4 pattern eth / end actions drop / end", NULL,
		HF_REJECT_PRIORITY);
	expect(name, "ingress group 1 priority 21843 pattern eth / end actions drop / end", "sws",
		0);
	expect(name, "ingress group 1 priority 21844 pattern eth / end actions drop / end", NULL,
		HF_REJECT_PRIORITY);
	expect(name, "ingress group 65531 pattern eth / end actions drop / end", NULL,
		HF_REJECT_GROUP);
}

Test(accept, mlx5_jumps_forward_only)
{
	const char *name = "mlx5-cx6dx";

	expect(name, "ingress pattern eth / end actions jump group 1 / end", "sws", 0);
	expect(name, "ingress group 2 pattern eth / end actions jump group 2 / end", NULL,
		HF_REJECT_JUMP);
	expect(name, "ingress group 2 pattern eth / end actions jump group 1 / end", NULL,
		HF_REJECT_JUMP);
	expect(name, "ingress group 2 pattern eth / end actions jump group 65531 / end", NULL,
		HF_REJECT_JUMP);
}

Test(accept, mlx5_takes_any_mask_but_no_range)
{
	const char *name = "mlx5-cx6dx";
	const char *mask = "ingress group 1 pattern eth / ipv4 dst spec 10.0.0.1 dst mask "
			   "255.0.0.255 / udp dst spec 0x0400 dst mask 0xfc00 / end actions drop "
			   "/ end";

	expect(name, mask, "sws", 0);
	expect_danger(name, mask, HF_F_MAX_);
	expect(name,
		"ingress pattern eth / ipv4 / udp dst spec 1 dst last 9 / end actions drop / end",
		NULL, HF_REJECT_RANGE);
	expect(name,
		"ingress pattern eth / ipv4 proto spec 6 proto mask 0xfe / end actions drop / end",
		NULL, HF_REJECT_MASK);
	expect(name, "ingress pattern eth / ipv6 proto is 44 / end actions drop / end", NULL,
		HF_REJECT_VALUE);
}

Test(accept, free_patterns_keep_wire_order)
{
	const char *name = "mlx5-cx6dx";

	expect(name, "ingress pattern end actions drop / end", "sws", 0);
	expect(name, "ingress pattern tag data is 1 / eth / end actions drop / end", "sws", 0);
	expect(name, "ingress pattern ipv4 / eth / end actions drop / end", NULL,
		HF_REJECT_PATTERN);
	expect(name, "ingress pattern eth / tcp / end actions drop / end", NULL, HF_REJECT_PATTERN);
	expect(name, "ingress pattern eth / ipv6 / icmp type is 8 / end actions drop / end", NULL,
		HF_REJECT_PATTERN);
	expect(name, "ingress pattern eth / ipv4 proto is 17 / tcp / end actions drop / end", NULL,
		HF_REJECT_COMBINATION);
	expect(name, "ingress pattern eth type is 0x86dd / ipv4 / end actions drop / end", NULL,
		HF_REJECT_COMBINATION);
	expect(name, "ingress pattern eth / ipv4 / sctp dst is 1 / end actions drop / end", NULL,
		HF_REJECT_ITEM);
}

Test(accept, one_fate_and_only_some_beside_drop)
{
	const char *name = "mlx5-cx6dx";

	expect(name, "ingress pattern eth / end actions count / age timeout 9 / drop / end", "sws",
		0);
	expect(name, "ingress pattern eth / end actions mark id 1 / drop / end", NULL,
		HF_REJECT_COMBINATION);
	expect(name, "ingress pattern eth / end actions count / end", NULL, HF_REJECT_FATE);
	expect(name, "egress group 1 pattern eth / end actions count / end", "sws", 0);
	expect(name, "ingress pattern eth / end actions drop / queue index 0 / end", NULL,
		HF_REJECT_FATE);
	expect(name, "ingress pattern eth / end actions mark id 0xffffef / queue index 0 / end",
		"sws", 0);
	expect(name, "ingress pattern eth / end actions mark id 0xfffff0 / queue index 0 / end",
		NULL, HF_REJECT_ACTION_VALUE);
	expect(name, "egress pattern eth / end actions drop / end", NULL, HF_REJECT_ACTION);
	expect(name, "egress group 1 pattern eth / end actions drop / end", "sws", 0);
}

Test(accept, direction_is_one_that_the_nic_has)
{
	expect("mlx5-cx6dx", "ingress egress pattern eth / end actions drop / end", NULL,
		HF_REJECT_DIRECTION);
	expect("mlx5-cx6dx", "transfer pattern eth / end actions drop / end", NULL,
		HF_REJECT_TRANSFER);
	expect("i40e-x710", "egress pattern eth / ipv4 / end actions drop / end", NULL,
		HF_REJECT_EGRESS);
	expect("i40e-x710", "pattern eth / ipv4 / end actions drop / end", NULL, HF_REJECT_INGRESS);
}

Test(accept, partial_masks_on_i40e_widen)
{
	const char *rule = "ingress pattern eth / ipv4 dst spec 10.0.0.0 dst prefix 24 / tcp dst "
			   "is 22 / end actions drop / end";

	expect("i40e-x710", rule, "fdir", 0);
	expect_danger("i40e-x710", rule, HF_F_IP4_DST);
	expect_danger("i40e-x710",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / end actions drop / "
		"end",
		HF_F_MAX_);
	expect_danger("i40e-x710",
		"ingress pattern eth / ipv4 / tcp dst spec 0 dst mask 0xfff0 / end actions drop / "
		"end",
		HF_F_TCP_DPORT);
	expect_danger("i40e-x710",
		"ingress pattern eth / ipv6 has_frag_ext is 1 / end actions drop / end",
		HF_F_IP6_FRAG);
}

Test(accept, i40e_keeps_protocol_and_l4_apart)
{
	expect("i40e-x710", "ingress pattern eth / ipv4 proto is 1 / end actions drop / end",
		"fdir", 0);
	expect("i40e-x710", "ingress pattern eth / ipv4 proto is 6 / end actions drop / end", NULL,
		HF_REJECT_VALUE);
	expect("i40e-x710",
		"ingress pattern eth / ipv4 proto is 1 / tcp dst is 22 / end actions drop / end",
		NULL, HF_REJECT_COMBINATION);
	expect("i40e-x710",
		"ingress pattern eth dst is 00:00:00:00:00:01 / ipv4 dst is 1.1.1.1 / end actions "
		"drop / end",
		NULL, HF_REJECT_COMBINATION);
}

Test(accept, i40e_action_lists_have_an_order)
{
	expect("i40e-x710",
		"ingress pattern eth / ipv4 / end actions queue index 1 / mark id 7 / end", "fdir",
		0);
	expect("i40e-x710",
		"ingress pattern eth / ipv4 / end actions mark id 7 / queue index 1 / end", NULL,
		HF_REJECT_ACTION);
	expect("i40e-x710", "ingress pattern eth / ipv4 / end actions count / drop / end", NULL,
		HF_REJECT_ACTION);
}

Test(accept, each_driver_has_its_form_of_fragment)
{
	const char *any = "ingress pattern eth / ipv4 fragment_offset spec 1 fragment_offset last "
			  "0x3fff fragment_offset mask 0x3fff / end actions drop / end";
	const char *mf = "ingress pattern eth / ipv4 fragment_offset spec 8 fragment_offset last "
			 "0x2000 fragment_offset mask 0x3fff / end actions drop / end";
	struct hf_nic *nic = nic_of("mlx5-cx6dx");
	struct hf_flow flow = flow_of(any);
	enum hf_reject why;

	expect("mlx5-cx6dx", any, "sws", 0);
	expect("mlx5-cx6dx", mf, NULL, HF_REJECT_VALUE);
	expect("i40e-x710", mf, "fdir", 0);
	expect("i40e-x710", any, NULL, HF_REJECT_VALUE);
	/* Without a form of its own a flow takes the one that the engine knows. */
	flow.frag = HF_FRAG_UNSAID;
	cr_expect(hf_nic_accept(nic, &flow, &why) != NULL);
	cr_expect(hf_nic_frag_form(&nic->engine[0], true) == HF_FRAG_ANY);
	cr_expect(hf_nic_frag_form(&nic->engine[0], false) == HF_FRAG_NOT);
	hf_profile_free(nic);
	expect_danger("i40e-x710",
		"ingress pattern eth / ipv4 fragment_offset spec 8 fragment_offset last 0x2000 "
		"fragment_offset mask 0x3fff / tcp / end actions drop / end",
		HF_F_IP4_FRAG);
}

Test(accept, engines_are_tried_in_order)
{
	const char *host =
		"ingress pattern eth / ipv4 dst is 10.0.0.1 proto is 6 / tcp dst is 22 / "
		"end actions queue index 0 / end";
	const char *net = "ingress pattern eth / ipv4 dst spec 10.0.0.0 dst prefix 24 / tcp dst is "
			  "22 / end actions queue index 0 / end";

	expect("ixgbe-82599", host, "ntuple", 0);
	expect("ixgbe-82599", net, "fdir", 0);
	expect("ixgbe-82599",
		"ingress pattern eth / ipv4 / tcp flags spec 2 flags mask 2 / end actions queue "
		"index 0 / end",
		"syn", 0);
	expect("ixgbe-82599",
		"ingress pattern eth / ipv4 / tcp flags spec 2 flags mask 0x12 / end actions queue "
		"index 0 / end",
		NULL, HF_REJECT_FIELD);
}

Test(accept, ixgbe_82599_drops_no_ports)
{
	expect("ixgbe-82599",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / end actions drop / "
		"end",
		NULL, HF_REJECT_COMBINATION);
	expect("ixgbe-82599", "ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end",
		"fdir", 0);
}

Test(accept, ntuple_without_protocol_is_wider)
{
	expect_danger("ixgbe-82599",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / end actions queue "
		"index 0 / end",
		HF_F_IP4_PROTO);
	expect_danger("ixgbe-82599",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 proto is 6 / tcp dst is 22 / end "
		"actions "
		"queue index 0 / end",
		HF_F_MAX_);
}

Test(accept, a_syn_filter_sees_no_ip_version)
{
	expect_danger("ixgbe-82599",
		"ingress pattern eth / ipv4 / tcp flags spec 2 flags mask 2 / end actions queue "
		"index 0 / end",
		HF_F_ETH_TYPE);
	expect_danger("ixgbe-82599",
		"ingress pattern tcp flags spec 2 flags mask 2 / end actions queue index 0 / end",
		HF_F_MAX_);
}

Test(accept, stray_mask_bits_are_refused)
{
	struct hf_nic *nic = nic_of("mlx5-cx6dx");
	struct hf_flow flow = flow_of("ingress pattern eth / end actions drop / end");
	enum hf_reject why = HF_REJECT_NONE;

	memset(flow.pattern.mask.dport, 0xff, 2);
	cr_expect(!hf_nic_accept(nic, &flow, &why) && why == HF_REJECT_FIELD, "no L4 item");
	flow = flow_of("ingress pattern eth / ipv4 dst is 1.1.1.1 / end actions drop / end");
	cr_expect(hf_nic_accept(nic, &flow, &why) != NULL);
	flow.pattern.mask.ip_dst[4] = 1;
	cr_expect(!hf_nic_accept(nic, &flow, &why), "an IPv4 address has four bytes");
	flow = flow_of("ingress pattern eth / ipv6 / end actions drop / end");
	flow.pattern.mask.ip6_vtc[3] = 1;
	cr_expect(hf_nic_accept(nic, &flow, &why) != NULL);
	flow.pattern.mask.ip6_vtc[0] = 0x60;
	cr_expect(!hf_nic_accept(nic, &flow, &why), "the version is no field");
	hf_profile_free(nic);
}

Test(accept, can_match_tells_full_masks_from_partial_ones)
{
	struct hf_nic *mlx5 = nic_of("mlx5-cx6dx");
	struct hf_nic *i40e = nic_of("i40e-x710");
	struct hf_hdr mask = {.ip_dst = {255, 255, 255, 0}};
	const struct hf_engine *fdir = &i40e->engine[1];

	cr_expect(hf_nic_can_match(&mlx5->engine[0], HF_F_IP4_DST, &mask));
	cr_expect(!hf_nic_can_match(fdir, HF_F_IP4_DST, &mask), "taken, but installed wider");
	mask.ip_dst[3] = 255;
	cr_expect(hf_nic_can_match(fdir, HF_F_IP4_DST, &mask), "an IPv4 address is four bytes");
	cr_expect(!hf_nic_can_match(fdir, HF_F_IP6_DST, &mask));
	mask.ip_frag = 1;
	cr_expect(!hf_nic_can_match(fdir, HF_F_IP6_FRAG, &mask), "never matched there");
	cr_expect(hf_nic_can_match(fdir, HF_F_TCP_FLAGS, &mask), "no mask, nothing to match");
	mask.tcp_flags = 2;
	cr_expect(!hf_nic_can_match(fdir, HF_F_TCP_FLAGS, &mask));
	hf_profile_free(mlx5);
	hf_profile_free(i40e);
}

Test(accept, a_card_written_by_hand_works_as_well)
{
	static struct hf_nic nic = {.ingress = true, .n_engines = 1};
	struct hf_engine *e = &nic.engine[0];
	struct hf_flow flow = flow_of("ingress pattern eth / ipv4 / end actions drop / end");
	enum hf_reject why = HF_REJECT_NONE;

	e->groups = 1;
	e->prios_root = 1;
	e->layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4);
	cr_expect(!hf_nic_accept(&nic, &flow, &why) && why == HF_REJECT_ACTION);
	cr_expect(!hf_nic_error(&nic, why)->given && hf_nic_error(&nic, why)->err > 0);
	e->actions = HF_ACT_BIT(HF_ACT_DROP);
	cr_expect(hf_nic_accept(&nic, &flow, &why) == e);
	e->needs_field = true;
	cr_expect(!hf_nic_accept(&nic, &flow, &why) && why == HF_REJECT_EMPTY);
}

Test(accept, actions_come_once)
{
	expect("mlx5-cx6dx", "ingress pattern eth / end actions count / count / drop / end", NULL,
		HF_REJECT_COMBINATION);
	expect("mlx5-cx6dx", "ingress pattern eth / end actions end", NULL, HF_REJECT_FATE);
}

Test(accept, ice_falls_from_switch_to_flow_director)
{
	const char *net = "ingress pattern eth / ipv4 dst spec 10.0.0.0 dst prefix 24 / tcp dst is "
			  "22 / end actions drop / end";
	const char *sctp = "ingress pattern eth / ipv4 dst is 10.0.0.1 / sctp dst is 3868 / end "
			   "actions drop / end";
	const char *count = "ingress pattern eth / ipv4 dst is 10.0.0.1 / tcp dst is 22 / end "
			    "actions count / drop / end";

	expect("ice-e810", net, "switch", 0);
	expect_danger("ice-e810", net, HF_F_MAX_);
	expect("ice-e810", sctp, "fdir", 0);
	expect("ice-e810", count, "fdir", 0);
	expect("ice-e810",
		"ingress priority 1 pattern eth / ipv4 dst is 10.0.0.1 / sctp dst is 1 / end "
		"actions "
		"drop / end",
		NULL, HF_REJECT_PRIORITY);
}

Test(accept, ice_switch_has_a_key_of_32_bytes)
{
	const char *two = "ingress pattern eth / ipv6 src is fd00::2 dst is fd00::1 / end actions "
			  "drop / end";
	const char *four =
		"ingress pattern eth / ipv6 src is fd00::2 dst is fd00::1 / tcp src is 1 "
		"dst is 22 / end actions drop / end";

	expect("ice-e810", two, "switch", 0);
	expect("ice-e810", four, "fdir", 0);
}

Test(accept, ranges_and_fragments_that_ice_ignores_are_dangers)
{
	expect_danger("ice-e810",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 / sctp dst spec 1 dst last 9 dst mask "
		"0xffff / end actions drop / end",
		HF_F_SCTP_DPORT);
	expect_danger("ice-e810",
		"ingress pattern eth / ipv4 dst is 10.0.0.1 fragment_offset spec 0 fragment_offset "
		"mask 0x3fff / end actions drop / end",
		HF_F_IP4_FRAG);
	expect("ice-e810",
		"ingress pattern eth / ipv4 fragment_offset spec 0 fragment_offset mask 0x3fff / "
		"end "
		"actions drop / end",
		NULL, HF_REJECT_EMPTY);
}

Test(accept, igb_and_igc_drop_nothing)
{
	const char *rule =
		"ingress pattern eth / ipv4 proto is 6 / tcp dst is 22 / end actions drop "
		"/ end";

	expect("igb-82576", rule, NULL, HF_REJECT_FIELD); /* the SYN filter's word */
	expect("igc-i225", rule, NULL, HF_REJECT_ACTION);
}
