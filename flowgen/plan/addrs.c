/* SPDX-License-Identifier: BSD-3-Clause */

#include "addrs.h"

#include "build.h"
#include "addr_parts.h"

#include <hepflow/base/hash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS_MAX  12 /* sets that get a bit each; the rest of the tag is for ports */
#define WIDTH_MAX 20
#define PAIRS_MAX 16384 /* of what one rule multiplies; about as many cubes are the limit */
/* Nets that "not in the set" is, for each of its own: a guess. */
#define NOT_FACTOR 4

/* What a set costs in rules: entries that are saved when it is one entry, and how often it is
 * asked for; and the same of "not in the set". */
struct want {
	uint64_t saved[2], asked[2];
};

struct choice {
	const struct builder *b;
	const struct addr_map *old; /* NULL: none */
	bool dst;
	size_t n_sets;
	struct want *wants; /* by set */
	bool *taken;	    /* by set */
	size_t n_taken;
	struct addr_parts parts;
	struct addr_map *map;
};

static uint64_t pairs_of(const struct hf_rules *rules, const struct hf_match *m, size_t but)
{
	uint64_t n = 1;
	size_t i;

	for (i = 0; i < m->n_addr; i++) {
		if (i != but && !m->addr[i].negate)
			n *= hf_rules_set(rules, m->addr[i].set)->n_nets;
		if (n > PAIRS_MAX)
			return PAIRS_MAX;
	}
	return n;
}

static void note_rule(struct choice *c, const struct hf_rule *rule, uint64_t times)
{
	const struct hf_match *m = &rule->match;
	size_t i;

	for (i = 0; i < m->n_addr; i++) {
		const struct hf_addr_cond *cond = &m->addr[i];
		uint64_t n = hf_rules_set(c->b->rules, cond->set)->n_nets, pairs;

		if (cond->dst != c->dst || n == 0 || hf_addr_cut(m, i))
			continue;
		pairs = pairs_of(c->b->rules, m, i) * times;
		n *= cond->negate ? NOT_FACTOR : 1;
		c->wants[cond->set].saved[cond->negate] += (n - 1) * pairs;
		c->wants[cond->set].asked[cond->negate] += pairs;
	}
}

static int note_rules(struct choice *c)
{
	size_t n = hf_rules_n_blocks(c->b->rules), i, k;
	struct hf_use *uses = hf_build_uses(c->b);

	for (i = 0; uses && i < n; i++) {
		const struct hf_block *block = hf_rules_block(c->b->rules, i);

		for (k = 0; uses[i].times && k < block->n_rules; k++)
			note_rule(c, &block->rules[k], uses[i].times);
	}
	free(uses);
	return uses ? 0 : -ENOMEM;
}

static bool was_there(const struct addr_map *old, size_t set)
{
	return old && set < old->n_sets && old->from[set + 1] > old->from[set];
}

/* Sets whose rules save more than their nets cost in the table; what was there stays while it saves
 * anything. */
static void take_sets(struct choice *c, bool with_not)
{
	size_t i;

	for (i = c->n_taken = 0; i < c->n_sets; i++) {
		uint64_t n = hf_rules_set(c->b->rules, i)->n_nets;
		uint64_t saved = c->wants[i].saved[0] + (with_not ? c->wants[i].saved[1] : 0);

		c->taken[i] = n > 0 && saved > (was_there(c->old, i) ? 0 : n);
		c->n_taken += c->taken[i];
	}
}

static uint64_t key_of(const char *name)
{
	uint64_t h = strlen(name), v;

	for (; *name; name += strnlen(name, sizeof(v))) {
		v = 0;
		memcpy(&v, name, strnlen(name, sizeof(v)));
		h = hf_hash_mix(h, v);
	}
	return h;
}

