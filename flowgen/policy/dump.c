/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/dump.h"
#include "policy/selector.h"

#include <hepflow/net.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hf_dump_put(struct hf_dump *d, const char *key, json_t *take_value)
{
	if (json_is_array(take_value) && json_array_size(take_value) == 0) {
		json_decref(take_value);
		return;
	}
	if (!d->obj || json_object_set_new(d->obj, key, take_value) < 0)
		d->failed = true;
}

json_t *hf_dump_done(struct hf_dump *d)
{
	if (!d->failed)
		return d->obj;
	json_decref(d->obj);
	return NULL;
}

/* Appends to a list; a list that could not grow is dropped, which hf_dump_put() notices. */
static void append(json_t **list, json_t *take_value)
{
	if (*list && json_array_append_new(*list, take_value) < 0) {
		json_decref(*list);
		*list = NULL;
	}
}

void hf_dump_text(struct hf_dump *d, const char *key, const char *text)
{
	if (text)
		hf_dump_put(d, key, json_string(text));
}

void hf_dump_flag(struct hf_dump *d, const char *key, bool value)
{
	if (value)
		hf_dump_put(d, key, json_true());
}

void hf_dump_names(struct hf_dump *d, const char *key, const struct hf_names *names)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < names->n; i++)
		append(&list, json_string(names->v[i]));
	hf_dump_put(d, key, list);
}

void hf_dump_labels(struct hf_dump *d, const char *key, const struct hf_labels *labels)
{
	struct hf_dump sub = {.obj = labels->n ? json_object() : NULL};
	size_t i;

	if (!labels->n)
		return;
	for (i = 0; i < labels->n; i++)
		hf_dump_text(&sub, labels->v[i].key, labels->v[i].value);
	hf_dump_put(d, key, hf_dump_done(&sub));
}

json_t *hf_dump_net(const struct hf_prefix *net)
{
	char buf[HF_ADDRSTR_SIZE];

	return json_string(hf_prefix_print(net, buf));
}

void hf_dump_nets(struct hf_dump *d, const char *key, const struct hf_nets *nets)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < nets->n; i++)
		append(&list, hf_dump_net(&nets->v[i]));
	hf_dump_put(d, key, list);
}

void hf_dump_addr(struct hf_dump *d, const char *key, const struct hf_addr *addr)
{
	char buf[HF_ADDRSTR_SIZE];

	hf_dump_text(d, key, hf_addr_print(addr, buf));
}

void hf_dump_addrs(struct hf_dump *d, const char *key, const struct hf_addrs *addrs)
{
	char buf[HF_ADDRSTR_SIZE];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < addrs->n; i++)
		append(&list, json_string(hf_addr_print(&addrs->v[i], buf)));
	hf_dump_put(d, key, list);
}

void hf_dump_selector(struct hf_dump *d, const char *key, const struct hf_selector_spec *sel)
{
	size_t size;
	char *text;

	if (!sel->sel)
		return;
	size = (size_t)hf_selector_print(sel->sel, NULL, 0) + 1;
	text = malloc(size);
	if (!text) {
		d->failed = true;
		return;
	}
	(void)hf_selector_print(sel->sel, text, size); /* sized above */
	hf_dump_text(d, key, text);
	free(text);
}

json_t *hf_dump_number(double v)
{
	if (v == floor(v) && fabs(v) < 1e15)
		return json_integer((json_int_t)v);
	return json_real(v);
}

json_t *hf_dump_proto(uint8_t proto)
{
	static const struct {
		uint8_t proto;
		const char *name;
	} names[] = {
		{HF_PROTO_TCP, "TCP"},
		{HF_PROTO_UDP, "UDP"},
		{HF_PROTO_ICMP, "ICMP"},
		{HF_PROTO_ICMPV6, "ICMPv6"},
		{HF_PROTO_SCTP, "SCTP"},
		{HF_PROTO_UDPLITE, "UDPLite"},
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].proto == proto)
			return json_string(names[i].name);
	}
	return json_integer(proto);
}

static void put_proto(struct hf_dump *d, const char *key, const struct hf_proto_spec *p)
{
	if (p->given)
		hf_dump_put(d, key, p->by_name ? hf_dump_proto(p->proto) : json_integer(p->proto));
}

