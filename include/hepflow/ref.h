/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reference: docs/semantics.md as a program, line by line, slow and obvious.
 *
 * Every other way hepflow has of judging a packet is compared with this one. It shares nothing with
 * rules, plan or packet path but the model.
 */

#pragma once

#include <hepflow/facts.h>

struct hf_err;
struct hf_model;

struct hf_ref_result {
	enum hf_verdict verdict;
	enum hf_from from;
	enum hf_class class;
	const char *origin; /* borrowed from the model, or static */
};

/* Called once for every step of the walk, in order, with one line of text for people. */
typedef void (*hf_ref_step_fn)(void *arg, const char *step);

/*
 * Judges one packet. step may be NULL. Errors: -ENOENT for an interface that the host does not
 * have, -EINVAL for a packet that cannot be (families that differ).
 */
int hf_ref_eval(const struct hf_model *model, const struct hf_packet *pkt, hf_ref_step_fn step,
	void *arg, struct hf_ref_result *ret, struct hf_err *err);
