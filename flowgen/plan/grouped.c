/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lowering for NICs with groups, jumps and ordered priorities (mlx5).
 *
 *   root (group 0)  everything -> the first of these
 *   sources         what sets an address is in, as bits of a tag, where that saves entries
 * (addrs.h) destinations    the same ports           the bits of the port ranges as a tag, where
 * that saves entries (ports.c) class           tagged, fragments, destinations services may rewrite
 * -> punt; the destination's longest prefix -> the table of its class one table per   the items of
 * the path in order, each as one or more entries of one priority, class and       and last entries
 * that punt the rest leaving iface
 *
 * An item that is decided only for packets that open a connection becomes two priorities: those
 * packets with its fate, and behind them everything of its cube as a punt. Or, in short, one that
 * jumps to a table which tells the two apart (denied.h).
 *
 * Protocols are spelled out where "any protocol" would be more than the NIC can keep apart: IPv6
 * extension headers stand in the same field as the protocol (RFC 8200, 4), and a rule for "all but
 * TCP" has no mask.
 */

#include "build.h"
#include "denied.h"
#include "spans.h"

#include "rules/algebra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 256
#define L4_LAYERS                                                                                  \
	(HF_LAYER_BIT(HF_LAYER_TCP) | HF_LAYER_BIT(HF_LAYER_UDP) | HF_LAYER_BIT(HF_LAYER_SCTP) |   \
		HF_LAYER_BIT(HF_LAYER_ICMP) | HF_LAYER_BIT(HF_LAYER_ICMP6))

struct lower {
	struct builder *b;
	uint32_t table;
	uint32_t priority; /* next free one */
	/* Priorities of this table; the last two are the catch-alls', and 0 is left free for covers
	 * (diff.c). What is counted here is only the order: label.c makes numbers of it. */
	uint32_t limit;
	uint32_t room; /* entries left before the reserve */
	uint8_t family;
	enum hf_class class;
	bool whole; /* all packets of the item are decided, not only those that open */
	const struct items *items;
	size_t at;	       /* the item that is being lowered, */
	struct addr_code code; /* and what of its sets */
	bool deep;	       /* some item has looked further than the guards (memory.h) */
	bool spell;	       /* no entry without a protocol */
	size_t n_named;
	uint8_t named[NAMED_MAX];
};

static bool any_bit(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;
	size_t i;

	for (i = 0; i < size && !b[i]; i++)
		;
	return i < size;
}

/* What a pattern that is wider than asked reaches: the cube as far as there are masks, and
 * everything where there are none, or tags. */
static struct cube reach_of(const struct shape *s, const struct cube *cube, unsigned int proto)
{
	const struct hf_hdr *m = &s->pattern.mask;
	struct cube r = hf_cube_all(cube->family);

	if (any_bit(m->ip_src, sizeof(m->ip_src)))
		r.src = cube->src;
	if (any_bit(m->ip_dst, sizeof(m->ip_dst)))
		r.dst = cube->dst;
	if (m->ip_proto || s->pattern.layers & L4_LAYERS)
		hf_protos_only(r.proto, proto);
	if (any_bit(m->sport, sizeof(m->sport)))
		r.sport = cube->sport;
	if (any_bit(m->dport, sizeof(m->dport)))
		r.dport = cube->dport;
	r.type = m->icmp_type & cube->type;
	r.type_mask = m->icmp_type;
	r.code = m->icmp_code & cube->code;
	r.code_mask = m->icmp_code;
	return r;
}

/* Wider than asked, and yet nothing but this fate is there to be met. */
static bool one_fate(const struct lower *l, const struct item *item, const struct shape *s,
	unsigned int proto, enum hf_fate fate)
{
	struct cube reach = reach_of(s, &item->cube, proto);

	return fate != HF_FATE_PUNT && hf_sight_behind(l->items, l->at, &reach);
}

/* What an entry of that pattern takes, or more: sets that are codes are not looked at. */
static struct cube met_by(const struct shape *s, const struct item *item, unsigned int proto)
{
	struct cube met = item->cube;

	if (s->reason)
		return reach_of(s, &item->cube, proto);
	if (proto <= UINT8_MAX)
		hf_protos_only(met.proto, proto);
	met.set[0] = met.set[1] = 0;
	return met;
}

