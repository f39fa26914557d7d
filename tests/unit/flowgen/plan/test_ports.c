/* SPDX-License-Identifier: BSD-3-Clause */

/* Port ranges as prefixes and as bits of a tag. */

#include "plan/cover.h"
#include "rules/algebra.h"

#include "host.h"

#include <hf_test.h>
#include <hf_test_rand.h>

#include <string.h>

HF_SUITE(ports);

#define ROUNDS 300

static uint32_t look_up(const struct cover *c, uint16_t port)
{
	uint32_t bits = 0;
	int best = -1;
	size_t i;

	for (i = 0; i < c->n; i++) {
		const struct cover_part *p = &c->v[i];

		if (p->len > best &&
			(uint32_t)(port ^ p->port) >> (COVER_PORT_BITS - p->len) == 0) {
			best = p->len;
			bits = p->bits;
		}
	}
	return bits;
}

static uint32_t meant(const struct cover_range *r, size_t n, uint16_t port)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < n; i++)
		bits |= r[i].range.lo <= port && port <= r[i].range.hi ? r[i].bit : 0;
	return bits;
}

static void check_ends(const struct cover *c, const struct cover_range *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const uint16_t at[] = {r[i].range.lo, r[i].range.hi, (uint16_t)(r[i].range.lo - 1),
			(uint16_t)(r[i].range.hi + 1)};
		size_t k;

		for (k = 0; k < 4; k++)
			cr_expect_eq(look_up(c, at[k]), meant(r, n, at[k]), "port %u", at[k]);
	}
}

Test(ports, a_cover_says_of_every_port_what_ranges_it_is_in)
{
	struct cover_range r[COVER_RANGES_MAX];
	static struct cover c;
	struct hf_rand rand;
	size_t round, n, i;

	hf_rand_init(&rand, hf_test_seed(), 0);
	for (round = 0; round < ROUNDS; round++) {
		n = hf_rand_below(&rand, COVER_RANGES_MAX + 1);
		for (i = 0; i < n; i++) {
			uint16_t a = (uint16_t)hf_rand_below(&rand, 65536),
				 b = (uint16_t)hf_rand_below(&rand, 65536);

			r[i] = (struct cover_range){{a < b ? a : b, a < b ? b : a}, 1u << i};
			if (hf_rand_chance(&rand, 1, 8))
				r[i].range.lo = 0;
			if (hf_rand_chance(&rand, 1, 8))
				r[i].range.hi = UINT16_MAX;
		}
		hf_cover_build(r, n, &c);
		check_ends(&c, r, n);
		for (i = 0; i < 200; i++) {
			uint16_t p = (uint16_t)hf_rand_below(&rand, 65536);

			cr_expect_eq(look_up(&c, p), meant(r, n, p), "port %u", p);
		}
	}
}

#define RANGES                                                                                     \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: r}\n"                                                                    \
	"spec:\n"                                                                                  \
	"  selector: has(host)\n"                                                                  \
	"  doNotTrack: true\n"                                                                     \
	"  applyOnForward: true\n"                                                                 \
	"  types: [Ingress]\n"                                                                     \
	"  ingress:\n"                                                                             \
	"    - {action: Deny, protocol: TCP, source: {ports: ['1024:65535']},\n"                   \
	"       destination: {ports: ['1024:65535', '100:200']}}\n"                                \
	"    - {action: Allow, protocol: TCP, source: {ports: ['1024:65535']},\n"                  \
	"       destination: {ports: ['100:900']}}\n"

static struct hf_plan *build(const struct hf_host *h, uint32_t from, const struct hf_plan *previous)
{
	struct hf_plan_opts opts = {.classify_from = from, .previous = previous};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	return plan;
}

static bool has_ports(const struct hf_plan *plan)
{
	return strcmp(hf_plan_table(plan, 1)->name, "ports") == 0;
}

Test(ports, a_tag_decides_as_the_masks_do_with_fewer_entries)
{
	static const uint16_t at[] = {0, 99, 100, 200, 201, 900, 901, 1023, 1024, 65535};
	struct hf_plan *tags, *masks;
	struct hf_host h;
	size_t s, d;

	hf_host_init(&h, "mlx5-cx6dx", 0, RANGES);
	tags = build(&h, 1, NULL);
	masks = build(&h, UINT32_MAX, NULL);
	cr_assert(has_ports(tags) && !has_ports(masks));
	cr_expect_lt(2 * hf_plan_n_entries(tags), hf_plan_n_entries(masks));
	for (s = 0; s < sizeof(at) / sizeof(at[0]); s++) {
		for (d = 0; d < sizeof(at) / sizeof(at[0]); d++) {
			struct hf_packet pkt;

			cr_assert_eq(hf_packet_parse("in=eth0 src=198.51.100.7 dst=192.0.2.10 "
						     "proto=tcp flags=A",
					     &pkt, NULL),
				0);
			pkt.sport = at[s];
			pkt.dport = at[d];
			cr_expect_eq(hf_plan_judge(tags, &pkt, NULL),
				hf_plan_judge(masks, &pkt, NULL), "%u to %u", at[s], at[d]);
		}
	}
	hf_plan_free(tags);
	hf_plan_free(masks);
	hf_host_fini(&h);
}

