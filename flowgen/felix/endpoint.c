/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policies, profiles, and the endpoints that list both in the order of evaluation;
 * docs/semantics.md 16.4.
 */

#include "felix/read.h"

#include <hepflow/base/arena.h>

#include <stdio.h>
#include <string.h>

#define STAGED	      "staged:"
#define POLICY_ID_TAG 0x12 /* field 2, length-delimited: how a PolicyID message begins */

#define TEXT(p)	      ((p) ? (p) : "")

/* A policy by whichever of the two wire forms; all text belongs to the message or is literal. */
struct name {
	const char *tier; /* "" in the newer form: the policy itself says */
	const char *ns;
	size_t ns_len;
	const char *name;
	enum hf_policy_kind kind;
	bool staged;
};

static bool skip(const char **text, const char *head)
{
	size_t len = strlen(head);

	if (strncmp(*text, head, len) != 0)
		return false;
	*text += len;
	return true;
}

/*
 * Up to v3.31: "[NAMESPACE/][staged:][TIER.]NAME", staged: before or behind the namespace. The tier
 * in front is Calico's doing, so that origins are the same as from files.
 */
static struct name old_name(const char *tier, const char *text)
{
	struct name n = {.tier = tier, .ns = ""};
	const char *slash;
	size_t len = strlen(tier);

	n.staged = skip(&text, STAGED);
	slash = strchr(text, '/');
	if (slash) {
		n.ns = text;
		n.ns_len = (size_t)(slash - text);
		text = slash + 1;
		n.kind = HF_POLICY_NP;
	}
	n.staged |= skip(&text, STAGED);
	if (len && strncmp(text, tier, len) == 0 && text[len] == '.' && text[len + 1])
		text += len + 1;
	n.name = text;
	return n;
}

static struct name new_name(const HfFelix__PolicyID *id)
{
	const char *kind = TEXT(id->kind);
	struct name n = {
		.tier = "",
		.ns = TEXT(id->namespace_),
		.ns_len = strlen(TEXT(id->namespace_)),
		.name = TEXT(id->name),
	};

	n.staged = skip(&kind, "Staged");
	if (n.staged && strcmp(kind, "KubernetesNetworkPolicy") == 0)
		n.kind = HF_POLICY_KNP;
	else
		n.kind = n.ns_len ? HF_POLICY_NP : HF_POLICY_GNP;
	return n;
}

static struct name name_of(const HfFelix__PolicyID *id)
{
	if (*TEXT(id->kind))
		return new_name(id);
	return old_name(TEXT(id->tier), TEXT(id->name));
}

/* What an endpoint's list and the policy itself have in common: the words of the stream, as they
 * are. */
static const char *ref_new(struct hf_fx *fx, const HfFelix__PolicyID *id)
{
	return hf_arena_printf(fx->arena, "%s\n%s\n%s\n%s", TEXT(id->tier), TEXT(id->namespace_),
		TEXT(id->name), TEXT(id->kind));
}

static const struct hf_kind *policy_kind(const struct name *n)
{
	static const char *const names[][2] = {
		[HF_POLICY_GNP] = {"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"},
		[HF_POLICY_NP] = {"NetworkPolicy", "StagedNetworkPolicy"},
		[HF_POLICY_KNP] = {"NetworkPolicy", "StagedKubernetesNetworkPolicy"},
	};
	size_t i;

	for (i = 0; i < hf_n_kinds; i++) {
		if (strcmp(hf_kinds[i].name, names[n->kind][n->staged]) == 0)
			return &hf_kinds[i];
	}
	return NULL;
}

