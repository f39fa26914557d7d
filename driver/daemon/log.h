/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Log: one line on standard error for each thing worth telling.
 *
 * "2026-11-23T09:00:00Z|info|engine: generation 3 in force". Time is UTC. A text of several lines
 * becomes several log lines, so that every line has the form.
 *
 * Threads: any, but never the packet path. A line is written by one call.
 */

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum hf_log_level {
	HF_LOG_ERROR,
	HF_LOG_WARN,
	HF_LOG_INFO,
	HF_LOG_DEBUG,
	HF_LOG_MAX_,
};

#define HF_LOG_LINE_MAX 1024 /* bytes of one line; longer text is cut */

void hf_log(enum hf_log_level level, const char *module, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void hf_logv(enum hf_log_level level, const char *module, const char *fmt, va_list ap);

/* Modules are a fixed list; a name that is not in it is logged with the level of "main". */
size_t hf_log_n_modules(void);
const char *hf_log_module(size_t i);
int hf_log_find_module(const char *name); /* -ENOENT */
enum hf_log_level hf_log_module_level(size_t i);

/* Lines above this level are left out. Default: info, for all modules. */
void hf_log_set_level(enum hf_log_level level);
void hf_log_set_module_level(size_t i, enum hf_log_level level);
/* How many lines of each level were written. */
unsigned long hf_log_count(enum hf_log_level level);
const char *hf_log_level_name(enum hf_log_level level); /* error, warn, info, debug */
/* Those, or "err", "dbg" and any case, as Open vSwitch has them. 0 or -EINVAL. */
int hf_log_level_parse(const char *name, enum hf_log_level *ret);
