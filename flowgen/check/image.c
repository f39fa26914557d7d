/* SPDX-License-Identifier: BSD-3-Clause */

#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* What is known already: a list of rule lists, by their addresses, which the model keeps. */
struct hf_image_known {
	struct image image;
	UT_hash_handle hh;
	const struct hf_model_rule *key[];
};

static BDD side_nets(const struct pol *pol, bool dst, const struct hf_prefix *nets, size_t n)
{
	return hf_dd_nets(pol->dd, hf_pol_addr(pol, dst), nets, n);
}

static BDD side_set(const struct pol *pol, bool dst, uint32_t set)
{
	return dst ? pol->dst_sets[set] : pol->src_sets[set];
}

struct members {
	const struct pol *pol;
	const struct hf_member *v;
	bool dst;
};

/* docs/semantics.md 11.3: address, protocol and port of one side are a member. */
static BDD member_has(void *arg, size_t i)
{
	const struct members *list = arg;
	const struct hf_member *m = &list->v[i];
	struct dd *dd = list->pol->dd;
	struct hf_prefix host = {m->addr, (uint8_t)hf_addr_bits(&m->addr)};
	BDD set = hf_dd_ports(
		dd, hf_pol_port(list->pol, list->dst), (struct hf_ports){m->port, m->port});

	set = hf_dd_and(dd, set, hf_dd_prefix(dd, hf_pol_addr(list->pol, list->dst), &host));
	return hf_dd_and(dd, set, hf_dd_is(dd, DD_PROTO, m->proto));
}

static BDD side_members(const struct pol *pol, bool dst, uint32_t index)
{
	const struct hf_set *set = &pol->model->sets[index];
	struct members list = {pol, set->members, dst};

	return hf_dd_union(pol->dd, set->n_members, member_has, &list);
}

/* docs/semantics.md 11.3: numbers, ranges and named ports are alternatives. */
static BDD side_ports(const struct pol *pol, bool dst, const struct hf_model_ports *ports)
{
	BDD any = hf_dd_none();
	size_t i;

	for (i = 0; i < ports->n_ranges; i++)
		any = hf_dd_or(pol->dd, any,
			hf_dd_ports(pol->dd, hf_pol_port(pol, dst), ports->ranges[i]));
	for (i = 0; i < ports->n_sets; i++)
		any = hf_dd_or(pol->dd, any, side_members(pol, dst, ports->sets[i]));
	return hf_dd_and(pol->dd, any, pol->ported);
}

/* docs/semantics.md 11.2: a list that says nothing of this family takes the rule out of it. */
static bool lacks_family(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family)
			return false;
	}
	return n > 0;
}

/* docs/semantics.md 11.2: "in none of everything" takes it out as well. */
static bool excludes_all(const struct hf_prefix *nets, size_t n, uint8_t family)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nets[i].addr.family == family && nets[i].len == 0)
			return true;
	}
	return false;
}

static bool side_exists(const struct hf_model_side *s, uint8_t family)
{
	return !lacks_family(s->nets, s->n_nets, family) &&
	       !lacks_family(s->not_nets, s->n_not_nets, family) &&
	       !excludes_all(s->not_nets, s->n_not_nets, family);
}

/* docs/semantics.md 11.1, one side: everything given holds. */
static BDD side_has(const struct pol *pol, const struct hf_model_side *s, bool dst)
{
	struct dd *dd = pol->dd;
	BDD set = hf_dd_all();

	if (s->n_nets)
		set = hf_dd_and(dd, set, side_nets(pol, dst, s->nets, s->n_nets));
	if (s->n_not_nets)
		set = hf_dd_minus(dd, set, side_nets(pol, dst, s->not_nets, s->n_not_nets));
	if (s->set != HF_NO_SET)
		set = hf_dd_and(dd, set, side_set(pol, dst, s->set));
	if (s->not_set != HF_NO_SET)
		set = hf_dd_minus(dd, set, side_set(pol, dst, s->not_set));
	if (s->ports.n_ranges + s->ports.n_sets)
		set = hf_dd_and(dd, set, side_ports(pol, dst, &s->ports));
	if (s->not_ports.n_ranges + s->not_ports.n_sets)
		set = hf_dd_minus(dd, set, side_ports(pol, dst, &s->not_ports));
	if (s->service != HF_NO_SET)
		set = hf_dd_and(dd, set, side_members(pol, dst, s->service));
	return set;
}

/* Type and perhaps code; they stand where others have the destination port. */
static BDD icmp_has(struct dd *dd, const struct hf_model_icmp *icmp)
{
	const uint8_t value[2] = {icmp->type, icmp->code};
	const uint8_t mask[2] = {0xff, icmp->has_code ? 0xff : 0};

	return hf_dd_masked(dd, DD_DPORT, value, mask);
}

