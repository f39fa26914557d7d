/* SPDX-License-Identifier: BSD-3-Clause */

#include "alike.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What addresses have met so far, as a number: what they had before and what they met then. */
struct met {
	uint32_t before, what;
};

struct sorter {
	const struct nets *nets;
	HF_VEC(struct met) met;
	struct slots slots;
	uint32_t *of;	/* of each net */
	uint8_t *state; /* likewise: SOURCE, MET */
};

enum { SOURCE = 1 /* some face names it */, MET = 2 /* the nets around it are noted */ };

/* Whether two faces differ in nothing but the source. */
static bool same_rest(const struct face *a, const struct face *b)
{
	struct face x = *a;

	x.src = b->src;
	return memcmp(&x, b, sizeof(x)) == 0;
}

/* Faces of one rule that names many sources follow each other. */
static bool is_worth_while(struct faces *const *lists, size_t n_lists)
{
	size_t n = 0, runs = 0, i, k;

	for (i = 0; i < n_lists; i++) {
		n += lists[i]->n;
		for (k = 0; k < lists[i]->n; k++)
			runs += k == 0 || !same_rest(&lists[i]->v[k - 1], &lists[i]->v[k]);
	}
	return n > 2 * runs;
}

static int meet(struct sorter *s, uint32_t *of, uint32_t what)
{
	const struct met want = {*of, what};
	uint32_t hash = (uint32_t)hf_hash_mix(want.before, (uint64_t)what << 32);
	struct slot *slot;
	size_t i = hash;

	if (hf_slots_grow(&s->slots) < 0)
		return -ENOMEM;
	do {
		slot = hf_slots_next(&s->slots, hash, &i);
	} while (slot->at != SLOT_EMPTY && (s->met.v[slot->at].before != want.before ||
						   s->met.v[slot->at].what != want.what));
	if (slot->at == SLOT_EMPTY) {
		if (hf_vec_push(&s->met, want))
			return -ENOMEM;
		hf_slots_take(&s->slots, slot, hash, s->met.n - 1);
	}
	*of = slot->at;
	return 0;
}

/* The nets around an address that faces name as their source. */
static int meet_nets(struct sorter *s, uint32_t net)
{
	uint32_t above[NETS_ABOVE];
	size_t n = hf_nets_above(s->nets, net, above), i;
	int rc = 0;

	for (i = 0; i + 1 < n && rc == 0; i++) {
		if (s->state[above[i]] & SOURCE)
			rc = meet(s, &s->of[net], above[i]);
	}
	s->state[net] |= MET;
	return rc;
}

static void mark_sources(struct sorter *s, struct faces *const *lists, size_t n_lists)
{
	size_t i, k;

	for (i = 0; i < n_lists; i++) {
		for (k = 0; k < lists[i]->n; k++)
			s->state[lists[i]->v[k].src] = SOURCE;
	}
}

/* Runs of faces are told from nets by numbers behind theirs. */
static int meet_lists(struct sorter *s, struct faces *const *lists, size_t n_lists)
{
	uint32_t run = (uint32_t)s->nets->n;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < n_lists; i++) {
		for (k = 0; k < lists[i]->n && rc == 0; k++) {
			const struct face *f = &lists[i]->v[k];

			run += k == 0 || !same_rest(f - 1, f);
			if (!(f->few & BY_SRC))
				continue;
			if (!(s->state[f->src] & MET))
				rc = meet_nets(s, f->src);
			if (rc == 0)
				rc = meet(s, &s->of[f->src], run);
		}
	}
	return rc;
}

/* Of those that have met the same the first stands for all. */
static int choose(struct alike *a, const struct sorter *s)
{
	uint32_t *first = malloc((s->met.n + 1) * sizeof(*first));
	uint32_t *last = malloc((s->met.n + 1) * sizeof(*last)), of;
	size_t i;

	for (i = 0; first && i < s->met.n; i++)
		first[i] = NET_NONE;
	for (i = 0; first && last && i < a->n; i++) {
		a->rep[i] = (uint32_t)i;
		a->next[i] = NET_NONE;
		a->size[i] = 1;
		of = s->of[i];
		if (of == NET_NONE)
			continue;
		if (first[of] == NET_NONE) {
			first[of] = (uint32_t)i;
		} else {
			a->rep[i] = first[of];
			a->next[last[of]] = (uint32_t)i;
			a->size[first[of]]++;
		}
		last[of] = (uint32_t)i;
	}
	i = first && last;
	free(first);
	free(last);
	return i ? 0 : -ENOMEM;
}

static void thin(struct faces *faces, const struct alike *a)
{
	size_t n = 0, i;

	for (i = 0; i < faces->n; i++) {
		if (a->rep[faces->v[i].src] == faces->v[i].src)
			faces->v[n++] = faces->v[i];
	}
	faces->n = n;
}

static int sort(struct alike *a, struct sorter *s, struct faces *const *lists, size_t n_lists)
{
	size_t n = s->nets->n, i;
	int rc;

	a->rep = malloc((n + 1) * sizeof(*a->rep));
	a->next = malloc((n + 1) * sizeof(*a->next));
	a->size = malloc((n + 1) * sizeof(*a->size));
	s->of = malloc((n + 1) * sizeof(*s->of));
	s->state = calloc(n + 1, sizeof(*s->state));
	if (!a->rep || !a->next || !a->size || !s->of || !s->state)
		return -ENOMEM;
	memset(s->of, 0xff, n * sizeof(*s->of));
	a->n = n;
	mark_sources(s, lists, n_lists);
	rc = meet_lists(s, lists, n_lists);
	if (rc == 0)
		rc = choose(a, s);
	for (i = 0; i < n_lists && rc == 0; i++)
		thin(lists[i], a);
	return rc;
}

int hf_alike_init(
	struct alike *alike, struct faces *const *lists, size_t n_lists, const struct nets *nets)
{
	struct sorter s = {.nets = nets};
	int rc;

	*alike = (struct alike){0};
	if (!is_worth_while(lists, n_lists))
		return 0;
	rc = sort(alike, &s, lists, n_lists);
	hf_vec_fini(&s.met);
	hf_slots_fini(&s.slots);
	free(s.of);
	free(s.state);
	return rc;
}

void hf_alike_fini(struct alike *alike)
{
	free(alike->rep);
	free(alike->next);
	free(alike->size);
	*alike = (struct alike){0};
}
