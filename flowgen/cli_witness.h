/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Witnesses: packets that two policies judge differently.
 *
 * They are looked for where rules begin and end: first, last and the address beside every prefix,
 * both ends of every port range and the ports beside them, every class of destination; those of
 * rules that only one side has come first. That finds what a rule changes as a rule, but it is a
 * search with a limit, no proof: nothing found does not mean that there is nothing.
 */

#pragma once

#include "cli.h"

#include <hepflow/facts.h>
#include <hepflow/net.h>

#define CLI_WITNESSES_MAX 20
#define CLI_REGION_SIZE	  160

struct cli_witness {
	struct hf_packet pkt;
	char region[CLI_REGION_SIZE]; /* of the rule it was drawn from: "tcp any -> host:3000" */
	enum hf_verdict before, after;
	const char *origin_before, *origin_after; /* of the models */
};

struct cli_witnesses {
	size_t n;
	struct cli_witness v[CLI_WITNESSES_MAX];
	size_t more; /* that differ in region or verdicts from all others */
};

/*
 * Both as built up to CLI_RULES. Every witness is confirmed by the reference. CLI_OK, or another
 * exit code after printing why.
 */
int cli_witness_find(
	const struct cli_built *old, const struct cli_built *new, struct cli_witnesses *ret);
