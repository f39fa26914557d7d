/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <soft/soft.h>

#include <hepflow/err.h>
#include <hepflow/rules.h>

#include <hf_test_eal.h>

#include <rte_mbuf.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FACTS                                                                                      \
	"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"                   \
	"  interfaces:\n    - {name: eth0, addresses: [192.0.2.10/24]}\n"                          \
	"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"                              \
	"metadata: {name: eth0, labels: {hep: x}}\nspec: {node: n0, interfaceName: eth0}\n"

#define POLICY(name, port)                                                                         \
	"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"                       \
	"metadata: {name: " name "}\nspec:\n  selector: hep == 'x'\n  types: [Ingress]\n"          \
	"  ingress:\n    - {action: Allow, protocol: TCP, destination: {ports: [" port "]}}\n"

static struct hf_soft *soft;
static struct hf_rules *a, *b, *c;
static unsigned int eth0;
static uint64_t now = 1000 * HZ;

static void make_soft(size_t aside_from)
{
	struct hf_soft_opts opts = {
		.n_workers = 2,
		.max_conns = 4096,
		.hz = HZ,
		.socket = SOCKET_ID_ANY,
		.aside_from = aside_from,
		.any_list = aside_from,
	};

	hf_soft_free(soft);
	cr_assert_eq(hf_soft_new(&opts, &soft, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &eth0, NULL), 0);
}

static void init(void)
{
	hf_test_eal_init();
	make_soft(0);
	a = make_rules(FACTS POLICY("web", "80"));
	b = make_rules(FACTS POLICY("first", "81") POLICY("web", "80"));
	c = make_rules(FACTS POLICY("web", "82"));
}

static void fini(void)
{
	hf_soft_free(soft);
	hf_rules_free(a);
	hf_rules_free(b);
	hf_rules_free(c);
	mbufs_fini();
	hf_test_fini();
}

TestSuite(soft, .init = init, .fini = fini);

static bool send_by(unsigned int worker, const char *line)
{
	struct rte_mbuf *m = line_mbuf(line, NULL);
	uint16_t n = hf_soft_burst(soft, worker, eth0, HF_SOFT_IN, &m, 1, now);

	if (n)
		rte_pktmbuf_free(m);
	return n;
}

static bool send_to(int port)
{
	static int sport = 1;
	char line[128];

	(void)snprintf(line, sizeof(line),
		"src=198.51.100.7 dst=192.0.2.10 sport=%d dport=%d proto=tcp", sport++, port);
	return send_by(0, line);
}

static struct hf_soft_count count_of(const struct hf_rules *rules, const char *origin)
{
	size_t i;

	for (i = 0; i < hf_rules_n_origins(rules); i++) {
		if (strcmp(hf_rules_origin(rules, i), origin) == 0)
			return hf_soft_count_origin(soft, i);
	}
	cr_assert_fail("no origin %s", origin);
	return (struct hf_soft_count){0};
}

#define WEB "default/gnp:web/ingress/0"

Test(soft, rules_in_use_are_not_given_back)
{
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	cr_assert_eq(hf_soft_worker_start(soft, 1), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect_null(hf_soft_reclaim(soft));
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_expect_null(hf_soft_reclaim(soft), "nobody has reported");
	hf_soft_poll(soft, 0, now);
	cr_expect_null(hf_soft_reclaim(soft), "worker 1 has not");
	hf_soft_poll(soft, 1, now);
	cr_expect_eq(hf_soft_reclaim(soft), a);
	cr_expect_null(hf_soft_reclaim(soft));
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	hf_soft_poll(soft, 0, now);
	hf_soft_worker_stop(soft, 1);
	cr_expect_eq(hf_soft_reclaim(soft), b, "who has stopped uses nothing");
	hf_soft_worker_stop(soft, 0);
}

Test(soft, rules_come_back_in_their_order)
{
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	cr_expect_null(hf_soft_reclaim(soft));
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_reclaim(soft), a);
	cr_expect_eq(hf_soft_reclaim(soft), b);
	cr_expect_null(hf_soft_reclaim(soft));
	hf_soft_worker_stop(soft, 0);
}

