/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void match_udp_port(struct build *b, struct hf_match *m, uint16_t port)
{
	const struct hf_ports range = {port, port};

	hf_match_proto(m, HF_PROTO_UDP);
	hf_match_port(b, m, true, &range, 1);
}

/* Conntrack never sees VXLAN; raw tables set NOTRACK on it (docs/semantics.md 7 and 10). */
void hf_match_vxlan(struct build *b, struct hf_match *m, bool wire)
{
	match_udp_port(b, m, b->model->config.vxlan_port);
	m->wire = wire;
}

bool hf_match_vxlan_on(struct build *b, struct hf_match *m, bool wire)
{
	const struct hf_model_config *c = &b->model->config;

	hf_match_vxlan(b, m, wire);
	if (c->vxlan != c->vxlan6)
		m->family = c->vxlan ? 4 : 6;
	return c->vxlan || c->vxlan6;
}

static int failsafe_cmp(const void *pa, const void *pb)
{
	const struct hf_model_failsafe *a = pa, *b = pb;
	int c = (int)a->proto - (int)b->proto;

	if (c == 0)
		c = hf_prefix_cmp(&a->net, &b->net);
	return c ? c : (int)a->port - (int)b->port;
}

static bool same_failsafe(const struct hf_model_failsafe *a, const struct hf_model_failsafe *b)
{
	return a->proto == b->proto && hf_prefix_equal(&a->net, &b->net);
}

/* Fills ranges with the ports of the n failsafes, which are sorted; neighbours become one range. */
static size_t failsafe_ranges(const struct hf_model_failsafe *v, size_t n, struct hf_ports *ranges)
{
	size_t i, n_ranges = 0;

	for (i = 0; i < n; i++) {
		if (n_ranges && v[i].port <= ranges[n_ranges - 1].hi + 1)
			ranges[n_ranges - 1].hi = v[i].port;
		else
			ranges[n_ranges++] = (struct hf_ports){v[i].port, v[i].port};
	}
	return n_ranges;
}

struct failsafe_side {
	bool port_dst; /* the destination port is compared, else the source port */
	bool net_dst;  /* the destination must be in the net, else the source */
	bool wire;
};

static void emit_failsafe_list(struct build *b, rule_vec *v, const struct hf_model_failsafes *list,
	const struct failsafe_side *side, struct cont cont)
{
	struct hf_model_failsafe *sorted = calloc(list->n + 1, sizeof(*sorted));
	struct hf_ports *ranges = calloc(list->n + 1, sizeof(*ranges));
	uint32_t own = hf_add_origin(b, "failsafe");
	struct hf_match m;
	size_t i, n;

	if (sorted && ranges && list->n) {
		memcpy(sorted, list->v, list->n * sizeof(*sorted));
		qsort(sorted, list->n, sizeof(*sorted), failsafe_cmp);
	}
	for (i = 0; sorted && ranges && i < list->n; i += n) {
		for (n = 1; i + n < list->n && same_failsafe(&sorted[i], &sorted[i + n]);)
			n++;
		m = HF_MATCH_ALL;
		hf_match_proto(&m, sorted[i].proto);
		hf_match_port(
			b, &m, side->port_dst, ranges, failsafe_ranges(sorted + i, n, ranges));
		m.family = sorted[i].net.addr.family;
		if (m.family)
			hf_match_addr(
				b, &m, side->net_dst, hf_add_net_set(b, NULL, &sorted[i].net, 1));
		m.wire = side->wire && (side->port_dst || (m.family && side->net_dst));
		hf_emit(b, v, &m, cont, own, HF_OFFLOAD_PREFER);
	}
	if (!sorted || !ranges)
		b->rc = -ENOMEM;
	free(sorted);
	free(ranges);
}

/* docs/semantics.md 6: raw tables let replies of failsafe connections through as well. */
void hf_emit_failsafes(
	struct build *b, rule_vec *v, enum hf_chain chain, uint32_t flags, struct cont cont)
{
	const struct hf_model_config *c = &b->model->config;
	bool out = flags & CHAIN_EGRESS, wire = flags & CHAIN_WIRE;
	const struct failsafe_side to = {.port_dst = true, .net_dst = out, .wire = wire};
	const struct failsafe_side reply = {.port_dst = false, .net_dst = out, .wire = wire};

	emit_failsafe_list(b, v, out ? &c->fs_out : &c->fs_in, &to, cont);
	if (chain == HF_CHAIN_UNTRACKED)
		emit_failsafe_list(b, v, out ? &c->fs_in : &c->fs_out, &reply, cont);
}

/* Address conditions on a copy of the match. */
static void emit_between(struct build *b, rule_vec *v, struct hf_match m, uint32_t src,
	uint32_t dst, struct cont cont)
{
	uint32_t own = hf_add_origin(b, "encap");

	if (src != HF_NO_SET && dst != HF_NO_SET)
		hf_match_addr2(b, &m, src, dst);
	else
		hf_match_addr(b, &m, src == HF_NO_SET, src == HF_NO_SET ? dst : src);
	hf_emit(b, v, &m, cont, own, HF_OFFLOAD_PREFER);
}