/* Would all answers to these packets pass although software knows of no connection? */
static bool is_answered(const struct lower *l, const struct cube *reach, unsigned int proto)
{
	const struct items *sent = &l->b->sent[l->family == 6];
	struct cube answers = hf_cube_turn(reach);

	if (l->class != HF_CLASS_HOST || !l->whole || proto > UINT8_MAX || proto == HF_PROTO_ICMP ||
		proto == HF_PROTO_ICMPV6 || hf_protos_count(reach->proto) != 1 ||
		l->b->looks < sent->n)
		return false;
	l->b->looks -= sent->n;
	return hf_sight_answered(sent, &answers);
}

/*
 * How what is allowed gets to the host: untracked packets the e-switch delivers itself, and such
 * whose answers pass as calls of the host's own; others software must see, because without a
 * connection of its own it would take replies for new.
 */
static void carry(
	const struct lower *l, const struct cube *reach, unsigned int proto, struct hf_entry *e)
{
	const struct builder *b = l->b;

	e->forward = b->eswitch.on &&
		     (e->fate == HF_FATE_ALLOW_UNTRACKED || is_answered(l, reach, proto));
	if (e->forward || b->engine->actions & HF_ACT_BIT(HF_ACT_MARK))
		return;
	e->fate = HF_FATE_PUNT;
	e->reason = HF_REASON_CARRIER;
}

/* One entry as asked by fate; wider ones become punts. */
static int emit(struct lower *l, const struct item *item, const struct shape *s, unsigned int proto,
	enum hf_fate fate)
{
	struct hf_entry e = {
		.table = l->table,
		.priority = l->priority,
		.match = s->pattern,
		.fate = fate,
		.origin = item->origin,
		.reason = HF_REASON_NONE,
		.detail = HF_F_MAX_,
	};
	struct cube reach;

	if (s->reason && (fate == HF_FATE_JUMP || !one_fate(l, item, s, proto, fate))) {
		e.fate = HF_FATE_PUNT;
		e.reason = s->reason;
		e.detail = s->detail;
	} else if (fate == HF_FATE_PUNT) {
		e.reason = item->reason ? item->reason : HF_REASON_STATEFUL;
	} else if (fate == HF_FATE_JUMP) {
		e.jump = l->b->denied;
	} else if (fate != HF_FATE_DENY) {
		reach = met_by(s, item, proto);
		carry(l, &reach, proto, &e);
	}
	return hf_build_entry(l->b, &e);
}

/* What an entry asks of one side's port: some bits of it, or a bit of the tag. */
struct piece {
	bool tagged;
	unsigned int bit;
	struct hf_port_mask mask;
};

static size_t list_pieces(const struct lower *l, bool dst, struct hf_ports range,
	unsigned int proto, struct piece ret[HF_PORT_MASKS_MAX])
{
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];
	const struct port_map *map = &l->b->plan->ports;
	bool has_tag =
		map->family[l->family == 6] && ((proto == HF_PROTO_TCP && map->proto[0]) ||
						       (proto == HF_PROTO_UDP && map->proto[1]));
	size_t n = hf_ports_masks(range, masks), i;
	/* The map has no ranges that one mask can spell. */
	int bit = has_tag && n > 1 ? hf_port_map_find(map, dst, range) : -1;

	if (bit >= 0) {
		ret[0] = (struct piece){.tagged = true, .bit = (unsigned int)bit};
		return 1;
	}
	for (i = 0; i < n; i++)
		ret[i] = (struct piece){.mask = masks[i]};
	return n;
}

static void put_piece(struct shape *s, enum hf_field f, const struct piece *p)
{
	if (p->tagged)
		hf_shape_put_tag(s, UINT32_C(1) << p->bit, UINT32_C(1) << p->bit);
	else
		hf_shape_put_port(s, f, p->mask.value, p->mask.mask);
}

