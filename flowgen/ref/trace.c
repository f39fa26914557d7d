/* SPDX-License-Identifier: BSD-3-Clause */

#include "ref/trace.h"

#include <stdarg.h>
#include <stdio.h>

void hf_ref_say(const struct hf_ref_trace *trace, const char *fmt, ...)
{
	char line[HF_REF_STEP_SIZE];
	va_list ap;

	if (!trace->step)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap); /* cut when longer: text for people */
	va_end(ap);
	trace->step(trace->arg, line);
}
