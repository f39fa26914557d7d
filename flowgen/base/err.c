/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/err.h>

#include <stdio.h>
#include <string.h>

int hf_fail(struct hf_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); /* longer text is cut by contract */
	va_end(ap);
	return code;
}

int hf_err_prefix(struct hf_err *err, int code, const char *fmt, ...)
{
	char rest[HF_ERR_SIZE];
	va_list ap;
	size_t len;

	if (!err)
		return code;
	memcpy(rest, err->text, sizeof(rest));
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, "%s", rest);
	return err->code ? err->code : code;
}
