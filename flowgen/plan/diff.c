/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Why the order of operations is safe. Old, new and kept entries: O, N, K = O and N. In one table
 * the strongest match decides (of equals any; lowering sees to it that equals of one plan do not
 * contradict each other).
 *
 * A table without jumps. First what is new is added, strongest first: at any moment, if a new entry
 * decides about a packet, then no stronger one of N matches it, for that one would be there
 * already; so it decides in N, too. Otherwise an entry of O decides, which then does so in O.
 * Afterwards what is old is deleted, weakest first: the same backwards. So every packet of the
 * table is judged as before or as afterwards.
 *
 * A table with jumps. A packet that is sent to another table than before must not meet the new
 * table before that is ready, nor the old one once that has changed. So the match of every jump
 * that comes or goes is punted first (a cover: priority 0), then tables without jumps are changed,
 * and at the end the covers are removed. Packets that no cover takes are led as before. Punts that
 * come or go are covers themselves: they come first and go last. Where no other table changes there
 * is no need of all this: then whatever a jump leads to is as good as a verdict.
 *
 * The same key. A NIC does not take two entries of one group, priority and match. Where two such
 * differ, the match is covered, and the old one goes before the new one comes.
 *
 * No order at all (HF_PRIO_NONE): the entries of a plan are disjoint, so any order is safe; deletes
 * come first, because both plans may not fit at once.
 */

#include <hepflow/diff.h>

#include "build.h"

#include <hepflow/base/hash.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION	  HF_HASH_UTHASH
#include <uthash.h>

/* What a NIC is told of an entry; without the last two it is the key by which entries collide. */
struct telling {
	struct hf_pattern match;
	uint32_t group;
	uint32_t priority;
	uint32_t fate;
	uint32_t jump; /* group */
	uint32_t sets_tag, tag, tag_keep;
	uint32_t forward, reserved;
};
/* How far ahead the same entry is looked for. */
#define PAIR_NEAR  8

#define KEY_SIZE   offsetof(struct telling, fate)
#define COVER_SIZE offsetof(struct telling, priority) /* a cover's priority is always 0 */

/* An entry of either plan; those that stay are one of the old plan. */
struct change {
	struct telling is;
	const struct hf_plan *plan;
	const struct hf_entry *entry;
	bool kept;
	bool added;    /* of the new plan */
	bool inner;    /* in a table with jumps */
	bool collides; /* with one that comes or goes the other way */
	bool covered;
	UT_hash_handle hh; /* of work.index */
	UT_hash_handle by_key;
	UT_hash_handle by_cover;
};

struct hf_diff {
	size_t n_adds, n_deletes, n_keeps, peak;
	bool covers_all;
	HF_VEC(struct hf_diff_op) ops;
};

/* Entries of one plan that are in runs which the other has not, in order. */
struct side {
	size_t n;
	const struct hf_entry **v;
};

struct work {
	const struct hf_plan *from, *to;
	struct side old, new;
	size_t n_front, n_back; /* of these, the same in both, see trim() */
	size_t n;
	struct change *changes; /* the old plan's in its order, then those that are added */
	struct change *index;	/* all of them, by what they are */
	struct change *keys;	/* those that change, by their keys */
	struct change *covers;	/* those that are covered, by match and group */
	bool failed;		/* out of memory */
	struct hf_diff *diff;
};

static struct telling tell(const struct hf_plan *plan, const struct hf_entry *e)
{
	struct telling t;

	memset(&t, 0, sizeof(t));
	t.match = e->match;
	t.group = plan->tables[e->table].group;
	t.priority = e->priority;
	t.fate = e->fate;
	t.jump = e->fate == HF_FATE_JUMP ? plan->tables[e->jump].group : 0;
	t.sets_tag = e->sets_tag;
	t.tag = e->tag;
	t.tag_keep = e->tag_keep;
	t.forward = e->forward;
	t.reserved = e->reserved;
	return t;
}

