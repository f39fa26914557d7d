/* SPDX-License-Identifier: BSD-3-Clause */

#include "keys.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ADDRS_MAX 4096 /* addresses that stand in for "any destination" of a path */

void hf_keys_fini(struct keys *keys)
{
	free(keys->v);
	hf_slots_fini(&keys->slots);
	*keys = (struct keys){0};
}

static uint32_t hash_of(const struct point *p)
{
	uint64_t addrs = (uint64_t)p->src << 32 | p->dst;

	return (uint32_t)hf_hash_mix(addrs, (uint64_t)p->sport << 16 | p->dport);
}

static bool same_point(const struct point *a, const struct point *b)
{
	return a->src == b->src && a->dst == b->dst && a->sport == b->sport && a->dport == b->dport;
}

static int keys_push(struct keys *keys, const struct point *p)
{
	size_t cap = keys->cap ? keys->cap * 2 : 64;
	struct key *v;

	if (keys->n == keys->cap) {
		v = reallocarray(keys->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		keys->v = v;
		keys->cap = cap;
	}
	keys->v[keys->n++] = (struct key){.point = *p};
	return 0;
}

static int keys_add(struct keys *keys, const struct point *p)
{
	uint32_t hash = hash_of(p);
	struct slot *slot;
	size_t i = hash;

	if (hf_slots_grow(&keys->slots) < 0)
		return -ENOMEM;
	do {
		slot = hf_slots_next(&keys->slots, hash, &i);
	} while (slot->at != SLOT_EMPTY && !same_point(&keys->v[slot->at].point, p));
	if (slot->at != SLOT_EMPTY || keys->n >= KEYS_MAX)
		return 0;
	hf_slots_take(&keys->slots, slot, hash, keys->n);
	return keys_push(keys, p);
}

static int list_dests(struct key_host *h, size_t path, size_t family)
{
	const struct sight_path *p = &h->host->paths[path];
	struct key_path *k = &h->paths[path];
	size_t n = hf_rules_n_dests(h->host->rules), i;
	int rc = 0;

	k->dests[family] = calloc(n + 1, sizeof(*k->dests[family]));
	if (!k->dests[family])
		return -ENOMEM;
	for (i = 0; i < n && rc == 0; i++) {
		const struct hf_dest *d = hf_rules_dest(h->host->rules, i);

		if (d->net.addr.family != (family ? 6 : 4) || d->class != p->class ||
			d->out != p->out || d->net.len != hf_addr_bits(&d->net.addr))
			continue;
		rc = hf_nets_add(&h->nets, &d->net, &k->dests[family][k->n_dests[family]++]);
	}
	return rc;
}

int hf_key_host_init(struct key_host *h, const struct sight_host *host,
	const struct cube *const kinds[2], size_t n_kinds)
{
	size_t i, f;
	int rc = 0;

	*h = (struct key_host){.host = host, .kinds = {kinds[0], kinds[1]}, .n_kinds = n_kinds};
	h->paths = calloc(host->n_paths + 1, sizeof(*h->paths));
	if (!h->paths)
		return -ENOMEM;
	for (i = 0; i < host->n_paths; i++) {
		for (f = 0; f < 2 && rc == 0; f++) {
			rc = hf_faces_init(&h->paths[i].faces[f], &host->paths[i].items[f],
				kinds[f], n_kinds, &h->nets);
			if (rc == 0)
				rc = list_dests(h, i, f);
		}
	}
	return rc;
}

void hf_key_host_fini(struct key_host *h)
{
	size_t i, f;

	for (i = 0; h->paths && i < h->host->n_paths; i++) {
		for (f = 0; f < 2; f++) {
			hf_faces_fini(&h->paths[i].faces[f]);
			free(h->paths[i].dests[f]);
		}
	}
	free(h->paths);
	hf_nets_fini(&h->nets);
	*h = (struct key_host){0};
}

/* The fields of a face that keys of a form are exact in. */
static struct point point_of(const struct face *f, unsigned int by)
{
	return (struct point){
		.src = by & BY_SRC ? f->src : NET_NONE,
		.dst = by & BY_DST ? f->dst : NET_NONE,
		.sport = by & BY_SPORT ? f->sport.lo : 0,
		.dport = by & BY_DPORT ? f->dport.lo : 0,
	};
}

static int add_ports(struct keys *keys, const struct face *f, unsigned int by, struct point p)
{
	uint32_t n_s = by & BY_SPORT ? (uint32_t)(f->sport.hi - f->sport.lo) : 0, s;
	uint32_t n_d = by & BY_DPORT ? (uint32_t)(f->dport.hi - f->dport.lo) : 0, d;
	const struct point from = p;
	int rc = 0;

	for (s = 0; s <= n_s && rc == 0; s++) {
		for (d = 0; d <= n_d && rc == 0; d++) {
			p.sport = (uint16_t)(from.sport + s);
			p.dport = (uint16_t)(from.dport + d);
			rc = keys_add(keys, &p);
		}
	}
	return rc;
}

/* Keys from one face of a path. */
static int add_face(const struct key_host *h, size_t path, struct key_form form,
	const struct face *f, struct keys *keys)
{
	const struct key_path *k = &h->paths[path];
	bool v6 = form.family == 6;
	struct point p = point_of(f, form.by);
	size_t i, n = 0;
	int rc = 0;

	if (!(form.by & BY_DST) || f->few & BY_DST)
		return add_ports(keys, f, form.by, p);
	for (i = 0; i < k->n_dests[v6] && n < KEY_ADDRS_MAX && rc == 0; i++) {
		const struct hf_prefix *dest = &h->nets.v[k->dests[v6][i]];

		if (!hf_prefix_covers(&h->nets.v[f->dst], dest))
			continue;
		p.dst = k->dests[v6][i];
		rc = add_ports(keys, f, form.by, p);
		n++;
	}
	return rc;
}

/*
 * Whether one that asks for the same has been here, of faces that take several destinations: those
 * would find all their keys there already. It is not asked of ranges of ports.
 */
static int is_again(struct keys *seen, const struct face *f, unsigned int by, bool *ret)
{
	struct point p = point_of(f, by);
	size_t n = seen->n;

	*ret = false;
	if (f->few & BY_DST || (by & BY_SPORT && f->sport.lo != f->sport.hi) ||
		(by & BY_DPORT && f->dport.lo != f->dport.hi))
		return 0;
	if (keys_add(seen, &p) < 0)
		return -ENOMEM;
	*ret = seen->n == n && n < KEYS_MAX;
	return 0;
}

static bool has_keys(const struct face *f, struct key_form form)
{
	const uint8_t alone = form.by & (BY_SRC | BY_SPORT | BY_DPORT);

	return f->meets >> form.kind & 1 && (f->few & alone) == alone &&
	       f->ct & HF_CT_BIT(HF_CT_NEW);
}

size_t hf_keys_most(const struct key_host *h, struct key_form form)
{
	bool v6 = form.family == 6;
	size_t n = 0, path, i;

	for (path = 0; path < h->host->n_paths; path++) {
		const struct faces *faces = &h->paths[path].faces[v6];

		for (i = 0; i < faces->n && n < KEYS_MAX; i++) {
			const struct face *f = &faces->v[i];
			size_t of = 1;

			if (!has_keys(f, form))
				continue;
			if (form.by & BY_SPORT)
				of *= f->sport.hi - f->sport.lo + 1u;
			if (form.by & BY_DPORT)
				of *= f->dport.hi - f->dport.lo + 1u;
			if (form.by & BY_DST && !(f->few & BY_DST))
				of *= h->paths[path].n_dests[v6];
			n += of;
		}
	}
	return n < KEYS_MAX ? n : KEYS_MAX;
}

static int gather_path(
	const struct key_host *h, size_t path, struct key_form form, struct keys *keys)
{
	const struct faces *faces = &h->paths[path].faces[form.family == 6];
	struct keys seen = {0};
	bool again = false;
	size_t i;
	int rc = 0;

	for (i = 0; i < faces->n && rc == 0; i++) {
		const struct face *f = &faces->v[i];

		if (!has_keys(f, form))
			continue;
		if (form.by & BY_DST)
			rc = is_again(&seen, f, form.by, &again);
		if (rc == 0 && !again)
			rc = add_face(h, path, form, f, keys);
	}
	hf_keys_fini(&seen);
	return rc;
}

int hf_keys_gather(struct key_host *h, struct key_form form, struct keys *ret)
{
	struct keys keys = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < h->host->n_paths && rc == 0; i++)
		rc = gather_path(h, i, form, &keys);
	if (rc < 0) {
		hf_keys_fini(&keys);
		return rc;
	}
	*ret = keys;
	return 0;
}

