/* SPDX-License-Identifier: BSD-3-Clause */

#include "felix_stream.h"

#include "felix.pb-c.h"

#include <hepflow/base/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct say {
	struct hf_felix_stream *stream;
	struct hf_arena *a; /* what messages point to until they are packed */
	const struct hf_model *m;
	const struct hf_objects *objs;
	bool by_id;
	struct hf_rand *rand;
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

#define NEW(s, type, init)                                                                         \
	({                                                                                         \
		type *new_ = need(hf_arena_alloc((s)->a, sizeof(type)));                           \
		*new_ = (type)init;                                                                \
		new_;                                                                              \
	})

static char *text(struct say *s, const char *t)
{
	return need(hf_arena_strdup(s->a, t));
}

static void put(struct say *s, HfFelix__ToDataplane__PayloadCase payload, void *inner)
{
	HfFelix__ToDataplane msg = HF_FELIX__TO_DATAPLANE__INIT;
	struct hf_felix_msg m;

	msg.sequence_number = s->stream->msgs.n;
	msg.payload_case = payload;
	msg.in_sync = inner; /* all members of the union are pointers */
	m.size = hf_felix__to_dataplane__get_packed_size(&msg);
	m.data = need(malloc(m.size + 1));
	(void)hf_felix__to_dataplane__pack(&msg, m.data);
	if (hf_vec_push(&s->stream->msgs, m))
		abort();
}

static char *set_id(struct say *s, uint32_t set)
{
	return need(hf_arena_printf(s->a, "s:%u", set));
}

static char **prefixes(struct say *s, const struct hf_prefix *v, size_t n)
{
	char **list = need(hf_arena_calloc(s->a, n + 1, sizeof(*list)));
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < n; i++)
		list[i] = text(s, hf_prefix_print(&v[i], buf));
	return list;
}

/* Part of the members comes later, with some that are taken back. */
static void say_set(struct say *s, uint32_t i)
{
	const struct hf_set *set = &s->m->sets[i];
	HfFelix__IPSetUpdate *u = NEW(s, HfFelix__IPSetUpdate, HF_FELIX__IPSET_UPDATE__INIT);
	HfFelix__IPSetDeltaUpdate *d =
		NEW(s, HfFelix__IPSetDeltaUpdate, HF_FELIX__IPSET_DELTA_UPDATE__INIT);
	static char *extra_net[] = {"203.0.113.77/32"}, *extra_member[] = {"203.0.113.77,tcp:7"};
	char buf[HF_ADDRSTR_SIZE], proto[12];
	size_t k, n = set->n_members ? set->n_members : set->n_nets, first;

	u->id = d->id = set_id(s, i);
	u->type = set->n_members ? HF_FELIX__IPSET_TYPE__IP_AND_PORT : HF_FELIX__IPSET_TYPE__NET;
	u->members = prefixes(s, set->nets, set->n_nets);
	if (set->n_members) {
		u->members = need(hf_arena_calloc(s->a, n, sizeof(*u->members)));
		for (k = 0; k < n; k++)
			u->members[k] = need(hf_arena_printf(s->a, "%s,%s:%u",
				hf_addr_print(&set->members[k].addr, buf),
				hf_proto_name(set->members[k].proto, proto), set->members[k].port));
	}
	first = hf_rand_below(s->rand, n + 1);
	u->n_members = first;
	d->added_members = u->members + first;
	d->n_added_members = n - first;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE, u);
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE, d);
	d->added_members = set->n_members ? extra_member : extra_net;
	d->n_added_members = 1;
	for (k = 0; k < n; k++) {
		if (strcmp(u->members[k], d->added_members[0]) == 0)
			return;
	}
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE, d);
	d->removed_members = d->added_members;
	d->n_removed_members = 1;
	d->n_added_members = 0;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE, d);
}

static char **ids(struct say *s, const uint32_t *sets, size_t n)
{
	char **list = need(hf_arena_calloc(s->a, n + 1, sizeof(*list)));
	size_t i;

	for (i = 0; i < n; i++)
		list[i] = set_id(s, sets[i]);
	return list;
}

