/* SPDX-License-Identifier: BSD-3-Clause */

#include "keys.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ADDRS_MAX 4096 /* addresses that stand in for "any destination" of a path */
#define SCAN_MAX      16   /* keys that are judged by looking at every item */

void hf_key_kinds(uint8_t family, struct cube ret[N_KINDS])
{
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		ret[i] = hf_cube_all(family);
	for (i = 0; i < sizeof(protos); i++) {
		hf_protos_only(ret[i].proto, protos[i]);
		ret[KIND_OTHERS].proto[protos[i] / 64] &= ~(UINT64_C(1) << protos[i] % 64);
	}
}

static int list_dests(struct key_host *h, size_t path, size_t family)
{
	struct key_path *k = &h->paths[path];
	size_t n = hf_rules_n_dests(h->host->rules), i;
	int rc = 0;

	k->dests[family] = calloc(n + 1, sizeof(*k->dests[family]));
	if (!k->dests[family])
		return -ENOMEM;
	for (i = 0; i < n && rc == 0 && k->n_dests[family] < KEY_ADDRS_MAX; i++) {
		const struct hf_dest *d = hf_rules_dest(h->host->rules, i);

		if (d->net.addr.family != (family ? 6 : 4) || d->class != k->class ||
			d->out != k->out || d->net.len != hf_addr_bits(&d->net.addr))
			continue;
		rc = hf_nets_add(&h->nets, &d->net, &k->dests[family][k->n_dests[family]++]);
	}
	return rc;
}

static int copy_facts(struct key_host *h)
{
	const struct hf_rules *rules = h->host->rules;
	size_t i;

	h->n_dests = hf_rules_n_dests(rules);
	h->n_dnats = hf_rules_n_dnats(rules);
	h->dests = malloc((h->n_dests + 1) * sizeof(*h->dests));
	h->dnats = malloc((h->n_dnats + 1) * sizeof(*h->dnats));
	if (!h->dests || !h->dnats)
		return -ENOMEM;
	for (i = 0; i < h->n_dests; i++)
		h->dests[i] = *hf_rules_dest(rules, i);
	for (i = 0; i < h->n_dnats; i++)
		h->dnats[i] = *hf_rules_dnat(rules, i);
	return 0;
}

static void init_sets(struct key_host *h)
{
	size_t v6, kind, by;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 0; by <= BY_ALL; by++)
				h->sets[v6][kind][by] = (struct key_set){.family = v6 ? 6 : 4,
					.kind = (uint8_t)kind,
					.by = (uint8_t)by};
		}
	}
}

int hf_key_host_lists(struct key_host *h, const struct sight_host *host)
{
	struct faces **lists = calloc(2 * h->n_paths + 1, sizeof(struct faces *));
	struct cube kinds[N_KINDS];
	size_t n = 0, i, f;
	int rc = lists ? 0 : -ENOMEM;

	h->host = host;
	for (f = 0; f < 2 && rc == 0; f++) {
		hf_key_kinds(f ? 6 : 4, kinds);
		for (i = 0; i < h->n_paths && rc == 0; i++) {
			lists[n++] = &h->paths[i].faces[f];
			rc = hf_faces_init(&h->paths[i].faces[f], &host->paths[i].items[f], kinds,
				N_KINDS, &h->nets);
		}
	}
	if (rc == 0)
		rc = hf_alike_init(&h->alike, lists, n, &h->nets);
	for (i = 0; i < n && rc == 0; i++)
		rc = hf_faces_sort(lists[i], N_KINDS);
	free(lists);
	return rc;
}

int hf_key_host_init(struct key_host *h, const struct sight_host *host)
{
	size_t i;
	int rc;

	*h = (struct key_host){.host = host};
	init_sets(h);
	h->paths = calloc(host->n_paths + 1, sizeof(*h->paths));
	if (!h->paths)
		return -ENOMEM;
	h->n_paths = host->n_paths;
	rc = copy_facts(h);
	for (i = 0; i < host->n_paths && rc == 0; i++) {
		h->paths[i].class = host->paths[i].class;
		h->paths[i].out = host->paths[i].out;
		rc = list_dests(h, i, 0);
		if (rc == 0)
			rc = list_dests(h, i, 1);
	}
	if (rc == 0)
		rc = hf_key_host_lists(h, host);
	h->n_nets = h->nets.n;
	return rc;
}

static void set_fini(struct key_set *set)
{
	hf_vec_fini(&set->keys);
	hf_slots_fini(&set->slots);
	hf_vec_fini(&set->spans);
	hf_slots_fini(&set->span_slots);
}