static void put_op(struct work *w, enum hf_diff_kind kind, const struct change *c)
{
	struct hf_diff_op op = {.kind = kind, .plan = c->plan, .entry = *c->entry};

	if (kind == HF_DIFF_COVER || kind == HF_DIFF_UNCOVER) {
		op.entry.fate = HF_FATE_PUNT;
		op.entry.priority = 0;
		op.entry.jump = 0;
		op.entry.sets_tag = false;
		op.entry.forward = false;
		op.entry.reason = HF_REASON_NONE;
		op.entry.detail = HF_F_MAX_;
	}
	if (hf_vec_push(&w->diff->ops, op))
		w->failed = true;
}

static bool has_jumps(const struct hf_plan *plan, uint32_t group)
{
	size_t r, i;

	for (r = 0; plan && r < plan->runs.n; r++) {
		const struct entry_run *run = &plan->runs.v[r];

		for (i = 0; run->inner && i < run->n; i++) {
			if (run->v[i].fate == HF_FATE_JUMP &&
				plan->tables[run->v[i].table].group == group)
				return true;
		}
	}
	return false;
}

static bool changes_one_table(const struct work *w)
{
	const struct change *first = NULL;
	size_t i;

	for (i = 0; i < w->n; i++) {
		const struct change *c = &w->changes[i];

		if (c->kept)
			continue;
		if (first && first->is.group != c->is.group)
			return false;
		first = c;
	}
	return first;
}

static void mark_inner(struct work *w)
{
	uint32_t group = UINT32_MAX;
	bool inner = false;
	size_t i;

	if (changes_one_table(w))
		return;
	for (i = 0; i < w->n; i++) {
		if (w->changes[i].is.group != group) {
			group = w->changes[i].is.group;
			inner = has_jumps(w->from, group) || has_jumps(w->to, group);
		}
		w->changes[i].inner = inner;
	}
}

/* Whether tell() would say the same. */
static bool told_same(const struct work *w, size_t old, size_t new)
{
	const struct hf_entry *a = w->old.v[old], *b = w->new.v[new];
	const struct hf_table *from = w->from->tables, *to = w->to->tables;

	return a->priority == b->priority && a->fate == b->fate && a->sets_tag == b->sets_tag &&
	       a->tag == b->tag && a->tag_keep == b->tag_keep && a->forward == b->forward &&
	       a->reserved == b->reserved && from[a->table].group == to[b->table].group &&
	       (a->fate != HF_FATE_JUMP || from[a->jump].group == to[b->jump].group) &&
	       memcmp(&a->match, &b->match, sizeof(a->match)) == 0;
}

/* Whether entry i is of another level than the one before it: only within a level can a plan have
 * an entry twice. Where there is no order there are none twice, nor among those that set a tag. */
static bool level_begins(const struct hf_plan *p, const struct side *s, size_t i)
{
	return p->order == HF_PRIO_NONE || i == 0 || i == s->n ||
	       (s->v[i]->sets_tag && s->v[i - 1]->sets_tag) ||
	       s->v[i]->table != s->v[i - 1]->table || s->v[i]->priority != s->v[i - 1]->priority;
}

/*
 * Most changes leave the beginning and the end of what is looked at as they are: whole levels that
 * are the same there need no looking up.
 */
static void trim(struct work *w)
{
	size_t n_old = w->old.n, n_new = w->new.n;
	size_t least = n_old < n_new ? n_old : n_new;

	while (w->n_front < least && told_same(w, w->n_front, w->n_front))
		w->n_front++;
	while (w->n_front > 0 && !(level_begins(w->from, &w->old, w->n_front) &&
					 level_begins(w->to, &w->new, w->n_front)))
		w->n_front--;
	while (w->n_back < least - w->n_front &&
		told_same(w, n_old - 1 - w->n_back, n_new - 1 - w->n_back))
		w->n_back++;
	while (w->n_back > 0 && !(level_begins(w->from, &w->old, n_old - w->n_back) &&
					level_begins(w->to, &w->new, n_new - w->n_back)))
		w->n_back--;
}

/* Whether both are the same and set a tag: such an entry a plan has once. */
static bool is_pair(const struct work *w, size_t old, size_t new)
{
	return w->old.v[old]->sets_tag && told_same(w, old, new);
}

