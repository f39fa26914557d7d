/* SPDX-License-Identifier: BSD-3-Clause */

#define HASH_NONFATAL_OOM	 1
#define uthash_nonfatal_oom(elt) (b->rc = -ENOMEM)
#define HASH_FUNCTION		 HF_HASH_UTHASH

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/hash.h>
#include <hepflow/base/id.h>

#include <uthash.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SET_NAME_MAX 120 /* of a list of nets: for people, so the rest is cut */

struct memo {
	struct memo_key key;
	uint32_t block;
	UT_hash_handle hh;
};

struct origin_memo {
	const char *text;
	uint32_t origin;
	UT_hash_handle hh;
};

bool hf_find_memo(struct build *b, const struct memo_key *key, uint32_t *ret_block)
{
	struct memo *m;

	HASH_FIND(hh, b->memo, key, sizeof(*key), m);
	if (m)
		*ret_block = m->block;
	return m;
}

uint32_t hf_add_memo(struct build *b, const struct memo_key *key, uint32_t block)
{
	struct memo *m = hf_arena_alloc(b->tmp, sizeof(*m));

	if (!m) {
		b->rc = -ENOMEM;
		return block;
	}
	m->key = *key;
	m->block = block;
	HASH_ADD(hh, b->memo, key, sizeof(m->key), m);
	return block;
}

