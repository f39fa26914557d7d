/* SPDX-License-Identifier: BSD-3-Clause */

/* How verdicts get where they belong: through an e-switch, by queues of their own. */

#include "host.h"

#include <hf_test.h>

#include <errno.h>

HF_SUITE(carrier);

#define IN "in=eth0 src=198.51.100.7 dst=192.0.2.10 "

#define NO_FAILSAFES                                                                               \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: FelixConfiguration\n"                                                               \
	"metadata: {name: default}\n"                                                              \
	"spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}\n"
#define UNTRACKED                                                                                  \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: drop}\n"                                                                 \
	"spec: {selector: has(host), types: [Ingress], doNotTrack: true, applyOnForward: true,\n"  \
	"  ingress: [{action: Deny, protocol: UDP, destination: {ports: [3000]}},\n"               \
	"    {action: Allow, protocol: UDP, destination: {ports: [4000]}}]}\n"

static const char untracked[] = UNTRACKED;
static const char untracked_no_failsafe[] = NO_FAILSAFES UNTRACKED;

/* The same plan for an e-switch; the caller frees it. */
static struct hf_plan *eswitch_plan(const struct hf_host *h)
{
	const struct hf_plan_opts opts = {.eswitch = {.on = true, .wire = 3, .host = 5}};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	return plan;
}

static void flow_for(
	const struct hf_host *h, const struct hf_plan *plan, const char *line, struct hf_flow *ret)
{
	struct hf_packet pkt;
	size_t entry;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0);
	(void)hf_plan_judge(plan, &pkt, &entry);
	cr_assert_neq(entry, SIZE_MAX, "%s", line);
	hf_plan_flow(plan, h->nic, entry, 4, ret);
	cr_expect(ret->transfer && !ret->ingress);
}

static void expect_action(const struct hf_flow *f, size_t i, enum hf_act act, uint32_t value)
{
	cr_assert_lt(i, f->n_actions);
	cr_expect_eq(f->actions[i].act, act);
	cr_expect_eq(f->actions[i].value, value);
}

