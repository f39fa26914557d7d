/* SPDX-License-Identifier: BSD-3-Clause */

#include "spell.h"

#include "rules/algebra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPELLED_MAX 256	   /* entries of a rule and family, beside one for each of its cubes */
#define CUBE_MAX    1024   /* of one of these */
#define FOUND_MAX   262144 /* of a plan */

/* Of those that are looked at: of one cube, and of a plan. */
#define TRIED_CUBE_MAX 16384
#define TRIED_MAX      1000000

int hf_spell_init(struct spell_book *book, struct builder *b)
{
	*book = (struct spell_book){.b = b};
	book->n_cubes = calloc(2 * hf_rules_n_origins(b->rules) + 1, sizeof(*book->n_cubes));
	return book->n_cubes ? 0 : -ENOMEM;
}

void hf_spell_fini(struct spell_book *book)
{
	hf_vec_fini(&book->found);
	hf_vec_fini(&book->missed);
	free(book->n_cubes);
}

int hf_spell_miss(struct spell_book *book, uint32_t origin, enum hf_reason reason, uint32_t detail)
{
	struct missed m = {origin, reason, detail};

	return hf_vec_push(&book->missed, m) ? -ENOMEM : 0;
}

static struct shape shape_of(const struct builder *b, const struct cube *c, unsigned int proto)
{
	bool v4 = c->family == 4;
	struct shape s;

	hf_shape_init(&s, b->engine, c->family);
	hf_shape_put_prefix(&s, v4 ? HF_F_IP4_SRC : HF_F_IP6_SRC, &c->src);
	hf_shape_put_prefix(&s, v4 ? HF_F_IP4_DST : HF_F_IP6_DST, &c->dst);
	if (proto < 256)
		hf_shape_put_proto(&s, c->family, proto);
	hf_shape_put(&s, v4 ? HF_F_ICMP_TYPE : HF_F_ICMP6_TYPE, &c->type, &c->type_mask);
	hf_shape_put(&s, v4 ? HF_F_ICMP_CODE : HF_F_ICMP6_CODE, &c->code, &c->code_mask);
	return s;
}

/* What one cube of a rule is spelled as. */
struct spelling {
	struct spell_book *book;
	uint32_t origin;
	struct found_list found;
	enum hf_reason reason; /* why something is left out */
	uint32_t detail;
};

static void leave(struct spelling *sp, enum hf_reason reason, uint32_t detail)
{
	if (sp->reason)
		return;
	sp->reason = reason;
	sp->detail = detail;
}

static unsigned int bits_of(uint16_t mask)
{
	return (unsigned int)__builtin_popcount(mask);
}

static int put_shape(struct spelling *sp, const struct shape *s, unsigned int len)
{
	struct found f = {.len = len, .at = sp->found.n};

	if (sp->found.n >= TRIED_CUBE_MAX || sp->book->n_tried >= TRIED_MAX) {
		leave(sp, HF_REASON_EXPANSION, HF_F_MAX_);
		return 0;
	}
	sp->book->n_tried++;
	f.entry =
		(struct hf_entry){.fate = HF_FATE_DENY, .origin = sp->origin, .detail = HF_F_MAX_};
	if (hf_build_takes(sp->book->b, s, &f.entry))
		return hf_vec_push(&sp->found, f) ? -ENOMEM : 0;
	leave(sp, s->reason ? s->reason : HF_REASON_PMD_REJECT, s->detail);
	return 0;
}

static int put_ports(
	struct spelling *sp, const struct cube *c, const struct shape *base, unsigned int proto)
{
	struct hf_port_mask src[HF_PORT_MASKS_MAX], dst[HF_PORT_MASKS_MAX];
	const struct port_fields *fields = hf_port_fields(proto);
	unsigned int len = c->src.len;
	size_t n_src, n_dst, i, k;
	int rc = 0;

	if (!fields)
		return put_shape(sp, base, len);
	n_src = hf_ports_masks(c->sport, src);
	n_dst = hf_ports_masks(c->dport, dst);
	for (i = 0; i < n_src && rc == 0; i++) {
		for (k = 0; k < n_dst && rc == 0; k++) {
			struct shape s = *base;

			hf_shape_put_port(&s, fields->sport, src[i].value, src[i].mask);
			hf_shape_put_port(&s, fields->dport, dst[k].value, dst[k].mask);
			rc = put_shape(sp, &s, len + bits_of(src[i].mask) + bits_of(dst[k].mask));
		}
	}
	return rc;
}

static int put_proto(struct spelling *sp, const struct cube *c, unsigned int proto)
{
	struct shape s = shape_of(sp->book->b, c, proto);

	return put_ports(sp, c, &s, proto);
}