/* All that the object says is the message's, so it is the same until there is another. */
static int rd_policy(struct hf_fx *fx, const HfFelix__ActivePolicyUpdate *u, uint64_t id)
{
	struct hf_policy_obj *obj;
	struct name n = name_of(u->id);
	const HfFelix__Policy *p = u->policy;
	char *ns = hf_arena_strndup(fx->arena, n.ns, n.ns_len);
	int rc;

	if (!ns)
		return hf_fx_nomem(fx);
	fx->what = hf_arena_printf(fx->arena, "policy %s%s%s", ns, *ns ? "/" : "", n.name);
	if (!fx->what)
		return hf_fx_nomem(fx);
	if (!*n.name || !p)
		return hf_fx_bad(fx, "no name, or nothing but a name");
	obj = hf_fx_add(fx, HF_LIST_policy, ns, n.name);
	if (!obj)
		return hf_fx_nomem(fx);
	fx->batch->entries.v[fx->batch->entries.n - 1].kind = policy_kind(&n);
	obj->meta.id = id;
	obj->kind = n.kind;
	obj->staged = n.staged;
	obj->tier = hf_fx_text(fx, *n.tier ? n.tier : *TEXT(p->tier) ? p->tier : "default");
	obj->ref = ref_new(fx, u->id);
	obj->ingress = obj->egress = true; /* which one counts, the endpoint's lists say */
	obj->untracked = p->untracked;
	obj->pre_dnat = p->pre_dnat;
	if (!obj->tier || !obj->ref)
		return hf_fx_nomem(fx);
	rc = hf_fx_rules(fx, "ingress", p->inbound_rules, p->n_inbound_rules, &obj->in);
	return rc < 0 ? rc
		      : hf_fx_rules(
				fx, "egress", p->outbound_rules, p->n_outbound_rules, &obj->out);
}

int hf_fx_policies(struct hf_fx *fx)
{
	struct hf_felix_item *item;
	int rc = 0;

	for (item = fx->felix->items[HF_FELIX_POLICY]; item && rc == 0; item = item->hh.next)
		rc = rd_policy(fx, item->msg->active_policy_update, item->id);
	return rc;
}

int hf_fx_profiles(struct hf_fx *fx)
{
	struct hf_felix_item *item;
	struct hf_profile_obj *obj;
	int rc = 0;

	for (item = fx->felix->items[HF_FELIX_PROFILE]; item && rc == 0; item = item->hh.next) {
		const HfFelix__Profile *p = item->msg->active_profile_update->profile;

		fx->what = hf_arena_printf(fx->arena, "profile %s", item->key);
		obj = hf_fx_add(fx, HF_LIST_profile, NULL, item->key);
		if (!fx->what || !obj)
			return hf_fx_nomem(fx);
		obj->meta.id = item->id;
		if (!p)
			continue;
		rc = hf_fx_rules(fx, "ingress", p->inbound_rules, p->n_inbound_rules, &obj->in);
		if (rc == 0)
			rc = hf_fx_rules(
				fx, "egress", p->outbound_rules, p->n_outbound_rules, &obj->out);
	}
	return rc;
}

/* One element of a list of policies, in either form; semantics.md 16.4, "Version trap". */
static int rd_ref(
	struct hf_fx *fx, const char *tier, const ProtobufCBinaryData *b, const char **ret)
{
	HfFelix__PolicyID old = HF_FELIX__POLICY_ID__INIT, *id;
	char *text;

	if (b->len && b->data[0] == POLICY_ID_TAG) {
		id = hf_felix__policy_id__unpack(NULL, b->len, b->data);
		if (!id)
			return hf_fx_bad(fx, "tier '%.64s': a policy that cannot be read", tier);
		*ret = ref_new(fx, id);
		hf_felix__policy_id__free_unpacked(id, NULL);
		return *ret ? 0 : hf_fx_nomem(fx);
	}
	text = hf_arena_strndup(fx->arena, (const char *)b->data, b->len);
	if (!text)
		return hf_fx_nomem(fx);
	old.tier = (char *)(uintptr_t)tier; /* only read */
	old.name = text;
	*ret = ref_new(fx, &old);
	return *ret ? 0 : hf_fx_nomem(fx);
}

static int rd_refs(struct hf_fx *fx, const char *tier, const ProtobufCBinaryData *v, size_t n,
	struct hf_names *ret)
{
	const char **refs = hf_arena_calloc(fx->arena, n, sizeof(*refs));
	size_t i;
	int rc = 0;

