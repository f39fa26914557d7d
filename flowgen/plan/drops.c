/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lowering to drops alone, for NICs with masks whose kernel is the fallback (mlx5), and for those
 * that cannot tell software what they have allowed (ice's switch).
 *
 * Nothing beyond group 0 can be handed back to the kernel, and in group 0 only what misses is; the
 * others have few priorities. So an earlier rule that allows has no entry in front: it is cut out
 * of those that deny. What is
 * left are cubes for which policy says DENY whatever is hidden; their order does not matter, and
 * neither does it that some overlap.
 *
 * Of a rule that denies new packets alone, those packets are dropped that can only open a
 * connection (TCP by its flags, ICMP queries).
 */

#include "build.h"
#include "spell.h"

#include "rules/algebra.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_MAX 1024	     /* of one cube of a rule, before it is spelled */
#define WORK_MAX   100000000 /* comparisons of a plan: a second or so; then the rest is left */
#define CUBE_WORK  4000000   /* of one cube of a rule */

/* A cube of a rule that holds for every path, so that it need not be looked at again. */
struct done {
	size_t before; /* of the same origin: its index and one; 0: none */
	struct cube cube;
};

struct nets {
	bool known;
	int rc; /* -E2BIG: too many */
	size_t n;
	struct hf_prefix *v;
};

struct drops {
	struct builder *b;
	struct sight_host host;
	HF_VEC(struct done) done;
	struct spell_book book;
	size_t *last;	   /* done of an origin: index and one */
	struct nets *nets; /* by path and family */
	size_t work;
	size_t limit; /* of the work, for this cube */
};

/* What becomes of one cube of a rule. */
struct parts {
	struct cubes opening;  /* denied, if the packet opens a connection */
	struct cubes certain;  /* denied whatever the state */
	enum hf_reason reason; /* why not all of it; HF_REASON_NONE: all */
	bool elsewhere;	       /* other paths decide otherwise for most of it */
};

static void note(enum hf_reason *reason, enum hf_reason why)
{
	if (!*reason)
		*reason = why;
}

/* Cubes that have not come to the end of a list of items. */
struct todo {
	struct cube cube;
	size_t at;
};
typedef HF_VEC(struct todo) todo_list;

static int push_later(todo_list *todo, const struct cube *cube, const struct cube *hole, size_t at)
{
	struct cubes left = {0};
	int rc = hf_cube_minus(cube, hole, &left);
	size_t i;

	for (i = 0; i < left.n && rc == 0; i++) {
		struct todo t = {left.v[i], at};

		rc = hf_vec_push(todo, t) ? -ENOMEM : 0;
	}
	hf_cubes_fini(&left);
	return rc < 0 ? rc : todo->n > PIECES_MAX ? -E2BIG : 0;
}

/* A question to the items of a path: what of a cube do they deny in a state? */
struct question {
	struct drops *d;
	const struct items *items;
	uint8_t state;
	size_t own;   /* what an item before this one denies is that item's; 0: it counts as well */
	bool changed; /* not all of it */
};

static int ask_on(struct question *q, const struct todo *t, todo_list *todo, struct cubes *out)
{
	size_t i;

	for (i = t->at; i < q->items->n; i++) {
		const struct item *item = &q->items->v[i];

		if (++q->d->work > q->d->limit)
			return -E2BIG;
		if (!(item->ct & q->state) || !hf_cube_meets(&item->cube, &t->cube))
			continue;
		if (item->fate != HF_FATE_DENY) {
			q->changed = true;
			return push_later(todo, &t->cube, &item->cube, i + 1);
		}
		if (hf_cube_covers(&item->cube, &t->cube))
			return i < q->own ? 0 : hf_cubes_push(out, &t->cube);
	}
	q->changed = true;
	return 0;
}

/* Leaves of the list what the answer is. */
static int ask(struct question *q, struct cubes *list)
{
	todo_list todo = {0};
	struct cubes out = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < list->n && rc == 0; i++) {
		struct todo t = {list->v[i], 0};

		rc = hf_vec_push(&todo, t) ? -ENOMEM : 0;
		while (todo.n && rc == 0) {
			t = todo.v[--todo.n];
			rc = ask_on(q, &t, &todo, &out);
			if (rc == 0 && out.n > PIECES_MAX)
				rc = -E2BIG;
		}
	}
	hf_vec_fini(&todo);
	hf_cubes_fini(list);
	*list = out;
	return rc;
}

