/* SPDX-License-Identifier: BSD-3-Clause */

#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS(l)	   HF_LAYER_BIT(HF_LAYER_##l)
#define PORT_L4	   (BITS(TCP) | BITS(UDP) | BITS(SCTP))
#define L4	   (PORT_L4 | BITS(ICMP) | BITS(ICMP6))
#define NEXT_FRAG6 44 /* RFC 8200, 4.5 */

/* What all entries share. */
struct parser {
	struct dd *dd;
	const struct hf_engine *engine;
	struct hf_eswitch eswitch;
	BDD frag;  /* seen to be a fragment */
	BDD deep;  /* the transport header is seen */
	BDD scope; /* of patterns that stop at IP */
};

static BDD whether(bool yes)
{
	return yes ? hf_dd_all() : hf_dd_none();
}

static BDD either(struct dd *dd, BDD cond, BDD yes, BDD no)
{
	return hf_dd_or(dd, hf_dd_and(dd, cond, yes), hf_dd_minus(dd, no, cond));
}

/* The engine that policy is put into: it can drop, and match a destination. */
const struct hf_engine *hf_device_engine(const struct hf_check_view *view)
{
	unsigned int dir = view->eswitch.on ? HF_DIR_TRANSFER : HF_DIR_INGRESS;
	size_t i;

	for (i = 0; i < view->nic->n_engines; i++) {
		const struct hf_engine *e = &view->nic->engine[i];

		if (!(e->directions ? e->directions & dir : !view->eswitch.on))
			continue;
		if (e->actions & HF_ACT_BIT(HF_ACT_DROP) && e->field[HF_F_IP4_DST] != HF_MASK_NONE)
			return e;
	}
	return NULL;
}

const struct hf_engine *hf_device_carrier(const struct hf_check_view *view)
{
	size_t i;

	for (i = 0; i < view->nic->n_engines; i++) {
		const struct hf_engine *e = &view->nic->engine[i];

		if (e->actions & HF_ACT_BIT(HF_ACT_QUEUE) && e->shape == HF_SHAPE_FREE &&
			!(e->actions & (HF_ACT_BIT(HF_ACT_DROP) | HF_ACT_BIT(HF_ACT_MARK))) &&
			!e->type_scope && e->field[HF_F_IP4_DST] != HF_MASK_NONE)
			return e;
	}
	return NULL;
}

const struct hf_engine *hf_device_engine_of(
	const struct hf_check_view *view, const struct hf_entry *e)
{
	return e->reserved ? hf_device_carrier(view) : hf_device_engine(view);
}

static void parser_init(struct parser *p, struct dd *dd, const struct hf_check_view *view)
{
	const struct hf_nic *nic = view->nic;
	BDD ext = hf_dd_is(dd, DD_EXT, 1), behind = hf_dd_is(dd, DD_DEEP, 1);
	BDD frag = hf_dd_is(dd, DD_FRAG, 1), no_l4 = frag, ports = hf_dd_none();
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	size_t i;

	*p = (struct parser){.dd = dd, .engine = hf_device_engine(view), .eswitch = view->eswitch};
	if (!p->engine)
		p->engine = hf_device_carrier(view);
	if (nic->fragments_match_l4)
		no_l4 = hf_dd_is(dd, DD_LATER, 1);
	p->frag = hf_dd_minus(dd, frag, hf_dd_minus(dd, ext, behind));
	p->deep = hf_dd_minus(dd, hf_dd_all(), no_l4);
	/* Where a NIC may look behind extension headers, it is not said that it does. */
	p->deep = hf_dd_minus(dd, p->deep, nic->ext_match_l4 ? hf_dd_minus(dd, ext, behind) : ext);
	for (i = 0; i < sizeof(protos); i++)
		ports = hf_dd_or(dd, ports, hf_dd_is(dd, DD_PROTO, protos[i]));
	p->scope = hf_dd_not(dd, hf_dd_or(dd, p->frag, hf_dd_and(dd, p->deep, ports)));
}