void hf_key_host_fini(struct key_host *h)
{
	size_t i, f, kind, by;

	for (f = 0; f < 2; f++) {
		for (i = 0; i < h->n_paths; i++) {
			hf_faces_fini(&h->paths[i].faces[f]);
			free(h->paths[i].dests[f]);
		}
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 0; by <= BY_ALL; by++)
				set_fini(&h->sets[f][kind][by]);
		}
	}
	free(h->paths);
	free(h->dests);
	free(h->dnats);
	hf_alike_fini(&h->alike);
	hf_nets_fini(&h->nets);
	*h = (struct key_host){0};
}

void hf_key_host_forget_taken(struct key_host *h)
{
	size_t f, kind, by;

	for (f = 0; f < 2; f++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 0; by <= BY_ALL; by++)
				memset(h->sets[f][kind][by].taken, 0,
					sizeof(h->sets[f][kind][by].taken));
		}
	}
}

struct key_set *hf_key_set(struct key_host *h, uint8_t family, unsigned int kind, unsigned int by)
{
	return &h->sets[family == 6][kind][by];
}

static bool same_point(const struct point *a, const struct point *b)
{
	return a->src == b->src && a->dst == b->dst && a->sport == b->sport && a->dport == b->dport;
}

static uint32_t hash_of(const struct point *p)
{
	uint64_t addrs = (uint64_t)p->src << 32 | p->dst;

	return (uint32_t)hf_hash_mix(addrs, (uint64_t)p->sport << 16 | p->dport);
}

/* How many keys it stands for. */
static size_t key_size(const struct key_host *h, const struct key_set *set, const struct key *key)
{
	return set->by & BY_SRC ? hf_alike_size(&h->alike, key->point.src) : 1;
}

static void key_gone(const struct key_host *h, struct key_set *set, struct key *key)
{
	if (key->fate != HF_FATE_PUNT)
		set->n_fate[key->fate] -= key_size(h, set, key);
	key->fate = HF_FATE_PUNT;
	set->n_dead++;
}

/* One item more, or less, that asks for a key. */
static int count_key(const struct key_host *h, struct key_set *set, const struct point *p, int more)
{
	uint32_t hash = hash_of(p);
	struct slot *slot;
	struct key *key;
	size_t i = hash;

	if (hf_slots_grow(&set->slots) < 0)
		return -ENOMEM;
	do {
		slot = hf_slots_next(&set->slots, hash, &i);
	} while (slot->at != SLOT_EMPTY && !same_point(&set->keys.v[slot->at].point, p));
	if (slot->at == SLOT_EMPTY) {
		struct key new = {.point = *p, .entry = KEY_NO_ENTRY};

		if (set->keys.n >= KEYS_MAX) {
			set->full = true;
			return 0;
		}
		if (hf_vec_push(&set->keys, new))
			return -ENOMEM;
		hf_slots_take(&set->slots, slot, hash, set->keys.n - 1);
		set->n_dead++;
	}
	key = &set->keys.v[slot->at];
	if (key->refs == 0) {
		set->n_dead--;
		key->fresh = true;
	}
	key->refs += (uint32_t)more;
	if (key->refs == 0)
		key_gone(h, set, key);
	return 0;
}

static int count_ports(const struct key_host *h, struct key_set *set, struct point p,
	struct hf_ports sport, struct hf_ports dport, int more)
{
	uint32_t s, d;
	int rc = 0;

	for (s = sport.lo; s <= sport.hi && rc == 0; s++) {
		for (d = dport.lo; d <= dport.hi && rc == 0; d++) {
			p.sport = (uint16_t)s;
			p.dport = (uint16_t)d;
			rc = count_key(h, set, &p, more);
		}
	}
	return rc;
}

/* Keys of a span that has come or gone. */
static int count_dests(
	struct key_host *h, struct key_set *set, const struct key_span *span, int more)
{
	const struct key_path *k = &h->paths[span->path];
	bool v6 = set->family == 6;
	struct point p = span->point;
	size_t i;
	int rc = 0;

	for (i = 0; i < k->n_dests[v6] && rc == 0; i++) {
		const struct hf_prefix *dest = &h->nets.v[k->dests[v6][i]];

		if (!hf_prefix_covers(&h->nets.v[span->point.dst], dest))
			continue;
		p.dst = k->dests[v6][i];
		rc = count_ports(h, set, p, span->sport, span->dport, more);
	}
	return rc;
}

