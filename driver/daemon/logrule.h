/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lines of rules with action Log, as Felix has iptables write them: the prefix with what it says of
 * the rule, and a limit for each rule (felix/rules/policy.go, generateLogPrefix and the limit
 * match of xt_limit: so many at once, then at a rate).
 *
 * A rule is known by its origin, "default/gnp:web/ingress/0" or "profile:kns.a/egress/1".
 */

#pragma once

#include <hepflow/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_LOGRULES_MAX 4096 /* rules with a limit of their own; others share one */

/*
 * Writes the prefix with %t (tier), %k (kind: gnp, np, ..., pro for profiles), %n (name) and %p
 * (namespace/name) replaced. What does not fit is cut.
 */
void hf_logrule_prefix(const char *format, const char *origin, char *buf, size_t size);

struct hf_loglimits;

/* NULL when out of memory. */
struct hf_loglimits *hf_loglimits_new(void);
void hf_loglimits_free(struct hf_loglimits *limits);
/* May the rule write one more line? Times in milliseconds, never less than before. */
bool hf_loglimits_take(struct hf_loglimits *limits, const struct hf_model_logs *logs,
	const char *origin, uint64_t now_ms);
