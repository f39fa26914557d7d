/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Models written by hand: pieces that tests put together, so that the reference is tested without
 * the stages before it.
 */

#pragma once

#include "model/model.h"

#include <hepflow/err.h>

#include "hf_test.h"

#define ANY_SIDE .set = HF_NO_SET, .not_set = HF_NO_SET, .service = HF_NO_SET
#define ANY                                                                                        \
	{                                                                                          \
		ANY_SIDE                                                                           \
	}
/* What a rule asks of its two sides: nothing, or something of one of them. */
#define ANYWHERE .src = ANY, .dst = ANY
#define SRC(...) .src = {ANY_SIDE, __VA_ARGS__}, .dst = ANY
#define DST(...) .src = ANY, .dst = {ANY_SIDE, __VA_ARGS__}

/* The further fields begin with one of the three above. */
#define RULE(act, text, ...)                                                                       \
	{                                                                                          \
		.origin = text, .place = "", .action = act, __VA_ARGS__                            \
	}
#define LIST(array)                                                                                \
	{                                                                                          \
		sizeof(array) / sizeof((array)[0]), array                                          \
	}

static inline struct hf_addr addr(const char *text)
{
	struct hf_addr a;

	cr_assert_eq(hf_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static inline struct hf_prefix net(const char *text)
{
	struct hf_prefix p;

	cr_assert_eq(hf_prefix_parse(text, &p, NULL), 0, "%s", text);
	return p;
}

static inline struct hf_packet packet(const char *line)
{
	struct hf_err err = {0};
	struct hf_packet pkt;

	cr_assert_eq(hf_packet_parse(line, &pkt, &err), 0, "%s: %s", line, err.text);
	return pkt;
}
