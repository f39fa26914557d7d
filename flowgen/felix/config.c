/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Felix's parameters, and what it says of the cluster: pools, hosts, service addresses.
 *
 * Parameters come as raw text by the names of Felix's own configuration, only those that somebody
 * has set (docs/semantics.md 16.6). They are put into a FelixConfiguration object and read as such,
 * so that there is one place that knows what they mean.
 */

#include "felix/read.h"

#include <hepflow/base/arena.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct param {
	const char *raw;
	const char *field;
	json_t *(*value)(const char *text); /* NULL result: cannot be read, or out of memory */
};

static json_t *as_bool(const char *text)
{
	static const char *const yes[] = {"true", "1", "yes", "y", "t"};
	static const char *const no[] = {"false", "0", "no", "n", "f"};
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return json_true();
		if (strcasecmp(text, no[i]) == 0)
			return json_false();
	}
	return NULL;
}

static json_t *as_int(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end ? json_integer(n) : NULL;
}

/* "none" empties a list. */
static json_t *as_text(const char *text)
{
	return json_string(strcasecmp(text, "none") == 0 ? "" : text);
}

/* "PORT", "PROTO:PORT", "PROTO:NET:PORT" or "PROTO:[NET6]:PORT". */
static json_t *failsafe(char *text)
{
	char *colon = strchr(text, ':'), *last = strrchr(text, ':'), *net = NULL, *port = text;
	json_t *number;

	if (colon) {
		*colon = '\0';
		port = colon + 1;
	}
	if (colon && last != colon) {
		*last = '\0';
		net = colon + 1;
		port = last + 1;
		if (*net == '[' && net[strlen(net) - 1] == ']') {
			net++;
			net[strlen(net) - 1] = '\0';
		}
	}
	number = as_int(port);
	if (!number)
		return NULL;
	return json_pack("{s:s, s:o, s:s}", "protocol", colon ? text : "TCP", "port", number, "net",
		net ? net : "");
}

static json_t *word(char *text)
{
	return json_string(text);
}