static HfFelix__PortRange **ranges(struct say *s, const struct hf_model_ports *p)
{
	HfFelix__PortRange **list = need(hf_arena_calloc(s->a, p->n_ranges + 1, sizeof(*list)));
	size_t i;

	for (i = 0; i < p->n_ranges; i++) {
		list[i] = NEW(s, HfFelix__PortRange, HF_FELIX__PORT_RANGE__INIT);
		list[i]->first = p->ranges[i].lo;
		list[i]->last = p->ranges[i].hi;
	}
	return list;
}

static HfFelix__Protocol *protocol(struct say *s, uint8_t proto)
{
	HfFelix__Protocol *p = NEW(s, HfFelix__Protocol, HF_FELIX__PROTOCOL__INIT);
	char buf[12];

	/* The names of ICMP say more than the numbers. */
	if (hf_proto_has_ports(proto) && hf_rand_chance(s->rand, 1, 2)) {
		p->number_or_name_case = HF_FELIX__PROTOCOL__NUMBER_OR_NAME_NAME;
		p->name = text(s, hf_proto_name(proto, buf));
		return p;
	}
	p->number_or_name_case = HF_FELIX__PROTOCOL__NUMBER_OR_NAME_NUMBER;
	p->number = proto;
	return p;
}

static HfFelix__IcmpTypeAndCode *type_and_code(struct say *s, const struct hf_model_icmp *icmp)
{
	HfFelix__IcmpTypeAndCode *tc =
		NEW(s, HfFelix__IcmpTypeAndCode, HF_FELIX__ICMP_TYPE_AND_CODE__INIT);

	tc->type = icmp->type;
	tc->code = icmp->code;
	return tc;
}

static void say_icmp(struct say *s, const struct hf_model_rule *r, HfFelix__Rule *ret)
{
	if (r->icmp.given && r->icmp.has_code) {
		ret->icmp_case = HF_FELIX__RULE__ICMP_ICMP_TYPE_CODE;
		ret->icmp_type_code = type_and_code(s, &r->icmp);
	} else if (r->icmp.given && r->icmp.has_type) {
		ret->icmp_case = HF_FELIX__RULE__ICMP_ICMP_TYPE;
		ret->icmp_type = r->icmp.type;
	}
	if (r->not_icmp.given && r->not_icmp.has_code) {
		ret->not_icmp_case = HF_FELIX__RULE__NOT_ICMP_NOT_ICMP_TYPE_CODE;
		ret->not_icmp_type_code = type_and_code(s, &r->not_icmp);
	} else if (r->not_icmp.given && r->not_icmp.has_type) {
		ret->not_icmp_case = HF_FELIX__RULE__NOT_ICMP_NOT_ICMP_TYPE;
		ret->not_icmp_type = r->not_icmp.type;
	}
}

/* A set said twice means the same; so does one that is everywhere beside it. */
static char **all_of(struct say *s, uint32_t set, size_t *ret_n)
{
	char **list = need(hf_arena_calloc(s->a, 2, sizeof(*list)));

	list[0] = list[1] = set_id(s, set);
	*ret_n = hf_rand_between(s->rand, 1, 2);
	return list;
}

static void say_src(struct say *s, const struct hf_model_side *side, HfFelix__Rule *r)
{
	r->src_net = prefixes(s, side->nets, side->n_nets);
	r->n_src_net = side->n_nets;
	r->not_src_net = prefixes(s, side->not_nets, side->n_not_nets);
	r->n_not_src_net = side->n_not_nets;
	if (side->set != HF_NO_SET)
		r->src_ip_set_ids = all_of(s, side->set, &r->n_src_ip_set_ids);
	if (side->not_set != HF_NO_SET)
		r->not_src_ip_set_ids = all_of(s, side->not_set, &r->n_not_src_ip_set_ids);
	r->src_ports = ranges(s, &side->ports);
	r->n_src_ports = side->ports.n_ranges;
	r->not_src_ports = ranges(s, &side->not_ports);
	r->n_not_src_ports = side->not_ports.n_ranges;
	r->src_named_port_ip_set_ids = ids(s, side->ports.sets, side->ports.n_sets);
	r->n_src_named_port_ip_set_ids = side->ports.n_sets;
	r->not_src_named_port_ip_set_ids = ids(s, side->not_ports.sets, side->not_ports.n_sets);
	r->n_not_src_named_port_ip_set_ids = side->not_ports.n_sets;
}

