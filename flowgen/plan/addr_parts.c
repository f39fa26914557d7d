/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The nets of each set come sorted, so the lists are merged, two by two, until one is left. In that
 * order a net comes after all that it is inside of, and these are a stack.
 */

#include "addr_parts.h"

#include <hepflow/base/hash.h>
#include <hepflow/base/vec.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION	  HF_HASH_UTHASH
#include <uthash.h>

#define MEMBERS_MAX (4u << 20) /* sets of all classes together */

/* A net as numbers, and a set it is in. */
struct pair {
	uint64_t high, low;
	uint32_t set;
	uint8_t family, len;
};

struct class
{
	uint32_t id;
	UT_hash_handle hh;
	uint32_t sets[];
};

struct open {
	struct hf_prefix net;
	uint32_t class;
};

struct work {
	size_t n;
	struct pair *pairs, *spare;
	struct class *by_sets;
	uint32_t *alone; /* by set: the class of what is in no other, 0: none yet */
	HF_VEC(struct addr_part) nets;
	HF_VEC(struct addr_class) classes;
	HF_VEC(uint32_t) sets;
	HF_VEC(uint32_t) own; /* scratch */
	HF_VEC(struct open) stack;
};

static uint64_t number_of(const uint8_t b[8])
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

static bool before(const struct pair *a, const struct pair *b)
{
	if (a->family != b->family)
		return a->family < b->family;
	if (a->high != b->high)
		return a->high < b->high;
	if (a->low != b->low)
		return a->low < b->low;
	if (a->len != b->len)
		return a->len < b->len;
	return a->set < b->set;
}

static bool same_net(const struct pair *a, const struct pair *b)
{
	return a->family == b->family && a->high == b->high && a->low == b->low && a->len == b->len;
}

static void merge(
	const struct pair *a, const struct pair *a_end, const struct pair *b_end, struct pair *ret)
{
	const struct pair *b = a_end;

	while (a < a_end && b < b_end)
		*ret++ = before(b, a) ? *b++ : *a++;
	memcpy(ret, a, (size_t)(a_end - a) * sizeof(*ret));
	ret += a_end - a;
	memcpy(ret, b, (size_t)(b_end - b) * sizeof(*ret));
}

/* starts: where the sorted lists begin, and the end. */
static void sort_pairs(struct work *w, size_t *starts, size_t n_lists)
{
	size_t i, k;

	while (n_lists > 1) {
		struct pair *from = w->pairs;

		for (i = k = 0; i < n_lists; i += 2, k++) {
			size_t mid = starts[i + 1],
			       end = i + 2 <= n_lists ? starts[i + 2] : starts[i + 1];

			merge(from + starts[i], from + mid, from + end, w->spare + starts[i]);
			starts[k] = starts[i];
		}
		starts[k] = w->n;
		n_lists = k;
		w->pairs = w->spare;
		w->spare = from;
	}
}

static int list_pairs(struct work *w, const struct hf_rules *rules, const bool *wanted)
{
	size_t n_sets = hf_rules_n_sets(rules), n_lists = 0, i, k;
	size_t *starts = calloc(n_sets + 2, sizeof(*starts));

	for (i = 0; i < n_sets; i++)
		w->n += wanted[i] ? hf_rules_set(rules, i)->n_nets : 0;
	w->pairs = calloc(w->n + 1, sizeof(*w->pairs));
	w->spare = calloc(w->n + 1, sizeof(*w->spare));
	if (!starts || !w->pairs || !w->spare) {
		free(starts);
		return -ENOMEM;
	}
	for (i = w->n = 0; i < n_sets; i++) {
		const struct hf_set *set = hf_rules_set(rules, i);

		if (!wanted[i] || set->n_nets == 0)
			continue;
		starts[n_lists++] = w->n;
		for (k = 0; k < set->n_nets; k++) {
			const struct hf_prefix *p = &set->nets[k];

			w->pairs[w->n++] = (struct pair){number_of(p->addr.b),
				number_of(p->addr.b + 8), (uint32_t)i, p->addr.family, p->len};
		}
	}
	starts[n_lists] = w->n;
	sort_pairs(w, starts, n_lists);
	free(starts);
	return 0;
}

