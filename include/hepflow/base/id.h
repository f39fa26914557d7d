/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Numbers that this process gives once and never again, for things that are never changed: what has
 * the same id is the same, even if one of them is gone.
 */

#pragma once

#include <stdint.h>

uint64_t hf_id_new(void); /* never 0; by any thread */
