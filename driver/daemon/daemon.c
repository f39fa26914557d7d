/* SPDX-License-Identifier: BSD-3-Clause */

#include "daemon.h"

#include "feed.h"
#include "log.h"
#include "saved.h"

#include "flow/sync.h"
#include "port/eal.h"
#include "port/port.h"
#include "soft/soft.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		.n_args = d->config->n_eal,
		.args = d->config->eal,
		.log = log_dpdk,
	};
	int rc;

	(void)snprintf(prefix, sizeof(prefix), HF_PROGRAM "-%ld", (long)getpid());
	rc = hf_eal_start(&opts, err);
	d->eal = rc == 0;
	return rc;
}

static int open_port(const struct hf_config *config, const struct hf_conf_port *conf,
	struct hf_port **ret, struct hf_err *err)
{
	struct hf_port_opts opts = {
		.name = conf->name,
		.devargs = conf->devargs,
		.n_queues = conf->n_queues,
	};
	int rc = hf_port_open(&opts, ret, err);

	return rc < 0 ? hf_err_prefix(err, rc, "%s:%u:%u: ", config->path, conf->devargs_at.line,
				conf->devargs_at.col)
		      : 0;
}

static int open_wire(struct hf_daemon *d, size_t i, struct hf_err *err)
{
	const struct hf_conf_wire *cw = &d->config->wires[i];
	struct hf_wire *w = &d->wires[i];
	int rc;

	w->outer_conf = &d->config->ports[cw->outer];
	w->inner_conf = &d->config->ports[cw->inner];
	w->nic = d->profiles.nics[i];
	w->assumed = d->profiles.assumed[i];
	rc = open_port(d->config, w->outer_conf, &w->outer, err);
	if (rc == 0)
		rc = open_port(d->config, w->inner_conf, &w->inner, err);
	if (rc == 0)
		rc = hf_soft_add_wire(d->soft, w->outer_conf->name,
			w->outer_conf->role == HF_ROLE_UPLINK ? HF_SOFT_UPLINK : HF_SOFT_WORKLOAD,
			&w->soft, err);
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
	};

	w->sync_port = hf_port_id(w->outer);
	return hf_sync_new(&opts, &w->sync, err);
}

static int start_wire(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err)
{
	int rc = start_port(d->config, w->outer_conf, w->outer, err);

	if (rc == 0)
		rc = start_port(d->config, w->inner_conf, w->inner, err);
	if (rc < 0 || !w->nic)
		return rc;
	if (w->assumed)
		hf_log(HF_LOG_WARN, "engine",
			"%s: no profile is known for %s (driver %s): nothing is offloaded, "
			"everything is judged in software; name one with profile:",
			w->outer_conf->name, w->outer_conf->devargs, hf_port_driver(w->outer));
	return w->nic->n_engines > 0 ? make_sync(w, err) : 0;
}

static int start_soft(struct hf_daemon *d, struct hf_err *err)
{
	struct hf_soft_opts opts = {
		.n_workers = 1,
		.max_conns = d->config->max_connections,
		.socket = (int)rte_socket_id(),
	};

	return hf_soft_new(&opts, &d->soft, err);
}

static struct hf_worker_side side_of(const struct hf_port *port)
{
	return (struct hf_worker_side){
		.port = hf_port_id(port),
		.n_queues = hf_port_n_queues(port),
	};
}

static int start_worker(struct hf_daemon *d, struct hf_err *err)
{
	size_t i;
	int rc;

	d->worker = calloc(1, sizeof(*d->worker));
	if (!d->worker)
		return hf_fail(err, -ENOMEM, "worker: out of memory");
	d->worker->soft = d->soft;
	d->worker->adaptive = d->config->poll == HF_POLL_ADAPTIVE;
	d->worker->n_wires = (unsigned int)d->n_wires;
	for (i = 0; i < d->n_wires; i++) {
		d->worker->wires[i].wire = d->wires[i].soft;
		d->worker->wires[i].outer = side_of(d->wires[i].outer);
		d->worker->wires[i].inner = side_of(d->wires[i].inner);
	}
	rc = rte_eal_remote_launch(hf_worker_run, d->worker, d->lcore);
	if (rc < 0)
		return hf_fail(err, rc, "worker: lcore %u is busy", d->lcore);
	d->running = true;
	return 0;
}

/* The NICs follow what is in force in software already. */
static void program(struct hf_daemon *d)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];
		struct hf_err err = {0};

		if (!w->sync)
			continue;
		w->reject[0] = '\0';
		if (hf_sync_apply(w->sync, d->now->plans[i], &err) == 0)
			continue;
		memcpy(w->reject, err.text, sizeof(w->reject));
		hf_log(HF_LOG_ERROR, "offload",
			"%s: not offloaded, everything is judged in software: pmd-reject:%s",
			w->outer_conf->name, w->reject);
	}
}

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

/* Takes over a whole generation. On failure it is freed and the old one stays. */
static int put_in_force(struct hf_daemon *d, struct hf_generation *take_next, struct hf_err *err)
{
	struct hf_generation *old = d->now;
	int rc = hf_soft_publish(d->soft, take_next->rules, err);

	if (rc < 0) {
		hf_generation_free(take_next);
		return rc;
	}
	d->now = take_next;
	d->last_number = take_next->number;
	if (old)
		old->rules = NULL; /* hf_soft_reclaim() will give them back */
	hf_generation_free(old);
	program(d);
	log_generation(d);
	return 0;
}

