/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents and lists: which kind an object is of, and who reads it. */

#include "policy/read.h"
#include "policy/set.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CALICO	   "projectcalico.org", "v3"
#define CALICO_CRD "crd.projectcalico.org", "v1"

#define CALICO_KIND(name, list, namespaced, read)                                                  \
	{name, CALICO, HF_LIST_##list, namespaced, false, read},                                   \
	{                                                                                          \
		name, CALICO_CRD, HF_LIST_##list, namespaced, false, read                          \
	}

const struct hf_kind hf_kinds[] = {
	CALICO_KIND("HostEndpoint", hep, false, hf_rd_hep),
	CALICO_KIND("WorkloadEndpoint", wep, true, hf_rd_wep),
	CALICO_KIND("GlobalNetworkPolicy", policy, false, hf_rd_gnp),
	CALICO_KIND("NetworkPolicy", policy, true, hf_rd_np),
	CALICO_KIND("StagedGlobalNetworkPolicy", policy, false, hf_rd_staged_gnp),
	CALICO_KIND("StagedNetworkPolicy", policy, true, hf_rd_staged_np),
	CALICO_KIND("StagedKubernetesNetworkPolicy", policy, true, hf_rd_staged_knp),
	CALICO_KIND("Tier", tier, false, hf_rd_tier),
	CALICO_KIND("Profile", profile, false, hf_rd_profile),
	CALICO_KIND("GlobalNetworkSet", netset, false, hf_rd_netset),
	CALICO_KIND("NetworkSet", netset, true, hf_rd_netset),
	CALICO_KIND("FelixConfiguration", felix, false, hf_rd_felix),
	CALICO_KIND("Node", node, false, hf_rd_node),
	CALICO_KIND("IPPool", ippool, false, hf_rd_ippool),
	CALICO_KIND("BGPConfiguration", bgpconf, false, hf_rd_bgpconf),
	{"Node", "", "v1", HF_LIST_node, false, true, hf_rd_kube_node},
	{"Namespace", "", "v1", HF_LIST_ns, false, true, hf_rd_labelled},
	{"ServiceAccount", "", "v1", HF_LIST_sa, true, true, hf_rd_labelled},
	{"Service", "", "v1", HF_LIST_service, true, true, hf_rd_service},
	{"EndpointSlice", "discovery.k8s.io", "v1", HF_LIST_slice, true, true, hf_rd_slice},
	{"HostFacts", "hepflow", "v1", HF_LIST_facts, false, false, hf_rd_facts},
};

const struct hf_kind hf_kind_ipset = {"IPSet", "hepflow", "v1", HF_LIST_ipset, false, false, NULL};

const size_t hf_n_kinds = sizeof(hf_kinds) / sizeof(hf_kinds[0]);

/*
 * Kinds of others that only share a name with one of ours. Any other group in front of one of our
 * names is taken for a typing error: a policy must not get lost by it.
 */
static const struct {
	const char *name;
	const char *group;
} namesakes[] = {
	{"NetworkPolicy", "networking.k8s.io"},
	{"NetworkPolicy", "extensions"},
	{"Service", "serving.knative.dev"},
	{"Profile", "kubeflow.org"},
	{"Profile", "tuned.openshift.io"},
	{"IPPool", "whereabouts.cni.cncf.io"},
	{"EndpointSlice", "endpointslice.cilium.io"},
	{"Node", "metrics.k8s.io"},
};

/* An object and what its list says about it. */
struct doc {
	const struct hf_yaml *node;
	const char *api;
	const char *kind;
};

static bool is_api(const char *api, const char *group, const char *version)
{
	size_t len = strlen(group);

	if (len == 0)
		return strcmp(api, version) == 0;
	return strncmp(api, group, len) == 0 && api[len] == '/' &&
	       strcmp(api + len + 1, version) == 0;
}

static bool is_namesake(const char *kind, const char *api)
{
	size_t i, len = strcspn(api, "/");

	for (i = 0; i < sizeof(namesakes) / sizeof(namesakes[0]); i++) {
		if (strcmp(kind, namesakes[i].name) == 0 && api[len] == '/' &&
			strlen(namesakes[i].group) == len &&
			strncmp(api, namesakes[i].group, len) == 0)
			return true;
	}
	return false;
}

static const struct hf_kind *kind_find(const char *name, const char *api, bool *ret_known)
{
	size_t i;

	*ret_known = false;
	for (i = 0; i < hf_n_kinds; i++) {
		if (strcmp(hf_kinds[i].name, name) != 0)
			continue;
		*ret_known = true;
		if (is_api(api, hf_kinds[i].group, hf_kinds[i].version))
			return &hf_kinds[i];
	}
	return NULL;
}

/* Policies and tiers are stricter, and say so themselves. */
static int check_name(struct hf_rd *rd, const struct hf_yaml *object, const struct hf_kind *kind,
	const struct hf_meta *meta)
{
	if (!strstr(kind->group, "projectcalico.org") || hf_is_dns_subdomain(meta->name))
		return 0;
	return hf_rd_fail(rd, hf_rd_where(hf_rd_where(object, "metadata"), "name"),
		"name: '%.64s' is not a name: lower-case letters, digits, '-' and '.', at most %d "
		"characters",
		meta->name, HF_NAME_MAX);
}

static int read_object(struct hf_rd *rd, const struct doc *doc, const struct hf_kind *kind)
{
	struct hf_entry entry = {.kind = kind, .batch = rd->batch, .seq = rd->batch->entries.n};
	int rc;

	entry.obj = hf_arena_alloc(rd->arena, hf_list_size(kind->list));
	if (!entry.obj)
		return hf_rd_nomem(rd);
	rd->key = NULL;
	rd->namespaced = kind->namespaced;
	rc = hf_rd_meta(rd, doc->node, kind->open,
		strcmp(kind->group, "crd.projectcalico.org") == 0, entry.obj);
	if (rc == 0)
		rc = kind->read(rd, doc->node, entry.obj);
	if (rc == 0)
		rc = check_name(rd, doc->node, kind, entry.obj);
	if (rc == 0 && hf_vec_push(&rd->batch->entries, entry))
		rc = hf_rd_nomem(rd);
	return rc;
}

static int read_doc(struct hf_rd *rd, const struct doc *doc);

/* kind: List, or one list per kind, whose items need not repeat kind and apiVersion. */
static int read_list(struct hf_rd *rd, const struct doc *doc)
{
	static const struct hf_field fields[] = {{"apiVersion"}, {"kind"}, {"metadata"}, {"items"}};
	static const struct hf_shape shape = HF_SHAPE(fields);
	size_t len = strlen(doc->kind) - 4, i;
	const struct hf_yaml *items = hf_rd_get(doc->node, "items");
	struct doc item = {.api = len ? doc->api : NULL};
	int rc = hf_rd_map(rd, doc->node, &shape, NULL);

	if (rc < 0 || !items)
		return rc;
	if (items->kind != HF_YAML_SEQ)
		return hf_rd_fail(rd, items, "items: must be a list");
	if (len) {
		item.kind = hf_arena_strndup(rd->arena, doc->kind, len);
		if (!item.kind)
			return hf_rd_nomem(rd);
	}
	for (i = 0; i < items->n && rc == 0; i++) {
		item.node = items->v[i];
		rc = read_doc(rd, &item);
	}
	return rc;
}

/* Text of a top-level field, or what the list says. */
static int get_word(struct hf_rd *rd, const struct hf_yaml *node, const char *key,
	const char *fallback, const char **ret)
{
	const struct hf_yaml *value = hf_rd_get(node, key);

	if (value && (value->kind != HF_YAML_SCALAR || value->text[0] == '\0'))
		return hf_rd_fail(rd, value, "%s: must be text", key);
	if (!value && !fallback)
		return hf_rd_fail(rd, node, "object without '%s'", key);
	*ret = value ? value->text : fallback;
	return 0;
}

static bool is_list(const char *kind)
{
	size_t len = strlen(kind);

	return len >= 4 && strcmp(kind + len - 4, "List") == 0;
}

static int read_doc(struct hf_rd *rd, const struct doc *outer)
{
	struct doc doc = {.node = outer->node};
	const struct hf_kind *kind;
	bool known;
	int rc;

	if (doc.node->kind != HF_YAML_MAP)
		return hf_rd_fail(rd, doc.node, "must be an object with 'apiVersion' and 'kind'");
	rc = get_word(rd, doc.node, "kind", outer->kind, &doc.kind);
	if (rc == 0)
		rc = get_word(rd, doc.node, "apiVersion", outer->api, &doc.api);
	if (rc < 0)
		return rc;
	if (is_list(doc.kind) && hf_yaml_get(doc.node, "items"))
		return read_list(rd, &doc);
	if (++rd->batch->n_docs > HF_POLICY_OBJECTS_MAX)
		return hf_rd_fail_code(rd, hf_rd_place(rd, doc.node), -E2BIG,
			"more than %u objects", HF_POLICY_OBJECTS_MAX);
	kind = kind_find(doc.kind, doc.api, &known);
	if (kind)
		return read_object(rd, &doc, kind);
	if (known && !is_namesake(doc.kind, doc.api))
		return hf_rd_fail(rd, hf_rd_where(doc.node, "apiVersion"),
			"apiVersion: kind %s is not known in '%.64s'", doc.kind, doc.api);
	if (known)
		return hf_rd_note(rd, hf_rd_place(rd, doc.node), "kind %.64s of %.64s skipped",
			doc.kind, doc.api);
	return hf_rd_note(rd, hf_rd_place(rd, doc.node), "kind %.64s skipped", doc.kind);
}

int hf_batch_read(
	struct hf_batch *batch, const char *name, const char *text, size_t size, struct hf_err *err)
{
	struct hf_arena *tree = hf_arena_new(); /* gone when the file is read */
	struct hf_rd rd = {.arena = batch->arena, .err = err, .batch = batch, .file = name};
	struct hf_yaml **docs = NULL;
	size_t n = 0, i;
	int rc;

	if (!tree)
		return hf_rd_nomem(&rd);
	rd.file = hf_arena_strdup(batch->arena, name);
	if (rd.file) {
		rc = hf_yaml_read(tree, name, text, size, &docs, &n, err);
	} else {
		rd.file = name;
		rc = hf_rd_nomem(&rd);
	}
	for (i = 0; rc == 0 && i < n; i++) {
		struct doc doc = {.node = docs[i]};

		rc = read_doc(&rd, &doc);
	}
	hf_arena_free(tree);
	return rc;
}
