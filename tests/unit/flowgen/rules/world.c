/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>

#include <hf_test.h>

#include <string.h>

struct hf_rules *rules_of(const char *text)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	struct hf_err err = {0};
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "test.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &model, &err);
	if (rc == 0)
		rc = hf_rules_build(model, &rules, &err);
	hf_model_free(model);
	hf_policy_free(policy);
	cr_assert_eq(rc, 0, "%s", err.text);
	return rules;
}

const char *verdict_of(const struct hf_rules *rules, const char *packet)
{
	static char text[256];
	struct hf_packet pkt;
	struct hf_decision d;
	struct hf_err err;
	struct hf_key key;

	cr_assert_eq(hf_packet_parse(packet, &pkt, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_sort(rules, &pkt, &key, &err), 0, "%s", err.text);
	d = hf_rules_lookup(rules, &key);
	(void)snprintf(text, sizeof(text), "%s %s", hf_verdict_name(d.verdict),
		hf_rules_origin(rules, d.origin));
	return text;
}
