/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A gate before the host's network stack: while it is closed, the host takes no packet from some of
 * its interfaces, though packet sockets on them see all.
 *
 * It is a table of nf_tables with chains at the ingress of each interface that drop, and the kernel
 * removes it with the socket it was made by: so it opens by itself when the process ends, however
 * it ends. Needs Linux 5.12 and CAP_NET_ADMIN, and acts in the network namespace of the caller.
 */

#pragma once

#include <stdint.h>

#define HF_VNIC_GATE_MAX 2 /* interfaces */

struct mnl_socket; /* a gate is one, and nothing else */

/*
 * Indexes are the interfaces'; id tells gates of one process apart. 0 and *ret, to be opened with
 * hf_vnic_gate_open(); or a negative errno.
 */
int hf_vnic_gate_close(
	const uint32_t *if_indexes, unsigned int n, uint16_t id, struct mnl_socket **ret);
/* Opens it; the socket is gone. NULL is fine. */
void hf_vnic_gate_open(struct mnl_socket *gate);
