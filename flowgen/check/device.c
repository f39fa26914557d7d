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
static const struct hf_engine *engine_of(const struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (nic->engine[i].actions & HF_ACT_BIT(HF_ACT_DROP) &&
			nic->engine[i].field[HF_F_IP4_DST] != HF_MASK_NONE)
			return &nic->engine[i];
	}
	return NULL;
}

static void parser_init(struct parser *p, struct dd *dd, const struct hf_nic *nic)
{
	BDD ext = hf_dd_is(dd, DD_EXT, 1), behind = hf_dd_is(dd, DD_DEEP, 1);
	BDD frag = hf_dd_is(dd, DD_FRAG, 1), no_l4 = frag, ports = hf_dd_none();
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	size_t i;

	*p = (struct parser){.dd = dd, .engine = engine_of(nic)};
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
	case HF_LAYER_MARK: /* nothing sets these before the first group */
	case HF_LAYER_META:
	case HF_LAYER_PORT_ID: /* plans are not for e-switches */
	case HF_LAYER_REPRESENTED_PORT:
	case HF_LAYER_PORT_REPRESENTOR:
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

/* Fields that are variables here. Anything else of a mask may match or not. */
static BDD fields_have(const struct parser *p, const struct hf_hdr *v, const struct hf_hdr *m)
{
	struct dd *dd = p->dd;
	const uint8_t type[2] = {v->icmp_type, v->icmp_code};
	const uint8_t type_mask[2] = {m->icmp_type, m->icmp_code};
	BDD set = hf_dd_masked(dd, DD_SRC, v->ip_src, m->ip_src);

	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DST, v->ip_dst, m->ip_dst));
	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_SPORT, v->sport, m->sport));
	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DPORT, v->dport, m->dport));
	set = hf_dd_and(dd, set, hf_dd_masked(dd, DD_DPORT, type, type_mask));
	set = hf_dd_and(dd, set, proto_has(p, &v->ip_proto, &m->ip_proto));
	if (m->has_vlan & 1)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_VLAN, v->has_vlan & 1));
	if (m->ip_frag & 1)
		set = v->ip_frag & 1 ? hf_dd_and(dd, set, p->frag) : hf_dd_minus(dd, set, p->frag);
	if (m->tcp_flags & HF_TCP_SYN)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_SYN, (v->tcp_flags & HF_TCP_SYN) != 0));
	if (m->tcp_flags & HF_TCP_ACK)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_ACK, (v->tcp_flags & HF_TCP_ACK) != 0));
	return set;
}

/* Whether a mask asks for something that is no variable, so that a match is not certain. */
static bool asks_more(const struct hf_hdr *mask)
{
	struct hf_hdr rest = *mask;

	memset(rest.ip_src, 0, sizeof(rest.ip_src));
	memset(rest.ip_dst, 0, sizeof(rest.ip_dst));
	memset(rest.sport, 0, sizeof(rest.sport));
	memset(rest.dport, 0, sizeof(rest.dport));
	memset(rest.eth_type, 0, sizeof(rest.eth_type));
	memset(rest.tag, 0, sizeof(rest.tag)); /* tag_may(), tag_must() */
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

/* Packets that a pattern matches, whatever its other fields are. */
static BDD pattern_has(const struct parser *p, const struct hf_pattern *m)
{
	BDD set = hf_dd_all();
	unsigned int l;

	if (!type_has(p, m))
		return hf_dd_none();
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (m->layers & HF_LAYER_BIT(l))
			set = hf_dd_and(p->dd, set, layer_has(p, (enum hf_layer)l));
	}
	if (set == hf_dd_none())
		return set; /* the other family's: its masks mean something else */
	if (p->engine->type_scope && !(m->layers & PORT_L4))
		set = hf_dd_and(p->dd, set, p->scope);
	return hf_dd_and(p->dd, set, fields_have(p, &m->spec, &m->mask));
}

