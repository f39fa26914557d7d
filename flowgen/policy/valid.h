/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What Calico's API server refuses (docs/semantics.md 13), for what spans several fields. What one
 * field alone can be wrong about is refused where the field is read.
 *
 * node is the YAML the object was read from and only says where a message points.
 */

#pragma once

#include "policy/read.h"

/* One rule (V9 to V16); ingress = it stands in an ingress list. */
int hf_valid_rule(struct hf_rd *rd, const struct hf_yaml *node, const struct hf_policy_rule *rule,
	bool ingress);
/* spec of a policy of any kind, before defaulting (V1 to V6). */
int hf_valid_policy(
	struct hf_rd *rd, const struct hf_yaml *spec, const struct hf_policy_obj *policy);
/* metadata.name (V7). */
int hf_valid_policy_name(
	struct hf_rd *rd, const struct hf_yaml *object, const struct hf_policy_obj *policy);
/* No global() where only a rule's namespaceSelector may have it (V6). */
int hf_valid_no_global(struct hf_rd *rd, const struct hf_selector_spec *sel, const char *field);
