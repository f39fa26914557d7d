/* SPDX-License-Identifier: BSD-3-Clause */

#include "model/print.h"

#include <hepflow/base/vec.h>

#include "policy/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const hf_print_chain[HF_CHAIN_MAX_] = {
	[HF_CHAIN_UNTRACKED] = "untracked",
	[HF_CHAIN_PREDNAT] = "prednat",
	[HF_CHAIN_NORMAL] = "normal",
	[HF_CHAIN_FORWARD] = "forward",
};

const char *const hf_print_action[] = {
	[HF_RULE_DENY] = "deny",
	[HF_RULE_ALLOW] = "allow",
	[HF_RULE_PASS] = "pass",
	[HF_RULE_LOG] = "log",
};

const char *const hf_print_status[] = {
	[HF_ENDPOINT_ERROR] = "error",
	[HF_ENDPOINT_DOWN] = "down",
	[HF_ENDPOINT_UP] = "up",
};

const char *const hf_print_target[] = {
	[HF_TARGET_DROP] = "drop",
	[HF_TARGET_ACCEPT] = "accept",
	[HF_TARGET_RETURN] = "return",
};

const char *const hf_print_offload[] = {
	[HF_OFFLOAD_PREFER] = "prefer",
	[HF_OFFLOAD_REQUIRE] = "require",
	[HF_OFFLOAD_FORBID] = "forbid",
};

struct found {
	HF_VEC(struct hf_print_policy) v;
};

static int find_dir(struct found *f, const struct hf_model_tier *tier, bool egress)
{
	const struct hf_model_policies *list = egress ? &tier->out : &tier->in;
	size_t i;

	for (i = 0; i < list->n; i++) {
		struct hf_print_policy p = {tier->name, &list->v[i], egress, f->v.n};

		if (hf_vec_push(&f->v, p))
			return -ENOMEM;
	}
	return 0;
}

static int find_endpoint(struct found *f, const struct hf_model_endpoint *ep)
{
	const struct hf_model_tiers *list;
	size_t i;
	int c, rc = 0;

	for (c = 0; c < HF_CHAIN_MAX_; c++) {
		list = &ep->tiers[c];
		for (i = 0; rc == 0 && i < list->n; i++) {
			rc = find_dir(f, &list->v[i], false);
			if (rc == 0)
				rc = find_dir(f, &list->v[i], true);
		}
	}
	return rc;
}

/* Shared rules are one array, so its place says which policy it is. */
static int by_rules(const void *pa, const void *pb)
{
	const struct hf_print_policy *a = pa, *b = pb;
	uintptr_t ra = (uintptr_t)a->policy->rules.v, rb = (uintptr_t)b->policy->rules.v;

	if (ra != rb)
		return ra < rb ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int by_seq(const void *pa, const void *pb)
{
	const struct hf_print_policy *a = pa, *b = pb;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

int hf_print_policies(const struct hf_model *model, struct hf_print_policy **ret, size_t *ret_n)
{
	struct found f = {0};
	size_t i, n = 0;

	for (i = 0; i < model->n_endpoints; i++) {
		if (find_endpoint(&f, model->endpoints[i]) < 0) {
			hf_vec_fini(&f.v);
			return -ENOMEM;
		}
	}
	if (f.v.n)
		qsort(f.v.v, f.v.n, sizeof(*f.v.v), by_rules);
	for (i = 0; i < f.v.n; i++) {
		if (!n || f.v.v[n - 1].policy->rules.v != f.v.v[i].policy->rules.v)
			f.v.v[n++] = f.v.v[i];
	}
	if (n)
		qsort(f.v.v, n, sizeof(*f.v.v), by_seq);
	*ret = f.v.v;
	*ret_n = n;
	return 0;
}

static int by_name(const void *pa, const void *pb)
{
	const struct hf_model_profile *a = *(const struct hf_model_profile *const *)pa;
	const struct hf_model_profile *b = *(const struct hf_model_profile *const *)pb;

	return strcmp(a->name, b->name);
}

int hf_print_profiles(
	const struct hf_model *model, const struct hf_model_profile ***ret, size_t *ret_n)
{
	HF_VEC(const struct hf_model_profile *) v = {0};
	size_t i, k, n = 0;

	for (i = 0; i < model->n_endpoints; i++) {
		for (k = 0; k < model->endpoints[i]->n_profiles; k++) {
			if (hf_vec_push(&v, model->endpoints[i]->profiles[k])) {
				hf_vec_fini(&v);
				return -ENOMEM;
			}
		}
	}
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), by_name);
	for (i = 0; i < v.n; i++) {
		if (!n || v.v[n - 1] != v.v[i])
			v.v[n++] = v.v[i];
	}
	*ret = v.v;
	*ret_n = n;
	return 0;
}
