/* SPDX-License-Identifier: BSD-3-Clause */

/* rte_flow_configure() is in every DPDK since 22.03, not called stable in 22.11. */
#define ALLOW_EXPERIMENTAL_API

#include "port.h"

#include <hepflow/err.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE   RTE_ETH_NAME_MAX_LEN
#define POOL_CACHE  256
#define DRAIN_BURST 32
#define POOL_MIN    4096 /* for rings of this port and of the one its packets go to */

struct hf_port {
	char name[32];
	char device[NAME_SIZE]; /* up to the first comma of the devargs */
	char driver[64];
	char *devargs;
	bool plugged; /* by us */
	bool started;
	bool isolated;
	bool templates;
	bool representor;
	uint16_t id;
	uint16_t n_queues;
	uint16_t n_reserved;
	struct rte_mempool *pool;
	atomic_uint events;
};

static int fail(const struct hf_port *p, int rc, const char *what, struct hf_err *err)
{
	return hf_fail(err, rc, "port %s: %s: %s: %s", p->name, p->device, what, strerror(-rc));
}

/* As ovs-vswitchd finds the ports of a card. */
static int find_representor(const char *devargs, uint16_t *ret)
{
	struct rte_dev_iterator iterator;
	unsigned int n = 0;
	uint16_t id;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &iterator)
	{
		*ret = id;
		n++;
	}
	return n == 1 ? 0 : n == 0 ? -ENODEV : -EINVAL;
}

static int find_port(const struct hf_port *p, const char *devargs, uint16_t *ret)
{
	return p->representor ? find_representor(devargs, ret)
			      : rte_eth_dev_get_port_by_name(p->device, ret);
}

static int plug(struct hf_port *p, const char *devargs, struct hf_err *err)
{
	size_t len = strcspn(devargs, ",");
	int rc;

	if (len >= sizeof(p->device))
		return hf_fail(err, -ENAMETOOLONG,
			"port %s: the name of the device has "
			"more than %zu characters",
			p->name, sizeof(p->device) - 1);
	memcpy(p->device, devargs, len);
	if (find_port(p, devargs, &p->id) == 0)
		return 0;
	rc = rte_dev_probe(devargs);
	if (rc < 0)
		return fail(p, rc, "the device does not start", err);
	p->plugged = true;
	rc = find_port(p, devargs, &p->id);
	if (rc == -EINVAL)
		return fail(p, rc, "representor= must name one port", err);
	return rc < 0 ? fail(p, -ENODEV, "no port appeared", err) : 0;
}

static int make_pool(struct hf_port *p, uint16_t n_desc, struct hf_err *err)
{
	unsigned int n = 3u * n_desc * (p->n_queues + p->n_reserved) + 2 * POOL_CACHE;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (p->pool) /* of the device's life before */
		return 0;
	(void)snprintf(name, sizeof(name), "hf_port_%u", p->id);
	p->pool = rte_pktmbuf_pool_create(name, n < POOL_MIN ? POOL_MIN : n, POOL_CACHE, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, rte_eth_dev_socket_id(p->id));
	return p->pool ? 0 : fail(p, -rte_errno, "no memory for packets", err);
}

/* Before it is configured, as mlx5 wants it. A port that cannot do it would take the host's
 * packets. */
static int isolate(struct hf_port *p, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	int rc = rte_flow_isolate(p->id, 1, &error);

	if (rc == 0)
		return 0;
	return hf_fail(err, rc, "port %s: %s: cannot be isolated: %s", p->name, p->device,
		error.message ? error.message : strerror(-rc));
}

static int setup_queues(struct hf_port *p, uint16_t n_rx, uint16_t n_tx, struct hf_err *err)
{
	int socket = rte_eth_dev_socket_id(p->id), rc = 0;
	uint16_t q;

	for (q = 0; q < p->n_queues + p->n_reserved && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->id, q, n_rx, (unsigned int)socket, NULL, p->pool);
	if (rc < 0)
		return fail(p, rc, "receive queue", err);
	for (q = 0; q < p->n_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, n_tx, (unsigned int)socket, NULL);
	return rc < 0 ? fail(p, rc, "send queue", err) : 0;
}

static int configure(struct hf_port *p, struct hf_err *err)
{
	uint64_t marks = RTE_ETH_RX_METADATA_USER_MARK;
	uint16_t n_rx = HF_PORT_DESCS, n_tx = HF_PORT_DESCS;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	unsigned int n_receive;
	int rc = rte_eth_dev_info_get(p->id, &info);

	if (rc < 0)
		return fail(p, rc, "no information", err);
	(void)snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name);
	n_receive = p->n_queues + p->n_reserved;
	if (n_receive > info.max_rx_queues || p->n_queues > info.max_tx_queues)
		return hf_fail(err, -EINVAL,
			"port %s: %s: %u queues to receive are wanted and %u to send, it has %u "
			"and %u",
			p->name, p->device, n_receive, p->n_queues, info.max_rx_queues,
			info.max_tx_queues);
	if (n_receive > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP);
	}
	/* Drivers that know nothing of it deliver what they can all the same. */
	(void)rte_eth_rx_metadata_negotiate(p->id, &marks);
	rc = rte_eth_dev_configure(p->id, (uint16_t)n_receive, p->n_queues, &conf);
	if (rc < 0)
		return fail(p, rc, "cannot be configured", err);
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
	if (rc < 0)
		return fail(p, rc, "descriptors", err);
	rc = make_pool(p, (uint16_t)RTE_MAX(n_rx, n_tx), err);
	return rc < 0 ? rc : setup_queues(p, n_rx, n_tx, err);
}

