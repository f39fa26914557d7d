/* SPDX-License-Identifier: BSD-3-Clause */

#include "generation.h"

#include <hepflow/detect.h>
#include <hepflow/err.h>
#include <hepflow/felix.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOSTNAME_SIZE 256    /* HOST_NAME_MAX of Linux is 64 */
#define NONE	      "none" /* the profile of a NIC that takes no rules */
#define WHY_SIZE      512

/* "auto": as hw-profile match has it. A port that nothing describes takes no rules. */
static int find_auto(
	const struct hf_conf_port *port, struct hf_nic **ret, bool *ret_assumed, struct hf_err *err)
{
	char why[WHY_SIZE];
	int rc;

	rc = hf_port_match(port->devargs, NULL, ret, why, sizeof(why), err);
	*ret_assumed = rc == 0 && !*ret;
	return *ret_assumed ? hf_profile_find(NONE, ret, err) : rc;
}

static int find_profile(const struct hf_config *config, const struct hf_conf_port *port,
	struct hf_nic **ret, bool *ret_assumed, struct hf_err *err)
{
	int rc;

	*ret_assumed = false;
	if (strcmp(port->profile, "auto") == 0)
		rc = find_auto(port, ret, ret_assumed, err);
	else
		rc = hf_profile_find(port->profile, ret, err);
	if (rc < 0)
		return hf_err_prefix(err, rc, "%s:%u:%u: port %s: ", config->path,
			port->profile_at.line, port->profile_at.col, port->name);
	return 0;
}

/* What the configuration asks of a NIC beside rules. */
static int check_nic(const struct hf_config *config, const struct hf_conf_port *port,
	const struct hf_nic *nic, struct hf_err *err)
{
	static const char *const words[] = {[HF_FAIL_OPEN] = "open", [HF_FAIL_CLOSED] = "closed"};
	enum hf_fail_mode mode;

	if (config->kernel_fallback && (!nic->bifurcated || !nic->isolate))
		return hf_fail(err, -EINVAL,
			"%s:%u:%u: port %s: fallback kernel needs a NIC that the kernel keeps "
			"using "
			"beside DPDK (bifurcated, with flow isolation), which %s is not",
			config->path, port->profile_at.line, port->profile_at.col, port->name,
			nic->name);
	if (port->eswitch && !nic->transfer)
		return hf_fail(err, -EINVAL,
			"%s:%u:%u: port %s: eswitch needs a NIC that takes rules between ports, "
			"which %s does not",
			config->path, port->eswitch_at.line, port->eswitch_at.col, port->name,
			nic->name);
	if (port->reserve && !hf_plan_can_reserve(nic))
		return hf_fail(err, -EINVAL,
			"%s:%u:%u: port %s: reserve-queues is for a NIC that can only choose "
			"queues, and %s has no such engine",
			config->path, port->reserve_at.line, port->reserve_at.col, port->name,
			nic->name);
	mode = hf_profiles_fail_mode(nic, port->eswitch);
	if (port->fail_mode && port->fail_mode != mode)
		return hf_fail(err, -EINVAL,
			"%s:%u:%u: port %s: fail-mode is %s, but a NIC with profile %s fails %s: "
			"%s",
			config->path, port->fail_mode_at.line, port->fail_mode_at.col, port->name,
			words[port->fail_mode], nic->name, words[mode],
			mode == HF_FAIL_OPEN
				? "its packets reach the kernel when hepflowd is not there"
				: "nothing passes when hepflowd is not there");
	return 0;
}

/* With an e-switch the host's interface is a function's, which nothing joins to the wire then. */
enum hf_fail_mode hf_profiles_fail_mode(const struct hf_nic *nic, bool eswitch)
{
	return nic->bifurcated && !eswitch ? HF_FAIL_OPEN : HF_FAIL_CLOSED;
}

