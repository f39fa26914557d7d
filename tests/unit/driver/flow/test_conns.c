/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections in a NIC made of an array, which may refuse, be slow, or never answer. */

#include "hf_test.h"

#include "flow/conns.h"

#include <hepflow/err.h>
#include <hepflow/plan.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 64
#define KEEP 10
#define IDLE 30

struct rule {
	bool used;
	uint64_t id;
	struct hf_flow flow;
	uint64_t packets;
};

static struct {
	struct rule v[ROOM];
	unsigned int n_create, n_destroy;
	int create_error; /* 0: none */
	int destroy_error;
	int query_error;
	bool later;	   /* operations end when told */
	bool create_fails; /* later: that is their end */
	struct hf_conn_done done[ROOM];
	unsigned int n_done;
	uint64_t aged[ROOM];
	unsigned int n_aged;
	bool all_end; /* connections, as software says */
	uint64_t sw_packets;
	uint64_t ms;
} fake;

static struct hf_nic *nic;
static struct hf_conns *conns;

static unsigned int n_rules(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < ROOM; i++)
		n += fake.v[i].used;
	return n;
}

static int fake_end(uint64_t id, bool ok)
{
	if (!fake.later)
		return 0;
	fake.done[fake.n_done++] = (struct hf_conn_done){id, ok};
	return HF_CONN_LATER;
}

static int fake_create(
	void *, const struct hf_flow *flow, uint64_t id, void **ret, struct hf_err *err)
{
	enum hf_reject reject;
	unsigned int i;

	fake.n_create++;
	if (fake.create_error)
		return hf_fail(err, fake.create_error, "Input/output error: type 1: no");
	cr_assert(hf_nic_accept(nic, flow, &reject), "%s", hf_reject_name(reject));
	for (i = 0; i < ROOM && fake.v[i].used; i++)
		;
	cr_assert_lt(i, ROOM);
	if (!fake.create_fails)
		fake.v[i] = (struct rule){true, id, *flow, 0};
	*ret = &fake.v[i];
	return fake_end(id, !fake.create_fails);
}

static int fake_destroy(void *, void *handle, uint64_t id, struct hf_err *err)
{
	struct rule *r = handle;

	fake.n_destroy++;
	cr_assert(r->used, "a rule is removed twice");
	cr_assert_eq(r->id, id);
	if (fake.destroy_error)
		return hf_fail(err, fake.destroy_error, "Device or resource busy: type 1: no");
	r->used = false;
	return fake_end(id, true);
}

static unsigned int fake_pull(void *, struct hf_conn_done *ret, unsigned int max)
{
	unsigned int n = fake.n_done < max ? fake.n_done : max;

	memcpy(ret, fake.done, n * sizeof(*ret));
	memmove(fake.done, fake.done + n, (fake.n_done - n) * sizeof(*ret));
	fake.n_done -= n;
	return n;
}

static int fake_query(void *, void *handle, struct hf_flow_hits *ret)
{
	struct rule *r = handle;

	cr_assert(r->used, "a rule is asked that is gone");
	if (fake.query_error)
		return fake.query_error;
	*ret = (struct hf_flow_hits){r->packets, 100 * r->packets};
	return 0;
}

static unsigned int fake_aged(void *, uint64_t *ret, unsigned int max)
{
	cr_assert_leq(fake.n_aged, max);
	memcpy(ret, fake.aged, fake.n_aged * sizeof(*ret));
	return fake.n_aged;
}

static const struct hf_conn_ops ops = {
	.create = fake_create,
	.destroy = fake_destroy,
	.pull = fake_pull,
	.query = fake_query,
	.aged = fake_aged,
};

static uint64_t fake_ms(void)
{
	return fake.ms;
}

static bool holds(void *, const struct hf_conn *, uint64_t *ret_packets)
{
	*ret_packets = fake.sw_packets;
	return !fake.all_end;
}

static unsigned int n_lives;

static void lives(void *, const struct hf_conn *)
{
	n_lives++;
}

