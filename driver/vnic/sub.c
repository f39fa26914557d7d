/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include <bus_vdev_driver.h>

#include <errno.h>
#include <string.h>

#define SPARE_DESC 512

/* Drivers that offer queues without an end: each one asked for is made then. */
static bool makes_queues(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_tap") == 0 ||
	       info->max_rx_queues > HF_VNIC_QUEUES_MAX;
}

static int claim(struct hf_vnic_sub *sub)
{
	struct rte_eth_dev_owner owner = {.name = "net_vnic"};
	int rc = rte_eth_dev_owner_new(&owner.id);

	if (rc == 0)
		rc = rte_eth_dev_owner_set(sub->port, &owner);
	if (rc == 0)
		sub->owner = owner.id;
	return rc;
}

/*
 * A sub-device that an earlier port left on the bus when it was removed; see hf_vnic_sub_close().
 * Devices of other kinds are somebody else's: drivers of ports are called net_something.
 */
static void remove_orphan(const char *name)
{
	if (strncmp(name, "net_", 4) == 0)
		(void)rte_vdev_uninit(name); /* -ENOENT: there is none, as usual */
}

static int make(struct hf_vnic_sub *sub, const char *args)
{
	int rc;

	remove_orphan(sub->name);
	rc = rte_vdev_init(sub->name, args);
	if (rc != 0) {
		VNIC_LOG(ERR, "dev=%s: cannot be created: %s", sub->name,
			rc > 0 ? "no such driver" : rte_strerror(-rc));
		return rc > 0 ? -ENODEV : rc;
	}
	sub->made = true;
	return rte_eth_dev_get_port_by_name(sub->name, &sub->port);
}

int hf_vnic_sub_open(struct hf_vnic_sub *sub, const char *devargs)
{
	size_t len = strcspn(devargs, ",");
	const char *args = devargs[len] ? &devargs[len + 1] : "";
	int rc;

	if (len == 0 || len >= sizeof(sub->name)) {
		VNIC_LOG(ERR, "dev=%s: a device name has 1 to %zu characters", devargs,
			sizeof(sub->name) - 1);
		return -EINVAL;
	}
	memcpy(sub->name, devargs, len);
	sub->name[len] = '\0';
	sub->port = RTE_MAX_ETHPORTS; /* none yet: not every device is a port */
	if (rte_eth_dev_get_port_by_name(sub->name, &sub->port) != 0) {
		rc = make(sub, args);
	} else if (*args) {
		VNIC_LOG(ERR, "dev=%s: is there already, arguments come too late", devargs);
		rc = -EEXIST;
	} else {
		rc = 0;
	}
	if (rc == 0)
		rc = claim(sub);
	if (rc < 0) {
		VNIC_LOG(ERR, "dev=%s: %s", sub->name, rte_strerror(-rc));
		hf_vnic_sub_close(sub, false);
		return rc;
	}
	sub->present = true;
	return 0;
}

/*
 * Virtual devices cannot be taken off the bus while the bus is being torn down, which is when EAL
 * removes what an application has not closed. Then only the port is closed.
 */
void hf_vnic_sub_close(struct hf_vnic_sub *sub, bool keep)
{
	(void)hf_vnic_sub_stop(sub); /* what does not stop is closed all the same */
	if (sub->owner)
		(void)rte_eth_dev_owner_unset(sub->port, sub->owner);
	if (sub->made && rte_eth_dev_is_valid_port(sub->port))
		(void)rte_eth_dev_close(sub->port);
	if (sub->made && !keep)
		(void)rte_vdev_uninit(sub->name);
	memset(sub, 0, sizeof(*sub));
}

