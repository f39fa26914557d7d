/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of struct hf_felix: the newest message about every object, by what names it.
 *
 * Address sets are kept taken apart and sorted, since their changes come as differences; nothing
 * else is looked into before hf_felix_read().
 */

#pragma once

#include <hepflow/base/vec.h>
#include <hepflow/facts.h>
#include <hepflow/felix.h>

#include "felix.pb-c.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum hf_felix_kind {
	HF_FELIX_PROFILE,
	HF_FELIX_POLICY,
	HF_FELIX_HEP,
	HF_FELIX_WEP,
	HF_FELIX_HOST, /* three forms of the same, each with its own place */
	HF_FELIX_HOST46,
	HF_FELIX_HOST6,
	HF_FELIX_POOL,
	HF_FELIX_VTEP,
	HF_FELIX_SERVICE,
	HF_FELIX_SINGLE, /* of which there is one: configuration, BGP, encapsulation */
	HF_FELIX_N_KINDS,
};

struct hf_felix_item {
	char *key;   /* of malloc */
	uint64_t id; /* another with every message */
	HfFelix__ToDataplane *msg;
	UT_hash_handle hh;
};

struct hf_felix_set {
	char *id;	/* of malloc */
	uint64_t as_is; /* another with every change */
	HfFelix__IPSetType type;
	HF_VEC(struct hf_prefix) nets;	  /* sorted, none twice; may cover each other */
	HF_VEC(struct hf_member) members; /* HF_FELIX ip,port sets: sorted, none twice */
	UT_hash_handle hh;
};

struct hf_felix {
	struct hf_felix_item *items[HF_FELIX_N_KINDS];
	struct hf_felix_set *sets;
	bool in_sync;
};

/* set.c. Errors as of hf_felix_take(). */
int hf_felix_set_put(struct hf_felix *felix, const HfFelix__IPSetUpdate *u, struct hf_err *err);
int hf_felix_set_change(struct hf_felix *felix, const HfFelix__IPSetDeltaUpdate *u, bool *ret_known,
	struct hf_err *err);
bool hf_felix_set_remove(struct hf_felix *felix, const char *id);
void hf_felix_set_free(struct hf_felix_set *set);

/* The newest message with that payload of a kind of which there is one, or NULL. */
const HfFelix__ToDataplane *hf_felix_single(
	const struct hf_felix *felix, HfFelix__ToDataplane__PayloadCase payload);