Test(soft, rules_published_again_are_still_in_use)
{
	unsigned int wire;

	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_assert_eq(hf_soft_add_wire(soft, "eth1", HF_SOFT_UPLINK, &wire, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect_null(hf_soft_reclaim(soft));
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_expect_eq(hf_soft_reclaim(soft), a);
}

Test(soft, new_rules_are_for_the_next_burst)
{
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect(send_to(80));
	cr_expect_not(send_to(82));
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	cr_expect_not(send_to(80));
	cr_expect(send_to(82));
}

#define DEADLINE 20000 /* milliseconds; a table of three rules takes less than one */

/* What the thread has built is put in force by reclaiming. */
static const struct hf_rules *reclaim_settled(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	const struct hf_rules *rules = NULL;
	int i;

	for (i = 0; i < DEADLINE && !rules && !hf_soft_is_settled(soft); i++) {
		(void)nanosleep(&ms, NULL);
		rules = hf_soft_reclaim(soft);
		hf_soft_poll(soft, 0, now);
	}
	return rules ? rules : hf_soft_reclaim(soft);
}

/* Untracked policy that allows one host, and a few networks that nobody sends from. */
static struct hf_rules *raw_rules(const char *host, int n)
{
	char text[4096];
	struct hf_rules *rules;
	int i, at;

	at = snprintf(text, sizeof(text),
		FACTS "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		      "metadata: {name: raw}\nspec:\n  selector: hep == 'x'\n"
		      "  types: [Ingress]\n  doNotTrack: true\n  applyOnForward: true\n"
		      "  ingress:\n    - {action: Allow, protocol: TCP, "
		      "source: {nets: [%s/32]}}\n",
		host);
	for (i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			"    - {action: Allow, protocol: UDP, source: {nets: [10.0.%d.0/24]}}\n",
			i);
	(void)snprintf(text + at, sizeof(text) - (size_t)at, "    - {action: Deny}\n");
	rules = make_rules(text);
	return rules;
}

static const char *const hosts[] = {"198.51.100.7", "198.51.100.8"};

/* By a worker of its own, that is what the counts are of. */
static bool send_from(int host, int sport)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "src=%s dst=192.0.2.10 sport=%d dport=90 proto=tcp",
		hosts[host], sport);
	return send_by(0, line);
}

Test(soft, new_rules_find_the_memo_empty)
{
	struct hf_rules *rules[2] = {raw_rules(hosts[0], 0), raw_rules(hosts[1], 0)};
	struct hf_soft_table_counts t;
	int i, k;

	for (i = 0; i < 6; i++) {
		cr_assert_eq(hf_soft_publish(soft, rules[i % 2], NULL), 0);
		for (k = 0; k < 6; k++)
			cr_expect_eq(send_from(k % 2, 100 * i + k), i % 2 == k % 2,
				"rules %d packet %d", i, k);
	}
	hf_soft_count_tables(soft, &t);
	cr_expect_eq(t.memo_asked, 36);
	cr_expect_eq(t.memo_known, 24, "two kinds of packets, and six tables that meet both once");
	hf_soft_free(soft);
	soft = NULL;
	hf_rules_free(rules[0]);
	hf_rules_free(rules[1]);
}

static void wait_idle(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	int i;

	for (i = 0; i < DEADLINE && !hf_soft_is_idle(soft); i++) {
		(void)nanosleep(&ms, NULL);
		(void)hf_soft_reclaim(soft);
		hf_soft_poll(soft, 0, now);
	}
	cr_assert(hf_soft_is_idle(soft));
}

