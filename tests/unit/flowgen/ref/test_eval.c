/* SPDX-License-Identifier: BSD-3-Clause */

/* docs/semantics.md 3, 5, 9 and 10: which chains a packet meets, in which order. */

#include <hepflow/ref.h>

#include "hand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOST, LO, ETH0, ETH1, POD1, POD2, TUN, N_IFACES };

static const struct hf_model_rule allow_rules[] = {RULE(HF_RULE_ALLOW, "allow", ANYWHERE)};
static const struct hf_model_rule deny_rules[] = {RULE(HF_RULE_DENY, "deny", ANYWHERE)};
static const struct hf_ports p80[] = {{80, 80}};
static const struct hf_model_rule allow80_rules[] = {RULE(HF_RULE_ALLOW, "allow80",
	DST(.ports = {.n_ranges = 1, .ranges = p80}), .has_proto = true, .proto = 6)};
static const struct hf_model_rule deny80_rules[] = {RULE(HF_RULE_DENY, "deny80",
	DST(.ports = {.n_ranges = 1, .ranges = p80}), .has_proto = true, .proto = 6)};

static const struct hf_model_policy allow_policy[] = {{.id = "a", .rules = LIST(allow_rules)}};
static const struct hf_model_policy deny_policy[] = {{.id = "d", .rules = LIST(deny_rules)}};
static const struct hf_model_policy allow80_policy[] = {{.id = "8", .rules = LIST(allow80_rules)}};
static const struct hf_model_policy deny80_policy[] = {{.id = "9", .rules = LIST(deny80_rules)}};

#define BOTH(name_, list)                                                                          \
	{                                                                                          \
		{                                                                                  \
			.name = name_, .origin = "tier-default:" name_, .in = LIST(list),          \
			.out = LIST(list)                                                          \
		}                                                                                  \
	}
static const struct hf_model_tier allow[] = BOTH("t", allow_policy);
static const struct hf_model_tier deny[] = BOTH("t", deny_policy);
static const struct hf_model_tier allow80[] = BOTH("t", allow80_policy);
static const struct hf_model_tier deny80[] = BOTH("t", deny80_policy);
static const struct hf_model_tier ingress_allow[] = {
	{.name = "t", .origin = "tier-default:t", .in = LIST(allow_policy)}};

static const struct hf_model_profile open_profile = {
	.name = "open", .in = LIST(allow_rules), .out = LIST(allow_rules)};
static const struct hf_model_profile *const open_list[] = {&open_profile};

/* What a test may change before it asks. */
static struct hf_model model;
static struct hf_model_iface ifaces[N_IFACES];
static struct hf_model_endpoint hep, star, pod1, pod2;
static struct hf_dnat dnats[2];
static struct hf_set sets[2];

static struct hf_prefix addrs[2], sources[2], peers[2], services[1];
static struct hf_dest dests[8];
static struct hf_addrport backends[2], floating[1];
static struct hf_err err;

static void add_dest(const char *text, enum hf_class class, uint16_t out)
{
	dests[model.n_dests++] = (struct hf_dest){net(text), class, out};
}

static struct hf_addrport at(const char *text, uint16_t port)
{
	return (struct hf_addrport){addr(text), port};
}

static void name_ifaces(void)
{
	static const struct hf_iface ids[] = {
		[HOST] = {"", HF_FROM_HOST},
		[LO] = {"lo", HF_FROM_UPLINK},
		[ETH0] = {"eth0", HF_FROM_UPLINK},
		[ETH1] = {"eth1", HF_FROM_UPLINK},
		[POD1] = {"cali1", HF_FROM_WORKLOAD},
		[POD2] = {"cali2", HF_FROM_WORKLOAD},
		[TUN] = {"tunl0", HF_FROM_TUNNEL},
	};
	size_t i;

	for (i = 0; i < N_IFACES; i++)
		ifaces[i].id = ids[i];
}

