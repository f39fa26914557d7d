/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The software path and the reference must agree on whole conversations, in bursts, while policy
 * changes under them.
 *
 * A conversation is two UDP endpoints, one of this host and one outside, that send in any order.
 * What the path should know of it is kept here in the plainest way: whether it has been let begin,
 * by whom, and whether the other has answered; the reference is asked with that state. Rules of the
 * world's policies come and go between bursts, and what has been answered must go on. Every other
 * world has its tables built aside, so that packets meet rules over older tables.
 */

#include "world.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>
#include <soft/key.h>
#include <soft/soft.h>

#include "../unit/driver/soft/soft_test.h"

#include <hf_test_eal.h>

#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORLDS		 120
#define BURSTS_PER_WORLD 30
#define BURST_MAX	 64
#define DEADLINE	 100000 /* fifths of a millisecond */
#define TALKS		 24
#define UPLINK		 "eth0"

static void fini(void)
{
	mbufs_fini();
	hf_test_fini();
}

TestSuite(soft, .init = hf_test_eal_init, .fini = fini);

struct talk {
	struct hf_addr host, other;
	uint16_t host_port, other_port;
	bool begun;   /* somebody was let begin */
	bool by_host; /* who */
	bool answered;
};

struct place {
	struct hf_world world;
	struct hf_model *model;
	struct hf_rules *rules;
	HF_VEC(struct hf_rules *) lent; /* to the path: older ones */
	struct hf_soft *soft;
	unsigned int wire;
	uint16_t iface;
	uint64_t now;
	struct talk talks[TALKS];
	size_t n_talks;
};

struct tally {
	size_t pass, drop, kept, untracked, updates, listed;
};

static void build(const struct hf_world *world, struct hf_rules *previous, struct hf_model **model,
	struct hf_rules **rules)
{
	struct hf_model_opts opts = {.node = HF_WORLD_NODE, .calico = world->calico};
	char *text = hf_world_text(world);
	struct hf_policy *policy = NULL;
	struct hf_err err;
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, model, &err);
	if (rc == 0)
		rc = hf_rules_follow(*model, previous, rules, &err);
	cr_assert_eq(rc, 0, "%s", err.text);
	hf_policy_free(policy);
	free(text);
}

/* Endpoints that meet on the uplink, without a service between them. */
static void find_talks(struct place *p, struct hf_rand *rand)
{
	const char *const names[] = {UPLINK};
	struct hf_packet pkt;
	int tries;

	for (tries = 0; tries < 4000 && p->n_talks < TALKS; tries++) {
		const struct hf_dest *host, *other;
		size_t i;

		hf_world_packet(rand, names, 1, &pkt);
		host = hf_rules_find_dest(p->rules, &pkt.dst);
		other = hf_rules_find_dest(p->rules, &pkt.src);
		if (host->class != HF_CLASS_HOST || other->class != HF_CLASS_REMOTE ||
			other->out != p->iface)
			continue;
		for (i = 0; i < hf_rules_n_dnats(p->rules); i++) {
			const struct hf_addr *addr = &hf_rules_dnat(p->rules, i)->addr;

			if (hf_addr_equal(addr, &pkt.dst) || hf_addr_equal(addr, &pkt.src))
				break;
		}
		if (i < hf_rules_n_dnats(p->rules))
			continue;
		for (i = 0; i < p->n_talks; i++) {
			if (hf_addr_equal(&p->talks[i].host, &pkt.dst) &&
				hf_addr_equal(&p->talks[i].other, &pkt.src) &&
				p->talks[i].host_port == pkt.dport &&
				p->talks[i].other_port == pkt.sport)
				break;
		}
		if (i == p->n_talks && pkt.sport && pkt.dport)
			p->talks[p->n_talks++] = (struct talk){
				.host = pkt.dst,
				.other = pkt.src,
				.host_port = pkt.dport,
				.other_port = pkt.sport,
			};
	}
}

