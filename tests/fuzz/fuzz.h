/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What every fuzz target is: one function, called with any bytes. libFuzzer calls it with what it
 * makes up (suite fuzz), replay.c with the files of corpus/ (suite unit).
 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), also where NDEBUG is set. */
#define FUZZ_CHECK(what)                                                                           \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