/* eth0 192.0.2.10 has no endpoint yet, eth1 leads to 198.18/16, two open pods, one tunnel. */
static void start(void)
{
	name_ifaces();
	addrs[0] = net("192.0.2.10");
	ifaces[ETH0].n_addrs = 1;
	ifaces[ETH0].addrs = addrs;
	sources[0] = net("10.65.0.2");
	sources[1] = net("10.65.0.3");
	pod1 = (struct hf_model_endpoint){
		.name = "default/one", .workload = true, .n_profiles = 1, .profiles = open_list};
	pod2 = pod1;
	pod2.name = "default/two";
	ifaces[POD1].wep = &pod1;
	ifaces[POD1].n_sources = 1;
	ifaces[POD1].sources = &sources[0];
	ifaces[POD2].wep = &pod2;
	ifaces[POD2].n_sources = 1;
	ifaces[POD2].sources = &sources[1];
	hep.name = "hep";
	star = (struct hf_model_endpoint){.name = "star", .wildcard = true};
	backends[0] = at("10.65.0.2", 3000);
	backends[1] = at("10.65.0.3", 3000);
	floating[0] = at("10.65.0.3", 0);
	dnats[0] = (struct hf_dnat){6, addr("192.0.2.10"), 30001, 2, backends};
	dnats[1] = (struct hf_dnat){0, addr("192.0.2.99"), 0, 1, floating};
	peers[0] = net("192.0.2.10");
	peers[1] = net("192.0.2.20");
	services[0] = net("10.96.0.0/12");
	sets[0] = (struct hf_set){.n_nets = 2, .nets = peers};
	sets[1] = (struct hf_set){.n_nets = 1, .nets = services};
	model = (struct hf_model){.config = {.peers = HF_NO_SET,
					  .service_nets = HF_NO_SET,
					  .vxlan_port = 4789,
					  .wireguard_port = 51820,
					  .wireguard_port6 = 51821},
		.n_ifaces = N_IFACES,
		.ifaces = ifaces,
		.dests = dests,
		.n_dnats = 2,
		.dnats = dnats,
		.n_sets = 2,
		.sets = sets};
	add_dest("10.65.0.2/32", HF_CLASS_WORKLOAD, POD1);
	add_dest("10.65.0.3/32", HF_CLASS_WORKLOAD, POD2);
	add_dest("192.0.2.10/32", HF_CLASS_HOST, HF_IF_HOST);
	add_dest("10.65.1.0/24", HF_CLASS_REMOTE, TUN);
	add_dest("224.0.0.0/24", HF_CLASS_HOST, HF_IF_HOST);
	add_dest("198.18.0.0/16", HF_CLASS_REMOTE, ETH1);
	add_dest("0.0.0.0/0", HF_CLASS_REMOTE, ETH0);
	add_dest("::/0", HF_CLASS_REMOTE, ETH0);
	err = (struct hf_err){0};
}

TestSuite(eval, .init = start, .fini = hf_test_fini);

static void set_tiers(
	struct hf_model_endpoint *ep, enum hf_chain type, const struct hf_model_tier *t)
{
	ep->tiers[type] = (struct hf_model_tiers){1, t};
}

/* "VERDICT FROM->CLASS ORIGIN" */
static const char *ask(const char *line)
{
	static char text[128];
	struct hf_ref_result r;
	struct hf_packet pkt = packet(line);

	cr_assert_eq(hf_ref_eval(&model, &pkt, NULL, NULL, &r, &err), 0, "%s", err.text);
	(void)snprintf(text, sizeof(text), "%s %s->%s %s", hf_verdict_name(r.verdict),
		hf_from_name(r.from), hf_class_name(r.class), r.origin);
	return text;
}

#define TO_HOST	  "in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp "
#define TO_POD	  "in=eth0 src=198.51.100.7 dst=10.65.0.2 proto=tcp "
#define TO_ETH1	  "in=eth0 src=198.51.100.7 dst=198.18.5.5 proto=tcp "
#define FROM_ETH1 "in=eth1 src=198.18.5.5 dst=198.51.100.7 proto=tcp "
#define FROM_HOST "src=192.0.2.10 dst=198.51.100.7 proto=tcp "
#define POD_HOST  "in=cali1 src=10.65.0.2 dst=192.0.2.10 proto=tcp "

