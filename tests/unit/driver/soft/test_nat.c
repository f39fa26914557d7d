/* SPDX-License-Identifier: BSD-3-Clause */

/* Address translation by the kernel, between the wires. */

#include "path_test.h"

#include <rte_common.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(nat, .init = hf_test_eal_init, .fini = path_fini);

/* A reply that the kernel has given the host's address back is not made by the host. */
Test(nat, replies_of_services_are_not_the_hosts)
{
	path_init(WORLD UNTRACKED POLICY("raw-out",
		"  order: 1\n  doNotTrack: true\n  applyOnForward: true\n  types: [Egress]\n"
		"  egress:\n    - {action: Deny, protocol: TCP, source: {ports: [30002, 80]}}\n"));
	IN(eth0, TO_HOST("proto=tcp dport=30002"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("sport=30002 proto=tcp flags=SA"), HF_SOFT_ESTABLISHED);
	IN(eth0, TO_HOST("proto=tcp dport=80"), HF_SOFT_ALLOW);
	OUT(eth0, FROM_HOST("sport=80 proto=tcp flags=SA"), HF_SOFT_DENY);
}

Test(nat, services_are_judged_by_their_backend)
{
	path_init(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=30001"), HF_SOFT_DENY);
	IN(eth0, TO_HOST("proto=tcp dport=30002"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=tcp dport=30004"), HF_SOFT_ALLOW);
	IN(eth0, TO_HOST("proto=tcp dport=30005"), HF_SOFT_DENY);
}

Test(nat, ambiguous_services_are_judged_again_at_the_pod)
{
	path_init(WORLD);
	IN(eth0, TO_HOST("proto=tcp dport=30003"), HF_SOFT_DNAT_AMBIGUOUS);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=5000 dport=3000 proto=tcp", HF_SOFT_DENY);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=5000 dport=4000 proto=tcp", HF_SOFT_TRANSIT);
	IN(cali1, "src=10.65.0.3 dst=" CLIENT " sport=4000 dport=5000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
	OUT(eth0, "src=192.0.2.10 dst=" CLIENT " sport=30003 dport=5000 proto=tcp flags=SA",
		HF_SOFT_ESTABLISHED);
}

/* Behind the kernel's masquerade a pod's packet has the host's address. */
Test(nat, masqueraded_packets_are_not_the_hosts)
{
	struct frame_opts syn = {.seq = 12345}, other = {.seq = 54321};

	path_init(WORLD);
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

Test(nat, masquerade_of_udp_and_ping_is_known_by_payload)
{
	struct frame_opts a = {.payload = 30, .fill = 1, .icmp_id = 1};
	struct frame_opts b = {.payload = 30, .fill = 2, .icmp_id = 1};
	struct frame_opts a2 = {.payload = 30, .fill = 1, .icmp_id = 2};

	path_init(WORLD);
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

/* The way it came is one of those by which it may have come; preDNAT policy closes the direct one.
 */
Test(nat, services_open_what_is_closed_to_direct_calls)
{
	path_init(FACTS("accept") PODS HEP POLICY("pre",
		"  order: 1\n  preDNAT: true\n  applyOnForward: true\n"
		"  types: [Ingress]\n  ingress:\n"
		"    - {action: Allow, protocol: TCP, destination: {ports: [30003]}}\n"
		"    - {action: Deny}\n") "---\napiVersion: projectcalico.org/v3\nkind: "
					  "NetworkPolicy\n"
					  "metadata: {name: a, namespace: ns}\nspec:\n  selector: "
					  "pod == 'a'\n"
					  "  types: [Ingress]\n");
	IN(eth0, TO_HOST("proto=tcp dport=30003"), HF_SOFT_DNAT_AMBIGUOUS);
	IN(eth0, "src=" CLIENT " dst=10.65.0.3 sport=5000 dport=4000 proto=tcp", HF_SOFT_DENY);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=5000 dport=4000 proto=tcp", HF_SOFT_TRANSIT);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=5000 dport=3000 proto=tcp", HF_SOFT_DENY);
}

/* Policy of pods holds for what nobody has judged, as what comes out of a tunnel. */
Test(nat, strangers_are_judged_at_the_pod)
{
	path_init(WORLD "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
			"metadata: {name: a, namespace: ns}\nspec:\n  selector: pod == 'a'\n"
			"  types: [Ingress]\n  ingress:\n"
			"    - {action: Allow, protocol: TCP, destination: {ports: [80]}}\n");
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=1 dport=80 proto=tcp", HF_SOFT_TRANSIT);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=1 dport=81 proto=tcp", HF_SOFT_DENY);
	OUT(cali0, "src=" CLIENT " dst=10.65.0.2 sport=1 dport=80 proto=tcp flags=SA",
		HF_SOFT_DENY);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=1 dport=81 proto=tcp", HF_SOFT_TRANSIT);
}

/* eth0 forwards nothing to port 3000, but eth0.100 does, and it may have come by that. */
Test(nat, routes_may_be_asymmetric)
{
	path_init(WORLD);
	IN(eth0, "src=" CLIENT " dst=10.65.0.3 vlan=100 sport=1 dport=3001 proto=tcp",
		HF_SOFT_ALLOW);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=1 dport=3001 proto=tcp", HF_SOFT_TRANSIT);
	path_change(make_rules(FACTS("accept")
			PODS HEP POLICY("none", "  applyOnForward: true\n  types: [Ingress]\n")));
	IN(eth0, "src=" CLIENT " dst=10.65.0.3 sport=2 dport=3001 proto=tcp", HF_SOFT_DENY);
	IN(eth0, "src=" CLIENT " dst=10.65.0.3 vlan=100 sport=2 dport=3001 proto=tcp",
		HF_SOFT_ALLOW);
	OUT(cali1, "src=" CLIENT " dst=10.65.0.3 sport=2 dport=3001 proto=tcp", HF_SOFT_TRANSIT);
}

/* n backends on port 3000, which is denied, and then one on the given port. */
static char *with_backends(int n, int last_port)
{
	static const char mark[] = "  kernelPolicy";
	static const char world[] = WORLD;
	const char *at = strstr(world, mark);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int i;

	cr_assert(f && at);
	fprintf(f, "%.*s    - {proto: tcp, dst: 192.0.2.10, port: 31000, to: [", (int)(at - world),
		world);
	for (i = 0; i < n; i++)
		fprintf(f, "'10.65.%d.%d:3000', ", 2 + i / 200, i % 200 + 1);
	fprintf(f, "'10.65.0.2:%d']}\n%s", last_port, at);
	fclose(f);
	return text;
}

Test(nat, many_backends)
{
	char *none = with_backends(70, 3000), *one = with_backends(70, 4000);

	path_init(none);
	IN(eth0, TO_HOST("proto=tcp dport=31000"), HF_SOFT_DENY);
	path_change(make_rules(one));
	/* Not all that are denied can be remembered, so that the kernel does not choose. */
	IN(eth0, TO_HOST("proto=tcp dport=31000"), HF_SOFT_DNAT_TRANSLATED);
	free(none);
	free(one);
}
