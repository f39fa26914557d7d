/* SPDX-License-Identifier: BSD-3-Clause */

#include "daemon.h"

#include "apply.h"
#include "device.h"
#include "enforce.h"
#include "feed.h"
#include "handover.h"
#include "kernel.h"
#include "ledger.h"
#include "log.h"
#include "saved.h"

#include "flow/async.h"
#include "flow/sync.h"
#include "port/eal.h"
#include "port/port.h"
#include "soft/soft.h"

#include <hepflow/base/clock.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVE_AGAIN_MS 2000 /* a disk that is full may have room again */

static void log_dpdk(unsigned int level, const char *text, size_t len)
{
	enum hf_log_level l = level <= RTE_LOG_ERR	 ? HF_LOG_ERROR
			      : level == RTE_LOG_WARNING ? HF_LOG_WARN
			      : level <= RTE_LOG_INFO	 ? HF_LOG_INFO
							 : HF_LOG_DEBUG;

	hf_log(l, "dpdk", "%.*s", (int)len, text);
}

static int start_eal(struct hf_daemon *d, struct hf_err *err)
{
	char prefix[64];
	struct hf_eal_opts opts = {
		.program = HF_PROGRAM,
		.prefix = prefix,
		.n_workers = d->config->n_workers,
		.n_args = d->config->n_eal,
		.args = d->config->eal,
		.telemetry = d->config->telemetry,
		.log = log_dpdk,
	};
	int rc;

	(void)snprintf(prefix, sizeof(prefix), HF_PROGRAM "-%ld", (long)getpid());
	rc = hf_eal_start(&opts, err);
	d->eal = rc == 0;
	return rc;
}

static int open_port(const struct hf_config *config, const struct hf_conf_port *conf,
	const struct hf_nic *nic, struct hf_port **ret, struct hf_err *err)
{
	/* With fallback kernel all ports are the kernel's as well. */
	struct hf_port_opts opts = {
		.name = conf->name,
		.devargs = conf->devargs,
		.n_queues = conf->n_queues,
		.n_reserved = conf->reserve ? HF_RESERVED_QUEUES : 0,
		.isolated = config->kernel_fallback,
		.templates = nic && nic->async_only,
		.representor = conf->representor,
	};
	int rc = hf_port_open(&opts, ret, err);

	return rc < 0 ? hf_err_prefix(err, rc, "%s:%u:%u: ", config->path, conf->devargs_at.line,
				conf->devargs_at.col)
		      : 0;
}

static int open_eswitch(struct hf_daemon *d, size_t i, struct hf_err *err)
{
	struct hf_wire *w = &d->wires[i];
	int rc;

	w->ports.plan = hf_config_eswitch(d->config, i);
	if (!w->ports.plan.on)
		return 0;
	rc = hf_port_check_eswitch(w->outer, w->inner, err);
	return rc < 0 ? hf_err_prefix(err, rc, "%s:%u:%u: ", d->config->path,
				w->outer_conf->eswitch_at.line, w->outer_conf->eswitch_at.col)
		      : 0;
}

static int open_wire(struct hf_daemon *d, size_t i, struct hf_err *err)
{
	const struct hf_conf_wire *cw = &d->config->wires[i];
	struct hf_wire *w = &d->wires[i];
	int rc;

	w->outer_conf = &d->config->ports[cw->outer];
	w->inner_conf = cw->inner == HF_CONF_NO_PORT ? NULL : &d->config->ports[cw->inner];
	w->nic = d->profiles.nics[i];
	w->assumed = d->profiles.assumed[i];
	rc = open_port(d->config, w->outer_conf, w->nic, &w->outer, err);
	if (rc < 0 || !w->inner_conf)
		return rc;
	rc = open_port(d->config, w->inner_conf, NULL, &w->inner, err);
	if (rc == 0)
		rc = open_eswitch(d, i, err);
	if (rc == 0)
		rc = hf_soft_add_wire(d->soft, w->outer_conf->name,
			w->outer_conf->role == HF_ROLE_UPLINK ? HF_SOFT_UPLINK : HF_SOFT_WORKLOAD,
			&w->soft, err);
	if (rc == 0)
		hf_soft_set_delivers(
			d->soft, w->soft, w->ports.plan.on && !d->config->strict_invalid);
	return rc;
}