static const struct hf_flow_ports ports = {
	.plan = {.on = true, .wire = 4, .host = 5}, .wire = 0, .host = 1};

static int open_conns(const char *profile, uint32_t max, struct hf_err *err)
{
	struct hf_conns_opts opts = {
		.n_queues = 2,
		.max = max,
		.keep = KEEP,
		.idle_s = IDLE,
		.ops = &ops,
		.now_ms = fake_ms,
	};

	cr_assert_eq(hf_profile_find(profile, &nic, err), 0, "%s", err->text);
	opts.nic = nic;
	if (nic->transfer) {
		opts.eswitch = ports.plan;
		opts.ports = &ports;
	}
	return hf_conns_new(&opts, &conns, err);
}

static void begin(const char *profile, uint32_t max)
{
	struct hf_err err = {0};

	cr_assert_eq(open_conns(profile, max, &err), 0, "%s", err.text);
}

static void fini(void)
{
	hf_conns_free(conns);
	hf_profile_free(nic);
	hf_test_fini();
}

TestSuite(conns, .fini = fini);

static struct hf_conn conn(uint16_t sport)
{
	struct hf_conn c = {
		.proto = HF_PROTO_TCP, .sport = sport, .dport = 80, .mark = HF_MARK_CONN_MIN};

	cr_assert_eq(hf_addr_parse("198.51.100.7", &c.src), 0);
	cr_assert_eq(hf_addr_parse("192.0.2.10", &c.dst), 0);
	return c;
}

static int add(uint16_t sport)
{
	struct hf_conn c = conn(sport);

	return hf_conns_add(conns, &c, NULL);
}

static bool is_in(uint16_t sport)
{
	struct hf_conn c = conn(sport);
	struct hf_flow_hits hits;

	return hf_conns_find(conns, &c, &hits);
}

static struct hf_conns_stats stats(void)
{
	struct hf_conns_stats s;

	hf_conns_read_stats(conns, &s);
	return s;
}

static struct rule *rule_of(uint16_t sport)
{
	unsigned int i;

	for (i = 0; i < ROOM; i++) {
		const uint8_t *p = fake.v[i].flow.pattern.spec.sport;

		if (fake.v[i].used && (p[0] << 8 | p[1]) == sport)
			return &fake.v[i];
	}
	cr_assert_fail("no rule for %u", sport);
	abort();
}

/* All are looked at once. */
static void look(void)
{
	const struct hf_conns_user user = {.holds = holds, .lives = lives};

	hf_conns_poll(conns, ROOM, &user);
}

static uint32_t action(const struct hf_flow *f, enum hf_act act)
{
	size_t i;

	for (i = 0; i < f->n_actions; i++) {
		if (f->actions[i].act == act)
			return f->actions[i].value;
	}
	return UINT32_MAX;
}

Test(conns, rule_is_exact_in_front_of_the_plan_and_lets_ends_go_by)
{
	const struct hf_flow *f;

	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	f = &rule_of(1)->flow;
	cr_expect_eq(f->group, 0);
	cr_expect_eq(f->priority, 1, "behind the cover, by depth in front of the root jump");
	cr_expect_eq(action(f, HF_ACT_MARK), HF_MARK_CONN_MIN);
	cr_expect_eq(action(f, HF_ACT_RSS), 2);
	cr_expect_eq(action(f, HF_ACT_COUNT), 0);
	cr_expect_eq(action(f, HF_ACT_AGE), IDLE);
	cr_expect_eq(f->pattern.mask.tcp_flags, HF_TCP_SYN | HF_TCP_FIN | HF_TCP_RST);
	cr_expect_eq(f->pattern.spec.tcp_flags, 0);
	cr_expect_eq(f->pattern.mask.has_vlan, 1);
	cr_expect_eq(f->pattern.spec.ip_src[3], 7);
	cr_expect_eq(f->pattern.mask.ip_dst[3], 0xff);
	cr_expect_eq(f->pattern.mask.ip_dst[4], 0);
	cr_expect_str_eq(hf_conns_aging(conns), "AGE");
	cr_expect_eq(add(1), -EEXIST);
	cr_expect_eq(n_rules(), 1);
}

