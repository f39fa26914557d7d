/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From messages to policy objects; everything an object points to is in the batch's arena.
 *
 * Functions return 0, -EINVAL with "felix: WHAT NAME: ..." in err, or -ENOMEM.
 */

#pragma once

#include "felix/state.h"
#include "policy/objects.h"
#include "policy/set.h"

struct hf_fx {
	const struct hf_felix *felix;
	const char *node; /* in the arena */
	struct hf_batch *batch;
	struct hf_arena *arena; /* the batch's */
	struct hf_err *err;
	const char *what; /* object being read, for messages: "policy default/web" */
};

int hf_fx_nomem(struct hf_fx *fx);
int hf_fx_bad(struct hf_fx *fx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A new object of a list, named; NULL: out of memory. ns may be "" or NULL: none. */
void *hf_fx_add(struct hf_fx *fx, enum hf_list list, const char *ns, const char *name);
const char *hf_fx_text(struct hf_fx *fx, const char *text); /* NULL: out of memory */
int hf_fx_names(struct hf_fx *fx, char *const *v, size_t n, struct hf_names *ret);
int hf_fx_nets(struct hf_fx *fx, char *const *v, size_t n, struct hf_nets *ret);
int hf_fx_addr(struct hf_fx *fx, const char *text, struct hf_addr *ret);

/* rule.c */
int hf_fx_rules(struct hf_fx *fx, const char *dir, HfFelix__Rule *const *v, size_t n,
	struct hf_policy_rules *ret);

/* endpoint.c: policies, profiles, endpoints */
int hf_fx_policies(struct hf_fx *fx);
int hf_fx_profiles(struct hf_fx *fx);
int hf_fx_endpoints(struct hf_fx *fx);

/* config.c: parameters, pools, hosts, BGP, services */
int hf_fx_config(struct hf_fx *fx);
int hf_fx_cluster(struct hf_fx *fx);