static void say_dst(struct say *s, const struct hf_model_side *side, HfFelix__Rule *r)
{
	r->dst_net = prefixes(s, side->nets, side->n_nets);
	r->n_dst_net = side->n_nets;
	r->not_dst_net = prefixes(s, side->not_nets, side->n_not_nets);
	r->n_not_dst_net = side->n_not_nets;
	if (side->set != HF_NO_SET)
		r->dst_ip_set_ids = all_of(s, side->set, &r->n_dst_ip_set_ids);
	if (side->not_set != HF_NO_SET)
		r->not_dst_ip_set_ids = all_of(s, side->not_set, &r->n_not_dst_ip_set_ids);
	r->dst_ports = ranges(s, &side->ports);
	r->n_dst_ports = side->ports.n_ranges;
	r->not_dst_ports = ranges(s, &side->not_ports);
	r->n_not_dst_ports = side->not_ports.n_ranges;
	r->dst_named_port_ip_set_ids = ids(s, side->ports.sets, side->ports.n_sets);
	r->n_dst_named_port_ip_set_ids = side->ports.n_sets;
	r->not_dst_named_port_ip_set_ids = ids(s, side->not_ports.sets, side->not_ports.n_sets);
	r->n_not_dst_named_port_ip_set_ids = side->not_ports.n_sets;
	if (side->service != HF_NO_SET)
		r->dst_ip_port_set_ids = all_of(s, side->service, &r->n_dst_ip_port_set_ids);
}

static HfFelix__Rule **say_rules(struct say *s, const struct hf_model_rules *rules)
{
	static char *const actions[] = {
		[HF_RULE_DENY] = "deny",
		[HF_RULE_ALLOW] = "allow",
		[HF_RULE_PASS] = "next-tier",
		[HF_RULE_LOG] = "log",
	};
	HfFelix__Rule **list = need(hf_arena_calloc(s->a, rules->n + 1, sizeof(*list)));
	size_t i;

	for (i = 0; i < rules->n; i++) {
		const struct hf_model_rule *r = &rules->v[i];
		HfFelix__Rule *to = list[i] = NEW(s, HfFelix__Rule, HF_FELIX__RULE__INIT);

		to->action = actions[r->action];
		to->ip_version = r->ip_version;
		if (r->has_proto)
			to->protocol = protocol(s, r->proto);
		if (r->has_not_proto)
			to->not_protocol = protocol(s, r->not_proto);
		say_src(s, &r->src, to);
		say_dst(s, &r->dst, to);
		say_icmp(s, r, to);
	}
	return list;
}

/* What of "gnp:NAME" and "np:NAMESPACE/NAME" the stream says, in the form asked for. */
static HfFelix__PolicyID *policy_id(
	struct say *s, const struct hf_model_tier *t, const struct hf_model_policy *p)
{
	static const char *const kinds[][2] = {
		{"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"},
		{"NetworkPolicy", "StagedNetworkPolicy"},
		{"", "StagedKubernetesNetworkPolicy"},
	};
	HfFelix__PolicyID *id = NEW(s, HfFelix__PolicyID, HF_FELIX__POLICY_ID__INIT);
	unsigned int kind = p->id[0] == 'g' ? 0 : p->id[0] == 'n' ? 1 : 2;
	const char *rest = strchr(p->id, ':') + 1, *slash = strchr(rest, '/');
	const char *name = slash ? slash + 1 : rest;
	char *ns = need(hf_arena_strndup(s->a, rest, slash ? (size_t)(slash - rest) : 0));

	if (s->by_id) {
		id->name = text(s, name);
		id->namespace_ = ns;
		id->kind = text(s, kinds[kind][p->staged]);
		return id;
	}
	id->tier = text(s, t->name);
	id->name = need(hf_arena_printf(s->a, "%s%s%s%s.%s", ns, slash ? "/" : "",
		p->staged ? "staged:" : "", t->name, name));
	return id;
}