/* How many of the old ones, and of the new ones, stand in front of the next pair; false: it is not
 * near. */
static bool next_pair(const struct work *w, size_t i, size_t k, size_t end_i, size_t end_k,
	size_t *ret_old, size_t *ret_new)
{
	size_t d;

	for (d = 0; d < PAIR_NEAR; d++) {
		*ret_old = *ret_new = 0;
		if (i + d < end_i && is_pair(w, i + d, k))
			return *ret_old = d, true;
		if (k + d < end_k && is_pair(w, i, k + d))
			return *ret_new = d, true;
	}
	return false;
}

/* Tables of prefixes are long, in the same order, and differ here and there: what is the same is
 * found side by side, and taken off both lists. */
static void take_pairs(struct work *w)
{
	size_t i = w->n_front, k = i, to_i = i, to_k = k, n_old, n_new;
	const size_t end_i = w->old.n - w->n_back, end_k = w->new.n - w->n_back;

	while (i < end_i || k < end_k) {
		bool pair =
			i < end_i && k < end_k && next_pair(w, i, k, end_i, end_k, &n_old, &n_new);

		if (!pair) {
			n_old = i < end_i;
			n_new = k < end_k;
		}
		for (; n_old > 0; n_old--)
			w->old.v[to_i++] = w->old.v[i++];
		for (; n_new > 0; n_new--)
			w->new.v[to_k++] = w->new.v[k++];
		i += pair;
		k += pair;
		w->diff->n_keeps += pair;
	}
	memmove(&w->old.v[to_i], &w->old.v[end_i], w->n_back * sizeof(*w->old.v));
	memmove(&w->new.v[to_k], &w->new.v[end_k], w->n_back * sizeof(*w->new.v));
	w->old.n = to_i + w->n_back;
	w->new.n = to_k + w->n_back;
}

/* Of what is the same in both only this has to be found again: a cover that is there already, or
 * the root. */
static bool is_found(const struct hf_plan *plan, const struct hf_entry *e)
{
	return plan->order != HF_PRIO_NONE &&
	       (e->priority == 0 || (e->fate == HF_FATE_JUMP && e->table == 0));
}

/*
 * Adds an entry, or finds what stays. An entry that a plan has twice is hidden the second time, and
 * so dealt with once: the NIC would not take it, either.
 */
static int note(struct work *w, const struct hf_plan *plan, const struct hf_entry *e, bool kept)
{
	struct change *c = &w->changes[w->n], *same;

	c->plan = plan;
	c->entry = e;
	c->added = plan == w->to && !kept;
	c->kept = kept;
	c->is = tell(plan, c->entry);
	HASH_FIND(hh, w->index, &c->is, sizeof(c->is), same);
	if (same && c->added && !same->added)
		same->kept = true;
	if (same)
		return 0;
	HASH_ADD(hh, w->index, is, sizeof(c->is), c);
	w->n++;
	return c->hh.tbl ? 0 : -ENOMEM;
}

/* An entry of the old plan that the new one has as well. */
static int note_same(struct work *w, const struct hf_entry *e)
{
	if (is_found(w->from, e))
		return note(w, w->from, e, true);
	w->diff->n_keeps++;
	return 0;
}

static int ptr_cmp(const void *a, const void *b)
{
	const struct hf_entry *const *x = a, *const *y = b;

	return (*x > *y) - (*x < *y);
}

/* Where the runs of a plan begin, sorted. */
static const struct hf_entry **list_begins(const struct hf_plan *plan)
{
	size_t n = plan ? plan->runs.n : 0, i;
	const struct hf_entry **v = calloc(n + 1, sizeof(*v));

	for (i = 0; v && i < n; i++)
		v[i] = plan->runs.v[i].v;
	if (v)
		qsort(v, n, sizeof(*v), ptr_cmp);
	return v;
}

