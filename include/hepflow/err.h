/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Errors: what a library function tells its caller beside the return code.
 *
 * A function that can fail for a reason a person must act on takes a struct hf_err as its last
 * parameter. The function that knows the cause fills it in, once, with the place
 * ("web.yaml:14:9: unknown field 'prot'"); callers may put something in front of the text but never
 * replace it. NULL is allowed wherever a struct hf_err * is asked for: the text is then lost, the
 * code is not.
 *
 * Threads: a struct hf_err belongs to one thread at a time.
 */

#pragma once

#include <stdarg.h>
#include <stddef.h>

#define HF_ERR_SIZE 512 /* room for a path, a place and a sentence; longer text is cut */

struct hf_err {
	int code; /* negative errno */
	char text[HF_ERR_SIZE];
};

/* Writes code and text to err and returns code, so that "return hf_fail(...)" is the idiom. */
int hf_fail(struct hf_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts text in front of what err already says. Returns err's code (or code if err is NULL). */
int hf_err_prefix(struct hf_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
