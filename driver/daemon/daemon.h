/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Daemon: the running whole. Ports, software path, worker, the generation in force, and what is
 * programmed into the NICs.
 *
 * A new generation is built aside. Once it is whole, its rules are published to the software path,
 * and only then the NICs are changed (driver/flow/sync.h). On any error before that the last good
 * generation stays in force and the error is kept for "status". A NIC that refuses rules is no
 * error of the policy: its wire goes on in software, and "status" says why.
 *
 * Threads: the control thread, except for the worker's lcore.
 */

#pragma once

#include "config.h"
#include "generation.h"
#include "worker.h"

#include <hepflow/err.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define HF_PROGRAM "hepflowd"

struct hf_felix;
struct hf_feed;
struct hf_port;
struct hf_soft;
struct hf_sync;

struct hf_wire {
	const struct hf_conf_port *outer_conf;
	const struct hf_conf_port *inner_conf;
	struct hf_port *outer;
	struct hf_port *inner;
	unsigned int soft;	  /* number in the software path */
	const struct hf_nic *nic; /* NULL: not an uplink */
	bool assumed;		  /* nobody named the profile */
	struct hf_sync *sync;	  /* NULL: the profile takes no rules, or not an uplink */
	uint16_t sync_port;
	char reject[HF_ERR_SIZE]; /* why nothing is offloaded although it could be; "" */
};

struct hf_daemon {
	const struct hf_config *config;
	struct hf_profiles profiles;
	bool eal;
	struct hf_soft *soft;
	size_t n_wires;
	struct hf_wire *wires;
	struct hf_worker *worker;
	unsigned int lcore;
	bool running;	      /* the worker */
	struct hf_feed *feed; /* the owner's; NULL: Felix is not asked, or not yet */
	bool save;	      /* what Felix has said is in force and not on disk */
	struct hf_generation *now;
	unsigned int last_number;
	char error[HF_ERR_SIZE]; /* of the last apply; "": it succeeded */
	time_t error_time;
	bool exiting;
	void (*on_exit)(void *arg); /* asked for by a command */
	void *on_exit_arg;
};

/*
 * Starts everything with a first generation, of which it becomes the owner. On failure everything
 * is stopped again. EAL cannot be started twice in a process.
 */
int hf_daemon_start(struct hf_daemon *d, const struct hf_config *config,
	struct hf_profiles *take_profiles, struct hf_generation *take_first, struct hf_err *err);
/* Removes all rules from the NICs, then ends the worker and closes the ports. */
void hf_daemon_stop(struct hf_daemon *d);

/*
 * What Felix says is asked of feed from now on; NULL: of nobody. The feed's changed() is to call
 * hf_daemon_apply().
 */
void hf_daemon_set_feed(struct hf_daemon *d, struct hf_feed *feed);

/* Reads everything anew and puts it in force, or says why not. */
int hf_daemon_apply(struct hf_daemon *d, struct hf_err *err);
/* Once a second: counters of the NICs, rules that nobody uses any more, the state on disk. */
void hf_daemon_tick(struct hf_daemon *d);
