/* SPDX-License-Identifier: BSD-3-Clause */

#include "ledger.h"

#include "daemon.h"
#include "rows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Differences, modulo 2^64: what is below zero comes right when the sum is added. */
struct entry {
	struct hf_sync_count hw;
	struct hf_soft_count sw;
	size_t len;
	UT_hash_handle hh;
	char name[];
};

struct hf_ledger {
	struct entry *all;
};

static struct entry *find(const struct hf_ledger *ledger, const char *name, size_t len)
{
	struct entry *e = NULL;

	if (ledger)
		HASH_FIND(hh, ledger->all, name, len, e);
	return e;
}

static struct entry *get(struct hf_ledger *ledger, const char *name, size_t len)
{
	struct entry *e = find(ledger, name, len);

	if (e || HASH_COUNT(ledger->all) >= HF_LEDGER_MAX)
		return e;
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		return NULL;
	e->hw.known = true;
	e->len = len;
	memcpy(e->name, name, len);
	HASH_ADD_KEYPTR(hh, ledger->all, e->name, len, e);
	return e;
}

void hf_ledger_read(const struct hf_daemon *d, struct hf_ledger_old *ret)
{
	int n;

	*ret = (struct hf_ledger_old){0};
	if (!d->now)
		return;
	n = hf_rows_make(d, &ret->rows);
	if (n < 0)
		ret->rows = NULL;
	else
		ret->n = (size_t)n;
}

/* What a total would lose; modulo 2^64 what it would gain. */
static void enter(struct hf_ledger *ledger, const struct hf_row *row, struct hf_sync_count hw,
	struct hf_soft_count sw)
{
	struct hf_series s;
	struct entry *e;

	(void)hf_series_next(row, 1, 0, &s); /* for the name */
	e = get(ledger, s.name, s.len);
	if (!e)
		return;
	e->hw.known = e->hw.known && hw.known;
	e->hw.packets += hw.packets;
	e->hw.bytes += hw.bytes;
	e->sw.packets += sw.packets;
	e->sw.bytes += sw.bytes;
}

/* A rule that has gone takes its counts along. */
static void enter_gone(struct hf_ledger *ledger, const struct hf_row *row)
{
	enter(ledger, row, row->hw, row->sw);
}

/* One that has come brings what it had counted before it went. */
static void enter_come(struct hf_ledger *ledger, const struct hf_row *row)
{
	struct hf_sync_count hw = {true, -row->hw.packets, -row->hw.bytes};
	struct hf_soft_count sw = {-row->sw.packets, -row->sw.bytes};

	enter(ledger, row, hw, sw);
}

static uint64_t loss(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

/* One that stays goes on, unless the packet path had to take a change back. */
static void enter_kept(struct hf_ledger *ledger, const struct hf_row *old, const struct hf_row *new)
{
	struct hf_sync_count hw = {.known = true};
	struct hf_soft_count sw = {
		loss(old->sw.packets, new->sw.packets), loss(old->sw.bytes, new->sw.bytes)};

	if (sw.packets || sw.bytes)
		enter(ledger, new, hw, sw);
}

/* Rows are sorted by origin. */
static void compare(struct hf_ledger *ledger, const struct hf_row *old, size_t n_old,
	const struct hf_row *new, size_t n_new)
{
	size_t i = 0, k = 0;

	while (i < n_old || k < n_new) {
		int c = i == n_old ? 1 : k == n_new ? -1 : strcmp(old[i].origin, new[k].origin);

		if (c < 0)
			enter_gone(ledger, &old[i]);
		else if (c > 0)
			enter_come(ledger, &new[k]);
		else
			enter_kept(ledger, &old[i], &new[k]);
		i += c <= 0;
		k += c >= 0;
	}
}

void hf_ledger_note(struct hf_daemon *d, struct hf_ledger_old *old)
{
	struct hf_row *rows = NULL;
	size_t i;
	int n;

	if (!d->ledger)
		d->ledger = calloc(1, sizeof(*d->ledger));
	n = old->rows && d->ledger ? hf_rows_make(d, &rows) : -1;
	if (n >= 0) {
		/* What the NIC's rules had counted at their end is known only now. */
		for (i = 0; i < old->n; i++)
			old->rows[i].hw = hf_row_hw(d, old->rows[i].origin);
		compare(d->ledger, old->rows, old->n, rows, (size_t)n);
		free(rows);
	}
	free(old->rows);
	*old = (struct hf_ledger_old){0};
}

void hf_ledger_add(const struct hf_ledger *ledger, struct hf_series *series)
{
	const struct entry *e = find(ledger, series->name, series->len);

	if (!e)
		return;
	series->hw.known = series->hw.known && e->hw.known;
	series->hw.packets += e->hw.packets;
	series->hw.bytes += e->hw.bytes;
	series->sw.packets += e->sw.packets;
	series->sw.bytes += e->sw.bytes;
}

void hf_ledger_free(struct hf_ledger *ledger)
{
	struct entry *e, *next;

	if (!ledger)
		return;
	HASH_ITER (hh, ledger->all, e, next) {
		HASH_DEL(ledger->all, e);
		free(e);
	}
	free(ledger);
}
