/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Keys of a host whose items have changed a little. What the lists had and have not, and have and
 * had not, is found between their equal beginnings and ends. Items that differ in the number of
 * their origin alone are the same. Sets count these items out and in;
 * keys that meet one of them, and new ones, are judged again. All others are judged as they were:
 * the items that they meet are the same, in the same order.
 */

#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGED_MAX 128		    /* items; with more it is hardly less work than anew */
#define DEAD_MAX(n) ((n) / 4 + 256) /* keys, and nets, that nothing asks for: so many are kept */

struct change {
	const struct face *face;
	size_t path;
	int more; /* 1: it came, -1: it went */
};

/* An origin that has got another number. */
struct rename {
	uint32_t old, new;
};

struct changes {
	size_t n[2]; /* by family */
	struct change v[2][CHANGED_MAX];
	size_t n_renames;
	struct rename renames[CHANGED_MAX];
};

static bool same_face(const struct face *a, const struct face *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool same_but_origin(const struct face *a, const struct face *b)
{
	struct face x = *a;

	x.origin = b->origin;
	return same_face(&x, b);
}

static const struct rename *find_rename(const struct changes *c, uint32_t old)
{
	size_t i;

	for (i = 0; i < c->n_renames; i++) {
		if (c->renames[i].old == old)
			return &c->renames[i];
	}
	return NULL;
}

/* False: too many, or the origin has got two numbers. */
static bool note_rename(struct changes *c, uint32_t old, uint32_t new)
{
	const struct rename *known = find_rename(c, old);

	if (known)
		return known->new == new;
	if (c->n_renames == CHANGED_MAX)
		return false;
	c->renames[c->n_renames++] = (struct rename){old, new};
	return true;
}

static bool note(struct changes *c, size_t v6, const struct face *face, size_t path, int more)
{
	if (c->n[v6] == CHANGED_MAX)
		return false;
	c->v[v6][c->n[v6]++] = (struct change){face, path, more};
	return true;
}

/* False: too many. */
static bool compare(
	struct changes *c, size_t v6, size_t path, const struct faces *old, const struct faces *new)
{
	size_t from = 0, old_to = old->n, new_to = new->n, i;

	if (old->seen != new->seen)
		return false;
	while (from < old_to && from < new_to && same_face(&old->v[from], &new->v[from]))
		from++;
	while (old_to > from && new_to > from &&
		same_face(&old->v[old_to - 1], &new->v[new_to - 1])) {
		old_to--;
		new_to--;
	}
	for (; from < old_to && from < new_to && same_but_origin(&old->v[from], &new->v[from]);
		from++) {
		if (!note_rename(c, old->v[from].origin, new->v[from].origin))
			return false;
	}
	for (; old_to > from && new_to > from &&
		same_but_origin(&old->v[old_to - 1], &new->v[new_to - 1]);
		old_to--, new_to--) {
		if (!note_rename(c, old->v[old_to - 1].origin, new->v[new_to - 1].origin))
			return false;
	}
	if (old_to - from + new_to - from > CHANGED_MAX)
		return false;
	for (i = from; i < old_to; i++) {
		if (!note(c, v6, &old->v[i], path, -1))
			return false;
	}
	for (i = from; i < new_to; i++) {
		if (!note(c, v6, &new->v[i], path, 1))
			return false;
	}
	return true;
}

static bool meets(const struct key_host *h, const struct key_set *set, const struct point *p,
	const struct face *f)
{
	const struct hf_prefix *nets = h->nets.v;

	return !((set->by & BY_DPORT && (p->dport < f->dport.lo || p->dport > f->dport.hi)) ||
		 (set->by & BY_SPORT && (p->sport < f->sport.lo || p->sport > f->sport.hi)) ||
		 (set->by & BY_SRC && !hf_prefix_covers(&nets[f->src], &nets[p->src])) ||
		 (set->by & BY_DST && !hf_prefix_covers(&nets[f->dst], &nets[p->dst])));
}

/* Changes that a set's packets can meet. */
static size_t list_relevant(
	const struct changes *c, const struct key_set *set, const struct face **ret)
{
	size_t v6 = set->family == 6, n = 0, i;

	for (i = 0; i < c->n[v6]; i++) {
		if (c->v[v6][i].face->meets >> set->kind & 1)
			ret[n++] = c->v[v6][i].face;
	}
	return n;
}

static int judge_changed(struct key_host *h, struct key_set *set, const struct changes *c)
{
	const struct face *faces[CHANGED_MAX];
	size_t n_faces = list_relevant(c, set, faces), n = 0, i, k;
	uint32_t *keys;
	int rc;

	if (n_faces == 0)
		return 0;
	keys = malloc((set->keys.n + 1) * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (i = 0; i < set->keys.n; i++) {
		const struct key *key = &set->keys.v[i];

		if (!key->refs)
			continue;
		for (k = 0; k < n_faces && !key->fresh; k++) {
			if (meets(h, set, &key->point, faces[k]))
				break;
		}
		if (k < n_faces)
			keys[n++] = (uint32_t)i;
	}
	rc = hf_key_set_judge_some(h, set, keys, n);
	free(keys);
	return rc;
}

/* Returns 1 when the set is better made anew. */
static int follow_set(struct key_host *h, struct key_set *set, const struct changes *c)
{
	size_t v6 = set->family == 6, i;
	int rc = 0;

	for (i = 0; i < c->n[v6] && rc == 0; i++) {
		const struct change *change = &c->v[v6][i];

		if (set->most_known && change->more > 0)
			set->most += hf_key_set_asked(h, set, change->path, change->face);
		else if (set->most_known)
			set->most -= hf_key_set_asked(h, set, change->path, change->face);
		if (set->state != KEYS_UNMADE)
			rc = hf_key_set_count(h, set, change->path, change->face, change->more);
	}
	if (rc < 0 || set->state == KEYS_UNMADE)
		return rc;
	if (set->full || set->n_dead > DEAD_MAX(set->keys.n))
		return 1;
	return set->state == KEYS_JUDGED ? judge_changed(h, set, c) : 0;
}

/* Whether an item still has an old number: then keys do not tell whom they belong to. */
static bool is_ambiguous(const struct key_host *h, const struct changes *c)
{
	uint32_t least = UINT32_MAX, most = 0;
	size_t i, k;

	for (i = 0; i < c->n_renames; i++) {
		least = c->renames[i].old < least ? c->renames[i].old : least;
		most = c->renames[i].old > most ? c->renames[i].old : most;
	}
	for (i = 0; i < 2 * h->n_paths && c->n_renames; i++) {
		const struct faces *faces = &h->paths[i / 2].faces[i % 2];

		for (k = 0; k < faces->n; k++) {
			uint32_t origin = faces->v[k].origin;
			const struct rename *r;

			if (origin < least || origin > most)
				continue;
			r = find_rename(c, origin);
			if (r && r->new != origin)
				return true;
		}
	}
	return false;
}

static void rename_keys(struct key_set *set, const struct changes *c)
{
	size_t i;

	for (i = 0; i < set->keys.n && c->n_renames; i++) {
		struct key *key = &set->keys.v[i];
		const struct rename *r =
			key->fate == HF_FATE_PUNT ? NULL : find_rename(c, key->origin);

		if (r)
			key->origin = r->new;
	}
}

static void rename_all(struct key_host *h, const struct changes *c)
{
	size_t v6, kind, by;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 1; by <= BY_ALL; by++)
				rename_keys(&h->sets[v6][kind][by], c);
		}
	}
}

