/* SPDX-License-Identifier: BSD-3-Clause */

/* metadata: of an object. */

#include "policy/read.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OFFLOAD_KEY "hepflow/offload"
/* Where crd.projectcalico.org/v1 keeps the metadata of the v3 object, as JSON. */
#define CRD_META_KEY "projectcalico.org/metadata"

struct meta_in {
	const char *name;
	const char *ns;
	struct hf_labels labels;
	const struct hf_yaml *annotations;
};

static int keep_node(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	if (node->kind != HF_YAML_MAP)
		return hf_rd_bad(rd, node, "must be a mapping");
	*(const struct hf_yaml **)dst = node;
	return 0;
}

static const struct hf_field meta_fields[] = {
	{"name", hf_rd_text, offsetof(struct meta_in, name)},
	{"namespace", hf_rd_text, offsetof(struct meta_in, ns)},
	{"labels", hf_rd_labels, offsetof(struct meta_in, labels)},
	{"annotations", keep_node, offsetof(struct meta_in, annotations)},
	{"generateName"},
	{"selfLink"},
	{"uid"},
	{"resourceVersion"},
	{"generation"},
	{"creationTimestamp"},
	{"deletionTimestamp"},
	{"deletionGracePeriodSeconds"},
	{"ownerReferences"},
	{"finalizers"},
	{"managedFields"},
	{"clusterName"},
};

/* An unknown annotation of ours is a typing error, and the wish in it must not get lost. */
static int read_wishes(struct hf_rd *rd, const struct hf_yaml *annotations, enum hf_offload *ret)
{
	static const char *const words[] = {
		[HF_OFFLOAD_PREFER] = "prefer",
		[HF_OFFLOAD_REQUIRE] = "require",
		[HF_OFFLOAD_FORBID] = "forbid",
	};
	unsigned int word;
	size_t i;
	int rc;

	for (i = 0; i < annotations->n; i++) {
		const struct hf_yaml *key = annotations->key[i];

		if (strncmp(key->text, "hepflow/", 8) != 0)
			continue;
		if (strcmp(key->text, OFFLOAD_KEY) != 0)
			return hf_rd_fail(rd, key, "unknown annotation '%.64s'", key->text);
		rd->key = OFFLOAD_KEY;
		rc = hf_rd_word(rd, annotations->v[i], HF_WORDS(words), false, &word);
		rd->key = NULL;
		if (rc < 0)
			return rc;
		*ret = (enum hf_offload)word;
	}
	return 0;
}

/* Labels of add come on top of those in labels, which are sorted as well. */
static int merge_labels(struct hf_rd *rd, struct hf_labels *labels, const struct hf_labels *add)
{
	struct hf_label *v = hf_arena_calloc(rd->arena, labels->n + add->n, sizeof(*v));
	size_t i = 0, j = 0, n = 0;

	if (!v)
		return hf_rd_nomem(rd);
	while (i < labels->n || j < add->n) {
		int cmp = i == labels->n ? 1
			  : j == add->n	 ? -1
					 : strcmp(labels->v[i].key, add->v[j].key);

		if (cmp < 0) {
			v[n++] = labels->v[i++];
			continue;
		}
		i += cmp == 0;
		v[n++] = add->v[j++];
	}
	*labels = (struct hf_labels){.n = n, .v = v};
	return 0;
}

/*
 * crd.projectcalico.org/v1 objects as the cluster stores them: labels, annotations and the v3 name
 * stand in an annotation, and win over what the object itself says.
 */
static int read_crd_meta(struct hf_rd *rd, const struct hf_yaml *node, struct hf_meta *meta)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(meta_fields);
	struct hf_arena *arena = hf_arena_new();
	struct meta_in in = {0};
	struct hf_yaml **docs;
	struct hf_err why = {0};
	size_t n;
	int rc;

	if (!arena)
		return hf_rd_nomem(rd);
	rc = hf_yaml_read(arena, CRD_META_KEY, node->text, strlen(node->text), &docs, &n, &why);
	if (rc == 0 && n == 1) {
		/* Places within the annotation mean nothing: point at the annotation. */
		struct hf_rd sub = *rd;

		sub.err = &why;
		rc = hf_rd_map(&sub, docs[0], &shape, &in);
	} else if (rc == 0) {
		rc = -EINVAL;
	}
	if (rc == -ENOMEM)
		rc = hf_rd_nomem(rd);
	else if (rc < 0)
		rc = hf_rd_fail(rd, node, "annotation " CRD_META_KEY " is broken");
	if (rc == 0 && in.name)
		meta->name = in.name;
	if (rc == 0 && in.labels.n)
		rc = merge_labels(rd, &meta->labels, &in.labels);
	if (rc == 0 && in.annotations)
		rc = read_wishes(rd, in.annotations, &meta->offload);
	hf_arena_free(arena);
	return rc;
}

static int check_scope(
	struct hf_rd *rd, const struct hf_yaml *node, bool open, struct hf_meta *meta)
{
	if (rd->namespaced && !meta->ns)
		meta->ns = "default";
	if (rd->namespaced || !meta->ns)
		return 0;
	meta->ns = NULL;
	return open ? 0
		    : hf_rd_fail(rd, hf_rd_where(node, "namespace"),
			      "namespace: this kind does not live in one");
}

int hf_rd_meta(
	struct hf_rd *rd, const struct hf_yaml *object, bool open, bool crd, struct hf_meta *meta)
{
	const struct hf_shape shape = {
		meta_fields, sizeof(meta_fields) / sizeof(meta_fields[0]), open};
	const struct hf_yaml *node = hf_rd_get(object, "metadata");
	const struct hf_yaml *stored;
	struct meta_in in = {0};
	int rc;

	if (!node)
		return hf_rd_fail(rd, object, "object without 'metadata'");
	rd->key = "metadata";
	rc = hf_rd_map(rd, node, &shape, &in);
	rd->key = NULL;
	if (rc < 0)
		return rc;
	if (!in.name)
		return hf_rd_fail(rd, node, "metadata without a 'name'");
	meta->place = hf_rd_place(rd, object);
	meta->name = in.name;
	meta->ns = in.ns;
	meta->labels = in.labels;
	if (in.annotations)
		rc = read_wishes(rd, in.annotations, &meta->offload);
	stored = crd && in.annotations ? hf_rd_get(in.annotations, CRD_META_KEY) : NULL;
	if (rc == 0 && stored && stored->kind == HF_YAML_SCALAR)
		rc = read_crd_meta(rd, stored, meta);
	if (rc == 0)
		rc = check_scope(rd, node, open, meta);
	return rc;
}

const char *hf_labels_find(const struct hf_labels *labels, const char *key)
{
	size_t lo = 0, hi = labels->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strcmp(key, labels->v[mid].key);

		if (cmp == 0)
			return labels->v[mid].value;
		if (cmp < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
