/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The text of print.c as JSON. A value that could not be made is NULL; jansson passes that on until
 * the whole is NULL, so it is checked once at the end.
 */

#include "model/print.h"

#include <jansson.h>

#include <errno.h>
#include <stdlib.h>

/* json_pack's "o" steals and fails on NULL; so does this, which frees the list then. */
static void append(json_t **list, json_t *value)
{
	if (*list && json_array_append_new(*list, value) == 0)
		return;
	if (!*list)
		json_decref(value);
	json_decref(*list);
	*list = NULL;
}

static void set(json_t **obj, const char *key, json_t *value)
{
	if (*obj && json_object_set_new(*obj, key, value) == 0)
		return;
	if (!*obj)
		json_decref(value);
	json_decref(*obj);
	*obj = NULL;
}

/* File names need not be UTF-8, JSON is. */
static json_t *text(const char *s)
{
	json_t *v = json_string(s);

	return v ? v : json_string("(not UTF-8)");
}

static json_t *prefixes(const struct hf_prefix *v, size_t n)
{
	json_t *list = json_array();
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < n; i++)
		append(&list, json_string(hf_prefix_print(&v[i], buf)));
	return list;
}

static json_t *proto_of(uint8_t proto)
{
	char buf[12];

	return json_string(hf_proto_name(proto, buf));
}

static json_t *failsafes(const struct hf_model_failsafes *f)
{
	json_t *list = json_array(), *one;
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < f->n; i++) {
		one = json_pack(
			"{s:o, s:i}", "proto", proto_of(f->v[i].proto), "port", f->v[i].port);
		if (f->v[i].net.addr.family)
			set(&one, "net", json_string(hf_prefix_print(&f->v[i].net, buf)));
		append(&list, one);
	}
	return list;
}

static json_t *config(const struct hf_model_config *c)
{
	json_t *obj = json_pack("{s:i, s:s, s:s, s:s, s:b}", "calico", (int)c->calico,
		"endpoint_to_host", hf_print_target[c->epha], "filter_allow",
		c->filter_return ? "return" : "accept", "mangle_allow",
		c->mangle_return ? "return" : "accept", "deny_invalid", !c->no_invalid_check);

	set(&obj, "failsafe_in", failsafes(&c->fs_in));
	set(&obj, "failsafe_out", failsafes(&c->fs_out));
	set(&obj, "ipip", json_boolean(c->ipip));
	set(&obj, "vxlan", json_boolean(c->vxlan));
	set(&obj, "vxlan6", json_boolean(c->vxlan6));
	set(&obj, "wireguard", json_boolean(c->wireguard));
	set(&obj, "wireguard6", json_boolean(c->wireguard6));
	set(&obj, "vxlan_port", json_integer(c->vxlan_port));
	set(&obj, "wireguard_port", json_integer(c->wireguard_port));
	set(&obj, "wireguard_port6", json_integer(c->wireguard_port6));
	set(&obj, "ipip_from_workloads", json_boolean(c->ipip_from_wl));
	set(&obj, "vxlan_from_workloads", json_boolean(c->vxlan_from_wl));
	set(&obj, "peers", json_integer(c->peers));
	set(&obj, "service_loop_guard", json_boolean(c->loop_guard));
	set(&obj, "service_nets", json_integer(c->service_nets));
	set(&obj, "kernel",
		json_pack("{s:s, s:s, s:s}", "input", c->drop_input ? "drop" : "accept", "output",
			c->drop_output ? "drop" : "accept", "forward",
			c->drop_forward ? "drop" : "accept"));
	return obj;
}

static json_t *ifaces(const struct hf_model *m)
{
	json_t *list = json_array(), *one;
	size_t i;

	for (i = 0; i < m->n_ifaces; i++) {
		const struct hf_model_iface *f = &m->ifaces[i];

		one = json_pack("{s:s, s:s, s:o}", "name", f->id.name, "from",
			hf_from_name(f->id.from), "addresses", prefixes(f->addrs, f->n_addrs));
		if (f->hep)
			set(&one, "host_endpoint", json_string(f->hep->name));
		if (f->wep)
			set(&one, "workload_endpoint", json_string(f->wep->name));
		if (f->id.from == HF_FROM_WORKLOAD)
			set(&one, "sources", prefixes(f->sources, f->n_sources));
		append(&list, one);
	}
	return list;
}