/* The product of both port ranges, an entry each. */
static int emit_ports(struct lower *l, const struct item *item, const struct shape *base,
	unsigned int proto, enum hf_fate fate)
{
	struct piece src[HF_PORT_MASKS_MAX], dst[HF_PORT_MASKS_MAX];
	const struct port_fields *fields = hf_port_fields(proto);
	size_t n_src, n_dst, i, k;
	int rc = 0;

	if (!fields)
		return emit(l, item, base, proto, fate);
	n_src = list_pieces(l, false, item->cube.sport, proto, src);
	n_dst = list_pieces(l, true, item->cube.dport, proto, dst);
	for (i = 0; i < n_src && rc == 0; i++) {
		for (k = 0; k < n_dst && rc == 0; k++) {
			struct shape s = *base;

			put_piece(&s, fields->sport, &src[i]);
			put_piece(&s, fields->dport, &dst[k]);
			rc = emit(l, item, &s, proto, fate);
			if (s.reason)
				return rc; /* wider than the ports: once is enough */
		}
	}
	return rc;
}

static void put_icmp(struct shape *s, uint8_t family, const struct cube *c)
{
	hf_shape_put(s, family == 4 ? HF_F_ICMP_TYPE : HF_F_ICMP6_TYPE, &c->type, &c->type_mask);
	hf_shape_put(s, family == 4 ? HF_F_ICMP_CODE : HF_F_ICMP6_CODE, &c->code, &c->code_mask);
}

static void put_addrs(struct shape *s, const struct cube *c)
{
	hf_shape_put_prefix(s, c->family == 4 ? HF_F_IP4_SRC : HF_F_IP6_SRC, &c->src);
	hf_shape_put_prefix(s, c->family == 4 ? HF_F_IP4_DST : HF_F_IP6_DST, &c->dst);
}

/* The item's cube for one protocol, without its ports; 256 = whatever the protocol. */
static struct shape shape_of(const struct lower *l, const struct item *item, unsigned int proto)
{
	struct shape s;

	hf_shape_init(&s, l->b->engine, item->cube.family);
	put_addrs(&s, &item->cube);
	hf_shape_put_tag(&s, l->code.value, l->code.mask);
	if (proto < 256)
		hf_shape_put_proto(&s, item->cube.family, proto);
	if (item->cube.type_mask || item->cube.code_mask)
		put_icmp(&s, item->cube.family, &item->cube);
	return s;
}

static int emit_proto(
	struct lower *l, const struct item *item, unsigned int proto, enum hf_fate fate)
{
	struct shape s = shape_of(l, item, proto);

	return emit_ports(l, item, &s, proto, fate);
}

/* Those packets of the cube that can only open a connection; docs/architecture.md. */
static int emit_opening(struct lower *l, const struct item *item, unsigned int proto)
{
	static const uint8_t syn = HF_TCP_SYN, syn_ack = HF_TCP_SYN | HF_TCP_ACK;
	struct cube parts[OPENING_MAX];
	struct item narrow = *item;
	struct shape s;
	bool flags;
	size_t n = hf_sight_opening(&item->cube, proto, parts, &flags), i;
	int rc = 0;

	if (n > 1 && l->b->plan->ports.opens[l->family == 6]) {
		s = shape_of(l, item, proto);
		hf_shape_put_tag(&s, OPEN_BIT, OPEN_BIT);
		if (!s.reason)
			return emit(l, item, &s, proto, item->fate);
	}
	for (i = 0; i < n && rc == 0; i++) {
		narrow.cube = parts[i];
		s = shape_of(l, &narrow, proto);
		if (flags)
			hf_shape_put(&s, HF_F_TCP_FLAGS, &syn, &syn_ack);
		if (!flags || !s.reason)
			rc = emit_ports(l, &narrow, &s, proto, item->fate);
	}
	return rc;
}

typedef int (*emit_fn)(struct lower *l, const struct item *item, unsigned int proto);

static int emit_fate(struct lower *l, const struct item *item, unsigned int proto)
{
	return emit_proto(l, item, proto, item->fate);
}

static int emit_rest(struct lower *l, const struct item *item, unsigned int proto)
{
	return emit_proto(l, item, proto, HF_FATE_PUNT);
}

/* To where what opens is dropped and the rest is punted; straight to software where none can open.
 */
static int emit_denied(struct lower *l, const struct item *item, unsigned int proto)
{
	struct cube parts[OPENING_MAX];
	bool flags, opens = proto > 255 || hf_sight_opening(&item->cube, proto, parts, &flags) > 0;

	return emit_proto(l, item, proto, opens ? HF_FATE_JUMP : HF_FATE_PUNT);
}

