/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policy: the objects as somebody wrote them, checked one by one.
 *
 * A policy set collects Calico objects (projectcalico.org/v3 and crd.projectcalico.org/v1), the few
 * Kubernetes objects that say what services rewrite, and HostFacts, from any number of files. An
 * object replaces an earlier one of the same kind, namespace and name only through
 * hf_policy_read(); two of the same name within the input of one hf_policy_read() are an error.
 *
 * Kinds that do not matter to a host endpoint are skipped with a note. Broken ones are an error
 * that says file:line:column, and the set stays as it was before the call.
 *
 * Threads: one at a time while it is filled; after that any number may read it.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;
struct hf_policy;

/* Limits on input, so that hostile files end in an error and not in memory; docs/limits.md. */
#define HF_POLICY_FILE_MAX    (64u << 20) /* bytes of one file */
#define HF_POLICY_OBJECTS_MAX 200000u
#define HF_POLICY_DIR_DEPTH   16 /* folders within folders */

int hf_policy_new(struct hf_policy **ret, struct hf_err *err);
void hf_policy_free(struct hf_policy *policy);

/*
 * Reads a file, a folder (every *.yaml, *.yml and *.json in it and below, sorted by name, hidden
 * ones left out), or standard input ("-"). -ENOENT and the like for what cannot be opened, -EINVAL
 * for what cannot be right, -E2BIG beyond a limit.
 */
int hf_policy_read(struct hf_policy *policy, const char *path, struct hf_err *err);
/* The same from memory; name stands for the file in messages. */
int hf_policy_read_text(struct hf_policy *policy, const char *name, const char *text, size_t size,
	struct hf_err *err);

/*
 * For whoever reads the same files again and again: objects of files that have not changed by one
 * byte since the set before are not made anew, and later stages see that they are the same. It has
 * a copy of the files of the last set. Threads: with its sets, one at a time.
 */
struct hf_policy_cache;
struct hf_policy_cache *hf_policy_cache_new(void); /* NULL: out of memory */
void hf_policy_cache_free(struct hf_policy_cache *cache);
/* Before anything is read into the set; the cache may go before the set does. */
void hf_policy_use_cache(struct hf_policy *policy, struct hf_policy_cache *cache);

/* A host as its kernel describes it. Plain data; names as Linux has them. */
struct hf_live_iface {
	char name[HF_IFNAME_SIZE];
	bool down; /* not operational */
	size_t n_addrs;
	const struct hf_prefix
		*addrs; /* own addresses, host bits kept, with their network's length */
};

struct hf_live_route {
	struct hf_prefix dst;
	char dev[HF_IFNAME_SIZE];
};

struct hf_live_host {
	size_t n_ifaces;
	const struct hf_live_iface *ifaces;
	size_t n_routes;
	const struct hf_live_route *routes; /* of several to one destination the best first */
};

/*
 * Interfaces and routes of a node are these from now on, whatever a HostFacts object says; what
 * services rewrite and the kernel's own policy stay as that object has them. All is copied.
 * -ENOMEM; the set is as it was then.
 */
int hf_policy_set_host(struct hf_policy *policy, const char *node, const struct hf_live_host *host,
	struct hf_err *err);

/* What was skipped and why, in reading order: "web.yaml:3:1: kind Deployment skipped". */
size_t hf_policy_n_notes(const struct hf_policy *policy);
const char *hf_policy_note(const struct hf_policy *policy, size_t i);

/* Objects as canonical text, sorted by kind and name. */
void hf_policy_print(const struct hf_policy *policy, FILE *out);
/* The same as JSON ("schema": 1; docs/flowgen-json.md). Returns 0 or -EIO. */
int hf_policy_print_json(const struct hf_policy *policy, FILE *out);
