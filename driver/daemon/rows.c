/* SPDX-License-Identifier: BSD-3-Clause */

#include "rows.h"

#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void init_row(const struct hf_daemon *d, uint32_t origin, struct hf_row *ret)
{
	*ret = (struct hf_row){
		.origin = hf_rules_origin(d->now->rules, origin),
		.hw = hf_row_hw(d, hf_rules_origin(d->now->rules, origin)),
		.sw = hf_soft_count_origin(d->soft, origin),
		.share = HF_SHARE_WHOLE,
		.detail = HF_F_MAX_,
	};
}

struct hf_sync_count hf_row_hw(const struct hf_daemon *d, const char *origin)
{
	struct hf_sync_count sum = {.known = true}, c;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (!d->wires[i].sync)
			continue;
		c = hf_sync_count_origin(d->wires[i].sync, origin);
		sum.known = sum.known && c.known;
		sum.packets += c.packets;
		sum.bytes += c.bytes;
	}
	return sum;
}

/* What one uplink makes of it; the least share of all counts. */
static void add_account(struct hf_row *r, const struct hf_wire *w, const struct hf_account *a)
{
	r->planned = true;
	if (w->reject[0]) {
		r->share = HF_SHARE_NONE;
		r->rejected = w;
	} else if (a->share < r->share) {
		r->share = a->share;
		r->reason = a->reason;
		r->detail = a->detail;
	}
}

static int by_origin(const void *a, const void *b)
{
	return strcmp(((const struct hf_row *)a)->origin, ((const struct hf_row *)b)->origin);
}

int hf_rows_make(const struct hf_daemon *d, struct hf_row **ret)
{
	size_t n = hf_rules_n_origins(d->now->rules), n_named = 0, i, k;
	struct hf_row *rows = calloc(n + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		init_row(d, (uint32_t)i, &rows[i]);
	for (i = 0; i < d->n_wires; i++) {
		const struct hf_plan *plan = d->now->plans[i];

		for (k = 0; plan && k < hf_plan_n_accounts(plan); k++) {
			const struct hf_account *a = hf_plan_account(plan, k);

			add_account(&rows[a->origin], &d->wires[i], a);
		}
	}
	for (i = 0; i < n; i++) {
		if (!rows[i].origin[0]) /* jumps between tables have none */
			continue;
		if (!rows[i].planned) {
			rows[i].share = HF_SHARE_NONE;
			rows[i].reason = HF_REASON_NO_ENGINE;
		}
		rows[n_named++] = rows[i];
	}
	qsort(rows, n_named, sizeof(*rows), by_origin);
	*ret = rows;
	return (int)n_named;
}

const char *hf_row_share_name(enum hf_share share)
{
	static const char *const names[] = {
		[HF_SHARE_NONE] = "no",
		[HF_SHARE_PART] = "partial",
		[HF_SHARE_WHOLE] = "yes",
	};

	return names[share];
}

/* "TIER/POLICY/DIRECTION/INDEX" without the index; what is no rule of a policy stays whole. */
size_t hf_series_len(const char *origin)
{
	const char *last = strrchr(origin, '/');
	size_t digits = last ? strspn(last + 1, "0123456789") : 0;

	return digits && last[1 + digits] == '\0' ? (size_t)(last - origin) : strlen(origin);
}

/* Rows are sorted, so the rules of a policy and direction stand together. */
size_t hf_series_next(const struct hf_row *rows, size_t n, size_t at, struct hf_series *ret)
{
	*ret = (struct hf_series){.name = rows[at].origin,
		.len = hf_series_len(rows[at].origin),
		.hw = {.known = true}};
	for (; at < n && hf_series_len(rows[at].origin) == ret->len &&
		strncmp(rows[at].origin, ret->name, ret->len) == 0;
		at++) {
		ret->hw.known = ret->hw.known && rows[at].hw.known;
		ret->hw.packets += rows[at].hw.packets;
		ret->hw.bytes += rows[at].hw.bytes;
		ret->sw.packets += rows[at].sw.packets;
		ret->sw.bytes += rows[at].sw.bytes;
	}
	return at;
}
