/* SPDX-License-Identifier: BSD-3-Clause */

#include "host.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>

#include <criterion/criterion.h>

#include <string.h>

static const char base[] =
	"apiVersion: hepflow/v1\n"
	"kind: HostFacts\n"
	"metadata: {name: n0}\n"
	"spec:\n"
	"  interfaces:\n"
	"    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"
	"  dnat:\n"
	"    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: WorkloadEndpoint\n"
	"metadata: {name: web, namespace: default}\n"
	"spec: {node: n0, orchestrator: k8s, pod: web, endpoint: eth0, interfaceName: cali1,\n"
	"  ipNetworks: [10.65.0.2/32], profiles: [projectcalico-default-allow]}\n"
	"---\n"
	"apiVersion: projectcalico.org/v3\n"
	"kind: HostEndpoint\n"
	"metadata: {name: eth0, labels: {host: n0}}\n"
	"spec: {node: n0, interfaceName: eth0}\n";

void hf_host_init(struct hf_host *host, const char *profile, uint32_t capacity, const char *text)
{
	struct hf_plan_opts opts = {.capacity = capacity};
	struct hf_model_opts model_opts = {0};
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_err err = {0};

	*host = (struct hf_host){0};
	cr_assert_eq(hf_policy_new(&policy, &err), 0, "%s", err.text);
	cr_assert_eq(
		hf_policy_read_text(policy, "base", base, strlen(base), &err), 0, "%s", err.text);
	cr_assert_eq(
		hf_policy_read_text(policy, "test", text, strlen(text), &err), 0, "%s", err.text);
	cr_assert_eq(hf_model_build(policy, &model_opts, &model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_build(model, &host->rules, &err), 0, "%s", err.text);
	cr_assert_eq(hf_profile_find(profile, &host->nic, &err), 0, "%s", err.text);
	cr_assert_eq(
		hf_plan_build(host->rules, host->nic, &opts, &host->plan, &err), 0, "%s", err.text);
	hf_model_free(model);
	hf_policy_free(policy);
}

void hf_host_fini(struct hf_host *host)
{
	hf_plan_free(host->plan);
	hf_profile_free(host->nic);
	hf_rules_free(host->rules);
}

enum hf_fate hf_host_judge(const struct hf_host *host, const char *line, enum hf_reason *ret_reason)
{
	struct hf_packet pkt;
	struct hf_err err = {0};
	enum hf_fate fate;
	size_t entry;

	cr_assert_eq(hf_packet_parse(line, &pkt, &err), 0, "%s: %s", line, err.text);
	fate = hf_plan_judge(host->plan, &pkt, &entry);
	if (ret_reason)
		*ret_reason = entry == SIZE_MAX ? HF_REASON_NONE
						: hf_plan_entry(host->plan, entry)->reason;
	return fate;
}

size_t hf_host_entries_of(const struct hf_plan *plan, const char *origin)
{
	size_t i, n = 0;

	for (i = 0; i < hf_plan_n_entries(plan); i++)
		n += strcmp(hf_plan_origin(plan, hf_plan_entry(plan, i)->origin), origin) == 0;
	return n;
}

size_t hf_host_same_fates(const struct hf_plan *a, const struct hf_plan *b,
	const char *const *sources, size_t n_sources, const char *const *packets, size_t n_packets)
{
	size_t s, k, denied = 0;

	for (s = 0; s < n_sources; s++) {
		for (k = 0; k < n_packets; k++) {
			struct hf_packet pkt;
			enum hf_fate fate;
			char line[128];

			(void)snprintf(line, sizeof(line), "in=eth0 src=%s dst=192.0.2.10 %s",
				sources[s], packets[k]);
			cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0, "%s", line);
			fate = hf_plan_judge(a, &pkt, NULL);
			cr_expect_eq(fate, hf_plan_judge(b, &pkt, NULL), "%s", line);
			denied += fate == HF_FATE_DENY;
		}
	}
	return denied;
}

const struct hf_account *hf_host_account(const struct hf_host *host, const char *origin)
{
	size_t i;

	for (i = 0; i < hf_plan_n_accounts(host->plan); i++) {
		const struct hf_account *a = hf_plan_account(host->plan, i);

		if (strcmp(hf_plan_origin(host->plan, a->origin), origin) == 0)
			return a;
	}
	return NULL;
}
