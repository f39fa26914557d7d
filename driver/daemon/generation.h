/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Generation: everything that one reading of the policy gives, from model to plans.
 *
 * It is built aside, whole or not at all, and never changes afterwards. Building needs neither
 * devices nor DPDK, so that hepflowd --check and the daemon say the same.
 */

#pragma once

#include "config.h"

#include <hepflow/model.h>
#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <time.h>

/* The profile of each wire's outer side. */
struct hf_profiles {
	size_t n;
	struct hf_nic **nics; /* by wire; NULL: not an uplink */
	bool *assumed;	      /* by wire: nobody named one, so it is "none" */
};

struct hf_felix;
struct hf_live_host;
struct hf_policy_cache;

/* What generations are made of. All of it is read only, and lent. */
struct hf_inputs {
	const struct hf_config *config;
	const struct hf_profiles *profiles;
	const struct hf_live_host *host; /* NULL: as the files say */
	const struct hf_felix *felix;	 /* NULL: Felix has not spoken, or is not asked */
	struct hf_policy_cache *cache;	 /* of files read before, or NULL; not read only */
	bool trial; /* nothing is to follow from it: rules are made without the former ones' notes
		     */
};

struct hf_generation {
	unsigned int number; /* from 1 */
	/* The daemon's business. */
	bool lent;	     /* the software path may still use the rules */
	bool lent_to_prover; /* it is being verified */
	time_t built;
	struct hf_model *model;
	struct hf_rules *rules;
	size_t n_plans;		/* as many as wires */
	struct hf_plan **plans; /* by wire; NULL: not an uplink */
};

/* Errors begin with the place in the configuration. */
int hf_profiles_find(const struct hf_config *config, struct hf_profiles *ret, struct hf_err *err);
void hf_profiles_fini(struct hf_profiles *profiles);
/* What becomes of the packets of such a NIC when hepflowd is not there; docs/config.md. */
enum hf_fail_mode hf_profiles_fail_mode(const struct hf_nic *nic, bool eswitch);

/*
 * previous: NULL, or the generation in force, which model, rules and plans follow; what readers see
 * of it does not change (hf_rules_follow()). Errors: what reading, model, rules and plan say; a
 * wish "require" that cannot be met.
 */
int hf_generation_build(const struct hf_inputs *in, unsigned int number,
	const struct hf_generation *previous, struct hf_generation **ret, struct hf_err *err);
/* NULL is fine. */
void hf_generation_free(struct hf_generation *generation);
