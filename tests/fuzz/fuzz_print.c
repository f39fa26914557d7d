/* SPDX-License-Identifier: BSD-3-Clause */

/* Policy that is read prints as text that reads back and prints the same. */

#include "fuzz.h"

#include <hepflow/policy.h>

#include <string.h>

static struct hf_policy *read_text(const char *text, size_t size, char **ret)
{
	struct hf_policy *policy = NULL;
	size_t len;
	FILE *out;

	FUZZ_CHECK(hf_policy_new(&policy, NULL) == 0);
	if (hf_policy_read_text(policy, "f", text, size, NULL) < 0) {
		hf_policy_free(policy);
		return NULL;
	}
	out = open_memstream(ret, &len);
	FUZZ_CHECK(out);
	hf_policy_print(policy, out);
	FUZZ_CHECK(fclose(out) == 0);
	return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = NULL, *second = NULL;
	struct hf_policy *policy = read_text((const char *)data, size, &first), *again;

	if (!policy)
		return 0;
	again = read_text(first, strlen(first), &second);
	FUZZ_CHECK(again && strcmp(first, second) == 0);
	hf_policy_free(again);
	hf_policy_free(policy);
	free(first);
	free(second);
	return 0;
}