static json_t *ids(const struct hf_model_policies *p)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < p->n; i++)
		append(&list,
			json_pack("{s:s, s:b}", "policy", p->v[i].id, "staged", p->v[i].staged));
	return list;
}

static json_t *tiers(const struct hf_model_tiers *t)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < t->n; i++)
		append(&list, json_pack("{s:s, s:s, s:o, s:o}", "name", t->v[i].name, "default",
				      t->v[i].default_pass ? "pass" : "deny", "ingress",
				      ids(&t->v[i].in), "egress", ids(&t->v[i].out)));
	return list;
}

static json_t *endpoint(const struct hf_model_endpoint *ep)
{
	json_t *obj, *profiles = json_array();
	size_t i;
	int c;

	obj = json_pack("{s:s, s:s, s:s, s:b, s:s}", "name", ep->name, "kind",
		ep->workload ? "workload" : "host", "status", hf_print_status[ep->status],
		"wildcard", ep->wildcard, "offload", hf_print_offload[ep->offload]);
	for (c = 0; c < HF_CHAIN_MAX_; c++)
		set(&obj, hf_print_chain[c], tiers(&ep->tiers[c]));
	for (i = 0; i < ep->n_profiles; i++)
		append(&profiles, json_string(ep->profiles[i]->name));
	set(&obj, "profiles", profiles);
	return obj;
}

static json_t *endpoints(const struct hf_model *m)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < m->n_endpoints; i++)
		append(&list, endpoint(m->endpoints[i]));
	return list;
}

static json_t *ports(const struct hf_model_ports *p)
{
	json_t *ranges = json_array(), *sets = json_array();
	size_t i;

	for (i = 0; i < p->n_ranges; i++)
		append(&ranges, json_pack("[i, i]", p->ranges[i].lo, p->ranges[i].hi));
	for (i = 0; i < p->n_sets; i++)
		append(&sets, json_integer(p->sets[i]));
	return json_pack("{s:o, s:o}", "ranges", ranges, "sets", sets);
}

/* Only what is given, as in the policy itself. */
static json_t *side(const struct hf_model_side *s)
{
	json_t *obj = json_object();

	if (s->n_nets)
		set(&obj, "nets", prefixes(s->nets, s->n_nets));
	if (s->n_not_nets)
		set(&obj, "not_nets", prefixes(s->not_nets, s->n_not_nets));
	if (s->set != HF_NO_SET)
		set(&obj, "set", json_integer(s->set));
	if (s->not_set != HF_NO_SET)
		set(&obj, "not_set", json_integer(s->not_set));
	if (s->service != HF_NO_SET)
		set(&obj, "service", json_integer(s->service));
	if (s->ports.n_ranges || s->ports.n_sets)
		set(&obj, "ports", ports(&s->ports));
	if (s->not_ports.n_ranges || s->not_ports.n_sets)
		set(&obj, "not_ports", ports(&s->not_ports));
	return obj;
}

static json_t *icmp(const struct hf_model_icmp *i)
{
	json_t *obj = json_object();

	if (i->has_type)
		set(&obj, "type", json_integer(i->type));
	if (i->has_code)
		set(&obj, "code", json_integer(i->code));
	return obj;
}

static json_t *rules(const struct hf_model_rules *r)
{
	json_t *list = json_array(), *one;
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct hf_model_rule *v = &r->v[i];

		one = json_pack("{s:s, s:o, s:s}", "origin", v->origin, "place", text(v->place),
			"action", hf_print_action[v->action]);
		if (v->ip_version)
			set(&one, "ip_version", json_integer(v->ip_version));
		if (v->has_proto)
			set(&one, "proto", proto_of(v->proto));
		if (v->has_not_proto)
			set(&one, "not_proto", proto_of(v->not_proto));
		if (v->icmp.given)
			set(&one, "icmp", icmp(&v->icmp));
		if (v->not_icmp.given)
			set(&one, "not_icmp", icmp(&v->not_icmp));
		set(&one, "source", side(&v->src));
		set(&one, "destination", side(&v->dst));
		append(&list, one);
	}
	return list;
}

