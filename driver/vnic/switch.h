/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The e-switch: what joins the ports of one card.
 *
 * Each port stands for something outside, which its sub-device leads to: the wire (the first port,
 * which also speaks for the switch), or a virtual function (a representor). Packets from outside,
 * and those that an application sends, meet the transfer rules of all ports first. Where no rule
 * decides, a packet from outside goes to the application by the port that stands for where it comes
 * from, and a sent one to what its port stands for.
 *
 * Packets that change ports wait in rings, which only the poller of a port's receive queue 0
 * empties. So the switch works while its ports are polled.
 *
 * Ports of one switch share profile and lock. A switch, and the rings of its ports, last until its
 * last port is gone: rules of other ports may lead to a port that is no more.
 */

#pragma once

#include "pmd.h"

struct hf_vnic_swport {
	atomic_bool up; /* packets may be left for it */
	bool taken;
	uint16_t slot;
	uint16_t port;	      /* ethdev's number */
	uint32_t representor; /* of this function; HF_VNIC_NO_REPRESENTOR: it is the wire's */
	struct hf_vnic_switch *sw;
	struct rte_ring *out; /* to what it stands for */
	struct rte_ring *in;  /* to its application */
};

struct hf_vnic_switch {
	struct hf_vnic_switch *next;
	uint32_t id; /* HF_VNIC_SWITCH_ALONE: of one port only */
	uint32_t n_ports;
	uint16_t domain;
	char profile[HF_NIC_NAME_SIZE];
	struct hf_nic *nic;
	pthread_mutex_t lock;
	struct hf_vnic_table table;
	struct hf_vnic_swport ports[HF_VNIC_PORTS_MAX];
};

/*
 * A port joins; its number of ethdev must be known. Takes over nic: vnic->nic is the switch's
 * afterwards, and nic is freed unless it became that. 0, or a negative errno, logged, and nic is
 * still the caller's.
 */
int hf_vnic_switch_join(struct hf_vnic *vnic, const struct hf_vnic_args *args, struct hf_nic *nic);
/* Its rules must be gone. */
void hf_vnic_switch_leave(struct hf_vnic *vnic);
/* Whether packets come and go; the numbers of queues are those that will. */
void hf_vnic_switch_up(struct hf_vnic *vnic, bool up, uint16_t n_rx, uint16_t n_tx);
/* The port that speaks for the switch, or NULL. */
struct hf_vnic_swport *hf_vnic_switch_proxy(struct hf_vnic_switch *sw);

/*
 * Items and actions that name ports: all must be of this switch. Fills ask->out. 0, or negative
 * errno and *error as mlx5 has it. With the lock held.
 */
int hf_vnic_switch_check(struct hf_vnic *vnic, const struct hf_flow *flow, struct hf_vnic_ask *ask,
	struct rte_flow_error *error);

/* Of packets from outside those that stay with this port, moved to the front. */
uint16_t hf_vnic_switch_rx(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t n);
/* Packets that wait for this port: sends some out, and returns some that came in. */
uint16_t hf_vnic_switch_poll(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t room);

/* Whether a sent packet goes the ordinary way; else it is taken, or (*ret_drop) to be dropped. */
bool hf_vnic_switch_tx(struct hf_vnic_swport *from, const struct hf_vnic_root *root,
	struct hf_vnic_pkt *pkt, struct rte_mbuf *m, bool *ret_drop);
const struct hf_vnic_root *hf_vnic_switch_enter_tx(struct hf_vnic_swport *from, uint16_t q);
void hf_vnic_switch_leave_tx(struct hf_vnic_swport *from, uint16_t q);
