/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The software path and the tables must say the same of every packet that opens a connection, on
 * random worlds (tests/equiv/world.h); and what it lets in for a pod it lets go on to the pod.
 */

#include "soft_test.h"

#include "../../../equiv/world.h"

#include <soft/soft.h>

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <hf_test_eal.h>

#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS		  150
#define PACKETS_PER_WORLD 150
#define NAMES_MAX	  16
/* Longer than any connection lives: every packet finds an empty table. */
#define AGE (UINT64_C(10) * 24 * 3600 * HZ)

static void fini(void)
{
	mbufs_fini();
	hf_test_fini();
}

TestSuite(judge, .init = hf_test_eal_init, .fini = fini);

struct place {
	struct hf_soft *soft;
	struct hf_rules *rules;
	size_t n_ifaces;
	const char *names[NAMES_MAX];
	unsigned int wires[NAMES_MAX]; /* of the interfaces but the host's own */
	uint64_t now;
};

struct tally {
	size_t in, out, onward, ambiguous, reasons[HF_SOFT_N_REASONS];
};

static struct hf_rules *rules_of(const struct hf_world *world)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = world->calico};
	char *text = hf_world_text(world);
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	struct hf_err err;
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &model, &err);
	if (rc == 0)
		rc = hf_rules_build(model, &rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	hf_model_free(model);
	hf_policy_free(policy);
	free(text);
	return rules;
}

static void place_init(struct place *p, const struct hf_world *world)
{
	struct hf_soft_opts opts = {
		.n_workers = 1, .max_conns = 16, .max_frags = 8, .hz = HZ, .socket = SOCKET_ID_ANY};
	size_t i;

	*p = (struct place){.rules = rules_of(world), .now = AGE};
	cr_assert_eq(hf_soft_new(&opts, &p->soft, NULL), 0);
	p->n_ifaces = hf_rules_n_ifaces(p->rules);
	cr_assert_leq(p->n_ifaces, NAMES_MAX);
	for (i = 0; i < p->n_ifaces; i++) {
		const struct hf_iface *iface = hf_rules_iface(p->rules, i);

		p->names[i] = iface->name;
		if (i > 0)
			cr_assert_eq(hf_soft_add_wire(p->soft, iface->name,
					     iface->from == HF_FROM_WORKLOAD ? HF_SOFT_WORKLOAD
									     : HF_SOFT_UPLINK,
					     &p->wires[i], NULL),
				0);
	}
	cr_assert_eq(hf_soft_publish(p->soft, p->rules, NULL), 0);
}

static void place_fini(struct place *p)
{
	hf_soft_free(p->soft);
	hf_rules_free(p->rules);
}

/* What Linux says of a packet that nothing came before; docs/semantics.md 7. */
static enum hf_ct first_state(const struct hf_packet *pkt)
{
	uint8_t t = pkt->icmp_type;
	bool icmp6 = pkt->proto == HF_PROTO_ICMPV6 && pkt->src.family == 6;
	bool icmp4 = pkt->proto == HF_PROTO_ICMP && pkt->src.family == 4;

	if (pkt->proto == HF_PROTO_TCP)
		return pkt->tcp_flags == HF_TCP_SYN || pkt->tcp_flags == HF_TCP_ACK ? HF_CT_NEW
										    : HF_CT_INVALID;
	if (icmp4)
		return t == 8 || t == 13 || t == 15 || t == 17 ? HF_CT_NEW : HF_CT_INVALID;
	if (icmp6 && ((t >= 130 && t <= 136) || t == 143))
		return HF_CT_UNTRACKED;
	if (icmp6)
		return t == 128 || t == 139 ? HF_CT_NEW : HF_CT_INVALID;
	return HF_CT_NEW;
}

static bool allowed(const struct place *p, const struct hf_packet *pkt, const char *out)
{
	struct hf_packet copy = *pkt;
	struct hf_decision d;
	struct hf_key key;

	if (out)
		strcpy(copy.out, out);
	cr_assert_eq(hf_rules_sort(p->rules, &copy, &key, NULL), 0);
	if (out)
		key.class = HF_CLASS_REMOTE;
	key.wire_out = key.out;
	d = hf_rules_lookup(p->rules, &key);
	if (d.verdict != HF_VERDICT_NO_DECISION)
		return d.verdict != HF_VERDICT_DENY;
	return hf_rules_kernel_policy(p->rules, hf_rules_iface(p->rules, key.in)->from,
		       key.class) == HF_VERDICT_ALLOW;
}

