/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A NIC made of an array, for tests of what programs NICs: it takes what its profile takes, fails
 * when told to, and judges packets.
 */

#pragma once

#include "flow/ops.h"

#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_RULES_MAX 4096
#define FAKE_PORTS     6 /* 3000 .. 3005 are the ports in question */

struct fake_rule {
	bool used;
	bool lost; /* the handle is good, and nothing is there */
	struct hf_flow flow;
	const struct hf_engine *engine;
	uint64_t packets;
};

struct fake {
	const struct hf_nic *nic;
	void (*after)(struct fake *fake); /* each operation; may be NULL */
	size_t top;			  /* rules in use are below */
	struct fake_rule v[FAKE_RULES_MAX];
	unsigned int n_ops, n_create, n_destroy, n_query, n_flush;
	/* The nth from now on; 0: never. */
	unsigned int fail_create, fail_destroy, fail_query, fail_any, lose_create;
	unsigned int doubt_create; /* the rule is made, and nobody can tell */
	unsigned int n_failed;
	bool fail_forever;
	bool fail_flush;
	bool blind; /* cannot tell what is there */
};

/* arg: a struct fake. */
extern const struct hf_flow_ops fake_ops;
extern const struct hf_flow_ops fake_ops_many; /* takes many at once, in its own order */

size_t fake_n_rules(const struct fake *fake);
/* PUNT, ALLOW or DENY. A miss behind a jump drops, as in mlx5. */
enum hf_fate fake_judge(struct fake *fake, const struct hf_hdr *hdr);

/* A packet in both forms. */
struct sample {
	struct hf_packet pkt;
	struct hf_hdr hdr;
};
extern struct sample samples[];
extern size_t n_samples;
void make_samples(void);

enum verdict { DENY, ALLOW };
enum verdict by_rules(const struct hf_rules *rules, const struct hf_packet *pkt);

/* One policy on one NIC. */
struct world {
	struct hf_rules *rules;
	struct hf_plan *plan;
};
/* ingress: lines of a policy's ingress list. */
struct world make_world(const struct hf_nic *nic, const char *ingress);
void free_world(struct world *w);

#define DENY_3000  "    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW_3000 "    - {action: Allow, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW_ALL  "    - {action: Allow}\n"
