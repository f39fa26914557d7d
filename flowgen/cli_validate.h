/* SPDX-License-Identifier: BSD-3-Clause */

/* flowgen validate: what was found, for those who print it. */

#pragma once

#include "cli.h"

#include <hepflow/base/vec.h>
#include <hepflow/net.h>
#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/testpmd_child.h>

#define CLI_RULE_SIZE 2048 /* as of hf_flows_print_testpmd(); testpmd takes a quarter of it */

/* One rule of the plan and what became of it. */
struct cli_tried {
	char *rule;	    /* as testpmd was given it */
	const char *origin; /* the policy rule, or the table; belongs to the plan */
	struct hf_testpmd_answer answer;
	char danger[HF_NIC_NAME_SIZE]; /* accepted, but this field is not matched as asked; "" */
};

/* A packet, what the reference says of it, and what was seen. */
struct cli_probe {
	char *line;
	size_t number;
	struct hf_packet pkt;
	enum hf_fate fate;    /* the reference's verdict */
	enum hf_fate planned; /* the plan's */
	enum hf_fate got;     /* the NIC's */
	bool wrong;
};

struct cli_validation {
	const struct cli *cli;
	struct cli_built built;
	HF_VEC(struct cli_tried) tried;
	HF_VEC(struct cli_probe) probes;
	size_t n_elsewhere; /* packets that do not arrive at this NIC */
	size_t n_hidden;    /* that say of themselves what no NIC sees */
	size_t n_rejected;
	size_t n_danger;
	size_t n_wrong;
	size_t n_fates[HF_FATE_JUMP];
};

/* Each prints the whole report on standard output; 0, or -ENOMEM. */
int cli_print_validation_text(const struct cli_validation *v);
int cli_print_validation_json(const struct cli_validation *v);
int cli_print_validation_junit(const struct cli_validation *v);
