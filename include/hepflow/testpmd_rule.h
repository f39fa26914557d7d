/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules as dpdk-testpmd takes them ("ingress group 1 pattern eth / ... / end actions drop / end"),
 * as far as vectors of real drivers and micro-rules use its grammar.
 */

#pragma once

#include <hepflow/nic.h>

/*
 * Returns 0, or -EINVAL with a word on what is not testpmd's grammar. *ret_cannot_say is the reason
 * why struct hf_flow cannot hold the rule (an item, field or action without a place in it), or
 * HF_REJECT_NONE; a flow of that kind is refused by whoever reads it, no NIC is asked.
 */
int hf_testpmd_rule_parse(const char *text, struct hf_flow *ret, enum hf_reject *ret_cannot_say,
	char *ret_word, size_t word_size);