static void put_icmp(struct hf_dump *d, const char *key, const struct hf_icmp_spec *icmp)
{
	struct hf_dump sub = {.obj = icmp->given ? json_object() : NULL};

	if (!icmp->given)
		return;
	if (icmp->has_type)
		hf_dump_put(&sub, "type", json_integer(icmp->type));
	if (icmp->has_code)
		hf_dump_put(&sub, "code", json_integer(icmp->code));
	hf_dump_put(d, key, hf_dump_done(&sub));
}

static void put_ports(struct hf_dump *d, const char *key, const struct hf_port_specs *ports)
{
	json_t *list = json_array();
	char range[16];
	size_t i;

	for (i = 0; i < ports->n; i++) {
		const struct hf_port_spec *p = &ports->v[i];

		if (p->name) {
			append(&list, json_string(p->name));
		} else if (p->range.lo == p->range.hi) {
			append(&list, json_integer(p->range.lo));
		} else {
			(void)snprintf(range, sizeof(range), "%u:%u", p->range.lo, p->range.hi);
			append(&list, json_string(range));
		}
	}
	hf_dump_put(d, key, list);
}

static void put_entity(struct hf_dump *d, const char *key, const struct hf_entity *e)
{
	struct hf_dump sub = {.obj = json_object()};
	struct hf_dump sa = {.obj = json_object()};
	struct hf_dump service = {.obj = json_object()};

	hf_dump_nets(&sub, "nets", &e->nets);
	hf_dump_nets(&sub, "notNets", &e->not_nets);
	hf_dump_selector(&sub, "selector", &e->selector);
	hf_dump_selector(&sub, "notSelector", &e->not_selector);
	hf_dump_selector(&sub, "namespaceSelector", &e->ns_selector);
	hf_dump_names(&sa, "names", &e->sa_names);
	hf_dump_selector(&sa, "selector", &e->sa_selector);
	if (sa.obj && json_object_size(sa.obj) > 0)
		hf_dump_put(&sub, "serviceAccounts", json_incref(sa.obj));
	put_ports(&sub, "ports", &e->ports);
	put_ports(&sub, "notPorts", &e->not_ports);
	hf_dump_text(&service, "name", e->service.name);
	hf_dump_text(&service, "namespace", e->service.ns);
	if (e->service.name)
		hf_dump_put(&sub, "services", json_incref(service.obj));
	sub.failed = sub.failed || sa.failed || service.failed || !sa.obj || !service.obj;
	json_decref(sa.obj);
	json_decref(service.obj);
	if (sub.obj && !sub.failed && json_object_size(sub.obj) == 0)
		json_decref(sub.obj);
	else
		hf_dump_put(d, key, hf_dump_done(&sub));
}

static json_t *dump_rule(const struct hf_policy_rule *r)
{
	static const char *const actions[] = {
		[HF_ACTION_DENY] = "Deny",
		[HF_ACTION_ALLOW] = "Allow",
		[HF_ACTION_PASS] = "Pass",
		[HF_ACTION_LOG] = "Log",
	};
	struct hf_dump d = {.obj = json_object()};

	hf_dump_text(&d, "action", actions[r->action]);
	if (r->ip_version)
		hf_dump_put(&d, "ipVersion", json_integer(r->ip_version));
	put_proto(&d, "protocol", &r->proto);
	put_proto(&d, "notProtocol", &r->not_proto);
	put_icmp(&d, "icmp", &r->icmp);
	put_icmp(&d, "notICMP", &r->not_icmp);
	put_entity(&d, "source", &r->src);
	put_entity(&d, "destination", &r->dst);
	if (r->http)
		hf_dump_put(&d, "http", json_object());
	return hf_dump_done(&d);
}

void hf_dump_rules(struct hf_dump *d, const char *key, const struct hf_policy_rules *rules)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < rules->n; i++)
		append(&list, dump_rule(&rules->v[i]));
	hf_dump_put(d, key, list);
}

