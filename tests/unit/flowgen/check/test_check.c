/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/check.h>

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/nic.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(check);

#define FACTS                                                                                      \
	"apiVersion: hepflow/v1\n"                                                                 \
	"kind: HostFacts\n"                                                                        \
	"metadata: {name: n0}\n"                                                                   \
	"spec:\n"                                                                                  \
	"  interfaces:\n"                                                                          \
	"    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"                      \
	"  dnat:\n"                                                                                \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30001,\n"                                       \
	"       to: ['198.51.100.1:3000', '192.0.2.10:3000']}\n"
#define DOC "---\napiVersion: projectcalico.org/v3\n"
#define HEP                                                                                        \
	DOC "kind: HostEndpoint\nmetadata: {name: eth0, labels: {host: n0}}\n"                     \
	    "spec: {node: n0, interfaceName: eth0}\n"
/* Untracked: whatever the state, tcp 3000 is dropped. */
#define FAILSAFE_DENY_3000                                                                         \
	DOC "kind: GlobalNetworkPolicy\nmetadata: {name: deny}\n"                                  \
	    "spec: {selector: has(host), doNotTrack: true, applyOnForward: true,\n"                \
	    "  ingress: [{action: Deny, protocol: TCP, destination: {ports: [3000]}}]}\n"
#define NO_FAILSAFES                                                                               \
	DOC "kind: FelixConfiguration\nmetadata: {name: default}\n"                                \
	    "spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}\n"
#define DENY_3000 FAILSAFE_DENY_3000 NO_FAILSAFES
#define DENY_3001                                                                                  \
	NO_FAILSAFES DOC                                                                           \
		"kind: GlobalNetworkPolicy\nmetadata: {name: deny}\n"                              \
		"spec: {selector: has(host), doNotTrack: true, applyOnForward: true,\n"            \
		"  ingress: [{action: Deny, protocol: TCP, destination: {ports: [3001]}}]}\n"

struct host {
	struct hf_model *model;
	struct hf_nic *nic;
};

static void setup(struct host *h, const char *profile, const char *text)
{
	struct hf_model_opts opts = {0};
	struct hf_policy *policy;
	struct hf_err err = {0};

	cr_assert_eq(hf_policy_new(&policy, &err), 0, "%s", err.text);
	cr_assert_eq(
		hf_policy_read_text(policy, "test", text, strlen(text), &err), 0, "%s", err.text);
	cr_assert_eq(hf_model_build(policy, &opts, &h->model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_profile_find(profile, &h->nic, &err), 0, "%s", err.text);
	hf_policy_free(policy);
}

static void teardown(struct host *h)
{
	hf_profile_free(h->nic);
	hf_model_free(h->model);
}

/* "to TCP port 3000, drop", in a table of its own. */
static struct hf_entry drop_port(uint8_t lo)
{
	struct hf_entry e = {.fate = HF_FATE_DENY, .detail = HF_F_MAX_};

	e.match.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
			 HF_LAYER_BIT(HF_LAYER_TCP);
	memcpy(e.match.spec.dport, (uint8_t[]){3000 >> 8, lo}, 2);
	memset(e.match.mask.dport, 0xff, 2);
	return e;
}

static struct hf_check run(
	const struct host *h, const struct hf_entry *entries, size_t n, size_t max_nodes)
{
	struct hf_check_view view = {h->nic, "eth0", 2, n, entries, false};
	struct hf_check_opts opts = {.max_nodes = max_nodes};
	struct hf_check check;
	struct hf_err err = {0};

	cr_assert_eq(hf_check_plan(h->model, &view, &opts, &check, &err), 0, "%s", err.text);
	return check;
}

Test(check, right_entries_are_proven)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	cr_expect(check.reached[0]);
	hf_check_fini(&check);
	teardown(&h);
}

/* docs/semantics.md 6: answers to the host's own failsafe connections, by their source port. */
Test(check, a_failsafe_port_is_found)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP FAILSAFE_DENY_3000);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.wrong.pkt.sport, 179);
	hf_check_fini(&check);
	teardown(&h);
}

