/* SPDX-License-Identifier: BSD-3-Clause */

/* Policies, tiers and profiles. */

#include "policy/read.h"
#include "policy/valid.h"

#include <string.h>

#define ORDER_KUBE_ADMIN    1000.0
#define ORDER_DEFAULT	    1000000.0
#define ORDER_KUBE_BASELINE 10000000.0
#define TIER_NAME_MAX	    63 /* a DNS label */

/* A policy while it is read. */
struct policy_in {
	struct hf_policy_obj obj;
	const struct hf_yaml *spec;
	bool has_types;
	bool has_action;
	unsigned int action;
};

enum {
	STAGED_SET,
	STAGED_DELETE,
};

static int rd_types(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Ingress", "Egress"};
	struct policy_in *in = dst;
	bool *seen[] = {&in->obj.ingress, &in->obj.egress};
	unsigned int word;
	size_t i;
	int rc;

	if (node->kind != HF_YAML_SEQ)
		return hf_rd_bad(rd, node, "must be a list");
	if (node->n == 0)
		return hf_rd_bad(rd, node, "must not be empty: leave it out, or name a direction");
	for (i = 0; i < node->n; i++) {
		rc = hf_rd_word(rd, node->v[i], HF_WORDS(words), false, &word);
		if (rc < 0)
			return rc;
		if (*seen[word])
			return hf_rd_bad(rd, node->v[i], "'%s' given twice", words[word]);
		*seen[word] = true;
	}
	in->has_types = true;
	return 0;
}

static int rd_hints(struct hf_rd *rd, const struct hf_yaml *node, void *)
{
	static const char *const words[] = {"AssumeNeededOnEveryNode"};
	unsigned int word;

	if (node->kind != HF_YAML_SEQ)
		return hf_rd_bad(rd, node, "must be a list");
	if (node->n > 1)
		return hf_rd_bad(rd, node, "given twice");
	return node->n ? hf_rd_word(rd, node->v[0], HF_WORDS(words), false, &word) : 0;
}

static int rd_staged_action(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {
		[STAGED_SET] = "Set", [STAGED_DELETE] = "Delete", "Learn", "Ignore"};

	return hf_rd_word(rd, node, HF_WORDS(words), false, dst);
}

#define AT(member) offsetof(struct policy_in, obj.member)

#define NP_FIELDS                                                                                  \
	{"tier", hf_rd_name, AT(tier)}, {"order", hf_rd_order, AT(order), AT(has_order)},          \
		{"selector", hf_rd_selector, AT(selector)}, {"types", rd_types, 0},                \
		{"ingress", hf_rd_rules_in, AT(in)}, {"egress", hf_rd_rules_out, AT(out)},         \
		{"serviceAccountSelector", hf_rd_selector, AT(sa_selector)},                       \
	{                                                                                          \
		"performanceHints", rd_hints                                                       \
	}

#define GNP_FIELDS                                                                                 \
	NP_FIELDS, {"namespaceSelector", hf_rd_selector, AT(ns_selector)},                         \
		{"doNotTrack", hf_rd_bool, AT(untracked)}, {"preDNAT", hf_rd_bool, AT(pre_dnat)},  \
	{                                                                                          \
		"applyOnForward", hf_rd_bool, AT(on_forward)                                       \
	}

#define STAGED_FIELD                                                                               \
	{                                                                                          \
		"stagedAction", rd_staged_action, offsetof(struct policy_in, action),              \
			offsetof(struct policy_in, has_action)                                     \
	}

static const struct hf_field np_fields[] = {NP_FIELDS};
static const struct hf_field gnp_fields[] = {GNP_FIELDS};
static const struct hf_field staged_np_fields[] = {NP_FIELDS, STAGED_FIELD};
static const struct hf_field staged_gnp_fields[] = {GNP_FIELDS, STAGED_FIELD};
/* The rules are Kubernetes' own and never enforced: they are not read. */
static const struct hf_field staged_knp_fields[] = {
	STAGED_FIELD,
	{"podSelector"},
	{"ingress"},
	{"egress"},
	{"policyTypes", rd_types, 0},
};

/* docs/semantics.md 12 */
static void set_defaults(struct policy_in *in)
{
	struct hf_policy_obj *obj = &in->obj;

	if (!obj->tier)
		obj->tier = "default";
	if (in->has_types)
		return;
	obj->ingress = obj->in.n || !obj->out.n || obj->pre_dnat;
	obj->egress = obj->out.n && !obj->pre_dnat;
}

/* V21: Delete names a policy and says nothing more. */
static int check_delete(struct hf_rd *rd, const struct policy_in *in)
{
	const struct hf_yaml *spec = in->spec;
	size_t i;

	for (i = 0; i < spec->n; i++) {
		const char *key = spec->key[i]->text;
		const struct hf_yaml *v = spec->v[i];
		bool truth = false;
		bool empty = hf_yaml_is_null(v) || (v->kind != HF_YAML_SCALAR && v->n == 0) ||
			     (v->kind == HF_YAML_SCALAR && v->text[0] == '\0') ||
			     (hf_yaml_bool(v, &truth) == 0 && !truth);

		if (!empty && strcmp(key, "tier") != 0 && strcmp(key, "stagedAction") != 0)
			return hf_rd_fail(rd, spec->key[i],
				"%s: stagedAction Delete allows no field but 'tier'", key);
	}
	return 0;
}