static bool same_span(const struct key_span *a, const struct key_span *b)
{
	return same_point(&a->point, &b->point) && a->sport.hi == b->sport.hi &&
	       a->dport.hi == b->dport.hi && a->path == b->path;
}

static int count_span(
	struct key_host *h, struct key_set *set, const struct key_span *want, int more)
{
	uint32_t hash = hash_of(&want->point) ^ want->path;
	struct slot *slot;
	struct key_span *span;
	size_t i = hash;
	int rc = 0;

	if (hf_slots_grow(&set->span_slots) < 0)
		return -ENOMEM;
	do {
		slot = hf_slots_next(&set->span_slots, hash, &i);
	} while (slot->at != SLOT_EMPTY && !same_span(&set->spans.v[slot->at], want));
	if (slot->at == SLOT_EMPTY) {
		if (hf_vec_push(&set->spans, *want))
			return -ENOMEM;
		hf_slots_take(&set->span_slots, slot, hash, set->spans.n - 1);
	}
	span = &set->spans.v[slot->at];
	if (span->refs == 0 || span->refs + (uint32_t)more == 0)
		rc = count_dests(h, set, span, more);
	span->refs += (uint32_t)more;
	return rc;
}

static bool asks(const struct face *f, const struct key_set *set)
{
	const uint8_t alone = set->by & (BY_SRC | BY_SPORT | BY_DPORT);

	return f->meets >> set->kind & 1 && (f->few & alone) == alone &&
	       f->ct & HF_CT_BIT(HF_CT_NEW);
}

int hf_key_set_count(
	struct key_host *h, struct key_set *set, size_t path, const struct face *f, int more)
{
	struct hf_ports none = {0, 0};
	struct key_span span = {
		.point.src = set->by & BY_SRC ? f->src : NET_NONE,
		.point.dst = set->by & BY_DST ? f->dst : NET_NONE,
		.sport = set->by & BY_SPORT ? f->sport : none,
		.dport = set->by & BY_DPORT ? f->dport : none,
		.path = (uint32_t)path,
	};

	if (!asks(f, set))
		return 0;
	if (!(set->by & BY_DST) || f->few & BY_DST)
		return count_ports(h, set, span.point, span.sport, span.dport, more);
	span.point.sport = span.sport.lo;
	span.point.dport = span.dport.lo;
	return count_span(h, set, &span, more);
}

size_t hf_key_set_asked(
	const struct key_host *h, const struct key_set *set, size_t path, const struct face *f)
{
	size_t n = 1;

	if (!asks(f, set))
		return 0;
	if (set->by & BY_SPORT)
		n *= f->sport.hi - f->sport.lo + 1u;
	if (set->by & BY_DPORT)
		n *= f->dport.hi - f->dport.lo + 1u;
	if (set->by & BY_DST && !(f->few & BY_DST))
		n *= h->paths[path].n_dests[set->family == 6];
	if (set->by & BY_SRC)
		n *= hf_alike_size(&h->alike, f->src);
	return n;
}

static size_t count_live(const struct key_host *h, const struct key_set *set)
{
	size_t n = 0, i;

	if (!h->alike.n)
		return set->keys.n - set->n_dead;
	for (i = 0; i < set->keys.n; i++)
		n += set->keys.v[i].refs ? key_size(h, set, &set->keys.v[i]) : 0;
	return n;
}

size_t hf_key_set_most(const struct key_host *h, struct key_set *set)
{
	size_t path, i;

	if (set->state != KEYS_UNMADE)
		return count_live(h, set);
	for (path = 0; path < h->n_paths && !set->most_known; path++) {
		const struct faces *faces = &h->paths[path].faces[set->family == 6];

		for (i = 0; i < faces->n_of_kind[set->kind]; i++) {
			const struct face *f = &faces->v[faces->of_kind[set->kind][i]];

			set->most += hf_key_set_asked(h, set, path, f);
		}
	}
	set->most_known = true;
	return set->most;
}

void hf_key_set_recount(const struct key_host *h, struct key_set *set)
{
	size_t i;

	memset(set->n_fate, 0, sizeof(set->n_fate));
	for (i = 0; i < set->keys.n; i++) {
		const struct key *key = &set->keys.v[i];

		if (key->refs && key->fate != HF_FATE_PUNT)
			set->n_fate[key->fate] += key_size(h, set, key);
	}
	set->most = 0;
	set->most_known = false;
}

