/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel's side of a bifurcated port: what the host's network stack has of the same card.
 *
 * While the port runs isolated, packets that no rule of group 0 decides go to the kernel-side
 * device, and what comes from there goes out on the wire. Both is done by the poller of receive
 * queue 0, as in an e-switch; packets of other queues wait for it in a ring.
 *
 * While the port does not run, the card is the kernel's alone. No thread of ours does its work
 * then: outside, a bridge joins the interfaces that both devices sit on, and a gate (gate.h) keeps
 * the host from using it while the port runs.
 */

#pragma once

#include "pmd.h"

/* Of reader blocks of the port's own table: packets of the kernel meet its egress rules. */
#define HF_VNIC_KERNEL_BLOCK HF_VNIC_DIRS

/* Errors are negative errno, and logged. The port's own sub-device must be open. */
int hf_vnic_kernel_open(struct hf_vnic *vnic, const char *devargs);
/* keep: as for hf_vnic_sub_close(). */
void hf_vnic_kernel_close(struct hf_vnic *vnic, bool keep);
/* Before the port's own sub-device starts; and after it has stopped. */
int hf_vnic_kernel_start(struct hf_vnic *vnic, const struct rte_eth_dev_data *data);
int hf_vnic_kernel_stop(struct hf_vnic *vnic);

/* A packet for the kernel; it is gone. */
void hf_vnic_kernel_take(struct hf_vnic_rxq *rxq, struct rte_mbuf *m);
/* By the poller of queue 0: packets of both directions. */
void hf_vnic_kernel_poll(struct hf_vnic_rxq *rxq);
