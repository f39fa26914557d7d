/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What text and JSON have in common: the words for enums, and every policy once.
 */

#pragma once

#include "model/model.h"

/* The rules of one policy for one direction; endpoints share them. */
struct hf_print_policy {
	const char *tier;
	const struct hf_model_policy *policy;
	bool egress;
	size_t seq;
};

/* In order of first use; free() the array. 0 or -ENOMEM. */
int hf_print_policies(const struct hf_model *model, struct hf_print_policy **ret, size_t *ret_n);
/* Likewise the profiles. */
int hf_print_profiles(
	const struct hf_model *model, const struct hf_model_profile ***ret, size_t *ret_n);

extern const char *const hf_print_chain[HF_CHAIN_MAX_];
extern const char *const hf_print_action[];
extern const char *const hf_print_status[];
extern const char *const hf_print_target[];
extern const char *const hf_print_offload[];
