/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The programmer against a NIC made of an array, which judges packets after every operation: no
 * packet may meet a verdict that neither the old nor the new policy gives.
 */

#include "hf_test.h"
#include "hf_test_rand.h"

#include "flow/sync.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(sync, .timeout = 120);

#define RULES_MAX   4096
#define PACKETS_MAX 512
#define PORTS	    6 /* 3000 .. 3005 are the ports in question */

enum verdict { DENY, ALLOW };

struct fake_rule {
	bool used;
	struct hf_flow flow;
	const struct hf_engine *engine;
	uint64_t packets;
};

static struct fake {
	struct fake_rule v[RULES_MAX];
	unsigned int n_ops, n_create, n_destroy, n_query, n_flush;
	unsigned int fail_create, fail_destroy, fail_query; /* the nth from now on; 0: never */
	bool fail_forever;
	bool fail_flush;
	/* Judged after every operation, if there are any. */
	const struct hf_rules *old, *new;
} fake;

static struct hf_nic *nic;

/* A packet in both forms. */
static struct sample {
	struct hf_packet pkt;
	struct hf_hdr hdr;
} samples[PACKETS_MAX];
static size_t n_samples;

static void add_sample(const char *src, const char *dst, uint16_t dport, uint8_t flags)
{
	struct sample *s = &samples[n_samples++];

	cr_assert_leq(n_samples, PACKETS_MAX);
	memset(s, 0, sizeof(*s));
	strcpy(s->pkt.in, "eth0");
	s->pkt.proto = HF_PROTO_TCP;
	s->pkt.sport = 40000;
	s->pkt.dport = dport;
	s->pkt.tcp_flags = flags;
	s->pkt.ct = HF_CT_NEW;
	cr_assert_eq(hf_addr_parse(src, &s->pkt.src), 0);
	cr_assert_eq(hf_addr_parse(dst, &s->pkt.dst), 0);
	memcpy(s->hdr.ip_src, s->pkt.src.b, 4);
	memcpy(s->hdr.ip_dst, s->pkt.dst.b, 4);
	s->hdr.eth_type[0] = 8;
	s->hdr.ip_proto = HF_PROTO_TCP;
	s->hdr.tcp_flags = flags;
	s->hdr.sport[0] = 40000 >> 8;
	s->hdr.sport[1] = 40000 & 0xff;
	s->hdr.dport[0] = (uint8_t)(dport >> 8);
	s->hdr.dport[1] = (uint8_t)dport;
}

static void make_samples(void)
{
	static const char *const srcs[] = {"198.51.100.1", "198.51.100.2", "203.0.113.9"};
	static const char *const dsts[] = {"192.0.2.10", "192.0.2.99"};
	size_t s, d;
	unsigned int p;

	n_samples = 0;
	for (s = 0; s < 3; s++) {
		for (d = 0; d < 2; d++) {
			for (p = 0; p < PORTS; p++)
				add_sample(srcs[s], dsts[d], (uint16_t)(3000 + p), HF_TCP_SYN);
			add_sample(srcs[s], dsts[d], 22, HF_TCP_SYN);
		}
	}
}

static bool matches(const struct fake_rule *r, const struct hf_hdr *hdr)
{
	const struct hf_pattern *p = &r->flow.pattern;
	const uint32_t layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
				HF_LAYER_BIT(HF_LAYER_TCP);
	const uint8_t *h = (const uint8_t *)hdr, *spec = (const uint8_t *)&p->spec,
		      *mask = (const uint8_t *)&p->mask;
	size_t i;

	if (p->layers & ~layers)
		return false;
	/* Where a pattern is of one packet type, TCP is none of "IPv4 and nothing more". */
	if (r->engine->type_scope && !(p->layers & HF_LAYER_BIT(HF_LAYER_TCP)))
		return false;
	for (i = 0; i < sizeof(*hdr); i++) {
		if ((h[i] ^ spec[i]) & mask[i])
			return false;
	}
	return true;
}

static bool has(const struct hf_flow *f, enum hf_act act, uint32_t *ret)
{
	size_t i;

	for (i = 0; i < f->n_actions; i++) {
		if (f->actions[i].act == act) {
			*ret = f->actions[i].value;
			return true;
		}
	}
	return false;
}

