/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/soft.h>

#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <hf_test_eal.h>

#include <rte_mbuf.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

/*
 * n0: eth0 and eth0.100 outside, pods A (cali0, 10.65.0.2) and B (cali1, 10.65.0.3) on wires, C
 * (cali2, 10.65.0.4) without one. The host endpoint eth0 lets tcp 80 in and tcp 443 out and
 * forwards all but tcp 3000.
 */
#define FACTS(kernel)                                                                              \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces:\n"                                                                          \
	"    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"                      \
	"    - {name: eth0.100, addresses: [203.0.113.10/24]}\n"                                   \
	"    - {name: tunl0}\n"                                                                    \
	"    - {name: cali0}\n    - {name: cali1}\n    - {name: cali2}\n"                          \
	"  routes:\n"                                                                              \
	"    - {dst: 0.0.0.0/0, dev: eth0}\n    - {dst: '::/0', dev: eth0}\n"                      \
	"    - {dst: 10.65.1.0/24, dev: tunl0}\n"                                                  \
	"  dnat:\n"                                                                                \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000']}\n"               \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30002, to: ['10.65.0.2:4000']}\n"               \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30003,"                                         \
	" to: ['10.65.0.2:3000', '10.65.0.3:4000']}\n"                                             \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30004,"                                         \
	" to: ['10.65.0.2:4001', '10.65.0.3:4001']}\n"                                             \
	"    - {proto: tcp, dst: 192.0.2.10, port: 30005,"                                         \
	" to: ['10.65.0.2:3000', '10.65.0.3:3000']}\n"                                             \
	"  kernelPolicy: {input: accept, output: accept, forward: " kernel "}\n"

#define POD(name, iface, addr)                                                                     \
	"---\napiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n"                          \
	"metadata: {name: n0-k8s-" name "-eth0, namespace: ns, labels: {pod: " name "}}\n"         \
	"spec: {node: n0, orchestrator: k8s, pod: " name ", endpoint: eth0, interfaceName: " iface \
	", ipNetworks: [" addr "/32], profiles: [projectcalico-default-allow]}\n"

#define PODS                                                                                       \
	POD("a", "cali0", "10.65.0.2") POD("b", "cali1", "10.65.0.3") POD("c", "cali2", "10.65.0.4")

#define HEP                                                                                        \
	"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                              \
	"metadata: {name: eth0, labels: {hep: x}}\nspec: {node: n0, interfaceName: eth0}\n"

#define POLICY(name, spec)                                                                         \
	"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"                       \
	"metadata: {name: " name "}\nspec:\n  selector: hep == 'x'\n" spec

#define NORMAL                                                                                     \
	POLICY("normal",                                                                           \
		"  types: [Ingress, Egress]\n"                                                     \
		"  ingress:\n    - {action: Allow, protocol: TCP, destination: {ports: [80]}}\n"   \
		"    - {action: Allow, protocol: UDP, destination: {ports: [80]}}\n"               \
		"  egress:\n    - {action: Allow, protocol: TCP, destination: {ports: [443]}}\n")

#define FORWARD                                                                                    \
	POLICY("forward",                                                                          \
		"  applyOnForward: true\n  types: [Ingress]\n"                                     \
		"  ingress:\n    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}\n"  \
		"    - {action: Allow, destination: {notNets: [192.0.2.10/32]}}\n")

#define UNTRACKED                                                                                  \
	POLICY("raw", "  doNotTrack: true\n  applyOnForward: true\n  types: [Ingress, Egress]\n"   \
		      "  ingress:\n    - {action: Deny, protocol: UDP, source: {ports: [666]}}\n"  \
		      "    - {action: Allow, protocol: UDP, destination: {ports: [7]}}\n"          \
		      "  egress:\n    - {action: Allow, protocol: UDP, source: {ports: [7]}}\n")

#define WORLD FACTS("accept") PODS HEP NORMAL FORWARD

static struct hf_soft *soft;
static struct hf_rules *rules;
static unsigned int eth0, cali0, cali1;
static uint64_t now = 1000 * HZ;

