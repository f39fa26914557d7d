/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The programmer against a NIC made of an array, which judges packets after every operation: no
 * packet may meet a verdict that neither the old nor the new policy gives.
 */

#include "hf_test.h"
#include "hf_test_rand.h"

#include "fake_nic.h"
#include "flow/sync.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(sync, .timeout = 120);

static struct fake fake;
static struct hf_nic *nic;
/* Packets are judged by both after every operation, if they are there. */
static const struct hf_rules *old_rules, *new_rules;

/* What software has punted to it is judged by the new rules. */
static void check_all(struct fake *f)
{
	size_t i;

	for (i = 0; new_rules && i < n_samples; i++) {
		const struct sample *s = &samples[i];
		enum hf_fate fate = fake_judge(f, &s->hdr);
		enum verdict new = by_rules(new_rules, &s->pkt), old = by_rules(old_rules, &s->pkt),
			     got = fate == HF_FATE_PUNT	   ? new
				   : fate == HF_FATE_ALLOW ? ALLOW
							   : DENY;

		cr_assert(got == old || got == new, "operation %u: port %u gets %d, old %d, new %d",
			f->n_ops, s->pkt.dport, got, old, new);
	}
}

static const struct hf_flow_ops *ops = &fake_ops;

static struct hf_sync *open_sync(const char *profile)
{
	struct hf_sync_opts opts = {.n_queues = 1, .ops = ops, .ops_arg = &fake};
	struct hf_sync *s;
	struct hf_err err = {0};

	memset(&fake, 0, sizeof(fake));
	fake.after = check_all;
	old_rules = new_rules = NULL;
	make_samples();
	cr_assert_eq(hf_profile_find(profile, &nic, &err), 0, "%s", err.text);
	opts.nic = fake.nic = nic;
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
	return fake_n_rules(&fake);
}

static enum hf_fate judge(const struct hf_hdr *hdr)
{
	return fake_judge(&fake, hdr);
}

Test(sync, plan_is_in_the_nic_entry_by_entry)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
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
		struct world w = make_world(nic, DENY_3000 ALLOW_ALL),
			     again = make_world(nic, DENY_3000 ALLOW_ALL);
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
			src, src[0] ? "]}, " : "",
			3000 + (unsigned int)hf_rand_below(rand, FAKE_PORTS));
	}
	if (hf_rand_below(rand, 2))
		(void)snprintf(buf + len, size - len, ALLOW_ALL);
}