static void match_wireguard(struct build *b, struct hf_match *m, uint8_t family)
{
	const struct hf_model_config *c = &b->model->config;

	*m = HF_MATCH_ALL;
	m->family = family;
	match_udp_port(b, m, family == 4 ? c->wireguard_port : c->wireguard_port6);
}

/* What INPUT does with tunnels before any endpoint is looked at. */
void hf_emit_encap_in(struct build *b, rule_vec *v)
{
	const struct hf_model_config *c = &b->model->config;
	uint32_t peers = hf_set_number(b, c->peers);
	struct cont allow = hf_decide(hf_filter_allow(b, false), OWN_ORIGIN);
	struct cont deny = hf_decide(HF_VERDICT_DENY, OWN_ORIGIN);
	struct hf_match m = HF_MATCH_ALL;

	if (c->ipip) {
		m.family = 4;
		hf_match_proto(&m, HF_PROTO_IPIP);
		emit_between(b, v, m, peers, b->rules->local_set, allow);
		hf_emit(b, v, &m, deny, hf_add_origin(b, "encap"), HF_OFFLOAD_PREFER);
	}
	m = HF_MATCH_ALL;
	if (hf_match_vxlan_on(b, &m, false)) {
		emit_between(b, v, m, peers, b->rules->local_set, allow);
		emit_between(b, v, m, HF_NO_SET, b->rules->local_set, deny);
	}
	if (c->wireguard) {
		match_wireguard(b, &m, 4);
		emit_between(b, v, m, HF_NO_SET, b->rules->local_set, allow);
	}
	if (c->wireguard6) {
		match_wireguard(b, &m, 6);
		emit_between(b, v, m, HF_NO_SET, b->rules->local_set, allow);
	}
}

/* The host's own tunnels; cont is where an allowed packet goes. */
void hf_emit_encap_out(struct build *b, rule_vec *v, struct cont cont)
{
	const struct hf_model_config *c = &b->model->config;
	uint32_t peers = hf_set_number(b, c->peers);
	struct hf_match m = HF_MATCH_ALL;

	if (c->ipip) {
		m.family = 4;
		hf_match_proto(&m, HF_PROTO_IPIP);
		emit_between(b, v, m, b->rules->local_set, peers, cont);
	}
	m = HF_MATCH_ALL;
	if (hf_match_vxlan_on(b, &m, false)) {
		emit_between(b, v, m, b->rules->local_set, peers, cont);
	}
	if (c->wireguard) {
		match_wireguard(b, &m, 4);
		emit_between(b, v, m, b->rules->local_set, HF_NO_SET, cont);
	}
	if (c->wireguard6) {
		match_wireguard(b, &m, 6);
		emit_between(b, v, m, b->rules->local_set, HF_NO_SET, cont);
	}
}

/* Pods do not tunnel unless told they may. */
void hf_emit_encap_pod(struct build *b, rule_vec *v)
{
	const struct hf_model_config *c = &b->model->config;
	struct cont deny = hf_decide(HF_VERDICT_DENY, OWN_ORIGIN);
	uint32_t own = hf_add_origin(b, "encap");
	struct hf_match m = HF_MATCH_ALL;

	if (!c->vxlan_from_wl) {
		hf_match_vxlan(b, &m, false);
		hf_emit(b, v, &m, deny, own, HF_OFFLOAD_PREFER);
	}
	if (!c->ipip_from_wl) {
		m = HF_MATCH_ALL;
		hf_match_proto(&m, HF_PROTO_IPIP);
		hf_emit(b, v, &m, deny, own, HF_OFFLOAD_PREFER);
	}
}

/* A service address that nothing has rewritten would come back and go round; 10. */
void hf_emit_loop(struct build *b, rule_vec *v, struct cont cont, uint32_t own)
{
	struct hf_match m = HF_MATCH_ALL;

	m.dnated_only = true;
	hf_emit(b, v, &m, cont, own, HF_OFFLOAD_PREFER);
	m = HF_MATCH_ALL;
	hf_match_addr(b, &m, true, hf_set_number(b, b->model->config.service_nets));
	hf_emit(b, v, &m, hf_decide(HF_VERDICT_DENY, OWN_ORIGIN), hf_add_origin(b, "service-loop"),
		HF_OFFLOAD_PREFER);
	m = HF_MATCH_ALL;
	hf_emit(b, v, &m, cont, own, HF_OFFLOAD_PREFER);
}

/* ICMPv6 of pods that the host answers before any policy; docs/semantics.md 9, step 1. */
void hf_emit_neighbour(struct build *b, rule_vec *v)
{
	static const uint8_t types[] = {130, 131, 132, 133, 135, 136};
	uint32_t own = hf_add_origin(b, "epha");
	struct hf_icmp_cond cond = {0};
	struct hf_match m = HF_MATCH_ALL;
	size_t i;

	m.family = 6;
	hf_match_proto(&m, HF_PROTO_ICMPV6);
	for (i = 0; i < sizeof(types); i++) {
		cond.type = types[i];
		m.icmp = hf_keep(b, &cond, sizeof(cond));
		m.n_icmp = m.icmp != NULL;
		hf_emit(b, v, &m, hf_decide(hf_filter_allow(b, false), OWN_ORIGIN), own,
			HF_OFFLOAD_PREFER);
	}
}
