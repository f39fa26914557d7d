/* SPDX-License-Identifier: BSD-3-Clause */

#include "age.h"
#include "async.h"
#include "handle.h"
#include "kernel.h"
#include "switch.h"

#include <hepflow/profile.h>

#include <rte_malloc.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DESC_MAX     4096
#define MIN_RX_BUF   64
#define MAX_PKT_LEN  UINT16_MAX
#define RSS_KEY_SIZE 40 /* Toeplitz; the key itself is not used */

static struct hf_vnic *vnic_of(struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static int dev_configure(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	unsigned int i;

	vnic->n_rx = dev->data->nb_rx_queues;
	for (i = 0; i < HF_VNIC_RETA; i++)
		atomic_store(&vnic->reta[i], (uint16_t)(vnic->n_rx ? i % vnic->n_rx : 0));
	return hf_vnic_sub_configure(&vnic->sub, dev->data, dev->data->nb_tx_queues);
}

static void set_link(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_eth_link link = {
		.link_speed = RTE_ETH_SPEED_NUM_UNKNOWN,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_status = dev->data->dev_started,
	};

	if (vnic->sub.started)
		(void)rte_eth_link_get_nowait(vnic->sub.port, &link); /* else it stays as above */
	if (atomic_load(&vnic->fault.cut))
		link.link_status = RTE_ETH_LINK_DOWN;
	(void)rte_eth_linkstatus_set(dev, &link);
}

static int link_update(struct rte_eth_dev *dev, int wait)
{
	RTE_SET_USED(wait);
	set_link(dev);
	return 0;
}

static void open_to_packets(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	pthread_mutex_lock(vnic->lock);
	hf_vnic_table_readers(&vnic->table, HF_VNIC_RX, dev->data->nb_rx_queues);
	hf_vnic_table_readers(&vnic->table, HF_VNIC_TX, dev->data->nb_tx_queues);
	hf_vnic_table_readers(&vnic->table, HF_VNIC_KERNEL_BLOCK, vnic->kernel.sub.present);
	pthread_mutex_unlock(vnic->lock);
	if (vnic->swport)
		hf_vnic_switch_up(vnic, true, dev->data->nb_rx_queues, dev->data->nb_tx_queues);
}

static int dev_start(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);
	uint16_t q;
	int rc = hf_vnic_fault(dev, HF_VNIC_OP_START);

	if (rc < 0)
		return rc;
	for (q = 0; q < dev->data->nb_rx_queues; q++)
		vnic->rxq[q] = dev->data->rx_queues[q];
	rc = hf_vnic_kernel_start(vnic, dev->data);
	if (rc < 0)
		return rc;
	rc = hf_vnic_sub_start(&vnic->sub, dev->data);
	if (rc < 0) {
		(void)hf_vnic_kernel_stop(vnic);
		return rc;
	}
	open_to_packets(dev);
	dev->data->dev_link.link_status = !atomic_load(&vnic->fault.cut);
	for (q = 0; q < dev->data->nb_rx_queues; q++)
		dev->data->rx_queue_state[q] = RTE_ETH_QUEUE_STATE_STARTED;
	for (q = 0; q < dev->data->nb_tx_queues; q++)
		dev->data->tx_queue_state[q] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

static void drain(struct hf_vnic_rxq *rxq)
{
	void *m;

	while (rte_ring_dequeue(rxq->ring, &m) == 0)
		rte_pktmbuf_free(m);
}

static void drop_held(struct hf_vnic_txq *txq)
{
	rte_pktmbuf_free_bulk(txq->held, txq->n_held);
	txq->n_held = 0;
}

static int dev_stop(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);
	uint16_t q;
	int rc = hf_vnic_sub_stop(&vnic->sub);

	if (rc == 0)
		rc = hf_vnic_kernel_stop(vnic);
	if (rc < 0)
		return rc;
	if (vnic->swport)
		hf_vnic_switch_up(vnic, false, 0, 0);
	if (vnic->nic->flush_on_stop)
		rc = hf_vnic_flush(vnic);
	if (rc < 0)
		return rc;
	for (q = 0; q < dev->data->nb_rx_queues; q++) {
		drain(dev->data->rx_queues[q]);
		dev->data->rx_queue_state[q] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
	for (q = 0; q < dev->data->nb_tx_queues; q++) {
		drop_held(dev->data->tx_queues[q]);
		dev->data->tx_queue_state[q] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
	dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
	return 0;
}

static int rx_queue_setup(struct rte_eth_dev *dev, uint16_t q, uint16_t n_desc, unsigned int socket,
	const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct hf_vnic_rxq *rxq;
	char name[RTE_RING_NAMESIZE];

	RTE_SET_USED(conf);
	rxq = rte_zmalloc_socket("vnic_rxq", sizeof(*rxq), RTE_CACHE_LINE_SIZE, (int)socket);
	if (!rxq)
		return -ENOMEM;
	snprintf(name, sizeof(name), "vnic%u_%u", dev->data->port_id, q);
	rxq->ring = rte_ring_create(name, HF_VNIC_RING_SIZE, (int)socket, RING_F_SC_DEQ);
	if (!rxq->ring) {
		rte_free(rxq);
		return -rte_errno;
	}
	rxq->vnic = vnic_of(dev);
	rxq->id = q;
	rxq->n_desc = n_desc;
	rxq->pool = pool;
	dev->data->rx_queues[q] = rxq;
	return 0;
}

static void rx_queue_release(struct rte_eth_dev *dev, uint16_t q)
{
	struct hf_vnic_rxq *rxq = dev->data->rx_queues[q];

	if (!rxq)
		return;
	drain(rxq);
	rte_ring_free(rxq->ring);
	rte_free(rxq);
	dev->data->rx_queues[q] = NULL;
}

static int tx_queue_setup(struct rte_eth_dev *dev, uint16_t q, uint16_t n_desc, unsigned int socket,
	const struct rte_eth_txconf *conf)
{
	struct hf_vnic_txq *txq;

	RTE_SET_USED(conf);
	txq = rte_zmalloc_socket("vnic_txq", sizeof(*txq), RTE_CACHE_LINE_SIZE, (int)socket);
	if (!txq)
		return -ENOMEM;
	txq->vnic = vnic_of(dev);
	txq->id = q;
	txq->n_desc = n_desc;
	dev->data->tx_queues[q] = txq;
	return 0;
}

static void tx_queue_release(struct rte_eth_dev *dev, uint16_t q)
{
	if (dev->data->tx_queues[q])
		drop_held(dev->data->tx_queues[q]);
	rte_free(dev->data->tx_queues[q]);
	dev->data->tx_queues[q] = NULL;
}

void hf_vnic_dev_fini(struct rte_eth_dev *dev, bool removing)
{
	struct hf_vnic *vnic = vnic_of(dev);
	uint16_t q;

	for (q = 0; q < dev->data->nb_rx_queues; q++)
		rx_queue_release(dev, q);
	for (q = 0; q < dev->data->nb_tx_queues; q++)
		tx_queue_release(dev, q);
	dev->data->nb_rx_queues = 0;
	dev->data->nb_tx_queues = 0;
	hf_vnic_fault_fini(dev);
	hf_vnic_age_fini(dev);
	hf_vnic_sub_close(&vnic->sub, removing);
	hf_vnic_kernel_close(vnic, removing);
	hf_vnic_async_fini(vnic);
	hf_vnic_table_fini(&vnic->table);
	if (vnic->swport) {
		hf_vnic_switch_up(vnic, false, 0, 0); /* removed without a stop */
		pthread_mutex_lock(vnic->lock);
		hf_vnic_table_del_of(&vnic->swport->sw->table, vnic->port);
		pthread_mutex_unlock(vnic->lock);
	}
	hf_vnic_handle_fini(vnic);
	pthread_mutex_destroy(&vnic->own_lock);
	if (vnic->swport)
		hf_vnic_switch_leave(vnic);
	else
		hf_profile_free(vnic->nic);
	vnic->nic = NULL;
}

static int dev_close(struct rte_eth_dev *dev)
{
	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		hf_vnic_dev_fini(dev, false);
	return 0;
}

static int dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *ret)
{
	struct hf_vnic *vnic = vnic_of(dev);
	struct rte_eth_dev_info sub = {
		.max_tx_queues = HF_VNIC_QUEUES_MAX,
		.min_rx_bufsize = MIN_RX_BUF,
		.max_rx_pktlen = MAX_PKT_LEN,
		.max_mtu = MAX_PKT_LEN - RTE_ETHER_HDR_LEN,
		.min_mtu = RTE_ETHER_MIN_MTU,
		.rx_desc_lim = {.nb_max = DESC_MAX, .nb_align = 1},
		.tx_desc_lim = {.nb_max = DESC_MAX, .nb_align = 1},
	};
	int rc = vnic->sub.present ? rte_eth_dev_info_get(vnic->sub.port, &sub) : 0;

	if (rc < 0)
		return rc;
	ret->if_index = sub.if_index;
	ret->min_mtu = sub.min_mtu;
	ret->max_mtu = sub.max_mtu;
	ret->min_rx_bufsize = sub.min_rx_bufsize;
	ret->max_rx_pktlen = sub.max_rx_pktlen;
	ret->max_mac_addrs = 1;
	ret->max_rx_queues = HF_VNIC_QUEUES_MAX;
	/* A queue of ours is one of the sub-device's: sharing one would need a lock. */
	ret->max_tx_queues = RTE_MIN(sub.max_tx_queues, HF_VNIC_QUEUES_MAX);
	if (vnic->sub.present && vnic->sub.spare && sub.max_tx_queues <= HF_VNIC_QUEUES_MAX)
		ret->max_tx_queues--;
	if (vnic->swport) {
		ret->switch_info.name = vnic->nic->name;
		ret->switch_info.domain_id = vnic->swport->sw->domain;
		ret->switch_info.port_id = vnic->swport->slot;
	}
	ret->rx_offload_capa = sub.rx_offload_capa | RTE_ETH_RX_OFFLOAD_RSS_HASH;
	ret->tx_offload_capa = sub.tx_offload_capa;
	ret->rx_desc_lim = sub.rx_desc_lim;
	ret->tx_desc_lim = sub.tx_desc_lim;
	ret->hash_key_size = RSS_KEY_SIZE;
	ret->reta_size = HF_VNIC_RETA;
	ret->flow_type_rss_offloads =
		RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;
	return 0;
}

static int promiscuous_enable(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	return vnic->sub.present ? rte_eth_promiscuous_enable(vnic->sub.port) : 0;
}

static int promiscuous_disable(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	return vnic->sub.present ? rte_eth_promiscuous_disable(vnic->sub.port) : 0;
}

static int allmulticast_enable(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	return vnic->sub.present ? rte_eth_allmulticast_enable(vnic->sub.port) : 0;
}

static int allmulticast_disable(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);

	return vnic->sub.present ? rte_eth_allmulticast_disable(vnic->sub.port) : 0;
}

