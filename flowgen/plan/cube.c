/* SPDX-License-Identifier: BSD-3-Clause */

#include "cube.h"

#include "rules/algebra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_ANY ((struct hf_ports){0, UINT16_MAX})

struct cube hf_cube_all(uint8_t family)
{
	struct cube c = {
		.family = family,
		.proto = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
		.src.addr.family = family,
		.dst.addr.family = family,
		.sport = PORT_ANY,
		.dport = PORT_ANY,
	};

	return c;
}

void hf_protos_only(uint64_t p[4], unsigned int proto)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		p[i] &= i == proto / 64 ? UINT64_C(1) << proto % 64 : 0;
}

static bool bits_meet(uint8_t v1, uint8_t m1, uint8_t v2, uint8_t m2)
{
	return ((v1 ^ v2) & m1 & m2) == 0;
}

bool hf_cube_intersect(const struct cube *a, const struct cube *b, struct cube *ret)
{
	struct cube r = {.family = a->family};
	uint64_t any = 0;
	unsigned int i;

	if (a->family != b->family)
		return false;
	for (i = 0; i < 4; i++)
		any |= r.proto[i] = a->proto[i] & b->proto[i];
	if (!any || !hf_prefix_intersect(&a->src, &b->src, &r.src) ||
		!hf_prefix_intersect(&a->dst, &b->dst, &r.dst) ||
		!hf_ports_intersect(a->sport, b->sport, &r.sport) ||
		!hf_ports_intersect(a->dport, b->dport, &r.dport) ||
		!bits_meet(a->type, a->type_mask, b->type, b->type_mask) ||
		!bits_meet(a->code, a->code_mask, b->code, b->code_mask))
		return false;
	r.type = a->type | b->type;
	r.type_mask = a->type_mask | b->type_mask;
	r.code = a->code | b->code;
	r.code_mask = a->code_mask | b->code_mask;
	for (i = 0; i < 2; i++)
		r.set[i] = a->set[i] ? a->set[i] : b->set[i];
	*ret = r;
	return true;
}

static bool prefixes_meet(const struct hf_prefix *a, const struct hf_prefix *b)
{
	return a->len <= b->len ? hf_prefix_has(a, &b->addr) : hf_prefix_has(b, &a->addr);
}

/* As hf_cube_intersect() has it, without the intersection: it is asked often. */
bool hf_cube_meets(const struct cube *a, const struct cube *b)
{
	uint64_t any = 0;
	unsigned int i;

	for (i = 0; i < 4; i++)
		any |= a->proto[i] & b->proto[i];
	return any && a->family == b->family && a->sport.lo <= b->sport.hi &&
	       b->sport.lo <= a->sport.hi && a->dport.lo <= b->dport.hi &&
	       b->dport.lo <= a->dport.hi && prefixes_meet(&a->src, &b->src) &&
	       prefixes_meet(&a->dst, &b->dst) &&
	       bits_meet(a->type, a->type_mask, b->type, b->type_mask) &&
	       bits_meet(a->code, a->code_mask, b->code, b->code_mask);
}

static bool ports_cover(const struct hf_ports *outer, const struct hf_ports *inner)
{
	return outer->lo <= inner->lo && outer->hi >= inner->hi;
}

static bool bits_cover(uint8_t v, uint8_t m, uint8_t v2, uint8_t m2)
{
	return (m & ~m2) == 0 && ((v ^ v2) & m) == 0;
}

struct cube hf_cube_turn(const struct cube *c)
{
	struct cube t = *c;

	t.src = c->dst;
	t.dst = c->src;
	t.sport = c->dport;
	t.dport = c->sport;
	t.set[0] = c->set[1];
	t.set[1] = c->set[0];
	return t;
}

