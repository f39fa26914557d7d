/* SPDX-License-Identifier: BSD-3-Clause */

/* The verbs that build up to a stage and print it. */

#include "cli.h"

#include <hepflow/flows.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <string.h>

#define FORMATS_MAX 3

/* One way to print a stage. What could not be written is seen by cli_finish(). */
struct format {
	const char *name;
	void (*print)(const struct cli_built *built);
};

static void policy_text(const struct cli_built *b)
{
	hf_policy_print(b->policy, stdout);
}

static void policy_json(const struct cli_built *b)
{
	(void)hf_policy_print_json(b->policy, stdout);
}

static void model_text(const struct cli_built *b)
{
	hf_model_print(b->model, b->dead, b->n_dead, stdout);
}

static void model_json(const struct cli_built *b)
{
	(void)hf_model_print_json(b->model, b->dead, b->n_dead, stdout);
}

static void rules_text(const struct cli_built *b)
{
	hf_rules_print(b->rules, stdout);
}

static void rules_json(const struct cli_built *b)
{
	(void)hf_rules_print_json(b->rules, stdout);
}

static void plan_text(const struct cli_built *b)
{
	hf_plan_print(b->plan, stdout);
}

static void plan_json(const struct cli_built *b)
{
	(void)hf_plan_print_json(b->plan, stdout);
}

static void plan_dot(const struct cli_built *b)
{
	hf_plan_print_dot(b->plan, stdout);
}

/* testpmd's first port, and one receive queue: what it has when started without options. */
static const struct hf_flow_opts flow_opts = {.port = 0, .n_queues = 1};

static void flows_testpmd(const struct cli_built *b)
{
	hf_flows_print_testpmd(b->plan, b->nic, &flow_opts, stdout);
}

static void flows_json(const struct cli_built *b)
{
	(void)hf_flows_print_json(b->plan, b->nic, &flow_opts, stdout);
}

static const struct format policy_formats[FORMATS_MAX] = {
	{"text", policy_text}, {"json", policy_json}};
static const struct format model_formats[FORMATS_MAX] = {
	{"text", model_text}, {"json", model_json}};
static const struct format rules_formats[FORMATS_MAX] = {
	{"text", rules_text}, {"json", rules_json}};
static const struct format plan_formats[FORMATS_MAX] = {
	{"text", plan_text}, {"json", plan_json}, {"dot", plan_dot}};
/* The text of flows is what testpmd reads. */
static const struct format flows_formats[FORMATS_MAX] = {
	{"testpmd", flows_testpmd}, {"text", flows_testpmd}, {"json", flows_json}};

static int print_stage(const struct cli *cli, enum cli_stage stage, const struct format *formats)
{
	const struct format *format = &formats[0];
	struct cli_built built;
	size_t i;
	int rc;

	for (i = 0; cli->format && i < FORMATS_MAX; i++) {
		format = &formats[i];
		if (format->name && strcmp(cli->format, format->name) == 0)
			break;
	}
	if (cli->format && i == FORMATS_MAX)
		return cli_usage("%s has no format '%s'", cli->verb, cli->format);
	rc = cli_build(cli, cli->args, cli->n_args, stage, cli->iface, &built);
	if (rc != CLI_OK)
		return rc;
	format->print(&built);
	cli_built_fini(&built);
	return cli_finish();
}

int cli_policy(const struct cli *cli)
{
	return print_stage(cli, CLI_POLICY, policy_formats);
}

int cli_model(const struct cli *cli)
{
	/* Which rules are dead is known one stage later, and belongs to its warnings. */
	return print_stage(cli, CLI_RULES, model_formats);
}

int cli_rules(const struct cli *cli)
{
	return print_stage(cli, CLI_RULES, rules_formats);
}

int cli_plan(const struct cli *cli)
{
	return print_stage(cli, CLI_PLAN, plan_formats);
}

int cli_flows(const struct cli *cli)
{
	return print_stage(cli, CLI_PLAN, flows_formats);
}
