/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hitless: traffic goes on while policy changes at random, and NICs refuse now and then.
 *
 * Two uplinks, one grouped (mlx5) and one flat (i40e), each the virtual SmartNIC with its real
 *rte_flow functions, one software path behind both, and one transaction over all three for each
 *change, as in the daemon. A second thread sends packets of known 5-tuples, in and out, all the
 *time. Each must meet the verdict that flowgen/ref gives by one of the policies that were in force,
 *or about to be, between its sending and its arrival; and what is established must pass, always.
 *
 *	HF_HITLESS=20000 build/tests/test-equiv-hitless     so many changes; HF_SEED as ever
 *	HF_PROFILE=mlx5-cx7-hws ...                         the first uplink's
 */

#include "unit/driver/vnic/frames.h"

#define ALLOW_EXPERIMENTAL_API /* rte_flow_configure() */

#include "hf_test_eal.h"
#include "hf_test_rand.h"

#include "flow/async.h"
#include "flow/sync.h"
#include "soft/soft.h"
#include "txn.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/profile.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES	     300  /* by default: some seconds */
#define PORTS	     6	  /* 3000 .. 3005 are the ports in question */
#define FAULT_ONE_IN 150  /* operations */
#define FORGET_AT    8192 /* probes; the table has room for 65536 */
#define WIRE_SIZE    64
#define SLOW_US	     50 /* an operation takes */

#define N_NICS	     2
static const char *profiles[N_NICS] = {"mlx5-cx6dx", "i40e-x710"};
static const char *const ifaces[N_NICS] = {"eth0", "eth1"};

static void init(void)
{
	hf_test_eal_init_with((const char *const[]){"-m", "256", NULL});
}

TestSuite(hitless, .init = init, .fini = hf_test_fini, .timeout = 3600);

/* A known 5-tuple but for the source port, which makes each probe a new connection. */
struct probe {
	struct hf_packet pkt; /* of the law */
	struct frame frame;
	bool out; /* the host sends it */
};
static struct probe probes[256];
static size_t n_probes;

/* What a policy says of each probe on each wire: a bit. */
struct row {
	uint64_t allow[N_NICS][sizeof(probes) / sizeof(probes[0]) / 64];
};

struct policy {
	struct hf_model *model;
	struct hf_rules *rules;
	struct hf_plan *plans[N_NICS];
	struct row row;
};

/* Row 2i is what change i tries, row 2i + 1 what is in force after it. */
static struct row *rows;
static atomic_uint begun, ended;
static atomic_bool stop;

static struct hf_soft *soft;
static struct rte_mempool *pool;
static unsigned int wires[N_NICS];
static struct nic {
	struct hf_nic *profile;
	struct hf_sync *sync;
	struct rte_ring *in, *out;
	uint16_t port;
	const struct hf_flow_ops *ops;
	void *ops_arg;
	struct hf_flow_ops seam;
	struct hf_flow_async *async; /* NULL: takes rules one by one */
	struct hf_rand rand;
	bool faulty;
	unsigned int n_faults;
} nics[N_NICS];

/* rte_flow, but that it takes its time and fails now and then. */
static bool fails(struct nic *nic)
{
	bool yes = nic->faulty && hf_rand_chance(&nic->rand, 1, FAULT_ONE_IN);

	nic->n_faults += yes;
	if (nic->faulty)
		rte_delay_us_sleep(SLOW_US);
	return yes;
}

static int try_create(void *arg, const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	struct nic *nic = arg;

	if (fails(nic))
		return hf_fail(err, -ENOSPC, "No space left on device: type 1: injected");
	return nic->ops->create(nic->ops_arg, flow, ret, err);
}

static int try_destroy(void *arg, void *handle, struct hf_err *err)
{
	struct nic *nic = arg;

	if (fails(nic))
		return hf_fail(err, -EIO, "Input/output error: type 1: injected");
	return nic->ops->destroy(nic->ops_arg, handle, err);
}

