/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/err.h>
#include <hepflow/net.h>

#include "hf_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(packet);

static struct hf_packet packet(const char *line)
{
	struct hf_err err = {0};
	struct hf_packet pkt;

	cr_assert_eq(hf_packet_parse(line, &pkt, &err), 0, "%s: %s", line, err.text);
	return pkt;
}

Test(packet, every_key_is_read)
{
	struct hf_packet p = packet("in=eth0 out=cali1 src=198.51.100.7 dst=192.0.2.10 proto=tcp "
				    "sport=40000 dport=3000 flags=SAFRPU frag=first vlan=7 "
				    "ct=related dnat=10.65.0.2:80");
	char buf[HF_ADDRSTR_SIZE];

	cr_expect_str_eq(p.in, "eth0");
	cr_expect_str_eq(p.out, "cali1");
	cr_expect_str_eq(hf_addr_print(&p.src, buf), "198.51.100.7");
	cr_expect_str_eq(hf_addr_print(&p.dst, buf), "192.0.2.10");
	cr_expect_eq(p.proto, HF_PROTO_TCP);
	cr_expect_eq(p.sport, 40000);
	cr_expect_eq(p.dport, 3000);
	cr_expect_eq(p.tcp_flags,
		HF_TCP_SYN | HF_TCP_ACK | HF_TCP_FIN | HF_TCP_RST | HF_TCP_PSH | HF_TCP_URG);
	cr_expect_eq(p.frag, HF_FRAG_FIRST);
	cr_expect_eq(p.vlan, 7);
	cr_expect_eq(p.ct, HF_CT_RELATED);
	cr_expect(p.has_dnat);
	cr_expect_str_eq(hf_addrport_print(&p.dnat, buf), "10.65.0.2:80");
}

Test(packet, type_and_code_belong_to_icmp)
{
	struct hf_packet p = packet("src=::1 dst=::2 proto=icmpv6 type=135 code=3");

	cr_expect_eq(p.proto, HF_PROTO_ICMPV6);
	cr_expect_eq(p.icmp_type, 135);
	cr_expect_eq(p.icmp_code, 3);
}

Test(packet, absent_keys_have_their_defaults)
{
	struct hf_packet p = packet("src=192.0.2.1 dst=192.0.2.2 proto=udp");

	cr_expect_str_empty(p.in);
	cr_expect_str_empty(p.out);
	cr_expect_eq(p.ct, HF_CT_NEW);
	cr_expect_eq(p.frag, HF_FRAG_NONE);
	cr_expect_eq(p.tcp_flags, 0);
	cr_expect_eq(p.vlan, 0);
	cr_expect_not(p.has_dnat);
}

Test(packet, tcp_flags_default_to_what_the_connection_state_makes_likely)
{
	cr_expect_eq(packet("src=1.1.1.1 dst=2.2.2.2 proto=tcp").tcp_flags, HF_TCP_SYN);
	cr_expect_eq(packet("src=1.1.1.1 dst=2.2.2.2 proto=tcp ct=new").tcp_flags, HF_TCP_SYN);
	cr_expect_eq(
		packet("src=1.1.1.1 dst=2.2.2.2 proto=tcp ct=established").tcp_flags, HF_TCP_ACK);
	cr_expect_eq(packet("src=1.1.1.1 dst=2.2.2.2 proto=tcp flags=").tcp_flags, 0);
	cr_expect_eq(packet("ct=invalid flags=R src=1.1.1.1 dst=2.2.2.2 proto=tcp").tcp_flags,
		HF_TCP_RST);
}

Test(packet, blanks_and_order_do_not_matter)
{
	struct hf_packet a = packet("  dport=53\tproto=17   dst=::2 \t src=::1\r\n");
	struct hf_packet b = packet("src=::1 dst=::2 proto=udp dport=53");

	cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0);
}

Test(packet, every_connection_state_and_fragment_word_is_known)
{
	static const char *const ct[] = {"new", "established", "related", "invalid", "untracked"};
	static const char *const frag[] = {"no", "first", "later"};
	char line[128];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		(void)snprintf(line, sizeof(line), "src=::1 dst=::2 proto=0 ct=%s", ct[i]);
		cr_expect_eq(packet(line).ct, i, "%s", line);
	}
	for (i = 0; i < 3; i++) {
		(void)snprintf(line, sizeof(line), "src=::1 dst=::2 proto=0 frag=%s", frag[i]);
		cr_expect_eq(packet(line).frag, i, "%s", line);
	}
}

