/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which subjects a selector can mean at all, found by a label that it needs, so that many selectors
 * over many sets do not ask everyone about everything; and a count of what is asked all the same.
 */

#include "model/build.h"

#include <errno.h>
#include <string.h>

int hf_build_work(struct hf_build *b, uint64_t n, const char *place)
{
	b->work += n;
	if (b->work <= HF_MODEL_WORK_MAX)
		return 0;
	return hf_fail(b->err, -E2BIG,
		"%s: selectors and what they choose from make more than %u comparisons", place,
		HF_MODEL_WORK_MAX);
}

static int slot_cmp(const void *pa, const void *pb)
{
	const struct hf_label_slot *a = pa, *b = pb;
	int c = strcmp(a->key, b->key);

	if (!c)
		c = strcmp(a->value, b->value);
	return c ? c : (a->subject > b->subject) - (a->subject < b->subject);
}

static int index_build(struct hf_build *b)
{
	size_t i, k, n = 0;

	b->labels = hf_arena_calloc(b->tmp, b->n_labels + 1, sizeof(*b->labels));
	if (!b->labels)
		return hf_build_oom(b);
	for (i = 0; i < b->n_subjects; i++) {
		const struct hf_labels *labels = &b->subjects[i].labels;

		for (k = 0; k < labels->n; k++)
			b->labels[n++] = (struct hf_label_slot){
				labels->v[k].key, labels->v[k].value, (uint32_t)i};
	}
	if (n)
		qsort(b->labels, n, sizeof(*b->labels), slot_cmp);
	return 0;
}

/* First slot that is not before key and value (NULL: any); after: that is behind them. */
static size_t bound(const struct hf_build *b, const char *key, const char *value, bool after)
{
	size_t lo = 0, hi = b->n_labels;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(b->labels[mid].key, key);

		if (!c && value)
			c = strcmp(b->labels[mid].value, value);
		if (c < 0 || (after && c == 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void narrow(const struct hf_build *b, const char *key, const char *value, struct hf_pick *p)
{
	size_t first = bound(b, key, value, false), n = bound(b, key, value, true) - first;

	if (n < p->n)
		*p = (struct hf_pick){&b->labels[first], n};
}

int hf_index_pick(struct hf_build *b, const struct hf_scope *scope, struct hf_pick *ret)
{
	struct hf_pick pick = {NULL, b->n_subjects};
	const char *key, *value;
	unsigned int i;

	if (!b->labels && index_build(b) < 0)
		return -ENOMEM;
	if (scope->ns)
		narrow(b, HF_LABEL_NS, scope->ns, &pick);
	for (i = 0; i < scope->n_parts; i++) {
		if (scope->parts[i].negate || *scope->parts[i].prefix)
			continue;
		key = hf_selector_needs(scope->parts[i].sel, &value);
		if (key)
			narrow(b, key, value, &pick);
	}
	*ret = pick;
	return hf_build_work(b, pick.n * scope->cost, b->where);
}

struct hf_subject *hf_index_at(struct hf_build *b, const struct hf_pick *pick, size_t i)
{
	return &b->subjects[pick->v ? pick->v[i].subject : i];
}