static bool place_init(struct place *p, struct hf_rand *rand, bool aside)
{
	struct hf_soft_opts opts = {.n_workers = 1,
		.max_conns = 4096,
		.max_frags = 8,
		.hz = HZ,
		.socket = SOCKET_ID_ANY,
		.aside_from = aside,
		.any_list = aside};
	int iface;

	*p = (struct place){.now = HZ};
	hf_world_init(&p->world, rand);
	build(&p->world, NULL, &p->model, &p->rules);
	iface = hf_rules_find_iface(p->rules, UPLINK);
	if (iface < 0 || hf_rules_iface(p->rules, (size_t)iface)->from != HF_FROM_UPLINK)
		return false;
	p->iface = (uint16_t)iface;
	find_talks(p, rand);
	cr_assert_eq(hf_soft_new(&opts, &p->soft, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(p->soft, UPLINK, HF_SOFT_UPLINK, &p->wire, NULL), 0);
	cr_assert_eq(hf_soft_worker_start(p->soft, 0), 0);
	cr_assert_eq(hf_soft_publish(p->soft, p->rules, NULL), 0);
	return p->n_talks > 0;
}

static void place_fini(struct place *p)
{
	size_t i;

	if (p->soft)
		hf_soft_worker_stop(p->soft, 0);
	hf_soft_free(p->soft);
	for (i = 0; i < p->lent.n; i++)
		hf_rules_free(p->lent.v[i]);
	hf_vec_fini(&p->lent);
	hf_rules_free(p->rules);
	hf_model_free(p->model);
	hf_world_fini(&p->world);
}

/* Tables that are built aside keep rules for a while. */
static void take_back(struct place *p)
{
	const struct hf_rules *rules;
	size_t i;

	while ((rules = hf_soft_reclaim(p->soft))) {
		for (i = 0; i < p->lent.n && p->lent.v[i] != rules; i++)
			;
		cr_assert_lt(i, p->lent.n, "given back twice");
		hf_rules_free(p->lent.v[i]);
		p->lent.v[i] = p->lent.v[--p->lent.n];
	}
}

/* Until the lists are there, too (flat.h). */
static void wait_idle(struct place *p)
{
	const struct timespec ms = {.tv_nsec = 200000};
	int i;

	for (i = 0; i < DEADLINE && !hf_soft_is_idle(p->soft); i++) {
		(void)nanosleep(&ms, NULL);
		take_back(p);
		hf_soft_poll(p->soft, 0, p->now);
	}
	cr_assert(hf_soft_is_idle(p->soft));
}

/* Other rules in the same policies. */
static void update(struct place *p, struct hf_rand *rand)
{
	struct hf_rules *rules = NULL;
	struct hf_model *model = NULL;
	size_t i, k;

	for (i = 0; i < p->world.docs.n; i++) {
		struct hf_doc *doc = &p->world.docs.v[i];

		for (k = 0; k < doc->rules.n; k++)
			doc->rules.v[k].dropped = hf_rand_chance(rand, 1, 3);
	}
	build(&p->world, p->rules, &model, &rules);
	cr_assert_eq(hf_soft_publish(p->soft, rules, NULL), 0);
	hf_soft_poll(p->soft, 0, p->now);
	cr_assert_eq(hf_vec_push(&p->lent, p->rules), 0);
	take_back(p);
	hf_model_free(p->model);
	p->rules = rules;
	p->model = model;
}

static struct hf_packet packet_of(const struct talk *t, bool out)
{
	struct hf_packet pkt = {
		.proto = HF_PROTO_UDP,
		.src = out ? t->host : t->other,
		.dst = out ? t->other : t->host,
		.sport = out ? t->host_port : t->other_port,
		.dport = out ? t->other_port : t->host_port,
		.ct = t->begun && (t->answered || t->by_host != out) ? HF_CT_ESTABLISHED
								     : HF_CT_NEW,
	};

	strcpy(out ? pkt.out : pkt.in, UPLINK);
	return pkt;
}

/* Asks the reference, and notes what follows from its answer. */
static bool expect(struct place *p, struct talk *t, bool out, struct tally *tally)
{
	struct hf_packet pkt = packet_of(t, out);
	struct hf_ref_result r = {0};
	bool pass;

	cr_assert_eq(hf_ref_eval(p->model, &pkt, NULL, NULL, &r, NULL), 0);
	pass = r.verdict != HF_VERDICT_DENY;
	if (r.verdict == HF_VERDICT_NO_DECISION && pkt.ct == HF_CT_NEW)
		pass = hf_rules_kernel_policy(p->rules, out ? HF_FROM_HOST : HF_FROM_UPLINK,
			       r.class) == HF_VERDICT_ALLOW;
	tally->pass += pass;
	tally->drop += !pass;
	tally->kept += pkt.ct == HF_CT_ESTABLISHED && pass;
	tally->untracked += r.verdict == HF_VERDICT_ALLOW_UNTRACKED;
	if (!pass || r.verdict == HF_VERDICT_ALLOW_UNTRACKED)
		return pass;
	if (!t->begun) {
		t->begun = true;
		t->by_host = out;
	} else if (t->by_host != out) {
		t->answered = true;
	}
	return pass;
}

static void burst(struct place *p, struct hf_rand *rand, size_t world, struct tally *tally)
{
	size_t i, k, n = 1 + hf_rand_below(rand, BURST_MAX), n_want = 0;
	struct rte_mbuf *m[BURST_MAX], *want[BURST_MAX];
	struct frame_opts opts = {.payload = 8};
	uint8_t frame[FRAME_MAX];
	bool out = hf_rand_below(rand, 2);
	struct hf_packet pkt;
	uint16_t got;

	for (i = 0; i < n; i++) {
		struct talk *t = &p->talks[hf_rand_below(rand, p->n_talks)];

		pkt = packet_of(t, out);
		k = make_frame(&pkt, &opts, frame);
		m[i] = make_mbuf(frame, k, k);
		if (expect(p, t, out, tally))
			want[n_want++] = m[i];
	}
	got = hf_soft_burst(
		p->soft, 0, p->wire, out ? HF_SOFT_OUT : HF_SOFT_IN, m, (uint16_t)n, p->now);
	cr_assert(got == n_want && memcmp(m, want, got * sizeof(struct rte_mbuf *)) == 0,
		"HF_SEED=%llu world %zu: of a burst of %zu pass %u, by the reference %zu",
		(unsigned long long)hf_test_seed(), world, n, got, n_want);
	for (i = 0; i < got; i++)
		rte_pktmbuf_free(m[i]);
	p->now++;
}

Test(soft, agrees_with_the_reference_on_conversations_while_policy_changes, .timeout = 300)
{
	size_t i, k, n = getenv("HF_SEEDS") ? strtoul(getenv("HF_SEEDS"), NULL, 10) : WORLDS;
	struct hf_soft_table_counts tables;
	struct tally t = {0};
	struct hf_rand rand;
	struct place p;

	for (i = 0; i < n; i++) {
		hf_rand_init(&rand, hf_test_seed(), i);
		if (place_init(&p, &rand, i % 2)) {
			for (k = 0; k < BURSTS_PER_WORLD; k++) {
				burst(&p, &rand, i, &t);
				if (hf_rand_chance(&rand, 1, 4)) {
					update(&p, &rand);
					t.updates++;
					if (hf_rand_chance(&rand, 1, 4))
						wait_idle(&p);
				}
			}
		}
		if (p.soft) {
			hf_soft_count_tables(p.soft, &tables);
			t.listed += tables.listed;
		}
		place_fini(&p);
		mbufs_fini();
	}
	fprintf(stderr,
		"# %zu worlds: pass %zu drop %zu; established %zu untracked %zu; updates %zu; by a "
		"list "
		"%zu\n",
		n, t.pass, t.drop, t.kept, t.untracked, t.updates, t.listed);
	cr_expect(n < WORLDS || (t.pass > 1000 && t.drop > 1000 && t.kept > 500 &&
					t.untracked > 20 && t.updates > 100 && t.listed > 100));
}

/*
 * Services: the reference is asked about every backend. What is sent to one here must be sent to
 * one that it allows, and the answer must come back as the service's.
 */
#define SERVICE_WORLDS 120
#define CALLS	       40

struct service_tally {
	size_t agreed, translated, refused, rechecked, answered;
};

static bool ref_allows(const struct place *p, const struct hf_packet *pkt)
{
	enum hf_from from =
		hf_rules_iface(p->rules, (size_t)hf_rules_find_iface(p->rules, pkt->in))->from;
	struct hf_ref_result r = {0};

	cr_assert_eq(hf_ref_eval(p->model, pkt, NULL, NULL, &r, NULL), 0);
	if (r.verdict == HF_VERDICT_NO_DECISION)
		return hf_rules_kernel_policy(p->rules, from, r.class) == HF_VERDICT_ALLOW;
	return r.verdict != HF_VERDICT_DENY;
}

/* May a call be sent there, as far as the way of the answer goes? */
static bool answers(const struct place *p, const struct hf_packet *pkt, const struct hf_addr *to)
{
	const struct hf_iface *in =
		hf_rules_iface(p->rules, (size_t)hf_rules_find_iface(p->rules, pkt->in));

	return !hf_addr_equal(to, &pkt->src) &&
	       (in->from == HF_FROM_WORKLOAD ||
		       hf_rules_find_dest(p->rules, to)->class != HF_CLASS_REMOTE);
}

/* What comes out for a packet, or false. */
static bool cross(struct place *p, unsigned int wire, enum hf_soft_dir dir,
	const struct hf_packet *pkt, struct hf_pkt *ret)
{
	struct frame_opts opts = {.payload = 8};
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(pkt, &opts, frame);
	struct rte_mbuf *m = make_mbuf(frame, n, n);

	if (hf_soft_burst(p->soft, 0, wire, dir, &m, 1, p->now) == 0)
		return false;
	cr_assert_eq(hf_pkt_parse(m, ret), HF_PARSE_IP);
	rte_pktmbuf_free(m);
	return true;
}

static void check_answer(struct place *p, unsigned int wire, const struct hf_packet *call,
	const struct hf_pkt *sent, struct service_tally *tally)
{
	struct hf_packet answer = {
		.proto = call->proto,
		.src = sent->dst,
		.dst = sent->src,
		.sport = sent->dport,
		.dport = sent->sport,
		.tcp_flags = call->proto == HF_PROTO_TCP ? HF_TCP_SYN | HF_TCP_ACK : 0,
	};
	struct hf_pkt got;

	if (!cross(p, wire, HF_SOFT_OUT, &answer, &got))
		return; /* untracked policy, perhaps */
	cr_expect(hf_addr_equal(&got.src, &call->dst) && got.sport == call->dport);
	tally->answered++;
}

static void check_call(struct place *p, unsigned int wire, const struct hf_packet *call,
	const struct hf_dnat *dnat, bool translate, struct service_tally *tally)
{
	size_t n = 0, n_allowed = 0, n_good = 0;
	bool slips = false, passed, found = false;
	struct hf_packet copy = *call;
	struct hf_pkt sent;
	uint16_t t;

	passed = cross(p, wire, HF_SOFT_IN, call, &sent);
	copy.has_dnat = true;
	for (t = 0; t < dnat->n_to; t++) {
		const struct hf_addr *to = &dnat->to[t].addr;
		bool allows;

		if (to->family != call->src.family)
			continue;
		copy.dnat = dnat->to[t];
		if (!dnat->proto || !copy.dnat.port)
			copy.dnat.port = call->dport;
		allows = ref_allows(p, &copy);
		n++;
		n_allowed += allows;
		n_good += allows && answers(p, call, to);
		slips |= !allows && hf_rules_find_dest(p->rules, to)->class == HF_CLASS_HOST;
		found |= passed && allows && hf_addr_equal(&sent.dst, to) &&
			 sent.dport == copy.dnat.port && answers(p, call, to);
	}
	if (n_allowed == 0 || n_allowed == n) {
		cr_expect_eq(passed, n_allowed > 0);
		cr_expect(!passed || hf_addr_equal(&sent.dst, &call->dst));
		tally->agreed++;
	} else if (!translate && !slips) {
		cr_expect(passed && hf_addr_equal(&sent.dst, &call->dst) &&
			  sent.dport == call->dport);
		tally->rechecked++;
	} else if (n_good == 0) {
		cr_expect(!passed);
		tally->refused++;
	} else {
		cr_expect(passed && found);
		tally->translated++;
		check_answer(p, wire, call, &sent, tally);
	}
}

/* A call to some service, by whoever comes in by the interface. */
static bool make_call(struct place *p, struct hf_rand *rand, const struct hf_dnat *dnat,
	const char *const *names, size_t n, struct hf_packet *ret)
{
	hf_world_packet(rand, names, n, ret);
	if (dnat->addr.family != ret->src.family || !ret->in[0] ||
		hf_rules_find_iface(p->rules, ret->in) <= 0 || dnat->n_to < 2)
		return false;
	*ret = (struct hf_packet){
		.proto = dnat->proto ? dnat->proto : HF_PROTO_UDP,
		.src = ret->src,
		.dst = dnat->addr,
		.sport = (uint16_t)(1024 + hf_rand_below(rand, 60000)),
		.dport = dnat->port ? dnat->port : 7,
		.ct = HF_CT_NEW,
	};
	return true;
}

/* Services with several backends of all kinds, which worlds have few of. */
static void add_services(struct hf_world *world)
{
	static const char
		mark[] = "  dnat:\n",
		more[] =
			"    - {proto: tcp, dst: 192.0.2.10, port: 30002, to: ['10.65.0.2:80',"
			" '10.65.0.3:3000', '192.0.2.10:22', '10.65.1.5:3000']}\n"
			"    - {proto: udp, dst: 10.96.0.11, port: 53, to: ['10.65.0.2:53', "
			"'10.65.0.3:53',"
			" '192.0.2.10:53', '198.51.100.7:53']}\n"
			"    - {proto: sctp, dst: 192.0.2.10, port: 30003, to: ['10.65.0.2:80',"
			" '10.65.0.3:443', '192.0.2.10:8080']}\n"
			"    - {proto: tcp, dst: 'fd00:96::b', port: 443, to: ['[fd00:65::2]:3000',"
			" '[fd00:65::2]:443', '[2001:db8::10]:8080']}\n";
	size_t i;

	for (i = 0; i < world->docs.n; i++) {
		char *head = world->docs.v[i].head, *text, *at = strstr(head, mark);

		if (!at)
			continue;
		at += strlen(mark);
		cr_assert(asprintf(&text, "%.*s%s%s", (int)(at - head), head, more, at) > 0);
		free(head);
		world->docs.v[i].head = text;
	}
}

static bool services_init(struct place *p, struct hf_rand *rand, bool translate,
	const char *names[64], unsigned int wires[64])
{
	struct hf_soft_opts opts = {.n_workers = 1,
		.max_conns = 4096,
		.max_frags = 8,
		.hz = HZ,
		.ambiguous = translate ? HF_SOFT_AMBIGUOUS_TRANSLATE : HF_SOFT_AMBIGUOUS_RECHECK,
		.socket = SOCKET_ID_ANY};
	size_t i, n;

	*p = (struct place){.now = HZ};
	hf_world_init(&p->world, rand);
	add_services(&p->world);
	build(&p->world, NULL, &p->model, &p->rules);
	n = hf_rules_n_ifaces(p->rules);
	cr_assert_leq(n, 64);
	cr_assert_eq(hf_soft_new(&opts, &p->soft, NULL), 0);
	for (i = 0; i < n; i++) {
		const struct hf_iface *iface = hf_rules_iface(p->rules, i);

		names[i] = iface->name;
		if (i > 0)
			cr_assert_eq(hf_soft_add_wire(p->soft, iface->name,
					     iface->from == HF_FROM_WORKLOAD ? HF_SOFT_WORKLOAD
									     : HF_SOFT_UPLINK,
					     &wires[i], NULL),
				0);
	}
	cr_assert_eq(hf_soft_worker_start(p->soft, 0), 0);
	cr_assert_eq(hf_soft_publish(p->soft, p->rules, NULL), 0);
	return hf_rules_n_dnats(p->rules) > 0;
}

Test(soft, sends_calls_to_backends_that_the_reference_allows, .timeout = 300)
{
	size_t i, k,
		n = getenv("HF_SEEDS") ? strtoul(getenv("HF_SEEDS"), NULL, 10) : SERVICE_WORLDS;
	struct service_tally t = {0};
	unsigned int wires[64];
	const char *names[64];
	struct hf_packet call;
	struct hf_rand rand;
	struct place p;

	for (i = 0; i < n; i++) {
		bool any;

		hf_rand_init(&rand, hf_test_seed(), 100000 + i);
		any = services_init(&p, &rand, i % 2, names, wires);
		for (k = 0; any && k < CALLS; k++) {
			const struct hf_dnat *dnat = hf_rules_dnat(
				p.rules, hf_rand_below(&rand, hf_rules_n_dnats(p.rules)));
			char line[512];

			if (!make_call(&p, &rand, dnat, names, hf_rules_n_ifaces(p.rules), &call))
				continue;
			strcpy(call.in,
				names[hf_rand_below(&rand, hf_rules_n_ifaces(p.rules) - 1) + 1]);
			if (call.proto == HF_PROTO_TCP)
				call.tcp_flags = HF_TCP_SYN;
			(void)hf_packet_print(&call, line, sizeof(line));
			check_call(&p, wires[hf_rules_find_iface(p.rules, call.in)], &call, dnat,
				i % 2, &t);
			p.now += 700 * HZ;
			hf_soft_poll(p.soft, 0, p.now);
		}
		place_fini(&p);
		mbufs_fini();
	}
	fprintf(stderr,
		"# services: agreed %zu, sent on %zu (answered %zu), refused %zu, rechecked %zu\n",
		t.agreed, t.translated, t.answered, t.refused, t.rechecked);
	cr_expect(n < SERVICE_WORLDS || (t.agreed > 200 && t.translated > 50 && t.answered > 40 &&
						t.refused > 10 && t.rechecked > 50));
}
