/* SPDX-License-Identifier: BSD-3-Clause */

/* What must hold before a generation is put in force. */

#include "hf_test.h"

#include "daemon/proof.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

HF_SUITE(proof);

#define HOST                                                                                       \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]\n---\n"                          \
	"apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                                   \
	"metadata: {name: eth0, labels: {h: x}}\nspec: {node: n0, interfaceName: eth0}\n---\n"     \
	"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"       \
	"spec:\n  selector: has(h)\n  types: [Ingress]\n  ingress:\n"
#define DENY_3000 "    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"
#define ALLOW	  "    - {action: Allow}\n"

static char path[] = "/tmp/hepflow-proof.XXXXXX";
static struct hf_config *config;
static struct hf_profiles profiles;
static struct hf_inputs in;

/* changes: what the configuration says of them. */
static void open_world(const char *changes)
{
	struct hf_err err = {0};
	char text[1024];

	cr_assert_geq(mkstemp(path), 0);
	(void)snprintf(text, sizeof(text),
		"apiVersion: hepflow/v1\nkind: Config\nspec:\n  policy: [%s]\n  changes: %s\n"
		"  ports:\n"
		"    - {name: eth0, role: uplink, devargs: net_null0, profile: mlx5-cx6dx}\n"
		"    - {name: eth0, role: host, devargs: net_null1}\n",
		path, changes);
	cr_assert_eq(hf_config_read_text("c.yaml", text, strlen(text), &config, &err), 0, "%s",
		err.text);
	cr_assert_eq(hf_profiles_find(config, &profiles, &err), 0, "%s", err.text);
	in = (struct hf_inputs){.config = config, .profiles = &profiles};
}

static void close_world(void)
{
	hf_profiles_fini(&profiles);
	hf_config_free(config);
	cr_assert_eq(unlink(path), 0);
}

static struct hf_generation *build(const char *ingress)
{
	struct hf_generation *g = NULL;
	struct hf_err err = {0};
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	cr_assert_gt(fprintf(f, "%s%s", HOST, ingress), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(hf_generation_build(&in, 1, NULL, &g, &err), 0, "%s", err.text);
	return g;
}

Test(proof, right_generation_is_proven)
{
	struct hf_generation *g;
	struct hf_proof proof;
	struct hf_err err = {0};

	open_world("{}");
	g = build(DENY_3000 ALLOW);
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), 0, "%s", err.text);
	cr_assert_eq(proof.answer, HF_CHECK_PROVEN);
	cr_assert_gt(proof.n_rules, 0);
	cr_assert_str_eq(proof.text, "");
	hf_generation_free(g);
	close_world();
}

Test(proof, wrong_generation_is_refused_with_the_packet)
{
	struct hf_generation *g, *other;
	struct hf_plan *plan;
	struct hf_proof proof;
	struct hf_err err = {0};

	open_world("{}");
	g = build(ALLOW);
	other = build(DENY_3000 ALLOW);
	plan = g->plans[0];
	g->plans[0] = other->plans[0]; /* a NIC that drops what policy allows */
	other->plans[0] = plan;
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), -EPROTO);
	cr_assert_eq(proof.answer, HF_CHECK_REFUTED);
	cr_assert(strstr(err.text, "not right, so not put in force: eth0 on mlx5-cx6dx"), "%s",
		err.text);
	cr_assert(strstr(err.text, "WRONG for in=eth0 "), "%s", err.text);
	cr_assert(strstr(err.text, "dport=3000"), "%s", err.text);
	hf_generation_free(g);
	hf_generation_free(other);
	close_world();
}

Test(proof, closed_failsafe_port_is_refused)
{
	static const char ssh[] =
		"    - {action: Deny, protocol: TCP, destination: {ports: [22]}}\n" ALLOW;
	static const char none[] =
		"---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n"
		"metadata: {name: default}\nspec: {failsafeInboundHostPorts: []}\n";
	struct hf_generation *g, *other;
	struct hf_plan *plan;
	struct hf_proof proof;
	struct hf_err err = {0};
	char text[1024];

	open_world("{proof: {budget: 0}}"); /* it does not take a proof to see that */
	g = build(ssh);
	(void)snprintf(text, sizeof(text), "%s%s", ssh, none);
	other = build(text);
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), 0, "%s", err.text);
	cr_assert(proof.too_large);
	plan = g->plans[0];
	g->plans[0] = other->plans[0];
	other->plans[0] = plan;
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), -EPERM);
	cr_assert(strstr(err.text, "failsafe ports would be closed: in=eth0 "), "%s", err.text);
	cr_assert(strstr(err.text, "dport=22: denied by an entry of the NIC"), "%s", err.text);
	hf_generation_free(g);
	hf_generation_free(other);
	close_world();
}

/* Far more than a millisecond's work. */
static struct hf_generation *build_large(void)
{
	struct hf_generation *g;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	for (i = 0; i < 1020; i++)
		fprintf(f,
			"    - {action: %s, protocol: TCP, source: {nets: [10.%zu.%zu.0/24]}, "
			"destination: {ports: [%zu]}}\n",
			i % 2 ? "Allow" : "Deny", i % 7, i % 251, 1000 + i);
	cr_assert_eq(fclose(f), 0);
	g = build(text);
	free(text);
	return g;
}

Test(proof, undecided_is_enough_unless_the_configuration_says_else)
{
	struct hf_generation *g;
	struct hf_proof proof;
	struct hf_err err = {0};

	open_world("{proof: {budget: 1, undecided: refuse}}");
	g = build_large();
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), -EAGAIN);
	cr_assert_eq(proof.answer, HF_CHECK_UNDECIDED);
	cr_assert(strstr(err.text, "not proven, so not put in force: eth0 "), "%s", err.text);
	cr_assert(strstr(err.text, "undecided: time limit"), "%s", err.text);
	config->proof_must = false;
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), 0);
	cr_assert_eq(proof.answer, HF_CHECK_UNDECIDED);
	config->proof_rules = 1000;
	cr_assert_eq(hf_proof_before(g, &in, &proof, &err), 0);
	cr_assert(proof.too_large);
	cr_assert(strstr(proof.text, " rules, more than changes.proof.rules: 1000"), "%s",
		proof.text);
	hf_generation_free(g);
	close_world();
}
