/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How fast the software path is: one case a run, one JSON line on stdout.
 *
 *	bench-soft [--kind KIND] [--rules N] [--flows N] [--ip6] [--set-size N] [--workers 2]
 *		[--reps N] [--window MS] [--peers DIR] [-- EAL ARGUMENTS]
 *
 * KIND: io (no judging: what reading and writing cost alone), stateless (untracked policy), new
 * (each packet opens a connection), established, marked (the NIC has allowed it), marked-untracked,
 * guarded (established, and as many rules of untracked policy are asked about each packet, which
 * none of them is about), offloaded (the same, and the NIC has marked the connections it was
 *given).
 *
 * Frames come from net_pcap, which plays them in a circle, and go to net_null, as in dpdk-testpmd
 * with the same devices. Rates are packets per second of CPU time of the thread that does the work:
 * the median of some windows, and the least and greatest.
 *
 * With --workers 2 (stateless only) a second worker does the same on an interface, ports and a core
 * of its own, and the rate is the sum of both.
 *
 * First every frame is judged once and compared with hf_rules_lookup(); then every window's number
 * of passed packets must be what it is for these frames. Any difference: exit 1.
 */

#include "soft_data.h"
#include "soft_walk.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/plan.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>
#include <soft/classify.h>
#include <soft/key.h>
#include <soft/soft.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST	    32
#define N_MBUFS	    16383
#define CONNS	    262144
#define REPS_MAX    64
#define WORKERS_MAX 2
#define EAL_ARGS    32
#define SEED	    1
#define FNV_BASIS   UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME   UINT64_C(0x100000001b3)

enum kind {
	IO,
	STATELESS,
	NEW,
	ESTABLISHED,
	MARKED,
	MARKED_UNTRACKED,
	GUARDED,
	OFFLOADED,
	N_KINDS
};

static const char *const kinds[N_KINDS] = {"io", "stateless", "new", "established", "marked",
	"marked-untracked", "guarded", "offloaded"};

static struct {
	enum kind kind;
	size_t n_rules, n_flows, set_size;
	bool ip6;
	unsigned int reps, window_ms, n_workers;
	const char *peers;
} opt = {.n_rules = 1000,
	.n_flows = 1000,
	.set_size = BENCH_SET_SIZE,
	.reps = 7,
	.window_ms = 150,
	.n_workers = 1};

static struct {
	struct hf_rules *rules;
	struct hf_soft *soft;
	unsigned int wires[WORKERS_MAX];
	struct rte_mempool *pool;
	struct bench_frames frames; /* what is played */
	uint32_t *passed;	    /* of the first i frames */
	uint64_t hash;
	size_t wrong;
	double load, publish, build;
	size_t classifier_size;
	double rates[WORKERS_MAX][REPS_MAX];
	atomic_bool bad_count;
} run;

static double cpu_now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		err(1, "clock_gettime");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool is_guarded(void)
{
	return opt.kind == GUARDED || opt.kind == OFFLOADED;
}

/* Addresses that nobody has (RFC 1112 4). */
static char *guard_yaml(void)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		err(1, "open_memstream");
	fputs("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
	      "metadata: {name: guard}\nspec:\n  selector: hep == 'x'\n  order: 1\n"
	      "  doNotTrack: true\n  applyOnForward: true\n  types: [Ingress]\n  ingress:\n",
		out);
	for (i = 0; i < opt.n_rules; i++)
		fprintf(out,
			"    - {action: Deny, protocol: %s, source: {nets: [240.%zu.%zu.0/24]}, "
			"destination: {ports: [%zu]}}\n",
			i % 2 ? "UDP" : "TCP", i / 250, i % 250, 1 + i % 60000);
	if (fclose(out) != 0)
		errx(1, "out of memory");
	return text;
}

