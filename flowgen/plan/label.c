/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Labels: which priorities the levels of a path's table get, and which groups the tables.
 *
 * Lowering numbers the levels of a table (entries of one priority) 0, 1, 2, ... Were the NIC told
 * those numbers, a rule put in front would change every entry behind it. So levels are spread with
 * gaps, and where there is a plan before this one, a level keeps the number it has there; what is
 * new gets a number between its neighbours'. Where there is none left, the neighbours give up
 * theirs, until the run has room again (Dietz and Sleator, Two algorithms for maintaining order in
 * a list, 1987: why that is seldom).
 *
 * A level is the same as an old one when they share an entry, match and fate: policy's own words
 * for a rule (its index) change with every rule before it. Of the levels that are the same the
 * longest sequence that is in order in both plans is kept.
 */

#include "build.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION	  HF_HASH_UTHASH
#include <uthash.h>

#define STEP  16	 /* between levels of a plan that follows none, where there is room */
#define FIRST 1024	 /* of the first level: room for as many rules in front */
#define MANY  (1u << 20) /* numbers that are enough where there are thousands of millions */

struct level {
	size_t first, end; /* entries */
	uint32_t old;	   /* priority in the plan before; 0: none */
	uint32_t label;	   /* 0: none yet */
};

struct levels {
	size_t n;
	struct level *v;
};

/* Entries of the plan before that say the same, in order. */
struct node {
	struct {
		struct hf_pattern match;
		uint32_t fate;
	} key;
	size_t n, taken, cap;
	uint32_t *priorities;
	UT_hash_handle hh;
};

struct labels {
	struct builder *b;
	const struct hf_plan *previous;	     /* NULL: none */
	uint32_t limit;			     /* labels are 1 .. limit - 1 */
	uint32_t lo, hi;		     /* of what is labelled now they are between these */
	size_t n_levels;		     /* of the whole table */
	HF_VEC(const struct hf_entry *) old; /* of the table's namesake, in order */
	/* So many entries at the beginning and at the end are the same in both. */
	size_t n_front, n_back;
	struct node *nodes; /* the others of the namesake */
	bool *used;	    /* by priority: the namesake has such entries */
};

static void fill_key(struct node *n, const struct hf_entry *e)
{
	memset(&n->key, 0, sizeof(n->key));
	n->key.match = e->match;
	n->key.fate = e->fate;
}

static struct node *find_node(const struct labels *l, const struct hf_entry *e)
{
	struct node probe, *n;

	fill_key(&probe, e);
	HASH_FIND(hh, l->nodes, &probe.key, sizeof(probe.key), n);
	return n;
}

static void forget_old(struct labels *l)
{
	struct node *n, *tmp;
	size_t i;

	/* What was marked, not all: there may be millions of priorities, and few entries. */
	for (i = 0; i < l->old.n; i++)
		l->used[l->old.v[i]->priority] = false;
	l->old.n = 0;
	HASH_ITER (hh, l->nodes, n, tmp) {
		HASH_DEL(l->nodes, n);
		free(n->priorities);
		free(n);
	}
}

static int note_old(struct labels *l, const struct hf_entry *e)
{
	struct node *n = find_node(l, e);
	uint32_t *v;

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		fill_key(n, e);
		HASH_ADD(hh, l->nodes, key, sizeof(n->key), n);
		if (!n->hh.tbl) {
			free(n);
			return -ENOMEM;
		}
	}
	if (n->n == n->cap) {
		v = reallocarray(n->priorities, n->cap * 2 + 1, sizeof(*v));
		if (!v)
			return -ENOMEM;
		n->priorities = v;
		n->cap = n->cap * 2 + 1;
	}
	n->priorities[n->n++] = e->priority;
	return 0;
}

/* Index of the table of that name, or n_tables. */
static size_t find_table(const struct hf_plan *plan, const char *name)
{
	size_t i;

	for (i = 0; i < plan->n_tables && strcmp(plan->tables[i].name, name) != 0; i++)
		;
	return i;
}

static bool says_same(const struct hf_entry *a, const struct hf_entry *b)
{
	return a->fate == b->fate && memcmp(&a->match, &b->match, sizeof(a->match)) == 0;
}

