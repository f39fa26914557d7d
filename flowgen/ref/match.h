/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Does a rule match a packet? docs/semantics.md 11.
 *
 * The packet is taken as it stands: whoever asks has put the destination before or after DNAT into
 * it, as the hook at hand sees it.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hf_model;
struct hf_model_rule;
struct hf_packet;

/* docs/semantics.md 11.2: whether the rule exists at all for packets of family 4 or 6. */
bool hf_ref_rule_in_family(const struct hf_model_rule *rule, uint8_t family);

/* docs/semantics.md 11.1: every criterion that is given holds. */
bool hf_ref_rule_has(const struct hf_model *model, const struct hf_model_rule *rule,
	const struct hf_packet *pkt);