/* Lists the entries of plan that are in runs of its own. */
static int list_side(const struct hf_plan *plan, const struct hf_plan *other, struct side *ret)
{
	const struct hf_entry **begins = list_begins(other);
	size_t n = 0, r, i;
	bool *own = calloc((plan ? plan->runs.n : 0) + 1, sizeof(*own));

	for (r = 0; begins && own && plan && r < plan->runs.n; r++) {
		const struct entry_run *run = &plan->runs.v[r];

		own[r] = !other ||
			 !bsearch(&run->v, begins, other->runs.n, sizeof(*begins), ptr_cmp);
		n += own[r] ? run->n : 0;
	}
	ret->v = calloc(n + 1, sizeof(*ret->v));
	for (r = 0; ret->v && n > 0 && r < plan->runs.n; r++) {
		for (i = 0; own[r] && i < plan->runs.v[r].n; i++)
			ret->v[ret->n++] = &plan->runs.v[r].v[i];
	}
	free(begins);
	free(own);
	return ret->n == n && ret->v ? 0 : -ENOMEM;
}

/* What both plans have in runs that are the same. */
static int note_shared(struct work *w)
{
	const struct hf_entry **begins = list_begins(w->to);
	size_t r, i;
	int rc = begins ? 0 : -ENOMEM;

	for (r = 0; rc == 0 && w->from && w->to && r < w->from->runs.n; r++) {
		const struct entry_run *run = &w->from->runs.v[r];

		if (!bsearch(&run->v, begins, w->to->runs.n, sizeof(*begins), ptr_cmp))
			continue;
		for (i = 0; run->inner && i < run->n && rc == 0; i++)
			rc = note_same(w, &run->v[i]);
		w->diff->n_keeps += run->inner ? 0 : run->n;
	}
	free(begins);
	return rc;
}

/* How many entries there may be to note. */
static size_t count_notes(const struct work *w)
{
	size_t n = w->old.n + w->new.n - 2 * (w->n_front + w->n_back), r, i;

	for (r = 0; w->from && r < w->from->runs.n; r++) {
		const struct entry_run *run = &w->from->runs.v[r];

		for (i = 0; run->inner && i < run->n; i++)
			n += is_found(w->from, &run->v[i]);
	}
	return n;
}

/* Finds what stays. */
static int match_plans(struct work *w)
{
	int rc = list_side(w->from, w->to, &w->old);
	size_t i;

	if (rc == 0)
		rc = list_side(w->to, w->from, &w->new);
	if (rc < 0)
		return rc;
	trim(w);
	take_pairs(w);
	w->changes = calloc(count_notes(w) + 1, sizeof(*w->changes));
	if (!w->changes)
		return -ENOMEM;
	rc = note_shared(w);
	for (i = 0; i < w->n_front && rc == 0; i++)
		rc = note_same(w, w->old.v[i]);
	for (; i < w->old.n - w->n_back && rc == 0; i++)
		rc = note(w, w->from, w->old.v[i], false);
	for (; i < w->old.n && rc == 0; i++)
		rc = note_same(w, w->old.v[i]);
	for (i = w->n_front; i < w->new.n - w->n_back &&rc == 0; i++)
		rc = note(w, w->to, w->new.v[i], false);
	for (i = 0; i < w->n; i++) {
		struct change *c = &w->changes[i];

		w->diff->n_keeps += c->kept;
		w->diff->n_adds += c->added;
		w->diff->n_deletes += !c->added && !c->kept;
	}
	return rc;
}

/* Marks those that have the key of another that changes. */
static void mark_collisions(struct work *w)
{
	struct change *other;
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct change *c = &w->changes[i];

		if (c->kept)
			continue;
		HASH_FIND(by_key, w->keys, &c->is, KEY_SIZE, other);
		if (other) {
			c->collides = other->collides = true;
			continue;
		}
		HASH_ADD(by_key, w->keys, is, KEY_SIZE, c);
		w->failed |= !c->by_key.tbl;
	}
}

static bool present(const struct work *w, const struct telling *t)
{
	const struct change *c;

	HASH_FIND(hh, w->index, t, sizeof(*t), c);
	return c != NULL;
}

