/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is not policy and yet decides: Felix' parameters, failsafe ports, encapsulation and its
 * peers, service addresses; docs/semantics.md 6, 10, 17.
 */

#include "model/build.h"

#include <stdio.h>
#include <string.h>

#define CALICO_NEWEST	334 /* docs/semantics.md describes 3.34 */

#define VXLAN_PORT	4789
#define WIREGUARD_PORT	51820
#define WIREGUARD_PORT6 51821

/* docs/semantics.md 6, the defaults. */
static const struct hf_model_failsafe failsafe_in[] = {
	{HF_PROTO_TCP, 22},
	{HF_PROTO_UDP, 68},
	{HF_PROTO_TCP, 179},
	{HF_PROTO_TCP, 2379},
	{HF_PROTO_TCP, 2380},
	{HF_PROTO_TCP, 5473},
	{HF_PROTO_TCP, 6443},
	{HF_PROTO_TCP, 6666},
	{HF_PROTO_TCP, 6667},
};

static const struct hf_model_failsafe failsafe_out[] = {
	{HF_PROTO_UDP, 53},
	{HF_PROTO_UDP, 67},
	{HF_PROTO_TCP, 179},
	{HF_PROTO_TCP, 2379},
	{HF_PROTO_TCP, 2380},
	{HF_PROTO_TCP, 5473},
	{HF_PROTO_TCP, 6443},
	{HF_PROTO_TCP, 6666},
	{HF_PROTO_TCP, 6667},
};

/* REJECT is no valid value of these parameters upstream; what it would do is deny. */
static const enum hf_target targets[] = {
	[HF_FELIX_DROP] = HF_TARGET_DROP,
	[HF_FELIX_ACCEPT] = HF_TARGET_ACCEPT,
	[HF_FELIX_RETURN] = HF_TARGET_RETURN,
	[HF_FELIX_REJECT] = HF_TARGET_DROP,
};

#define OVERLAY(to, from, has, field)                                                              \
	do {                                                                                       \
		if ((from)->has) {                                                                 \
			(to)->has = true;                                                          \
			(to)->field = (from)->field;                                               \
		}                                                                                  \
	} while (0)

/* Every parameter of the second object that is given replaces that of the first. */
static void felix_overlay(struct hf_felix_obj *to, const struct hf_felix_obj *from)
{
	to->meta = from->meta;
	if (from->fs_in.given)
		to->fs_in = from->fs_in;
	if (from->fs_out.given)
		to->fs_out = from->fs_out;
	if (from->iface_prefixes.n)
		to->iface_prefixes = from->iface_prefixes;
	if (from->external_nodes.n)
		to->external_nodes = from->external_nodes;
	OVERLAY(to, from, has_epha, epha);
	OVERLAY(to, from, has_filter_allow, filter_allow);
	OVERLAY(to, from, has_mangle_allow, mangle_allow);
	OVERLAY(to, from, has_filter_deny, filter_deny);
	OVERLAY(to, from, has_no_invalid_check, no_invalid_check);
	OVERLAY(to, from, has_iface_exclude, iface_exclude);
	OVERLAY(to, from, has_vxlan_port, vxlan_port);
	OVERLAY(to, from, has_wireguard_port, wireguard_port);
	OVERLAY(to, from, has_wireguard_port6, wireguard_port6);
	OVERLAY(to, from, has_wireguard, wireguard);
	OVERLAY(to, from, has_wireguard6, wireguard6);
	OVERLAY(to, from, has_ipip, ipip);
	OVERLAY(to, from, has_vxlan, vxlan);
	OVERLAY(to, from, has_vxlan_from_wl, vxlan_from_wl);
	OVERLAY(to, from, has_ipip_from_wl, ipip_from_wl);
	OVERLAY(to, from, has_service_loop, service_loop);
	OVERLAY(to, from, has_ipv6, ipv6);
	OVERLAY(to, from, has_append, append);
	OVERLAY(to, from, has_log_limit, log_limit);
	OVERLAY(to, from, has_log_burst, log_burst);
	if (from->log_prefix)
		to->log_prefix = from->log_prefix;
}

static const char *node_label(void *arg, const char *key)
{
	return hf_labels_find(arg, key);
}

/*
 * Objects with a nodeSelector stand between the global one and the node's own. Which of two that
 * select the same node wins is not said upstream; here the smaller name does, as elsewhere.
 */
