/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_rand.h"
#include "model_test.h"

#include <stdlib.h>

HF_SUITE(sets);

#define H	   LABELLED_HEP("h", "who: me", "interfaceName: eth0")
#define RULE(side) GNP("a", "selector: \"who == 'me'\", ingress: [{action: Allow, " side "}]")

Test(sets, sorted_and_none_covers_another)
{
	struct hf_model *m = make_model(
		ETH0 H GNS("a", "x: y", "10.9.0.0/16, 10.1.0.0/16, '2001:db8::/32'") GNS("b",
			"x: y", "10.1.2.0/24, 10.1.2.3, 9.0.0.0/8, 10.9.0.0/16, '2001:db8:1::/48'")
			RULE("source: {selector: \"x == 'y'\"}"));

	expect_text(set_text(m, first_rule(m, "h", false)->src.set),
		"9.0.0.0/8 10.1.0.0/16 10.9.0.0/16 2001:db8::/32");
	hf_model_free(m);
}

Test(sets, everything_is_a_member_like_others)
{
	struct hf_model *m = make_model(ETH0 H GNS("a", "x: y", "0.0.0.0/0, 10.0.0.0/8, '::/0'")
			RULE("source: {selector: \"x == 'y'\"}"));

	expect_text(set_text(m, first_rule(m, "h", false)->src.set), "0.0.0.0/0 ::/0");
	hf_model_free(m);
}

