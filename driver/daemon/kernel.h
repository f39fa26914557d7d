/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Kernel: the interfaces, addresses and routes of this host, from its kernel by rtnetlink
 * (rtnetlink(7)), and the news that they have changed.
 *
 * All is read at once and anew after every change: a host has few of them, and a picture that is
 * patched drifts. Routes are those of the main table that lead somewhere through one interface; of
 * several to one destination the one with the lowest metric. Link-local addresses count, tentative
 * ones do not yet.
 *
 * Threads: the thread of the event base.
 */

#pragma once

#include <hepflow/policy.h>

struct event_base;
struct hf_err;
struct hf_kernel;

#define HF_KERNEL_SETTLE_MS 2	 /* an address comes with its routes */
#define HF_KERNEL_LATE_MS   50	 /* under news that do not end */
#define HF_KERNEL_RETRY_MS  1000 /* after the kernel could not be read */

/*
 * Reads for the first time; without base there is no news, for a look only. changed(arg): what
 * hf_kernel_host() gives is not what it was. Errors of netlink, -ENOMEM.
 */
int hf_kernel_open(struct event_base *base, void (*changed)(void *arg), void *arg,
	struct hf_kernel **ret, struct hf_err *err);
void hf_kernel_close(struct hf_kernel *kernel);

/* Lent until changed() is called. */
const struct hf_live_host *hf_kernel_host(const struct hf_kernel *kernel);
