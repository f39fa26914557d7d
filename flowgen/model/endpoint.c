/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which endpoint governs which interface (docs/semantics.md 8), and what each endpoint brings
 * along.
 */

#include "model/build.h"

#include <string.h>

static bool here(const struct hf_build *b, const char *node)
{
	return strcmp(node, b->m->node) == 0;
}

static bool is_star(const struct hf_hep_obj *hep)
{
	return hep->iface && strcmp(hep->iface, "*") == 0;
}

/* Rule 3: by name, or by address if it names none. */
static bool matches(const struct hf_build *b, const struct hf_hep_obj *hep, size_t iface)
{
	const struct hf_iface_info *info = &b->infos.v[iface];
	size_t i, k;

	if (hep->iface && *hep->iface)
		return strcmp(hep->iface, b->ifaces.v[iface].id.name) == 0;
	for (i = 0; i < hep->expected.n; i++) {
		for (k = 0; k < info->addrs.n; k++) {
			if (hf_addr_equal(&hep->expected.v[i], &info->addrs.v[k].addr))
				return true;
		}
	}
	return false;
}

/* b->objs->hep is sorted by name, so the first that matches is the winner (rule 4). */
static int resolve_iface(struct hf_build *b, size_t iface, bool *met)
{
	const struct hf_hep_obj *hep = b->objs->hep.v;
	struct hf_model_endpoint *winner = NULL;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->objs->hep.n; i++) {
		if (!b->heps[i] || is_star(&hep[i]))
			continue;
		rc = hf_build_work(
			b, 1 + hep[i].expected.n * b->infos.v[iface].addrs.n, hep[i].meta.name);
		if (rc < 0 || !matches(b, &hep[i], iface))
			continue;
		met[i] = true;
		if (winner) {
			rc = hf_warn_meta(b, "hep-shadowed", &hep[i].meta,
				"host endpoint '%s' loses interface '%s' to '%s', whose name is "
				"smaller",
				hep[i].meta.name, b->ifaces.v[iface].id.name, winner->name);
			continue;
		}
		winner = b->heps[i];
		if (b->infos.v[iface].down)
			winner->status = HF_ENDPOINT_DOWN;
		else if (winner->status == HF_ENDPOINT_ERROR)
			winner->status = HF_ENDPOINT_UP;
	}
	b->ifaces.v[iface].hep = winner;
	return rc;
}

static int resolve_star(struct hf_build *b)
{
	const struct hf_hep_obj *hep = b->objs->hep.v;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->objs->hep.n; i++) {
		if (!b->heps[i] || !is_star(&hep[i]))
			continue;
		b->heps[i]->wildcard = true;
		if (b->m->star) {
			rc = hf_warn_meta(b, "hep-shadowed", &hep[i].meta,
				"host endpoint '%s' for all interfaces loses to '%s', whose name "
				"is "
				"smaller",
				hep[i].meta.name, b->m->star->name);
			continue;
		}
		b->heps[i]->status = HF_ENDPOINT_UP;
		b->m->star = b->heps[i];
	}
	return rc;
}

static int warn_unmatched(struct hf_build *b, const bool *met)
{
	const struct hf_hep_obj *hep = b->objs->hep.v;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->objs->hep.n; i++) {
		if (!b->heps[i] || met[i] || is_star(&hep[i]))
			continue;
		if (hep[i].iface && *hep[i].iface)
			rc = hf_warn_meta(b, "hep-no-interface", &hep[i].meta,
				"host endpoint '%s' has no effect: '%s' is no interface of node "
				"'%s' that a host endpoint can govern",
				hep[i].meta.name, hep[i].iface, b->m->node);
		else
			rc = hf_warn_meta(b, "hep-no-interface", &hep[i].meta,
				"host endpoint '%s' has no effect: no interface of node '%s' has "
				"one of its expectedIPs",
				hep[i].meta.name, b->m->node);
	}
	return rc;
}

static int resolve(struct hf_build *b)
{
	bool *met = hf_arena_calloc(b->tmp, b->objs->hep.n, sizeof(*met));
	size_t i;
	int rc;

	if (!met)
		return hf_build_oom(b);
	rc = resolve_star(b);
	for (i = 0; rc == 0 && i < b->ifaces.n; i++) {
		if (b->infos.v[i].candidate)
			rc = resolve_iface(b, i, met);
	}
	return rc < 0 ? rc : warn_unmatched(b, met);
}

static int endpoint_new(struct hf_build *b, const struct hf_meta *meta, bool workload,
	struct hf_model_endpoint **ret)
{
	struct hf_model_endpoint *ep = hf_arena_calloc(b->arena, 1, sizeof(*ep));

	if (!ep)
		return hf_build_oom(b);
	if (workload)
		ep->name = hf_arena_printf(b->arena, "%s/%s", meta->ns ? meta->ns : "", meta->name);
	else
		ep->name = hf_arena_strdup(b->arena, meta->name);
	if (!ep->name)
		return hf_build_oom(b);
	ep->workload = workload;
	ep->offload = (uint8_t)meta->offload;
	*ret = ep;
	return 0;
}

