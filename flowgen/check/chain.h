/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One endpoint chain walked with a set of packets; docs/semantics.md 4, 6, 7 and 11.
 */

#pragma once

#include "policy.h"

/* The destination as a hook sees it: as on the wire, or what DNAT has made of it. */
struct view {
	bool rewritten;
	struct hf_addrport to; /* port 0: the port stays */
};

struct chain {
	enum hf_chain type;
	bool egress;
	const struct hf_model_endpoint *ep;
};

/* The packets that went in, by how they came out. */
struct ends {
	BDD deny;
	BDD accept;
	BDD accept_now; /* established: ends the hook */
	BDD failsafe;
	BDD no_match;
};

/* established: packets that connection tracking calls established or related at this hook. */
void hf_chain_walk(const struct pol *pol, const struct chain *chain, const struct view *view,
	BDD packets, BDD established, struct ends *ret);

/* Packets whose destination is in nets, or in a set of the model. */
BDD hf_view_nets(
	const struct pol *pol, const struct view *view, const struct hf_prefix *nets, size_t n);
BDD hf_view_set(const struct pol *pol, const struct view *view, uint32_t set);
/* Packets of a protocol to a port. */
BDD hf_view_service(const struct pol *pol, const struct view *view, uint8_t proto, uint16_t port);
