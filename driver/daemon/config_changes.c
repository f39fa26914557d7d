/* SPDX-License-Identifier: BSD-3-Clause */

/* spec.changes: what must hold of a change, and what becomes of it when a NIC does not take it. */

#include "config_read.h"

#include <hepflow/base/yaml.h>

void hf_conf_changes_default(struct hf_config *c)
{
	c->proof_budget_ms = HF_PROOF_BUDGET_MS;
	c->proof_rules = HF_PROOF_RULES;
	c->reconcile_s = HF_RECONCILE_S;
}

static int read_refused(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"software", "keep"};
	int rc = hf_conf_word(r, v, "refused", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->keep_refused = rc == 1;
	return 0;
}

static int read_stuck(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"wait", "restart"};
	int rc = hf_conf_word(r, v, "stuck", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->restart_stuck = rc == 1;
	return 0;
}

static int read_budget(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 0, HF_CONFIG_PROOF_MAX_MS, &n) < 0)
		return hf_conf_fail(r, v, "budget must be a number of milliseconds from 0 to %u",
			HF_CONFIG_PROOF_MAX_MS);
	r->c->proof_budget_ms = (uint32_t)n;
	return 0;
}

static int read_proof_rules(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 0, UINT32_MAX, &n) < 0)
		return hf_conf_fail(r, v, "rules must be a number");
	r->c->proof_rules = (uint32_t)n;
	return 0;
}

static int read_undecided(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"apply", "refuse"};
	int rc = hf_conf_word(r, v, "undecided", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->proof_must = rc == 1;
	return 0;
}

static int read_proof(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"budget", false, read_budget},
		{"rules", false, read_proof_rules},
		{"undecided", false, read_undecided},
	};

	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "proof");
}

static int read_reconcile(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 0, HF_CONFIG_RECONCILE_MAX_S, &n) < 0)
		return hf_conf_fail(r, v, "reconcile must be a number of seconds from 0 to %u",
			HF_CONFIG_RECONCILE_MAX_S);
	r->c->reconcile_s = (uint32_t)n;
	return 0;
}

int hf_conf_changes(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"refused", false, read_refused},
		{"stuck", false, read_stuck},
		{"proof", false, read_proof},
		{"reconcile", false, read_reconcile},
	};

	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "changes");
}
