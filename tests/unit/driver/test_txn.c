/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Nemesis: a change of policy on three NICs at once, with a fault at every operation of every one
 * of them. After each operation every packet on every NIC must meet the old policy's verdict or the
 * new one's; afterwards one of both everywhere; and once the fault is over, the new one in
 * hardware.
 */

#include "hf_test.h"

#include "flow/fake_nic.h"
#include "flow/sync.h"
#include "txn.h"

#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(txn, .timeout = 120);

static const char *const profiles[] = {"mlx5-cx6dx", "i40e-x710", "ixgbe-82599"};
#define N_NICS (sizeof(profiles) / sizeof(profiles[0]))

static struct fake fakes[N_NICS];
static struct hf_nic *nics[N_NICS];
static struct hf_sync *syncs[N_NICS];
static struct world olds[N_NICS], news[N_NICS];
static bool soft_new; /* what the software path judges by */
static char scene[64];
static unsigned int n_publish;
static unsigned int fail_publish; /* the nth from now on; 0: never */

static enum verdict verdict_on(size_t nic, const struct sample *s)
{
	enum hf_fate fate = fake_judge(&fakes[nic], &s->hdr);

	if (fate == HF_FATE_PUNT)
		return by_rules(soft_new ? news[nic].rules : olds[nic].rules, &s->pkt);
	return fate == HF_FATE_ALLOW ? ALLOW : DENY;
}

static void check_nic(struct fake *fake)
{
	size_t nic = (size_t)(fake - fakes), i;

	for (i = 0; i < n_samples; i++) {
		enum verdict got = verdict_on(nic, &samples[i]);

		cr_assert(got == by_rules(olds[nic].rules, &samples[i].pkt) ||
				  got == by_rules(news[nic].rules, &samples[i].pkt),
			"%s: %s, operation %u: port %u gets %d, which neither policy says", scene,
			profiles[nic], fake->n_ops, samples[i].pkt.dport, got);
	}
}

/* All packets on all NICs meet one policy. */
static void check_settled(bool new, const char *when)
{
	size_t nic, i;

	for (nic = 0; nic < N_NICS; nic++) {
		for (i = 0; i < n_samples; i++) {
			const struct hf_rules *rules = new ? news[nic].rules : olds[nic].rules;

			cr_assert_eq(verdict_on(nic, &samples[i]), by_rules(rules, &samples[i].pkt),
				"%s: %s, port %u, not the %s", when, profiles[nic],
				samples[i].pkt.dport, new ? "new" : "old");
		}
	}
}

static int prepare(void *arg, const struct hf_plan *plan, struct hf_err *err)
{
	return hf_sync_prepare(syncs[(size_t)((struct fake *)arg - fakes)], plan, err);
}

static void cancel(void *arg)
{
	hf_sync_cancel(syncs[(size_t)((struct fake *)arg - fakes)]);
}

static int commit(void *arg, struct hf_err *err)
{
	return hf_sync_commit(syncs[(size_t)((struct fake *)arg - fakes)], err);
}

static int publish(void *, bool new, struct hf_err *err)
{
	size_t nic;

	n_publish++;
	if (fail_publish && --fail_publish == 0)
		return hf_fail(err, -ENOMEM, "no memory");
	soft_new = new;
	for (nic = 0; nic < N_NICS; nic++)
		check_nic(&fakes[nic]);
	return 0;
}

static const struct hf_txn_ops ops = {prepare, cancel, commit};
static struct hf_txn_place places[N_NICS];

static int run(bool keep, struct hf_err *err)
{
	struct hf_txn txn = {
		.ops = &ops, .n = N_NICS, .places = places, .publish = publish, .keep = keep};
	size_t i;

	for (i = 0; i < N_NICS; i++)
		places[i] = (struct hf_txn_place){
			.name = profiles[i],
			.arg = &fakes[i],
			.from = soft_new ? news[i].plan : olds[i].plan,
			.to = news[i].plan,
		};
	return hf_txn_run(&txn, err);
}

