/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Worker: one lcore that moves the packets of its wires.
 *
 * In each round, for each wire: what came from the outer side is judged and sent to the inner side,
 * and the other way round. What a port does not take is freed and counted. The loop neither
 * allocates, locks, logs nor calls the system, with one exception: with the poll mode "adaptive" it
 * sleeps for a moment after a number of rounds in which no port had anything, for machines that
 * cannot spare a core.
 *
 * Threads: hf_worker_run() is the lcore's; everything else is for the control thread. The wires
 * must not change between start and stop.
 */

#pragma once

#include "soft/soft.h"

#include <hepflow/net.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HF_WORKER_BURST	 32   /* packets taken at once: DPDK's customary size */
#define HF_WORKER_WIRES	 64   /* as many as a configuration has ports */
#define HF_IDLE_ROUNDS	 1000 /* rounds without packets before the first sleep */
#define HF_IDLE_SLEEP_US 50   /* well below what a person or TCP's timers notice */

struct hf_worker_side {
	uint16_t port; /* ethdev id */
	uint16_t n_queues;
	uint16_t n_reserved;	 /* behind these to receive: hf_reserved_mark() */
	_Atomic uint64_t unsent; /* packets that this side did not take */
};

struct hf_worker_wire {
	unsigned int wire; /* in the software path */
	struct hf_worker_side outer;
	struct hf_worker_side inner;
	atomic_bool off; /* not polled from the next round on */
};

struct hf_worker {
	struct hf_soft *soft;
	unsigned int number; /* in the software path */
	bool adaptive;
	atomic_bool stop;
	/* Connections that fit the filter, which is set before; false again when it is done. */
	atomic_bool forget;
	struct hf_soft_filter filter;
	uint32_t forget_at; /* the worker's */
	_Atomic uint64_t rounds;
	_Atomic uint64_t sleeps;
	_Atomic uint64_t
		strays; /* packets that came although they are the kernel's, and were freed */
	unsigned int n_wires;
	struct hf_worker_wire wires[HF_WORKER_WIRES];
};

/* Runs until stop is set. For rte_eal_remote_launch(): arg is a struct hf_worker. Returns 0 or what
 * hf_soft_worker_start() says. */
int hf_worker_run(void *arg);
/*
 * The same with fallback kernel: no rule leads a packet here, but a driver that moves packets
 * between wire and kernel itself (net_vnic) does so when it is polled.
 */
int hf_worker_run_idle(void *arg);
