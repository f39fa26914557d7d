/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who a selector means: the labels of every endpoint and network set (docs/semantics.md 8, 11.6),
 * and the scope that the place of a selector adds to it (11.5).
 */

#include "model/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A label on its way to be merged: of equal keys the lowest rank stays. */
struct ranked {
	struct hf_label label;
	size_t rank;
};

struct merge {
	HF_VEC(struct ranked) v;
};

static int merge_add(struct merge *mg, const char *key, const char *value)
{
	struct ranked r = {.label = {key, value}, .rank = mg->v.n};

	return hf_vec_push(&mg->v, r);
}

static int merge_all(struct merge *mg, const struct hf_labels *labels)
{
	size_t i;

	for (i = 0; i < labels->n; i++) {
		if (merge_add(mg, labels->v[i].key, labels->v[i].value))
			return -1;
	}
	return 0;
}

static int cmp_ranked(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	int c = strcmp(a->label.key, b->label.key);

	return c ? c : (a->rank > b->rank) - (a->rank < b->rank);
}

static int merge_done(struct hf_build *b, struct merge *mg, struct hf_labels *ret)
{
	struct hf_label *v = hf_arena_calloc(b->tmp, mg->v.n, sizeof(*v));
	size_t i, n = 0;

	if (!v)
		return -1;
	if (mg->v.n)
		qsort(mg->v.v, mg->v.n, sizeof(*mg->v.v), cmp_ranked);
	for (i = 0; i < mg->v.n; i++) {
		if (n && strcmp(v[n - 1].key, mg->v.v[i].label.key) == 0)
			continue;
		v[n++] = mg->v.v[i].label;
	}
	*ret = (struct hf_labels){n, v};
	return 0;
}

/* Labels of a namespace or service account as its endpoints carry them. */
static int merge_prefixed(struct hf_build *b, struct merge *mg, const char *prefix,
	const char *name, const struct hf_labelled_obj *obj)
{
	size_t i;
	char *key = hf_arena_printf(b->tmp, "%s%s", prefix, HF_LABEL_NAME);

	if (!key || merge_add(mg, key, name))
		return -1;
	for (i = 0; obj && i < obj->meta.labels.n; i++) {
		key = hf_arena_printf(b->tmp, "%s%s", prefix, obj->meta.labels.v[i].key);
		if (!key || merge_add(mg, key, obj->meta.labels.v[i].value))
			return -1;
	}
	return 0;
}

static int merge_profiles(struct hf_build *b, struct merge *mg, const struct hf_names *profiles)
{
	const struct hf_profile_obj *p;
	size_t i;

	for (i = 0; i < profiles->n; i++) {
		p = HF_BUILD_FIND(b->objs->profile, NULL, profiles->v[i]);
		if (p && merge_all(mg, &p->to_apply))
			return -1;
	}
	return 0;
}

/* What the orchestrator puts on an endpoint wins over what its owner wrote; then own labels, then
 * those of its profiles in order, then those of its namespace and service account. */
static int subject_labels(struct hf_build *b, struct hf_subject *s, const char *orchestrator,
	const struct hf_names *profiles)
{
	struct merge mg = {0};
	int rc = 0;

	if (s->ns)
		rc |= merge_add(&mg, HF_LABEL_NS, s->ns);
	if (s->sa)
		rc |= merge_add(&mg, HF_LABEL_SA, s->sa);
	rc |= merge_all(&mg, &s->meta->labels);
	if (orchestrator)
		rc |= merge_add(&mg, HF_LABEL_ORCHESTRATOR, orchestrator);
	if (profiles)
		rc |= merge_profiles(b, &mg, profiles);
	if (s->ns)
		rc |= merge_prefixed(
			b, &mg, HF_PREFIX_NS, s->ns, HF_BUILD_FIND(b->objs->ns, NULL, s->ns));
	if (s->sa)
		rc |= merge_prefixed(
			b, &mg, HF_PREFIX_SA, s->sa, HF_BUILD_FIND(b->objs->sa, s->ns, s->sa));
	if (!rc)
		rc = merge_done(b, &mg, &s->labels);
	hf_vec_fini(&mg.v);
	if (rc)
		return hf_build_oom(b);
	b->n_labels += s->labels.n;
	if (b->n_labels > HF_MODEL_LABELS_MAX)
		return hf_fail(b->err, -E2BIG,
			"%s: endpoints and network sets have more than %u labels with those they "
			"inherit",
			hf_build_place(b, &s->meta->place), HF_MODEL_LABELS_MAX);
	return 0;
}

