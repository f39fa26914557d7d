/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/err.h>
#include <hepflow/frames.h>
#include <hepflow/net.h>

#include <hf_test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(frames);

/* The frame of a packet line as hexadecimal digits. */
static const char *frame(const char *line, uint32_t number)
{
	static char text[2 * HF_FRAME_MAX + 1];
	uint8_t b[HF_FRAME_MAX];
	struct hf_packet pkt;
	size_t n, i;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0);
	n = hf_frame_build(&pkt, number, b);
	cr_assert(n <= HF_FRAME_MAX);
	for (i = 0; i < n; i++)
		(void)snprintf(&text[2 * i], 3, "%02x", b[i]);
	return text;
}

Test(frames, tcp_has_ports_and_flags)
{
	cr_expect_str_eq(frame("in=eth0 src=10.0.0.1 dst=10.0.0.2 proto=tcp sport=1025 dport=80",
				 0x01020304),
		"020000000001020001020304"
		"0800"
		"45000028000000004006"
		"00000a0000010a000002"
		"0401005000000000000000005002000000000000");
}

Test(frames, tag_stands_before_the_type)
{
	const char *text = frame("in=eth0 src=10.0.0.1 dst=10.0.0.2 proto=udp dport=53 vlan=7", 0);

	cr_expect(strncmp(text + 24,
			  "81000007"
			  "0800"
			  "45",
			  14) == 0,
		"%s", text);
	cr_expect_str_eq(text + strlen(text) - 16, "0000003500080000");
}

Test(frames, icmp_has_type_and_code)
{
	const char *text = frame("in=eth0 src=10.0.0.1 dst=10.0.0.2 proto=icmp type=3 code=4", 0);

	cr_expect_str_eq(text + strlen(text) - 16, "0304000000000000");
}

Test(frames, fragments_say_so)
{
	const char *first = "in=eth0 src=10.0.0.1 dst=10.0.0.2 proto=tcp dport=80 frag=first";
	const char *later = "in=eth0 src=10.0.0.1 dst=10.0.0.2 proto=tcp dport=80 frag=later";

	cr_expect(strncmp(frame(first, 0) + 40, "2000", 4) == 0);
	cr_expect(strncmp(frame(later, 0) + 40, "0010", 4) == 0);
	/* Bytes of the middle, no header with ports. */
	cr_expect_str_eq(frame(later, 0) + 68, "0000000000000000");
}

Test(frames, ipv6_fragments_have_a_header_of_their_own)
{
	const char *text = frame("in=eth0 src=2001:db8::1 dst=2001:db8::2 proto=udp dport=53 "
				 "frag=first",
		0);

	/* Length 16 and next header 44; behind the addresses UDP, "more", and the ports. */
	cr_expect(strncmp(text + 28,
			  "60000000"
			  "0010"
			  "2c40",
			  16) == 0,
		"%s", text);
	cr_expect_str_eq(text + 108, "1100000100000000"
				     "0000003500080000");
}

Test(frames, file_has_every_frame_and_the_end)
{
	struct hf_packet pkts[2];
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(
		hf_packet_parse("in=e src=10.0.0.1 dst=10.0.0.2 proto=tcp dport=1", &pkts[0], NULL),
		0);
	pkts[1] = pkts[0];
	cr_assert_eq(hf_frames_write(pkts, 2, out), 0);
	(void)fclose(out);
	cr_expect_eq(size, 24 + 2 * (16 + 54) + 16 + 60);
	cr_expect(memcmp(text, "\xd4\xc3\xb2\xa1", 4) == 0);
	/* The number of the second frame, and the address at the end. */
	cr_expect(memcmp(text + 24 + 70 + 16 + 6, "\2\0\0\0\0\1", 6) == 0);
	cr_expect(memcmp(text + 24 + 140 + 16 + 6, "\2\xff\xff\xff\xff\xff", 6) == 0);
	free(text);
}

Test(frames, reads_what_testpmd_says)
{
	struct hf_frame_seen seen[4];

	cr_assert_eq(
		hf_frames_read("start\r\ntestpmd> port 0/queue 0: received 2 packets\n"
			       "  src=02:00:00:00:00:03 - dst=02:00:00:00:00:01 - FDIR matched "
			       "ID=0x2 - timestamp 0\n  ol_flags: ...\n"
			       "  src=02:00:00:00:00:00 - dst=02:00:00:00:00:01 - type=0x0800\n"
			       "  src=02:00:00:00:00:02 - FDIR matched hash=0x0 ID=0x1 \n"
			       "  " HF_FRAMES_END " - dst=02:00:00:00:00:01 - type=0x0806\n",
			seen, 4, NULL),
		0);
	cr_expect(seen[0].received && !seen[0].marked);
	cr_expect(!seen[1].received && !seen[1].marked);
	cr_expect(seen[2].received && seen[2].marked && seen[2].mark == 1);
	cr_expect(seen[3].received && seen[3].marked && seen[3].mark == 2);
}

Test(frames, refuses_frames_that_nobody_sent)
{
	struct hf_frame_seen seen[1];
	struct hf_err err;

	cr_expect_eq(hf_frames_read("src=02:00:00:00:00:01 - ", seen, 1, &err), -EINVAL);
	cr_expect_eq(
		hf_frames_read("src=02:00:00:00:00:00 - \nsrc=02:00:00:00:00:00 -", seen, 1, &err),
		-EINVAL);
	cr_expect_eq(hf_frames_read("src=02:00:zz", seen, 1, &err), -EINVAL);
}
