/* SPDX-License-Identifier: BSD-3-Clause */

/* Port fields: rows by port, from the ranges that rules ask for. */

#include "classify_build.h"

#include <errno.h>
#include <stdlib.h>

static bool port_is_of(const struct hf_match *m, enum hf_dim dim, const struct hf_port_cond *cond)
{
	if (!cond->dst)
		return dim == HF_DIM_SPORT;
	return dim == (m->wire ? HF_DIM_WIRE_DPORT : HF_DIM_DPORT);
}

/* From this port on the rule holds, or does not. */
struct port_event {
	uint32_t port;
	uint32_t bit;
	bool holds;
};

struct port_job {
	struct port_event *events;
	size_t n, room;
	uint32_t *edges; /* of one rule */
	size_t n_edges, edges_room;
};

/* Sets of (address, protocol, port) are looked at later. */
static bool port_cond_holds(const struct hf_port_cond *cond, uint32_t port)
{
	bool in = false;
	uint16_t i;

	if (cond->n_sets)
		return true;
	for (i = 0; port != HF_NO_PORT && !in && i < cond->n_ranges; i++)
		in = port >= cond->ranges[i].lo && port <= cond->ranges[i].hi;
	return in != cond->negate;
}

static bool ports_hold(const struct hf_match *m, enum hf_dim dim, uint32_t port)
{
	uint16_t i;

	for (i = 0; i < m->n_port; i++) {
		if (port_is_of(m, dim, &m->port[i]) && !port_cond_holds(&m->port[i], port))
			return false;
	}
	return true;
}

static int add_edge(struct port_job *job, uint32_t port)
{
	if (job->n_edges == job->edges_room) {
		size_t room = job->edges_room ? 2 * job->edges_room : 64;
		uint32_t *edges = realloc(job->edges, room * sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		job->edges = edges;
		job->edges_room = room;
	}
	job->edges[job->n_edges++] = port;
	return 0;
}

static int add_event(struct port_job *job, struct port_event event)
{
	if (job->n == job->room) {
		size_t room = job->room ? 2 * job->room : 256;
		struct port_event *events = realloc(job->events, room * sizeof(*events));

		if (!events)
			return -ENOMEM;
		job->events = events;
		job->room = room;
	}
	job->events[job->n++] = event;
	return 0;
}

static int edge_cmp(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return (a > b) - (a < b);
}

static int event_cmp(const void *pa, const void *pb)
{
	const struct port_event *a = pa, *b = pb;

	return a->port != b->port ? (a->port > b->port) - (a->port < b->port)
				  : (a->bit > b->bit) - (a->bit < b->bit);
}

/* Ports where the conditions may begin or cease to hold. Returns whether there are any. */
static int find_edges(struct port_job *job, const struct hf_match *m, enum hf_dim dim)
{
	uint16_t i, k;
	int rc = 0;

	job->n_edges = 0;
	for (i = 0; i < m->n_port; i++) {
		if (!port_is_of(m, dim, &m->port[i]))
			continue;
		for (k = 0; k < m->port[i].n_ranges && rc == 0; k++) {
			rc = add_edge(job, m->port[i].ranges[k].lo);
			if (rc == 0)
				rc = add_edge(job, m->port[i].ranges[k].hi + 1u);
		}
	}
	if (job->n_edges)
		qsort(job->edges, job->n_edges, sizeof(*job->edges), edge_cmp);
	return rc;
}

static int add_rule_events(
	struct port_job *job, uint32_t bit, const struct hf_match *m, enum hf_dim dim)
{
	bool holds = ports_hold(m, dim, 0), none = ports_hold(m, dim, HF_NO_PORT);
	int rc = find_edges(job, m, dim);
	size_t i;

	if (rc == 0)
		rc = add_event(job, (struct port_event){0, bit, holds});
	for (i = 0; i < job->n_edges && rc == 0; i++) {
		uint32_t port = job->edges[i];
		bool now = port < HF_NO_PORT && ports_hold(m, dim, port);

		if (port == HF_NO_PORT || now == holds)
			continue;
		holds = now;
		rc = add_event(job, (struct port_event){port, bit, holds});
	}
	if (rc == 0 && none != holds)
		rc = add_event(job, (struct port_event){HF_NO_PORT, bit, none});
	return rc;
}

static int fill_ports(struct hf_build *b, enum hf_dim dim, const struct port_job *job)
{
	uint32_t port, row = HF_ROW_FAIL, *rows = calloc(HF_PORT_ROWS, sizeof(*rows));
	size_t i = 0;

	b->c->ports[dim] = rows;
	b->c->has[dim] = true;
	if (!rows)
		return -ENOMEM;
	hf_build_all_hold(b);
	for (port = 0; port < HF_PORT_ROWS; port++) {
		if (i == job->n || job->events[i].port != port) {
			rows[port] = row;
			continue;
		}
		for (; i < job->n && job->events[i].port == port; i++)
			hf_pen_set(&b->pen, job->events[i].bit, job->events[i].holds);
		rows[port] = row = hf_pen_row(&b->pen);
		if (row == HF_ROW_FAIL)
			return -ENOMEM;
	}
	return 0;
}

int hf_build_ports(struct hf_build *b, enum hf_dim dim)
{
	struct port_job job = {0};
	uint32_t bit;
	uint16_t i;
	int rc = 0;

	for (bit = 0; bit < b->c->n_bits && rc == 0; bit++) {
		const struct hf_match *m = b->match[bit];
		bool asks = false;

		for (i = 0; m && i < m->n_port; i++)
			asks = asks || port_is_of(m, dim, &m->port[i]);
		if (asks)
			rc = add_rule_events(&job, bit, m, dim);
	}
	if (rc == 0 && job.n > 0) {
		qsort(job.events, job.n, sizeof(*job.events), event_cmp);
		rc = fill_ports(b, dim, &job);
	}
	free(job.events);
	free(job.edges);
	return rc;
}
