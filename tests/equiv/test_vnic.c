/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The virtual SmartNIC takes every entry of every plan, and does with real frames what the plan
 * says it will: what flowgen believes of a NIC and what the NIC does are two programs.
 *
 * Random worlds and packets as in test_plan.c. Every entry goes the whole way: to rte_flow
 * structures, back as the driver reads them, past the profile, into the table.
 */

#include "unit/driver/vnic/frames.h"
#include "vnic/vnic.h"
#include "world.h"

#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rteflow.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS		  16 /* by default: some seconds */
#define SHARES		  2  /* of profiles; a plan and a table for each cost the time */
#define PACKETS_PER_WORLD 200
#define N_QUEUES	  4

HF_SUITE(vnic, .timeout = 3600);

struct tally {
	size_t packets;
	size_t entries;
	size_t eswitch; /* plans */
	size_t reserved;
	size_t n_nics;
	struct hf_nic **nics;
	size_t fates[HF_FATE_JUMP + 1];
};

struct world_run {
	struct hf_rand *rand;
	const char *where; /* "HF_SEED=1 world 3" */
	const struct hf_rules *rules;
	struct tally *tally;
};

/* Of the e-switch; plans lead packets to the host's port and get them from the wire's. */
#define WIRE 0
#define HOST 1
static uint64_t place;
static struct hf_vnic_swport *const host_port = (void *)&place; /* not looked into */

static void add_entry(struct hf_vnic_table *table, const struct hf_plan *plan,
	const struct hf_nic *nic, size_t i, const char *where)
{
	static const uint16_t queues[N_QUEUES + HF_RESERVED_QUEUES] = {0, 1, 2, 3, 4, 5, 6};
	struct hf_flow flow, seen;
	struct hf_rte_flow built;
	struct hf_vnic_ask ask = {.flow = &seen, .queues = queues};
	enum hf_reject why = HF_REJECT_NONE;
	struct rte_flow *rule;
	size_t k;
	int rc;

	hf_plan_flow(plan, nic, i, N_QUEUES, &flow);
	hf_rte_flow_build(&flow, &built);
	why = hf_rte_flow_read(&built.attr, built.items, built.actions, &seen);
	cr_assert(why == HF_REJECT_NONE, "%s: entry %zu on %s: %s", where, i, nic->name,
		hf_reject_name(why));
	ask.engine = hf_nic_accept(nic, &seen, &why);
	cr_assert(ask.engine, "%s: entry %zu on %s: %s", where, i, nic->name, hf_reject_name(why));
	for (k = 0; k < seen.n_actions; k++) {
		if (seen.actions[k].act == HF_ACT_RSS)
			ask.n_queues = (uint16_t)seen.actions[k].value;
		else if (seen.actions[k].act == HF_ACT_QUEUE)
			ask.n_queues = 1, ask.queues = &queues[seen.actions[k].value];
		else if (seen.actions[k].act == HF_ACT_REPRESENTED_PORT &&
			 seen.actions[k].value == HOST)
			ask.out = host_port;
	}
	rc = hf_vnic_table_add(table, &ask, &rule, &why);
	cr_assert(rc == 0, "%s: entry %zu on %s: %s", where, i, nic->name, hf_reject_name(why));
	cr_assert(rule->danger == HF_F_MAX_, "%s: entry %zu on %s", where, i, nic->name);
}