/* Calls fn for each protocol of the item that this table spells, or once for all of them. */
static int each_proto(struct lower *l, const struct item *item, bool spell, emit_fn fn)
{
	size_t i;
	int rc = 0;

	if (!spell && hf_protos_all(item->cube.proto))
		return fn(l, item, 256);
	for (i = 0; i < l->n_named && rc == 0; i++) {
		if (hf_protos_has(item->cube.proto, l->named[i]))
			rc = fn(l, item, l->named[i]);
	}
	return rc;
}

/* Whether a tag says which packets of the item can only open a connection. */
static bool has_open_tag(const struct lower *l, const struct cube *c)
{
	static const struct hf_ports all = {0, UINT16_MAX};

	return l->b->plan->ports.opens[l->family == 6] && hf_protos_all(c->proto) &&
	       !c->type_mask && !c->code_mask && c->sport.lo == all.lo && c->sport.hi == all.hi &&
	       c->dport.lo == all.lo && c->dport.hi == all.hi;
}

static int emit_openings(struct lower *l, const struct item *item)
{
	struct shape s = shape_of(l, item, 256);

	if (!has_open_tag(l, &item->cube) || s.reason)
		return each_proto(l, item, true, emit_opening);
	hf_shape_put_tag(&s, OPEN_BIT, OPEN_BIT);
	return emit(l, item, &s, 256, item->fate);
}

/* Of an item for any protocol those that can be delivered, in front of the others. */
static int emit_answered(struct lower *l, const struct item *item)
{
	size_t i;
	int rc = 0;

	if (!l->b->eswitch.on || item->fate != HF_FATE_ALLOW || l->spell ||
		!hf_protos_all(item->cube.proto))
		return 0;
	for (i = 0; i < l->n_named && rc == 0; i++) {
		struct shape s = shape_of(l, item, l->named[i]);
		struct cube reach = met_by(&s, item, l->named[i]);

		if (!s.reason && is_answered(l, &reach, l->named[i]))
			rc = emit_ports(l, item, &s, l->named[i], item->fate);
	}
	return rc;
}

typedef int (*put_fn)(struct lower *l, const struct item *item);

static int put_fates(struct lower *l, const struct item *item)
{
	return each_proto(l, item, l->spell, emit_fate);
}

static int put_denied(struct lower *l, const struct item *item)
{
	return each_proto(l, item, l->spell, emit_denied);
}

static int put_rest(struct lower *l, const struct item *item)
{
	return each_proto(l, item, l->spell, emit_rest);
}

/* What a side asks of the tag: nothing, or one of these. */
static const struct addr_code *list_codes(
	const struct lower *l, const struct cube *c, unsigned int side, size_t *ret_n)
{
	static const struct addr_code none = {.families = 3};

	if (c->set[side])
		return hf_addr_map_codes(l->b->plan->addrs[side], c->set[side], ret_n);
	*ret_n = 1;
	return &none;
}

/* Calls fn for each pair of classes that the item's sets are made of. */
static int each_code(struct lower *l, const struct item *item, put_fn fn)
{
	const uint8_t family = l->family == 6 ? 2 : 1;
	size_t n_src, n_dst, i, k;
	const struct addr_code *src = list_codes(l, &item->cube, 0, &n_src),
			       *dst = list_codes(l, &item->cube, 1, &n_dst);
	int rc = 0;

	for (i = 0; i < n_src && rc == 0; i++) {
		for (k = 0; k < n_dst && rc == 0; k++) {
			if (!(src[i].families & dst[k].families & family))
				continue;
			l->code.value = src[i].value | dst[k].value;
			l->code.mask = src[i].mask | dst[k].mask;
			rc = fn(l, item);
		}
	}
	return rc;
}

static int lower_item(struct lower *l, const struct items *items, size_t i)
{
	const struct item *item = &items->v[i];
	enum sight sight = item->fate == HF_FATE_PUNT ? SIGHT_DECIDED : hf_sight_item(items, i);
	size_t before = l->b->entries.n;
	int rc;

	l->at = i;
	if (!(item->ct & HF_CT_BIT(HF_CT_NEW))) {
		hf_build_miss(l->b, item->origin, HF_REASON_STATEFUL, HF_F_MAX_);
		return 0;
	}
	l->whole = sight == SIGHT_DECIDED;
	if (sight == SIGHT_DECIDED) {
		rc = each_code(l, item, emit_answered);
		if (l->b->entries.n > before)
			l->priority++;
		if (rc == 0)
			rc = each_code(l, item, put_fates);
	} else if (sight == SIGHT_OPENING && l->b->denied && item->fate == HF_FATE_DENY) {
		rc = each_code(l, item, put_denied);
	} else {
		rc = sight == SIGHT_OPENING ? each_code(l, item, emit_openings) : 0;
		if (l->b->entries.n > before)
			l->priority++;
		if (rc == 0)
			rc = each_code(l, item, put_rest);
	}
	if (l->b->entries.n > before)
		l->priority++;
	return rc;
}

