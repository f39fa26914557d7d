/* SPDX-License-Identifier: BSD-3-Clause */

#include "stab.h"

#include "rules/algebra.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE SLOT_EMPTY

/* What items, of a group or of several, say about a state. Numbers are those of items. */
struct sum {
	uint32_t first;	   /* the first of them */
	uint32_t conflict; /* the first by which there are two fates, or software has to look */
	uint32_t close;	   /* the first behind which no later item matters */
	uint32_t origin;   /* of the first, */
	uint8_t fate;	   /* and its fate */
};

/* Items that ask for the same of the exact fields, and decide for the same states. */
struct group {
	uint32_t node;
	uint16_t sport, dport;
	uint8_t slen, dlen;
	uint8_t ct;
	struct sum sum;
};

/* Prefix lengths of ports, as bits, that there are groups of. */
struct node {
	uint32_t slens, dlens;
};

struct pair {
	uint32_t src, dst;
};

struct stab {
	const struct faces *faces;
	const struct nets *nets;
	unsigned int by;
	/* Nodes are nets, or pairs of nets where both addresses are exact, or there is but one. */
	size_t n_nodes;
	struct node *nodes;
	HF_VEC(struct pair) pairs;
	struct slots pair_slots;
	HF_VEC(struct group) groups;
	struct slots slots; /* of groups */
	/* While deciding: prefixes over the last point's addresses. */
	struct above {
		uint32_t id;
		size_t n;
		uint32_t v[NETS_ABOVE];
	} src, dst;
};

static bool protos_cover(const uint64_t outer[4], const uint64_t inner[4])
{
	size_t i;

	for (i = 0; i < 4; i++) {
		if (inner[i] & ~outer[i])
			return false;
	}
	return true;
}

static bool protos_meet(const uint64_t a[4], const uint64_t b[4])
{
	return ((a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3])) != 0;
}

static bool any_port(struct hf_ports p)
{
	return p.lo == 0 && p.hi == UINT16_MAX;
}

static bool one_address(const struct hf_prefix *p)
{
	return p->len == hf_addr_bits(&p->addr);
}

static bool few_ports(struct hf_ports p)
{
	return p.hi - p.lo < FACE_PORTS_MAX;
}

static int face_init(struct face *f, const struct item *item, const struct cube *kinds,
	size_t n_kinds, struct nets *nets)
{
	const struct cube *c = &item->cube;
	size_t i;

	memset(f, 0, sizeof(*f)); /* faces are compared whole */
	f->origin = item->origin;
	f->sport = c->sport;
	f->dport = c->dport;
	f->ct = item->ct;
	f->fate = (uint8_t)item->fate;
	f->any = (uint8_t)((c->src.len ? 0 : BY_SRC) | (c->dst.len ? 0 : BY_DST) |
			   (any_port(c->sport) ? BY_SPORT : 0) |
			   (any_port(c->dport) ? BY_DPORT : 0));
	f->few = (uint8_t)((one_address(&c->src) ? BY_SRC : 0) |
			   (one_address(&c->dst) ? BY_DST : 0) |
			   (few_ports(c->sport) ? BY_SPORT : 0) |
			   (few_ports(c->dport) ? BY_DPORT : 0));
	for (i = 0; i < n_kinds; i++) {
		if (!protos_meet(c->proto, kinds[i].proto))
			continue;
		f->meets |= (uint8_t)(1 << i);
		if (!c->type_mask && !c->code_mask && protos_cover(c->proto, kinds[i].proto))
			f->whole |= (uint8_t)(1 << i);
	}
	if (hf_nets_add(nets, &c->src, &f->src) < 0)
		return -ENOMEM;
	return hf_nets_add(nets, &c->dst, &f->dst);
}

int hf_faces_init(struct faces *faces, const struct items *items, const struct cube *kinds,
	size_t n_kinds, struct nets *nets)
{
	size_t i;
	int rc = 0;

	*faces = (struct faces){.n = items->n, .seen = items->seen};
	faces->v = malloc((items->n + 1) * sizeof(*faces->v));
	if (!faces->v)
		return -ENOMEM;
	for (i = 0; i < items->n && rc == 0; i++)
		rc = face_init(&faces->v[i], &items->v[i], kinds, n_kinds, nets);
	return rc;
}

int hf_faces_sort(struct faces *faces, size_t n_kinds)
{
	size_t i, k;

	for (i = 0; i < faces->n; i++) {
		for (k = 0; k < n_kinds; k++)
			faces->n_of_kind[k] += faces->v[i].meets >> k & 1;
	}
	for (k = 0; k < n_kinds; k++) {
		faces->of_kind[k] = malloc((faces->n_of_kind[k] + 1) * sizeof(uint32_t));
		if (!faces->of_kind[k])
			return -ENOMEM;
		faces->n_of_kind[k] = 0;
	}
	for (i = 0; i < faces->n; i++) {
		for (k = 0; k < n_kinds; k++) {
			if (faces->v[i].meets >> k & 1)
				faces->of_kind[k][faces->n_of_kind[k]++] = (uint32_t)i;
		}
	}
	return 0;
}

