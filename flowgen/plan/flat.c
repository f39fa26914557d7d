/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lowering for NICs with one table and no order among its rules (i40e, ixgbe).
 *
 * Only pairwise disjoint entries are sound there. They are got by giving all entries of a packet
 * type the same fields with full masks: two different keys of one shape never overlap. For each
 * packet type every shape the engine can hold is tried: keys are gathered from the rules' own
 * constants, each is judged by the full list of every class it can reach (keys.h), and the shape
 * that decides most keys wins. What has no entry reaches the packet path by the NIC's own default.
 */

#include "build.h"
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

#define N_L4	 3 /* of a family */
#define N_FAMILY 4

struct flat {
	struct builder *b;
	struct sight_host host;
	struct cube regions[2][N_FAMILY]; /* every packet of a kind */
	struct key_host keys;
	bool denies_only; /* of keys */
	bool undropped; /* keys of some shape are to be denied, and the engine does not take them */
};

/* Kinds of a family are numbered L4 first. */
static const struct kind *family_kind(size_t v6, size_t i)
{
	return i < N_L4 ? &l4_kinds[v6 * N_L4 + i] : &l3_kinds[v6];
}

static struct key_form form_of(const struct kind *kind, unsigned int by)
{
	struct key_form form = {.family = kind->family, .kind = N_L4, .by = (uint8_t)by};
	size_t i;

	for (i = 0; i < N_L4; i++) {
		if (kind == family_kind(kind->family == 6, i))
			form.kind = (uint8_t)i;
	}
	return form;
}

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

static void put_exact_port(struct shape *s, enum hf_field f, uint16_t port)
{
	uint8_t value[2] = {(uint8_t)(port >> 8), (uint8_t)port}, mask[2] = {0xff, 0xff};

	hf_shape_put(s, f, value, mask);
}

static struct shape spell(
	const struct flat *f, const struct kind *kind, const struct point *p, unsigned int by)
{
	const struct hf_prefix *nets = f->keys.nets.v;
	bool v4 = kind->family == 4;
	struct shape s;

	hf_shape_init(&s, f->b->engine, kind->family);
	if (by & BY_SRC)
		hf_shape_put_prefix(&s, v4 ? HF_F_IP4_SRC : HF_F_IP6_SRC, &nets[p->src]);
	if (by & BY_DST)
		hf_shape_put_prefix(&s, v4 ? HF_F_IP4_DST : HF_F_IP6_DST, &nets[p->dst]);
	if (kind->proto)
		hf_shape_put_proto(&s, kind->family, kind->proto);
	if (by & BY_SPORT)
		put_exact_port(&s, kind->sport, p->sport);
	if (by & BY_DPORT)
		put_exact_port(&s, kind->dport, p->dport);
	return s;
}

/* Entry for a key if the driver would take it, if need be with the protocol's number as well. */
static bool key_entry(const struct flat *f, const struct kind *kind, const struct key *key,
	unsigned int by, struct hf_entry *ret)
{
	struct shape s = spell(f, kind, &key->point, by);
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
	int rc = hf_keys_judge(&f->keys, form_of(kind, by), keys);
	size_t i, n = 0;

	for (i = 0; i < keys->n && rc == 0; i++) {
		struct key *key = &keys->v[i];

		if (key->fate == HF_FATE_DENY || (key->fate != HF_FATE_PUNT && !drops_only))
			keys->v[n++] = *key;
	}
	if (rc == 0)
		keys->n = n;
	return rc;
}

/* What a kind of packets is matched by, and the keys. */
struct choice {
	unsigned int by;
	size_t score;
	bool takes[HF_FATE_JUMP]; /* as far as one key of that fate shows */
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
static size_t score_of(struct flat *f, const struct kind *kind, struct choice *c)
{
	bool asked[HF_FATE_JUMP] = {0};
	struct hf_entry entry;
	size_t i, score = 0;

	for (i = 0; i < c->keys.n; i++) {
		const struct key *key = &c->keys.v[i];

		if (!asked[key->fate])
			c->takes[key->fate] = key_entry(f, kind, key, c->by, &entry);
		asked[key->fate] = true;
		f->undropped |= key->fate == HF_FATE_DENY && !c->takes[key->fate];
		if (c->takes[key->fate])
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
	struct key_form form = form_of(kind, by);
	size_t most = worth_of(by) * (hf_keys_may_deny(&f->keys, form) ? 2 : 1);
	struct choice c = {.by = by};
	/* Whether all that is denied is dropped is of interest even where the shape cannot win. */
	bool ask = f->b->carrier && !f->b->reserved && !f->undropped;
	int rc = 0;

	if (ask || may_win(best, by, most * hf_keys_most(&f->keys, form)))
		rc = hf_keys_gather(&f->keys, form, &c.keys);
	if (rc == 0 && (ask || may_win(best, by, most * c.keys.n))) {
		rc = decide_keys(f, kind, by, &c.keys);
		c.score = rc == 0 ? score_of(f, kind, &c) : 0;
	}
	if (!may_win(best, by, c.score)) {
		hf_keys_fini(&c.keys);
		return rc;
	}
	hf_keys_fini(&best->keys);
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
	return rc == 0 ? hf_keys_sort(&f->keys, form_of(kind, ret->by), &ret->keys) : rc;
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
	bool full;
	size_t i;
	int rc = 0;

	if (b->weights && picks->n > b->capacity)
		qsort(picks->v, picks->n, sizeof(*picks->v), pick_cmp);
	for (i = 0; i < picks->n && rc == 0; i++) {
		const struct pick *p = &picks->v[i];

		full = b->entries.n >= b->capacity;
		if (full && !f->denies_only) {
			/* Too many for each to be offered to the driver. */
			if (p->choice->takes[p->key->fate])
				hf_build_miss(b, p->key->origin, HF_REASON_CAPACITY, HF_F_MAX_);
			continue;
		}
		if (!key_entry(f, p->kind, p->key, p->choice->by, &entry))
			continue;
		if (f->denies_only && is_dropped(b, &entry))
			continue;
		if (full)
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
		hf_keys_fini(&choice[i].keys);
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

static int init_keys(struct flat *f)
{
	const struct cube *const regions[2] = {f->regions[0], f->regions[1]};
	size_t v6, i;

	for (v6 = 0; v6 < 2; v6++) {
		for (i = 0; i < N_FAMILY; i++)
			f->regions[v6][i] = kind_region(f, family_kind(v6, i));
	}
	return hf_key_host_init(&f->keys, &f->host, regions, N_FAMILY);
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
	if (rc == 0)
		rc = init_keys(&f);
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
	hf_key_host_fini(&f.keys);
	hf_sight_fini(&f.host);
	return rc;
}