/* docs/semantics.md 8: a host endpoint adds its expectedIPs and nothing learned. */
static int hep_subject(struct hf_build *b, const struct hf_hep_obj *hep, struct hf_subject *s)
{
	struct hf_prefix *v = hf_arena_calloc(b->tmp, hep->expected.n, sizeof(*v));
	size_t i;

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < hep->expected.n; i++) {
		v[i].addr = hep->expected.v[i];
		v[i].len = (uint8_t)hf_addr_bits(&v[i].addr);
	}
	s->kind = HF_SUBJECT_HEP;
	s->meta = &hep->meta;
	s->nets = (struct hf_nets){hep->expected.n, v};
	s->ports = hep->ports;
	return subject_labels(b, s, NULL, &hep->profiles);
}

int hf_scope_init(struct hf_build *b)
{
	const struct hf_objects *o = b->objs;
	struct hf_subject *s;
	size_t i;
	int rc = 0;

	b->n_subjects = o->hep.n + o->wep.n + o->netset.n;
	b->subjects = s = hf_arena_calloc(b->tmp, b->n_subjects, sizeof(*s));
	if (!s)
		return hf_build_oom(b);
	for (i = 0; rc == 0 && i < o->hep.n; i++)
		rc = hep_subject(b, &o->hep.v[i], s++);
	for (i = 0; rc == 0 && i < o->wep.n; i++, s++) {
		const struct hf_wep_obj *w = &o->wep.v[i];

		*s = (struct hf_subject){HF_SUBJECT_WEP, &w->meta, w->meta.ns, w->sa,
			.nets = w->nets, .ports = w->ports};
		rc = subject_labels(b, s, w->pod ? "k8s" : NULL, &w->profiles);
	}
	for (i = 0; rc == 0 && i < o->netset.n; i++, s++) {
		const struct hf_netset_obj *n = &o->netset.v[i];

		*s = (struct hf_subject){HF_SUBJECT_NETSET, &n->meta, n->meta.ns, .nets = n->nets};
		rc = subject_labels(b, s, NULL, NULL);
	}
	return rc;
}

static void add_part(
	struct hf_scope *scope, const struct hf_selector *sel, const char *prefix, bool negate)
{
	scope->parts[scope->n_parts++] = (struct hf_scope_part){sel, prefix, negate};
	scope->cost += hf_selector_cost(sel);
}

/* A selector that speaks of other labels: all() and global() become has(label) and its negation. */
static int add_rewritten(struct hf_build *b, struct hf_scope *scope, const struct hf_selector *sel,
	const char *prefix, const char *label)
{
	const struct hf_selector *p;
	int rc = hf_selector_prefixed(b->tmp, sel, prefix, label, &p, b->err);

	if (rc < 0)
		return rc;
	add_part(scope, p, "", false);
	return 0;
}

/*
 * As Calico does it, a policy-level namespaceSelector or serviceAccountSelector also changes what
 * all() means in the policy's selector: endpoints that have a namespace, or a service account.
 */
int hf_scope_policy(struct hf_build *b, const struct hf_policy_obj *obj, struct hf_scope *ret)
{
	struct hf_scope s = {.cost = 1};
	int rc = 0;

	if (obj->kind != HF_POLICY_GNP)
		s.ns = obj->meta.ns ? obj->meta.ns : ""; /* hosts have none: never selected */
	if (obj->selector.sel && obj->ns_selector.sel)
		rc = add_rewritten(b, &s, obj->selector.sel, "", HF_LABEL_NS);
	else if (obj->selector.sel && obj->sa_selector.sel)
		rc = add_rewritten(b, &s, obj->selector.sel, "", HF_LABEL_SA);
	else if (obj->selector.sel)
		add_part(&s, obj->selector.sel, "", false);
	if (rc == 0 && obj->ns_selector.sel)
		rc = add_rewritten(b, &s, obj->ns_selector.sel, HF_PREFIX_NS, HF_LABEL_NS);
	if (rc == 0 && obj->sa_selector.sel)
		rc = add_rewritten(b, &s, obj->sa_selector.sel, HF_PREFIX_SA, HF_LABEL_SA);
	if (rc == 0)
		*ret = s;
	return rc;
}

int hf_scope_entity(struct hf_build *b, const struct hf_entity *e, const char *ns,
	struct hf_scope *ret, struct hf_scope *ret_not)
{
	struct hf_scope s = {.sa_names = e->sa_names, .cost = 1 + e->sa_names.n};
	struct hf_scope none = {.cost = 1};
	int rc = 0;

	if (e->selector.sel)
		add_part(&s, e->selector.sel, "", false);
	if (e->sa_selector.sel)
		add_part(&s, e->sa_selector.sel, HF_PREFIX_SA, false);
	if (e->ns_selector.sel)
		rc = add_rewritten(b, &s, e->ns_selector.sel, HF_PREFIX_NS, HF_LABEL_NS);
	else if (ns && (hf_scope_given(&s) || e->not_selector.sel))
		s.ns = ns;
	if (rc < 0)
		return rc;
	if (e->not_selector.sel)
		add_part(hf_scope_given(&s) ? &s : &none, e->not_selector.sel, "",
			hf_scope_given(&s));
	*ret = s;
	*ret_not = none;
	return 0;
}