static ProtobufCBinaryData as_bytes(struct say *s, const HfFelix__PolicyID *id)
{
	ProtobufCBinaryData b;

	if (!s->by_id)
		return (ProtobufCBinaryData){strlen(id->name), (uint8_t *)id->name};
	b.len = hf_felix__policy_id__get_packed_size(id);
	b.data = need(hf_arena_alloc(s->a, b.len + 1));
	(void)hf_felix__policy_id__pack(id, b.data);
	return b;
}

static HfFelix__TierInfo **say_tiers(struct say *s, const struct hf_model_tiers *tiers)
{
	HfFelix__TierInfo **list = need(hf_arena_calloc(s->a, tiers->n + 1, sizeof(*list)));
	size_t i, k;

	for (i = 0; i < tiers->n; i++) {
		const struct hf_model_tier *t = &tiers->v[i];
		HfFelix__TierInfo *to = list[i] =
			NEW(s, HfFelix__TierInfo, HF_FELIX__TIER_INFO__INIT);

		to->name = text(s, t->name);
		to->default_action = t->default_pass ? "Pass" : "Deny";
		to->n_ingress_policies = t->in.n;
		to->ingress_policies =
			need(hf_arena_calloc(s->a, t->in.n + 1, sizeof(ProtobufCBinaryData)));
		for (k = 0; k < t->in.n; k++)
			to->ingress_policies[k] = as_bytes(s, policy_id(s, t, &t->in.v[k]));
		to->n_egress_policies = t->out.n;
		to->egress_policies =
			need(hf_arena_calloc(s->a, t->out.n + 1, sizeof(ProtobufCBinaryData)));
		for (k = 0; k < t->out.n; k++)
			to->egress_policies[k] = as_bytes(s, policy_id(s, t, &t->out.v[k]));
	}
	return list;
}

/* A direction of a policy is where the lists have it; both may be. */
static const struct hf_model_policy *find_dir(
	const struct say *s, const char *tier, const struct hf_model_policy *like, bool egress)
{
	size_t e, i, k, c;

	for (e = 0; e < s->m->n_endpoints; e++) {
		for (c = 0; c < HF_CHAIN_MAX_; c++) {
			const struct hf_model_tiers *tiers = &s->m->endpoints[e]->tiers[c];

			for (i = 0; i < tiers->n; i++) {
				const struct hf_model_tier *t = &tiers->v[i];
				const struct hf_model_policies *l = egress ? &t->out : &t->in;

				if (strcmp(t->name, tier) != 0)
					continue;
				for (k = 0; k < l->n; k++) {
					if (strcmp(l->v[k].id, like->id) == 0 &&
						l->v[k].staged == like->staged)
						return &l->v[k];
				}
			}
		}
	}
	return NULL;
}

static void say_policy(
	struct say *s, const struct hf_model_tier *t, const struct hf_model_policy *p)
{
	static const struct hf_model_policy none;
	const struct hf_model_policy *in = find_dir(s, t->name, p, false);
	const struct hf_model_policy *out = find_dir(s, t->name, p, true);
	HfFelix__ActivePolicyUpdate *u =
		NEW(s, HfFelix__ActivePolicyUpdate, HF_FELIX__ACTIVE_POLICY_UPDATE__INIT);
	HfFelix__Policy *to = u->policy = NEW(s, HfFelix__Policy, HF_FELIX__POLICY__INIT);

	in = in ? in : &none;
	out = out ? out : &none;
	u->id = policy_id(s, t, p);
	if (s->by_id)
		to->tier = text(s, t->name);
	to->inbound_rules = say_rules(s, &in->rules);
	to->n_inbound_rules = in->rules.n;
	to->outbound_rules = say_rules(s, &out->rules);
	to->n_outbound_rules = out->rules.n;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_POLICY_UPDATE, u);
}

/* Policies that several endpoints share are said more than once, which changes nothing. */
static void say_policies(struct say *s, const struct hf_model_endpoint *ep)
{
	size_t c, i, k;

	for (c = 0; c < HF_CHAIN_MAX_; c++) {
		for (i = 0; i < ep->tiers[c].n; i++) {
			const struct hf_model_tier *t = &ep->tiers[c].v[i];

			for (k = 0; k < t->in.n; k++)
				say_policy(s, t, &t->in.v[k]);
			for (k = 0; k < t->out.n; k++)
				say_policy(s, t, &t->out.v[k]);
		}
	}
}

