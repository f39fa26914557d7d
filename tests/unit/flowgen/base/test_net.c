/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/net.h>

#include "hf_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(net);

static struct hf_addr addr(const char *text)
{
	struct hf_addr a;

	cr_assert_eq(hf_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct hf_prefix prefix(const char *text)
{
	struct hf_prefix p;

	cr_assert_eq(hf_prefix_parse(text, &p, NULL), 0, "%s", text);
	return p;
}

Test(net, addresses_read_and_print_in_shortest_form)
{
	static const char *const same[] = {"0.0.0.0", "192.0.2.10", "255.255.255.255", "::", "::1",
		"2001:db8::a", "2001:db8:1:2:3:4:5:6", "::ffff:192.0.2.1"};
	char buf[HF_ADDRSTR_SIZE];
	struct hf_addr a;
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = addr(same[i]);
		cr_expect_str_eq(hf_addr_print(&a, buf), same[i]);
	}
	a = addr("2001:DB8:0:0:0:0:0:A");
	cr_expect_str_eq(hf_addr_print(&a, buf), "2001:db8::a");
	cr_expect_eq(addr("192.0.2.10").family, 4);
	cr_expect_eq(addr("192.0.2.10").b[3], 10);
	cr_expect_eq(addr("192.0.2.10").b[4], 0);
	cr_expect_eq(addr("::ffff:192.0.2.1").family, 6);
}

Test(net, every_byte_of_an_ipv4_address_and_every_length_prints)
{
	char text[HF_ADDRSTR_SIZE], want[INET_ADDRSTRLEN], with_len[HF_ADDRSTR_SIZE];
	unsigned int v;

	for (v = 0; v < 256; v++) {
		struct hf_prefix p = {.addr = {4, {(uint8_t)v, 0, 255, (uint8_t)~v}}};

		p.len = (uint8_t)(v % 33);
		cr_assert_not_null(inet_ntop(AF_INET, p.addr.b, want, sizeof(want)));
		cr_expect_str_eq(hf_addr_print(&p.addr, text), want);
		(void)snprintf(with_len, sizeof(with_len), "%s/%u", want, v % 33);
		cr_expect_str_eq(hf_prefix_print(&p, text), with_len);
	}
	for (v = 0; v <= 128; v++) {
		struct hf_prefix p = {{6, {0}}, (uint8_t)v};

		(void)snprintf(with_len, sizeof(with_len), "::/%u", v);
		cr_expect_str_eq(hf_prefix_print(&p, text), with_len);
	}
}

Test(net, what_is_no_address_is_refused_and_leaves_the_result_alone)
{
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
		" 1.2.3.4", "1.2.3.4 ", "1.2.3.4/32", "0x1.2.3.4", ":::", "1::2::3",
		"g::", "fe80::1%eth0", "12345::", "host"};
	struct hf_addr a = {.family = 99};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(hf_addr_parse(bad[i], &a), -EINVAL, "%s", bad[i]);
	cr_expect_eq(a.family, 99);
}

Test(net, addresses_are_ordered_by_family_then_bytes)
{
	struct hf_addr a = addr("10.0.0.1"), b = addr("10.0.0.2"), c = addr("::"), high;

	high = addr("255.0.0.0");
	cr_expect_lt(hf_addr_cmp(&a, &b), 0);
	cr_expect_gt(hf_addr_cmp(&b, &a), 0);
	cr_expect_eq(hf_addr_cmp(&a, &a), 0);
	cr_expect_lt(hf_addr_cmp(&high, &c), 0, "IPv4 comes before IPv6");
	cr_expect_gt(hf_addr_cmp(&high, &a), 0, "bytes compare without sign");
	cr_expect(hf_addr_equal(&a, &a));
	cr_expect_not(hf_addr_equal(&a, &b));
}

Test(net, bytes_behind_an_ipv4_address_do_not_count)
{
	struct hf_addr a = addr("10.0.0.1"), b = a;

	b.b[15] = 1;
	cr_expect(hf_addr_equal(&a, &b));
	cr_expect_eq(hf_addr_bits(&a), 32);
	a = addr("::1");
	b = a;
	b.b[15] = 2;
	cr_expect_not(hf_addr_equal(&a, &b));
	cr_expect_eq(hf_addr_bits(&a), 128);
}