int hf_profiles_find(const struct hf_config *config, struct hf_profiles *ret, struct hf_err *err)
{
	struct hf_profiles p = {.n = config->n_wires};
	size_t i;
	int rc = 0;

	p.nics = calloc(p.n, sizeof(struct hf_nic *));
	p.assumed = calloc(p.n, sizeof(bool));
	if (!p.nics || !p.assumed)
		rc = hf_fail(err, -ENOMEM, "%s: out of memory", config->path);
	for (i = 0; i < p.n && rc == 0; i++) {
		const struct hf_conf_port *port = &config->ports[config->wires[i].outer];

		if (port->role == HF_ROLE_UPLINK)
			rc = find_profile(config, port, &p.nics[i], &p.assumed[i], err);
		if (rc == 0 && p.nics[i])
			rc = check_nic(config, port, p.nics[i], err);
	}
	if (rc < 0) {
		hf_profiles_fini(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void hf_profiles_fini(struct hf_profiles *profiles)
{
	size_t i;

	for (i = 0; profiles->nics && i < profiles->n; i++)
		hf_profile_free(profiles->nics[i]);
	free(profiles->nics);
	free(profiles->assumed);
	*profiles = (struct hf_profiles){0};
}

/* Where the path stands in the configuration matters only when it cannot be opened; what is wrong
 * inside a file has a place of its own. */
static int read_policies(
	const struct hf_config *config, struct hf_policy *policy, struct hf_err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < config->n_policies; i++) {
		const struct hf_conf_text *p = &config->policies[i];

		rc = hf_policy_read(policy, p->text, err);
		if (rc == -ENOENT || rc == -EACCES)
			return hf_err_prefix(
				err, rc, "%s:%u:%u: ", config->path, p->at.line, p->at.col);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A port that is no interface of this host would drop everything; say so now. */
static int check_ports(
	const struct hf_config *config, const struct hf_rules *rules, struct hf_err *err)
{
	static const enum hf_from froms[] = {
		[HF_ROLE_UPLINK] = HF_FROM_UPLINK,
		[HF_ROLE_WORKLOAD] = HF_FROM_WORKLOAD,
	};
	size_t i;

	for (i = 0; i < config->n_wires; i++) {
		const struct hf_conf_port *port = &config->ports[config->wires[i].outer];
		int n = hf_rules_find_iface(rules, port->name);

		if (n < 0)
			return hf_fail(err, -ENOENT,
				"%s:%u:%u: port %s: the policy files know no such interface on "
				"this host (HostFacts, HostEndpoint or WorkloadEndpoint)",
				config->path, port->at.line, port->at.col, port->name);
		if (hf_rules_iface(rules, (size_t)n)->from != froms[port->role])
			return hf_fail(err, -EINVAL,
				"%s:%u:%u: port %s: role is %s, but to Calico the interface is %s",
				config->path, port->at.line, port->at.col, port->name,
				hf_role_name(port->role),
				hf_from_name(hf_rules_iface(rules, (size_t)n)->from));
	}
	return 0;
}

/* Which origins some rule wants in hardware or not at all. */
static void mark_required(const struct hf_rules *rules, bool *ret)
{
	size_t b, i;

	for (b = 0; b < hf_rules_n_blocks(rules); b++) {
		const struct hf_block *block = hf_rules_block(rules, b);

		for (i = 0; i < block->n_rules; i++)
			ret[block->rules[i].origin] |=
				block->rules[i].offload == HF_OFFLOAD_REQUIRE;
	}
}

/* What must be in hardware and is not ends the apply; docs/architecture.md, "Offload wishes". */
static int check_wishes(
	const struct hf_rules *rules, const struct hf_plan *plan, struct hf_err *err)
{
	bool *required = calloc(hf_rules_n_origins(rules) + 1, sizeof(*required));
	char reason[64];
	size_t i;
	int rc = 0;

	if (!required)
		return hf_fail(err, -ENOMEM, "out of memory");
	mark_required(rules, required);
	for (i = 0; i < hf_plan_n_accounts(plan) && rc == 0; i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (!required[a->origin] || a->share == HF_SHARE_WHOLE ||
			a->reason == HF_REASON_DIRECTION || a->reason == HF_REASON_SHADOWED)
			continue;
		rc = hf_fail(err, -EOPNOTSUPP,
			"%s: offload is required, but on %s (profile %s) it is not wholly in "
			"hardware: %s",
			hf_rules_origin(rules, a->origin), hf_plan_iface(plan), hf_plan_nic(plan),
			hf_reason_print(a->reason, a->detail, reason));
	}
	free(required);
	return rc;
}

static int build_plans(const struct hf_config *config, const struct hf_profiles *profiles,
	const struct hf_generation *previous, struct hf_generation *g, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	g->plans = calloc(config->n_wires, sizeof(struct hf_plan *));
	if (!g->plans)
		return hf_fail(err, -ENOMEM, "plan: out of memory");
	g->n_plans = config->n_wires;
	for (i = 0; i < config->n_wires && rc == 0; i++) {
		struct hf_plan_opts opts = {
			.iface = config->ports[config->wires[i].outer].name,
			.fallback =
				config->kernel_fallback ? HF_FALLBACK_KERNEL : HF_FALLBACK_SOFTWARE,
			.eswitch = hf_config_eswitch(config, i),
			.reserve = config->ports[config->wires[i].outer].reserve,
			.strict_invalid = config->strict_invalid,
			.short_denies = config->short_denies,
			.previous = previous ? previous->plans[i] : NULL,
		};

		if (!profiles->nics[i])
			continue;
		rc = hf_plan_build(g->rules, profiles->nics[i], &opts, &g->plans[i], err);
		if (rc == 0)
			rc = check_wishes(g->rules, g->plans[i], err);
	}
	return rc;
}

/* Neither Felix nor the kernel names the node; the configuration does, or the host. */
static int read_live(const struct hf_inputs *in, struct hf_policy *policy, struct hf_err *err)
{
	const char *node = in->config->node;
	char host[HOSTNAME_SIZE] = "";
	int rc = 0;

	if (!in->felix && !in->host)
		return 0;
	if (!node) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			return hf_fail(err, -errno, "host name: %s", strerror(errno));
		node = host;
	}
	if (in->host)
		rc = hf_policy_set_host(policy, node, in->host, err);
	return rc < 0 || !in->felix ? rc : hf_felix_read(in->felix, node, policy, err);
}

static int build(const struct hf_inputs *in, const struct hf_generation *previous,
	struct hf_generation *g, struct hf_err *err)
{
	const struct hf_config *config = in->config;
	struct hf_model_opts opts = {.node = config->node, .calico = config->calico};
	struct hf_rules *former = previous && !in->trial ? previous->rules : NULL;
	struct hf_policy *policy = NULL;
	int rc = hf_policy_new(&policy, err);

	opts.previous = previous ? previous->model : NULL;
	if (rc == 0 && in->cache)
		hf_policy_use_cache(policy, in->cache);
	if (rc == 0)
		rc = read_policies(config, policy, err);
	if (rc == 0)
		rc = read_live(in, policy, err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &g->model, err);
	hf_policy_free(policy);
	if (rc == 0)
		rc = hf_rules_follow(g->model, former, &g->rules, err);
	if (rc == 0)
		rc = check_ports(config, g->rules, err);
	return rc < 0 ? rc : build_plans(config, in->profiles, previous, g, err);
}

int hf_generation_build(const struct hf_inputs *in, unsigned int number,
	const struct hf_generation *previous, struct hf_generation **ret, struct hf_err *err)
{
	struct hf_generation *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return hf_fail(err, -ENOMEM, "out of memory");
	g->number = number;
	g->built = time(NULL);
	rc = build(in, previous, g, err);
	if (rc < 0) {
		hf_generation_free(g);
		return rc;
	}
	*ret = g;
	return 0;
}

void hf_generation_free(struct hf_generation *generation)
{
	size_t i;

	if (!generation)
		return;
	for (i = 0; i < generation->n_plans; i++)
		hf_plan_free(generation->plans[i]);
	free(generation->plans);
	hf_rules_free(generation->rules);
	hf_model_free(generation->model);
	free(generation);
}
