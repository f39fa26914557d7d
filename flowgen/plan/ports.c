/* SPDX-License-Identifier: BSD-3-Clause */

#include "ports.h"

#include "build.h"
#include "cover.h"

#include "rules/algebra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEN	   COVER_PORT_BITS
#define RANGES_MAX 4096 /* different ranges that are counted; more are left as masks */
/* A range of some rules, and what it costs as masks beyond one entry. */
struct want {
	bool dst;
	struct hf_ports range;
	uint64_t saved; /* in halves */
	bool family[2], proto[2];
};

struct wants {
	size_t n;
	struct want v[RANGES_MAX];
	uint64_t opens[2]; /* what OPEN_BIT saves of each family */
};

/* The prefixes of one side. */
static void list_parts(const struct port_map *map, bool dst, struct cover *ret)
{
	struct cover_range ranges[PORT_BITS];
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < PORT_BITS; i++) {
		const struct port_bit *b = &map->bit[i];

		if (b->used && b->dst == dst)
			ranges[n++] = (struct cover_range){b->range, UINT32_C(1) << i};
	}
	hf_cover_build(ranges, n, ret);
}

static struct want *find_want(struct wants *w, bool dst, struct hf_ports range)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct want *v = &w->v[i];

		if (v->dst == dst && v->range.lo == range.lo && v->range.hi == range.hi)
			return v;
	}
	if (w->n == RANGES_MAX)
		return NULL;
	w->v[w->n] = (struct want){.dst = dst, .range = range};
	return &w->v[w->n++];
}

/* Entries of one family that a condition becomes, at least. */
static uint64_t n_nets(const struct builder *b, const struct hf_addr_cond *cond, uint8_t family)
{
	const struct addr_map *map = b->plan->addrs[cond->dst];
	const struct hf_set *set = hf_rules_set(b->rules, cond->set);
	uint64_t n = 0;
	size_t i;

	if (map && hf_addr_map_has(map, cond)) {
		size_t n_codes;
		const struct addr_code *codes = hf_addr_map_codes(map, cond->set + 1, &n_codes);

		for (i = 0; i < n_codes; i++)
			n += codes[i].families >> (family == 6) & 1;
		return n;
	}
	for (i = 0; i < set->n_nets; i++)
		n += set->nets[i].addr.family == family;
	return n;
}

/* Address pairs of one family that a rule becomes an entry for, at least. */
static uint64_t n_pairs(const struct builder *b, const struct hf_match *m, uint8_t family)
{
	uint64_t n = !m->family || m->family == family;
	size_t a;

	for (a = 0; a < m->n_addr && n; a++)
		n *= m->addr[a].negate ? 1 : n_nets(b, &m->addr[a], family);
	return n;
}

/* Entries that one side of a rule becomes: as masks, and with a bit for each range. */
struct side {
	uint64_t masks, ranges;
};

static struct side side_of(const struct hf_match *m, bool dst)
{
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];
	struct side s = {0};
	size_t c, i;

	for (c = 0; c < m->n_port; c++) {
		if (m->port[c].negate || m->port[c].dst != dst)
			continue;
		for (i = 0; i < m->port[c].n_ranges; i++)
			s.masks += hf_ports_masks(m->port[c].ranges[i], masks);
		s.ranges += m->port[c].n_ranges;
	}
	return s.ranges ? s : (struct side){1, 1};
}

/*
 * A rule of S masks on one side and D on the other is S * D entries. What its ranges save together
 * is shared between the sides in halves: (S - 1) (D + 1) / 2 and (D - 1) (S + 1) / 2.
 */
