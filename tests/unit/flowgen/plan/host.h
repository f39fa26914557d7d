/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A host for tests of the plan: policy text in, rules and a plan out. Anything that fails ends the
 * test.
 */

#pragma once

#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/rules.h>

struct hf_host {
	struct hf_rules *rules;
	struct hf_nic *nic;
	struct hf_plan *plan;
};

/*
 * eth0 with 192.0.2.10/24 and 2001:db8::10/64 under a host endpoint, a pod 10.65.0.2 behind cali1,
 * a nodePort 30001, and the objects of text.
 */
void hf_host_init(struct hf_host *host, const char *profile, uint32_t capacity, const char *text);
void hf_host_fini(struct hf_host *host);

/* What the NIC does with a packet line; the reason of a punt goes to *ret_reason (may be NULL). */
enum hf_fate hf_host_judge(
	const struct hf_host *host, const char *line, enum hf_reason *ret_reason);
/* Entries that carry an origin. */
size_t hf_host_entries_of(const struct hf_plan *plan, const char *origin);
/*
 * Two plans say the same of every packet "in=eth0 src=SOURCE dst=192.0.2.10 PACKET". Returns how
 * many of them are denied.
 */
size_t hf_host_same_fates(const struct hf_plan *a, const struct hf_plan *b,
	const char *const *sources, size_t n_sources, const char *const *packets, size_t n_packets);
/* The account of an origin; NULL when the plan has none. */
const struct hf_account *hf_host_account(const struct hf_host *host, const char *origin);