static int felix_selected(struct hf_build *b)
{
	const struct hf_node_obj *node = HF_BUILD_FIND(b->objs->node, NULL, b->m->node);
	struct hf_labels labels = node ? node->meta.labels : (struct hf_labels){0};
	const struct hf_felix_obj *f, *winner = NULL;
	size_t i;
	int rc = 0;

	for (i = b->objs->felix.n; rc == 0 && i > 0; i--) {
		f = &b->objs->felix.v[i - 1];
		if (!f->node_selector.sel ||
			!hf_selector_has(f->node_selector.sel, node_label, &labels))
			continue;
		if (winner)
			rc = hf_warn_meta(b, "felix-ambiguous", &winner->meta,
				"FelixConfigurations '%s' and '%s' both select node '%s'; the "
				"latter wins where they differ",
				winner->meta.name, f->meta.name, b->m->node);
		winner = f;
		felix_overlay(&b->felix, f);
	}
	return rc;
}

static int felix_merge(struct hf_build *b)
{
	const struct hf_felix_obj *global = HF_BUILD_FIND(b->objs->felix, NULL, "default"), *own;
	char *name = hf_arena_printf(b->tmp, "node.%s", b->m->node);
	int rc;

	if (!name)
		return hf_build_oom(b);
	own = HF_BUILD_FIND(b->objs->felix, NULL, name);
	if (global)
		felix_overlay(&b->felix, global);
	rc = felix_selected(b);
	if (own)
		felix_overlay(&b->felix, own);
	return rc;
}

static int failsafes(struct hf_build *b, const struct hf_failsafes *given,
	const struct hf_model_failsafe *defaults, size_t n_defaults, struct hf_model_failsafes *ret)
{
	size_t i, n = given->given ? given->n : n_defaults;
	struct hf_model_failsafe *v = hf_arena_calloc(b->arena, n, sizeof(*v));

	if (!v)
		return hf_build_oom(b);
	for (i = 0; i < n; i++) {
		if (given->given)
			v[i] = (struct hf_model_failsafe){
				given->v[i].proto, given->v[i].port, given->v[i].net};
		else
			v[i] = defaults[i];
	}
	*ret = (struct hf_model_failsafes){n, v};
	return 0;
}

/* docs/semantics.md 10: any pool of the family with the mode switches it on, the parameter
 * overrides; that of VXLAN speaks of IPv4 only. */
static void encapsulation(struct hf_build *b, struct hf_model_config *c)
{
	const struct hf_felix_obj *f = &b->felix;
	size_t i;

	for (i = 0; i < b->objs->ippool.n; i++) {
		const struct hf_ippool_obj *pool = &b->objs->ippool.v[i];

		c->ipip |= pool->ipip;
		if (pool->cidr.addr.family == 4)
			c->vxlan |= pool->vxlan;
		else
			c->vxlan6 |= pool->vxlan;
	}
	if (f->has_ipip)
		c->ipip = f->ipip;
	if (f->has_vxlan)
		c->vxlan = f->vxlan;
	c->wireguard = f->has_wireguard && f->wireguard;
	c->wireguard6 = f->has_wireguard6 && f->wireguard6;
	c->vxlan_port = f->has_vxlan_port ? f->vxlan_port : VXLAN_PORT;
	c->wireguard_port = f->has_wireguard_port ? f->wireguard_port : WIREGUARD_PORT;
	c->wireguard_port6 = f->has_wireguard_port6 ? f->wireguard_port6 : WIREGUARD_PORT6;
	c->ipip_from_wl = f->has_ipip_from_wl && f->ipip_from_wl;
	c->vxlan_from_wl = f->has_vxlan_from_wl && f->vxlan_from_wl;
}

static int felix_warnings(struct hf_build *b)
{
	const struct hf_felix_obj *f = &b->felix;
	int rc = 0;

	if (f->has_append && f->append)
		rc = hf_warn_meta(b, "chain-append", &f->meta,
			"chainInsertMode Append puts rules of the host before policy; hepflow "
			"does not know them and decides by policy alone");
	if (rc == 0 && f->has_ipv6 && !f->ipv6)
		rc = hf_warn_meta(b, "ipv6-off", &f->meta,
			"ipv6Support is false, so Calico leaves IPv6 alone; hepflow applies policy "
			"to IPv6 all the same");
	return rc;
}

#define LOG_BURST 5 /* Felix's default, and that of iptables' limit match */