/* Whether lists are used is a matter of time, and must not be one of verdicts. */
Test(soft, lists_come_and_go_and_change_no_verdict)
{
	struct hf_rules *rules[2] = {raw_rules(hosts[0], 30), raw_rules(hosts[1], 29)};
	struct hf_soft_table_counts t;
	int i, k;

	make_soft(1);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	for (i = 0; i < 6; i++) {
		cr_assert_eq(hf_soft_publish(soft, rules[i % 2], NULL), 0);
		for (k = 0; k < 6; k++) {
			if (k == 3 && i < 4)
				wait_idle();
			cr_expect_eq(send_from(k % 2, 100 * i + k), i % 2 == k % 2,
				"rules %d packet %d", i, k);
		}
	}
	hf_soft_count_tables(soft, &t);
	cr_expect_geq(t.listed, 12);
	/* The same rules on other wires have what there is. */
	cr_assert_eq(hf_soft_publish(soft, rules[1], NULL), 0);
	cr_expect(send_from(1, 1) && !send_from(0, 1));
	hf_soft_worker_stop(soft, 0);
	hf_soft_free(soft); /* also while something is being built */
	soft = NULL;
	hf_rules_free(rules[0]);
	hf_rules_free(rules[1]);
}

Test(soft, new_rules_hold_while_their_table_is_built)
{
	make_soft(1);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect(hf_soft_is_settled(soft), "nothing to stand on yet");
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_expect_not(hf_soft_is_settled(soft));
	cr_expect(send_to(80));
	cr_expect(send_to(81));
	cr_expect_not(send_to(82));
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(reclaim_settled(), a, "only once its table is gone");
	cr_expect(hf_soft_is_settled(soft));
	cr_expect(send_to(81));
	cr_expect_not(send_to(82));
	cr_expect_null(hf_soft_reclaim(soft));
	hf_soft_worker_stop(soft, 0);
}

Test(soft, rules_change_again_before_their_table_is_built)
{
	const struct hf_rules *first, *second;

	make_soft(1);
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	cr_expect_not(send_to(80));
	cr_expect(send_to(82));
	hf_soft_poll(soft, 0, now);
	first = reclaim_settled();
	second = reclaim_settled();
	cr_expect((first == a && second == b) || (first == b && second == a));
	cr_expect_not(send_to(80));
	cr_expect(send_to(82));
	/* Going back to what a table is there for needs none. */
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	cr_expect(hf_soft_is_settled(soft));
	cr_expect_null(hf_soft_reclaim(soft));
	hf_soft_worker_stop(soft, 0);
}

Test(soft, it_ends_while_a_table_is_built)
{
	make_soft(1);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
}

Test(soft, counts_go_on_for_origins_that_stay)
{
	cr_assert_eq(hf_soft_worker_start(soft, 0), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	(void)send_to(80);
	(void)send_to(80);
	(void)send_to(7);
	cr_expect_eq(count_of(a, WEB).packets, 2);
	cr_expect_eq(count_of(a, WEB).bytes, 2 * 54);
	cr_expect_eq(count_of(a, "tier-default:default").packets, 1);

	cr_assert_eq(hf_soft_publish(soft, b, NULL), 0);
	cr_expect_eq(count_of(b, WEB).packets, 2, "while the old one may be in use");
	(void)send_to(80);
	(void)send_to(81);
	cr_expect_eq(count_of(b, WEB).packets, 3);
	cr_expect_eq(count_of(b, "default/gnp:first/ingress/0").packets, 1);
	cr_assert_eq(hf_soft_publish(soft, c, NULL), 0);
	cr_expect_eq(count_of(c, WEB).packets, 3, "over two that may be in use");
	hf_soft_poll(soft, 0, now);
	cr_expect_eq(hf_soft_reclaim(soft), a);
	cr_expect_eq(count_of(c, WEB).packets, 3);
	cr_expect_eq(hf_soft_reclaim(soft), b);
	cr_expect_eq(count_of(c, WEB).packets, 3, "and when they are gone");
	(void)send_to(82);
	cr_expect_eq(count_of(c, WEB).packets, 4);
	cr_expect_eq(count_of(c, "tier-default:default").packets, 1);
	hf_soft_worker_stop(soft, 0);
}

Test(soft, counts_are_sums_over_workers)
{
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	(void)send_by(0, "src=198.51.100.7 dst=192.0.2.10 sport=1 dport=80 proto=tcp");
	(void)send_by(1, "src=198.51.100.7 dst=192.0.2.10 sport=2 dport=80 proto=tcp");
	(void)send_by(1, "src=198.51.100.7 dst=192.0.2.10 sport=2 dport=81 proto=tcp");
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_ALLOW).packets, 2);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_IN).rx.packets, 3);
	cr_expect_eq(hf_soft_count_wire(soft, eth0, HF_SOFT_IN).drop.packets, 1);
	cr_expect_eq(count_of(a, WEB).packets, 2);
}

