/* SPDX-License-Identifier: BSD-3-Clause */

/* docs/semantics.md 4, 6 and 7. */

#include "ref/chain.h"

#include "hand.h"

#include <string.h>

HF_SUITE(chain);

#define LINE "src=198.51.100.7 dst=192.0.2.10 proto=tcp "

static struct hf_model model;
static char steps[4096];

static void add_step(void *, const char *step)
{
	(void)snprintf(steps + strlen(steps), sizeof(steps) - strlen(steps), "%s\n", step);
}

static struct hf_ref_end walk(
	enum hf_chain type, bool egress, const struct hf_model_endpoint *ep, const char *line)
{
	const struct hf_ref_chain chain = {.type = type, .egress = egress, .ep = ep};
	const struct hf_ref_trace trace = {.step = add_step};
	struct hf_packet pkt = packet(line);

	steps[0] = '\0';
	return hf_ref_chain_walk(&model, &chain, &pkt, &trace);
}

#define expect_end(end, want_outcome, want_origin)                                                 \
	do {                                                                                       \
		struct hf_ref_end e_ = (end);                                                      \
		cr_expect_eq(e_.outcome, want_outcome, "outcome %d", e_.outcome);                  \
		cr_expect_str_eq(e_.origin ? e_.origin : "-", want_origin);                        \
	} while (0)

static const struct hf_ports p80[] = {{80, 80}}, p81[] = {{81, 81}};
static const struct hf_model_rule allow80_rules[] = {RULE(HF_RULE_ALLOW, "allow80",
	DST(.ports = {.n_ranges = 1, .ranges = p80}), .has_proto = true, .proto = 6)};
static const struct hf_model_rule deny81_rules[] = {RULE(HF_RULE_DENY, "deny81",
	DST(.ports = {.n_ranges = 1, .ranges = p81}), .has_proto = true, .proto = 6)};
static const struct hf_model_rule allow_rules[] = {RULE(HF_RULE_ALLOW, "allow", ANYWHERE)};
static const struct hf_model_rule deny_rules[] = {RULE(HF_RULE_DENY, "deny", ANYWHERE)};
static const struct hf_model_rule pass_rules[] = {RULE(HF_RULE_PASS, "pass", ANYWHERE)};
static const struct hf_model_rule log_allow_rules[] = {
	RULE(HF_RULE_LOG, "log", ANYWHERE), RULE(HF_RULE_ALLOW, "after-log", ANYWHERE)};

static const struct hf_model_policy allow80[] = {{.id = "gnp:a", .rules = LIST(allow80_rules)}};
static const struct hf_model_policy deny81[] = {{.id = "gnp:d", .rules = LIST(deny81_rules)}};
static const struct hf_model_policy both[] = {
	{.id = "gnp:a", .rules = LIST(allow80_rules)}, {.id = "gnp:d", .rules = LIST(deny_rules)}};
static const struct hf_model_policy passes[] = {
	{.id = "gnp:p", .rules = LIST(pass_rules)}, {.id = "gnp:never", .rules = LIST(deny_rules)}};
static const struct hf_model_policy staged[] = {
	{.id = "gnp:s", .staged = true, .rules = LIST(deny_rules)}};
static const struct hf_model_policy half_staged[] = {
	{.id = "gnp:s", .staged = true, .rules = LIST(allow_rules)}, {.id = "gnp:empty"}};
static const struct hf_model_policy logs[] = {{.id = "gnp:l", .rules = LIST(log_allow_rules)}};

#define IN(list)  .in = LIST(list)
#define OUT(list) .out = LIST(list)
#define TIER(text, ...)                                                                            \
	{                                                                                          \
		.name = text, .origin = "tier-default:" text, ##__VA_ARGS__                        \
	}

static struct hf_model_endpoint host(
	enum hf_chain type, const struct hf_model_tier *tiers, size_t n)
{
	struct hf_model_endpoint ep = {.name = "eth0"};

	ep.tiers[type] = (struct hf_model_tiers){n, tiers};
	return ep;
}

Test(chain, known_connections_are_accepted_before_everything_but_untracked_policy)
{
	static const struct hf_model_policy deny[] = {{.id = "d", .rules = LIST(deny_rules)}};
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny))};
	struct hf_model_endpoint ep = {.name = "eth0"};
	unsigned int type;

	for (type = 0; type < HF_CHAIN_MAX_; type++)
		ep.tiers[type] = (struct hf_model_tiers){1, tiers};
	for (type = HF_CHAIN_PREDNAT; type < HF_CHAIN_MAX_; type++) {
		expect_end(walk(type, false, &ep, LINE "ct=established"), HF_REF_ACCEPT_NOW,
			"conntrack");
		expect_end(
			walk(type, false, &ep, LINE "ct=related"), HF_REF_ACCEPT_NOW, "conntrack");
		expect_end(walk(type, false, &ep, LINE "ct=invalid"), HF_REF_DENY, "conntrack");
		expect_end(walk(type, false, &ep, LINE "ct=new"), HF_REF_DENY, "deny");
		expect_end(walk(type, false, &ep, LINE "ct=untracked"), HF_REF_DENY, "deny");
	}
	expect_end(
		walk(HF_CHAIN_UNTRACKED, false, &ep, LINE "ct=established"), HF_REF_DENY, "deny");
	expect_end(walk(HF_CHAIN_UNTRACKED, false, &ep, LINE "ct=invalid"), HF_REF_DENY, "deny");
}