Test(conns, only_nics_that_can)
{
	static const char *const cannot[] = {"none", "i40e-x710", "ixgbe-82599", "ice-e810-switch"};
	struct hf_err err;
	size_t i;

	for (i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
		cr_expect_eq(open_conns(cannot[i], 4, &err), -ENOTSUP, "%s", cannot[i]);
		cr_expect(strstr(err.text, cannot[i]), "%s", err.text);
		hf_profile_free(nic);
		nic = NULL;
	}
}

Test(conns, protocols_without_ports_are_left_alone)
{
	struct hf_conn c = conn(1);

	begin("mlx5-cx6dx", 4);
	c.proto = HF_PROTO_SCTP;
	cr_expect_eq(hf_conns_add(conns, &c, NULL), -ENOTSUP);
	cr_expect_eq(fake.n_create, 0);
}

Test(conns, six_and_four_tcp_and_udp_are_different)
{
	struct hf_conn c = conn(1);

	begin("mlx5-cx6dx", 4);
	cr_expect_eq(hf_conns_add(conns, &c, NULL), 0);
	c.proto = HF_PROTO_UDP;
	cr_expect_eq(hf_conns_add(conns, &c, NULL), 0);
	c.src.family = c.dst.family = 6;
	cr_expect_eq(hf_conns_add(conns, &c, NULL), 0);
	cr_expect_eq(n_rules(), 3);
}

Test(conns, rule_goes_when_the_connection_does)
{
	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	look();
	cr_expect(is_in(1));
	fake.all_end = true;
	look();
	cr_expect(!is_in(1));
	cr_expect_eq(n_rules(), 0);
	cr_expect_eq(stats().ended, 1);
	cr_expect_eq(stats().n, 0);
}

Test(conns, sweep_takes_all_that_do_not_hold_and_looks_at_nothing_else)
{
	const struct hf_conns_user user = {.holds = holds};

	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	cr_expect_eq(add(2), 0);
	fake.later = true;
	cr_expect_eq(add(3), 0);
	fake.later = false;
	hf_conns_sweep(conns, &user);
	cr_expect_eq(stats().n, 3);
	fake.all_end = true;
	hf_conns_sweep(conns, &user);
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(n_rules(), 0);
	cr_expect_eq(stats().ended, 3);
	cr_expect_eq(stats().aged + stats().evicted, 0);
}

Test(conns, newer_rules_replace_the_mark)
{
	struct hf_conn c = conn(1);

	begin("mlx5-cx6dx", 4);
	cr_expect_eq(hf_conns_add(conns, &c, NULL), 0);
	c.mark++;
	cr_expect_eq(hf_conns_add(conns, &c, NULL), 0);
	cr_expect_eq(n_rules(), 1);
	cr_expect_eq(action(&rule_of(1)->flow, HF_ACT_MARK), HF_MARK_CONN_MIN + 1);
}

Test(conns, idle_ones_go_by_age)
{
	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	cr_expect_eq(add(2), 0);
	look();
	fake.aged[0] = rule_of(2)->id;
	fake.n_aged = 1;
	look();
	cr_expect(is_in(1));
	cr_expect(!is_in(2));
	look(); /* told again */
	cr_expect_eq(stats().aged, 1);
	cr_expect_eq(add(3), 0, "in the same place");
	look();
	cr_expect(is_in(3), "an old id is not the new rule's");
}

/* mlx5 without AGE: as a profile of less, so that counters must do. */
static void forbid(enum hf_act act)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++)
		nic->engine[i].actions &= ~HF_ACT_BIT(act);
}

