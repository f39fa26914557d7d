/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tiers and policies in the order of evaluation (docs/semantics.md 12), and which of an endpoint's
 * four lists each policy goes to (2).
 */

#include "model/build.h"

#include <math.h>
#include <errno.h>
#include <string.h>

/* Tiers that are there without an object. */
static const struct {
	const char *name;
	double order;
	bool default_pass;
} well_known[] = {
	{"default", 1e6, false},
	{"kube-admin", 1e3, true},
	{"kube-baseline", 1e7, true},
};

#define N_WELL_KNOWN (sizeof(well_known) / sizeof(well_known[0]))

static const char *const kind_names[][2] = {
	[HF_POLICY_GNP] = {"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"},
	[HF_POLICY_NP] = {"NetworkPolicy", "StagedNetworkPolicy"},
	[HF_POLICY_KNP] = {"StagedKubernetesNetworkPolicy", "StagedKubernetesNetworkPolicy"},
};

static int cmp_double(double a, double b)
{
	return (a > b) - (a < b);
}

static int cmp_tier(const void *pa, const void *pb)
{
	const struct hf_tier_slot *a = pa, *b = pb;
	int c = (int)b->exists - (int)a->exists;

	if (!c)
		c = cmp_double(a->order, b->order);
	return c ? c : strcmp(a->name, b->name);
}

static double pol_order(const struct hf_policy_obj *obj)
{
	return obj->has_order ? obj->order : INFINITY;
}

static int cmp_pol_in_tier(const void *pa, const void *pb)
{
	const struct hf_pol *a = pa, *b = pb;
	int c = cmp_double(pol_order(a->obj), pol_order(b->obj));

	return c ? c : strcmp(a->key, b->key);
}

static int cmp_pol(const void *pa, const void *pb)
{
	const struct hf_pol *a = pa, *b = pb;
	int c = strcmp(a->obj->tier, b->obj->tier);

	return c ? c : cmp_pol_in_tier(pa, pb);
}

static int cmp_tier_name(const void *pa, const void *pb)
{
	const struct hf_tier_slot *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

/* Among the first n, which are sorted by name. */
static struct hf_tier_slot *tier_known(struct hf_build *b, size_t n, const char *name)
{
	struct hf_tier_slot key = {.name = name};

	return bsearch(&key, b->tiers, n, sizeof(*b->tiers), cmp_tier_name);
}

static int tier_add(struct hf_build *b, struct hf_tier_slot slot)
{
	slot.name = hf_arena_strdup(b->arena, slot.name);
	slot.origin = slot.name ? hf_arena_printf(b->arena, "tier-default:%s", slot.name) : NULL;
	if (!slot.origin)
		return hf_build_oom(b);
	b->tiers[b->n_tiers++] = slot;
	return 0;
}

/* Objects first, then the well-known ones that have none. */
static int add_tiers(struct hf_build *b)
{
	const struct hf_tier_obj *t;
	struct hf_tier_slot *known;
	size_t i, n;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->objs->tier.n; i++) {
		t = &b->objs->tier.v[i];
		rc = tier_add(b, (struct hf_tier_slot){.name = t->meta.name,
					 .exists = true,
					 .default_pass = t->default_pass,
					 .order = t->has_order ? t->order : INFINITY});
	}
	n = b->n_tiers; /* sorted by name, as the objects are */
	for (i = 0; rc == 0 && i < N_WELL_KNOWN; i++) {
		known = tier_known(b, n, well_known[i].name);
		if (known && isinf(known->order))
			known->order = well_known[i].order;
		if (!known)
			rc = tier_add(b, (struct hf_tier_slot){.name = well_known[i].name,
						 .exists = true,
						 .default_pass = well_known[i].default_pass,
						 .order = well_known[i].order});
	}
	return rc;
}

/* b->pols is sorted by tier name: hands every tier its run, makes the missing ones. */
static int fill_tiers(struct hf_build *b)
{
	struct hf_tier_slot *t;
	size_t i, end, n = b->n_tiers;
	int rc;

	qsort(b->tiers, n, sizeof(*b->tiers), cmp_tier_name); /* never empty */
	for (i = 0; i < b->n_pols; i = end) {
		const struct hf_policy_obj *obj = b->pols[i].obj;

		for (end = i; end < b->n_pols && strcmp(b->pols[end].obj->tier, obj->tier) == 0;)
			end++;
		t = tier_known(b, n, obj->tier);
		if (!t) {
			rc = obj->ref ? 0
				      : hf_warn_meta(b, "missing-tier", &obj->meta,
						"tier '%s' does not exist; its policies stand "
						"behind all others "
						"and what they do not decide is denied",
						obj->tier);
			if (rc == 0)
				rc = tier_add(b, (struct hf_tier_slot){
							 .name = obj->tier, .order = INFINITY});
			if (rc < 0)
				return rc;
			t = &b->tiers[b->n_tiers - 1];
		}
		t->first = i;
		t->n = end - i;
	}
	qsort(b->tiers, b->n_tiers, sizeof(*b->tiers), cmp_tier);
	return 0;
}