bool hf_scope_given(const struct hf_scope *scope)
{
	return scope->n_parts > 0 || scope->ns || scope->sa_names.n > 0;
}

struct asked {
	const struct hf_labels *labels;
	const char *prefix;
};

static const char *label_of(const struct hf_labels *labels, const char *key)
{
	size_t lo = 0, hi = labels->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(labels->v[mid].key, key);

		if (c == 0)
			return labels->v[mid].value;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static const char *ask(void *arg, const char *key)
{
	const struct asked *q = arg;
	char buf[HF_SELECTOR_MAX + 16];
	int len;

	if (!*q->prefix)
		return label_of(q->labels, key);
	len = snprintf(buf, sizeof(buf), "%s%s", q->prefix, key);
	return len < 0 || (size_t)len >= sizeof(buf) ? NULL : label_of(q->labels, buf);
}

static bool sa_is(const struct hf_names *names, const char *sa)
{
	size_t i;

	for (i = 0; sa && i < names->n; i++) {
		if (strcmp(names->v[i], sa) == 0)
			return true;
	}
	return false;
}

bool hf_scope_has(const struct hf_scope *scope, const struct hf_subject *subject)
{
	struct asked q = {.labels = &subject->labels};
	unsigned int i;

	if (scope->ns && (!subject->ns || strcmp(scope->ns, subject->ns) != 0))
		return false;
	if (scope->sa_names.n && !sa_is(&scope->sa_names, label_of(&subject->labels, HF_LABEL_SA)))
		return false;
	for (i = 0; i < scope->n_parts; i++) {
		q.prefix = scope->parts[i].prefix;
		if (hf_selector_has(scope->parts[i].sel, ask, &q) == scope->parts[i].negate)
			return false;
	}
	return true;
}

static int text_part(struct hf_build *b, FILE *f, const struct hf_scope_part *part)
{
	int len = hf_selector_print(part->sel, NULL, 0);
	char *buf;

	if (len < 0)
		return -1;
	buf = hf_arena_alloc(b->tmp, (size_t)len + 1);
	if (!buf)
		return -1;
	(void)hf_selector_print(part->sel, buf, (size_t)len + 1); /* length known */
	fprintf(f, "%s%s(%s)", part->negate ? "!" : "", part->prefix, buf);
	return 0;
}

static const char *text_sep(const char **sep)
{
	const char *now = *sep;

	*sep = " && ";
	return now;
}

static int text_all(struct hf_build *b, FILE *f, const struct hf_scope *scope)
{
	const char *sep = "";
	size_t i;

	if (scope->ns)
		fprintf(f, "%s%s == '%s'", text_sep(&sep), HF_LABEL_NS, scope->ns);
	if (scope->sa_names.n)
		fprintf(f, "%s%s in {", text_sep(&sep), HF_LABEL_SA);
	for (i = 0; i < scope->sa_names.n; i++)
		fprintf(f, "%s'%s'", i ? ", " : "", scope->sa_names.v[i]);
	if (scope->sa_names.n)
		fputs("}", f);
	for (i = 0; i < scope->n_parts; i++) {
		fputs(text_sep(&sep), f);
		if (text_part(b, f, &scope->parts[i]) < 0)
			return -1;
	}
	return 0;
}

/* One selector and nothing else, which is what most rules have. */
static const char *text_bare(struct hf_build *b, const struct hf_selector *sel)
{
	char buf[256];
	int len = hf_selector_print(sel, buf, sizeof(buf));
	char *text;

	if (len < 0)
		return NULL;
	if ((size_t)len < sizeof(buf))
		return hf_arena_strndup(b->tmp, buf, (size_t)len);
	text = hf_arena_alloc(b->tmp, (size_t)len + 1);
	if (text)
		(void)hf_selector_print(sel, text, (size_t)len + 1); /* length known */
	return text;
}

const char *hf_scope_text(struct hf_build *b, const struct hf_scope *scope)
{
	const struct hf_scope_part *part = scope->parts;
	char *text = NULL, *ret;
	size_t size;
	FILE *f;
	int rc;

	if (scope->n_parts == 1 && !scope->ns && !scope->sa_names.n && !part->negate &&
		!*part->prefix)
		return text_bare(b, part->sel);
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	rc = text_all(b, f, scope);
	if (fclose(f) != 0)
		rc = -1;
	ret = rc ? NULL : hf_arena_strdup(b->tmp, text);
	free(text);
	return ret;
}