static bool pass(struct place *p, const struct hf_packet *pkt, size_t iface, enum hf_soft_dir dir)
{
	struct frame_opts o = {.payload = 8};
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(pkt, &o, frame);
	struct rte_mbuf *m = make_mbuf(frame, n, n);
	uint16_t passed;

	p->now += AGE;
	passed = hf_soft_burst(p->soft, 0, p->wires[iface], dir, &m, 1, p->now);
	if (passed)
		rte_pktmbuf_free(m);
	return passed;
}

/* Any backend that the kernel may take. */
static bool any_allowed(const struct place *p, const struct hf_packet *pkt, struct tally *tally)
{
	uint16_t port = hf_proto_has_ports(pkt->proto) ? pkt->dport : 0;
	const struct hf_dnat *dnat = hf_rules_find_dnat(p->rules, pkt->proto, &pkt->dst, port);
	struct hf_packet copy = *pkt;
	bool any = false;
	uint16_t i;

	if (!dnat || dnat->n_to < 2)
		return allowed(p, pkt, NULL);
	tally->ambiguous++;
	copy.has_dnat = true;
	for (i = 0; i < dnat->n_to; i++) {
		copy.dnat = dnat->to[i];
		if (!dnat->proto)
			copy.dnat.port = pkt->dport;
		any = any || allowed(p, &copy, NULL);
	}
	return any;
}

static void check(const struct place *p, const struct hf_packet *pkt, bool got, bool want, size_t i)
{
	char line[512];

	(void)hf_packet_print(pkt, line, sizeof(line));
	if (got != want)
		hf_rules_print(p->rules, stderr);
	cr_assert_eq(got, want, "HF_SEED=%llu world %zu: %s: %s, the tables say %s",
		(unsigned long long)hf_test_seed(), i, line, got ? "pass" : "drop",
		want ? "pass" : "drop");
}

/* A number that announces another header in IPv6 is no protocol. */
static bool is_extension(const struct hf_packet *pkt)
{
	return pkt->src.family == 6 && (pkt->proto == 0 || pkt->proto == 43 || pkt->proto == 44 ||
					       pkt->proto == 51 || pkt->proto == 60);
}

/* What was let in for a pod must not be refused where it leaves for it. */
static void check_onward(
	struct place *p, const struct hf_packet *pkt, size_t i, struct tally *tally)
{
	uint16_t port = hf_proto_has_ports(pkt->proto) ? pkt->dport : 0, t;
	const struct hf_dnat *dnat = hf_rules_find_dnat(p->rules, pkt->proto, &pkt->dst, port);
	const struct hf_dest *src = hf_rules_find_dest(p->rules, &pkt->src);
	struct hf_packet copy = *pkt, onward;
	struct hf_key key;

	/* Where the kernel has a choice the route back is relied upon. */
	if (src->class != HF_CLASS_REMOTE || pkt->ct != HF_CT_NEW ||
		(dnat && dnat->n_to > 1 && strcmp(pkt->in, p->names[src->out]) != 0))
		return;
	for (t = 0; t < (dnat && dnat->n_to ? dnat->n_to : 1); t++) {
		if (dnat && dnat->n_to) {
			copy.has_dnat = true;
			copy.dnat = dnat->to[t];
			if (!dnat->proto)
				copy.dnat.port = pkt->dport;
		}
		cr_assert_eq(hf_rules_sort(p->rules, &copy, &key, NULL), 0);
		if (key.class != HF_CLASS_WORKLOAD || !allowed(p, &copy, NULL))
			continue;
		tally->onward++;
		onward = *pkt;
		onward.dst = key.dst;
		onward.dport = key.dport;
		check(p, &onward, pass(p, &onward, key.out, HF_SOFT_OUT), true, i);
	}
}

static void aim_at_service(const struct place *p, struct hf_rand *rand, struct hf_packet *pkt)
{
	size_t n = hf_rules_n_dnats(p->rules);
	const struct hf_dnat *dnat = n ? hf_rules_dnat(p->rules, hf_rand_below(rand, n)) : NULL;

	if (!dnat || dnat->addr.family != pkt->src.family || !hf_proto_has_ports(dnat->proto))
		return;
	pkt->dst = dnat->addr;
	pkt->proto = dnat->proto;
	pkt->dport = dnat->port;
	pkt->tcp_flags = dnat->proto == HF_PROTO_TCP ? HF_TCP_SYN : 0;
	pkt->icmp_type = pkt->icmp_code = 0;
}

