/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"
#include "hf_test_rand.h"

#include <criterion/hooks.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* From the sanitizer runtime; absent in ordinary builds. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

void hf_test_fini(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		abort();
}

/* In the parent, before any test: all tests of a run see the same seed. */
ReportHook(PRE_ALL)(struct criterion_test_set *)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, hf_test_seed());
	setenv("HF_SEED", text, 1);
}

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	if (stats->test_status == CR_STATUS_FAILED || stats->crashed)
		fprintf(stderr, "# %s/%s failed with HF_SEED=%" PRIu64 "\n", stats->test->category,
			stats->test->name, hf_test_seed());
}