Test(packet, errors_name_the_key_and_its_column)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{"src=1.2.3.4 dst=x proto=tcp", "column 13: dst: not an address"},
		{"src=1.2.3 dst=1.2.3.4 proto=tcp", "column 1: src: not an address"},
		{"  in=waytoolongifname src=1.2.3.4", "column 3: in: "},
		{"out= src=1.2.3.4 dst=1.2.3.4 proto=tcp", "column 1: out: "},
		{"src=::1 dst=::2 proto=tpc", "column 17: proto: "},
		{"src=::1 dst=::2 proto=256", "column 17: proto: "},
		{"src=::1 dst=::2 proto=tcp dport=65536", "column 27: dport: "},
		{"src=::1 dst=::2 proto=tcp sport=-1", "column 27: sport: "},
		{"src=::1 dst=::2 proto=tcp sport=", "column 27: sport: "},
		{"src=::1 dst=::2 proto=icmp type=256", "column 28: type: "},
		{"src=::1 dst=::2 proto=icmp code=1x", "column 28: code: "},
		{"src=::1 dst=::2 proto=tcp flags=SX", "column 27: flags: "},
		{"src=::1 dst=::2 proto=tcp frag=yes", "column 27: frag: "},
		{"src=::1 dst=::2 proto=tcp vlan=4095", "column 27: vlan: "},
		{"src=::1 dst=::2 proto=tcp ct=NEW", "column 27: ct: "},
		{"src=::1 dst=::2 proto=tcp dnat=::3", "column 27: dnat: "},
		{"src=::1 dst=::2 proto=tcp colour=red", "column 27: unknown key 'colour'"},
		{"src=::1 src=::1 dst=::2 proto=tcp", "column 9: src: given twice"},
		{"src=::1 dst", "column 9: expected key=value"},
		{"src=::1 =x", "column 9: expected key=value"},
		{"", "column 1: a packet needs src, dst and proto"},
		{"src=::1 dst=::2", "column 1: a packet needs"},
		{"src=::1 proto=tcp", "column 1: a packet needs"},
		{"src=::1 dst=1.2.3.4 proto=tcp",
			"column 1: src, dst and dnat must be of one family"},
		{"src=::1 dst=::2 proto=tcp dnat=1.2.3.4:5", "column 1: src, dst and dnat must"},
		{"src=::1 dst=::2 proto=icmp dport=1", "column 1: ports need proto"},
		{"src=::1 dst=::2 proto=253 sport=0", "column 1: ports need proto"},
		{"src=::1 dst=::2 proto=tcp type=1", "column 1: type and code need proto"},
		{"src=::1 dst=::2 proto=udp flags=S", "column 1: flags need proto tcp"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hf_packet pkt = {.vlan = 4711};
		struct hf_err err = {0};

		cr_expect_eq(
			hf_packet_parse(rows[i].line, &pkt, &err), -EINVAL, "%s", rows[i].line);
		cr_expect_eq(strncmp(err.text, rows[i].text, strlen(rows[i].text)), 0, "%s: %s",
			rows[i].line, err.text);
		cr_expect_eq(pkt.vlan, 4711, "result untouched: %s", rows[i].line);
		cr_expect_eq(hf_packet_parse(rows[i].line, &pkt, NULL), -EINVAL);
	}
}

Test(packet, words_without_end_are_refused)
{
	char line[4096];
	struct hf_packet pkt;

	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	cr_expect_eq(hf_packet_parse(line, &pkt, NULL), -EINVAL);
	line[3] = '=';
	cr_expect_eq(hf_packet_parse(line, &pkt, NULL), -EINVAL);
	line[2000] = '=';
	line[3] = 'a';
	cr_expect_eq(hf_packet_parse(line, &pkt, NULL), -EINVAL);
}

Test(packet, an_interface_name_may_have_fifteen_characters)
{
	struct hf_packet pkt;

	cr_expect_eq(hf_packet_parse("in=abcdefghijklmno src=::1 dst=::2 proto=0", &pkt, NULL), 0);
	cr_expect_str_eq(pkt.in, "abcdefghijklmno");
	cr_expect_eq(hf_packet_parse("in=abcdefghijklmnop src=::1 dst=::2 proto=0", &pkt, NULL),
		-EINVAL);
}

Test(packet, the_shortest_line_reads_back_as_the_same_packet)
{
	static const char *const lines[] = {
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp",
		"in=eth0 src=1.1.1.1 dst=2.2.2.2 proto=tcp sport=1 dport=65535",
		"in=eth0 out=eth1 src=::1 dst=::2 proto=udp dport=53 ct=untracked",
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp flags=",
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp flags=FSRPAU",
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp flags=S ct=established",
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp ct=established",
		"src=::1 dst=::2 proto=icmpv6 type=0 code=0",
		"src=1.1.1.1 dst=2.2.2.2 proto=icmp type=8 code=255 frag=later",
		"src=1.1.1.1 dst=2.2.2.2 proto=udplite sport=7 dport=9",
		"src=1.1.1.1 dst=2.2.2.2 proto=sctp dport=9 vlan=4094",
		"src=1.1.1.1 dst=2.2.2.2 proto=253 frag=first ct=invalid",
		"src=1.1.1.1 dst=2.2.2.2 proto=tcp dport=30001 ct=related dnat=10.0.0.1:3000",
		"src=::1 dst=::2 proto=tcp dnat=[2001:db8::1]:3000",
	};
	char buf[512];
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct hf_packet a = packet(lines[i]), b;
		int n = hf_packet_print(&a, buf, sizeof(buf));

		cr_expect_str_eq(buf, lines[i]);
		cr_expect_eq(n, (int)strlen(buf));
		b = packet(buf);
		cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0, "%s", lines[i]);
	}
}

Test(packet, a_short_buffer_is_cut_and_the_whole_length_returned)
{
	struct hf_packet p = packet("in=eth0 src=1.1.1.1 dst=2.2.2.2 proto=tcp dport=80");
	int whole = hf_packet_print(&p, NULL, 0);
	char buf[64];
	int size;

	cr_expect_eq(whole, (int)strlen("in=eth0 src=1.1.1.1 dst=2.2.2.2 proto=tcp dport=80"));
	for (size = 1; size <= whole; size++) {
		memset(buf, '#', sizeof(buf));
		cr_expect_eq(hf_packet_print(&p, buf, (size_t)size), whole);
		cr_expect_eq((int)strlen(buf), size - 1);
		cr_expect_eq(buf[size], '#', "nothing behind the buffer at size %d", size);
	}
}