bool hf_cube_covers(const struct cube *outer, const struct cube *inner)
{
	unsigned int i;

	if (outer->family != inner->family)
		return false;
	for (i = 0; i < 4; i++) {
		if (inner->proto[i] & ~outer->proto[i])
			return false;
	}
	for (i = 0; i < 2; i++) {
		if (outer->set[i] && outer->set[i] != inner->set[i])
			return false;
	}
	return hf_prefix_covers(&outer->src, &inner->src) &&
	       hf_prefix_covers(&outer->dst, &inner->dst) &&
	       ports_cover(&outer->sport, &inner->sport) &&
	       ports_cover(&outer->dport, &inner->dport) &&
	       bits_cover(outer->type, outer->type_mask, inner->type, inner->type_mask) &&
	       bits_cover(outer->code, outer->code_mask, inner->code, inner->code_mask);
}

int hf_cubes_push(struct cubes *cubes, const struct cube *cube)
{
	struct cube *v;
	size_t cap = cubes->cap ? cubes->cap * 2 : 16;

	if (cubes->n >= CUBES_MAX)
		return -E2BIG;
	if (cubes->n == cubes->cap) {
		v = reallocarray(cubes->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		cubes->v = v;
		cubes->cap = cap;
	}
	cubes->v[cubes->n++] = *cube;
	return 0;
}

void hf_cubes_fini(struct cubes *cubes)
{
	free(cubes->v);
	*cubes = (struct cubes){0};
}

static int push_outside_ports(
	struct cube *rest, struct hf_ports *range, struct hf_ports hole, struct cubes *out)
{
	struct hf_ports all = *range;
	int rc = 0;

	if (all.lo < hole.lo) {
		*range = (struct hf_ports){all.lo, (uint16_t)(hole.lo - 1)};
		rc = hf_cubes_push(out, rest);
	}
	if (rc == 0 && all.hi > hole.hi) {
		*range = (struct hf_ports){(uint16_t)(hole.hi + 1), all.hi};
		rc = hf_cubes_push(out, rest);
	}
	*range = hole;
	return rc;
}

static int push_outside_net(
	struct cube *rest, struct hf_prefix *net, const struct hf_prefix *hole, struct cubes *out)
{
	struct hf_prefix left[128]; /* one for each bit that the hole is longer */
	int n = hf_prefix_subtract(net, hole, 1, left, sizeof(left) / sizeof(left[0])), i, rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		*net = left[i];
		rc = hf_cubes_push(out, rest);
	}
	*net = *hole;
	return n < 0 ? n : rc;
}

static int push_outside_bits(struct cube *rest, uint8_t *value, uint8_t *mask, uint8_t hole,
	uint8_t hole_mask, struct cubes *out)
{
	unsigned int bit;
	int rc = 0;

	for (bit = 0x80; bit && rc == 0; bit >>= 1) {
		if (!(hole_mask & ~*mask & bit))
			continue;
		*mask |= (uint8_t)bit;
		*value |= (uint8_t)(~hole & bit);
		rc = hf_cubes_push(out, rest);
		*value ^= (uint8_t)bit;
	}
	return rc;
}

int hf_cube_minus(const struct cube *a, const struct cube *b, struct cubes *out)
{
	struct cube rest = *a, both;
	uint64_t any = 0;
	unsigned int i;
	int rc = 0;

	if (!hf_cube_intersect(a, b, &both))
		return hf_cubes_push(out, a);
	for (i = 0; i < 4; i++)
		any |= rest.proto[i] &= ~both.proto[i];
	if (any)
		rc = hf_cubes_push(out, &rest);
	memcpy(rest.proto, both.proto, sizeof(rest.proto));
	if (rc == 0)
		rc = push_outside_ports(&rest, &rest.sport, both.sport, out);
	if (rc == 0)
		rc = push_outside_ports(&rest, &rest.dport, both.dport, out);
	if (rc == 0)
		rc = push_outside_net(&rest, &rest.dst, &both.dst, out);
	if (rc == 0)
		rc = push_outside_net(&rest, &rest.src, &both.src, out);
	if (rc == 0)
		rc = push_outside_bits(
			&rest, &rest.type, &rest.type_mask, both.type, both.type_mask, out);
	if (rc == 0)
		rc = push_outside_bits(
			&rest, &rest.code, &rest.code_mask, both.code, both.code_mask, out);
	return rc;
}