Test(check, a_port_off_by_one_is_refuted_by_that_port)
{
	struct hf_entry e = drop_port(3001 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.wrong.pkt.dport, 3001);
	cr_expect_eq(check.wrong.pkt.proto, HF_PROTO_TCP);
	cr_expect_eq(check.wrong.fate, HF_FATE_DENY);
	cr_expect_eq(check.wrong.verdict, HF_VERDICT_ALLOW);
	cr_expect_eq(check.wrong.entry, 0);
	hf_check_fini(&check);
	teardown(&h);
}

static enum hf_check_answer answer_on(
	const char *profile, const char *text, const struct hf_entry *e, struct hf_check_wrong *ret)
{
	enum hf_check_answer answer;
	struct hf_check check;
	struct host h;

	setup(&h, profile, text);
	check = run(&h, e, 1, 0);
	*ret = check.wrong;
	answer = check.answer;
	hf_check_fini(&check);
	teardown(&h);
	return answer;
}

/* ice takes the prefix and leaves the whole address out (hw-profiles/ice-e810.yaml). */
Test(check, a_field_that_a_driver_drops_is_not_matched)
{
	static const char text[] = FACTS HEP NO_FAILSAFES DOC
		"kind: GlobalNetworkPolicy\nmetadata: {name: deny}\n"
		"spec: {selector: has(host), doNotTrack: true, applyOnForward: true, ingress:\n"
		"  [{action: Deny, protocol: TCP, source: {nets: ['2001:db8:77::/48']},\n"
		"    destination: {ports: [3000]}}]}\n";
	static const uint8_t net[6] = {0x20, 0x01, 0x0d, 0xb8, 0x00, 0x77};
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check_wrong wrong;

	e.match.layers ^= HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6);
	memcpy(e.match.spec.ip_src, net, sizeof(net));
	memset(e.match.mask.ip_src, 0xff, sizeof(net));
	cr_expect_eq(answer_on("mlx5-cx6dx", text, &e, &wrong), HF_CHECK_PROVEN);
	cr_assert_eq(answer_on("ice-e810-fdir", text, &e, &wrong), HF_CHECK_REFUTED);
	cr_expect_neq(memcmp(wrong.pkt.src.b, net, sizeof(net)), 0);
	cr_expect_eq(wrong.pkt.dport, 3000);
	memset(e.match.mask.ip_src, 0xff, 16); /* as a whole it is matched */
	cr_expect_eq(answer_on("ice-e810-fdir", text, &e, &wrong), HF_CHECK_PROVEN);
}

