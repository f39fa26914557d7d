/* SPDX-License-Identifier: BSD-3-Clause */

/* What the rules say of a packet that comes in by eth0, by their linear walk. */

#pragma once

#include <stdbool.h>

struct hf_rules;
struct rte_mbuf;

/* Ends the program with a message if the frame is no packet. */
bool bench_walk_passes(const struct hf_rules *rules, const struct rte_mbuf *m);