static int name_cmp(const void *a, const void *b)
{
	const struct addr_name *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* What the map before has written it as, or UINT32_MAX. */
static uint32_t old_number(const struct choice *c, uint64_t key)
{
	size_t lo = 0, hi = c->old && c->old->bits == c->map->bits ? c->old->n_names : 0;
	size_t n = hi;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->old->names[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && c->old->names[lo].key == key ? c->old->names[lo].number : UINT32_MAX;
}

/*
 * Numbers what has a key: as before where it can be, others by the lowest numbers that are free.
 * first: the lowest number there is.
 */
static int number_names(struct choice *c, uint32_t first)
{
	struct addr_map *m = c->map;
	uint32_t most = first + (uint32_t)m->n_names, next = first;
	bool *used;
	size_t i;

	if (most < UINT32_C(1) << m->width && !m->bits)
		most = UINT32_C(1) << m->width;
	if (m->bits)
		most = m->width;
	used = calloc((size_t)most + 1, sizeof(*used));
	if (!used)
		return -ENOMEM;
	for (i = 0; i < m->n_names; i++) {
		uint32_t old = old_number(c, m->names[i].key);

		m->names[i].number = old < most && !used[old] ? old : UINT32_MAX;
		if (m->names[i].number != UINT32_MAX)
			used[old] = true;
	}
	for (i = 0; i < m->n_names; i++) {
		if (m->names[i].number != UINT32_MAX)
			continue;
		while (used[next])
			next++;
		used[next] = true;
		m->names[i].number = next;
	}
	free(used);
	return 0;
}

static uint8_t log2_up(size_t n)
{
	uint8_t w = 0;

	while ((UINT64_C(1) << w) < n)
		w++;
	return w;
}

/* As wide as before, or with room for as much again. */
static void choose_width(struct choice *c, size_t n)
{
	uint8_t least = c->map->bits ? (uint8_t)n : log2_up(n + 1), want;

	want = c->map->bits ? (uint8_t)((n + 3) / 4 * 4) : (uint8_t)(least + 1);
	if (c->old && c->old->bits == c->map->bits && c->old->width >= least)
		want = c->old->width;
	c->map->width = want;
}

/* Codes of a set with a bit: in it, and not. */
static int spell_bits(struct choice *c)
{
	struct addr_map *m = c->map;
	uint32_t *bit_of = calloc(c->n_sets + 1, sizeof(*bit_of)), n = 0;
	size_t i, k;
	int rc;

	m->n_names = c->n_taken;
	m->names = calloc(m->n_names + 1, sizeof(*m->names));
	m->codes = calloc(2 * c->n_taken + 1, sizeof(*m->codes));
	choose_width(c, c->n_taken);
	rc = bit_of && m->names && m->codes ? 0 : -ENOMEM;
	for (i = k = 0; i < c->n_sets && rc == 0; i++) {
		if (c->taken[i])
			m->names[k++].key = key_of(hf_rules_set(c->b->rules, i)->name);
	}
	if (rc == 0)
		rc = number_names(c, 0);
	for (i = k = 0; i < c->n_sets && rc == 0; i++) {
		m->from[i] = n;
		if (!c->taken[i])
			continue;
		bit_of[i] = UINT32_C(1) << m->names[k++].number;
		m->codes[n++] = (struct addr_code){bit_of[i], bit_of[i], 0};
		m->codes[n++] = (struct addr_code){0, bit_of[i], 3};
	}
	m->from[c->n_sets] = n;
	for (i = 0; i < m->n_nets && rc == 0; i++) {
		const struct addr_part *net = &c->parts.nets[i];
		const struct addr_class *class = &c->parts.classes[net->class];

		m->nets[i] = (struct addr_net){net->net, 0};
		for (k = 0; k < class->n; k++) {
			uint32_t set = c->parts.sets[class->first + k];

			m->nets[i].value |= bit_of[set];
			m->codes[m->from[set]].families |= class->families;
		}
	}
	free(bit_of);
	return rc;
}

static uint64_t class_key(const struct choice *c, const struct addr_class *class)
{
	uint64_t sum = class->n;
	size_t k;

	for (k = 0; k < class->n; k++)
		sum += hf_hash_mix(UINT64_MAX,
			key_of(hf_rules_set(c->b->rules, c->parts.sets[class->first + k])->name));
	return sum;
}

/* Codes of a set: the numbers of its classes; number 0 is that of addresses in no set. */
static int spell_numbers(struct choice *c)
{
	struct addr_map *m = c->map;
	uint32_t all, n = 0;
	size_t i, k;
	int rc;

	m->n_names = c->parts.n_classes - 1;
	m->names = calloc(m->n_names + 1, sizeof(*m->names));
	choose_width(c, m->n_names);
	all = (uint32_t)((UINT64_C(1) << m->width) - 1);
	if (!m->names)
		return -ENOMEM;
	for (i = 1; i < c->parts.n_classes; i++) {
		m->names[i - 1].key = class_key(c, &c->parts.classes[i]);
		for (k = 0; k < c->parts.classes[i].n; k++)
			m->from[c->parts.sets[c->parts.classes[i].first + k]]++;
	}
	for (i = 0; i <= c->n_sets; i++) { /* to where each set's codes end */
		n += m->from[i];
		m->from[i] = n;
	}
	m->codes = calloc((size_t)n + 1, sizeof(*m->codes));
	rc = m->codes ? number_names(c, 1) : -ENOMEM;
	for (i = c->parts.n_classes; i-- > 1 && rc == 0;) {
		const struct addr_class *class = &c->parts.classes[i];

		for (k = 0; k < class->n; k++)
			m->codes[--m->from[c->parts.sets[class->first + k]]] =
				(struct addr_code){m->names[i - 1].number, all, class->families};
	}
	for (i = 0; i < m->n_nets && rc == 0; i++) {
		uint32_t class = c->parts.nets[i].class;

		m->nets[i] = (struct addr_net){
			c->parts.nets[i].net, class ? m->names[class - 1].number : 0};
	}
	return rc;
}

static int spell(struct choice *c)
{
	struct addr_map *m = c->map;
	int rc;

	m->n_sets = c->n_sets;
	m->n_nets = c->parts.n_nets;
	m->from = calloc(c->n_sets + 1, sizeof(*m->from));
	m->nets = calloc(m->n_nets + 1, sizeof(*m->nets));
	if (!m->from || !m->nets)
		return -ENOMEM;
	rc = m->bits ? spell_bits(c) : spell_numbers(c);
	if (rc == 0)
		qsort(m->names, m->n_names, sizeof(*m->names), name_cmp);
	return rc;
}

/* Entries that rules have less with the map, without those of its table. */
static int64_t count_saved(const struct choice *c)
{
	const struct addr_map *m = c->map;
	int64_t saved = -(int64_t)hf_addr_map_size(m);
	size_t i;

	for (i = 0; i < c->n_sets; i++) {
		const struct want *w = &c->wants[i];

		if (!c->taken[i])
			continue;
		saved += (int64_t)w->saved[0];
		if (m->bits)
			saved += (int64_t)w->saved[1];
		else
			saved -= (int64_t)((m->from[i + 1] - m->from[i] - 1) * w->asked[0]);
	}
	return saved;
}

/* A bit for each set if there are few; from then on until there are more than there is room for. */
static bool with_bits(const struct choice *c)
{
	size_t most = c->old && !c->old->bits ? BITS_MAX / 2 : BITS_MAX;

	return c->n_taken <= most;
}

static int build_map(struct choice *c)
{
	int rc;

	take_sets(c, true);
	c->map->bits = with_bits(c);
	if (!c->map->bits)
		take_sets(c, false);
	if (c->n_taken == 0)
		return 0;
	rc = hf_addr_parts_build(c->b->rules, c->taken, &c->parts);
	if (rc == 0)
		rc = spell(c);
	if (rc == 0)
		c->map->saves = count_saved(c);
	return rc == -E2BIG ? 0 : rc;
}

static bool takes_any(const struct hf_engine *e, enum hf_field f)
{
	return e->field[f] == HF_MASK_ANY;
}

static bool can_classify(const struct hf_engine *e, bool dst)
{
	return hf_build_has_tags(e) && takes_any(e, HF_F_TAG) &&
	       takes_any(e, dst ? HF_F_IP4_DST : HF_F_IP4_SRC) &&
	       takes_any(e, dst ? HF_F_IP6_DST : HF_F_IP6_SRC);
}

static int choose_side(const struct builder *b, bool dst, struct addr_map **ret)
{
	const struct addr_map *old = b->previous ? b->previous->addrs[dst] : NULL;
	struct choice c = {.b = b, .old = old, .dst = dst, .n_sets = hf_rules_n_sets(b->rules)};
	int64_t least = b->classify_from ? (int64_t)b->classify_from : HF_CLASSIFY_FROM;
	int rc;

	*ret = NULL;
	if (!can_classify(b->engine, dst))
		return 0;
	c.wants = calloc(c.n_sets + 1, sizeof(*c.wants));
	c.taken = calloc(c.n_sets + 1, sizeof(*c.taken));
	c.map = calloc(1, sizeof(*c.map));
	rc = c.wants && c.taken && c.map ? note_rules(&c) : -ENOMEM;
	if (rc == 0) {
		c.map->dst = dst;
		rc = build_map(&c);
	}
	if (rc == 0 && c.map->nets && c.map->width <= WIDTH_MAX &&
		c.map->saves >= (old ? -HF_CLASSIFY_FROM : least))
		*ret = c.map;
	else
		hf_addr_map_free(c.map);
	hf_addr_parts_fini(&c.parts);
	free(c.wants);
	free(c.taken);
	return rc;
}

int hf_addr_maps_choose(const struct builder *b, struct addr_map *ret[2])
{
	int rc = choose_side(b, false, &ret[0]);

	ret[1] = NULL;
	return rc < 0 ? rc : choose_side(b, true, &ret[1]);
}

int hf_addr_map_lower(
	struct builder *b, const struct addr_map *map, uint32_t keep, uint32_t table, uint32_t next)
{
	struct hf_entry e = {
		.table = table,
		.fate = HF_FATE_JUMP,
		.jump = next,
		.sets_tag = true,
		.tag_keep = keep,
		.origin = UINT32_MAX,
		.detail = HF_F_MAX_,
	};
	size_t i;
	int rc = 0;

	for (i = 0; i < map->n_nets && rc == 0; i++) {
		const struct addr_net *n = &map->nets[i];
		bool v4 = n->net.addr.family == 4;
		struct shape s;

		hf_shape_init(&s, b->engine, n->net.addr.family);
		if (map->dst)
			hf_shape_put_prefix(&s, v4 ? HF_F_IP4_DST : HF_F_IP6_DST, &n->net);
		else
			hf_shape_put_prefix(&s, v4 ? HF_F_IP4_SRC : HF_F_IP6_SRC, &n->net);
		e.match = s.pattern;
		e.tag = n->value;
		e.priority = 129 - (uint32_t)n->net.len;
		rc = hf_build_entry(b, &e);
	}
	e.match = (struct hf_pattern){.layers = HF_LAYER_BIT(HF_LAYER_ETH)};
	e.tag = 0;
	e.priority = 130;
	return rc < 0 ? rc : hf_build_entry(b, &e);
}
