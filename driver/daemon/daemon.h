/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Daemon: the running whole. Ports, software path, workers, the generation in force, and what is
 * programmed into the NICs.
 *
 * A new generation is built aside. Once it is whole, its rules are published to the software path,
 * and only then the NICs are changed (enforce.h). On any error before that the last good generation
 * stays in force and the error is kept for "status". A NIC that refuses rules is no error of the
 * policy: its wire goes on in software, and "status" says why; unless the configuration has it that
 * the whole change is taken back then, on all NICs. Either way it is tried again.
 *
 * Threads: the control thread, except for the workers' lcores.
 */

#pragma once

#include "config.h"
#include "generation.h"
#include "packets.h"
#include "proof.h"
#include "worker.h"

#include "flow/ops.h"

#include <hepflow/err.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define HF_PROGRAM	 "hepflowd"
#define HF_HISTORY	 4 /* generations to go back to: each holds a whole policy in memory */
#define HF_GONE_MAX	 64
#define HF_CONFIRM_MAX_S 3600

struct hf_apply;
struct hf_felix;
struct hf_conns;
struct hf_feed;
struct hf_kernel;
struct hf_flow_async;
struct hf_ledger;
struct hf_port;
struct hf_soft;
struct hf_sync;

struct hf_wire {
	const struct hf_conf_port *outer_conf;
	const struct hf_conf_port *inner_conf; /* NULL, as inner: fallback kernel */
	struct hf_port *outer;
	struct hf_port *inner;
	unsigned int soft;	     /* number in the software path */
	const struct hf_nic *nic;    /* NULL: not an uplink */
	bool assumed;		     /* nobody named the profile */
	struct hf_sync *sync;	     /* NULL: the profile takes no rules, or not an uplink */
	struct hf_flow_async *async; /* NULL: the NIC takes rules one by one, or there is no sync */
	struct hf_conns *conns;	     /* NULL: not asked for, or the profile cannot */
	uint64_t flushes;	     /* of the port, that conns know of */
	uint16_t sync_port;
	struct hf_flow_ports ports; /* of the e-switch; not on: its rules are of one port */
	char reject[HF_ERR_SIZE];   /* why nothing is offloaded although it could be; "" */
	uint64_t retry_at;	    /* hf_clock_ms(), with reject */
	unsigned int retry_s;	    /* how long was waited for it */
	char down[HF_ERR_SIZE];	    /* why nothing passes: a device is gone; "" */
	unsigned int down_outer, down_inner; /* HF_PORT_*, until the port is back */
	bool changed;			     /* since its rules were looked for (device.h) */
	bool look_more;			     /* a round is under way */
	bool cannot_tell;		     /* the driver does not say what the card has */
	uint64_t looked_at;		     /* hf_clock_ms() of the last whole round */
	uint64_t looked;		     /* rules that were looked for */
	uint64_t lost;			     /* of those: the card did not have them */
};

struct hf_daemon {
	const struct hf_config *config;
	struct hf_profiles profiles;
	bool eal;
	struct hf_soft *soft;
	size_t n_wires;
	struct hf_wire *wires;
	unsigned int n_workers;
	struct hf_worker *workers;
	unsigned int lcores[HF_CONFIG_WORKERS_MAX];
	unsigned int n_running; /* workers; the first ones */
	bool moving;		/* all workers have gone round since the last tick */
	uint64_t rounds[HF_CONFIG_WORKERS_MAX];
	struct hf_kernel *kernel;     /* the owner's; NULL: facts are in the files */
	struct hf_feed *feed;	      /* the owner's; NULL: Felix is not asked, or not yet */
	bool save;		      /* what Felix has said is in force and not on disk */
	uint64_t save_at;	      /* hf_clock_ms(), not before */
	char save_error[HF_ERR_SIZE]; /* "": it is, or will be */
	struct hf_packets packets;
	struct hf_ledger *ledger; /* NULL: nothing has changed yet */
	struct hf_apply *apply;	  /* what is under way; apply.h */
	struct hf_generation *now;
	/*
	 * Those that were in force before, newest first, to go back to; and those that only wait
	 * for the software path to let go of their rules.
	 */
	size_t n_old;
	struct hf_generation *old[HF_HISTORY];
	size_t n_gone;
	struct hf_generation *gone[HF_GONE_MAX];
	unsigned int last_number;
	struct hf_proof proof;	/* of the last generation that was built */
	unsigned int proven_no; /* its number */
	unsigned int
		back_to;     /* number of the generation that is back in force if nobody confirms */
	uint64_t confirm_by; /* ms, CLOCK_MONOTONIC; 0: nothing waits to be confirmed */
	bool held;	     /* rolled back: changes wait for "apply" */
	bool missed;	     /* a change that was not applied for one of these reasons */
	char error[HF_ERR_SIZE]; /* of the last apply; "": it succeeded */
	time_t error_time;
	bool refused;	   /* a NIC refused, so the policy before was kept */
	uint64_t retry_at; /* hf_clock_ms(): then it is tried again; 0: not for that reason */
	unsigned int retry_s;
	bool exiting;
	void (*on_exit)(void *arg); /* asked for by a command */
	void *on_exit_arg;
	void (*on_enforced)(void *arg); /* hf_daemon_settle() has something to do */
	void *on_enforced_arg;
};

/*
 * Starts everything with a first generation, of which it becomes the owner. On failure everything
 * is stopped again. EAL cannot be started twice in a process.
 */
int hf_daemon_start(struct hf_daemon *d, const struct hf_config *config,
	struct hf_profiles *take_profiles, struct hf_generation *take_first, struct hf_err *err);
/* Removes all rules from the NICs, then ends the workers and closes the ports. */
void hf_daemon_stop(struct hf_daemon *d);

/*
 * What Felix says is asked of feed from now on; NULL: of nobody. The feed's changed() is to call
 * hf_apply_changed().
 */
void hf_daemon_set_feed(struct hf_daemon *d, struct hf_feed *feed);
/* The same for what the kernel says of the host. */
void hf_daemon_set_kernel(struct hf_daemon *d, struct hf_kernel *kernel);

/* Once a second: counters of the NICs, rules that nobody uses any more, the state on disk. */
void hf_daemon_tick(struct hf_daemon *d);
/* What a change has left to be done behind the packets. False: there is more, soon. */
bool hf_daemon_settle(struct hf_daemon *d);

/* What the worker that has a wire of the daemon keeps of it. */
struct hf_worker_wire *hf_daemon_wire(const struct hf_daemon *d, size_t wire);
