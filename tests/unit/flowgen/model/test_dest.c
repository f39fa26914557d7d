/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(dest);

#define WORLD                                                                                      \
	FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64', "           \
	      "'fe80::1/64']}, {name: eth1, addresses: [198.51.100.2/31]}, {name: tunl0, "         \
	      "addresses: [10.65.7.1/32]}, {name: cali7}, {name: lo, addresses: [127.0.0.1/8, "    \
	      "'::1/128', 203.0.113.5/32]}],"                                                      \
	      "routes: [{dst: 10.65.1.0/24, dev: tunl0}, {dst: 10.65.9.9/32, dev: cali7},"         \
	      "{dst: 10.65.0.2/32, dev: eth1}, {dst: 192.0.2.10/32, dev: eth1},"                   \
	      "{dst: 'fe80::/64', dev: eth0}, {dst: 10.65.1.128/25, dev: eth1}]")                  \
	POD("x", "p", "", "interfaceName: cali1, ipNetworks: [10.65.0.2/32, '2001:db8:1::2/128']")

/* "CLASS" or "CLASS INTERFACE" */
static const char *dest_text(const struct hf_model *m, const char *dst)
{
	static char text[64];
	struct hf_addr a = addr(dst);
	const struct hf_dest *d = hf_model_find_dest(m, &a);

	cr_assert_not_null(d, "%s", dst);
	(void)snprintf(text, sizeof(text), "%s%s%s", hf_class_name(d->class), d->out ? " " : "",
		m->ifaces[d->out].id.name);
	return text;
}

static void check(const char *yaml, const char *const (*v)[2], size_t n)
{
	struct hf_model *m = make_model(yaml);
	size_t i;

	for (i = 0; i < n; i++) {
		const char *text = dest_text(m, v[i][0]);

		cr_expect_str_eq(text, v[i][1], "%s: got '%s'", v[i][0], text);
	}
	hf_model_free(m);
}

#define CHECK(yaml, ...)                                                                           \
	do {                                                                                       \
		static const char *const v_[][2] = {__VA_ARGS__};                                  \
		check(yaml, v_, sizeof(v_) / sizeof(v_[0]));                                       \
	} while (0)

Test(dest, local_addresses_are_host)
{
	CHECK(WORLD, {"192.0.2.10", "host"}, {"2001:db8::10", "host"}, {"198.51.100.2", "host"},
		{"10.65.7.1", "host"}, {"203.0.113.5", "host"}, {"127.0.0.1", "host"},
		{"127.8.9.10", "host"}, {"::1", "host"}, {"fe80::1", "host"});
}

Test(dest, broadcast_and_local_multicast_are_host)
{
	CHECK(WORLD, {"192.0.2.255", "host"}, {"255.255.255.255", "host"}, {"224.0.0.5", "host"},
		{"ff02::1", "host"}, {"ff01::1", "host"}, {"fe80::99", "host"},
		/* no broadcast in a /31; wider multicast is routed */
		{"198.51.100.3", "remote eth1"}, {"239.1.1.1", "remote eth0"},
		{"ff05::2", "remote eth0"});
}

Test(dest, pods_and_routes_by_longest_prefix)
{
	CHECK(WORLD, {"10.65.0.2", "workload cali1"}, {"2001:db8:1::2", "workload cali1"},
		{"10.65.9.9", "workload cali7"}, {"10.65.1.5", "remote tunl0"},
		{"10.65.1.200", "remote eth1"}, {"192.0.2.77", "remote eth0"},
		{"2001:db8::77", "remote eth0"}, {"8.8.8.8", "remote eth0"},
		{"2a00::1", "remote eth0"});
}

Test(dest, a_default_route_of_the_facts_counts)
{
	CHECK(FACTS("interfaces: [{name: eth0}, {name: eth1}], routes: [{dst: 0.0.0.0/0, dev: "
		    "eth1}]"),
		{"8.8.8.8", "remote eth1"}, {"2a00::1", "remote eth0"});
}

Test(dest, without_uplink_the_default_leaves_nowhere)
{
	CHECK(FACTS("interfaces: [{name: cali1}, {name: tunl0}]"), {"8.8.8.8", "remote"},
		{"2a00::1", "remote"});
}

Test(dest, longest_first_and_defaults_last)
{
	struct hf_model *m = make_model(WORLD);
	size_t i;

	for (i = 1; i < m->n_dests; i++) {
		cr_expect_leq(m->dests[i].net.len, m->dests[i - 1].net.len);
		cr_expect_not(hf_prefix_equal(&m->dests[i].net, &m->dests[i - 1].net));
	}
	cr_assert_geq(m->n_dests, 2);
	cr_expect_eq(m->dests[m->n_dests - 2].net.len, 0);
	cr_expect_eq(m->dests[m->n_dests - 2].net.addr.family, 4);
	cr_expect_eq(m->dests[m->n_dests - 1].net.len, 0);
	cr_expect_eq(m->dests[m->n_dests - 1].net.addr.family, 6);
	hf_model_free(m);
}

Test(dest, local_is_not_broadcast_nor_multicast)
{
	static const struct {
		const char *addr;
		bool local;
	} v[] = {{"192.0.2.10", true}, {"192.0.2.255", false}, {"255.255.255.255", false},
		{"224.0.0.1", false}, {"127.9.9.9", true}, {"::1", true}, {"203.0.113.5", true},
		{"fe80::1", true}, {"fe80::2", false}, {"ff02::1", false}, {"10.65.0.2", false},
		{"8.8.8.8", false}};
	struct hf_model *m = make_model(WORLD);
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct hf_addr a = addr(v[i].addr);

		cr_expect_eq(hf_model_is_local(m, &a), v[i].local, "%s", v[i].addr);
	}
	hf_model_free(m);
}

Test(dest, without_facts_endpoints_and_node_say_what_is_local)
{
	CHECK(HEP("h", "interfaceName: eth3, expectedIPs: [192.0.2.10]")
			NODE("n0", "bgp: {ipv4Address: 192.0.2.11/24}")
				NODE("n1", "bgp: {ipv4Address: 192.0.2.12/24}"),
		{"192.0.2.10", "host"}, {"192.0.2.11", "host"}, {"192.0.2.12", "remote eth3"});
}

/* Every address of a small world, against the definition: the longest of all prefixes. */
Test(dest, find_agrees_with_a_linear_search)
{
	struct hf_model *m = make_model(WORLD);
	unsigned int i;
	size_t k;

	for (i = 0; i < 65536; i++) {
		struct hf_addr a = {4, {10, 65, (uint8_t)(i >> 8), (uint8_t)i}};
		const struct hf_dest *best = NULL;

		for (k = 0; k < m->n_dests; k++) {
			const struct hf_dest *d = &m->dests[k];

			if (hf_prefix_has(&d->net, &a) && (!best || d->net.len > best->net.len))
				best = d;
		}
		cr_assert_eq(hf_model_find_dest(m, &a), best);
	}
	hf_model_free(m);
}