/*
 * Each condition turns the list of cubes so far into a list of finer ones: a step reads one cube
 * and pushes what is left of it.
 */
struct step {
	const struct hf_rules *rules;
	const void *cond;
	struct cubes *out;
};
typedef int (*step_fn)(struct step *s, const struct cube *c);

static int run_step(struct cubes *list, const struct hf_rules *rules, const void *cond, step_fn fn)
{
	struct cubes out = {0};
	struct step s = {.rules = rules, .cond = cond, .out = &out};
	size_t i;
	int rc = 0;

	for (i = 0; i < list->n && rc == 0; i++)
		rc = fn(&s, &list->v[i]);
	if (rc < 0) {
		hf_cubes_fini(&out);
		return rc;
	}
	hf_cubes_fini(list);
	*list = out;
	return 0;
}

/* Pushes c without the addresses of a set. */
static int push_outside(struct step *s, const struct cube *c, bool dst, const struct hf_set *set)
{
	struct hf_prefix *rest = calloc(CUBES_MAX, sizeof(*rest));
	struct cube r = *c;
	int n = -ENOMEM, i, rc = 0;

	if (rest)
		n = hf_prefix_subtract(
			dst ? &c->dst : &c->src, set->nets, set->n_nets, rest, CUBES_MAX);
	for (i = 0; i < n && rc == 0; i++) {
		*(dst ? &r.dst : &r.src) = rest[i];
		rc = hf_cubes_push(s->out, &r);
	}
	free(rest);
	return n < 0 ? n : rc;
}

static int step_addr(struct step *s, const struct cube *c)
{
	const struct hf_addr_cond *cond = s->cond;
	const struct hf_set *set = hf_rules_set(s->rules, cond->set);
	struct cube r = *c;
	struct hf_prefix *p = cond->dst ? &r.dst : &r.src;
	const struct hf_prefix *from = cond->dst ? &c->dst : &c->src;
	size_t i;
	int rc;

	if (cond->negate)
		return push_outside(s, c, cond->dst, set);
	for (i = 0; i < set->n_nets; i++) {
		/* Most often the rule has come here with any address. */
		if (from->len == 0 && from->addr.family == set->nets[i].addr.family)
			*p = set->nets[i];
		else if (!hf_prefix_intersect(from, &set->nets[i], p))
			continue;
		rc = hf_cubes_push(s->out, &r);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Keeps the protocols with (or without) ports of c; false when there are none. */
static bool split_ports(const struct cube *c, bool with, struct cube *ret)
{
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	uint64_t mask[4] = {0}, any = 0;
	unsigned int i;

	for (i = 0; i < sizeof(protos); i++)
		mask[protos[i] / 64] |= UINT64_C(1) << protos[i] % 64;
	*ret = *c;
	for (i = 0; i < 4; i++)
		any |= ret->proto[i] &= with ? mask[i] : ~mask[i];
	return any != 0;
}

static int push_range(struct step *s, const struct cube *c, bool dst, struct hf_ports range)
{
	struct cube r = *c;
	struct hf_ports *p = dst ? &r.dport : &r.sport;

	return hf_ports_intersect(*p, range, p) ? hf_cubes_push(s->out, &r) : 0;
}

static int push_members(struct step *s, const struct cube *c, const struct hf_port_cond *cond)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; i < cond->n_sets; i++) {
		const struct hf_set *set = hf_rules_set(s->rules, cond->sets[i]);

		for (k = 0; k < set->n_members && rc == 0; k++) {
			const struct hf_member *m = &set->members[k];
			struct cube point = hf_cube_all(m->addr.family), r;
			struct hf_prefix *p = cond->dst ? &point.dst : &point.src;

			p->addr = m->addr;
			p->len = (uint8_t)hf_addr_bits(&m->addr);
			hf_protos_only(point.proto, m->proto);
			*(cond->dst ? &point.dport : &point.sport) =
				(struct hf_ports){m->port, m->port};
			if (hf_cube_intersect(c, &point, &r))
				rc = hf_cubes_push(s->out, &r);
		}
	}
	return rc;
}

