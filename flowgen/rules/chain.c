/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One chain of one endpoint, and where it leads. */
struct chain {
	struct build *b;
	const struct hf_model_endpoint *ep;
	enum hf_chain chain;
	uint32_t flags;
	const struct conts *conts;
};

static const char *const chain_names[] = {
	[HF_CHAIN_UNTRACKED] = "untracked",
	[HF_CHAIN_PREDNAT] = "prednat",
	[HF_CHAIN_NORMAL] = "normal",
	[HF_CHAIN_FORWARD] = "forward",
};

static const char *name_block(const struct chain *c, const char *part)
{
	size_t n = hf_n_other_twins(c->b, c->ep);
	char others[32] = "";
	const char *name;

	if (n)
		(void)snprintf(others, sizeof(others), " and %zu more", n); /* fits */
	name = hf_arena_printf(c->b->rules->arena, "%s%s: %s %s, %s", c->ep->name, others,
		chain_names[c->chain], c->flags & CHAIN_EGRESS ? "egress" : "ingress", part);
	if (!name)
		c->b->rc = -ENOMEM;
	return name;
}

static struct memo_key make_key(const struct chain *c, enum memo_kind kind, size_t tier)
{
	struct memo_key key;

	memset(&key, 0, sizeof(key));
	key.endpoint = c->ep;
	key.kind = kind;
	key.chain = c->chain;
	key.flags = c->flags;
	key.tier = (uint32_t)tier;
	key.conts = *c->conts;
	return key;
}

static const struct hf_model_policies *policies_of(
	const struct chain *c, const struct hf_model_tier *tier)
{
	return c->flags & CHAIN_EGRESS ? &tier->out : &tier->in;
}

/* Staged policies are members of a tier and nothing else (docs/semantics.md 2). */
static bool enforces(const struct hf_model_policies *policies)
{
	size_t i;

	for (i = 0; i < policies->n; i++) {
		if (!policies->v[i].staged)
			return true;
	}
	return false;
}

bool hf_chain_has(const struct hf_model_endpoint *ep, enum hf_chain chain)
{
	return ep && ep->tiers[chain].n > 0;
}

/* The tier from on that does anything in this direction, or the number of tiers. */
static size_t next_tier(const struct chain *c, size_t from)
{
	const struct hf_model_tiers *tiers = &c->ep->tiers[c->chain];

	while (from < tiers->n && !enforces(policies_of(c, &tiers->v[from])))
		from++;
	return from;
}

/* pass is where HF_RULE_PASS leads. */
static void emit_rules(const struct chain *c, rule_vec *v, const struct hf_model_rules *rules,
	uint8_t offload, struct cont pass)
{
	const struct cont deny = hf_decide(HF_VERDICT_DENY, OWN_ORIGIN);
	struct hf_rule log = {.op = HF_OP_LOG, .offload = offload};
	struct build *b = c->b;
	struct source *source = rules->n ? hf_find_source(b, rules) : NULL;
	const struct rendered *list =
		source ? hf_render(b, source, c->flags & CHAIN_WIRE, false) : NULL;
	size_t i;

	for (i = 0; list && i < rules->n && b->rc == 0; i++) {
		const struct hf_model_rule *r = &rules->v[i];
		const struct rendered *m = &list[i];
		uint32_t own = source->origin + (uint32_t)i;

		b->notes->origins.v[own].dead = m->dead;
		if (m->dead)
			continue;
		switch (r->action) {
		case HF_RULE_DENY:
			hf_emit(b, v, &m->match, deny, own, offload);
			break;
		case HF_RULE_ALLOW:
			hf_emit(b, v, &m->match, c->conts->accept, own, offload);
			break;
		case HF_RULE_PASS:
			hf_emit(b, v, &m->match, pass, own, offload);
			break;
		case HF_RULE_LOG:
			log.match = m->match;
			log.origin = own;
			hf_emit_rule(b, v, &log);
			break;
		}
		if (b->rc == -E2BIG)
			b->too_many = r->place;
	}
}

static uint8_t wish(const struct hf_model_policy *policy, const struct hf_model_endpoint *ep)
{
	return policy->offload != HF_OFFLOAD_PREFER ? policy->offload : ep->offload;
}

