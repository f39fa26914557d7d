/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Steps: a NIC that does the operations of a diff one by one. What it may not be asked for ends the
 * test: an entry whose key is there already, or one to remove that is not there.
 */

#pragma once

#include <hepflow/base/vec.h>
#include <hepflow/diff.h>
#include <hepflow/net.h>

struct hf_step_entry {
	uint32_t group;
	uint32_t jump; /* group */
	struct hf_entry entry;
};

struct hf_steps {
	const struct hf_plan *plan; /* how packets are parsed */
	HF_VEC(struct hf_step_entry) entries;
};

/* Fates as bits 1 << enum hf_fate. */
unsigned int hf_fates_of(const struct hf_plan *plan, const struct hf_packet *pkt);

/* plan: whose entries are there to begin with, or NULL; like: another of the same NIC, for parsing.
 */
void hf_steps_init(struct hf_steps *s, const struct hf_plan *plan, const struct hf_plan *like);
void hf_steps_fini(struct hf_steps *s);
void hf_steps_do(struct hf_steps *s, const struct hf_diff_op *op);
/*
 * Whether the entry that comes or goes can be among those that a packet meets, be its tag what it
 * may: if not, the packet is judged after the operation as it was before.
 */
bool hf_steps_concern(
	const struct hf_steps *s, const struct hf_diff_op *op, const struct hf_packet *pkt);
/* Every fate that the NIC may give the packet, whichever of equally strong entries it takes. */
unsigned int hf_steps_judge(const struct hf_steps *s, const struct hf_packet *pkt);
/* Whether both hold the same entries, in whatever order. */
bool hf_steps_equal(const struct hf_steps *a, const struct hf_steps *b);