/* Those packets that can only open a connection. */
static int put_opening(struct spelling *sp, const struct cube *c, unsigned int proto)
{
	static const uint8_t syn = HF_TCP_SYN, syn_ack = HF_TCP_SYN | HF_TCP_ACK;
	struct cube parts[OPENING_MAX];
	bool flags;
	size_t n = hf_sight_opening(c, proto, parts, &flags), i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		struct shape s = shape_of(sp->book->b, &parts[i], proto);

		if (flags)
			hf_shape_put(&s, HF_F_TCP_FLAGS, &syn, &syn_ack);
		rc = put_ports(sp, &parts[i], &s, proto);
	}
	return rc;
}

/* Numbers of IPv6 extension headers: the field says what comes next, not what the packet is. */
static bool is_extension(uint8_t family, unsigned int proto)
{
	static const uint8_t extensions[] = {0, 43, 44, 50, 51, 60, 135, 139, 140};

	return family == 6 && memchr(extensions, (int)proto, sizeof(extensions));
}

typedef int (*put_fn)(struct spelling *sp, const struct cube *c, unsigned int proto);

/* Calls fn for each protocol of a cube that is spelled: of "all but", those with ports or types. */
static int each_proto(struct spelling *sp, const struct cube *c, put_fn fn)
{
	const uint8_t named[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP,
		c->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6};
	bool many = hf_protos_count(c->proto) > 32;
	int p, rc = 0;

	if (many)
		leave(sp, HF_REASON_PROTOCOL, HF_F_MAX_);
	for (p = hf_protos_next(c->proto, 0); p >= 0 && rc == 0;
		p = hf_protos_next(c->proto, (unsigned int)p + 1)) {
		if (many && !memchr(named, p, sizeof(named)))
			continue;
		if (!is_extension(c->family, (unsigned int)p))
			rc = fn(sp, c, (unsigned int)p);
		else
			leave(sp, HF_REASON_EXTENSION, HF_F_MAX_);
	}
	return rc;
}

static int put_certain(struct spelling *sp, const struct cube *c)
{
	return hf_protos_all(c->proto) ? put_proto(sp, c, 256) : each_proto(sp, c, put_proto);
}

static bool covered(const struct cubes *list, const struct cube *c)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (hf_cube_covers(&list->v[i], c))
			return true;
	}
	return false;
}

static size_t group_of(const struct item *item)
{
	return 2 * (size_t)item->origin + (item->cube.family == 6);
}