/* Protocols that get entries of their own: those with flags, ports or types, and those rules name.
 */
static void name_protos(
	struct lower *l, const struct items *items, const struct family_memory *spans)
{
	/* Extension headers are no protocols a NIC could compare (RFC 8200, 4.1; IANA's list). */
	static const uint8_t extensions[] = {0, 43, 44, 50, 51, 60, 135, 139, 140};
	uint64_t named[4] = {0};
	unsigned int p;
	size_t i, k;

	for (i = 0; !spans && i < items->n; i++)
		hf_note_protos(named, &l->spell, items->v[i].cube.proto);
	for (i = 0; spans && i < spans->slots.n; i++) {
		l->spell |= spans->slots.v[i].span->spell;
		for (k = 0; k < 4; k++)
			named[k] |= spans->slots.v[i].span->named[k];
	}
	named[0] |= UINT64_C(1) << HF_PROTO_TCP | UINT64_C(1) << HF_PROTO_UDP |
		    UINT64_C(1) << (l->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	named[HF_PROTO_SCTP / 64] |= UINT64_C(1) << HF_PROTO_SCTP % 64;
	for (i = 0; l->family == 6 && i < sizeof(extensions); i++)
		named[extensions[i] / 64] &= ~(UINT64_C(1) << extensions[i] % 64);
	for (p = 0; p < 256; p++) {
		if (hf_protos_has(named, (uint8_t)p))
			l->named[l->n_named++] = (uint8_t)p;
	}
}

/* The state of a family's part of a table that is filled. */
struct fill {
	size_t start;	     /* entries before */
	size_t n_kept;	     /* entries of spans that are kept */
	enum hf_reason full; /* why nothing more goes in */
};

static int fill_item(struct lower *l, struct fill *f, const struct items *items, size_t i)
{
	struct builder *b = l->b;
	size_t mark = b->entries.n;
	int rc = 0;

	if (l->priority + 4 >= l->limit)
		f->full = HF_REASON_PRIORITY;
	if (!f->full)
		rc = lower_item(l, items, i);
	if (b->entries.n - f->start + f->n_kept > l->room) {
		b->entries.n = mark; /* the item does not fit: it and all behind it are punted */
		f->full = HF_REASON_CAPACITY;
	}
	b->cut |= f->full == HF_REASON_CAPACITY;
	b->ended |= f->full == HF_REASON_PRIORITY;
	b->fitted += b->cut || f->full ? 0 : hf_addr_weight(b->rules, &items->v[i].cube);
	if (f->full)
		hf_build_miss(b, items->v[i].origin, f->full, HF_F_MAX_);
	return rc;
}

static int fill_spans(
	struct lower *l, struct fill *f, const struct items *items, struct family_memory *spans)
{
	struct builder *b = l->b;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < spans->slots.n && rc == 0; i++) {
		struct spot *slot = &spans->slots.v[i];
		uint32_t before = l->priority;

		if (slot->kept) {
			l->priority += (uint32_t)slot->span->n_levels;
			f->n_kept += slot->span->n_entries;
			continue;
		}
		b->misses = &slot->span->misses;
		slot->start = b->entries.n;
		for (k = slot->first_item; k < slot->end_item && rc == 0; k++)
			rc = fill_item(l, f, items, k);
		slot->end = b->entries.n;
		slot->span->n_levels = l->priority - before;
		b->misses = NULL;
	}
	return rc;
}

