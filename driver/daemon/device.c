/* SPDX-License-Identifier: BSD-3-Clause */

#include "device.h"

#include "daemon.h"
#include "enforce.h"
#include "log.h"

#include "flow/async.h"
#include "flow/conns.h"
#include "flow/sync.h"
#include "port/port.h"

#include <hepflow/base/clock.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define CHECK_RULES    4096 /* looked at in one second's turn: some milliseconds */
#define PAUSE_TRIES    1000
#define PAUSE_SLEEP_US 1000

/* The worker keeps its hands off the wire once this returns. -EBUSY: it does not move. */
static int pause_wire(struct hf_daemon *d, size_t i)
{
	struct hf_worker *worker = &d->workers[i % d->n_workers];
	uint64_t rounds;
	int n;

	atomic_store(&hf_daemon_wire(d, i)->off, true);
	if (i % d->n_workers >= d->n_running)
		return 0;
	/* The round that is under way may not have seen it. */
	rounds = atomic_load(&worker->rounds) + 2;
	for (n = 0; n < PAUSE_TRIES && atomic_load(&worker->rounds) < rounds; n++)
		(void)usleep(PAUSE_SLEEP_US); /* woken early: asked again */
	return n < PAUSE_TRIES ? 0 : -EBUSY;
}

static void resume_wire(struct hf_daemon *d, size_t i)
{
	const struct hf_wire *w = &d->wires[i];
	struct hf_worker_wire *ww = hf_daemon_wire(d, i);

	ww->outer.port = hf_port_id(w->outer);
	if (w->inner)
		ww->inner.port = hf_port_id(w->inner);
	atomic_store(&ww->off, false);
}

/* All rules of a port that has been stopped are gone, or as good as gone. */
static void forget(struct hf_wire *w)
{
	if (w->sync)
		hf_sync_forget(w->sync);
	if (w->conns)
		hf_conns_lose(w->conns);
	if (w->async)
		hf_flow_async_forget(w->async);
}

void hf_device_number(struct hf_wire *w)
{
	w->sync_port = hf_port_id(w->outer);
	w->ports.wire = w->sync_port;
	if (w->inner)
		w->ports.host = hf_port_id(w->inner);
}

static int revive(struct hf_daemon *d, size_t i, unsigned int outer, unsigned int inner, bool both,
	struct hf_err *err)
{
	struct hf_wire *w = &d->wires[i];
	int rc = 0;

	if (w->ports.plan.on) {
		/* One card: what befalls one of its ports befalls its rules. */
		both = true;
		if (outer & HF_PORT_REMOVED) {
			hf_port_give_up(w->inner);
			inner |= HF_PORT_REMOVED;
		}
	}
	if (outer || both) {
		forget(w);
		rc = hf_port_revive(w->outer, outer, err);
	}
	if (rc == 0 && w->inner && (inner || both))
		rc = hf_port_revive(w->inner, inner, err);
	if (rc < 0)
		return rc;
	hf_device_number(w);
	if (w->async)
		hf_flow_async_set_port(w->async, w->sync_port);
	w->down[0] = '\0';
	w->down_outer = w->down_inner = 0;
	resume_wire(d, i);
	hf_enforce_again(d, w, d->now->plans[i]);
	return 0;
}

static void say_down(struct hf_wire *w, const char *why)
{
	if (strcmp(w->down, why) == 0)
		return;
	(void)snprintf(w->down, sizeof(w->down), "%s", why); /* the same size */
	hf_log(HF_LOG_ERROR, "device", "%s: nothing passes: %s", w->outer_conf->name, w->down);
}

static const char *what_happened(unsigned int events)
{
	return events & HF_PORT_REMOVED ? "the device has been removed" : "the device is reset";
}

/* Until it works, once a second. */
static void check_wire(struct hf_daemon *d, size_t i)
{
	struct hf_wire *w = &d->wires[i];
	struct hf_err err = {0};
	bool was_down;

	w->down_outer |= hf_port_events(w->outer);
	if (w->inner)
		w->down_inner |= hf_port_events(w->inner);
	if (!w->down_outer && !w->down_inner)
		return;
	was_down = w->down[0];
	if (pause_wire(d, i) < 0) {
		say_down(w, "the device is gone, and the worker has not let go of it");
		return;
	}
	if (!was_down)
		say_down(w, what_happened(w->down_outer ? w->down_outer : w->down_inner));
	if (revive(d, i, w->down_outer, w->down_inner, false, &err) < 0)
		say_down(w, err.text);
	else
		hf_log(HF_LOG_INFO, "device", "%s: the device is back, %zu rules in the NIC",
			w->outer_conf->name, w->sync ? hf_sync_n_rules(w->sync) : 0);
}

