/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the control thread and the workers hand to each other, for the thread sanitizer: rules that
 * change under traffic (tables built here and aside), counters and connections that are read
 * meanwhile, connections that are forgotten. A plain program, because Criterion and the sanitizer
 * want the same addresses.
 *
 *	race [CHANGES]
 */

#include "soft_test.h"

#include <soft/soft.h>

#include <hepflow/rules.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 2
#define FLOWS	64 /* of each worker; all are allowed by all rules, so no mbuf is ever freed */
#define CHANGES 30

#define FACTS                                                                                      \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces:\n    - {name: eth0, addresses: [192.0.2.10/24]}\n"                          \
	"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                              \
	"metadata: {name: eth0, labels: {hep: x}}\nspec: {node: n0, interfaceName: eth0}\n"

#define POLICY(port)                                                                               \
	"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"                       \
	"metadata: {name: web}\nspec:\n  selector: hep == 'x'\n  types: [Ingress]\n  ingress:\n"   \
	"    - {action: Deny, protocol: TCP, destination: {ports: [" port "]}}\n"                  \
	"    - {action: Allow}\n"

static const char *const policies[] = {FACTS POLICY("1"), FACTS POLICY("2"), FACTS POLICY("3")};

static struct hf_soft *soft;
static unsigned int eth0;
static atomic_bool stop;

struct worker {
	unsigned int number;
	pthread_t thread;
	struct rte_mbuf *flows[FLOWS];
	atomic_ulong passed;
};

static void fail(const char *what)
{
	fprintf(stderr, "race: %s\n", what);
	exit(1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct hf_soft_filter all = {.any_wire = true};
	struct rte_mbuf *m;
	uint64_t now = 1000 * HZ;
	unsigned int i;
	uint32_t at = 0;

	if (hf_soft_worker_start(soft, w->number) < 0)
		fail("a worker cannot start");
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (i = 0; i < FLOWS; i++) {
			m = w->flows[i];
			atomic_fetch_add_explicit(&w->passed,
				hf_soft_burst(soft, w->number, eth0, HF_SOFT_IN, &m, 1, now),
				memory_order_relaxed);
		}
		hf_soft_poll(soft, w->number, now);
		if (now % 64 == 0)
			(void)hf_soft_forget(soft, w->number, &all, &at);
		at = 0;
		now++;
	}
	hf_soft_worker_stop(soft, w->number);
	return NULL;
}

static void make_flows(struct worker *w)
{
	char line[128];
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		(void)snprintf(line, sizeof(line),
			"src=198.51.100.%u dst=192.0.2.10 sport=%u dport=80 proto=%s",
			w->number + 1, i + 1, i % 2 ? "tcp" : "udp");
		w->flows[i] = line_mbuf(line, NULL);
	}
}

/* What the daemon reads once a second, and when it is asked. */
static void look(void)
{
	struct hf_soft_table_counts tables;
	struct hf_soft_iter iter = {0};
	struct hf_soft_conn conn;
	unsigned int r;
	size_t i;

	for (r = 0; r < HF_SOFT_N_REASONS; r++)
		(void)hf_soft_count_reason(soft, r);
	for (i = 0; i < 4; i++)
		(void)hf_soft_count_origin(soft, i);
	(void)hf_soft_count_wire(soft, eth0, HF_SOFT_IN);
	hf_soft_count_tables(soft, &tables);
	for (i = 0; i < 16 && hf_soft_next_conn(soft, &iter, &conn); i++)
		;
}

static void reclaim(void)
{
	const struct hf_rules *old;

	while ((old = hf_soft_reclaim(soft)))
		hf_rules_free((struct hf_rules *)(uintptr_t)old);
}

static void change(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct hf_rules *next =
			make_rules(policies[i % (sizeof(policies) / sizeof(policies[0]))]);

		if (hf_soft_publish(soft, next, NULL) < 0)
			fail("rules are refused");
		look();
		reclaim();
	}
}

static unsigned long run(size_t aside_from, unsigned int n)
{
	struct hf_soft_opts opts = {
		.n_workers = WORKERS,
		.max_conns = 4096,
		.hz = HZ,
		.socket = SOCKET_ID_ANY,
		.aside_from = aside_from,
	};
	struct worker workers[WORKERS] = {0};
	struct hf_rules *first = make_rules(policies[0]), *last = make_rules(policies[0]);
	unsigned long passed = 0;
	unsigned int i;

	if (hf_soft_new(&opts, &soft, NULL) < 0 ||
		hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &eth0, NULL) < 0 ||
		hf_soft_publish(soft, first, NULL) < 0)
		fail("no software path");
	atomic_store(&stop, false);
	for (i = 0; i < WORKERS; i++) {
		workers[i].number = i;
		make_flows(&workers[i]);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			fail("no thread");
	}
	change(n);
	atomic_store(&stop, true);
	for (i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		passed += atomic_load(&workers[i].passed);
	}
	if (hf_soft_publish(soft, last, NULL) < 0)
		fail("the last rules are refused");
	reclaim();
	hf_soft_free(soft);
	hf_rules_free(last);
	return passed;
}

int main(int argc, char **argv)
{
	const char *args[] = {"race", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m", "128", "--log-level=error"};
	char *eal[sizeof(args) / sizeof(args[0])];
	unsigned int n = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : CHANGES, i;
	unsigned long here, aside;

	for (i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		eal[i] = (char *)(uintptr_t)args[i];
	if (rte_eal_init((int)i, eal) < 0)
		fail(rte_strerror(rte_errno));
	here = run(0, n);
	aside = run(1, n);
	if (here < n || aside < n)
		fail("too few packets have passed");
	printf("%u changes under %lu packets, with tables built aside under %lu\n", n, here, aside);
	return 0;
}
