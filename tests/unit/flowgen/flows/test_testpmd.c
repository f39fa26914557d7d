/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/flows.h>

#include <hf_test.h>

#include <string.h>

HF_SUITE(testpmd);

static void expect(const struct hf_flow *flow, const char *want)
{
	char line[512];

	cr_expect_eq(hf_flow_print_testpmd(flow, 3, line, sizeof(line)), (int)strlen(want));
	cr_expect_str_eq(line, want);
}

Test(testpmd, exact_and_masked_fields)
{
	struct hf_flow f = {.ingress = true,
		.group = 2,
		.priority = 7,
		.n_items = 3,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP},
		.n_actions = 2,
		.actions = {{HF_ACT_COUNT, 0}, {HF_ACT_DROP, 0}}};

	memcpy(f.pattern.spec.ip_dst, "\xc0\x00\x02\x0a", 4);
	memcpy(f.pattern.mask.ip_dst, "\xff\xff\xff\xff", 4);
	memcpy(f.pattern.spec.ip_src, "\xc6\x33\x64\x00", 4);
	memcpy(f.pattern.mask.ip_src, "\xff\xff\xff\x00", 4);
	memcpy(f.pattern.spec.dport, "\x0b\xb8", 2);
	memcpy(f.pattern.mask.dport, "\xff\xf8", 2);
	f.pattern.spec.tcp_flags = 0x02;
	f.pattern.mask.tcp_flags = 0x12;
	expect(&f,
		"flow create 3 group 2 priority 7 ingress pattern eth / ipv4 src spec 198.51.100.0 "
		"src mask 255.255.255.0 dst is 192.0.2.10 / tcp dst spec 3000 dst mask 65528 "
		"flags spec 2 flags mask 18 / end actions count / drop / end");
}

Test(testpmd, ports_of_an_eswitch)
{
	struct hf_flow f = {.transfer = true,
		.n_items = 2,
		.items = {HF_LAYER_REPRESENTED_PORT, HF_LAYER_ETH},
		.n_actions = 1,
		.actions = {{HF_ACT_REPRESENTED_PORT, 258}}};

	f.pattern.spec.represented_port[1] = 7;
	memset(f.pattern.mask.represented_port, 0xff, 2);
	expect(&f,
		"flow create 3 transfer pattern represented_port ethdev_port_id is 7 / eth / end "
		"actions represented_port ethdev_port_id 258 / end");
	f.items[0] = HF_LAYER_PORT_ID;
	f.actions[0].act = HF_ACT_PORT_ID;
	memset(f.pattern.mask.port_id, 0xff, 4);
	f.pattern.spec.port_id[3] = 9;
	expect(&f, "flow create 3 transfer pattern port_id id is 9 / eth / end actions port_id id "
		   "258 / end");
}

Test(testpmd, ipv6_queues_and_marks)
{
	struct hf_flow f = {.ingress = true,
		.n_items = 3,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV6, HF_LAYER_ICMP6},
		.n_actions = 2,
		.actions = {{HF_ACT_RSS, 2}, {HF_ACT_MARK, 1}}};

	f.pattern.spec.ip_dst[0] = 0xfe;
	f.pattern.spec.ip_dst[1] = 0x80;
	memset(f.pattern.mask.ip_dst, 0xff, 2);
	f.pattern.spec.icmp_type = 128;
	f.pattern.mask.icmp_type = 0xff;
	expect(&f,
		"flow create 3 ingress pattern eth / ipv6 dst spec fe80:: dst mask ffff:: / icmp6 "
		"type is 128 / end actions rss queues 0 1 end / mark id 1 / end");
}

Test(testpmd, fragments_have_a_form_of_their_own)
{
	struct hf_flow f = {.ingress = true,
		.n_items = 2,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV4},
		.n_actions = 1,
		.actions = {{HF_ACT_QUEUE, 0}}};

	f.frag = HF_FRAG_ANY;
	f.pattern.spec.ip_frag = 1;
	f.pattern.mask.ip_frag = 0xff;
	expect(&f, "flow create 3 ingress pattern eth / ipv4 fragment_offset spec 1 "
		   "fragment_offset last "
		   "0x3fff fragment_offset mask 0x3fff / end actions queue index 0 / end");
	f.frag = HF_FRAG_NOT;
	f.pattern.spec.ip_frag = 0;
	expect(&f, "flow create 3 ingress pattern eth / ipv4 fragment_offset spec 0 "
		   "fragment_offset mask "
		   "0x3fff / end actions queue index 0 / end");
}

Test(testpmd, a_short_buffer_is_cut_and_measured)
{
	struct hf_flow f = {.ingress = true,
		.n_items = 1,
		.items = {HF_LAYER_ETH},
		.n_actions = 1,
		.actions = {{HF_ACT_DROP, 0}}};
	char buf[8];

	cr_expect_eq(hf_flow_print_testpmd(&f, 0, buf, sizeof(buf)),
		(int)strlen("flow create 0 ingress pattern eth / end actions drop / end"));
	cr_expect_str_eq(buf, "flow cr");
}