static void say_profiles(struct say *s, const struct hf_model_endpoint *ep)
{
	size_t i;

	for (i = 0; i < ep->n_profiles; i++) {
		const struct hf_model_profile *p = ep->profiles[i];
		HfFelix__ActiveProfileUpdate *u =
			NEW(s, HfFelix__ActiveProfileUpdate, HF_FELIX__ACTIVE_PROFILE_UPDATE__INIT);

		if (p->missing)
			continue;
		u->id = NEW(s, HfFelix__ProfileID, HF_FELIX__PROFILE_ID__INIT);
		u->id->name = text(s, p->name);
		u->profile = NEW(s, HfFelix__Profile, HF_FELIX__PROFILE__INIT);
		u->profile->inbound_rules = say_rules(s, &p->in);
		u->profile->n_inbound_rules = p->in.n;
		u->profile->outbound_rules = say_rules(s, &p->out);
		u->profile->n_outbound_rules = p->out.n;
		put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_PROFILE_UPDATE, u);
	}
}

static char **addrs(struct say *s, const struct hf_addr *v, size_t n, uint8_t family, size_t *ret)
{
	char **list = need(hf_arena_calloc(s->a, n + 1, sizeof(*list)));
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i].family == family)
			list[(*ret)++] = text(s, hf_addr_print(&v[i], buf));
	}
	return list;
}

static void say_hep(struct say *s, const struct hf_hep_obj *obj, const struct hf_model_endpoint *ep)
{
	HfFelix__HostEndpointUpdate *u =
		NEW(s, HfFelix__HostEndpointUpdate, HF_FELIX__HOST_ENDPOINT_UPDATE__INIT);
	HfFelix__HostEndpoint *e = u->endpoint =
		NEW(s, HfFelix__HostEndpoint, HF_FELIX__HOST_ENDPOINT__INIT);

	u->id = NEW(s, HfFelix__HostEndpointID, HF_FELIX__HOST_ENDPOINT_ID__INIT);
	u->id->endpoint_id = text(s, obj->meta.name);
	e->name = text(s, obj->iface ? obj->iface : "");
	e->profile_ids = (char **)(uintptr_t)obj->profiles.v;
	e->n_profile_ids = obj->profiles.n;
	e->expected_ipv4_addrs =
		addrs(s, obj->expected.v, obj->expected.n, 4, &e->n_expected_ipv4_addrs);
	e->expected_ipv6_addrs =
		addrs(s, obj->expected.v, obj->expected.n, 6, &e->n_expected_ipv6_addrs);
	e->tiers = say_tiers(s, &ep->tiers[HF_CHAIN_NORMAL]);
	e->n_tiers = ep->tiers[HF_CHAIN_NORMAL].n;
	e->untracked_tiers = say_tiers(s, &ep->tiers[HF_CHAIN_UNTRACKED]);
	e->n_untracked_tiers = ep->tiers[HF_CHAIN_UNTRACKED].n;
	e->pre_dnat_tiers = say_tiers(s, &ep->tiers[HF_CHAIN_PREDNAT]);
	e->n_pre_dnat_tiers = ep->tiers[HF_CHAIN_PREDNAT].n;
	e->forward_tiers = say_tiers(s, &ep->tiers[HF_CHAIN_FORWARD]);
	e->n_forward_tiers = ep->tiers[HF_CHAIN_FORWARD].n;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_ENDPOINT_UPDATE, u);
}

static void say_nats(struct say *s, const struct hf_wep_obj *obj, HfFelix__WorkloadEndpoint *e)
{
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	e->ipv4_nat = need(hf_arena_calloc(s->a, obj->n_nats + 1, sizeof(*e->ipv4_nat)));
	for (i = 0; i < obj->n_nats; i++) {
		e->ipv4_nat[i] = NEW(s, HfFelix__NatInfo, HF_FELIX__NAT_INFO__INIT);
		e->ipv4_nat[i]->ext_ip = text(s, hf_addr_print(&obj->nats[i].external, buf));
		e->ipv4_nat[i]->int_ip = text(s, hf_addr_print(&obj->nats[i].internal, buf));
	}
	e->n_ipv4_nat = obj->n_nats;
}

