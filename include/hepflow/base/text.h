/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Text built piece by piece into a caller's buffer, with snprintf's contract: what does not fit is
 * cut, and len says how long the whole would be.
 */

#pragma once

#include <stddef.h>

struct hf_text {
	char *buf; /* NULL with size 0 only measures */
	size_t size;
	size_t len;
};

void hf_text_put(struct hf_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
