/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>

#include "hf_test.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

HF_SUITE(arena);

#define BIG ((size_t)1 << 20) /* far beyond one chunk */

static bool is_zero(const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

Test(arena, pieces_are_aligned_zeroed_and_apart)
{
	struct hf_arena *a = hf_arena_new();
	unsigned char *last = NULL;
	size_t size;

	for (size = 1; size < 3000; size++) {
		unsigned char *p = hf_arena_alloc(a, size);

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		cr_assert(is_zero(p, size), "size %zu", size);
		memset(p, (int)(size & 0x7f) + 1, size);
		if (last)
			cr_assert_eq(last[size - 2], (int)((size - 1) & 0x7f) + 1,
				"the piece before keeps its last byte");
		last = p;
	}
	hf_arena_free(a);
}

Test(arena, a_piece_of_no_size_is_a_pointer_of_its_own)
{
	struct hf_arena *a = hf_arena_new();
	void *p = hf_arena_alloc(a, 0), *q = hf_arena_alloc(a, 0);

	cr_expect_not_null(p);
	cr_expect_not_null(q);
	cr_expect_neq(p, q);
	cr_expect_not_null(hf_arena_dup(a, NULL, 0));
	hf_arena_free(a);
}

Test(arena, a_big_piece_does_not_end_the_small_chunk)
{
	struct hf_arena *a = hf_arena_new();
	unsigned char *p = hf_arena_alloc(a, 16), *big, *q;

	big = hf_arena_alloc(a, BIG);
	cr_assert_not_null(big);
	cr_expect(is_zero(big, BIG));
	memset(big, 0xff, BIG);
	q = hf_arena_alloc(a, 16);
	cr_expect_eq(q, p + 16);
	cr_expect(is_zero(q, 16));
	hf_arena_free(a);
}

Test(arena, a_big_piece_may_come_first)
{
	struct hf_arena *a = hf_arena_new();
	unsigned char *big = hf_arena_alloc(a, BIG), *p = hf_arena_alloc(a, 100);

	cr_assert_not_null(big);
	cr_assert_not_null(p);
	memset(big, 1, BIG);
	cr_expect(is_zero(p, 100));
	hf_arena_free(a);
}

Test(arena, sizes_that_overflow_give_nothing)
{
	struct hf_arena *a = hf_arena_new();

	cr_expect_null(hf_arena_alloc(a, SIZE_MAX));
	cr_expect_null(hf_arena_alloc(a, SIZE_MAX - 1));
	cr_expect_null(hf_arena_calloc(a, SIZE_MAX / 2, 3));
	cr_expect_null(hf_arena_calloc(a, SIZE_MAX, SIZE_MAX));
	cr_expect_eq(hf_arena_size(a), 0);
	cr_expect_not_null(hf_arena_calloc(a, 3, 5));
	hf_arena_free(a);
}

Test(arena, text_is_copied_with_its_end)
{
	struct hf_arena *a = hf_arena_new();
	char text[] = "policy";
	char *p = hf_arena_strdup(a, text), *q = hf_arena_strndup(a, text, 3);
	char *r = hf_arena_printf(a, "%s/%d", text, 7), *e = hf_arena_printf(a, "%s", "");
	char *l = hf_arena_printf(a, "%0*d", 100000, 1);

	memset(text, 'x', sizeof(text) - 1);
	cr_expect_str_eq(p, "policy");
	cr_expect_str_eq(q, "pol");
	cr_expect_str_eq(r, "policy/7");
	cr_expect_str_empty(e);
	cr_expect_eq(strlen(l), 100000);
	hf_arena_free(a);
}

Test(arena, text_of_any_length_is_printed_whole)
{
	static const int lengths[] = {0, 1, 254, 255, 256, 257, 5000};
	struct hf_arena *arena = hf_arena_new();
	size_t i;

	cr_assert_not_null(arena);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *p = hf_arena_printf(arena, "%0*d", lengths[i], 7);

		cr_assert_not_null(p);
		cr_expect_eq(strlen(p), lengths[i] ? (size_t)lengths[i] : 1);
		cr_expect_eq(p[strlen(p) - 1], '7');
	}
	hf_arena_free(arena);
}

Test(arena, data_is_copied)
{
	struct hf_arena *a = hf_arena_new();
	int data[] = {1, 2, 3}, *p = hf_arena_dup(a, data, sizeof(data));

	data[1] = 9;
	cr_expect_eq(p[1], 2);
	hf_arena_free(a);
}

Test(arena, the_size_grows_by_what_was_handed_out)
{
	struct hf_arena *a = hf_arena_new();
	size_t before;

	cr_expect_eq(hf_arena_size(a), 0);
	cr_assert_not_null(hf_arena_alloc(a, 100));
	cr_expect_geq(hf_arena_size(a), 100);
	before = hf_arena_size(a);
	cr_assert_not_null(hf_arena_alloc(a, BIG));
	cr_expect_geq(hf_arena_size(a), before + BIG);
	hf_arena_free(a);
}

Test(arena, freeing_nothing_is_fine)
{
	hf_arena_free(NULL);
}

Test(arena, a_vector_grows_and_keeps_its_order)
{
	HF_VEC(int) v = {};
	int i;

	for (i = 0; i < 1000; i++)
		cr_assert_eq(hf_vec_push(&v, i), 0);
	cr_expect_eq(v.n, 1000);
	for (i = 0; i < 1000; i++)
		cr_expect_eq(v.v[i], i);
	hf_vec_fini(&v);
	cr_expect_eq(v.n, 0);
	cr_expect_null(v.v);
}

Test(arena, what_is_kept_lives_as_long_as_the_last_keeper)
{
	struct hf_arena *first = hf_arena_new(), *second = hf_arena_new(), *third = hf_arena_new();
	char *text = hf_arena_strdup(first, "kept");

	cr_assert_eq(hf_arena_keep(second, first), 0);
	cr_assert_eq(hf_arena_keep(third, second), 0);
	cr_assert_eq(hf_arena_keep(third, NULL), 0, "nothing can be kept");
	hf_arena_free(first);
	hf_arena_free(second);
	cr_expect_str_eq(text, "kept"); /* the sanitizers' build is who would complain */
	hf_arena_free(third);
}
