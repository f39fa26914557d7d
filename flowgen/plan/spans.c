/* SPDX-License-Identifier: BSD-3-Clause */

#include "spans.h"

#include "rules/algebra.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct span *hf_plan_span_keep(struct span *span)
{
	atomic_fetch_add(&span->n_keepers, 1);
	return span;
}

void hf_plan_span_free(struct span *span)
{
	if (!span || atomic_fetch_sub(&span->n_keepers, 1) > 1)
		return;
	hf_plan_part_free(span->part);
	hf_entry_buf_free(span->buf);
	free(span->guards);
	hf_vec_fini(&span->misses);
	free(span);
}

static size_t hash_of(const struct part *part, uint32_t at, const struct cube *ctx)
{
	uint64_t h = hf_hash_mix((uintptr_t)part, at);

	h = hf_hash_mix(h, ctx->src.len + 256 * (uint64_t)ctx->dst.len);
	h = hf_hash_mix(h, ctx->sport.lo + ctx->proto[0]);
	return (size_t)hf_hash_mix(h, ctx->dport.lo + ctx->src.addr.b[3]);
}

static bool same_cube(const struct cube *a, const struct cube *b)
{
	return a->family == b->family && memcmp(a->proto, b->proto, sizeof(a->proto)) == 0 &&
	       hf_prefix_equal(&a->src, &b->src) && hf_prefix_equal(&a->dst, &b->dst) &&
	       a->sport.lo == b->sport.lo && a->sport.hi == b->sport.hi &&
	       a->dport.lo == b->dport.lo && a->dport.hi == b->dport.hi && a->type == b->type &&
	       a->type_mask == b->type_mask && a->code == b->code && a->code_mask == b->code_mask &&
	       a->set[0] == b->set[0] && a->set[1] == b->set[1];
}

int hf_plan_spans_init(struct spans *s, const struct memory *memory,
	const struct family_memory *old, struct family_memory *ret)
{
	size_t i, k;

	*s = (struct spans){.memory = memory, .old = old, .ret = ret, .guarded = true};
	if (!old)
		return 0;
	for (s->size = 16; s->size < 2 * old->slots.n;)
		s->size *= 2;
	s->index = calloc(s->size, sizeof(*s->index));
	if (!s->index)
		return -ENOMEM;
	for (i = 0; i < old->slots.n; i++) {
		const struct span *is = old->slots.v[i].span;

		for (k = hash_of(is->part, is->at, &is->ctx); s->index[k & (s->size - 1)];)
			k++;
		s->index[k & (s->size - 1)] = i + 1;
	}
	return 0;
}

void hf_plan_spans_fini(struct spans *s)
{
	free(s->index);
}

static bool says_same(const struct item *a, const struct item *b)
{
	return same_cube(&a->cube, &b->cube) && a->ct == b->ct && a->fate == b->fate &&
	       a->reason == b->reason;
}

static int note_guard(struct spans *s, const struct item *guard)
{
	size_t at = s->ret->guards.n;

	if (s->old && s->guarded)
		s->guarded = at < s->old->guards.n && says_same(&s->old->guards.v[at], guard);
	return hf_vec_push(&s->ret->guards, *guard) ? -ENOMEM : 0;
}

const struct span *hf_plan_spans_keep(struct spans *s, struct part *part, uint32_t at, uint32_t n,
	const struct cube *ctx, uint8_t ct)
{
	struct spot slot = {.kept = true};
	size_t k, i;

	if (!s->old || !s->guarded)
		return NULL;
	for (k = hash_of(part, at, ctx); s->index[k & (s->size - 1)]; k++) {
		struct span *is = s->old->slots.v[i = s->index[k & (s->size - 1)] - 1].span;

		if (i < s->next || (i >= s->avoid_first && i < s->avoid_end) || is->part != part ||
			is->at != at || is->n != n || is->ct != ct ||
			is->guards_before != s->ret->guards.n || !same_cube(&is->ctx, ctx))
			continue;
		slot.span = is;
		slot.old = i;
		for (i = 0; i < is->n_guards; i++) {
			if (note_guard(s, &is->guards[i]) < 0)
				return NULL; /* then they are written out, or that fails as well */
		}
		if (hf_vec_push(&s->ret->slots, slot))
			return NULL;
		(void)hf_plan_span_keep(is);
		s->next = slot.old + 1;
		s->n_items += is->n_items;
		return is;
	}
	return NULL;
}

void hf_note_protos(uint64_t named[4], bool *spell, const uint64_t bits[4])
{
	size_t k;

	if (hf_protos_all(bits))
		return;
	if (hf_protos_count(bits) > 32) {
		*spell = true; /* "all but": cannot be told from "any" by a mask */
		for (k = 0; k < 4; k++)
			named[k] |= ~bits[k];
		return;
	}
	for (k = 0; k < 4; k++)
		named[k] |= bits[k];
}

static int fill_span(struct spans *s, struct span *span, const struct items *items, size_t first)
{
	size_t i;
	int rc = 0;

	span->n_items = items->n - first;
	span->guards_before = s->ret->guards.n;
	for (i = first; i < items->n; i++) {
		hf_note_protos(span->named, &span->spell, items->v[i].cube.proto);
		span->n_guards += !(items->v[i].ct & HF_CT_BIT(HF_CT_NEW));
	}
	span->guards = calloc(span->n_guards + 1, sizeof(*span->guards));
	if (!span->guards)
		return -ENOMEM;
	span->n_guards = 0;
	for (i = first; i < items->n && rc == 0; i++) {
		if (items->v[i].ct & HF_CT_BIT(HF_CT_NEW))
			continue;
		span->guards[span->n_guards++] = items->v[i];
		rc = note_guard(s, &items->v[i]);
	}
	return rc;
}

int hf_plan_spans_add(struct spans *s, struct part *part, uint32_t at, uint32_t n,
	const struct cube *ctx, uint8_t ct, const struct items *items, size_t first_item, bool ends)
{
	struct span *span = calloc(1, sizeof(*span));
	struct spot slot = {.span = span, .first_item = first_item, .end_item = items->n};
	int rc;

	if (!span)
		return -ENOMEM;
	atomic_init(&span->n_keepers, 1);
	span->part = hf_plan_part_keep(part);
	span->at = at;
	span->n = n;
	span->ctx = *ctx;
	span->ct = ct;
	span->ends = ends;
	rc = fill_span(s, span, items, first_item);
	if (rc == 0 && hf_vec_push(&s->ret->slots, slot))
		rc = -ENOMEM;
	if (rc < 0)
		hf_plan_span_free(span);
	s->n_items += items->n - first_item;
	return rc;
}

/* Whether all of the old spans are kept, and none is new. */
static bool all_kept(const struct family_memory *is, const struct family_memory *old)
{
	size_t i;

	for (i = 0; i < is->slots.n && is->slots.v[i].kept; i++)
		;
	return i == is->slots.n && is->slots.n == old->slots.n;
}

bool hf_plan_spans_agree(struct family_memory *is, const struct family_memory *old, bool spell,
	const uint8_t *named, size_t n_named)
{
	is->spell = spell;
	is->n_named = n_named;
	memcpy(is->named, named, n_named);
	if (!old)
		return true;
	if (old->deep && !all_kept(is, old))
		return false;
	is->deep = old->deep;
	return old->spell == spell && old->n_named == n_named &&
	       memcmp(old->named, named, n_named) == 0;
}
