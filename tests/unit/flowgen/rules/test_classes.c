/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include <hepflow/classes.h>

#include <hf_test.h>
#include <hf_test_rand.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(classes);

#define N_SETS 6
#define N_NETS 40 /* of one set, at most */
#define ROUNDS 400
#define PROBES 60

static struct hf_rand new_rand(void)
{
	struct hf_rand rand;

	hf_rand_init(&rand, hf_test_seed(), 0);
	return rand;
}

/* What is in each set, kept apart from the thing under test. */
struct sets {
	struct {
		size_t n;
		struct hf_prefix v[N_NETS];
	} of[N_SETS];
};

/* Few different bits, so that nets are nested. */
static struct hf_addr random_addr(struct hf_rand *rand)
{
	struct hf_addr a = {.family = hf_rand_chance(rand, 1, 2) ? 4 : 6};
	size_t i;

	for (i = 0; i < (a.family == 4 ? 4u : 16u); i++)
		a.b[i] = (uint8_t)(hf_rand_below(rand, 3) * 0x41);
	return a;
}

static struct hf_prefix random_net(struct hf_rand *rand)
{
	struct hf_prefix p = {.addr = random_addr(rand)};

	p.len = (uint8_t)hf_rand_below(rand, hf_addr_bits(&p.addr) + 1);
	hf_prefix_mask(&p);
	return p;
}

static bool holds(const struct sets *s, size_t set, const struct hf_addr *addr)
{
	size_t i;

	for (i = 0; i < s->of[set].n; i++) {
		if (hf_prefix_has(&s->of[set].v[i], addr))
			return true;
	}
	return false;
}

static void expect_class(
	const struct hf_classes *c, const struct sets *s, const struct hf_addr *addr)
{
	uint32_t class = hf_classes_find(c, addr);
	char text[HF_ADDRSTR_SIZE];
	size_t i, n, want = 0;

	(void)hf_classes_sets(c, class, &n);
	for (i = 0; i < N_SETS; i++) {
		want += holds(s, i, addr);
		cr_expect_eq(hf_classes_has(c, class, (uint32_t)i), holds(s, i, addr), "%s set %zu",
			hf_addr_print(addr, text), i);
	}
	cr_expect_eq(n, want);
	cr_expect_eq(class == HF_IN_NO_SET, want == 0);
}

/* One random change to both. */
static int change(struct hf_rand *rand, struct hf_classes *c, struct sets *s, hf_class_change_fn fn,
	void *arg)
{
	size_t set = hf_rand_below(rand, N_SETS), n = s->of[set].n, i;
	struct hf_prefix net = random_net(rand);

	if (n == N_NETS || (n && hf_rand_chance(rand, 1, 2))) {
		i = hf_rand_below(rand, (uint32_t)n);
		net = s->of[set].v[i];
		s->of[set].v[i] = s->of[set].v[--s->of[set].n];
		return hf_classes_remove(c, (uint32_t)set, &net, fn, arg);
	}
	for (i = 0; i < n && !hf_prefix_equal(&s->of[set].v[i], &net);)
		i++;
	if (i == n)
		s->of[set].v[s->of[set].n++] = net;
	return hf_classes_add(c, (uint32_t)set, &net, fn, arg);
}

static struct hf_classes *new_classes(void)
{
	struct hf_classes *c = NULL;

	cr_assert_eq(hf_classes_new(&c, NULL), 0);
	return c;
}

Test(classes, two_addresses_are_of_one_class_when_they_are_in_the_same_sets)
{
	struct hf_rand rand = new_rand();
	struct hf_classes *c = new_classes();
	struct sets s = {0};
	size_t i, k;

	for (i = 0; i < ROUNDS; i++) {
		cr_assert_eq(change(&rand, c, &s, NULL, NULL), 0);
		for (k = 0; k < PROBES; k++) {
			struct hf_addr addr = random_addr(&rand);

			expect_class(c, &s, &addr);
		}
	}
	hf_classes_free(c);
}

/* A table of prefixes as a user of the changes keeps it. */
struct mirror {
	size_t n;
	struct {
		struct hf_prefix net;
		uint32_t class;
	} v[4096];
};