/* A range more leaves the others the bits they have, so that no entry of theirs changes. */
Test(ports, bits_stay_when_a_range_comes)
{
	struct hf_host before, after;
	struct hf_plan *one, *two;
	size_t i, k, same = 0;

	hf_host_init(&before, "mlx5-cx6dx", 0, RANGES);
	hf_host_init(&after, "mlx5-cx6dx", 0,
		RANGES "    - {action: Allow, protocol: TCP, source: {ports: ['7:60000']}}\n");
	one = build(&before, 40, NULL); /* for less than the bit of what opens would save */
	two = build(&after, 40, one);
	for (i = 0; i < hf_plan_n_entries(one); i++) {
		const struct hf_entry *e = hf_plan_entry(one, i);

		for (k = 0; e->table > 1 && k < hf_plan_n_entries(two); k++) {
			const struct hf_entry *o = hf_plan_entry(two, k);

			same += e->table == o->table && e->priority == o->priority &&
				e->fate == o->fate &&
				memcmp(&e->match, &o->match, sizeof(e->match)) == 0;
		}
		same += e->table <= 1;
	}
	cr_expect_eq(same, hf_plan_n_entries(one));
	hf_plan_free(one);
	hf_plan_free(two);
	hf_host_fini(&before);
	hf_host_fini(&after);
}

/* Tracked rules that deny whatever the protocol is, to the packets that may only open something. */
#define DENIES                                                                                     \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: d}\n"                                                                    \
	"spec:\n"                                                                                  \
	"  selector: has(host)\n"                                                                  \
	"  types: [Ingress]\n"                                                                     \
	"  ingress:\n"                                                                             \
	"    - {action: Deny, source: {nets: [203.0.113.0/25]}}\n"                                 \
	"    - {action: Deny, source: {nets: [203.0.113.128/25]}, protocol: ICMP}\n"               \
	"    - {action: Allow}\n"

Test(ports, what_can_only_open_a_connection_is_one_bit)
{
	static const char *const packets[] = {"proto=tcp flags=S dport=80",
		"proto=tcp flags=A dport=80", "proto=tcp flags=SA dport=80", "proto=udp dport=80",
		"proto=47", "proto=icmp type=8", "proto=icmp type=0", "proto=icmp type=13",
		"proto=icmp type=17 code=3", "proto=sctp dport=7"};
	static const char *const sources[] = {"203.0.113.7", "203.0.113.200", "198.51.100.7"};
	struct hf_plan *tags, *masks;
	struct hf_host h;
	size_t denied;

	hf_host_init(&h, "mlx5-cx6dx", 0, DENIES);
	tags = build(&h, 1, NULL);
	masks = build(&h, UINT32_MAX, NULL);
	cr_assert(has_ports(tags) && !has_ports(masks));
	/* What opens, and the rest; as masks SYN, four queries and the rest. */
	cr_expect_eq(hf_host_entries_of(tags, "default/gnp:d/ingress/0"), 2);
	cr_expect_eq(hf_host_entries_of(masks, "default/gnp:d/ingress/0"), 6);
	cr_expect_eq(hf_host_entries_of(tags, "default/gnp:d/ingress/1"), 2);
	cr_expect_eq(hf_host_entries_of(masks, "default/gnp:d/ingress/1"), 5);
	denied = hf_host_same_fates(tags, masks, sources, sizeof(sources) / sizeof(sources[0]),
		packets, sizeof(packets) / sizeof(packets[0]));
	/* SYN and three queries from the first net, the queries from the second. */
	cr_expect_eq(denied, 4 + 3);
	hf_plan_free(tags);
	hf_plan_free(masks);
	hf_host_fini(&h);
}

/* Of one range no more prefixes than without order, and fewer where the rest is the simpler part.
 */
Test(ports, a_cover_is_no_larger_than_plain_prefixes)
{
	static const struct {
		struct hf_ports range;
		size_t n; /* beside the part for all ports */
	} known[] = {{{1024, 65535}, 1}, {{0, 1023}, 1}, {{1025, 65535}, 2}, {{1, 65535}, 1},
		{{80, 80}, 1}, {{0, 65535}, 0}, {{1, 65534}, 2}};
	struct hf_port_mask masks[HF_PORT_MASKS_MAX];
	static struct cover c;
	struct hf_rand rand;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct cover_range r = {known[i].range, 1};

		hf_cover_build(&r, 1, &c);
		cr_expect_eq(c.n - 1, known[i].n, "%u-%u: %zu", r.range.lo, r.range.hi, c.n - 1);
	}
	hf_rand_init(&rand, hf_test_seed(), 1);
	for (i = 0; i < 2000; i++) {
		uint16_t a = (uint16_t)hf_rand_below(&rand, 65536),
			 b = (uint16_t)hf_rand_below(&rand, 65536);
		struct cover_range r = {{a < b ? a : b, a < b ? b : a}, 1};

		hf_cover_build(&r, 1, &c);
		cr_expect_leq(c.n - 1, hf_ports_masks(r.range, masks));
	}
}
