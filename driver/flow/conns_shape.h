/* SPDX-License-Identifier: BSD-3-Clause */

/* How a NIC is asked for a connection: one way for each family, protocol and direction. */

#pragma once

#include "conns.h"

struct hf_conn_shape {
	bool can;
	bool counts;
	bool ages;
	struct hf_flow flow; /* all but addresses, ports and mark */
};

#define HF_CONN_SHAPES 8

/* The best that the profile takes. False: nothing. */
bool hf_conn_shapes_find(
	const struct hf_conns_opts *opts, struct hf_conn_shape ret[static HF_CONN_SHAPES]);
/* Which of them is the connection's; -ENOTSUP: none. */
int hf_conn_shape_of(const struct hf_conn *conn);
/* Puts in what differs from connection to connection. */
void hf_conn_fill(struct hf_flow *flow, const struct hf_conn *conn);