static const char *pol_id(struct hf_build *b, const struct hf_policy_obj *obj)
{
	static const char *const heads[] = {
		[HF_POLICY_GNP] = "gnp",
		[HF_POLICY_NP] = "np",
		[HF_POLICY_KNP] = "knp",
	};

	if (obj->kind == HF_POLICY_GNP)
		return hf_arena_printf(b->arena, "%s:%s", heads[obj->kind], obj->meta.name);
	return hf_arena_printf(b->arena, "%s:%s/%s", heads[obj->kind],
		obj->meta.ns ? obj->meta.ns : "", obj->meta.name);
}

static int pol_init(struct hf_build *b, struct hf_pol *p, const struct hf_policy_obj *obj)
{
	p->obj = obj;
	p->id = pol_id(b, obj);
	p->key = hf_arena_printf(b->tmp, "%s/%s/%s", obj->meta.name,
		obj->meta.ns ? obj->meta.ns : "", kind_names[obj->kind][obj->staged]);
	if (!p->id || !p->key)
		return hf_build_oom(b);
	return hf_scope_policy(b, obj, &p->scope);
}

/* Once the policies stand where they will stay. */
static int index_refs(struct hf_build *b)
{
	struct hf_pol *p;
	size_t i;

	for (i = 0; i < b->n_pols; i++) {
		p = &b->pols[i];
		if (!p->obj->ref)
			continue;
		HASH_ADD_KEYPTR(hh, b->pols_by_ref, p->obj->ref, strlen(p->obj->ref), p);
		if (!p->hh.tbl)
			return hf_build_oom(b);
	}
	return 0;
}

int hf_order_init(struct hf_build *b)
{
	const struct hf_objects *o = b->objs;
	size_t i;
	int rc;

	b->pols = hf_arena_calloc(b->tmp, o->policy.n, sizeof(*b->pols));
	b->tiers =
		hf_arena_calloc(b->tmp, o->tier.n + N_WELL_KNOWN + o->policy.n, sizeof(*b->tiers));
	if (!b->pols || !b->tiers)
		return hf_build_oom(b);
	for (i = 0; i < o->policy.n; i++) {
		if (o->policy.v[i].staged_delete)
			continue; /* announces the removal of a policy and has no rules */
		rc = pol_init(b, &b->pols[b->n_pols++], &o->policy.v[i]);
		if (rc < 0)
			return rc;
	}
	if (b->n_pols)
		qsort(b->pols, b->n_pols, sizeof(*b->pols), cmp_pol);
	rc = index_refs(b);
	if (rc == 0)
		rc = add_tiers(b);
	return rc < 0 ? rc : fill_tiers(b);
}

/* docs/semantics.md 2, the table; bits are 1 << enum hf_chain. */
static unsigned int chains_of(const struct hf_policy_obj *obj, bool workload)
{
	if (workload)
		return obj->untracked || obj->pre_dnat ? 0 : 1u << HF_CHAIN_NORMAL;
	if (obj->untracked)
		return 1u << HF_CHAIN_UNTRACKED;
	if (obj->pre_dnat)
		return 1u << HF_CHAIN_PREDNAT;
	return 1u << HF_CHAIN_NORMAL | (obj->on_forward ? 1u << HF_CHAIN_FORWARD : 0);
}

static bool has_dir(const struct hf_policy_obj *obj, bool egress)
{
	if (egress)
		return obj->egress && !(obj->pre_dnat && !obj->untracked);
	return obj->ingress;
}

static int pol_dir(
	struct hf_build *b, const struct hf_pol *p, bool egress, struct hf_model_policy *ret)
{
	const struct hf_policy_obj *obj = p->obj;
	const char *origin = hf_arena_printf(
		b->tmp, "%s/%s/%s", obj->tier, p->id, egress ? "egress" : "ingress");

	if (!origin)
		return hf_build_oom(b);
	return hf_rule_build(b, egress ? &obj->out : &obj->in, origin, obj->meta.ns, &ret->rules);
}

static struct hf_model_policy pol_head(const struct hf_pol *p)
{
	return (struct hf_model_policy){
		.id = p->id, .staged = p->obj->staged, .offload = (uint8_t)p->obj->meta.offload};
}

static int pol_rules(struct hf_build *b, struct hf_pol *p)
{
	struct hf_model_part part = {.id = p->obj->meta.id};
	struct hf_part_work w;
	int end, rc = hf_part_begin(b, &w);

	if (rc < 0)
		return rc;
	if (has_dir(p->obj, false))
		rc = pol_dir(b, p, false, &p->in);
	if (rc == 0 && has_dir(p->obj, true))
		rc = pol_dir(b, p, true, &p->out);
	part.in = p->in.rules;
	part.out = p->out.rules;
	end = hf_part_end(b, &w, &part);
	return rc < 0 ? rc : end;
}

