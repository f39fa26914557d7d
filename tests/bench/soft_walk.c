/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_walk.h"

#include "soft/key.h"

#include <hepflow/rules.h>

#include <err.h>

bool bench_walk_passes(const struct hf_rules *rules, const struct rte_mbuf *m)
{
	struct hf_packet p = {.in = "eth0"};
	struct hf_pkt pkt;
	struct hf_key key;

	if (hf_pkt_parse(m, &pkt) != HF_PARSE_IP)
		errx(1, "a frame that is no packet");
	p.src = pkt.src;
	p.dst = pkt.dst;
	p.proto = pkt.proto;
	p.sport = pkt.sport;
	p.dport = pkt.dport;
	p.tcp_flags = pkt.tcp_flags;
	if (hf_rules_sort(rules, &p, &key, NULL) < 0)
		errx(1, "a frame that the rules cannot sort");
	return hf_rules_lookup(rules, &key).verdict != HF_VERDICT_DENY;
}