static int mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = vnic->sub.present ? rte_eth_dev_set_mtu(vnic->sub.port, mtu) : 0;

	if (rc == 0 && vnic->kernel.sub.started)
		rc = rte_eth_dev_set_mtu(vnic->kernel.sub.port, mtu);
	return rc; /* else the kernel's gets it at the start */
}

static int mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *addr)
{
	struct hf_vnic *vnic = vnic_of(dev);

	return vnic->sub.present ? rte_eth_dev_default_mac_addr_set(vnic->sub.port, addr) : 0;
}

static int fw_version_get(struct rte_eth_dev *dev, char *text, size_t size)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int len = snprintf(text, size, "profile %s", vnic->nic->name);

	return (size_t)len < size ? 0 : len + 1;
}

/* ethdev has checked size and queues. */
static int reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *v, uint16_t size)
{
	struct hf_vnic *vnic = vnic_of(dev);
	uint16_t i;

	for (i = 0; i < size; i++) {
		const struct rte_eth_rss_reta_entry64 *e = &v[i / RTE_ETH_RETA_GROUP_SIZE];

		if (e->mask >> i % RTE_ETH_RETA_GROUP_SIZE & 1)
			atomic_store(&vnic->reta[i], e->reta[i % RTE_ETH_RETA_GROUP_SIZE]);
	}
	return 0;
}

