/* SPDX-License-Identifier: BSD-3-Clause */

#include "table.h"

#include <hepflow/err.h>

#include <errno.h>
#include <string.h>

static bool addr_holds(const struct hf_rules *rules, const struct hf_match *match,
	const struct hf_key *key, const struct hf_addr_cond *cond)
{
	const struct hf_addr *addr = !cond->dst	   ? &key->src
				     : match->wire ? &key->wire_dst
						   : &key->dst;

	return hf_set_has(&rules->sets[cond->set], addr) != cond->negate;
}

static bool in_ranges(const struct hf_port_cond *cond, uint16_t port)
{
	uint16_t i;

	for (i = 0; i < cond->n_ranges; i++) {
		if (port >= cond->ranges[i].lo && port <= cond->ranges[i].hi)
			return true;
	}
	return false;
}

static bool port_holds(const struct hf_rules *rules, const struct hf_match *match,
	const struct hf_key *key, const struct hf_port_cond *cond)
{
	struct hf_member m = {.addr = key->src, .proto = key->proto, .port = key->sport};
	bool in;
	uint16_t i;

	if (cond->dst) {
		m.addr = match->wire ? key->wire_dst : key->dst;
		m.port = match->wire ? key->wire_dport : key->dport;
	}
	in = hf_proto_has_ports(key->proto) && in_ranges(cond, m.port);
	for (i = 0; !in && i < cond->n_sets; i++)
		in = hf_set_has_member(&rules->sets[cond->sets[i]], &m);
	return in != cond->negate;
}

static bool icmp_holds(const struct hf_key *key, const struct hf_icmp_cond *cond)
{
	bool same =
		key->icmp_type == cond->type && (!cond->has_code || key->icmp_code == cond->code);

	if (key->proto != (key->src.family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6))
		return false;
	return same != cond->negate;
}

bool hf_match_has(
	const struct hf_rules *rules, const struct hf_match *match, const struct hf_key *key)
{
	uint16_t i;

	if (!(match->proto[key->proto / 64] >> key->proto % 64 & 1) ||
		(match->family && match->family != key->src.family) ||
		!(match->ct & HF_CT_BIT(key->ct)))
		return false;
	if ((match->out != HF_IF_ANY && match->out != key->out) ||
		(match->wire_out != HF_IF_ANY && match->wire_out != key->wire_out) ||
		(match->dnated_only && !key->dnated))
		return false;
	for (i = 0; i < match->n_icmp; i++) {
		if (!icmp_holds(key, &match->icmp[i]))
			return false;
	}
	for (i = 0; i < match->n_port; i++) {
		if (!port_holds(rules, match, key, &match->port[i]))
			return false;
	}
	for (i = 0; i < match->n_addr; i++) {
		if (!addr_holds(rules, match, key, &match->addr[i]))
			return false;
	}
	return true;
}

bool hf_match_is_all(const struct hf_match *match)
{
	static const struct hf_match all = HF_MATCH_ALL;

	return match->family == 0 && match->ct == HF_CT_ANY && !match->dnated_only &&
	       match->out == HF_IF_ANY && match->wire_out == HF_IF_ANY && match->n_addr == 0 &&
	       match->n_port == 0 && match->n_icmp == 0 &&
	       memcmp(match->proto, all.proto, sizeof(all.proto)) == 0;
}

struct hf_decision hf_rules_lookup(const struct hf_rules *rules, const struct hf_key *key)
{
	const struct hf_path *path = hf_rules_find_path(rules, key->in, key->class);
	struct hf_decision d = {.block = path ? path->block : 0};
	const struct hf_rule *r;

	if (!path)
		return d;
	for (;;) {
		r = &rules->blocks[d.block].rules[d.rule];
		if (r->op == HF_OP_LOG || !hf_match_has(rules, &r->match, key)) {
			d.rule++;
			continue;
		}
		if (r->op == HF_OP_VERDICT)
			break;
		d.block = r->target;
		d.rule = 0;
	}
	d.verdict = r->verdict;
	d.origin = r->origin;
	return d;
}

/* What the destination becomes: the packet's own word goes before the facts. */
static void rewrite(const struct hf_rules *rules, const struct hf_packet *pkt, struct hf_key *key)
{
	const struct hf_dnat *dnat = NULL;

	key->dst = key->wire_dst = pkt->dst;
	key->dport = key->wire_dport = pkt->dport;
	if (pkt->has_dnat) {
		key->dnated = true;
		key->dst = pkt->dnat.addr;
		/* Port 0: the address alone is rewritten, as for a floating address. */
		if (hf_proto_has_ports(pkt->proto) && pkt->dnat.port)
			key->dport = pkt->dnat.port;
		return;
	}
	dnat = hf_rules_find_dnat(rules, pkt->proto, &pkt->dst, pkt->dport);
	if (!dnat || dnat->n_to == 0)
		return;
	key->dnated = true;
	key->dst = dnat->to[0].addr;
	if (dnat->proto)
		key->dport = dnat->to[0].port;
}

/* The default routes come last of their family. */
static uint16_t default_out(const struct hf_rules *rules, uint8_t family)
{
	size_t i = rules->n_runs;

	while (i-- > 0) {
		if (rules->runs[i].family == family)
			return rules->dests[rules->runs[i].first].out;
	}
	return HF_IF_HOST;
}

/*
 * The host's packets to itself go by lo; those to broadcast and multicast, which is delivered here
 * when it arrives, by the default route.
 */
static uint16_t route(const struct hf_rules *rules, const struct hf_key *key,
	const struct hf_addr *dst, enum hf_class *ret_class)
{
	const struct hf_dest *dest = hf_rules_find_dest(rules, dst);

	*ret_class = dest->class;
	if (key->in != HF_IF_HOST || dest->class != HF_CLASS_HOST)
		return dest->out;
	if (hf_set_has(&rules->sets[rules->local_set], dst))
		return rules->lo;
	return default_out(rules, dst->family);
}

static int find_named(const struct hf_rules *rules, const char *what, const char *name,
	uint16_t *ret, struct hf_err *err)
{
	int i = hf_rules_find_iface(rules, name);

	if (i < 0)
		return hf_fail(err, -ENOENT, "%s: no interface '%s' on this host", what, name);
	*ret = (uint16_t)i;
	return 0;
}

int hf_rules_sort(const struct hf_rules *rules, const struct hf_packet *pkt, struct hf_key *ret,
	struct hf_err *err)
{
	struct hf_key key = {.proto = pkt->proto, .ct = pkt->ct, .src = pkt->src};
	enum hf_class wire_class;
	int rc;

	if (pkt->src.family != pkt->dst.family ||
		(pkt->has_dnat && pkt->dnat.addr.family != pkt->dst.family))
		return hf_fail(err, -EINVAL, "src, dst and dnat must be of one family");
	rc = find_named(rules, "in", pkt->in, &key.in, err);
	if (rc < 0)
		return rc;
	key.icmp_type = pkt->icmp_type;
	key.icmp_code = pkt->icmp_code;
	key.sport = pkt->sport;
	rewrite(rules, pkt, &key);
	key.out = route(rules, &key, &key.dst, &key.class);
	if (pkt->out[0])
		rc = find_named(rules, "out", pkt->out, &key.out, err);
	if (rc < 0)
		return rc;
	key.wire_out = key.out;
	if (key.in == HF_IF_HOST && key.dnated)
		key.wire_out = route(rules, &key, &key.wire_dst, &wire_class);
	*ret = key;
	return 0;
}