/* PUNT, ALLOW or DENY. A miss behind a jump drops, as in mlx5. */
static enum hf_fate judge(const struct hf_hdr *hdr)
{
	uint32_t group = 0, value;
	int hops;

	for (hops = 0; hops < 8; hops++) {
		struct fake_rule *best = NULL;
		size_t i;

		for (i = 0; i < RULES_MAX; i++) {
			struct fake_rule *r = &fake.v[i];

			if (r->used && r->flow.group == group && matches(r, hdr) &&
				(!best || r->flow.priority < best->flow.priority))
				best = r;
		}
		if (!best)
			return group ? HF_FATE_DENY : HF_FATE_PUNT;
		best->packets++;
		if (has(&best->flow, HF_ACT_DROP, &value))
			return HF_FATE_DENY;
		if (has(&best->flow, HF_ACT_MARK, &value))
			return HF_FATE_ALLOW;
		if (!has(&best->flow, HF_ACT_JUMP, &group))
			return HF_FATE_PUNT;
	}
	cr_assert_fail("jumps in a circle");
	return HF_FATE_PUNT;
}

static enum verdict by_rules(const struct hf_rules *rules, const struct hf_packet *pkt)
{
	struct hf_key key;
	struct hf_decision d;

	cr_assert_eq(hf_rules_sort(rules, pkt, &key, NULL), 0);
	d = hf_rules_lookup(rules, &key);
	if (d.verdict == HF_VERDICT_NO_DECISION)
		d.verdict = hf_rules_kernel_policy(rules, HF_FROM_UPLINK, key.class);
	return d.verdict == HF_VERDICT_DENY ? DENY : ALLOW;
}

/* What software has punted to it is judged by the new rules. */
static void check_all(void)
{
	size_t i;

	fake.n_ops++;
	for (i = 0; fake.new &&i < n_samples; i++) {
		const struct sample *s = &samples[i];
		enum hf_fate fate = judge(&s->hdr);
		enum verdict new = by_rules(fake.new, &s->pkt), old = by_rules(fake.old, &s->pkt),
			     got = fate == HF_FATE_PUNT	   ? new
				   : fate == HF_FATE_ALLOW ? ALLOW
							   : DENY;

		cr_assert(got == old || got == new, "operation %u: port %u gets %d, old %d, new %d",
			fake.n_ops, s->pkt.dport, got, old, new);
	}
}

static bool fails(unsigned int *countdown)
{
	if (*countdown == 0)
		return false;
	if (*countdown == 1 && fake.fail_forever)
		return true;
	return --*countdown == 0;
}

static int fake_create(void *, const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	enum hf_reject reject;
	size_t i;

	fake.n_create++;
	if (fails(&fake.fail_create))
		return hf_fail(err, -ENOTSUP, "Operation not supported: type 13: no");
	for (i = 0; fake.v[i].used; i++)
		cr_assert_lt(i, RULES_MAX - 1);
	fake.v[i] = (struct fake_rule){
		.used = true, .flow = *flow, .engine = hf_nic_accept(nic, flow, &reject)};
	cr_assert_not_null(fake.v[i].engine, "the profile refuses it: %s", hf_reject_name(reject));
	*ret = &fake.v[i];
	check_all();
	return 0;
}

static int fake_destroy(void *, void *handle, struct hf_err *err)
{
	struct fake_rule *r = handle;

	fake.n_destroy++;
	cr_assert(r->used, "destroyed twice");
	if (fails(&fake.fail_destroy))
		return hf_fail(err, -EIO, "Input/output error: type 1: no");
	r->used = false;
	check_all();
	return 0;
}

static int fake_flush(void *, struct hf_err *err)
{
	size_t i;

	fake.n_flush++;
	if (fake.fail_flush)
		return hf_fail(err, -EIO, "Input/output error: type 1: no");
	for (i = 0; i < RULES_MAX; i++)
		fake.v[i].used = false;
	check_all();
	return 0;
}

