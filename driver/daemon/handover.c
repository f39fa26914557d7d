/* SPDX-License-Identifier: BSD-3-Clause */

#include "handover.h"

#include "daemon.h"
#include "log.h"

#include "flow/async.h"
#include "flow/conns.h"
#include "flow/sync.h"
#include "soft/soft.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OFFERS_A_POLL 512		      /* some milliseconds of a driver's time */
#define LOOKS_A_POLL  (1000 / HF_HANDOVER_MS) /* every rule is looked at once a second */

int hf_handover_open(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err)
{
	struct hf_conns_opts opts = {
		.nic = w->nic,
		.n_queues = w->outer_conf->n_queues,
		.max = d->config->offload.max,
		.keep = d->config->offload.after,
		.idle_s = d->config->offload.idle,
		.ops = w->async ? &hf_conn_ops_async : &hf_conn_ops_rte,
		.ops_arg = w->async ? (void *)w->async : (void *)&w->sync_port,
		.eswitch = w->ports.plan,
		.ports = &w->ports,
	};
	struct hf_err why = {0};
	int rc;

	if (!d->config->offload.after || !w->sync)
		return 0;
	rc = hf_conns_new(&opts, &w->conns, &why);
	if (rc == -ENOTSUP) {
		hf_log(HF_LOG_WARN, "offload", "%s: connections stay in software: %s",
			w->outer_conf->name, why.text);
		return 0;
	}
	if (rc < 0)
		return hf_fail(err, rc, "%s", why.text);
	hf_soft_set_offers(d->soft, w->soft, d->config->offload.after);
	hf_soft_set_pairs(d->soft, w->soft, w->ports.plan.on);
	hf_log(HF_LOG_INFO, "offload",
		"%s: connections go to the NIC after %u packets, at most %u; idle ones are told "
		"by %s",
		w->outer_conf->name, opts.keep, opts.max, hf_conns_aging(w->conns));
	return 0;
}

/* A plan that could not be removed may have taken all rules of the port with it. */
static void check_flushes(struct hf_wire *w)
{
	struct hf_sync_stats s;

	hf_sync_read_stats(w->sync, &s);
	if (s.flushed != w->flushes)
		hf_conns_lose(w->conns);
	w->flushes = s.flushed;
}

void hf_handover_close(struct hf_wire *w)
{
	struct hf_conns_stats s;

	if (!w->conns)
		return;
	check_flushes(w);
	hf_conns_clear(w->conns);
	hf_conns_read_stats(w->conns, &s);
	if (s.n)
		hf_log(HF_LOG_ERROR, "offload", "%s: %u connections left in the NIC",
			w->outer_conf->name, s.n);
	hf_conns_free(w->conns);
	w->conns = NULL;
}

static struct hf_wire *wire_of(const struct hf_daemon *d, unsigned int soft)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].soft == soft)
			return d->wires[i].conns ? &d->wires[i] : NULL;
	}
	return NULL;
}

static int add(const struct hf_wire *w, const struct hf_soft_offer *o, bool out, struct hf_err *err)
{
	const struct hf_conn conn = {
		.src = out ? o->dst : o->src,
		.dst = out ? o->src : o->dst,
		.sport = out ? o->dport : o->sport,
		.dport = out ? o->sport : o->dport,
		.proto = o->proto,
		.mark = o->mark,
		.out = out,
		.worker = o->worker,
		.ticket = o->ticket,
	};

	return hf_conns_add(w->conns, &conn, err);
}

static void hand_over(const struct hf_daemon *d, const struct hf_soft_offer *o)
{
	struct hf_wire *w = wire_of(d, o->wire);
	struct hf_err err = {0};
	int rc;

	if (!w)
		return;
	rc = add(w, o, false, &err);
	/* Either direction is right by itself; both are faster. */
	if ((rc == 0 || rc == -EEXIST) && w->ports.plan.on)
		rc = add(w, o, true, &err);
	if (rc < 0 && err.text[0])
		hf_log(HF_LOG_DEBUG, "offload", "%s: a connection stays in software: %s",
			w->outer_conf->name, err.text);
}

struct asked {
	struct hf_soft *soft;
	unsigned int wire;
};