int hf_key_set_find(struct key_host *h, struct key_set *set)
{
	size_t path, i, n = 0;
	int rc = 0;

	if (set->state != KEYS_UNMADE)
		return 0;
	for (path = 0; path < h->n_paths; path++)
		n += h->paths[path].faces[set->family == 6].n_of_kind[set->kind];
	/* With a source they are seldom the same. */
	if (set->by & BY_SRC)
		rc = hf_slots_reserve(&set->slots, n < KEYS_MAX ? n : KEYS_MAX);
	for (path = 0; path < h->n_paths; path++) {
		const struct faces *faces = &h->paths[path].faces[set->family == 6];

		for (i = 0; i < faces->n_of_kind[set->kind] && rc == 0; i++) {
			const struct face *f = &faces->v[faces->of_kind[set->kind][i]];

			rc = hf_key_set_count(h, set, path, f, 1);
		}
	}
	set->state = KEYS_FOUND;
	return rc;
}

/* Whether services may rewrite packets of the key. */
static bool is_rewritten(const struct key_host *h, const struct key_set *set, const struct point *p)
{
	struct cube kinds[N_KINDS], *c = &kinds[set->kind];

	if (hf_rules_n_dnats(h->host->rules) == 0)
		return false;
	hf_key_kinds(set->family, kinds);
	if (set->by & BY_SRC)
		c->src = h->nets.v[p->src];
	if (set->by & BY_DST)
		c->dst = h->nets.v[p->dst];
	if (set->by & BY_SPORT)
		c->sport = (struct hf_ports){p->sport, p->sport};
	if (set->by & BY_DPORT)
		c->dport = (struct hf_ports){p->dport, p->dport};
	return hf_sight_rewritten(h->host->rules, c);
}

/* How lists are asked: by their stabs, or each face of them. */
struct judges {
	struct key_host *h;
	const struct key_set *set;
	struct stab **stabs; /* NULL: not made */
	uint8_t *covers;     /* of each net, while a face is asked: BY_SRC, BY_DST */
};

static enum hf_fate ask_path(
	const struct judges *j, size_t path, const struct point *p, uint32_t *ret_origin)
{
	const struct faces *faces = &j->h->paths[path].faces[j->set->family == 6];
	const struct stab_form form = {j->set->kind, j->set->by};

	if (j->stabs)
		return hf_stab_decide(j->stabs[path], p, ret_origin);
	return hf_faces_decide(faces, &j->h->nets, form, p, j->covers, ret_origin);
}

/* By the list of the path that the destination leads to, or else by those of all. */
static enum hf_fate judge(const struct judges *j, const struct point *p, uint32_t *ret_origin)
{
	const struct key_host *h = j->h;
	enum hf_fate fate, first = HF_FATE_PUNT;
	size_t i;

	if (is_rewritten(h, j->set, p))
		return HF_FATE_PUNT;
	if (j->set->by & BY_DST) {
		i = hf_sight_path(h->host, &h->nets.v[p->dst].addr);
		return i < h->n_paths ? ask_path(j, i, p, ret_origin) : HF_FATE_PUNT;
	}
	for (i = 0; i < h->n_paths; i++) {
		fate = ask_path(j, i, p, ret_origin);
		if (fate == HF_FATE_PUNT || (i && fate != first))
			return HF_FATE_PUNT;
		first = fate;
	}
	return first;
}

static void judge_key(const struct judges *j, struct key_set *set, struct key *key)
{
	size_t n = key_size(j->h, set, key);

	if (key->fate != HF_FATE_PUNT)
		set->n_fate[key->fate] -= n;
	key->fate = (uint8_t)judge(j, &key->point, &key->origin);
	key->fresh = false;
	if (key->fate != HF_FATE_PUNT)
		set->n_fate[key->fate] += n;
}

static int judges_init(struct judges *j, bool stabs)
{
	const struct stab_form form = {j->set->kind, j->set->by};
	size_t n = j->h->n_paths, i;

	if (!stabs) {
		j->covers = calloc(j->h->nets.n + 1, sizeof(*j->covers));
		return j->covers ? 0 : -ENOMEM;
	}
	j->stabs = calloc(n + 1, sizeof(struct stab *));
	for (i = 0; j->stabs && i < n; i++) {
		j->stabs[i] =
			hf_stab_new(&j->h->paths[i].faces[j->set->family == 6], &j->h->nets, form);
		if (!j->stabs[i])
			return -ENOMEM;
	}
	return j->stabs ? 0 : -ENOMEM;
}

