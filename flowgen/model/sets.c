/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Selectors, named ports and services as sets of addresses; docs/semantics.md 11.3, 11.6. A set is
 * made once however many rules ask for it: the key is the canonical text of what it stands for.
 */

#include "model/build.h"

#include <hepflow/base/id.h>

#include <errno.h>
#include <string.h>

#define NOTE_SIZE 512

struct collect {
	HF_VEC(struct hf_prefix) nets;
	HF_VEC(struct hf_member) members;
	HF_VEC(uint64_t) from; /* ids of the objects */
	bool loud;	       /* somebody is to be told */
};

static void collect_fini(struct collect *c)
{
	hf_vec_fini(&c->nets);
	hf_vec_fini(&c->members);
	hf_vec_fini(&c->from);
}

static int cmp_prefix(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

static int cmp_member(const void *a, const void *b)
{
	return hf_member_cmp(a, b);
}

static int cmp_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* IPv4 alone as numbers: several times as fast. false: not done. */
static bool sort_ip4(struct hf_prefix *v, size_t n)
{
	uint64_t *numbers;
	size_t i, k;

	for (i = 0; i < n && v[i].addr.family == 4; i++)
		;
	numbers = i == n ? malloc(n * sizeof(*numbers)) : NULL;
	if (!numbers)
		return false;
	for (i = 0; i < n; i++) {
		for (k = numbers[i] = 0; k < 4; k++)
			numbers[i] = numbers[i] << 8 | v[i].addr.b[k];
		numbers[i] = numbers[i] << 8 | v[i].len;
	}
	qsort(numbers, n, sizeof(*numbers), cmp_number);
	for (i = 0; i < n; i++) {
		v[i].len = (uint8_t)numbers[i];
		for (k = 0; k < 4; k++)
			v[i].addr.b[k] = (uint8_t)(numbers[i] >> (32 - 8 * k));
	}
	free(numbers);
	return true;
}

/* In sorted order a covering prefix stands right before all it covers. */
size_t hf_sets_pack(struct hf_prefix *v, size_t n)
{
	size_t i, kept = 0;

	if (n && !sort_ip4(v, n))
		qsort(v, n, sizeof(*v), cmp_prefix);
	for (i = 0; i < n; i++) {
		if (!kept || !hf_prefix_covers(&v[kept - 1], &v[i]))
			v[kept++] = v[i];
	}
	return kept;
}

static size_t pack_members(struct hf_member *v, size_t n)
{
	size_t i, kept = 0;

	if (n)
		qsort(v, n, sizeof(*v), cmp_member);
	for (i = 0; i < n; i++) {
		if (!kept || hf_member_cmp(&v[kept - 1], &v[i]) != 0)
			v[kept++] = v[i];
	}
	return kept;
}

/* Whom the answer is from, sorted. */
static int keep_from(struct hf_set_note *note, const struct collect *c)
{
	if (c->from.n)
		qsort(c->from.v, c->from.n, sizeof(*c->from.v), cmp_number);
	note->from = hf_arena_dup(note->arena, c->from.v, c->from.n * sizeof(*c->from.v));
	note->n_from = c->from.n;
	return note->from ? 0 : -1;
}

static bool same_set(const struct hf_set *a, const struct hf_set *b)
{
	size_t i;

	if (a->n_nets != b->n_nets || a->n_members != b->n_members)
		return false;
	for (i = 0; i < a->n_nets; i++) {
		if (!hf_prefix_equal(&a->nets[i], &b->nets[i]))
			return false;
	}
	for (i = 0; i < a->n_members; i++) {
		if (hf_member_cmp(&a->members[i], &b->members[i]) != 0)
			return false;
	}
	return true;
}

/* The set in memory of its own, or that of the note before, if it is the same. */
static int keep_set(
	struct hf_set_note *note, const struct hf_set *set, const struct hf_set_note *before)
{
	struct hf_set *own = &note->set;

	if (before && same_set(set, &before->set) && strcmp(set->name, before->set.name) == 0) {
		note->set = before->set;
		note->id = before->id;
		note->set_arena = before->set_arena;
		return hf_arena_keep(note->arena, note->set_arena);
	}
	note->set_arena = hf_arena_new_small(set->n_nets * sizeof(*set->nets) + 64);
	if (!note->set_arena || hf_arena_keep(note->arena, note->set_arena) < 0) {
		hf_arena_free(note->set_arena);
		return -1;
	}
	hf_arena_free(note->set_arena); /* the note's arena has it */
	*own = *set;
	own->name = hf_arena_strdup(note->set_arena, set->name);
	own->nets = hf_arena_dup(note->set_arena, set->nets, set->n_nets * sizeof(*set->nets));
	own->members =
		hf_arena_dup(note->set_arena, set->members, set->n_members * sizeof(*set->members));
	note->id = hf_id_new();
	return own->name && own->nets && own->members ? 0 : -1;
}

/* In memory of its own, which the model keeps. NULL: out of memory. */
static struct hf_set_note *new_note(struct hf_build *b)
{
	struct hf_arena *arena = hf_arena_new_small(NOTE_SIZE);
	struct hf_set_note *note = arena ? hf_arena_alloc(arena, sizeof(*note)) : NULL;

	if (!note || hf_arena_keep(b->m->arena, arena) < 0) {
		hf_arena_free(arena);
		return NULL;
	}
	hf_arena_free(arena); /* the model has it */
	note->arena = arena;
	return note;
}

/* Puts what was collected where the ask's set is, or where a new one comes. */
static int set_put(struct hf_build *b, const struct hf_ask *ask, struct collect *c, uint32_t *at)
{
	const struct hf_set_note *before = *at == HF_NO_SET ? NULL : b->sets.v[*at].note;
	struct hf_set set = {
		.name = ask->name,
		.n_nets = hf_sets_pack(c->nets.v, c->nets.n),
		.nets = c->nets.v,
		.n_members = pack_members(c->members.v, c->members.n),
		.members = c->members.v,
	};
	struct hf_set_note *note = new_note(b);
	struct hf_set_entry entry = {.note = note, .used = true, .fresh = true};

	if (!note || keep_set(note, &set, before) < 0 || keep_from(note, c) < 0 ||
		hf_ask_copy(b, note, ask) < 0)
		return hf_build_oom(b);
	/* A scope that could not be copied cannot be asked again, either. */
	note->loud = c->loud || (ask->scope && !note->ask.scope) ||
		     (ask->kind != HF_ASK_IPSETS && set.n_nets + set.n_members == 0);
	b->n_set_items += set.n_nets + set.n_members;
	if (b->n_set_items > HF_MODEL_TOTAL_MAX)
		return hf_fail(b->err, -E2BIG, "%s: all sets together have more than %u members",
			b->where, HF_MODEL_TOTAL_MAX);
	if (*at == HF_NO_SET) {
		*at = (uint32_t)b->sets.n;
		return hf_vec_push(&b->sets, entry) ? hf_build_oom(b) : 0;
	}
	b->sets.v[*at] = entry;
	return 0;
}

static int too_large(struct hf_build *b, const char *name)
{
	return hf_fail(b->err, -E2BIG, "%s: the set of '%s' has more than %u members", b->where,
		name, HF_MODEL_MEMBERS_MAX);
}

/* docs/semantics.md 8: expectedIPs only, so that one without them is invisible as a peer. */
static int warn_invisible(
	struct hf_build *b, struct hf_subject *s, const char *what, struct collect *c)
{
	if (s->kind != HF_SUBJECT_HEP || s->nets.n)
		return 0;
	c->loud = true;
	if (b->quiet || s->warned)
		return 0;
	s->warned = true;
	return hf_warn_meta(b, "hep-no-expected-ips", s->meta,
		"host endpoint '%s' has no expectedIPs, so the rule at %s that selects it with "
		"'%s' does not know its addresses",
		s->meta->name, b->where, what);
}

static int push_nets(
	struct hf_build *b, struct hf_subject *s, const struct hf_ask *ask, struct collect *c)
{
	size_t i;
	int rc = warn_invisible(b, s, ask->name, c);

	if (rc < 0)
		return rc;
	for (i = 0; i < s->nets.n; i++) {
		if (hf_vec_push(&c->nets, s->nets.v[i]))
			return hf_build_oom(b);
	}
	return 0;
}

static int push_ports(
	struct hf_build *b, const struct hf_subject *s, const struct hf_ask *ask, struct collect *c)
{
	struct hf_member m;
	size_t i, k;

	for (i = 0; i < s->ports.n; i++) {
		if (strcmp(s->ports.v[i].name, ask->port) != 0)
			continue;
		if (ask->proto >= 0 && s->ports.v[i].proto != ask->proto)
			continue;
		for (k = 0; k < s->nets.n; k++) {
			m = (struct hf_member){
				s->nets.v[k].addr, s->ports.v[i].proto, s->ports.v[i].port};
			if (hf_vec_push(&c->members, m))
				return hf_build_oom(b);
		}
	}
	return 0;
}

/* What one whom the ask's scope has adds. */
static int push_subject(
	struct hf_build *b, struct hf_subject *s, const struct hf_ask *ask, struct collect *c)
{
	int rc = ask->kind == HF_ASK_PORT ? push_ports(b, s, ask, c) : push_nets(b, s, ask, c);

	if (rc == 0 && hf_vec_push(&c->from, s->meta->id))
		rc = hf_build_oom(b);
	if (rc == 0 && c->nets.n + c->members.n > HF_MODEL_MEMBERS_MAX)
		rc = too_large(b, ask->kind == HF_ASK_PORT ? ask->port : ask->name);
	return rc;
}

static int collect_scope(struct hf_build *b, const struct hf_ask *ask, struct collect *c)
{
	struct hf_pick pick;
	size_t i;
	int rc = hf_index_pick(b, ask->scope, &pick);

	for (i = 0; rc == 0 && i < pick.n; i++) {
		struct hf_subject *s = hf_index_at(b, &pick, i);

		if ((ask->kind == HF_ASK_NETS || s->ports.n) && hf_scope_has(ask->scope, s))
			rc = push_subject(b, s, ask, c);
	}
	return rc;
}

/*
 * The same, of a set that was collected for the model before: those it had who are still there, and
 * those who have come.
 */
static int collect_changed(struct hf_build *b, const struct hf_set_note *note, struct collect *c)
{
	const struct hf_news *news = &b->news;
	struct hf_subject *s;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < note->n_from; i++) {
		s = hf_news_gone(news, note->from[i]) ? NULL : hf_scope_find(b, note->from[i]);
		if (s)
			rc = push_subject(b, s, &note->ask, c);
	}
	for (i = 0; rc == 0 && i < news->n_came; i++) {
		s = hf_scope_find(b, news->came[i]);
		if (s && (note->ask.kind == HF_ASK_NETS || s->ports.n) &&
			hf_scope_has(note->ask.scope, s))
			rc = push_subject(b, s, &note->ask, c);
	}
	return rc;
}