Test(sets, one_selector_is_one_set_however_spaced)
{
	struct hf_model *m = make_model(ETH0 H GNS("a", "x: y", "10.0.0.0/8")
			GNP("a", "ingress: [{action: Allow, source: {selector: \"x == 'y'\"}},"
				 "{action: Deny, source: {selector: 'x  ==\"y\"'}, destination: "
				 "{selector: \"x == 'y'\"}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	cr_expect_eq(r[0].src.set, r[1].src.set);
	cr_expect_eq(r[0].src.set, r[1].dst.set);
	expect_text(m->sets[r->src.set].name, "x == 'y'");
	hf_model_free(m);
}

Test(sets, own_namespaces_keep_equal_selectors_apart)
{
	struct hf_model *m = make_model(ETH0 POD(
		"a", "p", "x: y", "interfaceName: cali1, ipNetworks: [10.65.0.1/32]") POD("b", "p",
		"x: y", "interfaceName: cali2, ipNetworks: [10.65.0.2/32]") NP("a", "n",
		"ingress: [{action: Allow, source: {selector: \"x == 'y'\"}}]") NP("b", "n",
		"ingress: [{action: Allow, source: {selector: \"x == 'y'\"}}]"));

	expect_text(set_text(m, first_rule(m, "a/n0-k8s-p-eth0", false)->src.set), "10.65.0.1/32");
	expect_text(set_text(m, first_rule(m, "b/n0-k8s-p-eth0", false)->src.set), "10.65.0.2/32");
	hf_model_free(m);
}

Test(sets, an_unused_policy_makes_no_set)
{
	struct hf_model *m = make_model(ETH0 H GNS("a", "x: y", "10.0.0.0/8")
			GNP("a", "selector: nobody == 'here', ingress: [{action: Allow, source: "
				 "{selector: has(x)}}]"));

	cr_expect_eq(m->n_sets, 2); /* peers and service nets */
	hf_model_free(m);
}

#define PORTS_WORLD                                                                                \
	ETH0 H LABELLED_HEP("db", "role: db",                                                      \
		"interfaceName: eth5, expectedIPs: [192.0.2.50, '2001:db8::50'],"                  \
		"ports: [{name: sql, protocol: TCP, port: 5432}, {name: sql, protocol: UDP, "      \
		"port: 5433}]") LABELLED_HEP("noip", "role: db",                                   \
		"interfaceName: eth6, ports: [{name: sql, protocol: TCP, port: 1}]") POD_ON("n1",  \
		"a", "p", "role: cache",                                                           \
		"ipNetworks: [10.65.0.9/32], ports: [{name: sql, protocol: TCP, port: 6000}]")

Test(sets, named_ports_take_the_protocol_of_the_rule)
{
	struct hf_model *m = make_model(
		PORTS_WORLD GNP("a", "selector: \"who == 'me'\", egress: [{action: Allow, "
				     "protocol: TCP, destination: {ports: [sql, 80, '90:99']}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", true);

	cr_assert_eq(r->dst.ports.n_sets, 1);
	expect_text(set_text(m, r->dst.ports.sets[0]),
		"tcp/10.65.0.9:6000 tcp/192.0.2.50:5432 tcp/[2001:db8::50]:5432");
	cr_assert_eq(r->dst.ports.n_ranges, 2);
	cr_expect_eq(r->dst.ports.ranges[0].lo, 80);
	cr_expect_eq(r->dst.ports.ranges[1].hi, 99);
	hf_model_free(m);
}

Test(sets, named_ports_without_protocol_take_any)
{
	struct hf_model *m = make_model(
		PORTS_WORLD GNP("a", "selector: \"who == 'me'\", egress: [{action: Allow, "
				     "destination: {selector: \"role == 'db'\", ports: [sql]}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", true);

	expect_text(set_text(m, r->dst.ports.sets[0]),
		"tcp/192.0.2.50:5432 udp/192.0.2.50:5433 tcp/[2001:db8::50]:5432 "
		"udp/[2001:db8::50]:5433");
	expect_text(set_text(m, r->dst.set), "192.0.2.50/32 2001:db8::50/128");
	hf_model_free(m);
}

Test(sets, negated_named_ports_are_limited_to_the_positive_selector)
{
	struct hf_model *m = make_model(PORTS_WORLD GNP("a",
		"selector: \"who == 'me'\", egress: [{action: Allow, protocol: TCP,"
		"destination: {selector: \"role == 'cache'\", notPorts: [sql]}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", true);

	cr_assert_eq(r->dst.not_ports.n_sets, 1);
	cr_expect_eq(r->dst.ports.n_sets, 0);
	expect_text(set_text(m, r->dst.not_ports.sets[0]), "tcp/10.65.0.9:6000");
	hf_model_free(m);
}

Test(sets, an_unknown_port_name_is_empty_and_said_so)
{
	struct hf_model *m = make_model(PORTS_WORLD GNP("a",
		"selector: \"who == 'me'\", egress: [{action: Allow, protocol: TCP, destination: "
		"{ports: [nope]}},"
		"{action: Allow, protocol: TCP, destination: {notPorts: [nada]}}]"));

	expect_text(set_text(m, first_rule(m, "h", true)->dst.ports.sets[0]), "");
	cr_expect_eq(warned(m, "named-port-empty"), 1);
	hf_model_free(m);
}

#define SLICE(name, meta, rest)                                                                    \
	KUBE("discovery.k8s.io/v1", "EndpointSlice",                                               \
		"name: " name ", namespace: ns, labels: {kubernetes.io/service-name: web}" meta,   \
		rest)

#define SLICES                                                                                     \
	SLICE("web-1", "",                                                                         \
		"addressType: IPv4\nports: [{name: http, port: 8080, protocol: TCP}]\n"            \
		"endpoints: [{addresses: [10.65.0.2]}, {addresses: [10.65.1.2],"                   \
		"conditions: {ready: false}}]")                                                    \
	SLICE("web-2", "",                                                                         \
		"addressType: IPv6\nports: [{name: http, port: 8080, protocol: TCP}]\n"            \
		"endpoints: [{addresses: ['2001:db8::2']}]")

Test(sets, a_service_destination_has_ports)
{
	struct hf_model *m = make_model(ETH0 H SLICES GNP("a",
		"egress: [{action: Allow, destination: {services: {name: web, namespace: ns}}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", true);

	expect_text(set_text(m, r->dst.service),
		"tcp/10.65.0.2:8080 tcp/10.65.1.2:8080 tcp/[2001:db8::2]:8080");
	cr_expect_eq(r->dst.set, HF_NO_SET);
	hf_model_free(m);
}

Test(sets, a_service_source_is_addresses)
{
	struct hf_model *m = make_model(ETH0 H SLICES GNP("a",
		"ingress: [{action: Allow, source: {services: {name: web, namespace: ns}}},"
		"{action: Allow, source: {services: {name: gone, namespace: ns}}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	cr_expect_eq(r[0].src.service, HF_NO_SET);
	expect_text(set_text(m, r[0].src.set), "10.65.0.2/32 10.65.1.2/32 2001:db8::2/128");
	expect_text(set_text(m, r[1].src.set), "");
	cr_expect_eq(warned(m, "service-empty"), 1);
	hf_model_free(m);
}

#define RANDOM_NETS 200

/* Random overlapping prefixes of 10.0.0.0/20, and where they meet. */
static char *random_world(struct hf_rand *r, struct hf_prefix *nets)
{
	char *yaml = NULL, buf[HF_ADDRSTR_SIZE];
	size_t size, i;
	FILE *f = open_memstream(&yaml, &size);

	cr_assert_not_null(f);
	fputs(ETH0 H RULE("source: {selector: has(x)}"), f);
	for (i = 0; i < RANDOM_NETS; i++) {
		uint64_t bits = hf_rand_below(r, 4096);

		nets[i] = (struct hf_prefix){{4, {10, 0, (uint8_t)(bits >> 8), (uint8_t)bits}},
			(uint8_t)hf_rand_between(r, 24, 32)};
		hf_prefix_mask(&nets[i]);
		fprintf(f, GNS("s%zu", "x: y", "%s"), i, hf_prefix_print(&nets[i], buf));
	}
	cr_assert_eq(fclose(f), 0);
	return yaml;
}

Test(sets, random_nets_mean_the_same_when_packed)
{
	struct hf_prefix nets[RANDOM_NETS];
	const struct hf_set *set;
	struct hf_model *m;
	struct hf_rand r;
	unsigned int a;
	char *yaml;
	size_t i;

	hf_rand_init(&r, hf_test_seed(), 0);
	yaml = random_world(&r, nets);
	m = make_model(yaml);
	set = &m->sets[first_rule(m, "h", false)->src.set];
	for (i = 1; i < set->n_nets; i++) {
		cr_expect_lt(hf_prefix_cmp(&set->nets[i - 1], &set->nets[i]), 0);
		cr_expect_not(hf_prefix_covers(&set->nets[i - 1], &set->nets[i]));
	}
	for (a = 0; a < 4096; a++) {
		struct hf_addr at = {4, {10, 0, (uint8_t)(a >> 8), (uint8_t)a}};
		bool in = false;

		for (i = 0; i < RANDOM_NETS; i++)
			in |= hf_prefix_has(&nets[i], &at);
		cr_assert_eq(hf_set_has(set, &at), in, "10.0.%u.%u", a >> 8, a & 255);
	}
	hf_model_free(m);
	free(yaml);
}

/* The index must find whoever the selector means, by whichever label it goes. */
Test(sets, selectors_that_need_a_label_find_all_that_have_it)
{
	struct hf_model *m = make_model(
		ETH0 H GNS("a", "x: y, z: w", "10.0.0.0/16") GNS("b", "x: y", "10.1.0.0/16")
			GNS("c", "x: q", "10.2.0.0/16") GNS("d", "z: w", "10.3.0.0/16") GNP("a",
				"selector: \"who == 'me'\", ingress: ["
				"{action: Allow, source: {selector: \"x == 'y'\"}},"
				"{action: Allow, source: {selector: \"has(x)\"}},"
				"{action: Allow, source: {selector: \"x != 'y' && has(z)\"}},"
				"{action: Allow, source: {selector: \"has(z) && x == 'y'\"}},"
				"{action: Allow, source: {selector: \"x == 'no'\"}},"
				"{action: Allow, source: {selector: \"has(z)\", notSelector: "
				"\"x == 'y'\"}}]"));
	const struct hf_model_rule *r = first_rule(m, "h", false);

	expect_text(set_text(m, r[0].src.set), "10.0.0.0/16 10.1.0.0/16");
	expect_text(set_text(m, r[1].src.set), "10.0.0.0/16 10.1.0.0/16 10.2.0.0/16");
	expect_text(set_text(m, r[2].src.set), "10.3.0.0/16");
	expect_text(set_text(m, r[3].src.set), "10.0.0.0/16");
	expect_text(set_text(m, r[4].src.set), "");
	expect_text(set_text(m, r[5].src.set), "10.3.0.0/16");
	hf_model_free(m);
}