static int logs(struct hf_build *b, struct hf_model_logs *ret)
{
	const struct hf_felix_obj *f = &b->felix;

	ret->prefix = hf_arena_strdup(b->arena, f->log_prefix ? f->log_prefix : "calico-packet");
	if (f->has_log_limit) {
		ret->lines = f->log_limit.lines;
		ret->seconds = f->log_limit.seconds;
	}
	ret->burst = f->has_log_burst && f->log_burst ? f->log_burst : LOG_BURST;
	return ret->prefix ? 0 : hf_build_oom(b);
}

int hf_special_init(struct hf_build *b, unsigned int calico)
{
	struct hf_model_config *c = &b->m->config;
	const struct hf_felix_obj *f = &b->felix;
	int rc = felix_merge(b);

	if (rc < 0)
		return rc;
	c->calico = calico ? calico : CALICO_NEWEST;
	c->epha = f->has_epha ? targets[f->epha] : HF_TARGET_DROP;
	c->filter_return = f->has_filter_allow && f->filter_allow == HF_FELIX_RETURN;
	c->mangle_return = f->has_mangle_allow && f->mangle_allow == HF_FELIX_RETURN;
	c->no_invalid_check = f->has_no_invalid_check && f->no_invalid_check;
	encapsulation(b, c);
	if (b->facts) {
		c->drop_input = b->facts->drop_input;
		c->drop_output = b->facts->drop_output;
		c->drop_forward = b->facts->drop_forward;
	}
	rc = failsafes(
		b, &f->fs_in, failsafe_in, sizeof(failsafe_in) / sizeof(failsafe_in[0]), &c->fs_in);
	if (rc == 0)
		rc = failsafes(b, &f->fs_out, failsafe_out,
			sizeof(failsafe_out) / sizeof(failsafe_out[0]), &c->fs_out);
	if (rc == 0)
		rc = logs(b, &c->logs);
	return rc < 0 ? rc : felix_warnings(b);
}

struct nets {
	HF_VEC(struct hf_prefix) v;
};

static int add_addr(struct nets *nets, const struct hf_addr *addr)
{
	struct hf_prefix p = {*addr, (uint8_t)hf_addr_bits(addr)};

	return hf_vec_push(&nets->v, p);
}

static int add_nets(struct nets *nets, const struct hf_nets *from)
{
	size_t i;

	for (i = 0; i < from->n; i++) {
		if (hf_vec_push(&nets->v, from->v[i]))
			return -1;
	}
	return 0;
}

/* The address tunnels to a node end at: that of BGP, else the node's first of the family. */
static int add_node(struct nets *nets, const struct hf_node_obj *node, uint8_t family)
{
	size_t i;

	if (family == 4 ? node->has_bgp4 : node->has_bgp6)
		return add_addr(nets, family == 4 ? &node->bgp4 : &node->bgp6);
	for (i = 0; i < node->addrs.n; i++) {
		if (node->addrs.v[i].family == family)
			return add_addr(nets, &node->addrs.v[i]);
	}
	return 0;
}

/* All hosts, this one too, and those that FelixConfiguration adds. */
static int peers(struct hf_build *b)
{
	struct nets nets = {0};
	size_t i;
	int rc = add_nets(&nets, &b->felix.external_nodes);

	for (i = 0; rc == 0 && i < b->objs->node.n; i++) {
		rc = add_node(&nets, &b->objs->node.v[i], 4);
		if (rc == 0)
			rc = add_node(&nets, &b->objs->node.v[i], 6);
	}
	if (rc) {
		hf_vec_fini(&nets.v);
		return hf_build_oom(b);
	}
	return hf_sets_nets(b, "Calico hosts", nets.v.v, nets.v.n, &b->m->config.peers);
}

/* Only the global BGPConfiguration speaks of services. */
static int service_nets(struct hf_build *b)
{
	const struct hf_bgpconf_obj *conf = HF_BUILD_FIND(b->objs->bgpconf, NULL, "default");
	struct hf_model_config *c = &b->m->config;
	struct nets nets = {0};
	bool off = b->felix.has_service_loop && b->felix.service_loop == HF_FELIX_RETURN;

	if (conf && (add_nets(&nets, &conf->cluster) || add_nets(&nets, &conf->external) ||
			    add_nets(&nets, &conf->lb))) {
		hf_vec_fini(&nets.v);
		return hf_build_oom(b);
	}
	c->loop_guard = nets.v.n > 0 && !off;
	return hf_sets_nets(b, "service addresses", nets.v.v, nets.v.n, &c->service_nets);
}

int hf_special_sets(struct hf_build *b)
{
	int rc = peers(b);

	return rc < 0 ? rc : service_nets(b);
}
