/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The connection table by itself: what a packet of a known connection costs (parsing and both steps
 * of the table, in bursts of 32 and one by one), what a new connection costs, and what memory one
 * takes. Cycles are CPU time of the thread. Every packet's state is checked.
 *
 *   meson test -C build --benchmark ct --verbose        HF_BENCH_MS: of each figure (200)
 */

#include <soft/ct.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST	 32
#define N_MBUFS	 512
#define ZONE	 1
#define FRAME	 64
#define V6_FRAME 78

static struct rte_mbuf *mbufs[N_MBUFS];
static struct hf_ct_table *ct;
static double seconds = 0.2;
static uint64_t now;

static void die(const char *why)
{
	fprintf(stderr, "bench-ct: %s\n", why);
	exit(1);
}

static double cpu(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct shape {
	uint8_t family;
	uint8_t proto;
	bool bulk;
};

/* Connection i, from the end that called or the other, as a frame of 64 bytes (IPv6: 78). */
static void write_frame(uint8_t *f, const struct shape *s, uint32_t i, bool reply, uint8_t flags)
{
	size_t size = s->family == 4 ? FRAME : V6_FRAME;
	uint8_t *ip = f + 14, *l4 = ip + (s->family == 4 ? 20 : 40);
	uint8_t *src = ip + (s->family == 4 ? 12 : 8), *dst = src + (s->family == 4 ? 4 : 16);
	size_t n = s->family == 4 ? 4 : 16;
	uint32_t caller = rte_cpu_to_be_32(0x0a000000 + i / 16);
	uint16_t port = rte_cpu_to_be_16((uint16_t)(1024 + i % 16));

	memset(f, 0, size);
	f[12] = s->family == 4 ? 0x08 : 0x86;
	f[13] = s->family == 4 ? 0x00 : 0xdd;
	ip[0] = s->family == 4 ? 0x45 : 0x60;
	ip[s->family == 4 ? 3 : 5] = (uint8_t)(s->family == 4 ? size - 14 : size - 54);
	ip[s->family == 4 ? 9 : 6] = s->proto;
	if (reply) {
		uint8_t *t = src;

		src = dst;
		dst = t;
	}
	memcpy(src + n - 4, &caller, 4);
	dst[0] = 192;
	dst[n - 1] = 2;
	memcpy(l4 + (reply ? 2 : 0), &port, 2);
	l4[reply ? 1 : 3] = 80;
	if (s->proto == HF_PROTO_TCP) {
		l4[12] = 5 << 4;
		l4[13] = flags;
		l4[14] = 0x20;
	} else {
		l4[5] = (uint8_t)(f + size - l4);
	}
}

static void fill(const struct shape *s, uint32_t first, unsigned int n, uint32_t n_conns,
	bool reply, uint8_t flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];

		m->data_len = s->family == 4 ? FRAME : V6_FRAME;
		m->pkt_len = m->data_len;
		write_frame(rte_pktmbuf_mtod(m, uint8_t *), s, (first + i) % n_conns, reply, flags);
	}
}

static void check(const struct hf_ct_view *v, enum hf_ct want)
{
	if (v->ct != want)
		die("a packet of the wrong state");
}

static void burst_bulk(struct rte_mbuf **m, enum hf_ct want)
{
	struct hf_ct_view v[BURST];
	struct hf_pkt pkt[BURST];
	unsigned int i;

	for (i = 0; i < BURST; i++) {
		if (hf_pkt_parse(m[i], &pkt[i]) != HF_PARSE_IP)
			die("a frame that is not IP");
		hf_ct_aim(ct, &pkt[i], ZONE, &v[i]);
	}
	for (i = 0; i < BURST; i++)
		hf_ct_fetch(ct, &v[i]);
	for (i = 0; i < BURST; i++) {
		hf_ct_look(ct, m[i], &pkt[i], now, &v[i]);
		check(&v[i], want);
		if (hf_ct_commit(ct, &v[i], now, 64, (struct hf_ct_note){0}) < 0)
			die("no room");
	}
}

static void burst_single(struct rte_mbuf **m, enum hf_ct want)
{
	struct hf_ct_view v;
	struct hf_pkt pkt;
	unsigned int i;

	for (i = 0; i < BURST; i++) {
		if (hf_pkt_parse(m[i], &pkt) != HF_PARSE_IP)
			die("a frame that is not IP");
		hf_ct_find(ct, m[i], &pkt, ZONE, now, &v);
		check(&v, want);
		if (hf_ct_commit(ct, &v, now, 64, (struct hf_ct_note){0}) < 0)
			die("no room");
	}
}