/* The packet on the wire. */
static size_t make_frame(const struct hf_packet *pkt, uint8_t bytes[static FRAME_MAX])
{
	char src[HF_ADDRSTR_SIZE], dst[HF_ADDRSTR_SIZE];
	bool v4 = pkt->src.family == 4;
	bool icmp = pkt->proto == (v4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	struct frame f = {
		.src = hf_addr_print(&pkt->src, src),
		.dst = hf_addr_print(&pkt->dst, dst),
		.proto = pkt->proto,
		.sport = icmp ? pkt->icmp_type : pkt->sport,
		.dport = icmp ? pkt->icmp_code : pkt->dport,
		.tcp_flags = pkt->tcp_flags,
		.n_tags = pkt->vlan != 0,
		.vid = pkt->vlan,
	};

	if (pkt->frag == HF_FRAG_FIRST)
		f.off = v4 ? 0x2000 : 0x0001;
	else if (pkt->frag == HF_FRAG_LATER)
		f.off = 0x0010;
	return frame_build(&f, bytes);
}

static enum hf_fate fate_of_mark(const struct hf_vnic_verdict *v)
{
	if (!v->has_mark)
		return HF_FATE_PUNT;
	return v->mark == HF_MARK_ALLOW ? HF_FATE_ALLOW : HF_FATE_ALLOW_UNTRACKED;
}

/* Of those that are reserved. */
static enum hf_fate fate_of_queue(uint16_t queue)
{
	static const enum hf_fate fates[] = {HF_FATE_ALLOW, HF_FATE_ALLOW_UNTRACKED, HF_FATE_DENY};
	size_t i;

	for (i = 0; N_QUEUES + hf_reserved_queue(fates[i]) != queue; i++)
		cr_assert_lt(i, sizeof(fates) / sizeof(fates[0]));
	return fates[i];
}

/* By the rules of the e-switch; what is delivered has no mark, so the plan's word is taken. */
static enum hf_fate judge_transfer(
	struct hf_vnic_table *table, struct hf_vnic_pkt *seen, uint32_t len, enum hf_fate allowed)
{
	struct hf_vnic_verdict v;

	seen->layers |= HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT) | HF_LAYER_BIT(HF_LAYER_PORT_ID);
	seen->hdr.represented_port[1] = seen->hdr.port_id[3] = WIRE;
	hf_vnic_exec(hf_vnic_enter(table, HF_VNIC_FDB, HF_VNIC_RX, 0), seen, len, &v);
	hf_vnic_leave(table, HF_VNIC_RX, 0);
	if (v.fate == HF_VNIC_DROP)
		return HF_FATE_DENY;
	if (v.fate == HF_VNIC_PORT) {
		cr_assert(v.out == host_port);
		return allowed;
	}
	cr_assert(v.fate == HF_VNIC_GROUP_MISS);
	return fate_of_mark(&v);
}

static enum hf_fate judge(
	struct hf_vnic_table *table, const struct hf_plan *plan, const struct hf_packet *pkt)
{
	uint8_t bytes[FRAME_MAX];
	struct rte_mbuf m = {.buf_addr = bytes, .nb_segs = 1};
	struct hf_vnic_verdict v;
	struct hf_vnic_pkt seen;

	m.pkt_len = m.data_len = (uint16_t)make_frame(pkt, bytes);
	hf_vnic_parse(table->nic, &m, &seen);
	if (hf_plan_eswitch(plan)->on) {
		size_t entry;
		enum hf_fate want = hf_plan_judge(plan, pkt, &entry);
		bool forward = entry != SIZE_MAX && hf_plan_entry(plan, entry)->forward;

		/* Delivered, and it should not have been: no fate fits. */
		return judge_transfer(table, &seen, m.pkt_len, forward ? want : HF_FATE_JUMP);
	}
	hf_vnic_exec(hf_vnic_enter(table, HF_VNIC_RX, HF_VNIC_RX, 0), &seen, m.pkt_len, &v);
	hf_vnic_leave(table, HF_VNIC_RX, 0);
	if (v.fate == HF_VNIC_DROP)
		return HF_FATE_DENY;
	/* A plan has an answer for everything in every group. */
	cr_assert(v.fate == HF_VNIC_QUEUE || v.fate == HF_VNIC_MISS);
	return v.fate == HF_VNIC_QUEUE && v.queue >= N_QUEUES ? fate_of_queue(v.queue)
							      : fate_of_mark(&v);
}

static void try_packets(
	const struct world_run *w, const struct hf_plan *plan, struct hf_vnic_table *table)
{
	const char *names[] = {hf_plan_iface(plan)};
	struct hf_packet pkt;
	size_t k;

	for (k = 0; k < PACKETS_PER_WORLD; k++) {
		enum hf_fate want, got;
		char line[512];
		size_t entry;

		hf_world_packet(w->rand, names, 1, &pkt);
		pkt.has_dnat = false;
		pkt.frag = hf_rand_below(w->rand, 6) ? HF_FRAG_NONE
						     : HF_FRAG_FIRST + hf_rand_below(w->rand, 2);
		want = hf_plan_judge(plan, &pkt, &entry);
		got = judge(table, plan, &pkt);
		w->tally->packets++;
		w->tally->fates[got]++;
		if (want == got)
			continue;
		(void)hf_packet_print(&pkt, line, sizeof(line));
		if (getenv("HF_VERBOSE"))
			hf_plan_print(plan, stderr);
		cr_assert_fail("%s: %s: %s by plan (entry %zu), %s by the NIC: %s", w->where,
			hf_plan_nic(plan), hf_fate_name(want), entry, hf_fate_name(got), line);
	}
}

/* Other orders of insertion must come to the same. */
static void shuffle(struct hf_rand *rand, size_t *v, size_t n)
{
	size_t i;

	for (i = n; i > 1; i--) {
		size_t k = hf_rand_below(rand, i), t = v[i - 1];

		v[i - 1] = v[k];
		v[k] = t;
	}
}

