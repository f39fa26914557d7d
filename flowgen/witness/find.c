/* SPDX-License-Identifier: BSD-3-Clause */

#include "witness/choices.h"

#include <hepflow/base/clock.h>
#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>
#include <hepflow/witness.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define PACKETS_MAX  60000 /* judged in one run: some seconds with 1000 rules */
#define PER_RULE_MIN 60
#define IFACES_MAX   8
#define SPREAD_PRIME UINT64_C(2654435761)

/* A region that has been told. */
struct seen {
	char key[HF_REGION_SIZE + 8];
	UT_hash_handle hh;
};

/* What some rule of a side says. */
struct mark {
	uint64_t content;
	UT_hash_handle hh;
};

struct search {
	struct hf_witness_side side[2]; /* before, after */
	struct common common;
	size_t n_ifaces;
	char ifaces[IFACES_MAX][HF_IFNAME_SIZE];
	struct mark *marks[2]; /* contents of each side's rules */
	struct seen *told;
	struct hf_witnesses *out;
	size_t budget;	/* packets for rules that changed, and again for the others */
	uint64_t until; /* hf_clock_ms() */
	bool failed;	/* out of memory */
	bool wrong;	/* the reference disagrees */
};

static int judge(const struct search *s, size_t side, const struct hf_packet *pkt,
	struct hf_decision *ret, struct hf_key *key)
{
	if (hf_rules_sort(s->side[side].rules, pkt, key, NULL) < 0)
		return -1;
	*ret = hf_rules_lookup(s->side[side].rules, key);
	return 0;
}

static void print_region(const struct hf_packet *pkt, const struct addr_choice *src,
	const struct port_choice *dport, enum hf_class class, char buf[static HF_REGION_SIZE])
{
	char proto[12], net[HF_ADDRSTR_SIZE] = "any", port[32] = "";

	if (!src->any)
		(void)hf_prefix_print(&src->net, net);
	if (hf_proto_has_ports(pkt->proto) && dport->range.lo != dport->range.hi)
		(void)snprintf(port, sizeof(port), ":%u-%u", dport->range.lo, dport->range.hi);
	else if (hf_proto_has_ports(pkt->proto))
		(void)snprintf(port, sizeof(port), ":%u", pkt->dport);
	else if (pkt->proto == HF_PROTO_ICMP || pkt->proto == HF_PROTO_ICMPV6)
		(void)snprintf(port, sizeof(port), " type %u", pkt->icmp_type);
	(void)snprintf(buf, HF_REGION_SIZE, "%s %s -> %s%s", hf_proto_name(pkt->proto, proto), net,
		hf_class_name(class), port);
}

/* Whether region and verdicts are new; from then on they are not. */
static bool first_time(struct search *s, const struct hf_witness *w)
{
	struct seen *e = calloc(1, sizeof(*e)), *old;

	if (!e) {
		s->failed = true;
		return false;
	}
	(void)snprintf(e->key, sizeof(e->key), "%d%d%s", w->before, w->after, w->region);
	HASH_FIND_STR(s->told, e->key, old);
	if (!old) {
		HASH_ADD_STR(s->told, key, e);
		s->failed |= !e->hh.tbl;
		if (e->hh.tbl)
			return true;
	}
	free(e);
	return false;
}

/* By the reference, on both sides. */
static void confirm(struct search *s, struct hf_witness *w)
{
	struct hf_ref_result r[2];
	size_t i;

	for (i = 0; i < 2; i++) {
		if (hf_ref_eval(s->side[i].model, &w->pkt, NULL, NULL, &r[i], NULL) < 0 ||
			r[i].verdict != (i ? w->after : w->before)) {
			s->wrong = true;
			return;
		}
	}
	w->origin_before = r[0].origin;
	w->origin_after = r[1].origin;
	if (s->out->n < HF_WITNESSES_MAX)
		s->out->v[s->out->n++] = *w;
	else
		s->out->more++;
}

static void try_packet(struct search *s, const struct hf_packet *pkt, const struct addr_choice *src,
	const struct port_choice *dport)
{
	struct hf_witness w = {.pkt = *pkt};
	struct hf_decision before, after;
	struct hf_key key;

	if (judge(s, 0, pkt, &before, &key) < 0 || judge(s, 1, pkt, &after, &key) < 0 ||
		before.verdict == after.verdict)
		return;
	w.before = before.verdict;
	w.after = after.verdict;
	print_region(pkt, src, dport, key.class, w.region);
	if (first_time(s, &w))
		confirm(s, &w);
}

/* One of n, taken off the number. */
static size_t draw(uint64_t *number, size_t n)
{
	size_t i = (size_t)(*number % n);

	*number /= n;
	return i;
}

