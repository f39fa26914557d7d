/* SPDX-License-Identifier: BSD-3-Clause */

#include "path_test.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <rte_mbuf.h>

#include <stdio.h>
#include <string.h>

TestSuite(path, .init = hf_test_eal_init, .fini = path_fini);

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
	path_init(WORLD);
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
	path_init(WORLD);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=udp sport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
}

Test(path, clients_of_the_host)
{
	path_init(WORLD);
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

/* What leaves is not what arrives: the endpoint of lo has no say (docs/semantics.md 5.1, P4). */
Test(path, leaving_is_no_loop)
{
	path_init(WORLD "---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
			"metadata: {name: star}\nspec: {node: n0, interfaceName: '*'}\n");
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=1000 dport=443 proto=tcp", HF_SOFT_ALLOW);
}

Test(path, invalid_packets_are_for_the_rules)
{
	path_init(WORLD);
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

	path_init(WORLD);
	check_at(__LINE__, eth0, HF_SOFT_IN, error, &o, HF_SOFT_DENY);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=1000 dport=443 proto=tcp", HF_SOFT_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_IN, error, &o, HF_SOFT_RELATED);
}

Test(path, tags_belong_to_interfaces_of_their_own)
{
	struct frame_opts inner = {.inner_vlan = 5};

	path_init(WORLD);
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
	path_init(WORLD);
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
	path_init(WORLD);
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
	path_init(WORLD);
	IN(cali0, "src=10.65.0.2 dst=10.65.0.3 sport=9 dport=80 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali1, "src=10.65.0.2 dst=10.65.0.3 sport=9 dport=80 proto=tcp", HF_SOFT_TRANSIT);
	IN(cali1, "src=10.65.0.3 dst=10.65.0.2 sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(cali0, "src=10.65.0.3 dst=10.65.0.2 sport=80 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

Test(path, host_calls_pods_unpoliced)
{
	path_init(WORLD);
	OUT(cali0, "src=192.0.2.10 dst=10.65.0.2 sport=9 dport=3000 proto=tcp",
		HF_SOFT_KERNEL_ALLOW);
	IN(cali0, "src=10.65.0.2 dst=192.0.2.10 sport=3000 dport=9 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

/* What has no wire of its own is judged where it leaves. */
Test(path, pods_without_a_wire_are_judged_at_the_end)
{
	path_init(WORLD POLICY(
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

	path_init(WORLD);
	OUT(eth0, call, HF_SOFT_KERNEL_ALLOW);
	path_change(closed);
	OUT(eth0, call, HF_SOFT_DENY);
}

/* The endpoint on eth0 does not see what comes out of a tunnel (docs/semantics.md 5.1, P10). */
Test(path, tunnels_are_interfaces_of_their_own)
{
	path_init(WORLD);
	OUT(cali0, "src=10.65.1.9 dst=10.65.0.2 sport=9 dport=3000 proto=tcp", HF_SOFT_ALLOW);
	OUT(cali0, "src=198.51.100.9 dst=10.65.0.2 sport=9 dport=3001 proto=tcp", HF_SOFT_TRANSIT);
}

Test(path, kernel_policy_decides_what_calico_does_not)
{
	path_init(FACTS("drop") PODS HEP NORMAL FORWARD);
	IN(cali0, "src=10.65.0.2 dst=" CLIENT " sport=9 dport=80 proto=tcp", HF_SOFT_KERNEL_DENY);
}

Test(path, untracked_policy_judges_every_packet)
{
	path_init(WORLD UNTRACKED);
	IN(eth0, TO_HOST("proto=udp dport=7"), HF_SOFT_ALLOW_UNTRACKED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=7 dport=5000 proto=udp",
		HF_SOFT_ALLOW_UNTRACKED);
	cr_expect_not(
		hf_soft_next_conn(soft, &(struct hf_soft_iter){0}, &(struct hf_soft_conn){0}));

	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=udp sport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
}

static uint64_t judged_by_conntrack(void)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < hf_rules_n_origins(rules); i++) {
		if (strcmp(hf_rules_origin(rules, i), "conntrack") == 0)
			sum += hf_soft_count_origin(soft, i).packets;
	}
	return sum;
}

/* Rules are walked for established packets only where something stands in front of conntrack. */
Test(path, established_packets_are_judged_only_where_it_matters)
{
	path_init(WORLD);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=udp sport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	/* Pod C has no wire, so its source is checked where its packets leave. */
	cr_expect_eq(judged_by_conntrack(), 2);
	path_change(make_rules(WORLD UNTRACKED));
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	cr_expect_eq(judged_by_conntrack(), 2, "untracked policy is about UDP");
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ESTABLISHED);
	cr_expect_eq(judged_by_conntrack(), 3);
}

/* Established, and refused all the same: in front of conntrack stands untracked policy. */
Test(path, untracked_deny_beats_established)
{
	struct hf_rules *raw = make_rules(WORLD UNTRACKED);
	const char *line = "src=" CLIENT " dst=192.0.2.10 sport=666 dport=80 proto=udp";

	path_init(WORLD);
	IN(eth0, line, HF_SOFT_ALLOW);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=80 dport=666 proto=udp",
		HF_SOFT_ESTABLISHED);
	IN(eth0, line, HF_SOFT_ESTABLISHED);
	path_change(raw);
	IN(eth0, line, HF_SOFT_DENY);
}

Test(path, connections_outlive_their_policy)
{
	struct hf_rules *closed = make_rules(FACTS("accept") PODS HEP);

	path_init(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("proto=tcp sport=80 flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=80 proto=tcp", HF_SOFT_ALLOW);
	path_change(closed);
	IN(eth0, TO_HOST("proto=tcp dport=80 flags=A"), HF_SOFT_ESTABLISHED);
	IN(eth0, "src=" CLIENT " dst=192.0.2.10 sport=5001 dport=80 proto=tcp", HF_SOFT_DENY);
	/* The call was let in before; its answer belongs to it. */
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=80 dport=5001 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
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
	path_init(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			     line_mbuf(TO_HOST("proto=tcp dport=81"), NULL)),
		HF_SOFT_MARKED);
	OUT(eth0, FROM_HOST("proto=tcp sport=81 flags=SA"), HF_SOFT_ESTABLISHED);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW_UNTRACKED,
			     line_mbuf(TO_HOST("proto=tcp dport=82"), NULL)),
		HF_SOFT_MARKED_UNTRACKED);
	OUT(eth0, FROM_HOST("proto=tcp sport=82 flags=SA"), HF_SOFT_DENY);
	/* Policy would let it in. */
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_DENY,
			     line_mbuf(TO_HOST("proto=tcp dport=80"), NULL)),
		HF_SOFT_MARKED_DENY);
}

