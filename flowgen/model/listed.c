/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tiers of endpoints that come with lists: Felix has selected and ordered the policies already
 * (docs/semantics.md 16.4).
 */

#include "model/build.h"

#include <errno.h>
#include <string.h>

static int listed_dir(
	struct hf_build *b, const struct hf_names *refs, bool egress, struct hf_model_policies *ret)
{
	struct hf_model_policy *v = hf_arena_calloc(b->arena, refs->n, sizeof(*v));
	struct hf_pol *p;
	size_t i;
	int rc = v ? hf_order_count(b, refs->n) : hf_build_oom(b);

	for (i = 0; i < refs->n && rc == 0; i++) {
		HASH_FIND_STR(b->pols_by_ref, refs->v[i], p);
		if (!p)
			return hf_fail(b->err, -EINVAL,
				"%s: a policy is listed that is not known: '%.128s'", b->where,
				refs->v[i]);
		p->selects = true;
		rc = hf_order_build_policy(b, p);
		v[i] = egress ? p->out : p->in;
	}
	*ret = (struct hf_model_policies){refs->n, v};
	return rc;
}

static int listed_tier(struct hf_build *b, const struct hf_tier_ref *t, enum hf_chain chain,
	struct hf_model_tier *ret)
{
	int rc;

	ret->name = hf_arena_strdup(b->arena, t->name);
	ret->origin = hf_arena_printf(b->arena, "tier-default:%s", t->name);
	if (!ret->name || !ret->origin)
		return hf_build_oom(b);
	ret->default_pass =
		t->default_pass || chain == HF_CHAIN_UNTRACKED || chain == HF_CHAIN_PREDNAT;
	rc = listed_dir(b, &t->in, false, &ret->in);
	if (rc < 0 || chain == HF_CHAIN_PREDNAT)
		return rc;
	return listed_dir(b, &t->out, true, &ret->out);
}

static int listed_chain(struct hf_build *b, const struct hf_tier_refs *tiers, enum hf_chain chain,
	struct hf_model_tiers *ret)
{
	struct hf_model_tier *v = hf_arena_calloc(b->arena, tiers->n, sizeof(*v));
	size_t i, n = 0;
	int rc = v ? 0 : hf_build_oom(b);

	for (i = 0; i < tiers->n && rc == 0; i++) {
		rc = listed_tier(b, &tiers->v[i], chain, &v[n]);
		/* A tier without policies of this list has no effect, as if it were not there. */
		n += rc == 0 && v[n].in.n + v[n].out.n > 0;
	}
	*ret = (struct hf_model_tiers){n, v};
	return rc;
}

int hf_order_listed(
	struct hf_build *b, const struct hf_tier_lists *lists, struct hf_model_endpoint *ep)
{
	int rc = listed_chain(
		b, &lists->untracked, HF_CHAIN_UNTRACKED, &ep->tiers[HF_CHAIN_UNTRACKED]);

	if (rc == 0)
		rc = listed_chain(
			b, &lists->pre_dnat, HF_CHAIN_PREDNAT, &ep->tiers[HF_CHAIN_PREDNAT]);
	if (rc == 0)
		rc = listed_chain(b, &lists->normal, HF_CHAIN_NORMAL, &ep->tiers[HF_CHAIN_NORMAL]);
	if (rc == 0)
		rc = listed_chain(
			b, &lists->forward, HF_CHAIN_FORWARD, &ep->tiers[HF_CHAIN_FORWARD]);
	return rc;
}
