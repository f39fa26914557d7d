/* SPDX-License-Identifier: BSD-3-Clause */

#include "log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *const names[HF_LOG_MAX_] = {
	[HF_LOG_ERROR] = "error",
	[HF_LOG_WARN] = "warn",
	[HF_LOG_INFO] = "info",
	[HF_LOG_DEBUG] = "debug",
};

static const char *const modules[] = {"main", "ctl", "dpdk", "engine", "felix", "offload",
	"packets", "policy", "watch", "worker"};
#define N_MODULES (sizeof(modules) / sizeof(modules[0]))

static atomic_int limits[N_MODULES] = {[0 ... N_MODULES - 1] = HF_LOG_INFO};
static atomic_ulong counts[HF_LOG_MAX_];

size_t hf_log_n_modules(void)
{
	return N_MODULES;
}

const char *hf_log_module(size_t i)
{
	return modules[i];
}

int hf_log_find_module(const char *name)
{
	size_t i;

	for (i = 0; i < N_MODULES; i++) {
		if (strcasecmp(modules[i], name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

enum hf_log_level hf_log_module_level(size_t i)
{
	return (enum hf_log_level)atomic_load(&limits[i]);
}

void hf_log_set_module_level(size_t i, enum hf_log_level level)
{
	atomic_store(&limits[i], (int)level);
}

void hf_log_set_level(enum hf_log_level level)
{
	size_t i;

	for (i = 0; i < N_MODULES; i++)
		hf_log_set_module_level(i, level);
}

unsigned long hf_log_count(enum hf_log_level level)
{
	return atomic_load(&counts[level]);
}

const char *hf_log_level_name(enum hf_log_level level)
{
	return names[level];
}

int hf_log_level_parse(const char *name, enum hf_log_level *ret)
{
	static const char *const short_names[HF_LOG_MAX_] = {
		[HF_LOG_ERROR] = "err",
		[HF_LOG_WARN] = "warn",
		[HF_LOG_INFO] = "info",
		[HF_LOG_DEBUG] = "dbg",
	};
	int i;

	for (i = 0; i < HF_LOG_MAX_; i++) {
		if (strcasecmp(names[i], name) == 0 || strcasecmp(short_names[i], name) == 0) {
			*ret = (enum hf_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void put_line(enum hf_log_level level, const char *module, const char *text, size_t len)
{
	char line[HF_LOG_LINE_MAX], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	n = snprintf(line, sizeof(line) - 1, "%s|%s|%s: %.*s", stamp, names[level], module,
		(int)len, text);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say so */
}

void hf_logv(enum hf_log_level level, const char *module, const char *fmt, va_list ap)
{
	char text[4 * HF_LOG_LINE_MAX];
	int i = hf_log_find_module(module);
	const char *p, *end;

	if ((int)level > atomic_load(&limits[i < 0 ? 0 : i]))
		return;
	atomic_fetch_add(&counts[level], 1);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* longer text is cut by contract */
	for (p = text; *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		if (end > p)
			put_line(level, module, p, (size_t)(end - p));
	}
}

void hf_log(enum hf_log_level level, const char *module, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	hf_logv(level, module, fmt, ap);
	va_end(ap);
}