static int start_port(const struct hf_config *config, const struct hf_conf_port *conf,
	struct hf_port *port, struct hf_err *err)
{
	int rc = hf_port_start(port, err);

	return rc < 0 ? hf_err_prefix(err, rc, "%s:%u:%u: ", config->path, conf->devargs_at.line,
				conf->devargs_at.col)
		      : 0;
}

static int make_sync(struct hf_wire *w, struct hf_err *err)
{
	struct hf_sync_opts opts = {
		.nic = w->nic,
		.n_queues = hf_port_n_queues(w->outer),
		.ops = &hf_flow_ops_rte,
		.ops_arg = &w->sync_port,
		.ports = w->ports.plan.on ? &w->ports : NULL,
	};

	hf_device_number(w);
	if (w->nic->async_only) {
		int rc = hf_flow_async_new(w->sync_port, HF_FLOW_ASYNC_WAIT_MS, &w->async, err);

		if (rc < 0)
			return rc;
		opts.ops = &hf_flow_ops_async;
		opts.ops_arg = w->async;
	}
	return hf_sync_new(&opts, &w->sync, err);
}

static int start_wire(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err)
{
	int rc = start_port(d->config, w->outer_conf, w->outer, err);

	if (rc == 0 && w->inner)
		rc = start_port(d->config, w->inner_conf, w->inner, err);
	if (rc < 0 || !w->nic)
		return rc;
	if (w->assumed)
		hf_log(HF_LOG_WARN, "engine",
			"%s: no profile is known for %s (driver %s): nothing is offloaded, "
			"everything is judged in software; name one with profile:",
			w->outer_conf->name, w->outer_conf->devargs, hf_port_driver(w->outer));
	rc = w->nic->n_engines > 0 ? make_sync(w, err) : 0;
	return rc == 0 ? hf_handover_open(d, w, err) : rc;
}

static int start_soft(struct hf_daemon *d, struct hf_err *err)
{
	static const enum hf_soft_reclassify reclassify[] = {
		[HF_RECLASSIFY_OFF] = HF_SOFT_RECLASSIFY_OFF,
		[HF_RECLASSIFY_DENY_ONLY] = HF_SOFT_RECLASSIFY_DENY_ONLY,
		[HF_RECLASSIFY_ALL] = HF_SOFT_RECLASSIFY_ALL,
	};
	static const enum hf_soft_ambiguous ambiguous[] = {
		[HF_AMBIGUOUS_RECHECK] = HF_SOFT_AMBIGUOUS_RECHECK,
		[HF_AMBIGUOUS_TRANSLATE] = HF_SOFT_AMBIGUOUS_TRANSLATE,
		[HF_AMBIGUOUS_DROP] = HF_SOFT_AMBIGUOUS_DROP,
	};
	struct hf_soft_opts opts = {
		.n_workers = d->config->n_workers,
		.max_conns = d->config->max_connections,
		.reclassify = reclassify[d->config->reclassify],
		.ambiguous = ambiguous[d->config->ambiguous],
		.socket = (int)rte_socket_id(),
	};
	size_t i;

	for (i = 0; i < HF_CONF_N_TIMERS; i++) {
		if (!hf_soft_set_timeout(&opts, hf_conf_timers[i], d->config->timeouts[i]))
			return hf_fail(err, -EINVAL, "no timer is called %s", hf_conf_timers[i]);
	}
	return hf_soft_new(&opts, &d->soft, err);
}