void hf_faces_fini(struct faces *faces)
{
	size_t k;

	for (k = 0; k < STAB_KINDS; k++)
		free(faces->of_kind[k]);
	free(faces->v);
	*faces = (struct faces){0};
}

static const struct sum nothing = {NONE, NONE, NONE, NONE, HF_FATE_PUNT};

static uint32_t lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Adds what other says to what s says. */
static void sum_add(struct sum *s, const struct sum *other)
{
	uint32_t later = s->first > other->first ? s->first : other->first;

	if (s->fate != other->fate && later != NONE)
		s->conflict = lower(s->conflict, later);
	s->conflict = lower(s->conflict, other->conflict);
	s->close = lower(s->close, other->close);
	if (other->first < s->first) {
		s->first = other->first;
		s->origin = other->origin;
		s->fate = other->fate;
	}
}

static uint32_t pair_hash(uint32_t src, uint32_t dst)
{
	return (uint32_t)hf_hash_mix(src, (uint64_t)dst << 32);
}

static struct slot *pair_slot(const struct stab *s, uint32_t src, uint32_t dst)
{
	uint32_t hash = pair_hash(src, dst);
	struct slot *slot;
	size_t i = hash;

	do {
		slot = hf_slots_next(&s->pair_slots, hash, &i);
	} while (slot->at != NONE &&
		 (s->pairs.v[slot->at].src != src || s->pairs.v[slot->at].dst != dst));
	return slot;
}

static int nodes_grow(struct stab *s)
{
	size_t n = s->n_nodes ? 2 * s->n_nodes : 64;
	struct node *v = reallocarray(s->nodes, n, sizeof(*v));

	if (!v)
		return -ENOMEM;
	memset(&v[s->n_nodes], 0, (n - s->n_nodes) * sizeof(*v));
	s->nodes = v;
	s->n_nodes = n;
	return 0;
}

static int add_pair(struct stab *s, uint32_t src, uint32_t dst, uint32_t *ret)
{
	struct slot *slot;

	if (hf_slots_grow(&s->pair_slots) < 0)
		return -ENOMEM;
	slot = pair_slot(s, src, dst);
	if (slot->at == NONE) {
		if (s->pairs.n == s->n_nodes && nodes_grow(s) < 0)
			return -ENOMEM;
		if (hf_vec_push(&s->pairs, ((struct pair){src, dst})))
			return -ENOMEM;
		hf_slots_take(&s->pair_slots, slot, pair_hash(src, dst), s->pairs.n - 1);
	}
	*ret = slot->at;
	return 0;
}

static int node_of(struct stab *s, const struct face *f, uint32_t *ret)
{
	*ret = 0;
	if ((s->by & BY_SRC) && (s->by & BY_DST))
		return add_pair(s, f->src, f->dst, ret);
	if (s->by & BY_SRC)
		*ret = f->src;
	else if (s->by & BY_DST)
		*ret = f->dst;
	return 0;
}

static uint32_t group_hash(const struct group *g)
{
	uint64_t ports = (uint64_t)g->sport << 48 | (uint64_t)g->dport << 32 |
			 (uint64_t)g->slen << 8 | g->dlen;

	return (uint32_t)hf_hash_mix(ports, g->node);
}

static bool same_fields(const struct group *a, const struct group *b)
{
	return a->node == b->node && a->sport == b->sport && a->dport == b->dport &&
	       a->slen == b->slen && a->dlen == b->dlen;
}

static int add_group(struct stab *s, const struct group *g)
{
	uint32_t hash = group_hash(g);
	struct slot *slot;
	size_t i = hash;

	if (hf_slots_grow(&s->slots) < 0)
		return -ENOMEM;
	do {
		slot = hf_slots_next(&s->slots, hash, &i);
	} while (slot->at != NONE &&
		 (s->groups.v[slot->at].ct != g->ct || !same_fields(&s->groups.v[slot->at], g)));
	if (slot->at != NONE) {
		/* Items come in order, so behind what closes the group nothing is new. */
		if (s->groups.v[slot->at].sum.close == NONE)
			sum_add(&s->groups.v[slot->at].sum, &g->sum);
		return 0;
	}
	if (hf_vec_push(&s->groups, *g))
		return -ENOMEM;
	hf_slots_take(&s->slots, slot, hash, s->groups.n - 1);
	s->nodes[g->node].slens |= 1u << g->slen;
	s->nodes[g->node].dlens |= 1u << g->dlen;
	return 0;
}

