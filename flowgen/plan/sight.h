/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sight: what a NIC can know of a verdict although it does not see everything.
 *
 * Policy judges a packet by what is written on it and by what is not: the state of its connection,
 * the backend a service will pick, ports that a later fragment does not carry, a protocol behind
 * extension headers. A region is a set of packets that a NIC can tell apart from all others. It is
 * the hardware's if every packet of it meets the same verdict whatever the hidden part is.
 *
 * Of fields that the NIC does not match, and of ports that a fragment lacks, the caller makes a
 * region that is wide enough: any value. States and rewritten destinations are looked at here.
 */

#pragma once

#include "cube.h"
#include "items.h"

#include <hepflow/plan.h>
#include <hepflow/rules.h>

/* What hardware can know of an item; docs/plan.md. */
enum sight {
	SIGHT_DECIDED, /* same fate in every state the NIC cannot see */
	SIGHT_OPENING, /* that fate only for packets that can only open a connection */
	SIGHT_MIXED,
};

/* Sight of item i: which earlier items decide for the states that i does not. */
enum sight hf_sight_item(const struct items *items, size_t i);

/*
 * The one fate that every packet of the region meets whatever its state, or HF_FATE_PUNT with the
 * reason when there is more than one.
 */
enum hf_fate hf_sight_region(const struct items *items, const struct cube *region,
	uint32_t *ret_origin, enum hf_reason *ret_reason);

/*
 * Whether packets of a region that come as far as item i all meet its fate, whatever their state:
 * what items before i decide for new packets, stronger entries have taken.
 */
bool hf_sight_behind(const struct items *items, size_t i, const struct cube *region);

/*
 * Whether every packet of a region of answers passes as a new one: the region of packets that came
 * in turned round (hf_cube_turn()), and the items of what the host sends by the same interface.
 */
bool hf_sight_answered(const struct items *sent, const struct cube *answers);

/*
 * The parts of a cube of one protocol whose packets can only open a connection, whatever state it
 * says they are in: TCP by its flags (*ret_syn), ICMP by its types. Returns how many, at most
 * OPENING_MAX; 0 when there are none.
 */
#define OPENING_MAX 4
size_t hf_sight_opening(
	const struct cube *cube, unsigned int proto, struct cube ret[OPENING_MAX], bool *ret_syn);

/* The items of every path of an uplink, by class of the destination and leaving interface. */
struct sight_path {
	enum hf_class class;
	uint16_t out;
	struct items items[2]; /* IPv4, IPv6 */
};

/* All that packets of one uplink can meet. */
struct sight_host {
	const struct hf_rules *rules;
	size_t n_paths;
	struct sight_path *paths;
};

/* Returns 0 or -ENOMEM. */
int hf_sight_init(struct sight_host *h, const struct hf_rules *rules, uint16_t in,
	const struct items_opts *opts);
void hf_sight_fini(struct sight_host *h);
/* Number of the path that packets to an address take; h->n_paths: of none. */
size_t hf_sight_path(const struct sight_host *h, const struct hf_addr *dst);
/* Whether services may rewrite a packet of the region. */
bool hf_sight_rewritten(const struct hf_rules *rules, const struct cube *region);
