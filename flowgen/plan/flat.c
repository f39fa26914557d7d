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
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A packet type of the engine: what a pattern without further fields covers. */
struct kind {
	uint8_t family;
	uint8_t kind;  /* keys.h */
	uint8_t proto; /* 0: no pattern of L4 */
	enum hf_field sport, dport;
};

#define N_FLAT_KINDS 8
#define N_L4	     6

/* IPv6 "other" may hide TCP behind an extension header, so it is judged as any protocol. */
static const struct kind all_kinds[N_FLAT_KINDS] = {
	{4, KIND_TCP, HF_PROTO_TCP, HF_F_TCP_SPORT, HF_F_TCP_DPORT},
	{4, KIND_UDP, HF_PROTO_UDP, HF_F_UDP_SPORT, HF_F_UDP_DPORT},
	{4, KIND_SCTP, HF_PROTO_SCTP, HF_F_SCTP_SPORT, HF_F_SCTP_DPORT},
	{6, KIND_TCP, HF_PROTO_TCP, HF_F_TCP_SPORT, HF_F_TCP_DPORT},
	{6, KIND_UDP, HF_PROTO_UDP, HF_F_UDP_SPORT, HF_F_UDP_DPORT},
	{6, KIND_SCTP, HF_PROTO_SCTP, HF_F_SCTP_SPORT, HF_F_SCTP_DPORT},
	{4, KIND_OTHERS, 0, HF_F_MAX_, HF_F_MAX_},
	{6, KIND_ANY, 0, HF_F_MAX_, HF_F_MAX_},
};

struct flat {
	struct builder *b;
	struct sight_host host;
	struct flat_keep *keep;
	const struct hf_entry *before; /* of the plan before, which keys know their places in */
	bool denies_only;	       /* of keys */
	bool undropped; /* keys of some shape are to be denied, and the engine does not take them */
};

/* Without types that are told apart, a pattern of L3 covers what patterns of L4 do. */
static struct key_set *set_of(struct flat *f, const struct kind *kind, unsigned int by)
{
	unsigned int k = kind->kind;

	if (k == KIND_OTHERS && !f->b->engine->type_scope)
		k = KIND_ANY;
	return hf_key_set(&f->keep->keys, kind->family, k, by);
}

static void put_exact_port(struct shape *s, enum hf_field f, uint16_t port)
{
	uint8_t value[2] = {(uint8_t)(port >> 8), (uint8_t)port}, mask[2] = {0xff, 0xff};

	hf_shape_put(s, f, value, mask);
}

