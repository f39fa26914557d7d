/* SPDX-License-Identifier: BSD-3-Clause */

#include "tables.h"

#include "chain.h"

#include <hepflow/check.h>

#include <errno.h>
#include <stdlib.h>

static const struct view as_on_wire;

/* Packets of one class, on their way out by one interface. */
struct pass {
	struct tables *t;
	struct dd *dd;
	const struct view *view;
	enum hf_ct ct;
	enum hf_class class;
	uint16_t out;
	struct fates *fates;
};

static BDD whether(bool yes)
{
	return yes ? hf_dd_all() : hf_dd_none();
}

static BDD opposite(struct dd *dd, bool negate, BDD set)
{
	return negate ? hf_dd_not(dd, set) : set;
}

static BDD addr_holds(const struct pass *p, const struct view *v, const struct hf_addr_cond *c)
{
	BDD set = !c->dst ? p->t->src_sets[c->set]
		  : v->rewritten
			  ? whether(hf_set_has(hf_rules_set(p->t->rules, c->set), &v->to.addr))
			  : p->t->dst_sets[c->set];

	return opposite(p->dd, c->negate, set);
}

static BDD port_in(const struct pass *p, const struct view *v, bool dst, struct hf_ports range)
{
	if (!dst)
		return hf_dd_ports(p->dd, DD_SPORT, range);
	if (!v->rewritten || !v->to.port)
		return hf_dd_ports(p->dd, DD_DPORT, range);
	return whether(v->to.port >= range.lo && v->to.port <= range.hi);
}

struct members {
	const struct pass *p;
	const struct view *v;
	const struct hf_member *list;
	bool dst;
};

static BDD member_is(void *arg, size_t i)
{
	const struct members *all = arg;
	const struct pass *p = all->p;
	const struct hf_member *m = &all->list[i];
	struct hf_prefix host = {m->addr, (uint8_t)hf_addr_bits(&m->addr)};
	BDD set = port_in(p, all->v, all->dst, (struct hf_ports){m->port, m->port});

	set = hf_dd_and(p->dd, set, hf_dd_is(p->dd, DD_PROTO, m->proto));
	if (all->dst && all->v->rewritten)
		return hf_dd_and(p->dd, set, whether(hf_addr_equal(&m->addr, &all->v->to.addr)));
	return hf_dd_and(p->dd, set, hf_dd_prefix(p->dd, all->dst ? DD_DST : DD_SRC, &host));
}

static BDD port_holds(const struct pass *p, const struct view *v, const struct hf_port_cond *c)
{
	BDD set = hf_dd_none();
	size_t i;

	for (i = 0; i < c->n_ranges; i++)
		set = hf_dd_or(p->dd, set, port_in(p, v, c->dst, c->ranges[i]));
	set = hf_dd_and(p->dd, set, p->t->pol->ported);
	for (i = 0; i < c->n_sets; i++) {
		const struct hf_set *s = hf_rules_set(p->t->rules, c->sets[i]);

		struct members all = {p, v, s->members, c->dst};

		set = hf_dd_or(p->dd, set, hf_dd_union(p->dd, s->n_members, member_is, &all));
	}
	return opposite(p->dd, c->negate, set);
}

static BDD icmp_holds(const struct pass *p, const struct hf_icmp_cond *c)
{
	const uint8_t value[2] = {c->type, c->code}, mask[2] = {0xff, c->has_code ? 0xff : 0};
	BDD same = hf_dd_masked(p->dd, DD_DPORT, value, mask);

	return hf_dd_and(p->dd, opposite(p->dd, c->negate, same),
		hf_dd_is(p->dd, DD_PROTO, p->dd->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6));
}

static BDD proto_holds(const struct pass *p, const uint64_t bits[4])
{
	BDD set = hf_dd_none();
	unsigned int n = 0, i;
	bool few;

	for (i = 0; i < 256; i++)
		n += bits[i / 64] >> i % 64 & 1;
	few = n <= 128; /* else those that are not there are fewer */
	for (i = 0; i < 256; i++) {
		if ((bits[i / 64] >> i % 64 & 1) == few)
			set = hf_dd_or(p->dd, set, hf_dd_is(p->dd, DD_PROTO, (uint16_t)i));
	}
	return opposite(p->dd, !few, set);
}

