/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stab: what the items of a list say about one point, without asking every item.
 *
 * A point is a region of one kind of packets (a protocol) that is exact in some of source,
 * destination and ports, and any in the others and in everything else. Items that say the same of
 * the exact fields meet the same points, so they are put together: of each such group only what
 * comes first in it is of interest, what first disagrees with that, and what first leaves nothing
 * for later items. Groups are found by hashes, prefix by prefix, a range of ports being a few
 * prefixes; and what two groups say together is of the same form.
 */

#pragma once

#include "items.h"
#include "nets.h"

#include <hepflow/base/vec.h>

struct stab;

/* Fields that points may be exact in. */
enum { BY_SRC = 1, BY_DST = 2, BY_SPORT = 4, BY_DPORT = 8, BY_ALL = 15 };

/* Most kinds of packets of one family. */
#define STAB_KINDS 8

/* An item, as points see it. */
struct face {
	uint32_t src, dst; /* numbers of nets */
	uint32_t origin;
	struct hf_ports sport, dport;
	uint8_t any;   /* fields it does not ask for */
	uint8_t meets; /* kinds it has packets of, by bits; */
	uint8_t whole; /* and those of which it asks for nothing but the fields */
	uint8_t few;   /* fields of which it has one address, or at most FACE_PORTS_MAX ports */
	uint8_t ct, fate;
};

#define FACE_PORTS_MAX 64

struct faces {
	size_t n;
	struct face *v; /* of item i of the list */
	uint8_t seen;	/* as that of the items */
	/* Those that have packets of a kind, in order. */
	uint32_t *of_kind[STAB_KINDS];
	size_t n_of_kind[STAB_KINDS];
};

/* kinds are regions that name protocols only. of_kind is made by hf_faces_sort(), when no face is
 * to be taken out any more. Return 0 or -ENOMEM. */
int hf_faces_init(struct faces *faces, const struct items *items, const struct cube *kinds,
	size_t n_kinds, struct nets *nets);
int hf_faces_sort(struct faces *faces, size_t n_kinds);
void hf_faces_fini(struct faces *faces);

struct point {
	uint32_t src, dst; /* numbers of nets that are one address; NET_NONE where not exact */
	uint16_t sport, dport;
};

/* Points of a kind that are exact in the fields of by. */
struct stab_form {
	uint8_t kind;
	uint8_t by;
};

/* For points of a form. Faces and nets must stay; new nets do not matter. NULL: out of memory. */
struct stab *hf_stab_new(const struct faces *faces, const struct nets *nets, struct stab_form form);
void hf_stab_free(struct stab *stab);

/*
 * The one fate that every packet of the point meets whatever its state, or HF_FATE_PUNT when there
 * is more than one. *ret_origin: of the first item that decides NEW.
 */
enum hf_fate hf_stab_decide(struct stab *stab, const struct point *point, uint32_t *ret_origin);

/* The same for few points, by looking at every face. covers: a byte for each net, zero before and
 * after. */
enum hf_fate hf_faces_decide(const struct faces *faces, const struct nets *nets,
	struct stab_form form, const struct point *point, uint8_t *covers, uint32_t *ret_origin);
