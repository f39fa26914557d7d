/* SPDX-License-Identifier: BSD-3-Clause */

#include "cli_witness.h"

#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define PACKETS_MAX   60000 /* judged in one run: some seconds with 1000 rules */
#define PER_RULE_MIN  60
#define ADDRS_MAX     24 /* values of one field that are tried for one rule */
#define PORTS_MAX     24
#define IFACES_MAX    8
#define NEUTRAL_SPORT 40000
#define SPREAD_PRIME  UINT64_C(2654435761)

struct addr_choice {
	struct hf_addr addr;
	struct hf_prefix net; /* it was drawn from */
	bool any;	      /* from no condition of this rule */
};

struct port_choice {
	uint16_t port;
	struct hf_ports range;
};

struct addrs {
	size_t n;
	struct addr_choice v[ADDRS_MAX];
};

struct ports {
	size_t n;
	struct port_choice v[PORTS_MAX];
};

/* Values for one rule and one family. */
struct choices {
	struct addrs src, dst;
	struct ports sport, dport;
	size_t n_protos;
	uint8_t protos[8];
	uint8_t type, code;
};

/* A region that has been told. */
struct seen {
	char key[CLI_REGION_SIZE + 8];
	UT_hash_handle hh;
};

/* What some rule of a side says. */
struct mark {
	uint64_t content;
	UT_hash_handle hh;
};

struct search {
	const struct cli_built *side[2]; /* before, after */
	struct addrs src[2], dst[2];	 /* for fields a rule leaves open; IPv4, IPv6 */
	struct ports dport;
	size_t n_ifaces;
	char ifaces[IFACES_MAX][HF_IFNAME_SIZE];
	struct mark *marks[2]; /* contents of each side's rules */
	struct seen *told;
	struct cli_witnesses *out;
	bool failed; /* out of memory */
	bool wrong;  /* the reference disagrees */
};

static bool add_addr(struct addrs *a, const struct hf_addr *addr, const struct hf_prefix *net)
{
	struct addr_choice c = {.addr = *addr, .any = !net};
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (hf_addr_equal(&a->v[i].addr, addr))
			return true;
	}
	if (a->n == ADDRS_MAX)
		return false;
	if (net)
		c.net = *net;
	a->v[a->n++] = c;
	return true;
}

static void add_port(struct ports *p, uint32_t port, struct hf_ports range)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].port == port)
			return;
	}
	if (port <= UINT16_MAX && p->n < PORTS_MAX)
		p->v[p->n++] = (struct port_choice){(uint16_t)port, range};
}

