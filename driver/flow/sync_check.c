/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether the card has what it should have. */

#include "inside.h"

#include <hepflow/err.h>

#include <errno.h>

bool hf_sync_has(struct hf_sync *s, const struct hf_held *r)
{
	return !s->opts.ops->present || s->opts.ops->present(s->opts.ops_arg, r->handle) != 0;
}

/* Its handle is the driver's and must be given back; that this fails changes nothing. */
static int put_back(struct hf_sync *s, struct hf_held *r, struct hf_err *err)
{
	if (hf_sync_drop(s, r, NULL) < 0)
		hf_sync_lose(s, r);
	r->packets = r->bytes = 0; /* the new one counts from there */
	r->from = (struct hf_flow_hits){0};
	return hf_sync_put(s, r, err);
}

/* Of some rules in a row all that are lost, or of those that have been looked for nothing. */
static int repair(struct hf_sync *s, size_t from, size_t to, bool all, struct hf_err *err)
{
	bool hidden = s->cover;
	size_t i;
	int rc = s->tables ? hf_sync_cover(s, err) : 0;

	for (i = from; i < to && rc == 0; i++) {
		if (!all && !s->rules.v[i]->unseen)
			continue;
		if (s->rules.v[i]->in && !hf_sync_has(s, s->rules.v[i]))
			rc = put_back(s, s->rules.v[i], err);
		if (rc == 0 && !hf_sync_has(s, s->rules.v[i]))
			rc = hf_fail(err, -EIO, "the NIC took a rule and does not have it");
	}
	if (rc == 0 && !hidden)
		rc = hf_sync_uncover(s, err);
	return rc < 0 ? hf_sync_give_up(s, rc) : 0;
}

int hf_sync_check(struct hf_sync *sync, size_t max, struct hf_sync_audit *ret, struct hf_err *err)
{
	size_t from = sync->check_next < sync->rules.n ? sync->check_next : 0, to = from, i;
	int rc;

	*ret = (struct hf_sync_audit){.cannot_tell = !sync->opts.ops->present};
	for (; to < sync->rules.n && to - from < max && !ret->cannot_tell; to++) {
		if (!sync->rules.v[to]->in)
			continue;
		rc = sync->opts.ops->present(sync->opts.ops_arg, sync->rules.v[to]->handle);
		ret->cannot_tell = rc < 0;
		ret->n += rc >= 0;
		ret->lost += rc == 0;
		sync->rules.v[to]->unseen &= rc == 0;
	}
	ret->more = to < sync->rules.n && !ret->cannot_tell;
	sync->check_next = ret->more ? to : 0;
	if (ret->lost == 0)
		return 0;
	i = sync->check_next;
	rc = repair(sync, from, to, true, err);
	sync->check_next = rc < 0 ? 0 : i;
	return rc;
}

int hf_sync_check_new(
	struct hf_sync *sync, size_t max, struct hf_sync_audit *ret, struct hf_err *err)
{
	size_t i;
	int rc;

	*ret = (struct hf_sync_audit){.cannot_tell = !sync->opts.ops->present};
	for (i = 0; i < sync->rules.n && !ret->cannot_tell && !ret->more; i++) {
		struct hf_held *r = sync->rules.v[i];

		if (!r->in || !r->unseen)
			continue;
		ret->more = ret->n == max;
		if (ret->more)
			continue;
		rc = sync->opts.ops->present(sync->opts.ops_arg, r->handle);
		ret->cannot_tell = rc < 0;
		ret->n += rc >= 0;
		ret->lost += rc == 0;
		r->unseen = rc <= 0;
	}
	return ret->lost ? repair(sync, 0, i, false, err) : 0;
}

void hf_sync_forget(struct hf_sync *sync)
{
	struct hf_held_list *lists[] = {&sync->rules, &sync->stuck};
	size_t k, i;

	hf_sync_cancel(sync);
	for (k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		for (i = 0; i < lists[k]->n; i++)
			hf_sync_lose(sync, lists[k]->v[i]);
		hf_held_fini(lists[k]);
	}
	hf_held_free(sync->cover);
	sync->cover = NULL;
	sync->tables = false;
	sync->stats.flushed++;
	sync->check_next = 0;
}