static void try_profile(const struct world_run *w, const struct hf_nic *nic, const char *iface)
{
	struct hf_plan_opts opts = {.iface = iface, .classify_from = hf_rand_below(w->rand, 2)};
	struct hf_vnic_table *table = malloc(sizeof(*table));
	struct hf_plan *plan;
	size_t *order, n, i;

	if (nic->transfer && hf_rand_chance(w->rand, 2, 3))
		opts.eswitch = (struct hf_eswitch){true, WIRE, HOST};
	else if (hf_rand_chance(w->rand, 1, 4))
		opts.fallback = HF_FALLBACK_KERNEL;
	opts.reserve = hf_rand_chance(w->rand, 2, 3);
	opts.short_denies = hf_rand_chance(w->rand, 1, 2);
	w->tally->eswitch += opts.eswitch.on;
	cr_assert(table && hf_vnic_table_init(table, nic, 2) == 0);
	cr_assert(hf_plan_build(w->rules, nic, &opts, &plan, NULL) == 0);
	n = hf_plan_n_entries(plan);
	order = calloc(n + 1, sizeof(*order));
	for (i = 0; i < n; i++)
		order[i] = i;
	if (hf_rand_chance(w->rand, 1, 2))
		shuffle(w->rand, order, n);
	for (i = 0; i < n; i++)
		add_entry(table, plan, nic, order[i], w->where);
	w->tally->entries += n;
	for (i = 0; i < n; i++)
		w->tally->reserved += hf_plan_entry(plan, i)->reserved;
	try_packets(w, plan, table);
	free(order);
	hf_plan_free(plan);
	hf_vnic_table_fini(table);
	free(table);
}

static void run_world(uint64_t seed, size_t i, struct tally *tally)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE};
	struct hf_world world;
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_rand rand;
	char *text, where[64];
	size_t k, p;

	snprintf(where, sizeof(where), "HF_SEED=%llu world %zu", (unsigned long long)seed, i);
	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	opts.calico = world.calico;
	text = hf_world_text(&world);
	cr_assert(hf_policy_new(&policy, NULL) == 0);
	cr_assert(hf_policy_read_text(policy, "world.yaml", text, strlen(text), NULL) == 0);
	cr_assert(hf_model_build(policy, &opts, &model, NULL) == 0);
	cr_assert(hf_rules_build(model, &rules, NULL) == 0);
	for (k = 1; k < hf_rules_n_ifaces(rules); k++) {
		const struct hf_iface *iface = hf_rules_iface(rules, k);
		struct world_run w = {&rand, where, rules, tally};

		if (iface->from != HF_FROM_UPLINK || strcmp(iface->name, "lo") == 0)
			continue;
		/* A share of them, another one in each world. */
		for (p = i % SHARES; p < tally->n_nics; p += SHARES)
			try_profile(&w, tally->nics[p], iface->name);
	}
	hf_rules_free(rules);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
	hf_world_fini(&world);
}

/* Profiles that are like another have its engines: once is enough. */
static void drop_likes(struct hf_nic **nics, size_t *n)
{
	size_t i, k, kept = 0;

	for (i = 0; i < *n; i++) {
		for (k = 0; k < kept; k++) {
			if (memcmp(nics[i]->engine, nics[k]->engine, sizeof(nics[k]->engine)) == 0)
				break;
		}
		if (k == kept)
			nics[kept++] = nics[i];
		else
			hf_profile_free(nics[i]);
	}
	*n = kept;
}

Test(vnic, does_what_plans_say_on_random_worlds)
{
	const char *seeds = getenv("HF_SEEDS");
	size_t n = seeds ? strtoul(seeds, NULL, 10) : WORLDS, i;
	uint64_t seed = hf_test_seed();
	struct tally t = {};

	cr_assert(hf_profile_all(&t.nics, &t.n_nics, NULL) == 0);
	drop_likes(t.nics, &t.n_nics);
	for (i = 0; i < n; i++)
		run_world(seed, i, &t);
	fprintf(stderr,
		"# HF_SEED=%llu: %zu entries, %zu packets: punt %zu allow %zu untracked %zu "
		"deny %zu\n",
		(unsigned long long)seed, t.entries, t.packets, t.fates[HF_FATE_PUNT],
		t.fates[HF_FATE_ALLOW], t.fates[HF_FATE_ALLOW_UNTRACKED], t.fates[HF_FATE_DENY]);
	/* A NIC that decides nothing would agree with plans that do not either. */
	cr_expect(n < WORLDS ||
		  (t.fates[HF_FATE_ALLOW] > 0 && t.fates[HF_FATE_DENY] > 0 &&
			  t.fates[HF_FATE_PUNT] > 0 && t.eswitch > 0 && t.reserved > 0));
	hf_profile_free_all(t.nics, t.n_nics);
}
