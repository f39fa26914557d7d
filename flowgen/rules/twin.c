/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Endpoints that the same policies and profiles select are governed alike: one of them stands for
 * all, and the blocks made for it serve them too. On a node with hundreds of pods this is what
 * keeps the table small.
 */

#define HASH_NONFATAL_OOM	 1
#define uthash_nonfatal_oom(elt) (b->rc = -ENOMEM)

#include "build.h"

#include <hepflow/base/arena.h>

#include <uthash.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct twin {
	const struct hf_model_endpoint *endpoint;
	struct twin *first;
	size_t n_others; /* of the first: how many more there are */
	UT_hash_handle hh;
};

struct sort {
	const char *text;
	struct twin *first;
	UT_hash_handle hh;
};

static void put_policies(FILE *f, const struct hf_model_policies *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		fprintf(f, " %s %d %u\n", list->v[i].id, list->v[i].staged, list->v[i].offload);
	fputs(".\n", f);
}

/* All that a chain depends on. No name has a line break in it. */
static void put_sort(FILE *f, const struct hf_model_endpoint *ep)
{
	size_t chain, i;

	fprintf(f, "%d %u\n", ep->workload, ep->offload);
	for (chain = 0; chain < HF_CHAIN_MAX_; chain++) {
		fprintf(f, "chain %zu\n", chain);
		for (i = 0; i < ep->tiers[chain].n; i++) {
			const struct hf_model_tier *tier = &ep->tiers[chain].v[i];

			fprintf(f, "%s %d\n", tier->name, tier->default_pass);
			put_policies(f, &tier->in);
			put_policies(f, &tier->out);
		}
	}
	for (i = 0; i < ep->n_profiles; i++)
		fprintf(f, "profile %s\n", ep->profiles[i]->name);
}

static const char *sort_text(struct build *b, const struct hf_model_endpoint *ep)
{
	const char *copy = NULL;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f) {
		put_sort(f, ep);
		if (fclose(f) == 0)
			copy = hf_arena_strndup(b->tmp, text, size);
	}
	free(text);
	if (!copy)
		b->rc = -ENOMEM;
	return copy;
}

static void add_twin(struct build *b, struct sort **sorts, const struct hf_model_endpoint *ep)
{
	struct twin *twin = hf_arena_alloc(b->tmp, sizeof(*twin));
	struct sort *sort = hf_arena_alloc(b->tmp, sizeof(*sort)), *old;
	const char *text = sort_text(b, ep);

	if (!twin || !sort || !text) {
		b->rc = -ENOMEM;
		return;
	}
	HASH_FIND_STR(*sorts, text, old);
	twin->endpoint = ep;
	twin->first = old ? old->first : twin;
	HASH_ADD_PTR(b->twins, endpoint, twin);
	if (old) {
		old->first->n_others++;
		return;
	}
	sort->text = text;
	sort->first = twin;
	HASH_ADD_KEYPTR(hh, *sorts, sort->text, strlen(sort->text), sort);
}

void hf_find_twins(struct build *b)
{
	struct sort *sorts = NULL;
	size_t i;

	for (i = 0; i < b->model->n_endpoints && b->rc == 0; i++)
		add_twin(b, &sorts, b->model->endpoints[i]);
	HASH_CLEAR(hh, sorts);
}

static struct twin *find_first(struct build *b, const struct hf_model_endpoint *ep)
{
	struct twin *twin = NULL;

	if (ep)
		HASH_FIND_PTR(b->twins, &ep, twin);
	return twin ? twin->first : NULL;
}

const struct hf_model_endpoint *hf_first_twin(struct build *b, const struct hf_model_endpoint *ep)
{
	const struct twin *first = find_first(b, ep);

	return first ? first->endpoint : ep;
}

size_t hf_n_other_twins(struct build *b, const struct hf_model_endpoint *ep)
{
	const struct twin *first = find_first(b, ep);

	return first ? first->n_others : 0;
}

void hf_free_twins(struct build *b)
{
	HASH_CLEAR(hh, b->twins);
}
