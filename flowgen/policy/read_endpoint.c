/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoints and network sets. */

#include "policy/read.h"

#include <string.h>

#define IFACE_MAX 15 /* IFNAMSIZ of Linux without the closing NUL */

static int rd_iface(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int rc = hf_rd_text(rd, node, dst);

	if (rc < 0 || node->text[0] == '\0' || strcmp(node->text, "*") == 0)
		return rc;
	if (!hf_is_plain_name(node->text, IFACE_MAX))
		return hf_rd_bad(rd, node,
			"'%.64s' is not an interface name: at most %d of letters, digits, '_', "
			"'.' and '-', or '*'",
			node->text, IFACE_MAX);
	return 0;
}

static const struct hf_field port_fields[] = {
	{"name", hf_rd_port_name, offsetof(struct hf_endpoint_port, name)},
	{"protocol", hf_rd_port_proto, offsetof(struct hf_endpoint_port, proto)},
	{"port", hf_rd_port16, offsetof(struct hf_endpoint_port, port)},
};

static int rd_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(port_fields);
	struct hf_endpoint_port *port = dst;
	int rc = hf_rd_map(rd, node, &shape, port);

	if (rc == 0 && (!port->name || !port->proto || !port->port))
		return hf_rd_bad(rd, node, "a port needs 'name', 'protocol' and 'port'");
	return rc;
}

static int rd_ports(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_port, sizeof(struct hf_endpoint_port), HF_LIST_MAX, dst);
}

static const struct hf_field hep_fields[] = {
	{"node", hf_rd_name, offsetof(struct hf_hep_obj, node)},
	{"interfaceName", rd_iface, offsetof(struct hf_hep_obj, iface)},
	{"expectedIPs", hf_rd_addrs, offsetof(struct hf_hep_obj, expected)},
	{"profiles", hf_rd_names, offsetof(struct hf_hep_obj, profiles)},
	{"ports", rd_ports, offsetof(struct hf_hep_obj, ports)},
};

/* V17 */
int hf_rd_hep(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(hep_fields);
	struct hf_hep_obj *hep = dst;
	int rc = hf_rd_spec(rd, object, &shape, hep);

	if (rc < 0)
		return rc;
	if (!hep->node)
		return hf_rd_fail(rd, hf_rd_where(object, "spec"), "host endpoint without 'node'");
	if (!hep->iface && !hep->expected.n)
		return hf_rd_fail(rd, hf_rd_where(object, "spec"),
			"host endpoint without 'interfaceName' and 'expectedIPs': needs one");
	return 0;
}

static int rd_host_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 0, 65535, &v) < 0)
		return hf_rd_bad(rd, node, "must be a port number, 0 to 65535");
	*(uint16_t *)dst = (uint16_t)v;
	return 0;
}

/* A container's port that only maps a host port needs no name. */
struct wep_port {
	struct hf_endpoint_port port;
	uint16_t host_port;
};

static const struct hf_field wep_port_fields[] = {
	{"name", hf_rd_text, offsetof(struct wep_port, port.name)},
	{"protocol", hf_rd_port_proto, offsetof(struct wep_port, port.proto)},
	{"port", hf_rd_port16, offsetof(struct wep_port, port.port)},
	{"hostPort", rd_host_port, offsetof(struct wep_port, host_port)},
	{"hostIP"},
};

static int rd_wep_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(wep_port_fields);
	struct wep_port in = {0};
	int rc = hf_rd_map(rd, node, &shape, &in);

	if (rc < 0)
		return rc;
	if (!in.port.proto || !in.port.port || (!in.port.name && !in.host_port))
		return hf_rd_bad(
			rd, node, "a port needs 'protocol', 'port', and 'name' or 'hostPort'");
	if (in.port.name && !hf_is_plain_name(in.port.name, 128))
		return hf_rd_bad(
			rd, hf_rd_where(node, "name"), "'%.64s' is not a port name", in.port.name);
	*(struct hf_endpoint_port *)dst = in.port;
	return 0;
}

/* Ports without a name only map a host port: no rule can mean them. */
static int rd_wep_ports(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct {
		size_t n;
		struct hf_endpoint_port *v;
	} list;
	size_t i, n = 0;
	int rc = hf_rd_list(
		rd, node, rd_wep_port, sizeof(struct hf_endpoint_port), HF_LIST_MAX, &list);

	if (rc < 0)
		return rc;
	for (i = 0; i < list.n; i++) {
		if (list.v[i].name)
			list.v[n++] = list.v[i];
	}
	*(struct hf_endpoint_ports *)dst = (struct hf_endpoint_ports){.n = n, .v = list.v};
	return 0;
}