/* Covers the match of a change, unless an entry that punts it so stands there or comes in time. */
static void cover(struct work *w, struct change *c)
{
	struct telling t = c->is;
	struct change *other;

	t.priority = 0;
	t.fate = HF_FATE_PUNT;
	t.jump = t.sets_tag = t.tag = t.tag_keep = 0;
	/* One does for both of a colliding pair. */
	HASH_FIND(by_cover, w->covers, &t, COVER_SIZE, other);
	if (other || present(w, &t))
		return;
	HASH_ADD(by_cover, w->covers, is, COVER_SIZE, c);
	w->failed |= !c->by_cover.tbl;
	c->covered = true;
	put_op(w, HF_DIFF_COVER, c);
}

static bool is_punt(const struct change *c)
{
	return c->is.fate == HF_FATE_PUNT;
}

/* Strongest first; in the order of the plans otherwise, so that the result is always the same. */
static int by_strength(const void *a, const void *b)
{
	const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;

	if (x->is.group != y->is.group)
		return x->is.group < y->is.group ? -1 : 1;
	if (x->is.priority != y->is.priority)
		return x->is.priority < y->is.priority ? -1 : 1;
	return x < y ? -1 : x > y;
}

struct sorted {
	size_t n;
	struct change **v;
};

/* Punts of tables with jumps that need no cover: they come first and go last. */
static bool is_shield(const struct change *c)
{
	return c->inner && is_punt(c) && !c->collides;
}

static void put_adds(struct work *w, const struct sorted *s, bool inner, bool shields)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct change *c = s->v[i];

		if (c->added && c->inner == inner && is_shield(c) == shields)
			put_op(w, HF_DIFF_ADD, c);
	}
}

static void put_deletes(
	struct work *w, const struct sorted *s, bool inner, bool shields, bool collisions)
{
	size_t i;

	for (i = s->n; i > 0; i--) {
		const struct change *c = s->v[i - 1];

		if (!c->added && c->inner == inner && is_shield(c) == shields &&
			c->collides == collisions)
			put_op(w, HF_DIFF_DELETE, c);
	}
}

static void put_uncovers(struct work *w)
{
	size_t i;

	for (i = w->n; i > 0; i--) {
		if (w->changes[i - 1].covered)
			put_op(w, HF_DIFF_UNCOVER, &w->changes[i - 1]);
	}
}

static void order_tables(struct work *w, const struct sorted *s)
{
	size_t i;

	put_adds(w, s, true, true);
	for (i = 0; i < s->n; i++) {
		if (s->v[i]->collides || (s->v[i]->inner && !is_punt(s->v[i])))
			cover(w, s->v[i]);
	}
	put_deletes(w, s, false, false, true);
	put_adds(w, s, false, false);
	/* Jumps after what they lead to, and gone before it. */
	put_deletes(w, s, true, false, true);
	put_deletes(w, s, true, false, false);
	put_adds(w, s, true, false);
	put_deletes(w, s, false, false, false);
	put_uncovers(w);
	put_deletes(w, s, true, true, false);
}

/* In the plans' own order: what is jumped to comes before the jumps and goes after them. */
static void order_simple(struct work *w)
{
	size_t i;

	for (i = w->n; i > 0; i--) {
		if (!w->changes[i - 1].added && !w->changes[i - 1].kept)
			put_op(w, HF_DIFF_DELETE, &w->changes[i - 1]);
	}
	for (i = 0; i < w->n; i++) {
		if (w->changes[i].added)
			put_op(w, HF_DIFF_ADD, &w->changes[i]);
	}
}

static void order_covered(struct work *w)
{
	const struct change *root = NULL;
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (w->changes[i].is.group == 0 && w->changes[i].is.fate == HF_FATE_JUMP)
			root = &w->changes[i];
	}
	put_op(w, HF_DIFF_COVER, root);
	order_simple(w);
	put_op(w, HF_DIFF_UNCOVER, root);
	w->diff->covers_all = true;
}

