/* SPDX-License-Identifier: BSD-3-Clause */

#include "same.h"

#include "rules/table.h"

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

/* Set numbers of one table as those of the other, plus one; 0: not met yet. */
struct both {
	const struct hf_rules *got, *want;
	const char *where;
	uint32_t *to_want, *to_got;
	bool numbers; /* must be the same as well */
};

static void assert_same_sets(const struct hf_set *x, const struct hf_set *y, const char *where)
{
	size_t i;

	cr_assert_str_eq(x->name, y->name, "%s", where);
	cr_assert(x->n_nets == y->n_nets && x->n_members == y->n_members, "%s: set '%s'", where,
		x->name);
	for (i = 0; i < x->n_nets; i++)
		cr_assert(
			hf_prefix_equal(&x->nets[i], &y->nets[i]), "%s: set '%s'", where, x->name);
	for (i = 0; i < x->n_members; i++)
		cr_assert_eq(hf_member_cmp(&x->members[i], &y->members[i]), 0, "%s: set '%s'",
			where, x->name);
}

static void same_set(struct both *b, uint32_t x, uint32_t y)
{
	cr_assert_lt(x, b->got->n_sets, "%s", b->where);
	if (b->numbers) {
		cr_assert_eq(x, y, "%s", b->where);
		return;
	}
	if (!b->to_want[x])
		assert_same_sets(&b->got->sets[x], &b->want->sets[y], b->where);
	cr_assert((!b->to_want[x] && !b->to_got[y]) ||
			  (b->to_want[x] == y + 1 && b->to_got[y] == x + 1),
		"%s: sets %u and %u", b->where, x, y);
	b->to_want[x] = y + 1;
	b->to_got[y] = x + 1;
}

static void same_port(struct both *b, const struct hf_port_cond *x, const struct hf_port_cond *y)
{
	uint16_t i;

	cr_assert(x->dst == y->dst && x->negate == y->negate && x->n_ranges == y->n_ranges &&
			  x->n_sets == y->n_sets,
		"%s", b->where);
	for (i = 0; i < x->n_ranges; i++)
		cr_assert(x->ranges[i].lo == y->ranges[i].lo && x->ranges[i].hi == y->ranges[i].hi,
			"%s", b->where);
	for (i = 0; i < x->n_sets; i++)
		same_set(b, x->sets[i], y->sets[i]);
}

static void same_match(struct both *b, const struct hf_match *x, const struct hf_match *y)
{
	uint16_t i;

	cr_assert(x->family == y->family && x->ct == y->ct && x->wire == y->wire &&
			  x->dnated_only == y->dnated_only && x->out == y->out &&
			  x->wire_out == y->wire_out && x->n_addr == y->n_addr &&
			  x->n_port == y->n_port && x->n_icmp == y->n_icmp &&
			  memcmp(x->proto, y->proto, sizeof(x->proto)) == 0,
		"%s", b->where);
	for (i = 0; i < x->n_addr; i++) {
		cr_assert(
			x->addr[i].dst == y->addr[i].dst && x->addr[i].negate == y->addr[i].negate,
			"%s", b->where);
		same_set(b, x->addr[i].set, y->addr[i].set);
	}
	for (i = 0; i < x->n_port; i++)
		same_port(b, &x->port[i], &y->port[i]);
	for (i = 0; i < x->n_icmp; i++)
		cr_assert(x->icmp[i].negate == y->icmp[i].negate &&
				  x->icmp[i].type == y->icmp[i].type &&
				  x->icmp[i].has_code == y->icmp[i].has_code &&
				  x->icmp[i].code == y->icmp[i].code,
			"%s", b->where);
}

static void same_rule(struct both *b, const struct hf_rule *x, const struct hf_rule *y)
{
	cr_assert(x->op == y->op && x->verdict == y->verdict && x->target == y->target &&
			  x->offload == y->offload,
		"%s", b->where);
	if (b->numbers)
		cr_assert_eq(x->origin, y->origin, "%s", b->where);
	cr_assert_str_eq(b->got->origins[x->origin], b->want->origins[y->origin], "%s", b->where);
	cr_assert_str_eq(b->got->places[x->origin], b->want->places[y->origin], "%s", b->where);
	same_match(b, &x->match, &y->match);
}

static void same_blocks(struct both *b)
{
	size_t i;
	uint32_t k;

	cr_assert_eq(b->got->n_blocks, b->want->n_blocks, "%s", b->where);
	for (i = 0; i < b->got->n_blocks; i++) {
		const struct hf_block *x = &b->got->blocks[i], *y = &b->want->blocks[i];

		cr_assert_str_eq(x->name, y->name, "%s", b->where);
		cr_assert_eq(x->n_rules, y->n_rules, "%s: block '%s' has %u rules, not %u",
			b->where, x->name, x->n_rules, y->n_rules);
		for (k = 0; k < x->n_rules; k++)
			same_rule(b, &x->rules[k], &y->rules[k]);
	}
}

