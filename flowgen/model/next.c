/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What has changed since the model before, as far as sets can tell: objects come and go, an object
 * that was read again does both. Sets keep their number from model to model. One is collected anew
 * only if somebody came whom it means, or somebody is gone whom it had.
 */

#include "model/build.h"

#include <hepflow/base/id.h>

#include <errno.h>
#include <string.h>

static size_t n_objects(const struct hf_objects *o, enum hf_seen_list list)
{
	const size_t n[HF_SEEN_MAX_] = {
		[HF_SEEN_HEP] = o->hep.n,
		[HF_SEEN_WEP] = o->wep.n,
		[HF_SEEN_NETSET] = o->netset.n,
		[HF_SEEN_SLICE] = o->slice.n,
		[HF_SEEN_IPSET] = o->ipset.n,
		[HF_SEEN_NS] = o->ns.n,
		[HF_SEEN_SA] = o->sa.n,
		[HF_SEEN_PROFILE] = o->profile.n,
	};

	return n[list];
}

#define IDS(list)                                                                                  \
	for (i = 0; i < (list).n; i++)                                                             \
		ids[i] = (list).v[i].meta.id;                                                      \
	break

static void list_ids(const struct hf_objects *o, enum hf_seen_list list, uint64_t *ids)
{
	size_t i;

	switch (list) {
	case HF_SEEN_HEP:
		IDS(o->hep);
	case HF_SEEN_WEP:
		IDS(o->wep);
	case HF_SEEN_NETSET:
		IDS(o->netset);
	case HF_SEEN_SLICE:
		IDS(o->slice);
	case HF_SEEN_IPSET:
		IDS(o->ipset);
	case HF_SEEN_NS:
		IDS(o->ns);
	case HF_SEEN_SA:
		IDS(o->sa);
	case HF_SEEN_PROFILE:
		IDS(o->profile);
	case HF_SEEN_MAX_:
		break;
	}
}

static int see(struct hf_build *b)
{
	unsigned int l;

	for (l = 0; l < HF_SEEN_MAX_; l++) {
		size_t n = n_objects(b->objs, (enum hf_seen_list)l);
		uint64_t *ids = hf_arena_calloc(b->arena, n, sizeof(*ids));

		if (!ids)
			return hf_build_oom(b);
		list_ids(b->objs, (enum hf_seen_list)l, ids);
		b->m->seen[l] = (struct hf_seen){n, ids};
	}
	return 0;
}

static bool among(const uint64_t *v, size_t n, uint64_t id)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i] == id)
			return true;
	}
	return false;
}

/* What only the one list has; objects without an id are nobody's. */
static void list_news(struct hf_news *news, const uint64_t *a, size_t n_a, const uint64_t *b,
	size_t n_b, uint64_t *ret, size_t *ret_n)
{
	size_t i;

	for (i = 0; i < n_a; i++) {
		if (a[i] && among(b, n_b, a[i]))
			continue;
		if (!a[i] || *ret_n == HF_NEWS_MAX)
			news->all = true;
		else
			ret[(*ret_n)++] = a[i];
	}
}

/* Whether anything differs. Both are in the order of names, so what is new stands together. */
static bool compare(struct hf_news *news, const struct hf_seen *old, const struct hf_seen *new)
{
	size_t min = old->n < new->n ? old->n : new->n, head = 0, tail = 0, n_old, n_new;

	while (head < min && old->ids[head] == new->ids[head])
		head++;
	while (head + tail < min && old->ids[old->n - 1 - tail] == new->ids[new->n - 1 - tail])
		tail++;
	n_old = old->n - head - tail;
	n_new = new->n - head - tail;
	if (n_old + n_new > 4 * HF_NEWS_MAX) {
		news->all = true;
		return true;
	}
	list_news(news, old->ids + head, n_old, new->ids + head, n_new, news->gone, &news->n_gone);
	list_news(news, new->ids + head, n_new, old->ids + head, n_old, news->came, &news->n_came);
	return n_old + n_new > 0;
}

/* What is not asked who somebody is. */
static void compare_resolved(
	struct hf_news *news, const struct hf_model *old, const struct hf_model *new)
{
	struct hf_news slices = {0}, sets = {0};
	size_t i;

	news->slices = compare(&slices, &old->seen[HF_SEEN_SLICE], &new->seen[HF_SEEN_SLICE]);
	(void)compare(&sets, &old->seen[HF_SEEN_IPSET], &new->seen[HF_SEEN_IPSET]);
	news->ipsets = sets.all || news->n_gone + sets.n_gone > HF_NEWS_MAX;
	for (i = 0; i < sets.n_gone && !news->ipsets; i++)
		news->gone[news->n_gone++] = sets.gone[i];
}

bool hf_news_gone(const struct hf_news *news, uint64_t id)
{
	return among(news->gone, news->n_gone, id);
}

struct hf_subject *hf_scope_find(struct hf_build *b, uint64_t id)
{
	static const enum hf_seen_list lists[] = {HF_SEEN_HEP, HF_SEEN_WEP, HF_SEEN_NETSET};
	size_t l, i, at = 0;