static void try_choice(struct search *s, const struct choices *c, uint64_t number)
{
	const char *in = s->ifaces[draw(&number, s->n_ifaces)];
	struct hf_packet pkt = {.proto = c->protos[draw(&number, c->n_protos)]};
	const struct port_choice *dport = &c->dport.v[draw(&number, c->dport.n)];
	const struct addr_choice *dst = &c->dst.v[draw(&number, c->dst.n)];
	const struct addr_choice *src = &c->src.v[draw(&number, c->src.n)];

	memcpy(pkt.in, in, sizeof(pkt.in));
	pkt.src = src->addr;
	pkt.dst = dst->addr;
	if (hf_proto_has_ports(pkt.proto)) {
		pkt.dport = dport->port;
		pkt.sport = c->sport.v[draw(&number, c->sport.n)].port;
	}
	if (pkt.proto == HF_PROTO_TCP)
		pkt.tcp_flags = HF_TCP_SYN;
	if (pkt.proto == HF_PROTO_ICMP || pkt.proto == HF_PROTO_ICMPV6) {
		pkt.icmp_type = c->type;
		pkt.icmp_code = c->code;
	}
	try_packet(s, &pkt, src, dport);
}

static bool is_late(struct search *s, uint64_t i)
{
	if (s->until != UINT64_MAX && i % 64 == 0 && hf_clock_ms() >= s->until)
		s->out->cut = true;
	return s->out->cut;
}

/* All combinations, or as many as allowed from all over them. Returns how many. */
static size_t try_rule(struct search *s, const struct hf_rules *rules, const struct hf_match *m,
	uint8_t family, size_t allowed)
{
	struct choices c;
	uint64_t all, n, i;

	hf_choices_make(&c, &s->common, rules, m, family);
	all = (uint64_t)s->n_ifaces * c.n_protos * c.dport.n * c.dst.n * c.src.n * c.sport.n;
	n = all < allowed ? all : allowed;
	/* A prime above every size: no combination twice. */
	for (i = 0; i < n && !is_late(s, i); i++)
		try_choice(s, &c, all == n ? i : i * SPREAD_PRIME % all);
	return (size_t)n;
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(0x100000001b3); /* FNV-1a */
	return h;
}

static uint64_t mix_set(uint64_t h, const struct hf_set *set)
{
	size_t i;

	for (i = 0; i < set->n_nets; i++) {
		h = mix(h, set->nets[i].addr.b, sizeof(set->nets[i].addr.b));
		h = mix(h, &set->nets[i].len, 1);
	}
	for (i = 0; i < set->n_members; i++) {
		h = mix(h, set->members[i].addr.b, sizeof(set->members[i].addr.b));
		h = mix(h, &set->members[i].port, sizeof(set->members[i].port));
	}
	return h;
}

/* What a rule says, as a number; two rules of one number are only tried later. */
static uint64_t content(const struct hf_rules *rules, const struct hf_rule *r)
{
	const struct hf_match *m = &r->match;
	uint8_t head[] = {m->family, m->ct, m->wire, (uint8_t)r->op, (uint8_t)r->verdict,
		(uint8_t)m->n_addr, (uint8_t)m->n_port, (uint8_t)m->n_icmp};
	uint64_t h = mix(UINT64_C(0xcbf29ce484222325), head, sizeof(head));
	size_t i, k;

	h = mix(h, m->proto, sizeof(m->proto));
	for (i = 0; i < m->n_addr; i++) {
		uint8_t how[] = {m->addr[i].dst, m->addr[i].negate};

		h = mix(h, how, sizeof(how));
		h = mix_set(h, hf_rules_set(rules, m->addr[i].set));
	}
	for (i = 0; i < m->n_port; i++) {
		uint8_t how[] = {m->port[i].dst, m->port[i].negate};

		h = mix(h, how, sizeof(how));
		h = mix(h, m->port[i].ranges, m->port[i].n_ranges * sizeof(m->port[i].ranges[0]));
		for (k = 0; k < m->port[i].n_sets; k++)
			h = mix_set(h, hf_rules_set(rules, m->port[i].sets[k]));
	}
	for (i = 0; i < m->n_icmp; i++) {
		uint8_t how[] = {
			m->icmp[i].negate, m->icmp[i].type, m->icmp[i].has_code, m->icmp[i].code};

		h = mix(h, how, sizeof(how));
	}
	return h;
}

static void gather_rule(struct search *s, size_t side, const struct hf_rule *r)
{
	hf_common_add_rule(&s->common, s->side[side].rules, &r->match);
}

static void mark_rule(struct search *s, size_t side, const struct hf_rule *r)
{
	struct mark *m = calloc(1, sizeof(*m)), *old;

	if (!m) {
		s->failed = true;
		return;
	}
	m->content = content(s->side[side].rules, r);
	HASH_FIND(hh, s->marks[side], &m->content, sizeof(m->content), old);
	if (!old)
		HASH_ADD(hh, s->marks[side], content, sizeof(m->content), m);
	if (old || !m->hh.tbl) {
		s->failed |= !old;
		free(m);
	}
}

