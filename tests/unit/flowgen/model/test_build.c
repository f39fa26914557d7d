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
