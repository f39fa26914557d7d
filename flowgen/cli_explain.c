/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen explain: what happens to one packet, step by step, by the reference; then whether the
 * rules say the same, and what the NIC does with it.
 */

#include "cli.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/net.h>
#include <hepflow/plan.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <stdint.h>
#include <string.h>

#define LINE_SIZE 512 /* longer than any packet line with every key, and most patterns */

static void print_step(void *arg, const char *step)
{
	fprintf(arg, "  %s\n", step);
}

/* True when the rules say what the reference says. */
static bool compare_rules(
	const struct hf_rules *rules, const struct hf_packet *pkt, const struct hf_ref_result *ref)
{
	struct hf_decision d;
	struct hf_err err = {0};
	struct hf_key key;
	const char *origin;
	bool same;

	if (hf_rules_sort(rules, pkt, &key, &err) < 0) {
		printf("rules: %s\n", err.text);
		return false;
	}
	d = hf_rules_lookup(rules, &key);
	origin = hf_rules_origin(rules, d.origin);
	same = d.verdict == ref->verdict && strcmp(origin, ref->origin) == 0;
	printf("rules: %s%s by %s, block \"%s\" rule %u\n",
		same ? "" : "DIFFERENT: ", hf_verdict_name(d.verdict), origin,
		hf_rules_block(rules, d.block)->name, d.rule);
	return same;
}

static int explain(const struct cli_built *built, const char *line, const struct hf_packet *pkt)
{
	struct hf_ref_result result;
	struct hf_err err = {0};
	char text[LINE_SIZE];
	int rc = hf_ref_eval(built->model, pkt, NULL, NULL, &result, &err);
	bool same;

	if (rc < 0) {
		(void)cli_place_error("PACKET", 1, line, &err);
		return cli_fail(rc, &err);
	}
	(void)hf_packet_print(pkt, text, sizeof(text)); /* fits */
	printf("packet: %s\n", text);
	(void)hf_ref_eval(built->model, pkt, print_step, stdout, &result, &err); /* as just now */
	printf("verdict: %s\norigin: %s\n", hf_verdict_name(result.verdict), result.origin);
	same = compare_rules(built->rules, pkt, &result);
	if (built->plan)
		hf_plan_explain(built->plan, pkt, result.origin, stdout);
	rc = cli_finish();
	if (same || rc != CLI_OK)
		return rc;
	fprintf(stderr, "flowgen: reference and rules differ: a mistake in flowgen\n");
	return CLI_FAILED;
}

int cli_explain(const struct cli *cli)
{
	static const char *const formats[] = {"text"};
	const char *line = cli->n_args ? cli->args[cli->n_args - 1] : NULL;
	struct cli_built built;
	struct hf_packet pkt;
	struct hf_err err = {0};
	int rc;

	if (cli_format(cli, formats, 1) < 0)
		return CLI_USAGE;
	if (!line || !cli_is_packet(line))
		return cli_usage("explain: the last argument must be a packet");
	rc = cli_parse_packet("PACKET", 1, line, &pkt, &err);
	if (rc < 0)
		return cli_fail(rc, &err);
	rc = cli_build(cli, cli->args, cli->n_args - 1, cli->profile ? CLI_PLAN : CLI_RULES,
		cli->iface, &built);
	if (rc != CLI_OK)
		return rc;
	rc = explain(&built, line, &pkt);
	cli_built_fini(&built);
	return rc;
}
