/* SPDX-License-Identifier: BSD-3-Clause */

/* A port of the virtual SmartNIC over a pair of rings, for its tests: one at a time. */

#pragma once

#include "frames.h"

#include <hepflow/rteflow.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#define WIRE_SIZE 1024
#define POOL_SIZE 2047

/* What stands for the wire: the test puts packets in one ring and finds sent ones in the other. */
extern struct rte_ring *wire_in, *wire_out;
extern struct rte_mempool *pool;
extern uint16_t port;
extern uint16_t n_queues;
extern struct rte_flow_error error; /* of the last rule */

/* Opens the wire too. */
void open_port(const char *profile, uint16_t queues);
/* With n_queues, of a port that is stopped. */
void start_port(void);
/* Nothing may be left: no port, no packet that is not in the pool. */
void close_port(void);

/* Rules as testpmd takes them; RSS is over all queues. */
void build(const char *text, struct hf_rte_flow *ret);
struct rte_flow *create(const struct hf_rte_flow *built); /* NULL: see error */
struct rte_flow *try(const char *text);
struct rte_flow *add(const char *text); /* ends the test when refused */
struct rte_flow_query_count query(struct rte_flow *rule, bool reset);
uint64_t xstat(const char *name);

void put(struct frame f); /* on the wire */

/* What comes out of each queue, all polled until nothing comes any more. */
struct got {
	unsigned int n;
	unsigned int of_queue[64];
	struct rte_mbuf last; /* a copy; the packet itself is freed */
};

struct got get_all(void);
struct got wire(struct frame f); /* put, and get_all */

#define TCP4 .src = "192.0.2.1", .dst = "10.0.0.1", .proto = 6, .sport = 1000, .dport = 80
#define TCP6 .src = "2001:db8::1", .dst = "2001:db8::2", .proto = 6, .sport = 1000, .dport = 80
#define ROOT "ingress pattern eth / end actions jump group 1 / end"
#define REST "ingress group 1 priority 99 pattern eth / end actions queue index 0 / end"