/* Rules of a policy are made once and shared by all endpoints. */
int hf_order_build_policy(struct hf_build *b, struct hf_pol *p)
{
	const struct hf_model_part *part;
	int rc;

	if (p->built)
		return 0;
	p->built = true;
	if (has_dir(p->obj, false))
		p->in = pol_head(p);
	if (has_dir(p->obj, true))
		p->out = pol_head(p);
	rc = hf_part_find(b, p->obj->meta.id, &part);
	if (rc < 0 || !part)
		return rc < 0 ? rc : pol_rules(b, p);
	p->in.rules = part->in;
	p->out.rules = part->out;
	return 0;
}

int hf_order_count(struct hf_build *b, size_t n_policies)
{
	b->n_tier_pols += n_policies;
	if (b->n_tier_pols > HF_MODEL_TIERS_MAX)
		return hf_fail(b->err, -E2BIG,
			"%s: policies apply to endpoints of this node more than %u times", b->where,
			HF_MODEL_TIERS_MAX);
	return 0;
}

static int fill_dir(struct hf_build *b, struct hf_pol *const *pols, size_t n, unsigned int chain,
	bool workload, bool egress, struct hf_model_policies *ret)
{
	struct hf_model_policy *v;
	size_t i, k = 0;
	int rc;

	for (i = 0; i < n; i++)
		k += (chains_of(pols[i]->obj, workload) & chain) && has_dir(pols[i]->obj, egress);
	rc = hf_order_count(b, k);
	if (rc < 0)
		return rc;
	v = hf_arena_calloc(b->arena, k, sizeof(*v));
	if (!v)
		return hf_build_oom(b);
	*ret = (struct hf_model_policies){k, v};
	for (i = 0; i < n; i++) {
		if ((chains_of(pols[i]->obj, workload) & chain) && has_dir(pols[i]->obj, egress))
			*v++ = egress ? pols[i]->out : pols[i]->in;
	}
	return 0;
}

/* One tier of one list, or nothing when none of the policies is of that category. */
static int fill_tier(struct hf_build *b, const struct hf_tier_slot *t, struct hf_pol *const *pols,
	size_t n, enum hf_chain chain, struct hf_model_endpoint *ep)
{
	struct hf_model_tiers *list = &ep->tiers[chain];
	struct hf_model_tier *tier = &b->tier_room[chain * b->n_tiers + list->n];
	int rc;

	rc = fill_dir(b, pols, n, 1u << chain, ep->workload, false, &tier->in);
	if (rc == 0)
		rc = fill_dir(b, pols, n, 1u << chain, ep->workload, true, &tier->out);
	if (rc < 0 || tier->in.n + tier->out.n == 0)
		return rc;
	tier->name = t->name;
	tier->origin = t->origin;
	tier->default_pass =
		t->default_pass || chain == HF_CHAIN_UNTRACKED || chain == HF_CHAIN_PREDNAT;
	list->n++;
	return 0;
}

static int select_pols(struct hf_build *b, const struct hf_tier_slot *t,
	const struct hf_subject *subject, struct hf_pol **v, size_t *ret_n)
{
	bool workload = subject->kind == HF_SUBJECT_WEP;
	uint64_t cost = 0;
	size_t i, n = 0;
	int rc;

	for (i = t->first; i < t->first + t->n; i++)
		cost += b->pols[i].scope.cost;
	rc = hf_build_work(b, cost, b->where);
	if (rc < 0)
		return rc;
	for (i = t->first; i < t->first + t->n; i++) {
		struct hf_pol *p = &b->pols[i];

		if (p->obj->ref || !hf_scope_has(&p->scope, subject) ||
			!chains_of(p->obj, workload))
			continue;
		p->selects = true;
		rc = hf_order_build_policy(b, p);
		if (rc < 0)
			return rc;
		v[n++] = p;
	}
	*ret_n = n;
	return 0;
}

static int room(struct hf_build *b)
{
	if (b->picked)
		return 0;
	b->picked = hf_arena_calloc(b->tmp, b->n_pols + 1, sizeof(*b->picked));
	b->tier_room =
		hf_arena_calloc(b->tmp, b->n_tiers * HF_CHAIN_MAX_ + 1, sizeof(*b->tier_room));
	return b->picked && b->tier_room ? 0 : hf_build_oom(b);
}

int hf_order_endpoint(
	struct hf_build *b, const struct hf_subject *subject, struct hf_model_endpoint *ep)
{
	struct hf_model_tiers *list;
	size_t i, n = 0;
	int c, rc = room(b);

	for (i = 0; rc == 0 && i < b->n_tiers; i++) {
		rc = select_pols(b, &b->tiers[i], subject, b->picked, &n);
		for (c = 0; rc == 0 && n && c < HF_CHAIN_MAX_; c++)
			rc = fill_tier(b, &b->tiers[i], b->picked, n, (enum hf_chain)c, ep);
	}
	for (c = 0; rc == 0 && c < HF_CHAIN_MAX_; c++) {
		list = &ep->tiers[c];
		list->v = hf_arena_dup(b->arena, &b->tier_room[(size_t)c * b->n_tiers],
			list->n * sizeof(*list->v));
		if (!list->v)
			rc = hf_build_oom(b);
	}
	return rc;
}