	if (!refs)
		return hf_fx_nomem(fx);
	for (i = 0; i < n && rc == 0; i++)
		rc = rd_ref(fx, tier, &v[i], &refs[i]);
	*ret = (struct hf_names){n, refs};
	return rc;
}

static int rd_tiers(
	struct hf_fx *fx, HfFelix__TierInfo *const *v, size_t n, struct hf_tier_refs *ret)
{
	struct hf_tier_ref *tiers = hf_arena_calloc(fx->arena, n, sizeof(*tiers));
	size_t i;
	int rc = 0;

	if (!tiers)
		return hf_fx_nomem(fx);
	for (i = 0; i < n && rc == 0; i++) {
		const HfFelix__TierInfo *t = v[i];

		tiers[i].name = hf_fx_text(fx, t->name);
		if (!tiers[i].name)
			return hf_fx_nomem(fx);
		tiers[i].default_pass = strcmp(TEXT(t->default_action), "Pass") == 0;
		rc = rd_refs(fx, tiers[i].name, t->ingress_policies, t->n_ingress_policies,
			&tiers[i].in);
		if (rc == 0)
			rc = rd_refs(fx, tiers[i].name, t->egress_policies, t->n_egress_policies,
				&tiers[i].out);
	}
	*ret = (struct hf_tier_refs){n, tiers};
	return rc;
}

static int rd_addrs(struct hf_fx *fx, char *const *v4, size_t n4, char *const *v6, size_t n6,
	struct hf_addrs *ret)
{
	struct hf_addr *addrs = hf_arena_calloc(fx->arena, n4 + n6, sizeof(*addrs));
	size_t i;
	int rc = 0;

	if (!addrs)
		return hf_fx_nomem(fx);
	for (i = 0; i < n4 + n6 && rc == 0; i++)
		rc = hf_fx_addr(fx, i < n4 ? v4[i] : v6[i - n4], &addrs[i]);
	*ret = (struct hf_addrs){n4 + n6, addrs};
	return rc;
}

static int rd_hep(struct hf_fx *fx, const char *name, const HfFelix__HostEndpoint *e)
{
	struct hf_hep_obj *obj = hf_fx_add(fx, HF_LIST_hep, NULL, name);
	struct hf_tier_lists *lists = hf_arena_calloc(fx->arena, 1, sizeof(*lists));
	int rc;

	fx->what = hf_arena_printf(fx->arena, "host endpoint %s", name);
	if (!obj || !lists || !fx->what)
		return hf_fx_nomem(fx);
	if (!e)
		return hf_fx_bad(fx, "nothing but a name");
	obj->node = fx->node;
	obj->tiers = lists;
	obj->iface = *e->name ? hf_fx_text(fx, e->name) : NULL;
	if (*e->name && !obj->iface)
		return hf_fx_nomem(fx);
	rc = hf_fx_names(fx, e->profile_ids, e->n_profile_ids, &obj->profiles);
	if (rc == 0)
		rc = rd_addrs(fx, e->expected_ipv4_addrs, e->n_expected_ipv4_addrs,
			e->expected_ipv6_addrs, e->n_expected_ipv6_addrs, &obj->expected);
	if (rc == 0)
		rc = rd_tiers(fx, e->tiers, e->n_tiers, &lists->normal);
	if (rc == 0)
		rc = rd_tiers(fx, e->untracked_tiers, e->n_untracked_tiers, &lists->untracked);
	if (rc == 0)
		rc = rd_tiers(fx, e->pre_dnat_tiers, e->n_pre_dnat_tiers, &lists->pre_dnat);
	if (rc == 0)
		rc = rd_tiers(fx, e->forward_tiers, e->n_forward_tiers, &lists->forward);
	return rc;
}

static int rd_nats(struct hf_fx *fx, HfFelix__NatInfo *const *v, size_t n, struct hf_ip_nat *ret)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		rc = hf_fx_addr(fx, v[i]->ext_ip, &ret[i].external);
		if (rc == 0)
			rc = hf_fx_addr(fx, v[i]->int_ip, &ret[i].internal);
	}
	return rc;
}

