/* SPDX-License-Identifier: BSD-3-Clause */

#include "telemetry.h"

#include "daemon.h"
#include "feed.h"
#include "ledger.h"
#include "rows.h"

#include "flow/sync.h"
#include "port/port.h"
#include "soft/soft.h"

#include <hepflow/err.h>

#include <event2/event.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Named so until DPDK 23.03. */
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

typedef int make_fn(const struct hf_daemon *d, const char *params, struct rte_tel_data *data);

/* One question, on the stack of the thread that asks it. */
struct question {
	make_fn *make;
	const char *params; /* "": none */
	struct rte_tel_data *data;
	bool done;
	int rc;
	struct question *next;
};

/* DPDK's callbacks take no argument of ours, and commands are never unregistered. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	const struct hf_daemon *d; /* NULL: closed */
	struct question *first;
	int fd; /* counts questions */
	struct event *event;
} tel = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.answered = PTHREAD_COND_INITIALIZER,
	.fd = -1,
};

/* Names of dictionaries are letters, digits, "_" and "/". */
static const char *key(const char *text, const char *end, char *buf, size_t size)
{
	char *p;

	(void)snprintf(buf, size, "%s%s", text, end); /* our own words; they fit */
	for (p = buf; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	return buf;
}

/* What is longer than DPDK's strings is cut. */
static void put_text(struct rte_tel_data *data, const char *name, const char *text)
{
	(void)rte_tel_data_add_dict_string(data, name, text);
}

static void put(struct rte_tel_data *data, const char *name, uint64_t value)
{
	(void)rte_tel_data_add_dict_uint(data, name, value); /* there is room for 256 */
}

static int make_status(const struct hf_daemon *d, const char *, struct rte_tel_data *data)
{
	struct hf_feed_status s;

	rte_tel_data_start_dict(data);
	put_text(data, "version", HF_VERSION);
	put(data, "pid", (uint64_t)getpid());
	put_text(data, "node", hf_model_node(d->now->model));
	put(data, "generation", d->now->number);
	put(data, "generation_seconds", (uint64_t)d->now->built);
	put(data, "apply_failed", d->error[0] != '\0');
	put_text(data, "error", d->error);
	put(data, "changes_held", d->held || d->confirm_by);
	put(data, "warnings", hf_model_n_warnings(d->now->model));
	put(data, "moving", d->moving);
	if (!d->feed)
		return 0;
	s = hf_feed_status(d->feed);
	put(data, "felix_connected", s.connected);
	put(data, "felix_in_sync", s.in_sync);
	return 0;
}

static int make_stats(const struct hf_daemon *d, const char *, struct rte_tel_data *data)
{
	struct hf_soft_table_counts t;
	char name[64];
	unsigned int r;

	rte_tel_data_start_dict(data);
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		struct hf_soft_count c = hf_soft_count_reason(d->soft, r);

		put(data, key(hf_soft_reason_name(r), "_packets", name, sizeof(name)), c.packets);
		put(data, key(hf_soft_reason_name(r), "_bytes", name, sizeof(name)), c.bytes);
	}
	hf_soft_count_tables(d->soft, &t);
	put(data, "connections", t.conns);
	put(data, "connections_max", t.conns_max);
	put(data, "connections_translated", t.conns_translated);
	put(data, "connections_made", t.conns_made);
	put(data, "connections_expired", t.conns_expired);
	put(data, "connections_evicted", t.conns_evicted);
	put(data, "fragments", t.frags);
	return 0;
}

/* Where a list begins. */
static int read_from(const char *params, size_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(params, &end, 10);
	return params[0] == '-' || *end || errno ? -EINVAL : 0;
}

static int make_ports(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	size_t i;

	if (read_from(params, &i) < 0)
		return -EINVAL;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (; i < d->n_wires; i++)
		(void)rte_tel_data_add_array_string(data, d->wires[i].outer_conf->name);
	return 0;
}

/* The name, or a number in the list. */
static size_t find(const char *params, size_t n, const char *(*name)(const void *arg, size_t i),
	const void *arg)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(name(arg, i), params) == 0)
			return i;
	}
	return params[0] && read_from(params, &i) == 0 && i < n ? i : SIZE_MAX;
}

static const char *wire_name(const void *arg, size_t i)
{
	return ((const struct hf_daemon *)arg)->wires[i].outer_conf->name;
}

static void put_side(struct rte_tel_data *data, const char *side, const struct hf_port *port)
{
	struct hf_port_stats s;
	char name[64];

	put_text(data, key(side, "driver", name, sizeof(name)), hf_port_driver(port));
	put(data, key(side, "link", name, sizeof(name)), hf_port_link(port));
	if (hf_port_read_stats(port, &s) < 0)
		return; /* unknown is not 0 */
	put(data, key(side, "rx_packets", name, sizeof(name)), s.rx_packets);
	put(data, key(side, "tx_packets", name, sizeof(name)), s.tx_packets);
	put(data, key(side, "rx_missed", name, sizeof(name)), s.rx_missed);
	put(data, key(side, "rx_errors", name, sizeof(name)), s.rx_errors);
	put(data, key(side, "tx_errors", name, sizeof(name)), s.tx_errors);
}