Test(chain, invalid_packets_are_judged_when_the_check_is_off)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(allow80))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, tiers, 1);

	model.config.no_invalid_check = true;
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=80 ct=invalid"), HF_REF_ACCEPT,
		"allow80");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=82 ct=invalid"), HF_REF_DENY,
		"tier-default:t");
}

Test(chain, the_first_match_of_the_first_policy_decides)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(both))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, tiers, 1);

	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=80"), HF_REF_ACCEPT, "allow80");
	cr_expect_str_eq(steps, "normal ingress of hep eth0: t: gnp:a rule 0: allow\n");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=81"), HF_REF_DENY, "deny");
}

Test(chain, log_never_decides)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(logs))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, tiers, 1);

	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE), HF_REF_ACCEPT, "after-log");
	cr_expect_str_eq(steps, "normal ingress of hep eth0: t: gnp:l rule 0: log\n"
				"normal ingress of hep eth0: t: gnp:l rule 1: allow\n");
}

Test(chain, pass_skips_the_rest_of_the_tier_and_its_end)
{
	static const struct hf_model_tier tiers[] = {
		TIER("one", IN(passes)), TIER("two", IN(allow80))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, tiers, 2);

	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=80"), HF_REF_ACCEPT, "allow80");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=82"), HF_REF_DENY,
		"tier-default:two");
	ep.tiers[HF_CHAIN_NORMAL].n = 1;
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE), HF_REF_DENY, "no-profile");
}

Test(chain, a_tier_ends_in_a_drop_only_where_the_chain_has_ends)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny81))};
	struct hf_model_endpoint ep = {.name = "eth0"};
	unsigned int type;

	for (type = 0; type < HF_CHAIN_MAX_; type++)
		ep.tiers[type] = (struct hf_model_tiers){1, tiers};
	expect_end(
		walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=82"), HF_REF_DENY, "tier-default:t");
	expect_end(
		walk(HF_CHAIN_FORWARD, false, &ep, LINE "dport=82"), HF_REF_DENY, "tier-default:t");
	expect_end(walk(HF_CHAIN_PREDNAT, false, &ep, LINE "dport=82"), HF_REF_NO_MATCH, "-");
	expect_end(walk(HF_CHAIN_UNTRACKED, false, &ep, LINE "dport=82"), HF_REF_NO_MATCH, "-");
}

Test(chain, a_tier_that_passes_by_default_has_no_end)
{
	static const struct hf_model_tier tiers[] = {
		TIER("t", IN(deny81), .default_pass = true), TIER("u", IN(allow80))};
	struct hf_model_endpoint ep = host(HF_CHAIN_FORWARD, tiers, 2);

	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE "dport=80"), HF_REF_ACCEPT, "allow80");
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE "dport=81"), HF_REF_DENY, "deny81");
	ep.tiers[HF_CHAIN_FORWARD].n = 1;
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE "dport=80"), HF_REF_NO_MATCH,
		"forward-default");
}

Test(chain, a_tier_without_policy_for_the_direction_has_no_effect)
{
	static const struct hf_model_tier tiers[] = {
		TIER("t", IN(deny81)), TIER("u", OUT(allow80))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, tiers, 2);

	expect_end(walk(HF_CHAIN_NORMAL, true, &ep, LINE "dport=80"), HF_REF_ACCEPT, "allow80");
	expect_end(
		walk(HF_CHAIN_NORMAL, true, &ep, LINE "dport=81"), HF_REF_DENY, "tier-default:u");
}

Test(chain, staged_policies_never_judge_nor_end_a_tier)
{
	static const struct hf_model_tier only[] = {TIER("t", IN(staged))};
	static const struct hf_model_tier half[] = {TIER("t", IN(half_staged))};
	struct hf_model_endpoint ep = host(HF_CHAIN_NORMAL, only, 1);

	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE), HF_REF_DENY, "no-profile");
	ep = host(HF_CHAIN_NORMAL, half, 1);
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE), HF_REF_DENY, "tier-default:t");
	ep = host(HF_CHAIN_FORWARD, only, 1);
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE), HF_REF_NO_MATCH, "forward-default");
}

