/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Chain: one endpoint's policies of one category and direction, walked for one packet;
 * docs/semantics.md 4, with the failsafe ports of 6 and the connection states of 7.
 */

#pragma once

#include "model/model.h"
#include "ref/trace.h"

#include <stdbool.h>

enum hf_ref_outcome {
	HF_REF_DENY,
	HF_REF_ACCEPT,
	HF_REF_ACCEPT_NOW, /* the connection was accepted earlier: ends the whole hook */
	HF_REF_FAILSAFE,   /* leaves the table, the packet does not count as accepted */
	HF_REF_NO_MATCH,
};

struct hf_ref_end {
	enum hf_ref_outcome outcome;
	const char *origin; /* NULL with HF_REF_NO_MATCH of untracked and preDNAT chains */
};

struct hf_ref_chain {
	enum hf_chain type;
	bool egress;
	const struct hf_model_endpoint *ep;
};

/* pkt has its destination as the hook sees it, and its connection state at that hook. */
struct hf_ref_end hf_ref_chain_walk(const struct hf_model *model, const struct hf_ref_chain *chain,
	const struct hf_packet *pkt, const struct hf_ref_trace *trace);
