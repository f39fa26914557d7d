/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Recognizing forwarded packets behind the kernel's source translation.
 *
 * A packet that leaves by an uplink with an address of this host may have been made here, or may
 * have been forwarded and masqueraded (a pod's traffic to the outside; a node port bounced to
 * another node). Different policy applies. Translation leaves alone what ends do not expect to
 * change: destination, TCP sequence numbers, payload. So a print of these is kept when a packet
 * that will be forwarded is let in, and looked for when one with our own address leaves.
 *
 * Prints are kept for two seconds and are 48 bits of a keyed hash. Losing one (there is a place for
 * each hash, and the later wins) makes a forwarded packet be judged as the host's own.
 *
 * Threads: any number of writers and readers; a print is one word.
 */

#pragma once

#include "key.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_nat;
struct rte_mbuf;

/* NULL when out of memory. hz: cycles a second. */
struct hf_nat *hf_nat_new(uint64_t hz, int socket);
void hf_nat_free(struct hf_nat *nat);

/* dst and dport as they will be when the packet leaves; dport is 0 unless hf_proto_has_ports(). */
void hf_nat_note(struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	const struct hf_addr *dst, uint16_t dport, uint64_t now);
/* Was the packet, as it is about to leave, let in before? */
bool hf_nat_check(
	const struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt, uint64_t now);
