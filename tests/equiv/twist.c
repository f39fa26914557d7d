/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#define CHANCE_PERCENT 12 /* of each change to a rule: most keep something of what they were */

static const struct hf_prefix mixed[] = {
	{{4, {10, 65}}, 16},
	{{6, {0xfd, 0, 0, 0x65}}, 48},
	{{4, {192, 0, 2}}, 24},
	{{6, {0x20, 0x01, 0x0d, 0xb8}}, 32},
	{{4, {0}}, 0},
	{{6, {0}}, 0},
};
#define N_MIXED (sizeof(mixed) / sizeof(mixed[0]))

static const struct hf_ports edges[] = {{0, 0}, {65535, 65535}, {22, 80}, {3000, 30001}};
#define N_EDGES (sizeof(edges) / sizeof(edges[0]))

static const uint8_t protos[] = {0, HF_PROTO_ICMP, HF_PROTO_IPIP, HF_PROTO_TCP, HF_PROTO_UDP,
	HF_PROTO_ICMPV6, HF_PROTO_SCTP, HF_PROTO_UDPLITE, 255};
#define N_PROTOS (sizeof(protos) / sizeof(protos[0]))

struct twist {
	struct hf_rand rand;
	uint32_t *all_sets; /* 0, 1, 2, ... */
	size_t n_sets;
};

static bool now(struct twist *t)
{
	return hf_rand_chance(&t->rand, CHANCE_PERCENT, 100);
}

/* Some neighbours of a list. */
static size_t slice(struct twist *t, size_t n, size_t *ret_n)
{
	size_t first = hf_rand_below(&t->rand, n);

	*ret_n = hf_rand_between(&t->rand, 1, n - first);
	return first;
}

static void twist_ports(struct twist *t, struct hf_model_ports *ports)
{
	*ports = (struct hf_model_ports){0};
	if (hf_rand_chance(&t->rand, 2, 3))
		ports->ranges = edges + slice(t, N_EDGES, &ports->n_ranges);
	if (hf_rand_chance(&t->rand, 1, 3))
		ports->sets = t->all_sets + slice(t, t->n_sets, &ports->n_sets);
}

static void twist_side(struct twist *t, struct hf_model_side *side)
{
	if (now(t))
		side->nets = mixed + slice(t, N_MIXED, &side->n_nets);
	if (now(t))
		side->not_nets = mixed + slice(t, N_MIXED, &side->n_not_nets);
	if (now(t))
		side->set = (uint32_t)hf_rand_below(&t->rand, t->n_sets);
	if (now(t))
		side->not_set = (uint32_t)hf_rand_below(&t->rand, t->n_sets);
	if (now(t))
		twist_ports(t, &side->ports);
	if (now(t))
		twist_ports(t, &side->not_ports);
	if (now(t))
		side->service = (uint32_t)hf_rand_below(&t->rand, t->n_sets);
}

static void twist_icmp(struct twist *t, struct hf_model_icmp *icmp)
{
	*icmp = (struct hf_model_icmp){.given = true};
	icmp->has_type = hf_rand_chance(&t->rand, 4, 5);
	icmp->has_code = icmp->has_type && hf_rand_chance(&t->rand, 1, 2);
	icmp->type = (uint8_t)hf_rand_between(&t->rand, 126, 138);
	icmp->code = (uint8_t)hf_rand_below(&t->rand, 3);
}

static void twist_rule(struct twist *t, struct hf_model_rule *r)
{
	static const uint8_t versions[] = {0, 4, 6};

	if (now(t))
		r->ip_version = versions[hf_rand_below(&t->rand, 3)];
	if (now(t)) {
		r->has_proto = true;
		r->proto = protos[hf_rand_below(&t->rand, N_PROTOS)];
	}
	if (now(t)) {
		r->has_not_proto = true;
		r->not_proto = protos[hf_rand_below(&t->rand, N_PROTOS)];
	}
	if (now(t))
		twist_icmp(t, &r->icmp);
	if (now(t))
		twist_icmp(t, &r->not_icmp);
	twist_side(t, &r->src);
	twist_side(t, &r->dst);
}

static uint64_t hash(const char *text)
{
	uint64_t h = 5381; /* any start would do */

	for (; *text; text++)
		h = h * 33 + (unsigned char)*text;
	return h;
}

/* The model is ours alone, and its rules lie in memory that can be written. */
static void twist_rules(struct twist *t, const struct hf_model_rules *rules, uint64_t seed)
{
	size_t i;

	for (i = 0; i < rules->n; i++) {
		hf_rand_init(&t->rand, seed, hash(rules->v[i].origin));
		twist_rule(t, (struct hf_model_rule *)&rules->v[i]);
	}
}

static void twist_policies(struct twist *t, const struct hf_model_policies *list, uint64_t seed)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		twist_rules(t, &list->v[i].rules, seed);
}

static void twist_endpoint(struct twist *t, const struct hf_model_endpoint *ep, uint64_t seed)
{
	size_t chain, i;

	for (chain = 0; chain < HF_CHAIN_MAX_; chain++) {
		for (i = 0; i < ep->tiers[chain].n; i++) {
			twist_policies(t, &ep->tiers[chain].v[i].in, seed);
			twist_policies(t, &ep->tiers[chain].v[i].out, seed);
		}
	}
	for (i = 0; i < ep->n_profiles; i++) {
		twist_rules(t, &ep->profiles[i]->in, seed);
		twist_rules(t, &ep->profiles[i]->out, seed);
	}
}

void hf_world_twist(struct hf_model *model, uint32_t *all_sets, uint64_t seed)
{
	struct twist t = {.all_sets = all_sets, .n_sets = model->n_sets};
	size_t i;

	for (i = 0; i < model->n_sets; i++)
		all_sets[i] = (uint32_t)i;
	for (i = 0; i < model->n_endpoints; i++)
		twist_endpoint(&t, model->endpoints[i], seed);
}
