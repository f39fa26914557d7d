/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Metrics: the daemon's numbers in the text form of Prometheus (exposition format 0.0.4), names and
 * labels in docs/metrics.md.
 *
 * Counters go on over a change of policy. A count that cannot be known is left out, never 0. Labels
 * are bounded: one policy and direction is one series, however many rules it has.
 */

#pragma once

#include <stdio.h>

struct hf_daemon;

/* 0 or -ENOMEM. */
int hf_metrics_print(const struct hf_daemon *d, FILE *out);
