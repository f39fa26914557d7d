/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The connection table as a filter: each line of input is an IP packet in hexadecimal digits, each
 * line of output what it is and what becomes of its connection: "established ESTABLISHED assured",
 * or "-" for a connection that is not known afterwards. Every packet goes on. For the comparison
 * with the kernel (tcp_states.py, sctp_states.py).
 */

#include <soft/ct.h>
#include <soft/key.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 2000

static struct hf_ct_table *ct;

static void die(const char *why)
{
	fprintf(stderr, "track: %s\n", why);
	exit(2);
}

/* There is one connection at a time. */
static void print_entry(void)
{
	struct hf_ct_info info;
	uint32_t i;

	for (i = 0; i < hf_ct_size(ct); i++) {
		if (!hf_ct_read(ct, i, &info))
			continue;
		printf(" %s %s\n",
			info.proto == HF_PROTO_SCTP
				? hf_sctp_state_name((enum hf_sctp_state)info.sctp_state)
				: hf_tcp_state_name((enum hf_tcp_state)info.tcp_state),
			info.assured   ? "assured"
			: info.replied ? "replied"
				       : "unreplied");
		return;
	}
	puts(" - -");
}

static void track(struct rte_mbuf *m, const char *line)
{
	static const char *const names[] = {[HF_CT_NEW] = "new",
		[HF_CT_ESTABLISHED] = "established",
		[HF_CT_RELATED] = "related",
		[HF_CT_INVALID] = "invalid",
		[HF_CT_UNTRACKED] = "untracked"};
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct hf_ct_view v;
	struct hf_pkt pkt;
	unsigned int byte;
	size_t n = 14;

	memset(p, 0, n);
	for (; sscanf(line, "%2x", &byte) == 1 && n < PACKET_MAX; line += 2)
		p[n++] = (uint8_t)byte;
	p[12] = p[14] >> 4 == 4 ? 0x08 : 0x86;
	p[13] = p[14] >> 4 == 4 ? 0x00 : 0xdd;
	m->data_len = (uint16_t)n;
	m->pkt_len = (uint32_t)n;
	if (hf_pkt_parse(m, &pkt) != HF_PARSE_IP)
		die("not a packet");
	hf_ct_find(ct, m, &pkt, 1, rte_rdtsc(), &v);
	fputs(names[v.ct], stdout);
	if (v.ct != HF_CT_INVALID &&
		hf_ct_commit(ct, &v, rte_rdtsc(), 64, (struct hf_ct_note){0}) < 0)
		die("no room");
	print_entry();
}

int main(void)
{
	char *argv[] = {"track", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"64", "--log-level=error", NULL};
	struct hf_ct_opts opts = {.max_entries = 8, .socket = SOCKET_ID_ANY};
	static char line[2 * PACKET_MAX];
	struct rte_mempool *pool;
	struct rte_mbuf *m;

	if (rte_eal_init(8, argv) < 0)
		die("EAL does not start");
	opts.hz = rte_get_tsc_hz();
	pool = rte_pktmbuf_pool_create("track", 15, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	m = pool ? rte_pktmbuf_alloc(pool) : NULL;
	if (!m || hf_ct_new(&opts, &ct, NULL) < 0)
		die("out of memory");
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* who reads it waits for each line */
	while (fgets(line, sizeof(line), stdin)) {
		const struct hf_ct_filter all = {0};
		uint32_t at = 0;

		if (line[0] == '-') /* the next connection */
			(void)hf_ct_flush(ct, &all, &at, UINT32_MAX);
		else
			track(m, line);
	}
	hf_ct_free(ct);
	return 0;
}
