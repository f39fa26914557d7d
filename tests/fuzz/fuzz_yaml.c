/* SPDX-License-Identifier: BSD-3-Clause */

/* Policy from text to rules, which judge a few packets as the reference does. */

#include "fuzz.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <string.h>

static const char *const lines[] = {
	"in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=3000",
	"in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp sport=22 dport=4000 flags=A",
	"in=eth0 src=2001:db8::7 dst=2001:db8::10 proto=icmpv6 type=128",
	"in=eth0 src=198.51.100.7 dst=10.65.0.2 proto=udp dport=53",
	"in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=icmp type=8 ct=invalid",
	"in=cali0 src=10.65.0.2 dst=192.0.2.10 proto=tcp dport=80",
	"in=cali0 src=10.65.0.2 dst=203.0.113.1 proto=sctp dport=80",
	"src=192.0.2.10 dst=203.0.113.1 proto=tcp dport=443",
};

static void judge(const struct hf_model *model, const struct hf_rules *rules, const char *line)
{
	struct hf_ref_result ref;
	struct hf_decision d;
	struct hf_packet pkt;
	struct hf_key key;

	FUZZ_CHECK(hf_packet_parse(line, &pkt, NULL) == 0);
	if (hf_rules_sort(rules, &pkt, &key, NULL) < 0) {
		FUZZ_CHECK(hf_ref_eval(model, &pkt, NULL, NULL, &ref, NULL) < 0);
		return;
	}
	FUZZ_CHECK(hf_ref_eval(model, &pkt, NULL, NULL, &ref, NULL) == 0);
	d = hf_rules_lookup(rules, &key);
	FUZZ_CHECK(d.verdict == ref.verdict && key.class == ref.class);
	FUZZ_CHECK(strcmp(hf_rules_origin(rules, d.origin), ref.origin) == 0);
}

static void build(const struct hf_policy *policy)
{
	const struct hf_model_opts opts = {0};
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	size_t i;

	if (hf_model_build(policy, &opts, &model, NULL) == 0 &&
		hf_rules_build(model, &rules, NULL) == 0) {
		for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
			judge(model, rules, lines[i]);
	}
	hf_rules_free(rules);
	hf_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_policy *policy = NULL;
	struct hf_err err = {0};

	FUZZ_CHECK(hf_policy_new(&policy, NULL) == 0);
	if (hf_policy_read_text(policy, "f", (const char *)data, size, &err) == 0)
		build(policy);
	else
		FUZZ_CHECK(strncmp(err.text, "f:", 2) == 0 && !strchr(err.text, '\n'));
	hf_policy_free(policy);
	return 0;
}