/* One pod to an interface: the first by namespace and name. */
static int attach_wep(struct hf_build *b, const struct hf_wep_obj *w, struct hf_model_endpoint *ep)
{
	struct hf_model_iface *iface;
	int at;

	if (!w->iface)
		return hf_warn_meta(b, "wep-no-interface", &w->meta,
			"workload endpoint '%s' has no interfaceName, so its traffic is taken for "
			"that of a remote address",
			ep->name);
	at = hf_host_find(b, w->iface);
	iface = &b->ifaces.v[at];
	if (iface->wep)
		return hf_warn_meta(b, "wep-shadowed", &w->meta,
			"workload endpoint '%s' loses interface '%s' to '%s'", ep->name, w->iface,
			iface->wep->name);
	iface->wep = ep;
	ep->status = b->infos.v[at].down ? HF_ENDPOINT_DOWN : HF_ENDPOINT_UP;
	return 0;
}

static int make_all(struct hf_build *b)
{
	const struct hf_objects *o = b->objs;
	size_t i;
	int rc = 0;

	b->heps = hf_arena_calloc(b->tmp, o->hep.n, sizeof(*b->heps));
	b->weps = hf_arena_calloc(b->tmp, o->wep.n, sizeof(*b->weps));
	if (!b->heps || !b->weps)
		return hf_build_oom(b);
	for (i = 0; rc == 0 && i < o->hep.n; i++) {
		if (here(b, o->hep.v[i].node))
			rc = endpoint_new(b, &o->hep.v[i].meta, false, &b->heps[i]);
	}
	for (i = 0; rc == 0 && i < o->wep.n; i++) {
		if (!here(b, o->wep.v[i].node))
			continue;
		rc = endpoint_new(b, &o->wep.v[i].meta, true, &b->weps[i]);
		if (rc == 0)
			rc = attach_wep(b, &o->wep.v[i], b->weps[i]);
	}
	return rc;
}

static int fill(struct hf_build *b, const struct hf_subject *subject,
	const struct hf_names *profiles, const struct hf_tier_lists *tiers,
	struct hf_model_endpoint *ep)
{
	int rc;

	b->where = hf_build_place(b, &subject->meta->place);
	if (!b->where)
		return hf_build_oom(b);
	if (!*b->where)
		b->where = ep->name;
	rc = hf_rule_profiles(b, profiles, ep);
	if (rc < 0)
		return rc;
	return tiers ? hf_order_listed(b, tiers, ep) : hf_order_endpoint(b, subject, ep);
}

static int fill_all(struct hf_build *b)
{
	const struct hf_objects *o = b->objs;
	const struct hf_subject *s = b->subjects;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < o->hep.n; i++, s++) {
		if (b->heps[i])
			rc = fill(b, s, &o->hep.v[i].profiles, o->hep.v[i].tiers, b->heps[i]);
	}
	for (i = 0; rc == 0 && i < o->wep.n; i++, s++) {
		if (b->weps[i])
			rc = fill(b, s, &o->wep.v[i].profiles, o->wep.v[i].tiers, b->weps[i]);
	}
	return rc;
}

static int cmp_endpoint(const void *pa, const void *pb)
{
	const struct hf_model_endpoint *a = *(const struct hf_model_endpoint *const *)pa;
	const struct hf_model_endpoint *b = *(const struct hf_model_endpoint *const *)pb;
	int c = (int)a->workload - (int)b->workload;

	return c ? c : strcmp(a->name, b->name);
}

static int list_all(struct hf_build *b)
{
	size_t i, n = 0, max = b->objs->hep.n + b->objs->wep.n;
	const struct hf_model_endpoint **v = hf_arena_calloc(b->arena, max, sizeof(*v));

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < b->objs->hep.n; i++) {
		if (b->heps[i])
			v[n++] = b->heps[i];
	}
	for (i = 0; i < b->objs->wep.n; i++) {
		if (b->weps[i])
			v[n++] = b->weps[i];
	}
	if (n)
		qsort(v, n, sizeof(*v), cmp_endpoint);
	b->m->endpoints = v;
	b->m->n_endpoints = n;
	return 0;
}

static int list_ifaces(struct hf_build *b)
{
	struct hf_model_iface *v = hf_arena_dup(b->arena, b->ifaces.v, b->ifaces.n * sizeof(*v));
	struct hf_iface_info *info;
	size_t i;

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < b->ifaces.n; i++) {
		info = &b->infos.v[i];
		v[i].n_addrs = info->addrs.n;
		v[i].addrs = hf_arena_dup(
			b->arena, info->addrs.v, info->addrs.n * sizeof(*info->addrs.v));
		v[i].n_sources = hf_sets_pack(info->sources.v, info->sources.n);
		v[i].sources = hf_arena_dup(
			b->arena, info->sources.v, v[i].n_sources * sizeof(*info->sources.v));
		if (!v[i].addrs || !v[i].sources)
			return hf_build_oom(b);
	}
	b->m->ifaces = v;
	b->m->n_ifaces = b->ifaces.n;
	return 0;
}

int hf_host_endpoints(struct hf_build *b)
{
	int rc = make_all(b);

	if (rc == 0)
		rc = resolve(b);
	if (rc == 0)
		rc = fill_all(b);
	if (rc == 0)
		rc = list_all(b);
	return rc < 0 ? rc : list_ifaces(b);
}
