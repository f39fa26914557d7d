/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL: DPDK's environment, started once per process.
 *
 * Nothing is shared with other processes and no file outlives this one: with huge pages EAL runs
 * in memory only, without them it shares no configuration. PCI devices are left alone until they
 * are hot-plugged by name. Telemetry is off unless asked for. The main lcore may run on every CPU
 * of the process; worker lcores are bound to the last of them, one each, or share them when there
 * are fewer. Arguments of the caller come last
 * and win.
 *
 * Threads: start and stop on the main thread.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct hf_err;

struct hf_eal_opts {
	const char *program;
	const char *prefix;	/* tells this process from others of the same program */
	unsigned int n_workers; /* lcores beside the main one */
	size_t n_args;
	bool telemetry;		 /* its socket in DPDK's runtime folder */
	const char *const *args; /* as on the command line of any DPDK program */
	/* Called for every line that DPDK logs; level is RTE_LOG_*. NULL: standard error. */
	void (*log)(unsigned int level, const char *text, size_t len);
};

/* Errors: -EALREADY, -ENOMEM, and what rte_eal_init() gives. EAL cannot be started anew after a
 * failure. */
int hf_eal_start(const struct hf_eal_opts *opts, struct hf_err *err);
/* Devices must be closed and worker lcores idle. */
void hf_eal_stop(void);

/* The first n lcores beside the main one, or an error: -ENODEV. */
int hf_eal_workers(unsigned int n, unsigned int *ret, struct hf_err *err);