Test(chain, forwarding_without_any_tier_is_accepted)
{
	struct hf_model_endpoint ep = host(HF_CHAIN_FORWARD, NULL, 0);

	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE), HF_REF_ACCEPT, "forward-default");
	expect_end(walk(HF_CHAIN_FORWARD, true, &ep, LINE), HF_REF_ACCEPT, "forward-default");
}

Test(chain, forwarding_with_tiers_of_the_other_direction_depends_on_the_release)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny81))};
	static const unsigned int releases[] = {0, 329, 332};
	struct hf_model_endpoint ep = host(HF_CHAIN_FORWARD, tiers, 1);
	size_t i;

	for (i = 0; i < 3; i++) {
		model.config.calico = releases[i];
		expect_end(walk(HF_CHAIN_FORWARD, true, &ep, LINE), HF_REF_NO_MATCH,
			"forward-default");
	}
	model.config.calico = 328;
	expect_end(walk(HF_CHAIN_FORWARD, true, &ep, LINE), HF_REF_ACCEPT, "forward-default");
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE), HF_REF_DENY, "tier-default:t");
}

Test(chain, before_3_29_a_direction_with_policy_is_not_empty)
{
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny81), .default_pass = true)};
	struct hf_model_endpoint ep = host(HF_CHAIN_FORWARD, tiers, 1);

	model.config.calico = 328;
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE "dport=80"), HF_REF_NO_MATCH,
		"forward-default");
	expect_end(walk(HF_CHAIN_FORWARD, true, &ep, LINE "dport=80"), HF_REF_ACCEPT,
		"forward-default");
}

Test(chain, profiles_come_after_tiers_in_order)
{
	static const struct hf_model_profile deny81_profile = {
		.name = "p", .in = LIST(deny81_rules), .out = LIST(pass_rules)};
	static const struct hf_model_profile allows = {
		.name = "q", .in = LIST(allow_rules), .out = LIST(allow_rules)};
	static const struct hf_model_profile gone = {.name = "gone", .missing = true};
	const struct hf_model_profile *list[] = {&deny81_profile, &allows};
	struct hf_model_endpoint ep = {.name = "eth0", .n_profiles = 2, .profiles = list};

	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=81"), HF_REF_DENY, "deny81");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=82"), HF_REF_ACCEPT, "allow");
	expect_end(walk(HF_CHAIN_NORMAL, true, &ep, LINE), HF_REF_ACCEPT, "allow");
	ep.n_profiles = 1;
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=82"), HF_REF_DENY, "no-profile");
	expect_end(walk(HF_CHAIN_NORMAL, true, &ep, LINE), HF_REF_DENY, "no-profile");
	list[0] = &gone;
	ep.n_profiles = 2;
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE), HF_REF_DENY, "no-profile");
	cr_expect_not_null(strstr(steps, "profile gone does not exist"));
	expect_end(walk(HF_CHAIN_FORWARD, false, &ep, LINE), HF_REF_ACCEPT, "forward-default");
}

/* One inbound failsafe for a net, one for all; one outbound. */
static void set_failsafes(void)
{
	static struct hf_model_failsafe in[2], out[1];

	in[0] = (struct hf_model_failsafe){.proto = 6, .port = 22};
	in[1] = (struct hf_model_failsafe){.proto = 6, .port = 23, .net = net("198.51.100.0/24")};
	out[0] = (struct hf_model_failsafe){.proto = 17, .port = 53, .net = net("192.0.2.10/32")};
	model.config.fs_in = (struct hf_model_failsafes){2, in};
	model.config.fs_out = (struct hf_model_failsafes){1, out};
}

Test(chain, failsafes_are_protocol_port_and_far_net)
{
	struct hf_model_endpoint ep = {.name = "eth0"};

	set_failsafes();
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=22"), HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "dport=23"), HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep,
			   "src=1.1.1.1 dst=198.51.100.1 proto=tcp dport=23"),
		HF_REF_DENY, "no-profile");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, "src=::1 dst=::2 proto=tcp dport=22"),
		HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, "src=::1 dst=::2 proto=tcp dport=23"),
		HF_REF_DENY, "no-profile");
	expect_end(walk(HF_CHAIN_NORMAL, false, &ep, LINE "sport=22"), HF_REF_DENY, "no-profile");
	expect_end(
		walk(HF_CHAIN_NORMAL, true, &ep, "src=1.1.1.1 dst=192.0.2.10 proto=udp dport=53"),
		HF_REF_FAILSAFE, "failsafe");
	expect_end(
		walk(HF_CHAIN_NORMAL, true, &ep, "src=192.0.2.10 dst=1.1.1.1 proto=udp dport=53"),
		HF_REF_DENY, "no-profile");
	expect_end(walk(HF_CHAIN_NORMAL, true, &ep, LINE "dport=22"), HF_REF_DENY, "no-profile");
}

