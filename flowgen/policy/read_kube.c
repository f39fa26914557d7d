/* SPDX-License-Identifier: BSD-3-Clause */

/* The Kubernetes kinds: somebody else's, so only what matters here is looked at. */

#include "policy/read.h"

#include <hepflow/base/arena.h>

#include <string.h>

int hf_rd_labelled(struct hf_rd *, const struct hf_yaml *, void *)
{
	return 0; /* metadata is all there is to them */
}

static int rd_node_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 0, 65535, &v) < 0)
		return hf_rd_bad(rd, node, "must be a port number");
	*(uint16_t *)dst = (uint16_t)v;
	return 0;
}

static const struct hf_field port_fields[] = {
	{"name", hf_rd_text, offsetof(struct hf_service_port, name)},
	{"protocol", hf_rd_port_proto, offsetof(struct hf_service_port, proto)},
	{"port", hf_rd_port16, offsetof(struct hf_service_port, port)},
	{"nodePort", rd_node_port, offsetof(struct hf_service_port, node_port)},
};

static int rd_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(port_fields);
	struct hf_service_port *port = dst;
	int rc = hf_rd_map(rd, node, &shape, port);

	if (!port->proto)
		port->proto = HF_PROTO_TCP; /* the default of the API server */
	return rc;
}

static int rd_service_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int rc = rd_port(rd, node, dst);

	if (rc == 0 && !((struct hf_service_port *)dst)->port)
		return hf_rd_bad(rd, node, "a port of a service needs 'port'");
	return rc;
}

static int rd_service_ports(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(
		rd, node, rd_service_port, sizeof(struct hf_service_port), HF_LIST_MAX, dst);
}

static int rd_slice_ports(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_port, sizeof(struct hf_service_port), HF_LIST_MAX, dst);
}

struct service_in {
	struct hf_service_obj obj;
	const char *cluster_ip;
	struct hf_names cluster_ips;
	const char *lb_ip;
	const char *type;
	const char *traffic;
};

static const struct hf_field service_fields[] = {
	{"type", hf_rd_text, offsetof(struct service_in, type)},
	{"ports", rd_service_ports, offsetof(struct service_in, obj.n_ports)},
	{"clusterIP", hf_rd_text, offsetof(struct service_in, cluster_ip)},
	{"clusterIPs", hf_rd_names, offsetof(struct service_in, cluster_ips)},
	{"externalIPs", hf_rd_addrs, offsetof(struct service_in, obj.external_ips)},
	{"loadBalancerIP", hf_rd_text, offsetof(struct service_in, lb_ip)},
	{"externalTrafficPolicy", hf_rd_text, offsetof(struct service_in, traffic)},
};

/* Appends text to v unless it is there already or names no address. */
static int add_addr(
	struct hf_rd *rd, const struct hf_yaml *at, const char *text, struct hf_addr *v, size_t *n)
{
	size_t i;

	if (!text || text[0] == '\0' || strcmp(text, "None") == 0)
		return 0;
	if (hf_addr_parse(text, &v[*n]) < 0)
		return hf_rd_fail(rd, at, "'%.64s' is not an IP address", text);
	for (i = 0; i < *n; i++) {
		if (hf_addr_equal(&v[i], &v[*n]))
			return 0;
	}
	(*n)++;
	return 0;
}

#define CLUSTER_IPS_MAX 2 /* one per family */

static int cluster_ips(struct hf_rd *rd, const struct hf_yaml *spec, const struct service_in *in,
	struct hf_addrs *ret)
{
	const struct hf_yaml *at = hf_rd_where(spec, "clusterIPs");
	struct hf_addr *v = hf_arena_calloc(rd->arena, CLUSTER_IPS_MAX + 1, sizeof(*v));
	size_t n = 0, i;
	int rc;

	if (!v)
		return hf_rd_nomem(rd);
	if (in->cluster_ips.n > CLUSTER_IPS_MAX)
		return hf_rd_fail(rd, at, "clusterIPs: more than one address per family");
	rc = add_addr(rd, hf_rd_where(spec, "clusterIP"), in->cluster_ip, v, &n);
	for (i = 0; rc == 0 && i < in->cluster_ips.n; i++)
		rc = add_addr(rd, at, in->cluster_ips.v[i], v, &n);
	*ret = (struct hf_addrs){.n = n, .v = v};
	return rc;
}

