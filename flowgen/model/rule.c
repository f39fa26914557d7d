/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of policies and profiles with their names resolved; docs/semantics.md 11.
 */

#include "model/build.h"

#include <hepflow/base/id.h>

#include <string.h>

static const enum hf_rule_action actions[] = {
	[HF_ACTION_DENY] = HF_RULE_DENY,
	[HF_ACTION_ALLOW] = HF_RULE_ALLOW,
	[HF_ACTION_PASS] = HF_RULE_PASS,
	[HF_ACTION_LOG] = HF_RULE_LOG,
};

static int copy_nets(
	struct hf_build *b, const struct hf_nets *nets, size_t *ret_n, const struct hf_prefix **ret)
{
	*ret = hf_arena_dup(b->arena, nets->v, nets->n * sizeof(*nets->v));
	*ret_n = nets->n;
	return *ret ? 0 : hf_build_oom(b);
}

/* docs/semantics.md 11.3: named ports are limited to the positive selector, negated ones too. */
static int build_ports(struct hf_build *b, const struct hf_port_specs *specs,
	const struct hf_scope *scope, int proto, bool positive, struct hf_model_ports *ret)
{
	struct hf_ports *ranges = hf_arena_calloc(b->arena, specs->n, sizeof(*ranges));
	uint32_t *sets = hf_arena_calloc(b->arena, specs->n, sizeof(*sets));
	size_t i;
	int rc;

	if (!ranges || !sets)
		return hf_build_oom(b);
	for (i = 0; i < specs->n; i++) {
		if (!specs->v[i].name) {
			ranges[ret->n_ranges++] = specs->v[i].range;
			continue;
		}
		rc = hf_sets_port(b, scope, specs->v[i].name, proto, positive, &sets[ret->n_sets]);
		if (rc < 0)
			return rc;
		ret->n_sets++;
	}
	ret->ranges = ranges;
	ret->sets = sets;
	return 0;
}

/* docs/semantics.md 11.1: with ports as a destination, addresses alone as a source. */
static int build_service(struct hf_build *b, const struct hf_service_ref *ref, const char *ns,
	bool dst, struct hf_model_side *ret)
{
	if (!ref->name)
		return 0;
	return hf_sets_service(
		b, ref->ns ? ref->ns : ns, ref->name, dst, dst ? &ret->service : &ret->set);
}

static int add_port_sets(
	struct hf_build *b, const struct hf_names *ids, struct hf_model_ports *ports)
{
	uint32_t *sets;
	size_t i;
	int rc = 0;

	if (ids->n == 0)
		return 0;
	sets = hf_arena_calloc(b->arena, ports->n_sets + ids->n, sizeof(*sets));
	if (!sets)
		return hf_build_oom(b);
	memcpy(sets, ports->sets, ports->n_sets * sizeof(*sets));
	for (i = 0; i < ids->n && rc == 0; i++)
		rc = hf_sets_any_of(b, &(struct hf_names){1, &ids->v[i]}, &sets[ports->n_sets + i]);
	ports->sets = sets;
	ports->n_sets += ids->n;
	return rc;
}

/* What Felix has resolved; such a side has no selectors. */
static int build_resolved(struct hf_build *b, const struct hf_entity *e, struct hf_model_side *ret)
{
	int rc = 0;

	if (e->set_ids.n)
		rc = hf_sets_all_of(b, &e->set_ids, &ret->set);
	if (rc == 0 && e->not_set_ids.n)
		rc = hf_sets_any_of(b, &e->not_set_ids, &ret->not_set);
	if (rc == 0 && e->member_set_ids.n)
		rc = hf_sets_all_of(b, &e->member_set_ids, &ret->service);
	if (rc == 0)
		rc = add_port_sets(b, &e->port_set_ids, &ret->ports);
	return rc < 0 ? rc : add_port_sets(b, &e->not_port_set_ids, &ret->not_ports);
}

static int build_side(struct hf_build *b, const struct hf_entity *e, const char *ns, int proto,
	bool dst, struct hf_model_side *ret)
{
	struct hf_scope scope, not_scope;
	int rc;

	ret->set = ret->not_set = ret->service = HF_NO_SET;
	rc = copy_nets(b, &e->nets, &ret->n_nets, &ret->nets);
	if (rc == 0)
		rc = copy_nets(b, &e->not_nets, &ret->n_not_nets, &ret->not_nets);
	if (rc == 0)
		rc = hf_scope_entity(b, e, ns, &scope, &not_scope);
	if (rc < 0)
		return rc;
	if (hf_scope_given(&scope))
		rc = hf_sets_scope(b, &scope, true, &ret->set);
	if (rc == 0 && hf_scope_given(&not_scope))
		rc = hf_sets_scope(b, &not_scope, false, &ret->not_set);
	if (rc == 0)
		rc = build_ports(b, &e->ports, &scope, proto, true, &ret->ports);
	if (rc == 0)
		rc = build_ports(b, &e->not_ports, &scope, proto, false, &ret->not_ports);
	if (rc == 0)
		rc = build_service(b, &e->service, ns, dst, ret);
	return rc < 0 ? rc : build_resolved(b, e, ret);
}