static void say_wep(struct say *s, const struct hf_wep_obj *obj, const struct hf_model_endpoint *ep)
{
	HfFelix__WorkloadEndpointUpdate *u =
		NEW(s, HfFelix__WorkloadEndpointUpdate, HF_FELIX__WORKLOAD_ENDPOINT_UPDATE__INIT);
	HfFelix__WorkloadEndpoint *e = u->endpoint =
		NEW(s, HfFelix__WorkloadEndpoint, HF_FELIX__WORKLOAD_ENDPOINT__INIT);

	u->id = NEW(s, HfFelix__WorkloadEndpointID, HF_FELIX__WORKLOAD_ENDPOINT_ID__INIT);
	u->id->orchestrator_id = "k8s";
	u->id->workload_id = need(hf_arena_printf(s->a, "%s/%s", obj->meta.ns, obj->meta.name));
	u->id->endpoint_id = "eth0";
	e->state = "active";
	e->name = text(s, obj->iface);
	e->profile_ids = (char **)(uintptr_t)obj->profiles.v;
	e->n_profile_ids = obj->profiles.n;
	e->ipv4_nets = prefixes(s, obj->nets.v, obj->nets.n);
	e->n_ipv4_nets = obj->nets.n; /* the reader looks at the address, not at the field */
	say_nats(s, obj, e);
	e->allow_spoofed_source_prefixes = prefixes(s, obj->spoofed.v, obj->spoofed.n);
	e->n_allow_spoofed_source_prefixes = obj->spoofed.n;
	e->tiers = say_tiers(s, &ep->tiers[HF_CHAIN_NORMAL]);
	e->n_tiers = ep->tiers[HF_CHAIN_NORMAL].n;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_WORKLOAD_ENDPOINT_UPDATE, u);
}

static char *failsafes(struct say *s, const struct hf_model_failsafes *fs)
{
	char buf[HF_ADDRSTR_SIZE], proto[12], *all = text(s, "");
	size_t i;

	for (i = 0; i < fs->n; i++) {
		const struct hf_prefix *net = &fs->v[i].net;
		bool v6 = net->addr.family == 6;
		const char *p = hf_proto_name(fs->v[i].proto, proto);

		all = need(hf_arena_printf(s->a, "%s%s", all, i ? "," : ""));
		if (!net->addr.family)
			all = need(hf_arena_printf(s->a, "%s%s:%u", all, p, fs->v[i].port));
		else
			all = need(hf_arena_printf(s->a, "%s%s:%s%s%s:%u", all, p, v6 ? "[" : "",
				hf_prefix_print(net, buf), v6 ? "]" : "", fs->v[i].port));
	}
	return fs->n ? all : text(s, "none");
}

static const char *const targets[] = {
	[HF_TARGET_DROP] = "DROP",
	[HF_TARGET_ACCEPT] = "ACCEPT",
	[HF_TARGET_RETURN] = "RETURN",
};

