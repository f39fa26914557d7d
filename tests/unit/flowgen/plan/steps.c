/* SPDX-License-Identifier: BSD-3-Clause */

#include "steps.h"

#include "plan/build.h"

#include <hf_test.h>

#include <string.h>

static struct hf_step_entry of(const struct hf_plan *plan, const struct hf_entry *e)
{
	struct hf_step_entry s = {.group = hf_plan_table(plan, e->table)->group, .entry = *e};

	if (e->fate == HF_FATE_JUMP)
		s.jump = hf_plan_table(plan, e->jump)->group;
	return s;
}

/* Index of the entry with that key, or n. */
static size_t find(const struct hf_steps *s, const struct hf_step_entry *e)
{
	size_t i;

	for (i = 0; i < s->entries.n; i++) {
		const struct hf_step_entry *o = &s->entries.v[i];

		if (o->group == e->group && o->entry.priority == e->entry.priority &&
			memcmp(&o->entry.match, &e->entry.match, sizeof(e->entry.match)) == 0)
			break;
	}
	return i;
}

static void add(struct hf_steps *s, const struct hf_step_entry *e)
{
	cr_assert_eq(find(s, e), s->entries.n, "the NIC has such an entry");
	cr_assert_eq(hf_vec_push(&s->entries, *e), 0);
}

static void take_out(struct hf_steps *s, const struct hf_step_entry *e)
{
	size_t i = find(s, e);

	cr_assert_lt(i, s->entries.n, "the NIC has no such entry");
	cr_assert_eq(s->entries.v[i].entry.fate, e->entry.fate, "the NIC has another");
	cr_assert_eq(s->entries.v[i].jump, e->jump, "the NIC has another");
	cr_assert_eq(s->entries.v[i].entry.tag, e->entry.tag, "the NIC has another");
	s->entries.v[i] = s->entries.v[--s->entries.n];
}

void hf_steps_init(struct hf_steps *s, const struct hf_plan *plan, const struct hf_plan *like)
{
	size_t i;

	*s = (struct hf_steps){.plan = plan ? plan : like};
	for (i = 0; plan && i < hf_plan_n_entries(plan); i++) {
		struct hf_step_entry e = of(plan, hf_plan_entry(plan, i));
		size_t k = find(s, &e);

		/* A plan may say the same twice; never two things of one key. */
		if (k == s->entries.n)
			add(s, &e);
		else
			cr_assert_eq(s->entries.v[k].entry.fate, e.entry.fate);
	}
}

void hf_steps_fini(struct hf_steps *s)
{
	hf_vec_fini(&s->entries);
}

void hf_steps_do(struct hf_steps *s, const struct hf_diff_op *op)
{
	struct hf_step_entry e = of(op->plan, &op->entry);

	if (op->kind == HF_DIFF_ADD || op->kind == HF_DIFF_COVER)
		add(s, &e);
	else
		take_out(s, &e);
}

bool hf_steps_concern(
	const struct hf_steps *s, const struct hf_diff_op *op, const struct hf_packet *pkt)
{
	struct hf_entry any_tag = op->entry;
	struct hf_hdr h;
	uint32_t layers = hf_judge_parse(s->plan, pkt, &h);

	memset(any_tag.match.mask.tag, 0, sizeof(any_tag.match.mask.tag));
	return hf_judge_match(s->plan, &any_tag, layers, &h);
}

static unsigned int follow(const struct hf_steps *s, const struct hf_step_entry *e, uint32_t layers,
	const struct hf_hdr *h);

static unsigned int walk(
	const struct hf_steps *s, uint32_t group, uint32_t layers, const struct hf_hdr *h)
{
	uint32_t best = UINT32_MAX;
	unsigned int fates = 0;
	size_t i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < s->entries.n; i++) {
			const struct hf_step_entry *e = &s->entries.v[i];

			if (e->group != group || e->entry.priority > best ||
				!hf_judge_match(s->plan, &e->entry, layers, h))
				continue;
			best = e->entry.priority;
			if (pass == 0)
				continue;
			fates |= follow(s, e, layers, h);
		}
	}
	if (!fates) /* a port drops what a later group does not know */
		fates = group == 0 || s->plan->eswitch.on ? 1u << HF_FATE_PUNT : 1u << HF_FATE_DENY;
	return fates;
}

static unsigned int follow(const struct hf_steps *s, const struct hf_step_entry *e, uint32_t layers,
	const struct hf_hdr *h)
{
	struct hf_hdr next = *h;

	if (e->entry.fate != HF_FATE_JUMP)
		return 1u << e->entry.fate;
	hf_judge_tag(&e->entry, &next);
	return walk(s, e->jump, layers, &next);
}

unsigned int hf_steps_judge(const struct hf_steps *s, const struct hf_packet *pkt)
{
	struct hf_hdr h;
	uint32_t layers = hf_judge_parse(s->plan, pkt, &h);

	return walk(s, 0, layers, &h);
}

unsigned int hf_fates_of(const struct hf_plan *plan, const struct hf_packet *pkt)
{
	struct hf_steps s;
	unsigned int fates;

	hf_steps_init(&s, plan, plan);
	fates = hf_steps_judge(&s, pkt);
	hf_steps_fini(&s);
	return fates;
}

bool hf_steps_equal(const struct hf_steps *a, const struct hf_steps *b)
{
	size_t i, k;

	for (i = 0; i < a->entries.n; i++) {
		k = find(b, &a->entries.v[i]);
		if (k == b->entries.n || b->entries.v[k].entry.fate != a->entries.v[i].entry.fate ||
			b->entries.v[k].jump != a->entries.v[i].jump ||
			b->entries.v[k].entry.tag != a->entries.v[i].entry.tag)
			return false;
	}
	return a->entries.n == b->entries.n;
}
