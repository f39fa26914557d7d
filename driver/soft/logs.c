/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that log. They decide nothing, so the classifier does not know them. Where a block has one,
 * or leads to one, its rules are walked once more for packets that are judged there, up to the rule
 * that decides. Blocks without cost nothing.
 */

#include "state.h"

#include <errno.h>
#include <stdlib.h>

static bool block_logs(const struct hf_block *b, uint32_t lo, uint32_t hi, const bool *logs)
{
	uint32_t i;

	for (i = lo; i < hi; i++) {
		const struct hf_rule *r = &b->rules[i];

		if (r->op == HF_OP_LOG || (r->op == HF_OP_GOTO && logs[r->target]))
			return true;
	}
	return false;
}

int hf_logs_build(const struct hf_rules *rules, const struct hf_gen *older, bool **ret)
{
	bool quiet = older && !older->logs;
	size_t i = hf_rules_n_blocks(rules);
	bool *logs = calloc(i + 1, sizeof(*logs)), any = false;

	if (!logs)
		return -ENOMEM;
	/* Jumps lead forward, so the last block is looked at first. */
	while (i-- > 0) {
		const struct hf_block *b = hf_rules_block(rules, i);
		uint32_t lo = 0, hi = b->n_rules;

		/* As long as nothing is found, what is as before needs no look. */
		if (quiet && !any && i < hf_rules_n_blocks(older->rules))
			hf_pieces_differ(hf_rules_block(older->rules, i), b, &lo, &hi);
		logs[i] = block_logs(b, lo, hi, logs);
		any = any || logs[i];
	}
	if (!any) {
		free(logs);
		logs = NULL;
	}
	*ret = logs;
	return 0;
}

static void write_log(const struct hf_case *c, const struct hf_rule *r)
{
	const struct hf_tap_record record = {
		.kind = HF_TAP_LOG,
		.dir = (uint8_t)c->dir,
		.wire = c->wire,
		.proto = c->pkt->proto,
		.sport = c->pkt->sport,
		.dport = c->pkt->dport,
		.src = c->pkt->src,
		.dst = c->pkt->dst,
	};

	if (c->origins)
		hf_count(&c->origins[r->origin], 1, c->pkt->l4_off + c->pkt->l4_len);
	hf_tap_write(c->tap, &record, c->m, hf_rules_origin(c->gen->rules, r->origin), c->now);
}

void hf_logs_walk(const struct hf_case *c, const struct hf_key *key)
{
	const struct hf_rules *rules = c->gen->rules;
	const struct hf_path *path = hf_rules_find_path(rules, key->in, key->class);
	const struct hf_rule *r;

	if (!path || !c->gen->logs[path->block])
		return;
	for (r = hf_rules_block(rules, path->block)->rules;; r++) {
		if (!hf_match_has(rules, &r->match, key))
			continue;
		if (r->op == HF_OP_VERDICT)
			return;
		if (r->op == HF_OP_LOG) {
			write_log(c, r);
			continue;
		}
		if (!c->gen->logs[r->target])
			return;
		r = hf_rules_block(rules, r->target)->rules - 1;
	}
}
