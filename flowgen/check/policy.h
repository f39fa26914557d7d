/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What policy says of the packets that arrive by one interface, as sets: docs/semantics.md walked
 * with all packets at once. The walk follows the sections as flowgen/ref does and shares no code
 * with rules and plan, which it judges.
 */

#pragma once

#include "dd.h"

#include "model/model.h"

/* Three sets without a packet in common. What is in none of them has no verdict that holds for
 * certain: which backend a service picks may decide. */
struct fates {
	BDD allow;
	BDD untracked;
	BDD deny;
	BDD answered; /* hf_pol_answered(), where somebody asks */
};

struct hf_image_known;

struct pol {
	const struct hf_model *model;
	struct dd *dd;
	const struct hf_model_iface *iif;
	BDD all;     /* packets that there can be */
	BDD opening; /* of these, those that can only open a connection; docs/architecture.md */
	BDD ported;  /* protocols whose ports policy compares */
	BDD local;   /* destination is an address of this host */
	bool turned; /* sets say of a packet what holds for its answer: see below */
	bool foreign_tags; /* tagged packets belong to a VLAN interface on top of this one */
	BDD *src_sets;	   /* per set of the model: addresses in its nets */
	BDD *dst_sets;
	struct hf_image_known **images; /* rules that have been looked at; image.h */
};

/* in: index of an interface that is no pod's. Returns 0 or -ENOMEM. */
int hf_pol_init(struct pol *pol, const struct hf_model *model, struct dd *dd, uint16_t in);
/*
 * *ret: packets for this host itself whose answers, should they be the first that anybody sees of
 * their connections, may leave by the interface they came in by. An answer has the ends changed;
 * ICMP and later fragments have none here. Returns 0 or -ENOMEM.
 */
int hf_pol_answered(const struct pol *pol, BDD *ret);
void hf_pol_fini(struct pol *pol);

/* Where one side's address and port of the packet at hand stand; turned: of the answer. */
static inline enum dd_field hf_pol_addr(const struct pol *pol, bool dst)
{
	return dst != pol->turned ? DD_DST : DD_SRC;
}

static inline enum dd_field hf_pol_port(const struct pol *pol, bool dst)
{
	return dst != pol->turned ? DD_DPORT : DD_SPORT;
}

/*
 * The fates of all packets in one state of their connection: new, or established (which is judged
 * as related is). NO_DECISION has become the host's own default for the hook. What
 * services rewrite goes to the backend of that number (the last one, where there are fewer); with
 * ANY_BACKEND only the fate that all of them share counts.
 */
void hf_pol_fates(const struct pol *pol, bool established, int backend, struct fates *ret);
#define ANY_BACKEND (-1)
size_t hf_backend(const struct hf_dnat *d, size_t i);

/* Packets that an entry of the service tables rewrites. */
BDD hf_pol_dnat(const struct pol *pol, const struct hf_dnat *d);

/*
 * Packets whose fate is the same in every state they can be in: what can only open a connection is
 * new, everything else may be new or established. This is what hardware without connection tracking
 * may decide (docs/architecture.md, "What hardware may decide").
 */
void hf_pol_certain(const struct pol *pol, struct fates *ret);

/* Packets whose destination after DNAT has the class; none that services rewrite. */
BDD hf_pol_class(const struct pol *pol, enum hf_class class);