/* i40e has one input set for a packet type: it refuses one of these, and nobody says which. */
Test(check, what_a_driver_may_refuse_may_be_missing)
{
	struct hf_entry v[2] = {drop_port(3000 & 0xff), drop_port(3000 & 0xff)};
	struct hf_check check;
	struct host h;
	double punted;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	check = run(&h, v, 2, 0);
	punted = check.family[0].share[HF_CLASS_HOST].punted;
	cr_expect_lt(punted, 1);
	hf_check_fini(&check);
	memcpy(v[1].match.spec.sport, (uint8_t[]){0, 7}, 2);
	memset(v[1].match.mask.sport, 0xff, 2);
	check = run(&h, v, 2, 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	punted = check.family[0].share[HF_CLASS_HOST].punted;
	cr_expect_geq(punted, 1);
	hf_check_fini(&check);
	teardown(&h);
}

/* A port drops it; the manager of an e-switch gets it. */
Test(check, what_a_later_table_has_no_entry_for_is_lost_on_a_port)
{
	struct hf_entry v[2] = {{.match.layers = HF_LAYER_BIT(HF_LAYER_ETH),
					.fate = HF_FATE_JUMP,
					.jump = 1,
					.detail = HF_F_MAX_},
		drop_port(3000 & 0xff)};
	struct hf_check_view view = {NULL, "eth0", 2, 2, v, false, {false, 0, 0}};
	struct hf_check_opts opts = {0};
	struct hf_check check;
	struct host h;

	v[1].table = 1;
	setup(&h, "mlx5-cx6dx-esw", FACTS HEP DENY_3000);
	view.nic = h.nic;
	cr_assert_eq(hf_check_plan(h.model, &view, &opts, &check, NULL), 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.wrong.entry, SIZE_MAX);
	cr_expect_eq(check.wrong.fate, HF_FATE_DENY);
	hf_check_fini(&check);
	view.eswitch = (struct hf_eswitch){true, 3, 4};
	cr_assert_eq(hf_check_plan(h.model, &view, &opts, &check, NULL), 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	cr_expect(check.reached[1]);
	hf_check_fini(&check);
	/* Nothing that comes from the wire is let in by this one. */
	v[0].match.layers |= HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT);
	memset(v[0].match.mask.represented_port, 0xff, 2);
	v[0].match.spec.represented_port[1] = 4;
	cr_assert_eq(hf_check_plan(h.model, &view, &opts, &check, NULL), 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	cr_expect_not(check.reached[1]);
	hf_check_fini(&check);
	teardown(&h);
}

/* To the host's own address nothing is allowed there, but connections that are open go on. */
Test(check, a_tracked_deny_needs_packets_that_open)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "mlx5-cx6dx", FACTS HEP);
	memcpy(e.match.spec.ip_dst, (uint8_t[]){192, 0, 2, 10}, 4);
	memset(e.match.mask.ip_dst, 0xff, 4);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.wrong.pkt.ct, HF_CT_ESTABLISHED);
	hf_check_fini(&check);
	e.match.spec.tcp_flags = HF_TCP_SYN;
	e.match.mask.tcp_flags = HF_TCP_SYN | HF_TCP_ACK;
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	hf_check_fini(&check);
	teardown(&h);
}

/* One backend is forwarded and allowed, the other is the host itself, which denies. */
Test(check, backends_that_differ_must_be_punted)
{
	static const enum hf_fate fates[] = {HF_FATE_ALLOW, HF_FATE_DENY};
	struct hf_entry e = drop_port(30001 & 0xff);
	struct hf_check check;
	struct host h;
	size_t i;

	setup(&h, "mlx5-cx6dx", FACTS HEP);
	e.match.spec.dport[0] = 30001 >> 8;
	memcpy(e.match.spec.ip_dst, (uint8_t[]){192, 0, 2, 10}, 4);
	memset(e.match.mask.ip_dst, 0xff, 4);
	e.match.spec.tcp_flags = HF_TCP_SYN;
	e.match.mask.tcp_flags = HF_TCP_SYN | HF_TCP_ACK;
	for (i = 0; i < 2; i++) {
		e.fate = fates[i];
		check = run(&h, &e, 1, 0);
		cr_expect_eq(check.answer, HF_CHECK_REFUTED);
		cr_expect_eq(check.wrong.pkt.dport, 30001);
		hf_check_fini(&check);
	}
	teardown(&h);
}

/* What the protocol field of IPv6 shows may be an extension header's number (RFC 8200, 4.1). */
Test(check, extension_headers_hide_the_protocol)
{
	struct hf_entry e = {.fate = HF_FATE_ALLOW, .detail = HF_F_MAX_};
	struct hf_check check;
	struct host h;

	setup(&h, "mlx5-cx6dx", FACTS HEP DENY_3000);
	e.match.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV6);
	e.match.spec.ip_proto = 60;
	e.match.mask.ip_proto = 0xff;
	memset(e.match.spec.ip_dst, 0x20, 1); /* forwarded: allowed but for untracked policy */
	memset(e.match.mask.ip_dst, 0xff, 1);
	memset(&e.match.spec.ip_dst[1], 0x02, 1);
	memset(&e.match.mask.ip_dst[1], 0xff, 1);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect(check.wrong.has_ext);
	cr_expect_eq(check.wrong.extension, 60);
	cr_expect_eq(check.wrong.pkt.dport, 3000);
	hf_check_fini(&check);
	teardown(&h);
}

