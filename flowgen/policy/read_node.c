/* SPDX-License-Identifier: BSD-3-Clause */

/* Nodes, IP pools and the BGP configuration. */

#include "policy/read.h"

#include <hepflow/base/arena.h>

#include <string.h>

/* Addresses are gathered here: from many fields into one list. */
#define TUNNELS_MAX 5

struct node_in {
	struct hf_node_obj obj;
	struct hf_addr tunnel[TUNNELS_MAX];
};

#define NODE_AT(member)	    offsetof(struct node_in, obj.member)
#define NODE_TUNNEL(member) offsetof(struct node_in, tunnel[member])

/* Which tunnel an address belongs to. */
enum {
	TUNNEL_IPIP,
	TUNNEL_VXLAN,
	TUNNEL_VXLAN6,
	TUNNEL_WG,
	TUNNEL_WG6,
};

static const struct hf_field bgp_fields[] = {
	{"asNumber"},
	{"ipv4Address", hf_rd_addr_of_net, NODE_AT(bgp4), NODE_AT(has_bgp4)},
	{"ipv6Address", hf_rd_addr_of_net, NODE_AT(bgp6), NODE_AT(has_bgp6)},
	{"ipv4IPIPTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_IPIP)},
	{"routeReflectorClusterID"},
};

static int rd_bgp(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(bgp_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

static const struct hf_field wg_fields[] = {
	{"interfaceIPv4Address", hf_rd_addr, NODE_TUNNEL(TUNNEL_WG)},
	{"interfaceIPv6Address", hf_rd_addr, NODE_TUNNEL(TUNNEL_WG6)},
};

static int rd_wg(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(wg_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

static const struct hf_field address_fields[] = {
	{"address", hf_rd_addr_of_net, 0},
	{"type"},
};

static int rd_address(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(address_fields);
	struct hf_addr *addr = dst;
	int rc = hf_rd_map(rd, node, &shape, addr);

	if (rc == 0 && !addr->family)
		return hf_rd_bad(rd, node, "needs 'address'");
	return rc;
}

static int rd_addresses(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_address, sizeof(struct hf_addr), HF_LIST_MAX, dst);
}

/* bgp and wireguard fill members of the whole, so they get the whole. */
static const struct hf_field node_fields[] = {
	{"bgp", rd_bgp, 0},
	{"ipv4VXLANTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_VXLAN)},
	{"ipv6VXLANTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_VXLAN6)},
	{"vxlanTunnelMACAddr"},
	{"vxlanTunnelMACAddrV6"},
	{"orchRefs"},
	{"wireguard", rd_wg, 0},
	{"addresses", rd_addresses, NODE_AT(addrs)},
	{"interfaces"},
};

static int finish_tunnels(struct hf_rd *rd, struct node_in *in)
{
	struct hf_addr *v = hf_arena_calloc(rd->arena, TUNNELS_MAX, sizeof(*v));
	size_t i, n = 0;

	if (!v)
		return hf_rd_nomem(rd);
	for (i = 0; i < TUNNELS_MAX; i++) {
		if (in->tunnel[i].family)
			v[n++] = in->tunnel[i];
	}
	in->obj.tunnels = (struct hf_addrs){.n = n, .v = v};
	return 0;
}

int hf_rd_node(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(node_fields);
	struct hf_node_obj *node = dst;
	struct node_in in = {.obj = *node};
	int rc = hf_rd_spec(rd, object, &shape, &in);

	if (rc == 0)
		rc = finish_tunnels(rd, &in);
	if (rc == 0)
		*node = in.obj;
	return rc;
}

/* What calico/node writes on Kubernetes' Node objects. */
static const struct hf_field annotation_fields[] = {
	{"projectcalico.org/IPv4Address", hf_rd_addr_of_net, NODE_AT(bgp4), NODE_AT(has_bgp4)},
	{"projectcalico.org/IPv6Address", hf_rd_addr_of_net, NODE_AT(bgp6), NODE_AT(has_bgp6)},
	{"projectcalico.org/IPv4IPIPTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_IPIP)},
	{"projectcalico.org/IPv4VXLANTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_VXLAN)},
	{"projectcalico.org/IPv6VXLANTunnelAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_VXLAN6)},
	{"projectcalico.org/IPv4WireguardInterfaceAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_WG)},
	{"projectcalico.org/IPv6WireguardInterfaceAddr", hf_rd_addr, NODE_TUNNEL(TUNNEL_WG6)},
};

/* Addresses of type Hostname, and whatever else is not an IP address, do not count. */
static int kube_addresses(struct hf_rd *rd, const struct hf_yaml *list, struct hf_addrs *ret)
{
	struct hf_addr *v;
	size_t i, n = 0;

	if (!list || list->kind != HF_YAML_SEQ)
		return 0;
	v = hf_arena_calloc(rd->arena, list->n, sizeof(*v));
	if (!v)
		return hf_rd_nomem(rd);
	for (i = 0; i < list->n; i++) {
		const struct hf_yaml *address = hf_rd_get(list->v[i], "address");

		if (address && address->kind == HF_YAML_SCALAR &&
			hf_addr_parse(address->text, &v[n]) == 0)
			n++;
	}
	*ret = (struct hf_addrs){.n = n, .v = v};
	return 0;
}

int hf_rd_kube_node(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE_OPEN(annotation_fields);
	const struct hf_yaml *annotations = hf_rd_get(hf_rd_get(object, "metadata"), "annotations");
	const struct hf_yaml *status = hf_rd_get(object, "status");
	struct hf_node_obj *node = dst;
	struct node_in in = {.obj = *node};
	int rc = annotations ? hf_rd_map(rd, annotations, &shape, &in) : 0;

	if (rc == 0)
		rc = kube_addresses(rd, hf_rd_get(status, "addresses"), &in.obj.addrs);
	if (rc == 0)
		rc = finish_tunnels(rd, &in);
	if (rc == 0)
		*node = in.obj;
	return rc;
}

static int rd_mode(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Never", "Always", "CrossSubnet"};
	unsigned int word = 0;
	int rc = 0;

	if (node->kind != HF_YAML_SCALAR || node->text[0] != '\0')
		rc = hf_rd_word(rd, node, HF_WORDS(words), false, &word);
	if (rc == 0)
		*(bool *)dst = word != 0;
	return rc;
}

/* ipip and nat-outgoing are what releases before v3.30 still know of their own v1. */
static const struct hf_field pool_fields[] = {
	{"cidr", hf_rd_net, offsetof(struct hf_ippool_obj, cidr)},
	{"ipipMode", rd_mode, offsetof(struct hf_ippool_obj, ipip)},
	{"vxlanMode", rd_mode, offsetof(struct hf_ippool_obj, vxlan)},
	{"natOutgoing", hf_rd_bool, offsetof(struct hf_ippool_obj, nat_outgoing)},
	{"disabled", hf_rd_bool, offsetof(struct hf_ippool_obj, disabled)},
	{"disableBGPExport"},
	{"blockSize"},
	{"nodeSelector"},
	{"namespaceSelector"},
	{"allowedUses"},
	{"assignmentMode"},
	{"ipip"},
	{"nat-outgoing"},
};

int hf_rd_ippool(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(pool_fields);
	const struct hf_yaml *spec = hf_rd_where(object, "spec");
	struct hf_ippool_obj *pool = dst;
	int rc = hf_rd_spec(rd, object, &shape, pool);

	if (rc < 0)
		return rc;
	if (!pool->cidr.addr.family)
		return hf_rd_fail(rd, spec, "IP pool without 'cidr'");
	if (pool->ipip && pool->vxlan)
		return hf_rd_fail(rd, hf_rd_where(spec, "vxlanMode"),
			"vxlanMode: excludes ipipMode; one must be Never");
	if (pool->ipip && pool->cidr.addr.family == 6)
		return hf_rd_fail(rd, hf_rd_where(spec, "ipipMode"), "ipipMode: IPv4 only");
	return 0;
}

static const struct hf_field block_fields[] = {{"cidr", hf_rd_net_loose, 0}};

static int rd_block(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(block_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

/* Calico lets a block be empty; it stands for nothing. */
static int rd_blocks(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct {
		size_t n;
		struct hf_prefix *v;
	} list;
	size_t i, n = 0;
	int rc = hf_rd_list(rd, node, rd_block, sizeof(struct hf_prefix), HF_LIST_MAX, &list);

	if (rc < 0)
		return rc;
	for (i = 0; i < list.n; i++) {
		if (list.v[i].addr.family)
			list.v[n++] = list.v[i];
	}
	*(struct hf_nets *)dst = (struct hf_nets){.n = n, .v = list.v};
	return 0;
}

static const struct hf_field bgpconf_fields[] = {
	{"serviceClusterIPs", rd_blocks, offsetof(struct hf_bgpconf_obj, cluster)},
	{"serviceExternalIPs", rd_blocks, offsetof(struct hf_bgpconf_obj, external)},
	{"serviceLoadBalancerIPs", rd_blocks, offsetof(struct hf_bgpconf_obj, lb)},
	{"logSeverityScreen"},
	{"nodeToNodeMeshEnabled"},
	{"asNumber"},
	{"serviceLoadBalancerAggregation"},
	{"communities"},
	{"prefixAdvertisements"},
	{"listenPort"},
	{"nodeMeshPassword"},
	{"nodeMeshMaxRestartTime"},
	{"bindMode"},
	{"ignoredInterfaces"},
	{"localWorkloadPeeringIPV4"},
	{"localWorkloadPeeringIPV6"},
	{"programClusterRoutes"},
	{"ipv4NormalRoutePriority"},
	{"ipv6NormalRoutePriority"},
};

int hf_rd_bgpconf(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(bgpconf_fields);

	return hf_rd_spec(rd, object, &shape, dst);
}