	for (l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
		const struct hf_seen *seen = &b->m->seen[lists[l]];

		for (i = 0; i < seen->n; i++, at++) {
			if (seen->ids[i] == id)
				return &b->subjects[at];
		}
	}
	return NULL;
}

/* Both are sorted lists; the one is short. */
static bool has_gone(const struct hf_news *news, const struct hf_set_note *note)
{
	size_t i;

	for (i = 0; i < news->n_gone; i++) {
		size_t lo = 0, hi = note->n_from;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (note->from[mid] == news->gone[i])
				return true;
			if (note->from[mid] < news->gone[i])
				lo = mid + 1;
			else
				hi = mid;
		}
	}
	return false;
}

static bool means_new(struct hf_build *b, const struct hf_ask *ask, struct hf_subject *const *came)
{
	size_t i;

	for (i = 0; i < b->news.n_came; i++) {
		if (came[i] && hf_scope_has(ask->scope, came[i]))
			return true;
	}
	return false;
}

static bool is_stale(
	struct hf_build *b, const struct hf_set_note *note, struct hf_subject *const *came)
{
	switch (note->ask.kind) {
	case HF_ASK_NETS:
	case HF_ASK_PORT:
		return b->news.all || has_gone(&b->news, note) || means_new(b, &note->ask, came);
	case HF_ASK_SERVICE:
		return b->news.slices;
	case HF_ASK_IPSETS:
		return b->news.ipsets || has_gone(&b->news, note);
	}
	return true;
}

/* The former model's sets, before any other is made. */
int hf_next_init(struct hf_build *b)
{
	const struct hf_model *p = b->previous;
	size_t i, n_holes = 0;

	for (i = 0; p && i < p->n_sets; i++)
		n_holes += !p->notes[i];
	if (see(b) < 0)
		return -ENOMEM;
	if (p && n_holes > p->n_sets / 2 + HF_NEWS_MAX)
		b->previous = p = NULL; /* numbers are wasted: begin anew */
	if (!p)
		return 0;
	for (i = 0; i < p->n_sets; i++) {
		struct hf_set_entry entry = {.note = p->notes[i], .hole_id = p->set_ids[i]};

		if (hf_vec_push(&b->sets, entry))
			return hf_build_oom(b);
	}
	for (i = 0; i < HF_SEEN_SLICE; i++)
		(void)compare(&b->news, &p->seen[i], &b->m->seen[i]);
	compare_resolved(&b->news, p, b->m);
	for (i = HF_SEEN_NS; i < HF_SEEN_MAX_; i++) {
		struct hf_news other = {0};

		b->news.all |= compare(&other, &p->seen[i], &b->m->seen[i]);
	}
	return 0;
}

/* Which of the former model's sets are what they were; the subjects are there by now. */
int hf_next_sets(struct hf_build *b)
{
	struct hf_subject *came[HF_NEWS_MAX] = {0};
	const struct hf_news *news = &b->news;
	size_t i, n = b->previous ? b->previous->n_sets : 0;
	bool any = news->all || news->slices || news->ipsets || news->n_gone || news->n_came;

	for (i = 0; i < news->n_came; i++)
		came[i] = hf_scope_find(b, news->came[i]);
	for (i = b->n_special; i < n; i++) {
		struct hf_set_entry *e = &b->sets.v[i];

		e->fresh = e->note && !e->note->loud && !(any && is_stale(b, e->note, came));
	}
	return 0;
}

/* The next of the sets that every model has. */
uint32_t hf_set_reserve(struct hf_build *b)
{
	uint32_t at = b->n_special++;

	return at < b->sets.n ? at : HF_NO_SET;
}

int hf_set_remember(struct hf_build *b, uint32_t at)
{
	struct hf_set_slot *slot = hf_arena_calloc(b->tmp, 1, sizeof(*slot));

	if (!slot)
		return hf_build_oom(b);
	slot->key = b->sets.v[at].note->ask.key;
	slot->index = at;
	HASH_ADD_KEYPTR(hh, b->set_slots, slot->key, strlen(slot->key), slot);
	return slot->hh.tbl ? 0 : hf_build_oom(b);
}

int hf_set_lookup(struct hf_build *b, const char *key, uint32_t *ret)
{
	struct hf_set_slot *slot = NULL;
	size_t i;
	int rc = 0;

	for (i = b->n_special; !b->indexed && rc == 0 && i < b->sets.n; i++) {
		if (b->sets.v[i].note)
			rc = hf_set_remember(b, (uint32_t)i);
	}
	b->indexed = true;
	HASH_FIND_STR(b->set_slots, key, slot);
	*ret = slot ? slot->index : HF_NO_SET;
	return rc;
}

int hf_set_asked(struct hf_build *b, uint32_t at)
{
	b->sets.v[at].used = true;
	return hf_vec_push(&b->asked, at) ? hf_build_oom(b) : 0;
}

