/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lowering for NICs with one table and no order among its rules (i40e, ixgbe).
 *
 * Only pairwise disjoint entries are sound there. They are got by giving all entries of a packet
 * type the same fields with full masks: two different keys of one shape never overlap. For each
 * packet type every shape the engine can hold is tried: keys are gathered from the rules' own
 * constants, each is judged by the full list of every class it can reach, and the shape that
 * decides most keys wins. What has no entry reaches the packet path by the NIC's own default.
 */

#include "build.h"
#include "stab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PORTS_MAX 64     /* widest port range that is spelled port by port */
#define KEY_ADDRS_MAX 4096   /* addresses that stand in for "any destination of this host" */
#define KEYS_MAX      262144 /* of one shape of one packet type */

/* A packet type of the engine: what a pattern without further fields covers. */
struct kind {
	uint8_t family;
	uint8_t proto; /* 0: the others (type_scope), or all */
	bool others;   /* where types are told apart: all but TCP, UDP and SCTP */
	enum hf_field sport, dport;
};

static const struct kind l4_kinds[] = {
	{4, HF_PROTO_TCP, false, HF_F_TCP_SPORT, HF_F_TCP_DPORT},
	{4, HF_PROTO_UDP, false, HF_F_UDP_SPORT, HF_F_UDP_DPORT},
	{4, HF_PROTO_SCTP, false, HF_F_SCTP_SPORT, HF_F_SCTP_DPORT},
	{6, HF_PROTO_TCP, false, HF_F_TCP_SPORT, HF_F_TCP_DPORT},
	{6, HF_PROTO_UDP, false, HF_F_UDP_SPORT, HF_F_UDP_DPORT},
	{6, HF_PROTO_SCTP, false, HF_F_SCTP_SPORT, HF_F_SCTP_DPORT},
};

/* IPv6 "other" may hide TCP behind an extension header, so it is judged as any protocol. */
static const struct kind l3_kinds[] = {
	{4, 0, true, HF_F_MAX_, HF_F_MAX_},
	{6, 0, false, HF_F_MAX_, HF_F_MAX_},
};

struct flat {
	struct builder *b;
	struct sight_host host;
	bool denies_only; /* of keys */
	bool undropped; /* keys of some shape are to be denied, and the engine does not take them */
};

struct keys {
	size_t n, cap;
	struct key {
		struct cube cube;
		enum hf_fate fate;
		uint32_t origin;
	} * v;
};

