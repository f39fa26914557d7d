/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether two tables say the same, whatever numbers their sets and origins have. */

#pragma once

#include <hepflow/rules.h>

/*
 * Fails the test with what differs; where says of what. Whether the sets that rules name are in the
 * same order in both: a plan gives tags to sets in the order of their numbers.
 */
bool hf_assert_same_rules(
	const struct hf_rules *got, const struct hf_rules *want, const char *where);
/*
 * Fails the test when something of the same id is not the same. Both tables are there, so things
 * that they have in common are, too.
 */
void hf_assert_ids_hold(const struct hf_rules *a, const struct hf_rules *b, const char *where);
