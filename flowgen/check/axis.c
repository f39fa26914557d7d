/* SPDX-License-Identifier: BSD-3-Clause */

/* Fields cut into pieces that nothing in a proof tells apart. */

#include "dd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_BITS 32

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
	if (axes->of[f].labels.n)
		return LABEL_BITS;
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

	for (f = 0; f < DD_FIELDS; f++) {
		hf_vec_fini(&axes->of[f].starts);
		hf_vec_fini(&axes->of[f].labels);
	}
}

#define OLD_CUTS    4096 /* that are kept although nobody may ask for them any more, */
#define OLD_PER_NEW 4	 /* or so many for each that somebody does */

/* As far apart as can be, at round numbers: a set asks for no more bits than it would else. */
static int spread(struct dd_axis *axis)
{
	unsigned int bits = 0;
	size_t i;

	while (axis->starts.n > UINT64_C(1) << bits)
		bits++;
	axis->labels.n = 0;
	for (i = 0; i < axis->starts.n; i++) {
		if (hf_vec_push(&axis->labels, (uint32_t)((uint64_t)i << (LABEL_BITS - bits))))
			return -ENOMEM;
	}
	return 0;
}

int hf_axes_label(struct dd_axes *axes, const struct dd_axes *old)
{
	size_t f, i;
	int rc;

	for (f = 0; f < DD_FIELDS; f++) {
		const struct dd_axis *o = &old->of[f];
		size_t most = OLD_CUTS + OLD_PER_NEW * axes->of[f].starts.n;

		axes->of[f].plain |= o->plain;
		for (i = 0; i < o->starts.n && o->starts.n <= most; i++) {
			if (hf_vec_push(&axes->of[f].starts, o->starts.v[i]))
				return -ENOMEM;
		}
	}
	rc = hf_axes_finish(axes);
	for (f = 0; f < DD_FIELDS && rc == 0; f++)
		rc = spread(&axes->of[f]);
	return rc;
}

/* The piece that a value is in. */
static size_t piece_of(const struct dd *dd, enum dd_field f, const uint8_t *value)
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
	return lo;
}

static uint32_t label_of(const struct dd_axis *axis, size_t piece)
{
	return axis->labels.n ? axis->labels.v[piece] : (uint32_t)piece;
}

uint32_t hf_axis_find(const struct dd *dd, enum dd_field f, const uint8_t *value)
{
	return label_of(&dd->axes->of[f], piece_of(dd, f, value));
}

const uint8_t *hf_axis_start(const struct dd *dd, enum dd_field f, uint32_t at)
{
	const struct dd_axis *axis = &dd->axes->of[f];
	size_t lo = 0, hi = axis->labels.n;

	while (hi - lo > 1) { /* as above */
		size_t mid = lo + (hi - lo) / 2;

		if (axis->labels.v[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return axis->starts.v[axis->labels.n ? lo : at].b;
}

/* Lets a piece begin where another one goes on; false when there is no label left for it. */
static bool cut(struct dd *dd, struct dd_axis *axis, size_t piece, const struct dd_value *at)
{
	uint64_t from = axis->labels.n ? axis->labels.v[piece] : 0, room;
	size_t n = axis->labels.n;

	room = (piece + 1 < n ? axis->labels.v[piece + 1] : UINT64_C(1) << LABEL_BITS) - from;
	if (n == 0 || room < 2) {
		dd->crowded = n > 0;
		return false;
	}
	if (hf_vec_push(&axis->starts, *at))
		return false;
	if (hf_vec_push(&axis->labels, 0)) {
		axis->starts.n--;
		return false;
	}
	memmove(&axis->starts.v[piece + 2], &axis->starts.v[piece + 1],
		(n - piece - 1) * sizeof(*axis->starts.v));
	memmove(&axis->labels.v[piece + 2], &axis->labels.v[piece + 1],
		(n - piece - 1) * sizeof(*axis->labels.v));
	axis->starts.v[piece + 1] = *at;
	axis->labels.v[piece + 1] = (uint32_t)(from + room / 2);
	return true;
}

/* The piece that begins with a value. */
static bool begins(struct dd *dd, enum dd_field f, const uint8_t *value, size_t *ret)
{
	struct dd_axis *axis = &dd->axes->of[f];
	size_t size = hf_dd_field_bits(dd, f) / 8, piece = piece_of(dd, f, value);
	struct dd_value at = {0};

	*ret = piece;
	if (memcmp(axis->starts.v[piece].b, value, size) == 0)
		return true;
	memcpy(at.b, value, size);
	*ret = piece + 1;
	return cut(dd, axis, piece, &at);
}

bool hf_axis_pieces(struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi,
	uint32_t *ret_first, uint32_t *ret_last)
{
	const struct dd_axis *axis = &dd->axes->of[f];
	struct dd_value behind;
	size_t piece;

	if (!begins(dd, f, lo, &piece))
		return false;
	*ret_first = label_of(axis, piece);
	if (next(dd, f, hi, &behind)) {
		if (!begins(dd, f, behind.b, &piece))
			return false;
		*ret_last = label_of(axis, piece) - 1;
	} else {
		*ret_last = axis->labels.n ? UINT32_MAX : (uint32_t)axis->starts.n - 1;
	}
	return true;
}
