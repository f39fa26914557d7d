/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sets of packets as binary decision diagrams (libbdd, BuDDy 2.4).
 *
 * A set is a diagram over the bits of a packet of one family, most significant first. Two sets are
 * the same exactly when their diagrams have the same number.
 *
 * libbdd has one table of nodes for the whole process: one struct dd may be open at a time, and one
 * thread may use it. When the table is full (or memory is), dd.failed is set, and from then on
 * every set is the empty one: whoever draws a conclusion looks at dd.failed first.
 *
 * Ownership: every set that a function gives back is kept until hf_dd_release() to a mark that was
 * taken before, or until hf_dd_close().
 */

#pragma once

#include <hepflow/net.h>

#include <hepflow/base/vec.h>

#include <bdd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a packet is made of here; docs/plan.md, "Proof". */
enum dd_field {
	DD_PROTO,
	DD_SYN,
	DD_ACK,
	DD_FRAG,  /* a fragment */
	DD_LATER, /* not the first one: no ports */
	DD_VLAN,  /* tagged */
	DD_EXT,	  /* IPv6: an extension header other than the fragment's stands in front */
	DD_NEXT,  /* and this is its number */
	DD_DEEP,  /* and the NIC looks behind it */
	DD_SRC,
	DD_DST,
	DD_SPORT,
	DD_DPORT, /* ICMP: type and code */
	DD_FIELDS,
};

/* Which of two orders of the variables; what is hard in one is often easy in the other. */
enum dd_order {
	DD_ADDRS_FIRST,
	DD_PORTS_FIRST,
	DD_ORDERS,
};

struct dd {
	uint8_t family;
	bool failed;
	int at[DD_FIELDS]; /* variable of the first bit */
	size_t peak;	   /* nodes the table had room for */
	HF_VEC(BDD) kept;
};

/* max_nodes bounds the table, 20 bytes each. Returns 0, -EBUSY when one is open, or -ENOMEM. */
int hf_dd_open(struct dd *dd, uint8_t family, enum dd_order order, size_t max_nodes);
void hf_dd_close(struct dd *dd);

size_t hf_dd_mark(const struct dd *dd);
/* Lets go of everything since the mark but set, which is given back. */
BDD hf_dd_release(struct dd *dd, size_t mark, BDD set);

BDD hf_dd_and(struct dd *dd, BDD a, BDD b);
BDD hf_dd_or(struct dd *dd, BDD a, BDD b);
BDD hf_dd_minus(struct dd *dd, BDD a, BDD b);
BDD hf_dd_not(struct dd *dd, BDD a);
BDD hf_dd_all(void);
BDD hf_dd_none(void);

/* Packets whose field is value in the bits of mask; both in network order, as wide as the field. */
BDD hf_dd_masked(struct dd *dd, enum dd_field f, const uint8_t *value, const uint8_t *mask);
/* Packets whose field is value; not for addresses. */
BDD hf_dd_is(struct dd *dd, enum dd_field f, uint16_t value);
/* Inclusive; DD_SPORT and DD_DPORT. */
BDD hf_dd_ports(struct dd *dd, enum dd_field f, struct hf_ports range);
/* DD_SRC and DD_DST; none for a prefix of the other family. */
BDD hf_dd_prefix(struct dd *dd, enum dd_field f, const struct hf_prefix *p);
/* Union of nets; those of the other family count for nothing. */
BDD hf_dd_nets(struct dd *dd, enum dd_field f, const struct hf_prefix *nets, size_t n);

/* Share of a set in another one, each packet counting alike; 0 when there is nothing. */
double hf_dd_share(const struct dd *dd, BDD part, BDD whole);

/* One packet as values of the fields, numbers and addresses in network order. */
struct dd_packet {
	uint8_t v[DD_FIELDS][16];
};
/* Some packet of a set that is not empty: unset bits wherever the set leaves a choice. */
void hf_dd_pick(const struct dd *dd, BDD set, struct dd_packet *ret);
bool hf_dd_has(const struct dd *dd, BDD set, const struct dd_packet *pkt);
unsigned int hf_dd_field_bits(const struct dd *dd, enum dd_field f);