static void measure_peak(struct work *w)
{
	struct hf_diff *d = w->diff;
	size_t now = d->n_keeps + d->n_deletes, i;

	d->peak = now;
	for (i = 0; i < d->ops.n; i++) {
		if (d->ops.v[i].kind == HF_DIFF_ADD || d->ops.v[i].kind == HF_DIFF_COVER)
			now++;
		else
			now--;
		if (now > d->peak)
			d->peak = now;
	}
}

static int order_careful(struct work *w)
{
	struct sorted s = {.v = calloc(w->n + 1, sizeof(*s.v))};
	size_t i;

	if (!s.v)
		return -ENOMEM;
	for (i = 0; i < w->n; i++) {
		if (!w->changes[i].kept)
			s.v[s.n++] = &w->changes[i];
	}
	qsort(s.v, s.n, sizeof(*s.v), by_strength);
	order_tables(w, &s);
	free(s.v);
	return 0;
}

static bool has_tables(const struct hf_plan *plan)
{
	return plan && plan->n_tables > 1 && plan->n_entries > 0;
}

static int order(struct work *w, const struct hf_diff_opts *opts)
{
	int rc;

	/* From and to nothing the root jump is the one operation that switches. */
	if (!has_tables(w->from) || !has_tables(w->to)) {
		order_simple(w);
		measure_peak(w);
		return 0;
	}
	mark_collisions(w);
	rc = order_careful(w);
	measure_peak(w);
	if (rc == 0 && opts && opts->capacity && w->diff->peak > opts->capacity &&
		w->diff->ops.n > 0) {
		w->diff->ops.n = 0;
		order_covered(w);
		measure_peak(w);
	}
	return rc;
}

static int build(struct work *w, const struct hf_diff_opts *opts)
{
	int rc = match_plans(w);

	if (rc == 0) {
		mark_inner(w);
		rc = order(w, opts);
	}
	HASH_CLEAR(by_cover, w->covers);
	HASH_CLEAR(by_key, w->keys);
	HASH_CLEAR(hh, w->index);
	free(w->changes);
	free(w->old.v);
	free(w->new.v);
	return w->failed ? -ENOMEM : rc;
}

int hf_diff_build(const struct hf_plan *from, const struct hf_plan *to,
	const struct hf_diff_opts *opts, struct hf_diff **ret, struct hf_err *err)
{
	struct work w = {.from = from, .to = to};
	int rc;

	if (from && to && (strcmp(from->nic, to->nic) != 0 || strcmp(from->iface, to->iface) != 0))
		return hf_fail(err, -EINVAL, "plans of %s on %s and %s on %s have no difference",
			from->iface, from->nic, to->iface, to->nic);
	w.diff = calloc(1, sizeof(*w.diff));
	rc = w.diff ? build(&w, opts) : -ENOMEM;
	if (rc < 0) {
		hf_diff_free(w.diff);
		return hf_fail(err, rc, "diff: out of memory");
	}
	*ret = w.diff;
	return 0;
}

void hf_diff_free(struct hf_diff *diff)
{
	if (!diff)
		return;
	hf_vec_fini(&diff->ops);
	free(diff);
}

size_t hf_diff_n_adds(const struct hf_diff *diff)
{
	return diff->n_adds;
}

size_t hf_diff_n_deletes(const struct hf_diff *diff)
{
	return diff->n_deletes;
}

size_t hf_diff_n_keeps(const struct hf_diff *diff)
{
	return diff->n_keeps;
}

size_t hf_diff_n_ops(const struct hf_diff *diff)
{
	return diff->ops.n;
}

const struct hf_diff_op *hf_diff_op(const struct hf_diff *diff, size_t i)
{
	return &diff->ops.v[i];
}

size_t hf_diff_peak(const struct hf_diff *diff)
{
	return diff->peak;
}

bool hf_diff_covers_all(const struct hf_diff *diff)
{
	return diff->covers_all;
}

const char *hf_diff_kind_name(enum hf_diff_kind kind)
{
	static const char *const names[] = {
		[HF_DIFF_ADD] = "add",
		[HF_DIFF_DELETE] = "delete",
		[HF_DIFF_COVER] = "cover",
		[HF_DIFF_UNCOVER] = "uncover",
	};

	return names[kind];
}
