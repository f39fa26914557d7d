/* SPDX-License-Identifier: BSD-3-Clause */

/* Keys that follow lists of items which change are those that the lists have anew. */

#include "host.h"
#include "lists.h"

#include "plan/keys.h"

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(follow);

#define N_ITEMS	  40
#define N_CHAINS  15
#define N_CHANGES 12

static const char no_policy[] = "---\n";

/* Items that differ in nothing but the source, so that addresses are alike. */
static void spread(struct items *items, struct hf_rand *rand)
{
	size_t i;

	for (i = 1; i < items->n; i++) {
		struct item *item = &items->v[i];
		uint8_t family = item->cube.family;

		if (i % 6 == 0)
			continue;
		*item = items->v[i - 1];
		item->cube.src = hf_random_net(rand, family, true);
		item->cube.src.addr.b[3] = (uint8_t)i;
	}
}

/* Lists of their own instead of those of the rules. */
static void fill(struct sight_host *host, struct hf_rand *rand, bool alike)
{
	size_t p, v6, i;

	for (p = 0; p < host->n_paths; p++) {
		for (v6 = 0; v6 < 2; v6++) {
			struct items *items = &host->paths[p].items[v6];

			items->n = hf_rand_below(rand, N_ITEMS);
			items->cap = N_ITEMS + 2 * N_CHANGES;
			items->v = reallocarray(items->v, items->cap, sizeof(*items->v));
			cr_assert_not_null(items->v);
			for (i = 0; i < items->n; i++) {
				items->v[i] = hf_random_item(rand, v6 ? 6 : 4, items->seen);
				items->v[i].origin = (uint32_t)hf_rand_below(rand, 1000);
			}
			if (alike)
				spread(items, rand);
		}
	}
}

/* One item more, less or another one. */
static void change(struct sight_host *host, struct hf_rand *rand)
{
	size_t v6 = hf_rand_below(rand, 2), kind = hf_rand_below(rand, 3), at;
	struct items *items = &host->paths[hf_rand_below(rand, host->n_paths)].items[v6];
	struct item new = hf_random_item(rand, v6 ? 6 : 4, items->seen);

	new.origin = (uint32_t)hf_rand_below(rand, 1000);
	at = hf_rand_below(rand, items->n + 1);
	if (kind == 0 || at == items->n) {
		memmove(&items->v[at + 1], &items->v[at], (items->n - at) * sizeof(*items->v));
		items->v[at] = new;
		items->n++;
	} else if (kind == 1) {
		items->n--;
		memmove(&items->v[at], &items->v[at + 1], (items->n - at) * sizeof(*items->v));
	} else {
		items->v[at] = new;
	}
}

/* The origins of some items get other numbers, as those of a policy of which one rule changes. */
static void renumber(struct sight_host *host, uint32_t from, uint32_t to)
{
	size_t p, i;

	for (p = 0; p < 2 * host->n_paths; p++) {
		struct items *items = &host->paths[p / 2].items[p % 2];

		for (i = 0; i < items->n; i++) {
			if (items->v[i].origin / 100 == from)
				items->v[i].origin = to * 100 + items->v[i].origin % 100;
		}
	}
}

static void judge_all(struct key_host *h, bool some)
{
	size_t v6, kind, by;

	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 1; by <= BY_ALL; by++) {
				struct key_set *set = hf_key_set(
					h, v6 ? 6 : 4, (unsigned int)kind, (unsigned int)by);

				(void)hf_key_set_most(h, set);
				if (!some || by % 3)
					cr_assert_eq(hf_key_set_find(h, set), 0);
				if (!some || by % 3 == 1)
					cr_assert_eq(hf_key_set_judge(h, set), 0);
			}
		}
	}
}

static uint32_t net_of(const struct key_host *from, const struct key_host *to, uint32_t id)
{
	return id == NET_NONE ? NET_NONE : hf_nets_find(&to->nets, &from->nets.v[id]);
}

static const struct key *find_key(const struct key_host *h, const struct key_set *set,
	const struct key_host *of, struct point p)
{
	size_t i;

	p.src = net_of(of, h, p.src);
	if (p.src != NET_NONE && h->alike.n)
		p.src = h->alike.rep[p.src];
	p.dst = net_of(of, h, p.dst);
	for (i = 0; i < set->keys.n; i++) {
		if (memcmp(&set->keys.v[i].point, &p, sizeof(p)) == 0)
			return &set->keys.v[i];
	}
	return NULL;
}

