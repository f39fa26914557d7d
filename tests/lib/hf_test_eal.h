/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * For tests that need DPDK's environment layer: it can be started once per process, and Criterion
 * gives every test its own. No hugepages, no devices, nothing shared: as many as like may run at
 * the same time. Costs about 0.1 s. Only tests that link DPDK include this.
 *
 *	HF_EAL_SUITE(ct);
 */

#pragma once

#include "hf_test.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <stdio.h>
#include <stdlib.h>

#define HF_EAL_SUITE(name, ...)                                                                    \
	TestSuite(name, .init = hf_test_eal_init, .fini = hf_test_fini, ##__VA_ARGS__)

/* Starts EAL, with further arguments from the list up to NULL; ends the test if that fails. */
static inline void hf_test_eal_init_with(const char *const *extra)
{
	const char *args[32] = {"hf_test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m", "64", "--log-level=error"};
	char *argv[32];
	int argc = 0, n;

	for (n = 0; args[n]; n++)
		;
	for (; extra && *extra && n < 31; extra++)
		args[n++] = *extra;
	/* EAL moves the pointers about and may write to the strings. */
	for (; argc < n; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc];
	argv[argc] = NULL;

	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		abort();
	}
}

static inline void hf_test_eal_init(void)
{
	hf_test_eal_init_with(NULL);
}