static int refused(const char *line)
{
	struct hf_ref_result r = {.origin = "untouched"};
	struct hf_packet pkt = packet(line);
	int rc = hf_ref_eval(&model, &pkt, NULL, NULL, &r, &err);

	cr_expect_str_eq(r.origin, "untouched");
	cr_expect_eq(hf_ref_eval(&model, &pkt, NULL, NULL, &r, NULL), rc);
	return rc;
}

Test(eval, unknown_interfaces_are_an_error_that_names_them)
{
	cr_expect_eq(refused("in=eth9 src=1.1.1.1 dst=2.2.2.2 proto=tcp"), -ENOENT);
	cr_expect_str_eq(err.text, "in: this host has no interface 'eth9'");
	cr_expect_eq(refused("out=eth8 src=1.1.1.1 dst=2.2.2.2 proto=tcp"), -ENOENT);
	cr_expect_str_eq(err.text, "out: this host has no interface 'eth8'");
}

Test(eval, families_that_differ_are_an_error)
{
	struct hf_packet pkt = packet(TO_HOST);
	struct hf_ref_result r;

	pkt.src = addr("::1");
	cr_expect_eq(hf_ref_eval(&model, &pkt, NULL, NULL, &r, &err), -EINVAL);
	pkt = packet(TO_HOST);
	pkt.has_dnat = true;
	pkt.dnat = at("::1", 80);
	cr_expect_eq(hf_ref_eval(&model, &pkt, NULL, NULL, &r, &err), -EINVAL);
	pkt.src.family = pkt.dst.family = 0;
	pkt.has_dnat = false;
	cr_expect_eq(hf_ref_eval(&model, &pkt, NULL, NULL, &r, &err), -EINVAL);
}

Test(eval, a_specific_endpoint_replaces_the_wildcard)
{
	cr_expect_str_eq(ask(TO_HOST), "no-decision uplink->host no-endpoint");
	model.star = &star;
	cr_expect_str_eq(ask(TO_HOST), "deny uplink->host no-profile");
	hep.n_profiles = 1;
	hep.profiles = open_list;
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask(TO_HOST), "allow uplink->host allow");
	cr_expect_str_eq(ask(FROM_HOST), "allow host->remote allow");
	cr_expect_str_eq(ask("in=eth1 src=198.18.5.5 dst=192.0.2.10 proto=tcp"),
		"deny uplink->host no-profile");
}

Test(eval, prednat_accept_skips_normal_and_forward_of_the_arriving_interface)
{
	set_tiers(&hep, HF_CHAIN_PREDNAT, allow80);
	set_tiers(&hep, HF_CHAIN_NORMAL, deny);
	set_tiers(&hep, HF_CHAIN_FORWARD, deny);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask(TO_HOST "dport=80"), "allow uplink->host allow80");
	cr_expect_str_eq(ask(TO_HOST "dport=81"), "deny uplink->host deny");
	cr_expect_str_eq(ask(TO_ETH1 "dport=80"), "allow uplink->remote allow80");
	cr_expect_str_eq(ask(TO_ETH1 "dport=81"), "deny uplink->remote deny");
	cr_expect_str_eq(ask(TO_POD "dport=80"), "allow uplink->workload allow");
	cr_expect_str_eq(ask("in=eth0 src=198.51.100.7 dst=203.0.113.9 proto=tcp dport=80"),
		"deny uplink->remote deny", "the leaving interface is asked all the same");
}

