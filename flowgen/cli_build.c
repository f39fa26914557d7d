/* SPDX-License-Identifier: BSD-3-Clause */

/* From files to the stage that a verb needs. */

#include "cli.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the options of a run mean, checked before any file is read. */
struct wish {
	struct hf_model_opts model;
	struct hf_plan_opts plan;
};

/* "v3.29", "3.29" or "3.29.1" as major * 100 + minor. */
static int parse_release(const char *text, unsigned int *ret)
{
	unsigned long major, minor;
	char *end;

	text += text[0] == 'v';
	major = strtoul(text, &end, 10);
	if (!isdigit(text[0]) || end[0] != '.' || !isdigit(end[1]) || major > 99)
		return -EINVAL;
	minor = strtoul(end + 1, &end, 10);
	if (end[0] == '.')
		end += 1 + strspn(end + 1, "0123456789");
	/* 0.0 is no release, and would mean the newest. */
	if (end[0] != '\0' || minor > 99 || major + minor == 0)
		return -EINVAL;
	*ret = (unsigned int)(major * 100 + minor);
	return 0;
}

static int parse_fallback(const char *text, enum hf_fallback *ret)
{
	if (strcmp(text, "software") == 0)
		*ret = HF_FALLBACK_SOFTWARE;
	else if (strcmp(text, "kernel") == 0)
		*ret = HF_FALLBACK_KERNEL;
	else
		return -EINVAL;
	return 0;
}

static int parse_capacity(const char *text, uint32_t *ret)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (!isdigit(text[0]) || *end != '\0' || errno || v >= HF_CAPACITY_NONE)
		return -EINVAL;
	*ret = v ? (uint32_t)v : HF_CAPACITY_NONE;
	return 0;
}

/* "0:1" */
static int parse_eswitch(const char *text, struct hf_eswitch *ret)
{
	unsigned long wire, host;
	char *end;

	if (!isdigit(text[0]))
		return -EINVAL;
	wire = strtoul(text, &end, 10);
	if (end[0] != ':' || !isdigit(end[1]))
		return -EINVAL;
	host = strtoul(end + 1, &end, 10);
	if (end[0] != '\0' || wire > UINT16_MAX || host > UINT16_MAX || wire == host)
		return -EINVAL;
	*ret = (struct hf_eswitch){true, (uint16_t)wire, (uint16_t)host};
	return 0;
}

int cli_plan_opts(const struct cli *cli, struct hf_plan_opts *ret)
{
	ret->strict_invalid = cli->strict_invalid;
	ret->reserve = cli->reserve;
	ret->short_denies = cli->short_denies;
	if (cli->fallback && parse_fallback(cli->fallback, &ret->fallback) < 0)
		return cli_usage("--fallback: '%s' is not software or kernel", cli->fallback);
	if (cli->capacity && parse_capacity(cli->capacity, &ret->capacity) < 0)
		return cli_usage("--capacity: '%s' is not a number of entries", cli->capacity);
	if (cli->eswitch && parse_eswitch(cli->eswitch, &ret->eswitch) < 0)
		return cli_usage("--eswitch: '%s' is not two port numbers like 0:1", cli->eswitch);
	return cli->weights ? cli_weights(cli->weights, ret) : CLI_OK;
}

static int read_wish(const struct cli *cli, enum cli_stage stage, struct wish *ret)
{
	ret->model.node = cli->node;
	if (cli->calico && parse_release(cli->calico, &ret->model.calico) < 0)
		return cli_usage("--calico-version: '%s' is not like v3.29", cli->calico);
	if (stage == CLI_PLAN && !cli->profile)
		return cli_usage("%s: needs a NIC profile (-p)", cli->verb);
	return cli_plan_opts(cli, &ret->plan);
}

static int read_files(
	const struct cli *cli, char **files, size_t n, struct hf_policy **ret, struct hf_err *err)
{
	int rc = hf_policy_new(ret, err);
	size_t i;

	if (rc == 0 && cli->host)
		rc = hf_policy_read(*ret, cli->host, err);
	for (i = 0; rc == 0 && i < n; i++)
		rc = hf_policy_read(*ret, files[i], err);
	return rc;
}

/* docs/warnings.md, rule-dead. */
static int warn_dead(struct cli_built *b)
{
	size_t i, n = hf_rules_n_dead(b->rules);

	b->dead = calloc(n ? n : 1, sizeof(*b->dead));
	if (!b->dead)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		const struct hf_dead *d = hf_rules_dead(b->rules, i);

		if (asprintf(&b->dead[i], "rule-dead: %s: no packet reaches %s: %s",
			    *d->place ? d->place : d->origin, d->origin, d->reason) < 0) {
			b->dead[i] = NULL;
			return -ENOMEM;
		}
		b->n_dead++;
	}
	return 0;
}

static int build(const struct cli *cli, char **files, size_t n, enum cli_stage stage,
	const struct wish *wish, struct cli_built *ret, struct hf_err *err)
{
	int rc = read_files(cli, files, n, &ret->policy, err);

	if (rc == 0 && stage >= CLI_MODEL)
		rc = hf_model_build(ret->policy, &wish->model, &ret->model, err);
	if (rc == 0 && stage >= CLI_RULES)
		rc = hf_rules_build(ret->model, &ret->rules, err);
	if (rc == 0 && ret->rules)
		rc = warn_dead(ret);
	if (rc == 0 && stage >= CLI_PLAN)
		rc = hf_profile_find(cli->profile, &ret->nic, err);
	if (rc == 0 && stage >= CLI_PLAN)
		rc = hf_plan_build(ret->rules, ret->nic, &wish->plan, &ret->plan, err);
	return rc;
}

static void print_remarks(const struct cli_built *built)
{
	size_t i;

	for (i = 0; i < hf_policy_n_notes(built->policy); i++)
		fprintf(stderr, "note: %s\n", hf_policy_note(built->policy, i));
	for (i = 0; built->model && i < hf_model_n_warnings(built->model); i++)
		fprintf(stderr, "warning: %s\n", hf_model_warning(built->model, i));
	for (i = 0; i < built->n_dead; i++)
		fprintf(stderr, "warning: %s\n", built->dead[i]);
}

int cli_build(const struct cli *cli, char **files, size_t n, enum cli_stage stage,
	const char *uplink, struct cli_built *ret)
{
	struct cli_built built = {0};
	struct wish wish = {0};
	struct hf_err err = {0};
	int rc;

	if (n == 0)
		return cli_usage("%s: no policy file given", cli->verb);
	rc = read_wish(cli, stage, &wish);
	if (rc != CLI_OK)
		return rc;
	wish.plan.iface = uplink;
	rc = build(cli, files, n, stage, &wish, &built, &err);
	if (rc < 0) {
		cli_built_fini(&built);
		return cli_fail(rc, &err);
	}
	if (!cli->quiet)
		print_remarks(&built);
	built.plan_opts = wish.plan;
	*ret = built;
	return CLI_OK;
}

void cli_built_fini(struct cli_built *built)
{
	while (built->n_dead > 0)
		free(built->dead[--built->n_dead]);
	free(built->dead);
	hf_plan_free(built->plan);
	hf_profile_free(built->nic);
	hf_rules_free(built->rules);
	hf_model_free(built->model);
	hf_policy_free(built->policy);
}
