/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans of drops alone: fallback kernel on a NIC with masks. */

#include "host.h"

#include <hf_test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(drops);

#define IN  "in=eth0 src=198.51.100.7 dst=192.0.2.10 "
#define IN6 "in=eth0 src=2001:db8::7 dst=2001:db8::10 "

#define GNP(name, spec)                                                                            \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: " name "}\n"                                                             \
	"spec: {selector: has(host), types: [Ingress], " spec "}\n"

static const char untracked[] = GNP("drop",
	"order: 1, doNotTrack: true, applyOnForward: true, "
	"ingress: [{action: Deny, protocol: UDP, destination: {ports: [4000]}}]") //
	GNP("rest", "order: 2, ingress: [{action: Allow}]");

static void make(struct hf_host *h, uint32_t capacity, const char *text)
{
	struct hf_plan_opts opts = {.fallback = HF_FALLBACK_KERNEL, .capacity = capacity};
	size_t i;

	hf_host_init(h, "mlx5-cx6dx", 0, text);
	hf_plan_free(h->plan);
	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &h->plan, NULL), 0);
	for (i = 0; i < hf_plan_n_entries(h->plan); i++) {
		cr_assert_eq(hf_plan_entry(h->plan, i)->fate, HF_FATE_DENY);
		cr_assert_eq(hf_plan_entry(h->plan, i)->table, 0);
	}
}

static void expect(const struct hf_host *h, const char *line, enum hf_fate fate)
{
	enum hf_fate f = hf_host_judge(h, line, NULL);

	cr_expect_eq(f, fate, "%s: %s", line, hf_fate_name(f));
}

Test(drops, answers_from_failsafe_ports_are_cut_out_of_what_is_denied)
{
	struct hf_host h;

	make(&h, 0, untracked);
	expect(&h, IN "proto=udp sport=40000 dport=4000", HF_FATE_DENY);
	expect(&h, IN6 "proto=udp sport=40000 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=0 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=52 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=53 dport=4000", HF_FATE_PUNT);
	expect(&h, IN "proto=udp sport=54 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=66 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=67 dport=4000", HF_FATE_PUNT);
	expect(&h, IN "proto=udp sport=68 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=65535 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=40000 dport=4001", HF_FATE_PUNT);
	expect(&h, IN "proto=udp sport=40000 dport=4000 frag=first", HF_FATE_PUNT);
	expect(&h, IN "proto=udp frag=later", HF_FATE_PUNT);
	hf_host_fini(&h);
}

/* ice's switch cannot tell what it has allowed, does not see flags, and has few masks. */
Test(drops, of_an_engine_without_marks)
{
	struct hf_plan_sum sum;
	struct hf_host h;

	hf_host_init(&h, "ice-e810", 0, untracked);
	expect(&h, IN "proto=udp sport=40000 dport=4000", HF_FATE_DENY);
	expect(&h, IN6 "proto=udp sport=40000 dport=4000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=53 dport=4000", HF_FATE_PUNT);
	expect(&h, IN "proto=udp sport=40000 dport=4001", HF_FATE_PUNT);
	cr_assert_eq(hf_plan_sum(h.plan, &sum), 0);
	cr_expect_gt(sum.masks, 1);
	cr_expect_leq(sum.masks, h.nic->engine[0].masks);
	cr_expect_eq(hf_host_account(&h, "default/gnp:drop/ingress/0")->share, HF_SHARE_PART);
	cr_expect_eq(hf_host_account(&h, "default/gnp:drop/ingress/0")->reason, HF_REASON_CAPACITY);
	cr_expect_eq(hf_host_account(&h, "default/gnp:rest/ingress/0")->reason, HF_REASON_CARRIER);
	hf_host_fini(&h);

	hf_host_init(&h, "ice-e810", 0,
		GNP("drop",
			"ingress: [{action: Deny, protocol: TCP, destination: {ports: [81]}}]"));
	cr_expect_eq(hf_plan_n_entries(h.plan), 0);
	cr_expect_eq(hf_host_account(&h, "default/gnp:drop/ingress/0")->reason, HF_REASON_STATEFUL);
	hf_host_fini(&h);
}

Test(drops, of_tracked_denials_only_what_opens_a_connection)
{
	struct hf_host h;

	make(&h, 0,
		GNP("deny", "ingress: [{action: Deny, protocol: TCP, destination: {ports: [3000]}},"
			    " {action: Deny, protocol: ICMP}, {action: Allow}]"));
	expect(&h, IN "proto=tcp dport=3000 flags=S", HF_FATE_DENY);
	expect(&h, IN "proto=tcp dport=3000 flags=SA", HF_FATE_PUNT);
	expect(&h, IN "proto=tcp dport=3000 flags=A", HF_FATE_PUNT);
	expect(&h, IN "proto=tcp dport=3001 flags=S", HF_FATE_PUNT);
	expect(&h, IN "proto=icmp type=8", HF_FATE_DENY);
	expect(&h, IN "proto=icmp type=0", HF_FATE_PUNT);
	/* Not what goes by: the policy is for the host. */
	expect(&h, "in=eth0 src=198.51.100.7 dst=203.0.113.9 proto=tcp dport=3000 flags=S",
		HF_FATE_PUNT);
	cr_expect_eq(hf_host_account(&h, "default/gnp:deny/ingress/0")->share, HF_SHARE_PART);
	cr_expect_eq(hf_host_account(&h, "default/gnp:deny/ingress/0")->reason, HF_REASON_STATEFUL);
	cr_expect_eq(hf_host_account(&h, "default/gnp:deny/ingress/2")->reason, HF_REASON_KERNEL);
	hf_host_fini(&h);
}