static int push_slice_endpoint(
	struct collect *c, const struct hf_slice_obj *slice, const struct hf_addr *addr, bool ports)
{
	struct hf_prefix net = {*addr, (uint8_t)hf_addr_bits(addr)};
	struct hf_member m;
	size_t i;

	if (!ports)
		return hf_vec_push(&c->nets, net);
	for (i = 0; i < slice->n_ports; i++) {
		if (!slice->ports[i].port)
			continue; /* a slice may leave the number out: then no port is known */
		m = (struct hf_member){*addr, slice->ports[i].proto, slice->ports[i].port};
		if (hf_vec_push(&c->members, m))
			return -1;
	}
	return 0;
}

/* Every address of the slice, ready or not: readiness steers traffic, it grants nothing. */
static int collect_slice(struct hf_build *b, const struct hf_slice_obj *slice,
	const struct hf_ask *ask, struct collect *c)
{
	size_t i, k;

	if (hf_vec_push(&c->from, slice->meta.id))
		return hf_build_oom(b);
	for (i = 0; i < slice->n_endpoints; i++) {
		const struct hf_addrs *addrs = &slice->endpoints[i].addrs;

		for (k = 0; k < addrs->n; k++) {
			if (push_slice_endpoint(c, slice, &addrs->v[k], ask->ports))
				return hf_build_oom(b);
		}
		if (c->members.n + c->nets.n > HF_MODEL_MEMBERS_MAX)
			return too_large(b, ask->service);
	}
	return 0;
}