Test(path, marks_count_only_where_the_nic_sets_them)
{
	const char *line = TO_HOST("proto=tcp dport=81");

	path_init(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_DENY + 1, line_mbuf(line, NULL)),
		HF_SOFT_DENY);
	cr_expect_eq(send_marked(eth0, HF_SOFT_OUT, HF_MARK_ALLOW,
			     line_mbuf(FROM_HOST("proto=tcp sport=5"), NULL)),
		HF_SOFT_DENY);
	cr_expect_eq(send_marked(cali0, HF_SOFT_IN, HF_MARK_DENY, line_mbuf(line, NULL)),
		send_marked(cali0, HF_SOFT_IN, 0, line_mbuf(line, NULL)));
	cr_expect_eq(send_marked(cali0, HF_SOFT_IN, HF_MARK_ALLOW_UNTRACKED,
			     line_mbuf("src=10.65.0.3 dst=" CLIENT " proto=udp", NULL)),
		HF_SOFT_DENY);
}

Test(path, marked_nonsense_is_judged)
{
	path_init(WORLD);
	cr_expect_eq(send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			     line_mbuf(TO_HOST("proto=tcp dport=80 flags=SA"), NULL)),
		HF_SOFT_DENY);
}

#define FRAGMENT "src=" CLIENT " dst=192.0.2.10 proto=udp frag=later"