#define RANGES_MAX 64 /* of one condition; the reader allows 50 */

static int push_not_ranges(struct step *s, const struct cube *c, const struct hf_port_cond *cond)
{
	struct hf_ports in[RANGES_MAX], rest[RANGES_MAX + 1];
	size_t n, i;
	int rc = 0;

	if (cond->n_ranges > RANGES_MAX)
		return -E2BIG;
	for (n = 0; n < cond->n_ranges; n++)
		in[n] = cond->ranges[n];
	n = hf_ports_complement(in, hf_ports_normalize(in, n), rest);
	for (i = 0; i < n && rc == 0; i++)
		rc = push_range(s, c, cond->dst, rest[i]);
	return rc;
}

static int step_port(struct step *s, const struct cube *c)
{
	const struct hf_port_cond *cond = s->cond;
	struct cube ports, others;
	size_t i;
	int rc = 0;

	if (cond->negate) {
		if (split_ports(c, false, &others))
			rc = hf_cubes_push(s->out, &others);
		if (rc == 0 && split_ports(c, true, &ports))
			rc = push_not_ranges(s, &ports, cond);
		return rc;
	}
	if (!split_ports(c, true, &ports))
		return push_members(s, c, cond);
	for (i = 0; i < cond->n_ranges && rc == 0; i++)
		rc = push_range(s, &ports, cond->dst, cond->ranges[i]);
	return rc < 0 ? rc : push_members(s, c, cond);
}

/* The bytes other than v as value/mask pairs: differ in the first bit, in the second, ... */
static void differ_at(uint8_t v, unsigned int bit, uint8_t *value, uint8_t *mask)
{
	*mask = (uint8_t)(0xff << (7 - bit));
	*value = (uint8_t)((v ^ 0x80 >> bit) & *mask);
}

static int push_icmp(
	struct step *s, const struct cube *c, uint8_t t, uint8_t tm, uint8_t code, uint8_t cm)
{
	struct cube want = hf_cube_all(c->family), r;

	want.type = t;
	want.type_mask = tm;
	want.code = code;
	want.code_mask = cm;
	return hf_cube_intersect(c, &want, &r) ? hf_cubes_push(s->out, &r) : 0;
}

static int step_icmp(struct step *s, const struct cube *c)
{
	const struct hf_icmp_cond *cond = s->cond;
	unsigned int proto = c->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6, bit;
	struct cube r = *c;
	uint8_t v, m;
	int rc = 0;

	if (!hf_protos_has(c->proto, proto))
		return 0;
	hf_protos_only(r.proto, proto);
	if (!cond->negate)
		return push_icmp(s, &r, cond->type, 0xff, cond->code, cond->has_code ? 0xff : 0);
	for (bit = 0; bit < 8 && rc == 0; bit++) {
		differ_at(cond->type, bit, &v, &m);
		rc = push_icmp(s, &r, v, m, 0, 0);
	}
	for (bit = 0; bit < 8 && rc == 0 && cond->has_code; bit++) {
		differ_at(cond->code, bit, &v, &m);
		rc = push_icmp(s, &r, cond->type, 0xff, v, m);
	}
	return rc;
}

/* Conditions that have no reasonable spelling as cubes. */
static enum hf_reason awkward(const struct hf_rules *rules, const struct hf_match *m)
{
	size_t i, k;