/* Software must see what it is to know the replies of; what is stateless goes to the host. */
Test(carrier, an_eswitch_delivers_untracked_packets_and_marks_others_for_software)
{
	struct hf_host h;
	struct hf_plan *plan;
	struct hf_flow f;

	hf_host_init(&h, "mlx5-cx6dx-esw", 0, untracked);
	plan = eswitch_plan(&h);
	flow_for(&h, plan, IN "proto=udp dport=4000", &f);
	cr_expect_eq(f.n_actions, 2);
	expect_action(&f, 0, HF_ACT_COUNT, 0);
	expect_action(&f, 1, HF_ACT_REPRESENTED_PORT, 5);
	flow_for(&h, plan, IN "proto=udp dport=3000", &f);
	expect_action(&f, 1, HF_ACT_DROP, 0);
	flow_for(&h, plan, IN "proto=tcp dport=22", &f);
	expect_action(&f, 1, HF_ACT_MARK, HF_MARK_ALLOW);
	expect_action(&f, 2, HF_ACT_JUMP, 65530);
	flow_for(&h, plan, IN "proto=udp sport=53 dport=3000", &f);
	expect_action(&f, 1, HF_ACT_JUMP, 65530);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

static const char answered[] = NO_FAILSAFES
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: GlobalNetworkPolicy\n"
	"metadata: {name: both}\n"
	"spec: {selector: has(host), types: [Ingress, Egress],\n"
	"  ingress: [{action: Allow, protocol: TCP, destination: {ports: [80, 81, 443]}},\n"
	"    {action: Allow, source: {nets: [198.51.100.0/25, 198.51.100.128/25]}}],\n"
	"  egress: [{action: Deny, protocol: TCP, source: {ports: [81]},\n"
	"      destination: {nets: [203.0.113.0/24]}},\n"
	"    {action: Allow, protocol: TCP, source: {ports: [80, 81]}},\n"
	"    {action: Allow, destination: {nets: [198.51.100.0/25]}}]}\n";

/* Tracked packets are the NIC's alone only where software needs no connection for the answers. */
Test(carrier, an_eswitch_delivers_what_is_answered_by_policy)
{
	static const struct {
		const char *line;
		bool delivered;
	} cases[] = {
		{IN "proto=tcp dport=80 flags=S", true},
		{IN "proto=tcp dport=80 flags=A", true},
		/* One entry, and some of its answers may not leave. */
		{IN "proto=tcp dport=81", false},
		{"in=eth0 src=192.0.2.7 dst=192.0.2.10 proto=tcp dport=443", false},
		{IN "proto=udp dport=9", true},
		{"in=eth0 src=198.51.100.200 dst=192.0.2.10 proto=udp dport=9", false},
		/* Software knows queries, or it would not know their answers. */
		{IN "proto=icmp type=8", false},
		{IN "proto=47", false},
		/* A pod's answers do not leave the host where this packet came in. */
		{"in=eth0 src=198.51.100.7 dst=10.65.0.2 proto=udp dport=9", false},
	};
	struct hf_plan_opts opts = {.eswitch = {.on = true, .wire = 3, .host = 5}};
	struct hf_plan *plan, *strict;
	struct hf_packet pkt;
	struct hf_host h;
	size_t i, entry;

	hf_host_init(&h, "mlx5-cx6dx-esw", 0, answered);
	plan = eswitch_plan(&h);
	opts.strict_invalid = true;
	cr_assert_eq(hf_plan_build(h.rules, h.nic, &opts, &strict, NULL), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(hf_packet_parse(cases[i].line, &pkt, NULL), 0);
		cr_expect_eq(hf_plan_judge(plan, &pkt, &entry), HF_FATE_ALLOW, "%s", cases[i].line);
		cr_assert_neq(entry, SIZE_MAX);
		cr_expect_eq(hf_plan_entry(plan, entry)->forward, cases[i].delivered, "%s",
			cases[i].line);
	}
	for (i = 0; i < hf_plan_n_entries(strict); i++)
		cr_expect_not(hf_plan_entry(strict, i)->forward, "invalid answers must not pass");
	hf_plan_free(strict);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

/* The one way in asks where packets come from; nothing leads to the group of what is left over. */
Test(carrier, an_eswitch_plan_lets_in_what_comes_from_the_wire)
{
	struct hf_host h;
	struct hf_plan *plan;
	struct hf_flow f;
	size_t n, i;

	hf_host_init(&h, "mlx5-cx6dx-esw", 0, untracked);
	plan = eswitch_plan(&h);
	n = hf_plan_n_entries(plan);
	for (i = 0; i < n; i++) {
		hf_plan_flow(plan, h.nic, i, 1, &f);
		cr_expect_eq(f.group == 0, i == n - 1);
		cr_expect_lt(f.group, 65530);
	}
	cr_expect_eq(f.items[0], HF_LAYER_REPRESENTED_PORT);
	cr_expect_eq(f.pattern.mask.represented_port[1], 0xff);
	cr_expect_eq(f.pattern.spec.represented_port[1], 3);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

Test(carrier, an_eswitch_is_refused_where_there_is_none)
{
	struct hf_plan_opts opts = {.eswitch = {.on = true, .wire = 0, .host = 1}};
	struct hf_plan *plan = NULL;
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, untracked);
	cr_expect_eq(hf_plan_build(h.rules, h.nic, &opts, &plan, NULL), -ENOTSUP);
	hf_host_fini(&h);
	hf_host_init(&h, "mlx5-cx6dx-esw", 0, untracked);
	opts.fallback = HF_FALLBACK_KERNEL;
	cr_expect_eq(hf_plan_build(h.rules, h.nic, &opts, &plan, NULL), -ENOTSUP);
	opts.fallback = HF_FALLBACK_SOFTWARE;
	opts.eswitch.host = 0;
	cr_expect_eq(hf_plan_build(h.rules, h.nic, &opts, &plan, NULL), -EINVAL);
	cr_expect_null(plan);
	hf_host_fini(&h);
}

static struct hf_plan *reserved_plan(const struct hf_host *h)
{
	const struct hf_plan_opts opts = {.reserve = true};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	return plan;
}

static void expect_queue(const struct hf_host *h, const struct hf_plan *plan, const char *line,
	enum hf_fate fate, uint32_t queue)
{
	enum hf_reject reject;
	struct hf_packet pkt;
	struct hf_flow f;
	size_t entry;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0);
	cr_expect_eq(hf_plan_judge(plan, &pkt, &entry), fate);
	cr_assert_neq(entry, SIZE_MAX, "%s", line);
	cr_expect(hf_plan_entry(plan, entry)->reserved);
	hf_plan_flow(plan, h->nic, entry, 4, &f);
	cr_assert_eq(f.n_actions, 1);
	cr_expect_eq(f.actions[0].act, HF_ACT_QUEUE);
	cr_expect_eq(f.actions[0].value, queue);
	cr_expect_not_null(hf_nic_accept(h->nic, &f, &reject));
}

/* It chooses queues, and nothing else. */
Test(carrier, on_igb_each_verdict_has_a_queue_behind_the_others)
{
	struct hf_host h;
	struct hf_plan *plan;

	hf_host_init(&h, "igb-82576", 0, untracked_no_failsafe);
	plan = reserved_plan(&h);
	expect_queue(&h, plan, IN "proto=udp dport=3000", HF_FATE_DENY, 6);
	expect_queue(&h, plan, IN "proto=udp dport=4000", HF_FATE_ALLOW_UNTRACKED, 5);
	hf_plan_free(plan);
	hf_host_fini(&h);
	hf_host_init(&h, "igb-82576", 0, "");
	plan = reserved_plan(&h);
	expect_queue(&h, plan, IN "proto=tcp dport=22", HF_FATE_ALLOW, 4);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

/* Flow director marks, and drops by addresses only. */
Test(carrier, on_82599_what_cannot_be_dropped_has_a_queue)
{
	struct hf_host h;
	struct hf_plan *plan;
	struct hf_packet pkt;
	size_t entry;

	hf_host_init(&h, "ixgbe-82599", 0, untracked_no_failsafe);
	plan = reserved_plan(&h);
	expect_queue(&h, plan, IN "proto=udp dport=3000", HF_FATE_DENY, 6);
	cr_assert_eq(hf_packet_parse(IN "proto=udp dport=4000", &pkt, NULL), 0);
	cr_expect_eq(hf_plan_judge(plan, &pkt, &entry), HF_FATE_ALLOW_UNTRACKED);
	cr_assert_neq(entry, SIZE_MAX);
	cr_expect_not(hf_plan_entry(plan, entry)->reserved);
	hf_plan_free(plan);
	hf_host_fini(&h);
}

/* Nobody would look there. */
Test(carrier, queues_that_are_not_reserved_tell_nothing)
{
	struct hf_host h;

	hf_host_init(&h, "igb-82576", 0, untracked_no_failsafe);
	cr_expect_eq(hf_plan_n_entries(h.plan), 0);
	hf_host_fini(&h);
}