Test(path, fragments_follow_their_first)
{
	struct frame_opts first = {.frag_id = 1, .payload = 8};
	struct frame_opts later = {.frag_id = 1, .frag_off = 16, .payload = 8};
	struct frame_opts overlap = {.frag_id = 1, .frag_off = 8, .payload = 24};

	path_init(WORLD);
	check_at(__LINE__, eth0, HF_SOFT_IN, TO_HOST("proto=udp dport=80 frag=first"), &first,
		HF_SOFT_ALLOW);
	check_at(__LINE__, eth0, HF_SOFT_IN, FRAGMENT, &later, HF_SOFT_FRAGMENT);
	check_at(__LINE__, eth0, HF_SOFT_IN, FRAGMENT, &later, HF_SOFT_FRAGMENT_DUPLICATE);
	check_at(__LINE__, eth0, HF_SOFT_IN, FRAGMENT, &overlap, HF_SOFT_FRAGMENT_OVERLAP);
	first.frag_id = later.frag_id = 2;
	check_at(__LINE__, eth0, HF_SOFT_IN, TO_HOST("proto=udp dport=81 frag=first"), &first,
		HF_SOFT_DENY);
	check_at(__LINE__, eth0, HF_SOFT_IN, FRAGMENT, &later, HF_SOFT_FRAGMENT_DENY);
}

static void send_early(unsigned int wire, enum hf_soft_dir dir, const struct frame_opts *o)
{
	struct rte_mbuf *m = line_mbuf(FRAGMENT, o);

	cr_expect_eq(hf_soft_burst(soft, 0, wire, dir, &m, 1, now), 0);
}

static unsigned int more(unsigned int wire, enum hf_soft_dir dir)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	for (; hf_soft_more(soft, 0, wire, dir, &m, 1); n++)
		rte_pktmbuf_free(m);
	return n;
}

Test(path, fragments_before_their_first_wait)
{
	struct frame_opts first = {.frag_id = 1, .payload = 8};
	struct frame_opts later = {.frag_id = 1, .frag_off = 16, .payload = 8};
	struct frame_opts last = {.frag_id = 1, .frag_off = 24, .payload = 3, .last = true};
	struct hf_soft_wire_counts c;
	struct hf_soft_table_counts t;
	struct rte_mbuf *m;

	path_init(WORLD);
	send_early(eth0, HF_SOFT_IN, &last);
	send_early(eth0, HF_SOFT_IN, &later);
	send_early(eth0, HF_SOFT_OUT, &later);
	send_early(cali0, HF_SOFT_IN, &later);
	cr_expect_eq(more(eth0, HF_SOFT_IN), 0);
	check_at(__LINE__, eth0, HF_SOFT_IN, TO_HOST("proto=udp dport=80 frag=first"), &first,
		HF_SOFT_ALLOW);
	cr_expect_eq(more(eth0, HF_SOFT_OUT), 0);
	cr_expect_eq(more(eth0, HF_SOFT_IN), 2);
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_FRAGMENT).packets, 2);

	first.frag_id = last.frag_id = 2;
	last.frag_off = 16;
	send_early(eth0, HF_SOFT_IN, &last);
	m = line_mbuf(TO_HOST("proto=udp dport=81 frag=first"), &first);
	cr_expect_eq(hf_soft_burst(soft, 0, eth0, HF_SOFT_IN, &m, 1, now), 0);
	cr_expect_eq(more(eth0, HF_SOFT_IN), 0);
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_FRAGMENT_DENY).packets, 1);

	now += 31 * HZ;
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_FRAGMENT_UNKNOWN).packets, 2);
	hf_soft_count_tables(soft, &t);
	cr_expect(t.frags == 0 && t.frags_held == 0 && t.frags_completed == 2 &&
		  t.frags_expired == 2);
	c = hf_soft_count_wire(soft, eth0, HF_SOFT_IN);
	cr_expect_eq(c.rx.packets, 5);
	cr_expect_eq(c.tx.packets, 3);
	cr_expect_eq(c.drop.packets, 2);
	cr_expect_eq(mbufs_in_use(), 0);
}