Test(eval, prednat_of_the_wildcard_acts_where_the_specific_endpoint_has_none)
{
	set_tiers(&star, HF_CHAIN_PREDNAT, deny80);
	hep.n_profiles = 1;
	hep.profiles = open_list;
	ifaces[ETH0].hep = &hep;
	model.star = &star;
	cr_expect_str_eq(ask(TO_HOST "dport=80"), "deny uplink->host deny80");
	cr_expect_str_eq(ask(POD_HOST "dport=80"), "deny workload->host deny80");
	cr_expect_str_eq(ask("in=tunl0 src=10.65.1.2 dst=10.65.0.2 proto=tcp dport=80"),
		"deny tunnel->workload deny80");
	cr_expect_str_eq(ask("in=lo src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=80"),
		"deny host->host deny80");
	set_tiers(&hep, HF_CHAIN_PREDNAT, allow80);
	cr_expect_str_eq(ask(TO_HOST "dport=80"), "allow uplink->host allow80");
}

Test(eval, untracked_policy_takes_the_packet_out_of_tracking)
{
	set_tiers(&hep, HF_CHAIN_UNTRACKED, allow80);
	set_tiers(&hep, HF_CHAIN_PREDNAT, deny);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask(TO_HOST "dport=80"), "allow-untracked uplink->host allow80");
	cr_expect_str_eq(
		ask(TO_HOST "dport=80 ct=invalid"), "allow-untracked uplink->host allow80");
	cr_expect_str_eq(ask(TO_HOST "dport=81"), "deny uplink->host deny");
	cr_expect_str_eq(ask(FROM_HOST "dport=80"), "allow-untracked host->remote allow80");
	cr_expect_str_eq(ask(TO_POD "dport=80 ct=invalid"),
		"allow-untracked uplink->workload allow",
		"the pod's chain sees no invalid packet any more");
	pod1.n_profiles = 0;
	cr_expect_str_eq(ask(TO_POD "dport=80"), "deny uplink->workload no-profile");
}

Test(eval, untracked_policy_of_the_wildcard_never_counts)
{
	set_tiers(&star, HF_CHAIN_UNTRACKED, allow);
	model.star = &star;
	cr_expect_str_eq(ask(TO_HOST), "deny uplink->host no-profile");
	cr_expect_str_eq(ask(FROM_HOST), "deny host->remote no-profile");
}

Test(eval, an_untracked_accept_is_undone_by_a_later_chain_that_does_not_decide)
{
	set_tiers(&hep, HF_CHAIN_UNTRACKED, allow80);
	ifaces[ETH0].hep = &hep;
	star.tiers[HF_CHAIN_FORWARD] = (struct hf_model_tiers){1, ingress_allow};
	model.star = &star;
	cr_expect_str_eq(ask(TO_ETH1 "dport=80"), "no-decision uplink->remote forward-default");
	cr_expect_str_eq(ask(TO_ETH1 "dport=81"), "no-decision uplink->remote forward-default");
}

Test(eval, the_last_chain_of_a_forwarded_packet_decides)
{
	set_tiers(&hep, HF_CHAIN_FORWARD, ingress_allow);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask(TO_ETH1), "allow uplink->remote allow");
	cr_expect_str_eq(ask(FROM_ETH1), "no-decision uplink->remote forward-default");
	cr_expect_str_eq(ask("in=eth0 src=198.51.100.7 dst=203.0.113.9 proto=tcp"),
		"no-decision uplink->remote forward-default");
	cr_expect_str_eq(ask(TO_POD), "allow uplink->workload allow");
	cr_expect_str_eq(ask("in=cali1 src=10.65.0.2 dst=198.51.100.7 proto=tcp"),
		"no-decision workload->remote forward-default");
}

Test(eval, every_chain_of_a_forwarded_packet_can_deny)
{
	const char *line = "in=cali1 src=10.65.0.2 dst=10.65.0.3 proto=tcp dport=80";
	struct hf_model_tiers *none[] = {&pod1.tiers[HF_CHAIN_NORMAL], &pod2.tiers[HF_CHAIN_NORMAL],
		&star.tiers[HF_CHAIN_FORWARD]};
	size_t i;

	model.star = &star;
	cr_expect_str_eq(ask(line), "allow workload->workload forward-default");
	for (i = 0; i < 3; i++) {
		*none[i] = (struct hf_model_tiers){1, deny80};
		cr_expect_str_eq(ask(line), "deny workload->workload deny80");
		*none[i] = (struct hf_model_tiers){0};
	}
}