static void note_rule(
	struct wants *w, const struct builder *b, const struct hf_rule *rule, uint64_t times)
{
	static const uint8_t protos[2] = {HF_PROTO_TCP, HF_PROTO_UDP};
	const struct hf_match *m = &rule->match;
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];
	uint64_t pairs[2] = {n_pairs(b, m, 4), n_pairs(b, m, 6)};
	size_t c, i, p;

	for (c = 0; c < m->n_port; c++) {
		struct side other = side_of(m, !m->port[c].dst);

		for (i = 0; !m->port[c].negate && i < m->port[c].n_ranges; i++) {
			struct hf_ports range = m->port[c].ranges[i];
			size_t n = hf_ports_masks(range, masks);
			struct want *v = n > 1 ? find_want(w, m->port[c].dst, range) : NULL;

			for (p = 0; v && p < 2; p++) {
				if (!(m->proto[0] >> protos[p] & 1))
					continue;
				v->proto[p] = true;
				v->family[0] |= pairs[0] > 0;
				v->family[1] |= pairs[1] > 0;
				v->saved += (n - 1) * (other.masks + other.ranges) *
					    (pairs[0] + pairs[1]) * times;
			}
		}
	}
}

/* Entries for the packets of a family that can only open a connection. */
static size_t n_openers(uint8_t family)
{
	const struct cube all = hf_cube_all(family);
	struct cube parts[OPENING_MAX];
	bool flags;

	return 1 +
	       hf_sight_opening(&all, family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6, parts, &flags);
}

/* Of rules that are asked after established packets have been accepted. */
static void note_opens(
	struct wants *w, const struct builder *b, const struct hf_rule *rule, uint64_t times)
{
	const struct hf_match *m = &rule->match;
	static const uint8_t families[2] = {4, 6}, icmp[2] = {HF_PROTO_ICMP, HF_PROTO_ICMPV6};
	size_t f;

	if (rule->op != HF_OP_VERDICT || rule->verdict != HF_VERDICT_DENY || m->n_port || m->n_icmp)
		return;
	for (f = 0; f < 2; f++) {
		size_t n = n_openers(families[f]);

		if (!hf_protos_all(m->proto)) /* the queries alone */
			n = hf_protos_has(m->proto, icmp[f]) ? n - 1 : 1;
		w->opens[f] += n_pairs(b, m, families[f]) * times * (n - 1);
	}
}

static int want_cmp(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	if (x->saved != y->saved)
		return x->saved > y->saved ? -1 : 1;
	if (x->dst != y->dst)
		return x->dst ? 1 : -1;
	return x->range.lo != y->range.lo ? (int)x->range.lo - (int)y->range.lo
					  : (int)x->range.hi - (int)y->range.hi;
}

static bool is_free(const struct port_map *map, int bit)
{
	return !map->bit[bit].used && !(map->keep >> bit & 1);
}

/* Where the plan before has the range, else the first place that neither has. */
static int place(const struct port_map *old, const struct port_map *map, const struct want *w)
{
	int at = old ? hf_port_map_find(old, w->dst, w->range) : -1, i;

	if (at >= 0 && map->keep >> at & 1)
		at = -1;
	for (i = 0; at < 0 && i < PORT_BITS; i++) {
		if (is_free(map, i) && !(old && old->bit[i].used))
			at = i;
	}
	for (i = 0; at < 0 && i < PORT_BITS; i++) {
		if (is_free(map, i))
			at = i;
	}
	return at >= 0 && !map->bit[at].used ? at : -1;
}

static bool add_want(struct port_map *map, const struct port_map *old, const struct want *w)
{
	int at = place(old, map, w), i;

	if (at < 0)
		return false;
	map->bit[at] = (struct port_bit){true, w->dst, w->range};
	for (i = 0; i < 2; i++) {
		map->family[i] |= w->family[i];
		map->proto[i] |= w->proto[i];
	}
	map->used = true;
	return true;
}

/*
 * Families of which the bit saves more than its entries in the table cost. What the plan before had
 * stays as long as it costs little.
 */
static int64_t take_opens(
	const struct wants *w, int64_t least, const struct port_map *old, struct port_map *ret)
{
	int64_t sum = 0;
	size_t f;

	for (f = 0; f < 2; f++) {
		struct port_map map = *ret;
		int64_t net = (int64_t)w->opens[f] + (int64_t)hf_port_map_size(ret);

		map.used = map.opens[f] = true;
		net -= (int64_t)hf_port_map_size(&map);
		if (net <= (old && old->used && old->opens[f] ? -HF_CLASSIFY_FROM : least))
			continue;
		*ret = map;
		sum += net;
	}
	return sum;
}