/* Packets that have the layer. */
static BDD layer_has(const struct parser *p, enum hf_layer l)
{
	static const uint8_t protos[HF_LAYER_MAX_] = {
		[HF_LAYER_TCP] = HF_PROTO_TCP,
		[HF_LAYER_UDP] = HF_PROTO_UDP,
		[HF_LAYER_SCTP] = HF_PROTO_SCTP,
		[HF_LAYER_ICMP] = HF_PROTO_ICMP,
		[HF_LAYER_ICMP6] = HF_PROTO_ICMPV6,
	};
	bool v4 = p->dd->family == 4;

	switch (l) {
	case HF_LAYER_ETH:
		return hf_dd_all();
	case HF_LAYER_VLAN:
		return hf_dd_is(p->dd, DD_VLAN, 1);
	case HF_LAYER_IPV4:
		return whether(v4);
	case HF_LAYER_IPV6:
		return whether(!v4);
	case HF_LAYER_FRAG6:
		return v4 ? hf_dd_none() : p->frag;
	case HF_LAYER_ICMP:
	case HF_LAYER_ICMP6:
		if (v4 != (l == HF_LAYER_ICMP))
			return hf_dd_none();
		return hf_dd_and(p->dd, p->deep, hf_dd_is(p->dd, DD_PROTO, protos[l]));
	case HF_LAYER_TCP:
	case HF_LAYER_UDP:
	case HF_LAYER_SCTP:
		return hf_dd_and(p->dd, p->deep, hf_dd_is(p->dd, DD_PROTO, protos[l]));
	case HF_LAYER_TAG: /* every packet has one; what it says: struct tags */
		return hf_dd_all();
	case HF_LAYER_PORT_ID:
	case HF_LAYER_REPRESENTED_PORT: /* which: port_has() */
		return whether(p->eswitch.on);
	case HF_LAYER_MARK: /* nothing sets these before the first group */
	case HF_LAYER_META:
	case HF_LAYER_PORT_REPRESENTOR: /* what the application sends */
	case HF_LAYER_OTHER:
	case HF_LAYER_MAX_:
		break;
	}
	return hf_dd_none();
}

/* The byte that IPv4 has the protocol in, and IPv6 the number of the header that follows. */
static BDD proto_has(const struct parser *p, const uint8_t *value, const uint8_t *mask)
{
	struct dd *dd = p->dd;
	BDD proto = hf_dd_masked(dd, DD_PROTO, value, mask), front;

	if (dd->family == 4)
		return proto;
	front = either(
		dd, hf_dd_is(dd, DD_FRAG, 1), whether(((NEXT_FRAG6 ^ *value) & *mask) == 0), proto);
	return either(dd, hf_dd_is(dd, DD_EXT, 1), hf_dd_masked(dd, DD_NEXT, value, mask), front);
}

/* A driver that dropped the item left its fields where another protocol has something else. */
static bool blind_ports(const struct hf_pattern *m)
{
	static const struct hf_hdr none;

	return !(m->layers & L4) &&
	       (memcmp(m->mask.sport, none.sport, sizeof(none.sport)) != 0 ||
		       memcmp(m->mask.dport, none.dport, sizeof(none.dport)) != 0 ||
		       m->mask.icmp_type || m->mask.icmp_code || m->mask.tcp_flags);
}

/* Fields of the transport header. */
static BDD l4_has(struct dd *dd, const struct hf_hdr *v, const struct hf_hdr *m)
{
	const uint8_t type[2] = {v->icmp_type, v->icmp_code};
	const uint8_t type_mask[2] = {m->icmp_type, m->icmp_code};
	BDD set = hf_dd_masked(dd, DD_SPORT, v->sport, m->sport);

	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DPORT, v->dport, m->dport));
	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DPORT, type, type_mask));
	if (m->tcp_flags & HF_TCP_SYN)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_SYN, (v->tcp_flags & HF_TCP_SYN) != 0));
	if (m->tcp_flags & HF_TCP_ACK)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_ACK, (v->tcp_flags & HF_TCP_ACK) != 0));
	return set;
}