Test(net, prefixes_lose_their_host_bits_and_say_so)
{
	static const struct {
		const char *text, *print;
		bool host_bits;
	} rows[] = {
		{"10.0.0.0/8", "10.0.0.0/8", false},
		{"10.1.2.3/8", "10.0.0.0/8", true},
		{"10.1.2.3", "10.1.2.3/32", false},
		{"10.1.2.255/25", "10.1.2.128/25", true},
		{"255.255.255.255/0", "0.0.0.0/0", true},
		{"2001:db8::1/64", "2001:db8::/64", true},
		{"2001:db8::/127", "2001:db8::/127", false},
		{"2001:db8::1", "2001:db8::1/128", false},
		{"::/0", "::/0", false},
	};
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hf_prefix p;
		bool host_bits = !rows[i].host_bits;

		cr_assert_eq(hf_prefix_parse(rows[i].text, &p, &host_bits), 0, "%s", rows[i].text);
		cr_expect_str_eq(hf_prefix_print(&p, buf), rows[i].print);
		cr_expect_eq(host_bits, rows[i].host_bits, "%s", rows[i].text);
	}
}

Test(net, what_is_no_prefix_is_refused)
{
	static const char *const bad[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129",
		"10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0/8/8",
		"10.0.0.0/0x8", "10.0.0.0/99999999999999999999", "10/8",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64"};
	struct hf_prefix p = {.len = 77};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(hf_prefix_parse(bad[i], &p, NULL), -EINVAL, "%s", bad[i]);
	cr_expect_eq(p.len, 77);
}

Test(net, a_prefix_has_its_first_and_last_address_and_not_the_next)
{
	static const struct {
		const char *prefix, *before, *first, *last, *after;
	} rows[] = {
		{"10.1.2.128/25", "10.1.2.127", "10.1.2.128", "10.1.2.255", "10.1.3.0"},
		{"10.0.0.0/7", "9.255.255.255", "10.0.0.0", "11.255.255.255", "12.0.0.0"},
		{"192.0.2.10/32", "192.0.2.9", "192.0.2.10", "192.0.2.10", "192.0.2.11"},
		{"2001:db8::/32", "2001:db7:ffff::", "2001:db8::",
			"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
		{"2001:db8::2/127", "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"},
		{"2001:db8::1/128", "2001:db8::", "2001:db8::1", "2001:db8::1", "2001:db8::2"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hf_prefix p = prefix(rows[i].prefix);
		struct hf_addr before = addr(rows[i].before), first = addr(rows[i].first);
		struct hf_addr last = addr(rows[i].last), after = addr(rows[i].after);
		struct hf_addr end = hf_prefix_last(&p);

		cr_expect_not(hf_prefix_has(&p, &before), "%s", rows[i].prefix);
		cr_expect(hf_prefix_has(&p, &first), "%s", rows[i].prefix);
		cr_expect(hf_prefix_has(&p, &last), "%s", rows[i].prefix);
		cr_expect_not(hf_prefix_has(&p, &after), "%s", rows[i].prefix);
		cr_expect(hf_addr_equal(&end, &last), "%s", rows[i].prefix);
	}
}

Test(net, everything_of_one_family_is_nothing_of_the_other)
{
	struct hf_prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0");
	struct hf_addr v4 = addr("255.255.255.255"), v6 = addr("::");

	cr_expect(hf_prefix_has(&all4, &v4));
	cr_expect_not(hf_prefix_has(&all4, &v6));
	cr_expect(hf_prefix_has(&all6, &v6));
	cr_expect_not(hf_prefix_has(&all6, &v4));
	cr_expect_not(hf_prefix_covers(&all4, &all6));
	cr_expect_not(hf_prefix_covers(&all6, &all4));
}

Test(net, a_prefix_covers_itself_and_longer_ones_inside)
{
	struct hf_prefix outer = prefix("10.0.0.0/8"), inner = prefix("10.9.0.0/16");
	struct hf_prefix aside = prefix("11.0.0.0/16");

	cr_expect(hf_prefix_covers(&outer, &outer));
	cr_expect(hf_prefix_covers(&outer, &inner));
	cr_expect_not(hf_prefix_covers(&inner, &outer));
	cr_expect_not(hf_prefix_covers(&outer, &aside));
}

Test(net, prefixes_are_ordered_by_address_then_length)
{
	struct hf_prefix a = prefix("10.0.0.0/8"), b = prefix("10.0.0.0/16");
	struct hf_prefix c = prefix("10.0.1.0/24");

	cr_expect_lt(hf_prefix_cmp(&a, &b), 0);
	cr_expect_lt(hf_prefix_cmp(&b, &c), 0);
	cr_expect_gt(hf_prefix_cmp(&c, &a), 0);
	cr_expect(hf_prefix_equal(&a, &a));
	cr_expect_not(hf_prefix_equal(&a, &b));
}

Test(net, masking_clears_exactly_the_bits_behind_the_length)
{
	unsigned int len, bit;

	for (len = 0; len <= 128; len++) {
		struct hf_prefix p = {.addr.family = 6, .len = (uint8_t)len};

		memset(p.addr.b, 0xff, sizeof(p.addr.b));
		hf_prefix_mask(&p);
		for (bit = 0; bit < 128; bit++) {
			bool set = p.addr.b[bit / 8] & 0x80 >> bit % 8;

			cr_assert_eq(set, bit < len, "length %u bit %u", len, bit);
		}
	}
}

Test(net, address_and_port_read_and_print)
{
	static const char *const same[] = {"192.0.2.1:80", "0.0.0.0:0", "255.255.255.255:65535",
		"[2001:db8::1]:443", "[::]:0", "[::ffff:192.0.2.1]:65535"};
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct hf_addrport ap;

		cr_assert_eq(hf_addrport_parse(same[i], &ap), 0, "%s", same[i]);
		cr_expect_str_eq(hf_addrport_print(&ap, buf), same[i]);
	}
}

Test(net, the_longest_address_and_port_is_not_cut)
{
	const char *text = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
	char buf[HF_ADDRSTR_SIZE];
	struct hf_addrport ap;

	cr_assert_eq(hf_addrport_parse(text, &ap), 0);
	cr_expect_str_eq(hf_addrport_print(&ap, buf), text);
}

Test(net, what_is_no_address_and_port_is_refused)
{
	static const char *const bad[] = {"", ":", ":80", "192.0.2.1",
		"192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:80x", "[192.0.2.1]:80",
		"2001:db8::1:80", "[2001:db8::1]", "[2001:db8::1]:", "[2001:db8::1]80",
		"[2001:db8::1:80", "[]:80", "[:80", "[", "]:80", "[::1]]:80", "[[::1]:80",
		"::1]:80", "[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]:1"};
	struct hf_addrport ap = {.port = 4711};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(hf_addrport_parse(bad[i], &ap), -EINVAL, "%s", bad[i]);
	cr_expect_eq(ap.port, 4711);
}

Test(net, protocols_have_names_in_any_case_and_numbers)
{
	static const struct {
		const char *text;
		uint8_t proto;
	} rows[] = {{"tcp", 6}, {"TCP", 6}, {"Udp", 17}, {"icmp", 1}, {"ICMPv6", 58}, {"sctp", 132},
		{"UDPLite", 136}, {"0", 0}, {"6", 6}, {"255", 255}};
	char buf[12];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t proto = 99;

		cr_assert_eq(hf_proto_parse(rows[i].text, &proto), 0, "%s", rows[i].text);
		cr_expect_eq(proto, rows[i].proto, "%s", rows[i].text);
	}
	cr_expect_str_eq(hf_proto_name(6, buf), "tcp");
	cr_expect_str_eq(hf_proto_name(58, buf), "icmpv6");
	cr_expect_str_eq(hf_proto_name(136, buf), "udplite");
	cr_expect_str_eq(hf_proto_name(253, buf), "253");
	cr_expect_str_eq(hf_proto_name(0, buf), "0");
}

Test(net, what_is_no_protocol_is_refused)
{
	static const char *const bad[] = {"", "256", "-1", "+6", "tcp ", "tcpx", "6 ", "0x6", "ip"};
	uint8_t proto = 99;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(hf_proto_parse(bad[i], &proto), -EINVAL, "%s", bad[i]);
	cr_expect_eq(proto, 99);
}

Test(net, policy_matches_ports_of_tcp_udp_and_sctp_only)
{
	unsigned int proto;

	for (proto = 0; proto < 256; proto++)
		cr_expect_eq(hf_proto_has_ports((uint8_t)proto),
			proto == 6 || proto == 17 || proto == 132, "%u", proto);
}