void hf_dump_policy(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_policy_obj *p = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	json_t *types = json_array();

	if (p->staged_delete) {
		hf_dump_text(&d, "stagedAction", "Delete");
		if (p->kind != HF_POLICY_KNP)
			hf_dump_text(&d, "tier", p->tier);
		json_decref(types);
		hf_dump_put(top, "spec", hf_dump_done(&d));
		return;
	}
	if (p->kind != HF_POLICY_KNP)
		hf_dump_text(&d, "tier", p->tier);
	if (p->has_order)
		hf_dump_put(&d, "order", hf_dump_number(p->order));
	hf_dump_selector(&d, "selector", &p->selector);
	hf_dump_selector(&d, "namespaceSelector", &p->ns_selector);
	hf_dump_selector(&d, "serviceAccountSelector", &p->sa_selector);
	if (p->ingress)
		append(&types, json_string("Ingress"));
	if (p->egress)
		append(&types, json_string("Egress"));
	hf_dump_put(&d, p->kind == HF_POLICY_KNP ? "policyTypes" : "types", types);
	hf_dump_flag(&d, "doNotTrack", p->untracked);
	hf_dump_flag(&d, "preDNAT", p->pre_dnat);
	hf_dump_flag(&d, "applyOnForward", p->on_forward);
	hf_dump_rules(&d, "ingress", &p->in);
	hf_dump_rules(&d, "egress", &p->out);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_tier(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_tier_obj *t = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	if (t->has_order)
		hf_dump_put(&d, "order", hf_dump_number(t->order));
	hf_dump_text(&d, "defaultAction", t->default_pass ? "Pass" : "Deny");
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_profile(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_profile_obj *p = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	hf_dump_labels(&d, "labelsToApply", &p->to_apply);
	hf_dump_rules(&d, "ingress", &p->in);
	hf_dump_rules(&d, "egress", &p->out);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

static json_t *dump_meta(const struct hf_meta *meta)
{
	static const char *const wishes[] = {
		[HF_OFFLOAD_PREFER] = NULL, /* the default */
		[HF_OFFLOAD_REQUIRE] = "require",
		[HF_OFFLOAD_FORBID] = "forbid",
	};
	struct hf_dump d = {.obj = json_object()};

	hf_dump_text(&d, "name", meta->name);
	hf_dump_text(&d, "namespace", meta->ns);
	hf_dump_labels(&d, "labels", &meta->labels);
	if (wishes[meta->offload])
		hf_dump_put(&d, "annotations",
			json_pack("{s:s}", "hepflow/offload", wishes[meta->offload]));
	return hf_dump_done(&d);
}

json_t *hf_dump_entry(const struct hf_entry *entry)
{
	static const hf_dump_fn by_list[] = {
		[HF_LIST_hep] = hf_dump_hep,
		[HF_LIST_wep] = hf_dump_wep,
		[HF_LIST_policy] = hf_dump_policy,
		[HF_LIST_tier] = hf_dump_tier,
		[HF_LIST_profile] = hf_dump_profile,
		[HF_LIST_netset] = hf_dump_netset,
		[HF_LIST_ipset] = hf_dump_ipset,
		[HF_LIST_felix] = hf_dump_felix,
		[HF_LIST_node] = hf_dump_node,
		[HF_LIST_ippool] = hf_dump_ippool,
		[HF_LIST_bgpconf] = hf_dump_bgpconf,
		[HF_LIST_ns] = hf_dump_labelled,
		[HF_LIST_sa] = hf_dump_labelled,
		[HF_LIST_service] = hf_dump_service,
		[HF_LIST_slice] = hf_dump_slice,
		[HF_LIST_facts] = hf_dump_facts,
	};
	const struct hf_kind *k = entry->kind;
	/* What came as crd.projectcalico.org/v1 is printed as the v3 object it stands for. */
	bool calico = strstr(k->group, "projectcalico.org") != NULL;
	struct hf_dump top = {.obj = json_object()};
	char api[64];

	(void)snprintf(api, sizeof(api), "%s%s%s", calico ? "projectcalico.org" : k->group,
		k->group[0] ? "/" : "", calico ? "v3" : k->version);
	hf_dump_text(&top, "apiVersion", api);
	hf_dump_text(&top, "kind", k->name);
	hf_dump_put(&top, "metadata", dump_meta(entry->obj));
	by_list[k->list](&top, entry);
	return hf_dump_done(&top);
}