static int fake_query(void *, void *handle, struct hf_flow_hits *ret)
{
	struct fake_rule *r = handle;

	fake.n_query++;
	cr_assert(r->used);
	if (fails(&fake.fail_query))
		return -EIO;
	*ret = (struct hf_flow_hits){r->packets, 100 * r->packets};
	return 0;
}

static const struct hf_flow_ops ops = {fake_create, fake_destroy, fake_flush, fake_query};

/* One policy on one NIC. */
struct world {
	struct hf_rules *rules;
	struct hf_plan *plan;
};

/* rules: lines of a policy's ingress list. */
static struct world make_world(const char *ingress)
{
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_model_opts model_opts = {0};
	struct hf_plan_opts plan_opts = {.iface = "eth0"};
	struct world w;
	struct hf_err err = {0};
	char *text;
	int len = asprintf(&text,
		"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"
		"  interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]\n---\n"
		"apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
		"metadata: {name: eth0, labels: {h: x}}\nspec: {node: n0, interfaceName: "
		"eth0}\n---\n"
		"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		"metadata: {name: p}\nspec:\n  selector: has(h)\n  applyOnForward: true\n"
		"  types: [Ingress]\n  ingress:\n%s",
		ingress);

	cr_assert_gt(len, 0);
	cr_assert_eq(hf_policy_new(&policy, &err), 0);
	cr_assert_eq(
		hf_policy_read_text(policy, "p.yaml", text, (size_t)len, &err), 0, "%s", err.text);
	cr_assert_eq(hf_model_build(policy, &model_opts, &model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_build(model, &w.rules, &err), 0, "%s", err.text);
	cr_assert_eq(hf_plan_build(w.rules, nic, &plan_opts, &w.plan, &err), 0, "%s", err.text);
	hf_policy_free(policy);
	hf_model_free(model);
	free(text);
	return w;
}

static void free_world(struct world *w)
{
	hf_plan_free(w->plan);
	hf_rules_free(w->rules);
}

static struct hf_sync *open_sync(const char *profile)
{
	struct hf_sync_opts opts = {.n_queues = 1, .ops = &ops};
	struct hf_sync *s;
	struct hf_err err = {0};

	memset(&fake, 0, sizeof(fake));
	make_samples();
	cr_assert_eq(hf_profile_find(profile, &nic, &err), 0, "%s", err.text);
	opts.nic = nic;
	cr_assert_eq(hf_sync_new(&opts, &s, &err), 0);
	return s;
}

static void close_sync(struct hf_sync *s)
{
	hf_sync_free(s);
	hf_profile_free(nic);
}

static size_t n_in_nic(void)
{
	size_t i, n = 0;

	for (i = 0; i < RULES_MAX; i++)
		n += fake.v[i].used;
	return n;
}

#define DENY_3000  "    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW_3000 "    - {action: Allow, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW_ALL  "    - {action: Allow}\n"

Test(sync, plan_is_in_the_nic_entry_by_entry)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(DENY_3000 ALLOW_ALL);
	struct hf_err err = {0};

	cr_assert_eq(hf_sync_apply(s, w.plan, &err), 0, "%s", err.text);
	cr_assert_gt(hf_plan_n_entries(w.plan), 4);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(w.plan));
	cr_assert_eq(hf_sync_n_rules(s), n_in_nic());
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(judge(&samples[1].hdr), HF_FATE_ALLOW);
	cr_assert_eq(hf_sync_apply(s, NULL, &err), 0);
	cr_assert_eq(n_in_nic(), 0);
	cr_assert_eq(hf_sync_n_rules(s), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, unchanged_plan_costs_no_operation)
{
	static const char *const profiles[] = {"mlx5-cx6dx", "ixgbe-82599", "i40e-x710"};
	size_t i;

	for (i = 0; i < 3; i++) {
		struct hf_sync *s = open_sync(profiles[i]);
		struct world w = make_world(DENY_3000 ALLOW_ALL),
			     again = make_world(DENY_3000 ALLOW_ALL);
		unsigned int n;

		cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
		n = fake.n_create + fake.n_destroy;
		cr_assert_gt(n, 0, "%s: nothing is offloaded", profiles[i]);
		free_world(&w);
		cr_assert_eq(hf_sync_apply(s, again.plan, NULL), 0);
		cr_assert_eq(fake.n_create + fake.n_destroy, n);
		free_world(&again);
		close_sync(s);
	}
}

