/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of a policy set.
 *
 * What one hf_policy_read() reads is a batch with an arena of its own. When the whole input is
 * good the batch becomes part of the set; else it is thrown away and the set is as it was. A batch
 * of which every object has since been replaced is freed.
 */

#pragma once

#include "policy/objects.h"
#include "policy/read.h"

#include <hepflow/base/vec.h>
#include <hepflow/policy.h>

#include <stddef.h>

enum hf_list {
#define HF_POLICY_LIST_ENUM(kind, type) HF_LIST_##kind,
	HF_POLICY_KINDS(HF_POLICY_LIST_ENUM)
#undef HF_POLICY_LIST_ENUM
};

/* A kind that is read. */
struct hf_kind {
	const char *name;
	const char *group;   /* "" = Kubernetes' core */
	const char *version; /* in that group */
	enum hf_list list;
	bool namespaced;
	bool open; /* not Calico's nor ours: unknown fields are let be */
	hf_rd_fn read;
};

extern const struct hf_kind hf_kinds[];
extern const size_t hf_n_kinds;
extern const struct hf_kind hf_kind_ipset; /* not read from files: Felix sends them */
size_t hf_list_size(enum hf_list list);	   /* bytes of one object */

struct hf_entry {
	const struct hf_kind *kind;
	struct hf_batch *batch; /* who owns obj */
	void *obj;		/* begins with a struct hf_meta */
	size_t seq;		/* place in reading order, within the batch */
};

struct hf_batch {
	struct hf_arena *arena;
	HF_VEC(struct hf_entry) entries;
	HF_VEC(char *) notes; /* of malloc */
	size_t n_docs;	      /* objects seen, skipped ones included */
	size_t n_rules;	      /* of all policies and profiles */
	size_t n_live;	      /* entries that the set still holds */
	struct hf_batch *next;
};

struct hf_policy {
	struct hf_policy_cache *cache; /* while files are read, or NULL */
	struct hf_batch *batches;
	HF_VEC(struct hf_entry) entries; /* sorted by list, namespace, name, kind */
	HF_VEC(char *) notes;
	struct hf_objects objects;
};

struct hf_batch *hf_batch_new(void);
void hf_batch_free(struct hf_batch *batch);
/* Takes the batch over on success only; -EINVAL when it holds one object twice. */
int hf_policy_merge(struct hf_policy *policy, struct hf_batch *take_batch, struct hf_err *err);

/* Gives ids to the objects that have none. */
void hf_number_objects(struct hf_batch *batch);
/* cache.c: reads one text into the batch, or has it already. */
int hf_cache_read(struct hf_policy_cache *cache, struct hf_batch *batch, const char *name,
	const char *text, size_t size, struct hf_err *err);

/* Reads one text into the batch. */
int hf_batch_read(struct hf_batch *batch, const char *name, const char *text, size_t size,
	struct hf_err *err);