static void begin_without(enum hf_act act, enum hf_act other)
{
	struct hf_conns_opts opts = {
		.n_queues = 1,
		.max = 4,
		.keep = KEEP,
		.idle_s = IDLE,
		.ops = &ops,
		.now_ms = fake_ms,
	};
	struct hf_err err = {0};

	cr_assert_eq(hf_profile_find("mlx5-cx6dx", &nic, &err), 0, "%s", err.text);
	forbid(act);
	forbid(other);
	opts.nic = nic;
	cr_assert_eq(hf_conns_new(&opts, &conns, &err), 0, "%s", err.text);
}

Test(conns, idle_ones_go_by_counters)
{
	begin_without(HF_ACT_AGE, HF_ACT_AGE);
	cr_expect_str_eq(hf_conns_aging(conns), "COUNT");
	cr_expect_eq(add(1), 0);
	cr_expect_eq(add(2), 0);
	look();
	fake.ms += (IDLE - 1) * 1000;
	rule_of(1)->packets = 1;
	look();
	fake.ms += 1000;
	look();
	cr_expect(is_in(1));
	cr_expect(!is_in(2));
	fake.query_error = -EIO;
	fake.ms += IDLE * 1000;
	look();
	cr_expect(is_in(1), "unknown is not idle");
	cr_expect_gt(stats().query_errors, 0);
	fake.query_error = 0;
	look();
	cr_expect(!is_in(1));
}

Test(conns, idle_ones_go_by_what_software_counts)
{
	begin_without(HF_ACT_AGE, HF_ACT_COUNT);
	cr_expect_str_eq(hf_conns_aging(conns), "software");
	cr_expect_eq(add(1), 0);
	look();
	fake.ms += IDLE * 1000;
	fake.sw_packets = 5;
	look();
	cr_expect(is_in(1));
	fake.ms += IDLE * 1000;
	look();
	cr_expect(!is_in(1));
}

Test(conns, least_used_makes_room_and_busy_ones_stay)
{
	uint16_t i;

	begin("mlx5-cx6dx", 4);
	for (i = 1; i <= 4; i++)
		cr_expect_eq(add(i), 0);
	cr_expect_eq(add(5), -ENOSPC, "nobody knows yet who is busy");
	for (i = 1; i <= 4; i++)
		rule_of(i)->packets = i == 3 ? 2 : 5u * i;
	look();
	cr_expect_eq(add(5), 0);
	cr_expect(!is_in(3), "the least used");
	cr_expect_eq(stats().evicted, 1);
	for (i = 1; i <= 5; i++) {
		if (i != 3)
			rule_of(i)->packets += KEEP;
	}
	look();
	cr_expect_eq(add(6), -ENOSPC, "all are busy");
	cr_expect_eq(stats().no_room, 2);
	cr_expect_eq(n_rules(), 4);
	look();
	cr_expect_eq(add(6), 0, "no longer");
}

Test(conns, refused_rule_takes_no_place)
{
	struct hf_err err = {0};
	struct hf_conn c = conn(1);

	begin("mlx5-cx6dx", 1);
	fake.create_error = -EIO;
	cr_expect_eq(hf_conns_add(conns, &c, &err), -EIO);
	cr_expect(strstr(err.text, "type 1"));
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(stats().refused, 1);
	fake.create_error = 0;
	cr_expect_eq(add(1), 0);
}

Test(conns, slow_answers_are_waited_for)
{
	begin("mlx5-cx6dx", 2);
	fake.later = true;
	cr_expect_eq(add(1), 0);
	cr_expect(!is_in(1), "asked for is not there");
	cr_expect_eq(add(1), -EEXIST);
	cr_expect_eq(stats().waiting, 1);
	look();
	cr_expect(is_in(1));
	cr_expect_eq(stats().waiting, 0);
	fake.all_end = true;
	look();
	cr_expect(!is_in(1));
	cr_expect_eq(add(1), -EBUSY, "on its way out");
	cr_expect_eq(stats().n, 1);
	look();
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(stats().deleted, 1);
}

