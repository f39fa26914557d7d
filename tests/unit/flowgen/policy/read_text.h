/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading text into a policy set, for the tests of this folder. */

#pragma once

#include "hf_test.h"

#include "policy/objects.h"

#include <hepflow/err.h>
#include <hepflow/policy.h>

#include <string.h>

/* The set that text reads as; the caller frees it. */
static inline struct hf_policy *read_good(const char *text)
{
	struct hf_policy *policy = NULL;
	struct hf_err err = {0};

	cr_assert_eq(hf_policy_new(&policy, &err), 0);
	cr_assert_eq(
		hf_policy_read_text(policy, "t.yaml", text, strlen(text), &err), 0, "%s", err.text);
	return policy;
}

/* Reads text, which is wrong, and says what the error was. */
static inline const char *read_bad(const char *text)
{
	static struct hf_err err;
	struct hf_policy *policy = NULL;
	int rc;

	memset(&err, 0, sizeof(err));
	cr_assert_eq(hf_policy_new(&policy, NULL), 0);
	rc = hf_policy_read_text(policy, "t.yaml", text, strlen(text), &err);
	cr_assert(rc < 0, "accepted:\n%s", text);
	cr_assert_eq(rc, err.code);
	hf_policy_free(policy);
	return err.text;
}

#define expect_bad(text, want) cr_expect_str_eq(read_bad(text), want)
#define expect_good(text)      hf_policy_free(read_good(text))

#define GNP(spec)                                                                                  \
	"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"       \
	"spec: " spec "\n"
#define NP(spec)                                                                                   \
	"apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"                                  \
	"metadata: {name: p, namespace: ns1}\nspec: " spec "\n"
/* One rule on a line of its own: line 6, column 3. */
#define GNP_IN(rule)  GNP("\n  ingress:\n  - " rule)
#define GNP_OUT(rule) GNP("\n  egress:\n  - " rule)
#define NP_IN(rule)   NP("\n  ingress:\n  - " rule)
#define NP_OUT(rule)  NP("\n  egress:\n  - " rule)
#define CALICO(kind, name, spec)                                                                   \
	"apiVersion: projectcalico.org/v3\nkind: " kind "\nmetadata: {name: " name                 \
	"}\nspec: " spec "\n"
