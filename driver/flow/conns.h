/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Conns: single connections in a NIC, one exact rule each, in front of the plan.
 *
 * A rule marks the packets of one direction of a TCP or UDP connection, as they arrive without a
 * VLAN tag, and hands them on. It decides nothing: what the mark is worth is for the software path
 * to say (driver/soft/soft.h), which checks it against the connection and the rules in force. So a
 * rule that comes late, stays too long or is lost costs time and lets nothing pass. TCP segments
 * with SYN, FIN or RST are left alone.
 *
 * In an e-switch (hf_conns_opts.eswitch) the rules of a connection are a pair that delivers: what
 * comes by the wire's port goes to the host's, and the other way round, and software sees none of
 * it but SYN, FIN and RST. There a rule that stays too long lets pass what it should not, so that
 * hf_conns_purge() says whether all old ones are gone. A pair is idle, or makes room, together.
 *
 * Place: group 0, behind the cover and in front of the jump into the plan's tables (sync.h): of the
 * priority of that jump where a driver ranks patterns with ports above others by itself, else 0.
 *
 * A rule goes when its connection does, when its mark is that of older rules, when it has been idle
 * (told by the NIC's AGE, else by its COUNT, else by software's own count), and when a busier one
 * needs its place: then the one that has counted least since it was last looked at, if that is
 * less than what keeps a place.
 *
 * Operations may be done at once or later. One whose end is never told keeps its place: its handle
 * may still be good or not. It is counted as waiting, and heals when the answer does come.
 *
 * Threads: the control thread only.
 */

#pragma once

#include "ops.h"

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_conns;

struct hf_conn {
	struct hf_addr src; /* as it arrives */
	struct hf_addr dst;
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
	uint32_t mark;
	bool out; /* in an e-switch: sent by the host */
	/* The caller's: */
	unsigned int worker;
	uint64_t ticket;
};

#define HF_CONN_LATER 1 /* of create() and destroy(): begun, and pull() will tell the end */

struct hf_conn_done {
	uint64_t id;
	bool ok;
};

struct hf_conn_ops {
	/* 0, HF_CONN_LATER or a negative errno with "ERRNO: type N: MESSAGE" in err. */
	int (*create)(
		void *arg, const struct hf_flow *flow, uint64_t id, void **ret, struct hf_err *err);
	int (*destroy)(void *arg, void *handle, uint64_t id, struct hf_err *err);
	/* Ends of operations, at most max of them. NULL: all are done at once. */
	unsigned int (*pull)(void *arg, struct hf_conn_done *ret, unsigned int max);
	/* As in struct hf_flow_ops. */
	int (*query)(void *arg, void *handle, struct hf_flow_hits *ret);
	/* Ids of rules with AGE that have been idle, at most max; some may be told again. */
	unsigned int (*aged)(void *arg, uint64_t *ret, unsigned int max);
};

/* rte_flow; arg points to the port id (uint16_t). */
extern const struct hf_conn_ops hf_conn_ops_rte;

struct hf_conns_opts {
	const struct hf_nic *nic; /* lives longer */
	uint16_t n_queues;
	uint32_t max;	 /* rules */
	uint32_t keep;	 /* packets between two looks that make sure of a place */
	uint32_t idle_s; /* a rule may be */
	const struct hf_conn_ops *ops;
	void *ops_arg;
	uint64_t (*now_ms)(void); /* NULL: CLOCK_MONOTONIC */
	struct hf_eswitch eswitch;
	const struct hf_flow_ports *ports; /* lent; with eswitch */
};

/* -ENOTSUP: the NIC cannot, and err says why; -ENOMEM. */
int hf_conns_new(const struct hf_conns_opts *opts, struct hf_conns **ret, struct hf_err *err);
/* Forgets the rules; hf_conns_clear() before, or they stay in the NIC. NULL is fine. */
void hf_conns_free(struct hf_conns *conns);

/*
 * 0: there now, or on its way; -EEXIST: was; -EBUSY: a rule that it waits for is still on its way
 * out; -ENOTSUP: the NIC cannot match it; -ENOSPC: no place, and all that are there are busy; else
 * what the driver says.
 */
int hf_conns_add(struct hf_conns *conns, const struct hf_conn *conn, struct hf_err *err);

struct hf_conns_user {
	/* Is the connection still worth it? *ret_packets: what software has seen of that direction.
	 */
	bool (*holds)(void *arg, const struct hf_conn *conn, uint64_t *ret_packets);
	/* Its rule has counted since the last look; NULL: nobody asks. */
	void (*lives)(void *arg, const struct hf_conn *conn);
	void *arg;
};
/* Hears of ends, and looks at the next n rules. */
void hf_conns_poll(struct hf_conns *conns, uint32_t n, const struct hf_conns_user *user);
/* Removes those that do not hold any more, at once and whatever they count. */
void hf_conns_sweep(struct hf_conns *conns, const struct hf_conns_user *user);
/* Removes those of other marks than this. -EIO: some are still there, or may be. */
int hf_conns_purge(struct hf_conns *conns, uint32_t mark, struct hf_err *err);
/* Removes all. Those whose end is not told, or that are refused, stay counted. */
void hf_conns_clear(struct hf_conns *conns);
/* The driver has dropped all rules of the port. */
void hf_conns_lose(struct hf_conns *conns);

/* Is there a rule for the connection (its mark and what is the caller's do not count)? *ret_hits:
 * what it had counted when it was last looked at. */
bool hf_conns_find(
	const struct hf_conns *conns, const struct hf_conn *conn, struct hf_flow_hits *ret_hits);

struct hf_conns_stats {
	uint32_t n;	  /* places in use: in the NIC or on the way */
	uint32_t waiting; /* of them: for the end of an operation */
	uint32_t stuck;	  /* of them: the driver refuses to remove them */
	uint64_t asked;	  /* to be created */
	uint64_t inserted;
	uint64_t refused; /* by the driver */
	uint64_t no_room; /* all places were busy */
	uint64_t deleted;
	/* Of them: */
	uint64_t ended; /* the connection, or the rules it was judged by */
	uint64_t aged;
	uint64_t evicted;
	uint64_t lost; /* by hf_conns_lose() */
	uint64_t query_errors;
	struct hf_flow_hits hits; /* of all rules, as far as known */
};
void hf_conns_read_stats(const struct hf_conns *conns, struct hf_conns_stats *ret);
/* By what idle rules are found: "AGE", "COUNT" or "software". */
const char *hf_conns_aging(const struct hf_conns *conns);
