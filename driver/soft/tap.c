/* SPDX-License-Identifier: BSD-3-Clause */

#include "tap.h"

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <stdalign.h>
#include <string.h>

struct hf_tap {
	uint32_t head; /* written; the worker's */
	uint64_t lost[HF_TAP_N_KINDS];
	alignas(RTE_CACHE_LINE_SIZE) uint32_t tail; /* read; the control thread's */
	struct hf_tap_record records[HF_TAP_RECORDS];
};

struct hf_tap *hf_tap_new(int socket)
{
	return rte_zmalloc_socket("hf_tap", sizeof(struct hf_tap), RTE_CACHE_LINE_SIZE, socket);
}

void hf_tap_free(struct hf_tap *tap)
{
	rte_free(tap);
}

void hf_tap_write(struct hf_tap *tap, const struct hf_tap_record *record, const struct rte_mbuf *m,
	const char *origin, uint64_t now)
{
	uint32_t head = tap->head, tail = __atomic_load_n(&tap->tail, __ATOMIC_ACQUIRE);
	struct hf_tap_record *r = &tap->records[head % HF_TAP_RECORDS];
	const void *p;
	size_t n;

	if (head - tail == HF_TAP_RECORDS) {
		__atomic_store_n(
			&tap->lost[record->kind], tap->lost[record->kind] + 1, __ATOMIC_RELAXED);
		return;
	}
	r->kind = record->kind;
	r->dir = record->dir;
	r->reason = record->reason;
	r->wire = record->wire;
	r->proto = record->proto;
	r->sport = record->sport;
	r->dport = record->dport;
	r->src = record->src;
	r->dst = record->dst;
	r->now = now;
	r->length = rte_pktmbuf_pkt_len(m);
	r->snap_length = (uint16_t)RTE_MIN(r->length, (uint32_t)HF_TAP_SNAP);
	p = rte_pktmbuf_read(m, 0, r->snap_length, r->snap);
	if (p && p != r->snap)
		memcpy(r->snap, p, r->snap_length);
	n = origin ? strnlen(origin, HF_TAP_ORIGIN_MAX - 1) : 0;
	if (n)
		memcpy(r->origin, origin, n);
	r->origin[n] = '\0';
	__atomic_store_n(&tap->head, head + 1, __ATOMIC_RELEASE);
}

bool hf_tap_read(struct hf_tap *tap, struct hf_tap_record *ret)
{
	uint32_t tail = tap->tail;

	if (tail == __atomic_load_n(&tap->head, __ATOMIC_ACQUIRE))
		return false;
	*ret = tap->records[tail % HF_TAP_RECORDS];
	__atomic_store_n(&tap->tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

uint64_t hf_tap_lost(const struct hf_tap *tap, enum hf_tap_kind kind)
{
	return __atomic_load_n(&tap->lost[kind], __ATOMIC_RELAXED);
}