/* The old policy is in all NICs, and nothing is wrong. */
static void begin(void)
{
	size_t i;

	for (i = 0; i < N_NICS; i++) {
		struct hf_sync_opts opts = {
			.nic = nics[i], .n_queues = 1, .ops = &fake_ops, .ops_arg = &fakes[i]};

		memset(&fakes[i], 0, sizeof(fakes[i]));
		fakes[i].nic = nics[i];
		cr_assert_eq(hf_sync_new(&opts, &syncs[i], NULL), 0);
		cr_assert_eq(hf_sync_apply(syncs[i], olds[i].plan, NULL), 0);
		fakes[i].after = check_nic;
		fakes[i].n_ops = 0;
	}
	soft_new = false;
	n_publish = fail_publish = 0;
}

static void heal(void)
{
	size_t i;

	for (i = 0; i < N_NICS; i++)
		fakes[i].fail_create = fakes[i].fail_destroy = fakes[i].fail_any = 0;
}

/* The fault is over: the new policy, all of it in hardware. */
static void converge(void)
{
	struct hf_err err = {0};
	size_t i;

	heal();
	cr_assert_eq(run(false, &err), 0, "%s", err.text);
	for (i = 0; i < N_NICS; i++) {
		cr_assert_eq(places[i].state, HF_TXN_NEW, "%s", places[i].why);
		cr_assert_eq(fake_n_rules(&fakes[i]), hf_plan_n_entries(news[i].plan));
	}
	check_settled(true, "in the end");
}

static void end(void)
{
	size_t i;

	for (i = 0; i < N_NICS; i++) {
		fakes[i].after = NULL;
		cr_assert_eq(hf_sync_apply(syncs[i], NULL, NULL), 0);
		cr_assert_eq(fake_n_rules(&fakes[i]), 0);
		hf_sync_free(syncs[i]);
	}
}

static void open_worlds(const char *old, const char *new)
{
	size_t i;

	make_samples();
	for (i = 0; i < N_NICS; i++) {
		cr_assert_eq(hf_profile_find(profiles[i], &nics[i], NULL), 0);
		olds[i] = make_world(nics[i], old);
		news[i] = make_world(nics[i], new);
	}
}

static void close_worlds(void)
{
	size_t i;

	for (i = 0; i < N_NICS; i++) {
		free_world(&olds[i]);
		free_world(&news[i]);
		hf_profile_free(nics[i]);
	}
}

#define OLD                                                                                        \
	DENY_3000 "    - {action: Deny, protocol: TCP, source: {nets: [198.51.100.1/32]}, "        \
		  "destination: {ports: [3001]}}\n" ALLOW_ALL
#define NEW                                                                                        \
	"    - {action: Deny, protocol: TCP, source: {nets: [198.51.100.2/32]}, "                  \
	"destination: {ports: [3002]}}\n" ALLOW_3000                                               \
	"    - {action: Deny, protocol: TCP, destination: {ports: [3003]}}\n" ALLOW_ALL

Test(txn, all_change)
{
	open_worlds(OLD, NEW);
	begin();
	converge();
	cr_assert_eq(n_publish, 1);
	end();
	close_worlds();
}

Test(txn, nothing_happens_when_software_cannot)
{
	struct hf_err err = {0};
	size_t i;

	open_worlds(OLD, NEW);
	begin();
	fail_publish = 1;
	cr_assert_eq(run(false, &err), -ENOMEM);
	cr_assert_str_eq(err.text, "no memory");
	for (i = 0; i < N_NICS; i++)
		cr_assert(!places[i].touched && fakes[i].n_ops == 0);
	check_settled(false, "not begun");
	converge();
	end();
	close_worlds();
}

Test(txn, second_port_refuses_and_the_first_is_as_it_was)
{
	struct hf_err err = {0};

	open_worlds(OLD, NEW);
	begin();
	fakes[1].fail_create = 1;
	fakes[1].fail_forever = true;
	cr_assert_eq(run(true, &err), -ENOTSUP);
	cr_assert(strstr(err.text, "i40e-x710: entry "), "%s", err.text);
	cr_assert_eq(places[0].state, HF_TXN_OLD);
	cr_assert_eq(fake_n_rules(&fakes[0]), hf_plan_n_entries(olds[0].plan));
	cr_assert_eq(places[1].state, HF_TXN_PUNTS);
	cr_assert(strstr(places[1].why, "Operation not supported"), "%s", places[1].why);
	cr_assert(!places[2].touched && fakes[2].n_ops == 0);
	check_settled(false, "kept");
	converge();
	end();
	close_worlds();
}