/* The class of the sets in own; UINT32_MAX: no memory, or too many sets. */
static uint32_t class_of_own(struct work *w)
{
	struct addr_class c = {(uint32_t)w->sets.n, (uint32_t)w->own.n, 0};
	struct class *k;
	size_t i;

	HASH_FIND(hh, w->by_sets, w->own.v, w->own.n * sizeof(*w->own.v), k);
	if (k)
		return k->id;
	if (w->sets.n + w->own.n > MEMBERS_MAX)
		return UINT32_MAX;
	k = calloc(1, sizeof(*k) + w->own.n * sizeof(*w->own.v));
	if (!k)
		return UINT32_MAX;
	memcpy(k->sets, w->own.v, w->own.n * sizeof(*w->own.v));
	k->id = (uint32_t)w->classes.n;
	HASH_ADD_KEYPTR(hh, w->by_sets, k->sets, w->own.n * sizeof(*w->own.v), k);
	if (!k->hh.tbl) {
		free(k);
		return UINT32_MAX;
	}
	for (i = 0; i < w->own.n; i++) {
		if (hf_vec_push(&w->sets, w->own.v[i]))
			return UINT32_MAX;
	}
	return hf_vec_push(&w->classes, c) ? UINT32_MAX : k->id;
}

/* Pairs first .. end - 1 are of one net, inside of class above. */
static uint32_t class_of(struct work *w, size_t first, size_t end, uint32_t above)
{
	const struct addr_class *outer = &w->classes.v[above];
	uint32_t only = w->pairs[first].set, id;
	size_t i = 0, k = first;
	int rc = 0;

	if (above == 0 && end - first == 1 && w->alone[only])
		return w->alone[only];
	w->own.n = 0;
	while ((i < outer->n || k < end) && rc == 0) {
		uint32_t a = i < outer->n ? w->sets.v[outer->first + i] : UINT32_MAX,
			 b = k < end ? w->pairs[k].set : UINT32_MAX;

		rc = hf_vec_push(&w->own, a < b ? a : b);
		i += a <= b;
		k += b <= a;
	}
	if (rc)
		return UINT32_MAX;
	id = w->own.n == outer->n ? above : class_of_own(w);
	if (above == 0 && end - first == 1)
		w->alone[only] = id;
	return id;
}

static struct hf_prefix net_of(const struct pair *p)
{
	struct hf_prefix net = {.addr.family = p->family, .len = p->len};
	unsigned int i;

	for (i = 0; i < 8; i++) {
		net.addr.b[i] = (uint8_t)(p->high >> (56 - 8 * i));
		net.addr.b[8 + i] = (uint8_t)(p->low >> (56 - 8 * i));
	}
	return net;
}

static int sweep(struct work *w)
{
	size_t i, end;

	for (i = 0; i < w->n; i = end) {
		struct open here = {net_of(&w->pairs[i]), 0};
		uint32_t above;

		for (end = i + 1; end < w->n && same_net(&w->pairs[i], &w->pairs[end]);)
			end++;
		while (w->stack.n && !hf_prefix_covers(&w->stack.v[w->stack.n - 1].net, &here.net))
			w->stack.n--;
		above = w->stack.n ? w->stack.v[w->stack.n - 1].class : 0;
		here.class = class_of(w, i, end, above);
		if (here.class == UINT32_MAX)
			return w->sets.n + w->own.n > MEMBERS_MAX ? -E2BIG : -ENOMEM;
		if (hf_vec_push(&w->stack, here))
			return -ENOMEM;
		if (here.class == above)
			continue;
		w->classes.v[here.class].families |= here.net.addr.family == 4 ? 1 : 2;
		if (hf_vec_push(&w->nets, ((struct addr_part){here.net, here.class})))
			return -ENOMEM;
	}
	return 0;
}

static void free_classes(struct work *w)
{
	struct class *k, *next;

	HASH_ITER (hh, w->by_sets, k, next) {
		HASH_DEL(w->by_sets, k);
		free(k);
	}
}

int hf_addr_parts_build(const struct hf_rules *rules, const bool *wanted, struct addr_parts *ret)
{
	struct work w = {.alone = calloc(hf_rules_n_sets(rules) + 1, sizeof(*w.alone))};
	const struct addr_class none = {0};
	int rc = w.alone && hf_vec_push(&w.classes, none) == 0 ? 0 : -ENOMEM;

	if (rc == 0)
		rc = list_pairs(&w, rules, wanted);
	if (rc == 0)
		rc = sweep(&w);
	free_classes(&w);
	free(w.alone);
	free(w.pairs);
	free(w.spare);
	hf_vec_fini(&w.own);
	hf_vec_fini(&w.stack);
	*ret = (struct addr_parts){w.nets.n, w.nets.v, w.classes.n, w.classes.v, w.sets.v};
	if (rc < 0)
		hf_addr_parts_fini(ret);
	return rc;
}

void hf_addr_parts_fini(struct addr_parts *parts)
{
	free(parts->nets);
	free(parts->classes);
	free(parts->sets);
	*parts = (struct addr_parts){0};
}