static json_t *split(const char *text, json_t *(*element)(char *part))
{
	json_t *list = json_array();
	char *copy = strdup(text), *part, *rest;
	int rc = list && copy ? 0 : -1;

	if (copy && strcasecmp(copy, "none") == 0)
		*copy = '\0';
	for (part = rc ? NULL : strtok_r(copy, ", ", &rest); part && rc == 0;
		part = strtok_r(NULL, ", ", &rest))
		rc = json_array_append_new(list, element(part));
	free(copy);
	if (rc == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *as_failsafes(const char *text)
{
	return split(text, failsafe);
}

static json_t *as_list(const char *text)
{
	return split(text, word);
}

/* Of docs/semantics.md 17; other parameters do not change verdicts. */
static const struct param params[] = {
	{"FailsafeInboundHostPorts", "failsafeInboundHostPorts", as_failsafes},
	{"FailsafeOutboundHostPorts", "failsafeOutboundHostPorts", as_failsafes},
	{"DefaultEndpointToHostAction", "defaultEndpointToHostAction", as_text},
	{"IptablesFilterAllowAction", "iptablesFilterAllowAction", as_text},
	{"IptablesMangleAllowAction", "iptablesMangleAllowAction", as_text},
	{"IptablesFilterDenyAction", "iptablesFilterDenyAction", as_text},
	{"NftablesFilterAllowAction", "nftablesFilterAllowAction", as_text},
	{"NftablesMangleAllowAction", "nftablesMangleAllowAction", as_text},
	{"NftablesFilterDenyAction", "nftablesFilterDenyAction", as_text},
	{"NFTablesMode", "nftablesMode", as_text},
	{"DisableConntrackInvalidCheck", "disableConntrackInvalidCheck", as_bool},
	{"InterfacePrefix", "interfacePrefix", as_text},
	{"InterfaceExclude", "interfaceExclude", as_text},
	{"VXLANPort", "vxlanPort", as_int},
	{"WireguardListeningPort", "wireguardListeningPort", as_int},
	{"WireguardListeningPortV6", "wireguardListeningPortV6", as_int},
	{"WireguardEnabled", "wireguardEnabled", as_bool},
	{"WireguardEnabledV6", "wireguardEnabledV6", as_bool},
	{"IpInIpEnabled", "ipipEnabled", as_bool},
	{"VXLANEnabled", "vxlanEnabled", as_bool},
	{"AllowVXLANPacketsFromWorkloads", "allowVXLANPacketsFromWorkloads", as_bool},
	{"AllowIPIPPacketsFromWorkloads", "allowIPIPPacketsFromWorkloads", as_bool},
	{"ServiceLoopPrevention", "serviceLoopPrevention", as_text},
	{"Ipv6Support", "ipv6Support", as_bool},
	{"ExternalNodesCIDRList", "externalNodesList", as_list},
	{"LogPrefix", "logPrefix", as_text},
	{"LogActionRateLimit", "logActionRateLimit", as_text},
	{"LogActionRateLimitBurst", "logActionRateLimitBurst", as_int},
	{"ChainInsertMode", "chainInsertMode", as_text},
};

static const struct param *param_find(const char *raw)
{
	size_t i;

	for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		if (strcasecmp(params[i].raw, raw) == 0)
			return &params[i];
	}
	return NULL;
}

static int put_params(struct hf_fx *fx, const HfFelix__ConfigUpdate *u, json_t *spec)
{
	const struct param *p;
	json_t *value;
	size_t i;

	for (i = 0; i < u->n_config; i++) {
		p = param_find(u->config[i]->key);
		if (!p)
			continue;
		value = p->value(u->config[i]->value);
		if (!value)
			return hf_fx_bad(fx, "%s: '%.64s' cannot be read", u->config[i]->key,
				u->config[i]->value);
		if (json_object_set_new(spec, p->field, value))
			return hf_fx_nomem(fx);
	}
	return 0;
}

/* What Felix has found out about the pools, unless a parameter says otherwise. */
static int put_encapsulation(struct hf_fx *fx, const HfFelix__Encapsulation *e, json_t *spec)
{
	if (!json_object_get(spec, "ipipEnabled") &&
		json_object_set_new(spec, "ipipEnabled", json_boolean(e->ipip_enabled)))
		return hf_fx_nomem(fx);
	if (!json_object_get(spec, "vxlanEnabled") &&
		json_object_set_new(spec, "vxlanEnabled", json_boolean(e->vxlan_enabled)))
		return hf_fx_nomem(fx);
	return 0;
}

int hf_fx_config(struct hf_fx *fx)
{
	const HfFelix__ToDataplane *config =
		hf_felix_single(fx->felix, HF_FELIX__TO_DATAPLANE__PAYLOAD_CONFIG_UPDATE);
	const HfFelix__ToDataplane *encap =
		hf_felix_single(fx->felix, HF_FELIX__TO_DATAPLANE__PAYLOAD_ENCAPSULATION);
	json_t *spec = json_object(), *obj = NULL;
	char *text = NULL;
	int rc = spec ? 0 : hf_fx_nomem(fx);

	fx->what = "configuration";
	if (rc == 0 && config)
		rc = put_params(fx, config->config_update, spec);
	if (rc == 0 && encap)
		rc = put_encapsulation(fx, encap->encapsulation, spec);
	if (rc == 0) {
		obj = json_pack("{s:s, s:s, s:{s:s}, s:O}", "apiVersion", "projectcalico.org/v3",
			"kind", "FelixConfiguration", "metadata", "name", "default", "spec", spec);
		text = obj ? json_dumps(obj, 0) : NULL;
		rc = text ? hf_batch_read(
				    fx->batch, "felix configuration", text, strlen(text), fx->err)
			  : hf_fx_nomem(fx);
	}
	free(text);
	json_decref(obj);
	json_decref(spec);
	return rc;
}

static bool mode_is_on(const char *mode)
{
	return *mode && strcasecmp(mode, "Never") != 0;
}

static int rd_pools(struct hf_fx *fx)
{
	struct hf_felix_item *item;
	struct hf_ippool_obj *obj;

	for (item = fx->felix->items[HF_FELIX_POOL]; item; item = item->hh.next) {
		const HfFelix__IPAMPool *p = item->msg->ipam_pool_update->pool;

		fx->what = hf_arena_printf(fx->arena, "pool %s", item->key);
		obj = hf_fx_add(fx, HF_LIST_ippool, NULL, item->key);
		if (!obj || !fx->what)
			return hf_fx_nomem(fx);
		if (!p || hf_prefix_parse(p->cidr, &obj->cidr, NULL) < 0)
			return hf_fx_bad(fx, "'%.64s' is no net", p ? p->cidr : "");
		obj->ipip = mode_is_on(p->ipip_mode);
		obj->vxlan = mode_is_on(p->vxlan_mode);
		obj->nat_outgoing = p->masquerade;
	}
	return 0;
}

static int push_addr(struct hf_fx *fx, const char *text, struct hf_addrs *list)
{
	struct hf_addr *v;
	int rc;

	if (!*text)
		return 0;
	v = hf_arena_calloc(fx->arena, list->n + 1, sizeof(*v));
	if (!v)
		return hf_fx_nomem(fx);
	if (list->n)
		memcpy(v, list->v, list->n * sizeof(*v));
	rc = hf_fx_addr(fx, text, &v[list->n]);
	if (rc == 0)
		*list = (struct hf_addrs){list->n + 1, v};
	return rc;
}

static int rd_vtep(struct hf_fx *fx, const HfFelix__VXLANTunnelEndpoint *v, struct hf_node_obj *obj)
{
	int rc = push_addr(fx, v->parent_device_ip, &obj->addrs);

	if (rc == 0)
		rc = push_addr(fx, v->parent_device_ipv6, &obj->addrs);
	if (rc == 0)
		rc = push_addr(fx, v->ipv4_addr, &obj->tunnels);
	return rc < 0 ? rc : push_addr(fx, v->ipv6_addr, &obj->tunnels);
}

/* "192.0.2.1" or "192.0.2.1/24" */
static int rd_host_addr(struct hf_fx *fx, const char *text, struct hf_node_obj *obj)
{
	char *addr = hf_arena_strndup(fx->arena, text, strcspn(text, "/"));
	struct hf_addr a;
	int rc;

	if (!addr)
		return hf_fx_nomem(fx);
	if (!*addr)
		return 0;
	rc = hf_fx_addr(fx, addr, &a);
	if (rc < 0)
		return rc;
	*(a.family == 4 ? &obj->bgp4 : &obj->bgp6) = a;
	*(a.family == 4 ? &obj->has_bgp4 : &obj->has_bgp6) = true;
	return 0;
}

static int rd_meta(struct hf_fx *fx, const HfFelix__HostMetadata *meta, struct hf_node_obj *obj)
{
	int rc = rd_host_addr(fx, meta->addr, obj);

	return rc < 0 ? rc : rd_host_addr(fx, meta->ipv6_addr, obj);
}

static int rd_host(struct hf_fx *fx, const struct hf_felix_item *item, struct hf_node_obj *obj)
{
	switch (item->msg->payload_case) {
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_UPDATE:
		return rd_meta(fx, item->msg->host_metadata_update, obj);
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V4V6_UPDATE:
		return rd_meta(fx, item->msg->host_metadata_v4v6_update, obj);
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V6_UPDATE:
		return rd_meta(fx, item->msg->host_metadata_v6_update, obj);
	default:
		return rd_vtep(fx, item->msg->vtep_update, obj);
	}
}

/* What is known of a host stands in up to four places; the first that knows it makes the object. */
static int rd_hosts(struct hf_fx *fx)
{
	static const enum hf_felix_kind kinds[] = {
		HF_FELIX_HOST, HF_FELIX_HOST46, HF_FELIX_HOST6, HF_FELIX_VTEP};
	const size_t n = sizeof(kinds) / sizeof(kinds[0]);
	struct hf_felix_item *item, *other;
	struct hf_node_obj *obj;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < n; i++) {
		for (item = fx->felix->items[kinds[i]]; item && rc == 0; item = item->hh.next) {
			other = NULL;
			for (k = 0; k < i && !other; k++)
				HASH_FIND_STR(fx->felix->items[kinds[k]], item->key, other);
			if (other)
				continue;
			obj = hf_fx_add(fx, HF_LIST_node, NULL, item->key);
			fx->what = hf_arena_printf(fx->arena, "host %s", item->key);
			if (!obj || !fx->what)
				return hf_fx_nomem(fx);
			for (k = i; k < n && rc == 0; k++) {
				HASH_FIND_STR(fx->felix->items[kinds[k]], item->key, other);
				rc = other ? rd_host(fx, other, obj) : 0;
			}
		}
	}
	return rc;
}