static int configure_queues(struct hf_vnic_sub *sub, const struct rte_eth_dev_info *info,
	const struct rte_eth_dev_data *data, uint16_t n_tx)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = data->mtu,
		.rxmode.offloads = data->dev_conf.rxmode.offloads & info->rx_offload_capa &
				   ~RTE_ETH_RX_OFFLOAD_RSS_HASH,
		.txmode.offloads = data->dev_conf.txmode.offloads & info->tx_offload_capa,
	};

	uint16_t all_tx = n_tx + sub->spare;

	/* Where queues have to be made, not more than both directions use: net_tap wants equal
	 * numbers. Where they are given, all: a packet must not wait in one that nobody polls. */
	sub->n_tx = n_tx;
	sub->n_rx = info->max_rx_queues;
	if (makes_queues(info))
		sub->n_rx = sub->spare ? all_tx : RTE_MIN(data->nb_rx_queues, all_tx);
	if (data->nb_rx_queues == 0)
		sub->n_rx = 0;
	if (conf.rxmode.mtu > info->max_mtu)
		conf.rxmode.mtu = info->max_mtu;
	return rte_eth_dev_configure(sub->port, sub->n_rx, all_tx, &conf);
}

int hf_vnic_sub_configure(
	struct hf_vnic_sub *sub, const struct rte_eth_dev_data *data, uint16_t n_tx)
{
	struct rte_eth_dev_info info;
	int rc;

	if (!sub->present)
		return 0;
	rc = rte_eth_dev_info_get(sub->port, &info);
	if (rc == 0)
		rc = configure_queues(sub, &info, data, n_tx);
	if (rc < 0)
		VNIC_LOG(ERR, "%s: cannot be configured: %s", sub->name, rte_strerror(-rc));
	return rc;
}

static uint16_t n_desc(uint16_t want, const struct rte_eth_desc_lim *lim)
{
	uint16_t n = RTE_MAX(want, lim->nb_min);

	return lim->nb_max ? RTE_MIN(n, lim->nb_max) : n;
}

static int setup_queues(struct hf_vnic_sub *sub, const struct rte_eth_dev_data *data)
{
	struct rte_eth_dev_info info;
	uint16_t q;
	int rc = rte_eth_dev_info_get(sub->port, &info);

	for (q = 0; rc == 0 && q < sub->n_rx; q++) {
		const struct hf_vnic_rxq *rxq = data->rx_queues[q % data->nb_rx_queues];

		rc = rte_eth_rx_queue_setup(sub->port, q, n_desc(rxq->n_desc, &info.rx_desc_lim),
			SOCKET_ID_ANY, NULL, rxq->pool);
	}
	for (q = 0; rc == 0 && q < sub->n_tx + sub->spare; q++) {
		const struct hf_vnic_txq *txq = q < sub->n_tx ? data->tx_queues[q] : NULL;
		uint16_t want = txq ? txq->n_desc : SPARE_DESC;

		rc = rte_eth_tx_queue_setup(
			sub->port, q, n_desc(want, &info.tx_desc_lim), SOCKET_ID_ANY, NULL);
	}
	return rc;
}

int hf_vnic_sub_start(struct hf_vnic_sub *sub, const struct rte_eth_dev_data *data)
{
	int rc;

	if (!sub->present)
		return 0;
	rc = setup_queues(sub, data);
	if (rc == 0)
		rc = rte_eth_dev_start(sub->port);
	if (rc < 0)
		VNIC_LOG(ERR, "%s: cannot be started: %s", sub->name, rte_strerror(-rc));
	else
		sub->started = true;
	return rc;
}

int hf_vnic_sub_stop(struct hf_vnic_sub *sub)
{
	int rc;

	if (!sub->started)
		return 0;
	rc = rte_eth_dev_stop(sub->port);
	if (rc == 0)
		sub->started = false;
	return rc;
}

uint16_t hf_vnic_sub_send(const struct hf_vnic_sub *sub, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = sub->started ? rte_eth_tx_burst(sub->port, sub->n_tx, pkts, n) : 0;

	rte_pktmbuf_free_bulk(&pkts[sent], n - sent);
	return sent;
}