Test(txn, software_that_cannot_go_back_takes_all_forward)
{
	struct hf_err err = {0};

	open_worlds(OLD, NEW);
	begin();
	fakes[0].fail_create = 1;
	fail_publish = 2;
	cr_assert_eq(run(true, &err), 0, "%s", err.text);
	cr_assert_eq(places[0].state, HF_TXN_PUNTS);
	cr_assert_eq(places[1].state, HF_TXN_NEW);
	check_settled(true, "forward");
	converge();
	end();
	close_worlds();
}

enum fault { CREATE, DESTROY, ANY, N_FAULTS };

static void set_fault(struct fake *f, enum fault fault, unsigned int nth, bool forever)
{
	f->fail_forever = forever;
	*(fault == CREATE	   ? &f->fail_create
		: fault == DESTROY ? &f->fail_destroy
				   : &f->fail_any) = nth;
}

/* Whether the fault came to pass. */
static bool one(size_t nic, enum fault fault, unsigned int nth, bool forever, bool keep)
{
	unsigned int n_failed;
	struct hf_err err = {0};
	size_t i;
	int rc;

	(void)snprintf(scene, sizeof(scene), "fault %d at %u%s%s", fault, nth,
		forever ? " forever" : "", keep ? ", kept" : "");
	begin();
	set_fault(&fakes[nic], fault, nth, forever);
	rc = run(keep, &err);
	n_failed = fakes[nic].n_failed;
	cr_assert_eq(rc == 0, soft_new, "%s", err.text);
	for (i = 0; i < N_NICS; i++) {
		cr_assert(i == nic || places[i].state != HF_TXN_PUNTS);
		cr_assert_eq(places[i].why[0] != '\0', places[i].state == HF_TXN_PUNTS);
		/* What neither goes nor can be hidden is said so. */
		if (hf_sync_n_stuck(syncs[i]) > 0)
			cr_assert_eq(places[i].state, HF_TXN_PUNTS);
	}
	if (hf_sync_n_stuck(syncs[nic]) == 0)
		check_settled(rc == 0, "after the fault");
	converge();
	end();
	return n_failed > 0;
}

Test(txn, fault_at_every_operation)
{
	unsigned int nth, fault, forever, keep, n = 0;
	size_t nic;

	open_worlds(OLD, NEW);
	for (nic = 0; nic < N_NICS; nic++) {
		for (fault = 0; fault < N_FAULTS; fault++) {
			for (forever = 0; forever < 2; forever++) {
				for (keep = 0; keep < 2; keep++) {
					for (nth = 1; one(nic, fault, nth, forever, keep); nth++)
						n++;
				}
			}
		}
	}
	cr_assert_gt(n, 100, "only %u faults came to pass", n);
	close_worlds();
}

/* Every rule in turn never gets to the card, which says nothing of it. */
Test(txn, silent_loss_of_every_rule)
{
	struct hf_sync_audit audit;
	unsigned int nth, n = 0;
	size_t nic, i;

	open_worlds(OLD, NEW);
	for (nic = 0; nic < N_NICS; nic++) {
		for (nth = 1;; nth++, n++) {
			begin();
			(void)snprintf(scene, sizeof(scene), "loss at %u", nth);
			for (i = 0; i < N_NICS; i++)
				fakes[i].after = NULL; /* until it is looked for, it may be wrong */
			fakes[nic].lose_create = nth;
			cr_assert_eq(run(false, NULL), 0);
			i = fakes[nic].lose_create;
			cr_assert_eq(hf_sync_check(syncs[nic], SIZE_MAX, &audit, NULL), 0);
			cr_assert(audit.lost == (i == 0) || places[nic].state == HF_TXN_PUNTS,
				"%s: %s, loss %u, found %zu", scene, profiles[nic], nth,
				audit.lost);
			check_settled(true, "looked for");
			fakes[nic].lose_create = 0;
			converge();
			end();
			if (i > 0)
				break;
		}
	}
	cr_assert_gt(n, 10, "only %u rules", n);
	close_worlds();
}