static int ask_states(struct drops *d, const struct items *items, const uint8_t *states, size_t n,
	struct cubes *list, bool *changed)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		struct question q = {.d = d, .items = items, .state = states[i]};

		if (!(items->seen & states[i]))
			continue;
		rc = ask(&q, list);
		*changed |= q.changed;
	}
	return rc;
}

/* What an opening packet can be, and what any other can be beside that. */
static const uint8_t opening_states[] = {HF_CT_BIT(HF_CT_NEW), HF_CT_BIT(HF_CT_INVALID)};
static const uint8_t other_states[] = {HF_CT_BIT(HF_CT_ESTABLISHED), HF_CT_BIT(HF_CT_RELATED)};

/* Cuts out what services may rewrite. */
static int cut_rewritten(struct drops *d, struct cubes *list, enum hf_reason *reason)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; i < hf_rules_n_dnats(d->b->rules) && rc == 0; i++) {
		const struct hf_dnat *dnat = hf_rules_dnat(d->b->rules, i);
		struct cube c = hf_cube_all(dnat->addr.family);
		struct cubes out = {0};
		bool met = false;

		c.dst = (struct hf_prefix){dnat->addr, (uint8_t)hf_addr_bits(&dnat->addr)};
		if (dnat->proto) {
			hf_protos_only(c.proto, dnat->proto);
			c.dport = (struct hf_ports){dnat->port, dnat->port};
		}
		if ((d->work += list->n) > d->limit)
			return -E2BIG;
		for (k = 0; k < list->n && !met; k++)
			met = hf_cube_meets(&list->v[k], &c);
		if (!met)
			continue;
		note(reason, HF_REASON_DNAT);
		for (k = 0; k < list->n && rc == 0; k++)
			rc = out.n > PIECES_MAX ? -E2BIG : hf_cube_minus(&list->v[k], &c, &out);
		hf_cubes_fini(list);
		*list = out;
	}
	return rc;
}

static int copy_cubes(const struct cubes *from, struct cubes *to)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < from->n && rc == 0; i++)
		rc = hf_cubes_push(to, &from->v[i]);
	return rc;
}

/* How much of all packets, roughly. */
static double volume(const struct cubes *list)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct cube *c = &list->v[i];

		sum += ldexp((c->sport.hi - c->sport.lo + 1.0) * (c->dport.hi - c->dport.lo + 1.0) *
				     hf_protos_count(c->proto),
			-(c->src.len + c->dst.len));
	}
	return sum;
}

static int ask_other(struct drops *d, const struct items *items, struct parts *parts, bool *changed)
{
	int rc = ask_states(d, items, opening_states, 2, &parts->opening, changed);

	if (rc == 0)
		rc = ask_states(d, items, opening_states, 2, &parts->certain, changed);
	if (rc == 0)
		rc = ask_states(d, items, other_states, 2, &parts->certain, changed);
	return rc;
}

/* Item i of path p within p->opening, which is taken over; everywhere: whatever path packets take.
 */
static int find_parts(struct drops *d, size_t p, unsigned int family, size_t i, bool everywhere,
	struct parts *parts)
{
	const struct items *items = &d->host.paths[p].items[family];
	struct question mine = {.d = d, .items = items, .state = HF_CT_BIT(HF_CT_NEW), .own = i};
	bool invalid = false, stateful = false, others = false;
	double before;
	size_t k;
	int rc = cut_rewritten(d, &parts->opening, &parts->reason);

	if (rc == 0)
		rc = ask(&mine, &parts->opening);
	if (rc == 0)
		rc = ask_states(d, items, &opening_states[1], 1, &parts->opening, &invalid);
	if (rc == 0)
		rc = copy_cubes(&parts->opening, &parts->certain);
	if (rc == 0)
		rc = ask_states(d, items, other_states, 2, &parts->certain, &stateful);
	if (invalid || stateful)
		note(&parts->reason, HF_REASON_STATEFUL);
	before = volume(&parts->opening) + volume(&parts->certain);
	for (k = 0; k < d->host.n_paths && everywhere && rc == 0; k++) {
		if (k != p)
			rc = ask_other(d, &d->host.paths[k].items[family], parts, &others);
	}
	if (others)
		note(&parts->reason, HF_REASON_OVERLAP);
	parts->elsewhere = volume(&parts->opening) + volume(&parts->certain) < before / 2;
	return rc;
}

static void drop_parts(struct parts *parts)
{
	hf_cubes_fini(&parts->opening);
	hf_cubes_fini(&parts->certain);
	*parts = (struct parts){0};
}