Test(conns, connection_that_ends_while_its_rule_comes)
{
	begin("mlx5-cx6dx", 2);
	fake.later = true;
	cr_expect_eq(add(1), 0);
	fake.n_done = 0; /* not yet */
	fake.all_end = true;
	look();
	cr_expect_eq(fake.n_destroy, 0, "its handle is not good yet");
	fake.done[fake.n_done++] = (struct hf_conn_done){rule_of(1)->id, true};
	look();
	cr_expect_eq(n_rules(), 0);
	look();
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(stats().ended, 1);
}

Test(conns, refusal_may_be_told_later)
{
	begin("mlx5-cx6dx", 2);
	fake.later = fake.create_fails = true;
	cr_expect_eq(add(1), 0);
	look();
	cr_expect_eq(stats().refused, 1);
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(fake.n_destroy, 0);
	fake.create_fails = false;
	cr_expect_eq(add(1), 0);
	look();
	cr_expect(is_in(1));
}

Test(conns, lost_answer_costs_a_place_until_it_comes)
{
	struct hf_conn_done lost;

	begin("mlx5-cx6dx", 2);
	fake.later = true;
	cr_expect_eq(add(1), 0);
	lost = fake.done[--fake.n_done];
	cr_expect_eq(add(2), 0);
	look();
	look();
	cr_expect(is_in(2));
	cr_expect_eq(stats().waiting, 1);
	cr_expect_eq(add(3), -EBUSY, "2 is on its way out for it");
	look();
	cr_expect_eq(add(3), 0);
	look();
	cr_expect_eq(stats().n, 2);
	hf_conns_clear(conns);
	cr_expect_eq(stats().n, 1, "the lost one");
	fake.done[fake.n_done++] = lost;
	look(); /* it is there, and unwanted */
	look();
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(n_rules(), 0);
}

Test(conns, stuck_rule_is_tried_again)
{
	begin("mlx5-cx6dx", 2);
	cr_expect_eq(add(1), 0);
	fake.all_end = true;
	fake.destroy_error = -EBUSY;
	look();
	look();
	cr_expect_eq(stats().stuck, 1);
	cr_expect_eq(stats().n, 1);
	cr_expect_eq(add(1), -EBUSY);
	fake.destroy_error = 0;
	look();
	cr_expect_eq(stats().stuck, 0);
	cr_expect_eq(stats().n, 0);
	cr_expect_eq(stats().ended, 1);
}

Test(conns, flushed_port_is_forgotten)
{
	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	cr_expect_eq(add(2), 0);
	memset(fake.v, 0, sizeof(fake.v));
	hf_conns_lose(conns);
	look();
	cr_expect_eq(fake.n_destroy, 0, "there is nothing to remove");
	cr_expect_eq(stats().lost, 2);
	cr_expect_eq(stats().n, 0);
}

Test(conns, counts_outlive_rules)
{
	begin("mlx5-cx6dx", 4);
	cr_expect_eq(add(1), 0);
	rule_of(1)->packets = 7;
	look();
	rule_of(1)->packets = 9;
	fake.all_end = true;
	look();
	cr_expect_eq(stats().hits.packets, 9);
	cr_expect_eq(stats().hits.bytes, 900);
}

static struct hf_conn answer(uint16_t sport)
{
	struct hf_conn c = conn(sport), a = c;

	a.src = c.dst;
	a.dst = c.src;
	a.sport = c.dport;
	a.dport = c.sport;
	a.out = true;
	return a;
}

static int add_pair(uint16_t sport)
{
	struct hf_conn a = answer(sport);
	int rc = add(sport);

	return rc < 0 ? rc : hf_conns_add(conns, &a, NULL);
}

/* That of the answers; rule_of() is the other. */
static struct rule *answer_of(uint16_t sport)
{
	unsigned int i;

	for (i = 0; i < ROOM; i++) {
		const uint8_t *p = fake.v[i].flow.pattern.spec.dport;

		if (fake.v[i].used && (p[0] << 8 | p[1]) == sport)
			return &fake.v[i];
	}
	cr_assert_fail("no rule for answers to %u", sport);
	abort();
}

