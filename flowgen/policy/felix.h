/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Parameters of FelixConfiguration that exist (Calico v3.20 to v3.34) and do not change what a
 * host endpoint lets through. They are accepted and not read; any other name is an error.
 */

#pragma once

#include <stddef.h>

extern const char *const hf_felix_other[];
extern const size_t hf_felix_n_other;