/* Adds what has a destination as its longest prefix. */
static int add_nets(struct drops *d, const struct hf_prefix *net, struct nets *ret)
{
	size_t n = hf_rules_n_dests(d->b->rules), n_holes = 0, i;
	struct hf_prefix *holes = calloc(n + 1, sizeof(*holes));
	struct hf_prefix *v = reallocarray(ret->v, ret->n + PIECES_MAX, sizeof(*v));
	int rc = -ENOMEM;

	if (v)
		ret->v = v;
	for (i = 0; i < n && v && holes; i++) {
		const struct hf_prefix *other = &hf_rules_dest(d->b->rules, i)->net;

		if (other->len > net->len && hf_prefix_covers(net, other))
			holes[n_holes++] = *other;
	}
	d->work += n;
	if (v && holes)
		rc = hf_prefix_subtract(net, holes, n_holes, v + ret->n, PIECES_MAX);
	free(holes);
	if (rc < 0)
		return rc;
	ret->n += (size_t)rc;
	return ret->n > PIECES_MAX || d->work > WORK_MAX ? -E2BIG : 0;
}

/* The destinations that go by a path, found when they are first asked for. */
static int find_nets(struct drops *d, size_t p, unsigned int family)
{
	struct nets *nets = &d->nets[2 * p + family];
	const struct sight_path *path = &d->host.paths[p];
	size_t i;

	for (i = 0; i < hf_rules_n_dests(d->b->rules) && !nets->known && nets->rc == 0; i++) {
		const struct hf_dest *dest = hf_rules_dest(d->b->rules, i);

		if (dest->class == path->class && dest->out == path->out &&
			dest->net.addr.family == (family ? 6 : 4))
			nets->rc = add_nets(d, &dest->net, nets);
	}
	nets->known = true;
	return nets->rc;
}

/* What of a cube goes by a path. */
static int push_by_path(struct drops *d, size_t p, const struct cube *cube, struct cubes *out)
{
	const struct nets *nets = &d->nets[2 * p + (cube->family == 6)];
	int rc = find_nets(d, p, cube->family == 6);
	struct cube c = *cube;
	size_t i;

	for (i = 0; i < nets->n && rc == 0; i++) {
		if (hf_prefix_intersect(&cube->dst, &nets->v[i], &c.dst))
			rc = hf_cubes_push(out, &c);
	}
	d->work += nets->n;
	return rc;
}

static bool is_done(const struct drops *d, const struct item *item)
{
	size_t i;

	for (i = d->last[item->origin]; i > 0; i = d->done.v[i - 1].before) {
		if (hf_cube_covers(&d->done.v[i - 1].cube, &item->cube))
			return true;
	}
	return false;
}

/* Tries item i for all paths at once; else for the destinations of its own. */
static int lower_deny(struct drops *d, size_t p, unsigned int family, size_t i)
{
	const struct item *item = &d->host.paths[p].items[family].v[i];
	struct parts parts = {0};
	struct done done = {d->last[item->origin], item->cube};
	bool whole;
	int rc;

	if (is_done(d, item))
		return 0;
	d->limit = d->work + CUBE_WORK < WORK_MAX ? d->work + CUBE_WORK : WORK_MAX;
	rc = hf_cubes_push(&parts.opening, &item->cube);
	if (rc == 0)
		rc = find_parts(d, p, family, i, true, &parts);
	whole = rc == 0 && !parts.elsewhere;
	if (whole)
		rc = hf_vec_push(&d->done, done) ? -ENOMEM : 0;
	if (whole && rc == 0)
		d->last[item->origin] = d->done.n;
	if (rc == -ENOMEM || whole)
		goto out;
	drop_parts(&parts);
	rc = push_by_path(d, p, &item->cube, &parts.opening);
	if (rc == 0)
		rc = find_parts(d, p, family, i, false, &parts);
out:
	if (rc == 0)
		rc = hf_spell_drops(&d->book, item, &parts.certain, &parts.opening, parts.reason);
	drop_parts(&parts);
	return rc == -E2BIG ? hf_spell_miss(&d->book, item->origin, HF_REASON_EXPANSION, HF_F_MAX_)
			    : rc;
}

/* Whether what is established and meets item i has been let pass, and the NIC does not see what
 * opens a connection: then cutting would be for nothing. */
