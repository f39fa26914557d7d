/* SPDX-License-Identifier: BSD-3-Clause */

/* The kinds that describe hosts, pods and the network around them. */

#include "policy/dump.h"

#include <hepflow/net.h>

static json_t *list_add(json_t *list, json_t *take_value)
{
	if (!list || json_array_append_new(list, take_value) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static void put_endpoint_ports(struct hf_dump *d, const struct hf_endpoint_ports *ports)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < ports->n; i++) {
		struct hf_dump p = {.obj = json_object()};

		hf_dump_text(&p, "name", ports->v[i].name);
		hf_dump_put(&p, "protocol", hf_dump_proto(ports->v[i].proto));
		hf_dump_put(&p, "port", json_integer(ports->v[i].port));
		list = list_add(list, hf_dump_done(&p));
	}
	hf_dump_put(d, "ports", list);
}

void hf_dump_hep(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_hep_obj *hep = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	hf_dump_text(&d, "node", hep->node);
	hf_dump_text(&d, "interfaceName", hep->iface);
	hf_dump_addrs(&d, "expectedIPs", &hep->expected);
	hf_dump_names(&d, "profiles", &hep->profiles);
	put_endpoint_ports(&d, &hep->ports);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_wep(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_wep_obj *wep = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	json_t *nats = json_array();
	size_t i;

	hf_dump_text(&d, "node", wep->node);
	hf_dump_text(&d, "interfaceName", wep->iface);
	hf_dump_text(&d, "pod", wep->pod);
	hf_dump_text(&d, "serviceAccountName", wep->sa);
	hf_dump_nets(&d, "ipNetworks", &wep->nets);
	for (i = 0; i < wep->n_nats; i++) {
		struct hf_dump nat = {.obj = json_object()};

		hf_dump_addr(&nat, "internalIP", &wep->nats[i].internal);
		hf_dump_addr(&nat, "externalIP", &wep->nats[i].external);
		nats = list_add(nats, hf_dump_done(&nat));
	}
	hf_dump_put(&d, "ipNATs", nats);
	hf_dump_names(&d, "profiles", &wep->profiles);
	put_endpoint_ports(&d, &wep->ports);
	hf_dump_nets(&d, "allowSpoofedSourcePrefixes", &wep->spoofed);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_netset(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_netset_obj *set = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	hf_dump_nets(&d, "nets", &set->nets);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

/* Only the daemon's state is ever printed with these: files have no such kind. */
void hf_dump_ipset(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_ipset_obj *set = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	json_t *members = json_array();
	char addr[HF_ADDRSTR_SIZE], proto[12];
	size_t i;

	for (i = 0; i < set->n_members; i++)
		json_array_append_new(members,
			json_sprintf("%s,%s:%u", hf_addr_print(&set->members[i].addr, addr),
				hf_proto_name(set->members[i].proto, proto), set->members[i].port));
	hf_dump_nets(&d, "nets", &set->nets);
	hf_dump_put(&d, "members", members);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

static void put_failsafes(struct hf_dump *d, const char *key, const struct hf_failsafes *fs)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < fs->n; i++) {
		struct hf_dump p = {.obj = json_object()};

		hf_dump_put(&p, "protocol", hf_dump_proto(fs->v[i].proto));
		hf_dump_put(&p, "port", json_integer(fs->v[i].port));
		if (fs->v[i].net.addr.family)
			hf_dump_put(&p, "net", hf_dump_net(&fs->v[i].net));
		list = list_add(list, hf_dump_done(&p));
	}
	/* An empty list is not an absent one, so hf_dump_put() must not leave it out. */
	if (!fs->given)
		json_decref(list);
	else if (!d->obj || json_object_set_new(d->obj, key, list) < 0)
		d->failed = true;
}

static void put_action(struct hf_dump *d, const char *key, bool has, enum hf_felix_action action)
{
	static const char *const words[] = {
		[HF_FELIX_DROP] = "Drop",
		[HF_FELIX_ACCEPT] = "Accept",
		[HF_FELIX_RETURN] = "Return",
		[HF_FELIX_REJECT] = "Reject",
	};

	if (has)
		hf_dump_text(d, key, words[action]);
}

static void put_bool(struct hf_dump *d, const char *key, bool has, bool value)
{
	if (has)
		hf_dump_put(d, key, json_boolean(value));
}

static void put_port(struct hf_dump *d, const char *key, bool has, uint16_t port)
{
	if (has)
		hf_dump_put(d, key, json_integer(port));
}

static void put_log_limit(struct hf_dump *d, const struct hf_felix_obj *f)
{
	const char *unit = f->log_limit.seconds == 1	  ? "second"
			   : f->log_limit.seconds == 60	  ? "minute"
			   : f->log_limit.seconds == 3600 ? "hour"
							  : "day";
	char text[32];

	(void)snprintf(text, sizeof(text), "%u/%s", f->log_limit.lines, unit); /* fits */
	if (f->has_log_limit)
		hf_dump_text(d, "logActionRateLimit", text);
}

/* The comma list that Felix takes. */
static void put_commas(struct hf_dump *d, const char *key, const struct hf_names *names)
{
	json_t *text = json_string("");
	size_t i;

	for (i = 0; text && i < names->n; i++) {
		json_t *longer =
			json_sprintf("%s%s%s", json_string_value(text), i ? "," : "", names->v[i]);

		json_decref(text);
		text = longer;
	}
	hf_dump_put(d, key, text);
}

void hf_dump_felix(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_felix_obj *f = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	hf_dump_selector(&d, "nodeSelector", &f->node_selector);
	put_failsafes(&d, "failsafeInboundHostPorts", &f->fs_in);
	put_failsafes(&d, "failsafeOutboundHostPorts", &f->fs_out);
	put_action(&d, "defaultEndpointToHostAction", f->has_epha, f->epha);
	put_action(&d, "iptablesFilterAllowAction", f->has_filter_allow, f->filter_allow);
	put_action(&d, "iptablesMangleAllowAction", f->has_mangle_allow, f->mangle_allow);
	put_action(&d, "iptablesFilterDenyAction", f->has_filter_deny, f->filter_deny);
	put_bool(&d, "disableConntrackInvalidCheck", f->has_no_invalid_check, f->no_invalid_check);
	if (f->iface_prefixes.n)
		put_commas(&d, "interfacePrefix", &f->iface_prefixes);
	if (f->has_iface_exclude)
		put_commas(&d, "interfaceExclude", &f->iface_exclude);
	put_port(&d, "vxlanPort", f->has_vxlan_port, f->vxlan_port);
	put_port(&d, "wireguardListeningPort", f->has_wireguard_port, f->wireguard_port);
	put_port(&d, "wireguardListeningPortV6", f->has_wireguard_port6, f->wireguard_port6);
	put_bool(&d, "wireguardEnabled", f->has_wireguard, f->wireguard);
	put_bool(&d, "wireguardEnabledV6", f->has_wireguard6, f->wireguard6);
	put_bool(&d, "ipipEnabled", f->has_ipip, f->ipip);
	put_bool(&d, "vxlanEnabled", f->has_vxlan, f->vxlan);
	put_bool(&d, "allowVXLANPacketsFromWorkloads", f->has_vxlan_from_wl, f->vxlan_from_wl);
	put_bool(&d, "allowIPIPPacketsFromWorkloads", f->has_ipip_from_wl, f->ipip_from_wl);
	if (f->has_service_loop && f->service_loop == HF_FELIX_RETURN)
		hf_dump_text(&d, "serviceLoopPrevention", "Disabled");
	else
		put_action(&d, "serviceLoopPrevention", f->has_service_loop, f->service_loop);
	put_bool(&d, "ipv6Support", f->has_ipv6, f->ipv6);
	hf_dump_nets(&d, "externalNodesList", &f->external_nodes);
	hf_dump_text(&d, "logPrefix", f->log_prefix);
	put_log_limit(&d, f);
	put_port(&d, "logActionRateLimitBurst", f->has_log_burst, f->log_burst);
	if (f->has_append)
		hf_dump_text(&d, "chainInsertMode", f->append ? "Append" : "Insert");
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

/* Which tunnel an address belongs to is not kept, so there is one list of them. */
void hf_dump_node(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_node_obj *node = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	struct hf_dump bgp = {.obj = json_object()};
	json_t *list = json_array();
	size_t i;

	if (node->has_bgp4)
		hf_dump_addr(&bgp, "ipv4Address", &node->bgp4);
	if (node->has_bgp6)
		hf_dump_addr(&bgp, "ipv6Address", &node->bgp6);
	if (node->has_bgp4 || node->has_bgp6)
		hf_dump_put(&d, "bgp", hf_dump_done(&bgp));
	else
		json_decref(bgp.obj);
	for (i = 0; i < node->addrs.n; i++) {
		struct hf_dump addr = {.obj = json_object()};

		hf_dump_addr(&addr, "address", &node->addrs.v[i]);
		list = list_add(list, hf_dump_done(&addr));
	}
	hf_dump_put(&d, "addresses", list);
	hf_dump_addrs(&d, "tunnelAddresses", &node->tunnels);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_ippool(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_ippool_obj *pool = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	hf_dump_put(&d, "cidr", hf_dump_net(&pool->cidr));
	hf_dump_text(&d, "ipipMode", pool->ipip ? "Always" : "Never");
	hf_dump_text(&d, "vxlanMode", pool->vxlan ? "Always" : "Never");
	hf_dump_flag(&d, "natOutgoing", pool->nat_outgoing);
	hf_dump_flag(&d, "disabled", pool->disabled);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

static void put_blocks(struct hf_dump *d, const char *key, const struct hf_nets *nets)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < nets->n; i++) {
		struct hf_dump block = {.obj = json_object()};

		hf_dump_put(&block, "cidr", hf_dump_net(&nets->v[i]));
		list = list_add(list, hf_dump_done(&block));
	}
	hf_dump_put(d, key, list);
}

void hf_dump_bgpconf(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_bgpconf_obj *conf = entry->obj;
	struct hf_dump d = {.obj = json_object()};

	put_blocks(&d, "serviceClusterIPs", &conf->cluster);
	put_blocks(&d, "serviceExternalIPs", &conf->external);
	put_blocks(&d, "serviceLoadBalancerIPs", &conf->lb);
	hf_dump_put(top, "spec", hf_dump_done(&d));
}

void hf_dump_labelled(struct hf_dump *, const struct hf_entry *)
{
}

static void put_service_ports(struct hf_dump *d, const struct hf_service_port *ports, size_t n)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++) {
		struct hf_dump p = {.obj = json_object()};

		hf_dump_text(&p, "name", ports[i].name);
		hf_dump_put(&p, "protocol", hf_dump_proto(ports[i].proto));
		put_port(&p, "port", ports[i].port != 0, ports[i].port);
		put_port(&p, "nodePort", ports[i].node_port != 0, ports[i].node_port);
		list = list_add(list, hf_dump_done(&p));
	}
	hf_dump_put(d, "ports", list);
}

void hf_dump_service(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_service_obj *s = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	char buf[HF_ADDRSTR_SIZE];
	json_t *ingress = json_array();
	size_t i;

	put_service_ports(&d, s->ports, s->n_ports);
	hf_dump_addrs(&d, "clusterIPs", &s->cluster_ips);
	hf_dump_addrs(&d, "externalIPs", &s->external_ips);
	if (s->local_only)
		hf_dump_text(&d, "externalTrafficPolicy", "Local");
	hf_dump_put(top, "spec", hf_dump_done(&d));
	for (i = 0; i < s->lb_ips.n; i++)
		ingress = list_add(
			ingress, json_pack("{s:s}", "ip", hf_addr_print(&s->lb_ips.v[i], buf)));
	if (s->lb_ips.n)
		hf_dump_put(
			top, "status", json_pack("{s:{s:o}}", "loadBalancer", "ingress", ingress));
	else
		json_decref(ingress);
}

void hf_dump_slice(struct hf_dump *top, const struct hf_entry *entry)
{
	const struct hf_slice_obj *s = entry->obj;
	json_t *list = json_array();
	size_t i;

	put_service_ports(top, s->ports, s->n_ports);
	for (i = 0; i < s->n_endpoints; i++) {
		const struct hf_slice_endpoint *e = &s->endpoints[i];
		struct hf_dump d = {.obj = json_object()};

		hf_dump_addrs(&d, "addresses", &e->addrs);
		hf_dump_put(&d, "conditions", json_pack("{s:b}", "ready", e->ready));
		hf_dump_text(&d, "nodeName", e->node);
		list = list_add(list, hf_dump_done(&d));
	}
	hf_dump_put(top, "endpoints", list);
}

static json_t *dump_iface(const struct hf_facts_iface *iface)
{
	struct hf_dump d = {.obj = json_object()};
	char buf[HF_ADDRSTR_SIZE];
	json_t *list = json_array();
	size_t i;

	hf_dump_text(&d, "name", iface->name);
	for (i = 0; i < iface->n_addrs; i++)
		list = list_add(
			list, json_sprintf("%s/%u", hf_addr_print(&iface->addrs[i].addr, buf),
				      iface->addrs[i].len));
	hf_dump_put(&d, "addresses", list);
	if (iface->down)
		hf_dump_text(&d, "operState", "down");
	return hf_dump_done(&d);
}

static json_t *dump_dnat(const struct hf_facts_dnat *dnat)
{
	struct hf_dump d = {.obj = json_object()};
	char buf[HF_ADDRSTR_SIZE], proto[12];
	json_t *to = json_array();
	size_t i;

	hf_dump_text(&d, "proto", hf_proto_name(dnat->proto, proto));
	hf_dump_addr(&d, "dst", &dnat->addr);
	hf_dump_put(&d, "port", json_integer(dnat->port));
	for (i = 0; i < dnat->n_to; i++)
		to = list_add(to, json_string(hf_addrport_print(&dnat->to[i], buf)));
	hf_dump_put(&d, "to", to);
	return hf_dump_done(&d);
}

void hf_dump_facts(struct hf_dump *top, const struct hf_entry *entry)
{
	static const char *const hooks[] = {"accept", "drop"};
	const struct hf_facts_obj *f = entry->obj;
	struct hf_dump d = {.obj = json_object()};
	json_t *ifaces = json_array(), *routes = json_array(), *dnats = json_array();
	size_t i;

	for (i = 0; i < f->n_ifaces; i++)
		ifaces = list_add(ifaces, dump_iface(&f->ifaces[i]));
	for (i = 0; i < f->n_routes; i++) {
		struct hf_dump r = {.obj = json_object()};

		hf_dump_put(&r, "dst", hf_dump_net(&f->routes[i].dst));
		hf_dump_text(&r, "dev", f->routes[i].dev);
		routes = list_add(routes, hf_dump_done(&r));
	}
	for (i = 0; i < f->n_dnats; i++)
		dnats = list_add(dnats, dump_dnat(&f->dnats[i]));
	hf_dump_put(&d, "interfaces", ifaces);
	hf_dump_put(&d, "routes", routes);
	hf_dump_put(&d, "dnat", dnats);
	hf_dump_put(&d, "kernelPolicy",
		json_pack("{s:s, s:s, s:s}", "input", hooks[f->drop_input], "output",
			hooks[f->drop_output], "forward", hooks[f->drop_forward]));
	hf_dump_put(top, "spec", hf_dump_done(&d));
}
