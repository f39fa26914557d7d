/* SPDX-License-Identifier: BSD-3-Clause */

#include "flat.h"

#include "flat_build.h"

#include <rte_acl.h>
#include <rte_memory.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROTO, SRC, DST, SPORT, DPORT, N_FIELDS };

static const struct rte_acl_field_def fields[N_FIELDS] = {
	{RTE_ACL_FIELD_TYPE_RANGE, 1, PROTO, 0, offsetof(struct hf_flat_key, proto)},
	{RTE_ACL_FIELD_TYPE_MASK, 4, SRC, 1, offsetof(struct hf_flat_key, src_be)},
	{RTE_ACL_FIELD_TYPE_MASK, 4, DST, 2, offsetof(struct hf_flat_key, dst_be)},
	{RTE_ACL_FIELD_TYPE_RANGE, 2, SPORT, 3, offsetof(struct hf_flat_key, sport_be)},
	{RTE_ACL_FIELD_TYPE_RANGE, 2, DPORT, 3, offsetof(struct hf_flat_key, dport_be)},
};

RTE_ACL_RULE_DEF(flat_rule, N_FIELDS);

static uint64_t last_name; /* atomic; a context of the same name would be the same one */

static void fill_rule(const struct hf_flat_rule *r, size_t i, struct flat_rule *ret)
{
	*ret = (struct flat_rule){
		.data = {.category_mask = 1, .priority = (int32_t)(HF_FLAT_RULES - i)},
	};
	ret->data.userdata = r->said;
	ret->field[PROTO].value.u8 = r->proto[0];
	ret->field[PROTO].mask_range.u8 = r->proto[1];
	ret->field[SRC].value.u32 = r->src;
	ret->field[SRC].mask_range.u32 = r->src_len;
	ret->field[DST].value.u32 = r->dst;
	ret->field[DST].mask_range.u32 = r->dst_len;
	ret->field[SPORT].value.u16 = r->sport.lo;
	ret->field[SPORT].mask_range.u16 = r->sport.hi;
	ret->field[DPORT].value.u16 = r->dport.lo;
	ret->field[DPORT].mask_range.u16 = r->dport.hi;
}

static struct rte_acl_ctx *build_list(const struct hf_flat_list *list)
{
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param param = {.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(N_FIELDS),
		.max_rule_num = (uint32_t)list->n};
	struct rte_acl_config config = {
		.num_categories = 1, .num_fields = N_FIELDS, .max_size = HF_FLAT_SIZE};
	struct flat_rule *rules = calloc(list->n, sizeof(*rules));
	struct rte_acl_ctx *ctx;
	size_t i;

	if (!rules)
		return NULL;
	(void)snprintf(name, sizeof(name), "hf-flat-%" PRIu64,
		__atomic_add_fetch(&last_name, 1, __ATOMIC_RELAXED));
	memcpy(config.defs, fields, sizeof(fields));
	for (i = 0; i < list->n; i++)
		fill_rule(&list->v[i], i, &rules[i]);
	ctx = rte_acl_create(&param);
	if (ctx && (rte_acl_add_rules(ctx, (struct rte_acl_rule *)rules, (uint32_t)list->n) != 0 ||
			   rte_acl_build(ctx, &config) != 0)) {
		rte_acl_free(ctx);
		ctx = NULL;
	}
	free(rules);
	return ctx;
}

/* One list, if it is any good. -ENOMEM is all that is an error. */
static int add_list(struct hf_flat *flat, uint32_t block, enum hf_flat_choice choice)
{
	struct hf_flat_list *list;
	struct rte_acl_ctx *ctx;
	int rc;

	if (flat->n_lists == HF_FLAT_LISTS)
		return 0;
	list = malloc(sizeof(*list));
	if (!list)
		return -ENOMEM;
	rc = hf_flat_lower(flat->classifier, block, list);
	if (rc == 0 && list->n > 0 && (list->n >= HF_FLAT_RULES_MIN || choice == HF_FLAT_ANY)) {
		ctx = build_list(list);
		flat->lists[flat->n_lists] = ctx;
		if (ctx &&
			(choice == HF_FLAT_ANY || hf_flat_wins(flat, flat->n_lists, block, list)))
			flat->list_of[block] = (uint8_t)flat->n_lists++;
		else
			rte_acl_free(ctx);
	}
	free(list);
	return rc == -ENOMEM ? rc : 0;
}

bool hf_flat_is_for(const struct hf_classifier *c)
{
	size_t i;

	for (i = 0; i < hf_rules_n_paths(c->rules); i++) {
		size_t n = hf_flat_count(c, hf_rules_path(c->rules, i)->block);

		if (n >= HF_FLAT_RULES_MIN && n <= HF_FLAT_RULES)
			return true;
	}
	return false;
}

static int add_lists(struct hf_flat *flat, enum hf_flat_choice choice)
{
	const struct hf_rules *rules = flat->classifier->rules;
	bool *seen = calloc(hf_rules_n_blocks(rules) + 1, sizeof(*seen));
	int rc = seen ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < hf_rules_n_paths(rules) && rc == 0; i++) {
		uint32_t block = hf_rules_path(rules, i)->block;

		if (!seen[block] && hf_flat_count(flat->classifier, block) <= HF_FLAT_RULES)
			rc = add_list(flat, block, choice);
		seen[block] = true;
	}
	free(seen);
	return rc == 0 && flat->n_lists == 0 ? -ENOENT : rc;
}

int hf_flat_new(const struct hf_classifier *c, enum hf_flat_choice choice, struct hf_flat **ret)
{
	size_t n = hf_rules_n_blocks(c->rules) + 1;
	struct hf_flat *flat = calloc(1, sizeof(*flat));
	int rc = -ENOMEM;

	if (!flat)
		return rc;
	flat->refs = 1;
	flat->classifier = c;
	flat->list_of = malloc(n);
	if (flat->list_of) {
		memset(flat->list_of, HF_FLAT_NO_LIST, n);
		rc = add_lists(flat, choice);
	}
	if (rc < 0) {
		hf_flat_free(flat);
		return rc;
	}
	*ret = flat;
	return 0;
}

void hf_flat_free(struct hf_flat *flat)
{
	unsigned int i;

	if (!flat || --flat->refs > 0)
		return;
	for (i = 0; i < flat->n_lists; i++)
		rte_acl_free(flat->lists[i]);
	free(flat->list_of);
	free(flat);
}

void hf_flat_ask(const struct hf_flat *flat, unsigned int list, const struct hf_flat_key *keys,
	unsigned int n, uint32_t *ret)
{
	const uint8_t *data[HF_FLAT_BURST];
	unsigned int i;

	for (i = 0; i < n; i++)
		data[i] = (const uint8_t *)&keys[i];
	/* It fails on senseless arguments only. */
	if (rte_acl_classify(flat->lists[list], data, ret, n, 1) != 0)
		memset(ret, 0xff, n * sizeof(*ret)); /* HF_FLAT_ASK */
	for (i = 0; i < n; i++)
		ret[i] = ret[i] == HF_FLAT_ASK ? HF_MEMO_NONE : ret[i];
}
