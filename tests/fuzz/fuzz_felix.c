/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Messages of Felix: any bytes, cut into messages by two bytes of length in front of each. Whatever
 * is taken must become policy or an error, and never rules that cannot be built.
 */

#include "fuzz.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <errno.h>
#include <string.h>

#define HOST                                                                                       \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n  interfaces:\n"    \
	"    - {name: eth0, addresses: [192.0.2.10/24]}\n"

static void build(const struct hf_felix *felix)
{
	static const struct hf_model_opts opts = {.node = "n0"};
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_err err = {0};
	int rc;

	FUZZ_CHECK(hf_policy_new(&policy, NULL) == 0);
	FUZZ_CHECK(hf_policy_read_text(policy, "host.yaml", HOST, sizeof(HOST) - 1, NULL) == 0);
	rc = hf_felix_read(felix, "n0", policy, &err);
	FUZZ_CHECK(rc == 0 || err.text[0]);
	if (rc == 0 && hf_model_build(policy, &opts, &model, &err) == 0) {
		rc = hf_rules_build(model, &rules, &err);
		FUZZ_CHECK(rc == 0 || rc == -E2BIG);
		if (rc == 0)
			hf_rules_free(rules);
		hf_model_free(model);
	}
	hf_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_felix *felix;
	enum hf_felix_event event;
	struct hf_err err = {0};
	size_t at = 0, len;

	FUZZ_CHECK(hf_felix_new(&felix, NULL) == 0);
	while (size - at >= 2) {
		len = (size_t)data[at] << 8 | data[at + 1];
		at += 2;
		if (len > size - at)
			len = size - at;
		if (hf_felix_take(felix, data + at, len, &event, &err) < 0)
			FUZZ_CHECK(err.text[0]);
		at += len;
	}
	build(felix);
	hf_felix_free(felix);
	return 0;
}