Test(check, an_engine_without_order_may_do_either)
{
	struct hf_entry two[] = {drop_port(3000 & 0xff), drop_port(3000 & 0xff)};
	struct hf_check check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	two[1].fate = HF_FATE_ALLOW;
	check = run(&h, two, 2, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.wrong.entry, 1);
	hf_check_fini(&check);
	teardown(&h);
	setup(&h, "mlx5-cx6dx", FACTS HEP DENY_3000);
	two[1].priority = 1;
	check = run(&h, two, 2, 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN, "the first is stronger there");
	cr_expect_not(check.reached[1]);
	hf_check_fini(&check);
	teardown(&h);
}

Test(check, without_room_the_answer_is_undecided)
{
	struct hf_entry e = drop_port(3001 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	check = run(&h, &e, 1, 1000);
	cr_expect_eq(check.answer, HF_CHECK_UNDECIDED);
	hf_check_fini(&check);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED, "the next one starts afresh");
	hf_check_fini(&check);
	teardown(&h);
}

Test(check, a_tag_of_a_vlan_interface_is_not_this_uplinks)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check check;
	struct host h;

	setup(&h, "mlx5-cx6dx",
		"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\n"
		"spec: {interfaces: [{name: eth0}, {name: eth0.7, addresses: "
		"[192.0.2.9/24]}]}\n" HEP DENY_3000);
	check = run(&h, &e, 1, 0);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect(check.wrong.foreign_tag);
	cr_expect_neq(check.wrong.pkt.vlan, 0);
	hf_check_fini(&check);
	teardown(&h);
}

static int refused(const struct host *h, const struct hf_check_view *view)
{
	struct hf_check_opts opts = {0};
	struct hf_check check;
	struct hf_err err = {0};
	int rc = hf_check_plan(h->model, view, &opts, &check, &err);

	cr_expect(err.text[0]);
	return rc;
}

Test(check, what_is_no_plan_is_refused)
{
	struct hf_entry e = {.table = 1, .fate = HF_FATE_JUMP, .jump = 1};
	struct hf_check_view view = {.iface = "eth0", .n_tables = 2, .n_entries = 1, .entries = &e};
	struct host h;

	setup(&h, "mlx5-cx6dx", FACTS HEP);
	view.nic = h.nic;
	cr_expect_eq(refused(&h, &view), -EINVAL, "a jump that leads nowhere new");
	e.table = 2;
	cr_expect_eq(refused(&h, &view), -EINVAL, "a table that is not there");
	view.iface = "eth9";
	cr_expect_eq(refused(&h, &view), -ENOENT);
	teardown(&h);
}

/* The rules of one policy against the model of another: port 3000 and port 3001. */
static struct hf_check_rules other_rules(const char *model_text, const char *rules_text)
{
	struct hf_check_opts opts = {0};
	struct hf_check_rules check;
	struct hf_rules *rules;
	struct host a, b;

	setup(&a, "none", model_text);
	setup(&b, "none", rules_text);
	cr_assert_eq(hf_rules_build(b.model, &rules, NULL), 0);
	cr_assert_eq(hf_check_rules(a.model, rules, "eth0", &opts, &check, NULL), 0);
	hf_rules_free(rules);
	teardown(&a);
	teardown(&b);
	return check;
}

#define ALLOW(port, state)                                                                         \
	FACTS HEP DOC "kind: GlobalNetworkPolicy\nmetadata: {name: allow}\n"                       \
		      "spec: {selector: has(host), " state "\n"                                    \
		      "  ingress: [{action: Allow, protocol: TCP, destination: {ports: [" port     \
		      "]}}]}\n"

Test(check, rules_of_the_same_policy_are_proven_and_of_another_refuted)
{
	struct hf_check_rules check = other_rules(ALLOW("3000", ""), ALLOW("3000", ""));

	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	check = other_rules(ALLOW("3000", ""), ALLOW("3001", ""));
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_neq(check.policy, check.rules);
	cr_expect(check.pkt.dport == 3000 || check.pkt.dport == 3001);
	cr_expect_eq(check.pkt.ct, HF_CT_NEW);
	/* Both allow a new packet; whether it is tracked is all that differs. */
	check = other_rules(
		ALLOW("3000", ""), ALLOW("3000", "doNotTrack: true, applyOnForward: true,"));
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.rules, HF_VERDICT_ALLOW_UNTRACKED);
}