static struct hf_soft_offer offer_of(const struct asked *a, const struct hf_conn *conn)
{
	return (struct hf_soft_offer){
		.wire = a->wire,
		.worker = conn->worker,
		.ticket = conn->ticket,
		.mark = conn->mark,
		.proto = conn->proto,
		.src = conn->out ? conn->dst : conn->src,
		.dst = conn->out ? conn->src : conn->dst,
		.sport = conn->out ? conn->dport : conn->sport,
		.dport = conn->out ? conn->sport : conn->dport,
	};
}

static bool holds(void *arg, const struct hf_conn *conn, uint64_t *ret_packets)
{
	const struct asked *a = arg;
	const struct hf_soft_offer offer = offer_of(a, conn);

	return hf_soft_offer_holds(a->soft, &offer, ret_packets);
}

static void lives(void *arg, const struct hf_conn *conn)
{
	const struct asked *a = arg;
	const struct hf_soft_offer offer = offer_of(a, conn);

	hf_soft_touch(a->soft, &offer);
}

/* New ones first: operations on flow queues are pushed when their ends are asked for. */
void hf_handover_poll(struct hf_daemon *d)
{
	struct hf_soft_offer offer;
	unsigned int n;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].conns)
			check_flushes(&d->wires[i]);
	}
	for (n = 0; n < OFFERS_A_POLL && hf_soft_next_offer(d->soft, &offer); n++)
		hand_over(d, &offer);
	for (i = 0; i < d->n_wires; i++) {
		struct hf_wire *w = &d->wires[i];
		struct asked asked = {d->soft, w->soft};
		const struct hf_conns_user user = {
			.holds = holds, .lives = w->ports.plan.on ? lives : NULL, .arg = &asked};

		if (w->conns)
			hf_conns_poll(w->conns, d->config->offload.max / LOOKS_A_POLL + 1, &user);
	}
}

int hf_handover_purge(const struct hf_daemon *d, struct hf_wire *w, struct hf_err *err)
{
	struct asked asked = {d->soft, w->soft};
	const struct hf_conns_user user = {.holds = holds, .arg = &asked};

	if (!w->conns)
		return 0;
	check_flushes(w);
	if (!w->ports.plan.on) {
		hf_conns_sweep(w->conns, &user);
		return 0;
	}
	return hf_conns_purge(w->conns, hf_soft_offers_mark(d->soft), err);
}

uint64_t hf_handover_count(const struct hf_daemon *d)
{
	struct hf_conns_stats s;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (!d->wires[i].conns)
			continue;
		hf_conns_read_stats(d->wires[i].conns, &s);
		n += s.n;
	}
	return n;
}

bool hf_handover_find(const struct hf_daemon *d, const struct hf_soft_conn *c, bool reply,
	struct hf_flow_hits *ret)
{
	const struct hf_wire *w = wire_of(d, c->wire);
	struct hf_conn conn = {
		.src = reply ? c->dst : c->src,
		.dst = reply ? c->src : c->dst,
		.sport = reply ? c->dport : c->sport,
		.dport = reply ? c->sport : c->dport,
		.proto = c->proto,
	};

	if (!w || hf_conns_find(w->conns, &conn, ret))
		return w;
	conn.out = true;
	return hf_conns_find(w->conns, &conn, ret);
}

size_t hf_handover_read_stats(
	const struct hf_wire *w, struct hf_named_count ret[static HF_HANDOVER_STATS])
{
	struct hf_conns_stats s;

	if (!w->conns)
		return 0;
	hf_conns_read_stats(w->conns, &s);
	const struct hf_named_count rows[HF_HANDOVER_STATS] = {
		{"Connections", "used", s.n},
		{"Connections waiting", "waiting", s.waiting},
		{"Connections stuck", "stuck", s.stuck},
		{"Connections enqueued", "enqueued", s.asked},
		{"Connections inserted", "inserted", s.inserted},
		{"Connections rejected by PMD", "rejectedByPmd", s.refused},
		{"Connections rejected by capacity", "rejectedByCapacity", s.no_room},
		{"Connections deleted", "deleted", s.deleted},
		{"Connections deleted, ended", "ended", s.ended},
		{"Connections deleted, idle", "idle", s.aged},
		{"Connections deleted, evicted", "evicted", s.evicted},
		{"Connections lost by flush", "lostByFlush", s.lost},
		{"Connection query errors", "queryErrors", s.query_errors},
		{"Connection packets", "packets", s.hits.packets},
		{"Connection bytes", "bytes", s.hits.bytes},
	};

	memcpy(ret, rows, sizeof(rows));
	return HF_HANDOVER_STATS;
}
