/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Witnesses: packets that two policies judge differently.
 *
 * They are looked for where rules begin and end: first, last and the address beside every prefix,
 * both ends of every port range and the ports beside them, every class of destination; those of
 * rules that only one side has come first. That finds what a rule changes as a rule, but it is a
 * search with a limit, no proof: nothing found does not mean that there is nothing.
 *
 * Threads: any, on models and rules of its own or shared ones.
 */

#pragma once

#include <hepflow/facts.h>
#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;
struct hf_model;
struct hf_rules;
struct json_t;

#define HF_WITNESSES_MAX 20
#define HF_REGION_SIZE	 160

struct hf_witness {
	struct hf_packet pkt;
	char region[HF_REGION_SIZE]; /* of the rule it was drawn from: "tcp any -> host:3000" */
	enum hf_verdict before, after;
	const char *origin_before, *origin_after; /* of the models */
};

struct hf_witnesses {
	size_t n;
	struct hf_witness v[HF_WITNESSES_MAX];
	size_t more; /* that differ in region or verdicts from all others */
	bool cut;    /* the time was over before everything was tried */
};

struct hf_witness_side {
	const struct hf_model *model;
	const struct hf_rules *rules; /* of that model */
};

/* Where to stop; 0: a default (some seconds with 1000 rules), and no limit of time. */
struct hf_witness_opts {
	size_t packets;
	unsigned int ms;
};

/*
 * Every witness is confirmed by the reference. opts may be NULL. -ENOMEM, or -EPROTO: reference and
 * rules differ, which is a mistake of ours.
 */
int hf_witness_find(const struct hf_witness_side *old, const struct hf_witness_side *new,
	const struct hf_witness_opts *opts, struct hf_witnesses *ret, struct hf_err *err);

/* "verdicts: ..." and a line for each: "tcp 203.0.113.0/24 -> host:3000: allow -> deny  (PACKET)".
 */
void hf_witnesses_print(const struct hf_witnesses *w, FILE *out);
/* An array, to be freed: packet, region, old and new with verdict and origin. NULL: out of memory.
 */
struct json_t *hf_witnesses_json(const struct hf_witnesses *w);