static int rd_policy(struct hf_rd *rd, const struct hf_yaml *object, const struct hf_shape *shape,
	const struct hf_policy_obj *as, struct hf_policy_obj *dst)
{
	struct policy_in in = {.obj = *as, .spec = hf_rd_get(object, "spec")};
	int rc;

	in.obj.meta = dst->meta;
	if (!in.spec)
		in.spec = object; /* for messages only */
	rc = hf_rd_spec(rd, object, shape, &in);
	if (rc == 0)
		rc = hf_valid_policy_name(rd, object, &in.obj);
	if (rc == 0)
		rc = hf_valid_policy(rd, in.spec, &in.obj);
	if (rc == 0 && in.has_action && in.action == STAGED_DELETE) {
		rc = check_delete(rd, &in);
		in.obj.staged_delete = true;
	}
	if (rc < 0)
		return rc;
	set_defaults(&in);
	*dst = in.obj;
	return 0;
}

int hf_rd_gnp(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(gnp_fields);
	const struct hf_policy_obj as = {.kind = HF_POLICY_GNP};

	return rd_policy(rd, object, &shape, &as, dst);
}

int hf_rd_np(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(np_fields);
	const struct hf_policy_obj as = {.kind = HF_POLICY_NP};

	return rd_policy(rd, object, &shape, &as, dst);
}

int hf_rd_staged_gnp(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(staged_gnp_fields);
	const struct hf_policy_obj as = {.kind = HF_POLICY_GNP, .staged = true};

	return rd_policy(rd, object, &shape, &as, dst);
}

int hf_rd_staged_np(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(staged_np_fields);
	const struct hf_policy_obj as = {.kind = HF_POLICY_NP, .staged = true};

	return rd_policy(rd, object, &shape, &as, dst);
}

int hf_rd_staged_knp(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(staged_knp_fields);
	const struct hf_policy_obj as = {.kind = HF_POLICY_KNP, .staged = true};

	return rd_policy(rd, object, &shape, &as, dst);
}

static int rd_default_action(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Deny", "Pass"};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), false, &word);

	if (rc == 0)
		*(bool *)dst = word == 1;
	return rc;
}

static const struct hf_field tier_fields[] = {
	{"order", hf_rd_order, offsetof(struct hf_tier_obj, order),
		offsetof(struct hf_tier_obj, has_order)},
	{"defaultAction", rd_default_action, offsetof(struct hf_tier_obj, default_pass)},
};

/* V18: the tiers that Calico itself makes must look as it makes them. */
static int check_known_tier(
	struct hf_rd *rd, const struct hf_yaml *object, const struct hf_tier_obj *tier)
{
	static const struct {
		const char *name;
		double order;
		bool default_pass;
	} known[] = {
		{"default", ORDER_DEFAULT, false},
		{"kube-admin", ORDER_KUBE_ADMIN, true},
		{"kube-baseline", ORDER_KUBE_BASELINE, true},
	};
	const struct hf_yaml *spec = hf_rd_where(object, "spec");
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(tier->meta.name, known[i].name) != 0)
			continue;
		if (!tier->has_order || tier->order != known[i].order)
			return hf_rd_fail(rd, hf_rd_where(spec, "order"),
				"order: tier %s must have order %.0f", known[i].name,
				known[i].order);
		if (tier->default_pass != known[i].default_pass)
			return hf_rd_fail(rd, hf_rd_where(spec, "defaultAction"),
				"defaultAction: tier %s must have %s", known[i].name,
				known[i].default_pass ? "Pass" : "Deny");
	}
	return 0;
}

int hf_rd_tier(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(tier_fields);
	struct hf_tier_obj *tier = dst;
	size_t len = strlen(tier->meta.name);
	int rc;

	if (len > TIER_NAME_MAX || !hf_is_dns_label(tier->meta.name, len))
		return hf_rd_fail(rd, hf_rd_where(hf_rd_where(object, "metadata"), "name"),
			"name: '%.64s' is not a tier name: lower-case letters, digits and '-', at "
			"most %d characters",
			tier->meta.name, TIER_NAME_MAX);
	rc = hf_rd_spec(rd, object, &shape, tier);
	return rc < 0 ? rc : check_known_tier(rd, object, tier);
}

static const struct hf_field profile_fields[] = {
	{"ingress", hf_rd_rules_in, offsetof(struct hf_profile_obj, in)},
	{"egress", hf_rd_rules_out, offsetof(struct hf_profile_obj, out)},
	{"labelsToApply", hf_rd_labels, offsetof(struct hf_profile_obj, to_apply)},
};

int hf_rd_profile(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(profile_fields);

	return hf_rd_spec(rd, object, &shape, dst);
}
