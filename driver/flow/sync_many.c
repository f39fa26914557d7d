/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules that come or go together, where the driver takes many at once. */

#include "inside.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>

int hf_sync_put_many(struct hf_sync *s, const struct hf_held_list *fresh, const size_t at[],
	size_t n, size_t *ret_bad, struct hf_err *err)
{
	const struct hf_flow *flows[HF_SYNC_MANY];
	void *handles[HF_SYNC_MANY] = {NULL};
	uint64_t start = hf_sync_now_ns();
	struct hf_flow *meant = NULL;
	size_t i;
	double us;
	int rc;

	*ret_bad = 0;
	if (n == 1)
		return hf_sync_put(s, fresh->v[at[0]], err);
	if (s->opts.ports) {
		meant = calloc(n, sizeof(*meant));
		if (!meant)
			return hf_fail(err, -ENOMEM, "out of memory");
	}
	for (i = 0; i < n; i++) {
		flows[i] = &fresh->v[at[i]]->flow;
		if (!meant)
			continue;
		hf_flow_ports_put(s->opts.ports, flows[i], &meant[i]);
		flows[i] = &meant[i];
	}
	rc = s->opts.ops->create_many(s->opts.ops_arg, flows, n, handles, ret_bad, err);
	free(meant);
	us = (double)(hf_sync_now_ns() - start) / 1000 / (double)n;
	s->stats.asked += n;
	if (rc < 0) {
		s->stats.refused++;
		s->stats.full += rc == -ENOSPC || rc == -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		struct hf_held *r = fresh->v[at[i]];

		r->handle = handles[i];
		r->in = handles[i];
		r->known = false;
		if (r->in && (rc == 0 || i != *ret_bad))
			hf_sync_came(s, r, us);
	}
	return rc;
}

void hf_sync_drop_many(struct hf_sync *s, struct hf_held *const rules[], size_t n, int ret_rc[],
	struct hf_err *err)
{
	void *handles[HF_SYNC_MANY] = {NULL};
	int rcs[HF_SYNC_MANY];
	size_t n_in = 0, i;

	if (n == 1) {
		ret_rc[0] = hf_sync_drop(s, rules[0], err);
		return;
	}
	for (i = 0; i < n; i++) {
		hf_sync_poll_rule(s, rules[i]);
		if (rules[i]->in)
			handles[n_in++] = rules[i]->handle;
	}
	if (n_in > 0)
		s->opts.ops->destroy_many(s->opts.ops_arg, handles, n_in, rcs, err);
	n_in = 0;
	for (i = 0; i < n; i++) {
		ret_rc[i] = rules[i]->in ? rcs[n_in++] : 0;
		if (rules[i]->in && ret_rc[i] == 0)
			hf_sync_went(s, rules[i]);
	}
}