static json_t *policies(const struct hf_model *m)
{
	json_t *list = json_array();
	struct hf_print_policy *v;
	size_t i, n;

	if (hf_print_policies(m, &v, &n) < 0) {
		json_decref(list);
		return NULL;
	}
	for (i = 0; i < n; i++)
		append(&list,
			json_pack("{s:s, s:s, s:s, s:b, s:s, s:o}", "tier", v[i].tier, "policy",
				v[i].policy->id, "direction", v[i].egress ? "egress" : "ingress",
				"staged", v[i].policy->staged, "offload",
				hf_print_offload[v[i].policy->offload], "rules",
				rules(&v[i].policy->rules)));
	free(v);
	return list;
}

static json_t *profiles(const struct hf_model *m)
{
	json_t *list = json_array();
	const struct hf_model_profile **v;
	size_t i, n;

	if (hf_print_profiles(m, &v, &n) < 0) {
		json_decref(list);
		return NULL;
	}
	for (i = 0; i < n; i++)
		append(&list, json_pack("{s:s, s:b, s:o, s:o}", "name", v[i]->name, "missing",
				      v[i]->missing, "ingress", rules(&v[i]->in), "egress",
				      rules(&v[i]->out)));
	free(v);
	return list;
}

static json_t *dests(const struct hf_model *m)
{
	json_t *list = json_array(), *one;
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	for (i = 0; i < m->n_dests; i++) {
		one = json_pack("{s:s, s:s}", "net", hf_prefix_print(&m->dests[i].net, buf),
			"class", hf_class_name(m->dests[i].class));
		if (m->dests[i].out != HF_IF_HOST)
			set(&one, "out", json_string(m->ifaces[m->dests[i].out].id.name));
		append(&list, one);
	}
	return list;
}

/* A floating address has neither protocol nor port. */
static json_t *dnats(const struct hf_model *m)
{
	json_t *list = json_array(), *one, *to;
	char buf[HF_ADDRSTR_SIZE];
	size_t i, k;

	for (i = 0; i < m->n_dnats; i++) {
		const struct hf_dnat *d = &m->dnats[i];

		to = json_array();
		for (k = 0; k < d->n_to; k++)
			append(&to, json_string(d->proto ? hf_addrport_print(&d->to[k], buf)
							 : hf_addr_print(&d->to[k].addr, buf)));
		one = json_pack("{s:s, s:o}", "address", hf_addr_print(&d->addr, buf), "to", to);
		if (d->proto) {
			set(&one, "proto", proto_of(d->proto));
			set(&one, "port", json_integer(d->port));
		}
		append(&list, one);
	}
	return list;
}

static json_t *sets(const struct hf_model *m)
{
	json_t *list = json_array(), *members;
	char buf[HF_ADDRSTR_SIZE];
	size_t i, k;

	for (i = 0; i < m->n_sets; i++) {
		const struct hf_set *s = &m->sets[i];

		members = json_array();
		for (k = 0; k < s->n_members; k++)
			append(&members,
				json_pack("{s:s, s:o, s:i}", "address",
					hf_addr_print(&s->members[k].addr, buf), "proto",
					proto_of(s->members[k].proto), "port", s->members[k].port));
		append(&list, json_pack("{s:s, s:o, s:o}", "name", s->name, "nets",
				      prefixes(s->nets, s->n_nets), "members", members));
	}
	return list;
}

static json_t *warnings(const struct hf_model *m, char *const *more, size_t n_more)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < m->n_warnings; i++)
		append(&list, text(m->warnings[i]));
	for (i = 0; i < n_more; i++)
		append(&list, text(more[i]));
	return list;
}

int hf_model_print_json(const struct hf_model *model, char *const *more, size_t n_more, FILE *out)
{
	json_t *root = json_pack("{s:i, s:s}", "schema", 1, "node", model->node);
	int rc;

	set(&root, "config", config(&model->config));
	set(&root, "interfaces", ifaces(model));
	set(&root, "endpoints", endpoints(model));
	set(&root, "policies", policies(model));
	set(&root, "profiles", profiles(model));
	set(&root, "destinations", dests(model));
	set(&root, "dnat", dnats(model));
	set(&root, "sets", sets(model));
	set(&root, "warnings", warnings(model, more, n_more));
	if (!root)
		return -EIO;
	rc = json_dumpf(root, out, JSON_INDENT(2));
	json_decref(root);
	return rc < 0 || fputc('\n', out) == EOF || ferror(out) ? -EIO : 0;
}
