/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Giving a packet another address and port, as a service's destination and its replies need it.
 *
 * Only the bytes that change are touched; checksums are brought up to date from the difference (RFC
 * 1624), so that a packet that was damaged before stays damaged: those of IPv4, TCP, UDP, UDP-Lite
 * and ICMPv6, and SCTP's CRC-32c (RFC 9260 appendix A), for which the whole packet is read. A UDP
 * checksum of 0 (none, RFC 768) stays 0.
 *
 * The mbuf must be the caller's alone. Pure functions over their arguments.
 */

#pragma once

#include "key.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/* One end of a packet as it shall be. */
struct hf_rewrite {
	bool dst; /* else the source */
	struct hf_addr addr;
	bool has_port; /* else the port stays */
	uint16_t port;
};

/* False for a fragment of which a checksum over all of the datagram would have to be known. */
bool hf_rewrite_can(const struct hf_pkt *pkt, const struct hf_rewrite *to);
/* pkt is m, parsed, and stays as it is. Later fragments have no ports. */
void hf_rewrite(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_rewrite *to);
/* The packet that an ICMP error is about: quoted is what hf_pkt_parse_quoted() says of m. */
void hf_rewrite_quoted(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_pkt *quoted,
	const struct hf_rewrite *to);