static bool is_marked(const struct search *s, size_t side, uint64_t content)
{
	const struct mark *m;

	HASH_FIND(hh, s->marks[side], &content, sizeof(content), m);
	return m != NULL;
}

typedef void (*rule_fn)(struct search *s, size_t side, const struct hf_rule *r);

static void each_rule(struct search *s, rule_fn fn)
{
	size_t side, b, i;

	for (side = 0; side < 2; side++) {
		const struct hf_rules *rules = s->side[side].rules;

		for (b = 0; b < hf_rules_n_blocks(rules); b++) {
			const struct hf_block *block = hf_rules_block(rules, b);

			for (i = 0; i < block->n_rules; i++)
				fn(s, side, &block->rules[i]);
		}
	}
}

/* What both sides have: uplinks, or the host itself and one of each other kind. */
static void gather_ifaces(struct search *s, bool uplinks)
{
	const struct hf_rules *a = s->side[0].rules, *b = s->side[1].rules;
	bool have[HF_FROM_TUNNEL + 1] = {false};
	size_t i;

	for (i = 0; i < hf_rules_n_ifaces(a) && s->n_ifaces < IFACES_MAX; i++) {
		const struct hf_iface *iface = hf_rules_iface(a, i);

		if (hf_rules_find_iface(b, iface->name) < 0 || strcmp(iface->name, "lo") == 0 ||
			(iface->from == HF_FROM_UPLINK) != uplinks ||
			(!uplinks && have[iface->from]))
			continue;
		have[iface->from] = true;
		memcpy(s->ifaces[s->n_ifaces++], iface->name, sizeof(iface->name));
	}
}

struct job {
	size_t side;
	const struct hf_match *match;
};

struct jobs {
	HF_VEC(struct job) v;
};

/* Rules that only one side has, or the others. */
static int list_jobs(struct search *s, bool changed, struct jobs *ret)
{
	size_t side, b, i;

	for (side = 0; side < 2; side++) {
		const struct hf_rules *rules = s->side[side].rules;

		for (b = 0; b < hf_rules_n_blocks(rules); b++) {
			const struct hf_block *block = hf_rules_block(rules, b);

			for (i = 0; i < block->n_rules; i++) {
				uint64_t c = content(rules, &block->rules[i]);
				struct job job = {side, &block->rules[i].match};

				if (is_marked(s, !side, c) != changed && hf_vec_push(&ret->v, job))
					return -1;
			}
		}
	}
	return 0;
}

static void run_jobs(struct search *s, bool changed)
{
	struct jobs jobs = {0};
	size_t left = s->budget, i;

	if (list_jobs(s, changed, &jobs) < 0)
		s->failed = true;
	for (i = 0; i < jobs.v.n && left > 0 && !s->failed && !s->out->cut; i++) {
		const struct job *j = &jobs.v.v[i];
		const struct hf_rules *rules = s->side[j->side].rules;
		size_t share = left / (2 * (jobs.v.n - i));

		if (share < PER_RULE_MIN)
			share = left < PER_RULE_MIN ? left : PER_RULE_MIN;
		if (j->match->family != 6)
			left -= try_rule(s, rules, j->match, 4, share);
		if (share > left)
			share = left;
		if (j->match->family != 4)
			left -= try_rule(s, rules, j->match, 6, share);
	}
	hf_vec_fini(&jobs.v);
}

static void forget(struct search *s)
{
	struct mark *m, *m_next;
	struct seen *e, *e_next;
	size_t i;

	for (i = 0; i < 2; i++) {
		HASH_ITER (hh, s->marks[i], m, m_next) {
			HASH_DEL(s->marks[i], m);
			free(m);
		}
	}
	HASH_ITER (hh, s->told, e, e_next) {
		HASH_DEL(s->told, e);
		free(e);
	}
}

int hf_witness_find(const struct hf_witness_side *old, const struct hf_witness_side *new,
	const struct hf_witness_opts *opts, struct hf_witnesses *ret, struct hf_err *err)
{
	struct search s = {.side = {*old, *new},
		.out = ret,
		.budget = opts && opts->packets ? opts->packets : PACKETS_MAX,
		.until = opts && opts->ms ? hf_clock_ms() + opts->ms : UINT64_MAX};

	*ret = (struct hf_witnesses){0};
	hf_common_add_facts(&s.common, old->rules);
	hf_common_add_facts(&s.common, new->rules);
	gather_ifaces(&s, true); /* what arrives is what people ask about first */
	gather_ifaces(&s, false);
	each_rule(&s, gather_rule);
	each_rule(&s, mark_rule);
	run_jobs(&s, true);
	run_jobs(&s, false);
	forget(&s);
	if (s.failed)
		return hf_fail(err, -ENOMEM, "out of memory");
	if (s.wrong)
		return hf_fail(err, -EPROTO, "reference and rules differ: a mistake in hepflow");
	return 0;
}