static void load_rules(const struct bench_policy *policy)
{
	struct hf_model_opts opts = {.node = "n0"};
	char *text = bench_policy_yaml(policy, opt.kind == STATELESS, opt.ip6);
	char *guard = is_guarded() ? guard_yaml() : NULL;
	struct hf_policy *objects = NULL;
	struct hf_model *model = NULL;
	struct hf_err e = {0};
	double t0 = cpu_now();

	if (hf_policy_new(&objects, &e) < 0 ||
		hf_policy_read_text(objects, "bench.yaml", text, strlen(text), &e) < 0 ||
		(guard &&
			hf_policy_read_text(objects, "guard.yaml", guard, strlen(guard), &e) < 0) ||
		hf_model_build(objects, &opts, &model, &e) < 0 ||
		hf_rules_build(model, &run.rules, &e) < 0)
		errx(1, "%s", e.text);
	run.load = cpu_now() - t0;
	hf_model_free(model);
	hf_policy_free(objects);
	free(guard);
	free(text);
}

/* Made, or read where the peers' generator has put them. */
static struct bench_frames get_frames(
	const struct bench_policy *policy, const char *name, enum bench_step step, bool allowed)
{
	struct bench_flow *flows;
	struct bench_frames frames;
	char path[PATH_MAX];

	if (opt.peers) {
		(void)snprintf(path, sizeof(path), "%s/gen/n%zu/%s", opt.peers, opt.n_rules, name);
		return bench_frames_read(path);
	}
	flows = bench_flows_make(policy, opt.n_flows, allowed, SEED);
	frames = bench_frames_make(flows, opt.n_flows, step, opt.ip6);
	free(flows);
	return frames;
}

static struct rte_mbuf *frame_mbuf(const struct bench_frames *frames, size_t i)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(run.pool);

	if (!m)
		errx(1, "no mbuf");
	memcpy(rte_pktmbuf_append(m, frames->size), frames->bytes + i * frames->size, frames->size);
	return m;
}

static bool passes(struct rte_mbuf *m, enum hf_soft_dir dir)
{
	uint16_t n = hf_soft_burst(run.soft, 0, run.wires[0], dir, &m, 1, rte_rdtsc());

	if (n)
		rte_pktmbuf_free(m);
	return n;
}

static void note_verdict(size_t i, bool want, bool got)
{
	run.hash = (run.hash ^ got) * FNV_PRIME;
	run.wrong += want != got;
	run.passed[i + 1] = run.passed[i] + got;
}

static void forget_all(void)
{
	struct hf_soft_filter all = {.any_wire = true};
	uint32_t at = 0;

	while (hf_soft_forget(run.soft, 0, &all, &at))
		;
}

/* Judges every frame once. What is established has been opened and answered before. */
static void verify(const struct bench_frames *open, const struct bench_frames *answer)
{
	size_t i;

	run.hash = FNV_BASIS;
	run.passed = calloc(run.frames.n + 1, sizeof(*run.passed));
	if (!run.passed)
		errx(1, "out of memory");
	for (i = 0; i < open->n; i++) {
		(void)passes(frame_mbuf(open, i), HF_SOFT_IN);
		if (!passes(frame_mbuf(answer, i), HF_SOFT_OUT))
			errx(1, "flow %zu cannot be established", i);
	}
	for (i = 0; i < run.frames.n; i++) {
		struct rte_mbuf *m = frame_mbuf(&run.frames, i);
		bool want = open->n > 0 || bench_walk_passes(run.rules, m);

		note_verdict(i, want, passes(m, HF_SOFT_IN));
	}
	if (opt.kind == NEW)
		forget_all();
}

static uint64_t expected(uint64_t from, uint64_t to)
{
	uint64_t n = run.frames.n, all = run.passed[n];

	return (to / n * all + run.passed[to % n]) - (from / n * all + run.passed[from % n]);
}

static void mark(struct rte_mbuf **pkts, uint16_t n, uint32_t mark)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		pkts[i]->ol_flags |= RTE_MBUF_F_RX_FDIR_ID;
		pkts[i]->hash.fdir.hi = mark;
	}
}