#define LB_IPS_MAX 64 /* add_addr() compares each with each */

/* status.loadBalancer.ingress[].ip says what was given, spec.loadBalancerIP what was asked for. */
static int lb_ips(struct hf_rd *rd, const struct hf_yaml *object, const struct service_in *in,
	struct hf_addrs *ret)
{
	const struct hf_yaml *lb = hf_rd_get(hf_rd_get(object, "status"), "loadBalancer");
	const struct hf_yaml *list = hf_rd_get(lb, "ingress");
	size_t i, n = 0, given = list && list->kind == HF_YAML_SEQ ? list->n : 0;
	struct hf_addr *v = hf_arena_calloc(rd->arena, LB_IPS_MAX + 1, sizeof(*v));
	int rc;

	if (!v)
		return hf_rd_nomem(rd);
	if (given > LB_IPS_MAX)
		return hf_rd_fail(rd, list, "ingress: more than %d addresses", LB_IPS_MAX);
	rc = add_addr(
		rd, hf_rd_where(hf_rd_where(object, "spec"), "loadBalancerIP"), in->lb_ip, v, &n);
	for (i = 0; rc == 0 && i < given; i++) {
		const struct hf_yaml *ip = hf_rd_get(list->v[i], "ip");

		if (ip && ip->kind == HF_YAML_SCALAR)
			rc = add_addr(rd, ip, ip->text, v, &n);
	}
	*ret = (struct hf_addrs){.n = n, .v = v};
	return rc;
}

int hf_rd_service(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(service_fields);
	struct hf_service_obj *service = dst;
	struct service_in in = {.obj = *service};
	int rc = hf_rd_spec(rd, object, &shape, &in);

	/* An ExternalName service is a DNS name and rewrites nothing. */
	if (rc == 0 && !(in.type && strcmp(in.type, "ExternalName") == 0)) {
		rc = cluster_ips(rd, hf_rd_where(object, "spec"), &in, &in.obj.cluster_ips);
		if (rc == 0)
			rc = lb_ips(rd, object, &in, &in.obj.lb_ips);
	}
	if (rc < 0)
		return rc;
	in.obj.local_only = in.traffic && strcmp(in.traffic, "Local") == 0;
	*service = in.obj;
	return 0;
}

static const struct hf_field condition_fields[] = {
	{"ready", hf_rd_bool, offsetof(struct hf_slice_endpoint, ready)},
};

static int rd_conditions(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(condition_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

static const struct hf_field endpoint_fields[] = {
	{"addresses", hf_rd_addrs, offsetof(struct hf_slice_endpoint, addrs)},
	{"conditions", rd_conditions, 0},
	{"nodeName", hf_rd_text, offsetof(struct hf_slice_endpoint, node)},
};

static int rd_endpoint(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(endpoint_fields);
	struct hf_slice_endpoint *endpoint = dst;

	endpoint->ready = true; /* unknown reads as ready, as Kubernetes has it */
	return hf_rd_map(rd, node, &shape, endpoint);
}

static int rd_endpoints(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(
		rd, node, rd_endpoint, sizeof(struct hf_slice_endpoint), HF_LIST_MAX, dst);
}

/* An EndpointSlice has no spec: its fields stand at the top. */
static const struct hf_field slice_fields[] = {
	{"ports", rd_slice_ports, offsetof(struct hf_slice_obj, n_ports)},
	{"endpoints", rd_endpoints, offsetof(struct hf_slice_obj, n_endpoints)},
};

int hf_rd_slice(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(slice_fields);
	const struct hf_yaml *type = hf_rd_get(object, "addressType");
	struct hf_slice_obj *slice = dst;

	slice->service = hf_labels_find(&slice->meta.labels, "kubernetes.io/service-name");
	if (type && type->kind == HF_YAML_SCALAR && strcmp(type->text, "FQDN") == 0)
		return hf_rd_note(rd, slice->meta.place,
			"EndpointSlice %s/%s holds names, not addresses: not used", slice->meta.ns,
			slice->meta.name);
	return hf_rd_map(rd, object, &shape, slice);
}
