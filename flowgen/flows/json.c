/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/flows.h>

#include <errno.h>
#include <jansson.h>

#define LINE_SIZE 2048

static json_t *flow_json(const struct hf_plan *plan, const struct hf_nic *nic,
	const struct hf_flow_opts *opts, size_t i)
{
	const struct hf_entry *e = hf_plan_entry(plan, i);
	char line[LINE_SIZE];
	struct hf_flow flow;

	hf_plan_flow(plan, nic, i, opts->n_queues, &flow);
	(void)hf_flow_print_testpmd(&flow, opts->port, line, sizeof(line));
	return json_pack("{s:I, s:I, s:I, s:s, s:s, s:s}", "index", (json_int_t)i, "group",
		(json_int_t)flow.group, "priority", (json_int_t)flow.priority, "fate",
		hf_fate_name(e->fate), "origin", hf_plan_origin(plan, e->origin), "testpmd", line);
}

int hf_flows_print_json(const struct hf_plan *plan, const struct hf_nic *nic,
	const struct hf_flow_opts *opts, FILE *out)
{
	json_t *root = json_pack("{s:i, s:s, s:s, s:[]}", "schema", 1, "iface", hf_plan_iface(plan),
		"profile", hf_plan_nic(plan), "flows");
	size_t i;
	int rc;

	if (!root)
		return -ENOMEM;
	for (i = 0; i < hf_plan_n_entries(plan); i++)
		json_array_append_new(
			json_object_get(root, "flows"), flow_json(plan, nic, opts, i));
	rc = json_dumpf(root, out, JSON_INDENT(1)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(root);
	return rc;
}