static int follow_sets(struct key_host *h, const struct changes *c)
{
	size_t v6, kind, by;
	int rc = 0;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS && c->n[v6]; kind++) {
			for (by = 1; by <= BY_ALL && rc == 0; by++)
				rc = follow_set(h, &h->sets[v6][kind][by], c);
		}
	}
	return rc;
}

/* Sizes of keys may have changed without any item of theirs. */
static void recount(struct key_host *h)
{
	size_t v6, kind, by;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 1; by <= BY_ALL; by++)
				hf_key_set_recount(h, &h->sets[v6][kind][by]);
		}
	}
}

static bool same_facts(const struct key_host *h, const struct hf_rules *rules)
{
	size_t i;

	if (hf_rules_n_dests(rules) != h->n_dests || hf_rules_n_dnats(rules) != h->n_dnats)
		return false;
	for (i = 0; i < h->n_dests; i++) {
		const struct hf_dest *a = hf_rules_dest(rules, i), *b = &h->dests[i];

		if (!hf_prefix_equal(&a->net, &b->net) || a->class != b->class || a->out != b->out)
			return false;
	}
	for (i = 0; i < h->n_dnats; i++) {
		const struct hf_dnat *a = hf_rules_dnat(rules, i), *b = &h->dnats[i];

		if (!hf_addr_equal(&a->addr, &b->addr) || a->proto != b->proto ||
			a->port != b->port)
			return false;
	}
	return true;
}

static bool same_paths(const struct key_host *h, const struct sight_host *host)
{
	size_t i;

	for (i = 0; i < h->n_paths && i < host->n_paths; i++) {
		if (h->paths[i].class != host->paths[i].class ||
			h->paths[i].out != host->paths[i].out)
			return false;
	}
	return h->n_paths == host->n_paths && h->nets.n <= h->n_nets + DEAD_MAX(h->n_nets);
}

int hf_key_host_follow(struct key_host *h, const struct sight_host *host)
{
	struct alike was = h->alike;
	struct changes *changes;
	struct faces *old;
	size_t i;
	int rc;

	if (!same_facts(h, host->rules) || !same_paths(h, host))
		return 1;
	changes = calloc(1, sizeof(*changes));
	old = calloc(2 * h->n_paths + 1, sizeof(*old));
	for (i = 0; old && i < 2 * h->n_paths; i++) {
		old[i] = h->paths[i / 2].faces[i % 2];
		h->paths[i / 2].faces[i % 2] = (struct faces){0};
	}
	h->alike = (struct alike){0};
	rc = changes && old ? hf_key_host_lists(h, host) : -ENOMEM;
	if (rc == 0 && (was.n || h->alike.n))
		recount(h);
	hf_alike_fini(&was);
	for (i = 0; i < 2 * h->n_paths && rc == 0; i++) {
		if (!compare(changes, i % 2, i / 2, &old[i], &h->paths[i / 2].faces[i % 2]))
			rc = 1;
	}
	if (rc == 0 && is_ambiguous(h, changes))
		rc = 1;
	if (rc == 0) {
		rename_all(h, changes);
		rc = follow_sets(h, changes);
	}
	for (i = 0; old && i < 2 * h->n_paths; i++)
		hf_faces_fini(&old[i]);
	free(old);
	free(changes);
	return rc;
}