static BDD match_has(const struct pass *p, const struct hf_match *m)
{
	const struct view *v = m->wire ? &as_on_wire : p->view;
	BDD set;
	size_t i;

	if ((m->family && m->family != p->dd->family) || !(m->ct & HF_CT_BIT(p->ct)) ||
		(m->dnated_only && !p->view->rewritten) ||
		(m->out != HF_IF_ANY && m->out != p->out) ||
		(m->wire_out != HF_IF_ANY && m->wire_out != p->out))
		return hf_dd_none();
	set = proto_holds(p, m->proto);
	for (i = 0; i < m->n_icmp; i++)
		set = hf_dd_and(p->dd, set, icmp_holds(p, &m->icmp[i]));
	for (i = 0; i < m->n_port; i++)
		set = hf_dd_and(p->dd, set, port_holds(p, v, &m->port[i]));
	for (i = 0; i < m->n_addr; i++)
		set = hf_dd_and(p->dd, set, addr_holds(p, v, &m->addr[i]));
	return set;
}

static void give(const struct pass *p, enum hf_verdict v, BDD set)
{
	BDD *to;

	if (v == HF_VERDICT_NO_DECISION)
		v = hf_rules_kernel_policy(
			p->t->rules, hf_rules_iface(p->t->rules, p->t->in)->from, p->class);
	to = v == HF_VERDICT_DENY	       ? &p->fates->deny
	     : v == HF_VERDICT_ALLOW_UNTRACKED ? &p->fates->untracked
					       : &p->fates->allow;
	*to = hf_dd_or(p->dd, *to, set);
}

/* One block: what its rules give each verdict, and send to each of the blocks it leads to. */
struct block_image {
	bool known;
	size_t n; /* targets */
	uint32_t *targets;
	uint32_t *out_of; /* per rule: its outcome */
	BDD *outs;	  /* N_VERDICTS, and one for each target */
};
#define N_VERDICTS (HF_VERDICT_ALLOW_UNTRACKED + 1)

static int image_init(struct block_image *image, const struct hf_block *b)
{
	uint32_t i, k;

	image->targets = calloc(b->n_rules + 1, sizeof(*image->targets));
	image->out_of = calloc(b->n_rules + 1, sizeof(*image->out_of));
	image->outs = calloc(b->n_rules + N_VERDICTS, sizeof(*image->outs));
	if (!image->targets || !image->out_of || !image->outs)
		return -ENOMEM;
	for (i = 0; i < b->n_rules; i++) {
		const struct hf_rule *r = &b->rules[i];

		if (r->op == HF_OP_VERDICT)
			image->out_of[i] = r->verdict;
		if (r->op != HF_OP_GOTO)
			continue;
		/* Neighbours mostly go to the same block. */
		for (k = (uint32_t)image->n; k > 0 && image->targets[k - 1] != r->target; k--)
			;
		if (k == 0) {
			image->targets[image->n++] = r->target;
			k = (uint32_t)image->n;
		}
		image->out_of[i] = N_VERDICTS + k - 1;
	}
	return 0;
}

struct block_run {
	const struct pass *p;
	const struct hf_block *block;
	const struct block_image *image;
};

static BDD rule_takes(void *arg, size_t i, BDD *outs)
{
	const struct block_run *run = arg;
	const struct hf_rule *r = &run->block->rules[i];

	if (r->op == HF_OP_LOG)
		return hf_dd_none();
	return outs[run->image->out_of[i]] = match_has(run->p, &r->match);
}

/* Whether its rules say the same in every state and however packets leave. */
static bool is_plain(const struct hf_block *b)
{
	uint32_t i;

	for (i = 0; i < b->n_rules; i++) {
		const struct hf_match *m = &b->rules[i].match;

		if (m->ct != HF_CT_ANY || m->dnated_only || m->wire || m->out != HF_IF_ANY ||
			m->wire_out != HF_IF_ANY)
			return false;
	}
	return true;
}

