/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ctl: the control socket, a stream unix socket that only its owner may use.
 *
 * At most HF_CTL_CONNS clients at a time; one that says nothing for a minute is let go, and so is
 * one that sends what is no request. Requests of a client are answered in their order; while a
 * client does not read its replies nothing more is read from it.
 *
 * Threads: the thread of the event base.
 */

#pragma once

struct event_base;
struct hf_ctl;
struct hf_err;
struct hf_rpc;

#define HF_CTL_CONNS	32 /* operators and scripts; each may cost a reply of some megabytes */
#define HF_CTL_IDLE_SEC 60

/*
 * A stream unix socket at path that nobody but its owner may connect to, not yet listening: a
 * descriptor, or errors of the socket.
 */
int hf_ctl_bind(const char *path, struct hf_err *err);

/* rpc lives longer. Errors of the socket. */
int hf_ctl_open(struct event_base *base, const char *path, const struct hf_rpc *rpc,
	struct hf_ctl **ret, struct hf_err *err);
/* Hangs up on everybody and removes the socket. */
void hf_ctl_close(struct hf_ctl *ctl);
