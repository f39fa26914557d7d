/* SPDX-License-Identifier: BSD-3-Clause */

#define HASH_NONFATAL_OOM	 1
#define uthash_nonfatal_oom(elt) (b->rc = -ENOMEM)
#define HASH_FUNCTION		 HF_HASH_UTHASH

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/hash.h>

#include <uthash.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memo {
	struct memo_key key;
	uint32_t block;
	UT_hash_handle hh;
};

struct origin_memo {
	const char *text;
	uint32_t origin;
	uint32_t turn; /* that used it last */
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
	struct hf_notes *n = b->notes;
	struct origin_memo *m;
	struct origin o = {0};

	HASH_FIND_STR(n->origin_memo, text, m);
	if (m) {
		m->turn = n->turn;
		return m->origin;
	}
	m = hf_arena_alloc(n->pool, sizeof(*m));
	o.text = hf_arena_strdup(n->pool, text);
	if (!m || !o.text || hf_vec_push(&n->origins, o) < 0) {
		b->rc = -ENOMEM;
		return 0;
	}
	m->text = o.text;
	m->turn = n->turn;
	m->origin = (uint32_t)n->origins.n - 1;
	HASH_ADD_KEYPTR(hh, n->origin_memo, m->text, strlen(m->text), m);
	n->origins_changed = true;
	return m->origin;
}

void hf_forget_origins(struct hf_notes *n)
{
	struct origin_memo *m, *next;

	for (m = n->origin_memo; m; m = next) {
		next = m->hh.next;
		if (m->turn == n->turn)
			continue;
		HASH_DEL(n->origin_memo, m);
		n->origins.v[m->origin] = (struct origin){.text = ""};
		n->origins_changed = true;
	}
}

void hf_clear_origin_memo(struct hf_notes *notes)
{
	HASH_CLEAR(hh, notes->origin_memo);
}

void *hf_keep(struct build *b, const void *data, size_t size)
{
	void *p = hf_arena_dup(b->arena, data, size);

	if (!p)
		b->rc = -ENOMEM;
	return p;
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

/* Puts the rules that stay into tmp. */
static size_t drop_covered(struct build *b, const rule_vec *v, size_t n, struct hf_rule **ret)
{
	const struct hf_rule **at = hf_arena_calloc(b->tmp, n, sizeof(*at));
	bool *covered = hf_arena_calloc(b->tmp, n, sizeof(*covered));
	struct hf_rule *kept = hf_arena_calloc(b->tmp, n, sizeof(*kept));
	size_t i, n_kept = 0;

	if (!at || !covered || !kept) {
		b->rc = -ENOMEM;
		return 0;
	}
	for (i = 0; i < n; i++)
		at[i] = &v->v[i];
	hf_find_covered(b, at, n, covered);
	for (i = 0; i < n; i++) {
		if (!covered[i])
			kept[n_kept++] = v->v[i];
	}
	*ret = kept;
	return n_kept;
}

uint32_t hf_finish_block(struct build *b, rule_vec *take_v, const char *name)
{
	struct hf_rule *rules = NULL;
	size_t n = b->rc == 0 ? drop_covered(b, take_v, cut(take_v), &rules) : 0;
	struct draft draft = {.name = name, .n_rules = (uint32_t)n, .rules = rules};
	uint32_t index = 0;

	if (b->rc == 0 && n == 1 && rules[0].op == HF_OP_GOTO && rules[0].origin == NO_ORIGIN) {
		index = rules[0].target;
	} else if (b->rc == 0) {
		assert(n > 0);
		if (!name || hf_vec_push(&b->drafts, draft) < 0)
			b->rc = -ENOMEM;
		else
			index = (uint32_t)b->drafts.n - 1;
	}
	hf_vec_fini(take_v);
	return index;
}

void hf_free_memos(struct build *b)
{
	HASH_CLEAR(hh, b->memo);
}
