/* SPDX-License-Identifier: BSD-3-Clause */

/* What tables in front of the rules are worth. */

#include "build.h"

#include <stdlib.h>
#include <string.h>

/* A rule that accepts what is no new connection. */
static bool guards(const struct hf_rule *r)
{
	return r->op == HF_OP_VERDICT && !(r->match.ct & HF_CT_BIT(HF_CT_NEW));
}

struct hf_use *hf_build_uses(const struct builder *b)
{
	const struct hf_rules *rules = b->rules;
	size_t n = hf_rules_n_blocks(rules), p, i, k;
	bool *met = calloc(n + 1, sizeof(*met)), *guard = calloc(n + 1, sizeof(*guard));
	struct hf_use *uses = calloc(n + 1, sizeof(*uses));

	for (p = 0; met && guard && uses && p < hf_rules_n_paths(rules); p++) {
		const struct hf_path *path = hf_rules_path(rules, p);

		if (path->in != b->in)
			continue;
		memset(met, 0, n * sizeof(*met));
		memset(guard, 0, n * sizeof(*guard));
		met[path->block] = true;
		for (i = path->block; i < n; i++) {
			const struct hf_block *block = hf_rules_block(rules, i);

			for (k = 0; met[i] && k < block->n_rules; k++) {
				const struct hf_rule *r = &block->rules[k];

				guard[i] |= guards(r);
				if (r->op != HF_OP_GOTO)
					continue;
				met[r->target] = true;
				guard[r->target] |= guard[i];
			}
			uses[i].times += met[i];
			uses[i].guarded |= guard[i];
		}
	}
	if (!met || !guard) {
		free(uses);
		uses = NULL;
	}
	free(met);
	free(guard);
	return uses;
}

bool hf_build_has_tags(const struct hf_engine *e)
{
	struct hf_hdr mask = {.tag = {0, 0, 0, 1}};

	return e->layers & HF_LAYER_BIT(HF_LAYER_TAG) && e->actions & HF_ACT_BIT(HF_ACT_SET_TAG) &&
	       hf_nic_can_match(e, HF_F_TAG, &mask);
}

uint64_t hf_build_path_weight(const struct builder *b, const struct path_table *pt)
{
	const struct hf_path *path = hf_rules_find_path(b->rules, b->in, pt->class);
	size_t n = hf_rules_n_blocks(b->rules), i, k;
	bool *met = calloc(n + 1, sizeof(*met));
	uint64_t sum = 0;

	if (met && path)
		met[path->block] = true;
	for (i = 0; met && i < n; i++) {
		const struct hf_block *block = hf_rules_block(b->rules, i);

		for (k = 0; met[i] && k < block->n_rules; k++) {
			const struct hf_rule *r = &block->rules[k];

			if (r->match.out != HF_IF_ANY && r->match.out != pt->out)
				continue;
			if (r->op == HF_OP_GOTO)
				met[r->target] = true;
			sum += b->weights[r->origin];
		}
	}
	free(met);
	return sum;
}