static size_t compare(
	const struct key_host *h, const struct key_host *fresh, size_t v6, size_t kind, size_t by)
{
	const struct key_set *set = &h->sets[v6][kind][by], *want = &fresh->sets[v6][kind][by];
	size_t i, n_fate[HF_FATE_JUMP] = {0};

	if (set->most_known)
		cr_expect_eq(set->most, want->most);
	if (set->state == KEYS_UNMADE)
		return 0;
	cr_expect_eq(set->keys.n - set->n_dead, want->keys.n);
	for (i = 0; i < set->keys.n; i++) {
		const struct key *key = &set->keys.v[i], *other;

		if (!key->refs)
			continue;
		other = find_key(fresh, want, h, key->point);
		cr_assert_not_null(other);
		if (set->state != KEYS_JUDGED)
			continue;
		cr_expect_eq(key->fate, other->fate);
		cr_expect(key->fate == HF_FATE_PUNT || key->origin == other->origin);
		n_fate[key->fate] +=
			set->by & BY_SRC ? hf_alike_size(&h->alike, key->point.src) : 1;
	}
	for (i = HF_FATE_PUNT + 1; i < HF_FATE_JUMP; i++)
		cr_expect_eq(set->n_fate[i], n_fate[i]);
	return set->n_fate[HF_FATE_ALLOW] + set->n_fate[HF_FATE_DENY];
}

static size_t compare_all(struct key_host *h, struct sight_host *host)
{
	struct key_host fresh;
	size_t v6, kind, by, n = 0;

	cr_assert_eq(hf_key_host_init(&fresh, host), 0);
	judge_all(&fresh, false);
	for (v6 = 0; v6 < 2; v6++) {
		for (kind = 0; kind < N_KINDS; kind++) {
			for (by = 1; by <= BY_ALL; by++)
				n += compare(h, &fresh, v6, kind, by);
		}
	}
	hf_key_host_fini(&fresh);
	return n;
}

Test(follow, is_what_is_made_anew)
{
	const struct items_opts opts = {0};
	size_t i, k, followed = 0, decided = 0, alike = 0;
	struct hf_host host;
	struct hf_rand rand;

	hf_rand_init(&rand, hf_test_seed(), 0);
	hf_host_init(&host, "i40e-x710", 0, no_policy);
	for (i = 0; i < N_CHAINS; i++) {
		struct sight_host sight;
		struct key_host h;

		cr_assert_eq(hf_sight_init(&sight, host.rules, 1, &opts), 0);
		fill(&sight, &rand, i % 2);
		cr_assert_eq(hf_key_host_init(&h, &sight), 0);
		judge_all(&h, true);
		for (k = 0; k < N_CHANGES; k++) {
			change(&sight, &rand);
			if (k % 3 == 0)
				change(&sight, &rand);
			if (k % 4 == 1)
				renumber(&sight, (uint32_t)hf_rand_below(&rand, 10),
					10 + (uint32_t)k);
			if (hf_key_host_follow(&h, &sight) != 0)
				break;
			followed++;
			decided += compare_all(&h, &sight);
			alike += h.alike.n != 0;
		}
		hf_key_host_fini(&h);
		hf_sight_fini(&sight);
	}
	hf_host_fini(&host);
	cr_expect_gt(followed, N_CHAINS * N_CHANGES / 2);
	cr_expect_gt(decided, followed);
	cr_expect_gt(alike, followed / 4);
}

/* What keys depend on besides the lists. */
Test(follow, not_another_host)
{
	const struct items_opts opts = {0};
	struct hf_host host, other;
	struct sight_host a, b;
	struct key_host h;

	hf_host_init(&host, "i40e-x710", 0, no_policy);
	hf_host_init(&other, "i40e-x710", 0,
		"---\napiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n"
		"metadata: {name: db, namespace: default}\n"
		"spec: {node: n0, orchestrator: k8s, pod: db, endpoint: eth0, interfaceName: "
		"cali2,\n"
		"  ipNetworks: [10.65.0.3/32], profiles: [projectcalico-default-allow]}\n");
	cr_assert_eq(hf_sight_init(&a, host.rules, 1, &opts), 0);
	cr_assert_eq(hf_sight_init(&b, other.rules, 1, &opts), 0);
	cr_assert_eq(hf_key_host_init(&h, &a), 0);
	cr_expect_eq(hf_key_host_follow(&h, &b), 1);
	hf_key_host_fini(&h);
	hf_sight_fini(&a);
	hf_sight_fini(&b);
	hf_host_fini(&host);
	hf_host_fini(&other);
}