static void say_config(struct say *s)
{
	const struct hf_model_config *c = &s->m->config;
	char *port[3];
	const char *const v[][2] = {
		{"FailsafeInboundHostPorts", failsafes(s, &c->fs_in)},
		{"FailsafeOutboundHostPorts", failsafes(s, &c->fs_out)},
		{"DefaultEndpointToHostAction", targets[c->epha]},
		{"IptablesFilterAllowAction", c->filter_return ? "RETURN" : "ACCEPT"},
		{"IptablesMangleAllowAction", c->mangle_return ? "return" : "accept"},
		{"DisableConntrackInvalidCheck", c->no_invalid_check ? "yes" : "0"},
		{"WireguardEnabled", c->wireguard ? "true" : "false"},
		{"WireguardEnabledV6", c->wireguard6 ? "1" : "no"},
		{"AllowVXLANPacketsFromWorkloads", c->vxlan_from_wl ? "true" : "false"},
		{"AllowIPIPPacketsFromWorkloads", c->ipip_from_wl ? "true" : "false"},
		{"ServiceLoopPrevention", c->loop_guard ? "Drop" : "Disabled"},
		{"VXLANPort", port[0] = need(hf_arena_printf(s->a, "%u", c->vxlan_port))},
		{"WireguardListeningPort",
			port[1] = need(hf_arena_printf(s->a, "%u", c->wireguard_port))},
		{"WireguardListeningPortV6",
			port[2] = need(hf_arena_printf(s->a, "%u", c->wireguard_port6))},
		{"LogSeverityScreen", "Debug"}, /* not of our concern */
	};
	const size_t n = sizeof(v) / sizeof(v[0]);
	HfFelix__ConfigUpdate *u = NEW(s, HfFelix__ConfigUpdate, HF_FELIX__CONFIG_UPDATE__INIT);
	size_t i;

	u->config = need(hf_arena_calloc(s->a, n, sizeof(*u->config)));
	u->n_config = n;
	for (i = 0; i < n; i++) {
		u->config[i] = NEW(s, HfFelix__ConfigUpdate__ConfigEntry,
			HF_FELIX__CONFIG_UPDATE__CONFIG_ENTRY__INIT);
		u->config[i]->key = text(s, v[i][0]);
		u->config[i]->value = text(s, v[i][1]);
	}
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_CONFIG_UPDATE, u);
}

static void say_encapsulation(struct say *s)
{
	const struct hf_model_config *c = &s->m->config;
	HfFelix__Encapsulation *e = NEW(s, HfFelix__Encapsulation, HF_FELIX__ENCAPSULATION__INIT);
	HfFelix__IPAMPoolUpdate *u =
		NEW(s, HfFelix__IPAMPoolUpdate, HF_FELIX__IPAMPOOL_UPDATE__INIT);

	e->ipip_enabled = c->ipip;
	e->vxlan_enabled = c->vxlan;
	e->vxlan_enabled_v6 = c->vxlan6;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_ENCAPSULATION, e);
	u->id = "v6";
	u->pool = NEW(s, HfFelix__IPAMPool, HF_FELIX__IPAMPOOL__INIT);
	u->pool->cidr = "fd00:65::/64";
	u->pool->vxlan_mode = c->vxlan6 ? "Always" : "Never";
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPAM_POOL_UPDATE, u);
}

/* One host for each address that tunnels may come from, in whichever form has room for it. */
static void say_peers(struct say *s)
{
	const struct hf_set *peers = &s->m->sets[s->m->config.peers];
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < peers->n_nets; i++) {
		HfFelix__HostMetadata *h =
			NEW(s, HfFelix__HostMetadata, HF_FELIX__HOST_METADATA__INIT);
		bool v6 = peers->nets[i].addr.family == 6;
		bool both = hf_rand_chance(s->rand, 1, 2);
		char *addr = text(s, hf_addr_print(&peers->nets[i].addr, buf));

		h->hostname = need(hf_arena_printf(s->a, "host%zu", i));
		if (both && v6)
			h->ipv6_addr = need(hf_arena_printf(s->a, "%s/64", addr));
		else
			h->addr = addr;
		put(s,
			both ? HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V4V6_UPDATE
			: v6 ? HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V6_UPDATE
			     : HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_UPDATE,
			h);
	}
}

static void say_services(struct say *s)
{
	const struct hf_set *nets = &s->m->sets[s->m->config.service_nets];
	HfFelix__GlobalBGPConfigUpdate *u =
		NEW(s, HfFelix__GlobalBGPConfigUpdate, HF_FELIX__GLOBAL_BGPCONFIG_UPDATE__INIT);

	u->service_cluster_cidrs = prefixes(s, nets->nets, nets->n_nets);
	u->n_service_cluster_cidrs = nets->n_nets;
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_GLOBAL_BGP_CONFIG_UPDATE, u);
}