Test(soft, connections_can_be_listed)
{
	struct hf_soft_table_counts tables;
	struct hf_soft_iter iter = {0};
	struct hf_soft_conn conn;
	unsigned int n = 0, workers = 0;

	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	(void)send_by(0, "src=198.51.100.7 dst=192.0.2.10 sport=1 dport=80 proto=tcp");
	(void)send_by(1, "src=198.51.100.7 dst=192.0.2.10 sport=2 dport=80 proto=tcp");
	while (hf_soft_next_conn(soft, &iter, &conn)) {
		n++;
		workers |= 1u << conn.worker;
		cr_expect_eq(conn.wire, eth0);
		cr_expect_str_eq(conn.state, "SYN_SENT");
		cr_expect_eq(conn.dport, 80);
		cr_expect_eq(conn.sport, conn.worker + 1);
		cr_expect_not(conn.replied);
		cr_expect_eq(conn.expires, now + 120 * HZ);
	}
	cr_expect_eq(n, 2);
	cr_expect_eq(workers, 3);
	hf_soft_count_tables(soft, &tables);
	cr_expect(tables.conns == 2 && tables.conns_made == 2 && tables.conns_max == 2 * 2 * 4096);
	now += 120 * HZ;
	hf_soft_poll(soft, 0, now);
	hf_soft_count_tables(soft, &tables);
	cr_expect(tables.conns == 1 && tables.conns_expired == 1);
}

Test(soft, wires_are_checked)
{
	struct hf_err err;
	unsigned int wire = 77;
	char name[16];
	int i;

	cr_expect_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &wire, &err), -EEXIST);
	cr_expect(strstr(err.text, "eth0"));
	cr_expect_eq(hf_soft_add_wire(soft, "", HF_SOFT_UPLINK, &wire, NULL), -EINVAL);
	cr_expect_eq(
		hf_soft_add_wire(soft, "sixteen-letters!", HF_SOFT_UPLINK, &wire, NULL), -EINVAL);
	cr_expect_eq(wire, 77);
	for (i = 1; i < HF_SOFT_WIRES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "cali%d", i);
		cr_assert_eq(hf_soft_add_wire(soft, name, HF_SOFT_WORKLOAD, &wire, NULL), 0);
	}
	cr_expect_eq(hf_soft_add_wire(soft, "one-more", HF_SOFT_WORKLOAD, &wire, NULL), -ENOSPC);
	hf_soft_del_wire(soft, 5);
	cr_expect_eq(hf_soft_add_wire(soft, "one-more", HF_SOFT_WORKLOAD, &wire, NULL), 0);
	cr_expect_eq(wire, 5);
}

/* A pod that takes the place of another must not inherit its connections or counts. */
Test(soft, places_of_wires_are_clean_when_used_again)
{
	unsigned int wire;

	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect(send_to(80));
	hf_soft_del_wire(soft, eth0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect_not(send_to(80), "no such wire");
	cr_assert_eq(hf_soft_add_wire(soft, "eth0", HF_SOFT_UPLINK, &wire, NULL), 0);
	cr_expect_eq(wire, eth0);
	cr_expect_eq(hf_soft_count_wire(soft, wire, HF_SOFT_IN).rx.packets, 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	(void)send_by(0, "src=192.0.2.10 dst=198.51.100.7 sport=80 dport=1 proto=tcp flags=SA");
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_ESTABLISHED).packets, 0);
	cr_expect_eq(hf_soft_count_wire(soft, wire, HF_SOFT_IN).rx.packets, 1);
}

