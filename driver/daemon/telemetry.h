/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Telemetry: the commands under /hepflow/ on the socket of DPDK's telemetry, for dpdk-telemetry.py
 * and whatever else speaks its protocol; docs/metrics.md. Nothing can be changed by them.
 *
 * DPDK answers each client on a thread of its own. Those threads touch nothing of the daemon's: a
 * request waits until the control thread has answered it.
 *
 * Threads: open and close on the control thread.
 */

#pragma once

struct event_base;
struct hf_daemon;
struct hf_err;

#define HF_TELEMETRY_WAIT_S 5 /* a proof may keep the control thread busy that long */

/*
 * From now on requests are answered about d; before, and after the close, they get no answer
 * (null). Once in a process. Errors: -ENOMEM, -errno.
 */
int hf_telemetry_open(struct event_base *base, const struct hf_daemon *d, struct hf_err *err);
void hf_telemetry_close(void);
