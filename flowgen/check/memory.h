/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What proofs remember for the ones that follow: of operations on sets, what came of them.
 *
 * "This set and that one give that" holds whatever the variables stand for, and a set has one
 * number as long as it is kept. So nothing here can be out of date: a policy, a rule or an entry
 * that has changed leads to other sets, and those are not found. All sets that occur in what is
 * remembered are kept.
 */

#pragma once

#include "dd.h"

enum hf_memory_op {
	MEMORY_NONE,
	/* Of two sets. */
	MEMORY_AND,
	MEMORY_OR,
	MEMORY_MINUS,
	MEMORY_NOT, /* of the first */
	MEMORY_PUT,
	MEMORY_FORGET,
	/* Behind these: of a field and two numbers. */
	MEMORY_RANGE,
	MEMORY_MASKED = MEMORY_RANGE + DD_FIELDS,
};

/* False: not known. */
bool hf_memory_find(struct hf_check_memory *m, unsigned int op, uint32_t a, uint32_t b, BDD *ret);
/* False: no room, and the set is not kept. */
bool hf_memory_note(struct hf_check_memory *m, unsigned int op, uint32_t a, uint32_t b, BDD set);

/*
 * A run of a proof in the memory, for hf_dd_prove(). *ret_decided: whether it came to an answer.
 * When the table of libbdd is no good any more or too small it has been closed.
 */
int hf_memory_prove(uint8_t family, const struct dd_proof *proof, bool *ret_decided,
	size_t *ret_nodes, struct hf_err *err);