int hf_device_restart(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err)
{
	size_t i = (size_t)(w - d->wires);
	int rc;

	if (w->down[0])
		return hf_fail(err, -EBUSY, "%s: %s", w->outer_conf->name, w->down);
	if (pause_wire(d, i) < 0) {
		resume_wire(d, i);
		return hf_fail(
			err, -EBUSY, "the worker does not let go of %s", w->outer_conf->name);
	}
	rc = revive(d, i, 0, 0, true, err);
	if (rc < 0) {
		say_down(w, err->text);
		w->down_outer = HF_PORT_RESTART;
		w->down_inner = HF_PORT_RESTART;
	}
	return rc;
}

/* What has been found, and whether the NIC is done with. */
static int note_audit(const struct hf_daemon *d, struct hf_wire *w,
	const struct hf_sync_audit *audit, int rc, const struct hf_err *err)
{
	w->cannot_tell = audit->cannot_tell;
	w->lost += audit->lost;
	w->looked += audit->n;
	if (audit->lost)
		hf_log(HF_LOG_WARN, "offload", "%s: %zu rules had got lost in the NIC%s",
			w->outer_conf->name, audit->lost, rc < 0 ? "" : " and are back");
	if (rc < 0)
		hf_enforce_refused(d, w, err->text);
	return rc;
}

/* A part of the rules, or all. */
static int look(const struct hf_daemon *d, struct hf_wire *w, size_t max, struct hf_sync_audit *ret,
	struct hf_err *err)
{
	int rc = hf_sync_check(w->sync, max, ret, err);

	if (!ret->more)
		w->looked_at = hf_clock_ms();
	return note_audit(d, w, ret, rc, err);
}

void hf_device_look_new(struct hf_daemon *d)
{
	struct hf_sync_audit audit;
	struct hf_err err = {0};
	size_t i;
	int rc;

	for (i = 0; i < d->n_wires && d->config->reconcile_s; i++) {
		struct hf_wire *w = &d->wires[i];

		if (!w->sync || !w->changed || w->down[0] || w->reject[0])
			continue;
		rc = hf_sync_check_new(w->sync, CHECK_RULES, &audit, &err);
		(void)note_audit(d, w, &audit, rc, &err);
	}
}

static bool is_due(const struct hf_daemon *d, const struct hf_wire *w)
{
	return d->config->reconcile_s && !w->down[0] && !w->reject[0] &&
	       (w->look_more || w->changed ||
		       hf_clock_ms() - w->looked_at >= 1000ull * d->config->reconcile_s);
}

void hf_device_tick(struct hf_daemon *d)
{
	struct hf_sync_audit audit;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];

		check_wire(d, i);
		if (!w->sync || !is_due(d, w))
			continue;
		w->changed = false;
		w->look_more =
			look(d, w, CHECK_RULES, &audit, &(struct hf_err){0}) == 0 && audit.more;
	}
}

int hf_device_verify(struct hf_daemon *d, FILE *out, struct hf_err *err)
{
	struct hf_sync_audit audit;
	size_t i;
	int rc;

	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];

		if (!w->sync)
			continue;
		do {
			rc = look(d, w, SIZE_MAX, &audit, err);
		} while (rc == 0 && audit.more); /* a round that was under way ends first */
		if (rc < 0)
			return hf_err_prefix(err, rc, "%s: ", w->outer_conf->name);
		if (audit.cannot_tell)
			fprintf(out, "%s: the driver cannot tell what is in the NIC\n",
				w->outer_conf->name);
		else if (audit.lost)
			fprintf(out, "%s: %zu of %zu rules were lost in the NIC and are back\n",
				w->outer_conf->name, audit.lost, audit.n);
		else
			fprintf(out, "%s: %zu rules, all of them in the NIC\n", w->outer_conf->name,
				audit.n);
	}
	return 0;
}