/* Removals of what was never announced are to be ignored. */
static void say_strangers(struct say *s)
{
	HfFelix__HostEndpointRemove hep = HF_FELIX__HOST_ENDPOINT_REMOVE__INIT;
	HfFelix__HostEndpointID id = HF_FELIX__HOST_ENDPOINT_ID__INIT;
	HfFelix__IPSetRemove set = HF_FELIX__IPSET_REMOVE__INIT;
	HfFelix__IPSetDeltaUpdate delta = HF_FELIX__IPSET_DELTA_UPDATE__INIT;

	id.endpoint_id = "stranger";
	hep.id = &id;
	set.id = delta.id = "s:stranger";
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_ENDPOINT_REMOVE, &hep);
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_REMOVE, &set);
	put(s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE, &delta);
}

static const struct hf_model_endpoint *endpoint(
	const struct say *s, bool workload, const char *ns, const char *name)
{
	char full[512];
	size_t i;

	(void)snprintf(full, sizeof(full), "%s%s%s", ns ? ns : "", ns ? "/" : "", name);
	for (i = 0; i < s->m->n_endpoints; i++) {
		if (s->m->endpoints[i]->workload == workload &&
			strcmp(s->m->endpoints[i]->name, full) == 0)
			return s->m->endpoints[i];
	}
	return NULL;
}

static void say_endpoints(struct say *s)
{
	const struct hf_model_endpoint *ep;
	size_t i;

	for (i = 0; i < s->objs->hep.n; i++) {
		ep = endpoint(s, false, NULL, s->objs->hep.v[i].meta.name);
		if (ep)
			say_hep(s, &s->objs->hep.v[i], ep);
	}
	for (i = 0; i < s->objs->wep.n; i++) {
		const struct hf_wep_obj *w = &s->objs->wep.v[i];

		ep = endpoint(s, true, w->meta.ns, w->meta.name);
		if (ep && w->iface)
			say_wep(s, w, ep);
	}
}

/* The model is the caller's alone, and its rules lie in memory that can be written. */
static void fit_rules(const struct hf_model_rules *rules)
{
	struct hf_model_rule *v = (struct hf_model_rule *)(uintptr_t)rules->v;
	size_t i;

	for (i = 0; i < rules->n; i++) {
		v[i].icmp.has_type |= v[i].icmp.given;
		v[i].not_icmp.has_type |= v[i].not_icmp.given;
		v[i].src.service = HF_NO_SET;
	}
}

static void fit_policies(const struct hf_model_policies *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		fit_rules(&list->v[i].rules);
}

void hf_felix_stream_fit(const struct hf_model *model)
{
	size_t e, c, i;

	for (e = 0; e < model->n_endpoints; e++) {
		const struct hf_model_endpoint *ep = model->endpoints[e];

		for (i = 0; i < ep->n_profiles; i++) {
			fit_rules(&ep->profiles[i]->in);
			fit_rules(&ep->profiles[i]->out);
		}
		for (c = 0; c < HF_CHAIN_MAX_; c++) {
			for (i = 0; i < ep->tiers[c].n; i++) {
				fit_policies(&ep->tiers[c].v[i].in);
				fit_policies(&ep->tiers[c].v[i].out);
			}
		}
	}
}

void hf_felix_stream_init(struct hf_felix_stream *stream, const struct hf_objects *objs,
	const struct hf_model *model, bool by_id, struct hf_rand *rand)
{
	struct say s = {stream, need(hf_arena_new()), model, objs, by_id, rand};
	HfFelix__InSync in_sync = HF_FELIX__IN_SYNC__INIT;
	size_t i;

	*stream = (struct hf_felix_stream){0};
	say_config(&s);
	say_encapsulation(&s);
	say_peers(&s);
	say_services(&s);
	for (i = 0; i < model->n_sets; i++)
		say_set(&s, (uint32_t)i);
	for (i = 0; i < model->n_endpoints; i++) {
		say_policies(&s, model->endpoints[i]);
		say_profiles(&s, model->endpoints[i]);
	}
	say_endpoints(&s);
	say_strangers(&s);
	put(&s, HF_FELIX__TO_DATAPLANE__PAYLOAD_IN_SYNC, &in_sync);
	hf_arena_free(s.a);
}

void hf_felix_stream_fini(struct hf_felix_stream *stream)
{
	size_t i;

	for (i = 0; i < stream->msgs.n; i++)
		free(stream->msgs.v[i].data);
	hf_vec_fini(&stream->msgs);
}