/* On an interrupt thread. */
static int on_event(uint16_t, enum rte_eth_event_type event, void *arg, void *)
{
	struct hf_port *p = arg;

	atomic_fetch_or(
		&p->events, event == RTE_ETH_EVENT_INTR_RMV ? HF_PORT_REMOVED : HF_PORT_RESET);
	return 0;
}

static const enum rte_eth_event_type heard[] = {RTE_ETH_EVENT_INTR_RMV, RTE_ETH_EVENT_INTR_RESET};

static int listen_to(struct hf_port *p, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < RTE_DIM(heard) && rc == 0; i++)
		rc = rte_eth_dev_callback_register(p->id, heard[i], on_event, p);
	return rc < 0 ? fail(p, rc, "its events cannot be heard", err) : 0;
}

/* While it is configured and not started. Again: templates, tables and rules are gone. */
static int set_up_templates(struct hf_port *p, struct hf_err *err)
{
	struct rte_flow_port_info info = {0};
	struct rte_flow_queue_info queue_info = {0};
	struct rte_flow_queue_attr queue = {.size = HF_PORT_FLOWQ_SIZE};
	const struct rte_flow_queue_attr *queues[] = {&queue};
	struct rte_flow_port_attr attr = {.nb_counters = HF_PORT_FLOW_COUNTERS};
	struct rte_flow_error error = {0};
	int rc;

	if (!p->templates)
		return 0;
	rc = rte_flow_info_get(p->id, &info, &queue_info, &error);
	if (rc == 0) {
		/* Some say 0 and mean that they do not know. */
		if (info.max_nb_counters && info.max_nb_counters < attr.nb_counters)
			attr.nb_counters = info.max_nb_counters;
		if (queue_info.max_size && queue_info.max_size < queue.size)
			queue.size = queue_info.max_size;
		rc = rte_flow_configure(p->id, &attr, 1, queues, &error);
	}
	if (rc == 0)
		return 0;
	return hf_fail(err, rc, "port %s: %s: no flow queue: %s", p->name, p->device,
		error.message ? error.message : strerror(-rc));
}

static int set_up(struct hf_port *p, struct hf_err *err)
{
	int rc = p->isolated ? isolate(p, err) : 0;

	if (rc == 0)
		rc = configure(p, err);
	return rc < 0 ? rc : set_up_templates(p, err);
}

static int bring_up(struct hf_port *p, struct hf_err *err)
{
	int rc = plug(p, p->devargs, err);

	if (rc == 0)
		rc = set_up(p, err);
	return rc < 0 ? rc : listen_to(p, err);
}

/* The device is given up; the memory of its packets stays. */
static void unplug(struct hf_port *p)
{
	struct rte_eth_dev_info info;
	size_t i;

	if (p->id != RTE_MAX_ETHPORTS && rte_eth_dev_is_valid_port(p->id)) {
		struct rte_device *dev =
			rte_eth_dev_info_get(p->id, &info) == 0 ? info.device : NULL;

		for (i = 0; i < RTE_DIM(heard); i++)
			(void)rte_eth_dev_callback_unregister(p->id, heard[i], on_event, p);
		(void)rte_eth_dev_close(p->id); /* the port is given up either way */
		if (dev && p->plugged)
			(void)rte_dev_remove(dev);
	}
	p->id = RTE_MAX_ETHPORTS;
}

int hf_port_open(const struct hf_port_opts *opts, struct hf_port **ret, struct hf_err *err)
{
	struct hf_port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return hf_fail(err, -ENOMEM, "port %s: out of memory", opts->name);
	(void)snprintf(p->name, sizeof(p->name), "%s", opts->name); /* IFNAMSIZ fits */
	p->id = RTE_MAX_ETHPORTS;
	p->n_queues = opts->n_queues;
	p->n_reserved = opts->n_reserved;
	p->isolated = opts->isolated;
	p->templates = opts->templates;
	p->representor = opts->representor;
	p->devargs = strdup(opts->devargs);
	rc = p->devargs ? bring_up(p, err)
			: hf_fail(err, -ENOMEM, "port %s: out of memory", opts->name);
	if (rc < 0) {
		hf_port_close(p);
		return rc;
	}
	*ret = p;
	return 0;
}