/* All connections once, in the order of a stride that spreads them. Returns CPU seconds. */
static double round_of(const struct shape *s, uint32_t n_conns, bool reply, uint8_t flags,
	enum hf_ct want, uint64_t *ret_packets)
{
	uint32_t first, n;
	double t = 0, begin;

	for (first = 0; first < n_conns; first += N_MBUFS) {
		fill(s, first, N_MBUFS, n_conns, reply, flags);
		begin = cpu();
		for (n = 0; n < N_MBUFS; n += BURST) {
			now = rte_rdtsc();
			if (s->bulk)
				burst_bulk(mbufs + n, want);
			else
				burst_single(mbufs + n, want);
			(void)hf_ct_expire(ct, now, 8);
		}
		t += cpu() - begin;
		*ret_packets += N_MBUFS;
	}
	return t;
}

static void new_table(uint32_t n)
{
	struct hf_ct_opts opts = {
		.max_entries = n, .hz = rte_get_tsc_hz(), .socket = SOCKET_ID_ANY};

	hf_ct_free(ct);
	ct = NULL;
	if (hf_ct_new(&opts, &ct, NULL) < 0)
		die("no memory for the table");
}

/* A connection goes through its whole handshake, then its packets are timed. */
static void measure(const struct shape *s, uint32_t n_conns)
{
	uint64_t n_new = 0, n = 0, other = 0;
	double t_new, t = 0;

	n_conns = (n_conns + N_MBUFS - 1) / N_MBUFS * N_MBUFS;
	new_table(n_conns);
	t_new = round_of(s, n_conns, false, HF_TCP_SYN, HF_CT_NEW, &n_new);
	(void)round_of(s, n_conns, true, HF_TCP_SYN | HF_TCP_ACK, HF_CT_ESTABLISHED, &other);
	(void)round_of(s, n_conns, false, HF_TCP_ACK, HF_CT_ESTABLISHED, &other);
	while (t < seconds)
		t += round_of(s, n_conns, false, HF_TCP_ACK, HF_CT_ESTABLISHED, &n);
	printf("IPv%d %s %7u connections, %s: known %5.1f Mpps %4.0f cycles; new %5.2f M/s\n",
		s->family, s->proto == HF_PROTO_TCP ? "tcp" : "udp", n_conns,
		s->bulk ? "bursts of 32" : "one by one  ", (double)n / t / 1e6,
		t * (double)rte_get_tsc_hz() / (double)n, (double)n_new / t_new / 1e6);
}

/* What the heap gives for n connections of each family. */
static double heap_bytes(uint32_t n)
{
	struct hf_ct_opts opts = {
		.max_entries = n, .hz = rte_get_tsc_hz(), .socket = SOCKET_ID_ANY};
	struct rte_malloc_socket_stats before, after;
	struct hf_ct_table *table = NULL;
	int socket = (int)rte_socket_id();

	if (rte_malloc_get_socket_stats(socket, &before) < 0 ||
		hf_ct_new(&opts, &table, NULL) < 0 ||
		rte_malloc_get_socket_stats(socket, &after) < 0)
		die("no memory for the table");
	hf_ct_free(table);
	return (double)after.heap_allocsz_bytes - (double)before.heap_allocsz_bytes;
}

static bool have_hugepages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	int n = 0;

	if (f && fscanf(f, "%d", &n) != 1)
		n = 0;
	if (f)
		(void)fclose(f); /* only read from */
	return n >= 260;
}

int main(void)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000};
	char *argv[] = {"bench-ct", "--no-pci", "--no-telemetry", "--no-shconf",
		"--log-level=error", "-m", "512", have_hugepages() ? "--in-memory" : "--no-huge",
		NULL};
	const char *ms = getenv("HF_BENCH_MS");
	struct rte_mempool *pool;
	size_t i;
	int k;

	if (rte_eal_init(8, argv) < 0)
		die("EAL does not start");
	if (ms)
		seconds = atof(ms) / 1000;
	pool = rte_pktmbuf_pool_create(
		"bench", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool || rte_pktmbuf_alloc_bulk(pool, mbufs, N_MBUFS) < 0)
		die("no mbufs");
	printf("%s\n", argv[7]);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (k = 0; k < 8; k++) {
			struct shape s = {
				k & 1 ? 6 : 4, k & 2 ? HF_PROTO_UDP : HF_PROTO_TCP, !(k & 4)};

			measure(&s, sizes[i]);
		}
	}
	hf_ct_free(ct);
	printf("memory of a connection: IPv4 %.1f bytes, IPv6 %.1f bytes; both, from the heap "
	       "%.1f\n",
		(double)hf_ct_memory(4, 1000000) / 1e6, (double)hf_ct_memory(6, 1000000) / 1e6,
		(heap_bytes(1000000) - heap_bytes(8)) / (1000000 - 8));
	return 0;
}
