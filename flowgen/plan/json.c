/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <errno.h>
#include <jansson.h>

static json_t *account_json(const struct hf_plan *plan, const struct hf_account *a)
{
	static const char *const shares[] = {
		[HF_SHARE_NONE] = "no",
		[HF_SHARE_PART] = "partial",
		[HF_SHARE_WHOLE] = "yes",
	};
	char buf[64];
	json_t *o = json_pack("{s:s, s:s, s:I}", "origin", hf_plan_origin(plan, a->origin),
		"offloaded", shares[a->share], "entries", (json_int_t)a->entries);

	if (o && hf_plan_place(plan, a->origin)[0])
		json_object_set_new(o, "place", json_string(hf_plan_place(plan, a->origin)));
	if (o && a->packets)
		json_object_set_new(o, "packets", json_integer((json_int_t)a->packets));
	if (o && a->share != HF_SHARE_WHOLE)
		json_object_set_new(
			o, "reason", json_string(hf_reason_print(a->reason, a->detail, buf)));
	return o;
}

static json_t *entry_json(const struct hf_plan *plan, size_t i)
{
	const struct hf_entry *e = hf_plan_at(plan, i);
	char match[256], buf[64];
	json_t *o;

	(void)hf_pattern_print(&e->match, match, sizeof(match));
	o = json_pack("{s:I, s:I, s:I, s:s, s:s}", "index", (json_int_t)i, "group",
		(json_int_t)plan->tables[e->table].group, "priority", (json_int_t)e->priority,
		"match", match, "fate", hf_fate_name(e->fate));
	if (!o)
		return NULL;
	if (e->fate == HF_FATE_JUMP)
		json_object_set_new(o, "jump", json_integer(plan->tables[e->jump].group));
	if (e->sets_tag)
		json_object_set_new(o, "tag", json_integer(e->tag));
	if (e->sets_tag && e->tag_keep)
		json_object_set_new(o, "tag_keep", json_integer(e->tag_keep));
	if (e->forward)
		json_object_set_new(o, "delivered", json_true());
	if (e->reserved)
		json_object_set_new(o, "reserved", json_integer(hf_reserved_queue(e->fate)));
	if (e->fate == HF_FATE_PUNT)
		json_object_set_new(
			o, "reason", json_string(hf_reason_print(e->reason, e->detail, buf)));
	if (e->origin < plan->n_origins)
		json_object_set_new(o, "origin", json_string(plan->origins[e->origin]));
	return o;
}

static json_t *sum_json(const struct hf_plan *plan)
{
	struct hf_plan_sum s;
	json_t *o;

	if (hf_plan_sum(plan, &s) < 0)
		return NULL;
	o = json_pack("{s:I, s:I, s:I, s:I}", "rules", (json_int_t)s.rules, "yes",
		(json_int_t)s.whole, "partial", (json_int_t)s.part, "masks", (json_int_t)s.masks);
	if (o && s.weighed) {
		json_object_set_new(o, "packets", json_integer((json_int_t)s.packets));
		json_object_set_new(
			o, "packets_offloaded", json_integer((json_int_t)s.packets_whole));
	}
	return o;
}

int hf_plan_print_json(const struct hf_plan *plan, FILE *out)
{
	json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:[], s:[], s:[]}", "schema", 1, "iface",
		plan->iface, "profile", plan->nic, "fallback",
		plan->fallback == HF_FALLBACK_KERNEL ? "kernel" : "software", "rules", "tables",
		"entries");
	size_t i;
	int rc;

	if (!root)
		return -ENOMEM;
	json_object_set_new(root, "offloaded", sum_json(plan));
	json_object_set_new(root, "capacity",
		plan->capacity == UINT32_MAX ? json_null() : json_integer(plan->capacity));
	if (plan->eswitch.on)
		json_object_set_new(root, "eswitch",
			json_pack("{s:i, s:i}", "wire", (int)plan->eswitch.wire, "host",
				(int)plan->eswitch.host));
	for (i = 0; i < hf_plan_n_accounts(plan); i++)
		json_array_append_new(json_object_get(root, "rules"),
			account_json(plan, hf_plan_account(plan, i)));
	for (i = 0; i < plan->n_tables; i++)
		json_array_append_new(json_object_get(root, "tables"),
			json_pack("{s:I, s:s}", "group", (json_int_t)plan->tables[i].group, "name",
				plan->tables[i].name));
	for (i = 0; i < plan->n_entries; i++)
		json_array_append_new(json_object_get(root, "entries"), entry_json(plan, i));
	rc = json_dumpf(root, out, JSON_INDENT(1)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(root);
	return rc;
}