/* Conditions that do not stand on the packet: who meets the rule is not asked. */
static bool is_special(const struct hf_rule *r)
{
	return r->op == HF_OP_LOG || r->match.ct != HF_CT_ANY || r->match.dnated_only ||
	       r->match.out != HF_IF_ANY || r->match.wire_out != HF_IF_ANY;
}

/* Told of rules that something of what matches them comes to. */
static void rule_meets(void *arg, size_t i, BDD packets)
{
	const struct block_run *run = arg;

	(void)packets;
	run->p->t->meets[run->block->rules[i].origin] = HF_CHECK_MET;
}

/* Somebody comes to the block. */
static void note_rules(uint8_t *meets, const struct hf_block *b)
{
	uint32_t i;

	for (i = 0; i < b->n_rules; i++) {
		uint8_t *m = &meets[b->rules[i].origin];

		if (is_special(&b->rules[i]))
			*m = HF_CHECK_MET;
		else if (*m == HF_CHECK_ABSENT)
			*m = HF_CHECK_UNMET;
	}
}

static void image_make(const struct pass *p, const struct hf_block *b, struct block_image *image)
{
	bool asked = p->t->meets && !p->dd->record;
	struct block_run run = {p, b, image};
	struct dd_list list = {.n = b->n_rules,
		.n_outs = N_VERDICTS + image->n,
		.member = rule_takes,
		.arg = &run,
		.meet = asked ? rule_meets : NULL,
		.all = p->t->pol->all};

	if (asked)
		note_rules(p->t->meets, b);
	(void)hf_dd_first(p->dd, &list, image->outs);
}

/* The same for a destination that has been rewritten: it is no variable any more. */
static BDD seen(const struct pass *p, BDD set)
{
	const struct view *v = p->view;
	const uint8_t port[2] = {(uint8_t)(v->to.port >> 8), (uint8_t)v->to.port};

	if (!v->rewritten || set == hf_dd_none())
		return set;
	set = hf_dd_put(p->dd, set, DD_DST, v->to.addr.b);
	return v->to.port ? hf_dd_put(p->dd, set, DD_DPORT, port) : set;
}

/* A block that is plain is looked at once, whatever packets come to it later. */
static void walk_block(const struct pass *p, size_t index, BDD packets)
{
	const struct hf_block *b = hf_rules_block(p->t->rules, index);
	struct block_image *image = &p->t->images[index];
	struct pass wire = *p;
	bool plain = is_plain(b);
	size_t k;

	wire.view = &as_on_wire;
	if (!image->outs && image_init(image, b) < 0) {
		p->dd->failed = true;
		return;
	}
	if (!image->known)
		image_make(plain ? &wire : p, b, image);
	for (k = 0; k < N_VERDICTS + image->n; k++) {
		BDD set = image->outs[k];

		if (plain && !image->known)
			hf_dd_pin(p->dd, set);
		set = hf_dd_and(p->dd, packets, plain ? seen(p, set) : set);
		if (k < N_VERDICTS)
			give(p, (enum hf_verdict)k, set);
		else
			p->t->reach[image->targets[k - N_VERDICTS]] =
				hf_dd_or(p->dd, p->t->reach[image->targets[k - N_VERDICTS]], set);
	}
	image->known = plain;
}

/* Jumps lead forward, so one round over the blocks is enough. */
static void walk_path(const struct pass *p, BDD packets)
{
	const struct hf_path *path = hf_rules_find_path(p->t->rules, p->t->in, p->class);
	size_t n = hf_rules_n_blocks(p->t->rules), i;

	if (!path || packets == hf_dd_none())
		return;
	for (i = 0; i < n; i++)
		p->t->reach[i] = hf_dd_none();
	p->t->reach[path->block] = packets;
	for (i = path->block; i < n && !p->dd->failed; i++) {
		if (p->t->reach[i] != hf_dd_none())
			walk_block(p, i, p->t->reach[i]);
	}
}