/* At most max packets. Returns how many were read; *passed counts. */
static uint16_t move(unsigned int worker, uint16_t max, uint64_t *passed)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst((uint16_t)(2 * worker), 0, pkts, max), k = n, sent;

	if (opt.kind == MARKED)
		mark(pkts, n, HF_MARK_ALLOW);
	else if (opt.kind == MARKED_UNTRACKED)
		mark(pkts, n, HF_MARK_ALLOW_UNTRACKED);
	else if (opt.kind == OFFLOADED)
		mark(pkts, n, hf_soft_offers_mark(run.soft));
	if (opt.kind != IO)
		k = hf_soft_burst(
			run.soft, worker, run.wires[worker], HF_SOFT_IN, pkts, n, rte_rdtsc());
	*passed += k;
	sent = rte_eth_tx_burst((uint16_t)(2 * worker + 1), 0, pkts, k);
	rte_pktmbuf_free_bulk(pkts + sent, (unsigned int)(k - sent));
	return n;
}

/* CPU time of one run through all frames, or of a window. */
static double window(unsigned int worker, uint64_t *at)
{
	uint64_t begin = *at, passed = 0, want;
	double t0 = cpu_now(), t = 0;

	do {
		unsigned int i;

		for (i = 0; i < 256; i++) {
			uint64_t left = run.frames.n - *at % run.frames.n;

			*at += move(worker,
				opt.kind == NEW && left < BURST ? (uint16_t)left : BURST, &passed);
			if (opt.kind == NEW && *at - begin == run.frames.n)
				break;
			if (opt.kind != IO && i % 16 == 0)
				hf_soft_poll(run.soft, worker, rte_rdtsc());
		}
		t = cpu_now() - t0;
	} while (opt.kind == NEW ? *at - begin < run.frames.n : t < opt.window_ms / 1e3);
	want = opt.kind == IO || opt.kind == MARKED_UNTRACKED ? *at - begin : expected(begin, *at);
	if (passed != want)
		run.bad_count = true;
	return (double)(opt.kind == NEW ? passed : *at - begin) / t;
}

static int work(void *arg)
{
	unsigned int i, worker = (unsigned int)(uintptr_t)arg;
	uint64_t at = 0;

	if (hf_soft_worker_start(run.soft, worker) < 0)
		return 1;
	(void)window(worker, &at); /* caches become warm */
	for (i = 0; i < opt.reps; i++) {
		if (opt.kind == NEW)
			forget_all();
		run.rates[worker][i] = window(worker, &at);
	}
	hf_soft_worker_stop(run.soft, worker);
	return 0;
}

static int rate_cmp(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static void open_port(uint16_t port)
{
	struct rte_eth_conf conf = {0};

	if (rte_eth_dev_configure(port, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, run.pool) < 0 ||
		rte_eth_tx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL) < 0 ||
		rte_eth_dev_start(port) < 0)
		errx(1, "port %u does not start", port);
}

static void start_eal(const char *name, const char *pcap, char **extra, int n_extra)
{
	static const char *const sinks[WORKERS_MAX] = {"net_null8,no-rx=1", "net_null9,no-rx=1"};
	static char vdevs[WORKERS_MAX][PATH_MAX + 64];
	char *args[EAL_ARGS] = {
		(char *)(uintptr_t)name, "--no-pci", "--no-telemetry", "--log-level=error"};
	int i, n = 4;

	/* Ports are numbered in this order. */
	for (i = 0; i < (int)opt.n_workers; i++) {
		(void)snprintf(
			vdevs[i], sizeof(vdevs[i]), "net_pcap%d,rx_pcap=%s,infinite_rx=1", i, pcap);
		args[n++] = "--vdev";
		args[n++] = vdevs[i];
		args[n++] = "--vdev";
		args[n++] = (char *)(uintptr_t)sinks[i];
	}
	for (i = 0; i < n_extra && n < EAL_ARGS - 1; i++)
		args[n++] = extra[i];
	if (rte_eal_init(n, args) < 0)
		errx(1, "EAL: %s", rte_strerror(rte_errno));
	if (rte_lcore_count() < 2)
		errx(1, "two lcores are needed: -- --lcores 0@0,1@1");
	/* net_pcap keeps a copy of every frame. */
	run.pool = rte_pktmbuf_pool_create("bench",
		opt.n_workers * (unsigned int)run.frames.n + N_MBUFS, 256, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!run.pool)
		errx(1, "no memory for packets: %s", rte_strerror(rte_errno));
}