static int reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *v, uint16_t size)
{
	struct hf_vnic *vnic = vnic_of(dev);
	uint16_t i;

	for (i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *e = &v[i / RTE_ETH_RETA_GROUP_SIZE];

		if (e->mask >> i % RTE_ETH_RETA_GROUP_SIZE & 1)
			e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = atomic_load(&vnic->reta[i]);
	}
	return 0;
}

/* Mark, flag and meta are delivered whether asked for or not. */
static int rx_metadata_negotiate(struct rte_eth_dev *dev, uint64_t *features)
{
	RTE_SET_USED(dev);
	*features &= RTE_ETH_RX_METADATA_USER_FLAG | RTE_ETH_RX_METADATA_USER_MARK;
	return 0;
}

static int flow_ops_get(struct rte_eth_dev *dev, const struct rte_flow_ops **ret)
{
	const struct hf_vnic *vnic = vnic_of(dev);
	const struct hf_nic *nic = vnic->nic;

	*ret = vnic->async ? &hf_vnic_async_flow_ops : &hf_vnic_flow_ops;
	/* Drivers that have flow functions, and no engine for a card, refuse in their own words. */
	if (!nic->n_engines && hf_nic_error(nic, HF_REJECT_NO_FLOW_API)->err == ENOSYS)
		*ret = NULL;
	return 0;
}

