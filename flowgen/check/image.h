/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of policies and profiles as sets, by the packet on the wire: docs/semantics.md 11, and the
 * first match of 4. Each policy is looked at once, however many endpoints and hooks it stands in.
 */

#pragma once

#include "policy.h"

/* Packets by what the first rule that matches them does; what none matches is in none of these. */
struct image {
	BDD deny;
	BDD accept;
	BDD passed;
};

/* Rules of one direction of a tier's policies, in order, staged ones left out. */
void hf_image_tier(
	const struct pol *pol, const struct hf_model_policies *policies, struct image *ret);
void hf_image_rules(const struct pol *pol, const struct hf_model_rules *rules, struct image *ret);
void hf_image_fini(struct pol *pol);