Test(eval, pods_must_send_from_their_own_address)
{
	cr_expect_str_eq(ask("in=cali1 src=10.65.0.3 dst=10.65.0.3 proto=tcp"),
		"deny workload->workload rpf");
	ifaces[POD1].n_sources = 0;
	cr_expect_str_eq(ask(POD_HOST), "deny workload->host rpf");
	cr_expect_str_eq(ask("in=eth0 src=10.65.0.3 dst=192.0.2.10 proto=tcp"),
		"no-decision uplink->host no-endpoint", "only pods' interfaces are checked");
}

Test(eval, a_pod_and_its_host_know_only_the_pods_policy_and_one_setting)
{
	static const struct {
		enum hf_target epha;
		const char *answer;
	} rows[] = {{HF_TARGET_DROP, "deny workload->host epha"},
		{HF_TARGET_ACCEPT, "allow workload->host epha"},
		{HF_TARGET_RETURN, "no-decision workload->host epha"}};
	size_t i;

	set_tiers(&star, HF_CHAIN_NORMAL, deny);
	model.star = &star;
	for (i = 0; i < 3; i++) {
		model.config.epha = rows[i].epha;
		cr_expect_str_eq(ask(POD_HOST "dport=22"), rows[i].answer);
		cr_expect_str_eq(ask(POD_HOST "ct=established"), "allow workload->host conntrack");
		cr_expect_str_eq(ask(POD_HOST "ct=invalid"), "deny workload->host conntrack");
	}
	set_tiers(&pod1, HF_CHAIN_NORMAL, deny80);
	cr_expect_str_eq(ask(POD_HOST "dport=80"), "deny workload->host deny80");
	ifaces[POD1].wep = NULL;
	cr_expect_str_eq(ask(POD_HOST "dport=80"), "deny workload->host no-endpoint");
}

Test(eval, the_host_reaches_its_pods_unpoliced)
{
	set_tiers(&star, HF_CHAIN_NORMAL, deny);
	model.star = &star;
	pod1.n_profiles = 0;
	cr_expect_str_eq(ask("src=192.0.2.10 dst=10.65.0.2 proto=tcp"),
		"no-decision host->workload host-to-workload");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=30001"),
		"no-decision host->workload host-to-workload");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=10.65.0.2 proto=tcp dnat=198.51.100.7:80"),
		"deny host->remote deny", "rewritten to somewhere else");
}

Test(eval, the_first_backend_counts_and_the_packets_own_word_more)
{
	cr_expect_str_eq(ask(TO_HOST "dport=30001"), "allow uplink->workload allow");
	pod2.n_profiles = 0;
	cr_expect_str_eq(ask(TO_HOST "dport=30001"), "allow uplink->workload allow");
	pod1.n_profiles = 0;
	cr_expect_str_eq(ask(TO_HOST "dport=30001"), "deny uplink->workload no-profile");
	cr_expect_str_eq(ask(TO_HOST "dport=30001 dnat=198.18.5.5:1"),
		"no-decision uplink->remote no-endpoint");
	dnats[0].n_to = 0;
	cr_expect_str_eq(ask(TO_HOST "dport=30001"), "no-decision uplink->host no-endpoint");
}

Test(eval, a_floating_address_keeps_the_port)
{
	set_tiers(&pod2, HF_CHAIN_NORMAL, allow80);
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=192.0.2.99 proto=tcp dport=80"),
		"allow uplink->workload allow80");
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=192.0.2.99 proto=tcp dport=81"),
		"deny uplink->workload tier-default:t");
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=9.9.9.9 proto=tcp dport=80 dnat=10.65.0.3:0"),
		"allow uplink->workload allow80");
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=9.9.9.9 proto=icmp type=8 dnat=10.65.0.3:80"),
		"deny uplink->workload tier-default:t", "ICMP gets no port by being rewritten");
}

