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
 * The same tells what must not be forwarded: of a service with several backends that one is let in
 * for which the kernel may take a backend that policy denies, and then give it our own address.
 *
 * Prints are kept for two seconds and are 47 bits of a keyed hash. Losing one (there is a place for
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

enum hf_nat_fate {
	HF_NAT_UNKNOWN,
	HF_NAT_FORWARDED,
	HF_NAT_REFUSED, /* must not go there */
};

/*
 * dst and dport as they will be when the packet leaves; dport is 0 unless hf_proto_has_ports().
 * refused: it must not leave so.
 */
void hf_nat_note(struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	const struct hf_addr *dst, uint16_t dport, bool refused, uint64_t now);
/* What was noted of the packet, as it is about to leave, when it was let in. */
enum hf_nat_fate hf_nat_check(
	const struct hf_nat *nat, const struct rte_mbuf *m, const struct hf_pkt *pkt, uint64_t now);
