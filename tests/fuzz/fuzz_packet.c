/* SPDX-License-Identifier: BSD-3-Clause */

/* A packet line that reads prints as a line that reads as the same packet. */

#include "fuzz.h"

#include <hepflow/err.h>
#include <hepflow/net.h>

#include <string.h>

#define LINE_MAX_ 1024

static void check_same(const struct hf_packet *a, const struct hf_packet *b)
{
	FUZZ_CHECK(strcmp(a->in, b->in) == 0 && strcmp(a->out, b->out) == 0);
	FUZZ_CHECK(hf_addr_equal(&a->src, &b->src) && hf_addr_equal(&a->dst, &b->dst));
	FUZZ_CHECK(a->proto == b->proto && a->sport == b->sport && a->dport == b->dport);
	FUZZ_CHECK(a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code);
	FUZZ_CHECK(a->tcp_flags == b->tcp_flags && a->frag == b->frag && a->vlan == b->vlan);
	FUZZ_CHECK(a->ct == b->ct && a->has_dnat == b->has_dnat);
	if (a->has_dnat)
		FUZZ_CHECK(hf_addr_equal(&a->dnat.addr, &b->dnat.addr) &&
			   a->dnat.port == b->dnat.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_packet first, second;
	char *line = strndup((const char *)data, size);
	struct hf_err err = {0};
	char text[LINE_MAX_];
	int len;

	FUZZ_CHECK(line);
	if (hf_packet_parse(line, &first, &err) < 0) {
		FUZZ_CHECK(err.code < 0 && err.text[0]);
	} else {
		len = hf_packet_print(&first, text, sizeof(text));
		FUZZ_CHECK(len > 0 && (size_t)len < sizeof(text));
		FUZZ_CHECK(hf_packet_parse(text, &second, NULL) == 0);
		check_same(&first, &second);
	}
	free(line);
	return 0;
}