Test(soft, wire_without_interface_takes_nothing)
{
	struct rte_mbuf *m = line_mbuf("src=192.0.2.1 dst=192.0.2.10 proto=tcp dport=22", NULL);
	unsigned int wire;

	cr_assert_eq(hf_soft_add_wire(soft, "eth7", HF_SOFT_UPLINK, &wire, NULL), 0);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	cr_expect_eq(hf_soft_burst(soft, 0, wire, HF_SOFT_IN, &m, 1, now), 0);
	cr_expect_eq(hf_soft_count_reason(soft, HF_SOFT_NO_INTERFACE).packets, 1);
}

Test(soft, refuses_senseless_options)
{
	struct hf_soft_opts opts = {.n_workers = 0, .socket = SOCKET_ID_ANY};
	struct hf_soft *none = NULL;

	cr_expect_eq(hf_soft_new(&opts, &none, NULL), -EINVAL);
	opts.n_workers = HF_SOFT_WORKERS_MAX + 1;
	cr_expect_eq(hf_soft_new(&opts, &none, NULL), -EINVAL);
	opts.n_workers = 1;
	opts.max_conns = 1;
	cr_expect_eq(hf_soft_new(&opts, &none, NULL), -EINVAL);
	cr_expect_null(none);
}

Test(soft, every_reason_has_a_name_of_its_own)
{
	enum hf_soft_reason r, s;

	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		cr_assert_not_null(hf_soft_reason_name(r));
		for (s = 0; s < r; s++)
			cr_expect_str_neq(hf_soft_reason_name(r), hf_soft_reason_name(s));
	}
}

#define SWAPS 300

static void *work(void *stop)
{
	char line[128];
	int i = 0;

	cr_assert_eq(hf_soft_worker_start(soft, 1), 0);
	while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
		(void)snprintf(line, sizeof(line),
			"src=198.51.100.7 dst=192.0.2.10 sport=%d dport=80 proto=tcp",
			i++ % 20000 + 1);
		/* No more frames than there is memory for; from there on only polls. */
		if (i < 20000)
			(void)send_by(1, line);
		hf_soft_poll(soft, 1, now);
	}
	hf_soft_worker_stop(soft, 1);
	return NULL;
}

/* Under ASan, rules that are freed too early show. */
static void change_under_traffic(void)
{
	bool stop = false;
	const struct hf_rules *old;
	struct hf_soft_iter iter;
	struct hf_soft_conn conn;
	unsigned int i, freed = 0;
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, work, &stop), 0);
	for (i = 0; i < SWAPS; i++) {
		struct hf_rules *next = make_rules(FACTS POLICY("web", "80"));

		cr_assert_eq(hf_soft_publish(soft, next, NULL), 0);
		while ((old = hf_soft_reclaim(soft))) {
			hf_rules_free((struct hf_rules *)(uintptr_t)old);
			freed++;
		}
		iter = (struct hf_soft_iter){0};
		while (hf_soft_next_conn(soft, &iter, &conn))
			cr_assert_eq(conn.dport, 80);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	cr_assert_eq(hf_soft_publish(soft, a, NULL), 0);
	while (freed < SWAPS && (old = reclaim_settled())) {
		hf_rules_free((struct hf_rules *)(uintptr_t)old);
		freed++;
	}
	cr_expect_eq(freed, SWAPS);
}

Test(soft, rules_change_under_traffic, .timeout = 60)
{
	change_under_traffic();
}

Test(soft, rules_with_tables_built_aside_change_under_traffic, .timeout = 60)
{
	make_soft(1);
	change_under_traffic();
}

Test(soft, timers_are_known_by_name)
{
	struct hf_soft_opts opts = {0};
	unsigned int i, n = 0;

	cr_expect(hf_soft_set_timeout(&opts, "udp-stream", 7));
	for (i = 0; i < HF_SOFT_N_TIMERS; i++)
		n += opts.timeouts[i];
	cr_expect_eq(n, 7);
	cr_expect_not(hf_soft_set_timeout(&opts, "udp-steam", 7));
}