static struct hf_model_icmp build_icmp(const struct hf_icmp_spec *s)
{
	return (struct hf_model_icmp){s->given, s->has_type, s->has_code, s->type, s->code};
}

/* docs/semantics.md 11.1: the names ICMP and ICMPv6 imply a family, their numbers do not. */
static uint8_t implied_family(const struct hf_policy_rule *r)
{
	if (r->ip_version || !r->proto.given || !r->proto.by_name)
		return r->ip_version;
	if (r->proto.proto == HF_PROTO_ICMP)
		return 4;
	return r->proto.proto == HF_PROTO_ICMPV6 ? 6 : 0;
}

const char *hf_rule_where(const struct hf_model_rule *rule)
{
	return *rule->place ? rule->place : rule->origin;
}

static int build_one(struct hf_build *b, const struct hf_policy_rule *r, const char *origin,
	const char *ns, struct hf_model_rule *ret)
{
	int proto = r->proto.given ? r->proto.proto : -1;
	int rc = 0;

	*ret = (struct hf_model_rule){
		.origin = origin,
		.place = hf_build_place(b, &r->place),
		.action = actions[r->action],
		.ip_version = implied_family(r),
		.has_proto = r->proto.given,
		.proto = r->proto.proto,
		.has_not_proto = r->not_proto.given,
		.not_proto = r->not_proto.proto,
		.icmp = build_icmp(&r->icmp),
		.not_icmp = build_icmp(&r->not_icmp),
	};
	if (!ret->origin || !ret->place)
		return hf_build_oom(b);
	b->where = hf_rule_where(ret);
	if (r->http)
		rc = hf_warn(b, "http-unenforceable", b->where,
			"the http match is left out of account, so the rule matches more than it "
			"says");
	if (rc == 0)
		rc = build_side(b, &r->src, ns, proto, false, &ret->src);
	if (rc == 0)
		rc = build_side(b, &r->dst, ns, proto, true, &ret->dst);
	return rc;
}

/* "HEAD/I" */
static char *number_origin(struct hf_build *b, const char *head, size_t len, size_t i)
{
	char *text = hf_arena_alloc(b->arena, len + sizeof("/") + HF_DIGITS_MAX);

	if (!text)
		return NULL;
	memcpy(text, head, len);
	text[len] = '/';
	*hf_build_digits(&text[len + 1], (uint32_t)i) = '\0';
	return text;
}

int hf_rule_build(struct hf_build *b, const struct hf_policy_rules *rules, const char *origin,
	const char *ns, struct hf_model_rules *ret)
{
	struct hf_model_rule *v = hf_arena_calloc(b->arena, rules->n, sizeof(*v));
	size_t len = strlen(origin), i;
	int rc;

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < rules->n; i++) {
		rc = build_one(b, &rules->v[i], number_origin(b, origin, len, i), ns, &v[i]);
		if (rc < 0)
			return rc;
	}
	*ret = (struct hf_model_rules){rules->n, v};
	return 0;
}

/* The profiles that are there without an object; of Kubernetes namespaces and service accounts
 * Calico makes "kns.NAMESPACE" (allows all) and "ksa.NAMESPACE.NAME" (labels only). */
static bool implied_profile(
	const struct hf_build *b, const char *name, const struct hf_policy_rules **ret)
{
	static const struct hf_policy_rule allow = {.action = HF_ACTION_ALLOW};
	static const struct hf_policy_rules allow_all = {1, &allow}, nothing = {0, NULL};
	const struct hf_labelled_obj *sa = b->objs->sa.v;
	size_t i, len;

	*ret = &allow_all;
	if (strcmp(name, HF_PROFILE_ALLOW) == 0)
		return true;
	if (strncmp(name, "kns.", 4) == 0)
		return HF_BUILD_FIND(b->objs->ns, NULL, name + 4);
	*ret = &nothing;
	if (strncmp(name, "ksa.", 4) != 0)
		return false;
	for (i = 0; i < b->objs->sa.n; i++) {
		len = sa[i].meta.ns ? strlen(sa[i].meta.ns) : 0;
		if (len && strncmp(name + 4, sa[i].meta.ns, len) == 0 && name[4 + len] == '.' &&
			strcmp(name + 5 + len, sa[i].meta.name) == 0)
			return true;
	}
	return false;
}

