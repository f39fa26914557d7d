/* SPDX-License-Identifier: BSD-3-Clause */

#include "kernel.h"

#include "gate.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <string.h>

int hf_vnic_kernel_open(struct hf_vnic *vnic, const char *devargs)
{
	struct hf_vnic_kernel *kernel = &vnic->kernel;
	char name[RTE_RING_NAMESIZE];
	int rc;

	kernel->sub.spare = true; /* the only transmit queue that is used */
	rc = hf_vnic_sub_open(&kernel->sub, devargs);
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "vnic%u_kernel", vnic->port);
	kernel->ring = rte_ring_create(name, HF_VNIC_RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return kernel->ring ? 0 : -rte_errno;
}

static void drain(struct hf_vnic_kernel *kernel)
{
	struct rte_mbuf *m;

	while (kernel->ring && rte_ring_dequeue(kernel->ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

void hf_vnic_kernel_close(struct hf_vnic *vnic, bool keep)
{
	struct hf_vnic_kernel *kernel = &vnic->kernel;

	hf_vnic_sub_close(&kernel->sub, keep);
	drain(kernel);
	rte_ring_free(kernel->ring);
	kernel->ring = NULL;
	hf_vnic_gate_open(kernel->gate);
	kernel->gate = NULL;
}

/* Packet sockets only get copies. Other devices take the packets, or are no interfaces. */
static bool needs_gate(const struct hf_vnic_sub *sub, uint32_t *ret_index)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(sub->port, &info) < 0 ||
		strcmp(info.driver_name, "net_af_packet") != 0)
		return false;
	*ret_index = info.if_index;
	return true;
}

static int close_gate(struct hf_vnic *vnic)
{
	uint32_t index[HF_VNIC_GATE_MAX];
	unsigned int n = 0;
	int rc;

	n += needs_gate(&vnic->sub, &index[n]);
	n += needs_gate(&vnic->kernel.sub, &index[n]);
	if (n == 0)
		return 0;
	rc = hf_vnic_gate_close(index, n, vnic->port, &vnic->kernel.gate);
	if (rc < 0)
		VNIC_LOG(ERR,
			"kernel=%s: the host cannot be kept from the interfaces (nf_tables, Linux "
			"5.12, CAP_NET_ADMIN): %s",
			vnic->kernel.sub.name, rte_strerror(-rc));
	return rc;
}

int hf_vnic_kernel_start(struct hf_vnic *vnic, const struct rte_eth_dev_data *data)
{
	struct hf_vnic_kernel *kernel = &vnic->kernel;
	int rc;

	if (!kernel->sub.present)
		return 0;
	rc = hf_vnic_sub_configure(&kernel->sub, data, 0);
	if (rc == 0)
		rc = close_gate(vnic);
	if (rc == 0)
		rc = hf_vnic_sub_start(&kernel->sub, data);
	if (rc < 0)
		(void)hf_vnic_kernel_stop(vnic);
	return rc;
}

int hf_vnic_kernel_stop(struct hf_vnic *vnic)
{
	int rc = hf_vnic_sub_stop(&vnic->kernel.sub);

	if (rc < 0)
		return rc;
	drain(&vnic->kernel);
	hf_vnic_gate_open(vnic->kernel.gate);
	vnic->kernel.gate = NULL;
	return 0;
}

/* One writer; the reader of statistics must only not see half a number. */
static void add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void hf_vnic_kernel_take(struct hf_vnic_rxq *rxq, struct rte_mbuf *m)
{
	if (rte_ring_mp_enqueue(rxq->vnic->kernel.ring, m) == 0)
		return;
	add(&rxq->stats.kernel_lost, 1);
	rte_pktmbuf_free(m);
}

static void send_to_kernel(struct hf_vnic_rxq *rxq)
{
	struct hf_vnic_kernel *kernel = &rxq->vnic->kernel;
	struct rte_mbuf *pkts[HF_VNIC_BURST];
	unsigned int n =
		rte_ring_sc_dequeue_burst(kernel->ring, (void **)pkts, RTE_DIM(pkts), NULL);
	uint16_t sent;

	if (n == 0)
		return;
	sent = hf_vnic_sub_send(&kernel->sub, pkts, (uint16_t)n);
	add(&rxq->stats.kernel, sent);
	add(&rxq->stats.kernel_lost, n - sent);
}

/* Egress rules are the card's, not of one who sends: mlx5 has one table of its NIC_TX domain for
 * all send queues of a function. Those that stay are moved to the front. */
static uint16_t let_out(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_vnic *vnic = rxq->vnic;
	const struct hf_vnic_root *root =
		hf_vnic_enter(&vnic->table, HF_VNIC_TX, HF_VNIC_KERNEL_BLOCK, 0);
	uint16_t i, left = 0;

	for (i = 0; i < n; i++) {
		struct hf_vnic_verdict v;
		struct hf_vnic_pkt pkt;

		hf_vnic_parse(vnic->nic, pkts[i], &pkt);
		hf_vnic_exec(root, &pkt, rte_pktmbuf_pkt_len(pkts[i]), &v);
		if (v.fate == HF_VNIC_MISS)
			pkts[left++] = pkts[i];
		else
			rte_pktmbuf_free(pkts[i]);
	}
	hf_vnic_leave(&vnic->table, HF_VNIC_KERNEL_BLOCK, 0);
	return left;
}

static void send_from_kernel(struct hf_vnic_rxq *rxq, uint16_t q)
{
	struct hf_vnic *vnic = rxq->vnic;
	struct rte_mbuf *pkts[HF_VNIC_BURST];
	uint16_t n = rte_eth_rx_burst(vnic->kernel.sub.port, q, pkts, RTE_DIM(pkts));
	uint16_t left, sent;

	if (n == 0)
		return;
	left = let_out(rxq, pkts, n);
	sent = hf_vnic_sub_send(&vnic->sub, pkts, left);
	add(&rxq->stats.from_kernel, sent);
	add(&rxq->stats.from_kernel_drop, n - left);
	add(&rxq->stats.from_kernel_lost, left - sent);
}

void hf_vnic_kernel_poll(struct hf_vnic_rxq *rxq)
{
	uint16_t q;

	send_to_kernel(rxq);
	for (q = 0; q < rxq->vnic->kernel.sub.n_rx; q++)
		send_from_kernel(rxq, q);
}