static bool is_beyond(const struct drops *d, const struct items *items, size_t i)
{
	const uint8_t *fields = d->b->engine->field;
	size_t k;

	if (fields[HF_F_TCP_FLAGS] != HF_MASK_NONE || fields[HF_F_ICMP_TYPE] != HF_MASK_NONE ||
		fields[HF_F_ICMP6_TYPE] != HF_MASK_NONE)
		return false;
	for (k = 0; k < items->n_guards && items->guards[k] < i; k++) {
		const struct item *guard = &items->v[items->guards[k]];

		if (guard->ct & HF_CT_BIT(HF_CT_ESTABLISHED) && guard->fate != HF_FATE_DENY &&
			hf_cube_covers(&guard->cube, &items->v[i].cube))
			return true;
	}
	return false;
}

static int lower_item(struct drops *d, size_t p, unsigned int family, size_t i)
{
	const struct items *items = &d->host.paths[p].items[family];
	const struct item *item = &items->v[i];
	enum hf_reason reason = HF_REASON_CARRIER;

	if (d->b->items.fallback == HF_FALLBACK_KERNEL)
		reason = HF_REASON_KERNEL;
	if (item->fate == HF_FATE_DENY && is_beyond(d, items, i))
		return hf_spell_miss(&d->book, item->origin, HF_REASON_STATEFUL, HF_F_MAX_);
	if (item->fate == HF_FATE_DENY && item->ct & HF_CT_BIT(HF_CT_NEW))
		return lower_deny(d, p, family, i);
	if (item->fate == HF_FATE_DENY)
		reason = HF_REASON_STATEFUL;
	else if (item->fate == HF_FATE_PUNT)
		reason = item->reason;
	return hf_spell_miss(&d->book, item->origin, reason, HF_F_MAX_);
}

/* A rule that has got nothing, and misses nothing: those before it deny all that it would. */
static int tally_shadowed(const struct drops *d)
{
	size_t n = hf_rules_n_origins(d->b->rules), p, i;
	bool *has = calloc(n + 1, sizeof(*has));
	unsigned int f;

	if (!has)
		return -ENOMEM;
	for (i = 0; i < d->b->entries.n; i++)
		has[d->b->entries.v[i].origin] = true;
	for (p = 0; p < d->host.n_paths; p++) {
		for (f = 0; f < 2; f++) {
			const struct items *items = &d->host.paths[p].items[f];

			for (i = 0; i < items->n; i++) {
				uint32_t origin = items->v[i].origin;

				if (!has[origin] && !d->b->tallies[origin].reached)
					hf_build_miss(d->b, origin, HF_REASON_SHADOWED, HF_F_MAX_);
			}
		}
	}
	free(has);
	return 0;
}

static int lower_items(struct drops *d, size_t p, unsigned int family)
{
	const struct items *items = &d->host.paths[p].items[family];
	size_t i;
	int rc = 0;

	hf_build_miss_lost(d->b, items, HF_REASON_CAPACITY);
	if (hf_build_has_vlan(d->b)) {
		hf_build_miss_items(d->b, items, HF_REASON_VLAN);
		return 0;
	}
	for (i = 0; i < items->n && rc == 0; i++)
		rc = lower_item(d, p, family, i);
	return rc;
}

static void drops_fini(struct drops *d)
{
	size_t i;

	for (i = 0; d->nets && i < 2 * d->host.n_paths; i++)
		free(d->nets[i].v);
	hf_sight_fini(&d->host);
	hf_spell_fini(&d->book);
	hf_vec_fini(&d->done);
	free(d->last);
	free(d->nets);
}

int hf_lower_drops(struct builder *b)
{
	size_t n = hf_rules_n_origins(b->rules) + 1, p;
	struct drops d = {.b = b};
	int rc = hf_build_table(b, "drops");

	if (rc == 0)
		rc = hf_sight_init(&d.host, b->rules, b->in, &b->items);
	if (rc == 0)
		rc = hf_spell_init(&d.book, b);
	d.last = calloc(n, sizeof(*d.last));
	d.nets = calloc(2 * d.host.n_paths + 1, sizeof(*d.nets));
	if (!d.last || !d.nets)
		rc = -ENOMEM;
	for (p = 0; p < d.host.n_paths && rc == 0; p++) {
		rc = lower_items(&d, p, 0);
		if (rc == 0)
			rc = lower_items(&d, p, 1);
	}
	if (rc == 0)
		rc = hf_spell_emit(&d.book);
	if (rc == 0)
		rc = tally_shadowed(&d);
	drops_fini(&d);
	return rc;
}