/* Most changes leave the beginning and the end of a table as they are. */
static void trim(struct labels *l, const struct hf_entry *new, size_t n)
{
	size_t least = n < l->old.n ? n : l->old.n;

	l->n_front = l->n_back = 0;
	while (l->n_front < least && says_same(&new[l->n_front], l->old.v[l->n_front]))
		l->n_front++;
	while (l->n_back < least - l->n_front &&
		says_same(&new[n - 1 - l->n_back], l->old.v[l->old.n - 1 - l->n_back]))
		l->n_back++;
}

/* Lists those of n entries before that are of table t and have a number. */
static int list_old(struct labels *l, const struct hf_entry *v, size_t n, size_t t)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i].table != t || v[i].priority == 0 || v[i].priority >= l->limit)
			continue;
		l->used[v[i].priority] = true;
		if (hf_vec_push(&l->old, &v[i]))
			return -ENOMEM;
	}
	return 0;
}

/* Lists the namesake of a table. */
static int list_table(struct labels *l, const char *name)
{
	const struct hf_plan *p = l->previous;
	size_t t = p ? find_table(p, name) : 0, i;
	int rc = 0;

	for (i = 0; p && i < p->runs.n && rc == 0; i++)
		rc = list_old(l, p->runs.v[i].v, p->runs.v[i].n, t);
	return rc;
}

/* Looks at what is listed beside the n entries from new on. */
static int note_listed(struct labels *l, const struct hf_entry *new, size_t n)
{
	size_t i;
	int rc = 0;

	trim(l, new, n);
	for (i = l->n_front; i < l->old.n - l->n_back && rc == 0; i++)
		rc = note_old(l, l->old.v[i]);
	return rc;
}

/* The level's number in the plan before: that of its first entry which is there. */
static uint32_t old_label(const struct labels *l, const struct level *level)
{
	uint32_t ret = 0;
	size_t i;

	for (i = level->first; i < level->end; i++) {
		struct node *n = find_node(l, &l->b->entries.v[i]);

		if (!n || n->taken == n->n)
			continue;
		if (!ret)
			ret = n->priorities[n->taken];
		n->taken++;
	}
	return ret;
}