static int rd_wep_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_prefix *net = dst;
	int rc = hf_rd_net_loose(rd, node, net);

	if (rc == 0 && net->len != hf_addr_bits(&net->addr))
		return hf_rd_bad(rd, node, "'%.64s' is more than one address", node->text);
	return rc;
}

static int rd_wep_nets(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_wep_net, sizeof(struct hf_prefix), HF_LIST_MAX, dst);
}

static const struct hf_field nat_fields[] = {
	{"internalIP", hf_rd_addr, offsetof(struct hf_ip_nat, internal)},
	{"externalIP", hf_rd_addr, offsetof(struct hf_ip_nat, external)},
};

static int rd_nat(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(nat_fields);
	struct hf_ip_nat *nat = dst;
	int rc = hf_rd_map(rd, node, &shape, nat);

	if (rc < 0)
		return rc;
	if (!nat->internal.family || !nat->external.family)
		return hf_rd_bad(rd, node, "needs 'internalIP' and 'externalIP'");
	if (nat->internal.family != nat->external.family)
		return hf_rd_bad(rd, node, "internalIP and externalIP of different families");
	return 0;
}

static int rd_nats(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_nat, sizeof(struct hf_ip_nat), HF_LIST_MAX, dst);
}

static const struct hf_field wep_fields[] = {
	{"orchestrator"},
	{"workload"},
	{"node", hf_rd_name, offsetof(struct hf_wep_obj, node)},
	{"containerID"},
	{"pod", hf_rd_name, offsetof(struct hf_wep_obj, pod)},
	{"endpoint"},
	{"serviceAccountName", hf_rd_name, offsetof(struct hf_wep_obj, sa)},
	{"ipNetworks", rd_wep_nets, offsetof(struct hf_wep_obj, nets)},
	{"ipNATs", rd_nats, offsetof(struct hf_wep_obj, n_nats)},
	{"ipv4Gateway"},
	{"ipv6Gateway"},
	{"profiles", hf_rd_names, offsetof(struct hf_wep_obj, profiles)},
	{"interfaceName", rd_iface, offsetof(struct hf_wep_obj, iface)},
	{"mac"},
	{"ports", rd_wep_ports, offsetof(struct hf_wep_obj, ports)},
	{"allowSpoofedSourcePrefixes", hf_rd_nets_loose, offsetof(struct hf_wep_obj, spoofed)},
	{"qosControls"},
};

static bool nets_have(const struct hf_nets *nets, const struct hf_addr *addr)
{
	size_t i;

	for (i = 0; i < nets->n; i++) {
		if (hf_prefix_has(&nets->v[i], addr))
			return true;
	}
	return false;
}

int hf_rd_wep(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(wep_fields);
	const struct hf_yaml *spec = hf_rd_where(object, "spec");
	struct hf_wep_obj *wep = dst;
	int rc = hf_rd_spec(rd, object, &shape, wep);
	size_t i;

	if (rc < 0)
		return rc;
	if (!wep->node)
		return hf_rd_fail(rd, spec, "workload endpoint without 'node'");
	if (wep->iface && strcmp(wep->iface, "*") == 0)
		return hf_rd_fail(rd, hf_rd_where(spec, "interfaceName"),
			"interfaceName: '*' is for host endpoints");
	for (i = 0; i < wep->n_nats; i++) {
		if (!nets_have(&wep->nets, &wep->nats[i].internal))
			return hf_rd_fail(rd, hf_rd_where(spec, "ipNATs"),
				"ipNATs: internalIP is not one of ipNetworks");
	}
	wep->allow_spoofed = wep->spoofed.n > 0;
	return 0;
}

static const struct hf_field netset_fields[] = {
	{"nets", hf_rd_nets_loose, offsetof(struct hf_netset_obj, nets)},
};

/* V19 */
int hf_rd_netset(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(netset_fields);
	struct hf_netset_obj *set = dst;

	if (hf_labels_find(&set->meta.labels, "projectcalico.org/namespace"))
		return hf_rd_fail(rd, hf_rd_where(hf_rd_where(object, "metadata"), "labels"),
			"labels: projectcalico.org/namespace belongs to Calico");
	return hf_rd_spec(rd, object, &shape, set);
}