static int try_create_many(void *arg, const struct hf_flow *const flows[], size_t n, void *ret[],
	size_t *ret_bad, struct hf_err *err)
{
	struct nic *nic = arg;
	size_t at;
	int rc;

	for (at = 0; at < n && !fails(nic); at++)
		;
	rc = nic->ops->create_many(nic->ops_arg, flows, at, ret, ret_bad, err);
	if (rc < 0 || at == n)
		return rc;
	*ret_bad = at;
	return hf_fail(err, -ENOSPC, "No space left on device: type 1: injected");
}

/* Those that do not fail here go together. */
static void try_destroy_many(
	void *arg, void *const handles[], size_t n, int ret_rc[], struct hf_err *err)
{
	struct nic *nic = arg;
	size_t from, to;

	for (from = 0; from < n; from = to + 1) {
		for (to = from; to < n && !fails(nic); to++)
			;
		nic->ops->destroy_many(nic->ops_arg, handles + from, to - from, ret_rc + from, err);
		if (to < n)
			ret_rc[to] = hf_fail(err, -EIO, "Input/output error: type 1: injected");
	}
}

static int flush(void *arg, struct hf_err *err)
{
	const struct nic *nic = arg;

	return nic->ops->flush(nic->ops_arg, err);
}

static int query(void *arg, void *handle, struct hf_flow_hits *ret)
{
	const struct nic *nic = arg;

	return nic->ops->query(nic->ops_arg, handle, ret);
}

static const struct hf_flow_ops flow_ops = {
	.create = try_create, .destroy = try_destroy, .flush = flush, .query = query};

/* As hf_port_open() does it. */
static void use_templates(struct nic *nic)
{
	const struct rte_flow_port_attr attr = {.nb_counters = 4096};
	const struct rte_flow_queue_attr queue = {.size = 64};
	const struct rte_flow_queue_attr *queues[] = {&queue};
	struct rte_flow_error error;

	cr_assert(rte_flow_configure(nic->port, &attr, 1, queues, &error) == 0);
	cr_assert_eq(hf_flow_async_new(nic->port, HF_FLOW_ASYNC_WAIT_MS, &nic->async, NULL), 0);
	nic->ops = &hf_flow_ops_async;
	nic->ops_arg = nic->async;
	nic->seam.create_many = try_create_many;
	nic->seam.destroy_many = try_destroy_many;
}

static void open_nic(size_t i)
{
	struct hf_sync_opts opts = {.n_queues = 1, .ops = &nics[i].seam, .ops_arg = &nics[i]};
	struct rte_eth_conf conf = {};
	char text[128], name[16];
	struct nic *nic = &nics[i];

	(void)snprintf(name, sizeof(name), "in%zu", i);
	nic->in = rte_ring_create(name, WIRE_SIZE, 0, 0);
	(void)snprintf(name, sizeof(name), "out%zu", i);
	nic->out = rte_ring_create(name, WIRE_SIZE, 0, 0);
	(void)snprintf(name, sizeof(name), "wire%zu", i);
	cr_assert(nic->in && nic->out);
	cr_assert(rte_eth_from_rings(name, &nic->in, 1, &nic->out, 1, 0) >= 0);
	(void)snprintf(text, sizeof(text), "profile=%s,dev=net_ring_%s", profiles[i], name);
	(void)snprintf(name, sizeof(name), "net_vnic%zu", i);
	cr_assert(rte_vdev_init(name, text) == 0);
	cr_assert(rte_eth_dev_get_port_by_name(name, &nic->port) == 0);
	cr_assert(rte_eth_dev_configure(nic->port, 1, 1, &conf) == 0);
	cr_assert(rte_eth_rx_queue_setup(nic->port, 0, 64, 0, NULL, pool) == 0);
	cr_assert(rte_eth_tx_queue_setup(nic->port, 0, 64, 0, NULL) == 0);
	cr_assert_eq(hf_profile_find(profiles[i], &nic->profile, NULL), 0);
	nic->ops = &hf_flow_ops_rte;
	nic->ops_arg = &nic->port;
	nic->seam = flow_ops;
	if (nic->profile->async_only)
		use_templates(nic);
	cr_assert(rte_eth_dev_start(nic->port) == 0);
	opts.nic = nic->profile;
	cr_assert_eq(hf_sync_new(&opts, &nic->sync, NULL), 0);
	hf_rand_init(&nic->rand, hf_test_seed(), (unsigned int)i + 1);
}

