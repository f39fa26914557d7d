/* SPDX-License-Identifier: BSD-3-Clause */

/* Cubes against the matches they are made of, packet by packet. */

#include "plan/cube.h"

#include "host.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(cube);

#define PACKETS 4000

static bool in_cube(const struct cube *c, const struct hf_key *k)
{
	bool ports = hf_proto_has_ports(k->proto);
	bool icmp = k->proto == (k->src.family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);

	if (c->family != k->src.family || !(c->proto[k->proto / 64] >> k->proto % 64 & 1))
		return false;
	if (!hf_prefix_has(&c->src, &k->src) || !hf_prefix_has(&c->dst, &k->dst))
		return false;
	if (ports && (k->sport < c->sport.lo || k->sport > c->sport.hi || k->dport < c->dport.lo ||
			     k->dport > c->dport.hi))
		return false;
	return !icmp || (((k->icmp_type ^ c->type) & c->type_mask) == 0 &&
				((k->icmp_code ^ c->code) & c->code_mask) == 0);
}

static void random_key(struct hf_rand *rand, uint8_t family, struct hf_key *k)
{
	static const uint8_t protos[] = {1, 6, 17, 58, 132, 47};
	static const uint16_t ports[] = {0, 52, 53, 60, 61, 999, 1000, 1999, 2000, 65535};
	static const char *const addrs[2][4] = {
		{"198.51.100.0", "198.51.100.127", "198.51.100.128", "192.0.2.10"},
		{"2001:db8::", "2001:db8::10", "2001:db8:1::1", "fd00::1"}};

	memset(k, 0, sizeof(*k));
	k->proto = protos[hf_rand_below(rand, sizeof(protos))];
	cr_assert_eq(hf_addr_parse(addrs[family == 6][hf_rand_below(rand, 4)], &k->src), 0);
	cr_assert_eq(hf_addr_parse(addrs[family == 6][hf_rand_below(rand, 4)], &k->dst), 0);
	if (hf_proto_has_ports(k->proto)) {
		k->sport = ports[hf_rand_below(rand, 10)];
		k->dport = ports[hf_rand_below(rand, 10)];
	}
	k->icmp_type = k->proto == 1 || k->proto == 58 ? (uint8_t)hf_rand_below(rand, 12) : 0;
	k->icmp_code = k->icmp_type ? (uint8_t)hf_rand_below(rand, 4) : 0;
	k->wire_dst = k->dst;
	k->wire_dport = k->dport;
	k->out = k->wire_out = 1;
}

/* Every rule of every block: the union of its cubes has exactly the packets of its match. */
static void compare(const char *text)
{
	static const uint8_t families[] = {4, 6};
	struct hf_rand rand;
	struct hf_host h;
	size_t b, r, f, i, p;

	hf_rand_init(&rand, hf_test_seed(), 0);
	hf_host_init(&h, "none", 0, text);
	for (b = 0; b < hf_rules_n_blocks(h.rules); b++) {
		const struct hf_block *block = hf_rules_block(h.rules, b);

		for (r = 0; r < block->n_rules; r++) {
			struct hf_match m = block->rules[r].match;

			m.out = m.wire_out = HF_IF_ANY; /* no business of cubes */
			m.ct = HF_CT_ANY;
			m.dnated_only = false;
			for (f = 0; f < 2; f++) {
				struct cube all = hf_cube_all(families[f]);
				enum hf_reason reason = HF_REASON_NONE;
				struct cubes cubes = {0};
				struct hf_key k;

				cr_assert_eq(
					hf_cubes_expand(h.rules, &m, &all, &cubes, &reason), 0);
				for (p = 0; p < PACKETS / 40; p++) {
					bool in = false;

					random_key(&rand, families[f], &k);
					for (i = 0; i < cubes.n; i++)
						in |= in_cube(&cubes.v[i], &k);
					cr_expect_eq(in, hf_match_has(h.rules, &m, &k),
						"block %zu rule %zu", b, r);
				}
				hf_cubes_fini(&cubes);
			}
		}
	}
	hf_host_fini(&h);
}