static void same_facts(const struct hf_rules *x, const struct hf_rules *y, const char *where)
{
	size_t i, k;

	cr_assert(x->n_ifaces == y->n_ifaces && x->n_dests == y->n_dests && x->lo == y->lo &&
			  x->n_dnats == y->n_dnats && x->n_paths == y->n_paths &&
			  x->drop_input == y->drop_input && x->drop_output == y->drop_output &&
			  x->drop_forward == y->drop_forward,
		"%s", where);
	for (i = 0; i < x->n_ifaces; i++)
		cr_assert(x->ifaces[i].from == y->ifaces[i].from &&
				  strcmp(x->ifaces[i].name, y->ifaces[i].name) == 0,
			"%s", where);
	for (i = 0; i < x->n_dests; i++)
		cr_assert(hf_prefix_equal(&x->dests[i].net, &y->dests[i].net) &&
				  x->dests[i].class == y->dests[i].class &&
				  x->dests[i].out == y->dests[i].out,
			"%s", where);
	for (i = 0; i < x->n_dnats; i++) {
		const struct hf_dnat *d = &x->dnats[i], *e = &y->dnats[i];

		cr_assert(d->proto == e->proto && d->port == e->port && d->n_to == e->n_to &&
				  hf_addr_cmp(&d->addr, &e->addr) == 0 &&
				  x->dnat_order[i] == y->dnat_order[i],
			"%s", where);
		for (k = 0; k < d->n_to; k++)
			cr_assert(hf_addr_cmp(&d->to[k].addr, &e->to[k].addr) == 0 &&
					  d->to[k].port == e->to[k].port,
				"%s", where);
	}
	for (i = 0; i < x->n_paths; i++)
		cr_assert(x->paths[i].in == y->paths[i].in &&
				  x->paths[i].class == y->paths[i].class &&
				  x->paths[i].block == y->paths[i].block,
			"%s", where);
}

static void same_dead(const struct hf_rules *x, const struct hf_rules *y, const char *where)
{
	size_t i;

	cr_assert_eq(
		x->n_dead, y->n_dead, "%s: %zu dead rules, not %zu", where, x->n_dead, y->n_dead);
	for (i = 0; i < x->n_dead; i++) {
		cr_assert_str_eq(x->dead[i].origin, y->dead[i].origin, "%s", where);
		cr_assert_str_eq(x->dead[i].place, y->dead[i].place, "%s", where);
		cr_assert_str_eq(x->dead[i].reason, y->dead[i].reason, "%s", where);
	}
}

static size_t n_named_sets(const struct hf_rules *rules)
{
	size_t i, n = 0;

	for (i = 0; i < rules->n_sets; i++) {
		const struct hf_set *set = &rules->sets[i];

		n += set->name[0] != '\0';
		cr_assert(set->name[0] || (!set->n_nets && !set->n_members));
	}
	return n;
}

static size_t n_named_origins(const struct hf_rules *rules)
{
	size_t i, n = 0;

	for (i = 0; i < rules->n_origins; i++)
		n += rules->origins[i][0] != '\0';
	return n;
}

static bool in_order(const struct both *b)
{
	uint32_t last = 0;
	size_t i;

	for (i = 0; i < b->got->n_sets; i++) {
		if (b->to_want[i] && b->to_want[i] <= last)
			return false;
		last = b->to_want[i] ? b->to_want[i] : last;
	}
	return true;
}

bool hf_assert_same_rules(
	const struct hf_rules *got, const struct hf_rules *want, const char *where)
{
	struct both b = {.got = got, .want = want, .where = where};
	bool ordered;

	b.to_want = calloc(got->n_sets + 1, sizeof(*b.to_want));
	b.to_got = calloc(want->n_sets + 1, sizeof(*b.to_got));
	cr_assert(b.to_want && b.to_got);
	same_facts(got, want, where);
	same_blocks(&b);
	same_set(&b, got->local_set, want->local_set);
	same_dead(got, want, where);
	cr_assert_eq(n_named_sets(got), n_named_sets(want), "%s: %zu sets, not %zu", where,
		n_named_sets(got), n_named_sets(want));
	cr_assert_eq(n_named_origins(got), n_named_origins(want), "%s: %zu origins, not %zu", where,
		n_named_origins(got), n_named_origins(want));
	ordered = in_order(&b);
	free(b.to_want);
	free(b.to_got);
	return ordered;
}

static void check_piece(struct both *b, const struct hf_block *x, const struct hf_piece *p)
{
	size_t i;
	uint32_t k, r;

	for (i = 0; i < b->want->n_blocks; i++) {
		const struct hf_block *y = &b->want->blocks[i];

		for (k = 0; k < y->n_pieces; k++) {
			if (y->pieces[k].id != p->id)
				continue;
			cr_assert_eq(y->pieces[k].n, p->n, "%s", b->where);
			for (r = 0; r < p->n; r++)
				same_rule(b, &x->rules[p->first + r],
					&y->rules[y->pieces[k].first + r]);
		}
	}
}

void hf_assert_ids_hold(const struct hf_rules *a, const struct hf_rules *c, const char *where)
{
	struct both b = {.got = a, .want = c, .where = where, .numbers = true};
	size_t i;
	uint32_t k, at;

	for (i = 0; i < a->n_blocks; i++) {
		const struct hf_block *x = &a->blocks[i];

		for (k = 0, at = 0; k < x->n_pieces; k++) {
			cr_assert(x->pieces[k].first == at && x->pieces[k].n > 0, "%s", where);
			at += x->pieces[k].n;
			check_piece(&b, x, &x->pieces[k]);
		}
		cr_assert_eq(at, x->n_rules, "%s", where);
	}
	for (i = 0; i < a->n_sets && i < c->n_sets; i++) {
		if (a->set_ids[i] == c->set_ids[i])
			assert_same_sets(&a->sets[i], &c->sets[i], where);
	}
	if (a->facts_id == c->facts_id)
		same_facts(a, c, where);
}