Test(conns, pair_delivers_from_port_to_port)
{
	const struct hf_flow *in, *out;

	begin("mlx5-cx6dx-esw", 4);
	cr_expect_eq(add_pair(1), 0);
	in = &rule_of(1)->flow;
	out = &answer_of(1)->flow;
	cr_expect(in->transfer && out->transfer && !in->ingress);
	cr_expect_eq(in->group, 0);
	cr_expect_eq(in->priority, 1, "behind the cover, by depth in front of the root jump");
	cr_expect_eq(in->items[0], HF_LAYER_REPRESENTED_PORT);
	cr_expect_eq(in->pattern.spec.represented_port[1], 0, "comes by the wire's port");
	cr_expect_eq(in->pattern.mask.represented_port[1], 0xff);
	cr_expect_eq(action(in, HF_ACT_REPRESENTED_PORT), 1, "goes to the host's");
	cr_expect_eq(out->pattern.spec.represented_port[1], 1);
	cr_expect_eq(action(out, HF_ACT_REPRESENTED_PORT), 0);
	cr_expect_eq(action(in, HF_ACT_MARK), UINT32_MAX);
	cr_expect_eq(in->pattern.mask.has_vlan, 1, "without a tag only");
	cr_expect_eq(out->pattern.mask.tcp_flags, HF_TCP_SYN | HF_TCP_FIN | HF_TCP_RST);
	cr_expect_eq(out->pattern.spec.ip_src[3], 10);
	cr_expect_str_eq(hf_conns_aging(conns), "COUNT");
}

Test(conns, pair_is_idle_and_makes_room_together)
{
	begin("mlx5-cx6dx-esw", 4);
	cr_expect_eq(add_pair(1), 0);
	cr_expect_eq(add_pair(2), 0);
	n_lives = 0;
	look();
	cr_expect_eq(n_lives, 0, "nothing has come");
	fake.ms += IDLE * 1000 - 1;
	answer_of(1)->packets = 1;
	look();
	cr_expect_eq(n_lives, 1);
	fake.ms += 2;
	look();
	cr_expect_eq(n_rules(), 2, "that of which neither half counts goes");
	cr_expect(is_in(1));
	cr_expect_eq(add_pair(3), 0);
	fake.ms += 1000;
	rule_of(3)->packets = answer_of(3)->packets = 1000;
	look();
	cr_expect_eq(add(4), 0);
	cr_expect_eq(n_rules(), 3, "both halves of the silent one make room");
	cr_expect_not(is_in(1));
	cr_expect(is_in(3));
}

Test(conns, purge_leaves_none_of_older_rules_or_says_so)
{
	struct hf_conn young = conn(9);
	struct hf_err err = {0};

	begin("mlx5-cx6dx-esw", 8);
	young.mark = HF_MARK_CONN_MIN + 1;
	cr_expect_eq(add_pair(1), 0);
	cr_expect_eq(hf_conns_add(conns, &young, NULL), 0);
	fake.destroy_error = -EBUSY;
	cr_expect_eq(hf_conns_purge(conns, HF_MARK_CONN_MIN + 1, &err), -EIO);
	cr_expect(strstr(err.text, "2 rules"), "%s", err.text);
	fake.destroy_error = 0;
	cr_expect_eq(hf_conns_purge(conns, HF_MARK_CONN_MIN + 1, &err), 0, "%s", err.text);
	cr_expect_eq(n_rules(), 1);
	cr_expect(is_in(9));
	/* The end of some is told later. */
	fake.later = true;
	cr_expect_eq(hf_conns_purge(conns, HF_MARK_CONN_MIN + 2, &err), 0, "%s", err.text);
	cr_expect_eq(n_rules(), 0);
	/* One whose end nobody tells may be there. */
	cr_expect_eq(add(2), 0);
	fake.n_done = 0;
	cr_expect_eq(hf_conns_purge(conns, HF_MARK_CONN_MIN + 1, &err), -EIO);
	fake.later = false;
}
