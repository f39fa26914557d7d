/* SPDX-License-Identifier: BSD-3-Clause */

/* flowgen explain: what happens to one packet, step by step. */

#include "cli.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/net.h>
#include <hepflow/ref.h>

static void print_step(void *arg, const char *step)
{
	fprintf(arg, "  %s\n", step);
}

static int explain(const struct hf_model *model, const char *line, const struct hf_packet *pkt)
{
	struct hf_ref_result result;
	struct hf_err err = {0};
	char text[512]; /* longer than any packet line with every key */
	int rc = hf_ref_eval(model, pkt, NULL, NULL, &result, &err);

	if (rc < 0) {
		(void)cli_place_error("PACKET", 1, line, &err);
		return cli_fail(rc, &err);
	}
	(void)hf_packet_print(pkt, text, sizeof(text));
	printf("packet: %s\n", text);
	(void)hf_ref_eval(model, pkt, print_step, stdout, &result, &err); /* as just now */
	printf("verdict: %s\norigin: %s\n", hf_verdict_name(result.verdict), result.origin);
	return cli_finish();
}

int cli_explain(const struct cli *cli)
{
	static const char *const formats[] = {"text"};
	struct hf_model *model;
	struct hf_packet pkt;
	struct hf_err err = {0};
	const char *line = cli->n_args ? cli->args[cli->n_args - 1] : NULL;
	int rc;

	if (cli_format(cli, formats, 1) < 0)
		return CLI_USAGE;
	if (!line || !cli_is_packet(line))
		return cli_usage("explain: the last argument must be a packet");
	rc = cli_parse_packet("PACKET", 1, line, &pkt, &err);
	if (rc < 0)
		return cli_fail(rc, &err);
	rc = cli_read_model(cli, cli->args, cli->n_args - 1, &model);
	if (rc != CLI_OK)
		return rc;
	rc = explain(model, line, &pkt);
	hf_model_free(model);
	return rc;
}