/* The first backend is denied by both; only the second is forwarded, and there they differ. */
Test(check, rules_are_compared_for_every_backend)
{
	struct hf_check_rules check = other_rules(ALLOW("9", ""),
		ALLOW("9", "") DOC "kind: GlobalNetworkPolicy\nmetadata: {name: f}\n"
				   "spec: {selector: has(host), applyOnForward: true,\n"
				   "  ingress: [{action: Deny, protocol: TCP,\n"
				   "    destination: {nets: [198.51.100.1/32]}},\n"
				   "    {action: Deny, destination: {nets: [192.0.2.10/32]}},\n"
				   "    {action: Allow}]}\n");

	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
}

Test(check, what_the_nic_could_decide_is_listed)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check check;
	struct host h;
	bool found = false;
	size_t i;

	setup(&h, "mlx5-cx6dx", FACTS HEP DENY_3000);
	check = run(&h, NULL, 0, 0);
	for (i = 0; i < check.family[0].n_left; i++) {
		const struct hf_check_left *l = &check.family[0].left[i];

		cr_expect_eq(l->reason, HF_REASON_NONE);
		cr_expect(l->share > 0 && l->share <= 1);
		found |= l->class == HF_CLASS_REMOTE;
	}
	cr_expect(found, "untracked policy and everything forwarded are certain");
	hf_check_fini(&check);
	e.fate = HF_FATE_PUNT;
	e.reason = HF_REASON_CAPACITY;
	check = run(&h, &e, 1, 0);
	for (found = false, i = 0; i < check.family[0].n_left; i++)
		found |= check.family[0].left[i].reason == HF_REASON_CAPACITY;
	cr_expect(found, "the drop it takes the place of");
	hf_check_fini(&check);
	teardown(&h);
	setup(&h, "none", FACTS HEP DENY_3000);
	check = run(&h, NULL, 0, 0);
	cr_expect_eq(check.family[0].n_left + check.family[1].n_left, 0);
	hf_check_fini(&check);
	teardown(&h);
}

static bool at_once(void *arg)
{
	(void)arg;
	return true;
}

Test(check, a_proof_that_is_stopped_is_undecided)
{
	struct hf_entry e = drop_port(3000 & 0xff);
	struct hf_check_opts opts = {.stop = at_once};
	struct hf_check_rules rules_check;
	struct hf_check check;
	struct hf_rules *rules;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	{
		struct hf_check_view view = {h.nic, "eth0", 2, 1, &e, false};

		cr_assert_eq(hf_check_plan(h.model, &view, &opts, &check, NULL), 0);
	}
	cr_expect_eq(check.answer, HF_CHECK_UNDECIDED);
	cr_expect_eq(check.limit, HF_CHECK_LIMIT_STOP);
	hf_check_fini(&check);
	cr_assert_eq(hf_rules_build(h.model, &rules, NULL), 0);
	cr_assert_eq(hf_check_rules(h.model, rules, "eth0", &opts, &rules_check, NULL), 0);
	cr_expect_eq(rules_check.answer, HF_CHECK_UNDECIDED);
	cr_expect_eq(rules_check.limit, HF_CHECK_LIMIT_STOP);
	hf_rules_free(rules);
	teardown(&h);
}

static struct hf_check_steps walk(const struct host *before, const struct host *after,
	const struct hf_entry *from, const struct hf_check_step *steps, size_t n)
{
	struct hf_check_plan_steps plan = {{before->nic, "eth0", 2, 1, from, false}, n, steps};
	struct hf_check_opts opts = {0};
	struct hf_check_steps check;
	struct hf_err err = {0};

	cr_assert_eq(hf_check_steps(before->model, after->model, &plan, &opts, &check, &err), 0,
		"%s", err.text);
	return check;
}

