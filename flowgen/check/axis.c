/* SPDX-License-Identifier: BSD-3-Clause */

/* Fields cut into pieces that nothing in a proof tells apart. */

#include "dd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool may_be_cut(enum dd_field f)
{
	return f == DD_SRC || f == DD_DST || f == DD_SPORT || f == DD_DPORT;
}

bool hf_axis_is_cut(const struct dd *dd, enum dd_field f)
{
	return dd->axes && may_be_cut(f) && !dd->axes->of[f].plain;
}

unsigned int hf_axis_bits(const struct dd_axes *axes, enum dd_field f, unsigned int width)
{
	unsigned int bits = 1;

	if (!axes || !may_be_cut(f) || axes->of[f].plain)
		return width;
	while (axes->of[f].starts.n > UINT32_C(1) << bits)
		bits++;
	return bits;
}

static int cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct dd_value));
}

/* The value behind one; false when there is none. */
static bool next(const struct dd *dd, enum dd_field f, const uint8_t *v, struct dd_value *ret)
{
	unsigned int i = hf_dd_field_bits(dd, f) / 8;

	*ret = (struct dd_value){0};
	memcpy(ret->b, v, i);
	while (i-- > 0) {
		if (++ret->b[i])
			return true;
	}
	return false;
}

static void note(struct dd *dd, enum dd_field f, const struct dd_value *start)
{
	struct dd_axis *axis = &dd->record->of[f];
	size_t n = axis->starts.n, i;

	for (i = n; i > 0 && i + 4 > n; i--) { /* what was just said is often said again */
		if (memcmp(&axis->starts.v[i - 1], start, sizeof(*start)) == 0)
			return;
	}
	if (hf_vec_push(&axis->starts, *start))
		dd->failed = true;
}

void hf_axis_note(struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi)
{
	struct dd_value start = {0}, behind;

	if (!may_be_cut(f))
		return;
	memcpy(start.b, lo, hf_dd_field_bits(dd, f) / 8);
	note(dd, f, &start);
	if (next(dd, f, hi, &behind))
		note(dd, f, &behind);
}

int hf_axes_finish(struct dd_axes *axes)
{
	size_t f, i, n;

	for (f = 0; f < DD_FIELDS; f++) {
		struct dd_axis *axis = &axes->of[f];

		if (hf_vec_push(&axis->starts, (struct dd_value){0}))
			return -ENOMEM;
		qsort(axis->starts.v, axis->starts.n, sizeof(*axis->starts.v), cmp);
		for (i = n = 0; i < axis->starts.n; i++) {
			if (n == 0 || cmp(&axis->starts.v[n - 1], &axis->starts.v[i]) != 0)
				axis->starts.v[n++] = axis->starts.v[i];
		}
		axis->starts.n = n;
	}
	return 0;
}

void hf_dd_axes_fini(struct dd_axes *axes)
{
	size_t f;

	for (f = 0; f < DD_FIELDS; f++)
		hf_vec_fini(&axes->of[f].starts);
}

uint32_t hf_axis_find(const struct dd *dd, enum dd_field f, const uint8_t *value)
{
	const struct dd_axis *axis = &dd->axes->of[f];
	size_t size = hf_dd_field_bits(dd, f) / 8, lo = 0, hi = axis->starts.n;

	while (hi - lo > 1) { /* starts.v[lo] <= value, and what is from hi on is not */
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(axis->starts.v[mid].b, value, size) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return (uint32_t)lo;
}

const uint8_t *hf_axis_start(const struct dd *dd, enum dd_field f, uint32_t piece)
{
	return dd->axes->of[f].starts.v[piece].b;
}

bool hf_axis_pieces(const struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi,
	uint32_t *ret_first, uint32_t *ret_last)
{
	const struct dd_axis *axis = &dd->axes->of[f];
	size_t size = hf_dd_field_bits(dd, f) / 8;
	struct dd_value behind;

	*ret_first = hf_axis_find(dd, f, lo);
	*ret_last = hf_axis_find(dd, f, hi);
	if (memcmp(axis->starts.v[*ret_first].b, lo, size) != 0)
		return false;
	return next(dd, f, hi, &behind)
		       ? *ret_last + 1 < axis->starts.n &&
				 memcmp(axis->starts.v[*ret_last + 1].b, behind.b, size) == 0
		       : *ret_last + 1 == axis->starts.n;
}