static void start_soft(void)
{
	struct hf_soft_opts opts = {
		.n_workers = opt.n_workers,
		.max_conns = 2 * (uint32_t)opt.n_flows + 1024,
		.socket = SOCKET_ID_ANY,
	};
	struct hf_classifier *classifier = NULL;
	struct hf_err e = {0};
	double t0;

	if (hf_soft_new(&opts, &run.soft, &e) < 0 ||
		hf_soft_add_wire(run.soft, "eth0", HF_SOFT_UPLINK, &run.wires[0], &e) < 0 ||
		hf_soft_add_wire(run.soft, "eth1", HF_SOFT_UPLINK, &run.wires[1], &e) < 0)
		errx(1, "%s", e.text);
	t0 = cpu_now();
	if (hf_soft_publish(run.soft, run.rules, &e) < 0)
		errx(1, "%s", e.text);
	run.publish = cpu_now() - t0;
	while (!hf_soft_is_idle(run.soft)) {
		(void)usleep(1000);
		(void)hf_soft_reclaim(run.soft);
	}
	t0 = cpu_now();
	if (hf_classifier_new(run.rules, HF_LANES_FROM, &classifier) == 0)
		run.classifier_size = hf_classifier_size(classifier);
	run.build = cpu_now() - t0;
	hf_classifier_free(classifier);
}

/* Of the workers together; at: 0 for the least, 1 for the greatest. */
static double rate(double at)
{
	double sum = 0;
	unsigned int w;

	for (w = 0; w < opt.n_workers; w++) {
		qsort(run.rates[w], opt.reps, sizeof(run.rates[w][0]), rate_cmp);
		sum += run.rates[w][(unsigned int)(at * (opt.reps - 1) + 0.5)];
	}
	return sum / 1e6;
}

/* Of the packets that untracked policy may decide, those that a list, or the memo, has decided. */
static double known(bool by_list)
{
	struct hf_soft_table_counts t;
	uint64_t n;

	hf_soft_count_tables(run.soft, &t);
	n = t.memo_asked + t.listed;
	return n ? (double)(by_list ? t.listed : t.memo_known) / (double)n : 0;
}

static void print(void)
{
	printf("{\"bench\": \"soft\", \"kind\": \"%s\", \"rules\": %zu, \"flows\": %zu, "
	       "\"family\": %d, \"workers\": %u, \"mpps\": %.3f, \"min\": %.3f, \"max\": %.3f, "
	       "\"verdicts\": \"%016llx\", \"allowed\": %u, \"wrong\": %zu, "
	       "\"load_s\": %.4f, \"publish_s\": %.4f, \"classifier_s\": %.4f, "
	       "\"classifier_bytes\": %zu, \"listed\": %.3f, \"known\": %.3f, \"data\": \"%s\"}\n",
		kinds[opt.kind], opt.n_rules, run.frames.n, opt.ip6 ? 6 : 4, opt.n_workers,
		rate(0.5), rate(0), rate(1), (unsigned long long)run.hash, run.passed[run.frames.n],
		run.wrong, run.load, run.publish, run.build, run.classifier_size, known(true),
		known(false), opt.peers ? "peers" : "own");
}

static enum kind kind_of(const char *text)
{
	int i;