static int collect_service(struct hf_build *b, const struct hf_ask *ask, struct collect *c)
{
	const char *ns = ask->ns ? ask->ns : "";
	size_t i;
	int rc = hf_build_work(b, b->objs->slice.n, b->where);

	for (i = 0; rc == 0 && i < b->objs->slice.n; i++) {
		const struct hf_slice_obj *s = &b->objs->slice.v[i];

		if (s->service && strcmp(s->service, ask->service) == 0 &&
			strcmp(s->meta.ns ? s->meta.ns : "", ns) == 0)
			rc = collect_slice(b, s, ask, c);
	}
	return rc;
}

static const struct hf_ipset_obj *ipset_of(struct hf_build *b, const char *id)
{
	const struct hf_ipset_obj *obj = HF_BUILD_FIND(b->objs->ipset, NULL, id);

	if (!obj)
		(void)hf_fail(b->err, -EINVAL, "%s: set '%.64s' is not known", b->where, id);
	return obj;
}

static int collect_ipset(struct hf_build *b, const struct hf_ipset_obj *obj, struct collect *c)
{
	size_t i;

	if (hf_vec_push(&c->from, obj->meta.id))
		return hf_build_oom(b);
	for (i = 0; i < obj->nets.n; i++) {
		if (hf_vec_push(&c->nets, obj->nets.v[i]))
			return hf_build_oom(b);
	}
	for (i = 0; i < obj->n_members; i++) {
		if (hf_vec_push(&c->members, obj->members[i]))
			return hf_build_oom(b);
	}
	return 0;
}

