/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The virtual SmartNIC as an ethdev: a port that wraps another one.
 *
 * Packets come from and go to a sub-device, any other virtual ethdev. Receive queue q of n polls
 * the sub-device's queues q, q + n, q + 2n, ...; a packet that rules or RSS give to another queue
 * waits there in a ring. So a sub-queue has one poller, and a ring one consumer, as long as the
 * application polls each of our queues from one thread at a time, which ethdev asks for anyway.
 * Transmit queues are the sub-device's, one to one.
 *
 * Control operations are serialised by the application, as for every ethdev.
 */

#pragma once

#include "fault.h"
#include "vnic.h"

#include <ethdev_driver.h>

#include <pthread.h>
#include <stdatomic.h>

#define HF_VNIC_RING_SIZE      1024 /* packets that wait for their queue; more are dropped, counted */
#define HF_VNIC_BURST	       64   /* packets taken from a sub-queue at once */
#define HF_VNIC_NAME_SIZE      64   /* RTE_DEV_NAME_MAX_LEN */

#define HF_VNIC_SWITCH_ALONE   UINT32_MAX
#define HF_VNIC_NO_REPRESENTOR UINT32_MAX

/* What happened to received packets; one writer each, read at any time. */
struct hf_vnic_rx_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t fate[HF_VNIC_FATE_MAX_];
	uint64_t isolated; /* no rule, the port is isolated, and there is no kernel side */
	uint64_t full;	   /* the queue it should go to was full */
	uint64_t marked;
	uint64_t switched;    /* a transfer rule led it to a port */
	uint64_t switch_drop; /* or dropped it */
	uint64_t switch_full; /* or it could not get there */
	uint64_t kernel;      /* no rule, isolated: it is the kernel's */
	uint64_t kernel_lost; /* the kernel's, who had no room */
	/* Of queue 0 only: the kernel sent it, and it went out, or not. */
	uint64_t from_kernel;
	uint64_t from_kernel_drop; /* a rule says so */
	uint64_t from_kernel_lost;
};

struct hf_vnic;

struct hf_vnic_rxq {
	struct hf_vnic *vnic;
	uint16_t id;
	uint16_t n_desc;
	uint16_t turn; /* which of the sub-queues comes first in the next burst */
	struct rte_mempool *pool;
	struct rte_ring *ring;
	struct hf_vnic_rx_stats stats;
} __rte_cache_aligned;

struct hf_vnic_tx_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t drop; /* a rule says so, or too many groups */
};

struct hf_vnic_txq {
	struct hf_vnic *vnic;
	uint16_t id;
	uint16_t n_desc;
	uint16_t n_held;
	/* Past the rules, counted, and not yet taken by the sub-device. */
	struct rte_mbuf *held[HF_VNIC_BURST];
	struct hf_vnic_tx_stats stats;
} __rte_cache_aligned;

struct hf_vnic_sub {
	bool present;
	bool made; /* by us, so it goes with us */
	bool started;
	uint16_t port;
	uint16_t n_rx;
	uint16_t n_tx;
	bool spare; /* one more transmit queue, n_tx, for packets that no queue of ours sends */
	uint64_t owner;
	char name[HF_VNIC_NAME_SIZE];
};

struct hf_vnic_async;
struct hf_vnic_switch;
struct mnl_socket;

/* See kernel.h. */
struct hf_vnic_kernel {
	struct hf_vnic_sub sub;	 /* not present: nobody else has this card */
	struct rte_ring *ring;	 /* packets for it */
	struct mnl_socket *gate; /* closed; NULL: open, or not needed */
};