Test(cube, expansion_is_exact)
{
	compare("---\n"
		"apiVersion: projectcalico.org/v3\n"
		"kind: GlobalNetworkPolicy\n"
		"metadata: {name: p}\n"
		"spec:\n"
		"  selector: has(host)\n"
		"  types: [Ingress]\n"
		"  ingress:\n"
		"    - {action: Allow, protocol: UDP, source: {notNets: [198.51.100.0/25], ports: "
		"['53:60']}}\n"
		"    - {action: Allow, protocol: TCP, destination: {notPorts: [53, '1000:1999']}}\n"
		"    - {action: Allow, protocol: ICMP, icmp: {type: 3, code: 1}}\n"
		"    - {action: Deny, protocol: ICMP, notICMP: {type: 8}}\n"
		"    - {action: Deny, protocol: ICMPv6, notICMP: {type: 3, code: 2}}\n"
		"    - {action: Deny, notProtocol: SCTP, source: {nets: ['2001:db8::/64']}}\n"
		"    - {action: Deny, source: {nets: [198.51.100.0/24], notNets: "
		"[198.51.100.128/25]}}\n");
}

Test(cube, intersection_and_cover)
{
	struct cube a = hf_cube_all(4), b = hf_cube_all(4), r;

	b.dport = (struct hf_ports){10, 20};
	hf_protos_only(b.proto, HF_PROTO_TCP);
	cr_expect(hf_cube_covers(&a, &b));
	cr_expect(!hf_cube_covers(&b, &a));
	cr_assert(hf_cube_intersect(&a, &b, &r));
	cr_expect(hf_cube_covers(&b, &r) && hf_cube_covers(&r, &b));
	a.dport = (struct hf_ports){21, 30};
	cr_expect(!hf_cube_meets(&a, &b));
	a = hf_cube_all(6);
	cr_expect(!hf_cube_meets(&a, &b));
}

/* Of the protocols with ports, or of ICMP, or of any. */
static struct cube random_cube(struct hf_rand *rand, uint8_t family)
{
	struct cube c = hf_cube_all(family);
	unsigned int kind = hf_rand_below(rand, 3);
	struct hf_key k;

	random_key(rand, family, &k);
	c.src = (struct hf_prefix){k.src, 0};
	c.src.len = (uint8_t)(hf_rand_below(rand, 5) * hf_addr_bits(&k.src) / 4);
	c.dst = (struct hf_prefix){k.dst, 0};
	c.dst.len = (uint8_t)(hf_rand_below(rand, 5) * hf_addr_bits(&k.dst) / 4);
	hf_prefix_mask(&c.src);
	hf_prefix_mask(&c.dst);
	if (kind == 0) {
		hf_protos_only(c.proto, hf_rand_below(rand, 2) ? HF_PROTO_TCP : HF_PROTO_UDP);
		c.sport = (struct hf_ports){(uint16_t)hf_rand_below(rand, 61), 1000};
		c.dport = (struct hf_ports){53, (uint16_t)(53 + hf_rand_below(rand, 65536 - 53))};
	} else if (kind == 1) {
		hf_protos_only(c.proto, family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);
		c.type_mask = (uint8_t)(0xff << hf_rand_below(rand, 9));
		c.type = (uint8_t)(hf_rand_below(rand, 12) & c.type_mask);
		c.code_mask = hf_rand_below(rand, 2) ? 0xff : 0;
		c.code = (uint8_t)(hf_rand_below(rand, 4) & c.code_mask);
	}
	return c;
}

Test(cube, what_is_left_is_in_one_piece_each)
{
	size_t round, p, i, both = 0;
	struct hf_rand rand;

	hf_rand_init(&rand, hf_test_seed(), 1);
	for (round = 0; round < 400; round++) {
		uint8_t family = round % 2 ? 4 : 6;
		struct cube a = random_cube(&rand, family), b = random_cube(&rand, family);
		struct cubes left = {0};
		struct hf_key k;

		cr_assert_eq(hf_cube_minus(&a, &b, &left), 0);
		for (p = 0; p < 100; p++) {
			size_t n = 0;

			random_key(&rand, family, &k);
			for (i = 0; i < left.n; i++)
				n += in_cube(&left.v[i], &k);
			cr_expect_eq(n, in_cube(&a, &k) && !in_cube(&b, &k), "round %zu", round);
			both += in_cube(&a, &k) && in_cube(&b, &k);
		}
		hf_cubes_fini(&left);
	}
	cr_expect_gt(both, 100);
}