/* Takes the ranges that save most, as many of them as are best. Returns what is saved. */
static int64_t take_best(
	const struct builder *b, struct wants *w, const struct port_map *old, struct port_map *ret)
{
	const int64_t least =
		b->classify_from ? (int64_t)b->classify_from - 1 : HF_CLASSIFY_FROM - 1;
	int64_t best = least, net;
	struct port_map map = *ret;
	uint64_t saved = 0;
	size_t i;

	if (old && old->used)
		best = 0; /* it is there already */
	qsort(w->v, w->n, sizeof(*w->v), want_cmp);
	for (i = 0; i < w->n && add_want(&map, old, &w->v[i]); i++) {
		saved += w->v[i].saved;
		net = (int64_t)(saved / 2) - (int64_t)hf_port_map_size(&map);
		if (net > best) {
			best = net;
			*ret = map;
		}
	}
	if (!ret->used)
		best = 0;
	return best + take_opens(w, least, old, ret);
}

int hf_port_map_choose(
	const struct builder *b, uint32_t keep, struct port_map *ret, int64_t *ret_saves)
{
	size_t n = hf_rules_n_blocks(b->rules), i, k;
	const struct port_map *old = b->previous ? &b->previous->ports : NULL;
	struct hf_use *uses;
	struct wants *w;

	*ret = (struct port_map){0};
	*ret_saves = 0;
	if (!hf_build_has_tags(b->engine))
		return 0;
	uses = hf_build_uses(b);
	w = calloc(1, sizeof(*w));
	if (!uses || !w) {
		free(uses);
		free(w);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		const struct hf_block *block = hf_rules_block(b->rules, i);

		for (k = 0; uses[i].times && k < block->n_rules; k++) {
			note_rule(w, b, &block->rules[k], uses[i].times);
			if (uses[i].guarded && !b->short_denies)
				note_opens(w, b, &block->rules[k], uses[i].times);
		}
	}
	ret->keep = keep;
	*ret_saves = take_best(b, w, old, ret);
	free(uses);
	free(w);
	return 0;
}

int hf_port_map_find(const struct port_map *map, bool dst, struct hf_ports range)
{
	int i;

	for (i = 0; map->used && i < PORT_BITS; i++) {
		const struct port_bit *b = &map->bit[i];

		if (b->used && b->dst == dst && b->range.lo == range.lo && b->range.hi == range.hi)
			return i;
	}
	return -1;
}

/* The ranges of TCP and UDP, which may be none, and a bit to set for packets that open. */
size_t hf_port_map_size(const struct port_map *map)
{
	struct cover src, dst;
	size_t n, f, sum = 1;

	if (!map->used)
		return 0;
	list_parts(map, false, &src);
	list_parts(map, true, &dst);
	n = src.n * dst.n;
	if (!src.v[0].bits && !dst.v[0].bits)
		n--; /* as of every other packet */
	for (f = 0; f < 2; f++) {
		bool tcp = map->family[f] && map->proto[0];

		sum += map->family[f] ? (size_t)(map->proto[0] + map->proto[1]) * n : 0;
		if (map->opens[f])
			sum += (tcp ? src.n * dst.n : 1) + n_openers(f ? 6 : 4) - 1;
	}
	return sum;
}

static struct hf_entry entry_of(uint32_t table, uint32_t next, uint32_t priority, uint32_t keep)
{
	return (struct hf_entry){
		.table = table,
		.priority = priority,
		.fate = HF_FATE_JUMP,
		.jump = next,
		.sets_tag = true,
		.tag_keep = keep,
		.origin = UINT32_MAX,
		.detail = HF_F_MAX_,
	};
}

static void put_part(struct shape *s, enum hf_field f, const struct cover_part *p)
{
	uint16_t m = (uint16_t) ~(UINT16_MAX >> p->len);
	uint8_t value[2] = {(uint8_t)(p->port >> 8), (uint8_t)p->port};
	uint8_t mask[2] = {(uint8_t)(m >> 8), (uint8_t)m};

	hf_shape_put(s, f, value, mask);
}

