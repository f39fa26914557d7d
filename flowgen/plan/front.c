/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The tables in front of those of the paths: root, sources, destinations, ports, class (grouped.c
 * says what they are for).
 */

#include "build.h"

#include <errno.h>

/* Entries of the class table, strongest first; priorities leave room for each prefix length. */
enum { PRIO_VLAN, PRIO_FRAGMENT, PRIO_DNAT, PRIO_DNAT_ADDR, PRIO_DEST };

static uint32_t class_table(const struct builder *b)
{
	return b->plan->first_path - 1;
}

static int class_punt(
	struct builder *b, uint32_t priority, const struct shape *s, enum hf_reason reason)
{
	struct hf_entry e = {
		.table = class_table(b),
		.priority = priority,
		.match = s->pattern,
		.origin = UINT32_MAX,
		.reason = reason,
		.detail = HF_F_MAX_,
	};

	return hf_build_entry(b, &e);
}

static int class_hidden(struct builder *b)
{
	static const uint8_t one = 1, bit = 0xff;
	struct shape s;
	int rc = 0;

	hf_shape_init(&s, b->engine, 4);
	s.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH);
	hf_shape_put(&s, HF_F_ETH_HAS_VLAN, &one, &bit);
	if (!s.reason || hf_build_has_vlan(b))
		rc = class_punt(b, PRIO_VLAN, &s, HF_REASON_VLAN);
	if (rc == 0) {
		hf_shape_init(&s, b->engine, 4);
		hf_shape_put(&s, HF_F_IP4_FRAG, &one, &bit);
		rc = class_punt(b, PRIO_FRAGMENT, &s, HF_REASON_FRAGMENT);
	}
	if (rc == 0) {
		hf_shape_init(&s, b->engine, 6);
		hf_shape_put(&s, HF_F_IP6_FRAG, &one, &bit);
		rc = class_punt(b, PRIO_FRAGMENT, &s, HF_REASON_FRAGMENT);
	}
	return rc;
}

static int class_dnats(struct builder *b)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < hf_rules_n_dnats(b->rules) && rc == 0; i++) {
		const struct hf_dnat *d = hf_rules_dnat(b->rules, i);
		struct hf_prefix p = {.addr = d->addr, .len = (uint8_t)hf_addr_bits(&d->addr)};
		const struct port_fields *fields = hf_port_fields(d->proto);
		struct shape s;

		hf_shape_init(&s, b->engine, d->addr.family);
		hf_shape_put_prefix(&s, d->addr.family == 4 ? HF_F_IP4_DST : HF_F_IP6_DST, &p);
		if (d->proto)
			hf_shape_put_proto(&s, d->addr.family, d->proto);
		if (fields)
			hf_shape_put_port(&s, fields->dport, d->port, UINT16_MAX);
		rc = class_punt(b, d->proto ? PRIO_DNAT : PRIO_DNAT_ADDR, &s, HF_REASON_DNAT);
	}
	return rc;
}

static int class_dests(struct builder *b, const struct path_table *pts, size_t n_pts)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; i < hf_rules_n_dests(b->rules) && rc == 0; i++) {
		const struct hf_dest *d = hf_rules_dest(b->rules, i);
		struct hf_entry e = {.table = class_table(b),
			.fate = HF_FATE_JUMP,
			.origin = UINT32_MAX,
			.detail = HF_F_MAX_};
		struct shape s;

		for (k = 0; k < n_pts; k++) {
			if (pts[k].class == d->class && pts[k].out == d->out)
				e.jump = pts[k].table;
		}
		hf_shape_init(&s, b->engine, d->net.addr.family);
		hf_shape_put_prefix(
			&s, d->net.addr.family == 4 ? HF_F_IP4_DST : HF_F_IP6_DST, &d->net);
		e.match = s.pattern;
		e.priority = PRIO_DEST + 128 - d->net.len;
		if (s.reason) { /* not the destinations it is meant for */
			e.fate = HF_FATE_PUNT;
			e.reason = s.reason;
			e.detail = s.detail;
		}
		rc = hf_build_entry(b, &e);
	}
	return rc < 0 ? rc
		      : hf_build_punt_rest(b, class_table(b), PRIO_DEST + 129, HF_LAYER_ETH,
				HF_REASON_PROTOCOL);
}

/*
 * Priority 0 is free for an entry that hides all others while they are exchanged (driver/flow). Of
 * an e-switch's packets only those of the uplink are let in.
 */
static int root_entry(struct builder *b)
{
	const uint32_t port = HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT);
	const uint8_t wire[4] = {0, 0, (uint8_t)(b->eswitch.wire >> 8), (uint8_t)b->eswitch.wire};
	static const uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
	struct shape s;
	struct hf_entry e = {
		.priority = 1,
		.fate = HF_FATE_JUMP,
		.jump = 1,
		.origin = UINT32_MAX,
		.detail = HF_F_MAX_,
	};

	hf_shape_init(&s, b->engine, 4);
	s.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH);
	if (b->eswitch.on && b->engine->layers & port)
		hf_shape_put(&s, HF_F_REPRESENTED_PORT, &wire[2], all);
	else if (b->eswitch.on)
		hf_shape_put(&s, HF_F_PORT_ID, wire, all);
	e.match = s.pattern;
	return hf_build_entry(b, &e);
}

int hf_front_add(struct builder *b)
{
	int rc = hf_build_table(b, "root");

	if (rc == 0 && b->plan->addrs[0])
		rc = hf_build_table(b, "sources");
	if (rc == 0 && b->plan->addrs[1])
		rc = hf_build_table(b, "destinations");
	if (rc == 0 && b->plan->ports.used)
		rc = hf_build_table(b, "ports");
	return rc < 0 ? rc : hf_build_table(b, "class");
}

size_t hf_front_size(const struct builder *b)
{
	/* Root, the rest of class, tags and two kinds of fragments. */
	return 5 + hf_rules_n_dests(b->rules) + hf_rules_n_dnats(b->rules) +
	       hf_addr_map_size(b->plan->addrs[0]) + hf_addr_map_size(b->plan->addrs[1]) +
	       hf_port_map_size(&b->plan->ports);
}

/* The last table first: what is jumped to comes before the jumps. */
static int lower_maps(struct builder *b)
{
	const struct hf_plan *p = b->plan;
	uint32_t table = class_table(b);
	int rc = 0;

	if (p->ports.used) {
		table--;
		rc = hf_port_map_lower(b, &p->ports, table, table + 1);
	}
	if (rc == 0 && p->addrs[1]) {
		table--;
		rc = hf_addr_map_lower(
			b, p->addrs[1], hf_addr_map_mask(p->addrs[0]), table, table + 1);
	}
	if (rc == 0 && p->addrs[0]) {
		table--;
		rc = hf_addr_map_lower(b, p->addrs[0], 0, table, table + 1);
	}
	return rc;
}

int hf_front_lower(struct builder *b, const struct path_table *pts, size_t n_pts)
{
	int rc = class_hidden(b);

	if (rc == 0)
		rc = class_dnats(b);
	if (rc == 0)
		rc = class_dests(b, pts, n_pts);
	if (rc == 0)
		rc = lower_maps(b);
	return rc < 0 ? rc : root_entry(b);
}
