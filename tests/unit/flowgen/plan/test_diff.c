/* SPDX-License-Identifier: BSD-3-Clause */

/* Tests of diff.c and of label.c, which makes its work small. */

#include "host.h"
#include "steps.h"

#include <hepflow/diff.h>
#include <hepflow/err.h>

#include <hf_test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(diff);

#define NIC "mlx5-cx6dx"

#define GNP(name, spec)                                                                            \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: " name "}\n"                                                             \
	"spec: {selector: has(host), types: [Ingress], " spec "}\n"

/* The host of text, with a plan that follows that of before. */
static void follow(struct hf_host *h, const struct hf_host *before, const char *text)
{
	struct hf_plan_opts opts = {.previous = before->plan};

	hf_host_init(h, NIC, 0, text);
	hf_plan_free(h->plan);
	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &h->plan, NULL), 0);
}

static struct hf_diff *diff(const struct hf_plan *from, const struct hf_plan *to, uint32_t capacity)
{
	struct hf_diff_opts opts = {.capacity = capacity};
	struct hf_diff *d;

	cr_assert_eq(hf_diff_build(from, to, &opts, &d, NULL), 0);
	return d;
}

/* Allows TCP from 10.1.0.0 + i to port 1000 + i for i < n; of rule odd the action is another. */
static char *many(size_t n, size_t odd, const char *action)
{
	char *text;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	fputs("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
	      "metadata: {name: many}\n"
	      "spec: {selector: has(host), types: [Ingress], ingress: [",
		f);
	for (i = 0; i < n; i++)
		fprintf(f,
			"\n{action: %s, protocol: TCP, source: {nets: [10.1.%zu.%zu/32]}, "
			"destination: {ports: [%zu]}},",
			i == odd ? action : "Allow", i / 250, i % 250 + 1, 1000 + i);
	fputs("]}\n", f);
	fclose(f);
	return text;
}

/* Does every operation; after each the packet must have one of the fates. */
static void do_all(const struct hf_plan *from, const struct hf_plan *to, const struct hf_diff *d,
	const char *line, unsigned int may)
{
	struct hf_packet pkt;
	struct hf_steps s;
	size_t i;

	cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0);
	hf_steps_init(&s, from, to);
	for (i = 0; i < hf_diff_n_ops(d); i++) {
		hf_steps_do(&s, hf_diff_op(d, i));
		cr_expect_eq(hf_steps_judge(&s, &pkt) & ~may, 0, "after operation %zu", i);
	}
	hf_steps_fini(&s);
}

Test(diff, same_policy_costs_nothing)
{
	const char *text = GNP("p", "ingress: [{action: Deny, protocol: TCP}, {action: Allow}]");
	struct hf_host a, b;
	struct hf_diff *d;

	hf_host_init(&a, NIC, 0, text);
	follow(&b, &a, text);
	d = diff(a.plan, b.plan, 0);
	cr_expect_eq(hf_diff_n_ops(d), 0);
	cr_expect_eq(hf_diff_n_keeps(d), hf_plan_n_entries(a.plan));
	cr_expect_eq(hf_diff_peak(d), hf_plan_n_entries(a.plan));
	hf_diff_free(d);
	hf_host_fini(&a);
	hf_host_fini(&b);
}

Test(diff, one_rule_of_a_thousand_is_a_handful)
{
	static const struct {
		size_t n, odd;
		const char *action;
		size_t adds, deletes; /* entries; the rule is on the path of one family */
	} changes[] = {
		{1001, SIZE_MAX, "", 1, 0}, /* a rule behind the others */
		{999, SIZE_MAX, "", 0, 1},  /* one less */
		{1000, 500, "Deny", 2, 1},  /* SYN denied, the rest punted */
		{1000, 0, "Pass", 2, 1},    /* to no profile: denied, and likewise */
	};
	char *text = many(1000, SIZE_MAX, "");
	struct hf_host a, b;
	size_t i;

	hf_host_init(&a, NIC, 0, text);
	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char *next = many(changes[i].n, changes[i].odd, changes[i].action);
		struct hf_diff *d;

		follow(&b, &a, next);
		d = diff(a.plan, b.plan, 0);
		cr_expect_eq(hf_diff_n_adds(d), changes[i].adds, "%zu: %zu", i, hf_diff_n_adds(d));
		cr_expect_eq(hf_diff_n_deletes(d), changes[i].deletes, "%zu: %zu", i,
			hf_diff_n_deletes(d));
		cr_expect_eq(hf_diff_n_ops(d), changes[i].adds + changes[i].deletes);
		hf_diff_free(d);
		hf_host_fini(&b);
		free(next);
	}
	hf_host_fini(&a);
	free(text);
}

