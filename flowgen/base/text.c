/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/text.h>

#include <stdarg.h>
#include <stdio.h>

void hf_text_put(struct hf_text *text, const char *fmt, ...)
{
	size_t room = text->len < text->size ? text->size - text->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? text->buf + text->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		text->len += (size_t)n;
}
