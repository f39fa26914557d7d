/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a NIC may do with each packet, as sets, from the entries that are in it.
 *
 * Where the order of two matching entries is not defined (equal priority, or an engine without
 * priorities), either may win, so a packet can be in the sets of several fates. A field that is not
 * among the variables may match or not. Nothing of flowgen/plan is used to interpret an entry.
 */

#pragma once

#include "policy.h"

#include <hepflow/check.h>

/* Begins now. */
struct dd_budget hf_check_budget(const struct hf_check_opts *opts);
/* Why a proof that is undecided is so. */
enum hf_check_limit hf_check_limit(const struct dd_budget *budget);

struct device {
	BDD may[HF_FATE_JUMP]; /* by enum hf_fate */
	BDD delivered;	       /* of what is allowed: tracked, and software does not see it */
	BDD lost;	       /* of what is dropped: by no entry of a table that it was led to */
	BDD punt[HF_REASON_MAX_]; /* what is punted, by the entry's reason; first, by none */
};

/*
 * all: the packets to look at; few: they are so few that it pays to look at nothing else on the
 * way. reached (may be NULL): per entry, set to true when some packet meets it. Returns 0, -EINVAL
 * for a jump that leads backwards, or -ENOMEM.
 */
int hf_device_walk(struct device *dev, struct dd *dd, BDD all, bool few,
	const struct hf_check_view *view, bool *reached);

/* Does an entry let pass what policy tracks, without a word to software? */
bool hf_device_delivers(const struct hf_check_view *view, const struct hf_entry *e);
/*
 * Packets that the device may decide otherwise than every state of them demands; or delivers
 * although their answers, of a connection that software does not know, might not pass
 * (certain->answered).
 */
BDD hf_device_wrong(const struct device *dev, struct dd *dd, const struct fates *certain);

/* A point as a packet that arrives by the uplink, new. */
void hf_pol_packet(const struct pol *pol, const struct dd_packet *p, struct hf_packet *ret);
/* What the reference says, the host's own default put in. */
enum hf_verdict hf_pol_verdict(const struct pol *pol, const struct hf_packet *pkt);

/* The engine that policy is put into, or NULL. */
const struct hf_engine *hf_device_engine(const struct hf_check_view *view);
/* That of reserved entries, which does nothing but choose a queue, or NULL. */
const struct hf_engine *hf_device_carrier(const struct hf_check_view *view);
/* Of an entry. */
const struct hf_engine *hf_device_engine_of(
	const struct hf_check_view *view, const struct hf_entry *e);
/*
 * Of all, what the NIC could decide with room for everything: policy has one verdict whatever the
 * fields say that the profile does not match.
 */
BDD hf_device_knowable(
	struct dd *dd, const struct hf_check_view *view, BDD all, const struct fates *certain);

/*
 * What the driver installs when it is asked for an entry: wider or narrower where the profile says
 * so. Returns whether it is as asked. Only for views that have an engine.
 */
bool hf_device_installed(
	const struct hf_check_view *view, const struct hf_entry *e, struct hf_pattern *ret);
/*
 * Whether the entries have the fields (or masks) in common that the engine wants them to. If not,
 * the driver refuses some of them, and which is not known. installed: of each entry.
 */
bool hf_device_one_shape(const struct hf_check_view *view, const struct hf_pattern *installed);

/* What a pattern matches on that NIC. */
BDD hf_device_match(
	struct dd *dd, const struct hf_check_view *view, const struct hf_pattern *match);

/*
 * Turns a packet that is wrong into one that can be printed, in a state and with a backend in which
 * the reference gives another verdict than some fate the device may choose: by each of the
 * policies, of which the last one's verdict is given. False when there is no such state: device,
 * policy and reference do not agree then on what is wrong.
 */
bool hf_device_confirm(const struct pol *const *pols, size_t n_pols,
	const struct hf_check_view *view, const struct dd_packet *p, struct hf_check_wrong *ret);
