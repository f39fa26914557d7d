/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random worlds: a host with its policies as YAML text, and packets that collide with them.
 *
 * Addresses and ports of rules and packets come from the same small pools, and packets take the
 * first and last of a net or range and the ones beside it, so that most packets meet a rule, and
 * many meet an edge.
 *
 * A world is a list of objects; objects and single rules of policies can be taken out again, which
 * is how a failing world is made small.
 */

#pragma once

#include "model/model.h"

#include <hepflow/base/vec.h>
#include <hepflow/net.h>

#include <hf_test_rand.h>

#include <stdbool.h>
#include <stdio.h>

/* One address further up or down; behind the last comes the first. */
void hf_addr_step(struct hf_addr *a, bool up);

struct hf_doc_rule {
	char *text; /* one line of flow YAML */
	bool egress;
	bool dropped;
};

struct hf_doc {
	char *head; /* the object without its rules */
	bool dropped;
	HF_VEC(struct hf_doc_rule) rules;
};

struct hf_world {
	unsigned int calico; /* hf_model_opts.calico */
	HF_VEC(struct hf_doc) docs;
};

/* Node of all worlds. */
#define HF_WORLD_NODE "n0"

/* All memory belongs to the world. Aborts when there is none. */
void hf_world_init(struct hf_world *world, struct hf_rand *rand);
void hf_world_fini(struct hf_world *world);
/* What is not dropped, as YAML. The caller frees it. */
char *hf_world_text(const struct hf_world *world);

/* A packet on one of the named interfaces; names[0] is "" for the host itself. */
void hf_world_packet(
	struct hf_rand *rand, const char *const *names, size_t n_names, struct hf_packet *ret);

/*
 * Changes rules of the model into what Felix may send and YAML may not say: lists of both families,
 * every address excluded, several sets of ports, types without a protocol. What a rule becomes
 * depends on the seed and its origin alone, so that it stays the same while a world shrinks.
 * all_sets has room for the model's sets and lives as long as the model.
 */
void hf_world_twist(struct hf_model *model, uint32_t *all_sets, uint64_t seed);