uint32_t hf_add_origin(struct build *b, const char *text)
{
	struct origin_memo *m;
	struct origin o = {0};

	HASH_FIND_STR(b->origin_memo, text, m);
	if (m)
		return m->origin;
	m = hf_arena_alloc(b->tmp, sizeof(*m));
	o.text = hf_arena_strdup(b->rules->arena, text);
	if (!m || !o.text || hf_vec_push(&b->origins, o) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	m->text = o.text;
	m->origin = (uint32_t)b->origins.n - 1;
	HASH_ADD_KEYPTR(hh, b->origin_memo, m->text, strlen(m->text), m);
	return m->origin;
}

void *hf_keep(struct build *b, const void *data, size_t size)
{
	void *p = hf_arena_dup(b->rules->arena, data, size);

	if (!p)
		b->rc = -ENOMEM;
	return p;
}

static int prefix_cmp(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

/* Whether they are as a set has them: sorted, none covers another. */
static bool is_normal(const struct hf_prefix *nets, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (hf_prefix_cmp(&nets[i - 1], &nets[i]) >= 0 ||
			hf_prefix_covers(&nets[i - 1], &nets[i]))
			return false;
	}
	return true;
}

/* Sorts, and drops what another net covers: it stands right behind the covering one. */
static size_t normalize(struct hf_prefix *nets, size_t n)
{
	size_t i, kept = 0;

	qsort(nets, n, sizeof(*nets), prefix_cmp);
	for (i = 0; i < n; i++) {
		if (kept == 0 || !hf_prefix_covers(&nets[kept - 1], &nets[i]))
			nets[kept++] = nets[i];
	}
	return kept;
}

static const char *nets_name(struct build *b, const struct hf_prefix *nets, size_t n)
{
	char name[SET_NAME_MAX + HF_ADDRSTR_SIZE + 1] = "";
	size_t i, len = 0;

	for (i = 0; i < n && len < SET_NAME_MAX; i++) {
		if (i)
			name[len++] = ',';
		len += strlen(hf_prefix_print(&nets[i], name + len));
	}
	if (i < n) {
		memcpy(name + SET_NAME_MAX, ",...", 5);
		len = SET_NAME_MAX + 4;
	}
	return hf_keep(b, name, len + 1);
}

/* The nets as a set has them, in tmp or as they are; *n is what is left of them. */
static const struct hf_prefix *set_nets(struct build *b, const struct hf_prefix *nets, size_t *n)
{
	struct hf_prefix *copy;

	if (is_normal(nets, *n))
		return nets;
	copy = hf_arena_dup(b->tmp, nets, *n * sizeof(*nets));
	if (copy)
		*n = normalize(copy, *n);
	return copy;
}

static bool has_nets(const struct hf_set *set, const struct hf_prefix *nets, size_t n)
{
	return set->n_nets == n && memcmp(set->nets, nets, n * sizeof(*nets)) == 0;
}

/* Where the set with these nets is, or would be. There must be a free slot. */
static struct set_slot *find_slot(
	const struct build *b, uint32_t hash, const struct hf_prefix *nets, size_t n)
{
	size_t mask = b->set_slots.size - 1, i;

	for (i = hash & mask;; i = (i + 1) & mask) {
		struct set_slot *slot = &b->set_slots.v[i];

		if (slot->set == UINT32_MAX ||
			(slot->hash == hash && has_nets(&b->sets.v[slot->set], nets, n)))
			return slot;
	}
}

/* Room for one more, at most half of the slots being used. */
static int grow_slots(struct build *b)
{
	struct set_slots old = b->set_slots, *s = &b->set_slots;
	size_t i, k;

	if (s->n * 2 < s->size)
		return 0;
	s->size = old.size ? old.size * 2 : 64;
	s->v = malloc(s->size * sizeof(*s->v));
	if (!s->v) {
		*s = old;
		return -ENOMEM;
	}
	memset(s->v, 0xff, s->size * sizeof(*s->v));
	for (i = 0; i < old.size; i++) {
		for (k = old.v[i].hash & (s->size - 1); s->v[k].set != UINT32_MAX;)
			k = (k + 1) & (s->size - 1);
		if (old.v[i].set != UINT32_MAX)
			s->v[k] = old.v[i];
	}
	free(old.v);
	return 0;
}

/* name NULL: the nets themselves. The same nets are one set, whatever their name. */
uint32_t hf_add_net_set(
	struct build *b, const char *name, const struct hf_prefix *nets, size_t n_nets)
{
	struct hf_set set = {.n_nets = n_nets};
	struct set_slot *slot;
	uint32_t hash;

	nets = set_nets(b, nets, &set.n_nets);
	if (!nets || grow_slots(b) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	hash = hf_hash(nets, set.n_nets * sizeof(*nets));
	slot = find_slot(b, hash, nets, set.n_nets);
	if (slot->set != UINT32_MAX)
		return slot->set;
	set.nets = hf_keep(b, nets, set.n_nets * sizeof(*nets));
	set.name = name ? hf_keep(b, name, strlen(name) + 1) : nets_name(b, nets, set.n_nets);
	if (!set.nets || !set.name || hf_vec_push(&b->sets, set) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	*slot = (struct set_slot){hash, (uint32_t)b->sets.n - 1};
	b->set_slots.n++;
	return slot->set;
}

void hf_match_addr(struct build *b, struct hf_match *m, bool dst, uint32_t set)
{
	const struct hf_addr_cond cond = {.dst = dst, .set = set};

	assert(m->n_addr == 0);
	m->addr = hf_keep(b, &cond, sizeof(cond));
	m->n_addr = m->addr != NULL;
}

void hf_match_addr2(struct build *b, struct hf_match *m, uint32_t src_set, uint32_t dst_set)
{
	const struct hf_addr_cond conds[] = {{.set = src_set}, {.dst = true, .set = dst_set}};

	assert(m->n_addr == 0);
	m->addr = hf_keep(b, conds, sizeof(conds));
	m->n_addr = m->addr ? 2 : 0;
}

void hf_match_port(
	struct build *b, struct hf_match *m, bool dst, const struct hf_ports *ranges, size_t n)
{
	struct hf_port_cond cond = {.dst = dst, .n_ranges = (uint16_t)n};

	assert(m->n_port == 0);
	cond.ranges = hf_keep(b, ranges, n * sizeof(*ranges));
	m->port = hf_keep(b, &cond, sizeof(cond));
	m->n_port = m->port != NULL;
}

void hf_match_proto(struct hf_match *m, uint8_t proto)
{
	memset(m->proto, 0, sizeof(m->proto));
	m->proto[proto / 64] = 1ull << proto % 64;
}

struct cont hf_go_to(uint32_t block)
{
	return (struct cont){.how = HOW_GOTO, .target = block};
}

struct cont hf_decide(enum hf_verdict verdict, uint32_t origin)
{
	return (struct cont){.how = HOW_VERDICT, .verdict = verdict, .origin = origin};
}

enum hf_verdict hf_filter_allow(const struct build *b, bool untracked)
{
	if (b->model->config.filter_return)
		return HF_VERDICT_NO_DECISION;
	return untracked ? HF_VERDICT_ALLOW_UNTRACKED : HF_VERDICT_ALLOW;
}

void hf_emit_rule(struct build *b, rule_vec *v, const struct hf_rule *rule)
{
	if (b->rc < 0)
		return;
	if (++b->n_rules > HF_RULES_MAX)
		b->rc = -E2BIG;
	else if (hf_vec_push(v, *rule) < 0)
		b->rc = -ENOMEM;
}

void hf_emit(struct build *b, rule_vec *v, const struct hf_match *match, struct cont cont,
	uint32_t own, uint8_t offload)
{
	struct hf_rule rule = {.match = *match, .offload = offload};

	rule.origin = cont.how == HOW_GOTO || cont.origin == OWN_ORIGIN ? own : cont.origin;
	if (cont.how == HOW_VERDICT) {
		rule.verdict = (enum hf_verdict)cont.verdict;
	} else {
		rule.op = HF_OP_GOTO;
		rule.target =
			cont.how == HOW_GOTO ? cont.target : hf_build_carry(b, cont, rule.origin);
		rule.origin = own;
	}
	hf_emit_rule(b, v, &rule);
}

/* Rules behind one that matches everything can never be reached. */
static size_t cut(const rule_vec *v)
{
	size_t i;

	for (i = 0; i < v->n; i++) {
		if (v->v[i].op != HF_OP_LOG && hf_match_is_all(&v->v[i].match))
			return i + 1;
	}
	return 0;
}

uint32_t hf_finish_block(struct build *b, rule_vec *take_v, const char *name)
{
	size_t n = hf_drop_covered(b, take_v->v, cut(take_v));
	struct hf_block block = {.name = name, .n_rules = (uint32_t)n, .n_pieces = 1};
	const struct hf_piece piece = {hf_id_new(), 0, (uint32_t)n};
	uint32_t index = 0;

	if (b->rc == 0 && n == 1 && take_v->v[0].op == HF_OP_GOTO &&
		take_v->v[0].origin == NO_ORIGIN) {
		index = take_v->v[0].target;
	} else if (b->rc == 0) {
		assert(n > 0);
		block.rules = hf_keep(b, take_v->v, n * sizeof(*take_v->v));
		block.pieces = hf_keep(b, &piece, sizeof(piece));
		if (!name || !block.rules || !block.pieces || hf_vec_push(&b->blocks, block) < 0)
			b->rc = -ENOMEM;
		else
			index = (uint32_t)b->blocks.n - 1;
	}
	hf_vec_fini(take_v);
	return index;
}

void hf_free_memos(struct build *b)
{
	HASH_CLEAR(hh, b->memo);
	free(b->set_slots.v);
	HASH_CLEAR(hh, b->origin_memo);
}