static void run_packet(struct place *p, struct hf_rand *rand, size_t i, struct tally *tally)
{
	struct hf_packet pkt;
	const struct hf_dest *src, *dst;
	int in;

	hf_world_packet(rand, p->names, p->n_ifaces, &pkt);
	if (pkt.src.family != pkt.dst.family || is_extension(&pkt))
		return;
	if (hf_rand_chance(rand, 1, 4))
		aim_at_service(p, rand, &pkt);
	pkt.frag = HF_FRAG_NONE;
	pkt.vlan = 0;
	pkt.has_dnat = false;
	pkt.out[0] = '\0';
	if (pkt.proto == HF_PROTO_TCP && hf_rand_chance(rand, 1, 4))
		pkt.tcp_flags = (uint8_t)hf_rand_below(rand, 64);
	if (pkt.proto == HF_PROTO_TCP && pkt.tcp_flags & (HF_TCP_PSH | HF_TCP_URG))
		pkt.tcp_flags = HF_TCP_SYN | HF_TCP_ACK;
	pkt.ct = first_state(&pkt);
	in = hf_rules_find_iface(p->rules, pkt.in);
	if (in > 0) {
		tally->in++;
		check(p, &pkt, pass(p, &pkt, (size_t)in, HF_SOFT_IN), any_allowed(p, &pkt, tally),
			i);
		check_onward(p, &pkt, i, tally);
		return;
	}
	/* Made by the host, as far as a wire can tell. */
	src = hf_rules_find_dest(p->rules, &pkt.src);
	dst = hf_rules_find_dest(p->rules, &pkt.dst);
	if (src->class != HF_CLASS_HOST || dst->class != HF_CLASS_REMOTE || dst->out == 0 ||
		hf_rules_iface(p->rules, dst->out)->from == HF_FROM_WORKLOAD ||
		hf_rules_find_dnat(p->rules, pkt.proto, &pkt.dst,
			hf_proto_has_ports(pkt.proto) ? pkt.dport : 0))
		return;
	tally->out++;
	check(p, &pkt, pass(p, &pkt, dst->out, HF_SOFT_OUT),
		allowed(p, &pkt, hf_rules_iface(p->rules, dst->out)->name), i);
}

Test(judge, agrees_with_the_tables_on_random_worlds, .timeout = 300)
{
	size_t i, k, n = getenv("HF_SEEDS") ? strtoul(getenv("HF_SEEDS"), NULL, 10) : WORLDS;
	struct tally tally = {0};
	struct hf_world world;
	struct hf_rand rand;
	struct place p;

	for (i = 0; i < n; i++) {
		enum hf_soft_reason r;

		hf_rand_init(&rand, hf_test_seed(), i);
		hf_world_init(&world, &rand);
		place_init(&p, &world);
		for (k = 0; k < PACKETS_PER_WORLD; k++)
			run_packet(&p, &rand, i, &tally);
		for (r = 0; r < HF_SOFT_N_REASONS; r++)
			tally.reasons[r] += hf_soft_count_reason(p.soft, r).packets;
		place_fini(&p);
		hf_world_fini(&world);
		if (i % 20 == 19)
			mbufs_fini();
	}
	fprintf(stderr, "# %zu worlds: in %zu out %zu onward %zu ambiguous %zu\n", n, tally.in,
		tally.out, tally.onward, tally.ambiguous);
	for (k = 0; k < HF_SOFT_N_REASONS; k++) {
		if (tally.reasons[k])
			fprintf(stderr, "#   %s %zu\n", hf_soft_reason_name((enum hf_soft_reason)k),
				tally.reasons[k]);
	}
	cr_expect(n < WORLDS ||
		  (tally.in > 1000 && tally.out > 50 && tally.onward > 50 && tally.ambiguous > 50));
	cr_expect(n < WORLDS || (tally.reasons[HF_SOFT_ALLOW] && tally.reasons[HF_SOFT_DENY] &&
					tally.reasons[HF_SOFT_ALLOW_UNTRACKED] &&
					tally.reasons[HF_SOFT_KERNEL_ALLOW]));
}