Test(chain, failsafes_stand_in_three_of_four_chains)
{
	static const struct hf_model_policy deny[] = {{.id = "d", .rules = LIST(deny_rules)}};
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny), OUT(deny))};
	struct hf_model_endpoint ep = {.name = "eth0"};
	unsigned int type;

	set_failsafes();
	for (type = 0; type < HF_CHAIN_MAX_; type++) {
		ep.tiers[type] = (struct hf_model_tiers){1, tiers};
		expect_end(walk(type, false, &ep, LINE "dport=22"),
			type == HF_CHAIN_FORWARD ? HF_REF_DENY : HF_REF_FAILSAFE,
			type == HF_CHAIN_FORWARD ? "deny" : "failsafe");
	}
}

Test(chain, untracked_chains_know_the_replies_of_failsafe_connections)
{
	static const struct hf_model_policy deny[] = {{.id = "d", .rules = LIST(deny_rules)}};
	static const struct hf_model_tier tiers[] = {TIER("t", IN(deny), OUT(deny))};
	struct hf_model_endpoint ep = host(HF_CHAIN_UNTRACKED, tiers, 1);

	set_failsafes();
	expect_end(walk(HF_CHAIN_UNTRACKED, false, &ep,
			   "src=192.0.2.10 dst=1.1.1.1 proto=udp sport=53"),
		HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_UNTRACKED, false, &ep,
			   "src=1.1.1.1 dst=192.0.2.10 proto=udp sport=53"),
		HF_REF_DENY, "deny");
	expect_end(
		walk(HF_CHAIN_UNTRACKED, true, &ep, LINE "sport=22"), HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_UNTRACKED, true, &ep,
			   "src=1.1.1.1 dst=198.51.100.9 proto=tcp sport=23"),
		HF_REF_FAILSAFE, "failsafe");
	expect_end(walk(HF_CHAIN_UNTRACKED, true, &ep,
			   "src=198.51.100.9 dst=1.1.1.1 proto=tcp sport=23"),
		HF_REF_DENY, "deny");
	expect_end(walk(HF_CHAIN_UNTRACKED, false, &ep, LINE "sport=22"), HF_REF_DENY, "deny");
}

Test(chain, pods_have_no_failsafes_and_must_not_encapsulate)
{
	static const struct hf_model_profile allows = {
		.name = "q", .in = LIST(allow_rules), .out = LIST(allow_rules)};
	const struct hf_model_profile *list[] = {&allows};
	struct hf_model_endpoint pod = {.name = "default/web", .workload = true};

	set_failsafes();
	model.config.vxlan_port = 4789;
	expect_end(walk(HF_CHAIN_NORMAL, false, &pod, LINE "dport=22"), HF_REF_DENY, "no-profile");
	cr_expect_str_eq(steps, "normal ingress of pod default/web: no profile accepts: deny\n");
	pod.n_profiles = 1;
	pod.profiles = list;
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=1.1.1.1 dst=2.2.2.2 proto=4"),
		HF_REF_DENY, "encap");
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=::1 dst=::2 proto=udp dport=4789"),
		HF_REF_DENY, "encap");
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=::1 dst=::2 proto=udp dport=4790"),
		HF_REF_ACCEPT, "allow");
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=::1 dst=::2 proto=tcp dport=4789"),
		HF_REF_ACCEPT, "allow");
	expect_end(walk(HF_CHAIN_NORMAL, false, &pod, "src=1.1.1.1 dst=2.2.2.2 proto=4"),
		HF_REF_ACCEPT, "allow");
	expect_end(
		walk(HF_CHAIN_NORMAL, true, &pod, "src=1.1.1.1 dst=2.2.2.2 proto=4 ct=established"),
		HF_REF_ACCEPT_NOW, "conntrack");
	model.config.ipip_from_wl = model.config.vxlan_from_wl = true;
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=1.1.1.1 dst=2.2.2.2 proto=4"),
		HF_REF_ACCEPT, "allow");
	expect_end(walk(HF_CHAIN_NORMAL, true, &pod, "src=::1 dst=::2 proto=udp dport=4789"),
		HF_REF_ACCEPT, "allow");
}

Test(chain, nobody_needs_to_listen)
{
	const struct hf_ref_chain chain = {
		.type = HF_CHAIN_NORMAL, .ep = &(struct hf_model_endpoint){.name = "eth0"}};
	const struct hf_ref_trace trace = {0};
	struct hf_packet pkt = packet(LINE);

	expect_end(hf_ref_chain_walk(&model, &chain, &pkt, &trace), HF_REF_DENY, "no-profile");
}