/* spans: NULL, or what of the items is kept; old: NULL, or the same of the plan before. */
static int lower_family(struct lower *l, struct items *items, struct family_memory *spans,
	const struct family_memory *old)
{
	struct fill f = {.start = l->b->entries.n};
	size_t i;
	int rc = 0;

	l->spell = l->family == 6;
	l->n_named = 0;
	l->items = items;
	l->deep = false;
	items->deep = &l->deep;
	name_protos(l, items, spans);
	if (spans && !hf_plan_spans_agree(spans, old, l->spell, l->named, l->n_named))
		return -EAGAIN;
	if (spans)
		rc = fill_spans(l, &f, items, spans);
	for (i = 0; !spans && i < items->n && rc == 0; i++)
		rc = fill_item(l, &f, items, i);
	if (spans)
		spans->deep |= l->deep;
	/* What was kept may have been too much, or what is new needs more than is there. */
	if (rc == 0 && old &&
		(l->deep || f.full || l->priority + 4 >= l->limit || f.n_kept > l->room))
		rc = -EAGAIN;
	/* Nothing behind what did not fit: else more room could mean that less is decided. */
	l->room = f.full == HF_REASON_CAPACITY
			  ? 0
			  : l->room - (uint32_t)(l->b->entries.n - f.start + f.n_kept);
	return rc;
}

static int lower_items(struct lower *l, const struct hf_path *path, const struct path_table *pt,
	struct table_memory *t, const struct table_memory *old)
{
	struct builder *b = l->b;
	size_t f = l->family == 6;
	struct family_memory *spans = t ? &t->family[f] : NULL;
	const struct family_memory *before = old ? &old->family[f] : NULL;
	struct items items = {0};
	struct spans s = {0};
	int rc = t ? hf_plan_spans_init(&s, b->plan->memory, before, spans) : 0;

	if (old && b->avoid.tries > 0 && b->avoid.table == (size_t)(old - b->follows->tables.v)) {
		size_t n = f ? old->family[0].slots.n : 0; /* in front of this family */

		s.avoid_first = b->avoid.first > n ? b->avoid.first - n : 0;
		s.avoid_end = b->avoid.end > n ? b->avoid.end - n : 0;
	}
	if (rc == 0)
		rc = hf_items_build_spans(
			b->rules, path, pt->out, l->family, &b->items, t ? &s : NULL, &items);
	hf_plan_spans_fini(&s);
	if (rc == 0)
		rc = lower_family(l, &items, spans, before);
	hf_build_miss_lost(b, &items, HF_REASON_CAPACITY);
	hf_items_fini(&items);
	return rc;
}

/* The last entries of a path's table. */
static int lower_rest(struct lower *l, struct table_memory *t, const struct table_memory *old)
{
	struct builder *b = l->b;
	size_t start = b->entries.n;
	int rc;

	if (old) {
		t->last = old->last;
		(void)hf_entry_buf_keep(t->last.buf);
		return 0;
	}
	rc = hf_build_punt_rest(b, l->table, l->limit - 2, HF_LAYER_IPV6, HF_REASON_EXTENSION);
	if (rc == 0)
		rc = hf_build_punt_rest(
			b, l->table, l->limit - 1, HF_LAYER_ETH, HF_REASON_PROTOCOL);
	if (t) {
		t->start = start;
		t->end = b->entries.n;
	}
	return rc;
}

/* Table i of the paths. */
static int lower_path(struct builder *b, const struct path_table *pts, size_t i, uint32_t *room)
{
	const struct path_table *pt = &pts[i];
	const struct hf_path *path = hf_rules_find_path(b->rules, b->in, pt->class);
	struct lower l = {.b = b,
		.table = pt->table,
		.limit = b->engine->prios,
		.room = *room,
		.class = pt->class};
	struct table_memory *t = b->plan->memory ? &b->plan->memory->tables.v[i] : NULL;
	const struct table_memory *old = t && b->follows ? &b->follows->tables.v[i] : NULL;
	static const uint8_t families[] = {4, 6};
	size_t f;
	int rc = 0;

	if (t && hf_vec_push(&b->plan->memory->order, (uint32_t)i))
		return -ENOMEM;
	for (f = 0; path && f < sizeof(families) && rc == 0; f++) {
		l.family = families[f];
		rc = lower_items(&l, path, pt, t, old);
	}
	*room = l.room;
	return rc < 0 ? rc : lower_rest(&l, t, old);
}

