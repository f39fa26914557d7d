/* SPDX-License-Identifier: BSD-3-Clause */

#include "path_test.h"

#include <hepflow/rules.h>

#include <rte_mbuf.h>

struct hf_soft *soft;
struct hf_rules *rules;
unsigned int eth0, cali0, cali1;
enum hf_soft_reclassify path_reclassify;
enum hf_soft_ambiguous path_ambiguous;
uint64_t now = 1000 * HZ;

void path_init(const char *yaml)
{
	struct hf_soft_opts opts = {
		.n_workers = 1,
		.max_conns = 64,
		.max_frags = 16,
		.hz = HZ,
		.reclassify = path_reclassify,
		.ambiguous = path_ambiguous,
		.socket = SOCKET_ID_ANY,
	};

	cr_assert_eq(hf_soft_new(&opts, &soft, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &eth0, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "cali0", HF_SOFT_WORKLOAD, &cali0, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "cali1", HF_SOFT_WORKLOAD, &cali1, NULL), 0);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	rules = make_rules(yaml);
	cr_assert_eq(hf_soft_publish(soft, rules, NULL), 0);
}

void path_fini(void)
{
	if (soft)
		hf_soft_worker_stop(soft, 0);
	hf_soft_free(soft);
	hf_rules_free(rules);
	mbufs_fini();
	hf_test_fini();
}

void path_change(struct hf_rules *new_rules)
{
	cr_assert_eq(hf_soft_publish(soft, new_rules, NULL), 0);
	hf_soft_poll(soft, 0, now);
	cr_assert_eq(hf_soft_reclaim(soft), rules);
	hf_rules_free(rules);
	rules = new_rules;
}

enum hf_soft_reason send_mbuf(unsigned int wire, enum hf_soft_dir dir, struct rte_mbuf *m)
{
	struct hf_soft_count before[HF_SOFT_N_REASONS];
	enum hf_soft_reason r, found = HF_SOFT_N_REASONS;
	unsigned int in_use = mbufs_in_use();
	uint32_t bytes = rte_pktmbuf_pkt_len(m), segs = m->nb_segs;
	uint16_t n;

	for (r = 0; r < HF_SOFT_N_REASONS; r++)
		before[r] = hf_soft_count_reason(soft, r);
	n = hf_soft_burst(soft, 0, wire, dir, &m, 1, now);
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		struct hf_soft_count c = hf_soft_count_reason(soft, r);

		if (c.packets == before[r].packets)
			continue;
		cr_assert_eq(found, HF_SOFT_N_REASONS, "counted twice");
		cr_assert_eq(c.packets, before[r].packets + 1);
		cr_assert_eq(c.bytes, before[r].bytes + bytes);
		found = r;
	}
	cr_assert_neq(found, HF_SOFT_N_REASONS, "not counted");
	cr_assert_eq(n, hf_soft_reason_passes(found), "%s", hf_soft_reason_name(found));
	if (n)
		rte_pktmbuf_free(m);
	cr_assert_eq(mbufs_in_use(), in_use - segs, "%s: freed", hf_soft_reason_name(found));
	return found;
}

static enum hf_soft_reason send_with(
	unsigned int wire, enum hf_soft_dir dir, const char *line, const struct frame_opts *opts)
{
	return send_mbuf(wire, dir, line_mbuf(line, opts));
}

void check_at(int at, unsigned int wire, enum hf_soft_dir dir, const char *line,
	const struct frame_opts *opts, enum hf_soft_reason want)
{
	enum hf_soft_reason got = send_with(wire, dir, line, opts);

	cr_expect_eq(got, want, "line %d: %s: %s, not %s", at, line, hf_soft_reason_name(got),
		hf_soft_reason_name(want));
}