static struct shape spell(
	const struct flat *f, const struct kind *kind, const struct point *p, unsigned int by)
{
	const struct hf_prefix *nets = f->keep->keys.nets.v;
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

	*ret = (struct hf_entry){.fate = (enum hf_fate)key->fate,
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

/* Whether hardware may have the fate of a key. */
static bool is_wanted(const struct flat *f, enum hf_fate fate)
{
	bool drops_only = f->denies_only || f->b->items.fallback == HF_FALLBACK_KERNEL;

	return fate == HF_FATE_DENY || (fate != HF_FATE_PUNT && !drops_only);
}

/* What a kind of packets is matched by. */
struct choice {
	struct key_set *set; /* NULL: by nothing */
	unsigned int by;
	size_t score;
};

/*
 * What a key of a shape is worth. With addresses or the other end's port in it, it is a small part
 * of what a key without decides; else a product of ports would win over the rules that matter.
 */
static size_t worth_of(unsigned int by)
{
	return 2048u >> (by & BY_SRC ? 4 : 0) >> (by & BY_SPORT ? 4 : 0) >> (by & BY_DST ? 3 : 0);
}

/* Whether the driver takes entries for keys of a fate, as far as one of them shows. */
static bool is_taken(
	const struct flat *f, const struct kind *kind, struct key_set *set, enum hf_fate fate)
{
	struct hf_entry entry;
	size_t i;

	for (i = 0; i < set->keys.n && set->taken[fate] == KEYS_UNASKED; i++) {
		const struct key *key = &set->keys.v[i];

		if (key->refs && key->fate == fate)
			set->taken[fate] = key_entry(f, kind, key, set->by, &entry) ? KEYS_TAKEN
										    : KEYS_REFUSED;
	}
	return set->taken[fate] == KEYS_TAKEN;
}

/* Drops count double, they are what saves work. Entries of one shape and fate are alike to the
 * driver as far as choosing goes; each is offered to it before it is emitted. */
static size_t score_of(struct flat *f, const struct kind *kind, struct key_set *set)
{
	size_t fate, score = 0;

	for (fate = HF_FATE_PUNT + 1; fate < HF_FATE_JUMP; fate++) {
		if (!is_wanted(f, (enum hf_fate)fate) || set->n_fate[fate] == 0)
			continue;
		if (is_taken(f, kind, set, (enum hf_fate)fate))
			score += worth_of(set->by) * set->n_fate[fate] *
				 (fate == HF_FATE_DENY ? 2 : 1);
		else
			f->undropped |= fate == HF_FATE_DENY;
	}
	return score;
}

/* Whether a shape with at most such a score would be taken; of equals the first. */
static bool may_win(const struct choice *best, unsigned int by, size_t score)
{
	return score > best->score || (score > 0 && score == best->score && by < best->by);
}

static int try_shape(struct flat *f, const struct kind *kind, unsigned int by, struct choice *best)
{
	struct key_host *keys = &f->keep->keys;
	struct key_set *set = set_of(f, kind, by);
	size_t most = worth_of(by) * (hf_key_set_may_deny(keys, set) ? 2 : 1), score;
	/* Whether all that is denied is dropped is of interest even where the shape cannot win. */
	bool ask = f->b->carrier && !f->b->reserved && !f->undropped;
	int rc;

	if (!ask && !may_win(best, by, most * hf_key_set_most(keys, set)))
		return 0;
	rc = hf_key_set_find(keys, set);
	if (rc < 0 || (!ask && !may_win(best, by, most * hf_key_set_most(keys, set))))
		return rc;
	rc = hf_key_set_judge(keys, set);
	if (rc < 0)
		return rc;
	score = score_of(f, kind, set);
	if (may_win(best, by, score))
		*best = (struct choice){set, by, score};
	return 0;
}

/* The shape whose keys are worth most. Those of which one key is worth most are tried first: often
 * no other can get so far. */
static int best_shape(struct flat *f, const struct kind *kind, struct choice *ret)
{
	unsigned int by, last = kind->proto ? BY_ALL : BY_SRC | BY_DST;
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
	struct key_set *set;
	struct named_key key;
	bool over;	/* no room: stands for all that the key stands for */
	uint32_t place; /* among those of its kind */
	uint64_t weight;
};

struct picks {
	size_t n, cap;
	struct pick *v;
};

static int pick_cmp(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
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

/* The entry that the plan before has for the key, if the driver took it for that fate. */
static bool kept_entry(const struct flat *f, const struct key *key, struct hf_entry *ret)
{
	if (!f->before || key->entry == KEY_NO_ENTRY || f->before[key->entry].fate != key->fate)
		return false;
	*ret = f->before[key->entry];
	ret->origin = key->origin;
	return true;
}

/* Entry i is the key's, unless it has more. */
static void note_entry(const struct flat *f, const struct pick *p, uint32_t i)
{
	struct key *key = &p->set->keys.v[p->key.key];
	bool one = !(p->set->by & BY_SRC) || hf_alike_size(&f->keep->keys.alike, p->key.src) == 1;

	key->entry = one && p->key.src == key->point.src ? i : KEY_NO_ENTRY;
}

static int emit_pick(struct builder *b, struct flat *f, const struct pick *p)
{
	struct key key = p->set->keys.v[p->key.key];
	bool full = p->over || b->entries.n >= b->capacity;
	struct hf_entry entry;

	key.point.src = p->key.src;
	if (full && !f->denies_only) {
		/* Too many for each to be offered to the driver. */
		if (p->set->taken[key.fate] == KEYS_TAKEN)
			hf_build_miss(b, key.origin, HF_REASON_CAPACITY, HF_F_MAX_);
		note_entry(f, p, KEY_NO_ENTRY);
		return 0;
	}
	if (!kept_entry(f, &key, &entry) && !key_entry(f, p->kind, &key, p->set->by, &entry))
		return 0;
	if (f->denies_only && is_dropped(b, &entry))
		return 0;
	if (full) {
		hf_build_miss(b, key.origin, HF_REASON_CAPACITY, HF_F_MAX_);
		return 0;
	}
	note_entry(f, p, (uint32_t)b->entries.n);
	return hf_build_entry(b, &entry);
}

/* Entries do not meet each other, so while there is room any can be taken: the heaviest first. */
static int emit_picks(struct builder *b, struct flat *f, const struct picks *picks)
{
	size_t i;
	int rc = 0;

	if (b->weights && picks->n > b->capacity)
		qsort(picks->v, picks->n, sizeof(*picks->v), pick_cmp);
	for (i = 0; i < picks->n && rc == 0; i++)
		rc = emit_pick(b, f, &picks->v[i]);
	return rc;
}

/* The wanted keys of a set. Of the others none has an entry. */
static size_t list_wanted(const struct flat *f, struct key_set *set, struct named_key *ret)
{
	size_t n = 0, i;

	for (i = 0; i < set->keys.n; i++) {
		struct key *key = &set->keys.v[i];

		if (key->refs && is_wanted(f, (enum hf_fate)key->fate))
			ret[n++] = (struct named_key){(uint32_t)i, key->point.src};
		else
			key->entry = KEY_NO_ENTRY;
	}
	return n;
}

static int push_pick(const struct flat *f, struct pick pick, struct picks *picks)
{
	const uint64_t *weights = f->b->weights;

	pick.place = (uint32_t)picks->n;
	pick.weight = weights ? weights[pick.set->keys.v[pick.key.key].origin] : 0;
	return hf_vec_push(picks, pick) ? -ENOMEM : 0;
}

/* Keys for the same destination and port, with all that they stand for, in order. */
static int push_alike(const struct flat *f, struct pick pick, const uint32_t *ranks,
	const struct named_key *keys, size_t n, struct picks *picks)
{
	const struct alike *alike = &f->keep->keys.alike;
	HF_VEC(struct named_key) all = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		struct named_key key = keys[i];

		for (; key.src != NET_NONE && rc == 0; key.src = hf_alike_next(alike, key.src))
			rc = hf_vec_push(&all, key) ? -ENOMEM : 0;
	}
	if (rc == 0)
		rc = hf_key_set_sort(pick.set, ranks, all.v, all.n);
	for (i = 0; i < all.n && rc == 0; i++) {
		pick.key = all.v[i];
		rc = push_pick(f, pick, picks);
	}
	hf_vec_fini(&all);
	return rc;
}

static int push_keys(const struct flat *f, struct pick pick, const uint32_t *ranks,
	const struct named_key *keys, size_t n, struct picks *picks)
{
	bool alike = pick.set->by & BY_SRC && f->keep->keys.alike.n,
	     all = f->b->weights || f->denies_only;
	const struct key *v = pick.set->keys.v;
	size_t i, end;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i = end) {
		end = i + 1;
		pick.key = keys[i];
		pick.over = !all && picks->n >= f->b->capacity;
		if (!alike || pick.over) {
			rc = push_pick(f, pick, picks);
			continue;
		}
		while (end < n && v[keys[end].key].point.dst == v[keys[i].key].point.dst &&
			v[keys[end].key].point.dport == v[keys[i].key].point.dport)
			end++;
		rc = push_alike(f, pick, ranks, &keys[i], end - i, picks);
	}
	return rc;
}

static int add_picks(
	struct flat *f, const struct kind *kind, struct key_set *set, struct picks *picks)
{
	struct named_key *keys = malloc((set->keys.n + 1) * sizeof(*keys));
	uint32_t *ranks = hf_key_ranks(&f->keep->keys, kind->family);
	size_t n = keys ? list_wanted(f, set, keys) : 0;
	int rc = keys && ranks ? hf_key_set_sort(set, ranks, keys, n) : -ENOMEM;

	if (rc == 0)
		rc = push_keys(f, (struct pick){.kind = kind, .set = set}, ranks, keys, n, picks);
	free(ranks);
	free(keys);
	return rc;
}

/* What keys know of their entries holds as long as their set is chosen. */
static void mark_chosen(struct key_set *set)
{
	size_t i;

	for (i = 0; i < set->keys.n && !set->chosen; i++)
		set->keys.v[i].entry = KEY_NO_ENTRY;
	set->chosen = true;
}

static void unmark_others(struct flat *f, const struct choice *choice)
{
	size_t i, by;

	for (i = 0; i < N_FLAT_KINDS; i++) {
		for (by = 1; by <= BY_ALL; by++) {
			struct key_set *set = set_of(f, &all_kinds[i], (unsigned int)by);

			set->chosen = set->chosen && choice[i].set == set;
		}
	}
}

/*
 * Packet types of an engine with type scope do not overlap; elsewhere an L3 pattern covers the L4
 * ones as well, so only the better of the two levels is used, and with one set of masks for the
 * whole engine only the best kind of all.
 */
static int lower_kinds(struct flat *f)
{
	struct choice choice[N_FLAT_KINDS] = {0};
	size_t i, sum[2] = {0}, pick = 0;
	bool scope = f->b->engine->type_scope;
	struct picks picks = {0};
	int rc = 0;

	for (i = 0; i < N_FLAT_KINDS && rc == 0; i++) {
		rc = best_shape(f, &all_kinds[i], &choice[i]);
		sum[i >= N_L4] += choice[i].score;
		if (choice[i].score > choice[pick].score)
			pick = i;
	}
	for (i = 0; i < N_FLAT_KINDS; i++) {
		if ((!scope && (i >= N_L4) != (sum[1] >= sum[0])) ||
			(f->b->engine->shape == HF_SHAPE_GLOBAL && i != pick))
			choice[i].set = NULL;
	}
	unmark_others(f, choice);
	for (i = 0; i < N_FLAT_KINDS && rc == 0; i++) {
		if (!choice[i].set)
			continue;
		mark_chosen(choice[i].set);
		rc = add_picks(f, &all_kinds[i], choice[i].set, &picks);
	}
	if (rc == 0)
		rc = emit_picks(f->b, f, &picks);
	free(picks.v);
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
	hf_key_host_forget_taken(&f->keep->keys);
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

/*
 * Keys of the plan before, or new ones. With a second engine, or with lists that are cut off, there
 * is nothing to go on with.
 */
static int find_keys(struct flat *f)
{
	const struct builder *b = f->b;

	f->keep = b->carrier ? NULL : hf_keep_take(b, &f->host);
	if (f->keep && b->previous->runs.n == 1)
		f->before = b->previous->runs.v[0].v;
	if (!f->keep)
		f->keep = hf_keep_new(b, &f->host);
	return f->keep ? 0 : -ENOMEM;
}

static int lower_all(struct flat *f)
{
	struct builder *b = f->b;
	bool lost = false;
	size_t i, v6;
	int rc = find_keys(f);

	for (i = 0; i < f->host.n_paths; i++) {
		for (v6 = 0; v6 < 2; v6++)
			lost |= f->host.paths[i].items[v6].n_lost != 0;
	}
	if (rc == 0)
		rc = lower_kinds(f);
	if (rc == 0 && b->carrier && !b->reserved && f->undropped)
		rc = lower_undropped(f);
	if (rc < 0 || b->carrier || lost) {
		hf_keep_free(f->keep);
		return rc;
	}
	return hf_keep_leave(b->plan, f->keep);
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
		rc = lower_all(&f);
	if (rc == 0)
		tally_rest(&f);
	hf_sight_fini(&f.host);
	return rc;
}