/* A few random rules over the sample's sources and ports. */
static void random_ingress(struct hf_rand *rand, char *buf, size_t size)
{
	static const char *const srcs[] = {"", "198.51.100.1/32", "198.51.100.0/24"};
	unsigned int n = (unsigned int)hf_rand_between(rand, 1, 6), i;
	size_t len = 0;

	for (i = 0; i < n; i++) {
		const char *src = srcs[hf_rand_below(rand, 3)];

		len += (size_t)snprintf(buf + len, size - len,
			"    - {action: %s, protocol: TCP, %s%s%sdestination: {ports: [%u]}}\n",
			hf_rand_below(rand, 2) ? "Allow" : "Deny", src[0] ? "source: {nets: [" : "",
			src, src[0] ? "]}, " : "", 3000 + (unsigned int)hf_rand_below(rand, PORTS));
	}
	if (hf_rand_below(rand, 2))
		(void)snprintf(buf + len, size - len, ALLOW_ALL);
}

/* Walks from policy to policy; every operation is judged in check_all(). */
static void walk(const char *profile, unsigned int steps, bool faults)
{
	struct hf_sync *s = open_sync(profile);
	struct world old = make_world(ALLOW_ALL), new;
	struct hf_rand rand;
	char ingress[2048];
	unsigned int i, failures = 0;

	hf_rand_init(&rand, hf_test_seed(), 0);
	cr_assert_eq(hf_sync_apply(s, old.plan, NULL), 0);
	for (i = 0; i < steps; i++) {
		int rc;

		random_ingress(&rand, ingress, sizeof(ingress));
		new = make_world(ingress);
		fake.old = old.rules;
		fake.new = new.rules;
		/* Not both: a rule that neither goes nor can be hidden is beyond help. */
		if (faults && hf_rand_chance(&rand, 1, 2))
			fake.fail_create = (unsigned int)hf_rand_between(&rand, 1, 20);
		else if (faults && hf_rand_chance(&rand, 1, 2))
			fake.fail_destroy = (unsigned int)hf_rand_between(&rand, 1, 20);
		fake.fail_forever = hf_rand_chance(&rand, 1, 3);
		rc = hf_sync_apply(s, new.plan, NULL);
		failures += rc < 0;
		cr_assert(faults || rc == 0);
		/* Afterwards only the new policy counts. */
		fake.old = new.rules;
		check_all();
		cr_assert_eq(hf_sync_n_rules(s), n_in_nic());
		fake.fail_create = fake.fail_destroy = 0;
		free_world(&old);
		old = new;
	}
	cr_assert(!faults || failures > 0);
	fake.new = NULL;
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	free_world(&old);
	close_sync(s);
}

Test(sync, every_step_with_tables_gives_the_old_or_the_new_verdict)
{
	walk("mlx5-cx6dx", 60, false);
}

Test(sync, every_step_without_tables_gives_the_old_or_the_new_verdict)
{
	walk("ixgbe-82599", 60, false);
	walk("i40e-x710", 60, false);
}

Test(sync, faults_with_tables_give_no_third_verdict)
{
	walk("mlx5-cx6dx", 120, true);
}

Test(sync, faults_without_tables_give_no_third_verdict)
{
	walk("ixgbe-82599", 120, true);
	walk("i40e-x710", 120, true);
}