static int keys_push(struct keys *keys, const struct key *key)
{
	size_t cap = keys->cap ? keys->cap * 2 : 64;
	struct key *v;

	if (keys->n >= KEYS_MAX)
		return 0; /* the rest stays in software */
	if (keys->n == keys->cap) {
		v = reallocarray(keys->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		keys->v = v;
		keys->cap = cap;
	}
	keys->v[keys->n++] = *key;
	return 0;
}

static int ports_cmp(const struct hf_ports *a, const struct hf_ports *b)
{
	return a->lo != b->lo ? (int)a->lo - (int)b->lo : (int)a->hi - (int)b->hi;
}

static int key_cmp(const void *a, const void *b)
{
	const struct cube *x = &((const struct key *)a)->cube, *y = &((const struct key *)b)->cube;
	int c = hf_prefix_cmp(&x->dst, &y->dst);

	if (c == 0)
		c = ports_cmp(&x->dport, &y->dport);
	if (c == 0)
		c = hf_prefix_cmp(&x->src, &y->src);
	return c ? c : ports_cmp(&x->sport, &y->sport);
}

static bool is_host(const struct hf_prefix *p)
{
	return p->len == hf_addr_bits(&p->addr);
}

/* Every packet of a kind. */
static struct cube kind_region(const struct flat *f, const struct kind *kind)
{
	struct cube r = hf_cube_all(kind->family);

	if (kind->proto)
		hf_protos_only(r.proto, kind->proto);
	if (kind->others && f->b->engine->type_scope) {
		r.proto[0] &= ~(UINT64_C(1) << HF_PROTO_TCP | UINT64_C(1) << HF_PROTO_UDP);
		r.proto[HF_PROTO_SCTP / 64] &= ~(UINT64_C(1) << HF_PROTO_SCTP % 64);
	}
	return r;
}

/* The region that a pattern of this kind with the item's constants in the shape's fields covers. */
static struct cube region_of(const struct cube *kind, const struct cube *c, unsigned int shape)
{
	struct cube r = *kind;

	if (shape & BY_SRC)
		r.src = c->src;
	if (shape & BY_DST)
		r.dst = c->dst;
	return r;
}

/* Ports of the item that keys are made of, one by one; false when there are too many. */
struct key_ports {
	struct hf_ports sport, dport;
};
static bool key_ports(const struct cube *c, unsigned int shape, struct key_ports *ret)
{
	*ret = (struct key_ports){0};
	if (shape & BY_SPORT)
		ret->sport = c->sport;
	if (shape & BY_DPORT)
		ret->dport = c->dport;
	return ret->sport.hi - ret->sport.lo < KEY_PORTS_MAX &&
	       ret->dport.hi - ret->dport.lo < KEY_PORTS_MAX;
}

static int push_ports(struct keys *keys, const struct key_ports *ports, unsigned int shape,
	const struct cube *region)
{
	struct key key = {.cube = *region};
	uint32_t s, d;
	int rc = 0;

	for (s = ports->sport.lo; s <= ports->sport.hi && rc == 0; s++) {
		for (d = ports->dport.lo; d <= ports->dport.hi && rc == 0; d++) {
			if (shape & BY_SPORT)
				key.cube.sport = (struct hf_ports){(uint16_t)s, (uint16_t)s};
			if (shape & BY_DPORT)
				key.cube.dport = (struct hf_ports){(uint16_t)d, (uint16_t)d};
			rc = keys_push(keys, &key);
		}
	}
	return rc;
}

static bool protos_meet(const struct cube *a, const struct cube *b)
{
	uint64_t any = 0;
	size_t i;

	for (i = 0; i < 4; i++)
		any |= a->proto[i] & b->proto[i];
	return any;
}

/* Keys from one item: its own constants; "any destination" stands for the path's host addresses.
 * What has no key of the shape is found out first: most items have not. */
static int push_item(const struct flat *f, struct keys *keys, const struct cube *kind,
	const struct sight_path *p, const struct cube *c, unsigned int shape)
{
	const struct hf_rules *rules = f->b->rules;
	struct key_ports ports;
	struct cube r;
	size_t i, n = 0;
	int rc = 0;

	if (((shape & BY_SRC) && !is_host(&c->src)) || !protos_meet(kind, c) ||
		!key_ports(c, shape, &ports))
		return 0;
	r = region_of(kind, c, shape);
	if (!(shape & BY_DST) || is_host(&c->dst))
		return push_ports(keys, &ports, shape, &r);
	for (i = 0; i < hf_rules_n_dests(rules) && n < KEY_ADDRS_MAX && rc == 0; i++) {
		const struct hf_dest *d = hf_rules_dest(rules, i);

		if (!is_host(&d->net) || d->class != p->class || d->out != p->out ||
			!hf_prefix_covers(&c->dst, &d->net))
			continue;
		r.dst = d->net;
		rc = push_ports(keys, &ports, shape, &r);
		n++;
	}
	return rc;
}

/* All keys of a shape, some of them more than once; their fates are not known yet. */
static int gather(
	const struct flat *f, const struct kind *kind, unsigned int shape, struct keys *keys)
{
	struct cube region = kind_region(f, kind);
	size_t p, i;
	int rc = 0;

	for (p = 0; p < f->host.n_paths; p++) {
		const struct items *items = &f->host.paths[p].items[kind->family == 6];

		for (i = 0; i < items->n && rc == 0; i++) {
			if (items->v[i].ct & HF_CT_BIT(HF_CT_NEW))
				rc = push_item(f, keys, &region, &f->host.paths[p],
					&items->v[i].cube, shape);
		}
	}
	return rc;
}

/* Leaves each once. */
static void dedupe(struct keys *keys)
{
	size_t i, n;

	if (keys->n == 0)
		return;
	qsort(keys->v, keys->n, sizeof(*keys->v), key_cmp);
	for (i = n = 1; i < keys->n; i++) {
		if (key_cmp(&keys->v[i], &keys->v[n - 1]) != 0)
			keys->v[n++] = keys->v[i];
	}
	keys->n = n;
}

static void put_exact_port(struct shape *s, enum hf_field f, uint16_t port)
{
	uint8_t value[2] = {(uint8_t)(port >> 8), (uint8_t)port}, mask[2] = {0xff, 0xff};

	hf_shape_put(s, f, value, mask);
}

static struct shape spell(
	const struct builder *b, const struct kind *kind, const struct cube *c, unsigned int by)
{
	bool v4 = kind->family == 4;
	struct shape s;

	hf_shape_init(&s, b->engine, kind->family);
	if (by & BY_SRC)
		hf_shape_put_prefix(&s, v4 ? HF_F_IP4_SRC : HF_F_IP6_SRC, &c->src);
	if (by & BY_DST)
		hf_shape_put_prefix(&s, v4 ? HF_F_IP4_DST : HF_F_IP6_DST, &c->dst);
	if (kind->proto)
		hf_shape_put_proto(&s, kind->family, kind->proto);
	if (by & BY_SPORT)
		put_exact_port(&s, kind->sport, c->sport.lo);
	if (by & BY_DPORT)
		put_exact_port(&s, kind->dport, c->dport.lo);
	return s;
}

/* Entry for a key if the driver would take it, if need be with the protocol's number as well. */
static bool key_entry(const struct flat *f, const struct kind *kind, const struct key *key,
	unsigned int by, struct hf_entry *ret)
{
	struct shape s = spell(f->b, kind, &key->cube, by);
	const uint8_t all = 0xff;

	*ret = (struct hf_entry){.fate = key->fate,
		.origin = key->origin,
		.detail = HF_F_MAX_,
		.reserved = f->b->reserved};
	if (hf_build_takes(f->b, &s, ret))
		return true;
	if (!kind->proto)
		return false;
	hf_shape_put(&s, kind->family == 4 ? HF_F_IP4_PROTO : HF_F_IP6_PROTO, &kind->proto, &all);
	return hf_build_takes(f->b, &s, ret);
}

/* Keeps the keys that have one fate which hardware may have. */
static int decide_keys(struct flat *f, const struct kind *kind, unsigned int by, struct keys *keys)
{
	bool drops_only = f->denies_only || f->b->items.fallback == HF_FALLBACK_KERNEL;
	struct cube within = kind_region(f, kind);
	int rc = hf_sight_index(&f->host, &within, by);
	enum hf_reason reason;
	size_t i, n = 0;

	for (i = 0; i < keys->n && rc == 0; i++) {
		struct key *key = &keys->v[i];

		key->fate = hf_sight_host(&f->host, &key->cube, &key->origin, &reason);
		if (key->fate == HF_FATE_DENY || (key->fate != HF_FATE_PUNT && !drops_only))
			keys->v[n++] = *key;
	}
	if (rc == 0)
		keys->n = n;
	hf_sight_unindex(&f->host);
	return rc;
}

/* What a kind of packets is matched by, and the keys. */
struct choice {
	unsigned int by;
	size_t score;
	struct keys keys;
};

/*
 * What a key of a shape is worth. With addresses or the other end's port in it, it is a small part
 * of what a key without decides; else a product of ports would win over the rules that matter.
 */
static size_t worth_of(unsigned int by)
{
	return 2048u >> (by & BY_SRC ? 4 : 0) >> (by & BY_SPORT ? 4 : 0) >> (by & BY_DST ? 3 : 0);
}

/* Drops count double, they are what saves work. Entries of one shape and fate are alike to the
 * driver as far as choosing goes; each is offered to it before it is emitted. */
static size_t score_of(struct flat *f, const struct kind *kind, const struct choice *c)
{
	enum { UNKNOWN, TAKES, REFUSES } answers[HF_FATE_JUMP] = {0};
	struct hf_entry entry;
	size_t i, score = 0;

	for (i = 0; i < c->keys.n; i++) {
		const struct key *key = &c->keys.v[i];

		if (answers[key->fate] == UNKNOWN)
			answers[key->fate] =
				key_entry(f, kind, key, c->by, &entry) ? TAKES : REFUSES;
		f->undropped |= key->fate == HF_FATE_DENY && answers[key->fate] == REFUSES;
		if (answers[key->fate] == TAKES)
			score += worth_of(c->by) * (key->fate == HF_FATE_DENY ? 2 : 1);
	}
	return score;
}

/* Whether a shape with at most such a score would be taken; of equals the first. */
static bool may_win(const struct choice *best, unsigned int by, size_t score)
{
	return score > best->score || (score > 0 && score == best->score && by < best->by);
}

/* The keys are the caller's to free, also on failure. */
static int try_shape(struct flat *f, const struct kind *kind, unsigned int by, struct choice *best)
{
	struct choice c = {.by = by};
	/* Whether all that is denied is dropped is of interest even where the shape cannot win. */
	bool ask = f->b->carrier && !f->b->reserved && !f->undropped;
	int rc = gather(f, kind, by, &c.keys);

	if (rc == 0 && (ask || may_win(best, by, 2 * worth_of(by) * c.keys.n))) {
		dedupe(&c.keys);
		if (ask || may_win(best, by, 2 * worth_of(by) * c.keys.n)) {
			rc = decide_keys(f, kind, by, &c.keys);
			c.score = rc == 0 ? score_of(f, kind, &c) : 0;
		}
	}
	if (!may_win(best, by, c.score)) {
		free(c.keys.v);
		return rc;
	}
	free(best->keys.v);
	*best = c;
	return rc;
}

/* The shape whose keys are worth most. Those of which one key is worth most are tried first: often
 * no other can get so far. */
static int best_shape(struct flat *f, const struct kind *kind, struct choice *ret)
{
	unsigned int by,
		last = kind->proto ? BY_SRC | BY_DST | BY_SPORT | BY_DPORT : BY_SRC | BY_DST;
	size_t worth;
	int rc = 0;

	*ret = (struct choice){0};
	for (worth = worth_of(0); worth > 0; worth /= 2) {
		for (by = 1; by <= last && rc == 0; by++) {
			if (worth_of(by) == worth)
				rc = try_shape(f, kind, by, ret);
		}
	}
	return rc;
}

/* Keys of the kinds that are used. */
struct pick {
	const struct kind *kind;
	const struct choice *choice;
	const struct key *key;
	uint64_t weight;
};

struct picks {
	size_t n;
	struct pick *v;
};

static int pick_cmp(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

/* Whether an entry of the other engine drops all of these packets. */
static bool is_dropped(const struct builder *b, const struct hf_entry *e)
{
	const uint8_t *spec = (const uint8_t *)&e->match.spec;
	size_t i, k;

	for (i = 0; i < b->entries.n; i++) {
		const struct hf_entry *other = &b->entries.v[i];
		const uint8_t *value = (const uint8_t *)&other->match.spec,
			      *mask = (const uint8_t *)&other->match.mask;

		if (other->reserved || other->fate != HF_FATE_DENY ||
			other->match.layers & ~e->match.layers)
			continue;
		for (k = 0; k < sizeof(e->match.mask); k++) {
			if (mask[k] & ~((const uint8_t *)&e->match.mask)[k] ||
				(spec[k] ^ value[k]) & mask[k])
				break;
		}
		if (k == sizeof(e->match.mask))
			return true;
	}
	return false;
}

/* Entries do not meet each other, so while there is room any can be taken: the heaviest first. */
static int emit_picks(struct builder *b, struct flat *f, const struct picks *picks)
{
	struct hf_entry entry;
	size_t i;
	int rc = 0;

	if (b->weights && picks->n > b->capacity)
		qsort(picks->v, picks->n, sizeof(*picks->v), pick_cmp);
	for (i = 0; i < picks->n && rc == 0; i++) {
		const struct pick *p = &picks->v[i];

		if (!key_entry(f, p->kind, p->key, p->choice->by, &entry))
			continue;
		if (f->denies_only && is_dropped(b, &entry))
			continue;
		if (b->entries.n >= b->capacity)
			hf_build_miss(b, p->key->origin, HF_REASON_CAPACITY, HF_F_MAX_);
		else
			rc = hf_build_entry(b, &entry);
	}
	return rc;
}

static int add_picks(const struct builder *b, const struct kind *kind, const struct choice *c,
	struct picks *picks)
{
	struct pick *v = reallocarray(picks->v, picks->n + c->keys.n + 1, sizeof(*v));
	size_t i;

	if (!v)
		return -ENOMEM;
	picks->v = v;
	for (i = 0; i < c->keys.n; i++) {
		const struct key *key = &c->keys.v[i];

		picks->v[picks->n++] =
			(struct pick){kind, c, key, b->weights ? b->weights[key->origin] : 0};
	}
	return 0;
}

/*
 * Packet types of an engine with type scope do not overlap; elsewhere an L3 pattern covers the L4
 * ones as well, so only the better of the two levels is used, and with one set of masks for the
 * whole engine only the best kind of all.
 */
static int lower_kinds(struct flat *f)
{
	const struct kind *kinds[8];
	struct choice choice[8] = {0};
	size_t n = 0, i, n_l4 = sizeof(l4_kinds) / sizeof(l4_kinds[0]), sum[2] = {0}, pick = 0;
	bool scope = f->b->engine->type_scope;
	struct picks picks = {0};
	int rc = 0;

	for (i = 0; i < n_l4; i++)
		kinds[n++] = &l4_kinds[i];
	for (i = 0; i < sizeof(l3_kinds) / sizeof(l3_kinds[0]); i++)
		kinds[n++] = &l3_kinds[i];
	for (i = 0; i < n && rc == 0; i++) {
		rc = best_shape(f, kinds[i], &choice[i]);
		sum[i >= n_l4] += choice[i].score;
		if (choice[i].score > choice[pick].score)
			pick = i;
	}
	for (i = 0; i < n && rc == 0; i++) {
		if (!choice[i].by || (!scope && (i >= n_l4) != (sum[1] >= sum[0])))
			continue;
		if (f->b->engine->shape == HF_SHAPE_GLOBAL && i != pick)
			continue;
		rc = add_picks(f->b, kinds[i], &choice[i], &picks);
	}
	if (rc == 0)
		rc = emit_picks(f->b, f, &picks);
	free(picks.v);
	for (i = 0; i < n; i++)
		free(choice[i].keys.v);
	return rc;
}

/*
 * What the engine cannot drop leads to the queue of what is denied, by the engine that chooses
 * queues. That entries of both overlap does not matter: each holds for all it matches.
 */
static int lower_undropped(struct flat *f)
{
	struct builder *b = f->b;
	const struct hf_engine *engine = b->engine;
	uint32_t capacity = b->capacity, more = b->carrier->capacity;
	int rc;

	if (more && b->entries.n + more < capacity)
		b->capacity = (uint32_t)b->entries.n + more;
	b->engine = b->carrier;
	b->reserved = f->denies_only = true;
	rc = lower_kinds(f);
	b->engine = engine;
	b->capacity = capacity;
	return rc;
}

/* Whatever has no entry is missed for the most telling reason. */
static void tally_rest(const struct flat *f)
{
	size_t p, i, k;

	for (p = 0; p < f->host.n_paths; p++) {
		for (k = 0; k < 2; k++) {
			const struct items *items = &f->host.paths[p].items[k];

			for (i = 0; i < items->n; i++) {
				enum hf_reason reason = HF_REASON_SHAPE;

				if (items->v[i].fate == HF_FATE_PUNT)
					reason = items->v[i].reason;
				else if (items->v[i].fate != HF_FATE_DENY &&
					 f->b->items.fallback == HF_FALLBACK_KERNEL)
					reason = HF_REASON_KERNEL;
				else if (hf_sight_item(items, i) != SIGHT_DECIDED)
					reason = HF_REASON_STATEFUL;
				hf_build_miss(f->b, items->v[i].origin, reason, HF_F_MAX_);
			}
		}
	}
}

int hf_lower_flat(struct builder *b)
{
	struct flat f = {.b = b};
	struct hf_table table = {.name = "flat"};
	size_t i;
	int rc;

	if (hf_vec_push(&b->tables, table))
		return -ENOMEM;
	rc = hf_sight_init(&f.host, b->rules, b->in, &b->items);
	for (i = 0; i < f.host.n_paths; i++) {
		hf_build_miss_lost(b, &f.host.paths[i].items[0], HF_REASON_CAPACITY);
		hf_build_miss_lost(b, &f.host.paths[i].items[1], HF_REASON_CAPACITY);
	}
	for (i = 0; i < f.host.n_paths && rc == 0 && hf_build_has_vlan(b); i++) {
		hf_build_miss_items(b, &f.host.paths[i].items[0], HF_REASON_VLAN);
		hf_build_miss_items(b, &f.host.paths[i].items[1], HF_REASON_VLAN);
	}
	if (rc == 0 && !hf_build_has_vlan(b))
		rc = lower_kinds(&f);
	if (rc == 0 && b->carrier && !b->reserved && f.undropped)
		rc = lower_undropped(&f);
	if (rc == 0)
		tally_rest(&f);
	hf_sight_fini(&f.host);
	return rc;
}