/* Levels of entries start .. end - 1, which are of one table. */
static int list_levels(const struct labels *l, size_t start, size_t end, struct levels *ret)
{
	const struct hf_entry *e = l->b->entries.v;
	size_t i;

	ret->n = 0;
	ret->v = calloc(end - start + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (i = start; i < end; i++) {
		struct level *last = &ret->v[ret->n ? ret->n - 1 : 0];

		if (ret->n == 0 || e[last->first].priority != e[i].priority) {
			last = &ret->v[ret->n++];
			last->first = i;
		}
		last->end = i + 1;
	}
	return 0;
}

/* Levels a .. b - 1 and the numbers between lo and hi, which their neighbours have. */
struct run {
	size_t a, b;
	uint32_t lo, hi;
};

/* Levels at the beginning and at the end that are the same keep their numbers; *ret is what is
 * between them, and the numbers that are left for it. */
static void keep_ends(
	const struct labels *l, struct levels *levels, size_t start, size_t end, struct run *ret)
{
	struct run r = {.b = levels->n, .lo = l->lo, .hi = l->hi};
	struct level *v = levels->v;

	for (; r.a < r.b && v[r.a].first - start < l->n_front; r.a++) {
		if (v[r.a].old > r.lo)
			r.lo = v[r.a].label = v[r.a].old;
	}
	for (; r.b > r.a && end - v[r.b - 1].first <= l->n_back; r.b--) {
		if (v[r.b - 1].old < r.hi && v[r.b - 1].old > r.lo)
			r.hi = v[r.b - 1].label = v[r.b - 1].old;
	}
	*ret = r;
}

/* Labels the longest sequence of levels whose old numbers increase (patience sorting). */
static int keep_labels(struct levels *levels, const struct run *r)
{
	size_t *tail = calloc(r->b - r->a + 1, sizeof(*tail));
	size_t *before = calloc(r->b - r->a + 1, sizeof(*before));
	struct level *v = levels->v;
	size_t len = 0, i, lo, hi;

	if (!tail || !before) {
		free(tail);
		free(before);
		return -ENOMEM;
	}
	for (i = r->a; i < r->b; i++) {
		if (v[i].old <= r->lo || v[i].old >= r->hi)
			continue;
		for (lo = 0, hi = len; lo < hi;) {
			size_t mid = (lo + hi) / 2;

			if (v[tail[mid]].old < v[i].old)
				lo = mid + 1;
			else
				hi = mid;
		}
		before[i - r->a] = lo ? tail[lo - 1] : SIZE_MAX;
		tail[lo] = i;
		len += lo == len;
	}
	for (i = len ? tail[len - 1] : SIZE_MAX; i != SIZE_MAX; i = before[i - r->a])
		v[i].label = v[i].old;
	free(tail);
	free(before);
	return 0;
}

/* k numbers evenly from those between lo and hi, if possible none that the old table has. */
static void spread(const struct labels *l, struct level *v, size_t k, uint32_t lo, uint32_t hi)
{
	uint32_t n_free = 0, p, seen = 0;
	size_t i = 0;
	bool any;

	for (p = lo + 1; p < hi; p++)
		n_free += !l->used[p];
	any = n_free < k;
	if (any)
		n_free = hi - lo - 1;
	for (p = lo + 1; p < hi && i < k; p++) {
		if (!any && l->used[p])
			continue;
		if (seen++ == (uint32_t)((2 * (uint64_t)i + 1) * n_free / (2 * k)))
			v[i++].label = p;
	}
}

static uint32_t room(const struct run *r)
{
	return r->hi - r->lo - 1;
}

/*
 * Twice the room, so that the next one here finds a gap. In a table that is nearly full there is
 * none with so much, and looking for it would move everything: half of what all have is enough.
 */
static uint64_t want_room(const struct labels *l, uint64_t n, unsigned int times)
{
	uint64_t spare = l->limit - 1 > l->n_levels ? l->limit - 1 - l->n_levels : 0;

	spare = spare * n / (2 * l->n_levels);
	return n + (spare < (times - 1) * n ? spare : (times - 1) * n);
}

static void widen_left(const struct labels *l, const struct levels *levels, struct run *r)
{
	r->a--;
	r->lo = r->a ? levels->v[r->a - 1].label : l->lo;
}

static void widen_right(const struct labels *l, const struct levels *levels, struct run *r)
{
	do
		r->b++;
	while (r->b < levels->n && !levels->v[r->b].label);
	r->hi = r->b < levels->n ? levels->v[r->b].label : l->hi;
}

/* All before a have labels. Returns the index behind the run. */
static size_t label_run(const struct labels *l, struct levels *levels, size_t a)
{
	struct run r = {.a = a, .b = a, .lo = a ? levels->v[a - 1].label : l->lo, .hi = l->hi};
	bool first, last;
	uint64_t want;

	while (r.b < levels->n && !levels->v[r.b].label)
		r.b++;
	if (r.b < levels->n)
		r.hi = levels->v[r.b].label;
	if (room(&r) < r.b - r.a) {
		while (room(&r) < want_room(l, r.b - r.a, 2) && (r.a > 0 || r.b < levels->n)) {
			if (r.a > 0)
				widen_left(l, levels, &r);
			if (r.b < levels->n && room(&r) < want_room(l, r.b - r.a, 2))
				widen_right(l, levels, &r);
		}
	}
	/* At the ends of a table there is more room than a run should take. */
	want = (uint64_t)STEP * (r.b - r.a) + 1;
	first = r.a == 0 && l->lo == 0;
	last = r.b == levels->n && l->hi == l->limit;
	if (last && first && r.hi > FIRST + want)
		r.lo = FIRST - STEP / 2 - 1;
	if (last && r.hi - r.lo > want)
		r.hi = r.lo + (uint32_t)want;
	else if (first && r.hi - r.lo > want)
		r.lo = r.hi - (uint32_t)want;
	spread(l, &levels->v[r.a], r.b - r.a, r.lo, r.hi);
	return r.b;
}

/* Entries start .. end - 1 are those of the levels. */
static int label_levels(struct labels *l, struct levels *levels, size_t start, size_t end)
{
	struct run middle;
	size_t i, k;
	int rc;

	for (i = 0; i < levels->n; i++) {
		struct level *level = &levels->v[i];

		if (level->first - start < l->n_front)
			level->old = l->old.v[level->first - start]->priority;
		else if (end - level->first <= l->n_back)
			level->old = l->old.v[l->old.n - (end - level->first)]->priority;
		else
			level->old = old_label(l, level);
	}
	keep_ends(l, levels, start, end, &middle);
	rc = keep_labels(levels, &middle);
	for (i = 0; i < levels->n && rc == 0;) {
		if (levels->v[i].label)
			i++;
		else
			i = label_run(l, levels, i);
	}
	for (i = 0; i < levels->n && rc == 0; i++) {
		for (k = levels->v[i].first; k < levels->v[i].end; k++)
			l->b->entries.v[k].priority = levels->v[i].label;
	}
	return rc;
}

/* Groups of the namesakes; others get one that neither plan has. */
static int label_groups(struct builder *b, const struct hf_plan *previous)
{
	size_t n = b->tables.n + previous->n_tables, i, t;
	uint32_t next = b->plan->first_path;	     /* those before are numbered for good */
	bool *taken = calloc(n + 1, sizeof(*taken)); /* by group, of those that matter */

	if (!taken)
		return -ENOMEM;
	for (i = 0; i < previous->n_tables; i++) {
		if (previous->tables[i].group <= n)
			taken[previous->tables[i].group] = true;
	}
	for (i = b->plan->first_path; i < b->tables.n; i++) {
		if (i == b->denied)
			continue; /* behind all others */
		t = find_table(previous, b->tables.v[i].name);
		if (t < previous->n_tables) {
			b->tables.v[i].group = previous->tables[t].group;
			continue;
		}
		while (taken[next])
			next++;
		taken[next] = true;
		b->tables.v[i].group = next;
	}
	free(taken);
	return 0;
}

static bool same_ports(const struct hf_eswitch *a, const struct hf_eswitch *b)
{
	return a->on == b->on && a->wire == b->wire && a->host == b->host;
}

/* Whether numbers of the plan before mean the same now. */
static bool fits(const struct builder *b, const struct hf_plan *previous)
{
	uint64_t groups = b->tables.n + previous->n_tables;
	size_t i;

	if (previous->first_path != b->plan->first_path || groups >= b->engine->groups ||
		!same_ports(&previous->eswitch, &b->eswitch) ||
		strcmp(previous->nic, b->plan->nic) != 0 ||
		strcmp(previous->iface, b->plan->iface) != 0)
		return false;
	for (i = 0; i < previous->n_tables; i++) {
		if (previous->tables[i].group >= b->engine->groups)
			return false;
	}
	return true;
}

/* Entries of one table, numbers between lo and hi, beside what is listed of the old ones. */
static int label_entries(struct labels *l, size_t start, size_t end, uint32_t lo, uint32_t hi)
{
	struct levels levels = {0};
	int rc = note_listed(l, &l->b->entries.v[start], end - start);

	l->lo = lo;
	l->hi = hi;
	if (rc == 0)
		rc = list_levels(l, start, end, &levels);
	if (lo == 0 && hi == l->limit)
		l->n_levels = levels.n;
	/* Kept entries in the way: without gaps between them it would be the same next time. */
	if (rc == 0 && (lo > 0 || hi < l->limit) && want_room(l, levels.n, 4) > hi - lo - 1)
		rc = -EAGAIN;
	if (rc == 0)
		rc = label_levels(l, &levels, start, end);
	free(levels.v);
	forget_old(l);
	return rc;
}

/* The entries of one table of a path, from start on; those of the last two priorities are left. */
static int label_table(struct labels *l, size_t start, size_t end)
{
	const struct hf_entry *e = l->b->entries.v;
	int rc;

	while (end > start && e[end - 1].priority >= l->limit)
		end--;
	rc = list_table(l, l->b->tables.v[e[start].table].name);
	return rc < 0 ? rc : label_entries(l, start, end, 0, l->limit);
}

/* All that the engine has, but no more than a walk through all of them may take. */
static uint32_t find_limit(const struct builder *b)
{
	/* Entries that are kept are not among those that are made. */
	uint64_t enough = 4 * (b->entries.n + (b->follows ? (uint64_t)b->previous->n_entries : 0));
	uint32_t all = b->engine->prios - 2;

	if (enough < MANY)
		enough = MANY;
	return all < enough ? all : (uint32_t)enough;
}

static int labels_init(struct labels *l, struct builder *b, const struct hf_plan *previous)
{
	int rc = 0;

	*l = (struct labels){.b = b, .limit = find_limit(b)};
	l->previous = previous && fits(b, previous) ? previous : NULL;
	if (l->previous)
		rc = label_groups(b, l->previous);
	l->used = calloc(l->limit, sizeof(*l->used));
	return l->used ? rc : -ENOMEM;
}

static void labels_fini(struct labels *l)
{
	hf_vec_fini(&l->old);
	free(l->used);
}

int hf_label_plan(struct builder *b, const struct hf_plan *previous)
{
	struct labels l;
	size_t start = 0, end;
	int rc = labels_init(&l, b, previous);

	for (; start < b->entries.n && rc == 0; start = end) {
		uint32_t table = b->entries.v[start].table;

		if (table < b->plan->first_path)
			break; /* the last ones */
		for (end = start; end < b->entries.n && b->entries.v[end].table == table;)
			end++;
		rc = label_table(&l, start, end);
	}
	labels_fini(&l);
	return rc;
}

/* The spans of a table, both families in turn. */
static const struct spot *slot_at(const struct table_memory *t, size_t i)
{
	size_t n = t->family[0].slots.n;

	return i < n ? &t->family[0].slots.v[i] : &t->family[1].slots.v[i - n];
}

static size_t n_slots(const struct table_memory *t)
{
	return t->family[0].slots.n + t->family[1].slots.n;
}

/* A kept span that has numbers. */
static bool is_anchor(const struct spot *s)
{
	return s->kept && s->span->n_entries > 0;
}

/* Where a kept span, at i in the table, was in the one before. */
static size_t old_place(const struct table_memory *t, const struct table_memory *old, size_t i)
{
	return slot_at(t, i)->old + (i < t->family[0].slots.n ? 0 : old->family[0].slots.n);
}

/* Spans a .. b - 1, which are not kept or have no entries; *at: those before are dealt with in the
 * old table. */
static int label_between(struct labels *l, const struct table_memory *t,
	const struct table_memory *old, size_t a, size_t b, size_t *at)
{
	size_t end = b < n_slots(t) ? old_place(t, old, b) : n_slots(old);
	size_t first = SIZE_MAX, last = 0, i;
	uint32_t lo = 0, hi = l->limit;
	int rc = 0;

	for (i = a; i < b; i++) {
		const struct spot *s = slot_at(t, i);

		if (s->kept || s->end == s->start)
			continue;
		first = first == SIZE_MAX ? s->start : first;
		last = s->end;
	}
	for (i = *at; i < end && first != SIZE_MAX && rc == 0; i++) {
		const struct span *s = slot_at(old, i)->span;

		if (s->n_entries > 0)
			rc = list_old(l, s->v, s->n_entries, s->v[0].table);
	}
	if (a > 0)
		lo = slot_at(t, a - 1)->span->v[slot_at(t, a - 1)->span->n_entries - 1].priority;
	if (b < n_slots(t))
		hi = slot_at(t, b)->span->v[0].priority;
	if (rc == 0 && first != SIZE_MAX)
		rc = label_entries(l, first, last, lo, hi);
	if (rc == -EAGAIN)
		hf_memory_avoid(&l->b->avoid, t - l->b->plan->memory->tables.v, *at, end);
	*at = end + 1;
	return rc;
}

static int label_spans(
	struct labels *l, const struct table_memory *t, const struct table_memory *old)
{
	size_t n = n_slots(t), a = 0, b, at = 0;
	int rc = 0;

	for (l->n_levels = 0; a < n; a++)
		l->n_levels += slot_at(t, a)->span->n_levels;
	a = 0;
	while (a <= n && rc == 0) {
		for (b = a; b < n && !is_anchor(slot_at(t, b));)
			b++;
		rc = label_between(l, t, old, a, b, &at);
		a = b + 1;
	}
	return rc;
}

int hf_label_spans(struct builder *b, const struct hf_plan *previous)
{
	const struct memory *m = b->plan->memory;
	struct labels l;
	size_t i;
	int rc = labels_init(&l, b, previous);

	if (rc == 0 && !l.previous)
		rc = -EAGAIN;
	for (i = 0; i < m->tables.n && rc == 0; i++)
		rc = label_spans(&l, &m->tables.v[i], &previous->memory->tables.v[i]);
	labels_fini(&l);
	return rc;
}
