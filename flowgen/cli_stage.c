/* SPDX-License-Identifier: BSD-3-Clause */

/* The verbs that build up to a stage and print it. */

#include "cli.h"

#include <hepflow/model.h>
#include <hepflow/policy.h>

enum { FORMAT_TEXT, FORMAT_JSON };

static const char *const formats[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json"};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

int cli_policy(const struct cli *cli)
{
	int format = cli_format(cli, formats, N_FORMATS), rc;
	struct hf_policy *policy;

	if (format < 0)
		return CLI_USAGE;
	rc = cli_read_policy(cli, cli->args, cli->n_args, &policy);
	if (rc != CLI_OK)
		return rc;
	if (format == FORMAT_JSON)
		(void)hf_policy_print_json(policy, stdout); /* cli_finish() sees what was lost */
	else
		hf_policy_print(policy, stdout);
	hf_policy_free(policy);
	return cli_finish();
}

int cli_model(const struct cli *cli)
{
	int format = cli_format(cli, formats, N_FORMATS), rc;
	struct hf_model *model;

	if (format < 0)
		return CLI_USAGE;
	rc = cli_read_model(cli, cli->args, cli->n_args, &model);
	if (rc != CLI_OK)
		return rc;
	if (format == FORMAT_JSON)
		(void)hf_model_print_json(model, stdout); /* cli_finish() sees what was lost */
	else
		hf_model_print(model, stdout);
	hf_model_free(model);
	return cli_finish();
}