/* With hardly more numbers than levels there is no run with twice the room anywhere. */
Test(diff, a_nearly_full_table_moves_few)
{
	char *text = many(1000, SIZE_MAX, ""), *next = many(1000, 500, "Deny");
	struct hf_plan_opts opts = {0};
	struct hf_host a, b;
	struct hf_diff *d;
	size_t i;

	hf_host_init(&a, NIC, 0, text);
	hf_host_init(&b, NIC, 0, next);
	for (i = 0; i < a.nic->n_engines; i++) {
		struct hf_engine *e = (struct hf_engine *)&a.nic->engine[i];

		e->prios = e->prios > 1100 ? 1100 : e->prios;
	}
	hf_plan_free(a.plan);
	hf_plan_free(b.plan);
	cr_assert_eq(hf_plan_build(a.rules, a.nic, &opts, &a.plan, NULL), 0);
	opts.previous = a.plan;
	cr_assert_eq(hf_plan_build(b.rules, a.nic, &opts, &b.plan, NULL), 0);
	cr_expect_gt(hf_plan_n_entries(a.plan), 1000, "the rules do not fit");
	d = diff(a.plan, b.plan, 0);
	cr_expect_leq(hf_diff_n_ops(d), 60, "%zu operations", hf_diff_n_ops(d));
	hf_diff_free(d);
	hf_host_fini(&a);
	hf_host_fini(&b);
	free(text);
	free(next);
}

/* A policy in front of the others again and again: numbers run out, and few entries pay for it. */
Test(diff, a_closed_gap_moves_a_bounded_run)
{
	enum { UPDATES = 150 };
	char text[UPDATES * 400] = "";
	size_t len = 0, i, ops = 0, adds = 0;
	struct hf_host a, b;

	hf_host_init(&a, NIC, 0, GNP("p", "order: 1, ingress: [{action: Allow}]"));
	for (i = 0; i < UPDATES; i++) {
		struct hf_diff *d;

		len += (size_t)snprintf(text + len, sizeof(text) - len,
			GNP("p%zu", "order: %zu, ingress: [{action: Allow, protocol: UDP, source: "
				    "{nets: [10.1.0.0/24]}, destination: {ports: [%zu]}}]"),
			i, 1000 - i, 2000 + i);
		follow(&b, &a, text);
		d = diff(a.plan, b.plan, 0);
		ops += hf_diff_n_ops(d);
		adds += hf_diff_n_adds(d);
		hf_diff_free(d);
		hf_host_fini(&a);
		a = b;
	}
	cr_expect_geq(adds, UPDATES);
	cr_expect_leq(ops, 6 * UPDATES, "%zu operations", ops);
	hf_host_fini(&a);
}

Test(diff, a_changed_rule_comes_before_the_old_one_goes)
{
	struct hf_host a, b;
	struct hf_diff *d;

	hf_host_init(&a, NIC, 0,
		GNP("p", "doNotTrack: true, applyOnForward: true, ingress: [{action: Allow, "
			 "protocol: UDP, destination: {ports: [3000]}}, {action: Deny, protocol: "
			 "UDP}]"));
	follow(&b, &a,
		GNP("p", "doNotTrack: true, applyOnForward: true, ingress: [{action: Deny, "
			 "protocol: UDP, destination: {ports: [3000]}}, {action: Allow, protocol: "
			 "UDP}]"));
	d = diff(a.plan, b.plan, 0);
	cr_expect_gt(hf_diff_n_ops(d), 0);
	cr_expect_eq(hf_diff_n_ops(d), hf_diff_n_adds(d) + hf_diff_n_deletes(d));
	do_all(a.plan, b.plan, d, "in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=udp dport=3000",
		1u << HF_FATE_ALLOW_UNTRACKED | 1u << HF_FATE_DENY);
	hf_diff_free(d);
	hf_host_fini(&a);
	hf_host_fini(&b);
}

#define POD(iface, addr)                                                                           \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: WorkloadEndpoint\n"                                                                 \
	"metadata: {name: other, namespace: default}\n"                                            \
	"spec: {node: n0, orchestrator: k8s, pod: other, endpoint: eth0, interfaceName: " iface    \
	", ipNetworks: [" addr "], profiles: [projectcalico-default-allow]}\n"