int hf_set_use(struct hf_build *b, uint32_t at, bool *ret_quiet)
{
	struct hf_set_entry *e = &b->sets.v[at];
	int rc = 0;

	if (!e->fresh && !e->note->loud) {
		b->quiet = true;
		rc = hf_sets_refresh(b, at);
		b->quiet = false;
		e = &b->sets.v[at];
		e->fresh = rc == 0 && !e->note->loud;
	}
	e->used = true;
	*ret_quiet = rc == 0 && !e->note->loud;
	return rc;
}

/* The sets' scope in the note's own memory: what it is about may be gone by the next model. */
static int copy_scope(struct hf_build *b, struct hf_set_note *note, const struct hf_scope *from)
{
	struct hf_scope *scope = hf_arena_dup(note->arena, from, sizeof(*scope));
	char text[HF_SELECTOR_MAX + 1];
	const char **names;
	unsigned int i;
	size_t k;

	if (!scope)
		return hf_build_oom(b);
	for (i = 0; i < from->n_parts; i++) {
		int len = hf_selector_print(from->parts[i].sel, text, sizeof(text));

		if (len < 0 || (size_t)len >= sizeof(text) ||
			hf_selector_parse(note->arena, text, &scope->parts[i].sel, NULL) < 0)
			return 0; /* too long: it is asked for anew each time */
		scope->parts[i].prefix = hf_arena_strdup(note->arena, from->parts[i].prefix);
		if (!scope->parts[i].prefix)
			return hf_build_oom(b);
	}
	if (from->ns)
		scope->ns = hf_arena_strdup(note->arena, from->ns);
	names = hf_arena_calloc(note->arena, from->sa_names.n, sizeof(*names));
	if (!names || (from->ns && !scope->ns))
		return hf_build_oom(b);
	for (k = 0; k < from->sa_names.n; k++) {
		names[k] = hf_arena_strdup(note->arena, from->sa_names.v[k]);
		if (!names[k])
			return hf_build_oom(b);
	}
	scope->sa_names.v = names;
	note->ask.scope = scope;
	return 0;
}

static const char *copy_text(struct hf_set_note *note, const char *text, bool *failed)
{
	const char *copy = text ? hf_arena_strdup(note->arena, text) : NULL;

	*failed |= text && !copy;
	return copy;
}

int hf_ask_copy(struct hf_build *b, struct hf_set_note *note, const struct hf_ask *ask)
{
	const char **ids = hf_arena_calloc(note->arena, ask->ids.n, sizeof(*ids));
	bool failed = !ids;
	size_t i;

	note->ask = *ask;
	note->ask.name = copy_text(note, ask->name, &failed);
	note->ask.key = copy_text(note, ask->key, &failed);
	note->ask.port = copy_text(note, ask->port, &failed);
	note->ask.ns = copy_text(note, ask->ns, &failed);
	note->ask.service = copy_text(note, ask->service, &failed);
	for (i = 0; ids && i < ask->ids.n; i++)
		ids[i] = copy_text(note, ask->ids.v[i], &failed);
	note->ask.ids.v = ids;
	note->ask.scope = NULL;
	if (failed)
		return hf_build_oom(b);
	return ask->scope ? copy_scope(b, note, ask->scope) : 0;
}

static int keep_note(struct hf_build *b, const struct hf_set_note *note)
{
	return hf_arena_keep(b->m->arena, note->arena) < 0 ? hf_build_oom(b) : 0;
}

/* Into the model; what nobody asks for leaves its number empty. */
int hf_next_freeze(struct hf_build *b)
{
	static const struct hf_set hole = {.name = ""};
	struct hf_model *m = b->m;
	size_t n = b->sets.n, n_old = b->previous ? b->previous->n_sets : 0, i;
	const struct hf_set_note **notes = hf_arena_calloc(b->arena, n, sizeof(*notes));
	struct hf_set *sets = hf_arena_calloc(b->arena, n, sizeof(*sets));
	uint64_t *ids = hf_arena_calloc(b->arena, n, sizeof(*ids));

	if (!notes || !sets || !ids)
		return hf_build_oom(b);
	for (i = 0; i < n; i++) {
		const struct hf_set_entry *e = &b->sets.v[i];
		bool former = i < n_old && e->note == b->previous->notes[i];

		sets[i] = hole;
		ids[i] = e->note ? hf_id_new() : e->hole_id;
		if (!e->used || !e->note)
			continue;
		if (former && keep_note(b, e->note) < 0)
			return -ENOMEM;
		notes[i] = e->note;
		sets[i] = e->note->set;
		ids[i] = e->note->id;
	}
	m->n_sets = n;
	m->sets = sets;
	m->set_ids = ids;
	m->notes = notes;
	return 0;
}

void hf_sets_fini(struct hf_build *b)
{
	HASH_CLEAR(hh, b->set_slots);
	hf_vec_fini(&b->sets);
	hf_vec_fini(&b->asked);
}