/* ethdev has stopped the port. What follows is a configuration from the start, without any rules.
 */
static int dev_reset(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = vnic_of(dev);
	int rc = hf_vnic_flush(vnic);

	if (rc < 0)
		return rc;
	hf_vnic_async_reset(vnic);
	hf_vnic_fault_reset(dev);
	return 0;
}

static int is_removed(struct rte_eth_dev *dev)
{
	return atomic_load(&vnic_of(dev)->fault.removed);
}

const struct eth_dev_ops hf_vnic_dev_ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = dev_close,
	.dev_reset = dev_reset,
	.is_removed = is_removed,
	.dev_infos_get = dev_infos_get,
	.rx_queue_setup = rx_queue_setup,
	.rx_queue_release = rx_queue_release,
	.tx_queue_setup = tx_queue_setup,
	.tx_queue_release = tx_queue_release,
	.link_update = link_update,
	.stats_get = hf_vnic_stats_get,
	.stats_reset = hf_vnic_stats_reset,
	.xstats_get = hf_vnic_xstats_get,
	.xstats_reset = hf_vnic_stats_reset,
	.xstats_get_names = hf_vnic_xstats_get_names,
	.promiscuous_enable = promiscuous_enable,
	.promiscuous_disable = promiscuous_disable,
	.allmulticast_enable = allmulticast_enable,
	.allmulticast_disable = allmulticast_disable,
	.mtu_set = mtu_set,
	.mac_addr_set = mac_addr_set,
	.fw_version_get = fw_version_get,
	.reta_update = reta_update,
	.reta_query = reta_query,
	.rx_metadata_negotiate = rx_metadata_negotiate,
	.flow_ops_get = flow_ops_get,
};
