/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/facts.h>

#include "hf_test.h"

#include <stdlib.h>

HF_SUITE(facts);

static struct hf_addr addr(const char *text)
{
	struct hf_addr a;

	cr_assert_eq(hf_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct hf_member member(const char *text, uint8_t proto, uint16_t port)
{
	return (struct hf_member){.addr = addr(text), .proto = proto, .port = port};
}

Test(facts, a_set_has_what_one_of_its_nets_has)
{
	static const char *const nets[] = {"10.0.0.0/8", "192.0.2.0/25", "192.0.2.200/32",
		"2001:db8::/64", "2001:db8:1::1/128"};
	static const struct {
		const char *addr;
		bool in;
	} rows[] = {{"9.255.255.255", false}, {"10.0.0.0", true}, {"10.255.255.255", true},
		{"11.0.0.0", false}, {"192.0.1.255", false}, {"192.0.2.0", true},
		{"192.0.2.127", true}, {"192.0.2.128", false}, {"192.0.2.200", true},
		{"192.0.2.201", false}, {"255.255.255.255", false}, {"::", false},
		{"2001:db7::", false}, {"2001:db8::", true},
		{"2001:db8::ffff:ffff:ffff:ffff", true}, {"2001:db8:0:1::", false},
		{"2001:db8:1::1", true}, {"2001:db8:1::2", false}, {"ffff::", false}};
	struct hf_prefix v[sizeof(nets) / sizeof(nets[0])];
	struct hf_set set = {.n_nets = sizeof(nets) / sizeof(nets[0]), .nets = v};
	size_t i;

	for (i = 0; i < set.n_nets; i++)
		cr_assert_eq(hf_prefix_parse(nets[i], &v[i], NULL), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hf_addr a = addr(rows[i].addr);

		cr_expect_eq(hf_set_has(&set, &a), rows[i].in, "%s", rows[i].addr);
	}
}

Test(facts, an_empty_set_has_nothing)
{
	struct hf_set set = {0};
	struct hf_addr a = addr("0.0.0.0");
	struct hf_member m = member("0.0.0.0", 0, 0);

	cr_expect_not(hf_set_has(&set, &a));
	cr_expect_not(hf_set_has_member(&set, &m));
}

Test(facts, a_member_is_address_protocol_and_port_together)
{
	struct hf_member v[] = {member("10.0.0.1", 6, 80), member("10.0.0.1", 6, 443),
		member("10.0.0.1", 17, 53), member("10.0.0.2", 6, 80), member("::1", 6, 80)};
	struct hf_set set = {.n_members = 5, .members = v};
	struct hf_member absent[] = {member("10.0.0.1", 6, 81), member("10.0.0.1", 17, 80),
		member("10.0.0.3", 6, 80), member("10.0.0.0", 6, 80), member("::1", 6, 81),
		member("::2", 6, 80)};
	size_t i;

	for (i = 0; i < 5; i++)
		cr_expect(hf_set_has_member(&set, &v[i]), "member %zu", i);
	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		cr_expect_not(hf_set_has_member(&set, &absent[i]), "absent %zu", i);
}

Test(facts, members_are_ordered_by_address_protocol_port)
{
	struct hf_member a = member("10.0.0.1", 6, 80), b = member("10.0.0.1", 6, 443);
	struct hf_member c = member("10.0.0.1", 17, 1), d = member("10.0.0.2", 1, 1);

	cr_expect_lt(hf_member_cmp(&a, &b), 0);
	cr_expect_lt(hf_member_cmp(&b, &c), 0);
	cr_expect_lt(hf_member_cmp(&c, &d), 0);
	cr_expect_gt(hf_member_cmp(&d, &a), 0);
	cr_expect_eq(hf_member_cmp(&a, &a), 0);
}

Test(facts, the_words_people_read)
{
	cr_expect_str_eq(hf_verdict_name(HF_VERDICT_DENY), "deny");
	cr_expect_str_eq(hf_verdict_name(HF_VERDICT_ALLOW), "allow");
	cr_expect_str_eq(hf_verdict_name(HF_VERDICT_NO_DECISION), "no-decision");
	cr_expect_str_eq(hf_verdict_name(HF_VERDICT_ALLOW_UNTRACKED), "allow-untracked");
	cr_expect_str_eq(hf_class_name(HF_CLASS_REMOTE), "remote");
	cr_expect_str_eq(hf_class_name(HF_CLASS_WORKLOAD), "workload");
	cr_expect_str_eq(hf_class_name(HF_CLASS_HOST), "host");
	cr_expect_str_eq(hf_from_name(HF_FROM_UPLINK), "uplink");
	cr_expect_str_eq(hf_from_name(HF_FROM_HOST), "host");
	cr_expect_str_eq(hf_from_name(HF_FROM_WORKLOAD), "workload");
	cr_expect_str_eq(hf_from_name(HF_FROM_TUNNEL), "tunnel");
}

Test(facts, what_was_forgotten_is_denied)
{
	enum hf_verdict zero = 0;

	cr_expect_eq(zero, HF_VERDICT_DENY);
}