static void add_probe(const char *src, const char *dst, uint8_t proto, uint16_t dport, bool out)
{
	struct probe *p = &probes[n_probes++];

	cr_assert_leq(n_probes, sizeof(probes) / sizeof(probes[0]));
	p->out = out;
	p->frame = (struct frame){.src = src,
		.dst = dst,
		.proto = proto,
		.dport = dport,
		.tcp_flags = proto == HF_PROTO_TCP ? HF_TCP_SYN : 0};
	p->pkt.proto = proto;
	p->pkt.sport = 40000;
	p->pkt.dport = dport;
	p->pkt.tcp_flags = p->frame.tcp_flags;
	cr_assert_eq(hf_addr_parse(src, &p->pkt.src), 0);
	cr_assert_eq(hf_addr_parse(dst, &p->pkt.dst), 0);
}

static void make_probes(void)
{
	static const char *const srcs[] = {"198.51.100.1", "198.51.100.2", "198.51.100.200"};
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP};
	size_t s, k;
	uint16_t p;

	for (k = 0; k < 2; k++) {
		for (p = 0; p < PORTS; p++) {
			for (s = 0; s < 3; s++) {
				add_probe(srcs[s], "192.0.2.10", protos[k], 3000 + p, false);
				add_probe(srcs[s], "10.9.9.9", protos[k], 3000 + p, false);
				add_probe("192.0.2.10", srcs[s], protos[k], 3000 + p, true);
			}
			add_probe("2001:db8:1::7", "2001:db8::10", protos[k], 3000 + p, false);
		}
	}
}

/* Whether the packet comes out of the software path. */
static bool passes(size_t i, const struct frame *f, bool out)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(f, bytes);
	uint16_t n = 1;

	cr_assert(m);
	if (f->proto == HF_PROTO_UDP) /* length; nothing is behind the header */
		bytes[len - 3] = 8;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	if (!out) {
		cr_assert(rte_ring_enqueue(nics[i].in, m) == 0);
		n = rte_eth_rx_burst(nics[i].port, 0, &m, 1);
	}
	if (n)
		n = hf_soft_burst(
			soft, 0, wires[i], out ? HF_SOFT_OUT : HF_SOFT_IN, &m, 1, rte_rdtsc());
	if (n)
		rte_pktmbuf_free(m);
	return n;
}

struct traffic {
	uint64_t n_probes, n_allowed, n_moving, n_violations, n_cut;
	char first[256];
};

static bool may(size_t wire, size_t probe, unsigned int from, unsigned int to, bool allowed)
{
	for (; from <= to; from++) {
		if ((rows[from].allow[wire][probe / 64] >> probe % 64 & 1) == allowed)
			return true;
	}
	return false;
}

static void probe(struct traffic *t, size_t wire, size_t i, uint16_t sport)
{
	struct frame f = probes[i].frame;
	unsigned int from, to;
	bool allowed;

	f.sport = sport;
	from = atomic_load(&ended);
	allowed = passes(wire, &f, probes[i].out);
	to = atomic_load(&begun);
	t->n_probes++;
	t->n_allowed += allowed;
	t->n_moving += from != to;
	if (may(wire, i, from, to, allowed))
		return;
	if (t->n_violations++ == 0)
		(void)snprintf(t->first, sizeof(t->first),
			"%s: %s to %s proto %u port %u %s, rows %u-%u", ifaces[wire], f.src, f.dst,
			f.proto, f.dport, allowed ? "passes" : "does not pass", from, to);
}

/* A conversation that began under a policy that allowed it. */
static const struct frame call = {.src = "203.0.113.5",
	.dst = "192.0.2.10",
	.proto = HF_PROTO_UDP,
	.dport = 3000,
	.sport = 7};
static const struct frame answer = {.src = "192.0.2.10",
	.dst = "203.0.113.5",
	.proto = HF_PROTO_UDP,
	.dport = 7,
	.sport = 3000};

static void converse(struct traffic *t, size_t wire)
{
	t->n_cut += !passes(wire, &call, false);
	t->n_cut += !passes(wire, &answer, true);
}