/* A profile without an object is what its name says, so it is the same in the model before. */
static int implied_id(struct hf_build *b, const char *name, uint64_t *ret)
{
	const struct hf_implied *old = b->previous ? b->previous->implied : NULL;
	struct hf_implied *own = hf_arena_alloc(b->m->arena, sizeof(*own));

	while (old && strcmp(old->name, name) != 0)
		old = old->next;
	if (!own)
		return hf_build_oom(b);
	own->name = hf_arena_strdup(b->m->arena, name);
	own->id = *ret = old ? old->id : hf_id_new();
	own->next = b->m->implied;
	b->m->implied = own;
	return own->name ? 0 : hf_build_oom(b);
}

/* As hf_order_build_policy() has it: made once, and handed on. */
static int profile_rules(struct hf_build *b, uint64_t id, const struct hf_policy_rules *in,
	const struct hf_policy_rules *out, struct hf_model_profile *ret)
{
	char *oin = hf_arena_printf(b->tmp, "profile:%s/ingress", ret->name);
	char *oout = hf_arena_printf(b->tmp, "profile:%s/egress", ret->name);
	const struct hf_model_part *known;
	struct hf_part_work w;
	int rc = oin && oout ? hf_part_find(b, id, &known) : hf_build_oom(b);

	if (rc < 0)
		return rc;
	if (!known) {
		struct hf_model_part part = {.id = id};
		int end;

		rc = hf_part_begin(b, &w);
		if (rc < 0)
			return rc;
		rc = hf_rule_build(b, in, oin, NULL, &part.in);
		if (rc == 0)
			rc = hf_rule_build(b, out, oout, NULL, &part.out);
		ret->in = part.in;
		ret->out = part.out;
		end = hf_part_end(b, &w, &part);
		return rc < 0 ? rc : end;
	}
	ret->in = known->in;
	ret->out = known->out;
	return 0;
}

static int build_profile(struct hf_build *b, const char *name, struct hf_model_profile *ret)
{
	const struct hf_profile_obj *obj = HF_BUILD_FIND(b->objs->profile, NULL, name);
	const struct hf_policy_rules *in;
	uint64_t id = 0;
	int rc;

	ret->name = hf_arena_strdup(b->arena, name);
	if (!ret->name)
		return hf_build_oom(b);
	if (obj)
		return profile_rules(b, obj->meta.id, &obj->in, &obj->out, ret);
	ret->missing = !implied_profile(b, name, &in);
	if (ret->missing)
		return 0;
	rc = implied_id(b, name, &id);
	return rc < 0 ? rc : profile_rules(b, id, in, in, ret);
}

static struct hf_model_profile *profile_get(struct hf_build *b, const char *name, int *rc)
{
	struct hf_profile_slot *slot;

	HASH_FIND_STR(b->profiles, name, slot);
	if (slot)
		return slot->profile;
	slot = hf_arena_calloc(b->tmp, 1, sizeof(*slot));
	if (slot)
		slot->profile = hf_arena_calloc(b->arena, 1, sizeof(*slot->profile));
	if (!slot || !slot->profile) {
		*rc = hf_build_oom(b);
		return NULL;
	}
	*rc = build_profile(b, name, slot->profile);
	if (*rc < 0)
		return NULL;
	slot->name = slot->profile->name;
	HASH_ADD_KEYPTR(hh, b->profiles, slot->name, strlen(slot->name), slot);
	if (!slot->hh.tbl)
		*rc = hf_build_oom(b);
	return slot->profile;
}

int hf_rule_profiles(struct hf_build *b, const struct hf_names *names, struct hf_model_endpoint *ep)
{
	const struct hf_model_profile **v = hf_arena_calloc(b->arena, names->n, sizeof(*v));
	const char *where = b->where; /* of the endpoint; rules of a profile move it */
	size_t i;
	int rc = 0;

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < names->n; i++) {
		v[i] = profile_get(b, names->v[i], &rc);
		if (rc < 0)
			return rc;
		if (v[i]->missing)
			rc = hf_warn(b, "missing-profile", where,
				"profile '%s' of endpoint '%s' does not exist; what reaches its "
				"place in the list is denied",
				names->v[i], ep->name);
		if (rc < 0)
			return rc;
	}
	ep->profiles = v;
	ep->n_profiles = names->n;
	return 0;
}
