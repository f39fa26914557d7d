/* SPDX-License-Identifier: BSD-3-Clause */

#include "enforce.h"

#include "daemon.h"
#include "device.h"
#include "device.h"
#include "ledger.h"
#include "handover.h"
#include "log.h"

#include "flow/async.h"
#include "flow/sync.h"
#include "soft/soft.h"
#include "txn.h"

#include <hepflow/base/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void log_generation(const struct hf_daemon *d)
{
	size_t i;

	for (i = 0; i < hf_model_n_warnings(d->now->model); i++)
		hf_log(HF_LOG_WARN, "policy", "%s", hf_model_warning(d->now->model, i));
	hf_log(HF_LOG_INFO, "engine", "generation %u in force", d->now->number);
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			hf_log(HF_LOG_INFO, "offload", "%s: %zu rules in the NIC, profile %s",
				d->wires[i].outer_conf->name, hf_sync_n_rules(d->wires[i].sync),
				d->wires[i].nic->name);
	}
}

/* Frees what only waited for the packet path or the prover; the rest stays for later. */
static void sweep(struct hf_daemon *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->n_gone; i++) {
		if (d->gone[i]->lent || d->gone[i]->lent_to_prover)
			d->gone[n++] = d->gone[i];
		else
			hf_generation_free(d->gone[i]);
	}
	d->n_gone = n;
}

static void unlend(struct hf_generation *const *v, size_t n, const struct hf_rules *rules)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i]->rules == rules)
			v[i]->lent = false;
	}
}

void hf_enforce_reclaim(struct hf_daemon *d)
{
	const struct hf_rules *rules;

	while ((rules = hf_soft_reclaim(d->soft))) {
		unlend(d->old, d->n_old, rules);
		unlend(d->gone, d->n_gone, rules);
	}
	sweep(d);
}

void hf_enforce_drop(struct hf_daemon *d, struct hf_generation *take_g)
{
	if (take_g->lent || take_g->lent_to_prover)
		d->gone[d->n_gone++] = take_g; /* hf_enforce() made sure of room */
	else
		hf_generation_free(take_g);
}

void hf_enforce_remember(struct hf_daemon *d, struct hf_generation *take_g)
{
	if (!take_g)
		return;
	if (d->n_old == HF_HISTORY)
		hf_enforce_drop(d, d->old[--d->n_old]);
	memmove(&d->old[1], &d->old[0], d->n_old * sizeof(d->old[0]));
	d->old[0] = take_g;
	d->n_old++;
}

static int prepare(void *arg, const struct hf_plan *plan, struct hf_err *err)
{
	struct hf_wire *w = arg;

	return hf_sync_prepare(w->sync, plan, err);
}

static void cancel(void *arg)
{
	struct hf_wire *w = arg;

	hf_sync_cancel(w->sync);
}

static int commit(void *arg, struct hf_err *err)
{
	struct hf_wire *w = arg;

	return hf_sync_commit(w->sync, err);
}

static const struct hf_txn_ops ops = {prepare, cancel, commit};

struct change {
	struct hf_daemon *d;
	struct hf_generation *next;
};

static int publish(void *arg, bool new, struct hf_err *err)
{
	struct change *c = arg;
	int rc = hf_soft_publish(c->d->soft, new ? c->next->rules : c->d->now->rules, err);

	if (rc == 0 && new)
		c->next->lent = true;
	return rc;
}

/* A place for each uplink whose NIC takes rules. */
static void list_places(
	const struct hf_daemon *d, const struct hf_generation *next, struct hf_txn *txn)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];

		if (!w->sync || w->down[0]) /* no NIC is there: it gets its rules when it is */
			continue;
		txn->places[txn->n++] = (struct hf_txn_place){
			.name = w->outer_conf->name,
			.arg = w,
			.from = d->now ? d->now->plans[i] : NULL,
			.to = next->plans[i],
		};
	}
}

void hf_enforce_refused(const struct hf_daemon *d, struct hf_wire *w, const char *why)
{
	bool news = strcmp(w->reject, why) != 0;

	w->retry_s = !w->reject[0] || news ? HF_RETRY_FIRST_S : 2 * w->retry_s;
	if (w->retry_s > HF_RETRY_MAX_S)
		w->retry_s = HF_RETRY_MAX_S;
	w->retry_at = hf_clock_ms() + 1000ull * w->retry_s;
	(void)snprintf(w->reject, sizeof(w->reject), "%s", why); /* the same size */
	hf_log(news ? HF_LOG_ERROR : HF_LOG_DEBUG, "offload",
		"%s: not offloaded, everything is judged %s: pmd-reject:%s", w->outer_conf->name,
		d->config->kernel_fallback ? "by the kernel" : "in software", w->reject);
}