Test(check, between_two_policies_either_is_right)
{
	struct hf_entry a = drop_port(3000 & 0xff), b = drop_port(3001 & 0xff);
	const struct hf_check_step steps[] = {{true, b}, {false, a}};
	struct hf_check_steps check;
	struct host old, new;

	setup(&old, "i40e-x710", FACTS HEP DENY_3000);
	setup(&new, "i40e-x710", FACTS HEP DENY_3001);
	check = walk(&old, &new, &a, steps, 2);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	check = walk(&old, &old, &a, steps, 2);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.step, 1);
	cr_expect_eq(check.wrong.pkt.dport, 3001);
	check = walk(&new, &new, &a, steps, 2);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.step, 0, "wrong to begin with");
	teardown(&new);
	teardown(&old);
}

Test(check, one_wrong_step_between_right_ends_is_found)
{
	struct hf_entry a = drop_port(3000 & 0xff), b = drop_port(3001 & 0xff);
	const struct hf_check_step steps[] = {{false, a}, {true, a}, {true, b}, {false, b}};
	struct hf_check_plan_steps plan = {.from = {NULL, "eth0", 2, 0, NULL, false}, .n_steps = 1};
	struct hf_check_opts opts = {0};
	struct hf_check_steps check;
	struct host h;

	setup(&h, "i40e-x710", FACTS HEP DENY_3000);
	check = walk(&h, &h, &a, steps, 4);
	cr_expect_eq(check.answer, HF_CHECK_REFUTED);
	cr_expect_eq(check.step, 3);
	cr_expect_eq(check.wrong.fate, HF_FATE_DENY);
	cr_expect_eq(check.entry.match.spec.dport[1], 3001 & 0xff);
	plan.from.nic = h.nic;
	plan.steps = steps;
	cr_expect_eq(hf_check_steps(h.model, h.model, &plan, &opts, &check, NULL), -EINVAL,
		"it is not there");
	teardown(&h);
}

/* Two rules take between them all that a third is for; a fourth is for one port more. */
Test(check, a_rule_that_several_in_front_cover_is_met_by_nothing)
{
	static const char text[] = FACTS HEP DOC
		"kind: GlobalNetworkPolicy\nmetadata: {name: halves}\n"
		"spec: {selector: has(host), ingress: [\n"
		"  {action: Allow, protocol: TCP, destination: {ports: ['1:1000']}},\n"
		"  {action: Deny, protocol: TCP, destination: {ports: ['900:2000']}},\n"
		"  {action: Allow, protocol: TCP, destination: {ports: ['500:1500']}},\n"
		"  {action: Allow, protocol: TCP, destination: {ports: ['500:2001']}}]}\n";
	static const struct {
		const char *origin;
		enum hf_check_meet meet;
	} want[] = {{"default/gnp:halves/ingress/0", HF_CHECK_MET},
		{"default/gnp:halves/ingress/1", HF_CHECK_MET},
		{"default/gnp:halves/ingress/2", HF_CHECK_UNMET},
		{"default/gnp:halves/ingress/3", HF_CHECK_MET}};
	struct hf_check_opts opts = {0};
	struct hf_check_rules check;
	struct hf_rules *rules;
	struct host h;
	size_t i, k, found = 0;

	setup(&h, "none", text);
	cr_assert_eq(hf_rules_build(h.model, &rules, NULL), 0);
	opts.meets = calloc(hf_rules_n_origins(rules) + 1, sizeof(*opts.meets));
	cr_assert_not_null(opts.meets);
	cr_assert_eq(hf_check_rules(h.model, rules, "eth0", &opts, &check, NULL), 0);
	cr_expect_eq(check.answer, HF_CHECK_PROVEN);
	for (i = 0; i < hf_rules_n_origins(rules); i++) {
		for (k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
			if (strcmp(hf_rules_origin(rules, i), want[k].origin) != 0)
				continue;
			found++;
			cr_expect_eq(opts.meets[i], want[k].meet, "%s", want[k].origin);
		}
	}
	cr_expect_eq(found, sizeof(want) / sizeof(want[0]));
	free(opts.meets);
	hf_rules_free(rules);
	teardown(&h);
}
