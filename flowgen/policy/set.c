/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/set.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/id.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t hf_list_size(enum hf_list list)
{
	static const size_t sizes[] = {
#define SIZE(kind, type) [HF_LIST_##kind] = sizeof(type),
		HF_POLICY_KINDS(SIZE)
#undef SIZE
	};

	return sizes[list];
}

struct hf_batch *hf_batch_new(void)
{
	struct hf_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->arena = hf_arena_new();
	if (!batch->arena) {
		free(batch);
		return NULL;
	}
	return batch;
}

void hf_batch_free(struct hf_batch *batch)
{
	size_t i;

	if (!batch)
		return;
	for (i = 0; i < batch->notes.n; i++)
		free(batch->notes.v[i]);
	hf_vec_fini(&batch->notes);
	hf_vec_fini(&batch->entries);
	hf_arena_free(batch->arena);
	free(batch);
}

int hf_rd_note(struct hf_rd *rd, struct hf_place place, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	char *note;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* as long as an error may be */
	va_end(ap);
	if ((place.line ? asprintf(&note, "%s:%u:%u: %s", place.file, place.line, place.col, text)
			: asprintf(&note, "%s: %s", place.file, text)) < 0)
		return hf_rd_nomem(rd);
	if (hf_vec_push(&rd->batch->notes, note)) {
		free(note);
		return hf_rd_nomem(rd);
	}
	return 0;
}

int hf_policy_new(struct hf_policy **ret, struct hf_err *err)
{
	struct hf_policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return hf_fail(err, -ENOMEM, "policy: out of memory");
	*ret = policy;
	return 0;
}

static void objects_fini(struct hf_objects *objects)
{
#define FREE(kind, type) free(objects->kind.v);
	HF_POLICY_KINDS(FREE)
#undef FREE
}

void hf_policy_free(struct hf_policy *policy)
{
	struct hf_batch *b, *next;
	size_t i;

	if (!policy)
		return;
	for (b = policy->batches; b; b = next) {
		next = b->next;
		hf_batch_free(b);
	}
	for (i = 0; i < policy->notes.n; i++)
		free(policy->notes.v[i]);
	hf_vec_fini(&policy->notes);
	hf_vec_fini(&policy->entries);
	objects_fini(&policy->objects);
	free(policy);
}

const struct hf_objects *hf_policy_objects(const struct hf_policy *policy)
{
	return &policy->objects;
}

size_t hf_policy_n_notes(const struct hf_policy *policy)
{
	return policy->notes.n;
}

const char *hf_policy_note(const struct hf_policy *policy, size_t i)
{
	return i < policy->notes.n ? policy->notes.v[i] : NULL;
}

static const struct hf_meta *meta_of(const struct hf_entry *e)
{
	return e->obj; /* the first member of every kind */
}

static const char *ns_of(const struct hf_entry *e)
{
	return meta_of(e)->ns ? meta_of(e)->ns : "";
}

/* Kinds of the same name are one kind in two API versions (docs/semantics.md 12, crd and v3). */
static int kind_cmp(const struct hf_kind *a, const struct hf_kind *b)
{
	int cmp = strcmp(a->name, b->name);

	return cmp ? cmp : a->open - b->open;
}

/* By list and name: the order of hf_objects. Equal = the same object. */
static int entry_cmp(const void *a, const void *b)
{
	const struct hf_entry *x = a, *y = b;
	int cmp = (int)x->kind->list - (int)y->kind->list;

	if (cmp == 0)
		cmp = strcmp(ns_of(x), ns_of(y));
	if (cmp == 0)
		cmp = strcmp(meta_of(x)->name, meta_of(y)->name);
	return cmp ? cmp : kind_cmp(x->kind, y->kind);
}

/* Of what is the same, the first that was read comes first. */
static int sort_cmp(const void *a, const void *b)
{
	const struct hf_entry *x = a, *y = b;
	int cmp = entry_cmp(a, b);

	return cmp ? cmp : (x->seq > y->seq) - (x->seq < y->seq);
}

static int fail_twice(const struct hf_entry *a, const struct hf_entry *b, struct hf_err *err)
{
	const struct hf_meta *first = meta_of(a), *second = meta_of(b);

	return hf_fail(err, -EINVAL, "%s:%u:%u: %s '%s%s%.64s' is already at %s:%u:%u",
		second->place.file, second->place.line, second->place.col, a->kind->name,
		second->ns ? second->ns : "", second->ns ? "/" : "", second->name,
		first->place.file, first->place.line, first->place.col);
}