/* Of two packed lists: two prefixes are disjoint, or the inner one is what they share. */
static int meet_nets(
	struct hf_build *b, const struct collect *a, const struct collect *c, struct collect *ret)
{
	size_t i = 0, k = 0;

	while (i < a->nets.n && k < c->nets.n) {
		const struct hf_prefix *x = &a->nets.v[i], *y = &c->nets.v[k], *inner = NULL;

		if (hf_prefix_covers(x, y))
			inner = y;
		else if (hf_prefix_covers(y, x))
			inner = x;
		if (inner && hf_vec_push(&ret->nets, *inner))
			return hf_build_oom(b);
		if (inner == y || (!inner && hf_prefix_cmp(x, y) > 0))
			k++;
		else
			i++;
	}
	return 0;
}

static int meet_members(
	struct hf_build *b, const struct collect *a, const struct collect *c, struct collect *ret)
{
	size_t i = 0, k = 0;
	int cmp;

	while (i < a->members.n && k < c->members.n) {
		cmp = hf_member_cmp(&a->members.v[i], &c->members.v[k]);
		if (cmp == 0 && hf_vec_push(&ret->members, a->members.v[i]))
			return hf_build_oom(b);
		i += cmp <= 0;
		k += cmp >= 0;
	}
	return 0;
}

static void pack(struct collect *c)
{
	c->nets.n = hf_sets_pack(c->nets.v, c->nets.n);
	c->members.n = pack_members(c->members.v, c->members.n);
}

/* What c has and the set as well; both packed. It is from all of them, also from who adds nothing.
 */
static int meet(struct hf_build *b, struct collect *c, const struct hf_ipset_obj *obj)
{
	struct collect other = {0}, both = {0};
	int rc = collect_ipset(b, obj, &other);

	pack(&other);
	if (rc == 0)
		rc = meet_nets(b, c, &other, &both);
	if (rc == 0)
		rc = meet_members(b, c, &other, &both);
	if (rc == 0 && hf_vec_push(&c->from, obj->meta.id))
		rc = hf_build_oom(b);
	collect_fini(&other);
	both.from.v = c->from.v;
	both.from.n = c->from.n;
	both.from.cap = c->from.cap;
	c->from.v = NULL;
	collect_fini(c);
	*c = both;
	return rc;
}

static int collect_resolved(struct hf_build *b, const struct hf_ask *ask, struct collect *c)
{
	const struct hf_ipset_obj *obj;
	size_t i;
	int rc = 0;

	for (i = 0; i < ask->ids.n && rc == 0; i++) {
		obj = ipset_of(b, ask->ids.v[i]);
		if (!obj)
			rc = -EINVAL;
		else if (i > 0 && ask->all)
			rc = meet(b, c, obj);
		else
			rc = collect_ipset(b, obj, c);
		if (rc == 0 && ask->all)
			pack(c);
	}
	return rc;
}

static int collect(struct hf_build *b, const struct hf_ask *ask, struct collect *c)
{
	switch (ask->kind) {
	case HF_ASK_NETS:
	case HF_ASK_PORT:
		return collect_scope(b, ask, c);
	case HF_ASK_SERVICE:
		return collect_service(b, ask, c);
	case HF_ASK_IPSETS:
		return collect_resolved(b, ask, c);
	}
	return 0;
}

/* Why the rule that asks never matches. */
static int warn_empty(struct hf_build *b, const struct hf_ask *ask)
{
	switch (ask->kind) {
	case HF_ASK_NETS:
		return hf_warn(b, "set-empty", b->where,
			"'%s' selects no address, so the rule never matches", ask->name);
	case HF_ASK_PORT:
		return hf_warn(b, "named-port-empty", b->where,
			"no endpoint with an address has %s, so it never matches", ask->key);
	case HF_ASK_SERVICE:
		return hf_warn(b, "service-empty", b->where,
			"no EndpointSlice says who is behind %s, so the rule never matches",
			ask->key);
	case HF_ASK_IPSETS:
		break;
	}
	return 0;
}

