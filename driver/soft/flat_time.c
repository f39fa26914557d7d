/* SPDX-License-Identifier: BSD-3-Clause */

/* Which is faster, a list or the classifier? */

#include "flat_build.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYS  2048
#define TURNS 5

struct sample {
	struct hf_key keys[KEYS];
	struct hf_walk walks[HF_FLAT_BURST];
};

/* Numbers without meaning, the same each time (Marsaglia's xorshift). */
static uint32_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static void put_addr(uint32_t addr, uint8_t len, uint64_t *random, struct hf_addr *ret)
{
	uint32_t host = len == 32 ? 0 : UINT32_MAX >> len, be;

	be = __builtin_bswap32(addr | (next_random(random) & host));
	*ret = (struct hf_addr){.family = 4};
	memcpy(ret->b, &be, sizeof(be));
}

static uint16_t between(struct hf_ports ports, uint64_t *random)
{
	return (uint16_t)(ports.lo + next_random(random) % (ports.hi - ports.lo + 1u));
}

/* Packets that a rule of the list is about, each rule as likely as any other. */
static void make_keys(struct hf_key *keys, const struct hf_path *path, const struct hf_flat_list *l)
{
	uint64_t random = 1;
	unsigned int i;

	for (i = 0; i < KEYS; i++) {
		const struct hf_flat_rule *r = &l->v[next_random(&random) % l->n];
		struct hf_key *k = &keys[i];

		*k = (struct hf_key){.in = path->in, .class = path->class};
		k->proto = r->proto[0] == r->proto[1] ? r->proto[0] : HF_PROTO_TCP;
		put_addr(r->src, r->src_len, &random, &k->src);
		put_addr(r->dst, r->dst_len, &random, &k->dst);
		k->wire_dst = k->dst;
		if (hf_proto_has_ports(k->proto)) {
			k->sport = between(r->sport, &random);
			k->dport = k->wire_dport = between(r->dport, &random);
		}
	}
}

/* As path.c does it. Returns something that depends on all answers. */
static uint32_t by_classes(const struct hf_classifier *c, struct hf_memo *memo, struct sample *s)
{
	struct hf_decision d = {0};
	uint32_t sum = 0;
	unsigned int i, k;

	for (i = 0; i < KEYS; i += HF_FLAT_BURST) {
		const struct hf_key *keys = &s->keys[i];

		for (k = 0; k < HF_FLAT_BURST; k++)
			hf_classify_aim(
				c, NULL, memo, &keys[k], &keys[k].src, &keys[k].dst, &s->walks[k]);
		for (k = 0; k < HF_FLAT_BURST; k++) {
			if (!hf_classify_recall(c, &s->walks[k]))
				hf_classify_lead(c, NULL, &keys[k], &s->walks[k]);
		}
		for (k = 0; k < HF_FLAT_BURST; k++) {
			if (hf_classify_blind(c, NULL, &keys[k], &s->walks[k], &d))
				sum += d.origin;
		}
	}
	return sum;
}

static uint32_t by_list(
	const struct hf_flat *flat, unsigned int list, struct hf_memo *memo, struct sample *s)
{
	struct hf_flat_key flats[HF_FLAT_BURST];
	uint32_t said[HF_FLAT_BURST], sum = 0;
	const struct hf_classifier *c = flat->classifier;
	struct hf_decision d = {0};
	unsigned int i, k;

	for (i = 0; i < KEYS; i += HF_FLAT_BURST) {
		const struct hf_key *keys = &s->keys[i];

		for (k = 0; k < HF_FLAT_BURST; k++)
			hf_flat_fill(&flats[k], &keys[k].src, &keys[k].dst, keys[k].proto,
				keys[k].sport, keys[k].dport);
		hf_flat_ask(flat, list, flats, HF_FLAT_BURST, said);
		for (k = 0; k < HF_FLAT_BURST; k++) {
			struct hf_walk *w = &s->walks[k];

			w->said = said[k];
			if (said[k] == HF_MEMO_NONE) {
				hf_classify_aim(
					c, NULL, memo, &keys[k], &keys[k].src, &keys[k].dst, w);
				if (!hf_classify_recall(c, w))
					hf_classify_lead(c, NULL, &keys[k], w);
			}
			if (hf_classify_blind(c, NULL, &keys[k], w, &d))
				sum += d.origin;
		}
	}
	return sum;
}

static uint64_t cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool hf_flat_wins(const struct hf_flat *flat, unsigned int list, uint32_t block,
	const struct hf_flat_list *rules)
{
	uint64_t best[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, t0, t;
	struct sample *s = aligned_alloc(64, sizeof(*s));
	struct hf_memo *memo = aligned_alloc(64, sizeof(*memo));
	volatile uint32_t sum = 0; /* so that nothing is left out */
	const struct hf_path *path;
	unsigned int turn, i = 0;

	if (s && memo) {
		memset(memo, 0, sizeof(*memo));
		while ((path = hf_rules_path(flat->classifier->rules, i))->block != block)
			i++;
		make_keys(s->keys, path, rules);
		for (turn = 0; turn < 3 * TURNS; turn++) {
			t0 = cpu_now();
			if (turn % 3 == 0)
				sum += by_classes(flat->classifier, NULL, s);
			else if (turn % 3 == 1)
				sum += by_classes(flat->classifier, memo, s);
			else
				sum += by_list(flat, list, memo, s);
			t = cpu_now() - t0;
			if (t < best[turn % 3])
				best[turn % 3] = t;
		}
	}
	(void)sum;
	free(s);
	free(memo);
	/* As if the memo knew every second packet. Where they are equal, the list is steadier. */
	return best[2] < UINT64_MAX && best[2] <= (best[0] + best[1]) / 2;
}
