/* SPDX-License-Identifier: BSD-3-Clause */

#include "runs.h"

#include "build.h"

#include <errno.h>
#include <stdlib.h>

struct entry_buf *hf_entry_buf_new(struct hf_entry *take_v)
{
	struct entry_buf *buf = calloc(1, sizeof(*buf));

	if (!buf) {
		free(take_v);
		return NULL;
	}
	atomic_init(&buf->n_keepers, 1);
	buf->v = take_v;
	return buf;
}

struct entry_buf *hf_entry_buf_keep(struct entry_buf *buf)
{
	atomic_fetch_add(&buf->n_keepers, 1);
	return buf;
}

void hf_entry_buf_free(struct entry_buf *buf)
{
	if (!buf || atomic_fetch_sub(&buf->n_keepers, 1) > 1)
		return;
	free(buf->v);
	free(buf);
}

bool hf_run_is_inner(const struct hf_entry *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i].priority == 0 || v[i].fate == HF_FATE_JUMP)
			return true;
	}
	return false;
}

int hf_plan_add_run(
	struct hf_plan *plan, struct entry_buf *buf, const struct hf_entry *v, size_t n, bool inner)
{
	struct entry_run run = {buf, v, n, plan->n_entries, inner};

	if (n == 0)
		return 0;
	if (hf_vec_push(&plan->runs, run))
		return -ENOMEM;
	(void)hf_entry_buf_keep(buf);
	plan->n_entries += n;
	return 0;
}

const struct hf_entry *hf_plan_at(const struct hf_plan *plan, size_t i)
{
	const struct entry_run *v = plan->runs.v;
	size_t lo = 0, hi = plan->runs.n;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (v[mid].first <= i)
			lo = mid;
		else
			hi = mid;
	}
	return &v[lo].v[i - v[lo].first];
}
