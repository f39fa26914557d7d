/* SPDX-License-Identifier: BSD-3-Clause */

/* Filters of flow/dump: what is read, and that overlap is what packets in common are. */

#include "hf_test.h"
#include "hf_test_rand.h"

#include "daemon/filter.h"

#include <hepflow/err.h>

#include <errno.h>
#include <string.h>

HF_SUITE(filter);

Test(filter, terms_are_those_of_open_vswitch)
{
	struct hf_filter f;
	struct hf_err err;

	cr_assert_eq(hf_filter_parse("tcp,in_port=eth0,nw_src=198.51.100.0/24,ip_dst=192.0.2.10,"
				     "tp_dst=443,policy=default/gnp:web,reason=capacity",
			     &f, &err),
		0, "%s", err.text);
	cr_expect(f.family == 4 && f.has_proto && f.proto == HF_PROTO_TCP && !f.has_sport);
	cr_expect(f.has_dport && f.dport == 443 && f.src.len == 24 && f.dst.len == 32);
	cr_expect_str_eq(f.in_port, "eth0");
	cr_expect_str_eq(f.policy, "default/gnp:web");
	cr_expect_str_eq(f.reason, "capacity");
	cr_assert_eq(hf_filter_parse("udp6,ipv6_src=2001:db8::/32,udp_src=53", &f, &err), 0);
	cr_expect(f.family == 6 && f.has_sport && f.sport == 53 && f.src.addr.family == 6);
	cr_assert_eq(hf_filter_parse("", &f, &err), 0);
	cr_expect(f.family == 0 && !f.has_proto);
}

Test(filter, what_is_not_understood_is_named)
{
	static const struct {
		const char *text, *at;
	} bad[] = {
		{"tcp,colour=red", "'colour=red'"},
		{"tcp,tp_dst=65536", "'tp_dst=65536'"},
		{"tcp,tp_dst=", "'tp_dst='"},
		{"nw_src", "'nw_src'"},
		{"nw_src=nobody", "'nw_src=nobody'"},
		{"ip,nw_dst=2001:db8::1", "'nw_dst=2001:db8::1'"},
		{"tcp,ipv6", "'ipv6'"},
		{"tp_dst=80", "needs tcp, udp or sctp"},
		{"icmp,tp_dst=80", "needs tcp, udp or sctp"},
		{"policy=", "'policy='"},
	};
	struct hf_filter f = {.family = 9};
	struct hf_err err;
	char text[600];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(hf_filter_parse(bad[i].text, &f, &err), -EINVAL, "%s", bad[i].text);
		cr_expect(strstr(err.text, bad[i].at), "%s: %s", bad[i].text, err.text);
	}
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cr_expect_eq(hf_filter_parse(text, &f, &err), -EINVAL);
	cr_expect_eq(f.family, 9);
}

/* Few bits each, so that every packet can be tried. */
static void draw(struct hf_rand *r, uint8_t *spec, uint8_t *mask, unsigned int bits)
{
	*mask = (uint8_t)hf_rand_below(r, 1u << bits);
	*spec = (uint8_t)(hf_rand_below(r, 1u << bits) & *mask);
}

static bool has(const struct hf_pattern *p, uint8_t src, uint8_t dport)
{
	return ((src ^ p->spec.ip_src[3]) & p->mask.ip_src[3]) == 0 &&
	       ((dport ^ p->spec.dport[1]) & p->mask.dport[1]) == 0;
}

/* An entry fits exactly when one of the packets that the filter describes is one of the entry's. */
Test(filter, fits_is_a_packet_in_common)
{
	unsigned int round, src, n_fit = 0;
	struct hf_rand r;

	hf_rand_init(&r, hf_test_seed(), 0);
	for (round = 0; round < 2000; round++) {
		struct hf_pattern p = {
			.layers = HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_TCP)};
		struct hf_filter f = {.family = 4, .has_proto = true, .proto = HF_PROTO_TCP};
		unsigned int len = (unsigned int)hf_rand_below(&r, 5);
		uint8_t keep = (uint8_t)(0xf0u >> len & 0x0f), value;
		bool want = false;

		memset(p.mask.ip_src, 0xff, 3);
		draw(&r, &p.spec.ip_src[3], &p.mask.ip_src[3], 4);
		draw(&r, &p.spec.dport[1], &p.mask.dport[1], 3);
		p.mask.ip_src[3] |= 0xf0;
		value = (uint8_t)(hf_rand_below(&r, 16) & keep);
		f.src = (struct hf_prefix){
			.addr = {.family = 4, .b = {[3] = value}}, .len = (uint8_t)(28 + len)};
		f.has_dport = hf_rand_below(&r, 2);
		f.dport = (uint16_t)hf_rand_below(&r, 8);
		for (src = 0; src < 16; src++) {
			unsigned int port;

			for (port = 0; port < 8; port++)
				want = want || ((src & keep) == value &&
						       (!f.has_dport || port == f.dport) &&
						       has(&p, (uint8_t)src, (uint8_t)port));
		}
		cr_assert_eq(hf_filter_fits_pattern(&f, &p), want, "round %u", round);
		n_fit += want;
		f.proto = HF_PROTO_UDP;
		f.has_dport = false;
		cr_assert(!hf_filter_fits_pattern(&f, &p));
		f.family = 6;
		f.has_proto = false;
		f.src.addr.family = 0;
		cr_assert(!hf_filter_fits_pattern(&f, &p));
	}
	cr_expect(n_fit > 100 && n_fit < 1900);
}

Test(filter, names)
{
	struct hf_filter f = {.in_port = "eth0", .policy = "default/gnp:web", .reason = "mask"};

	cr_expect(!hf_filter_fits_names(&f, "eth0", "default/gnp:web/ingress/0", "mask-partial"));
	strcpy(f.reason, "item-unsupported");
	cr_expect(hf_filter_fits_names(
		&f, "eth0", "default/gnp:web/ingress/0", "item-unsupported:sctp.dst"));
	cr_expect(!hf_filter_fits_names(
		&f, "eth1", "default/gnp:web/ingress/0", "item-unsupported:sctp.dst"));
	cr_expect(!hf_filter_fits_names(&f, "eth0", "failsafe", "item-unsupported:sctp.dst"));
}