/* Ports in a second fragment, under a first that is too short to have them (RFC 1858). */
Test(path, tiny_fragments_open_nothing)
{
	static const uint8_t tiny[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0,
		7, 0x20, 0, 64, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 10, 0x13, 0x88, 0, 80, 0, 0, 0,
		1};
	struct frame_opts rest = {.frag_id = 7, .frag_off = 8, .payload = 24, .last = true};
	struct rte_mbuf *m;

	path_init(WORLD);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(tiny, sizeof(tiny), sizeof(tiny))),
		HF_SOFT_MALFORMED);
	m = line_mbuf("src=" CLIENT " dst=192.0.2.10 proto=tcp frag=later", &rest);
	cr_expect_eq(hf_soft_burst(soft, 0, eth0, HF_SOFT_IN, &m, 1, now), 0);
	cr_expect_eq(more(eth0, HF_SOFT_IN), 0);
	now += 31 * HZ;
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_FRAGMENT_UNKNOWN).packets, 1);
}

Test(path, marked_fragments_need_no_first)
{
	struct frame_opts later = {.frag_id = 9, .frag_off = 16, .payload = 8};

	path_init(WORLD);
	cr_expect_eq(
		send_marked(eth0, HF_SOFT_IN, HF_MARK_ALLOW,
			line_mbuf("src=" CLIENT " dst=192.0.2.10 proto=udp frag=later", &later)),
		HF_SOFT_MARKED);
}

Test(path, full_table_drops_what_it_cannot_remember)
{
	char line[128];
	int i;

	path_init(WORLD);
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

Test(path, closing_connections_make_room)
{
	static const char *const flags[] = {"S", "SA", "A", "FA"};
	char line[128];
	int i, k;

	path_init(WORLD);
	for (i = 1; i <= 64; i++) {
		for (k = 0; k < (i == 9 ? 4 : 3); k++) {
			bool out = k == 1;

			(void)snprintf(line, sizeof(line),
				out ? "src=192.0.2.10 dst=198.51.100.%d sport=80 dport=1 proto=tcp "
				      "flags=%s"
				    : "src=198.51.100.%d dst=192.0.2.10 sport=1 dport=80 proto=tcp "
				      "flags=%s",
				i, flags[k]);
			check_at(__LINE__, eth0, out ? HF_SOFT_OUT : HF_SOFT_IN, line, NULL,
				k ? HF_SOFT_ESTABLISHED : HF_SOFT_ALLOW);
		}
	}
	IN(eth0, "src=198.51.100.99 dst=192.0.2.10 sport=1 dport=80 proto=tcp", HF_SOFT_ALLOW);
	for (i = 1; i <= 64; i++) {
		(void)snprintf(line, sizeof(line),
			"src=198.51.100.%d dst=192.0.2.10 sport=1 dport=80 proto=tcp flags=A", i);
		/* An ACK of no connection is judged, and pushes the call from 99 out. */
		check_at(__LINE__, eth0, HF_SOFT_IN, line, NULL,
			i == 9 ? HF_SOFT_ALLOW : HF_SOFT_ESTABLISHED);
	}
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

	path_init(WORLD);
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

	path_init(WORLD);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(frame, n, 7)), HF_SOFT_ALLOW);
	cr_expect_eq(send_mbuf(eth0, HF_SOFT_IN, make_mbuf(frame, n - 1, 7)), HF_SOFT_MALFORMED);
}

#define LOGGING                                                                                    \
	FACTS("accept")                                                                            \
	PODS HEP POLICY("logging",                                                                 \
		"  types: [Ingress]\n  ingress:\n"                                                 \
		"    - {action: Log, protocol: UDP, destination: {ports: [53]}}\n"                 \
		"    - {action: Allow, protocol: UDP, destination: {ports: ['50:60']}}\n"          \
		"    - {action: Log, protocol: UDP}\n") FORWARD