/* The address before or behind; false when there is none. */
static bool step(struct hf_addr *a, int by)
{
	size_t i = hf_addr_bits(a) / 8;

	while (i-- > 0) {
		a->b[i] = (uint8_t)(a->b[i] + by);
		if (a->b[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

/* First and last of a net, and their neighbours. */
static void add_net(struct addrs *a, const struct hf_prefix *net)
{
	struct hf_addr first = net->addr, last = hf_prefix_last(net), beside;
	struct hf_prefix own = {.len = (uint8_t)hf_addr_bits(&first)};

	(void)add_addr(a, &first, net);
	(void)add_addr(a, &last, net);
	beside = first;
	own.addr = beside;
	if (step(&beside, -1)) {
		own.addr = beside;
		(void)add_addr(a, &beside, &own);
	}
	beside = last;
	if (step(&beside, 1)) {
		own.addr = beside;
		(void)add_addr(a, &beside, &own);
	}
}

static void add_range(struct ports *p, struct hf_ports r)
{
	add_port(p, r.lo, r);
	add_port(p, r.hi, r);
	if (r.lo > 0)
		add_port(p, r.lo - 1u,
			(struct hf_ports){(uint16_t)(r.lo - 1), (uint16_t)(r.lo - 1)});
	if (r.hi < UINT16_MAX)
		add_port(p, r.hi + 1u,
			(struct hf_ports){(uint16_t)(r.hi + 1), (uint16_t)(r.hi + 1)});
}

/* Nets of a set, from all over it when there are many. */
static void add_set(struct addrs *a, const struct hf_set *set, uint8_t family)
{
	size_t room = ADDRS_MAX / 4, stride = set->n_nets / room + 1, i;

	for (i = 0; i < set->n_nets; i += stride) {
		if (set->nets[i].addr.family == family)
			add_net(a, &set->nets[i]);
	}
	stride = set->n_members / room + 1;
	for (i = 0; i < set->n_members; i += stride) {
		if (set->members[i].addr.family == family)
			(void)add_addr(a, &set->members[i].addr, NULL);
	}
}

static void choose_addrs(struct choices *c, const struct search *s, const struct hf_rules *rules,
	const struct hf_match *m, uint8_t family)
{
	size_t i, k;

	for (i = 0; i < m->n_addr; i++)
		add_set(m->addr[i].dst ? &c->dst : &c->src, hf_rules_set(rules, m->addr[i].set),
			family);
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_sets; k++)
			add_set(m->port[i].dst ? &c->dst : &c->src,
				hf_rules_set(rules, m->port[i].sets[k]), family);
	}
	if (c->src.n == 0)
		c->src = s->src[family == 6];
	/* The class matters as much as the prefix. */
	for (i = 0; i < s->dst[family == 6].n; i++)
		(void)add_addr(&c->dst, &s->dst[family == 6].v[i].addr, NULL);
}

static void choose_ports(struct choices *c, const struct search *s, const struct hf_rules *rules,
	const struct hf_match *m)
{
	size_t i, k, n;

	for (i = 0; i < m->n_port; i++) {
		struct ports *p = m->port[i].dst ? &c->dport : &c->sport;

		for (k = 0; k < m->port[i].n_ranges; k++)
			add_range(p, m->port[i].ranges[k]);
		for (k = 0; k < m->port[i].n_sets; k++) {
			const struct hf_set *set = hf_rules_set(rules, m->port[i].sets[k]);

			for (n = 0; n < set->n_members && n < PORTS_MAX / 2; n++)
				add_range(p, (struct hf_ports){
						     set->members[n].port, set->members[n].port});
		}
	}
	if (c->dport.n == 0)
		c->dport = s->dport;
	add_port(&c->sport, NEUTRAL_SPORT, (struct hf_ports){0, UINT16_MAX});
}

static void choose_protos(struct choices *c, const struct hf_match *m, uint8_t family)
{
	const uint8_t icmp = family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6;
	const uint8_t common[] = {HF_PROTO_TCP, HF_PROTO_UDP, icmp, HF_PROTO_SCTP, 47};
	unsigned int p;
	size_t i;

	c->type = family == 4 ? 8 : 128; /* echo request */
	for (i = 0; i < m->n_icmp; i++) {
		c->type = m->icmp[i].type;
		c->code = m->icmp[i].code;
	}
	for (i = 0; i < sizeof(common); i++) {
		if (m->proto[common[i] / 64] >> common[i] % 64 & 1)
			c->protos[c->n_protos++] = common[i];
	}
	for (p = 0; p < 256 && c->n_protos == 0; p++) {
		if (m->proto[p / 64] >> p % 64 & 1)
			c->protos[c->n_protos++] = (uint8_t)p;
	}
}

static int judge(const struct search *s, size_t side, const struct hf_packet *pkt,
	struct hf_decision *ret, struct hf_key *key)
{
	if (hf_rules_sort(s->side[side]->rules, pkt, key, NULL) < 0)
		return -1;
	*ret = hf_rules_lookup(s->side[side]->rules, key);
	return 0;
}

static void print_region(const struct hf_packet *pkt, const struct addr_choice *src,
	const struct port_choice *dport, enum hf_class class, char buf[static CLI_REGION_SIZE])
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
	(void)snprintf(buf, CLI_REGION_SIZE, "%s %s -> %s%s", hf_proto_name(pkt->proto, proto), net,
		hf_class_name(class), port);
}

/* Whether region and verdicts are new; from then on they are not. */
static bool first_time(struct search *s, const struct cli_witness *w)
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
static void confirm(struct search *s, struct cli_witness *w)
{
	struct hf_ref_result r[2];
	size_t i;

	for (i = 0; i < 2; i++) {
		if (hf_ref_eval(s->side[i]->model, &w->pkt, NULL, NULL, &r[i], NULL) < 0 ||
			r[i].verdict != (i ? w->after : w->before)) {
			s->wrong = true;
			return;
		}
	}
	w->origin_before = r[0].origin;
	w->origin_after = r[1].origin;
	if (s->out->n < CLI_WITNESSES_MAX)
		s->out->v[s->out->n++] = *w;
	else
		s->out->more++;
}

static void try_packet(struct search *s, const struct hf_packet *pkt, const struct addr_choice *src,
	const struct port_choice *dport)
{
	struct cli_witness w = {.pkt = *pkt};
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

/* All combinations, or as many as allowed from all over them. Returns how many. */
static size_t try_rule(struct search *s, const struct hf_rules *rules, const struct hf_match *m,
	uint8_t family, size_t allowed)
{
	struct choices c = {0};
	uint64_t all, i;

	choose_addrs(&c, s, rules, m, family);
	choose_ports(&c, s, rules, m);
	choose_protos(&c, m, family);
	all = (uint64_t)s->n_ifaces * c.n_protos * c.dport.n * c.dst.n * c.src.n * c.sport.n;
	if (all <= allowed) {
		for (i = 0; i < all; i++)
			try_choice(s, &c, i);
		return (size_t)all;
	}
	/* A prime above every size: no combination twice. */
	for (i = 0; i < allowed; i++)
		try_choice(s, &c, i * SPREAD_PRIME % all);
	return allowed;
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

static void mark_rule(struct search *s, size_t side, const struct hf_rule *r)
{
	struct mark *m = calloc(1, sizeof(*m)), *old;

	if (!m) {
		s->failed = true;
		return;
	}
	m->content = content(s->side[side]->rules, r);
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
		const struct hf_rules *rules = s->side[side]->rules;

		for (b = 0; b < hf_rules_n_blocks(rules); b++) {
			const struct hf_block *block = hf_rules_block(rules, b);

			for (i = 0; i < block->n_rules; i++)
				fn(s, side, &block->rules[i]);
		}
	}
}

/* Values that rules of both sides compare with, for rules that leave a field open. */
static void gather_rule(struct search *s, size_t side, const struct hf_rule *r)
{
	const struct hf_match *m = &r->match;
	const struct hf_rules *rules = s->side[side]->rules;
	size_t i, k;

	for (i = 0; i < m->n_addr; i++) {
		const struct hf_set *set = hf_rules_set(rules, m->addr[i].set);

		if (m->addr[i].dst || set->n_nets == 0)
			continue;
		(void)add_addr(&s->src[set->nets[0].addr.family == 6], &set->nets[0].addr, NULL);
	}
	for (i = 0; i < m->n_port; i++) {
		for (k = 0; k < m->port[i].n_ranges && m->port[i].dst; k++) {
			struct hf_ports lo = {m->port[i].ranges[k].lo, m->port[i].ranges[k].lo};

			add_port(&s->dport, lo.lo, lo);
		}
	}
}

static void gather_facts(struct search *s)
{
	static const struct hf_addr outside[] = {
		{4, {198, 51, 100, 7}}, {6, {0x20, 0x01, 0x0d, 0xb8, 0xff, [15] = 7}}};
	size_t side, i;

	for (i = 0; i < 2; i++)
		(void)add_addr(&s->src[i], &outside[i], NULL);
	add_port(&s->dport, 9, (struct hf_ports){9, 9});
	for (side = 0; side < 2; side++) {
		const struct hf_rules *rules = s->side[side]->rules;

		for (i = 0; i < hf_rules_n_dests(rules); i++) {
			const struct hf_dest *d = hf_rules_dest(rules, i);
			struct addrs *a = &s->dst[d->net.addr.family == 6];

			if (a->n < ADDRS_MAX / 4)
				(void)add_addr(a, &d->net.addr, NULL);
		}
		for (i = 0; i < hf_rules_n_dnats(rules) && i < PORTS_MAX / 4; i++) {
			const struct hf_dnat *d = hf_rules_dnat(rules, i);

			(void)add_addr(&s->dst[d->addr.family == 6], &d->addr, NULL);
			add_port(&s->dport, d->port, (struct hf_ports){d->port, d->port});
		}
		for (i = 0; i < 2; i++)
			(void)add_addr(&s->dst[i], &outside[i], NULL);
	}
}

/* What both sides have: uplinks, or the host itself and one of each other kind. */
static void gather_ifaces(struct search *s, bool uplinks)
{
	const struct hf_rules *a = s->side[0]->rules, *b = s->side[1]->rules;
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
		const struct hf_rules *rules = s->side[side]->rules;

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
	size_t left = PACKETS_MAX, i;

	if (list_jobs(s, changed, &jobs) < 0)
		s->failed = true;
	for (i = 0; i < jobs.v.n && left > 0 && !s->failed; i++) {
		const struct job *j = &jobs.v.v[i];
		const struct hf_rules *rules = s->side[j->side]->rules;
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

int cli_witness_find(
	const struct cli_built *old, const struct cli_built *new, struct cli_witnesses *ret)
{
	struct search s = {.side = {old, new}, .out = ret};

	*ret = (struct cli_witnesses){0};
	gather_facts(&s);
	gather_ifaces(&s, true); /* what arrives is what people ask about first */
	gather_ifaces(&s, false);
	each_rule(&s, gather_rule);
	each_rule(&s, mark_rule);
	run_jobs(&s, true);
	run_jobs(&s, false);
	forget(&s);
	if (s.failed) {
		fprintf(stderr, "flowgen: out of memory\n");
		return CLI_FAILED;
	}
	if (s.wrong) {
		fprintf(stderr, "flowgen: reference and rules differ: a mistake in flowgen\n");
		return CLI_FAILED;
	}
	return CLI_OK;
}