/* One part of each side, and again in front of that, where that is asked for, of packets that open.
 */
static int lower_parts(
	struct builder *b, const struct shape *s, bool opens, bool rest, struct hf_entry e)
{
	static const uint8_t syn = HF_TCP_SYN, syn_ack = HF_TCP_SYN | HF_TCP_ACK;
	struct shape front = *s;
	int rc = 0;

	e.priority *= 2;
	if (opens) {
		hf_shape_put(&front, HF_F_TCP_FLAGS, &syn, &syn_ack);
		e.match = front.pattern;
		e.tag |= OPEN_BIT;
		rc = hf_build_entry(b, &e);
		e.tag &= ~OPEN_BIT;
		e.priority++;
	}
	e.match = s->pattern;
	return rc < 0 || !rest ? rc : hf_build_entry(b, &e);
}

/* The longest match of both sides wins: that of the source before that of the destination. */
static int lower_kind(struct builder *b, const struct cover *src, const struct cover *dst,
	uint8_t family, uint8_t proto, bool opens, struct hf_entry e)
{
	bool tcp = proto == HF_PROTO_TCP;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < src->n && rc == 0; i++) {
		for (k = 0; k < dst->n && rc == 0; k++) {
			struct shape s;

			e.tag = src->v[i].bits | dst->v[k].bits;
			hf_shape_init(&s, b->engine, family);
			hf_shape_put_proto(&s, family, proto);
			put_part(&s, tcp ? HF_F_TCP_SPORT : HF_F_UDP_SPORT, &src->v[i]);
			put_part(&s, tcp ? HF_F_TCP_DPORT : HF_F_UDP_DPORT, &dst->v[k]);
			e.priority = 1 + (LEN + 1) * (LEN - src->v[i].len) + LEN - dst->v[k].len;
			/* The widest part without a tag is as every other packet. */
			rc = lower_parts(b, &s, tcp && opens, i || k || e.tag, e);
		}
	}
	return rc;
}

static int lower_queries(struct builder *b, uint8_t family, struct hf_entry e)
{
	const struct cube all = hf_cube_all(family);
	struct cube parts[OPENING_MAX];
	unsigned int proto = family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6;
	bool flags;
	size_t n = hf_sight_opening(&all, proto, parts, &flags), i;
	int rc = 0;

	e.priority = 1;
	e.tag = OPEN_BIT;
	for (i = 0; i < n && rc == 0; i++) {
		struct shape s;

		hf_shape_init(&s, b->engine, family);
		hf_shape_put_proto(&s, family, proto);
		hf_shape_put(&s, family == 4 ? HF_F_ICMP_TYPE : HF_F_ICMP6_TYPE, &parts[i].type,
			&parts[i].type_mask);
		e.match = s.pattern;
		rc = hf_build_entry(b, &e);
	}
	return rc;
}

int hf_port_map_lower(struct builder *b, const struct port_map *map, uint32_t table, uint32_t next)
{
	static const uint8_t families[2] = {4, 6}, protos[2] = {HF_PROTO_TCP, HF_PROTO_UDP};
	static const struct cover any = {.n = 1};
	struct hf_entry e = entry_of(table, next, 2 * (1 + (LEN + 1) * (LEN + 1)), map->keep);
	struct cover src, dst;
	size_t f, p;
	int rc = 0;

	list_parts(map, false, &src);
	list_parts(map, true, &dst);
	for (f = 0; f < 2 && rc == 0; f++) {
		bool tcp = map->family[f] && map->proto[0];

		for (p = 0; p < 2 && rc == 0; p++) {
			if (map->family[f] && map->proto[p])
				rc = lower_kind(
					b, &src, &dst, families[f], protos[p], map->opens[f], e);
		}
		if (rc == 0 && map->opens[f] && !tcp)
			rc = lower_kind(b, &any, &any, families[f], HF_PROTO_TCP, true, e);
		if (rc == 0 && map->opens[f])
			rc = lower_queries(b, families[f], e);
	}
	e.match.layers = HF_LAYER_BIT(HF_LAYER_ETH);
	return rc < 0 ? rc : hf_build_entry(b, &e);
}