static void init_with(const char *yaml)
{
	struct hf_soft_opts opts = {
		.n_workers = 1,
		.max_conns = 64,
		.max_frags = 16,
		.hz = HZ,
		.socket = SOCKET_ID_ANY,
	};

	cr_assert_eq(hf_soft_new(&opts, &soft, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &eth0, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "cali0", HF_SOFT_WORKLOAD, &cali0, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "cali1", HF_SOFT_WORKLOAD, &cali1, NULL), 0);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	rules = make_rules(yaml);
	cr_assert_eq(hf_soft_publish(soft, rules, NULL), 0);
}

static void fini(void)
{
	if (soft)
		hf_soft_worker_stop(soft, 0);
	hf_soft_free(soft);
	hf_rules_free(rules);
	mbufs_fini();
	hf_test_fini();
}

TestSuite(path, .init = hf_test_eal_init, .fini = fini);

/* Sends one packet and says under which reason, exactly one, it was counted. */
static enum hf_soft_reason send_mbuf(unsigned int wire, enum hf_soft_dir dir, struct rte_mbuf *m)
{
	struct hf_soft_count before[HF_SOFT_N_REASONS];
	enum hf_soft_reason r, found = HF_SOFT_N_REASONS;
	unsigned int in_use = mbufs_in_use();
	uint32_t bytes = rte_pktmbuf_pkt_len(m), segs = m->nb_segs;
	uint16_t n;

	for (r = 0; r < HF_SOFT_N_REASONS; r++)
		before[r] = hf_soft_count_reason(soft, r);
	n = hf_soft_burst(soft, 0, wire, dir, &m, 1, now);
	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		struct hf_soft_count c = hf_soft_count_reason(soft, r);

		if (c.packets == before[r].packets)
			continue;
		cr_assert_eq(found, HF_SOFT_N_REASONS, "counted twice");
		cr_assert_eq(c.packets, before[r].packets + 1);
		cr_assert_eq(c.bytes, before[r].bytes + bytes);
		found = r;
	}
	cr_assert_neq(found, HF_SOFT_N_REASONS, "not counted");
	cr_assert_eq(n, hf_soft_reason_passes(found), "%s", hf_soft_reason_name(found));
	if (n)
		rte_pktmbuf_free(m);
	cr_assert_eq(mbufs_in_use(), in_use - segs, "%s: freed", hf_soft_reason_name(found));
	return found;
}

static enum hf_soft_reason send_with(
	unsigned int wire, enum hf_soft_dir dir, const char *line, const struct frame_opts *opts)
{
	return send_mbuf(wire, dir, line_mbuf(line, opts));
}

static void check_at(int at, unsigned int wire, enum hf_soft_dir dir, const char *line,
	const struct frame_opts *opts, enum hf_soft_reason want)
{
	enum hf_soft_reason got = send_with(wire, dir, line, opts);

	cr_expect_eq(got, want, "line %d: %s: %s, not %s", at, line, hf_soft_reason_name(got),
		hf_soft_reason_name(want));
}

#define IN(wire, line, want)  check_at(__LINE__, wire, HF_SOFT_IN, line, NULL, want)
#define OUT(wire, line, want) check_at(__LINE__, wire, HF_SOFT_OUT, line, NULL, want)

#define CLIENT		      "198.51.100.7"
#define TO_HOST(rest)	      "src=" CLIENT " dst=192.0.2.10 sport=5000 " rest
#define FROM_HOST(rest)	      "src=192.0.2.10 dst=" CLIENT " dport=5000 " rest

Test(path, without_rules_no_ip_passes)
{
	struct hf_soft_opts opts = {
		.n_workers = 1, .max_conns = 64, .hz = HZ, .socket = SOCKET_ID_ANY};
	uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};

	cr_assert_eq(hf_soft_new(&opts, &soft, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &eth0, NULL), 0);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_NO_RULES);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(arp, 60, 60)), HF_SOFT_NOT_IP);
}