/* All connections but the conversations. */
static void forget_probes(void)
{
	static const char *const callers[] = {"198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32"};
	size_t i;

	for (i = 0; i < 3; i++) {
		struct hf_soft_filter filter = {.any_wire = true};
		uint32_t at = 0;

		cr_assert_eq(hf_prefix_parse(callers[i], &filter.src, NULL), 0);
		while (hf_soft_forget(soft, 0, &filter, &at))
			;
	}
}

static void *send_all(void *arg)
{
	struct traffic *t = arg;
	uint16_t sport = 1024;
	size_t wire, i;

	cr_assert_eq(rte_thread_register(), 0);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	while (!atomic_load(&stop)) {
		for (i = 0; i < n_probes; i++) {
			for (wire = 0; wire < N_NICS; wire++)
				probe(t, wire, i, sport);
			if (++sport == 0)
				sport = 1024;
			if (i % 32 == 0)
				converse(t, i / 32 % N_NICS);
			hf_soft_poll(soft, 0, rte_rdtsc());
		}
		if (t->n_probes / FORGET_AT != (t->n_probes + N_NICS * n_probes) / FORGET_AT)
			forget_probes();
	}
	hf_soft_worker_stop(soft, 0);
	rte_thread_unregister();
	return NULL;
}

#define HEAD                                                                                       \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n  interfaces:\n"    \
	"    - {name: eth0, addresses: [192.0.2.10/24, 2001:db8::10/64]}\n"                        \
	"    - {name: eth1, addresses: [192.0.2.11/24]}\n---\n"                                    \
	"apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                                   \
	"metadata: {name: all, labels: {h: x}}\nspec: {node: n0, interfaceName: \"*\"}\n---\n"     \
	"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"       \
	"spec:\n  selector: has(h)\n  applyOnForward: %s\n  types: [Ingress, Egress]\n"
#define ALLOW_ALL "    - {action: Allow}\n"

static void put_rules(FILE *f, struct hf_rand *rand, const char *peer)
{
	static const char *const nets[] = {"", "198.51.100.1/32", "198.51.100.0/25", "0.0.0.0/0"};
	unsigned int n = (unsigned int)hf_rand_between(rand, 0, 8), i;

	for (i = 0; i < n; i++) {
		const char *net = nets[hf_rand_below(rand, 4)];
		unsigned int from = (unsigned int)hf_rand_below(rand, PORTS),
			     to = from + (unsigned int)hf_rand_below(rand, PORTS - from);
		bool dest = strcmp(peer, "destination") == 0;

		fprintf(f,
			"    - {action: %s, protocol: %s, destination: {ports: [\"%u:%u\"]%s%s%s}",
			hf_rand_below(rand, 2) ? "Allow" : "Deny",
			hf_rand_below(rand, 2) ? "TCP" : "UDP", 3000 + from, 3000 + to,
			dest && net[0] ? ", nets: [" : "", dest ? net : "",
			dest && net[0] ? "]" : "");
		if (!dest && net[0])
			fprintf(f, ", source: {nets: [%s]}", net);
		fputs("}\n", f);
	}
	if (n == 0 || hf_rand_below(rand, 2))
		fputs(ALLOW_ALL, f);
}

static char *make_text(struct hf_rand *rand)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert(f);
	fprintf(f, HEAD, rand && hf_rand_below(rand, 2) ? "true" : "false");
	fputs("  ingress:\n", f);
	if (rand)
		put_rules(f, rand, "source");
	else
		fputs(ALLOW_ALL, f);
	fputs("  egress:\n", f);
	if (rand)
		put_rules(f, rand, "destination");
	else
		fputs(ALLOW_ALL, f);
	cr_assert_eq(fclose(f), 0);
	return text;
}

