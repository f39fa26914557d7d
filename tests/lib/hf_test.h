/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What every unit test includes: Criterion, and a suite whose tests fail when they leak.
 *
 *	HF_SUITE(lookup);
 *
 *	Test(lookup, deny_beats_later_allow)
 *	{
 *		...
 *	}
 *
 * Criterion runs each test in a process of its own and has noted the verdict before that process
 * ends, so LeakSanitizer's report at exit changes nothing. hf_test_fini() therefore looks for leaks
 * while the test still counts, and aborts. Without AddressSanitizer it does nothing.
 */

#pragma once

#include <criterion/criterion.h>

/* Declares a suite; further fields of a TestSuite may follow: HF_SUITE(sync, .timeout = 5). */
#define HF_SUITE(name, ...) TestSuite(name, .fini = hf_test_fini, ##__VA_ARGS__)

/* Ends the process by abort() if memory was leaked. A suite with its own .fini calls it last. */
void hf_test_fini(void);
