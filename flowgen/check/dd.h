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

struct hf_check_memory;
struct hf_err;

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

/*
 * Addresses and ports that nothing in a proof tells apart need no bits of their own: a field can be
 * cut where some set begins or ends, and its variables then count the pieces. Where to cut is found
 * by a run in which no set is made (hf_dd_record()): every value and mask that is asked for is
 * noted. A set that would need another cut makes dd.failed; nothing is ever rounded. A field that
 * is asked for by a mask that is no prefix is not cut: it has all its bits.
 *
 * With a memory (memory.h) pieces have labels instead, which rise with them and leave gaps: all
 * labels up to the next one's stand for the piece. A further cut gets a label in between, and sets
 * that do not tell its sides apart are what they were.
 */
struct dd_value {
	uint8_t b[16];
};
struct dd_axis {
	bool plain;
	HF_VEC(struct dd_value) starts; /* of the pieces; the first is 0 */
	HF_VEC(uint32_t) labels;	/* as many, the first is 0; or none: pieces are counted */
};
struct dd_axes {
	struct dd_axis of[DD_FIELDS]; /* DD_SRC and behind; others are never cut */
};
void hf_dd_axes_fini(struct dd_axes *axes);

/* Ends a proof early: dd.failed. */
struct dd_budget {
	uint64_t end_ms;	 /* of CLOCK_MONOTONIC; 0: never */
	bool (*stop)(void *arg); /* may be NULL */
	void *arg;
	bool out_of_time;
	bool stopped;
};
bool hf_dd_spent(const struct dd_budget *budget);

struct dd {
	uint8_t family;
	bool failed;
	bool broken;	   /* an error of libbdd was the reason: its table is good for nothing */
	bool crowded;	   /* there was no label for a cut */
	int at[DD_FIELDS]; /* variable of the first bit */
	unsigned int bits[DD_FIELDS];	/* variables of the field */
	struct dd_axes *axes;		/* NULL: no field is cut */
	struct dd_axes *record;		/* not NULL: sets are not made, only noted */
	size_t peak;			/* nodes the table had room for */
	struct dd_budget *budget;	/* NULL: none */
	struct hf_check_memory *memory; /* NULL: nothing is remembered; it keeps all sets */
	HF_VEC(BDD) kept;
};

/*
 * max_nodes bounds the table, 20 bytes each. axes (may be NULL) must stay until it is closed.
 * Returns 0, -EBUSY when one is open, or -ENOMEM.
 */
int hf_dd_open(
	struct dd *dd, uint8_t family, enum dd_order order, size_t max_nodes, struct dd_axes *axes);
/*
 * Opens it for noting only: no set is none, unless it was made of hf_dd_none(). Closing it makes
 * *axes ready for use; -ENOMEM is left in dd.failed.
 */
void hf_dd_record(struct dd *dd, uint8_t family, struct dd_axes *axes);
void hf_dd_close(struct dd *dd);

/*
 * Opens a table of libbdd that holds both families, and where their fields stand in it whatever
 * the axes are; -EBUSY, -ENOMEM. hf_dd_join() has it used by a struct dd, of which hf_dd_close()
 * leaves it open; dd.failed is set there after an error of libbdd.
 */
int hf_dd_open_table(size_t max_nodes);
void hf_dd_close_table(void);
void hf_dd_join(
	struct dd *dd, uint8_t family, struct dd_axes *axes, struct hf_check_memory *memory);

/* One run of a proof, which closes dd: 0, or a code with *err told. dd.failed: not decided. */
typedef int hf_dd_run(void *job, struct dd *dd);
struct dd_proof {
	size_t max_nodes;
	struct dd_budget *budget;
	struct hf_check_memory *memory; /* may be NULL */
	hf_dd_run *run;
	void *job;
};
/*
 * The proof of a family. With a memory a run in it comes first. Without, or when that does not
 * decide: a run that only notes, then tries until one decides: both orders with a part of the
 * nodes, then both with all of them. Once the budget is spent there is no further try. *ret_nodes
 * (may be NULL) is the peak of the last try.
 */
