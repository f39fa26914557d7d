/* SPDX-License-Identifier: BSD-3-Clause */

/* How often a proof is tried, and with what. */

#include "memory.h"

#include <hepflow/err.h>

#define FIRST_TRY 5 /* part of the nodes that each order has at first */
#define TRIES	  4 /* each order with a part of the nodes, then with all */

/* The better order often needs a small part of what the other one does. */
static int open_try(struct dd *dd, uint8_t family, unsigned int try, const struct dd_proof *proof,
	struct dd_axes *axes)
{
	size_t max = try < DD_ORDERS ? proof->max_nodes / FIRST_TRY : proof->max_nodes;
	int rc = hf_dd_open(dd, family, try % DD_ORDERS, max, axes);

	dd->budget = proof->budget;
	return rc;
}

static int prove_afresh(uint8_t family, const struct dd_proof *proof, bool *ret_decided,
	size_t *ret_nodes, struct hf_err *err)
{
	struct dd_axes axes;
	struct dd dd;
	unsigned int i;
	int rc;

	hf_dd_record(&dd, family, &axes);
	rc = proof->run(proof->job, &dd);
	for (i = 0; i < TRIES && rc == 0 && !dd.failed && !*ret_decided; i++) {
		rc = open_try(&dd, family, i, proof, &axes);
		if (rc < 0)
			rc = hf_fail(err, rc, "check: no room for decision diagrams");
		else
			rc = proof->run(proof->job, &dd);
		*ret_decided = !dd.failed;
		if (ret_nodes)
			*ret_nodes = dd.peak;
		dd.failed = hf_dd_spent(proof->budget);
	}
	hf_dd_axes_fini(&axes);
	return rc;
}

int hf_dd_prove(uint8_t family, const struct dd_proof *proof, bool *ret_decided, size_t *ret_nodes,
	struct hf_err *err)
{
	int rc = 0;

	*ret_decided = false;
	if (proof->memory)
		rc = hf_memory_prove(family, proof, ret_decided, ret_nodes, err);
	if (rc < 0 || *ret_decided || hf_dd_spent(proof->budget))
		return rc;
	return prove_afresh(family, proof, ret_decided, ret_nodes, err);
}
