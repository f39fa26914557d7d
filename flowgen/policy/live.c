/* SPDX-License-Identifier: BSD-3-Clause */

/* What a running kernel says of the host, in place of what a HostFacts object says. */

#include "policy/set.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct hf_kind *facts_kind(void)
{
	size_t i;

	for (i = 0; i < hf_n_kinds && hf_kinds[i].list != HF_LIST_facts; i++)
		;
	return &hf_kinds[i];
}

static const struct hf_facts_obj *facts_of(const struct hf_policy *policy, const char *node)
{
	size_t i;

	for (i = 0; i < policy->objects.facts.n; i++) {
		if (strcmp(policy->objects.facts.v[i].meta.name, node) == 0)
			return &policy->objects.facts.v[i];
	}
	return NULL;
}

static int copy_ifaces(
	struct hf_arena *a, const struct hf_live_host *host, struct hf_facts_obj *ret)
{
	struct hf_facts_iface *v = hf_arena_calloc(a, host->n_ifaces, sizeof(*v));
	struct hf_facts_addr *addrs;
	size_t i, k;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < host->n_ifaces; i++) {
		const struct hf_live_iface *from = &host->ifaces[i];

		addrs = hf_arena_calloc(a, from->n_addrs, sizeof(*addrs));
		v[i].name = hf_arena_strdup(a, from->name);
		if (!addrs || !v[i].name)
			return -ENOMEM;
		for (k = 0; k < from->n_addrs; k++)
			addrs[k] = (struct hf_facts_addr){from->addrs[k].addr, from->addrs[k].len};
		v[i].addrs = addrs;
		v[i].n_addrs = from->n_addrs;
		v[i].down = from->down;
	}
	ret->ifaces = v;
	ret->n_ifaces = host->n_ifaces;
	return 0;
}

/* By destination, and for one destination as given: they lie in one array. */
static int cmp_route(const void *pa, const void *pb)
{
	const struct hf_live_route *a = *(const struct hf_live_route *const *)pa;
	const struct hf_live_route *b = *(const struct hf_live_route *const *)pb;
	int c = hf_prefix_cmp(&a->dst, &b->dst);

	return c ? c : (a > b) - (a < b);
}

/* Of several routes to one destination the first that was given stays. */
static int copy_routes(
	struct hf_arena *a, const struct hf_live_host *host, struct hf_facts_obj *ret)
{
	const struct hf_live_route **by_dst =
		hf_arena_calloc(a, host->n_routes, sizeof(struct hf_live_route *));
	struct hf_facts_route *v = hf_arena_calloc(a, host->n_routes, sizeof(*v));
	size_t i, n = 0;

	if (!v || !by_dst)
		return -ENOMEM;
	for (i = 0; i < host->n_routes; i++)
		by_dst[i] = &host->routes[i];
	if (host->n_routes)
		qsort(by_dst, host->n_routes, sizeof(*by_dst), cmp_route);
	for (i = 0; i < host->n_routes; i++) {
		if (n && hf_prefix_equal(&v[n - 1].dst, &by_dst[i]->dst))
			continue;
		v[n].dst = by_dst[i]->dst;
		v[n].dev = hf_arena_strdup(a, by_dst[i]->dev);
		if (!v[n++].dev)
			return -ENOMEM;
	}
	ret->routes = v;
	ret->n_routes = n;
	return 0;
}

/* What a kernel's lists of links, addresses and routes do not tell stays as the object has it. */
static int copy_rest(struct hf_arena *a, const struct hf_facts_obj *from, struct hf_facts_obj *ret)
{
	struct hf_facts_dnat *v;
	size_t i;

	if (!from)
		return 0;
	v = hf_arena_dup(a, from->dnats, from->n_dnats * sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (i = 0; i < from->n_dnats; i++) {
		v[i].to = hf_arena_dup(a, from->dnats[i].to, v[i].n_to * sizeof(*v[i].to));
		v[i].place = (struct hf_place){0}; /* of a text that may go */
		if (!v[i].to)
			return -ENOMEM;
	}
	ret->dnats = v;
	ret->n_dnats = from->n_dnats;
	ret->drop_input = from->drop_input;
	ret->drop_output = from->drop_output;
	ret->drop_forward = from->drop_forward;
	return 0;
}

static int fill(struct hf_batch *batch, const struct hf_policy *policy, const char *node,
	const struct hf_live_host *host)
{
	struct hf_entry entry = {
		.kind = facts_kind(),
		.batch = batch,
		.obj = hf_arena_alloc(batch->arena, hf_list_size(HF_LIST_facts)),
	};
	struct hf_facts_obj *obj = entry.obj;
	int rc;

	if (!obj)
		return -ENOMEM;
	obj->meta.place.file = "kernel";
	obj->meta.name = hf_arena_strdup(batch->arena, node);
	if (!obj->meta.name)
		return -ENOMEM;
	rc = copy_ifaces(batch->arena, host, obj);
	if (rc == 0)
		rc = copy_routes(batch->arena, host, obj);
	if (rc == 0)
		rc = copy_rest(batch->arena, facts_of(policy, node), obj);
	if (rc == 0 && hf_vec_push(&batch->entries, entry))
		rc = -ENOMEM;
	return rc;
}

int hf_policy_set_host(struct hf_policy *policy, const char *node, const struct hf_live_host *host,
	struct hf_err *err)
{
	struct hf_batch *batch = hf_batch_new();
	int rc = batch ? fill(batch, policy, node, host) : -ENOMEM;

	if (rc < 0)
		rc = hf_fail(err, rc, "facts of the kernel: out of memory");
	else
		rc = hf_policy_merge(policy, batch, err);
	if (rc < 0)
		hf_batch_free(batch);
	return rc;
}