	for (i = 0; i < m->n_port; i++) {
		for (k = 0; m->port[i].negate && k < m->port[i].n_sets; k++) {
			if (hf_rules_set(rules, m->port[i].sets[k])->n_members)
				return HF_REASON_NEGATION;
		}
	}
	return HF_REASON_NONE;
}

static int expand_all(const struct hf_rules *rules, const struct hf_match *m, struct cubes *list)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < m->n_icmp && rc == 0; i++)
		rc = run_step(list, rules, &m->icmp[i], step_icmp);
	for (i = 0; i < m->n_port && rc == 0; i++)
		rc = run_step(list, rules, &m->port[i], step_port);
	for (i = 0; i < m->n_addr && rc == 0; i++)
		rc = run_step(list, rules, &m->addr[i], step_addr);
	return rc;
}

/* Narrows c to a list of one net, as most rules have it; false: the condition is another. */
static bool one_net(const struct hf_rules *rules, const struct hf_addr_cond *cond, struct cube *c)
{
	const struct hf_set *set = hf_rules_set(rules, cond->set);
	struct hf_prefix *p = cond->dst ? &c->dst : &c->src, both;

	if (cond->negate || set->n_nets != 1 || !hf_prefix_intersect(p, &set->nets[0], &both))
		return false;
	*p = both;
	return true;
}

/* The same for one range of ports. */
static bool one_range(const struct hf_port_cond *cond, struct cube *c)
{
	struct hf_ports *p = cond->dst ? &c->dport : &c->sport;
	struct cube with;

	if (cond->negate || cond->n_ranges != 1 || cond->n_sets || !split_ports(c, true, &with) ||
		!hf_ports_intersect(*p, cond->ranges[0], p))
		return false;
	memcpy(c->proto, with.proto, sizeof(c->proto));
	return true;
}

bool hf_cubes_single(const struct hf_rules *rules, const struct hf_match *m, const struct cube *ctx,
	struct cube *ret)
{
	struct cube c = *ctx;
	uint64_t any = 0;
	size_t i;

	for (i = 0; i < 4; i++)
		any |= c.proto[i] &= m->proto[i];
	if (!any || m->n_icmp || (m->family && m->family != ctx->family))
		return false;
	for (i = 0; i < m->n_port; i++) {
		if (!one_range(&m->port[i], &c))
			return false;
	}
	for (i = 0; i < m->n_addr; i++) {
		if (!one_net(rules, &m->addr[i], &c))
			return false;
	}
	*ret = c;
	return true;
}

int hf_cubes_expand(const struct hf_rules *rules, const struct hf_match *match,
	const struct cube *ctx, struct cubes *out, enum hf_reason *ret_reason)
{
	struct cube start = *ctx;
	struct cubes list = {0};
	enum hf_reason reason = awkward(rules, match);
	uint64_t any = 0;
	unsigned int k;
	size_t i;
	int rc;

	for (k = 0; k < 4; k++)
		any |= start.proto[k] &= match->proto[k];
	if (!any || (match->family && match->family != ctx->family))
		return 0;
	rc = hf_cubes_push(&list, &start);
	if (rc == 0 && !reason) {
		rc = expand_all(rules, match, &list);
		if (rc == -E2BIG)
			reason = HF_REASON_EXPANSION;
	}
	if (rc == -ENOMEM)
		goto out;
	if (reason) {
		*ret_reason = reason;
		rc = hf_cubes_push(out, &start);
		rc = rc < 0 ? -ENOMEM : -E2BIG;
		goto out;
	}
	rc = 0;
	if (out->n == 0) {
		hf_cubes_fini(out);
		*out = list;
		return 0;
	}
	for (i = 0; i < list.n && rc == 0; i++)
		rc = hf_cubes_push(out, &list.v[i]);
	rc = rc < 0 ? -ENOMEM : 0;
out:
	hf_cubes_fini(&list);
	return rc;
}