/* docs/semantics.md 11.1: icmp and notICMP speak of the family's own ICMP only. */
static BDD icmp_matches(const struct pol *pol, const struct hf_model_rule *rule)
{
	bool want = rule->icmp.given && rule->icmp.has_type;
	bool want_not = rule->not_icmp.given && rule->not_icmp.has_type;
	BDD set;

	if (!want && !want_not)
		return hf_dd_all();
	set = hf_dd_is(pol->dd, DD_PROTO, pol->dd->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
	if (want)
		set = hf_dd_and(pol->dd, set, icmp_has(pol->dd, &rule->icmp));
	if (want_not)
		set = hf_dd_minus(pol->dd, set, icmp_has(pol->dd, &rule->not_icmp));
	return set;
}

/* docs/semantics.md 11: the packets a rule matches. */
static BDD rule_has(const struct pol *pol, const struct hf_model_rule *rule)
{
	uint8_t family = pol->dd->family;
	struct dd *dd = pol->dd;
	BDD set;

	if ((rule->ip_version && rule->ip_version != family) || !side_exists(&rule->src, family) ||
		!side_exists(&rule->dst, family))
		return hf_dd_none();
	set = icmp_matches(pol, rule);
	if (rule->has_proto)
		set = hf_dd_and(dd, set, hf_dd_is(dd, DD_PROTO, rule->proto));
	if (rule->has_not_proto)
		set = hf_dd_minus(dd, set, hf_dd_is(dd, DD_PROTO, rule->not_proto));
	set = hf_dd_and(dd, set, side_has(pol, &rule->dst, true));
	return hf_dd_and(dd, set, side_has(pol, &rule->src, false));
}

enum { OUT_ACCEPT, OUT_PASSED, N_OUTS }; /* the rest of what is taken is denied */

struct rules_run {
	const struct pol *pol;
	const struct hf_model_rules *rules;
};

static BDD rule_takes(void *arg, size_t i, BDD *outs)
{
	const struct rules_run *run = arg;
	const struct hf_model_rule *rule = &run->rules->v[i];
	BDD set;

	if (rule->action == HF_RULE_LOG)
		return hf_dd_none();
	set = rule_has(run->pol, rule);
	if (rule->action == HF_RULE_ALLOW)
		outs[OUT_ACCEPT] = set;
	else if (rule->action == HF_RULE_PASS)
		outs[OUT_PASSED] = set;
	return set;
}

struct tier_run {
	const struct pol *pol;
	size_t n;
	const struct hf_model_rules **v;
};

static BDD policy_takes(void *arg, size_t i, BDD *outs)
{
	const struct tier_run *run = arg;
	struct image image;

	hf_image_rules(run->pol, run->v[i], &image);
	outs[OUT_ACCEPT] = image.accept;
	outs[OUT_PASSED] = image.passed;
	return hf_dd_or(
		run->pol->dd, image.deny, hf_dd_or(run->pol->dd, image.accept, image.passed));
}

static void make(const struct pol *pol, const struct dd_list *list, struct image *ret)
{
	BDD outs[N_OUTS], taken = hf_dd_first(pol->dd, list, outs);

	ret->accept = outs[OUT_ACCEPT];
	ret->passed = outs[OUT_PASSED];
	ret->deny = hf_dd_minus(pol->dd, taken, ret->accept);
	ret->deny = hf_dd_minus(pol->dd, ret->deny, ret->passed);
}

static struct hf_image_known *find(const struct pol *pol, const void *key, size_t size)
{
	struct hf_image_known *known;

	HASH_FIND(hh, *pol->images, key, size, known);
	return known;
}

/* It is pinned, so that it outlives what is released. Without memory it is not remembered. */
static void remember(const struct pol *pol, const void *key, size_t size, const struct image *image)
{
	struct hf_image_known *known = calloc(1, sizeof(*known) + size);

	if (!known)
		return;
	known->image = *image;
	memcpy(known->key, key, size);
	HASH_ADD_KEYPTR(hh, *pol->images, known->key, size, known);
	if (!known->hh.tbl) {
		free(known);
		return;
	}
	hf_dd_pin(pol->dd, image->deny);
	hf_dd_pin(pol->dd, image->accept);
	hf_dd_pin(pol->dd, image->passed);
}

void hf_image_rules(const struct pol *pol, const struct hf_model_rules *rules, struct image *ret)
{
	struct rules_run run = {pol, rules};
	struct dd_list list = {.n = rules->n, .n_outs = N_OUTS, .member = rule_takes, .arg = &run};
	struct hf_image_known *known = find(pol, &rules->v, sizeof(rules->v));

	if (known) {
		*ret = known->image;
		return;
	}
	make(pol, &list, ret);
	if (rules->n)
		remember(pol, &rules->v, sizeof(rules->v), ret);
}

void hf_image_tier(
	const struct pol *pol, const struct hf_model_policies *policies, struct image *ret)
{
	struct tier_run run = {pol, 0, calloc(policies->n + 1, sizeof(*run.v))};
	struct dd_list list = {.n_outs = N_OUTS, .member = policy_takes, .arg = &run};
	struct hf_image_known *known;
	const struct hf_model_rule **key = calloc(policies->n + 1, sizeof(*key));
	size_t i;

	*ret = (struct image){hf_dd_none(), hf_dd_none(), hf_dd_none()};
	for (i = 0; run.v && key && i < policies->n; i++) {
		if (policies->v[i].staged || policies->v[i].rules.n == 0)
			continue;
		key[run.n] = policies->v[i].rules.v;
		run.v[run.n++] = &policies->v[i].rules;
	}
	known = key && run.n ? find(pol, key, run.n * sizeof(*key)) : NULL;
	list.n = run.n;
	if (!run.v || !key) {
		pol->dd->failed = true;
	} else if (known) {
		*ret = known->image;
	} else if (run.n) {
		make(pol, &list, ret);
		remember(pol, key, run.n * sizeof(*key), ret);
	}
	free(run.v);
	free(key);
}

void hf_image_fini(struct pol *pol)
{
	struct hf_image_known *known, *next;

	HASH_ITER (hh, *pol->images, known, next) {
		HASH_DEL(*pol->images, known);
		free(known);
	}
}
