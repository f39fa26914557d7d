/* SPDX-License-Identifier: BSD-3-Clause */

#include "felix/read.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>
#include <hepflow/policy.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hf_fx_nomem(struct hf_fx *fx)
{
	return hf_fail(fx->err, -ENOMEM, "felix: out of memory");
}

/* A rule puts its own place in front; everything else is named by fx->what. */
int hf_fx_bad(struct hf_fx *fx, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return hf_fail(fx->err, -EINVAL, "felix: %s: %s", fx->what, text);
}

static const struct hf_kind *kind_of(enum hf_list list)
{
	size_t i;

	for (i = 0; i < hf_n_kinds; i++) {
		if (hf_kinds[i].list == list)
			return &hf_kinds[i];
	}
	return &hf_kind_ipset;
}

void *hf_fx_add(struct hf_fx *fx, enum hf_list list, const char *ns, const char *name)
{
	struct hf_entry entry = {
		.kind = kind_of(list),
		.batch = fx->batch,
		.obj = hf_arena_alloc(fx->arena, hf_list_size(list)),
		.seq = fx->batch->entries.n,
	};
	struct hf_meta *meta = entry.obj; /* the first member of every kind */

	if (!meta)
		return NULL;
	meta->place.file = "felix";
	meta->name = hf_arena_strdup(fx->arena, name);
	if (ns && *ns)
		meta->ns = hf_arena_strdup(fx->arena, ns);
	if (!meta->name || (ns && *ns && !meta->ns) || hf_vec_push(&fx->batch->entries, entry))
		return NULL;
	return entry.obj;
}

const char *hf_fx_text(struct hf_fx *fx, const char *text)
{
	return hf_arena_strdup(fx->arena, text);
}

int hf_fx_names(struct hf_fx *fx, char *const *v, size_t n, struct hf_names *ret)
{
	const char **names = hf_arena_calloc(fx->arena, n, sizeof(*names));
	size_t i;

	if (!names)
		return hf_fx_nomem(fx);
	for (i = 0; i < n; i++) {
		names[i] = hf_fx_text(fx, v[i]);
		if (!names[i])
			return hf_fx_nomem(fx);
	}
	*ret = (struct hf_names){n, names};
	return 0;
}

int hf_fx_nets(struct hf_fx *fx, char *const *v, size_t n, struct hf_nets *ret)
{
	struct hf_prefix *nets = hf_arena_calloc(fx->arena, n, sizeof(*nets));
	size_t i;

	if (!nets)
		return hf_fx_nomem(fx);
	for (i = 0; i < n; i++) {
		if (hf_prefix_parse(v[i], &nets[i], NULL) < 0)
			return hf_fx_bad(fx, "'%.64s' is no net", v[i]);
	}
	*ret = (struct hf_nets){n, nets};
	return 0;
}

int hf_fx_addr(struct hf_fx *fx, const char *text, struct hf_addr *ret)
{
	return hf_addr_parse(text, ret) < 0 ? hf_fx_bad(fx, "'%.64s' is no address", text) : 0;
}

static int read_sets(struct hf_fx *fx)
{
	struct hf_felix_set *set;
	struct hf_ipset_obj *obj;

	for (set = fx->felix->sets; set; set = set->hh.next) {
		obj = hf_fx_add(fx, HF_LIST_ipset, NULL, set->id);
		if (!obj)
			return hf_fx_nomem(fx);
		obj->meta.id = set->as_is;
		obj->n_members = set->members.n;
		obj->members = hf_arena_dup(
			fx->arena, set->members.v, set->members.n * sizeof(*set->members.v));
		obj->nets.n = set->nets.n;
		obj->nets.v =
			hf_arena_dup(fx->arena, set->nets.v, set->nets.n * sizeof(*set->nets.v));
		if (!obj->members || !obj->nets.v)
			return hf_fx_nomem(fx);
	}
	return 0;
}

int hf_felix_read(const struct hf_felix *felix, const char *node, struct hf_policy *policy,
	struct hf_err *err)
{
	static int (*const steps[])(struct hf_fx *) = {
		hf_fx_config,
		hf_fx_cluster,
		read_sets,
		hf_fx_profiles,
		hf_fx_policies,
		hf_fx_endpoints,
	};
	struct hf_fx fx = {.felix = felix, .batch = hf_batch_new(), .err = err, .what = ""};
	size_t i;
	int rc = 0;

	if (!fx.batch)
		return hf_fx_nomem(&fx);
	fx.arena = fx.batch->arena;
	fx.node = hf_arena_strdup(fx.arena, node);
	if (!fx.node)
		rc = hf_fx_nomem(&fx);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == 0; i++)
		rc = steps[i](&fx);
	if (rc == 0)
		rc = hf_policy_merge(policy, fx.batch, err);
	if (rc < 0)
		hf_batch_free(fx.batch);
	return rc;
}