Test(eval, policy_before_dnat_sees_the_wire_and_policy_after_it_the_backend)
{
	set_tiers(&hep, HF_CHAIN_PREDNAT, deny80);
	set_tiers(&hep, HF_CHAIN_FORWARD, allow80);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(
		ask(TO_HOST "dport=8000 dnat=198.18.5.5:80"), "allow uplink->remote allow80");
	cr_expect_str_eq(
		ask(TO_HOST "dport=80 dnat=198.18.5.5:8000"), "deny uplink->remote deny80");
	cr_expect_str_eq(ask(TO_HOST "dport=8000 dnat=198.18.5.5:8001"),
		"deny uplink->remote tier-default:t");
}

Test(eval, out_overrides_the_route)
{
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask(FROM_HOST), "deny host->remote no-profile");
	cr_expect_str_eq(ask("out=eth1 " FROM_HOST), "no-decision host->remote no-endpoint");
	cr_expect_str_eq(ask("out=cali1 " FROM_HOST), "no-decision host->remote host-to-workload");
	set_tiers(&hep, HF_CHAIN_UNTRACKED, deny);
	cr_expect_str_eq(ask("out=eth1 " FROM_HOST), "no-decision host->remote no-endpoint");
	cr_expect_str_eq(ask("out=eth1 " FROM_HOST "dnat=198.18.5.5:1"), "deny host->remote deny",
		"the raw table still sees the route before DNAT");
}

Test(eval, what_the_host_sends_itself_goes_out_and_in)
{
	set_tiers(&star, HF_CHAIN_NORMAL, allow80);
	model.star = &star;
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=80"),
		"allow host->host allow80");
	set_tiers(&star, HF_CHAIN_PREDNAT, deny80);
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=80"),
		"deny host->host deny80", "denied on the way in");
	star.tiers[HF_CHAIN_PREDNAT] = (struct hf_model_tiers){0};
	star.tiers[HF_CHAIN_NORMAL] = (struct hf_model_tiers){1, ingress_allow};
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=80"),
		"deny host->host no-profile", "denied on the way out");
	cr_expect_str_eq(ask("in=lo src=192.0.2.10 dst=192.0.2.10 proto=tcp dport=80"),
		"allow host->host allow", "the way in alone");
}

Test(eval, untracked_accept_on_the_way_out_by_lo_does_not_hold_on_the_way_in)
{
	static const struct hf_model_tier egress_allow[] = {
		{.name = "t", .origin = "tier-default:t", .out = LIST(allow_policy)}};

	set_tiers(&hep, HF_CHAIN_UNTRACKED, egress_allow);
	ifaces[LO].hep = &hep;
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp"), "deny host->host no-profile");
	hep.n_profiles = 1;
	hep.profiles = open_list;
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp ct=invalid"),
		"allow host->host allow", "but it stays untracked");
}

Test(eval, the_way_in_over_lo_sees_what_dnat_made)
{
	set_tiers(&hep, HF_CHAIN_PREDNAT, deny80);
	hep.n_profiles = 1;
	hep.profiles = open_list;
	ifaces[LO].hep = &hep;
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=10.96.0.1 proto=tcp dport=8000 dnat=192.0.2.10:80"),
		"deny host->host deny80");
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=10.96.0.1 proto=tcp dport=80 dnat=192.0.2.10:8000"),
		"allow host->host allow");
}

Test(eval, lo_need_not_be_named)
{
	model.star = &star;
	(void)snprintf(ifaces[LO].id.name, sizeof(ifaces[LO].id.name), "dummy0");
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=192.0.2.10 proto=tcp"), "deny host->host no-profile");
	cr_expect_eq(refused("in=lo src=192.0.2.10 dst=192.0.2.10 proto=tcp"), -ENOENT);
}