static void mirror_put(struct mirror *m, const struct hf_prefix *net, uint32_t class)
{
	size_t i;

	for (i = 0; i < m->n && !hf_prefix_equal(&m->v[i].net, net);)
		i++;
	cr_assert_lt(i, sizeof(m->v) / sizeof(m->v[0]));
	m->v[i].net = *net;
	m->v[i].class = class;
	if (i == m->n)
		m->n++;
}

static uint32_t mirror_find(const struct mirror *m, const struct hf_addr *addr)
{
	uint32_t class = HF_IN_NO_SET;
	int best = -1;
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (hf_prefix_has(&m->v[i].net, addr) && m->v[i].net.len > best) {
			best = m->v[i].net.len;
			class = m->v[i].class;
		}
	}
	return class;
}

static int note_net(void *arg, const struct hf_prefix *net, uint32_t class)
{
	mirror_put(arg, net, class);
	return 0;
}

Test(classes, each_net_is_what_a_longest_prefix_table_needs)
{
	struct hf_rand rand = new_rand();
	struct mirror *m = calloc(1, sizeof(*m));
	struct hf_classes *c = new_classes();
	struct sets s = {0};
	size_t i;

	cr_assert_not_null(m);
	for (i = 0; i < ROUNDS; i++)
		cr_assert_eq(change(&rand, c, &s, NULL, NULL), 0);
	cr_assert_eq(hf_classes_each(c, note_net, m), 0);
	cr_assert_gt(m->n, 20);
	for (i = 0; i < ROUNDS; i++) {
		struct hf_addr addr = random_addr(&rand);

		cr_expect_eq(mirror_find(m, &addr), hf_classes_find(c, &addr));
	}
	free(m);
	hf_classes_free(c);
}

struct told {
	const struct hf_classes *c;
	size_t n;
	struct hf_class_change v[512];
};

static void tell(void *arg, const struct hf_class_change *change)
{
	struct told *t = arg;

	cr_assert_lt(t->n, sizeof(t->v) / sizeof(t->v[0]));
	t->v[t->n++] = *change;
}

/* The narrowest of the nets told that has the address; NULL: none. */
static const struct hf_class_change *told_of(const struct told *t, const struct hf_addr *addr)
{
	const struct hf_class_change *best = NULL;
	size_t i;

	for (i = 0; i < t->n; i++) {
		if (hf_prefix_has(&t->v[i].net, addr) && (!best || t->v[i].net.len > best->net.len))
			best = &t->v[i];
	}
	return best;
}

Test(classes, every_change_of_an_address_is_told_and_ids_stay)
{
	struct hf_rand rand = new_rand();
	struct hf_classes *c = new_classes();
	struct hf_addr probes[PROBES];
	uint32_t before[PROBES];
	struct sets s = {0};
	size_t i, k, n_told = 0;

	for (i = 0; i < ROUNDS; i++) {
		struct told t = {.c = c};

		for (k = 0; k < PROBES; k++) {
			probes[k] = random_addr(&rand);
			before[k] = hf_classes_find(c, &probes[k]);
		}
		cr_assert_eq(change(&rand, c, &s, tell, &t), 0);
		n_told += t.n;
		for (k = 0; k < PROBES; k++) {
			const struct hf_class_change *told = told_of(&t, &probes[k]);
			uint32_t now = hf_classes_find(c, &probes[k]);

			if (now == before[k])
				continue;
			cr_assert_not_null(told);
			cr_expect_eq(told->old, before[k]);
			cr_expect_eq(told->new, now);
		}
		for (k = 0; k < t.n; k++)
			cr_expect_neq(t.v[k].old, t.v[k].new);
	}
	cr_expect_gt(n_told, ROUNDS / 2);
	hf_classes_free(c);
}

