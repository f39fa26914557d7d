/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Keys for rules, made of their edges: ends of nets and port ranges and what lies beside them,
 * every state, interface and class, whether they fit together or not.
 */

#pragma once

#include <hepflow/rules.h>

#include <hf_test_rand.h>

struct hf_key hf_edge_key(struct hf_rand *r, const struct hf_rules *rules);