static unsigned int count_records(struct hf_tap_record *last)
{
	unsigned int n = 0;

	while (hf_soft_next_record(soft, last))
		n++;
	return n;
}

Test(path, rules_that_log_tell_the_control_thread)
{
	struct hf_tap_record r;

	path_init(LOGGING);
	IN(eth0, TO_HOST("proto=udp dport=53"), HF_SOFT_ALLOW);
	cr_assert_eq(count_records(&r), 1);
	cr_expect_eq(r.kind, HF_TAP_LOG);
	cr_expect_eq(r.wire, eth0);
	cr_expect_eq(r.dir, HF_SOFT_IN);
	cr_expect(r.sport == 5000 && r.dport == 53 && r.proto == HF_PROTO_UDP);
	cr_expect_eq(r.src.b[0], 198);
	cr_expect_str_eq(r.origin, "default/gnp:logging/ingress/0");
	IN(eth0, TO_HOST("proto=udp dport=54"), HF_SOFT_ALLOW);
	cr_expect_eq(count_records(&r), 0, "decided before the second");
	IN(eth0, TO_HOST("proto=udp dport=99"), HF_SOFT_DENY);
	cr_assert_eq(count_records(&r), 1);
	cr_expect_str_eq(r.origin, "default/gnp:logging/ingress/2");
	IN(eth0, TO_HOST("proto=tcp dport=53"), HF_SOFT_DENY);
	OUT(eth0, FROM_HOST("proto=udp sport=53"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=udp dport=53"), HF_SOFT_ESTABLISHED);
	cr_expect_eq(count_records(&r), 0, "established packets meet no policy");
	path_change(make_rules(WORLD));
	IN(eth0, TO_HOST("proto=udp dport=99"), HF_SOFT_DENY);
	cr_expect_eq(count_records(&r), 0);
}

Test(path, taps_lose_what_has_no_room)
{
	struct hf_tap_record r;
	unsigned int i;

	path_init(LOGGING);
	for (i = 0; i < HF_TAP_RECORDS + 7; i++)
		IN(eth0, TO_HOST("proto=udp dport=99"), HF_SOFT_DENY);
	cr_expect_eq(hf_soft_count_lost(soft, HF_TAP_LOG), 7);
	cr_expect_eq(count_records(&r), HF_TAP_RECORDS);
	IN(eth0, TO_HOST("proto=udp dport=99"), HF_SOFT_DENY);
	cr_expect_eq(count_records(&r), 1);
}

Test(path, captures_take_what_they_ask_for)
{
	struct hf_tap_record r;

	path_init(WORLD);
	hf_soft_capture(soft, UINT64_C(1) << HF_SOFT_DENY, false, eth0);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	IN(cali0, "src=10.65.0.2 dst=192.0.2.10 proto=udp dport=1", HF_SOFT_DENY);
	cr_expect_eq(count_records(&r), 0);
	IN(eth0, TO_HOST("proto=udp dport=81"), HF_SOFT_DENY);
	cr_assert_eq(count_records(&r), 1);
	cr_expect_eq(r.kind, HF_TAP_CAPTURE);
	cr_expect_eq(r.reason, HF_SOFT_DENY);
	cr_expect_eq(r.length, 14 + 20 + 8);
	cr_expect_eq(r.snap_length, r.length);
	cr_expect_eq(r.snap[14], 0x45);
	hf_soft_capture(soft, UINT64_C(1) << HF_SOFT_ALLOW, true, 0);
	IN(eth0, TO_HOST("proto=udp dport=80"), HF_SOFT_ALLOW);
	cr_expect_eq(count_records(&r), 1);
	hf_soft_capture(soft, 0, true, 0);
	IN(eth0, TO_HOST("proto=udp dport=81"), HF_SOFT_DENY);
	cr_expect_eq(count_records(&r), 0);
}