Test(path, service_of_the_host)
{
	init_with(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=81"), HF_SOFT_DENY);
	IN(eth0, TO_HOST("proto=tcp dport=22"), HF_SOFT_ALLOW);
	IN(eth0, "src=2001:db8::7 dst=2001:db8::10 sport=5 proto=tcp dport=80", HF_SOFT_ALLOW);
	IN(eth0, "src=2001:db8::7 dst=2001:db8::10 sport=5 proto=tcp dport=81", HF_SOFT_DENY);
}

Test(path, new_packets_are_judged_until_answered)
{
	init_with(WORLD);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=udp sport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
}

/* A reply that the kernel has given the host's address back is not made by the host. */
Test(path, replies_of_services_are_not_the_hosts)
{
	init_with(WORLD UNTRACKED POLICY("raw-out",
		"  order: 1\n  doNotTrack: true\n  applyOnForward: true\n  types: [Egress]\n"
		"  egress:\n    - {action: Deny, protocol: TCP, source: {ports: [30002, 80]}}\n"));
	IN(eth0, TO_HOST("proto=tcp dport=30002"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("sport=30002 proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("sport=80 proto=tcp flags=SA"), HF_SOFT_DENY);
}

Test(path, clients_of_the_host)
{
	init_with(WORLD);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=1000 dport=443 proto=tcp", HF_SOFT_ALLOW);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=443 dport=1000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=1000 dport=444 proto=tcp", HF_SOFT_DENY);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=444 dport=1000 proto=tcp flags=SA",
		HF_SOFT_DENY);
	OUT(eth0, "src=0.0.0.0 dst=255.255.255.255 sport=68 dport=67 proto=udp", HF_SOFT_ALLOW);
	OUT(eth0, "src=0.0.0.0 dst=255.255.255.255 sport=68 dport=69 proto=udp", HF_SOFT_DENY);
	/* Joined here, and yet outside when it leaves. */
	OUT(eth0, "src=192.0.2.10 dst=224.0.0.5 proto=89", HF_SOFT_DENY);
	OUT(eth0, "src=fe80::1 dst=ff02::5 proto=89", HF_SOFT_DENY);
}

Test(path, invalid_packets_are_for_the_rules)
{
	init_with(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=SA"), HF_SOFT_DENY);
	IN(eth0, TO_HOST("proto=tcp dport=22 flags=R"), HF_SOFT_DENY);
	/* No endpoint, no opinion. */
	IN(eth0, "src=203.0.113.7 dst=203.0.113.10 vlan=100 proto=tcp dport=22 flags=R",
		HF_SOFT_KERNEL_ALLOW);
}

Test(path, icmp_errors_of_known_connections_pass)
{
	struct hf_packet quoted =
		packet("src=192.0.2.10 dst=" CLIENT " sport=1000 dport=443 proto=tcp");
	struct frame_opts o = {.quoted = &quoted};
	const char *error = "src=203.0.113.1 dst=192.0.2.10 proto=icmp type=3 code=1";

	init_with(WORLD);
	check_at(__LINE__, eth0, HF_SOFT_IN, error, &o, HF_SOFT_DENY);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=1000 dport=443 proto=tcp", HF_SOFT_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_IN, error, &o, HF_SOFT_RELATED);
}

Test(path, tags_belong_to_interfaces_of_their_own)
{
	struct frame_opts inner = {.inner_vlan = 5};

	init_with(WORLD);
	IN(eth0, "src=203.0.113.7 dst=203.0.113.10 vlan=100 proto=tcp dport=81",
		HF_SOFT_KERNEL_ALLOW);
	IN(eth0, "src=203.0.113.7 dst=203.0.113.10 vlan=101 proto=tcp dport=81",
		HF_SOFT_NO_INTERFACE);
	check_at(__LINE__, eth0, HF_SOFT_IN,
		"src=203.0.113.7 dst=203.0.113.10 vlan=100 proto=tcp dport=81", &inner,
		HF_SOFT_NO_INTERFACE);
	IN(cali0, "src=10.65.0.2 dst=203.0.113.7 vlan=7 proto=tcp dport=81", HF_SOFT_NO_INTERFACE);
}

Test(path, pods_are_forwarded)
{
	init_with(WORLD);
	IN(eth0, "src=" CLIENT " dst=10.65.0.2 sport=9 dport=80 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=9 dport=80 proto=tcp", HF_SOFT_TRANSIT);
	IN(cali0, "src=10.65.0.2 dst=" CLIENT " sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(eth0, "src=10.65.0.2 dst=" CLIENT " sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	IN(eth0, "src=" CLIENT " dst=10.65.0.2 sport=9 dport=3000 proto=tcp", HF_SOFT_DENY);
}

Test(path, pods_call_out)
{
	init_with(WORLD);
	IN(cali0, "src=10.65.0.2 dst=" CLIENT " sport=9 dport=80 proto=tcp", HF_SOFT_KERNEL_ALLOW);
	OUT(eth0, "src=10.65.0.2 dst=" CLIENT " sport=9 dport=80 proto=tcp", HF_SOFT_TRANSIT);
	IN(eth0, "src=" CLIENT " dst=10.65.0.2 sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	/* Not its own address. */
	IN(cali0, "src=10.65.0.3 dst=" CLIENT " sport=9 dport=80 proto=tcp", HF_SOFT_DENY);
	/* To the host: defaultEndpointToHostAction is Drop. */
	IN(cali0, "src=10.65.0.2 dst=192.0.2.10 sport=9 dport=80 proto=tcp", HF_SOFT_DENY);
}

Test(path, pods_call_each_other)
{
	init_with(WORLD);
	IN(cali0, "src=10.65.0.2 dst=10.65.0.3 sport=9 dport=80 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali1, "src=10.65.0.2 dst=10.65.0.3 sport=9 dport=80 proto=tcp", HF_SOFT_TRANSIT);
	IN(cali1, "src=10.65.0.3 dst=10.65.0.2 sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(cali0, "src=10.65.0.3 dst=10.65.0.2 sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

Test(path, host_calls_pods_unpoliced)
{
	init_with(WORLD);
	OUT(cali0, "src=192.0.2.10 dst=10.65.0.2 sport=9 dport=3000 proto=tcp",
		HF_SOFT_KERNEL_ALLOW);
	IN(cali0, "src=10.65.0.2 dst=192.0.2.10 sport=3000 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

/* What has no wire of its own is judged where it leaves. */
Test(path, pods_without_a_wire_are_judged_at_the_end)
{
	init_with(WORLD POLICY(
		"pod-c", "  types: [Egress]\n") /* selects no pod; it only must not matter */
		"---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
		"metadata: {name: c, namespace: ns}\nspec:\n  selector: pod == 'c'\n"
		"  types: [Egress]\n"
		"  egress:\n    - {action: Allow, protocol: TCP, destination: {ports: [53]}}\n");
	OUT(eth0, "src=10.65.0.4 dst=" CLIENT " sport=9 dport=53 proto=tcp", HF_SOFT_KERNEL_ALLOW);
	OUT(eth0, "src=10.65.0.4 dst=" CLIENT " sport=9 dport=54 proto=tcp", HF_SOFT_DENY);
	OUT(cali0, "src=10.65.0.4 dst=10.65.0.2 sport=9 dport=53 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali0, "src=10.65.0.4 dst=10.65.0.2 sport=9 dport=54 proto=tcp", HF_SOFT_DENY);
}

/* Also while a call waits for its answer (docs/semantics.md 7). */
Test(path, new_packets_meet_new_policy_on_their_way_out)
{
	struct hf_rules *closed = make_rules(
		WORLD "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
		      "metadata: {name: c, namespace: ns}\nspec:\n  selector: pod == 'c'\n"
		      "  types: [Egress]\n");
	const char *call = "src=10.65.0.4 dst=" CLIENT " sport=9 dport=53 proto=tcp";

	init_with(WORLD);
	OUT(eth0, call, HF_SOFT_KERNEL_ALLOW);
	cr_assert_eq(hf_soft_publish(soft, closed, NULL), 0);
	OUT(eth0, call, HF_SOFT_DENY);
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_reclaim(soft), rules);
	hf_rules_free(rules);
	rules = closed;
}

/* The endpoint on eth0 does not see what comes out of a tunnel (docs/semantics.md 5.1, P10). */
Test(path, tunnels_are_interfaces_of_their_own)
{
	init_with(WORLD);
	OUT(cali0, "src=10.65.1.9 dst=10.65.0.2 sport=9 dport=3000 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali0, "src=198.51.100.9 dst=10.65.0.2 sport=9 dport=3001 proto=tcp", HF_SOFT_TRANSIT);
}

Test(path, services_are_judged_by_their_backend)
{
	init_with(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=30001"), HF_SOFT_DENY);
	IN(eth0, TO_HOST("proto=tcp dport=30002"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=tcp dport=30004"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=tcp dport=30005"), HF_SOFT_DENY);
}

Test(path, ambiguous_services_are_judged_again_at_the_pod)
{
	init_with(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=30003"), HF_SOFT_DNAT_AMBIGUOUS);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=5000 dport=3000 proto=tcp", HF_SOFT_DENY);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=5000 dport=4000 proto=tcp", HF_SOFT_TRANSIT);
	IN(cali1, "src=10.65.0.3 dst=" CLIENT " sport=4000 dport=5000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=30003 dport=5000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

/* Behind the kernel's masquerade a pod's packet has the host's address. */
Test(path, masqueraded_packets_are_not_the_hosts)
{
	struct frame_opts syn = {.seq = 12345}, other = {.seq = 54321};

	init_with(WORLD);
	check_at(__LINE__, cali0, HF_SOFT_IN,
		"src=10.65.0.2 dst=" CLIENT " sport=9 dport=81 proto=tcp", &syn,
		HF_SOFT_KERNEL_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " sport=61000 dport=81 proto=tcp", &other,
		HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " sport=61000 dport=81 proto=tcp", &syn,
		HF_SOFT_TRANSIT);
	/* Sent again, late: its connection is known to be forwarded. */
	now += 10 * HZ;
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " sport=61000 dport=81 proto=tcp", &syn,
		HF_SOFT_TRANSIT);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=81 dport=61000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	/* The print is old. */
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " sport=61001 dport=81 proto=tcp", &syn, HF_SOFT_DENY);
}

Test(path, masquerade_of_udp_and_ping_is_known_by_payload)
{
	struct frame_opts a = {.payload = 30, .fill = 1, .icmp_id = 1};
	struct frame_opts b = {.payload = 30, .fill = 2, .icmp_id = 1};
	struct frame_opts a2 = {.payload = 30, .fill = 1, .icmp_id = 2};

	init_with(WORLD);
	check_at(__LINE__, cali0, HF_SOFT_IN, "src=10.65.0.2 dst=" CLIENT " dport=81 proto=udp", &a,
		HF_SOFT_KERNEL_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " dport=81 sport=7 proto=udp", &b, HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " dport=82 sport=7 proto=udp", &a, HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " dport=81 sport=7 proto=udp", &a, HF_SOFT_TRANSIT);
	check_at(__LINE__, cali0, HF_SOFT_IN,
		"src=10.65.0.2 dst=" CLIENT " proto=icmp type=8 code=0", &a, HF_SOFT_KERNEL_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " proto=icmp type=8 code=0", &b, HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_OUT,
		"src=192.0.2.10 dst=" CLIENT " proto=icmp type=8 code=0", &a2, HF_SOFT_TRANSIT);
}

Test(path, kernel_policy_decides_what_calico_does_not)
{
	init_with(FACTS("drop") PODS HEP NORMAL FORWARD);
	IN(cali0, "src=10.65.0.2 dst=" CLIENT " sport=9 dport=80 proto=tcp", HF_SOFT_KERNEL_DENY);
}

Test(path, untracked_policy_judges_every_packet)
{
	init_with(WORLD UNTRACKED);
	IN(eth0, TO_HOST("proto=udp dport=7"), HF_SOFT_ALLOW_UNTRACKED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=7 dport=5000 proto=udp",
		HF_SOFT_ALLOW_UNTRACKED);
	cr_expect_not(
		hf_soft_next_conn(soft, &(struct hf_soft_iter){0}, &(struct hf_soft_conn){0}));

	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=udp sport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
}

/* Established, and refused all the same: in front of conntrack stands untracked policy. */
Test(path, untracked_deny_beats_established)
{
	struct hf_rules *raw = make_rules(WORLD UNTRACKED);
	const char *line = "src=" CLIENT " dst=192.0.2.10 sport=666 dport=80 proto=udp";

	init_with(WORLD);
	IN(eth0, line, HF_SOFT_ALLOW);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=80 dport=666 proto=udp",
		HF_SOFT_ESTABLISHED);
	IN(eth0, line, HF_SOFT_ESTABLISHED);
	cr_assert_eq(hf_soft_publish(soft, raw, NULL), 0);
	IN(eth0, line, HF_SOFT_DENY);
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_reclaim(soft), rules);
	hf_rules_free(rules);
	rules = raw;
}

Test(path, connections_outlive_their_policy)
{
	struct hf_rules *closed = make_rules(FACTS("accept") PODS HEP);

	init_with(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=80 proto=tcp", HF_SOFT_ALLOW);
	cr_assert_eq(hf_soft_publish(soft, closed, NULL), 0);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=80 proto=tcp", HF_SOFT_DENY);
	/* The call was let in before; its answer belongs to it. */
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=80 dport=5001 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_reclaim(soft), rules);
	hf_rules_free(rules);
	rules = closed;
}

static enum hf_soft_reason send_marked(
	unsigned int wire, enum hf_soft_dir dir, uint32_t mark, struct rte_mbuf *m)
{
	m->ol_flags |= RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID;
	m->hash.fdir.hi = mark;
	return send_mbuf(wire, dir, m);
}

Test(path, marked_packets_are_not_judged)
{
	init_with(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			     line_mbuf(TO_HOST("proto=tcp dport=81"), NULL)),
		HF_SOFT_MARKED);
	OUT(eth0, FROM_HOST("proto=tcp sport=81 flags=SA"), HF_SOFT_ESTABLISHED);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW_UNTRACKED,
			     line_mbuf(TO_HOST("proto=tcp dport=82"), NULL)),
		HF_SOFT_MARKED_UNTRACKED);
	OUT(eth0, FROM_HOST("proto=tcp sport=82 flags=SA"), HF_SOFT_DENY);
}

Test(path, marks_count_only_where_the_nic_sets_them)
{
	const char *line = TO_HOST("proto=tcp dport=81");

	init_with(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, 3, line_mbuf(line, NULL)), HF_SOFT_DENY);
	cr_expect_eq(send_marked(eth0, HF_SOFT_OUT, HF_MARK_ALLOW,
			     line_mbuf(FROM_HOST("proto=tcp sport=5"), NULL)),
		HF_SOFT_DENY);
	cr_expect_eq(send_marked(cali0, HF_SOFT_IN, HF_MARK_ALLOW_UNTRACKED,
			     line_mbuf("src=10.65.0.3 dst=" CLIENT " proto=udp", NULL)),
		HF_SOFT_DENY);
}

Test(path, marked_nonsense_is_judged)
{
	init_with(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			     line_mbuf(TO_HOST("proto=tcp dport=80 flags=SA"), NULL)),
		HF_SOFT_DENY);
}

Test(path, fragments_follow_their_first)
{
	struct frame_opts first = {.frag_id = 1, .payload = 8};
	struct frame_opts later = {.frag_id = 1, .frag_off = 16, .payload = 8};
	struct frame_opts overlap = {.frag_id = 1, .frag_off = 8, .payload = 8};
	const char *rest = "src=" CLIENT " dst=192.0.2.10 proto=udp frag=later";

	init_with(WORLD);
	check_at(__LINE__, eth0, HF_SOFT_IN, rest, &later, HF_SOFT_FRAGMENT_UNKNOWN);
	check_at(__LINE__, eth0, HF_SOFT_IN, TO_HOST("proto=udp dport=80 frag=first"), &first,
		HF_SOFT_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_IN, rest, &later, HF_SOFT_FRAGMENT);
	check_at(__LINE__, eth0, HF_SOFT_IN, rest, &overlap, HF_SOFT_FRAGMENT_OVERLAP);
	first.frag_id = later.frag_id = 2;
	check_at(__LINE__, eth0, HF_SOFT_IN, TO_HOST("proto=udp dport=81 frag=first"), &first,
		HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_IN, rest, &later, HF_SOFT_FRAGMENT_DENY);
	later.frag_id = 1;
	check_at(__LINE__, eth0, HF_SOFT_IN, rest, &later, HF_SOFT_FRAGMENT);
	check_at(__LINE__, cali0, HF_SOFT_IN, rest, &later, HF_SOFT_FRAGMENT_UNKNOWN);
}

Test(path, marked_fragments_need_no_first)
{
	struct frame_opts later = {.frag_id = 9, .frag_off = 16, .payload = 8};

	init_with(WORLD);
	cr_expect_eq(
		send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			line_mbuf("src=" CLIENT " dst=192.0.2.10 proto=udp frag=later", &later)),
		HF_SOFT_MARKED);
}

Test(path, full_table_drops_what_it_cannot_remember)
{
	char line[128];
	int i;

	init_with(WORLD);
	for (i = 1; i <= 64; i++) {
		(void)snprintf(line, sizeof(line),
			"src=198.51.100.%d dst=192.0.2.10 sport=1 dport=80 proto=udp", i);
		IN(eth0, line, HF_SOFT_ALLOW);
		(void)snprintf(line, sizeof(line),
			"src=192.0.2.10 dst=198.51.100.%d sport=80 dport=1 proto=udp", i);
		OUT(eth0, line, HF_SOFT_ESTABLISHED);
	}
	IN(eth0, "src=198.51.100.99 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_TABLE_FULL);
	IN(eth0, "src=198.51.100.99 dst=192.0.2.10 sport=1 dport=81 proto=udp", HF_SOFT_DENY);
	IN(eth0, "src=198.51.100.9 dst=192.0.2.10 sport=1 dport=80 proto=udp", HF_SOFT_ESTABLISHED);
}

Test(path, bursts_keep_their_order)
{
	static const char *const lines[] = {
		TO_HOST("proto=tcp dport=80"),
		TO_HOST("proto=tcp dport=81"),
		TO_HOST("proto=udp dport=80"),
		TO_HOST("proto=udp dport=81"),
		TO_HOST("proto=tcp dport=22"),
	};
	struct rte_mbuf *pkts[200], *want[200];
	uint16_t i, n_want = 0;

	init_with(WORLD);
	for (i = 0; i < RTE_DIM(pkts); i++) {
		pkts[i] = line_mbuf(lines[i % RTE_DIM(lines)], NULL);
		if (i % RTE_DIM(lines) % 2 == 0)
			want[n_want++] = pkts[i];
	}
	cr_assert_eq(hf_soft_burst(soft, 0, eth0, HF_SOFT_IN, pkts, RTE_DIM(pkts), now), n_want);
	cr_expect_arr_eq(pkts, want, n_want * sizeof(want[0]));
	cr_expect_eq(mbufs_in_use(), n_want);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_IN).rx.packets, 200);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_IN).tx.packets, n_want);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_IN).drop.packets, 200 - n_want);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_OUT).rx.packets, 0);
	rte_pktmbuf_free_bulk(pkts, n_want);
}

Test(path, segmented_packets_are_judged_alike)
{
	struct hf_packet pkt = packet(TO_HOST("proto=tcp dport=80"));
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(&pkt, NULL, frame);

	init_with(WORLD);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(frame, n, 7)), HF_SOFT_ALLOW);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(frame, n - 1, 7)), HF_SOFT_MALFORMED);
}