/* Whether services may rewrite packets of the key. */
static bool is_rewritten(const struct key_host *h, struct key_form form, const struct point *p)
{
	struct cube c = h->kinds[form.family == 6][form.kind];

	if (hf_rules_n_dnats(h->host->rules) == 0)
		return false;
	if (form.by & BY_SRC)
		c.src = h->nets.v[p->src];
	if (form.by & BY_DST)
		c.dst = h->nets.v[p->dst];
	if (form.by & BY_SPORT)
		c.sport = (struct hf_ports){p->sport, p->sport};
	if (form.by & BY_DPORT)
		c.dport = (struct hf_ports){p->dport, p->dport};
	return hf_sight_rewritten(h->host->rules, &c);
}

/* By the list of the path that the destination leads to, or else by those of all. */
static enum hf_fate judge(const struct key_host *h, struct key_form form, struct stab **stabs,
	const struct point *p, uint32_t *ret_origin)
{
	enum hf_fate fate, first = HF_FATE_PUNT;
	size_t i;

	if (is_rewritten(h, form, p))
		return HF_FATE_PUNT;
	if (form.by & BY_DST) {
		i = hf_sight_path(h->host, &h->nets.v[p->dst].addr);
		return i < h->host->n_paths ? hf_stab_decide(stabs[i], p, ret_origin)
					    : HF_FATE_PUNT;
	}
	for (i = 0; i < h->host->n_paths; i++) {
		fate = hf_stab_decide(stabs[i], p, ret_origin);
		if (fate == HF_FATE_PUNT || (i && fate != first))
			return HF_FATE_PUNT;
		first = fate;
	}
	return first;
}