	for (i = 0; i < N_KINDS; i++) {
		if (strcmp(text, kinds[i]) == 0)
			return (enum kind)i;
	}
	errx(2, "unknown kind '%s'", text);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"kind", required_argument, NULL, 'k'},
		{"rules", required_argument, NULL, 'r'},
		{"flows", required_argument, NULL, 'f'},
		{"ip6", no_argument, NULL, '6'},
		{"set-size", required_argument, NULL, 's'},
		{"reps", required_argument, NULL, 'n'},
		{"window", required_argument, NULL, 'w'},
		{"peers", required_argument, NULL, 'p'},
		{"workers", required_argument, NULL, 'W'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'k':
			opt.kind = kind_of(optarg);
			break;
		case 'r':
			opt.n_rules = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			opt.n_flows = strtoul(optarg, NULL, 10);
			break;
		case '6':
			opt.ip6 = true;
			break;
		case 's':
			opt.set_size = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			opt.reps = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			opt.window_ms = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'W':
			opt.n_workers = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			opt.peers = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!opt.n_rules || !opt.n_flows || !opt.set_size || !opt.reps || opt.reps > REPS_MAX)
		errx(2, "numbers must be positive, --reps at most %d", REPS_MAX);
	if (opt.n_workers < 1 || opt.n_workers > (opt.kind == STATELESS ? WORKERS_MAX : 1))
		errx(2, "--workers: 1, or 2 of kind stateless");
	if (opt.peers && opt.ip6)
		errx(2, "the peers' data are IPv4");
}

static bool tracked(void)
{
	return opt.kind == ESTABLISHED || opt.kind == MARKED || is_guarded();
}

int main(int argc, char **argv)
{
	struct bench_frames open = {0}, answer = {0};
	struct bench_policy *policy;
	char name[64], path[PATH_MAX], pcap[] = "/tmp/hepflow-bench-XXXXXX";
	unsigned int i;
	int fd;

	parse(argc, argv);
	(void)snprintf(path, sizeof(path), "%s/gen/n%zu/policy.json", opt.peers, opt.n_rules);
	policy = opt.peers ? bench_policy_read(path)
			   : bench_policy_make(opt.n_rules, opt.set_size, SEED);
	load_rules(policy);
	if (tracked() || opt.kind == NEW) {
		(void)snprintf(name, sizeof(name), "est%zu.%s.pcap", opt.n_flows,
			opt.kind == NEW ? "new" : "est");
		run.frames =
			get_frames(policy, name, opt.kind == NEW ? BENCH_OPEN : BENCH_GO_ON, true);
	} else {
		(void)snprintf(name, sizeof(name), "f%zu-64.pcap", opt.n_flows);
		run.frames = get_frames(policy, name, BENCH_OPEN, false);
	}
	if (tracked()) {
		(void)snprintf(name, sizeof(name), "est%zu.new.pcap", opt.n_flows);
		open = get_frames(policy, name, BENCH_OPEN, true);
		(void)snprintf(name, sizeof(name), "est%zu.rep.pcap", opt.n_flows);
		answer = get_frames(policy, name, BENCH_ANSWER, true);
	}
	fd = mkstemp(pcap);
	if (fd < 0)
		err(1, "%s", pcap);
	(void)close(fd);
	bench_frames_write(&run.frames, pcap);
	start_eal(argv[0], pcap, argv + optind, argc - optind);
	start_soft();
	if (hf_soft_worker_start(run.soft, 0) < 0)
		errx(1, "no worker");
	verify(&open, &answer);
	hf_soft_worker_stop(run.soft, 0);
	for (i = 0; i < 2 * opt.n_workers; i++)
		open_port((uint16_t)i);
	(void)unlink(pcap);
	rte_eal_remote_launch(work, NULL, rte_get_next_lcore(-1, 1, 0));
	if (opt.n_workers > 1)
		(void)work((void *)1);
	rte_eal_mp_wait_lcore();
	print();
	hf_soft_free(run.soft);
	hf_rules_free(run.rules);
	bench_policy_free(policy);
	bench_frames_free(&run.frames);
	bench_frames_free(&open);
	bench_frames_free(&answer);
	free(run.passed);
	(void)rte_eal_cleanup(); /* nobody is left to hear of it */
	if (run.wrong || run.bad_count)
		warnx("%zu verdicts differ from the walk%s", run.wrong,
			run.bad_count ? "; a window let other packets pass" : "");
	return run.wrong || run.bad_count;
}
