/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/diff.h>

#include <inttypes.h>
#include <stdio.h>

#define MATCH_SIZE 512 /* longer than most patterns; the others are cut */

void hf_diff_op_print(const struct hf_diff_op *op, FILE *out)
{
	bool put = op->kind == HF_DIFF_ADD || op->kind == HF_DIFF_COVER;
	bool cover = op->kind == HF_DIFF_COVER || op->kind == HF_DIFF_UNCOVER;
	const struct hf_entry *e = &op->entry;
	const struct hf_table *t = hf_plan_table(op->plan, e->table);
	const char *origin = hf_plan_origin(op->plan, e->origin);
	char match[MATCH_SIZE], reason[64];

	(void)hf_pattern_print(&e->match, match, sizeof(match));
	fprintf(out, "%c table %" PRIu32 " \"%s\" priority %" PRIu32 ": %s -> %s", put ? '+' : '-',
		t->group, t->name, e->priority, match, hf_fate_name(e->fate));
	if (e->fate == HF_FATE_JUMP)
		fprintf(out, " %" PRIu32, hf_plan_table(op->plan, e->jump)->group);
	if (e->sets_tag)
		fprintf(out, " tag 0x%" PRIx32, e->tag);
	if (e->sets_tag && e->tag_keep)
		fprintf(out, "/0x%" PRIx32, ~e->tag_keep);
	if (e->fate == HF_FATE_PUNT && !cover)
		fprintf(out, " (%s)", hf_reason_print(e->reason, e->detail, reason));
	if (cover)
		fputs(" (cover)", out);
	else if (origin[0])
		fprintf(out, "  # %s", origin);
	fputc('\n', out);
}