/* What has come to reserved queues before they were kept free: nobody has judged it. */
static void drain_reserved(const struct hf_port *p)
{
	struct rte_mbuf *pkts[DRAIN_BURST];
	uint16_t q, n, turns;

	for (q = p->n_queues; q < p->n_queues + p->n_reserved; q++) {
		for (turns = 0; turns < HF_PORT_DESCS; turns++) {
			n = rte_eth_rx_burst(p->id, q, pkts, DRAIN_BURST);
			if (n == 0)
				break;
			rte_pktmbuf_free_bulk(pkts, n);
		}
	}
}

/* RSS is over the other queues only. */
static int reserve(struct hf_port *p, struct hf_err *err)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->id, &info);
	uint16_t i;

	if (rc == 0 && (info.reta_size == 0 || info.reta_size > RTE_ETH_RSS_RETA_SIZE_512))
		rc = -ENOTSUP;
	for (i = 0; rc == 0 && i < info.reta_size; i++) {
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			i % p->n_queues;
	}
	if (rc == 0)
		rc = rte_eth_dev_rss_reta_update(p->id, reta, info.reta_size);
	if (rc < 0)
		return fail(p, rc, "queues cannot be reserved", err);
	drain_reserved(p);
	return 0;
}

int hf_port_start(struct hf_port *port, struct hf_err *err)
{
	int rc = rte_eth_dev_start(port->id);

	if (rc < 0)
		return fail(port, rc, "does not start", err);
	port->started = true;
	rc = port->n_reserved ? reserve(port, err) : 0;
	if (rc < 0)
		return rc;
	if (port->isolated)
		return 0;
	rc = rte_eth_promiscuous_enable(port->id);
	/* Devices without the notion (a ring, a pcap file) receive everything anyway. */
	return rc < 0 && rc != -ENOTSUP ? fail(port, rc, "not promiscuous", err) : 0;
}

void hf_port_stop(struct hf_port *port)
{
	if (!port->started)
		return;
	(void)rte_eth_dev_stop(port->id); /* closing comes next and does not depend on it */
	port->started = false;
}

int hf_port_revive(struct hf_port *port, unsigned int events, struct hf_err *err)
{
	int rc = 0;

	hf_port_stop(port);
	if (port->id == RTE_MAX_ETHPORTS || events & HF_PORT_REMOVED) {
		unplug(port);
		rc = bring_up(port, err);
		if (rc < 0)
			unplug(port);
	} else if (events & HF_PORT_RESET) {
		rc = rte_eth_dev_reset(port->id);
		rc = rc < 0 ? fail(port, rc, "cannot be reset", err) : set_up(port, err);
	} else {
		rc = set_up_templates(port, err);
	}
	return rc < 0 ? rc : hf_port_start(port, err);
}

void hf_port_give_up(struct hf_port *port)
{
	hf_port_stop(port);
	unplug(port);
}

int hf_port_check_eswitch(
	const struct hf_port *wire, const struct hf_port *host, struct hf_err *err)
{
	const uint16_t none = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID;
	struct rte_eth_dev_info w = {.switch_info.domain_id = none}, h = w;
	struct rte_flow_error error = {0};
	uint16_t proxy = RTE_MAX_ETHPORTS;

	if (rte_eth_dev_info_get(wire->id, &w) < 0 || w.switch_info.domain_id == none)
		return fail(wire, -ENOTSUP, "has no e-switch", err);
	if (rte_eth_dev_info_get(host->id, &h) < 0 ||
		h.switch_info.domain_id != w.switch_info.domain_id)
		return hf_fail(err, -ENOTSUP, "port %s: %s and %s are not ports of one e-switch",
			wire->name, wire->device, host->device);
	/* Drivers that say nothing take transfer rules by any port. */
	if (rte_flow_pick_transfer_proxy(wire->id, &proxy, &error) == 0 && proxy != wire->id)
		return hf_fail(err, -ENOTSUP,
			"port %s: %s does not speak for its e-switch: port %u does", wire->name,
			wire->device, proxy);
	return 0;
}

unsigned int hf_port_events(struct hf_port *port)
{
	return atomic_exchange(&port->events, 0);
}

void hf_port_close(struct hf_port *port)
{
	if (!port)
		return;
	hf_port_stop(port);
	unplug(port);
	rte_mempool_free(port->pool);
	free(port->devargs);
	free(port);
}

uint16_t hf_port_id(const struct hf_port *port)
{
	return port->id;
}

const char *hf_port_driver(const struct hf_port *port)
{
	return port->driver;
}

uint16_t hf_port_n_queues(const struct hf_port *port)
{
	return port->n_queues;
}

uint16_t hf_port_n_reserved(const struct hf_port *port)
{
	return port->n_reserved;
}

bool hf_port_link(const struct hf_port *port)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status;
}

int hf_port_read_stats(const struct hf_port *port, struct hf_port_stats *ret)
{
	struct rte_eth_stats s;
	int rc = rte_eth_stats_get(port->id, &s);

	if (rc < 0)
		return rc;
	*ret = (struct hf_port_stats){
		.rx_packets = s.ipackets,
		.tx_packets = s.opackets,
		.rx_missed = s.imissed + s.rx_nombuf,
		.rx_errors = s.ierrors,
		.tx_errors = s.oerrors,
	};
	return 0;
}
