/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Filters: "flow/dump filter=tcp,nw_dst=192.0.2.0/24,tp_dst=443", in the words of ovs-fields(7).
 *
 * A filter stands for the packets it describes, and an entry or a rule fits when some of them can
 * meet it: what an entry does not match it leaves open. So the answer to "what could become of
 * this traffic" is never too short.
 */

#pragma once

#include <hepflow/field.h>
#include <hepflow/net.h>
#include <hepflow/nic.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stdint.h>

struct hf_err;

#define HF_FILTER_TEXT 128 /* bytes of a name, policy or reason */

/* {0} fits everything. */
struct hf_filter {
	uint8_t family; /* 4, 6, or 0 for both */
	bool has_proto;
	uint8_t proto;
	struct hf_prefix src; /* family 0: any */
	struct hf_prefix dst;
	bool has_sport;
	bool has_dport;
	uint16_t sport;
	uint16_t dport;
	char in_port[HF_FILTER_TEXT]; /* "": any */
	char policy[HF_FILTER_TEXT];  /* origins that begin so */
	char reason[HF_FILTER_TEXT];  /* the code, or code and detail */
};

/* -EINVAL, with the term at fault. */
int hf_filter_parse(const char *text, struct hf_filter *ret, struct hf_err *err);

bool hf_filter_fits_pattern(const struct hf_filter *filter, const struct hf_pattern *pattern);
/* Named ports and negated sets may leave it open; then it fits. */
bool hf_filter_fits_match(
	const struct hf_filter *filter, const struct hf_rules *rules, const struct hf_match *match);
/* origin and reason may be ""; in_port is the name of the uplink. */
bool hf_filter_fits_names(const struct hf_filter *filter, const char *in_port, const char *origin,
	const char *reason);
