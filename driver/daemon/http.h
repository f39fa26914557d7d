/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Http: /metrics for Prometheus, /liveness and /readiness for whoever restarts things.
 *
 * It listens where the configuration says, on loopback if only a port is named, and nowhere if
 * nothing is. GET and HEAD only; nothing can be changed by it. What is asked for is computed when
 * it is asked for, so a question costs a walk over the policy.
 *
 *   /liveness    200 while the worker moves
 *   /readiness   200 once a policy is in force and the last apply did not fail; with Felix, once it
 *                has been in sync, in this process or the one that saved its state. Else 503 and
 * why
 *
 * Threads: the thread of the event base.
 */

#pragma once

#include <stdint.h>

struct event_base;
struct hf_daemon;
struct hf_err;
struct hf_http;

#define HF_HTTP_BODY_MAX 4096 /* bytes of a request: nothing is ever sent */
#define HF_HTTP_IDLE_SEC 10

/* Errors of the socket. */
int hf_http_open(struct event_base *base, const char *addr, uint16_t port, struct hf_daemon *d,
	struct hf_http **ret, struct hf_err *err);
void hf_http_close(struct hf_http *http);