int hf_keys_judge(struct key_host *h, struct key_form form, struct keys *keys)
{
	size_t n = h->host->n_paths, i;
	struct stab **stabs = calloc(n + 1, sizeof(struct stab *));
	int rc = stabs ? 0 : -ENOMEM;

	for (i = 0; i < n && rc == 0; i++) {
		stabs[i] = hf_stab_new(
			&h->paths[i].faces[form.family == 6], &h->nets, form.kind, form.by);
		rc = stabs[i] ? 0 : -ENOMEM;
	}
	for (i = 0; i < keys->n && rc == 0; i++) {
		struct key *key = &keys->v[i];

		key->fate = judge(h, form, stabs, &key->point, &key->origin);
	}
	for (i = 0; i < n && stabs; i++)
		hf_stab_free(stabs[i]);
	free(stabs);
	return rc;
}

/* Not where what is established passes in front of all else. */
static bool may_deny(const struct faces *faces, unsigned int kind)
{
	size_t i;

	for (i = 0; i < faces->n; i++) {
		const struct face *f = &faces->v[i];

		if (f->ct & HF_CT_BIT(HF_CT_ESTABLISHED) && f->meets >> kind & 1)
			return f->fate == HF_FATE_DENY || f->any != BY_ALL ||
			       !(f->whole >> kind & 1);
	}
	return true;
}

bool hf_keys_may_deny(const struct key_host *h, struct key_form form)
{
	size_t i;

	for (i = 0; i < h->host->n_paths; i++) {
		if (may_deny(&h->paths[i].faces[form.family == 6], form.kind))
			return true;
	}
	return false;
}

/* A key's place as two numbers; addresses are numbers that sort as they do. */
struct place {
	uint64_t high;
	uint32_t low;
	uint32_t key;
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

/* Of each net of a family a number that sorts as its address does. The caller frees it; NULL: out
 * of memory. */
static uint32_t *rank_nets(const struct nets *nets, uint8_t family)
{
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

static struct place place_of(const struct point *p, const uint32_t *ranks)
{
	uint32_t src = p->src == NET_NONE ? 0 : ranks[p->src];
	uint64_t dst = p->dst == NET_NONE ? 0 : ranks[p->dst];

	return (struct place){
		.high = dst << 32 | (uint64_t)p->dport << 16 | src >> 16,
		.low = src << 16 | p->sport,
	};
}

int hf_keys_sort(const struct key_host *h, struct key_form form, struct keys *keys)
{
	uint32_t *ranks;
	struct place *places;
	struct key *v;
	size_t i;

	if (keys->n == 0)
		return 0;
	ranks = rank_nets(&h->nets, form.family);
	places = malloc(keys->n * sizeof(*places));
	v = malloc(keys->n * sizeof(*v));
	if (!ranks || !places || !v) {
		free(ranks);
		free(places);
		free(v);
		return -ENOMEM;
	}
	for (i = 0; i < keys->n; i++) {
		places[i] = place_of(&keys->v[i].point, ranks);
		places[i].key = (uint32_t)i;
	}
	qsort(places, keys->n, sizeof(*places), place_cmp);
	for (i = 0; i < keys->n; i++)
		v[i] = keys->v[places[i].key];
	free(ranks);
	free(places);
	free(keys->v);
	hf_slots_fini(&keys->slots);
	*keys = (struct keys){.n = keys->n, .cap = keys->n, .v = v};
	return 0;
}