static struct hf_worker_side side_of(const struct hf_port *port)
{
	return (struct hf_worker_side){
		.port = hf_port_id(port),
		.n_queues = hf_port_n_queues(port),
		.n_reserved = hf_port_n_reserved(port),
	};
}

/*
 * A wire and all of its connections belong to one worker, so that workers share nothing but what
 * only the control thread writes. They are dealt out in turn.
 */
struct hf_worker_wire *hf_daemon_wire(const struct hf_daemon *d, size_t wire)
{
	return &d->workers[wire % d->n_workers].wires[wire / d->n_workers];
}

static int start_workers(struct hf_daemon *d, struct hf_err *err)
{
	unsigned int w;
	size_t i;
	int rc;

	d->n_workers = d->config->n_workers;
	d->workers = calloc(d->n_workers, sizeof(*d->workers));
	if (!d->workers)
		return hf_fail(err, -ENOMEM, "worker: out of memory");
	for (i = 0; i < d->n_wires; i++) {
		struct hf_worker_wire *wire = hf_daemon_wire(d, i);

		wire->wire = d->wires[i].soft;
		wire->outer = side_of(d->wires[i].outer);
		if (d->wires[i].inner)
			wire->inner = side_of(d->wires[i].inner);
		d->workers[i % d->n_workers].n_wires++;
	}
	for (w = 0; w < d->n_workers; w++) {
		d->workers[w].soft = d->soft;
		d->workers[w].number = w;
		d->workers[w].adaptive =
			d->config->kernel_fallback || d->config->poll == HF_POLL_ADAPTIVE;
		rc = rte_eal_remote_launch(
			d->config->kernel_fallback ? hf_worker_run_idle : hf_worker_run,
			&d->workers[w], d->lcores[w]);
		if (rc < 0)
			return hf_fail(err, rc, "worker: lcore %u is busy", d->lcores[w]);
		d->n_running++;
	}
	return 0;
}

static int start_all(struct hf_daemon *d, struct hf_generation **first, struct hf_err *err)
{
	size_t i;
	int rc = hf_apply_first(d, *first, err);

	if (rc == 0)
		rc = start_eal(d, err);
	if (rc == 0)
		rc = hf_eal_workers(d->config->n_workers, d->lcores, err);
	if (rc == 0)
		rc = start_soft(d, err);
	for (i = 0; i < d->n_wires && rc == 0; i++)
		rc = open_wire(d, i, err);
	for (i = 0; i < d->n_wires && rc == 0; i++)
		rc = start_wire(d, &d->wires[i], err);
	if (rc == 0)
		rc = hf_enforce(d, *first, err);
	if (rc < 0)
		return rc;
	d->last_number = (*first)->number;
	*first = NULL;
	return start_workers(d, err);
}

int hf_daemon_start(struct hf_daemon *d, const struct hf_config *config,
	struct hf_profiles *take_profiles, struct hf_generation *take_first, struct hf_err *err)
{
	int rc = 0;

	d->config = config;
	d->profiles = *take_profiles;
	*take_profiles = (struct hf_profiles){0};
	d->wires = calloc(config->n_wires, sizeof(*d->wires));
	if (!d->wires)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	else
		d->n_wires = config->n_wires;
	if (rc == 0)
		rc = start_all(d, &take_first, err);
	if (rc < 0) {
		hf_generation_free(take_first);
		hf_daemon_stop(d);
	}
	return rc;
}

void hf_daemon_set_feed(struct hf_daemon *d, struct hf_feed *feed)
{
	d->feed = feed;
}

void hf_daemon_set_kernel(struct hf_daemon *d, struct hf_kernel *kernel)
{
	d->kernel = kernel;
}

static void stop_workers(struct hf_daemon *d)
{
	unsigned int w;

	for (w = 0; w < d->n_running; w++)
		atomic_store(&d->workers[w].stop, true);
	for (w = 0; w < d->n_running; w++)
		(void)rte_eal_wait_lcore(d->lcores[w]); /* it returns 0, or never began */
	d->n_running = 0;
}