/* What nobody rewrites, by the longest prefix of its destination. */
static void walk_plain(struct pass *p, BDD packets)
{
	const struct hf_rules *r = p->t->rules;
	size_t n = hf_rules_n_dests(r), i, k;

	for (i = 0; i < n && !p->dd->failed; i++) {
		const struct hf_dest *first = hf_rules_dest(r, i);
		BDD left = packets, set = hf_dd_none();
		bool seen = false;

		for (k = 0; k < n; k++) {
			const struct hf_dest *d = hf_rules_dest(r, k);
			bool same = d->class == first->class && d->out == first->out;
			BDD net = hf_dd_prefix(p->dd, DD_DST, &d->net);

			seen |= same && k < i; /* went with the first of its kind */
			if (same)
				set = hf_dd_or(p->dd, set, hf_dd_and(p->dd, left, net));
			left = hf_dd_minus(p->dd, left, net);
		}
		p->class = first->class;
		p->out = first->out;
		p->view = &as_on_wire;
		if (!seen)
			walk_path(p, set);
	}
}

static void walk_rewritten(struct pass *p, const struct hf_dnat *d, size_t backend, BDD packets)
{
	struct view view = {.rewritten = true, .to = d->to[backend]};
	const struct hf_dest *dest = hf_rules_find_dest(p->t->rules, &view.to.addr);

	if (!d->proto)
		view.to.port = 0; /* the address alone */
	p->view = &view;
	p->class = dest->class;
	p->out = dest->out;
	walk_path(p, packets);
	p->view = &as_on_wire;
}

void hf_tables_fates(struct tables *t, enum hf_ct ct, int backend, struct fates *ret)
{
	struct dd *dd = t->pol->dd;
	struct pass p = {.t = t, .dd = dd, .ct = ct, .fates = ret};
	BDD left = t->pol->all, plain = hf_dd_none(), set;
	size_t n = hf_rules_n_dnats(t->rules), i;
	unsigned int whole;

	*ret = (struct fates){hf_dd_none(), hf_dd_none(), hf_dd_none()};
	if (t->pol->foreign_tags)
		left = hf_dd_and(dd, left, hf_dd_is(dd, DD_VLAN, 0));
	for (whole = 0; whole < 2; whole++) {
		for (i = 0; i < n && !dd->failed; i++) {
			const struct hf_dnat *d = hf_rules_dnat(t->rules, i);

			if ((d->proto == 0) != whole || d->addr.family != dd->family)
				continue;
			set = hf_dd_and(dd, left, hf_pol_dnat(t->pol, d));
			left = hf_dd_minus(dd, left, set);
			if (d->n_to)
				walk_rewritten(&p, d, hf_backend(d, (size_t)backend), set);
			else
				plain = hf_dd_or(dd, plain, set);
		}
	}
	walk_plain(&p, hf_dd_or(dd, left, plain));
}

int hf_tables_init(
	struct tables *t, const struct hf_rules *rules, const struct pol *pol, uint16_t in)
{
	size_t n = hf_rules_n_sets(rules), i;

	*t = (struct tables){.rules = rules, .pol = pol, .in = in};
	t->src_sets = calloc(n + 1, sizeof(*t->src_sets));
	t->dst_sets = calloc(n + 1, sizeof(*t->dst_sets));
	t->reach = calloc(hf_rules_n_blocks(rules) + 1, sizeof(*t->reach));
	t->images = calloc(hf_rules_n_blocks(rules) + 1, sizeof(*t->images));
	if (!t->src_sets || !t->dst_sets || !t->reach || !t->images) {
		hf_tables_fini(t);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		const struct hf_set *s = hf_rules_set(rules, i);

		t->src_sets[i] = hf_dd_nets(pol->dd, DD_SRC, s->nets, s->n_nets);
		t->dst_sets[i] = hf_dd_nets(pol->dd, DD_DST, s->nets, s->n_nets);
	}
	return 0;
}

void hf_tables_fini(struct tables *t)
{
	size_t n = t->images ? hf_rules_n_blocks(t->rules) : 0, i;

	for (i = 0; i < n; i++) {
		free(t->images[i].targets);
		free(t->images[i].out_of);
		free(t->images[i].outs);
	}
	free(t->images);
	free(t->src_sets);
	free(t->dst_sets);
	free(t->reach);
}