Test(classes, a_member_more_of_a_known_class_makes_no_class)
{
	struct hf_classes *c = new_classes();
	struct hf_prefix a, b;
	struct told t = {.c = c};
	uint32_t n;

	cr_assert_eq(hf_prefix_parse("10.0.0.1", &a, NULL), 0);
	cr_assert_eq(hf_prefix_parse("10.0.0.2", &b, NULL), 0);
	cr_assert_eq(hf_classes_add(c, 3, &a, tell, &t), 0);
	cr_assert_eq(t.n, 1);
	cr_expect(t.v[0].is_new);
	n = hf_classes_count(c);
	cr_assert_eq(hf_classes_add(c, 3, &b, tell, &t), 0);
	cr_assert_eq(t.n, 2);
	cr_expect_not(t.v[1].is_new);
	cr_expect_eq(hf_classes_count(c), n);
	cr_expect_eq(hf_classes_find(c, &a.addr), hf_classes_find(c, &b.addr));
	cr_assert_eq(hf_classes_add(c, 3, &b, tell, &t), 0);
	cr_expect_eq(t.n, 2, "what is there already changes nothing");
	cr_assert_eq(hf_classes_remove(c, 4, &b, tell, &t), 0);
	cr_expect_eq(t.n, 2, "what is not there changes nothing");
	hf_classes_free(c);
}

Test(classes, an_id_is_used_again_only_when_no_net_has_it)
{
	struct hf_classes *c = new_classes();
	struct hf_prefix a, b;
	uint32_t class;

	cr_assert_eq(hf_prefix_parse("10.0.0.1", &a, NULL), 0);
	cr_assert_eq(hf_prefix_parse("2001:db8::/32", &b, NULL), 0);
	cr_assert_eq(hf_classes_add(c, 1, &a, NULL, NULL), 0);
	class = hf_classes_find(c, &a.addr);
	cr_assert_eq(hf_classes_add(c, 2, &b, NULL, NULL), 0);
	cr_expect_eq(hf_classes_find(c, &a.addr), class);
	cr_expect_neq(hf_classes_find(c, &b.addr), class);
	cr_assert_eq(hf_classes_remove(c, 1, &a, NULL, NULL), 0);
	cr_expect_not(hf_classes_used(c, class));
	cr_assert_eq(hf_classes_add(c, 5, &a, NULL, NULL), 0);
	cr_expect_eq(hf_classes_find(c, &a.addr), class, "the only free one");
	cr_expect_eq(hf_classes_count(c), 3);
	hf_classes_free(c);
}

Test(classes, are_those_of_the_rules)
{
	static const char text[] = FACTS HEP GNP("a",
		"selector: all(), ingress: [{action: Allow, source: {nets: [10.0.0.0/8, "
		"10.1.0.0/16]}}, {action: Deny, source: {notNets: [10.1.0.0/16]}, "
		"destination: {nets: [192.0.2.10/32]}}]");
	struct hf_rules *rules = rules_of(text);
	struct hf_classes *all = NULL, *some = NULL;
	bool src[64] = {0};
	size_t i, k, n_sets = hf_rules_n_sets(rules);
	struct hf_rand rand = new_rand();

	cr_assert_lt(n_sets, 64);
	hf_classes_want(rules, false, src);
	cr_assert_eq(hf_classes_build(rules, NULL, &all, NULL), 0);
	cr_assert_eq(hf_classes_build(rules, src, &some, NULL), 0);
	cr_expect_lt(hf_classes_count(some), hf_classes_count(all));
	for (i = 0; i < 300; i++) {
		struct hf_addr a = {4, {10, (uint8_t)hf_rand_below(&rand, 3), 0, 1}};

		if (hf_rand_chance(&rand, 1, 2))
			a = (struct hf_addr){
				4, {192, 0, 2, (uint8_t)(9 + hf_rand_below(&rand, 3))}};
		for (k = 0; k < n_sets; k++) {
			const struct hf_set *set = hf_rules_set(rules, k);
			bool in = false;
			size_t n;

			for (n = 0; n < set->n_nets; n++)
				in |= hf_prefix_has(&set->nets[n], &a);
			cr_expect_eq(
				hf_classes_has(all, hf_classes_find(all, &a), (uint32_t)k), in);
			cr_expect_eq(hf_classes_has(some, hf_classes_find(some, &a), (uint32_t)k),
				in && src[k]);
		}
	}
	hf_classes_free(all);
	hf_classes_free(some);
	hf_rules_free(rules);
}