/* Fields that are variables here. Anything else of a mask may match or not. */
static BDD fields_have(const struct parser *p, const struct hf_pattern *pattern)
{
	const struct hf_hdr *v = &pattern->spec, *m = &pattern->mask;
	struct dd *dd = p->dd;
	BDD set = hf_dd_masked(dd, DD_SRC, v->ip_src, m->ip_src);

	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DST, v->ip_dst, m->ip_dst));
	if (!blind_ports(pattern))
		set = hf_dd_and(dd, set, l4_has(dd, v, m));
	set = hf_dd_and(dd, set, proto_has(p, &v->ip_proto, &m->ip_proto));
	if (m->has_vlan & 1)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_VLAN, v->has_vlan & 1));
	if (m->ip_frag & 1)
		set = v->ip_frag & 1 ? hf_dd_and(dd, set, p->frag) : hf_dd_minus(dd, set, p->frag);
	return set;
}

/* Whether a mask asks for something that is no variable, so that a match is not certain. */
static bool asks_more(const struct hf_pattern *m)
{
	struct hf_hdr rest = m->mask;

	if (blind_ports(m))
		return true;

	memset(rest.ip_src, 0, sizeof(rest.ip_src));
	memset(rest.ip_dst, 0, sizeof(rest.ip_dst));
	memset(rest.sport, 0, sizeof(rest.sport));
	memset(rest.dport, 0, sizeof(rest.dport));
	memset(rest.eth_type, 0, sizeof(rest.eth_type));
	memset(rest.tag, 0, sizeof(rest.tag));	       /* tag_has() */
	memset(rest.port_id, 0, sizeof(rest.port_id)); /* port_has() */
	memset(rest.represented_port, 0, sizeof(rest.represented_port));
	rest.icmp_type = rest.icmp_code = rest.ip_proto = 0;
	rest.has_vlan = rest.ip_frag = 0;
	rest.tcp_flags &= (uint8_t) ~(HF_TCP_SYN | HF_TCP_ACK);
	return memcmp(&rest, &(struct hf_hdr){0}, sizeof(rest)) != 0;
}

static bool type_has(const struct parser *p, const struct hf_pattern *m)
{
	static const uint8_t v4[2] = {0x08, 0x00}, v6[2] = {0x86, 0xdd};
	const uint8_t *type = p->dd->family == 4 ? v4 : v6;

	return ((type[0] ^ m->spec.eth_type[0]) & m->mask.eth_type[0]) == 0 &&
	       ((type[1] ^ m->spec.eth_type[1]) & m->mask.eth_type[1]) == 0;
}

/* All packets of the uplink come from what the wire's port stands for. */
static bool port_has(const struct parser *p, const struct hf_pattern *m)
{
	const uint8_t wire[4] = {[2] = (uint8_t)(p->eswitch.wire >> 8), (uint8_t)p->eswitch.wire};
	uint8_t differ = 0;
	size_t i;

	for (i = 0; i < sizeof(wire); i++)
		differ |= (wire[i] ^ m->spec.port_id[i]) & m->mask.port_id[i];
	for (i = 0; i < sizeof(m->spec.represented_port); i++)
		differ |= (wire[2 + i] ^ m->spec.represented_port[i]) & m->mask.represented_port[i];
	return !differ;
}

/* Packets that a pattern matches, whatever its other fields are. */
static BDD pattern_has(const struct parser *p, const struct hf_pattern *m)
{
	BDD set = hf_dd_all();
	unsigned int l;

	if (!type_has(p, m) || !port_has(p, m))
		return hf_dd_none();
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (m->layers & HF_LAYER_BIT(l))
			set = hf_dd_and(p->dd, set, layer_has(p, (enum hf_layer)l));
	}
	if (set == hf_dd_none())
		return set; /* the other family's: its masks mean something else */
	if (p->engine->type_scope && !(m->layers & PORT_L4))
		set = hf_dd_and(p->dd, set, p->scope);
	return hf_dd_and(p->dd, set, fields_have(p, m));
}

