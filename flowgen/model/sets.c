/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Selectors, named ports and services as sets of addresses; docs/semantics.md 11.3, 11.6. A set is
 * made once however many rules ask for it: the key is the canonical text of what it stands for.
 */

#include "model/build.h"

#include <errno.h>
#include <string.h>

struct collect {
	HF_VEC(struct hf_prefix) nets;
	HF_VEC(struct hf_member) members;
};

static void collect_fini(struct collect *c)
{
	hf_vec_fini(&c->nets);
	hf_vec_fini(&c->members);
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

static int set_push(struct hf_build *b, const char *name, struct collect *c, uint32_t *ret)
{
	struct hf_set set = {
		.name = hf_arena_strdup(b->arena, name),
		.n_nets = hf_sets_pack(c->nets.v, c->nets.n),
		.n_members = pack_members(c->members.v, c->members.n),
	};

	set.nets = hf_arena_dup(b->arena, c->nets.v, set.n_nets * sizeof(*set.nets));
	set.members = hf_arena_dup(b->arena, c->members.v, set.n_members * sizeof(*set.members));
	if (!set.name || !set.nets || !set.members || hf_vec_push(&b->sets, set))
		return hf_build_oom(b);
	b->n_set_items += set.n_nets + set.n_members;
	if (b->n_set_items > HF_MODEL_TOTAL_MAX)
		return hf_fail(b->err, -E2BIG, "%s: all sets together have more than %u members",
			b->where, HF_MODEL_TOTAL_MAX);
	*ret = (uint32_t)(b->sets.n - 1);
	return 0;
}

static bool set_known(struct hf_build *b, const char *key, uint32_t *ret)
{
	struct hf_set_slot *slot;

	b->n_asked++;
	HASH_FIND_STR(b->set_slots, key, slot);
	if (slot)
		*ret = slot->index;
	return slot;
}

static int set_remember(struct hf_build *b, const char *key, uint32_t index)
{
	struct hf_set_slot *slot = hf_arena_calloc(b->tmp, 1, sizeof(*slot));

	if (!slot)
		return hf_build_oom(b);
	slot->key = key;
	slot->index = index;
	HASH_ADD_KEYPTR(hh, b->set_slots, slot->key, strlen(slot->key), slot);
	return slot->hh.tbl ? 0 : hf_build_oom(b);
}

void hf_sets_fini(struct hf_build *b)
{
	HASH_CLEAR(hh, b->set_slots);
	hf_vec_fini(&b->sets);
}

static int too_large(struct hf_build *b, const char *name)
{
	return hf_fail(b->err, -E2BIG, "%s: the set of '%s' has more than %u members", b->where,
		name, HF_MODEL_MEMBERS_MAX);
}

/* docs/semantics.md 8: expectedIPs only, so that one without them is invisible as a peer. */
static int warn_invisible(struct hf_build *b, struct hf_subject *s, const char *what)
{
	if (s->kind != HF_SUBJECT_HEP || s->nets.n || s->warned)
		return 0;
	s->warned = true;
	return hf_warn_meta(b, "hep-no-expected-ips", s->meta,
		"host endpoint '%s' has no expectedIPs, so the rule at %s that selects it with "
		"'%s' does not know its addresses",
		s->meta->name, b->where, what);
}

static int collect_nets(
	struct hf_build *b, const struct hf_scope *scope, const char *name, struct collect *c)
{
	struct hf_subject *s;
	struct hf_pick pick;
	size_t i, k;
	int rc = hf_index_pick(b, scope, &pick);

	if (rc < 0)
		return rc;
	for (i = 0; i < pick.n; i++) {
		s = hf_index_at(b, &pick, i);
		if (!hf_scope_has(scope, s))
			continue;
		rc = warn_invisible(b, s, name);
		if (rc < 0)
			return rc;
		for (k = 0; k < s->nets.n; k++) {
			if (hf_vec_push(&c->nets, s->nets.v[k]))
				return hf_build_oom(b);
		}
		if (c->nets.n > HF_MODEL_MEMBERS_MAX)
			return too_large(b, name);
	}
	return 0;
}

int hf_sets_scope(struct hf_build *b, const struct hf_scope *scope, bool positive, uint32_t *ret)
{
	const char *text = hf_scope_text(b, scope);
	struct collect c = {0};
	char *key;
	int rc;

	key = text ? hf_arena_printf(b->tmp, "selector %s", text) : NULL;
	if (!key)
		return hf_build_oom(b);
	if (set_known(b, key, ret))
		return 0;
	rc = collect_nets(b, scope, text, &c);
	if (rc == 0 && positive && c.nets.n == 0)
		rc = hf_warn(b, "set-empty", b->where,
			"'%s' selects no address, so the rule never matches", text);
	if (rc == 0)
		rc = set_push(b, text, &c, ret);
	if (rc == 0)
		rc = set_remember(b, key, *ret);
	collect_fini(&c);
	return rc;
}

static int push_ports(struct collect *c, const struct hf_subject *s, const char *name, int proto)
{
	struct hf_member m;
	size_t i, k;

	for (i = 0; i < s->ports.n; i++) {
		if (strcmp(s->ports.v[i].name, name) != 0)
			continue;
		if (proto >= 0 && s->ports.v[i].proto != proto)
			continue;
		for (k = 0; k < s->nets.n; k++) {
			m = (struct hf_member){
				s->nets.v[k].addr, s->ports.v[i].proto, s->ports.v[i].port};
			if (hf_vec_push(&c->members, m))
				return -1;
		}
	}
	return 0;
}

static int collect_ports(struct hf_build *b, const struct hf_scope *scope, const char *name,
	int proto, struct collect *c)
{
	struct hf_pick pick;
	size_t i;
	int rc = hf_index_pick(b, scope, &pick);

	if (rc < 0)
		return rc;
	for (i = 0; i < pick.n; i++) {
		const struct hf_subject *s = hf_index_at(b, &pick, i);

		if (!s->ports.n || !hf_scope_has(scope, s))
			continue;
		if (push_ports(c, s, name, proto))
			return hf_build_oom(b);
		if (c->members.n > HF_MODEL_MEMBERS_MAX)
			return too_large(b, name);
	}
	return 0;
}

int hf_sets_port(struct hf_build *b, const struct hf_scope *scope, const char *name, int proto,
	bool positive, uint32_t *ret)
{
	const char *text = hf_scope_text(b, scope);
	char buf[12];
	const char *ptext = proto < 0 ? "any" : hf_proto_name((uint8_t)proto, buf);
	struct collect c = {0};
	char *key;
	int rc;

	key = text ? hf_arena_printf(
			     b->tmp, "port %s/%s%s%s", name, ptext, *text ? " of " : "", text)
		   : NULL;
	if (!key)
		return hf_build_oom(b);
	if (set_known(b, key, ret))
		return 0;
	rc = collect_ports(b, scope, name, proto, &c);
	if (rc == 0 && positive && c.members.n == 0)
		rc = hf_warn(b, "named-port-empty", b->where,
			"no endpoint with an address has %s, so it never matches", key);
	if (rc == 0)
		rc = set_push(b, key, &c, ret);
	if (rc == 0)
		rc = set_remember(b, key, *ret);
	collect_fini(&c);
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
static int collect_slice(struct hf_build *b, const struct hf_slice_obj *slice, const char *name,
	bool ports, struct collect *c)
{
	size_t i, k;

	for (i = 0; i < slice->n_endpoints; i++) {
		const struct hf_addrs *addrs = &slice->endpoints[i].addrs;

		for (k = 0; k < addrs->n; k++) {
			if (push_slice_endpoint(c, slice, &addrs->v[k], ports))
				return hf_build_oom(b);
		}
		if (c->members.n + c->nets.n > HF_MODEL_MEMBERS_MAX)
			return too_large(b, name);
	}
	return 0;
}

int hf_sets_service(struct hf_build *b, const char *ns, const char *name, bool ports, uint32_t *ret)
{
	struct collect c = {0};
	size_t i;
	int rc = 0;
	char *key = hf_arena_printf(
		b->tmp, "service %s/%s%s", ns ? ns : "", name, ports ? "" : " addresses");

	if (!key)
		return hf_build_oom(b);
	if (set_known(b, key, ret))
		return 0;
	rc = hf_build_work(b, b->objs->slice.n, b->where);
	for (i = 0; rc == 0 && i < b->objs->slice.n; i++) {
		const struct hf_slice_obj *s = &b->objs->slice.v[i];

		if (s->service && strcmp(s->service, name) == 0 &&
			strcmp(s->meta.ns ? s->meta.ns : "", ns ? ns : "") == 0)
			rc = collect_slice(b, s, name, ports, &c);
	}
	if (rc == 0 && c.members.n + c.nets.n == 0)
		rc = hf_warn(b, "service-empty", b->where,
			"no EndpointSlice says who is behind %s, so the rule never matches", key);
	if (rc == 0)
		rc = set_push(b, key, &c, ret);
	if (rc == 0)
		rc = set_remember(b, key, *ret);
	collect_fini(&c);
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

/* What c has and the set as well; both packed. */
static int meet(struct hf_build *b, struct collect *c, const struct hf_ipset_obj *obj)
{
	struct collect other = {0}, both = {0};
	int rc = collect_ipset(b, obj, &other);

	pack(&other);
	if (rc == 0)
		rc = meet_nets(b, c, &other, &both);
	if (rc == 0)
		rc = meet_members(b, c, &other, &both);
	collect_fini(&other);
	collect_fini(c);
	*c = both;
	return rc;
}

static int sets_resolved(struct hf_build *b, const struct hf_names *ids, bool all, uint32_t *ret)
{
	const char *name = ids->v[0];
	const struct hf_ipset_obj *obj;
	struct collect c = {0};
	char *key;
	size_t i;
	int rc = 0;

	for (i = 1; i < ids->n && name; i++)
		name = hf_arena_printf(b->tmp, "%s %s %s", name, all ? "&&" : "||", ids->v[i]);
	key = name ? hf_arena_printf(b->tmp, "ipset %s", name) : NULL;
	if (!key)
		return hf_build_oom(b);
	if (set_known(b, key, ret))
		return 0;
	for (i = 0; i < ids->n && rc == 0; i++) {
		obj = ipset_of(b, ids->v[i]);
		if (!obj)
			rc = -EINVAL;
		else if (i > 0 && all)
			rc = meet(b, &c, obj);
		else
			rc = collect_ipset(b, obj, &c);
		if (rc == 0 && all)
			pack(&c);
	}
	if (rc == 0)
		rc = set_push(b, name, &c, ret);
	if (rc == 0)
		rc = set_remember(b, key, *ret);
	collect_fini(&c);
	return rc;
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
	struct collect c = {.nets = {n, n, take_v}};
	int rc = set_push(b, name, &c, ret);

	collect_fini(&c);
	return rc;
}