Test(drops, what_is_allowed_first_is_left_out)
{
	struct hf_host h;

	make(&h, 0,
		GNP("raw", "order: 1, doNotTrack: true, applyOnForward: true, ingress: ["
			   "{action: Allow, source: {nets: [198.51.100.0/30]}},"
			   "{action: Deny, protocol: 47},"
			   "{action: Deny, source: {nets: [198.51.100.0/24]}, protocol: UDP, "
			   "destination: {ports: ['7000:7009']}}]") //
		GNP("rest", "order: 2, ingress: [{action: Allow}]"));
	expect(&h, "in=eth0 src=198.51.100.3 dst=192.0.2.10 proto=47", HF_FATE_PUNT);
	expect(&h, "in=eth0 src=198.51.100.4 dst=192.0.2.10 proto=47", HF_FATE_DENY);
	expect(&h, "in=eth0 src=203.0.113.1 dst=192.0.2.10 proto=47", HF_FATE_DENY);
	expect(&h, "in=eth0 src=198.51.100.3 dst=192.0.2.10 proto=udp dport=7000", HF_FATE_PUNT);
	expect(&h, "in=eth0 src=198.51.100.4 dst=192.0.2.10 proto=udp dport=7000", HF_FATE_DENY);
	expect(&h, "in=eth0 src=198.51.100.255 dst=192.0.2.10 proto=udp dport=7009", HF_FATE_DENY);
	expect(&h, "in=eth0 src=198.51.100.255 dst=192.0.2.10 proto=udp dport=7010", HF_FATE_PUNT);
	hf_host_fini(&h);
}

Test(drops, what_services_rewrite_is_left_out)
{
	struct hf_host h;

	make(&h, 0,
		"---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: FelixConfiguration\n"
		"metadata: {name: default}\n"
		"spec: {failsafeInboundHostPorts: []}\n" //
		GNP("none", "ingress: [{action: Deny, protocol: TCP}]"));
	expect(&h, IN "proto=tcp dport=30000 flags=S", HF_FATE_DENY);
	expect(&h, IN "proto=tcp dport=30001 flags=S", HF_FATE_PUNT);
	expect(&h, IN "proto=tcp dport=30002 flags=S", HF_FATE_DENY);
	hf_host_fini(&h);
}

/* Nothing is dropped that is not dropped with more room, and no pattern is there twice. */
Test(drops, less_room_is_less_of_the_same)
{
	static const uint32_t rooms[] = {1, 5, 20};
	struct hf_host all, h;
	size_t r, i, k;

	make(&all, 0, untracked);
	cr_assert_gt(hf_plan_n_entries(all.plan), 20);
	for (i = 0; i < hf_plan_n_entries(all.plan); i++) {
		for (k = 0; k < i; k++)
			cr_expect_neq(memcmp(&hf_plan_entry(all.plan, i)->match,
					      &hf_plan_entry(all.plan, k)->match,
					      sizeof(struct hf_pattern)),
				0);
	}
	for (r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
		make(&h, rooms[r], untracked);
		cr_assert_eq(hf_plan_n_entries(h.plan), rooms[r]);
		for (i = 0; i < rooms[r]; i++)
			cr_expect_eq(memcmp(&hf_plan_entry(all.plan, i)->match,
					     &hf_plan_entry(h.plan, i)->match,
					     sizeof(struct hf_pattern)),
				0);
		cr_expect_eq(hf_host_account(&h, "default/gnp:drop/ingress/0")->reason,
			HF_REASON_CAPACITY);
		hf_host_fini(&h);
	}
	hf_host_fini(&all);
}

/* More holes than may be spelled: the widest parts are dropped, and it is said. */
Test(drops, a_rule_has_a_budget)
{
	const struct hf_account *a;
	char *text = NULL;
	struct hf_host h;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	fputs("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
	      "metadata: {name: raw}\nspec: {selector: has(host), types: [Ingress], "
	      "doNotTrack: true, applyOnForward: true, ingress: [",
		f);
	for (i = 0; i < 40; i++)
		fprintf(f, "{action: Allow, protocol: UDP, destination: {ports: [%zu]}}, ",
			1000 + 37 * i);
	fputs("{action: Deny, protocol: UDP}]}\n", f);
	fclose(f);
	make(&h, 0, text);
	a = hf_host_account(&h, "default/gnp:raw/ingress/40");
	cr_expect_eq(a->share, HF_SHARE_PART);
	cr_expect_eq(a->reason, HF_REASON_EXPANSION);
	cr_expect_leq(a->entries, 2 * (256 + 4));
	cr_expect_gt(a->entries, 256);
	expect(&h, IN "proto=udp sport=40000 dport=40000", HF_FATE_DENY);
	expect(&h, IN "proto=udp sport=40000 dport=1037", HF_FATE_PUNT);
	hf_host_fini(&h);
	free(text);
}