static void reclaim(struct hf_daemon *d)
{
	const struct hf_rules *rules;

	while ((rules = hf_soft_reclaim(d->soft)))
		hf_rules_free((struct hf_rules *)(uintptr_t)rules); /* ours before it was lent */
}

static int start_all(struct hf_daemon *d, struct hf_generation **first, struct hf_err *err)
{
	size_t i;
	int rc = start_eal(d, err);

	if (rc == 0)
		rc = hf_eal_worker(&d->lcore, err);
	if (rc == 0)
		rc = start_soft(d, err);
	for (i = 0; i < d->n_wires && rc == 0; i++)
		rc = open_wire(d, i, err);
	for (i = 0; i < d->n_wires && rc == 0; i++)
		rc = start_wire(d, &d->wires[i], err);
	if (rc == 0) {
		rc = put_in_force(d, *first, err);
		*first = NULL;
	}
	return rc < 0 ? rc : start_worker(d, err);
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

/* Felix hears of every host endpoint after every apply: it keeps the last word itself. */
static void report(struct hf_daemon *d)
{
	static const enum hf_felix_status of[] = {
		[HF_ENDPOINT_ERROR] = HF_FELIX_STATUS_ERROR,
		[HF_ENDPOINT_DOWN] = HF_FELIX_STATUS_DOWN,
		[HF_ENDPOINT_UP] = HF_FELIX_STATUS_UP,
	};
	enum hf_endpoint_status status;
	const char *name;
	size_t i;

	for (i = 0; d->feed && i < hf_model_n_host_endpoints(d->now->model); i++) {
		name = hf_model_host_endpoint(d->now->model, i, &status);
		hf_feed_report(d->feed, name, of[status]);
	}
}

int hf_daemon_apply(struct hf_daemon *d, struct hf_err *err)
{
	struct hf_inputs in = {
		.config = d->config,
		.profiles = &d->profiles,
		.felix = d->feed ? hf_feed_state(d->feed) : NULL,
	};
	struct hf_generation *next;
	int rc = hf_generation_build(&in, d->last_number + 1, d->now, &next, err);

	if (rc == 0)
		rc = put_in_force(d, next, err);
	if (rc == 0) {
		d->error[0] = '\0';
		d->save = in.felix && d->config->statedir;
		report(d);
		return 0;
	}
	(void)snprintf(d->error, sizeof(d->error), "%s", err->text); /* the same size */
	d->error_time = time(NULL);
	hf_log(HF_LOG_ERROR, "engine", "generation %u stays in force: %s",
		d->now ? d->now->number : 0, err->text);
	return rc;
}

/* A worker that ends by itself could not start: nothing would pass any more, and nobody know. */
static void check_worker(struct hf_daemon *d)
{
	if (!d->running || rte_eal_get_lcore_state(d->lcore) == RUNNING)
		return;
	hf_log(HF_LOG_ERROR, "worker", "ended by itself: %s",
		strerror(-rte_eal_wait_lcore(d->lcore)));
	d->running = false;
	d->on_exit(d->on_exit_arg);
}

/* A disk that is full or gone costs the next start its memory, not this one its policy. */
static void save(struct hf_daemon *d)
{
	struct hf_err err;

	if (!d->save || !d->feed)
		return;
	d->save = false;
	if (hf_saved_write(d->config->statedir, hf_feed_state(d->feed), &err) < 0)
		hf_log(HF_LOG_ERROR, "felix", "the state is not saved: %s", err.text);
}

void hf_daemon_tick(struct hf_daemon *d)
{
	size_t i;

	check_worker(d);
	save(d);
	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].sync)
			hf_sync_poll(d->wires[i].sync);
	}
	reclaim(d);
}

static void unprogram(struct hf_wire *w)
{
	struct hf_err err = {0};
	size_t n;

	if (!w->sync)
		return;
	if (hf_sync_apply(w->sync, NULL, &err) < 0)
		hf_log(HF_LOG_ERROR, "offload", "%s: %s", w->outer_conf->name, err.text);
	n = hf_sync_n_rules(w->sync);
	hf_log(n ? HF_LOG_ERROR : HF_LOG_INFO, "offload", "%s: %zu rules left in the NIC",
		w->outer_conf->name, n);
	hf_sync_free(w->sync);
	w->sync = NULL;
}

static void stop_worker(struct hf_daemon *d)
{
	if (d->running) {
		atomic_store(&d->worker->stop, true);
		(void)rte_eal_wait_lcore(d->lcore); /* it returns 0, or never began */
	}
	d->running = false;
	free(d->worker);
	d->worker = NULL;
}

void hf_daemon_stop(struct hf_daemon *d)
{
	size_t i;

	save(d);
	for (i = 0; i < d->n_wires; i++)
		unprogram(&d->wires[i]);
	stop_worker(d);
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
	if (d->soft) {
		reclaim(d);
		hf_soft_free(d->soft);
	}
	hf_generation_free(d->now);
	hf_profiles_fini(&d->profiles);
	free(d->wires);
	if (d->eal)
		hf_eal_stop();
	memset(d, 0, sizeof(*d));
}