static int found_cmp(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

int hf_spell_drops(struct spell_book *book, const struct item *item, const struct cubes *certain,
	const struct cubes *opening, enum hf_reason reason)
{
	struct spelling sp = {.book = book, .origin = item->origin, .detail = HF_F_MAX_};
	size_t i;
	int rc = 0;

	sp.reason = reason;
	for (i = 0; i < certain->n && rc == 0; i++)
		rc = put_certain(&sp, &certain->v[i]);
	for (i = 0; i < opening->n && rc == 0; i++) {
		if (!covered(certain, &opening->v[i]))
			rc = each_proto(&sp, &opening->v[i], put_opening);
	}
	if (sp.found.n > CUBE_MAX) {
		qsort(sp.found.v, sp.found.n, sizeof(*sp.found.v), found_cmp);
		sp.found.n = CUBE_MAX;
		leave(&sp, HF_REASON_EXPANSION, HF_F_MAX_);
	}
	book->n_cubes[group_of(item)]++;
	for (i = 0; i < sp.found.n && rc == 0; i++) {
		if (book->found.n >= FOUND_MAX) {
			leave(&sp, HF_REASON_CAPACITY, HF_F_MAX_);
			break;
		}
		sp.found.v[i].at = book->found.n;
		sp.found.v[i].group = group_of(item);
		rc = hf_vec_push(&book->found, sp.found.v[i]) ? -ENOMEM : 0;
	}
	if (rc == 0 && sp.reason)
		rc = hf_spell_miss(book, item->origin, sp.reason, sp.detail);
	hf_vec_fini(&sp.found);
	return rc;
}

static int match_cmp(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int c = memcmp(&x->entry.match, &y->entry.match, sizeof(x->entry.match));

	return c ? c : x->at < y->at ? -1 : x->at > y->at;
}

/* Leaves each pattern once: the driver would refuse it a second time. */
static void dedupe(struct found_list *l)
{
	size_t i, n = 0;

	if (l->n == 0)
		return;
	qsort(l->v, l->n, sizeof(*l->v), match_cmp);
	for (i = 0; i < l->n; i++) {
		if (n == 0 || memcmp(&l->v[n - 1].entry.match, &l->v[i].entry.match,
				      sizeof(l->v[i].entry.match)) != 0)
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

static bool takes_all_of(const struct hf_pattern *wide, const struct hf_pattern *p)
{
	const uint8_t *spec = (const uint8_t *)&wide->spec, *mask = (const uint8_t *)&wide->mask,
		      *other = (const uint8_t *)&p->spec, *other_mask = (const uint8_t *)&p->mask;
	size_t i;

	if (wide->layers & ~p->layers)
		return false;
	for (i = 0; i < sizeof(p->spec); i++) {
		if (mask[i] & ~other_mask[i] || (spec[i] ^ other[i]) & mask[i])
			return false;
	}
	return true;
}

/* Whether one of the widest entries of the rule takes all that this one would. */
static bool is_taken(const struct found *group, size_t n, const struct found *f)
{
	size_t i;

	for (i = 0; i < n && i < SPELLED_MAX; i++) {
		if (takes_all_of(&group[i].entry.match, &f->entry.match))
			return true;
	}
	return false;
}

/* Leaves the widest entries of each rule, as many as it may have. */
static void cut(struct spell_book *book)
{
	struct found_list *l = &book->found;
	size_t i, n = 0, start = 0;

	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), found_cmp);
	for (i = 0; i < l->n; i++) {
		struct found f = l->v[i];

		if (n > start && l->v[n - 1].group != f.group)
			start = n;
		if (is_taken(&l->v[start], n - start, &f))
			continue;
		if (n - start < SPELLED_MAX + (size_t)book->n_cubes[f.group])
			l->v[n++] = f;
		else
			hf_build_miss(book->b, f.entry.origin, HF_REASON_EXPANSION, HF_F_MAX_);
	}
	l->n = n;
}

/* The busiest rules first if there are weights, else as found. */
static int emit_cmp(const void *a, const void *b, void *arg)
{
	const struct found *x = a, *y = b;
	const uint64_t *weights = arg;

	if (weights && weights[x->entry.origin] != weights[y->entry.origin])
		return weights[x->entry.origin] > weights[y->entry.origin] ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The masks that an engine of few is given: those of the widest entries. */
struct masks {
	size_t n;
	const struct hf_pattern *v[HF_NIC_MASKS_MAX];
};

static bool has_mask(const struct masks *masks, const struct hf_pattern *p)
{
	size_t i;

	for (i = 0; i < masks->n; i++) {
		if (masks->v[i]->layers == p->layers &&
			memcmp(&masks->v[i]->mask, &p->mask, sizeof(p->mask)) == 0)
			return true;
	}
	return false;
}

static int len_cmp(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->len != y->len ? (x->len > y->len) - (x->len < y->len) : match_cmp(a, b);
}

/* Leaves the entries that an engine of few masks has masks for. */
static int cut_masks(struct spell_book *book)
{
	uint32_t most = book->b->engine->masks;
	struct masks masks = {0};
	size_t i, n = 0;
	int rc = 0;

	if (!most || book->found.n == 0)
		return 0;
	qsort(book->found.v, book->found.n, sizeof(*book->found.v), len_cmp);
	for (i = 0; i < book->found.n && masks.n < most; i++) {
		const struct hf_pattern *p = &book->found.v[i].entry.match;

		if (!has_mask(&masks, p))
			masks.v[masks.n++] = p;
	}
	/* All at once, for the masks stand in the list itself. */
	for (i = 0; i < book->found.n; i++)
		book->found.v[i].kept = has_mask(&masks, &book->found.v[i].entry.match);
	for (i = 0; i < book->found.n && rc == 0; i++) {
		const struct found *f = &book->found.v[i];

		if (!f->kept)
			rc = hf_spell_miss(book, f->entry.origin, HF_REASON_CAPACITY, HF_F_MAX_);
		else
			book->found.v[n++] = *f;
	}
	book->found.n = n;
	return rc;
}

int hf_spell_emit(struct spell_book *book)
{
	struct builder *b = book->b;
	size_t i;
	int rc;

	dedupe(&book->found);
	cut(book);
	rc = cut_masks(book);
	if (book->found.n > 0)
		qsort_r(book->found.v, book->found.n, sizeof(*book->found.v), emit_cmp,
			book->found.n > b->capacity ? b->weights : NULL);
	for (i = 0; i < book->found.n && rc == 0; i++) {
		const struct hf_entry *e = &book->found.v[i].entry;

		if (b->entries.n >= b->capacity)
			hf_build_miss(b, e->origin, HF_REASON_CAPACITY, HF_F_MAX_);
		else
			rc = hf_build_entry(b, e);
	}
	for (i = 0; i < book->missed.n; i++) {
		const struct missed *m = &book->missed.v[i];

		hf_build_miss(b, m->origin, m->reason, m->detail);
	}
	return rc;
}
