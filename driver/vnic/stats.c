/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define AT(member)    offsetof(struct hf_vnic_rx_stats, member)
#define TX_AT(member) offsetof(struct hf_vnic_tx_stats, member)

static const struct {
	const char *name;
	size_t offset;
	bool tx;
} counters[] = {
	{"rx_flow_drop_packets", AT(fate[HF_VNIC_DROP])},
	{"rx_flow_queue_packets", AT(fate[HF_VNIC_QUEUE])},
	{"rx_flow_no_match_packets", AT(fate[HF_VNIC_MISS])},
	{"rx_flow_group_miss_drop_packets", AT(fate[HF_VNIC_GROUP_MISS])},
	{"rx_flow_too_deep_drop_packets", AT(fate[HF_VNIC_TOO_DEEP])},
	{"rx_flow_isolated_drop_packets", AT(isolated)},
	{"rx_flow_marked_packets", AT(marked)},
	{"rx_queue_full_drop_packets", AT(full)},
	{"rx_switch_port_packets", AT(switched)},
	{"rx_switch_drop_packets", AT(switch_drop)},
	{"rx_switch_lost_packets", AT(switch_full)},
	{"rx_kernel_packets", AT(kernel)},
	{"rx_kernel_lost_packets", AT(kernel_lost)},
	{"tx_flow_drop_packets", TX_AT(drop), true},
	{"tx_kernel_packets", AT(from_kernel)},
	{"tx_kernel_drop_packets", AT(from_kernel_drop)},
	{"tx_kernel_lost_packets", AT(from_kernel_lost)},
};

static uint64_t get(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static uint64_t sum(const struct rte_eth_dev *dev, size_t offset)
{
	uint64_t n = 0;
	uint16_t q;

	for (q = 0; q < dev->data->nb_rx_queues; q++) {
		const struct hf_vnic_rxq *rxq = dev->data->rx_queues[q];

		if (rxq)
			n += get((const uint64_t *)((const char *)&rxq->stats + offset));
	}
	return n;
}

static uint64_t sum_tx(const struct rte_eth_dev *dev, size_t offset)
{
	uint64_t n = 0;
	uint16_t q;

	for (q = 0; q < dev->data->nb_tx_queues; q++) {
		const struct hf_vnic_txq *txq = dev->data->tx_queues[q];

		if (txq)
			n += get((const uint64_t *)((const char *)&txq->stats + offset));
	}
	return n;
}

static void add_rx(const struct rte_eth_dev *dev, struct rte_eth_stats *ret)
{
	uint16_t q;

	for (q = 0; q < dev->data->nb_rx_queues; q++) {
		const struct hf_vnic_rxq *rxq = dev->data->rx_queues[q];

		if (!rxq)
			continue;
		ret->ipackets += get(&rxq->stats.packets);
		ret->ibytes += get(&rxq->stats.bytes);
		if (q >= RTE_ETHDEV_QUEUE_STAT_CNTRS)
			continue;
		ret->q_ipackets[q] = get(&rxq->stats.packets);
		ret->q_ibytes[q] = get(&rxq->stats.bytes);
	}
}

static void add_tx(const struct rte_eth_dev *dev, struct rte_eth_stats *ret)
{
	uint16_t q;

	for (q = 0; q < dev->data->nb_tx_queues; q++) {
		const struct hf_vnic_txq *txq = dev->data->tx_queues[q];

		if (!txq)
			continue;
		ret->opackets += get(&txq->stats.packets);
		ret->obytes += get(&txq->stats.bytes);
		if (q >= RTE_ETHDEV_QUEUE_STAT_CNTRS)
			continue;
		ret->q_opackets[q] = get(&txq->stats.packets);
		ret->q_obytes[q] = get(&txq->stats.bytes);
	}
}

/* Packets are counted as the application sees them; what was lost before that is the sub-device's
 * word and ours. */
int hf_vnic_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *ret)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	struct rte_eth_stats sub = {};

	if (vnic->sub.present) {
		int rc = rte_eth_stats_get(vnic->sub.port, &sub);

		if (rc < 0)
			return rc;
	}
	ret->imissed = sub.imissed + sum(dev, AT(full));
	ret->ierrors = sub.ierrors;
	ret->oerrors = sub.oerrors;
	ret->rx_nombuf = sub.rx_nombuf;
	add_rx(dev, ret);
	add_tx(dev, ret);
	return 0;
}

int hf_vnic_stats_reset(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	uint16_t q;

	for (q = 0; q < dev->data->nb_rx_queues; q++) {
		struct hf_vnic_rxq *rxq = dev->data->rx_queues[q];

		if (rxq)
			memset(&rxq->stats, 0, sizeof(rxq->stats));
	}
	for (q = 0; q < dev->data->nb_tx_queues; q++) {
		struct hf_vnic_txq *txq = dev->data->tx_queues[q];

		if (txq)
			memset(&txq->stats, 0, sizeof(txq->stats));
	}
	return vnic->sub.present ? rte_eth_stats_reset(vnic->sub.port) : 0;
}

int hf_vnic_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *ret, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(counters) && i < n; i++) {
		ret[i].id = i;
		ret[i].value = counters[i].tx ? sum_tx(dev, counters[i].offset)
					      : sum(dev, counters[i].offset);
	}
	return RTE_DIM(counters);
}

int hf_vnic_xstats_get_names(
	struct rte_eth_dev *dev, struct rte_eth_xstat_name *ret, unsigned int n)
{
	unsigned int i;

	RTE_SET_USED(dev);
	for (i = 0; ret && i < RTE_DIM(counters) && i < n; i++)
		snprintf(ret[i].name, sizeof(ret[i].name), "%s", counters[i].name);
	return RTE_DIM(counters);
}