/* dev_private of the port. */
struct hf_vnic {
	struct hf_nic *nic;
	pthread_mutex_t *lock;	       /* of whoever changes rules; packets never take it */
	pthread_mutex_t own_lock;      /* of a port that is not part of a switch */
	struct hf_vnic_swport *swport; /* NULL: this NIC has no e-switch */
	struct hf_vnic_table table;
	struct rte_flow_action_handle *handles; /* indirect actions */
	struct hf_vnic_async *async;		/* NULL: this NIC has no flow queues */
	struct hf_vnic_sub sub;
	struct hf_vnic_kernel kernel;
	struct hf_vnic_faults faults;
	struct hf_vnic_fault_state fault;
	struct {
		bool watched; /* somebody looks now and then */
		bool told;    /* by an event, since the application last asked */
	} aging;
	bool isolated;
	uint16_t port;
	uint16_t n_rx;
	_Atomic uint16_t reta[HF_VNIC_RETA]; /* queues of packets that no rule takes, by hash */
	struct hf_vnic_rxq *rxq[HF_VNIC_QUEUES_MAX];
};

extern int hf_vnic_log;
#define VNIC_LOG(level, fmt, ...)                                                                  \
	rte_log(RTE_LOG_##level, hf_vnic_log, "net_vnic: " fmt "\n", ##__VA_ARGS__)

/* What a port is made from. */
struct hf_vnic_args {
	char *profile;
	char *kernel;	      /* with commas, as the device wants it; NULL: none */
	const char *sub;      /* into the text that was parsed; NULL: none */
	uint32_t switch_id;   /* HF_VNIC_SWITCH_ALONE: none given */
	uint32_t representor; /* HF_VNIC_NO_REPRESENTOR: none given */
	struct hf_vnic_faults faults;
};

/* args.c: 0 or a negative errno, and logged. fini only after success. */
int hf_vnic_args_parse(const char *text, struct hf_vnic_args *ret);
void hf_vnic_args_fini(struct hf_vnic_args *args);

/* sub.c: errors are negative errno, and logged. */
int hf_vnic_sub_open(struct hf_vnic_sub *sub, const char *devargs);
/* keep: leave the virtual device itself to whoever tears the bus down. */
void hf_vnic_sub_close(struct hf_vnic_sub *sub, bool keep);
/* For n_tx transmit queues of ours, the spare one not counted. */
int hf_vnic_sub_configure(
	struct hf_vnic_sub *sub, const struct rte_eth_dev_data *data, uint16_t n_tx);
int hf_vnic_sub_start(struct hf_vnic_sub *sub, const struct rte_eth_dev_data *data);
int hf_vnic_sub_stop(struct hf_vnic_sub *sub);
/* By the spare queue, one thread at a time: how many were taken; the others are freed. */
uint16_t hf_vnic_sub_send(const struct hf_vnic_sub *sub, struct rte_mbuf **pkts, uint16_t n);

/* rxtx.c */
uint16_t hf_vnic_rx_burst(void *rxq, struct rte_mbuf **pkts, uint16_t n);
uint16_t hf_vnic_tx_burst(void *txq, struct rte_mbuf **pkts, uint16_t n);
uint16_t hf_vnic_tx_prepare(void *txq, struct rte_mbuf **pkts, uint16_t n);
/* Mark and flag, where the verdict has them. */
void hf_vnic_write_mark(struct rte_mbuf *m, const struct hf_vnic_verdict *v);

/* dev.c */
extern const struct eth_dev_ops hf_vnic_dev_ops;
/* Everything the port owns but dev_private; removing: see hf_vnic_sub_close(). */
void hf_vnic_dev_fini(struct rte_eth_dev *dev, bool removing);

/* stats.c */
int hf_vnic_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *ret);
int hf_vnic_stats_reset(struct rte_eth_dev *dev);
int hf_vnic_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *ret, unsigned int n);
int hf_vnic_xstats_get_names(
	struct rte_eth_dev *dev, struct rte_eth_xstat_name *ret, unsigned int n);

/* ops.c */
extern const struct rte_flow_ops hf_vnic_flow_ops;
extern const struct rte_flow_ops hf_vnic_async_flow_ops;
/* All rules of the port at once. 0 or -ENOMEM. */
int hf_vnic_flush(struct hf_vnic *vnic);
/* The same with the lock held, and without a word to the flow queues. */
int hf_vnic_flush_rules(struct hf_vnic *vnic);
