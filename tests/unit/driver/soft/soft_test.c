/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_test.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_SIZE 4095

static struct rte_mempool *pool;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	abort();
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static bool is_icmp(const struct hf_packet *pkt)
{
	return pkt->proto == HF_PROTO_ICMP || pkt->proto == HF_PROTO_ICMPV6;
}

static size_t put_ip(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p);

static size_t put_l4(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p)
{
	size_t n = 0;

	put16(p, pkt->sport);
	put16(p + 2, pkt->dport);
	if (pkt->proto == HF_PROTO_TCP) {
		put32(p + 4, o->seq);
		put32(p + 8, o->ack);
		put16(p + 14, o->win ? o->win : 8192);
		p[12] = 5 << 4;
		p[13] = pkt->tcp_flags;
		n = 20;
	} else if (pkt->proto == HF_PROTO_UDP || pkt->proto == HF_PROTO_UDPLITE) {
		put16(p + 4, (unsigned int)(8 + o->payload));
		n = 8;
	} else if (pkt->proto == HF_PROTO_SCTP) {
		n = 12;
		p[n] = 1; /* INIT, with what payload there is as parameters */
		put16(p + n + 2, (unsigned int)(20 + o->payload));
		p[n + 7] = 1; /* its tag */
		n += 20;
	} else if (is_icmp(pkt)) {
		p[0] = pkt->icmp_type;
		p[1] = pkt->icmp_code;
		put16(p + 2, 0);
		put16(p + 4, o->icmp_id);
		n = 8;
	}
	if (o->quoted)
		n += put_ip(o->quoted, &(struct frame_opts){0}, p + n);
	memset(p + n, o->fill, o->payload);
	return n + o->payload;
}

static size_t put_body(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p)
{
	if (pkt->frag != HF_FRAG_LATER)
		return put_l4(pkt, o, p);
	memset(p, o->fill, o->payload);
	return o->payload;
}

static size_t put_ip4(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p)
{
	bool more = pkt->frag == HF_FRAG_FIRST || (pkt->frag == HF_FRAG_LATER && !o->last);
	size_t n = 20 + put_body(pkt, o, p + 20);

	p[0] = 0x45;
	put16(p + 2, (unsigned int)n);
	put16(p + 4, o->frag_id);
	put16(p + 6, (more ? 0x2000u : 0) | o->frag_off / 8u);
	p[8] = 64;
	p[9] = pkt->proto;
	memcpy(p + 12, pkt->src.b, 4);
	memcpy(p + 16, pkt->dst.b, 4);
	return n;
}

static size_t put_ip6(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p)
{
	bool more = pkt->frag == HF_FRAG_FIRST || (pkt->frag == HF_FRAG_LATER && !o->last);
	size_t n = pkt->frag == HF_FRAG_NONE ? 40 : 48;

	p[0] = 0x60;
	p[6] = pkt->proto;
	p[7] = 64;
	memcpy(p + 8, pkt->src.b, 16);
	memcpy(p + 24, pkt->dst.b, 16);
	if (pkt->frag != HF_FRAG_NONE) {
		p[6] = 44;
		p[40] = pkt->proto;
		put16(p + 42, o->frag_off | more);
		put32(p + 44, o->frag_id);
	}
	n += put_body(pkt, o, p + n);
	put16(p + 4, (unsigned int)(n - 40));
	return n;
}

static size_t put_ip(const struct hf_packet *pkt, const struct frame_opts *o, uint8_t *p)
{
	return pkt->src.family == 4 ? put_ip4(pkt, o, p) : put_ip6(pkt, o, p);
}

size_t make_frame(
	const struct hf_packet *pkt, const struct frame_opts *opts, uint8_t frame[static FRAME_MAX])
{
	static const struct frame_opts none;
	const struct frame_opts *o = opts ? opts : &none;
	size_t n = 12;

	memset(frame, 0, FRAME_MAX);
	frame[0] = frame[6] = 2;
	if (pkt->vlan) {
		put16(frame + n, o->inner_vlan ? 0x88a8 : 0x8100);
		put16(frame + n + 2, pkt->vlan);
		n += 4;
	}
	if (o->inner_vlan) {
		put16(frame + n, 0x8100);
		put16(frame + n + 2, o->inner_vlan);
		n += 4;
	}
	put16(frame + n, pkt->src.family == 4 ? 0x0800 : 0x86dd);
	return n + 2 + put_ip(pkt, o, frame + n + 2);
}

struct hf_packet packet(const char *line)
{
	struct hf_packet pkt;
	struct hf_err err;

	if (hf_packet_parse(line, &pkt, &err) < 0)
		fail(line, err.text);
	return pkt;
}

/* The memory of a segment lives as long as the test: mbufs may be freed by whom they were given to.
 */
static void *guarded[1 << 17];
static size_t n_guarded;

static void keep(void *, void *)
{
}

static struct rte_mbuf *make_segment(const uint8_t *data, size_t size)
{
	static struct rte_mbuf_ext_shared_info shared = {.free_cb = keep};
	struct rte_mbuf *m;
	uint8_t *copy = malloc(size ? size : 1);

	if (!pool)
		pool = rte_pktmbuf_pool_create("test", POOL_SIZE, 0, 0, 128, SOCKET_ID_ANY);
	m = pool ? rte_pktmbuf_alloc(pool) : NULL;
	if (!m || !copy || n_guarded == RTE_DIM(guarded))
		fail("mbuf", "none left");
	guarded[n_guarded++] = copy;
	memcpy(copy, data, size);
	rte_mbuf_ext_refcnt_set(&shared, 2); /* so that it is never the last that goes */
	rte_pktmbuf_attach_extbuf(m, copy, RTE_BAD_IOVA, (uint16_t)size, &shared);
	m->data_len = (uint16_t)size;
	m->pkt_len = (uint32_t)size;
	return m;
}

struct rte_mbuf *make_mbuf(const uint8_t *frame, size_t size, size_t piece)
{
	size_t n = size < piece ? size : piece;
	struct rte_mbuf *head = make_segment(frame, n), *seg;

	for (; n < size; n += seg->data_len) {
		seg = make_segment(frame + n, size - n < piece ? size - n : piece);
		if (rte_pktmbuf_chain(head, seg) < 0)
			fail("mbuf", "too many segments");
	}
	return head;
}

struct rte_mbuf *line_mbuf(const char *line, const struct frame_opts *opts)
{
	struct hf_packet pkt = packet(line);
	uint8_t frame[FRAME_MAX];
	size_t n = make_frame(&pkt, opts, frame);

	return make_mbuf(frame, n, n);
}

unsigned int mbufs_in_use(void)
{
	return pool ? rte_mempool_in_use_count(pool) : 0;
}

void mbufs_fini(void)
{
	while (n_guarded > 0)
		free(guarded[--n_guarded]);
	rte_mempool_free(pool);
	pool = NULL;
}

struct hf_rules *make_rules(const char *yaml)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_policy *policy = NULL;
	struct hf_model *model = NULL;
	struct hf_rules *rules = NULL;
	struct hf_err err;
	int rc = hf_policy_new(&policy, &err);

	if (rc == 0)
		rc = hf_policy_read_text(policy, "test.yaml", yaml, strlen(yaml), &err);
	if (rc == 0)
		rc = hf_model_build(policy, &opts, &model, &err);
	if (rc == 0)
		rc = hf_rules_build(model, &rules, &err);
	if (rc < 0)
		fail("rules", err.text);
	hf_model_free(model);
	hf_policy_free(policy);
	return rules;
}
