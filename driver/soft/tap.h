/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tap: what a packet thread tells the control thread of single packets, for log lines and captures.
 *
 * A ring of fixed records. The worker writes and never waits: what finds no room is counted as
 * lost. The control thread reads when it likes.
 *
 * Threads: one writer, the worker; one reader, the control thread. Counters may be read by any.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stdint.h>

struct hf_tap;
struct rte_mbuf;

#define HF_TAP_RECORDS	  1024 /* of each worker */
#define HF_TAP_SNAP	  256  /* bytes of a packet that are kept */
#define HF_TAP_ORIGIN_MAX 120  /* longer ones are cut */

enum hf_tap_kind {
	HF_TAP_LOG, /* met a rule that logs */
	HF_TAP_CAPTURE,
	HF_TAP_N_KINDS,
};

struct hf_tap_record {
	uint8_t kind;	/* enum hf_tap_kind */
	uint8_t dir;	/* enum hf_soft_dir */
	uint8_t reason; /* enum hf_soft_reason; HF_TAP_CAPTURE only */
	uint16_t wire;
	uint8_t proto;	/* HF_TAP_LOG only, like the next ones */
	uint16_t sport; /* 0: without */
	uint16_t dport;
	struct hf_addr src;
	struct hf_addr dst;
	uint64_t now;	 /* cycles */
	uint32_t length; /* of the packet */
	uint16_t snap_length;
	uint8_t snap[HF_TAP_SNAP];
	char origin[HF_TAP_ORIGIN_MAX]; /* of the rule that logs or has decided; "" if none has */
};

/* NULL when out of memory. */
struct hf_tap *hf_tap_new(int socket);
void hf_tap_free(struct hf_tap *tap);

/* The worker's. record has all but what comes from m, origin (which may be NULL) and now. */
void hf_tap_write(struct hf_tap *tap, const struct hf_tap_record *record, const struct rte_mbuf *m,
	const char *origin, uint64_t now);

/* The control thread's. False if there is none. */
bool hf_tap_read(struct hf_tap *tap, struct hf_tap_record *ret);
/* Records that found no room, since the beginning. */
uint64_t hf_tap_lost(const struct hf_tap *tap, enum hf_tap_kind kind);