/* Prefixes of the ports of a field; one that covers all when the field is not exact. */
static size_t port_masks(const struct stab *s, unsigned int field, struct hf_ports ports,
	struct hf_port_mask ret[static HF_PORT_MASKS_MAX])
{
	if (s->by & field && ports.lo == ports.hi) {
		ret[0] = (struct hf_port_mask){ports.lo, UINT16_MAX};
		return 1;
	}
	if (s->by & field)
		return hf_ports_masks(ports, ret);
	ret[0] = (struct hf_port_mask){0, 0};
	return 1;
}

static int add_face(struct stab *s, unsigned int kind, size_t i)
{
	const struct face *f = &s->faces->v[i];
	struct hf_port_mask sp[HF_PORT_MASKS_MAX], dp[HF_PORT_MASKS_MAX];
	size_t n_sp = port_masks(s, BY_SPORT, f->sport, sp), k, l;
	size_t n_dp = port_masks(s, BY_DPORT, f->dport, dp);
	struct group g = {.ct = f->ct,
		.sum = {(uint32_t)i, f->fate == HF_FATE_PUNT ? (uint32_t)i : NONE, NONE, f->origin,
			f->fate}};
	int rc = node_of(s, f, &g.node);

	if (f->whole >> kind & 1 && (f->any | s->by) == BY_ALL)
		g.sum.close = (uint32_t)i;
	for (k = 0; k < n_sp && rc == 0; k++) {
		g.sport = sp[k].value;
		g.slen = (uint8_t)__builtin_popcount(sp[k].mask);
		for (l = 0; l < n_dp && rc == 0; l++) {
			g.dport = dp[l].value;
			g.dlen = (uint8_t)__builtin_popcount(dp[l].mask);
			rc = add_group(s, &g);
		}
	}
	return rc;
}

struct stab *hf_stab_new(const struct faces *faces, const struct nets *nets, struct stab_form form)
{
	const unsigned int kind = form.kind, by = form.by;
	const uint32_t *list = faces->of_kind[kind];
	size_t n = faces->n_of_kind[kind], expect = by & BY_SRC ? n : 0;
	struct stab *s = calloc(1, sizeof(*s));
	size_t i;
	int rc;

	if (!s)
		return NULL;
	s->faces = faces;
	s->nets = nets;
	s->by = by;
	s->src.id = s->dst.id = NET_NONE;
	s->n_nodes = (by & BY_SRC) && (by & BY_DST) ? 64 : by & (BY_SRC | BY_DST) ? nets->n : 1;
	s->nodes = calloc(s->n_nodes + 1, sizeof(*s->nodes));
	/* With sources most items are groups of their own. */
	rc = s->nodes ? hf_slots_reserve(&s->slots, expect + 1) : -ENOMEM;
	for (i = 0; i < n && rc == 0; i++)
		rc = add_face(s, kind, list[i]);
	if (rc == 0)
		return s;
	hf_stab_free(s);
	return NULL;
}

void hf_stab_free(struct stab *s)
{
	if (!s)
		return;
	hf_vec_fini(&s->pairs);
	hf_vec_fini(&s->groups);
	hf_slots_fini(&s->pair_slots);
	hf_slots_fini(&s->slots);
	free(s->nodes);
	free(s);
}

/* What is met, by state. */
struct met {
	struct sum of[4];
};
static const uint8_t states[] = {HF_CT_BIT(HF_CT_NEW), HF_CT_BIT(HF_CT_ESTABLISHED),
	HF_CT_BIT(HF_CT_RELATED), HF_CT_BIT(HF_CT_INVALID)};
static_assert(sizeof(states) == sizeof((struct met){0}.of) / sizeof(struct sum), "a sum a state");

static uint16_t high_bits(uint16_t port, unsigned int len)
{
	return (uint16_t)(port & (0xffff0000u >> len));
}

/* Adds the groups of these very fields, of all states. */
static void meet_group(const struct stab *s, const struct group *want, struct met *met)
{
	uint32_t hash = group_hash(want);
	size_t i = hash, k;

	for (;;) {
		uint32_t at = hf_slots_next(&s->slots, hash, &i)->at;

		if (at == NONE)
			return;
		if (!same_fields(&s->groups.v[at], want))
			continue;
		for (k = 0; k < sizeof(states); k++) {
			if (s->groups.v[at].ct & states[k])
				sum_add(&met->of[k], &s->groups.v[at].sum);
		}
	}
}

static void meet_node(
	const struct stab *s, uint32_t node, const struct point *point, struct met *met)
{
	struct group want = {.node = node};
	uint32_t slens, dlens;

	for (slens = s->nodes[node].slens; slens; slens &= slens - 1) {
		want.slen = (uint8_t)__builtin_ctz(slens);
		want.sport = high_bits(point->sport, want.slen);
		for (dlens = s->nodes[node].dlens; dlens; dlens &= dlens - 1) {
			want.dlen = (uint8_t)__builtin_ctz(dlens);
			want.dport = high_bits(point->dport, want.dlen);
			meet_group(s, &want, met);
		}
	}
}

