/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Files that were read before and have not changed by one byte are not read again: their objects
 * go into the next policy set as they are, ids and all. A cache has what the last set was read
 * from.
 */

#include "policy/set.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct file {
	char *name;
	char *text;
	size_t size;
	uint64_t turn;		/* of the set that used it last */
	struct hf_batch *batch; /* of this file alone, the counts too */
	UT_hash_handle hh;
};

struct hf_policy_cache {
	uint64_t turn;
	struct file *files;
};

struct hf_policy_cache *hf_policy_cache_new(void)
{
	return calloc(1, sizeof(struct hf_policy_cache));
}

static void drop(struct hf_policy_cache *cache, struct file *file)
{
	HASH_DEL(cache->files, file);
	hf_batch_free(file->batch);
	free(file->name);
	free(file->text);
	free(file);
}

void hf_policy_cache_free(struct hf_policy_cache *cache)
{
	while (cache && cache->files)
		drop(cache, cache->files);
	free(cache);
}

void hf_policy_use_cache(struct hf_policy *policy, struct hf_policy_cache *cache)
{
	struct file *f, *next;

	policy->cache = cache;
	for (f = cache->files; f; f = next) {
		next = f->hh.next;
		if (f->turn != cache->turn)
			drop(cache, f);
	}
	cache->turn++;
}

/* Puts what the file has into the batch, whose arena keeps the objects. */
static int add(struct hf_batch *batch, struct file *file, struct hf_err *err)
{
	const struct hf_batch *from = file->batch;
	size_t i;

	batch->n_docs += from->n_docs;
	batch->n_rules += from->n_rules;
	if (batch->n_docs > HF_POLICY_OBJECTS_MAX || batch->n_rules > HF_RULES_FILE_MAX)
		return hf_fail(err, -E2BIG, "%s: more than %u %s", file->name,
			batch->n_docs > HF_POLICY_OBJECTS_MAX ? HF_POLICY_OBJECTS_MAX
							      : HF_RULES_FILE_MAX,
			batch->n_docs > HF_POLICY_OBJECTS_MAX ? "objects" : "rules");
	if (hf_arena_keep(batch->arena, from->arena) < 0)
		return hf_fail(err, -ENOMEM, "%s: out of memory", file->name);
	for (i = 0; i < from->entries.n; i++) {
		struct hf_entry e = from->entries.v[i];

		e.batch = batch;
		e.seq = batch->entries.n;
		if (hf_vec_push(&batch->entries, e))
			return hf_fail(err, -ENOMEM, "%s: out of memory", file->name);
	}
	for (i = 0; i < from->notes.n; i++) {
		char *note = strdup(from->notes.v[i]);

		if (!note || hf_vec_push(&batch->notes, note)) {
			free(note);
			return hf_fail(err, -ENOMEM, "%s: out of memory", file->name);
		}
	}
	return 0;
}

/* Not in the cache yet. NULL: err says why not. */
static struct file *read_new(
	const char *name, const char *text, size_t size, int *ret_rc, struct hf_err *err)
{
	struct file *f = calloc(1, sizeof(*f));
	int rc = f ? 0 : -ENOMEM;

	if (f) {
		f->name = strdup(name);
		f->text = malloc(size + 1);
		f->size = size;
		f->batch = hf_batch_new();
		rc = f->name && f->text && f->batch ? 0 : -ENOMEM;
	}
	if (rc == 0) {
		if (size)
			memcpy(f->text, text, size);
		rc = hf_batch_read(f->batch, name, text, size, err);
	} else {
		(void)hf_fail(err, rc, "%s: out of memory", name);
	}
	*ret_rc = rc;
	if (rc == 0)
		return f;
	if (f) {
		hf_batch_free(f->batch);
		free(f->name);
		free(f->text);
	}
	free(f);
	return NULL;
}

int hf_cache_read(struct hf_policy_cache *cache, struct hf_batch *batch, const char *name,
	const char *text, size_t size, struct hf_err *err)
{
	struct file *f;
	int rc = 0;

	HASH_FIND_STR(cache->files, name, f);
	if (f && (f->size != size || (size && memcmp(f->text, text, size) != 0))) {
		drop(cache, f);
		f = NULL;
	}
	if (f) {
		f->turn = cache->turn;
		return add(batch, f, err);
	}
	f = read_new(name, text, size, &rc, err);
	if (!f)
		return rc;
	hf_number_objects(f->batch);
	f->turn = cache->turn;
	HASH_ADD_KEYPTR(hh, cache->files, f->name, strlen(f->name), f);
	rc = add(batch, f, err);
	if (!f->hh.tbl) { /* the batch has the objects now, and nothing is remembered */
		hf_batch_free(f->batch);
		free(f->name);
		free(f->text);
		free(f);
	}
	return rc;
}