Test(eval, multicast_of_the_host_leaves_by_the_default_route)
{
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=224.0.0.5 proto=89"), "deny host->host no-profile");
	cr_expect_str_eq(ask("out=eth1 src=192.0.2.10 dst=224.0.0.5 proto=89"),
		"no-decision host->host no-endpoint");
	model.n_dests = 5; /* no default route at all */
	dests[4] = (struct hf_dest){net("224.0.0.0/24"), HF_CLASS_HOST, HF_IF_HOST};
	dests[5] = (struct hf_dest){net("::/0"), HF_CLASS_REMOTE, ETH0};
	model.n_dests = 6;
	cr_expect_str_eq(
		ask("src=192.0.2.10 dst=224.0.0.5 proto=89"), "no-decision host->host no-endpoint");
}

Test(eval, tunnels_of_peers_pass_before_any_endpoint_and_those_of_strangers_do_not)
{
	model.config.peers = 0;
	ifaces[ETH0].hep = &hep;
	set_tiers(&hep, HF_CHAIN_NORMAL, deny);
	cr_expect_str_eq(ask("in=eth0 src=192.0.2.20 dst=192.0.2.10 proto=4"),
		"deny uplink->host deny", "off");
	model.config.ipip = model.config.vxlan = true;
	cr_expect_str_eq(
		ask("in=eth0 src=192.0.2.20 dst=192.0.2.10 proto=4"), "allow uplink->host encap");
	cr_expect_str_eq(
		ask("in=eth1 src=192.0.2.21 dst=192.0.2.10 proto=4"), "deny uplink->host encap");
	cr_expect_str_eq(ask("in=eth1 src=192.0.2.20 dst=224.0.0.5 proto=4"),
		"deny uplink->host encap", "IPIP: not to a local address");
	cr_expect_str_eq(ask("in=eth1 src=192.0.2.20 dst=224.0.0.5 proto=udp dport=4789"),
		"no-decision uplink->host no-endpoint", "VXLAN: only to a local address");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.20 proto=udp dport=4789"),
		"allow host->remote encap");
	cr_expect_str_eq(ask("src=192.0.2.11 dst=192.0.2.20 proto=udp dport=4789"),
		"deny host->remote deny", "not from an address of this host");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=192.0.2.20 proto=tcp dport=4789"),
		"deny host->remote deny");
	model.config.peers = HF_NO_SET;
	cr_expect_str_eq(
		ask("in=eth0 src=192.0.2.20 dst=192.0.2.10 proto=4"), "deny uplink->host encap");
}

Test(eval, raw_and_mangle_come_before_the_tunnel_rules)
{
	model.config.peers = 0;
	model.config.vxlan = true;
	set_tiers(&hep, HF_CHAIN_PREDNAT, deny);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask("in=eth0 src=192.0.2.20 dst=192.0.2.10 proto=udp dport=4789"),
		"deny uplink->host deny");
	cr_expect_str_eq(
		ask("in=eth0 src=192.0.2.20 dst=192.0.2.10 proto=udp dport=4789 ct=established"),
		"deny uplink->host deny", "VXLAN is never established");
}

Test(eval, only_vxlan_that_is_on_goes_untracked)
{
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(
		ask("in=eth0 src=1.1.1.1 dst=192.0.2.10 proto=udp dport=4789 ct=established"),
		"allow uplink->host conntrack");
	model.config.vxlan6 = true;
	cr_expect_str_eq(ask("src=192.0.2.10 dst=1.1.1.1 proto=udp dport=4789 ct=established"),
		"allow host->remote conntrack", "on for IPv6 only");
	model.config.vxlan = true;
	cr_expect_str_eq(ask(TO_HOST "dport=4789 ct=established"), "allow uplink->host conntrack");
	cr_expect_str_eq(
		ask("in=eth0 src=1.1.1.1 dst=192.0.2.10 proto=udp dport=4790 ct=established"),
		"allow uplink->host conntrack");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=1.1.1.1 proto=udp dport=4789 ct=established"),
		"deny host->remote no-profile");
}

