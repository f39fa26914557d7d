/* SPDX-License-Identifier: BSD-3-Clause */

#include <hf_test.h>
#include <soft/memo.h>

static struct hf_memo memo; /* each test has a process of its own */

HF_SUITE(memo);

static uint32_t find(uint64_t serial, uint64_t key)
{
	return hf_memo_find(hf_memo_set_of(&memo, key), serial, key);
}

static void keep(uint64_t serial, uint64_t key, uint32_t said)
{
	hf_memo_keep(hf_memo_set_of(&memo, key), serial, key, said);
}

Test(memo, knows_nothing_to_begin_with)
{
	/* Also not of the number 0, which is in all empty places. */
	cr_expect_eq(find(1, 0), HF_MEMO_NONE);
	cr_expect_eq(find(1, 77), HF_MEMO_NONE);
}

Test(memo, knows_what_it_was_told)
{
	keep(1, 0, HF_MEMO_STATE);
	keep(1, UINT64_MAX, HF_MEMO_BIT + 5);
	cr_expect_eq(find(1, 0), HF_MEMO_STATE);
	cr_expect_eq(find(1, UINT64_MAX), HF_MEMO_BIT + 5);
	cr_expect_eq(find(1, 1), HF_MEMO_NONE);
}

Test(memo, what_is_of_another_classifier_does_not_count)
{
	keep(1, 7, HF_MEMO_BIT + 1);
	cr_expect_eq(find(2, 7), HF_MEMO_NONE);
	keep(2, 7, HF_MEMO_BIT + 2);
	cr_expect_eq(find(2, 7), HF_MEMO_BIT + 2);
	cr_expect_eq(find(1, 7), HF_MEMO_NONE);
}

Test(memo, the_oldest_of_a_set_makes_room)
{
	const struct hf_memo_set *set = hf_memo_set_of(&memo, 1);
	uint64_t keys[HF_MEMO_WAYS + 1] = {1}, key = 1;
	unsigned int n = 1, i;

	while (n <= HF_MEMO_WAYS) {
		if (hf_memo_set_of(&memo, ++key) == set)
			keys[n++] = key;
	}
	for (i = 0; i <= HF_MEMO_WAYS; i++)
		keep(1, keys[i], HF_MEMO_BIT + i);
	cr_expect_eq(find(1, keys[0]), HF_MEMO_NONE);
	for (i = 1; i <= HF_MEMO_WAYS; i++)
		cr_expect_eq(find(1, keys[i]), HF_MEMO_BIT + i);
}