static int make_port(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	size_t i = find(params, d->n_wires, wire_name, d);
	const struct hf_wire *w;
	struct hf_sync_stats s;

	if (i == SIZE_MAX)
		return -ENOENT;
	w = &d->wires[i];
	rte_tel_data_start_dict(data);
	put_text(data, "name", w->outer_conf->name);
	put_text(data, "role", hf_role_name(w->outer_conf->role));
	put_text(data, "profile", w->nic ? w->nic->name : "");
	put_side(data, "outer_", w->outer);
	if (w->inner)
		put_side(data, "inner_", w->inner);
	if (!w->sync)
		return 0;
	hf_sync_read_stats(w->sync, &s);
	put_text(data, "reject", w->reject);
	put(data, "nic_entries", hf_sync_n_rules(w->sync));
	put(data, "nic_asked", s.asked);
	put(data, "nic_inserted", s.inserted);
	put(data, "nic_deleted", s.deleted);
	put(data, "nic_refused", s.refused);
	put(data, "nic_query_errors", s.query_errors);
	return 0;
}

static void put_counts(
	struct rte_tel_data *data, const struct hf_sync_count *hw, const struct hf_soft_count *sw)
{
	put(data, "hw_known", hw->known);
	if (hw->known) {
		put(data, "hw_packets", hw->packets);
		put(data, "hw_bytes", hw->bytes);
	}
	put(data, "sw_packets", sw->packets);
	put(data, "sw_bytes", sw->bytes);
}

static const char *row_name(const void *arg, size_t i)
{
	return ((const struct hf_row *)arg)[i].origin;
}

static int make_rules(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	struct hf_row *rows;
	size_t i;
	int n;

	if (read_from(params, &i) < 0)
		return -EINVAL;
	n = hf_rows_make(d, &rows);
	if (n < 0)
		return n;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (; i < (size_t)n; i++) {
		if (rte_tel_data_add_array_string(data, rows[i].origin) == -ENOSPC)
			break;
	}
	free(rows);
	return 0;
}

static int make_rule(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	struct hf_row *rows;
	int n = hf_rows_make(d, &rows);
	char reason[64];
	size_t i;

	if (n < 0)
		return n;
	i = find(params, (size_t)n, row_name, rows);
	if (i != SIZE_MAX) {
		const struct hf_row *r = &rows[i];

		rte_tel_data_start_dict(data);
		put_text(data, "origin", r->origin);
		put_counts(data, &r->hw, &r->sw);
		put_text(data, "offloaded", hf_row_share_name(r->share));
		put_text(data, "reason",
			r->rejected ? "pmd-reject"
			: r->share == HF_SHARE_WHOLE
				? ""
				: hf_reason_print(r->reason, r->detail, reason));
	}
	free(rows);
	return i == SIZE_MAX ? -ENOENT : 0;
}

/* Rows by policy and direction, as the metrics have them. */
static int make_series(const struct hf_daemon *d, struct hf_series **ret, struct hf_row **ret_rows)
{
	struct hf_row *rows;
	struct hf_series *v;
	int i, n = hf_rows_make(d, &rows), n_series = 0;

	if (n < 0)
		return n;
	v = calloc((size_t)n + 1, sizeof(*v));
	for (i = 0; v && i < n; n_series++) {
		i = (int)hf_series_next(rows, (size_t)n, (size_t)i, &v[n_series]);
		hf_ledger_add(d->ledger, &v[n_series]);
	}
	if (!v) {
		free(rows);
		return -ENOMEM;
	}
	*ret = v;
	*ret_rows = rows;
	return n_series;
}

static int make_policies(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	char name[RTE_TEL_MAX_STRING_LEN];
	struct hf_series *v;
	struct hf_row *rows;
	size_t i;
	int n;

	if (read_from(params, &i) < 0)
		return -EINVAL;
	n = make_series(d, &v, &rows);
	if (n < 0)
		return n;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (; i < (size_t)n; i++) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)v[i].len, v[i].name); /* cut */
		if (rte_tel_data_add_array_string(data, name) == -ENOSPC)
			break;
	}
	free(v);
	free(rows);
	return 0;
}