Test(eval, wireguard_has_a_port_per_family)
{
	ifaces[ETH0].hep = &hep;
	model.config.wireguard = true;
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=192.0.2.10 proto=udp dport=51820"),
		"allow uplink->host encap");
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=192.0.2.10 proto=udp dport=51821"),
		"deny uplink->host no-profile");
	cr_expect_str_eq(ask("src=192.0.2.10 dst=1.1.1.1 proto=udp dport=51820"),
		"allow host->remote encap");
	model.config.wireguard = false;
	model.config.wireguard6 = true;
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=192.0.2.10 proto=udp dport=51820"),
		"deny uplink->host no-profile");
}

Test(eval, service_addresses_nobody_rewrites_are_cut)
{
	model.config.service_nets = 1;
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=10.96.0.9 proto=tcp"),
		"no-decision uplink->remote no-endpoint", "the guard is off");
	model.config.loop_guard = true;
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=10.96.0.9 proto=tcp"),
		"deny uplink->remote service-loop");
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=9.9.9.9 proto=tcp dnat=10.96.0.9:1"),
		"no-decision uplink->remote no-endpoint", "rewritten");
	set_tiers(&hep, HF_CHAIN_UNTRACKED, allow);
	ifaces[ETH0].hep = &hep;
	cr_expect_str_eq(ask("in=eth0 src=1.1.1.1 dst=10.96.0.9 proto=tcp out=eth1"),
		"deny uplink->remote service-loop", "accepted or not");
	cr_expect_str_eq(ask("in=eth1 src=1.1.1.1 dst=10.96.0.9 proto=tcp ct=established"),
		"allow uplink->remote conntrack");
}

Test(eval, allow_action_return_leaves_what_the_filter_table_accepts_to_the_host)
{
	hep.n_profiles = 1;
	hep.profiles = open_list;
	ifaces[ETH0].hep = &hep;
	model.config.filter_return = true;
	model.config.epha = HF_TARGET_ACCEPT;
	cr_expect_str_eq(ask(TO_HOST), "no-decision uplink->host allow");
	cr_expect_str_eq(ask(TO_ETH1), "no-decision uplink->remote forward-default");
	cr_expect_str_eq(ask(FROM_HOST), "no-decision host->remote allow");
	cr_expect_str_eq(ask(FROM_HOST "dnat=203.0.113.1:1"), "allow host->remote allow",
		"accepted by the mangle table");
	cr_expect_str_eq(ask(POD_HOST), "allow workload->host epha");
	cr_expect_str_eq(ask(TO_HOST "ct=established"), "no-decision uplink->host conntrack");
	set_tiers(&hep, HF_CHAIN_UNTRACKED, allow);
	cr_expect_str_eq(ask(TO_HOST), "no-decision uplink->host allow");
	cr_expect_str_eq(ask(FROM_HOST), "no-decision host->remote allow");
}

static void add_step(void *arg, const char *step)
{
	strcat(arg, step);
	strcat(arg, "\n");
}

Test(eval, steps_are_told_in_order)
{
	struct hf_packet pkt = packet(TO_POD "dport=80");
	struct hf_ref_result r;
	char steps[2048] = "";

	set_tiers(&hep, HF_CHAIN_PREDNAT, deny);
	hep.tiers[HF_CHAIN_PREDNAT].v = ingress_allow;
	ifaces[ETH0].hep = &hep;
	cr_assert_eq(hf_ref_eval(&model, &pkt, add_step, steps, &r, NULL), 0);
	cr_expect_str_eq(steps, "path: uplink->workload, in by eth0, out by cali1\n"
				"raw prerouting: eth0 has no untracked policy\n"
				"preDNAT ingress of hep hep: t: a rule 0: allow\n"
				"normal ingress of pod default/one: profile: open rule 0: allow\n");
}