/* The old table must not judge by its new rules what the new table is to judge, or turned round. */
Test(diff, a_moved_address_is_punted_while_tables_change)
{
	const char *line = "in=eth0 src=198.51.100.7 dst=10.65.0.3 proto=udp dport=3000";
	struct hf_host a, b;
	struct hf_diff *d;
	size_t i, covers = 0;

	hf_host_init(&a, NIC, 0, POD("cali2", "10.65.0.3/32"));
	follow(&b, &a, POD("cali1", "10.65.0.3/32"));
	d = diff(a.plan, b.plan, 0);
	for (i = 0; i < hf_diff_n_ops(d); i++)
		covers += hf_diff_op(d, i)->kind == HF_DIFF_COVER;
	cr_expect_eq(covers, 1);
	cr_expect_eq(hf_diff_op(d, 0)->kind, HF_DIFF_COVER);
	cr_expect(!hf_diff_covers_all(d));
	do_all(a.plan, b.plan, d, line, 1u << HF_FATE_ALLOW | 1u << HF_FATE_PUNT);
	hf_diff_free(d);
	hf_host_fini(&a);
	hf_host_fini(&b);
}

Test(diff, tables_keep_their_groups)
{
	struct hf_host a, b;
	size_t i, k, found = 0;

	hf_host_init(&a, NIC, 0, "");
	follow(&b, &a, POD("cali0", "10.65.0.1/32"));
	for (i = 0; i < hf_plan_n_tables(b.plan); i++) {
		const struct hf_table *t = hf_plan_table(b.plan, i);

		for (k = 0; k < hf_plan_n_tables(a.plan); k++) {
			const struct hf_table *o = hf_plan_table(a.plan, k);

			cr_expect_eq(strcmp(t->name, o->name) == 0, t->group == o->group, "%s %s",
				t->name, o->name);
			found += t->group == o->group;
		}
	}
	cr_expect_eq(found, hf_plan_n_tables(a.plan));
	cr_expect_eq(hf_plan_n_tables(b.plan), hf_plan_n_tables(a.plan) + 1);
	hf_host_fini(&a);
	hf_host_fini(&b);
}

Test(diff, without_room_everything_is_punted_meanwhile)
{
	struct hf_host a, b;
	struct hf_diff *d;
	size_t n;

	hf_host_init(&a, NIC, 0, GNP("p", "ingress: [{action: Allow, protocol: TCP}]"));
	follow(&b, &a, GNP("p", "ingress: [{action: Allow, protocol: UDP}]"));
	n = hf_plan_n_entries(a.plan) > hf_plan_n_entries(b.plan) ? hf_plan_n_entries(a.plan)
								  : hf_plan_n_entries(b.plan);
	d = diff(a.plan, b.plan, (uint32_t)n + 1);
	cr_expect(hf_diff_covers_all(d));
	cr_expect_leq(hf_diff_peak(d), n + 1);
	cr_expect_eq(hf_diff_op(d, 0)->kind, HF_DIFF_COVER);
	cr_expect_eq(hf_diff_op(d, hf_diff_n_ops(d) - 1)->kind, HF_DIFF_UNCOVER);
	do_all(a.plan, b.plan, d, "in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=3000",
		1u << HF_FATE_ALLOW | 1u << HF_FATE_DENY | 1u << HF_FATE_PUNT);
	hf_diff_free(d);
	hf_host_fini(&a);
	hf_host_fini(&b);
}

Test(diff, from_and_to_nothing_the_root_jump_switches)
{
	struct hf_host h;
	struct hf_diff *d;
	size_t n;

	hf_host_init(&h, NIC, 0, "");
	n = hf_plan_n_entries(h.plan);
	d = diff(NULL, h.plan, 0);
	cr_expect_eq(hf_diff_n_ops(d), n);
	cr_expect_eq(hf_diff_op(d, n - 1)->entry.table, 0);
	hf_diff_free(d);
	d = diff(h.plan, NULL, 0);
	cr_expect_eq(hf_diff_n_ops(d), n);
	cr_expect_eq(hf_diff_op(d, 0)->entry.table, 0);
	cr_expect_eq(hf_diff_op(d, 0)->kind, HF_DIFF_DELETE);
	hf_diff_free(d);
	hf_host_fini(&h);
}

Test(diff, plans_of_other_nics_are_refused)
{
	struct hf_host a, b;
	struct hf_err err = {0};
	struct hf_diff *d;

	hf_host_init(&a, NIC, 0, "");
	hf_host_init(&b, "i40e-x710", 0, "");
	cr_expect_eq(hf_diff_build(a.plan, b.plan, NULL, &d, &err), -EINVAL);
	cr_expect_str_eq(
		err.text, "plans of eth0 on mlx5-cx6dx and eth0 on i40e-x710 have no difference");
	hf_host_fini(&a);
	hf_host_fini(&b);
}