/* The strongest have the lowest rank; equal ranks have no order. */
static uint64_t rank_of(const struct hf_engine *engine, const struct hf_entry *e)
{
	uint64_t depth = e->match.layers & L4			       ? 0
			 : e->match.layers & (BITS(IPV4) | BITS(IPV6)) ? 1
								       : 2;
	uint64_t rank = 0;

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

/* What is on its way through the tables. */
struct run {
	struct device *dev;
	const struct parser *parser;
	const struct hf_check_view *view;
	BDD *reach; /* per table: what comes to it */
	struct tags *tags;
};

static bool tag_bit(const uint8_t tag[4], unsigned int bit)
{
	return tag[3 - bit / 8] >> bit % 8 & 1;
}

/* Packets whose tag may be as the entry asks; *must: surely is. */
static BDD tag_has(const struct run *r, const struct hf_entry *e, BDD *must)
{
	struct dd *dd = r->parser->dd;
	const struct tags *t = &r->tags[e->table];
	BDD may = hf_dd_all();
	unsigned int b;

	*must = may;
	for (b = 0; b < TAG_BITS; b++) {
		bool want = tag_bit(e->match.spec.tag, b);

		if (!tag_bit(e->match.mask.tag, b))
			continue;
		may = hf_dd_and(dd, may, t->may[b][want]);
		*must = hf_dd_minus(dd, *must, t->may[b][!want]);
	}
	return may;
}

/* Takes the tags of what an entry sends on to where it sends it. */
static void send_tags(struct run *r, const struct hf_entry *e, BDD met)
{
	struct dd *dd = r->parser->dd;
	const struct tags *from = &r->tags[e->table];
	struct tags *to = &r->tags[e->jump];
	unsigned int b, v;

	for (b = 0; b < TAG_BITS && met != hf_dd_none(); b++) {
		for (v = 0; v < 2; v++) {
			BDD has = e->sets_tag ? whether((e->tag >> b & 1) == v) : from->may[b][v];

			to->may[b][v] = hf_dd_or(dd, to->may[b][v], hf_dd_and(dd, met, has));
		}
	}
}

/* Entries of one rank: each may win wherever it matches. *left loses what one of them surely takes.
 */
static void walk_rank(struct run *r, const struct place *places, size_t n, BDD *left)
{
	struct dd *dd = r->parser->dd;
	BDD taken = hf_dd_none();
	size_t i;

	for (i = 0; i < n && !dd->failed; i++) {
		const struct hf_entry *e = &r->view->entries[places[i].entry];
		BDD must, may = tag_has(r, e, &must);
		BDD all = hf_dd_and(dd, *left, pattern_has(r->parser, &e->match));
		BDD met = hf_dd_and(dd, all, may);
		BDD *to = e->fate == HF_FATE_JUMP ? &r->reach[e->jump] : &r->dev->may[e->fate];

		r->dev->met[places[i].entry] = met;
		*to = hf_dd_or(dd, *to, met);
		if (e->fate == HF_FATE_JUMP)
			send_tags(r, e, met);
		if (!asks_more(&e->match.mask))
			taken = hf_dd_or(dd, taken, hf_dd_and(dd, all, must));
	}
	*left = hf_dd_minus(dd, *left, taken);
}

static void walk_tables(struct run *r, const struct place *places)
{
	struct dd *dd = r->parser->dd;
	size_t n = r->view->n_entries, i = 0, k;
	uint32_t t;

	for (t = 0; t < r->view->n_tables; t++) {
		BDD left = r->reach[t];

		while (i < n && places[i].table == t) {
			for (k = i;
				k < n && places[k].table == t && places[k].rank == places[i].rank;)
				k++;
			walk_rank(r, &places[i], k - i, &left);
			i = k;
		}
		r->dev->may[HF_FATE_PUNT] = hf_dd_or(dd, r->dev->may[HF_FATE_PUNT], left);
	}
}

static int list_places(const struct parser *p, const struct hf_check_view *view, struct place *ret)
{
	size_t i;

	for (i = 0; i < view->n_entries; i++) {
		const struct hf_entry *e = &view->entries[i];

		if (e->table >= view->n_tables ||
			(e->fate == HF_FATE_JUMP &&
				(e->jump <= e->table || e->jump >= view->n_tables)))
			return -EINVAL;
		ret[i] = (struct place){i, e->table, rank_of(p->engine, e)};
	}
	qsort(ret, view->n_entries, sizeof(*ret), place_cmp);
	return 0;
}

int hf_device_init(struct device *dev, struct dd *dd, BDD all, const struct hf_check_view *view)
{
	size_t n = view->n_entries;
	struct place *places = calloc(n + 1, sizeof(*places));
	BDD *reach = calloc(view->n_tables + 1, sizeof(*reach));
	struct tags *tags = calloc(view->n_tables + 1, sizeof(*tags));
	struct parser parser;
	struct run run = {
		.dev = dev, .parser = &parser, .view = view, .reach = reach, .tags = tags};
	unsigned int i;
	int rc = 0;

	*dev = (struct device){.n = n, .met = calloc(n + 1, sizeof(*dev->met))};
	parser_init(&parser, dd, view->nic);
	if (!places || !reach || !tags || !dev->met)
		rc = -ENOMEM;
	else if (n && !parser.engine)
		rc = -EINVAL;
	else
		rc = list_places(&parser, view, places);
	if (rc == 0 && view->n_tables) {
		reach[0] = all;		       /* the rest is none: calloc() has made it so */
		for (i = 0; i < TAG_BITS; i++) /* what a tag is to begin with nobody says */
			tags[0].may[i][0] = tags[0].may[i][1] = all;
		walk_tables(&run, places);
	} else if (rc == 0) {
		dev->may[HF_FATE_PUNT] = all;
	}
	free(places);
	free(reach);
	free(tags);
	if (rc < 0)
		hf_device_fini(dev);
	return rc;
}

void hf_device_fini(struct device *dev)
{
	free(dev->met);
	dev->met = NULL;
}

BDD hf_device_wrong(const struct device *dev, struct dd *dd, const struct fates *certain)
{
	BDD wrong = hf_dd_minus(dd, dev->may[HF_FATE_ALLOW], certain->allow);

	wrong = hf_dd_or(
		dd, wrong, hf_dd_minus(dd, dev->may[HF_FATE_ALLOW_UNTRACKED], certain->untracked));
	return hf_dd_or(dd, wrong, hf_dd_minus(dd, dev->may[HF_FATE_DENY], certain->deny));
}