int hf_dd_prove(uint8_t family, const struct dd_proof *proof, bool *ret_decided, size_t *ret_nodes,
	struct hf_err *err);

size_t hf_dd_mark(const struct dd *dd);
/* Lets go of everything since the mark but set, which is given back. */
BDD hf_dd_release(struct dd *dd, size_t mark, BDD set);
/* The same with several to be kept. */
void hf_dd_release_but(struct dd *dd, size_t mark, BDD *sets, size_t n);
/* Keeps a set until hf_dd_close(), whatever is released. */
void hf_dd_pin(struct dd *dd, BDD set);
void hf_dd_unpin(struct dd *dd, BDD set);

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

/* The packets that would be in set if their field f were value: a set that does not ask for f. */
BDD hf_dd_put(struct dd *dd, BDD set, enum dd_field f, const uint8_t *value);

/* Packets that are in set for some value of those fields (bits 1 << enum dd_field). */
BDD hf_dd_forget(struct dd *dd, BDD set, unsigned int fields);

/*
 * A list of which the first member that matches has the word. Runs of it are made apart and put
 * together two by two, so that no step is about the whole of a long list but the last ones. With a
 * memory the runs are such that most of them stay what they were when a member comes or goes.
 */
struct dd_list {
	size_t n;
	size_t n_outs;
	/* What member i matches; of that, what goes to each of the outcomes (none when called). */
	BDD (*member)(void *arg, size_t i, BDD *outs);
	void *arg;
	/* NULL, or told of each member that packets of all come to, and which do. */
	void (*meet)(void *arg, size_t i, BDD packets);
	BDD all; /* with meet */
};
/* outs[0 .. n_outs-1]: what goes to each outcome. Returns what some member matches. */
BDD hf_dd_first(struct dd *dd, const struct dd_list *list, BDD *outs);
/* Union of parts 0 .. n-1. */
BDD hf_dd_union(struct dd *dd, size_t n, BDD (*part)(void *arg, size_t i), void *arg);

/* Share of a set in another one, each packet counting alike; 0 when there is nothing. */
double hf_dd_share(const struct dd *dd, BDD part, BDD whole);

/* One packet as values of the fields, numbers and addresses in network order. */
struct dd_packet {
	uint8_t v[DD_FIELDS][16];
};
/* Some packet of a set that is not empty: unset bits wherever the set leaves a choice. */
void hf_dd_pick(const struct dd *dd, BDD set, struct dd_packet *ret);
/* The set of that packet alone. */
BDD hf_dd_point(struct dd *dd, const struct dd_packet *pkt);
/* Whatever has a value in each field: variables may count further than there are pieces. */
BDD hf_dd_possible(struct dd *dd);
bool hf_dd_has(const struct dd *dd, BDD set, const struct dd_packet *pkt);

/*
 * For axis.c: where a value stands among the pieces of a field, as its variables say it, and the
 * first value of what stands there.
 */
bool hf_axis_is_cut(const struct dd *dd, enum dd_field f);
uint32_t hf_axis_find(const struct dd *dd, enum dd_field f, const uint8_t *value);
const uint8_t *hf_axis_start(const struct dd *dd, enum dd_field f, uint32_t at);
unsigned int hf_axis_bits(const struct dd_axes *axes, enum dd_field f, unsigned int width);
/* Both ends belong to the range. */
void hf_axis_note(struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi);
int hf_axes_finish(struct dd_axes *axes);
/* Gives each piece a label; to begin with those of old are kept as cuts (may be *axes itself). */
int hf_axes_label(struct dd_axes *axes, const struct dd_axes *old);
/*
 * Where a range of values begins and ends, hi being the last value of it; false when that would cut
 * a piece. Pieces with labels are cut, unless there is no room between them or no memory.
 */
bool hf_axis_pieces(struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi,
	uint32_t *ret_first, uint32_t *ret_last);
/* Bits of the field itself. */
unsigned int hf_dd_field_bits(const struct dd *dd, enum dd_field f);
