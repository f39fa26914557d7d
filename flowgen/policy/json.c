/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/dump.h"

#include <errno.h>
#include <stdio.h>

/* Adds where the object was read: text leaves it out, so that it does not depend on the place. */
static json_t *placed(const struct hf_entry *entry)
{
	const struct hf_meta *meta = entry->obj;
	json_t *obj = hf_dump_entry(entry);

	if (obj && json_object_set_new(obj, "place",
			   json_pack("{s:s, s:i, s:i}", "file", meta->place.file, "line",
				   (int)meta->place.line, "column", (int)meta->place.col)) < 0) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}

/* One object at a time: a large set need not stand in memory as one tree. */
int hf_policy_print_json(const struct hf_policy *policy, FILE *out)
{
	size_t i;
	int rc = 0;

	fputs("{\"schema\": 1, \"objects\": [", out);
	for (i = 0; rc == 0 && i < policy->entries.n; i++) {
		json_t *obj = placed(&policy->entries.v[i]);

		fputs(i ? ",\n" : "\n", out);
		rc = obj ? json_dumpf(obj, out, 0) : -1;
		json_decref(obj);
	}
	fputs("\n]}\n", out);
	return rc < 0 || ferror(out) ? -EIO : 0;
}