/* Walks from policy to policy; every operation is judged in check_all(). */
static void walk(const char *profile, unsigned int steps, bool faults)
{
	struct hf_sync *s = open_sync(profile);
	struct world old = make_world(nic, ALLOW_ALL), new;
	struct hf_rand rand;
	char ingress[2048];
	unsigned int i, failures = 0;

	hf_rand_init(&rand, hf_test_seed(), 0);
	cr_assert_eq(hf_sync_apply(s, old.plan, NULL), 0);
	for (i = 0; i < steps; i++) {
		int rc;

		random_ingress(&rand, ingress, sizeof(ingress));
		new = make_world(nic, ingress);
		old_rules = old.rules;
		new_rules = new.rules;
		/* Not both: a rule that neither goes nor can be hidden is beyond help. */
		if (faults && hf_rand_chance(&rand, 1, 2))
			fake.fail_create = (unsigned int)hf_rand_between(&rand, 1, 20);
		else if (faults && hf_rand_chance(&rand, 1, 2))
			fake.fail_destroy = (unsigned int)hf_rand_between(&rand, 1, 20);
		else if (faults)
			fake.doubt_create = (unsigned int)hf_rand_between(&rand, 1, 20);
		fake.fail_forever = hf_rand_chance(&rand, 1, 3);
		rc = hf_sync_apply(s, new.plan, NULL);
		failures += rc < 0;
		cr_assert(faults || rc == 0);
		/* Afterwards only the new policy counts. */
		old_rules = new.rules;
		check_all(&fake);
		cr_assert_eq(hf_sync_n_rules(s), n_in_nic());
		fake.fail_create = fake.fail_destroy = fake.doubt_create = 0;
		free_world(&old);
		old = new;
	}
	cr_assert(!faults || failures > 0);
	new_rules = NULL;
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

Test(sync, many_at_a_time_give_no_third_verdict)
{
	ops = &fake_ops_many;
	walk("mlx5-cx6dx", 60, false);
	walk("mlx5-cx6dx", 120, true);
	walk("ixgbe-82599", 120, true);
}

Test(sync, many_at_a_time_come_and_go_behind_the_jump)
{
	struct hf_sync *s;
	struct world w;

	ops = &fake_ops_many;
	s = open_sync("mlx5-cx6dx");
	w = make_world(nic, DENY_3000 ALLOW_ALL);
	old_rules = new_rules = w.rules;
	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(w.plan));
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, refused_rule_leaves_nothing_behind_and_is_named)
{
	unsigned int n;

	for (n = 1;; n++) {
		struct hf_sync *s = open_sync("mlx5-cx6dx");
		struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
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
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL), open = make_world(nic, ALLOW_ALL);

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
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
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
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	struct world next = make_world(nic, DENY_3000 ALLOW_3000 ALLOW_ALL);
	struct world other = make_world(nic, ALLOW_3000 ALLOW_ALL);
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
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
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

/* So many entries that the short form has fewer. */
#define DENY_MORE                                                                                  \
	"    - {action: Deny, protocol: TCP, source: {nets: [10.0.0.1/32, 10.0.0.3/32, "           \
	"10.0.0.5/32,\n"                                                                           \
	"       10.0.0.7/32, 10.0.0.9/32, 10.0.0.11/32, 10.0.0.13/32, 10.0.0.15/32, "              \
	"10.0.0.17/32, 10.0.0.19/32,\n"                                                            \
	"       10.0.0.21/32, 10.0.0.23/32]}}\n"

/* What is punted is software's to count. */
Test(sync, count_of_an_origin_is_what_the_nic_has_decided)
{
	struct hf_plan_opts opts = {.iface = "eth0", .short_denies = true};
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 DENY_MORE ALLOW_ALL);
	struct hf_hdr later = samples[0].hdr;
	struct hf_sync_count c;
	struct hf_plan *one;

	later.tcp_flags = HF_TCP_ACK;
	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(judge(&later), HF_FATE_PUNT);
	c = count_of(s, ORIGIN);
	cr_assert(c.known && c.packets == 1);
	/* One entry for both: how many were denied nobody can tell, then and since. */
	cr_assert_eq(hf_plan_build(w.rules, nic, &opts, &one, NULL), 0);
	cr_assert_eq(hf_sync_apply(s, one, NULL), 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(judge(&later), HF_FATE_PUNT);
	cr_assert(!count_of(s, ORIGIN).known);
	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert(!count_of(s, ORIGIN).known);
	hf_plan_free(one);
	free_world(&w);
	close_sync(s);
}

/* The rule that drops the first sample. */
static struct fake_rule *find_deny(void)
{
	size_t i;

	for (i = 0; i < fake.top; i++) {
		fake.v[i].lost = true;
		if (fake.v[i].used && judge(&samples[0].hdr) == HF_FATE_PUNT)
			return &fake.v[i];
		fake.v[i].lost = false;
	}
	cr_assert_fail("it is not dropped");
	return NULL;
}

Test(sync, lost_rule_is_found_and_put_back)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	struct hf_sync_audit audit;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(hf_sync_check(s, SIZE_MAX, &audit, NULL), 0);
	cr_assert(audit.n == n_in_nic() && audit.lost == 0 && !audit.more);
	find_deny()->lost = true;
	cr_assert_neq(judge(&samples[0].hdr), HF_FATE_DENY);
	old_rules = new_rules = w.rules; /* from the first operation on it is closed */
	cr_assert_eq(hf_sync_check(s, SIZE_MAX, &audit, NULL), 0);
	new_rules = NULL;
	cr_assert_eq(audit.lost, 1);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(w.plan));
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(hf_sync_check(s, SIZE_MAX, &audit, NULL), 0);
	cr_assert_eq(audit.lost, 0);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	cr_assert_eq(n_in_nic(), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, new_rules_are_looked_for_alone)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	struct hf_sync_audit audit;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(hf_sync_check_new(s, 3, &audit, NULL), 0);
	cr_assert(audit.n == 3 && audit.more);
	find_deny()->lost = true;
	cr_assert_eq(hf_sync_check_new(s, SIZE_MAX, &audit, NULL), 0);
	cr_assert(audit.n == n_in_nic() - 3 && audit.lost == 1 && !audit.more);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(hf_sync_check_new(s, SIZE_MAX, &audit, NULL), 0);
	cr_assert(audit.n == 1 && audit.lost == 0, "the one that was put back");
	find_deny()->lost = true;
	cr_assert_eq(hf_sync_check_new(s, SIZE_MAX, &audit, NULL), 0);
	cr_assert_eq(audit.n, 0, "it has been there");
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, rules_are_looked_for_in_parts)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	struct hf_sync_audit audit;
	size_t n = 0, lost = 0;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	find_deny()->lost = true;
	do {
		cr_assert_eq(hf_sync_check(s, 3, &audit, NULL), 0);
		cr_assert_leq(audit.n, 3);
		n += audit.n;
		lost += audit.lost;
	} while (audit.more);
	cr_assert_eq(n, hf_plan_n_entries(w.plan));
	cr_assert_eq(lost, 1);
	fake.blind = true;
	cr_assert_eq(hf_sync_check(s, 3, &audit, NULL), 0);
	cr_assert(audit.cannot_tell && !audit.more && audit.n == 0);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, card_that_keeps_nothing_is_given_up)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	struct hf_sync_audit audit;
	struct hf_err err = {0};

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	find_deny()->lost = true;
	fake.lose_create = 1; /* the cover under which it would be put back */
	cr_assert_eq(hf_sync_check(s, SIZE_MAX, &audit, &err), -EIO);
	cr_assert(strstr(err.text, "cover: the NIC took the rule and does not have it"), "%s",
		err.text);
	cr_assert_eq(n_in_nic(), 0);
	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	find_deny()->lost = true;
	fake.lose_create = 2; /* the rule itself */
	cr_assert_eq(hf_sync_check(s, SIZE_MAX, &audit, &err), -EIO);
	cr_assert_eq(n_in_nic(), 0);
	free_world(&w);
	close_sync(s);
}

Test(sync, rules_of_a_port_that_was_stopped_are_made_anew)
{
	struct hf_sync *s = open_sync("mlx5-cx6dx");
	struct world w = make_world(nic, DENY_3000 ALLOW_ALL);
	unsigned int n;

	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(count_of(s, ORIGIN).packets, 1);
	n = fake.n_destroy;
	memset(fake.v, 0, sizeof(fake.v));
	hf_sync_forget(s);
	cr_assert_eq(fake.n_destroy, n);
	cr_assert_eq(hf_sync_n_rules(s), 0);
	cr_assert(!count_of(s, ORIGIN).known, "what it counted last is lost");
	cr_assert_eq(hf_sync_apply(s, w.plan, NULL), 0);
	cr_assert_eq(n_in_nic(), hf_plan_n_entries(w.plan));
	cr_assert_eq(judge(&samples[0].hdr), HF_FATE_DENY);
	cr_assert_eq(hf_sync_apply(s, NULL, NULL), 0);
	free_world(&w);
	close_sync(s);
}