static void judges_fini(struct judges *j)
{
	size_t i;

	for (i = 0; j->stabs && i < j->h->n_paths; i++)
		hf_stab_free(j->stabs[i]);
	free(j->stabs);
	free(j->covers);
}

int hf_key_set_judge(struct key_host *h, struct key_set *set)
{
	struct judges j = {.h = h, .set = set};
	size_t i;
	int rc = 0;

	if (set->state == KEYS_JUDGED)
		return 0;
	rc = judges_init(&j, true);
	for (i = 0; i < set->keys.n && rc == 0; i++) {
		if (set->keys.v[i].refs)
			judge_key(&j, set, &set->keys.v[i]);
	}
	judges_fini(&j);
	set->state = KEYS_JUDGED;
	return rc;
}

int hf_key_set_judge_some(struct key_host *h, struct key_set *set, const uint32_t *keys, size_t n)
{
	struct judges j = {.h = h, .set = set};
	size_t i;
	int rc = 0;

	if (n)
		rc = judges_init(&j, n > SCAN_MAX);
	for (i = 0; i < n && rc == 0; i++)
		judge_key(&j, set, &set->keys.v[keys[i]]);
	judges_fini(&j);
	return rc;
}

/* Not where what is established passes in front of all else. */
static bool may_deny(const struct faces *faces, unsigned int kind)
{
	size_t i;

	for (i = 0; i < faces->n_of_kind[kind]; i++) {
		const struct face *f = &faces->v[faces->of_kind[kind][i]];

		if (f->ct & HF_CT_BIT(HF_CT_ESTABLISHED))
			return f->fate == HF_FATE_DENY || f->any != BY_ALL ||
			       !(f->whole >> kind & 1);
	}
	return true;
}

bool hf_key_set_may_deny(const struct key_host *h, const struct key_set *set)
{
	size_t i;

	for (i = 0; i < h->n_paths; i++) {
		if (may_deny(&h->paths[i].faces[set->family == 6], set->kind))
			return true;
	}
	return false;
}

/* A key's place as two numbers; addresses are numbers that sort as they do. */
struct place {
	uint64_t high;
	uint32_t low;
	struct named_key key;
};

static int place_cmp(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return (x->low > y->low) - (x->low < y->low);
}

static int net_cmp(const void *a, const void *b, void *nets)
{
	const struct hf_prefix *v = ((const struct nets *)nets)->v;

	return hf_prefix_cmp(&v[*(const uint32_t *)a], &v[*(const uint32_t *)b]);
}

static uint32_t word_of(const struct hf_addr *a)
{
	return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3];
}

uint32_t *hf_key_ranks(const struct key_host *h, uint8_t family)
{
	const struct nets *nets = &h->nets;
	uint32_t *ranks = malloc((nets->n + 1) * sizeof(*ranks));
	uint32_t *order = malloc((nets->n + 1) * sizeof(*order));
	size_t n = 0, i;

	for (i = 0; order && ranks && i < nets->n; i++) {
		if (family == 4)
			ranks[i] = word_of(&nets->v[i].addr);
		else if (nets->v[i].addr.family == family)
			order[n++] = (uint32_t)i;
	}
	if (n)
		qsort_r(order, n, sizeof(*order), net_cmp, (void *)nets);
	for (i = 0; i < n; i++)
		ranks[order[i]] = (uint32_t)i;
	if (!order) {
		free(ranks);
		ranks = NULL;
	}
	free(order);
	return ranks;
}

static struct place place_of(
	const struct key_set *set, const uint32_t *ranks, const struct named_key *key)
{
	const struct point *p = &set->keys.v[key->key].point;
	uint32_t src = key->src == NET_NONE ? 0 : ranks[key->src];
	uint64_t dst = p->dst == NET_NONE ? 0 : ranks[p->dst];

	return (struct place){
		.high = dst << 32 | (uint64_t)p->dport << 16 | src >> 16,
		.low = src << 16 | p->sport,
		.key = *key,
	};
}

int hf_key_set_sort(
	const struct key_set *set, const uint32_t *ranks, struct named_key *keys, size_t n)
{
	struct place *places = malloc((n + 1) * sizeof(*places));
	size_t i;

	if (!places)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		places[i] = place_of(set, ranks, &keys[i]);
	qsort(places, n, sizeof(*places), place_cmp);
	for (i = 0; i < n; i++)
		keys[i] = places[i].key;
	free(places);
	return 0;
}