static void note_places(const struct hf_daemon *d, const struct hf_txn *txn)
{
	size_t i;

	for (i = 0; i < txn->n; i++) {
		const struct hf_txn_place *p = &txn->places[i];
		struct hf_wire *w = p->arg;

		if (p->state == HF_TXN_PUNTS)
			hf_enforce_refused(d, w, p->why);
		else if (p->touched)
			w->reject[0] = '\0';
		w->changed |= p->touched;
	}
}

/*
 * A connection that a NIC delivers by older rules, and does not give back, would outlive them. Its
 * ports are stopped and started, which takes all rules of theirs.
 */
static void purge(struct hf_daemon *d)
{
	struct hf_err err = {0};
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];

		if (w->down[0] || hf_handover_purge(d, w, &err) == 0)
			continue;
		hf_log(HF_LOG_ERROR, "offload", "%s: %s: the ports are restarted",
			w->outer_conf->name, err.text);
		if (hf_device_restart(d, w, &err) < 0)
			hf_log(HF_LOG_ERROR, "device", "%s: %s", w->outer_conf->name, err.text);
	}
}

int hf_enforce(struct hf_daemon *d, struct hf_generation *take_next, struct hf_err *err)
{
	struct change change = {d, take_next};
	struct hf_txn txn = {
		.ops = &ops,
		.publish = publish,
		.arg = &change,
		.keep = d->config->keep_refused && d->now,
	};
	struct hf_ledger_old old;
	int rc;

	hf_enforce_reclaim(d);
	if (d->n_gone + 2 > HF_GONE_MAX) /* the one that leaves the memory, and this one */
		return hf_fail(err, -EBUSY,
			"the packet path has not let go of %zu older generations", d->n_gone);
	txn.places = calloc(d->n_wires + 1, sizeof(*txn.places));
	if (!txn.places)
		return hf_fail(err, -ENOMEM, "out of memory");
	list_places(d, take_next, &txn);
	hf_ledger_read(d, &old);
	rc = hf_txn_run(&txn, err);
	note_places(d, &txn);
	if (d->on_enforced)
		d->on_enforced(d->on_enforced_arg);
	if (rc == 0) {
		hf_enforce_remember(d, d->now);
		d->now = take_next;
		log_generation(d);
		hf_device_look_new(d);
	} else if (take_next->lent) {
		d->refused = true;
	}
	purge(d);
	hf_ledger_note(d, &old);
	free(txn.places);
	return rc;
}

void hf_enforce_again(struct hf_daemon *d, struct hf_wire *w, const struct hf_plan *plan)
{
	struct hf_err err = {0};

	if (!w->sync)
		return;
	if (hf_sync_apply(w->sync, plan, &err) < 0) {
		hf_enforce_refused(d, w, err.text);
		return;
	}
	w->reject[0] = '\0';
	w->changed = true;
	hf_log(HF_LOG_INFO, "offload", "%s: offloaded again: generation %u, %zu rules in the NIC",
		w->outer_conf->name, d->now->number, hf_sync_n_rules(w->sync));
}

/*
 * A rule that does not go keeps the cover in front of all others, and the uplink in software, until
 * the port has been stopped: nobody can say what an operation did whose end is not told.
 */
static bool restart_stuck(struct hf_daemon *d, struct hf_wire *w)
{
	struct hf_err err = {0};

	if (!d->config->restart_stuck || !w->reject[0] || w->retry_s < HF_STUCK_S ||
		hf_sync_n_stuck(w->sync) == 0)
		return false;
	hf_log(HF_LOG_WARN, "offload", "%s: %zu rules do not go: the ports are restarted",
		w->outer_conf->name, hf_sync_n_stuck(w->sync));
	if (hf_device_restart(d, w, &err) < 0)
		hf_log(HF_LOG_ERROR, "device", "%s: %s", w->outer_conf->name, err.text);
	return true;
}

void hf_enforce_tick(struct hf_daemon *d)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (!d->wires[i].sync)
			continue;
		if (d->wires[i].down[0])
			continue;
		if (d->wires[i].reject[0] && hf_clock_ms() >= d->wires[i].retry_at &&
			!restart_stuck(d, &d->wires[i]))
			hf_enforce_again(d, &d->wires[i], d->now->plans[i]);
		hf_sync_poll(d->wires[i].sync);
	}
}

void hf_enforce_withdraw(struct hf_wire *w)
{
	struct hf_err err = {0};
	size_t n;

	if (!w->sync)
		return;
	hf_handover_close(w);
	if (hf_sync_apply(w->sync, NULL, &err) < 0)
		hf_log(HF_LOG_ERROR, "offload", "%s: %s", w->outer_conf->name, err.text);
	n = hf_sync_n_rules(w->sync);
	hf_log(n ? HF_LOG_ERROR : HF_LOG_INFO, "offload", "%s: %zu rules left in the NIC",
		w->outer_conf->name, n);
	hf_sync_free(w->sync);
	w->sync = NULL;
	hf_flow_async_free(w->async);
	w->async = NULL;
}