/* A worker that ends by itself could not start: nothing would pass any more, and nobody know. */
static void check_workers(struct hf_daemon *d)
{
	unsigned int w;

	for (w = 0; w < d->n_running; w++) {
		if (rte_eal_get_lcore_state(d->lcores[w]) == RUNNING)
			continue;
		hf_log(HF_LOG_ERROR, "worker", "%u ended by itself: %s", w,
			strerror(-rte_eal_wait_lcore(d->lcores[w])));
		stop_workers(d);
		d->on_exit(d->on_exit_arg);
	}
}

/* A disk that is full or gone costs the next start its memory, not this one its policy. */
static void save(struct hf_daemon *d)
{
	struct hf_err err;

	if (!d->save || !d->feed || hf_clock_ms() < d->save_at)
		return;
	if (hf_saved_write(d->config->statedir, hf_feed_state(d->feed), &err) < 0) {
		if (!d->save_error[0])
			hf_log(HF_LOG_ERROR, "felix", "the state is not saved: %s", err.text);
		memcpy(d->save_error, err.text, sizeof(d->save_error));
		d->save_at = hf_clock_ms() + SAVE_AGAIN_MS;
		return;
	}
	if (d->save_error[0])
		hf_log(HF_LOG_INFO, "felix", "the state is saved again");
	d->save = false;
	d->save_error[0] = '\0';
}

/* A worker that is there and does nothing is worse than one that has ended. */
static void check_moving(struct hf_daemon *d)
{
	bool all = d->n_running > 0;
	unsigned int w;

	for (w = 0; w < d->n_running; w++) {
		uint64_t rounds = atomic_load(&d->workers[w].rounds);
		bool moved = rounds != d->rounds[w];

		if (d->moving && !moved)
			hf_log(HF_LOG_ERROR, "worker", "%u has not moved for a second", w);
		d->rounds[w] = rounds;
		all = all && moved;
	}
	d->moving = all;
}

void hf_daemon_tick(struct hf_daemon *d)
{
	check_workers(d);
	check_moving(d);
	hf_packets_poll(d);
	hf_apply_tick(d);
	save(d);
	hf_device_tick(d);
	hf_enforce_tick(d);
	hf_enforce_reclaim(d);
}

bool hf_daemon_settle(struct hf_daemon *d)
{
	hf_enforce_reclaim(d);
	return hf_soft_is_settled(d->soft);
}

void hf_daemon_stop(struct hf_daemon *d)
{
	size_t i;

	hf_apply_close(d);
	d->save_at = 0;
	save(d);
	for (i = 0; i < d->n_wires; i++)
		hf_enforce_withdraw(&d->wires[i]);
	stop_workers(d);
	free(d->workers);
	d->workers = NULL;
	if (d->soft)
		hf_packets_poll(d);
	hf_capture_end(d, "the daemon has ended");
	hf_packets_fini(d);
	/* All are stopped before any is closed: packets of one wait in the rings of another. */
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].outer)
			hf_port_stop(d->wires[i].outer);
		if (d->wires[i].inner)
			hf_port_stop(d->wires[i].inner);
	}
	for (i = 0; i < d->n_wires; i++) {
		hf_port_close(d->wires[i].outer);
		hf_port_close(d->wires[i].inner);
	}
	hf_soft_free(d->soft);
	hf_ledger_free(d->ledger);
	hf_generation_free(d->now);
	for (i = 0; i < d->n_old; i++)
		hf_generation_free(d->old[i]);
	for (i = 0; i < d->n_gone; i++)
		hf_generation_free(d->gone[i]);
	hf_profiles_fini(&d->profiles);
	free(d->wires);
	if (d->eal)
		hf_eal_stop();
	memset(d, 0, sizeof(*d));
}
