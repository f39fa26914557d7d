/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets: what the software path tells of single packets, as log lines and as a capture.
 *
 * A rule with action Log gives a line for a packet that meets it, with the prefix and the limit
 * that FelixConfiguration gives; without a limit there, at most HF_PACKETS_LINES of them a second
 * over all rules. What is more is counted. A capture writes packets to a pcapng file until
 * it is stopped or has reached its limits.
 *
 * Threads: the control thread.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hf_daemon;
struct hf_err;
struct hf_loglimits;

#define HF_PACKETS_LINES     100 /* more cannot be read, and fills disks */
#define HF_CAPTURE_COUNT     1000
#define HF_CAPTURE_COUNT_MAX 1000000
#define HF_CAPTURE_SIZE	     10000000
#define HF_CAPTURE_SIZE_MAX  1000000000
#define HF_CAPTURE_PATH_MAX  1024

struct hf_capture_opts {
	const char *path; /* absolute; nothing may be there */
	uint64_t reasons; /* 1 << enum hf_soft_reason */
	bool any_wire;
	unsigned int wire; /* of the daemon */
	uint64_t count;
	uint64_t size;
};

struct hf_packets {
	uint64_t logged;
	uint64_t suppressed;
	uint64_t captured;	     /* since the start */
	struct hf_loglimits *limits; /* NULL: not needed yet */
	FILE *file;		     /* NULL: nothing is captured */
	char path[HF_CAPTURE_PATH_MAX];
	uint64_t count;
	uint64_t count_max;
	uint64_t size_max;
	char ended[128]; /* why the last capture has; "" */
};

/* Errors: -EBUSY, -EINVAL, and those of creating a file. */
int hf_capture_begin(struct hf_daemon *d, const struct hf_capture_opts *opts, struct hf_err *err);
/* What is there still is written first. Nothing if there is no capture. */
void hf_capture_end(struct hf_daemon *d, const char *why);

/* Once a second. */
void hf_packets_poll(struct hf_daemon *d);
void hf_packets_fini(struct hf_daemon *d);