static uint32_t build_profiles(const struct chain *c, size_t from)
{
	struct memo_key key = make_key(c, MEMO_PROFILES, from);
	const struct cont deny = hf_decide(HF_VERDICT_DENY, OWN_ORIGIN);
	const struct hf_match all = HF_MATCH_ALL;
	uint32_t block, none = hf_add_origin(c->b, "no-profile");
	rule_vec v = {0};
	size_t i;

	if (hf_find_memo(c->b, &key, &block))
		return block;
	for (i = from; i < c->ep->n_profiles; i++) {
		const struct hf_model_profile *p = c->ep->profiles[i];
		const struct hf_model_rules *rules = c->flags & CHAIN_EGRESS ? &p->out : &p->in;
		struct cont next = {0};
		bool pass = false;
		size_t k;

		/* Denies where it stands, just as the end of the list does. */
		if (p->missing)
			hf_emit(c->b, &v, &all, deny, none, c->ep->offload);
		for (k = 0; k < rules->n; k++)
			pass |= rules->v[k].action == HF_RULE_PASS;
		if (pass)
			next = hf_go_to(build_profiles(c, i + 1));
		emit_rules(c, &v, rules, c->ep->offload, next);
		if (!pass)
			continue;
		hf_emit(c->b, &v, &all, next, NO_ORIGIN, c->ep->offload);
		break;
	}
	hf_emit(c->b, &v, &all, deny, none, c->ep->offload);
	return hf_add_memo(c->b, &key, hf_finish_block(c->b, &v, name_block(c, "profiles")));
}

/*
 * docs/semantics.md 4: a forward list without any tier accepts. Up to Calico 3.28 each direction
 * was looked at by itself.
 */
static bool forward_accepts(const struct chain *c)
{
	const struct hf_model_tiers *tiers = &c->ep->tiers[HF_CHAIN_FORWARD];
	size_t i;

	for (i = 0; i < tiers->n; i++) {
		if (c->b->model->config.calico >= 329 || policies_of(c, &tiers->v[i])->n > 0)
			return false;
	}
	return true;
}

/* What stands behind the last tier. */
static uint32_t build_end(const struct chain *c)
{
	struct memo_key key = make_key(c, MEMO_TIER, c->ep->tiers[c->chain].n);
	struct cont cont = c->conts->none;
	const struct hf_match all = HF_MATCH_ALL;
	rule_vec v = {0};
	uint32_t block, own = NO_ORIGIN;

	if (c->chain == HF_CHAIN_NORMAL)
		return build_profiles(c, 0);
	if (hf_find_memo(c->b, &key, &block))
		return block;
	if (c->chain == HF_CHAIN_FORWARD) {
		if (forward_accepts(c))
			cont = c->conts->accept;
		if (cont.how != HOW_GOTO)
			own = hf_add_origin(c->b, "forward-default");
	}
	hf_emit(c->b, &v, &all, cont, own, c->ep->offload);
	return hf_add_memo(c->b, &key, hf_finish_block(c->b, &v, name_block(c, "end")));
}

/* Whether lists of rules can lead there without blocks of their own. */
static bool is_plain(const struct cont *cont)
{
	return cont->how == HOW_VERDICT || cont->how == HOW_GOTO;
}

/* The policies of a tier, and what becomes of packets that none of them decides. */
static uint32_t build_stack(const struct chain *c, const struct hf_model_tier *tier,
	struct cont pass, const struct hf_rule *last)
{
	const struct hf_model_policies *policies = policies_of(c, tier);
	struct list key = {.wire = c->flags & CHAIN_WIRE, .accept = c->conts->accept, .pass = pass};
	struct stack_draft d;
	size_t i;

	hf_stack_begin(c->b, &d);
	for (i = 0; i < policies->n; i++) {
		key.offload = wish(&policies->v[i], c->ep);
		if (!policies->v[i].staged)
			hf_stack_add(c->b, &d, &policies->v[i].rules, &key);
	}
	return hf_stack_finish(c->b, &d, last, name_block(c, tier->name));
}

/* The same where every rule that accepts has a block of its own. */
static uint32_t build_loose(const struct chain *c, const struct hf_model_tier *tier,
	struct cont pass, const struct hf_rule *last)
{
	const struct hf_model_policies *policies = policies_of(c, tier);
	rule_vec v = {0};
	size_t i;

	for (i = 0; i < policies->n; i++) {
		if (!policies->v[i].staged)
			emit_rules(
				c, &v, &policies->v[i].rules, wish(&policies->v[i], c->ep), pass);
	}
	hf_emit_rule(c->b, &v, last);
	return hf_finish_block(c->b, &v, name_block(c, tier->name));
}

