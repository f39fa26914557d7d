/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Trace: the steps of a walk as text for people, when somebody asked for them.
 */

#pragma once

#include <hepflow/ref.h>

#define HF_REF_STEP_SIZE                                                                           \
	1024 /* names of tier and policy (253 each) and words around; longer is cut */

struct hf_ref_trace {
	hf_ref_step_fn step; /* NULL: nobody asked */
	void *arg;
};

void hf_ref_say(const struct hf_ref_trace *trace, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
