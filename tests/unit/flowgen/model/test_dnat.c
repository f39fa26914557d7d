/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_test.h"

HF_SUITE(dnat);

/* "A:P,A:P" in order, or "none". */
static const char *to_text(const struct hf_model *m, uint8_t proto, const char *dst, uint16_t port)
{
	static char text[512];
	char buf[HF_ADDRSTR_SIZE];
	struct hf_addr a = addr(dst);
	const struct hf_dnat *d = hf_model_find_dnat(m, proto, &a, port);
	size_t i, len = 0;

	if (!d)
		return "none";
	for (i = 0; i < d->n_to; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "",
			hf_addrport_print(&d->to[i], buf));
	return text;
}

#define FACTS_DNAT                                                                                 \
	FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']},"          \
	      "{name: lo, addresses: [127.0.0.1/8]}],"                                             \
	      "dnat: [{proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.3:3000', "          \
	      "'10.65.0.2:3000']}]")

Test(dnat, facts_keep_the_order_of_backends)
{
	struct hf_model *m = make_model(FACTS_DNAT);

	expect_text(to_text(m, HF_PROTO_TCP, "192.0.2.10", 30001), "10.65.0.3:3000,10.65.0.2:3000");
	expect_text(to_text(m, HF_PROTO_UDP, "192.0.2.10", 30001), "none");
	expect_text(to_text(m, HF_PROTO_TCP, "192.0.2.10", 30002), "none");
	expect_text(to_text(m, HF_PROTO_TCP, "192.0.2.11", 30001), "none");
	hf_model_free(m);
}

#define SERVICE(spec, status)                                                                      \
	KUBE("v1", "Service", "name: web, namespace: ns", "spec: {" spec "}\nstatus: {" status "}")
#define PORTS                                                                                      \
	"ports: [{name: http, port: 80, nodePort: 30080, protocol: TCP},"                          \
	"{name: dns, port: 53, protocol: UDP}]"
#define SLICE(rest)                                                                                \
	KUBE("discovery.k8s.io/v1", "EndpointSlice",                                               \
		"name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}", rest)
#define BACKENDS                                                                                   \
	SLICE("addressType: IPv4\nports: [{name: dns, port: 5353, protocol: UDP},"                 \
	      "{name: http, port: 8080, protocol: TCP}]\n"                                         \
	      "endpoints: [{addresses: [10.65.0.2], nodeName: n0}, {addresses: [10.65.1.2], "      \
	      "nodeName: n1}, {addresses: [10.65.1.3], nodeName: n1, conditions: {ready: "         \
	      "false}}]")

Test(dnat, a_service_rewrites_all_its_addresses)
{
	struct hf_model *m = make_model(FACTS_DNAT BACKENDS SERVICE(
		"clusterIPs: [10.96.0.1], clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], type: "
		"LoadBalancer, " PORTS,
		"loadBalancer: {ingress: [{ip: 203.0.113.2}]}"));
	const char *both = "10.65.0.2:8080,10.65.1.2:8080";

	expect_text(to_text(m, HF_PROTO_TCP, "10.96.0.1", 80), both);
	expect_text(to_text(m, HF_PROTO_UDP, "10.96.0.1", 53), "10.65.0.2:5353,10.65.1.2:5353");
	expect_text(to_text(m, HF_PROTO_TCP, "203.0.113.1", 80), both);
	expect_text(to_text(m, HF_PROTO_TCP, "203.0.113.2", 80), both);
	expect_text(to_text(m, HF_PROTO_TCP, "192.0.2.10", 30080), both);
	expect_text(to_text(m, HF_PROTO_TCP, "127.0.0.1", 30080), "none");
	expect_text(to_text(m, HF_PROTO_TCP, "2001:db8::10", 30080), "none");
	expect_text(to_text(m, HF_PROTO_UDP, "192.0.2.10", 53), "none");
	hf_model_free(m);
}

Test(dnat, local_policy_narrows_what_comes_from_outside)
{
	struct hf_model *m = make_model(
		FACTS_DNAT BACKENDS SERVICE("clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], "
					    "type: NodePort, externalTrafficPolicy: Local, " PORTS,
			""));

	expect_text(to_text(m, HF_PROTO_TCP, "10.96.0.1", 80), "10.65.0.2:8080,10.65.1.2:8080");
	expect_text(to_text(m, HF_PROTO_TCP, "203.0.113.1", 80), "10.65.0.2:8080");
	expect_text(to_text(m, HF_PROTO_TCP, "192.0.2.10", 30080), "10.65.0.2:8080");
	hf_model_free(m);
}

Test(dnat, a_service_without_backends_rewrites_nothing)
{
	struct hf_model *m = make_model(FACTS_DNAT SERVICE("clusterIP: 10.96.0.1, " PORTS, ""));

	expect_text(to_text(m, HF_PROTO_TCP, "10.96.0.1", 80), "none");
	hf_model_free(m);
}

Test(dnat, facts_and_services_merge_and_no_backend_is_twice)
{
	struct hf_model *m = make_model(
		FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24]}],"
		      "dnat: [{proto: tcp, dst: 10.96.0.1, port: 80, to: ['10.65.1.2:8080', "
		      "'10.1.1.1:1']}]") BACKENDS SERVICE("clusterIP: 10.96.0.1, " PORTS, ""));

	expect_text(to_text(m, HF_PROTO_TCP, "10.96.0.1", 80),
		"10.65.1.2:8080,10.1.1.1:1,10.65.0.2:8080");
	hf_model_free(m);
}

Test(dnat, a_floating_address_is_rewritten_whatever_the_protocol)
{
	struct hf_model *m = make_model(
		FACTS("interfaces: [{name: eth0}], dnat: [{proto: tcp, dst: 203.0.113.9, port: 25, "
		      "to: ['10.1.1.1:25']}]") POD("x", "p", "",
			"interfaceName: cali1, ipNetworks: [10.65.0.2/32],"
			"ipNATs: [{internalIP: 10.65.0.2, externalIP: 203.0.113.9}]")
			POD_ON("n1", "x", "q", "",
				"interfaceName: cali2, ipNetworks: [10.65.0.3/32],"
				"ipNATs: [{internalIP: 10.65.0.3, externalIP: 203.0.113.8}]"));

	expect_text(to_text(m, HF_PROTO_UDP, "203.0.113.9", 53), "10.65.0.2:0");
	expect_text(to_text(m, HF_PROTO_TCP, "203.0.113.9", 25), "10.1.1.1:25");
	expect_text(to_text(m, HF_PROTO_UDP, "203.0.113.8", 53), "none");
	hf_model_free(m);
}