static uint32_t build_tier(const struct chain *c, size_t from)
{
	size_t at = next_tier(c, from);
	struct memo_key key = make_key(c, MEMO_TIER, at);
	struct hf_rule last = {.match = HF_MATCH_ALL, .offload = c->ep->offload};
	const struct hf_model_tier *tier;
	struct cont next;
	uint32_t block;

	if (at == c->ep->tiers[c->chain].n)
		return build_end(c);
	if (hf_find_memo(c->b, &key, &block))
		return block;
	next = hf_go_to(build_tier(c, at + 1));
	tier = &c->ep->tiers[c->chain].v[at];
	last.origin = hf_add_origin(c->b, tier->origin);
	if ((c->chain != HF_CHAIN_NORMAL && c->chain != HF_CHAIN_FORWARD) || tier->default_pass) {
		last.op = HF_OP_GOTO;
		last.target = next.target;
	}
	block = is_plain(&c->conts->accept) ? build_stack(c, tier, next, &last)
					    : build_loose(c, tier, next, &last);
	return hf_add_memo(c->b, &key, block);
}

/* docs/semantics.md 1.1: failsafe ports are accepted even where policy only has no objection. */
static struct cont failsafe_cont(const struct chain *c)
{
	struct cont cont = c->conts->accept;

	if (cont.how == HOW_VERDICT)
		cont.verdict = HF_VERDICT_ALLOW;
	return cont;
}

/* Behind the look at the connection's state: failsafes, pods' tunnels, tiers. */
static uint32_t build_body(const struct chain *c)
{
	struct memo_key key = make_key(c, MEMO_BODY, 0);
	const struct hf_match all = HF_MATCH_ALL;
	rule_vec v = {0};
	uint32_t block, tiers;

	if (hf_find_memo(c->b, &key, &block))
		return block;
	tiers = build_tier(c, 0);
	if (c->ep->workload && c->flags & CHAIN_EGRESS)
		hf_emit_encap_pod(c->b, &v);
	if (!c->ep->workload && c->chain == HF_CHAIN_NORMAL)
		hf_emit_failsafes(c->b, &v, c->chain, c->flags, failsafe_cont(c));
	else if (!c->ep->workload && c->chain != HF_CHAIN_FORWARD &&
		 next_tier(c, 0) < c->ep->tiers[c->chain].n)
		hf_emit_failsafes(c->b, &v, c->chain, c->flags, c->conts->none);
	hf_emit(c->b, &v, &all, hf_go_to(tiers), NO_ORIGIN, c->ep->offload);
	return hf_add_memo(c->b, &key, hf_finish_block(c->b, &v, name_block(c, "policy")));
}

static void emit_states(const struct chain *c, rule_vec *v, uint32_t body)
{
	uint32_t own = hf_add_origin(c->b, "conntrack");
	struct hf_match m = HF_MATCH_ALL;

	if (hf_match_vxlan_on(c->b, &m, true)) {
		m.ct = HF_CT_BIT(HF_CT_ESTABLISHED) | HF_CT_BIT(HF_CT_RELATED) |
		       HF_CT_BIT(HF_CT_INVALID);
		hf_emit(c->b, v, &m, hf_go_to(body), NO_ORIGIN, c->ep->offload);
		if (c->flags & CHAIN_AGAIN) {
			m.wire = false;
			hf_emit(c->b, v, &m, hf_go_to(body), NO_ORIGIN, c->ep->offload);
		}
	}
	m = HF_MATCH_ALL;
	m.ct = HF_CT_BIT(HF_CT_ESTABLISHED) | HF_CT_BIT(HF_CT_RELATED);
	hf_emit(c->b, v, &m, c->conts->known, own, c->ep->offload);
	if (c->b->model->config.no_invalid_check)
		return;
	m.ct = HF_CT_BIT(HF_CT_INVALID);
	hf_emit(c->b, v, &m, hf_decide(HF_VERDICT_DENY, OWN_ORIGIN), own, c->ep->offload);
}

uint32_t hf_build_chain(struct build *b, const struct hf_model_endpoint *ep, enum hf_chain chain,
	uint32_t flags, const struct conts *conts)
{
	struct chain c = {.b = b, .chain = chain, .flags = flags, .conts = conts};
	struct memo_key key;
	const struct hf_match all = HF_MATCH_ALL;
	rule_vec v = {0};
	uint32_t block, body;

	if (b->rc < 0)
		return 0;
	c.ep = hf_first_twin(b, ep);
	key = make_key(&c, MEMO_CHAIN, 0);
	if (hf_find_memo(b, &key, &block))
		return block;
	body = build_body(&c);
	if (chain == HF_CHAIN_UNTRACKED || flags & CHAIN_NOTRACK)
		return hf_add_memo(b, &key, body);
	emit_states(&c, &v, body);
	hf_emit(b, &v, &all, hf_go_to(body), NO_ORIGIN, ep->offload);
	return hf_add_memo(b, &key, hf_finish_block(b, &v, name_block(&c, "state")));
}