static int rd_bgp(struct hf_fx *fx)
{
	const HfFelix__ToDataplane *m = hf_felix_single(
		fx->felix, HF_FELIX__TO_DATAPLANE__PAYLOAD_GLOBAL_BGP_CONFIG_UPDATE);
	const HfFelix__GlobalBGPConfigUpdate *u;
	struct hf_bgpconf_obj *obj;
	int rc;

	if (!m)
		return 0;
	u = m->global_bgp_config_update;
	fx->what = "BGP configuration";
	obj = hf_fx_add(fx, HF_LIST_bgpconf, NULL, "default");
	if (!obj)
		return hf_fx_nomem(fx);
	rc = hf_fx_nets(fx, u->service_cluster_cidrs, u->n_service_cluster_cidrs, &obj->cluster);
	if (rc == 0)
		rc = hf_fx_nets(
			fx, u->service_external_cidrs, u->n_service_external_cidrs, &obj->external);
	if (rc == 0)
		rc = hf_fx_nets(fx, u->service_loadbalancer_cidrs, u->n_service_loadbalancer_cidrs,
			&obj->lb);
	return rc;
}

/* Felix says which services there are, not who is behind them. */
static int note_services(struct hf_fx *fx)
{
	unsigned int n = HASH_COUNT(fx->felix->items[HF_FELIX_SERVICE]);
	char *note;

	if (n == 0)
		return 0;
	if (asprintf(&note,
		    "felix: %u services, whose backends are not in the stream: what they rewrite "
		    "is known only from Service and EndpointSlice objects among the policy files",
		    n) < 0)
		return hf_fx_nomem(fx);
	if (hf_vec_push(&fx->batch->notes, note)) {
		free(note);
		return hf_fx_nomem(fx);
	}
	return 0;
}

int hf_fx_cluster(struct hf_fx *fx)
{
	int rc = rd_pools(fx);

	if (rc == 0)
		rc = rd_hosts(fx);
	if (rc == 0)
		rc = rd_bgp(fx);
	return rc < 0 ? rc : note_services(fx);
}