static int make_set(struct hf_build *b, const struct hf_ask *ask, bool positive, uint32_t *ret)
{
	struct collect c = {0};
	bool is_new;
	int rc = 0;

	if (!ask->name || !ask->key || hf_set_lookup(b, ask->key, ret) < 0)
		return hf_build_oom(b);
	if (*ret != HF_NO_SET && b->sets.v[*ret].fresh)
		return hf_set_asked(b, *ret);
	is_new = *ret == HF_NO_SET;
	rc = collect(b, ask, &c);
	if (rc == 0 && positive && c.nets.n + c.members.n == 0)
		rc = warn_empty(b, ask);
	if (rc == 0)
		rc = set_put(b, ask, &c, ret);
	if (rc == 0 && is_new)
		rc = hf_set_remember(b, *ret);
	if (rc == 0)
		rc = hf_set_asked(b, *ret);
	collect_fini(&c);
	return rc;
}

int hf_sets_refresh(struct hf_build *b, uint32_t at)
{
	const struct hf_set_note *note = b->sets.v[at].note;
	struct collect c = {0};
	int rc;

	if (!b->news.all && (note->ask.kind == HF_ASK_NETS || note->ask.kind == HF_ASK_PORT))
		rc = collect_changed(b, note, &c);
	else
		rc = collect(b, &note->ask, &c);
	if (rc == 0)
		rc = set_put(b, &note->ask, &c, &at);
	collect_fini(&c);
	return rc;
}

int hf_sets_scope(struct hf_build *b, const struct hf_scope *scope, bool positive, uint32_t *ret)
{
	const char *text = hf_scope_text(b, scope);
	struct hf_ask ask = {.kind = HF_ASK_NETS, .name = text, .scope = scope};

	ask.key = text ? hf_arena_printf(b->tmp, "selector %s", text) : NULL;
	return make_set(b, &ask, positive, ret);
}

int hf_sets_port(struct hf_build *b, const struct hf_scope *scope, const char *name, int proto,
	bool positive, uint32_t *ret)
{
	struct hf_ask ask = {.kind = HF_ASK_PORT, .scope = scope, .port = name, .proto = proto};
	const char *text = hf_scope_text(b, scope);
	char buf[12];
	const char *ptext = proto < 0 ? "any" : hf_proto_name((uint8_t)proto, buf);

	ask.key = text ? hf_arena_printf(
				 b->tmp, "port %s/%s%s%s", name, ptext, *text ? " of " : "", text)
		       : NULL;
	ask.name = ask.key;
	return make_set(b, &ask, positive, ret);
}

int hf_sets_service(struct hf_build *b, const char *ns, const char *name, bool ports, uint32_t *ret)
{
	struct hf_ask ask = {.kind = HF_ASK_SERVICE, .ns = ns, .service = name, .ports = ports};

	ask.key = hf_arena_printf(
		b->tmp, "service %s/%s%s", ns ? ns : "", name, ports ? "" : " addresses");
	ask.name = ask.key;
	return make_set(b, &ask, true, ret);
}

static int sets_resolved(struct hf_build *b, const struct hf_names *ids, bool all, uint32_t *ret)
{
	struct hf_ask ask = {.kind = HF_ASK_IPSETS, .name = ids->v[0], .ids = *ids, .all = all};
	size_t i;

	for (i = 1; i < ids->n && ask.name; i++)
		ask.name =
			hf_arena_printf(b->tmp, "%s %s %s", ask.name, all ? "&&" : "||", ids->v[i]);
	ask.key = ask.name ? hf_arena_printf(b->tmp, "ipset %s", ask.name) : NULL;
	return make_set(b, &ask, false, ret);
}

int hf_sets_all_of(struct hf_build *b, const struct hf_names *ids, uint32_t *ret)
{
	return sets_resolved(b, ids, true, ret);
}

int hf_sets_any_of(struct hf_build *b, const struct hf_names *ids, uint32_t *ret)
{
	return sets_resolved(b, ids, false, ret);
}

int hf_sets_nets(
	struct hf_build *b, const char *name, struct hf_prefix *take_v, size_t n, uint32_t *ret)
{
	const struct hf_ask ask = {.kind = HF_ASK_NETS, .name = name, .key = name};
	struct collect c = {.nets = {n, n, take_v}};
	int rc;

	*ret = hf_set_reserve(b);
	rc = set_put(b, &ask, &c, ret);
	collect_fini(&c);
	return rc;
}