Test(sync, refused_rule_leaves_nothing_behind_and_is_named)
{
	unsigned int n;

	for (n = 1;; n++) {
		struct hf_sync *s = open_sync("mlx5-cx6dx");
		struct world w = make_world(DENY_3000 ALLOW_ALL);
		struct hf_sync_stats st;
		struct hf_err err = {0};
		char want[64];
		int rc;

		fake.fail_create = n;
		rc = hf_sync_apply(s, w.plan, &err);
		hf_sync_read_stats(s, &st);
		if (rc < 0) {
			(void)snprintf(want, sizeof(want), "entry %u (", n - 1);
			cr_assert_eq(rc, -ENOTSUP);
			cr_assert_eq(strncmp(err.text, want, strlen(want)), 0, "%s", err.text);
			cr_assert(strstr(err.text, "): Operation not supported: type 13: no"));
			cr_assert_eq(n_in_nic(), 0);
			cr_assert_eq(st.refused, 1);
			cr_assert_eq(st.inserted, st.deleted);
		} else {
			cr_assert_eq(n, hf_plan_n_entries(w.plan) + 1);
		}
		free_world(&w);
		close_sync(s);
		if (rc == 0)
			break;
	}
}

Test(sync, rule_that_does_not_go_is_hidden_and_goes_later)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(DENY_3000 ALLOW_ALL), open = make_world(ALLOW_ALL);

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	fake.fail_destroy = 1;
	fake.fail_forever = true;
	cr_assert_lt(hf_sync_apply(s, open.plan, NULL), 0);
	cr_assert_gt(hf_sync_n_stuck(s), 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_PUNT, "the old deny is still reached");
	fake.fail_destroy = 0;
	cr_assert_eq(hf_sync_apply(s, open.plan, NULL), 0);
	cr_assert_eq(hf_sync_n_stuck(s), 0);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(open.plan));
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_ALLOW);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	free_world(&w);
	free_world(&open);
	close_sync(s);
}

Test(sync, jump_that_does_not_go_at_the_end_is_hidden)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(DENY_3000 ALLOW_ALL);
	struct hf_err err = {0};

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	fake.fail_destroy = 1; /* the jump into the tables goes first */
	cr_assert_eq(hf_sync_apply(s, NULL, &err), -EIO);
	cr_assert(strstr(err.text, "cannot remove a rule: "), "%s", err.text);
	cr_assert_eq(hf_sync_n_stuck(s), 1);
	cr_assert_eq(n_in_nic(), 2, "the jump and its cover");
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_PUNT);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	free_world(&w);
	close_sync(s);
}

static struct hf_sync_count count_of(struct hf_sync *s, const char *origin)
{
	hf_sync_poll(s);
	return hf_sync_count_origin(s, origin);
}

#define ORIGIN "default/gnp:p/ingress/0"

Test(sync, counts_survive_a_change_of_plan)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(DENY_3000 ALLOW_ALL);
	struct world next = make_world(DENY_3000 ALLOW_3000 ALLOW_ALL);
	struct world other = make_world(ALLOW_3000 ALLOW_ALL);
	struct hf_sync_count c;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	c = count_of(s, ORIGIN);
	cr_assert(c.known && c.packets == 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	c = count_of(s, ORIGIN);
	cr_assert(c.known && c.packets == 1 && c.bytes == 100);
	cr_assert_eq(hf_sync_apply(s, next.plan, NULL), 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(count_of(s, ORIGIN).packets, 2);
	cr_assert_eq(hf_sync_apply(s, other.plan, NULL), 0);
	cr_assert_eq(count_of(s, ORIGIN).packets, 2); /* another rule has the name now */
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_ALLOW);
	cr_assert_eq(count_of(s, ORIGIN).packets, 3);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	c = hf_sync_count_origin(s, ORIGIN);
	cr_assert(c.known && c.packets == 3);
	free_world(&w);
	free_world(&next);
	free_world(&other);
	close_sync(s);
}

Test(sync, count_that_cannot_be_read_is_unknown)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(DENY_3000 ALLOW_ALL);
	struct hf_sync_stats st;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	fake.fail_query = 1;
	fake.fail_forever = true;
	cr_assert(!count_of(s, ORIGIN).known);
	fake.fail_query = 0;
	cr_assert(count_of(s, ORIGIN).known, "the counter itself is still there");
	fake.fail_query = 1;
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	fake.fail_query = 0;
	cr_assert(!count_of(s, ORIGIN).known, "the last count is lost");
	hf_sync_read_stats(s, &st);
	cr_assert_gt(st.query_errors, 0);
	free_world(&w);
	close_sync(s);
}
