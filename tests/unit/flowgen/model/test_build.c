/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

#include <unistd.h>

HF_SUITE(build);

static void check_node(const char *yaml, const char *asked, const char *expected)
{
	struct hf_model_opts opts = {.node = asked};
	struct hf_model *m = NULL;
	struct hf_err err = {0};

	cr_assert_eq(try_model(yaml, &opts, &m, &err), 0, "%s", err.text);
	expect_text(hf_model_node(m), expected);
	hf_model_free(m);
}

#define HEP_ON(node) OBJ("HostEndpoint", "name: h-" node, "node: " node ", interfaceName: eth0")

Test(build, node_as_asked)
{
	check_node(FACTS_OF("a", "") FACTS_OF("b", "") HEP_ON("c"), "z", "z");
}

Test(build, node_of_the_only_facts)
{
	check_node(FACTS_OF("a", "") HEP_ON("b") HEP_ON("c"), NULL, "a");
}

Test(build, node_of_the_only_endpoints)
{
	check_node(HEP_ON("b") POD_ON("b", "x", "p", "", "interfaceName: cali1"), NULL, "b");
}

Test(build, host_name_as_last_resort)
{
	char host[256] = "";

	cr_assert_eq(gethostname(host, sizeof(host) - 1), 0);
	check_node("", NULL, host);
}

static void check_ambiguous(const char *yaml)
{
	struct hf_model_opts opts = {0};
	struct hf_model *m = NULL;
	struct hf_err err = {0};

	cr_expect_eq(try_model(yaml, &opts, &m, &err), -EINVAL);
	cr_expect_eq(err.code, -EINVAL);
	cr_expect_not_null(strstr(err.text, "'a'"), "%s", err.text);
	cr_expect_not_null(strstr(err.text, "'b'"), "%s", err.text);
	cr_expect_null(m);
}

Test(build, several_nodes_must_be_chosen_from)
{
	check_ambiguous(FACTS_OF("a", "") FACTS_OF("b", ""));
	check_ambiguous(HEP_ON("a") HEP_ON("b"));
	check_ambiguous(HEP_ON("a") POD_ON("b", "x", "p", "", "interfaceName: cali1"));
}

Test(build, the_release_can_be_chosen)
{
	struct hf_model_opts opts = {.node = "n0", .calico = 328};
	struct hf_model *m = NULL;
	struct hf_err err = {0};

	cr_assert_eq(try_model(ETH0, &opts, &m, &err), 0, "%s", err.text);
	cr_expect_eq(m->config.calico, 328);
	hf_model_free(m);
}

static struct hf_model *follow(
	struct hf_policy *policy, const char *yaml, const struct hf_model *previous)
{
	struct hf_model_opts opts = {.node = "n0", .previous = previous};
	struct hf_model *m = NULL;
	struct hf_err err = {0};
	int rc = hf_policy_read_text(policy, "t.yaml", yaml, strlen(yaml), &err);

	if (rc == 0)
		rc = hf_model_build(policy, &opts, &m, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	return m;
}

static const struct hf_model_rule *rules_at(const struct hf_model *m, size_t policy)
{
	return m->endpoints[0]->tiers[HF_CHAIN_NORMAL].v[0].in.v[policy].rules.v;
}

#define ONE_RULE(name, rule) GNP(name, "selector: all(), ingress: [{" rule "}]")

/* That it says the same is for tests/equiv/test_next.c to see. */
Test(build, what_has_not_changed_is_taken_from_the_model_before)
{
	struct hf_policy *policy = NULL;
	const struct hf_model_rule *kept, *gone;
	struct hf_model *old, *new;
	struct hf_err err = {0};

	cr_assert_eq(hf_policy_new(&policy, &err), 0, "%s", err.text);
	old = follow(policy,
		ETH0 HEP("h", "interfaceName: eth0") ONE_RULE("a", "action: Allow, protocol: TCP")
			ONE_RULE("b", "action: Allow, protocol: UDP")
				ONE_RULE("c", "action: Deny, source: {selector: all()}"),
		NULL);
	kept = rules_at(old, 0);
	gone = rules_at(old, 1);
	new = follow(policy, ONE_RULE("b", "action: Deny, protocol: UDP"), old);
	cr_expect_eq(rules_at(new, 0), kept);
	cr_expect_neq(rules_at(new, 1), gone);
	cr_expect_neq(rules_at(new, 2), rules_at(old, 2), "sets are numbered by the model");
	hf_model_free(old);
	cr_expect_str_eq(rules_at(new, 0)->origin, "default/gnp:a/ingress/0");
	cr_expect_eq(rules_at(new, 0)->proto, 6);
	hf_model_free(new);
	hf_policy_free(policy);
}