static void judge_all(struct policy *p)
{
	struct hf_ref_result r;
	size_t wire, i;

	for (wire = 0; wire < N_NICS; wire++) {
		for (i = 0; i < n_probes; i++) {
			struct hf_packet pkt = probes[i].pkt;

			strcpy(probes[i].out ? pkt.out : pkt.in, ifaces[wire]);
			/* On the second uplink that address is another host's: no matter. */
			cr_assert_eq(hf_ref_eval(p->model, &pkt, NULL, NULL, &r, NULL), 0);
			if (r.verdict != HF_VERDICT_DENY)
				p->row.allow[wire][i / 64] |= 1ull << i % 64;
		}
	}
}

/* rand NULL: everything is allowed. */
static void make_policy(struct policy *p, const struct policy *previous, struct hf_rand *rand)
{
	/* A plan that does not follow the one before touches nearly everything. */
	bool follows = previous && hf_rand_below(rand, 4);
	char *text = make_text(rand);
	struct hf_policy *objects;
	struct hf_err err = {0};
	size_t i;

	memset(p, 0, sizeof(*p));
	cr_assert_eq(hf_policy_new(&objects, &err), 0);
	cr_assert_eq(hf_policy_read_text(objects, "p.yaml", text, strlen(text), &err), 0, "%s",
		err.text);
	cr_assert_eq(hf_model_build(objects, NULL, &p->model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_build(p->model, &p->rules, &err), 0, "%s", err.text);
	for (i = 0; i < N_NICS; i++) {
		struct hf_plan_opts opts = {
			.iface = ifaces[i], .previous = follows ? previous->plans[i] : NULL};

		cr_assert_eq(hf_plan_build(p->rules, nics[i].profile, &opts, &p->plans[i], &err), 0,
			"%s", err.text);
	}
	judge_all(p);
	hf_policy_free(objects);
	free(text);
}

static void free_policy(struct policy *p)
{
	size_t i;

	for (i = 0; i < N_NICS; i++)
		hf_plan_free(p->plans[i]);
	hf_rules_free(p->rules);
	hf_model_free(p->model);
}

static int prepare(void *arg, const struct hf_plan *plan, struct hf_err *err)
{
	return hf_sync_prepare(((struct nic *)arg)->sync, plan, err);
}

static void cancel(void *arg)
{
	hf_sync_cancel(((struct nic *)arg)->sync);
}

static int commit(void *arg, struct hf_err *err)
{
	return hf_sync_commit(((struct nic *)arg)->sync, err);
}

struct change {
	const struct policy *old, *new;
};

static int publish(void *arg, bool new, struct hf_err *err)
{
	struct change *c = arg;

	return hf_soft_publish(soft, new ? c->new->rules : c->old->rules, err);
}

static const struct hf_txn_ops ops = {prepare, cancel, commit};

struct result {
	unsigned int n_new, n_kept, n_punts;
};

/* Whether the new policy is in force. */
static bool change(const struct policy *old, const struct policy *new, bool keep, struct result *r)
{
	struct change c = {old, new};
	struct hf_txn_place places[N_NICS] = {0};
	struct hf_txn txn = {.ops = &ops,
		.n = N_NICS,
		.places = places,
		.publish = publish,
		.arg = &c,
		.keep = keep};
	struct hf_err err = {0};
	size_t i;
	int rc;

	for (i = 0; i < N_NICS; i++)
		places[i] = (struct hf_txn_place){
			ifaces[i], &nics[i], old->plans[i], new->plans[i], 0, 0, ""};
	rc = hf_txn_run(&txn, &err);
	for (i = 0; i < N_NICS; i++)
		r->n_punts += places[i].state == HF_TXN_PUNTS;
	r->n_new += rc == 0;
	r->n_kept += rc < 0;
	while (hf_soft_reclaim(soft)) /* all policies live to the end */
		;
	return rc == 0;
}

static void open_all(const struct policy *first)
{
	struct hf_soft_opts opts = {.n_workers = 1, .socket = SOCKET_ID_ANY};
	struct traffic t = {0};
	struct hf_err err = {0};
	size_t i;

	cr_assert_eq(hf_soft_new(&opts, &soft, &err), 0, "%s", err.text);
	for (i = 0; i < N_NICS; i++)
		cr_assert_eq(hf_soft_add_wire(soft, ifaces[i], HF_SOFT_UPLINK, &wires[i], &err), 0);
	cr_assert_eq(hf_soft_publish(soft, first->rules, &err), 0);
	for (i = 0; i < N_NICS; i++)
		cr_assert_eq(hf_sync_apply(nics[i].sync, first->plans[i], &err), 0, "%s", err.text);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	for (i = 0; i < N_NICS; i++)
		converse(&t, i);
	cr_assert_eq(t.n_cut, 0);
	hf_soft_worker_stop(soft, 0);
}

static void close_all(void)
{
	struct rte_mbuf *m;
	size_t i;

	for (i = 0; i < N_NICS; i++) {
		nics[i].faulty = false;
		cr_assert_eq(hf_sync_apply(nics[i].sync, NULL, NULL), 0);
		hf_sync_free(nics[i].sync);
		hf_flow_async_free(nics[i].async);
		cr_assert_eq(rte_eth_dev_stop(nics[i].port), 0);
		cr_assert_eq(rte_eth_dev_close(nics[i].port), 0);
		while (rte_ring_dequeue(nics[i].in, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		hf_profile_free(nics[i].profile);
	}
	hf_soft_free(soft);
	cr_assert(rte_mempool_full(pool), "packets leaked");
}

static unsigned int n_changes(void)
{
	const char *text = getenv("HF_HITLESS");

	return text ? (unsigned int)strtoul(text, NULL, 10) : CHANGES;
}

/* The sender has been through all of its probes since. */
static void wait_round(const struct traffic *t)
{
	const volatile uint64_t *n = &t->n_probes;
	uint64_t end = *n + 2 * N_NICS * n_probes;

	while (*n < end)
		rte_delay_us_sleep(100);
}

Test(hitless, every_verdict_is_one_of_a_valid_policy)
{
	unsigned int n = n_changes(), i, at = 0;
	struct policy *all = calloc(n + 1, sizeof(*all));
	struct traffic t = {0};
	struct result r = {0};
	struct hf_rand rand;
	pthread_t thread;

	if (getenv("HF_PROFILE"))
		profiles[0] = getenv("HF_PROFILE");
	rows = calloc(2 * n + 2, sizeof(*rows));
	pool = rte_pktmbuf_pool_create(
		"pool", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	cr_assert(all && rows && pool);
	hf_rand_init(&rand, hf_test_seed(), 0);
	make_probes();
	for (i = 0; i < N_NICS; i++)
		open_nic(i);
	make_policy(&all[0], NULL, NULL);
	open_all(&all[0]);
	rows[1] = all[0].row;
	begun = ended = 1;
	for (i = 0; i < N_NICS; i++)
		nics[i].faulty = true;
	cr_assert_eq(pthread_create(&thread, NULL, send_all, &t), 0);
	for (i = 1; i <= n; i++) {
		make_policy(&all[i], &all[at], &rand);
		rows[2 * i] = all[i].row;
		atomic_store(&begun, 2 * i);
		if (change(&all[at], &all[i], hf_rand_below(&rand, 2), &r))
			at = i;
		rows[2 * i + 1] = all[at].row;
		atomic_store(&begun, 2 * i + 1);
		atomic_store(&ended, 2 * i + 1);
		if (i % 4 == 0) /* at rest: exactly the last */
			wait_round(&t);
	}
	wait_round(&t);
	atomic_store(&stop, true);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	fprintf(stderr,
		"# %u changes (%u kept back), %u faults, %u times a NIC was left empty; "
		"%lu probes, %lu during a change, %lu allowed\n",
		n, r.n_kept, nics[0].n_faults + nics[1].n_faults, r.n_punts, t.n_probes, t.n_moving,
		t.n_allowed);
	cr_expect_eq(t.n_violations, 0, "%lu violations; the first: %s", t.n_violations, t.first);
	cr_expect_eq(t.n_cut, 0, "%lu packets of established connections did not pass", t.n_cut);
	cr_expect(t.n_moving > 0 && t.n_allowed > 0 && t.n_allowed < t.n_probes);
	cr_expect_gt(nics[0].n_faults + nics[1].n_faults, 0);
	close_all();
	for (i = 0; i <= n; i++)
		free_policy(&all[i]);
	free(all);
	free(rows);
}