static void look_above(const struct stab *s, struct above *above, uint32_t id)
{
	if (id != above->id)
		above->n = hf_nets_above(s->nets, id, above->v);
	above->id = id;
}

static void meet_nets(
	const struct stab *s, const struct above *above, const struct point *point, struct met *met)
{
	size_t i;

	for (i = 0; i < above->n; i++) {
		if (above->v[i] < s->n_nodes)
			meet_node(s, above->v[i], point, met);
	}
}

static void meet_pairs(const struct stab *s, const struct point *point, struct met *met)
{
	size_t i, k;

	for (i = 0; i < s->src.n && s->pairs.n; i++) {
		for (k = 0; k < s->dst.n; k++) {
			uint32_t node = pair_slot(s, s->src.v[i], s->dst.v[k])->at;

			if (node != NONE)
				meet_node(s, node, point, met);
		}
	}
}

enum hf_fate hf_stab_decide(struct stab *s, const struct point *point, uint32_t *ret_origin)
{
	struct met met = {{nothing, nothing, nothing, nothing}};
	uint8_t fate = HF_FATE_PUNT;
	size_t i;

	if (s->by & BY_SRC)
		look_above(s, &s->src, point->src);
	if (s->by & BY_DST)
		look_above(s, &s->dst, point->dst);
	if ((s->by & BY_SRC) && (s->by & BY_DST))
		meet_pairs(s, point, &met);
	else if (s->by & (BY_SRC | BY_DST))
		meet_nets(s, s->by & BY_SRC ? &s->src : &s->dst, point, &met);
	else
		meet_node(s, 0, point, &met);
	*ret_origin = met.of[0].origin;
	for (i = 0; i < sizeof(states); i++) {
		const struct sum *sum = &met.of[i];

		if (!(s->faces->seen & states[i]) || sum->first == NONE)
			continue;
		if (sum->conflict <= sum->close && sum->conflict != NONE)
			return HF_FATE_PUNT;
		if (fate != HF_FATE_PUNT && fate != sum->fate)
			return HF_FATE_PUNT;
		fate = sum->fate;
	}
	return (enum hf_fate)fate;
}

static bool covers_point(
	const struct face *f, unsigned int by, const struct point *p, const uint8_t *covers)
{
	return !((by & BY_DPORT && (p->dport < f->dport.lo || p->dport > f->dport.hi)) ||
		 (by & BY_SRC && !(covers[f->src] & BY_SRC)) ||
		 (by & BY_DST && !(covers[f->dst] & BY_DST)) ||
		 (by & BY_SPORT && (p->sport < f->sport.lo || p->sport > f->sport.hi)));
}

static enum hf_fate walk(const struct faces *faces, struct stab_form form,
	const struct point *point, const uint8_t *covers, uint32_t *ret_origin)
{
	const uint8_t new = HF_CT_BIT(HF_CT_NEW);
	uint8_t open = faces->seen, fate = HF_FATE_PUNT;
	size_t i;

	*ret_origin = NONE;
	for (i = 0; i < faces->n_of_kind[form.kind] && open; i++) {
		const struct face *f = &faces->v[faces->of_kind[form.kind][i]];

		if (!(f->ct & open) || !covers_point(f, form.by, point, covers))
			continue;
		if (f->fate == HF_FATE_PUNT || (fate != HF_FATE_PUNT && f->fate != fate))
			return HF_FATE_PUNT;
		fate = f->fate;
		if (*ret_origin == NONE && f->ct & open & new)
			*ret_origin = f->origin;
		if (f->whole >> form.kind & 1 && (f->any | form.by) == BY_ALL)
			open &= (uint8_t)~f->ct;
	}
	return (enum hf_fate)fate;
}

enum hf_fate hf_faces_decide(const struct faces *faces, const struct nets *nets,
	struct stab_form form, const struct point *point, uint8_t *covers, uint32_t *ret_origin)
{
	uint32_t src[NETS_ABOVE], dst[NETS_ABOVE];
	size_t n_src = form.by & BY_SRC ? hf_nets_above(nets, point->src, src) : 0;
	size_t n_dst = form.by & BY_DST ? hf_nets_above(nets, point->dst, dst) : 0, i;
	enum hf_fate fate;

	for (i = 0; i < n_src; i++)
		covers[src[i]] |= BY_SRC;
	for (i = 0; i < n_dst; i++)
		covers[dst[i]] |= BY_DST;
	fate = walk(faces, form, point, covers, ret_origin);
	for (i = 0; i < n_src; i++)
		covers[src[i]] = 0;
	for (i = 0; i < n_dst; i++)
		covers[dst[i]] = 0;
	return fate;
}
