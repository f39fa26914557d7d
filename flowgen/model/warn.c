/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policies that cannot do what their author meant, as "code: place: text". docs/warnings.md lists
 * the codes; they are stable.
 */

#include "model/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int push(
	struct hf_build *b, const char *code, const char *where, const char *fmt, va_list ap)
{
	char *text = NULL;
	const char *line;

	if (vasprintf(&text, fmt, ap) < 0)
		return hf_build_oom(b);
	line = hf_arena_printf(b->arena, "%s: %s: %s", code, where, text);
	free(text);
	if (!line || hf_vec_push(&b->warnings, line))
		return hf_build_oom(b);
	return 0;
}

int hf_warn(struct hf_build *b, const char *code, const char *where, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = push(b, code, where, fmt, ap);
	va_end(ap);
	return rc;
}

int hf_warn_meta(
	struct hf_build *b, const char *code, const struct hf_meta *meta, const char *fmt, ...)
{
	const char *where = hf_build_place(b, &meta->place);
	va_list ap;
	int rc;

	if (!where)
		return hf_build_oom(b);
	va_start(ap, fmt);
	rc = push(b, code, *where ? where : meta->name, fmt, ap);
	va_end(ap);
	return rc;
}

static int warn_policies(struct hf_build *b)
{
	const struct hf_policy_obj *obj;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->n_pols; i++) {
		obj = b->pols[i].obj;
		if (!b->pols[i].selects && obj->kind == HF_POLICY_GNP)
			rc = hf_warn_meta(b, "policy-no-endpoint", &obj->meta,
				"policy '%s' applies to no endpoint of node '%s'", obj->meta.name,
				b->m->node);
		else if (b->pols[i].selects && obj->staged)
			rc = hf_warn_meta(b, "staged-not-enforced", &obj->meta,
				"policy '%s' is staged: its rules are not enforced",
				obj->meta.name);
	}
	return rc;
}

/* docs/semantics.md 3.2: untracked policy needs a named interface. */
static int warn_wildcards(struct hf_build *b)
{
	const struct hf_model_tiers *list;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->objs->hep.n; i++) {
		if (!b->heps[i] || !b->heps[i]->wildcard)
			continue;
		list = &b->heps[i]->tiers[HF_CHAIN_UNTRACKED];
		if (list->n)
			rc = hf_warn_meta(b, "untracked-wildcard", &b->objs->hep.v[i].meta,
				"doNotTrack policy '%s' has no effect on host endpoint '%s', which "
				"is for all interfaces",
				list->v[0].in.n ? list->v[0].in.v[0].id : list->v[0].out.v[0].id,
				b->heps[i]->name);
	}
	return rc;
}

int hf_warn_checks(struct hf_build *b)
{
	int rc = warn_policies(b);

	return rc < 0 ? rc : warn_wildcards(b);
}
