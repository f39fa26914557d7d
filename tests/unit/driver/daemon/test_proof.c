/* SPDX-License-Identifier: BSD-3-Clause */

/* What must hold before a generation is put in force. */

#include "hf_test.h"

#include "proof_world.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

HF_SUITE(proof);

static const struct hf_proof_opts none;

Test(proof, right_generation_is_proven)
{
	struct hf_generation *g;
	struct hf_proof proof;
	struct hf_err err = {0};

	open_world("{}");
	g = build(DENY_3000 ALLOW);
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), 0, "%s", err.text);
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
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), -EPROTO);
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
	static const char no_ports[] =
		"---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n"
		"metadata: {name: default}\nspec: {failsafeInboundHostPorts: []}\n";
	struct hf_generation *g, *other;
	struct hf_plan *plan;
	struct hf_proof proof;
	struct hf_err err = {0};
	char text[1024];

	open_world("{proof: {budget: 0}}"); /* it does not take a proof to see that */
	g = build(ssh);
	(void)snprintf(text, sizeof(text), "%s%s", ssh, no_ports);
	other = build(text);
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), 0, "%s", err.text);
	cr_assert(proof.too_large);
	plan = g->plans[0];
	g->plans[0] = other->plans[0];
	other->plans[0] = plan;
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), -EPERM);
	cr_assert(strstr(err.text, "failsafe ports would be closed: in=eth0 "), "%s", err.text);
	cr_assert(strstr(err.text, "dport=22: denied by an entry of the NIC"), "%s", err.text);
	hf_generation_free(g);
	hf_generation_free(other);
	close_world();
}

Test(proof, undecided_is_enough_unless_the_configuration_says_else)
{
	struct hf_generation *g;
	struct hf_proof proof;
	struct hf_err err = {0};

	open_world("{proof: {budget: 1, undecided: refuse}}");
	g = build_large();
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), -EAGAIN);
	cr_assert_eq(proof.answer, HF_CHECK_UNDECIDED);
	cr_assert(strstr(err.text, "not proven, so not put in force: eth0 "), "%s", err.text);
	cr_assert(strstr(err.text, "undecided: time limit"), "%s", err.text);
	config->proof_must = false;
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), 0);
	cr_assert_eq(proof.answer, HF_CHECK_UNDECIDED);
	config->proof_rules = 1000;
	cr_assert_eq(hf_proof_before(g, &in, &none, &proof, &err), 0);
	cr_assert(proof.too_large);
	cr_assert(strstr(proof.text, " rules, more than changes.proof.rules: 1000"), "%s",
		proof.text);
	hf_generation_free(g);
	close_world();
}