/* Merges two sorted lists; where both have an object the new one wins. */
static size_t merge_entries(const struct hf_entry *old, size_t n_old, const struct hf_entry *new,
	size_t n_new, struct hf_entry *ret)
{
	size_t i = 0, j = 0, n = 0;

	while (i < n_old || j < n_new) {
		int cmp = i == n_old ? 1 : j == n_new ? -1 : entry_cmp(&old[i], &new[j]);

		if (cmp < 0) {
			ret[n++] = old[i++];
			continue;
		}
		i += cmp == 0;
		ret[n++] = new[j++];
	}
	return n;
}

/* Copies the objects of one list, which stand together in the entries, into an array. */
static int list_build(
	const struct hf_entry *entries, size_t n, size_t size, void **ret_v, size_t *ret_n)
{
	char *v = calloc(n ? n : 1, size);
	size_t i;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		memcpy(v + i * size, entries[i].obj, size);
	*ret_v = v;
	*ret_n = n;
	return 0;
}

static int objects_build(const struct hf_entry *entries, size_t n, struct hf_objects *ret)
{
	size_t at = 0, end;
	void *v;

#define BUILD(kind_, type)                                                                         \
	for (end = at; end < n && entries[end].kind->list == HF_LIST_##kind_; end++)               \
		;                                                                                  \
	if (list_build(entries + at, end - at, sizeof(type), &v, &ret->kind_.n) < 0)               \
		return -ENOMEM;                                                                    \
	ret->kind_.v = v;                                                                          \
	at = end;
	HF_POLICY_KINDS(BUILD)
#undef BUILD
	return 0;
}

void hf_number_objects(struct hf_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->entries.n; i++) {
		struct hf_meta *meta = batch->entries.v[i].obj;

		if (!meta->id)
			meta->id = hf_id_new();
	}
}

/* Frees the batches that nothing is left of. */
static void drop_dead(struct hf_policy *policy)
{
	struct hf_batch **at = &policy->batches;
	size_t i;

	for (i = 0; i < policy->entries.n; i++)
		policy->entries.v[i].batch->n_live++;
	while (*at) {
		struct hf_batch *b = *at;

		if (b->n_live) {
			b->n_live = 0;
			at = &b->next;
			continue;
		}
		*at = b->next;
		hf_batch_free(b);
	}
}

/* Makes room first, so that what follows cannot fail. */
static int notes_reserve(struct hf_policy *policy, size_t n)
{
	size_t cap = policy->notes.n + n;
	char **v;

	if (cap <= policy->notes.cap)
		return 0;
	v = reallocarray(policy->notes.v, cap, sizeof(*v));
	if (!v)
		return -ENOMEM;
	policy->notes.v = v;
	policy->notes.cap = cap;
	return 0;
}

int hf_policy_merge(struct hf_policy *policy, struct hf_batch *take_batch, struct hf_err *err)
{
	struct hf_batch *batch = take_batch;
	struct hf_objects objects = {0};
	struct hf_entry *merged;
	size_t i, n;

	if (batch->entries.n)
		qsort(batch->entries.v, batch->entries.n, sizeof(*batch->entries.v), sort_cmp);
	for (i = 1; i < batch->entries.n; i++) {
		if (entry_cmp(&batch->entries.v[i - 1], &batch->entries.v[i]) == 0)
			return fail_twice(&batch->entries.v[i - 1], &batch->entries.v[i], err);
	}
	hf_number_objects(batch);
	n = policy->entries.n + batch->entries.n;
	merged = calloc(n ? n : 1, sizeof(*merged));
	if (!merged || notes_reserve(policy, batch->notes.n) < 0) {
		free(merged);
		return hf_fail(err, -ENOMEM, "policy: out of memory");
	}
	n = merge_entries(
		policy->entries.v, policy->entries.n, batch->entries.v, batch->entries.n, merged);
	if (n > HF_POLICY_OBJECTS_MAX || objects_build(merged, n, &objects) < 0) {
		objects_fini(&objects);
		free(merged);
		return n > HF_POLICY_OBJECTS_MAX
			       ? hf_fail(err, -E2BIG, "policy: more than %u objects",
					 HF_POLICY_OBJECTS_MAX)
			       : hf_fail(err, -ENOMEM, "policy: out of memory");
	}
	hf_vec_fini(&policy->entries);
	policy->entries.v = merged;
	policy->entries.n = policy->entries.cap = n;
	objects_fini(&policy->objects);
	policy->objects = objects;
	for (i = 0; i < batch->notes.n; i++)
		policy->notes.v[policy->notes.n++] = batch->notes.v[i];
	hf_vec_fini(&batch->notes);
	hf_vec_fini(&batch->entries);
	batch->next = policy->batches;
	policy->batches = batch;
	drop_dead(policy);
	return 0;
}