/* One table per class and leaving interface that some destination has, from first_path on. */
static void list_paths(const struct builder *b, struct path_table *pts, size_t *ret_n)
{
	size_t i, k, n = 0;

	for (i = 0; i < hf_rules_n_dests(b->rules); i++) {
		const struct hf_dest *d = hf_rules_dest(b->rules, i);

		for (k = 0; k < n; k++) {
			if (pts[k].class == d->class && pts[k].out == d->out)
				break;
		}
		if (k == n) {
			pts[k] = (struct path_table){
				d->class, d->out, b->plan->first_path + (uint32_t)k};
			n++;
		}
	}
	*ret_n = n;
}

static int add_path_tables(struct builder *b, struct path_table *pts, size_t *ret_n)
{
	const char *in = hf_rules_iface(b->rules, b->in)->name;
	size_t i;
	int rc = 0;

	list_paths(b, pts, ret_n);
	for (i = 0; i < *ret_n && rc == 0; i++) {
		const char *out = hf_rules_iface(b->rules, pts[i].out)->name;

		rc = hf_build_table(
			b, hf_arena_printf(b->plan->arena, "%s to %s%s%s", in,
				   hf_class_name(pts[i].class), out[0] ? " by " : "", out));
	}
	return rc;
}

/*
 * Tables are filled one after the other while there is room, those first whose rules decided most
 * packets; entries stay in the tables' own order.
 */
static int lower_paths(struct builder *b, const struct path_table *pts, size_t n, uint32_t *room)
{
	uint64_t *weights = calloc(n + 1, sizeof(*weights));
	bool *done = calloc(n + 1, sizeof(*done));
	size_t i, k, best;
	int rc = weights && done ? 0 : -ENOMEM;

	for (i = 0; i < n && rc == 0 && b->weights; i++)
		weights[i] = hf_build_path_weight(b, &pts[i]);
	for (i = 0; i < n && rc == 0; i++) {
		for (best = n, k = 0; k < n; k++) {
			if (!done[k] && (best == n || weights[k] > weights[best]))
				best = k;
		}
		done[best] = true;
		rc = lower_path(b, pts, best, room);
	}
	free(weights);
	free(done);
	return rc;
}

/* The tables in front: kept, or made. */
static int lower_front(struct builder *b, const struct path_table *pts, size_t n)
{
	struct memory *m = b->plan->memory;

	if (m)
		m->front = b->entries.n;
	if (!m || !b->follows || !hf_memory_same_front(b))
		return hf_front_lower(b, pts, n);
	m->front_run = b->follows->front_run;
	(void)hf_entry_buf_keep(m->front_run.buf);
	return 0;
}

static int add_memory_tables(struct memory *m, size_t n)
{
	const struct table_memory none = {0};

	while (m && m->tables.n < n) {
		if (hf_vec_push(&m->tables, none))
			return -ENOMEM;
	}
	return 0;
}

int hf_lower_tables(struct builder *b, struct path_table *pts)
{
	uint32_t room, reserve;
	size_t n = 0;
	int rc = hf_front_add(b);

	b->plan->first_path = (uint32_t)b->tables.n;
	if (rc == 0)
		rc = add_path_tables(b, pts, &n);
	if (rc == 0 && b->short_denies)
		rc = hf_denied_add(b);
	if (rc == 0)
		rc = add_memory_tables(b->plan->memory, n);
	/* The front and the catch-alls must fit; without them no entry would be sound. */
	reserve = (uint32_t)(hf_front_size(b) + 2 * n) + (b->denied ? HF_DENIED_SIZE : 0);
	if (rc == 0 && b->capacity < reserve) {
		b->tables.n = 0;
		b->cut = true;
		hf_memory_free(b->plan->memory);
		b->plan->memory = NULL;
		return hf_build_miss_all(b, HF_REASON_CAPACITY);
	}
	room = b->capacity - reserve;
	if (rc == 0 && b->denied)
		rc = hf_denied_lower(b);
	if (rc == 0)
		rc = lower_paths(b, pts, n, &room);
	if (rc == 0 && b->denied)
		hf_denied_prune(b);
	return rc;
}

int hf_lower_rest(struct builder *b, struct path_table *pts)
{
	size_t n = 0;
	int rc;

	if (b->tables.n == 0)
		return 0;
	list_paths(b, pts, &n);
	rc = b->follows ? hf_label_spans(b, b->previous) : hf_label_plan(b, b->previous);
	return rc < 0 ? rc : lower_front(b, pts, n);
}