/* The strongest have the lowest rank; equal ranks have no order. */
static uint64_t rank_of(const struct hf_engine *engine, const struct hf_entry *e,
	const struct hf_pattern *installed)
{
	uint64_t depth = installed->layers & L4				 ? 0
			 : installed->layers & (BITS(IPV4) | BITS(IPV6)) ? 1
									 : 2;
	uint64_t rank = 0;

	if (e->reserved) /* which of two engines comes first nobody says */
		return 0;
	if (engine->order == HF_PRIO_LOWER)
		rank = e->priority;
	else if (engine->order == HF_PRIO_HIGHER)
		rank = UINT32_MAX - e->priority;
	return rank << 2 | (engine->depth_rank ? depth : 0);
}

struct place {
	size_t entry;
	uint32_t table;
	uint64_t rank;
};

static int place_cmp(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

#define TAG_BITS 32

/* Packets that come to a table with a bit of the tag clear, and set; where it is not certain which,
 * both. */
struct tags {
	BDD may[TAG_BITS][2];
};

/* Outcomes of an entry: a fate; of a punt, its reason; allowed and delivered; of a jump, which
 * exit. */
#define FATES	  ((size_t)HF_FATE_JUMP)
#define DELIVERED (FATES + HF_REASON_MAX_)
#define EXITS	  (DELIVERED + 1)

/* Where a jump leads, and the tag it gives. */
struct exit {
	uint32_t table;
	uint32_t tag;
	uint32_t keep; /* but these bits */
};

/* One table: its entries, strongest first, and where each rank starts among them. */
struct table_run {
	const struct parser *parser;
	const struct parser *carrier; /* of reserved entries */
	const struct hf_check_view *view;
	const struct hf_pattern *installed; /* per entry of the view */
	bool one_shape;			    /* else entries may be missing */
	const struct place *places;
	size_t *starts;		 /* one more than there are ranks */
	uint32_t *out_of;	 /* per place: a fate, or HF_FATE_JUMP + which exit */
	uint32_t *by_out;	 /* places, those of a rank by their outcomes */
	struct exit *exits;	 /* that differ */
	size_t n_outs;		 /* fates and exits */
	const struct tags *tags; /* of what comes to it */
	BDD within;		 /* nothing outside matters */
	bool *reached;		 /* per entry of the view, or NULL */
};

static bool tag_bit(const uint8_t tag[4], unsigned int bit)
{
	return tag[3 - bit / 8] >> bit % 8 & 1;
}

/* Packets whose tag may be as a pattern asks; *must: surely is. */
static BDD tag_has(struct dd *dd, const struct tags *t, const struct hf_pattern *m, BDD *must)
{
	BDD may = hf_dd_all();
	unsigned int b;

	*must = may;
	for (b = 0; b < TAG_BITS; b++) {
		bool want = tag_bit(m->spec.tag, b);

		if (!tag_bit(m->mask.tag, b))
			continue;
		may = hf_dd_and(dd, may, t->may[b][want]);
		*must = hf_dd_minus(dd, *must, t->may[b][!want]);
	}
	return may;
}

static const struct hf_entry *entry_at(const struct table_run *t, size_t i)
{
	return &t->view->entries[t->places[i].entry];
}

/* What an entry may match; *surely: what it takes whatever is not known. */
static BDD entry_takes(const struct table_run *t, size_t i, BDD *surely)
{
	const struct hf_pattern *m = &t->installed[t->places[i].entry];
	const struct parser *p = entry_at(t, i)->reserved ? t->carrier : t->parser;
	struct dd *dd = p->dd;
	BDD must, may = tag_has(dd, t->tags, m, &must), set = pattern_has(p, m);

	if (t->within != hf_dd_all())
		set = hf_dd_and(dd, set, t->within);
	*surely = asks_more(m) || !t->one_shape ? hf_dd_none() : hf_dd_and(dd, set, must);
	return hf_dd_and(dd, set, may);
}

/* What entries match; surely: what they take whatever is not known. */
struct pick_run {
	const struct table_run *table;
	const uint32_t *places;
	bool surely;
};

static BDD picked(void *arg, size_t i)
{
	const struct pick_run *r = arg;
	BDD surely, set = entry_takes(r->table, r->places[i], &surely);

	return r->surely ? surely : set;
}

/* Each entry of a rank may win wherever it matches. */
static BDD rank_takes(void *arg, size_t i, BDD *outs)
{
	const struct table_run *t = arg;
	size_t first = t->starts[i], n = t->starts[i + 1] - first, from, to;
	const uint32_t *by_out = &t->by_out[first];
	struct dd *dd = t->parser->dd;
	BDD surely;

	if (n == 1) {
		outs[t->out_of[first]] = entry_takes(t, first, &surely);
		return surely;
	}
	for (from = 0; from < n; from = to) {
		struct pick_run run = {t, &by_out[from], false};
		uint32_t out = t->out_of[by_out[from]];

		for (to = from + 1; to < n && t->out_of[by_out[to]] == out;)
			to++;
		outs[out] = hf_dd_union(dd, to - from, picked, &run);
	}
	return hf_dd_union(dd, n, picked, &(struct pick_run){t, by_out, true});
}

static void rank_meets(void *arg, size_t i, BDD packets)
{
	const struct table_run *t = arg;
	struct dd *dd = t->parser->dd;
	size_t k;

	for (k = t->starts[i]; k < t->starts[i + 1]; k++) {
		size_t mark = hf_dd_mark(dd);
		BDD surely, set = entry_takes(t, k, &surely);

		if (hf_dd_and(dd, packets, set) != hf_dd_none())
			t->reached[t->places[k].entry] = true;
		(void)hf_dd_release(dd, mark, hf_dd_none());
	}
}

static int out_cmp(const void *a, const void *b, void *out_of)
{
	const uint32_t *x = a, *y = b, *out = out_of;

	if (out[*x] != out[*y])
		return out[*x] < out[*y] ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

/* Where the table's ranks start, and which outcomes its entries have. Returns the number of ranks.
 */
static size_t sort_out(struct table_run *t, size_t n)
{
	size_t ranks = 0, n_exits = 0, i, k;

	for (i = 0; i < n; i++) {
		const struct hf_entry *e = entry_at(t, i);
		struct exit out = {e->jump, e->sets_tag ? e->tag & ~e->tag_keep : 0,
			e->sets_tag ? e->tag_keep : UINT32_MAX};

		if (i == 0 || t->places[i].rank != t->places[i - 1].rank)
			t->starts[ranks++] = i;
		t->out_of[i] = e->fate == HF_FATE_PUNT		? (uint32_t)(FATES + e->reason)
			       : hf_device_delivers(t->view, e) ? (uint32_t)DELIVERED
								: e->fate;
		if (e->fate != HF_FATE_JUMP)
			continue;
		/* Neighbours mostly lead to the same. */
		for (k = n_exits; k > 0 && memcmp(&t->exits[k - 1], &out, sizeof(out)) != 0;)
			k--;
		if (k == 0) {
			t->exits[n_exits++] = out;
			k = n_exits;
		}
		t->out_of[i] = (uint32_t)(EXITS + k - 1);
	}
	t->starts[ranks] = n;
	t->n_outs = EXITS + n_exits;
	for (i = 0; i < n; i++)
		t->by_out[i] = (uint32_t)i;
	for (i = 0; i < ranks; i++)
		qsort_r(&t->by_out[t->starts[i]], t->starts[i + 1] - t->starts[i],
			sizeof(*t->by_out), out_cmp, t->out_of);
	return ranks;
}

/* What the walk leaves behind, and works with. */
struct way {
	struct device *dev;
	BDD *reach;	   /* per table: what comes to it */
	struct tags *tags; /* and how */
	BDD *outs;
};

/* Takes the tags of what leaves a table to where it goes. */
static void send_tags(
	struct dd *dd, const struct tags *from, const struct exit *out, BDD met, struct tags *to)
{
	unsigned int b, v;

	for (b = 0; b < TAG_BITS && met != hf_dd_none(); b++) {
		for (v = 0; v < 2; v++) {
			BDD has = out->keep >> b & 1 ? from->may[b][v]
						     : whether((out->tag >> b & 1) == v);

			to->may[b][v] = hf_dd_or(dd, to->may[b][v], hf_dd_and(dd, met, has));
		}
	}
}

static void add(struct dd *dd, BDD *to, BDD set)
{
	if (set != hf_dd_none())
		*to = hf_dd_or(dd, *to, set);
}

static void leave(struct dd *dd, const struct table_run *t, const struct exit *out, BDD met,
	const struct way *w)
{
	add(dd, &w->reach[out->table], met);
	send_tags(dd, t->tags, out, met, &w->tags[out->table]);
}

/*
 * What no entry of a table matches. In the first it is left to software. In others mlx5 drops what
 * a port receives (rdma-core, providers/mlx5/dr_domain.c: the default address of a NIC_RX domain),
 * and an e-switch hands it to its manager.
 */
static void miss(const struct table_run *t, uint32_t at, BDD set, struct device *dev)
{
	struct dd *dd = t->parser->dd;

	if (at == 0 || t->view->eswitch.on) {
		add(dd, &dev->punt[HF_REASON_NONE], set);
		return;
	}
	add(dd, &dev->may[HF_FATE_DENY], set);
	add(dd, &dev->lost, set);
}

/* Entries 0 .. n - 1 of t->places are those of table at. */
static void walk_table(struct table_run *t, size_t n, uint32_t at, const struct way *w)
{
	struct dd *dd = t->parser->dd;
	BDD here = w->reach[at], taken;
	struct dd_list list = {.n = sort_out(t, n),
		.n_outs = t->n_outs,
		.member = rank_takes,
		.arg = t,
		.meet = t->reached ? rank_meets : NULL,
		.all = here};
	size_t k;

	t->tags = &w->tags[at];
	taken = hf_dd_first(dd, &list, w->outs);
	for (k = 0; k < t->n_outs; k++) {
		BDD met = hf_dd_and(dd, w->outs[k], here);

		if (k < FATES)
			add(dd, &w->dev->may[k], met);
		else if (k < DELIVERED)
			add(dd, &w->dev->punt[k - FATES], met);
		else if (k == DELIVERED)
			add(dd, &w->dev->delivered, met);
		else
			leave(dd, t, &t->exits[k - EXITS], met, w);
	}
	miss(t, at, hf_dd_minus(dd, here, taken), w->dev);
}

static void walk_tables(struct table_run *t, const struct place *places, const struct way *w)
{
	size_t n = t->view->n_entries, i = 0, end;
	uint32_t at;

	for (at = 0; at < t->view->n_tables && !t->parser->dd->failed; at++) {
		for (end = i; end < n && places[end].table == at;)
			end++;
		t->places = &places[i];
		if (w->reach[at] != hf_dd_none())
			walk_table(t, end - i, at, w);
		i = end;
	}
}

static int list_places(const struct parser *p, const struct hf_check_view *view,
	struct hf_pattern *installed, struct place *ret)
{
	size_t i;

	for (i = 0; i < view->n_entries; i++) {
		const struct hf_entry *e = &view->entries[i];

		if (e->table >= view->n_tables || !hf_device_engine_of(view, e) ||
			(e->fate == HF_FATE_JUMP &&
				(e->jump <= e->table || e->jump >= view->n_tables)))
			return -EINVAL;
		(void)hf_device_installed(view, e, &installed[i]); /* there is an engine */
		ret[i] = (struct place){i, e->table, rank_of(p->engine, e, &installed[i])};
	}
	qsort(ret, view->n_entries, sizeof(*ret), place_cmp);
	return 0;
}

int hf_device_walk(struct device *dev, struct dd *dd, BDD all, bool few,
	const struct hf_check_view *view, bool *reached)
{
	size_t n = view->n_entries;
	struct place *places = calloc(n + 1, sizeof(*places));
	struct hf_pattern *installed = calloc(n + 1, sizeof(*installed));
	struct way w = {.dev = dev,
		.reach = calloc(view->n_tables + 1, sizeof(*w.reach)),
		.tags = calloc(view->n_tables + 1, sizeof(*w.tags)),
		.outs = calloc(EXITS + n + 1, sizeof(*w.outs))};
	struct parser parser, carrier;
	struct table_run run = {.parser = &parser,
		.carrier = &carrier,
		.view = view,
		.installed = installed,
		.starts = calloc(n + 1, sizeof(*run.starts)),
		.out_of = calloc(n + 1, sizeof(*run.out_of)),
		.by_out = calloc(n + 1, sizeof(*run.by_out)),
		.exits = calloc(n + 1, sizeof(*run.exits)),
		.within = few ? all : hf_dd_all(),
		.reached = reached};
	unsigned int i;
	int rc = 0;

	*dev = (struct device){0}; /* libbdd's false is 0 */
	parser_init(&parser, dd, view);
	carrier = parser;
	carrier.engine = hf_device_carrier(view);
	if (!places || !installed || !w.reach || !w.tags || !w.outs || !run.starts || !run.out_of ||
		!run.by_out || !run.exits)
		rc = -ENOMEM;
	else if (n && !parser.engine)
		rc = -EINVAL;
	else
		rc = list_places(&parser, view, installed, places);
	if (rc == 0 && view->n_tables) {
		run.one_shape = hf_device_one_shape(view, installed);
		w.reach[0] = all;
		for (i = 0; i < TAG_BITS; i++) /* what a tag is to begin with nobody says */
			w.tags[0].may[i][0] = w.tags[0].may[i][1] = all;
		walk_tables(&run, places, &w);
	} else if (rc == 0) {
		dev->punt[HF_REASON_NONE] = all;
	}
	for (i = 0; i < HF_REASON_MAX_; i++)
		add(dd, &dev->may[HF_FATE_PUNT], dev->punt[i]);
	add(dd, &dev->may[HF_FATE_ALLOW], dev->delivered);
	free(places);
	free(installed);
	free(w.reach);
	free(w.tags);
	free(w.outs);
	free(run.starts);
	free(run.out_of);
	free(run.by_out);
	free(run.exits);
	return rc;
}

BDD hf_device_match(struct dd *dd, const struct hf_check_view *view, const struct hf_pattern *match)
{
	struct parser parser;

	parser_init(&parser, dd, view);
	return parser.engine ? pattern_has(&parser, match) : hf_dd_none();
}

bool hf_device_delivers(const struct hf_check_view *view, const struct hf_entry *e)
{
	return view->eswitch.on && e->fate == HF_FATE_ALLOW && e->forward;
}

BDD hf_device_wrong(const struct device *dev, struct dd *dd, const struct fates *certain)
{
	BDD wrong = hf_dd_minus(dd, dev->may[HF_FATE_ALLOW], certain->allow);

	wrong = hf_dd_or(
		dd, wrong, hf_dd_minus(dd, dev->may[HF_FATE_ALLOW_UNTRACKED], certain->untracked));
	wrong = hf_dd_or(dd, wrong, hf_dd_minus(dd, dev->delivered, certain->answered));
	return hf_dd_or(dd, wrong, hf_dd_minus(dd, dev->may[HF_FATE_DENY], certain->deny));
}