static int rd_wep_nets(struct hf_fx *fx, const HfFelix__WorkloadEndpoint *e, struct hf_nets *ret)
{
	struct hf_nets v4, v6;
	struct hf_prefix *v;
	int rc = hf_fx_nets(fx, e->ipv4_nets, e->n_ipv4_nets, &v4);

	if (rc == 0)
		rc = hf_fx_nets(fx, e->ipv6_nets, e->n_ipv6_nets, &v6);
	if (rc < 0)
		return rc;
	v = hf_arena_calloc(fx->arena, v4.n + v6.n, sizeof(*v));
	if (!v)
		return hf_fx_nomem(fx);
	if (v4.n)
		memcpy(v, v4.v, v4.n * sizeof(*v));
	if (v6.n)
		memcpy(v + v4.n, v6.v, v6.n * sizeof(*v));
	*ret = (struct hf_nets){v4.n + v6.n, v};
	return 0;
}

static int rd_wep(struct hf_fx *fx, const HfFelix__WorkloadEndpointUpdate *u)
{
	const HfFelix__WorkloadEndpoint *e = u->endpoint;
	const char *workload = TEXT(u->id->workload_id), *slash = strchr(workload, '/');
	struct hf_tier_lists *lists = hf_arena_calloc(fx->arena, 1, sizeof(*lists));
	char *ns = hf_arena_strndup(fx->arena, workload, slash ? (size_t)(slash - workload) : 0);
	char *name = hf_arena_printf(fx->arena, "%s-%s-%s", TEXT(u->id->orchestrator_id),
		slash ? slash + 1 : workload, TEXT(u->id->endpoint_id));
	struct hf_ip_nat *nats;
	struct hf_wep_obj *obj;
	int rc;

	obj = ns && name ? hf_fx_add(fx, HF_LIST_wep, ns, name) : NULL;
	fx->what = hf_arena_printf(fx->arena, "workload endpoint %s", workload);
	if (!obj || !lists || !fx->what)
		return hf_fx_nomem(fx);
	if (!e || !*e->name)
		return hf_fx_bad(fx, "no interface");
	nats = hf_arena_calloc(fx->arena, e->n_ipv4_nat + e->n_ipv6_nat, sizeof(*nats));
	obj->node = fx->node;
	obj->tiers = lists;
	obj->iface = hf_fx_text(fx, e->name);
	if (!nats || !obj->iface)
		return hf_fx_nomem(fx);
	obj->nats = nats;
	obj->n_nats = e->n_ipv4_nat + e->n_ipv6_nat;
	rc = rd_wep_nets(fx, e, &obj->nets);
	if (rc == 0)
		rc = hf_fx_names(fx, e->profile_ids, e->n_profile_ids, &obj->profiles);
	if (rc == 0)
		rc = rd_nats(fx, e->ipv4_nat, e->n_ipv4_nat, nats);
	if (rc == 0)
		rc = rd_nats(fx, e->ipv6_nat, e->n_ipv6_nat, nats + e->n_ipv4_nat);
	if (rc == 0)
		rc = hf_fx_nets(fx, e->allow_spoofed_source_prefixes,
			e->n_allow_spoofed_source_prefixes, &obj->spoofed);
	obj->allow_spoofed = obj->spoofed.n > 0;
	return rc < 0 ? rc : rd_tiers(fx, e->tiers, e->n_tiers, &lists->normal);
}

int hf_fx_endpoints(struct hf_fx *fx)
{
	struct hf_felix_item *item;
	int rc = 0;

	for (item = fx->felix->items[HF_FELIX_HEP]; item && rc == 0; item = item->hh.next)
		rc = rd_hep(fx, item->key, item->msg->host_endpoint_update->endpoint);
	for (item = fx->felix->items[HF_FELIX_WEP]; item && rc == 0; item = item->hh.next)
		rc = rd_wep(fx, item->msg->workload_endpoint_update);
	return rc;
}
