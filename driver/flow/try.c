/* SPDX-License-Identifier: BSD-3-Clause */

#include "try.h"

#include "ops.h"

#include <hepflow/err.h>
#include <hepflow/rteflow.h>

#include <rte_flow.h>

#include <string.h>

int hf_flow_try(
	uint16_t port, const struct hf_flow *flow, bool create, bool *ret_left, struct hf_err *err)
{
	struct rte_flow_error error = {0};
	struct hf_rte_flow f;
	void *handle;
	int rc;

	*ret_left = false;
	if (create) {
		rc = hf_flow_ops_rte.create(&port, flow, &handle, err);
		*ret_left = rc == 0 && hf_flow_ops_rte.destroy(&port, handle, err) < 0;
		return rc;
	}
	hf_rte_flow_build(flow, &f);
	rc = rte_flow_validate(port, &f.attr, f.items, f.actions, &error);
	return rc < 0 ? hf_fail(err, rc, "%s: type %d: %s", strerror(-rc), (int)error.type,
				error.message ? error.message : "(no message)")
		      : 0;
}