static int make_policy(const struct hf_daemon *d, const char *params, struct rte_tel_data *data)
{
	char name[RTE_TEL_MAX_STRING_LEN];
	struct hf_series *v;
	struct hf_row *rows;
	size_t i, at;
	int n = make_series(d, &v, &rows);

	if (n < 0)
		return n;
	for (i = 0; i < (size_t)n; i++) {
		if (strlen(params) == v[i].len && memcmp(params, v[i].name, v[i].len) == 0)
			break;
	}
	if (i == (size_t)n && params[0] && read_from(params, &at) == 0 && at < (size_t)n)
		i = at;
	if (i < (size_t)n) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)v[i].len, v[i].name); /* cut */
		rte_tel_data_start_dict(data);
		put_text(data, "policy", name);
		put_counts(data, &v[i].hw, &v[i].sw);
	}
	free(v);
	free(rows);
	return i < (size_t)n ? 0 : -ENOENT;
}

static const struct {
	const char *name;
	make_fn *make;
	const char *help;
} commands[] = {
	{"/hepflow/policies", make_policies,
		"Names of policies and directions. Parameters: number of the first (0)"},
	{"/hepflow/policy", make_policy,
		"What a policy has decided. Parameters: its name, or its number in the list"},
	{"/hepflow/port", make_port, "One interface. Parameters: its name, or its number"},
	{"/hepflow/ports", make_ports, "Names of interfaces. Parameters: number of the first (0)"},
	{"/hepflow/rule", make_rule,
		"What a rule has decided. Parameters: its name, or its number in the list"},
	{"/hepflow/rules", make_rules, "Names of rules. Parameters: number of the first (0)"},
	{"/hepflow/stats", make_stats, "Packets that came to software. Takes no parameters"},
	{"/hepflow/status", make_status, "What is in force. Takes no parameters"},
};

static void unlink_question(struct question *q)
{
	struct question **p = &tel.first;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
}

/* On a thread of DPDK's. */
static int ask(struct question *q)
{
	static const uint64_t one = 1;
	struct timespec end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end); /* is there on Linux */
	end.tv_sec += HF_TELEMETRY_WAIT_S;
	pthread_mutex_lock(&tel.lock);
	if (!tel.d) {
		pthread_mutex_unlock(&tel.lock);
		return -ESHUTDOWN;
	}
	q->next = tel.first;
	tel.first = q;
	(void)!write(tel.fd, &one, sizeof(one)); /* cannot fill up: ten clients at most */
	while (!q->done) {
		if (pthread_cond_clockwait(&tel.answered, &tel.lock, CLOCK_MONOTONIC, &end) == 0)
			continue;
		if (!q->done) {
			unlink_question(q);
			q->rc = -ETIMEDOUT;
			q->done = true;
		}
	}
	pthread_mutex_unlock(&tel.lock);
	return q->rc;
}

static int on_command(const char *cmd, const char *params, struct rte_tel_data *data)
{
	struct question q = {.params = params ? params : "", .data = data};
	size_t i;

	for (i = 0; i < N(commands); i++) {
		if (strcmp(commands[i].name, cmd) == 0)
			q.make = commands[i].make;
	}
	return q.make ? ask(&q) : -ENOENT;
}

/* On the control thread. The lock is held: who asks has nothing else to do. */
static void answer_all(void)
{
	while (tel.first) {
		struct question *q = tel.first;

		tel.first = q->next;
		q->rc = tel.d ? q->make(tel.d, q->params, q->data) : -ESHUTDOWN;
		q->done = true;
	}
	pthread_cond_broadcast(&tel.answered);
}

static void on_question(evutil_socket_t fd, short, void *)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n)); /* only to make it quiet */
	pthread_mutex_lock(&tel.lock);
	answer_all();
	pthread_mutex_unlock(&tel.lock);
}

int hf_telemetry_open(struct event_base *base, const struct hf_daemon *d, struct hf_err *err)
{
	size_t i;
	int rc;

	tel.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tel.fd < 0)
		return hf_fail(err, -errno, "telemetry: %s", strerror(errno));
	tel.event = event_new(base, tel.fd, EV_READ | EV_PERSIST, on_question, NULL);
	if (!tel.event || event_add(tel.event, NULL) < 0)
		return hf_fail(err, -ENOMEM, "telemetry: out of memory");
	pthread_mutex_lock(&tel.lock);
	tel.d = d;
	pthread_mutex_unlock(&tel.lock);
	for (i = 0; i < N(commands); i++) {
		rc = rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);
		if (rc < 0)
			return hf_fail(
				err, rc, "telemetry: %s: %s", commands[i].name, strerror(-rc));
	}
	return 0;
}

void hf_telemetry_close(void)
{
	pthread_mutex_lock(&tel.lock);
	tel.d = NULL;
	answer_all();
	pthread_mutex_unlock(&tel.lock);
	if (tel.event)
		event_free(tel.event);
	tel.event = NULL;
	if (tel.fd >= 0)
		(void)close(tel.fd); /* nothing is lost with it */
	tel.fd = -1;
}
