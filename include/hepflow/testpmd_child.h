/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stock dpdk-testpmd as a child process, asked one flow rule at a time (POSIX only, no DPDK).
 *
 * Commands go in by standard input, as a person would type them; each is answered before the next
 * is sent, so that an answer can never be taken for that of another rule. A file of commands would
 * not do: testpmd passes over a line in it that it does not understand, and says nothing.
 *
 * The child dies with its parent. It is asked in its own words: docs/vnic.md, "Using it".
 *
 * Threads: one child belongs to one thread at a time.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_testpmd;

/* Where the plugin with the virtual NIC is, instead of beside the program or where it was
 * installed. */
#define HF_VNIC_ENV "HEPFLOW_VNIC"

/* Longest command that dpdk-testpmd 22.11 takes (lib/cmdline: what is longer is cut silently). */
#define HF_TESTPMD_COMMAND_MAX 512

struct hf_testpmd_opts {
	/* Name or path of the profile that a virtual NIC plays; not looked at with device. */
	const char *profile;
	const char *source; /* devargs of the virtual NIC's packets: "net_pcap0,..."; may be NULL */
	/* A port instead of the virtual NIC: "0000:3b:00.0,dv_flow_en=1", or "net_..." for a
	 * virtual device. */
	const char *device;
	uint16_t n_rx_queues; /* 0: as many as the virtual NIC has */
	/* Rules are made by templates and a flow queue: each gets templates and a table of its own.
	 * For drivers that have no other way (hf_nic.async_only). */
	bool async;
};

enum hf_testpmd_word {
	HF_TESTPMD_BAD, /* not a rule in testpmd's grammar; text says what it answered */
	HF_TESTPMD_ACCEPT,
	HF_TESTPMD_REJECT,
};

/* What the driver said about a rule. */
struct hf_testpmd_answer {
	enum hf_testpmd_word word;
	uint32_t rule;	   /* ACCEPT: its number */
	int err;	   /* REJECT: positive errno */
	const char *type;  /* REJECT: what rte_flow_error points at, as "ITEM", "ATTR_PRIORITY" */
	char message[512]; /* REJECT: the driver's; empty when it gave none. BAD: testpmd's words */
};

/*
 * Starts testpmd with one port and waits until it is ready. Errors: -ENOENT when testpmd or the
 * plugin is not there, -EIO when it does not start; err->text has its last words.
 */
int hf_testpmd_open(
	const struct hf_testpmd_opts *opts, struct hf_testpmd **ret, struct hf_err *err);
void hf_testpmd_close(struct hf_testpmd *pmd);

/*
 * Sends one command and returns all that was printed about it in *ret, which is good until the next
 * call. -EINVAL for a command that cannot be typed (too long, control characters, '?'), -EIO when
 * testpmd is gone or hangs.
 */
int hf_testpmd_ask(
	struct hf_testpmd *pmd, const char *command, const char **ret, struct hf_err *err);

/*
 * Forwards packets ("start") until a line has the text until, stops, and returns all that was
 * printed meanwhile. -EIO when that line does not come for so many seconds.
 */
int hf_testpmd_forward(struct hf_testpmd *pmd, const char *until, unsigned int seconds,
	const char **ret, struct hf_err *err);

/*
 * Offers a rule, "ingress pattern ... / end actions ... / end"; "flow create N " or "flow validate
 * N " may stand in front. An answer of whatever kind is 0; errors are those of hf_testpmd_ask(),
 * but what cannot be typed is HF_TESTPMD_BAD.
 */
int hf_testpmd_create(struct hf_testpmd *pmd, const char *rule, struct hf_testpmd_answer *ret,
	struct hf_err *err);
int hf_testpmd_destroy(struct hf_testpmd *pmd, uint32_t rule, struct hf_err *err);
